/*
 * onnx_trees.c -- tree ensembles as the TreeEnsembleRegressor of ai.onnx.ml 3, and back.
 *
 * Every forest is a regressor with one target per output and aggregate SUM: class shares are sums
 * of leaf shares, so parity needs no classifier semantics. Thresholds and leaf values are float32
 * numbers written as doubles: a runtime then adds in float64, as our own scoring does, and a sum of
 * large values of both signs keeps its digits. Covers stand in nodes_hitrates, as float32 while
 * that is exact (2^24 rows) and as double beyond.
 */
#include "learn/model/onnx_graph.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"

static const char MODE_BRANCH[] = "BRANCH_LEQ", MODE_LEAF[] = "LEAF";

enum {
    FLOAT_EXACT_MAX = 1 << 24,
    N_ATTRIBUTES = 16,
    VALUES_A_NODE = 8,
    VALUES_A_TARGET = 3,
    CHECK_NODES = 1 << 16
};

/* ---- out ---- */

static int64_t tree_end(const mw_trees *trees, int32_t tree) {
    return tree + 1 < trees->n_trees ? trees->roots[tree + 1] : trees->n_nodes;
}

/* Zero shares are left out (a missing target adds 0), but every leaf keeps one entry. */
static bool leaf_writes(const mw_trees *trees, const mw_node *leaf, int32_t output) {
    const float *values = trees->values + (int64_t)leaf->right * trees->n_outputs;
    if (values[output] != 0.0f) return true;
    if (output > 0) return false;
    for (int32_t k = 0; k < trees->n_outputs; k++)
        if (values[k] != 0.0f) return false;
    return true;
}

static size_t count_targets(const mw_trees *trees) {
    size_t n = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++)
        for (int32_t k = 0; trees->nodes[i].feature < 0 && k < trees->n_outputs; k++)
            n += leaf_writes(trees, &trees->nodes[i], k);
    return n;
}

static bool covers_fit_float(const mw_trees *trees) {
    for (int64_t i = 0; i < trees->n_nodes; i++)
        if (trees->nodes[i].cover > FLOAT_EXACT_MAX) return false;
    return true;
}

static void write_covers(mw_onnx *onnx, Onnx__NodeProto *node, const mw_trees *trees) {
    size_t n = (size_t)trees->n_nodes;
    if (covers_fit_float(trees)) {
        float *covers = mw_onnx_floats(onnx, node, "nodes_hitrates", n);
        for (size_t i = 0; covers && i < n; i++) covers[i] = (float)trees->nodes[i].cover;
        return;
    }
    double *covers = mw_onnx_doubles(onnx, node, "nodes_hitrates_as_tensor", n);
    for (size_t i = 0; covers && i < n; i++) covers[i] = trees->nodes[i].cover;
}

static void write_nodes(mw_onnx *onnx, Onnx__NodeProto *node, const mw_trees *trees) {
    size_t n = (size_t)trees->n_nodes;
    int64_t *features = mw_onnx_ints(onnx, node, "nodes_featureids", n);
    int64_t *falses = mw_onnx_ints(onnx, node, "nodes_falsenodeids", n);
    int64_t *missing = mw_onnx_ints(onnx, node, "nodes_missing_value_tracks_true", n);
    ProtobufCBinaryData *modes = mw_onnx_texts(onnx, node, "nodes_modes", n);
    int64_t *ids = mw_onnx_ints(onnx, node, "nodes_nodeids", n);
    int64_t *tree_ids = mw_onnx_ints(onnx, node, "nodes_treeids", n);
    int64_t *trues = mw_onnx_ints(onnx, node, "nodes_truenodeids", n);
    double *thresholds = mw_onnx_doubles(onnx, node, "nodes_values_as_tensor", n);
    if (!thresholds) return;
    for (int32_t tree = 0; tree < trees->n_trees; tree++) {
        int64_t root = trees->roots[tree], end = tree_end(trees, tree);
        for (int64_t i = root; i < end; i++) {
            const mw_node *from = &trees->nodes[i];
            bool leaf = from->feature < 0;
            features[i] = leaf ? 0 : from->feature;
            trues[i] = leaf ? 0 : from->left - root;
            falses[i] = leaf ? 0 : from->right - root;
            missing[i] = !leaf && from->missing_left;
            modes[i].data = (uint8_t *)(leaf ? MODE_LEAF : MODE_BRANCH);
            modes[i].len = leaf ? sizeof MODE_LEAF - 1 : sizeof MODE_BRANCH - 1;
            ids[i] = i - root;
            tree_ids[i] = tree;
            thresholds[i] = leaf ? 0.0 : (double)from->threshold;
        }
    }
}

