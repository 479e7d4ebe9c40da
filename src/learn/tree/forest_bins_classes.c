/*
 * forest_bins_classes.c -- the best split of a node of more than two classes along one column.
 *
 * Rows are put in the order of their bins (forest_bins_order.c) and counted one by one, which costs the same for any
 * number of classes; or, where a node has many rows for its bins and classes, added up by bin and class, and all of that is
 * looked at. Which is cheaper depends on the number of rows, bins and classes, and both find the same.
 *
 * Counts are float64: whole numbers, and so exact, as long as fewer than 2^26 rows were drawn; class weights multiply
 * them. Sums of squares then are the exact forest's.
 */
#include <float.h>
#include <string.h>

#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17 };

/* Up to as many classes a histogram stays in the cache, which is what makes it quick. */
enum { MOST_CLASSES = 64 };

/* A histogram is looked at bin by bin, two classes at a time: measured, that takes as long as putting a row in its place
 * does (3 ns) for so many pairs of classes. */
enum { PAIRS_PER_ROW = 3 };

typedef double double2 __attribute__((vector_size(16), may_alias));

typedef struct search {
    mw_forest__bin_worker *worker;
    const mw_forest__bin_node *node;
    mw_forest__column bins;
    int32_t n_classes;
    int64_t n, n_missing;
    const double *all;      /* [n_classes] the node's counts, weighted */
    double *left, *missing; /* [n_classes] */
    double2 *sides;         /* [n_classes] left and right of a candidate */
    mw_forest__pair
        *sorted; /* [n] rows by bin, missing ones last; `sum` is class << BIN_BITS | bin */
    double best;
    int64_t best_at; /* row (sorted) or bin (histogram) before the candidate; -1: none is better */
    bool missing_left, best_missing_left;
} search;

static inline void consider(search *s, int64_t at, int64_t n_left, double value) {
    const int64_t least = s->worker->data->options.min_samples_leaf;
    if (s->missing_left) n_left += s->n_missing;
    if (n_left < least || s->n - n_left < least) return;
    s->best = value;
    s->best_at = at;
    s->best_missing_left = s->missing_left;
}

/* Counts of classes on both sides, when only the missing rows, or none, are on the left; their sums and sums of squares. */
typedef struct both_sides {
    double2 weights, squares;
} both_sides;

static both_sides begin_scan(search *s) {
    const mw_forest__class_sums *sums = &s->worker->class_sums;
    both_sides both = {{0, sums->weight}, {0, sums->squares}};
    if (!s->missing_left) return both;
    both.squares = (double2){0};
    for (int32_t c = 0; c < s->n_classes; c++) {
        s->sides[c] = (double2){s->missing[c], s->all[c] - s->missing[c]};
        both.squares += s->sides[c] * s->sides[c];
        both.weights += (double2){s->missing[c], -s->missing[c]};
    }
    return both;
}

/* ---- row by row ---- */

enum { CLASSES_AT_ONCE = 16 }; /* take no longer to copy than to find those that there are */

/* Nothing on the left yet, of the classes that there are. */
static void empty_left(search *s, int64_t n_present) {
    if (s->n_classes > CLASSES_AT_ONCE && n_present < s->n_classes)
        for (int64_t i = 0; i < n_present; i++)
            s->sides[mw_forest__class_of(s->sorted[i])] =
                (double2){0, s->all[mw_forest__class_of(s->sorted[i])]};
    else
        for (int32_t c = 0; c < s->n_classes; c++) s->sides[c] = (double2){0, s->all[c]};
}

static void scan_rows(search *s) {
    const double *factors = s->worker->class_weights;
    const mw_forest__pair *sorted = s->sorted;
    const bool with_last = s->n_missing > 0 && !s->missing_left;
    const int64_t n_present = s->n - s->n_missing, end = n_present - !with_last;
    double2 *sides = s->sides;
    both_sides both = begin_scan(s);
    if (!s->missing_left) empty_left(s, n_present);
    for (int64_t i = 0; i < end; i++) {
        const int64_t c = mw_forest__class_of(sorted[i]);
        const double w = factors[c] * (double)mw_forest__weight(sorted[i]);
        const double2 before = sides[c], change = {w, -w}, after = before + change;
        both.squares += change * (before + after);
        both.weights += change;
        sides[c] = after;
        const double2 shares = both.squares / both.weights;
        const double value = shares[0] + shares[1];
        if (value > s->best && mw_forest__bin_of(sorted[i]) != mw_forest__bin_of(sorted[i + 1]))
            consider(s, i, i + 1, value);
    }
}

