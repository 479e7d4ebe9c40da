/* test_forest.c -- exact trees against scikit-learn (tests/golden/tree/make.py) and their
 * properties. */
#include "support/harness.h"

#include <float.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "golden/tree/golden_trees.h"
#include "learn/tree/forest.h"

static const mw_matrix golden = {golden_x, GOLDEN_ROWS, GOLDEN_FEATURES};
static const mw_matrix probes = {golden_probe, GOLDEN_PROBES, GOLDEN_FEATURES};

static mw_forest_options one_tree(void) {
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = 1;
    options.bootstrap = false;
    return options;
}

static mw_trees *fit(const mw_ctx *ctx, mw_forest_options options, mw_matrix matrix,
                     const double *y) {
    mw_err err = {0};
    mw_trees *trees = NULL;
    assert_ok(mw_forest_fit(ctx, &options, matrix, y, &trees, &err));
    return trees;
}

static void score(const mw_trees *trees, mw_matrix matrix, double *out) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_trees_score(&ctx, trees, matrix, out, &err));
}

static void assert_close(double got, double want, double tolerance) {
    if (!(mw_abs(got - want) <= tolerance * (1 + mw_abs(want))))
        fail_msg("%.17g, want %.17g", got, want);
}

static uint64_t mix(uint64_t hash, const void *data, size_t size) {
    uint64_t pair[2] = {hash, mw_hash64(data, size)};
    return mw_hash64(pair, sizeof pair);
}

/* By member, because padding bytes are nobody's. */
static uint64_t hash_of(const mw_trees *trees) {
    uint64_t hash = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *n = &trees->nodes[i];
        float reals[2] = {n->threshold, n->gain};
        int64_t whole[5] = {n->feature, n->left, n->right, n->cover, n->missing_left};
        hash = mix(mix(hash, reals, sizeof reals), whole, sizeof whole);
    }
    hash = mix(hash, trees->roots, (size_t)trees->n_trees * sizeof *trees->roots);
    return mix(hash, trees->values,
               (size_t)(trees->n_leaves * trees->n_outputs) * sizeof *trees->values);
}

MW_TEST(regression_equals_scikit_learn) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_options leaf7 = one_tree(), depth4 = one_tree(), split40 = one_tree();
    leaf7.min_samples_leaf = 7;
    depth4.max_depth = 4;
    split40.min_samples_split = 40;
    split40.min_samples_leaf = 3;
    const struct {
        mw_forest_options options;
        const double *predicted, *importance;
    } cases[] = {{leaf7, golden_regression_leaf7, golden_importance_leaf7},
                 {depth4, golden_regression_depth4, golden_importance_depth4},
                 {split40, golden_regression_split40, golden_importance_split40}};
    for (size_t i = 0; i < 3; i++) {
        mw_trees *trees = fit(&ctx, cases[i].options, golden, golden_y);
        double predicted[GOLDEN_PROBES], importance[GOLDEN_FEATURES];
        score(trees, probes, predicted);
        for (int row = 0; row < GOLDEN_PROBES; row++)
            assert_close(predicted[row], cases[i].predicted[row], 1e-6); /* float32 leaves */
        mw_trees_gain_importance(trees, importance);
        for (int f = 0; f < GOLDEN_FEATURES; f++)
            assert_close(importance[f], cases[i].importance[f], 1e-6);
        mw_trees_free(trees);
    }
}

MW_TEST(classes_equal_scikit_learn) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_options options = one_tree();
    options.n_classes = GOLDEN_CLASSES;
    options.max_depth = 2;
    options.min_samples_leaf = 9;
    mw_trees *trees = fit(&ctx, options, golden, golden_class);
    double shares[GOLDEN_PROBES * GOLDEN_CLASSES];
    score(trees, probes, shares);
    for (int i = 0; i < GOLDEN_PROBES * GOLDEN_CLASSES; i++)
        assert_close(shares[i], golden_probability[i], 1e-6);
    mw_trees_free(trees);
}

