/*
 * test_csv.c -- lexing of chosen files in every way of cutting them, and of random ones against a
 * slow reference lexer written below from the rules of csv.h.
 */
#include "core/text/csv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "core/text/csv_scan.h"
#include "support/harness.h"

static mw_err err;

/* One row as text: "LINE:[field][field]" or "LINE!COLUMN problem {raw}". */
static void describe(mw_buf *out, const mw_csv_row *row) {
    if (row->problem) {
        mw_buf_printf(out, "%llu!%u %s {", (unsigned long long)row->line, row->problem_column,
                      row->problem);
        mw_buf_add_str(out, row->raw);
        mw_buf_add(out, "}\n");
        return;
    }
    mw_buf_printf(out, "%llu:", (unsigned long long)row->line);
    for (uint32_t i = 0; i < row->n_fields; i++) {
        mw_buf_add_char(out, '[');
        mw_buf_add_str(out, row->fields[i]);
        mw_buf_add_char(out, ']');
    }
    mw_buf_add_char(out, '\n');
}

static void drain(mw_csv *csv, mw_buf *out) {
    mw_csv_row row;
    while (mw_csv_row_next(csv, &row)) describe(out, &row);
}

/* Lexes text pushed in pieces of `piece` bytes (0: random sizes from rng). */
static void lex(const char *text, size_t size, size_t piece, mw_rng *rng, mw_buf *out) {
    mw_csv *csv = NULL;
    assert_ok(mw_csv_new(NULL, &mw_dialect_csv, &csv, &err));
    mw_buf_clear(out);
    for (size_t at = 0; at < size;) {
        size_t n = piece ? piece : 1 + mw_rng_below(rng, 100);
        if (n > size - at) n = size - at;
        assert_ok(mw_csv_push(csv, text + at, n, &err));
        if (piece || mw_rng_below(rng, 4)) drain(csv, out);
        at += n;
    }
    mw_csv_finish(csv);
    drain(csv, out);
    mw_csv_row row;
    assert_false(mw_csv_row_next(csv, &row));
    mw_csv_free(csv);
    assert_int_equal(mw_buf_status(out, "rows", &err), MW_OK);
}

static void check(const char *text, size_t size, const char *want) {
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        lex(text, size, pieces[i], NULL, &out);
        if (strcmp(mw_buf_text(&out), want) != 0)
            fail_msg("pieces of %zu: got\n%swant\n%s", pieces[i], mw_buf_text(&out), want);
    }
    mw_buf_done(&out);
}

#define CHECK(text, want) check((text), sizeof(text) - 1, (want))

MW_TEST(plain_rows) {
    CHECK("", "");
    CHECK("\n", "");
    CHECK("a", "1:[a]\n");
    CHECK("a,b\nc,d\n", "1:[a][b]\n2:[c][d]\n");
    CHECK("a,b\r\nc,d\r\n", "1:[a][b]\n2:[c][d]\n");
    CHECK("a,b\nc,d", "1:[a][b]\n2:[c][d]\n");
    CHECK(",\n,,\n", "1:[][]\n2:[][][]\n");
    CHECK("\n\r\n\na\n\r\n", "4:[a]\n");
    CHECK(" a , b \n \n", "1:[ a ][ b ]\n2:[ ]\n");
    CHECK("a,\n,b\n,", "1:[a][]\n2:[][b]\n3:[][]\n");
    CHECK("\xC3\xA4,\xF0\x9F\x98\x80\n", "1:[\xC3\xA4][\xF0\x9F\x98\x80]\n");
}

MW_TEST(quoted_fields) {
    CHECK("\"a\",\"b\"\n", "1:[a][b]\n");
    CHECK("\"\"\n\"\"", "1:[]\n2:[]\n");
    CHECK("\"a,b\",c\n", "1:[a,b][c]\n");
    CHECK("\"say \"\"hi\"\"\",\"\"\"\"\n", "1:[say \"hi\"][\"]\n");
    CHECK("\"a\nb\",c\nd\n", "1:[a\nb][c]\n3:[d]\n");
    CHECK("\"a\r\nb\"\r\nd", "1:[a\r\nb]\n3:[d]\n");
    CHECK("x,\"\n\n\",y\n\nz\n", "1:[x][\n\n][y]\n5:[z]\n");
    CHECK("\"a\"\r\n\"b\"\r", "1:[a]\n2:[b]\n");
    CHECK("x,\"\"\"\",\"y\"\"\"\n", "1:[x][\"][y\"]\n");
}

