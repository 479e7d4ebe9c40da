/* test_rng.c -- Philox against numpy 2.4.6's (which adds one to the counter before its first
 * block), and the distributions' bounds and moments. */
#include "support/harness.h"

#include "core/base/math.h"
#include "core/base/rng.h"

MW_TEST(philox_agrees_with_numpy) {
    static const struct {
        uint64_t key[2], counter[4], out[4];
    } cases[] = {
        {{42, 7},
         {1, 5, 0, 0},
         {0x2f49844899415cc0, 0xae03a6973f44d94b, 0x5d68745e2eff23be, 0xc84fedcefb8a83c5}},
        {{0, 0},
         {1, 0, 0, 0},
         {0x02f4ba6408e4d89b, 0x3dd62b0b9ca8c5b2, 0x1c8667a55d902e79, 0x907d7a052fd5b4dc}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t out[4];
        mw_rng_philox(cases[i].key, cases[i].counter, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

MW_TEST(draws_follow_the_counter) {
    mw_rng rng;
    mw_rng_init(&rng, 42, 7, 5);
    for (int i = 0; i < 4; i++) mw_rng_u64(&rng);
    assert_true(mw_rng_u64(&rng) == 0x2f49844899415cc0);
}

MW_TEST(uniform_and_normal_have_their_moments) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 2);
    enum { N = 200000 };
    double sum = 0, sum_normal = 0, square = 0;
    for (int i = 0; i < N; i++) {
        double u = mw_rng_uniform(&rng), z = mw_rng_normal(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        sum_normal += z;
        square += z * z;
    }
    /* Seven standard errors: once in 10^11 runs. */
    assert_true(mw_abs(sum / N - 0.5) < 7 * 0.28868 / mw_sqrt(N));
    assert_true(mw_abs(sum_normal / N) < 7 / mw_sqrt(N));
    assert_true(mw_abs(square / N - 1) < 7 * mw_sqrt(2.0 / N));
}

MW_TEST(samples_are_distinct_ascending_and_even) {
    enum { N = 20, K = 7, ROUNDS = 20000 };
    uint32_t hits[N] = {0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        mw_rng rng;
        uint32_t out[K];
        mw_rng_init(&rng, mw_test_seed(), 3, round);
        mw_rng_sample(&rng, N, K, out);
        for (int i = 0; i < K; i++) {
            assert_true(out[i] < N);
            if (i) assert_true(out[i] > out[i - 1]);
            hits[out[i]]++;
        }
    }
    double expected = (double)ROUNDS * K / N, sd = mw_sqrt(expected * (1 - (double)K / N));
    for (int i = 0; i < N; i++) assert_true(mw_abs(hits[i] - expected) < 7 * sd);
    uint32_t all[N];
    mw_rng rng;
    mw_rng_init(&rng, 1, 1, 1);
    mw_rng_sample(&rng, N, N, all);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(all[i], i);
}

MW_TEST(below_stays_below) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 9, 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(mw_rng_below(&rng, 1) == 0);
        assert_true(mw_rng_below(&rng, 3) < 3);
        assert_true(mw_rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    }
}

MW_TEST_MAIN(MW_RUN(philox_agrees_with_numpy), MW_RUN(draws_follow_the_counter),
             MW_RUN(uniform_and_normal_have_their_moments),
             MW_RUN(samples_are_distinct_ascending_and_even), MW_RUN(below_stays_below))
