/*
 * scorer_ranks.c -- a block of rows becomes columns of bytes: ranks of values among a feature's thresholds,
 * and sides of sets (scorer_parts.h says which).
 *
 * A rank is found in a tree of 16 children, one comparison of 16 thresholds a level, without branches.
 */
#include "core/base/cpu.h"
#include "learn/tree/scorer_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = MW_SCORER__ROWS };

size_t mw_scorer__block_bytes(const mw_scorer__masks *masks) {
    return ((size_t)masks->n_columns + (size_t)masks->n_set_columns) * ROWS;
}

/* Twice how many of 16 thresholds are below x. */
typedef int count_fn(const float *thresholds, float x);

INLINE int count_scalar(const float *thresholds, float x) {
    int n = 0;
    for (int i = 0; i < 16; i++) n += thresholds[i] < x;
    return 2 * n;
}

/* Missing values have rank 0. */
INLINE int32_t rank_of(const mw_scorer__ranks *ranks, float x, int n_levels, count_fn *count) {
    uint32_t twice = 0;
    for (int i = 0; i < n_levels; i++)
        twice = 16 * twice + (uint32_t)count(ranks->levels[i] + 8 * (size_t)twice, x);
    return (int32_t)(twice / 2);
}

static void cut(const mw_scorer__column *column, const int32_t *ranks, const bool *missing,
                int64_t n, int8_t *to) {
    for (int64_t i = 0; i < n; i++) {
        int32_t r = ranks[i] - column->base;
        r = r < 0 ? 0 : r > 255 ? 255 : r;
        if (missing[i]) r = column->missing_left ? 0 : 255;
        to[i] = (int8_t)(r - 128);
    }
}

INLINE void fill_levels(const mw_scorer__masks *masks, const mw_scorer__ranks *ranks,
                        const float *x, int64_t stride, int64_t n, int n_levels, int8_t *block,
                        count_fn *count) {
    const mw_scorer__column *columns = masks->columns + ranks->first_column;
    int8_t *to = block + (int64_t)ranks->first_column * ROWS;
    if (ranks->n_columns == 1 && columns->base == 0) {
        const int8_t missing = columns->missing_left ? -128 : 127;
        for (int64_t i = 0; i < n; i++, x += stride) {
            int32_t r = rank_of(ranks, *x, n_levels, count);
            r = r > 255 ? 255 : r;
            to[i] = __builtin_isnan(*x) ? missing : (int8_t)(r - 128);
        }
        return;
    }
    int32_t rank[ROWS];
    bool missing[ROWS];
    for (int64_t i = 0; i < n; i++, x += stride) {
        rank[i] = rank_of(ranks, *x, n_levels, count);
        missing[i] = __builtin_isnan(*x);
    }
    for (int32_t c = 0; c < ranks->n_columns; c++)
        cut(&columns[c], rank, missing, n, to + (int64_t)c * ROWS);
}

/* The first of the values that a feature's bytes are made from; NULL: none are. */
INLINE const float *values_of(const mw_scorer__values *from, int32_t feature) {
    if (from->feature == feature) return from->x;
    return from->feature < 0 ? from->x + feature : NULL;
}

typedef void fill_fn(const mw_scorer__masks *masks, const mw_scorer__values *from, int64_t n,
                     int8_t *block);

INLINE void fill(const mw_scorer__masks *masks, const mw_scorer__values *from, int64_t n,
                 int8_t *block, count_fn *count) {
    for (int32_t i = 0; i < masks->n_ranks; i++) {
        const mw_scorer__ranks *r = &masks->ranks[i];
        const float *x = values_of(from, r->feature);
        if (!x) continue;
        if (r->n_levels == 1)
            fill_levels(masks, r, x, from->stride, n, 1, block, count);
        else if (r->n_levels == 2)
            fill_levels(masks, r, x, from->stride, n, 2, block, count);
        else
            fill_levels(masks, r, x, from->stride, n, r->n_levels, block, count);
    }
}

