/* The HTTP client beside a server that does all that goes wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/threads.h"
#include "keep/net/net_client.h"
#include "support/fake_clock.h"
#include "support/fault_loop.h"
#include "support/harness.h"
#include "support/net_peer.h"

#define SERVER "tests/support/net_server.py"

static mw_err err;
static mw_ctx ctx;
static mw_fake_clock clock_of_tests;
static mw_net_peer peer;
static mw_net *net;
static mw_net_answer answer;

/* The clock is a fake one, so that waits between tries take no time; libcurl has its own. */
static void start(void) {
    mw_ctx_init(&ctx);
    mw_fake_clock_init(&clock_of_tests, 0);
    ctx.clock = &clock_of_tests.clock;
    mw_net_peer_start(&peer, SERVER, NULL);
    assert_ok(mw_net_new(NULL, NULL, &net, &err));
}

static void stop(void) {
    net = mw_net_free(net);
    mw_net_peer_stop(&peer);
}

static mw_status get(const char *path) {
    mw_net_request request = {.url = mw_net_peer_url(&peer, path)};
    return mw_net_send(&ctx, net, &request, &answer, &err);
}

/* As tests/support/net_server.py makes it. */
static void check_content(const char *data, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)data[i] != (unsigned char)(i * 31 + i / 251))
            fail_msg("byte %zu is another one", i);
}

static void sha_of_content(size_t n, char hex[MW_SHA256_HEX]) {
    char *data = mw_alloc(NULL, n + 1);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) data[i] = (char)(i * 31 + i / 251);
    assert_ok(mw_sha256_of(data, n, hex, &err));
    mw_free(data);
}

static mw_dir *open_folder(void) {
    mw_dir *dir;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_CREATE, &dir, &err));
    return dir;
}

static size_t count_files(mw_dir *dir) {
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_list(&ctx, dir, &entries, &n, &err));
    mw_free(entries);
    return n;
}

MW_TEST(a_request_arrives_as_it_was_given) {
    start();
    const mw_net_header headers[] = {{"X-Plant", "north \xc3\xa4"}, {"X-Empty", " "}};
    mw_net_request request = {.method = "PUT",
                              .url = mw_net_peer_url(&peer, "/echo/a%20b/../c?d=e%2F"),
                              .headers = headers,
                              .n_headers = 2,
                              .bearer = "key-1",
                              .body = MW_STR("the \0 body")};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.status, 200);
    const char *text = mw_buf_text(&answer.body);
    assert_memory_equal(text, "PUT /echo/a%20b/../c?d=e%2F\n", 28);
    assert_non_null(strstr(text, "\nx-plant: north \xc3\xa4\n"));
    assert_non_null(strstr(text, "\nauthorization: Bearer key-1\n"));
    assert_non_null(strstr(text, "\ncontent-length: 10\n"));
    assert_non_null(strstr(text, "\nuser-agent: millwright/"));
    assert_null(strstr(text, "\nexpect:"));
    assert_null(strstr(text, "\ncontent-type:"));
    assert_memory_equal(text + answer.body.size - 10, "the \0 body", 10);
    assert_int_equal(answer.n_bytes, answer.body.size);
    mw_net_answer_done(&answer);
    /* Without a body, and with an empty one. */
    request = (mw_net_request){
        .method = "POST", .url = mw_net_peer_url(&peer, "/echo"), .body = MW_STR("")};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_non_null(strstr(mw_buf_text(&answer.body), "\ncontent-length: 0\n"));
    mw_net_answer_done(&answer);
    request = (mw_net_request){.method = "HEAD", .url = mw_net_peer_url(&peer, "/size/12345")};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_string_equal(mw_net_answer_header(&answer, "content-length"), "12345");
    assert_int_equal(answer.n_bytes, 0);
    mw_net_answer_done(&answer);
    request.method = "DELETE";
    request.url = mw_net_peer_url(&peer, "/nothing");
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.status, 204);
    mw_net_answer_done(&answer);
    stop();
}

