/*
 * number_print.c -- see number.h; printing.
 *
 * Algorithm  Schubfach (Giulietti: "The Schubfach way to render doubles", 2020): the decimals of
 * one chosen length next to the value are found with three 64 x 128 bit products; among those that
 * read back to it the shortest, then the closest, is taken. No loops, no tables but the one that
 * reading uses, and a proof of shortness. Form       ECMAScript's Number::toString, which RFC 8785
 * makes the canonical JSON form: plain digits from 1e-6 up to 1e21, else d.ddde+xx.
 */
#include "core/text/number.h"

#include <string.h>

#include "core/text/pow10.h"

__extension__ typedef unsigned __int128 wide;

/* A decimal digits * 10^power. */
typedef struct shortest {
    uint64_t digits;
    int power;
} shortest;

/* floor(g * c / 2^128) with its last bit set when something was cut. */
static uint64_t round_to_odd(mw_pow10 g, uint64_t c) {
    wide low = (wide)g.low * c;
    wide high = (wide)g.high * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c * 2^q, c > 0; lower_closer: the double below is half as far away as the one above. */
static shortest find_shortest(uint64_t c, int q, bool lower_closer) {
    /* floor(log10(2^q)), or of 3/4 2^q; and floor(log2(10^-k)): exact in this range. */
    int k = (q * 1262611 - (lower_closer ? 524031 : 0)) >> 22;
    int shift = q + ((-k * 1741647) >> 19) + 1;
    mw_pow10 g = mw_pow10__of(-k);
    uint64_t lower = round_to_odd(g, (4 * c - 2 + lower_closer) << shift);
    uint64_t value = round_to_odd(g, (4 * c) << shift);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << shift);
    /* The ends of the rounding interval belong to it when c is even. */
    lower += c & 1;
    upper -= c & 1;

    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens;
        bool above = 40 * tens + 40 <= upper;
        if (below != above) return (shortest){tens + above, k + 1};
    }
    bool below = lower <= 4 * s;
    bool above = 4 * s + 4 <= upper;
    if (below != above) return (shortest){s + above, k};
    uint64_t middle = 4 * s + 2;
    bool up = value > middle || (value == middle && (s & 1));
    return (shortest){s + up, k};
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* Writes the digits so that they end at `end`; returns where they begin. */
static char *write_digits(char *end, uint64_t value) {
    while (value >= 100) {
        uint64_t rest = value / 100;
        end -= 2;
        memcpy(end, pairs + 2 * (value - rest * 100), 2);
        value = rest;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * value, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}

static char *write_exponent(char *out, int exponent) {
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    char text[8];
    char *first = write_digits(text + sizeof text, (uint64_t)(exponent < 0 ? -exponent : exponent));
    size_t n = (size_t)(text + sizeof text - first);
    memcpy(out, first, n);
    return out + n;
}

/* Lays out n digits whose decimal point stands after the first `point` of them. */
static char *lay_out(char *out, const char *digits, int n, int point) {
    if (point > 21 || point <= -6) {
        *out++ = digits[0];
        if (n > 1) {
            *out++ = '.';
            memcpy(out, digits + 1, (size_t)n - 1);
            out += n - 1;
        }
        return write_exponent(out, point - 1);
    }
    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        out += 2 - point;
        memcpy(out, digits, (size_t)n);
        return out + n;
    }
    if (point >= n) {
        memcpy(out, digits, (size_t)n);
        memset(out + n, '0', (size_t)(point - n));
        return out + point;
    }
    memcpy(out, digits, (size_t)point);
    out[point] = '.';
    memcpy(out + point + 1, digits + point, (size_t)(n - point));
    return out + n + 1;
}

static size_t print_word(const char *word, bool negative, char out[MW_NUMBER_MAX]) {
    char *p = out;
    if (negative) *p++ = '-';
    size_t n = strlen(word);
    memcpy(p, word, n + 1);
    return (size_t)(p - out) + n;
}

/* value = fraction and exponent fields of a format with n_fraction bits and that bias. */
static size_t print_fields(uint64_t fraction, int exponent, bool negative, int n_fraction, int bias,
                           char out[MW_NUMBER_MAX]) {
    if (exponent == 2 * bias + 1)
        return fraction ? print_word("nan", false, out) : print_word("inf", negative, out);
    if (exponent == 0 && fraction == 0) return print_word("0", negative, out);

    uint64_t c = exponent ? fraction | UINT64_C(1) << n_fraction : fraction;
    int q = (exponent ? exponent : 1) - bias - n_fraction;
    shortest d;
    if (q <= 0 && -q <= n_fraction && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        d = (shortest){c >> -q, 0}; /* a whole number below 2^(n_fraction + 1) */
    else
        d = find_shortest(c, q, fraction == 0 && exponent > 1);

    char text[24];
    char *end = text + sizeof text;
    char *first = write_digits(end, d.digits);
    int point = (int)(end - first) + d.power;
    while (end - first > 1 && end[-1] == '0') end--;
    char *p = out;
    if (negative) *p++ = '-';
    p = lay_out(p, first, (int)(end - first), point);
    *p = '\0';
    return (size_t)(p - out);
}

size_t mw_number_print(double value, char out[MW_NUMBER_MAX]) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return print_fields(bits & ((UINT64_C(1) << 52) - 1), (int)(bits >> 52 & 0x7FF), bits >> 63, 52,
                        1023, out);
}

size_t mw_number_print_float(float value, char out[MW_NUMBER_MAX]) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return print_fields(bits & 0x7FFFFFu, (int)(bits >> 23 & 0xFF), bits >> 31, 23, 127, out);
}

size_t mw_number_print_int(int64_t value, char out[MW_NUMBER_MAX]) {
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char text[24];
    char *first = write_digits(text + sizeof text, magnitude);
    char *p = out;
    if (value < 0) *p++ = '-';
    size_t n = (size_t)(text + sizeof text - first);
    memcpy(p, first, n);
    p[n] = '\0';
    return (size_t)(p - out) + n;
}

void mw_buf_add_number(mw_buf *buf, double value) {
    char text[MW_NUMBER_MAX];
    mw_buf_append(buf, text, mw_number_print(value, text));
}

void mw_buf_add_int(mw_buf *buf, int64_t value) {
    char text[MW_NUMBER_MAX];
    mw_buf_append(buf, text, mw_number_print_int(value, text));
}
