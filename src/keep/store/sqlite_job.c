/*
 * sqlite_job.c -- the job table: a queue with leases and fencing tokens.
 *
 * Lease and fence as in Burrows, "The Chubby lock service" (OSDI 2006), section 2.4: every claim
 * raises the fence, and every later word about the job must carry the fence of the latest claim
 * while the job runs. A lease that ran out may still be renewed until somebody takes the job away:
 * the fence decides, never a clock alone.
 */
#include <string.h>

#include "keep/store/sqlite.h"

/* Literal, so that the partial indexes apply. */
#define WAITING "state IN ('PENDING', 'RETRY')"
#define RUNNING "state IN ('STARTED', 'PROGRESS')"
#define JOB_COLUMNS                                                                          \
    "SELECT id, org, kind, state, attempts, max_attempts, priority, fence, lease_until_us, " \
    "worker,"                                                                                \
    " created_us, started_us, finished_us, progress, message, payload, result, error,"       \
    " cancel_requested FROM jobs "

static mw_job_state state_of(const char *name) {
    for (int i = MW_JOB_PENDING; i < MW_JOB_REVOKED; i++)
        if (name && strcmp(name, mw_job_state_name((mw_job_state)i)) == 0) return (mw_job_state)i;
    return MW_JOB_REVOKED;
}

static void read_job(mw_query *query, mw_job_record *job) {
    job->id = mw_query_get_text(query);
    job->org = mw_query_get_text(query);
    job->kind = mw_query_get_text(query);
    job->state = state_of(mw_query_get_text(query));
    job->attempts = (int32_t)mw_query_get_int(query);
    job->max_attempts = (int32_t)mw_query_get_int(query);
    job->priority = (int32_t)mw_query_get_int(query);
    job->fence = mw_query_get_int(query);
    job->lease_until_us = mw_query_get_int(query);
    job->worker = mw_query_get_text(query);
    job->created_us = mw_query_get_int(query);
    job->started_us = mw_query_get_int(query);
    job->finished_us = mw_query_get_int(query);
    job->progress = mw_query_get_real(query);
    job->message = mw_query_get_text(query);
    job->payload = mw_query_get_text(query);
    job->result = mw_query_get_text(query);
    job->error = mw_query_get_text(query);
    job->cancel_requested = mw_query_get_int(query) != 0;
}

static mw_status fail_unknown(const char *id, mw_err *err) {
    return mw_fail(err, MW_ENOTFOUND, "there is no job %s", id);
}

typedef struct job_fetch {
    mw_arena *arena;
    const char *id;
    mw_job_record job;
} job_fetch;

static mw_status fetch(mw_sqlite *db, const mw_ctx *ctx, job_fetch *request, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, JOB_COLUMNS "WHERE id = ? AND org = ?", request->arena, err);
    mw_query_text(&query, request->id);
    mw_query_text(&query, ctx->org);
    bool found = mw_query_row(&query);
    if (found) read_job(&query, &request->job);
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? fail_unknown(request->id, err) : status;
}

/* What a fence check and a cancel need to know, without texts. */
typedef struct job_brief {
    bool running, final, canceled;
    int64_t fence;
} job_brief;

static mw_status fetch_brief(mw_sqlite *db, const mw_ctx *ctx, const char *id, job_brief *ret,
                             mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT " RUNNING ", finished_us <> 0, cancel_requested, fence FROM jobs"
                   " WHERE id = ? AND org = ?",
                   NULL, err);
    mw_query_text(&query, id);
    mw_query_text(&query, ctx->org);
    bool found = mw_query_row(&query);
    if (found) {
        ret->running = mw_query_get_int(&query) != 0;
        ret->final = mw_query_get_int(&query) != 0;
        ret->canceled = mw_query_get_int(&query) != 0;
        ret->fence = mw_query_get_int(&query);
    }
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? fail_unknown(id, err) : status;
}

static mw_status check_fence(mw_sqlite *db, const mw_ctx *ctx, const char *id, int64_t fence,
                             job_brief *ret, mw_err *err) {
    mw_status status = fetch_brief(db, ctx, id, ret, err);
    if (status != MW_OK || (ret->running && ret->fence == fence)) return status;
    if (ret->final) return mw_fail(err, MW_ECONFLICT, "job %s has already ended", id);
    return mw_fail(err, MW_ECONFLICT, "the lease of job %s was lost to another worker", id);
}

mw_status mw_sqlite__job_fenced(mw_sqlite *db, const mw_ctx *ctx, const char *id, int64_t fence,
                                mw_err *err) {
    job_brief brief;
    return check_fence(db, ctx, id, fence, &brief, err);
}

/* ---- create ---- */

