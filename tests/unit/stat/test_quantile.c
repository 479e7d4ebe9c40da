/* test_quantile.c -- order statistics against numpy and against a full sort. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "golden/metric/golden_order.h"
#include "learn/stat/quantile.h"

enum { N_SAMPLE = sizeof golden_sample / sizeof *golden_sample };

static double *sample_copy(double *to) { return memcpy(to, golden_sample, sizeof golden_sample); }

MW_TEST(equals_numpy) {
    double values[N_SAMPLE];
    for (size_t i = 0; i < sizeof golden_q / sizeof *golden_q; i++)
        assert_true(mw_quantile(sample_copy(values), N_SAMPLE, golden_q[i]) == golden_quantile[i]);
    assert_true(mw_median(sample_copy(values), N_SAMPLE) == golden_median);
    double median = 0;
    assert_true(mw_mad(sample_copy(values), N_SAMPLE, &median) == golden_mad);
    assert_true(median == golden_median);
}

MW_TEST(of_few_values) {
    double missing[2] = {MW_NAN, MW_NAN};
    assert_true(mw_isnan(mw_quantile(missing, 0, 0.5)));
    assert_true(mw_isnan(mw_median(missing, 2)));
    assert_true(mw_isnan(mw_mad(missing, 2, NULL)));
    double one[3] = {MW_NAN, 4, MW_NAN};
    assert_true(mw_quantile(one, 3, 0.9) == 4);
    double two[2] = {3, 1};
    assert_true(mw_median(two, 2) == 2);
    double huge[2] = {1.7e308, 1.6e308};
    double middle = mw_median(huge, 2);
    assert_true(middle > 1.649e308 && middle < 1.651e308);
    double infinite[3] = {MW_INFINITY, 1, MW_INFINITY};
    assert_true(mw_quantile(infinite, 3, 1.0) == MW_INFINITY);
    double clipped[2] = {1, 2};
    assert_true(mw_quantile(clipped, 2, -1) == 1);
    assert_true(mw_quantile(clipped, 2, 7) == 2);
    assert_true(mw_isnan(mw_quantile(clipped, 2, MW_NAN)));
}

static void insertion_sort(double *values, int n) {
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && values[k - 1] > values[k]; k--) {
            double keep = values[k];
            values[k] = values[k - 1];
            values[k - 1] = keep;
        }
}

MW_TEST(every_rank_of_random_samples) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int round = 0; round < 200; round++) {
        double values[200], sorted[200], work[200];
        int n = 1 + (int)mw_rng_below(&rng, 200);
        uint64_t distinct = 1 + mw_rng_below(&rng, 300);
        for (int i = 0; i < n; i++) values[i] = (double)mw_rng_below(&rng, distinct);
        memcpy(sorted, values, (size_t)n * sizeof *values);
        insertion_sort(sorted, n);
        for (int k = 0; k < n; k++) {
            memcpy(work, values, (size_t)n * sizeof *values);
            double got = mw_quantile(work, n, n == 1 ? 0 : (double)k / (n - 1));
            assert_true(mw_abs(got - sorted[k]) < 1e-9);
        }
    }
}

/* Orders that are bad for a middle, first or last pivot: the answer, and that there is one. */
MW_TEST(orders_that_are_hard_on_quickselect) {
    enum { N = 20000 };
    static double values[N];
    const double want[] = {(N - 1) / 2.0, (N + 1) / 2.0, N / 4.0, 1};
    for (int shape = 0; shape < 4; shape++) {
        for (int i = 0; i < N; i++)
            values[i] = shape == 0   ? i
                        : shape == 1 ? N - i
                        : shape == 2 ? (i < N / 2 ? i : N - i)
                                     : i % 3;
        assert_true(mw_abs(mw_median(values, N) - want[shape]) <= 0.5);
    }
}

MW_TEST_MAIN(MW_RUN(equals_numpy), MW_RUN(of_few_values), MW_RUN(every_rank_of_random_samples),
             MW_RUN(orders_that_are_hard_on_quickselect))
