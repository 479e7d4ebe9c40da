/*
 * jobs.h -- inside run/job: the manager, one running job, and how a job ends.
 *
 * Threads   the manager's thread alone touches runs and the list it works on. Other threads reach
 * it through `inbox` under the mutex and wake it by the event descriptor. Each ending job has a
 *           thread of its own (long commits must not hold up the others); it owns its run until
 *           `ended` is set.
 */
#ifndef MW_RUN_JOB_JOBS_H
#define MW_RUN_JOB_JOBS_H

#include <pthread.h>

#include "core/base/log.h"
#include "run/job/frame.h"
#include "run/job/holder.h"
#include "run/job/job.h"
#include "run/job/job_message.h"
#include "run/job/process.h"

#define MW_JOBS_EXPIRED "the process that ran the job stopped answering"

enum { MW_JOBS_MAX_RUNS = 64 }; /* = MW_LIMIT(WORKERS), as a constant */

typedef enum mw_run_phase {
    MW_RUN_WORKING, /* the process lives */
    MW_RUN_ENDING,  /* its outcome is being committed, in a thread */
} mw_run_phase;

typedef struct mw_run {
    mw_jobs *jobs;
    mw_mem mem;
    mw_arena arena;    /* of job */
    mw_job_record job; /* as claimed */
    mw_ctx ctx;        /* org, job_id, cancel */
    mw_cancel cancel;  /* of the commit */
    mw_dir *work_dir;
    mw_run_phase phase;

    mw_process process;
    mw_frame_reader reader;
    mw_buf outbox;
    bool hello, closed; /* closed: nothing more will be read */
    bool answered;      /* a RESULT or an ERROR has come */
    mw_status outcome;  /* MW_OK: result holds the answer; else error says why not */
    mw_buf result;
    mw_err error;
    mw_progress_note note;
    bool note_is_new;

    bool canceled;      /* on request */
    bool drained;       /* because the server stops */
    bool lost;          /* the lease: nothing may be recorded any more */
    bool killed;        /* by us; error says why, unless canceled, drained or lost */
    int n_cancel_steps; /* CANCEL, SIGTERM, SIGKILL */
    int64_t started_us, cancel_us, answered_us, heard_us, renewed_us; /* monotonic */

    pthread_t thread;
    atomic_bool ended;
} mw_run;

typedef struct mw_watch {
    struct mw_watch *next;
    char org[72], id[32];
    void (*done)(void *arg, const char *id);
    void *arg;
} mw_watch;

struct mw_jobs {
    mw_ctx ctx;
    mw_jobs_options options;
    int64_t lease_us;
    char holder[MW_HOLDER_BYTES];
    char *executable, *data_path;
    char **environment;
    mw_dir *data;
    int event_fd;
    pthread_t thread;

    pthread_mutex_t mutex;
    struct {
        mw_watch *watches;
        bool look; /* the store has news */
        bool stop;
        int64_t grace_us;
    } inbox;

    /* The manager thread's own. */
    mw_run *runs[MW_JOBS_MAX_RUNS];
    int n_runs;
    mw_watch *watches;
    uint64_t seen_change;
    int64_t expired_us, polled_us, stop_us, grace_us;
    bool look, stopping;

    _Atomic int64_t n_running, n_started, n_succeeded, n_failed, n_revoked, n_crashes;
};

/* manager.c */
void mw_jobs__poke(mw_jobs *jobs);
void *mw_jobs__main(void *arg); /* the manager's thread */

/* run.c: one job in a worker process, driven by the manager's thread. */
mw_status mw_run__start(mw_jobs *jobs, mw_run **ret, mw_err *err); /* MW_ENOTFOUND: nothing waits */
void *mw_run__free(mw_run *run);
void mw_run__read(mw_run *run);   /* frames that have come */
void mw_run__write(mw_run *run);  /* what the worker has not taken yet */
void mw_run__exited(mw_run *run); /* its process may have ended */
void mw_run__tick(mw_run *run, int64_t now_us);
void mw_run__cancel(mw_run *run, bool drain);

/* outcome.c */
const mw_job_kind *mw_jobs__kind(const mw_jobs *jobs, const char *name);

/*
 * mw_jobs__conclude -- records how the work went: commit and SUCCESS, or `failed` state with the
 * error.
 *
 *   worked   status of the work; result [one JSON value] when MW_OK, else failure
 *   failed   FAILURE, REVOKED, or RETRY (the store decides whether an attempt is left)
 * Returns    MW_OK when the job is a success; else the error that it ended with, or MW_ECONFLICT
 * when the lease was lost and nothing was recorded.
 */
mw_status mw_jobs__conclude(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_status worked, const mw_err *failure, mw_job_state failed,
                            mw_dir *work_dir, mw_buf *result, mw_err *err);

/* workdir.c */
mw_status mw_jobs__work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_dir **ret, mw_err *err);
void mw_jobs__remove_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job);
/* The same, but what another job can go on with stays (mw_job_kind.left). */
void mw_jobs__leave_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job);
mw_status mw_jobs__work_path(const mw_jobs *jobs, const mw_job_record *job, mw_buf *out,
                             mw_err *err);
/* What dead processes left: their jobs are given up, their folders removed. */
mw_status mw_jobs__recover(mw_jobs *jobs, mw_err *err);

#endif
