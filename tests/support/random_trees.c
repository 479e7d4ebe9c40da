/* random_trees.c -- each new split takes a random leaf of the tree so far. */
#include "support/random_trees.h"

static bool is_category(const mw_trees_shape *shape, int64_t feature) {
    return shape->n_codes && feature % 3 == 2;
}

/* A few codes, most of them small. */
static void add_set(mw_rng *rng, const mw_trees_shape *shape, mw_trees *trees, mw_node *node) {
    const int64_t begin = trees->set_starts[trees->n_sets];
    uint64_t last = 0;
    for (uint64_t left = 1 + mw_rng_below(rng, 12); left > 0; left--) {
        const uint64_t most = mw_rng_below(rng, 3) ? 1 + shape->n_codes / 4 : shape->n_codes;
        const uint64_t code = mw_rng_below(rng, most);
        trees->set_words[begin + (int64_t)(code / 32)] |= UINT32_C(1) << code % 32;
        if (code > last) last = code;
    }
    node->by_set = true;
    node->set = trees->n_sets++;
    trees->set_starts[trees->n_sets] = begin + (int64_t)(last / 32) + 1;
}

static void split(mw_rng *rng, const mw_trees_shape *shape, mw_trees *trees, int64_t at) {
    mw_node *n = &trees->nodes[at];
    n->feature = (int32_t)mw_rng_below(rng, (uint64_t)shape->n_features);
    n->missing_left = mw_rng_below(rng, 2);
    n->left = (int32_t)trees->n_nodes++;
    n->right = (int32_t)trees->n_nodes++;
    trees->nodes[n->left].left = trees->nodes[n->right].left = -1;
}

/* What a node says besides where it leads. */
static void fill_node(mw_rng *rng, const mw_trees_shape *shape, mw_trees *trees, mw_node *node) {
    node->cover = (uint32_t)mw_rng_below(rng, 100000);
    if (node->left < 0) {
        node->feature = -1;
        node->right = (int32_t)trees->n_leaves++;
    } else if (is_category(shape, node->feature)) {
        add_set(rng, shape, trees, node);
    } else {
        node->threshold = (float)mw_rng_below(rng, 9) / 2;
    }
}

mw_trees *mw_random_trees(mw_rng *rng, const mw_trees_shape *shape) {
    const size_t most = (size_t)shape->n_trees * (2 * (size_t)shape->splits_most + 1);
    const size_t n_outputs = (size_t)shape->n_outputs;
    mw_trees *trees = mw_calloc(NULL, 1, sizeof *trees);
    *trees = (mw_trees){
        .n_features = shape->n_features, .n_outputs = shape->n_outputs, .n_trees = shape->n_trees};
    trees->roots = mw_alloc_array(NULL, (size_t)shape->n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(NULL, most, sizeof *trees->nodes);
    trees->values = mw_alloc_array(NULL, most * n_outputs, sizeof *trees->values);
    if (shape->n_codes) {
        const size_t words = (size_t)shape->n_codes / 32 + 1;
        trees->set_starts = mw_calloc(NULL, most + 1, sizeof *trees->set_starts);
        trees->set_words = mw_calloc(NULL, most * words, sizeof *trees->set_words);
    }
    for (int32_t t = 0; t < shape->n_trees; t++) {
        const int64_t root = trees->roots[t] = trees->n_nodes++;
        trees->nodes[root].left = -1;
        for (uint64_t k = mw_rng_below(rng, shape->splits_most + 1); k > 0; k--) {
            int64_t at = root + (int64_t)mw_rng_below(rng, (uint64_t)(trees->n_nodes - root));
            while (trees->nodes[at].left >= 0) at++; /* the last node of a tree is a leaf */
            split(rng, shape, trees, at);
        }
        for (int64_t i = root; i < trees->n_nodes; i++)
            fill_node(rng, shape, trees, &trees->nodes[i]);
    }
    for (int64_t i = 0; i < trees->n_leaves * shape->n_outputs; i++)
        trees->values[i] = mw_rng_below(rng, 8) ? (float)mw_rng_normal(rng) : 0;
    if (shape->base) trees->base = mw_alloc_array(NULL, n_outputs, sizeof *trees->base);
    for (size_t k = 0; shape->base && k < n_outputs; k++) trees->base[k] = mw_rng_normal(rng);
    return trees;
}

float *mw_random_rows(mw_rng *rng, const mw_trees_shape *shape, int64_t n_rows) {
    const int64_t n = n_rows * shape->n_features;
    float *x = mw_alloc_array(NULL, (size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        if (mw_rng_below(rng, 6) == 0)
            x[i] = __builtin_nanf("");
        else if (!is_category(shape, i % shape->n_features))
            x[i] = (float)mw_rng_below(rng, 20) / 4;
        else if (mw_rng_below(rng, 20) == 0)
            x[i] = mw_rng_below(rng, 2) ? -1 : 1e7F;
        else
            x[i] = (float)mw_rng_below(rng, 1 + shape->n_codes / (1 + mw_rng_below(rng, 8)));
    }
    return x;
}
