/*
 * ridge.h -- linear least squares with an L2 penalty on standardized features, through LAPACK
 * (Cholesky, dgelsd when the normal equations are not positive definite).
 *
 * Model     prediction = intercept + sum of weights * x, with the least value of
 *           sum (y - prediction)^2 + alpha * sum (weight * sd)^2;
 *           scikit-learn's SimpleImputer, StandardScaler and Ridge in a row.
 * Missing   a missing value counts as the feature's training mean; without any value, as 0.
 * Memory    one n_features^2 block of doubles while fitting (two when singular).
 * Order     one thread, sums in row order: the same rows give the same bits.
 */
#ifndef MW_LEARN_LINEAR_RIDGE_H
#define MW_LEARN_LINEAR_RIDGE_H

#include "learn/stat/matrix.h"

typedef struct mw_ridge {
    mw_mem *mem;
    int32_t n_features;
    double intercept;
    double *weights;      /* [n_features] on raw features */
    double *standardized; /* [n_features] weight * standard deviation of the feature */
    double *fill;         /* [n_features] training mean, put in place of a missing value */
} mw_ridge;

/*
 * mw_ridge_fit -- alpha >= 0 and finite; y [n_rows] finite. Constant features get weight 0.
 *
 * With alpha 0 and features that depend on each other, the solution with the least sum of squared
 * standardized weights is taken.
 *
 * Cost      O(n_rows * n_features^2 + n_features^3); cancellation is looked for between blocks of
 *           rows, not inside the solver (about 1.5 s at 2,000 features).
 * Errors    MW_EINVAL for alpha; MW_EDATA for rows (mw_matrix_check, mw_target_check);
 *           MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_ridge_fit(const mw_ctx *ctx, double alpha, mw_matrix matrix, const double *y,
                       mw_ridge **ret, mw_err *err);
void *mw_ridge_free(mw_ridge *ridge);
/* matrix.n_features must be the model's. */
void mw_ridge_score(const mw_ridge *ridge, mw_matrix matrix, double *out); /* out [n_rows] */

#endif
