/* sql_config.c -- organizations' feature configurations, in versions. */
#include <string.h>

#include "keep/store/sql.h"

typedef struct config_call {
    mw_arena *arena;
    const char *config, *hash;
    int32_t over;    /* see mw_store_config_put */
    int32_t version; /* asked for (0: the newest), then found or given */
    mw_config_record record;
} config_call;

static mw_status read_config(mw_sql *db, const mw_ctx *ctx, config_call *call, bool *ret_found,
                             mw_err *err) {
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT version, hash, config, created_us FROM configs"
                   " WHERE org = ?1 AND (?2 = 0 OR version = ?2) ORDER BY version DESC LIMIT 1",
                   call->arena, err);
    mw_query_text(&query, ctx->org);
    mw_query_int(&query, call->version);
    *ret_found = mw_query_row(&query);
    if (*ret_found) {
        call->record.version = (int32_t)mw_query_get_int(&query);
        call->record.hash = mw_query_get_text(&query);
        call->record.config = mw_query_get_text(&query);
        call->record.created_us = mw_query_get_int(&query);
    }
    return mw_query_end(&query);
}

static mw_status do_config(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    config_call *call = args;
    bool found = false;
    mw_status status = read_config(db, ctx, call, &found, err);
    if (status != MW_OK || found) return status;
    if (call->version > 0)
        mw_fail(err, MW_ENOTFOUND, "organization %s has no configuration of version %d", ctx->org,
                (int)call->version);
    else
        mw_fail(err, MW_ENOTFOUND, "organization %s has no configuration", ctx->org);
    return mw_err_hint(err, "`millwright org init --industry NAME` makes one, `millwright org "
                            "configure CONFIG.json` takes yours");
}

mw_status mw_store_config(const mw_ctx *ctx, mw_store *store, mw_arena *arena, int32_t version,
                          mw_config_record *ret, mw_err *err) {
    config_call call = {.arena = arena, .version = version};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_config, &call, err);
    if (status == MW_OK) *ret = call.record;
    return status;
}

static mw_status do_put(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    config_call *call = args;
    bool found = false;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    call->arena = &arena;
    call->version = 0;
    mw_status status = mw_sql__org_ensure(db, ctx, ctx->org, err);
    if (status == MW_OK) status = mw_sql__org_lock(db, ctx, err);
    if (status == MW_OK) status = read_config(db, ctx, call, &found, err);
    const bool same = status == MW_OK && found && strcmp(call->record.config, call->config) == 0;
    call->version = found ? call->record.version : 0;
    mw_arena_done(&arena);
    if (status == MW_OK && call->over != MW_CONFIG_ANY && call->over != call->version)
        return mw_fail(err, MW_ECHANGED, "another version of the configuration came in between");
    if (status != MW_OK || same) return status;
    mw_query query;
    mw_query_start(&query, db,
                   "INSERT INTO configs (org, version, hash, config, created_us)"
                   " VALUES (?, ?, ?, ?, ?)",
                   NULL, err);
    mw_query_text(&query, ctx->org);
    mw_query_int(&query, ++call->version);
    mw_query_text(&query, call->hash);
    mw_query_text(&query, call->config);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    return mw_query_run(&query, NULL);
}

mw_status mw_sql__config_put(const mw_ctx *ctx, mw_store *store, int32_t over, const char *config,
                             const char *hash, int32_t *ret_version, mw_err *err) {
    config_call call = {.over = over, .config = config, .hash = hash};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_WRITE, do_put, &call, err);
    if (status == MW_OK) *ret_version = call.version;
    return status;
}