static mw_status check_exclusive(mw_sqlite *db, const mw_ctx *ctx, const mw_store_new_job *job,
                                 mw_err *err) {
    mw_query query;
    char other[32] = "";
    mw_query_start(&query, db, "SELECT id FROM jobs WHERE org = ? AND kind = ? AND finished_us = 0",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, job->kind);
    if (mw_query_row(&query)) {
        const char *id = (const char *)sqlite3_column_text(query.statement, 0);
        mw_str_copy(other, sizeof other, mw_str_of(id ? id : "?"));
    }
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || !other[0]) return status;
    mw_fail(err, MW_ECONFLICT, "a %s job is already under way: %s", job->kind, other);
    return mw_err_hint(err, "wait for it to end, or cancel it");
}

static mw_status check_room(mw_sqlite *db, const mw_ctx *ctx, const mw_store_new_job *job,
                            mw_err *err) {
    mw_query query;
    int64_t n = 0;
    mw_query_start(&query, db, "SELECT count(*) FROM jobs WHERE org = ? AND " WAITING, NULL, err);
    mw_query_text(&query, ctx->org);
    if (mw_query_row(&query)) n = mw_query_get_int(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || n < job->max_waiting) return status;
    mw_fail(err, MW_EBUSY, "%lld jobs are already waiting", (long long)n);
    return mw_err_hint(err, "try again when some of them have ended");
}

static mw_status take_turn(mw_sqlite *db, const char *id, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE orgs SET last_claim = (SELECT max(last_claim) + 1 FROM orgs)"
                   " WHERE org = (SELECT org FROM jobs WHERE id = ?)",
                   NULL, err);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

static mw_status take(mw_sqlite *db, const mw_ctx *ctx, const char *id, const char *worker,
                      int64_t lease_us, mw_err *err) {
    int64_t now = mw_clock_utc(ctx->clock);
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE jobs SET state = 'STARTED', fence = fence + 1, attempts = attempts + 1,"
                   " lease_until_us = ?, worker = ?, started_us = ?, progress = 0, message = NULL"
                   " WHERE id = ?",
                   NULL, err);
    mw_query_int(&query, now + lease_us);
    mw_query_text(&query, worker);
    mw_query_int(&query, now);
    mw_query_text(&query, id);
    mw_status status = mw_query_run(&query, NULL);
    return status == MW_OK ? take_turn(db, id, err) : status;
}

static mw_status do_create(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const mw_store_new_job *job = args;
    mw_status status = mw_sqlite__org_ensure(db, ctx, ctx->org, err);
    if (status == MW_OK && job->exclusive) status = check_exclusive(db, ctx, job, err);
    if (status == MW_OK && !job->worker) status = check_room(db, ctx, job, err);
    if (status != MW_OK) return status;
    mw_query query;
    mw_query_start(
        &query, db,
        "INSERT INTO jobs (id, org, kind, state, max_attempts, priority, created_us, payload)"
        " VALUES (?, ?, ?, 'PENDING', ?, ?, ?, ?)",
        NULL, err);
    mw_query_text(&query, job->id);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, job->kind);
    mw_query_int(&query, job->max_attempts);
    mw_query_int(&query, job->priority);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, job->payload);
    status = mw_query_run(&query, NULL);
    if (status != MW_OK || !job->worker) return status;
    return take(db, ctx, job->id, job->worker, job->lease_us, err);
}

mw_status mw_sqlite__job_create(const mw_ctx *ctx, void *self, const mw_store_new_job *job,
                                mw_err *err) {
    mw_store_new_job args = *job;
    return mw_sqlite__call(self, ctx, MW_SQLITE_WRITE, do_create, &args, err);
}

/* ---- claim ---- */

typedef struct claim_request {
    const mw_store_claim *claim;
    mw_arena *arena;
    mw_job_record job;
} claim_request;

/* Highest priority; then the organization with the fewest running jobs, then the one that has
 * waited longest for a turn; then the oldest job. Each organization offers only its best candidate.
 */
static const char SQL_NEXT[] =
    "SELECT j.id, j.org FROM orgs o JOIN jobs j ON j.seq ="
    " (SELECT seq FROM jobs WHERE org = o.org AND " WAITING "  ORDER BY priority DESC, seq LIMIT 1)"
    " ORDER BY j.priority DESC,"
    " (SELECT count(*) FROM jobs r WHERE r.org = o.org AND r." RUNNING "), o.last_claim, j.seq"
    " LIMIT 1";

static mw_status pick_next(mw_sqlite *db, char *id, char *org, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_NEXT, NULL, err);
    bool found = mw_query_row(&query);
    if (found) {
        mw_str_copy(id, 32, mw_str_of((const char *)sqlite3_column_text(query.statement, 0)));
        mw_str_copy(org, 80, mw_str_of((const char *)sqlite3_column_text(query.statement, 1)));
    }
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? mw_fail(err, MW_ENOTFOUND, "no job is waiting") : status;
}

