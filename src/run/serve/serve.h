/*
 * serve.h -- the HTTP server: libuv + llhttp, one loop per thread, operations behind it.
 *
 * What      transport.h owns sockets, parsing, limits, time-outs, back-pressure and drain; api.h
 * maps requests onto operations (validation, organization, async jobs, problem+json, embedded
 *           pages). Nothing above 50 us runs on a loop: QUICK operations run on handler threads.
 * Lifetime  mw_serve_run blocks until SIGTERM or SIGINT, drains, and returns. SIGHUP reads the certificate again.
 */
#ifndef MW_RUN_SERVE_SERVE_H
#define MW_RUN_SERVE_SERVE_H

#include "run/op/app.h"

typedef struct mw_serve_options {
    const char
        *host; /* a numeric address or localhost; others than loopback need API keys, or no_auth */
    bool no_auth; /* everybody who reaches it is an admin */
    int port;     /* 0: any free one, told to on_ready */
    const char *
        tls_cert; /* PEM files, both or neither; NULL: plain HTTP. Read again when they change, and on SIGHUP */
    const char *tls_key;
    int n_loops;    /* 0: one per core, at most 4 */
    int n_handlers; /* threads for QUICK operations; 0: 2 per loop */
    const char *const
        *origins;     /* whose pages may use the API, ended by NULL; NULL: only own ones */
    double rate;      /* requests per second of one organization; 0: any number */
    int64_t drain_us; /* time for open requests at shutdown; default 10 s when 0 */
    void (*on_ready)(void *arg, const char *url); /* "https://127.0.0.1:8000" */
    void *on_ready_arg;
} mw_serve_options;

mw_status mw_serve_run(mw_app *app, const mw_serve_options *options, mw_err *err);

#endif
