/* sqlite_statement.c -- prepared statements of the SQLite driver, and SQLite's result codes as statuses. */
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

/* ---- statements ---- */

mw_status mw_sqlite__prepare(mw_sql *sql, const char *static_sql, void **ret, mw_err *err) {
    mw_sqlite *db = mw_sqlite__of(sql);
    for (size_t i = 0; i < db->n_statements; i++) {
        if (db->statements[i].sql == static_sql) {
            *ret = db->statements[i].statement;
            return MW_OK;
        }
    }
    if (db->n_statements == MW_SQLITE_STATEMENTS)
        return mw_fail(err, MW_EINTERNAL, "the statement table of the store is full");
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v3(db->handle, static_sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK) return mw_sqlite__fail(db->handle, code, db->label, err);
    db->statements[db->n_statements].sql = static_sql;
    db->statements[db->n_statements++].statement = statement;
    *ret = statement;
    return MW_OK;
}

mw_status mw_sqlite__bind(mw_sql *sql, void *statement, int at, const mw_sql_value *value,
                          mw_err *err) {
    mw_sqlite *db = mw_sqlite__of(sql);
    int code = SQLITE_MISUSE;
    switch (value->type) {
    case MW_SQL_TEXT:
        code = value->text.data ? sqlite3_bind_text(statement, at, value->text.data,
                                                    (int)value->text.size, SQLITE_STATIC)
                                : sqlite3_bind_null(statement, at);
        break;
    case MW_SQL_INT: code = sqlite3_bind_int64(statement, at, value->integer); break;
    case MW_SQL_REAL: code = sqlite3_bind_double(statement, at, value->real); break;
    case MW_SQL_NULL: code = sqlite3_bind_null(statement, at); break;
    }
    return code == SQLITE_OK ? MW_OK : mw_sqlite__fail(db->handle, code, db->label, err);
}

mw_status mw_sqlite__step(mw_sql *sql, void *statement, bool *ret_row, mw_err *err) {
    mw_sqlite *db = mw_sqlite__of(sql);
    int code = sqlite3_step(statement);
    *ret_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) return MW_OK;
    return mw_sqlite__fail(db->handle, code, db->label, err);
}

mw_status mw_sqlite__column(mw_sql *sql, void *statement, int at, mw_sql_type wanted,
                            mw_sql_value *ret, mw_err *err) {
    (void)sql;
    *ret = (mw_sql_value){.type = MW_SQL_NULL};
    if (sqlite3_column_type(statement, at) == SQLITE_NULL) return MW_OK;
    ret->type = wanted;
    if (wanted == MW_SQL_INT) ret->integer = sqlite3_column_int64(statement, at);
    if (wanted == MW_SQL_REAL) ret->real = sqlite3_column_double(statement, at);
    if (wanted != MW_SQL_TEXT) return MW_OK;
    ret->text.data = (const char *)sqlite3_column_text(statement, at);
    ret->text.size = (size_t)sqlite3_column_bytes(statement, at);
    return ret->text.data ? MW_OK : mw_fail_nomem(err, "records");
}

void mw_sqlite__reset(mw_sql *sql, void *statement) {
    (void)sql;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int mw_sqlite__changed(mw_sql *sql, void *statement) {
    (void)statement;
    return sqlite3_changes(mw_sqlite__of(sql)->handle);
}