/* y = (1, 1, 5, 9) over x = (0, 2, 3, 7): the first cut is at 2.5, then 5; gains by hand. */
MW_TEST(small_tree_by_hand) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float x[4] = {7, 0, 3, 2};
    const double y[4] = {9, 1, 5, 1};
    mw_trees *trees = fit(&ctx, one_tree(), (mw_matrix){x, 4, 1}, y);
    assert_int_equal(trees->n_nodes, 5);
    const mw_node *root = &trees->nodes[0], *right = &trees->nodes[root->right];
    assert_true(root->threshold == 2.5F && root->cover == 4 && root->feature == 0);
    assert_true(right->threshold == 5 && right->cover == 2);
    assert_true(trees->values[trees->nodes[root->left].right] == 1);
    assert_true(trees->values[trees->nodes[right->left].right] == 5);
    assert_true(trees->values[trees->nodes[right->right].right] == 9);
    /* Sums of squares: 44 in all, variance 11; 0 + 8 after the first cut. Gains in variances. */
    assert_close((double)root->gain, 36 / 11.0, 1e-6);
    assert_close((double)right->gain, 8 / 11.0, 1e-6);
    assert_true(!root->missing_left); /* as many rows on each side: right */
    mw_trees_free(trees);
}

MW_TEST(missing_values_choose_the_better_side) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float nan = __builtin_nanf("");
    const float x[6] = {1, 2, 3, 4, nan, nan};
    const double like_low[6] = {0, 0, 8, 8, 0, 0}, like_high[6] = {0, 0, 8, 8, 8, 8},
                 alone[6] = {3, 3, 3, 3, 9, 9};
    mw_trees *trees = fit(&ctx, one_tree(), (mw_matrix){x, 6, 1}, like_low);
    assert_true(trees->n_nodes == 3 && trees->nodes[0].missing_left);
    assert_true(trees->nodes[0].threshold == 2.5F);
    mw_trees_free(trees);
    trees = fit(&ctx, one_tree(), (mw_matrix){x, 6, 1}, like_high);
    assert_true(trees->n_nodes == 3 && !trees->nodes[0].missing_left);
    mw_trees_free(trees);
    trees = fit(&ctx, one_tree(), (mw_matrix){x, 6, 1}, alone);
    assert_true(trees->n_nodes == 3 && !trees->nodes[0].missing_left);
    assert_true(trees->nodes[0].threshold ==
                FLT_MAX); /* every value, however large, against none */
    mw_trees_free(trees);
}

/* Neighbors in float32 and the largest values: the cut must still separate them. */
MW_TEST(thresholds_separate_in_float32) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float one = 1, next = __builtin_nextafterf(1, 2);
    const float pairs[][2] = {{one, next},     {-FLT_MAX, FLT_MAX}, {FLT_MAX / 2, FLT_MAX},
                              {0, 1e-45F},     {-1e-45F, 0},        {16777216, 16777218},
                              {-0.0F, 1e-45F}, {1e-45F, 3e-45F}};
    const double y[2] = {1, 2};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        mw_trees *trees = fit(&ctx, one_tree(), (mw_matrix){pairs[i], 2, 1}, y);
        double scored[2];
        score(trees, (mw_matrix){pairs[i], 2, 1}, scored);
        assert_true(trees->n_nodes == 3 && scored[0] == 1 && scored[1] == 2);
        mw_trees_free(trees);
    }
    const float zeros[2] = {-0.0F, 0.0F}; /* equal: nothing to split */
    mw_trees *trees = fit(&ctx, one_tree(), (mw_matrix){zeros, 2, 1}, y);
    assert_int_equal(trees->n_nodes, 1);
    assert_true(trees->values[0] == 1.5F && trees->nodes[0].cover == 2);
    mw_trees_free(trees);
}

typedef struct sample {
    float *x;
    double *y;
    mw_matrix matrix;
} sample;

/* Continuous, rounded, constant and holed columns in turn. */
static sample sample_new(uint64_t seed, int64_t n_rows, int32_t n_features) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 99, 0);
    sample s = {.x = mw_alloc_array(NULL, (size_t)(n_rows * n_features), sizeof(float)),
                .y = mw_alloc_array(NULL, (size_t)n_rows, sizeof(double))};
    for (int64_t row = 0; row < n_rows; row++) {
        float *x = s.x + row * n_features;
        for (int32_t f = 0; f < n_features; f++) {
            x[f] = (float)mw_rng_normal(&rng);
            if (f % 4 == 1) x[f] = (float)mw_floor((double)x[f] * 3);
            if (f % 4 == 2) x[f] = 7;
            if (f % 4 == 3 && mw_rng_below(&rng, 5) == 0) x[f] = __builtin_nanf("");
        }
        s.y[row] = (double)(float)((double)x[0] * 1e6 + mw_rng_normal(&rng));
    }
    s.matrix = (mw_matrix){s.x, n_rows, n_features};
    return s;
}

