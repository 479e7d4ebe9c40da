/* present.c -- see present.h: 64 rows to a word, at the CPU level; the words are then shifted to their place. */
#include "core/table/present.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/text/datetime.h"

/* The bits of up to 64 rows. */
typedef uint64_t word_of(mw_type type, const void *data, int64_t n);

static uint64_t word_scalar(mw_type type, const void *data, int64_t n) {
    const double *numbers = data;
    const int64_t *times = data;
    const int32_t *codes = data;
    uint64_t word = 0;
    if (type == MW_FLOAT64)
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)!mw_isnan(numbers[i]) << i;
    else if (type == MW_DICTIONARY)
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)(codes[i] >= 0) << i;
    else
        for (int64_t i = 0; i < n; i++) word |= (uint64_t)(times[i] != MW_TIME_NONE) << i;
    return word;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512dq")))

AVX2 static uint64_t word_avx2(mw_type type, const void *data, int64_t n) {
    if (n < 64) return word_scalar(type, data, n);
    uint64_t word = 0;
    if (type == MW_FLOAT64) {
        const double *numbers = data;
        for (int i = 0; i < 64; i += 4) {
            __m256d x = _mm256_loadu_pd(numbers + i);
            int has = _mm256_movemask_pd(_mm256_cmp_pd(x, x, _CMP_ORD_Q));
            word |= (uint64_t)(unsigned)has << i;
        }
    } else if (type == MW_DICTIONARY) {
        const int32_t *codes = data;
        for (int i = 0; i < 64; i += 8) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(codes + i));
            unsigned has = ~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(x)) & 0xFF;
            word |= (uint64_t)has << i;
        }
    } else {
        const int64_t *times = data;
        const __m256i none = _mm256_set1_epi64x(MW_TIME_NONE);
        for (int i = 0; i < 64; i += 4) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(times + i));
            __m256i lacks = _mm256_cmpeq_epi64(x, none);
            unsigned has = ~(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(lacks)) & 0xF;
            word |= (uint64_t)has << i;
        }
    }
    return word;
}

AVX512 static uint64_t word_avx512(mw_type type, const void *data, int64_t n) {
    if (n < 64) return word_scalar(type, data, n);
    uint64_t word = 0;
    if (type == MW_FLOAT64) {
        const double *numbers = data;
        for (int i = 0; i < 64; i += 8) {
            __m512d x = _mm512_loadu_pd(numbers + i);
            word |= (uint64_t)_mm512_cmp_pd_mask(x, x, _CMP_ORD_Q) << i;
        }
    } else if (type == MW_DICTIONARY) {
        const int32_t *codes = data;
        for (int i = 0; i < 64; i += 16)
            word |= (uint64_t)(__mmask16)~_mm512_movepi32_mask(_mm512_loadu_si512(codes + i)) << i;
    } else {
        const int64_t *times = data;
        const __m512i none = _mm512_set1_epi64(MW_TIME_NONE);
        for (int i = 0; i < 64; i += 8) {
            __m512i x = _mm512_loadu_si512(times + i);
            word |= (uint64_t)_mm512_cmpneq_epi64_mask(x, none) << i;
        }
    }
    return word;
}

#endif

static word_of *choose(void) {
    switch (mw_cpu_level()) {
#if defined(__x86_64__)
    case MW_CPU_AVX512: return word_avx512;
    case MW_CPU_AVX2: return word_avx2;
#endif
    default: return word_scalar;
    }
}

/* A word into a bitmap from bit `at` on; the bits before stay, those behind become 0. */
static void put(uint8_t *bits, int64_t at, uint64_t word) {
    uint8_t *to = bits + at / 8;
    unsigned shift = (unsigned)(at % 8);
    uint64_t low = word << shift;
    if (shift) {
        low |= to[0] & ((1u << shift) - 1);
        to[8] = (uint8_t)(word >> (64 - shift));
    }
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(low >> (8 * i));
}

int64_t mw_table__present(mw_type type, const void *data, int64_t n, uint8_t *bits, int64_t at) {
    word_of *read = choose();
    const char *from = data;
    size_t size = type == MW_DICTIONARY ? 4 : 8;
    int64_t n_present = 0;
    for (int64_t i = 0; i < n; i += 64) {
        uint64_t word = read(type, from + (size_t)i * size, n - i < 64 ? n - i : 64);
        n_present += __builtin_popcountll(word);
        put(bits, at + i, word);
    }
    return n - n_present;
}