MW_TEST(byte_order_mark) {
    CHECK("\xEF\xBB\xBF"
          "a,b\n",
          "1:[a][b]\n");
    CHECK("\xEF\xBB\xBF\"a\",b\n", "1:[a][b]\n");
    CHECK("\xEF\xBB\xBF", "");
    CHECK("\xEF\xBB", "1:[\xEF\xBB]\n");
    CHECK("a\n\xEF\xBB\xBF"
          "b\n",
          "1:[a]\n2:[\xEF\xBB\xBF"
          "b]\n");
}

MW_TEST(carriage_returns_are_data_unless_they_end_a_line) {
    CHECK("a\rb,c\r,d\n", "1:[a\rb][c\r][d]\n");
    CHECK("a\r\r\n", "1:[a\r]\n");
    CHECK("a,b\r", "1:[a][b]\n"); /* a CRLF cut by the end of the file */
}

MW_TEST(bad_rows_are_given_whole_and_cost_only_themselves) {
    CHECK("a\nb\"c,d\r\ne\n", "1:[a]\n2!1 a quote inside a field that does not begin with one "
                              "{b\"c,d}\n3:[e]\n");
    CHECK("x,\"b\"c,d\ne\n", "1!2 text after a closing quote {x,\"b\"c,d}\n2:[e]\n");
    CHECK("x,\"b\" ,d\ne\n", "1!2 text after a closing quote {x,\"b\" ,d}\n2:[e]\n");
    CHECK("\"b\"\r,d\ne\n", "1!1 text after a closing quote {\"b\"\r,d}\n2:[e]\n");
    CHECK("\"b\"x", "1!1 text after a closing quote {\"b\"x}\n");
    CHECK("\"b\"\rx", "1!1 text after a closing quote {\"b\"\rx}\n");
    CHECK("a,b \"q\", c \"d\n1,2\n",
          "1!2 a quote inside a field that does not begin with one {a,b \"q\", c \"d}\n2:[1][2]\n");
    check("a,b\0c,d\ne\n", 10, "1!2 a NUL byte {a,b");
}

MW_TEST(a_quote_never_closed_costs_one_line) {
    CHECK("\"a\nb,c\nd\n", "1!1 a quote is never closed {\"a}\n2:[b][c]\n3:[d]\n");
    CHECK("x,\"a\r\nb,c\nd", "1!2 a quote is never closed {x,\"a}\n2:[b][c]\n3:[d]\n");
    CHECK("\"a", "1!1 a quote is never closed {\"a}\n");
    CHECK("x\n\"", "1:[x]\n2!1 a quote is never closed {\"}\n");
    /* The next quote of the file seems to close it, and is followed by text. */
    CHECK("\"a\nb\nx,\"c\",d\ne\n",
          "1!1 text after a closing quote {\"a}\n2:[b]\n3:[x][c][d]\n4:[e]\n");
    CHECK("h\n\"a\n1,\"b\n2,c\n", "1:[h]\n2!1 text after a closing quote {\"a}\n"
                                  "3!2 a quote is never closed {1,\"b}\n4:[2][c]\n");
}

static char *fill(mw_buf *buf, char c, size_t n) {
    char *to = mw_buf_reserve(buf, n);
    assert_non_null(to);
    memset(to, c, n);
    mw_buf_grew(buf, n);
    return to;
}

static void check_sizes(const mw_buf *text, const char *const *want, size_t n_want, size_t piece) {
    mw_csv *csv = NULL;
    assert_ok(mw_csv_new(NULL, &mw_dialect_csv, &csv, &err));
    mw_csv_row row;
    size_t n = 0;
    for (size_t at = 0; at < text->size || n < n_want; at += piece) {
        size_t left = at < text->size ? text->size - at : 0;
        if (left)
            assert_ok(mw_csv_push(csv, text->data + at, left < piece ? left : piece, &err));
        else
            mw_csv_finish(csv);
        while (mw_csv_row_next(csv, &row)) {
            char got[160];
            (void)snprintf(got, sizeof got, "%llu %u %zu %s", (unsigned long long)row.line,
                           row.n_fields, row.raw.size, row.problem ? row.problem : "");
            assert_in_range(n, 0, n_want - 1);
            assert_string_equal(got, want[n]);
            n++;
        }
        if (!left) break;
    }
    assert_int_equal(n, n_want);
    mw_csv_free(csv);
}

