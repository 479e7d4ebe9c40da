/*
 * forest_split.c -- the best split of one node, by exact search (Breiman, Friedman, Olshen, Stone:
 * "Classification and Regression Trees", 1984, chapters 4 and 8), with scikit-learn's conventions:
 *
 *   features   drawn without replacement until n_tried were seen and one of them was not constant;
 *   missing    tried on the right (and alone against all others there), then on the left;
 *   threshold  half way between neighbors, so that x <= threshold separates them in float32;
 *   ties       the first candidate met wins: features in drawn order, thresholds ascending.
 *
 * Regression maximizes W / (wl wr) (sl - wl S / W)^2, the decrease of the sum of squares, written
 * so that it keeps its digits when the node's mean is large beside its spread. Classes maximize
 * sum(left counts^2) / wl + sum(right counts^2) / wr, which is Gini's decrease up to a constant.
 */
#include <float.h>
#include <string.h>

#include "learn/tree/forest_grow.h"

enum { CELLS_PER_CHECK = 1 << 17 }; /* 1 ms or less */

typedef struct search {
    mw_forest__worker *worker;
    const mw_forest__sums *node;
    const mw_forest__cell *cells; /* of the feature looked at, from the node's first */
    int64_t n_present;            /* cells before the first missing one */
    mw_forest__sums missing;
    bool missing_left;
    double best; /* of the maximized quantity; -1: nothing yet */
    mw_forest__split split;
} search;

static void keep_best(search *s, int32_t feature, int64_t at, double value) {
    s->best = value;
    s->split.feature = feature;
    s->split.by_set = false;
    s->split.missing_left = s->missing_left;
    bool all_present = at + 1 == s->n_present;
    s->split.threshold =
        all_present ? FLT_MAX : mw_forest__threshold(s->cells[at].value, s->cells[at + 1].value);
    if (s->missing.n == 0) s->split.missing_left = 2 * (at + 1) > s->node->n;
}

/* Candidates lie after cells first..last-1: both sides then have min_samples_leaf rows. */
static void candidate_range(const search *s, int64_t *first, int64_t *last) {
    const int64_t least = s->worker->data->options.min_samples_leaf;
    const int64_t extra = s->missing_left ? s->missing.n : 0;
    int64_t low = least - extra - 1;
    int64_t high = s->node->n - extra - least;
    /* The cell after the last present one is missing, which counts as a different value. */
    int64_t end = s->missing.n > 0 && !s->missing_left ? s->n_present : s->n_present - 1;
    *first = low > 0 ? low : 0;
    *last = high < end ? high : end;
}

static mw_status scan_regression(search *s, int32_t feature, mw_err *err) {
    const mw_forest__cell *cells = s->cells;
    const mw_forest__row *rows = s->worker->rows;
    const double total = (double)s->node->weight;
    const double mean = (double)s->node->sum / total;
    int64_t sum = s->missing_left ? s->missing.sum : 0;
    int64_t weight = s->missing_left ? s->missing.weight : 0;
    int64_t first, last;
    candidate_range(s, &first, &last);
    for (int64_t i = 0; i < last; i++) {
        const mw_forest__row *row = &rows[cells[i].row];
        sum += row->target;
        weight += row->weight;
        if (i % CELLS_PER_CHECK == CELLS_PER_CHECK - 1) {
            mw_status status = mw_ctx_check(s->worker->ctx, err);
            if (status != MW_OK) return status;
        }
        if (cells[i].value == cells[i + 1].value || i < first) continue;
        double left = (double)weight;
        double distance = (double)sum - left * mean;
        double value = distance * distance / (left * (total - left));
        if (value > s->best) keep_best(s, feature, i, value);
    }
    return MW_OK;
}

static mw_status scan_classes(search *s, int32_t feature, mw_err *err) {
    const mw_forest__cell *cells = s->cells;
    const mw_forest__row *rows = s->worker->rows;
    const int32_t n_classes = s->worker->data->options.n_classes;
    const int64_t *node = s->worker->counts;
    int64_t *left = s->worker->counts + n_classes;
    const int64_t *missing = left + n_classes;
    /* Sums of squared counts; below 2^64 because there are fewer than 2^32 rows. */
    uint64_t left_squares = 0, right_squares = 0;
    for (int32_t c = 0; c < n_classes; c++) {
        left[c] = s->missing_left ? missing[c] : 0;
        left_squares += (uint64_t)left[c] * (uint64_t)left[c];
        right_squares += (uint64_t)(node[c] - left[c]) * (uint64_t)(node[c] - left[c]);
    }
    const double total = (double)s->node->weight;
    int64_t weight = s->missing_left ? s->missing.weight : 0;
    int64_t first, last;
    candidate_range(s, &first, &last);
    for (int64_t i = 0; i < last; i++) {
        const mw_forest__row *row = &rows[cells[i].row];
        const uint64_t w = row->weight;
        const int64_t c = row->target;
        left_squares += w * (2 * (uint64_t)left[c] + w);
        right_squares -= w * (2 * (uint64_t)(node[c] - left[c]) - w);
        left[c] += (int64_t)w;
        weight += (int64_t)w;
        if (i % CELLS_PER_CHECK == CELLS_PER_CHECK - 1) {
            mw_status status = mw_ctx_check(s->worker->ctx, err);
            if (status != MW_OK) return status;
        }
        if (cells[i].value == cells[i + 1].value || i < first) continue;
        double l = (double)weight, r = total - l;
        double value = (double)left_squares / l + (double)right_squares / r;
        if (value > s->best) keep_best(s, feature, i, value);
    }
    return MW_OK;
}

