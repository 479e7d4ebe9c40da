/*
 * forest_data.c -- what is done once for all trees: columns sorted (or binned: forest_bins.c), target made integer.
 *
 * The target is centered and scaled by a power of two so that no sum over all rows leaves an int64;
 * that keeps at least 30 bits of the largest |y - mean| at the row limit and 45 bits at 100,000
 * rows. Integer sums have no rounding, so nothing depends on the order in which rows are added.
 */
#include <float.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/stat/sort.h"
#include "learn/tree/forest_grow.h"

typedef struct sorting {
    const mw_ctx *ctx;
    mw_matrix matrix;
    mw_forest__data *data;
} sorting;

static mw_status sort_column(const sorting *s, int64_t feature, uint64_t *keys, mw_err *err) {
    const int64_t n = s->matrix.n_rows;
    const float *x = s->matrix.x + feature;
    for (int64_t row = 0; row < n; row++)
        keys[row] = (uint64_t)mw_sort_key_f32(x[row * s->matrix.n_features]) << 32 | (uint64_t)row;
    mw_status status = mw_sort_u64(s->ctx, keys, keys + n, n, 32, err);
    if (status != MW_OK) return status;
    uint32_t *order = s->data->order + feature * n;
    float *sorted = s->data->sorted + feature * n;
    for (int64_t i = 0; i < n; i++) {
        order[i] = (uint32_t)keys[i];
        sorted[i] = x[(int64_t)order[i] * s->matrix.n_features];
    }
    return MW_OK;
}

static mw_status sort_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    const sorting *s = arg;
    uint64_t *keys = mw_alloc_array(s->ctx->mem, (size_t)s->matrix.n_rows, 2 * sizeof *keys);
    if (!keys) return mw_fail_nomem(err, "sorting the columns");
    mw_status status = MW_OK;
    for (int64_t feature = begin; feature < end && status == MW_OK; feature++)
        status = sort_column(s, feature, keys, err);
    mw_free(keys);
    return status;
}

static mw_status sort_all(const mw_ctx *ctx, mw_matrix matrix, mw_forest__data *data, mw_err *err) {
    const size_t n_cells = (size_t)matrix.n_rows * (size_t)matrix.n_features;
    data->order = mw_alloc_array(ctx->mem, n_cells, sizeof *data->order);
    data->sorted = mw_alloc_array(ctx->mem, n_cells, sizeof *data->sorted);
    if (!data->order || !data->sorted) return mw_fail_nomem(err, "sorting the columns");
    sorting s = {ctx, matrix, data};
    return mw_pool_for(ctx, matrix.n_features, 1, sort_columns, &s, err);
}

/* The largest power of two by which n values of at most `largest` can be multiplied and summed. */
static double integer_scale(double largest, int64_t n) {
    const double room = 0x1p62 / (double)n;
    double scale = 1;
    if (largest == 0) return scale;
    while (largest * scale > room) scale /= 2;
    while (largest * scale * 2 <= room && scale < 0x1p1000) scale *= 2;
    return scale;
}

static void quantize(mw_forest__data *data) {
    const int64_t n = data->n_rows;
    double sum = 0, largest = 0, squares = 0;
    for (int64_t row = 0; row < n; row++) sum += data->y[row];
    const double mean = sum / (double)n;
    for (int64_t row = 0; row < n; row++) {
        double distance = mw_abs(data->y[row] - mean);
        largest = distance > largest ? distance : largest;
    }
    const double scale = integer_scale(largest, n);
    for (int64_t row = 0; row < n; row++) {
        double centered = (data->y[row] - mean) * scale;
        data->target[row] = (int64_t)__builtin_rint(centered);
        squares += centered * centered;
    }
    data->gain_unit = squares > 0 ? (double)n / squares : 0;
}

/* The codes are below most_codes. */
static mw_status check_codes(const mw_ctx *ctx, mw_forest__data *data, mw_err *err) {
    for (int32_t f = 0; f < data->n_features; f++) {
        mw_status status = mw_ctx_check(ctx, err);
        if (!mw_forest__is_by_code(data, f)) continue;
        for (int64_t row = 0; row < data->n_rows && status == MW_OK; row++) {
            const float x = data->matrix.x[row * data->n_features + f];
            status = mw_bins_check_code(f, x, err);
            if (status == MW_OK && x >= (float)data->most_codes) data->most_codes = (int32_t)x + 1;
        }
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

mw_status mw_forest__data_init(const mw_ctx *ctx, const mw_forest_options *options,
                               mw_matrix matrix, const double *y, mw_forest__data *data,
                               mw_err *err) {
    const size_t n_rows = (size_t)matrix.n_rows;
    double n_tried = mw_floor(options->max_features * (double)matrix.n_features);
    *data = (mw_forest__data){.n_rows = matrix.n_rows,
                              .n_features = matrix.n_features,
                              .matrix = matrix,
                              .n_tried = n_tried < 1 ? 1 : (int32_t)n_tried,
                              .y = y,
                              .gain_unit = 1,
                              .options = *options};
    data->target = mw_alloc_array(ctx->mem, n_rows, sizeof *data->target);
    mw_status status = data->target ? MW_OK : mw_fail_nomem(err, "the training target");
    if (status != MW_OK) goto fail;
    if (options->n_classes == 0)
        quantize(data);
    else
        for (size_t row = 0; row < n_rows; row++) data->target[row] = (int64_t)y[row];
    if (status == MW_OK) status = check_codes(ctx, data, err);
    if (status == MW_OK)
        status = options->max_bin > 0 ? mw_forest__bins_init(ctx, matrix, data, err)
                                      : sort_all(ctx, matrix, data, err);
    if (status == MW_OK) return MW_OK;
fail:
    mw_forest__data_done(data);
    return status;
}

void mw_forest__data_done(mw_forest__data *data) {
    data->target = mw_free(data->target);
    data->order = mw_free(data->order);
    data->sorted = mw_free(data->sorted);
    data->bins = mw_bins_free(data->bins);
    mw_binned_done(&data->binned);
    data->columns = mw_free(data->columns);
    data->low = mw_free(data->low);
    data->high = mw_free(data->high);
}
