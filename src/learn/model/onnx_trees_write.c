/*
 * onnx_trees_write.c -- tree ensembles as the TreeEnsembleRegressor of ai.onnx.ml 3.
 *
 * Every forest is a regressor with one target per output and aggregate SUM: class shares are sums
 * of leaf shares, so parity needs no classifier semantics. Thresholds and leaf values are float32
 * numbers written as doubles: a runtime then adds in float64, as our own scoring does, and a sum of
 * large values of both signs keeps its digits. Covers stand in nodes_hitrates, as float32 while
 * that is exact (2^24 rows) and as double beyond.
 *
 * ai.onnx.ml 3 cannot ask whether a value is in a set. A node by set becomes a chain of nodes, one
 * for each code, ascending: x = code leads to the left child, which they all share, anything else to
 * the next one, and from the last to the right child. onnxruntime takes shared children (LightGBM's
 * converter writes the same). All have the node's cover.
 */
#include "learn/model/onnx_trees.h"

#include <string.h>

#include "core/base/limits.h"

enum { FLOAT_EXACT_MAX = 1 << 24, VALUES_A_NODE = 8, VALUES_A_TARGET = 3 };

/* Entries are the nodes of the file: one for a node of ours, or one for each code of its set. */
typedef struct entries {
    const mw_trees *trees;
    int64_t n;
    int64_t *ids; /* [n_nodes] the number of each node's first entry, in its tree */
} entries;

static uint32_t set_word(const mw_trees *trees, int32_t set, int64_t word) {
    return trees->set_words[trees->set_starts[set] + word];
}

static int64_t n_words(const mw_trees *trees, int32_t set) {
    return trees->set_starts[set + 1] - trees->set_starts[set];
}

static int64_t count_entries(const mw_trees *trees, const mw_node *node) {
    if (node->feature < 0 || !node->by_set) return 1;
    int64_t n = 0;
    for (int64_t w = 0; w < n_words(trees, node->set); w++)
        n += __builtin_popcount(set_word(trees, node->set, w));
    return n;
}

static mw_status number_entries(const mw_ctx *ctx, entries *e, mw_err *err) {
    const mw_trees *trees = e->trees;
    e->ids = mw_alloc_array(ctx->mem, (size_t)trees->n_nodes, sizeof *e->ids);
    if (!e->ids) return mw_fail_nomem(err, "the ONNX model");
    for (int32_t tree = 0; tree < trees->n_trees; tree++) {
        const int64_t first = e->n;
        for (int64_t i = trees->roots[tree]; i < mw_onnx__tree_end(trees, tree); i++) {
            const int64_t n = count_entries(trees, &trees->nodes[i]);
            if (n == 0) return mw_fail(err, MW_EINTERNAL, "a node splits by a set of no codes");
            e->ids[i] = e->n - first;
            e->n += n;
        }
    }
    return mw_ctx_check(ctx, err);
}

/* Zero shares are left out (a missing target adds 0), but every leaf keeps one entry. onnxruntime 1.20
 * drops the base value of a target that no leaf names: with base values, the first tree names them all. */
static bool writes(const mw_trees *trees, int64_t at, int32_t output) {
    const mw_node *leaf = &trees->nodes[at];
    if (leaf->feature >= 0) return false;
    const float *values = trees->values + (int64_t)leaf->right * trees->n_outputs;
    if (values[output] != 0.0f || (trees->base && at < mw_onnx__tree_end(trees, 0))) return true;
    if (output > 0) return false;
    for (int32_t k = 0; k < trees->n_outputs; k++)
        if (values[k] != 0.0f) return false;
    return true;
}

static size_t count_targets(const mw_trees *trees) {
    size_t n = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++)
        for (int32_t k = 0; k < trees->n_outputs; k++) n += writes(trees, i, k);
    return n;
}

