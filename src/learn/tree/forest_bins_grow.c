/*
 * forest_bins_grow.c -- growing one tree on bins: the order of nodes, the two sides of a split, blocks.
 *
 * Nodes come in the exact forest's order (forest_grow.c): depth first, left before right, siblings side by side. The
 * rows of a node are one range of `index` and `pairs`, which a split partitions stably; bins are not moved, but copied once
 * for small nodes (forest_bins_block.c): most of a full tree's work is in those.
 */
#include <string.h>

#include "learn/tree/forest_bins.h"

enum { FIRST_JOBS = 64, ROWS_PER_CHECK = 1 << 17 };

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));

/* Ranking values costs the more, the more rows there are, and pays the more, the more columns are tried. */
enum { FEW_IF_FEW_TRIED = 23 };

mw_status mw_forest__bin_worker_init(const mw_ctx *ctx, const mw_forest__data *data,
                                     mw_forest__bin_worker *worker, mw_err *err) {
    const size_t n_rows = (size_t)data->n_rows, n_features = (size_t)data->n_features;
    const size_t n_classes = (size_t)data->options.n_classes;
    mw_mem *mem = ctx->mem;
    worker->data = data;
    worker->ctx = ctx;
    worker->stack_capacity = FIRST_JOBS;
    worker->few_limit = 2 * data->n_tried >= data->n_features ? MW_FOREST__FEW : FEW_IF_FEW_TRIED;
    worker->index = mw_alloc_array(mem, n_rows, sizeof *worker->index);
    worker->pairs = mw_alloc_array(mem, n_rows, sizeof *worker->pairs);
    worker->scratch_index = mw_alloc_array(mem, n_rows, sizeof *worker->scratch_index);
    worker->scratch_pairs = mw_alloc_array(mem, n_rows, sizeof *worker->scratch_pairs);
    worker->features = mw_alloc_array(mem, n_features, sizeof *worker->features);
    worker->counts = mw_alloc_array(mem, n_classes + 1, sizeof *worker->counts);
    worker->stack = mw_alloc_array(mem, FIRST_JOBS, sizeof *worker->stack);
    if (n_classes > 2 || data->options.class_weight != MW_CLASS_WEIGHT_NONE) {
        mw_status status = mw_forest__classes_init(mem, worker, err);
        if (status != MW_OK) return status;
    }
    if (data->most_codes > 0) {
        mw_status status = mw_forest__sets_init(mem, data->options.n_classes, data->most_codes,
                                                data->n_rows, &worker->sets, err);
        if (status != MW_OK) return status;
    }
    if (worker->index && worker->pairs && worker->scratch_index && worker->scratch_pairs &&
        worker->features && worker->counts && worker->stack)
        return mw_forest__blocks_init(mem, worker, err);
    return mw_fail_nomem(err, "growing trees");
}

void mw_forest__bin_worker_done(mw_forest__bin_worker *worker) {
    mw_free(worker->index);
    mw_free(worker->pairs);
    mw_free(worker->scratch_index);
    mw_free(worker->scratch_pairs);
    mw_forest__blocks_done(worker);
    mw_forest__classes_done(worker);
    mw_free(worker->features);
    mw_free(worker->counts);
    mw_free(worker->stack);
    mw_forest__sets_done(&worker->sets);
    mw_forest__tree_done(&worker->tree);
}

/* ---- the rows of a tree ---- */

static mw_status take_rows(mw_forest__bin_worker *worker, mw_forest__bin_node *root, mw_err *err) {
    const mw_forest__data *data = worker->data;
    uint32_t *counts = worker->scratch_index;
    const bool plain = data->options.n_classes > 2; /* the class itself */
    mw_status status = mw_forest__draw_rows(worker->ctx, data, &worker->rng, counts, err);
    int64_t n = 0;
    *root = (mw_forest__bin_node){0};
    for (int64_t row = 0; row < data->n_rows && status == MW_OK; row++) {
        if (row % ROWS_PER_CHECK == 0) status = mw_ctx_check(worker->ctx, err);
        const uint32_t weight = counts[row];
        const int64_t target = data->target[row];
        worker->index[n] = (uint32_t)row;
        worker->pairs[n] =
            (mw_forest__pair){plain ? target : target * weight, (uint64_t)weight << 32 | 1};
        if (weight == 0) continue;
        root->sums = mw_forest__plus(root->sums, worker->pairs[n++]);
    }
    worker->n_drawn = root->end = n;
    return status;
}

