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

enum {
    LANES = MW_SCORER__LANES,
    SIZE = sizeof(mw_scorer__node), /* nodes are named by their byte offset */
    SURE_STEPS = 16,                /* taken without asking whether all are at leaves */
};

#define FLAGS (MW_SCORER__MISSING_LEFT | MW_SCORER__BY_SET)

static mw_scorer__node short_node(const mw_node *from, int64_t at, int64_t left) {
    if (from->left < 0)
        return (mw_scorer__node){.threshold = __builtin_inff(),
                                 .left = (uint32_t)(at * SIZE),
                                 .value = (uint32_t)from->right | MW_SCORER__MISSING_LEFT};
    mw_scorer__node node = {.feature = (uint32_t)from->feature, .left = (uint32_t)(left * SIZE)};
    if (from->missing_left) node.value |= MW_SCORER__MISSING_LEFT;
    if (from->by_set) {
        node.value |= MW_SCORER__BY_SET;
        node.set = from->set;
    } else {
        node.threshold = from->threshold;
    }
    return node;
}

/* Writes a tree's nodes by levels; from [n_nodes] is for their old numbers. Returns its depth. */
static int32_t write_tree(const mw_trees *trees, int64_t root, mw_scorer__node *nodes,
                          int32_t *from) {
    int64_t end = root + 1, level_end = end;
    int32_t depth = 0;
    from[root] = (int32_t)root;
    for (int64_t at = root; at < end; at++) {
        if (at == level_end) {
            level_end = end;
            depth++;
        }
        const mw_node *old = &trees->nodes[from[at]];
        nodes[at] = short_node(old, at, end);
        if (old->left < 0) continue;
        from[end++] = old->left;
        from[end++] = old->right;
    }
    return depth;
}

mw_status mw_scorer__walk_new(mw_mem *mem, mw_scorer *scorer, mw_err *err) {
    const mw_trees *trees = scorer->trees;
    int32_t *from = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *from);
    scorer->nodes = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *scorer->nodes);
    scorer->depths = mw_alloc_array(mem, (size_t)trees->n_trees, sizeof *scorer->depths);
    const bool made = from && scorer->nodes && scorer->depths;
    for (int32_t t = 0; made && t < trees->n_trees; t++)
        scorer->depths[t] = write_tree(trees, trees->roots[t], scorer->nodes, from);
    mw_free(from);
    return made ? MW_OK : mw_fail_nomem(err, "the scorer");
}

/* PLAIN: no value is missing and no node is by set. */
typedef enum walk_kind { PLAIN, MISSING, SETS } walk_kind;

INLINE const mw_scorer__node *node_at(const mw_scorer *s, uint32_t at) {
    return (const mw_scorer__node *)(const void *)((const char *)s->nodes + at);
}

INLINE uint32_t step(const mw_scorer *s, uint32_t at, const float *row, walk_kind kind) {
    const mw_scorer__node *node = node_at(s, at);
    const float x = row[node->feature];
    if (kind == PLAIN) return node->left + SIZE * (uint32_t)(x > node->threshold);
    bool left = x <= node->threshold;
    if (kind == SETS && (node->value & MW_SCORER__BY_SET))
        left = mw_trees_in_set(s->trees, node->set, x);
    left |= (x != x) & (node->value >= MW_SCORER__MISSING_LEFT);
    return node->left + SIZE * (uint32_t)!left;
}

/* at [LANES], no more than depth steps above leaves, become leaves. */
INLINE void walk(const mw_scorer *s, const float *const *row, uint32_t *at, int32_t depth,
                 walk_kind kind) {
    const int32_t n_sure = depth < SURE_STEPS ? depth : SURE_STEPS;
    for (int32_t k = 0; k < n_sure; k++) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) at[i] = step(s, at[i], row[i], kind);
    }
    for (uint32_t moved = depth > n_sure; moved;) {
        moved = 0;
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) {
            const uint32_t next = step(s, at[i], row[i], kind);
            moved |= next ^ at[i];
            at[i] = next;
        }
    }
}

INLINE int32_t value_at(const mw_scorer *s, uint32_t at) {
    return (int32_t)(node_at(s, at)->value & ~FLAGS);
}

INLINE void walk_rows(const mw_scorer *s, int32_t tree, const float *rows, int64_t n,
                      int32_t *leaves, walk_kind kind) {
    const int32_t n_features = s->trees->n_features;
    const uint32_t root = (uint32_t)(s->trees->roots[tree] * SIZE);
    for (int64_t first = 0; first < n; first += LANES) {
        const float *row[LANES];
        uint32_t at[LANES];
        for (int i = 0; i < LANES; i++) { /* lanes past the end repeat the last row */
            row[i] = rows + (first + i < n ? first + i : n - 1) * n_features;
            at[i] = root;
        }
        walk(s, row, at, s->depths[tree], kind);
        for (int i = 0; i < LANES && first + i < n; i++) leaves[first + i] = value_at(s, at[i]);
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
        uint32_t at[LANES];
        int32_t depth = 0;
        for (int i = 0; i < LANES; i++) { /* lanes past the end repeat the last tree */
            const int32_t tree = first + i < last ? first + i : last - 1;
            at[i] = (uint32_t)(s->trees->roots[tree] * SIZE);
            depth = s->depths[tree] > depth ? s->depths[tree] : depth;
        }
        walk(s, row, at, depth, kind);
        for (int i = 0; i < LANES && first + i < last; i++) {
            const float *values = s->trees->values + (int64_t)value_at(s, at[i]) * n_outputs;
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
    mw_scorer__start(scorer, first, 1, out);
    if (scorer->masks && scorer->masks->states)
        mw_scorer__look_up(scorer, first, last, row, out);
    else if (scorer->trees->n_sets)
        walk_trees(scorer, first, last, row, out, SETS);
    else if (any_missing(row, scorer->trees->n_features))
        walk_trees(scorer, first, last, row, out, MISSING);
    else
        walk_trees(scorer, first, last, row, out, PLAIN);
}