static void sample_free(sample *s) {
    mw_free(s->x);
    mw_free(s->y);
}

MW_TEST(full_tree_gives_back_distinct_rows) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (uint64_t round = 0; round < 10; round++) {
        sample s = sample_new(mw_test_seed() + round, 500, 7);
        double scored[500];
        mw_trees *trees = fit(&ctx, one_tree(), s.matrix, s.y);
        score(trees, s.matrix, scored);
        for (int i = 0; i < 500; i++) assert_true(scored[i] == s.y[i]);
        assert_int_equal(trees->n_nodes, 2 * trees->n_leaves - 1);
        mw_trees_free(trees);
        sample_free(&s);
    }
}

/* One feature of ten is tried at a node; the nine constant ones must not end the tree. */
MW_TEST(constant_features_do_not_end_a_tree) {
    enum { ROWS = 50, COLUMNS = 10 };
    float x[ROWS * COLUMNS];
    double y[ROWS], scored[ROWS];
    for (int i = 0; i < ROWS; i++) {
        for (int f = 0; f < COLUMNS; f++) x[i * COLUMNS + f] = f == 6 ? (float)i : 1;
        y[i] = (i * 7) % 50;
    }
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = mw_test_seed();
    mw_forest_options options = one_tree();
    options.max_features = 0.1;
    mw_trees *trees = fit(&ctx, options, (mw_matrix){x, ROWS, COLUMNS}, y);
    score(trees, (mw_matrix){x, ROWS, COLUMNS}, scored);
    for (int i = 0; i < ROWS; i++) assert_true(scored[i] == y[i]);
    mw_trees_free(trees);
}

/* Parents before children, siblings' covers add up, leaves numbered in the order of their values,
 * and every training row reaches a leaf of the cover it is counted in. */
static void assert_well_formed(const mw_trees *trees, int32_t min_leaf) {
    int64_t n_leaves = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *n = &trees->nodes[i];
        if (n->left < 0) {
            assert_true(n->feature == -1 && n->right >= 0 && n->right < trees->n_leaves);
            assert_true(n->cover >= (uint32_t)min_leaf && n->gain == 0);
            n_leaves++;
            continue;
        }
        assert_true(n->left > i && n->right > i && n->left != n->right);
        assert_true(n->feature >= 0 && n->feature < trees->n_features);
        assert_true(n->cover == trees->nodes[n->left].cover + trees->nodes[n->right].cover);
        assert_true(n->gain >= 0 && __builtin_isfinite(n->threshold));
    }
    assert_int_equal(n_leaves, trees->n_leaves);
    mw_err err = {0};
    assert_ok(mw_trees_check(trees, &err));
}

MW_TEST(same_bytes_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    for (int n_classes = 0; n_classes <= 3; n_classes += 3) {
        sample s = sample_new(3, 400, 9);
        for (int i = 0; n_classes && i < 400; i++) s.y[i] = s.x[i * 9] > 0.5F ? 2 : i % 2;
        uint64_t want = 0;
        for (size_t c = 0; c < 4; c++) {
            mw_err err = {0};
            mw_ctx ctx;
            mw_ctx_init(&ctx);
            ctx.seed = 42;
            assert_ok(mw_pool_new(NULL, counts[c], &ctx.pool, &err));
            mw_forest_options options;
            mw_forest_defaults(&options);
            options.n_estimators = 17;
            options.max_features = 0.4;
            options.n_classes = n_classes;
            mw_trees *trees = fit(&ctx, options, s.matrix, s.y);
            assert_well_formed(trees, 1);
            for (int t = 0; t < 17; t++) assert_int_equal(trees->nodes[trees->roots[t]].cover, 400);
            uint64_t hash = hash_of(trees);
            if (c == 0) want = hash;
            assert_true(hash == want);
            mw_trees_free(trees);
            ctx.seed = 43;
            trees = fit(&ctx, options, s.matrix, s.y);
            assert_true(hash_of(trees) != want);
            mw_trees_free(trees);
            mw_pool_free(ctx.pool);
        }
        sample_free(&s);
    }
}

