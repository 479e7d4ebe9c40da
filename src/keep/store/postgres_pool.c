/*
 * postgres_pool.c -- opening a store in PostgreSQL, and requests: a connection, a transaction, and again when it was lost.
 */
#include <string.h>

#include "core/base/threads.h"
#include "keep/store/postgres.h"

enum { PAUSE_US = 2000, PAUSE_MAX_US = 200000 };

/* ---- connections ---- */

static mw_status make(mw_postgres *store, mw_postgres_connection **ret, mw_err *err) {
    mw_postgres_connection *c = mw_calloc(store->mem, 1, sizeof *c);
    if (!c) {
        pthread_mutex_lock(&store->mutex);
        store->n_connections--;
        pthread_mutex_unlock(&store->mutex);
        return mw_fail_nomem(err, "a connection to the store");
    }
    c->sql.driver = &mw_sql__postgres;
    c->store = store;
    *ret = c;
    return MW_OK;
}

static mw_status take(mw_postgres *store, mw_postgres_connection **ret, mw_err *err) {
    const int64_t end_us = mw_clock_monotonic(&mw_clock_system) + MW_POSTGRES_PATIENCE_US;
    bool in_time = true;
    pthread_mutex_lock(&store->mutex);
    while (in_time && !store->idle && store->n_connections == MW_POSTGRES_POOL)
        in_time = mw_cond_wait_us(&store->given_back, &store->mutex,
                                  end_us - mw_clock_monotonic(&mw_clock_system));
    mw_postgres_connection *c = store->idle;
    const bool room = store->n_connections < MW_POSTGRES_POOL;
    if (c)
        store->idle = c->next;
    else if (room)
        store->n_connections++;
    pthread_mutex_unlock(&store->mutex);
    *ret = c;
    if (c) return MW_OK;
    if (room) return make(store, ret, err);
    mw_fail(err, MW_EBUSY, "all %d connections to the store %s are taken", MW_POSTGRES_POOL,
            store->label);
    mw_err_hint(err, "try again in a moment");
    return MW_EBUSY;
}

static void give_back(mw_postgres *store, mw_postgres_connection *c) {
    pthread_mutex_lock(&store->mutex);
    c->next = store->idle;
    store->idle = c;
    pthread_cond_signal(&store->given_back);
    pthread_mutex_unlock(&store->mutex);
}

