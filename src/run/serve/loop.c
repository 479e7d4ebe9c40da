/*
 * loop.c -- the loops: listening sockets, deadlines, messages from other threads, drain.
 *
 * The port: the first socket binds and listens without SO_REUSEPORT, which fails if any other
 * socket, sharing or not, has the port; only then is the option set, so that the sockets of the
 * other loops may join. A second server on the same port therefore always gets a clear error,
 * without lock files.
 *
 * Accepting is our own (uv_poll and accept4), because when descriptors run out it must pause and
 * come back later; libuv's listener would either spin or drop the connections that wait.
 */
#include "run/serve/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/limits.h"

enum {
    BACKLOG = 1024,
    ACCEPT_BATCH = 64,     /* connections taken before others get their turn */
    ACCEPT_PAUSE_MS = 100, /* after running out of descriptors */
    SWEEP_MIN_MS = 10,
    SWEEP_MAX_MS = 1000
};

void mw_http_limits_default(mw_http_limits *ret) {
    *ret = (mw_http_limits){
        .head = {.request_line_bytes = (size_t)MW_LIMIT(HTTP_REQUEST_LINE_BYTES),
                 .header_bytes = (size_t)MW_LIMIT(HTTP_HEADER_BYTES),
                 .headers = (size_t)MW_LIMIT(HTTP_HEADERS)},
        .connections = MW_LIMIT(HTTP_CONNECTIONS),
        .response_bytes = MW_LIMIT(HTTP_RESPONSE_BYTES),
        .pipelined = (int)MW_LIMIT(HTTP_PIPELINED),
        .header_timeout_ms = (int)MW_LIMIT(HTTP_HEADER_TIMEOUT_MS),
        .idle_timeout_ms = (int)MW_LIMIT(HTTP_IDLE_TIMEOUT_MS),
        .body_min_bytes_per_s = (int)MW_LIMIT(HTTP_BODY_MIN_BYTES_PER_S),
        .grace_ms = 10000,
        .linger_ms = 2000,
        .tick_ms = 50,
        .handshake_timeout_ms = (int)MW_LIMIT(TLS_HANDSHAKE_MS),
    };
}

/* ---- time ---- */

int64_t mw_loop__now(const mw_http_loop *loop) {
    return mw_clock_monotonic(loop->http->ctx->clock);
}

const char *mw_loop__date(mw_http_loop *loop) {
    int64_t second = mw_clock_utc(loop->http->ctx->clock) / MW_US_PER_SECOND;
    if (second == loop->date_second) return loop->date;
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t time = (time_t)second;
    struct tm tm;
    gmtime_r(&time, &tm);
    (void)snprintf(loop->date, sizeof loop->date, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
                   days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
                   tm.tm_hour, tm.tm_min, tm.tm_sec);
    loop->date_second = second;
    return loop->date;
}

static int64_t timeout_us(const mw_http_limits *limits, mw_deadline deadline) {
    const int ms[MW_DEADLINES] = {
        [MW_DEADLINE_HANDSHAKE] = limits->handshake_timeout_ms,
        [MW_DEADLINE_IDLE] = limits->idle_timeout_ms,
        [MW_DEADLINE_HEAD] = limits->header_timeout_ms,
        [MW_DEADLINE_BODY] = limits->grace_ms,
        [MW_DEADLINE_WRITE] = limits->grace_ms,
        [MW_DEADLINE_LINGER] = limits->linger_ms,
    };
    return (int64_t)ms[deadline] * 1000;
}

void mw_loop__set_deadline(mw_conn *conn, mw_deadline deadline) {
    mw_http_loop *loop = conn->loop;
    if (conn->deadline != MW_DEADLINE_NONE) {
        mw_conn_queue *queue = &loop->deadlines[conn->deadline];
        *(conn->earlier ? &conn->earlier->later : &queue->first) = conn->later;
        *(conn->later ? &conn->later->earlier : &queue->last) = conn->earlier;
        conn->earlier = conn->later = NULL;
    }
    conn->deadline = deadline;
    if (deadline == MW_DEADLINE_NONE) return;
    mw_conn_queue *queue = &loop->deadlines[deadline];
    conn->deadline_us = mw_loop__now(loop) + timeout_us(&loop->http->options.limits, deadline);
    conn->earlier = queue->last;
    *(queue->last ? &queue->last->later : &queue->first) = conn;
    queue->last = conn;
}

