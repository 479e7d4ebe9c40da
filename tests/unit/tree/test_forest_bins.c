/* test_forest_bins.c -- forests on bins beside the exact forest, which they equal while every value has a bin of its
 * own, and what they do at the edges. */
#include "support/harness.h"
#include "support/same_trees.h"

#include <float.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/forest.h"

typedef struct sample {
    float *x;
    double *y;
    mw_matrix matrix;
} sample;

enum { MOST_DISTINCT = 250 };

static sample sample_alloc(int64_t n_rows, int32_t n_features) {
    sample s = {.x = mw_alloc_array(NULL, (size_t)(n_rows * n_features), sizeof(float)),
                .y = mw_alloc_array(NULL, (size_t)n_rows, sizeof(double))};
    s.matrix = (mw_matrix){s.x, n_rows, n_features};
    return s;
}

/* Columns in turn: many distinct values far from evenly spaced, few, constant, holed. At most MOST_DISTINCT of each. */
static sample sample_new(uint64_t seed, int64_t n_rows, int32_t n_features, int n_classes) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 99, 0);
    sample s = sample_alloc(n_rows, n_features);
    for (int64_t row = 0; row < n_rows; row++) {
        float *x = s.x + row * n_features;
        for (int32_t f = 0; f < n_features; f++) {
            const double whole = (double)mw_rng_below(&rng, MOST_DISTINCT);
            x[f] = (float)((whole - 100) * mw_exp(whole / 20));
            if (f % 4 == 1) x[f] = (float)mw_floor(whole / 60);
            if (f % 4 == 2) x[f] = 7;
            if (f % 4 == 3 && mw_rng_below(&rng, 3) == 0) x[f] = __builtin_nanf("");
        }
        const bool holed = n_features > 3 && __builtin_isnan(x[3]);
        s.y[row] = (double)(x[0] > 100) + (holed ? 0.5 : 0) + mw_rng_normal(&rng);
        if (n_classes > 0) {
            const double class = mw_floor(s.y[row] + 1);
            s.y[row] = class < 0 ? 0 : class > n_classes - 1 ? n_classes - 1 : class;
        }
    }
    return s;
}

static void sample_free(sample *s) {
    mw_free(s->x);
    mw_free(s->y);
}

static mw_forest_options few_trees(int32_t n_estimators, int32_t n_classes) {
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = n_estimators;
    options.n_classes = n_classes;
    options.max_bin = 255;
    return options;
}

static mw_trees *fit(const mw_ctx *ctx, mw_forest_options options, const sample *s) {
    mw_err err = {0};
    mw_trees *trees = NULL;
    assert_ok(mw_forest_fit(ctx, &options, s->matrix, s->y, &trees, &err));
    assert_ok(mw_trees_check(trees, &err));
    return trees;
}

static void check_beside_exact(const mw_ctx *ctx, mw_forest_options options, const sample *s) {
    mw_trees *on_bins = fit(ctx, options, s);
    options.max_bin = 0;
    mw_trees *exact = fit(ctx, options, s);
    assert_same_trees(on_bins, exact);
    mw_trees_free(on_bins);
    mw_trees_free(exact);
}

MW_TEST(equals_the_exact_forest) {
    static const int64_t sizes[] = {1, 2, 3, 17, 70, 300, 2048, 2049, 9000};
    static const int32_t classes[] = {0, 2, 3, 5, 17, 70};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
            sample s = sample_new(mw_test_seed() + i, sizes[i], 9, classes[k]);
            ctx.seed = mw_test_seed() + k;
            mw_forest_options options = few_trees(2, classes[k]);
            check_beside_exact(&ctx, options, &s);
            options.max_features = 0.4;
            options.min_samples_leaf = 1 + (int32_t)(i % 4);
            options.min_samples_split = 2 + (int32_t)(k * 5);
            check_beside_exact(&ctx, options, &s);
            options.bootstrap = false;
            options.max_depth = 6;
            check_beside_exact(&ctx, options, &s);
            sample_free(&s);
        }
}

