/*
 * sqlite_thread.c -- the thread that owns the connection, and group commit.
 *
 * Group commit (DeWitt et al., "Implementation techniques for main memory database systems", SIGMOD
 * 1984): all writes that wait while one fsync runs share the next. A savepoint around each keeps a
 * failing one from touching its neighbors. When the transaction as a whole is lost (disk full, I/O
 * error, COMMIT refused), each request is tried again alone, so that one cause costs one request.
 */

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "keep/store/sqlite.h"

static const char SQL_CHANGED[] = "UPDATE meta SET change = change + 1";

/* Prepared before the first request: giving up a transaction must not need memory. */
static const char SQL_READ[] = "BEGIN", SQL_WRITE[] = "BEGIN IMMEDIATE", SQL_COMMIT[] = "COMMIT",
                  SQL_ROLLBACK[] = "ROLLBACK", SQL_MARK[] = "SAVEPOINT request",
                  SQL_UNMARK[] = "RELEASE request", SQL_UNDO[] = "ROLLBACK TO request";

static mw_status step(mw_sqlite *db, const char *static_sql, mw_err *err) {
    mw_query query;
    mw_query_start(&query, &db->sql, static_sql, NULL, err);
    return mw_query_run(&query, NULL);
}

static mw_status prepare_steps(mw_sqlite *db, mw_err *err) {
    const char *const all[] = {SQL_READ, SQL_WRITE,  SQL_COMMIT, SQL_ROLLBACK,
                               SQL_MARK, SQL_UNMARK, SQL_UNDO,   SQL_CHANGED};
    mw_status status = MW_OK;
    for (size_t i = 0; status == MW_OK && i < sizeof all / sizeof *all; i++) {
        mw_query query;
        mw_query_start(&query, &db->sql, all[i], NULL, err);
        status = mw_query_end(&query);
    }
    return status;
}

static void rollback(mw_sqlite *db) {
    if (!sqlite3_get_autocommit(db->handle)) (void)step(db, SQL_ROLLBACK, NULL);
}

static mw_status begin(mw_sqlite *db, const char *static_sql, mw_err *err) {
    rollback(db); /* of a transaction that could not be rolled back when it failed */
    return step(db, static_sql, err);
}

static mw_status commit(mw_sqlite *db, bool changed, mw_err *err) {
    mw_status status = changed ? step(db, SQL_CHANGED, err) : MW_OK;
    if (status == MW_OK) status = step(db, SQL_COMMIT, err);
    return status;
}

static void run_read(mw_sqlite *db, mw_sqlite_request *request) {
    request->status = begin(db, SQL_READ, request->err);
    if (request->status != MW_OK) return;
    request->status = request->run(&db->sql, request->ctx, request->args, request->err);
    rollback(db);
}

static void run_alone(mw_sqlite *db, mw_sqlite_request *request) {
    request->status = begin(db, SQL_WRITE, request->err);
    if (request->status == MW_OK)
        request->status = request->run(&db->sql, request->ctx, request->args, request->err);
    if (request->status == MW_OK)
        request->status = commit(db, request->kind == MW_SQL_WRITE, request->err);
    rollback(db);
}

/* False: the whole transaction is gone, not only this request's part. */
static bool run_in_savepoint(mw_sqlite *db, mw_sqlite_request *request) {
    request->status = step(db, SQL_MARK, request->err);
    if (request->status != MW_OK) return false;
    request->status = request->run(&db->sql, request->ctx, request->args, request->err);
    if (sqlite3_get_autocommit(db->handle)) return false;
    if (request->status != MW_OK && step(db, SQL_UNDO, NULL) != MW_OK) return false;
    return step(db, SQL_UNMARK, NULL) == MW_OK;
}

/* True: everything that reports MW_OK is on disk. */
static bool run_together(mw_sqlite *db, mw_sqlite_request *writes) {
    if (begin(db, SQL_WRITE, NULL) != MW_OK) return false;
    bool changed = false, whole = true;
    for (mw_sqlite_request *r = writes; r && whole; r = r->next) {
        whole = run_in_savepoint(db, r);
        changed |= r->status == MW_OK && r->kind == MW_SQL_WRITE;
    }
    whole = whole && commit(db, changed, NULL) == MW_OK;
    rollback(db);
    return whole;
}

