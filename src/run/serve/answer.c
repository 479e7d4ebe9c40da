/*
 * answer.c -- heads, bodies and chunks of answers, and getting them onto the socket.
 *
 * Sending is tried at once (uv_try_write: one system call, no allocation); only what the socket
 * does not take goes through uv_write. Small bodies are copied behind their head, so that a run of
 * pipelined answers leaves in one packet; large ones are sent from where they are.
 */
#include "run/serve/conn.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "run/serve/problem.h"

enum { IDLE_OUT_BYTES = 4096, ENCRYPTED_AT_A_TIME = 65536 };

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *mw_http_reason(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "";
}

static mw_conn *conn_of(mw_exchange *exchange) {
    return (mw_conn *)((char *)exchange - offsetof(mw_conn, exchange));
}

/* ---- sending ---- */

void mw_conn__drop_answer(mw_conn *conn) {
    if (conn->large.data && conn->large.memory == MW_ANSWER_GIVE)
        mw_free((void *)(uintptr_t)conn->large.data);
    conn->large.data = NULL;
    conn->large.size = conn->large.at = 0;
}

size_t mw_conn__unsent(const mw_conn *conn) {
    if (conn->writing && !conn->tls) return conn->out.size + conn->flying_bytes;
    const size_t flying = conn->writing ? conn->flying_bytes : 0;
    return conn->out.size + conn->large.size - conn->large.at + flying;
}

static void empty(mw_buf *buf) {
    if (buf->capacity > IDLE_OUT_BYTES)
        mw_buf_done(buf);
    else
        mw_buf_clear(buf);
}

static void on_written(uv_write_t *request, int status) {
    mw_conn *conn = request->data;
    conn->writing = false;
    empty(&conn->flying);
    if (!conn->tls) mw_conn__drop_answer(conn);
    if (conn->state == MW_CONN_GONE) return;
    if (status != 0) {
        mw_conn__close(conn);
        return;
    }
    conn->sent += (int64_t)conn->flying_bytes;
    mw_loop__count(&conn->loop->sent_bytes, (int64_t)conn->flying_bytes);
    conn->flying_bytes = 0;
    conn->turns = 0;
    mw_conn__advance(conn);
}

/* What is to be sent, after the first `skip` bytes of it; the number of pieces. */
static unsigned gather(const mw_buf *out, const mw_conn *conn, size_t skip, uv_buf_t pieces[2]) {
    unsigned n = 0;
    if (skip < out->size) {
        pieces[n++] = uv_buf_init(out->data + skip, (unsigned)(out->size - skip));
        skip = 0;
    } else {
        skip -= out->size;
    }
    size_t at = conn->large.at + skip;
    if (at < conn->large.size)
        pieces[n++] = uv_buf_init((char *)(uintptr_t)conn->large.data + at,
                                  (unsigned)(conn->large.size - at));
    return n;
}

/* What the socket takes at once. False when the connection had to be closed. */
static bool send_some(mw_conn *conn, uv_buf_t *pieces, unsigned n, size_t *sent) {
    int taken = uv_try_write((uv_stream_t *)&conn->tcp, pieces, n);
    if (taken < 0 && taken != UV_EAGAIN) {
        mw_conn__close(conn);
        return false;
    }
    *sent = taken > 0 ? (size_t)taken : 0;
    conn->sent += (int64_t)*sent;
    mw_loop__count(&conn->loop->sent_bytes, (int64_t)*sent);
    return true;
}

/* The rest, of `flying` and what may follow it, goes when there is room. */
static bool send_later(mw_conn *conn, uv_buf_t *pieces, unsigned n, size_t size) {
    conn->flying_bytes = size;
    conn->write_request.data = conn;
    conn->writing = true;
    if (uv_write(&conn->write_request, (uv_stream_t *)&conn->tcp, pieces, n, on_written) == 0)
        return true;
    conn->writing = false;
    mw_conn__close(conn);
    return false;
}

