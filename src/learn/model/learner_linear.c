/*
 * learner_linear.c -- ridge regression on numbers and one-hot categories.
 *
 * A category of n texts becomes n columns of 0 and 1 (all 0 when missing or unseen); the penalty
 * makes the redundant column harmless. The columns exist only while fitting: scoring and the ONNX
 * graph take the codes as they are. Weights stay float64 in the graph, so it scores as we do.
 */
#include "learn/model/learner.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/linear/ridge.h"

static const mw_param linear_params[] = {
    {"alpha", MW_PARAM_FLOAT, "1", 0, 1e12,
     .help = "Strength of the L2 penalty on standardized features."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0,
     .help = "Unused by this learner; kept so that all learners take one.",
     .aliases = "random_state"},
    {0},
};

/* Columns: the numbers in feature order, then each category's codes in feature order. */
typedef struct linear {
    int32_t n_features, n_numbers, n_codes;
    double intercept;
    int64_t *number_feature; /* [n_numbers] */
    int64_t *code_feature;   /* [n_codes] */
    float *code_value;       /* [n_codes] 0, 1, ... within a feature */
    double *fill;            /* [n_numbers] put in place of a missing value */
    double *weights;         /* [n_numbers + n_codes] */
    double *strength;        /* [n_features] sum of |standardized weight|; 0 after import */
    int32_t *first_code;     /* [n_features] column of a category's code 0, relative to the codes */
    int32_t *n_categories;   /* [n_features] 0 for numbers */
} linear;

static void linear_free(void *state) {
    linear *l = state;
    if (!l) return;
    mw_free(l->number_feature);
    mw_free(l->code_feature);
    mw_free(l->code_value);
    mw_free(l->fill);
    mw_free(l->weights);
    mw_free(l->strength);
    mw_free(l->first_code);
    mw_free(l->n_categories);
    mw_free(l);
}

static mw_status linear_new(mw_mem *mem, const mw_features *features, linear **ret, mw_err *err) {
    int32_t n = mw_features_count(features);
    int64_t n_codes = 0;
    int32_t n_numbers = 0;
    for (int32_t i = 0; i < n; i++) {
        const mw_feature *feature = mw_features_at(features, i);
        if (feature->kind == MW_FEATURE_CATEGORY)
            n_codes += feature->n_categories;
        else
            n_numbers++;
    }
    if (n_numbers + n_codes > MW_LIMIT(LINEAR_COLUMNS)) {
        mw_fail(err, MW_ETOOLARGE, "a linear model would have %lld columns; at most %lld fit",
                (long long)(n_numbers + n_codes), (long long)MW_LIMIT(LINEAR_COLUMNS));
        return mw_err_hint(err, "drop text columns with many different values, or use a forest");
    }
    linear *l = mw_calloc(mem, 1, sizeof *l);
    if (!l) return mw_fail_nomem(err, "the linear model");
    l->n_features = n;
    l->n_numbers = n_numbers;
    l->n_codes = (int32_t)n_codes;
    l->number_feature = mw_calloc(mem, (size_t)n_numbers, sizeof *l->number_feature);
    l->code_feature = mw_calloc(mem, (size_t)n_codes, sizeof *l->code_feature);
    l->code_value = mw_calloc(mem, (size_t)n_codes, sizeof *l->code_value);
    l->fill = mw_calloc(mem, (size_t)n_numbers, sizeof *l->fill);
    l->weights = mw_calloc(mem, (size_t)(n_numbers + n_codes), sizeof *l->weights);
    l->strength = mw_calloc(mem, (size_t)n, sizeof *l->strength);
    l->first_code = mw_calloc(mem, (size_t)n, sizeof *l->first_code);
    l->n_categories = mw_calloc(mem, (size_t)n, sizeof *l->n_categories);
    if (!l->number_feature || !l->code_feature || !l->code_value || !l->fill || !l->weights ||
        !l->strength || !l->first_code || !l->n_categories) {
        linear_free(l);
        return mw_fail_nomem(err, "the linear model");
    }
    int32_t number = 0, code = 0;
    for (int32_t i = 0; i < n; i++) {
        const mw_feature *feature = mw_features_at(features, i);
        if (feature->kind != MW_FEATURE_CATEGORY) {
            l->number_feature[number++] = i;
            continue;
        }
        l->first_code[i] = code;
        l->n_categories[i] = feature->n_categories;
        for (int32_t k = 0; k < feature->n_categories; k++, code++) {
            l->code_feature[code] = i;
            l->code_value[code] = (float)k;
        }
    }
    *ret = l;
    return MW_OK;
}

/* [n_rows][n_numbers + n_codes] */
static void expand_rows(const linear *l, mw_matrix matrix, float *out) {
    int32_t width = l->n_numbers + l->n_codes;
    for (int64_t row = 0; row < matrix.n_rows; row++) {
        const float *x = matrix.x + row * matrix.n_features;
        float *to = out + row * width;
        for (int32_t k = 0; k < l->n_numbers; k++) to[k] = x[l->number_feature[k]];
        for (int32_t k = 0; k < l->n_codes; k++)
            to[l->n_numbers + k] = x[l->code_feature[k]] == l->code_value[k] ? 1.0f : 0.0f;
    }
}

