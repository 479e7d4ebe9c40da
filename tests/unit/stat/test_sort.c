/* test_sort.c -- the radix sort's order and stability, and the order of the keys. */
#include "support/harness.h"

#include <float.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/stat/sort.h"

MW_TEST(keys_keep_the_order_of_numbers) {
    const double ascending[] = {-MW_INFINITY, -DBL_MAX,    -1.5,  -5e-324, 0, 5e-324, 1, 2,
                                DBL_MAX,      MW_INFINITY, MW_NAN};
    for (size_t i = 0; i + 1 < sizeof ascending / sizeof *ascending; i++)
        assert_true(mw_sort_key_f64(ascending[i]) < mw_sort_key_f64(ascending[i + 1]));
    assert_true(mw_sort_key_f64(-0.0) == mw_sort_key_f64(0.0));
    assert_true(mw_sort_key_f64(-MW_NAN) == UINT64_MAX);
    const float floats[] = {
        -__builtin_inff(), -FLT_MAX,          -1, -1e-45F, 0, 1e-45F, 3, FLT_MAX,
        __builtin_inff(),  __builtin_nanf("")};
    for (size_t i = 0; i + 1 < sizeof floats / sizeof *floats; i++)
        assert_true(mw_sort_key_f32(floats[i]) < mw_sort_key_f32(floats[i + 1]));
    assert_true(mw_sort_key_f32(-0.0F) == mw_sort_key_f32(0.0F));
    assert_true(mw_sort_key_f32(-__builtin_nanf("")) == UINT32_MAX);
}

MW_TEST(sorts_and_is_stable) {
    enum { MOST = 700 };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int round = 0; round < 100; round++) {
        uint64_t keys[MOST], scratch[MOST], sum = 0;
        const int64_t n = (int64_t)mw_rng_below(&rng, MOST);
        const int low_bit = round % 2 ? 32 : 0;
        const uint64_t distinct = 1 + mw_rng_below(&rng, 100);
        for (int64_t i = 0; i < n; i++) {
            uint64_t high = round % 3 ? mw_rng_below(&rng, distinct) : mw_rng_u64(&rng) >> 32;
            keys[i] = high << 32 | (low_bit ? (uint64_t)i : mw_rng_below(&rng, 5));
            sum += keys[i];
        }
        assert_ok(mw_sort_u64(&ctx, keys, scratch, n, low_bit, &err));
        /* With row numbers below bit 32, stable means that the whole keys ascend. */
        for (int64_t i = 1; i < n; i++) assert_true(keys[i - 1] <= keys[i]);
        for (int64_t i = 0; i < n; i++) sum -= keys[i];
        assert_true(sum == 0);
    }
}

MW_TEST(stops_when_canceled) {
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    uint64_t keys[2] = {2, 1}, scratch[2];
    assert_status(mw_sort_u64(&ctx, keys, scratch, 2, 0, NULL), MW_ECANCELED);
}

MW_TEST_MAIN(MW_RUN(keys_keep_the_order_of_numbers), MW_RUN(sorts_and_is_stable),
             MW_RUN(stops_when_canceled))
