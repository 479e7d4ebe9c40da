/*
 * forest_bins_split.c -- the best split of one node on bins; criteria and conventions are forest_split.c's.
 *
 * One 16-byte addition a row and column into the slot of its bin; then the bins that the node holds are taken out in
 * ascending order as sums of all up to each, which leaves the slots empty, and candidates are valued from those sums, two
 * divisions at a time. With more than two classes rows are put in the order of their bins (counting sort) and counted one
 * by one, so that a column costs the same for any number of classes.
 */
#include <float.h>
#include <string.h>

#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17 };

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));
typedef double double2 __attribute__((vector_size(16)));

typedef struct search {
    mw_forest__bin_worker *worker;
    const mw_forest__bin_node *node;
    const uint32_t *index; /* of the node's first row on */
    const mw_forest__pair *pairs;
    int64_t n;
    double best; /* of the maximized quantity; -1: nothing yet */
    mw_forest__bin_split split;
    /* of the column looked at */
    mw_forest__column bins;
    int32_t n_found; /* its bins at this node, without missing ones: worker->found */
    mw_forest__pair missing;
    bool missing_left;
    int32_t best_at; /* candidate after found[best_at] became the best; -1: none did */
    bool best_missing_left;
} search;

/* ---- histograms ---- */

static inline void add_row(search *s, int64_t i, uint8_t bin) {
    *(pair_sum *)&s->worker->slots[bin] += *(const pair_sum *)&s->pairs[i];
}

/* Few rows: a bit for each bin tells which there are. */
static void sum_few(search *s) {
    mw_forest__bin_worker *worker = s->worker;
    uint64_t seen = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const uint8_t bin = s->bins.cells[s->index[i]];
        seen |= UINT64_C(1) << bin;
        add_row(s, i, bin);
    }
    s->missing = worker->slots[MW_FOREST__FEW];
    worker->slots[MW_FOREST__FEW] = (mw_forest__pair){0};
    pair_sum left = {0};
    int32_t n = 0;
    for (seen &= ~(UINT64_C(1) << MW_FOREST__FEW); seen > 0; seen &= seen - 1) {
        const int bin = __builtin_ctzll(seen);
        pair_sum *slot = (pair_sum *)&worker->slots[bin];
        left += *slot;
        *slot = (pair_sum){0};
        worker->found[n] = (uint8_t)bin;
        *(pair_sum *)&worker->lefts[n++] = left;
    }
    s->n_found = n;
}