/* ---- under TLS ---- */

/* Small pieces whole; of a large body as much as is sent at a time, so that it is not held twice. */
static bool encrypt(mw_conn *conn) {
    if (!mw_tls_established(conn->tls)) return true;
    if (!mw_tls_write(conn->tls, conn->out.data, conn->out.size)) return false;
    empty(&conn->out);
    size_t n = conn->large.size - conn->large.at;
    if (n > ENCRYPTED_AT_A_TIME) n = ENCRYPTED_AT_A_TIME;
    if (n == 0) return true;
    if (!mw_tls_write(conn->tls, conn->large.data + conn->large.at, n)) return false;
    conn->large.at += n;
    if (conn->large.at == conn->large.size) mw_conn__drop_answer(conn);
    return true;
}

static bool flush_tls(mw_conn *conn) {
    while (!conn->writing) {
        if (conn->out.failed != MW_OK || !encrypt(conn)) {
            mw_conn__close(conn);
            return false;
        }
        mw_tls_take(conn->tls, &conn->flying);
        if (conn->flying.failed != MW_OK) {
            mw_conn__close(conn);
            return false;
        }
        const size_t size = conn->flying.size;
        size_t sent = 0;
        if (size == 0) return true;
        uv_buf_t piece = uv_buf_init(conn->flying.data, (unsigned)size);
        if (!send_some(conn, &piece, 1, &sent)) return false;
        if (sent == size) {
            empty(&conn->flying);
            continue;
        }
        piece = uv_buf_init(conn->flying.data + sent, (unsigned)(size - sent));
        if (!send_later(conn, &piece, 1, size - sent)) return false;
    }
    return true;
}

void mw_conn__end_tls(mw_conn *conn) {
    if (!conn->tls || conn->writing) return;
    mw_tls_end(conn->tls);
    mw_tls_take(conn->tls, &conn->flying);
    if (conn->flying.size == 0 || conn->flying.failed != MW_OK) return;
    uv_buf_t piece = uv_buf_init(conn->flying.data, (unsigned)conn->flying.size);
    (void)uv_try_write((uv_stream_t *)&conn->tcp, &piece, 1);
    empty(&conn->flying);
}

bool mw_conn__flush(mw_conn *conn) {
    if (conn->tls) return flush_tls(conn);
    size_t unsent = mw_conn__unsent(conn), sent = 0;
    if (conn->writing || unsent == 0) return true;
    if (conn->out.failed != MW_OK) {
        mw_conn__close(conn); /* no memory for an answer, or a stream nobody reads */
        return false;
    }
    uv_buf_t pieces[2];
    unsigned n = gather(&conn->out, conn, 0, pieces);
    if (!send_some(conn, pieces, n, &sent)) return false;
    if (sent == unsent) {
        empty(&conn->out);
        mw_conn__drop_answer(conn);
        return true;
    }
    mw_buf swap = conn->flying;
    conn->flying = conn->out;
    conn->out = swap;
    n = gather(&conn->flying, conn, sent, pieces);
    return send_later(conn, pieces, n, unsent - sent);
}

/* ---- heads ---- */

static void add_number(mw_buf *out, uint64_t value) {
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    mw_buf_append(out, digits + n, sizeof digits - n);
}

