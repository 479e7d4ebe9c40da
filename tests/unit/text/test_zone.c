/*
 * test_zone.c -- against Python's zoneinfo (tests/golden/text/make-zones.py), over hostile files, and by properties.
 */
#include "core/text/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "core/text/zone_embedded.h"
#include "core/text/zone_table.h"
#include "support/harness.h"

#define HOUR_US MW_HOUR_US

static void use_golden_zones(void) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/text/zones", mw_test_golden());
    assert_int_equal(setenv("TZDIR", path, 1), 0);
}

static void use_embedded_zones(void) { assert_int_equal(setenv("TZDIR", "/nonexistent", 1), 0); }

static mw_zone *opened(const char *name) {
    mw_err err = {0};
    mw_zone *zone = NULL;
    assert_ok(mw_zone_open(NULL, name, &zone, &err));
    return zone;
}

MW_TEST(agrees_with_python) {
    use_golden_zones();
    char path[512], line[256], name[64], last[64] = "";
    (void)snprintf(path, sizeof path, "%s/text/zones.txt", mw_test_golden());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    mw_zone *zone = NULL;
    int n = 0, n_zones = 0, cases[3] = {0};
    for (; fgets(line, sizeof line, file); n++) {
        long long local, utc, back;
        int want;
        assert_int_equal(sscanf(line, "%63s %lld %lld %d %lld", name, &local, &utc, &want, &back),
                         5);
        if (strcmp(name, last) != 0) {
            (void)mw_zone_close(zone);
            zone = opened(name);
            assert_string_equal(mw_zone_name(zone), name);
            memcpy(last, name, sizeof last);
            n_zones++;
        }
        mw_zone_case got;
        int64_t got_utc = mw_zone_to_utc(zone, local, &got);
        if (got_utc != utc || (int)got != want)
            fail_msg("%s %lld: utc %lld case %d, want %lld %d", name, local, (long long)got_utc,
                     (int)got, utc, want);
        if (mw_zone_to_local(zone, utc) != back) fail_msg("%s %lld back", name, utc);
        cases[want]++;
    }
    (void)fclose(file);
    (void)mw_zone_close(zone);
    assert_int_equal(n_zones, 50);
    assert_true(n > 3000 && cases[MW_ZONE_TWICE] > 500 && cases[MW_ZONE_NEVER] > 500);
}

static int64_t at(const char *stamp) {
    int64_t us = 0;
    bool zoned;
    if (!mw_time_read(stamp, strlen(stamp), &us, &zoned)) fail_msg("%s", stamp);
    return us;
}

static void check(const char *name, const char *local, const char *utc, mw_zone_case want) {
    mw_zone *zone = opened(name);
    mw_zone_case got;
    int64_t us = mw_zone_to_utc(zone, at(local), &got);
    char text[MW_TIME_TEXT_MAX];
    (void)mw_time_print(us, text);
    if (us != at(utc) || got != want)
        fail_msg("%s %s: %s (%d), want %s", name, local, text, (int)got, utc);
    (void)mw_zone_close(zone);
}

/* As the laws of these places say; needs no file beside the program. */
MW_TEST(embedded_zones_keep_the_law) {
    use_embedded_zones();
    check("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z", MW_ZONE_ONCE);
    check("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z", MW_ZONE_NEVER);
    check("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z", MW_ZONE_ONCE);
    check("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z", MW_ZONE_TWICE);
    check("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z", MW_ZONE_ONCE);
    check("Europe/Dublin", "2026-01-05T06:00", "2026-01-05T06:00Z", MW_ZONE_ONCE);
    check("Europe/Dublin", "2026-07-05T06:00", "2026-07-05T05:00Z", MW_ZONE_ONCE);
    check("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z", MW_ZONE_TWICE);
    check("Australia/Lord_Howe", "2026-07-05T10:30:00", "2026-07-05T00:00:00Z", MW_ZONE_ONCE);
    check("Asia/Kathmandu", "2026-01-05T05:45", "2026-01-05T00:00Z", MW_ZONE_ONCE);
    check("America/New_York", "9000-07-04T12:00", "9000-07-04T16:00Z", MW_ZONE_ONCE);
    check("europe/berlin", "2026-07-05T06:00", "2026-07-05T04:00Z", MW_ZONE_ONCE);
    check("Etc/GMT+2", "2026-07-05T06:00", "2026-07-05T08:00Z", MW_ZONE_ONCE);
}

