/* test_scorer_rows.c -- rows that are kept for a scorer against the same rows as they are, bit for bit. */
#include "support/harness.h"

#include <string.h>

#include "core/base/threads.h"
#include "learn/tree/scorer_rows.h"
#include "scorer_shapes.h"
#include "support/fault_loop.h"

/* Kept rows give what the rows themselves give: the sums wanted, and the same leaves. */
static void assert_kept(const mw_ctx *ctx, const mw_scorer *scorer, const mw_scorer_rows *rows,
                        int32_t first, int32_t last, mw_matrix matrix, int32_t n_outputs,
                        const double *want) {
    mw_err err = {0};
    const size_t n_sums = (size_t)(matrix.n_rows * n_outputs);
    const size_t n_leaves = (size_t)(matrix.n_rows * (last - first));
    double *sums = mw_alloc_array(NULL, n_sums, sizeof *sums);
    int32_t *leaves = mw_alloc_array(NULL, 2 * n_leaves, sizeof *leaves);
    memset(sums, 0xFF, n_sums * sizeof *sums);
    memset(leaves, 0xFF, n_leaves * sizeof *leaves);
    mw_alloc_fail_at(0);
    assert_ok(mw_scorer_rows_score(ctx, rows, first, last, sums, &err));
    assert_ok(mw_scorer_rows_leaves(ctx, rows, first, last, leaves, &err));
    assert_int_equal(mw_alloc_count(), 0);
    assert_memory_equal(sums, want, n_sums * sizeof *sums);
    assert_ok(mw_scorer_leaves(ctx, scorer, first, last, matrix, leaves + n_leaves, &err));
    assert_memory_equal(leaves, leaves + n_leaves, n_leaves * sizeof *leaves);
    mw_free(leaves);
    mw_free(sums);
}

/* Rows with other values of some features, one after another, are those made of these values. x is changed. */
static void assert_replaced(const mw_ctx *ctx, const mw_scorer *scorer, const mw_trees *trees,
                            mw_rng *rng, float *x, int64_t n_rows) {
    mw_err err = {0};
    const int32_t width = trees->n_features;
    const mw_matrix matrix = {x, n_rows, width};
    float *other = random_rows(rng, trees, n_rows);
    float *values = mw_alloc_array(NULL, (size_t)n_rows, sizeof *values);
    double *want = mw_alloc_array(NULL, (size_t)(n_rows * trees->n_outputs), sizeof *want);
    mw_scorer_rows *rows = NULL;
    assert_ok(mw_scorer_rows_new(ctx, scorer, matrix, &rows, &err));
    for (int k = 0; k < 3; k++) {
        const int32_t feature = (int32_t)mw_rng_below(rng, (uint64_t)width);
        for (int64_t i = 0; i < n_rows; i++)
            x[i * width + feature] = values[i] = other[(i + k) % n_rows * width + feature];
        assert_ok(mw_scorer_rows_feature(ctx, rows, feature, values, &err));
        assert_ok(mw_scorer_score(ctx, scorer, 0, trees->n_trees, matrix, want, &err));
        assert_kept(ctx, scorer, rows, 0, trees->n_trees, matrix, trees->n_outputs, want);
    }
    mw_scorer_rows_free(rows);
    mw_free(want);
    mw_free(values);
    mw_free(other);
}

static void assert_equal(const mw_ctx *ctx, const mw_scorer *scorer, const mw_trees *trees,
                         mw_rng *rng, int64_t n_rows) {
    mw_err err = {0};
    const mw_ctx alone = {.org = ctx->org, .mem = ctx->mem, .clock = ctx->clock, .io = ctx->io};
    float *x = random_rows(rng, trees, n_rows);
    double *want = mw_alloc_array(NULL, (size_t)(n_rows * trees->n_outputs), sizeof *want);
    const mw_matrix matrix = {x, n_rows, trees->n_features};
    mw_scorer_rows *rows = NULL;
    assert_ok(mw_scorer_rows_new(ctx, scorer, matrix, &rows, &err));
    int32_t first = 0, last = trees->n_trees;
    for (int part = 0; part < 3; part++) {
        assert_ok(mw_scorer_score(&alone, scorer, first, last, matrix, want, &err));
        assert_kept(ctx, scorer, rows, first, last, matrix, trees->n_outputs, want);
        assert_kept(&alone, scorer, rows, first, last, matrix, trees->n_outputs, want);
        first = (int32_t)mw_rng_below(rng, (uint64_t)trees->n_trees + 1);
        last = first + (int32_t)mw_rng_below(rng, (uint64_t)(trees->n_trees - first) + 1);
    }
    mw_scorer_rows_free(rows);
    assert_replaced(ctx, scorer, trees, rng, x, n_rows);
    mw_free(want);
    mw_free(x);
}

MW_TEST(kept_rows_score_as_rows_do) {
    static const int64_t n_rows[] = {0, 1, 6, 7, 31, 32, 33, 127, 128, 129, 512, 513, 1500};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_pool_new(NULL, 3, &ctx.pool, &err));
    const mw_cpu best = mw_cpu_level();
    for (size_t i = 0; i < sizeof mw_shapes / sizeof *mw_shapes; i++) {
        mw_trees *trees = random_trees(&rng, &mw_shapes[i]);
        mw_scorer *scorer = NULL;
        assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
        for (size_t l = 0; l < sizeof mw_levels / sizeof *mw_levels; l++) {
            if (!mw_cpu_has(mw_levels[l])) continue;
            mw_cpu_force(mw_levels[l]);
            for (size_t k = 0; k < 4; k++)
                assert_equal(&ctx, scorer, trees, &rng, n_rows[(3 * i + 4 * l + k) % 13]);
        }
        mw_scorer_free(scorer);
        mw_trees_free(trees);
    }
    mw_cpu_force(best);
    mw_pool_free(ctx.pool);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

