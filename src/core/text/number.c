/*
 * number.c -- see number.h; reading.
 *
 * Algorithm  1. up to 19 digits go into one integer w with a power of ten q, eight at a time (Lemire, "Quickly parsing
 *               eight digits", 2018);
 *            2. w <= 2^53 and |q| <= 22: one exact multiplication or division (Clinger 1990);
 *            3. else w * 5^q in 128 bits gives the rounded double (Eisel and Lemire: "Number
 * parsing at a gigabyte per second", SPE 2021; that no fallback is needed: Mushtak and Lemire,
 *               "Fast number parsing without fallback", SPE 2023);
 *            4. more than 19 digits: if w and w + 1 give the same double, that is it; else
 *               number_exact.c compares big integers.
 */
#include "core/text/number.h"

#include <string.h>

#include "core/text/number_exact.h"
#include "core/text/number_point.h"
#include "core/text/pow10.h"

__extension__ typedef unsigned __int128 wide;

enum {
    MAX_FAST_DIGITS = 19, /* 10^19 - 1 < 2^64 */
    FIRST_POWER = -342,   /* 2^64 * 10^-343 rounds to 0 */
    LAST_POWER = 308,     /* 1 * 10^309 is infinite */
    FRACTION_BITS = 52,
    INFINITE_EXPONENT = 0x7FF,
    EXPONENT_CLAMP = 100000000 /* far beyond any double, far below overflow */
};

static const double exact_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What the text says, before rounding. */
typedef struct decimal {
    uint64_t w;         /* first 19 significant digits */
    int64_t q;          /* power of ten of w */
    const char *digits; /* [n_digits] with at most one point */
    size_t n_digits;
    char point;
    int64_t last_power; /* power of ten of the last digit */
    bool negative;
    bool cut; /* there are more than 19 significant digits */
} decimal;

static bool is_digit(char c) { return (unsigned)(c - '0') <= 9; }

/* Reads [eE][+-]digits at p; the whole rest must be it. */
static bool read_exponent(const char *p, const char *end, int64_t *ret) {
    if (p == end) {
        *ret = 0;
        return true;
    }
    if ((*p | 0x20) != 'e') return false;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return false;
    int64_t value = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) return false;
        if (value < EXPONENT_CLAMP) value = value * 10 + (*p - '0');
    }
    *ret = negative ? -value : value;
    return true;
}

