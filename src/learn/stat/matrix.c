/* matrix.c -- the checks in front of every fit. */
#include "learn/stat/matrix.h"

#include <float.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"

enum {
    CELLS_PER_CHECK = 65536, /* about 30 us of work */
    CELLS_PER_BLOCK = 64,
};

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

/* Without a branch on each cell, in blocks of fixed size, so that any compiler takes several at a time. */
static bool has_infinite(const float *x, int64_t n) {
    unsigned found = 0;
    int64_t i = 0;
    for (; i + CELLS_PER_BLOCK <= n; i += CELLS_PER_BLOCK)
        for (int k = 0; k < CELLS_PER_BLOCK; k++)
            found |= __builtin_fabsf(x[i + k]) == __builtin_inff();
    for (; i < n; i++) found |= __builtin_fabsf(x[i]) == __builtin_inff();
    return found != 0;
}

/* The pool reports the first failing range, and a range its first cell: the same one at any thread count. */
static mw_status check_cells(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const mw_matrix *matrix = arg;
    (void)worker;
    if (!has_infinite(matrix->x + begin, end - begin)) return MW_OK;
    while (!__builtin_isinf(matrix->x[begin])) begin++;
    return fail_infinite(*matrix, begin, err);
}

mw_status mw_matrix_check(const mw_ctx *ctx, mw_matrix matrix, mw_err *err) {
    mw_status status = check_shape(matrix, err);
    if (status != MW_OK) return status;
    return mw_pool_for(ctx, matrix.n_rows * matrix.n_features, CELLS_PER_CHECK, check_cells,
                       &matrix, err);
}

mw_status mw_target_check(const double *y, int64_t n_rows, int32_t n_classes,
                          const uint32_t *numbers, mw_err *err) {
    for (int64_t row = 0; row < n_rows; row++) {
        const long long shown = numbers ? numbers[row] : row;
        if (!mw_isfinite(y[row])) {
            mw_fail(err, MW_EDATA, "the target of row %lld is %s (rows count from 0)", shown,
                    mw_isnan(y[row]) ? "missing" : "infinite");
            return mw_err_hint(err, "leave rows without a target out of the fit");
        }
        if (n_classes == 0 && mw_abs(y[row]) > (double)FLT_MAX) {
            mw_fail(err, MW_EDATA,
                    "the target of row %lld is %g, which is beyond float32 (rows count from 0)",
                    shown, y[row]);
            return mw_err_hint(err, "scale the target down, or predict its logarithm");
        }
        if (n_classes > 0 && !(y[row] >= 0 && y[row] < n_classes && mw_floor(y[row]) == y[row]))
            return mw_fail(
                err, MW_EDATA,
                "the target of row %lld is %g, not a class from 0 to %d (rows count from 0)", shown,
                y[row], (int)n_classes - 1);
    }
    return MW_OK;
}