MW_TEST(connections_are_kept) {
    start();
    for (int i = 0; i < 5; i++) {
        assert_ok(get("/size/10"));
        assert_string_equal(mw_net_answer_header(&answer, "x-connection"), "1");
        mw_net_answer_done(&answer);
    }
    assert_ok(get("/fault/10")); /* an answer that is read whole does not cost the connection */
    mw_net_answer_done(&answer);
    assert_ok(get("/size/0"));
    assert_string_equal(mw_net_answer_header(&answer, "x-connection"), "1");
    assert_null(mw_net_answer_header(&answer, "x-nothing"));
    mw_net_answer_done(&answer);
    stop();
}

MW_TEST(an_answer_of_another_status_is_an_answer) {
    start();
    assert_ok(get("/fault/20"));
    assert_int_equal(answer.status, 404);
    assert_string_equal(mw_buf_text(&answer.body), "ffffffffffffffffffff");
    mw_net_answer_done(&answer);
    /* Of a long one the beginning is enough. */
    assert_ok(get("/fault/3000000"));
    assert_int_equal(answer.status, 404);
    assert_int_equal(answer.body.size, 65536);
    mw_net_answer_done(&answer);
    /* Nobody is sent elsewhere. */
    assert_ok(get("/redirect"));
    assert_int_equal(answer.status, 302);
    assert_string_equal(mw_net_answer_header(&answer, "location"), "/echo");
    mw_net_answer_done(&answer);
    assert_ok(get("/interim"));
    assert_int_equal(answer.status, 200);
    assert_null(mw_net_answer_header(&answer, "x-early"));
    assert_string_equal(mw_buf_text(&answer.body), "final");
    mw_net_answer_done(&answer);
    stop();
}

MW_TEST(what_fails_for_a_moment_is_tried_again) {
    static const char *const paths[] = {"/flaky/3/500", "/flaky/3/502", "/flaky/3/503",
                                        "/flaky/3/504", "/flaky/3/429", "/cut/3",
                                        "/hang_up/3"};
    start();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_ok(get(paths[i]));
        assert_int_equal(answer.status, 200);
        assert_string_equal(mw_net_answer_header(&answer, "x-try"), "4");
        mw_net_answer_done(&answer);
    }
    /* Three waits each: 0.2, 0.4 and 0.8 s, a quarter more or less. */
    const int64_t slept = clock_of_tests.slept_us / 7;
    assert_in_range(slept, 1050000, 1750000);
    /* After the last try the answer is what the last one said. */
    assert_ok(get("/flaky/4/503"));
    assert_int_equal(answer.status, 503);
    assert_string_equal(mw_buf_text(&answer.body), "not yet");
    mw_net_answer_done(&answer);
    assert_status(get("/cut/4"), MW_EBUSY);
    assert_status(get("/hang_up/4"), MW_EBUSY);
    /* No other answer is asked for twice. */
    assert_ok(get("/flaky/1/501"));
    assert_int_equal(answer.status, 501);
    mw_net_answer_done(&answer);
    stop();
}

MW_TEST(the_other_side_says_how_long_to_wait) {
    start();
    assert_ok(get("/flaky/1/503/7"));
    mw_net_answer_done(&answer);
    assert_int_equal(clock_of_tests.slept_us, 7 * MW_US_PER_SECOND);
    assert_ok(get("/flaky/1/429/99999999999999999999"));
    mw_net_answer_done(&answer);
    assert_int_equal(clock_of_tests.slept_us, 37 * MW_US_PER_SECOND);
    stop();
}

MW_TEST(what_might_do_harm_is_sent_once) {
    start();
    mw_net_request request = {
        .method = "POST", .url = mw_net_peer_url(&peer, "/flaky/1/503"), .body = MW_STR("x")};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.status, 503);
    mw_net_answer_done(&answer);
    request.url = mw_net_peer_url(&peer, "/hang_up/1");
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    request.url = mw_net_peer_url(&peer, "/hang_up/1?again");
    request.repeatable = true;
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    mw_net_answer_done(&answer);
    request = (mw_net_request){.url = mw_net_peer_url(&peer, "/hang_up/1?once"), .once = true};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    stop();
}

