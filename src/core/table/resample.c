/*
 * resample.c -- the rows of each chunk are put in (device, time, row) order (order.c); windows are then spans of that
 * order, and each column goes through the spans. A device's last window stays open, for the next chunk may go on with
 * it: its sums are kept, all others go to the store (windowstore.h).
 */
#include "core/table/resample.h"

#include "core/base/threads.h"
#include "core/table/columns.h"
#include "core/table/order.h"
#include "core/table/windowstore.h"
#include "core/table/windowsums.h"
#include "core/text/datetime.h"

const char *mw_aggregate_name(mw_aggregate aggregate) {
    static const char *const names[] = {"mean", "min", "max", "std", "count", "last"};
    return (size_t)aggregate < sizeof names / sizeof *names ? names[aggregate] : "unknown";
}

/* A device, by code + 1. */
typedef struct device {
    int64_t open; /* start of the window that is not finished; MW_TIME_NONE: there is none */
    mw_window_sums *sums; /* [n_columns] of it */
} device;

/* Rows of one window, in the chunk's order. */
typedef struct span {
    int64_t begin, end;
    int32_t device; /* index */
    bool fresh;     /* the window begins here */
    int64_t window; /* of the store, when it ends here; else -1 */
} span;

typedef struct resampler {
    const mw_ctx *ctx;
    const mw_row_stream *stream;
    int64_t interval;
    int32_t n_columns, n_devices;
    device *devices; /* [n_devices] */
    mw_window_store *store;
    span *spans; /* [n_spans] of the current chunk */
    int64_t n_spans, capacity;
    int64_t latest; /* time of any row so far */
} resampler;

/* ---- windows ---- */

/* k * interval <= t < (k + 1) * interval; false when that is before the first time there is. */
static bool window_start(int64_t t, int64_t interval, int64_t *ret) {
    int64_t k = t / interval;
    if (t % interval < 0) k--;
    return !__builtin_mul_overflow(k, interval, ret) && *ret != MW_TIME_NONE;
}

static mw_status push_span(resampler *r, const span *s, mw_err *err) {
    if (r->n_spans == r->capacity) {
        int64_t capacity = r->capacity ? r->capacity * 2 : 64;
        span *spans = mw_realloc(r->ctx->mem, r->spans, (size_t)capacity * sizeof *spans);
        if (!spans) return mw_fail_nomem(err, "the windows of a table");
        r->spans = spans;
        r->capacity = capacity;
    }
    r->spans[r->n_spans++] = *s;
    return MW_OK;
}

/* The device's open window gets its place in the store; its sums go there by a span without rows if it has no other
 * here. */
static mw_status end_window(resampler *r, int32_t index, bool has_span, mw_err *err) {
    device *d = &r->devices[index];
    span last = {.device = index};
    mw_status status = mw_window_store_add(r->store, d->open, index - 1, &last.window, err);
    d->open = MW_TIME_NONE;
    if (status != MW_OK) return status;
    if (!has_span) return push_span(r, &last, err);
    r->spans[r->n_spans - 1].window = last.window;
    return MW_OK;
}

static mw_status begin_window(resampler *r, int32_t index, int64_t start, mw_err *err) {
    device *d = &r->devices[index];
    d->open = start;
    if (d->sums) return MW_OK;
    d->sums = mw_alloc_array(r->ctx->mem, (size_t)r->n_columns, sizeof *d->sums);
    return d->sums ? MW_OK : mw_fail_nomem(err, "an open window");
}

static mw_status fail_late(int64_t t, mw_err *err) {
    char text[MW_TIME_TEXT_MAX];
    mw_time_print(t, text);
    return mw_fail(err, MW_EDATA, "a row of %s comes after later ones", text);
}

/* The spans of one device: rows [begin, end) of the order. */
static mw_status cut_device(resampler *r, const mw_order *order, const int64_t *time, int32_t group,
                            mw_err *err) {
    int32_t index = order->codes[group] + 1;
    device *d = &r->devices[index];
    bool has_span = false;
    mw_status status = MW_OK;
    for (int64_t i = order->starts[group]; i < order->starts[group + 1]; i++) {
        int64_t t = time[order->rows[i]], start;
        if (!window_start(t, r->interval, &start))
            return mw_fail(err, MW_EDATA, "a row has a time too far in the past to resample");
        if (!has_span || start != d->open) {
            bool fresh = start != d->open;
            if (fresh && d->open != MW_TIME_NONE) status = end_window(r, index, has_span, err);
            if (status == MW_OK && fresh) status = begin_window(r, index, start, err);
            span s = {.begin = i, .device = index, .fresh = fresh, .window = -1};
            if (status == MW_OK) status = push_span(r, &s, err);
            if (status != MW_OK) return status;
            has_span = true;
        }
        r->spans[r->n_spans - 1].end = i + 1;
    }
    return MW_OK;
}

