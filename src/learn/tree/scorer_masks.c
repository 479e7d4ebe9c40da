/*
 * scorer_masks.c -- 32 rows at a time find their leaves without walking.
 *
 * A row's leaf in a tree is the leftmost that no node rules out; a node that sends the row right rules
 * out the leaves below its left child, in any order of nodes (QuickScorer: Lucchese et al., SIGIR 2015;
 * vectorized: SIGIR 2016). There thresholds are float32 and a row's mask has a bit per leaf; here both
 * are bytes. A block of rows first turns each value into its rank among the model's thresholds of that
 * feature (a search through a tree of 16 children), in columns of bytes; a tree then takes its leaves
 * in planes of eight, a byte a row, so that its masks stay in registers and a vector holds 32 rows.
 * Missing values and sets are nothing special: they only decide which bytes a column has.
 *
 * The vectors are the compiler's own: one text for every CPU level.
 */
#include <string.h>

#include "core/base/cpu.h"
#include "learn/tree/scorer_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = MW_SCORER__ROWS, GROUP = MW_SCORER__GROUP, GROUPS = ROWS / GROUP };

typedef int8_t bytes __attribute__((vector_size(GROUP)));
typedef uint32_t words __attribute__((vector_size(GROUP)));

size_t mw_scorer__block_bytes(const mw_scorer__masks *masks) {
    return ((size_t)masks->n_columns + (size_t)masks->n_set_columns) * ROWS + 64;
}

/* ---- ranks ---- */

/* How many of 16 thresholds are below x. */
typedef int count_fn(const float *thresholds, float x);

INLINE int count_scalar(const float *thresholds, float x) {
    int n = 0;
    for (int i = 0; i < 16; i++) n += thresholds[i] < x;
    return n;
}

/* Missing values have rank 0. */
INLINE int32_t rank_of(const mw_scorer__ranks *ranks, float x, int n_levels, count_fn *count) {
    int32_t rank = 0;
    for (int i = 0; i < n_levels; i++)
        rank = 16 * rank + count(ranks->levels[i] + 16 * (int64_t)rank, x);
    return rank;
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

typedef void fill_fn(const mw_scorer__masks *masks, const float *rows, int64_t stride, int64_t n,
                     int8_t *block);

INLINE void fill(const mw_scorer__masks *masks, const float *rows, int64_t stride, int64_t n,
                 int8_t *block, count_fn *count) {
    for (int32_t i = 0; i < masks->n_ranks; i++) {
        const mw_scorer__ranks *r = &masks->ranks[i];
        const float *x = rows + r->feature;
        if (r->n_levels == 1)
            fill_levels(masks, r, x, stride, n, 1, block, count);
        else if (r->n_levels == 2)
            fill_levels(masks, r, x, stride, n, 2, block, count);
        else
            fill_levels(masks, r, x, stride, n, r->n_levels, block, count);
    }
}

static void fill_scalar(const mw_scorer__masks *masks, const float *rows, int64_t stride, int64_t n,
                        int8_t *block) {
    fill(masks, rows, stride, n, block, count_scalar);
}

static void fill_sets(const mw_scorer *scorer, const float *rows, int64_t n, int8_t *block) {
    const mw_scorer__masks *masks = scorer->masks;
    for (int32_t c = 0; c < masks->n_set_columns; c++) {
        const mw_scorer__set_column *column = &masks->set_columns[c];
        int8_t *to = block + ((int64_t)masks->n_columns + c) * ROWS;
        const float *x = rows + column->feature;
        for (int64_t i = 0; i < n; i++, x += scorer->trees->n_features) {
            const bool left = __builtin_isnan(*x) ? column->missing_left
                                                  : mw_trees_in_set(scorer->trees, column->set, *x);
            to[i] = left ? -128 : 127;
        }
    }
}

/* ---- leaves ---- */

/* Of each byte of `ruled_out`, which is not all ones, the number of the lowest zero bit, plus `from`. */
INLINE void lowest(const bytes *ruled_out, const bytes *from, bytes *to) {
    const bytes one = *ruled_out & 0;
    const bytes bit = ~*ruled_out & (*ruled_out + (one + 1));
    const bytes no0 = (bytes)((bit & 0x55) != 0), no1 = (bytes)((bit & 0x33) != 0);
    const bytes no2 = (bytes)((bit & 0x0F) != 0);
    *to = *from + 7 + no0 + no1 + no1 + no2 + no2 + no2 + no2;
}

/* One plane: ORs together the masks of the nodes that send a row right. */
INLINE void rule_out(const mw_scorer__entry *entry, const mw_scorer__entry *end,
                     const int8_t *block, int n_groups, bytes *ruled_out) {
#pragma GCC unroll 4
    for (int g = 0; g < n_groups; g++) ruled_out[g] = (bytes){0};
    for (; entry < end; entry++) {
        const bytes *column = (const bytes *)(const void *)(block + entry->at);
        const bytes threshold = (bytes)((words){0} + entry->threshold);
        const bytes mask = (bytes)((words){0} + entry->mask);
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) ruled_out[g] |= ~(bytes)(threshold > column[g]) & mask;
    }
}