/* Weights that give every class of the rows, or of the tree's draws, the same sum; their mean over those is 1. */
static void balance_classes(mw_forest__bin_worker *worker) {
    const mw_forest__data *data = worker->data;
    const int32_t n_classes = data->options.n_classes;
    const bool of_draws = data->options.class_weight == MW_CLASS_WEIGHT_BALANCED_SUBSAMPLE;
    int64_t *counts = worker->counts;
    memset(counts, 0, (size_t)n_classes * sizeof *counts);
    for (int64_t i = 0; of_draws && i < worker->n_drawn; i++)
        counts[data->target[worker->index[i]]] += mw_forest__weight(worker->pairs[i]);
    for (int64_t row = 0; !of_draws && row < data->n_rows; row++) counts[data->target[row]]++;
    int32_t n_present = 0;
    for (int32_t c = 0; c < n_classes; c++) n_present += counts[c] > 0;
    for (int32_t c = 0; c < n_classes; c++)
        worker->class_weights[c] =
            counts[c] > 0 ? (double)data->n_rows / (n_present * (double)counts[c]) : 0;
}

/* ---- leaves ---- */

/* A node whose rows all have one target is not split; it holds at least one row. */
static bool is_pure(const mw_forest__bin_worker *worker, const mw_forest__bin_node *node) {
    const int32_t n_classes = worker->data->options.n_classes;
    if (n_classes == 2)
        return node->sums.sum == 0 || node->sums.sum == mw_forest__weight(node->sums);
    if (n_classes > 2) {
        for (int64_t i = node->begin + 1; i < node->end; i++)
            if (worker->pairs[i].sum != worker->pairs[node->begin].sum) return false;
        return true;
    }
    const double *y = worker->data->y;
    const double first = y[mw_forest__row_of(worker, node, node->begin)];
    for (int64_t i = node->begin + 1; i < node->end; i++)
        if (y[mw_forest__row_of(worker, node, i)] != first) return false;
    return true;
}

static bool may_split(const mw_forest__bin_worker *worker, const mw_forest__bin_node *node) {
    const mw_forest_options *options = &worker->data->options;
    const int64_t n = node->end - node->begin;
    if (n < options->min_samples_split || n < 2 * (int64_t)options->min_samples_leaf) return false;
    if (options->max_depth > 0 && node->depth >= options->max_depth) return false;
    return !is_pure(worker, node);
}

/* The mean as the first row's target plus a mean difference: exact when all targets are equal. */
static double mean_target(const mw_forest__bin_worker *worker, const mw_forest__bin_node *node) {
    const double *y = worker->data->y;
    const double first = y[mw_forest__row_of(worker, node, node->begin)];
    double sum = 0;
    for (int64_t i = node->begin; i < node->end; i++)
        sum += (double)mw_forest__weight(worker->pairs[i]) *
               (y[mw_forest__row_of(worker, node, i)] - first);
    return first + sum / (double)mw_forest__weight(node->sums);
}

static void count_classes(mw_forest__bin_worker *worker, const mw_forest__bin_node *node) {
    const int32_t n_classes = worker->data->options.n_classes;
    int64_t *counts = worker->counts;
    if (n_classes == 2) {
        counts[1] = node->sums.sum;
        counts[0] = mw_forest__weight(node->sums) - node->sums.sum;
    } else if (n_classes > 2) {
        memset(counts, 0, (size_t)n_classes * sizeof *counts);
        if (is_pure(worker, node))
            counts[worker->pairs[node->begin].sum] = mw_forest__weight(node->sums);
        else
            for (int64_t i = node->begin; i < node->end; i++)
                counts[worker->pairs[i].sum] += mw_forest__weight(worker->pairs[i]);
    }
}

