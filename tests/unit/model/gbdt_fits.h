/*
 * gbdt_fits.h -- boosting's problems for the tests of this folder: one for each objective, on rows with numbers, a bool, a
 * category and missing cells.
 */
#ifndef MW_TESTS_UNIT_MODEL_GBDT_FITS_H
#define MW_TESTS_UNIT_MODEL_GBDT_FITS_H

#include <stdio.h>

#include "core/base/math.h"
#include "learn/model/learner.h"
#include "support/harness.h"
#include "support/model_data.h"

typedef struct gbdt_kase {
    const char *objective; /* as the parameter has it */
    mw_task task;
    int32_t n_classes;
    const char *settings; /* more of them, each after a blank */
} gbdt_kase;

static const gbdt_kase gbdt_kases[] = {
    {"regression", MW_TASK_REGRESSION, 0, ""},
    {"regression_l1", MW_TASK_REGRESSION, 0, ""},
    {"huber", MW_TASK_REGRESSION, 0, " alpha=5"},
    {"quantile", MW_TASK_REGRESSION, 0, " alpha=0.7"},
    {"poisson", MW_TASK_REGRESSION, 0, ""},
    {"tweedie", MW_TASK_REGRESSION, 0, " tweedie_variance_power=1.3"},
    {"binary", MW_TASK_BINARY, 2, ""},
    {"multiclass", MW_TASK_MULTICLASS, 3, ""},
    {"multiclass", MW_TASK_MULTICLASS, 2, ""},
    {"multiclass", MW_TASK_BINARY, 2, ""},
    {"binary", MW_TASK_BINARY, 2, " boosting=dart drop_rate=0.5 skip_drop=0.2"},
    {"regression", MW_TASK_REGRESSION, 0, " boosting=goss learning_rate=0.5"},
};
enum { GBDT_KASES = sizeof gbdt_kases / sizeof *gbdt_kases, GBDT_ROUNDS = 12 };

/* A problem with the fit that it is for; what a test wants otherwise it sets in `fit`. */
typedef struct gbdt_fits {
    mw_problem problem;
    mw_args *args;
    mw_fit fit;
} gbdt_fits;

/* A kase's parameters, with another number of rounds; the caller frees them. */
static inline mw_args *gbdt_args(const gbdt_kase *k, int n_rounds) {
    char settings[512];
    (void)snprintf(
        settings, sizeof settings,
        "objective=%s n_estimators=%d num_leaves=40 min_data_in_leaf=2 max_cat_to_onehot=1 "
        "min_data_per_group=5 cat_smooth=1 cat_l2=0%s",
        k->objective, n_rounds, k->settings);
    return mw_problem_args("gbdt", settings);
}

static inline void gbdt_fits_init(gbdt_fits *f, const gbdt_kase *k, uint64_t seed, int64_t n_rows) {
    mw_problem *p = &f->problem;
    mw_problem_make(p, seed, n_rows, k->n_classes, 1, 0);
    const bool counts = k->objective[0] == 'p' || k->objective[0] == 't';
    for (int64_t i = 0; counts && i < n_rows; i++) p->y[i] = p->y[i] > 0 ? mw_floor(p->y[i]) : 0;
    f->args = gbdt_args(k, GBDT_ROUNDS);
    f->fit = (mw_fit){.learner = "gbdt",
                      .task = k->task,
                      .features = p->features,
                      .target = "y",
                      .classes = p->classes,
                      .n_classes = k->n_classes,
                      .params = f->args,
                      .matrix = p->matrix,
                      .y = p->y};
}

static inline void gbdt_fits_done(gbdt_fits *f) {
    mw_args_free(f->args);
    mw_problem_done(&f->problem);
}

static inline mw_status gbdt_try(const mw_fit *fit, mw_model **ret, mw_err *err) {
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    *err = (mw_err){0};
    return mw_model_fit(&ctx, fit, ret, err);
}

static inline mw_model *gbdt_model(const mw_fit *fit) {
    mw_err err;
    mw_model *model = NULL;
    assert_ok(gbdt_try(fit, &model, &err));
    return model;
}

/* What a model says of rows, as mw_model_score_as; *ret_n numbers a row. The caller frees it. */
static inline double *gbdt_scores(const mw_model *model, mw_matrix matrix, mw_output what,
                                  int32_t n_rounds, int32_t *ret_n) {
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    assert_ok(mw_model_outputs_as(model, what, n_rounds, ret_n, &err));
    double *out = mw_alloc_array(NULL, (size_t)(matrix.n_rows * *ret_n), sizeof *out);
    assert_ok(mw_model_score_as(&ctx, model, matrix, what, n_rounds, out, &err));
    return out;
}

static inline void gbdt_assert_same(const mw_model *a, const mw_model *b, mw_matrix matrix,
                                    mw_output what) {
    int32_t n, m;
    double *x = gbdt_scores(a, matrix, what, 0, &n), *y = gbdt_scores(b, matrix, what, 0, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, (size_t)(matrix.n_rows * n) * sizeof *x);
    mw_free(x);
    mw_free(y);
}

#endif
