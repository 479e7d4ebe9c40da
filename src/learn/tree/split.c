/*
 * split.c -- thresholds between bins, and sets of codes.
 *
 * Sums from the left grow bin by bin; both sides' gains come from one division, for plain gains some bins at a time
 * (split_scan.h). Where outputs are bounded (monotone columns, max_delta_step) the gain is that of the bounded outputs.
 */
#include "learn/tree/split.h"

#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/tree/split_scan.h"

typedef struct search {
    const mw_split_options *options;
    const mw_split_node *node;
    mw_scale scale;
    int monotone;
    int32_t column;
    bool bounded; /* outputs have bounds: gains follow them */
    double l2;
    double parent;  /* gain of the node, and min_gain_to_split */
    int64_t n_rows; /* of the node */
    double h;       /* of the node */
    bool plain;     /* gains are quotients of sums */
    mw_split *best;
} search;

static double soften(double g, double l1) {
    if (l1 <= 0) return g;
    double rest = mw_abs(g) - l1;
    return rest <= 0 ? 0 : g < 0 ? -rest : rest;
}

static double clip(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

double mw_split_output(const mw_split_options *options, mw_slot sum, mw_scale scale, double l2,
                       double low, double high) {
    double h = mw_slot_h(sum, scale) + l2;
    if (!(h > 0)) return clip(0, low, high);
    double output = -soften(mw_slot_g(sum, scale), options->lambda_l1) / h;
    if (options->max_delta_step > 0)
        output = clip(output, -options->max_delta_step, options->max_delta_step);
    return clip(output, low, high);
}

static double gain_of_output(double g, double h, double output) {
    return -(2 * g * output + h * output * output);
}

static double bounded_gain(const search *s, mw_slot left, mw_slot right) {
    const double low = s->node->low, high = s->node->high;
    double l = mw_split_output(s->options, left, s->scale, s->l2, low, high);
    double r = mw_split_output(s->options, right, s->scale, s->l2, low, high);
    if (s->monotone > 0 ? l > r : s->monotone < 0 ? l < r : false) return -MW_INFINITY;
    double gl = soften(mw_slot_g(left, s->scale), s->options->lambda_l1);
    double gr = soften(mw_slot_g(right, s->scale), s->options->lambda_l1);
    return gain_of_output(gl, mw_slot_h(left, s->scale) + s->l2, l) +
           gain_of_output(gr, mw_slot_h(right, s->scale) + s->l2, r);
}

static mw_slot rest_of(const search *s, mw_slot left) {
    return (mw_slot){s->node->sum.g - left.g, s->node->sum.hn - left.hn};
}

/* Enough rows and hessian on that side? */
static bool is_enough(const search *s, int64_t n, double h) {
    return n >= s->options->min_data_in_leaf && h >= s->options->min_sum_hessian_in_leaf;
}

/* Gain of both sides; -infinity when one is too small. */
static double gain_of(const search *s, mw_slot left) {
    const int64_t n = mw_slot_rows(left, s->scale);
    const double hl = mw_slot_h(left, s->scale), hr = s->h - hl;
    if (!is_enough(s, n, hl) || !is_enough(s, s->n_rows - n, hr) || n == 0 || n == s->n_rows)
        return -MW_INFINITY;
    const double dl = hl + s->l2, dr = hr + s->l2;
    if (!(dl > 0 && dr > 0)) return -MW_INFINITY;
    const mw_slot right = rest_of(s, left);
    if (s->bounded) return bounded_gain(s, left, right);
    const double gl = soften(mw_slot_g(left, s->scale), s->options->lambda_l1);
    const double gr = soften(mw_slot_g(right, s->scale), s->options->lambda_l1);
    return (gl * gl * dr + gr * gr * dl) / (dl * dr);
}

static bool is_better(const search *s, double gain) {
    double rise = gain - s->parent;
    return rise > 0 && (s->best->column < 0 || rise > s->best->gain);
}

static void take_threshold(search *s, int32_t bin, bool missing_left, mw_slot left, double gain) {
    if (!is_better(s, gain)) return;
    *s->best = (mw_split){.column = s->column,
                          .bin = bin,
                          .missing_left = missing_left,
                          .l2 = s->l2,
                          .gain = gain - s->parent,
                          .left = left};
}

/* Without missing rows at the node, those to come follow the larger side. */
static bool larger_side(const search *s, mw_slot left) {
    return 2 * mw_slot_rows(left, s->scale) >= s->n_rows;
}

/* Many thresholds whose gains are plain quotients: the same as below, some at a time. */
static void scan_thresholds(search *s, const mw_slot *slots, int32_t n_bins, int32_t n) {
    const mw_slot missing = slots[n_bins];
    mw_split__scan scan;
    mw_slot sum = {0, 0};
    for (int32_t b = 0; b < n; b++) {
        scan.g[b] = sum.g += slots[b].g;
        scan.hn[b] = sum.hn += slots[b].hn;
    }
    for (int32_t b = n; b < n + MW_SPLIT__BEYOND; b++) scan.g[b] = scan.hn[b] = 0;
    scan.n = n;
    scan.more = (mw_slot){0, 0};
    scan.sum = s->node->sum;
    scan.scale = s->scale;
    scan.l2 = s->l2;
    scan.parent = s->parent;
    scan.min_rows = s->options->min_data_in_leaf;
    scan.min_h = s->options->min_sum_hessian_in_leaf;
    int32_t at, other_at;
    double rise = mw_split__scan_best(&scan, &at);
    bool missing_left = n == n_bins - 1; /* none is missing: told by the larger side */
    if (!missing_left) {
        scan.more = missing;
        scan.n = n_bins - 1;
        const double other = mw_split__scan_best(&scan, &other_at);
        missing_left = other > rise || (other == rise && other_at < at);
        if (missing_left) {
            rise = other;
            at = other_at;
        }
    }
    if (!(rise > 0) || (s->best->column >= 0 && !(rise > s->best->gain))) return;
    const mw_slot left = {scan.g[at] + (missing_left ? scan.more.g : 0),
                          scan.hn[at] + (missing_left ? scan.more.hn : 0)};
    *s->best = (mw_split){.column = s->column,
                          .bin = at,
                          .missing_left = n == n_bins - 1 ? larger_side(s, left) : missing_left,
                          .l2 = s->l2,
                          .gain = rise,
                          .left = left};
}

static void find_threshold(search *s, const mw_slot *slots, int32_t n_bins) {
    const mw_slot missing = slots[n_bins];
    const bool any_missing = mw_slot_rows(missing, s->scale) > 0;
    if (s->plain && !s->node->drawn_by && mw_split__scans(s->scale)) {
        scan_thresholds(s, slots, n_bins, n_bins - 1 + any_missing);
        return;
    }
    int32_t from = 0, to = n_bins - 1 + any_missing;
    if (s->node->drawn_by && n_bins > 1) {
        mw_rng rng;
        mw_rng_init(&rng, s->node->drawn_by, (uint64_t)s->column, 0);
        int32_t low = 0, high = n_bins - 1;
        while (low < high && mw_slot_rows(slots[low], s->scale) == 0) low++;
        while (high > low && mw_slot_rows(slots[high], s->scale) == 0) high--;
        from = low + (high > low ? (int32_t)mw_rng_below(&rng, (uint64_t)(high - low)) : 0);
        to = from + 1;
    }
    mw_slot sum = {0, 0};
    for (int32_t b = 0; b < to; b++) {
        sum.g += slots[b].g;
        sum.hn += slots[b].hn;
        if (b < from) continue;
        if (!any_missing) {
            take_threshold(s, b, larger_side(s, sum), sum, gain_of(s, sum));
            continue;
        }
        take_threshold(s, b, false, sum, gain_of(s, sum));
        const mw_slot both = {sum.g + missing.g, sum.hn + missing.hn};
        if (b < n_bins - 1) take_threshold(s, b, true, both, gain_of(s, both));
    }
}

/* ---- sets of codes ---- */

static void take_set(search *s, const uint32_t set[8], mw_slot left, double gain) {
    if (!is_better(s, gain)) return;
    *s->best = (mw_split){
        .column = s->column, .by_set = true, .l2 = s->l2, .gain = gain - s->parent, .left = left};
    for (int i = 0; i < 8; i++) s->best->set[i] = set[i];
}

static void find_one_code(search *s, const mw_slot *slots, int32_t n_bins) {
    for (int32_t b = 0; b < n_bins; b++) {
        uint32_t set[8] = {0};
        set[b / 32] |= UINT32_C(1) << b % 32;
        take_set(s, set, slots[b], gain_of(s, slots[b]));
    }
}

/* Bins with enough rows in ascending order of G / (H + cat_smooth), the lower bin first among equals. */
static int32_t order_codes(const search *s, const mw_slot *slots, int32_t n_bins, int32_t *order) {
    double ratio[MW_BINS_MOST];
    int32_t n = 0;
    for (int32_t b = 0; b < n_bins; b++) {
        if (!((double)mw_slot_rows(slots[b], s->scale) >= s->options->cat_smooth) ||
            mw_slot_rows(slots[b], s->scale) == 0)
            continue;
        ratio[b] = mw_slot_g(slots[b], s->scale) /
                   (mw_slot_h(slots[b], s->scale) + s->options->cat_smooth);
        int32_t at = n++;
        for (; at > 0 && ratio[order[at - 1]] > ratio[b]; at--) order[at] = order[at - 1];
        order[at] = b;
    }
    return n;
}

/* Sets of the first 1, 2, ... codes of the order, or of the last. */
static void find_run(search *s, const mw_slot *slots, const int32_t *order, int32_t n,
                     bool backwards) {
    const int32_t half = (n + 1) / 2;
    const int32_t most =
        s->options->max_cat_threshold < half ? s->options->max_cat_threshold : half;
    uint32_t set[8] = {0};
    mw_slot sum = {0, 0};
    int64_t group = 0;
    for (int32_t i = 0; i < most; i++) {
        const int32_t b = order[backwards ? n - 1 - i : i];
        set[b / 32] |= UINT32_C(1) << b % 32;
        sum.g += slots[b].g;
        sum.hn += slots[b].hn;
        group += mw_slot_rows(slots[b], s->scale);
        const int64_t n_left = mw_slot_rows(sum, s->scale);
        if (!is_enough(s, n_left, mw_slot_h(sum, s->scale))) continue;
        if (s->n_rows - n_left < s->options->min_data_per_group) return;
        if (group < s->options->min_data_per_group) continue;
        group = 0;
        take_set(s, set, sum, gain_of(s, sum));
    }
}

static void find_set(search *s, const mw_slot *slots, int32_t n_bins) {
    int32_t order[MW_BINS_MOST];
    if (n_bins <= s->options->max_cat_to_onehot) {
        find_one_code(s, slots, n_bins);
        return;
    }
    s->l2 += s->options->cat_l2;
    int32_t n = order_codes(s, slots, n_bins, order);
    find_run(s, slots, order, n, false);
    find_run(s, slots, order, n, true);
}

void mw_split_find(const mw_split_options *options, const mw_bins_column *column, int32_t c,
                   const mw_slot *slots, const mw_split_node *node, mw_scale scale, int monotone,
                   mw_split *best) {
    search s = {.options = options,
                .node = node,
                .scale = scale,
                .monotone = monotone,
                .column = c,
                .l2 = options->lambda_l2,
                .n_rows = mw_slot_rows(node->sum, scale),
                .h = mw_slot_h(node->sum, scale),
                .best = best};
    s.bounded = monotone != 0 || options->max_delta_step > 0 || mw_isfinite(node->low) ||
                mw_isfinite(node->high);
    s.plain = !s.bounded && options->lambda_l1 <= 0;
    const double d = s.h + s.l2, g = soften(mw_slot_g(node->sum, scale), options->lambda_l1);
    if (!(d > 0)) return;
    const double output = mw_split_output(options, node->sum, scale, s.l2, node->low, node->high);
    s.parent = (s.bounded ? gain_of_output(g, d, output) : g * g / d) + options->min_gain_to_split;
    if (column->by_code)
        find_set(&s, slots, column->n_bins);
    else
        find_threshold(&s, slots, column->n_bins);
}
