/*
 * forest_grow.h -- one tree at a time, exactly split or on bins; shared by the forest_*.c files only.
 *
 * What      mw_forest__data is the training set in the form growing needs: the target as integers, and either every
 *           column sorted once (exact) or every cell's bin. A worker holds the buffers of one thread: mw_forest__worker
 *           for exact trees, mw_forest__bin_worker (forest_bins.h) for trees on bins.
 * Lifetime  data_init -> (worker_init -> tree_grow* -> worker_done)* -> data_done
 * Memory    exact: 8 bytes a cell; a worker 8 bytes a cell and 40 bytes a row. On bins: 1 byte a cell; a worker 52 bytes a row.
 * Threads   data is read-only once made; one worker per thread.
 * Order     a tree depends on (data, options, seed, its number) and on nothing else.
 */
#ifndef MW_LEARN_TREE_FOREST_GROW_H
#define MW_LEARN_TREE_FOREST_GROW_H

#include "core/base/rng.h"
#include "learn/tree/bins.h"
#include "learn/tree/forest.h"
#include "learn/tree/forest_sets.h"

typedef struct mw_forest__data {
    int64_t n_rows;
    int32_t n_features;
    int32_t n_tried;  /* features drawn at a node */
    const double *y;  /* [n_rows] borrowed */
    int64_t *target;  /* [n_rows] y - mean, scaled by a power of two; or the class */
    double gain_unit; /* times a split's gain gives it in target variances; 1 for classes */
    mw_forest_options options;
    int32_t most_codes; /* codes of categories are below; 0: no feature has categories */
    /* exact */
    uint32_t *order; /* [n_features][n_rows] rows by value, missing ones last */
    float *sorted;   /* [n_features][n_rows] the values in that order */
    /* on bins; forest_bins.c */
    mw_bins *bins;    /* NULL: exact */
    mw_matrix matrix; /* borrowed */
    mw_binned binned;
    int32_t *columns;  /* [n_features] column of the bins; -1: the feature does not vary */
    float *low, *high; /* [n_slots] least and greatest value of each bin */
} mw_forest__data;

mw_status mw_forest__data_init(const mw_ctx *ctx, const mw_forest_options *options,
                               mw_matrix matrix, const double *y, mw_forest__data *data,
                               mw_err *err);
void mw_forest__data_done(mw_forest__data *data);

/* What data_init does of it for growing on bins; data_done frees it in any case. */
mw_status mw_forest__bins_init(const mw_ctx *ctx, mw_matrix matrix, mw_forest__data *data,
                               mw_err *err);

/* ---- what every way of growing needs; forest_tree.c ---- */

/* A grown tree; node and value indices count from its own start. */
typedef struct mw_forest__tree {
    mw_node *nodes;
    float *values; /* [n_leaves][n_outputs] */
    int64_t n_nodes, nodes_capacity;
    int64_t n_leaves, values_capacity; /* in leaves */
    mw_trees sets;                     /* of its nodes; all else in it is empty */
    mw_sets_room sets_room;
} mw_forest__tree;

void mw_forest__tree_done(mw_forest__tree *tree);

mw_rng mw_forest__rng(const mw_ctx *ctx, int32_t index); /* tree number `index`'s own */

/* counts [n_rows]: how often each row is in the tree. */
mw_status mw_forest__draw_rows(const mw_ctx *ctx, const mw_forest__data *data, mw_rng *rng,
                               uint32_t *counts, mw_err *err);

/* The next of a node's features, without replacement: features [n_features] holds those seen first. */
static inline uint32_t mw_forest__draw_feature(mw_rng *rng, uint32_t *features, int32_t n_features,
                                               int32_t n_seen) {
    uint32_t drawn =
        (uint32_t)n_seen + (uint32_t)mw_rng_below(rng, (uint64_t)(n_features - n_seen));
    uint32_t feature = features[drawn];
    features[drawn] = features[n_seen];
    features[n_seen] = feature;
    return feature;
}

/* Half way in float32, but never as large as high: then low itself. */
static inline float mw_forest__threshold(float low, float high) {
    float middle = low / 2 + high / 2;
    return middle >= low && middle < high ? middle : low;
}

int32_t mw_forest__n_outputs(const mw_forest__data *data);

static inline bool mw_forest__is_by_code(const mw_forest__data *data, int32_t feature) {
    return data->options.by_code && data->options.by_code[feature];
}

/* The node's split is by the best set that was found. */
mw_status mw_forest__add_set(mw_mem *mem, const mw_forest__sets *sets, mw_forest__tree *tree,
                             int64_t node, mw_err *err);

/* n more nodes at the end, not filled. */
mw_status mw_forest__add_nodes(mw_mem *mem, mw_forest__tree *tree, int64_t n, mw_err *err);

/* Makes a node a leaf; *ret_values [n_outputs] is where its values go. */
mw_status mw_forest__add_leaf(mw_mem *mem, const mw_forest__data *data, mw_forest__tree *tree,
                              int64_t node, int64_t weight, float **ret_values, mw_err *err);

/* Gives back what doubling left over; a refusal leaves the larger block in place. */
void mw_forest__shrink(mw_mem *mem, const mw_forest__data *data, mw_forest__tree *tree);

/* ---- exact trees ---- */

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
    mw_forest__sets sets;     /* of the best split by categories */
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
    bool by_set; /* of worker->sets, in place of the threshold */
    double gain; /* decrease of the impurity times rows, target scaled as in data; >= 0 */
} mw_forest__split;

/* The best split of the node over its features in [begin, end) of the cells; forest_split.c. */
mw_status mw_forest__split_find(mw_forest__worker *worker, int64_t begin, int64_t end,
                                const mw_forest__sums *node, mw_forest__split *ret, mw_err *err);

#endif
