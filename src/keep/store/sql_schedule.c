/*
 * sql_schedule.c -- schedules: their records, and the transaction in which one fires.
 *
 * A firing is a comparison and a swap of next_us, in one transaction with the job that it makes: of many who find a schedule due, one finds next_us still as
 * it was. No lease and no clock has a part in that.
 */
#include "core/base/limits.h"
#include "keep/store/sql_jobs.h"

#define SCHEDULE_COLUMNS                                                                     \
    "SELECT org, id, name, cron, zone, kind, payload, paused, next_us, last_us, created_us," \
    " revision FROM schedules "

static void read_schedule(mw_query *query, mw_schedule_record *ret) {
    ret->org = mw_query_get_text(query);
    ret->id = mw_query_get_text(query);
    ret->name = mw_query_get_text(query);
    ret->cron = mw_query_get_text(query);
    ret->zone = mw_query_get_text(query);
    ret->kind = mw_query_get_text(query);
    ret->payload = mw_query_get_text(query);
    ret->paused = mw_query_get_int(query) != 0;
    ret->next_us = mw_query_get_int(query);
    ret->last_us = mw_query_get_int(query);
    ret->created_us = mw_query_get_int(query);
    ret->revision = mw_query_get_int(query);
}

static mw_status fail_unknown(const char *id, mw_err *err) {
    return mw_fail(err, MW_ENOTFOUND, "there is no schedule %.64s", id);
}

/* ---- put and delete ---- */

typedef struct put_request {
    const mw_schedule_record *schedule;
    const char *new_id; /* NULL: it replaces the one of its id */
} put_request;

static mw_status check_room(mw_sql *db, const mw_ctx *ctx, mw_err *err) {
    mw_query query;
    int64_t n = 0;
    mw_query_start(&query, db, "SELECT count(*) FROM schedules WHERE org = ?", NULL, err);
    mw_query_text(&query, ctx->org);
    if (mw_query_row(&query)) n = mw_query_get_int(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || n < MW_LIMIT(SCHEDULES)) return status;
    mw_fail(err, MW_EBUSY, "there are %lld schedules, the most that are kept", (long long)n);
    return mw_err_hint(err, "delete one of them first");
}

/* name, cron, zone, kind, payload, paused, next_us */
static void bind_plan(mw_query *query, const mw_schedule_record *schedule) {
    mw_query_text(query, schedule->name);
    mw_query_text(query, schedule->cron);
    mw_query_text(query, schedule->zone);
    mw_query_text(query, schedule->kind);
    mw_query_text(query, schedule->payload);
    mw_query_int(query, schedule->paused ? 1 : 0);
    mw_query_int(query, schedule->next_us);
}

static mw_status insert(mw_sql *db, const mw_ctx *ctx, const put_request *request, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO schedules (org, id, name, cron, zone, kind, payload, paused,"
                   " next_us, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, request->new_id);
    bind_plan(&query, request->schedule);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    return mw_query_run(&query, NULL);
}

static mw_status create(mw_sql *db, const mw_ctx *ctx, const put_request *request, mw_err *err) {
    mw_status status = mw_sql__org_ensure(db, ctx, ctx->org, err);
    if (status == MW_OK) status = mw_sql__org_lock(db, ctx, err); /* of two, the second counts */
    if (status == MW_OK) status = check_room(db, ctx, err);
    return status == MW_OK ? insert(db, ctx, request, err) : status;
}

static mw_status check_revision(mw_sql *db, const mw_ctx *ctx, const mw_schedule_record *schedule,
                                mw_err *err) {
    int64_t revision = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT revision FROM schedules WHERE org = ? AND id = ? /*pg FOR UPDATE*/",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, schedule->id);
    const bool found = mw_query_row(&query);
    if (found) revision = mw_query_get_int(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK) return status;
    if (!found) return fail_unknown(schedule->id, err);
    if (!schedule->revision || schedule->revision == revision) return MW_OK;
    mw_fail(err, MW_ECONFLICT, "schedule %.64s has been changed meanwhile", schedule->id);
    return mw_err_hint(err, "read it again, then change it");
}

static mw_status replace(mw_sql *db, const mw_ctx *ctx, const mw_schedule_record *schedule,
                         mw_err *err) {
    mw_query query;
    mw_status status = check_revision(db, ctx, schedule, err);
    if (status != MW_OK) return status;
    mw_query_start(&query, db,
                   "UPDATE schedules SET name = ?, cron = ?, zone = ?, kind = ?, payload = ?,"
                   " paused = ?, next_us = ?, revision = revision + 1 WHERE org = ? AND id = ?",
                   NULL, err);
    bind_plan(&query, schedule);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, schedule->id);
    return mw_query_run(&query, NULL);
}

static mw_status do_put(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const put_request *request = args;
    return request->new_id ? create(db, ctx, request, err)
                           : replace(db, ctx, request->schedule, err);
}

mw_status mw_sql__schedule_put(const mw_ctx *ctx, mw_store *store,
                               const mw_schedule_record *schedule, const char *new_id,
                               mw_err *err) {
    put_request args = {schedule, new_id};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_put, &args, err);
}

static mw_status do_delete(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const char *id = args;
    int n = 0;
    mw_query query;
    mw_query_start(&query, db, "DELETE FROM schedules WHERE org = ? AND id = ?", NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, id);
    mw_status status = mw_query_run(&query, &n);
    return status == MW_OK && n == 0 ? fail_unknown(id, err) : status;
}

mw_status mw_store_schedule_delete(const mw_ctx *ctx, mw_store *store, const char *id,
                                   mw_err *err) {
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_delete, (void *)(uintptr_t)id, err);
}

