/*
 * onnx_graph.h -- ONNX models as protobuf messages: building, checked reading, and evaluation.
 *
 * What      mw_onnx is a graph under construction; mw_onnx_doc is one that was read and checked;
 *           mw_onnx_eval runs a document's own operators, so what is saved can be compared with what
 *           was meant without another program.
 * Form      opset ai.onnx 15 and ai.onnx.ml 3, IR 8. One input, float [N,F]. Arithmetic between
 *           input and output is float64, so that float32 rounding happens once, at the output.
 * Hostile   before protobuf-c sees a byte, a scan over the wire format bounds nesting, messages and
 *           values; sizes of every list are checked against each other before they are used.
 * Memory    everything is charged to the account handed in, protobuf-c's own allocations too.
 */
#ifndef MW_LEARN_MODEL_ONNX_GRAPH_H
#define MW_LEARN_MODEL_ONNX_GRAPH_H

#include <onnx.pb-c.h>

#include "core/base/arena.h"
#include "core/base/ctx.h"
#include "core/base/str.h"
#include "learn/tree/trees.h"

#define MW_ONNX_INPUT "features"

enum {
    MW_ONNX_OPSET = 15,
    MW_ONNX_ML_OPSET = 3,
    MW_ONNX_IR = 8,
    MW_ONNX_NODES_MAX = 24,
    MW_ONNX_TENSORS_MAX = 16,
    MW_ONNX_OUTPUTS_MAX = 4,
    MW_ONNX_VALUES_MAX = 240000000 /* list entries of one model: 12 for each node it may have */
};

typedef enum mw_onnx_type {
    MW_ONNX_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    MW_ONNX_INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    MW_ONNX_STRING = ONNX__TENSOR_PROTO__DATA_TYPE__STRING,
    MW_ONNX_BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
    MW_ONNX_DOUBLE = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE
} mw_onnx_type;

/* ---- building ---- */

typedef struct mw_onnx mw_onnx;

mw_status mw_onnx_new(mw_mem *mem, const char *name, int32_t n_features, mw_onnx **ret,
                      mw_err *err);
void *mw_onnx_free(mw_onnx *onnx);

/* One operator: names are blank-separated, in order; at most two whole-number attributes. The same
 * list of steps builds a learner's graph and, at load, says what it must be. */
typedef struct mw_onnx_step {
    const char *op, *inputs, *outputs;
    struct {
        const char *name; /* NULL: none */
        int64_t value;
    } attributes[2];
} mw_onnx_step;

void mw_onnx_add_step(mw_onnx *onnx, const mw_onnx_step *step);

/* All builders remember the first failure; mw_onnx_pack reports it. Names are blank-separated, in
 * order: mw_onnx_node(onnx, "Where", "is_missing fill numbers", "filled"). Operators of ai.onnx.ml
 * are told by their name. NULL after a failure, which the attribute functions accept. */
Onnx__NodeProto *mw_onnx_node(mw_onnx *onnx, const char *op, const char *inputs,
                              const char *outputs);
void mw_onnx_int(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, int64_t value);
void mw_onnx_text(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, const char *value);
/* Each gives the list [n] to be filled, or NULL after a failure. */
int64_t *mw_onnx_ints(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n);
float *mw_onnx_floats(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n);
double *mw_onnx_doubles(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n);
/* The texts themselves are borrowed until the pack. */
ProtobufCBinaryData *mw_onnx_texts(mw_onnx *onnx, Onnx__NodeProto *node, const char *name,
                                   size_t n);
/* A constant: shape [d0], or [d0][d1] when d1 >= 0; gives its values to be filled. */
void *mw_onnx_tensor(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t d0, int64_t d1);
/* An output of shape [N] (columns 0) or [N][columns]. */
void mw_onnx_output(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t columns);

/* The bytes of model.onnx; *ret is mw_free'd by the caller. MW_ETOOLARGE past MW_LIMIT(ONNX_BYTES).
 */
mw_status mw_onnx_pack(const mw_ctx *ctx, mw_onnx *onnx, uint8_t **ret, size_t *ret_size,
                       mw_err *err);

/*
 * mw_onnx_add_trees -- TreeEnsembleRegressor over the double tensor `input`: outputs [N][n_outputs] sums.
 *
 * A node by set becomes as many nodes as its set has codes, each asking for one (onnx_trees_write.c).
 * They ask for equality: a fraction, which mw_trees_in_set cuts off, goes right in a runtime. Categories
 * have none, so split only them by set.
 *
 * Errors    MW_ETOOLARGE past MW_LIMIT(MODEL_NODES), counted as written; MW_EINTERNAL for a set without
 *           codes; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_onnx_add_trees(const mw_ctx *ctx, mw_onnx *onnx, const mw_trees *trees,
                            const char *input, const char *output, mw_err *err);

/* ---- reading ---- */

typedef struct mw_onnx_doc mw_onnx_doc;

/* Unpacks and checks what every model of ours has: opsets, one float input of [N][F], sizes. */
mw_status mw_onnx_parse(const mw_ctx *ctx, const uint8_t *data, size_t size, mw_onnx_doc **ret,
                        mw_err *err);
void *mw_onnx_doc_free(mw_onnx_doc *doc);
int32_t mw_onnx_doc_features(const mw_onnx_doc *doc);
const Onnx__GraphProto *mw_onnx_doc_graph(const mw_onnx_doc *doc);

/* MW_EDATA unless the operators are exactly these, in this order, each reading and writing the
 * names given with the attributes given (those of ai.onnx.ml are left to their readers). */
mw_status mw_onnx_expect(const mw_onnx_doc *doc, const mw_onnx_step *steps, size_t n, mw_err *err);

/* The constant of that name: type and shape must be as asked (d1 -1: rank 1). Unaligned bytes. */
mw_status mw_onnx_constant(const mw_onnx_doc *doc, const char *name, mw_onnx_type type, int64_t d0,
                           int64_t d1, const void **ret, mw_err *err);
bool mw_onnx_has_constant(const mw_onnx_doc *doc, const char *name);
/* Shape of a constant of at most two dimensions, -1 for those it lacks; its element type in *type.
 */
mw_status mw_onnx_tensor_shape(const Onnx__TensorProto *tensor, int64_t shape[2], mw_err *err);
size_t mw_onnx_type_bytes(int32_t type); /* 0 when the type is not used here */
const Onnx__AttributeProto *mw_onnx_attribute(const Onnx__NodeProto *node, const char *name);

/* Rebuilds the ensemble of the graph's TreeEnsembleRegressor. Every index, order and value is
 * checked: node ids run 0.. within their tree, children come after their parent and have one
 * parent, every node is reached, codes are those of categories, thresholds, values and base values are
 * finite. What mw_onnx_add_trees wrote comes back as it was, gains excepted; of sets, each node has its
 * own, in the nodes' order and no longer than its last code needs. *ret belongs to mem. */
mw_status mw_onnx_read_trees(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_trees **ret,
                             mw_err *err);
/* MW_EDATA when the trees have base values, or sets, for learners that have none. */
mw_status mw_onnx_expect_plain(const mw_trees *trees, bool has_sets, mw_err *err);

/* ---- evaluating ---- */

/* Runs the graph on rows and writes the float32 output of that name, widened: out
 * [n_rows][columns]. MW_EDATA when the graph holds an operator or shape the evaluator does not
 * know. */
mw_status mw_onnx_eval(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_matrix matrix,
                       const char *output, int32_t columns, double *out, mw_err *err);

#endif
