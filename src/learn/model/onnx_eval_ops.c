/*
 * onnx_eval_ops.c -- the evaluator's operators on tensors of at most two dimensions, and their table.
 */
#include "learn/model/onnx_eval_parts.h"

#include <string.h>

#include "core/base/math.h"

/* The broadcast shape of inputs; false when they do not fit. */
static bool common_shape(const mw_onnx__call *c, size_t n, int64_t *rows, int64_t *columns) {
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
static double pair_subtract(double a, double b) { return a - b; }
static double pair_div(double a, double b) { return a / b; }
static double pair_equal(double a, double b) { return a == b; }
static double pair_at_least(double a, double b) { return a >= b; }

static mw_status elementwise(mw_onnx__call *c, pair_fn fn, int32_t type, mw_err *err) {
    int64_t rows, columns;
    if (c->in[0]->type != c->in[1]->type || !common_shape(c, 2, &rows, &columns))
        return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, type ? type : c->in[0]->type, rows, columns, err);
    if (status) return status;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++)
            c->out->v[r * columns + k] =
                fn(mw_onnx__cell(c->in[0], r, k), mw_onnx__cell(c->in[1], r, k));
    mw_onnx__round(c->out);
    return MW_OK;
}

static mw_status run_add(mw_onnx__call *c, mw_err *err) { return elementwise(c, pair_add, 0, err); }
static mw_status run_sub(mw_onnx__call *c, mw_err *err) {
    return elementwise(c, pair_subtract, 0, err);
}

static mw_status run_div(mw_onnx__call *c, mw_err *err) { return elementwise(c, pair_div, 0, err); }
static mw_status run_pow(mw_onnx__call *c, mw_err *err) { return elementwise(c, mw_pow, 0, err); }

static mw_status run_equal(mw_onnx__call *c, mw_err *err) {
    return elementwise(c, pair_equal, MW_ONNX_BOOL, err);
}

static mw_status run_at_least(mw_onnx__call *c, mw_err *err) {
    return elementwise(c, pair_at_least, MW_ONNX_BOOL, err);
}

typedef double (*one_fn)(double x);

static double sigmoid(double x) { return 1 / (1 + mw_exp(-x)); }

static bool is_float(const mw_onnx__slot *s) {
    return s->type == MW_ONNX_FLOAT || s->type == MW_ONNX_DOUBLE;
}

static mw_status map(mw_onnx__call *c, one_fn fn, mw_err *err) {
    const mw_onnx__slot *in = c->in[0];
    if (!is_float(in)) return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, in->type, in->rows, in->columns, err);
    if (status) return status;
    for (int64_t i = 0; i < in->rows * in->columns; i++) c->out->v[i] = fn(in->v[i]);
    mw_onnx__round(c->out);
    return MW_OK;
}

static mw_status run_exp(mw_onnx__call *c, mw_err *err) { return map(c, mw_exp, err); }
static mw_status run_sigmoid(mw_onnx__call *c, mw_err *err) { return map(c, sigmoid, err); }

/* Is this the axis of columns? */
static bool along_columns(const mw_onnx__call *c) {
    const Onnx__AttributeProto *axis = mw_onnx_attribute(c->node, "axis");
    return axis && axis->i == 1;
}

static mw_status run_softmax(mw_onnx__call *c, mw_err *err) {
    const mw_onnx__slot *in = c->in[0];
    if (!along_columns(c) || !is_float(in)) return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, in->type, in->rows, in->columns, err);
    if (status) return status;
    for (int64_t r = 0; r < in->rows; r++) {
        const double *from = in->v + r * in->columns;
        double *to = c->out->v + r * in->columns, most = from[0], sum = 0;
        for (int64_t k = 1; k < in->columns; k++) most = from[k] > most ? from[k] : most;
        for (int64_t k = 0; k < in->columns; k++) sum += to[k] = mw_exp(from[k] - most);
        for (int64_t k = 0; k < in->columns; k++) to[k] /= sum;
    }
    mw_onnx__round(c->out);
    return MW_OK;
}

static mw_status run_is_nan(mw_onnx__call *c, mw_err *err) {
    mw_status status = mw_onnx__make(c, MW_ONNX_BOOL, c->in[0]->rows, c->in[0]->columns, err);
    if (status) return status;
    for (int64_t i = 0; i < c->out->rows * c->out->columns; i++)
        c->out->v[i] = mw_isnan(c->in[0]->v[i]);
    return MW_OK;
}

