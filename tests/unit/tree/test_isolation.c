/* test_isolation.c -- isolation trees: structure, path lengths, missing values, and the paper's
 * score. */
#include "support/harness.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "golden/tree/golden_trees.h"
#include "learn/tree/isolation.h"

static mw_trees *fit(const mw_ctx *ctx, int32_t n_estimators, int32_t max_samples, mw_matrix matrix,
                     double *ret_c) {
    mw_err err = {0};
    mw_trees *trees = NULL;
    mw_isolation_options options = {.n_estimators = n_estimators, .max_samples = max_samples};
    assert_ok(mw_isolation_fit(ctx, &options, matrix, &trees, ret_c, &err));
    return trees;
}

static float *normal_rows(uint64_t seed, int64_t n_rows, int32_t n_features) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 77, 0);
    float *x = mw_alloc_array(NULL, (size_t)(n_rows * n_features), sizeof *x);
    for (int64_t i = 0; i < n_rows * n_features; i++) x[i] = (float)mw_rng_normal(&rng);
    return x;
}

MW_TEST(path_length_constant_equals_scikit_learn) {
    for (size_t i = 0; i < sizeof golden_c / sizeof *golden_c; i++) {
        double difference = mw_isolation_c(golden_sizes[i]) - golden_c[i];
        assert_true(mw_abs(difference) <= 1e-14 * (1 + golden_c[i]));
    }
    assert_true(mw_isolation_c(0) == 0 && mw_isolation_c(1) == 0 && mw_isolation_c(2) == 1);
}

/* Two rows: one cut, both leaves at depth 1 = c(2), so every score is 2^-1. Three rows, where ends
 * are cut off at depth 1 or 2: the tree is one of two, and the outputs follow from it. */
MW_TEST(small_trees_by_hand) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float x[3] = {0, 1, 3};
    double c = 0, scores[3];
    mw_err err = {0};
    mw_trees *trees = fit(&ctx, 1, 256, (mw_matrix){x, 2, 1}, &c);
    assert_true(c == 1 && trees->n_nodes == 3);
    assert_true(trees->nodes[0].threshold >= 0 && trees->nodes[0].threshold < 1);
    assert_ok(mw_isolation_score(&ctx, trees, c, (mw_matrix){x, 2, 1}, scores, &err));
    assert_true(scores[0] == 0.5 && scores[1] == 0.5);
    mw_trees_free(trees);
    int n_low_alone = 0;
    for (ctx.seed = 0; ctx.seed < 300; ctx.seed++) {
        trees = fit(&ctx, 1, 256, (mw_matrix){x, 3, 1}, &c);
        assert_int_equal(trees->n_nodes, 5);
        bool low_alone = trees->nodes[0].threshold < 1;
        n_low_alone += low_alone;
        double lengths[3];
        for (int i = 0; i < 3; i++) mw_trees_score_row(trees, x + i, lengths + i);
        assert_true(lengths[0] == (low_alone ? 1 : 2) && lengths[1] == 2);
        assert_true(lengths[2] == (low_alone ? 2 : 1));
        mw_trees_free(trees);
    }
    /* The threshold is even over [0, 3): below 1 a third of the time, 100 +- 4 * 8.2. */
    assert_in_range(n_low_alone, 67, 133);
}

MW_TEST(one_row_and_equal_rows) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    const float x[6] = {4, 5, 4, 5, 4, 5};
    double c = -1, scores[3], importance[2];
    mw_trees *trees = fit(&ctx, 3, 256, (mw_matrix){x, 1, 2}, &c);
    assert_true(c == 0 && trees->n_nodes == 3);
    assert_ok(mw_isolation_score(&ctx, trees, c, (mw_matrix){x, 3, 2}, scores, &err));
    assert_true(scores[0] == 0.5 && scores[2] == 0.5);
    mw_trees_free(trees);
    trees = fit(&ctx, 4, 256, (mw_matrix){x, 3, 2}, &c);
    assert_int_equal(trees->n_nodes, 4); /* constant: nothing can be cut */
    assert_ok(mw_isolation_score(&ctx, trees, c, (mw_matrix){x, 3, 2}, scores, &err));
    assert_true(mw_abs(scores[0] - 0.5) < 1e-6); /* c(3) over c(3), but for float32 leaves */
    mw_isolation_importance(trees, importance);
    assert_true(importance[0] == 0 && importance[1] == 0);
    mw_trees_free(trees);
}