/* Re-reads the digits of a long number: skips leading zeros, keeps 19 digits in w. */
static void read_long(decimal *d, const char *point, int64_t exponent) {
    const char *end = d->digits + d->n_digits;
    int n = 0;
    uint64_t w = 0;
    const char *p = d->digits;
    while (p < end && (*p == '0' || *p == d->point)) p++;
    for (; p < end && n < MAX_FAST_DIGITS; p++) {
        if (*p == d->point) continue;
        w = w * 10 + (uint64_t)(*p - '0');
        n++;
    }
    d->w = w;
    d->cut = false;
    for (const char *rest = p; rest < end && !d->cut; rest++)
        d->cut = *rest != '0' && *rest != d->point;
    /* p stands after the last digit taken. */
    if (point && p > point)
        d->q = exponent - (p - point - 1);
    else
        d->q = exponent + ((point ? point : end) - p);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight digits as their values, the first in the lowest byte. */
static inline uint64_t join8(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    return ((digits & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064) +
            (digits >> 16 & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001)) >>
           32;
}

/*
 * Takes digits at p into w, modulo 2^64, eight bytes at a time; text is where the number begins. The last of a text are
 * fetched by the eight bytes that end with it: nothing behind it is touched.
 */
static inline const char *take_digits(const char *text, const char *p, const char *end,
                                      uint64_t *w) {
    static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    while (end - text >= 8) {
        size_t room = (size_t)(end - p);
        if (room == 0) return p;
        uint64_t word;
        memcpy(&word, room < 8 ? end - 8 : p, sizeof word);
        if (room < 8) word >>= 8 * (8 - room); /* zero bytes are no digits */
        word ^= EACH('0');
        uint64_t others = (((word & EACH(0x7F)) + EACH(0x76)) | word) & EACH(0x80);
        if (others == 0) {
            *w = *w * 100000000 + join8(word);
            p += 8;
            continue;
        }
        size_t n = (size_t)__builtin_ctzll(others) / 8;
        if (n == 0) return p;
        *w = *w * powers[n] + join8(word << (64 - 8 * n));
        return p + n;
    }
    while (p < end && is_digit(*p)) *w = *w * 10 + (uint64_t)(*p++ - '0');
    return p;
}

static bool read_decimal(const char *text, size_t size, char separator, decimal *d) {
    const char *p = text, *end = text + size;
    d->negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    d->digits = p;
    d->point = separator;
    uint64_t w = 0;
    p = take_digits(text, p, end, &w);
    const char *point = NULL;
    int64_t n_fraction = 0;
    if (p < end && *p == separator) {
        point = p++;
        p = take_digits(text, p, end, &w);
        n_fraction = p - point - 1;
    }
    d->n_digits = (size_t)(p - d->digits);
    size_t n = d->n_digits - (point != NULL);
    if (n == 0) return false;
    int64_t exponent;
    if (p == end)
        exponent = 0;
    else if (!read_exponent(p, end, &exponent))
        return false;
    d->w = w;
    d->cut = false;
    d->q = d->last_power = exponent - n_fraction;
    if (n > MAX_FAST_DIGITS) read_long(d, point, exponent);
    return true;
}

static double from_bits(uint64_t bits, bool negative) {
    bits |= (uint64_t)negative << 63;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Eisel-Lemire: bits of the double nearest to w * 10^q. */
static uint64_t round_product(uint64_t w, int64_t q) {
    if (w == 0 || q < FIRST_POWER) return 0;
    if (q > LAST_POWER) return (uint64_t)INFINITE_EXPONENT << FRACTION_BITS;
    int n_lead = __builtin_clzll(w);
    w <<= n_lead;
    mw_pow10 power = mw_pow10__of((int)q);
    wide product = (wide)w * power.high;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    /* The low word matters only when the nine bits below the rounding bit are all ones. */
    if ((high & 0x1FF) == 0x1FF) {
        /* The theorem is about the power cut down; the table rounds up. */
        uint64_t below = power.low - (q > MW_POW10_EXACT);
        uint64_t carry = (uint64_t)(((wide)w * below) >> 64);
        low += carry;
        high += low < carry;
    }
    int upper = (int)(high >> 63);
    uint64_t mantissa = high >> (upper + 64 - FRACTION_BITS - 3);
    /* floor(log2(10^q)) = floor(217706 q / 2^16) in this range; the offset keeps the shifted number
     * positive. */
    int64_t exponent =
        ((217706 * q + (INT64_C(2048) << 16)) >> 16) - 2048 + 63 + upper - n_lead + 1023;
    if (exponent <= 0) {
        if (exponent < -62) return 0;
        mantissa >>= 1 - exponent;
        mantissa = (mantissa + (mantissa & 1)) >> 1;
        return mantissa; /* reaching 2^52 makes the smallest normal number by itself */
    }
    /* Exactly halfway can only happen for small powers; then to even. */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
        mantissa << (upper + 64 - FRACTION_BITS - 3) == high)
        mantissa &= ~UINT64_C(1);
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >> (FRACTION_BITS + 1)) {
        mantissa >>= 1;
        exponent++;
    }
    if (exponent >= INFINITE_EXPONENT) return (uint64_t)INFINITE_EXPONENT << FRACTION_BITS;
    return (uint64_t)exponent << FRACTION_BITS | (mantissa & ((UINT64_C(1) << FRACTION_BITS) - 1));
}

static uint64_t round_long(const decimal *d) {
    uint64_t bits = round_product(d->w, d->q);
    if (!d->cut || bits == round_product(d->w + 1, d->q)) return bits;
    return mw_number__exact(d->digits, d->n_digits, d->last_power, bits);
}

bool mw_number_read(const char *text, size_t size, double *ret) {
    return mw_number__read(text, size, '.', ret);
}

bool mw_number__read(const char *text, size_t size, char point, double *ret) {
    decimal d;
    if (!read_decimal(text, size, point, &d)) return false;
    if (d.w <= UINT64_C(1) << 53 && !d.cut && d.q >= -22 && d.q <= 22) {
        double value = (double)d.w;
        value = d.q < 0 ? value / exact_pow10[-d.q] : value * exact_pow10[d.q];
        *ret = d.negative ? -value : value;
        return true;
    }
    *ret = from_bits(round_long(&d), d.negative);
    return true;
}

bool mw_number_read_int(const char *text, size_t size, int64_t *ret) {
    bool negative = size && text[0] == '-';
    size_t i = size && (text[0] == '-' || text[0] == '+');
    if (i == size) return false;
    int64_t value = 0; /* negative all along: -2^63 has no positive twin */
    for (; i < size; i++) {
        if (!is_digit(text[i])) return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text[i] - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value)) return false;
    *ret = value;
    return true;
}
