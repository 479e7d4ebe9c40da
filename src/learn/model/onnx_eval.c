/*
 * onnx_eval.c -- a small interpreter for the operators our graphs use (onnx.ai/onnx/operators).
 *
 * It reads the packed document, not the model in memory, and walks trees by ONNX's own lists, so it
 * shares no code with scoring. Values are held as doubles and rounded to float32 wherever the
 * graph's type is float: float32 arithmetic on two float32 numbers rounded once from float64 is
 * exact enough to equal it (add, divide). Speed does not matter here.
 */
#include "learn/model/onnx_graph.h"

#include <string.h>

#include "core/base/math.h"

enum { BLOCK_ROWS = 128, SLOTS_MAX = MW_ONNX_NODES_MAX + MW_ONNX_TENSORS_MAX + 1 };

/* rows is 1 for a constant that is broadcast over rows. */
typedef struct slot {
    const char *name;
    int32_t type;
    int64_t rows, columns;
    double *v; /* [rows][columns] */
} slot;

typedef struct machine {
    const mw_onnx_doc *doc;
    mw_arena constants, scratch;
    slot slots[SLOTS_MAX];
    size_t n_slots, n_constants;
    size_t *roots; /* of the tree ensemble: list index of each tree's node 0 */
    size_t n_roots;
} machine;

static mw_status unknown(const Onnx__NodeProto *node, mw_err *err) {
    return mw_fail(err, MW_EDATA, "model.onnx: operator '%s' is not one of ours in this form",
                   node->op_type);
}

static const slot *find_slot(const machine *m, const char *name) {
    for (size_t i = 0; i < m->n_slots; i++)
        if (strcmp(m->slots[i].name, name) == 0) return &m->slots[i];
    return NULL;
}

static slot *add_slot(machine *m, mw_arena *arena, const char *name, int32_t type, int64_t rows,
                      int64_t columns) {
    if (m->n_slots == SLOTS_MAX) return NULL;
    slot *made = &m->slots[m->n_slots];
    *made = (slot){name, type, rows, columns, NULL};
    made->v = mw_arena_calloc(arena, (size_t)rows * (size_t)columns + 1, sizeof(double));
    if (!made->v) return NULL;
    m->n_slots++;
    return made;
}

static void round_to_type(slot *s) {
    if (s->type != MW_ONNX_FLOAT) return;
    for (int64_t i = 0; i < s->rows * s->columns; i++) s->v[i] = (double)(float)s->v[i];
}

static double value_at(const uint8_t *bytes, int32_t type, int64_t i) {
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

static mw_status load_constants(machine *m, mw_err *err) {
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(m->doc);
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = graph->initializer[i];
        int64_t shape[2];
        mw_status status = mw_onnx_tensor_shape(tensor, shape, err);
        if (status) return status;
        bool flat = shape[1] < 0;
        slot *to = add_slot(m, &m->constants, tensor->name, tensor->data_type, flat ? 1 : shape[0],
                            flat ? shape[0] : shape[1]);
        if (!to) return mw_fail_nomem(err, "the ONNX check");
        for (int64_t k = 0; k < to->rows * to->columns; k++)
            to->v[k] = value_at(tensor->raw_data.data, tensor->data_type, k);
    }
    m->n_constants = m->n_slots;
    return MW_OK;
}

/* ---- operators: each gets its inputs and makes its output slot ---- */

typedef struct call {
    machine *m;
    const Onnx__NodeProto *node;
    const slot *in[3];
    slot *out;
} call;

typedef mw_status (*operator_fn)(call *c, mw_err *err);

static mw_status make(call *c, int32_t type, int64_t rows, int64_t columns, mw_err *err) {
    c->out = add_slot(c->m, &c->m->scratch, c->node->output[0], type, rows, columns);
    return c->out ? MW_OK : mw_fail_nomem(err, "the ONNX check");
}

static double cell(const slot *s, int64_t row, int64_t column) {
    return s->v[(s->rows == 1 ? 0 : row) * s->columns + (s->columns == 1 ? 0 : column)];
}

/* The broadcast shape of inputs; false when they do not fit. */
static bool common_shape(const call *c, size_t n, int64_t *rows, int64_t *columns) {
    *rows = *columns = 1;
    for (size_t i = 0; i < n; i++) {
        if (c->in[i]->rows > 1) *rows = c->in[i]->rows;
        if (c->in[i]->columns != 1) *columns = c->in[i]->columns;
    }
    for (size_t i = 0; i < n; i++)
        if ((c->in[i]->rows != 1 && c->in[i]->rows != *rows) ||
            (c->in[i]->columns != 1 && c->in[i]->columns != *columns))
            return false;
    return true;
}

typedef double (*pair_fn)(double a, double b);

static double pair_add(double a, double b) { return a + b; }
static double pair_div(double a, double b) { return a / b; }
static double pair_equal(double a, double b) { return a == b; }
static double pair_at_least(double a, double b) { return a >= b; }

