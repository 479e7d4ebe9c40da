/*
 * test_time_form.c -- against Python's strptime (tests/golden/text/make-time-forms.py), by round trips of names, and
 * on what must be refused.
 */
#include "core/text/time_form.h"

#include <stdio.h>
#include <string.h>

#include "core/text/civil.h"
#include "core/text/datetime.h"
#include "support/harness.h"

static mw_time_form form_of(const char *name) {
    mw_time_form form;
    mw_err err = {0};
    assert_ok(mw_time_form_of(name, &form, &err));
    return form;
}

static bool read_as(const mw_time_form *form, const char *text, mw_time_part part,
                    int64_t *ret_us) {
    return mw_time_form_read(form, part, text, strlen(text), ret_us);
}

static int64_t at(const char *stamp) {
    int64_t us = 0;
    bool zoned;
    if (!mw_time_read(stamp, strlen(stamp), &us, &zoned)) fail_msg("%s", stamp);
    return us;
}

MW_TEST(agrees_with_python) {
    char path[512], line[256];
    (void)snprintf(path, sizeof path, "%s/text/time-forms.txt", mw_test_golden());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int n = 0;
    for (; fgets(line, sizeof line, file); n++) {
        char name[64], text[64];
        long long want;
        int64_t got = 0;
        assert_int_equal(sscanf(line, "%63[^\t]\t%63[^\t]\t%lld", name, text, &want), 3);
        mw_time_form form = form_of(name);
        if (!read_as(&form, text, MW_TIME_STAMP, &got) || got != want)
            fail_msg("%s as %s: %lld, want %lld", text, name, (long long)got, want);
    }
    (void)fclose(file);
    assert_int_equal(n, 456);
}

