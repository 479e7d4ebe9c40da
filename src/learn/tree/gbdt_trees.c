/*
 * gbdt_trees.c -- grown trees onto the shelf, and what they add to the scores.
 *
 * A tree's leaves hold the rows it was grown on, which get their leaf's value by list; rows outside the bag and
 * validation rows walk the tree. Scores are base + leaves in tree order, in float64, of the very float32 values that
 * the ensemble holds: what boosting saw is what the model gives.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/gbdt_parts.h"

enum { CHUNK = MW_GBDT__CHUNK, FIRST = 1024, ADD_ROWS = 65536 };

#define LARGEST 3.4028234663852886e38 /* a float32 */

/* ---- room ---- */

/* At least `needed` items of `size` bytes; *block stays as it is on failure. */
static mw_status make_room(mw_mem *mem, void *block, int64_t *capacity, int64_t needed, size_t size,
                           mw_err *err) {
    void *old, *larger;
    if (needed <= *capacity) return MW_OK;
    int64_t wanted = *capacity ? *capacity : FIRST;
    while (wanted < needed) wanted *= 2;
    memcpy(&old, block, sizeof old);
    larger = mw_realloc(mem, old, (size_t)wanted * size);
    if (!larger) return mw_fail_nomem(err, "the trees");
    memcpy(block, &larger, sizeof larger);
    *capacity = wanted;
    return MW_OK;
}

static mw_status room_for_tree(mw_gbdt__run *run, int32_t n_nodes, int32_t n_leaves, mw_err *err) {
    mw_gbdt__shelf *shelf = &run->shelf;
    mw_trees *t = shelf->trees;
    const size_t leaf_bytes = (size_t)t->n_outputs * sizeof *t->values;
    if (t->n_nodes + n_nodes > MW_LIMIT(MODEL_NODES)) {
        mw_fail(err, MW_ETOOLARGE, "the model has more than %lld nodes",
                (long long)MW_LIMIT(MODEL_NODES));
        return mw_err_hint(err, "use fewer n_estimators or num_leaves");
    }
    mw_status status =
        make_room(t->mem, &t->roots, &shelf->trees_capacity, t->n_trees + 1, sizeof *t->roots, err);
    if (!status)
        status = make_room(t->mem, &t->nodes, &shelf->nodes_capacity, t->n_nodes + n_nodes,
                           sizeof *t->nodes, err);
    if (!status)
        status = make_room(t->mem, &t->values, &shelf->leaves_capacity, t->n_leaves + n_leaves,
                           leaf_bytes, err);
    return status;
}

/* A copy of `init` that is grown on, or an empty ensemble. */
mw_status mw_gbdt__shelf_new(mw_gbdt__run *run, const mw_trees *init, mw_err *err) {
    mw_mem *mem = run->ctx->mem;
    mw_gbdt__shelf *shelf = &run->shelf;
    mw_trees *t = shelf->trees = mw_calloc(mem, 1, sizeof *t);
    if (!t) return mw_fail_nomem(err, "the trees");
    t->mem = mem;
    t->n_features = run->train.matrix.n_features;
    t->n_outputs = run->n_outputs;
    t->base = mw_calloc(mem, (size_t)run->n_outputs, sizeof *t->base);
    if (!t->base) return mw_fail_nomem(err, "the trees");
    if (!init) return MW_OK;
    const size_t n_values = (size_t)(init->n_leaves * init->n_outputs);
    const size_t n_words = init->n_sets ? (size_t)init->set_starts[init->n_sets] : 0;
    for (int32_t k = 0; init->base && k < run->n_outputs; k++) t->base[k] = init->base[k];
    t->roots = mw_memdup(mem, init->roots, (size_t)init->n_trees * sizeof *t->roots);
    t->nodes = mw_memdup(mem, init->nodes, (size_t)init->n_nodes * sizeof *t->nodes);
    t->values = mw_memdup(mem, init->values, n_values * sizeof *t->values);
    if (!t->roots || !t->nodes || !t->values) return mw_fail_nomem(err, "the trees");
    t->n_trees = init->n_trees;
    shelf->trees_capacity = t->n_trees;
    shelf->nodes_capacity = t->n_nodes = init->n_nodes;
    shelf->leaves_capacity = t->n_leaves = init->n_leaves;
    if (n_words == 0) return MW_OK;
    t->set_starts =
        mw_memdup(mem, init->set_starts, ((size_t)init->n_sets + 1) * sizeof *t->set_starts);
    t->set_words = mw_memdup(mem, init->set_words, n_words * sizeof *t->set_words);
    if (!t->set_starts || !t->set_words) return mw_fail_nomem(err, "the trees");
    t->n_sets = init->n_sets;
    shelf->sets_room = (mw_sets_room){t->n_sets + 1, (int64_t)n_words};
    return MW_OK;
}

