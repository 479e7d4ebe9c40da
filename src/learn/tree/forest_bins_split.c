/*
 * forest_bins_split.c -- the best split of one node on bins; criteria and conventions are forest_split.c's.
 *
 * Values and two classes: one 16-byte addition a row and column into the slot of its bin, then one look at each bin that
 * the node holds. More classes: rows are put in the order of their bins (counting sort) and looked at one by one, so
 * that a column costs the same for any number of classes.
 */
#include <float.h>
#include <string.h>

#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17, FEW_ROWS = 64 };

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));

typedef struct search {
    mw_forest__bin_worker *worker;
    const mw_forest__bin_node *node;
    const uint32_t *index; /* of the node's first row on */
    const mw_forest__pair *pairs;
    int64_t n;
    double best; /* of the maximized quantity; -1: nothing yet */
    mw_forest__bin_split split;
    /* of the column looked at */
    int32_t feature, column, n_bins;
    const uint8_t *cells;
    uint8_t found[MW_FOREST__SLOTS]; /* its bins at this node, ascending, without missing ones */
    int32_t n_found;
    mw_forest__pair missing;
    bool missing_left;
} search;

/* ---- histograms ---- */

static inline void add_row(search *s, int64_t i, uint8_t bin) {
    *(pair_sum *)&s->worker->slots[bin] += *(const pair_sum *)&s->pairs[i];
}

/* Few rows: a bit for each bin tells which there are. */
static void fill_few(search *s) {
    uint64_t seen[MW_FOREST__SLOTS / 64] = {0};
    for (int64_t i = 0; i < s->n; i++) {
        const uint8_t bin = s->cells[s->index[i]];
        seen[bin / 64] |= UINT64_C(1) << bin % 64;
        add_row(s, i, bin);
    }
    int32_t n = 0;
    for (int32_t word = 0; word < MW_FOREST__SLOTS / 64; word++)
        for (uint64_t left = seen[word]; left > 0; left &= left - 1)
            s->found[n++] = (uint8_t)(64 * word + __builtin_ctzll(left));
    s->n_found = n;
}

