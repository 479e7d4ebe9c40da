/*
 * scorer_match.h -- rows find their leaves without walking; included with GROUP, the bytes of a vector.
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
#ifndef MW_LEARN_TREE_SCORER_MATCH_H
#define MW_LEARN_TREE_SCORER_MATCH_H

#include <string.h>

#include "learn/tree/scorer_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { GROUPS = MW_SCORER__ROWS / GROUP, FEW_ROWS = 32, FEW_GROUPS = FEW_ROWS / GROUP };

typedef int8_t bytes __attribute__((vector_size(GROUP)));
typedef uint8_t wrapping __attribute__((vector_size(GROUP)));
typedef uint32_t words __attribute__((vector_size(GROUP)));

/* Of each byte of `ruled_out`, which is not all ones, the number of the lowest zero bit, plus `from`. */
INLINE void lowest(const bytes *ruled_out, const bytes *from, bytes *to) {
    const wrapping all = (wrapping)*ruled_out;
    const wrapping bit = ~all & (all + 1);
    const wrapping no0 = (wrapping)((bit & 0x55) != 0), no1 = (wrapping)((bit & 0x33) != 0);
    const wrapping no2 = (wrapping)((bit & 0x0F) != 0);
    *to = (bytes)((wrapping)*from + 7 + no0 + no1 + no1 + no2 + no2 + no2 + no2);
}

/* One plane: ORs together the masks of the nodes that send a row right. */
INLINE void rule_out(const mw_scorer__entry *entry, const mw_scorer__entry *end,
                     const int8_t *block, int n_groups, bytes *ruled_out) {
    const words none = {0};
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; g++) ruled_out[g] = (bytes)none;
    for (; entry < end; entry++) {
        const bytes *column = (const bytes *)(const void *)(block + entry->at);
        const words thresholds = none + entry->threshold, masks = none + entry->mask;
        const bytes threshold = (bytes)thresholds, mask = (bytes)masks;
#pragma GCC unroll 8
        for (int g = 0; g < n_groups; g++) ruled_out[g] |= ~(bytes)(threshold > column[g]) & mask;
    }
}

INLINE void match_groups(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                         int n_groups, uint8_t *leaf) {
    const int64_t first = masks->tree_planes[tree];
    const wrapping zero = {0};
    bytes found[GROUPS] = {{0}}, from[GROUPS] = {{0}}, now[GROUPS];
    for (int64_t p = masks->tree_planes[tree + 1] - 1; p >= first; p--) {
        const mw_scorer__entry *begin = masks->entries + masks->plane_entries[p];
        const mw_scorer__entry *end = masks->entries + masks->plane_entries[p + 1];
        rule_out(begin, end, block, n_groups, now);
        const wrapping numbers = zero + (uint8_t)(8 * (p - first));
        const bytes number = (bytes)numbers;
#pragma GCC unroll 8
        for (int g = 0; g < n_groups; g++) {
            const bytes none = (bytes)(now[g] == -1);
            found[g] = (now[g] & ~none) | (found[g] & none);
            from[g] = (number & ~none) | (from[g] & none);
        }
    }
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; g++) {
        bytes leaves;
        lowest(&found[g], &from[g], &leaves);
        memcpy(leaf + g * GROUP, &leaves, GROUP);
    }
}

INLINE void match(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                  uint8_t *leaf) {
    if (n > FEW_ROWS)
        match_groups(masks, tree, block, GROUPS, leaf);
    else
        match_groups(masks, tree, block, FEW_GROUPS, leaf);
}

#endif
