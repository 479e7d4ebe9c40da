/*
 * resample.c -- rows are put in (device, time, row) order once (order.c); windows are then ranges
 * of that order, and each column is aggregated window by window.
 *
 * Sums are compensated (Neumaier 1974), so that a window's mean hardly depends on its length; the
 * standard deviation takes a second pass over the deviations from the mean, corrected by their sum
 * (Chan, Golub and LeVeque 1983, "corrected two-pass"). A sum that overflows is taken again on
 * scaled values.
 */
#include "core/table/resample.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "core/table/columns.h"
#include "core/table/order.h"
#include "core/text/datetime.h"

const char *mw_aggregate_name(mw_aggregate aggregate) {
    static const char *const names[] = {"mean", "min", "max", "std", "count", "last"};
    return (size_t)aggregate < sizeof names / sizeof *names ? names[aggregate] : "unknown";
}

typedef struct windows {
    int64_t *starts;  /* [n + 1] into the order */
    int64_t *time;    /* [n] us */
    int32_t *devices; /* [n] group of the order */
    int64_t n;
    int64_t capacity;
} windows;

/* --- windows --------------------------------------------------------------------------------- */

/* k * interval <= t < (k + 1) * interval; false when that is before the first time there is. */
static bool window_start(int64_t t, int64_t interval, int64_t *ret) {
    int64_t k = t / interval;
    if (t % interval < 0) k--;
    return !__builtin_mul_overflow(k, interval, ret) && *ret != MW_TIME_NONE;
}

static mw_status push_window(mw_mem *mem, windows *w, int64_t at, int64_t time, int32_t device,
                             mw_err *err) {
    if (w->n + 1 >= w->capacity) {
        int64_t capacity = w->capacity ? w->capacity * 2 : 64;
        int64_t *starts = mw_realloc(mem, w->starts, (size_t)capacity * sizeof *starts);
        if (starts) w->starts = starts;
        int64_t *times = mw_realloc(mem, w->time, (size_t)capacity * sizeof *times);
        if (times) w->time = times;
        int32_t *devices = mw_realloc(mem, w->devices, (size_t)capacity * sizeof *devices);
        if (devices) w->devices = devices;
        if (!starts || !times || !devices) return mw_fail_nomem(err, "the windows of a table");
        w->capacity = capacity;
    }
    w->starts[w->n] = at;
    w->time[w->n] = time;
    w->devices[w->n] = device;
    w->n++;
    return MW_OK;
}

static mw_status find_windows(const mw_ctx *ctx, const mw_order *order, const int64_t *time,
                              int64_t interval, windows *w, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t g = 0; g < order->n_groups; g++) {
        int64_t begin = order->starts[g];
        for (int64_t i = begin; i < order->starts[g + 1]; i++) {
            if ((i & (MW_TABLE__CHECK_ROWS - 1)) == 0) status = mw_ctx_check(ctx, err);
            int64_t t = time[order->rows[i]];
            int64_t start;
            if (!window_start(t, interval, &start))
                return mw_fail(err, MW_EDATA, "row %lld has a time too far in the past to resample",
                               (long long)order->rows[i]);
            if (status == MW_OK && (i == begin || start != w->time[w->n - 1]))
                status = push_window(ctx->mem, w, i, start, g, err);
            if (status != MW_OK) return status;
        }
    }
    if (w->n > 0) w->starts[w->n] = order->n;
    return MW_OK;
}

static void free_windows(windows *w) {
    mw_free(w->starts);
    mw_free(w->time);
    mw_free(w->devices);
}

/* --- one window of one column ---------------------------------------------------------------- */

/* Sum of scale * x over the present values. */
static double sum_scaled(const double *x, const int64_t *rows, int64_t n, double scale) {
    double sum = 0, lost = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = x[rows[i]] * scale;
        if (mw_isnan(v)) continue;
        double next = sum + v;
        lost += mw_abs(sum) >= mw_abs(v) ? (sum - next) + v : (v - next) + sum;
        sum = next;
    }
    return mw_isfinite(sum) ? sum + lost : sum;
}

