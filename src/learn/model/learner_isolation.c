/*
 * learner_isolation.c -- isolation forest, plain and extended: parameters, the threshold, and what is saved. The plain
 * one is an ONNX graph; ONNX has no trees that split by hyperplanes, so the extended one is a table (state.arrow).
 *
 * Threshold: with q the (1 - contamination) quantile of the training scores, the rows above q are
 * flagged. The stored number lies half-way between the highest score not flagged and the lowest
 * flagged, so that a float32 runtime flags the same training rows; when no score is above q (all
 * rows alike) it lies half-way to 1 and nothing is flagged. Contamination "auto" is scikit-learn's: the
 * training rows are not scored, and 0.5, the score of a row whose paths are as long as is to be expected of any,
 * is the threshold (Liu, Ting, Zhou 2008, section 2).
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/math.h"
#include "core/text/number.h"
#include "learn/stat/quantile.h"
#include "learn/model/isolation_state.h"

/* scikit-learn flags what is above 0.5. Rows that are all alike get 0.5 but for the rounding of float32 leaves
 * (at most 1e-7), and are not flagged. */
#define AUTO_THRESHOLD (0.5 + 0x1p-20)

static const mw_param isolation_params[] = {
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, .unit = "trees", .help = "Number of trees.",
     .aliases = "num_trees"},
    {"max_samples", MW_PARAM_STRING, "auto", 1, 32,
     .help =
         "Rows each tree is grown on: a whole number, a share of all as 0.5 or 1.0, or auto: 256."},
    {"contamination", MW_PARAM_STRING, "0.01", 1, 32,
     .help = "Share of the training rows that is flagged, at most 0.5; sets the threshold. auto: "
             "0.5 is the threshold."},
    {"max_features", MW_PARAM_STRING, "1.0", 1, 32,
     .help = "Features each tree may split by: a whole number, or a share of all as 0.5 or 1.0."},
    {"bootstrap", MW_PARAM_BOOL, "false", 0, 0, .help = "Draw a tree's rows with replacement."},
    {"ndim", MW_PARAM_INT, "1", 1, 1000, .unit = "features",
     .help = "Features a split combines: 1 for the isolation forest as published, 2 or more for "
             "the extended one, which splits by random hyperplanes."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, .help = "Seed of the random draws.",
     .aliases = "random_state"},
    {0},
};

typedef struct isolation {
    mw_trees *trees;
    double c;          /* c(psi) of Liu et al., equation 1 */
    mw_planes *planes; /* the extended forest, in place of the two above; else NULL */
} isolation;

static void isolation_free(void *state) {
    isolation *i = state;
    if (!i) return;
    mw_trees_free(i->trees);
    mw_planes_free(i->planes);
    mw_free(i);
}

static const mw_trees *isolation_trees(const mw_model *model) {
    return ((const isolation *)model->state)->trees;
}

static mw_status isolation_finish(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                                  double *out, mw_err *err) {
    mw_isolation_score_of(((const isolation *)model->state)->c, out, matrix.n_rows);
    (void)ctx, (void)err;
    return MW_OK;
}

/* Of the extended form, which has planes in place of trees. */
static mw_status isolation_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                                 double *out, mw_err *err) {
    const isolation *state = model->state;
    return mw_planes_score(ctx, state->planes, matrix, out, err);
}

/* A whole number of at least `least`, or, written with a point or an exponent, a share of n. More than n is n. */
static mw_status read_amount(const mw_fit *fit, const char *name, int64_t n, int32_t least,
                             int32_t *ret, mw_err *err) {
    const char *text = mw_args_string(fit->params, name);
    int64_t count = 0;
    double share = 0;
    bool fine = false;
    if (strpbrk(text, ".eE")) {
        fine = mw_number_read(text, strlen(text), &share) && share > 0 && share <= 1;
        if (fine) count = (int64_t)mw_floor(share * (double)n);
        if (fine && count < least) count = least;
    } else {
        fine = mw_number_read_int(text, strlen(text), &count) && count >= least;
    }
    if (fine) {
        *ret = (int32_t)(count < n ? count : n);
        return MW_OK;
    }
    mw_fail(err, MW_EINVAL, "%s '%s' is neither a whole number of at least %d nor a share", name,
            text, (int)least);
    mw_err_hint(err, "a share is written with a point: 0.5, 1.0");
    return mw_err_at(err, "%s", name);
}

