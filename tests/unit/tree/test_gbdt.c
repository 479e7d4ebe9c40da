/*
 * test_gbdt.c -- boosting: small models by hand, scores beside the plain walk, the same trees at any number of threads and
 * after a pause, constraints, and data that is bare, broken or extreme.
 */
#include "support/fault_loop.h"
#include "support/harness.h"
#include "support/same_trees.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/gbdt.h"

enum { FEATURES = 7, CODES = 5 };

/* A table with missing values, ties and categories, and a target that follows from it. */
typedef struct table {
    int64_t n;
    float *x;
    double *y;
    mw_gbdt_rows rows;
} table;

static const uint8_t by_code[FEATURES] = {0, 0, 0, 0, 0, 1, 0};

static double target_of(mw_objective_kind kind, const float *x, mw_rng *rng) {
    const double missing = __builtin_isnan(x[2]) ? 1 : (double)x[2];
    const double score = (double)x[0] - missing + (x[CODES] == 3 || x[CODES] == 7 ? 1 : 0) +
                         0.5 * mw_rng_normal(rng);
    switch (kind) {
    case MW_OBJECTIVE_LOGISTIC: return score > 0;
    case MW_OBJECTIVE_SOFTMAX: return score > 0.7 ? 2 : score > -0.5;
    case MW_OBJECTIVE_POISSON:
    case MW_OBJECTIVE_TWEEDIE: return score > 0 ? mw_floor(3 * score) : 0;
    default: return 10 + 2 * score;
    }
}

static void table_init(table *t, mw_objective_kind kind, uint64_t seed, int64_t n) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 3, 0);
    *t = (table){.n = n};
    t->x = mw_alloc_array(NULL, (size_t)n * FEATURES, sizeof *t->x);
    t->y = mw_alloc_array(NULL, (size_t)n, sizeof *t->y);
    for (int64_t i = 0; i < n; i++) {
        float *x = t->x + i * FEATURES;
        x[0] = (float)mw_rng_normal(&rng);
        x[1] = (float)mw_rng_below(&rng, 4);
        x[2] = mw_rng_below(&rng, 3) ? (float)mw_rng_uniform(&rng) : __builtin_nanf("");
        x[3] = (float)(mw_rng_normal(&rng) * 1e30);
        x[4] = 2.5F;
        x[CODES] = (float)mw_rng_below(&rng, 12);
        x[6] = (float)mw_rng_uniform(&rng) * 1e-30F;
        t->y[i] = target_of(kind, x, &rng);
    }
    t->rows = (mw_gbdt_rows){{t->x, n, FEATURES}, {n, t->y, NULL, NULL}};
}

static void table_done(table *t) {
    mw_free(t->x);
    mw_free(t->y);
}

static mw_gbdt_options usual(mw_objective_kind kind) {
    mw_gbdt_options o;
    mw_gbdt_defaults(&o);
    o.objective.kind = kind;
    if (kind == MW_OBJECTIVE_SOFTMAX) o.objective.n_outputs = 3;
    o.bins.by_code = by_code;
    o.n_estimators = 8;
    o.grow.split.min_data_per_group = 5;
    return o;
}

static mw_trees *fit(const mw_gbdt_options *o, const table *t, const table *valid,
                     const mw_trees *init, int n_threads, mw_gbdt_curves *curves) {
    mw_ctx ctx;
    mw_err err;
    mw_trees *trees = NULL;
    mw_ctx_init(&ctx);
    ctx.seed = 11;
    assert_ok(mw_pool_new(NULL, n_threads, &ctx.pool, &err));
    assert_ok(
        mw_gbdt_fit(&ctx, o, t->rows, valid ? &valid->rows : NULL, init, curves, &trees, &err));
    assert_ok(mw_trees_check(trees, &err));
    mw_pool_free(ctx.pool);
    return trees;
}

