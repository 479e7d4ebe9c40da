/*
 * test_csv_dialects.c -- the plain lexer on dialects other than RFC 4180: chosen texts in every way of cutting them (those
 * with escapes read alike by Python 3.11's csv module, escapechar='\\', doublequote=True), and rows of random
 * fields that are written by the rules of csv.h and must come back.
 */
#include "core/text/csv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "core/text/csv_scan.h"
#include "support/harness.h"

static mw_err err;

static const mw_dialect semicolons = {.separator = ';', .quote = '\'', .decimal = ','};
static const mw_dialect tabs = {.separator = '\t'};
static const mw_dialect blanks = {.blanks = true, .quote = '"', .comment = '#'};
static const mw_dialect escapes = {.separator = ',', .quote = '"', .escape = '\\'};
static const mw_dialect bare_escapes = {.separator = '|', .escape = '\\'};
static const mw_dialect comments = {.separator = ',', .quote = '"', .comment = '#'};
static const mw_dialect columns = {.n_widths = 3, .widths = {2, 3, 1}, .comment = '%'};

static void drain(mw_csv *csv, mw_buf *out) {
    mw_csv_row row;
    while (mw_csv_row_next(csv, &row)) {
        mw_buf_printf(out, "%llu:", (unsigned long long)row.line);
        if (row.problem) mw_buf_printf(out, "%s", row.problem);
        for (uint32_t i = 0; i < row.n_fields; i++) {
            mw_buf_add_char(out, '[');
            mw_buf_add_str(out, row.fields[i]);
            mw_buf_add_char(out, ']');
        }
        mw_buf_add_char(out, '\n');
    }
}

static void lex(const mw_dialect *dialect, const char *text, size_t size, size_t piece,
                mw_buf *out) {
    mw_csv *csv = NULL;
    assert_ok(mw_csv_new(NULL, dialect, &csv, &err));
    mw_buf_clear(out);
    for (size_t at = 0, n; at < size; at += n) {
        n = size - at < piece ? size - at : piece;
        assert_ok(mw_csv_push(csv, text + at, n, &err));
        drain(csv, out);
    }
    mw_csv_finish(csv);
    drain(csv, out);
    mw_csv_free(csv);
}

static void check(const mw_dialect *dialect, const char *text, size_t size, const char *want) {
    static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 1 << 20};
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        lex(dialect, text, size, pieces[i], &out);
        if (strcmp(mw_buf_text(&out), want) != 0)
            fail_msg("{%.*s} in pieces of %zu: got\n%swant\n%s", (int)size, text, pieces[i],
                     mw_buf_text(&out), want);
    }
    mw_buf_done(&out);
}

#define CHECK(dialect, text, want) check(&(dialect), (text), sizeof(text) - 1, (want))

MW_TEST(separators_and_quotes) {
    CHECK(semicolons, "a;b,c\n'x;y';\"z\n", "1:[a][b,c]\n2:[x;y][\"z]\n");
    CHECK(semicolons, "'it''s';''\r\n", "1:[it's][]\n");
    CHECK(semicolons, "a;'b'c\n", "1:text after a closing quote\n");
    CHECK(tabs, "a\tb c\t\n\t\n", "1:[a][b c][]\n2:[][]\n");
    CHECK(tabs, "\"a\t'b\nc\"\t\"\n", "1:[\"a]['b]\n2:[c\"][\"]\n");
    check(&tabs, "a\0b\n", 4, "1:a NUL byte\n");
}

MW_TEST(runs_of_blanks) {
    CHECK(blanks, "a b\n", "1:[a][b]\n");
    CHECK(blanks, "  a \t b  \n\tc\t\r\n", "1:[a][b]\n2:[c]\n");
    CHECK(blanks, "a\n  \n\t\r\nb", "1:[a]\n4:[b]\n");
    CHECK(blanks, "\"a b\"  \"\" \" \" \n", "1:[a b][][ ]\n");
    CHECK(blanks, " \"say \"\"hi\"\"\"\n", "1:[say \"hi\"]\n");
    CHECK(blanks, "a \"b\nc\" d\ne", "1:[a][b\nc][d]\n3:[e]\n");
    CHECK(blanks, "\"a\"b c\nd\n", "1:text after a closing quote\n2:[d]\n");
    CHECK(blanks, "# x \"\n  # y\na #b\nc#\n", "3:[a][#b]\n4:[c#]\n");
    CHECK(blanks, "a,b;c 1\n", "1:[a,b;c][1]\n");
    CHECK(blanks, "a ", "1:[a]\n");
    CHECK(blanks, " ", "");
}

