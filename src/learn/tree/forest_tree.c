/*
 * forest_tree.c -- what every way of growing a tree needs: its random numbers, its rows, its nodes.
 */
#include "core/base/limits.h"
#include "learn/tree/forest_grow.h"

/* "fore" in ASCII above the tree's number: no other user of the seed has these streams. */
#define FOREST_STREAM (UINT64_C(0x666f7265) << 32)

enum { FIRST_NODES = 256, DRAWS_PER_CHECK = 1 << 17 };

mw_rng mw_forest__rng(const mw_ctx *ctx, int32_t index) {
    mw_rng rng;
    mw_rng_init(&rng, ctx->seed, FOREST_STREAM | (uint64_t)index, 0);
    return rng;
}

mw_status mw_forest__draw_rows(const mw_ctx *ctx, const mw_forest__data *data, mw_rng *rng,
                               uint32_t *counts, mw_err *err) {
    const int64_t n = data->n_rows;
    const bool bootstrap = data->options.bootstrap;
    for (int64_t row = 0; row < n; row++) counts[row] = bootstrap ? 0 : 1;
    for (int64_t draw = 0; bootstrap && draw < n; draw++) {
        counts[mw_rng_below(rng, (uint64_t)n)]++;
        if (draw % DRAWS_PER_CHECK != DRAWS_PER_CHECK - 1) continue;
        mw_status status = mw_ctx_check(ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

int32_t mw_forest__n_outputs(const mw_forest__data *data) {
    return data->options.n_classes > 0 ? data->options.n_classes : 1;
}

mw_status mw_forest__add_nodes(mw_mem *mem, mw_forest__tree *tree, int64_t n, mw_err *err) {
    if (tree->n_nodes + n > MW_LIMIT(MODEL_NODES)) {
        mw_fail(err, MW_ETOOLARGE, "a tree has more than %lld nodes",
                (long long)MW_LIMIT(MODEL_NODES));
        return mw_err_hint(err, "raise min_samples_leaf or set max_depth");
    }
    if (tree->n_nodes + n > tree->nodes_capacity) {
        int64_t capacity = tree->nodes_capacity ? 2 * tree->nodes_capacity : FIRST_NODES;
        mw_node *nodes = mw_realloc(mem, tree->nodes, (size_t)capacity * sizeof *nodes);
        if (!nodes) return mw_fail_nomem(err, "the nodes of a tree");
        tree->nodes = nodes;
        tree->nodes_capacity = capacity;
    }
    tree->n_nodes += n;
    return MW_OK;
}

mw_status mw_forest__add_leaf(mw_mem *mem, const mw_forest__data *data, mw_forest__tree *tree,
                              int64_t node, int64_t weight, float **ret_values, mw_err *err) {
    const size_t n_outputs = (size_t)mw_forest__n_outputs(data);
    if (tree->n_leaves == tree->values_capacity) {
        int64_t capacity = tree->values_capacity ? 2 * tree->values_capacity : FIRST_NODES / 2;
        size_t bytes = (size_t)capacity * n_outputs * sizeof *tree->values;
        float *values = mw_realloc(mem, tree->values, bytes);
        if (!values) return mw_fail_nomem(err, "the leaves of a tree");
        tree->values = values;
        tree->values_capacity = capacity;
    }
    *ret_values = tree->values + (size_t)tree->n_leaves * n_outputs;
    tree->nodes[node] = (mw_node){
        .feature = -1, .left = -1, .right = (int32_t)tree->n_leaves++, .cover = (uint32_t)weight};
    return MW_OK;
}

mw_status mw_forest__add_set(mw_mem *mem, const mw_forest__sets *sets, mw_forest__tree *tree,
                             int64_t node, mw_err *err) {
    tree->sets.mem = mem;
    tree->nodes[node].by_set = true;
    return mw_trees_add_set(&tree->sets, &tree->sets_room, sets->words, sets->n_words,
                            &tree->nodes[node].set, err);
}

void mw_forest__tree_done(mw_forest__tree *tree) {
    mw_free(tree->nodes);
    mw_free(tree->values);
    mw_free(tree->sets.set_starts);
    mw_free(tree->sets.set_words);
}

void mw_forest__shrink(mw_mem *mem, const mw_forest__data *data, mw_forest__tree *tree) {
    mw_node *nodes = mw_realloc(mem, tree->nodes, (size_t)tree->n_nodes * sizeof *nodes);
    if (nodes) tree->nodes = nodes;
    const size_t n_values = (size_t)tree->n_leaves * (size_t)mw_forest__n_outputs(data);
    float *values = mw_realloc(mem, tree->values, n_values * sizeof *values);
    if (values) tree->values = values;
}
