/*
 * sql.h -- inside the store: records as SQL statements, over a driver that has a database.
 *
 * What      sql_*.c turn records into statements that every driver understands; a driver opens its database, runs requests in transactions and
 *           moves values. So there is one text for each statement, and both stores do the same.
 *           What needs no check stands there under its name in store.h; the rest is declared below for store.c.
 * Dialect   "?" and "?N" are parameters. What stands in a comment that begins with "pg " is there for PostgreSQL only: row locks, which SQLite does not
 *           need because it has one writer.
 * Rule      a request may run twice (its transaction was lost and it is tried again), so it starts by resetting what it writes and writes nothing
 *           outside its arguments.
 * Threads   mw_sql__call from any thread; it blocks until the change is durable.
 */
#ifndef MW_KEEP_STORE_SQL_H
#define MW_KEEP_STORE_SQL_H

#include <pthread.h>

#include "keep/store/store.h"

typedef struct mw_sql_driver mw_sql_driver;

/* A connection with a transaction open: the first member of a driver's own. */
typedef struct mw_sql {
    const mw_sql_driver *driver;
} mw_sql;

/* Jobs that an organization may be given before those that wait are counted again: counting takes a while when they are many. */
typedef struct mw_store_room {
    char org[72];
    int64_t n_more, until_us; /* monotonic */
} mw_store_room;

enum { MW_STORE_ROOMS = 64 };

struct mw_store {
    const mw_sql_driver *driver;
    void *self;            /* the driver's */
    pthread_mutex_t mutex; /* of rooms */
    mw_store_room rooms[MW_STORE_ROOMS];
    mw_store_meter meter;
    char home[MW_STORE_HOME];    /* "": none */
    _Atomic uint64_t n_changes;  /* of this handle, and those that the driver's counter told of */
    _Atomic uint64_t asked;      /* that counter */
    _Atomic int64_t asked_us;    /* ... when; monotonic, 0: never */
    pthread_mutex_t write_mutex; /* of on_write */
    void (*on_write)(void *arg);
    void *on_write_arg;
};

typedef enum mw_sql_kind {
    MW_SQL_READ = MW_STORE_READ,
    MW_SQL_WRITE = MW_STORE_WRITE, /* counts as a change: caches look again */
    MW_SQL_QUIET = MW_STORE_QUIET  /* a write nobody caches: lease, progress, ping, audit */
} mw_sql_kind;

typedef mw_status (*mw_sql_fn)(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err);

typedef enum mw_sql_type { MW_SQL_NULL, MW_SQL_TEXT, MW_SQL_INT, MW_SQL_REAL } mw_sql_type;

typedef struct mw_sql_value {
    mw_sql_type type;
    mw_str text; /* NUL-terminated; a column's lives until the next step */
    int64_t integer;
    double real;
} mw_sql_value;

struct mw_sql_driver {
    const char *name;
    const char *prefix; /* of the location; "" takes every location that looks like a path */
    mw_status (*open)(const mw_ctx *ctx, const char *location, void **ret, mw_err *err);
    void (*close)(void *self);
    int (*schema_version)(void);
    uint64_t (*change_counter)(void *self);
    /* Calls changed(arg) from a thread of the driver when other processes may have changed something; NULL: callers poll the counter. */
    void (*on_change)(void *self, void (*changed)(void *arg), void *arg);
    const char *
        facts_sql; /* one row: version, fsync, full_page_writes, synchronous_commit, connections_most, connections_used */
    mw_status (*copy)(void *self, const mw_ctx *ctx, const char *path,
                      mw_err *err); /* see mw_store_copy; NULL: it cannot */
    /* Runs the request in a transaction and returns when that is durable. */
    mw_status (*call)(void *self, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run, void *args,
                      mw_err *err);
    /* Statements are kept: the address of their static text is the key. */
    mw_status (*prepare)(mw_sql *db, const char *static_sql, void **ret, mw_err *err);
    /* at: 1, 2, ... A text must live until the reset. */
    mw_status (*bind)(mw_sql *db, void *statement, int at, const mw_sql_value *value, mw_err *err);
    mw_status (*step)(mw_sql *db, void *statement, bool *ret_row, mw_err *err);
    /* at: 0, 1, ... The value as wanted, or of type NULL. MW_ENOMEM. */
    mw_status (*column)(mw_sql *db, void *statement, int at, mw_sql_type wanted, mw_sql_value *ret,
                        mw_err *err);
    void (*reset)(mw_sql *db, void *statement);
    int (*changed)(mw_sql *db, void *statement); /* rows, by the last step */
};

