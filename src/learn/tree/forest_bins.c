/*
 * forest_bins.c -- the training set of a forest on bins: the bin of every cell, and the range of values in each bin.
 *
 * Thresholds lie half way between the greatest value of the left neighbor's bin and the least of the right one's, as
 * the exact forest has them between values; only bins that a node holds are neighbors.
 */
#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/forest_grow.h"

enum { SAMPLE_ROWS = 200000 }; /* cuts are found on as many, as LightGBM has it */

typedef struct ranging {
    const mw_ctx *ctx;
    mw_matrix matrix;
    mw_forest__data *data;
} ranging;

enum { ROWS_PER_CHECK = 1 << 17 };

static mw_status range_column(const ranging *r, const mw_bins_column *column, const uint8_t *cells,
                              mw_err *err) {
    float *low = r->data->low + column->first, *high = r->data->high + column->first;
    for (int32_t b = 0; b <= column->n_bins; b++) {
        low[b] = (float)MW_INFINITY;
        high[b] = -(float)MW_INFINITY;
    }
    const float *x = r->matrix.x + column->feature;
    for (int64_t row = 0; row < r->matrix.n_rows; row++) {
        const float value = x[row * r->matrix.n_features];
        if (value < low[cells[row]]) low[cells[row]] = value;
        if (value > high[cells[row]]) high[cells[row]] = value;
        if (row % ROWS_PER_CHECK != ROWS_PER_CHECK - 1) continue;
        mw_status status = mw_ctx_check(r->ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status range_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    const ranging *r = arg;
    mw_status status = MW_OK;
    for (int64_t c = begin; c < end && status == MW_OK; c++)
        status = range_column(r, &r->data->bins->columns[c],
                              r->data->binned.columns + c * r->matrix.n_rows, err);
    return status;
}

/* Bins of categories in the order of their codes, as the exact forest meets them. */
static void order_codes(mw_bins_column *column) {
    for (int32_t b = 1; b < column->n_bins; b++) {
        const int32_t code = column->codes[b];
        int32_t at = b;
        for (; at > 0 && column->codes[at - 1] > code; at--)
            column->codes[at] = column->codes[at - 1];
        column->codes[at] = code;
    }
    for (int32_t b = 0; b < column->n_bins; b++) column->code_bins[column->codes[b]] = (uint8_t)b;
}

mw_status mw_forest__bins_init(const mw_ctx *ctx, mw_matrix matrix, mw_forest__data *data,
                               mw_err *err) {
    const mw_bins_options options = {.max_bin = data->options.max_bin,
                                     .min_data_in_bin = 1,
                                     .sample_rows = SAMPLE_ROWS,
                                     .by_code = data->options.by_code};
    mw_status status = mw_bins_find(ctx, matrix, &options, &data->bins, err);
    if (status != MW_OK) return status;
    const mw_bins *bins = data->bins;
    for (int32_t c = 0; c < bins->n_columns; c++)
        if (bins->columns[c].by_code) order_codes(&data->bins->columns[c]);
    status = mw_bins_fill(ctx, bins, matrix, false, &data->binned, err);
    if (status != MW_OK) return status;
    data->columns = mw_alloc_array(ctx->mem, (size_t)matrix.n_features, sizeof *data->columns);
    data->low = mw_alloc_array(ctx->mem, bins->n_slots, sizeof *data->low);
    data->high = mw_alloc_array(ctx->mem, bins->n_slots, sizeof *data->high);
    if (!data->columns || !data->low || !data->high) return mw_fail_nomem(err, "binning");
    for (int32_t f = 0; f < matrix.n_features; f++) data->columns[f] = -1;
    for (int32_t c = 0; c < bins->n_columns; c++) data->columns[bins->columns[c].feature] = c;
    ranging r = {ctx, matrix, data};
    return mw_pool_for(ctx, bins->n_columns, 1, range_columns, &r, err);
}