static void close_all(mw_http_loop *loop) {
    for (mw_conn *conn = loop->conns, *next; conn; conn = next) {
        next = conn->next;
        mw_conn__close(conn);
    }
}

static void end_if_drained(mw_http_loop *loop);

static void on_sweep(uv_timer_t *timer) {
    mw_http_loop *loop = timer->data;
    int64_t now = mw_loop__now(loop);
    for (int k = MW_DEADLINE_NONE + 1; k < MW_DEADLINES; k++) {
        mw_conn *conn;
        while ((conn = loop->deadlines[k].first) && conn->deadline_us <= now) mw_conn__expire(conn);
    }
    if (loop->draining && now >= loop->drain_until_us) close_all(loop);
    end_if_drained(loop);
}

static uint64_t sweep_ms(const mw_http_limits *limits) {
    const int all[] = {limits->idle_timeout_ms, limits->header_timeout_ms, limits->grace_ms,
                       limits->linger_ms, limits->handshake_timeout_ms};
    int least = SWEEP_MAX_MS * 4;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] < least) least = all[i];
    return (uint64_t)(least / 4 < SWEEP_MIN_MS ? SWEEP_MIN_MS : least / 4);
}

/* ---- connections ---- */

void mw_loop__forget(mw_conn *conn) {
    mw_http_loop *loop = conn->loop;
    *(conn->previous ? &conn->previous->next : &loop->conns) = conn->next;
    if (conn->next) conn->next->previous = conn->previous;
    if (conn->is_ready) {
        mw_conn **at = &loop->ready, *before = NULL;
        while (*at != conn) {
            before = *at;
            at = &(*at)->next_ready;
        }
        *at = conn->next_ready;
        if (loop->ready_last == conn) loop->ready_last = before;
        conn->is_ready = false;
    }
    loop->n_conns--;
    atomic_fetch_sub(&loop->http->n_conns, 1);
    end_if_drained(loop);
}

static void on_turn(uv_idle_t *idle) {
    mw_http_loop *loop = idle->data;
    mw_conn *last = loop->ready_last;
    while (loop->ready) {
        mw_conn *conn = loop->ready;
        loop->ready = conn->next_ready;
        if (!loop->ready) loop->ready_last = NULL;
        conn->is_ready = false;
        conn->turns = 0;
        mw_conn__advance(conn);
        if (conn == last) break;
    }
    if (!loop->ready) uv_idle_stop(&loop->turn);
}

void mw_loop__turn_later(mw_conn *conn) {
    mw_http_loop *loop = conn->loop;
    if (conn->is_ready) return;
    conn->is_ready = true;
    conn->next_ready = NULL;
    *(loop->ready_last ? &loop->ready_last->next_ready : &loop->ready) = conn;
    loop->ready_last = conn;
    uv_idle_start(&loop->turn, on_turn);
}

/* A call may end its own connection's exchange, no other. */
static void on_tick(uv_timer_t *timer) {
    mw_http_loop *loop = timer->data;
    const mw_http_handler *handler = &loop->http->options.handler;
    for (mw_conn *conn = loop->ticking, *next; conn; conn = next) {
        next = conn->tick_next;
        if (handler->on_tick) handler->on_tick(handler->self, &conn->exchange);
    }
}