static void write_targets(mw_onnx *onnx, Onnx__NodeProto *node, const mw_trees *trees, size_t n) {
    int64_t *targets = mw_onnx_ints(onnx, node, "target_ids", n);
    int64_t *ids = mw_onnx_ints(onnx, node, "target_nodeids", n);
    int64_t *tree_ids = mw_onnx_ints(onnx, node, "target_treeids", n);
    double *weights = mw_onnx_doubles(onnx, node, "target_weights_as_tensor", n);
    if (!weights) return;
    size_t at = 0;
    for (int32_t tree = 0; tree < trees->n_trees; tree++) {
        int64_t root = trees->roots[tree], end = tree_end(trees, tree);
        for (int64_t i = root; i < end; i++) {
            const mw_node *leaf = &trees->nodes[i];
            for (int32_t k = 0; leaf->feature < 0 && k < trees->n_outputs; k++) {
                if (!leaf_writes(trees, leaf, k)) continue;
                targets[at] = k;
                ids[at] = i - root;
                tree_ids[at] = tree;
                weights[at++] = (double)trees->values[(int64_t)leaf->right * trees->n_outputs + k];
            }
        }
    }
}

mw_status mw_onnx_add_trees(const mw_ctx *ctx, mw_onnx *onnx, const mw_trees *trees,
                            const char *input, const char *output, mw_err *err) {
    size_t n_targets = count_targets(trees);
    mw_status status = mw_ctx_check(ctx, err);
    if (status) return status;
    if (trees->n_nodes > MW_LIMIT(MODEL_NODES) || trees->n_trees > MW_LIMIT(MODEL_TREES) ||
        (size_t)trees->n_nodes * VALUES_A_NODE + n_targets * VALUES_A_TARGET >
            MW_ONNX_VALUES_MAX - 1000) {
        mw_fail(err, MW_ETOOLARGE, "the model has %lld nodes in %d trees; at most %lld in %lld fit",
                (long long)trees->n_nodes, trees->n_trees, (long long)MW_LIMIT(MODEL_NODES),
                (long long)MW_LIMIT(MODEL_TREES));
        return mw_err_hint(err, "use fewer trees, a max_depth, or a larger min_samples_leaf");
    }
    Onnx__NodeProto *node = mw_onnx_node(onnx, "TreeEnsembleRegressor", input, output);
    mw_onnx_text(onnx, node, "aggregate_function", "SUM");
    mw_onnx_int(onnx, node, "n_targets", trees->n_outputs);
    write_covers(onnx, node, trees);
    write_nodes(onnx, node, trees);
    write_targets(onnx, node, trees, n_targets);
    mw_onnx_text(onnx, node, "post_transform", "NONE");
    return mw_ctx_check(ctx, err);
}

/* ---- in ---- */

/* The attribute lists of one ensemble, lengths checked. */
typedef struct lists {
    size_t n_nodes, n_targets;
    int32_t n_outputs;
    const int64_t *features, *trues, *falses, *missing, *ids, *trees;
    const int64_t *target_ids, *target_nodes, *target_trees;
    const ProtobufCBinaryData *modes;
    const float *covers;        /* or */
    const uint8_t *wide_covers; /* doubles, unaligned */
    const uint8_t *thresholds;  /* doubles, unaligned */
    const uint8_t *weights;     /* doubles, unaligned */
} lists;

static double double_at(const uint8_t *bytes, size_t i) {
    double value;
    memcpy(&value, bytes + i * sizeof value, sizeof value);
    return value;
}

static mw_status bad_list(const char *name, mw_err *err) {
    return mw_fail(err, MW_EDATA, "model.onnx: the tree list '%s' is missing or damaged", name);
}

