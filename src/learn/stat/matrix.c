/* matrix.c -- the checks in front of every fit. */
#include "learn/stat/matrix.h"

#include "core/base/limits.h"
#include "core/base/math.h"

enum { CELLS_PER_CHECK = 65536 }; /* about 30 us of work */

static mw_status check_shape(mw_matrix matrix, mw_err *err) {
    if (matrix.n_rows <= 0 || matrix.n_features <= 0) {
        mw_fail(err, MW_EDATA, "nothing to learn from: %lld rows and %d features",
                (long long)matrix.n_rows, (int)matrix.n_features);
        return mw_err_hint(err, "give a table with at least one row and one usable column");
    }
    if (matrix.n_rows > MW_LIMIT(TABLE_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "%lld rows are more than the limit of %lld",
                       (long long)matrix.n_rows, (long long)MW_LIMIT(TABLE_ROWS));
    if (matrix.n_features > MW_LIMIT(MODEL_FEATURES))
        return mw_fail(err, MW_ETOOLARGE, "%d features are more than the limit of %lld",
                       (int)matrix.n_features, (long long)MW_LIMIT(MODEL_FEATURES));
    return MW_OK;
}

static mw_status fail_infinite(mw_matrix matrix, int64_t cell, mw_err *err) {
    mw_fail(err, MW_EDATA, "row %lld, feature %lld is infinite (rows and features count from 0)",
            (long long)(cell / matrix.n_features), (long long)(cell % matrix.n_features));
    return mw_err_hint(err,
                       "leave the cell empty: a missing value is allowed; values beyond 3.4e38 "
                       "do not fit the learners' float32");
}

mw_status mw_matrix_check(const mw_ctx *ctx, mw_matrix matrix, mw_err *err) {
    mw_status status = check_shape(matrix, err);
    if (status != MW_OK) return status;
    const int64_t n_cells = matrix.n_rows * matrix.n_features;
    const int64_t step = CELLS_PER_CHECK;
    for (int64_t begin = 0; begin < n_cells; begin += step) {
        status = mw_ctx_check(ctx, err);
        if (status != MW_OK) return status;
        int64_t end = begin + step < n_cells ? begin + step : n_cells;
        for (int64_t i = begin; i < end; i++)
            if (__builtin_isinf(matrix.x[i])) return fail_infinite(matrix, i, err);
    }
    return MW_OK;
}

mw_status mw_target_check(const double *y, int64_t n_rows, int32_t n_classes, mw_err *err) {
    for (int64_t row = 0; row < n_rows; row++) {
        if (!mw_isfinite(y[row])) {
            mw_fail(err, MW_EDATA, "the target of row %lld is %s", (long long)row,
                    mw_isnan(y[row]) ? "missing" : "infinite");
            return mw_err_hint(err, "leave rows without a target out of the fit");
        }
        if (n_classes > 0 && !(y[row] >= 0 && y[row] < n_classes && mw_floor(y[row]) == y[row]))
            return mw_fail(err, MW_EDATA, "the target of row %lld is %g, not a class from 0 to %d",
                           (long long)row, y[row], (int)n_classes - 1);
    }
    return MW_OK;
}
