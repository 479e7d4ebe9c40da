/* model.c -- fit, score and the accessors: what is the same for every learner. */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"

const char *mw_task_name(mw_task task) {
    static const char *const names[] = {"regression", "binary", "multiclass", "anomaly"};
    return (unsigned)task < sizeof names / sizeof *names ? names[task] : "unknown";
}

mw_status mw_model__new(mw_mem *mem, const mw_learner *learner, mw_task task,
                        const mw_features *features, mw_model **ret, mw_err *err) {
    mw_model *model = mw_calloc(mem, 1, sizeof *model);
    if (!model) return mw_fail_nomem(err, "the model");
    *model = (mw_model){.mem = mem,
                        .learner = learner,
                        .task = task,
                        .threshold = MW_NAN,
                        .oob_score = MW_NAN,
                        .anchor = -1};
    mw_status status = mw_features__copy(mem, features, &model->features, err);
    if (!status) {
        model->importance = mw_calloc(mem, (size_t)mw_features_count(features), sizeof(double));
        if (!model->importance) status = mw_fail_nomem(err, "the model");
    }
    if (status) {
        mw_model_free(model);
        return status;
    }
    *ret = model;
    return MW_OK;
}

mw_status mw_model__set_classes(mw_model *model, const mw_str *classes, int32_t n, mw_err *err) {
    if (n == 0) return MW_OK;
    model->classes = mw_calloc(model->mem, (size_t)n, sizeof(char *));
    if (!model->classes) return mw_fail_nomem(err, "the classes");
    model->n_classes = n;
    for (int32_t i = 0; i < n; i++) {
        model->classes[i] = mw_strndup(model->mem, classes[i].data, classes[i].size);
        if (!model->classes[i]) return mw_fail_nomem(err, "the classes");
    }
    return MW_OK;
}

void *mw_model_free(mw_model *model) {
    if (!model) return NULL;
    if (model->state) model->learner->free_state(model->state);
    for (int32_t i = 0; model->classes && i < model->n_classes; i++) mw_free(model->classes[i]);
    mw_free(model->classes);
    mw_free(model->target);
    mw_free(model->params_json);
    mw_free(model->curves_json);
    mw_free(model->importance);
    mw_features_free(model->features);
    return mw_free(model);
}

/* What the target is; its values are checked by each learner's engine (mw_target_check). */
static mw_status check_target(const mw_fit *fit, mw_err *err) {
    if (!fit->y) return mw_fail(err, MW_EINVAL, "learner '%s' needs a target", fit->learner);
    bool classes = fit->task != MW_TASK_REGRESSION;
    if (classes && fit->n_classes < 2) {
        mw_fail(err, MW_EDATA, "the target has %d class%s; at least 2 are needed", fit->n_classes,
                fit->n_classes == 1 ? "" : "es");
        return mw_err_at(err, "%s", fit->target ? fit->target : "target");
    }
    if (classes && fit->n_classes > MW_LIMIT(MODEL_CLASSES))
        return mw_fail(err, MW_ETOOLARGE, "the target has %d classes; at most %lld are allowed",
                       fit->n_classes, (long long)MW_LIMIT(MODEL_CLASSES));
    return MW_OK;
}

static mw_status check_anchor(const mw_fit *fit, const mw_learner *learner, mw_err *err) {
    if (!fit->anchor) return MW_OK;
    int32_t index = mw_features__find(fit->features, mw_str_of(fit->anchor));
    if (learner->anchors && fit->task == MW_TASK_REGRESSION && index >= 0 &&
        mw_features_at(fit->features, index)->kind == MW_FEATURE_NUMBER)
        return MW_OK;
    return mw_fail(err, MW_EINVAL, "learner '%s' cannot fit the change since '%s'", learner->name,
                   fit->anchor);
}

static bool same_features(const mw_features *a, const mw_features *b) {
    bool same = mw_features_count(a) == mw_features_count(b);
    for (int32_t i = 0; same && i < mw_features_count(a); i++) {
        const mw_feature *x = mw_features_at(a, i), *y = mw_features_at(b, i);
        same = strcmp(x->name, y->name) == 0 && x->kind == y->kind &&
               x->n_categories == y->n_categories;
        for (int32_t k = 0; same && k < x->n_categories; k++)
            same = strcmp(x->categories[k], y->categories[k]) == 0;
    }
    return same;
}

