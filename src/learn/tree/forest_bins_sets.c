/*
 * forest_bins_sets.c -- the best split of a node on bins along a column of categories: its groups, for forest_sets.h.
 *
 * Bins of categories ascend by code, as ranks of their values do: groups come as the exact forest has them.
 */
#include "learn/tree/forest_bins.h"

static mw_forest__group *add_group(mw_forest__sets *sets, mw_forest__column bins, int32_t bin,
                                   bool missing) {
    return mw_forest__sets_add(sets, missing ? -1 : (int32_t)bins.low[bin]);
}

static void set_sums(mw_forest__group *group, mw_forest__pair sums) {
    group->n = mw_forest__n_distinct(sums);
    group->weight = mw_forest__weight(sums);
    group->sum = sums.sum;
}

static mw_status group_sums(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                            int32_t column, mw_err *err) {
    const mw_forest__column bins = mw_forest__column_of(worker, node, column);
    int32_t n_found = 0;
    mw_forest__pair missing = {0}, before = {0};
    mw_status status = mw_forest__sum_column(worker, node, bins, &n_found, &missing, err);
    for (int32_t i = 0; i < n_found && status == MW_OK; i++) {
        set_sums(add_group(&worker->sets, bins, worker->found[i], false),
                 mw_forest__less(worker->lefts[i], before));
        before = worker->lefts[i];
    }
    if (status == MW_OK && missing.held > 0)
        set_sums(add_group(&worker->sets, bins, bins.n_bins, true), missing);
    return status;
}

static mw_status group_classes(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                               int32_t feature, int32_t column, mw_err *err) {
    mw_forest__column bins = {.feature = feature, .column = column};
    mw_status status = MW_OK;
    int64_t n_missing = 0;
    if (node->where == MW_FOREST__IN_FEW) {
        mw_forest__order_by_value(worker, node, &bins, &n_missing);
    } else {
        bins = mw_forest__column_of(worker, node, column);
        status = mw_forest__order_by_bin(worker, node, bins, &n_missing, err);
    }
    const int64_t n = node->end - node->begin;
    mw_forest__group *group = NULL;
    for (int64_t i = 0; i < n && status == MW_OK; i++) {
        const mw_forest__pair row = worker->scratch_pairs[i];
        const int32_t bin = mw_forest__bin_of(row);
        if (!group || bin != mw_forest__bin_of(worker->scratch_pairs[i - 1]))
            group = add_group(&worker->sets, bins, bin, i >= n - n_missing);
        group->n++;
        group->weight += mw_forest__weight(row);
        mw_forest__sets_count(&worker->sets, mw_forest__class_of(row), mw_forest__weight(row));
    }
    return status;
}

mw_status mw_forest__categories_find(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                     int32_t feature, double *best, mw_forest__bin_split *split,
                                     bool *ret_constant, mw_err *err) {
    const mw_forest_options *options = &worker->data->options;
    const int32_t column = worker->data->columns[feature];
    const mw_forest__set_node about = {.n = node->end - node->begin,
                                       .weight = mw_forest__weight(node->sums),
                                       .sum = node->sums.sum,
                                       .least = options->min_samples_leaf,
                                       .counts = worker->counts,
                                       .class_weights = worker->class_weights,
                                       .rng = options->random_thresholds ? &worker->rng : NULL};
    mw_forest__sets_begin(&worker->sets);
    mw_status status = options->n_classes > 2 ? group_classes(worker, node, feature, column, err)
                                              : group_sums(worker, node, column, err);
    *ret_constant = worker->sets.n_groups < 2;
    if (status != MW_OK || *ret_constant) return status;
    if (mw_forest__sets_search(&worker->sets, &about, best))
        *split = (mw_forest__bin_split){.feature = feature, .column = column, .by_set = true};
    return MW_OK;
}
