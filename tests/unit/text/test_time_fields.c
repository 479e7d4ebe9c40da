/* test_time_fields.c -- columns of times against the reader of single texts, over many forms and many ways to be wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/civil.h"
#include "core/text/datetime.h"
#include "core/text/time_form.h"
#include "support/harness.h"

enum { MOST = 600, TEXT_BYTES = 128 * MOST };

typedef struct column {
    char *text; /* MW_FIELDS_SLACK bytes before and behind */
    size_t size;
    uint32_t marks[MOST + 1];
    size_t n;
} column;

static void column_init(column *c) {
    c->text = calloc(1, TEXT_BYTES + 2 * MW_FIELDS_SLACK);
    assert_non_null(c->text);
    c->text += MW_FIELDS_SLACK;
    c->size = c->n = 0;
    c->marks[0] = UINT32_MAX;
}

static void column_done(column *c) { free(c->text - MW_FIELDS_SLACK); }

static void column_add(column *c, const char *text, size_t size) {
    assert_true(c->n < MOST && c->size + size < TEXT_BYTES);
    memcpy(c->text + c->size, text, size);
    c->size += size;
    c->text[c->size] = '\n';
    c->marks[++c->n] = (uint32_t)c->size++;
}

static void check(const column *c, const mw_time_form *form, mw_time_part part) {
    int64_t out[MOST];
    uint32_t odd[MOST];
    mw_fields fields = {
        .text = c->text, .marks = c->marks, .stride = 1, .n = c->n, .quote = '"', .cr = true};
    size_t n_odd = mw_time_read_fields(&fields, form, part, out, odd), k = 0;
    for (size_t i = 0; i < c->n; i++) {
        mw_str field = mw_fields_at(&fields, i);
        int64_t want = MW_TIME_NONE;
        char name[MW_TIME_FORM_TEXT];
        mw_time_form_name(form, name);
        /* In a block of its own size, so that a sanitizer sees a read past the text. */
        char *exact = malloc(field.size + 1);
        memcpy(exact, field.data, field.size);
        bool good = mw_time_form_read(form, part, exact, field.size, &want);
        free(exact);
        if (out[i] != want)
            fail_msg("%.*s as %s: %lld, want %lld", (int)field.size, field.data, name,
                     (long long)out[i], (long long)want);
        if (good) continue;
        assert_true(k < n_odd && odd[k] == i);
        k++;
    }
    assert_int_equal(k, n_odd);
}

/* Writes a time in a form: p is the form's name; zeros says which leading ones are left out. */
static size_t write_time(const char *p, int64_t us, mw_rng *rng, char *out) {
    static const char *const months[] = {"Jan", "Feb",    "MAR", "apr", "May", "June",
                                         "Jul", "August", "Sep", "oct", "Nov", "Dec"};
    mw_civil c;
    mw_time_civil(us, &c);
    int n = 0;
    bool zeros = strstr(p, "mmdd") || mw_rng_below(rng, 4) != 0;
    const char *two = zeros ? "%02d" : "%d";
    while (*p) {
        int step = 2;
        if (!strncmp(p, "yyyy", 4))
            n += sprintf(out + n, "%04d", c.year), step = 4;
        else if (!strncmp(p, "yy", 2))
            n += sprintf(out + n, "%02d", c.year % 100);
        else if (!strncmp(p, "mon", 3))
            n += sprintf(out + n, "%s", months[c.month - 1]), step = 3;
        else if (!strncmp(p, "day", 3))
            n += sprintf(out + n, "Mon"), step = 3;
        else if (!strncmp(p, "zzz", 3))
            n += sprintf(out + n, "%s", mw_rng_below(rng, 2) ? "Z" : "+02:30"), step = 3;
        else if (!strncmp(p, "mm", 2))
            n += sprintf(out + n, two, c.month);
        else if (!strncmp(p, "dd", 2))
            n += sprintf(out + n, two, c.day);
        else if (!strncmp(p, "HH", 2))
            n += sprintf(out + n, two, c.hour);
        else if (!strncmp(p, "hh", 2))
            n += sprintf(out + n, two, (c.hour + 11) % 12 + 1);
        else if (!strncmp(p, "MM", 2))
            n += sprintf(out + n, "%02d", c.minute);
        else if (!strncmp(p, "SS", 2))
            n += sprintf(out + n, "%02d", c.second);
        else if (!strncmp(p, "am", 2))
            n += sprintf(out + n, "%s", c.hour < 12 ? "AM" : "p.m.");
        else if (*p == 'f')
            n += sprintf(out + n, "%0*d", (int)mw_rng_below(rng, 9) + 1, 123), step = 1;
        else
            n += sprintf(out + n, "%c", *p), step = 1;
        p += step;
    }
    return (size_t)n;
}

