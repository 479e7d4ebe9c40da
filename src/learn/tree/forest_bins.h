/*
 * forest_bins.h -- one tree at a time on binned rows; shared by the forest_*.c files only.
 *
 * What      a node is a range of the tree's rows, ascending by row. Each tried column is summed into one histogram of
 *           at most 256 slots, which is searched as the exact forest searches its cells: the same candidates, the same
 *           doubles, the same ties. Where every distinct value has a bin of its own, the trees are the exact forest's.
 * Blocks    a node of few rows takes its rows' bins into a block that fits the cache, and its whole subtree grows there.
 *           A node of fewer still (MW_FOREST__FEW) goes back to the values: there a bin is one distinct value of the
 *           node, so that what bins are too coarse for is split exactly.
 * Memory    a worker: 40 bytes a row and the block.
 */
#ifndef MW_LEARN_TREE_FOREST_BINS_H
#define MW_LEARN_TREE_FOREST_BINS_H

#include "learn/tree/forest_grow.h"

enum {
    MW_FOREST__SLOTS = MW_BINS_MOST + 1,
    MW_FOREST__BLOCK = 2048, /* rows: 28 columns are 56 KiB */
    MW_FOREST__FEW = 63,     /* rows: a bit for each, and one for missing values */
    MW_FOREST__FEW_SLOTS = MW_FOREST__FEW + 1
};

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

/* What the index of a node's rows counts, and so where their bins are. */
typedef enum mw_forest__where {
    MW_FOREST__IN_TABLE,
    MW_FOREST__IN_BLOCK,
    MW_FOREST__IN_FEW
} mw_forest__where;

typedef struct mw_forest__bin_node {
    int64_t begin, end; /* its rows */
    int64_t node;
    int32_t depth;
    mw_forest__where where;
    mw_forest__pair sums;
} mw_forest__bin_node;

/* Bins of a small node's rows; a column is filled when it is first asked for. */
typedef struct mw_forest__block {
    uint8_t *cells; /* [n_columns][stride] */
    size_t stride;
    uint8_t *filled; /* [n_columns] */
    int64_t n_rows;
    uint32_t rows[MW_FOREST__BLOCK]; /* of the table, by place */
} mw_forest__block;

/* A feature's values in few rows, missing ones infinite, and how many of them are smaller. */
typedef struct mw_forest__ranks {
    _Alignas(16) float values[MW_FOREST__FEW_SLOTS];
    _Alignas(16) int32_t below[MW_FOREST__FEW_SLOTS];
} mw_forest__ranks;

/* Rows of a small node in the order of a column: how many have a smaller bin. */
typedef struct mw_forest__few_order {
    uint32_t rows[MW_FOREST__FEW_SLOTS]; /* of the table, where bins are ranks */
    mw_forest__ranks ranks;
    float low[MW_FOREST__FEW_SLOTS]; /* by rank */
    _Alignas(16) int8_t keys[MW_FOREST__FEW_SLOTS];
    _Alignas(16) uint8_t below[MW_FOREST__FEW_SLOTS];
} mw_forest__few_order;

/* Of a node's weighted counts of classes. */
typedef struct mw_forest__class_sums {
    double weight, squares;
} mw_forest__class_sums;

typedef struct mw_forest__bin_worker {
    const mw_forest__data *data;
    const mw_ctx *ctx;
    mw_rng rng;
    int64_t n_drawn;
    uint32_t *index;         /* [n_drawn] by node: row of the table, or its place in a block */
    mw_forest__pair *pairs;  /* [n_drawn] in that order */
    uint32_t *scratch_index; /* [n_rows] */
    mw_forest__pair *scratch_pairs;
    mw_forest__block block, few;
    int64_t few_limit;     /* rows */
    float *few_values;     /* [n_columns][FEW_SLOTS] the value of a bin there */
    uint32_t *features;    /* [n_features] permutation to draw from */
    double *class_weights; /* [n_classes], or NULL: ones (never with more than two classes) */
    int64_t *counts;       /* [n_classes] of the node */
    /* more than two classes; forest_bins_classes.c */
    double *
        sides; /* [5][n_classes, even]: counts times weights of the node, left, missing; left and right in turn */
    double
        *histogram; /* [SLOTS][n_classes, even] zeros between columns, or NULL: too many classes */
    mw_forest__class_sums class_sums;
    uint32_t bin_rows[MW_FOREST__SLOTS]; /* zeros between columns */
    mw_forest__few_order few_order;
    mw_forest__sets sets; /* of the best split by categories */
    /* of the column looked at; slots are zeros between columns */
    _Alignas(16) mw_forest__pair slots[MW_FOREST__SLOTS];
    mw_forest__pair lefts[MW_FOREST__SLOTS + 1]; /* sums up to each bin that the node holds */
    uint8_t found[MW_FOREST__SLOTS];             /* those bins, ascending */
    mw_forest__bin_node *stack;
    int64_t stack_size, stack_capacity;
    mw_forest__tree tree;
} mw_forest__bin_worker;

mw_status mw_forest__bin_worker_init(const mw_ctx *ctx, const mw_forest__data *data,
                                     mw_forest__bin_worker *worker, mw_err *err);
void mw_forest__bin_worker_done(mw_forest__bin_worker *worker);

