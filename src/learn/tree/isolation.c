/*
 * isolation.c -- isolation trees on raw values (Liu, Ting, Zhou, ICDM 2008, algorithms 1 and 2;
 * score after equations 1 and 2 and algorithm 3), with scikit-learn's choice of split features.
 *
 * A tree of psi rows has at most 2 psi - 1 nodes, so every tree gets a slot of that size, the slots
 * are filled in any order, and then moved together in tree order.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/isolation_parts.h"

/* "isol" in ASCII above the tree's number: no other user of the seed has these streams. */
#define ISOLATION_STREAM (UINT64_C(0x69736f6c) << 32)

typedef struct growing {
    const mw_ctx *ctx;
    mw_matrix matrix;
    mw_isolation_plan plan;
    int32_t n_trees;
    int64_t slot;     /* nodes reserved for a tree */
    mw_node *nodes;   /* [n_trees][slot] */
    float *values;    /* [n_trees][slot / 2 + 1] */
    int32_t *n_nodes; /* [n_trees] */
    _Atomic int64_t n_done;
} growing;

typedef struct job {
    uint32_t begin, end; /* range of the sample */
    int32_t node, depth;
} job;

/* One tree being grown. */
typedef struct tree {
    const growing *g;
    mw_rng rng;
    uint32_t *sample;   /* [n_sample] row numbers by node */
    uint32_t *features; /* [n_features] permutation to draw from */
    mw_node *nodes;
    float *values;
    int32_t n_nodes, n_leaves;
} tree;

typedef struct cut {
    int32_t feature; /* -1: every feature is constant */
    float threshold;
} cut;

static float value_at(const tree *t, uint32_t i, int32_t feature) {
    return t->g->matrix.x[(int64_t)t->sample[i] * t->g->matrix.n_features + feature];
}

/* False when the feature has no two different values in the node. */
static bool value_range(const tree *t, const job *j, int32_t feature, float *ret_low,
                        float *ret_high) {
    float low = 0, high = 0;
    bool any = false;
    for (uint32_t i = j->begin; i < j->end; i++) {
        float x = value_at(t, i, feature);
        if (__builtin_isnan(x)) continue;
        if (!any || x < low) low = x;
        if (!any || x > high) high = x;
        any = true;
    }
    *ret_low = low;
    *ret_high = high;
    return any && low < high;
}

/* In [low, high): both sides get a row whatever the rounding. */
static float draw_threshold(mw_rng *rng, float low, float high) {
    double drawn = (double)low + mw_rng_uniform(rng) * ((double)high - (double)low);
    float threshold = (float)drawn;
    return threshold >= low && threshold < high ? threshold : low;
}

static cut draw_cut(tree *t, const job *j) {
    const uint32_t n_features = t->g->plan.n_tree_features;
    for (uint32_t n_seen = 0; n_seen < n_features; n_seen++) {
        uint32_t feature = mw_isolation__draw(&t->rng, t->features, n_seen, n_features);
        float low, high;
        if (value_range(t, j, (int32_t)feature, &low, &high))
            return (cut){(int32_t)feature, draw_threshold(&t->rng, low, high)};
    }
    return (cut){.feature = -1};
}

/* Draws the side of missing values by the odds of the others. Always draws, so that the numbers
 * that follow do not depend on whether anything is missing. */
static bool draw_missing_left(tree *t, const job *j, cut c) {
    uint32_t n_left = 0, n_right = 0;
    for (uint32_t i = j->begin; i < j->end; i++) {
        float x = value_at(t, i, c.feature);
        n_left += x <= c.threshold;
        n_right += x > c.threshold;
    }
    return mw_rng_below(&t->rng, (uint64_t)n_left + n_right) < n_left;
}

