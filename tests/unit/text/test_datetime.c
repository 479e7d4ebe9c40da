/*
 * test_datetime.c -- against Python's datetime (tests/golden/text/make-datetime.py), by round trips
 * over the whole range, and on what must be refused.
 */
#include "core/text/datetime.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "support/harness.h"

#define DAY_US INT64_C(86400000000)

MW_TEST(agrees_with_python) {
    char path[512], line[256], text[64];
    (void)snprintf(path, sizeof path, "%s/text/datetime.txt", mw_test_golden());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int n = 0;
    for (; fgets(line, sizeof line, file); n++) {
        long long want;
        mw_civil c, got;
        int fields =
            sscanf(line, "%63[^\t]\t%lld\t%d %d %d %d %d %d %d %d %d", text, &want, &c.year,
                   &c.month, &c.day, &c.hour, &c.minute, &c.second, &c.us, &c.weekday, &c.yearday);
        assert_int_equal(fields, 11);
        int64_t time_us = 0;
        bool zoned = false;
        if (!mw_time_read(text, strlen(text), &time_us, &zoned) || time_us != want || !zoned)
            fail_msg("%s: %lld, want %lld", text, (long long)time_us, want);
        mw_time_civil(want, &got);
        if (memcmp(&got, &c, sizeof c) != 0) fail_msg("civil of %s", text);
        assert_int_equal(mw_time_from_civil(&c), want);
    }
    (void)fclose(file);
    assert_int_equal(n, 612);
}

static bool read_as(const char *text, int64_t want, bool want_zone) {
    int64_t time_us = -1;
    bool zoned = !want_zone;
    if (!mw_time_read(text, strlen(text), &time_us, &zoned)) return false;
    if (time_us != want) fail_msg("%s: %lld", text, (long long)time_us);
    return zoned == want_zone;
}

MW_TEST(reads_every_form) {
    const int64_t day = 20778 * DAY_US, time = day + INT64_C(25560000000);
    assert_true(read_as("2026-11-21", day, false));
    assert_true(read_as("2026-11-21T07:06", time, false));
    assert_true(read_as("2026-11-21 07:06:00", time, false));
    assert_true(read_as("2026-11-21t07:06:00z", time, true));
    assert_true(read_as("2026-11-21 07:06:00.5", time + 500000, false));
    assert_true(read_as("2026-11-21T07:06:00.1234567899Z", time + 123456, true));
    assert_true(read_as("2026-11-21T09:06:00+02:00", time, true));
    assert_true(read_as("2026-11-21T09:06:00+0200", time, true));
    assert_true(read_as("2026-11-21 09:06+02", time, true));
    assert_true(read_as("2026-11-20T23:36:00-07:30", time, true));
    assert_true(read_as("2026-11-21T07:05:60Z", time, true));
    assert_true(read_as("2026-11-21T07:05:60.25Z", time + 250000, true));
    assert_true(read_as("2026-12-31T23:59:60Z", 20819 * DAY_US, true));
}

MW_TEST(refuses_what_is_no_stamp) {
    static const char *const texts[] = {"",
                                        "2026",
                                        "2026-11",
                                        "2026-11-2",
                                        "2026-11-211",
                                        "20261121",
                                        "2026/11/21",
                                        "21-11-2026",
                                        "2026-00-01",
                                        "2026-13-01",
                                        "2026-01-00",
                                        "2026-01-32",
                                        "2026-02-29",
                                        "2026-04-31",
                                        "1900-02-29",
                                        "2026-11-21T",
                                        "2026-11-21 ",
                                        " 2026-11-21",
                                        "2026-11-21T7:06",
                                        "2026-11-21T07",
                                        "2026-11-21T07:",
                                        "2026-11-21T07:6",
                                        "2026-11-21T24:00:00",
                                        "2026-11-21T07:60:00",
                                        "2026-11-21T07:06:61",
                                        "2026-11-21T07:06:00.",
                                        "2026-11-21T07:06:00,5",
                                        "2026-11-21T07:06:00+",
                                        "2026-11-21T07:06:00+2",
                                        "2026-11-21T07:06:00+02:",
                                        "2026-11-21T07:06:00+02:6",
                                        "2026-11-21T07:06:00+24:00",
                                        "2026-11-21T07:06:00+02:60",
                                        "2026-11-21T07:06:00ZZ",
                                        "2026-11-21T07:06:00 Z",
                                        "2026-11-21Z",
                                        "2026-11-21+02:00",
                                        "2026-11-21x07:06",
                                        "-026-11-21",
                                        "+026-11-21",
                                        "0000-01-01T00:00:00+00:01",
                                        "9999-12-31T23:59:59-00:01",
                                        "9999-12-31T23:59:60Z",
                                        "2026-1a-21"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t time_us = 42;
        bool zoned = true;
        if (mw_time_read(texts[i], strlen(texts[i]), &time_us, &zoned))
            fail_msg("took %s", texts[i]);
        assert_int_equal(time_us, 42);
    }
}

