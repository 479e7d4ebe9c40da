/*
 * learner_forest.c -- random forest for values and classes: parameters, and the ensemble's ONNX graph.
 *
 * Categories are split by sets (learn/tree/forest_sets.h).
 * With an anchor the trees fit y - x[anchor] and the prediction adds it back: a mean of leaves cannot
 * leave the range of its training targets, but the range of changes is the same at any level.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/number.h"
#include "learn/tree/bins.h"
#include "learn/tree/forest.h"

static const char *const class_weights[] = {"balanced", "balanced_subsample", NULL};

static const mw_param forest_params[] = {
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, .unit = "trees", .help = "Number of trees.",
     .aliases = "num_trees"},
    {"max_depth", MW_PARAM_INT, "0", 0, 1000, .unit = "levels",
     .help = "Deepest level of a tree; 0: unlimited."},
    {"min_samples_split", MW_PARAM_INT, "2", 2, 1e9, .unit = "rows",
     .help = "Fewest rows a node needs to be split."},
    {"min_samples_leaf", MW_PARAM_INT, "1", 1, 1e9, .unit = "rows",
     .help = "Fewest rows of a leaf.", .aliases = "min_data_in_leaf min_child_samples"},
    {"max_features", MW_PARAM_STRING, NULL, 1, 32,
     .help = "Features tried at a split: a share in (0, 1], sqrt or log2. Unset: 1 for values, "
             "sqrt for classes.",
     .aliases = "feature_fraction_bynode colsample_bynode"},
    {"bootstrap", MW_PARAM_BOOL,
     .help = "Grow each tree on rows drawn with replacement. Unset: yes, but not with "
             "extra_trees."},
    {"extra_trees", MW_PARAM_BOOL,
     .help = "Extremely randomized trees: of each tried feature one threshold, drawn at random."},
    {"exact", MW_PARAM_BOOL,
     .help = "Look at every value of a feature instead of at most 255 bins of it. Unset: up to "
             "20,000 rows."},
    {"class_weight", MW_PARAM_ENUM, .choices = class_weights,
     .help = "Make all classes weigh the same, among all rows or among each tree's draws. Unset: "
             "by their rows."},
    {"oob_score", MW_PARAM_BOOL,
     .help = "Measure each row by the trees that did not draw it: R2, or the share of right "
             "classes."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, .help = "Seed of the random draws.",
     .aliases = "random_state"},
    {0},
};

/* Up to as many rows a forest is exact unless asked otherwise: it takes seconds, and models of plants stay as they were. */
enum { EXACT_ROWS = 20000 };

/* The share of features that text asks for. */
static mw_status read_max_features(const char *text, int32_t n_features, bool classes, double *ret,
                                   mw_err *err) {
    double n = (double)n_features, share = 1;
    if (!text) text = classes ? "sqrt" : "1";
    if (strcmp(text, "sqrt") == 0)
        share = mw_floor(mw_sqrt(n)) / n;
    else if (strcmp(text, "log2") == 0)
        share = mw_floor(mw_log2(n) + 1e-9) / n;
    else if (!mw_number_read(text, strlen(text), &share) || !(share > 0 && share <= 1)) {
        mw_fail(err, MW_EINVAL, "max_features '%s' is neither a share nor sqrt nor log2", text);
        mw_err_hint(err, "a share is a number above 0 and at most 1");
        return mw_err_at(err, "max_features");
    }
    *ret = share * n < 1 ? 1 / n : share;
    return MW_OK;
}

typedef struct forest {
    mw_trees *trees;
    double fill; /* training mean of the anchor, put in place of a missing one */
} forest;

static void forest_free(void *state) {
    forest *f = state;
    if (!f) return;
    mw_trees_free(f->trees);
    mw_free(f);
}

static double anchor_of(const mw_model *model, mw_matrix matrix, int64_t row) {
    const forest *f = model->state;
    float value = matrix.x[row * matrix.n_features + model->anchor];
    return __builtin_isnan(value) ? f->fill : (double)value;
}

static double mean_of(mw_matrix matrix, int32_t feature) {
    double sum = 0;
    int64_t n = 0;
    for (int64_t row = 0; row < matrix.n_rows; row++) {
        float value = matrix.x[row * matrix.n_features + feature];
        if (!__builtin_isnan(value)) sum += (double)value, n++;
    }
    return n ? sum / (double)n : 0;
}

/* *ret [n_rows] is y without the anchor; mw_free it. */
static mw_status take_off_anchor(const mw_ctx *ctx, const mw_fit *fit, mw_model *model,
                                 double **ret, mw_err *err) {
    double *y = mw_alloc_array(ctx->mem, (size_t)fit->matrix.n_rows, sizeof *y);
    if (!y) return mw_fail_nomem(err, "the training target");
    forest *f = model->state;
    f->fill = mean_of(fit->matrix, model->anchor);
    for (int64_t row = 0; row < fit->matrix.n_rows; row++)
        y[row] = fit->y[row] - anchor_of(model, fit->matrix, row);
    *ret = y;
    return MW_OK;
}

