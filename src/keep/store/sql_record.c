/* sql_record.c -- organizations, datasets, segments, model versions, audit. */
#include <string.h>

#include "keep/store/sql.h"

typedef struct named {
    const char *name;
    bool found;
} named;

typedef struct listing {
    mw_arena *arena;
    const char *name; /* dataset or model; NULL: all */
    mw_store_list list;
} listing;

static mw_status call_list(const mw_ctx *ctx, mw_store *store, mw_sql_fn run, mw_arena *arena,
                           const char *name, mw_store_list *ret, mw_err *err) {
    listing args = {.arena = arena, .name = name};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, run, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

/* ---- life ---- */

static mw_status do_ping(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)args;
    mw_query query;
    mw_query_start(
        &query, db,
        "UPDATE meta SET pinged_us = CASE WHEN pinged_us < ?1 THEN ?1 ELSE pinged_us + 1 END", NULL,
        err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    return mw_query_run(&query, NULL);
}

mw_status mw_store_ping(const mw_ctx *ctx, mw_store *store, mw_err *err) {
    return mw_sql__call(store, ctx, MW_SQL_QUIET, do_ping, NULL, err);
}

/* ---- organizations ---- */

mw_status mw_sql__org_ensure(mw_sql *db, const mw_ctx *ctx, const char *org, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO orgs (org, created_us) VALUES (?, ?) ON CONFLICT DO NOTHING", NULL,
                   err);
    mw_query_text(&query, org);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    return mw_query_run(&query, NULL);
}

mw_status mw_sql__org_lock(mw_sql *db, const mw_ctx *ctx, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, "SELECT 1 FROM orgs WHERE org = ? /*pg FOR UPDATE*/", NULL, err);
    mw_query_text(&query, ctx->org);
    return mw_query_run(&query, NULL);
}

static mw_status do_org_ensure(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    named *request = args;
    return mw_sql__org_ensure(db, ctx, request->name, err);
}

mw_status mw_sql__org_ensure_call(const mw_ctx *ctx, mw_store *store, const char *org,
                                  mw_err *err) {
    named args = {.name = org};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_org_ensure, &args, err);
}

static mw_status do_org_exists(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    named *request = args;
    mw_query query;
    mw_query_start(&query, db, "SELECT 1 FROM orgs WHERE org = ?", NULL, err);
    mw_query_text(&query, request->name);
    request->found = mw_query_row(&query);
    return mw_query_end(&query);
}

mw_status mw_store_org_exists(const mw_ctx *ctx, mw_store *store, const char *org, bool *ret,
                              mw_err *err) {
    named args = {.name = org};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_org_exists, &args, err);
    if (status == MW_OK) *ret = args.found;
    return status;
}

static mw_status read_names(mw_query *query, listing *request) {
    void *items = NULL;
    size_t n = 0, capacity = 0;
    while (mw_query_row(query)) {
        const char **name = mw_query_push(query, &items, &n, &capacity, sizeof *name);
        if (name) *name = mw_query_get_text(query);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(query);
}

static mw_status do_org_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    listing *request = args;
    mw_query query;
    mw_query_start(&query, db, "SELECT org FROM orgs ORDER BY org", request->arena, err);
    return read_names(&query, request);
}

mw_status mw_sql__org_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, mw_store_list *ret,
                           mw_err *err) {
    return call_list(ctx, store, do_org_list, arena, NULL, ret, err);
}

/* ---- datasets ---- */

static mw_status do_dataset_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    listing *request = args;
    mw_query query;
    mw_query_start(&query, db, "SELECT dataset FROM datasets WHERE org = ? ORDER BY dataset",
                   request->arena, err);
    mw_query_text(&query, ctx->org);
    return read_names(&query, request);
}

mw_status mw_sql__dataset_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               mw_store_list *ret, mw_err *err) {
    return call_list(ctx, store, do_dataset_list, arena, NULL, ret, err);
}

static mw_status check_dataset(mw_sql *db, const mw_ctx *ctx, const char *dataset, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, "SELECT 1 FROM datasets WHERE org = ? AND dataset = ?", NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, dataset);
    bool found = mw_query_row(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || found) return status;
    mw_fail(err, MW_ENOTFOUND, "there is no dataset %s", dataset);
    return mw_err_hint(err, "ingest some data first");
}