static mw_status elementwise(call *c, pair_fn fn, int32_t type, mw_err *err) {
    int64_t rows, columns;
    if (c->in[0]->type != c->in[1]->type || !common_shape(c, 2, &rows, &columns))
        return unknown(c->node, err);
    mw_status status = make(c, type ? type : c->in[0]->type, rows, columns, err);
    if (status) return status;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++)
            c->out->v[r * columns + k] = fn(cell(c->in[0], r, k), cell(c->in[1], r, k));
    round_to_type(c->out);
    return MW_OK;
}

static mw_status run_add(call *c, mw_err *err) { return elementwise(c, pair_add, 0, err); }
static mw_status run_div(call *c, mw_err *err) { return elementwise(c, pair_div, 0, err); }
static mw_status run_pow(call *c, mw_err *err) { return elementwise(c, mw_pow, 0, err); }

static mw_status run_equal(call *c, mw_err *err) {
    return elementwise(c, pair_equal, MW_ONNX_BOOL, err);
}

static mw_status run_at_least(call *c, mw_err *err) {
    return elementwise(c, pair_at_least, MW_ONNX_BOOL, err);
}

static mw_status run_is_nan(call *c, mw_err *err) {
    mw_status status = make(c, MW_ONNX_BOOL, c->in[0]->rows, c->in[0]->columns, err);
    if (status) return status;
    for (int64_t i = 0; i < c->out->rows * c->out->columns; i++)
        c->out->v[i] = mw_isnan(c->in[0]->v[i]);
    return MW_OK;
}

static mw_status run_where(call *c, mw_err *err) {
    int64_t rows, columns;
    if (c->in[1]->type != c->in[2]->type || !common_shape(c, 3, &rows, &columns))
        return unknown(c->node, err);
    mw_status status = make(c, c->in[1]->type, rows, columns, err);
    if (status) return status;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++)
            c->out->v[r * columns + k] =
                cell(c->in[0], r, k) != 0 ? cell(c->in[1], r, k) : cell(c->in[2], r, k);
    return MW_OK;
}

static mw_status run_cast(call *c, mw_err *err) {
    const Onnx__AttributeProto *to = mw_onnx_attribute(c->node, "to");
    if (!to || (to->i != MW_ONNX_FLOAT && to->i != MW_ONNX_DOUBLE)) return unknown(c->node, err);
    mw_status status = make(c, (int32_t)to->i, c->in[0]->rows, c->in[0]->columns, err);
    if (status) return status;
    memcpy(c->out->v, c->in[0]->v, (size_t)(c->out->rows * c->out->columns) * sizeof(double));
    round_to_type(c->out);
    return MW_OK;
}

static mw_status run_gather(call *c, mw_err *err) {
    const Onnx__AttributeProto *axis = mw_onnx_attribute(c->node, "axis");
    int64_t n = c->in[1]->columns;
    if (!axis || axis->i != 1 || c->in[1]->type != MW_ONNX_INT64) return unknown(c->node, err);
    mw_status status = make(c, c->in[0]->type, c->in[0]->rows, n, err);
    if (status) return status;
    for (int64_t k = 0; k < n; k++) {
        double index = c->in[1]->v[k];
        if (!(index >= 0 && index < (double)c->in[0]->columns)) return unknown(c->node, err);
        for (int64_t r = 0; r < c->out->rows; r++)
            c->out->v[r * n + k] = cell(c->in[0], r, (int64_t)index);
    }
    return MW_OK;
}

static mw_status run_concat(call *c, mw_err *err) {
    int64_t left = c->in[0]->columns, right = c->in[1]->columns, width = left + right;
    if (c->in[0]->rows != c->in[1]->rows) return unknown(c->node, err);
    mw_status status = make(c, c->in[0]->type, c->in[0]->rows, width, err);
    if (status) return status;
    for (int64_t r = 0; r < c->out->rows; r++) {
        memcpy(c->out->v + r * width, c->in[0]->v + r * left, (size_t)left * sizeof(double));
        memcpy(c->out->v + r * width + left, c->in[1]->v + r * right,
               (size_t)right * sizeof(double));
    }
    return MW_OK;
}

static mw_status run_matmul(call *c, mw_err *err) {
    const slot *a = c->in[0], *b = c->in[1];
    if (a->columns != b->rows || a->type != b->type) return unknown(c->node, err);
    mw_status status = make(c, a->type, a->rows, b->columns, err);
    if (status) return status;
    for (int64_t r = 0; r < a->rows; r++)
        for (int64_t k = 0; k < b->columns; k++) {
            double sum = 0;
            for (int64_t i = 0; i < a->columns; i++)
                sum += a->v[r * a->columns + i] * b->v[i * b->columns + k];
            c->out->v[r * b->columns + k] = sum;
        }
    round_to_type(c->out);
    return MW_OK;
}

/* ---- trees, by ONNX's lists alone ---- */