static mw_status take_ints(const Onnx__NodeProto *node, const char *name, size_t n,
                           const int64_t **ret, mw_err *err) {
    const Onnx__AttributeProto *found = mw_onnx_attribute(node, name);
    if (!found || found->n_ints != n) return bad_list(name, err);
    *ret = found->ints;
    return MW_OK;
}

static mw_status take_doubles(const Onnx__NodeProto *node, const char *name, size_t n,
                              const uint8_t **ret, mw_err *err) {
    const Onnx__AttributeProto *found = mw_onnx_attribute(node, name);
    int64_t shape[2];
    if (!found || !found->t || found->t->data_type != MW_ONNX_DOUBLE ||
        mw_onnx_tensor_shape(found->t, shape, NULL) || shape[0] != (int64_t)n || shape[1] >= 0)
        return bad_list(name, err);
    *ret = found->t->raw_data.data;
    return MW_OK;
}

static mw_status take_node_lists(const Onnx__NodeProto *node, lists *in, mw_err *err) {
    const Onnx__AttributeProto *modes = mw_onnx_attribute(node, "nodes_modes");
    const Onnx__AttributeProto *covers = mw_onnx_attribute(node, "nodes_hitrates");
    if (!modes || modes->n_strings < 1 || modes->n_strings > (size_t)MW_LIMIT(MODEL_NODES))
        return bad_list("nodes_modes", err);
    size_t n = in->n_nodes = modes->n_strings;
    in->modes = modes->strings;
    mw_status status = take_ints(node, "nodes_featureids", n, &in->features, err);
    if (!status) status = take_ints(node, "nodes_truenodeids", n, &in->trues, err);
    if (!status) status = take_ints(node, "nodes_falsenodeids", n, &in->falses, err);
    if (!status) status = take_ints(node, "nodes_missing_value_tracks_true", n, &in->missing, err);
    if (!status) status = take_ints(node, "nodes_nodeids", n, &in->ids, err);
    if (!status) status = take_ints(node, "nodes_treeids", n, &in->trees, err);
    if (!status) status = take_doubles(node, "nodes_values_as_tensor", n, &in->thresholds, err);
    if (status) return status;
    if (!covers) return take_doubles(node, "nodes_hitrates_as_tensor", n, &in->wide_covers, err);
    if (covers->n_floats != n) return bad_list("nodes_hitrates", err);
    in->covers = covers->floats;
    return MW_OK;
}

static bool text_is(const Onnx__NodeProto *node, const char *name, const char *text) {
    const Onnx__AttributeProto *found = mw_onnx_attribute(node, name);
    return found && found->has_s && found->s.len == strlen(text) &&
           memcmp(found->s.data, text, found->s.len) == 0;
}

static mw_status take_lists(const Onnx__NodeProto *node, lists *in, mw_err *err) {
    /* Exactly our attributes: one more (base values, say) would change what a runtime computes. */
    if (node->n_attribute != N_ATTRIBUTES || !text_is(node, "aggregate_function", "SUM") ||
        !text_is(node, "post_transform", "NONE"))
        return mw_fail(err, MW_EDATA, "model.onnx: the trees are not added up as ours are");
    mw_status status = take_node_lists(node, in, err);
    if (status) return status;
    const Onnx__AttributeProto *outputs = mw_onnx_attribute(node, "n_targets");
    const Onnx__AttributeProto *targets = mw_onnx_attribute(node, "target_ids");
    if (!outputs || outputs->i < 1 || outputs->i > MW_LIMIT(MODEL_CLASSES))
        return bad_list("n_targets", err);
    in->n_outputs = (int32_t)outputs->i;
    if (!targets || targets->n_ints < 1) return bad_list("target_ids", err);
    size_t n = in->n_targets = targets->n_ints;
    in->target_ids = targets->ints;
    status = take_ints(node, "target_nodeids", n, &in->target_nodes, err);
    if (!status) status = take_ints(node, "target_treeids", n, &in->target_trees, err);
    if (!status) status = take_doubles(node, "target_weights_as_tensor", n, &in->weights, err);
    return status;
}

static bool mode_is(const ProtobufCBinaryData *mode, const char *text) {
    return mode->len == strlen(text) && memcmp(mode->data, text, mode->len) == 0;
}