INLINE void match_groups(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                         int n_groups, uint8_t *leaf) {
    const int64_t first = masks->tree_planes[tree];
    bytes found[GROUPS] = {{0}}, from[GROUPS] = {{0}}, now[GROUPS];
    for (int64_t p = masks->tree_planes[tree + 1] - 1; p >= first; p--) {
        const mw_scorer__entry *begin = masks->entries + masks->plane_entries[p];
        const mw_scorer__entry *end = masks->entries + masks->plane_entries[p + 1];
        rule_out(begin, end, block, n_groups, now);
        const bytes number = (bytes){0} + (int8_t)(8 * (p - first));
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) {
            const bytes none = (bytes)(now[g] == -1);
            found[g] = (now[g] & ~none) | (found[g] & none);
            from[g] = (number & ~none) | (from[g] & none);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < n_groups; g++) {
        bytes numbers;
        lowest(&found[g], &from[g], &numbers);
        memcpy(leaf + g * GROUP, &numbers, GROUP);
    }
}

typedef void match_fn(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                      uint8_t *leaf);

INLINE void match(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                  uint8_t *leaf) {
    if (n > GROUP)
        match_groups(masks, tree, block, GROUPS, leaf);
    else
        match_groups(masks, tree, block, 1, leaf);
}

static void match_scalar(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                         int64_t n, uint8_t *leaf) {
    match(masks, tree, block, n, leaf);
}

/* ---- levels ---- */

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512 __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))

AVX2 INLINE int count_avx2(const float *thresholds, float x) {
    const __m256 all = _mm256_set1_ps(x);
    const __m256 low = _mm256_cmp_ps(_mm256_load_ps(thresholds), all, _CMP_LT_OQ);
    const __m256 high = _mm256_cmp_ps(_mm256_load_ps(thresholds + 8), all, _CMP_LT_OQ);
    const unsigned bits = (unsigned)_mm256_movemask_ps(low) | (unsigned)_mm256_movemask_ps(high)
                                                                  << 8;
    return __builtin_popcount(bits);
}

AVX512 INLINE int count_avx512(const float *thresholds, float x) {
    const __m512 some = _mm512_load_ps(thresholds);
    return __builtin_popcount(_mm512_cmp_ps_mask(some, _mm512_set1_ps(x), _CMP_LT_OQ));
}

AVX2 static void fill_avx2(const mw_scorer__masks *masks, const float *rows, int64_t stride,
                           int64_t n, int8_t *block) {
    fill(masks, rows, stride, n, block, count_avx2);
}

AVX512 static void fill_avx512(const mw_scorer__masks *masks, const float *rows, int64_t stride,
                               int64_t n, int8_t *block) {
    fill(masks, rows, stride, n, block, count_avx512);
}

AVX2 static void match_avx2(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                            int64_t n, uint8_t *leaf) {
    match(masks, tree, block, n, leaf);
}

AVX512 static void match_avx512(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                                int64_t n, uint8_t *leaf) {
    match(masks, tree, block, n, leaf);
}

#endif

void mw_scorer__fill(const mw_scorer *scorer, const float *rows, int64_t n, int8_t *block) {
    fill_fn *fn = fill_scalar;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX2) fn = fill_avx2;
    if (mw_cpu_level() == MW_CPU_AVX512) fn = fill_avx512;
#endif
    fn(scorer->masks, rows, scorer->trees->n_features, n, block);
    fill_sets(scorer, rows, n, block);
}

void mw_scorer__match(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                      uint8_t *leaf) {
    match_fn *fn = match_scalar;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX2) fn = match_avx2;
    if (mw_cpu_level() == MW_CPU_AVX512) fn = match_avx512;
#endif
    fn(masks, tree, block, n, leaf);
}
