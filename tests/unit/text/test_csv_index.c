/*
 * test_csv_index.c -- marks of chosen blocks at every CPU level, the levels against each other on random ones, and
 * against the plain lexer: what the index calls regular has the lexer's fields.
 */
#include "core/text/csv_index.h"

#include <stdio.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/text/csv.h"
#include "support/harness.h"

enum { ROOM = 4096, SLACK = 64 };

static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
static mw_err err;

/* Indexes at every level that the machine has; all must agree, and no mark may be written behind size + 64. */
static void index_all(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                      mw_csv_index *ret) {
    static uint32_t again[ROOM + SLACK + 1];
    static char block[ROOM + SLACK];
    memcpy(block, text, size);
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!mw_cpu_has(levels[l])) continue;
        mw_cpu_force(levels[l]);
        mw_csv_index got;
        memset(block + size, "\0,\"\n\xFF"[l % 5], SLACK); /* what lies behind is none of it */
        again[size + SLACK] = 4711;
        mw_csv_index_block(dialect, block, size, l ? again : marks, l ? &got : ret);
        assert_int_equal(again[size + SLACK], 4711);
        if (l == 0) continue;
        if (got.n_marks != ret->n_marks || got.n_lines != ret->n_lines ||
            got.n_feeds != ret->n_feeds || got.has_quotes != ret->has_quotes ||
            got.has_high != ret->has_high || got.irregular != ret->irregular ||
            memcmp(again, marks, got.n_marks * sizeof *marks) != 0)
            fail_msg("%s differs from scalar: {%.*s}", mw_cpu_name(levels[l]), (int)size, text);
    }
    mw_cpu_force(MW_CPU_AVX512);
}

/* "0 2 5 |2" or "irregular", then q and h for quotes and high bytes. */
static void describe(const mw_dialect *dialect, const char *text, size_t size, char *out,
                     size_t room) {
    static uint32_t marks[ROOM + SLACK];
    mw_csv_index index;
    index_all(dialect, text, size, marks, &index);
    size_t n = 0;
    for (size_t i = 0; i < index.n_marks; i++)
        n += (size_t)snprintf(out + n, room - n, "%u ", marks[i]);
    (void)snprintf(out + n, room - n, "|%zu%s%s%s", index.n_lines,
                   index.irregular ? " irregular" : "", index.has_quotes ? " q" : "",
                   index.has_high ? " h" : "");
}

static void check(const mw_dialect *dialect, const char *text, size_t size, const char *want) {
    char got[4000], moved[600];
    describe(dialect, text, size, got, sizeof got);
    if (strcmp(got, want) != 0) fail_msg("{%.*s}: got {%s} want {%s}", (int)size, text, got, want);
    /* Behind so many lines of one byte, so that it lies across every border of 64. */
    for (size_t before = 0; before < 130; before += 2) {
        for (size_t i = 0; i < before; i++) moved[i] = i % 2 ? '\n' : 'x';
        memcpy(moved + before, text, size);
        describe(dialect, moved, before + size, got, sizeof got);
        bool irregular = strstr(got, "irregular") != NULL;
        if (irregular != (strstr(want, "irregular") != NULL))
            fail_msg("{%.*s} behind %zu bytes: {%s}", (int)size, text, before, got);
    }
}

#define CHECK(text, want) check(&mw_dialect_csv, (text), sizeof(text) - 1, (want))

MW_TEST(plain_blocks) {
    CHECK("", "|0");
    CHECK("\n", "0 |1");
    CHECK("a,b\nc,d\n", "1 3 5 7 |2");
    CHECK("a,b\r\nc,d\r\n", "1 4 6 9 |2");
    CHECK("a,b", "1 |0");
    CHECK(",,\n,\n", "0 1 2 3 4 |2");
    CHECK("a\rb,c\n", "3 5 |1");
    CHECK("\xC3\xA4,b\n", "2 4 |1 h");
    CHECK("a;b\tc\n", "5 |1");
}

MW_TEST(quoted_blocks) {
    CHECK("\"a,b\",c\n", "5 7 |1 q");
    CHECK("\"a\nb\",c\n", "5 7 |1 q");
    CHECK("\"\"\n\"\",\"\"\n", "2 5 8 |2 q");
    CHECK("\"say \"\"hi\"\"\",x\n", "12 14 |1 q");
    CHECK("\"\"\"\"\n", "4 |1 q");
    CHECK("\"a\"\r\n\"b\"\r\n", "4 9 |2 q");
    CHECK("x,\"b\"", "1 |0 q");
    CHECK("x,\"b\"\r", "1 |0 q");
}

MW_TEST(irregular_blocks) {
    CHECK("a\"b\n", "|0 irregular q");
    CHECK("a\"\"b\n", "|0 irregular q");
    CHECK("\"a\"b\n", "|0 irregular q");
    CHECK("\"a\" ,b\n", "|0 irregular q");
    CHECK(" \"a\",b\n", "|0 irregular q");
    CHECK("\"a\"\rb\n", "|0 irregular q");
    CHECK("\"a\"\r,b\n", "|0 irregular q");
    CHECK("\"a\"\r\"b\n", "|0 irregular q");
    CHECK("\"a\n", "|0 irregular q");
    CHECK("\"a\"\"\n", "|0 irregular q");
    CHECK("\"\"\"\n", "|0 irregular q");
    CHECK("a,b\n\"c,d\ne,f\n", "|0 irregular q");
    CHECK("a\0b\n", "|0 irregular");
    CHECK("\"\0\"\n", "|0 irregular q");
}

