/*
 * number_fields_x86.c -- the batch readers of number_fields_batch.h with AVX2 and AVX-512.
 *
 * Short      a field to a lane of 64 bits, four or eight side by side. One sum of absolute differences a lane tells
 *            both whether there is a point and how many digits follow it: each point weighs 16 and its distance from
 *            the end, so that no point gives 0, one gives 16 to 23 and two give more.
 * Longer     a field of up to 16 bytes. AVX-512: the same with two lanes a field, the last eight bytes and those before
 *            them. AVX2: one field in a vector of 128 bits, the point squeezed out by a byte shuffle from a table
 *            (after Mula, "Parsing series of integers with SIMD", 2018).
 */
#include "core/text/number_fields_batch.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512      \
    __attribute__(( \
        target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")))

#define INLINE static inline __attribute__((always_inline))

enum { POINT_WEIGHT = 16, LONG = 16 };

/* Per byte of a word: 16 and the number of bytes behind it. */
#define WEIGHTS INT64_C(0x1011121314151617)

static const double pow10_of[LONG] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* The eight bytes before those of batch->words. */
static inline void fetch_low(const char *text, const mw_number__batch *batch,
                             uint64_t low[MW_NUMBERS_BATCH]) {
    for (size_t i = 0; i < batch->n; i++)
        low[i] = mw_number__load(text + (ptrdiff_t)mw_number__end(batch->marks[i]) - LONG);
    for (size_t i = batch->n; i % 8; i++) low[i] = 0;
}

/* --- AVX-512, eight short fields --- */

/* Eight digits to a number, most significant first in memory. */
AVX512 INLINE __m512i join8(__m512i digits) {
    __m512i pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
    __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00010064));
    return _mm512_add_epi64(_mm512_mul_epu32(fours, _mm512_set1_epi64(10000)),
                            _mm512_srli_epi64(fours, 32));
}

/* Returns the lanes that are no short plain numbers. */
AVX512 INLINE __mmask8 read8(__m512i marks, __m512i words, __m512i point, __m512d powers,
                             double *out) {
    const __m512i zeros = _mm512_set1_epi8('0'), all = _mm512_set1_epi64(64);
    __m512i size = _mm512_sub_epi32(_mm512_srli_epi64(marks, 32), marks);
    size = _mm512_maskz_sub_epi32(0x5555, size, _mm512_set1_epi32(1));
    __mmask8 bad = _mm512_cmpgt_epu64_mask(size, _mm512_set1_epi64(MW_NUMBERS_SHORT));
    __m512i shift = _mm512_sub_epi64(all, _mm512_slli_epi64(size, 3));
    words = _mm512_xor_si512(words, zeros);

    __m512i first = _mm512_and_si512(_mm512_srlv_epi64(words, shift), _mm512_set1_epi64(0xFF));
    __mmask8 minus = _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64('-' ^ '0'));
    __mmask8 sign = minus | _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64('+' ^ '0'));
    shift = _mm512_mask_add_epi64(shift, sign, shift, _mm512_set1_epi64(8));
    size = _mm512_mask_sub_epi64(size, sign, size, _mm512_set1_epi64(1));
    __m512i digits = _mm512_sllv_epi64(_mm512_srlv_epi64(words, shift), shift);

    __mmask64 points = _mm512_cmpeq_epi8_mask(digits, point);
    digits = _mm512_maskz_mov_epi8(~points, digits);
    bad |= _mm512_test_epi64_mask(_mm512_subs_epu8(digits, _mm512_set1_epi8(9)),
                                  _mm512_set1_epi64(-1));
    __m512i weight = _mm512_sad_epu8(_mm512_maskz_mov_epi8(points, _mm512_set1_epi64(WEIGHTS)),
                                     _mm512_setzero_si512());
    bad |= _mm512_cmpgt_epu64_mask(weight, _mm512_set1_epi64(POINT_WEIGHT + 7));
    bad |= _mm512_cmple_epu64_mask(size, _mm512_srli_epi64(weight, 4));

    /* Bytes up to the point: all ones shifted down by the digits behind it, or by 128 without a point. */
    __m512i away = _mm512_slli_epi64(_mm512_xor_si512(weight, _mm512_set1_epi64(POINT_WEIGHT)), 3);
    __m512i before = _mm512_srlv_epi64(_mm512_set1_epi64(-1), away);
    digits = _mm512_ternarylogic_epi64(before, _mm512_slli_epi64(digits, 8), digits, 0xCA);

    __m512d whole = _mm512_cvtepi64_pd(join8(digits));
    __m512d value = _mm512_div_pd(whole, _mm512_permutexvar_pd(weight, powers));
    __m512d negated = _mm512_xor_pd(value, _mm512_set1_pd(-0.0));
    _mm512_storeu_pd(out, _mm512_mask_mov_pd(value, minus, negated));
    return bad;
}

