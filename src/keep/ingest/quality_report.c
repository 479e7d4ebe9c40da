/*
 * quality_report.c -- stretches of flagged windows, from the order in which they were found to a table.
 *
 * Stretches of one sensor may overlap: a stuck run is reported over windows in which a spike was found before. They are split at their
 * ends (a sweep over sorted starts with the few that are open), their bits joined, and neighbors with the same bits become one row. Counts are shared
 * out by windows.
 */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/table/ipc.h"
#include "core/text/datetime.h"
#include "keep/ingest/quality_state.h"

const char *const mw_quality_names[MW_QUALITY_BITS] = {"stuck", "flat",  "out_of_range", "spike",
                                                       "gap",   "clock", "unit"};

/* a is at most MW_QUALITY_COUNT_MAX. */
static int64_t sum_of(int64_t a, int64_t b) {
    return b < MW_QUALITY_COUNT_MAX - a ? a + b : MW_QUALITY_COUNT_MAX;
}

mw_status mw_quality__record_add(mw_quality__records *records, const mw_quality__record *record,
                                 uint32_t *at, mw_err *err) {
    mw_quality__record *latest = *at ? &records->items[*at - 1] : NULL;
    if (latest && latest->bits == record->bits && record->first >= latest->first &&
        record->first <= latest->last + 1) {
        /* A spike is found one value late; its window may have been told already. */
        bool again = record->first == latest->last && record->bits & MW_QUALITY_SPIKE;
        if (!again) latest->n_values = sum_of(latest->n_values, record->n_values);
        latest->n_flagged = sum_of(latest->n_flagged, record->n_flagged);
        if (record->last > latest->last) latest->last = record->last;
        return MW_OK;
    }
    if (records->n >= (size_t)MW_LIMIT(QUALITY_STRETCHES)) {
        records->n_left_out++;
        return MW_OK;
    }
    if (records->n == records->capacity) {
        size_t capacity = records->capacity ? 2 * records->capacity : 64;
        void *items = mw_realloc(records->mem, records->items, capacity * sizeof *records->items);
        if (!items) return mw_fail_nomem(err, "sensor quality");
        records->items = items;
        records->capacity = capacity;
    }
    mw_quality__record kept = *record;
    kept.n_values = sum_of(0, kept.n_values);
    kept.n_flagged = sum_of(0, kept.n_flagged);
    kept.mark = records->mark;
    records->items[records->n++] = kept;
    *at = (uint32_t)records->n;
    return MW_OK;
}

static int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_sensor(const void *a, const void *b) {
    const mw_quality__record *x = a, *y = b;
    int order = order_of(x->device, y->device);
    if (!order) order = order_of(x->sensor, y->sensor);
    if (!order) order = order_of(x->first, y->first);
    if (!order) order = order_of(x->last, y->last);
    if (!order) order = order_of(x->bits, y->bits);
    if (!order) order = order_of(x->n_values, y->n_values);
    return order ? order : order_of(x->n_flagged, y->n_flagged);
}

static int by_time(const void *a, const void *b) {
    const mw_quality__record *x = a, *y = b;
    int order = order_of(x->first, y->first);
    return order ? order : by_sensor(a, b);
}

/* Share of n for windows first .. last of the record; the shares of all its windows add up to n. */
static int64_t share_of(const mw_quality__record *record, int64_t n, int64_t first, int64_t last) {
    double start = (double)record->first, windows = (double)record->last - start + 1;
    double until = ((double)last - start + 1) / windows, from = ((double)first - start) / windows;
    return (int64_t)((double)n * until) - (int64_t)((double)n * from);
}

typedef struct sweep {
    mw_mem *mem;
    const mw_quality__record *records; /* of one sensor, by start */
    size_t n, next;
    const mw_quality__record **open; /* [capacity] */
    size_t n_open, capacity;
    mw_quality__records out;
} sweep;

static mw_status open_until(sweep *s, int64_t window, mw_err *err) {
    while (s->next < s->n && s->records[s->next].first <= window) {
        if (s->n_open == s->capacity) {
            size_t capacity = s->capacity ? 2 * s->capacity : 16;
            void *open = mw_realloc(s->mem, s->open, capacity * sizeof *s->open);
            if (!open) return mw_fail_nomem(err, "sensor quality");
            s->open = open;
            s->capacity = capacity;
        }
        s->open[s->n_open++] = &s->records[s->next++];
    }
    return MW_OK;
}

/* The open stretches from `first` up to the next place where one begins or ends; returns the window behind it. */
static mw_status put_piece(sweep *s, int64_t first, int64_t *ret_next, uint32_t *at, mw_err *err) {
    int64_t last = s->next < s->n ? s->records[s->next].first - 1 : INT64_MAX;
    for (size_t i = 0; i < s->n_open; i++)
        if (s->open[i]->last < last) last = s->open[i]->last;
    mw_quality__record piece = *s->open[0];
    piece.first = first;
    piece.last = last;
    piece.bits = 0;
    piece.n_values = piece.n_flagged = 0;
    size_t kept = 0;
    for (size_t i = 0; i < s->n_open; i++) {
        const mw_quality__record *record = s->open[i];
        int64_t n_values = share_of(record, record->n_values, first, last);
        piece.bits |= record->bits;
        if (n_values > piece.n_values) piece.n_values = n_values;
        piece.n_flagged = sum_of(piece.n_flagged, share_of(record, record->n_flagged, first, last));
        if (record->last > last) s->open[kept++] = record;
    }
    s->n_open = kept;
    *ret_next = last + 1;
    return mw_quality__record_add(&s->out, &piece, at, err);
}