static mw_status fill_many(search *s, mw_err *err) {
    for (int64_t begin = 0; begin < s->n; begin += ROWS_PER_CHECK) {
        const int64_t end = s->n - begin < ROWS_PER_CHECK ? s->n : begin + ROWS_PER_CHECK;
        for (int64_t i = begin; i < end; i++) add_row(s, i, s->cells[s->index[i]]);
        mw_status status =
            end - begin > ROWS_PER_CHECK / 16 ? mw_ctx_check(s->worker->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    int32_t n = 0;
    for (int32_t bin = 0; bin <= s->n_bins; bin++) {
        s->found[n] = (uint8_t)bin;
        n += s->worker->slots[bin].held > 0;
    }
    s->n_found = n;
    return MW_OK;
}

static void clear_slots(search *s) {
    for (int32_t i = 0; i < s->n_found; i++) s->worker->slots[s->found[i]] = (mw_forest__pair){0};
    s->worker->slots[s->n_bins] = (mw_forest__pair){0};
}

/* ---- candidates ---- */

static void keep_best(search *s, int32_t at, mw_forest__pair left, double value) {
    const bool all_present = at + 1 == s->n_found;
    const uint32_t first = s->worker->data->bins->columns[s->column].first;
    s->best = value;
    s->split.feature = s->feature;
    s->split.column = s->column;
    s->split.bin = s->found[at];
    s->split.left = left;
    s->split.missing_left = s->missing_left;
    s->split.threshold = all_present
                             ? FLT_MAX
                             : mw_forest__threshold(s->worker->data->high[first + s->found[at]],
                                                    s->worker->data->low[first + s->found[at + 1]]);
    if (s->missing.held == 0) s->split.missing_left = 2 * mw_forest__n_distinct(left) > s->n;
}

/* Candidates lie after bins found[0]..found[end - 1]; behind the last one are the missing. */
static int32_t candidates_end(const search *s) {
    return s->missing.held > 0 && !s->missing_left ? s->n_found : s->n_found - 1;
}

/* Have both sides min_samples_leaf rows, where `n_left` go left? */
static inline bool is_allowed(const search *s, int64_t n_left) {
    const int64_t least = s->worker->data->options.min_samples_leaf;
    return n_left >= least && s->n - n_left >= least;
}

static void scan_values(search *s) {
    const double total = (double)mw_forest__weight(s->node->sums);
    const double mean = (double)s->node->sums.sum / total;
    mw_forest__pair left = s->missing_left ? s->missing : (mw_forest__pair){0};
    const int32_t end = candidates_end(s);
    for (int32_t i = 0; i < end; i++) {
        left = mw_forest__plus(left, s->worker->slots[s->found[i]]);
        const double weight = (double)mw_forest__weight(left);
        const double distance = (double)left.sum - weight * mean;
        const double value = distance * distance / (weight * (total - weight));
        if (value > s->best && is_allowed(s, mw_forest__n_distinct(left)))
            keep_best(s, i, left, value);
    }
}

static uint64_t squared(int64_t count) { return (uint64_t)count * (uint64_t)count; }

static void scan_two_classes(search *s) {
    const int64_t total = mw_forest__weight(s->node->sums), ones = s->node->sums.sum;
    mw_forest__pair left = s->missing_left ? s->missing : (mw_forest__pair){0};
    const int32_t end = candidates_end(s);
    for (int32_t i = 0; i < end; i++) {
        left = mw_forest__plus(left, s->worker->slots[s->found[i]]);
        const int64_t l = mw_forest__weight(left), r = total - l;
        const uint64_t left_squares = squared(left.sum) + squared(l - left.sum);
        const uint64_t right_squares = squared(ones - left.sum) + squared(r - (ones - left.sum));
        const double value = (double)left_squares / (double)l + (double)right_squares / (double)r;
        if (value > s->best && is_allowed(s, mw_forest__n_distinct(left)))
            keep_best(s, i, left, value);
    }
}

/* ---- more than two classes ---- */

/* order [n]: places of the node's rows by bin, missing ones last. slots[bin].held counts distinct rows meanwhile. */
static void order_rows(search *s, uint32_t *order) {
    int64_t starts[MW_FOREST__SLOTS], at = 0;
    for (int32_t i = 0; i < s->n_found; i++) {
        starts[s->found[i]] = at;
        at += mw_forest__n_distinct(s->worker->slots[s->found[i]]);
    }
    starts[s->n_bins] = at;
    for (int64_t i = 0; i < s->n; i++) order[starts[s->cells[s->index[i]]]++] = (uint32_t)i;
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
    mw_forest__pair sums = s->missing_left ? s->missing : (mw_forest__pair){0};
    const int32_t end = candidates_end(s);
    for (int32_t i = 0; i < end; i++) {
        const mw_forest__pair slot = s->worker->slots[s->found[i]];
        for (int64_t n = mw_forest__n_distinct(slot); n > 0; n--) {
            const mw_forest__pair pair = s->pairs[*order++];
            const uint64_t w = (uint64_t)mw_forest__weight(pair);
            const int64_t c = pair.sum;
            left_squares += w * (2 * (uint64_t)left[c] + w);
            right_squares -= w * (2 * (uint64_t)(node[c] - left[c]) - w);
            left[c] += (int64_t)w;
        }
        sums = mw_forest__plus(sums, slot);
        const double l = (double)mw_forest__weight(sums), r = total - l;
        const double value = (double)left_squares / l + (double)right_squares / r;
        if (value > s->best && is_allowed(s, mw_forest__n_distinct(sums)))
            keep_best(s, i, sums, value);
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

/* Sets *ret_constant when the feature offers no split at all. */
static mw_status try_feature(search *s, int32_t feature, bool *ret_constant, mw_err *err) {
    const mw_forest__data *data = s->worker->data;
    *ret_constant = true;
    s->feature = feature;
    s->column = data->columns[feature];
    if (s->column < 0) return MW_OK;
    s->n_bins = data->bins->columns[s->column].n_bins;
    s->cells = mw_forest__cells(s->worker, s->node, s->column);
    mw_status status = MW_OK;
    if (s->n <= FEW_ROWS)
        fill_few(s);
    else
        status = fill_many(s, err);
    if (status != MW_OK) return status;
    s->missing = s->worker->slots[s->n_bins];
    s->missing_left = false;
    if (s->missing.held > 0) s->n_found--;
    *ret_constant = s->n_found == 0 || (s->n_found == 1 && s->missing.held == 0);
    if (!*ret_constant) {
        if (data->options.n_classes > 2) order_rows(s, s->worker->scratch_index);
        if (data->options.n_classes > 2 && s->missing.held > 0)
            count_missing(s, s->worker->scratch_index);
        scan(s);
        s->missing_left = true;
        if (s->missing.held > 0) scan(s);
    }
    clear_slots(s);
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
