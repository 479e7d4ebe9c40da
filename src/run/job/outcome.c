/*
 * outcome.c -- how a job ends: commit, or a recorded failure.
 *
 * The kind's commit ends the job itself through mw_store_commit (that is what makes it one
 * transaction); a kind without one, or whose commit only looked, is ended here. Every write carries
 * the fence.
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/job/jobs.h"

const mw_job_kind *mw_jobs__kind(const mw_jobs *jobs, const char *name) {
    for (const mw_job_kind *kind = jobs->options.kinds; kind && kind->name; kind++)
        if (strcmp(kind->name, name) == 0) return kind;
    return NULL;
}

static mw_status end_if_open(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                             const mw_buf *result, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_job_record now;
    mw_status status = mw_store_job_get(ctx, jobs->options.store, &arena, job->id, &now, err);
    if (status == MW_OK && now.state != MW_JOB_SUCCESS)
        status = mw_store_job_finish(ctx, jobs->options.store, job->id, job->fence, MW_JOB_SUCCESS,
                                     mw_buf_text(result), NULL, err);
    mw_arena_done(&arena);
    return status;
}

static mw_status commit(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                        mw_dir *work_dir, mw_buf *result, mw_err *err) {
    const mw_job_kind *kind = mw_jobs__kind(jobs, job->kind);
    mw_status status = MW_OK;
    if (kind && kind->commit)
        status = kind->commit(ctx, jobs->options.app, job, work_dir, result, err);
    if (status == MW_OK) status = mw_buf_status(result, "the result of a job", err);
    return status == MW_OK ? end_if_open(jobs, ctx, job, result, err) : status;
}

static const mw_job_state states_of_failed[] = {[MW_JOBS_FAILED] = MW_JOB_FAILURE,
                                                [MW_JOBS_REVOKED] = MW_JOB_REVOKED,
                                                [MW_JOBS_CRASHED] = MW_JOB_RETRY};

static mw_status record_failure(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                                mw_jobs__failed failed, const mw_err *failure) {
    mw_err err;
    mw_buf json;
    mw_buf_init(&json, ctx->mem, 65536);
    mw_status status = mw_store_error_json(&json, failure, &err);
    if (status == MW_OK && failed == MW_JOBS_RELEASED)
        status = mw_store_job_release(ctx, jobs->options.store, job->id, job->fence,
                                      mw_buf_text(&json), &err);
    else if (status == MW_OK)
        status = mw_store_job_finish(ctx, jobs->options.store, job->id, job->fence,
                                     states_of_failed[failed], NULL, mw_buf_text(&json), &err);
    mw_buf_done(&json);
    if (status != MW_OK) mw_log_warn(ctx, "the end of the job is not recorded: %s", err.message);
    return status;
}

/* A commit may fail after its transaction went through: the job is a success then. */
static bool has_succeeded(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_job_record now;
    bool yes = mw_store_job_get(ctx, jobs->options.store, &arena, job->id, &now, NULL) == MW_OK &&
               now.state == MW_JOB_SUCCESS && now.fence == job->fence;
    mw_arena_done(&arena);
    return yes;
}

/* A store that was away for a moment, or too little memory in the server, is no fault of the job. */
static mw_jobs__failed of_failed_commit(mw_status status) {
    if (status == MW_ECANCELED) return MW_JOBS_REVOKED;
    return status == MW_EBUSY || status == MW_ENOMEM ? MW_JOBS_CRASHED : MW_JOBS_FAILED;
}

mw_status mw_jobs__conclude(mw_jobs *jobs, const mw_ctx *ctx, const mw_job_record *job,
                            mw_status worked, const mw_err *failure, mw_jobs__failed failed,
                            mw_dir *work_dir, mw_buf *result, mw_err *err) {
    mw_err own;
    if (!err) err = &own;
    mw_status status = worked;
    if (status == MW_OK)
        status = commit(jobs, ctx, job, work_dir, result, err);
    else
        *err = *failure;
    if (status == MW_OK) return MW_OK;
    if (worked == MW_OK) failed = of_failed_commit(status);
    mw_status recorded = record_failure(jobs, ctx, job, failed, err);
    if (recorded == MW_ECONFLICT && worked == MW_OK && has_succeeded(jobs, ctx, job)) {
        mw_log_warn(ctx, "the job succeeded, but afterwards: %s", err->message);
        return MW_OK;
    }
    if (recorded == MW_ECONFLICT)
        return mw_fail(err, MW_ECONFLICT, "the lease of job %s was lost; nothing was recorded",
                       job->id);
    return status;
}