static mw_status sum_many(search *s, mw_err *err) {
    mw_forest__bin_worker *worker = s->worker;
    for (int64_t begin = 0; begin < s->n; begin += ROWS_PER_CHECK) {
        const int64_t end = s->n - begin < ROWS_PER_CHECK ? s->n : begin + ROWS_PER_CHECK;
        for (int64_t i = begin; i < end; i++) add_row(s, i, s->bins.cells[s->index[i]]);
        mw_status status = s->n > ROWS_PER_CHECK / 16 ? mw_ctx_check(worker->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    s->missing = worker->slots[s->bins.n_bins];
    worker->slots[s->bins.n_bins] = (mw_forest__pair){0};
    pair_sum left = {0};
    int32_t n = 0;
    for (int32_t bin = 0; bin < s->bins.n_bins; bin++) {
        pair_sum *slot = (pair_sum *)&worker->slots[bin];
        const pair_sum sum = *slot;
        left += sum;
        *slot = (pair_sum){0};
        worker->found[n] = (uint8_t)bin;
        *(pair_sum *)&worker->lefts[n] = left;
        n += sum[1] > 0;
    }
    s->n_found = n;
    return MW_OK;
}

/* ---- candidates ---- */

/* Candidates lie after bins found[0]..found[end - 1]; behind the last one are the missing. */
static int32_t candidates_end(const search *s) {
    return s->missing.held > 0 && !s->missing_left ? s->n_found : s->n_found - 1;
}

/* Sums of the left side of a candidate. */
static inline mw_forest__pair left_of(const search *s, int32_t at) {
    const mw_forest__pair present = s->worker->lefts[at];
    return s->missing_left ? mw_forest__plus(present, s->missing) : present;
}

static inline void consider(search *s, int32_t at, double value) {
    if (!(value > s->best)) return;
    const int64_t least = s->worker->data->options.min_samples_leaf;
    const int64_t n_left = mw_forest__n_distinct(left_of(s, at));
    if (n_left < least || s->n - n_left < least) return;
    s->best = value;
    s->best_at = at;
    s->best_missing_left = s->missing_left;
}

static void scan_values(search *s) {
    const double total = (double)mw_forest__weight(s->node->sums);
    const double mean = (double)s->node->sums.sum / total;
    const int32_t end = candidates_end(s);
    for (int32_t i = 0; i < end; i += 2) {
        const mw_forest__pair a = left_of(s, i), b = left_of(s, i + 1);
        const double2 weight = {(double)mw_forest__weight(a), (double)mw_forest__weight(b)};
        const double2 sum = {(double)a.sum, (double)b.sum};
        const double2 distance = sum - weight * mean;
        const double2 value = distance * distance / (weight * (total - weight));
        consider(s, i, value[0]);
        if (i + 1 < end) consider(s, i + 1, value[1]);
    }
}

static uint64_t squared(int64_t count) { return (uint64_t)count * (uint64_t)count; }

static void scan_two_classes(search *s) {
    const int64_t total = mw_forest__weight(s->node->sums), ones = s->node->sums.sum;
    const int32_t end = candidates_end(s);
    for (int32_t i = 0; i < end; i++) {
        const mw_forest__pair left = left_of(s, i);
        const int64_t l = mw_forest__weight(left), r = total - l;
        const double2 squares = {(double)(squared(left.sum) + squared(l - left.sum)),
                                 (double)(squared(ones - left.sum) + squared(r - ones + left.sum))};
        const double2 shares = squares / (double2){(double)l, (double)r};
        consider(s, i, shares[0] + shares[1]);
    }
}

/* ---- more than two classes ---- */

/* order [n]: places of the node's rows by bin, missing ones last. */
static void order_rows(search *s, uint32_t *order) {
    int64_t starts[MW_FOREST__SLOTS], at = 0;
    for (int32_t i = 0; i < s->n_found; i++) {
        starts[s->worker->found[i]] = at;
        at = mw_forest__n_distinct(s->worker->lefts[i]);
    }
    starts[s->bins.n_bins] = at;
    for (int64_t i = 0; i < s->n; i++) order[starts[s->bins.cells[s->index[i]]]++] = (uint32_t)i;
}

static void count_missing(search *s, const uint32_t *order) {
    const int32_t n_classes = s->worker->data->options.n_classes;
    int64_t *counts = s->worker->counts + 2 * (int64_t)n_classes;
    memset(counts, 0, (size_t)n_classes * sizeof *counts);
    for (int64_t i = s->n - mw_forest__n_distinct(s->missing); i < s->n; i++) {
        const mw_forest__pair pair = s->pairs[order[i]];
        counts[pair.sum] += mw_forest__weight(pair);
    }
}

static void scan_classes(search *s, const uint32_t *order) {
    const int32_t n_classes = s->worker->data->options.n_classes;
    const int64_t *node = s->worker->counts;
    int64_t *left = s->worker->counts + n_classes;
    const int64_t *missing = left + n_classes;
    uint64_t left_squares = 0, right_squares = 0;
    for (int32_t c = 0; c < n_classes; c++) {
        left[c] = s->missing_left ? missing[c] : 0;
        left_squares += squared(left[c]);
        right_squares += squared(node[c] - left[c]);
    }
    const double total = (double)mw_forest__weight(s->node->sums);
    const int32_t end = candidates_end(s);
    for (int32_t i = 0, at = 0; i < end; i++) {
        for (; at < mw_forest__n_distinct(s->worker->lefts[i]); at++) {
            const mw_forest__pair pair = s->pairs[order[at]];
            const uint64_t w = (uint64_t)mw_forest__weight(pair);
            const int64_t c = pair.sum;
            left_squares += w * (2 * (uint64_t)left[c] + w);
            right_squares -= w * (2 * (uint64_t)(node[c] - left[c]) - w);
            left[c] += (int64_t)w;
        }
        const double l = (double)mw_forest__weight(left_of(s, i)), r = total - l;
        const double2 shares =
            (double2){(double)left_squares, (double)right_squares} / (double2){l, r};
        consider(s, i, shares[0] + shares[1]);
    }
}

/* ---- columns ---- */

static void scan(search *s) {
    const int32_t n_classes = s->worker->data->options.n_classes;
    if (n_classes == 0)
        scan_values(s);
    else if (n_classes == 2)
        scan_two_classes(s);
    else
        scan_classes(s, s->worker->scratch_index);
}

static void keep_best(search *s, int32_t feature, int32_t column) {
    const uint8_t *found = s->worker->found;
    const int32_t at = s->best_at;
    s->missing_left = s->best_missing_left;
    const mw_forest__pair left = left_of(s, at);
    s->split = (mw_forest__bin_split){.feature = feature,
                                      .column = column,
                                      .bin = found[at],
                                      .left = left,
                                      .missing_left = s->missing.held > 0
                                                          ? s->missing_left
                                                          : 2 * mw_forest__n_distinct(left) > s->n,
                                      .threshold = FLT_MAX};
    if (at + 1 < s->n_found)
        s->split.threshold =
            mw_forest__threshold(s->bins.high[found[at]], s->bins.low[found[at + 1]]);
}

/* Sets *ret_constant when the feature offers no split at all. */
static mw_status try_feature(search *s, int32_t feature, bool *ret_constant, mw_err *err) {
    mw_forest__bin_worker *worker = s->worker;
    const int32_t n_classes = worker->data->options.n_classes;
    const int32_t column = worker->data->columns[feature];
    *ret_constant = true;
    if (column < 0) return MW_OK;
    s->bins = mw_forest__column_of(worker, s->node, column);
    mw_status status = MW_OK;
    if (s->node->where == MW_FOREST__IN_FEW)
        sum_few(s);
    else
        status = sum_many(s, err);
    const bool any_missing = s->missing.held > 0;
    if (status != MW_OK || s->n_found == 0 || (s->n_found == 1 && !any_missing)) return status;
    *ret_constant = false;
    if (n_classes > 2) order_rows(s, worker->scratch_index);
    if (n_classes > 2 && any_missing) count_missing(s, worker->scratch_index);
    s->missing_left = false;
    s->best_at = -1;
    scan(s);
    s->missing_left = true;
    if (any_missing) scan(s);
    if (s->best_at >= 0) keep_best(s, feature, column);
    return MW_OK;
}

static double gain_of(const search *s) {
    const mw_forest__bin_worker *worker = s->worker;
    const int32_t n_classes = worker->data->options.n_classes;
    const double total = (double)mw_forest__weight(s->node->sums);
    if (n_classes == 0) return s->best * total;
    double squares = 0;
    for (int32_t c = 0; c < n_classes; c++)
        squares += (double)worker->counts[c] * (double)worker->counts[c];
    double gain = s->best - squares / total;
    return gain > 0 ? gain : 0;
}

mw_status mw_forest__bin_split_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                    mw_forest__bin_split *ret, mw_err *err) {
    const mw_forest__data *data = worker->data;
    search s = {.worker = worker,
                .node = node,
                .index = worker->index + node->begin,
                .pairs = worker->pairs + node->begin,
                .n = node->end - node->begin,
                .best = -1,
                .split = {.feature = -1}};
    int32_t n_seen = 0, n_constant = 0;
    while (n_seen < data->n_features && (n_seen < data->n_tried || n_seen == n_constant)) {
        const uint32_t feature =
            mw_forest__draw_feature(&worker->rng, worker->features, data->n_features, n_seen++);
        bool constant;
        mw_status status = try_feature(&s, (int32_t)feature, &constant, err);
        if (status != MW_OK) return status;
        n_constant += constant;
    }
    *ret = s.split;
    if (ret->feature >= 0) ret->gain = gain_of(&s);
    return MW_OK;
}
