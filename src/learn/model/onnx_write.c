/*
 * onnx_write.c -- builds ONNX messages in an arena and packs them with protobuf-c.
 *
 * protobuf-c writes fields in the order of their numbers and lists in the order given, so the same
 * model gives the same bytes.
 */
#include "learn/model/onnx_graph.h"

#include <string.h>

#include "core/base/limits.h"

struct mw_onnx {
    mw_arena arena;
    mw_status failed;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opsets[2];
    Onnx__OperatorSetIdProto *opset_list[2];
    Onnx__NodeProto *nodes[MW_ONNX_NODES_MAX];
    Onnx__TensorProto *tensors[MW_ONNX_TENSORS_MAX];
    Onnx__ValueInfoProto *inputs[1];
    Onnx__ValueInfoProto *outputs[MW_ONNX_OUTPUTS_MAX];
};

enum { ATTRIBUTES_MAX = 20, NAMES_MAX = 8 };

static void *take(mw_onnx *onnx, size_t count, size_t size) {
    void *p = onnx->failed ? NULL : mw_arena_calloc(&onnx->arena, count ? count : 1, size);
    if (!p && !onnx->failed) onnx->failed = MW_ENOMEM;
    return p;
}

static char *take_text(mw_onnx *onnx, const char *text, size_t size) {
    char *copy = onnx->failed ? NULL : mw_arena_strndup(&onnx->arena, text, size);
    if (!copy && !onnx->failed) onnx->failed = MW_ENOMEM;
    return copy;
}

static void *take_full(mw_onnx *onnx) {
    if (!onnx->failed) onnx->failed = MW_EINTERNAL;
    return NULL;
}

static Onnx__TensorShapeProto__Dimension *dimension(mw_onnx *onnx, int64_t value) {
    Onnx__TensorShapeProto__Dimension *dim = take(onnx, 1, sizeof *dim);
    if (!dim) return NULL;
    onnx__tensor_shape_proto__dimension__init(dim);
    if (value < 0) {
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        dim->dim_param = (char *)"N";
    } else {
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim->dim_value = value;
    }
    return dim;
}

