/*
 * isolation.h -- isolation forest (Liu, Ting, Zhou: "Isolation Forest", ICDM 2008), on raw values.
 *
 * Score     s = 2^(-E[h] / c(psi)), h the path length with c(n) added at leaves of n > 1 rows, as the
 *           paper's equations 1 and 2 define them; 0..1, higher is more anomalous.
 */
#ifndef MW_LEARN_TREE_ISOLATION_H
#define MW_LEARN_TREE_ISOLATION_H

#include "learn/tree/trees.h"

typedef struct mw_isolation_options {
    int32_t n_estimators; /* 100 */
    int32_t max_samples;  /* 256; capped by the number of rows */
} mw_isolation_options;

void mw_isolation_defaults(mw_isolation_options *options);

/* Leaf values are path lengths divided by the number of trees; *ret_c is c(psi). */
mw_status mw_isolation_fit(const mw_ctx *ctx, const mw_isolation_options *options, mw_matrix matrix,
                           mw_trees **ret, double *ret_c, mw_err *err);

/* c(n): the average path length of an unsuccessful search in a binary search tree of n rows. */
double mw_isolation_c(double n_rows);

/* scores [n_rows] */
mw_status mw_isolation_score(const mw_ctx *ctx, const mw_trees *trees, double c, mw_matrix matrix,
                             double *scores, mw_err *err);

/* importance [n_features]: share of all path steps of the training rows taken on each feature. */
void mw_isolation_importance(const mw_trees *trees, double *importance);

#endif