MW_TEST(same_bytes_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    static const int classes[] = {0, 2, 3, 0, 3};
    for (int k = 0; k < 5; k++) {
        const int n_classes = classes[k];
        sample s = sample_new(mw_test_seed(), 3000, 6, n_classes);
        mw_trees *first = NULL;
        for (size_t c = 0; c < 4; c++) {
            mw_err err = {0};
            mw_ctx ctx;
            mw_ctx_init(&ctx);
            ctx.seed = 42;
            assert_ok(mw_pool_new(NULL, counts[c], &ctx.pool, &err));
            mw_forest_options options = few_trees(11, n_classes);
            options.random_thresholds = k > 2;
            mw_trees *trees = fit(&ctx, options, &s);
            if (first) {
                assert_same_trees(trees, first);
                mw_trees_free(trees);
            } else
                first = trees;
            mw_pool_free(ctx.pool);
        }
        mw_trees_free(first);
        sample_free(&s);
    }
}

/* One column, evenly spread: the first thresholds are even draws between its ends, none twice. */
MW_TEST(random_thresholds_are_even) {
    enum { ROWS = 200, TREES = 400 };
    sample s = sample_alloc(ROWS, 1);
    for (int i = 0; i < ROWS; i++) {
        s.x[i] = (float)i / (ROWS - 1);
        s.y[i] = i;
    }
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = 7;
    mw_forest_options options = few_trees(TREES, 0);
    options.random_thresholds = true;
    options.bootstrap = false;
    mw_trees *trees = fit(&ctx, options, &s);
    int quarters[4] = {0};
    for (int t = 0; t < TREES; t++) {
        const float threshold = trees->nodes[trees->roots[t]].threshold;
        assert_true(threshold >= 0 && threshold < 1);
        quarters[(int)(threshold * 4)]++;
        if (t > 0) assert_true(threshold != trees->nodes[trees->roots[t - 1]].threshold);
    }
    for (int i = 0; i < 4; i++) /* 100 expected, sd 8.7 */
        assert_true(quarters[i] > 60 && quarters[i] < 140);
    for (int64_t i = 0; i < ROWS; i++) { /* full trees on all rows */
        double scored;
        mw_trees_score_row(trees, &s.x[i], &scored);
        assert_true(mw_abs(scored - s.y[i]) < 1e-3);
    }
    mw_trees_free(trees);
    sample_free(&s);
}

/* A column of missing values and one other value has one split; holes go to the better side. */
MW_TEST(random_thresholds_with_missing_values) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_alloc(40, 1);
    mw_forest_options options = few_trees(5, 2);
    options.random_thresholds = true;
    options.bootstrap = false;
    for (int i = 0; i < 40; i++) {
        s.x[i] = i % 2 ? 3 : __builtin_nanf("");
        s.y[i] = i % 2;
    }
    mw_trees *trees = fit(&ctx, options, &s);
    assert_int_equal(trees->n_nodes, 5 * 3);
    assert_true(trees->nodes[0].threshold == FLT_MAX && !trees->nodes[0].missing_left);
    mw_trees_free(trees);
    for (int i = 0; i < 40; i++) {
        s.x[i] = i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : __builtin_nanf("");
        s.y[i] = i % 4 == 1;
    }
    trees = fit(&ctx, options, &s);
    assert_int_equal(trees->n_nodes, 5 * 3);
    assert_true(trees->nodes[0].missing_left);
    mw_trees_free(trees);
    sample_free(&s);
}

/* ---- class weights ---- */

