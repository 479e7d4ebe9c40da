/* Framing of requests, cut anywhere; limits; and every allocation failing once. */
#include "run/serve/http_message.h"

#include <string.h>

#include "support/harness.h"

static const mw_message_limits limits = {
    .request_line_bytes = 200, .header_bytes = 400, .headers = 5};

/* Feeds text in pieces; the last event, with the body collected. */
static mw_message_event feed(mw_message *message, const char *text, size_t piece, mw_buf *body) {
    size_t size = strlen(text), at = 0;
    mw_message_event event = MW_MESSAGE_MORE;
    while (event != MW_MESSAGE_END && event != MW_MESSAGE_ERROR) {
        size_t n = size - at < piece ? size - at : piece, used;
        event = mw_message_feed(message, text + at, n, &used);
        at += used;
        if (event == MW_MESSAGE_BODY && body)
            mw_buf_append(body, message->body.data, message->body.size);
        if (event == MW_MESSAGE_MORE && at == size) break;
    }
    return event;
}

static int status_of(const char *text) {
    mw_message message;
    mw_message_init(&message, &limits, NULL);
    mw_message_begin(&message);
    mw_message_event event = feed(&message, text, 1000, NULL);
    int status = event == MW_MESSAGE_ERROR ? message.error_status
                 : event == MW_MESSAGE_END ? 0
                                           : -1;
    mw_message_done(&message);
    return status;
}

MW_TEST(reads_a_head) {
    mw_message message;
    mw_message_init(&message, &limits, NULL);
    mw_message_begin(&message);
    const char *text =
        "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nContent-Length:  5 \r\n\r\nhello";
    mw_buf body;
    mw_buf_init(&body, NULL, 100);
    assert_int_equal(feed(&message, text, 1000, &body), MW_MESSAGE_END);
    assert_int_equal(message.method, MW_HTTP_POST);
    assert_true(mw_str_is(message.target, "/a?b=c"));
    assert_true(mw_str_is(mw_message_field(&message, "host"), "x"));
    assert_true(mw_str_is(mw_message_field(&message, "X-EMPTY"), ""));
    assert_non_null(mw_message_field(&message, "X-EMPTY").data);
    assert_null(mw_message_field(&message, "X-None").data);
    assert_true(message.keep_alive);
    assert_int_equal(message.content_length, 5);
    assert_string_equal(mw_buf_text(&body), "hello");
    mw_buf_done(&body);
    mw_message_done(&message);
}

MW_TEST(cuts_do_not_matter) {
    const char *text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        mw_message message;
        mw_buf body;
        mw_buf_init(&body, NULL, 100);
        mw_message_init(&message, &limits, NULL);
        mw_message_begin(&message);
        assert_int_equal(feed(&message, text, piece, &body), MW_MESSAGE_END);
        assert_string_equal(mw_buf_text(&body), "hello0123456789abcdef");
        mw_message_begin(&message);
        assert_true(mw_message_idle(&message));
        mw_buf_done(&body);
        mw_message_done(&message);
    }
}

MW_TEST(limits_are_exact) {
    char text[1000];
    const char *rest = " HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t line = 199; line <= 201; line++) {
        size_t path = line - strlen("GET  HTTP/1.1");
        memcpy(text, "GET ", 4);
        memset(text + 4, '/', path);
        strncpy(text + 4 + path, rest, sizeof text - 4 - path);
        assert_int_equal(status_of(text), line <= 200 ? 0 : 414);
    }
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n"), 0);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n\r\n"),
                     431);
}

/* A limit is enforced on bytes that have not become a line yet. */
MW_TEST(endless_lines_are_refused_early) {
    mw_message message;
    size_t used, fed = 0;
    mw_message_init(&message, &limits, NULL);
    mw_message_begin(&message);
    while (mw_message_feed(&message, "aaaaaaaaaa", 10, &used) == MW_MESSAGE_MORE) fed += used;
    assert_int_equal(message.error_status, 414);
    assert_true(fed <= limits.request_line_bytes + 2);
    mw_message_done(&message);
}

MW_TEST(refusals_have_their_status) {
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n: z\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / RTSP/1.0\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n", 417},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(status_of(cases[i].text), cases[i].status);
}

MW_TEST(idle_memory_is_small) {
    mw_message message;
    mw_message_init(&message, &limits, NULL);
    mw_message_begin(&message);
    size_t before = mw_mem_used(&mw_mem_process);
    assert_int_equal(feed(&message, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000, NULL),
                     MW_MESSAGE_END);
    mw_message_begin(&message);
    mw_message_trim(&message);
    assert_true(mw_mem_used(&mw_mem_process) - before < 1024);
    mw_message_done(&message);
    assert_int_equal(mw_mem_used(&mw_mem_process), before);
}

MW_TEST(every_allocation_may_fail) {
    for (uint64_t n = 1;; n++) {
        mw_message message;
        mw_message_init(&message, &limits, NULL);
        mw_message_begin(&message);
        mw_alloc_fail_at(n);
        mw_message_event event = feed(&message, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 7, NULL);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (fired) {
            assert_int_equal(event, MW_MESSAGE_ERROR);
            assert_int_equal(message.error_status, 503);
        } else {
            assert_int_equal(event, MW_MESSAGE_END);
        }
        mw_message_done(&message);
        assert_int_equal(mw_mem_used(&mw_mem_process), 0);
        if (!fired) break;
        assert_true(n < 100);
    }
}

MW_TEST_MAIN(MW_RUN(reads_a_head), MW_RUN(cuts_do_not_matter), MW_RUN(limits_are_exact),
             MW_RUN(endless_lines_are_refused_early), MW_RUN(refusals_have_their_status),
             MW_RUN(idle_memory_is_small), MW_RUN(every_allocation_may_fail))
