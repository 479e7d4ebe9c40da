/*
 * forest_grow.c -- growing one tree over columns that were sorted once (SLIQ: Mehta, Agrawal,
 * Rissanen, EDBT 1996; SPRINT: Shafer, Agrawal, Mehta, VLDB 1996).
 *
 * Every feature keeps the drawn rows in its own order. A node is the same range [begin, end) in all
 * of them; splitting a node partitions each range stably, so that both halves stay sorted and
 * nothing is ever sorted again: a level of the tree costs O(rows * features). Nodes are grown depth
 * first, left before right; siblings lie side by side. Rows drawn k times are held once, with
 * weight k; min_samples_* count rows once, as scikit-learn does.
 */
#include <string.h>

#include "learn/tree/forest_grow.h"

enum { FIRST_JOBS = 64, CELLS_PER_CHECK = 1 << 17 };

mw_status mw_forest__worker_init(const mw_ctx *ctx, const mw_forest__data *data,
                                 mw_forest__worker *worker, mw_err *err) {
    const size_t n_rows = (size_t)data->n_rows, n_features = (size_t)data->n_features;
    const size_t n_classes = (size_t)data->options.n_classes;
    mw_mem *mem = ctx->mem;
    *worker = (mw_forest__worker){.data = data, .ctx = ctx, .stack_capacity = FIRST_JOBS};
    worker->rows = mw_alloc_array(mem, n_rows, sizeof *worker->rows);
    worker->members = mw_alloc_array(mem, n_rows, sizeof *worker->members);
    worker->cells = mw_alloc_array(mem, n_rows * n_features, sizeof *worker->cells);
    worker->scratch = mw_alloc_array(mem, n_rows, sizeof *worker->scratch);
    worker->local = mw_alloc_array(mem, n_rows, sizeof *worker->local);
    worker->goes_left = mw_alloc_array(mem, n_rows, sizeof *worker->goes_left);
    worker->features = mw_alloc_array(mem, n_features, sizeof *worker->features);
    worker->counts = mw_alloc_array(mem, 3 * n_classes + 1, sizeof *worker->counts);
    worker->stack = mw_alloc_array(mem, FIRST_JOBS, sizeof *worker->stack);
    if (data->most_codes > 0) {
        mw_status status = mw_forest__sets_init(mem, data->options.n_classes, data->most_codes,
                                                data->n_rows, &worker->sets, err);
        if (status != MW_OK) {
            mw_forest__worker_done(worker);
            return status;
        }
    }
    if (worker->rows && worker->members && worker->cells && worker->scratch && worker->local &&
        worker->goes_left && worker->features && worker->counts && worker->stack)
        return MW_OK;
    mw_forest__worker_done(worker);
    mw_fail_nomem(err, "growing trees");
    return mw_err_hint(err, "use fewer threads: each one holds a sorted copy of its rows");
}

void mw_forest__worker_done(mw_forest__worker *worker) {
    mw_free(worker->rows);
    mw_free(worker->members);
    mw_free(worker->cells);
    mw_free(worker->scratch);
    mw_free(worker->local);
    mw_free(worker->goes_left);
    mw_free(worker->features);
    mw_free(worker->counts);
    mw_free(worker->stack);
    mw_forest__sets_done(&worker->sets);
    mw_forest__tree_done(&worker->tree);
    *worker = (mw_forest__worker){0};
}

/* ---- the rows of a tree ---- */

/* True every CELLS_PER_CHECK-th time: when a long loop looks whether it was canceled. */
static inline bool check_is_due(int64_t i) {
    return (uint64_t)i % CELLS_PER_CHECK == CELLS_PER_CHECK - 1;
}

static mw_status draw_rows(mw_forest__worker *worker, mw_err *err) {
    const mw_forest__data *data = worker->data;
    uint32_t *local = worker->local; /* first how often a row was drawn, then its index */
    mw_status status = mw_forest__draw_rows(worker->ctx, data, &worker->rng, local, err);
    int64_t n_drawn = 0;
    for (int64_t row = 0; row < data->n_rows && status == MW_OK; row++) {
        if (check_is_due(row)) status = mw_ctx_check(worker->ctx, err);
        const uint32_t weight = local[row];
        local[row] = weight > 0 ? (uint32_t)n_drawn : UINT32_MAX;
        if (weight == 0) continue;
        int64_t target = data->target[row];
        if (data->options.n_classes == 0) target *= weight;
        worker->members[n_drawn] = (uint32_t)n_drawn;
        worker->rows[n_drawn++] = (mw_forest__row){target, weight, (uint32_t)row};
    }
    worker->n_drawn = n_drawn;
    return status;
}

