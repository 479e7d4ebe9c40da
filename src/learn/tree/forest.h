/*
 * forest.h -- random forest (Breiman 2001): bagged, exactly split trees for regression and classes.
 */
#ifndef MW_LEARN_TREE_FOREST_H
#define MW_LEARN_TREE_FOREST_H

#include "learn/tree/trees.h"

typedef struct mw_forest_options {
    int32_t n_estimators;      /* 100 */
    int32_t max_depth;         /* 0: unlimited */
    int32_t min_samples_split; /* 2 */
    int32_t min_samples_leaf;  /* 1 */
    double max_features;       /* share of features tried at a node, (0, 1]; at least one feature */
    bool bootstrap;            /* true */
    int32_t n_classes;         /* 0: regression (variance); >= 2: classes (Gini) */
} mw_forest_options;

void mw_forest_defaults(mw_forest_options *options); /* scikit-learn 1.x's for regression */

/*
 * y [n_rows]: the target, finite; or the class index 0..n_classes-1.
 * Result: leaf values already divided by the number of trees, so that the score is the mean (the
 * class shares). Same seed, same bytes at any thread count.
 */
mw_status mw_forest_fit(const mw_ctx *ctx, const mw_forest_options *options, mw_matrix matrix,
                        const double *y, mw_trees **ret, mw_err *err);

/* importance [n_features]: mean decrease in impurity per tree, normalised to sum 1 (0 if no split).
 */
void mw_trees_gain_importance(const mw_trees *trees, double *importance);

#endif
