/*
 * histogram.c -- the inner loop of growing: 16-byte additions into slots chosen by bins.
 *
 * A row's bins stand together, so one or two cache lines feed all its columns; the lines of the rows to come are asked
 * for ahead. Both integers of a slot are added by one vector instruction that every x86-64 and arm64 has.
 */
#include "learn/tree/histogram.h"

enum { AHEAD = 24, LINE = 64 };

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));

void mw_scale_bits(int64_t n_rows, int *ret_count_bits, int *ret_h_bits) {
    int bits = 1;
    while (INT64_C(1) << bits <= n_rows) bits++;
    *ret_count_bits = bits;
    *ret_h_bits = 62 - 2 * bits < 30 ? 62 - 2 * bits : 30;
}

static inline pair_sum sum_of(mw_pair pair, int count_bits) {
    return (pair_sum){pair.g, (int64_t)pair.h << count_bits | 1};
}

static inline void ask_for(const uint8_t *bins, int32_t width, const mw_pair *pair) {
    __builtin_prefetch(pair);
    for (int32_t at = 0; at < width; at += LINE) __builtin_prefetch(bins + at);
    __builtin_prefetch(bins + width - 1);
}

static inline void add_row(const uint8_t *bins, const mw_bins_column *columns, int32_t width,
                           pair_sum pair, mw_slot *slots) {
    for (int32_t c = 0; c < width; c++) *(pair_sum *)&slots[columns[c].first + bins[c]] += pair;
}

/* Columns at even distances: four at a time, whose distances are part of the instructions. */
static inline void add_row_evenly(const uint8_t *bins, int32_t width, pair_sum pair,
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

void mw_histogram_add(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                      int count_bits, const uint32_t *rows, uint32_t first, int64_t n,
                      int32_t begin, int32_t end, mw_slot *slots) {
    const size_t stride = (size_t)bins->n_columns;
    const mw_bins_column *columns = bins->columns + begin;
    const uint8_t *table = binned->rows + begin;
    const int32_t width = end - begin;
    mw_slot *evenly = slots + (size_t)begin * MW_BINS_SLOTS;
    for (int64_t i = 0; i < n; i++) {
        const size_t row = rows ? rows[i] : first + (size_t)i;
        if (rows && i + AHEAD < n)
            ask_for(table + rows[i + AHEAD] * stride, width, &pairs[rows[i + AHEAD]]);
        const pair_sum pair = sum_of(pairs[row], count_bits);
        if (bins->evenly)
            add_row_evenly(table + row * stride, width, pair, evenly);
        else
            add_row(table + row * stride, columns, width, pair, slots);
    }
}

void mw_histogram_add_plainly(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                              int count_bits, const uint32_t *rows, uint32_t first, int64_t n,
                              int32_t begin, int32_t end, mw_slot *slots) {
    for (int64_t i = 0; i < n; i++) {
        const size_t row = rows ? rows[i] : first + (size_t)i;
        for (int32_t c = begin; c < end; c++) {
            const uint8_t bin = binned->columns[(size_t)c * (size_t)binned->n_rows + row];
            mw_slot *slot = &slots[bins->columns[c].first + bin];
            slot->g += pairs[row].g;
            slot->hn += (int64_t)pairs[row].h << count_bits | 1;
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
