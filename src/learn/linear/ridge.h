/*
 * ridge.h -- linear least squares with an L2 penalty on standardised features, through LAPACK (dposv,
 * dgelsd when the normal equations are not positive definite).
 */
#ifndef MW_LEARN_LINEAR_RIDGE_H
#define MW_LEARN_LINEAR_RIDGE_H

#include "learn/tree/trees.h"

typedef struct mw_ridge {
    mw_mem *mem;
    int32_t n_features;
    double intercept;
    double *weights;      /* [n_features] on raw features */
    double *standardised; /* [n_features] weight * standard deviation of the feature */
    double *fill;         /* [n_features] training mean, put in place of a missing value */
} mw_ridge;

/* alpha >= 0; y [n_rows] finite. Constant features get weight 0. */
mw_status mw_ridge_fit(const mw_ctx *ctx, double alpha, mw_matrix matrix, const double *y,
                       mw_ridge **ret, mw_err *err);
void *mw_ridge_free(mw_ridge *ridge);
void mw_ridge_score(const mw_ridge *ridge, mw_matrix matrix, double *out); /* out [n_rows] */

#endif