MW_TEST(other_dialects) {
    mw_dialect d = {.separator = ';', .quote = '\'', .decimal = ','};
    check(&d, "1,5;'a;b';\"\n", 12, "3 9 11 |1 q");
    d.quote = 0;
    check(&d, "'a;b';\"\n", 8, "2 5 7 |1");
    d.separator = '\t';
    check(&d, "a\tb;c\n", 6, "1 5 |1");
    d = mw_dialect_csv;
    d.comment = '#';
    check(&d, "a#,#b\n", 6, "2 5 |1");
    check(&d, "a,b\n# c\nd,e\n", 12, "|0 irregular");
    check(&d, "#a\n", 3, "|0 irregular");
    check(&d, "\"a\n#b\",c\n", 9, "6 8 |1 q");
}

static bool is_blank_line(const char *text, size_t size, size_t at) {
    if (at < size && text[at] == '\r') at++;
    return at < size && text[at] == '\n';
}

/* Walks marks and the lexer's rows together; blank lines are the lexer's to skip. */
static void check_against_rows(const mw_dialect *d, const char *text, size_t size) {
    static uint32_t marks[ROOM + SLACK];
    mw_csv_index index;
    index_all(d, text, size, marks, &index);
    mw_csv *csv = NULL;
    mw_csv_row row;
    assert_ok(mw_csv_new(NULL, d, &csv, &err));
    assert_ok(mw_csv_push(csv, text, size, &err));
    mw_csv_finish(csv);
    bool problem = false;
    size_t k = 0, begin = 0;
    if (size && text[size - 1] != '\n') marks[index.n_marks++] = (uint32_t)size;
    while (mw_csv_row_next(csv, &row)) {
        problem |= row.problem != NULL;
        if (index.irregular || row.problem) continue;
        while (is_blank_line(text, size, begin)) begin = marks[k++] + 1;
        for (uint32_t i = 0; i < row.n_fields; i++, k++) {
            size_t end = marks[k];
            assert_in_range(k, 0, index.n_marks - 1);
            if (i + 1 == row.n_fields && end > begin && text[end - 1] == '\r') end--;
            bool quoted = end - begin >= 2 && text[begin] == '"';
            mw_str field = {text + begin + quoted, end - begin - (quoted ? 2 : 0)};
            bool doubled = quoted && memchr(field.data, '"', field.size);
            if (!doubled && !mw_str_eq(field, row.fields[i]))
                fail_msg("field {%.*s}, not {%.*s} of {%.*s}", (int)field.size, field.data,
                         (int)row.fields[i].size, row.fields[i].data, (int)size, text);
            begin = marks[k] + 1;
        }
    }
    if (problem != index.irregular) fail_msg("irregular is %d: {%.*s}", !problem, (int)size, text);
    mw_csv_free(csv);
}

MW_TEST(random_blocks_have_the_rows_of_the_lexer) {
    static const char alphabet[] = "aaab01,,,\"\"\n\n\r \xC3;\0";
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    char text[600];
    for (int round = 0; round < 60000; round++) {
        size_t size = mw_rng_below(&rng, round % 10 ? 40 : sizeof text), n = 0;
        /* Half of the blocks are made of good fields, so that long ones are regular too. */
        bool good = round & 1;
        while (n < size) {
            bool quoted = good && mw_rng_below(&rng, 3) == 0;
            if (quoted && n + 2 < size) {
                text[n++] = '"';
                for (size_t m = mw_rng_below(&rng, 9); m && n + 1 < size; m--) {
                    char c = alphabet[mw_rng_below(&rng, sizeof alphabet - 2)];
                    text[n++] = c == '"' ? ',' : c;
                }
                text[n++] = '"';
            } else if (good) {
                text[n++] = "ab0\r "[mw_rng_below(&rng, 5)];
            } else {
                text[n++] = alphabet[mw_rng_below(&rng, sizeof alphabet - 1 - (round % 3 != 0))];
                continue;
            }
            if (n < size) text[n++] = mw_rng_below(&rng, 4) ? ',' : '\n';
        }
        if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) continue;
        check_against_rows(&mw_dialect_csv, text, n);
    }
}

MW_TEST(every_separator_in_a_row_is_marked) {
    static char text[ROOM];
    static uint32_t marks[ROOM + SLACK];
    mw_csv_index index;
    for (size_t size = 0; size <= 300; size++) {
        memset(text, ',', size);
        index_all(&mw_dialect_csv, text, size, marks, &index);
        assert_int_equal(index.n_marks, size);
        for (size_t i = 0; i < size; i++) assert_int_equal(marks[i], i);
        memset(text, '\n', size);
        index_all(&mw_dialect_csv, text, size, marks, &index);
        assert_int_equal(index.n_lines, size);
    }
}

MW_TEST_MAIN(MW_RUN(plain_blocks), MW_RUN(quoted_blocks), MW_RUN(irregular_blocks),
             MW_RUN(other_dialects), MW_RUN(random_blocks_have_the_rows_of_the_lexer),
             MW_RUN(every_separator_in_a_row_is_marked))
