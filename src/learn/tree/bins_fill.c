/*
 * bins_fill.c -- the bin of every cell.
 *
 * A cell's bin is the number of cuts below its value. A table of equal ranges from the first cut to the last says how many
 * cuts are below the value's range; as many as one range holds at most are left to a binary search without branches, eight
 * cells at a time so that their searches overlap. A value's range is found by rounded arithmetic that never falls as the
 * value rises, so it is right to the last bit. Rows come in blocks whose cells stay in the cache while each of their columns
 * is taken out.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/bins.h"
#include "learn/tree/partition.h"

enum {
    LANES = 8,
    BLOCK_ROWS = 256,
    RANGE_ROWS = 16 * BLOCK_ROWS,
    CUTS = 2 * (MW_BINS_MOST + 1), /* the last ones infinite, so that a search may look beyond */
    RANGES = 1024
};

/* Where to look for a column's values. */
typedef struct guide {
    float cuts[CUTS];
    float low, scale; /* range of x: (x - low) * scale + 1, within [0, RANGES) */
    uint32_t half;    /* largest step of a search within one range; 0: there is at most no cut */
    uint8_t below[RANGES]; /* cuts in lower ranges */
} guide;

typedef struct filling {
    const mw_ctx *ctx;
    const mw_bins *bins;
    mw_matrix matrix;
    const guide *guides; /* [n_columns] */
    mw_binned *out;
    _Atomic int64_t n_done;
} filling;

static inline int32_t range_of(const guide *g, float x) {
    float at = (x - g->low) * g->scale + 1;
    at = at > 0 ? at : 0; /* and NaN */
    return (int32_t)(at < RANGES - 1 ? at : RANGES - 1);
}

static void guide_init(guide *g, const mw_bins_column *column) {
    const int32_t n = column->by_code ? 0 : column->n_bins - 1;
    int32_t counts[RANGES] = {0}, most = 0, sum = 0;
    *g = (guide){0};
    for (int32_t i = 0; i < CUTS; i++) g->cuts[i] = i < n ? column->cuts[i] : (float)MW_INFINITY;
    const float width = n > 0 ? g->cuts[n - 1] - g->cuts[0] : 0;
    if (width > 0 && width < (float)MW_INFINITY) {
        g->low = g->cuts[0];
        g->scale = (RANGES - 2) / width;
        if (!(g->scale < (float)MW_INFINITY)) g->low = g->scale = 0;
    }
    for (int32_t i = 0; i < n; i++) counts[range_of(g, g->cuts[i])]++;
    for (int32_t r = 0; r < RANGES; r++) {
        g->below[r] = (uint8_t)sum;
        sum += counts[r];
        most = counts[r] > most ? counts[r] : most;
    }
    uint32_t above = 1;
    while (above <= (uint32_t)most) above *= 2;
    g->half = above / 2;
}

static void search(const float *values, const guide *g, uint8_t missing, uint8_t *out) {
    uint32_t at[LANES];
    for (int i = 0; i < LANES; i++) at[i] = g->below[range_of(g, values[i])];
    for (uint32_t step = g->half; step > 0; step /= 2)
        for (int i = 0; i < LANES; i++)
            at[i] += step & (uint32_t) - (int32_t)(g->cuts[at[i] + step - 1] < values[i]);
    for (int i = 0; i < LANES; i++) out[i] = values[i] != values[i] ? missing : (uint8_t)at[i];
}

static uint8_t bin_of_code(const mw_bins_column *c, float x) {
    return x >= 0 && x < (float)c->n_codes ? c->code_bins[(int32_t)x] : (uint8_t)c->n_bins;
}

/* bins [BLOCK_ROWS] of one column for n rows from `row` on. */
static void fill_column(const filling *f, const mw_bins_column *c, const guide *g, int64_t row,
                        int64_t n, uint8_t *bins) {
    const int64_t width = f->matrix.n_features;
    const float *x = f->matrix.x + row * width + c->feature;
    if (c->by_code) {
        for (int64_t i = 0; i < n; i++) bins[i] = bin_of_code(c, x[i * width]);
        return;
    }
    float values[LANES] = {0};
    for (int64_t i = 0; i < n; i += LANES) {
        const int64_t m = n - i < LANES ? n - i : LANES;
        for (int64_t k = 0; k < m; k++) values[k] = x[(i + k) * width];
        search(values, g, (uint8_t)c->n_bins, bins + i);
    }
}

static mw_status fill_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    filling *f = arg;
    const int32_t n_columns = f->bins->n_columns;
    uint8_t bins[BLOCK_ROWS + LANES] = {0};
    for (int64_t row = begin; row < end; row += BLOCK_ROWS) {
        const int64_t n = end - row < BLOCK_ROWS ? end - row : BLOCK_ROWS;
        mw_status status = mw_ctx_check(f->ctx, err);
        if (status) return status;
        for (int32_t c = 0; c < n_columns; c++) {
            fill_column(f, &f->bins->columns[c], &f->guides[c], row, n, bins);
            memcpy(f->out->columns + c * f->out->n_rows + row, bins, (size_t)n);
            const size_t stride = f->out->stride;
            uint8_t *rows = f->out->rows ? f->out->rows + (size_t)row * stride + c : NULL;
            for (size_t i = 0; rows && i < (size_t)n; i++) rows[i * stride] = bins[i];
        }
    }
    int64_t n_done = atomic_fetch_add(&f->n_done, end - begin) + end - begin;
    if (worker == 0) mw_ctx_report(f->ctx, "binning", (double)n_done, (double)f->matrix.n_rows);
    return MW_OK;
}

/* Bins and a word: to a power of two when that is at most a quarter more. */
static size_t stride_of(size_t n_columns) {
    const size_t stride = (n_columns + 3) / 4 * 4 + 4;
    for (size_t power = 8; power <= 64; power *= 2)
        if (power >= stride) return 4 * power <= 5 * stride ? power : stride;
    return stride;
}

mw_status mw_bins_fill(const mw_ctx *ctx, const mw_bins *bins, mw_matrix matrix, bool by_row,
                       mw_binned *ret, mw_err *err) {
    const size_t n_columns = (size_t)bins->n_columns, n_cells = (size_t)matrix.n_rows * n_columns;
    mw_binned out = {.n_rows = matrix.n_rows, .stride = stride_of(n_columns)};
    guide *guides = mw_alloc_array(ctx->mem, n_columns, sizeof *guides);
    out.columns = mw_alloc_aligned(ctx->mem, n_cells + MW_PARTITION_PAD);
    if (by_row) out.rows = mw_alloc_aligned(ctx->mem, (size_t)matrix.n_rows * out.stride);
    if (!guides || !out.columns || (by_row && !out.rows)) {
        mw_free(guides);
        mw_binned_done(&out);
        return mw_fail_nomem(err, "the bins of the rows");
    }
    for (size_t c = 0; c < n_columns; c++) guide_init(&guides[c], &bins->columns[c]);
    filling f = {.ctx = ctx, .bins = bins, .matrix = matrix, .guides = guides, .out = &out};
    mw_status status = mw_pool_for(ctx, matrix.n_rows, RANGE_ROWS, fill_range, &f, err);
    mw_free(guides);
    if (status)
        mw_binned_done(&out);
    else
        *ret = out;
    return status;
}

void mw_binned_done(mw_binned *binned) {
    mw_free(binned->rows);
    mw_free(binned->columns);
    *binned = (mw_binned){0};
}
