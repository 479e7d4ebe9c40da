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

#include "keep/store/artifact.h"
#include "run/job/job.h"
#include "run/live/live.h"
#include "run/live/telemetry.h"
#include "run/op/op.h"

typedef struct mw_app_options {
    const char *data_path; /* MILLWRIGHT_DATA, default "./data" */
    const char *store;     /* MILLWRIGHT_STORE; NULL: millwright.db in the data folder */
    const char *artifacts; /* MILLWRIGHT_ARTIFACTS; NULL: the data folder alone */
    const char *broker;    /* MILLWRIGHT_BROKER; NULL: none */
    int n_workers;         /* job processes */
    int n_remote; /* workers of other hosts that may come; when both are 0 jobs only run inline (command line) */
    int n_threads;           /* N_JOBS, 0: all cores */
    int max_retries;         /* MAX_RETRIES: how often a job starts again whose worker died */
    int64_t time_limit_us;   /* of a job; 0: none */
    int64_t memory_bytes;    /* of a job; 0: no ceiling */
    int64_t lease_us;        /* of a job whose process is silent; 0: 30 s */
    int64_t live_file_bytes; /* a journal file of telemetry is full then; 0: 64 MiB */
    int64_t cache_us;        /* CACHE_TIMEOUT: idle models leave the cache; 0: an hour */
    bool monitor;            /* keep the health report fresh */
} mw_app_options;

enum { MW_HEALTH_BYTES = 2048 };

/* A part of the program with a memory account of its own, below the process's: its context is the program's but for that. */
typedef struct mw_app_part {
    mw_mem mem;
    mw_ctx ctx;
} mw_app_part;

struct mw_app {
    const mw_ctx *ctx;
    char *data_path;
    mw_dir *data;
    mw_store *store;
    mw_artifacts *artifacts; /* NULL: the data folder alone */
    mw_jobs *jobs;
    mw_live *live;
    mw_telemetry *telemetry;
    mw_app_part http;   /* connections, requests and what operations need while they answer */
    mw_app_part models; /* documents of models in production */
    mw_app_part rows;   /* live rows and their features */
    int n_threads;
    int64_t started_us; /* UTC */
    /* Set by the HTTP server for GET /metrics. */
    void (*write_http_metrics)(void *self, mw_buf *out);
    void *http_metrics;
    /* Health, written by the monitor thread. */
    pthread_mutex_t health_mutex;
    pthread_cond_t health_wake;
    pthread_t health_thread;
    bool health_running, closing;
    atomic_bool draining;         /* set by the server once it has been asked to stop */
    char health[MW_HEALTH_BYTES]; /* the answer of GET /health */
    mw_job_counts job_counts;     /* as of the latest look */
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
/* Copies what the latest look found; zeros before the first. */
void mw_app_read_job_counts(mw_app *app, mw_job_counts *ret);

#endif