void mw_postgres__distrust(mw_postgres *store) {
    pthread_mutex_lock(&store->mutex);
    mw_postgres_connection *all = store->idle, *last = NULL;
    store->idle = NULL;
    pthread_mutex_unlock(&store->mutex);
    for (mw_postgres_connection *c = all; c; c = c->next) {
        mw_postgres__disconnect(c);
        last = c;
    }
    if (!last) return;
    pthread_mutex_lock(&store->mutex);
    last->next = store->idle;
    store->idle = all;
    pthread_cond_broadcast(&store->given_back);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- requests ---- */

typedef struct request {
    const mw_ctx *ctx;
    mw_sql_kind kind;
    mw_sql_fn run;
    void *args;
} request;

static const char *const begins[] = {[MW_SQL_READ] =
                                         "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                     [MW_SQL_WRITE] = "BEGIN",
                                     [MW_SQL_QUIET] = "BEGIN"};

/* Idle again, or disconnected. */
static void roll_back(mw_postgres_connection *c) {
    if (!c->handle || mw_pq.PQtransactionStatus(c->handle) == PQTRANS_IDLE) return;
    const bool again = c->again;
    if (mw_postgres__exec(c, "ROLLBACK", NULL) != MW_OK) mw_postgres__disconnect(c);
    c->again = again;
}

/* By the clock of the connection; 0: what changes something runs to its end. */
static int64_t deadline_of(const request *r) {
    const int64_t deadline_us =
        r->kind == MW_SQL_READ && r->ctx->cancel ? atomic_load(&r->ctx->cancel->deadline_us) : 0;
    if (!deadline_us) return 0;
    return mw_clock_monotonic(&mw_clock_system) + deadline_us - mw_clock_monotonic(r->ctx->clock);
}

static mw_status commit(mw_postgres_connection *c, const request *r, mw_err *err) {
    mw_status status = mw_postgres__exec(c, "COMMIT", err);
    if (status == MW_EBUSY && !c->handle && !c->again && r->kind != MW_SQL_READ)
        mw_err_hint(err, "whether the change counts will be seen when the store answers");
    return status;
}

static mw_status run_once(mw_postgres *store, mw_postgres_connection *c, const request *r,
                          mw_err *err) {
    c->again = false;
    mw_status status = c->handle ? MW_OK : mw_postgres__connect(store, c, err);
    c->deadline_us = deadline_of(r);
    if (status == MW_OK) status = mw_postgres__exec(c, begins[r->kind], err);
    if (status == MW_OK) status = r->run(&c->sql, r->ctx, r->args, err);
    if (status == MW_OK) status = commit(c, r, err);
    c->deadline_us = 0;
    roll_back(c);
    return status;
}

static mw_status postgres_call(void *self, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run,
                               void *args, mw_err *err) {
    mw_postgres *store = self;
    const request r = {ctx, kind, run, args};
    mw_postgres_connection *c;
    mw_status status = take(store, &c, err);
    if (status != MW_OK) return status;
    const int64_t begun = mw_clock_monotonic(&mw_clock_system);
    int64_t pause = PAUSE_US;
    status = run_once(store, c, &r, err);
    for (int i = 0; status != MW_OK && c->again && i < MW_POSTGRES_RERUNS; i++) {
        if (mw_clock_monotonic(&mw_clock_system) - begun > MW_POSTGRES_PATIENCE_US) break;
        mw_clock_sleep(&mw_clock_system, pause);
        if (pause < PAUSE_MAX_US) pause *= 2;
        mw_err_clear(err);
        status = run_once(store, c, &r, err);
    }
    give_back(store, c);
    if (status == MW_OK && kind == MW_SQL_WRITE) mw_postgres__tell(store);
    return status;
}

/* ---- life ---- */

static void free_address(mw_postgres *store) {
    mw_free((void *)store->keywords);
    mw_free((void *)store->values);
    if (store->options) mw_pq.PQconninfoFree(store->options);
}

static mw_status read_address(mw_postgres *store, const char *location, mw_err *err) {
    /* What the address itself does not say: outages are noticed, and each process is known by its name. */
    static const char *const ours[][2] = {{"fallback_application_name", "millwright"},
                                          {"connect_timeout", "3"},
                                          {"keepalives_idle", "10"},
                                          {"keepalives_interval", "3"},
                                          {"keepalives_count", "3"},
                                          {"tcp_user_timeout", "10000"}};
    enum { N_OURS = sizeof ours / sizeof *ours };
    char *reason = NULL;
    const char *host = "", *database = "";
    size_t n = 0;
    store->options = mw_pq.PQconninfoParse(location, &reason);
    if (!store->options) {
        mw_pq.PQfreemem(reason); /* it may quote a password */
        mw_fail(err, MW_EINVAL, "the store's address cannot be read");
        return mw_err_hint(err, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE");
    }
    while (store->options[n].keyword) n++;
    store->keywords = mw_calloc(store->mem, n + N_OURS + 1, sizeof *store->keywords);
    store->values = mw_calloc(store->mem, n + N_OURS + 1, sizeof *store->values);
    if (!store->keywords || !store->values) return mw_fail_nomem(err, "the store's address");
    size_t k = 0;
    for (size_t i = 0; i < N_OURS; i++, k++) {
        store->keywords[k] = ours[i][0];
        store->values[k] = ours[i][1];
    }
    for (const PQconninfoOption *o = store->options; o->keyword; o++) {
        if (!o->val) continue;
        store->keywords[k] = o->keyword;
        store->values[k++] = o->val; /* a later one counts */
        if (strcmp(o->keyword, "host") == 0) host = o->val;
        if (strcmp(o->keyword, "dbname") == 0) database = o->val;
    }
    mw_str_copy(store->label, sizeof store->label / 2, mw_str_of(host));
    const size_t at = strlen(store->label);
    store->label[at] = '/';
    mw_str_copy(store->label + at + 1, sizeof store->label - at - 1, mw_str_of(database));
    return MW_OK;
}

static mw_status migrate(mw_postgres *store, mw_err *err) {
    mw_postgres_connection *c;
    mw_status status = take(store, &c, err);
    if (status != MW_OK) return status;
    status = mw_postgres__connect(store, c, err);
    if (status == MW_OK) status = mw_postgres__migrate(c, err);
    if (c->handle) roll_back(c);
    give_back(store, c);
    return status;
}

static void free_store(mw_postgres *store) {
    while (store->idle) {
        mw_postgres_connection *next = store->idle->next;
        mw_postgres__disconnect(store->idle);
        mw_free(store->idle);
        store->idle = next;
    }
    free_address(store);
    pthread_mutex_destroy(&store->mutex);
    pthread_mutex_destroy(&store->watch_mutex);
    pthread_cond_destroy(&store->given_back);
    mw_free(store);
}

static mw_status postgres_open(const mw_ctx *ctx, const char *location, void **ret, mw_err *err) {
    mw_status status = mw_postgres__load(err);
    if (status != MW_OK) return status;
    mw_postgres *store = mw_calloc(ctx->mem, 1, sizeof *store);
    if (!store) return mw_fail_nomem(err, "the store");
    store->mem = ctx->mem;
    store->wake_fd = -1;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->watch_mutex, NULL);
    mw_cond_init(&store->given_back);
    status = read_address(store, location, err);
    if (status == MW_OK) status = migrate(store, err);
    if (status == MW_OK) status = mw_postgres__listen(store, err);
    if (status != MW_OK) {
        free_store(store);
        return status;
    }
    *ret = store;
    return MW_OK;
}

static void postgres_close(void *self) {
    mw_postgres *store = self;
    mw_postgres__stop_listening(store);
    free_store(store);
}

static uint64_t change_counter(void *self) {
    mw_postgres *store = self;
    return atomic_load(&store->change);
}

static void on_change(void *self, void (*changed)(void *arg), void *arg) {
    mw_postgres *store = self;
    pthread_mutex_lock(&store->watch_mutex);
    store->on_change = changed;
    store->on_change_arg = arg;
    pthread_mutex_unlock(&store->watch_mutex);
}

/* synchronous_commit is what the database would have: our connections set it to on. */
#define IS_ON(name) "CAST(CASE WHEN (" name ") IN ('off', 'local') THEN 0 ELSE 1 END AS BIGINT)"
static const char FACTS[] =
    "SELECT current_setting('server_version'), " IS_ON("current_setting('fsync')") ", " IS_ON(
        "current_setting('full_page_writes')") ", " IS_ON("SELECT reset_val FROM pg_settings WHERE "
                                                          "name = 'synchronous_commit'") ","
                                                                                         " CAST("
                                                                                         "current_"
                                                                                         "setting('"
                                                                                         "max_"
                                                                                         "connectio"
                                                                                         "ns') AS "
                                                                                         "BIGINT)"
                                                                                         " - "
                                                                                         "CAST("
                                                                                         "current_"
                                                                                         "setting('"
                                                                                         "superuser"
                                                                                         "_reserved"
                                                                                         "_connecti"
                                                                                         "ons') AS "
                                                                                         "BIGINT),"
                                                                                         " (SELECT "
                                                                                         "count(*) "
                                                                                         "FROM "
                                                                                         "pg_stat_"
                                                                                         "activity "
                                                                                         "WHERE "
                                                                                         "backend_"
                                                                                         "type = "
                                                                                         "'client "
                                                                                         "backend'"
                                                                                         ")";

const mw_sql_driver mw_sql__postgres = {
    .name = "postgresql",
    .facts_sql = FACTS,
    .prefix = "postgres", /* postgres://, postgresql:// */
    .open = postgres_open,
    .close = postgres_close,
    .schema_version = mw_postgres__newest_schema,
    .change_counter = change_counter,
    .on_change = on_change,
    .call = postgres_call,
    .prepare = mw_postgres__prepare,
    .bind = mw_postgres__bind,
    .step = mw_postgres__step,
    .column = mw_postgres__column,
    .reset = mw_postgres__reset,
    .changed = mw_postgres__changed,
};
