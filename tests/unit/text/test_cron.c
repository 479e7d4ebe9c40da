/*
 * test_cron.c -- against croniter (tests/golden/text/make-cron.py), against a walk through all minutes in random zones, and by hand where clocks change.
 */
#include "core/text/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/civil.h"
#include "core/text/datetime.h"
#include "support/cron_oracle.h"
#include "support/harness.h"

static mw_err err;

static mw_zone *opened(const char *name) {
    mw_zone *zone = NULL;
    assert_ok(mw_zone_open(NULL, name, &zone, &err));
    return zone;
}

static mw_cron parsed(const char *text) {
    mw_cron cron;
    memset(&err, 0, sizeof err);
    if (mw_cron_read(text, &cron, &err) != MW_OK) fail_msg("%s: %s", text, err.message);
    return cron;
}

static int64_t at(const char *stamp) {
    int64_t us = 0;
    bool zoned;
    if (!mw_time_read(stamp, strlen(stamp), &us, &zoned)) fail_msg("%s", stamp);
    return us;
}

/* ---- reading ---- */

static void assert_same(const char *a, const char *b) {
    const mw_cron left = parsed(a), right = parsed(b);
    if (left.minutes != right.minutes || left.hours != right.hours || left.days != right.days ||
        left.months != right.months || left.weekdays != right.weekdays ||
        left.every != right.every || left.either != right.either)
        fail_msg("%s is not %s", a, b);
}

MW_TEST(forms) {
    assert_same("@daily", "0 0 * * *");
    assert_same("@Yearly", "0 0 1 1 *");
    assert_same("  0\t0 * * *  ", "0 0 * * *");
    assert_same("0 0 * JAN-mar Mon,WED", "0 0 * 1,2,3 1,3");
    assert_same("1-9/3 0 1 1 0", "1,4,7 0 1 1 7");
    assert_same("0 0 1 1 fri-sun", "0 0 1 1 5,6,7");
    assert_same("0 0 1 1 sun-tue", "0 0 1 1 0,1,2");
    assert_same("0 0 1 1 0-7", "0 0 1 1 sun-sat");
    const mw_cron cron = parsed("*/20 8-10 31 dec sat");
    assert_true(cron.minutes == (UINT64_C(1) | UINT64_C(1) << 20 | UINT64_C(1) << 40));
    assert_int_equal(cron.hours, 7 << 8);
    assert_int_equal(cron.days, INT64_C(1) << 31);
    assert_int_equal(cron.months, 1 << 12);
    assert_int_equal(cron.weekdays, 1 << 6);
    assert_true(cron.every && cron.either);
    assert_false(parsed("0-59 0-23 * * *").every);
    assert_true(parsed("0 */2 * * *").every);
    assert_false(parsed("0 0 */2 * 1").either);
}

