/*
 * learner_gbdt.c -- gradient boosted trees: the fit with its validation rows and curves, predictions, and the ONNX graph.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/model/gbdt_params.h"
#include "learn/tree/scorer.h"

/* "hold" in ASCII: no other user of the seed has this stream. */
#define HOLD_STREAM (UINT64_C(0x686f6c64) << 32)

enum { PREDICT_ROWS = 4096 };

typedef struct gbdt {
    mw_trees *trees;
    mw_objective objective; /* of a loaded model: one with the same predictions */
} gbdt;

static void gbdt_free(void *state) {
    gbdt *g = state;
    if (!g) return;
    mw_trees_free(g->trees);
    mw_free(g);
}

/* ---- validation rows ---- */

/* Rows that are fitted, and rows held back from the fit; the arrays are owned. */
typedef struct parts {
    float *x[2];
    double *y[2], *weights[2];
    int64_t n[2];
} parts;

static void parts_done(parts *p) {
    for (int i = 0; i < 2; i++) {
        mw_free(p->x[i]);
        mw_free(p->y[i]);
        mw_free(p->weights[i]);
    }
}

static mw_status parts_new(const mw_ctx *ctx, const mw_fit *fit, const uint8_t *held, parts *p,
                           mw_err *err) {
    const size_t width = (size_t)fit->matrix.n_features;
    for (int64_t row = 0; row < fit->matrix.n_rows; row++) p->n[held[row]]++;
    for (int i = 0; i < 2; i++) {
        p->x[i] = mw_alloc_array(ctx->mem, (size_t)p->n[i] * width, sizeof(float));
        p->y[i] = mw_alloc_array(ctx->mem, (size_t)p->n[i], sizeof(double));
        if (fit->weights) p->weights[i] = mw_alloc_array(ctx->mem, (size_t)p->n[i], sizeof(double));
        if (!p->x[i] || !p->y[i] || (fit->weights && !p->weights[i]))
            return mw_fail_nomem(err, "the validation rows");
        p->n[i] = 0;
    }
    for (int64_t row = 0; row < fit->matrix.n_rows; row++) {
        const int i = held[row];
        memcpy(p->x[i] + (size_t)p->n[i] * width, fit->matrix.x + (size_t)row * width,
               width * sizeof(float));
        if (fit->weights) p->weights[i][p->n[i]] = fit->weights[row];
        p->y[i][p->n[i]++] = fit->y[row];
    }
    return MW_OK;
}

/* A share of the rows is held back; at least one row is on each side. */
static mw_status hold_back(const mw_ctx *ctx, const mw_fit *fit, double share, parts *p,
                           mw_err *err) {
    const int64_t n = fit->matrix.n_rows;
    uint8_t *held = mw_calloc(ctx->mem, (size_t)n, 1);
    if (!held) return mw_fail_nomem(err, "the validation rows");
    mw_rng rng;
    mw_rng_init(&rng, ctx->seed, HOLD_STREAM, 0);
    int64_t wanted = (int64_t)(share * (double)n + 0.5);
    if (wanted < 1) wanted = 1;
    if (wanted > n - 1) wanted = n - 1;
    for (int64_t row = 0; row < n; row++) {
        held[row] = (int64_t)mw_rng_below(&rng, (uint64_t)(n - row)) < wanted;
        wanted -= held[row];
    }
    mw_status status = parts_new(ctx, fit, held, p, err);
    mw_free(held);
    return status;
}

/* ---- curves ---- */

static void write_curve(mw_json_writer *w, const char *name, const double *loss,
                        const double *accuracy, int32_t n, bool classes) {
    mw_json_key(w, name);
    mw_json_object(w);
    for (int i = 0; i < 1 + classes; i++) {
        mw_json_key(w, i ? "accuracy" : "loss");
        mw_json_array(w);
        for (int32_t r = 0; r < n; r++) mw_json_write_number(w, i ? accuracy[r] : loss[r]);
        mw_json_array_end(w);
    }
    mw_json_object_end(w);
}

static mw_status keep_curves(const mw_gbdt_curves *c, const mw_objective *objective,
                             mw_model *model, mw_err *err) {
    const bool classes = mw_objective_classes(objective->kind);
    mw_buf buf;
    mw_json_writer w;
    mw_buf_init(&buf, model->mem, (size_t)1 << 24);
    mw_json_writer_init(&w, &buf, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "loss", mw_objective_loss_name(objective->kind));
    mw_json_add_int(&w, "rounds", c->n_rounds);
    mw_json_add_int(&w, "best_round", c->best_round + 1);
    write_curve(&w, "train", c->train_loss, c->train_accuracy, c->n_rounds, classes);
    if (c->valid_loss)
        write_curve(&w, "validation", c->valid_loss, c->valid_accuracy, c->n_rounds, classes);
    mw_json_object_end(&w);
    mw_status status = mw_buf_status(&buf, "the curves", err);
    if (!status) {
        model->curves_json = mw_strdup(model->mem, mw_buf_text(&buf));
        if (!model->curves_json) status = mw_fail_nomem(err, "the curves");
    }
    mw_buf_done(&buf);
    return status;
}