MW_TEST(every_embedded_zone_opens) {
    use_embedded_zones();
    assert_true(mw_zones_embedded_count > 400);
    for (size_t i = 0; i < mw_zones_embedded_count; i++) {
        mw_zone *zone = opened(mw_zones_embedded[i].name);
        int64_t offset_us;
        bool fixed = mw_zone__fixed(mw_zones_embedded[i].name, &offset_us);
        assert_string_equal(mw_zone_name(zone), fixed ? "UTC" : mw_zones_embedded[i].name);
        if (i) assert_true(strcmp(mw_zones_embedded[i - 1].name, mw_zones_embedded[i].name) < 0);
        (void)mw_zone_close(zone);
    }
}

MW_TEST(fixed_offsets) {
    static const struct {
        const char *name;
        int minutes;
        const char *shown;
    } rows[] = {{"UTC", 0, "UTC"},         {"Z", 0, "UTC"},
                {"utc", 0, "UTC"},         {"GMT", 0, "UTC"},
                {"+02:00", 120, "+02:00"}, {"-07:30", -450, "-07:30"},
                {"+0545", 345, "+05:45"},  {"+5", 300, "+05:00"},
                {"UTC+2", 120, "+02:00"},  {"UTC-3:30", -210, "-03:30"},
                {"GMT+10", 600, "+10:00"}, {"-18", -1080, "-18:00"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mw_zone *zone = opened(rows[i].name);
        assert_string_equal(mw_zone_name(zone), rows[i].shown);
        assert_int_equal(mw_zone_to_utc(zone, 5 * HOUR_US, NULL),
                         5 * HOUR_US - rows[i].minutes * MW_MINUTE_US);
        assert_int_equal(mw_zone_to_local(zone, 5 * HOUR_US),
                         5 * HOUR_US + rows[i].minutes * MW_MINUTE_US);
        (void)mw_zone_close(zone);
    }
}

MW_TEST(unknown_names) {
    use_embedded_zones();
    static const struct {
        const char *name, *near;
    } rows[] = {
        {"Berlin", "Europe/Berlin"},
        {"Europe/Berln", "Europe/Berlin"},
        {"New York", "America/New_York"},
        {"../../etc/passwd", ""},
        {"/etc/passwd", ""},
        {"Europe/", ""},
        {"Europe", ""},
        {"Europe//Berlin", ""},
        {"", ""},
        {"+19", ""},
        {"+02:60", ""},
        {"+02:6", ""},
        {"UTC+2:0", ""},
        {"a\nb", ""},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mw_err err = {0};
        mw_zone *zone = NULL;
        assert_status(mw_zone_open(NULL, rows[i].name, &zone, &err), MW_EINVAL);
        assert_null(zone);
        assert_true(err.hint[0] != '\0');
        if (!strstr(err.hint, rows[i].near)) fail_msg("%s: %s", rows[i].name, err.hint);
    }
}

static void write_zone(const char *name, const void *data, size_t size) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", mw_test_folder(), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    (void)fclose(file);
    assert_int_equal(setenv("TZDIR", mw_test_folder(), 1), 0);
}

static size_t berlin(unsigned char *out, size_t capacity) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/text/zones/Europe/Berlin", mw_test_golden());
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(out, 1, capacity, file);
    (void)fclose(file);
    assert_true(n > 2000 && n < capacity);
    return n;
}

