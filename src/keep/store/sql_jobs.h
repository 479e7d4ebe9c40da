/* sql_jobs.h -- what sql_job.c (records) and sql_queue.c (who works on them) share. */
#ifndef MW_KEEP_STORE_SQL_JOBS_H
#define MW_KEEP_STORE_SQL_JOBS_H

#include "keep/store/sql.h"

/* Literal, so that the partial indexes apply. */
#define MW_SQL_WAITING "state IN ('PENDING', 'RETRY')"
#define MW_SQL_RUNNING "state IN ('STARTED', 'PROGRESS')"

/* log: "log", or "NULL" where nobody reads it. */
#define MW_SQL_JOB_COLUMNS(log) "SELECT " MW_SQL_JOB_LIST(log) " FROM jobs "
#define MW_SQL_JOB_LIST(log)                                                                       \
    "id, org, kind, state, attempts, max_attempts, priority, fence, lease_until_us, "              \
    "worker,"                                                                                      \
    " created_us, started_us, finished_us, not_before_us, time_limit_us, memory_bytes, revision,"  \
    " n_waits, progress, message, payload, result, error, " log ", n_log_lines, cancel_requested," \
    " is_dead"

/* What becomes of a claimed job. ?1 when its lease ends, ?2 the worker, ?3 now. */
#define MW_SQL_TAKE                                                                     \
    "UPDATE jobs SET state = 'STARTED', fence = fence + 1, attempts = attempts + 1,"    \
    " lease_until_us = ?1, worker = ?2, started_us = ?3, progress = 0, message = NULL," \
    " log = NULL, n_log_lines = 0, revision = revision + 1,"                            \
    " turn = (SELECT coalesce(max(turn), 0) + 1 FROM jobs)"

/* Of rows with the columns of MW_SQL_JOB_LIST. */
void mw_sql__job_read(mw_query *query, mw_job_record *job);
/* Up to n parameters from `ids`, then NULL up to `most`. */
void mw_sql__bind_ids(mw_query *query, const char (*ids)[32], size_t n, size_t most);

/* What a fence check and a cancel need to know, without texts. */
typedef struct mw_sql__job_brief {
    bool running, final, canceled, success;
    int32_t n_waits;
    int64_t fence;
} mw_sql__job_brief;

/* With the row locked until the transaction ends. MW_ENOTFOUND. */
mw_status mw_sql__job_look(mw_sql *db, const mw_ctx *ctx, const char *id, mw_sql__job_brief *ret,
                           mw_err *err);
/* One job of ctx->org. */
mw_status mw_sql__job_fetch(mw_sql *db, const mw_ctx *ctx, mw_arena *arena, const char *id,
                            mw_job_record *ret, mw_err *err);
/* A new job of ctx->org, with all that mw_store_job_create says but its copies and its entry of the audit log. ret_waiting as in mw_sql__job_create;
 * *ret_made (NULL: not asked): false when it was there. */
mw_status mw_sql__job_make(mw_sql *db, const mw_ctx *ctx, const mw_job_new *job, const char *id,
                           int64_t *ret_waiting, bool *ret_made, mw_err *err);
/* The job becomes STARTED, held by worker. */
mw_status mw_sql__job_take(mw_sql *db, const mw_ctx *ctx, const char *id, const char *worker,
                           int64_t lease_us, mw_err *err);
/* Ends a job without a look at its fence; *ret is what it is then. */
mw_status mw_sql__job_end(mw_sql *db, const mw_ctx *ctx, const mw_store_ending *ending,
                          mw_job_state *ret, mw_err *err);
/* Whether the job, of this state now, lets others start, or lets them fail. */
mw_status mw_sql__job_ended(mw_sql *db, const mw_ctx *ctx, const char *id, bool success,
                            mw_err *err);

#endif
