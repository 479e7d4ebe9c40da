/*
 * onnx_eval_parts.h -- what the files of the evaluator share: the machine, its values, its operators.
 */
#ifndef MW_LEARN_MODEL_ONNX_EVAL_PARTS_H
#define MW_LEARN_MODEL_ONNX_EVAL_PARTS_H

#include "learn/model/onnx_graph.h"

enum { MW_ONNX__SLOTS_MAX = MW_ONNX_NODES_MAX + MW_ONNX_TENSORS_MAX + 1 };

/* A tensor. rows is 1 for a constant that is broadcast over rows. */
typedef struct mw_onnx__slot {
    const char *name;
    int32_t type;
    int64_t rows, columns;
    double *v; /* [rows][columns] */
} mw_onnx__slot;

typedef struct mw_onnx__machine {
    const mw_onnx_doc *doc;
    mw_arena constants, scratch;
    mw_onnx__slot slots[MW_ONNX__SLOTS_MAX];
    size_t n_slots, n_constants;
    size_t *roots; /* of the tree ensemble: list index of each tree's node 0 */
    size_t n_roots;
} mw_onnx__machine;

/* An operator with its inputs; it makes its output. */
typedef struct mw_onnx__call {
    mw_onnx__machine *m;
    const Onnx__NodeProto *node;
    const mw_onnx__slot *in[3];
    mw_onnx__slot *out;
} mw_onnx__call;

/* A value, repeated along a dimension of 1. */
static inline double mw_onnx__cell(const mw_onnx__slot *s, int64_t row, int64_t column) {
    return s->v[(s->rows == 1 ? 0 : row) * s->columns + (s->columns == 1 ? 0 : column)];
}

const mw_onnx__slot *mw_onnx__find(const mw_onnx__machine *m, const char *name);
/* Makes c->out, of zeros. Errors: MW_ENOMEM. */
mw_status mw_onnx__make(mw_onnx__call *c, int32_t type, int64_t rows, int64_t columns, mw_err *err);
/* Rounds to float32 when the type is float. */
void mw_onnx__round(mw_onnx__slot *s);
/* Value i of packed ones. */
double mw_onnx__value_at(const uint8_t *bytes, int32_t type, int64_t i);
/* MW_EDATA: the operator is none of ours, or not in this form. */
mw_status mw_onnx__unknown(const Onnx__NodeProto *node, mw_err *err);

mw_status mw_onnx__run(mw_onnx__machine *m, const Onnx__NodeProto *node, mw_err *err);
mw_status mw_onnx__run_trees(mw_onnx__call *c, mw_err *err);

#endif