/* Several columns of bytes for a feature. */
MW_TEST(kept_rows_of_many_thresholds) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int32_t n_trees = 2; n_trees <= 90; n_trees *= 6) {
        const mw_shape shape = {n_trees, 2, 1, 200, 250, 0, false, false};
        mw_trees *trees = random_trees(&rng, &shape);
        mw_scorer *scorer = NULL;
        assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
        assert_equal(&ctx, scorer, trees, &rng, 300);
        mw_scorer_free(scorer);
        mw_trees_free(trees);
    }
}

enum { SOME_ROWS = 300 };

/* By masks, and by walks. */
static const mw_shape kept_shapes[] = {{20, 4, 1, 31, 31, 0, true, true},
                                       {20, 4, 1, 300, 300, 0, true, true}};

MW_TEST(kept_rows_can_be_refused_and_canceled) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 5, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_cancel cancel = {0};
    ctx.cancel = &cancel;
    for (size_t i = 0; i < sizeof kept_shapes / sizeof *kept_shapes; i++) {
        mw_trees *trees = random_trees(&rng, &kept_shapes[i]);
        float *x = random_rows(&rng, trees, SOME_ROWS);
        double out[SOME_ROWS];
        mw_scorer *scorer = NULL;
        mw_scorer_rows *rows = NULL, *none = NULL;
        const mw_matrix good = {x, SOME_ROWS, 4}, narrow = {x, SOME_ROWS, 3};
        const mw_matrix endless = {x, INT64_MAX, 4};
        assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
        assert_ok(mw_scorer_rows_new(&ctx, scorer, good, &rows, &err));
        const size_t used = mw_mem_used(ctx.mem);
        assert_status(mw_scorer_rows_new(&ctx, scorer, narrow, &none, &err), MW_EINVAL);
        assert_status(mw_scorer_rows_new(&ctx, scorer, endless, &none, &err), MW_ENOMEM);
        atomic_store(&cancel.requested, true);
        assert_status(mw_scorer_rows_new(&ctx, scorer, good, &none, &err), MW_ECANCELED);
        assert_status(mw_scorer_rows_score(&ctx, rows, 0, 20, out, &err), MW_ECANCELED);
        assert_status(mw_scorer_rows_feature(&ctx, rows, 0, x, &err), MW_ECANCELED);
        atomic_store(&cancel.requested, false);
        assert_null(none);
        assert_int_equal(mw_mem_used(ctx.mem), used);
        mw_scorer_rows_free(rows);
        mw_scorer_free(scorer);
        mw_free(x);
        mw_trees_free(trees);
    }
    assert_null(mw_scorer_rows_free(NULL));
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

/* One feature, few thresholds, both sides for missing values: two columns of bytes; or the values themselves. */
MW_TEST(kept_rows_are_as_large_as_told) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 6, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (uint64_t n_leaves = 30; n_leaves <= 300; n_leaves += 270) {
        const mw_shape shape = {20, 1, 1, n_leaves, n_leaves, 50, false, false};
        mw_trees *trees = random_trees(&rng, &shape);
        float *x = random_rows(&rng, trees, 10 * SOME_ROWS);
        mw_scorer *scorer = NULL;
        mw_scorer_rows *rows = NULL;
        assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
        const size_t used = mw_mem_used(ctx.mem);
        assert_ok(mw_scorer_rows_new(&ctx, scorer, (mw_matrix){x, 3000, 1}, &rows, &err));
        const size_t bytes = mw_mem_used(ctx.mem) - used, told = n_leaves < 256 ? 2 * 3072 : 12000;
        assert_in_range(bytes, told, told + 100);
        mw_scorer_rows_free(rows);
        mw_scorer_free(scorer);
        mw_free(x);
        mw_trees_free(trees);
    }
}

typedef struct scenario {
    const mw_trees *trees;
    mw_matrix matrix;
    double *out;
} scenario;

static mw_status keep_and_score(const mw_ctx *ctx, void *arg, mw_err *err) {
    const scenario *s = arg;
    mw_scorer *scorer = NULL;
    mw_scorer_rows *rows = NULL;
    mw_status status = mw_scorer_new(ctx, s->trees, &scorer, err);
    if (!status) status = mw_scorer_rows_new(ctx, scorer, s->matrix, &rows, err);
    if (!status) status = mw_scorer_rows_score(ctx, rows, 0, s->trees->n_trees, s->out, err);
    mw_scorer_rows_free(rows);
    mw_scorer_free(scorer);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 4, 0);
    for (size_t i = 0; i < sizeof kept_shapes / sizeof *kept_shapes; i++) {
        mw_trees *trees = random_trees(&rng, &kept_shapes[i]);
        float *x = random_rows(&rng, trees, SOME_ROWS);
        double out[SOME_ROWS];
        scenario s = {trees, {x, SOME_ROWS, 4}, out};
        assert_true(mw_fault_loop_alloc(keep_and_score, &s) > 7);
        mw_free(x);
        mw_trees_free(trees);
    }
}

MW_TEST_MAIN(MW_RUN(kept_rows_score_as_rows_do), MW_RUN(kept_rows_of_many_thresholds),
             MW_RUN(kept_rows_can_be_refused_and_canceled), MW_RUN(kept_rows_are_as_large_as_told),
             MW_RUN(any_failed_allocation_is_survived))
