/*
 * test_profile.c -- what is detected in small files of every shape: one line of text for each, compared as a whole; forcing,
 * contradictions, what is refused; saved profiles read back; the work over 1 MiB is bounded; any allocation may fail.
 */
#include "keep/ingest/profile.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "ingest_files.h"
#include "profile_samples.h"
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

MW_TEST(separators_are_found) { check_all(separators, sizeof separators / sizeof *separators, false); }
MW_TEST(quotes_are_found) { check_all(quotes, sizeof quotes / sizeof *quotes, false); }
MW_TEST(marks_of_numbers_are_found) { check_all(numbers, sizeof numbers / sizeof *numbers, false); }
MW_TEST(lines_and_encodings_are_found) { check_all(lines, sizeof lines / sizeof *lines, false); }
MW_TEST(headers_and_units_are_found) { check_all(headers, sizeof headers / sizeof *headers, false); }
MW_TEST(types_are_found) { check_all(types, sizeof types / sizeof *types, false); }
MW_TEST(times_and_uses_are_found) { check_all(times, sizeof times / sizeof *times, false); }
MW_TEST(tables_for_learning_have_no_roles) { check_all(tables, sizeof tables / sizeof *tables, true); }
MW_TEST(properties_can_be_forced) { check_all(forced, sizeof forced / sizeof *forced, false); }
MW_TEST(contradictions_are_refused) { check_all(contradictions, sizeof contradictions / sizeof *contradictions, false); }
MW_TEST(what_is_no_table_is_refused) { check_all(refused, sizeof refused / sizeof *refused, false); }

MW_TEST_MAIN(MW_RUN(separators_are_found), MW_RUN(quotes_are_found), MW_RUN(marks_of_numbers_are_found), MW_RUN(lines_and_encodings_are_found), MW_RUN(headers_and_units_are_found), MW_RUN(types_are_found), MW_RUN(times_and_uses_are_found), MW_RUN(tables_for_learning_have_no_roles), MW_RUN(properties_can_be_forced), MW_RUN(contradictions_are_refused), MW_RUN(what_is_no_table_is_refused))