/* The order within a side does not matter: only sets of rows are looked at. */
static uint32_t partition(tree *t, const job *j, cut c, bool missing_left) {
    uint32_t middle = j->begin;
    for (uint32_t i = j->begin; i < j->end; i++) {
        float x = value_at(t, i, c.feature);
        if (!(__builtin_isnan(x) ? missing_left : x <= c.threshold)) continue;
        uint32_t row = t->sample[i];
        t->sample[i] = t->sample[middle];
        t->sample[middle++] = row;
    }
    return middle;
}

static void make_leaf(tree *t, const job *j) {
    const uint32_t n = j->end - j->begin;
    double length = (double)j->depth + mw_isolation_c(n);
    t->values[t->n_leaves] = (float)(length / (double)t->g->n_trees);
    t->nodes[j->node] = (mw_node){.feature = -1, .left = -1, .right = t->n_leaves++, .cover = n};
}

static mw_status grow(tree *t, mw_err *err) {
    job stack[MW_ISOLATION_DEPTH_MAX + 1] = {{0, t->g->plan.n_sample, 0, 0}};
    int size = 1;
    t->n_nodes = 1;
    while (size > 0) {
        const job j = stack[--size];
        mw_status status = mw_ctx_check(t->g->ctx, err);
        if (status != MW_OK) return status;
        cut c = {.feature = -1};
        if (j.end - j.begin > 1 && j.depth < t->g->plan.max_depth) c = draw_cut(t, &j);
        if (c.feature < 0) {
            make_leaf(t, &j);
            continue;
        }
        const bool missing_left = draw_missing_left(t, &j, c);
        const uint32_t middle = partition(t, &j, c, missing_left);
        const int32_t left = t->n_nodes, right = left + 1;
        t->n_nodes += 2;
        t->nodes[j.node] = (mw_node){.feature = c.feature,
                                     .threshold = c.threshold,
                                     .left = left,
                                     .right = right,
                                     .cover = j.end - j.begin,
                                     .missing_left = missing_left};
        stack[size++] = (job){middle, j.end, right, j.depth + 1};
        stack[size++] = (job){j.begin, middle, left, j.depth + 1};
    }
    return MW_OK;
}

static mw_status grow_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    growing *g = arg;
    const size_t n_features = (size_t)g->matrix.n_features;
    uint32_t *buffer =
        mw_alloc_array(g->ctx->mem, (size_t)g->plan.n_sample + n_features, sizeof *buffer);
    if (!buffer) return mw_fail_nomem(err, "growing isolation trees");
    mw_status status = MW_OK;
    for (int64_t k = begin; k < end && status == MW_OK; k++) {
        tree t = {.g = g,
                  .sample = buffer,
                  .features = buffer + g->plan.n_sample,
                  .nodes = g->nodes + k * g->slot,
                  .values = g->values + k * (g->slot / 2 + 1)};
        mw_rng_init(&t.rng, g->ctx->seed, ISOLATION_STREAM | (uint64_t)k, 0);
        mw_isolation__sample(&g->plan, &t.rng, t.sample);
        mw_isolation__features(&g->plan, &t.rng, t.features);
        status = grow(&t, err);
        g->n_nodes[k] = t.n_nodes;
        int64_t n_done = atomic_fetch_add(&g->n_done, 1) + 1;
        if (worker == 0) /* one thread at a time may report */
            mw_ctx_report(g->ctx, "growing isolation trees", (double)n_done, (double)g->n_trees);
    }
    mw_free(buffer);
    return status;
}

/* Moves the trees together within their own arrays; a binary tree of n nodes has (n + 1) / 2
 * leaves. */
static void close_gaps(const growing *g, mw_trees *trees) {
    for (int64_t k = 0; k < g->n_trees; k++) {
        const int64_t n_nodes = g->n_nodes[k], n_leaves = (n_nodes + 1) / 2;
        trees->roots[k] = trees->n_nodes;
        for (int64_t i = 0; i < n_nodes; i++) {
            mw_node node = g->nodes[k * g->slot + i];
            node.right += (int32_t)(node.left < 0 ? trees->n_leaves : trees->n_nodes);
            if (node.left >= 0) node.left += (int32_t)trees->n_nodes;
            trees->nodes[trees->n_nodes + i] = node;
        }
        memmove(trees->values + trees->n_leaves, g->values + k * (g->slot / 2 + 1),
                (size_t)n_leaves * sizeof *trees->values);
        trees->n_nodes += n_nodes;
        trees->n_leaves += n_leaves;
    }
}

