/*
 * test_number.c -- reading against glibc's strtod, printing against a search with snprintf, both on
 * random bit patterns and on the classic hard cases.
 */
#include "core/text/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "support/harness.h"

enum { N_RANDOM = 600000 };

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_read(const char *text) {
    double want = strtod(text, NULL), got = -12345;
    if (!mw_number_read(text, strlen(text), &got)) fail_msg("refused %.60s", text);
    if (bits_of(got) != bits_of(want)) fail_msg("%.60s: got %a, want %a", text, got, want);
}

MW_TEST(reads_hard_cases) {
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "00",
        "007",
        "1",
        "+1",
        "-1",
        ".5",
        "5.",
        "1e5",
        "1E+5",
        "1e-5",
        "0e999999999",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "9007199254740995",
        "9007199254740993.00000000000000000000000000000000001",
        "1e22",
        "1e23",
        "8.5e22",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272088284396434110686182e-324",
        "1e-324",
        "1e-400",
        "1e-99999999999999999999",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "179769313486231580793728971405301e276",
        "1e99999999999999999999",
        "-1e400",
        "123456789012345678",
        "1234567890123456789",
        "12345678901234567890",
        "123456789012345678901234567890",
        "18446744073709551615",
        "18446744073709551616",
        "0.1",
        "0.2",
        "0.3",
        "2.5",
        "1.0000000000000002",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "6.631236846766476e-316",
        "7.2057594037927933e16",
        "7.4109846876186982e-323",
        "3.2378839133029012895883524125015321748630e-1",
        "0.00000000000000000000000000000000000000000000000000000000000123e60",
        "100000000000000016777215",
        "100000000000000016777216",
        "100000000000000016777217",
        "5708990770823839207320493820740630171355185152001e-3",
        "0.000000000000000000000000000000000000",
        "1000000000000000000000000000000000000000000000000000000000000000000000000000000000e-80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_read(texts[i]);
}

/* The exact middle between two doubles, its last digit nudged: only all 767 digits decide. */
MW_TEST(reads_exact_middles) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    static char text[3000];
    for (int i = 0; i < mw_test_rounds(2000); i++) {
        uint64_t bits = mw_rng_u64(&rng) >> 1;
        if (i % 4 == 0) bits &= (UINT64_C(1) << 53) - 1; /* subnormal, or nearly */
        if ((bits >> 52) >= 0x7FE) continue;
        /* The middle has one more bit than a double: long double holds it. */
        long double middle = ((long double)from_bits(bits) + (long double)from_bits(bits + 1)) / 2;
        int n = snprintf(text, sizeof text, "%.1100Lf", middle);
        assert_in_range(n, 1, 2000);
        check_read(text);
        memset(text + n, '0', 800);
        text[n + 800] = '\0';
        check_read(text);
        text[n + 799] = '1';
        check_read(text);
        text[n] = '\0';
        char *last = text + n - 1;
        while (*last == '0' || *last == '.') last--;
        (*last)--;
        check_read(text);
    }
}

MW_TEST(reads_long_digit_strings) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    static char text[4000];
    for (int i = 0; i < 5000; i++) {
        size_t n = 15 + mw_rng_below(&rng, i % 100 == 0 ? 3000 : 40);
        size_t point = mw_rng_below(&rng, n + 1), at = 0;
        for (size_t d = 0; d < n; d++) {
            if (d == point) text[at++] = '.';
            text[at++] = (char)('0' + (mw_rng_below(&rng, 4) ? mw_rng_below(&rng, 10) : 0));
        }
        (void)snprintf(text + at, 20, "e%d", (int)mw_rng_below(&rng, 700) - 350);
        check_read(text);
    }
}

MW_TEST(refuses_what_is_not_a_number) {
    static const char *const texts[] = {"",
                                        " ",
                                        "+",
                                        "-",
                                        ".",
                                        "-.",
                                        "e5",
                                        "1e",
                                        "1e+",
                                        "1e-",
                                        "1 ",
                                        " 1",
                                        "0x10",
                                        "inf",
                                        "nan",
                                        "NaN",
                                        "1,5",
                                        "1_000",
                                        "1..2",
                                        "Infinity",
                                        "--1",
                                        "+-1",
                                        "1.2.3",
                                        "1e5.0",
                                        "1f",
                                        "1e5e5",
                                        ("\xC2\xB1"
                                         "1")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 42;
        if (mw_number_read(texts[i], strlen(texts[i]), &value)) fail_msg("took '%s'", texts[i]);
        assert_true(value == 42);
    }
    double value = 42;
    assert_false(mw_number_read("1\0", 2, &value));
    assert_true(mw_number_read("123", 2, &value)); /* size, not a NUL, ends it */
    assert_true(value == 12);
}