/* ---- one tree ---- */

/* The codes of the bins that go left, as a set of the ensemble. */
static mw_status add_set(mw_gbdt__shelf *shelf, const mw_bins_column *column, const mw_split *split,
                         int32_t *ret, mw_err *err) {
    const int64_t n_words = column->n_codes / 32 + 1;
    uint32_t *words = mw_calloc(shelf->trees->mem, (size_t)n_words, sizeof *words);
    if (!words) return mw_fail_nomem(err, "the trees");
    for (int32_t b = 0; b < column->n_bins; b++)
        if (mw_split_goes_left(split, column->n_bins, b))
            words[column->codes[b] / 32] |= UINT32_C(1) << column->codes[b] % 32;
    mw_status status = mw_trees_add_set(shelf->trees, &shelf->sets_room, words, n_words, ret, err);
    mw_free(words);
    return status;
}

static float as_float(double x) {
    return (float)(x > LARGEST ? LARGEST : x < -LARGEST ? -LARGEST : x);
}

static mw_status add_split(mw_gbdt__run *run, const mw_split *split, mw_node *to, mw_err *err) {
    const mw_bins_column *column = &run->bins->columns[split->column];
    to->feature = column->feature;
    to->gain = as_float(split->gain);
    to->missing_left = split->missing_left;
    to->by_set = split->by_set;
    if (split->by_set) return add_set(&run->shelf, column, split, &to->set, err);
    to->threshold = split->bin < column->n_bins - 1 ? column->cuts[split->bin] : (float)LARGEST;
    return MW_OK;
}

static void set_value(mw_trees *t, int64_t leaf, int32_t output, double value) {
    t->values[leaf * t->n_outputs + output] = as_float(value);
}

/* The nodes of the grown tree; its leaf l is the shelf's leaf n_leaves + l. */
static mw_status add_nodes(mw_gbdt__run *run, mw_err *err) {
    mw_trees *t = run->shelf.trees;
    const int32_t n = mw_grower_count(run->grower), root = (int32_t)t->n_nodes;
    int32_t leaf = 0;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < n && !status; i++) {
        const mw_grown_node *from = mw_grower_node(run->grower, i);
        mw_node *to = &t->nodes[root + i];
        *to = (mw_node){.feature = -1, .left = -1, .cover = (uint32_t)from->n_rows};
        if (from->left < 0) {
            to->right = (int32_t)t->n_leaves + leaf++;
            continue;
        }
        to->left = root + from->left;
        to->right = root + from->right;
        status = add_split(run, &from->split, to, err);
    }
    return status;
}

/* ---- what the leaves give ---- */

typedef struct adding {
    const mw_grower *grower;
    const mw_trees *trees;
    int64_t first_leaf;
    int32_t output;
    double *scores; /* of the output */
} adding;

