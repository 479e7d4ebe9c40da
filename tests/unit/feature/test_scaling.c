/* test_scaling.c -- scaling of features: by definition, missing and constant ones, threads, text and back, failing allocations. */
#include "support/harness.h"

#include <math.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/feature/scaling.h"
#include "support/fault_loop.h"

enum { ROWS = 4000, FEATURES = 7 };

static float x[ROWS][FEATURES];
static const char *const names[FEATURES] = {"a", "b", "c", "d", "e", "f", "g"};
static const mw_scaling_kind kinds[] = {MW_SCALING_STANDARD, MW_SCALING_ROBUST, MW_SCALING_MIN_MAX};

/* 0 to 3: numbers of all sizes; 4: constant; 5: without values; 6: one value. */
static void draw_rows(void) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < FEATURES; k++) {
            const double value = k == 3 ? 1e7 + mw_rng_normal(&rng) : mw_rng_normal(&rng) * k * k;
            x[i][k] = mw_rng_below(&rng, 10) == 0 || k == 5 ? (float)MW_NAN : (float)value;
            if (k == 4) x[i][k] = 0.1F;
            if (k == 6 && i != 77) x[i][k] = (float)MW_NAN;
        }
    x[77][6] = -3;
}

static mw_matrix rows(int n) { return (mw_matrix){&x[0][0], n, FEATURES}; }

static mw_scaling *fit(const mw_ctx *ctx, mw_scaling_kind kind, int n) {
    mw_err err = {0};
    mw_scaling *s = NULL;
    assert_ok(mw_scaling_fit(ctx, kind, rows(n), FEATURES, &s, &err));
    return s;
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 * (1e-3 + fabs(b)); }

/* Scaled rows have what each kind promises. */
static void check_scaled(const mw_scaling *s, int k) {
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    int n = 0, below = 0, above = 0;
    for (int i = 0; i < ROWS; i++) {
        if (isnan(x[i][k])) continue;
        const double value = ((double)x[i][k] - s->centers[k]) / s->scales[k];
        sum += value, squares += value * value, n++;
        low = fmin(low, value), high = fmax(high, value);
        below += value<0, above += value> 0;
    }
    if (s->kind == MW_SCALING_STANDARD) {
        assert_true(fabs(sum / n) < 1e-6);
        assert_true(near(squares / n, 1) || fabs(squares / n - 1) < 1e-6);
    } else if (s->kind == MW_SCALING_MIN_MAX) {
        assert_true(near(low, 0) && near(high, 1));
    } else {
        assert_true(2 * below <= n && 2 * above <= n);
    }
}

MW_TEST(scaled_features_are_what_their_kind_says) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    draw_rows();
    for (size_t i = 0; i < 3; i++) {
        mw_scaling *s = fit(&ctx, kinds[i], ROWS);
        for (int k = 1; k < 4; k++) check_scaled(s, k);
        for (int k = 4; k < FEATURES; k++) assert_true(s->scales[k] == 1);
        assert_true(s->centers[4] == (double)0.1F && s->centers[5] == 0 && s->centers[6] == -3);
        mw_scaling_free(s);
    }
}

MW_TEST(threads_make_no_difference) {
    mw_ctx one, many;
    mw_pool *pool;
    mw_err err;
    mw_ctx_init(&one);
    mw_ctx_init(&many);
    assert_ok(mw_pool_new(NULL, 5, &pool, &err));
    many.pool = pool;
    draw_rows();
    for (size_t i = 0; i < 3; i++) {
        static float a[ROWS][FEATURES], b[ROWS][FEATURES];
        mw_scaling *s = fit(&one, kinds[i], ROWS - 500), *t = fit(&many, kinds[i], ROWS - 500);
        assert_memory_equal(s->centers, t->centers, sizeof(double) * FEATURES);
        assert_memory_equal(s->scales, t->scales, sizeof(double) * FEATURES);
        memcpy(a, x, sizeof x);
        memcpy(b, x, sizeof x);
        assert_ok(mw_scaling_apply(&one, s, &a[0][0], ROWS, FEATURES, &err));
        assert_ok(mw_scaling_apply(&many, t, &b[0][0], ROWS, FEATURES, &err));
        assert_memory_equal(a, b, sizeof a);
        for (int r = 0; r < ROWS; r++)
            for (int k = 0; k < FEATURES; k++) {
                const float want = (float)(((double)x[r][k] - s->centers[k]) / s->scales[k]) + 0.0F;
                assert_true(isnan(a[r][k]) ? isnan(x[r][k]) : a[r][k] == want);
            }
        mw_scaling_free(s);
        mw_scaling_free(t);
    }
    mw_pool_free(pool);
}