MW_TEST(a_model_by_hand) {
    float x[] = {0, 0, 0, 1, 1, 1};
    double y[] = {1, 1, 1, 3, 3, 3};
    table t = {.n = 6, .rows = {{x, 6, 1}, {6, y, NULL, NULL}}};
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.bins.by_code = NULL;
    o.bins.min_data_in_bin = 1;
    o.grow.split.min_data_in_leaf = 1;
    o.grow.split.lambda_l2 = 1;
    o.learning_rate = 0.5;
    o.n_estimators = 2;
    mw_gbdt_curves curves;
    mw_trees *trees = fit(&o, &t, NULL, NULL, 1, &curves);
    assert_int_equal(trees->n_trees, 2);
    assert_int_equal(trees->n_nodes, 6);
    assert_true(trees->base[0] == 2);
    assert_true(trees->nodes[0].threshold == 0.5F);
    assert_true(trees->nodes[0].gain == 4.5F); /* 2 * 3 * 3 / (3 + 1) */
    assert_int_equal(trees->nodes[0].cover, 6);
    assert_true(trees->values[0] == -0.375F && trees->values[1] == 0.375F); /* 0.5 * 3 / 4 */
    /* Gradients of 0.625 are left: 0.5 * 3 * 0.625 / 4. */
    assert_true(trees->values[2] == -0.234375F && trees->values[3] == 0.234375F);
    assert_int_equal(curves.n_rounds, 2);
    assert_true(curves.train_loss[0] == 0.625 && curves.train_loss[1] == 0.390625);
    mw_gbdt_curves_done(&curves);
    mw_trees_free(trees);
}

MW_TEST(classes_by_hand) {
    float x[] = {0, 0, 0, 0, 1, 1, 1, 1};
    double y[] = {0, 0, 0, 1, 1, 1, 1, 0};
    table t = {.n = 8, .rows = {{x, 8, 1}, {8, y, NULL, NULL}}};
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    o.bins.by_code = NULL;
    o.grow.split.min_data_in_leaf = 1;
    o.learning_rate = 1;
    o.n_estimators = 1;
    mw_gbdt_curves curves;
    mw_trees *trees = fit(&o, &t, NULL, NULL, 1, &curves);
    assert_true(trees->base[0] == 0);
    assert_true(trees->values[0] == -1 && trees->values[1] == 1); /* 1 / (4 * 0.25) */
    assert_true(curves.train_accuracy[0] == 0.75);
    mw_gbdt_curves_done(&curves);
    mw_trees_free(trees);
}

typedef void (*vary_fn)(mw_gbdt_options *o);
static void plain(mw_gbdt_options *o) { (void)o; }
static void bagged(mw_gbdt_options *o) {
    o->bagging_fraction = 0.5;
    o->bagging_freq = 2;
    o->feature_fraction = 0.6;
}
static void by_level(mw_gbdt_options *o) {
    o->grow.depth_wise = true;
    o->grow.max_depth = 4;
    o->feature_fraction_bylevel = 0.7;
    o->feature_fraction_bynode = 0.7;
}
static void goss(mw_gbdt_options *o) {
    o->boosting = MW_BOOSTING_GOSS;
    o->learning_rate = 0.5;
}
static void dart(mw_gbdt_options *o) {
    o->boosting = MW_BOOSTING_DART;
    o->drop_rate = 0.5;
    o->skip_drop = 0.1;
}
static void dart_xgboost(mw_gbdt_options *o) {
    dart(o);
    o->uniform_drop = o->xgboost_dart_mode = true;
    o->max_drop = 2;
}
static void extra(mw_gbdt_options *o) { o->grow.extra_trees = true; }
static const vary_fn varied[] = {plain, bagged, by_level, goss, dart, dart_xgboost, extra};
enum { VARIED = sizeof varied / sizeof *varied, KINDS = MW_OBJECTIVE_SOFTMAX + 1 };

/* Loss of the rows by the slow plain walk, summed as the curves sum it. */
static double plain_loss(const mw_gbdt_options *o, const mw_trees *trees, const table *t) {
    double *scores = mw_alloc_array(NULL, (size_t)(t->n * trees->n_outputs), sizeof *scores);
    mw_loss all = {0}, part = {0};
    for (int64_t i = 0; i < t->n; i++) {
        double row[3];
        mw_trees_score_row(trees, t->x + i * FEATURES, row);
        for (int32_t k = 0; k < trees->n_outputs; k++) scores[k * t->n + i] = row[k];
    }
    for (int64_t i = 0; i < t->n; i++) {
        mw_objective_add_losses(&o->objective, t->rows.targets, scores, &i, 1, &part);
        if (i % 2048 != 2047 && i + 1 < t->n) continue;
        all.loss += part.loss;
        all.weight += part.weight;
        part = (mw_loss){0};
    }
    mw_free(scores);
    return mw_objective_mean(&o->objective, all);
}

