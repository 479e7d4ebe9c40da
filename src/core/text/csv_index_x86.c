/*
 * csv_index_x86.c -- csv_index.h with AVX2 and AVX-512.
 *
 * Marks      AVX2 takes one bit after another, sixteen without asking how many there are (Langdale and Lemire 2019,
 *            section 3.2.2); AVX-512 compresses the numbers 0..63 by the mask and widens sixteen at a time. A
 *            compressing store to memory is avoided: it is microcode on Zen 4.
 * Bytes      the smallest tells of a NUL, the OR of all of a byte of 0x80 or more; both are looked at once.
 */
#include "core/text/csv_index_state.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt,pclmul")))
#define AVX512                                                                              \
    __attribute__((                                                                         \
        target("avx2,bmi,bmi2,popcnt,pclmul,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi," \
               "avx512vbmi2")))

AVX2 MW_CSV__INLINE uint64_t prefix_xor(uint64_t bits) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)bits), _mm_set1_epi8((char)0xFF), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The last bytes of a text, padded with blanks: a NUL or a high byte behind the text is none of it. */
static inline const char *last_step(const char *text, size_t n, char pad[MW_INDEX_STEP]) {
    memset(pad, ' ', MW_INDEX_STEP);
    memcpy(pad, text, n);
    return pad;
}

static inline uint64_t first_bits(size_t n) {
    return n < MW_INDEX_STEP ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

/* --- AVX2 --- */

typedef struct wide2 {
    __m256i separator, quote, comment;
    __m256i smallest, either;
} wide2;

AVX2 MW_CSV__INLINE uint64_t equal2(__m256i low, __m256i high, __m256i c) {
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, c));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, c));
    return a | (uint64_t)b << 32;
}

AVX2 MW_CSV__INLINE void write1(uint32_t *to, uint64_t *bits, uint32_t base) {
    *to = base + (uint32_t)_tzcnt_u64(*bits);
    *bits = _blsr_u64(*bits);
}

AVX2 MW_CSV__INLINE uint32_t *write4(uint32_t *to, uint64_t *bits, uint32_t base) {
    write1(to, bits, base);
    write1(to + 1, bits, base);
    write1(to + 2, bits, base);
    write1(to + 3, bits, base);
    return to + 4;
}

AVX2 MW_CSV__INLINE uint32_t *write8(uint32_t *to, uint64_t *bits, uint32_t base) {
    return write4(write4(to, bits, base), bits, base);
}

/* Writes up to 64 marks; what is written behind them is overwritten by the next. */
AVX2 MW_CSV__INLINE size_t write_marks2(uint32_t *to, uint64_t bits, uint32_t base) {
    size_t n = (size_t)__builtin_popcountll(bits);
    uint32_t *at = write8(write8(to, &bits, base), &bits, base);
    for (size_t done = 16; __builtin_expect(done < n, 0); done += 8) at = write8(at, &bits, base);
    return n;
}

AVX2 MW_CSV__INLINE size_t step2(wide2 *w, mw_csv__state *state, const char *data, uint64_t valid,
                                 uint32_t base, uint32_t *marks) {
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)data);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(data + 32));
    w->smallest = _mm256_min_epu8(w->smallest, _mm256_min_epu8(low, high));
    w->either = _mm256_or_si256(w->either, _mm256_or_si256(low, high));
    mw_csv__masks m = {.separators = equal2(low, high, w->separator) & valid,
                       .feeds = equal2(low, high, _mm256_set1_epi8('\n')) & valid,
                       .quotes = equal2(low, high, w->quote) & valid,
                       .comments = equal2(low, high, w->comment) & valid,
                       .valid = valid};
    if (mw_csv__quoting(state, m.quotes)) {
        m.returns = equal2(low, high, _mm256_set1_epi8('\r'));
        m.parity = prefix_xor(m.quotes);
        mw_csv__judge_quotes(state, &m);
    }
    return write_marks2(marks, mw_csv__take(state, &m), base);
}