/* Classes that weigh the same already are left as they are, to the last byte. */
MW_TEST(equal_classes_need_no_weights) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int32_t n_classes = 2; n_classes <= 3; n_classes++) {
        sample s = sample_new(mw_test_seed(), 300, 5, 0);
        for (int i = 0; i < 300; i++) s.y[i] = i % n_classes;
        mw_forest_options options = few_trees(2, n_classes);
        options.bootstrap = false;
        mw_trees *plain = fit(&ctx, options, &s);
        options.class_weight = MW_CLASS_WEIGHT_BALANCED;
        mw_trees *balanced = fit(&ctx, options, &s);
        assert_same_trees(plain, balanced);
        mw_trees_free(balanced);
        options.class_weight = MW_CLASS_WEIGHT_BALANCED_SUBSAMPLE;
        balanced = fit(&ctx, options, &s);
        assert_same_trees(plain, balanced);
        mw_trees_free(balanced);
        mw_trees_free(plain);
        sample_free(&s);
    }
}

/* A class of a third of the other's rows has three times their weight: as if its rows were there three times. */
MW_TEST(weights_are_like_repeated_rows) {
    enum { ROWS = 200, REPEATED = 300 };
    sample s = sample_alloc(ROWS, 1), r = sample_alloc(REPEATED, 1);
    mw_rng rng;
    mw_rng_init(&rng, 11, 8, 0);
    int n = 0;
    for (int i = 0; i < ROWS; i++) {
        s.y[i] = i % 4 == 0;
        s.x[i] = (float)(mw_rng_normal(&rng) + s.y[i]);
        if (i % 10 == 3) s.x[i] = __builtin_nanf("");
        for (int k = 0; k < (s.y[i] > 0 ? 3 : 1); k++) r.x[n] = s.x[i], r.y[n++] = s.y[i];
    }
    assert_int_equal(n, REPEATED);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int32_t n_classes = 2; n_classes <= 3; n_classes++) { /* the third one has no rows */
        mw_forest_options options = few_trees(1, n_classes);
        options.bootstrap = false;
        options.max_depth = 3;
        mw_trees *repeated = fit(&ctx, options, &r);
        options.class_weight = MW_CLASS_WEIGHT_BALANCED;
        mw_trees *weighted = fit(&ctx, options, &s);
        assert_int_equal(repeated->n_nodes, weighted->n_nodes);
        for (int64_t i = 0; i < weighted->n_nodes; i++) {
            const mw_node *a = &repeated->nodes[i], *b = &weighted->nodes[i];
            assert_true(a->feature == b->feature && a->threshold == b->threshold);
            /* Weights are 2/3 and 2. */
            assert_true(mw_abs((double)(b->gain - a->gain * 2 / 3)) < 1e-4);
        }
        for (int64_t i = 0; i < weighted->n_leaves * n_classes; i++)
            assert_true(mw_abs((double)(repeated->values[i] - weighted->values[i])) < 1e-6);
        mw_trees_free(repeated);
        mw_trees_free(weighted);
    }
    sample_free(&s);
    sample_free(&r);
}

/* ---- the best split of many classes, by trying all ---- */

enum { FEW_CLASSES = 5 };

typedef struct side_counts {
    double count[FEW_CLASSES];
    int n;
} side_counts;

static double purity(const side_counts *side) {
    double squares = 0, sum = 0;
    for (int c = 0; c < FEW_CLASSES; c++) {
        squares += side->count[c] * side->count[c];
        sum += side->count[c];
    }
    return squares / sum;
}

/* Of all thresholds between values of a column, with the missing rows on either side, of at least `least` rows a side. */
static double best_purity(const sample *s, int32_t feature, const double *weights, int least) {
    double best = 0;
    for (int64_t k = 0; k < 2 * s->matrix.n_rows; k++) {
        const float cut = s->x[k / 2 * s->matrix.n_features + feature];
        side_counts sides[2] = {0};
        for (int64_t row = 0; row < s->matrix.n_rows; row++) {
            const float x = s->x[row * s->matrix.n_features + feature];
            const bool left = __builtin_isnan(x) ? k % 2 : x <= cut;
            sides[left].count[(int)s->y[row]] += weights[(int)s->y[row]];
            sides[left].n++;
        }
        if (sides[0].n < least || sides[1].n < least) continue;
        const double value = purity(&sides[0]) + purity(&sides[1]);
        if (value > best) best = value;
    }
    return best;
}