static const char *const forms[] = {"iso",
                                    "dd/mm/yyyy HH:MM",
                                    "mm/dd/yyyy hh:MM am",
                                    "mm/dd/yyyy hh:MM:SS am",
                                    "dd.mm.yyyy HH:MM:SS",
                                    "dd.mm.yy HH:MM:SS.f",
                                    "yyyy/mm/dd HH:MM:SS,f",
                                    "dd/mm/yyyy HH:MM:SS:f",
                                    "yyyymmdd",
                                    "yyyymmddHHMM",
                                    "yyyymmddHHMMSS",
                                    "yyyymmddTHHMMSSzzz",
                                    "dd mon yyyy",
                                    "dd-mon-yy HH:MM",
                                    "ddmonyyyy:HH:MM:SS.f",
                                    "mon dd, yyyy hh:MM am",
                                    "HH:MM:SS dd/mm/yyyy",
                                    "mon dd HH:MM:SS yyyy",
                                    "yyyy dd monTHH:MM",
                                    "hh am:MM dd/mm/yyyy",
                                    "day mon dd HH:MM:SS yyyy",
                                    "yyyy-mm-dd HH:MM:SS zzz",
                                    "yyyy-mm-dd HH:MM",
                                    "HH:MM",
                                    "hh:MM:SS am",
                                    "HH:MM:SS.f",
                                    "dd/mm/yyyy HH",
                                    "unix-s",
                                    "unix-ms",
                                    "unix-ns",
                                    "excel",
                                    "cycle",
                                    "yyyy-mm-dd                    HH:MM:SS"};
enum { N_FORMS = sizeof forms / sizeof *forms };

static size_t write_any(const char *name, int64_t us, mw_rng *rng, char *out) {
    static const char *const isos[] = {"yyyy-mm-dd",
                                       "yyyy-mm-dd HH:MM",
                                       "yyyy-mm-ddTHH:MM:SS",
                                       "yyyy-mm-dd HH:MM:SS.f",
                                       "yyyy-mm-ddTHH:MM:SS,fzzz",
                                       "yyyy-mm-ddtHH:MMzzz",
                                       "HH:MM",
                                       "HH:MM:SS.f"};
    if (!strcmp(name, "iso")) return write_time(isos[mw_rng_below(rng, 8)], us, rng, out);
    if (strchr(name, 'y') && strcmp(name, "cycle") != 0) return write_time(name, us, rng, out);
    if (strchr(name, 'M')) return write_time(name, us, rng, out);
    if (!strcmp(name, "excel")) return (size_t)sprintf(out, "%.5f", (double)us / 86400e6 + 25569);
    return (size_t)sprintf(out, "%lld", (long long)us / (strcmp(name, "unix-ms") ? 1000000 : 1000));
}

/* What damages a text: a byte changed, dropped, doubled, put in; or an end cut. */
static size_t damage(mw_rng *rng, char *text, size_t n) {
    static const char bytes[] = "0123456789 -/.:,TZ+aAmMjJ\t9876543210\xff";
    size_t at = n ? mw_rng_below(rng, n) : 0;
    char byte = bytes[mw_rng_below(rng, sizeof bytes - 1)];
    switch (mw_rng_below(rng, 5)) {
    case 0:
        if (n) text[at] = byte;
        return n;
    case 1: return n ? at : 0;
    case 2:
        memmove(text + at + 1, text + at, n - at);
        text[at] = byte;
        return n + 1;
    case 3:
        if (n) memmove(text + at, text + at + 1, n - at - 1);
        return n ? n - 1 : 0;
    default: text[n] = byte; return n + 1;
    }
}

/* Telemetry with repeats and steps, some of it damaged, quoted or with a CR. */
static void fill(column *c, const char *form, mw_rng *rng) {
    int64_t us = (int64_t)mw_rng_below(rng, UINT64_C(2500000000000000));
    if (mw_rng_below(rng, 3) == 0)
        us = MW_TIME_FIRST_US +
             (int64_t)mw_rng_below(rng, (uint64_t)(MW_TIME_END_US - MW_TIME_FIRST_US));
    int64_t step =
        (int64_t[]){0, 1, 1000000, 60000000, 3600000000, 100000000000}[mw_rng_below(rng, 6)];
    for (size_t i = 0; i < 200; i++) {
        char text[160] = "\"";
        bool quoted = mw_rng_below(rng, 8) == 0;
        size_t n = write_any(form, us, rng, text + 1);
        if (mw_rng_below(rng, 5) == 0) n = damage(rng, text + 1, n);
        if (mw_rng_below(rng, 20) == 0) n = 0;
        text[1 + n] = '"';
        text[2 + n] = '\r';
        bool cr = mw_rng_below(rng, 8) == 0;
        column_add(c, text + !quoted, n + 2 * quoted + (cr && quoted));
        us += mw_rng_below(rng, 3) ? step : 0;
        if (us >= MW_TIME_END_US) us = 0;
    }
}