/* ---- every split against brute force ---- */

enum { BRUTE_ROWS = 60, BRUTE_FEATURES = 4 };

typedef struct sides {
    double n[2], sum[2], squares[2], classes[2][3];
} sides;

/* Sum of squares about the mean, or rows times Gini, of one side. */
static double impurity(const sides *s, int side, int n_classes) {
    if (s->n[side] == 0) return 0;
    if (n_classes == 0) return s->squares[side] - s->sum[side] * s->sum[side] / s->n[side];
    double same = 0;
    for (int c = 0; c < n_classes; c++) same += s->classes[side][c] * s->classes[side][c];
    return s->n[side] - same / s->n[side];
}

static sides divide(const sample *s, const bool *in, int feature, float threshold,
                    bool missing_left) {
    sides result = {0};
    for (int row = 0; row < BRUTE_ROWS; row++) {
        if (!in[row]) continue;
        float x = s->x[row * BRUTE_FEATURES + feature];
        int side = !(__builtin_isnan(x) ? missing_left : x <= threshold);
        result.n[side]++;
        result.sum[side] += s->y[row];
        result.squares[side] += s->y[row] * s->y[row];
        if (s->y[row] >= 0 && s->y[row] < 3) result.classes[side][(int)s->y[row]]++;
    }
    return result;
}

/* The least impurity any allowed split leaves; infinite when there is none. */
static double best_by_brute_force(const sample *s, const bool *in, int n_classes, int min_leaf) {
    double best = MW_INFINITY;
    for (int f = 0; f < BRUTE_FEATURES; f++)
        for (int at = 0; at < BRUTE_ROWS; at++)
            for (int missing_left = 0; missing_left < 2; missing_left++) {
                if (!in[at] || __builtin_isnan(s->x[at * BRUTE_FEATURES + f])) continue;
                sides d = divide(s, in, f, s->x[at * BRUTE_FEATURES + f], missing_left);
                if (d.n[0] < min_leaf || d.n[1] < min_leaf) continue;
                double left = impurity(&d, 0, n_classes) + impurity(&d, 1, n_classes);
                best = left < best ? left : best;
            }
    return best;
}

static void check_node_by_brute_force(const mw_trees *trees, int64_t at, const sample *s,
                                      const bool *in, int n_classes, int min_leaf, double unit) {
    const mw_node *n = &trees->nodes[at];
    const double best = best_by_brute_force(s, in, n_classes, min_leaf);
    sides all = divide(s, in, 0, FLT_MAX, true);
    if (n->left < 0) {
        assert_true(best == MW_INFINITY || mw_abs(impurity(&all, 0, n_classes)) < 1e-9);
        return;
    }
    sides d = divide(s, in, n->feature, n->threshold, n->missing_left);
    const double left = impurity(&d, 0, n_classes) + impurity(&d, 1, n_classes);
    assert_true(left <= best + 1e-9);
    assert_close((double)n->gain, (impurity(&all, 0, n_classes) - left) / unit, 1e-5);
    for (int side = 0; side < 2; side++) {
        bool inside[BRUTE_ROWS];
        for (int row = 0; row < BRUTE_ROWS; row++) {
            float x = s->x[row * BRUTE_FEATURES + n->feature];
            bool goes_left = __builtin_isnan(x) ? n->missing_left : x <= n->threshold;
            inside[row] = in[row] && goes_left == (side == 0);
        }
        check_node_by_brute_force(trees, side ? n->right : n->left, s, inside, n_classes, min_leaf,
                                  unit);
    }
}

