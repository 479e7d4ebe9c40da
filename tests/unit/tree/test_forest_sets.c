/* test_forest_sets.c -- forests that split categories by sets: beside all subsets, exact beside bins, and at the edges. */
#include "support/harness.h"
#include "support/same_trees.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/forest.h"

enum { MOST_FEATURES = 4, MOST_CATEGORIES = 12, MOST_CLASSES = 5 };

typedef struct sample {
    float *x;
    double *y;
    uint8_t by_code[MOST_FEATURES];
    mw_matrix matrix;
} sample;

/* Categories first, with effects that have nothing to do with their codes; then numbers. */
static sample sample_new(uint64_t seed, int64_t n_rows, int n_categories, int n_classes,
                         bool holed) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 98, 0);
    sample s = {.x = mw_alloc_array(NULL, (size_t)n_rows * MOST_FEATURES, sizeof(float)),
                .y = mw_alloc_array(NULL, (size_t)n_rows, sizeof(double)),
                .by_code = {1, 1, 0, 0}};
    s.matrix = (mw_matrix){s.x, n_rows, MOST_FEATURES};
    for (int64_t row = 0; row < n_rows; row++) {
        float *x = s.x + row * MOST_FEATURES;
        const uint64_t code = mw_rng_below(&rng, (uint64_t)n_categories);
        x[0] = (float)(3 * code); /* not all codes are there */
        x[1] = (float)mw_rng_below(&rng, 200);
        x[2] = (float)mw_rng_below(&rng, 50);
        x[3] = (float)mw_rng_below(&rng, 3);
        if (holed && mw_rng_below(&rng, 5) == 0) x[0] = __builtin_nanf("");
        const double effect = (double)(code * 7919 % 11) / 3 + (x[2] > 30 ? 1 : 0);
        s.y[row] = effect + mw_rng_normal(&rng);
        if (n_classes == 0) continue;
        const double class_index = mw_floor(s.y[row] * n_classes / 5);
        s.y[row] = class_index < 0 ? 0 : class_index >= n_classes ? n_classes - 1 : class_index;
    }
    return s;
}

static void sample_free(sample *s) {
    mw_free(s->x);
    mw_free(s->y);
}

static mw_forest_options few_trees(const sample *s, int32_t n, int32_t n_classes, int32_t max_bin) {
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = n;
    options.n_classes = n_classes;
    options.max_bin = max_bin;
    options.by_code = s->by_code;
    return options;
}

static mw_trees *fit(const mw_ctx *ctx, mw_forest_options options, const sample *s) {
    mw_err err = {0};
    mw_trees *trees = NULL;
    assert_ok(mw_forest_fit(ctx, &options, s->matrix, s->y, &trees, &err));
    assert_ok(mw_trees_check(trees, &err));
    return trees;
}

/* ---- beside all subsets ---- */

typedef struct side_sums {
    double n, weight, sum, squares, count[MOST_CLASSES];
} side_sums;

/* Sum of squares about the mean, or rows * Gini. */
static double impurity(const side_sums *side, int n_classes) {
    if (n_classes == 0) return side->squares - side->sum * side->sum / side->weight;
    double squares = 0;
    for (int c = 0; c < n_classes; c++) squares += side->count[c] * side->count[c];
    return side->weight - squares / side->weight;
}

/* The group of a row: its category, or n_categories where it is missing. */
static int group_of(const sample *s, int64_t row, int n_categories) {
    const float x = s->x[row * MOST_FEATURES];
    return __builtin_isnan(x) ? n_categories : (int)x / 3;
}

static double gain_of_subset(const sample *s, unsigned subset, int n_categories, int n_classes,
                             const double *weights, int least) {
    side_sums sides[2] = {0}, all = {0};
    for (int64_t row = 0; row < s->matrix.n_rows; row++) {
        side_sums *to[2] = {&sides[subset >> group_of(s, row, n_categories) & 1], &all};
        const double w = n_classes ? weights[(int)s->y[row]] : 1;
        for (int i = 0; i < 2; i++) {
            to[i]->n++;
            to[i]->weight += w;
            to[i]->sum += s->y[row];
            to[i]->squares += s->y[row] * s->y[row];
            if (n_classes) to[i]->count[(int)s->y[row]] += w;
        }
    }
    if (sides[0].n < least || sides[1].n < least) return -1;
    return impurity(&all, n_classes) - impurity(&sides[0], n_classes) -
           impurity(&sides[1], n_classes);
}

static double best_gain(const sample *s, int n_categories, int n_classes, const double *weights) {
    double best = -1;
    for (unsigned subset = 0; subset < 1U << (n_categories + 1); subset++) {
        const double gain = gain_of_subset(s, subset, n_categories, n_classes, weights, 1);
        if (gain > best) best = gain;
    }
    return best;
}

