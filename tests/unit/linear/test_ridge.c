/* test_ridge.c -- against scikit-learn (tests/golden/linear/make.py), degenerate columns, bad
 * input. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "golden/linear/golden_ridge.h"
#include "learn/linear/ridge.h"

static const mw_matrix golden = {golden_x, GOLDEN_ROWS, GOLDEN_FEATURES};

static void assert_close(double got, double want, double tolerance) {
    if (!(mw_abs(got - want) <= tolerance * (1 + mw_abs(want))))
        fail_msg("%.17g, want %.17g", got, want);
}

static mw_ridge *fit(double alpha, mw_matrix matrix, const double *y) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_ridge *ridge = NULL;
    assert_ok(mw_ridge_fit(&ctx, alpha, matrix, y, &ridge, &err));
    return ridge;
}

MW_TEST(equals_scikit_learn) {
    const struct {
        double alpha;
        const double *standardized, *scored;
    } cases[] = {{1, golden_standardized_1, golden_scored_1},
                 {0, golden_standardized_0, golden_scored_0},
                 {100, golden_standardized_100, golden_scored_100}};
    for (size_t i = 0; i < 3; i++) {
        mw_ridge *ridge = fit(cases[i].alpha, golden, golden_y);
        double scored[GOLDEN_ROWS];
        mw_ridge_score(ridge, golden, scored);
        for (int j = 0; j < GOLDEN_FEATURES; j++)
            assert_close(ridge->standardized[j], cases[i].standardized[j], 1e-9);
        for (int row = 0; row < GOLDEN_ROWS; row++)
            assert_close(scored[row], cases[i].scored[row], 1e-9);
        assert_true(ridge->weights[3] == 0 && ridge->standardized[3] == 0); /* constant */
        mw_ridge_free(ridge);
    }
}

MW_TEST(doubled_column) {
    float x[GOLDEN_ROWS * 3];
    for (int row = 0; row < GOLDEN_ROWS; row++) {
        x[row * 3] = x[row * 3 + 2] = golden_x[row * GOLDEN_FEATURES];
        x[row * 3 + 1] = golden_x[row * GOLDEN_FEATURES + 1];
    }
    const mw_matrix twice = {x, GOLDEN_ROWS, 3};
    mw_ridge *ridge = fit(0, twice, golden_y); /* singular: least squares of minimum norm */
    for (int j = 0; j < 3; j++) assert_close(ridge->standardized[j], golden_twice[j], 1e-8);
    mw_ridge_free(ridge);
    ridge = fit(1, twice, golden_y);
    assert_close(ridge->weights[0], ridge->weights[2], 1e-9);
    mw_ridge_free(ridge);
}

/* c = a + b exactly, so that rounding alone decides the last pivot. Leaving c out is one
 * least-squares solution; the one of minimum norm has no larger weights. */
MW_TEST(dependent_columns_keep_small_weights) {
    enum { ROWS = 30 };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int round = 0; round < 50; round++) {
        float all[ROWS * 3], two[ROWS * 2];
        double y[ROWS], norm[2] = {0, 0};
        for (int i = 0; i < ROWS; i++) {
            float a = (float)mw_rng_below(&rng, 1000), b = (float)mw_rng_below(&rng, 1000);
            all[i * 3] = two[i * 2] = a;
            all[i * 3 + 1] = two[i * 2 + 1] = b;
            all[i * 3 + 2] = a + b;
            y[i] = mw_rng_normal(&rng) + (double)a / 500;
        }
        mw_ridge *with = fit(0, (mw_matrix){all, ROWS, 3}, y);
        mw_ridge *without = fit(0, (mw_matrix){two, ROWS, 2}, y);
        for (int j = 0; j < 3; j++) norm[0] += with->standardized[j] * with->standardized[j];
        for (int j = 0; j < 2; j++) norm[1] += without->standardized[j] * without->standardized[j];
        assert_true(norm[0] <= norm[1] * (1 + 1e-9));
        mw_ridge_free(with);
        mw_ridge_free(without);
    }
}

/* Fewer rows than features, without penalty: the rows are met exactly. */
MW_TEST(more_features_than_rows) {
    const float x[2 * 4] = {1, 2, 3, 5, 2, 1, 0, 7};
    const double y[2] = {10, 20};
    const mw_matrix matrix = {x, 2, 4};
    mw_ridge *ridge = fit(0, matrix, y);
    double scored[2];
    mw_ridge_score(ridge, matrix, scored);
    assert_close(scored[0], 10, 1e-12);
    assert_close(scored[1], 20, 1e-12);
    mw_ridge_free(ridge);
}