void mw_loop__tick(mw_conn *conn) {
    mw_http_loop *loop = conn->loop;
    const uint64_t period = (uint64_t)loop->http->options.limits.tick_ms;
    if (conn->ticking) return;
    if (!loop->ticking) uv_timer_start(&loop->tick_timer, on_tick, period, period);
    conn->ticking = true;
    conn->tick_previous = NULL;
    conn->tick_next = loop->ticking;
    if (loop->ticking) loop->ticking->tick_previous = conn;
    loop->ticking = conn;
}

void mw_loop__stop_ticking(mw_conn *conn) {
    mw_http_loop *loop = conn->loop;
    if (!conn->ticking) return;
    conn->ticking = false;
    *(conn->tick_previous ? &conn->tick_previous->tick_next : &loop->ticking) = conn->tick_next;
    if (conn->tick_next) conn->tick_next->tick_previous = conn->tick_previous;
    if (!loop->ticking) uv_timer_stop(&loop->tick_timer);
}

static void take_connection(mw_http_loop *loop, int fd) {
    mw_http *http = loop->http;
    int64_t limit = http->options.limits.connections;
    int64_t now = atomic_fetch_add(&http->n_conns, 1) + 1;
    /* A few more than the limit are kept just long enough to be told 503. */
    if (now > limit + limit / 16 + 16) {
        atomic_fetch_sub(&http->n_conns, 1);
        mw_loop__count(&loop->rejected, 1);
        close(fd);
        return;
    }
    mw_conn__open(loop, fd, now > limit);
}

static void on_accept_again(uv_timer_t *timer);

static void accept_some(mw_http_loop *loop) {
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(loop, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            uv_poll_stop(&loop->listener);
            uv_timer_start(&loop->accept_timer, on_accept_again, ACCEPT_PAUSE_MS, 0);
            return;
        }
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    accept_some(poll->data);
}

static void on_accept_again(uv_timer_t *timer) {
    mw_http_loop *loop = timer->data;
    if (loop->listening) uv_poll_start(&loop->listener, UV_READABLE, on_acceptable);
}

/* ---- messages and drain ---- */

static void stop_listening(mw_http_loop *loop) {
    if (!loop->listening) return;
    accept_some(loop); /* those whose handshake is done would otherwise be reset */
    loop->listening = false;
    uv_timer_stop(&loop->accept_timer);
    uv_poll_stop(&loop->listener);
    close(loop->listen_fd); /* so that who comes now is refused, and does not wait for nobody */
    loop->listen_fd = -1;
}

static void start_draining(mw_http_loop *loop) {
    loop->draining = true;
    stop_listening(loop);
    for (mw_conn *conn = loop->conns, *next; conn; conn = next) {
        next = conn->next;
        mw_conn__drain(conn);
    }
}

static void close_handle(uv_handle_t *handle) {
    bool was_made = handle->type != UV_UNKNOWN_HANDLE;
    if (was_made && !uv_is_closing(handle)) uv_close(handle, NULL);
}

/* Ends the loop once nothing is left: with its handles closed, uv_run returns. */
static void end_if_drained(mw_http_loop *loop) {
    if (!loop->draining || loop->n_conns > 0 || loop->ended) return;
    loop->ended = true;
    close_handle((uv_handle_t *)&loop->listener);
    close_handle((uv_handle_t *)&loop->accept_timer);
    close_handle((uv_handle_t *)&loop->sweep_timer);
    close_handle((uv_handle_t *)&loop->tick_timer);
    close_handle((uv_handle_t *)&loop->wake);
    close_handle((uv_handle_t *)&loop->turn);
}

static void run_tasks(mw_http_loop *loop, bool last) {
    pthread_mutex_lock(&loop->lock);
    mw_http_task *task = loop->tasks;
    loop->tasks = loop->tasks_last = NULL;
    if (last) loop->closed_for_tasks = true;
    pthread_mutex_unlock(&loop->lock);
    while (task) {
        mw_http_task *next = task->next;
        task->run(task);
        task = next;
    }
}

