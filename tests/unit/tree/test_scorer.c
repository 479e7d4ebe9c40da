/* test_scorer.c -- every layout, CPU level and number of threads against the plain walk, bit for bit. */
#include "support/harness.h"

#include <string.h>

#include "core/base/threads.h"
#include "learn/tree/scorer.h"
#include "scorer_shapes.h"

/* The plain walk over some of the trees; the base belongs to the first. */
static void score_plainly(const mw_trees *trees, int32_t first, int32_t last, const float *row,
                          double *out) {
    mw_trees some = *trees;
    some.roots = trees->roots + first;
    some.n_trees = last - first;
    if (first) some.base = NULL;
    mw_trees_score_row(&some, row, out);
}

static void assert_leaves(const mw_ctx *ctx, const mw_scorer *scorer, const mw_trees *trees,
                          int32_t first, int32_t last, mw_matrix matrix) {
    mw_err err = {0};
    const int32_t n = last - first, k = trees->n_outputs;
    mw_trees leaves_only = *trees;
    leaves_only.base = NULL;
    int32_t *leaves = mw_alloc_array(NULL, (size_t)(matrix.n_rows * n), sizeof *leaves);
    double *want = mw_alloc_array(NULL, (size_t)k, sizeof *want);
    assert_ok(mw_scorer_leaves(ctx, scorer, first, last, matrix, leaves, &err));
    for (int64_t row = 0; row < matrix.n_rows; row += 1 + matrix.n_rows / 50)
        for (int32_t t = 0; t < n; t++) {
            score_plainly(&leaves_only, first + t, first + t + 1,
                          matrix.x + row * matrix.n_features, want);
            const float *values = trees->values + (int64_t)leaves[row * n + t] * k;
            for (int32_t i = 0; i < k; i++) assert_true(want[i] == (double)values[i]);
        }
    mw_free(want);
    mw_free(leaves);
}

static void assert_equal(const mw_trees *trees, mw_pool *pool, mw_rng *rng, int64_t n_rows) {
    const int32_t n_features = trees->n_features, n_outputs = trees->n_outputs;
    const size_t n_values = (size_t)(n_rows * n_outputs);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float *x = random_rows(rng, trees, n_rows);
    double *got = mw_alloc_array(NULL, n_values, sizeof *got);
    double *want = mw_alloc_array(NULL, n_values, sizeof *want);
    const mw_matrix matrix = {x, n_rows, n_features};
    int32_t first = 0, last = trees->n_trees;
    mw_scorer *scorer = NULL;
    assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
    for (int part = 0; part < 2; part++) {
        for (int64_t row = 0; row < n_rows; row++) {
            score_plainly(trees, first, last, x + row * n_features, want + row * n_outputs);
            mw_scorer_row(scorer, first, last, x + row * n_features, got + row * n_outputs);
        }
        assert_memory_equal(got, want, n_values * sizeof *got);
        for (int pooled = 0; pooled < 2; pooled++) {
            ctx.pool = pooled ? pool : NULL;
            memset(got, 0xFF, n_values * sizeof *got);
            assert_ok(mw_scorer_score(&ctx, scorer, first, last, matrix, got, &err));
            assert_memory_equal(got, want, n_values * sizeof *got);
        }
        assert_leaves(&ctx, scorer, trees, first, last, matrix);
        first = (int32_t)mw_rng_below(rng, (uint64_t)trees->n_trees + 1);
        last = first + (int32_t)mw_rng_below(rng, (uint64_t)(trees->n_trees - first) + 1);
    }
    mw_scorer_free(scorer);
    mw_free(want);
    mw_free(got);
    mw_free(x);
}