/* Depth, cover and leaf value of every node, and every threshold with rows on both sides. */
static void assert_well_formed(const mw_trees *trees, int64_t at, int32_t depth, int32_t most) {
    const mw_node *n = &trees->nodes[at];
    assert_true(depth <= most && n->gain == 0);
    if (n->left < 0) {
        double want = ((double)depth + mw_isolation_c(n->cover)) / trees->n_trees;
        assert_true(trees->values[n->right] == (float)want);
        assert_true(n->cover >= 1 && n->feature == -1);
        return;
    }
    const mw_node *left = &trees->nodes[n->left], *right = &trees->nodes[n->right];
    assert_true(n->left > at && n->right > at);
    assert_true(left->cover > 0 && right->cover > 0 && n->cover == left->cover + right->cover);
    assert_well_formed(trees, n->left, depth + 1, most);
    assert_well_formed(trees, n->right, depth + 1, most);
}

MW_TEST(trees_are_well_formed) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = mw_test_seed();
    float *x = normal_rows(mw_test_seed(), 1000, 3);
    const float ulp = __builtin_nextafterf(1, 2);
    for (int i = 0; i < 1000; i++) {
        if (i % 3 == 0) x[i * 3 + 1] = __builtin_nanf("");
        x[i * 3 + 2] = i % 2 ? 1 : ulp; /* neighbors in float32: the threshold has one place */
    }
    const struct {
        int32_t max_samples, depth;
    } cases[] = {{256, 8}, {200, 8}, {2, 1}, {1000, 10}, {999, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double c = 0;
        mw_trees *trees = fit(&ctx, 20, cases[i].max_samples, (mw_matrix){x, 1000, 3}, &c);
        assert_true(c == mw_isolation_c(cases[i].max_samples));
        mw_err err = {0};
        assert_ok(mw_trees_check(trees, &err));
        for (int32_t t = 0; t < 20; t++) {
            assert_int_equal(trees->nodes[trees->roots[t]].cover, cases[i].max_samples);
            assert_well_formed(trees, trees->roots[t], 0, cases[i].depth);
        }
        mw_trees_free(trees);
    }
    mw_free(x);
}

/* Rows in the sample are drawn without replacement: a tree of all rows isolates each of them. */
MW_TEST(sample_of_all_rows_holds_each_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    enum { ROWS = 3000 };
    static float x[ROWS];
    for (int i = 0; i < ROWS; i++) x[i] = (float)i;
    double c = 0;
    mw_trees *trees = fit(&ctx, 2, ROWS, (mw_matrix){x, ROWS, 1}, &c);
    uint64_t n_rows = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++)
        if (trees->nodes[i].left < 0) n_rows += trees->nodes[i].cover;
    assert_int_equal(n_rows, 2 * ROWS);
    mw_trees_free(trees);
    trees = fit(&ctx, 2, 2500, (mw_matrix){x, ROWS, 1}, &c); /* the one-pass sampler */
    assert_int_equal(trees->nodes[0].cover, 2500);
    mw_trees_free(trees);
}

MW_TEST(outlier_ranks_first) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    enum { ROWS = 500, COLUMNS = 4 };
    for (uint64_t round = 0; round < 10; round++) {
        ctx.seed = mw_test_seed() + round;
        float *x = normal_rows(ctx.seed, ROWS, COLUMNS);
        for (int f = 0; f < COLUMNS; f++) x[123 * COLUMNS + f] = 12;
        double c = 0, scores[ROWS];
        mw_trees *trees = fit(&ctx, 100, 256, (mw_matrix){x, ROWS, COLUMNS}, &c);
        assert_ok(mw_isolation_score(&ctx, trees, c, (mw_matrix){x, ROWS, COLUMNS}, scores, &err));
        for (int i = 0; i < ROWS; i++) {
            assert_true(scores[i] > 0 && scores[i] < 1);
            assert_true(i == 123 || scores[i] < scores[123]);
        }
        mw_trees_free(trees);
        mw_free(x);
    }
}

