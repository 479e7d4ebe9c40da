/* test_durations.c -- histograms of durations: bounds, sums, text. */
#include <string.h>

#include "core/base/durations.h"
#include "support/harness.h"

MW_TEST(durations_fall_into_buckets) {
    static mw_durations d;
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 16);
    mw_durations_add(&d, -5); /* a clock was set back */
    mw_durations_add(&d, 100);
    mw_durations_add(&d, 101);
    mw_durations_add(&d, 3600000000);
    mw_durations_add(&d, 3600000001);
    assert_int_equal(mw_durations_count(&d), 5);
    assert_int_equal(d.buckets[0], 2);
    assert_int_equal(d.buckets[1], 1);
    assert_int_equal(d.buckets[MW_DURATIONS_BOUNDS - 1], 1);
    assert_int_equal(d.buckets[MW_DURATIONS_BOUNDS], 1);
    mw_durations_write(&d, "x_seconds", "kind=\"a\"", &out);
    const char *text = mw_buf_text(&out);
    assert_non_null(strstr(text, "x_seconds_bucket{kind=\"a\",le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{kind=\"a\",le=\"3600\"} 4\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{kind=\"a\",le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(text, "x_seconds_sum{kind=\"a\"} 7200.000202\n"));
    assert_non_null(strstr(text, "x_seconds_count{kind=\"a\"} 5\n"));
    mw_buf_clear(&out);
    mw_durations_write(&d, "x_seconds", "", &out);
    assert_non_null(strstr(mw_buf_text(&out), "\nx_seconds_count 5\n"));
    assert_non_null(strstr(mw_buf_text(&out), "x_seconds_bucket{le=\"0.0001\"} 2\n"));
    mw_buf_done(&out);
}

MW_TEST_MAIN(MW_RUN(durations_fall_into_buckets))
