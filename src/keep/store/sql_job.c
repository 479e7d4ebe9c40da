/* sql_job.c -- the records of jobs: made, read, listed, and asked for again. */
#include "keep/store/sql_jobs.h"

#include <string.h>

#include "core/base/limits.h"

static mw_job_state state_of(const char *name) {
    for (int i = MW_JOB_PENDING; i < MW_JOB_REVOKED; i++)
        if (name && strcmp(name, mw_job_state_name((mw_job_state)i)) == 0) return (mw_job_state)i;
    return MW_JOB_REVOKED;
}

void mw_sql__job_read(mw_query *query, mw_job_record *job) {
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
    job->not_before_us = mw_query_get_int(query);
    job->time_limit_us = mw_query_get_int(query);
    job->memory_bytes = mw_query_get_int(query);
    job->revision = mw_query_get_int(query);
    job->n_waits = (int32_t)mw_query_get_int(query);
    job->progress = mw_query_get_real(query);
    job->message = mw_query_get_text(query);
    job->payload = mw_query_get_text(query);
    job->result = mw_query_get_text(query);
    job->error = mw_query_get_text(query);
    job->log = mw_query_get_text(query);
    job->n_log_lines = mw_query_get_int(query);
    job->cancel_requested = mw_query_get_int(query) != 0;
    job->is_dead = mw_query_get_int(query) != 0;
}

static mw_status fail_unknown(const char *id, mw_err *err) {
    return mw_fail(err, MW_ENOTFOUND, "there is no job %s", id);
}

/* ---- looking at one ---- */

mw_status mw_sql__job_fetch(mw_sql *db, const mw_ctx *ctx, mw_arena *arena, const char *id,
                            mw_job_record *ret, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, MW_SQL_JOB_COLUMNS("log") "WHERE id = ? AND org = ?", arena, err);
    mw_query_text(&query, id);
    mw_query_text(&query, ctx->org);
    bool found = mw_query_row(&query);
    if (found) mw_sql__job_read(&query, ret);
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? fail_unknown(id, err) : status;
}

mw_status mw_sql__job_look(mw_sql *db, const mw_ctx *ctx, const char *id, mw_sql__job_brief *ret,
                           mw_err *err) {
    mw_query query;
    *ret = (mw_sql__job_brief){0};
    mw_query_start(&query, db,
                   "SELECT " MW_SQL_RUNNING ", finished_us <> 0, cancel_requested,"
                   " state = 'SUCCESS', n_waits, fence FROM jobs"
                   " WHERE id = ? AND org = ? /*pg FOR UPDATE*/",
                   NULL, err);
    mw_query_text(&query, id);
    mw_query_text(&query, ctx->org);
    bool found = mw_query_row(&query);
    if (found) {
        ret->running = mw_query_get_int(&query) != 0;
        ret->final = mw_query_get_int(&query) != 0;
        ret->canceled = mw_query_get_int(&query) != 0;
        ret->success = mw_query_get_int(&query) != 0;
        ret->n_waits = (int32_t)mw_query_get_int(&query);
        ret->fence = mw_query_get_int(&query);
    }
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? fail_unknown(id, err) : status;
}

/* ---- create ---- */

/* Of two who make an exclusive job at once, the second one must see the first one's. id: the new one, which may be there (do_create). */
static mw_status check_exclusive(mw_sql *db, const mw_ctx *ctx, const char *id, const char *kind,
                                 mw_err *err) {
    mw_query query;
    char other[32] = "";
    mw_status status = mw_sql__org_lock(db, ctx, err);
    if (status != MW_OK) return status;
    mw_query_start(&query, db,
                   "SELECT id FROM jobs WHERE org = ? AND kind = ? AND finished_us = 0 AND id <> ?",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, kind);
    mw_query_text(&query, id);
    if (mw_query_row(&query)) mw_query_copy_text(&query, other, sizeof other);
    status = mw_query_end(&query);
    if (status != MW_OK || !other[0]) return status;
    mw_fail(err, MW_ECONFLICT, "a %s job is already under way: %s", kind, other);
    return mw_err_hint(err, "wait for it to end, or cancel it");
}

