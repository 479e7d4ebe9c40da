/*
 * postgres.h -- inside the PostgreSQL driver: a pool of connections, statements, and what tells of changes.
 *
 * Pool      a request takes a connection, runs in a transaction of its own and gives it back; PostgreSQL's group commit joins the fsyncs of those that run
 *           side by side. At most MW_POSTGRES_POOL connections; the rest wait.
 * Again     a transaction that was lost to another one (40001, 40P01), or with its connection before COMMIT was sent, runs again. One whose COMMIT was not
 *           answered runs again, too: ids and fences make the second run harmless or refuse it.
 * Outage    a request tries to connect for MW_POSTGRES_PATIENCE_US, then fails with MW_EBUSY.
 * Silence   a server that is frozen, or a network that swallows, keeps connections open and says nothing. Whoever hears nothing for mw_postgres__silence_us,
 *           or has no whole answer after MW_POSTGRES_ANSWER_US, or (reading) at the operation's deadline, drops the connection and those that lie idle, and
 *           fails with MW_EBUSY. PostgreSQL itself ends statements sooner (SETTINGS), so only one that does not answer at all is given up this way. What
 *           a COMMIT did that was not answered is not known: it may still count when the server goes on, so nothing runs again, and the fence decides.
 * Changes   NOTIFY millwright, at most one each few milliseconds from a process, on a connection of its own that also listens.
 * libpq     is loaded when the first store is opened: it brings 22 libraries along, which would cost each worker 4 ms.
 */
#ifndef MW_KEEP_STORE_POSTGRES_H
#define MW_KEEP_STORE_POSTGRES_H

#include <libpq-fe.h>
#include <pthread.h>

#include "keep/store/sql.h"

enum {
    MW_POSTGRES_POOL = 16,
    MW_POSTGRES_STATEMENTS = 96,
    MW_POSTGRES_PARAMS = 64,
    MW_POSTGRES_RERUNS = 20,
    MW_POSTGRES_PATIENCE_US = 5000000,
    MW_POSTGRES_SILENCE_US = 10000000,
    MW_POSTGRES_ANSWER_US = 60000000,
    MW_POSTGRES_MIGRATION_US = 1800000000
};

extern int64_t mw_postgres__silence_us; /* how long a server may say nothing; tests lower it */

/* ---- postgres_lib.c: libpq's functions, by name ---- */

/* clang-format off */
#define MW_POSTGRES_LIB(X) \
    X(PQconnectdbParams) X(PQconninfoParse) X(PQconninfoFree) X(PQfinish) X(PQstatus) \
    X(PQerrorMessage) X(PQsocket) X(PQsendQuery) X(PQsendPrepare) X(PQsendQueryPrepared) \
    X(PQsetnonblocking) X(PQflush) X(PQisBusy) X(PQgetResult) X(PQresultStatus) \
    X(PQresultErrorField) X(PQclear) X(PQntuples) X(PQgetisnull) X(PQgetvalue) \
    X(PQgetlength) X(PQcmdTuples) X(PQnotifies) X(PQconsumeInput) X(PQfreemem) \
    X(PQbackendPID) X(PQtransactionStatus) X(PQsetNoticeProcessor) X(PQserverVersion)
/* clang-format on */

typedef struct mw_postgres_lib {
#define MW_X(name) __typeof__(&name) name;
    MW_POSTGRES_LIB(MW_X)
#undef MW_X
} mw_postgres_lib;

extern mw_postgres_lib mw_pq;             /* once loaded */
mw_status mw_postgres__load(mw_err *err); /* any thread, any number of times */

/* ---- a connection ---- */

typedef struct mw_postgres_statement {
    const char *sql; /* static text: its address is the key; NULL: unused */
    bool prepared;
    int n_params;
    Oid types[MW_POSTGRES_PARAMS];
    const char *values[MW_POSTGRES_PARAMS];
    char numbers[MW_POSTGRES_PARAMS][40];
    PGresult *result;
    int row; /* the next one */
} mw_postgres_statement;

typedef struct mw_postgres_connection {
    mw_sql sql;
    struct mw_postgres *store;
    PGconn *handle; /* NULL: not connected */
    mw_postgres_statement statements[MW_POSTGRES_STATEMENTS];
    bool again;   /* the transaction was lost: it may succeed when it runs again */
    bool patient; /* runs statements that are long at work: MW_POSTGRES_MIGRATION_US ends them */
    int64_t deadline_us; /* of the operation that reads; monotonic, 0: none */
    struct mw_postgres_connection *next;
} mw_postgres_connection;

typedef struct mw_postgres {
    mw_mem *mem;
    char label[160];                 /* host and database, for messages */
    const char **keywords, **values; /* of PQconnectdbParams; values hold a password */
    PQconninfoOption *options;       /* they point into it */

    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t given_back;
    mw_postgres_connection *idle;
    int n_connections;

    pthread_t listener;
    mw_postgres_connection *hearing; /* its own */
    bool listens, closing;
    int wake_fd;
    bool changed; /* to be told */
    _Atomic uint64_t change;
    void (*on_change)(void *arg);
    void *on_change_arg;
    pthread_mutex_t watch_mutex; /* of on_change */
} mw_postgres;

/* postgres_connection.c */
mw_status mw_postgres__connect(mw_postgres *store, mw_postgres_connection *connection, mw_err *err);
void mw_postgres__disconnect(mw_postgres_connection *connection);
/*
 * mw_postgres__answer -- the last result of what was just sent, or its first failure.
 *
 *   sent   what PQsend... returned
 *   ret    owned by the caller; NULL when there is none
 * Errors    MW_EBUSY: no answer in time; the connection is gone then. What PostgreSQL says is in the result.
 */
mw_status mw_postgres__answer(mw_postgres_connection *connection, int sent, PGresult **ret,
                              mw_err *err);
/* A statement without parameters and rows. */
mw_status mw_postgres__exec(mw_postgres_connection *connection, const char *sql, mw_err *err);
/* Connections that lie idle are made anew: the server they lead to has gone silent. */
void mw_postgres__distrust(mw_postgres *store);
/* The status of a failed result; sets connection->again. */
mw_status mw_postgres__fail(mw_postgres_connection *connection, const PGresult *result,
                            mw_err *err);

/* postgres_statement.c */
mw_status mw_postgres__prepare(mw_sql *sql, const char *static_sql, void **ret, mw_err *err);
mw_status mw_postgres__bind(mw_sql *sql, void *statement, int at, const mw_sql_value *value,
                            mw_err *err);
mw_status mw_postgres__step(mw_sql *sql, void *statement, bool *ret_row, mw_err *err);
mw_status mw_postgres__column(mw_sql *sql, void *statement, int at, mw_sql_type wanted,
                              mw_sql_value *ret, mw_err *err);
void mw_postgres__reset(mw_sql *sql, void *statement);
int mw_postgres__changed(mw_sql *sql, void *statement);
/* "?" and "?N" become "$N", comments that begin with "pg " become text. size: of out, larger than sql by half at least. */
bool mw_postgres__translate(const char *sql, char *out, size_t size);

/* postgres_schema.c */
int mw_postgres__newest_schema(void);
extern int mw_postgres__schema_most; /* that version; tests lower it to be an older program */
mw_status mw_postgres__migrate(mw_postgres_connection *connection, mw_err *err);

/* postgres_listen.c */
mw_status mw_postgres__listen(mw_postgres *store, mw_err *err);
void mw_postgres__stop_listening(mw_postgres *store);
void mw_postgres__tell(mw_postgres *store); /* that something has changed */

#endif