/* ---- fit ---- */

static bool same_predictions(const mw_objective *a, const mw_objective *b) {
    const bool a_exp = a->kind == MW_OBJECTIVE_POISSON || a->kind == MW_OBJECTIVE_TWEEDIE;
    const bool b_exp = b->kind == MW_OBJECTIVE_POISSON || b->kind == MW_OBJECTIVE_TWEEDIE;
    return a_exp == b_exp && mw_objective_classes(a->kind) == mw_objective_classes(b->kind);
}

static mw_gbdt_rows rows_of(const mw_fit *fit, const mw_gbdt_wishes *wishes) {
    return (mw_gbdt_rows){fit->matrix,
                          {fit->matrix.n_rows, fit->y, fit->weights, wishes->class_weights}};
}

static mw_gbdt_rows valid_rows_of(const mw_fit *fit, const mw_gbdt_wishes *wishes) {
    return (mw_gbdt_rows){
        fit->valid, {fit->valid.n_rows, fit->valid_y, fit->valid_weights, wishes->class_weights}};
}

/* The engine checks its rows as well, but knows only their places in the part that it is given. */
static mw_status check_rows(const mw_ctx *ctx, const mw_fit *fit, const mw_gbdt_wishes *wishes,
                            double share, mw_err *err) {
    const mw_objective *objective = &wishes->options.objective;
    mw_status status = MW_OK;
    if (share > 0 || fit->numbers)
        status = mw_gbdt_check_rows(ctx, objective, rows_of(fit, wishes), fit->numbers, err);
    if (status || fit->valid.n_rows == 0) return status;
    status =
        mw_gbdt_check_rows(ctx, objective, valid_rows_of(fit, wishes), fit->valid_numbers, err);
    if (status == MW_EDATA) mw_err_prefix(err, "validation rows");
    return status;
}

static mw_status fit_rows(const mw_ctx *ctx, const mw_fit *fit, const mw_gbdt_wishes *wishes,
                          const parts *p, mw_model *model, mw_err *err) {
    gbdt *g = model->state;
    mw_gbdt_rows rows[2];
    for (int i = 0; i < 2; i++)
        rows[i] = (mw_gbdt_rows){{p->x[i], p->n[i], fit->matrix.n_features},
                                 {p->n[i], p->y[i], p->weights[i], wishes->class_weights}};
    const bool held = p->n[1] > 0;
    if (fit->valid.n_rows > 0) rows[1] = valid_rows_of(fit, wishes);
    const bool any_valid = held || fit->valid.n_rows > 0;
    const gbdt *begun = fit->init ? fit->init->state : NULL;
    mw_gbdt_curves curves = {0};
    mw_status status = mw_gbdt_fit(ctx, &wishes->options, held ? rows[0] : rows_of(fit, wishes),
                                   any_valid ? &rows[1] : NULL, begun ? begun->trees : NULL,
                                   &curves, &g->trees, err);
    if (!status) status = keep_curves(&curves, &g->objective, model, err);
    mw_gbdt_curves_done(&curves);
    return status ? status : mw_trees_prepare(ctx, g->trees, err);
}

/* Validation rows come from one place. */
static mw_status check_valid(const mw_fit *fit, double share, mw_err *err) {
    if (share == 0 || fit->valid.n_rows == 0) return MW_OK;
    mw_fail(err, MW_EINVAL, "validation_fraction and validation rows are both given");
    mw_err_at(err, "validation_fraction");
    return mw_err_hint(err, "leave one of them out");
}

static mw_status gbdt_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err) {
    const double share = mw_args_float(fit->params, "validation_fraction");
    gbdt *g = mw_calloc(model->mem, 1, sizeof *g);
    if (!g) return mw_fail_nomem(err, "the model");
    model->state = g;
    parts p = {0};
    mw_gbdt_wishes wishes;
    mw_status status = mw_gbdt_wishes_read(ctx, fit, &wishes, err);
    g->objective = wishes.options.objective;
    if (!status) status = check_valid(fit, share, err);
    if (!status && fit->init &&
        !same_predictions(&g->objective, &((const gbdt *)fit->init->state)->objective))
        status = mw_fail(err, MW_EINVAL, "the model to go on from has another objective");
    if (!status) status = check_rows(ctx, fit, &wishes, share, err);
    if (!status && share > 0) status = hold_back(ctx, fit, share, &p, err);
    if (!status) status = fit_rows(ctx, fit, &wishes, &p, model, err);
    parts_done(&p);
    mw_gbdt_wishes_done(&wishes);
    return status;
}