static bool covers_fit_float(const mw_trees *trees) {
    for (int64_t i = 0; i < trees->n_nodes; i++)
        if (trees->nodes[i].cover > FLOAT_EXACT_MAX) return false;
    return true;
}

static void write_covers(mw_onnx *onnx, Onnx__NodeProto *node, const entries *e) {
    const mw_trees *trees = e->trees;
    const bool narrow = covers_fit_float(trees);
    float *floats = narrow ? mw_onnx_floats(onnx, node, "nodes_hitrates", (size_t)e->n) : NULL;
    double *doubles =
        narrow ? NULL : mw_onnx_doubles(onnx, node, "nodes_hitrates_as_tensor", (size_t)e->n);
    int64_t at = 0;
    for (int64_t i = 0; (floats || doubles) && i < trees->n_nodes; i++)
        for (int64_t n = count_entries(trees, &trees->nodes[i]); n > 0; n--, at++)
            if (floats)
                floats[at] = (float)trees->nodes[i].cover;
            else
                doubles[at] = trees->nodes[i].cover;
}

typedef struct node_lists {
    int64_t *features, *falses, *missing, *ids, *trees, *trues;
    ProtobufCBinaryData *modes;
    double *thresholds;
} node_lists;

typedef struct entry {
    const char *mode;
    int64_t tree, id, yes, no;
    double threshold;
} entry;

static void write_entry(const node_lists *to, int64_t at, const mw_node *from, entry e) {
    to->features[at] = from->feature < 0 ? 0 : from->feature;
    to->falses[at] = e.no;
    to->missing[at] = from->feature >= 0 && from->missing_left;
    to->modes[at].data = (uint8_t *)e.mode;
    to->modes[at].len = strlen(e.mode);
    to->ids[at] = e.id;
    to->trees[at] = e.tree;
    to->trues[at] = e.yes;
    to->thresholds[at] = e.threshold;
}

/* A chain, the first of its entries at `at`; `like` says where it leads. */
static void write_set(const node_lists *to, int64_t at, const mw_trees *trees, const mw_node *node,
                      entry like) {
    const int64_t after = at + count_entries(trees, node), last_no = like.no;
    like.mode = MW_ONNX__BRANCH_BY_CODE;
    for (int64_t w = 0; w < n_words(trees, node->set); w++)
        for (uint32_t left = set_word(trees, node->set, w); left; left &= left - 1) {
            like.threshold = (double)(32 * w + __builtin_ctz(left));
            like.no = at + 1 < after ? like.id + 1 : last_no;
            write_entry(to, at++, node, like);
            like.id++;
        }
}

static void write_nodes(mw_onnx *onnx, Onnx__NodeProto *node, const entries *e) {
    const mw_trees *trees = e->trees;
    const size_t n = (size_t)e->n;
    node_lists to;
    to.features = mw_onnx_ints(onnx, node, "nodes_featureids", n);
    to.falses = mw_onnx_ints(onnx, node, "nodes_falsenodeids", n);
    to.missing = mw_onnx_ints(onnx, node, "nodes_missing_value_tracks_true", n);
    to.modes = mw_onnx_texts(onnx, node, "nodes_modes", n);
    to.ids = mw_onnx_ints(onnx, node, "nodes_nodeids", n);
    to.trees = mw_onnx_ints(onnx, node, "nodes_treeids", n);
    to.trues = mw_onnx_ints(onnx, node, "nodes_truenodeids", n);
    to.thresholds = mw_onnx_doubles(onnx, node, "nodes_values_as_tensor", n);
    if (!to.thresholds) return;
    int64_t root = 0; /* the tree's first entry */
    for (int32_t tree = 0; tree < trees->n_trees; tree++) {
        const int64_t end = mw_onnx__tree_end(trees, tree);
        for (int64_t i = trees->roots[tree]; i < end; i++) {
            const mw_node *from = &trees->nodes[i];
            entry made = {.mode = MW_ONNX__LEAF, .tree = tree, .id = e->ids[i]};
            if (from->feature >= 0) {
                made.yes = e->ids[from->left];
                made.no = e->ids[from->right];
                made.mode = MW_ONNX__BRANCH;
            }
            if (from->feature >= 0 && from->by_set) {
                write_set(&to, root + made.id, trees, from, made);
                continue;
            }
            if (from->feature >= 0) made.threshold = (double)from->threshold;
            write_entry(&to, root + made.id, from, made);
        }
        root += e->ids[end - 1] + 1; /* a tree ends in a leaf */
    }
}

