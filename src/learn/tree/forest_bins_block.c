/*
 * forest_bins_block.c -- the bins of small nodes, close together; and exact ones for the smallest.
 *
 * Bins of a block of few rows are places among their values: how many of the rows have a smaller one. That is counted by
 * comparing each with all others, four at a time: no branches, and for 63 rows no slower than a sort.
 */
#include <float.h>
#include <string.h>

#include "core/base/math.h"
#include "learn/tree/forest_bins.h"

typedef float values4 __attribute__((vector_size(16)));
typedef int32_t counts4 __attribute__((vector_size(16)));

static mw_status block_init(mw_mem *mem, size_t n_columns, size_t stride, mw_forest__block *block,
                            mw_err *err) {
    block->stride = stride;
    block->cells = mw_alloc_array(mem, n_columns, stride);
    block->filled = mw_alloc(mem, n_columns);
    return block->cells && block->filled ? MW_OK : mw_fail_nomem(err, "growing trees");
}

mw_status mw_forest__blocks_init(mw_mem *mem, mw_forest__bin_worker *worker, mw_err *err) {
    const size_t n = (size_t)worker->data->bins->n_columns;
    const int64_t n_rows = worker->data->n_rows;
    const size_t stride = n_rows < MW_FOREST__BLOCK ? (size_t)n_rows : MW_FOREST__BLOCK;
    worker->few_values = mw_alloc_array(mem, n, MW_FOREST__FEW_SLOTS * sizeof(float));
    if (!worker->few_values) return mw_fail_nomem(err, "growing trees");
    mw_status status = block_init(mem, n, stride, &worker->block, err);
    return status ? status : block_init(mem, n, MW_FOREST__FEW_SLOTS, &worker->few, err);
}

void mw_forest__blocks_done(mw_forest__bin_worker *worker) {
    mw_free(worker->block.cells);
    mw_free(worker->block.filled);
    mw_free(worker->few.cells);
    mw_free(worker->few.filled);
    mw_free(worker->few_values);
}

static void open_in(mw_forest__bin_worker *worker, mw_forest__bin_node *node,
                    mw_forest__where where) {
    mw_forest__block *block = where == MW_FOREST__IN_FEW ? &worker->few : &worker->block;
    block->n_rows = node->end - node->begin;
    for (int64_t i = 0; i < block->n_rows; i++)
        block->rows[i] = mw_forest__row_of(worker, node, node->begin + i);
    for (int64_t i = 0; i < block->n_rows; i++) worker->index[node->begin + i] = (uint32_t)i;
    memset(block->filled, 0, (size_t)worker->data->bins->n_columns);
    node->where = where;
}

void mw_forest__open_block(mw_forest__bin_worker *worker, mw_forest__bin_node *node) {
    const int64_t n = node->end - node->begin;
    if (n <= worker->few_limit && node->where != MW_FOREST__IN_FEW)
        open_in(worker, node, MW_FOREST__IN_FEW);
    else if (n <= MW_FOREST__BLOCK && node->where == MW_FOREST__IN_TABLE)
        open_in(worker, node, MW_FOREST__IN_BLOCK);
}

static void copy_bins(const mw_forest__data *data, int32_t column, const mw_forest__block *block,
                      uint8_t *cells) {
    const uint8_t *all = data->binned.columns + column * data->n_rows;
    for (int64_t i = 0; i < block->n_rows; i++) cells[i] = all[block->rows[i]];
}

/* values [n4 * 4], missing ones infinite. How many are below x? */
static uint8_t count_below(const values4 *values, int n4, float x) {
    const values4 all = {x, x, x, x};
    counts4 below = {0};
    for (int i = 0; i < n4; i++) below -= values[i] < all;
    return (uint8_t)(below[0] + below[1] + below[2] + below[3]);
}

static void rank_values(const mw_forest__data *data, int32_t column, const mw_forest__block *block,
                        uint8_t *cells, float *low) {
    union {
        float one[MW_FOREST__FEW_SLOTS];
        values4 four[MW_FOREST__FEW_SLOTS / 4];
    } values = {.one = {0}};
    const float *x = data->matrix.x + data->bins->columns[column].feature;
    const int n4 = (int)block->n_rows / 4 + 1;
    for (int i = 0; i < 4 * n4; i++) {
        float value =
            i < block->n_rows ? x[block->rows[i] * (size_t)data->n_features] : (float)MW_INFINITY;
        values.one[i] = __builtin_isnan(value) ? (float)MW_INFINITY : value;
    }
    for (int64_t i = 0; i < block->n_rows; i++) {
        const float value = values.one[i];
        const bool missing = value > FLT_MAX;
        cells[i] = missing ? MW_FOREST__FEW : count_below(values.four, n4, value);
        low[cells[i]] = value;
    }
}

mw_forest__column mw_forest__column_of(mw_forest__bin_worker *worker,
                                       const mw_forest__bin_node *node, int32_t column) {
    const mw_forest__data *data = worker->data;
    const mw_bins_column *bins = &data->bins->columns[column];
    if (node->where == MW_FOREST__IN_FEW) {
        mw_forest__block *few = &worker->few;
        uint8_t *cells = few->cells + (size_t)column * few->stride;
        float *values = worker->few_values + (size_t)column * MW_FOREST__FEW_SLOTS;
        if (!few->filled[column]) rank_values(data, column, few, cells, values);
        few->filled[column] = 1;
        return (mw_forest__column){cells, MW_FOREST__FEW, values, values};
    }
    mw_forest__column result = {
        .n_bins = bins->n_bins, .low = data->low + bins->first, .high = data->high + bins->first};
    if (node->where == MW_FOREST__IN_TABLE) {
        result.cells = data->binned.columns + column * data->n_rows;
        return result;
    }
    uint8_t *cells = worker->block.cells + (size_t)column * worker->block.stride;
    if (!worker->block.filled[column]) copy_bins(data, column, &worker->block, cells);
    worker->block.filled[column] = 1;
    result.cells = cells;
    return result;
}
