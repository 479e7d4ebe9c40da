/*
 * test_number_fields.c -- columns of numbers at every CPU level against mw_number_read, which test_number.c holds to
 * other implementations: the same values bit for bit, and the same fields refused.
 */
#include "core/text/fields.h"

#include <stdio.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/text/number.h"
#include "support/harness.h"

enum { MOST = 1024, ROOM = 1 << 16 };

static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};

/* A block of one column or several, built field by field, with exactly the promised slack. */
typedef struct column {
    char block[MW_FIELDS_SLACK + ROOM + MW_FIELDS_SLACK];
    uint32_t marks[MOST + 1];
    size_t n, size;
} column;

static column col;

static void begin_column(void) {
    memset(col.block, '7', sizeof col.block); /* digits in the slack must not count */
    col.n = col.size = 0;
    col.marks[0] = UINT32_MAX;
}

static void add(const char *text, size_t size) {
    assert_true(col.n < MOST && col.size + size + 1 <= ROOM);
    char *to = col.block + MW_FIELDS_SLACK + col.size;
    memcpy(to, text, size);
    to[size] = ',';
    col.size += size + 1;
    col.marks[++col.n] = (uint32_t)(col.size - 1);
}

/* mw_number_read with any point, from the rules: only that point counts as one, and infinite is none. */
static bool read_one(mw_str field, char point, double *ret) {
    char text[2048];
    if (field.size > sizeof text) return false;
    for (size_t i = 0; i < field.size; i++) {
        char c = field.data[i];
        if (c == '.' && point != '.') return false;
        text[i] = c == point ? '.' : c;
    }
    return mw_number_read(text, field.size, ret) && __builtin_isfinite(*ret);
}

static void check_fields(const mw_fields *fields, char point) {
    static double out[MOST + 1];
    static uint32_t odd[MOST + 1];
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!mw_cpu_has(levels[l])) continue;
        mw_cpu_force(levels[l]);
        out[fields->n] = 42.5;
        odd[fields->n] = 4711;
        size_t n_odd = mw_number_read_fields(fields, point, out, odd), k = 0;
        assert_true(out[fields->n] == 42.5 && odd[fields->n] == 4711);
        for (size_t i = 0; i < fields->n; i++) {
            mw_str field = mw_fields_at(fields, i);
            double want = 0;
            bool is = read_one(field, point, &want);
            if (!is) {
                if (out[i] == out[i] || k == n_odd || odd[k] != i)
                    fail_msg("%s: {%.*s} taken for %g", mw_cpu_name(levels[l]), (int)field.size,
                             field.data, out[i]);
                k++;
            } else if (memcmp(&out[i], &want, sizeof want) != 0) {
                fail_msg("%s: {%.*s} is %.17g, not %.17g", mw_cpu_name(levels[l]), (int)field.size,
                         field.data, want, out[i]);
            }
        }
        assert_int_equal(k, n_odd);
    }
    mw_cpu_force(MW_CPU_AVX512);
}

static void check_column(char point) {
    mw_fields fields = {
        .text = col.block + MW_FIELDS_SLACK, .marks = col.marks, .stride = 1, .n = col.n};
    check_fields(&fields, point);
    fields.quote = '"';
    fields.cr = true;
    check_fields(&fields, point);
}

MW_TEST(chosen_texts) {
    /* From the rules of number.h; the values are C's own constants. */
    static const struct {
        const char *text;
        double value;
    } want[] = {{"0", 0},
                {"-0", -0.0},
                {"+1", 1},
                {".5", .5},
                {"5.", 5},
                {"-.5", -.5},
                {"+5.", 5},
                {"642.15", 642.15},
                {"1589.7", 1589.7},
                {"0.0012", 0.0012},
                {"-3", -3},
                {"47.2", 47.2},
                {"12345678", 12345678},
                {"1234567.", 1234567},
                {".1234567", .1234567},
                {"-1234567", -1234567},
                {"-123456.7", -123456.7},
                {"123456789", 123456789},
                {"0.123456789", 0.123456789},
                {"-1234.567890123", -1234.567890123},
                {"9007199254740992", 9007199254740992.0},
                {"9007199254740993", 9007199254740992.0},
                {"9999999999999999", 1e16},
                {".9007199254740993", .9007199254740993},
                {"0.1000000000000000055511151231257827", 0.1},
                {"1e5", 1e5},
                {"-2.5E-3", -2.5e-3},
                {"00000001", 1},
                {"000000000000000000000001.5", 1.5}};
    begin_column();
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) add(want[i].text, strlen(want[i].text));
    mw_fields fields = {
        .text = col.block + MW_FIELDS_SLACK, .marks = col.marks, .stride = 1, .n = col.n};
    double out[64];
    uint32_t odd[64];
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        mw_cpu_force(levels[l]);
        assert_int_equal(mw_number_read_fields(&fields, '.', out, odd), 0);
        for (size_t i = 0; i < col.n; i++)
            if (memcmp(&out[i], &want[i].value, sizeof *out) != 0)
                fail_msg("%s: %s is %.17g", mw_cpu_name(levels[l]), want[i].text, out[i]);
    }
    check_column('.');
    check_column(',');
}

