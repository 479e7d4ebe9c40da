/* sql_query.c -- statements with sequential binding and reading, over any driver; the first failure sticks. */
#include <string.h>

#include "keep/store/sql.h"

/* What the store did as it should: it looked, and said no. */
static bool is_refusal(mw_status status) {
    return status == MW_ENOTFOUND || status == MW_ECONFLICT || status == MW_ECANCELED ||
           status == MW_EINVAL || status == MW_ETOOLARGE || status == MW_ECHANGED;
}

static void tell_written(mw_store *store) {
    pthread_mutex_lock(&store->write_mutex);
    if (store->on_write) store->on_write(store->on_write_arg);
    pthread_mutex_unlock(&store->write_mutex);
}

mw_status mw_sql__call(mw_store *store, const mw_ctx *ctx, mw_sql_kind kind, mw_sql_fn run,
                       void *args, mw_err *err) {
    const int64_t begun_us = mw_clock_monotonic(&mw_clock_system);
    const mw_status status = store->driver->call(store->self, ctx, kind, run, args, err);
    mw_durations_add(&store->meter.latency[kind], mw_clock_monotonic(&mw_clock_system) - begun_us);
    if (status != MW_OK && !is_refusal(status))
        atomic_fetch_add_explicit(&store->meter.failed[status], 1, memory_order_relaxed);
    if (status == MW_OK && kind == MW_SQL_WRITE) atomic_fetch_add(&store->n_changes, 1);
    if (status == MW_OK && kind != MW_SQL_READ) tell_written(store);
    return status;
}

void mw_query_start(mw_query *query, mw_sql *db, const char *static_sql, mw_arena *arena,
                    mw_err *err) {
    *query = (mw_query){.db = db, .arena = arena, .err = err, .at = 1};
    query->status = db->driver->prepare(db, static_sql, &query->statement, err);
}

static void bind(mw_query *query, const mw_sql_value *value) {
    if (query->status != MW_OK) return;
    query->status =
        query->db->driver->bind(query->db, query->statement, query->at++, value, query->err);
}

void mw_query_text(mw_query *query, const char *text) {
    bind(query, &(mw_sql_value){.type = MW_SQL_TEXT, .text = {text, text ? strlen(text) : 0}});
}

void mw_query_int(mw_query *query, int64_t value) {
    bind(query, &(mw_sql_value){.type = MW_SQL_INT, .integer = value});
}

void mw_query_real(mw_query *query, double value) {
    bind(query, &(mw_sql_value){.type = MW_SQL_REAL, .real = value});
}

bool mw_query_row(mw_query *query) {
    bool row = false;
    if (query->status != MW_OK) return false;
    query->at = 0;
    query->status = query->db->driver->step(query->db, query->statement, &row, query->err);
    return query->status == MW_OK && row;
}

/* Of type NULL after a failure, too. */
static mw_sql_value get(mw_query *query, mw_sql_type wanted) {
    mw_sql_value value = {0};
    if (query->status == MW_OK)
        query->status = query->db->driver->column(query->db, query->statement, query->at++, wanted,
                                                  &value, query->err);
    return query->status == MW_OK ? value : (mw_sql_value){0};
}

const char *mw_query_get_text(mw_query *query) {
    const mw_sql_value value = get(query, MW_SQL_TEXT);
    if (value.type == MW_SQL_NULL) return NULL;
    char *copy = mw_arena_strndup(query->arena, value.text.data, value.text.size);
    if (!copy) query->status = mw_fail_nomem(query->err, "records");
    return copy;
}

void mw_query_copy_text(mw_query *query, char *out, size_t size) {
    const mw_sql_value value = get(query, MW_SQL_TEXT);
    mw_str_copy(out, size, value.type == MW_SQL_NULL ? (mw_str){"", 0} : value.text);
}

int64_t mw_query_get_int(mw_query *query) { return get(query, MW_SQL_INT).integer; }

double mw_query_get_real(mw_query *query) { return get(query, MW_SQL_REAL).real; }

mw_status mw_query_end(mw_query *query) {
    if (query->statement) query->db->driver->reset(query->db, query->statement);
    return query->status;
}

mw_status mw_query_run(mw_query *query, int *n_changed) {
    while (mw_query_row(query)) {
    }
    if (n_changed)
        *n_changed =
            query->status == MW_OK ? query->db->driver->changed(query->db, query->statement) : 0;
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