static void check_root(const sample *s, bool weighted, int least) {
    const int64_t n = s->matrix.n_rows;
    side_counts all = {0};
    double weights[FEW_CLASSES];
    int n_present = 0;
    for (int64_t row = 0; row < n; row++) all.count[(int)s->y[row]]++;
    for (int c = 0; c < FEW_CLASSES; c++) n_present += all.count[c] > 0;
    for (int c = 0; c < FEW_CLASSES; c++) {
        weights[c] = weighted && all.count[c] > 0 ? (double)n / (n_present * all.count[c]) : 1;
        all.count[c] *= weights[c];
    }
    double best = 0;
    for (int32_t f = 0; f < s->matrix.n_features; f++) {
        const double of_column = best_purity(s, f, weights, least);
        if (of_column > best) best = of_column;
    }
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_options options = few_trees(1, FEW_CLASSES);
    options.bootstrap = false;
    options.max_depth = 1;
    options.min_samples_leaf = least;
    if (weighted) options.class_weight = MW_CLASS_WEIGHT_BALANCED;
    mw_trees *trees = fit(&ctx, options, s);
    const double gain = best - purity(&all);
    assert_int_equal(trees->n_nodes, 3);
    assert_true(mw_abs((double)trees->nodes[0].gain - gain) <= 1e-5 * gain);
    mw_trees_free(trees);
}

MW_TEST(the_best_split_of_many_classes) {
    static const int64_t sizes[] = {20, 50, 150, 1000}; /* by value, by rank, by bin, by class */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 4; k++) {
            sample s = sample_new(mw_test_seed() + i, sizes[i], 4, FEW_CLASSES);
            check_root(&s, k % 2, k / 2 ? 3 : 1);
            sample_free(&s);
        }
}

/* Where nothing can be split, all classes have the same share, whatever was drawn. */
MW_TEST(draws_are_balanced_by_tree) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = mw_test_seed();
    sample s = sample_alloc(500, 1);
    for (int i = 0; i < 500; i++) {
        s.x[i] = 1;
        s.y[i] = i % 20 < 15 ? 0 : i % 20 < 19 ? 1 : 2;
    }
    mw_forest_options options = few_trees(8, 3);
    options.class_weight = MW_CLASS_WEIGHT_BALANCED_SUBSAMPLE;
    mw_trees *trees = fit(&ctx, options, &s);
    assert_int_equal(trees->n_nodes, 8);
    for (int i = 0; i < 8 * 3; i++) assert_true(mw_abs((double)trees->values[i] - 1 / 24.0) < 1e-7);
    mw_trees_free(trees);
    options.class_weight =
        MW_CLASS_WEIGHT_BALANCED; /* of all rows: each tree's draws differ a little */
    trees = fit(&ctx, options, &s);
    double sums[3] = {0};
    for (int i = 0; i < 8 * 3; i++) sums[i % 3] += (double)trees->values[i];
    assert_true(mw_abs(sums[0] + sums[1] + sums[2] - 1) < 1e-6);
    assert_true(sums[2] > 0.2 && sums[2] < 0.47 && sums[2] != 1 / 3.0);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(weights_are_refused) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_trees *trees = NULL;
    sample s = sample_new(1, 10, 2, 0);
    mw_forest_options options = few_trees(1, 0);
    options.class_weight = MW_CLASS_WEIGHT_BALANCED;
    assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_EINVAL);
    assert_string_equal(err.pointer, "class_weight");
    options.n_classes = 2;
    options.max_bin = 0;
    assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_EINVAL);
    assert_string_equal(err.pointer, "exact");
    assert_null(trees);
    sample_free(&s);
}

/* ---- rows left out ---- */

static const float *leaf_of(const mw_trees *trees, int32_t tree, const float *row) {
    const mw_node *node = &trees->nodes[trees->roots[tree]];
    while (node->left >= 0) {
        const float x = row[node->feature];
        const bool left = __builtin_isnan(x) ? node->missing_left : x <= node->threshold;
        node = &trees->nodes[left ? node->left : node->right];
    }
    return trees->values + node->right * trees->n_outputs;
}