MW_TEST(the_model_gives_the_scores_that_boosting_saw) {
    for (int kind = 0; kind < KINDS; kind++) {
        table t, valid;
        table_init(&t, (mw_objective_kind)kind, 1, 5000);
        table_init(&valid, (mw_objective_kind)kind, 2, 700);
        for (int v = 0; v < VARIED; v++) {
            mw_gbdt_options o = usual((mw_objective_kind)kind);
            mw_gbdt_curves curves;
            varied[v](&o);
            mw_trees *trees = fit(&o, &t, &valid, NULL, 2, &curves);
            const int32_t last = curves.n_rounds - 1;
            const double train = plain_loss(&o, trees, &t), test = plain_loss(&o, trees, &valid);
            /* Sums of trees that were taken out and put back differ in their last bits. */
            const double most = o.boosting == MW_BOOSTING_DART ? 1e-9 : 0;
            assert_true(mw_abs(curves.train_loss[last] - train) <= most);
            assert_true(mw_abs(curves.valid_loss[last] - test) <= most);
            assert_true(curves.train_loss[last] < curves.train_loss[0]);
            assert_int_equal(trees->n_trees, 8 * o.objective.n_outputs);
            mw_gbdt_curves_done(&curves);
            mw_trees_free(trees);
        }
        table_done(&t);
        table_done(&valid);
    }
}

MW_TEST(threads_do_not_show) {
    static const mw_objective_kind kinds[] = {MW_OBJECTIVE_QUANTILE, MW_OBJECTIVE_LOGISTIC,
                                              MW_OBJECTIVE_SOFTMAX};
    for (int k = 0; k < 3; k++) {
        table t;
        table_init(&t, kinds[k], 3, mw_test_rounds(40000));
        for (int v = 0; v < VARIED; v++) {
            mw_gbdt_options o = usual(kinds[k]);
            mw_gbdt_curves one;
            varied[v](&o);
            o.n_estimators = 3;
            mw_trees *first = fit(&o, &t, NULL, NULL, 1, &one);
            for (int n = 2; n <= 8; n += n == 2 ? 1 : 5) {
                mw_gbdt_curves many;
                mw_trees *again = fit(&o, &t, NULL, NULL, n, &many);
                assert_same_trees(first, again);
                assert_memory_equal(one.train_loss, many.train_loss, 3 * sizeof *one.train_loss);
                mw_gbdt_curves_done(&many);
                mw_trees_free(again);
            }
            mw_gbdt_curves_done(&one);
            mw_trees_free(first);
        }
        table_done(&t);
    }
}

/* The first part ends before GOSS draws, and while a bag is in use. */
static void goss_late(mw_gbdt_options *o) {
    goss(o);
    o->learning_rate = 0.07;
}
static void bagged_long(mw_gbdt_options *o) {
    bagged(o);
    o->bagging_freq = 4;
}

MW_TEST(going_on_is_as_if_never_stopped) {
    static const vary_fn ways[] = {plain,     bagged, bagged_long,  by_level, goss,
                                   goss_late, dart,   dart_xgboost, extra};
    enum { BEGUN = 10, ROUNDS = 30 };
    for (int kind = 0; kind < KINDS; kind++) {
        table t;
        table_init(&t, (mw_objective_kind)kind, 4, 1000);
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
            mw_gbdt_options o = usual((mw_objective_kind)kind);
            ways[way](&o);
            o.n_estimators = ROUNDS;
            mw_trees *whole = fit(&o, &t, NULL, NULL, 2, NULL);
            o.n_estimators = BEGUN;
            mw_trees *begun = fit(&o, &t, NULL, NULL, 2, NULL);
            o.n_estimators = ROUNDS - BEGUN;
            mw_trees *ended = fit(&o, &t, NULL, begun, 2, NULL);
            assert_int_equal(whole->n_trees, ROUNDS * whole->n_outputs);
            assert_same_trees(whole, ended);
            /* DART goes on with the leaves of the first trees as well. */
            const bool kept =
                memcmp(begun->values, ended->values,
                       (size_t)(begun->n_leaves * begun->n_outputs) * sizeof *begun->values) == 0;
            assert_true(kept == (o.boosting != MW_BOOSTING_DART));
            mw_trees_free(whole);
            mw_trees_free(begun);
            mw_trees_free(ended);
        }
        table_done(&t);
    }
}

