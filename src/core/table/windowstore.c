/* windowstore.c -- see windowstore.h. */
#include "core/table/windowstore.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "core/table/columns.h"
#include "core/table/order.h"

/* A block's values are about a megabyte, so that many columns do not make a block of few windows large. */
enum { BLOCK_BYTES = 1 << 20, BLOCK_WINDOWS_MIN = 16, BLOCK_WINDOWS_MAX = 4096 };

typedef struct block {
    int64_t *time;   /* [block_windows] */
    int32_t *device; /* [block_windows] */
    double *values;  /* by column: [MW_AGG_N][block_windows], or [block_windows] where single */
    size_t *at;      /* [n_columns] where the column starts in values */
    bool *single;    /* [n_columns] */
} block;

typedef struct totals {
    int64_t n_values, n_windows; /* values; windows that have any */
} totals;

struct mw_window_store {
    const mw_ctx *ctx;
    int32_t n_columns;
    int64_t block_windows, n;
    block *blocks; /* [n_blocks] */
    int64_t n_blocks, n_packed, capacity;
    totals *totals; /* [n_columns] */
};

/* ---- filling ---- */

mw_status mw_window_store_new(const mw_ctx *ctx, int32_t n_columns, mw_window_store **ret,
                              mw_err *err) {
    mw_window_store *store = mw_calloc(ctx->mem, 1, sizeof *store);
    if (!store) return mw_fail_nomem(err, "the windows of a table");
    store->ctx = ctx;
    store->n_columns = n_columns;
    int64_t windows = BLOCK_BYTES / ((int64_t)sizeof(double) * MW_AGG_N * (n_columns + 1));
    store->block_windows = windows < BLOCK_WINDOWS_MIN   ? BLOCK_WINDOWS_MIN
                           : windows > BLOCK_WINDOWS_MAX ? BLOCK_WINDOWS_MAX
                                                         : windows;
    store->totals = mw_calloc(ctx->mem, (size_t)n_columns + 1, sizeof *store->totals);
    if (!store->totals) {
        mw_free(store);
        return mw_fail_nomem(err, "the windows of a table");
    }
    *ret = store;
    return MW_OK;
}

static void free_block(block *b) {
    b->time = mw_free(b->time);
    b->device = mw_free(b->device);
    b->values = mw_free(b->values);
    b->at = mw_free(b->at);
    b->single = mw_free(b->single);
}

void *mw_window_store_free(mw_window_store *store) {
    if (!store) return NULL;
    for (int64_t i = 0; i < store->n_blocks; i++) free_block(&store->blocks[i]);
    mw_free(store->blocks);
    mw_free(store->totals);
    return mw_free(store);
}

static mw_status add_block(mw_window_store *store, mw_err *err) {
    mw_mem *mem = store->ctx->mem;
    if (store->n_blocks == store->capacity) {
        int64_t capacity = store->capacity ? 2 * store->capacity : 16;
        block *blocks = mw_realloc(mem, store->blocks, (size_t)capacity * sizeof *blocks);
        if (!blocks) return mw_fail_nomem(err, "the windows of a table");
        store->blocks = blocks;
        store->capacity = capacity;
    }
    size_t windows = (size_t)store->block_windows, columns = (size_t)store->n_columns;
    block b = {.time = mw_alloc_array(mem, windows, sizeof *b.time),
               .device = mw_alloc_array(mem, windows, sizeof *b.device),
               .values = mw_alloc_array(mem, columns * MW_AGG_N * windows + 1, sizeof *b.values),
               .at = mw_alloc_array(mem, columns + 1, sizeof *b.at),
               .single = mw_calloc(mem, columns + 1, sizeof *b.single)};
    if (!b.time || !b.device || !b.values || !b.at || !b.single) {
        free_block(&b);
        return mw_fail_nomem(err, "the windows of a table");
    }
    for (size_t c = 0; c < columns; c++) b.at[c] = c * MW_AGG_N * windows;
    store->blocks[store->n_blocks++] = b;
    return MW_OK;
}

mw_status mw_window_store_add(mw_window_store *store, int64_t time, int32_t device, int64_t *ret,
                              mw_err *err) {
    if (store->n == store->n_blocks * store->block_windows) {
        mw_status status = add_block(store, err);
        if (status != MW_OK) return status;
    }
    block *b = &store->blocks[store->n / store->block_windows];
    b->time[store->n % store->block_windows] = time;
    b->device[store->n % store->block_windows] = device;
    *ret = store->n++;
    return MW_OK;
}

