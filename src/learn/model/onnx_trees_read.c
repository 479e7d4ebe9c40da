/*
 * onnx_trees_read.c -- a TreeEnsembleRegressor of our form becomes an ensemble again, or is refused.
 *
 * An entry of the file's lists is a node; only entries that ask for the codes of one set are joined
 * into one. They are told from nodes that follow each other by sharing their true child, which
 * nothing else may, so exactly one ensemble gives a file.
 */
#include "learn/model/onnx_trees.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"

enum { N_ATTRIBUTES = 16, CHECK_NODES = 1 << 16 };

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
    const uint8_t *base;        /* doubles, unaligned, or NULL */
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
    /* Exactly our attributes: one more could change what a runtime computes. */
    const size_t has_base = mw_onnx_attribute(node, MW_ONNX__BASE) ? 1 : 0;
    if (node->n_attribute != N_ATTRIBUTES + has_base ||
        !text_is(node, "aggregate_function", "SUM") || !text_is(node, "post_transform", "NONE"))
        return mw_fail(err, MW_EDATA, "model.onnx: the trees are not added up as ours are");
    mw_status status = take_node_lists(node, in, err);
    if (status) return status;
    const Onnx__AttributeProto *outputs = mw_onnx_attribute(node, "n_targets");
    const Onnx__AttributeProto *targets = mw_onnx_attribute(node, "target_ids");
    if (!outputs || outputs->i < 1 || outputs->i > MW_LIMIT(MODEL_CLASSES))
        return bad_list("n_targets", err);
    in->n_outputs = (int32_t)outputs->i;
    if (has_base) status = take_doubles(node, MW_ONNX__BASE, (size_t)outputs->i, &in->base, err);
    if (status) return status;
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

/* Which entries are nodes. */
typedef struct layout {
    int32_t n_trees, n_sets;
    int64_t n_nodes, n_leaves, n_words;
    int64_t *roots; /* [n_trees] first entry */
    int32_t *nodes; /* [n entries] node that an entry begins, -1 inside a set */
} layout;

/* Trees stand one after another, their entries numbered from 0. */
static mw_status check_order(const lists *in, layout *l, mw_err *err) {
    int64_t tree = -1, next_id = 0;
    for (size_t i = 0; i < in->n_nodes; i++) {
        if (in->trees[i] == tree + 1 && in->ids[i] == 0) tree++, next_id = 0;
        if (in->trees[i] != tree || in->ids[i] != next_id++ || tree >= MW_LIMIT(MODEL_TREES))
            return bad_node(i, "is out of order", err);
        l->n_leaves += mode_is(&in->modes[i], MW_ONNX__LEAF);
    }
    l->n_trees = (int32_t)(tree + 1);
    return MW_OK;
}

static double cover_at(const lists *in, size_t i) {
    return in->covers ? (double)in->covers[i] : in->wide_covers ? double_at(in->wide_covers, i) : 0;
}

/* Does entry i ask for the next code of the set that entry i - 1 asks for? */
static bool joins(const lists *in, size_t i) {
    return in->ids[i] > 0 && in->falses[i - 1] == in->ids[i] && in->trues[i - 1] == in->trues[i] &&
           mode_is(&in->modes[i - 1], MW_ONNX__BRANCH_BY_CODE) &&
           mode_is(&in->modes[i], MW_ONNX__BRANCH_BY_CODE) &&
           in->features[i - 1] == in->features[i] && in->missing[i - 1] == in->missing[i] &&
           cover_at(in, i - 1) == cover_at(in, i) &&
           double_at(in->thresholds, i - 1) < double_at(in->thresholds, i);
}

static bool is_code(double value) {
    return value >= 0 && value < (double)MW_LIMIT(CATEGORIES) && value == mw_floor(value);
}

/* Numbers the nodes and counts what their sets take. */
static mw_status lay_out(const mw_ctx *ctx, const lists *in, layout *l, mw_err *err) {
    l->roots = mw_calloc(ctx->mem, (size_t)l->n_trees, sizeof *l->roots);
    l->nodes = mw_alloc_array(ctx->mem, in->n_nodes, sizeof *l->nodes);
    if (!l->roots || !l->nodes) return mw_fail_nomem(err, "the trees");
    for (size_t i = 0; i < in->n_nodes; i++) {
        if (in->ids[i] == 0) l->roots[in->trees[i]] = (int64_t)i;
        const bool inside = joins(in, i);
        l->nodes[i] = inside ? -1 : (int32_t)l->n_nodes++;
        if (!mode_is(&in->modes[i], MW_ONNX__BRANCH_BY_CODE)) continue;
        const double code = double_at(in->thresholds, i);
        if (!is_code(code)) return bad_node(i, "asks for what is no code of a category", err);
        if (inside) l->n_words -= (int64_t)double_at(in->thresholds, i - 1) / 32 + 1;
        l->n_words += (int64_t)code / 32 + 1;
        l->n_sets += !inside;
    }
    if (l->n_words <= MW_ONNX_VALUES_MAX) return MW_OK;
    return mw_fail(err, MW_ETOOLARGE, "model.onnx: %d sets of %lld words", l->n_sets,
                   (long long)l->n_words);
}