/* Weights of `balanced`. */
static void find_weights(const sample *s, int n_classes, bool balanced, double *weights) {
    double count[MOST_CLASSES] = {0};
    int n_present = 0;
    for (int64_t row = 0; n_classes && row < s->matrix.n_rows; row++) count[(int)s->y[row]]++;
    for (int c = 0; c < n_classes; c++) n_present += count[c] > 0;
    for (int c = 0; c < n_classes; c++)
        weights[c] =
            balanced && count[c] > 0 ? (double)s->matrix.n_rows / (n_present * count[c]) : 1;
}

/* The root's gain in units of the brute force. */
static double root_gain(const sample *s, mw_forest_options options) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const uint8_t by_code[1] = {1};
    float *x = mw_alloc_array(NULL, (size_t)s->matrix.n_rows, sizeof *x);
    sample one = {.x = x, .y = s->y, .matrix = {x, s->matrix.n_rows, 1}};
    double mean = 0, squares = 0;
    for (int64_t row = 0; row < s->matrix.n_rows; row++) {
        x[row] = s->x[row * MOST_FEATURES];
        mean += s->y[row] / (double)s->matrix.n_rows;
    }
    for (int64_t row = 0; row < s->matrix.n_rows; row++)
        squares += (s->y[row] - mean) * (s->y[row] - mean);
    options.by_code = by_code;
    options.bootstrap = false;
    options.max_depth = 1;
    mw_trees *trees = fit(&ctx, options, &one);
    assert_int_equal(trees->n_nodes, 3);
    assert_true(trees->nodes[0].by_set && !trees->nodes[0].missing_left);
    const double unit = options.n_classes ? 1 : squares / (double)s->matrix.n_rows;
    const double gain = (double)trees->nodes[0].gain * unit;
    mw_trees_free(trees);
    mw_free(x);
    return gain;
}

MW_TEST(the_best_of_all_subsets) {
    static const int64_t sizes[] = {30, 60, 400, 3000};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 12; k++) {
            const int n_classes = k % 2 ? 2 : 0, n_categories = 2 + k % 5;
            sample s = sample_new(mw_test_seed() + (uint64_t)(20 * i + k), sizes[i], n_categories,
                                  n_classes, k / 4 == 1);
            double weights[MOST_CLASSES];
            for (int balanced = 0; balanced <= n_classes / 2; balanced++) {
                find_weights(&s, n_classes, balanced, weights);
                const double best = best_gain(&s, n_categories, n_classes, weights);
                mw_forest_options options = few_trees(&s, 1, n_classes, 255);
                if (balanced) options.class_weight = MW_CLASS_WEIGHT_BALANCED;
                assert_true(mw_abs(root_gain(&s, options) - best) <= 1e-5 * best);
                if (balanced) continue;
                options.max_bin = 0;
                assert_true(mw_abs(root_gain(&s, options) - best) <= 1e-5 * best);
            }
            sample_free(&s);
        }
}

/* The order of more classes is a guess: never better than the best of all, and seldom much worse. */
MW_TEST(nearly_the_best_of_many_classes) {
    double ours = 0, theirs = 0;
    for (int k = 0; k < 30; k++) {
        const int n_classes = 3 + k % 3, n_categories = 4 + k % 4;
        sample s = sample_new(mw_test_seed() + (uint64_t)k, 400, n_categories, n_classes, k % 2);
        double weights[MOST_CLASSES];
        find_weights(&s, n_classes, k % 3 == 0, weights);
        mw_forest_options options = few_trees(&s, 1, n_classes, 255);
        if (k % 3 == 0) options.class_weight = MW_CLASS_WEIGHT_BALANCED;
        const double best = best_gain(&s, n_categories, n_classes, weights);
        const double gain = root_gain(&s, options);
        assert_true(gain <= best * (1 + 1e-5));
        ours += gain / best;
        theirs += 1;
        sample_free(&s);
    }
    assert_true(ours > 0.97 * theirs);
}

/* ---- exact, bins, threads ---- */

MW_TEST(equals_the_exact_forest) {
    static const int64_t sizes[] = {2, 3, 17, 70, 300, 2049, 6000};
    static const int32_t classes[] = {0, 2, 3, 5};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
            sample s = sample_new(mw_test_seed() + i, sizes[i], MOST_CATEGORIES, classes[k], i % 2);
            ctx.seed = mw_test_seed() + k;
            for (int tried = 0; tried < 2; tried++) {
                mw_forest_options options = few_trees(&s, 2, classes[k], 255);
                options.max_features = tried ? 0.5 : 1;
                options.min_samples_leaf = 1 + 2 * tried;
                mw_trees *on_bins = fit(&ctx, options, &s);
                options.max_bin = 0;
                mw_trees *exact = fit(&ctx, options, &s);
                assert_same_trees(on_bins, exact);
                assert_true(sizes[i] < 70 || exact->n_sets > 0);
                mw_trees_free(on_bins);
                mw_trees_free(exact);
            }
            sample_free(&s);
        }
}

