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

typedef float values4 __attribute__((vector_size(16), may_alias));
typedef int32_t counts4 __attribute__((vector_size(16), may_alias));

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

/* Most values of few rows will be looked at soon, and have not been for long. */
static void fetch_rows(const mw_forest__data *data, const mw_forest__block *block) {
    enum { LINE = 16, MOST_LINES = 8 };
    const size_t width = (size_t)data->n_features;
    if (width > LINE * MOST_LINES) return;
    for (int64_t i = 0; i < block->n_rows; i++)
        for (size_t f = 0; f < width; f += LINE)
            __builtin_prefetch(data->matrix.x + block->rows[i] * width + f);
}

static void open_in(mw_forest__bin_worker *worker, mw_forest__bin_node *node,
                    mw_forest__where where) {
    mw_forest__block *block = where == MW_FOREST__IN_FEW ? &worker->few : &worker->block;
    block->n_rows = node->end - node->begin;
    for (int64_t i = 0; i < block->n_rows; i++)
        block->rows[i] = mw_forest__row_of(worker, node, node->begin + i);
    for (int64_t i = 0; i < block->n_rows; i++) worker->index[node->begin + i] = (uint32_t)i;
    memset(block->filled, 0, (size_t)worker->data->bins->n_columns);
    if (where == MW_FOREST__IN_FEW) fetch_rows(worker->data, block);
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

void mw_forest__rank_values(const mw_forest__data *data, int32_t feature, const uint32_t *rows,
                            int64_t n, mw_forest__ranks *ret) {
    const float *x = data->matrix.x + feature;
    const int64_t n4 = (n + 3) / 4;
    for (int64_t i = 0; i < n; i++) {
        const float value = x[rows[i] * (size_t)data->n_features];
        ret->values[i] = __builtin_isnan(value) ? (float)MW_INFINITY : value;
    }
    for (int64_t i = n; i < 4 * n4; i++) ret->values[i] = (float)MW_INFINITY;
    const values4 *values = (const values4 *)ret->values;
    counts4 *below = (counts4 *)ret->below;
    for (int64_t k = 0; k < n4; k++) {
        const values4 own = values[k];
        counts4 sum = {0};
        for (int64_t i = 0; i < n4; i++) {
            const values4 x4 = values[i];
            for (int j = 0; j < 4; j++) {
                const values4 all = {x4[j], x4[j], x4[j], x4[j]};
                sum -= all < own;
            }
        }
        below[k] = sum;
    }
}

static void rank_column(const mw_forest__data *data, int32_t feature, const mw_forest__block *few,
                        uint8_t *cells, float *low) {
    mw_forest__ranks ranks = {0};
    mw_forest__rank_values(data, feature, few->rows, few->n_rows, &ranks);
    for (int64_t i = 0; i < few->n_rows; i++) {
        const bool missing = ranks.values[i] > FLT_MAX;
        cells[i] = missing ? MW_FOREST__FEW : (uint8_t)ranks.below[i];
        low[cells[i]] = ranks.values[i];
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
        if (!few->filled[column]) rank_column(data, bins->feature, few, cells, values);
        few->filled[column] = 1;
        return (mw_forest__column){bins->feature, column, cells, MW_FOREST__FEW, values, values};
    }
    mw_forest__column result = {.feature = bins->feature,
                                .column = column,
                                .n_bins = bins->n_bins,
                                .low = data->low + bins->first,
                                .high = data->high + bins->first};
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
