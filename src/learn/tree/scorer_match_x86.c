/* scorer_match_x86.c -- scorer_match.h with 32-byte vectors, at both of the wider CPU levels. */
#define GROUP 32
#include "learn/tree/scorer_match.h"

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512 __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))

AVX2 void mw_scorer__match_avx2(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                                int64_t n, uint8_t *leaf) {
    match(masks, tree, block, n, leaf);
}

AVX512 void mw_scorer__match_avx512(const mw_scorer__masks *masks, int32_t tree,
                                    const int8_t *block, int64_t n, uint8_t *leaf) {
    match(masks, tree, block, n, leaf);
}

#endif