static void keep_ridge(linear *l, const mw_ridge *ridge) {
    l->intercept = ridge->intercept;
    for (int32_t k = 0; k < l->n_numbers + l->n_codes; k++) {
        bool number = k < l->n_numbers;
        double weight = ridge->weights[k], standardized = ridge->standardized[k];
        l->weights[k] = mw_isfinite(weight) ? weight : 0;
        if (number) l->fill[k] = mw_isfinite(ridge->fill[k]) ? ridge->fill[k] : 0;
        int64_t feature = number ? l->number_feature[k] : l->code_feature[k - l->n_numbers];
        l->strength[feature] += mw_isfinite(standardized) ? mw_abs(standardized) : 0;
    }
}

static mw_status linear_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err) {
    linear *l = NULL;
    mw_ridge *ridge = NULL;
    float *expanded = NULL;
    mw_matrix columns = fit->matrix;
    mw_status status = linear_new(model->mem, fit->features, &l, err);
    if (status) return status;
    mw_ctx_report(ctx, "fitting the linear model", 0, 1);
    if (l->n_codes > 0) {
        columns.n_features = l->n_numbers + l->n_codes;
        expanded = mw_alloc_array(ctx->mem, (size_t)columns.n_rows,
                                  (size_t)columns.n_features * sizeof *expanded);
        if (!expanded) {
            status = mw_fail_nomem(err, "the one-hot columns");
            goto fail;
        }
        expand_rows(l, fit->matrix, expanded);
        columns.x = expanded;
    }
    if (columns.n_features > 0)
        status =
            mw_ridge_fit(ctx, mw_args_float(fit->params, "alpha"), columns, fit->y, &ridge, err);
    if (status) goto fail;
    if (ridge) keep_ridge(l, ridge);
    mw_ridge_free(ridge);
    mw_free(expanded);
    model->state = l;
    return MW_OK;
fail:
    mw_free(expanded);
    linear_free(l);
    return status;
}

static double score_row(const linear *l, const float *x) {
    double sum = 0;
    for (int32_t k = 0; k < l->n_numbers; k++) {
        float value = x[l->number_feature[k]];
        sum += l->weights[k] * (__builtin_isnan(value) ? l->fill[k] : (double)value);
    }
    for (int32_t i = 0; l->n_codes > 0 && i < l->n_features; i++) {
        if (!(x[i] >= 0 && x[i] < (float)l->n_categories[i])) continue;
        int32_t code = (int32_t)x[i];
        if ((float)code == x[i]) sum += l->weights[l->n_numbers + l->first_code[i] + code];
    }
    return sum + l->intercept;
}

typedef struct scoring {
    const linear *l;
    mw_matrix matrix;
    double *out;
} scoring;

static mw_status score_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const scoring *s = arg;
    (void)worker;
    (void)err;
    for (int64_t row = begin; row < end; row++)
        s->out[row] = score_row(s->l, s->matrix.x + row * s->matrix.n_features);
    return MW_OK;
}

static mw_status linear_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                              double *out, mw_err *err) {
    scoring s = {model->state, matrix, out};
    return mw_pool_for(ctx, matrix.n_rows, 4096, score_range, &s, err);
}

static void linear_importance(const mw_model *model, double *importance) {
    const linear *l = model->state;
    memcpy(importance, l->strength, (size_t)l->n_features * sizeof *importance);
}

/* ---- ONNX ---- */

enum { STEPS_MAX = 12 };

static const mw_onnx_step steps_numbers[] = {
    {"Gather", "features number_feature", "numbers", {{"axis", 1}}},
    {"Cast", "numbers", "numbers64", {{"to", MW_ONNX_DOUBLE}}},
    {"IsNaN", "numbers64", "missing", {{0}}},
    {"Where", "missing fill numbers64", "filled", {{0}}},
};
static const mw_onnx_step steps_codes[] = {
    {"Gather", "features code_feature", "codes", {{"axis", 1}}},
    {"Equal", "codes code_value", "one_hot", {{0}}},
    {"Cast", "one_hot", "one_hot64", {{"to", MW_ONNX_DOUBLE}}},
};
static const mw_onnx_step step_concat = {"Concat", "filled one_hot64", "columns", {{"axis", 1}}};
static const mw_onnx_step steps_end[] = {
    {"Add", "weighted intercept", "prediction64", {{0}}},
    {"Cast", "prediction64", "prediction", {{"to", MW_ONNX_FLOAT}}},
};

static size_t add_steps(mw_onnx_step *to, size_t n, const mw_onnx_step *from, size_t n_from) {
    memcpy(to + n, from, n_from * sizeof *from);
    return n + n_from;
}

static size_t list_steps(const linear *l, mw_onnx_step steps[STEPS_MAX]) {
    size_t n = 0;
    mw_onnx_step product = {"MatMul", "columns weights", "weighted", {{0}}};
    if (l->n_numbers) n = add_steps(steps, n, steps_numbers, 4);
    if (l->n_codes) n = add_steps(steps, n, steps_codes, 3);
    if (l->n_numbers && l->n_codes)
        n = add_steps(steps, n, &step_concat, 1);
    else
        product.inputs = l->n_numbers ? "filled weights" : "one_hot64 weights";
    n = add_steps(steps, n, &product, 1);
    return add_steps(steps, n, steps_end, 2);
}