MW_TEST(an_answer_has_a_limit) {
    start();
    mw_net_request request = {.url = mw_net_peer_url(&peer, "/size/100000"), .max_bytes = 100000};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.body.size, 100000);
    check_content(mw_buf_text(&answer.body), 100000);
    mw_net_answer_done(&answer);
    request.max_bytes = 99999;
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_ETOOLARGE);
    assert_non_null(strstr(err.message, "99999 bytes"));
    assert_status(get("/headers/101/10"), MW_ETOOLARGE);
    assert_status(get("/headers/90/1000"), MW_ETOOLARGE);
    assert_ok(get("/headers/90/10"));
    assert_int_equal(answer.n_headers, 93);
    mw_net_answer_done(&answer);
    assert_int_not_equal(get("/endless_header"), MW_OK);
    assert_status(get("/garbage"), MW_EDATA);
    stop();
}

MW_TEST(an_answer_goes_to_a_file_when_it_is_whole) {
    char hex[MW_SHA256_HEX];
    start();
    mw_dir *dir = open_folder();
    const size_t sizes[] = {0, 1, 1000, 3000000};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        char *data;
        size_t n;
        (void)snprintf(path, sizeof path, "/size/%zu", sizes[i]);
        sha_of_content(sizes[i], hex);
        mw_net_request request = {.url = mw_net_peer_url(&peer, path),
                                  .into_dir = dir,
                                  .into_name = "part",
                                  .sha256 = hex};
        assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
        assert_int_equal(answer.n_bytes, sizes[i]);
        assert_int_equal(answer.body.size, 0);
        mw_net_answer_done(&answer);
        assert_ok(mw_file_read(&ctx, dir, "part", 4000000, &data, &n, &err));
        assert_int_equal(n, sizes[i]);
        check_content(data, n);
        mw_free(data);
    }
    /* Whatever fails leaves the old file, and nothing beside it. */
    const struct {
        const char *path;
        mw_status want;
    } faults[] = {{"/size/1000000", MW_EDATA},
                  {"/cut/9", MW_EBUSY},
                  {"/cut_chunks", MW_EBUSY},
                  {"/size/4000000", MW_ETOOLARGE}};
    for (size_t i = 0; i < 4; i++) {
        mw_net_request request = {.url = mw_net_peer_url(&peer, faults[i].path),
                                  .into_dir = dir,
                                  .into_name = "part",
                                  .sha256 = hex,
                                  .max_bytes = 3000000};
        assert_status(mw_net_send(&ctx, net, &request, &answer, &err), faults[i].want);
        assert_int_equal(count_files(dir), 1);
    }
    mw_net_request request = {
        .url = mw_net_peer_url(&peer, "/fault/10"), .into_dir = dir, .into_name = "part"};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.status, 404);
    assert_string_equal(mw_buf_text(&answer.body), "ffffffffff");
    mw_net_answer_done(&answer);
    char *data;
    size_t n;
    assert_ok(mw_file_read(&ctx, dir, "part", 4000000, &data, &n, &err));
    assert_int_equal(n, 3000000);
    mw_free(data);
    mw_dir_close(dir);
    stop();
}

MW_TEST(a_file_is_sent) {
    start();
    mw_dir *dir = open_folder();
    char *data = mw_alloc(NULL, 3000000);
    for (size_t i = 0; i < 3000000; i++) data[i] = (char)(i * 31 + i / 251);
    assert_ok(mw_file_replace(&ctx, dir, "part", data, 3000000, &err));
    assert_ok(mw_file_replace(&ctx, dir, "none", "", 0, &err));
    mw_net_request request = {.method = "PUT",
                              .url = mw_net_peer_url(&peer, "/flaky/2/503"),
                              .body_dir = dir,
                              .body_name = "part"};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_string_equal(mw_net_answer_header(&answer, "x-try"), "3");
    assert_int_equal(answer.body.size, 8 + 3000000);
    check_content(mw_buf_text(&answer.body) + 8, 3000000);
    mw_net_answer_done(&answer);
    request.url = mw_net_peer_url(&peer, "/echo");
    request.body_name = "none";
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_non_null(strstr(mw_buf_text(&answer.body), "\ncontent-length: 0\n"));
    mw_net_answer_done(&answer);
    request.body_name = "missing";
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_ENOTFOUND);
    mw_free(data);
    mw_dir_close(dir);
    stop();
}

