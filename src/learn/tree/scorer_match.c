/*
 * scorer_match.c -- scorer_match.h with the 16-byte vectors that every 64-bit CPU has, and the choice among
 * CPU levels.
 */
#include "core/base/cpu.h"

#define GROUP 16
#include "learn/tree/scorer_match.h"

void mw_scorer__match(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                      uint8_t *leaf) {
#if defined(__x86_64__)
    const mw_cpu level = mw_cpu_level();
    if (level == MW_CPU_AVX512) {
        mw_scorer__match_avx512(masks, tree, block, n, leaf);
        return;
    }
    if (level == MW_CPU_AVX2) {
        mw_scorer__match_avx2(masks, tree, block, n, leaf);
        return;
    }
#endif
    match(masks, tree, block, n, leaf);
}
