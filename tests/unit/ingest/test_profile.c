/*
 * test_profile.c -- what is detected in small files of every shape: one line of text for each, compared as a whole; forcing,
 * contradictions, what is refused; saved profiles read back; the work over 1 MiB is bounded; any allocation may fail.
 */
#include "keep/ingest/profile.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/csv.h"
#include "ingest_files.h"
#include "keep/ingest/sniff.h"
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
    if (status == MW_OK)
        status = mw_profile_detect(&ctx, text, size, true, args,
                                   learn ? MW_FOR_TABLE : MW_FOR_DATASET, ret, &err);
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

MW_TEST(separators_are_found) {
    check_all(separators, sizeof separators / sizeof *separators, false);
}
MW_TEST(quotes_are_found) { check_all(quotes, sizeof quotes / sizeof *quotes, false); }
MW_TEST(marks_of_numbers_are_found) { check_all(numbers, sizeof numbers / sizeof *numbers, false); }
MW_TEST(lines_and_encodings_are_found) { check_all(lines, sizeof lines / sizeof *lines, false); }
MW_TEST(headers_and_units_are_found) {
    check_all(headers, sizeof headers / sizeof *headers, false);
}
MW_TEST(types_are_found) { check_all(types, sizeof types / sizeof *types, false); }
MW_TEST(times_and_uses_are_found) { check_all(times, sizeof times / sizeof *times, false); }
MW_TEST(tables_for_learning_have_no_roles) {
    check_all(tables, sizeof tables / sizeof *tables, true);
}
MW_TEST(properties_can_be_forced) { check_all(forced, sizeof forced / sizeof *forced, false); }
MW_TEST(contradictions_are_refused) {
    check_all(contradictions, sizeof contradictions / sizeof *contradictions, false);
}
MW_TEST(what_is_no_table_is_refused) {
    check_all(refused, sizeof refused / sizeof *refused, false);
}

/* --- encodings with NUL bytes, and samples that are cut --- */

static size_t to_utf16(const char *text, bool little, bool mark, char *out) {
    size_t n = 0;
    if (mark) out[n++] = little ? '\xff' : '\xfe', out[n++] = little ? '\xfe' : '\xff';
    for (; *text; text++) {
        if (!little) out[n++] = 0;
        out[n++] = *text;
        if (little) out[n++] = 0;
    }
    return n;
}

static double confidence_of(const mw_profile *profile, const char *what) {
    for (size_t i = 0; i < profile->n_findings; i++)
        if (strcmp(profile->findings[i].what, what) == 0) return profile->findings[i].confidence;
    fail_msg("no finding %s", what);
    return 0;
}

MW_TEST(utf16_is_told_with_and_without_mark) {
    static const char text[] = "timestamp;a\n2026-01-01;1,5\n2026-01-02;2,5\n";
    char bytes[2 * sizeof text + 2];
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 16);
    for (int i = 0; i < 4; i++) {
        bool little = i & 1, mark = i & 2;
        mw_profile profile;
        size_t size = to_utf16(text, little, mark, bytes);
        assert_ok(detect(bytes, size, NULL, MW_FOR_DATASET, &profile));
        describe(&profile, &out);
        assert_string_equal(mw_buf_text(&out),
                            little
                                ? "; decimal',' utf-16le header data 2 | timestamp=time a | iso"
                                : "; decimal',' utf-16be header data 2 | timestamp=time a | iso");
        assert_true(mark ? confidence_of(&profile, "encoding") == 1
                         : confidence_of(&profile, "encoding") < 1);
        mw_profile_done(&profile);
    }
    mw_buf_done(&out);
}

MW_TEST(binary_is_refused) {
    static const char bytes[] = "a,b\n1,2\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    mw_profile profile;
    assert_status(detect(bytes, sizeof bytes - 1, NULL, MW_FOR_DATASET, &profile), MW_EDATA);
    assert_string_equal(err.message, "is not CSV text: it holds binary data");
    static const char header[] = "a,\0b\n1,2\n2,3\n";
    assert_status(detect(header, sizeof header - 1, "encoding=latin-1", false, &profile), MW_EDATA);
    assert_string_equal(err.message, "the header has a NUL byte in the name of column 2");
}

