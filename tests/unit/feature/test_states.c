/* test_states.c -- times since, run lengths, totals and crossings against plain loops that begin at the first row for each row. */
#include "unit/feature/kernel_rows.h"

enum { SINCE_CHANGE, RUN_LENGTH, SINCE_EVENT };
enum { ON_TIME, ENERGY };

static kernel_rows rows;
static kernel_result result;

/* Whole numbers around zero that stay for some rows. */
static void make(uint64_t stream) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), stream, 1);
    kernel_rows_make(&rows, stream, 0, 1);
    kernel_rows_round(&rows, 1);
    for (int32_t i = 1; i < rows.n; i++)
        if (!mw_isnan(rows.x[i]) && !mw_isnan(rows.x[i - 1]) && mw_rng_below(&rng, 4) > 0)
            rows.x[i] = rows.x[i - 1];
}

static void assert_number(double got, double want, int32_t row, const char *what) {
    assert_close(got, want, 0, row, what);
}

/* ---- since when ---- */

static double seconds(int32_t from, int32_t to) {
    return (double)(rows.times[to] - rows.times[from]) / 1e6;
}

MW_TEST(states_are_what_a_look_back_says) {
    for (uint64_t stream = 0; stream < 8; stream++) {
        make(stream);
        kernel_run(&mw_kernel_states, (mw_feature_args){0}, &rows, 0, 0, &result);
        for (int32_t i = 0; i < rows.n; i++) {
            int32_t newest = i, oldest, event = i, n = 0;
            while (newest >= 0 && mw_isnan(rows.x[newest])) newest--;
            oldest = newest;
            for (int32_t j = newest; j >= 0; j--) {
                if (mw_isnan(rows.x[j])) continue;
                if (rows.x[j] != rows.x[newest]) break;
                oldest = j;
                n++;
            }
            while (event >= 0 && !(rows.x[event] < 0 || rows.x[event] > 0)) event--;
            assert_number(result.out[SINCE_CHANGE][i], n > 0 ? seconds(oldest, i) : MW_NAN, i,
                          "since_change");
            assert_number(result.out[RUN_LENGTH][i], n > 0 ? n : MW_NAN, i, "run_length");
            assert_number(result.out[SINCE_EVENT][i], event >= 0 ? seconds(event, i) : MW_NAN, i,
                          "since_event");
        }
        assert_any_cut(&mw_kernel_states, (mw_feature_args){0}, &rows);
    }
}

/* ---- totals ---- */

static double plain_on_time(int32_t i) {
    double state = MW_NAN;
    int64_t us = 0;
    for (int32_t j = 0; j <= i; j++) {
        const bool counts = j > 0 && rows.times[j] - rows.times[j - 1] <= kernel_gap(&rows);
        if (counts && (state < 0 || state > 0)) us += rows.times[j] - rows.times[j - 1];
        if (!mw_isnan(rows.x[j])) state = rows.x[j];
    }
    return mw_isnan(state) ? MW_NAN : (double)us / 1e6;
}

static double plain_energy(int32_t i) {
    int32_t last = -1;
    double sum = 0;
    for (int32_t j = 0; j <= i; j++) {
        if (mw_isnan(rows.x[j])) continue;
        const int64_t us = last >= 0 ? rows.times[j] - rows.times[last] : 0;
        if (us <= kernel_gap(&rows) && last >= 0)
            sum += (rows.x[last] + rows.x[j]) / 2 * ((double)us / 3.6e9);
        last = j;
    }
    return last >= 0 ? sum : MW_NAN;
}

MW_TEST(totals_are_what_all_rows_say) {
    for (uint64_t stream = 0; stream < 8; stream++) {
        make(stream);
        if (stream % 2) kernel_rows_make(&rows, stream, 1500, 200);
        kernel_run(&mw_kernel_totals, (mw_feature_args){0}, &rows, 0, 0, &result);
        for (int32_t i = 0; i < rows.n; i++) {
            assert_number(result.out[ON_TIME][i], plain_on_time(i), i, "on_time");
            assert_number(result.out[ENERGY][i], plain_energy(i), i, "energy");
        }
        assert_any_cut(&mw_kernel_totals, (mw_feature_args){0}, &rows);
    }
}

