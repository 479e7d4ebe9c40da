/*
 * api.h -- operations behind the transport: routes, validation, organizations, jobs, problems,
 * pages.
 *
 * What      LOOP operations answer on the HTTP loop; QUICK ones on handler threads behind a bounded
 *           queue; JOB ones are submitted there, after which the request waits for the job without
 *           holding a thread (or, with ?wait=false, is answered 202 at once). A client that leaves
 *           is forgotten; its job goes on. Operations with `events` answer a stream of them.
 * Lifetime  mw_api_new -> mw_http_start(mw_api_handler) -> mw_api_attach -> mw_http_drain ->
 *           mw_api_close -> mw_http_free
 * Services  a table of functions, so that tests can hand in operations of their own.
 */
#ifndef MW_RUN_SERVE_API_H
#define MW_RUN_SERVE_API_H

#include "run/op/op.h"
#include "run/serve/admit.h"
#include "run/serve/assets.h"
#include "run/serve/transport.h"

typedef struct mw_api mw_api;

typedef struct mw_api_services {
    mw_app *app;             /* handed to the operations and the functions below */
    const mw_op *const *ops; /* ends with NULL */
    const mw_param *(*params)(const mw_op *op); /* an operation's whole table, never NULL */
    mw_status (*call)(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err);
    /* As mw_op_events; NULL: no operation has any. */
    mw_status (*events)(const mw_op *op, const mw_call *call, mw_str last_event_id, mw_buf *out,
                        char *last_id_out, bool *ret_end, mw_err *err);
    /* As mw_store_version; NULL: no answer is kept. */
    bool (*version)(mw_app *app, bool may_ask, uint64_t *ret);
    mw_status (*check_org)(mw_app *app, const mw_ctx *ctx, mw_err *err); /* may block */
    mw_status (*watch)(mw_app *app, const char *org, const char *id,
                       void (*done)(void *arg, const char *id), void *arg, mw_err *err);
    mw_status (*read_job)(mw_app *app, const mw_ctx *ctx, mw_arena *arena, const char *id,
                          mw_job_record *ret, mw_err *err);
    /* May block. NULL: no operation takes a file. */
    mw_status (*open_upload)(mw_app *app, const mw_ctx *ctx, const char *name, mw_upload **ret,
                             mw_err *err);
    const mw_asset *(*find_asset)(const char *path); /* or NULL: no pages */
} mw_api_services;

typedef struct mw_api_options {
    int n_loops;
    int n_handlers;
    int64_t max_queued;  /* requests waiting for a handler thread */
    int64_t max_waiting; /* requests waiting for a job */
    int64_t body_bytes;
    int64_t upload_bytes;
    int64_t max_uploads; /* at the same time */
    int64_t max_streams; /* of events, likewise */
    int64_t kept_bytes;  /* of answers of operations with `kept` */
    const char *const
        *origins; /* whose pages may use the API, ended by NULL; NULL: none. See cors.h */
    mw_admit_options admit;
    int heartbeat_ms; /* a stream says something at least as often */
    int look_ms; /* whether there are events is looked as often, also when nothing is said to have changed */
    int deadline_ms; /* of operations that have none of their own */
    double rate;     /* requests per second of one organization; 0: any number */
} mw_api_options;

/* Counts and bounds from limits.h. */
void mw_api_options_default(mw_api_options *ret, int n_loops);

mw_status mw_api_new(const mw_ctx *ctx, const mw_api_services *services,
                     const mw_api_options *options, mw_api **ret, mw_err *err);
void mw_api_handler(mw_api *api, mw_http_handler *ret);
/* The server whose connections the metrics tell about. */
void mw_api_attach(mw_api *api, const mw_http *http);
/* Whose certificate the metrics tell about; before the server starts. */
void mw_api_attach_tls(mw_api *api, mw_tls *tls);
/* For mw_app.write_http_metrics. Any thread. */
void mw_api_write_metrics(void *api, mw_buf *out);
/* Something that events tell of may have changed: streams look soon. Any thread, from mw_api_new to mw_api_close. */
void mw_api_changed(void *api);
/* Once the loops have ended. What is still watched for jobs is freed when they report. */
void *mw_api_close(mw_api *api);

#endif