MW_TEST(columns_equal_single_reads) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_zone *zones[3] = {0};
    assert_ok(mw_zone_open(NULL, "Europe/Berlin", &zones[1], &err));
    assert_ok(mw_zone_open(NULL, "-03:30", &zones[2], &err));
    for (size_t k = 0; k < N_FORMS * (size_t)mw_test_rounds(30); k++) {
        mw_time_form form;
        column c;
        column_init(&c);
        assert_ok(mw_time_form_of(forms[k % N_FORMS], &form, &err));
        form.zone = zones[mw_rng_below(&rng, 3)];
        fill(&c, forms[k % N_FORMS], &rng);
        /* Also texts of another form. */
        if (k % 3 == 0) fill(&c, forms[mw_rng_below(&rng, N_FORMS)], &rng);
        for (int part = MW_TIME_STAMP; part <= MW_TIME_CLOCK; part++)
            check(&c, &form, (mw_time_part)part);
        column_done(&c);
    }
    for (int i = 0; i < 3; i++) (void)mw_zone_close(zones[i]);
}

/* That the texts above are times at all, and that what is read of them is right, not only the same. */
MW_TEST(columns_read_what_was_written) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    static const struct {
        const char *form;
        int64_t unit_us;
    } rows[] = {{"dd/mm/yyyy HH:MM", MW_MINUTE_US},
                {"mm/dd/yyyy hh:MM am", MW_MINUTE_US},
                {"dd.mm.yyyy HH:MM:SS", MW_SECOND_US},
                {"yyyymmddHHMMSS", MW_SECOND_US},
                {"dd mon yyyy", MW_DAY_US},
                {"dd-mon-yy HH:MM", MW_MINUTE_US},
                {"HH:MM:SS dd/mm/yyyy", MW_SECOND_US},
                {"yyyy-mm-dd HH:MM:SS", MW_SECOND_US},
                {"mon dd, yyyy hh:MM:SS am", MW_SECOND_US}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        int64_t out[MOST], want[MOST];
        uint32_t odd[MOST];
        mw_time_form form;
        mw_err err = {0};
        column c;
        column_init(&c);
        assert_ok(mw_time_form_of(rows[k].form, &form, &err));
        int64_t us = 0;
        for (size_t i = 0; i < MOST; i++) {
            char text[128];
            want[i] = us;
            column_add(&c, text, write_time(rows[k].form, us, &rng, text));
            us += (int64_t)mw_rng_below(&rng, 1000) * MW_MINUTE_US / rows[k].unit_us *
                  rows[k].unit_us;
            if (i % 50 == 0) us += 300 * MW_DAY_US;
        }
        mw_fields fields = {.text = c.text, .marks = c.marks, .stride = 1, .n = c.n};
        assert_int_equal(mw_time_read_fields(&fields, &form, MW_TIME_STAMP, out, odd), 0);
        for (size_t i = 0; i < MOST; i++)
            if (out[i] != want[i])
                fail_msg("%s: %lld, want %lld", rows[k].form, (long long)out[i],
                         (long long)want[i]);
        column_done(&c);
    }
}

