/*
 * sqlite.h -- inside the SQLite driver: the handle and its thread, and statements.
 *
 * Thread    one thread owns the connection. A caller hands it a request (a function and its
 * arguments, both on the caller's stack) and sleeps until it is done. The thread takes all requests
 *           that wait: reads first, then all writes in one transaction with a savepoint each, one
 * COMMIT (one fsync), and only then wakes the writers. Rule      a request function may run twice
 * (its transaction was lost and it is tried alone), so it starts by resetting what it writes and
 * writes nothing outside its arguments.
 */
#ifndef MW_KEEP_STORE_SQLITE_H
#define MW_KEEP_STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>

#include "keep/store/sql.h"

enum { MW_SQLITE_STATEMENTS = 96 };

typedef struct mw_sqlite mw_sqlite;

typedef struct mw_sqlite_request {
    const mw_ctx *ctx;
    mw_sql_kind kind;
    mw_sql_fn run;
    void *args;
    mw_err *err;
    mw_status status;
    bool done;
    pthread_cond_t wake;
    struct mw_sqlite_request *next;
} mw_sqlite_request;

struct mw_sqlite {
    mw_sql sql;
    char label[128]; /* file name without folders, for messages */
    sqlite3 *handle; /* the thread's alone */
    struct {
        const char *sql; /* static text: its address is the key */
        sqlite3_stmt *statement;
    } statements[MW_SQLITE_STATEMENTS];
    size_t n_statements;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t work;
    mw_sqlite_request *first, **last;
    size_t n_waiting;
    bool closing;

    pthread_mutex_t watch_mutex; /* guards the fields below */
    sqlite3 *watch;              /* a second connection that only reads the change counter */
    sqlite3_stmt *watch_statement;
    uint64_t watched;
};

/* sqlite_memory.c: routes SQLite's allocations through mw_alloc; once per process, before the first
 * open. */
mw_status mw_sqlite__memory(mw_err *err);

/* sqlite_open.c */
enum { MW_SQLITE_BUSY_MS = 5000 };
extern int mw_sqlite__busy_ms; /* how long to wait for another process's lock; tests lower it */
mw_status mw_sqlite__connect(const char *path, int flags, const char *label, sqlite3 **ret,
                             mw_err *err);

/* sqlite_schema.c: brings the file to the newest schema; refuses newer and foreign files untouched.
 */
int mw_sqlite__newest_schema(void);
extern int mw_sqlite__schema_most; /* that version; tests lower it to be an older program */
mw_status mw_sqlite__check(mw_sqlite *db, int *ret_version, mw_err *err); /* 0: an empty file */
mw_status mw_sqlite__migrate(mw_sqlite *db, mw_err *err);

/* sqlite_copy.c */
mw_status mw_sqlite__copy(void *self, const mw_ctx *ctx, const char *path, mw_err *err);

/* sqlite_thread.c */
mw_status mw_sqlite__start(mw_sqlite *db, mw_err *err);
void mw_sqlite__stop(mw_sqlite *db);
mw_status mw_sqlite__call(void *self, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run,
                          void *args, mw_err *err);

/* sqlite_statement.c */
static inline mw_sqlite *mw_sqlite__of(mw_sql *sql) { return (mw_sqlite *)sql; }
mw_status mw_sqlite__fail(sqlite3 *handle, int code, const char *label, mw_err *err);
mw_status mw_sqlite__exec(mw_sqlite *db, const char *sql, mw_err *err);
mw_status mw_sqlite__prepare(mw_sql *sql, const char *static_sql, void **ret, mw_err *err);
mw_status mw_sqlite__bind(mw_sql *sql, void *statement, int at, const mw_sql_value *value,
                          mw_err *err);
mw_status mw_sqlite__step(mw_sql *sql, void *statement, bool *ret_row, mw_err *err);
mw_status mw_sqlite__column(mw_sql *sql, void *statement, int at, mw_sql_type wanted,
                            mw_sql_value *ret, mw_err *err);
void mw_sqlite__reset(mw_sql *sql, void *statement);
int mw_sqlite__changed(mw_sql *sql, void *statement);

#endif