static mw_status read_cover(const lists *in, size_t i, uint32_t *ret, mw_err *err) {
    const double cover = cover_at(in, i);
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

/* The codes of entries [first, last] become the ensemble's next set. */
static void read_set(const lists *in, size_t first, size_t last, mw_trees *trees, mw_node *to) {
    const int64_t begin = trees->set_starts[trees->n_sets];
    int64_t code = 0;
    for (size_t i = first; i <= last; i++) {
        code = (int64_t)double_at(in->thresholds, i);
        trees->set_words[begin + code / 32] |= UINT32_C(1) << code % 32;
    }
    to->by_set = true;
    to->set = trees->n_sets++;
    trees->set_starts[trees->n_sets] = begin + code / 32 + 1;
}

/* The children of the node of entries [first, last], which no other node may have. */
static mw_status read_children(const lists *in, const layout *l, size_t first, size_t last,
                               uint8_t *has_parent, mw_node *to, mw_err *err) {
    const int64_t root = l->roots[in->trees[first]];
    const int64_t children[2] = {in->trues[last], in->falses[last]};
    int32_t nodes[2];
    for (int side = 0; side < 2; side++) {
        if (children[side] <= in->ids[last] || children[side] >= (int64_t)in->n_nodes - root ||
            in->trees[root + children[side]] != in->trees[first])
            return bad_node(last, "has a child outside its tree or before itself", err);
        nodes[side] = l->nodes[root + children[side]];
        if (nodes[side] < 0) return bad_node(last, "leads into the middle of a set", err);
        if (has_parent[nodes[side]]++) return bad_node(last, "shares a child", err);
    }
    to->left = nodes[0];
    to->right = nodes[1];
    return MW_OK;
}

/* Entries [first, last], which are one node. */
static mw_status read_node(const lists *in, const layout *l, size_t first, size_t last,
                           mw_trees *trees, uint8_t *has_parent, mw_err *err) {
    mw_node *to = &trees->nodes[l->nodes[first]];
    mw_status status = read_cover(in, first, &to->cover, err);
    if (status) return status;
    /* Parents come first, so by now every reachable node has been named by one. */
    if (in->ids[first] != 0 && !has_parent[l->nodes[first]])
        return bad_node(first, "cannot be reached", err);
    if (mode_is(&in->modes[first], MW_ONNX__LEAF)) {
        to->feature = to->left = -1;
        to->right = (int32_t)trees->n_leaves++;
        return MW_OK;
    }
    if (in->features[first] < 0 || in->features[first] >= trees->n_features)
        return bad_node(first, "splits on a feature that does not exist", err);
    if (in->missing[first] != 0 && in->missing[first] != 1)
        return bad_node(first, "does not say where missing values go", err);
    to->feature = (int32_t)in->features[first];
    to->missing_left = in->missing[first] == 1;
    if (mode_is(&in->modes[first], MW_ONNX__BRANCH_BY_CODE))
        read_set(in, first, last, trees, to);
    else if (!mode_is(&in->modes[first], MW_ONNX__BRANCH))
        return bad_node(first, "has an unknown mode", err);
    else if (!to_float32(double_at(in->thresholds, first), &to->threshold))
        return bad_node(first, "has a threshold that is not a finite float32", err);
    return read_children(in, l, first, last, has_parent, to, err);
}

static mw_status read_nodes(const mw_ctx *ctx, const lists *in, const layout *l, mw_trees *trees,
                            mw_err *err) {
    uint8_t *has_parent = mw_calloc(ctx->mem, (size_t)l->n_nodes, 1);
    if (!has_parent) return mw_fail_nomem(err, "the trees");
    mw_status status = MW_OK;
    for (int32_t t = 0; t < l->n_trees; t++) trees->roots[t] = l->nodes[l->roots[t]];
    for (size_t i = 0, next; !status && i < in->n_nodes; i = next) {
        for (next = i + 1; next < in->n_nodes && l->nodes[next] < 0;) next++;
        if (l->nodes[i] % CHECK_NODES == 0) status = mw_ctx_check(ctx, err);
        if (!status) status = read_node(in, l, i, next - 1, trees, has_parent, err);
    }
    mw_free(has_parent);
    return status;
}

/* Targets follow the leaves' order, outputs ascending, and name every leaf. */
static mw_status read_values(const lists *in, const layout *l, mw_trees *trees, mw_err *err) {
    int64_t last_entry = -1, last_target = -1;
    int64_t n_seen = 0;
    for (size_t i = 0; i < in->n_targets; i++) {
        int64_t tree = in->target_trees[i], id = in->target_nodes[i], target = in->target_ids[i];
        if (tree < 0 || tree >= l->n_trees || target < 0 || target >= in->n_outputs)
            return bad_list("target_ids", err);
        if (id < 0 || id >= (int64_t)in->n_nodes - l->roots[tree] ||
            in->trees[l->roots[tree] + id] != tree)
            return bad_list("target_nodeids", err);
        int64_t entry = l->roots[tree] + id;
        bool next = entry > last_entry || (entry == last_entry && target > last_target);
        if (!next || !mode_is(&in->modes[entry], MW_ONNX__LEAF))
            return bad_list("target_nodeids", err);
        const mw_node *leaf = &trees->nodes[l->nodes[entry]];
        float *value = &trees->values[(int64_t)leaf->right * in->n_outputs + target];
        if (!to_float32(double_at(in->weights, i), value))
            return bad_list("target_weights_as_tensor", err);
        n_seen += entry != last_entry;
        last_entry = entry;
        last_target = target;
    }
    return n_seen == trees->n_leaves ? MW_OK : bad_list("target_nodeids", err);
}

static mw_status read_base(const lists *in, mw_trees *trees, mw_err *err) {
    for (int32_t k = 0; in->base && k < in->n_outputs; k++) {
        trees->base[k] = double_at(in->base, (size_t)k);
        if (!mw_isfinite(trees->base[k])) return bad_list(MW_ONNX__BASE, err);
    }
    return MW_OK;
}

static mw_trees *new_trees(mw_mem *mem, const lists *in, const layout *l) {
    const size_t n_outputs = (size_t)in->n_outputs, n_sets = (size_t)l->n_sets;
    mw_trees *trees = mw_calloc(mem, 1, sizeof *trees);
    if (!trees) return NULL;
    trees->mem = mem;
    trees->n_outputs = in->n_outputs;
    trees->n_trees = l->n_trees;
    trees->n_nodes = l->n_nodes;
    trees->roots = mw_calloc(mem, (size_t)l->n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(mem, (size_t)l->n_nodes, sizeof *trees->nodes);
    trees->values = mw_calloc(mem, (size_t)l->n_leaves * n_outputs, sizeof *trees->values);
    bool made = trees->roots && trees->nodes && trees->values;
    if (in->base) made &= !!(trees->base = mw_calloc(mem, n_outputs, sizeof *trees->base));
    if (l->n_sets) {
        trees->set_starts = mw_calloc(mem, n_sets + 1, sizeof *trees->set_starts);
        trees->set_words = mw_calloc(mem, (size_t)l->n_words, sizeof *trees->set_words);
        made &= trees->set_starts && trees->set_words;
    }
    return made ? trees : mw_trees_free(trees);
}

static const Onnx__NodeProto *find_ensemble(const mw_onnx_doc *doc) {
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(doc);
    for (size_t i = 0; i < graph->n_node; i++)
        if (strcmp(graph->node[i]->op_type, "TreeEnsembleRegressor") == 0) return graph->node[i];
    return NULL;
}

static mw_status read_lists(const mw_ctx *ctx, const lists *in, const layout *l, int32_t n_features,
                            mw_trees **ret, mw_err *err) {
    /* Each leaf has a target entry, which bounds values by what the file holds times its outputs. */
    if ((uint64_t)l->n_leaves > in->n_targets) return bad_list("target_nodeids", err);
    if (l->n_leaves * in->n_outputs > MW_ONNX_VALUES_MAX)
        return mw_fail(err, MW_ETOOLARGE, "model.onnx: %lld leaves with %d values each",
                       (long long)l->n_leaves, in->n_outputs);
    mw_trees *trees = new_trees(ctx->mem, in, l);
    if (!trees) return mw_fail_nomem(err, "the trees");
    trees->n_features = n_features;
    mw_status status = read_nodes(ctx, in, l, trees, err);
    if (!status) status = read_values(in, l, trees, err);
    if (!status) status = read_base(in, trees, err);
    if (status)
        mw_trees_free(trees);
    else
        *ret = trees;
    return status;
}

mw_status mw_onnx_read_trees(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_trees **ret,
                             mw_err *err) {
    const Onnx__NodeProto *node = find_ensemble(doc);
    if (!node) return mw_fail(err, MW_EDATA, "model.onnx holds no trees");
    lists in = {0};
    layout l = {0};
    mw_status status = take_lists(node, &in, err);
    if (!status) status = check_order(&in, &l, err);
    if (!status) status = lay_out(ctx, &in, &l, err);
    if (!status) status = read_lists(ctx, &in, &l, mw_onnx_doc_features(doc), ret, err);
    mw_free(l.roots);
    mw_free(l.nodes);
    return status;
}

mw_status mw_onnx_expect_plain(const mw_trees *trees, bool has_sets, mw_err *err) {
    if (!trees->base && (has_sets || !trees->n_sets)) return MW_OK;
    return mw_fail(err, MW_EDATA, "model.onnx does not compute what its learner computes");
}