AVX2 void mw_csv__index_avx2(const mw_dialect *dialect, const char *text, size_t size,
                             uint32_t *marks, mw_csv_index *ret) {
    wide2 w = {.separator = _mm256_set1_epi8(dialect->separator),
               .quote = _mm256_set1_epi8(dialect->quote),
               .comment = _mm256_set1_epi8(dialect->comment),
               .smallest = _mm256_set1_epi8(' '),
               .either = _mm256_setzero_si256()};
    mw_csv__state state = MW_CSV__STATE_FIRST;
    size_t n = 0, at = 0;
    for (; at + MW_INDEX_STEP <= size; at += MW_INDEX_STEP)
        n += step2(&w, &state, text + at, ~UINT64_C(0), (uint32_t)at, marks + n);
    if (at < size) {
        char pad[MW_INDEX_STEP];
        const char *last = last_step(text + at, size - at, pad);
        n += step2(&w, &state, last, first_bits(size - at), (uint32_t)at, marks + n);
    }
    state.bad |= equal2(w.smallest, w.smallest, _mm256_setzero_si256());
    mw_csv__conclude(dialect, &state, n, _mm256_movemask_epi8(w.either) != 0, ret);
}

/* --- AVX-512 --- */

typedef struct wide5 {
    __m512i separator, quote, comment;
    __m512i smallest, either;
    __m512i numbers; /* 0..63 */
} wide5;

AVX512 MW_CSV__INLINE size_t write_marks5(const wide5 *w, uint32_t *to, uint64_t bits,
                                          uint32_t base) {
    size_t n = (size_t)__builtin_popcountll(bits);
    __m512i bytes = _mm512_maskz_compress_epi8(bits, w->numbers);
    __m512i bases = _mm512_set1_epi32((int)base);
    __m512i first = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bytes));
    _mm512_storeu_si512(to, _mm512_add_epi32(first, bases));
    if (__builtin_expect(n > 16, 0)) {
        __m512i second = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 1));
        _mm512_storeu_si512(to + 16, _mm512_add_epi32(second, bases));
        if (n > 32) {
            __m512i third = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 2));
            __m512i fourth = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 3));
            _mm512_storeu_si512(to + 32, _mm512_add_epi32(third, bases));
            _mm512_storeu_si512(to + 48, _mm512_add_epi32(fourth, bases));
        }
    }
    return n;
}

AVX512 MW_CSV__INLINE size_t step5(wide5 *w, mw_csv__state *state, const char *data, uint64_t valid,
                                   uint32_t base, uint32_t *marks) {
    __m512i bytes = _mm512_loadu_si512(data);
    w->smallest = _mm512_min_epu8(w->smallest, bytes);
    w->either = _mm512_or_si512(w->either, bytes);
    mw_csv__masks m = {.separators = _mm512_cmpeq_epi8_mask(bytes, w->separator) & valid,
                       .feeds = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')) & valid,
                       .quotes = _mm512_cmpeq_epi8_mask(bytes, w->quote) & valid,
                       .comments = _mm512_cmpeq_epi8_mask(bytes, w->comment) & valid,
                       .valid = valid};
    if (mw_csv__quoting(state, m.quotes)) {
        m.returns = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));
        m.parity = prefix_xor(m.quotes);
        mw_csv__judge_quotes(state, &m);
    }
    return write_marks5(w, marks, mw_csv__take(state, &m), base);
}

AVX512 void mw_csv__index_avx512(const mw_dialect *dialect, const char *text, size_t size,
                                 uint32_t *marks, mw_csv_index *ret) {
    uint8_t numbers[MW_INDEX_STEP];
    for (unsigned i = 0; i < sizeof numbers; i++) numbers[i] = (uint8_t)i;
    wide5 w = {.separator = _mm512_set1_epi8(dialect->separator),
               .quote = _mm512_set1_epi8(dialect->quote),
               .comment = _mm512_set1_epi8(dialect->comment),
               .smallest = _mm512_set1_epi8(' '),
               .either = _mm512_setzero_si512(),
               .numbers = _mm512_loadu_si512(numbers)};
    mw_csv__state state = MW_CSV__STATE_FIRST;
    size_t n = 0, at = 0;
    for (; at + MW_INDEX_STEP <= size; at += MW_INDEX_STEP)
        n += step5(&w, &state, text + at, ~UINT64_C(0), (uint32_t)at, marks + n);
    if (at < size) {
        char pad[MW_INDEX_STEP];
        const char *last = last_step(text + at, size - at, pad);
        n += step5(&w, &state, last, first_bits(size - at), (uint32_t)at, marks + n);
    }
    state.bad |= _mm512_cmpeq_epi8_mask(w.smallest, _mm512_setzero_si512());
    mw_csv__conclude(dialect, &state, n, _mm512_movepi8_mask(w.either) != 0, ret);
}

#endif
