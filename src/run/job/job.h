/*
 * job.h -- long operations in worker processes: queue, lease, worker, outcome.
 *
 * What      a job kind is an operation's work and commit. The manager claims jobs, starts one worker process for each (exec of this binary,
 *           `millwright worker`), feeds it over a pair of pipes with the framed protocol (frame.h), renews the lease while frames arrive, and commits
 *           the result in this process. Workers see files, never the store.
 * Crash     a worker that dies gives RETRY, and FAILURE (MW_EINTERNAL) naming the signal or exit status once no attempt is left; its work folder is
 *           removed, unless its kind can go on with what is in it; the server goes on. What the work itself reports is an error of its user: FAILURE.
 * Limits    a job that takes longer than its time limit is killed and fails; one that needs more memory than its ceiling says how much.
 * Ready     one process more than are at work waits for its job, started already (`ps`: "mw idle").
 * Threads   one manager thread runs the clock of all jobs; mw_jobs_* may be called from any thread.
 * Drain     mw_jobs_stop asks running workers to stop, waits up to the grace period, then kills them; their jobs wait again, and that was no attempt.
 */
#ifndef MW_RUN_JOB_JOB_H
#define MW_RUN_JOB_JOB_H

#include "core/base/dir.h"
#include "core/text/json.h"
#include "keep/store/store.h"

/* Where a kind says what a job reads; both return what is to be returned at once unless it is MW_OK. */
typedef struct mw_job_reads {
    void *self;
    /* A file, or a folder: the files in it, without those of its folders. One that is not there is no error. */
    mw_status (*file)(void *self, const char *path, mw_err *err);
    /* A file that is not there, made for a worker that has only what is listed. */
    mw_status (*made)(void *self, const char *path, mw_str content, mw_err *err);
} mw_job_reads;

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
    /* In the server: every path that work opens by its name, for workers that share no folder with it (remote.h). May read files of
     * its own. NULL: such workers cannot do it. */
    mw_status (*reads)(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                       mw_err *err);
    /*
     * Takes a moment and needs no files: work_dir is NULL, ctx has no pool, and there is neither commit nor left. Several are claimed at once, given to
     * one process ahead of the answers, and ended together. One that takes long all the same holds nothing up: those behind it are given back.
     */
    bool light;
} mw_job_kind;

#define MW_JOB_LEFT "left" /* in a work folder: the work folders of dead jobs */

typedef struct mw_jobs_options {
    const mw_job_kind *kinds;
    mw_store *store;
    void *app;
    const char *executable; /* path of this binary, for exec; NULL: /proc/self/exe */
    const char *
        data_path; /* MILLWRIGHT_DATA; work folders are orgs/{org}/work/{job id}.{fence}/ below it */
    int n_workers; /* job processes at the same time */
    int n_remote; /* workers of other hosts that may come; when both are 0 there are only inline runs */
    int n_threads;         /* per job (N_JOBS), 0: all cores */
    int max_retries;       /* how often a job is started again whose worker died (MAX_RETRIES) */
    int64_t time_limit_us; /* of one attempt, unless the job has its own; 0: none */
    size_t
        memory_bytes; /* ceiling of one worker's memory account, unless the job has its own; 0: none */
    int64_t lease_us;   /* default 30 s when 0 */
    const char *broker; /* MILLWRIGHT_BROKER (broker.h); NULL: none */
} mw_jobs_options;

typedef struct mw_jobs mw_jobs;

mw_status mw_jobs_start(const mw_ctx *ctx, const mw_jobs_options *options, mw_jobs **ret,
                        mw_err *err);
void *mw_jobs_stop(mw_jobs *jobs, int64_t grace_us);

/*
 * Queues a job of ctx->org (see mw_store_job_create) and wakes the manager; id_out [32]. max_attempts 0: as often as max_retries says. Without workers the
 * job is born claimed, for mw_jobs_run_inline.
 */
mw_status mw_jobs_submit(const mw_ctx *ctx, mw_jobs *jobs, const mw_job_new *job, char *id_out,
                         mw_err *err);

/* Calls done(arg, id) once, from the manager's thread, as soon as the job is final (perhaps at
 * once). */
mw_status mw_jobs_watch(mw_jobs *jobs, const char *org, const char *id,
                        void (*done)(void *arg, const char *id), void *arg, mw_err *err);

/* Somebody follows jobs: for the next second what running ones say is recorded up to 25 times a second instead of four, as far as the store is quick. */
void mw_jobs_follow(mw_jobs *jobs);

mw_status mw_jobs_cancel(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_err *err);
/* As mw_store_job_retry, and wakes the manager. */
mw_status mw_jobs_retry(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_err *err);

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
    int64_t remote_workers;        /* of other hosts, here now */
    int64_t retried_total;         /* attempts that ended with the job waiting again */
    int64_t dead_total;            /* jobs that ended because their workers died in all attempts */
    const mw_durations *durations; /* borrowed: of attempts, from claim to recorded end */
} mw_jobs_stats;
void mw_jobs_read_stats(mw_jobs *jobs, mw_jobs_stats *ret);

#endif