static mw_status open_bytes(const void *data, size_t size, mw_err *err) {
    mw_zone *zone = NULL;
    mw_status status = mw_zone__file_read(NULL, "Test", data, size, &zone, err);
    if (status == MW_OK) (void)mw_zone_to_utc(zone, 0, NULL);
    if (status != MW_OK) assert_null(zone);
    (void)mw_zone_close(zone);
    return status;
}

MW_TEST(cut_files_are_damaged) {
    unsigned char data[4096];
    size_t n = berlin(data, sizeof data);
    for (size_t size = 0; size < n; size++) {
        mw_err err = {0};
        unsigned char *exact = malloc(size ? size : 1);
        memcpy(exact, data, size);
        assert_status(open_bytes(exact, size, &err), MW_EDATA);
        assert_true(err.hint[0] != '\0');
        free(exact);
    }
}

MW_TEST(changed_files_never_crash) {
    unsigned char data[4096], copy[4096];
    size_t n = berlin(data, sizeof data);
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    int n_bad = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, data, n);
        for (int k = 0; k < 3; k++)
            copy[mw_rng_below(&rng, round % 2 ? n : 100)] = (unsigned char)mw_rng_below(&rng, 256);
        mw_err err = {0};
        mw_status status = open_bytes(copy, n, &err);
        assert_true(status == MW_OK || status == MW_EDATA);
        n_bad += status == MW_EDATA;
    }
    assert_true(n_bad > 1000);
}

