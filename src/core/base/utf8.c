/*
 * utf8.c -- mw_utf8_valid of str.h. ASCII by words, other characters by their first bits. With AVX2, 32 bytes at a time: three tables by
 * half bytes tell what is wrong with each pair of neighbours (Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte",
 * Software: Practice and Experience 51, 2021).
 */
#include "core/base/str.h"

#include <endian.h>
#include <string.h>

#include "core/base/cpu.h"

enum { BLOCK = 32, BLOCKS_FROM = 2 * BLOCK };

/* How many bytes of ASCII s [size] begins with. */
static size_t ascii_run(const unsigned char *s, size_t size) {
    size_t i = 0;
    for (uint64_t word; size - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        word = le64toh(word) & UINT64_C(0x8080808080808080);
        if (word) return i + (size_t)__builtin_ctzll(word) / 8;
    }
    while (i < size && s[i] < 0x80) i++;
    return i;
}

/* The first byte lowest. What lies behind n counts as 0, which no character goes on with. */
static uint32_t four_bytes(const unsigned char *s, size_t n) {
    if (n >= 4) return s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
    return s[0] | (n > 1 ? (uint32_t)s[1] << 8 : 0) | (n > 2 ? (uint32_t)s[2] << 16 : 0);
}

/* Bytes of the character other than ASCII that begins with these four; 0: it is none. */
static size_t character(uint32_t four) {
    if ((four & 0xC0E0) == 0x80C0) return four & 0x1E ? 2 : 0; /* C0, C1: overlong */
    if ((four & 0xC0C0F0) == 0x8080E0) {
        uint32_t bits = four & 0x200F; /* E0 80-9F: overlong; ED A0-BF: surrogates */
        return bits != 0 && bits != 0x200D ? 3 : 0;
    }
    if ((four & 0xC0C0C0F8) == 0x808080F0) {
        uint32_t bits = four & 0x3007; /* F0 80-8F: overlong; F4 90-BF, F5-F7: past U+10FFFF */
        return bits != 0 && ((bits & 7) < 4 || bits == 4) ? 4 : 0;
    }
    return 0;
}

static bool is_valid(const unsigned char *s, size_t size) {
    for (size_t i = ascii_run(s, size); i < size; i += ascii_run(s + i, size - i)) {
        do {
            size_t n = character(four_bytes(s + i, size - i));
            if (n == 0) return false;
            i += n;
        } while (i < size && s[i] >= 0x80);
    }
    return true;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/*
 * What can be wrong with a byte and the one before it. A fault is there when all three tables say so: by the upper half of the first byte, by
 * its lower half, by the upper half of the second.
 */
enum {
    TOO_SHORT = 1 << 0,    /* 11...... without 10...... behind it */
    TOO_LONG = 1 << 1,     /* 0....... 10...... */
    OVERLONG_2 = 1 << 2,   /* 1100000. 10...... */
    OVERLONG_3 = 1 << 3,   /* 11100000 100..... */
    SURROGATE = 1 << 4,    /* 11101101 101..... */
    TOO_LARGE = 1 << 5,    /* 11110100 or more, and 1001.... or 101..... */
    TOO_LARGE_8 = 1 << 6,  /* 11110101 or more, and 1000.... */
    OVERLONG_4 = 1 << 6,   /* 11110000 1000....: another first byte, so the same bit will do */
    CONTINUATIONS = 1 << 7 /* 10...... 10......: wrong unless a third or fourth byte is due */
};

/* What a half, named by its digit, leaves possible. */
enum {
    UPPER_C = TOO_SHORT | OVERLONG_2,
    UPPER_E = TOO_SHORT | OVERLONG_3 | SURROGATE,
    UPPER_F = TOO_SHORT | OVERLONG_4 | TOO_LARGE | TOO_LARGE_8,
    LOWER = TOO_SHORT | TOO_LONG | CONTINUATIONS,
    LOWER_0 = LOWER | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    LOWER_1 = LOWER | OVERLONG_2,
    LOWER_4 = LOWER | TOO_LARGE,
    LOWER_5 = LOWER | TOO_LARGE | TOO_LARGE_8,
    LOWER_D = LOWER_5 | SURROGATE,
    NEXT = TOO_LONG | OVERLONG_2 | CONTINUATIONS,
    NEXT_8 = NEXT | OVERLONG_3 | OVERLONG_4 | TOO_LARGE_8,
    NEXT_9 = NEXT | OVERLONG_3 | TOO_LARGE,
    NEXT_A = NEXT | SURROGATE | TOO_LARGE
};

typedef struct by_half {
    uint8_t of[16];
} by_half;

#define FOUR(x) x, x, x, x

static const by_half upper = {
    {FOUR(TOO_LONG), FOUR(TOO_LONG), FOUR(CONTINUATIONS), UPPER_C, TOO_SHORT, UPPER_E, UPPER_F}};
static const by_half lower = {{LOWER_0, LOWER_1, LOWER, LOWER, LOWER_4, LOWER_5, LOWER_5, LOWER_5,
                               FOUR(LOWER_5), LOWER_5, LOWER_D, LOWER_5, LOWER_5}};
static const by_half next = {
    {FOUR(TOO_SHORT), FOUR(TOO_SHORT), NEXT_8, NEXT_9, NEXT_A, NEXT_A, FOUR(TOO_SHORT)}};

/* What the table says of the lower, or upper, half of each byte. */
AVX2 static __m256i look_up(const by_half *table, __m256i bytes, bool is_upper) {
    __m128i entries = _mm_loadu_si128((const __m128i *)(const void *)table->of);
    if (is_upper) bytes = _mm256_srli_epi16(bytes, 4);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries),
                               _mm256_and_si256(bytes, _mm256_set1_epi8(0x0F)));
}

