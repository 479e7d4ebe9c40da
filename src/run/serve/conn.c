/*
 * conn.c -- a connection's state machine: bytes in, requests to the handler, answers out, in order.
 *
 * Everything that happens ends in mw_conn__advance, which moves the connection as far as it can go,
 * sends, and arms reading and the deadline for whatever it waits for now. Handlers may answer
 * inside their callbacks: `busy` makes that a note, not a recursion.
 */
#include "run/serve/conn.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEP_ALIVE_PROBE_S = 60, IDLE_BUFFER_BYTES = 4096 };

static const mw_http_handler *handler_of(const mw_conn *conn) {
    return &conn->loop->http->options.handler;
}

static const mw_http_limits *limits_of(const mw_conn *conn) {
    return &conn->loop->http->options.limits;
}

/* ---- requests ---- */

static bool sane_id(mw_str id) {
    if (id.size == 0 || id.size > MW_REQUEST_ID_MAX) return false;
    for (size_t i = 0; i < id.size; i++) {
        char c = id.data[i];
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok) return false;
    }
    return true;
}

/* splitmix64 (Steele, Lea, Flood 2014): unique within a process, not secret. */
static void make_id(mw_conn *conn) {
    uint64_t z = conn->loop->id_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    for (int i = 0; i < 16; i++) conn->request_id[i] = "0123456789abcdef"[z >> (60 - 4 * i) & 15];
    conn->request_id[16] = '\0';
}

static void start_exchange(mw_conn *conn) {
    mw_str id = mw_message_field(&conn->message, "X-Request-ID");
    if (sane_id(id))
        mw_str_copy(conn->request_id, sizeof conn->request_id, id);
    else
        make_id(conn);
    conn->exchange.begun_us = mw_loop__now(conn->loop);
    conn->exchange.body = (mw_str){0};
    conn->exchange.user = NULL;
    conn->exchange.who = NULL;
    conn->exchange.kept_bytes = 0;
    conn->exchange.route = -1;
    conn->exchange.more_fields = NULL;
    conn->answered = conn->answer_whole = conn->streaming = conn->chunked = false;
    conn->body_done = conn->paused = conn->wants_drain = false;
    conn->no_body = conn->message.method == MW_HTTP_HEAD;
    conn->status = 0;
    conn->answer_bytes = 0;
    conn->body_mark = 0;
}

/* on_done, then ready for the next request. */
static void end_exchange(mw_conn *conn, int status) {
    const mw_http_handler *handler = handler_of(conn);
    mw_loop__stop_ticking(conn);
    const char *method = conn->has_request ? mw_http_method_name(conn->message.method) : NULL;
    if (handler->on_done)
        handler->on_done(handler->self, &conn->exchange, status, conn->answer_bytes, method);
    conn->has_request = false;
    conn->exchange.body = (mw_str){0};
    if (conn->body.capacity > IDLE_BUFFER_BYTES)
        mw_buf_done(&conn->body);
    else
        mw_buf_clear(&conn->body);
    if (conn->arena.chunks) mw_arena_reset(&conn->arena);
}

static void next_request(mw_conn *conn) {
    mw_message_begin(&conn->message);
    conn->answered = conn->answer_whole = false;
    conn->state = MW_CONN_READ;
    conn->turns++;
    mw_loop__set_deadline(conn, MW_DEADLINE_NONE);
}

static void check_policy(mw_conn *conn) {
    int64_t length = conn->message.content_length;
    mw_err error;
    if (length == 0) return;
    if (conn->policy.use == MW_BODY_REFUSE) {
        mw_fail(&error, MW_EPARSE, "this request takes no body");
        mw_conn__refuse(conn, 400, &error, NULL);
    } else if (length > conn->policy.max_bytes &&
               (conn->policy.use == MW_BODY_KEEP || conn->policy.max_bytes > 0)) {
        mw_fail(&error, MW_ETOOLARGE, "the body has %lld bytes; at most %lld are taken",
                (long long)length, (long long)conn->policy.max_bytes);
        mw_conn__refuse(conn, 413, &error, NULL);
    } else if (conn->message.expects_continue) {
        mw_conn__continue(conn);
    }
}

static void on_head(mw_conn *conn) {
    const mw_http_handler *handler = handler_of(conn);
    start_exchange(conn);
    conn->has_request = true;
    conn->policy = handler->on_head(handler->self, &conn->exchange);
    if (conn->state == MW_CONN_READ && !conn->answered) check_policy(conn);
}