/* sums [n_rows][n_outputs] of leaves of trees without the row; n [n_rows] such trees. By the documented draws. */
static void leave_out(const mw_trees *trees, const sample *s, uint64_t seed, double *sums, int *n) {
    const int64_t n_rows = s->matrix.n_rows;
    bool *drawn = mw_alloc_array(NULL, (size_t)n_rows, sizeof *drawn);
    for (int32_t t = 0; t < trees->n_trees; t++) {
        mw_rng rng;
        mw_rng_init(&rng, seed, UINT64_C(0x666f7265) << 32 | (uint64_t)t, 0);
        for (int64_t row = 0; row < n_rows; row++) drawn[row] = false;
        for (int64_t i = 0; i < n_rows; i++) drawn[mw_rng_below(&rng, (uint64_t)n_rows)] = true;
        for (int64_t row = 0; row < n_rows; row++) {
            if (drawn[row]) continue;
            n[row]++;
            const float *leaf = leaf_of(trees, t, s->x + row * s->matrix.n_features);
            for (int32_t k = 0; k < trees->n_outputs; k++)
                sums[row * trees->n_outputs + k] += (double)leaf[k] * trees->n_trees;
        }
    }
    mw_free(drawn);
}

static double plain_oob_score(const mw_trees *trees, const sample *s, uint64_t seed) {
    enum { MOST_ROWS = 300, MOST_OUTPUTS = 3 };
    static double sums[MOST_ROWS * MOST_OUTPUTS];
    static int n[MOST_ROWS];
    memset(sums, 0, sizeof sums);
    memset(n, 0, sizeof n);
    leave_out(trees, s, seed, sums, n);
    double right = 0, rows = 0, mean = 0, errors = 0, squares = 0;
    for (int64_t row = 0; row < s->matrix.n_rows; row++)
        if (n[row] > 0) rows++, mean += s->y[row];
    mean /= rows;
    for (int64_t row = 0; row < s->matrix.n_rows; row++) {
        if (n[row] == 0) continue;
        const double *of = sums + row * trees->n_outputs;
        int32_t top = 0;
        for (int32_t k = 1; k < trees->n_outputs; k++) top = of[k] > of[top] ? k : top;
        right += top == (int32_t)s->y[row];
        errors += (s->y[row] - of[0] / n[row]) * (s->y[row] - of[0] / n[row]);
        squares += (s->y[row] - mean) * (s->y[row] - mean);
    }
    return trees->n_outputs > 1 ? right / rows : 1 - errors / squares;
}

static void check_oob(mw_forest_options options, const sample *s) {
    double first = 0;
    for (int threads = 1; threads <= 3; threads += 2) {
        mw_err err = {0};
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        ctx.seed = mw_test_seed();
        assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
        mw_trees *trees = fit(&ctx, options, s);
        mw_forest_oob oob;
        assert_ok(mw_forest_oob_score(&ctx, &options, s->matrix, s->y, trees, &oob, &err));
        assert_true(mw_abs(oob.score - plain_oob_score(trees, s, ctx.seed)) < 1e-12);
        assert_true(oob.n_rows > 0 && oob.n_rows <= s->matrix.n_rows);
        if (threads == 1) first = oob.score;
        assert_memory_equal(&oob.score, &first, sizeof first);
        mw_trees_free(trees);
        mw_pool_free(ctx.pool);
    }
}

MW_TEST(rows_left_out_are_scored_by_other_trees) {
    static const int32_t sizes[] = {1, 3, 64, 70};
    for (int32_t n_classes = 0; n_classes <= 3; n_classes += 3)
        for (size_t i = 0; i < 4; i++) {
            sample s = sample_new(mw_test_seed() + i, 300, 5, n_classes);
            mw_forest_options options = few_trees(sizes[i], n_classes);
            check_oob(options, &s);
            options.max_bin = 0;
            check_oob(options, &s);
            sample_free(&s);
        }
}