/* body_size -1: in chunks or up to the end of the connection. */
static void write_head(mw_conn *conn, int status, const char *content_type, const char *fields,
                       int64_t body_size) {
    mw_buf *out = &conn->out;
    mw_buf_reserve(out, 384);
    mw_buf_append(out, "HTTP/1.1 ", 9);
    add_number(out, (uint64_t)status);
    mw_buf_add_char(out, ' ');
    mw_buf_add(out, mw_http_reason(status));
    mw_buf_add(out, "\r\nServer: millwright\r\n");
    mw_buf_add(out, mw_loop__date(conn->loop));
    mw_buf_add(out, "X-Request-ID: ");
    mw_buf_add(out, conn->request_id);
    mw_buf_add(out, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (content_type) {
        mw_buf_add(out, "Content-Type: ");
        mw_buf_add(out, content_type);
        mw_buf_append(out, "\r\n", 2);
    }
    if (body_size >= 0 && status != 204 && status != 304) {
        mw_buf_add(out, "Content-Length: ");
        add_number(out, (uint64_t)body_size);
        mw_buf_append(out, "\r\n", 2);
    } else if (body_size < 0 && conn->chunked) {
        mw_buf_add(out, "Transfer-Encoding: chunked\r\n");
    }
    if (conn->close_after)
        mw_buf_add(out, "Connection: close\r\n");
    else if (conn->message.minor == 0)
        mw_buf_add(out, "Connection: keep-alive\r\n");
    if (status >= 400) mw_buf_add(out, "Cache-Control: no-store\r\n");
    if (fields) mw_buf_add(out, fields);
    if (conn->exchange.more_fields) mw_buf_add(out, conn->exchange.more_fields);
    mw_buf_append(out, "\r\n", 2);
}

static void begin_answer(mw_conn *conn, int status, bool close) {
    assert(!conn->answered);
    bool unread = conn->has_request && !conn->body_done && conn->message.content_length != 0;
    conn->answered = true;
    conn->status = status;
    if (close || unread || !conn->has_request || !conn->message.keep_alive || conn->loop->draining)
        conn->close_after = true;
}

/* ---- whole answers ---- */

static void free_given(const mw_answer *answer) {
    if (answer->memory == MW_ANSWER_GIVE) mw_free((void *)(uintptr_t)answer->body);
}

static void put_answer(mw_conn *conn, const mw_answer *answer) {
    begin_answer(conn, answer->status, answer->close);
    write_head(conn, answer->status, answer->content_type, answer->fields, (int64_t)answer->size);
    conn->answer_whole = true;
    bool empty_body =
        conn->no_body || answer->size == 0 || answer->status == 204 || answer->status == 304;
    if (empty_body) {
        free_given(answer);
    } else if (answer->size <= MW_COPY_BYTES || answer->memory == MW_ANSWER_COPY) {
        mw_buf_append(&conn->out, answer->body, answer->size);
        free_given(answer);
    } else {
        conn->large.data = answer->body;
        conn->large.size = answer->size;
        conn->large.at = 0;
        conn->large.memory = answer->memory;
    }
    if (!empty_body) conn->answer_bytes = (int64_t)answer->size;
}

void mw_conn__refuse(mw_conn *conn, int status, const mw_err *error, const char *fields) {
    const mw_http_handler *handler = &conn->loop->http->options.handler;
    if (conn->answered || conn->state == MW_CONN_GONE) return;
    char shorter[MW_PROBLEM_SHORT];
    mw_buf body;
    mw_buf_init(&body, conn->loop->http->ctx->mem, 65536);
    if (handler->write_problem)
        handler->write_problem(handler->self, status, error, conn->request_id, &body);
    const bool whole = body.failed == MW_OK;
    if (!whole) mw_problem_short(status, conn->request_id, shorter);
    put_answer(conn, &(mw_answer){.status = status,
                                  .content_type = "application/problem+json",
                                  .fields = fields,
                                  .body = whole ? mw_buf_text(&body) : shorter,
                                  .size = whole ? body.size : strlen(shorter),
                                  .memory = MW_ANSWER_COPY});
    mw_buf_done(&body);
}

void mw_exchange_refuse(mw_exchange *exchange, int status, const mw_err *error,
                        const char *fields) {
    mw_conn *conn = conn_of(exchange);
    mw_conn__refuse(conn, status, error, fields);
    mw_conn__advance(conn);
}

void mw_exchange_answer(mw_exchange *exchange, const mw_answer *answer) {
    mw_conn *conn = conn_of(exchange);
    int64_t max = conn->loop->http->options.limits.response_bytes;
    if (conn->state == MW_CONN_GONE || conn->answered) {
        free_given(answer);
        return;
    }
    if (answer->size > (size_t)max) {
        mw_err error;
        mw_fail(&error, MW_ETOOLARGE, "the answer would have %zu bytes; at most %lld are sent",
                answer->size, (long long)max);
        mw_err_hint(&error, "ask for less: use limit, a filter or a shorter time range");
        free_given(answer);
        mw_conn__refuse(conn, 500, &error, NULL);
    } else {
        put_answer(conn, answer);
    }
    mw_conn__advance(conn);
}

void mw_conn__continue(mw_conn *conn) { mw_buf_add(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n"); }

/* ---- streamed answers ---- */

void mw_exchange_begin(mw_exchange *exchange, int status, const char *content_type,
                       const char *fields) {
    mw_conn *conn = conn_of(exchange);
    if (conn->state == MW_CONN_GONE || conn->answered) return;
    conn->streaming = true;
    conn->chunked = conn->message.minor == 1;
    begin_answer(conn, status, !conn->chunked);
    write_head(conn, status, content_type, fields, -1);
    mw_conn__advance(conn);
}

bool mw_exchange_write(mw_exchange *exchange, const void *data, size_t size) {
    mw_conn *conn = conn_of(exchange);
    if (conn->state == MW_CONN_GONE || !conn->streaming || conn->answer_whole) return false;
    if (size > 0 && !conn->no_body) {
        if (conn->chunked) mw_buf_printf(&conn->out, "%zx\r\n", size);
        mw_buf_append(&conn->out, data, size);
        if (conn->chunked) mw_buf_append(&conn->out, "\r\n", 2);
        conn->answer_bytes += (int64_t)size;
    }
    mw_conn__advance(conn);
    if (conn->state == MW_CONN_GONE) return false;
    bool room = mw_conn__unsent(conn) < MW_STREAM_ROOM;
    if (!room) conn->wants_drain = true;
    return room;
}

void mw_exchange_finish(mw_exchange *exchange) {
    mw_conn *conn = conn_of(exchange);
    if (conn->state == MW_CONN_GONE || !conn->streaming || conn->answer_whole) return;
    if (conn->chunked && !conn->no_body) mw_buf_append(&conn->out, "0\r\n\r\n", 5);
    conn->answer_whole = true;
    mw_conn__advance(conn);
}

/* ---- flow and memory ---- */

void mw_exchange_tick(mw_exchange *exchange) {
    mw_conn *conn = conn_of(exchange);
    if (conn->has_request) mw_loop__tick(conn);
}

void mw_exchange_abort(mw_exchange *exchange) { mw_conn__close(conn_of(exchange)); }

char *mw_exchange_take_body(mw_exchange *exchange, size_t *size) {
    mw_conn *conn = conn_of(exchange);
    exchange->body = (mw_str){0};
    return mw_buf_steal(&conn->body, size);
}

void mw_exchange_pause(mw_exchange *exchange) { conn_of(exchange)->paused = true; }

void mw_exchange_resume(mw_exchange *exchange) {
    mw_conn *conn = conn_of(exchange);
    if (!conn->paused) return;
    conn->paused = false;
    conn->turns = 0;
    mw_conn__advance(conn);
}

void mw_exchange_peer(const mw_exchange *exchange, char *out, size_t size) {
    const mw_conn *conn = (const mw_conn *)((const char *)exchange - offsetof(mw_conn, exchange));
    struct sockaddr_storage address;
    int length = sizeof address;
    mw_str_copy(out, size, MW_STR("?"));
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &length) == 0)
        (void)uv_ip_name((const struct sockaddr *)&address, out, size);
}

bool mw_http_loop_draining(const mw_http_loop *loop) { return loop->draining; }
int mw_http_loop_index(const mw_http_loop *loop) { return loop->index; }
