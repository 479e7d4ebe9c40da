/*
 * sql_lease.c -- leases by name: who of several processes does something that one of them should do.
 *
 * As for jobs (sql_queue.c), after Burrows, "The Chubby lock service" (OSDI 2006), section 2.4: each taking raises the fence, and a lease that ran out may be
 * renewed until somebody has taken it. One statement each, so that no two can take it at once.
 */
#include "keep/store/sql.h"

typedef struct lease_call {
    const mw_store_lease *lease;
    int64_t fence; /* written by a taking */
    bool held;     /* by another one */
} lease_call;

/* A lease that ends later than any could that is taken now was given before the clock was set back. */
#define FREE "(holder = ?2 OR until_us <= ?3 OR until_us > ?4)"

static void bind_free(mw_query *query, const mw_ctx *ctx, const mw_store_lease *lease) {
    const int64_t now_us = mw_clock_utc(ctx->clock);
    mw_query_text(query, lease->name);
    mw_query_text(query, lease->holder);
    mw_query_int(query, now_us);
    mw_query_int(query, now_us + 2 * lease->lease_us);
}

static mw_status do_look(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    lease_call *call = args;
    mw_query query;
    mw_query_start(&query, db, "SELECT 1 FROM leases WHERE name = ?1 AND NOT " FREE, NULL, err);
    bind_free(&query, ctx, call->lease);
    call->held = mw_query_row(&query);
    return mw_query_end(&query);
}

static mw_status do_take(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    lease_call *call = args;
    const mw_store_lease *lease = call->lease;
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO leases (name, holder, until_us, fence) VALUES (?1, '', 0, 0)"
                   " ON CONFLICT DO NOTHING",
                   NULL, err);
    mw_query_text(&query, lease->name);
    mw_status status = mw_query_run(&query, NULL);
    if (status != MW_OK) return status;
    mw_query_start(&query, db,
                   "UPDATE leases SET holder = ?2, until_us = ?5, fence = fence + 1"
                   " WHERE name = ?1 AND " FREE " RETURNING fence",
                   NULL, err);
    bind_free(&query, ctx, lease);
    mw_query_int(&query, mw_clock_utc(ctx->clock) + lease->lease_us);
    call->held = !mw_query_row(&query);
    if (call->held) return mw_query_end(&query);
    call->fence = mw_query_get_int(&query);
    return mw_query_run(&query, NULL);
}

mw_status mw_sql__lease_take(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                             int64_t *ret_fence, mw_err *err) {
    lease_call args = {.lease = lease};
    /* Asked every few seconds by all who do not have it: that must not cost a write. */
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_look, &args, err);
    if (status == MW_OK && !args.held)
        status = mw_sql__call(store, ctx, MW_SQL_QUIET, do_take, &args, err);
    if (status != MW_OK) return status;
    if (args.held)
        return mw_fail(err, MW_ECONFLICT, "another process holds the lease %.64s", lease->name);
    *ret_fence = args.fence;
    return MW_OK;
}

static mw_status check_one(int n, const mw_store_lease *lease, mw_err *err) {
    if (n == 1) return MW_OK;
    return mw_fail(err, MW_ECONFLICT, "the lease %.64s was lost to another process", lease->name);
}

static mw_status do_renew(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const mw_store_lease *lease = ((const lease_call *)args)->lease;
    int n = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE leases SET until_us = ? WHERE name = ? AND fence = ? AND holder <> ''",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock) + lease->lease_us);
    mw_query_text(&query, lease->name);
    mw_query_int(&query, lease->fence);
    mw_status status = mw_query_run(&query, &n);
    return status == MW_OK ? check_one(n, lease, err) : status;
}

mw_status mw_sql__lease_renew(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                              mw_err *err) {
    lease_call args = {.lease = lease};
    return mw_sql__call(store, ctx, MW_SQL_QUIET, do_renew, &args, err);
}

static mw_status do_release(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    const mw_store_lease *lease = ((const lease_call *)args)->lease;
    int n = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE leases SET until_us = 0, holder = '' WHERE name = ? AND fence = ?"
                   " AND holder <> ''",
                   NULL, err);
    mw_query_text(&query, lease->name);
    mw_query_int(&query, lease->fence);
    mw_status status = mw_query_run(&query, &n);
    return status == MW_OK ? check_one(n, lease, err) : status;
}

mw_status mw_sql__lease_release(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                                mw_err *err) {
    lease_call args = {.lease = lease};
    return mw_sql__call(store, ctx, MW_SQL_QUIET, do_release, &args, err);
}