MW_TEST(no_rows_left_out) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_oob oob;
    sample s = sample_new(1, 1, 2, 0);
    mw_forest_options options = few_trees(3, 0);
    mw_trees *trees = fit(&ctx, options, &s);
    assert_ok(mw_forest_oob_score(&ctx, &options, s.matrix, s.y, trees, &oob, &err));
    assert_true(oob.n_rows == 0 && __builtin_isnan(oob.score)); /* the only row is in every tree */
    options.bootstrap = false;
    assert_status(mw_forest_oob_score(&ctx, &options, s.matrix, s.y, trees, &oob, &err), MW_EINVAL);
    assert_string_equal(err.pointer, "bootstrap");
    options.bootstrap = true;
    for (uint64_t n = 1; n <= 4; n++) {
        mw_alloc_fail_at(n);
        mw_status status = mw_forest_oob_score(&ctx, &options, s.matrix, s.y, trees, &oob, &err);
        mw_alloc_fail_at(0);
        assert_int_equal(status, MW_ENOMEM);
    }
    mw_trees_free(trees);
    sample_free(&s);
}

/* Every training row's own target comes back from a full tree on all rows, at any magnitude. */
static void assert_gives_back(const sample *s) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_options options = few_trees(1, 0);
    options.bootstrap = false;
    mw_trees *trees = fit(&ctx, options, s);
    for (int64_t row = 0; row < s->matrix.n_rows; row++) {
        double scored;
        mw_trees_score_row(trees, s->x + row * s->matrix.n_features, &scored);
        assert_true(scored == (double)(float)s->y[row]);
    }
    mw_trees_free(trees);
}

MW_TEST(extreme_magnitudes) {
    sample s = sample_alloc(200, 3);
    for (int i = 0; i < 200; i++) {
        s.x[3 * i] = (i % 2 ? 1e38F : -1e38F) * (1 + (float)(i / 2) / 100);
        s.x[3 * i + 1] = 1e-38F * (float)i;
        s.x[3 * i + 2] = i < 100 ? FLT_MAX : -FLT_MAX;
        s.y[i] = (i * 7919) % 200 * 1e-30;
    }
    assert_gives_back(&s);
    for (int i = 0; i < 200; i++) s.y[i] = ((i * 7919) % 200 - 100) * 3e36;
    assert_gives_back(&s);
    sample_free(&s);
}

MW_TEST(equal_rows_and_constant_targets) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_alloc(50, 2);
    for (int i = 0; i < 50; i++) {
        s.x[2 * i] = s.x[2 * i + 1] = 3;
        s.y[i] = i % 2;
    }
    mw_forest_options options = few_trees(3, 0);
    options.bootstrap = false;
    mw_trees *trees = fit(&ctx, options, &s); /* nothing to split by */
    assert_int_equal(trees->n_nodes, 3);
    assert_true(trees->values[0] == 0.5F / 3);
    mw_trees_free(trees);
    for (int i = 0; i < 50; i++) {
        s.x[2 * i] = i % 5 ? (float)i : __builtin_nanf("");
        s.y[i] = 1;
    }
    for (int32_t n_classes = 0; n_classes <= 3; n_classes += 3) {
        trees = fit(&ctx, few_trees(3, n_classes), &s); /* nothing to split for */
        assert_int_equal(trees->n_nodes, 3);
        mw_trees_free(trees);
    }
    for (int i = 0; i < 100; i++) s.x[i] = __builtin_nanf("");
    for (int i = 0; i < 50; i++) s.y[i] = i;
    trees = fit(&ctx, few_trees(2, 0), &s);
    assert_int_equal(trees->n_nodes, 2);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(many_columns_mostly_missing) {
    enum { ROWS = 300, COLUMNS = 1000 };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 5, 0);
    sample s = sample_alloc(ROWS, COLUMNS);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        s.x[i] = mw_rng_below(&rng, 10) ? __builtin_nanf("") : (float)mw_rng_below(&rng, 100);
    for (int i = 0; i < ROWS; i++) s.y[i] = mw_rng_normal(&rng);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_forest_options options = few_trees(3, 0);
    options.max_features = 0.05;
    check_beside_exact(&ctx, options, &s);
    sample_free(&s);
}