/* A constant [n] (or [n][1]) filled with values; size in bytes of all of them. */
static void add_constant(mw_onnx *onnx, const char *name, mw_onnx_type type, int64_t n, int64_t d1,
                         const void *values, size_t size) {
    void *to = n ? mw_onnx_tensor(onnx, name, type, n, d1) : NULL;
    if (to) memcpy(to, values, size);
}

static mw_status linear_export(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx,
                               mw_err *err) {
    const linear *l = model->state;
    mw_onnx_step steps[STEPS_MAX];
    size_t n = list_steps(l, steps);
    size_t numbers = (size_t)l->n_numbers, codes = (size_t)l->n_codes;
    for (size_t i = 0; i < n; i++) mw_onnx_add_step(onnx, &steps[i]);
    add_constant(onnx, "number_feature", MW_ONNX_INT64, l->n_numbers, -1, l->number_feature,
                 numbers * sizeof *l->number_feature);
    add_constant(onnx, "fill", MW_ONNX_DOUBLE, l->n_numbers, -1, l->fill,
                 numbers * sizeof *l->fill);
    add_constant(onnx, "code_feature", MW_ONNX_INT64, l->n_codes, -1, l->code_feature,
                 codes * sizeof *l->code_feature);
    add_constant(onnx, "code_value", MW_ONNX_FLOAT, l->n_codes, -1, l->code_value,
                 codes * sizeof *l->code_value);
    add_constant(onnx, "weights", MW_ONNX_DOUBLE, l->n_numbers + l->n_codes, 1, l->weights,
                 (numbers + codes) * sizeof *l->weights);
    add_constant(onnx, "intercept", MW_ONNX_DOUBLE, 1, -1, &l->intercept, sizeof l->intercept);
    mw_onnx_output(onnx, "prediction", MW_ONNX_FLOAT, 1);
    return mw_ctx_check(ctx, err);
}

/* A constant that follows from the feature list must be what it would be written as. */
static mw_status same_constant(const mw_onnx_doc *doc, const char *name, mw_onnx_type type,
                               int64_t n, const void *values, size_t size, mw_err *err) {
    const void *found = NULL;
    if (n == 0) return MW_OK;
    mw_status status = mw_onnx_constant(doc, name, type, n, -1, &found, err);
    if (status) return status;
    return memcmp(found, values, size) == 0
               ? MW_OK
               : mw_fail(err, MW_EDATA, "model.onnx: '%s' does not agree with metadata.json", name);
}

static mw_status take_doubles(const mw_onnx_doc *doc, const char *name, int64_t n, int64_t d1,
                              double *to, mw_err *err) {
    const void *found = NULL;
    if (n == 0) return MW_OK;
    mw_status status = mw_onnx_constant(doc, name, MW_ONNX_DOUBLE, n, d1, &found, err);
    if (status) return status;
    memcpy(to, found, (size_t)n * sizeof *to);
    for (int64_t i = 0; i < n; i++)
        if (!mw_isfinite(to[i]))
            return mw_fail(err, MW_EDATA, "model.onnx: '%s' holds a value that is not finite",
                           name);
    return MW_OK;
}

static mw_status linear_import(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                               mw_err *err) {
    linear *l = NULL;
    mw_status status = linear_new(model->mem, model->features, &l, err);
    if (status) return status;
    model->state = l;
    mw_onnx_step steps[STEPS_MAX];
    size_t n = list_steps(l, steps);
    status = mw_onnx_expect(doc, steps, n, err);
    if (!status)
        status = same_constant(doc, "number_feature", MW_ONNX_INT64, l->n_numbers,
                               l->number_feature, (size_t)l->n_numbers * sizeof(int64_t), err);
    if (!status)
        status = same_constant(doc, "code_feature", MW_ONNX_INT64, l->n_codes, l->code_feature,
                               (size_t)l->n_codes * sizeof(int64_t), err);
    if (!status)
        status = same_constant(doc, "code_value", MW_ONNX_FLOAT, l->n_codes, l->code_value,
                               (size_t)l->n_codes * sizeof(float), err);
    if (!status) status = take_doubles(doc, "fill", l->n_numbers, -1, l->fill, err);
    if (!status)
        status = take_doubles(doc, "weights", l->n_numbers + l->n_codes, 1, l->weights, err);
    if (!status) status = take_doubles(doc, "intercept", 1, -1, &l->intercept, err);
    return status ? status : mw_ctx_check(ctx, err);
}

const mw_learner mw_learner_linear = {
    .name = "linear",
    .tasks = MW_TASKS_REGRESSION,
    .params = linear_params,
    .fit = linear_fit,
    .score = linear_score,
    .importance = linear_importance,
    .export_graph = linear_export,
    .import_graph = linear_import,
    .free_state = linear_free,
};