MW_TEST(every_split_is_the_best_there_is) {
    for (uint64_t round = 0; round < 40; round++) {
        const int n_classes = round % 2 ? 3 : 0, min_leaf = 1 + (int)(round % 5);
        sample s = sample_new(mw_test_seed() + round, BRUTE_ROWS, BRUTE_FEATURES);
        for (int row = 0; row < BRUTE_ROWS; row++) { /* small whole targets: sums are exact */
            float *x = &s.x[row * BRUTE_FEATURES];
            x[2] = x[0] > 0 ? x[1] : __builtin_nanf("");
            s.y[row] = (double)((row * 7 + (int)(x[1] + 20)) % 3) + (n_classes ? 0 : row % 4);
        }
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        mw_forest_options options = one_tree();
        options.min_samples_leaf = min_leaf;
        options.n_classes = n_classes;
        mw_trees *trees = fit(&ctx, options, s.matrix, s.y);
        bool all[BRUTE_ROWS];
        for (int row = 0; row < BRUTE_ROWS; row++) all[row] = true;
        sides whole = divide(&s, all, 0, FLT_MAX, true);
        double variance = impurity(&whole, 0, 0) / BRUTE_ROWS;
        check_node_by_brute_force(trees, 0, &s, all, n_classes, min_leaf, n_classes ? 1 : variance);
        mw_trees_free(trees);
        sample_free(&s);
    }
}