MW_TEST(nothing_is_added_where_a_longer_run_stops) {
    float x[] = {0, 0, 0, 0, 1, 1, 1, 1};
    double y[] = {0, 0, 0, 0, 2, 2, 2, 2};
    table t = {.n = 8, .rows = {{x, 8, 1}, {8, y, NULL, NULL}}};
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.bins.by_code = NULL;
    o.grow.split.min_data_in_leaf = 1;
    o.learning_rate = 1;
    mw_gbdt_curves curves;
    mw_trees *begun = fit(&o, &t, NULL, NULL, 1, NULL);
    mw_trees *ended = fit(&o, &t, NULL, begun, 1, &curves);
    assert_int_equal(begun->n_trees, 1);
    assert_same_trees(begun, ended);
    assert_int_equal(curves.n_rounds, 0);
    mw_gbdt_curves_done(&curves);
    mw_trees_free(begun);
    mw_trees_free(ended);
}

MW_TEST(a_weight_of_two_is_the_row_twice) {
    table t, twice;
    double weights[400];
    float x[800 * FEATURES];
    double y[800];
    table_init(&t, MW_OBJECTIVE_LOGISTIC, 5, 400);
    int64_t n = 0;
    for (int64_t i = 0; i < 400; i++) {
        weights[i] = 1 + (double)(i % 3 == 0);
        for (int k = 0; k < (int)weights[i]; k++, n++) {
            memcpy(x + n * FEATURES, t.x + i * FEATURES, FEATURES * sizeof *x);
            y[n] = t.y[i];
        }
    }
    twice = (table){.n = n, .rows = {{x, n, FEATURES}, {n, y, NULL, NULL}}};
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    o.bins.max_bin = 8; /* few cuts, placed by hand below: weights are no rows to bins */
    o.grow.split.min_data_in_leaf = 1;
    o.grow.num_leaves = 4;
    for (int64_t i = 0; i < 400; i++)
        for (int f = 0; f < FEATURES; f++)
            if (f != CODES) t.x[i * FEATURES + f] = t.x[i * FEATURES + f] > 0.3F ? 1 : 0;
    n = 0;
    for (int64_t i = 0; i < 400; i++)
        for (int k = 0; k < (int)weights[i]; k++, n++)
            memcpy(x + n * FEATURES, t.x + i * FEATURES, FEATURES * sizeof *x);
    o.bins.by_code = NULL;
    for (int64_t i = 0; i < n; i++) x[i * FEATURES + CODES] = 0;
    for (int64_t i = 0; i < 400; i++) t.x[i * FEATURES + CODES] = 0;
    mw_trees *a = fit(&o, &twice, NULL, NULL, 1, NULL);
    t.rows.targets.weights = weights;
    mw_trees *b = fit(&o, &t, NULL, NULL, 1, NULL);
    assert_int_equal(a->n_nodes, b->n_nodes);
    for (int64_t i = 0; i < 400; i++) {
        double p, q;
        mw_trees_score_row(a, t.x + i * FEATURES, &p);
        mw_trees_score_row(b, t.x + i * FEATURES, &q);
        assert_true(mw_abs(p - q) < 1e-5);
    }
    mw_trees_free(a);
    mw_trees_free(b);
    table_done(&t);
}

MW_TEST(class_weights_are_row_weights) {
    static const double by_class[] = {1, 4};
    table t;
    double weights[500];
    table_init(&t, MW_OBJECTIVE_LOGISTIC, 6, 500);
    for (int64_t i = 0; i < 500; i++) weights[i] = by_class[(int)t.y[i]];
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    t.rows.targets.weights = weights;
    mw_trees *a = fit(&o, &t, NULL, NULL, 1, NULL);
    t.rows.targets.weights = NULL;
    t.rows.targets.class_weights = by_class;
    mw_trees *b = fit(&o, &t, NULL, NULL, 1, NULL);
    assert_same_trees(a, b);
    mw_trees_free(a);
    mw_trees_free(b);
    table_done(&t);
}