MW_TEST(escapes_inside_and_outside_quotes) {
    CHECK(escapes, "a\\,b,c\n", "1:[a,b][c]\n");
    CHECK(escapes, "\"a\\\"b\",c\n", "1:[a\"b][c]\n");
    CHECK(escapes, "\"a\"\"b\\\\\",c\n", "1:[a\"b\\][c]\n");
    CHECK(escapes, "a\\\nb,c\nd,e\n", "1:[a\nb][c]\n3:[d][e]\n");
    CHECK(escapes, "\\\"a,b\n", "1:[\"a][b]\n");
    CHECK(escapes, "\"x\\\ny\",z\n", "1:[x\ny][z]\n");
    CHECK(escapes, "a\\\\,b\n", "1:[a\\][b]\n");
    CHECK(escapes, "\\n,\\t\n", "1:[n][t]\n");
    CHECK(escapes, "a\\\r\nb\nc\n", "1:[a\r\nb]\n3:[c]\n");
    CHECK(escapes, "a\\", "1:[a\\]\n");
    CHECK(escapes, "\"a\\\"", "1:a quote is never closed\n");
    CHECK(escapes, "\"a\\\"\nb\n", "1:a quote is never closed\n2:[b]\n");
    CHECK(escapes, "a\\\nb\"c\nd\n",
          "1:a quote inside a field that does not begin with one\n3:[d]\n");
    CHECK(escapes, "a\\\nb,\"c\nd\ne\"f\ng\n", "1:text after a closing quote\n5:[g]\n");
    CHECK(bare_escapes, "a\\|b|\"c\\\\|d\n", "1:[a|b][\"c\\][d]\n");
    check(&escapes, "a\\\0b\n", 5, "1:a NUL byte\n");
    /* An escape that is the quote says no more than that quotes are doubled. */
    const mw_dialect same = {.separator = ',', .quote = '"', .escape = '"'};
    CHECK(same, "\"a\"\"b\",c\n", "1:[a\"b][c]\n");
}

MW_TEST(comment_lines) {
    CHECK(comments, "# a,\"b\na,b\n#\n#\r\nc,#d\n\"#e\n#f\",g\n# end",
          "2:[a][b]\n5:[c][#d]\n6:[#e\n#f][g]\n");
    CHECK(comments, " #a\n", "1:[ #a]\n");
    CHECK(comments, "\xEF\xBB\xBF#a\nb\n", "2:[b]\n");
    CHECK(comments, "\"a\n# b\n", "1:a quote is never closed\n");
    check(&comments, "#\0\na\n", 5, "2:[a]\n");
}

MW_TEST(a_comment_may_be_longer_than_a_row) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    assert_ok(mw_csv_new(NULL, &comments, &csv, &err));
    char block[10000];
    memset(block, 'x', sizeof block);
    block[0] = '#';
    for (size_t n = 0; n < 2 * (size_t)MW_LIMIT(CSV_ROW_BYTES); n += sizeof block) {
        assert_ok(mw_csv_push(csv, block, sizeof block, &err));
        assert_false(mw_csv_row_next(csv, &row));
        block[0] = ',';
    }
    assert_ok(mw_csv_push(csv, "\na,b\n", 5, &err));
    assert_true(mw_csv_row_next(csv, &row));
    assert_int_equal(row.line, 2);
    assert_int_equal(row.n_fields, 2);
    mw_csv_free(csv);
}

MW_TEST(fixed_columns) {
    CHECK(columns, "aabbbccc\n", "1:[aa][bbb][ccc]\n");
    CHECK(columns, "a b\r\n  \n", "1:[a ][b][]\n2:[  ][][]\n");
    CHECK(columns, "\n%x\n\"a,b\"c\n", "3:[\"a][,b\"][c]\n");
    CHECK(columns, "12345", "1:[12][345][]\n");
    check(&columns, "a\0bcd\n", 6, "1:a NUL byte\n");
}

