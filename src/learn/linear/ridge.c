/*
 * ridge.c -- normal equations of standardized columns (Hoerl and Kennard, Technometrics 12, 1970).
 *
 * Columns are centered and divided by their standard deviation before any product is taken, so that
 * the matrix to factor is n times the correlation matrix plus alpha: units do not matter, and its
 * condition is that of the data. Rows are taken in blocks, each added by dsyrk. Where Cholesky
 * fails or leaves a pivot that is rounding error, dgelsd solves the same equations with minimum
 * norm; that solution is also the minimum-norm least-squares one, because the right side lies in
 * the matrix's range.
 */
#include "learn/linear/ridge.h"

#include "core/base/math.h"
#include "learn/stat/lapack.h"

/* Floating-point operations of one block of rows: a few ms, so that canceling is quick. */
#define BLOCK_WORK 8e6
/* A squared pivot of Cholesky this far below the diagonal's scale is rounding error. */
#define PIVOT_LEAST 1e-13

enum { BLOCK_ROWS_MOST = 256, BLOCK_ROWS_LEAST = 4 };

typedef struct fitting {
    const mw_ctx *ctx;
    mw_matrix matrix;
    const double *y;
    double alpha, y_mean;
    mw_ridge *ridge;
    double *deviation; /* [n_features]; 0: constant, left out */
    double *gram;      /* [n_features][n_features] lower triangle, column-major */
    double *right;     /* [n_features] right side, then the standardized weights */
    double *block;     /* [BLOCK_ROWS_MOST][n_features] standardized rows */
} fitting;

void *mw_ridge_free(mw_ridge *ridge) {
    if (!ridge) return NULL;
    mw_free(ridge->weights);
    mw_free(ridge->standardized);
    mw_free(ridge->fill);
    return mw_free(ridge);
}

static mw_ridge *ridge_new(mw_mem *mem, int32_t n_features) {
    mw_ridge *ridge = mw_calloc(mem, 1, sizeof *ridge);
    if (!ridge) return NULL;
    ridge->mem = mem;
    ridge->n_features = n_features;
    ridge->weights = mw_calloc(mem, (size_t)n_features, sizeof(double));
    ridge->standardized = mw_calloc(mem, (size_t)n_features, sizeof(double));
    ridge->fill = mw_calloc(mem, (size_t)n_features, sizeof(double));
    if (ridge->weights && ridge->standardized && ridge->fill) return ridge;
    return mw_ridge_free(ridge);
}

/* Means of the values present and standard deviations with missing ones put at the mean, both
 * relative to the first value present: exact 0 for constants, and no digits lost to a large offset.
 * The arrays of later steps serve as work space: right counts values, block holds first values. */
static mw_status standardize(fitting *f, mw_err *err) {
    const int64_t n_rows = f->matrix.n_rows;
    const int32_t n_features = f->matrix.n_features;
    double *first = f->block, *count = f->right, *mean = f->ridge->fill;
    for (int32_t j = 0; j < n_features; j++) count[j] = mean[j] = f->deviation[j] = first[j] = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t row = 0; row < n_rows; row++) {
            mw_status status = row % 1024 == 0 ? mw_ctx_check(f->ctx, err) : MW_OK;
            if (status != MW_OK) return status;
            const float *x = f->matrix.x + row * n_features;
            for (int32_t j = 0; j < n_features; j++) {
                if (__builtin_isnan(x[j])) continue;
                if (pass == 0 && count[j]++ == 0) first[j] = (double)x[j];
                double offset = (double)x[j] - first[j];
                if (pass == 0)
                    mean[j] += offset;
                else
                    f->deviation[j] += (offset - mean[j]) * (offset - mean[j]);
            }
        }
        for (int32_t j = 0; pass == 0 && j < n_features; j++)
            if (count[j] > 0) mean[j] /= count[j];
    }
    for (int32_t j = 0; j < n_features; j++) {
        f->deviation[j] = mw_sqrt(f->deviation[j] / (double)n_rows);
        mean[j] += first[j];
    }
    return MW_OK;
}