static mw_status check_room(mw_sql *db, const mw_ctx *ctx, int64_t n_more, int64_t *ret_waiting,
                            mw_err *err) {
    mw_query query;
    int64_t n = 0;
    mw_query_start(&query, db, "SELECT count(*) FROM jobs WHERE org = ? AND " MW_SQL_WAITING, NULL,
                   err);
    mw_query_text(&query, ctx->org);
    if (mw_query_row(&query)) n = mw_query_get_int(&query);
    mw_status status = mw_query_end(&query);
    *ret_waiting = n;
    if (status != MW_OK || n + n_more <= MW_LIMIT(QUEUED_JOBS)) return status;
    mw_fail(err, MW_EBUSY, "%lld jobs are already waiting", (long long)n);
    return mw_err_hint(err, "try again when some of them have ended");
}

static mw_status insert(mw_sql *db, const mw_ctx *ctx, const mw_job_new *job, const char *id,
                        int *ret_n, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO jobs (id, org, kind, state, max_attempts, priority, created_us,"
                   " payload, exclusive, time_limit_us, memory_bytes)"
                   " VALUES (?, ?, ?, 'PENDING', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                   NULL, err);
    mw_query_text(&query, id);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, job->kind);
    mw_query_int(&query, job->max_attempts > 0 ? job->max_attempts : 1);
    mw_query_int(&query, job->priority);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, job->payload);
    mw_query_int(&query, job->exclusive ? 1 : 0);
    mw_query_int(&query, job->time_limit_us);
    mw_query_int(&query, job->memory_bytes);
    return mw_query_run(&query, ret_n);
}

/* Apart, as few jobs have one. */
static mw_status set_home(mw_sql *db, const char *id, const char *home, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, "UPDATE jobs SET home = ? WHERE id = ?", NULL, err);
    mw_query_text(&query, home);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

static mw_status fail_upstream(const char *other, mw_err *err) {
    mw_fail(err, MW_ECONFLICT, "job %s, after which it is to run, has not succeeded", other);
    return mw_err_hint(err, "retry that one first");
}

/* One job more to wait for, unless it has succeeded already. */
static mw_status wait_for(mw_sql *db, const mw_ctx *ctx, const char *id, const char *other,
                          mw_err *err) {
    mw_sql__job_brief brief;
    mw_query query;
    mw_status status = mw_sql__job_look(db, ctx, other, &brief, err);
    if (status == MW_OK && brief.final && !brief.success) return fail_upstream(other, err);
    if (status != MW_OK || brief.success) return status;
    int added = 0;
    mw_query_start(&query, db,
                   "INSERT INTO job_after (after_id, job_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                   NULL, err);
    mw_query_text(&query, other);
    mw_query_text(&query, id);
    status = mw_query_run(&query, &added);
    if (status != MW_OK || added == 0) return status;
    mw_query_start(&query, db, "UPDATE jobs SET n_waits = n_waits + 1 WHERE id = ?", NULL, err);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

/* The job may be there already: made by a transaction whose end was not heard of, as the connection was lost. Nobody else has its id. */
mw_status mw_sql__job_make(mw_sql *db, const mw_ctx *ctx, const mw_job_new *job, const char *id,
                           int64_t *ret_waiting, bool *ret_made, mw_err *err) {
    int n_made = 0;
    mw_status status = mw_sql__org_ensure(db, ctx, ctx->org, err);
    if (status == MW_OK && job->exclusive) status = check_exclusive(db, ctx, id, job->kind, err);
    if (status == MW_OK && ret_waiting)
        status = check_room(db, ctx, job->copies > 1 ? job->copies : 1, ret_waiting, err);
    if (status == MW_OK) status = insert(db, ctx, job, id, &n_made, err);
    if (ret_made) *ret_made = n_made > 0;
    if (status == MW_OK && n_made == 0) return MW_OK;
    if (status == MW_OK && job->home) status = set_home(db, id, job->home, err);
    for (int32_t i = 0; i < job->n_after && status == MW_OK; i++)
        status = wait_for(db, ctx, id, job->after[i], err);
    if (status != MW_OK || !job->worker) return status;
    return mw_sql__job_take(db, ctx, id, job->worker, job->lease_us, err);
}

void mw_sql__bind_ids(mw_query *query, const char (*ids)[32], size_t n, size_t most) {
    for (size_t i = 0; i < most; i++) mw_query_text(query, i < n ? ids[i] : NULL);
}

enum { COPIES_AT_ONCE = 32 };

static const char SQL_COPIES[] =
    "INSERT INTO jobs (id, org, kind, state, max_attempts, priority, created_us, payload,"
    " time_limit_us, memory_bytes, home)"
    " SELECT v.id, ?1, ?2, 'PENDING', ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM (SELECT ?10 AS id"
#define MORE(number) " UNION ALL SELECT ?" #number
    MORE(11) MORE(12) MORE(13) MORE(14) MORE(15) MORE(16) MORE(17) MORE(18) MORE(19) MORE(20)
        MORE(21) MORE(22) MORE(23) MORE(24) MORE(25) MORE(26) MORE(27) MORE(28) MORE(29) MORE(30)
            MORE(31) MORE(32) MORE(33) MORE(34) MORE(35) MORE(36) MORE(37) MORE(38) MORE(39)
                MORE(40) MORE(41)
#undef MORE
                    ") v WHERE v.id IS NOT NULL ON CONFLICT DO NOTHING";

static mw_status copy(mw_sql *db, const mw_ctx *ctx, const mw_job_new *job, const char (*ids)[32],
                      size_t n, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_COPIES, NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, job->kind);
    mw_query_int(&query, job->max_attempts > 0 ? job->max_attempts : 1);
    mw_query_int(&query, job->priority);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, job->payload);
    mw_query_int(&query, job->time_limit_us);
    mw_query_int(&query, job->memory_bytes);
    mw_query_text(&query, job->home);
    mw_sql__bind_ids(&query, ids, n, COPIES_AT_ONCE);
    return mw_query_run(&query, NULL);
}

