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
#include "run/job/broker.h"
#include "run/job/ends.h"
#include "run/job/frame.h"
#include "run/job/holder.h"
#include "run/job/job.h"
#include "run/job/job_message.h"
#include "run/job/process.h"
#include "run/job/scheduler.h"

#define MW_JOBS_EXPIRED "the process that ran the job stopped answering"

enum {
    MW_JOBS_MAX_READY = 64,
    MW_JOBS_MAX_RUNS = 64 + 256, /* = MW_LIMIT(WORKERS), and REMOTE_WORKERS more */
    MW_JOBS_LIGHT_KINDS = 15
};

/* How a job ended that has no result. */
typedef enum mw_jobs__failed {
    MW_JOBS_FAILED,  /* by its own fault */
    MW_JOBS_REVOKED, /* on request */
    MW_JOBS_CRASHED, /* its worker died, or the store was away: tried again while attempts are left */
    MW_JOBS_RELEASED, /* the server stops: that was no attempt */
} mw_jobs__failed;

typedef enum mw_run_phase {
    MW_RUN_WORKING, /* the process lives */
    MW_RUN_ENDING,  /* its outcome is being committed, in a thread */
} mw_run_phase;

/* Light jobs of one claim: they are sent before those in front of them are answered, and may be called back. See ahead.c. */
typedef struct mw_ahead {
    const mw_job_record *jobs;  /* [n] in the order of the claim, in the run's arena */
    size_t n, at, n_sent;       /* at: the run's job; those before n_sent are the worker's */
    bool recalled;              /* RECALL has been sent, and BACK has not come */
    int64_t at_us, recalled_us; /* monotonic; at_us: when `at` became the first one */
} mw_ahead;

typedef struct mw_run {
    mw_jobs *jobs;
    mw_mem mem;
    mw_arena arena;    /* of job */
    mw_job_record job; /* as claimed; of light ones the first that is not answered */
    bool light;
    mw_ahead ahead;   /* light jobs that come after it */
    mw_ctx ctx;       /* org, job_id, cancel */
    mw_cancel cancel; /* of the commit */
    mw_dir *work_dir;
    mw_run_phase phase;

    mw_process process;
    struct mw_remote_job *delivery; /* of a worker on another host */
    mw_frame_reader reader;
    mw_buf outbox;
    bool hello, closed; /* closed: nothing more will be read */
    bool is_local;      /* takes the place of one of this host's processes */
    bool was_ready;     /* the process waited for this job */
    bool begun;         /* the job: a PROGRESS has come */
    bool idle;          /* the process offers to go on with another job */
    bool bye;           /* it has said that it ends */
    bool answered;      /* a RESULT or an ERROR has come */
    bool recorded;      /* its end is with `ends`, and nothing is left to conclude */
    mw_status outcome;  /* MW_OK: result holds the answer; else error says why not */
    mw_buf result;
    mw_err error;
    mw_progress_note note;
    bool note_is_new;
    mw_buf log; /* the latest lines */
    int64_t n_log_lines;
    bool log_is_new;

    bool canceled;          /* on request */
    bool drained;           /* because the server stops */
    bool released;          /* its worker's host stops */
    bool lost;              /* the lease: nothing may be recorded any more */
    bool overran;           /* its time limit */
    mw_jobs__failed failed; /* as it ends: how, unless it succeeds; what comes later is in cancel */
    bool
        died; /* ... by no doing of its own: its process died, or the server stops, or it was thought dead */
    bool killed;        /* by us; error says why, unless canceled, drained or lost */
    int n_cancel_steps; /* CANCEL, SIGTERM, SIGKILL */
    int64_t started_us, cancel_us, answered_us, heard_us, renewed_us; /* monotonic */

    pthread_t thread;
    atomic_bool ended;
} mw_run;

/* A process that waits for a job, so that no job waits for a process to start. */
typedef struct mw_ready {
    mw_process process;
    char org[72]; /* the one that it has worked for, and may work for again; "": for any */
} mw_ready;

typedef struct mw_watch {
    struct mw_watch *next;
    char org[72], id[32];
    void (*done)(void *arg, const char *id);
    void *arg;
} mw_watch;

typedef struct mw_remotes {
    pthread_mutex_t mutex;
    struct mw_remote *first; /* [n]; idle ones and those at work */
    int n;
    bool stopping;
} mw_remotes;

