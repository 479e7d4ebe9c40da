/*
 * artifact_sql.c -- artifacts in the PostgreSQL store: a row for each, and its bytes in rows of 1 MiB.
 *
 * A file is written in one transaction, so that a name has its old bytes or its new ones. Bytes go over as hex digits: twice the traffic, but one form of
 * values for all statements of the store.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "keep/store/artifact_parts.h"
#include "keep/store/sql.h"

enum { CHUNK_BYTES = 1 << 20, PAGE = 1000 };

typedef struct sql_call {
    const char *name;
    const uint8_t *bytes;
    const mw_artifact_facts *facts;
    mw_artifact_facts *found;
    mw_mem *mem;
    mw_dir *dir;
    const char *file;
} sql_call;

/* ---- put ---- */

static void to_hex(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static mw_status insert_chunks(mw_sql *db, const mw_ctx *ctx, const sql_call *call, char *hex,
                               mw_err *err) {
    mw_status status = MW_OK;
    int64_t number = 0;
    for (uint64_t at = 0; at < call->facts->size && !status; at += CHUNK_BYTES, number++) {
        const uint64_t left = call->facts->size - at;
        mw_query query;
        status = mw_ctx_check(ctx, err);
        if (status) break;
        to_hex(call->bytes + at, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, hex);
        mw_query_start(&query, db,
                       "INSERT INTO artifact_chunks (name, number, bytes)"
                       " VALUES (?, ?, decode(?, 'hex'))",
                       NULL, err);
        mw_query_text(&query, call->name);
        mw_query_int(&query, number);
        mw_query_text(&query, hex);
        status = mw_query_run(&query, NULL);
    }
    return status;
}

static mw_status delete_one(mw_sql *db, const char *name, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, "DELETE FROM artifacts WHERE name = ?", NULL, err);
    mw_query_text(&query, name);
    return mw_query_run(&query, NULL);
}

static mw_status do_put(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const sql_call *call = args;
    mw_query query;
    char *hex = mw_alloc(call->mem, 2 * CHUNK_BYTES + 1);
    if (!hex) return mw_fail_nomem(err, "an artifact");
    mw_status status = delete_one(db, call->name, err);
    if (!status) {
        mw_query_start(&query, db,
                       "INSERT INTO artifacts (name, size, sha256, created_us)"
                       " VALUES (?, ?, ?, ?)",
                       NULL, err);
        mw_query_text(&query, call->name);
        mw_query_int(&query, (int64_t)call->facts->size);
        mw_query_text(&query, call->facts->sha256);
        mw_query_int(&query, mw_clock_utc(ctx->clock));
        status = mw_query_run(&query, NULL);
    }
    if (!status) status = insert_chunks(db, ctx, call, hex, err);
    mw_free(hex);
    return status;
}

static mw_status sql_put(const mw_ctx *ctx, void *self, const char *name, const void *bytes,
                         const mw_artifact_facts *facts, mw_err *err) {
    sql_call call = {.name = name, .bytes = bytes, .facts = facts, .mem = ctx->mem};
    return mw_sql__call(self, ctx, MW_SQL_QUIET, do_put, &call, err);
}

/* ---- find and get ---- */

static mw_status look(mw_sql *db, const char *name, mw_artifact_facts *ret, mw_err *err) {
    mw_query query;
    bool found = false;
    mw_query_start(&query, db, "SELECT size, sha256 FROM artifacts WHERE name = ?", NULL, err);
    mw_query_text(&query, name);
    if (mw_query_row(&query)) {
        found = true;
        ret->size = (uint64_t)mw_query_get_int(&query);
        mw_query_copy_text(&query, ret->sha256, sizeof ret->sha256);
    }
    mw_status status = mw_query_end(&query);
    if (status || found) return status;
    return mw_fail(err, MW_ENOTFOUND, "%s is not in the store", name);
}

static mw_status do_find(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const sql_call *call = args;
    (void)ctx;
    return look(db, call->name, call->found, err);
}

static mw_status sql_find(const mw_ctx *ctx, void *self, const char *name, mw_artifact_facts *ret,
                          mw_err *err) {
    sql_call call = {.name = name, .found = ret};
    return mw_sql__call(self, ctx, MW_SQL_READ, do_find, &call, err);
}

static int digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

/* In place: two digits become one byte. */
static size_t from_hex(char *text) {
    size_t n = 0;
    for (; text[2 * n] && text[2 * n + 1]; n++)
        text[n] = (char)(digit(text[2 * n]) * 16 + digit(text[2 * n + 1]));
    return n;
}