MW_TEST(sizes_have_limits) {
    size_t field = (size_t)MW_LIMIT(CSV_FIELD_BYTES), most = (size_t)MW_LIMIT(CSV_ROW_BYTES);
    mw_buf text;
    mw_buf_init(&text, NULL, 64 << 20);
    fill(&text, 'a', field);
    mw_buf_add(&text, ",\"");
    fill(&text, 'b', field);
    mw_buf_add(&text, "\"\n"); /* just allowed */
    fill(&text, 'a', field + 1);
    mw_buf_add(&text, ",x\n1,\"");
    fill(&text, 'b', field + 1);
    mw_buf_add(&text, "\"\n2,\"\n");
    fill(&text, 'c', field + 1);
    mw_buf_add(&text, "\"\n3\n");
    fill(&text, 'd', most + 100);
    mw_buf_add(&text, "\"\n4\n");
    fill(&text, ',', (size_t)MW_LIMIT(CSV_COLUMNS));
    mw_buf_add(&text, "\n5\n");
    fill(&text, ',', (size_t)MW_LIMIT(CSV_COLUMNS) - 1);
    mw_buf_add(&text, "\n");
    static const char *const want[] = {
        "1 2 131075 ",
        "2 0 65539 a field is too long",
        "3 0 65541 a quoted field is too long; is its quote closed?",
        "4 0 3 a quoted field is too long; is its quote closed?",
        "5 0 65538 a quote inside a field that does not begin with one",
        "6 1 1 ",
        "7 0 4194304 the row is too long",
        "8 1 1 ",
        "9 0 20000 too many fields",
        "10 1 1 ",
        "11 20000 19999 "};
    check_sizes(&text, want, sizeof want / sizeof *want, 1 << 26);
    check_sizes(&text, want, sizeof want / sizeof *want, 10000);
    check_sizes(&text, want, sizeof want / sizeof *want, 131);
    mw_buf_done(&text);
}

MW_TEST(unread_input_is_bounded) {
    mw_csv *csv = NULL;
    assert_ok(mw_csv_new(NULL, &mw_dialect_csv, &csv, &err));
    size_t n = 1 << 20;
    mw_buf text;
    mw_buf_init(&text, NULL, n);
    fill(&text, '\n', n);
    int pushed = 0;
    while (pushed < 1000 && mw_csv_push(csv, text.data, n, &err) == MW_OK) pushed++;
    assert_int_equal(pushed, 64);
    assert_int_equal(err.code, MW_ETOOLARGE);
    mw_buf_done(&text);
    mw_csv_free(csv);
    static const char bad[] = {'"', '\n', '\r', '\0'};
    for (size_t i = 0; i < sizeof bad; i++) {
        mw_dialect dialect = {.separator = bad[i], .quote = '"'};
        assert_status(mw_csv_new(NULL, &dialect, &csv, &err), MW_EINVAL);
    }
}

/* --- the reference: whole text at once, byte by byte --- */

typedef struct reference {
    const char *text;
    size_t size;
    uint64_t line;
    mw_buf *out;
} reference;

static size_t line_end(const reference *r, size_t at) {
    while (at < r->size && r->text[at] != '\n') at++;
    return at;
}

static size_t reference_bad(reference *r, size_t at, size_t end, uint32_t column, const char *why) {
    size_t next = end + 1;
    if (end > at && r->text[end - 1] == '\r') end--;
    mw_csv_row row = {
        .raw = {r->text + at, end - at}, .line = r->line, .problem = why, .problem_column = column};
    describe(r->out, &row);
    for (size_t i = at; i < next && i < r->size; i++) r->line += r->text[i] == '\n';
    return next;
}