extern const mw_sql_driver mw_sql__sqlite, mw_sql__postgres;
extern mw_mem mw_sql__sqlite_mem; /* SQLite's own allocations */

mw_status mw_sql__call(mw_store *store, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run,
                       void *args, mw_err *err);

/* ---- sql_query.c: a statement with sequential binding and reading; the first failure sticks ---- */

typedef struct mw_query {
    mw_sql *db;
    void *statement;
    mw_err *err;
    mw_arena *arena; /* where texts are copied to */
    int at;          /* next parameter, then next column */
    mw_status status;
} mw_query;

void mw_query_start(mw_query *query, mw_sql *db, const char *static_sql, mw_arena *arena,
                    mw_err *err);
/* NULL binds NULL; the text must outlive the query. */
void mw_query_text(mw_query *query, const char *text);
void mw_query_int(mw_query *query, int64_t value);
void mw_query_real(mw_query *query, double value);
bool mw_query_row(mw_query *query);             /* false: no more, or failed */
const char *mw_query_get_text(mw_query *query); /* NULL for NULL or no memory (then failed) */
void mw_query_copy_text(mw_query *query, char *out, size_t size); /* cut to size - 1 bytes */
int64_t mw_query_get_int(mw_query *query);
double mw_query_get_real(mw_query *query);
mw_status mw_query_end(mw_query *query); /* resets; the sticky status */
/* A statement without rows; n_changed or NULL. */
mw_status mw_query_run(mw_query *query, int *n_changed);

/* Appends one zeroed item to a list that grows in the arena (doubling); NULL: no memory. */
void *mw_query_push(mw_query *query, void **items, size_t *n, size_t *capacity, size_t item_size);

/* ---- shared by the record files ---- */

mw_status mw_sql__org_ensure(mw_sql *db, const mw_ctx *ctx, const char *org, mw_err *err);
mw_status mw_sql__audit_add(mw_sql *db, const mw_ctx *ctx, const char *principal,
                            const char *action, const char *detail, mw_err *err);
/* Until the transaction ends, others that call this for ctx->org wait. */
mw_status mw_sql__org_lock(mw_sql *db, const mw_ctx *ctx, mw_err *err);
mw_status mw_sql__job_fenced(mw_sql *db, const mw_ctx *ctx, const char *id, int64_t fence,
                             mw_err *err);
mw_status mw_sql__job_succeed(mw_sql *db, const mw_ctx *ctx, const char *id, int64_t fence,
                              const char *result, mw_err *err);

/* ---- what store.c calls once arguments are checked; by file. Outputs are written only on MW_OK; strings live in the caller's arena ---- */

typedef struct mw_store_list {
    const void *items; /* in the arena */
    size_t n;
} mw_store_list;

typedef struct mw_store_claim {
    const char *id; /* NULL: the next one of any organization; else this one of ctx->org */
    const char *worker;
    int64_t lease_us;
} mw_store_claim;

typedef struct mw_store_ending {
    const char *id;
    int64_t fence;
    mw_job_state state; /* RETRY: or FAILURE when no attempt is left, or REVOKED when canceled */
    bool released;      /* RETRY at once, and the attempt does not count */
    const char *result;
    const char *error;
} mw_store_ending;

typedef struct mw_store_lease {
    const char *name, *holder;
    int64_t lease_us, fence;
} mw_store_lease;