static mw_status do_segments(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    listing *request = args;
    mw_status status = check_dataset(db, ctx, request->name, err);
    if (status != MW_OK) return status;
    void *items = NULL;
    size_t n = 0, capacity = 0;
    mw_query query;
    mw_query_start(
        &query, db,
        "SELECT dataset, source, part, content_hash, file, rejects, quality, layout, bytes,"
        " n_lines, n_rows, n_rejected, n_collisions, n_duplicates, n_late, first_us, last_us,"
        " added_us FROM segments WHERE org = ? AND dataset = ? ORDER BY first_us, source, part",
        request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, request->name);
    while (mw_query_row(&query)) {
        mw_segment_record *segment = mw_query_push(&query, &items, &n, &capacity, sizeof *segment);
        if (!segment) break;
        segment->dataset = mw_query_get_text(&query);
        segment->source = mw_query_get_text(&query);
        segment->part = (int32_t)mw_query_get_int(&query);
        segment->content_hash = mw_query_get_text(&query);
        segment->file = mw_query_get_text(&query);
        segment->rejects = mw_query_get_text(&query);
        segment->quality = mw_query_get_text(&query);
        segment->layout = mw_query_get_text(&query);
        segment->bytes = mw_query_get_int(&query);
        segment->n_lines = mw_query_get_int(&query);
        segment->n_rows = mw_query_get_int(&query);
        segment->n_rejected = mw_query_get_int(&query);
        segment->n_collisions = mw_query_get_int(&query);
        segment->n_duplicates = mw_query_get_int(&query);
        segment->n_late = mw_query_get_int(&query);
        segment->first_us = mw_query_get_int(&query);
        segment->last_us = mw_query_get_int(&query);
        segment->added_us = mw_query_get_int(&query);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(&query);
}

mw_status mw_sql__segments(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *dataset,
                           mw_store_list *ret, mw_err *err) {
    return call_list(ctx, store, do_segments, arena, dataset, ret, err);
}

/* ---- model versions ---- */

#define VERSION_COLUMNS                                                                    \
    "SELECT model, version, run_id, job_id, created_us, folder, sha256, metrics, params, " \
    "data_hash,"                                                                           \
    " production FROM versions "

static void read_version(mw_query *query, mw_version_record *version) {
    version->model = mw_query_get_text(query);
    version->version = (int32_t)mw_query_get_int(query);
    version->run_id = mw_query_get_text(query);
    version->job_id = mw_query_get_text(query);
    version->created_us = mw_query_get_int(query);
    version->folder = mw_query_get_text(query);
    version->sha256 = mw_query_get_text(query);
    version->metrics = mw_query_get_text(query);
    version->params = mw_query_get_text(query);
    version->data_hash = mw_query_get_text(query);
    version->production = mw_query_get_int(query) != 0;
}

static mw_status do_versions(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    listing *request = args;
    void *items = NULL;
    size_t n = 0, capacity = 0;
    mw_query query;
    mw_query_start(&query, db,
                   VERSION_COLUMNS "WHERE org = ?1 AND (?2 IS NULL OR model = ?2)"
                                   " ORDER BY model, version DESC",
                   request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, request->name);
    while (mw_query_row(&query)) {
        mw_version_record *version = mw_query_push(&query, &items, &n, &capacity, sizeof *version);
        if (version) read_version(&query, version);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(&query);
}

mw_status mw_sql__versions(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *model,
                           mw_store_list *ret, mw_err *err) {
    return call_list(ctx, store, do_versions, arena, model, ret, err);
}

typedef struct production {
    mw_arena *arena;
    const char *model;
    mw_version_record version;
} production;

static mw_status do_production(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    production *request = args;
    mw_query query;
    mw_query_start(&query, db, VERSION_COLUMNS "WHERE org = ? AND model = ? AND production = 1",
                   request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_text(&query, request->model);
    bool found = mw_query_row(&query);
    if (found) read_version(&query, &request->version);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || found) return status;
    mw_fail(err, MW_ENOTFOUND, "no version of model %s is in production", request->model);
    return mw_err_hint(err, "train it first");
}

mw_status mw_store_production(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              const char *model, mw_version_record *ret, mw_err *err) {
    production args = {.arena = arena, .model = model};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_production, &args, err);
    if (status == MW_OK) *ret = args.version;
    return status;
}

/* ---- audit ---- */

typedef struct audit_entry {
    const char *principal, *action, *detail;
} audit_entry;

mw_status mw_sql__audit_add(mw_sql *db, const mw_ctx *ctx, const char *principal,
                            const char *action, const char *detail, mw_err *err) {
    mw_query query;
    mw_query_start(
        &query, db,
        "INSERT INTO audit (org, at_us, principal, action, detail) VALUES (?, ?, ?, ?, ?)", NULL,
        err);
    mw_query_text(&query, ctx->org);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, principal);
    mw_query_text(&query, action);
    mw_query_text(&query, detail);
    return mw_query_run(&query, NULL);
}

static mw_status do_audit(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const audit_entry *entry = args;
    return mw_sql__audit_add(db, ctx, entry->principal, entry->action, entry->detail, err);
}

mw_status mw_sql__audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                        const char *action, const char *detail_json, mw_err *err) {
    audit_entry args = {principal, action, detail_json};
    return mw_sql__call(store, ctx, MW_SQL_QUIET, do_audit, &args, err);
}

typedef struct audit_listing {
    mw_arena *arena;
    int64_t before;
    int32_t limit;
    mw_store_list list;
} audit_listing;

static mw_status do_audit_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    audit_listing *request = args;
    void *items = NULL;
    size_t n = 0, capacity = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT seq, at_us, principal, action, detail FROM audit"
                   " WHERE org = ?1 AND (?2 = 0 OR seq < ?2) ORDER BY seq DESC LIMIT ?3",
                   request->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_int(&query, request->before);
    mw_query_int(&query, request->limit);
    while (mw_query_row(&query)) {
        mw_audit_record *entry = mw_query_push(&query, &items, &n, &capacity, sizeof *entry);
        if (!entry) break;
        entry->seq = mw_query_get_int(&query);
        entry->at_us = mw_query_get_int(&query);
        entry->principal = mw_query_get_text(&query);
        entry->action = mw_query_get_text(&query);
        entry->detail = mw_query_get_text(&query);
    }
    request->list = (mw_store_list){items, n};
    return mw_query_end(&query);
}

mw_status mw_sql__audit_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             int64_t before_seq, int32_t limit, mw_store_list *ret, mw_err *err) {
    audit_listing args = {.arena = arena, .before = before_seq, .limit = limit};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_audit_list, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}