/* True when a line ends at i (LF, CRLF, end of text, CR and end of text); *next is behind it. */
static bool ends_line(const reference *r, size_t i, size_t *next) {
    size_t k = i + (i < r->size && r->text[i] == '\r');
    if (k < r->size && r->text[k] != '\n') return false;
    *next = k + 1;
    return true;
}

/* Lexes the row at `at`; returns where the next begins. */
static size_t reference_row(reference *r, size_t at) {
    mw_buf row;
    mw_buf_init(&row, NULL, 1 << 20);
    uint32_t column = 1, nul_column = 0;
    size_t i = at, next = 0, first = line_end(r, at);
    if (ends_line(r, at, &next)) {
        if (at < r->size) r->line++;
        return next;
    }
    for (;; column++) {
        mw_buf_add_char(&row, '[');
        if (i < r->size && r->text[i] == '"') {
            for (i++;; i++) {
                if (i >= r->size) {
                    mw_buf_done(&row);
                    return reference_bad(r, at, first, nul_column ? nul_column : column,
                                         nul_column ? "a NUL byte" : "a quote is never closed");
                }
                if (r->text[i] == '"') {
                    if (i + 1 < r->size && r->text[i + 1] == '"')
                        i++;
                    else
                        break;
                }
                if (r->text[i] == '\0' && !nul_column) nul_column = column;
                mw_buf_add_char(&row, r->text[i]);
            }
            i++;
            if (!(i < r->size && r->text[i] == ',') && !ends_line(r, i, &next)) {
                mw_buf_done(&row);
                return reference_bad(r, at, first, nul_column ? nul_column : column,
                                     nul_column ? "a NUL byte" : "text after a closing quote");
            }
        } else {
            while (!(i < r->size && r->text[i] == ',') && !ends_line(r, i, &next)) {
                if (r->text[i] == '"') {
                    mw_buf_done(&row);
                    return reference_bad(
                        r, at, first, nul_column ? nul_column : column,
                        nul_column ? "a NUL byte"
                                   : "a quote inside a field that does not begin with one");
                }
                if (r->text[i] == '\0' && !nul_column) nul_column = column;
                mw_buf_add_char(&row, r->text[i++]);
            }
        }
        mw_buf_add_char(&row, ']');
        if (!(i < r->size && r->text[i] == ',')) break;
        i++;
    }
    if (nul_column) {
        next = reference_bad(r, at, next - 1, nul_column, "a NUL byte");
    } else {
        mw_buf_printf(r->out, "%llu:", (unsigned long long)r->line);
        mw_buf_add_str(r->out, mw_buf_str(&row));
        mw_buf_add_char(r->out, '\n');
        for (size_t k = at; k < next && k < r->size; k++) r->line += r->text[k] == '\n';
    }
    mw_buf_done(&row);
    return next;
}

MW_TEST(random_files_lex_like_the_reference) {
    static const char alphabet[] = "aaabb,,,\"\"\"\n\n\r\0 ";
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_buf got, want;
    mw_buf_init(&got, NULL, 1 << 20);
    mw_buf_init(&want, NULL, 1 << 20);
    char text[400];
    for (int round = 0; round < 60000; round++) {
        size_t size = mw_rng_below(&rng, round % 10 ? 40 : sizeof text);
        size_t n_letters = round % 3 ? sizeof alphabet - 3 : sizeof alphabet - 1;
        for (size_t i = 0; i < size; i++) text[i] = alphabet[mw_rng_below(&rng, n_letters)];
        mw_buf_clear(&want);
        reference r = {text, size, 1, &want};
        for (size_t at = 0; at < size;) at = reference_row(&r, at);
        lex(text, size, round % 2 ? 1000 : 0, &rng, &got);
        if (!mw_str_eq(mw_buf_str(&got), mw_buf_str(&want)))
            fail_msg("round %d: {%.*s}\ngot\n%s\nwant\n%s", round, (int)size, text,
                     mw_buf_text(&got), mw_buf_text(&want));
    }
    mw_buf_done(&got);
    mw_buf_done(&want);
}