static mw_status add_leaf(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                          mw_err *err) {
    const mw_forest__data *data = worker->data;
    const int64_t weight = mw_forest__weight(node->sums);
    const double n_trees = (double)data->options.n_estimators;
    float *values;
    mw_status status = mw_forest__add_leaf(worker->ctx->mem, data, &worker->tree, node->node,
                                           weight, &values, err);
    if (status != MW_OK) return status;
    if (data->options.n_classes == 0) values[0] = (float)(mean_target(worker, node) / n_trees);
    count_classes(worker, node);
    double total = worker->class_weights ? 0 : (double)weight;
    for (int32_t c = 0; worker->class_weights && c < data->options.n_classes; c++)
        total += mw_forest__weighted(worker, c);
    for (int32_t c = 0; c < data->options.n_classes; c++)
        values[c] = (float)(mw_forest__weighted(worker, c) / (total * n_trees));
    return MW_OK;
}

/* ---- splitting ---- */

/* How a node's rows are divided: by value where there are few, else by bin. */
typedef struct dividing {
    const mw_forest__bin_split *split;
    const uint8_t *cells;           /* by what `index` holds; NULL: by value */
    uint8_t side[MW_FOREST__SLOTS]; /* of a bin; the last one's rows are missing */
    int32_t n_bins;
    mw_forest__pair left; /* sums of that side */
    int64_t n_missing, n_right;
} dividing;

static dividing begin_dividing(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                               const mw_forest__bin_split *split) {
    dividing d = {.split = split};
    if (node->where == MW_FOREST__IN_FEW) return d;
    const mw_forest__column column = mw_forest__column_of(worker, node, split->column);
    d.cells = column.cells;
    d.n_bins = column.n_bins;
    for (int32_t b = 0; b < d.n_bins; b++)
        d.side[b] =
            split->by_set ? mw_forest__sets_has(&worker->sets, column.low[b]) : b <= split->bin;
    d.side[d.n_bins] = split->missing_left;
    return d;
}

static inline bool is_left(const mw_forest__bin_worker *worker, const mw_forest__bin_split *split,
                           float value) {
    return split->by_set            ? mw_forest__sets_has(&worker->sets, value)
           : __builtin_isnan(value) ? split->missing_left
                                    : value <= split->threshold;
}

/* Rows [begin, end) of the node. */
static inline void divide(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                          dividing *d, int64_t begin, int64_t end, bool by_value) {
    uint32_t *index = worker->index + node->begin, *right_index = worker->scratch_index;
    mw_forest__pair *pairs = worker->pairs + node->begin, *right_pairs = worker->scratch_pairs;
    const float *x = worker->data->matrix.x + d->split->feature;
    const size_t width = (size_t)worker->data->n_features;
    int64_t n_right = d->n_right, n_left = begin - n_right, n_missing = 0;
    pair_sum sums = {0};
    for (int64_t i = begin; i < end; i++) {
        const uint32_t at = index[i];
        const pair_sum pair = *(const pair_sum *)&pairs[i];
        const float value = by_value ? x[worker->few.rows[at] * width] : 0;
        const int32_t bin = by_value ? 0 : d->cells[at];
        const bool missing = by_value ? __builtin_isnan(value) : bin == d->n_bins;
        const int64_t left = by_value ? is_left(worker, d->split, value) : d->side[bin];
        index[n_left] = right_index[n_right] = at;
        *(pair_sum *)&pairs[n_left] = *(pair_sum *)&right_pairs[n_right] = pair;
        sums += pair & (pair_sum){-left, -left};
        n_left += left;
        n_right += 1 - left;
        n_missing += missing;
    }
    d->left = mw_forest__plus(d->left, (mw_forest__pair){sums[0], (uint64_t)sums[1]});
    d->n_missing += n_missing;
    d->n_right = n_right;
}

