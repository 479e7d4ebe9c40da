/*
 * onnx_eval.c -- a small interpreter for the operators our graphs use (onnx.ai/onnx/operators).
 *
 * It reads the packed document, not the model in memory, and walks trees by ONNX's own lists, so it
 * shares no code with scoring. Values are held as doubles and rounded to float32 wherever the
 * graph's type is float: float32 arithmetic on two float32 numbers rounded once from float64 is
 * exact enough to equal it (add, divide). Speed does not matter here.
 */
#include "learn/model/onnx_eval_parts.h"

#include <string.h>

enum { BLOCK_ROWS = 128 };

mw_status mw_onnx__unknown(const Onnx__NodeProto *node, mw_err *err) {
    return mw_fail(err, MW_EDATA, "model.onnx: operator '%s' is not one of ours in this form",
                   node->op_type);
}

const mw_onnx__slot *mw_onnx__find(const mw_onnx__machine *m, const char *name) {
    for (size_t i = 0; i < m->n_slots; i++)
        if (strcmp(m->slots[i].name, name) == 0) return &m->slots[i];
    return NULL;
}

static mw_onnx__slot *add_slot(mw_onnx__machine *m, mw_arena *arena, const char *name, int32_t type,
                               int64_t rows, int64_t columns) {
    if (m->n_slots == MW_ONNX__SLOTS_MAX) return NULL;
    mw_onnx__slot *made = &m->slots[m->n_slots];
    *made = (mw_onnx__slot){name, type, rows, columns, NULL};
    made->v = mw_arena_calloc(arena, (size_t)rows * (size_t)columns + 1, sizeof(double));
    if (!made->v) return NULL;
    m->n_slots++;
    return made;
}

void mw_onnx__round(mw_onnx__slot *s) {
    if (s->type != MW_ONNX_FLOAT) return;
    for (int64_t i = 0; i < s->rows * s->columns; i++) s->v[i] = (double)(float)s->v[i];
}

double mw_onnx__value_at(const uint8_t *bytes, int32_t type, int64_t i) {
    float f;
    double d;
    int64_t n;
    switch (type) {
    case MW_ONNX_FLOAT: memcpy(&f, bytes + i * 4, 4); return (double)f;
    case MW_ONNX_DOUBLE: memcpy(&d, bytes + i * 8, 8); return d;
    case MW_ONNX_INT64: memcpy(&n, bytes + i * 8, 8); return (double)n;
    default: return bytes[i];
    }
}

static mw_status load_constants(mw_onnx__machine *m, mw_err *err) {
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(m->doc);
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = graph->initializer[i];
        int64_t shape[2];
        mw_status status = mw_onnx_tensor_shape(tensor, shape, err);
        if (status) return status;
        bool flat = shape[1] < 0;
        mw_onnx__slot *to = add_slot(m, &m->constants, tensor->name, tensor->data_type,
                                     flat ? 1 : shape[0], flat ? shape[0] : shape[1]);
        if (!to) return mw_fail_nomem(err, "the ONNX check");
        for (int64_t k = 0; k < to->rows * to->columns; k++)
            to->v[k] = mw_onnx__value_at(tensor->raw_data.data, tensor->data_type, k);
    }
    m->n_constants = m->n_slots;
    return MW_OK;
}

mw_status mw_onnx__make(mw_onnx__call *c, int32_t type, int64_t rows, int64_t columns,
                        mw_err *err) {
    c->out = add_slot(c->m, &c->m->scratch, c->node->output[0], type, rows, columns);
    return c->out ? MW_OK : mw_fail_nomem(err, "the ONNX check");
}

/* One block of rows through the graph, as far as the wanted output. */
static mw_status run_block(mw_onnx__machine *m, const float *x, int64_t n_rows, int32_t n_features,
                           const char *output, const mw_onnx__slot **ret, mw_err *err) {
    mw_arena_reset(&m->scratch);
    m->n_slots = m->n_constants;
    mw_onnx__slot *input =
        add_slot(m, &m->scratch, MW_ONNX_INPUT, MW_ONNX_FLOAT, n_rows, n_features);
    if (!input) return mw_fail_nomem(err, "the ONNX check");
    for (int64_t i = 0; i < n_rows * n_features; i++) input->v[i] = (double)x[i];
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(m->doc);
    for (size_t i = 0; i < graph->n_node && !mw_onnx__find(m, output); i++) {
        mw_status status = mw_onnx__run(m, graph->node[i], err);
        if (status) return status;
    }
    *ret = mw_onnx__find(m, output);
    return *ret ? MW_OK : mw_fail(err, MW_EDATA, "model.onnx has no output '%s'", output);
}

mw_status mw_onnx_eval(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_matrix matrix,
                       const char *output, int32_t columns, double *out, mw_err *err) {
    if (matrix.n_features != mw_onnx_doc_features(doc))
        return mw_fail(err, MW_EINVAL, "rows have %d features, model.onnx takes %d",
                       matrix.n_features, mw_onnx_doc_features(doc));
    mw_onnx__machine m = {.doc = doc};
    mw_arena_init(&m.constants, ctx->mem);
    mw_arena_init(&m.scratch, ctx->mem);
    mw_status status = load_constants(&m, err);
    for (int64_t row = 0; !status && row < matrix.n_rows; row += BLOCK_ROWS) {
        int64_t n = matrix.n_rows - row < BLOCK_ROWS ? matrix.n_rows - row : BLOCK_ROWS;
        const mw_onnx__slot *result = NULL;
        status = mw_ctx_check(ctx, err);
        if (!status)
            status = run_block(&m, matrix.x + row * matrix.n_features, n, matrix.n_features, output,
                               &result, err);
        if (status) break;
        if (result->rows != n || result->columns != columns) {
            status = mw_fail(err, MW_EDATA, "model.onnx: output '%s' has the wrong shape", output);
            break;
        }
        memcpy(out + row * columns, result->v, (size_t)(n * columns) * sizeof(double));
    }
    mw_arena_done(&m.scratch);
    mw_arena_done(&m.constants);
    return status;
}