MW_TEST(missing_values) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    enum { ROWS = 400 };
    static float x[ROWS * 3];
    const float nan = __builtin_nanf("");
    for (int i = 0; i < ROWS; i++) {
        x[i * 3] = nan; /* a column without a value is never used */
        x[i * 3 + 1] = (float)i;
        x[i * 3 + 2] = i % 2 ? 5 : nan; /* one value, and missing: nothing to cut */
    }
    double c = 0, importance[3];
    mw_trees *trees = fit(&ctx, 30, 256, (mw_matrix){x, ROWS, 3}, &c);
    mw_isolation_importance(trees, importance);
    assert_true(importance[0] == 0 && importance[1] == 1 && importance[2] == 0);
    mw_trees_free(trees);
    /* A tenth of the rows lies left of every cut but one: missing values mostly go right. */
    for (int i = 0; i < ROWS; i++) x[i] = i % 10 == 0 ? 0 : i % 10 == 1 ? nan : 1;
    int n_left = 0;
    trees = fit(&ctx, 400, 256, (mw_matrix){x, ROWS, 1}, &c);
    for (int t = 0; t < 400; t++) n_left += trees->nodes[trees->roots[t]].missing_left;
    assert_in_range(n_left, 18, 72); /* 400 * (1/9) = 44, standard deviation 6.3 */
    mw_trees_free(trees);
}

/* Each tree splits by the features drawn for it and no other; over many trees, by all of them. */
MW_TEST(a_tree_keeps_to_its_features) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    enum { TREES = 60, COLUMNS = 6 };
    mw_err err = {0};
    float *x = normal_rows(3, 300, COLUMNS);
    for (int32_t most = 1; most <= COLUMNS + 1; most++) {
        mw_trees *trees = NULL;
        double c = 0;
        unsigned seen = 0;
        const mw_isolation_options options = {
            .n_estimators = TREES, .max_samples = 256, .max_features = most};
        assert_ok(mw_isolation_fit(&ctx, &options, (mw_matrix){x, 300, COLUMNS}, &trees, &c, &err));
        for (int32_t t = 0; t < TREES; t++) {
            const int64_t end = t + 1 < TREES ? trees->roots[t + 1] : trees->n_nodes;
            unsigned used = 0;
            for (int64_t i = trees->roots[t]; i < end; i++)
                if (trees->nodes[i].left >= 0) used |= 1U << trees->nodes[i].feature;
            assert_true(__builtin_popcount(used) <= most);
            seen |= used;
        }
        assert_int_equal(seen, (1 << COLUMNS) - 1);
        mw_trees_free(trees);
    }
    mw_free(x);
}

/* With replacement, 50 rows drawn out of 50 hold about 1 - 1/e of them: trees have fewer leaves of one row. */
MW_TEST(bootstrap_draws_rows_again) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    float x[50];
    for (int i = 0; i < 50; i++) x[i] = (float)i;
    mw_trees *trees = NULL;
    double c = 0;
    const mw_isolation_options options = {
        .n_estimators = 100, .max_samples = 400, .bootstrap = true};
    assert_ok(mw_isolation_fit(&ctx, &options, (mw_matrix){x, 50, 1}, &trees, &c, &err));
    assert_true(c == mw_isolation_c(50) && trees->nodes[0].cover == 50);
    mw_trees *without = fit(&ctx, 100, 400, (mw_matrix){x, 50, 1}, &c);
    assert_true((double)trees->n_leaves < 0.85 * (double)without->n_leaves);
    mw_trees_free(without);
    mw_trees_free(trees);
}

MW_TEST(importance_is_the_share_of_steps) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float *x = normal_rows(5, 300, 2);
    double c = 0, importance[2], steps[2] = {0, 0};
    mw_trees *trees = fit(&ctx, 10, 300, (mw_matrix){x, 300, 2}, &c);
    for (int t = 0; t < 10; t++)
        for (int row = 0; row < 300; row++)
            for (const mw_node *n = &trees->nodes[trees->roots[t]]; n->left >= 0;
                 n = &trees->nodes[x[row * 2 + n->feature] <= n->threshold ? n->left : n->right])
                steps[n->feature]++;
    mw_isolation_importance(trees, importance);
    for (int f = 0; f < 2; f++)
        assert_true(mw_abs(importance[f] - steps[f] / (steps[0] + steps[1])) < 1e-12);
    mw_trees_free(trees);
    mw_free(x);
}

static uint64_t hash_of(const mw_trees *trees) {
    uint64_t hash = mw_hash64(trees->values, (size_t)trees->n_leaves * sizeof *trees->values);
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *n = &trees->nodes[i];
        float threshold = n->threshold;
        uint64_t all[7] = {hash,     (uint64_t)n->feature, (uint64_t)n->left, (uint64_t)n->right,
                           n->cover, n->missing_left};
        memcpy(&all[6], &threshold, sizeof threshold);
        hash = mw_hash64(all, sizeof all);
    }
    return hash;
}

