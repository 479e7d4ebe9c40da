/*
 * trees.c -- scoring: the plain walk, and the same answer for many rows at once.
 *
 * A walk waits for one node after another, so its time is memory latency. The batch way copies the
 * nodes into 16 bytes each, takes the rows in blocks small enough for their features to stay in the
 * first-level cache, and sends eight rows down a tree side by side, without branches: a leaf leads
 * to itself, and the eight stop together. (Asadi, Lin, de Vries: "Runtime optimizations for
 * tree-based machine learning models", TKDE 2014, call it predication with vectorization.) Each row
 * adds its leaves in tree order, which makes the sums equal to the plain walk's, bit for bit.
 */
#include "learn/tree/trees.h"

#include <string.h>

#include "core/base/threads.h"

enum {
    LANES = 8,
    ROWS_PER_BLOCK = 128,
    STEPS_PER_ROW = 16, /* a guess of a walk's length, to weigh walking against copying nodes */
};

#define MISSING_LEFT UINT32_C(0x80000000)

typedef struct walk_node {
    float threshold;
    uint32_t feature; /* MISSING_LEFT is set when missing values go left; 0 at a leaf */
    int32_t child[2]; /* left, right; a leaf's are itself */
} walk_node;

void *mw_trees_free(mw_trees *trees) {
    if (!trees) return NULL;
    mw_free(trees->roots);
    mw_free(trees->nodes);
    mw_free(trees->values);
    mw_free(trees->set_starts);
    mw_free(trees->set_words);
    return mw_free(trees);
}

static const mw_node *walk(const mw_trees *trees, int64_t root, const float *row) {
    const mw_node *node = &trees->nodes[root];
    while (node->left >= 0) {
        float x = row[node->feature];
        bool left = __builtin_isnan(x) ? node->missing_left
                    : node->by_set     ? mw_trees_in_set(trees, node->set, x)
                                       : x <= node->threshold;
        node = &trees->nodes[left ? node->left : node->right];
    }
    return node;
}

static void add_leaf(const mw_trees *trees, const mw_node *leaf, double *out) {
    const float *values = trees->values + (int64_t)leaf->right * trees->n_outputs;
    for (int32_t k = 0; k < trees->n_outputs; k++) out[k] += (double)values[k];
}

void mw_trees_score_row(const mw_trees *trees, const float *row, double *out) {
    for (int32_t k = 0; k < trees->n_outputs; k++) out[k] = 0;
    for (int32_t t = 0; t < trees->n_trees; t++)
        add_leaf(trees, walk(trees, trees->roots[t], row), out);
}

typedef struct scoring {
    const mw_ctx *ctx;
    const mw_trees *trees;
    const walk_node *nodes; /* [trees->n_nodes], or NULL: the plain walk */
    mw_matrix matrix;
    double *out;
    _Atomic int64_t n_done;
} scoring;

static walk_node *compact(mw_mem *mem, const mw_trees *trees) {
    walk_node *nodes = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *nodes);
    if (!nodes) return NULL;
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *from = &trees->nodes[i];
        if (from->left < 0)
            nodes[i] = (walk_node){0, 0, {(int32_t)i, (int32_t)i}};
        else
            nodes[i] =
                (walk_node){from->threshold,
                            (uint32_t)from->feature | (from->missing_left ? MISSING_LEFT : 0),
                            {from->left, from->right}};
    }
    return nodes;
}

static inline int32_t step(const walk_node *nodes, int32_t at, const float *row) {
    const walk_node *node = &nodes[at];
    float x = row[node->feature & ~MISSING_LEFT];
    bool left = (x <= node->threshold) | ((x != x) & (node->feature >= MISSING_LEFT));
    return node->child[!left];
}

