/*
 * test_gbdt_params.c -- boosting's parameters that name features or classes: what they do, by every way to say it, and
 * what is said of wrong ones.
 */
#include <string.h>

#include "unit/model/gbdt_fits.h"

enum { ROWS = 600 };

static const gbdt_kase numbers = {"regression", MW_TASK_REGRESSION, 0, ""};
static const gbdt_kase binary = {"binary", MW_TASK_BINARY, 2, ""};
static const gbdt_kase three = {"multiclass", MW_TASK_MULTICLASS, 3, ""};

/* A fit with one more parameter. */
static mw_status try_with(const gbdt_fits *f, const gbdt_kase *k, const char *name,
                          const char *value, mw_model **ret, mw_err *ret_err) {
    mw_fit fit = f->fit;
    mw_err err = {0};
    mw_args *args = NULL;
    assert_ok(mw_args_new(NULL, mw_model_params("gbdt"), &args, &err));
    assert_ok(mw_args_set(args, MW_STR("objective"), mw_str_of(k->objective), &err));
    assert_ok(mw_args_set(args, MW_STR("n_estimators"), MW_STR("10"), &err));
    assert_ok(mw_args_set(args, mw_str_of(name), mw_str_of(value), &err));
    assert_ok(mw_args_finish(args, &err));
    fit.params = args;
    const mw_status status = gbdt_try(&fit, ret, ret_err);
    mw_args_free(args);
    return status;
}

static mw_model *model_with(const gbdt_fits *f, const gbdt_kase *k, const char *name,
                            const char *value) {
    mw_err err = {0};
    mw_model *model = NULL;
    assert_ok(try_with(f, k, name, value, &model, &err));
    return model;
}

typedef struct wish {
    const char *name, *value, *says;
} wish;

static void refuse_all(const gbdt_kase *k, const wish *wishes, size_t n) {
    gbdt_fits f;
    gbdt_fits_init(&f, k, 1, ROWS);
    for (size_t i = 0; i < n; i++) {
        mw_err err = {0};
        mw_model *model = NULL;
        const mw_status status = try_with(&f, k, wishes[i].name, wishes[i].value, &model, &err);
        if (status != MW_EINVAL || !strstr(err.message, wishes[i].says) ||
            strcmp(err.pointer, wishes[i].name) != 0)
            fail_msg("%s=%s: %s, %s, at %s", wishes[i].name, wishes[i].value,
                     mw_status_name(status), err.message, err.pointer);
    }
    gbdt_fits_done(&f);
}
#define REFUSE_ALL(kase, wishes) refuse_all(&(kase), wishes, sizeof(wishes) / sizeof *(wishes))

/* ---- features ---- */

/* Predictions along a feature, all else as in each of some rows, never go against the sign. */
static bool follows(const mw_model *model, const gbdt_fits *f, int32_t feature, double sign) {
    enum { STEPS = 41 };
    mw_ctx ctx;
    mw_err err;
    float x[STEPS * MW_PROBLEM_FEATURES];
    double out[STEPS];
    mw_problem_ctx(&ctx);
    bool good = true;
    for (int64_t row = 0; row < 50; row++) {
        for (int step = 0; step < STEPS; step++) {
            float *to = x + step * MW_PROBLEM_FEATURES;
            memcpy(to, f->fit.matrix.x + row * MW_PROBLEM_FEATURES,
                   MW_PROBLEM_FEATURES * sizeof *x);
            to[feature] = -4 + 0.2F * (float)step;
        }
        const mw_matrix matrix = {x, STEPS, MW_PROBLEM_FEATURES};
        assert_ok(mw_model_score(&ctx, model, matrix, out, &err));
        for (int step = 1; step < STEPS; step++) good &= sign * (out[step] - out[step - 1]) >= 0;
    }
    return good;
}