/* Stable: left rows stay in front, right ones go through the scratch. *ret_left gets their sums. */
static mw_status partition(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                           mw_forest__bin_split *split, mw_forest__pair *ret_left, mw_err *err) {
    dividing d = begin_dividing(worker, node, split);
    const int64_t n = node->end - node->begin;
    if (!d.cells) divide(worker, node, &d, 0, n, true);
    for (int64_t begin = 0; d.cells && begin < n; begin += ROWS_PER_CHECK) {
        const int64_t end = n - begin < ROWS_PER_CHECK ? n : begin + ROWS_PER_CHECK;
        divide(worker, node, &d, begin, end, false);
        mw_status status = end < n ? mw_ctx_check(worker->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    const size_t n_right = (size_t)d.n_right;
    const int64_t n_left = n - d.n_right;
    memcpy(worker->index + node->begin + n_left, worker->scratch_index,
           n_right * sizeof *worker->index);
    memcpy(worker->pairs + node->begin + n_left, worker->scratch_pairs,
           n_right * sizeof *worker->pairs);
    if (d.n_missing == 0 && !split->by_set) /* to the larger side, which a set has on the right */
        split->missing_left = n_left > d.n_right;
    *ret_left = d.left;
    return MW_OK;
}

static mw_status push(mw_forest__bin_worker *worker, mw_forest__bin_node node, mw_err *err) {
    if (worker->stack_size == worker->stack_capacity) {
        size_t bytes = 2 * (size_t)worker->stack_capacity * sizeof *worker->stack;
        mw_forest__bin_node *stack = mw_realloc(worker->ctx->mem, worker->stack, bytes);
        if (!stack) return mw_fail_nomem(err, "growing a tree");
        worker->stack = stack;
        worker->stack_capacity *= 2;
    }
    worker->stack[worker->stack_size++] = node;
    return MW_OK;
}

static mw_status split_node(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                            mw_forest__bin_split *split, mw_err *err) {
    mw_forest__tree *tree = &worker->tree;
    const int64_t left = tree->n_nodes, right = left + 1;
    mw_forest__pair left_sums;
    mw_status status = mw_forest__add_nodes(worker->ctx->mem, tree, 2, err);
    if (status == MW_OK) status = partition(worker, node, split, &left_sums, err);
    if (status != MW_OK) return status;
    tree->nodes[node->node] = (mw_node){.feature = split->feature,
                                        .threshold = split->threshold,
                                        .left = (int32_t)left,
                                        .right = (int32_t)right,
                                        .cover = (uint32_t)mw_forest__weight(node->sums),
                                        .missing_left = split->missing_left,
                                        .gain = (float)(split->gain * worker->data->gain_unit)};
    if (split->by_set)
        status = mw_forest__add_set(worker->ctx->mem, &worker->sets, tree, node->node, err);
    const int64_t middle = node->begin + mw_forest__n_distinct(left_sums);
    const int32_t depth = node->depth + 1;
    const mw_forest__bin_node children[2] = {
        {middle, node->end, right, depth, node->where, mw_forest__less(node->sums, left_sums)},
        {node->begin, middle, left, depth, node->where, left_sums}};
    for (int i = 0; i < 2 && status == MW_OK; i++)
        status = may_split(worker, &children[i]) ? push(worker, children[i], err)
                                                 : add_leaf(worker, &children[i], err);
    return status;
}

static mw_status grow_node(mw_forest__bin_worker *worker, mw_forest__bin_node node, mw_err *err) {
    mw_forest__open_block(worker, &node);
    count_classes(worker, &node);
    mw_forest__bin_split split;
    mw_status status = mw_forest__bin_split_find(worker, &node, &split, err);
    if (status != MW_OK) return status;
    return split.feature < 0 ? add_leaf(worker, &node, err)
                             : split_node(worker, &node, &split, err);
}

mw_status mw_forest__bin_tree_grow(mw_forest__bin_worker *worker, int32_t index, mw_err *err) {
    const mw_forest__data *data = worker->data;
    mw_forest__bin_node root;
    worker->rng = mw_forest__rng(worker->ctx, index);
    worker->stack_size = 0;
    for (int32_t f = 0; f < data->n_features; f++) worker->features[f] = (uint32_t)f;
    mw_status status = take_rows(worker, &root, err);
    if (status == MW_OK) status = mw_forest__add_nodes(worker->ctx->mem, &worker->tree, 1, err);
    if (status != MW_OK) return status;
    if (data->options.class_weight != MW_CLASS_WEIGHT_NONE) balance_classes(worker);
    status = may_split(worker, &root) ? push(worker, root, err) : add_leaf(worker, &root, err);
    for (uint64_t n = 0; status == MW_OK && worker->stack_size > 0; n++) {
        if (n % 64 == 0) status = mw_ctx_check(worker->ctx, err);
        if (status == MW_OK) status = grow_node(worker, worker->stack[--worker->stack_size], err);
    }
    if (status == MW_OK) mw_forest__shrink(worker->ctx->mem, data, &worker->tree);
    return status;
}
