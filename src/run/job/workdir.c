/*
 * workdir.c -- folders of running jobs, and what a killed server leaves behind.
 *
 * orgs/{org}/work/{job id}.{fence}/ exists while an attempt runs: each has a folder of its own, so a holder that stood still past his lease and
 * goes on, at whatever step, never meets what the next holder has there. A starting server gives up the jobs whose
 * holder is certainly dead (holder.h) and those whose lease ran out, and then removes each work
 * folder whose job does not run: so a folder in use by another process stays.
 *
 * One that holds finished work (mw_job_kind.left) stays, too, for the next attempt or job that can go on with it. Taking it over is one rename into
 * that one's own folder, so of two only one gets it. A process that was given up but is not dead may still hold the old folder open:
 * whoever takes over has to move files out of it before they are believed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "run/job/jobs.h"

enum { KEEP_DAYS = 7, ID_BYTES = 32, NAME_BYTES = 64 };

static void write_name(const mw_job_record *job, char out[NAME_BYTES]) {
    (void)snprintf(out, NAME_BYTES, "%s.%lld", job->id, (long long)job->fence);
}

/* The job and fence of a folder; names of older versions have no fence. */
static int64_t read_name(const char *name, char id[ID_BYTES]) {
    const char *dot = strchr(name, '.');
    mw_str_copy(id, ID_BYTES, (mw_str){name, dot ? (size_t)(dot - name) : strlen(name)});
    return dot ? strtoll(dot + 1, NULL, 10) : 0;
}

