/*
 * sql_ends.c -- the ends of several jobs in one transaction.
 *
 * Successes are written many at a time, by one statement that holds each row against its fence: as many round trips to a database server as for one
 * job. What ends otherwise is rare, and goes the way of a single job.
 */
#include <string.h>

#include "keep/store/sql_jobs.h"

enum { ENDED_AT_ONCE = 20 };

#define ROW(a, b, c) ", (?" #a ", ?" #b ", ?" #c ")"

static const char SQL_SUCCEED[] =
    "WITH ends (end_id, end_fence, end_result) AS (VALUES (?3, ?4, ?5)" ROW(6, 7, 8) ROW(9, 10, 11)
        ROW(12, 13, 14) ROW(15, 16, 17) ROW(18, 19, 20) ROW(21, 22, 23) ROW(24, 25, 26)
            ROW(27, 28, 29) ROW(30, 31, 32) ROW(33, 34, 35) ROW(36, 37, 38) ROW(39, 40, 41)
                ROW(42, 43, 44) ROW(45, 46, 47) ROW(48, 49, 50) ROW(51, 52, 53) ROW(54, 55, 56)
                    ROW(57, 58, 59)
                        ROW(60, 61, 62) ")"
                                        " UPDATE jobs SET state = 'SUCCESS', lease_until_us = 0, "
                                        "worker = NULL, finished_us = ?1,"
                                        " is_dead = 0, progress = 1, result = end_result, error = "
                                        "NULL, revision = revision + 1"
                                        " FROM ends WHERE id = end_id AND org = ?2 AND fence = "
                                        "end_fence AND " MW_SQL_RUNNING " RETURNING id";

#define ALL_IDS                                                                              \
    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19," \
    " ?20)"

/* A job may run after several of them. */
static const char SQL_LET_START[] =
    "UPDATE jobs SET revision = revision + 1, n_waits = n_waits - (SELECT count(*) FROM job_after a"
    " WHERE a.job_id = jobs.id AND a.after_id IN " ALL_IDS ")"
    " WHERE id IN (SELECT job_id FROM job_after WHERE after_id IN " ALL_IDS ")";

typedef struct end_request {
    mw_job_end *ends;
    size_t n;
} end_request;

static mw_status let_start(mw_sql *db, mw_job_end *const *ends, size_t n, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_LET_START, NULL, err);
    for (size_t i = 0; i < ENDED_AT_ONCE; i++)
        mw_query_text(&query, i < n && ends[i]->status == MW_OK ? ends[i]->id : NULL);
    return mw_query_run(&query, NULL);
}

static void note_recorded(mw_job_end *const *ends, size_t n, const char *id) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(ends[i]->id, id) == 0) {
            ends[i]->status = MW_OK;
            ends[i]->ended = MW_JOB_SUCCESS;
        }
}

static mw_status succeed(mw_sql *db, const mw_ctx *ctx, mw_job_end *const *ends, size_t n,
                         mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_SUCCEED, NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, ctx->org);
    for (size_t i = 0; i < ENDED_AT_ONCE; i++) {
        mw_query_text(&query, i < n ? ends[i]->id : NULL);
        mw_query_int(&query, i < n ? ends[i]->fence : 0);
        mw_query_text(&query, i < n ? ends[i]->result : NULL);
    }
    for (size_t i = 0; i < n; i++) ends[i]->status = MW_ECONFLICT; /* unless it comes back */
    while (mw_query_row(&query)) {
        char id[32] = "";
        mw_query_copy_text(&query, id, sizeof id);
        note_recorded(ends, n, id);
    }
    mw_status status = mw_query_end(&query);
    return status == MW_OK ? let_start(db, ends, n, err) : status;
}

static mw_status end_one(mw_sql *db, const mw_ctx *ctx, mw_job_end *end, mw_err *err) {
    const mw_store_ending ending = {.id = end->id,
                                    .fence = end->fence,
                                    .state = end->state,
                                    .released = end->released,
                                    .result = end->result,
                                    .error = end->error};
    mw_status status = mw_sql__job_fenced(db, ctx, end->id, end->fence, err);
    if (status == MW_OK) status = mw_sql__job_end(db, ctx, &ending, &end->ended, err);
    end->status = status;
    if (status != MW_ECONFLICT && status != MW_ENOTFOUND) return status;
    mw_err_clear(err); /* that is this job's matter alone */
    return MW_OK;
}

static mw_status do_end_all(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const end_request *request = args;
    mw_job_end *some[ENDED_AT_ONCE];
    size_t n = 0;
    mw_status status = MW_OK;
    for (size_t i = 0; i < request->n && status == MW_OK; i++) {
        mw_job_end *end = &request->ends[i];
        if (end->state != MW_JOB_SUCCESS) {
            status = end_one(db, ctx, end, err);
            continue;
        }
        some[n++] = end;
        if (n < ENDED_AT_ONCE) continue;
        status = succeed(db, ctx, some, n, err);
        n = 0;
    }
    return status == MW_OK && n > 0 ? succeed(db, ctx, some, n, err) : status;
}

mw_status mw_sql__job_end_all(const mw_ctx *ctx, mw_store *store, mw_job_end *ends, size_t n,
                              mw_err *err) {
    end_request args = {ends, n};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_end_all, &args, err);
}