struct mw_jobs {
    mw_ctx ctx;
    mw_jobs_options options;
    int64_t lease_us;
    char holder[MW_HOLDER_BYTES];
    char leader[MW_HOLDER_BYTES + 16]; /* the same, and which manager of the process */
    char *executable, *data_path;
    char **environment;
    mw_dir *data;
    int event_fd;
    pthread_t thread;
    mw_remotes remotes;

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
    int n_local; /* of them in processes of this host */
    mw_watch *watches;
    mw_broker *broker; /* NULL: none */
    mw_ends *ends;
    const char *light[MW_JOBS_LIGHT_KINDS + 1]; /* names of kinds, ended by NULL */
    int32_t light_most; /* of them claimed at once: less when they take long */
    mw_ready ready[MW_JOBS_MAX_READY +
                   1]; /* [n_ready] the longest waiting first; at most n_workers + 1 */
    int n_ready;
    int64_t ready_us; /* monotonic: none is started before */
    mw_scheduler scheduler;
    uint64_t seen_change;
    int64_t due_us; /* UTC: when the next waiting job may start */
    bool
        asks_again; /* a question to the store failed: it is put again though nothing changes there */
    int64_t epoch_us; /* UTC at monotonic 0: another one means that the wall clock was set */
    int64_t expired_us, polled_us, stop_us, grace_us;
    int64_t renewal_us; /* what the latest renewal of a lease took */
    bool look, stopping;

    _Atomic int64_t followed_until_us; /* monotonic */
    _Atomic int64_t n_running, n_started, n_succeeded, n_failed, n_revoked, n_crashes, n_retried,
        n_dead;
    mw_durations durations; /* of attempts, from claim to recorded end */
};

/* manager.c */
void mw_jobs__poke(mw_jobs *jobs);         /* the store has news, or there is somebody to work */
void mw_jobs__wake(mw_jobs *jobs);         /* a run may have something to read, or room to write */
bool mw_jobs__queues(const mw_jobs *jobs); /* false: jobs are run by who submits them */
void *mw_jobs__main(void *arg);            /* the manager's thread */

/* run.c: one job in a worker process, driven by the manager's thread. */
mw_status mw_run__start(mw_jobs *jobs, mw_run **ret, mw_err *err); /* MW_ENOTFOUND: nothing waits */
void *mw_run__free(mw_run *run);
/* One process that is ready for any organization. */
void mw_run__keep_ready(mw_jobs *jobs, int64_t now_us);
void mw_run__end_ready(mw_jobs *jobs);
void mw_run__read(mw_run *run);   /* frames that have come */
void mw_run__write(mw_run *run);  /* what the worker has not taken yet */
void mw_run__exited(mw_run *run); /* its process may have ended */
void mw_run__tick(mw_run *run, int64_t now_us);
void mw_run__cancel(mw_run *run, bool drain);
bool mw_run__holds(const mw_run *run,
                   const mw_job_record *job); /* under that claim, and not ended yet */
void mw_run__kill(mw_run *run, const char *reason);
mw_status mw_run__send_work(mw_run *run, const mw_job_record *job, mw_err *err);

/* ahead.c: the other jobs of a light run. */
bool mw_ahead__has(const mw_run *run); /* more than the one that is next to be answered */
mw_status mw_ahead__fill(mw_run *run, mw_err *err); /* sends as many as may be with the worker */
/* The run's job has been answered, as run->outcome, result and error say: its end is recorded with others', and the next one takes its place. */
mw_status mw_ahead__answered(mw_run *run, mw_err *err);
void mw_ahead__recall(mw_run *run); /* all but the one that is at work */
mw_status mw_ahead__back(mw_run *run, mw_str payload, mw_err *err); /* BACK has come */
void mw_ahead__give_up(mw_run *run); /* the worker has ended: none of them has begun */
void mw_ahead__tick(mw_run *run, int64_t now_us);

/* outcome.c */
const mw_job_kind *mw_jobs__kind(const mw_jobs *jobs, const char *name);

/*
 * mw_jobs__conclude -- records how the work went: commit and SUCCESS, or `failed` state with the
 * error.
 *
 *   worked   status of the work; result [one JSON value] when MW_OK, else failure
 *   failed   why there is no result (of a crash the store decides whether an attempt is left)
 * Returns    MW_OK when the job is a success; else the error that it ended with, or MW_ECONFLICT
 * when the lease was lost and nothing was recorded.
 */
mw_status mw_jobs__conclude(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_status worked, const mw_err *failure, mw_jobs__failed failed,
                            mw_dir *work_dir, mw_buf *result, mw_err *err);

/* workdir.c. Light jobs have none: *ret stays as it is. */
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