mw_status mw_jobs__work_path(const mw_jobs *jobs, const mw_job_record *job, mw_buf *out,
                             mw_err *err) {
    char name[NAME_BYTES];
    write_name(job, name);
    mw_buf_printf(out, "%s/orgs/%s/work/%s", jobs->data_path, job->org, name);
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

/* The job that a work folder is of, when it died and its kind can go on with such work. own: when it will be tried again, too. */
static const mw_job_kind *kind_of_dead(mw_jobs *jobs, const mw_ctx *ctx, mw_arena *arena,
                                       const char *name, bool own, mw_job_record *ret) {
    char id[ID_BYTES];
    (void)read_name(name, id);
    if (mw_store_job_get(ctx, jobs->options.store, arena, id, ret, NULL) != MW_OK) return NULL;
    const mw_job_kind *kind = mw_jobs__kind(jobs, ret->kind);
    bool dead = ret->state == MW_JOB_FAILURE || (own && ret->state == MW_JOB_RETRY);
    return kind && kind->left && dead ? kind : NULL;
}

static bool holds_work(const mw_ctx *ctx, const mw_job_kind *kind, mw_arena *arena,
                       const mw_job_record *dead, const char *name, const mw_json *next,
                       mw_dir *work) {
    const mw_json *payload;
    mw_dir *folder;
    if (mw_json_parse(arena, dead->payload, strlen(dead->payload), &payload, NULL) != MW_OK)
        return false;
    if (mw_dir_sub(ctx, work, name, MW_DIR_MUST_EXIST, &folder, NULL) != MW_OK) return false;
    bool holds = kind->left(ctx, payload, next, folder);
    mw_dir_close(folder);
    return holds;
}

/* Moves one folder to work_dir/left. Somebody else may be faster: then it is his. */
static mw_status take_one(const mw_ctx *ctx, mw_dir *work, const char *name, const char *id,
                          mw_dir *work_dir, mw_err *err) {
    mw_dir *left = NULL;
    mw_status status = mw_dir_sub(ctx, work_dir, MW_JOB_LEFT, MW_DIR_CREATE, &left, err);
    if (status == MW_OK) status = mw_dir_move(ctx, work, name, left, id, err);
    mw_dir_close(left);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

typedef struct heritage {
    mw_jobs *jobs;
    const mw_ctx *ctx;
    const mw_job_record *job;
    const mw_job_kind *kind;
    mw_arena arena;
    const mw_json *payload; /* of job */
    mw_dir *work, *work_dir;
} heritage;

/* An earlier attempt of the same job: what it left is used, or goes. */
static mw_status take_attempt(heritage *h, const char *name, mw_err *err) {
    if (h->kind->left && holds_work(h->ctx, h->kind, &h->arena, h->job, name, NULL, h->work))
        return take_one(h->ctx, h->work, name, h->job->id, h->work_dir, err);
    return mw_dir_remove(h->ctx, h->work, name, err);
}

static mw_status take_job(heritage *h, const char *name, mw_err *err) {
    mw_job_record dead;
    const mw_job_kind *its = kind_of_dead(h->jobs, h->ctx, &h->arena, name, false, &dead);
    if (!its || its->left != h->kind->left) return MW_OK;
    if (!holds_work(h->ctx, its, &h->arena, &dead, name, h->payload, h->work)) return MW_OK;
    mw_log_info(h->ctx, "going on with what job %s left", dead.id);
    return take_one(h->ctx, h->work, name, dead.id, h->work_dir, err);
}

static mw_status take_all(heritage *h, mw_err *err) {
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    const char *text = h->job->payload;
    mw_status status = mw_json_parse(&h->arena, text, strlen(text), &h->payload, err);
    if (status == MW_OK) status = mw_dir_list(h->ctx, h->work, &entries, &n, err);
    for (size_t i = n; i-- > 0 && status == MW_OK;) { /* later attempts first */
        char id[ID_BYTES];
        const int64_t fence = read_name(entries[i].name, id);
        if (strcmp(id, h->job->id) != 0)
            status = h->kind->left ? take_job(h, entries[i].name, err) : MW_OK;
        else if (fence < h->job->fence) /* a later one is of who has taken the job away from us */
            status = take_attempt(h, entries[i].name, err);
    }
    mw_free(entries);
    return status;
}

/* Work that nobody goes on with is no reason to fail: it is done again. */
static void take_over(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job, mw_dir *work,
                      mw_dir *work_dir) {
    heritage h = {.jobs = jobs,
                  .ctx = ctx,
                  .job = job,
                  .kind = mw_jobs__kind(jobs, job->kind),
                  .work = work,
                  .work_dir = work_dir};
    mw_err err = {0};
    if (!h.kind) return;
    mw_arena_init(&h.arena, ctx->mem);
    if (take_all(&h, &err) != MW_OK)
        mw_log_warn(ctx, "what earlier attempts left is not used: %s", err.message);
    mw_arena_done(&h.arena);
}

static bool has_no_folder(const mw_jobs *jobs, const mw_job_record *job) {
    const mw_job_kind *kind = mw_jobs__kind(jobs, job->kind);
    return kind && kind->light;
}

mw_status mw_jobs__work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_dir **ret, mw_err *err) {
    mw_dir *work = NULL;
    if (has_no_folder(jobs, job)) return MW_OK;
    char name[NAME_BYTES];
    write_name(job, name);
    mw_status status = open_work(jobs, ctx, job->org, MW_DIR_CREATE, &work, err);
    if (status == MW_OK) status = mw_dir_remove(ctx, work, name, err);
    if (status == MW_OK) status = mw_dir_sub(ctx, work, name, MW_DIR_CREATE, ret, err);
    if (status == MW_OK) take_over(jobs, ctx, job, work, *ret);
    mw_dir_close(work);
    return status;
}

/* False when nobody will want it; a folder of a job that is too long dead among them. */
static bool is_worth_keeping(mw_jobs *jobs, const mw_ctx *ctx, mw_dir *work, const char *name) {
    mw_arena arena;
    mw_job_record dead;
    mw_arena_init(&arena, ctx->mem);
    const mw_job_kind *kind = kind_of_dead(jobs, ctx, &arena, name, true, &dead);
    int64_t age_us = kind && dead.finished_us ? mw_clock_utc(ctx->clock) - dead.finished_us : 0;
    bool worth = kind && age_us < KEEP_DAYS * 86400 * MW_US_PER_SECOND &&
                 holds_work(ctx, kind, &arena, &dead, name, NULL, work);
    mw_arena_done(&arena);
    return worth;
}

void mw_jobs__leave_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job) {
    mw_dir *work = NULL;
    char name[NAME_BYTES];
    if (has_no_folder(jobs, job)) return;
    write_name(job, name);
    bool stays = open_work(jobs, ctx, job->org, MW_DIR_MUST_EXIST, &work, NULL) == MW_OK &&
                 is_worth_keeping(jobs, ctx, work, name);
    mw_dir_close(work);
    if (stays)
        mw_log_info(ctx, "what the job finished stays for the next one");
    else
        mw_jobs__remove_work_dir(jobs, ctx, job);
}

void mw_jobs__remove_work_dir(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job) {
    mw_dir *work = NULL;
    mw_err err;
    char name[NAME_BYTES];
    if (has_no_folder(jobs, job)) return;
    write_name(job, name);
    mw_status status = open_work(jobs, ctx, job->org, MW_DIR_MUST_EXIST, &work, &err);
    if (status == MW_OK) status = mw_dir_remove(ctx, work, name, &err);
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

static bool is_running(mw_jobs *jobs, const mw_ctx *ctx, const char *name) {
    char id[ID_BYTES];
    mw_arena arena;
    (void)read_name(name, id);
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