/* [N] when columns is 0, else [N][columns]. */
static Onnx__ValueInfoProto *value_info(mw_onnx *onnx, const char *name, mw_onnx_type type,
                                        int64_t columns) {
    Onnx__ValueInfoProto *info = take(onnx, 1, sizeof *info);
    Onnx__TypeProto *outer = take(onnx, 1, sizeof *outer);
    Onnx__TypeProto__Tensor *tensor = take(onnx, 1, sizeof *tensor);
    Onnx__TensorShapeProto *shape = take(onnx, 1, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **dims = take(onnx, 2, sizeof *dims);
    if (!dims) return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(outer);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    dims[0] = dimension(onnx, -1);
    if (columns) dims[1] = dimension(onnx, columns);
    shape->dim = dims;
    shape->n_dim = columns ? 2 : 1;
    tensor->has_elem_type = 1;
    tensor->elem_type = (int32_t)type;
    tensor->shape = shape;
    outer->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    outer->tensor_type = tensor;
    info->name = take_text(onnx, name, strlen(name));
    info->type = outer;
    return info;
}

mw_status mw_onnx_new(mw_mem *mem, const char *name, int32_t n_features, mw_onnx **ret,
                      mw_err *err) {
    mw_onnx *onnx = mw_calloc(mem, 1, sizeof *onnx);
    if (!onnx) return mw_fail_nomem(err, "the ONNX model");
    mw_arena_init(&onnx->arena, mem);
    onnx__model_proto__init(&onnx->model);
    onnx__graph_proto__init(&onnx->graph);
    for (int i = 0; i < 2; i++) {
        onnx__operator_set_id_proto__init(&onnx->opsets[i]);
        onnx->opsets[i].domain = (char *)(i ? "ai.onnx.ml" : "");
        onnx->opsets[i].has_version = 1;
        onnx->opsets[i].version = i ? MW_ONNX_ML_OPSET : MW_ONNX_OPSET;
        onnx->opset_list[i] = &onnx->opsets[i];
    }
    onnx->model.has_ir_version = 1;
    onnx->model.ir_version = MW_ONNX_IR;
    onnx->model.producer_name = (char *)"millwright";
    onnx->model.n_opset_import = 2;
    onnx->model.opset_import = onnx->opset_list;
    onnx->model.graph = &onnx->graph;
    onnx->graph.name = take_text(onnx, name, strlen(name));
    onnx->graph.node = onnx->nodes;
    onnx->graph.initializer = onnx->tensors;
    onnx->graph.input = onnx->inputs;
    onnx->graph.output = onnx->outputs;
    onnx->inputs[0] = value_info(onnx, MW_ONNX_INPUT, MW_ONNX_FLOAT, n_features);
    onnx->graph.n_input = 1;
    *ret = onnx;
    return MW_OK;
}

void *mw_onnx_free(mw_onnx *onnx) {
    if (!onnx) return NULL;
    mw_arena_done(&onnx->arena);
    return mw_free(onnx);
}

void mw_onnx_output(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t columns) {
    if (onnx->graph.n_output == MW_ONNX_OUTPUTS_MAX) {
        take_full(onnx);
        return;
    }
    onnx->outputs[onnx->graph.n_output] = value_info(onnx, name, type, columns);
    if (!onnx->failed) onnx->graph.n_output++;
}

/* Splits at single blanks; the list lives in the arena. */
static char **split_names(mw_onnx *onnx, const char *names, size_t *ret_n) {
    char **list = take(onnx, NAMES_MAX, sizeof *list);
    size_t n = 0;
    while (list && *names && n < NAMES_MAX) {
        size_t length = strcspn(names, " ");
        list[n++] = take_text(onnx, names, length);
        names += length + (names[length] == ' ');
    }
    *ret_n = n;
    return list;
}

static const char *domain_of(const char *op) {
    static const char *const ml[] = {"TreeEnsembleRegressor", "LabelEncoder"};
    for (size_t i = 0; i < sizeof ml / sizeof *ml; i++)
        if (strcmp(op, ml[i]) == 0) return "ai.onnx.ml";
    return "";
}

Onnx__NodeProto *mw_onnx_node(mw_onnx *onnx, const char *op, const char *inputs,
                              const char *outputs) {
    if (onnx->graph.n_node == MW_ONNX_NODES_MAX) return take_full(onnx);
    Onnx__NodeProto *node = take(onnx, 1, sizeof *node);
    if (!node) return NULL;
    onnx__node_proto__init(node);
    node->op_type = take_text(onnx, op, strlen(op));
    node->domain = (char *)domain_of(op);
    node->input = split_names(onnx, inputs, &node->n_input);
    node->output = split_names(onnx, outputs, &node->n_output);
    node->attribute = take(onnx, ATTRIBUTES_MAX, sizeof *node->attribute);
    if (onnx->failed) return NULL;
    node->name = node->output[0];
    onnx->nodes[onnx->graph.n_node++] = node;
    return node;
}

static Onnx__AttributeProto *attribute(mw_onnx *onnx, Onnx__NodeProto *node, const char *name,
                                       Onnx__AttributeProto__AttributeType type) {
    if (!node) return NULL;
    if (node->n_attribute == ATTRIBUTES_MAX) return take_full(onnx);
    Onnx__AttributeProto *made = take(onnx, 1, sizeof *made);
    if (!made) return NULL;
    onnx__attribute_proto__init(made);
    made->name = take_text(onnx, name, strlen(name));
    made->has_type = 1;
    made->type = type;
    if (onnx->failed) return NULL;
    node->attribute[node->n_attribute++] = made;
    return made;
}

void mw_onnx_int(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!made) return;
    made->has_i = 1;
    made->i = value;
}

void mw_onnx_text(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, const char *value) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (!made) return;
    made->has_s = 1;
    made->s.len = strlen(value);
    made->s.data = (uint8_t *)take_text(onnx, value, strlen(value));
}

int64_t *mw_onnx_ints(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *list = made ? take(onnx, n, sizeof *list) : NULL;
    if (!list) return NULL;
    made->n_ints = n;
    made->ints = list;
    return list;
}

