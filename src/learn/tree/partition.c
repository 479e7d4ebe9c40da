/*
 * partition.c -- each row is written to both sides and counts in one, without branches: through a small buffer, as what
 * is written beyond a side's end may be the other side's. AVX-512 closes the ranks of 16 rows at once.
 */
#include "learn/tree/partition.h"

#include <string.h>

#include "core/base/cpu.h"

enum { PART_ROWS = 512, LANES = 16, WORD_ROWS = 64 };

static uint32_t row_at(const uint32_t *rows, uint32_t first, int64_t i) {
    return rows ? rows[i] : first + (uint32_t)i;
}

static uint64_t mark_word(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows,
                          uint32_t first, int64_t begin, int64_t end) {
    uint64_t word = 0;
    for (int64_t i = begin; i < end; i++) {
        const uint32_t bin = bins[row_at(rows, first, i)];
        word |= (uint64_t)(left[bin / 32] >> bin % 32 & 1) << (i - begin);
    }
    return word;
}

/* Rows [begin, end) to the front of both buffers, behind those that are there. Returns the left ones. */
static size_t move_from(const uint32_t *rows, uint32_t first, const uint64_t *sides, int64_t begin,
                        int64_t end, size_t n_left, size_t n_right, uint32_t *to_left,
                        uint32_t *to_right) {
    for (int64_t i = begin; i < end; i++) {
        const size_t goes_left = sides[i / WORD_ROWS] >> i % WORD_ROWS & 1;
        to_left[n_left] = to_right[n_right] = row_at(rows, first, i);
        n_left += goes_left;
        n_right += 1 - goes_left;
    }
    return n_left;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))

static inline AVX512 __m512i sixteen_rows(const uint32_t *rows, uint32_t first, int64_t i) {
    if (rows) return _mm512_loadu_si512(rows + i);
    const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_add_epi32(_mm512_set1_epi32((int32_t)(first + (uint32_t)i)), steps);
}

static inline AVX512 __m512i sixteen_bins(const uint8_t *bins, const uint32_t *rows, uint32_t first,
                                          int64_t i) {
    if (!rows)
        return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(bins + first + (uint32_t)i)));
    const __m512i four_bytes = _mm512_i32gather_epi32(_mm512_loadu_si512(rows + i), bins, 1);
    return _mm512_and_si512(four_bytes, _mm512_set1_epi32(255));
}

/* Whole words. Returns the rows done. */
AVX512 static int64_t mark_by_16(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows,
                                 uint32_t first, int64_t n, uint64_t *sides) {
    const __m512i words =
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)left));
    const __m512i one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(31);
    int64_t i = 0;
    for (; i + WORD_ROWS <= n; i += WORD_ROWS) {
        uint64_t sum = 0;
        for (int k = 0; k < WORD_ROWS; k += LANES) {
            const __m512i bin = sixteen_bins(bins, rows, first, i + k);
            const __m512i word = _mm512_permutexvar_epi32(_mm512_srli_epi32(bin, 5), words);
            const __m512i bit = _mm512_sllv_epi32(one, _mm512_and_si512(bin, low));
            sum |= (uint64_t)_mm512_test_epi32_mask(word, bit) << k;
        }
        sides[i / WORD_ROWS] = sum;
    }
    return i;
}

AVX512 static int64_t move_by_16(const uint32_t *rows, uint32_t first, const uint64_t *sides,
                                 int64_t begin, int64_t end, size_t *n_left, uint32_t *to_left,
                                 uint32_t *to_right) {
    size_t n = 0;
    int64_t i = begin;
    for (; i + LANES <= end; i += LANES) {
        const __m512i row = sixteen_rows(rows, first, i);
        const __mmask16 side = (__mmask16)(sides[i / WORD_ROWS] >> i % WORD_ROWS);
        _mm512_storeu_si512(to_left + n, _mm512_maskz_compress_epi32(side, row));
        _mm512_storeu_si512(to_right + ((size_t)(i - begin) - n),
                            _mm512_maskz_compress_epi32((__mmask16)~side, row));
        n += (size_t)__builtin_popcount(side);
    }
    *n_left = n;
    return i;
}

#endif

int64_t mw_partition_mark(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows,
                          uint32_t first, int64_t n, uint64_t *sides) {
    int64_t done = 0, n_left = 0;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX512) done = mark_by_16(bins, left, rows, first, n, sides);
#endif
    for (; done < n; done += WORD_ROWS)
        sides[done / WORD_ROWS] =
            mark_word(bins, left, rows, first, done, done + WORD_ROWS < n ? done + WORD_ROWS : n);
    for (int64_t i = 0; i < n; i += WORD_ROWS) n_left += __builtin_popcountll(sides[i / WORD_ROWS]);
    return n_left;
}

void mw_partition_move(const uint32_t *rows, uint32_t first, int64_t n, const uint64_t *sides,
                       uint32_t *left_to, uint32_t *right_to) {
    uint32_t to_left[PART_ROWS + LANES] = {0}, to_right[PART_ROWS + LANES] = {0};
    for (int64_t begin = 0; begin < n; begin += PART_ROWS) {
        const int64_t end = n - begin < PART_ROWS ? n : begin + PART_ROWS;
        size_t n_left = 0;
        int64_t done = begin;
#if defined(__x86_64__)
        if (mw_cpu_level() == MW_CPU_AVX512)
            done = move_by_16(rows, first, sides, begin, end, &n_left, to_left, to_right);
#endif
        n_left = move_from(rows, first, sides, done, end, n_left, (size_t)(done - begin) - n_left,
                           to_left, to_right);
        const size_t n_right = (size_t)(end - begin) - n_left;
        memcpy(left_to, to_left, n_left * sizeof *left_to);
        memcpy(right_to, to_right, n_right * sizeof *right_to);
        left_to += n_left;
        right_to += n_right;
    }
}

void mw_partition(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows, uint32_t first,
                  int64_t n, uint32_t *left_to, uint32_t *right_to) {
    uint64_t sides[PART_ROWS / WORD_ROWS] = {0};
    for (int64_t at = 0; at < n; at += PART_ROWS) {
        const int64_t part = n - at < PART_ROWS ? n - at : PART_ROWS;
        const uint32_t *from = rows ? rows + at : NULL;
        const uint32_t from_first = first + (uint32_t)at;
        const int64_t n_left = mw_partition_mark(bins, left, from, from_first, part, sides);
        mw_partition_move(from, from_first, part, sides, left_to, right_to);
        left_to += n_left;
        right_to += part - n_left;
    }
}