/* The model to go on from is of the same learner, features and classes. */
static mw_status check_init(const mw_fit *fit, const mw_learner *learner, mw_err *err) {
    const mw_model *init = fit->init;
    if (!init) return MW_OK;
    bool same = init->learner == learner && init->task == fit->task &&
                init->n_classes == fit->n_classes && same_features(init->features, fit->features);
    for (int32_t k = 0; same && k < fit->n_classes; k++)
        same = strcmp(init->classes[k], fit->classes[k]) == 0;
    if (same) return MW_OK;
    mw_fail(err, MW_EINVAL,
            "the model to go on from is of another learner, task, features or classes");
    return mw_err_hint(err,
                       "train it on the same columns; a new category or class needs a new model");
}

/* What only boosting knows. */
static mw_status check_boosting(const mw_fit *fit, const mw_learner *learner, mw_err *err) {
    const char *asked = fit->weights            ? "weights"
                        : fit->valid.n_rows > 0 ? "validation rows"
                        : fit->init             ? "model to go on from"
                                                : NULL;
    if (!asked || learner->boosts) return check_init(fit, learner, err);
    mw_fail(err, MW_EINVAL, "learner '%s' takes no %s", learner->name, asked);
    return mw_err_hint(err, "--learner gbdt does");
}

static mw_status check_fit(const mw_fit *fit, const mw_learner *learner, mw_err *err) {
    if (!(learner->tasks >> fit->task & 1)) {
        mw_fail(err, MW_EINVAL, "learner '%s' cannot do task '%s'", learner->name,
                mw_task_name(fit->task));
        return mw_err_at(err, "task");
    }
    if (fit->matrix.n_features != mw_features_count(fit->features))
        return mw_fail(err, MW_EINVAL, "the matrix has %d columns for %d features",
                       fit->matrix.n_features, mw_features_count(fit->features));
    if (fit->matrix.n_features < 1) return mw_fail(err, MW_EDATA, "there is nothing to learn from");
    if (fit->matrix.n_rows < 2) {
        mw_fail(err, MW_EDATA, "%lld row%s to learn from; at least 2 are needed",
                (long long)fit->matrix.n_rows, fit->matrix.n_rows == 1 ? "" : "s");
        return MW_EDATA;
    }
    if (fit->matrix.n_rows > UINT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "more than %u rows to learn from", UINT32_MAX);
    mw_status status = check_anchor(fit, learner, err);
    if (!status) status = check_boosting(fit, learner, err);
    return status || fit->task == MW_TASK_ANOMALY ? status : check_target(fit, err);
}