MW_TEST(limits_of_growth_are_kept) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_new(mw_test_seed(), 600, 8);
    mw_forest_options options = one_tree();
    options.n_estimators = 5;
    options.min_samples_leaf = 11;
    options.max_features = 0.3;
    mw_trees *trees = fit(&ctx, options, s.matrix, s.y);
    assert_well_formed(trees, 11);
    mw_trees_free(trees);
    options.max_depth = 3;
    trees = fit(&ctx, options, s.matrix, s.y);
    assert_true(trees->n_nodes <= 5 * 15 && trees->n_nodes > 5 * 7);
    mw_trees_free(trees);
    options.min_samples_split = 601;
    trees = fit(&ctx, options, s.matrix, s.y);
    assert_int_equal(trees->n_nodes, 5);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(class_shares_sum_to_one) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_new(mw_test_seed(), 300, 5);
    for (int i = 0; i < 300; i++) s.y[i] = i % 4;
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = 20;
    options.n_classes = 5; /* class 4 never occurs */
    mw_trees *trees = fit(&ctx, options, s.matrix, s.y);
    double shares[300 * 5];
    score(trees, s.matrix, shares);
    for (int i = 0; i < 300; i++) {
        const double *row = shares + i * 5;
        assert_close(row[0] + row[1] + row[2] + row[3], 1, 1e-6);
        assert_true(row[4] == 0);
    }
    mw_trees_free(trees);
    options.bootstrap = false;
    trees = fit(&ctx, options, s.matrix, s.y);
    score(trees, s.matrix, shares);
    for (int i = 0; i < 300; i++) assert_close(shares[i * 5 + i % 4], 1, 1e-6);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(importance_finds_the_feature) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_new(mw_test_seed(), 300, 6);
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = 10;
    mw_trees *trees = fit(&ctx, options, s.matrix, s.y);
    double importance[6], sum = 0;
    mw_trees_gain_importance(trees, importance);
    for (int f = 0; f < 6; f++) sum += importance[f];
    assert_close(sum, 1, 1e-12);
    assert_true(importance[0] > 0.9 && importance[2] == 0); /* y is x0; x2 is constant */
    mw_trees_free(trees);
    for (int i = 0; i < 300; i++) s.y[i] = 5; /* nothing to split */
    trees = fit(&ctx, options, s.matrix, s.y);
    assert_int_equal(trees->n_nodes, 10);
    mw_trees_gain_importance(trees, importance);
    for (int f = 0; f < 6; f++) assert_true(importance[f] == 0);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(bad_input) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_trees *trees = NULL;
    float x[4] = {1, 2, 3, 4};
    double y[2] = {0, 1};
    mw_matrix matrix = {x, 2, 2};
    mw_forest_options good = one_tree();
    const struct {
        size_t offset;
        int32_t value;
        const char *name;
    } wrong[] = {{offsetof(mw_forest_options, n_estimators), 0, "n_estimators"},
                 {offsetof(mw_forest_options, n_estimators), 10001, "n_estimators"},
                 {offsetof(mw_forest_options, max_depth), -1, "max_depth"},
                 {offsetof(mw_forest_options, min_samples_split), 1, "min_samples_split"},
                 {offsetof(mw_forest_options, min_samples_leaf), 0, "min_samples_leaf"},
                 {offsetof(mw_forest_options, n_classes), 1, "n_classes"},
                 {offsetof(mw_forest_options, n_classes), -2, "n_classes"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_forest_options options = good;
        memcpy((char *)&options + wrong[i].offset, &wrong[i].value, sizeof wrong[i].value);
        assert_status(mw_forest_fit(&ctx, &options, matrix, y, &trees, &err), MW_EINVAL);
        assert_string_equal(err.pointer, wrong[i].name);
    }
    const double shares[] = {0, -1, 1.01, MW_NAN};
    for (size_t i = 0; i < 4; i++) {
        mw_forest_options options = good;
        options.max_features = shares[i];
        assert_status(mw_forest_fit(&ctx, &options, matrix, y, &trees, &err), MW_EINVAL);
    }
    mw_forest_options classes = good;
    classes.n_classes = 2;
    const double targets[] = {2, -1, 0.5, MW_NAN, MW_INFINITY};
    for (size_t i = 0; i < 5; i++) {
        y[1] = targets[i];
        assert_status(mw_forest_fit(&ctx, &classes, matrix, y, &trees, &err), MW_EDATA);
        assert_non_null(strstr(err.message, "row 1"));
    }
    y[1] = 1e300;
    assert_status(mw_forest_fit(&ctx, &good, matrix, y, &trees, &err), MW_EDATA);
    y[1] = 1;
    const mw_matrix no_rows = {x, 0, 2}, no_features = {x, 2, 0};
    assert_status(mw_forest_fit(&ctx, &good, no_rows, y, &trees, &err), MW_EDATA);
    assert_status(mw_forest_fit(&ctx, &good, no_features, y, &trees, &err), MW_EDATA);
    x[1] = __builtin_inff();
    assert_status(mw_forest_fit(&ctx, &good, matrix, y, &trees, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 0, feature 1"));
    assert_null(trees);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(every_allocation_fails_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    static float x[1200];
    static double y[400];
    for (int i = 0; i < 1200; i++) x[i] = (float)((i * 7919) % 1201);
    for (int i = 0; i < 400; i++) y[i] = i % 7; /* deep enough that the arrays of nodes grow */
    const mw_matrix matrix = {x, 400, 3};
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_trees *trees = NULL;
        mw_forest_options options;
        mw_forest_defaults(&options);
        options.n_estimators = 3;
        mw_alloc_fail_at(n);
        mw_status status = mw_forest_fit(&ctx, &options, matrix, y, &trees, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        /* Giving memory back may be refused without harm. */
        assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
        assert_int_equal(trees == NULL, status != MW_OK);
        mw_trees_free(trees);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
        if (!fired) {
            assert_true(n > 20);
            return;
        }
    }
}

static void cancel_on_progress(void *self, const char *stage, double done, double total) {
    assert_string_equal(stage, "growing trees");
    assert_true(done >= 1 && done <= total);
    atomic_store((atomic_bool *)self, true);
}

MW_TEST(stops_when_canceled) {
    mw_err err = {0};
    mw_cancel cancel = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    ctx.progress = (mw_progress){cancel_on_progress, &cancel.requested};
    mw_forest_options options;
    mw_forest_defaults(&options);
    mw_trees *trees = NULL;
    for (int threads = 1; threads <= 3; threads += 2) {
        atomic_store(&cancel.requested, false);
        assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
        assert_status(mw_forest_fit(&ctx, &options, golden, golden_y, &trees, &err), MW_ECANCELED);
        ctx.pool = mw_pool_free(ctx.pool);
        assert_null(trees);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
    }
}

MW_TEST_MAIN(MW_RUN(regression_equals_scikit_learn), MW_RUN(classes_equal_scikit_learn),
             MW_RUN(small_tree_by_hand), MW_RUN(missing_values_choose_the_better_side),
             MW_RUN(thresholds_separate_in_float32), MW_RUN(full_tree_gives_back_distinct_rows),
             MW_RUN(constant_features_do_not_end_a_tree), MW_RUN(same_bytes_at_any_thread_count),
             MW_RUN(every_split_is_the_best_there_is), MW_RUN(limits_of_growth_are_kept),
             MW_RUN(class_shares_sum_to_one), MW_RUN(importance_finds_the_feature),
             MW_RUN(bad_input), MW_RUN(every_allocation_fails_once), MW_RUN(stops_when_canceled))