MW_TEST(what_cannot_be_told_apart_is_refused) {
    static const mw_dialect bad[] = {
        {.separator = 0},
        {.separator = '\n'},
        {.separator = ',', .quote = ','},
        {.separator = ',', .escape = ','},
        {.separator = ',', .comment = ','},
        {.separator = ',', .quote = '"', .comment = '"'},
        {.separator = ',', .escape = '\\', .comment = '\\'},
        {.separator = ',', .quote = '\n'},
        {.separator = ',', .comment = '\r'},
        {.separator = ',', .escape = '\xA7'},
        {.separator = '\xA7'},
        {.blanks = true, .quote = ' '},
        {.blanks = true, .comment = '\t'},
        {.blanks = true, .n_widths = 2},
        {.n_widths = MW_DIALECT_WIDTHS + 1},
    };
    mw_csv *csv = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mw_csv_new(NULL, &bad[i], &csv, &err) != MW_EINVAL) fail_msg("dialect %zu", i);
    assert_null(csv);
    assert_true(mw_dialect_is_simple(&mw_dialect_csv) && mw_dialect_is_simple(&comments));
    assert_false(mw_dialect_is_simple(&blanks) || mw_dialect_is_simple(&escapes) ||
                 mw_dialect_is_simple(&columns));
}

/* --- what is written comes back --- */

static void write_escaped(mw_buf *text, const mw_dialect *d, mw_str field, bool quoted) {
    if (quoted) mw_buf_add_char(text, d->quote);
    for (size_t i = 0; i < field.size; i++) {
        char c = field.data[i];
        bool means = c == d->escape || (d->quote && c == d->quote) ||
                     (!quoted && (c == d->separator || c == '\n' || c == '\r'));
        if (means) mw_buf_add_char(text, d->escape);
        mw_buf_add_char(text, c);
    }
    if (quoted) mw_buf_add_char(text, d->quote);
}

static void write_doubled(mw_buf *text, const mw_dialect *d, mw_str field) {
    mw_buf_add_char(text, d->quote);
    for (size_t i = 0; i < field.size; i++) {
        if (field.data[i] == d->quote) mw_buf_add_char(text, d->quote);
        mw_buf_add_char(text, field.data[i]);
    }
    mw_buf_add_char(text, d->quote);
}

static bool needs_quotes(const mw_dialect *d, mw_str field) {
    bool needs = field.size == 0;
    for (size_t i = 0; i < field.size; i++) {
        char c = field.data[i];
        needs |= c == d->separator || c == d->quote || c == '\n' || c == '\r' || c == ' ' ||
                 c == '\t' || c == d->comment;
    }
    return needs;
}

static void write_gap(mw_buf *text, const mw_dialect *d, mw_rng *rng, bool first) {
    if (!d->blanks) {
        if (!first) mw_buf_add_char(text, d->separator);
        return;
    }
    size_t n = mw_rng_below(rng, 3) + !first;
    while (n--) mw_buf_add_char(text, " \t"[mw_rng_below(rng, 2)]);
}

static void write_field(mw_buf *text, const mw_dialect *d, mw_str field, mw_rng *rng) {
    if (d->escape)
        write_escaped(text, d, field, d->quote && (field.size == 0 || mw_rng_below(rng, 2)));
    else if (needs_quotes(d, field) || mw_rng_below(rng, 4) == 0)
        write_doubled(text, d, field);
    else
        mw_buf_add_str(text, field);
}

/* One row of random fields as text, and as drain() should show it. */
static void random_row(mw_buf *text, mw_buf *want, const mw_dialect *d, mw_rng *rng,
                       uint64_t *line) {
    static const char alphabet[] = "ab1,;|\"'\\# \t\n\r";
    mw_buf_printf(want, "%llu:", (unsigned long long)*line);
    size_t n_fields = 2 + mw_rng_below(rng, 4);
    for (size_t i = 0; i < n_fields; i++) {
        char field[8] = "x"; /* a plain first byte: no row is a comment, or blank */
        size_t size = mw_rng_below(rng, sizeof field);
        for (size_t k = i == 0; k < size; k++) {
            field[k] = alphabet[mw_rng_below(rng, sizeof alphabet - 1)];
            *line += field[k] == '\n';
        }
        if (i == 0 && size == 0) size = 1;
        /* Before the row's line feed an escaped CR would be read as half of a CRLF. */
        if (size && field[size - 1] == '\r') field[size - 1] = 'y';
        mw_buf_add_char(want, '[');
        mw_buf_add_str(want, (mw_str){field, size});
        mw_buf_add_char(want, ']');
        write_gap(text, d, rng, i == 0);
        write_field(text, d, (mw_str){field, size}, rng);
    }
    mw_buf_add(text, mw_rng_below(rng, 2) ? "\r\n" : "\n");
    mw_buf_add_char(want, '\n');
    ++*line;
}

