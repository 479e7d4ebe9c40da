/*
 * scorer_rows.h -- rows kept in the form that a scorer works on, for whoever scores the same rows more than once.
 *
 * What      mw_scorer_score turns values into ranks of the model's thresholds, in bytes, before trees see them; here that
 *           is done once. One feature can be given other values, whose bytes alone are then made anew. Where the scorer
 *           has no masks (a tree of more than 256 leaves) it walks values, and a copy of the rows is what is kept.
 * Lifetime  mw_scorer_rows_new -> (mw_scorer_rows_score | mw_scorer_rows_leaves | mw_scorer_rows_feature)*
 *           -> mw_scorer_rows_free. The scorer is borrowed and must outlive the rows; the matrix is not needed any more.
 * Memory    a byte a row (rounded up to 128 of them) for each column of ranks (scorer.h), and for each set that nodes
 *           split by; without masks four bytes a row and feature. All of it is allocated by mw_scorer_rows_new, whole:
 *           a caller of many rows keeps some at a time. Scoring and replacing allocate nothing.
 * Threads   all of them share rows over ctx->pool. Several may score the same rows at a time; not while a feature is
 *           replaced.
 */
#ifndef MW_LEARN_TREE_SCORER_ROWS_H
#define MW_LEARN_TREE_SCORER_ROWS_H

#include "learn/tree/scorer.h"

typedef struct mw_scorer_rows mw_scorer_rows;

/* Errors: MW_EINVAL when the matrix has another number of features; MW_ENOMEM; MW_ECANCELED. */
mw_status mw_scorer_rows_new(const mw_ctx *ctx, const mw_scorer *scorer, mw_matrix matrix,
                             mw_scorer_rows **ret, mw_err *err);
void *mw_scorer_rows_free(mw_scorer_rows *rows);

/* out [n_rows][n_outputs]: as mw_scorer_score of the rows, bit for bit. Errors: MW_ECANCELED. */
mw_status mw_scorer_rows_score(const mw_ctx *ctx, const mw_scorer_rows *rows, int32_t first,
                               int32_t last, double *out, mw_err *err);

/* leaves [n_rows][last - first]: as mw_scorer_leaves of the rows. Errors: MW_ECANCELED. */
mw_status mw_scorer_rows_leaves(const mw_ctx *ctx, const mw_scorer_rows *rows, int32_t first,
                                int32_t last, int32_t *leaves, mw_err *err);

/*
 * mw_scorer_rows_feature -- the rows are from now on those with values [n_rows] (borrowed) of this feature.
 *
 *   feature   >= 0, below the scorer's number of features
 *
 * Cost      one feature's share of mw_scorer_rows_new; next to none when no tree uses it.
 * Errors    MW_ECANCELED: some rows have the new values, the others the old ones.
 */
mw_status mw_scorer_rows_feature(const mw_ctx *ctx, mw_scorer_rows *rows, int32_t feature,
                                 const float *values, mw_err *err);

#endif