static mw_status cut_chunk(resampler *r, const mw_order *order, const int64_t *time, mw_err *err) {
    mw_status status = MW_OK;
    int64_t latest = r->latest;
    r->n_spans = 0;
    for (int32_t g = 0; g < order->n_groups && status == MW_OK; g++) {
        int64_t first = time[order->rows[order->starts[g]]];
        int64_t last = time[order->rows[order->starts[g + 1] - 1]];
        if (first < r->latest) return fail_late(first, err);
        if (last > latest) latest = last;
        status = cut_device(r, order, time, g, err);
        if (status == MW_OK) status = mw_ctx_check(r->ctx, err);
    }
    r->latest = latest;
    return status;
}

/* ---- values ---- */

typedef struct adding {
    const resampler *r;
    const mw_chunk *chunk; /* NULL: spans have no rows */
    const int64_t *rows;   /* the order */
} adding;

/* mw_pool_fn over the columns. */
static mw_status add_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const adding *a = arg;
    const resampler *r = a->r;
    int32_t first = mw_row_stream_first(r->stream);
    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        const double *x = a->chunk ? a->chunk->columns[first + c].number : NULL;
        for (int64_t i = 0; i < r->n_spans; i++) {
            const span *s = &r->spans[i];
            mw_window_sums *sums = &r->devices[s->device].sums[c];
            if (s->fresh) mw_window_sums_begin(sums);
            if (s->end > s->begin)
                mw_window_sums_add(sums, x, a->rows + s->begin, s->end - s->begin);
            if (s->window < 0) continue;
            double values[MW_AGG_N];
            mw_window_sums_end(sums, values);
            mw_window_store_set(r->store, (int32_t)c, s->window, values);
        }
        mw_status status = mw_ctx_check(r->ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status add_values(resampler *r, const mw_chunk *chunk, const int64_t *rows, mw_err *err) {
    adding a = {r, chunk, rows};
    mw_status status = mw_pool_for(r->ctx, r->n_columns, 1, add_columns, &a, err);
    return status == MW_OK ? mw_window_store_pack(r->store, err) : status;
}

static mw_status add_chunk(resampler *r, const mw_chunk *chunk, mw_err *err) {
    mw_order order = {0};
    mw_status status = mw_order__make(r->ctx, r->stream, chunk, &order, err);
    if (status == MW_OK) status = cut_chunk(r, &order, chunk->columns[0].time, err);
    if (status == MW_OK) status = add_values(r, chunk, order.rows, err);
    mw_order__done(&order);
    return status;
}

static mw_status end_all(resampler *r, mw_err *err) {
    mw_status status = MW_OK;
    r->n_spans = 0;
    for (int32_t i = 0; i < r->n_devices && status == MW_OK; i++)
        if (r->devices[i].open != MW_TIME_NONE) status = end_window(r, i, false, err);
    return status == MW_OK ? add_values(r, NULL, NULL, err) : status;
}

/* ---- the whole ---- */

static mw_status begin(resampler *r, mw_err *err) {
    r->latest = MW_TIME_NONE;
    r->n_columns = mw_row_stream_parameters(r->stream);
    r->n_devices = mw_order__slots(r->stream);
    r->devices = mw_calloc(r->ctx->mem, (size_t)r->n_devices, sizeof *r->devices);
    if (!r->devices) return mw_fail_nomem(err, "resampling");
    for (int32_t i = 0; i < r->n_devices; i++) r->devices[i].open = MW_TIME_NONE;
    mw_status status = mw_window_store_new(r->ctx, r->n_columns, &r->store, err);
    return status == MW_OK ? r->stream->start(r->stream->self, r->stream->schema->n_columns, err)
                           : status;
}

static mw_status read_all(resampler *r, mw_err *err) {
    const mw_chunk *chunk = NULL;
    int64_t n = 0;
    for (;;) {
        mw_ctx_report(r->ctx, "resampling", (double)n, (double)r->stream->n_rows);
        mw_status status = mw_ctx_check(r->ctx, err);
        if (status == MW_OK) status = r->stream->next(r->stream->self, &chunk, err);
        if (status != MW_OK || !chunk) return status;
        status = add_chunk(r, chunk, err);
        if (status != MW_OK) return status;
        n += chunk->n_rows;
    }
}

static void done(resampler *r) {
    for (int32_t i = 0; r->devices && i < r->n_devices; i++) mw_free(r->devices[i].sums);
    mw_free(r->devices);
    mw_free(r->spans);
    mw_window_store_free(r->store);
}

mw_status mw_resample(const mw_ctx *ctx, const mw_row_stream *rows, int64_t interval_us,
                      double spread_from, mw_table **ret, mw_err *err) {
    if (interval_us <= 0)
        return mw_fail(err, MW_EINVAL, "a window of %lld us", (long long)interval_us);
    resampler r = {.ctx = ctx, .stream = rows, .interval = interval_us};
    mw_status status = begin(&r, err);
    if (status == MW_OK) status = read_all(&r, err);
    if (status == MW_OK) status = end_all(&r, err);
    if (status == MW_OK) status = mw_window_store_table(r.store, rows, spread_from, ret, err);
    done(&r);
    return status;
}