MW_TEST(random_rows_come_back) {
    static const mw_dialect *const dialects[] = {&semicolons, &blanks,       &escapes,
                                                 &comments,   &bare_escapes, &mw_dialect_csv};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_buf text, want, got;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_init(&want, NULL, 1 << 20);
    mw_buf_init(&got, NULL, 1 << 20);
    for (int round = 0; round < 20000; round++) {
        const mw_dialect *d = dialects[round % 6];
        mw_buf_clear(&text);
        mw_buf_clear(&want);
        uint64_t line = 1;
        for (size_t n = mw_rng_below(&rng, 12); n; n--) random_row(&text, &want, d, &rng, &line);
        lex(d, mw_buf_text(&text), text.size, 1 + mw_rng_below(&rng, 200), &got);
        if (!mw_str_eq(mw_buf_str(&got), mw_buf_str(&want)))
            fail_msg("round %d: {%s}\ngot\n%s\nwant\n%s", round, mw_buf_text(&text),
                     mw_buf_text(&got), mw_buf_text(&want));
    }
    mw_buf_done(&text);
    mw_buf_done(&want);
    mw_buf_done(&got);
}

/* --- where a text may be cut --- */

static size_t n_feeds(const char *text, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    return n;
}

/* Rows of one part behind those of others, with lines that go on; true when one was bad. */
static bool lex_part(const mw_dialect *d, const char *text, size_t size, uint64_t lines_before,
                     mw_buf *out) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    bool bad = false;
    assert_ok(mw_csv_new(NULL, d, &csv, &err));
    assert_ok(mw_csv_push(csv, text, size, &err));
    mw_csv_finish(csv);
    while (mw_csv_row_next(csv, &row)) {
        bad |= row.problem != NULL;
        mw_buf_printf(out, "%llu %s{", (unsigned long long)(row.line + lines_before),
                      row.problem ? "bad" : "");
        mw_buf_add_str(out, row.raw);
        mw_buf_add(out, "}\n");
    }
    mw_csv_free(csv);
    return bad;
}

static bool parts_give_the_rows(const mw_dialect *d, const char *text, size_t size, size_t cut,
                                const mw_buf *want) {
    mw_buf got;
    mw_buf_init(&got, NULL, 1 << 20);
    lex_part(d, text, cut, 0, &got);
    lex_part(d, text + cut, size - cut, n_feeds(text, cut), &got);
    bool same = mw_str_eq(mw_buf_str(&got), mw_buf_str(want));
    mw_buf_done(&got);
    return same;
}

static void check_cut(const mw_dialect *d, const char *text, size_t size) {
    mw_buf want;
    mw_buf_init(&want, NULL, 1 << 20);
    bool bad = lex_part(d, text, size, 0, &want);
    size_t cut = mw_csv_cut(d, text, size);
    size_t walked = d->n_widths ? cut : mw_csv__cut_walking(d, text, size);
    /* What is never closed is bad at the end of a text and may be good when more follows. */
    if (!parts_give_the_rows(d, text, size, walked, &want))
        fail_msg("walked to %zu of {%.*s}", walked, (int)size, text);
    if (!bad && cut != walked) fail_msg("%zu not %zu of {%.*s}", cut, walked, (int)size, text);
    if (cut && text[cut - 1] != '\n') fail_msg("%zu of {%.*s}", cut, (int)size, text);
    mw_buf_done(&want);
}

MW_TEST(chosen_cuts) {
    static const struct {
        const mw_dialect *dialect;
        const char *text;
        size_t cut;
    } cuts[] = {{&mw_dialect_csv, "", 0},
                {&mw_dialect_csv, "a,b", 0},
                {&mw_dialect_csv, "a\nb", 2},
                {&mw_dialect_csv, "a\nb\n", 4},
                {&mw_dialect_csv, "a\n\"b\nc", 2},
                {&mw_dialect_csv, "a\n\"b\nc\",d\ne", 10},
                {&mw_dialect_csv, "\"b\nc\n", 0},
                {&mw_dialect_csv, "a\n5\" pipe\nb\nc", 12},
                {&mw_dialect_csv, "a\n\"x\"y\nb\n\"c\nd", 9},
                {&comments, "# it\"s\na,\"b\nc\"\nd,\"\n", 15},
                {&comments, "# it\"s\na\nb", 9},
                {&escapes, "a\\\nb\nc\\\n", 5},
                {&escapes, "\"a\\\"\nb\"\nc", 8},
                {&blanks, "  # \"\na \"b\nc", 6},
                {&columns, "\"a\nb\nc", 5},
                {&tabs, "\"a\nb\nc", 5}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        size_t size = strlen(cuts[i].text), got = mw_csv_cut(cuts[i].dialect, cuts[i].text, size);
        if (got != cuts[i].cut) fail_msg("{%s}: %zu, not %zu", cuts[i].text, got, cuts[i].cut);
    }
}

