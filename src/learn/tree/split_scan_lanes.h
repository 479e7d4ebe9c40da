/*
 * split_scan_lanes.h -- split_scan.h with the compiler's own vectors: one text for every CPU level. Included with LANES, the
 * numbers in a vector, SCAN, the function's name, and SCAN_TARGET, the CPUs that have such vectors: as an attribute of the
 * function itself, for a function's vectors are taken apart before it becomes part of another.
 */
#ifndef MW_LEARN_TREE_SPLIT_SCAN_LANES_H
#define MW_LEARN_TREE_SPLIT_SCAN_LANES_H

#include <string.h>

#include "core/base/math.h"
#include "learn/tree/split_scan.h"

static const double first_places[] = {0, 1, 2, 3, 4, 5, 6, 7};

SCAN_TARGET double SCAN(const mw_split__scan *s, int32_t *ret_at) {
    typedef int64_t ints __attribute__((vector_size(8 * LANES)));
    typedef uint64_t wholes __attribute__((vector_size(8 * LANES)));
    typedef double doubles __attribute__((vector_size(8 * LANES)));
    const ints zero = {0};
    const doubles nil = {0};
    /* A whole number below 2^51 is the end of a double's digits beside 2^52 + 2^51. */
    const ints magic = zero + INT64_C(0x4338000000000000);
    const doubles offset = (doubles)magic;
    const int count_bits = s->scale.count_bits;
    const uint64_t rows_mask = (UINT64_C(1) << count_bits) - 1;
    const double n_rows = (double)mw_slot_rows(s->sum, s->scale);
    const double h_all = mw_slot_h(s->sum, s->scale);
    const double min_rows = s->min_rows > 0 ? (double)s->min_rows : 1, n = s->n;
    doubles best = nil - MW_INFINITY, best_at = nil, at;
    memcpy(&at, first_places, sizeof at);
    for (int32_t b = 0; b < s->n; b += LANES, at += LANES) {
        ints g;
        wholes hn;
        memcpy(&g, s->g + b, sizeof g);
        memcpy(&hn, s->hn + b, sizeof hn);
        g += s->more.g;
        hn += (uint64_t)s->more.hn;
        const doubles rows = (doubles)((ints)(hn & rows_mask) + magic) - offset;
        const doubles rest = n_rows - rows;
        const doubles gl = ((doubles)(g + magic) - offset) * s->scale.g_unit;
        const doubles gr = ((doubles)(s->sum.g - g + magic) - offset) * s->scale.g_unit;
        const doubles hl = ((doubles)((ints)(hn >> count_bits) + magic) - offset) * s->scale.h_unit;
        const doubles hr = h_all - hl, dl = hl + s->l2, dr = hr + s->l2;
        const doubles rise = (gl * gl * dr + gr * gr * dl) / (dl * dr) - s->parent;
        const ints is_better = (rows >= min_rows) & (rest >= min_rows) & (hl >= s->min_h) &
                               (hr >= s->min_h) & (dl > 0) & (dr > 0) & (rise > best) & (at < n);
        best = (doubles)(((ints)rise & is_better) | ((ints)best & ~is_better));
        best_at = (doubles)(((ints)at & is_better) | ((ints)best_at & ~is_better));
    }
    double rises[LANES],
        places
            [LANES]; /* vectors stay in registers: gcc's address sanitizer does not align stacks for them */
    memcpy(rises, &best, sizeof rises);
    memcpy(places, &best_at, sizeof places);
    int first = 0;
    for (int i = 1; i < LANES; i++)
        if (rises[i] > rises[first] || (rises[i] == rises[first] && places[i] < places[first]))
            first = i;
    *ret_at = (int32_t)places[first];
    return rises[first];
}

#endif