static void on_body(mw_conn *conn) {
    const mw_http_handler *handler = handler_of(conn);
    if (conn->answered) return;
    int64_t max = conn->policy.max_bytes;
    bool bounded = conn->policy.use == MW_BODY_KEEP || max > 0;
    if (bounded && conn->message.body_bytes > max) {
        mw_err error;
        mw_fail(&error, MW_ETOOLARGE, "the body has more than %lld bytes", (long long)max);
        mw_conn__refuse(conn, 413, &error, NULL);
    } else if (conn->policy.use == MW_BODY_STREAM) {
        if (handler->on_body) handler->on_body(handler->self, &conn->exchange, conn->message.body);
    } else {
        mw_buf_append(&conn->body, conn->message.body.data, conn->message.body.size);
        if (conn->body.failed != MW_OK) {
            mw_err error;
            mw_fail_nomem(&error, "the request body");
            mw_conn__refuse(conn, 503, &error, "Retry-After: 1\r\n");
        }
    }
}

static void on_end(mw_conn *conn) {
    const mw_http_handler *handler = handler_of(conn);
    conn->body_done = true;
    conn->state = MW_CONN_WAIT;
    if (conn->answered) return;
    conn->exchange.body = mw_buf_str(&conn->body);
    if (handler->on_end) handler->on_end(handler->self, &conn->exchange);
}

static void on_bad_message(mw_conn *conn) {
    if (!conn->has_request) start_exchange(conn);
    conn->no_body = false;
    if (conn->answered)
        mw_conn__close(conn); /* half an answer is out: only the end of the connection tells */
    else
        mw_conn__refuse(conn, conn->message.error_status, &conn->message.error, NULL);
}

/* An answer is complete: straight on to the next request when that needs no waiting. */
static void settle(mw_conn *conn) {
    if (!conn->answer_whole || conn->state == MW_CONN_FLUSH || conn->state >= MW_CONN_LINGER)
        return;
    if (conn->close_after) {
        conn->state = MW_CONN_FLUSH;
        return;
    }
    if (!conn->body_done) return; /* no body: END follows at once */
    if (conn->large.data || conn->writing || conn->out.size > MW_STREAM_ROOM) {
        conn->state = MW_CONN_FLUSH;
        return;
    }
    end_exchange(conn, conn->status);
    next_request(conn);
}

static bool may_consume(const mw_conn *conn) {
    return conn->state == MW_CONN_READ && !conn->paused && !conn->writing &&
           conn->turns < limits_of(conn)->pipelined;
}

/* Feeds bytes until they are used up or the connection waits for something else. */
static size_t consume(mw_conn *conn, const char *data, size_t size) {
    size_t at = 0;
    while (may_consume(conn)) {
        size_t used = 0;
        mw_message_event event = mw_message_feed(&conn->message, data + at, size - at, &used);
        at += used;
        if (event == MW_MESSAGE_MORE) break;
        if (event == MW_MESSAGE_HEAD) on_head(conn);
        if (event == MW_MESSAGE_BODY) on_body(conn);
        if (event == MW_MESSAGE_END) on_end(conn);
        if (event == MW_MESSAGE_ERROR) on_bad_message(conn);
        settle(conn);
    }
    return at;
}

/* ---- going on ---- */

static void start_lingering(mw_conn *conn) {
    uv_os_fd_t fd;
    bool open = uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0;
    mw_conn__end_tls(conn);
    if (conn->peer_ended || !open || shutdown(fd, SHUT_WR) != 0) {
        mw_conn__close(conn);
        return;
    }
    conn->state = MW_CONN_LINGER;
    conn->linger_bytes = 0;
    mw_buf_done(&conn->waiting);
    mw_buf_done(&conn->out);
    mw_message_begin(&conn->message);
    mw_message_trim(&conn->message);
}

static void after_flush(mw_conn *conn) {
    if (conn->answer_whole) end_exchange(conn, conn->status);
    if (conn->close_after)
        start_lingering(conn);
    else
        next_request(conn);
}

/* Asks the writer of a streamed answer for more; true when it was asked. */
static bool drain_writer(mw_conn *conn) {
    const mw_http_handler *handler = handler_of(conn);
    if (!conn->wants_drain || conn->answer_whole || conn->state != MW_CONN_WAIT) return false;
    if (mw_conn__unsent(conn) > MW_STREAM_ROOM / 2) return false;
    if (conn->turns >= limits_of(conn)->pipelined) {
        mw_loop__turn_later(conn);
        return false;
    }
    conn->turns++;
    conn->wants_drain = false;
    if (handler->on_drain) handler->on_drain(handler->self, &conn->exchange);
    return true;
}