static mw_class_weight read_class_weight(const char *text) {
    if (!text) return MW_CLASS_WEIGHT_NONE;
    return strcmp(text, "balanced") == 0 ? MW_CLASS_WEIGHT_BALANCED
                                         : MW_CLASS_WEIGHT_BALANCED_SUBSAMPLE;
}

static mw_status read_options(const mw_fit *fit, mw_forest_options *options, mw_err *err) {
    const mw_args *params = fit->params;
    mw_forest_defaults(options);
    options->n_estimators = (int32_t)mw_args_int(params, "n_estimators");
    options->max_depth = (int32_t)mw_args_int(params, "max_depth");
    options->min_samples_split = (int32_t)mw_args_int(params, "min_samples_split");
    options->min_samples_leaf = (int32_t)mw_args_int(params, "min_samples_leaf");
    options->random_thresholds = mw_args_bool(params, "extra_trees");
    options->bootstrap = mw_args_has(params, "bootstrap") ? mw_args_bool(params, "bootstrap")
                                                          : !options->random_thresholds;
    options->n_classes = fit->task == MW_TASK_REGRESSION ? 0 : fit->n_classes;
    options->class_weight = read_class_weight(mw_args_string(params, "class_weight"));
    const bool on_bins =
        options->random_thresholds || options->class_weight != MW_CLASS_WEIGHT_NONE;
    const bool exact = mw_args_has(params, "exact") ? mw_args_bool(params, "exact")
                                                    : fit->matrix.n_rows <= EXACT_ROWS && !on_bins;
    options->max_bin = exact ? 0 : MW_BINS_MOST;
    return read_max_features(mw_args_string(params, "max_features"), fit->matrix.n_features,
                             options->n_classes > 0, &options->max_features, err);
}

static mw_status take_oob_score(const mw_ctx *ctx, const mw_forest_options *options,
                                mw_matrix matrix, const double *y, mw_model *model, mw_err *err) {
    const forest *f = model->state;
    mw_forest_oob oob;
    mw_status status = mw_forest_oob_score(ctx, options, matrix, y, f->trees, &oob, err);
    if (!status) model->oob_score = oob.score;
    return status;
}

static mw_status forest_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err) {
    mw_forest_options options;
    mw_status status = read_options(fit, &options, err);
    if (status) return status;
    forest *f = mw_calloc(model->mem, 1, sizeof *f);
    if (!f) return mw_fail_nomem(err, "the forest");
    model->state = f;
    double *changes = NULL;
    if (model->anchor >= 0) status = take_off_anchor(ctx, fit, model, &changes, err);
    const double *y = changes ? changes : fit->y;
    uint8_t *by_code = NULL;
    if (!status) status = mw_features__by_code(ctx->mem, fit->features, &by_code, err);
    options.by_code = by_code;
    if (!status) status = mw_forest_fit(ctx, &options, fit->matrix, y, &f->trees, err);
    if (!status && mw_args_bool(fit->params, "oob_score"))
        status = take_oob_score(ctx, &options, fit->matrix, y, model, err);
    mw_free(changes);
    mw_free(by_code);
    return status ? status : mw_trees_prepare(ctx, f->trees, err);
}

static mw_status forest_finish(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                               double *out, mw_err *err) {
    for (int64_t row = 0; model->anchor >= 0 && row < matrix.n_rows; row++)
        out[row] += anchor_of(model, matrix, row);
    /* Shares in float32 leaves (1/20) can sum to a little more than one. */
    for (int64_t i = 0; i < matrix.n_rows * model->n_classes; i++)
        if (out[i] > 1) out[i] = 1;
    (void)ctx, (void)err;
    return MW_OK;
}

static const mw_trees *forest_trees(const mw_model *model) {
    return ((const forest *)model->state)->trees;
}

static void forest_importance(const mw_model *model, double *importance) {
    const forest *f = model->state;
    mw_trees_gain_importance(f->trees, importance);
}

/* ---- ONNX ---- */

static const mw_onnx_step steps_regression[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "prediction", {{0}}},
};
enum { ANCHORED_TREES = 1, N_ANCHORED = 8 };

static const mw_onnx_step steps_anchored[N_ANCHORED] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "change", {{0}}},
    {"Cast", "change", "change64", {{"to", MW_ONNX_DOUBLE}}},
    {"Gather", "features64 anchor", "last", {{"axis", 1}}},
    {"IsNaN", "last", "missing", {{0}}},
    {"Where", "missing fill last", "last_known", {{0}}},
    {"Add", "change64 last_known", "prediction64", {{0}}},
    {"Cast", "prediction64", "prediction", {{"to", MW_ONNX_FLOAT}}},
};
static const mw_onnx_step steps_classes[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "probabilities", {{0}}},
    {"ArgMax", "probabilities", "class_index", {{"axis", 1}, {"keepdims", 0}}},
    {"LabelEncoder", "class_index", "label", {{0}}},
};