void mw_window_store_set(mw_window_store *store, int32_t column, int64_t window,
                         const double values[MW_AGG_N]) {
    const block *b = &store->blocks[window / store->block_windows];
    double *to = b->values + b->at[column] + window % store->block_windows;
    for (int a = 0; a < MW_AGG_N; a++) to[a * store->block_windows] = values[a];
    int64_t count = (int64_t)values[MW_AGG_COUNT];
    store->totals[column].n_values += count;
    store->totals[column].n_windows += count > 0;
}

static bool is_single(const mw_window_store *store, const double *column) {
    const double *count = column + MW_AGG_COUNT * store->block_windows;
    for (int64_t i = 0; i < store->block_windows; i++)
        if (count[i] > 1) return false;
    return true;
}

static mw_status pack(mw_window_store *store, block *b, mw_err *err) {
    size_t windows = (size_t)store->block_windows, size = 0;
    for (int32_t c = 0; c < store->n_columns; c++) {
        b->single[c] = is_single(store, b->values + b->at[c]);
        size += windows * (b->single[c] ? 1 : MW_AGG_N);
    }
    double *values = mw_alloc_array(store->ctx->mem, size + 1, sizeof *values);
    if (!values) return mw_fail_nomem(err, "the windows of a table");
    size_t at = 0;
    for (int32_t c = 0; c < store->n_columns; c++) { /* of a single value the mean comes first */
        size_t n = windows * (b->single[c] ? 1 : MW_AGG_N);
        memcpy(values + at, b->values + b->at[c], n * sizeof *values);
        b->at[c] = at;
        at += n;
    }
    mw_free(b->values);
    b->values = values;
    return MW_OK;
}

_Static_assert(MW_AGG_MEAN == 0, "a single value is kept as its mean");

mw_status mw_window_store_pack(mw_window_store *store, mw_err *err) {
    mw_status status = MW_OK;
    for (; store->n_packed < store->n / store->block_windows && status == MW_OK; store->n_packed++)
        status = pack(store, &store->blocks[store->n_packed], err);
    return status;
}

/* ---- the table ---- */

typedef struct name {
    mw_str text;
    int32_t code;
} name;

static int by_text(const void *a, const void *b) {
    const name *x = a, *y = b;
    if ((x->code < 0) != (y->code < 0)) return x->code < 0 ? -1 : 1;
    return mw_str_compare(x->text, y->text);
}

typedef struct filling {
    const mw_window_store *store;
    const block *block;
    int64_t n;                /* windows of the block */
    const int64_t *position;  /* [n] rows of the result */
    double *(*out)[MW_AGG_N]; /* [n_columns] columns of the result; NULL: not wanted */
} filling;

/* mw_pool_fn over the columns. */
static mw_status fill_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const filling *f = arg;
    (void)worker, (void)err;
    for (int64_t c = begin; c < end; c++) {
        const double *from = f->block->values + f->block->at[c];
        bool single = f->block->single[c];
        for (int a = 0; a < MW_AGG_N; a++) {
            double *to = f->out[c][a];
            if (!to) continue;
            const double *values = single ? from : from + a * f->store->block_windows;
            for (int64_t i = 0; i < f->n; i++) {
                double v = values[i];
                if (single && a == MW_AGG_STD) v = MW_NAN;
                if (single && a == MW_AGG_COUNT) v = mw_isnan(v) ? 0 : 1;
                to[f->position[i]] = v;
            }
        }
    }
    return MW_OK;
}

/* The result while it is filled. */
typedef struct making {
    mw_window_store *store;
    const mw_row_stream *rows;
    mw_table *table;
    int64_t *next, *position; /* [slots], [block_windows] */
    int32_t *code;            /* [slots] of the result, where there is a window */
    int32_t slots;
    double *(*out)[MW_AGG_N];
} making;

static mw_status add_number(mw_table *table, mw_buf *text, const char *parameter, mw_aggregate a,
                            double **ret, mw_err *err) {
    mw_column *column;
    mw_buf_clear(text);
    mw_buf_printf(text, "%s_%s", parameter, mw_aggregate_name(a));
    mw_status status = mw_buf_status(text, "a column name", err);
    if (status != MW_OK) return status;
    void *data = mw_table__buffer(table->mem, (size_t)table->n_rows * sizeof(double));
    uint8_t *validity = NULL;
    if (!data) return mw_fail_nomem(err, "the windows of a table");
    status = mw_table_adopt(table, mw_buf_str(text), MW_FLOAT64, &data, &validity, &column, err);
    mw_free(data);
    if (status == MW_OK) *ret = column->number;
    return status;
}

