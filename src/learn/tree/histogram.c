/*
 * histogram.c -- the inner loop of growing: additions into slots chosen by bins.
 *
 * A row's bins stand together, so one or two cache lines feed all its columns; the lines of the rows to come are asked
 * for ahead. Both integers of a slot are added by one vector instruction that every x86-64 and arm64 has. Narrow
 * gradients stand behind the row's bins and go a few thousand rows at a time into words of three fields and from there
 * into the slots.
 */
#include "learn/tree/histogram.h"

#include <string.h>

enum { AHEAD = 24, LINE = 64 };

/* A word's fields from the top: g in two's complement, h, rows. No field overflows in MOST_ROWS. */
enum {
    G_FIELD = 26,
    H_FIELD = 25,
    ROWS_FIELD = 13,
    MOST_ROWS = (1 << ROWS_FIELD) - 1,
    LEAST_ROWS = 512,  /* fewer are added at once: each time all words are emptied */
    BLOCK_COLUMNS = 32 /* 64 KiB of words at most; fewer read each pair more often and are slower */
};

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));
typedef uint64_t two_words __attribute__((vector_size(16), may_alias));

void mw_scale_bits(int64_t n_rows, int *ret_count_bits, int *ret_h_bits) {
    int bits = 1;
    while (INT64_C(1) << bits <= n_rows) bits++;
    *ret_count_bits = bits;
    *ret_h_bits = 62 - 2 * bits < 30 ? 62 - 2 * bits : 30;
}

static inline pair_sum sum_of(mw_pair pair, int count_bits) {
    return (pair_sum){pair.g, (int64_t)pair.h << count_bits | 1};
}

static inline uint64_t word_of(mw_pair pair) {
    return ((uint64_t)(int64_t)pair.g << (H_FIELD + ROWS_FIELD)) +
           ((uint64_t)pair.h << ROWS_FIELD) + 1;
}

/* A row's lines: those of the columns, and its last one, which may be another. */
static inline void ask_for(const uint8_t *row, int32_t begin, int32_t end, size_t last) {
    for (int32_t at = begin; at < end; at += LINE) __builtin_prefetch(row + at);
    if (last > 0) __builtin_prefetch(row + last);
}

/* Columns at even distances: four at a time, whose distances are part of the instructions. */
static inline void add_pair_evenly(const uint8_t *bins, int32_t width, pair_sum pair,
                                   mw_slot *slots) {
    int32_t c = 0;
    for (; c + 4 <= width; c += 4, slots += 4 * MW_BINS_SLOTS) {
        *(pair_sum *)&slots[bins[c]] += pair;
        *(pair_sum *)&slots[MW_BINS_SLOTS + bins[c + 1]] += pair;
        *(pair_sum *)&slots[2 * MW_BINS_SLOTS + bins[c + 2]] += pair;
        *(pair_sum *)&slots[3 * MW_BINS_SLOTS + bins[c + 3]] += pair;
    }
    for (; c < width; c++, slots += MW_BINS_SLOTS) *(pair_sum *)&slots[bins[c]] += pair;
}

static inline void add_word_evenly(const uint8_t *bins, int32_t width, uint64_t word,
                                   uint64_t *words) {
    int32_t c = 0;
    for (; c + 4 <= width; c += 4, words += 4 * MW_BINS_SLOTS) {
        uint32_t four;
        memcpy(&four, bins + c, sizeof four);
        words[four & 255] += word;
        words[MW_BINS_SLOTS + (four >> 8 & 255)] += word;
        words[2 * MW_BINS_SLOTS + (four >> 16 & 255)] += word;
        words[3 * MW_BINS_SLOTS + (four >> 24)] += word;
    }
    for (; c < width; c++, words += MW_BINS_SLOTS) words[bins[c]] += word;
}