/* ---- answers as they arrive ---- */

typedef struct collected {
    int begun;
    size_t n, most;
    mw_status then;
    mw_cancel *cancel;
} collected;

static mw_status begin(void *self, mw_err *e) {
    collected *all = self;
    (void)e;
    all->begun++;
    all->n = 0;
    return MW_OK;
}

static mw_status add(void *self, const void *data, size_t size, mw_err *e) {
    collected *all = self;
    (void)data;
    all->n += size;
    if (all->n < all->most) return MW_OK;
    if (all->cancel) {
        atomic_store(&all->cancel->requested, true);
        return MW_OK;
    }
    return mw_fail(e, all->then, "that is enough");
}

MW_TEST(an_answer_is_handed_out_as_it_arrives) {
    start();
    collected all = {.most = SIZE_MAX};
    mw_net_request request = {.url = mw_net_peer_url(&peer, "/chunked/1000"),
                              .sink = {begin, add, &all}};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(all.n, 6000);
    assert_int_equal(all.begun, 1);
    mw_net_answer_done(&answer);
    /* An answer that never ends ends when the sink says so, with what it says, and is not asked for again. */
    all = (collected){.most = 15, .then = MW_EBUSY};
    request.url = mw_net_peer_url(&peer, "/drip");
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    assert_string_equal(err.message, "that is enough");
    assert_int_equal(all.begun, 1);
    /* Or when the caller's work is cancelled. */
    mw_cancel cancel = {.requested = false};
    all = (collected){.most = 15, .cancel = &cancel};
    ctx.cancel = &cancel;
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_ECANCELED);
    ctx.cancel = NULL;
    /* What is cut is begun again, if it can be. */
    all = (collected){.most = SIZE_MAX};
    request.url = mw_net_peer_url(&peer, "/cut/2");
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(all.begun, 3);
    assert_int_equal(all.n, 1000);
    mw_net_answer_done(&answer);
    all = (collected){.most = SIZE_MAX};
    request.url = mw_net_peer_url(&peer, "/cut/1?sink");
    request.sink.begin = NULL;
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    assert_int_equal(all.n, 500);
    /* The limit holds here, too; without pieces there is a beginning all the same. */
    request = (mw_net_request){
        .url = mw_net_peer_url(&peer, "/size/10"), .sink = {begin, add, &all}, .max_bytes = 9};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_ETOOLARGE);
    all = (collected){.most = SIZE_MAX};
    request.url = mw_net_peer_url(&peer, "/empty");
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(all.begun, 1);
    mw_net_answer_done(&answer);
    stop();
}

/* ---- time ---- */

MW_TEST(silence_ends_a_request) {
    start();
    ctx.clock = &mw_clock_system;
    mw_net_free(net);
    assert_ok(mw_net_new(NULL, &(mw_net_options){.silence_ms = 300, .tries = 2}, &net, &err));
    assert_status(get("/silent"), MW_EBUSY);
    assert_non_null(strstr(err.message, "silent for"));
    assert_status(get("/mute"), MW_EBUSY);
    mw_net_request request = {
        .url = mw_net_peer_url(&peer, "/silent"), .max_ms = 100, .silence_ms = 60000, .once = true};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    /* One that goes on and on is no silence, but has an end when it is given one. */
    request =
        (mw_net_request){.url = mw_net_peer_url(&peer, "/drip"), .max_ms = 1000, .once = true};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    assert_non_null(strstr(err.message, "in time"));
    stop();
}

MW_TEST(nobody_there) {
    start();
    mw_net_peer gone = peer;
    mw_net_peer_stop(&peer);
    mw_net_request request = {.url = mw_net_peer_url(&gone, "/secret?key=hidden")};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    assert_null(strstr(err.message, "hidden"));
    request.url = "http://nobody.invalid/";
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EBUSY);
    mw_net_free(net);
}

