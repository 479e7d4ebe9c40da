/*
 * importance.c -- permutation importance (Breiman 2001, section 10; Fisher, Rudin, Dominici 2019).
 *
 * A feature's column is shuffled among the rows and the loss measured again; the rise says how much
 * the model leans on it. For the isolation forest, which has no loss, the mean absolute change of
 * the score. Shuffles are keyed by (seed, feature, repeat), so they depend neither on threads nor
 * on each other. A feature that the fitted model never uses is not shuffled: its importance is
 * exactly 0. Trees score kept rows: a shuffle makes the bytes of one feature anew instead of those of all. They are scored
 * whole every time, for sums that stand in the order of trees do not change by a difference exactly.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/tree/scorer_rows.h"

enum { ROWS_MAX = 20000, STREAM = 0x7065726d /* "perm" */ };

typedef struct permuting {
    const mw_ctx *ctx;
    const mw_model *model;
    mw_matrix matrix;     /* working copy [n][n_features] */
    float *x;             /* the same, writable */
    mw_scorer_rows *rows; /* the same, for a model of trees; else NULL */
    double *y;            /* [n] or NULL */
    double *base;         /* [n][outputs] scores of the untouched rows */
    double *scores;       /* [n][outputs] */
    float *column;        /* [n] the untouched column */
    float *shuffled;      /* [n] */
    uint32_t *order;      /* [n] */
} permuting;

static double rmse(const double *y, const double *scores, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (y[i] - scores[i]) * (y[i] - scores[i]);
    return mw_sqrt(sum / (double)n);
}

static double mean_change(const double *base, const double *scores, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += mw_abs(scores[i] - base[i]);
    return sum / (double)n;
}

/* The loss of p->scores; 0 for the untouched rows of an isolation forest. */
static double loss(const permuting *p) {
    int64_t n = p->matrix.n_rows;
    switch (p->model->task) {
    case MW_TASK_REGRESSION: return rmse(p->y, p->scores, n);
    case MW_TASK_ANOMALY: return mean_change(p->base, p->scores, n);
    default: return mw_metric_log_loss(p->y, p->scores, n, p->model->n_classes);
    }
}

static mw_status score(const permuting *p, double *out, mw_err *err) {
    if (!p->rows) return mw_model_score(p->ctx, p->model, p->matrix, out, err);
    const int32_t n_trees = mw_model__trees(p->model)->n_trees;
    mw_status status = mw_scorer_rows_score(p->ctx, p->rows, 0, n_trees, out, err);
    return status ? status : p->model->learner->finish(p->ctx, p->model, p->matrix, out, err);
}

static mw_status set_column(permuting *p, int32_t feature, const float *values, mw_err *err) {
    const int64_t n = p->matrix.n_rows, stride = p->matrix.n_features;
    for (int64_t i = 0; i < n; i++) p->x[i * stride + feature] = values[i];
    return p->rows ? mw_scorer_rows_feature(p->ctx, p->rows, feature, values, err) : MW_OK;
}

static mw_status permute_once(permuting *p, int32_t feature, int32_t repeat, double *ret,
                              mw_err *err) {
    int64_t n = p->matrix.n_rows;
    mw_rng rng;
    mw_rng_init(&rng, p->ctx->seed ^ STREAM, (uint64_t)feature, (uint64_t)repeat);
    for (int64_t i = 0; i < n; i++) p->order[i] = (uint32_t)i;
    mw_rng_shuffle(&rng, p->order, (uint32_t)n);
    for (int64_t i = 0; i < n; i++) p->shuffled[i] = p->column[p->order[i]];
    mw_status status = set_column(p, feature, p->shuffled, err);
    if (!status) status = score(p, p->scores, err);
    if (!status) *ret = loss(p);
    return status;
}