MW_TEST(every_way_equals_the_plain_walk) {
    static const int64_t rows[] = {0, 1, 2, 6, 7, 15, 16, 17, 32, 33, 127, 129, 513, 1000};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_pool *pool = NULL;
    assert_ok(mw_pool_new(NULL, 3, &pool, &err));
    const mw_cpu best = mw_cpu_level();
    for (size_t i = 0; i < sizeof mw_shapes / sizeof *mw_shapes; i++) {
        mw_trees *trees = random_trees(&rng, &mw_shapes[i]);
        assert_ok(mw_trees_check(trees, &err));
        for (size_t l = 0; l < sizeof mw_levels / sizeof *mw_levels; l++) {
            if (!mw_cpu_has(mw_levels[l])) continue;
            mw_cpu_force(mw_levels[l]);
            for (size_t k = 0; k < 4; k++)
                assert_equal(trees, pool, &rng, rows[(3 * i + 4 * l + k) % 14]);
            assert_equal(trees, pool, &rng, 150);
        }
        mw_trees_free(trees);
    }
    mw_cpu_force(best);
    mw_pool_free(pool);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

/* More distinct thresholds than one, two and three levels of 16 hold. */
MW_TEST(ranks_of_many_thresholds) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    for (int32_t n_trees = 1; n_trees <= 90; n_trees = 3 * n_trees + (n_trees == 1)) {
        const mw_shape shape = {n_trees, 1, 1, 14, 250, 0, false, false};
        mw_trees *trees = random_trees(&rng, &shape);
        assert_equal(trees, NULL, &rng, 300);
        mw_trees_free(trees);
    }
}

/* Sums of parts, the first of them with the base, are the whole's. */
MW_TEST(base_values_belong_to_the_first_tree) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_node nodes[2] = {{.feature = -1, .left = -1, .right = 0},
                        {.feature = -1, .left = -1, .right = 1}};
    int64_t roots[2] = {0, 1};
    float values[4] = {1, 2, 4, 8}, x[9] = {0};
    double base[2] = {16, 32}, out[18];
    mw_trees trees = {.n_features = 1,
                      .n_outputs = 2,
                      .n_trees = 2,
                      .n_nodes = 2,
                      .n_leaves = 2,
                      .roots = roots,
                      .nodes = nodes,
                      .values = values,
                      .base = base};
    static const struct {
        int32_t first, last;
        double out[2];
    } parts[] = {{0, 0, {16, 32}}, {0, 1, {17, 34}}, {0, 2, {21, 42}},
                 {1, 1, {0, 0}},   {1, 2, {4, 8}},   {2, 2, {0, 0}}};
    mw_scorer *scorer = NULL;
    assert_ok(mw_scorer_new(&ctx, &trees, &scorer, &err));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int64_t n = 1; n <= 9; n += 4) {
            const mw_matrix matrix = {x, n, 1};
            assert_ok(
                mw_scorer_score(&ctx, scorer, parts[i].first, parts[i].last, matrix, out, &err));
            for (int64_t row = 0; row < n; row++)
                assert_memory_equal(out + 2 * row, parts[i].out, sizeof parts[i].out);
        }
    mw_scorer_free(scorer);
}

MW_TEST(prepared_trees_use_their_scorer) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 3, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const mw_shape shape = {20, 4, 1, 31, 31, 0, false, true};
    mw_trees *trees = random_trees(&rng, &shape);
    float *x = random_rows(&rng, trees, 100);
    const mw_matrix matrix = {x, 100, 4}, narrow = {x, 100, 3};
    double want[100], got[100];
    assert_ok(mw_trees_score(&ctx, trees, matrix, want, &err));
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    assert_non_null(trees->scorer);
    assert_ok(mw_trees_score(&ctx, trees, matrix, got, &err));
    assert_memory_equal(got, want, sizeof got);
    assert_status(mw_trees_score(&ctx, trees, narrow, got, &err), MW_EINVAL);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    assert_status(mw_trees_score(&ctx, trees, matrix, got, &err), MW_ECANCELED);
    mw_free(x);
    mw_trees_free(trees);
    assert_null(mw_scorer_free(NULL));
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(any_failed_allocation_is_survived) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 4, 0);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const mw_shape shape = {20, 4, 1, 31, 31, 0, true, true};
    mw_trees *trees = random_trees(&rng, &shape);
    float *x = random_rows(&rng, trees, 100);
    double out[100];
    const size_t used = mw_mem_used(ctx.mem);
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_alloc_fail_at(n);
        mw_status status = mw_trees_score(&ctx, trees, (mw_matrix){x, 100, 4}, out, &err);
        const bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(ctx.mem), used);
        if (!fired) {
            assert_int_equal(status, MW_OK);
            assert_true(n > 15);
            break;
        }
        assert_int_equal(status, MW_ENOMEM);
    }
    mw_free(x);
    mw_trees_free(trees);
}

MW_TEST_MAIN(MW_RUN(every_way_equals_the_plain_walk), MW_RUN(ranks_of_many_thresholds),
             MW_RUN(base_values_belong_to_the_first_tree), MW_RUN(prepared_trees_use_their_scorer),
             MW_RUN(any_failed_allocation_is_survived))
