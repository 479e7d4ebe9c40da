/*
 * api.h -- operations behind the transport: routes, validation, organizations, jobs, problems,
 * pages.
 *
 * What      LOOP operations answer on the HTTP loop; QUICK ones on handler threads behind a bounded
 *           queue; JOB ones are submitted there, after which the request waits for the job without
 *           holding a thread (or, with ?wait=false, is answered 202 at once). A client that leaves
 *           is forgotten; its job goes on.
 * Lifetime  mw_api_new -> mw_http_start(mw_api_handler) -> mw_api_attach -> mw_http_drain ->
 *           mw_api_close -> mw_http_free
 * Services  a table of functions, so that tests can hand in operations of their own.
 */
#ifndef MW_RUN_SERVE_API_H
#define MW_RUN_SERVE_API_H

#include "run/op/op.h"
#include "run/serve/assets.h"
#include "run/serve/transport.h"

typedef struct mw_api mw_api;

typedef struct mw_api_services {
    mw_app *app;             /* handed to the operations and the functions below */
    const mw_op *const *ops; /* ends with NULL */
    const mw_param *(*params)(const mw_op *op); /* an operation's whole table, never NULL */
    mw_status (*call)(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err);
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
} mw_api_options;

/* Counts and bounds from limits.h. */
void mw_api_options_default(mw_api_options *ret, int n_loops);

mw_status mw_api_new(const mw_ctx *ctx, const mw_api_services *services,
                     const mw_api_options *options, mw_api **ret, mw_err *err);
void mw_api_handler(mw_api *api, mw_http_handler *ret);
/* The server whose connections the metrics tell about. */
void mw_api_attach(mw_api *api, const mw_http *http);
/* For mw_app.write_http_metrics. Any thread. */
void mw_api_write_metrics(void *api, mw_buf *out);
/* Once the loops have ended. What is still watched for jobs is freed when they report. */
void *mw_api_close(mw_api *api);

#endif
