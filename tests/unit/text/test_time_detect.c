/* test_time_detect.c -- which form a sample is found to be of, and how sure that is. */
#include <stdio.h>
#include <string.h>

#include "core/text/time_form.h"
#include "support/harness.h"

enum { MOST = 64 };

/* Samples separated by '|'. */
static size_t split(const char *text, mw_str out[MOST]) {
    size_t n = 0;
    while (*text && n < MOST) {
        size_t size = strcspn(text, "|");
        out[n++] = (mw_str){text, size};
        text += size + (text[size] == '|');
    }
    return n;
}

typedef struct row {
    const char *samples, *form; /* NULL: none */
    mw_time_part part;
    bool numbers, ambiguous;
    const char *note; /* part of it */
} row;

static void check(const row *r) {
    mw_str samples[MOST];
    char name[MW_TIME_FORM_TEXT] = "none";
    mw_time_guess guess;
    size_t n = split(r->samples, samples);
    bool found = mw_time_form_detect(samples, n, r->part, r->numbers, &guess);
    if (found) mw_time_form_name(&guess.form, name);
    if (strcmp(name, r->form ? r->form : "none") != 0)
        fail_msg("%s: %s, want %s", r->samples, name, r->form ? r->form : "none");
    if (!found) return;
    assert_null(guess.form.zone);
    if (guess.ambiguous != r->ambiguous) fail_msg("%s: ambiguous %d", r->samples, guess.ambiguous);
    if (r->note && !strstr(guess.note, r->note)) fail_msg("%s: note %s", r->samples, guess.note);
    assert_true(guess.confidence > 0 && guess.confidence <= (r->ambiguous ? 0.75 : 1));
    int64_t us;
    size_t n_read = 0;
    for (size_t i = 0; i < n; i++)
        n_read += mw_time_form_read(&guess.form, r->part, samples[i].data, samples[i].size, &us);
    assert_true(n_read * 2 >= n);
    if (!r->ambiguous && guess.confidence != (double)n_read / (double)n)
        fail_msg("%s: confidence", r->samples);
}