static void write_targets(mw_onnx *onnx, Onnx__NodeProto *node, const entries *e, size_t n) {
    const mw_trees *trees = e->trees;
    int64_t *targets = mw_onnx_ints(onnx, node, "target_ids", n);
    int64_t *ids = mw_onnx_ints(onnx, node, "target_nodeids", n);
    int64_t *tree_ids = mw_onnx_ints(onnx, node, "target_treeids", n);
    double *weights = mw_onnx_doubles(onnx, node, "target_weights_as_tensor", n);
    if (!weights) return;
    size_t at = 0;
    for (int32_t tree = 0; tree < trees->n_trees; tree++) {
        for (int64_t i = trees->roots[tree]; i < mw_onnx__tree_end(trees, tree); i++) {
            const mw_node *leaf = &trees->nodes[i];
            for (int32_t k = 0; k < trees->n_outputs; k++) {
                if (!writes(trees, i, k)) continue;
                targets[at] = k;
                ids[at] = e->ids[i];
                tree_ids[at] = tree;
                weights[at++] = (double)trees->values[(int64_t)leaf->right * trees->n_outputs + k];
            }
        }
    }
}

static void write_base(mw_onnx *onnx, Onnx__NodeProto *node, const mw_trees *trees) {
    const size_t n = (size_t)trees->n_outputs;
    double *base = trees->base ? mw_onnx_doubles(onnx, node, MW_ONNX__BASE, n) : NULL;
    if (base) memcpy(base, trees->base, n * sizeof *base);
}

static mw_status check_size(const entries *e, size_t n_targets, mw_err *err) {
    if (e->n <= MW_LIMIT(MODEL_NODES) && e->trees->n_trees <= MW_LIMIT(MODEL_TREES) &&
        (size_t)e->n * VALUES_A_NODE + n_targets * VALUES_A_TARGET <= MW_ONNX_VALUES_MAX - 1000)
        return MW_OK;
    mw_fail(err, MW_ETOOLARGE, "the model has %lld nodes in %d trees; at most %lld in %lld fit",
            (long long)e->n, e->trees->n_trees, (long long)MW_LIMIT(MODEL_NODES),
            (long long)MW_LIMIT(MODEL_TREES));
    return mw_err_hint(err, "use fewer trees, a max_depth, or a larger min_samples_leaf");
}

mw_status mw_onnx_add_trees(const mw_ctx *ctx, mw_onnx *onnx, const mw_trees *trees,
                            const char *input, const char *output, mw_err *err) {
    entries e = {.trees = trees};
    const size_t n_targets = count_targets(trees);
    mw_status status = number_entries(ctx, &e, err);
    if (!status) status = check_size(&e, n_targets, err);
    if (!status) {
        Onnx__NodeProto *node = mw_onnx_node(onnx, "TreeEnsembleRegressor", input, output);
        mw_onnx_text(onnx, node, "aggregate_function", "SUM");
        write_base(onnx, node, trees);
        mw_onnx_int(onnx, node, "n_targets", trees->n_outputs);
        write_covers(onnx, node, &e);
        write_nodes(onnx, node, &e);
        write_targets(onnx, node, &e, n_targets);
        mw_onnx_text(onnx, node, "post_transform", "NONE");
        status = mw_ctx_check(ctx, err);
    }
    mw_free(e.ids);
    return status;
}