typedef void states_fn(const mw_scorer__masks *masks, const float *row, int64_t *state);

INLINE void states(const mw_scorer__masks *masks, const float *row, int64_t *state,
                   count_fn *count) {
    for (int32_t i = 0; i < masks->n_ranks; i++) {
        const mw_scorer__ranks *r = &masks->ranks[i];
        const float x = row[r->feature];
        const int32_t rank = rank_of(r, x, r->n_levels, count);
        state[i] = r->first_state + (__builtin_isnan(x) ? r->n_thresholds + 1 : rank);
    }
}

static void states_scalar(const mw_scorer__masks *masks, const float *row, int64_t *state) {
    states(masks, row, state, count_scalar);
}

static void fill_scalar(const mw_scorer__masks *masks, const mw_scorer__values *from, int64_t n,
                        int8_t *block) {
    fill(masks, from, n, block, count_scalar);
}

static void fill_sets(const mw_scorer *scorer, const mw_scorer__values *from, int64_t n,
                      int8_t *block) {
    const mw_scorer__masks *masks = scorer->masks;
    for (int32_t c = 0; c < masks->n_set_columns; c++) {
        const mw_scorer__set_column *column = &masks->set_columns[c];
        const float *x = values_of(from, column->feature);
        if (!x) continue;
        int8_t *to = block + ((int64_t)masks->n_columns + c) * ROWS;
        for (int64_t i = 0; i < n; i++, x += from->stride) {
            const bool left = __builtin_isnan(*x) ? column->missing_left
                                                  : mw_trees_in_set(scorer->trees, column->set, *x);
            to[i] = left ? -128 : 127;
        }
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512 __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))

/* Twice how many: two bits of the packed comparisons for each. */
AVX2 INLINE int count_avx2(const float *thresholds, float x) {
    const __m256 all = _mm256_set1_ps(x);
    const __m256 low = _mm256_cmp_ps(_mm256_load_ps(thresholds), all, _CMP_LT_OQ);
    const __m256 high = _mm256_cmp_ps(_mm256_load_ps(thresholds + 8), all, _CMP_LT_OQ);
    const __m256i both = _mm256_packs_epi32(_mm256_castps_si256(low), _mm256_castps_si256(high));
    return __builtin_popcount((unsigned)_mm256_movemask_epi8(both));
}

AVX512 INLINE int count_avx512(const float *thresholds, float x) {
    const __m512 some = _mm512_load_ps(thresholds);
    return 2 * __builtin_popcount(_mm512_cmp_ps_mask(some, _mm512_set1_ps(x), _CMP_LT_OQ));
}

AVX2 static void fill_avx2(const mw_scorer__masks *masks, const mw_scorer__values *from, int64_t n,
                           int8_t *block) {
    fill(masks, from, n, block, count_avx2);
}

AVX512 static void fill_avx512(const mw_scorer__masks *masks, const mw_scorer__values *from,
                               int64_t n, int8_t *block) {
    fill(masks, from, n, block, count_avx512);
}

AVX2 static void states_avx2(const mw_scorer__masks *masks, const float *row, int64_t *state) {
    states(masks, row, state, count_avx2);
}

AVX512 static void states_avx512(const mw_scorer__masks *masks, const float *row, int64_t *state) {
    states(masks, row, state, count_avx512);
}

#endif

void mw_scorer__fill(const mw_scorer *scorer, const mw_scorer__values *from, int64_t n,
                     int8_t *block) {
    fill_fn *fn = fill_scalar;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX2) fn = fill_avx2;
    if (mw_cpu_level() == MW_CPU_AVX512) fn = fill_avx512;
#endif
    fn(scorer->masks, from, n, block);
    fill_sets(scorer, from, n, block);
}

void mw_scorer__states(const mw_scorer__masks *masks, const float *row, int64_t *state) {
    states_fn *fn = states_scalar;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX2) fn = states_avx2;
    if (mw_cpu_level() == MW_CPU_AVX512) fn = states_avx512;
#endif
    fn(masks, row, state);
}