/* A sample that ends anywhere gives what the whole gives, once it holds two rows of data. */
MW_TEST(a_cut_sample_is_read_to_its_last_line) {
    static const char text[] = "Zeit;Gr\xc3\xb6\xc3\x9f"
                               "e\n2026-01-01 00:00;1,5\n2026-01-01 00:01;2,75\n"
                               "2026-01-01 00:02;\xe2\x80\x94\n2026-01-01 00:03;3,5\n";
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 16);
    for (size_t size = 1; size < sizeof text; size++) {
        mw_profile profile;
        char *exact = mw_memdup(NULL, text, size);
        mw_status status =
            mw_profile_detect(&ctx, exact, size, false, NULL, MW_FOR_DATASET, &profile, &err);
        mw_free(exact);
        if (!memchr(text, '\n', size)) {
            assert_int_equal(status, MW_EDATA);
            continue;
        }
        assert_int_equal(status, MW_OK);
        describe(&profile, &out);
        if (size > 65)
            assert_string_equal(mw_buf_text(&out),
                                "; decimal',' header data 2 | Zeit=time Gr\xc3\xb6\xc3\x9f"
                                "e | iso");
        mw_profile_done(&profile);
    }
    mw_buf_done(&out);
}

/* Where the data begins: the bytes from data_offset on are the rows. */
MW_TEST(data_begins_where_it_says) {
    static const struct {
        const char *text, *rest;
    } files[] = {
        {"a,b\n1,2\n3,4\n", "1,2\n3,4\n"},
        {"\xef\xbb\xbf"
         "a,b\r\n1,2\r\n3,4\r\n",
         "1,2\r\n3,4\r\n"},
        {"1,2\n3,4\n", "1,2\n3,4\n"},
        {"# x\n\n1,2\n3,4\n", "1,2\n3,4\n"},
        {"By X\n\na,b\n[bar],[K]\n1,2\n3,4\n", "1,2\n3,4\n"},
        {"a,b\r1,2\r3,4\r", "1,2\n3,4\n"},
        {"a,b\nrow,1,2\nsow,3,4\n", "row,1,2\nsow,3,4\n"},
        {"# a b c\n1 2 3\n4 5 6\n", "1 2 3\n4 5 6\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        mw_profile profile;
        assert_ok(detect(files[i].text, strlen(files[i].text), NULL, MW_FOR_DATASET, &profile));
        char text[128];
        size_t n = 0, mark = (unsigned char)files[i].text[0] == 0xef ? 3 : 0;
        for (const char *c = files[i].text + mark; *c; c++)
            text[n++] = *c == '\r' && c[1] != '\n' ? '\n' : *c;
        text[n] = '\0';
        assert_true(profile.data_offset <= n);
        assert_string_equal(text + profile.data_offset, files[i].rest);
        uint64_t line = 1;
        for (size_t k = 0; k < profile.data_offset; k++) line += text[k] == '\n';
        assert_int_equal(profile.data_line, line);
        mw_profile_done(&profile);
    }
}

/* --- zones in names --- */

MW_TEST(a_name_may_hold_the_zone) {
    static const struct {
        const char *name, *zone; /* zone NULL: it holds none */
    } cases[] = {{"Date Time, GMT+01:00", "+01:00"},
                 {"time [utc-0330]", "-03:30"},
                 {"Zeit GMT+1", "+01:00"},
                 {"Time (UTC)", "UTC"},
                 {"ts_utc", "UTC"},
                 {"Time UTC+05:45", "+05:45"},
                 {"Etc/GMT+5", NULL},
                 {"time GMT+15", NULL},
                 {"time UTC+01:0", NULL},
                 {"time UTC+1:75", NULL},
                 {"time UTC+", NULL},
                 {"mutcx", NULL},
                 {"time", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_profile profile;
        char text[160];
        int n = snprintf(text, sizeof text, "\"%s\",x\n2026-01-25 01:30,1\n2026-01-25 01:40,2\n",
                         cases[i].name);
        assert_ok(detect(text, (size_t)n, NULL, MW_FOR_DATASET, &profile));
        assert_true(!profile.zone == !cases[i].zone);
        if (profile.zone) assert_string_equal(mw_zone_name(profile.zone), cases[i].zone);
        mw_profile_done(&profile);
        assert_ok(detect(text, (size_t)n, "timezone=Europe/Berlin", false, &profile));
        assert_string_equal(mw_zone_name(profile.zone), "Europe/Berlin");
        mw_profile_done(&profile);
    }
}

/* --- confidence --- */

MW_TEST(doubtful_findings_say_so) {
    static const struct {
        const char *text, *what;
        bool sure;
    } cases[] = {
        {"x;y\n1.234;5\n2.345;6\n", "decimal", false},
        {"x;y\n1.23;5\n2.345;6\n1.5;7\n9.25;8\n7.125;1\n8.5;2\n6.5;5\n4.5;4\n", "decimal", true},
        {"name,color\nA,red\nB,blue\n", "header", false},
        {"ts,a\n2026-01-01,1\n2026-01-02,2\n", "header", true},
        {"ts,a\n2026-01-01,1\n2026-01-02,2\n", "time", true},
        {"ts,a\n2026-01-01,1\n2026-01-02,2\n", "time zone", false},
        {"ts,a\n2026-01-01T00:00Z,1\n2026-01-02T00:00Z,2\n", "time zone", true},
        {"ts,a\n2026-01-01 00:00:00 UTC,1\n2026-01-02 00:00:00 UTC,2\n", "time zone", true},
        {"ts,a\n2026-01-01T00:00Z,1\n2026-01-02T00:00,2\n", "time zone", false},
        {"ts,a\n00:30 25-01-2026,1\n01:30 25-01-2026,2\n", "time zone", false},
        {"ts,a\n2026-01-25 00:30 +0100,1\n2026-01-25 01:30 +0100,2\n", "time zone", true},
        {"Time (UTC),a\n2026-01-01,1\n2026-01-02,2\n", "time zone", true},
        {"time_mutcx,a\n2026-01-01,1\n2026-01-02,2\n", "time zone", false},
        {"t,K\xe4lte\n2026-01-01,K\xfchl\n2026-01-02,\xd6l hei\xdf\n", "encoding", true},
        {"\xca\xb1\xbc\xe4,\xce\xc2\xb6\xc8\n2026-01-01,1\n2026-01-02,2\n", "encoding", false},
        {"ts,a\n01/02/2026,1\n02/02/2026,2\n03/02/2026,3\n", "time format", false},
        {"ts,a\n13/02/2026,1\n14/02/2026,2\n15/02/2026,3\n", "time format", true},
        {"a,b\n1,2\n3,4\n5,6\n", "separator", true},
        {"a,b\n1,5\n2,6\n", "types", false},
        {"a,b\nfoo,baz\n1,2\n3,4\n", "units", false},
        {"a,b\nkPa,bar\n1,2\n3,4\n", "units", true},
        {"x,y\n1,2\n2,3\n", "time", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_profile profile;
        assert_ok(detect(cases[i].text, strlen(cases[i].text), NULL, MW_FOR_DATASET, &profile));
        double confidence = confidence_of(&profile, cases[i].what);
        mw_profile_done(&profile);
        if ((confidence >= 0.8) == cases[i].sure) continue;
        fail_msg("%s of %s: %g", cases[i].what, cases[i].text, confidence);
    }
}

MW_TEST(what_is_forced_is_certain) {
    mw_profile profile;
    static const char text[] = "ts;a\n01/02/2026;1,5\n02/02/2026;2,5\n";
    assert_ok(
        detect(text, strlen(text),
               "separator=;\nquote=none\ndecimal=,\nthousands=none\nencoding=utf-8\nheader=true\n"
               "units=false\nskip_lines=0\ntime=ts\ntime_format=mm/dd/"
               "yyyy\ntimezone=UTC\ndevice=a\ntext=a",
               true, &profile));
    for (size_t i = 0; i < profile.n_findings; i++) {
        const mw_finding *f = &profile.findings[i];
        bool free = strcmp(f->what, "line ends") == 0 || strcmp(f->what, "types") == 0;
        if (!free && (!f->forced || f->confidence < 1)) fail_msg("%s is not forced", f->what);
    }
    mw_profile_done(&profile);
}

/* --- saved profiles --- */

static const char *to_json(const mw_profile *profile, mw_buf *out) {
    mw_json_writer writer;
    mw_buf_clear(out);
    mw_json_writer_init(&writer, out, 0);
    mw_profile_write(profile, &writer);
    return mw_buf_text(out);
}

static void check_round_trip(const sample *s, mw_buf *first, mw_buf *second) {
    mw_profile profile, again;
    if (detect(s->text, strlen(s->text), s->args, MW_FOR_DATASET, &profile) != MW_OK) return;
    char args[600];
    const char *path = put_text("profile.json", to_json(&profile, first));
    snprintf(args, sizeof args, "profile=%s", path);
    mw_status status = detect(s->text, strlen(s->text), args, false, &again);
    if (status != MW_OK) fail_msg("%s: %s", s->what, err.message);
    if (strcmp(to_json(&again, second), mw_buf_text(first)) != 0)
        fail_msg("%s:\n%s\n%s", s->what, mw_buf_text(first), mw_buf_text(second));
    assert_int_equal(again.data_offset, profile.data_offset);
    assert_int_equal(again.data_line, profile.data_line);
    mw_profile_done(&profile);
    mw_profile_done(&again);
}

MW_TEST(saved_profiles_read_back_as_they_were) {
    mw_buf first, second;
    mw_buf_init(&first, NULL, 1 << 20);
    mw_buf_init(&second, NULL, 1 << 20);
    static const struct {
        const sample *samples;
        size_t n;
    } groups[] = {
        {separators, sizeof separators / sizeof *separators},
        {quotes, sizeof quotes / sizeof *quotes},
        {numbers, sizeof numbers / sizeof *numbers},
        {lines, sizeof lines / sizeof *lines},
        {headers, sizeof headers / sizeof *headers},
        {types, sizeof types / sizeof *types},
        {times, sizeof times / sizeof *times},
        {forced, sizeof forced / sizeof *forced},
    };
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < groups[g].n; i++)
            check_round_trip(&groups[g].samples[i], &first, &second);
    mw_buf_done(&first);
    mw_buf_done(&second);
}

MW_TEST(a_saved_profile_forces_other_files) {
    static const char text[] = "a;b\n1.234;x\n";
    static const sample cases[] = {
        {"separator", text, "{\"separator\":\",\"}", ", header data 2 | a;b=text"},
        {"decimal", text, "{\"decimal\":\",\",\"thousands\":\".\"}",
         "; decimal',' thousands'.' header data 2 | a b=text"},
        {"uses", "t,x,y\n5,6,7\n",
         "{\"columns\":[{\"name\":\"y\",\"use\":\"device_id\"},{\"name\":\"x\"}]}",
         ", header data 2 | t x y=device"},
        {"types", "t,x\n5,6\n",
         "{\"columns\":[{\"name\":\"x\",\"type\":\"dictionary\",\"decided\":true,\"unit\":\"bar\"}]"
         "}",
         ", header data 2 | t x[bar]=text"},
        {"names", "5,6\n7,8\n",
         "{\"header\":false,\"columns\":[{\"name\":\"p\"},{\"name\":\"q\"}]}", ", data 1 | p q"},
        {"no object", text, "[]", "EINVAL: PATH: the saved profile must be one JSON object"},
        {"unknown member", text, "{\"seperator\":\",\"}",
         "EINVAL: PATH: the saved profile has an unknown member \"seperator\""},
        {"other version", text, "{\"format\":2}",
         "EINVAL: PATH: the saved profile's format must be 1: another version wrote it"},
        {"wrong kind", text, "{\"header\":1}",
         "EINVAL: PATH: the saved profile's header must be true or false"},
        {"wrong byte", text, "{\"quote\":\"ab\"}",
         "EINVAL: PATH: the saved profile's quote must be one ASCII character or null"},
        {"no JSON", text, "{", "EPARSE"},
    };
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = put_text("profile.json", cases[i].args);
        char args[600], want[900];
        mw_profile profile;
        snprintf(args, sizeof args, "profile=%s", path);
        mw_status status =
            detect(cases[i].text, strlen(cases[i].text), args, MW_FOR_DATASET, &profile);
        mw_buf_clear(&out);
        if (status == MW_OK) {
            describe(&profile, &out);
            mw_profile_done(&profile);
        } else {
            mw_buf_printf(&out, "%s: %s", mw_status_name(status), err.message);
        }
        const char *mark = strstr(cases[i].want, "PATH");
        if (mark)
            snprintf(want, sizeof want, "%.*s%s%s", (int)(mark - cases[i].want), cases[i].want,
                     path, mark + 4);
        else
            snprintf(want, sizeof want, "%s", cases[i].want);
        if (strcmp(want, "EPARSE") == 0) {
            assert_int_equal(status, MW_EPARSE);
            continue;
        }
        assert_string_equal(mw_buf_text(&out), want);
    }
    mw_buf_done(&out);
    mw_profile profile;
    assert_status(detect(text, strlen(text), "profile=/nowhere/at/all.json", false, &profile),
                  MW_ENOTFOUND);
}

MW_TEST(a_profile_given_as_text_counts_less_than_arguments) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_args *args = NULL;
    mw_profile profile;
    static const char text[] = "a;b,c\n1;2,3\n";
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 16);
    mw_str saved = MW_STR("{\"separator\":\",\",\"header\":false}");
    assert_ok(mw_profile_detect_saved(&ctx, text, strlen(text), true, saved, NULL, MW_FOR_DATASET,
                                      &profile, &err));
    describe(&profile, &out);
    assert_string_equal(mw_buf_text(&out), ", data 1 | column_1=text column_2");
    mw_profile_done(&profile);
    assert_ok(mw_args_new(NULL, mw_profile_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("separator"), MW_STR(";"), &err));
    assert_ok(mw_args_finish(args, &err));
    assert_ok(mw_profile_detect_saved(&ctx, text, strlen(text), true, saved, args, MW_FOR_DATASET,
                                      &profile, &err));
    describe(&profile, &out);
    assert_string_equal(mw_buf_text(&out), "; decimal',' data 1 | column_1 column_2");
    mw_profile_done(&profile);
    mw_args_free(args);
    mw_buf_done(&out);
}

