/*
 * scorer_shapes.h -- ensembles of many shapes, with rows that hit their thresholds, for the tests of scorers.
 */
#ifndef MW_TESTS_UNIT_TREE_SCORER_SHAPES_H
#define MW_TESTS_UNIT_TREE_SCORER_SHAPES_H

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "learn/tree/trees.h"

typedef struct mw_shape {
    int32_t n_trees, n_features, n_outputs;
    uint64_t leaves_least, leaves_most;
    uint64_t thresholds; /* how many values thresholds take, 0: any normal number */
    bool sets, base;
} mw_shape;

static const mw_shape mw_shapes[] = {
    {1, 1, 1, 1, 1, 5, false, false},     {9, 1, 1, 1, 40, 5, false, true},
    {40, 6, 1, 2, 32, 9, false, false},   {40, 6, 1, 20, 32, 0, false, true},
    {70, 28, 1, 31, 31, 0, false, false}, {30, 300, 3, 1, 64, 0, false, true},
    {60, 2, 2, 60, 256, 0, false, true},  {20, 3, 5, 256, 256, 700, false, false},
    {9, 2, 1, 1, 300, 0, false, true},    {5, 3, 2, 300, 2000, 0, false, true},
    {30, 5, 1, 1, 32, 9, true, true},     {20, 3, 5, 1, 256, 0, true, false},
    {6, 4, 1, 200, 400, 50, true, true},  {300, 1, 1, 20, 60, 0, false, false},
    {40, 6, 3, 20, 32, 0, false, true},
};

static const mw_cpu mw_levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};

enum { SET_WORDS = 3, N_SETS = 40 };

static inline void add_sets(mw_trees *trees, mw_rng *rng) {
    trees->n_sets = N_SETS;
    trees->set_starts = mw_alloc_array(NULL, N_SETS + 1, sizeof *trees->set_starts);
    trees->set_words = mw_alloc_array(NULL, (size_t)N_SETS * SET_WORDS, sizeof *trees->set_words);
    trees->set_starts[0] = 0;
    for (int i = 0; i < N_SETS; i++)
        trees->set_starts[i + 1] = trees->set_starts[i] + 1 + (int64_t)mw_rng_below(rng, SET_WORDS);
    for (int i = 0; i < N_SETS * SET_WORDS; i++) trees->set_words[i] = (uint32_t)mw_rng_u64(rng);
}

static inline float random_threshold(const mw_shape *shape, mw_rng *rng) {
    if (mw_rng_below(rng, 40) == 0) return -0.0F;
    if (mw_rng_below(rng, 40) == 0) return mw_rng_below(rng, 2) ? 3.4e38F : -3.4e38F;
    if (mw_rng_below(rng, 80) == 0)
        return mw_rng_below(rng, 2) ? __builtin_inff() : -__builtin_inff();
    if (!shape->thresholds) return (float)mw_rng_normal(rng);
    return (float)mw_rng_below(rng, shape->thresholds) - (float)(shape->thresholds / 2);
}

static inline void split(mw_trees *trees, const mw_shape *shape, mw_rng *rng, int64_t at) {
    mw_node *n = &trees->nodes[at];
    n->feature = (int32_t)mw_rng_below(rng, (uint64_t)shape->n_features);
    n->by_set = shape->sets && mw_rng_below(rng, 3) == 0;
    if (n->by_set)
        n->set = (int32_t)mw_rng_below(rng, N_SETS);
    else
        n->threshold = random_threshold(shape, rng);
    n->missing_left = mw_rng_below(rng, 2);
    n->left = (int32_t)trees->n_nodes++;
    n->right = (int32_t)trees->n_nodes++;
    trees->nodes[n->left].left = trees->nodes[n->right].left = -1;
}

/* Bushes split a random leaf, every third tree is a chain. */
static inline mw_trees *random_trees(mw_rng *rng, const mw_shape *shape) {
    const int64_t most = (int64_t)shape->n_trees * (2 * (int64_t)shape->leaves_most);
    mw_trees *trees = mw_calloc(NULL, 1, sizeof *trees);
    *trees = (mw_trees){
        .n_features = shape->n_features, .n_outputs = shape->n_outputs, .n_trees = shape->n_trees};
    trees->roots = mw_alloc_array(NULL, (size_t)shape->n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(NULL, (size_t)most, sizeof *trees->nodes);
    trees->values = mw_alloc_array(NULL, (size_t)(most * shape->n_outputs), sizeof *trees->values);
    if (shape->sets) add_sets(trees, rng);
    for (int32_t t = 0; t < shape->n_trees; t++) {
        const int64_t root = trees->roots[t] = trees->n_nodes++;
        trees->nodes[root].left = -1;
        const uint64_t range = shape->leaves_most - shape->leaves_least + 1;
        const uint64_t n_leaves = shape->leaves_least + mw_rng_below(rng, range);
        const uint64_t kind = mw_rng_below(rng, 4); /* chains to either side, bushes */
        for (uint64_t k = 1; k < n_leaves; k++) {
            int64_t at = root + (int64_t)mw_rng_below(rng, (uint64_t)(trees->n_nodes - root));
            if (kind == 0) at = trees->n_nodes - 1;
            if (kind == 1) at = trees->n_nodes - (k > 1 ? 2 : 1);
            while (trees->nodes[at].left >= 0) at++;
            split(trees, shape, rng, at);
        }
        for (int64_t i = root; i < trees->n_nodes; i++)
            if (trees->nodes[i].left < 0) {
                trees->nodes[i].feature = -1;
                trees->nodes[i].right = (int32_t)trees->n_leaves++;
            }
    }
    for (int64_t i = 0; i < trees->n_leaves * shape->n_outputs; i++)
        trees->values[i] = (float)mw_rng_normal(rng);
    if (shape->base) {
        trees->base = mw_alloc_array(NULL, (size_t)shape->n_outputs, sizeof *trees->base);
        for (int32_t k = 0; k < shape->n_outputs; k++) trees->base[k] = mw_rng_normal(rng);
    }
    return trees;
}

static inline float *random_rows(mw_rng *rng, const mw_trees *trees, int64_t n_rows) {
    const int64_t n = n_rows * trees->n_features;
    float *x = mw_alloc_array(NULL, (size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        const mw_node *node = &trees->nodes[mw_rng_below(rng, (uint64_t)trees->n_nodes)];
        switch (mw_rng_below(rng, 8)) {
        case 0: x[i] = __builtin_nanf(""); break;
        case 1: x[i] = mw_rng_below(rng, 2) ? __builtin_inff() : -__builtin_inff(); break;
        case 2: x[i] = mw_rng_below(rng, 2) ? 0.0F : -0.0F; break;
        case 3: x[i] = node->by_set ? 1 : node->threshold; break; /* a tie, often enough */
        case 4: x[i] = (float)mw_rng_below(rng, 100); break;
        default: x[i] = (float)(2 * mw_rng_normal(rng));
        }
    }
    return x;
}

#endif
