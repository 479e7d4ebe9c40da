/*
 * test_server.c -- the HTTP server with made-up operations, driven by tests/http/test_*.py.
 *
 *   test_server [--NAME NUMBER]... [--origin ORIGIN]... [--cert FILE]    NAME: port, loops, handlers, queued,
 * waiting, drain_ms or a limit
 *
 * Prints the port on one line, serves until SIGTERM or end of standard input, drains, and fails
 * when any memory is left.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_ops.h"
#include "raw_routes.h"
#include "run/serve/api.h"

typedef struct settings {
    mw_http_options http;
    mw_api_options api;
    int64_t drain_ms;
} settings;

static mw_http_handler api_handler;
static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static mw_body_policy on_head(void *self, mw_exchange *exchange) {
    return raw_wants(exchange) ? raw_on_head(exchange) : api_handler.on_head(self, exchange);
}

static void on_body(void *self, mw_exchange *exchange, mw_str data) {
    if (raw_wants(exchange))
        raw_on_body(exchange, data);
    else
        api_handler.on_body(self, exchange, data);
}

static void on_end(void *self, mw_exchange *exchange) {
    if (raw_wants(exchange))
        raw_on_end(exchange);
    else
        api_handler.on_end(self, exchange);
}

static void on_drain(void *self, mw_exchange *exchange) {
    if (raw_wants(exchange))
        raw_on_drain(exchange);
    else
        api_handler.on_drain(self, exchange);
}

static void on_peer_end(void *self, mw_exchange *exchange) {
    if (raw_wants(exchange))
        raw_on_peer_end(exchange);
    else
        api_handler.on_peer_end(self, exchange);
}

static void on_done(void *self, mw_exchange *exchange, int status, int64_t answer_bytes,
                    const char *method) {
    if (method && raw_wants(exchange)) raw_on_done(exchange);
    api_handler.on_done(self, exchange, status, answer_bytes, method);
}

static bool set(settings *to, const char *name, int64_t value) {
    mw_http_limits *limits = &to->http.limits;
    int n = (int)value;
    if (strcmp(name, "port") == 0) return to->http.port = n, true;
    if (strcmp(name, "loops") == 0) return to->http.n_loops = to->api.n_loops = n, true;
    if (strcmp(name, "handlers") == 0) return to->api.n_handlers = n, true;
    if (strcmp(name, "queued") == 0) return to->api.max_queued = value, true;
    if (strcmp(name, "waiting") == 0) return to->api.max_waiting = value, true;
    if (strcmp(name, "upload_bytes") == 0) return to->api.upload_bytes = value, true;
    if (strcmp(name, "uploads") == 0) return to->api.max_uploads = value, true;
    if (strcmp(name, "streams") == 0) return to->api.max_streams = value, true;
    if (strcmp(name, "deadline_ms") == 0) return to->api.deadline_ms = n, true;
    if (strcmp(name, "rate") == 0) return to->api.rate = (double)value, true;
    if (strcmp(name, "memory") == 0) return mw_mem_process.ceiling_bytes = (size_t)value, true;
    if (strcmp(name, "heartbeat_ms") == 0) return to->api.heartbeat_ms = n, true;
    if (strcmp(name, "look_ms") == 0) return to->api.look_ms = n, true;
    if (strcmp(name, "kept_bytes") == 0) return to->api.kept_bytes = n, true;
    if (strcmp(name, "tick_ms") == 0) return limits->tick_ms = n, true;
    if (strcmp(name, "drain_ms") == 0) return to->drain_ms = value, true;
    if (strcmp(name, "connections") == 0) return limits->connections = value, true;
    if (strcmp(name, "response_bytes") == 0) return limits->response_bytes = value, true;
    if (strcmp(name, "header_timeout_ms") == 0) return limits->header_timeout_ms = n, true;
    if (strcmp(name, "idle_timeout_ms") == 0) return limits->idle_timeout_ms = n, true;
    if (strcmp(name, "body_min_bytes_per_s") == 0) return limits->body_min_bytes_per_s = n, true;
    if (strcmp(name, "grace_ms") == 0) return limits->grace_ms = n, true;
    if (strcmp(name, "handshake_timeout_ms") == 0) return limits->handshake_timeout_ms = n, true;
    if (strcmp(name, "linger_ms") == 0) return limits->linger_ms = n, true;
    return false;
}

static void wait_for_end(void) {
    struct pollfd item = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    while (!stopped) {
        int n = poll(&item, 1, 1000);
        if (n > 0 && read(STDIN_FILENO, &byte, 1) <= 0) return;
    }
}

int main(int argc, char **argv) {
    settings to = {.http = {.host = "127.0.0.1", .n_loops = 2}, .drain_ms = 3000};
    mw_http_limits_default(&to.http.limits);
    mw_api_options_default(&to.api, 2);
    static const char *origins[8];
    int n_origins = 0;
    const char *cert = NULL;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--origin") == 0 && n_origins < 7)
            origins[n_origins++] = argv[i + 1];
        else if (strcmp(argv[i], "--cert") == 0)
            cert = argv[i + 1]; /* with its key in the same file */
        else if (strncmp(argv[i], "--", 2) != 0 ||
                 !set(&to, argv[i] + 2, strtoll(argv[i + 1], NULL, 10)))
            return fprintf(stderr, "unknown setting %s\n", argv[i]), 2;
    to.api.origins = origins;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err;
    mw_api_services services;
    mw_api *api = NULL;
    mw_http *http = NULL;
    fake_services(&services);
    mw_status status = cert ? mw_tls_new(&ctx, cert, cert, &to.http.tls, &err) : MW_OK;
    if (status == MW_OK) status = mw_api_new(&ctx, &services, &to.api, &api, &err);
    if (status == MW_OK) {
        fake_set_api(api);
        mw_api_attach_tls(api, to.http.tls);
        mw_api_handler(api, &api_handler);
        to.http.handler = api_handler;
        to.http.handler.on_head = on_head;
        to.http.handler.on_body = on_body;
        to.http.handler.on_end = on_end;
        to.http.handler.on_drain = on_drain;
        to.http.handler.on_peer_end = on_peer_end;
        to.http.handler.on_done = on_done;
        status = mw_http_start(&ctx, &to.http, &http, &err);
    }
    if (status != MW_OK) {
        fprintf(stderr, "%s (%s)\n", err.message, err.hint);
        mw_api_close(api);
        return mw_status_exit(status);
    }
    mw_api_attach(api, http);
    printf("%d\n", mw_http_port(http));
    fflush(stdout);
    wait_for_end();
    mw_http_drain(http, to.drain_ms * 1000);
    raw_wait();
    mw_api_close(api);
    fake_stop_jobs();
    mw_http_free(http);
    mw_tls_free(to.http.tls);
    size_t left = mw_mem_used(&mw_mem_process);
    if (left) fprintf(stderr, "%zu bytes were not freed\n", left);
    return left ? 1 : 0;
}
