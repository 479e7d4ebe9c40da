/*
 * manager.c -- the thread that runs the clock of all jobs, and the calls that reach it.
 *
 * One poll over an event descriptor, the workers' pipes and their process descriptors. It looks at
 * the store when poked, and otherwise whenever the change counter moved: other processes submit,
 * cancel and finish jobs too. Schedules are looked at in the same passes (scheduler.h): what wakes it for jobs wakes it for them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/job/jobs.h"
#include "run/job/remote.h"

extern char **environ;

enum {
    DEFAULT_LEASE_US = 30000000,
    BUSY_WAIT_MS = 50,  /* while jobs run: timers of runs */
    IDLE_WAIT_MS = 500, /* else: the change counter only */
    POLL_STORE_US = 200000,
    ASK_AGAIN_US = 1000000,
    LIGHT_AT_FIRST = 16,
    EXPIRE_MAX_US = 5000000
};

static int64_t now_of(const mw_jobs *jobs) { return mw_clock_monotonic(jobs->ctx.clock); }

void mw_jobs__wake(mw_jobs *jobs) {
    const uint64_t one = 1;
    while (write(jobs->event_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void mw_jobs__poke(mw_jobs *jobs) {
    pthread_mutex_lock(&jobs->mutex);
    jobs->inbox.look = true;
    pthread_mutex_unlock(&jobs->mutex);
    mw_jobs__wake(jobs);
}

bool mw_jobs__queues(const mw_jobs *jobs) {
    return jobs->options.n_workers > 0 || jobs->options.n_remote > 0;
}

static void look_again(void *jobs) { mw_jobs__poke(jobs); }

/* ---- watches ---- */

static bool is_final(mw_jobs *jobs, const mw_watch *watch) {
    mw_arena arena;
    mw_arena_init(&arena, jobs->ctx.mem);
    mw_ctx ctx = jobs->ctx;
    ctx.org = watch->org;
    mw_job_record job;
    mw_status status = mw_store_job_get(&ctx, jobs->options.store, &arena, watch->id, &job, NULL);
    bool final = status == MW_ENOTFOUND || (status == MW_OK && mw_job_state_final(job.state));
    if (status != MW_OK && status != MW_ENOTFOUND) jobs->asks_again = true;
    mw_arena_done(&arena);
    return final;
}

static void fire_watches(mw_jobs *jobs, bool all) {
    for (mw_watch **at = &jobs->watches; *at;) {
        mw_watch *watch = *at;
        if (!all && !is_final(jobs, watch)) {
            at = &watch->next;
            continue;
        }
        *at = watch->next;
        watch->done(watch->arg, watch->id);
        mw_free(watch);
    }
}

/* ---- the loop's parts ---- */

static void take_inbox(mw_jobs *jobs) {
    pthread_mutex_lock(&jobs->mutex);
    mw_watch *watches = jobs->inbox.watches;
    jobs->inbox.watches = NULL;
    jobs->look |= jobs->inbox.look;
    jobs->inbox.look = false;
    if (jobs->inbox.stop && !jobs->stopping) {
        jobs->stopping = true;
        jobs->grace_us = jobs->inbox.grace_us;
        jobs->stop_us = now_of(jobs);
    }
    pthread_mutex_unlock(&jobs->mutex);
    while (watches) {
        mw_watch *next = watches->next;
        watches->next = jobs->watches;
        jobs->watches = watches;
        watches = next;
    }
}

static void count_state(mw_jobs *jobs, mw_job_state state, bool is_dead) {
    if (state == MW_JOB_SUCCESS) atomic_fetch_add(&jobs->n_succeeded, 1);
    if (state == MW_JOB_FAILURE) atomic_fetch_add(&jobs->n_failed, 1);
    if (state == MW_JOB_REVOKED) atomic_fetch_add(&jobs->n_revoked, 1);
    if (!mw_job_state_final(state)) atomic_fetch_add(&jobs->n_retried, 1);
    if (is_dead) atomic_fetch_add(&jobs->n_dead, 1);
}

/* Of a light job. */
static void count_end(void *arg, mw_job_state state, bool is_dead, int64_t claimed_us) {
    mw_jobs *jobs = arg;
    count_state(jobs, state, is_dead);
    mw_durations_add(&jobs->durations, now_of(jobs) - claimed_us);
}

static void count_outcome(mw_jobs *jobs, const mw_run *run) {
    mw_arena arena;
    mw_arena_init(&arena, jobs->ctx.mem);
    mw_job_record job;
    if (mw_store_job_get(&run->ctx, jobs->options.store, &arena, run->job.id, &job, NULL) == MW_OK)
        count_state(jobs, job.state, job.is_dead);
    mw_arena_done(&arena);
}
static void collect_ended(mw_jobs *jobs) {
    for (int i = 0; i < jobs->n_runs;) {
        mw_run *run = jobs->runs[i];
        if (run->phase != MW_RUN_ENDING || !atomic_load(&run->ended)) {
            i++;
            continue;
        }
        if (!pthread_equal(run->thread, pthread_self())) pthread_join(run->thread, NULL);
        if (!run->recorded) {
            count_outcome(jobs, run);
            mw_durations_add(&jobs->durations, now_of(jobs) - run->started_us);
        }
        jobs->n_local -= run->is_local;
        mw_run__free(run);
        jobs->runs[i] = jobs->runs[--jobs->n_runs];
        atomic_fetch_sub(&jobs->n_running, 1);
        jobs->look = true;
    }
}

/* When there is something to claim although nothing changes: jobs that wait for a time. */
static void note_due(mw_jobs *jobs) {
    mw_err err;
    jobs->due_us = INT64_MAX;
    if (mw_store_job_due(&jobs->ctx, jobs->options.store, &jobs->due_us, &err) == MW_OK) return;
    mw_log_warn(&jobs->ctx, "waiting jobs are not looked at: %s", err.message);
    jobs->asks_again = true;
}

/* A process of this host, or else a worker of another one, could take a job. */
static bool has_room(mw_jobs *jobs) {
    if (jobs->n_runs == MW_JOBS_MAX_RUNS) return false;
    return jobs->n_local < jobs->options.n_workers || mw_remote__any_idle(jobs);
}

static void claim_more(mw_jobs *jobs) {
    while (!jobs->stopping && has_room(jobs)) {
        mw_err err;
        if (mw_ends_busy(jobs->ends)) return; /* it calls when it has recorded them */
        mw_status status = mw_run__start(jobs, &jobs->runs[jobs->n_runs], &err);
        if (status == MW_OK) {
            const mw_run *run = jobs->runs[jobs->n_runs++];
            jobs->n_local += run->is_local;
            atomic_fetch_add(&jobs->n_running, 1);
            atomic_fetch_add(&jobs->n_started, (int64_t)run->ahead.n);
            continue;
        }
        if (status == MW_ENOTFOUND) {
            note_due(jobs);
        } else {
            mw_log_warn(&jobs->ctx, "no job can be claimed: %s", err.message);
            jobs->asks_again = true;
        }
        return;
    }
}

/* Somebody may have asked a running job to stop. */
static void look_for_cancels(mw_jobs *jobs) {
    mw_arena arena;
    mw_arena_init(&arena, jobs->ctx.mem);
    const mw_job_record *running = NULL;
    size_t n = 0;
    if (mw_store_job_stopping(&jobs->ctx, jobs->options.store, &arena, &running, &n, NULL) !=
        MW_OK) {
        n = 0;
        jobs->asks_again = true;
    }
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < jobs->n_runs; i++)
            if (mw_run__holds(jobs->runs[i], &running[k])) mw_run__cancel(jobs->runs[i], false);
    mw_arena_done(&arena);
}

static void look_at_store(mw_jobs *jobs, int64_t now_us) {
    if (!mw_jobs__queues(jobs) && !jobs->watches) return; /* nothing to do for anyone */
    const bool fires = mw_scheduler_wait_us(&jobs->scheduler) == 0;
    if (!jobs->look && !fires && now_us - jobs->polled_us < POLL_STORE_US) return;
    jobs->polled_us = now_us;
    uint64_t change = mw_store_change_counter(jobs->options.store);
    const bool due = mw_clock_utc(jobs->ctx.clock) >= jobs->due_us;
    if (mw_jobs__queues(jobs) && !jobs->stopping)
        jobs->look |=
            mw_scheduler_pass(&jobs->scheduler, jobs->look || change != jobs->seen_change) > 0;
    if (!jobs->look && !due && change == jobs->seen_change) return;
    jobs->look = false;
    jobs->seen_change = change;
    jobs->asks_again = false;
    if (jobs->n_runs > 0) look_for_cancels(jobs);
    claim_more(jobs);
    if (jobs->watches) fire_watches(jobs, false);
    if (!jobs->asks_again) return;
    const int64_t again_us = mw_clock_utc(jobs->ctx.clock) + ASK_AGAIN_US;
    if (jobs->due_us > again_us) jobs->due_us = again_us;
}

/* Somebody has set the wall clock: leases end by it, and what waits for a time is due at another moment. */
static bool notice_clock(mw_jobs *jobs, int64_t now_us) {
    const int64_t epoch_us = mw_clock_utc(jobs->ctx.clock) - now_us;
    const int64_t moved_us = epoch_us - jobs->epoch_us;
    if (moved_us > -MW_US_PER_SECOND && moved_us < MW_US_PER_SECOND) return false;
    jobs->epoch_us = epoch_us;
    jobs->look = true;
    for (int i = 0; i < jobs->n_runs; i++) /* before anybody finds that theirs has ended */
        jobs->runs[i]->renewed_us = now_us - jobs->lease_us;
    return true;
}

static void expire_leases(mw_jobs *jobs, int64_t now_us) {
    int64_t every_us = jobs->lease_us / 4 < EXPIRE_MAX_US ? jobs->lease_us / 4 : EXPIRE_MAX_US;
    if (!mw_jobs__queues(jobs) || now_us - jobs->expired_us < every_us) return;
    if (notice_clock(jobs, now_of(jobs)))
        return; /* since this pass began: ours are renewed first */
    jobs->expired_us = now_us;
    mw_err err;
    int32_t n = 0;
    mw_status status =
        mw_store_job_expire(&jobs->ctx, jobs->options.store, MW_JOBS_EXPIRED, &n, &err);
    if (status != MW_OK) mw_log_warn(&jobs->ctx, "leases are not looked at: %s", err.message);
    if (n > 0) mw_log_warn(&jobs->ctx, "%d jobs stopped answering", n);
}

static void drain(mw_jobs *jobs, int64_t now_us) {
    bool kill_now = now_us - jobs->stop_us >= jobs->grace_us;
    mw_scheduler_done(&jobs->scheduler); /* another server looks after schedules from now on */
    for (int i = 0; i < jobs->n_runs; i++) {
        mw_run *run = jobs->runs[i];
        mw_run__cancel(run, true);
        if (!kill_now) continue;
        if (run->phase == MW_RUN_WORKING && !run->killed) {
            run->killed = run->drained = true; /* one whose jobs have not come back yet, too */
            mw_process_send_signal(&run->process, SIGKILL);
        }
        atomic_store(&run->cancel.requested, true);
    }
}

static int wait_ms(const mw_jobs *jobs) {
    const int most_ms = jobs->n_runs > 0 || jobs->stopping ? BUSY_WAIT_MS : IDLE_WAIT_MS;
    const int64_t wait_us = jobs->stopping ? INT64_MAX : mw_scheduler_wait_us(&jobs->scheduler);
    return wait_us < most_ms * INT64_C(1000) ? (int)((wait_us + 999) / 1000) : most_ms;
}

static void wait_for_events(mw_jobs *jobs) {
    struct pollfd items[1 + 3 * MW_JOBS_MAX_RUNS];
    nfds_t n = 0;
    items[n++] = (struct pollfd){.fd = jobs->event_fd, .events = POLLIN};
    for (int i = 0; i < jobs->n_runs; i++) {
        const mw_run *run = jobs->runs[i];
        bool works = run->phase == MW_RUN_WORKING;
        items[n++] = (struct pollfd){.fd = works && !run->closed ? run->process.from_fd : -1,
                                     .events = POLLIN};
        items[n++] = (struct pollfd){.fd = works && run->outbox.size ? run->process.to_fd : -1,
                                     .events = POLLOUT};
        items[n++] = (struct pollfd){.fd = works ? run->process.process_fd : -1, .events = POLLIN};
    }
    (void)poll(items, n, wait_ms(jobs));
    uint64_t count;
    if (items[0].revents && read(jobs->event_fd, &count, sizeof count) < 0) count = 0;
}

void *mw_jobs__main(void *arg) {
    mw_jobs *jobs = arg;
    for (;;) {
        take_inbox(jobs);
        int64_t now_us = now_of(jobs);
        (void)notice_clock(jobs, now_us);
        for (int i = 0; i < jobs->n_runs; i++) {
            mw_run *run = jobs->runs[i];
            if (run->phase == MW_RUN_WORKING) {
                mw_run__write(run);
                mw_run__read(run);
                mw_run__exited(run);
            }
            mw_run__tick(run, now_us);
        }
        collect_ended(jobs);
        mw_remote__tick(jobs, now_us);
        if (jobs->stopping) drain(jobs, now_us);
        expire_leases(jobs, now_us);
        look_at_store(jobs, now_us);
        if (jobs->stopping && jobs->n_runs == 0 && mw_ends_idle(jobs->ends)) break;
        if (!jobs->stopping) mw_run__keep_ready(jobs, now_of(jobs));
        wait_for_events(jobs);
    }
    fire_watches(jobs, true); /* nobody will call them later */
    return NULL;
}

/* ---- opening and closing ---- */

static void *free_jobs(mw_jobs *jobs) {
    jobs->ends = mw_ends_close(jobs->ends);
    mw_remote__free_all(jobs);
    pthread_mutex_destroy(&jobs->remotes.mutex);
    mw_broker_close(jobs->broker);
    mw_run__end_ready(jobs);
    if (jobs->event_fd >= 0) close(jobs->event_fd);
    pthread_mutex_destroy(&jobs->mutex);
    mw_dir_close(jobs->data);
    mw_free(jobs->environment);
    mw_free(jobs->executable);
    mw_free(jobs->data_path);
    return mw_free(jobs);
}

static mw_status check_options(const mw_jobs_options *options, mw_err *err) {
    if (options->max_retries < 0 || options->max_retries >= MW_LIMIT(JOB_ATTEMPTS))
        return mw_fail(err, MW_EINVAL, "a job is tried again from 0 to %lld times",
                       (long long)MW_LIMIT(JOB_ATTEMPTS) - 1);
    if (options->n_workers < 0 || options->n_workers > MW_LIMIT(WORKERS) ||
        options->n_workers > MW_JOBS_MAX_READY)
        return mw_fail(err, MW_EINVAL, "the number of job processes must be from 0 to %lld",
                       (long long)MW_LIMIT(WORKERS));
    if (options->n_remote < 0 || options->n_remote > MW_LIMIT(REMOTE_WORKERS) ||
        options->n_remote > MW_JOBS_MAX_RUNS - MW_JOBS_MAX_READY)
        return mw_fail(err, MW_EINVAL,
                       "the number of workers of other hosts must be from 0 to %lld",
                       (long long)MW_LIMIT(REMOTE_WORKERS));
    if (options->n_threads < 0 || options->n_threads > MW_LIMIT(THREADS))
        return mw_fail(err, MW_EINVAL, "the number of threads must be from 0 to %lld",
                       (long long)MW_LIMIT(THREADS));
    return MW_OK;
}

/* A process may have several managers, and one of them leads. */
static void prepare_schedules(mw_jobs *jobs) {
    static _Atomic int n_managers;
    const mw_jobs_options *options = &jobs->options;
    (void)snprintf(jobs->leader, sizeof jobs->leader, "%s/%d", jobs->holder,
                   atomic_fetch_add(&n_managers, 1));
    mw_scheduler_init(&jobs->scheduler, &jobs->ctx, options->store, options->kinds, jobs->leader,
                      1 + options->max_retries, MW_SCHEDULER_LEASE_US);
}

static void find_light_kinds(mw_jobs *jobs) {
    int n = 0;
    for (const mw_job_kind *kind = jobs->options.kinds; kind && kind->name; kind++)
        if (kind->light && n < MW_JOBS_LIGHT_KINDS) jobs->light[n++] = kind->name;
    jobs->light_most = LIGHT_AT_FIRST;
}

static mw_status open_ends(mw_jobs *jobs, mw_err *err) {
    const mw_ends_sink sink = {.ended = count_end, .recorded = look_again, .arg = jobs};
    return mw_ends_open(&jobs->ctx, jobs->options.store, &sink, &jobs->ends, err);
}

static mw_status fill_jobs(mw_jobs *jobs, const mw_jobs_options *options, mw_err *err) {
    mw_mem *mem = jobs->ctx.mem;
    jobs->executable = mw_strdup(mem, options->executable ? options->executable : "/proc/self/exe");
    jobs->data_path = mw_strdup(mem, options->data_path);
    jobs->environment = mw_process_environment(mem, environ);
    if (!jobs->executable || !jobs->data_path || !jobs->environment)
        return mw_fail_nomem(err, "the job manager");
    jobs->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (jobs->event_fd < 0) return mw_fail_errno(err, errno, "cannot make an event descriptor");
    mw_holder_self(jobs->holder);
    prepare_schedules(jobs);
    find_light_kinds(jobs);
    mw_status status = open_ends(jobs, err);
    if (status != MW_OK) return status;
    status = mw_dir_open(&jobs->ctx, options->data_path, MW_DIR_MUST_EXIST, &jobs->data, err);
    return status == MW_OK ? mw_jobs__recover(jobs, err) : status;
}

static mw_status start_thread(mw_jobs *jobs, mw_err *err) {
    /* No SIGPIPE there: a worker that dies while it is written to must not end us. */
    const int reason = mw_thread_start(&jobs->thread, mw_jobs__main, jobs);
    return reason ? mw_fail_errno(err, reason, "cannot start the job manager's thread") : MW_OK;
}

mw_status mw_jobs_start(const mw_ctx *ctx, const mw_jobs_options *options, mw_jobs **ret,
                        mw_err *err) {
    mw_status status = check_options(options, err);
    if (status != MW_OK) return status;
    mw_jobs *jobs = mw_calloc(ctx->mem, 1, sizeof *jobs);
    if (!jobs) return mw_fail_nomem(err, "the job manager");
    jobs->ctx = *ctx;
    jobs->ctx.cancel = NULL;
    jobs->ctx.progress = (mw_progress){0};
    jobs->options = *options;
    jobs->lease_us = options->lease_us > 0 ? options->lease_us : DEFAULT_LEASE_US;
    jobs->event_fd = -1;
    jobs->look = true;
    jobs->due_us = INT64_MAX;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_mutex_init(&jobs->remotes.mutex, NULL);
    status = fill_jobs(jobs, options, err);
    if (status == MW_OK && options->broker)
        status = mw_broker_open(&jobs->ctx, options->broker, look_again, jobs, &jobs->broker, err);
    if (status == MW_OK) status = start_thread(jobs, err);
    if (status == MW_OK && mw_jobs__queues(jobs))
        mw_store_on_change(options->store, look_again, jobs);
    if (status != MW_OK) {
        free_jobs(jobs);
        return status;
    }
    *ret = jobs;
    return MW_OK;
}

void *mw_jobs_stop(mw_jobs *jobs, int64_t grace_us) {
    if (!jobs) return NULL;
    if (mw_jobs__queues(jobs)) mw_store_on_change(jobs->options.store, NULL, NULL);
    pthread_mutex_lock(&jobs->mutex);
    jobs->inbox.stop = true;
    jobs->inbox.grace_us = grace_us;
    pthread_mutex_unlock(&jobs->mutex);
    mw_jobs__poke(jobs);
    pthread_join(jobs->thread, NULL);
    return free_jobs(jobs);
}

/* ---- calls from any thread ---- */

/* This manager, and those of other processes. */
static void tell_all(mw_jobs *jobs) {
    mw_jobs__poke(jobs);
    mw_broker_tell(jobs->broker);
}

mw_status mw_jobs_submit(const mw_ctx *ctx, mw_jobs *jobs, const mw_job_new *job, char *id_out,
                         mw_err *err) {
    mw_job_new made = *job;
    const mw_job_kind *kind = mw_jobs__kind(jobs, job->kind);
    if (!kind) return mw_fail(err, MW_EINTERNAL, "there is no job kind %s", job->kind);
    if (kind->light && (int64_t)strlen(job->payload) > MW_LIMIT(LIGHT_JOB_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "the parameters of this kind of job take over %lld bytes",
                       (long long)MW_LIMIT(LIGHT_JOB_BYTES));
    if (!mw_jobs__queues(jobs)) { /* nobody tries again what the caller runs */
        made.worker = jobs->holder;
        made.lease_us = jobs->lease_us;
        made.max_attempts = 1;
    } else if (made.max_attempts == 0) {
        made.max_attempts = 1 + jobs->options.max_retries;
    }
    mw_status status = mw_store_job_create(ctx, jobs->options.store, &made, id_out, err);
    if (status == MW_OK && !made.worker) tell_all(jobs);
    return status;
}

void mw_jobs_follow(mw_jobs *jobs) {
    atomic_store(&jobs->followed_until_us, now_of(jobs) + MW_US_PER_SECOND);
}

mw_status mw_jobs_retry(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_err *err) {
    mw_status status = mw_store_job_retry(ctx, jobs->options.store, id, err);
    if (status == MW_OK) tell_all(jobs);
    return status;
}

mw_status mw_jobs_watch(mw_jobs *jobs, const char *org, const char *id,
                        void (*done)(void *arg, const char *id), void *arg, mw_err *err) {
    if (strlen(org) >= sizeof((mw_watch *)0)->org || strlen(id) >= sizeof((mw_watch *)0)->id)
        return mw_fail(err, MW_ENOTFOUND, "there is no job %s", id);
    mw_watch *watch = mw_calloc(jobs->ctx.mem, 1, sizeof *watch);
    if (!watch) return mw_fail_nomem(err, "waiting for a job");
    mw_str_copy(watch->org, sizeof watch->org, mw_str_of(org));
    mw_str_copy(watch->id, sizeof watch->id, mw_str_of(id));
    watch->done = done;
    watch->arg = arg;
    pthread_mutex_lock(&jobs->mutex);
    watch->next = jobs->inbox.watches;
    jobs->inbox.watches = watch;
    pthread_mutex_unlock(&jobs->mutex);
    mw_jobs__poke(jobs);
    return MW_OK;
}

mw_status mw_jobs_cancel(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_err *err) {
    mw_status status = mw_store_job_cancel(ctx, jobs->options.store, id, err);
    if (status == MW_OK) tell_all(jobs);
    return status;
}

void mw_jobs_read_stats(mw_jobs *jobs, mw_jobs_stats *ret) {
    *ret = (mw_jobs_stats){.running = atomic_load(&jobs->n_running),
                           .started_total = atomic_load(&jobs->n_started),
                           .succeeded_total = atomic_load(&jobs->n_succeeded),
                           .failed_total = atomic_load(&jobs->n_failed),
                           .revoked_total = atomic_load(&jobs->n_revoked),
                           .worker_crashes_total = atomic_load(&jobs->n_crashes),
                           .retried_total = atomic_load(&jobs->n_retried),
                           .dead_total = atomic_load(&jobs->n_dead),
                           .remote_workers = mw_remote__count(jobs),
                           .durations = &jobs->durations};
}