static mw_status add_columns(making *m, double spread_from, mw_err *err) {
    mw_column *column;
    mw_status status = mw_table_add(m->table, MW_STR("time"), MW_TIMESTAMP, &column, err);
    if (status == MW_OK && m->rows->has_device)
        status = mw_table_add(m->table, MW_STR("device"), MW_DICTIONARY, &column, err);
    mw_buf text;
    mw_buf_init(&text, m->store->ctx->mem, 1 << 16);
    int32_t first = mw_row_stream_first(m->rows);
    for (int32_t c = 0; c < m->store->n_columns; c++) {
        const totals *t = &m->store->totals[c];
        bool spread = (double)t->n_values >= spread_from * (double)t->n_windows;
        if (spread_from > 0 && t->n_windows == 0) spread = false;
        for (int a = 0; a < MW_AGG_N && status == MW_OK; a++)
            if (spread || a == MW_AGG_MEAN)
                status = add_number(m->table, &text, m->rows->schema->columns[first + c].name,
                                    (mw_aggregate)a, &m->out[c][a], err);
    }
    mw_buf_done(&text);
    return status;
}

/* In the order of their names: where each device's next window goes, and its code in the result. */
static mw_status place_devices(making *m, mw_err *err) {
    const mw_window_store *store = m->store;
    const mw_dictionary *from = m->rows->has_device ? m->rows->schema->columns[1].dictionary : NULL;
    name *names = mw_alloc_array(store->ctx->mem, (size_t)m->slots, sizeof *names);
    if (!names) return mw_fail_nomem(err, "the devices of a table");
    for (int32_t s = 0; s < m->slots; s++)
        names[s] = (name){from ? mw_dictionary_text(from, s - 1) : MW_STR(""), s - 1};
    qsort(names, (size_t)m->slots, sizeof *names, by_text);
    for (int64_t i = 0; i < store->n; i++)
        m->next[store->blocks[i / store->block_windows].device[i % store->block_windows] + 1]++;
    mw_status status = MW_OK;
    int64_t at = 0;
    for (int32_t s = 0; s < m->slots && status == MW_OK; s++) {
        int32_t slot = names[s].code + 1;
        int64_t n = m->next[slot];
        m->next[slot] = at;
        at += n;
        if (n && from)
            status = mw_dictionary_add(m->table->columns[1].dictionary, names[s].text,
                                       &m->code[slot], err);
    }
    mw_free(names);
    return status;
}

static mw_status fill_block(making *m, int64_t index, mw_err *err) {
    mw_window_store *store = m->store;
    block *b = &store->blocks[index];
    int64_t left = store->n - index * store->block_windows;
    int64_t n = left < store->block_windows ? left : store->block_windows;
    int64_t *time = m->table->columns[0].time;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = m->next[b->device[i] + 1]++;
        m->position[i] = row;
        time[row] = b->time[i];
        if (m->rows->has_device) m->table->columns[1].codes[row] = m->code[b->device[i] + 1];
    }
    filling f = {store, b, n, m->position, m->out};
    mw_status status = mw_pool_for(store->ctx, store->n_columns, 1, fill_columns, &f, err);
    free_block(b);
    return status;
}

/* mw_pool_fn over the columns of a table. */
static mw_status seal_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    mw_table *table = arg;
    mw_status status = MW_OK;
    (void)worker;
    for (int64_t i = begin; i < end && status == MW_OK; i++)
        status = mw_column_seal(table, &table->columns[i], err);
    return status;
}

static mw_status make_table(making *m, double spread_from, mw_err *err) {
    mw_window_store *store = m->store;
    mw_status status = mw_table_new(store->ctx->mem, store->n, &m->table, err);
    if (status == MW_OK) status = add_columns(m, spread_from, err);
    if (status == MW_OK) status = place_devices(m, err);
    for (int64_t i = 0; i < store->n_blocks && status == MW_OK; i++) status = fill_block(m, i, err);
    if (status == MW_OK)
        status = mw_pool_for(store->ctx, m->table->n_columns, 1, seal_columns, m->table, err);
    return status;
}

mw_status mw_window_store_table(mw_window_store *store, const mw_row_stream *rows,
                                double spread_from, mw_table **ret, mw_err *err) {
    mw_mem *mem = store->ctx->mem;
    making m = {.store = store, .rows = rows};
    m.slots = mw_order__slots(rows);
    m.next = mw_calloc(mem, (size_t)m.slots, sizeof *m.next);
    m.code = mw_alloc_array(mem, (size_t)m.slots, sizeof *m.code);
    m.position = mw_alloc_array(mem, (size_t)store->block_windows, sizeof *m.position);
    m.out = mw_calloc(mem, (size_t)store->n_columns + 1, sizeof *m.out);
    bool there = m.next && m.code && m.position && m.out;
    mw_status status =
        there ? make_table(&m, spread_from, err) : mw_fail_nomem(err, "the windows of a table");
    mw_free(m.next);
    mw_free(m.code);
    mw_free(m.position);
    mw_free(m.out);
    if (status == MW_OK)
        *ret = m.table;
    else
        mw_table_free(m.table);
    return status;
}
