/*
 * onnx_trees.h -- what writing and reading a TreeEnsembleRegressor share.
 */
#ifndef MW_LEARN_MODEL_ONNX_TREES_H
#define MW_LEARN_MODEL_ONNX_TREES_H

#include "learn/model/onnx_graph.h"

#define MW_ONNX__LEAF "LEAF"
#define MW_ONNX__BRANCH "BRANCH_LEQ"
#define MW_ONNX__BRANCH_BY_CODE "BRANCH_EQ"
#define MW_ONNX__BASE "base_values_as_tensor"

static inline int64_t mw_onnx__tree_end(const mw_trees *trees, int32_t tree) {
    return tree + 1 < trees->n_trees ? trees->roots[tree + 1] : trees->n_nodes;
}

#endif
