/* test_bins.c -- bins ask the same question as thresholds do, at any number of threads, on any values. */
#include "support/fault_loop.h"
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/bins.h"

static const mw_bins_options usual = {.max_bin = 255, .min_data_in_bin = 3, .sample_rows = 200000};

static float draw(mw_rng *rng, int kind) {
    switch (kind) {
    case 0: return (float)mw_rng_normal(rng);
    case 1: return (float)mw_rng_below(rng, 5);
    case 2: return mw_rng_below(rng, 10) ? 0.0F : (float)mw_rng_normal(rng); /* one heavy value */
    case 3: return mw_rng_below(rng, 10) ? __builtin_nanf("") : (float)mw_rng_uniform(rng);
    case 4: return (float)(mw_rng_normal(rng) * 1e38);
    case 5: return 7.5F;
    case 6: return mw_rng_below(rng, 2) ? -0.0F : 0.0F;
    default: return mw_rng_below(rng, 3) ? 1.0F : 1.0000001F;
    }
}

enum { KINDS = 8 };

static float *table(uint64_t seed, int64_t n_rows) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 0, 0);
    float *x = mw_alloc_array(NULL, (size_t)n_rows * KINDS, sizeof *x);
    for (int64_t i = 0; i < n_rows * KINDS; i++) x[i] = draw(&rng, (int)(i % KINDS));
    return x;
}

/* The first bin whose cut is at least x, looked for one by one. */
static int plain_bin(const mw_bins_column *c, float x) {
    if (x != x) return c->n_bins;
    int b = 0;
    while (b < c->n_bins - 1 && !(x <= c->cuts[b])) b++;
    return b;
}

MW_TEST(every_cell_is_in_the_first_bin_whose_cut_it_does_not_exceed) {
    static const int64_t rows[] = {1, 2, 3, 7, 100, 257, 5000};
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        float *x = table(k, rows[k]);
        mw_bins *bins;
        mw_binned binned;
        const mw_matrix matrix = {x, rows[k], KINDS};
        assert_ok(mw_bins_find(&ctx, matrix, &usual, &bins, &err));
        assert_ok(mw_bins_fill(&ctx, bins, matrix, true, &binned, &err));
        for (int32_t c = 0; c < bins->n_columns; c++) {
            const mw_bins_column *column = &bins->columns[c];
            assert_true(column->n_bins >= 1 && column->n_bins <= 255);
            assert_true(column->feature != 5); /* constant */
            assert_true(column->feature != 6); /* -0 is 0 */
            for (int32_t b = 1; b < column->n_bins - 1; b++)
                assert_true(column->cuts[b - 1] < column->cuts[b]);
            for (int64_t row = 0; row < rows[k]; row++) {
                const int bin = plain_bin(column, x[row * KINDS + column->feature]);
                assert_int_equal(binned.columns[c * rows[k] + row], bin);
                assert_int_equal(binned.rows[(size_t)row * binned.stride + (size_t)c], bin);
            }
        }
        mw_binned_done(&binned);
        mw_bins_free(bins);
        mw_free(x);
    }
}

MW_TEST(bins_hold_equal_counts_and_heavy_values_stand_alone) {
    enum { N = 20000 };
    mw_ctx ctx;
    mw_err err;
    mw_bins *bins;
    mw_binned binned;
    mw_ctx_init(&ctx);
    float *x = table(9, N);
    const mw_matrix matrix = {x, N, KINDS};
    assert_ok(mw_bins_find(&ctx, matrix, &usual, &bins, &err));
    assert_ok(mw_bins_fill(&ctx, bins, matrix, false, &binned, &err));
    assert_null(binned.rows);
    int64_t counts[3][256] = {{0}};
    for (int32_t c = 0; c < 3; c++)
        for (int64_t row = 0; row < N; row++) counts[c][binned.columns[c * N + row]]++;
    assert_int_equal(bins->columns[0].n_bins, 255);
    for (int b = 0; b < 254; b++)
        assert_true(counts[0][b] >= N / 255 / 2 && counts[0][b] <= 2 * N / 255);
    assert_int_equal(bins->columns[1].n_bins, 5);
    int64_t most = 0, zeros = 0;
    for (int b = 0; b < 256; b++)
        if (counts[2][b] > most) most = counts[2][b];
    for (int64_t row = 0; row < N; row++) zeros += x[row * KINDS + 2] == 0.0F;
    assert_true(most >= zeros && most < zeros + N / 255); /* what is left before it joins it */
    mw_binned_done(&binned);
    mw_bins_free(bins);
    mw_free(x);
}

