/* raw_routes.c -- see raw_routes.h. State of a request lives in its user pointer. */
#include "raw_routes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/str.h"

enum { PIECE_BYTES = 10000 };

typedef struct raw_state {
    mw_http_task task;
    mw_exchange *exchange;
    mw_http_loop *loop;
    char path[32];
    int64_t bytes, total, delay_ms;
    uint64_t sum;
    bool pending; /* a thread will post the task */
} raw_state;

static _Atomic int gone;
static _Atomic int n_threads;
static char pattern[1 << 20];

static int64_t query_number(const mw_exchange *exchange, const char *name) {
    char target[512];
    mw_str_copy(target, sizeof target, exchange->message->target);
    char *at = strstr(target, name);
    return at ? strtoll(at + strlen(name) + 1, NULL, 10) : 0;
}

static void answer_text(mw_exchange *exchange, const char *text) {
    mw_exchange_answer(exchange, &(mw_answer){.status = 200,
                                              .content_type = "text/plain",
                                              .body = text,
                                              .size = strlen(text),
                                              .memory = MW_ANSWER_COPY});
}

bool raw_wants(const mw_exchange *exchange) {
    mw_str target = exchange->message->target;
    return target.size > 5 && memcmp(target.data, "/raw/", 5) == 0;
}

mw_body_policy raw_on_head(mw_exchange *exchange) {
    mw_str target = exchange->message->target;
    const char *mark = memchr(target.data, '?', target.size);
    mw_str path = {target.data, mark ? (size_t)(mark - target.data) : target.size};
    if (mw_str_is(path, "/raw/fast")) {
        answer_text(exchange, "fast");
        return (mw_body_policy){0};
    }
    raw_state *state = mw_calloc(NULL, 1, sizeof *state);
    if (!state) abort();
    state->exchange = exchange;
    state->loop = exchange->loop;
    mw_str_copy(state->path, sizeof state->path, path);
    state->total = query_number(exchange, "bytes");
    state->delay_ms = query_number(exchange, path.size > 8 && path.data[5] == 's' ? "pause" : "ms");
    exchange->user = state;
    if (mw_str_is(path, "/raw/sink")) return (mw_body_policy){MW_BODY_STREAM, 0};
    if (mw_str_is(path, "/raw/echo")) return (mw_body_policy){MW_BODY_KEEP, 1 << 20};
    return (mw_body_policy){MW_BODY_REFUSE, 0};
}

static void sleep_ms(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void *run_later(void *arg) {
    raw_state *state = arg;
    sleep_ms(state->delay_ms);
    /* After the drain nobody takes it. */
    if (!mw_http_post(state->loop, &state->task)) mw_free(state);
    atomic_fetch_sub(&n_threads, 1);
    return NULL;
}

static void start_thread(raw_state *state, void (*run)(mw_http_task *)) {
    pthread_t thread;
    state->task.run = run;
    state->pending = true;
    atomic_fetch_add(&n_threads, 1);
    if (pthread_create(&thread, NULL, run_later, state) != 0) abort();
    pthread_detach(thread);
}

static void resume_sink(mw_http_task *task) {
    raw_state *state = (raw_state *)task;
    state->pending = false;
    if (state->exchange)
        mw_exchange_resume(state->exchange);
    else
        mw_free(state);
}

void raw_on_body(mw_exchange *exchange, mw_str data) {
    raw_state *state = exchange->user;
    state->bytes += (int64_t)data.size;
    for (size_t i = 0; i < data.size; i++)
        state->sum = state->sum * 31 + (unsigned char)data.data[i];
    if (state->delay_ms == 0) return;
    mw_exchange_pause(exchange);
    start_thread(state, resume_sink);
}

static void answer_later(mw_http_task *task) {
    raw_state *state = (raw_state *)task;
    state->pending = false;
    if (state->exchange)
        answer_text(state->exchange, "later");
    else
        mw_free(state);
}

void raw_on_drain(mw_exchange *exchange) {
    raw_state *state = exchange->user;
    bool room = true;
    while (room && state->bytes < state->total) {
        int64_t left = state->total - state->bytes;
        size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        state->bytes += (int64_t)n;
        room = mw_exchange_write(exchange, pattern, n);
    }
    if (room && state->bytes == state->total) mw_exchange_finish(exchange);
}

void raw_on_end(mw_exchange *exchange) {
    raw_state *state = exchange->user;
    char text[96];
    if (strcmp(state->path, "/raw/echo") == 0) {
        mw_exchange_answer(exchange, &(mw_answer){.status = 200,
                                                  .content_type = "application/octet-stream",
                                                  .body = exchange->body.data,
                                                  .size = exchange->body.size});
    } else if (strcmp(state->path, "/raw/sink") == 0) {
        (void)snprintf(text, sizeof text, "%lld %016llx", (long long)state->bytes,
                       (unsigned long long)state->sum);
        answer_text(exchange, text);
    } else if (strcmp(state->path, "/raw/stream") == 0) {
        memset(pattern, 'x', PIECE_BYTES);
        mw_exchange_begin(exchange, 200, "text/plain", NULL);
        raw_on_drain(exchange);
    } else if (strcmp(state->path, "/raw/big") == 0) {
        char *body = mw_alloc(NULL, (size_t)state->total + 1);
        if (!body) abort();
        memset(body, 'b', (size_t)state->total);
        mw_exchange_answer(exchange, &(mw_answer){.status = 200,
                                                  .content_type = "text/plain",
                                                  .body = body,
                                                  .size = (size_t)state->total,
                                                  .memory = MW_ANSWER_GIVE});
    } else if (strcmp(state->path, "/raw/later") == 0) {
        start_thread(state, answer_later);
    } else if (strcmp(state->path, "/raw/seen") == 0) {
        (void)snprintf(text, sizeof text, "%d", atomic_load(&gone));
        answer_text(exchange, text);
    } else if (strcmp(state->path, "/raw/never") != 0) {
        mw_err error;
        mw_fail(&error, MW_ENOTFOUND, "no such raw route");
        mw_exchange_refuse(exchange, 404, &error, NULL);
    }
}

void raw_on_peer_end(mw_exchange *exchange) {
    raw_state *state = exchange->user;
    if (strcmp(state->path, "/raw/never") != 0) return;
    atomic_fetch_add(&gone, 1);
    mw_exchange_abort(exchange);
}

void raw_on_done(mw_exchange *exchange) {
    raw_state *state = exchange->user;
    if (state && state->pending)
        state->exchange = NULL;
    else
        mw_free(state);
    exchange->user = NULL;
}

void raw_wait(void) {
    while (atomic_load(&n_threads) > 0) sleep_ms(1);
}