static void gbdt_importance(const mw_model *model, double *importance) {
    const gbdt *g = model->state;
    for (int32_t i = 0; i < g->trees->n_features; i++) importance[i] = 0;
    for (int64_t i = 0; i < g->trees->n_nodes; i++)
        if (g->trees->nodes[i].feature >= 0)
            importance[g->trees->nodes[i].feature] += (double)g->trees->nodes[i].gain;
}

/* ---- score ---- */

typedef struct predicting {
    const mw_objective *objective;
    double *out;
} predicting;

static mw_status predict_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const predicting *p = arg;
    mw_objective_predict(p->objective, p->out + begin * p->objective->n_outputs, end - begin);
    (void)worker, (void)err;
    return MW_OK;
}

/* Shares of both classes in the room that only the second one's filled: from the last row back. */
static void spread_shares(double *out, int64_t n_rows) {
    for (int64_t i = n_rows - 1; i >= 0; i--) {
        const double share = out[i];
        out[2 * i + 1] = share;
        out[2 * i] = 1 - share;
    }
}

static mw_status gbdt_finish(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                             double *out, mw_err *err) {
    const gbdt *g = model->state;
    predicting p = {&g->objective, out};
    mw_status status = mw_pool_for(ctx, matrix.n_rows, PREDICT_ROWS, predict_range, &p, err);
    if (!status && g->objective.kind == MW_OBJECTIVE_LOGISTIC) spread_shares(out, matrix.n_rows);
    return status;
}

static mw_status gbdt_score_as(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                               mw_output what, int32_t n_rounds, double *out, mw_err *err) {
    const gbdt *g = model->state;
    const int32_t all = g->trees->n_trees / g->objective.n_outputs;
    const int32_t rounds = n_rounds > 0 && n_rounds < all ? n_rounds : all;
    const int32_t n_trees = rounds * g->objective.n_outputs;
    mw_status status = mw_scorer_score(ctx, g->trees->scorer, 0, n_trees, matrix, out, err);
    if (status || what == MW_OUTPUT_MARGIN) return status;
    return gbdt_finish(ctx, model, matrix, out, err);
}

static const mw_trees *gbdt_trees(const mw_model *model) {
    return ((const gbdt *)model->state)->trees;
}

/* ---- ONNX ---- */

#define N_STEPS(steps) (sizeof(steps) / sizeof *(steps))

static const mw_onnx_step steps_value[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "prediction", {{0}}},
};
static const mw_onnx_step steps_rate[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "margin", {{0}}},
    {"Cast", "margin", "margin64", {{"to", MW_ONNX_DOUBLE}}},
    {"Exp", "margin64", "prediction64", {{0}}},
    {"Cast", "prediction64", "prediction", {{"to", MW_ONNX_FLOAT}}},
};
static const mw_onnx_step steps_binary[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "margin", {{0}}},
    {"Cast", "margin", "margin64", {{"to", MW_ONNX_DOUBLE}}},
    {"Sigmoid", "margin64", "second64", {{0}}},
    {"Sub", "one second64", "first64", {{0}}},
    {"Concat", "first64 second64", "probabilities64", {{"axis", 1}}},
    {"Cast", "probabilities64", "probabilities", {{"to", MW_ONNX_FLOAT}}},
    {"ArgMax", "probabilities64", "class_index", {{"axis", 1}, {"keepdims", 0}}},
    {"LabelEncoder", "class_index", "label", {{0}}},
};
static const mw_onnx_step steps_classes[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "margin", {{0}}},
    {"Cast", "margin", "margin64", {{"to", MW_ONNX_DOUBLE}}},
    {"Softmax", "margin64", "probabilities64", {{"axis", 1}}},
    {"Cast", "probabilities64", "probabilities", {{"to", MW_ONNX_FLOAT}}},
    {"ArgMax", "probabilities64", "class_index", {{"axis", 1}, {"keepdims", 0}}},
    {"LabelEncoder", "class_index", "label", {{0}}},
};

typedef struct form {
    mw_objective_kind kind; /* of the models that have it, the one a loaded model gets */
    const mw_onnx_step *steps;
    size_t n;
} form;

static const form forms[] = {
    {MW_OBJECTIVE_SQUARED, steps_value, N_STEPS(steps_value)},
    {MW_OBJECTIVE_POISSON, steps_rate, N_STEPS(steps_rate)},
    {MW_OBJECTIVE_LOGISTIC, steps_binary, N_STEPS(steps_binary)},
    {MW_OBJECTIVE_SOFTMAX, steps_classes, N_STEPS(steps_classes)},
};

