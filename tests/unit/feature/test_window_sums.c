/* test_window_sums.c -- skew, kurtosis and slope against two passes over each window in long double. */
#include "unit/feature/kernel_rows.h"

enum { SKEW, KURTOSIS, SLOPE = 0 };

static const mw_feature_args windows[] = {{.us = 300000000}, {.us = 61000001}, {.us = 7200000000},
                                          {.us = 3},         {.rows = 20},     {.rows = 1},
                                          {.rows = 5}};
enum { N_WINDOWS = sizeof windows / sizeof *windows };

static kernel_rows rows;
static kernel_result result;

/* Values far from zero, of a small scale; equal ones; one that is far from all others. */
static void make(uint64_t stream) {
    static const double levels[] = {0, 20, 1e6, -3e8, 50}, scales[] = {1, 0.01, 3, 1e-3, 1.5};
    kernel_rows_make(&rows, stream, levels[stream % 5], scales[stream % 5]);
    if (stream % 5 == 4) kernel_rows_round(&rows, 3);
    if (stream % 5 == 1) rows.x[250] = 700;
}

/* ---- plain ---- */

typedef struct plain {
    long double n, two, three, four; /* central */
    long double tt, tx;
    bool flat; /* all values are equal */
} plain;

/* Differences to the oldest value are exact: in a mean far from zero, a long double would be too short, too. */
static plain plain_sums(mw_feature_args args, int32_t i) {
    plain p = {.flat = true};
    long double x = 0, t = 0;
    int32_t start = plain_start(&rows, args, i);
    if (start < 0) return p;
    while (start < i && mw_isnan(rows.x[start])) start++;
    const long double oldest = rows.x[start];
    for (int32_t j = start; j <= i; j++) {
        if (mw_isnan(rows.x[j])) continue;
        p.n++;
        p.flat &= !(rows.x[j] < rows.x[start] || rows.x[j] > rows.x[start]);
        x += rows.x[j] - oldest;
        t += (long double)(rows.times[j] - rows.times[i]);
    }
    for (int32_t j = start; j <= i; j++) {
        if (mw_isnan(rows.x[j])) continue;
        const long double dx = rows.x[j] - oldest - x / p.n;
        const long double dt = ((long double)(rows.times[j] - rows.times[i]) - t / p.n) / 1e6L;
        p.two += dx * dx;
        p.three += dx * dx * dx;
        p.four += dx * dx * dx * dx;
        p.tt += dt * dt;
        p.tx += dt * dx;
    }
    return p;
}

static double plain_skew(plain p) {
    if (p.n < 3) return MW_NAN;
    if (p.flat) return 0;
    const long double sd = mw_sqrt((double)(p.two / (p.n - 1)));
    return (double)(p.n / ((p.n - 1) * (p.n - 2)) * p.three / (sd * sd * sd));
}

static double plain_kurtosis(plain p) {
    if (p.n < 4) return MW_NAN;
    if (p.flat) return -3;
    const long double n = p.n, variance = p.two / (n - 1);
    return (double)(n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * p.four / (variance * variance) -
                    3 * (n - 1) * (n - 1) / ((n - 2) * (n - 3)));
}

/* ---- tests ---- */

MW_TEST(skew_and_kurtosis_are_those_of_two_passes) {
    for (uint64_t stream = 0; stream < 10; stream++) {
        make(stream);
        for (int w = 0; w < N_WINDOWS; w++) {
            kernel_run(&mw_kernel_moments4, windows[w], &rows, 0, 0, &result);
            for (int32_t i = 0; i < rows.n; i++) {
                const plain p = plain_sums(windows[w], i);
                const double skew = plain_skew(p), kurtosis = plain_kurtosis(p);
                assert_close(result.out[SKEW][i], skew, 1e-12 * (1 + mw_abs(skew)), i, "skew");
                assert_close(result.out[KURTOSIS][i], kurtosis, 1e-12 * (1 + mw_abs(kurtosis)), i,
                             "kurtosis");
            }
        }
    }
}

