/*
 * app.h -- the services operations stand on: data folder, store, jobs, loaded models, health.
 *
 * Lifetime  mw_app_open -> mw_op_call* -> mw_app_close. One per process.
 * Health    with `monitor`, a thread checks store, data folder and models every five seconds, so
 * that GET /health answers from memory.
 */
#ifndef MW_RUN_OP_APP_H
#define MW_RUN_OP_APP_H

#include <pthread.h>

#include "run/job/job.h"
#include "run/live/live.h"
#include "run/live/telemetry.h"
#include "run/op/op.h"

typedef struct mw_app_options {
    const char *data_path;   /* MILLWRIGHT_DATA, default "./data" */
    int n_workers;           /* job processes; 0: jobs only run inline (command line) */
    int n_threads;           /* N_JOBS, 0: all cores */
    int64_t live_file_bytes; /* a journal file of telemetry is full then; 0: 64 MiB */
    int64_t cache_us;        /* CACHE_TIMEOUT: idle models leave the cache; 0: an hour */
    bool monitor;            /* keep the health report fresh */
} mw_app_options;

enum { MW_HEALTH_BYTES = 2048 };

struct mw_app {
    const mw_ctx *ctx;
    char *data_path;
    mw_dir *data;
    mw_store *store;
    mw_jobs *jobs;
    mw_live *live;
    mw_telemetry *telemetry;
    int n_threads;
    int64_t started_us; /* UTC */
    /* Set by the HTTP server for GET /metrics. */
    void (*write_http_metrics)(void *self, mw_buf *out);
    void *http;
    /* Health, written by the monitor thread. */
    pthread_mutex_t health_mutex;
    pthread_cond_t health_wake;
    pthread_t health_thread;
    bool health_running, closing;
    atomic_bool draining;         /* set by the server once it has been asked to stop */
    char health[MW_HEALTH_BYTES]; /* the answer of GET /health */
};

/* Makes the data folder when it is missing. */
mw_status mw_app_open(const mw_ctx *ctx, const mw_app_options *options, mw_app **ret, mw_err *err);
void *mw_app_close(mw_app *app, int64_t grace_us);

/* MW_ENOTFOUND unless the organization exists (a record or orgs/{org}/; "default" always does). */
mw_status mw_app_check_org(mw_app *app, const mw_ctx *ctx, mw_err *err);

/* Folder orgs/{org}/a/b below the data folder (b may be NULL), made when missing. */
mw_status mw_app_folder(const mw_app *app, const mw_ctx *ctx, const char *a, const char *b,
                        mw_dir **ret, mw_err *err);

/* Path of orgs/{org}/datasets/{dataset}, for workers. In the arena; NULL on no memory. */
char *mw_app_dataset_path(const mw_app *app, const mw_ctx *ctx, const char *dataset,
                          mw_arena *arena);

/* Path of the folder whose files POST /train ingests: csv/ or orgs/{org}/csv/. */
char *mw_app_csv_path(const mw_app *app, const mw_ctx *ctx, mw_arena *arena);

/* Checks everything now and renews the health answer: what the monitor does every five seconds. */
void mw_app_look(mw_app *app, const mw_ctx *ctx);

/* Copies the current health answer. */
void mw_app_read_health(mw_app *app, char out[MW_HEALTH_BYTES]);

#endif