static const form *form_of(mw_objective_kind kind) {
    const form *found = forms;
    if (kind == MW_OBJECTIVE_TWEEDIE) kind = MW_OBJECTIVE_POISSON;
    for (size_t i = 0; i < N_STEPS(forms); i++)
        if (forms[i].kind == kind) found = &forms[i];
    return found;
}

static mw_status gbdt_export(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx, mw_err *err) {
    const gbdt *g = model->state;
    const form *f = form_of(g->objective.kind);
    mw_status status = MW_OK;
    for (size_t i = 0; i < f->n && !status; i++) {
        const mw_onnx_step *step = &f->steps[i];
        if (strcmp(step->op, "TreeEnsembleRegressor") == 0)
            status = mw_onnx_add_trees(ctx, onnx, g->trees, step->inputs, step->outputs, err);
        else if (strcmp(step->op, "LabelEncoder") == 0)
            mw_onnx_add_labels(onnx, model, step->inputs, step->outputs);
        else
            mw_onnx_add_step(onnx, step);
    }
    if (status) return status;
    if (g->objective.kind == MW_OBJECTIVE_LOGISTIC) {
        double *one = mw_onnx_tensor(onnx, "one", MW_ONNX_DOUBLE, 1, -1);
        if (one) *one = 1;
    }
    if (model->n_classes == 0) {
        mw_onnx_output(onnx, "prediction", MW_ONNX_FLOAT, 1);
        return MW_OK;
    }
    mw_onnx_output(onnx, "label", MW_ONNX_STRING, 0);
    mw_onnx_output(onnx, "probabilities", MW_ONNX_FLOAT, model->n_classes);
    return MW_OK;
}

/* A model's form follows from its classes; without any, from whether there is an exponential. */
static mw_status read_form(const mw_onnx_doc *doc, const mw_model *model, gbdt *g, mw_err *err) {
    const bool rate = mw_onnx_doc_graph(doc)->n_node == N_STEPS(steps_rate);
    g->objective.kind = model->n_classes > 2    ? MW_OBJECTIVE_SOFTMAX
                        : model->n_classes == 2 ? MW_OBJECTIVE_LOGISTIC
                        : rate                  ? MW_OBJECTIVE_POISSON
                                                : MW_OBJECTIVE_SQUARED;
    if (model->n_classes == 2 && mw_onnx_doc_graph(doc)->n_node == N_STEPS(steps_classes))
        g->objective.kind = MW_OBJECTIVE_SOFTMAX;
    g->objective.n_outputs = g->objective.kind == MW_OBJECTIVE_SOFTMAX ? model->n_classes : 1;
    const form *f = form_of(g->objective.kind);
    mw_status status = mw_onnx_expect(doc, f->steps, f->n, err);
    if (!status && model->n_classes > 0) status = mw_onnx_expect_labels(doc, f->n - 1, model, err);
    if (status || g->objective.kind != MW_OBJECTIVE_LOGISTIC) return status;
    const void *bytes;
    double one = 0;
    status = mw_onnx_constant(doc, "one", MW_ONNX_DOUBLE, 1, -1, &bytes, err);
    if (status) return status;
    memcpy(&one, bytes, sizeof one);
    return one == 1 ? MW_OK : mw_fail(err, MW_EDATA, "model.onnx: the constant 'one' is not 1");
}

static mw_status gbdt_import(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                             mw_err *err) {
    gbdt *g = mw_calloc(model->mem, 1, sizeof *g);
    if (!g) return mw_fail_nomem(err, "the model");
    model->state = g;
    mw_status status = read_form(doc, model, g, err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, &g->trees, err);
    if (!status && (g->trees->n_outputs != g->objective.n_outputs ||
                    g->trees->n_trees % g->objective.n_outputs != 0))
        status = mw_fail(err, MW_EDATA,
                         "model.onnx has %d trees of %d values, metadata.json says "
                         "%d a round",
                         g->trees->n_trees, g->trees->n_outputs, g->objective.n_outputs);
    if (!status) status = mw_features__check_sets(model->features, g->trees, err);
    return status ? status : mw_trees_prepare(ctx, g->trees, err);
}

const mw_learner mw_learner_gbdt = {
    .name = "gbdt",
    .tasks = MW_TASKS_REGRESSION | MW_TASKS_CLASSES,
    .boosts = true,
    .leaves = true,
    .params = mw_gbdt_params,
    .fit = gbdt_fit,
    .trees = gbdt_trees,
    .finish = gbdt_finish,
    .score_as = gbdt_score_as,
    .importance = gbdt_importance,
    .export_graph = gbdt_export,
    .import_graph = gbdt_import,
    .free_state = gbdt_free,
};
