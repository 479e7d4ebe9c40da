/*
 * workdir.c -- folders of running jobs, and what a killed server leaves behind.
 *
 * orgs/{org}/work/{job id}/ exists while a job runs. A starting server gives up the jobs whose
 * holder is certainly dead (holder.h) and those whose lease ran out, and then removes each work
 * folder whose job does not run: so a folder in use by another process stays.
 *
 * One that holds finished work (mw_job_kind.left) stays, too, for the next job that can go on with it. Taking it over is one rename into
 * that job's own folder, so of two jobs only one gets it. A process that was given up but is not dead may still hold the old folder open:
 * whoever takes over has to move files out of it before they are believed.
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/job/jobs.h"

enum { KEEP_DAYS = 7 };

mw_status mw_jobs__work_path(const mw_jobs *jobs, const mw_job_record *job, mw_buf *out,
                             mw_err *err) {
    mw_buf_printf(out, "%s/orgs/%s/work/%s", jobs->data_path, job->org, job->id);
    return mw_buf_status(out, "the path of a work folder", err);
}

/* orgs/{org}/work, or NULL and MW_ENOTFOUND. */
static mw_status open_work(mw_jobs *jobs, const mw_ctx *ctx, const char *org, mw_dir_mode mode,
                           mw_dir **ret, mw_err *err) {
    mw_dir *orgs = NULL, *one = NULL;
    mw_status status = mw_dir_sub(ctx, jobs->data, "orgs", mode, &orgs, err);
    if (status == MW_OK) status = mw_dir_sub(ctx, orgs, org, mode, &one, err);
    if (status == MW_OK) status = mw_dir_sub(ctx, one, "work", mode, ret, err);
    mw_dir_close(one);
    mw_dir_close(orgs);
    return status;
}

/* ---- what dead jobs left ---- */

/* The job that a work folder is of, when it died and its kind can go on with such work. */
static const mw_job_kind *kind_of_dead(mw_jobs *jobs, const mw_ctx *ctx, mw_arena *arena,
                                       const char *id, mw_job_record *ret) {
    if (mw_store_job_get(ctx, jobs->options.store, arena, id, ret, NULL) != MW_OK) return NULL;
    const mw_job_kind *kind = mw_jobs__kind(jobs, ret->kind);
    return kind && kind->left && ret->state == MW_JOB_FAILURE ? kind : NULL;
}

static bool holds_work(const mw_ctx *ctx, const mw_job_kind *kind, mw_arena *arena,
                       const mw_job_record *dead, const mw_json *next, mw_dir *work) {
    const mw_json *payload;
    mw_dir *folder;
    if (mw_json_parse(arena, dead->payload, strlen(dead->payload), &payload, NULL) != MW_OK)
        return false;
    if (mw_dir_sub(ctx, work, dead->id, MW_DIR_MUST_EXIST, &folder, NULL) != MW_OK) return false;
    bool holds = kind->left(ctx, payload, next, folder);
    mw_dir_close(folder);
    return holds;
}

/* Moves one folder to work_dir/left. Somebody else may be faster: then it is his. */
static mw_status take_one(const mw_ctx *ctx, mw_dir *work, const char *id, mw_dir *work_dir,
                          mw_err *err) {
    mw_dir *left = NULL;
    mw_status status = mw_dir_sub(ctx, work_dir, MW_JOB_LEFT, MW_DIR_CREATE, &left, err);
    if (status == MW_OK) status = mw_dir_move(ctx, work, id, left, id, err);
    mw_dir_close(left);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

/* Work that nobody goes on with is no reason to fail: it is done again. */
static void take_over(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job, mw_dir *work,
                      mw_dir *work_dir) {
    const mw_job_kind *kind = mw_jobs__kind(jobs, job->kind);
    if (!kind || !kind->left) return;
    mw_arena arena;
    mw_dir_entry *entries = NULL;
    const mw_json *payload;
    size_t n = 0;
    mw_err err = {0};
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_json_parse(&arena, job->payload, strlen(job->payload), &payload, &err);
    if (status == MW_OK) status = mw_dir_list(ctx, work, &entries, &n, &err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_job_record dead;
        if (strcmp(entries[i].name, job->id) == 0) continue;
        const mw_job_kind *its = kind_of_dead(jobs, ctx, &arena, entries[i].name, &dead);
        if (!its || its->left != kind->left) continue;
        if (!holds_work(ctx, its, &arena, &dead, payload, work)) continue;
        mw_log_info(ctx, "going on with what job %s left", dead.id);
        status = take_one(ctx, work, dead.id, work_dir, &err);
    }
    if (status != MW_OK) mw_log_warn(ctx, "what dead jobs left is not used: %s", err.message);
    mw_free(entries);
    mw_arena_done(&arena);
}

mw_status mw_jobs__work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_dir **ret, mw_err *err) {
    mw_dir *work = NULL;
    mw_status status = open_work(jobs, ctx, job->org, MW_DIR_CREATE, &work, err);
    /* What an earlier attempt left must not be taken for this one's. */
    if (status == MW_OK) status = mw_dir_remove(ctx, work, job->id, err);
    if (status == MW_OK) status = mw_dir_sub(ctx, work, job->id, MW_DIR_CREATE, ret, err);
    if (status == MW_OK) take_over(jobs, ctx, job, work, *ret);
    mw_dir_close(work);
    return status;
}