MW_TEST(reads_integers) {
    int64_t value = 0;
    assert_true(mw_number_read_int("-9223372036854775808", 20, &value) && value == INT64_MIN);
    assert_true(mw_number_read_int("9223372036854775807", 19, &value) && value == INT64_MAX);
    assert_true(mw_number_read_int("+0012", 5, &value) && value == 12);
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "1.0",
                                      "1e3",
                                      " 1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "1a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mw_number_read_int(bad[i], strlen(bad[i]), &value)) fail_msg("took '%s'", bad[i]);
    assert_int_equal(value, 12);
}

/* The significant digits of a printed number; returns how many. */
static int significant(const char *text, char digits[32]) {
    int n = 0;
    for (const char *p = text; *p && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (n == 0 && *p == '0')) continue;
        if (n == 31) fail_msg("%s: too many digits", text);
        digits[n++] = *p;
    }
    while (n > 1 && digits[n - 1] == '0') n--;
    return n;
}

static bool reads_back(const char *text, double value, bool is_float) {
    return is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* Fails when a decimal with fewer digits reads back, or one with as many is closer. */
static void check_shortest(double value, const char *text, bool is_float) {
    char digits[32], other[64], other_digits[32];
    int n = significant(text, digits);
    assert_in_range(n, 1, is_float ? 9 : 17);
    if (n > 1) {
        (void)snprintf(other, sizeof other, "%.*e", n - 2, value);
        if (reads_back(other, value, is_float)) fail_msg("%s: %s is shorter", text, other);
    }
    (void)snprintf(other, sizeof other, "%.*e", n - 1, value);
    if (!reads_back(other, value, is_float)) return;
    int n_other = significant(other, other_digits);
    if (n_other != n || memcmp(digits, other_digits, (size_t)n) != 0)
        fail_msg("%s: %s is closer", text, other);
}

static void check_print(double value) {
    char text[MW_NUMBER_MAX];
    size_t n = mw_number_print(value, text);
    assert_int_equal(n, strlen(text));
    double back = 0;
    if (!mw_number_read(text, n, &back) || bits_of(back) != bits_of(value))
        fail_msg("%a prints as %s, which we read as %a", value, text, back);
    if (bits_of(strtod(text, NULL)) != bits_of(value)) fail_msg("%a prints as %s", value, text);
}

MW_TEST(random_doubles_round_trip) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    char text[64];
    for (int i = 0; i < mw_test_rounds(N_RANDOM); i++) {
        double value = from_bits(mw_rng_u64(&rng));
        if (!isfinite(value)) continue;
        check_print(value);
        (void)snprintf(text, sizeof text, "%.*g", 15 + i % 6, value);
        check_read(text);
    }
}

MW_TEST(random_decimals_round_trip) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 4, 0);
    char text[64];
    for (int i = 0; i < mw_test_rounds(N_RANDOM); i++) {
        int64_t whole = (int64_t)(mw_rng_u64(&rng) >> (1 + mw_rng_below(&rng, 62)));
        (void)snprintf(text, sizeof text, "%s%lld.%llue%d", i & 1 ? "-" : "", (long long)whole,
                       (unsigned long long)mw_rng_below(&rng, 100000),
                       (int)mw_rng_below(&rng, 60) - 30);
        check_read(text);
        check_print(strtod(text, NULL));
    }
}

MW_TEST(prints_the_shortest) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 5, 0);
    char text[MW_NUMBER_MAX];
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = mw_rng_u64(&rng);
        if (i % 3 == 1) bits &= 0xFFF0000000000000u; /* powers of two: uneven neighbors */
        if (i % 3 == 2) bits &= 0x800FFFFFFFFFFFFFu >> mw_rng_below(&rng, 52); /* subnormals */
        double value = from_bits(bits);
        if (!isfinite(value) || value == 0) continue;
        mw_number_print(value, text);
        check_shortest(value, text, false);
        check_print(value);
    }
}