static mw_status check_waiting(mw_sqlite *db, const mw_ctx *ctx, const char *id, mw_err *err) {
    job_brief brief;
    mw_status status = fetch_brief(db, ctx, id, &brief, err);
    if (status != MW_OK || (!brief.running && !brief.final)) return status;
    return mw_fail(err, MW_ECONFLICT,
                   brief.final ? "job %s has already ended" : "job %s already runs", id);
}

static mw_status do_claim(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    claim_request *request = args;
    char id[32], org[80];
    mw_ctx local = *ctx;
    mw_status status;
    if (request->claim->id) {
        mw_str_copy(id, sizeof id, mw_str_of(request->claim->id));
        status = check_waiting(db, ctx, id, err);
    } else {
        status = pick_next(db, id, org, err);
        local.org = org;
    }
    if (status == MW_OK)
        status = take(db, &local, id, request->claim->worker, request->claim->lease_us, err);
    if (status != MW_OK) return status;
    job_fetch wanted = {.arena = request->arena, .id = id};
    status = fetch(db, &local, &wanted, err);
    request->job = wanted.job;
    return status;
}

mw_status mw_sqlite__job_claim(const mw_ctx *ctx, void *self, mw_arena *arena,
                               const mw_store_claim *claim, mw_job_record *ret, mw_err *err) {
    claim_request args = {.claim = claim, .arena = arena};
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_WRITE, do_claim, &args, err);
    if (status == MW_OK) *ret = args.job;
    return status;
}

/* ---- renew, finish, cancel, expire ---- */

typedef struct renew_request {
    const mw_store_renewal *renewal;
    bool canceled;
} renew_request;

static mw_status do_renew(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    renew_request *request = args;
    const mw_store_renewal *renewal = request->renewal;
    job_brief brief;
    mw_status status = check_fence(db, ctx, renewal->id, renewal->fence, &brief, err);
    if (status != MW_OK) return status;
    request->canceled = brief.canceled;
    mw_query query;
    mw_query_start(
        &query, db,
        "UPDATE jobs SET lease_until_us = ?1, progress = ?2, message = coalesce(?3, message),"
        " state = CASE WHEN ?2 > 0 OR ?3 IS NOT NULL THEN 'PROGRESS' ELSE state END"
        " WHERE id = ?4",
        NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock) + renewal->lease_us);
    mw_query_real(&query, renewal->progress);
    mw_query_text(&query, renewal->message);
    mw_query_text(&query, renewal->id);
    return mw_query_run(&query, NULL);
}

mw_status mw_sqlite__job_renew(const mw_ctx *ctx, void *self, const mw_store_renewal *renewal,
                               bool *canceled, mw_err *err) {
    renew_request args = {.renewal = renewal};
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_QUIET, do_renew, &args, err);
    if (status == MW_OK && canceled) *canceled = args.canceled;
    return status;
}

/* RETRY falls to FAILURE without attempts left, and to REVOKED when cancellation was asked for. */
#define WITH_RETRY_RULE                                                    \
    "CASE WHEN ?1 <> 'RETRY' THEN ?1 WHEN cancel_requested THEN 'REVOKED'" \
    " WHEN attempts < max_attempts THEN 'RETRY' ELSE 'FAILURE' END"

static const char SQL_END[] =
    "UPDATE jobs SET state = " WITH_RETRY_RULE ", lease_until_us = 0, worker = NULL,"
    " finished_us = CASE WHEN " WITH_RETRY_RULE " = 'RETRY' THEN 0 ELSE ?2 END,"
    " progress = CASE WHEN ?1 = 'SUCCESS' THEN 1 ELSE progress END, result = ?3, error = ?4"
    " WHERE id = ?5";

static mw_status end_job(mw_sqlite *db, const mw_ctx *ctx, const mw_store_ending *ending,
                         mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_END, NULL, err);
    mw_query_text(&query, mw_job_state_name(ending->state));
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, ending->result);
    mw_query_text(&query, ending->error);
    mw_query_text(&query, ending->id);
    return mw_query_run(&query, NULL);
}

mw_status mw_sqlite__job_succeed(mw_sqlite *db, const mw_ctx *ctx, const char *id, int64_t fence,
                                 const char *result, mw_err *err) {
    mw_store_ending ending = {.id = id, .fence = fence, .state = MW_JOB_SUCCESS, .result = result};
    return end_job(db, ctx, &ending, err);
}

static mw_status do_finish(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const mw_store_ending *ending = args;
    mw_status status = mw_sqlite__job_fenced(db, ctx, ending->id, ending->fence, err);
    return status == MW_OK ? end_job(db, ctx, ending, err) : status;
}