static void run_writes(mw_sqlite *db, mw_sqlite_request *writes) {
    if (writes->next && run_together(db, writes)) return;
    for (mw_sqlite_request *r = writes; r; r = r->next) {
        mw_err_clear(r->err);
        run_alone(db, r);
    }
}

static void wake_all(mw_sqlite *db, mw_sqlite_request *done) {
    pthread_mutex_lock(&db->mutex);
    while (done) {
        mw_sqlite_request *next =
            done->next; /* the request is its caller's again once done is seen */
        done->done = true;
        pthread_cond_signal(&done->wake);
        done = next;
    }
    pthread_mutex_unlock(&db->mutex);
}

static void serve(mw_sqlite *db, mw_sqlite_request *batch) {
    mw_sqlite_request *lists[2] = {NULL, NULL}, **ends[2] = {&lists[0], &lists[1]};
    while (batch) {
        mw_sqlite_request *next = batch->next;
        int which = batch->kind == MW_SQL_READ ? 0 : 1;
        batch->next = NULL;
        *ends[which] = batch;
        ends[which] = &batch->next;
        batch = next;
    }
    for (mw_sqlite_request *r = lists[0]; r; r = r->next) run_read(db, r);
    wake_all(db, lists[0]);
    if (!lists[1]) return;
    run_writes(db, lists[1]);
    wake_all(db, lists[1]);
}

static void *thread_main(void *arg) {
    mw_sqlite *db = arg;
    pthread_mutex_lock(&db->mutex);
    for (;;) {
        while (!db->first && !db->closing) pthread_cond_wait(&db->work, &db->mutex);
        mw_sqlite_request *batch = db->first;
        if (!batch) break;
        db->first = NULL;
        db->last = &db->first;
        db->n_waiting = 0;
        pthread_mutex_unlock(&db->mutex);
        serve(db, batch);
        pthread_mutex_lock(&db->mutex);
    }
    pthread_mutex_unlock(&db->mutex);
    return NULL;
}

mw_status mw_sqlite__start(mw_sqlite *db, mw_err *err) {
    mw_status status = prepare_steps(db, err);
    if (status != MW_OK) return status;
    db->last = &db->first;
    pthread_mutex_init(&db->mutex, NULL);
    pthread_cond_init(&db->work, NULL);
    int code = mw_thread_start(&db->thread, thread_main, db);
    if (code == 0) return MW_OK;
    pthread_mutex_destroy(&db->mutex);
    pthread_cond_destroy(&db->work);
    return mw_fail_errno(err, code, "cannot start the store's thread");
}

void mw_sqlite__stop(mw_sqlite *db) {
    pthread_mutex_lock(&db->mutex);
    db->closing = true;
    pthread_cond_signal(&db->work);
    pthread_mutex_unlock(&db->mutex);
    pthread_join(db->thread, NULL);
    pthread_mutex_destroy(&db->mutex);
    pthread_cond_destroy(&db->work);
}

mw_status mw_sqlite__call(void *self, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run,
                          void *args, mw_err *err) {
    mw_sqlite *db = self;
    mw_sqlite_request request = {.ctx = ctx, .kind = kind, .run = run, .args = args, .err = err};
    pthread_cond_init(&request.wake, NULL);
    pthread_mutex_lock(&db->mutex);
    if ((int64_t)db->n_waiting >= MW_LIMIT(STORE_QUEUE)) {
        pthread_mutex_unlock(&db->mutex);
        pthread_cond_destroy(&request.wake);
        mw_fail(err, MW_EBUSY, "too many requests wait for the store");
        return mw_err_hint(err, "try again in a moment");
    }
    *db->last = &request;
    db->last = &request.next;
    db->n_waiting++;
    pthread_cond_signal(&db->work);
    while (!request.done) pthread_cond_wait(&request.wake, &db->mutex);
    pthread_mutex_unlock(&db->mutex);
    pthread_cond_destroy(&request.wake);
    return request.status;
}