MW_TEST(codes_have_bins_by_how_often_they_are) {
    enum { N = 6 };
    static const float x[N] = {7, 3, 3, 9, 9, 9};
    static const uint8_t by_code[] = {1};
    mw_bins_options options = usual;
    options.by_code = by_code;
    options.max_bin = 2;
    mw_ctx ctx;
    mw_err err;
    mw_bins *bins;
    mw_binned binned;
    mw_ctx_init(&ctx);
    assert_ok(mw_bins_find(&ctx, (mw_matrix){x, N, 1}, &options, &bins, &err));
    assert_int_equal(bins->columns[0].n_bins, 2);
    assert_int_equal(bins->columns[0].codes[0], 9);
    assert_int_equal(bins->columns[0].codes[1], 3);
    static const float more[] = {9, 3, 7, 8, 4000, -1, __builtin_nanf("")};
    static const uint8_t want[] = {0, 1, 2, 2, 2, 2, 2};
    assert_ok(mw_bins_fill(&ctx, bins, (mw_matrix){more, 7, 1}, false, &binned, &err));
    assert_memory_equal(binned.columns, want, 7);
    mw_binned_done(&binned);
    mw_bins_free(bins);
    static const float wrong[] = {1, 1.5F};
    assert_int_equal(mw_bins_find(&ctx, (mw_matrix){wrong, 2, 1}, &options, &bins, &err), MW_EDATA);
}

MW_TEST(threads_and_samples_do_not_matter_twice) {
    enum { N = 10007 };
    mw_err err;
    float *x = table(3, N);
    const mw_matrix matrix = {x, N, KINDS};
    mw_bins_options options = usual;
    options.sample_rows = 1000;
    mw_bins *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        mw_ctx ctx;
        mw_bins *bins;
        mw_ctx_init(&ctx);
        assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
        assert_ok(mw_bins_find(&ctx, matrix, &options, &bins, &err));
        for (int32_t c = 0; first && c < bins->n_columns; c++) {
            assert_int_equal(bins->columns[c].n_bins, first->columns[c].n_bins);
            assert_memory_equal(bins->columns[c].cuts, first->columns[c].cuts,
                                (size_t)(bins->columns[c].n_bins - 1) * sizeof(float));
        }
        if (first)
            mw_bins_free(bins);
        else
            first = bins;
        mw_pool_free(ctx.pool);
    }
    mw_bins_free(first);
    mw_free(x);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    const mw_matrix matrix = {arg, 300, KINDS};
    mw_bins *bins;
    mw_binned binned;
    mw_status status = mw_bins_find(ctx, matrix, &usual, &bins, err);
    if (status) return status;
    status = mw_bins_fill(ctx, bins, matrix, true, &binned, err);
    if (!status) mw_binned_done(&binned);
    mw_bins_free(bins);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    float *x = table(1, 300);
    mw_fault_loop_alloc(scenario, x);
    mw_free(x);
}

MW_TEST_MAIN(MW_RUN(every_cell_is_in_the_first_bin_whose_cut_it_does_not_exceed),
             MW_RUN(bins_hold_equal_counts_and_heavy_values_stand_alone),
             MW_RUN(codes_have_bins_by_how_often_they_are),
             MW_RUN(threads_and_samples_do_not_matter_twice),
             MW_RUN(any_failed_allocation_is_survived))