/* Where a reader of columns could go its own way. */
MW_TEST(edges) {
    static const struct {
        const char *form, *texts; /* separated by '|' */
    } rows[] = {
        {"iso", "2026-01-05T23:59:60|2026-01-05T24:00:00|2026-01-05T24:00|2026-01-05T23:59:61|2026-"
                "01-05 06:00:00-02:30|"
                "2026-01-05T06:00:00.5-02:30|2026-01-05T06:00:00+24:00|2026-01-05T06:00:00+02:60|"
                "2026-01-05T06:00:00+0a:00|"
                "9999-12-31T23:59:59.999999|9999-12-31T23:59:59-00:01|0000-01-01T00:00:00+00:01|"
                "0000-02-29|1900-02-29|"
                "2026-01-05T06:00:00,0000000000000000000000000000000000000000000000000|"
                "2026-01-05T06:00:00.0000000000000000000000000000000000000000000000000|"
                "2026-01-05T06:00:00.123456789|2026-01-05T06:00:00.12345678Z|2026-01-05x06:00|2026-"
                "01-05T06:00:00.|"
                "23:59:60|24:00|06:00:00.25|06:00:00Z"},
        {"dd/mm/yy HH:MM:SS", "01/02/68 00:00:00|01/02/69 00:00:00|29/02/00 23:59:60|31/04/26 "
                              "00:00:00|30/04/26 24:00:00"},
        {"dd/mm/yyyy hh:MM am", "1/2/2026 12:00 AM|1/2/2026 12:00 pm|1/2/2026 13:00 pm|1/2/2026 "
                                "0:30am|1/2/2026 01:30  p.m.|1/2/2026 1:30 xm"},
        {"dd/mm/yyyy HH:MM:SS zzz",
         "05/01/2026 06:00:00 -0230|05/01/2026 06:00:00-02:30|05/01/2026 06:00:00.5 Z"},
        {"unix-s", "253402300799|253402300800|253402300801|99999999|100000000|1767592800|"
                   "176759280x|1767592800.5|-1767592800"},
        {"unix-ms", "253402300799999|253402300800000|9999999999999999|99999999999999999"},
        {"unix-us", "9999999999999999|99999999999999999|253402300799999999|253402300800000000"},
    };
    mw_err err = {0};
    mw_zone *zone = NULL;
    assert_ok(mw_zone_open(NULL, "Europe/Berlin", &zone, &err));
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        mw_time_form form;
        column c;
        column_init(&c);
        assert_ok(mw_time_form_of(rows[k].form, &form, &err));
        for (const char *text = rows[k].texts; *text;) {
            size_t size = strcspn(text, "|");
            column_add(&c, text, size);
            text += size + (text[size] == '|');
        }
        for (int part = MW_TIME_STAMP; part <= MW_TIME_CLOCK; part++) {
            form.zone = NULL;
            check(&c, &form, (mw_time_part)part);
            form.zone = zone;
            check(&c, &form, (mw_time_part)part);
        }
        column_done(&c);
    }
    (void)mw_zone_close(zone);
}

/* The two nights on which clocks change, in a column and one by one. */
MW_TEST(changes_of_summer_time) {
    mw_err err = {0};
    mw_zone *zone = NULL;
    mw_time_form form;
    assert_ok(mw_zone_open(NULL, "Europe/Berlin", &zone, &err));
    assert_ok(mw_time_form_of("iso", &form, &err));
    form.zone = zone;
    static const int64_t nights[] = {INT64_C(1774656000000000),
                                     INT64_C(1792800000000000)}; /* 28.3. and 24.10.2026 */
    for (size_t k = 0; k < 2; k++) {
        column c;
        column_init(&c);
        for (int i = 0; i < MOST; i++) {
            char text[MW_TIME_TEXT_MAX];
            size_t n = mw_time_print(nights[k] + i * 5 * MW_MINUTE_US, text);
            column_add(&c, text, n - 1);
        }
        check(&c, &form, MW_TIME_STAMP);
        column_done(&c);
    }
    (void)mw_zone_close(zone);
}

/* Columns of a table, and none. */
MW_TEST(strides) {
    mw_time_form form;
    mw_err err = {0};
    assert_ok(mw_time_form_of("iso", &form, &err));
    char text[256] = "2026-01-05,x,2026-01-06\n2026-01-07,y,bad\n";
    uint32_t marks[7] = {UINT32_MAX}, odd[2];
    size_t n = 0;
    for (uint32_t i = 0; text[i]; i++)
        if (text[i] == ',' || text[i] == '\n') marks[++n] = i;
    int64_t out[2];
    mw_fields fields = {.text = text, .marks = marks + 2, .stride = 3, .n = 2};
    assert_int_equal(mw_time_read_fields(&fields, &form, MW_TIME_STAMP, out, odd), 1);
    assert_int_equal(out[0], 20459 * MW_DAY_US);
    assert_int_equal(out[1], MW_TIME_NONE);
    assert_int_equal(odd[0], 1);
    fields.n = 0;
    assert_int_equal(mw_time_read_fields(&fields, &form, MW_TIME_STAMP, out, odd), 0);
}

MW_TEST_MAIN(MW_RUN(columns_equal_single_reads), MW_RUN(columns_read_what_was_written),
             MW_RUN(edges), MW_RUN(changes_of_summer_time), MW_RUN(strides))