MW_TEST(hostile_files) {
    unsigned char data[4096], copy[4096];
    size_t n = berlin(data, sizeof data);
    static const struct {
        size_t place;
        unsigned char byte;
        const char *why;
    } rows[] = {{0, 'X', "TZif"},
                {4, '1', "version"},
                {32, 0xff, "cut short"},
                {36, 0xff, "cut short"},
                {20, 0xff, "cut short"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mw_err err = {0};
        memcpy(copy, data, n);
        copy[rows[i].place] = rows[i].byte;
        assert_status(open_bytes(copy, n, &err), MW_EDATA);
        if (!strstr(err.message, rows[i].why)) fail_msg("%s", err.message);
    }
    /* A folder, an empty file, one that is too large. */
    char path[512];
    mw_err err = {0};
    mw_zone *zone = NULL;
    write_zone("Empty", "", 0);
    assert_status(mw_zone_open(NULL, "Empty", &zone, &err), MW_EDATA);
    (void)snprintf(path, sizeof path, "%s/Folder", mw_test_folder());
    assert_int_equal(mkdir(path, 0700), 0);
    assert_status(mw_zone_open(NULL, "Folder", &zone, &err), MW_EINVAL);
    (void)snprintf(path, sizeof path, "%s/Pipe", mw_test_folder());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_status(mw_zone_open(NULL, "Pipe", &zone, &err), MW_EINVAL);
    char *large = calloc(1, 262145);
    write_zone("Large", large, 262145);
    free(large);
    assert_status(mw_zone_open(NULL, "Large", &zone, &err), MW_EDATA);
    assert_null(zone);
    write_zone("Good", data, n);
    assert_ok(mw_zone_open(NULL, "Good", &zone, &err));
    (void)mw_zone_close(zone);
}

/* Version 1, no changes: one type of +01:00. */
static size_t small_file(unsigned char *out, int version, const char *rule) {
    unsigned char one[44 + 6 + 4] = {'T', 'Z', 'i', 'f', (unsigned char)version};
    one[39] = 1;
    one[43] = 4;
    one[46] = 0x0e;
    one[47] = 0x10;
    size_t n = 0;
    memcpy(out, one, sizeof one);
    n += sizeof one;
    if (!version) return n;
    memcpy(out + n, one, sizeof one);
    n += sizeof one;
    return n + (size_t)sprintf((char *)out + n, "\n%s\n", rule);
}

/* "right/..." zones of tzdata: one leap second more in the block. */
MW_TEST(leap_seconds_are_refused) {
    unsigned char data[64] = {0};
    mw_err err = {0};
    size_t n = small_file(data, 0, "");
    data[31] = 1;
    assert_status(open_bytes(data, n + 8, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "leap seconds"));
}

MW_TEST(rules) {
    static const struct {
        const char *rule;
        bool good;
        const char *local;
        int minutes; /* offset then */
    } rows[] = {{"", true, "2026-07-05", 60},
                {"CET-1", true, "2026-07-05", 60},
                {"CET-1CEST,M3.5.0,M10.5.0/3", true, "2026-07-05", 120},
                {"CET-1CEST,M3.5.0,M10.5.0/3", true, "0001-07-05", 120},
                {"CET-1CEST,M3.5.0,M10.5.0/3", true, "9998-01-05", 60},
                {"<+03>-3", true, "2026-07-05", 60}, /* no change ever: the first type holds */
                {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true, "2026-07-05", -60},
                {"IST-1GMT0,M10.5.0,M3.5.0/1", true, "2026-01-05", 0},
                {"IST-1GMT0,M10.5.0,M3.5.0/1", true, "2026-07-05", 60},
                {"XXX3EDT4,0/0,J365/23", true, "2026-07-05", -240}, /* summer time all year */
                {"XXX3EDT4,0/0,J365/23", true, "2026-12-31T23:30", -240},
                {"AAA-1BBB,J59,J300", true, "2024-02-28T12:00", 120},
                {"AAA-1BBB,J60,J300", true, "2024-02-29T12:00", 60},
                {"AAA-1BBB,J60,J300", true, "2024-03-01T12:00", 120},
                {"AAA-1BBB,59,300", true, "2024-02-29T12:00", 120},
                {"EET-2EEST,M3.5.4/50,M10.4.4/50", true, "2026-03-27", 120},
                {"CE-1", false, "", 0},
                {"CET", false, "", 0},
                {"CET-1CEST", false, "", 0},
                {"CET-25", false, "", 0},
                {"CET-1CEST,M13.5.0,M10.5.0", false, "", 0},
                {"CET-1CEST,M3.6.0,M10.5.0", false, "", 0},
                {"CET-1CEST,M3.0.0,M10.5.0", false, "", 0},
                {"CET-1CEST,M3.5.7,M10.5.0", false, "", 0},
                {"CET-1CEST,J0,J300", false, "", 0},
                {"CET-1CEST,366,J300", false, "", 0},
                {"CET-1CEST,M3.5.0/168,M10.5.0", false, "", 0},
                {"CET-1CEST,M3.5.0,M10.5.0x", false, "", 0},
                {"<+03-3", false, "", 0},
                {"CET-1:60", false, "", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char data[256];
        mw_err err = {0};
        mw_zone *zone = NULL;
        size_t n = small_file(data, '2', rows[i].rule);
        mw_status status = mw_zone__file_read(NULL, "Test", data, n, &zone, &err);
        if (status != (rows[i].good ? MW_OK : MW_EDATA))
            fail_msg("%s: %d", rows[i].rule, (int)status);
        if (!rows[i].good) continue;
        for (size_t k = 1; k < zone->n; k++) assert_true(zone->at_us[k - 1] < zone->at_us[k]);
        int64_t local = at(rows[i].local), utc = mw_zone_to_utc(zone, local, NULL);
        if (local - utc != rows[i].minutes * MW_MINUTE_US)
            fail_msg("%s: %lld minutes", rows[i].rule, (long long)((local - utc) / MW_MINUTE_US));
        (void)mw_zone_close(zone);
    }
    unsigned char data[64];
    mw_err err = {0};
    assert_ok(open_bytes(data, small_file(data, 0, ""), &err));
}

/* The span holds what single calls say, and what is read goes back to the local time unless that never came. */
MW_TEST(spans_and_single_times_agree) {
    use_golden_zones();
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca",
                                        "Europe/Dublin", "Antarctica/Troll"};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        mw_zone *zone = opened(names[k]);
        for (int i = 0; i < 20000; i++) {
            int64_t local =
                MW_TIME_FIRST_US +
                (int64_t)mw_rng_below(&rng, (uint64_t)(MW_TIME_END_US - MW_TIME_FIRST_US));
            if (i % 2) local = (int64_t)mw_rng_below(&rng, (uint64_t)(100 * 365 * MW_DAY_US));
            mw_zone_span span;
            mw_zone_case got;
            mw_zone_span_at(zone, local, &span);
            assert_true(span.from_us <= local && local < span.to_us);
            int64_t utc = mw_zone_to_utc(zone, local, &got);
            assert_int_equal(utc, local - span.offset_us);
            if (got == MW_ZONE_NEVER)
                assert_true(mw_zone_to_local(zone, utc) != local);
            else
                assert_int_equal(mw_zone_to_local(zone, utc), local);
            if (span.to_us < MW_TIME_END_US) {
                mw_zone_span next;
                mw_zone_span_at(zone, span.to_us, &next);
                assert_true(next.from_us == span.to_us && next.offset_us != span.offset_us);
            }
        }
        (void)mw_zone_close(zone);
    }
}