MW_TEST(same_bytes_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    static const int classes[] = {0, 2, 3, 0, 4, 0, 3};
    for (int k = 0; k < 7; k++) {
        sample s = sample_new(mw_test_seed(), 2500, MOST_CATEGORIES, classes[k], true);
        mw_trees *first = NULL;
        for (size_t c = 0; c < 4; c++) {
            mw_err err = {0};
            mw_ctx ctx;
            mw_ctx_init(&ctx);
            ctx.seed = 42;
            assert_ok(mw_pool_new(NULL, counts[c], &ctx.pool, &err));
            mw_forest_options options = few_trees(&s, 9, classes[k], k < 5 ? 255 : 0);
            options.random_thresholds = k == 3 || k == 4;
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

/* ---- what happens to rows ---- */

/* Full trees on all rows give every training row its own target, by the plain walk: rows go where the fit put them. */
static void assert_gives_back(const sample *s, mw_forest_options options) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    options.bootstrap = false;
    mw_trees *trees = fit(&ctx, options, s);
    for (int64_t row = 0; row < s->matrix.n_rows; row++) {
        double scored;
        mw_trees_score_row(trees, s->x + row * MOST_FEATURES, &scored);
        assert_true(mw_abs(scored - s->y[row]) < 1e-5 * (1 + mw_abs(s->y[row])));
    }
    mw_trees_free(trees);
}

/* More categories than bins: the rarer ones count as missing where there are many rows, and by themselves where there are few. */
MW_TEST(rows_go_where_the_fit_put_them) {
    enum { ROWS = 1200 };
    sample s = sample_new(3, ROWS, MOST_CATEGORIES, 0, true);
    for (int64_t row = 0; row < ROWS; row++) {
        s.x[row * MOST_FEATURES + 1] = (float)(row / 2 % 600);
        s.x[row * MOST_FEATURES + 2] = (float)(row % 2);
        s.x[row * MOST_FEATURES + 3] = 0;
    }
    for (int bins = 0; bins < 2; bins++)
        for (int random = 0; random <= bins; random++) {
            mw_forest_options options = few_trees(&s, 1, 0, bins ? 255 : 0);
            options.random_thresholds = random;
            assert_gives_back(&s, options);
        }
    sample_free(&s);
}

MW_TEST(unseen_categories_go_with_missing_ones) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int k = 0; k < 6; k++) {
        sample s = sample_new(mw_test_seed() + (uint64_t)k, 500, 8, k % 3 + (k % 3 > 0), k % 2);
        mw_forest_options options = few_trees(&s, 3, k % 3 + (k % 3 > 0), 255);
        options.random_thresholds = k > 3;
        mw_trees *trees = fit(&ctx, options, &s);
        for (int64_t row = 0; row < 50; row++) {
            float *x = s.x + row * MOST_FEATURES;
            double missing[MOST_CLASSES], unseen[MOST_CLASSES];
            x[0] = __builtin_nanf("");
            mw_trees_score_row(trees, x, missing);
            for (int i = 0; i < 2; i++) {
                x[0] = i ? 9999 : 1; /* beyond all codes; between them */
                mw_trees_score_row(trees, x, unseen);
                assert_memory_equal(missing, unseen, (size_t)trees->n_outputs * sizeof *missing);
            }
        }
        mw_trees_free(trees);
        sample_free(&s);
    }
}

/* One category of three is on its own side in two thirds of the draws of each pair of sides. */
MW_TEST(random_sets_are_even) {
    enum { ROWS = 90, TREES = 600 };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = 5;
    sample s = sample_new(1, ROWS, 3, 0, false);
    for (int row = 0; row < ROWS; row++)
        for (int f = 0; f < MOST_FEATURES; f++)
            s.x[row * MOST_FEATURES + f] = f ? 0 : (float)(row % 3);
    mw_forest_options options = few_trees(&s, TREES, 0, 255);
    options.random_thresholds = true;
    options.bootstrap = false;
    options.max_depth = 1;
    mw_trees *trees = fit(&ctx, options, &s);
    int alone[3] = {0};
    for (int t = 0; t < TREES; t++) {
        const mw_node *root = &trees->nodes[trees->roots[t]];
        assert_true(root->by_set);
        int in[3], n = 0;
        for (int c = 0; c < 3; c++) n += in[c] = mw_trees_in_set(trees, root->set, (float)c);
        for (int c = 0; c < 3; c++) alone[c] += n == 1 ? in[c] : !in[c];
    }
    for (int c = 0; c < 3; c++) assert_true(alone[c] > 150 && alone[c] < 250); /* sd 11.5 */
    mw_trees_free(trees);
    sample_free(&s);
}