/* NaN for "auto". */
static mw_status read_contamination(const mw_fit *fit, double *ret, mw_err *err) {
    const char *text = mw_args_string(fit->params, "contamination");
    *ret = MW_NAN;
    if (strcmp(text, "auto") == 0) return MW_OK;
    if (mw_number_read(text, strlen(text), ret) && *ret >= 0 && *ret <= 0.5) return MW_OK;
    mw_fail(err, MW_EINVAL, "contamination '%s' is neither a share from 0 to 0.5 nor auto", text);
    return mw_err_at(err, "contamination");
}

static mw_status read_options(const mw_fit *fit, mw_isolation_options *options,
                              double *contamination, mw_err *err) {
    const int64_t n_rows = fit->matrix.n_rows < INT32_MAX ? fit->matrix.n_rows : INT32_MAX;
    mw_isolation_defaults(options);
    options->n_estimators = (int32_t)mw_args_int(fit->params, "n_estimators");
    options->bootstrap = mw_args_bool(fit->params, "bootstrap");
    mw_status status = MW_OK;
    if (strcmp(mw_args_string(fit->params, "max_samples"), "auto") != 0)
        status = read_amount(fit, "max_samples", n_rows, 2, &options->max_samples, err);
    if (!status)
        status = read_amount(fit, "max_features", fit->matrix.n_features, 1, &options->max_features,
                             err);
    return status ? status : read_contamination(fit, contamination, err);
}

static mw_status set_threshold(const mw_ctx *ctx, mw_model *model, mw_matrix matrix,
                               double contamination, mw_err *err) {
    if (mw_isnan(contamination)) {
        model->threshold = AUTO_THRESHOLD;
        return MW_OK;
    }
    double *scores = mw_alloc_array(ctx->mem, (size_t)matrix.n_rows, sizeof *scores);
    if (!scores) return mw_fail_nomem(err, "the training scores");
    mw_status status = mw_model_score(ctx, model, matrix, scores, err);
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
    double contamination = 0;
    mw_status status = read_options(fit, &options, &contamination, err);
    if (status) return status;
    isolation *state = mw_calloc(model->mem, 1, sizeof *state);
    if (!state) return mw_fail_nomem(err, "the isolation forest");
    model->state = state;
    const int32_t ndim = (int32_t)mw_args_int(fit->params, "ndim");
    if (ndim == 1)
        status = mw_isolation_fit(ctx, &options, fit->matrix, &state->trees, &state->c, err);
    else
        status = mw_planes_fit(ctx, &options, ndim, fit->matrix, &state->planes, err);
    if (!status && state->trees) status = mw_trees_prepare(ctx, state->trees, err);
    return status ? status : set_threshold(ctx, model, fit->matrix, contamination, err);
}

static void isolation_importance(const mw_model *model, double *importance) {
    const isolation *state = model->state;
    if (state->planes)
        mw_planes_importance(state->planes, importance);
    else
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
    if (!status) status = mw_onnx_expect_plain(state->trees, false, err);
    if (status) return status;
    state->c = -minus_c;
    if (state->trees->n_outputs != 1)
        return mw_fail(err, MW_EDATA, "model.onnx gives more than one path length a row");
    return mw_trees_prepare(ctx, state->trees, err);
}

/* ---- state.arrow ---- */

static bool isolation_needs_state(const mw_model *model) {
    const isolation *state = model->state;
    return state->planes != NULL;
}

static mw_status isolation_save_state(const mw_ctx *ctx, const mw_model *model, mw_table **ret,
                                      mw_err *err) {
    const isolation *state = model->state;
    return mw_isolation_to_table(ctx, state->planes, ret, err);
}

static mw_status isolation_load_state(const mw_ctx *ctx, const mw_table *table, mw_model *model,
                                      mw_err *err) {
    isolation *state = mw_calloc(model->mem, 1, sizeof *state);
    if (!state) return mw_fail_nomem(err, "the isolation forest");
    model->state = state;
    return mw_isolation_of_table(ctx, table, mw_features_count(model->features), &state->planes,
                                 err);
}

const mw_learner mw_learner_isolation = {
    .name = "isolation",
    .tasks = MW_TASKS_ANOMALY,
    .params = isolation_params,
    .fit = isolation_fit,
    .score = isolation_score,
    .trees = isolation_trees,
    .finish = isolation_finish,
    .importance = isolation_importance,
    .export_graph = isolation_export,
    .import_graph = isolation_import,
    .state_version = 1,
    .needs_state = isolation_needs_state,
    .save_state = isolation_save_state,
    .load_state = isolation_load_state,
    .free_state = isolation_free,
};