/* Grows tree number `index`; the result is worker->tree, the caller's to take or free. */
mw_status mw_forest__bin_tree_grow(mw_forest__bin_worker *worker, int32_t index, mw_err *err);

/* ---- forest_bins_block.c ---- */

mw_status mw_forest__blocks_init(mw_mem *mem, mw_forest__bin_worker *worker, mw_err *err);
void mw_forest__blocks_done(mw_forest__bin_worker *worker);

/* Moves a node that is small enough to a block of its own; nodes of another one are all done by now. */
void mw_forest__open_block(mw_forest__bin_worker *worker, mw_forest__bin_node *node);

/* One column of a node: rows have bins 0..n_bins - 1, or n_bins where they are missing. */
typedef struct mw_forest__column {
    int32_t feature, column;
    const uint8_t *cells; /* by what `index` holds */
    int32_t n_bins;
    const float *low, *high; /* [n_bins] least and greatest value */
} mw_forest__column;

mw_forest__column mw_forest__column_of(mw_forest__bin_worker *worker,
                                       const mw_forest__bin_node *node, int32_t column);

/* rows [n] of the table; n <= MW_FOREST__FEW */
void mw_forest__rank_values(const mw_forest__data *data, int32_t feature, const uint32_t *rows,
                            int64_t n, mw_forest__ranks *ret);

/* The row of the table that index[i] stands for. */
static inline uint32_t mw_forest__row_of(const mw_forest__bin_worker *worker,
                                         const mw_forest__bin_node *node, int64_t i) {
    const uint32_t at = worker->index[i];
    return node->where == MW_FOREST__IN_FEW     ? worker->few.rows[at]
           : node->where == MW_FOREST__IN_BLOCK ? worker->block.rows[at]
                                                : at;
}

static inline float mw_forest__value(const mw_forest__bin_worker *worker,
                                     const mw_forest__bin_node *node, int64_t i, int32_t feature) {
    const size_t row = mw_forest__row_of(worker, node, i);
    return worker->data->matrix.x[row * (size_t)worker->data->n_features + (size_t)feature];
}

/* The node's weight of a class, of worker->counts. */
static inline double mw_forest__weighted(const mw_forest__bin_worker *worker, int32_t class_index) {
    const double count = (double)worker->counts[class_index];
    return worker->class_weights ? worker->class_weights[class_index] * count : count;
}

/* worker->found and ->lefts of a column, [*ret_n_found]; missing rows apart. forest_bins_sums.c */
mw_status mw_forest__sum_column(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                mw_forest__column bins, int32_t *ret_n_found,
                                mw_forest__pair *ret_missing, mw_err *err);

typedef struct mw_forest__bin_split {
    int32_t feature; /* -1: none was found */
    int32_t column;
    int32_t bin;       /* the last that goes left */
    bool missing_left; /* where the node has missing rows */
    bool by_set;       /* of worker->sets, in place of the bin and the threshold */
    float threshold;
    double gain; /* decrease of the impurity times rows, target scaled as in data; >= 0 */
} mw_forest__bin_split;

/* As mw_forest__classes_find, of a feature of categories with any target; forest_bins_sets.c. */
mw_status mw_forest__categories_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                     int32_t feature, double *best, mw_forest__bin_split *split,
                                     bool *ret_constant, mw_err *err);

/* ---- more than two classes; forest_bins_order.c ---- */

enum { MW_FOREST__BIN_BITS = 8 };

/* Of a row in order. */
static inline int32_t mw_forest__bin_of(mw_forest__pair row) {
    return (int32_t)(row.sum & ((1 << MW_FOREST__BIN_BITS) - 1));
}
static inline int64_t mw_forest__class_of(mw_forest__pair row) {
    return row.sum >> MW_FOREST__BIN_BITS;
}

/* A node's rows by bin, missing ones last, in scratch_pairs; their `sum` is class << BIN_BITS | bin. */
mw_status mw_forest__order_by_bin(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                  mw_forest__column bins, int64_t *ret_n_missing, mw_err *err);
/* The same of few rows by the values of bins->feature: a bin is a value's rank. Sets n_bins, low and high. */
void mw_forest__order_by_value(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                               mw_forest__column *bins, int64_t *ret_n_missing);

/* ---- more than two classes; forest_bins_classes.c ---- */

mw_status mw_forest__classes_init(mw_mem *mem, mw_forest__bin_worker *worker, mw_err *err);
void mw_forest__classes_done(mw_forest__bin_worker *worker);

/* Once for a node whose classes were counted. */
void mw_forest__classes_begin(mw_forest__bin_worker *worker, const mw_forest__bin_node *node);

/* Replaces *best and *split where the feature has a better candidate. Sets *ret_constant when it offers no split at all. */
mw_status mw_forest__classes_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                  int32_t feature, double *best, mw_forest__bin_split *split,
                                  bool *ret_constant, mw_err *err);

/* What is maximized, of the split behind last_bin. */
double mw_forest__classes_value(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                mw_forest__column bins, int32_t last_bin, bool missing_left);

/* The best split of a node; forest_bins_split.c. */
mw_status mw_forest__bin_split_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                    mw_forest__bin_split *ret, mw_err *err);

#endif