/* Adds rows [n] to columns [begin, end) of the words or, without any, of the slots. */
static void add_rows(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                     mw_scale scale, const uint32_t *rows, uint32_t first, int64_t n, int32_t begin,
                     int32_t end, mw_slot *slots, uint64_t *words) {
    const size_t stride = binned->stride, evenly = (size_t)begin * MW_BINS_SLOTS;
    const mw_bins_column *columns = bins->columns + begin;
    const size_t last = stride > LINE || LINE % stride != 0 ? stride - 1 : 0;
    const int32_t width = end - begin;
    for (int64_t i = 0; i < n; i++) {
        const size_t row = rows ? rows[i] : first + (size_t)i;
        if (rows && i + AHEAD < n) {
            ask_for(binned->rows + rows[i + AHEAD] * stride, begin, end, last);
            if (!scale.narrow) __builtin_prefetch(&pairs[rows[i + AHEAD]]);
        }
        const uint8_t *at = binned->rows + row * stride + begin;
        const mw_pair both = scale.narrow ? mw_pair_get(binned, row) : pairs[row];
        const uint64_t word = word_of(both);
        const pair_sum pair = sum_of(both, scale.count_bits);
        if (words && bins->evenly)
            add_word_evenly(at, width, word, words + evenly);
        else if (words)
            for (int32_t c = 0; c < width; c++) words[columns[c].first + at[c]] += word;
        else if (bins->evenly)
            add_pair_evenly(at, width, pair, slots + evenly);
        else
            for (int32_t c = 0; c < width; c++)
                *(pair_sum *)&slots[columns[c].first + at[c]] += pair;
    }
}

/* Adds words [n], n even, to slots and leaves zeros. */
static void empty(uint64_t *words, size_t n, int count_bits, mw_slot *slots) {
    const uint64_t sign = UINT64_C(1) << (G_FIELD - 1);
    const uint64_t h_mask = (UINT64_C(1) << H_FIELD) - 1, rows_mask = MOST_ROWS;
    two_words *to = (two_words *)(void *)slots;
    for (size_t i = 0; i < n; i += 2) {
        two_words word;
        memcpy(&word, words + i, sizeof word);
        memset(words + i, 0, sizeof word);
        const two_words g = ((word >> (H_FIELD + ROWS_FIELD)) ^ sign) - sign;
        const two_words hn = ((word >> ROWS_FIELD & h_mask) << count_bits) + (word & rows_mask);
        to[i] += __builtin_shufflevector(g, hn, 0, 2);
        to[i + 1] += __builtin_shufflevector(g, hn, 1, 3);
    }
}

void mw_histogram_add(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                      mw_scale scale, const uint32_t *rows, uint32_t first, int64_t n,
                      int32_t begin, int32_t end, mw_slot *slots, uint64_t *words) {
    const mw_bins_column *last = &bins->columns[end - 1];
    const size_t from = bins->columns[begin].first & ~1U;
    const size_t to = last->first + (size_t)last->n_bins + 1;
    while (scale.narrow && n >= LEAST_ROWS) {
        const int64_t part = n < MOST_ROWS ? n : MOST_ROWS;
        for (int32_t c = begin; c < end; c += BLOCK_COLUMNS)
            add_rows(bins, binned, pairs, scale, rows, first, part, c,
                     c + BLOCK_COLUMNS < end ? c + BLOCK_COLUMNS : end, NULL, words);
        empty(words + from, to - from, scale.count_bits, slots + from);
        if (rows) rows += part;
        first += (uint32_t)part;
        n -= part;
    }
    add_rows(bins, binned, pairs, scale, rows, first, n, begin, end, slots, NULL);
}

void mw_histogram_add_plainly(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                              mw_scale scale, const uint32_t *rows, uint32_t first, int64_t n,
                              int32_t begin, int32_t end, mw_slot *slots) {
    for (int64_t i = 0; i < n; i++) {
        const size_t row = rows ? rows[i] : first + (size_t)i;
        for (int32_t c = begin; c < end; c++) {
            const uint8_t bin = binned->columns[(size_t)c * (size_t)binned->n_rows + row];
            mw_slot *slot = &slots[bins->columns[c].first + bin];
            slot->g += pairs[row].g;
            slot->hn += (int64_t)pairs[row].h << scale.count_bits | 1;
        }
    }
}

void mw_histogram_merge(mw_slot *to, const mw_slot *from, size_t n) {
    pair_sum *t = (pair_sum *)to;
    const pair_sum *f = (const pair_sum *)from;
    for (size_t i = 0; i < n; i++) t[i] += f[i];
}

void mw_histogram_subtract(mw_slot *to, const mw_slot *from, size_t n) {
    pair_sum *t = (pair_sum *)to;
    const pair_sum *f = (const pair_sum *)from;
    for (size_t i = 0; i < n; i++) t[i] -= f[i];
}