static void go_on(mw_conn *conn) {
    bool again;
    do {
        again = false;
        settle(conn);
        /* Without bytes, too: the end of a body may have been reached while its sink was paused. */
        if ((conn->waiting.size || !mw_message_in_head(&conn->message)) && may_consume(conn)) {
            size_t used = consume(conn, conn->waiting.data, conn->waiting.size);
            if (conn->state >= MW_CONN_LINGER) break;
            mw_buf_consume(&conn->waiting, used);
            again = used > 0;
        }
        if (!again) {
            if (!mw_conn__flush(conn)) break;
            if (conn->state == MW_CONN_FLUSH && mw_conn__unsent(conn) == 0) {
                after_flush(conn);
                again = conn->state == MW_CONN_READ && conn->waiting.size;
            } else {
                again = drain_writer(conn);
            }
        }
    } while (again && conn->state < MW_CONN_LINGER);
}

static bool wants_bytes(const mw_conn *conn) {
    if (conn->peer_ended) return false;
    switch (conn->state) {
    case MW_CONN_READ: return !conn->paused && !conn->writing && conn->waiting.size == 0;
    case MW_CONN_WAIT: return conn->waiting.size < MW_WAITING_BYTES;
    case MW_CONN_LINGER: return true;
    default: return false;
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    mw_conn *conn = (mw_conn *)handle;
    *buf = uv_buf_init(conn->loop->read_buffer, MW_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void arm_reading(mw_conn *conn) {
    bool wanted = wants_bytes(conn);
    if (wanted == conn->reading) return;
    conn->reading = wanted;
    if (!wanted)
        uv_read_stop((uv_stream_t *)&conn->tcp);
    else if (uv_read_start((uv_stream_t *)&conn->tcp, on_allocate, on_read) != 0)
        mw_conn__close(conn);
}

static void arm_deadline(mw_conn *conn) {
    mw_deadline deadline = MW_DEADLINE_NONE;
    if (conn->state == MW_CONN_LINGER)
        deadline = MW_DEADLINE_LINGER;
    else if (conn->tls && !mw_tls_established(conn->tls))
        deadline = MW_DEADLINE_HANDSHAKE;
    else if (mw_conn__unsent(conn) > 0)
        deadline = MW_DEADLINE_WRITE;
    else if (conn->state == MW_CONN_READ && mw_message_idle(&conn->message))
        deadline = MW_DEADLINE_IDLE;
    else if (conn->state == MW_CONN_READ && mw_message_in_head(&conn->message))
        deadline = MW_DEADLINE_HEAD;
    else if (conn->state == MW_CONN_READ && !conn->paused)
        deadline = MW_DEADLINE_BODY;
    if (deadline == conn->deadline && deadline != MW_DEADLINE_IDLE) return;
    if (deadline == MW_DEADLINE_BODY) conn->body_mark = conn->message.body_bytes;
    if (deadline == MW_DEADLINE_WRITE) conn->sent_mark = conn->sent;
    mw_loop__set_deadline(conn, deadline);
}

void mw_conn__advance(mw_conn *conn) {
    if (conn->busy || conn->state == MW_CONN_GONE) return;
    conn->busy = true;
    if (conn->state != MW_CONN_LINGER) go_on(conn);
    conn->busy = false;
    if (conn->state == MW_CONN_GONE) return;
    if (conn->state == MW_CONN_READ && conn->waiting.size && !conn->paused && !conn->writing) {
        mw_loop__turn_later(conn); /* only `pipelined` stands in the way */
    } else if (conn->state == MW_CONN_READ && !conn->writing &&
               ((conn->peer_ended && !conn->paused) ||
                (conn->loop->draining && mw_message_idle(&conn->message)))) {
        mw_conn__close(conn);
        return;
    }
    arm_reading(conn);
    if (conn->state != MW_CONN_GONE) arm_deadline(conn);
}

/* ---- the socket ---- */

static void on_peer_end(mw_conn *conn) {
    const mw_http_handler *handler = handler_of(conn);
    conn->peer_ended = true;
    conn->reading = false;
    uv_read_stop((uv_stream_t *)&conn->tcp);
    if (conn->state == MW_CONN_LINGER) {
        mw_conn__close(conn);
        return;
    }
    if (conn->state == MW_CONN_WAIT && handler->on_peer_end)
        handler->on_peer_end(handler->self, &conn->exchange);
    mw_conn__advance(conn);
}

static void on_bytes(mw_conn *conn, const char *data, size_t size) {
    size_t used = 0;
    conn->turns = 0;
    if (conn->waiting.size == 0 && conn->state == MW_CONN_READ) {
        conn->busy = true;
        used = consume(conn, data, size);
        conn->busy = false;
        if (conn->state >= MW_CONN_LINGER) return;
    }
    if (used < size && !(conn->close_after && conn->state != MW_CONN_READ)) {
        mw_buf_append(&conn->waiting, data + used, size - used);
        if (conn->waiting.failed != MW_OK) {
            mw_conn__close(conn);
            return;
        }
    }
    mw_conn__advance(conn);
}

static void on_content(mw_conn *conn, const char *data, size_t size) {
    if (conn->state != MW_CONN_LINGER) {
        on_bytes(conn, data, size);
        return;
    }
    conn->linger_bytes += size;
    if (conn->linger_bytes > MW_LINGER_BYTES) mw_conn__close(conn);
}

/* Whoever speaks HTTP to a port of TLS is told so in HTTP. */
static void refuse_plain(mw_conn *conn) {
    mw_err error;
    conn->tls = mw_tls_close(conn->tls);
    mw_fail(&error, MW_EPARSE, "this port speaks TLS");
    mw_err_hint(&error, "ask for https:// instead of http://");
    start_exchange(conn);
    mw_conn__refuse(conn, 400, &error, NULL);
    mw_conn__advance(conn);
}

/* What the socket received under TLS. */
static void on_cipher(mw_conn *conn, const char *data, size_t size) {
    mw_http_loop *loop = conn->loop;
    mw_tls_result result;
    if (!conn->tls_begun && !mw_tls_begins(data[0])) {
        refuse_plain(conn);
        return;
    }
    conn->tls_begun = true;
    if (!mw_tls_feed(conn->tls, data, size)) {
        mw_conn__close(conn);
        return;
    }
    do {
        size_t n;
        result = mw_tls_read(conn->tls, loop->content, sizeof loop->content, &n);
        if (result == MW_TLS_DATA) on_content(conn, loop->content, n);
        if (conn->state == MW_CONN_GONE) return;
    } while (result == MW_TLS_DATA);
    if (result == MW_TLS_ENDED) {
        on_peer_end(conn);
    } else if (result == MW_TLS_FAILED) {
        if (mw_conn__flush(conn))
            mw_conn__close(conn); /* the alert, as far as the socket takes it */
    } else {
        mw_conn__advance(conn);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    mw_conn *conn = (mw_conn *)stream;
    if (conn->state == MW_CONN_GONE || n == 0) return;
    if (n == UV_EOF) {
        on_peer_end(conn);
    } else if (n < 0) {
        mw_conn__close(conn);
    } else {
        mw_loop__count(&conn->loop->received_bytes, n);
        if (conn->tls)
            on_cipher(conn, buf->base, (size_t)n);
        else
            on_content(conn, buf->base, (size_t)n);
    }
}

/* ---- deadlines ---- */

static void refuse_slow(mw_conn *conn, const char *what) {
    mw_err error;
    mw_fail(&error, MW_ETIMEOUT, "%s", what);
    if (!conn->has_request) start_exchange(conn);
    if (conn->answered) {
        mw_conn__close(conn);
        return;
    }
    conn->no_body = false;
    mw_conn__refuse(conn, 408, &error, NULL);
    mw_conn__advance(conn);
}

static bool moved_enough(const mw_conn *conn, int64_t bytes) {
    const mw_http_limits *limits = limits_of(conn);
    return bytes * 1000 >= (int64_t)limits->body_min_bytes_per_s * limits->grace_ms;
}

static int64_t sent_now(const mw_conn *conn) {
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp);
    return conn->sent + (conn->writing ? (int64_t)(conn->flying_bytes - queued) : 0);
}

void mw_conn__expire(mw_conn *conn) {
    mw_deadline deadline = conn->deadline;
    if (deadline == MW_DEADLINE_BODY &&
        moved_enough(conn, conn->message.body_bytes - conn->body_mark)) {
        conn->body_mark = conn->message.body_bytes;
        mw_loop__set_deadline(conn, deadline);
        return;
    }
    if (deadline == MW_DEADLINE_WRITE && moved_enough(conn, sent_now(conn) - conn->sent_mark)) {
        conn->sent_mark = sent_now(conn);
        mw_loop__set_deadline(conn, deadline);
        return;
    }
    if (deadline != MW_DEADLINE_LINGER) mw_loop__count(&conn->loop->timed_out, 1);
    mw_loop__set_deadline(conn, MW_DEADLINE_NONE);
    if (deadline == MW_DEADLINE_HEAD)
        refuse_slow(conn, "the request header took too long to arrive");
    else if (deadline == MW_DEADLINE_BODY)
        refuse_slow(conn, "the request body arrives too slowly");
    else
        mw_conn__close(conn);
}

/* ---- life ---- */

void mw_conn__free(mw_conn *conn) {
    mw_message_done(&conn->message);
    mw_arena_done(&conn->arena);
    mw_buf_done(&conn->body);
    mw_buf_done(&conn->waiting);
    mw_buf_done(&conn->out);
    mw_buf_done(&conn->flying);
    mw_conn__drop_answer(conn);
    mw_tls_close(conn->tls);
    mw_free(conn);
}

static void on_closed(uv_handle_t *handle) {
    mw_conn *conn = (mw_conn *)handle;
    mw_loop__forget(conn);
    mw_conn__free(conn);
}

void mw_conn__close(mw_conn *conn) {
    if (conn->state == MW_CONN_GONE) return;
    const bool quiet = conn->state == MW_CONN_READ && mw_conn__unsent(conn) == 0;
    conn->state = MW_CONN_GONE;
    if (quiet) mw_conn__end_tls(conn);
    mw_loop__set_deadline(conn, MW_DEADLINE_NONE);
    if (conn->has_request) end_exchange(conn, conn->answer_whole ? conn->status : 499);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void mw_conn__drain(mw_conn *conn) {
    if (conn->state == MW_CONN_LINGER || conn->state == MW_CONN_GONE) return;
    if (conn->answered && !conn->answer_whole) conn->close_after = true;
    mw_conn__advance(conn);
}

static void refuse_connection(mw_conn *conn) {
    mw_err error;
    mw_fail(&error, MW_EBUSY, "the server has as many connections as it takes");
    start_exchange(conn);
    mw_conn__refuse(conn, 503, &error, "Retry-After: 1\r\n");
}

void mw_conn__open(mw_http_loop *loop, int fd, bool over_limit) {
    mw_mem *mem = loop->http->ctx->mem;
    mw_conn *conn = mw_calloc(mem, 1, sizeof *conn);
    if (!conn || uv_tcp_init(&loop->uv, &conn->tcp) != 0) {
        mw_free(conn);
        close(fd);
        atomic_fetch_sub(&loop->http->n_conns, 1);
        return;
    }
    conn->loop = loop;
    conn->state = MW_CONN_READ;
    const mw_http_limits *limits = limits_of(conn);
    mw_message_init(&conn->message, &limits->head, mem);
    mw_message_begin(&conn->message);
    mw_arena_init(&conn->arena, mem);
    mw_buf_init(&conn->body, mem, SIZE_MAX / 4);
    /* Under TLS one read may bring the end of a record that had begun before. */
    mw_buf_init(&conn->waiting, mem, MW_WAITING_BYTES + MW_READ_BYTES + 2 * MW_RECORD_BYTES);
    mw_buf_init(&conn->out, mem, MW_STREAM_MAX + (size_t)limits->pipelined * MW_COPY_BYTES);
    mw_buf_init(&conn->flying, mem, conn->out.max_bytes + MW_STREAM_MAX / 4);
    conn->exchange = (mw_exchange){.message = &conn->message,
                                   .loop = loop,
                                   .arena = &conn->arena,
                                   .request_id = conn->request_id,
                                   .route = -1};
    conn->next = loop->conns;
    if (loop->conns) loop->conns->previous = conn;
    loop->conns = conn;
    loop->n_conns++;
    mw_loop__count(&loop->accepted, 1);
    if (uv_tcp_open(&conn->tcp, fd) != 0) {
        close(fd);
        mw_conn__close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_tcp_keepalive(&conn->tcp, 1, KEEP_ALIVE_PROBE_S);
    mw_tls *tls = loop->http->options.tls;
    if (tls) {
        conn->tls = over_limit ? NULL : mw_tls_open(tls); /* no handshake to be told 503 */
        if (over_limit) mw_loop__count(&loop->rejected, 1);
        if (!conn->tls) {
            mw_conn__close(conn);
            return;
        }
    }
    conn->rejected = over_limit;
    if (over_limit) {
        mw_loop__count(&loop->rejected, 1);
        refuse_connection(conn);
    }
    mw_conn__advance(conn);
}
