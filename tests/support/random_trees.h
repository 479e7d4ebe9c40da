/*
 * random_trees.h -- random ensembles with sets and base values, and rows for them, for tests.
 */
#ifndef MW_TESTS_SUPPORT_RANDOM_TREES_H
#define MW_TESTS_SUPPORT_RANDOM_TREES_H

#include "core/base/rng.h"
#include "learn/tree/trees.h"

/* Every third feature, from feature 2 on, is a category when n_codes > 0: its nodes split by set, and its
 * cells hold whole numbers. */
typedef struct mw_trees_shape {
    int32_t n_trees, n_features, n_outputs;
    uint64_t splits_most; /* of a tree */
    uint64_t n_codes;     /* 0: no sets */
    bool base;
} mw_trees_shape;

/* Sets, leaves and rows of values stand in the order of nodes, and a set ends in a word that is not 0. */
mw_trees *mw_random_trees(mw_rng *rng, const mw_trees_shape *shape);

/* Cells [n_rows][n_features]: numbers and codes, known and unknown ones, and missing ones; some numbers
 * equal thresholds. The caller frees them. */
float *mw_random_rows(mw_rng *rng, const mw_trees_shape *shape, int64_t n_rows);

#endif