/* --- work --- */

enum { MIB = 1 << 20 };

/* Fills text with size bytes, repeating line. */
static void repeat(char *text, size_t size, const char *line) {
    size_t n = strlen(line);
    for (size_t i = 0; i < size; i++) text[i] = line[i % n];
}

MW_TEST(work_over_a_mebibyte_is_bounded) {
    static const char *const nasty[] = {
        "1,2;3|4\t5 6^7~8:9\n",
        "\"\n",
        "'\n\"\n",
        "\\\"\"\\\"\n",
        "\"a\\\"b\",'c'\n",
        ",",
        "a,",
        "2026-01-01 00:00:00,1\n",
        "01/02/2026;1,5;x\n",
        "# x\n1,2\n",
        "\n",
        " ",
        "x",
        "\r",
        "\"",
        "1,2\n3\n",
    };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    char *text = mw_alloc(NULL, MIB);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        mw_profile profile;
        repeat(text, MIB, nasty[i]);
        mw_status status =
            mw_profile_detect(&ctx, text, MIB, false, NULL, MW_FOR_DATASET, &profile, &err);
        if (status != MW_OK) continue;
        if (profile.looked_bytes > 32 * (uint64_t)MIB)
            fail_msg("%s: %llu bytes looked at", nasty[i],
                     (unsigned long long)profile.looked_bytes);
        mw_profile_done(&profile);
    }
    mw_free(text);
}