/* Bits for each byte of a block with something wrong. */
AVX2 static __m256i faults_of(__m256i block, __m256i before) {
    __m256i across = _mm256_permute2x128_si256(before, block, 0x21);
    __m256i back_1 = _mm256_alignr_epi8(block, across, 15);
    __m256i back_2 = _mm256_alignr_epi8(block, across, 14);
    __m256i back_3 = _mm256_alignr_epi8(block, across, 13);
    __m256i pairs = _mm256_and_si256(look_up(&upper, back_1, true), look_up(&lower, back_1, false));
    pairs = _mm256_and_si256(pairs, look_up(&next, block, true));
    /* The top bit where the byte two back is 0xE0 or more, or that three back 0xF0 or more. */
    __m256i is_third = _mm256_subs_epu8(back_2, _mm256_set1_epi8(0xE0 - 0x80));
    __m256i is_fourth = _mm256_subs_epu8(back_3, _mm256_set1_epi8(0xF0 - 0x80));
    __m256i due = _mm256_and_si256(_mm256_or_si256(is_third, is_fourth),
                                   _mm256_set1_epi8((char)CONTINUATIONS));
    return _mm256_xor_si256(pairs, due);
}

/* Whether s, of n blocks, is right but for a last character that may go on behind it. */
AVX2 static bool are_blocks_valid(const unsigned char *s, size_t n) {
    __m256i before = _mm256_setzero_si256(), faults = before;
    unsigned high_before = 0;
    for (size_t i = 0; i < n; i++, s += BLOCK) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)s);
        unsigned high = (unsigned)_mm256_movemask_epi8(block);
        /* What ASCII behind ASCII has wrong was found before. */
        if (high || high_before >> (BLOCK - 1))
            faults = _mm256_or_si256(faults, faults_of(block, before));
        before = block;
        high_before = high;
    }
    return _mm256_testz_si256(faults, faults);
}

/* Bytes of whole characters in the blocks of s [size], all right; false: there is a fault. */
static bool skip_blocks(const unsigned char *s, size_t size, size_t *ret) {
    size_t end = size / BLOCK * BLOCK;
    *ret = end;
    if (!are_blocks_valid(s, size / BLOCK)) return false;
    for (size_t k = 3; k > 0; k--)
        if (s[end - k] >= 0xC0) *ret = end - k;
    return true;
}

#endif

bool mw_utf8_valid(const char *data, size_t size) {
    const unsigned char *s = (const unsigned char *)data;
    size_t done = 0;
    if (size == 0) return true; /* data may be NULL */
#if defined(__x86_64__)
    bool wide = size >= BLOCKS_FROM && mw_cpu_level() >= MW_CPU_AVX2;
    if (wide && !skip_blocks(s, size, &done)) return false;
#endif
    return is_valid(s + done, size - done);
}