static mw_status sweep_sensor(sweep *s, mw_err *err) {
    uint32_t at = 0;
    int64_t window = 0;
    mw_status status = MW_OK;
    s->next = s->n_open = 0;
    while (!status && (s->next < s->n || s->n_open)) {
        if (!s->n_open) window = s->records[s->next].first;
        status = open_until(s, window, err);
        if (!status) status = put_piece(s, window, &window, &at, err);
    }
    return status;
}

static mw_status sweep_all(const mw_ctx *ctx, mw_quality__record *records, size_t n,
                           mw_quality__records *ret, mw_err *err) {
    sweep s = {.mem = ctx->mem, .out = {.mem = ctx->mem}};
    mw_status status = MW_OK;
    for (size_t from = 0, to; from < n && !status; from = to) {
        for (to = from; to < n && records[to].device == records[from].device &&
                        records[to].sensor == records[from].sensor;)
            to++;
        s.records = records + from;
        s.n = to - from;
        status = sweep_sensor(&s, err);
    }
    mw_free(s.open);
    *ret = s.out;
    return status;
}

enum { TIME, END, DEVICE, SENSOR, BITS, WINDOWS, VALUES, FLAGGED, COLUMNS };

static mw_status add_columns(mw_table *table, mw_column *columns[COLUMNS], mw_err *err) {
    static const struct {
        const char *name;
        mw_type type;
    } shape[COLUMNS] = {{"time", MW_TIMESTAMP},       {"end", MW_TIMESTAMP},
                        {"device_id", MW_DICTIONARY}, {"sensor", MW_DICTIONARY},
                        {"bits", MW_FLOAT64},         {"n_windows", MW_FLOAT64},
                        {"n_values", MW_FLOAT64},     {"n_flagged", MW_FLOAT64}};
    mw_status status = mw_table_reserve(table, COLUMNS, err);
    for (int i = 0; i < COLUMNS && !status; i++)
        status = mw_table_add(table, mw_str_of(shape[i].name), shape[i].type, &columns[i], err);
    return status;
}

/* Time at which a window begins, within what a time stamp can hold. */
static int64_t start_of(int64_t window, int64_t window_us) {
    if (window > INT64_MAX / window_us) return INT64_MAX;
    return window < -(INT64_MAX / window_us) ? -INT64_MAX : window * window_us;
}

static mw_status put_texts(mw_column *columns[COLUMNS], int64_t row,
                           const mw_quality__record *record, const mw_schema *schema,
                           int32_t device, mw_err *err) {
    mw_status status = MW_OK;
    if (device >= 0 && record->device >= 0) {
        mw_str name = mw_dictionary_text(schema->columns[device].dictionary, record->device);
        status =
            mw_dictionary_add(columns[DEVICE]->dictionary, name, &columns[DEVICE]->codes[row], err);
    }
    if (!status && record->sensor >= 0) {
        mw_str name = mw_str_of(schema->columns[record->sensor].name);
        status =
            mw_dictionary_add(columns[SENSOR]->dictionary, name, &columns[SENSOR]->codes[row], err);
    }
    return status;
}

static mw_status fill(mw_table *table, const mw_quality__records *records, const mw_schema *schema,
                      int32_t device, int64_t window_us, mw_err *err) {
    mw_column *columns[COLUMNS];
    mw_status status = add_columns(table, columns, err);
    for (size_t i = 0; i < records->n && !status; i++) {
        const mw_quality__record *record = &records->items[i];
        columns[TIME]->time[i] = start_of(record->first, window_us);
        columns[END]->time[i] = start_of(record->last + 1, window_us);
        columns[BITS]->number[i] = record->bits;
        columns[WINDOWS]->number[i] = (double)(record->last - record->first + 1);
        columns[VALUES]->number[i] = (double)record->n_values;
        columns[FLAGGED]->number[i] = (double)record->n_flagged;
        status = put_texts(columns, (int64_t)i, record, schema, device, err);
    }
    for (int i = 0; i < COLUMNS && !status; i++) status = mw_column_seal(table, columns[i], err);
    return status;
}

mw_status mw_quality__report(const mw_ctx *ctx, const mw_quality__records *records,
                             const mw_schema *schema, int32_t device, int64_t window_us,
                             mw_table **ret, mw_err *err) {
    mw_quality__records swept = {.mem = ctx->mem};
    mw_table *table = NULL;
    if (records->n) qsort(records->items, records->n, sizeof *records->items, by_sensor);
    mw_status status = sweep_all(ctx, records->items, records->n, &swept, err);
    if (!status && swept.n) qsort(swept.items, swept.n, sizeof *swept.items, by_time);
    if (!status) status = mw_table_new(ctx->mem, (int64_t)swept.n, &table, err);
    if (!status) status = fill(table, &swept, schema, device, window_us, err);
    mw_free(swept.items);
    if (status) {
        mw_table_free(table);
        return status;
    }
    *ret = table;
    return MW_OK;
}

mw_status mw_quality_write(const mw_ctx *ctx, const mw_table *table, const char *source,
                           const char *content, mw_dir *dir, char ret_name[MW_FILE_HASH_NAME],
                           mw_err *err) {
    const mw_meta meta[] = {{"millwright.source", source}, {"millwright.quality_of", content}};
    mw_file *file;
    mw_status status = mw_file_create(ctx, dir, "quality.part", &file, err);
    if (status) return status;
    status = mw_ipc_write(ctx, table, meta, 2, file, err);
    if (!status) return mw_file_commit_by_hash(file, ".quality.arrow", ret_name, err);
    mw_file_abort(file);
    return status;
}
