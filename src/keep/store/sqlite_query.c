/*
 * sqlite_query.c -- prepared statements with sticky failure, and SQLite's result codes as statuses.
 *
 * Statements are prepared once per connection and kept; the address of their static text is the
 * key.
 */
#include <string.h>

#include "keep/store/sqlite.h"

static mw_status fail_io(sqlite3 *handle, const char *label, mw_err *err) {
    int reason = handle ? sqlite3_system_errno(handle) : 0;
    if (reason) {
        mw_fail_errno(err, reason, "the store %s cannot be read or written", label);
        if (err) err->code = MW_EIO;
        return MW_EIO;
    }
    mw_fail(err, MW_EIO, "the store %s cannot be read or written", label);
    return mw_err_hint(err, "check the disk and the system log");
}

static mw_status fail_open(sqlite3 *handle, const char *label, mw_err *err) {
    int reason = handle ? sqlite3_system_errno(handle) : 0;
    if (reason) return mw_fail_errno(err, reason, "the store %s cannot be opened", label);
    mw_fail(err, MW_EIO, "the store %s cannot be opened", label);
    return mw_err_hint(err, "check that its folder exists and that it is a plain file");
}

static const struct {
    int code;
    mw_status status;
    const char *what;
    const char *hint;
} code_table[] = {
    {SQLITE_BUSY, MW_EBUSY, "is locked by another process",
     "try again; `doctor` shows who has it open"},
    {SQLITE_LOCKED, MW_EBUSY, "is locked", "try again"},
    {SQLITE_NOTADB, MW_EDATA, "is not a database",
     "restore it from a backup, or name another file"},
    {SQLITE_CORRUPT, MW_EDATA, "is damaged", "restore it from a backup"},
    {SQLITE_READONLY, MW_EDENIED, "is read-only",
     "check the owner and permissions of it and of its folder"},
    {SQLITE_PERM, MW_EDENIED, "may not be opened", "check the owner and permissions of it"},
    {SQLITE_AUTH, MW_EDENIED, "may not be opened", "check the owner and permissions of it"},
    {SQLITE_FULL, MW_EIO, "cannot grow: the disk is full",
     "free some disk space; nothing was lost"},
    {SQLITE_TOOBIG, MW_ETOOLARGE, "refuses a value that is too large", "send less at once"},
    {SQLITE_CONSTRAINT, MW_ECONFLICT, "refuses a record that contradicts another", ""},
};

mw_status mw_sqlite__fail(sqlite3 *handle, int code, const char *label, mw_err *err) {
    int primary = code & 0xff;
    if (primary == SQLITE_NOMEM) return mw_fail_nomem(err, "the store");
    if (primary == SQLITE_IOERR)
        return code == SQLITE_IOERR_NOMEM ? mw_fail_nomem(err, "the store")
                                          : fail_io(handle, label, err);
    if (primary == SQLITE_CANTOPEN) return fail_open(handle, label, err);
    for (size_t i = 0; i < sizeof code_table / sizeof *code_table; i++) {
        if (code_table[i].code != primary) continue;
        mw_fail(err, code_table[i].status, "the store %s %s", label, code_table[i].what);
        if (code_table[i].hint[0]) mw_err_hint(err, "%s", code_table[i].hint);
        return code_table[i].status;
    }
    return mw_fail(err, MW_EINTERNAL, "the store %s failed: %s", label, sqlite3_errstr(code));
}

mw_status mw_sqlite__exec(mw_sqlite *db, const char *sql, mw_err *err) {
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? MW_OK : mw_sqlite__fail(db->handle, code, db->label, err);
}

static void stick(mw_query *query, int code) {
    if (query->status == MW_OK)
        query->status = mw_sqlite__fail(query->db->handle, code, query->db->label, query->err);
}

void mw_query_start(mw_query *query, mw_sqlite *db, const char *static_sql, mw_arena *arena,
                    mw_err *err) {
    *query = (mw_query){.db = db, .arena = arena, .err = err, .at = 1};
    for (size_t i = 0; i < db->n_statements; i++) {
        if (db->statements[i].sql == static_sql) {
            query->statement = db->statements[i].statement;
            return;
        }
    }
    if (db->n_statements == MW_SQLITE_STATEMENTS) {
        query->status = mw_fail(err, MW_EINTERNAL, "the statement table of the store is full");
        return;
    }
    int code = sqlite3_prepare_v3(db->handle, static_sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &query->statement, NULL);
    if (code != SQLITE_OK) {
        stick(query, code);
        return;
    }
    db->statements[db->n_statements].sql = static_sql;
    db->statements[db->n_statements++].statement = query->statement;
}

void mw_query_text(mw_query *query, const char *text) {
    if (query->status != MW_OK) return;
    int code = text ? sqlite3_bind_text(query->statement, query->at, text, -1, SQLITE_STATIC)
                    : sqlite3_bind_null(query->statement, query->at);
    if (code != SQLITE_OK) stick(query, code);
    query->at++;
}

void mw_query_int(mw_query *query, int64_t value) {
    if (query->status != MW_OK) return;
    int code = sqlite3_bind_int64(query->statement, query->at++, value);
    if (code != SQLITE_OK) stick(query, code);
}

void mw_query_real(mw_query *query, double value) {
    if (query->status != MW_OK) return;
    int code = sqlite3_bind_double(query->statement, query->at++, value);
    if (code != SQLITE_OK) stick(query, code);
}

bool mw_query_row(mw_query *query) {
    if (query->status != MW_OK) return false;
    query->at = 0;
    int code = sqlite3_step(query->statement);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) stick(query, code);
    return false;
}

const char *mw_query_get_text(mw_query *query) {
    if (query->status != MW_OK) return NULL;
    int column = query->at++;
    if (sqlite3_column_type(query->statement, column) == SQLITE_NULL) return NULL;
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    int size = sqlite3_column_bytes(query->statement, column);
    char *copy = text ? mw_arena_strndup(query->arena, text, (size_t)size) : NULL;
    if (!copy) query->status = mw_fail_nomem(query->err, "records");
    return copy;
}

int64_t mw_query_get_int(mw_query *query) {
    return query->status == MW_OK ? sqlite3_column_int64(query->statement, query->at++) : 0;
}

double mw_query_get_real(mw_query *query) {
    return query->status == MW_OK ? sqlite3_column_double(query->statement, query->at++) : 0;
}

mw_status mw_query_end(mw_query *query) {
    if (query->statement) {
        sqlite3_reset(query->statement);
        sqlite3_clear_bindings(query->statement);
    }
    return query->status;
}

mw_status mw_query_run(mw_query *query, int *n_changed) {
    while (mw_query_row(query)) {
    }
    if (n_changed) *n_changed = query->status == MW_OK ? sqlite3_changes(query->db->handle) : 0;
    return mw_query_end(query);
}

void *mw_query_push(mw_query *query, void **items, size_t *n, size_t *capacity, size_t item_size) {
    if (query->status != MW_OK) return NULL;
    if (*n == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 16;
        void *copy = mw_arena_calloc(query->arena, larger, item_size);
        if (!copy) {
            query->status = mw_fail_nomem(query->err, "records");
            return NULL;
        }
        if (*n) memcpy(copy, *items, *n * item_size);
        *items = copy;
        *capacity = larger;
    }
    return (char *)*items + (*n)++ * item_size;
}