MW_TEST(same_bytes_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    float *x = normal_rows(9, 2000, 5);
    const mw_matrix matrix = {x, 2000, 5};
    uint64_t want = 0;
    double first[2000], scores[2000];
    for (size_t i = 0; i < 4; i++) {
        mw_err err = {0};
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        ctx.seed = 7;
        double c = 0;
        assert_ok(mw_pool_new(NULL, counts[i], &ctx.pool, &err));
        mw_trees *trees = fit(&ctx, 50, 256, matrix, &c);
        assert_ok(mw_isolation_score(&ctx, trees, c, matrix, i ? scores : first, &err));
        if (i == 0)
            want = hash_of(trees);
        else
            assert_memory_equal(scores, first, sizeof first);
        assert_true(hash_of(trees) == want);
        mw_trees_free(trees);
        ctx.seed = 8;
        trees = fit(&ctx, 50, 256, matrix, &c);
        assert_true(hash_of(trees) != want);
        mw_trees_free(trees);
        mw_pool_free(ctx.pool);
    }
    mw_free(x);
}

MW_TEST(bad_input) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_trees *trees = NULL;
    double c = -1;
    float x[4] = {1, 2, 3, 4};
    mw_matrix matrix = {x, 2, 2};
    const struct {
        mw_isolation_options options;
        const char *name;
    } wrong[] = {{{.n_estimators = 0, .max_samples = 256}, "n_estimators"},
                 {{.n_estimators = 10001, .max_samples = 256}, "n_estimators"},
                 {{.n_estimators = 9, .max_samples = 0}, "max_samples"},
                 {{.n_estimators = 9, .max_samples = 9, .max_features = -1}, "max_features"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_status status = mw_isolation_fit(&ctx, &wrong[i].options, matrix, &trees, &c, &err);
        assert_int_equal(status, MW_EINVAL);
        assert_string_equal(err.pointer, wrong[i].name);
    }
    mw_isolation_options good;
    mw_isolation_defaults(&good);
    const mw_matrix no_rows = {x, 0, 2}, no_features = {x, 2, 0};
    assert_status(mw_isolation_fit(&ctx, &good, no_rows, &trees, &c, &err), MW_EDATA);
    assert_status(mw_isolation_fit(&ctx, &good, no_features, &trees, &c, &err), MW_EDATA);
    x[2] = __builtin_inff();
    assert_status(mw_isolation_fit(&ctx, &good, matrix, &trees, &c, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 1, feature 0"));
    enum { ROWS = 20000 };
    float *many = mw_calloc(NULL, ROWS, sizeof *many);
    const mw_isolation_options large = {.n_estimators = 1000, .max_samples = ROWS};
    const mw_matrix tall = {many, ROWS, 1};
    assert_status(mw_isolation_fit(&ctx, &large, tall, &trees, &c, &err), MW_ETOOLARGE);
    assert_non_null(strstr(err.hint, "max_samples"));
    mw_free(many);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    x[2] = 3;
    assert_status(mw_isolation_fit(&ctx, &good, matrix, &trees, &c, &err), MW_ECANCELED);
    assert_true(trees == NULL && c == -1);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(every_allocation_fails_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float x[200];
    for (int i = 0; i < 200; i++) x[i] = (float)((i * 37) % 101);
    const mw_matrix matrix = {x, 100, 2};
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_trees *trees = NULL;
        double c = 0, scores[100];
        const mw_isolation_options options = {.n_estimators = 3, .max_samples = 64};
        mw_alloc_fail_at(n);
        mw_status status = mw_isolation_fit(&ctx, &options, matrix, &trees, &c, &err);
        if (status == MW_OK) status = mw_isolation_score(&ctx, trees, c, matrix, scores, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        mw_trees_free(trees);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
        assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
        if (!fired) {
            assert_true(n > 8);
            return;
        }
    }
}

MW_TEST_MAIN(MW_RUN(path_length_constant_equals_scikit_learn), MW_RUN(small_trees_by_hand),
             MW_RUN(one_row_and_equal_rows), MW_RUN(trees_are_well_formed),
             MW_RUN(sample_of_all_rows_holds_each_once), MW_RUN(outlier_ranks_first),
             MW_RUN(missing_values), MW_RUN(a_tree_keeps_to_its_features),
             MW_RUN(bootstrap_draws_rows_again), MW_RUN(importance_is_the_share_of_steps),
             MW_RUN(same_bytes_at_any_thread_count), MW_RUN(bad_input),
             MW_RUN(every_allocation_fails_once))