MW_TEST(monotone_features_by_name_and_by_list) {
    static const char *const ways[] = {"heat:-1", "heat:-1,load:0", "-1,0,0,0,0"};
    gbdt_fits f;
    gbdt_fits_init(&f, &numbers, 2, ROWS);
    mw_model *free_model = gbdt_model(&f.fit);
    assert_false(follows(free_model, &f, 0, -1));
    mw_model *first = model_with(&f, &numbers, "monotone_constraints", ways[0]);
    assert_true(follows(first, &f, 0, -1));
    for (int i = 1; i < 3; i++) {
        mw_model *same = model_with(&f, &numbers, "monotone_constraints", ways[i]);
        gbdt_assert_same(first, same, f.fit.matrix, MW_OUTPUT_PREDICTION);
        mw_model_free(same);
    }
    mw_model *against = model_with(&f, &numbers, "mc", "noise:-1,load:1");
    assert_true(follows(against, &f, 4, -1) && follows(against, &f, 1, 1));
    mw_model_free(against);
    mw_model_free(free_model);
    mw_model_free(first);
    gbdt_fits_done(&f);
}

MW_TEST(wrong_monotone_features_are_told) {
    static const wish wrong[] = {
        {"monotone_constraints", "heart:1", "\"heart:1\" names no feature"},
        {"monotone_constraints", "heat:2", "none of -1, 0 and 1"},
        {"monotone_constraints", "heat:0.5", "none of -1, 0 and 1"},
        {"monotone_constraints", "heat:up", "is not NAME:NUMBER"},
        {"monotone_constraints", "1,0,0", "is not NAME:NUMBER, nor one of a number for each"},
        {"monotone_constraints", "0,0,0,0,1,1", "nor one of a number for each"},
        {"monotone_constraints", "kind:1", "is a category, which has no order"},
        {"monotone_constraints", "0,0,0,-1,0", "is a category, which has no order"},
    };
    REFUSE_ALL(numbers, wrong);
}

/* Features used on any way from the root of any tree to a leaf, as bits. */
static bool meet(const mw_trees *trees, int64_t node, unsigned used, unsigned both) {
    const mw_node *at = &trees->nodes[node];
    if (at->feature < 0) return (used & both) == both;
    used |= 1U << at->feature;
    return meet(trees, at->left, used, both) || meet(trees, at->right, used, both);
}

static bool ever_meet(const mw_model *model, int32_t a, int32_t b) {
    const mw_trees *trees = model->learner->trees(model);
    bool found = false;
    for (int32_t t = 0; t < trees->n_trees; t++)
        found |= meet(trees, trees->roots[t], 0, 1U << a | 1U << b);
    return found;
}

MW_TEST(features_meet_by_name_and_by_index) {
    static const char *const ways[] = {"[[\"heat\",\"on\"],[\"load\",\"kind\"]]",
                                       "[[0,2],[\"load\",3]]", " [ [2, 0] , [3, 1] ] "};
    gbdt_fits f;
    gbdt_fits_init(&f, &numbers, 3, ROWS);
    mw_model *free_model = gbdt_model(&f.fit);
    assert_true(ever_meet(free_model, 0, 1));
    mw_model *first = model_with(&f, &numbers, "interaction_constraints", ways[0]);
    assert_true(ever_meet(first, 0, 2));
    assert_false(ever_meet(first, 0, 1) || ever_meet(first, 0, 3) || ever_meet(first, 1, 2) ||
                 ever_meet(first, 0, 4) || ever_meet(first, 1, 4));
    for (int i = 1; i < 3; i++) {
        mw_model *same = model_with(&f, &numbers, "interaction_constraints", ways[i]);
        gbdt_assert_same(first, same, f.fit.matrix, MW_OUTPUT_PREDICTION);
        mw_model_free(same);
    }
    mw_model_free(free_model);
    mw_model_free(first);
    gbdt_fits_done(&f);
}