MW_TEST(what_does_not_help_is_dropped) {
    table t, valid;
    table_init(&t, MW_OBJECTIVE_LOGISTIC, 7, 600);
    table_init(&valid, MW_OBJECTIVE_LOGISTIC, 8, 300);
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    mw_gbdt_curves curves;
    o.n_estimators = 300;
    o.learning_rate = 0.3;
    o.early_stopping_rounds = 5;
    mw_trees *trees = fit(&o, &t, &valid, NULL, 1, &curves);
    assert_int_equal(curves.n_rounds, curves.best_round + 6);
    assert_int_equal(trees->n_trees, curves.best_round + 1);
    for (int32_t r = 0; r < curves.n_rounds; r++)
        assert_true(r == curves.best_round ||
                    curves.valid_loss[r] >= curves.valid_loss[curves.best_round]);
    assert_true(plain_loss(&o, trees, &valid) == curves.valid_loss[curves.best_round]);
    /* The trees kept are those of as many rounds. */
    o.early_stopping_rounds = 0;
    o.n_estimators = curves.best_round + 1;
    mw_trees *short_run = fit(&o, &t, NULL, NULL, 1, NULL);
    assert_same_trees(trees, short_run);
    mw_trees_free(short_run);
    mw_gbdt_curves_done(&curves);
    mw_trees_free(trees);
    table_done(&t);
    table_done(&valid);
}

MW_TEST(scores_follow_monotone_features) {
    static const int8_t signs[FEATURES] = {1, 0, -1, 0, 0, 0, 0};
    table t;
    table_init(&t, MW_OBJECTIVE_LOGISTIC, 9, 3000);
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    o.grow.monotone = signs;
    o.n_estimators = 20;
    mw_trees *trees = fit(&o, &t, NULL, NULL, 2, NULL);
    for (int64_t i = 0; i < 300; i++)
        for (int f = 0; f < 3; f += 2) {
            float row[FEATURES];
            double last = 0, score;
            memcpy(row, t.x + i * FEATURES, sizeof row);
            for (int step = 0; step <= 60; step++) {
                row[f] = f == 0 ? -3 + 0.1F * (float)step : (float)step / 60;
                mw_trees_score_row(trees, row, &score);
                if (step > 0) assert_true(signs[f] > 0 ? score >= last : score <= last);
                last = score;
            }
        }
    mw_trees_free(trees);
    table_done(&t);
}

/* Features on the way from a node down, as bits; each leaf's must be within one group. */
static void check_path(const mw_trees *trees, int64_t node, unsigned used) {
    const mw_node *at = &trees->nodes[node];
    if (at->feature < 0) {
        assert_true((used & ~3U) == 0 || (used & ~0x6cU) == 0);
        return;
    }
    used |= 1U << at->feature;
    check_path(trees, at->left, used);
    check_path(trees, at->right, used);
}

MW_TEST(only_features_of_one_group_meet) {
    static const uint64_t groups[FEATURES] = {1, 1, 2, 2, 0, 2, 2};
    table t;
    table_init(&t, MW_OBJECTIVE_SQUARED, 10, 3000);
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.grow.groups = groups;
    mw_trees *trees = fit(&o, &t, NULL, NULL, 2, NULL);
    for (int32_t i = 0; i < trees->n_trees; i++) check_path(trees, trees->roots[i], 0);
    mw_trees_free(trees);
    table_done(&t);
}

/* ---- data that is bare, broken or extreme ---- */

static mw_status try_fit(const mw_gbdt_options *o, mw_gbdt_rows rows, mw_trees **ret, mw_err *err) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    return mw_gbdt_fit(&ctx, o, rows, NULL, NULL, NULL, ret, err);
}

MW_TEST(few_rows_and_constant_targets_have_models) {
    float x[] = {1, 2, 3, 4};
    double y[] = {5, 5, 5, 5}, score;
    mw_err err;
    mw_trees *trees;
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.bins.by_code = NULL;
    for (int64_t n = 2; n <= 4; n++) {
        assert_ok(try_fit(&o, (mw_gbdt_rows){{x, n, 1}, {n, y, NULL, NULL}}, &trees, &err));
        mw_trees_score_row(trees, x, &score);
        assert_true(score == 5);
        mw_trees_free(trees);
    }
    y[1] = 9;
    o.grow.split.min_data_in_leaf = 1;
    o.bins.min_data_in_bin = 1;
    o.n_estimators = 200;
    assert_ok(try_fit(&o, (mw_gbdt_rows){{x, 2, 1}, {2, y, NULL, NULL}}, &trees, &err));
    mw_trees_score_row(trees, x + 1, &score);
    assert_true(mw_abs(score - 9) < 1e-5);
    mw_trees_free(trees);
}