static void on_wake(uv_async_t *async) {
    mw_http_loop *loop = async->data;
    run_tasks(loop, false);
    pthread_mutex_lock(&loop->lock);
    bool drain = loop->drain_until_us != 0;
    pthread_mutex_unlock(&loop->lock);
    if (drain && !loop->draining) start_draining(loop);
    end_if_drained(loop);
}

bool mw_http_post(mw_http_loop *loop, mw_http_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool open = !loop->closed_for_tasks;
    if (open) {
        if (loop->tasks_last)
            loop->tasks_last->next = task;
        else
            loop->tasks = task;
        loop->tasks_last = task;
        uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->lock);
    return open;
}

static void *loop_main(void *arg) {
    mw_http_loop *loop = arg;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_tasks(loop, true);
    return NULL;
}

/* ---- listening ---- */

static mw_status bind_failed(int error, const char *host, int port, mw_err *err) {
    if (error != EADDRINUSE)
        return mw_fail_errno(err, error, "cannot listen on %s port %d", host, port);
    mw_fail(err, MW_ECONFLICT, "port %d of %s is already in use, perhaps by another millwright",
            port, host);
    return mw_err_hint(err, "stop the other program, or choose a port with --port or ML_API_PORT");
}

static mw_status address_of(const char *host, int port, struct sockaddr_storage *ret,
                            socklen_t *size, mw_err *err) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof v4);
        *size = sizeof v4;
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof v6);
        *size = sizeof v6;
    } else {
        return mw_fail(err, MW_EINVAL, "'%s' is not a numeric address", host);
    }
    return MW_OK;
}

/* first: takes the port for this process; else joins it. */
static mw_status listen_on(mw_http *http, int port, bool first, int *ret, mw_err *err) {
    struct sockaddr_storage address;
    socklen_t size = 0;
    mw_status status = address_of(http->host, port, &address, &size, err);
    if (status != MW_OK) return status;
    int on = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot make a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (!first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        (first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
        int error = errno;
        close(fd);
        return bind_failed(error, http->host, port, err);
    }
    *ret = fd;
    return MW_OK;
}

static int port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
    if (address.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &address, sizeof v4);
        return ntohs(v4.sin_port);
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, &address, sizeof v6);
    return ntohs(v6.sin6_port);
}

/* ---- life ---- */

static mw_status init_handles(mw_http_loop *loop, mw_err *err) {
    int code = uv_loop_init(&loop->uv);
    if (code != 0) return mw_fail(err, MW_EIO, "cannot make an event loop: %s", uv_strerror(code));
    loop->uv.data = loop;
    loop->listener.data = loop->accept_timer.data = loop->sweep_timer.data = loop;
    loop->wake.data = loop->turn.data = loop->tick_timer.data = loop;
    uv_timer_init(&loop->uv, &loop->accept_timer);
    uv_timer_init(&loop->uv, &loop->sweep_timer);
    uv_timer_init(&loop->uv, &loop->tick_timer);
    uv_idle_init(&loop->uv, &loop->turn);
    code = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (code == 0) code = uv_poll_init(&loop->uv, &loop->listener, loop->listen_fd);
    if (code == 0) code = uv_poll_start(&loop->listener, UV_READABLE, on_acceptable);
    if (code != 0) return mw_fail(err, MW_EIO, "cannot start an event loop: %s", uv_strerror(code));
    uint64_t period = sweep_ms(&loop->http->options.limits);
    uv_timer_start(&loop->sweep_timer, on_sweep, period, period);
    loop->listening = true;
    return MW_OK;
}

static mw_status new_loop(mw_http *http, int index, mw_err *err) {
    mw_http_loop *loop = mw_calloc(http->ctx->mem, 1, sizeof *loop);
    if (!loop) return mw_fail_nomem(err, "an HTTP loop");
    loop->http = http;
    loop->index = index;
    loop->listen_fd = -1;
    loop->date_second = -1;
    pthread_mutex_init(&loop->lock, NULL);
    if (getrandom(&loop->id_state, sizeof loop->id_state, 0) < 0)
        loop->id_state = (uint64_t)mw_clock_utc(http->ctx->clock) * 1000003u + (uint64_t)index;
    http->loops[http->n_loops++] = loop;
    int port = index == 0 ? http->options.port : http->port;
    mw_status status = listen_on(http, port, index == 0, &loop->listen_fd, err);
    if (status != MW_OK) return status;
    if (index == 0) http->port = port_of(loop->listen_fd);
    return init_handles(loop, err);
}