MW_TEST(random_texts_are_cut_between_rows) {
    static const mw_dialect *const dialects[] = {&mw_dialect_csv, &blanks,       &escapes, &columns,
                                                 &comments,       &bare_escapes, &tabs};
    static const char alphabet[] = "ab,,\"\"\n\n\r#\\ |\t";
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    char text[200];
    for (int round = 0; round < 60000; round++) {
        size_t size = mw_rng_below(&rng, round % 10 ? 30 : sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[mw_rng_below(&rng, sizeof alphabet - 1)];
        check_cut(dialects[round % 7], text, size);
    }
}

MW_TEST(a_stray_quote_does_not_hold_back_the_rest) {
    static char text[200000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = "1,2\n"[i % 4];
    text[8] = '"';
    assert_in_range(mw_csv_cut(&mw_dialect_csv, text, sizeof text), sizeof text - 4, sizeof text);
    text[9] = 'x';
    assert_in_range(mw_csv_cut(&mw_dialect_csv, text, sizeof text), sizeof text - 4, sizeof text);
    text[8] = '1';
    text[9] = '"';
    assert_int_equal(mw_csv_cut(&mw_dialect_csv, text, sizeof text), sizeof text);
}

MW_TEST(a_row_of_endless_escaped_lines_is_one_bad_row) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    assert_ok(mw_csv_new(NULL, &escapes, &csv, &err));
    size_t most = (size_t)MW_LIMIT(CSV_ROW_BYTES), n_bad = 0, n_lines = 0;
    for (size_t i = 0; i < most / 100 + 2; i++) {
        char line[101];
        memset(line, 'x', 98);
        memcpy(line + 98, "\\\n", 3);
        assert_ok(mw_csv_push(csv, line, 100, &err));
        n_lines++;
        while (mw_csv_row_next(csv, &row)) {
            assert_string_equal(row.problem, "the row is too long");
            assert_int_equal(row.line, 1);
            assert_int_equal(row.raw.size, most);
            n_bad++;
        }
    }
    assert_int_equal(n_bad, 1);
    assert_ok(mw_csv_push(csv, "\na\n", 3, &err));
    mw_csv_finish(csv);
    uint64_t last = 0;
    while (mw_csv_row_next(csv, &row)) last = row.line;
    assert_int_equal(last, n_lines + 2);
    mw_csv_free(csv);
}

MW_TEST(hostile_escapes_do_not_make_it_quadratic) {
    /* The time limit of a test is what fails. */
    static const char *const lines[] = {"\"\\\"\n",       "\\\n",     "\"\\\n", "a\\\"\\\n",
                                        "\"\\\\\"\"\\\n", ",\",\\\n", ",\",\n", "\",\\\n"};
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
        mw_csv *csv = NULL;
        mw_csv_row row;
        assert_ok(mw_csv_new(NULL, &escapes, &csv, &err));
        size_t n = strlen(lines[k]), n_rows = 0;
        char block[6000];
        size_t n_block = sizeof block / n * n;
        for (size_t i = 0; i < n_block; i++) block[i] = lines[k][i % n];
        for (int i = 0; i < 1500; i++) {
            assert_ok(mw_csv_push(csv, block, n_block, &err));
            while (mw_csv_row_next(csv, &row)) n_rows++;
        }
        mw_csv_finish(csv);
        while (mw_csv_row_next(csv, &row)) n_rows++;
        assert_true(n_rows > 0);
        mw_csv_free(csv);
    }
}

MW_TEST_MAIN(MW_RUN(separators_and_quotes), MW_RUN(runs_of_blanks),
             MW_RUN(escapes_inside_and_outside_quotes), MW_RUN(comment_lines),
             MW_RUN(a_comment_may_be_longer_than_a_row), MW_RUN(fixed_columns),
             MW_RUN(what_cannot_be_told_apart_is_refused), MW_RUN(random_rows_come_back),
             MW_RUN(chosen_cuts), MW_RUN(random_texts_are_cut_between_rows),
             MW_RUN(a_stray_quote_does_not_hold_back_the_rest),
             MW_RUN(a_row_of_endless_escaped_lines_is_one_bad_row),
             MW_RUN(hostile_escapes_do_not_make_it_quadratic))
