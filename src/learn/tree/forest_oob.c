/*
 * forest_oob.c -- out-of-bag predictions: each row's from the trees that did not draw it (Breiman 2001, section 3.1).
 *
 * Which rows a tree drew is not kept: its random numbers give them again. Trees are taken in groups of 64, a bit a row and
 * tree; rows then walk the group's trees in order, so that their sums do not depend on threads.
 */
#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/forest_grow.h"

enum { GROUP = 64, ROWS_PER_RANGE = 1024 };

typedef struct leaving_out {
    const mw_ctx *ctx;
    mw_forest__data data; /* what drawing needs of it */
    mw_matrix matrix;
    const mw_trees *trees;
    int32_t first, n; /* trees of the group */
    uint8_t *drawn;   /* [GROUP][n_rows] */
    double *sums;     /* [n_rows][n_outputs] */
    int32_t *n_trees; /* [n_rows] that left the row out */
} leaving_out;

static mw_status draw_trees(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    const leaving_out *o = arg;
    const int64_t n_rows = o->data.n_rows;
    uint32_t *counts = mw_alloc_array(o->ctx->mem, (size_t)n_rows, sizeof *counts);
    mw_status status = counts ? MW_OK : mw_fail_nomem(err, "the rows left out");
    for (int64_t t = begin; t < end && status == MW_OK; t++) {
        mw_rng rng = mw_forest__rng(o->ctx, o->first + (int32_t)t);
        status = mw_forest__draw_rows(o->ctx, &o->data, &rng, counts, err);
        uint8_t *drawn = o->drawn + t * n_rows;
        for (int64_t row = 0; row < n_rows && status == MW_OK; row++) drawn[row] = counts[row] > 0;
    }
    mw_free(counts);
    return status;
}

static mw_status add_rows(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    const leaving_out *o = arg;
    const int32_t n_outputs = o->trees->n_outputs;
    for (int64_t row = begin; row < end; row++) {
        if ((row - begin) % 64 == 0) {
            mw_status status = mw_ctx_check(o->ctx, err);
            if (status != MW_OK) return status;
        }
        double *sums = o->sums + row * n_outputs;
        for (int32_t t = 0; t < o->n; t++) {
            if (o->drawn[t * o->data.n_rows + row]) continue;
            const int64_t leaf =
                mw_trees_leaf(o->trees, o->first + t, o->matrix.x + row * o->matrix.n_features);
            for (int32_t k = 0; k < n_outputs; k++)
                sums[k] += (double)o->trees->values[leaf * n_outputs + k];
            o->n_trees[row]++;
        }
    }
    return MW_OK;
}

/* Share of rows whose class has the largest sum, the first among equals. */
static double accuracy(const leaving_out *o, const double *y, int64_t n_rows) {
    const int32_t n_outputs = o->trees->n_outputs;
    int64_t n_right = 0;
    for (int64_t row = 0; row < o->data.n_rows; row++) {
        if (o->n_trees[row] == 0) continue;
        const double *sums = o->sums + row * n_outputs;
        int32_t top = 0;
        for (int32_t k = 1; k < n_outputs; k++)
            if (sums[k] > sums[top]) top = k;
        n_right += (double)top == y[row];
    }
    return (double)n_right / (double)n_rows;
}

static double determination(const leaving_out *o, const double *y, int64_t n_rows) {
    double mean = 0, errors = 0, squares = 0;
    for (int64_t row = 0; row < o->data.n_rows; row++)
        if (o->n_trees[row] > 0) mean += y[row] / (double)n_rows;
    for (int64_t row = 0; row < o->data.n_rows; row++) {
        if (o->n_trees[row] == 0) continue;
        /* Leaf values are divided by the number of all trees. */
        const double predicted = o->sums[row] * (double)o->trees->n_trees / (double)o->n_trees[row];
        errors += (y[row] - predicted) * (y[row] - predicted);
        squares += (y[row] - mean) * (y[row] - mean);
    }
    return squares > 0 ? 1 - errors / squares : MW_NAN;
}

static mw_status predict(leaving_out *o, mw_err *err) {
    const size_t n_rows = (size_t)o->data.n_rows;
    o->drawn = mw_alloc_array(o->ctx->mem, n_rows, GROUP);
    o->sums = mw_calloc(o->ctx->mem, n_rows, (size_t)o->trees->n_outputs * sizeof *o->sums);
    o->n_trees = mw_calloc(o->ctx->mem, n_rows, sizeof *o->n_trees);
    if (!o->drawn || !o->sums || !o->n_trees) return mw_fail_nomem(err, "the rows left out");
    mw_status status = MW_OK;
    for (o->first = 0; o->first < o->trees->n_trees && status == MW_OK; o->first += GROUP) {
        const int32_t n_left = o->trees->n_trees - o->first;
        o->n = n_left < GROUP ? n_left : GROUP;
        status = mw_pool_for(o->ctx, o->n, 1, draw_trees, o, err);
        if (status == MW_OK)
            status = mw_pool_for(o->ctx, o->data.n_rows, ROWS_PER_RANGE, add_rows, o, err);
        mw_ctx_report(o->ctx, "scoring rows left out", o->first + o->n, o->trees->n_trees);
    }
    return status;
}

mw_status mw_forest_oob_score(const mw_ctx *ctx, const mw_forest_options *options, mw_matrix matrix,
                              const double *y, const mw_trees *trees, mw_forest_oob *ret,
                              mw_err *err) {
    if (!options->bootstrap) {
        mw_fail(err, MW_EINVAL, "without bootstrap every tree has every row: none is left out");
        return mw_err_at(err, "bootstrap");
    }
    leaving_out o = {.ctx = ctx,
                     .data = {.n_rows = matrix.n_rows, .options = *options},
                     .matrix = matrix,
                     .trees = trees};
    mw_status status = predict(&o, err);
    *ret = (mw_forest_oob){.score = MW_NAN};
    for (int64_t row = 0; row < matrix.n_rows && status == MW_OK; row++)
        ret->n_rows += o.n_trees[row] > 0;
    if (status == MW_OK && ret->n_rows > 0)
        ret->score = options->n_classes > 0 ? accuracy(&o, y, ret->n_rows)
                                            : determination(&o, y, ret->n_rows);
    mw_free(o.drawn);
    mw_free(o.sums);
    mw_free(o.n_trees);
    return status;
}
