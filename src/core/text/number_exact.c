/*
 * number_exact.c -- see number_exact.h.
 *
 * Algorithm  the value D * 10^E is compared with the point halfway between two neighboring doubles,
 *            (2m+1) * 2^(e-1), as integers: both sides are multiplied by the powers of 2 and 5 that
 *            make them whole. Starting from a guess, the answer walks up or down until the value
 * lies between its two halfway points (as in Clinger's AlgorithmR, "How to read floating point
 *            numbers accurately", PLDI 1990).
 * Bound      a halfway point has at most 767 significant digits, so digits past 800 can only say
 *            "a bit more": they are replaced by one sticky 1. All integers then fit in 4,096 bits.
 */
#include "core/text/number_exact.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_WORDS = 128, MAX_DIGITS = 800 };

/* An unsigned integer, least significant word first. */
typedef struct big {
    uint32_t words[MAX_WORDS];
    int n_words;
} big;

static void multiply_add(big *a, uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (int i = 0; i < a->n_words; i++) {
        carry += (uint64_t)a->words[i] * factor;
        a->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (!carry) return;
    assert(a->n_words < MAX_WORDS);
    a->words[a->n_words++] = (uint32_t)carry;
}

static void multiply_pow5(big *a, int64_t power) {
    enum { STEP = 13, FIVE_TO_STEP = 1220703125 };
    for (; power >= STEP; power -= STEP) multiply_add(a, FIVE_TO_STEP, 0);
    for (; power > 0; power--) multiply_add(a, 5, 0);
}

static void shift_left(big *a, int64_t bits) {
    int words = (int)(bits / 32), rest = (int)(bits % 32);
    if (rest) multiply_add(a, 1u << rest, 0);
    if (!words || !a->n_words) return;
    assert(a->n_words + words <= MAX_WORDS);
    memmove(a->words + words, a->words, (size_t)a->n_words * sizeof *a->words);
    memset(a->words, 0, (size_t)words * sizeof *a->words);
    a->n_words += words;
}

static int compare(const big *a, const big *b) {
    if (a->n_words != b->n_words) return a->n_words < b->n_words ? -1 : 1;
    for (int i = a->n_words - 1; i >= 0; i--)
        if (a->words[i] != b->words[i]) return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

/* Reads the digits; *exponent then belongs to the last digit kept. */
static void read_digits(const char *text, size_t size, int64_t *exponent, big *ret) {
    ret->n_words = 0;
    int n_kept = 0;
    int64_t n_dropped = 0;
    bool sticky = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0') continue; /* the point, be it '.' or ',' */
        uint32_t digit = (uint32_t)(text[i] - '0');
        if (n_kept == 0 && digit == 0) continue;
        if (n_kept < MAX_DIGITS) {
            multiply_add(ret, 10, digit);
            n_kept++;
        } else {
            n_dropped++;
            sticky = sticky || digit != 0;
        }
    }
    *exponent += n_dropped;
    if (sticky) {
        multiply_add(ret, 10, 1);
        *exponent -= 1;
    }
}

/* Sign of (digits * 10^exponent) - (the point halfway between the double `bits` and the next). */
static int compare_halfway(const big *digits, int64_t exponent, uint64_t bits) {
    uint64_t fraction = bits & 0xFFFFFFFFFFFFFu;
    int64_t biased = (int64_t)(bits >> 52);
    uint64_t m = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int64_t e = (biased ? biased : 1) - 1075; /* value = m * 2^e */
    uint64_t halfway_m = 2 * m + 1;
    int64_t halfway_e = e - 1;

    big value = *digits;
    big halfway = {.words = {(uint32_t)halfway_m, (uint32_t)(halfway_m >> 32)},
                   .n_words = halfway_m >> 32 ? 2 : 1};
    if (exponent >= 0)
        multiply_pow5(&value, exponent);
    else
        multiply_pow5(&halfway, -exponent);
    /* 10^E = 5^E * 2^E: what is left is a difference of powers of two. */
    int64_t shift = exponent - halfway_e;
    if (shift >= 0)
        shift_left(&value, shift);
    else
        shift_left(&halfway, -shift);
    return compare(&value, &halfway);
}

uint64_t mw_number__exact(const char *text, size_t size, int64_t exponent, uint64_t guess) {
    const uint64_t infinity = UINT64_C(0x7FF) << 52;
    big digits;
    read_digits(text, size, &exponent, &digits);
    uint64_t bits = guess < infinity ? guess : infinity;
    /* Down while the value is below the middle of [bits - 1, bits], or on it with bits odd. */
    while (bits > 0) {
        int order = compare_halfway(&digits, exponent, bits - 1);
        if (order > 0 || (order == 0 && (bits & 1) == 0)) break;
        bits--;
    }
    while (bits < infinity) {
        int order = compare_halfway(&digits, exponent, bits);
        if (order < 0 || (order == 0 && (bits & 1) == 0)) break;
        bits++;
    }
    return bits;
}