MW_TEST(mistakes_are_named) {
    static const struct {
        const char *text, *message, *hint;
    } rows[] = {
        {"60 * * * *", "the minute of a cron expression cannot be \"60\"", "0 to 59"},
        {"* 24 * * *", "the hour of a cron expression cannot be \"24\"", "0 to 23"},
        {"* * 0 * *", "the day of the month of a cron expression cannot be \"0\"", "1 to 31"},
        {"* * 32 * *", "the day of the month", "1 to 31"},
        {"* * * 13 *", "the month of a cron expression cannot be \"13\"", "jan to dec"},
        {"* * * june *", "cannot be \"june\"", "jan to dec"},
        {"* * * * 8", "the day of the week of a cron expression cannot be \"8\"", "sun to sat"},
        {"* * mon * *", "the day of the month", "1 to 31"},
        {"1,,2 * * * *", "cannot be \"\"", "0 to 59"},
        {"1, * * * *", "cannot be \"\"", "0 to 59"},
        {"9-5 * * * *", "cannot be \"9-5\"", "0 to 59"},
        {"1,2-x * * * *", "cannot be \"2-x\"", "0 to 59"},
        {"*/0 * * * *", "cannot be \"*/0\"", "*/15"},
        {"*/90 * * * *", "cannot be \"*/90\"", "*/15"},
        {"5/15 * * * *", "cannot be \"5/15\"", "0-30/10"},
        {"-1 * * * *", "cannot be \"-1\"", "0 to 59"},
        {"*5 * * * *", "cannot be \"*5\"", "0 to 59"},
        {"1000 * * * *", "cannot be \"1000\"", "0 to 59"},
        {"? * * * *", "cannot be \"?\"", "0 to 59"},
        {"* * L * *", "cannot be \"L\"", "1 to 31"},
        {"", "five fields, and this one has 0", "day of the week"},
        {"* * * *", "five fields, and this one has 4", "day of the week"},
        {"0 * * * * *", "five fields, and this one has 6", "day of the week"},
        {"@reboot", "there is no cron expression \"@reboot\"", "@hourly"},
        {"@", "there is no cron expression \"@\"", "@hourly"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mw_cron cron;
        assert_status(mw_cron_read(rows[i].text, &cron, &err), MW_EINVAL);
        if (!strstr(err.message, rows[i].message) || !strstr(err.hint, rows[i].hint))
            fail_msg("%s: %s (%s)", rows[i].text, err.message, err.hint);
    }
}

/* ---- without changes of the clock ---- */

MW_TEST(agrees_with_croniter) {
    char path[512], line[512];
    (void)snprintf(path, sizeof path, "%s/text/cron.txt", mw_test_golden());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    mw_zone *utc = opened("UTC");
    int n = 0, n_times = 0;
    for (; fgets(line, sizeof line, file); n++) {
        char *start = strchr(line, '\t');
        assert_non_null(start);
        *start++ = '\0';
        const mw_cron cron = parsed(line);
        char *rest;
        int64_t from = strtoll(start, &rest, 10) * MW_SECOND_US, got = 0;
        for (int i = 0; i < 5; i++) {
            char *end;
            const int64_t want = strtoll(rest, &end, 10) * MW_SECOND_US;
            if (end == rest) { /* no more of them */
                assert_status(mw_cron_next(&cron, utc, from, &got, &err), MW_ENOTFOUND);
                break;
            }
            rest = end;
            assert_ok(mw_cron_next(&cron, utc, from, &got, &err));
            if (got != want)
                fail_msg("%s after %lld: got %lld, want %lld", line, (long long)from,
                         (long long)got, (long long)want);
            from = got;
            n_times++;
        }
    }
    (void)fclose(file);
    (void)mw_zone_close(utc);
    assert_true(n > 500 && n_times > 2400);
}

MW_TEST(dates_that_never_come) {
    mw_zone *berlin = opened("Europe/Berlin");
    static const char *const texts[] = {"0 0 30 2 *", "* * 30 2 *", "* * 31 2,4,6,9,11 *",
                                        "0 0 30 2 */2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const mw_cron cron = parsed(texts[i]);
        int64_t next = 7;
        assert_status(mw_cron_next(&cron, berlin, at("2026-11-30"), &next, &err), MW_ENOTFOUND);
        assert_int_equal(next, 7);
        assert_true(err.hint[0] != 0);
    }
    (void)mw_zone_close(berlin);
}

/* Only where both day fields count does a leap day wait for its weekday: 40 years when 2100 lies between. */
MW_TEST(rare_dates) {
    mw_zone *utc = opened("UTC");
    int64_t next;
    mw_cron cron = parsed("0 0 29 2 *");
    assert_ok(mw_cron_next(&cron, utc, at("2096-02-29"), &next, &err));
    assert_int_equal(next, at("2104-02-29"));
    cron = parsed("0 0 29 2 */7"); /* Sundays alone */
    assert_ok(mw_cron_next(&cron, utc, at("2072-01-01"), &next, &err));
    assert_int_equal(next, at("2088-02-29"));
    assert_ok(mw_cron_next(&cron, utc, next, &next, &err));
    assert_int_equal(next, at("2128-02-29"));
    (void)mw_zone_close(utc);
}

MW_TEST(ends_of_time) {
    mw_zone *berlin = opened("Europe/Berlin");
    const mw_cron cron = parsed("0 0 1 1 *"), often = parsed("* * * * *");
    int64_t next;
    assert_status(mw_cron_next(&cron, berlin, at("9999-06-01"), &next, &err), MW_ENOTFOUND);
    assert_status(mw_cron_next(&often, berlin, INT64_MAX, &next, &err), MW_ENOTFOUND);
    assert_ok(mw_cron_next(&often, berlin, INT64_MIN, &next, &err));
    assert_true(next >= MW_TIME_FIRST_US && next < MW_TIME_FIRST_US + 2 * MW_MINUTE_US);
    assert_ok(mw_cron_next(&cron, berlin, INT64_MIN, &next, &err));
    assert_ok(mw_cron_next(&often, berlin, at("2026-01-01") - 1, &next, &err));
    assert_int_equal(next, at("2026-01-01"));
    (void)mw_zone_close(berlin);
}

/* ---- where clocks change ---- */

/* The times due from `from` on, as the zone's clocks and laws say. */
static void check(const char *text, const char *name, const char *from, const char *const *want,
                  size_t n) {
    const mw_cron cron = parsed(text);
    mw_zone *zone = opened(name);
    int64_t time = at(from) - 1;
    for (size_t i = 0; i < n; i++) {
        char got[MW_TIME_TEXT_MAX];
        assert_ok(mw_cron_next(&cron, zone, time, &time, &err));
        (void)mw_time_print(time, got);
        if (strcmp(got, want[i]) != 0)
            fail_msg("%s in %s: %zu is %s, want %s", text, name, i, got, want[i]);
    }
    (void)mw_zone_close(zone);
}

#define CHECK(text, name, from, ...)                            \
    check(text, name, from, (const char *const[]){__VA_ARGS__}, \
          sizeof(const char *const[]){__VA_ARGS__} / sizeof(const char *))

MW_TEST(skipped_times) {
    /* Berlin, 29 March 2026: 02:00 to 03:00 does not come; 03:00 is 01:00 UTC. */
    CHECK("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00Z", "2026-03-28T01:30:00Z",
          "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    CHECK("10,20 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00:00Z",
          "2026-03-29T01:10:00Z", "2026-03-29T01:20:00Z", "2026-03-30T00:10:00Z");
    CHECK("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00:00Z",
          "2026-03-30T00:00:00Z");
    CHECK("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30Z", "2026-03-29T00:30:00Z",
          "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z");
    CHECK("*/30 2 * * *", "Europe/Berlin", "2026-03-28T01:30Z", "2026-03-28T01:30:00Z",
          "2026-03-30T00:00:00Z");
    /* Samoa left out 30 December 2011. */
    CHECK("0 3 * * *", "Pacific/Apia", "2011-12-29T00:00Z", "2011-12-29T13:00:00Z",
          "2011-12-30T10:00:00Z", "2011-12-30T13:00:00Z");
}

MW_TEST(times_that_come_twice) {
    /* Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC. */
    CHECK("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:30:00Z",
          "2026-10-26T01:30:00Z");
    CHECK("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45Z", "2026-10-26T01:30:00Z");
    CHECK("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15Z", "2026-10-26T01:30:00Z");
    CHECK("0 2,3 * * *", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T00:00:00Z",
          "2026-10-25T02:00:00Z");
    CHECK("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T00:00:00Z",
          "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
          "2026-10-26T01:00:00Z");
    CHECK("0 * * * *", "Europe/Berlin", "2026-10-24T23:30Z", "2026-10-25T00:00:00Z",
          "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
    /* Lord Howe's clocks change by half an hour. */
    CHECK("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00Z", "2026-04-04T14:45:00Z",
          "2026-04-05T15:15:00Z");
    CHECK("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", "2026-10-03T15:30:00Z",
          "2026-10-04T15:15:00Z");
}

/* ---- random expressions ---- */

static const char *const zones[] = {"UTC",
                                    "Europe/Berlin",
                                    "America/New_York",
                                    "Australia/Lord_Howe",
                                    "Asia/Kathmandu",
                                    "Africa/Casablanca",
                                    "Pacific/Chatham",
                                    "Antarctica/Troll",
                                    "America/Havana",
                                    "Asia/Gaza",
                                    "Pacific/Apia",
                                    "America/Scoresbysund",
                                    "Africa/Cairo",
                                    "America/Sao_Paulo",
                                    "Europe/Dublin",
                                    "+05:45"};

typedef struct random_cron {
    char text[256];
    cron_oracle oracle;
} random_cron;

/* Adds one item to the text and its values to the set. */
static void add_item(mw_rng *rng, char *text, bool *set, int low, int high) {
    const int span = high - low + 1, step = 1 + (int)mw_rng_below(rng, (uint64_t)high);
    int a = low + (int)mw_rng_below(rng, (uint64_t)span);
    int b = low + (int)mw_rng_below(rng, (uint64_t)span);
    const int kind = (int)mw_rng_below(rng, 3);
    if (a > b) {
        const int other = a;
        a = b;
        b = other;
    }
    if (kind == 0) {
        (void)sprintf(text, "%d", a);
        b = a;
    } else {
        (void)sprintf(text, kind == 1 ? "%d-%d" : "%d-%d/%d", a, b, step);
    }
    for (int v = a; v <= b; v++) set[v] |= kind < 2 || (v - a) % step == 0;
}

/* Returns whether the field begins with *. */
static bool add_field(mw_rng *rng, char *text, bool *set, int low, int high) {
    const uint64_t kind = mw_rng_below(rng, 10);
    text += strlen(text);
    if (kind < 5) {
        const int step = kind < 3 ? 1 : 2 + (int)mw_rng_below(rng, (uint64_t)high - 2);
        (void)sprintf(text, step == 1 ? "* " : "*/%d ", step);
        for (int v = low; v <= high; v++) set[v] = (v - low) % step == 0;
        return true;
    }
    memset(set, 0, ((size_t)high + 1) * sizeof *set);
    for (uint64_t i = 0; i <= kind % 3; i++) {
        if (i) strcat(text, ",");
        add_item(rng, text + strlen(text), set, low, high);
    }
    strcat(text, " ");
    return false;
}

static void make_random(mw_rng *rng, random_cron *ret) {
    memset(ret, 0, sizeof *ret);
    cron_oracle *o = &ret->oracle;
    const bool minute = add_field(rng, ret->text, o->minute, 0, 59);
    const bool hour = add_field(rng, ret->text, o->hour, 0, 23);
    const bool day = add_field(rng, ret->text, o->day, 1, 31);
    (void)add_field(rng, ret->text, o->month, 1, 12);
    const bool weekday = add_field(rng, ret->text, o->weekday, 0, 6);
    o->every = minute || hour;
    o->either = !day && !weekday;
}

/* Times after 1973 on: before, some offsets had seconds, which minutes of UTC would miss. */
static int64_t random_start(mw_rng *rng, const mw_zone *zone) {
    int64_t us = at("1973-01-01") + (int64_t)mw_rng_below(rng, 65 * 365 * 1440) * MW_MINUTE_US;
    mw_zone_offset offset;
    mw_zone_offset_at(zone, us, &offset);
    if (offset.to_us < at("2040-01-01") && mw_rng_below(rng, 4))
        us = offset.to_us - (int64_t)mw_rng_below(rng, 3 * 1440) * MW_MINUTE_US;
    return us;
}

enum { WINDOW_DAYS = 25, MOST = WINDOW_DAYS * 1440 + 1 };

static void check_window(const random_cron *random, const mw_zone *zone, int64_t from_us,
                         mw_rng *rng) {
    static int64_t due[MOST];
    const int64_t to_us = from_us + WINDOW_DAYS * MW_DAY_US;
    const size_t n = cron_oracle_due(&random->oracle, zone, from_us, to_us, due, MOST);
    const mw_cron cron = parsed(random->text);
    int64_t time = from_us - 1;
    for (size_t i = 0; i <= n; i++) {
        int64_t next;
        const mw_status status = mw_cron_next(&cron, zone, time, &next, &err);
        if (i == n && (status == MW_ENOTFOUND || next >= to_us)) break;
        if (status != MW_OK || i == n || next != due[i])
            fail_msg("%s in %s after %lld: got %lld, want %lld", random->text, mw_zone_name(zone),
                     (long long)time, (long long)next, i < n ? (long long)due[i] : -1);
        time = next;
    }
    for (int i = 0; n > 0 && i < 20; i++) { /* from anywhere */
        const int64_t after =
            from_us + (int64_t)mw_rng_below(rng, (uint64_t)(due[n - 1] - from_us + 1)) - 1;
        size_t want = 0;
        while (want < n && due[want] <= after) want++;
        assert_ok(mw_cron_next(&cron, zone, after, &time, &err));
        if (want < n) assert_int_equal(time, due[want]);
    }
}

MW_TEST(agrees_with_every_minute) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int round = 0; round < mw_test_rounds(1200); round++) {
        random_cron random;
        mw_zone *zone = opened(zones[mw_rng_below(&rng, sizeof zones / sizeof *zones)]);
        make_random(&rng, &random);
        check_window(&random, zone, random_start(&rng, zone), &rng);
        (void)mw_zone_close(zone);
    }
}

MW_TEST_MAIN(MW_RUN(forms), MW_RUN(mistakes_are_named), MW_RUN(agrees_with_croniter),
             MW_RUN(dates_that_never_come), MW_RUN(rare_dates), MW_RUN(ends_of_time),
             MW_RUN(skipped_times), MW_RUN(times_that_come_twice), MW_RUN(agrees_with_every_minute))
