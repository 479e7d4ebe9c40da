/*
 * sql_commit.c -- the fenced transaction that ends an operation.
 *
 * The fence is checked first, in the same transaction that writes: a holder that lost its lease
 * finds a larger fence or a job that no longer runs, and nothing of its commit stays.
 */
#include <stdio.h>

#include "keep/store/sql.h"

typedef struct commit_request {
    const mw_commit *commit;
    int32_t *numbers; /* [n_versions], in the arena of the call */
} commit_request;

static mw_status put_segment(mw_sql *db, const mw_ctx *ctx, const char *dataset,
                             const mw_segment_record *segment, mw_err *err) {
    mw_query query;
    mw_query_start(
        &query, db,
        "INSERT INTO segments (org, dataset, source, part, content_hash, file, rejects, quality,"
        " layout, bytes, n_lines, n_rows, n_rejected, n_collisions, n_duplicates, n_late, first_us,"
        " last_us, added_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, dataset);
    mw_query_text(&query, segment->source);
    mw_query_int(&query, segment->part);
    mw_query_text(&query, segment->content_hash);
    mw_query_text(&query, segment->file);
    mw_query_text(&query, segment->rejects);
    mw_query_text(&query, segment->quality);
    mw_query_text(&query, segment->layout);
    mw_query_int(&query, segment->bytes);
    mw_query_int(&query, segment->n_lines);
    mw_query_int(&query, segment->n_rows);
    mw_query_int(&query, segment->n_rejected);
    mw_query_int(&query, segment->n_collisions);
    mw_query_int(&query, segment->n_duplicates);
    mw_query_int(&query, segment->n_late);
    mw_query_int(&query, segment->first_us);
    mw_query_int(&query, segment->last_us);
    mw_query_int(&query, segment->added_us ? segment->added_us : mw_clock_utc(ctx->clock));
    return mw_query_run(&query, NULL);
}

/* No two segments of a dataset may claim the same file, or the same part of a source. */
static mw_status check_free(mw_sql *db, const mw_ctx *ctx, const char *dataset,
                            const mw_segment_record *segment, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT 1 FROM segments WHERE org = ?1 AND dataset = ?2"
                   " AND (file = ?3 OR (source = ?4 AND part = ?5))",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, dataset);
    mw_query_text(&query, segment->file);
    mw_query_text(&query, segment->source);
    mw_query_int(&query, segment->part);
    bool taken = mw_query_row(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || !taken) return status;
    return mw_fail(err, MW_ECONFLICT,
                   "segment file %s of dataset %s belongs to another source or part", segment->file,
                   dataset);
}

static mw_status leave_source(mw_sql *db, const mw_ctx *ctx, const char *dataset,
                              const char *source, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, "DELETE FROM segments WHERE org = ? AND dataset = ? AND source = ?",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, dataset);
    mw_query_text(&query, source);
    return mw_query_run(&query, NULL);
}

static mw_status put_dataset(mw_sql *db, const mw_ctx *ctx, const mw_commit *commit, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO datasets (org, dataset, created_us) VALUES (?, ?, ?)"
                   " ON CONFLICT DO NOTHING",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, commit->dataset);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_status status = mw_query_run(&query, NULL);
    for (size_t i = 0; status == MW_OK && i < commit->n_segments; i++)
        status = leave_source(db, ctx, commit->dataset, commit->segments[i].source, err);
    for (size_t i = 0; status == MW_OK && i < commit->n_segments; i++) {
        status = check_free(db, ctx, commit->dataset, &commit->segments[i], err);
        if (status == MW_OK)
            status = put_segment(db, ctx, commit->dataset, &commit->segments[i], err);
    }
    return status;
}

static mw_status next_version(mw_sql *db, const mw_ctx *ctx, const char *model, int32_t *ret,
                              mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT coalesce(max(version), 0) + 1 FROM versions WHERE org = ? AND model = ?",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, model);
    if (mw_query_row(&query)) *ret = (int32_t)mw_query_get_int(&query);
    return mw_query_end(&query);
}

static mw_status leave_production(mw_sql *db, const mw_ctx *ctx, const char *model, mw_err *err) {
    mw_query query;
    mw_query_start(
        &query, db,
        "UPDATE versions SET production = 0 WHERE org = ? AND model = ? AND production = 1", NULL,
        err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, model);
    return mw_query_run(&query, NULL);
}

static mw_status put_version(mw_sql *db, const mw_ctx *ctx, const mw_version_record *version,
                             const char *job_id, int32_t *number, mw_err *err) {
    mw_status status = next_version(db, ctx, version->model, number, err);
    if (status == MW_OK && version->production)
        status = leave_production(db, ctx, version->model, err);
    if (status != MW_OK) return status;
    char folder[16];
    (void)snprintf(folder, sizeof folder, "%d", *number);
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO versions (org, model, version, run_id, job_id, created_us, folder,"
                   " sha256, metrics, params, data_hash, production)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, version->model);
    mw_query_int(&query, *number);
    mw_query_text(&query, version->run_id);
    mw_query_text(&query, version->job_id ? version->job_id : job_id);
    mw_query_int(&query, version->created_us ? version->created_us : mw_clock_utc(ctx->clock));
    mw_query_text(&query, version->folder ? version->folder : folder);
    mw_query_text(&query, version->sha256);
    mw_query_text(&query, version->metrics);
    mw_query_text(&query, version->params);
    mw_query_text(&query, version->data_hash);
    mw_query_int(&query, version->production ? 1 : 0);
    return mw_query_run(&query, NULL);
}

static mw_status do_commit(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    commit_request *request = args;
    const mw_commit *commit = request->commit;
    mw_status status = MW_OK;
    if (commit->job_id) status = mw_sql__job_fenced(db, ctx, commit->job_id, commit->fence, err);
    if (status == MW_OK) status = mw_sql__org_ensure(db, ctx, ctx->org, err);
    if (status == MW_OK) status = mw_sql__org_lock(db, ctx, err);
    if (status == MW_OK && commit->dataset) status = put_dataset(db, ctx, commit, err);
    for (size_t i = 0; status == MW_OK && i < commit->n_versions; i++)
        status =
            put_version(db, ctx, &commit->versions[i], commit->job_id, &request->numbers[i], err);
    if (status == MW_OK && commit->job_id)
        status = mw_sql__job_succeed(db, ctx, commit->job_id, commit->fence, commit->result, err);
    return status;
}

mw_status mw_sql__commit(const mw_ctx *ctx, mw_store *store, const mw_commit *commit, mw_err *err) {
    commit_request args = {.commit = commit};
    args.numbers = mw_calloc(ctx->mem, commit->n_versions, sizeof *args.numbers);
    if (!args.numbers) return mw_fail_nomem(err, "model versions");
    mw_status status = mw_sql__call(store, ctx, MW_SQL_WRITE, do_commit, &args, err);
    for (size_t i = 0; status == MW_OK && commit->ret_versions && i < commit->n_versions; i++)
        commit->ret_versions[i] = args.numbers[i];
    mw_free(args.numbers);
    return status;
}