/* Bytes that look like files cut and glued: no crash, and a profile that holds together. */
MW_TEST(random_files_give_whole_profiles) {
    static const char alphabet[] = "0123456789,,;;\t|.:-\"'\\ \n\n\r#abT[]";
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 4, 0);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    char text[400];
    for (int round = 0; round < 4000; round++) {
        size_t size = mw_rng_below(&rng, sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[mw_rng_below(&rng, sizeof alphabet - 1)];
        mw_profile profile;
        bool whole = mw_rng_below(&rng, 2), learn = mw_rng_below(&rng, 2);
        if (mw_profile_detect(&ctx, text, size, whole, NULL, learn ? MW_FOR_TABLE : MW_FOR_DATASET,
                              &profile, &err) != MW_OK)
            continue;
        assert_true(profile.n_columns > 0 && profile.n_columns <= 400);
        assert_true(profile.data_offset <= size);
        assert_true(profile.stamp < (int32_t)profile.n_columns);
        for (size_t i = 0; i < profile.n_findings; i++)
            if (!(profile.findings[i].confidence >= 0 && profile.findings[i].confidence <= 1))
                fail_msg("%s: %g", profile.findings[i].what, profile.findings[i].confidence);
        mw_profile_done(&profile);
    }
}

/* --- rows --- */

