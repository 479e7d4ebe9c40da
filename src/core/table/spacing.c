/*
 * spacing.c -- the usual distance between two readings: the median of the differences between neighboring distinct
 * times of one device, exactly and in constant memory.
 *
 * The stream is read with a histogram of the differences, then again with a finer one of the bucket that holds the
 * median, until that bucket holds equal values. Buckets know their smallest and largest value, so that regular readings
 * are done with after the first.
 */
#include "core/table/order.h"
#include "core/table/resample.h"
#include "core/text/datetime.h"

enum { MANTISSA_BITS = 8, N_BUCKETS = 64 << MANTISSA_BITS };

typedef struct bucket {
    int64_t n, low, high;
} bucket;

typedef struct gaps {
    const mw_ctx *ctx;
    const mw_row_stream *rows;
    int64_t *last;     /* [slots] time of each device so far, by code + 1; MW_TIME_NONE: none */
    bucket *buckets;   /* [N_BUCKETS] of the differences in [low, high] */
    int64_t low, high; /* the first time all: buckets of one width in relation to their values */
    bool first;
} gaps;

static size_t bucket_of(const gaps *g, int64_t gap) {
    uint64_t v = (uint64_t)gap;
    if (!g->first) { /* equal widths */
        uint64_t width = (uint64_t)(g->high - g->low) / N_BUCKETS + 1;
        return (size_t)((v - (uint64_t)g->low) / width);
    }
    int bits = 64 - __builtin_clzll(v); /* v > 0 */
    int shift = bits > MANTISSA_BITS + 1 ? bits - MANTISSA_BITS - 1 : 0;
    return ((size_t)shift << MANTISSA_BITS) + (size_t)(v >> shift);
}

static void count_gap(gaps *g, int64_t from, int64_t to) {
    int64_t gap;
    if (__builtin_sub_overflow(to, from, &gap)) gap = INT64_MAX;
    if (gap < g->low || gap > g->high) return; /* none, too */
    bucket *b = &g->buckets[bucket_of(g, gap)];
    if (b->n == 0 || gap < b->low) b->low = gap;
    if (b->n == 0 || gap > b->high) b->high = gap;
    b->n++;
}

static mw_status count_chunk(gaps *g, const mw_chunk *chunk, mw_err *err) {
    mw_order order = {0};
    mw_status status = mw_order__make(g->ctx, g->rows, chunk, &order, err);
    if (status != MW_OK) return status;
    const int64_t *time = chunk->columns[0].time;
    for (int32_t d = 0; d < order.n_groups; d++) {
        int64_t *last = &g->last[order.codes[d] + 1];
        for (int64_t i = order.starts[d]; i < order.starts[d + 1]; i++) {
            int64_t t = time[order.rows[i]];
            if (*last != MW_TIME_NONE) count_gap(g, *last, t);
            *last = t;
        }
    }
    mw_order__done(&order);
    return MW_OK;
}

static mw_status count_all(gaps *g, mw_err *err) {
    int32_t slots = mw_order__slots(g->rows);
    for (int32_t i = 0; i < slots; i++) g->last[i] = MW_TIME_NONE;
    for (size_t i = 0; i < N_BUCKETS; i++) g->buckets[i] = (bucket){0};
    mw_status status = g->rows->start(g->rows->self, mw_row_stream_first(g->rows), err);
    int64_t n = 0;
    while (status == MW_OK) {
        const mw_chunk *chunk = NULL;
        mw_ctx_report(g->ctx, "reading times", (double)n, (double)g->rows->n_rows);
        status = mw_ctx_check(g->ctx, err);
        if (status == MW_OK) status = g->rows->next(g->rows->self, &chunk, err);
        if (status != MW_OK || !chunk) return status;
        status = count_chunk(g, chunk, err);
        n += chunk->n_rows;
    }
    return status;
}

/* The bucket of that rank; *rank is then within it. *above: the smallest value past it, as far as there is one. NULL:
 * there are not so many. */
static const bucket *find_rank(const gaps *g, int64_t *rank, int64_t *above) {
    size_t i = 0;
    for (; i < N_BUCKETS && *rank >= g->buckets[i].n; i++) *rank -= g->buckets[i].n;
    if (i == N_BUCKETS) return NULL;
    for (size_t k = i + 1; k < N_BUCKETS; k++)
        if (g->buckets[k].n) {
            *above = g->buckets[k].low;
            break;
        }
    return &g->buckets[i];
}

/* The median of the differences; 0: there are none. */
static mw_status find_median(gaps *g, int64_t *ret, mw_err *err) {
    int64_t n = 0, above = 0;
    mw_status status = count_all(g, err);
    for (size_t i = 0; i < N_BUCKETS; i++) n += g->buckets[i].n;
    *ret = 0;
    if (status != MW_OK || n == 0) return status;
    int64_t rank = (n - 1) / 2;
    const bucket *b = find_rank(g, &rank, &above);
    while (b && b->low < b->high) {
        g->first = false;
        g->low = b->low;
        g->high = b->high;
        status = count_all(g, err);
        if (status != MW_OK) return status;
        b = find_rank(g, &rank, &above);
    }
    if (!b) return mw_fail(err, MW_EDATA, "the times changed while they were read");
    /* Of an even number the two in the middle count: the second one may be the next value. */
    int64_t high = n % 2 == 0 && rank + 1 == b->n ? above : b->low;
    *ret = b->low + (high - b->low) / 2;
    return MW_OK;
}

mw_status mw_median_spacing(const mw_ctx *ctx, const mw_row_stream *rows, int64_t *ret_us,
                            mw_err *err) {
    gaps g = {.ctx = ctx, .rows = rows, .low = 1, .high = INT64_MAX, .first = true};
    g.last = mw_alloc_array(ctx->mem, (size_t)mw_order__slots(rows), sizeof *g.last);
    g.buckets = mw_alloc_array(ctx->mem, N_BUCKETS, sizeof *g.buckets);
    mw_status status = g.last && g.buckets ? find_median(&g, ret_us, err)
                                           : mw_fail_nomem(err, "the spacing of times");
    mw_free(g.last);
    mw_free(g.buckets);
    return status;
}