static void center_target(fitting *f) {
    double sum = 0;
    for (int64_t row = 0; row < f->matrix.n_rows; row++) sum += f->y[row] - f->y[0];
    f->y_mean = f->y[0] + sum / (double)f->matrix.n_rows;
}

static void standardized_row(const fitting *f, int64_t row, double *out) {
    const float *x = f->matrix.x + row * f->matrix.n_features;
    for (int32_t j = 0; j < f->matrix.n_features; j++) {
        bool skip = f->deviation[j] == 0 || __builtin_isnan(x[j]);
        out[j] = skip ? 0 : ((double)x[j] - f->ridge->fill[j]) / f->deviation[j];
    }
}

/* gram = Z'Z + alpha I, right = Z'(y - mean). A constant column keeps a diagonal of 1. */
static mw_status accumulate(fitting *f, mw_err *err) {
    const int32_t n = f->matrix.n_features;
    const double work = BLOCK_WORK / ((double)n * (double)n);
    const int64_t most = work > BLOCK_ROWS_MOST    ? BLOCK_ROWS_MOST
                         : work < BLOCK_ROWS_LEAST ? BLOCK_ROWS_LEAST
                                                   : (int64_t)work;
    const double one = 1;
    for (int32_t j = 0; j < n; j++) f->right[j] = 0;
    for (int64_t begin = 0; begin < f->matrix.n_rows; begin += most) {
        mw_status status = mw_ctx_check(f->ctx, err);
        if (status != MW_OK) return status;
        const int64_t left = f->matrix.n_rows - begin;
        const int32_t n_rows = (int32_t)(left < most ? left : most);
        for (int32_t i = 0; i < n_rows; i++) {
            double *z = f->block + (int64_t)i * n;
            standardized_row(f, begin + i, z);
            const double y = f->y[begin + i] - f->y_mean;
            for (int32_t j = 0; j < n; j++) f->right[j] += z[j] * y;
        }
        dsyrk_("L", "N", &n, &n_rows, &one, f->block, &n, &one, f->gram, &n, 1, 1);
        mw_ctx_report(f->ctx, "fitting the linear model", (double)(begin + n_rows),
                      (double)f->matrix.n_rows);
    }
    for (int32_t j = 0; j < n; j++) {
        double *diagonal = &f->gram[(int64_t)j * n + j];
        *diagonal = f->deviation[j] == 0 ? 1 : *diagonal + f->alpha;
    }
    return MW_OK;
}

static bool pivots_are_sound(const fitting *f) {
    const int32_t n = f->matrix.n_features;
    const double scale = (double)f->matrix.n_rows + f->alpha;
    for (int32_t j = 0; j < n; j++) {
        double pivot = f->gram[(int64_t)j * n + j];
        if (f->deviation[j] > 0 && pivot * pivot < PIVOT_LEAST * (double)n * scale) return false;
    }
    return true;
}

/* gram holds both triangles of the equations; it is overwritten. */
static mw_status solve_minimum_norm(fitting *f, mw_err *err) {
    const int32_t n = f->matrix.n_features, one = 1, ask = -1;
    const double rcond = PIVOT_LEAST * (double)n;
    double best_size = 0;
    int32_t integer_size = 0, rank = 0, info = 0;
    dgelsd_(&n, &n, &one, f->gram, &n, f->right, &n, f->deviation, &rcond, &rank, &best_size, &ask,
            &integer_size, &info);
    const int32_t work_size = (int32_t)best_size;
    double *singular = mw_alloc_array(f->ctx->mem, (size_t)n, sizeof *singular);
    double *work = mw_alloc_array(f->ctx->mem, (size_t)work_size, sizeof *work);
    int32_t *integers = mw_alloc_array(f->ctx->mem, (size_t)integer_size, sizeof *integers);
    mw_status status = MW_OK;
    if (!singular || !work || !integers)
        status = mw_fail_nomem(err, "the linear model");
    else
        dgelsd_(&n, &n, &one, f->gram, &n, f->right, &n, singular, &rcond, &rank, work, &work_size,
                integers, &info);
    mw_free(singular);
    mw_free(work);
    mw_free(integers);
    if (status == MW_OK && info != 0)
        return mw_fail(err, MW_EINTERNAL, "dgelsd did not converge (info %d)", (int)info);
    return status;
}