AVX512 uint64_t mw_number__short_avx512(const mw_number__batch *batch, char point, double *out) {
    const __m512d powers = _mm512_setr_pd(1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7);
    const __m512i points = _mm512_set1_epi8((char)(point ^ '0'));
    uint64_t left = 0;
    for (size_t i = 0; i < batch->n; i += 8) {
        __m512i marks = _mm512_load_si512(batch->marks + i);
        __m512i words = _mm512_load_si512(batch->words + i);
        left |= (uint64_t)read8(marks, words, points, powers, out + i) << i;
    }
    return left;
}

/* --- AVX-512, eight fields of up to 16 bytes --- */

typedef struct halves {
    __m512i high, low; /* of 16 digits: the last eight, and those before them */
} halves;

/* By the number of digits behind the point. */
typedef struct powers16 {
    __m512d below8, from8;
} powers16;

/* What is left of 16 bytes when only the last `size` of them count, the others being 0. */
AVX512 INLINE halves last16(halves words, __m512i size) {
    __m512i bits = _mm512_slli_epi64(size, 3), zero = _mm512_setzero_si512();
    __m512i shift_high = _mm512_max_epi64(_mm512_sub_epi64(_mm512_set1_epi64(64), bits), zero);
    __m512i shift_low = _mm512_sub_epi64(_mm512_set1_epi64(128), bits);
    return (halves){_mm512_sllv_epi64(_mm512_srlv_epi64(words.high, shift_high), shift_high),
                    _mm512_sllv_epi64(_mm512_srlv_epi64(words.low, shift_low), shift_low)};
}

/* The first byte of fields of so many bytes; shifts by more than a lane give 0. */
AVX512 INLINE __m512i first16(halves words, __m512i size) {
    __m512i bits = _mm512_slli_epi64(size, 3);
    __m512i high = _mm512_srlv_epi64(words.high, _mm512_sub_epi64(_mm512_set1_epi64(64), bits));
    __m512i low = _mm512_srlv_epi64(words.low, _mm512_sub_epi64(_mm512_set1_epi64(128), bits));
    return _mm512_and_si512(_mm512_or_si512(high, low), _mm512_set1_epi64(0xFF));
}

AVX512 INLINE __m512i weigh(__mmask64 points) {
    return _mm512_sad_epu8(_mm512_maskz_mov_epi8(points, _mm512_set1_epi64(WEIGHTS)),
                           _mm512_setzero_si512());
}

/* Moves what is before the point, weighed in high and low, up over it. */
AVX512 INLINE halves squeeze16(halves digits, __m512i high, __m512i low) {
    const __m512i ones = _mm512_set1_epi64(-1), none = _mm512_set1_epi64(POINT_WEIGHT);
    __m512i away_high = _mm512_slli_epi64(_mm512_xor_si512(high, none), 3);
    __m512i away_low = _mm512_slli_epi64(_mm512_xor_si512(low, none), 3);
    __m512i before_high = _mm512_srlv_epi64(ones, away_high);
    /* A point in the high half is behind all of the low one. */
    away_low = _mm512_maskz_mov_epi64(_mm512_testn_epi64_mask(high, high), away_low);
    __m512i before_low = _mm512_srlv_epi64(ones, away_low);
    __m512i up_high = _mm512_shldi_epi64(digits.high, digits.low, 8);
    __m512i up_low = _mm512_slli_epi64(digits.low, 8);
    return (halves){_mm512_ternarylogic_epi64(before_high, up_high, digits.high, 0xCA),
                    _mm512_ternarylogic_epi64(before_low, up_low, digits.low, 0xCA)};
}

