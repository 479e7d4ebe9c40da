/* test_matrix.c -- the check in front of every fit: every place of an infinite cell, at any thread count; targets. */
#include "support/harness.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/stat/matrix.h"

MW_TEST(every_infinite_cell_is_found) {
    enum { ROWS = 67, COLUMNS = 3, CELLS = ROWS * COLUMNS };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float x[CELLS];
    for (int i = 0; i < CELLS; i++) x[i] = i % 5 ? (float)i * 1e36f : __builtin_nanf("");
    mw_err err = {0};
    const mw_matrix matrix = {x, ROWS, COLUMNS};
    assert_ok(mw_matrix_check(&ctx, matrix, &err));
    for (int i = 0; i < CELLS; i++) {
        const float kept = x[i];
        char want[64];
        x[i] = i % 2 ? __builtin_inff() : -__builtin_inff();
        assert_status(mw_matrix_check(&ctx, matrix, &err), MW_EDATA);
        (void)snprintf(want, sizeof want, "row %d, feature %d is infinite", i / COLUMNS,
                       i % COLUMNS);
        assert_non_null(strstr(err.message, want));
        x[i] = kept;
    }
}

/* Two in different ranges of the pool: the first is told. */
MW_TEST(the_first_is_told_at_any_thread_count) {
    enum { ROWS = 400000 };
    static const int counts[] = {1, 2, 3, 8};
    float *x = mw_calloc(NULL, ROWS, sizeof *x);
    for (int64_t first = 70000; first < 200000; first += 65535) {
        x[first] = x[ROWS - 1] = x[first + 70000] = __builtin_inff();
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            mw_err err = {0};
            mw_ctx ctx;
            mw_ctx_init(&ctx);
            assert_ok(mw_pool_new(NULL, counts[i], &ctx.pool, &err));
            assert_status(mw_matrix_check(&ctx, (mw_matrix){x, ROWS, 1}, &err), MW_EDATA);
            char want[64];
            (void)snprintf(want, sizeof want, "row %lld, feature 0", (long long)first);
            assert_non_null(strstr(err.message, want));
            mw_pool_free(ctx.pool);
        }
        x[first] = x[first + 70000] = 0;
    }
    mw_free(x);
}

MW_TEST(shapes_and_cancellation) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float x[2] = {1, 2};
    assert_status(mw_matrix_check(&ctx, (mw_matrix){x, 0, 2}, &err), MW_EDATA);
    assert_status(mw_matrix_check(&ctx, (mw_matrix){x, 2, 0}, &err), MW_EDATA);
    assert_status(mw_matrix_check(&ctx, (mw_matrix){x, INT64_C(1) << 40, 1}, &err), MW_ETOOLARGE);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    assert_status(mw_matrix_check(&ctx, (mw_matrix){x, 1, 2}, &err), MW_ECANCELED);
}

MW_TEST(targets_are_finite_float32_numbers_or_classes) {
    mw_err err = {0};
    static const struct {
        double y;
        int32_t n_classes;
        const char *says; /* NULL: fine */
    } cases[] = {{FLT_MAX, 0, NULL},
                 {-FLT_MAX, 0, NULL},
                 {1e39, 0, "beyond float32"},
                 {-1e100, 0, "beyond float32"},
                 {MW_INFINITY, 0, "infinite"},
                 {MW_NAN, 0, "missing"},
                 {2, 3, NULL},
                 {3, 3, "not a class from 0 to 2"},
                 {-1, 3, "not a class"},
                 {0.5, 3, "not a class"},
                 {MW_NAN, 3, "missing"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double y[3] = {1, 0, cases[i].y};
        if (!cases[i].says) {
            assert_ok(mw_target_check(y, 3, cases[i].n_classes, NULL, &err));
            continue;
        }
        assert_status(mw_target_check(y, 3, cases[i].n_classes, NULL, &err), MW_EDATA);
        assert_non_null(strstr(err.message, "row 2"));
        assert_non_null(strstr(err.message, cases[i].says));
    }
}

MW_TEST_MAIN(MW_RUN(every_infinite_cell_is_found), MW_RUN(the_first_is_told_at_any_thread_count),
             MW_RUN(shapes_and_cancellation), MW_RUN(targets_are_finite_float32_numbers_or_classes))