static mw_status run_where(mw_onnx__call *c, mw_err *err) {
    int64_t rows, columns;
    if (c->in[1]->type != c->in[2]->type || !common_shape(c, 3, &rows, &columns))
        return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, c->in[1]->type, rows, columns, err);
    if (status) return status;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++)
            c->out->v[r * columns + k] = mw_onnx__cell(c->in[0], r, k) != 0
                                             ? mw_onnx__cell(c->in[1], r, k)
                                             : mw_onnx__cell(c->in[2], r, k);
    return MW_OK;
}

static mw_status run_cast(mw_onnx__call *c, mw_err *err) {
    const Onnx__AttributeProto *to = mw_onnx_attribute(c->node, "to");
    if (!to || (to->i != MW_ONNX_FLOAT && to->i != MW_ONNX_DOUBLE))
        return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, (int32_t)to->i, c->in[0]->rows, c->in[0]->columns, err);
    if (status) return status;
    memcpy(c->out->v, c->in[0]->v, (size_t)(c->out->rows * c->out->columns) * sizeof(double));
    mw_onnx__round(c->out);
    return MW_OK;
}

static mw_status run_gather(mw_onnx__call *c, mw_err *err) {
    int64_t n = c->in[1]->columns;
    if (!along_columns(c) || c->in[1]->type != MW_ONNX_INT64) return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, c->in[0]->type, c->in[0]->rows, n, err);
    if (status) return status;
    for (int64_t k = 0; k < n; k++) {
        double index = c->in[1]->v[k];
        if (!(index >= 0 && index < (double)c->in[0]->columns))
            return mw_onnx__unknown(c->node, err);
        for (int64_t r = 0; r < c->out->rows; r++)
            c->out->v[r * n + k] = mw_onnx__cell(c->in[0], r, (int64_t)index);
    }
    return MW_OK;
}

static mw_status run_concat(mw_onnx__call *c, mw_err *err) {
    int64_t left = c->in[0]->columns, right = c->in[1]->columns, width = left + right;
    if (!along_columns(c) || c->in[0]->rows != c->in[1]->rows || c->in[0]->type != c->in[1]->type)
        return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, c->in[0]->type, c->in[0]->rows, width, err);
    if (status) return status;
    for (int64_t r = 0; r < c->out->rows; r++) {
        memcpy(c->out->v + r * width, c->in[0]->v + r * left, (size_t)left * sizeof(double));
        memcpy(c->out->v + r * width + left, c->in[1]->v + r * right,
               (size_t)right * sizeof(double));
    }
    return MW_OK;
}

static mw_status run_matmul(mw_onnx__call *c, mw_err *err) {
    const mw_onnx__slot *a = c->in[0], *b = c->in[1];
    if (a->columns != b->rows || a->type != b->type) return mw_onnx__unknown(c->node, err);
    mw_status status = mw_onnx__make(c, a->type, a->rows, b->columns, err);
    if (status) return status;
    for (int64_t r = 0; r < a->rows; r++)
        for (int64_t k = 0; k < b->columns; k++) {
            double sum = 0;
            for (int64_t i = 0; i < a->columns; i++)
                sum += a->v[r * a->columns + i] * b->v[i * b->columns + k];
            c->out->v[r * b->columns + k] = sum;
        }
    mw_onnx__round(c->out);
    return MW_OK;
}

static const struct {
    const char *name;
    size_t n_inputs;
    mw_status (*run)(mw_onnx__call *c, mw_err *err);
} operators[] = {
    {"Add", 2, run_add},
    {"Cast", 1, run_cast},
    {"Concat", 2, run_concat},
    {"Div", 2, run_div},
    {"Equal", 2, run_equal},
    {"Exp", 1, run_exp},
    {"Gather", 2, run_gather},
    {"GreaterOrEqual", 2, run_at_least},
    {"IsNaN", 1, run_is_nan},
    {"MatMul", 2, run_matmul},
    {"Pow", 2, run_pow},
    {"Sigmoid", 1, run_sigmoid},
    {"Softmax", 1, run_softmax},
    {"Sub", 2, run_sub},
    {"TreeEnsembleRegressor", 1, mw_onnx__run_trees},
    {"Where", 3, run_where},
};

mw_status mw_onnx__run(mw_onnx__machine *m, const Onnx__NodeProto *node, mw_err *err) {
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(operators[i].name, node->op_type) != 0) continue;
        mw_onnx__call c = {.m = m, .node = node};
        if (node->n_input != operators[i].n_inputs) return mw_onnx__unknown(node, err);
        for (size_t k = 0; k < node->n_input; k++) {
            c.in[k] = mw_onnx__find(m, node->input[k]);
            if (!c.in[k]) return mw_onnx__unknown(node, err);
        }
        return operators[i].run(&c, err);
    }
    return mw_onnx__unknown(node, err);
}
