/*
 * forest_bins.h -- one tree at a time on binned rows; shared by the forest_*.c files only.
 *
 * What      a node is a range of the tree's rows, ascending by row. Each tried column is summed into one histogram of
 *           at most 256 slots, which is searched as the exact forest searches its cells: the same candidates, the same
 *           doubles, the same ties. Where every distinct value has a bin of its own, the trees are the exact forest's.
 * Blocks    a node of few rows takes its rows' bins into a block that fits the cache, and its whole subtree grows there.
 * Memory    a worker: 40 bytes a row and the block.
 */
#ifndef MW_LEARN_TREE_FOREST_BINS_H
#define MW_LEARN_TREE_FOREST_BINS_H

#include "learn/tree/forest_grow.h"

enum { MW_FOREST__BLOCK = 2048, MW_FOREST__SLOTS = MW_BINS_MOST + 1 };

/* Sums over drawn rows. Two classes: `sum` counts the second one; more: a row's is its class, a node's is unused. */
typedef struct mw_forest__pair {
    int64_t sum;   /* of weight * target */
    uint64_t held; /* rows as often as drawn << 32 | distinct rows */
} mw_forest__pair;

static inline int64_t mw_forest__weight(mw_forest__pair pair) { return (int64_t)(pair.held >> 32); }
static inline int64_t mw_forest__n_distinct(mw_forest__pair pair) {
    return (int64_t)(uint32_t)pair.held;
}
static inline mw_forest__pair mw_forest__plus(mw_forest__pair a, mw_forest__pair b) {
    return (mw_forest__pair){a.sum + b.sum, a.held + b.held};
}
static inline mw_forest__pair mw_forest__less(mw_forest__pair a, mw_forest__pair b) {
    return (mw_forest__pair){a.sum - b.sum, a.held - b.held};
}

typedef struct mw_forest__bin_node {
    int64_t begin, end; /* its rows */
    int64_t node;
    int32_t depth;
    bool in_block;
    mw_forest__pair sums;
} mw_forest__bin_node;

typedef struct mw_forest__bin_worker {
    const mw_forest__data *data;
    const mw_ctx *ctx;
    mw_rng rng;
    int64_t n_drawn;
    uint32_t *index;         /* [n_drawn] by node: row of the table; in a block: its place there */
    mw_forest__pair *pairs;  /* [n_drawn] in that order */
    uint32_t *scratch_index; /* [n_rows] */
    mw_forest__pair *scratch_pairs;
    uint8_t *block;                        /* [n_columns][BLOCK] */
    uint32_t block_rows[MW_FOREST__BLOCK]; /* row of a place */
    uint32_t *features;                    /* [n_features] permutation to draw from */
    int64_t *counts; /* [3][n_classes]: node, left of the candidate, missing */
    _Alignas(16) mw_forest__pair slots[MW_FOREST__SLOTS]; /* zeros between columns */
    mw_forest__bin_node *stack;
    int64_t stack_size, stack_capacity;
    mw_forest__tree tree;
} mw_forest__bin_worker;

mw_status mw_forest__bin_worker_init(const mw_ctx *ctx, const mw_forest__data *data,
                                     mw_forest__bin_worker *worker, mw_err *err);
void mw_forest__bin_worker_done(mw_forest__bin_worker *worker);

/* Grows tree number `index`; the result is worker->tree, the caller's to take or free. */
mw_status mw_forest__bin_tree_grow(mw_forest__bin_worker *worker, int32_t index, mw_err *err);

/* The bins of a column, by what `index` holds. */
static inline const uint8_t *mw_forest__cells(const mw_forest__bin_worker *worker,
                                              const mw_forest__bin_node *node, int32_t column) {
    return node->in_block ? worker->block + (size_t)column * MW_FOREST__BLOCK
                          : worker->data->binned.columns + column * worker->data->n_rows;
}

typedef struct mw_forest__bin_split {
    int32_t feature; /* -1: none was found */
    int32_t column;
    int32_t bin; /* the last that goes left */
    bool missing_left;
    float threshold;
    double gain;          /* decrease of the impurity times rows, target scaled as in data; >= 0 */
    mw_forest__pair left; /* sums of that side */
} mw_forest__bin_split;

/* The best split of a node; forest_bins_split.c. */
mw_status mw_forest__bin_split_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                    mw_forest__bin_split *ret, mw_err *err);

#endif