static mw_status bad_node(size_t i, const char *why, mw_err *err) {
    return mw_fail(err, MW_EDATA, "model.onnx: tree node %zu %s", i, why);
}

/* Trees stand one after another, their nodes numbered from 0. Counts trees and leaves. */
static mw_status check_order(const lists *in, int32_t *ret_trees, int64_t *ret_leaves,
                             mw_err *err) {
    int64_t tree = -1, next_id = 0;
    int64_t n_leaves = 0;
    for (size_t i = 0; i < in->n_nodes; i++) {
        if (in->trees[i] == tree + 1 && in->ids[i] == 0) tree++, next_id = 0;
        if (in->trees[i] != tree || in->ids[i] != next_id++ || tree >= MW_LIMIT(MODEL_TREES))
            return bad_node(i, "is out of order", err);
        n_leaves += mode_is(&in->modes[i], MODE_LEAF);
    }
    *ret_trees = (int32_t)(tree + 1);
    *ret_leaves = n_leaves;
    return MW_OK;
}

static mw_status read_cover(const lists *in, size_t i, uint32_t *ret, mw_err *err) {
    double cover = in->covers        ? (double)in->covers[i]
                   : in->wide_covers ? double_at(in->wide_covers, i)
                                     : 0;
    if (!(cover >= 0 && cover <= UINT32_MAX) || cover != mw_floor(cover))
        return bad_node(i, "has a cover that is no number of rows", err);
    *ret = (uint32_t)cover;
    return MW_OK;
}

/* A finite float32 written as a double. */
static bool to_float32(double value, float *ret) {
    if (!mw_isfinite(value) || value > 3.4028234663852886e38 || value < -3.4028234663852886e38)
        return false;
    *ret = (float)value;
    return (double)*ret == value;
}

/* Node i of the tree that begins at root and ends before end. */
static mw_status read_node(const lists *in, size_t i, int64_t root, int64_t end, int32_t n_features,
                           uint8_t *has_parent, mw_node *to, mw_err *err) {
    mw_status status = read_cover(in, i, &to->cover, err);
    if (status) return status;
    if (mode_is(&in->modes[i], MODE_LEAF)) {
        to->feature = to->left = to->right = -1;
        return MW_OK;
    }
    if (!mode_is(&in->modes[i], MODE_BRANCH)) return bad_node(i, "has an unknown mode", err);
    if (in->features[i] < 0 || in->features[i] >= n_features)
        return bad_node(i, "splits on a feature that does not exist", err);
    if (!to_float32(double_at(in->thresholds, i), &to->threshold))
        return bad_node(i, "has a threshold that is not a finite float32", err);
    if (in->missing[i] != 0 && in->missing[i] != 1)
        return bad_node(i, "does not say where missing values go", err);
    int64_t own = (int64_t)i - root, size = end - root;
    int64_t children[2] = {in->trues[i], in->falses[i]};
    for (int side = 0; side < 2; side++) {
        if (children[side] <= own || children[side] >= size)
            return bad_node(i, "has a child outside its tree or before itself", err);
        if (has_parent[root + children[side]]++) return bad_node(i, "shares a child", err);
    }
    to->feature = (int32_t)in->features[i];
    to->missing_left = in->missing[i] == 1;
    to->left = (int32_t)(root + children[0]);
    to->right = (int32_t)(root + children[1]);
    return MW_OK;
}

static mw_status read_nodes(const mw_ctx *ctx, const lists *in, mw_trees *trees, mw_err *err) {
    uint8_t *has_parent = mw_calloc(ctx->mem, in->n_nodes, 1);
    if (!has_parent) return mw_fail_nomem(err, "the trees");
    mw_status status = MW_OK;
    int32_t leaf = 0;
    for (size_t i = 0; i < in->n_nodes; i++)
        if (in->ids[i] == 0) trees->roots[in->trees[i]] = (int64_t)i;
    for (size_t i = 0; !status && i < in->n_nodes; i++) {
        int32_t tree = (int32_t)in->trees[i];
        int64_t root = trees->roots[tree];
        if (i % CHECK_NODES == 0) status = mw_ctx_check(ctx, err);
        /* Parents come first, so by now every reachable node has been named by one. */
        if (!status && (int64_t)i != root && !has_parent[i])
            status = bad_node(i, "cannot be reached", err);
        if (!status)
            status = read_node(in, i, root, tree_end(trees, tree), trees->n_features, has_parent,
                               &trees->nodes[i], err);
        if (!status && trees->nodes[i].feature < 0) trees->nodes[i].right = leaf++;
    }
    mw_free(has_parent);
    return status;
}