/* 2^-100 keeps the sum of 2^32 of the largest numbers finite. */
static double mean_of(const double *x, const int64_t *rows, int64_t n, double count) {
    double sum = sum_scaled(x, rows, n, 1);
    if (mw_isfinite(sum)) return sum / count;
    return sum_scaled(x, rows, n, 0x1p-100) / count * 0x1p+100;
}

static double squares(const double *x, const int64_t *rows, int64_t n, double count, double mean,
                      double scale) {
    double sum = 0, residue = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = x[rows[i]];
        if (mw_isnan(v)) continue;
        double d = v * scale - mean * scale;
        sum += d * d;
        residue += d;
    }
    double corrected = sum - residue * residue / count;
    return corrected > 0 || mw_isnan(corrected) ? corrected : 0;
}

/* 2^-530 keeps 2^32 squared differences of the largest numbers finite. */
static double deviation_of(const double *x, const int64_t *rows, int64_t n, double count,
                           double mean) {
    if (count < 2) return MW_NAN;
    double sum = squares(x, rows, n, count, mean, 1);
    if (mw_isfinite(sum)) return mw_sqrt(sum / (count - 1));
    return mw_sqrt(squares(x, rows, n, count, mean, 0x1p-530) / (count - 1)) * 0x1p+530;
}

static void aggregate(const double *x, const int64_t *rows, int64_t n, double out[MW_AGG_N]) {
    double low = MW_INFINITY, high = -MW_INFINITY, last = MW_NAN;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = x[rows[i]];
        if (mw_isnan(v)) continue;
        if (v < low) low = v;
        if (v > high) high = v;
        last = v;
        count++;
    }
    for (int a = 0; a < MW_AGG_N; a++) out[a] = MW_NAN;
    out[MW_AGG_COUNT] = (double)count;
    if (count == 0) return;
    out[MW_AGG_MIN] = low;
    out[MW_AGG_MAX] = high;
    out[MW_AGG_LAST] = last;
    out[MW_AGG_MEAN] = low == high ? low : mean_of(x, rows, n, (double)count);
    out[MW_AGG_STD] = deviation_of(x, rows, n, (double)count, out[MW_AGG_MEAN]);
}

/* --- the result ------------------------------------------------------------------------------ */

typedef struct job {
    const mw_ctx *ctx;
    const mw_order *order;
    const windows *windows;
    const mw_column **inputs; /* [n_inputs] float64 */
    mw_column *outputs;       /* [n_inputs * MW_AGG_N] */
} job;

/* mw_pool_fn over the input columns. */
static mw_status aggregate_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    job *j = arg;
    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        mw_column *out = &j->outputs[c * MW_AGG_N];
        int64_t since_check = 0;
        for (int64_t w = 0; w < j->windows->n; w++) {
            int64_t start = j->windows->starts[w];
            int64_t n = j->windows->starts[w + 1] - start;
            double values[MW_AGG_N];
            aggregate(j->inputs[c]->number, j->order->rows + start, n, values);
            for (int a = 0; a < MW_AGG_N; a++) out[a].number[w] = values[a];
            since_check += n;
            if (since_check < MW_TABLE__CHECK_ROWS) continue;
            since_check = 0;
            mw_status status = mw_ctx_check(j->ctx, err);
            if (status != MW_OK) return status;
        }
    }
    return MW_OK;
}

static mw_status add_devices(const mw_column *device, const mw_order *order, const windows *w,
                             mw_table *result, mw_err *err) {
    mw_column *out;
    mw_status status = mw_table_add(result, MW_STR("device"), MW_DICTIONARY, &out, err);
    for (int32_t g = 0; g < order->n_groups && status == MW_OK; g++) {
        int32_t code; /* is g: the texts are distinct and come in this order */
        mw_str text = mw_dictionary_text(device->dictionary, order->codes[g]);
        status = mw_dictionary_add(out->dictionary, text, &code, err);
    }
    if (status != MW_OK) return status;
    for (int64_t i = 0; i < w->n; i++) out->codes[i] = w->devices[i];
    return mw_column_seal(result, out, err);
}