/* The first of the ascending rows [n] that is not below `row`. */
static int64_t first_from(const uint32_t *rows, int64_t n, int64_t row) {
    int64_t low = 0;
    while (n > 0) {
        const int64_t half = n / 2;
        const bool below = rows[low + half] < row;
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* Every leaf's rows in the range: scores are gone through once, and none is touched by two threads. */
static mw_status add_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const adding *a = arg;
    const int32_t n_nodes = mw_grower_count(a->grower);
    int64_t leaf = a->first_leaf;
    for (int32_t k = 0; k < n_nodes; k++) {
        const mw_grown_node *node = mw_grower_node(a->grower, k);
        if (node->left >= 0) continue;
        const uint32_t *rows = mw_grower_rows(a->grower, node);
        const double value = (double)a->trees->values[leaf++ * a->trees->n_outputs + a->output];
        for (int64_t i = first_from(rows, node->n_rows, begin); i < node->n_rows && rows[i] < end;
             i++)
            a->scores[rows[i]] += value;
    }
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status add_by_leaf(mw_gbdt__run *run, int32_t output, int64_t first_leaf, mw_err *err) {
    const int64_t n_rows = run->train.matrix.n_rows, by_leaves = 32 * mw_grower_count(run->grower);
    adding a = {.grower = run->grower,
                .trees = run->shelf.trees,
                .first_leaf = first_leaf,
                .output = output,
                .scores = run->scores + output * n_rows};
    return mw_pool_for(run->ctx, n_rows, by_leaves > ADD_ROWS ? by_leaves : ADD_ROWS, add_range, &a,
                       err);
}

/* ---- rows that walk ---- */

typedef struct walking {
    const mw_trees *trees;
    const float *x;
    int32_t tree, output;
    double sign;
    const uint8_t *left_out; /* rows that have their value already, or NULL */
    double *scores;
} walking;

static mw_status walk_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const walking *w = arg;
    const mw_trees *t = w->trees;
    for (int64_t i = begin; i < end; i++) {
        if (w->left_out && w->left_out[i]) continue;
        const int32_t leaf = mw_trees_leaf(t, w->tree, w->x + i * t->n_features);
        w->scores[i] += w->sign * (double)t->values[(int64_t)leaf * t->n_outputs + w->output];
    }
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status walk(const mw_gbdt__run *run, mw_matrix matrix, double *scores, int32_t tree,
                      double sign, const uint8_t *left_out, mw_err *err) {
    const int32_t output = tree % run->n_outputs;
    walking w = {.trees = run->shelf.trees,
                 .x = matrix.x,
                 .tree = tree,
                 .output = output,
                 .sign = sign,
                 .left_out = left_out,
                 .scores = scores + output * matrix.n_rows};
    return mw_pool_for(run->ctx, matrix.n_rows, CHUNK / 4, walk_range, &w, err);
}

/* ---- leaves by the quantile of their residuals ---- */

typedef struct renewing {
    mw_gbdt__run *run;
    int32_t output;
    const int32_t *leaves; /* node numbers */
    double *values;
} renewing;

static mw_status renew_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const renewing *r = arg;
    mw_gbdt__run *run = r->run;
    mw_status status = MW_OK;
    for (int64_t i = begin; i < end && !status; i++) {
        const mw_grown_node *leaf = mw_grower_node(run->grower, r->leaves[i]);
        status = mw_objective_renew(run->ctx, &run->options->objective, run->train.targets,
                                    run->scores + r->output * run->train.matrix.n_rows,
                                    mw_grower_rows(run->grower, leaf), leaf->n_rows,
                                    run->scratch + leaf->begin, &r->values[i], err);
    }
    (void)worker;
    return status;
}

/* values [n_leaves]: before the weight of the tree. */
static mw_status find_values(mw_gbdt__run *run, int32_t output, const int32_t *leaves,
                             int32_t n_leaves, double *values, mw_err *err) {
    for (int32_t i = 0; i < n_leaves; i++)
        values[i] = mw_grower_node(run->grower, leaves[i])->output;
    if (!mw_objective_renews(&run->options->objective)) return MW_OK;
    renewing r = {.run = run, .output = output, .leaves = leaves, .values = values};
    return mw_pool_for(run->ctx, n_leaves, 1, renew_range, &r, err);
}

/* leaves, values [nodes of the tree]: room. */
static mw_status add_leaves(mw_gbdt__run *run, int32_t output, double weight, int32_t *leaves,
                            double *values, mw_err *err) {
    mw_trees *t = run->shelf.trees;
    const int32_t n_nodes = mw_grower_count(run->grower);
    int32_t n_leaves = 0;
    for (int32_t i = 0; i < n_nodes; i++)
        if (mw_grower_node(run->grower, i)->left < 0) leaves[n_leaves++] = i;
    mw_status status = room_for_tree(run, n_nodes, n_leaves, err);
    if (!status) status = add_nodes(run, err);
    if (!status) status = find_values(run, output, leaves, n_leaves, values, err);
    if (status) return status;
    const int64_t first = t->n_leaves;
    memset(t->values + first * t->n_outputs, 0,
           (size_t)(n_leaves * t->n_outputs) * sizeof *t->values);
    for (int32_t i = 0; i < n_leaves; i++) set_value(t, first + i, output, weight * values[i]);
    t->roots[t->n_trees++] = t->n_nodes;
    t->n_nodes += n_nodes;
    t->n_leaves += n_leaves;
    return add_by_leaf(run, output, first, err);
}

mw_status mw_gbdt__add_tree(mw_gbdt__run *run, int32_t output, double weight, mw_err *err) {
    const size_t n_nodes = (size_t)mw_grower_count(run->grower);
    int32_t *leaves = mw_alloc_array(run->ctx->mem, n_nodes, sizeof *leaves);
    double *values = mw_alloc_array(run->ctx->mem, n_nodes, sizeof *values);
    mw_status status = leaves && values ? add_leaves(run, output, weight, leaves, values, err)
                                        : mw_fail_nomem(err, "the trees");
    mw_free(leaves);
    mw_free(values);
    const int32_t tree = run->shelf.trees->n_trees - 1;
    if (!status && run->n_bag < run->train.matrix.n_rows)
        status = walk(run, run->train.matrix, run->scores, tree, 1, run->in_bag, err);
    if (!status && run->valid)
        status = walk(run, run->valid->matrix, run->valid_scores, tree, 1, NULL, err);
    return status;
}

void mw_gbdt__truncate(mw_gbdt__run *run, int32_t n_rounds) {
    mw_trees *t = run->shelf.trees;
    const int32_t n_trees = n_rounds * run->n_outputs;
    if (n_trees >= t->n_trees) return;
    t->n_nodes = t->roots[n_trees];
    t->n_trees = n_trees;
    t->n_leaves = 0;
    t->n_sets = 0;
    for (int64_t i = 0; i < t->n_nodes; i++) {
        t->n_leaves += t->nodes[i].feature < 0;
        if (t->nodes[i].feature >= 0 && t->nodes[i].by_set) t->n_sets++;
    }
}

/* ---- DART ---- */

static mw_status shift_round(mw_gbdt__run *run, int32_t round, double sign, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t k = 0; k < run->n_outputs && !status; k++) {
        const int32_t tree = round * run->n_outputs + k;
        status = walk(run, run->train.matrix, run->scores, tree, sign, NULL, err);
        if (!status && run->valid)
            status = walk(run, run->valid->matrix, run->valid_scores, tree, sign, NULL, err);
    }
    return status;
}