static mw_status keep_description(const mw_fit *fit, mw_model *model, mw_err *err) {
    model->n_rows = fit->matrix.n_rows;
    if (fit->anchor) model->anchor = mw_features__find(fit->features, mw_str_of(fit->anchor));
    if (fit->target && fit->task != MW_TASK_ANOMALY) {
        model->target = mw_strdup(model->mem, fit->target);
        if (!model->target) return mw_fail_nomem(err, "the model");
    }
    if (fit->task == MW_TASK_BINARY || fit->task == MW_TASK_MULTICLASS) {
        mw_str *texts = mw_alloc_array(model->mem, (size_t)fit->n_classes, sizeof *texts);
        if (!texts) return mw_fail_nomem(err, "the classes");
        for (int32_t i = 0; i < fit->n_classes; i++) texts[i] = mw_str_of(fit->classes[i]);
        mw_status status = mw_model__set_classes(model, texts, fit->n_classes, err);
        mw_free(texts);
        if (status) return status;
    }
    mw_buf buf;
    mw_buf_init(&buf, model->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer writer;
    mw_json_writer_init(&writer, &buf, 0);
    mw_args_write_json(fit->params, &writer);
    mw_status status = mw_buf_status(&buf, "the model's parameters", err);
    if (!status) {
        model->params_json = mw_strdup(model->mem, mw_buf_text(&buf));
        if (!model->params_json) status = mw_fail_nomem(err, "the model's parameters");
    }
    mw_buf_done(&buf);
    return status;
}

static double sum(const double *x, int32_t n) {
    double total = 0;
    for (int32_t i = 0; i < n; i++) total += x[i];
    return total;
}

/* init: the model whose rounds come before this one's, or NULL. Its splits tell their gains, unless it was loaded: then its importance does. */
static void keep_importance(const mw_model *init, mw_model *model) {
    const int32_t n = mw_features_count(model->features);
    bool told = true;
    if (init) {
        model->learner->importance(init, model->importance);
        told = sum(model->importance, n) > 0;
    }
    model->learner->importance(model, model->importance);
    for (int32_t i = 0; i < n && !told; i++)
        model->importance[i] += init->importance[i] * init->importance_total;
    const double total = model->importance_total = sum(model->importance, n);
    for (int32_t i = 0; i < n; i++)
        model->importance[i] = total > 0 ? model->importance[i] / total : 0;
}

static mw_status fit_with(const mw_ctx *ctx, const mw_fit *fit, const mw_learner *learner,
                          mw_model **ret, mw_err *err) {
    mw_ctx own = *ctx;
    own.seed = (uint64_t)mw_args_int(fit->params, "seed");
    mw_model *model = NULL;
    mw_status status = mw_model__new(ctx->mem, learner, fit->task, fit->features, &model, err);
    if (!status) status = keep_description(fit, model, err);
    if (!status) status = learner->fit(&own, fit, model, err);
    if (status) {
        mw_model_free(model);
        return status;
    }
    keep_importance(fit->init, model);
    *ret = model;
    return MW_OK;
}

mw_status mw_model_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model **ret, mw_err *err) {
    const mw_learner *learner = mw_learner_find(fit->learner);
    if (!learner) {
        mw_fail(err, MW_ENOTFOUND, "there is no learner '%s'", fit->learner ? fit->learner : "");
        return mw_err_hint(err, "learners: forest, gbdt, linear, isolation");
    }
    mw_status status = check_fit(fit, learner, err);
    if (status) return status;
    if (fit->params) return fit_with(ctx, fit, learner, ret, err);

    mw_args *defaults = NULL;
    mw_fit with_defaults = *fit;
    status = mw_args_new(ctx->mem, learner->params, &defaults, err);
    if (!status) status = mw_args_finish(defaults, err);
    with_defaults.params = defaults;
    if (!status) status = fit_with(ctx, &with_defaults, learner, ret, err);
    mw_args_free(defaults);
    return status;
}

const mw_trees *mw_model__trees(const mw_model *model) {
    return model->learner->trees ? model->learner->trees(model) : NULL;
}

mw_status mw_model_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix, double *out,
                         mw_err *err) {
    if (matrix.n_features != mw_features_count(model->features))
        return mw_fail(err, MW_EINVAL, "rows have %d features, the model takes %d",
                       matrix.n_features, mw_features_count(model->features));
    const mw_trees *trees = mw_model__trees(model);
    if (!trees) return model->learner->score(ctx, model, matrix, out, err);
    mw_status status = mw_trees_score(ctx, trees, matrix, out, err);
    return status ? status : model->learner->finish(ctx, model, matrix, out, err);
}

int32_t mw_model_outputs(const mw_model *model) {
    return model->n_classes > 0 ? model->n_classes : 1;
}

const char *mw_model_curves(const mw_model *model) { return model->curves_json; }

mw_status mw_model_importance(const mw_ctx *ctx, const mw_model *model, double *importance,
                              mw_err *err) {
    (void)ctx;
    (void)err;
    memcpy(importance, model->importance,
           (size_t)mw_features_count(model->features) * sizeof *importance);
    return MW_OK;
}

const char *mw_model_learner(const mw_model *model) { return model->learner->name; }
mw_task mw_model_task(const mw_model *model) { return model->task; }
const mw_features *mw_model_features(const mw_model *model) { return model->features; }
double mw_model_threshold(const mw_model *model) { return model->threshold; }
double mw_model_oob_score(const mw_model *model) { return model->oob_score; }

const char *const *mw_model_classes(const mw_model *model, int32_t *n) {
    *n = model->n_classes;
    return (const char *const *)model->classes;
}
