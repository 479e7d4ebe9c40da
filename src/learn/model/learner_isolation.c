/*
 * learner_isolation.c -- isolation forest: parameters, the threshold, and its ONNX graph.
 *
 * Threshold: with q the (1 - contamination) quantile of the training scores, the rows above q are
 * flagged. The stored number lies half-way between the highest score not flagged and the lowest
 * flagged, so that a float32 runtime flags the same training rows; when no score is above q (all
 * rows alike) it lies half-way to 1 and nothing is flagged.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/math.h"
#include "learn/stat/quantile.h"
#include "learn/tree/isolation.h"

static const mw_param isolation_params[] = {
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, NULL, 0, "trees", NULL, "Number of trees."},
    {"max_samples", MW_PARAM_INT, "256", 2, 1e6, NULL, 0, "rows", NULL,
     "Rows each tree is grown on."},
    {"contamination", MW_PARAM_FLOAT, "0.01", 0, 0.5, NULL, 0, NULL, NULL,
     "Share of the training rows that is flagged; sets the threshold."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, NULL, 0, NULL, NULL,
     "Seed of the random draws."},
    {0},
};

typedef struct isolation {
    mw_trees *trees;
    double c; /* c(psi) of Liu et al., equation 1 */
} isolation;

static void isolation_free(void *state) {
    isolation *i = state;
    if (!i) return;
    mw_trees_free(i->trees);
    mw_free(i);
}

static mw_status set_threshold(const mw_ctx *ctx, mw_model *model, mw_matrix matrix,
                               double contamination, mw_err *err) {
    const isolation *state = model->state;
    double *scores = mw_alloc_array(ctx->mem, (size_t)matrix.n_rows, sizeof *scores);
    if (!scores) return mw_fail_nomem(err, "the training scores");
    mw_status status = mw_isolation_score(ctx, state->trees, state->c, matrix, scores, err);
    if (!status) {
        double cut = mw_quantile(scores, matrix.n_rows, 1.0 - contamination);
        double below = 0, above = 1;
        for (int64_t i = 0; i < matrix.n_rows; i++) {
            if (scores[i] > cut && scores[i] < above) above = scores[i];
            if (scores[i] <= cut && scores[i] > below) below = scores[i];
        }
        model->threshold = below + (above - below) / 2;
    }
    mw_free(scores);
    return status;
}

static mw_status isolation_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err) {
    mw_isolation_options options;
    mw_isolation_defaults(&options);
    options.n_estimators = (int32_t)mw_args_int(fit->params, "n_estimators");
    options.max_samples = (int32_t)mw_args_int(fit->params, "max_samples");
    isolation *state = mw_calloc(model->mem, 1, sizeof *state);
    if (!state) return mw_fail_nomem(err, "the isolation forest");
    model->state = state;
    mw_status status = mw_isolation_fit(ctx, &options, fit->matrix, &state->trees, &state->c, err);
    if (!status) status = mw_trees_prepare(ctx, state->trees, err);
    if (status) return status;
    return set_threshold(ctx, model, fit->matrix, mw_args_float(fit->params, "contamination"), err);
}

static mw_status isolation_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                                 double *out, mw_err *err) {
    const isolation *state = model->state;
    return mw_isolation_score(ctx, state->trees, state->c, matrix, out, err);
}

static void isolation_importance(const mw_model *model, double *importance) {
    const isolation *state = model->state;
    mw_isolation_importance(state->trees, importance);
}

/* ---- ONNX: score = 2 ^ (path length / -c) ---- */

enum { STEP_TREES = 1, N_STEPS = 7 };

static const mw_onnx_step steps[N_STEPS] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "path_length", {{0}}},
    {"Cast", "path_length", "path_length64", {{"to", MW_ONNX_DOUBLE}}},
    {"Div", "path_length64 minus_c", "exponent", {{0}}},
    {"Pow", "two exponent", "score64", {{0}}},
    {"Cast", "score64", "score", {{"to", MW_ONNX_FLOAT}}},
    {"GreaterOrEqual", "score64 threshold", "is_anomaly", {{0}}},
};

static void add_scalar(mw_onnx *onnx, const char *name, double value) {
    double *to = mw_onnx_tensor(onnx, name, MW_ONNX_DOUBLE, 1, -1);
    if (to) *to = value;
}

static mw_status isolation_export(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                                  mw_err *err) {
    const isolation *state = model->state;
    for (int i = 0; i < N_STEPS; i++) {
        if (i != STEP_TREES) {
            mw_onnx_add_step(onnx, &steps[i]);
            continue;
        }
        mw_status status =
            mw_onnx_add_trees(ctx, onnx, state->trees, steps[i].inputs, steps[i].outputs, err);
        if (status) return status;
    }
    add_scalar(onnx, "minus_c", -state->c);
    add_scalar(onnx, "two", 2.0);
    add_scalar(onnx, "threshold", model->threshold);
    mw_onnx_output(onnx, "score", MW_ONNX_FLOAT, 1);
    mw_onnx_output(onnx, "is_anomaly", MW_ONNX_BOOL, 1);
    return MW_OK;
}

static mw_status take_scalar(const mw_onnx_doc *doc, const char *name, double low, double high,
                             double *ret, mw_err *err) {
    const void *found = NULL;
    mw_status status = mw_onnx_constant(doc, name, MW_ONNX_DOUBLE, 1, -1, &found, err);
    if (status) return status;
    memcpy(ret, found, sizeof *ret);
    return *ret >= low && *ret <= high
               ? MW_OK
               : mw_fail(err, MW_EDATA, "model.onnx: '%s' is out of range", name);
}

static mw_status isolation_import(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                                  mw_err *err) {
    isolation *state = mw_calloc(model->mem, 1, sizeof *state);
    if (!state) return mw_fail_nomem(err, "the isolation forest");
    model->state = state;
    double two = 0, minus_c = 0;
    mw_status status = mw_onnx_expect(doc, steps, N_STEPS, err);
    if (!status) status = take_scalar(doc, "two", 2, 2, &two, err);
    if (!status) status = take_scalar(doc, "minus_c", -1000, -1e-3, &minus_c, err);
    if (!status) status = take_scalar(doc, "threshold", 0, 1, &model->threshold, err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, &state->trees, err);
    if (status) return status;
    state->c = -minus_c;
    if (state->trees->n_outputs != 1)
        return mw_fail(err, MW_EDATA, "model.onnx gives more than one path length a row");
    return mw_trees_prepare(ctx, state->trees, err);
}

const mw_learner mw_learner_isolation = {
    .name = "isolation",
    .tasks = MW_TASKS_ANOMALY,
    .params = isolation_params,
    .fit = isolation_fit,
    .score = isolation_score,
    .importance = isolation_importance,
    .export_graph = isolation_export,
    .import_graph = isolation_import,
    .free_state = isolation_free,
};
