/*
 * trees_check.c -- an ensemble from outside is believed only after every node was looked at once.
 *
 * Children stand after their parents and inside their tree, and no node has two parents: that makes
 * each tree a tree, and every walk ends.
 */
#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/tree/trees.h"

static mw_status check_counts(const mw_trees *trees, mw_err *err) {
    const struct {
        const char *what;
        int64_t value, most;
    } rules[] = {{"features", trees->n_features, MW_LIMIT(MODEL_FEATURES)},
                 {"outputs", trees->n_outputs, MW_LIMIT(CATEGORIES)},
                 {"trees", trees->n_trees, MW_LIMIT(MODEL_TREES)},
                 {"nodes", trees->n_nodes, MW_LIMIT(MODEL_NODES)},
                 {"leaves", trees->n_leaves, trees->n_nodes},
                 {"sets and one", (int64_t)trees->n_sets + 1, trees->n_nodes}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].value < 1 || rules[i].value > rules[i].most)
            return mw_fail(err, MW_EDATA, "the model has %lld %s, not 1 to %lld",
                           (long long)rules[i].value, rules[i].what, (long long)rules[i].most);
    return MW_OK;
}

static mw_status fail_node(int32_t tree, int64_t node, const char *what, mw_err *err) {
    return mw_fail(err, MW_EDATA, "tree %d, node %lld: %s", (int)tree, (long long)node, what);
}

/* has_parent [n_nodes] is read for the node itself and written for its children. */
static mw_status check_node(const mw_trees *trees, int32_t tree, int64_t at, int64_t end,
                            uint8_t *has_parent, mw_err *err) {
    const mw_node *n = &trees->nodes[at];
    if (at != trees->roots[tree] && !has_parent[at])
        return fail_node(tree, at, "no earlier node leads to it", err);
    if (n->left < 0) {
        if (n->right < 0 || n->right >= trees->n_leaves)
            return fail_node(tree, at, "a leaf without a value", err);
        return MW_OK;
    }
    if (n->feature < 0 || n->feature >= trees->n_features)
        return fail_node(tree, at, "splits on a feature that does not exist", err);
    if (n->by_set && (n->set < 0 || n->set >= trees->n_sets))
        return fail_node(tree, at, "splits by a set that does not exist", err);
    if (!n->by_set && __builtin_isnan(n->threshold))
        return fail_node(tree, at, "the threshold is NaN", err);
    const int32_t children[2] = {n->left, n->right};
    for (int i = 0; i < 2; i++) {
        if (children[i] <= at || children[i] >= end)
            return fail_node(tree, at, "a child is not a later node of the same tree", err);
        if (has_parent[children[i]])
            return fail_node(tree, at, "a child already has a parent", err);
        has_parent[children[i]] = 1;
    }
    return MW_OK;
}

static mw_status check_sets(const mw_trees *trees, mw_err *err) {
    if (trees->n_sets == 0) return MW_OK;
    if (trees->set_starts[0] != 0) return mw_fail(err, MW_EDATA, "set 0 does not start at word 0");
    for (int32_t i = 0; i < trees->n_sets; i++) {
        int64_t n_words = trees->set_starts[i + 1] - trees->set_starts[i];
        if (n_words < 1 || n_words > (MW_LIMIT(CATEGORIES) + 31) / 32)
            return mw_fail(err, MW_EDATA, "set %d has %lld words", (int)i, (long long)n_words);
        uint32_t any = 0;
        for (int64_t w = 0; w < n_words; w++) any |= trees->set_words[trees->set_starts[i] + w];
        if (!any) return mw_fail(err, MW_EDATA, "set %d holds no code", (int)i);
    }
    return MW_OK;
}

static mw_status check_values(const mw_trees *trees, mw_err *err) {
    for (int32_t k = 0; trees->base && k < trees->n_outputs; k++)
        if (!mw_isfinite(trees->base[k]))
            return mw_fail(err, MW_EDATA, "base value %d is not finite", (int)k);
    for (int64_t i = 0; i < trees->n_leaves * trees->n_outputs; i++)
        if (!mw_isfinite((double)trees->values[i]))
            return mw_fail(err, MW_EDATA, "leaf value %lld is not finite", (long long)i);
    return MW_OK;
}

mw_status mw_trees_check(const mw_trees *trees, mw_err *err) {
    mw_status status = check_counts(trees, err);
    if (status != MW_OK) return status;
    status = check_sets(trees, err);
    if (status != MW_OK) return status;
    status = check_values(trees, err);
    if (status != MW_OK) return status;
    if (trees->roots[0] != 0) return mw_fail(err, MW_EDATA, "tree 0 does not start at node 0");
    uint8_t *has_parent = mw_calloc(trees->mem, (size_t)trees->n_nodes, sizeof *has_parent);
    if (!has_parent) return mw_fail_nomem(err, "checking the trees");
    for (int32_t t = 0; t < trees->n_trees && status == MW_OK; t++) {
        const int64_t begin = trees->roots[t];
        const int64_t end = t + 1 < trees->n_trees ? trees->roots[t + 1] : trees->n_nodes;
        if (begin < 0 || end > trees->n_nodes || end <= begin)
            status = mw_fail(err, MW_EDATA, "tree %d has no nodes of its own", (int)t);
        for (int64_t at = begin; at < end && status == MW_OK; at++)
            status = check_node(trees, t, at, end, has_parent, err);
    }
    mw_free(has_parent);
    return status;
}
