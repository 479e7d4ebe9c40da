/* sql_key.c -- API keys. */
#include "core/base/limits.h"
#include "keep/store/sql.h"

typedef struct key_call {
    const mw_key_record *key;
    mw_arena *arena;
    const char *org, *id; /* org NULL: every one */
    int64_t used_us;
    mw_store_list list;
    int64_t change;
} key_call;

static mw_status check_room(mw_sql *db, mw_err *err) {
    mw_query query;
    int64_t n = 0;
    mw_query_start(&query, db, "SELECT count(*) FROM api_keys", NULL, err);
    if (mw_query_row(&query)) n = mw_query_get_int(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || n < MW_LIMIT(API_KEYS)) return status;
    return mw_fail(err, MW_EBUSY, "there are %lld API keys, the most that are kept", (long long)n);
}

static mw_status do_create(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const mw_key_record *key = ((const key_call *)args)->key;
    int n = 0;
    mw_query query;
    mw_status status = check_room(db, err);
    if (status != MW_OK) return status;
    mw_query_start(&query, db,
                   "INSERT INTO api_keys (id, org, name, role, hash, created_us, expires_us)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                   NULL, err);
    mw_query_text(&query, key->id);
    mw_query_text(&query, key->org);
    mw_query_text(&query, key->name);
    mw_query_text(&query, key->role);
    mw_query_text(&query, key->hash);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_int(&query, key->expires_us);
    status = mw_query_run(&query, &n);
    if (status != MW_OK || n == 1) return status;
    return mw_fail(err, MW_ECONFLICT, "there is an API key %s already", key->id);
}

mw_status mw_sql__key_create(const mw_ctx *ctx, mw_store *store, const mw_key_record *key,
                             mw_err *err) {
    key_call args = {.key = key};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_create, &args, err);
}

static mw_status do_list(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    key_call *call = args;
    void *items = NULL;
    size_t n = 0, capacity = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT id, org, name, role, hash, created_us, expires_us, revoked_us,"
                   " last_used_us FROM api_keys WHERE ?1 IS NULL OR org = ?1"
                   " ORDER BY created_us, id",
                   call->arena, err);
    mw_query_text(&query, call->org);
    while (mw_query_row(&query)) {
        mw_key_record *key = mw_query_push(&query, &items, &n, &capacity, sizeof *key);
        if (!key) break;
        key->id = mw_query_get_text(&query);
        key->org = mw_query_get_text(&query);
        key->name = mw_query_get_text(&query);
        key->role = mw_query_get_text(&query);
        key->hash = mw_query_get_text(&query);
        key->created_us = mw_query_get_int(&query);
        key->expires_us = mw_query_get_int(&query);
        key->revoked_us = mw_query_get_int(&query);
        key->last_used_us = mw_query_get_int(&query);
    }
    call->list = (mw_store_list){items, n};
    return mw_query_end(&query);
}

mw_status mw_sql__key_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *org,
                           mw_store_list *ret, mw_err *err) {
    key_call args = {.arena = arena, .org = org};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_list, &args, err);
    if (status == MW_OK) *ret = args.list;
    return status;
}

static mw_status do_counter(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    key_call *call = args;
    mw_query query;
    call->change = 0;
    mw_query_start(&query, db, "SELECT keys_change FROM meta", NULL, err);
    if (mw_query_row(&query)) call->change = mw_query_get_int(&query);
    return mw_query_end(&query);
}

mw_status mw_store_key_counter(const mw_ctx *ctx, mw_store *store, int64_t *ret, mw_err *err) {
    key_call args = {0};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_counter, &args, err);
    if (status == MW_OK) *ret = args.change;
    return status;
}

static mw_status do_revoke(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const key_call *call = args;
    int n = 0;
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE api_keys SET revoked_us = CASE WHEN revoked_us = 0 THEN ?1"
                   " ELSE revoked_us END WHERE id = ?2 AND (?3 IS NULL OR org = ?3)",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, call->id);
    mw_query_text(&query, call->org);
    mw_status status = mw_query_run(&query, &n);
    if (status != MW_OK || n == 1) return status;
    return mw_fail(err, MW_ENOTFOUND, "there is no API key %.40s", call->id);
}

mw_status mw_store_key_revoke(const mw_ctx *ctx, mw_store *store, const char *org_or_null,
                              const char *id, mw_err *err) {
    key_call args = {.org = org_or_null, .id = id};
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_revoke, &args, err);
}

static mw_status do_used(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    const key_call *call = args;
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE api_keys SET last_used_us = ?1 WHERE id = ?2 AND last_used_us < ?1",
                   NULL, err);
    mw_query_int(&query, call->used_us);
    mw_query_text(&query, call->id);
    return mw_query_run(&query, NULL);
}

mw_status mw_store_key_used(const mw_ctx *ctx, mw_store *store, const char *id, int64_t used_us,
                            mw_err *err) {
    key_call args = {.id = id, .used_us = used_us};
    return mw_sql__call(store, ctx, MW_SQL_QUIET, do_used, &args, err);
}
