/*
 * onnx_eval_trees.c -- the evaluator's trees, by ONNX's lists alone.
 */
#include "learn/model/onnx_eval_parts.h"

#include <string.h>

#include "core/base/math.h"

typedef struct ensemble {
    size_t n;
    const int64_t *features, *trues, *falses, *missing;
    const ProtobufCBinaryData *modes;
    const uint8_t *thresholds;
    size_t n_targets;
    const int64_t *target_ids, *target_nodes, *target_trees;
    const uint8_t *weights;
    const uint8_t *base; /* or NULL: zeros */
} ensemble;

static const int64_t *ints_of(const Onnx__NodeProto *node, const char *name, size_t n) {
    const Onnx__AttributeProto *found = mw_onnx_attribute(node, name);
    return found && found->n_ints == n ? found->ints : NULL;
}

static const uint8_t *doubles_of(const Onnx__NodeProto *node, const char *name, size_t n) {
    const Onnx__AttributeProto *found = mw_onnx_attribute(node, name);
    return found && found->t && found->t->raw_data.len == n * sizeof(double)
               ? found->t->raw_data.data
               : NULL;
}

static bool take_ensemble(const Onnx__NodeProto *node, ensemble *e) {
    const Onnx__AttributeProto *modes = mw_onnx_attribute(node, "nodes_modes");
    const Onnx__AttributeProto *targets = mw_onnx_attribute(node, "target_ids");
    if (!modes || !targets) return false;
    e->n = modes->n_strings;
    e->modes = modes->strings;
    e->features = ints_of(node, "nodes_featureids", e->n);
    e->trues = ints_of(node, "nodes_truenodeids", e->n);
    e->falses = ints_of(node, "nodes_falsenodeids", e->n);
    e->missing = ints_of(node, "nodes_missing_value_tracks_true", e->n);
    e->thresholds = doubles_of(node, "nodes_values_as_tensor", e->n);
    e->n_targets = targets->n_ints;
    e->target_ids = targets->ints;
    e->target_nodes = ints_of(node, "target_nodeids", e->n_targets);
    e->target_trees = ints_of(node, "target_treeids", e->n_targets);
    e->weights = doubles_of(node, "target_weights_as_tensor", e->n_targets);
    return e->features && e->trues && e->falses && e->missing && e->thresholds && e->target_nodes &&
           e->target_trees && e->weights;
}

static mw_status find_roots(mw_onnx__machine *m, const Onnx__NodeProto *node, mw_err *err) {
    const Onnx__AttributeProto *ids = mw_onnx_attribute(node, "nodes_nodeids");
    if (m->roots) return MW_OK;
    for (size_t i = 0; ids && i < ids->n_ints; i++) m->n_roots += ids->ints[i] == 0;
    m->roots = mw_arena_calloc(&m->constants, m->n_roots + 1, sizeof *m->roots);
    if (!m->roots) return mw_fail_nomem(err, "the ONNX check");
    size_t at = 0;
    for (size_t i = 0; ids && i < ids->n_ints; i++)
        if (ids->ints[i] == 0) m->roots[at++] = i;
    return MW_OK;
}

/* Does a row with this value take the true branch? */
static bool says_yes(const ensemble *e, size_t at, double value) {
    const double limit = mw_onnx__value_at(e->thresholds, MW_ONNX_DOUBLE, (int64_t)at);
    if (mw_isnan(value)) return e->missing[at] != 0;
    return e->modes[at].len == strlen("BRANCH_EQ") ? value == limit : value <= limit;
}

/* List index of the leaf a row falls into; SIZE_MAX when the lists are broken. */
static size_t find_leaf(const ensemble *e, size_t root, const mw_onnx__slot *x, int64_t row) {
    size_t at = root;
    while (at < e->n && e->modes[at].len != strlen("LEAF")) {
        if (e->features[at] < 0 || e->features[at] >= x->columns) return SIZE_MAX;
        const bool yes = says_yes(e, at, mw_onnx__cell(x, row, e->features[at]));
        int64_t next = yes ? e->trues[at] : e->falses[at];
        if (next <= (int64_t)(at - root)) return SIZE_MAX;
        at = root + (size_t)next;
    }
    return at < e->n ? at : SIZE_MAX;
}

/* First target entry of (tree, node), by binary search in their ascending order. */
static size_t first_target(const ensemble *e, int64_t tree, int64_t node) {
    size_t low = 0, high = e->n_targets;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = e->target_trees[middle] < tree ||
                      (e->target_trees[middle] == tree && e->target_nodes[middle] < node);
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

mw_status mw_onnx__run_trees(mw_onnx__call *c, mw_err *err) {
    ensemble e = {0};
    const Onnx__AttributeProto *outputs = mw_onnx_attribute(c->node, "n_targets");
    if (!outputs || outputs->i < 1 || !take_ensemble(c->node, &e))
        return mw_onnx__unknown(c->node, err);
    e.base = doubles_of(c->node, "base_values_as_tensor", (size_t)outputs->i);
    if (!e.base && mw_onnx_attribute(c->node, "base_values_as_tensor"))
        return mw_onnx__unknown(c->node, err);
    mw_status status = find_roots(c->m, c->node, err);
    if (!status) status = mw_onnx__make(c, MW_ONNX_FLOAT, c->in[0]->rows, outputs->i, err);
    for (int64_t r = 0; !status && r < c->out->rows; r++) {
        for (int64_t k = 0; e.base && k < outputs->i; k++)
            c->out->v[r * outputs->i + k] = mw_onnx__value_at(e.base, MW_ONNX_DOUBLE, k);
        for (size_t t = 0; t < c->m->n_roots; t++) {
            size_t leaf = find_leaf(&e, c->m->roots[t], c->in[0], r);
            if (leaf == SIZE_MAX) return mw_onnx__unknown(c->node, err);
            int64_t id = (int64_t)(leaf - c->m->roots[t]);
            for (size_t i = first_target(&e, (int64_t)t, id);
                 i < e.n_targets && e.target_trees[i] == (int64_t)t && e.target_nodes[i] == id; i++)
                if (e.target_ids[i] >= 0 && e.target_ids[i] < outputs->i)
                    c->out->v[r * outputs->i + e.target_ids[i]] +=
                        mw_onnx__value_at(e.weights, MW_ONNX_DOUBLE, (int64_t)i);
        }
    }
    if (!status) mw_onnx__round(c->out);
    return status;
}