/* The reader that cuts samples and the one that reads files (csv.h) see the same rows, but for what only a bad row of
 * many lines can show: an escaped line end. */
MW_TEST(samples_are_cut_as_files_are_read) {
    static const char alphabet[] = "ab12,,;\t  \"'\"\n\n\r#\\";
    static const mw_dialect dialects[] = {
        {.separator = ',', .quote = '"', .decimal = '.'},
        {.separator = ';', .quote = '\'', .decimal = ',', .comment = '#'},
        {.separator = '\t', .decimal = '.'},
        {.separator = ' ', .blanks = true, .quote = '"', .decimal = '.', .comment = '#'},
        {.separator = ' ', .n_widths = 3, .widths = {1, 2, 3}, .decimal = '.'},
        {.separator = ',', .quote = '"', .escape = '\\', .decimal = '.'},
    };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 5, 0);
    char text[120];
    for (int round = 0; round < 20000; round++) {
        const mw_dialect *dialect = &dialects[mw_rng_below(&rng, 6)];
        size_t size = 1 + mw_rng_below(&rng, sizeof text - 2);
        for (size_t i = 0; i < size; i++) {
            text[i] = alphabet[mw_rng_below(&rng, sizeof alphabet - 1)];
            if (i > 0 && text[i - 1] == '\\' && (text[i] == '\n' || text[i] == '\r')) text[i] = 'x';
        }
        text[size++] = '\n';
        mw_csv *csv = NULL;
        mw_csv_row row;
        mw_sniff_cut cut;
        assert_ok(mw_csv_new(NULL, dialect, &csv, &err));
        assert_ok(mw_csv_push(csv, text, size, &err));
        mw_csv_finish(csv);
        mw_sniff__cut_init(&cut, NULL, dialect, (mw_str){text, size});
        while (mw_csv_row_next(csv, &row)) {
            if (!mw_sniff__next(&cut)) fail_msg("a row less in %.*s", (int)size, text);
            if (cut.row_line != row.line || cut.bad != (row.problem != NULL) ||
                (!cut.bad && cut.n_fields != row.n_fields))
                fail_msg("line %llu or %llu, %u or %u fields, %s in:\n%.*s",
                         (unsigned long long)cut.row_line, (unsigned long long)row.line,
                         cut.n_fields, row.n_fields, row.problem ? row.problem : "good", (int)size,
                         text);
            for (uint32_t i = 0; i < row.n_fields && !cut.bad; i++)
                if (!memchr(cut.fields[i].data, '"', cut.fields[i].size) &&
                    !memchr(cut.fields[i].data, '\'', cut.fields[i].size) &&
                    !memchr(cut.fields[i].data, '\\', cut.fields[i].size))
                    assert_true(mw_str_eq(cut.fields[i], row.fields[i]));
        }
        assert_false(mw_sniff__next(&cut));
        mw_sniff__cut_done(&cut);
        mw_csv_free(csv);
    }
}