/* False when nobody will want it; a folder of a job that is too long dead among them. */
static bool is_worth_keeping(mw_jobs *jobs, const mw_ctx *ctx, mw_dir *work, const char *id) {
    mw_arena arena;
    mw_job_record dead;
    mw_arena_init(&arena, ctx->mem);
    const mw_job_kind *kind = kind_of_dead(jobs, ctx, &arena, id, &dead);
    int64_t age_us = kind ? mw_clock_utc(ctx->clock) - dead.finished_us : 0;
    bool worth = kind && age_us < KEEP_DAYS * 86400 * MW_US_PER_SECOND &&
                 holds_work(ctx, kind, &arena, &dead, NULL, work);
    mw_arena_done(&arena);
    return worth;
}

void mw_jobs__leave_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job) {
    mw_dir *work = NULL;
    bool stays = open_work(jobs, ctx, job->org, MW_DIR_MUST_EXIST, &work, NULL) == MW_OK &&
                 is_worth_keeping(jobs, ctx, work, job->id);
    mw_dir_close(work);
    if (stays)
        mw_log_info(ctx, "what the job finished stays for the next one");
    else
        mw_jobs__remove_work_dir(jobs, ctx, job);
}

void mw_jobs__remove_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job) {
    mw_dir *work = NULL;
    mw_err err;
    mw_status status = open_work(jobs, ctx, job->org, MW_DIR_MUST_EXIST, &work, &err);
    if (status == MW_OK) status = mw_dir_remove(ctx, work, job->id, &err);
    mw_dir_close(work);
    if (status != MW_OK) mw_log_warn(ctx, "the work folder stays: %s", err.message);
}

/* ---- recovery ---- */

static void give_up(mw_jobs *jobs, const mw_job_record *job) {
    mw_ctx ctx = jobs->ctx;
    ctx.org = job->org;
    ctx.job_id = job->id;
    mw_err reason, err;
    mw_fail(&reason, MW_EINTERNAL, "the server was killed while the job ran");
    mw_err_hint(&reason, "start it again");
    mw_buf json;
    mw_buf_init(&json, ctx.mem, 4096);
    mw_status status = mw_store_error_json(&json, &reason, &err);
    if (status == MW_OK)
        status = mw_store_job_finish(&ctx, jobs->options.store, job->id, job->fence, MW_JOB_RETRY,
                                     NULL, mw_buf_text(&json), &err);
    if (status == MW_OK)
        mw_log_warn(&ctx, "the job was left behind by %s", job->worker);
    else
        mw_log_warn(&ctx, "a job that was left behind stays: %s", err.message);
    mw_buf_done(&json);
}

static mw_status give_up_dead(mw_jobs *jobs, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, jobs->ctx.mem);
    const mw_job_record *running = NULL;
    size_t n = 0;
    mw_status status =
        mw_store_job_running(&jobs->ctx, jobs->options.store, &arena, &running, &n, err);
    for (size_t i = 0; status == MW_OK && i < n; i++)
        if (running[i].worker && mw_holder_is_dead(running[i].worker)) give_up(jobs, &running[i]);
    mw_arena_done(&arena);
    return status;
}

static bool is_running(mw_jobs *jobs, const mw_ctx *ctx, const char *id) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_job_record job;
    mw_err err;
    mw_status status = mw_store_job_get(ctx, jobs->options.store, &arena, id, &job, &err);
    bool stays = status == MW_OK ? job.state == MW_JOB_STARTED || job.state == MW_JOB_PROGRESS
                                 : status != MW_ENOTFOUND; /* unknown: leave it */
    mw_arena_done(&arena);
    return stays;
}

static mw_status clean_org(mw_jobs *jobs, const char *org, mw_err *err) {
    mw_ctx ctx = jobs->ctx;
    ctx.org = org;
    mw_dir *work = NULL;
    mw_status status = open_work(jobs, &ctx, org, MW_DIR_MUST_EXIST, &work, err);
    if (status == MW_ENOTFOUND) return MW_OK;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (status == MW_OK) status = mw_dir_list(&ctx, work, &entries, &n, err);
    for (size_t i = 0; status == MW_OK && i < n; i++) {
        if (is_running(jobs, &ctx, entries[i].name)) continue;
        if (is_worth_keeping(jobs, &ctx, work, entries[i].name)) continue;
        mw_log_info(&ctx, "removing the work folder %s that nobody uses", entries[i].name);
        status = mw_dir_remove(&ctx, work, entries[i].name, err);
    }
    mw_free(entries);
    mw_dir_close(work);
    return status;
}

static mw_status clean_all(mw_jobs *jobs, mw_err *err) {
    mw_dir *orgs = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    mw_status status = mw_dir_sub(&jobs->ctx, jobs->data, "orgs", MW_DIR_MUST_EXIST, &orgs, err);
    if (status == MW_ENOTFOUND) return MW_OK;
    if (status == MW_OK) status = mw_dir_list(&jobs->ctx, orgs, &entries, &n, err);
    for (size_t i = 0; status == MW_OK && i < n; i++)
        if (entries[i].is_dir && mw_name_valid(entries[i].name))
            status = clean_org(jobs, entries[i].name, err);
    mw_free(entries);
    mw_dir_close(orgs);
    return status;
}

mw_status mw_jobs__recover(mw_jobs *jobs, mw_err *err) {
    int32_t n = 0;
    mw_status status = give_up_dead(jobs, err);
    if (status == MW_OK)
        status = mw_store_job_expire(&jobs->ctx, jobs->options.store, MW_JOBS_EXPIRED, &n, err);
    return status == MW_OK ? clean_all(jobs, err) : status;
}