MW_TEST(columns_without_information) {
    const float nan = __builtin_nanf("");
    const float x[3 * 3] = {nan, 0.1F, nan, nan, 0.1F, 4, nan, 0.1F, nan};
    const double y[3] = {1, 2, 6};
    mw_ridge *ridge = fit(0, (mw_matrix){x, 3, 3}, y);
    for (int j = 0; j < 3; j++) assert_true(ridge->weights[j] == 0);
    assert_true(ridge->intercept == 3);
    assert_true(ridge->fill[0] == 0 && ridge->fill[2] == 4);
    double scored[3];
    mw_ridge_score(ridge, (mw_matrix){x, 3, 3}, scored);
    assert_true(scored[1] == 3);
    mw_ridge_free(ridge);
    ridge = fit(1, (mw_matrix){x + 3, 1, 3}, y);
    assert_true(ridge->intercept == 1 && ridge->weights[2] == 0);
    mw_ridge_free(ridge);
}

/* A large offset and a small spread: centering must keep the digits. */
MW_TEST(far_from_zero) {
    enum { ROWS = 64 };
    float x[ROWS];
    double y[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i] = 16777216.0F - (float)i; /* float32 holds these integers exactly */
        y[i] = 1e9 + 3.0 * i;
    }
    mw_ridge *ridge = fit(0, (mw_matrix){x, ROWS, 1}, y);
    assert_close(ridge->weights[0], -3, 1e-12);
    mw_ridge_free(ridge);
}

MW_TEST(bad_input) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_ridge *ridge = NULL;
    float x[4] = {1, 2, 3, 4};
    double y[2] = {1, 2};
    mw_matrix matrix = {x, 2, 2};
    assert_status(mw_ridge_fit(&ctx, -1, matrix, y, &ridge, &err), MW_EINVAL);
    assert_status(mw_ridge_fit(&ctx, MW_NAN, matrix, y, &ridge, &err), MW_EINVAL);
    assert_status(mw_ridge_fit(&ctx, MW_INFINITY, matrix, y, &ridge, &err), MW_EINVAL);
    const mw_matrix no_rows = {x, 0, 2}, no_features = {x, 2, 0};
    assert_status(mw_ridge_fit(&ctx, 1, no_rows, y, &ridge, &err), MW_EDATA);
    assert_status(mw_ridge_fit(&ctx, 1, no_features, y, &ridge, &err), MW_EDATA);
    y[1] = MW_NAN;
    assert_status(mw_ridge_fit(&ctx, 1, matrix, y, &ridge, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 1"));
    y[1] = 2;
    x[3] = -__builtin_inff();
    assert_status(mw_ridge_fit(&ctx, 1, matrix, y, &ridge, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 1, feature 1"));
    assert_null(ridge);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    assert_status(mw_ridge_fit(&ctx, 1, golden, golden_y, &ridge, &err), MW_ECANCELED);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(every_allocation_fails_once) {
    float x[GOLDEN_ROWS * 2]; /* two equal columns: the singular path allocates most */
    for (int i = 0; i < GOLDEN_ROWS * 2; i++) x[i] = golden_x[i / 2 * GOLDEN_FEATURES];
    const mw_matrix matrix = {x, GOLDEN_ROWS, 2};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_ridge *ridge = NULL;
        mw_alloc_fail_at(n);
        mw_status status = mw_ridge_fit(&ctx, 0, matrix, golden_y, &ridge, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(status, fired ? MW_ENOMEM : MW_OK);
        assert_int_equal(ridge == NULL, fired);
        mw_ridge_free(ridge);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
        if (!fired) {
            assert_true(n > 11); /* eight arrays and the three of dgelsd */
            return;
        }
    }
}

MW_TEST_MAIN(MW_RUN(equals_scikit_learn), MW_RUN(doubled_column),
             MW_RUN(dependent_columns_keep_small_weights), MW_RUN(more_features_than_rows),
             MW_RUN(columns_without_information), MW_RUN(far_from_zero), MW_RUN(bad_input),
             MW_RUN(every_allocation_fails_once))