MW_TEST(a_cancelled_one_is_not_sent) {
    start();
    mw_cancel cancel = {.requested = true};
    ctx.cancel = &cancel;
    assert_status(get("/mute"), MW_ECANCELED);
    stop();
}

/* ---- whom to trust ---- */

static void start_tls(const char *name, const char *ca) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/server.pem", mw_test_folder());
    mw_net_peer_certificate(path, name);
    mw_ctx_init(&ctx);
    mw_net_peer_start(&peer, SERVER, path);
    assert_ok(
        mw_net_new(NULL, &(mw_net_options){.ca_file = ca ? ca : path, .tries = 1}, &net, &err));
}

MW_TEST(tls_with_a_certificate_that_is_trusted) {
    start_tls("IP:127.0.0.1", NULL);
    for (int i = 0; i < 3; i++) {
        assert_ok(get("/size/100000"));
        assert_string_equal(mw_net_answer_header(&answer, "x-connection"), "1");
        check_content(mw_buf_text(&answer.body), 100000);
        mw_net_answer_done(&answer);
    }
    stop();
}

MW_TEST(tls_with_a_certificate_of_somebody_else) {
    start_tls("DNS:elsewhere.example", NULL);
    assert_status(get("/size/1"), MW_EDENIED);
    assert_non_null(strstr(err.message, "certificate"));
    stop();
}

MW_TEST(tls_with_a_certificate_of_nobody_known) {
    start_tls("IP:127.0.0.1", "/etc/ssl/certs/ca-certificates.crt");
    mw_status status = get("/size/1");
    assert_true(status == MW_EDENIED ||
                status == MW_EINVAL); /* EINVAL: the system has no such file */
    stop();
}

MW_TEST(tls_without_a_file_of_whom_to_trust) {
    start_tls("IP:127.0.0.1", "/nowhere/at/all.pem");
    assert_status(get("/size/1"), MW_EINVAL);
    stop();
}

MW_TEST(tls_where_there_is_none) {
    start();
    mw_net_free(net);
    assert_ok(mw_net_new(NULL, &(mw_net_options){.connect_ms = 300, .tries = 1}, &net, &err));
    peer.tls = true;
    assert_status(get("/size/1"), MW_EBUSY);
    stop();
}

/* ---- what is never sent ---- */

MW_TEST(addresses_and_headers_are_checked) {
    static const char *const urls[] = {"",
                                       "file:///etc/passwd",
                                       "ftp://127.0.0.1/",
                                       "http://",
                                       "http:///a",
                                       "https://?a",
                                       "http://user:password@127.0.0.1/",
                                       "http://127.0.0.1/a b",
                                       "http://127.0.0.1/\r\nX: y",
                                       "http://127.0.0.1/#part",
                                       "http://127.0.0.1/\xc3\xa4"};
    start();
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        mw_net_request request = {.url = urls[i]};
        assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EINVAL);
    }
    static const mw_net_header headers[] = {{"", "a"},       {"A B", "a"},       {"A:", "a"},
                                            {"A\r\nB", "a"}, {"A", "a\r\nB: c"}, {"A", "\x7f"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        mw_net_request request = {
            .url = mw_net_peer_url(&peer, "/echo"), .headers = &headers[i], .n_headers = 1};
        assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EINVAL);
    }
    static const char *const keys[] = {"", "a b", "a\r\nX: y"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        mw_net_request request = {.url = mw_net_peer_url(&peer, "/echo"), .bearer = keys[i]};
        assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EINVAL);
    }
    mw_net_request request = {.url = mw_net_peer_url(&peer, "/echo"), .method = "GET /x"};
    assert_status(mw_net_send(&ctx, net, &request, &answer, &err), MW_EINVAL);
    stop();
}

/* ---- many at a time ---- */

