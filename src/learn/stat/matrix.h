/*
 * matrix.h -- the rows every learner sees: float32 features, NaN = missing.
 */
#ifndef MW_LEARN_STAT_MATRIX_H
#define MW_LEARN_STAT_MATRIX_H

#include <stdint.h>

#include "core/base/ctx.h"

/* Rows of float32 features, NaN = missing. Borrowed. */
typedef struct mw_matrix {
    const float *x; /* [n_rows][n_features] row-major */
    int64_t n_rows;
    int32_t n_features;
} mw_matrix;

/*
 * mw_matrix_check -- what every fit asks of its rows: at least one row and one feature, no more
 * than the limits, no infinite value.
 *
 * Cost      one pass over x, shared over ctx->pool.
 * Errors    MW_EDATA says which row and feature (both counted from 0) is infinite; MW_ETOOLARGE;
 *           MW_ECANCELED.
 */
mw_status mw_matrix_check(const mw_ctx *ctx, mw_matrix matrix, mw_err *err);

/*
 * mw_target_check -- y [n_rows] is finite and, when n_classes > 0, holds whole numbers in
 * [0, n_classes); else numbers of a float32 (at most 3.4e38), which leaves and graphs hold. MW_EDATA names the first row that is not,
 * counted from 0, or as it is called in numbers [n_rows]; NULL: as they stand.
 */
mw_status mw_target_check(const double *y, int64_t n_rows, int32_t n_classes,
                          const uint32_t *numbers, mw_err *err);

#endif
