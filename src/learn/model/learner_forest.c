/*
 * learner_forest.c -- random forest for values and classes: parameters, and the ensemble's ONNX
 * graph.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/number.h"
#include "learn/tree/forest.h"

static const mw_param forest_params[] = {
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, NULL, 0, "trees", NULL, "Number of trees."},
    {"max_depth", MW_PARAM_INT, "0", 0, 1000, NULL, 0, "levels", NULL,
     "Deepest level of a tree; 0: unlimited."},
    {"min_samples_split", MW_PARAM_INT, "2", 2, 1e9, NULL, 0, "rows", NULL,
     "Fewest rows a node needs to be split."},
    {"min_samples_leaf", MW_PARAM_INT, "1", 1, 1e9, NULL, 0, "rows", NULL,
     "Fewest rows of a leaf."},
    {"max_features", MW_PARAM_STRING, NULL, 1, 32, NULL, 0, NULL, NULL,
     "Features tried at a split: a share in (0, 1], sqrt or log2. Unset: 1 for values, sqrt for "
     "classes."},
    {"bootstrap", MW_PARAM_BOOL, "true", 0, 0, NULL, 0, NULL, NULL,
     "Grow each tree on rows drawn with replacement."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, NULL, 0, NULL, NULL,
     "Seed of the random draws."},
    {0},
};

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

static mw_status forest_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err) {
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = (int32_t)mw_args_int(fit->params, "n_estimators");
    options.max_depth = (int32_t)mw_args_int(fit->params, "max_depth");
    options.min_samples_split = (int32_t)mw_args_int(fit->params, "min_samples_split");
    options.min_samples_leaf = (int32_t)mw_args_int(fit->params, "min_samples_leaf");
    options.bootstrap = mw_args_bool(fit->params, "bootstrap");
    options.n_classes = fit->task == MW_TASK_REGRESSION ? 0 : fit->n_classes;
    mw_status status =
        read_max_features(mw_args_string(fit->params, "max_features"), fit->matrix.n_features,
                          options.n_classes > 0, &options.max_features, err);
    if (status) return status;
    mw_trees *trees = NULL;
    status = mw_forest_fit(ctx, &options, fit->matrix, fit->y, &trees, err);
    if (status) return status;
    model->state = trees;
    return MW_OK;
}

static mw_status forest_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                              double *out, mw_err *err) {
    return mw_trees_score(ctx, model->state, matrix, out, err);
}

static void forest_importance(const mw_model *model, double *importance) {
    mw_trees_gain_importance(model->state, importance);
}

static void forest_free(void *state) { mw_trees_free(state); }

/* ---- ONNX ---- */

static const mw_onnx_step steps_regression[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "prediction", {{0}}},
};
static const mw_onnx_step steps_classes[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "probabilities", {{0}}},
    {"ArgMax", "probabilities", "class_index", {{"axis", 1}, {"keepdims", 0}}},
    {"LabelEncoder", "class_index", "label", {{0}}},
};

static mw_status export_classes(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                                mw_err *err) {
    size_t n = (size_t)model->n_classes;
    mw_onnx_add_step(onnx, &steps_classes[0]);
    mw_status status =
        mw_onnx_add_trees(ctx, onnx, model->state, "features64", "probabilities", err);
    if (status) return status;
    mw_onnx_add_step(onnx, &steps_classes[2]);
    Onnx__NodeProto *encoder = mw_onnx_node(onnx, "LabelEncoder", "class_index", "label");
    int64_t *keys = mw_onnx_ints(onnx, encoder, "keys_int64s", n);
    ProtobufCBinaryData *labels = mw_onnx_texts(onnx, encoder, "values_strings", n);
    for (size_t i = 0; labels && i < n; i++) {
        keys[i] = (int64_t)i;
        labels[i].data = (uint8_t *)model->classes[i];
        labels[i].len = strlen(model->classes[i]);
    }
    mw_onnx_output(onnx, "label", MW_ONNX_STRING, 0);
    mw_onnx_output(onnx, "probabilities", MW_ONNX_FLOAT, model->n_classes);
    return MW_OK;
}

static mw_status forest_export(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                               mw_err *err) {
    if (model->n_classes) return export_classes(ctx, model, onnx, err);
    mw_onnx_add_step(onnx, &steps_regression[0]);
    mw_status status = mw_onnx_add_trees(ctx, onnx, model->state, "features64", "prediction", err);
    if (status) return status;
    mw_onnx_output(onnx, "prediction", MW_ONNX_FLOAT, 1);
    return MW_OK;
}

static mw_status check_labels(const mw_onnx_doc *doc, const mw_model *model, mw_err *err) {
    const Onnx__NodeProto *encoder = mw_onnx_doc_graph(doc)->node[3];
    const Onnx__AttributeProto *keys = mw_onnx_attribute(encoder, "keys_int64s");
    const Onnx__AttributeProto *labels = mw_onnx_attribute(encoder, "values_strings");
    size_t n = (size_t)model->n_classes;
    bool same = keys && labels && keys->n_ints == n && labels->n_strings == n;
    for (size_t i = 0; same && i < n; i++) {
        mw_str label = {(const char *)labels->strings[i].data, labels->strings[i].len};
        same = keys->ints[i] == (int64_t)i && mw_str_is(label, model->classes[i]);
    }
    return same ? MW_OK
                : mw_fail(err, MW_EDATA, "model.onnx: the labels do not agree with metadata.json");
}

static mw_status forest_import(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                               mw_err *err) {
    bool classes = model->n_classes > 0;
    mw_trees *trees = NULL;
    mw_status status = classes ? mw_onnx_expect(doc, steps_classes, 4, err)
                               : mw_onnx_expect(doc, steps_regression, 2, err);
    if (!status && classes) status = check_labels(doc, model, err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, &trees, err);
    if (status) return status;
    model->state = trees;
    if (trees->n_outputs != mw_model_outputs(model))
        return mw_fail(err, MW_EDATA, "model.onnx gives %d values a row, metadata.json says %d",
                       trees->n_outputs, mw_model_outputs(model));
    return MW_OK;
}

const mw_learner mw_learner_forest = {
    .name = "forest",
    .tasks = MW_TASKS_REGRESSION | MW_TASKS_CLASSES,
    .params = forest_params,
    .fit = forest_fit,
    .score = forest_score,
    .importance = forest_importance,
    .export_graph = forest_export,
    .import_graph = forest_import,
    .free_state = forest_free,
};