/* Relative to the steepest slope that values and times so spread out may have. */
MW_TEST(slope_is_that_of_two_passes) {
    for (uint64_t stream = 0; stream < 10; stream++) {
        make(stream);
        for (int w = 0; w < N_WINDOWS; w++) {
            kernel_run(&mw_kernel_slope, windows[w], &rows, 0, 0, &result);
            for (int32_t i = 0; i < rows.n; i++) {
                const plain p = plain_sums(windows[w], i);
                const double want = p.n < 2 ? MW_NAN : (double)(p.tx / p.tt);
                const double steepest = p.n < 2 ? 0 : mw_sqrt((double)(p.two / p.tt));
                assert_close(result.out[SLOPE][i], want, 1e-12 * steepest, i, "slope");
            }
        }
    }
}

MW_TEST(a_line_has_its_slope) {
    kernel_rows_make(&rows, 3, 0, 1);
    for (int32_t i = 0; i < rows.n; i++)
        if (!mw_isnan(rows.x[i]))
            rows.x[i] = 1e5 - 0.25 * (double)(rows.times[i] - rows.times[0]) / 1e6;
    int32_t n = 0;
    for (int w = 0; w < N_WINDOWS; w++) {
        kernel_run(&mw_kernel_slope, windows[w], &rows, 0, 0, &result);
        for (int32_t i = 0; i < rows.n; i++) {
            if (mw_isnan(result.out[SLOPE][i])) continue;
            assert_close(result.out[SLOPE][i], -0.25, 1e-6, i, "a line");
            n++;
        }
    }
    assert_true(n > rows.n);
}

MW_TEST(bits_do_not_depend_on_cuts) {
    for (uint64_t stream = 0; stream < 5; stream++) {
        make(stream);
        for (int w = 0; w < N_WINDOWS; w++) {
            assert_any_cut(&mw_kernel_moments4, windows[w], &rows);
            assert_any_cut(&mw_kernel_slope, windows[w], &rows);
        }
    }
}

/* Not even one whose powers are infinite. */
MW_TEST(what_left_the_window_leaves_no_trace) {
    static const double spikes[] = {1e12, -1e40, 1e77, 1e300, MW_NAN};
    static kernel_result before;
    for (int w = 0; w < N_WINDOWS; w++)
        for (int k = 0; k < 5; k++)
            for (int slope = 0; slope < 2; slope++) {
                const mw_kernel *kernel = slope ? &mw_kernel_slope : &mw_kernel_moments4;
                make(2);
                kernel_run(kernel, windows[w], &rows, 0, 0, &before);
                rows.x[100] = spikes[k];
                kernel_run(kernel, windows[w], &rows, 0, 0, &result);
                int32_t clear = 101;
                while (clear < rows.n && plain_start(&rows, windows[w], clear) <= 100) clear++;
                assert_same_bits(&result, &before, clear, "after a spike");
                for (int32_t i = 0; i < clear; i++)
                    for (int o = 0; o < 2 - slope; o++)
                        assert_true(mw_isnan(result.out[o][i]) || mw_isfinite(result.out[o][i]));
            }
}

/* Equal values are told from nearly equal ones, in any unit; pandas takes all of these for equal. */
MW_TEST(small_differences_are_no_equality) {
    static const double units[] = {1, 1e-9, 1e-30, 1e20};
    rows = (kernel_rows){.n = 5, .sampling_us = 1000000};
    for (int u = 0; u < 4; u++) {
        for (int32_t i = 0; i < rows.n; i++) {
            static const double x[] = {1, 2, 3, 5, 8};
            rows.times[i] = 1000000 * i;
            rows.x[i] = x[i] * units[u];
        }
        kernel_run(&mw_kernel_moments4, (mw_feature_args){.rows = 5}, &rows, 5, 0, &result);
        assert_close(result.out[SKEW][4], 0.9266785330582893, 1e-13, 4, "skew");
        assert_close(result.out[KURTOSIS][4], 0.12987012987012986, 1e-12, 4, "kurtosis");
    }
    for (int32_t i = 0; i < rows.n; i++) rows.x[i] = 1e-90 * i; /* powers out of range */
    kernel_run(&mw_kernel_moments4, (mw_feature_args){.rows = 5}, &rows, 5, 0, &result);
    assert_true(mw_isnan(result.out[SKEW][4]) && mw_isnan(result.out[KURTOSIS][4]));
}

MW_TEST_MAIN(MW_RUN(skew_and_kurtosis_are_those_of_two_passes), MW_RUN(slope_is_that_of_two_passes),
             MW_RUN(a_line_has_its_slope), MW_RUN(bits_do_not_depend_on_cuts),
             MW_RUN(what_left_the_window_leaves_no_trace),
             MW_RUN(small_differences_are_no_equality))