MW_TEST(what_cannot_be_learned_is_refused) {
    float x[] = {1, 1, 1}, wild[] = {1, (float)MW_INFINITY, 2}, gone[3];
    double y[] = {0, 1, 2}, classes[] = {0, 1, 2}, lost[] = {0, MW_NAN, 1}, huge[] = {1e300, 0, 1},
           far[] = {3.4e38, -3.4e38, -3.4e38};
    mw_err err;
    mw_trees *trees;
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.bins.by_code = NULL;
    for (int i = 0; i < 3; i++) gone[i] = __builtin_nanf("");
    const struct {
        const float *x;
        int64_t n;
        const double *y;
        mw_objective_kind kind;
        const char *says;
    } cases[] = {{x, 3, y, MW_OBJECTIVE_SQUARED, "no feature varies"},
                 {gone, 3, y, MW_OBJECTIVE_SQUARED, "no feature varies"},
                 {x, 1, y, MW_OBJECTIVE_SQUARED, "no feature varies"},
                 {x, 0, y, MW_OBJECTIVE_SQUARED, "row"},
                 {wild, 3, y, MW_OBJECTIVE_SQUARED, "row"},
                 {(float[]){1, 2, 3}, 3, lost, MW_OBJECTIVE_SQUARED, "row"},
                 {(float[]){1, 2, 3}, 3, classes, MW_OBJECTIVE_LOGISTIC, "row"},
                 {(float[]){1, 2, 3}, 3, huge, MW_OBJECTIVE_SQUARED, "beyond float32"},
                 {(float[]){1, 2, 3}, 3, far, MW_OBJECTIVE_SQUARED, "left all numbers"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.objective.kind = cases[i].kind;
        const mw_gbdt_rows rows = {{cases[i].x, cases[i].n, 1},
                                   {cases[i].n, cases[i].y, NULL, NULL}};
        assert_status(try_fit(&o, rows, &trees, &err), MW_EDATA);
        if (!strstr(err.message, cases[i].says)) fail_msg("case %zu: %s", i, err.message);
    }
    const mw_gbdt_rows rows = {{(float[]){1, 2, 3}, 3, 1}, {3, y, NULL, NULL}};
    o.objective.kind = MW_OBJECTIVE_SQUARED;
    o.early_stopping_rounds = 3;
    assert_status(try_fit(&o, rows, &trees, &err), MW_EINVAL);
    o.early_stopping_rounds = 0;
    o.n_estimators = 20000;
    assert_status(try_fit(&o, rows, &trees, &err), MW_ETOOLARGE);
}

MW_TEST(extreme_and_mostly_missing_values_are_learned) {
    enum { N = 2000 };
    static float x[N * 3];
    static double y[N];
    mw_rng rng;
    mw_err err;
    mw_trees *trees;
    mw_rng_init(&rng, 12, 0, 0);
    for (int i = 0; i < N; i++) {
        const double u = mw_rng_uniform(&rng);
        x[3 * i] = (float)(u > 0.5 ? 3e38 : -3e38);
        x[3 * i + 1] = (float)(1e-38 * u);
        x[3 * i + 2] = mw_rng_below(&rng, 10) ? __builtin_nanf("") : (float)u;
        y[i] = (u > 0.5) * 1e30;
    }
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.bins.by_code = NULL;
    o.learning_rate = 1;
    o.n_estimators = 5;
    assert_ok(try_fit(&o, (mw_gbdt_rows){{x, N, 3}, {N, y, NULL, NULL}}, &trees, &err));
    assert_ok(mw_trees_check(trees, &err));
    for (int i = 0; i < N; i++) {
        double score;
        mw_trees_score_row(trees, x + 3 * i, &score);
        assert_true(mw_abs(score - y[i]) < 1e24);
    }
    mw_trees_free(trees);
}

MW_TEST(a_thousand_columns_are_learned) {
    enum { N = 200, WIDE = 1000 };
    float *x = mw_alloc_array(NULL, (size_t)N * WIDE, sizeof *x);
    double y[N], score;
    mw_rng rng;
    mw_err err;
    mw_trees *trees;
    mw_rng_init(&rng, 13, 0, 0);
    for (int i = 0; i < N * WIDE; i++) x[i] = (float)mw_rng_uniform(&rng);
    for (int i = 0; i < N; i++) y[i] = x[(int64_t)i * WIDE + 777] > 0.5F;
    mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    o.bins.by_code = NULL;
    o.bins.min_data_in_bin = 1;
    assert_ok(try_fit(&o, (mw_gbdt_rows){{x, N, WIDE}, {N, y, NULL, NULL}}, &trees, &err));
    for (int i = 0; i < N; i++) {
        mw_trees_score_row(trees, x + (int64_t)i * WIDE, &score);
        assert_true((score > 0) == (y[i] > 0));
    }
    mw_trees_free(trees);
    mw_free(x);
}

/* Rounding is for many rows of like size: beside a few enormous targets the others are learned as well as without. */
MW_TEST(enormous_targets_do_not_drown_the_others) {
    table t;
    table_init(&t, MW_OBJECTIVE_SQUARED, 21, 40000);
    for (int64_t i = 0; i < 3; i++) t.y[10000 * i] = 1e8;
    mw_gbdt_options o = usual(MW_OBJECTIVE_SQUARED);
    o.boost_from_average = false;
    o.grow.split.min_data_in_leaf = 1; /* enormous ones have leaves of their own */
    o.n_estimators = 60;
    mw_trees *trees = fit(&o, &t, NULL, NULL, 2, NULL);
    int64_t n_near = 0;
    for (int64_t i = 0; i < t.n; i++) {
        double score;
        mw_trees_score_row(trees, t.x + i * FEATURES, &score);
        n_near += mw_abs(score - t.y[i]) < 3; /* three times the noise */
    }
    assert_true(n_near > 9 * t.n / 10);
    mw_trees_free(trees);
    table_done(&t);
}

MW_TEST(a_request_to_stop_is_heard) {
    table t;
    mw_ctx ctx;
    mw_err err;
    mw_cancel cancel = {.requested = true};
    mw_trees *trees = NULL;
    table_init(&t, MW_OBJECTIVE_LOGISTIC, 14, 2000);
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    const mw_gbdt_options o = usual(MW_OBJECTIVE_LOGISTIC);
    assert_status(mw_gbdt_fit(&ctx, &o, t.rows, NULL, NULL, NULL, &trees, &err), MW_ECANCELED);
    assert_null(trees);
    table_done(&t);
}

typedef struct faulted {
    const table *t, *valid;
    const mw_gbdt_options *options;
} faulted;

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    const faulted *f = arg;
    mw_gbdt_curves curves = {0};
    mw_trees *trees = NULL;
    mw_status status =
        mw_gbdt_fit(ctx, f->options, f->t->rows, &f->valid->rows, NULL, &curves, &trees, err);
    mw_gbdt_curves_done(&curves);
    mw_trees_free(trees);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    static const vary_fn ways[] = {bagged, goss, dart};
    for (int i = 0; i < 3; i++) {
        const mw_objective_kind kind = i == 0 ? MW_OBJECTIVE_QUANTILE : MW_OBJECTIVE_SOFTMAX;
        table t, valid;
        table_init(&t, kind, 15, 300);
        table_init(&valid, kind, 16, 100);
        mw_gbdt_options o = usual(kind);
        ways[i](&o);
        o.n_estimators = 3;
        faulted f = {&t, &valid, &o};
        mw_fault_loop_alloc(scenario, &f);
        table_done(&t);
        table_done(&valid);
    }
}

MW_TEST_MAIN(MW_RUN(a_model_by_hand), MW_RUN(classes_by_hand),
             MW_RUN(the_model_gives_the_scores_that_boosting_saw), MW_RUN(threads_do_not_show),
             MW_RUN(going_on_is_as_if_never_stopped),
             MW_RUN(nothing_is_added_where_a_longer_run_stops),
             MW_RUN(a_weight_of_two_is_the_row_twice), MW_RUN(class_weights_are_row_weights),
             MW_RUN(what_does_not_help_is_dropped), MW_RUN(scores_follow_monotone_features),
             MW_RUN(only_features_of_one_group_meet),
             MW_RUN(few_rows_and_constant_targets_have_models),
             MW_RUN(what_cannot_be_learned_is_refused),
             MW_RUN(extreme_and_mostly_missing_values_are_learned),
             MW_RUN(a_thousand_columns_are_learned),
             MW_RUN(enormous_targets_do_not_drown_the_others), MW_RUN(a_request_to_stop_is_heard),
             MW_RUN(any_failed_allocation_is_survived))