MW_TEST(masks_agree) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    char text[MW_CSV_BLOCK];
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof text; i++) {
            uint64_t draw = mw_rng_u64(&rng);
            text[i] =
                (char)(draw % 3 ? draw >> 8 : (uint64_t) "\",;\n\0\r\t\\#'"[(draw >> 8) % 10]);
        }
        mw_csv__specials specials = {.separator = ",;"[round & 1], .quote = "\"'"[round >> 1 & 1]};
        if (round & 4) specials.tab = '\t';
        if (round & 8) specials.escape = '\\';
        if (round & 16) specials.quote = '\0';
        if (round & 32) specials.comment = '#';
        assert_int_equal(mw_csv__mask(text, &specials), mw_csv__mask_scalar(text, &specials));
    }
}

MW_TEST(hostile_quotes_do_not_make_it_quadratic) {
    /* Were each line followed to the end, this would be 4e11 bytes of lexing: the time limit of a
     * test is what fails. */
    static const char *const lines[] = {"\"\n", "x,\"y\n", "\"\"\"\n", "a,\"\"\"b\n", ",\"\",\"\n"};
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
        mw_csv *csv = NULL;
        assert_ok(mw_csv_new(NULL, &mw_dialect_csv, &csv, &err));
        size_t n = strlen(lines[k]);
        char block[6000];
        size_t n_block = sizeof block / n * n;
        for (size_t i = 0; i < n_block; i++) block[i] = lines[k][i % n];
        mw_csv_row row;
        uint64_t last = 0;
        for (int i = 0; i < 150; i++) {
            assert_ok(mw_csv_push(csv, block, n_block, &err));
            while (mw_csv_row_next(csv, &row)) {
                if (row.line <= last) fail_msg("line %llu twice", (unsigned long long)row.line);
                last = row.line;
            }
        }
        mw_csv_finish(csv);
        while (mw_csv_row_next(csv, &row)) last = row.line;
        assert_true(last > 0);
        mw_csv_free(csv);
    }
}

static mw_status scenario(mw_mem *mem) {
    mw_csv *csv = NULL;
    mw_status status = mw_csv_new(mem, &mw_dialect_csv, &csv, &err);
    mw_csv_row row;
    char block[50000];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 8 && !status; i++) {
        status = mw_csv_push(csv, block, sizeof block, &err);
        while (!status && i % 3 == 2 && mw_csv_row_next(csv, &row)) continue;
    }
    mw_csv_free(csv);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    for (uint64_t n = 1;; n++) {
        mw_alloc_fail_at(n);
        mw_status status = scenario(&mem);
        bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(&mem), 0);
        assert_int_equal(status, fired ? MW_ENOMEM : MW_OK);
        if (!fired) {
            assert_in_range(n, 3, 2000);
            break;
        }
    }
}

MW_TEST(fields_are_written_so_that_they_read_back) {
    static const char *const fields[] = {"a", "", "a,b", "say \"hi\"", "\"", "x\ny", "x\ry", " a "};
    mw_buf text, got;
    mw_buf_init(&text, NULL, 1000);
    mw_buf_init(&got, NULL, 1000);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (i) mw_buf_add_char(&text, ',');
        mw_csv_write_field(&text, mw_str_of(fields[i]));
    }
    assert_string_equal(mw_buf_text(&text),
                        "a,,\"a,b\",\"say \"\"hi\"\"\",\"\"\"\",\"x\ny\",\"x\ry\", a ");
    lex(text.data, text.size, 1000, NULL, &got);
    assert_string_equal(mw_buf_text(&got), "1:[a][][a,b][say \"hi\"][\"][x\ny][x\ry][ a ]\n");
    mw_buf_done(&text);
    mw_buf_done(&got);
}

MW_TEST_MAIN(MW_RUN(plain_rows), MW_RUN(quoted_fields), MW_RUN(byte_order_mark),
             MW_RUN(carriage_returns_are_data_unless_they_end_a_line),
             MW_RUN(bad_rows_are_given_whole_and_cost_only_themselves),
             MW_RUN(a_quote_never_closed_costs_one_line), MW_RUN(sizes_have_limits),
             MW_RUN(unread_input_is_bounded), MW_RUN(random_files_lex_like_the_reference),
             MW_RUN(masks_agree), MW_RUN(hostile_quotes_do_not_make_it_quadratic),
             MW_RUN(every_allocation_may_fail), MW_RUN(fields_are_written_so_that_they_read_back))