static bool has_loop(const mw_http_loop *loop) { return loop->uv.data == loop; }

static void *free_loop(mw_http_loop *loop) {
    if (has_loop(loop)) {
        loop->draining = true;
        end_if_drained(loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT); /* closes what is left of a loop that never ran */
        uv_loop_close(&loop->uv);
    }
    if (loop->listen_fd >= 0) close(loop->listen_fd);
    pthread_mutex_destroy(&loop->lock);
    return mw_free(loop);
}

void *mw_http_free(mw_http *http) {
    if (!http) return NULL;
    for (int i = 0; i < http->n_loops; i++) free_loop(http->loops[i]);
    mw_free(http->loops);
    return mw_free(http);
}

mw_status mw_http_start(const mw_ctx *ctx, const mw_http_options *options, mw_http **ret,
                        mw_err *err) {
    mw_http *http = mw_calloc(ctx->mem, 1, sizeof *http);
    if (!http) return mw_fail_nomem(err, "the HTTP server");
    http->ctx = ctx;
    http->options = *options;
    mw_str_copy(http->host, sizeof http->host, mw_str_of(options->host));
    http->loops = mw_calloc(ctx->mem, (size_t)options->n_loops, sizeof *http->loops);
    if (!http->loops) {
        mw_free(http);
        return mw_fail_nomem(err, "the HTTP server");
    }
    mw_status status = MW_OK;
    for (int i = 0; status == MW_OK && i < options->n_loops; i++) status = new_loop(http, i, err);
    for (int i = 0; status == MW_OK && i < http->n_loops; i++) {
        mw_http_loop *loop = http->loops[i];
        int error = pthread_create(&loop->thread, NULL, loop_main, loop);
        loop->thread_started = error == 0;
        if (error != 0) status = mw_fail_errno(err, error, "cannot start a server thread");
    }
    if (status != MW_OK) {
        mw_http_drain(http, 0);
        mw_http_free(http);
        return status;
    }
    *ret = http;
    return MW_OK;
}

void mw_http_drain(mw_http *http, int64_t drain_us) {
    int64_t until = mw_clock_monotonic(http->ctx->clock) + drain_us;
    for (int i = 0; i < http->n_loops; i++) {
        mw_http_loop *loop = http->loops[i];
        if (!loop->thread_started) continue;
        pthread_mutex_lock(&loop->lock);
        loop->drain_until_us = until;
        uv_async_send(&loop->wake);
        pthread_mutex_unlock(&loop->lock);
    }
    for (int i = 0; i < http->n_loops; i++) {
        mw_http_loop *loop = http->loops[i];
        if (!loop->thread_started) continue;
        pthread_join(loop->thread, NULL);
        loop->thread_started = false;
    }
}

int mw_http_port(const mw_http *http) { return http->port; }

static int64_t peek(const _Atomic int64_t *counter) {
    return atomic_load_explicit((_Atomic int64_t *)(uintptr_t)counter, memory_order_relaxed);
}

void mw_http_read_stats(const mw_http *http, mw_http_stats *ret) {
    *ret = (mw_http_stats){.open_connections = peek(&http->n_conns)};
    for (int i = 0; i < http->n_loops; i++) {
        const mw_http_loop *loop = http->loops[i];
        ret->accepted_total += peek(&loop->accepted);
        ret->rejected_total += peek(&loop->rejected);
        ret->timed_out_total += peek(&loop->timed_out);
        ret->received_bytes_total += peek(&loop->received_bytes);
        ret->sent_bytes_total += peek(&loop->sent_bytes);
    }
}