static mw_status fill_cells(mw_forest__worker *worker, mw_err *err) {
    const mw_forest__data *data = worker->data;
    const uint32_t *local = worker->local;
    for (int32_t feature = 0; feature < data->n_features; feature++) {
        mw_status status = mw_ctx_check(worker->ctx, err);
        const uint32_t *order = data->order + feature * data->n_rows;
        const float *sorted = data->sorted + feature * data->n_rows;
        mw_forest__cell *cells = worker->cells + feature * worker->n_drawn;
        for (int64_t i = 0; i < data->n_rows && status == MW_OK; i++) {
            if (local[order[i]] != UINT32_MAX)
                *cells++ = (mw_forest__cell){local[order[i]], sorted[i]};
            if (check_is_due(i)) status = mw_ctx_check(worker->ctx, err);
        }
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

/* ---- nodes ---- */

static mw_forest__sums sum_members(const mw_forest__worker *worker, int64_t begin, int64_t end) {
    mw_forest__sums sums = {.n = end - begin};
    for (int64_t i = begin; i < end; i++) {
        const mw_forest__row *row = &worker->rows[worker->members[i]];
        sums.weight += row->weight;
        sums.sum += row->target;
    }
    return sums;
}

/* A node whose rows all have one target is not split; its range holds at least one row. */
static bool is_pure(const mw_forest__worker *worker, int64_t begin, int64_t end) {
    const double *y = worker->data->y;
    const double first = y[worker->rows[worker->members[begin]].id];
    for (int64_t i = begin + 1; i < end; i++)
        if (y[worker->rows[worker->members[i]].id] != first) return false;
    return true;
}

static bool may_split(const mw_forest__worker *worker, int64_t begin, int64_t end, int32_t depth) {
    const mw_forest_options *options = &worker->data->options;
    const int64_t n = end - begin;
    if (n < options->min_samples_split || n < 2 * (int64_t)options->min_samples_leaf) return false;
    if (options->max_depth > 0 && depth >= options->max_depth) return false;
    return !is_pure(worker, begin, end);
}

static void count_classes(mw_forest__worker *worker, int64_t begin, int64_t end) {
    const int32_t n_classes = worker->data->options.n_classes;
    if (n_classes == 0) return;
    memset(worker->counts, 0, (size_t)n_classes * sizeof *worker->counts);
    for (int64_t i = begin; i < end; i++) {
        const mw_forest__row *row = &worker->rows[worker->members[i]];
        worker->counts[row->target] += row->weight;
    }
}

/* The mean as the first row's target plus a mean difference: exact when all targets are equal. */
static double mean_target(const mw_forest__worker *worker, int64_t begin, int64_t end) {
    const double *y = worker->data->y;
    const double first = y[worker->rows[worker->members[begin]].id];
    double sum = 0, weight = 0;
    for (int64_t i = begin; i < end; i++) {
        const mw_forest__row *row = &worker->rows[worker->members[i]];
        sum += (double)row->weight * (y[row->id] - first);
        weight += (double)row->weight;
    }
    return first + sum / weight;
}

static mw_status add_leaf(mw_forest__worker *worker, int64_t node, int64_t begin, int64_t end,
                          mw_err *err) {
    const mw_forest__data *data = worker->data;
    const int64_t weight = sum_members(worker, begin, end).weight;
    const double n_trees = (double)data->options.n_estimators;
    float *values;
    mw_status status =
        mw_forest__add_leaf(worker->ctx->mem, data, &worker->tree, node, weight, &values, err);
    if (status != MW_OK) return status;
    if (data->options.n_classes == 0)
        values[0] = (float)(mean_target(worker, begin, end) / n_trees);
    count_classes(worker, begin, end);
    for (int32_t c = 0; c < data->options.n_classes; c++)
        values[c] = (float)((double)worker->counts[c] / ((double)weight * n_trees));
    return MW_OK;
}

/* ---- splitting ---- */

/* Marks the node's rows by the side they go to; returns how many go left. */
static int64_t mark_sides(mw_forest__worker *worker, const mw_forest__split *split, int64_t begin,
                          int64_t end) {
    const mw_forest__cell *cells = worker->cells + split->feature * worker->n_drawn;
    int64_t n_left = 0;
    for (int64_t i = begin; i < end; i++) {
        float x = cells[i].value;
        bool left = split->by_set        ? mw_forest__sets_has(&worker->sets, x)
                    : __builtin_isnan(x) ? split->missing_left
                                         : x <= split->threshold;
        worker->goes_left[cells[i].row] = left;
        n_left += left;
    }
    return n_left;
}

static void partition_members(mw_forest__worker *worker, int64_t begin, int64_t end) {
    uint32_t *members = worker->members + begin;
    uint32_t *right = (uint32_t *)(void *)worker->scratch;
    int64_t n_left = 0, n_right = 0;
    for (int64_t i = 0; i < end - begin; i++) {
        const uint32_t member = members[i];
        const uint8_t left = worker->goes_left[member];
        members[n_left] = member;
        right[n_right] = member;
        n_left += left;
        n_right += !left;
    }
    memcpy(members + n_left, right, (size_t)n_right * sizeof *right);
}

static mw_status partition_cells(mw_forest__worker *worker, int32_t feature, int64_t begin,
                                 int64_t end, mw_err *err) {
    mw_forest__cell *cells = worker->cells + feature * worker->n_drawn + begin;
    mw_forest__cell *right = worker->scratch;
    int64_t n_left = 0, n_right = 0;
    mw_status status = MW_OK;
    for (int64_t i = 0; i < end - begin && status == MW_OK; i++) {
        const mw_forest__cell cell = cells[i];
        const uint8_t left = worker->goes_left[cell.row];
        cells[n_left] = cell;
        right[n_right] = cell;
        n_left += left;
        n_right += !left;
        if (check_is_due(i)) status = mw_ctx_check(worker->ctx, err);
    }
    memcpy(cells + n_left, right, (size_t)n_right * sizeof *right);
    return status;
}

static mw_status partition_features(mw_forest__worker *worker, int64_t begin, int64_t end,
                                    mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t feature = 0; feature < worker->data->n_features && status == MW_OK; feature++) {
        if (end - begin > CELLS_PER_CHECK / 16) status = mw_ctx_check(worker->ctx, err);
        if (status == MW_OK) status = partition_cells(worker, feature, begin, end, err);
    }
    return status;
}

static mw_status push(mw_forest__worker *worker, mw_forest__job job, mw_err *err) {
    if (worker->stack_size == worker->stack_capacity) {
        size_t bytes = 2 * (size_t)worker->stack_capacity * sizeof *worker->stack;
        mw_forest__job *stack = mw_realloc(worker->ctx->mem, worker->stack, bytes);
        if (!stack) return mw_fail_nomem(err, "growing a tree");
        worker->stack = stack;
        worker->stack_capacity *= 2;
    }
    worker->stack[worker->stack_size++] = job;
    return MW_OK;
}

static mw_status split_node(mw_forest__worker *worker, mw_forest__job job, int64_t weight,
                            const mw_forest__split *split, mw_err *err) {
    mw_forest__tree *tree = &worker->tree;
    const int64_t left = tree->n_nodes, right = left + 1;
    mw_status status = mw_forest__add_nodes(worker->ctx->mem, tree, 2, err);
    if (status != MW_OK) return status;
    tree->nodes[job.node] = (mw_node){.feature = split->feature,
                                      .threshold = split->threshold,
                                      .left = (int32_t)left,
                                      .right = (int32_t)right,
                                      .cover = (uint32_t)weight,
                                      .missing_left = split->missing_left,
                                      .gain = (float)(split->gain * worker->data->gain_unit)};
    if (split->by_set)
        status = mw_forest__add_set(worker->ctx->mem, &worker->sets, tree, job.node, err);
    if (status != MW_OK) return status;
    const int64_t middle = job.begin + mark_sides(worker, split, job.begin, job.end);
    partition_members(worker, job.begin, job.end);
    const mw_forest__job children[2] = {{middle, job.end, right, job.depth + 1},
                                        {job.begin, middle, left, job.depth + 1}};
    bool open[2];
    for (int i = 0; i < 2; i++)
        open[i] = may_split(worker, children[i].begin, children[i].end, children[i].depth);
    if (open[0] || open[1]) status = partition_features(worker, job.begin, job.end, err);
    for (int i = 0; i < 2 && status == MW_OK; i++)
        status = open[i]
                     ? push(worker, children[i], err)
                     : add_leaf(worker, children[i].node, children[i].begin, children[i].end, err);
    return status;
}

static mw_status grow_node(mw_forest__worker *worker, mw_forest__job job, mw_err *err) {
    const mw_forest__sums sums = sum_members(worker, job.begin, job.end);
    count_classes(worker, job.begin, job.end);
    mw_forest__split split;
    mw_status status = mw_forest__split_find(worker, job.begin, job.end, &sums, &split, err);
    if (status != MW_OK) return status;
    if (split.feature < 0) return add_leaf(worker, job.node, job.begin, job.end, err);
    return split_node(worker, job, sums.weight, &split, err);
}

mw_status mw_forest__tree_grow(mw_forest__worker *worker, int32_t index, mw_err *err) {
    worker->rng = mw_forest__rng(worker->ctx, index);
    for (int32_t f = 0; f < worker->data->n_features; f++) worker->features[f] = (uint32_t)f;
    mw_status status = draw_rows(worker, err);
    if (status == MW_OK) status = fill_cells(worker, err);
    if (status == MW_OK) status = mw_forest__add_nodes(worker->ctx->mem, &worker->tree, 1, err);
    if (status != MW_OK) return status;
    worker->stack_size = 0;
    if (!may_split(worker, 0, worker->n_drawn, 0))
        return add_leaf(worker, 0, 0, worker->n_drawn, err);
    status = push(worker, (mw_forest__job){0, worker->n_drawn, 0, 0}, err);
    for (uint64_t n = 0; status == MW_OK && worker->stack_size > 0; n++) {
        if (n % 64 == 0) status = mw_ctx_check(worker->ctx, err);
        if (status == MW_OK) status = grow_node(worker, worker->stack[--worker->stack_size], err);
    }
    if (status == MW_OK) mw_forest__shrink(worker->ctx->mem, worker->data, &worker->tree);
    return status;
}