MW_TEST(wrong_groups_of_features_are_told) {
    static const wish wrong[] = {
        {"interaction_constraints", "[[\"heat\",\"speed\"]]", "names a feature that is not there"},
        {"interaction_constraints", "[[0,5]]", "names a feature that is not there"},
        {"interaction_constraints", "[[-1]]", "names a feature that is not there"},
        {"interaction_constraints", "[[0.5]]", "names a feature that is not there"},
        {"interaction_constraints", "[[null]]", "names a feature that is not there"},
        {"interaction_constraints", "[0,1]", "is no JSON list of lists"},
        {"interaction_constraints", "{\"a\":[0]}", "is no JSON list of lists"},
        {"interaction_constraints", "[[0,1]", "is no JSON list of lists"},
        {"interaction_constraints", "heat,load", "is no JSON list of lists"},
    };
    char many[1024] = "[";
    for (int i = 0; i < 64; i++) strcat(many, i ? ",[0]" : "[0]");
    const wish too_many = {"interaction_constraints", strcat(many, "]"), "more than 63 groups"};
    REFUSE_ALL(numbers, wrong);
    refuse_all(&numbers, &too_many, 1);
}

/* ---- classes ---- */

/* The same as row weights of each class's. */
static void same_as_weights(const gbdt_kase *k, const char *name, const char *value,
                            const double *by_class) {
    gbdt_fits f;
    double weights[ROWS];
    gbdt_fits_init(&f, k, 4, ROWS);
    mw_model *named = model_with(&f, k, name, value);
    for (int row = 0; row < ROWS; row++) weights[row] = by_class[(int)f.fit.y[row]];
    f.fit.weights = weights;
    mw_model *weighted = model_with(&f, k, "seed", "42");
    gbdt_assert_same(named, weighted, f.fit.matrix, MW_OUTPUT_PREDICTION);
    mw_model_free(named);
    mw_model_free(weighted);
    gbdt_fits_done(&f);
}

/* Rows of each class in the problem of same_as_weights: n / (classes * rows of it). */
static void balanced(const gbdt_kase *k, double *by_class) {
    gbdt_fits f;
    double n[3] = {0};
    gbdt_fits_init(&f, k, 4, ROWS);
    for (int row = 0; row < ROWS; row++) n[(int)f.fit.y[row]]++;
    for (int c = 0; c < k->n_classes; c++) by_class[c] = ROWS / (k->n_classes * n[c]);
    gbdt_fits_done(&f);
}

MW_TEST(weights_of_classes_are_weights_of_their_rows) {
    double by_class[3];
    same_as_weights(&binary, "scale_pos_weight", "4", (double[]){1, 4});
    same_as_weights(&binary, "class_weight", "good:4", (double[]){1, 4});
    same_as_weights(&three, "class_weight", "ugly:8,bad:0.5", (double[]){0.5, 1, 8});
    balanced(&binary, by_class);
    same_as_weights(&binary, "is_unbalance", "true", by_class);
    same_as_weights(&binary, "class_weight", "balanced", by_class);
    balanced(&three, by_class);
    same_as_weights(&three, "class_weight", "balanced", by_class);
}

MW_TEST(wrong_weights_of_classes_are_told) {
    static const wish for_numbers[] = {
        {"class_weight", "balanced", "is for classes, and the target is a number"},
        {"scale_pos_weight", "2", "is for classes, and the target is a number"},
        {"is_unbalance", "true", "is for classes, and the target is a number"},
    };
    static const wish for_three[] = {
        {"scale_pos_weight", "2", "is for two classes; class_weight is for more"},
        {"is_unbalance", "true", "is for two classes; class_weight is for more"},
        {"class_weight", "fine:2", "\"fine:2\" names no class"},
        {"class_weight", "good:0", "is not CLASS:WEIGHT above 0"},
        {"class_weight", "good:-1", "is not CLASS:WEIGHT above 0"},
        {"class_weight", "good:inf", "is not CLASS:WEIGHT above 0"},
        {"class_weight", "good", "is not CLASS:WEIGHT above 0"},
        {"class_weight", "balanced,good:2", "is not CLASS:WEIGHT above 0"},
    };
    REFUSE_ALL(numbers, for_numbers);
    REFUSE_ALL(three, for_three);
    mw_err err;
    gbdt_fits f;
    mw_model *model = NULL;
    static const gbdt_kase twice = {"binary", MW_TASK_BINARY, 2,
                                    " scale_pos_weight=2 class_weight=balanced"};
    gbdt_fits_init(&f, &twice, 1, ROWS);
    assert_status(gbdt_try(&f.fit, &model, &err), MW_EINVAL);
    assert_non_null(strstr(err.message, "and another weight of classes are given"));
    gbdt_fits_done(&f);
}

