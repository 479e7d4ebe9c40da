/*
 * pow10.h -- powers of ten in 128 bits, shared by number reading and printing. Internal to
 * core/text.
 *
 * What      entry k is g = ceil(10^k * 2^-r) with 2^127 <= g < 2^128. For k in 0..55 it is exact;
 *           elsewhere it is above the true value by less than one unit of its last bit.
 * Source    tools/generate-pow10.py computes it in exact integers.
 */
#ifndef MW_CORE_TEXT_POW10_H
#define MW_CORE_TEXT_POW10_H

#include <stdint.h>

enum { MW_POW10_FIRST = -342, MW_POW10_LAST = 324, MW_POW10_EXACT = 55 };

typedef struct mw_pow10 {
    uint64_t high, low;
} mw_pow10;

extern const mw_pow10 mw_pow10__table[MW_POW10_LAST - MW_POW10_FIRST + 1];

static inline mw_pow10 mw_pow10__of(int k) { return mw_pow10__table[k - MW_POW10_FIRST]; }

#endif
