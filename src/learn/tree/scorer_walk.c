/*
 * scorer_walk.c -- walking down short nodes, eight walks side by side.
 *
 * One walk waits for one node after another; eight that do not depend on each other wait together:
 * eight trees for one row, eight rows for one tree. There are no branches on the way: the right child
 * stands behind the left, a leaf leads to itself, and the eight stop together. (Asadi, Lin, de Vries:
 * "Runtime optimizations for tree-based machine learning models", TKDE 2014, call it predication with
 * vectorization.) Each tree's nodes stand by levels, so that its top is in few cache lines.
 */
#include "learn/tree/scorer_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = MW_SCORER__LANES };

#define FLAGS (MW_SCORER__MISSING_LEFT | MW_SCORER__BY_SET)

static mw_scorer__node short_node(const mw_node *from, int64_t at, int64_t left) {
    if (from->left < 0)
        return (mw_scorer__node){.threshold = __builtin_inff(),
                                 .feature = MW_SCORER__MISSING_LEFT,
                                 .left = (int32_t)at,
                                 .value = from->right};
    mw_scorer__node node = {.feature = (uint32_t)from->feature, .left = (int32_t)left};
    if (from->missing_left) node.feature |= MW_SCORER__MISSING_LEFT;
    if (from->by_set) {
        node.feature |= MW_SCORER__BY_SET;
        node.set = from->set;
    } else {
        node.threshold = from->threshold;
    }
    return node;
}

mw_status mw_scorer__walk_new(mw_mem *mem, const mw_trees *trees, mw_scorer__node **ret,
                              mw_err *err) {
    mw_scorer__node *nodes = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *nodes);
    int32_t *from = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *from);
    if (!nodes || !from) {
        mw_free(nodes);
        mw_free(from);
        return mw_fail_nomem(err, "the scorer");
    }
    for (int32_t t = 0; t < trees->n_trees; t++) {
        const int64_t root = trees->roots[t];
        int64_t end = root + 1;
        from[root] = (int32_t)root;
        for (int64_t at = root; at < end; at++) {
            const mw_node *old = &trees->nodes[from[at]];
            nodes[at] = short_node(old, at, end);
            if (old->left < 0) continue;
            from[end++] = old->left;
            from[end++] = old->right;
        }
    }
    mw_free(from);
    *ret = nodes;
    return MW_OK;
}

/* PLAIN: no value is missing and no node is by set. */
typedef enum walk_kind { PLAIN, MISSING, SETS } walk_kind;

INLINE int32_t step(const mw_scorer *s, int32_t at, const float *row, walk_kind kind) {
    const mw_scorer__node *node = &s->nodes[at];
    const float x = row[node->feature & ~FLAGS];
    if (kind == PLAIN) return node->left + (x > node->threshold);
    bool left = x <= node->threshold;
    if (kind == SETS && (node->feature & MW_SCORER__BY_SET))
        left = mw_trees_in_set(s->trees, node->set, x);
    left |= (x != x) & (node->feature >= MW_SCORER__MISSING_LEFT);
    return node->left + !left;
}

/* at [LANES] become leaves. */
INLINE void walk(const mw_scorer *s, const float *const *row, int32_t *at, walk_kind kind) {
    for (;;) {
        int32_t moved = 0;
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) {
            const int32_t next = step(s, at[i], row[i], kind);
            moved |= next ^ at[i];
            at[i] = next;
        }
        if (!moved) return;
    }
}

INLINE void walk_rows(const mw_scorer *s, int32_t tree, const float *rows, int64_t n,
                      int32_t *leaves, walk_kind kind) {
    const int32_t n_features = s->trees->n_features;
    for (int64_t first = 0; first < n; first += LANES) {
        const float *row[LANES];
        int32_t at[LANES];
        for (int i = 0; i < LANES; i++) { /* lanes past the end repeat the last row */
            row[i] = rows + (first + i < n ? first + i : n - 1) * n_features;
            at[i] = (int32_t)s->trees->roots[tree];
        }
        walk(s, row, at, kind);
        for (int i = 0; i < LANES && first + i < n; i++) leaves[first + i] = s->nodes[at[i]].value;
    }
}

void mw_scorer__walk(const mw_scorer *scorer, int32_t tree, const float *rows, int64_t n,
                     int32_t *leaves) {
    if (scorer->trees->n_sets)
        walk_rows(scorer, tree, rows, n, leaves, SETS);
    else
        walk_rows(scorer, tree, rows, n, leaves, MISSING);
}

INLINE void walk_trees(const mw_scorer *s, int32_t first, int32_t last, const float *x, double *out,
                       walk_kind kind) {
    const int32_t n_outputs = s->trees->n_outputs;
    const float *const row[LANES] = {x, x, x, x, x, x, x, x};
    for (; first < last; first += LANES) {
        int32_t at[LANES];
        for (int i = 0; i < LANES; i++)
            at[i] = (int32_t)s->trees->roots[first + i < last ? first + i : last - 1];
        walk(s, row, at, kind);
        for (int i = 0; i < LANES && first + i < last; i++) {
            const float *values = s->trees->values + (int64_t)s->nodes[at[i]].value * n_outputs;
            for (int32_t k = 0; k < n_outputs; k++) out[k] += (double)values[k];
        }
    }
}

static bool any_missing(const float *row, int32_t n_features) {
    bool missing = false;
    for (int32_t i = 0; i < n_features; i++) missing |= row[i] != row[i];
    return missing;
}

void mw_scorer_row(const mw_scorer *scorer, int32_t first, int32_t last, const float *row,
                   double *out) {
    for (int32_t k = 0; k < scorer->trees->n_outputs; k++) out[k] = 0;
    if (scorer->trees->n_sets)
        walk_trees(scorer, first, last, row, out, SETS);
    else if (any_missing(row, scorer->trees->n_features))
        walk_trees(scorer, first, last, row, out, MISSING);
    else
        walk_trees(scorer, first, last, row, out, PLAIN);
}