MW_TEST(prints_the_ecmascript_form) {
    /* Values and forms from RFC 8785, appendix B. */
    static const struct {
        uint64_t bits;
        const char *text;
    } cases[] = {{0x0000000000000000, "0"},
                 {0x8000000000000000, "-0"},
                 {0x0000000000000001, "5e-324"},
                 {0x8000000000000001, "-5e-324"},
                 {0x7fefffffffffffff, "1.7976931348623157e+308"},
                 {0x4340000000000000, "9007199254740992"},
                 {0xc340000000000000, "-9007199254740992"},
                 {0x4430000000000000, "295147905179352830000"},
                 {0x44b52d02c7e14af5, "9.999999999999997e+22"},
                 {0x44b52d02c7e14af6, "1e+23"},
                 {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
                 {0x444b1ae4d6e2ef4e, "999999999999999700000"},
                 {0x444b1ae4d6e2ef4f, "999999999999999900000"},
                 {0x444b1ae4d6e2ef50, "1e+21"},
                 {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
                 {0x3eb0c6f7a0b5ed8d, "0.000001"},
                 {0x41b3de4355555553, "333333333.3333332"},
                 {0x41b3de4355555557, "333333333.33333343"},
                 {0xbecbf647612f3696, "-0.0000033333333333333333"},
                 {0x43143ff3c1cb0959, "1424953923781206.2"},
                 {0x7ff0000000000000, "inf"},
                 {0xfff0000000000000, "-inf"},
                 {0x7ff8000000000000, "nan"}};
    char text[MW_NUMBER_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_number_print(from_bits(cases[i].bits), text);
        assert_string_equal(text, cases[i].text);
    }
    static const struct {
        double value;
        const char *text;
    } plain[] = {{1, "1"},
                 {0.1, "0.1"},
                 {1e-7, "1e-7"},
                 {1.5e300, "1.5e+300"},
                 {100, "100"},
                 {123456, "123456"},
                 {12.5, "12.5"},
                 {-0.25, "-0.25"},
                 {1e17, "100000000000000000"},
                 {1e20, "100000000000000000000"}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        mw_number_print(plain[i].value, text);
        assert_string_equal(text, plain[i].text);
    }
}

MW_TEST(prints_floats) {
    char text[MW_NUMBER_MAX];
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0.1f, "0.1"},
                 {1.0f, "1"},
                 {16777216.0f, "16777216"},
                 {3.4028235e38f, "3.4028235e+38"},
                 {1e-45f, "1e-45"},
                 {0.3f, "0.3"},
                 {1e-7f, "1e-7"},
                 {-2.5f, "-2.5"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_number_print_float(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 6, 0);
    for (int i = 0; i < mw_test_rounds(N_RANDOM); i++) {
        uint32_t bits = (uint32_t)mw_rng_u64(&rng);
        if (i % 8 == 0) bits &= 0xFF800000u;
        if (i % 8 == 1) bits &= 0x807FFFFFu;
        float value, back;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || value == 0) continue;
        mw_number_print_float(value, text);
        back = strtof(text, NULL);
        if (memcmp(&back, &value, sizeof back) != 0)
            fail_msg("%a prints as %s", (double)value, text);
        check_shortest((double)value, text, true);
    }
}

MW_TEST(prints_integers_and_appends) {
    char text[MW_NUMBER_MAX];
    static const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, -12345, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char want[32];
        int n = snprintf(want, sizeof want, "%lld", (long long)values[i]);
        assert_int_equal(mw_number_print_int(values[i], text), n);
        assert_string_equal(text, want);
    }
    mw_buf buf;
    mw_buf_init(&buf, NULL, 100);
    mw_buf_add_number(&buf, 0.5);
    mw_buf_add_char(&buf, ' ');
    mw_buf_add_int(&buf, -7);
    assert_string_equal(mw_buf_text(&buf), "0.5 -7");
    mw_buf_done(&buf);
}

MW_TEST_MAIN(MW_RUN(reads_hard_cases), MW_RUN(reads_exact_middles),
             MW_RUN(reads_long_digit_strings), MW_RUN(refuses_what_is_not_a_number),
             MW_RUN(reads_integers), MW_RUN(random_doubles_round_trip),
             MW_RUN(random_decimals_round_trip), MW_RUN(prints_the_shortest),
             MW_RUN(prints_the_ecmascript_form), MW_RUN(prints_floats),
             MW_RUN(prints_integers_and_appends))
