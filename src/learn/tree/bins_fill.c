/*
 * bins_fill.c -- the bin of every cell.
 *
 * A cell's bin is the number of cuts below its value: a binary search without branches over the cuts, padded to a power
 * of two, eight cells at a time so that their searches overlap. Rows come in blocks whose cells stay in the cache while
 * each of their columns is taken out.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/bins.h"

enum { LANES = 8, BLOCK_ROWS = 256, RANGE_ROWS = 16 * BLOCK_ROWS, CUTS = MW_BINS_MOST + 1 };

typedef struct filling {
    const mw_ctx *ctx;
    const mw_bins *bins;
    mw_matrix matrix;
    const float *cuts; /* [n_columns][CUTS] padded with infinity */
    mw_binned *out;
    _Atomic int64_t n_done;
} filling;

static void search(const float *values, const float *cuts, uint32_t half, uint8_t missing,
                   uint8_t *out) {
    uint32_t at[LANES] = {0};
    for (uint32_t step = half; step > 0; step /= 2)
        for (int i = 0; i < LANES; i++)
            at[i] += step & (uint32_t) - (int32_t)(cuts[at[i] + step - 1] < values[i]);
    for (int i = 0; i < LANES; i++) out[i] = values[i] != values[i] ? missing : (uint8_t)at[i];
}

/* The largest step of a search among n_bins - 1 cuts. */
static uint32_t half_of(int32_t n_bins) {
    uint32_t half = 1;
    while (2 * half < (uint32_t)n_bins) half *= 2;
    return half;
}

static uint8_t bin_of_code(const mw_bins_column *c, float x) {
    return x >= 0 && x < (float)c->n_codes ? c->code_bins[(int32_t)x] : (uint8_t)c->n_bins;
}

/* bins [BLOCK_ROWS] of one column for n rows from `row` on. */
static void fill_column(const filling *f, const mw_bins_column *c, const float *cuts, int64_t row,
                        int64_t n, uint8_t *bins) {
    const int64_t width = f->matrix.n_features;
    const float *x = f->matrix.x + row * width + c->feature;
    if (c->by_code) {
        for (int64_t i = 0; i < n; i++) bins[i] = bin_of_code(c, x[i * width]);
        return;
    }
    const uint32_t half = half_of(c->n_bins);
    float values[LANES] = {0};
    for (int64_t i = 0; i < n; i += LANES) {
        const int64_t m = n - i < LANES ? n - i : LANES;
        for (int64_t k = 0; k < m; k++) values[k] = x[(i + k) * width];
        search(values, cuts, half, (uint8_t)c->n_bins, bins + i);
    }
}

static mw_status fill_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    filling *f = arg;
    const int32_t n_columns = f->bins->n_columns;
    uint8_t bins[BLOCK_ROWS + LANES];
    for (int64_t row = begin; row < end; row += BLOCK_ROWS) {
        const int64_t n = end - row < BLOCK_ROWS ? end - row : BLOCK_ROWS;
        mw_status status = mw_ctx_check(f->ctx, err);
        if (status) return status;
        for (int32_t c = 0; c < n_columns; c++) {
            fill_column(f, &f->bins->columns[c], f->cuts + (size_t)c * CUTS, row, n, bins);
            memcpy(f->out->columns + c * f->out->n_rows + row, bins, (size_t)n);
            uint8_t *rows = f->out->rows ? f->out->rows + row * n_columns + c : NULL;
            for (int64_t i = 0; rows && i < n; i++) rows[i * n_columns] = bins[i];
        }
    }
    int64_t n_done = atomic_fetch_add(&f->n_done, end - begin) + end - begin;
    if (worker == 0) mw_ctx_report(f->ctx, "binning", (double)n_done, (double)f->matrix.n_rows);
    return MW_OK;
}

mw_status mw_bins_fill(const mw_ctx *ctx, const mw_bins *bins, mw_matrix matrix, bool by_row,
                       mw_binned *ret, mw_err *err) {
    const size_t n_columns = (size_t)bins->n_columns, n_cells = (size_t)matrix.n_rows * n_columns;
    mw_binned out = {.n_rows = matrix.n_rows};
    float *cuts = mw_alloc_array(ctx->mem, n_columns * CUTS, sizeof *cuts);
    out.columns = mw_alloc_aligned(ctx->mem, n_cells);
    if (by_row) out.rows = mw_alloc_aligned(ctx->mem, n_cells);
    mw_status status = MW_OK;
    if (!cuts || !out.columns || (by_row && !out.rows))
        status = mw_fail_nomem(err, "the bins of the rows");
    for (size_t c = 0; !status && c < n_columns; c++) {
        const mw_bins_column *column = &bins->columns[c];
        for (int32_t i = 0; i < CUTS; i++)
            cuts[c * CUTS + (size_t)i] =
                !column->by_code && i < column->n_bins - 1 ? column->cuts[i] : (float)MW_INFINITY;
    }
    filling f = {.ctx = ctx, .bins = bins, .matrix = matrix, .cuts = cuts, .out = &out};
    if (!status) status = mw_pool_for(ctx, matrix.n_rows, RANGE_ROWS, fill_range, &f, err);
    mw_free(cuts);
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