static mw_status read_chunks(mw_sql *db, const mw_ctx *ctx, const sql_call *call, mw_file *file,
                             mw_sha256 *sha, mw_err *err) {
    mw_arena arena;
    mw_status status = MW_OK;
    mw_arena_init(&arena, call->mem);
    uint64_t at = 0;
    for (int64_t number = 0; at < call->facts->size && !status; number++) {
        mw_query query;
        size_t n = 0;
        status = mw_ctx_check(ctx, err);
        if (status) break;
        mw_arena_reset(&arena);
        mw_query_start(&query, db,
                       "SELECT encode(bytes, 'hex') FROM artifact_chunks"
                       " WHERE name = ? AND number = ?",
                       &arena, err);
        mw_query_text(&query, call->name);
        mw_query_int(&query, number);
        char *hex = NULL;
        if (mw_query_row(&query)) hex = (char *)(uintptr_t)mw_query_get_text(&query);
        status = mw_query_end(&query);
        if (!status && hex) n = from_hex(hex);
        if (!status && n == 0)
            status = mw_fail(err, MW_EDATA, "%s is not whole in the store", call->name);
        if (status) break;
        mw_sha256_add(sha, hex, n);
        status = mw_file_write(file, hex, n, err);
        at += n;
    }
    mw_arena_done(&arena);
    return status;
}

static mw_status do_get(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const sql_call *call = args;
    char hex[MW_SHA256_HEX] = "";
    mw_file *file = NULL;
    mw_sha256 *sha = NULL;
    mw_status status = mw_sha256_new(&sha, err);
    if (!status) status = mw_file_create(ctx, call->dir, call->file, &file, err);
    if (!status) status = read_chunks(db, ctx, call, file, sha, err);
    if (!status) {
        mw_sha256_finish(sha, hex);
        sha = NULL;
        if (strcmp(hex, call->facts->sha256) != 0)
            status = mw_fail(err, MW_EDATA, "%s is damaged in the store", call->name);
    }
    mw_sha256_free(sha);
    if (!status) return mw_file_commit(file, err);
    mw_file_abort(file);
    return status;
}

static mw_status sql_get(const mw_ctx *ctx, void *self, const char *name,
                         const mw_artifact_facts *facts, mw_dir *dir, const char *file,
                         mw_err *err) {
    sql_call call = {.name = name, .facts = facts, .mem = ctx->mem, .dir = dir, .file = file};
    return mw_sql__call(self, ctx, MW_SQL_READ, do_get, &call, err);
}

/* ---- list and remove ---- */

typedef struct page {
    const char *after, *end;         /* names between them, without them */
    char (*names)[MW_ARTIFACT_NAME]; /* [PAGE] */
    size_t n;
} page;

static mw_status do_page(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    page *p = args;
    mw_query query;
    (void)ctx;
    p->n = 0;
    mw_query_start(&query, db,
                   "SELECT name FROM artifacts WHERE name > ? AND name < ? ORDER BY name LIMIT ?",
                   NULL, err);
    mw_query_text(&query, p->after);
    mw_query_text(&query, p->end);
    mw_query_int(&query, PAGE);
    while (p->n < PAGE && mw_query_row(&query))
        mw_query_copy_text(&query, p->names[p->n++], MW_ARTIFACT_NAME);
    return mw_query_end(&query);
}

/* Names hold no characters beyond 'z'; a name is longer than a prefix that ends in '/', and one that equals any other prefix comes with it. */
static mw_status sql_list(const mw_ctx *ctx, void *self, const char *prefix,
                          mw_artifacts_visit visit, void *arg, mw_err *err) {
    char end[MW_ARTIFACT_NAME + 2], after[MW_ARTIFACT_NAME];
    page p = {.after = after, .end = end};
    (void)snprintf(end, sizeof end, "%s~", prefix);
    (void)snprintf(after, sizeof after, "%s", prefix);
    const size_t n = strlen(after);
    /* The largest text that is smaller than the prefix, as far as names go. */
    if (n && after[n - 1] != '/') after[n - 1]--;
    p.names = mw_alloc_array(ctx->mem, PAGE, sizeof *p.names);
    if (!p.names) return mw_fail_nomem(err, "a list of artifacts");
    mw_status status = MW_OK;
    do {
        status = mw_sql__call(self, ctx, MW_SQL_READ, do_page, &p, err);
        for (size_t i = 0; i < p.n && !status; i++) {
            memcpy(after, p.names[i], sizeof after);
            if (strncmp(after, prefix, n) == 0) status = visit(arg, after, err);
        }
    } while (!status && p.n == PAGE);
    mw_free(p.names);
    return status;
}

static mw_status do_remove(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    return delete_one(db, ((const sql_call *)args)->name, err);
}

static mw_status sql_remove(const mw_ctx *ctx, void *self, const char *name, mw_err *err) {
    sql_call call = {.name = name};
    return mw_sql__call(self, ctx, MW_SQL_QUIET, do_remove, &call, err);
}

static void sql_close(void *self) { (void)self; /* the store is its owner's */ }

static const mw_artifacts_backend backend = {sql_put,  sql_find,   sql_get,
                                             sql_list, sql_remove, sql_close};

mw_status mw_artifacts__open_sql(mw_store *store, mw_artifacts *ret, mw_err *err) {
    if (!store || strcmp(mw_store_kind(store), "postgresql") != 0) {
        mw_fail(err, MW_EINVAL, "artifacts can be kept in PostgreSQL when records are");
        return mw_err_hint(err, "set MILLWRIGHT_STORE=postgresql://..., or keep them in S3");
    }
    ret->backend = &backend;
    ret->self = store;
    mw_str_copy(ret->label, sizeof ret->label, mw_str_of("the PostgreSQL store"));
    return MW_OK;
}
