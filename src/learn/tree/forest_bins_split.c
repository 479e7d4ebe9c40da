/*
 * forest_bins_split.c -- the best split of one node on bins; criteria and conventions are forest_split.c's.
 *
 * A column comes as the sums up to each bin that the node holds (forest_bins_sums.c); candidates are valued from those, two
 * divisions at a time. More than two classes have a search of their own (forest_bins_classes.c). Class weights are applied
 * to counts, in float64.
 *
 * Extremely randomized trees (Geurts, Ernst, Wehenkel: "Extremely randomized trees", Machine Learning 63, 2006) have one
 * candidate a column, at a threshold drawn between the node's least and greatest value.
 */
#include <float.h>
#include <string.h>

#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17 };

typedef double double2 __attribute__((vector_size(16)));

typedef struct search {
    mw_forest__bin_worker *worker;
    const mw_forest__bin_node *node;
    const uint32_t *index; /* of the node's first row on */
    const mw_forest__pair *pairs;
    int64_t n;
    double total, mean; /* weight; target */
    double best;        /* of the maximized quantity; -1: nothing yet */
    mw_forest__bin_split split;
    /* of the column looked at */
    mw_forest__column bins;
    int32_t n_found; /* its bins at this node, without missing ones: worker->found */
    mw_forest__pair missing;
    bool missing_left;
    int32_t begin, end; /* of the candidates */
    int32_t drawn_at;   /* random thresholds: the only candidate, and where it lies */
    float drawn;
    int32_t best_at; /* candidate after found[best_at] became the best; -1: none did */
    bool best_missing_left;
} search;

/* ---- candidates ---- */

/* Candidates lie after bins found[begin]..found[end - 1]; behind the last one are the missing. */
static void set_range(search *s) {
    const bool with_last = s->missing.held > 0 && !s->missing_left;
    s->begin = 0;
    s->end = with_last ? s->n_found : s->n_found - 1;
    if (!s->worker->data->options.random_thresholds || s->n_found < 2) return;
    s->begin = s->drawn_at;
    s->end = s->drawn_at + 1;
}

