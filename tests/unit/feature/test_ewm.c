/* test_ewm.c -- weighted means and standard deviations against sums over all weights in long double. */
#include "unit/feature/kernel_rows.h"

enum { MEAN, STD };

static const mw_feature_args half_lives[] = {{.us = 30000000}, {.us = 600000000}, {.us = 15000001},
                                             {.rows = 1},      {.rows = 7},       {.rows = 100}};
enum { N_HALF_LIVES = sizeof half_lives / sizeof *half_lives };

static kernel_rows rows;
static kernel_result result;

static double weight(mw_feature_args args, int32_t j, int32_t i) {
    if (args.rows > 0) return mw_exp2(-(double)(i - j) / (double)args.rows);
    return mw_exp2(-(double)(rows.times[i] - rows.times[j]) / (double)args.us);
}

/*
 * From the definition: pandas' adjust=True, ignore_na=False, bias=False; rows count since the last gap. The weighted variance without bias is the
 * weighted mean of half the squares of the differences of all pairs.
 */
static void plain(mw_feature_args args, int32_t i, double *mean, double *std) {
    int32_t start = 0, n = 0;
    for (int32_t j = 1; j <= i && args.rows > 0; j++)
        if (rows.times[j] - rows.times[j - 1] > kernel_gap(&rows)) start = j;
    static long double w[KERNEL_ROWS], x[KERNEL_ROWS];
    for (int32_t j = start; j <= i; j++) {
        if (mw_isnan(rows.x[j])) continue;
        w[n] = weight(args, j, i);
        x[n++] = rows.x[j];
    }
    long double weights = 0, sum = 0, pairs = 0, squares = 0;
    for (int32_t k = 0; k < n; k++) {
        weights += w[k];
        sum += w[k] * x[k];
        for (int32_t j = 0; j < k; j++) {
            pairs += w[j] * w[k];
            squares += w[j] * w[k] * (x[k] - x[j]) * (x[k] - x[j]) / 2;
        }
    }
    *mean = n > 0 ? (double)(sum / weights) : MW_NAN;
    *std = n > 1 ? mw_sqrt((double)(squares / pairs)) : MW_NAN;
}

MW_TEST(they_are_what_the_weights_say) {
    static const double levels[] = {0, 20, 1e6}, scales[] = {1, 0.01, 3};
    for (uint64_t stream = 0; stream < 3; stream++)
        for (int h = 0; h < N_HALF_LIVES; h++) {
            kernel_rows_make(&rows, stream, levels[stream], scales[stream]);
            kernel_run(&mw_kernel_ewm, half_lives[h], &rows, 0, 0, &result);
            for (int32_t i = 0; i < rows.n; i += i < 20 ? 1 : 7) {
                double mean, std;
                plain(half_lives[h], i, &mean, &std);
                const double size = levels[stream] + scales[stream];
                assert_close(result.out[MEAN][i], mean, 1e-12 * size, i, "mean");
                assert_close(result.out[STD][i], std, 1e-12 * (size + std), i, "std");
            }
        }
}

MW_TEST(bits_do_not_depend_on_cuts) {
    for (int h = 0; h < N_HALF_LIVES; h++) {
        kernel_rows_make(&rows, 5, 70, 2);
        assert_any_cut(&mw_kernel_ewm, half_lives[h], &rows);
    }
}

/* Two values have the standard deviation of two values, however far apart; none is left after 200 half-lives. */
MW_TEST(old_values_are_forgotten_at_last) {
    const int64_t half_life = 1000000;
    for (int64_t lives = 1; lives < 400; lives++) {
        rows = (kernel_rows){.n = 3, .sampling_us = 1000000, .times = {5, 6}, .x = {3, MW_NAN, 7}};
        rows.times[2] = 5 + lives * half_life;
        kernel_run(&mw_kernel_ewm, (mw_feature_args){.us = half_life}, &rows, 3, 0, &result);
        const double mean = (7 + 3 * mw_exp2((double)-lives)) / (1 + mw_exp2((double)-lives));
        assert_close(result.out[MEAN][1], 3, 0, 1, "mean");
        assert_close(result.out[MEAN][2], mean, 1e-15 * 7, 2, "mean");
        assert_close(result.out[STD][2], lives < 200 ? mw_sqrt(8) : MW_NAN, 1e-14, 2, "std");
    }
}

MW_TEST(equal_values_have_no_spread) {
    kernel_rows_make(&rows, 6, 0, 1);
    for (int32_t i = 0; i < rows.n; i++)
        if (!mw_isnan(rows.x[i])) rows.x[i] = 0.1;
    for (int h = 0; h < N_HALF_LIVES; h++) {
        kernel_run(&mw_kernel_ewm, half_lives[h], &rows, 0, 0, &result);
        for (int32_t i = 0; i < rows.n; i++) {
            assert_true(mw_isnan(result.out[MEAN][i]) || result.out[MEAN][i] == 0.1);
            assert_true(mw_isnan(result.out[STD][i]) || result.out[STD][i] == 0);
        }
    }
}

/* One value that no square can be made of costs the past, not the future. */
MW_TEST(a_value_out_of_range_is_survived) {
    rows = (kernel_rows){.n = 6, .sampling_us = 1000000, .x = {1, 2, 1.7e308, -1.7e308, 4, 5}};
    for (int32_t i = 0; i < rows.n; i++) rows.times[i] = 1000000 * i;
    kernel_run(&mw_kernel_ewm, (mw_feature_args){.rows = 3}, &rows, 6, 0, &result);
    for (int32_t i = 1; i < rows.n; i++)
        assert_true(mw_isfinite(result.out[MEAN][i]) &&
                    (mw_isnan(result.out[STD][i]) || mw_isfinite(result.out[STD][i])));
    assert_close(result.out[STD][5], mw_sqrt(0.5), 1e-15, 5, "std");
}

MW_TEST_MAIN(MW_RUN(they_are_what_the_weights_say), MW_RUN(bits_do_not_depend_on_cuts),
             MW_RUN(old_values_are_forgotten_at_last), MW_RUN(equal_values_have_no_spread),
             MW_RUN(a_value_out_of_range_is_survived))