mw_status mw_sqlite__job_finish(const mw_ctx *ctx, void *self, const mw_store_ending *ending,
                                mw_err *err) {
    mw_store_ending args = *ending;
    return mw_sqlite__call(self, ctx, MW_SQLITE_WRITE, do_finish, &args, err);
}

static mw_status do_cancel(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const char *id = args;
    job_brief brief;
    mw_status status = fetch_brief(db, ctx, id, &brief, err);
    if (status != MW_OK) return status;
    if (brief.final) return mw_fail(err, MW_ECONFLICT, "job %s has already ended", id);
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE jobs SET cancel_requested = 1,"
                   " finished_us = CASE WHEN " WAITING " THEN ? ELSE 0 END,"
                   " state = CASE WHEN " WAITING " THEN 'REVOKED' ELSE state END WHERE id = ?",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

mw_status mw_sqlite__job_cancel(const mw_ctx *ctx, void *self, const char *id, mw_err *err) {
    return mw_sqlite__call(self, ctx, MW_SQLITE_WRITE, do_cancel, (void *)(uintptr_t)id, err);
}

typedef struct expire_request {
    const char *error;
    int n;
} expire_request;

static const char SQL_EXPIRE[] =
    "UPDATE jobs SET lease_until_us = 0, worker = NULL, error = ?2,"
    " state = " WITH_RETRY_RULE ","
    " finished_us = CASE WHEN " WITH_RETRY_RULE " = 'RETRY' THEN 0 ELSE ?3 END"
    " WHERE " RUNNING " AND lease_until_us <= ?3";

static mw_status do_expire(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    expire_request *request = args;
    mw_query query;
    mw_query_start(&query, db, SQL_EXPIRE, NULL, err);
    mw_query_text(&query, mw_job_state_name(MW_JOB_RETRY));
    mw_query_text(&query, request->error);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    return mw_query_run(&query, &request->n);
}

static mw_status do_count_expired(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    expire_request *request = args;
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT count(*) FROM jobs WHERE " RUNNING " AND lease_until_us <= ?", NULL,
                   err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    if (mw_query_row(&query)) request->n = (int)mw_query_get_int(&query);
    return mw_query_end(&query);
}

mw_status mw_sqlite__job_expire(const mw_ctx *ctx, void *self, const char *error, int32_t *n,
                                mw_err *err) {
    expire_request args = {.error = error};
    /* Asked every few seconds and almost always for nothing: that must not cost a write. */
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_READ, do_count_expired, &args, err);
    if (status == MW_OK && args.n > 0)
        status = mw_sqlite__call(self, ctx, MW_SQLITE_WRITE, do_expire, &args, err);
    if (status == MW_OK && n) *n = args.n;
    return status;
}

/* ---- reading ---- */

static mw_status do_get(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    return fetch(db, ctx, args, err);
}

mw_status mw_sqlite__job_get(const mw_ctx *ctx, void *self, mw_arena *arena, const char *id,
                             mw_job_record *ret, mw_err *err) {
    job_fetch args = {.arena = arena, .id = id};
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_READ, do_get, &args, err);
    if (status == MW_OK) *ret = args.job;
    return status;
}

typedef struct job_listing {
    mw_arena *arena;
    int32_t limit;
    mw_store_list list;
} job_listing;

static mw_status read_jobs(mw_query *query, job_listing *request) {
    void *items = NULL;
    size_t n = 0, capacity = 0;
    while (mw_query_row(query)) {
        mw_job_record *job = mw_query_push(query, &items, &n, &capacity, sizeof *job);
        if (job) read_job(query, job);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(query);
}

static mw_status do_list(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    job_listing *request = args;
    mw_query query;
    mw_query_start(&query, db, JOB_COLUMNS "WHERE org = ? ORDER BY seq DESC LIMIT ?",
                   request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_int(&query, request->limit);
    return read_jobs(&query, request);
}

mw_status mw_sqlite__job_list(const mw_ctx *ctx, void *self, mw_arena *arena, int32_t limit,
                              mw_store_list *ret, mw_err *err) {
    job_listing args = {.arena = arena, .limit = limit};
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_READ, do_list, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

static mw_status do_running(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    mw_query query;
    job_listing *request = args;
    mw_query_start(&query, db, JOB_COLUMNS "WHERE " RUNNING " ORDER BY seq", request->arena, err);
    return read_jobs(&query, request);
}

mw_status mw_sqlite__job_running(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                                 mw_err *err) {
    job_listing args = {.arena = arena};
    mw_status status = mw_sqlite__call(self, ctx, MW_SQLITE_READ, do_running, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}
