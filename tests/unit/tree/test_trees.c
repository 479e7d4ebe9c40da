/* test_trees.c -- batch scoring against the plain walk, bit for bit, over random ensembles. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/trees.h"

/* Chains, stumps and bushes: each new split takes a random leaf of the tree so far. */
static mw_trees *random_trees(mw_rng *rng, int32_t n_trees, uint64_t splits_most,
                              int32_t n_features, int32_t n_outputs) {
    const int64_t most = (int64_t)n_trees * (2 * (int64_t)splits_most + 1);
    mw_trees *trees = mw_calloc(NULL, 1, sizeof *trees);
    *trees = (mw_trees){.n_features = n_features, .n_outputs = n_outputs, .n_trees = n_trees};
    trees->roots = mw_alloc_array(NULL, (size_t)n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(NULL, (size_t)most, sizeof *trees->nodes);
    trees->values = mw_alloc_array(NULL, (size_t)(most * n_outputs), sizeof *trees->values);
    for (int32_t t = 0; t < n_trees; t++) {
        const int64_t root = trees->n_nodes++;
        trees->roots[t] = root;
        trees->nodes[root].left = -1;
        const uint64_t n_splits = mw_rng_below(rng, splits_most + 1);
        for (uint64_t k = 0; k < n_splits; k++) {
            int64_t at = root + (int64_t)mw_rng_below(rng, (uint64_t)(trees->n_nodes - root));
            while (trees->nodes[at].left >= 0) at++; /* the last node of a tree is a leaf */
            mw_node *n = &trees->nodes[at];
            n->feature = (int32_t)mw_rng_below(rng, (uint64_t)n_features);
            n->threshold = (float)mw_rng_below(rng, 5);
            n->missing_left = mw_rng_below(rng, 2);
            n->left = (int32_t)trees->n_nodes++;
            n->right = (int32_t)trees->n_nodes++;
            trees->nodes[n->left].left = trees->nodes[n->right].left = -1;
        }
        for (int64_t i = root; i < trees->n_nodes; i++)
            if (trees->nodes[i].left < 0) {
                trees->nodes[i].feature = -1;
                trees->nodes[i].right = (int32_t)trees->n_leaves++;
            }
    }
    for (int64_t i = 0; i < trees->n_leaves * n_outputs; i++)
        trees->values[i] = (float)mw_rng_normal(rng);
    return trees;
}

/* Values equal to thresholds, between them, missing and infinite. */
static float *random_rows(mw_rng *rng, int64_t n) {
    float *x = mw_alloc_array(NULL, (size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)mw_rng_below(rng, 11) / 2;
        if (mw_rng_below(rng, 6) == 0) x[i] = __builtin_nanf("");
        if (mw_rng_below(rng, 20) == 0)
            x[i] = mw_rng_below(rng, 2) ? __builtin_inff() : -__builtin_inff();
    }
    return x;
}

MW_TEST(batch_equals_plain_walk) {
    static const int64_t rows[] = {0, 1, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1500};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_pool_new(NULL, 3, &ctx.pool, &err));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int32_t n_features = 1 + (int32_t)mw_rng_below(&rng, 6);
        const int32_t n_outputs = 1 + (int32_t)mw_rng_below(&rng, 3);
        /* Large trees and few rows take the plain walk, the others the batch. */
        const uint64_t splits_most = i % 3 == 2 ? 4000 : 40;
        mw_trees *trees = random_trees(&rng, 1 + (int32_t)mw_rng_below(&rng, 70), splits_most,
                                       n_features, n_outputs);
        const size_t n_values = (size_t)(rows[i] * n_outputs);
        float *x = random_rows(&rng, rows[i] * n_features);
        double *got = mw_alloc_array(NULL, n_values, sizeof *got);
        double *want = mw_alloc_array(NULL, n_values, sizeof *want);
        for (int64_t row = 0; row < rows[i]; row++)
            mw_trees_score_row(trees, x + row * n_features, want + row * n_outputs);
        for (int pooled = 0; pooled < 2; pooled++) {
            mw_ctx here = ctx;
            if (!pooled) here.pool = NULL;
            memset(got, 0xFF, n_values * sizeof *got);
            const mw_matrix matrix = {x, rows[i], n_features};
            assert_ok(mw_trees_score(&here, trees, matrix, got, &err));
            assert_int_equal(memcmp(got, want, n_values * sizeof *got), 0);
        }
        mw_free(got);
        mw_free(want);
        mw_free(x);
        mw_trees_free(trees);
    }
    mw_pool_free(ctx.pool);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(untrusted_trees) {
    mw_rng rng;
    mw_rng_init(&rng, 3, 1, 0);
    mw_err err = {0};
    mw_trees *trees = random_trees(&rng, 6, 40, 3, 2);
    assert_ok(mw_trees_check(trees, &err));
    int64_t split = trees->roots[2];
    while (trees->nodes[split].left < 0) split++;
    int64_t leaf = split;
    while (trees->nodes[leaf].left >= 0) leaf++;
    mw_node *s = &trees->nodes[split], *l = &trees->nodes[leaf];
    const mw_node good_split = *s, good_leaf = *l;
    const mw_node bad_splits[] = {
        {.left = (int32_t)split, .right = good_split.right},         /* itself */
        {.left = 0, .right = good_split.right},                      /* an earlier tree's */
        {.left = good_split.right, .right = good_split.right},       /* the same twice */
        {.left = good_split.left, .right = (int32_t)trees->n_nodes}, /* beyond the end */
        {.left = good_split.left, .right = -5},
        {.left = good_split.left, .right = good_split.right, .feature = 3},
        {.left = good_split.left, .right = good_split.right, .feature = -1},
        {.left = good_split.left, .right = good_split.right, .threshold = __builtin_nanf("")},
        {.left = -1, .right = 0}, /* its children then have no parent */
    };
    for (size_t i = 0; i < sizeof bad_splits / sizeof *bad_splits; i++) {
        *s = bad_splits[i];
        assert_status(mw_trees_check(trees, &err), MW_EDATA);
    }
    *s = good_split;
    l->right = (int32_t)trees->n_leaves;
    assert_status(mw_trees_check(trees, &err), MW_EDATA);
    *l = good_leaf;
    const int64_t root = trees->roots[3];
    const int64_t bad_roots[] = {-1, trees->roots[2], trees->n_nodes, root + 1};
    for (size_t i = 0; i < 4; i++) {
        trees->roots[3] = bad_roots[i];
        assert_status(mw_trees_check(trees, &err), MW_EDATA);
    }
    trees->roots[3] = root;
    trees->values[3] = __builtin_inff();
    assert_status(mw_trees_check(trees, &err), MW_EDATA);
    trees->values[3] = 0;
    trees->base = mw_calloc(NULL, 2, sizeof *trees->base);
    assert_ok(mw_trees_check(trees, &err));
    trees->base[1] = __builtin_nan("");
    assert_status(mw_trees_check(trees, &err), MW_EDATA);
    trees->base[1] = -1e300;
    assert_ok(mw_trees_check(trees, &err));
    trees->set_starts = mw_calloc(NULL, 2, sizeof *trees->set_starts);
    trees->set_words = mw_calloc(NULL, 2, sizeof *trees->set_words);
    trees->n_sets = 1;
    trees->set_starts[1] = 2;
    assert_status(mw_trees_check(trees, &err), MW_EDATA); /* an empty set */
    trees->set_words[0] = 1;
    assert_ok(mw_trees_check(trees, &err));
    trees->n_trees = 0;
    assert_status(mw_trees_check(trees, &err), MW_EDATA);
    mw_trees_free(trees);
}