/* --- failures --- */

static mw_status detect_and_write(const mw_ctx *ctx, void *arg, mw_err *error) {
    const char *text = arg;
    mw_profile profile;
    mw_status status =
        mw_profile_detect(ctx, text, strlen(text), true, NULL, MW_FOR_DATASET, &profile, error);
    if (status != MW_OK) return status;
    mw_buf out;
    mw_buf_init(&out, ctx->mem, 1 << 16);
    mw_json_writer writer;
    mw_json_writer_init(&writer, &out, 0);
    mw_profile_write(&profile, &writer);
    mw_profile_write_findings(&profile, &writer);
    status = mw_buf_status(&out, "a profile", error);
    mw_buf_done(&out);
    mw_profile_done(&profile);
    return status;
}

MW_TEST(any_allocation_may_fail) {
    static char latin[] =
        "Zeit;T [\xb0"
        "C];Text\r\n;K;-\r\n1.2.2026 10:00;1.234,5;a\r\n13.2.2026 10:01;2,5;b\r\n";
    static char pair[] =
        "# made\n\nDate,Time,x,y\n2026-01-01,10:00,1,true\n2026-01-02,11:00,2,false\n";
    static char mac[] = "a,b\r1,2\r3,4\r";
    mw_fault_loop_alloc(detect_and_write, latin);
    mw_fault_loop_alloc(detect_and_write, pair);
    mw_fault_loop_alloc(detect_and_write, mac);
}