static mw_status export_classes(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                                mw_err *err) {
    const forest *f = model->state;
    mw_onnx_add_step(onnx, &steps_classes[0]);
    mw_status status = mw_onnx_add_trees(ctx, onnx, f->trees, "features64", "probabilities", err);
    if (status) return status;
    mw_onnx_add_step(onnx, &steps_classes[2]);
    mw_onnx_add_labels(onnx, model, "class_index", "label");
    mw_onnx_output(onnx, "label", MW_ONNX_STRING, 0);
    mw_onnx_output(onnx, "probabilities", MW_ONNX_FLOAT, model->n_classes);
    return MW_OK;
}

static mw_status export_anchored(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                                 mw_err *err) {
    const forest *f = model->state;
    for (int i = 0; i < N_ANCHORED; i++) {
        if (i != ANCHORED_TREES) {
            mw_onnx_add_step(onnx, &steps_anchored[i]);
            continue;
        }
        mw_status status = mw_onnx_add_trees(ctx, onnx, f->trees, "features64", "change", err);
        if (status) return status;
    }
    int64_t *anchor = mw_onnx_tensor(onnx, "anchor", MW_ONNX_INT64, 1, -1);
    double *fill = mw_onnx_tensor(onnx, "fill", MW_ONNX_DOUBLE, 1, -1);
    if (anchor) *anchor = model->anchor;
    if (fill) *fill = f->fill;
    mw_onnx_output(onnx, "prediction", MW_ONNX_FLOAT, 1);
    return MW_OK;
}

static mw_status forest_export(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                               mw_err *err) {
    const forest *f = model->state;
    if (model->n_classes) return export_classes(ctx, model, onnx, err);
    if (model->anchor >= 0) return export_anchored(ctx, model, onnx, err);
    mw_onnx_add_step(onnx, &steps_regression[0]);
    mw_status status = mw_onnx_add_trees(ctx, onnx, f->trees, "features64", "prediction", err);
    if (status) return status;
    mw_onnx_output(onnx, "prediction", MW_ONNX_FLOAT, 1);
    return MW_OK;
}

static mw_status import_anchor(const mw_onnx_doc *doc, const mw_model *model, forest *f,
                               mw_err *err) {
    const void *anchor = NULL, *fill = NULL;
    int64_t index;
    mw_status status = mw_onnx_constant(doc, "anchor", MW_ONNX_INT64, 1, -1, &anchor, err);
    if (!status) status = mw_onnx_constant(doc, "fill", MW_ONNX_DOUBLE, 1, -1, &fill, err);
    if (status) return status;
    memcpy(&index, anchor, sizeof index);
    memcpy(&f->fill, fill, sizeof f->fill);
    return index == model->anchor && mw_isfinite(f->fill)
               ? MW_OK
               : mw_fail(err, MW_EDATA, "model.onnx: the anchor does not agree with metadata.json");
}

static mw_status check_steps(const mw_onnx_doc *doc, const mw_model *model, forest *f,
                             mw_err *err) {
    mw_status status;
    if (model->n_classes > 0) {
        status = mw_onnx_expect(doc, steps_classes, 4, err);
        return status ? status : mw_onnx_expect_labels(doc, 3, model, err);
    }
    if (model->anchor < 0) return mw_onnx_expect(doc, steps_regression, 2, err);
    status = mw_onnx_expect(doc, steps_anchored, N_ANCHORED, err);
    return status ? status : import_anchor(doc, model, f, err);
}

static mw_status forest_import(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                               mw_err *err) {
    forest *f = mw_calloc(model->mem, 1, sizeof *f);
    if (!f) return mw_fail_nomem(err, "the forest");
    model->state = f;
    mw_status status = check_steps(doc, model, f, err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, &f->trees, err);
    if (!status) status = mw_onnx_expect_plain(f->trees, true, err);
    if (!status) status = mw_features__check_sets(model->features, f->trees, err);
    if (!status && f->trees->n_outputs != mw_model_outputs(model))
        status = mw_fail(err, MW_EDATA, "model.onnx gives %d values a row, metadata.json says %d",
                         f->trees->n_outputs, mw_model_outputs(model));
    return status ? status : mw_trees_prepare(ctx, f->trees, err);
}

const mw_learner mw_learner_forest = {
    .name = "forest",
    .tasks = MW_TASKS_REGRESSION | MW_TASKS_CLASSES,
    .anchors = true,
    .leaves = true,
    .params = forest_params,
    .fit = forest_fit,
    .trees = forest_trees,
    .finish = forest_finish,
    .importance = forest_importance,
    .export_graph = forest_export,
    .import_graph = forest_import,
    .free_state = forest_free,
};