/* x0 <= 1 ? (missing x1 left, x1 <= 5 ? 10 : 20) : 30, and a second tree that is one leaf of 0.5.
 */
MW_TEST(by_hand) {
    mw_node nodes[6] = {{.feature = 0, .threshold = 1, .left = 1, .right = 2},
                        {.feature = 1, .threshold = 5, .left = 3, .right = 4, .missing_left = true},
                        {.feature = -1, .left = -1, .right = 2},
                        {.feature = -1, .left = -1, .right = 0},
                        {.feature = -1, .left = -1, .right = 1},
                        {.feature = -1, .left = -1, .right = 3}};
    float values[4] = {10, 20, 30, 0.5F};
    int64_t roots[2] = {0, 5};
    const mw_trees trees = {.n_features = 2,
                            .n_outputs = 1,
                            .n_trees = 2,
                            .n_nodes = 6,
                            .n_leaves = 4,
                            .roots = roots,
                            .nodes = nodes,
                            .values = values};
    const float nan = __builtin_nanf("");
    const float x[5][2] = {{1, 5}, {1, 5.5F}, {1, nan}, {1.5F, 0}, {nan, 0}};
    const double want[5] = {10.5, 20.5, 10.5, 30.5, 30.5};
    for (int i = 0; i < 5; i++) {
        double out = -1;
        mw_trees_score_row(&trees, x[i], &out);
        assert_true(out == want[i]);
    }
}

MW_TEST(bad_input) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 1, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_trees *trees = random_trees(&rng, 5, 40, 3, 1);
    float *x = random_rows(&rng, 300);
    double out[100];
    const mw_matrix narrow = {x, 100, 2}, good = {x, 100, 3};
    assert_status(mw_trees_score(&ctx, trees, narrow, out, &err), MW_EINVAL);
    mw_alloc_fail_at(1);
    assert_status(mw_trees_score(&ctx, trees, good, out, &err), MW_ENOMEM);
    mw_alloc_fail_at(0);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    assert_status(mw_trees_score(&ctx, trees, good, out, &err), MW_ECANCELED);
    mw_free(x);
    mw_trees_free(trees);
    assert_null(mw_trees_free(NULL));
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST_MAIN(MW_RUN(batch_equals_plain_walk), MW_RUN(untrusted_trees), MW_RUN(by_hand),
             MW_RUN(bad_input))