MW_TEST(what_is_no_number_is_odd) {
    static const char *const texts[] = {
        "",      " ",      "-",         "+",       ".",     "-.",      "+.",       "NA",
        "nan",   "inf",    "1 ",        " 1",      "1..2",  "1.2.3",   "--1",      "+-1",
        "1-",    "1e",     "e5",        ".e5",     "0x10",  "1,5",     "1_0",      "1:2",
        "1/2",   "1;2",    "12345678.", "\"",      "\"\"",  "\"-\"",   "\"1\"",    "\"1.5",
        "1\"",   "\r",     "1\r",       "\"2\"\r", "-\r",   "1\r\r",   "?",        "1.5.",
        "..",    "1\xC2",  "\x80",      "\xB1",    "1\x1E", "\x00031", "12:45:10", "2021-03-01",
        "1e400", "-1e400", "1.8e308"};
    begin_column();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        add(texts[i], strlen(texts[i]));
        check_column('.');
    }
    check_column(',');
    begin_column();
    add("1\0", 2);
    add("\0", 1);
    add("\0\0\0001", 4);
    check_column('.');
}

MW_TEST(every_short_text_over_a_small_alphabet) {
    static const char alphabet[] = "019.-+";
    size_t n_letters = sizeof alphabet - 1, n_texts = 1;
    for (size_t size = 0; size <= 5; size++, n_texts *= n_letters) {
        begin_column();
        for (size_t k = 0; k < n_texts; k++) {
            char text[5];
            size_t rest = k;
            for (size_t i = 0; i < size; i++, rest /= n_letters)
                text[i] = alphabet[rest % n_letters];
            add(text, size);
            if (col.n < MOST - 1 && k + 1 < n_texts) continue;
            check_column('.');
            begin_column();
        }
    }
}

/* A number, or nearly one: most like a column of a plant, some spoiled. */
static size_t random_text(mw_rng *rng, char point, size_t most, char *out) {
    size_t n = 0, size = mw_rng_below(rng, most + 1);
    uint64_t kind = mw_rng_below(rng, 16);
    if (kind < 4) out[n++] = kind ? '-' : '+';
    size_t at = kind & 1 ? mw_rng_below(rng, size + 1) : size;
    for (size_t i = 0; i < size; i++) {
        if (i == at) out[n++] = point;
        out[n++] = (char)('0' + mw_rng_below(rng, kind == 5 ? 1 : 10));
    }
    if (kind == 7) n += (size_t)snprintf(out + n, 8, "e%d", (int)mw_rng_below(rng, 60) - 30);
    if (kind == 9 && n) out[mw_rng_below(rng, n)] = (char)mw_rng_below(rng, 256);
    if (kind == 11 && n) out[mw_rng_below(rng, n)] = ".,-+eE \"\r"[mw_rng_below(rng, 9)];
    return n;
}

MW_TEST(random_columns) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    static const size_t sizes[] = {4, 7, 8, 9, 15, 17, 24, 60};
    for (int round = 0; round < 2000; round++) {
        char point = round & 1 ? '.' : ',';
        size_t most = sizes[mw_rng_below(&rng, 8)], n = mw_rng_below(&rng, 200);
        begin_column();
        for (size_t i = 0; i < n; i++) {
            char inner[120], text[130];
            size_t size = random_text(&rng, point, most, inner), at = 0;
            bool quoted = mw_rng_below(&rng, 4) == 0;
            if (quoted) text[at++] = '"';
            memcpy(text + at, inner, size);
            at += size;
            if (quoted) text[at++] = '"';
            if (mw_rng_below(&rng, 4) == 0) text[at++] = '\r';
            add(text, at);
        }
        check_column(point);
    }
}

MW_TEST(columns_of_a_wide_block) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    begin_column();
    while (col.n < 1000) {
        char text[120];
        add(text, random_text(&rng, '.', col.n % 5 == 3 ? 15 : 6, text));
    }
    for (size_t k = 0; k < 5; k++) {
        mw_fields fields = {.text = col.block + MW_FIELDS_SLACK,
                            .marks = col.marks + k,
                            .stride = 5,
                            .n = col.n / 5};
        check_fields(&fields, '.');
    }
}

MW_TEST(decimal_comma_of_any_length) {
    begin_column();
    char text[900];
    memset(text, '3', sizeof text);
    text[1] = ',';
    add(text, sizeof text);
    text[1] = '.';
    add(text, sizeof text);
    /* Halfway between two doubles, and one digit off it far behind: only the exact end can tell. */
    static const char halfway[] = "9007199254740993,0000000000000000000000000000000000001";
    add(halfway, sizeof halfway - 1);
    add(halfway, sizeof halfway - 2);
    check_column(',');
    mw_fields fields = {
        .text = col.block + MW_FIELDS_SLACK, .marks = col.marks, .stride = 1, .n = 4};
    double out[4];
    uint32_t odd[4];
    assert_int_equal(mw_number_read_fields(&fields, ',', out, odd), 1);
    assert_int_equal(odd[0], 1);
    assert_true(out[2] == 9007199254740994.0 && out[3] == 9007199254740992.0);
}

MW_TEST_MAIN(MW_RUN(chosen_texts), MW_RUN(what_is_no_number_is_odd),
             MW_RUN(every_short_text_over_a_small_alphabet), MW_RUN(random_columns),
             MW_RUN(columns_of_a_wide_block), MW_RUN(decimal_comma_of_any_length))