static void count_missing(search *s) {
    if (s->n_missing == 0) return;
    memset(s->missing, 0, (size_t)s->n_classes * sizeof *s->missing);
    for (int64_t i = s->n - s->n_missing; i < s->n; i++) {
        const int64_t c = mw_forest__class_of(s->sorted[i]);
        s->missing[c] += s->worker->class_weights[c] * (double)mw_forest__weight(s->sorted[i]);
    }
}

static bool has_one_value(const search *s) {
    const int64_t n_present = s->n - s->n_missing;
    return n_present == 0 || (n_present == s->n && mw_forest__bin_of(s->sorted[0]) ==
                                                       mw_forest__bin_of(s->sorted[s->n - 1]));
}

/* ---- by bin and class ---- */

static inline int32_t padded(int32_t n_classes) { return n_classes + n_classes % 2; }

static bool is_histogram_cheaper(const search *s) {
    const int64_t n_pairs = (int64_t)(s->bins.n_bins + 1) * padded(s->n_classes) / 2;
    return s->worker->histogram && s->n * PAIRS_PER_ROW >= n_pairs;
}

static inline void add_rows(search *s, int64_t begin, int64_t end, bool counted) {
    const uint32_t *index = s->worker->index + s->node->begin;
    const mw_forest__pair *pairs = s->worker->pairs + s->node->begin;
    const uint8_t *cells = s->bins.cells;
    const double *factors = s->worker->class_weights;
    double *histogram = s->worker->histogram;
    const int64_t stride = padded(s->n_classes);
    for (int64_t i = begin; i < end; i++) {
        const int64_t bin = cells[index[i]], c = pairs[i].sum;
        histogram[bin * stride + c] += factors[c] * (double)mw_forest__weight(pairs[i]);
        if (counted) s->worker->bin_rows[bin]++;
    }
}