MW_TEST(names) {
    static const char *const rows[][2] = {
        {"iso", "iso"},
        {"ISO", "iso"},
        {"unix", "unix-s"},
        {"unix-ns", "unix-ns"},
        {"Excel", "excel"},
        {"cycle", "cycle"},
        {"dd/mm/YYYY HH:MM", "dd/mm/yyyy HH:MM"},
        {"DD.MM.YYYY hh:mm:ss", "dd.mm.yyyy HH:MM:SS"},
        {"mm/dd/yy HH:MM AM", "mm/dd/yy hh:MM am"},
        {"%d/%m/%Y %H:%M:%S.%f", "dd/mm/yyyy HH:MM:SS.f"},
        {"%FT%T%z", "yyyy-mm-ddTHH:MM:SSzzz"},
        {"yyyyMMddHHmmss", "yyyymmddHHMMSS"},
        {"d.m.yyyy", "dd.mm.yyyy"},
        {"dd-MMM-yyyy HH:mm:ss.SSS", "dd-mon-yyyy HH:MM:SS.f"},
        {"HH:MM", "HH:MM"},
        {"day, dd mon yyyy HH:MM:SS zzz", "day, dd mon yyyy HH:MM:SS zzz"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[MW_TIME_FORM_TEXT];
        mw_time_form form = form_of(rows[i][0]), again;
        mw_time_form_name(&form, name);
        assert_string_equal(name, rows[i][1]);
        again = form_of(name);
        assert_int_equal(again.kind, form.kind);
        assert_memory_equal(again.steps, form.steps, sizeof form.steps);
    }
    static const char *const bad[] = {
        "",
        "yyyy",
        "dd/mm",
        "mm/dd HH:MM",
        "yyyy-mm-dd MM",
        "yyyy-yy-mm-dd",
        "dd/mm/yyy",
        "%d/%m/%Q",
        "HH:SS",
        "yyyy-mm-dd zzz",
        "hhMM am",
        "SS",
        "dd/mm/yyyy f",
        "yyyy-mm-dd 0HH",
        "dd\n/mm/yyyy",
        "dd//////////////////////////////////////////////////mm/yyyy",
        "dd/mm/yyyy HH:MM and a text that is longer than any form may be"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mw_time_form form;
        mw_err err = {0};
        if (mw_time_form_of(bad[i], &form, &err) != MW_EINVAL) fail_msg("took %s", bad[i]);
        assert_true(err.hint[0] != '\0');
    }
}

typedef struct row {
    const char *form, *text, *want; /* NULL: refused */
} row;

static void check_rows(const row *rows, size_t n, mw_time_part part) {
    for (size_t i = 0; i < n; i++) {
        mw_time_form form = form_of(rows[i].form);
        int64_t us = -1;
        bool good = read_as(&form, rows[i].text, part, &us);
        if (good != (rows[i].want != NULL))
            fail_msg("%s as %s: %d", rows[i].text, rows[i].form, good);
        if (!good) assert_int_equal(us, -1);
        if (good && us != at(rows[i].want))
            fail_msg("%s as %s: %lld, want %s", rows[i].text, rows[i].form, (long long)us,
                     rows[i].want);
    }
}
#define CHECK(rows, part) check_rows(rows, sizeof(rows) / sizeof *(rows), part)

MW_TEST(edges) {
    static const row rows[] = {
        {"iso", "2026-01-05T24:00", "2026-01-06"},
        {"iso", "2026-12-31 24:00:00.000Z", "2027-01-01"},
        {"iso", "2026-01-05T24:00:01", NULL},
        {"iso", "2026-01-05T24:01", NULL},
        {"iso", "2026-01-05T24:00:00.5", NULL},
        {"iso", "9999-12-31T24:00", NULL},
        {"iso", "2026-01-05T23:59:60", "2026-01-06"},
        {"iso", "2026-01-05T06:00:00,25", "2026-01-05T06:00:00.25"},
        {"iso", " 2026-01-05", NULL},
        {"iso", "2026-1-5", NULL},
        {"dd/mm/yyyy", "29/02/2024", "2024-02-29"},
        {"dd/mm/yyyy", "29/02/2023", NULL},
        {"dd/mm/yyyy", "30/02/2024", NULL},
        {"dd/mm/yyyy", "31/04/2026", NULL},
        {"dd/mm/yyyy", "00/04/2026", NULL},
        {"dd/mm/yyyy", "01/13/2026", NULL},
        {"dd/mm/yyyy", "001/03/2026", NULL},
        {"dd/mm/yyyy", "1/3/2026", "2026-03-01"},
        {"dd/mm/yyyy", "1/3/26", NULL},
        {"dd/mm/yyyy", "1/3/2026 ", NULL},
        {"dd/mm/yyyy", "1-3-2026", NULL},
        {"dd/mm/yyyy", "", NULL},
        {"dd/mm/yyyy HH:MM", "05/01/2026 24:00", "2026-01-06"},
        {"dd/mm/yyyy HH:MM", "05/01/2026 24:01", NULL},
        {"dd/mm/yyyy HH:MM", "05/01/2026 23:60", NULL},
        {"dd/mm/yyyy HH:MM", "05/01/2026  6:00", "2026-01-05T06:00"},
        {"dd/mm/yyyy HH:MM", "05/01/2026 6:0", NULL},
        {"dd/mm/yyyy HH:MM", "05/01/2026 06:00:00", NULL},
        {"dd/mm/yyyy HH:MM:SS", "05/01/2026 23:59:60", "2026-01-06"},
        {"dd/mm/yyyy HH:MM:SS", "05/01/2026 23:59:61", NULL},
        {"dd/mm/yyyy HH:MM:SS", "05/01/2026 06:00:00.25", "2026-01-05T06:00:00.25"},
        {"dd/mm/yyyy HH:MM:SS", "05/01/2026 06:00:00.1234567", "2026-01-05T06:00:00.123456"},
        {"dd/mm/yyyy HH:MM:SS", "05/01/2026 06:00:00.", NULL},
        {"dd/mm/yy", "01/02/68", "2068-02-01"},
        {"dd/mm/yy", "01/02/69", "1969-02-01"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 12:30 AM", "2026-01-05T00:30"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 12:30pm", "2026-01-05T12:30"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 1:30 p.m.", "2026-01-05T13:30"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 1:30\xe2\x80\xafPM", "2026-01-05T13:30"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 0:30 AM", "2026-01-05T00:30"},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 13:30 PM", NULL},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 1:30 XM", NULL},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 1:30 p.m", NULL},
        {"mm/dd/yyyy hh:MM am", "1/5/2026 1:30", NULL},
        {"dd mon yyyy", "5 JANUARY 2026", "2026-01-05"},
        {"dd mon yyyy", "5 Sept 2026", "2026-09-05"},
        {"dd mon yyyy", "5 Janu 2026", "2026-01-05"},
        {"dd mon yyyy", "5 Januar 2026", "2026-01-05"},
        {"dd mon yyyy", "5 Janx 2026", NULL},
        {"dd mon yyyy", "5 Ja 2026", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 +02:00", "2026-01-05T04:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00Z", "2026-01-05T06:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 UTC", "2026-01-05T06:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 GMT-03", "2026-01-05T09:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CET", "2026-01-05T05:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/07/2026 06:00 mesz", "2026-07-05T04:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 EST", "2026-01-05T11:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CST", NULL}, /* America's or China's */
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CES", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CESTO", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CET+1", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00+01:00[Europe/Berlin]", "2026-01-05T05:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00Z[UTC]", "2026-01-05T06:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 UTC[Etc/UTC]", "2026-01-05T06:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00 CET[Europe/Berlin]", "2026-01-05T05:00"},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00[Europe/Berlin]", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00Z[]", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00Z[Europe/Berlin", NULL},
        {"dd/mm/yyyy HH:MM zzz", "05/01/2026 06:00Z[Europe Berlin]", NULL},
        {"day mon dd HH:MM:SS zzz yyyy", "Mon Jan 05 06:00:00 CET 2026", "2026-01-05T05:00"},
        {"yyyymmdd", "20260105", "2026-01-05"},
        {"yyyymmdd", "2026015", NULL},
        {"yyyymmdd", "202601055", NULL},
    };
    CHECK(rows, MW_TIME_STAMP);
}

MW_TEST(numbers) {
    static const row rows[] = {
        {"unix-s", "1767592800", "2026-01-05T06:00"},
        {"unix-s", "1767592800.5", "2026-01-05T06:00:00.5"},
        {"unix-s", "1767592800.1234567", "2026-01-05T06:00:00.123456"},
        {"unix-s", "-1.5", "1969-12-31T23:59:58.5"},
        {"unix-s", "1.7675928e9", "2026-01-05T06:00"},
        {"unix-s", "+0", "1970-01-01"},
        {"unix-s", "", NULL},
        {"unix-s", ".", NULL},
        {"unix-s", "-", NULL},
        {"unix-s", "1e", NULL},
        {"unix-s", "1767592800,5", NULL},
        {"unix-s", "99999999999999999999", NULL},
        {"unix-s", "9223372036854775807", NULL},
        {"unix-s", "1e300", NULL},
        {"unix-s", "253402300799", "9999-12-31T23:59:59"},
        {"unix-s", "253402300800", NULL},
        {"unix-ms", "1767592800123", "2026-01-05T06:00:00.123"},
        {"unix-ms", "1767592800123.4567", "2026-01-05T06:00:00.123456"},
        {"unix-us", "1767592800123456", "2026-01-05T06:00:00.123456"},
        {"unix-ns", "1767592800123456789", "2026-01-05T06:00:00.123456"},
        {"unix-ns", "-1", "1969-12-31T23:59:59.999999"},
        {"excel", "46027", "2026-01-05"},
        {"excel", "46027.25", "2026-01-05T06:00"},
        {"excel", "46027.2500115741", "2026-01-05T06:00:01"},
        {"excel", "46027.9999999999", "2026-01-06"},
        {"excel", "4.602725E4", "2026-01-05T06:00"},
        {"excel", "0", "1899-12-30"},
        {"excel", "-1", NULL},
        {"excel", "2958465.5", "9999-12-31T12:00"},
        {"excel", "2958466", NULL},
        {"cycle", "7", "1970-01-01T00:00:07"},
        {"cycle", "0.5", "1970-01-01T00:00:00.5"},
    };
    CHECK(rows, MW_TIME_STAMP);
    mw_time_form comma = form_of("excel");
    comma.decimal = ',';
    int64_t us;
    assert_true(read_as(&comma, "46027,25", MW_TIME_STAMP, &us) && us == at("2026-01-05T06:00"));
    assert_false(read_as(&comma, "46027.25", MW_TIME_STAMP, &us));
}

MW_TEST(dates_and_clocks) {
    static const row dates[] = {{"iso", "2026-01-05", "2026-01-05"},
                                {"iso", "2026-01-05T06:00", "2026-01-05"},
                                {"iso", "06:00", NULL},
                                {"dd/mm/yyyy", "05/01/2026", "2026-01-05"},
                                {"dd/mm/yyyy HH:MM", "05/01/2026 06:00", "2026-01-05"},
                                {"HH:MM", "06:00", NULL},
                                {"excel", "46027.25", "2026-01-05"}};
    static const row clocks[] = {{"iso", "06:00", "1970-01-01T06:00"},
                                 {"iso", "06:00:00.5", "1970-01-01T06:00:00.5"},
                                 {"iso", "24:00", "1970-01-02"},
                                 {"iso", "2026-01-05", NULL},
                                 {"iso", "06:00Z", NULL},
                                 {"iso", "2026-01-05T06:00", "1970-01-01T06:00"},
                                 {"HH:MM", "6:00", "1970-01-01T06:00"},
                                 {"HH:MM", "26:00", NULL},
                                 {"hh:MM:SS am", "6:00:01 pm", "1970-01-01T18:00:01"},
                                 {"dd/mm/yyyy HH:MM", "30/12/1899 06:00", "1970-01-01T06:00"},
                                 {"dd/mm/yyyy", "05/01/2026", NULL},
                                 {"excel", "0.25", "1970-01-01T06:00"},
                                 {"unix-s", "21600", "1970-01-01T06:00"},
                                 {"unix-s", "86401", NULL},
                                 {"unix-s", "-1", NULL}};
    CHECK(dates, MW_TIME_DATE);
    CHECK(clocks, MW_TIME_CLOCK);
}

/* A zone is for stamps that name none; dates and clocks stay civil until they are joined. */
MW_TEST(zones) {
    mw_err err = {0};
    mw_zone *zone = NULL;
    assert_ok(mw_zone_open(NULL, "+02:00", &zone, &err));
    static const struct {
        const char *form, *text;
        mw_time_part part;
        const char *want;
    } rows[] = {{"iso", "2026-01-05 06:00", MW_TIME_STAMP, "2026-01-05T04:00"},
                {"iso", "2026-01-05 06:00Z", MW_TIME_STAMP, "2026-01-05T06:00"},
                {"iso", "2026-01-05 06:00+01:00", MW_TIME_STAMP, "2026-01-05T05:00"},
                {"iso", "2026-01-05", MW_TIME_STAMP, "2026-01-04T22:00"},
                {"iso", "2026-01-05", MW_TIME_DATE, "2026-01-05"},
                {"iso", "06:00", MW_TIME_CLOCK, "1970-01-01T06:00"},
                {"dd/mm/yyyy HH:MM", "05/01/2026 06:00", MW_TIME_STAMP, "2026-01-05T04:00"},
                {"dd/mm/yyyy HH:MM", "05/01/2026 06:00", MW_TIME_DATE, "2026-01-05"},
                {"dd/mm/yyyy HH:MMzzz", "05/01/2026 06:00Z", MW_TIME_STAMP, "2026-01-05T06:00"},
                {"excel", "46027.25", MW_TIME_STAMP, "2026-01-05T04:00"},
                {"excel", "46027.25", MW_TIME_DATE, "2026-01-05"},
                {"unix-s", "1767592800", MW_TIME_STAMP, "2026-01-05T06:00"},
                {"cycle", "7", MW_TIME_STAMP, "1970-01-01T00:00:07"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mw_time_form form = form_of(rows[i].form);
        form.zone = zone;
        int64_t us = 0;
        if (!read_as(&form, rows[i].text, rows[i].part, &us) || us != at(rows[i].want))
            fail_msg("%s: %lld", rows[i].text, (long long)us);
    }
    (void)mw_zone_close(zone);
}

MW_TEST_MAIN(MW_RUN(agrees_with_python), MW_RUN(names), MW_RUN(edges), MW_RUN(numbers),
             MW_RUN(dates_and_clocks), MW_RUN(zones))