/* Returns the lanes that are no plain numbers of at most 16 bytes and 2^53. */
AVX512 INLINE __mmask8 read8_long(__m512i marks, halves words, __m512i point, powers16 powers,
                                  double *out) {
    const __m512i zeros = _mm512_set1_epi8('0'), nine = _mm512_set1_epi8(9);
    __m512i size = _mm512_sub_epi32(_mm512_srli_epi64(marks, 32), marks);
    size = _mm512_maskz_sub_epi32(0x5555, size, _mm512_set1_epi32(1));
    __mmask8 bad = _mm512_cmpgt_epu64_mask(size, _mm512_set1_epi64(LONG));
    words = (halves){_mm512_xor_si512(words.high, zeros), _mm512_xor_si512(words.low, zeros)};
    __m512i first = first16(words, size);
    __mmask8 minus = _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64('-' ^ '0'));
    __mmask8 sign = minus | _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64('+' ^ '0'));
    size = _mm512_mask_sub_epi64(size, sign, size, _mm512_set1_epi64(1));
    halves digits = last16(words, size);

    __mmask64 points_high = _mm512_cmpeq_epi8_mask(digits.high, point);
    __mmask64 points_low = _mm512_cmpeq_epi8_mask(digits.low, point);
    digits.high = _mm512_maskz_mov_epi8(~points_high, digits.high);
    digits.low = _mm512_maskz_mov_epi8(~points_low, digits.low);
    __m512i excess = _mm512_subs_epu8(_mm512_max_epu8(digits.high, digits.low), nine);
    __m512i high = weigh(points_high), low = weigh(points_low);
    __m512i weight = _mm512_add_epi64(high, low);
    bad |= _mm512_test_epi64_mask(excess, excess);
    bad |= _mm512_cmpgt_epu64_mask(weight, _mm512_set1_epi64(POINT_WEIGHT + 7));
    bad |= _mm512_cmple_epu64_mask(size, _mm512_srli_epi64(weight, 4));

    digits = squeeze16(digits, high, low);
    __m512i whole = _mm512_mul_epu32(join8(digits.low), _mm512_set1_epi64(100000000));
    whole = _mm512_add_epi64(whole, join8(digits.high));
    bad |= _mm512_cmpgt_epu64_mask(whole, _mm512_set1_epi64(INT64_C(1) << 53));
    /* Four bits of the weight name the power: a point in the low half has eight digits more behind it. */
    __mmask8 in_low = _mm512_test_epi64_mask(low, low);
    weight = _mm512_mask_xor_epi64(weight, in_low, weight, _mm512_set1_epi64(8));
    __m512d power = _mm512_permutex2var_pd(powers.below8, weight, powers.from8);
    __m512d value = _mm512_div_pd(_mm512_cvtepi64_pd(whole), power);
    __m512d negated = _mm512_xor_pd(value, _mm512_set1_pd(-0.0));
    _mm512_storeu_pd(out, _mm512_mask_mov_pd(value, minus, negated));
    return bad;
}

