/*
 * inline.c -- a job run to its end in the caller's process and thread: the command line.
 *
 * The caller works; a small thread renews the lease, carries progress to the store and turns a
 * cancellation or a lost lease into the caller's cancel flag.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/job/jobs.h"

enum { BEAT_MS = 100, NOTE_EVERY_US = 250000 };

typedef struct mw_inline {
    mw_jobs *jobs;
    mw_ctx ctx; /* the work's: organization, job id, cancel, our progress */
    mw_progress outer;
    mw_cancel own_cancel;
    mw_job_record job;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t wake;
    mw_progress_note note;
    bool note_is_new, stop, canceled, lost;
} mw_inline;

static void report(void *self, const char *stage, double done, double total) {
    mw_inline *work = self;
    pthread_mutex_lock(&work->mutex);
    mw_progress_note_set(&work->note, stage, done, total);
    work->note_is_new = true;
    pthread_mutex_unlock(&work->mutex);
    if (work->outer.report) work->outer.report(work->outer.self, stage, done, total);
}

/* Called with the mutex held, which it gives back while it waits for the disk. */
static void beat(mw_inline *work) {
    mw_progress_note note = work->note;
    work->note_is_new = false;
    pthread_mutex_unlock(&work->mutex);
    bool canceled = false;
    mw_err err;
    const mw_job_renewal renewal = {.id = work->job.id,
                                    .fence = work->job.fence,
                                    .lease_us = work->jobs->lease_us,
                                    .progress = note.share,
                                    .message = note.stage};
    mw_status status =
        mw_store_job_renew(&work->ctx, work->jobs->options.store, &renewal, &canceled, &err);
    pthread_mutex_lock(&work->mutex);
    if (work->stop) return; /* the job may have ended meanwhile */
    work->canceled |= status == MW_OK && canceled;
    work->lost |= status == MW_ECONFLICT || status == MW_ENOTFOUND;
    if (work->canceled || work->lost) atomic_store(&work->ctx.cancel->requested, true);
}

static void *beat_main(void *arg) {
    mw_inline *work = arg;
    mw_jobs *jobs = work->jobs;
    int64_t renewed_us = mw_clock_monotonic(&mw_clock_system);
    uint64_t seen = mw_store_change_counter(jobs->options.store);
    pthread_mutex_lock(&work->mutex);
    while (!work->stop) {
        mw_cond_wait_us(&work->wake, &work->mutex, BEAT_MS * 1000);
        if (work->stop) break;
        int64_t now_us = mw_clock_monotonic(&mw_clock_system);
        uint64_t change = mw_store_change_counter(jobs->options.store);
        bool due = now_us - renewed_us >= jobs->lease_us / 3 || change != seen ||
                   (work->note_is_new && now_us - renewed_us >= NOTE_EVERY_US);
        if (!due) continue;
        renewed_us = now_us;
        seen = change;
        beat(work);
    }
    pthread_mutex_unlock(&work->mutex);
    return NULL;
}

/* The job is ours already when we submitted it; else it must still wait. */
static mw_status take_job(mw_jobs *jobs, const mw_ctx *ctx, mw_arena *arena, const char *id,
                          mw_job_record *job, mw_err *err) {
    mw_status status = mw_store_job_get(ctx, jobs->options.store, arena, id, job, err);
    if (status != MW_OK) return status;
    if (job->state == MW_JOB_STARTED && job->worker && strcmp(job->worker, jobs->holder) == 0)
        return MW_OK;
    return mw_store_job_claim(ctx, jobs->options.store, arena, id, jobs->holder, jobs->lease_us,
                              job, err);
}

static mw_status do_work(mw_inline *work, mw_arena *arena, mw_dir *work_dir, mw_buf *result,
                         mw_err *err) {
    const mw_job_kind *kind = mw_jobs__kind(work->jobs, work->job.kind);
    if (!kind)
        return mw_fail(err, MW_EINTERNAL, "this program knows no job kind %s", work->job.kind);
    const mw_json *payload = NULL;
    mw_status status =
        mw_json_parse(arena, work->job.payload, strlen(work->job.payload), &payload, err);
    if (status == MW_OK) status = kind->work(&work->ctx, payload, work_dir, result, err);
    if (status == MW_OK) status = mw_buf_status(result, "the result of a job", err);
    if (status == MW_OK && result->size == 0) mw_buf_add(result, "null");
    return status;
}

static mw_status start_beat(mw_inline *work, mw_err *err) {
    mw_cond_init(&work->wake);
    pthread_mutex_init(&work->mutex, NULL);
    int reason = mw_thread_start(&work->thread, beat_main, work);
    if (reason == 0) return MW_OK;
    pthread_cond_destroy(&work->wake);
    pthread_mutex_destroy(&work->mutex);
    return mw_fail_errno(err, reason, "cannot start a thread");
}

static void stop_beat(mw_inline *work) {
    pthread_mutex_lock(&work->mutex);
    work->stop = true;
    pthread_cond_signal(&work->wake);
    pthread_mutex_unlock(&work->mutex);
    pthread_join(work->thread, NULL);
    pthread_cond_destroy(&work->wake);
    pthread_mutex_destroy(&work->mutex);
}

/* Work and outcome, under a renewed lease. */
static mw_status run_held(mw_inline *work, mw_arena *arena, mw_buf *result, mw_err *err) {
    mw_dir *work_dir = NULL;
    mw_err failure = {0};
    mw_status status = mw_jobs__work_dir(work->jobs, &work->ctx, &work->job, &work_dir, &failure);
    if (status == MW_OK) status = do_work(work, arena, work_dir, result, &failure);
    pthread_mutex_lock(&work->mutex);
    bool lost = work->lost;
    mw_jobs__failed failed =
        work->canceled || status == MW_ECANCELED ? MW_JOBS_REVOKED : MW_JOBS_FAILED;
    pthread_mutex_unlock(&work->mutex);
    if (lost)
        status = mw_fail(err, MW_ECONFLICT, "the lease of job %s was lost; nothing was recorded",
                         work->job.id);
    else
        status = mw_jobs__conclude(work->jobs, &work->ctx, &work->job, status, &failure, failed,
                                   work_dir, result, err);
    mw_jobs__remove_work_dir(work->jobs, &work->ctx, &work->job);
    mw_dir_close(work_dir);
    return status;
}

mw_status mw_jobs_run_inline(const mw_ctx *ctx, mw_jobs *jobs, const char *id, mw_buf *result,
                             mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_inline work = {.jobs = jobs, .ctx = *ctx, .outer = ctx->progress};
    mw_status status = take_job(jobs, ctx, &arena, id, &work.job, err);
    if (status != MW_OK) {
        mw_arena_done(&arena);
        return status;
    }
    work.ctx.job_id = work.job.id;
    if (!work.ctx.cancel) work.ctx.cancel = &work.own_cancel;
    work.ctx.progress = (mw_progress){report, &work};
    mw_progress_note_set(&work.note, "starting", 0, 0);
    status = start_beat(&work, err);
    if (status == MW_OK) {
        atomic_fetch_add(&jobs->n_running, 1);
        atomic_fetch_add(&jobs->n_started, 1);
        status = run_held(&work, &arena, result, err);
        stop_beat(&work);
        atomic_fetch_add(status == MW_OK ? &jobs->n_succeeded : &jobs->n_failed, 1);
        atomic_fetch_sub(&jobs->n_running, 1);
    }
    mw_arena_done(&arena);
    mw_jobs__poke(jobs); /* watches */
    return status;
}
