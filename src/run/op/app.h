/*
 * app.h -- the services operations stand on: data folder, store, jobs, loaded models, counters.
 *
 * Lifetime  mw_app_open -> mw_op_call* -> mw_app_close. One per process.
 */
#ifndef MW_RUN_OP_APP_H
#define MW_RUN_OP_APP_H

#include "run/job/job.h"
#include "run/op/op.h"

typedef struct mw_app_options {
    const char *data_path; /* MILLWRIGHT_DATA, default "./data" */
    int n_workers;         /* job processes; 0: jobs only run inline (command line) */
    int n_threads;         /* N_JOBS */
    bool create;           /* make the data folder when missing */
} mw_app_options;

struct mw_app {
    const mw_ctx *ctx;
    const char *data_path;
    mw_dir *data;
    mw_store *store;
    mw_jobs *jobs;
    struct mw_live *live;
    int64_t started_us;
    /* Written by the HTTP server for GET /metrics and GET /health; any may be NULL. */
    void (*write_http_metrics)(void *self, mw_buf *out);
    void *http;
    _Atomic bool draining;
};

mw_status mw_app_open(const mw_ctx *ctx, const mw_app_options *options, mw_app **ret, mw_err *err);
void *mw_app_close(mw_app *app, int64_t grace_us);

/* MW_ENOTFOUND unless the organization exists (a record or orgs/{org}/; "default" always does). */
mw_status mw_app_check_org(mw_app *app, const mw_ctx *ctx, mw_err *err);

#endif
