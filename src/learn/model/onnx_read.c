/*
 * onnx_read.c -- from untrusted bytes to a checked ONNX document.
 *
 * protobuf-c recurses once per nested message and allocates a structure for each, without limits,
 * so a file of nested or empty messages could exhaust stack or memory. scan() walks the wire format
 * first (https://protobuf.dev/programming-guides/encoding/), guided by protobuf-c's own
 * descriptors, and refuses what our models never hold.
 */
#include "learn/model/onnx_graph.h"

#include <string.h>

#include "core/base/limits.h"

enum {
    NESTING_MAX = 8,    /* model > graph > output > type > tensor > shape > dimension */
    MESSAGES_MAX = 2000 /* ours have under 200 */
};

struct mw_onnx_doc {
    mw_mem *mem;
    ProtobufCAllocator allocator;
    bool out_of_memory;
    Onnx__ModelProto *model;
    int32_t n_features;
};

/* ---- the scan ---- */

typedef struct wire {
    const uint8_t *at, *end;
} wire;

typedef struct budget {
    int64_t messages, values;
} budget;

static bool read_varint(wire *w, uint64_t *ret) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool skip_bytes(wire *w, uint64_t n) {
    if (n > (uint64_t)(w->end - w->at)) return false;
    w->at += n;
    return true;
}

static bool scan(wire w, const ProtobufCMessageDescriptor *type, int depth, budget *left) {
    if (depth > NESTING_MAX || --left->messages < 0) return false;
    while (w.at < w.end) {
        uint64_t key, size;
        if (!read_varint(&w, &key) || --left->values < 0) return false;
        const ProtobufCFieldDescriptor *field =
            key >> 3 <= UINT32_MAX
                ? protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3))
                : NULL;
        /* Unknown fields would each be kept in a structure: ours have none. */
        if (!field) return false;
        switch (key & 7) {
        case 0:
            if (!read_varint(&w, &size)) return false;
            break;
        case 1:
            if (!skip_bytes(&w, 8)) return false;
            break;
        case 5:
            if (!skip_bytes(&w, 4)) return false;
            break;
        case 2:
            if (!read_varint(&w, &size)) return false;
            const uint8_t *from = w.at;
            if (!skip_bytes(&w, size)) return false;
            if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
                !scan((wire){from, w.at}, field->descriptor, depth + 1, left))
                return false;
            break;
        default: return false;
        }
    }
    return true;
}

/* ---- the document ---- */

static void *allocate(void *self, size_t size) {
    mw_onnx_doc *doc = self;
    void *p = mw_alloc(doc->mem, size);
    if (!p) doc->out_of_memory = true;
    return p;
}

static void release(void *self, void *p) {
    (void)self;
    mw_free(p);
}

void *mw_onnx_doc_free(mw_onnx_doc *doc) {
    if (!doc) return NULL;
    if (doc->model) onnx__model_proto__free_unpacked(doc->model, &doc->allocator);
    return mw_free(doc);
}

int32_t mw_onnx_doc_features(const mw_onnx_doc *doc) { return doc->n_features; }
const Onnx__GraphProto *mw_onnx_doc_graph(const mw_onnx_doc *doc) { return doc->model->graph; }

static mw_status check_opsets(const Onnx__ModelProto *model, mw_err *err) {
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *opset = model->opset_import[i];
        bool ml = opset->domain && strcmp(opset->domain, "ai.onnx.ml") == 0;
        int64_t known = ml ? MW_ONNX_ML_OPSET : MW_ONNX_OPSET;
        if (!opset->has_version || opset->version < 1 || opset->version > known) {
            mw_fail(err, MW_EUNSUPPORTED, "model.onnx uses a newer operator set (%s %lld)",
                    ml ? "ai.onnx.ml" : "ai.onnx", (long long)opset->version);
            return mw_err_hint(err, "load it with a newer Millwright");
        }
    }
    return MW_OK;
}

/* One input, float [N][F]. */
static mw_status check_input(mw_onnx_doc *doc, mw_err *err) {
    const Onnx__GraphProto *graph = doc->model->graph;
    const Onnx__ValueInfoProto *input = graph->n_input == 1 ? graph->input[0] : NULL;
    const Onnx__TypeProto *type = input ? input->type : NULL;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !input->name ||
        strcmp(input->name, MW_ONNX_INPUT) != 0 || type->tensor_type->elem_type != MW_ONNX_FLOAT ||
        !type->tensor_type->shape || type->tensor_type->shape->n_dim != 2)
        return mw_fail(err, MW_EDATA,
                       "model.onnx must have one input '" MW_ONNX_INPUT "' of type float [N, F]");
    const Onnx__TensorShapeProto__Dimension *columns = type->tensor_type->shape->dim[1];
    if (columns->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
        columns->dim_value < 1 || columns->dim_value > MW_LIMIT(MODEL_FEATURES))
        return mw_fail(err, MW_EDATA, "model.onnx has an input of no usable width");
    doc->n_features = (int32_t)columns->dim_value;
    return MW_OK;
}

/* Every message has the names the readers and the evaluator look at. */
static mw_status check_names(const Onnx__GraphProto *graph, mw_err *err) {
    bool whole = graph->n_node <= MW_ONNX_NODES_MAX &&
                 graph->n_initializer <= MW_ONNX_TENSORS_MAX && graph->n_output >= 1 &&
                 graph->n_output <= MW_ONNX_OUTPUTS_MAX;
    for (size_t i = 0; whole && i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        whole = node->op_type && node->n_output >= 1;
        for (size_t k = 0; whole && k < node->n_attribute; k++) whole = node->attribute[k]->name;
    }
    for (size_t i = 0; whole && i < graph->n_initializer; i++) whole = graph->initializer[i]->name;
    for (size_t i = 0; whole && i < graph->n_output; i++) whole = graph->output[i]->name;
    return whole ? MW_OK : mw_fail(err, MW_EDATA, "model.onnx is not a graph Millwright wrote");
}