/* Gives back what the slots did not use; a refusal leaves the larger block in place. */
static void shrink(mw_trees *trees) {
    mw_node *nodes =
        mw_realloc(trees->mem, trees->nodes, (size_t)trees->n_nodes * sizeof *trees->nodes);
    if (nodes) trees->nodes = nodes;
    float *values =
        mw_realloc(trees->mem, trees->values, (size_t)trees->n_leaves * sizeof *trees->values);
    if (values) trees->values = values;
}

mw_status mw_isolation_fit(const mw_ctx *ctx, const mw_isolation_options *options, mw_matrix matrix,
                           mw_trees **ret, double *ret_c, mw_err *err) {
    growing g = {.ctx = ctx, .matrix = matrix, .n_trees = options->n_estimators};
    mw_status status = mw_isolation__plan(ctx, options, matrix, &g.plan, err);
    if (status != MW_OK) return status;
    g.slot = 2 * (int64_t)g.plan.n_sample - 1;
    const size_t n_trees = (size_t)g.n_trees, n_slots = n_trees * (size_t)g.slot;
    mw_trees *trees = mw_calloc(ctx->mem, 1, sizeof *trees);
    if (!trees) return mw_fail_nomem(err, "the isolation forest");
    *trees = (mw_trees){
        .mem = ctx->mem, .n_features = matrix.n_features, .n_outputs = 1, .n_trees = g.n_trees};
    trees->roots = mw_alloc_array(ctx->mem, n_trees, sizeof *trees->roots);
    trees->nodes = g.nodes = mw_alloc_array(ctx->mem, n_slots, sizeof *trees->nodes);
    trees->values = g.values =
        mw_alloc_array(ctx->mem, n_trees * (size_t)(g.slot / 2 + 1), sizeof *trees->values);
    g.n_nodes = mw_alloc_array(ctx->mem, n_trees, sizeof *g.n_nodes);
    if (!trees->roots || !trees->nodes || !trees->values || !g.n_nodes)
        status = mw_fail_nomem(err, "the isolation forest");
    if (status == MW_OK) status = mw_pool_for(ctx, g.n_trees, 1, grow_range, &g, err);
    if (status == MW_OK) {
        mw_ctx_report(ctx, "growing isolation trees", g.n_trees, g.n_trees);
        close_gaps(&g, trees);
        shrink(trees);
        *ret = trees;
        *ret_c = mw_isolation_c(g.plan.n_sample);
    } else {
        mw_trees_free(trees);
    }
    mw_free(g.n_nodes);
    return status;
}

void mw_isolation_score_of(double c, double *lengths, int64_t n_rows) {
    for (int64_t row = 0; row < n_rows; row++)
        lengths[row] = c > 0 ? mw_exp2(-lengths[row] / c) : 0.5;
}

mw_status mw_isolation_score(const mw_ctx *ctx, const mw_trees *trees, double c, mw_matrix matrix,
                             double *scores, mw_err *err) {
    mw_status status = mw_trees_score(ctx, trees, matrix, scores, err);
    if (!status) mw_isolation_score_of(c, scores, matrix.n_rows);
    return status;
}

void mw_isolation_importance(const mw_trees *trees, double *importance) {
    double total = 0;
    for (int32_t f = 0; f < trees->n_features; f++) importance[f] = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *node = &trees->nodes[i];
        if (node->left < 0) continue;
        importance[node->feature] += (double)node->cover;
        total += (double)node->cover;
    }
    for (int32_t f = 0; total > 0 && f < trees->n_features; f++) importance[f] /= total;
}