/* More distinct values than bins, and than 16 bits hold: still a better fit than any single split. */
MW_TEST(more_values_than_bins) {
    enum { ROWS = 70000 };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 6, 0);
    sample s = sample_alloc(ROWS, 2);
    for (int64_t i = 0; i < ROWS; i++) {
        s.x[2 * i] = (float)i;
        s.x[2 * i + 1] = (float)mw_rng_normal(&rng);
        s.y[i] = (double)(i % 35000) / 35000;
    }
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_trees *trees = fit(&ctx, few_trees(2, 0), &s);
    double squares = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        double scored;
        mw_trees_score_row(trees, s.x + 2 * i, &scored);
        squares += (scored - s.y[i]) * (scored - s.y[i]);
    }
    assert_true(mw_sqrt(squares / ROWS) < 0.1);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(bad_number_of_bins) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_new(1, 10, 2, 0);
    static const int32_t wrong[] = {-1, 1, 256};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_forest_options options = few_trees(1, 0);
        mw_trees *trees = NULL;
        options.max_bin = wrong[i];
        assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_EINVAL);
        assert_string_equal(err.pointer, "max_bin");
        assert_null(trees);
    }
    mw_forest_options options = few_trees(1, 0);
    mw_trees *trees = NULL;
    options.max_bin = 0;
    options.random_thresholds = true; /* not in the exact forest */
    assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_EINVAL);
    sample_free(&s);
}

MW_TEST(every_allocation_fails_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    sample s = sample_new(mw_test_seed(), 400, 5, 3);
    const size_t used = mw_mem_used(ctx.mem);
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_trees *trees = NULL;
        mw_forest_options options = few_trees(3, 3);
        options.class_weight = MW_CLASS_WEIGHT_BALANCED;
        mw_alloc_fail_at(n);
        mw_status status = mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err);
        const int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
        assert_int_equal(trees == NULL, status != MW_OK);
        mw_trees_free(trees);
        assert_int_equal(mw_mem_used(ctx.mem), used);
        if (!fired) {
            assert_true(n > 20);
            break;
        }
    }
    sample_free(&s);
}

static void cancel_on_progress(void *self, const char *stage, double done, double total) {
    (void)done, (void)total;
    if (strcmp(stage, "growing trees") == 0) atomic_store((atomic_bool *)self, true);
}

MW_TEST(stops_when_canceled) {
    mw_err err = {0};
    mw_cancel cancel = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    ctx.progress = (mw_progress){cancel_on_progress, &cancel.requested};
    sample s = sample_new(mw_test_seed(), 500, 4, 0);
    mw_forest_options options = few_trees(50, 0);
    mw_trees *trees = NULL;
    assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_ECANCELED);
    assert_null(trees);
    sample_free(&s);
}

MW_TEST_MAIN(MW_RUN(equals_the_exact_forest), MW_RUN(same_bytes_at_any_thread_count),
             MW_RUN(random_thresholds_are_even), MW_RUN(random_thresholds_with_missing_values),
             MW_RUN(rows_left_out_are_scored_by_other_trees), MW_RUN(no_rows_left_out),
             MW_RUN(equal_classes_need_no_weights), MW_RUN(weights_are_like_repeated_rows),
             MW_RUN(draws_are_balanced_by_tree), MW_RUN(weights_are_refused),
             MW_RUN(the_best_split_of_many_classes), MW_RUN(extreme_magnitudes),
             MW_RUN(equal_rows_and_constant_targets), MW_RUN(many_columns_mostly_missing),
             MW_RUN(more_values_than_bins), MW_RUN(bad_number_of_bins),
             MW_RUN(every_allocation_fails_once), MW_RUN(stops_when_canceled))
