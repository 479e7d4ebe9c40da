/*
 * sqlite_open.c -- opening and closing the file, and the change counter.
 *
 * Order matters: a file is looked at before anything is written to it, so that a newer, foreign or
 * damaged one stays as it is. WAL lets other processes read while one writes; synchronous FULL
 * makes COMMIT wait for the disk. The first sync of a new log also syncs its folder, which makes
 * the file's own name durable before the first acknowledgment.
 */
#include <string.h>

#include "keep/store/sqlite.h"

int mw_sqlite__busy_ms = MW_SQLITE_BUSY_MS;

static const char SETTINGS[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA foreign_keys = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cache_size = -4096;"
                               "PRAGMA journal_size_limit = 67108864;";

mw_status mw_sqlite__connect(const char *path, int flags, const char *label, sqlite3 **ret,
                             mw_err *err) {
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(
        path, &handle,
        flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);
    if (code == SQLITE_OK) code = sqlite3_busy_timeout(handle, mw_sqlite__busy_ms);
    if (code != SQLITE_OK) {
        mw_status status = mw_sqlite__fail(handle, code, label, err);
        sqlite3_close(handle);
        return status;
    }
    *ret = handle;
    return MW_OK;
}

/* Changing the journal mode does not call SQLite's busy handler, and another opener may be at it.
 */
static mw_status set_wal(mw_sqlite *db, mw_err *err) {
    int code = SQLITE_BUSY;
    bool wal = false;
    for (int waited_ms = 0; (code & 0xff) == SQLITE_BUSY && waited_ms <= mw_sqlite__busy_ms;
         waited_ms += 10) {
        if (waited_ms) mw_clock_sleep(&mw_clock_system, 10000);
        sqlite3_stmt *statement = NULL;
        code = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
        if (code == SQLITE_OK) code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            const char *mode = (const char *)sqlite3_column_text(statement, 0);
            wal = mode && strcmp(mode, "wal") == 0;
        }
        sqlite3_finalize(statement);
    }
    if (code != SQLITE_ROW) return mw_sqlite__fail(db->handle, code, db->label, err);
    if (wal) return MW_OK;
    mw_fail(err, MW_EIO, "the store %s cannot use a write-ahead log here", db->label);
    return mw_err_hint(err, "put the data folder on a local disk");
}

static mw_status open_handles(mw_sqlite *db, const char *path, mw_err *err) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    mw_status status = mw_sqlite__connect(path, flags, db->label, &db->handle, err);
    if (status != MW_OK) return status;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int version;
    status = mw_sqlite__check(db, &version, err);
    if (status == MW_OK && sqlite3_db_readonly(db->handle, "main") == 1)
        status = mw_sqlite__fail(db->handle, SQLITE_READONLY, db->label, err);
    if (status == MW_OK) status = set_wal(db, err);
    if (status == MW_OK) status = mw_sqlite__exec(db, SETTINGS, err);
    if (status == MW_OK) status = mw_sqlite__migrate(db, err);
    if (status == MW_OK)
        status = mw_sqlite__connect(path, SQLITE_OPEN_READWRITE, db->label, &db->watch, err);
    if (status != MW_OK) return status;
    int code = sqlite3_prepare_v3(db->watch, "SELECT change FROM meta", -1,
                                  SQLITE_PREPARE_PERSISTENT, &db->watch_statement, NULL);
    return code == SQLITE_OK ? MW_OK : mw_sqlite__fail(db->watch, code, db->label, err);
}

static void close_handles(mw_sqlite *db) {
    sqlite3_finalize(db->watch_statement);
    sqlite3_close(db->watch);
    for (size_t i = 0; i < db->n_statements; i++) sqlite3_finalize(db->statements[i].statement);
    sqlite3_close(db->handle);
}

static uint64_t change_counter(void *self) {
    mw_sqlite *db = self;
    pthread_mutex_lock(&db->watch_mutex);
    if (sqlite3_step(db->watch_statement) == SQLITE_ROW)
        db->watched = (uint64_t)sqlite3_column_int64(db->watch_statement, 0);
    sqlite3_reset(db->watch_statement);
    uint64_t value = db->watched;
    pthread_mutex_unlock(&db->watch_mutex);
    return value;
}

static mw_status sqlite_open(const mw_ctx *ctx, const char *location, void **ret, mw_err *err) {
    if (!location[0] || strcmp(location, ":memory:") == 0)
        return mw_fail(err, MW_EINVAL, "the store needs a file to be durable");
    mw_status status = mw_sqlite__memory(err);
    if (status != MW_OK) return status;
    mw_sqlite *db = mw_calloc(ctx->mem, 1, sizeof *db);
    /* "./" keeps a relative name from being read as a URI. */
    size_t n = strlen(location);
    char *path = mw_alloc(ctx->mem, n + 3);
    if (!db || !path) {
        status = mw_fail_nomem(err, "the store");
        goto fail;
    }
    size_t prefix = location[0] == '/' ? 0 : 2;
    memcpy(path, "./", prefix);
    memcpy(path + prefix, location, n + 1);
    const char *slash = strrchr(path, '/');
    mw_str_copy(db->label, sizeof db->label, mw_str_of(slash ? slash + 1 : path));
    db->sql.driver = &mw_sql__sqlite;
    pthread_mutex_init(&db->watch_mutex, NULL);
    status = open_handles(db, path, err);
    if (status == MW_OK) status = mw_sqlite__start(db, err);
    if (status != MW_OK) {
        close_handles(db);
        pthread_mutex_destroy(&db->watch_mutex);
        goto fail;
    }
    mw_free(path);
    *ret = db;
    return MW_OK;
fail:
    mw_free(path);
    mw_free(db);
    return status;
}

static void sqlite_close(void *self) {
    mw_sqlite *db = self;
    mw_sqlite__stop(db);
    close_handles(db);
    pthread_mutex_destroy(&db->watch_mutex);
    mw_free(db);
}

const mw_sql_driver mw_sql__sqlite = {
    .name = "sqlite",
    .prefix = "",
    .open = sqlite_open,
    .close = sqlite_close,
    .schema_version = mw_sqlite__newest_schema,
    .change_counter = change_counter,
    .facts_sql = "SELECT sqlite_version(), 1, 1, 1, 0, 0",
    .copy = mw_sqlite__copy,
    .call = mw_sqlite__call,
    .prepare = mw_sqlite__prepare,
    .bind = mw_sqlite__bind,
    .step = mw_sqlite__step,
    .column = mw_sqlite__column,
    .reset = mw_sqlite__reset,
    .changed = mw_sqlite__changed,
};