MW_TEST(columns_equal_single_times) {
    use_golden_zones();
    enum { N = 4000 };
    static int64_t local[N], times[N];
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe"};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    for (size_t k = 0; k < 2; k++) {
        mw_zone *zone = opened(names[k]);
        int64_t us = at("2020-01-01");
        uint64_t want[3] = {0}, twice = 0, never = 0;
        for (size_t i = 0; i < N; i++) {
            local[i] = times[i] = i % 100 == 7 ? INT64_MIN : us;
            us += (int64_t)mw_rng_below(&rng, 2) * 20 * MW_MINUTE_US;
            if (i % 40 == 0) us += 11 * MW_DAY_US;
            if (i % 400 == 0) us = at("2020-03-28T23:00");
            if (i % 400 == 200) us = at("2020-10-24T23:00");
        }
        mw_zone_convert(zone, times, N, &twice, &never);
        for (size_t i = 0; i < N; i++) {
            mw_zone_case got = MW_ZONE_ONCE;
            int64_t utc = local[i] == INT64_MIN ? INT64_MIN : mw_zone_to_utc(zone, local[i], &got);
            assert_int_equal(times[i], utc);
            want[got]++;
        }
        assert_int_equal(twice, want[MW_ZONE_TWICE]);
        assert_int_equal(never, want[MW_ZONE_NEVER]);
        if (k == 0) assert_true(twice > 0 && never > 0);
        (void)mw_zone_close(zone);
    }
}

MW_TEST(no_memory) {
    use_golden_zones();
    static const char *const names[] = {"Europe/Berlin", "UTC", "+02:00"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t before = mw_mem_used(&mw_mem_process);
        for (uint64_t n = 1;; n++) {
            mw_err err = {0};
            mw_zone *zone = NULL;
            mw_alloc_fail_at(n);
            mw_status status = mw_zone_open(NULL, names[k], &zone, &err);
            bool fired = mw_alloc_fault_fired();
            mw_alloc_fail_at(0);
            if (!fired) {
                assert_int_equal(status, MW_OK);
                assert_true(n > 1);
                (void)mw_zone_close(zone);
                break;
            }
            assert_status(status, MW_ENOMEM);
            assert_null(zone);
            assert_int_equal(mw_mem_used(&mw_mem_process), before);
        }
    }
}

MW_TEST_MAIN(MW_RUN(agrees_with_python), MW_RUN(embedded_zones_keep_the_law),
             MW_RUN(every_embedded_zone_opens), MW_RUN(fixed_offsets), MW_RUN(unknown_names),
             MW_RUN(cut_files_are_damaged), MW_RUN(changed_files_never_crash),
             MW_RUN(hostile_files), MW_RUN(leap_seconds_are_refused), MW_RUN(rules),
             MW_RUN(spans_and_single_times_agree), MW_RUN(columns_equal_single_times),
             MW_RUN(no_memory))
