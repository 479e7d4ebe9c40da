/*
 * sqlite.h -- inside the SQLite backend: the handle and its thread, and statements.
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

#include "keep/store/backend.h"

enum { MW_SQLITE_STATEMENTS = 64 };

typedef struct mw_sqlite mw_sqlite;

typedef enum mw_sqlite_kind {
    MW_SQLITE_READ,
    MW_SQLITE_WRITE, /* counts as a change: caches look again */
    MW_SQLITE_QUIET  /* a write nobody caches: lease, progress, ping, audit */
} mw_sqlite_kind;

typedef mw_status (*mw_sqlite_fn)(mw_sqlite *db, const mw_ctx *ctx, void *args, mw_err *err);

typedef struct mw_sqlite_request {
    const mw_ctx *ctx;
    mw_sqlite_kind kind;
    mw_sqlite_fn run;
    void *args;
    mw_err *err;
    mw_status status;
    bool done;
    pthread_cond_t wake;
    struct mw_sqlite_request *next;
} mw_sqlite_request;

struct mw_sqlite {
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
mw_status mw_sqlite__check(mw_sqlite *db, mw_err *err);
mw_status mw_sqlite__migrate(mw_sqlite *db, mw_err *err);

/* sqlite_thread.c */
mw_status mw_sqlite__start(mw_sqlite *db, mw_err *err);
void mw_sqlite__stop(mw_sqlite *db);
mw_status mw_sqlite__call(mw_sqlite *db, const mw_ctx *ctx, mw_sqlite_kind kind, mw_sqlite_fn run,
                          void *args, mw_err *err);

/* sqlite_query.c: a statement with sequential binding and reading; the first failure sticks. */
typedef struct mw_query {
    mw_sqlite *db;
    sqlite3_stmt *statement;
    mw_err *err;
    mw_arena *arena; /* where texts are copied to */
    int at;          /* next parameter, then next column */
    mw_status status;
} mw_query;

mw_status mw_sqlite__fail(sqlite3 *handle, int code, const char *label, mw_err *err);
mw_status mw_sqlite__exec(mw_sqlite *db, const char *sql, mw_err *err);
void mw_query_start(mw_query *query, mw_sqlite *db, const char *static_sql, mw_arena *arena,
                    mw_err *err);
void mw_query_text(mw_query *query,
                   const char *text); /* NULL binds NULL; text must outlive the query */
void mw_query_int(mw_query *query, int64_t value);
void mw_query_real(mw_query *query, double value);
bool mw_query_row(mw_query *query);             /* false: no more, or failed */
const char *mw_query_get_text(mw_query *query); /* NULL for NULL or no memory (then failed) */
int64_t mw_query_get_int(mw_query *query);
double mw_query_get_real(mw_query *query);
mw_status mw_query_end(mw_query *query); /* resets; the sticky status */
mw_status mw_query_run(mw_query *query,
                       int *n_changed); /* a statement without rows; n_changed or NULL */

/* Appends one zeroed item to a list that grows in the arena (doubling); NULL: no memory. */
void *mw_query_push(mw_query *query, void **items, size_t *n, size_t *capacity, size_t item_size);

/* Shared by the record files. */
mw_status mw_sqlite__org_ensure(mw_sqlite *db, const mw_ctx *ctx, const char *org, mw_err *err);
mw_status mw_sqlite__job_fenced(mw_sqlite *db, const mw_ctx *ctx, const char *id, int64_t fence,
                                mw_err *err);
mw_status mw_sqlite__job_succeed(mw_sqlite *db, const mw_ctx *ctx, const char *id, int64_t fence,
                                 const char *result, mw_err *err);

/* The functions of the table, by file. */
mw_status mw_sqlite__org_ensure_call(const mw_ctx *ctx, void *self, const char *org, mw_err *err);
mw_status mw_sqlite__org_exists(const mw_ctx *ctx, void *self, const char *org, bool *ret,
                                mw_err *err);
mw_status mw_sqlite__org_list(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                              mw_err *err);
mw_status mw_sqlite__config_put(const mw_ctx *ctx, void *self, const char *config, const char *hash,
                                int32_t *ret_version, mw_err *err);
mw_status mw_sqlite__config(const mw_ctx *ctx, void *self, mw_arena *arena, int32_t version,
                            mw_config_record *ret, mw_err *err);
mw_status mw_sqlite__segments(const mw_ctx *ctx, void *self, mw_arena *arena, const char *dataset,
                              mw_store_list *ret, mw_err *err);
mw_status mw_sqlite__dataset_list(const mw_ctx *ctx, void *self, mw_arena *arena,
                                  mw_store_list *ret, mw_err *err);
mw_status mw_sqlite__job_create(const mw_ctx *ctx, void *self, const mw_store_new_job *job,
                                mw_err *err);
mw_status mw_sqlite__job_claim(const mw_ctx *ctx, void *self, mw_arena *arena,
                               const mw_store_claim *claim, mw_job_record *ret, mw_err *err);
mw_status mw_sqlite__job_renew(const mw_ctx *ctx, void *self, const mw_store_renewal *renewal,
                               bool *canceled, mw_err *err);
mw_status mw_sqlite__job_finish(const mw_ctx *ctx, void *self, const mw_store_ending *ending,
                                mw_err *err);
mw_status mw_sqlite__job_get(const mw_ctx *ctx, void *self, mw_arena *arena, const char *id,
                             mw_job_record *ret, mw_err *err);
mw_status mw_sqlite__job_list(const mw_ctx *ctx, void *self, mw_arena *arena, int32_t limit,
                              mw_store_list *ret, mw_err *err);
mw_status mw_sqlite__job_running(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                                 mw_err *err);
mw_status mw_sqlite__job_cancel(const mw_ctx *ctx, void *self, const char *id, mw_err *err);
mw_status mw_sqlite__job_expire(const mw_ctx *ctx, void *self, const char *error, int32_t *n,
                                mw_err *err);
mw_status mw_sqlite__versions(const mw_ctx *ctx, void *self, mw_arena *arena, const char *model,
                              mw_store_list *ret, mw_err *err);
mw_status mw_sqlite__production(const mw_ctx *ctx, void *self, mw_arena *arena, const char *model,
                                mw_version_record *ret, mw_err *err);
mw_status mw_sqlite__commit(const mw_ctx *ctx, void *self, const mw_commit *commit, mw_err *err);
mw_status mw_sqlite__audit(const mw_ctx *ctx, void *self, const char *principal, const char *action,
                           const char *detail_json, mw_err *err);

#endif