AVX512 uint64_t mw_number__long_avx512(const char *text, const mw_number__batch *batch,
                                       uint64_t left, char point, double *out) {
    const powers16 powers = {_mm512_loadu_pd(pow10_of), _mm512_loadu_pd(pow10_of + 8)};
    const __m512i points = _mm512_set1_epi8((char)(point ^ '0'));
    _Alignas(64) uint64_t low[MW_NUMBERS_BATCH];
    fetch_low(text, batch, low);
    uint64_t still = 0;
    for (size_t i = 0; i < batch->n; i += 8) {
        if ((left >> i & 0xFF) == 0) continue;
        halves words = {_mm512_load_si512(batch->words + i), _mm512_load_si512(low + i)};
        __m512i marks = _mm512_load_si512(batch->marks + i);
        still |= (uint64_t)read8_long(marks, words, points, powers, out + i) << i;
    }
    return still & left;
}

/* --- AVX2, four short fields --- */

AVX2 INLINE unsigned read4(__m256i marks, __m256i words, __m256i point, double *out) {
    const __m256i ones = _mm256_set1_epi64x(-1), low_half = _mm256_set1_epi64x(0xFFFFFFFF);
    __m256i size = _mm256_sub_epi32(_mm256_srli_epi64(marks, 32), marks);
    size = _mm256_sub_epi32(size, _mm256_set1_epi64x(1));
    size = _mm256_and_si256(size, low_half);
    __m256i bad = _mm256_cmpgt_epi64(size, _mm256_set1_epi64x(MW_NUMBERS_SHORT));
    __m256i shift = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64(size, 3));
    words = _mm256_xor_si256(words, _mm256_set1_epi8('0'));

    __m256i first = _mm256_and_si256(_mm256_srlv_epi64(words, shift), _mm256_set1_epi64x(0xFF));
    __m256i minus = _mm256_cmpeq_epi64(first, _mm256_set1_epi64x('-' ^ '0'));
    __m256i plus = _mm256_cmpeq_epi64(first, _mm256_set1_epi64x('+' ^ '0'));
    __m256i sign = _mm256_or_si256(minus, plus);
    shift = _mm256_add_epi64(shift, _mm256_and_si256(sign, _mm256_set1_epi64x(8)));
    size = _mm256_add_epi64(size, sign);
    __m256i digits = _mm256_sllv_epi64(_mm256_srlv_epi64(words, shift), shift);

    __m256i points = _mm256_cmpeq_epi8(digits, point);
    digits = _mm256_andnot_si256(points, digits);
    __m256i excess = _mm256_subs_epu8(digits, _mm256_set1_epi8(9));
    __m256i clean = _mm256_cmpeq_epi64(excess, _mm256_setzero_si256());
    bad = _mm256_or_si256(bad, _mm256_xor_si256(clean, ones));
    __m256i weight = _mm256_sad_epu8(_mm256_and_si256(points, _mm256_set1_epi64x(WEIGHTS)),
                                     _mm256_setzero_si256());
    bad = _mm256_or_si256(bad, _mm256_cmpgt_epi64(weight, _mm256_set1_epi64x(POINT_WEIGHT + 7)));
    __m256i enough = _mm256_cmpgt_epi64(size, _mm256_srli_epi64(weight, 4));
    bad = _mm256_or_si256(bad, _mm256_xor_si256(enough, ones));

    __m256i away = _mm256_slli_epi64(_mm256_xor_si256(weight, _mm256_set1_epi64x(POINT_WEIGHT)), 3);
    __m256i before = _mm256_srlv_epi64(ones, away);
    digits = _mm256_blendv_epi8(digits, _mm256_slli_epi64(digits, 8), before);

    __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    __m256i whole = _mm256_add_epi64(_mm256_mul_epu32(fours, _mm256_set1_epi64x(10000)),
                                     _mm256_srli_epi64(fours, 32));
    /* Below 2^52 the bits of 2^52 + x end in those of x. */
    const __m256d big = _mm256_set1_pd(0x1p52);
    whole = _mm256_or_si256(whole, _mm256_castpd_si256(big));
    __m256d value = _mm256_sub_pd(_mm256_castsi256_pd(whole), big);
    /* The low halves of 1e0 .. 1e7 are 0: a permutation of their high halves by the high half of the index. */
    const __m256i powers = _mm256_setr_epi32(0x3FF00000, 0x40240000, 0x40590000, 0x408F4000,
                                             0x40C38800, 0x40F86A00, 0x412E8480, 0x416312D0);
    __m256i power = _mm256_permutevar8x32_epi32(powers, _mm256_slli_epi64(weight, 32));
    power = _mm256_andnot_si256(low_half, power);
    value = _mm256_div_pd(value, _mm256_castsi256_pd(power));
    __m256d negative = _mm256_and_pd(_mm256_castsi256_pd(minus), _mm256_set1_pd(-0.0));
    _mm256_storeu_pd(out, _mm256_xor_pd(value, negative));
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(bad));
}