float *mw_onnx_floats(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    float *list = made ? take(onnx, n, sizeof *list) : NULL;
    if (!list) return NULL;
    made->n_floats = n;
    made->floats = list;
    return list;
}

ProtobufCBinaryData *mw_onnx_texts(mw_onnx *onnx, Onnx__NodeProto *node, const char *name,
                                   size_t n) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
    ProtobufCBinaryData *list = made ? take(onnx, n, sizeof *list) : NULL;
    if (!list) return NULL;
    made->n_strings = n;
    made->strings = list;
    return list;
}

size_t mw_onnx_type_bytes(int32_t type) {
    switch (type) {
    case MW_ONNX_FLOAT: return sizeof(float);
    case MW_ONNX_DOUBLE: return sizeof(double);
    case MW_ONNX_INT64: return sizeof(int64_t);
    case MW_ONNX_BOOL: return 1;
    default: return 0;
    }
}

void mw_onnx_add_step(mw_onnx *onnx, const mw_onnx_step *step) {
    Onnx__NodeProto *node = mw_onnx_node(onnx, step->op, step->inputs, step->outputs);
    for (size_t i = 0; i < 2 && step->attributes[i].name; i++)
        mw_onnx_int(onnx, node, step->attributes[i].name, step->attributes[i].value);
}

static Onnx__TensorProto *tensor(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t d0,
                                 int64_t d1) {
    Onnx__TensorProto *made = take(onnx, 1, sizeof *made);
    int64_t *dims = take(onnx, 2, sizeof *dims);
    size_t count = (size_t)d0 * (size_t)(d1 < 0 ? 1 : d1);
    uint8_t *data = take(onnx, count, mw_onnx_type_bytes((int32_t)type));
    if (!data) return NULL;
    onnx__tensor_proto__init(made);
    dims[0] = d0;
    dims[1] = d1;
    made->n_dims = d1 < 0 ? 1 : 2;
    made->dims = dims;
    made->has_data_type = 1;
    made->data_type = (int32_t)type;
    made->name = take_text(onnx, name, strlen(name));
    made->has_raw_data = 1;
    made->raw_data.len = count * mw_onnx_type_bytes((int32_t)type);
    made->raw_data.data = data;
    return onnx->failed ? NULL : made;
}

void *mw_onnx_tensor(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t d0, int64_t d1) {
    if (onnx->graph.n_initializer == MW_ONNX_TENSORS_MAX) return take_full(onnx);
    Onnx__TensorProto *made = tensor(onnx, name, type, d0, d1);
    if (!made) return NULL;
    onnx->tensors[onnx->graph.n_initializer++] = made;
    return made->raw_data.data;
}

double *mw_onnx_doubles(mw_onnx *onnx, Onnx__NodeProto *node, const char *name, size_t n) {
    Onnx__AttributeProto *made =
        attribute(onnx, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    Onnx__TensorProto *values = made ? tensor(onnx, name, MW_ONNX_DOUBLE, (int64_t)n, -1) : NULL;
    if (!values) return NULL;
    made->t = values;
    return (double *)(void *)values->raw_data.data;
}

mw_status mw_onnx_pack(const mw_ctx *ctx, mw_onnx *onnx, uint8_t **ret, size_t *ret_size,
                       mw_err *err) {
    if (onnx->failed == MW_ENOMEM) return mw_fail_nomem(err, "the ONNX model");
    if (onnx->failed) return mw_fail(err, MW_EINTERNAL, "the ONNX graph has too many parts");
    size_t size = onnx__model_proto__get_packed_size(&onnx->model);
    if (size > (size_t)MW_LIMIT(ONNX_BYTES)) {
        mw_fail(err, MW_ETOOLARGE, "model.onnx would be %zu MB; at most %lld MB are allowed",
                size >> 20, (long long)MW_LIMIT(ONNX_BYTES) >> 20);
        return mw_err_hint(err, "use fewer trees, a max_depth, or a larger min_samples_leaf");
    }
    uint8_t *bytes = mw_alloc(ctx->mem, size);
    if (!bytes) return mw_fail_nomem(err, "model.onnx");
    onnx__model_proto__pack(&onnx->model, bytes);
    *ret = bytes;
    *ret_size = size;
    return MW_OK;
}