static void draw_rounds(mw_gbdt__run *run, int32_t round) {
    const mw_gbdt_options *o = run->options;
    double sum = 0;
    for (int32_t i = 0; i < round; i++) sum += run->round_weights[i];
    mw_rng rng;
    mw_rng_init(&rng, run->ctx->seed, MW_GBDT__DROP | (uint32_t)round, 0);
    run->n_dropped = 0;
    if (mw_rng_uniform(&rng) < o->skip_drop) return;
    for (int32_t i = 0; i < round; i++) {
        const double rate =
            o->uniform_drop ? o->drop_rate : o->drop_rate * run->round_weights[i] * round / sum;
        if (mw_rng_uniform(&rng) >= rate) continue;
        run->dropped[run->n_dropped++] = i;
        if (run->n_dropped == o->max_drop) return;
    }
}

/* What a dropped round is multiplied by when it is put back. */
static double shrinkage(const mw_gbdt__run *run) {
    const double n = run->n_dropped;
    return n / (n + (run->options->xgboost_dart_mode ? run->options->learning_rate : 1));
}

/* Draws the rounds to be dropped; their weights, and the new one's, as they are when they are back. No data has a part in it. */
static void weigh(mw_gbdt__run *run, int32_t round) {
    const double rate = run->options->learning_rate;
    draw_rounds(run, round);
    for (int32_t i = 0; i < run->n_dropped; i++)
        run->round_weights[run->dropped[i]] *= shrinkage(run);
    run->round_weights[round] =
        rate / (run->options->xgboost_dart_mode ? (run->n_dropped ? run->n_dropped + rate : 1)
                                                : 1 + run->n_dropped);
}

void mw_gbdt__weigh_begun(mw_gbdt__run *run) {
    for (int32_t round = 0; round < run->first_round; round++) weigh(run, round);
}

mw_status mw_gbdt__drop(mw_gbdt__run *run, int32_t round, mw_err *err) {
    weigh(run, round);
    mw_status status = MW_OK;
    for (int32_t i = 0; i < run->n_dropped && !status; i++)
        status = shift_round(run, run->dropped[i], -1, err);
    return status;
}

/* The leaves themselves are multiplied: of rounds that were there before, nothing else is known. */
static void shrink_round(mw_gbdt__run *run, int32_t round) {
    mw_trees *t = run->shelf.trees;
    for (int32_t k = 0; k < run->n_outputs; k++) {
        const int32_t tree = round * run->n_outputs + k;
        const int64_t end = tree + 1 < t->n_trees ? t->roots[tree + 1] : t->n_nodes;
        for (int64_t i = t->roots[tree]; i < end; i++)
            if (t->nodes[i].feature < 0) {
                const int64_t leaf = t->nodes[i].right;
                set_value(t, leaf, k, shrinkage(run) * (double)t->values[leaf * t->n_outputs + k]);
            }
    }
}

mw_status mw_gbdt__put_back(mw_gbdt__run *run, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t i = 0; i < run->n_dropped && !status; i++) {
        shrink_round(run, run->dropped[i]);
        status = shift_round(run, run->dropped[i], 1, err);
    }
    return status;
}