typedef struct creation {
    const mw_job_new *job;
    const char (*ids)[32];
    const char *audit_detail;
    int64_t *n_waiting; /* NULL: there is room */
} creation;

static mw_status do_create(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const creation *c = args;
    const size_t n = c->job->copies > 1 ? (size_t)c->job->copies : 1;
    const mw_job_audit *audit = c->job->audit;
    bool made = false;
    mw_status status = mw_sql__job_make(db, ctx, c->job, c->ids[0], c->n_waiting, &made, err);
    if (status == MW_OK && audit && made)
        status = mw_sql__audit_add(db, ctx, audit->principal, audit->action, c->audit_detail, err);
    for (size_t at = 1; at < n && status == MW_OK; at += COPIES_AT_ONCE)
        status = copy(db, ctx, c->job, c->ids + at,
                      n - at < COPIES_AT_ONCE ? n - at : COPIES_AT_ONCE, err);
    return status;
}

mw_status mw_sql__job_create(const mw_ctx *ctx, mw_store *store, const mw_job_new *job,
                             const char (*ids)[32], const char *audit_detail, int64_t *ret_waiting,
                             mw_err *err) {
    creation args = {job, ids, audit_detail, ret_waiting};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_create, &args, err);
}

/* ---- again ---- */

static mw_status check_upstream(mw_sql *db, const char *id, mw_err *err) {
    mw_query query;
    char other[32] = "";
    mw_query_start(&query, db,
                   "SELECT a.after_id FROM job_after a JOIN jobs j ON j.id = a.after_id"
                   " WHERE a.job_id = ? AND j.state IN ('FAILURE', 'REVOKED') LIMIT 1",
                   NULL, err);
    mw_query_text(&query, id);
    if (mw_query_row(&query)) mw_query_copy_text(&query, other, sizeof other);
    mw_status status = mw_query_end(&query);
    return status == MW_OK && other[0] ? fail_upstream(other, err) : status;
}

static mw_status check_kind(mw_sql *db, const mw_ctx *ctx, const char *id, mw_err *err) {
    mw_query query;
    char kind[80] = "";
    mw_query_start(&query, db, "SELECT kind FROM jobs WHERE id = ? AND exclusive = 1", NULL, err);
    mw_query_text(&query, id);
    if (mw_query_row(&query)) mw_query_copy_text(&query, kind, sizeof kind);
    mw_status status = mw_query_end(&query);
    return status == MW_OK && kind[0] ? check_exclusive(db, ctx, id, kind, err) : status;
}