MW_TEST(reads_dates_and_clocks) {
    int64_t us = 0;
    assert_true(mw_time_read_date("1970-01-02", 10, &us) && us == DAY_US);
    assert_false(mw_time_read_date("1970-01-02 ", 11, &us));
    assert_false(mw_time_read_date("1970-01-02T00:00", 16, &us));
    assert_true(mw_time_read_clock("00:01", 5, &us) && us == 60000000);
    assert_true(mw_time_read_clock("23:59:59.999999", 15, &us) && us == DAY_US - 1);
    assert_true(mw_time_read_clock("23:59:60", 8, &us) && us == DAY_US);
    static const char *const bad[] = {"",         "1:00",   "24:00",    "00:60",
                                      "00:00:61", "00:00Z", "00:00:00."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mw_time_read_clock(bad[i], strlen(bad[i]), &us)) fail_msg("took %s", bad[i]);
}

MW_TEST(every_day_is_the_day_after_the_one_before) {
    mw_civil last, now;
    mw_time_civil(-719529 * DAY_US, &last);
    assert_int_equal(last.year, -1);
    for (int64_t day = -719528; day < 2932897; day++) {
        mw_time_civil(day * DAY_US, &now);
        bool next_day = now.year == last.year && now.month == last.month && now.day == last.day + 1;
        bool next_month = now.year == last.year && now.month == last.month + 1 && now.day == 1;
        bool next_year = now.year == last.year + 1 && now.yearday == 0 && last.month == 12 &&
                         last.day == 31 && now.month == 1 && now.day == 1;
        if (!next_day && !next_month && !next_year) fail_msg("day %lld", (long long)day);
        if (!next_year && now.yearday != last.yearday + 1) fail_msg("day %lld", (long long)day);
        if (now.weekday != (last.weekday + 1) % 7) fail_msg("day %lld", (long long)day);
        if (mw_time_from_civil(&now) != day * DAY_US) fail_msg("day %lld", (long long)day);
        last = now;
    }
    assert_int_equal(last.year, 9999);
}

MW_TEST(printed_stamps_read_back) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    char text[MW_TIME_TEXT_MAX];
    for (int i = 0; i < 200000; i++) {
        int64_t want = (int64_t)mw_rng_below(&rng, (uint64_t)(3652425 * DAY_US)) - 719528 * DAY_US,
                got;
        if (i % 3 == 0) want -= want % 1000000;
        if (i % 3 == 1) want -= want % 1000;
        size_t n = mw_time_print(want, text);
        bool zoned = false;
        assert_int_equal(n, strlen(text));
        if (!mw_time_read(text, n, &got, &zoned) || got != want || !zoned) fail_msg("%s", text);
    }
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00Z"},
                 {-1, "1969-12-31T23:59:59.999999Z"},
                 {1500000, "1970-01-01T00:00:01.5Z"},
                 {1010, "1970-01-01T00:00:00.00101Z"},
                 {-719528 * DAY_US, "0000-01-01T00:00:00Z"},
                 {-719529 * DAY_US, "-000001-12-31T00:00:00Z"},
                 {2932897 * DAY_US, "+010000-01-01T00:00:00Z"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_time_print(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
    assert_in_range(mw_time_print(INT64_MIN, text), 20, MW_TIME_TEXT_MAX - 1);
    assert_in_range(mw_time_print(INT64_MAX, text), 20, MW_TIME_TEXT_MAX - 1);
}

MW_TEST(durations) {
    static const struct {
        const char *text;
        int64_t us;
        const char *printed;
    } cases[] = {{"5min", 300000000, "5min"},
                 {"1h", 3600000000, "1h"},
                 {"90s", 90000000, "90s"},
                 {"60s", 60000000, "1min"},
                 {"500ms", 500000, "500ms"},
                 {"250us", 250, "250us"},
                 {"1d", DAY_US, "1d"},
                 {"7D", 7 * DAY_US, "1w"},
                 {"1w", 7 * DAY_US, "1w"},
                 {"min", 60000000, "1min"},
                 {"h", 3600000000, "1h"},
                 {"15T", 900000000, "15min"},
                 {"2H", 7200000000, "2h"},
                 {"S", 1000000, "1s"},
                 {"W", 7 * DAY_US, "1w"},
                 {"3L", 3000, "3ms"},
                 {"U", 1, "1us"},
                 {"3660d", 3660 * DAY_US, "3660d"},
                 {"007s", 7000000, "7s"}};
    char text[MW_TIME_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 0, again = 0;
        if (!mw_duration_read(cases[i].text, strlen(cases[i].text), &us))
            fail_msg("%s", cases[i].text);
        assert_int_equal(us, cases[i].us);
        size_t n = mw_duration_print(us, text);
        assert_string_equal(text, cases[i].printed);
        assert_true(mw_duration_read(text, n, &again) && again == us);
    }
    static const char *const bad[] = {"",
                                      "5",
                                      "0s",
                                      "-5s",
                                      "+5s",
                                      "5 min",
                                      "5m",
                                      "5M",
                                      "1.5h",
                                      "5minutes",
                                      "3661d",
                                      "523w",
                                      "99999999999999999999us",
                                      "s5",
                                      "MIN",
                                      " 5s",
                                      "5s "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t us = 42;
        if (mw_duration_read(bad[i], strlen(bad[i]), &us)) fail_msg("took %s", bad[i]);
        assert_int_equal(us, 42);
    }
    mw_duration_print(0, text);
    assert_string_equal(text, "0us");
}

MW_TEST_MAIN(MW_RUN(agrees_with_python), MW_RUN(reads_every_form), MW_RUN(refuses_what_is_no_stamp),
             MW_RUN(reads_dates_and_clocks), MW_RUN(every_day_is_the_day_after_the_one_before),
             MW_RUN(printed_stamps_read_back), MW_RUN(durations))
