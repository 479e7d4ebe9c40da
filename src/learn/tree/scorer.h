/*
 * scorer.h -- an ensemble laid out for fast scoring.
 *
 * What      the same sums as mw_trees_score_row, bit for bit, for many rows at once or for one. Three
 *           layouts: short nodes to walk (always); masks over leaves in ranks of thresholds, for many rows
 *           (every tree has at most 256 leaves); those masks joined by feature and rank, for one row
 *           (at most 32 leaves, 256 features, no sets, and no more than 8 MiB).
 * Lifetime  mw_scorer_new -> (mw_scorer_score | mw_scorer_row | mw_scorer_leaves)* -> mw_scorer_free
 * Memory    16 bytes a node to walk. Masks: at most 12 bytes for each eight leaves that a node's left
 *           side touches (about 20 bytes a node at 31 leaves), 4 for each distinct threshold, 8 for
 *           each leaf value. Joined masks: 4 bytes a tree for each distinct threshold. Scoring many rows
 *           takes 128 bytes for each column of ranks and thread: a column for each feature and 255 of its
 *           thresholds, and for each set that nodes split by.
 * Threads   lock-free; a scorer is never written after mw_scorer_new.
 * Trees     [first, last) is the part of the ensemble to score, 0 <= first <= last <= n_trees. Sums start
 *           with the ensemble's base values when first is 0, and with zeros otherwise: the sums of parts
 *           that follow each other add up to the whole's.
 */
#ifndef MW_LEARN_TREE_SCORER_H
#define MW_LEARN_TREE_SCORER_H

#include "learn/tree/trees.h"

typedef struct mw_scorer mw_scorer;

/* trees is borrowed and must stay as it is while the scorer lives. Cost: sorts the
 * thresholds and writes the layouts.
 * Errors: MW_ENOMEM. */
mw_status mw_scorer_new(const mw_ctx *ctx, const mw_trees *trees, mw_scorer **ret, mw_err *err);
void *mw_scorer_free(mw_scorer *scorer);

/*
 * mw_scorer_score -- out [n_rows][n_outputs], float64 sums in tree order. Rows are shared over
 * ctx->pool.
 *
 * Errors    MW_EINVAL when the matrix has another number of features; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_scorer_score(const mw_ctx *ctx, const mw_scorer *scorer, int32_t first, int32_t last,
                          mw_matrix matrix, double *out, mw_err *err);

/* leaves [n_rows][last - first]: the row of values (mw_trees.values) that each tree gives. Errors: as
 * above. */
mw_status mw_scorer_leaves(const mw_ctx *ctx, const mw_scorer *scorer, int32_t first, int32_t last,
                           mw_matrix matrix, int32_t *leaves, mw_err *err);

/* One row [n_features] to out [n_outputs]; allocates nothing. */
void mw_scorer_row(const mw_scorer *scorer, int32_t first, int32_t last, const float *row,
                   double *out);

#endif