mw_status mw_onnx_parse(const mw_ctx *ctx, const uint8_t *data, size_t size, mw_onnx_doc **ret,
                        mw_err *err) {
    if (size > (size_t)MW_LIMIT(ONNX_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "model.onnx is larger than %lld bytes",
                       (long long)MW_LIMIT(ONNX_BYTES));
    budget left = {.messages = MESSAGES_MAX, .values = MW_ONNX_VALUES_MAX};
    if (!scan((wire){data, data + size}, &onnx__model_proto__descriptor, 1, &left))
        return mw_fail(err, MW_EDATA, "model.onnx is damaged or not an ONNX model of ours");
    mw_onnx_doc *doc = mw_calloc(ctx->mem, 1, sizeof *doc);
    if (!doc) return mw_fail_nomem(err, "model.onnx");
    doc->mem = ctx->mem;
    doc->allocator = (ProtobufCAllocator){allocate, release, doc};
    doc->model = onnx__model_proto__unpack(&doc->allocator, size, data);
    mw_status status = MW_OK;
    if (!doc->model)
        status = doc->out_of_memory ? mw_fail_nomem(err, "model.onnx")
                                    : mw_fail(err, MW_EDATA, "model.onnx is damaged");
    else if (!doc->model->graph)
        status = mw_fail(err, MW_EDATA, "model.onnx holds no graph");
    if (!status) status = check_opsets(doc->model, err);
    if (!status) status = check_names(doc->model->graph, err);
    if (!status) status = check_input(doc, err);
    if (status) {
        mw_onnx_doc_free(doc);
        return status;
    }
    *ret = doc;
    return MW_OK;
}

/* ---- looking into it ---- */

/* Takes the next blank-separated word of *text. */
static mw_str next_word(const char **text) {
    *text += strspn(*text, " ");
    mw_str word = {*text, strcspn(*text, " ")};
    *text += word.size;
    return word;
}

static bool names_are(char *const *names, size_t n, const char *expected) {
    for (size_t i = 0; i < n; i++)
        if (!mw_str_is(next_word(&expected), names[i])) return false;
    return next_word(&expected).size == 0;
}

static bool node_is(const Onnx__NodeProto *node, const mw_onnx_step *step) {
    if (strcmp(node->op_type, step->op) != 0 ||
        !names_are(node->input, node->n_input, step->inputs) ||
        !names_are(node->output, node->n_output, step->outputs))
        return false;
    if (node->domain && strcmp(node->domain, "ai.onnx.ml") == 0) return true;
    size_t n = 0;
    for (; n < 2 && step->attributes[n].name; n++) {
        const Onnx__AttributeProto *found = mw_onnx_attribute(node, step->attributes[n].name);
        if (!found || !found->has_i || found->i != step->attributes[n].value) return false;
    }
    return node->n_attribute == n;
}

mw_status mw_onnx_expect(const mw_onnx_doc *doc, const mw_onnx_step *steps, size_t n, mw_err *err) {
    const Onnx__GraphProto *graph = doc->model->graph;
    bool same = n == graph->n_node;
    for (size_t i = 0; same && i < n; i++) same = node_is(graph->node[i], &steps[i]);
    return same ? MW_OK
                : mw_fail(err, MW_EDATA, "model.onnx does not compute what its learner computes");
}

static const Onnx__TensorProto *find_constant(const mw_onnx_doc *doc, const char *name) {
    const Onnx__GraphProto *graph = doc->model->graph;
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0) return graph->initializer[i];
    return NULL;
}

bool mw_onnx_has_constant(const mw_onnx_doc *doc, const char *name) {
    return find_constant(doc, name) != NULL;
}

mw_status mw_onnx_tensor_shape(const Onnx__TensorProto *tensor, int64_t shape[2], mw_err *err) {
    size_t bytes = mw_onnx_type_bytes(tensor->data_type);
    bool whole = bytes && tensor->has_raw_data && tensor->n_dims >= 1 && tensor->n_dims <= 2;
    uint64_t count = 1;
    shape[0] = shape[1] = -1;
    for (size_t i = 0; whole && i < tensor->n_dims; i++) {
        shape[i] = tensor->dims[i];
        /* ONNX_BYTES bounds both factors, so the product cannot overflow. */
        whole = shape[i] >= 0 && shape[i] <= MW_LIMIT(ONNX_BYTES);
        count *= whole ? (uint64_t)shape[i] : 0;
    }
    if (!whole || count * bytes != tensor->raw_data.len)
        return mw_fail(err, MW_EDATA, "model.onnx: constant '%s' is damaged",
                       tensor->name ? tensor->name : "");
    return MW_OK;
}

mw_status mw_onnx_constant(const mw_onnx_doc *doc, const char *name, mw_onnx_type type, int64_t d0,
                           int64_t d1, const void **ret, mw_err *err) {
    const Onnx__TensorProto *tensor = find_constant(doc, name);
    if (!tensor) return mw_fail(err, MW_EDATA, "model.onnx has no constant '%s'", name);
    int64_t shape[2];
    mw_status status = mw_onnx_tensor_shape(tensor, shape, err);
    if (status) return status;
    if (tensor->data_type != (int32_t)type || shape[0] != d0 || shape[1] != d1)
        return mw_fail(err, MW_EDATA, "model.onnx: constant '%s' has the wrong type or shape",
                       name);
    *ret = tensor->raw_data.data;
    return MW_OK;
}

const Onnx__AttributeProto *mw_onnx_attribute(const Onnx__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i];
    return NULL;
}