/* Mean and standard deviation over repeats, in one pass (Welford). */
static mw_status permute_feature(permuting *p, int32_t feature, int32_t repeats, double base_loss,
                                 double *mean, double *spread, mw_err *err) {
    int64_t n = p->matrix.n_rows, stride = p->matrix.n_features;
    double m = 0, m2 = 0;
    for (int64_t i = 0; i < n; i++) p->column[i] = p->x[i * stride + feature];
    for (int32_t r = 0; r < repeats; r++) {
        double value = 0;
        mw_status status = permute_once(p, feature, r, &value, err);
        if (!status) status = mw_ctx_check(p->ctx, err);
        if (status) return status;
        double delta = value - base_loss - m;
        m += delta / (r + 1);
        m2 += delta * (value - base_loss - m);
    }
    *mean = m;
    *spread = repeats > 1 ? mw_sqrt(m2 / (repeats - 1)) : 0;
    return set_column(p, feature, p->column, err);
}

static mw_status permute_all(permuting *p, int32_t repeats, double *importance, double *spread,
                             mw_err *err) {
    int32_t n_features = p->matrix.n_features;
    size_t n = (size_t)p->matrix.n_rows * (size_t)mw_model_outputs(p->model);
    const mw_trees *trees = mw_model__trees(p->model);
    mw_status status = MW_OK;
    if (trees) status = mw_scorer_rows_new(p->ctx, trees->scorer, p->matrix, &p->rows, err);
    if (!status) status = score(p, p->base, err);
    if (status) return status;
    memcpy(p->scores, p->base, n * sizeof *p->scores);
    double base_loss = loss(p);
    for (int32_t f = 0; f < n_features; f++) {
        importance[f] = spread[f] = 0;
        mw_ctx_report(p->ctx, "importance of features", f, n_features);
        if (p->model->importance[f] == 0 && f != p->model->anchor) continue;
        status = permute_feature(p, f, repeats, base_loss, &importance[f], &spread[f], err);
        if (status) return status;
    }
    return MW_OK;
}

/* At most ROWS_MAX rows, evenly spaced. */
static void copy_rows(permuting *p, mw_matrix from, const double *y) {
    int64_t n = p->matrix.n_rows;
    size_t row_bytes = (size_t)from.n_features * sizeof *p->x;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i * from.n_rows / n;
        memcpy(p->x + i * from.n_features, from.x + row * from.n_features, row_bytes);
        if (p->y) p->y[i] = y[row];
    }
}

mw_status mw_model_permutation(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                               const double *y, int32_t repeats, double *importance, double *spread,
                               mw_err *err) {
    bool needs_y = model->task != MW_TASK_ANOMALY;
    if (matrix.n_features != mw_features_count(model->features) || repeats < 1 || (needs_y && !y))
        return mw_fail(err, MW_EINVAL, "permutation needs the model's features, a target, repeats");
    if (matrix.n_rows < 1) return mw_fail(err, MW_EDATA, "no rows to measure importance on");
    int64_t n = matrix.n_rows < ROWS_MAX ? matrix.n_rows : ROWS_MAX;
    size_t cells = (size_t)n * (size_t)matrix.n_features;
    size_t outputs = (size_t)n * (size_t)mw_model_outputs(model);
    permuting p = {.ctx = ctx, .model = model};
    p.x = mw_alloc_array(ctx->mem, cells, sizeof *p.x);
    p.y = needs_y ? mw_alloc_array(ctx->mem, (size_t)n, sizeof *p.y) : NULL;
    p.base = mw_alloc_array(ctx->mem, outputs, sizeof *p.base);
    p.scores = mw_alloc_array(ctx->mem, outputs, sizeof *p.scores);
    p.column = mw_alloc_array(ctx->mem, (size_t)n, sizeof *p.column);
    p.shuffled = mw_alloc_array(ctx->mem, (size_t)n, sizeof *p.shuffled);
    p.order = mw_alloc_array(ctx->mem, (size_t)n, sizeof *p.order);
    mw_status status = MW_OK;
    if (!p.x || (needs_y && !p.y) || !p.base || !p.scores || !p.column || !p.shuffled || !p.order) {
        status = mw_fail_nomem(err, "permutation importance");
    } else {
        p.matrix = (mw_matrix){p.x, n, matrix.n_features};
        copy_rows(&p, matrix, y);
        status = permute_all(&p, repeats, importance, spread, err);
    }
    mw_scorer_rows_free(p.rows);
    mw_free(p.x);
    mw_free(p.y);
    mw_free(p.base);
    mw_free(p.scores);
    mw_free(p.column);
    mw_free(p.shuffled);
    mw_free(p.order);
    return status;
}