/* ---- the objective and what belongs to it ---- */

MW_TEST(objectives_for_other_targets_are_told) {
    static const wish none[] = {
        {"alpha", "1", "is no quantile"},
    };
    static const gbdt_kase quantile = {"quantile", MW_TASK_REGRESSION, 0, ""};
    static const struct {
        gbdt_kase kase;
        const char *says;
    } wrong[] = {
        {{"binary", MW_TASK_REGRESSION, 0, ""}, "\"binary\" is for another number of classes"},
        {{"multiclass", MW_TASK_REGRESSION, 0, ""}, "is for another number of classes"},
        {{"binary", MW_TASK_MULTICLASS, 3, ""}, "is for another number of classes"},
        {{"poisson", MW_TASK_BINARY, 2, ""}, "\"poisson\" is for numbers"},
        {{"huber", MW_TASK_MULTICLASS, 3, ""}, "\"huber\" is for numbers"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_err err;
        gbdt_fits f;
        mw_model *model = NULL;
        gbdt_fits_init(&f, &wrong[i].kase, 5, ROWS);
        assert_status(gbdt_try(&f.fit, &model, &err), MW_EINVAL);
        assert_string_equal(err.pointer, "objective");
        if (!strstr(err.message, wrong[i].says)) fail_msg("%s", err.message);
        gbdt_fits_done(&f);
    }
    REFUSE_ALL(quantile, none);
}

MW_TEST(validation_rows_come_from_one_place) {
    static const gbdt_kase held = {"regression", MW_TASK_REGRESSION, 0, " validation_fraction=0.2"};
    static const gbdt_kase stops = {"regression", MW_TASK_REGRESSION, 0, " early_stopping=5"};
    static const gbdt_kase dart = {"regression", MW_TASK_REGRESSION, 0,
                                   " early_stopping=5 boosting=dart validation_fraction=0.2"};
    const gbdt_kase *wrong[] = {&held, &stops, &dart};
    static const char *const at[] = {"validation_fraction", "early_stopping_rounds",
                                     "early_stopping_rounds"};
    for (int i = 0; i < 3; i++) {
        mw_err err;
        gbdt_fits f;
        mw_model *model = NULL;
        gbdt_fits_init(&f, wrong[i], 6, ROWS);
        if (i == 0) f.fit.valid = f.fit.matrix, f.fit.valid_y = f.fit.y;
        assert_status(gbdt_try(&f.fit, &model, &err), MW_EINVAL);
        assert_string_equal(err.pointer, at[i]);
        gbdt_fits_done(&f);
    }
}

MW_TEST_MAIN(MW_RUN(monotone_features_by_name_and_by_list),
             MW_RUN(wrong_monotone_features_are_told), MW_RUN(features_meet_by_name_and_by_index),
             MW_RUN(wrong_groups_of_features_are_told),
             MW_RUN(weights_of_classes_are_weights_of_their_rows),
             MW_RUN(wrong_weights_of_classes_are_told),
             MW_RUN(objectives_for_other_targets_are_told),
             MW_RUN(validation_rows_come_from_one_place))
