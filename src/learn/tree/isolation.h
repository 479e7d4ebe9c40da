/*
 * isolation.h -- isolation forest (Liu, Ting, Zhou: "Isolation Forest", ICDM 2008), on raw values.
 *
 * Score     s = 2^(-E[h] / c(psi)), h the path length with c(n) added at leaves of n > 1 rows,
 *           as the paper's equations 1 and 2 define them; 0..1, higher is more anomalous.
 */
#ifndef MW_LEARN_TREE_ISOLATION_H
#define MW_LEARN_TREE_ISOLATION_H

#include "learn/tree/trees.h"

typedef struct mw_isolation_options {
    int32_t n_estimators; /* 100 */
    int32_t max_samples;  /* 256; capped by the number of rows */
    int32_t max_features; /* features each tree may split by, drawn for it; 0: all */
    bool bootstrap;       /* draw a tree's rows with replacement */
} mw_isolation_options;

void mw_isolation_defaults(mw_isolation_options *options);

/*
 * mw_isolation_fit -- grow n_estimators trees, each on max_samples rows drawn without replacement
 * (with bootstrap: with).
 *
 *   *ret     leaf values are path lengths divided by the number of trees; `cover` counts sampled
 *            rows; `gain` is 0
 *   *ret_c   c(psi), psi the rows per tree
 *
 * Splits    a feature drawn evenly among those that are not constant in the node, then a
 *           threshold drawn evenly between its least and largest value there; no deeper than
 *           ceil(log2(psi)).
 * Missing   left out of a node's least and largest value; each node sends all of its missing
 *           values to one side, drawn with the odds of the rows that have a value.
 * Order     same seed, same bytes at any thread count.
 * Errors    MW_EINVAL names the option; MW_EDATA for rows (mw_matrix_check); MW_ETOOLARGE when
 *           the trees would have more nodes than one model may; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_isolation_fit(const mw_ctx *ctx, const mw_isolation_options *options, mw_matrix matrix,
                           mw_trees **ret, double *ret_c, mw_err *err);

/* c(n): the average path length of an unsuccessful search in a binary search tree of n rows, with
 * scikit-learn's form of the harmonic number: 0 for n <= 1, 1 for 2, then 2 (ln(n-1) + 0.5772) -
 * 2 (n-1)/n. */
double mw_isolation_c(double n_rows);

/* What mw_isolation_score makes of sums over trees, in place: 2^(-length / c), or 0.5 when c is 0 (one row per tree). */
void mw_isolation_score_of(double c, double *lengths, int64_t n_rows);
/* scores [n_rows]. Errors: as mw_trees_score. */
mw_status mw_isolation_score(const mw_ctx *ctx, const mw_trees *trees, double c, mw_matrix matrix,
                             double *scores, mw_err *err);

/*
 * importance [n_features]: the share of all path steps taken on each feature, when every tree's
 * sampled rows walk down it once: a node counts with its `cover`. Sums to 1, or is all 0 when
 * nothing was split. Features are drawn evenly, so a feature stands out only where it isolates
 * early or others are constant: it says where the paths went, not which feature made a row an
 * anomaly.
 */
void mw_isolation_importance(const mw_trees *trees, double *importance);

#endif