static mw_status add_all_rows(search *s, bool counted, mw_err *err) {
    for (int64_t begin = 0; begin < s->n; begin += ROWS_PER_CHECK) {
        const int64_t end = s->n - begin < ROWS_PER_CHECK ? s->n : begin + ROWS_PER_CHECK;
        if (counted)
            add_rows(s, begin, end, true);
        else
            add_rows(s, begin, end, false);
        mw_status status = s->n > ROWS_PER_CHECK / 16 ? mw_ctx_check(s->worker->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

/* n_pairs of classes at a time. Empty bins change nothing, or leave a side without rows: 0 / 0 is no candidate. */
static inline void scan_pairs(search *s, int32_t end, bool counted, int32_t n_pairs) {
    const double2 *histogram = (const double2 *)s->worker->histogram;
    const double2 *all = (const double2 *)s->all;
    double2 *left = (double2 *)s->left;
    const uint32_t *rows = s->worker->bin_rows;
    int64_t n_left = counted ? 0 : 1;
    both_sides both = begin_scan(s);
    if (s->missing_left)
        memcpy(left, s->missing, (size_t)n_pairs * sizeof *left);
    else
        memset(left, 0, (size_t)n_pairs * sizeof *left);
    for (int32_t b = 0; b < end; b++) {
        double2 added = {0}, lefts = {0}, rights = {0};
        for (int32_t k = 0; k < n_pairs; k++) {
            const double2 slot = histogram[b * n_pairs + k];
            added += slot;
            left[k] += slot;
            const double2 right = all[k] - left[k];
            lefts += left[k] * left[k];
            rights += right * right;
        }
        const double w = added[0] + added[1];
        both.weights += (double2){w, -w};
        if (counted) n_left += rows[b];
        both.squares = (double2){lefts[0], rights[0]} + (double2){lefts[1], rights[1]};
        const double2 shares = both.squares / both.weights;
        const double value = shares[0] + shares[1];
        if (value > s->best) consider(s, b, n_left, value);
    }
}

static void scan_histogram(search *s, bool counted) {
    const int32_t n_pairs = padded(s->n_classes) / 2;
    const bool with_last = s->n_missing > 0 && !s->missing_left;
    const int32_t end = s->bins.n_bins - !with_last;
    if (counted)
        scan_pairs(s, end, true, n_pairs);
    else if (n_pairs == 2)
        scan_pairs(s, end, false, 2);
    else if (n_pairs == 4)
        scan_pairs(s, end, false, 4);
    else
        scan_pairs(s, end, false, n_pairs);
}

static bool is_in_one_bin(const search *s, bool counted) {
    const uint8_t bin = s->bins.cells[s->worker->index[s->node->begin]];
    if (counted) return s->worker->bin_rows[bin] == s->n;
    const int64_t stride = padded(s->n_classes);
    double sum = 0;
    for (int64_t c = 0; c < stride; c++) sum += s->worker->histogram[bin * stride + c];
    return sum == s->worker->class_sums.weight;
}

static bool is_empty(const search *s, int64_t bin) {
    const int64_t stride = padded(s->n_classes);
    for (int64_t c = 0; c < stride; c++)
        if (s->worker->histogram[bin * stride + c] > 0) return false;
    return true;
}

/* ---- columns ---- */

static void scan(search *s, bool by_bin, bool counted) {
    if (by_bin)
        scan_histogram(s, counted);
    else
        scan_rows(s);
}

/* Missing rows are tried on the right, then on the left. */
static void scan_both(search *s, bool by_bin, bool counted) {
    scan(s, by_bin, counted);
    if (s->n_missing == 0) return;
    s->missing_left = true;
    scan(s, by_bin, counted);
}

static void keep_best(const search *s, int32_t bin, int32_t next, mw_forest__bin_split *split) {
    *split = (mw_forest__bin_split){.feature = s->bins.feature,
                                    .column = s->bins.column,
                                    .bin = bin,
                                    .missing_left = s->best_missing_left,
                                    .threshold = FLT_MAX};
    if (next < s->bins.n_bins)
        split->threshold = mw_forest__threshold(s->bins.high[bin], s->bins.low[next]);
}

static void search_rows(search *s, mw_forest__bin_split *split, bool *ret_constant) {
    *ret_constant = has_one_value(s);
    if (*ret_constant) return;
    count_missing(s);
    scan_both(s, false, false);
    if (s->best_at >= 0)
        keep_best(s, mw_forest__bin_of(s->sorted[s->best_at]),
                  mw_forest__bin_of(s->sorted[s->best_at + 1]), split);
}

static mw_status search_bins(search *s, mw_forest__bin_split *split, bool *ret_constant,
                             mw_err *err) {
    mw_forest__bin_worker *worker = s->worker;
    const size_t stride = (size_t)padded(s->n_classes), n_bins = (size_t)s->bins.n_bins;
    const mw_forest_options *options = &worker->data->options;
    /* Otherwise any candidate with rows on both sides will do, and which ones those are shows in whole numbers. */
    const bool counted =
        options->min_samples_leaf > 1 || options->class_weight != MW_CLASS_WEIGHT_NONE;
    mw_status status = add_all_rows(s, counted, err);
    if (status == MW_OK) {
        *ret_constant = is_in_one_bin(s, counted);
        s->n_missing = counted ? worker->bin_rows[n_bins] : !is_empty(s, s->bins.n_bins);
        memcpy(s->missing, worker->histogram + n_bins * stride, stride * sizeof *s->missing);
        if (!*ret_constant) scan_both(s, true, counted);
    }
    if (s->best_at >= 0) {
        int32_t next = (int32_t)s->best_at + 1;
        while (next < s->bins.n_bins && is_empty(s, next)) next++;
        keep_best(s, (int32_t)s->best_at, next, split);
    }
    memset(worker->histogram, 0, (n_bins + 1) * stride * sizeof *worker->histogram);
    if (counted) memset(worker->bin_rows, 0, sizeof worker->bin_rows);
    return status;
}

static mw_status search_column(search *s, mw_forest__bin_split *split, bool *ret_constant,
                               mw_err *err) {
    if (is_histogram_cheaper(s)) return search_bins(s, split, ret_constant, err);
    mw_status status = mw_forest__order_by_bin(s->worker, s->node, s->bins, &s->n_missing, err);
    if (status == MW_OK) search_rows(s, split, ret_constant);
    return status;
}

mw_status mw_forest__classes_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                  int32_t feature, double *best, mw_forest__bin_split *split,
                                  bool *ret_constant, mw_err *err) {
    const int32_t n_classes = worker->data->options.n_classes, stride = padded(n_classes);
    search s = {.worker = worker,
                .node = node,
                .n_classes = n_classes,
                .n = node->end - node->begin,
                .all = worker->sides,
                .left = worker->sides + stride,
                .missing = worker->sides + 2 * (int64_t)stride,
                .sides = (double2 *)(worker->sides + 3 * (int64_t)stride),
                .sorted = worker->scratch_pairs,
                .best = *best,
                .best_at = -1};
    mw_status status = MW_OK;
    if (node->where == MW_FOREST__IN_FEW) {
        s.bins.feature = feature;
        s.bins.column = worker->data->columns[feature];
        mw_forest__order_by_value(worker, node, &s.bins, &s.n_missing);
        search_rows(&s, split, ret_constant);
    } else {
        s.bins = mw_forest__column_of(worker, node, worker->data->columns[feature]);
        status = search_column(&s, split, ret_constant, err);
    }
    *best = s.best;
    return status;
}

void mw_forest__classes_begin(mw_forest__bin_worker *worker, const mw_forest__bin_node *node) {
    const int32_t n_classes = worker->data->options.n_classes;
    for (int64_t i = node->begin; node->where == MW_FOREST__IN_FEW && i < node->end; i++)
        worker->few_order.rows[i - node->begin] = mw_forest__row_of(worker, node, i);
    worker->class_sums = (mw_forest__class_sums){0};
    for (int32_t c = 0; c < n_classes; c++) {
        const double weighted = mw_forest__weighted(worker, c);
        worker->sides[c] = weighted;
        worker->class_sums.weight += weighted;
        worker->class_sums.squares += weighted * weighted;
    }
}

double mw_forest__classes_value(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                mw_forest__column bins, int32_t last_bin, bool missing_left) {
    const int32_t n_classes = worker->data->options.n_classes;
    const double *all = worker->sides;
    double *left = worker->sides + padded(n_classes);
    memset(left, 0, (size_t)n_classes * sizeof *left);
    for (int64_t i = node->begin; i < node->end; i++) {
        const int32_t bin = bins.cells[worker->index[i]];
        const bool goes_left = bin <= last_bin || (missing_left && bin == bins.n_bins);
        const double weight = (double)mw_forest__weight(worker->pairs[i]);
        left[worker->pairs[i].sum] += goes_left ? weight : 0;
    }
    double2 squares = {0};
    double weight = 0;
    for (int32_t c = 0; c < n_classes; c++) {
        const double weighted = worker->class_weights[c] * left[c];
        const double2 sides = {weighted, all[c] - weighted};
        squares += sides * sides;
        weight += weighted;
    }
    const double2 shares = squares / (double2){weight, worker->class_sums.weight - weight};
    return shares[0] + shares[1];
}

mw_status mw_forest__classes_init(mw_mem *mem, mw_forest__bin_worker *worker, mw_err *err) {
    const int32_t n_classes = worker->data->options.n_classes;
    const size_t stride = (size_t)padded(n_classes);
    worker->class_weights = mw_alloc_array(mem, stride, sizeof *worker->class_weights);
    worker->sides = mw_calloc(mem, 5 * stride, sizeof *worker->sides);
    const bool small = n_classes > 2 && n_classes <= MOST_CLASSES;
    if (small)
        worker->histogram = mw_calloc(mem, MW_FOREST__SLOTS * stride, sizeof *worker->histogram);
    if (!worker->class_weights || !worker->sides || (small && !worker->histogram))
        return mw_fail_nomem(err, "growing trees");
    for (size_t c = 0; c < stride; c++) worker->class_weights[c] = 1;
    return MW_OK;
}

void mw_forest__classes_done(mw_forest__bin_worker *worker) {
    mw_free(worker->class_weights);
    mw_free(worker->sides);
    mw_free(worker->histogram);
}