static void write(const mw_scaling *s, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 2);
    mw_scaling_write(s, names, &w);
}

static mw_status read(const char *text, const char *const *of, int n, mw_scaling **ret) {
    mw_err err = {0};
    mw_arena arena;
    const mw_json *json;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_json_parse(&arena, text, strlen(text), &json, &err));
    mw_status status = mw_scaling_read(NULL, json, of, n, ret, &err);
    assert_true(status == MW_OK || err.message[0]);
    mw_arena_done(&arena);
    return status;
}

MW_TEST(text_keeps_every_bit) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    draw_rows();
    for (size_t i = 0; i < 3; i++) {
        mw_buf text;
        mw_scaling *s = fit(&ctx, kinds[i], ROWS), *back = NULL, *copy = NULL;
        mw_err err = {0};
        mw_buf_init(&text, NULL, 1 << 20);
        write(s, &text);
        assert_ok(read(mw_buf_text(&text), names, FEATURES, &back));
        assert_ok(mw_scaling_copy(NULL, back, &copy, &err));
        assert_int_equal(copy->kind, kinds[i]);
        assert_memory_equal(s->centers, copy->centers, sizeof(double) * FEATURES);
        assert_memory_equal(s->scales, copy->scales, sizeof(double) * FEATURES);
        mw_buf_done(&text);
        mw_scaling_free(s);
        mw_scaling_free(back);
        mw_scaling_free(copy);
    }
}

#define HEAD "{\"kind\":\"standard\",\"features\":"

MW_TEST(text_that_is_not_of_these_features_is_refused) {
    static const char *const bad[] = {"[]",
                                      "{}",
                                      "{\"kind\":\"odd\",\"features\":[]}",
                                      "{\"kind\":\"none\",\"features\":[{\"name\":"
                                      "\"a\",\"center\":0,\"scale\":1}]}",
                                      HEAD "[]}",
                                      HEAD "{}}",
                                      HEAD "[{\"name\":\"b\",\"center\":0,\"scale\":1}]}",
                                      HEAD "[{\"name\":\"a\",\"scale\":1}]}",
                                      HEAD "[{\"name\":\"a\",\"center\":0}]}",
                                      HEAD "[{\"name\":\"a\",\"center\":0,\"scale\":0}]}",
                                      HEAD "[{\"name\":\"a\",\"center\":0,\"scale\":-1}]}",
                                      HEAD "[{\"name\":\"a\",\"center\":null,\"scale\":1}]}"};
    mw_err err = {0};
    mw_scaling *s = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(read(bad[i], names, 1, &s), MW_EDATA);
    assert_ok(read(HEAD "[{\"name\":\"a\",\"center\":-1,\"scale\":2}]}", names, 1, &s));
    assert_true(s->centers[0] == -1 && s->scales[0] == 2);
    mw_scaling_free(s);
}

static mw_status fit_and_copy(mw_mem *mem) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_scaling *s = NULL, *copy = NULL;
    mw_ctx_init(&ctx);
    ctx.mem = mem;
    mw_status status = mw_scaling_fit(&ctx, MW_SCALING_ROBUST, rows(50), FEATURES, &s, &err);
    if (!status) status = mw_scaling_copy(mem, s, &copy, &err);
    mw_scaling_free(s);
    mw_scaling_free(copy);
    return status;
}

MW_TEST(any_allocation_may_fail) {
    draw_rows();
    for (uint64_t n = 1;; n++) {
        mw_mem mem;
        mw_mem_init(&mem, NULL, 0);
        mw_alloc_fail_at(n);
        const mw_status status = fit_and_copy(&mem);
        const bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(&mem), 0);
        assert_int_equal(status, fired ? MW_ENOMEM : MW_OK);
        if (!fired) break;
        assert_true(n < MW_FAULT_LOOP_MAX);
    }
}

MW_TEST(no_rows_are_an_error) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_scaling *s = NULL;
    mw_ctx_init(&ctx);
    assert_status(mw_scaling_fit(&ctx, MW_SCALING_STANDARD, rows(0), FEATURES, &s, &err), MW_EDATA);
    assert_null(s);
}

int main(int argc, char **argv) {
    static const mw_test tests[] = {MW_RUN(scaled_features_are_what_their_kind_says),
                                    MW_RUN(threads_make_no_difference),
                                    MW_RUN(text_keeps_every_bit),
                                    MW_RUN(text_that_is_not_of_these_features_is_refused),
                                    MW_RUN(any_allocation_may_fail),
                                    MW_RUN(no_rows_are_an_error)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
