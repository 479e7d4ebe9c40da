/*
 * sort.h -- sorting of numbers as unsigned keys, in linear time and without libc's qsort (which
 * allocates outside our accounts).
 */
#ifndef MW_LEARN_STAT_SORT_H
#define MW_LEARN_STAT_SORT_H

#include <stdint.h>
#include <string.h>

#include "core/base/ctx.h"

/* Keys whose unsigned order is the order of the numbers; -0 equals +0; every NaN comes last. */
static inline uint32_t mw_sort_key_f32(float x) {
    if (__builtin_isnan(x)) return UINT32_MAX;
    x += 0.0F; /* -0 + 0 is +0 */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

static inline uint64_t mw_sort_key_f64(double x) {
    if (__builtin_isnan(x)) return UINT64_MAX;
    x += 0.0;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & UINT64_C(0x8000000000000000) ? ~bits : bits | UINT64_C(0x8000000000000000);
}

/*
 * mw_sort_u64 -- ascending by the bits from low_bit up; stable.
 *
 *   keys     [n] read and written
 *   scratch  [n] overwritten
 *   low_bit  0 sorts by the whole key; 32 by its upper half, keeping the order of equal halves
 *
 * Cost      at most eight passes (four from bit 32); bytes that are the same in all keys cost none.
 * Errors    MW_ECANCELED; keys are then in no order.
 */
mw_status mw_sort_u64(const mw_ctx *ctx, uint64_t *keys, uint64_t *scratch, int64_t n, int low_bit,
                      mw_err *err);

#endif
