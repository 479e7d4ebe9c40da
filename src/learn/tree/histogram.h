/*
 * histogram.h -- sums of gradients, hessians and rows by bin, in integers.
 *
 * What      a gradient pair is two integers, in powers of two of the objective's unit; a slot sums them exactly, so
 *           that sums do not depend on order, threads or blocks, and a sibling is the parent less the other child.
 * Shapes    a histogram is [n_slots] of mw_slot; the slot of bin b of column c is columns[c].first + b.
 * Narrow    gradients of few bits are added in words of 8 bytes that hold all three sums of a few thousand rows: the same
 *           sums in slots that are half as wide, which is nearly twice as fast where a level-1 cache holds them.
 * Cost      about one addition of 16 (8) bytes a row and column; rows are fetched ahead.
 * Source    integers after Shi et al., "Quantized training of gradient boosting decision trees", NeurIPS 2022, with
 *           30 or 12 bits instead of their 2 to 5.
 */
#ifndef MW_LEARN_TREE_HISTOGRAM_H
#define MW_LEARN_TREE_HISTOGRAM_H

#include <string.h>

#include "learn/tree/bins.h"

/* One row's gradient and hessian in units of 2^-g_shift and 2^-h_shift. */
typedef struct mw_pair {
    int32_t g;
    uint32_t h;
} mw_pair;

/* g: sum of g. hn: sum of h << count_bits | rows. */
typedef struct mw_slot {
    int64_t g, hn;
} mw_slot;

/* What the integers mean. */
typedef struct mw_scale {
    double g_unit, h_unit; /* powers of two */
    int count_bits;        /* hold the number of rows */
    bool narrow;           /* |g| <= 2^MW_NARROW_G_BITS, h <= 2^MW_NARROW_H_BITS */
} mw_scale;

enum { MW_NARROW_G_BITS = 12, MW_NARROW_H_BITS = 12 };

static inline int64_t mw_slot_rows(mw_slot s, mw_scale scale) {
    return s.hn & ((INT64_C(1) << scale.count_bits) - 1);
}
static inline double mw_slot_g(mw_slot s, mw_scale scale) { return (double)s.g * scale.g_unit; }
static inline double mw_slot_h(mw_slot s, mw_scale scale) {
    return (double)(s.hn >> scale.count_bits) * scale.h_unit;
}

/* A narrow pair is the word at the end of its row's bins: what an addition needs is in one line. */
static inline void mw_pair_put(const mw_binned *binned, size_t row, mw_pair pair) {
    const int32_t both = (int32_t)((uint32_t)pair.g << (MW_NARROW_H_BITS + 1) | pair.h);
    memcpy(binned->rows + (row + 1) * binned->stride - sizeof both, &both, sizeof both);
}
static inline mw_pair mw_pair_get(const mw_binned *binned, size_t row) {
    int32_t both;
    memcpy(&both, binned->rows + (row + 1) * binned->stride - sizeof both, sizeof both);
    return (mw_pair){both >> (MW_NARROW_H_BITS + 1),
                     (uint32_t)both & ((2U << MW_NARROW_H_BITS) - 1)};
}

/* Bits that a row count and, beside it, a hessian may have: sums of n_rows never overflow 63 bits. */
void mw_scale_bits(int64_t n_rows, int *ret_count_bits, int *ret_h_bits);

/*
 * Adds rows [n] (row numbers; NULL: first, first + 1, ...) to columns [begin, end) of the histogram.
 *
 *   pairs    [n_rows of the table] by row number; not read when scale.narrow: mw_pair_put has put them
 *   words    [n_slots] zeros, and zeros again afterwards; used when scale.narrow
 */
void mw_histogram_add(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                      mw_scale scale, const uint32_t *rows, uint32_t first, int64_t n,
                      int32_t begin, int32_t end, mw_slot *slots, uint64_t *words);

/* The plain loop, which reads pairs: the oracle of mw_histogram_add. */
void mw_histogram_add_plainly(const mw_bins *bins, const mw_binned *binned, const mw_pair *pairs,
                              mw_scale scale, const uint32_t *rows, uint32_t first, int64_t n,
                              int32_t begin, int32_t end, mw_slot *slots);

/* to += from; to -= from: [n] slots. */
void mw_histogram_merge(mw_slot *to, const mw_slot *from, size_t n);
void mw_histogram_subtract(mw_slot *to, const mw_slot *from, size_t n);

#endif