/* One threshold for the node's range of values; where it falls into a bin, all of that bin is above it. */
static void draw_threshold(search *s) {
    const uint8_t *found = s->worker->found;
    const double low = (double)s->bins.low[found[0]];
    const double high = (double)s->bins.high[found[s->n_found - 1]];
    const float drawn = (float)(low + mw_rng_uniform(&s->worker->rng) * (high - low));
    int32_t at = 0;
    while (at + 2 < s->n_found && s->bins.high[found[at + 1]] <= drawn) at++;
    const float left = s->bins.high[found[at]], right = s->bins.low[found[at + 1]];
    s->drawn_at = at;
    s->drawn = drawn >= left && drawn < right ? drawn : mw_forest__threshold(left, right);
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

/* What regression maximizes, of two candidates by the sums of their left sides. */
static inline double2 value_of(const search *s, mw_forest__pair a, mw_forest__pair b) {
    const double2 weight = {(double)mw_forest__weight(a), (double)mw_forest__weight(b)};
    const double2 sum = {(double)a.sum, (double)b.sum};
    const double2 distance = sum - weight * s->mean;
    return distance * distance / (weight * (s->total - weight));
}

static uint64_t squared(int64_t count) { return (uint64_t)count * (uint64_t)count; }

static double value_of_weighted(const search *s, mw_forest__pair left) {
    const double *w = s->worker->class_weights;
    const int64_t ones = s->node->sums.sum - left.sum;
    const int64_t zeros = mw_forest__weight(s->node->sums) - mw_forest__weight(left) - ones;
    const double l0 = w[0] * (double)(mw_forest__weight(left) - left.sum);
    const double l1 = w[1] * (double)left.sum, r0 = w[0] * (double)zeros, r1 = w[1] * (double)ones;
    return (l0 * l0 + l1 * l1) / (l0 + l1) + (r0 * r0 + r1 * r1) / (r0 + r1);
}

/* What two classes maximize. */
static inline double value_of_classes(const search *s, mw_forest__pair left) {
    if (s->worker->class_weights) return value_of_weighted(s, left);
    const int64_t l = mw_forest__weight(left), r = mw_forest__weight(s->node->sums) - l;
    const int64_t ones = s->node->sums.sum - left.sum;
    const double2 squares = {(double)(squared(left.sum) + squared(l - left.sum)),
                             (double)(squared(ones) + squared(r - ones))};
    const double2 shares = squares / (double2){(double)l, (double)r};
    return shares[0] + shares[1];
}

static void scan_values(search *s) {
    for (int32_t i = s->begin; i < s->end; i += 2) {
        const double2 value = value_of(s, left_of(s, i), left_of(s, i + 1));
        consider(s, i, value[0]);
        if (i + 1 < s->end) consider(s, i + 1, value[1]);
    }
}

static void scan_two_classes(search *s) {
    for (int32_t i = s->begin; i < s->end; i++) consider(s, i, value_of_classes(s, left_of(s, i)));
}

/* Of more than two classes: only where thresholds are drawn, so that there is one candidate. */
static void scan_classes(search *s) {
    for (int32_t i = s->begin; i < s->end; i++)
        consider(s, i,
                 mw_forest__classes_value(s->worker, s->node, s->bins, s->worker->found[i],
                                          s->missing_left));
}

/* ---- columns ---- */

static void scan(search *s) {
    set_range(s);
    const int32_t n_classes = s->worker->data->options.n_classes;
    if (n_classes == 0)
        scan_values(s);
    else if (n_classes == 2)
        scan_two_classes(s);
    else
        scan_classes(s);
}

static void keep_best(search *s, int32_t feature, int32_t column) {
    const uint8_t *found = s->worker->found;
    const int32_t at = s->best_at;
    s->split = (mw_forest__bin_split){.feature = feature,
                                      .column = column,
                                      .bin = found[at],
                                      .missing_left = s->best_missing_left,
                                      .threshold = FLT_MAX};
    if (at + 1 < s->n_found)
        s->split.threshold =
            s->worker->data->options.random_thresholds
                ? s->drawn
                : mw_forest__threshold(s->bins.high[found[at]], s->bins.low[found[at + 1]]);
}

/* Sets *ret_constant when the feature offers no split at all. */
static mw_status try_feature(search *s, int32_t feature, bool *ret_constant, mw_err *err) {
    mw_forest__bin_worker *worker = s->worker;
    const int32_t column = worker->data->columns[feature];
    const bool drawn = worker->data->options.random_thresholds;
    *ret_constant = true;
    if (column < 0) return MW_OK;
    if (mw_forest__is_by_code(worker->data, feature))
        return mw_forest__categories_find(worker, s->node, feature, &s->best, &s->split,
                                          ret_constant, err);
    if (worker->data->options.n_classes > 2 && !drawn)
        return mw_forest__classes_find(worker, s->node, feature, &s->best, &s->split, ret_constant,
                                       err);
    s->bins = mw_forest__column_of(worker, s->node, column);
    mw_status status =
        mw_forest__sum_column(worker, s->node, s->bins, &s->n_found, &s->missing, err);
    const bool any_missing = s->missing.held > 0;
    if (status != MW_OK || s->n_found == 0 || (s->n_found == 1 && !any_missing)) return status;
    *ret_constant = false;
    if (drawn && s->n_found > 1) draw_threshold(s);
    s->missing_left = false;
    s->best_at = -1;
    scan(s);
    s->missing_left = true;
    if (any_missing) scan(s);
    if (s->best_at >= 0) keep_best(s, feature, column);
    return s->n > ROWS_PER_CHECK ? mw_ctx_check(worker->ctx, err) : MW_OK;
}

/* try_feature of a node of two rows, which a third of all nodes are: either is the left one. */
static void try_feature_of_two(search *s, int32_t feature, const double value[2],
                               bool *ret_constant) {
    const mw_forest__data *data = s->worker->data;
    *ret_constant = true;
    if (data->columns[feature] < 0) return;
    float x[2];
    for (int i = 0; i < 2; i++)
        x[i] = mw_forest__value(s->worker, s->node, s->node->begin + i, feature);
    const bool missing[2] = {__builtin_isnan(x[0]), __builtin_isnan(x[1])};
    if (x[0] == x[1] || (missing[0] && missing[1])) return;
    *ret_constant = false;
    const int left = missing[0] || x[1] < x[0];
    if (!(value[left] > s->best)) return;
    s->best = value[left];
    s->split = (mw_forest__bin_split){
        .feature = feature, .column = data->columns[feature], .threshold = FLT_MAX};
    if (!missing[!left]) s->split.threshold = mw_forest__threshold(x[left], x[!left]);
}

static double gain_of(const search *s) {
    const mw_forest__bin_worker *worker = s->worker;
    const int32_t n_classes = worker->data->options.n_classes;
    if (n_classes == 0) return s->best * s->total;
    double squares = 0, total = 0;
    for (int32_t c = 0; c < n_classes; c++) {
        const double weighted = mw_forest__weighted(worker, c);
        squares += weighted * weighted;
        total += weighted;
    }
    double gain = s->best - squares / total;
    return gain > 0 ? gain : 0;
}

static void values_of_two(const search *s, double value[2]) {
    if (s->worker->data->options.n_classes == 0) {
        const double2 both = value_of(s, s->pairs[0], s->pairs[1]);
        value[0] = both[0], value[1] = both[1];
    } else if (s->worker->data->options.n_classes == 2)
        for (int i = 0; i < 2; i++) value[i] = value_of_classes(s, s->pairs[i]);
    else /* a square by its root */
        value[0] = value[1] = s->worker->class_sums.weight;
}

mw_status mw_forest__bin_split_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                    mw_forest__bin_split *ret, mw_err *err) {
    const mw_forest__data *data = worker->data;
    search s = {.worker = worker,
                .node = node,
                .index = worker->index + node->begin,
                .pairs = worker->pairs + node->begin,
                .n = node->end - node->begin,
                .total = (double)mw_forest__weight(node->sums),
                .best = -1,
                .split = {.feature = -1}};
    s.mean = (double)node->sums.sum / s.total;
    const bool of_two = s.n == 2 && !data->options.random_thresholds;
    if (data->options.n_classes > 2) mw_forest__classes_begin(worker, node);
    double value[2] = {0};
    if (of_two) values_of_two(&s, value);
    int32_t n_seen = 0, n_constant = 0;
    while (n_seen < data->n_features && (n_seen < data->n_tried || n_seen == n_constant)) {
        const uint32_t feature =
            mw_forest__draw_feature(&worker->rng, worker->features, data->n_features, n_seen++);
        bool constant;
        mw_status status = MW_OK;
        if (of_two && !mw_forest__is_by_code(data, (int32_t)feature))
            try_feature_of_two(&s, (int32_t)feature, value, &constant);
        else
            status = try_feature(&s, (int32_t)feature, &constant, err);
        if (status != MW_OK) return status;
        n_constant += constant;
    }
    *ret = s.split;
    if (ret->feature >= 0) ret->gain = gain_of(&s);
    return MW_OK;
}
