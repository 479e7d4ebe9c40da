/*
 * split_scan_lanes.h -- split_scan.h with LANES numbers in a vector, as the function SCAN for the CPUs of TARGET; included by
 * split_scan.c.
 *
 * The vectors are the compiler's own: one text for every CPU level.
 */
TARGET static double SCAN(const mw_split__scan *s, int32_t *ret_at) {
    typedef int64_t ints __attribute__((vector_size(8 * LANES)));
    typedef double doubles __attribute__((vector_size(8 * LANES)));
    const ints zero = {0};
    const doubles nil = {0};
    /* A whole number below 2^51 is the end of a double's digits beside 2^52 + 2^51. */
    const ints magic = zero + INT64_C(0x4338000000000000);
    const doubles offset = (doubles)magic;
    const int count_bits = s->scale.count_bits;
    const int64_t rows_mask = (INT64_C(1) << count_bits) - 1;
    const int64_t n_rows = s->sum.hn & rows_mask;
    const double h_all = mw_slot_h(s->sum, s->scale);
    doubles best = nil - MW_INFINITY;
    ints best_at = zero, at = zero;
    for (int i = 0; i < LANES; i++) at[i] = i;
    for (int32_t b = 0; b < s->n; b += LANES, at += LANES) {
        ints g, hn;
        memcpy(&g, s->g + b, sizeof g);
        memcpy(&hn, s->hn + b, sizeof hn);
        g += s->more.g;
        hn += s->more.hn;
        const ints rows = hn & rows_mask, rest = n_rows - rows;
        const doubles gl = ((doubles)(g + magic) - offset) * s->scale.g_unit;
        const doubles gr = ((doubles)(s->sum.g - g + magic) - offset) * s->scale.g_unit;
        const doubles hl = ((doubles)((hn >> count_bits) + magic) - offset) * s->scale.h_unit;
        const doubles hr = h_all - hl, dl = hl + s->l2, dr = hr + s->l2;
        const doubles rise = (gl * gl * dr + gr * gr * dl) / (dl * dr) - s->parent;
        const ints is_better = (rows >= s->min_rows) & (rest >= s->min_rows) & (rows > 0) &
                               (rest > 0) & (hl >= s->min_h) & (hr >= s->min_h) & (dl > 0) &
                               (dr > 0) & (rise > best) & (at < s->n);
        best = (doubles)(((ints)rise & is_better) | ((ints)best & ~is_better));
        best_at = (at & is_better) | (best_at & ~is_better);
    }
    int first = 0;
    for (int i = 1; i < LANES; i++)
        if (best[i] > best[first] || (best[i] == best[first] && best_at[i] < best_at[first]))
            first = i;
    *ret_at = (int32_t)best_at[first];
    return best[first];
}

#undef LANES
#undef TARGET
#undef SCAN