/* sql_record.c */
mw_status mw_sql__org_ensure_call(const mw_ctx *ctx, mw_store *store, const char *org, mw_err *err);
mw_status mw_sql__org_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, mw_store_list *ret,
                           mw_err *err);
mw_status mw_sql__segments(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *dataset,
                           mw_store_list *ret, mw_err *err);
mw_status mw_sql__dataset_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               mw_store_list *ret, mw_err *err);
mw_status mw_sql__versions(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *model,
                           mw_store_list *ret, mw_err *err);
mw_status mw_sql__audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                        const char *action, const char *detail_json, mw_err *err);
mw_status mw_sql__audit_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             int64_t before_seq, int32_t limit, mw_store_list *ret, mw_err *err);
/* sql_config.c */
mw_status mw_sql__config_put(const mw_ctx *ctx, mw_store *store, int32_t over, const char *config,
                             const char *hash, int32_t *ret_version, mw_err *err);
/* sql_key.c */
mw_status mw_sql__key_create(const mw_ctx *ctx, mw_store *store, const mw_key_record *key,
                             mw_err *err);
mw_status mw_sql__key_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *org,
                           mw_store_list *ret, mw_err *err);
/* sql_commit.c */
mw_status mw_sql__commit(const mw_ctx *ctx, mw_store *store, const mw_commit *commit, mw_err *err);
/* sql_job.c */
/* ids: [max(job->copies, 1)]. ret_waiting: how many waited in the organization, which is checked; NULL: it is not. */
mw_status mw_sql__job_create(const mw_ctx *ctx, mw_store *store, const mw_job_new *job,
                             const char (*ids)[32], const char *audit_detail, int64_t *ret_waiting,
                             mw_err *err);
mw_status mw_sql__job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                           const mw_job_filter *filter, mw_store_list *ret, mw_err *err);
mw_status mw_sql__job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              bool only_stopping, mw_store_list *ret, mw_err *err);
/* sql_queue.c */
mw_status mw_sql__job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const mw_store_claim *claim, mw_job_record *ret, mw_err *err);
mw_status mw_sql__job_claim_some(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                 const mw_job_want *want, mw_store_list *ret, mw_err *err);
mw_status mw_sql__job_renew(const mw_ctx *ctx, mw_store *store, const mw_job_renewal *renewal,
                            bool *canceled, mw_err *err);
mw_status mw_sql__job_finish(const mw_ctx *ctx, mw_store *store, const mw_store_ending *ending,
                             mw_err *err);
mw_status mw_sql__job_end_all(const mw_ctx *ctx, mw_store *store, mw_job_end *ends, size_t n,
                              mw_err *err);
mw_status mw_sql__job_expire(const mw_ctx *ctx, mw_store *store, const char *error, int32_t *n,
                             mw_err *err);
/* sql_schedule.c */
/* new_id: of the one that is made; NULL: the one of schedule->id is replaced. */
mw_status mw_sql__schedule_put(const mw_ctx *ctx, mw_store *store,
                               const mw_schedule_record *schedule, const char *new_id, mw_err *err);
mw_status mw_sql__schedule_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                mw_store_list *ret, mw_err *err);
mw_status mw_sql__schedule_due(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_schedule_window *window, mw_store_list *ret, mw_err *err);
/* job_id: of the job to be made; ret_waiting as in mw_sql__job_create. */
mw_status mw_sql__schedule_fire(const mw_ctx *ctx, mw_store *store, const mw_firing *firing,
                                const char *job_id, int64_t *ret_waiting, mw_err *err);
/* sql_lease.c */
mw_status mw_sql__lease_take(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                             int64_t *ret_fence, mw_err *err);
mw_status mw_sql__lease_renew(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                              mw_err *err);
mw_status mw_sql__lease_release(const mw_ctx *ctx, mw_store *store, const mw_store_lease *lease,
                                mw_err *err);

#endif