static mw_status do_retry(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const char *id = args;
    int64_t n_waiting;
    mw_sql__job_brief brief;
    mw_status status = mw_sql__job_look(db, ctx, id, &brief, err);
    if (status == MW_OK && !brief.final)
        return mw_fail(err, MW_ECONFLICT, "job %s has not ended", id);
    if (status == MW_OK && brief.success)
        return mw_fail(err, MW_ECONFLICT, "job %s has succeeded", id);
    if (status == MW_OK) status = check_upstream(db, id, err);
    if (status == MW_OK) status = check_kind(db, ctx, id, err);
    if (status == MW_OK) status = check_room(db, ctx, 1, &n_waiting, err);
    if (status != MW_OK) return status;
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE jobs SET state = 'PENDING', attempts = 0, is_dead = 0, finished_us = 0,"
                   " not_before_us = 0, cancel_requested = 0, progress = 0, message = NULL,"
                   " error = NULL, log = NULL, n_log_lines = 0, revision = revision + 1"
                   " WHERE id = ?",
                   NULL, err);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

mw_status mw_store_job_retry(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err) {
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_retry, (void *)(uintptr_t)id, err);
}

/* ---- reading ---- */

typedef struct job_fetch {
    mw_arena *arena;
    const char *id;
    mw_job_record job;
} job_fetch;

static mw_status do_get(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    job_fetch *fetch = args;
    return mw_sql__job_fetch(db, ctx, fetch->arena, fetch->id, &fetch->job, err);
}

mw_status mw_store_job_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                           mw_job_record *ret, mw_err *err) {
    job_fetch args = {.arena = arena, .id = id};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_get, &args, err);
    if (status == MW_OK) *ret = args.job;
    return status;
}

typedef struct job_listing {
    mw_arena *arena;
    const mw_job_filter *filter;
    mw_store_list list;
} job_listing;

static mw_status read_jobs(mw_query *query, job_listing *request) {
    void *items = NULL;
    size_t n = 0, capacity = 0;
    while (mw_query_row(query)) {
        mw_job_record *job = mw_query_push(query, &items, &n, &capacity, sizeof *job);
        if (job) mw_sql__job_read(query, job);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(query);
}

static mw_status do_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    job_listing *request = args;
    const mw_job_filter *filter = request->filter;
    mw_query query;
    mw_query_start(
        &query, db,
        MW_SQL_JOB_COLUMNS(
            "NULL") "WHERE org = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR kind = ?3)"
                    " AND (?4 = 0 OR is_dead = 1)"
                    " AND (?5 IS NULL OR seq < (SELECT seq FROM jobs WHERE id = ?5 AND org = ?1))"
                    " ORDER BY seq DESC LIMIT ?6",
        request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, filter->state);
    mw_query_text(&query, filter->kind);
    mw_query_int(&query, filter->dead ? 1 : 0);
    mw_query_text(&query, filter->before);
    mw_query_int(&query, filter->limit);
    return read_jobs(&query, request);
}

mw_status mw_sql__job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                           const mw_job_filter *filter, mw_store_list *ret, mw_err *err) {
    job_listing args = {.arena = arena, .filter = filter};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_list, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

typedef struct running_list {
    job_listing listing;
    bool only_stopping;
} running_list;

static mw_status do_running(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    mw_query query;
    running_list *request = args;
    mw_query_start(&query, db,
                   MW_SQL_JOB_COLUMNS("NULL") "WHERE " MW_SQL_RUNNING
                                              " AND (?1 = 0 OR cancel_requested = 1) ORDER BY seq",
                   request->listing.arena, err);
    mw_query_int(&query, request->only_stopping ? 1 : 0);
    return read_jobs(&query, &request->listing);
}

mw_status mw_sql__job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              bool only_stopping, mw_store_list *ret, mw_err *err) {
    running_list args = {.listing = {.arena = arena}, .only_stopping = only_stopping};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_running, &args, err);
    if (status == MW_OK) *ret = args.listing.list;
    return status;
}