static mw_status add_outputs(const mw_column *input, mw_table *result, mw_err *err) {
    size_t size = strlen(input->name);
    mw_buf name;
    mw_buf_init(&name, result->mem, size + 16);
    mw_status status = MW_OK;
    for (int a = 0; a < MW_AGG_N && status == MW_OK; a++) {
        mw_buf_clear(&name);
        mw_buf_printf(&name, "%s_%s", input->name, mw_aggregate_name((mw_aggregate)a));
        status = mw_buf_status(&name, "a column name", err);
        if (status == MW_OK)
            status = mw_table_add(result, mw_buf_str(&name), MW_FLOAT64, NULL, err);
    }
    mw_buf_done(&name);
    return status;
}

static mw_status fill(const mw_ctx *ctx, const mw_table *table, const mw_column *device,
                      const mw_order *order, const windows *w, mw_table *result, mw_err *err) {
    mw_column *time;
    mw_status status = mw_table_add(result, MW_STR("time"), MW_TIMESTAMP, &time, err);
    if (status != MW_OK) return status;
    if (w->n) memcpy(time->time, w->time, (size_t)w->n * sizeof *time->time);
    status = mw_column_seal(result, time, err);
    if (status == MW_OK && device) status = add_devices(device, order, w, result, err);
    if (status != MW_OK) return status;

    const mw_column **inputs = mw_alloc_array(ctx->mem, (size_t)table->n_columns, sizeof *inputs);
    if (!inputs) return mw_fail_nomem(err, "resampling");
    int32_t first = result->n_columns;
    int64_t n_inputs = 0;
    for (int32_t i = 0; i < table->n_columns && status == MW_OK; i++) {
        if (table->columns[i].type != MW_FLOAT64) continue;
        inputs[n_inputs++] = &table->columns[i];
        status = add_outputs(&table->columns[i], result, err);
    }
    if (status == MW_OK) {
        job j = {ctx, order, w, inputs, &result->columns[first]};
        status = mw_pool_for(ctx, n_inputs, 1, aggregate_columns, &j, err);
    }
    mw_free(inputs);
    for (int32_t i = first; i < result->n_columns && status == MW_OK; i++)
        status = mw_column_seal(result, &result->columns[i], err);
    return status;
}

static mw_status find_column(const mw_table *table, const char *name, const mw_column **ret,
                             mw_err *err) {
    *ret = mw_table_column(table, name);
    return *ret ? MW_OK : mw_fail(err, MW_ENOTFOUND, "no column \"%.64s\"", name);
}

mw_status mw_resample(const mw_ctx *ctx, const mw_table *table, const char *time_column,
                      const char *device_column, int64_t interval_us, mw_table **ret, mw_err *err) {
    const mw_column *time = NULL, *device = NULL;
    if (interval_us <= 0)
        return mw_fail(err, MW_EINVAL, "a window of %lld us", (long long)interval_us);
    mw_status status = find_column(table, time_column, &time, err);
    if (status == MW_OK && device_column) status = find_column(table, device_column, &device, err);
    mw_order order = {0};
    if (status == MW_OK) status = mw_order__make(ctx, time, device, &order, err);
    if (status != MW_OK) return status;
    windows w = {0};
    mw_table *result = NULL;
    status = find_windows(ctx, &order, time->time, interval_us, &w, err);
    if (status == MW_OK) status = mw_table_new(ctx->mem, w.n, &result, err);
    if (status == MW_OK) status = fill(ctx, table, device, &order, &w, result, err);
    free_windows(&w);
    mw_order__done(&order);
    if (status != MW_OK) {
        mw_table_free(result);
        return status;
    }
    *ret = result;
    return MW_OK;
}
