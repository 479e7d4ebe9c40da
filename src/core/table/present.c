/* present.c -- see present.h: 64 rows to a word, at the CPU level; the words are then shifted to their place. */
#include "core/table/present.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/table/columns.h"
#include "core/text/datetime.h"

#define INLINE static inline __attribute__((always_inline))

/* The bits of up to 64 rows. */
typedef uint64_t word_of(mw_type type, const void *data, int64_t n);

static uint64_t word_scalar(mw_type type, const void *data, int64_t n) {
    const double *numbers = data;
    const float *singles = data;
    const int64_t *times = data;
    const int32_t *codes = data;
    uint64_t word = 0;
    if (type == MW_FLOAT64)
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)!mw_isnan(numbers[i]) << i;
    else if (type == MW_FLOAT32)
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)!mw_isnan(singles[i]) << i;
    else if (type == MW_DICTIONARY)
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)(codes[i] >= 0) << i;
    else
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)(times[i] != MW_TIME_NONE) << i;
    return word;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,popcnt")))

/* AVX-512 is a third faster on what lies in a cache, and no faster on what comes from memory. */
AVX2 INLINE uint64_t word_avx2(mw_type type, const void *data, int64_t n) {
    if (n < 64) return word_scalar(type, data, n);
    uint64_t lacks = 0;
    if (type == MW_DICTIONARY || type == MW_FLOAT32) {
        for (int i = 0; i < 64; i += 8) {
            __m256 x = _mm256_loadu_ps((const float *)data + i); /* codes, for their signs */
            if (type == MW_FLOAT32) x = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
            lacks |= (uint64_t)(unsigned)_mm256_movemask_ps(x) << i;
        }
        return ~lacks;
    }
    const __m256i none = _mm256_set1_epi64x(MW_TIME_NONE);
    for (int i = 0; i < 64; i += 4) {
        __m256d x = _mm256_loadu_pd((const double *)data + i); /* or times */
        __m256d is_none =
            type == MW_FLOAT64
                ? _mm256_cmp_pd(x, x, _CMP_UNORD_Q)
                : _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_castpd_si256(x), none));
        lacks |= (uint64_t)(unsigned)_mm256_movemask_pd(is_none) << i;
    }
    return ~lacks;
}

#endif

/* A word into a bitmap from bit `at` on; the bits before stay, those behind become 0. */
static inline void put(uint8_t *bits, int64_t at, uint64_t word) {
    uint8_t *to = bits + at / 8;
    unsigned shift = (unsigned)(at % 8);
    uint64_t low = word << shift;
    if (shift) {
        low |= to[0] & ((1u << shift) - 1);
        to[8] = (uint8_t)(word >> (64 - shift));
    }
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(low >> (8 * i));
}

/* Compiled once for each level, with its instructions and `read` in place. */
INLINE int64_t all_words(word_of *read, mw_type type, const void *data, int64_t n, uint8_t *bits,
                         int64_t at) {
    const char *from = data;
    size_t size = mw_table__value_bytes(type, 1);
    int64_t n_present = 0;
    for (int64_t i = 0; i < n; i += 64) {
        uint64_t word = read(type, from + (size_t)i * size, n - i < 64 ? n - i : 64);
        n_present += __builtin_popcountll(word);
        put(bits, at + i, word);
    }
    return n - n_present;
}

#if defined(__x86_64__)

AVX2 static int64_t present_avx2(mw_type type, const void *data, int64_t n, uint8_t *bits,
                                 int64_t at) {
    return all_words(word_avx2, type, data, n, bits, at);
}

#endif

int64_t mw_table__present(mw_type type, const void *data, int64_t n, uint8_t *bits, int64_t at) {
    switch (mw_cpu_level()) {
#if defined(__x86_64__)
    case MW_CPU_AVX512:
    case MW_CPU_AVX2: return present_avx2(type, data, n, bits, at);
#endif
    default: return all_words(word_scalar, type, data, n, bits, at);
    }
}