/* One hour at 2, one from 2 to 4, a gap, half an hour at 4: 5 + 2 value-hours, 2.5 hours. */
MW_TEST(totals_by_hand) {
    const int64_t hour = INT64_C(3600000000);
    rows = (kernel_rows){.n = 5,
                         .sampling_us = hour / 2,
                         .times = {0, hour, 2 * hour, 10 * hour, 10 * hour + hour / 2},
                         .x = {2, 2, 4, 4, 4}};
    kernel_run(&mw_kernel_totals, (mw_feature_args){0}, &rows, 5, 0, &result);
    static const double energy[] = {0, 2, 5, 5, 7};
    static const double on_time[] = {0, 3600, 7200, 7200, 9000};
    for (int32_t i = 0; i < 5; i++) {
        assert_number(result.out[ENERGY][i], energy[i], i, "energy");
        assert_number(result.out[ON_TIME][i], on_time[i], i, "on_time");
    }
    rows.x[1] = 1.7e308;
    rows.x[2] = 1.7e308;
    rows.times[2] = 4 * hour;
    kernel_run(&mw_kernel_totals, (mw_feature_args){0}, &rows, 5, 0, &result);
    for (int32_t i = 0; i < 5; i++) assert_true(mw_isfinite(result.out[ENERGY][i]));
}

/* ---- crossings ---- */

static const mw_feature_args windows[] = {
    {.us = 300000000, .number = 0},    {.us = 61000001, .number = -1},
    {.us = 7200000000, .number = 0.5}, {.us = 3, .number = 0},
    {.rows = 20, .number = 0},         {.rows = 1, .number = 0},
    {.rows = 5, .number = 1}};
enum { N_WINDOWS = sizeof windows / sizeof *windows };

static double plain_crossings(mw_feature_args args, int32_t i) {
    const int32_t start = plain_start(&rows, args, i);
    int32_t n = 0, count = 0, before = 0;
    for (int32_t j = start; j <= i && start >= 0; j++) {
        if (mw_isnan(rows.x[j])) continue;
        const int32_t now = rows.x[j] > args.number ? 1 : rows.x[j] < args.number ? -1 : before;
        if (before != 0 && now != before) count++;
        before = now;
        n++;
    }
    return n > 0 ? count : MW_NAN;
}

MW_TEST(crossings_are_what_the_window_says) {
    for (uint64_t stream = 0; stream < 8; stream++)
        for (int w = 0; w < N_WINDOWS; w++) {
            make(stream);
            kernel_run(&mw_kernel_crossings, windows[w], &rows, 0, 0, &result);
            for (int32_t i = 0; i < rows.n; i++)
                assert_number(result.out[0][i], plain_crossings(windows[w], i), i, "crossings");
            assert_any_cut(&mw_kernel_crossings, windows[w], &rows);
        }
}

/* To the level and back is none, through it is one; at a window's beginning the level has no side. */
MW_TEST(crossings_by_hand) {
    static const double x[] = {5, 5, 7, 5, 7, 5, MW_NAN, 3, 5, 3, 8};
    static const double all[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2},
                        last_3[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    rows = (kernel_rows){.n = 11, .sampling_us = 1000000};
    memcpy(rows.x, x, sizeof x);
    for (int32_t i = 0; i < rows.n; i++) rows.times[i] = 1000000 * i;
    kernel_run(&mw_kernel_crossings, (mw_feature_args){.rows = 11, .number = 5}, &rows, 4, 0,
               &result);
    for (int32_t i = 0; i < rows.n; i++) assert_number(result.out[0][i], all[i], i, "all rows");
    kernel_run(&mw_kernel_crossings, (mw_feature_args){.us = 3000000, .number = 5}, &rows, 4, 0,
               &result);
    for (int32_t i = 0; i < rows.n; i++)
        assert_number(result.out[0][i], last_3[i], i, "three seconds");
}

MW_TEST_MAIN(MW_RUN(states_are_what_a_look_back_says), MW_RUN(totals_are_what_all_rows_say),
             MW_RUN(totals_by_hand), MW_RUN(crossings_are_what_the_window_says),
             MW_RUN(crossings_by_hand))
