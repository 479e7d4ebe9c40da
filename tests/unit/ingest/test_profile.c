/*
 * test_profile.c -- what is detected in small files of every shape: one line of text for each, compared as a whole; forcing,
 * contradictions, what is refused; saved profiles read back; the work over 1 MiB is bounded; any allocation may fail.
 */
#include "keep/ingest/profile.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "ingest_files.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_err err;

static const char *use_mark(mw_use use) {
    static const char *const marks[] = {"",          "=time",      "=date",  "=clock",
                                        "=device",   "=name",      "=emp",   "=ename",
                                        "=category", "=parameter", "=value", "=drop"};
    return marks[use];
}

static void describe_byte(mw_buf *out, const char *name, char byte) {
    if (byte)
        mw_buf_printf(out, " %s'%c'", name, byte);
    else
        mw_buf_printf(out, " no-%s", name);
}

/* Only what is not usual is named: double quotes, decimal point, UTF-8, LF, no thousands mark, wide. */
static void describe(const mw_profile *profile, mw_buf *out) {
    static const char *const encodings[] = {"", " utf-16le", " utf-16be", " latin-1"};
    static const char *const ends[] = {"", " crlf", " cr", " mixed"};
    const mw_dialect *d = &profile->dialect;
    char name[MW_TIME_FORM_TEXT];
    mw_buf_clear(out);
    if (d->n_widths)
        for (int i = 0; i < d->n_widths; i++)
            mw_buf_printf(out, "%s%u", i ? "+" : "", d->widths[i]);
    else
        mw_buf_printf(out, "%s", d->blanks ? "blanks" : d->separator == '\t' ? "tab" : "");
    if (!d->n_widths && !d->blanks && d->separator != '\t') mw_buf_add_char(out, d->separator);
    if (d->quote != '"') describe_byte(out, "quote", d->quote);
    if (d->escape) describe_byte(out, "escape", d->escape);
    if (d->comment) describe_byte(out, "comment", d->comment);
    if (d->decimal != '.') describe_byte(out, "decimal", d->decimal);
    if (d->thousands) describe_byte(out, "thousands", d->thousands);
    mw_buf_printf(out, "%s%s", encodings[profile->encoding], ends[profile->line_end]);
    if (profile->skip_lines) mw_buf_printf(out, " skip %u", profile->skip_lines);
    mw_buf_printf(out, "%s%s data %llu%s |", profile->has_header ? " header" : "",
                  profile->has_units ? " units" : "", (unsigned long long)profile->data_line,
                  profile->shape == MW_SHAPE_LONG ? " long" : "");
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        const mw_profile_column *c = &profile->columns[i];
        mw_buf_printf(out, " %s", c->name);
        if (c->unit) mw_buf_printf(out, "[%s]", c->unit);
        mw_buf_add(out, use_mark(c->use));
        if (c->use == MW_USE_NONE && c->type == MW_DICTIONARY) mw_buf_add(out, "=text");
        if (c->use == MW_USE_NONE && c->type == MW_BOOL) mw_buf_add(out, "=bool");
        if (!c->decided) mw_buf_add(out, "=?");
    }
    const mw_time_form *forms[] = {&profile->stamp_form, &profile->date_form, &profile->clock_form};
    const int32_t columns[] = {profile->stamp, profile->date, profile->clock};
    for (int i = 0; i < 3; i++) {
        if (columns[i] < 0) continue;
        mw_time_form_name(forms[i], name);
        mw_buf_printf(out, " | %s", name);
    }
}

/* args: "name=value" lines, or NULL. */
static mw_status detect(const char *text, size_t size, const char *args_text, bool learn,
                        mw_profile *ret) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_args *args = NULL;
    mw_status status = mw_args_new(NULL, mw_profile_params, &args, &err);
    for (const char *at = args_text; status == MW_OK && at && *at;) {
        size_t n = strcspn(at, "\n"), name = strcspn(at, "=");
        status = mw_args_set(args, (mw_str){at, name}, (mw_str){at + name + 1, n - name - 1}, &err);
        at += n + (at[n] == '\n');
    }
    if (status == MW_OK) status = mw_args_finish(args, &err);
    if (status == MW_OK) status = mw_profile_detect(&ctx, text, size, true, args, learn, ret, &err);
    mw_args_free(args);
    return status;
}

typedef struct sample {
    const char *what, *text, *args, *want;
} sample;

static void check_all(const sample *samples, size_t n, bool learn) {
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const sample *s = &samples[i];
        mw_profile profile;
        mw_status status = detect(s->text, strlen(s->text), s->args, learn, &profile);
        if (status == MW_OK) {
            describe(&profile, &out);
            mw_profile_done(&profile);
        } else {
            mw_buf_clear(&out);
            mw_buf_printf(&out, "%s: %s", mw_status_name(status), err.message);
        }
        if (strcmp(mw_buf_text(&out), s->want) == 0) continue;
        print_error("%s\n  got  %s\n  want %s\n", s->what, mw_buf_text(&out), s->want);
        wrong++;
    }
    mw_buf_done(&out);
    assert_int_equal(wrong, 0);
}

static const sample separators[] = {
    {"comma", "timestamp,a,b\n2026-01-01 00:00:00,1.5,2\n2026-01-01 00:01:00,1.6,3\n", NULL,
     ", header data 2 | timestamp=time a b | iso"},
    {"semicolon and decimal comma",
     "Zeit;a;b\n2026-01-01 00:00;1,5;2,5\n2026-01-01 00:01;1,6;3,25\n", NULL,
     "; decimal',' header data 2 | Zeit=time a b | iso"},
    {"headerless decimal comma", "1,5;2,5\n1,6;2,75\n2,0;3,1\n", NULL,
     "; decimal',' data 1 | column_1 column_2"},
    {"tab and decimal comma", "a\tb\n1,5\t2,5\n1,6\t2,75\n", NULL,
     "tab decimal',' header data 2 | a b"},
    {"bar", "ts|x|y\n2026-01-01|1|2\n2026-01-02|2|3\n", NULL,
     "| header data 2 | ts=time x y | iso"},
    {"blanks, ragged", "  1   2.5  3\n 10  22.5 33\n", NULL,
     "blanks data 1 | column_1 column_2 column_3"},
    {"blanks at line ends", "1 2 3.5  \n2 3 4.5  \n3 4 5.5  \n", NULL,
     "blanks data 1 | column_1 column_2 column_3"},
    {"caret", "ts^x\n2026-01-01^1\n2026-01-02^2\n", NULL, "^ header data 2 | ts=time x | iso"},
    {"tilde", "ts~x\n2026-01-01~1\n2026-01-02~2\n", NULL, "~ header data 2 | ts=time x | iso"},
    {"one column", "1.2\n1.1\n1.0\n", NULL, ", data 1 | column_1"},
};

MW_TEST(separators_are_found) {
    check_all(separators, sizeof separators / sizeof *separators, false);
}

MW_TEST_MAIN(MW_RUN(separators_are_found))