/* Targets follow the leaves' order, outputs ascending, and name every leaf. */
static mw_status read_values(const lists *in, mw_trees *trees, mw_err *err) {
    int64_t last_node = -1, last_target = -1;
    int64_t n_seen = 0;
    for (size_t i = 0; i < in->n_targets; i++) {
        int64_t tree = in->target_trees[i], id = in->target_nodes[i], target = in->target_ids[i];
        if (tree < 0 || tree >= trees->n_trees || target < 0 || target >= in->n_outputs)
            return bad_list("target_ids", err);
        int64_t root = trees->roots[tree];
        if (id < 0 || id >= tree_end(trees, (int32_t)tree) - root)
            return bad_list("target_nodeids", err);
        int64_t node = root + id;
        bool next = node > last_node || (node == last_node && target > last_target);
        if (!next || trees->nodes[node].feature >= 0) return bad_list("target_nodeids", err);
        float *value = &trees->values[(int64_t)trees->nodes[node].right * in->n_outputs + target];
        if (!to_float32(double_at(in->weights, i), value))
            return bad_list("target_weights_as_tensor", err);
        n_seen += node != last_node;
        last_node = node;
        last_target = target;
    }
    return n_seen == trees->n_leaves ? MW_OK : bad_list("target_nodeids", err);
}

static mw_trees *new_trees(mw_mem *mem, const lists *in, int32_t n_trees, int64_t n_leaves) {
    mw_trees *trees = mw_calloc(mem, 1, sizeof *trees);
    if (!trees) return NULL;
    trees->mem = mem;
    trees->n_outputs = in->n_outputs;
    trees->n_trees = n_trees;
    trees->n_nodes = (int64_t)in->n_nodes;
    trees->n_leaves = n_leaves;
    trees->roots = mw_calloc(mem, (size_t)n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(mem, in->n_nodes, sizeof *trees->nodes);
    trees->values = mw_calloc(mem, (size_t)n_leaves * (size_t)in->n_outputs, sizeof *trees->values);
    if (trees->roots && trees->nodes && trees->values) return trees;
    return mw_trees_free(trees);
}

static const Onnx__NodeProto *find_ensemble(const mw_onnx_doc *doc) {
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(doc);
    for (size_t i = 0; i < graph->n_node; i++)
        if (strcmp(graph->node[i]->op_type, "TreeEnsembleRegressor") == 0) return graph->node[i];
    return NULL;
}

mw_status mw_onnx_read_trees(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_trees **ret,
                             mw_err *err) {
    const Onnx__NodeProto *node = find_ensemble(doc);
    if (!node) return mw_fail(err, MW_EDATA, "model.onnx holds no trees");
    lists in = {0};
    int32_t n_trees = 0;
    int64_t n_leaves = 0;
    mw_status status = take_lists(node, &in, err);
    if (!status) status = check_order(&in, &n_trees, &n_leaves, err);
    if (status) return status;
    /* Each leaf has a target entry, which bounds values by what the file holds times its outputs.
     */
    if ((uint64_t)n_leaves > in.n_targets) return bad_list("target_nodeids", err);
    if (n_leaves * in.n_outputs > MW_ONNX_VALUES_MAX)
        return mw_fail(err, MW_ETOOLARGE, "model.onnx: %lld leaves with %d values each",
                       (long long)n_leaves, in.n_outputs);
    mw_trees *trees = new_trees(ctx->mem, &in, n_trees, n_leaves);
    if (!trees) return mw_fail_nomem(err, "the trees");
    trees->n_features = mw_onnx_doc_features(doc);
    status = read_nodes(ctx, &in, trees, err);
    if (!status) status = read_values(&in, trees, err);
    if (status) {
        mw_trees_free(trees);
        return status;
    }
    *ret = trees;
    return MW_OK;
}