static mw_status solve(fitting *f, mw_err *err) {
    const int32_t n = f->matrix.n_features, one = 1;
    int32_t info = 0;
    /* dpotrf works in the lower triangle; the upper one and this diagonal keep the equations. */
    double *diagonal = f->block;
    for (int64_t j = 0; j < n; j++) {
        diagonal[j] = f->gram[j * n + j];
        for (int64_t i = j + 1; i < n; i++) f->gram[i * n + j] = f->gram[j * n + i];
    }
    dpotrf_("L", &n, f->gram, &n, &info, 1);
    if (info == 0 && pivots_are_sound(f)) {
        dpotrs_("L", &n, &one, f->gram, &n, f->right, &n, &info, 1);
        return MW_OK;
    }
    for (int64_t j = 0; j < n; j++) {
        f->gram[j * n + j] = diagonal[j];
        for (int64_t i = j + 1; i < n; i++) f->gram[j * n + i] = f->gram[i * n + j];
    }
    return solve_minimum_norm(f, err);
}

static mw_status fit_all(fitting *f, mw_err *err) {
    mw_status status = standardize(f, err);
    if (status != MW_OK) return status;
    center_target(f);
    status = accumulate(f, err);
    if (status == MW_OK) status = solve(f, err);
    if (status != MW_OK) return status;
    mw_ridge *ridge = f->ridge;
    ridge->intercept = f->y_mean;
    for (int32_t j = 0; j < ridge->n_features; j++) {
        if (f->deviation[j] == 0) continue;
        ridge->standardized[j] = f->right[j];
        ridge->weights[j] = f->right[j] / f->deviation[j];
        ridge->intercept -= ridge->weights[j] * ridge->fill[j];
    }
    return MW_OK;
}

mw_status mw_ridge_fit(const mw_ctx *ctx, double alpha, mw_matrix matrix, const double *y,
                       mw_ridge **ret, mw_err *err) {
    if (!(alpha >= 0) || !mw_isfinite(alpha)) {
        mw_fail(err, MW_EINVAL, "alpha is %g, not a finite number of at least 0", alpha);
        return mw_err_at(err, "alpha");
    }
    mw_status status = mw_matrix_check(ctx, matrix, err);
    if (status == MW_OK) status = mw_target_check(y, matrix.n_rows, 0, NULL, err);
    if (status != MW_OK) return status;
    const size_t n = (size_t)matrix.n_features;
    fitting f = {.ctx = ctx, .matrix = matrix, .y = y, .alpha = alpha};
    f.ridge = ridge_new(ctx->mem, matrix.n_features);
    f.deviation = mw_alloc_array(ctx->mem, n, sizeof *f.deviation);
    f.gram = mw_calloc(ctx->mem, n * n, sizeof *f.gram);
    f.right = mw_alloc_array(ctx->mem, n, sizeof *f.right);
    f.block = mw_alloc_array(ctx->mem, n * BLOCK_ROWS_MOST, sizeof *f.block);
    if (!f.ridge || !f.deviation || !f.gram || !f.right || !f.block)
        status = mw_fail_nomem(err, "the linear model");
    else
        status = fit_all(&f, err);
    if (status == MW_OK)
        *ret = f.ridge;
    else
        mw_ridge_free(f.ridge);
    mw_free(f.deviation);
    mw_free(f.gram);
    mw_free(f.right);
    mw_free(f.block);
    return status;
}

void mw_ridge_score(const mw_ridge *ridge, mw_matrix matrix, double *out) {
    for (int64_t row = 0; row < matrix.n_rows; row++) {
        const float *x = matrix.x + row * matrix.n_features;
        double sum = ridge->intercept;
        for (int32_t j = 0; j < ridge->n_features; j++)
            sum += ridge->weights[j] * (__builtin_isnan(x[j]) ? ridge->fill[j] : (double)x[j]);
        out[row] = sum;
    }
}