MW_TEST(forms) {
    static const row rows[] = {
        {.samples = "2026-01-05T06:00:00Z|2026-01-05T07:00:00Z", .form = "iso"},
        {.samples = "2026-01-05 06:00|2026-01-05 07:00", .form = "iso"},
        {.samples = "2026-01-05|2026-01-06", .form = "iso"},
        {.samples = "2026-01-05 06:00:00,5|2026-01-05 07:00:00", .form = "iso"},
        {.samples = "2026-01-05 06:00:00+02:00", .form = "iso"},
        {.samples = "2026-1-5 6:00", .form = "yyyy-mm-dd HH:MM"},
        {.samples = "2026-01-05 06:00:00 +0200", .form = "yyyy-mm-dd HH:MM:SS zzz"},
        {.samples = "2026-01-05 06:00:00 UTC", .form = "yyyy-mm-dd HH:MM:SS zzz"},
        {.samples = "2026-01-05 06:00:00 CET|2026-07-05 06:00:00 CEST",
         .form = "yyyy-mm-dd HH:MM:SS zzz"},
        {.samples = "2026-01-05T06:00:00.5+01:00[Europe/Berlin]",
         .form = "yyyy-mm-ddTHH:MM:SS.f zzz"},
        {.samples = "Mon Jan 05 06:00:00 CET 2026", .form = "day mon dd HH:MM:SS zzz yyyy"},
        {.samples = "2026-01-05 06:00:00 CST", .form = NULL},
        {.samples = "2026/01/05 06:00", .form = "yyyy/mm/dd HH:MM"},
        {.samples = "01/01/2018 00:15|01/01/2018 00:30|13/01/2018 00:45",
         .form = "dd/mm/yyyy HH:MM",
         .note = "day first, as 13/01"},
        {.samples = "01/13/2018 00:15|01/01/2018 00:30", .form = "mm/dd/yyyy HH:MM"},
        {.samples = "05.01.2026 06:00:00|06.01.2026 06:00:00", .form = "dd.mm.yyyy HH:MM:SS"},
        {.samples = "12/31/2026 1:05 PM|1/1/2027 11:05 AM", .form = "mm/dd/yyyy hh:MM am"},
        {.samples = "20260105T060000Z", .form = "yyyymmddTHHMMSS zzz"},
        {.samples = "20260105 060000", .form = "yyyymmdd HHMMSS"},
        {.samples = "05 Jan 2026|06 Jan 2026", .form = "dd mon yyyy"},
        {.samples = "Jan 5, 2026 6:00 PM", .form = "mon dd, yyyy hh:MM am"},
        {.samples = "5-Jan-26 06:00", .form = "dd-mon-yy HH:MM"},
        {.samples = "05Jan2026:06:00:00.000", .form = "ddmonyyyy:HH:MM:SS.f"},
        {.samples = "5. Mai 2026|12. Okt. 2026|1. M\xc3\xa4rz 2026", .form = "dd. mon yyyy"},
        {.samples = "05-Dez-26 06:00|06-Dez-26 06:00", .form = "dd-mon-yy HH:MM"},
        {.samples = "5 ao\xc3\xbbt 2026", .form = "dd mon yyyy"},
        {.samples = "1/25/2026 6:00\xe2\x80\xafPM", .form = "mm/dd/yyyy hh:MM am"},
        {.samples = "2026/01/05\xc2\xa0"
                    "06:00",
         .form = "yyyy/mm/dd HH:MM"},
        {.samples = "Mon Jan  5 06:00:00 2026", .form = "day mon dd HH:MM:SS yyyy"},
        {.samples = "Mon, 05 Jan 2026 06:00:00 GMT", .form = "day, dd mon yyyy HH:MM:SS zzz"},
        {.samples = "05/Jan/2026:06:00:00 +0000", .form = "dd/mon/yyyy:HH:MM:SS zzz"},
        {.samples = "05/01/2026, 06:00|25/01/2026, 06:00", .form = "dd/mm/yyyy, HH:MM"},
        {.samples = "06:00:00 25/01/2026", .form = "HH:MM:SS dd/mm/yyyy"},
        {.samples = "2026-01-05-06.00.00.123456", .form = "yyyy-mm-dd-HH.MM.SS.f"},
        {.samples = "25/01/2026 06:00:00:123", .form = "dd/mm/yyyy HH:MM:SS:f"},
        {.samples = "2026-01-05|n/a|2026-01-06|bad", .form = "iso"},
        {.samples = "2026-01-05|n/a|x|bad", .form = NULL},
        {.samples = "abc|def", .form = NULL},
        {.samples = "1.5|2.5", .form = NULL},
        {.samples = "1|2|3", .form = NULL},
        {.samples = "1.2.3|1.2.10", .form = NULL},
        {.samples = "10.1.2.3|10.1.2.4", .form = NULL},
        {.samples = "12:30|12:31", .form = NULL},
        {.samples = "20260105|20260106", .form = NULL},
        {.samples = "32/01/2026", .form = NULL},
        {.samples = "99/99/9999", .form = NULL},
        {.samples = "|", .form = NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

MW_TEST(day_and_month) {
    static const row rows[] = {
        /* Nothing tells: one value, or steps that say nothing. */
        {.samples = "03/04/2026",
         .form = "dd/mm/yyyy",
         .ambiguous = true,
         .note = "day first is taken"},
        {.samples = "05/05/2026|05/05/2026",
         .form = "dd/mm/yyyy",
         .ambiguous = true,
         .note = "nothing tells"},
        /* Days that follow each other. */
        {.samples = "03/01/2026|03/02/2026|03/03/2026|03/04/2026|03/05/2026",
         .form = "mm/dd/yyyy",
         .ambiguous = true,
         .note = "month first, as rows then follow"},
        {.samples = "01/03/2026|02/03/2026|03/03/2026|04/03/2026|05/03/2026",
         .form = "dd/mm/yyyy",
         .ambiguous = true,
         .note = "day first, as rows then follow"},
        /* Hours, over a change of day. */
        {.samples =
             "03/01/2026 22:00|03/01/2026 23:00|03/02/2026 00:00|03/02/2026 01:00|03/02/2026 02:00",
         .form = "mm/dd/yyyy HH:MM",
         .ambiguous = true},
        {.samples =
             "01/03/2026 22:00|01/03/2026 23:00|02/03/2026 00:00|02/03/2026 01:00|02/03/2026 02:00",
         .form = "dd/mm/yyyy HH:MM",
         .ambiguous = true},
        /* The same with steps that vary. */
        {.samples =
             "03/01/2026 22:00|03/01/2026 22:10|03/01/2026 23:00|03/02/2026 00:00|03/02/2026 00:10|"
             "03/02/2026 01:00",
         .form = "mm/dd/yyyy HH:MM",
         .ambiguous = true,
         .note = "rows then follow"},
        /* The first of each month: in the wrong order twelve days in a row, and then a gap. */
        {.samples = "01/07/2025|01/08/2025|01/09/2025|01/10/2025|01/11/2025|01/12/2025|01/01/2026|"
                    "01/02/2026|01/03/2026",
         .form = "dd/mm/yyyy",
         .ambiguous = true,
         .note = "rows then follow"},
        /* A gap that outweighs everything else. */
        {.samples = "03/01/2024|03/02/2024|03/03/2024|03/04/2024|03/05/2026|03/06/2026|03/07/"
                    "2026|03/08/2026",
         .form = "mm/dd/yyyy",
         .ambiguous = true,
         .note = "rows then follow"},
        /* Newest first. */
        {.samples = "03/05/2026|03/04/2026|03/03/2026|03/02/2026",
         .form = "mm/dd/yyyy",
         .ambiguous = true},
        {.samples = "05/03/2026|04/03/2026|03/03/2026|02/03/2026",
         .form = "dd/mm/yyyy",
         .ambiguous = true},
        /* A value above 12 decides against all steps. */
        {.samples = "03/01/2026|03/02/2026|03/03/2026|13/03/2026",
         .form = "dd/mm/yyyy",
         .note = "as 13/03/2026 shows"},
        {.samples = "03/01/2026|03/02/2026|03/13/2026",
         .form = "mm/dd/yyyy",
         .note = "as 03/13/2026 shows"},
        /* Dots are never month first unless nothing else reads. */
        {.samples = "03.01.2026|03.02.2026|03.03.2026", .form = "dd.mm.yyyy"},
        {.samples = "03.13.2026|03.14.2026", .form = "mm.dd.yyyy"},
        /* Years of two digits. */
        {.samples = "26-01-05|26-01-06|26-01-07", .form = "yy-mm-dd", .ambiguous = true},
        {.samples = "05-01-26|06-01-26|07-01-26", .form = "dd-mm-yy", .ambiguous = true},
        {.samples = "99-01-05|99-01-06", .form = "yy-mm-dd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

MW_TEST(numbers) {
    static const row rows[] = {
        {.samples = "1767592800|1767592860",
         .form = "unix-s",
         .numbers = true,
         .note = "1767592800 is 2026-01-05T06:00:00Z"},
        {.samples = "1767592800.25|1767592860.5", .form = "unix-s", .numbers = true},
        {.samples = "1767592800123|1767592860123", .form = "unix-ms", .numbers = true},
        {.samples = "1767592800123456", .form = "unix-us", .numbers = true},
        {.samples = "1767592800123456789", .form = "unix-ns", .numbers = true},
        {.samples = "46027.25|46027.5",
         .form = "excel",
         .numbers = true,
         .note = "46027.25 is 2026-01-05T06:00:00Z"},
        {.samples = "46027|46028", .form = "excel", .numbers = true},
        {.samples = "46027,25|46027,5", .form = "excel", .numbers = true},
        {.samples = "1|2|3|4", .form = "cycle", .numbers = true},
        {.samples = "1|2|3|4|5|6|7|1|2|3|4|5|6|7|8", .form = "cycle", .numbers = true},
        {.samples = "0.00|0.01|0.02", .form = "cycle", .numbers = true},
        {.samples = "20260105|20260106", .form = "yyyymmdd", .numbers = true},
        {.samples = "20260105060000", .form = "yyyymmddHHMMSS", .numbers = true},
        {.samples = "202601050600", .form = "yyyymmddHHMM", .numbers = true},
        {.samples = "5|3|9|1|7|2", .form = NULL, .numbers = true},
        {.samples = "-5|-3|-1", .form = NULL, .numbers = true},
        {.samples = "7|7|7", .form = NULL, .numbers = true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

/* Twelve texts of each form that Python wrote: what is detected reads all of them to Python's times. */
MW_TEST(texts_of_python) {
    enum { GROUP = 12 };
    char path[512], lines[GROUP][256];
    (void)snprintf(path, sizeof path, "%s/text/time-forms.txt", mw_test_golden());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int n_groups = 0, n_ambiguous = 0;
    for (int n = 0; fgets(lines[n], sizeof lines[n], file);) {
        if (++n < GROUP) continue;
        n = 0;
        mw_str samples[GROUP];
        long long want[GROUP];
        for (int i = 0; i < GROUP; i++) {
            char *text = strchr(lines[i], '\t') + 1, *end = strchr(text, '\t');
            samples[i] = (mw_str){text, (size_t)(end - text)};
            assert_int_equal(sscanf(end, "%lld", &want[i]), 1);
        }
        mw_time_guess guess;
        bool numbers = strncmp(lines[0], "yyyymmdd", 8) == 0 && lines[0][8] != 'T';
        if (!mw_time_form_detect(samples, GROUP, MW_TIME_STAMP, numbers, &guess))
            fail_msg("%s", lines[0]);
        for (int i = 0; i < GROUP && !guess.ambiguous; i++) {
            int64_t us = 0;
            if (!mw_time_form_read(&guess.form, MW_TIME_STAMP, samples[i].data, samples[i].size,
                                   &us) ||
                us != want[i])
                fail_msg("%s: %s", lines[i], guess.form.pattern);
        }
        n_ambiguous += guess.ambiguous;
        n_groups++;
    }
    (void)fclose(file);
    assert_int_equal(n_groups, 38);
    assert_true(n_ambiguous <= 1);
}

MW_TEST(parts) {
    static const row rows[] = {
        {.samples = "06:00|07:00", .form = "iso", .part = MW_TIME_CLOCK},
        {.samples = "06:00:00.5", .form = "iso", .part = MW_TIME_CLOCK},
        {.samples = "6:00|16:00", .form = "HH:MM", .part = MW_TIME_CLOCK},
        {.samples = "6:00 AM|7:30 PM", .form = "hh:MM am", .part = MW_TIME_CLOCK},
        {.samples = "06.00.00", .form = "HH.MM.SS", .part = MW_TIME_CLOCK},
        {.samples = "0600|0615", .form = "HHMM", .part = MW_TIME_CLOCK, .numbers = true},
        {.samples = "0.25|0.5", .form = "excel", .part = MW_TIME_CLOCK, .numbers = true},
        {.samples = "21600|25200", .form = "unix-s", .part = MW_TIME_CLOCK, .numbers = true},
        {.samples = "2026-01-05", .form = "iso", .part = MW_TIME_DATE},
        {.samples = "25/01/2026|26/01/2026", .form = "dd/mm/yyyy", .part = MW_TIME_DATE},
        {.samples = "1/25/2026 0:00", .form = "mm/dd/yyyy HH:MM", .part = MW_TIME_DATE},
        {.samples = "06:00", .form = NULL, .part = MW_TIME_DATE},
        {.samples = "2026-01-05", .form = NULL, .part = MW_TIME_CLOCK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

MW_TEST_MAIN(MW_RUN(forms), MW_RUN(day_and_month), MW_RUN(numbers), MW_RUN(parts),
             MW_RUN(texts_of_python))