/* at[LANES] become the leaves of rows row[LANES] in the tree at root. */
static void walk_lanes(const walk_node *nodes, int32_t root, const float *const *row, int32_t *at) {
    for (int i = 0; i < LANES; i++) at[i] = root;
    for (;;) {
        int32_t moved = 0;
        for (int i = 0; i < LANES; i++) {
            int32_t next = step(nodes, at[i], row[i]);
            moved |= next ^ at[i];
            at[i] = next;
        }
        if (!moved) return;
    }
}

/* One tree over n <= ROWS_PER_BLOCK rows; lanes past the end repeat the last row. */
static void score_tree(const scoring *s, int32_t tree, int64_t begin, int64_t n) {
    const mw_trees *trees = s->trees;
    const int32_t n_features = s->matrix.n_features;
    for (int64_t first = 0; first < n; first += LANES) {
        const float *row[LANES];
        int32_t at[LANES];
        for (int i = 0; i < LANES; i++) {
            int64_t r = first + i < n ? first + i : n - 1;
            row[i] = s->matrix.x + (begin + r) * n_features;
        }
        walk_lanes(s->nodes, (int32_t)trees->roots[tree], row, at);
        for (int i = 0; i < LANES && first + i < n; i++)
            add_leaf(trees, &trees->nodes[at[i]], s->out + (begin + first + i) * trees->n_outputs);
    }
}

static mw_status score_block(const scoring *s, int64_t begin, int64_t n, mw_err *err) {
    const mw_trees *trees = s->trees;
    memset(s->out + begin * trees->n_outputs, 0, (size_t)(n * trees->n_outputs) * sizeof *s->out);
    for (int32_t t = 0; t < trees->n_trees; t++) {
        mw_status status = t % 64 == 0 ? mw_ctx_check(s->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
        score_tree(s, t, begin, n);
    }
    return MW_OK;
}

static mw_status score_rows(const scoring *s, int64_t begin, int64_t n, mw_err *err) {
    for (int64_t row = begin; row < begin + n; row++) {
        mw_status status = mw_ctx_check(s->ctx, err);
        if (status != MW_OK) return status;
        mw_trees_score_row(s->trees, s->matrix.x + row * s->matrix.n_features,
                           s->out + row * s->trees->n_outputs);
    }
    return MW_OK;
}

static mw_status score_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    scoring *s = arg;
    for (int64_t row = begin; row < end; row += ROWS_PER_BLOCK) {
        const int64_t n = end - row < ROWS_PER_BLOCK ? end - row : ROWS_PER_BLOCK;
        mw_status status = s->nodes ? score_block(s, row, n, err) : score_rows(s, row, n, err);
        if (status != MW_OK) return status;
    }
    const int64_t n_done = atomic_fetch_add(&s->n_done, end - begin) + end - begin;
    if (worker == 0) /* one thread at a time may report */
        mw_ctx_report(s->ctx, "scoring", (double)n_done, (double)s->matrix.n_rows);
    return MW_OK;
}

mw_status mw_trees_score(const mw_ctx *ctx, const mw_trees *trees, mw_matrix matrix, double *out,
                         mw_err *err) {
    if (matrix.n_features != trees->n_features)
        return mw_fail(err, MW_EINVAL, "the rows have %d features, the model was fitted with %d",
                       (int)matrix.n_features, (int)trees->n_features);
    /* Few rows walk fewer nodes than a copy would touch. */
    const double n_steps = (double)matrix.n_rows * (double)trees->n_trees * STEPS_PER_ROW;
    const bool batch =
        trees->n_sets == 0 && matrix.n_rows >= LANES && n_steps >= (double)trees->n_nodes;
    walk_node *nodes = batch ? compact(ctx->mem, trees) : NULL;
    if (batch && !nodes) return mw_fail_nomem(err, "scoring");
    scoring s = {.ctx = ctx, .trees = trees, .nodes = nodes, .matrix = matrix, .out = out};
    mw_status status = mw_pool_for(ctx, matrix.n_rows, 4 * ROWS_PER_BLOCK, score_range, &s, err);
    mw_free(nodes);
    return status;
}