typedef struct ensemble {
    size_t n;
    const int64_t *features, *trues, *falses, *missing;
    const ProtobufCBinaryData *modes;
    const uint8_t *thresholds;
    size_t n_targets;
    const int64_t *target_ids, *target_nodes, *target_trees;
    const uint8_t *weights;
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

static mw_status find_roots(machine *m, const Onnx__NodeProto *node, mw_err *err) {
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

/* List index of the leaf a row falls into; SIZE_MAX when the lists are broken. */
static size_t find_leaf(const ensemble *e, size_t root, const slot *x, int64_t row) {
    size_t at = root;
    while (at < e->n && e->modes[at].len == strlen("BRANCH_LEQ")) {
        if (e->features[at] < 0 || e->features[at] >= x->columns) return SIZE_MAX;
        double value = cell(x, row, e->features[at]);
        bool yes = mw_isnan(value) ? e->missing[at] != 0
                                   : value <= value_at(e->thresholds, MW_ONNX_DOUBLE, (int64_t)at);
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

static mw_status run_trees(call *c, mw_err *err) {
    ensemble e = {0};
    const Onnx__AttributeProto *outputs = mw_onnx_attribute(c->node, "n_targets");
    if (!outputs || outputs->i < 1 || !take_ensemble(c->node, &e)) return unknown(c->node, err);
    mw_status status = find_roots(c->m, c->node, err);
    if (!status) status = make(c, MW_ONNX_FLOAT, c->in[0]->rows, outputs->i, err);
    for (int64_t r = 0; !status && r < c->out->rows; r++)
        for (size_t t = 0; t < c->m->n_roots; t++) {
            size_t leaf = find_leaf(&e, c->m->roots[t], c->in[0], r);
            if (leaf == SIZE_MAX) return unknown(c->node, err);
            int64_t id = (int64_t)(leaf - c->m->roots[t]);
            for (size_t i = first_target(&e, (int64_t)t, id);
                 i < e.n_targets && e.target_trees[i] == (int64_t)t && e.target_nodes[i] == id; i++)
                if (e.target_ids[i] >= 0 && e.target_ids[i] < outputs->i)
                    c->out->v[r * outputs->i + e.target_ids[i]] +=
                        value_at(e.weights, MW_ONNX_DOUBLE, (int64_t)i);
        }
    if (!status) round_to_type(c->out);
    return status;
}

static const struct {
    const char *name;
    size_t n_inputs;
    operator_fn run;
} operators[] = {
    {"Add", 2, run_add},      {"Cast", 1, run_cast},     {"Concat", 2, run_concat},
    {"Equal", 2, run_equal},  {"Gather", 2, run_gather}, {"GreaterOrEqual", 2, run_at_least},
    {"IsNaN", 1, run_is_nan}, {"MatMul", 2, run_matmul}, {"Div", 2, run_div},
    {"Pow", 2, run_pow},      {"Where", 3, run_where},   {"TreeEnsembleRegressor", 1, run_trees},
};

static mw_status run_node(machine *m, const Onnx__NodeProto *node, mw_err *err) {
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(operators[i].name, node->op_type) != 0) continue;
        call c = {.m = m, .node = node};
        if (node->n_input != operators[i].n_inputs) return unknown(node, err);
        for (size_t k = 0; k < node->n_input; k++) {
            c.in[k] = find_slot(m, node->input[k]);
            if (!c.in[k]) return unknown(node, err);
        }
        return operators[i].run(&c, err);
    }
    return unknown(node, err);
}

/* One block of rows through the graph, as far as the wanted output. */
static mw_status run_block(machine *m, const float *x, int64_t n_rows, int32_t n_features,
                           const char *output, const slot **ret, mw_err *err) {
    mw_arena_reset(&m->scratch);
    m->n_slots = m->n_constants;
    slot *input = add_slot(m, &m->scratch, MW_ONNX_INPUT, MW_ONNX_FLOAT, n_rows, n_features);
    if (!input) return mw_fail_nomem(err, "the ONNX check");
    for (int64_t i = 0; i < n_rows * n_features; i++) input->v[i] = (double)x[i];
    const Onnx__GraphProto *graph = mw_onnx_doc_graph(m->doc);
    for (size_t i = 0; i < graph->n_node && !find_slot(m, output); i++) {
        mw_status status = run_node(m, graph->node[i], err);
        if (status) return status;
    }
    *ret = find_slot(m, output);
    return *ret ? MW_OK : mw_fail(err, MW_EDATA, "model.onnx has no output '%s'", output);
}

mw_status mw_onnx_eval(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_matrix matrix,
                       const char *output, int32_t columns, double *out, mw_err *err) {
    if (matrix.n_features != mw_onnx_doc_features(doc))
        return mw_fail(err, MW_EINVAL, "rows have %d features, model.onnx takes %d",
                       matrix.n_features, mw_onnx_doc_features(doc));
    machine m = {.doc = doc};
    mw_arena_init(&m.constants, ctx->mem);
    mw_arena_init(&m.scratch, ctx->mem);
    mw_status status = load_constants(&m, err);
    for (int64_t row = 0; !status && row < matrix.n_rows; row += BLOCK_ROWS) {
        int64_t n = matrix.n_rows - row < BLOCK_ROWS ? matrix.n_rows - row : BLOCK_ROWS;
        const slot *result = NULL;
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