static mw_status detect_with_saved(const mw_ctx *ctx, void *arg, mw_err *error) {
    mw_args *args = NULL;
    mw_profile profile;
    static const char text[] = "a;b\n1,5;2026-01-01\n2,5;2026-01-02\n";
    mw_status status = mw_args_new(ctx->mem, mw_profile_params, &args, error);
    if (status == MW_OK) status = mw_args_set(args, MW_STR("profile"), mw_str_of(arg), error);
    if (status == MW_OK) status = mw_args_set(args, MW_STR("timezone"), MW_STR("+01:00"), error);
    if (status == MW_OK) status = mw_args_set(args, MW_STR("missing"), MW_STR("-9"), error);
    if (status == MW_OK) status = mw_args_finish(args, error);
    if (status == MW_OK)
        status =
            mw_profile_detect(ctx, text, strlen(text), true, args, MW_FOR_DATASET, &profile, error);
    if (status == MW_OK) mw_profile_done(&profile);
    mw_args_free(args);
    return status;
}

MW_TEST(any_allocation_may_fail_with_a_saved_profile) {
    char path[600];
    snprintf(path, sizeof path, "%s",
             put_text("saved.json",
                      "{\"separator\":\";\",\"missing\":[\"-1\"],\"decimal\":\",\",\"columns\":["
                      "{\"name\":\"a\",\"unit\":\"K\"},{\"name\":\"b\",\"use\":\"time\"}]}"));
    mw_fault_loop_alloc(detect_with_saved, path);
}

MW_TEST_MAIN(MW_RUN(separators_are_found), MW_RUN(quotes_are_found),
             MW_RUN(marks_of_numbers_are_found), MW_RUN(lines_and_encodings_are_found),
             MW_RUN(headers_and_units_are_found), MW_RUN(types_are_found),
             MW_RUN(times_and_uses_are_found), MW_RUN(tables_for_learning_have_no_roles),
             MW_RUN(properties_can_be_forced), MW_RUN(contradictions_are_refused),
             MW_RUN(what_is_no_table_is_refused), MW_RUN(utf16_is_told_with_and_without_mark),
             MW_RUN(binary_is_refused), MW_RUN(a_cut_sample_is_read_to_its_last_line),
             MW_RUN(data_begins_where_it_says), MW_RUN(a_name_may_hold_the_zone),
             MW_RUN(doubtful_findings_say_so), MW_RUN(what_is_forced_is_certain),
             MW_RUN(saved_profiles_read_back_as_they_were),
             MW_RUN(a_saved_profile_forces_other_files),
             MW_RUN(a_profile_given_as_text_counts_less_than_arguments),
             MW_RUN(work_over_a_mebibyte_is_bounded), MW_RUN(random_files_give_whole_profiles),
             MW_RUN(samples_are_cut_as_files_are_read), MW_RUN(any_allocation_may_fail),
             MW_RUN(any_allocation_may_fail_with_a_saved_profile))