static void *ask_often(void *arg) {
    mw_err own;
    size_t *n_good = arg;
    for (int i = 0; i < 20; i++) {
        mw_net_answer mine;
        char url[128];
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/size/%d", peer.port, i * 1000);
        mw_net_request request = {.url = url};
        if (mw_net_send(&ctx, net, &request, &mine, &own)) continue;
        *n_good += mine.body.size == (size_t)i * 1000;
        mw_net_answer_done(&mine);
    }
    return NULL;
}

MW_TEST(threads_share_a_client) {
    enum { N = 20 };
    pthread_t threads[N];
    size_t n_good[N] = {0};
    start();
    for (size_t i = 0; i < N; i++)
        assert_int_equal(mw_thread_start(&threads[i], ask_often, &n_good[i]), 0);
    for (size_t i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(n_good[i], 20);
    }
    stop();
}

/* ---- faults of our own ---- */

static mw_status fetch(const mw_ctx *of, void *arg, mw_err *e) {
    mw_net *client;
    mw_net_answer got;
    char hex[MW_SHA256_HEX];
    mw_dir *dir = NULL;
    (void)arg;
    mw_status status = mw_net_new(of->mem, &(mw_net_options){.tries = 1}, &client, e);
    if (status) return status;
    status = mw_dir_open(of, mw_test_folder(), MW_DIR_CREATE, &dir, e);
    if (!status) status = mw_sha256_of("", 0, hex, e);
    mw_net_request request = {.url = mw_net_peer_url(&peer, "/size/100000"),
                              .bearer = "key",
                              .into_dir = dir,
                              .into_name = "part"};
    if (!status) status = mw_net_send(of, client, &request, &got, e);
    if (!status) mw_net_answer_done(&got);
    request.into_dir = NULL;
    if (!status) status = mw_net_send(of, client, &request, &got, e);
    if (!status) mw_net_answer_done(&got);
    mw_dir_close(dir);
    mw_net_free(client);
    return status;
}

static void whole_or_old(void *arg, uint64_t n) {
    mw_dir *dir = open_folder();
    char *data = NULL;
    size_t size = 100000;
    (void)arg, (void)n;
    if (mw_dir_has(dir, "part"))
        assert_ok(mw_file_read(&ctx, dir, "part", 200000, &data, &size, &err));
    assert_int_equal(size, 100000);
    mw_free(data);
    assert_ok(mw_dir_remove(&ctx, dir, "part", &err));
    mw_dir_close(dir);
}

MW_TEST(a_fetch_survives_failed_allocations) {
    start();
    mw_fault_loop_alloc(fetch, NULL);
    stop();
}

MW_TEST(a_fetch_survives_a_failing_disk) {
    start();
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_WRITE, MW_IO_FSYNC, MW_IO_RENAME};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        mw_fault_loop_io(fetch, NULL, kinds[i], ENOSPC, whole_or_old);
    stop();
}

MW_TEST_MAIN(MW_RUN(a_request_arrives_as_it_was_given), MW_RUN(connections_are_kept),
             MW_RUN(an_answer_of_another_status_is_an_answer),
             MW_RUN(what_fails_for_a_moment_is_tried_again),
             MW_RUN(the_other_side_says_how_long_to_wait), MW_RUN(what_might_do_harm_is_sent_once),
             MW_RUN(an_answer_has_a_limit), MW_RUN(an_answer_goes_to_a_file_when_it_is_whole),
             MW_RUN(a_file_is_sent), MW_RUN(an_answer_is_handed_out_as_it_arrives),
             MW_RUN(silence_ends_a_request), MW_RUN(nobody_there),
             MW_RUN(a_cancelled_one_is_not_sent), MW_RUN(tls_with_a_certificate_that_is_trusted),
             MW_RUN(tls_with_a_certificate_of_somebody_else),
             MW_RUN(tls_with_a_certificate_of_nobody_known),
             MW_RUN(tls_without_a_file_of_whom_to_trust), MW_RUN(tls_where_there_is_none),
             MW_RUN(addresses_and_headers_are_checked), MW_RUN(threads_share_a_client),
             MW_RUN(a_fetch_survives_failed_allocations), MW_RUN(a_fetch_survives_a_failing_disk))
