/*
 * forest_bins_order.c -- a node's rows in the order of a column, with their classes: what counting them one by one needs.
 *
 * The fewest rows are compared with each other, four values or sixteen bins at a time: no branches, and no slower than a
 * sort. More are put in place by how many there are of each bin (counting sort).
 */
#include <float.h>

#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17 };

typedef int8_t bytes16 __attribute__((vector_size(16), may_alias));

static inline void place_row(mw_forest__bin_worker *worker, int64_t at, mw_forest__pair row,
                             uint8_t bin) {
    worker->scratch_pairs[at] = (mw_forest__pair){row.sum << MW_FOREST__BIN_BITS | bin, row.held};
}

void mw_forest__order_by_value(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                               mw_forest__column *bins, int64_t *ret_n_missing) {
    mw_forest__few_order *order = &worker->few_order;
    const mw_forest__pair *pairs = worker->pairs + node->begin;
    const int64_t n = node->end - node->begin;
    int64_t n_missing = 0;
    uint8_t seen[MW_FOREST__FEW_SLOTS] = {0};
    mw_forest__rank_values(worker->data, bins->feature, order->rows, n, &order->ranks);
    for (int64_t i = 0; i < n; i++) {
        const int32_t rank = order->ranks.below[i];
        order->low[rank] = order->ranks.values[i];
        n_missing += order->ranks.values[i] > FLT_MAX;
        place_row(worker, rank + seen[rank]++, pairs[i], (uint8_t)rank);
    }
    bins->low = bins->high = order->low;
    bins->n_bins = (int32_t)(n - n_missing);
    *ret_n_missing = n_missing;
}

/* How many rows have a smaller bin than each. */
static void rank_bins(mw_forest__few_order *order, int64_t n) {
    const bytes16 *keys = (const bytes16 *)order->keys;
    bytes16 *below = (bytes16 *)order->below;
    for (int64_t k = 0; 16 * k < n; k++) {
        bytes16 sum = {0};
        for (int64_t i = 0; i < n; i++) {
            const bytes16 all = (bytes16){0} + order->keys[i];
            sum -= all < keys[k];
        }
        below[k] = sum;
    }
}

static void order_few(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                      mw_forest__column bins, int64_t *ret_n_missing) {
    mw_forest__few_order *order = &worker->few_order;
    const uint32_t *index = worker->index + node->begin;
    const mw_forest__pair *pairs = worker->pairs + node->begin;
    const int64_t n = node->end - node->begin;
    uint8_t seen[MW_FOREST__FEW_SLOTS] = {0};
    *ret_n_missing = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint8_t bin = bins.cells[index[i]];
        order->keys[i] = (int8_t)(bin - 128); /* so that they compare as they should */
        *ret_n_missing += bin == bins.n_bins;
    }
    rank_bins(order, n);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t below = order->below[i];
        place_row(worker, below + seen[below]++, pairs[i], (uint8_t)(order->keys[i] + 128));
    }
}

mw_status mw_forest__order_by_bin(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                  mw_forest__column bins, int64_t *ret_n_missing, mw_err *err) {
    const uint32_t *index = worker->index + node->begin;
    const mw_forest__pair *pairs = worker->pairs + node->begin;
    const int64_t n = node->end - node->begin;
    if (n <= MW_FOREST__FEW_SLOTS) {
        order_few(worker, node, bins, ret_n_missing);
        return MW_OK;
    }
    uint32_t places[MW_FOREST__SLOTS] = {0}, next = 0;
    for (int64_t i = 0; i < n; i++) places[bins.cells[index[i]]]++;
    *ret_n_missing = places[bins.n_bins];
    for (int32_t b = 0; b <= bins.n_bins; b++) {
        const uint32_t count = places[b];
        places[b] = next;
        next += count;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint8_t bin = bins.cells[index[i]];
        place_row(worker, places[bin]++, pairs[i], bin);
        if (i % ROWS_PER_CHECK != ROWS_PER_CHECK - 1) continue;
        mw_status status = mw_ctx_check(worker->ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}