AVX2 uint64_t mw_number__short_avx2(const mw_number__batch *batch, char point, double *out) {
    const __m256i points = _mm256_set1_epi8((char)(point ^ '0'));
    uint64_t left = 0;
    for (size_t i = 0; i < batch->n; i += 4) {
        __m256i marks = _mm256_load_si256((const __m256i *)(const void *)(batch->marks + i));
        __m256i words = _mm256_load_si256((const __m256i *)(const void *)(batch->words + i));
        left |= (uint64_t)read4(marks, words, points, out + i) << i;
    }
    return left;
}

/* --- one field of up to 16 bytes --- */

/* From byte k on, a mask of the last k bytes of 16. */
static const uint8_t last_of[2 * LONG] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

/* From byte 16 - p on, -1 for the bytes before and at the point p, 0 behind it: what to add to 0..15 to squeeze it out. */
static const uint8_t before_of[2 * LONG + 1] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0};

/* By the place of the point; 16 is none. */
static const double long_powers[LONG + 1] = {1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                             1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0};

AVX2 INLINE bool read16(const char *text, uint32_t begin, uint32_t end, __m128i point,
                        double *ret) {
    uint32_t size = end - begin;
    char first = text[begin];
    bool negative = first == '-';
    size -= (uint32_t)((size != 0) & (negative | (first == '+')));
    if (size > LONG) return false;
    const __m128i *at = (const __m128i *)(const void *)(text + (ptrdiff_t)end - LONG);
    __m128i valid = _mm_loadu_si128((const __m128i *)(const void *)(last_of + size));
    __m128i digits = _mm_xor_si128(_mm_loadu_si128(at), _mm_set1_epi8('0'));
    digits = _mm_and_si128(digits, valid);
    __m128i points = _mm_cmpeq_epi8(digits, point);
    digits = _mm_andnot_si128(points, digits);
    unsigned where = (unsigned)_mm_movemask_epi8(points);
    __m128i excess = _mm_subs_epu8(digits, _mm_set1_epi8(9));
    if ((where & (where - 1)) || size <= (where != 0) || !_mm_testz_si128(excess, excess))
        return false;
    unsigned p = (unsigned)__builtin_ctz(where | 1u << LONG);
    const __m128i numbers = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const uint8_t *back = before_of + (p == LONG ? LONG + 1 : LONG - p);
    __m128i from = _mm_add_epi8(numbers, _mm_loadu_si128((const __m128i *)(const void *)back));
    digits = _mm_shuffle_epi8(digits, from);
    __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    uint64_t whole = (both & 0xFFFFFFFF) * 100000000 + (both >> 32);
    if (whole > UINT64_C(1) << 53) return false;
    double value = (double)(int64_t)whole / long_powers[p];
    *ret = negative ? -value : value;
    return true;
}

AVX2 uint64_t mw_number__long_avx2(const char *text, const mw_number__batch *batch, uint64_t left,
                                   char point, double *out) {
    const __m128i points = _mm_set1_epi8((char)(point ^ '0'));
    uint64_t still = 0;
    for (; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        uint64_t marks = batch->marks[i];
        bool read = read16(text, mw_number__begin(marks), mw_number__end(marks), points, out + i);
        still |= (uint64_t)!read << i;
    }
    return still;
}

#endif
