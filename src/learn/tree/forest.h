/*
 * forest.h -- random forest (Breiman 2001): bagged trees for regression and classes, exactly split or on bins.
 */
#ifndef MW_LEARN_TREE_FOREST_H
#define MW_LEARN_TREE_FOREST_H

#include "learn/tree/trees.h"

/* Weights of rows by class, so that all classes weigh the same among the rows, or among each tree's draws. */
typedef enum mw_class_weight {
    MW_CLASS_WEIGHT_NONE,
    MW_CLASS_WEIGHT_BALANCED,
    MW_CLASS_WEIGHT_BALANCED_SUBSAMPLE
} mw_class_weight;

typedef struct mw_forest_options {
    int32_t n_estimators;      /* 100 */
    int32_t max_depth;         /* 0: unlimited */
    int32_t min_samples_split; /* 2 */
    int32_t min_samples_leaf;  /* 1 */
    double max_features;       /* share of features tried at a node, (0, 1]; at least one feature */
    bool bootstrap;            /* true */
    int32_t n_classes;         /* 0: regression (variance); >= 2: classes (Gini) */
    int32_t max_bin;        /* 0: exact; 2..255: thresholds lie between as many bins of a feature */
    bool random_thresholds; /* extremely randomized trees; false. Needs max_bin > 0 */
    mw_class_weight class_weight; /* none. Needs classes and max_bin > 0 */
    const uint8_t *by_code; /* [n_features], or NULL: not 0 where values are codes of categories */
} mw_forest_options;

void mw_forest_defaults(mw_forest_options *options); /* scikit-learn 1.x's for regression */

/*
 * mw_forest_fit -- grow n_estimators trees on all rows (bootstrap: n_rows draws with replacement).
 *
 *   y        [n_rows] the target, finite and within float32; or the class index 0..n_classes-1
 *   *ret     leaf values already divided by the number of trees, so that the score is the mean
 *            (the class shares); `cover` counts a row as often as it was drawn; `gain` is the
 *            decrease of the sum of squares in units of the target's variance, or of rows * Gini
 *
 * Splits    as scikit-learn's RandomForestRegressor and RandomForestClassifier: exact, over all
 *           thresholds; constant features count as tried, but one that is not constant always
 *           is; min_samples_* count distinct rows. Unlike there, values closer than 1e-7 differ.
 * Missing   both sides are tried and the better kept; with none at a node they go to the side
 *           with more rows.
 * Order     same seed, same bytes at any thread count.
 * Bins      max_bin > 0: the same search over bins instead of values; with a bin for each value (at most max_bin
 *           distinct ones) the trees are the exact ones to the last byte. Cuts are found on 200,000 rows.
 * Random    thresholds: each tried feature has one, drawn evenly between the node's least and greatest value, to the
 *           width of a bin; the best of these is taken.
 * Weights   of classes count in gains, in the class shares of leaves and nowhere else: not in `cover` or min_samples_*.
 * Categories  are split by sets: values and two classes by the best of all, more classes by the best in one order, random
 *           thresholds by a set drawn evenly (forest_sets.h). Codes outside the set go right, with missing ones and those that the
 *           node did not have; on bins only the 255 most frequent codes are told apart above 63 rows.
 * Cost      O(n_features * n_rows log n_rows) for a tree that comes out balanced.
 * Memory    exact: 8 bytes a cell (n_rows * n_features), as much again for each working thread; on bins: 1 byte a cell,
 *           40 bytes a row and thread. 28 bytes a node, twice that for a moment at the end.
 * Errors    MW_EINVAL names the option; MW_EDATA names the row (and feature), also where a category is no code; MW_ETOOLARGE when
 *           the model would have more nodes than one may; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_forest_fit(const mw_ctx *ctx, const mw_forest_options *options, mw_matrix matrix,
                        const double *y, mw_trees **ret, mw_err *err);

/* Out-of-bag: of rows that at least one tree did not draw, predicted by such trees only. */
typedef struct mw_forest_oob {
    double
        score; /* R2, or the share of rows with the right class; NaN: no such row, or R2 of a constant */
    int64_t n_rows; /* such rows */
} mw_forest_oob;

/*
 * mw_forest_oob_score -- of trees that mw_forest_fit has just grown with the same ctx->seed, options, matrix and y.
 *
 * Cost      drawing all trees' rows again and walking 37 % of them. Memory 72 bytes a row and 8 more an output.
 * Order     the same number at any thread count.
 * Errors    MW_EINVAL without options->bootstrap; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_forest_oob_score(const mw_ctx *ctx, const mw_forest_options *options, mw_matrix matrix,
                              const double *y, const mw_trees *trees, mw_forest_oob *ret,
                              mw_err *err);

/* importance [n_features]: mean decrease in impurity per tree, normalized to sum 1 (0: no split) */
void mw_trees_gain_importance(const mw_trees *trees, double *importance);

#endif
