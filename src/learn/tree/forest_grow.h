/*
 * forest_grow.h -- one exactly split tree at a time; shared by the forest_*.c files only.
 *
 * What      mw_forest__data is the training set in the form growing needs: every column sorted
 *           once, the target as integers. mw_forest__worker holds the buffers of one thread.
 * Lifetime  data_init -> (worker_init -> tree_grow* -> worker_done)* -> data_done
 * Memory    data: 8 bytes a cell; a worker: 8 bytes a cell and 40 bytes a row.
 * Threads   data is read-only once made; one worker per thread.
 * Order     a tree depends on (data, options, seed, its number) and on nothing else.
 */
#ifndef MW_LEARN_TREE_FOREST_GROW_H
#define MW_LEARN_TREE_FOREST_GROW_H

#include "core/base/rng.h"
#include "learn/tree/forest.h"

typedef struct mw_forest__data {
    int64_t n_rows;
    int32_t n_features;
    int32_t n_tried;  /* features drawn at a node */
    const double *y;  /* [n_rows] borrowed */
    int64_t *target;  /* [n_rows] y - mean, scaled by a power of two; or the class */
    double gain_unit; /* times a split's gain gives it in target variances; 1 for classes */
    uint32_t *order;  /* [n_features][n_rows] rows by value, missing ones last */
    float *sorted;    /* [n_features][n_rows] the values in that order */
    mw_forest_options options;
} mw_forest__data;

mw_status mw_forest__data_init(const mw_ctx *ctx, const mw_forest_options *options,
                               mw_matrix matrix, const double *y, mw_forest__data *data,
                               mw_err *err);
void mw_forest__data_done(mw_forest__data *data);

/* A row that was drawn: its weight is how often. */
typedef struct mw_forest__row {
    int64_t target;  /* as in data; regression: times weight */
    uint32_t weight; /* >= 1 */
    uint32_t id;     /* in data */
} mw_forest__row;

/* A cell of a drawn row; a node owns the same range in every feature's cells. */
typedef struct mw_forest__cell {
    uint32_t row; /* index of an mw_forest__row */
    float value;
} mw_forest__cell;

typedef struct mw_forest__job {
    int64_t begin, end; /* the node's range of rows and cells */
    int64_t node;
    int32_t depth;
} mw_forest__job;

/* A grown tree; node and value indices count from its own start. */
typedef struct mw_forest__tree {
    mw_node *nodes;
    float *values; /* [n_leaves][n_outputs] */
    int64_t n_nodes, nodes_capacity;
    int64_t n_leaves, values_capacity; /* in leaves */
} mw_forest__tree;

typedef struct mw_forest__worker {
    const mw_forest__data *data;
    const mw_ctx *ctx;
    mw_rng rng;
    int64_t n_drawn;          /* distinct rows in the tree */
    mw_forest__row *rows;     /* [n_drawn] */
    uint32_t *members;        /* [n_drawn] row indices by node, ascending within one */
    mw_forest__cell *cells;   /* [n_features][n_rows] */
    mw_forest__cell *scratch; /* [n_rows] */
    uint32_t *local;          /* [n_rows] row index of a training row; UINT32_MAX: not drawn */
    uint8_t *goes_left;       /* [n_drawn] */
    uint32_t *features;       /* [n_features] permutation to draw from */
    int64_t *counts;          /* [3][n_classes]: node, left of the candidate, missing */
    mw_forest__job *stack;
    int64_t stack_size, stack_capacity;
    mw_forest__tree tree;
} mw_forest__worker;

mw_status mw_forest__worker_init(const mw_ctx *ctx, const mw_forest__data *data,
                                 mw_forest__worker *worker, mw_err *err);
void mw_forest__worker_done(mw_forest__worker *worker);

/* Grows tree number `index`; the result is worker->tree, the caller's to take or free. */
mw_status mw_forest__tree_grow(mw_forest__worker *worker, int32_t index, mw_err *err);

/* Sums over the rows of a node. */
typedef struct mw_forest__sums {
    int64_t n;      /* distinct rows */
    int64_t weight; /* rows, as often as drawn */
    int64_t sum;    /* of weight * target; classes use counts instead */
} mw_forest__sums;

typedef struct mw_forest__split {
    int32_t feature; /* -1: none was found */
    float threshold;
    bool missing_left;
    double gain; /* decrease of the impurity times rows, target scaled as in data; >= 0 */
} mw_forest__split;

/* The best split of the node over its features in [begin, end) of the cells; forest_split.c. */
mw_status mw_forest__split_find(mw_forest__worker *worker, int64_t begin, int64_t end,
                                const mw_forest__sums *node, mw_forest__split *ret, mw_err *err);

#endif
