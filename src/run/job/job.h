/*
 * job.h -- long operations in worker processes: queue, lease, worker, outcome.
 *
 * What      a job kind is an operation's work and commit. The manager claims jobs, starts one
 * worker process for each (exec of this binary, `millwright worker`), feeds it over a pair of pipes
 *           with the framed protocol (frame.h), renews the lease while frames arrive, and commits
 * the result in this process. Workers see files, never the store. Crash     a worker that dies
 * gives FAILURE (MW_EINTERNAL) naming the signal or exit status; its work folder is removed, unless
 * its kind can go on with what is in it; the
 * server goes on. Threads   one manager thread runs the clock of all jobs; mw_jobs_* may be called
 * from any thread. Drain     mw_jobs_stop asks running workers to stop, waits up to the grace
 * period, then kills them; their jobs go back to RETRY or FAILURE.
 */
#ifndef MW_RUN_JOB_JOB_H
#define MW_RUN_JOB_JOB_H

#include "core/base/dir.h"
#include "core/text/json.h"
#include "keep/store/store.h"

/* What a worker or an inline run executes. Handed in by op as a table ended by a NULL name. */
typedef struct mw_job_kind {
    const char *name;
    /* In the worker: reads payload, writes files into work_dir, appends one JSON value to result.
     */
    mw_status (*work)(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err);
    /* In the server (or CLI) process, fenced: moves files out of work_dir, records everything in
     * one transaction, and may replace the result that callers see. `app` is mw_jobs_options.app.
     */
    mw_status (*commit)(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *work_dir,
                        mw_buf *result, mw_err *err);
    /*
     * Whether work_dir, of a job that died, holds work that another job can go on with: that of payload `next`, or any when next is
     * NULL. dead: the dead one's payload. Such a folder stays for at most a week, until a job of a kind with the same function comes that
     * it suits: that one finds it as work_dir/left/{job id}. Folders of running jobs are never handed in. NULL: nothing stays.
     */
    bool (*left)(const mw_ctx *ctx, const mw_json *dead, const mw_json *next, mw_dir *work_dir);
} mw_job_kind;

#define MW_JOB_LEFT "left" /* in a work folder: the work folders of dead jobs */

typedef struct mw_jobs_options {
    const mw_job_kind *kinds;
    mw_store *store;
    void *app;
    const char *executable; /* path of this binary, for exec; NULL: /proc/self/exe */
    const char
        *data_path;      /* MILLWRIGHT_DATA; work folders are orgs/{org}/work/{job id}/ below it */
    int n_workers;       /* job processes at the same time; 0: only inline runs */
    int n_threads;       /* per job (N_JOBS), 0: all cores */
    size_t memory_bytes; /* ceiling of one worker's memory account, 0: none */
    int64_t lease_us;    /* default 30 s when 0 */
} mw_jobs_options;

typedef struct mw_jobs mw_jobs;

mw_status mw_jobs_start(const mw_ctx *ctx, const mw_jobs_options *options, mw_jobs **ret,
                        mw_err *err);
void *mw_jobs_stop(mw_jobs *jobs, int64_t grace_us);

/* Queues a job of ctx->org (see mw_store_job_create) and wakes the manager. */
mw_status mw_jobs_submit(const mw_ctx *ctx, mw_jobs *jobs, const char *kind, const char *payload,
                         bool exclusive, char *id_out, mw_err *err);

/* Calls done(arg, id) once, from the manager's thread, as soon as the job is final (perhaps at
 * once). */
mw_status mw_jobs_watch(mw_jobs *jobs, const char *org, const char *id,
                        void (*done)(void *arg, const char *id), void *arg, mw_err *err);

mw_status mw_jobs_cancel(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_err *err);

/* Runs a queued job to its end in this process and thread (the command line), with lease renewal.
 * ctx's progress and cancellation are used. Returns the job's error when it fails. */
mw_status mw_jobs_run_inline(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_buf *result,
                             mw_err *err);

/* Main of `millwright worker`: frames on fd 3 (in) and 4 (out). Returns the process exit status. */
int mw_worker_main(const mw_job_kind *kinds);

/* Numbers for /metrics. */
typedef struct mw_jobs_stats {
    int64_t running, started_total, succeeded_total, failed_total, revoked_total,
        worker_crashes_total;
} mw_jobs_stats;
void mw_jobs_read_stats(mw_jobs *jobs, mw_jobs_stats *ret);

#endif
