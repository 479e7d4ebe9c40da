/*
 * test_gbdt_golden.c -- boosting beside LightGBM: the same rows and parameters give the same scores, up to what its float
 * gradients and our integer ones and float32 leaves make of them.
 */
#include "golden/tree/golden_gbdt.h"

#include "core/base/math.h"
#include "learn/tree/gbdt.h"
#include "support/harness.h"

typedef void (*vary_fn)(mw_gbdt_options *o);

typedef struct kase {
    const char *name;
    mw_objective_kind kind;
    const double *y, *scores; /* [GOLDEN_ROWS], [GOLDEN_ROWS][outputs] */
    bool weighted;
    vary_fn vary; /* what else is set, or NULL */
} kase;

static const double heavy_second[] = {1, 3};
static const int8_t falls_and_rises[] = {-1, 0, 1, 0, 0};
static const uint64_t two_groups[] = {1, 1, 2, 2, 2};

static void gentle(mw_gbdt_options *o) { o->objective.alpha = 1.5; }
static void upper(mw_gbdt_options *o) { o->objective.alpha = 0.7; }
static void near_poisson(mw_gbdt_options *o) { o->objective.power = 1.3; }
static void penalties(mw_gbdt_options *o) {
    o->grow.split.lambda_l1 = 0.3;
    o->grow.split.lambda_l2 = 5;
    o->grow.split.min_gain_to_split = 0.1;
}
static void small_steps(mw_gbdt_options *o) {
    o->grow.split.max_delta_step = 0.3;
    o->grow.split.min_sum_hessian_in_leaf = 5;
}
static void from_zero(mw_gbdt_options *o) { o->boost_from_average = false; }
static void flat(mw_gbdt_options *o) { o->grow.max_depth = 2; }
static void monotone(mw_gbdt_options *o) { o->grow.monotone = falls_and_rises; }
static void groups(mw_gbdt_options *o) { o->grow.groups = two_groups; }
static void one_by_one(mw_gbdt_options *o) { o->grow.split.max_cat_to_onehot = 10; }

static const kase kases[] = {
    {"regression", MW_OBJECTIVE_SQUARED, golden_number, golden_of_regression, false, NULL},
    {"weighted", MW_OBJECTIVE_SQUARED, golden_number, golden_of_weighted, true, NULL},
    {"l1", MW_OBJECTIVE_ABSOLUTE, golden_number, golden_of_l1, false, NULL},
    {"huber", MW_OBJECTIVE_HUBER, golden_number, golden_of_huber, false, gentle},
    {"quantile", MW_OBJECTIVE_QUANTILE, golden_number, golden_of_quantile, false, upper},
    {"poisson", MW_OBJECTIVE_POISSON, golden_count, golden_of_poisson, false, NULL},
    {"tweedie", MW_OBJECTIVE_TWEEDIE, golden_count, golden_of_tweedie, false, near_poisson},
    {"binary", MW_OBJECTIVE_LOGISTIC, golden_two, golden_of_binary, false, NULL},
    {"second_heavier", MW_OBJECTIVE_LOGISTIC, golden_two, golden_of_second_heavier, true,
     from_zero},
    {"multiclass", MW_OBJECTIVE_SOFTMAX, golden_three, golden_of_multiclass, false, NULL},
    {"penalties", MW_OBJECTIVE_SQUARED, golden_number, golden_of_penalties, false, penalties},
    {"small_steps", MW_OBJECTIVE_LOGISTIC, golden_two, golden_of_small_steps, false, small_steps},
    {"from_zero", MW_OBJECTIVE_LOGISTIC, golden_two, golden_of_from_zero, true, from_zero},
    {"flat", MW_OBJECTIVE_SQUARED, golden_number, golden_of_flat, false, flat},
    {"monotone", MW_OBJECTIVE_SQUARED, golden_number, golden_of_monotone, false, monotone},
    {"groups", MW_OBJECTIVE_SQUARED, golden_number, golden_of_groups, false, groups},
    {"one_by_one", MW_OBJECTIVE_SQUARED, golden_number, golden_of_one_by_one, false, one_by_one},
};

static void options_of(const kase *k, mw_gbdt_options *o) {
    static const uint8_t by_code[GOLDEN_FEATURES] = {[GOLDEN_CATEGORY] = 1};
    mw_gbdt_defaults(o);
    o->objective.kind = k->kind;
    o->objective.n_outputs = k->kind == MW_OBJECTIVE_SOFTMAX ? 3 : 1;
    o->n_estimators = GOLDEN_ROUNDS;
    o->learning_rate = 0.2;
    o->bins.by_code = by_code;
    o->bins.min_data_in_bin = 1;
    o->grow.num_leaves = 5;
    o->grow.split.min_data_in_leaf = 6;
    o->grow.split.min_data_per_group = 8;
    o->grow.split.max_cat_to_onehot = 1;
    o->grow.split.cat_smooth = 2;
    const bool even = k->kind == MW_OBJECTIVE_SQUARED || k->kind == MW_OBJECTIVE_HUBER;
    if (k->weighted || !even) { /* second derivatives differ: see make_gbdt.py */
        o->grow.split.min_data_in_leaf = 0;
        o->grow.split.min_data_per_group = 1;
        o->grow.split.cat_smooth = 0.5;
        o->grow.split.min_sum_hessian_in_leaf = 1;
    }
    if (k->vary) k->vary(o);
}

/* The largest difference, by the size of the score where that is above 1. */
static double difference(const kase *k) {
    mw_ctx ctx;
    mw_err err;
    mw_gbdt_options o;
    mw_trees *trees = NULL;
    double most = 0;
    mw_ctx_init(&ctx);
    options_of(k, &o);
    const mw_gbdt_rows rows = {{golden_x, GOLDEN_ROWS, GOLDEN_FEATURES},
                               {GOLDEN_ROWS, k->y, k->weighted ? golden_weights : NULL,
                                k->scores == golden_of_second_heavier ? heavy_second : NULL}};
    assert_ok(mw_gbdt_fit(&ctx, &o, rows, NULL, NULL, NULL, &trees, &err));
    for (int64_t i = 0; i < GOLDEN_ROWS; i++) {
        double got[3];
        mw_trees_score_row(trees, golden_x + i * GOLDEN_FEATURES, got);
        for (int32_t j = 0; j < trees->n_outputs; j++) {
            const double wanted = k->scores[i * trees->n_outputs + j];
            const double scale = mw_abs(wanted) > 1 ? mw_abs(wanted) : 1;
            const double error = mw_abs(got[j] - wanted) / scale;
            if (error > most) most = error;
        }
    }
    mw_trees_free(trees);
    return most;
}

MW_TEST(scores_are_lightgbms) {
    int wrong = 0;
    for (size_t i = 0; i < sizeof kases / sizeof *kases; i++) {
        const double most = difference(&kases[i]);
        print_message("%s: largest difference %.2g\n", kases[i].name, most);
        wrong += !(most <= 1e-5);
    }
    assert_int_equal(wrong, 0);
}

MW_TEST_MAIN(MW_RUN(scores_are_lightgbms))