/* ---- reading ---- */

typedef struct reading {
    mw_arena *arena;
    const char *id;
    const mw_schedule_window *window;
    mw_schedule_record one;
    mw_store_list list;
} reading;

static mw_status do_get(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    reading *request = args;
    mw_query query;
    mw_query_start(&query, db, SCHEDULE_COLUMNS "WHERE org = ? AND id = ?", request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, request->id);
    const bool found = mw_query_row(&query);
    if (found) read_schedule(&query, &request->one);
    mw_status status = mw_query_end(&query);
    return status == MW_OK && !found ? fail_unknown(request->id, err) : status;
}

mw_status mw_store_schedule_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                                mw_schedule_record *ret, mw_err *err) {
    reading args = {.arena = arena, .id = id};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_get, &args, err);
    if (status == MW_OK) *ret = args.one;
    return status;
}

static mw_status read_schedules(mw_query *query, reading *request) {
    void *items = NULL;
    size_t n = 0, capacity = 0;
    while (mw_query_row(query)) {
        mw_schedule_record *one = mw_query_push(query, &items, &n, &capacity, sizeof *one);
        if (one) read_schedule(query, one);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(query);
}

static mw_status do_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    reading *request = args;
    mw_query query;
    mw_query_start(&query, db, SCHEDULE_COLUMNS "WHERE org = ? ORDER BY id", request->arena, err);
    mw_query_text(&query, ctx->org);
    return read_schedules(&query, request);
}

mw_status mw_sql__schedule_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                mw_store_list *ret, mw_err *err) {
    reading args = {.arena = arena};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_list, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

static mw_status do_due(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    reading *request = args;
    const mw_schedule_window *window = request->window;
    const mw_schedule_record *after = window->after;
    mw_query query;
    mw_query_start(&query, db,
                   SCHEDULE_COLUMNS
                   "WHERE paused = 0 AND (next_us, org, id) > (?, ?, ?) AND next_us <= ?"
                   " ORDER BY next_us, org, id LIMIT ?",
                   request->arena, err);
    mw_query_int(&query, after ? after->next_us : window->from_us);
    mw_query_text(&query, after ? after->org : ""); /* before every name */
    mw_query_text(&query, after ? after->id : "");
    mw_query_int(&query, window->until_us);
    mw_query_int(&query, window->limit);
    return read_schedules(&query, request);
}

mw_status mw_sql__schedule_due(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_schedule_window *window, mw_store_list *ret, mw_err *err) {
    reading args = {.arena = arena, .window = window};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_due, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

static mw_status do_earliest(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    int64_t *earliest = args;
    mw_query query;
    *earliest = MW_SCHEDULE_NEVER;
    mw_query_start(&query, db,
                   "SELECT next_us FROM schedules WHERE paused = 0 ORDER BY next_us LIMIT 1", NULL,
                   err);
    if (mw_query_row(&query)) *earliest = mw_query_get_int(&query);
    return mw_query_end(&query);
}

mw_status mw_store_schedule_earliest(const mw_ctx *ctx, mw_store *store, int64_t *ret_us,
                                     mw_err *err) {
    int64_t earliest;
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_earliest, &earliest, err);
    if (status == MW_OK) *ret_us = earliest;
    return status;
}

/* ---- firing ---- */

typedef struct fire_request {
    const mw_firing *firing;
    const char *job_id;
    int64_t *n_waiting; /* NULL: there is room */
} fire_request;

/* With the row locked until the transaction ends. */
static mw_status check_due(mw_sql *db, const mw_firing *firing, mw_err *err) {
    int64_t next_us = MW_SCHEDULE_NEVER;
    bool paused = false;
    mw_query query;
    mw_query_start(
        &query, db,
        "SELECT next_us, paused FROM schedules WHERE org = ? AND id = ? /*pg FOR UPDATE*/", NULL,
        err);
    mw_query_text(&query, firing->org);
    mw_query_text(&query, firing->id);
    const bool found = mw_query_row(&query);
    if (found) next_us = mw_query_get_int(&query);
    if (found) paused = mw_query_get_int(&query) != 0;
    mw_status status = mw_query_end(&query);
    if (status != MW_OK) return status;
    if (!found) return fail_unknown(firing->id, err);
    if (next_us == firing->due_us && !paused) return MW_OK;
    return mw_fail(err, MW_ECONFLICT, "schedule %.64s has been fired, paused or changed meanwhile",
                   firing->id);
}

static mw_status move_on(mw_sql *db, const mw_firing *firing, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE schedules SET next_us = ?1,"
                   " last_us = CASE WHEN ?2 = 1 THEN next_us ELSE last_us END"
                   " WHERE org = ?3 AND id = ?4",
                   NULL, err);
    mw_query_int(&query, firing->next_us);
    mw_query_int(&query, firing->job ? 1 : 0);
    mw_query_text(&query, firing->org);
    mw_query_text(&query, firing->id);
    return mw_query_run(&query, NULL);
}

static mw_status do_fire(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const fire_request *request = args;
    const mw_firing *firing = request->firing;
    mw_ctx local = *ctx;
    local.org = firing->org;
    mw_status status = check_due(db, firing, err);
    if (status == MW_OK && firing->job)
        status = mw_sql__job_make(db, &local, firing->job, request->job_id, request->n_waiting,
                                  NULL, err);
    return status == MW_OK ? move_on(db, firing, err) : status;
}

mw_status mw_sql__schedule_fire(const mw_ctx *ctx, mw_store *store, const mw_firing *firing,
                                const char *job_id, int64_t *ret_waiting, mw_err *err) {
    fire_request args = {firing, job_id, ret_waiting};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_fire, &args, err);
}