static void sum_missing(search *s) {
    s->missing = (mw_forest__sums){0};
    const int32_t n_classes = s->worker->data->options.n_classes;
    int64_t *counts = s->worker->counts + 2 * (int64_t)n_classes;
    if (n_classes > 0) memset(counts, 0, (size_t)n_classes * sizeof *counts);
    for (int64_t i = s->n_present; i < s->node->n; i++) {
        const mw_forest__row *row = &s->worker->rows[s->cells[i].row];
        s->missing.n++;
        s->missing.weight += row->weight;
        if (n_classes > 0)
            counts[row->target] += row->weight;
        else
            s->missing.sum += row->target;
    }
}

static int64_t count_present(const mw_forest__cell *cells, int64_t n) {
    if (!__builtin_isnan(cells[n - 1].value)) return n;
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (__builtin_isnan(cells[middle].value))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Cells of one value are a group, missing ones too. */
static void group_cells(const search *s) {
    mw_forest__sets *sets = &s->worker->sets;
    const int32_t n_classes = s->worker->data->options.n_classes;
    mw_forest__group *group = NULL;
    mw_forest__sets_begin(sets);
    for (int64_t i = 0; i < s->node->n; i++) {
        const mw_forest__row *row = &s->worker->rows[s->cells[i].row];
        const int32_t code = i < s->n_present ? (int32_t)s->cells[i].value : -1;
        if (!group || group->code != code) group = mw_forest__sets_add(sets, code);
        group->n++;
        group->weight += row->weight;
        if (n_classes > 2)
            mw_forest__sets_count(sets, row->target, row->weight);
        else /* of values the weight is in the target */
            group->sum += n_classes ? row->target * row->weight : row->target;
    }
}

static void try_categories(search *s, int32_t feature) {
    mw_forest__worker *worker = s->worker;
    const bool two = worker->data->options.n_classes == 2;
    const mw_forest__set_node node = {.n = s->node->n,
                                      .weight = s->node->weight,
                                      .sum = two ? worker->counts[1] : s->node->sum,
                                      .least = worker->data->options.min_samples_leaf,
                                      .counts = worker->counts};
    group_cells(s);
    if (mw_forest__sets_search(&worker->sets, &node, &s->best))
        s->split = (mw_forest__split){.feature = feature, .by_set = true};
}

/* Sets *ret_constant when the feature offers no split at all. */
static mw_status try_feature(search *s, int32_t feature, bool *ret_constant, mw_err *err) {
    const int64_t n = s->node->n;
    s->n_present = count_present(s->cells, n);
    *ret_constant =
        s->n_present == 0 || (s->n_present == n && s->cells[0].value == s->cells[n - 1].value);
    if (*ret_constant) return MW_OK;
    if (mw_forest__is_by_code(s->worker->data, feature)) {
        try_categories(s, feature);
        return MW_OK;
    }
    mw_status (*scan)(search *, int32_t, mw_err *) =
        s->worker->data->options.n_classes > 0 ? scan_classes : scan_regression;
    s->missing = (mw_forest__sums){0};
    s->missing_left = false;
    if (s->n_present < n) sum_missing(s);
    mw_status status = scan(s, feature, err);
    if (status != MW_OK || s->n_present == n) return status;
    s->missing_left = true;
    return scan(s, feature, err);
}

static double gain_of(const search *s) {
    const mw_forest__worker *worker = s->worker;
    const int32_t n_classes = worker->data->options.n_classes;
    const double total = (double)s->node->weight;
    if (n_classes == 0) return s->best * total;
    double squares = 0;
    for (int32_t c = 0; c < n_classes; c++)
        squares += (double)worker->counts[c] * (double)worker->counts[c];
    double gain = s->best - squares / total;
    return gain > 0 ? gain : 0;
}

mw_status mw_forest__split_find(mw_forest__worker *worker, int64_t begin, int64_t end,
                                const mw_forest__sums *node, mw_forest__split *ret, mw_err *err) {
    const mw_forest__data *data = worker->data;
    search s = {.worker = worker, .node = node, .best = -1, .split = {.feature = -1}};
    int32_t n_seen = 0, n_constant = 0;
    while (n_seen < data->n_features && (n_seen < data->n_tried || n_seen == n_constant)) {
        const uint32_t feature =
            mw_forest__draw_feature(&worker->rng, worker->features, data->n_features, n_seen++);
        s.cells = worker->cells + (int64_t)feature * worker->n_drawn + begin;
        bool constant;
        mw_status status =
            end - begin > CELLS_PER_CHECK / 16 ? mw_ctx_check(worker->ctx, err) : MW_OK;
        if (status == MW_OK) status = try_feature(&s, (int32_t)feature, &constant, err);
        if (status != MW_OK) return status;
        n_constant += constant;
    }
    *ret = s.split;
    if (ret->feature >= 0) ret->gain = gain_of(&s);
    return MW_OK;
}