/* R2 of each row by the trees that did not draw it, by the documented draws. */
static double plain_oob_score(const mw_trees *trees, const sample *s, uint64_t seed) {
    enum { MOST_ROWS = 400 };
    const int64_t n_rows = s->matrix.n_rows;
    double sums[MOST_ROWS] = {0}, n[MOST_ROWS] = {0}, mean = 0, errors = 0, squares = 0, rows = 0;
    for (int32_t t = 0; t < trees->n_trees; t++) {
        bool drawn[MOST_ROWS] = {0};
        mw_rng rng;
        mw_rng_init(&rng, seed, UINT64_C(0x666f7265) << 32 | (uint64_t)t, 0);
        for (int64_t i = 0; i < n_rows; i++) drawn[mw_rng_below(&rng, (uint64_t)n_rows)] = true;
        for (int64_t row = 0; row < n_rows; row++) {
            if (drawn[row]) continue;
            const int32_t leaf = mw_trees_leaf(trees, t, s->x + row * MOST_FEATURES);
            sums[row] += (double)trees->values[leaf] * trees->n_trees;
            n[row]++;
        }
    }
    for (int64_t row = 0; row < n_rows; row++)
        if (n[row] > 0) rows++, mean += s->y[row];
    for (int64_t row = 0; row < n_rows; row++) {
        if (n[row] == 0) continue;
        errors += (s->y[row] - sums[row] / n[row]) * (s->y[row] - sums[row] / n[row]);
        squares += (s->y[row] - mean / rows) * (s->y[row] - mean / rows);
    }
    return 1 - errors / squares;
}

MW_TEST(rows_left_out_walk_sets) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = mw_test_seed();
    sample s = sample_new(mw_test_seed(), 400, MOST_CATEGORIES, 0, true);
    mw_forest_options options = few_trees(&s, 40, 0, 255);
    mw_trees *trees = fit(&ctx, options, &s);
    mw_forest_oob oob;
    assert_ok(mw_forest_oob_score(&ctx, &options, s.matrix, s.y, trees, &oob, &err));
    assert_true(mw_abs(oob.score - plain_oob_score(trees, &s, ctx.seed)) < 1e-9);
    mw_trees_free(trees);
    sample_free(&s);
}

MW_TEST(no_codes_are_refused) {
    static const float wrong[] = {-1, 0.5F, 1e6F};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int bins = 0; bins < 2; bins++)
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            mw_err err = {0};
            mw_trees *trees = NULL;
            sample s = sample_new(1, 20, 3, 0, false);
            s.x[MOST_FEATURES * 7] = wrong[i];
            mw_forest_options options = few_trees(&s, 1, 0, bins ? 255 : 0);
            assert_status(mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err), MW_EDATA);
            assert_non_null(strstr(err.message, "feature 0"));
            sample_free(&s);
        }
}

MW_TEST(every_allocation_fails_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int k = 0; k < 4; k++) {
        sample s = sample_new(mw_test_seed(), 300, MOST_CATEGORIES, k % 2 ? 3 : 2, true);
        const size_t used = mw_mem_used(ctx.mem);
        for (uint64_t n = 1;; n++) {
            mw_err err = {0};
            mw_trees *trees = NULL;
            mw_forest_options options = few_trees(&s, 3, k % 2 ? 3 : 2, k / 2 ? 255 : 0);
            mw_alloc_fail_at(n);
            mw_status status = mw_forest_fit(&ctx, &options, s.matrix, s.y, &trees, &err);
            const int fired = mw_alloc_fault_fired();
            mw_alloc_fail_at(0);
            assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
            mw_trees_free(trees);
            assert_int_equal(mw_mem_used(ctx.mem), used);
            if (!fired) break;
        }
        sample_free(&s);
    }
}

MW_TEST_MAIN(MW_RUN(the_best_of_all_subsets), MW_RUN(nearly_the_best_of_many_classes),
             MW_RUN(equals_the_exact_forest), MW_RUN(same_bytes_at_any_thread_count),
             MW_RUN(rows_go_where_the_fit_put_them), MW_RUN(unseen_categories_go_with_missing_ones),
             MW_RUN(random_sets_are_even), MW_RUN(rows_left_out_walk_sets),
             MW_RUN(no_codes_are_refused), MW_RUN(every_allocation_fails_once))
