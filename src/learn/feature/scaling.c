/* scaling.c -- see scaling.h. */
#include "learn/feature/scaling.h"

#include <float.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/stat/quantile.h"

enum { ROWS_OF_A_TASK = 4096 };

const char *const mw_scaling_names[] = {"none", "standard", "robust", "min-max", NULL};

mw_scaling_kind mw_scaling_kind_of(const char *name) {
    int k = MW_SCALING_MIN_MAX;
    while (k > MW_SCALING_NONE && !(name && strcmp(mw_scaling_names[k], name) == 0)) k--;
    return (mw_scaling_kind)k;
}

static mw_status new_scaling(mw_mem *mem, mw_scaling_kind kind, int32_t n, mw_scaling **ret,
                             mw_err *err) {
    mw_scaling *s = mw_calloc(mem, 1, sizeof *s);
    if (!s) return mw_fail_nomem(err, "scaling");
    s->kind = kind;
    s->n = n;
    s->centers = mw_calloc(mem, (size_t)n + 1, sizeof *s->centers);
    s->scales = mw_calloc(mem, (size_t)n + 1, sizeof *s->scales);
    if (s->centers && s->scales) {
        *ret = s;
        return MW_OK;
    }
    mw_scaling_free(s);
    return mw_fail_nomem(err, "scaling");
}

void *mw_scaling_free(mw_scaling *scaling) {
    if (!scaling) return NULL;
    mw_free(scaling->centers);
    mw_free(scaling->scales);
    return mw_free(scaling);
}

mw_status mw_scaling_copy(mw_mem *mem, const mw_scaling *scaling, mw_scaling **ret, mw_err *err) {
    mw_status status = new_scaling(mem, scaling->kind, scaling->n, ret, err);
    if (status) return status;
    memcpy((*ret)->centers, scaling->centers, (size_t)scaling->n * sizeof(double));
    memcpy((*ret)->scales, scaling->scales, (size_t)scaling->n * sizeof(double));
    return MW_OK;
}

/* ---- fitting ---- */

typedef struct fit {
    mw_scaling *scaling;
    mw_matrix rows;
    double *values; /* [threads][n_rows] */
} fit;

/* x [n], n > 0: the order may change. */
static void standard(double *x, int64_t n, double *center, double *scale) {
    double sum = 0, squares = 0, rest = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i] - mean) * (x[i] - mean);
        rest += x[i] - mean; /* what rounding left of the mean */
    }
    *center = mean + rest / (double)n;
    const double variance = (squares - rest * rest / (double)n) / (double)n;
    *scale = variance > 0 ? mw_sqrt(variance) : 0;
}

static void robust(double *x, int64_t n, double *center, double *scale) {
    *center = mw_quantile(x, n, 0.5);
    *scale = mw_quantile(x, n, 0.75) - mw_quantile(x, n, 0.25);
}

static void min_max(double *x, int64_t n, double *center, double *scale) {
    double low = x[0], high = x[0];
    for (int64_t i = 1; i < n; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
    }
    *center = low;
    *scale = high - low;
}

static bool all_equal(const double *x, int64_t n) {
    for (int64_t i = 1; i < n; i++)
        if (x[i] != x[0]) return false;
    return true;
}

static void fit_one(const fit *f, int32_t feature, double *x) {
    static void (*const kinds[])(double *, int64_t, double *,
                                 double *) = {[MW_SCALING_STANDARD] = standard,
                                              [MW_SCALING_ROBUST] = robust,
                                              [MW_SCALING_MIN_MAX] = min_max};
    mw_scaling *s = f->scaling;
    int64_t n = 0;
    for (int64_t i = 0; i < f->rows.n_rows; i++) {
        const double value = (double)f->rows.x[i * f->rows.n_features + feature];
        if (!mw_isnan(value)) x[n++] = value;
    }
    s->scales[feature] = 1;
    if (n > 0 && all_equal(x, n))
        s->centers[feature] = x[0];
    else if (n > 0)
        kinds[s->kind](x, n, &s->centers[feature], &s->scales[feature]);
    if (!(s->scales[feature] > 0)) s->scales[feature] = 1;
}

static mw_status fit_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const fit *f = arg;
    (void)err;
    for (int64_t k = begin; k < end; k++)
        fit_one(f, (int32_t)k, f->values + (int64_t)worker * f->rows.n_rows);
    return MW_OK;
}

mw_status mw_scaling_fit(const mw_ctx *ctx, mw_scaling_kind kind, mw_matrix rows, int32_t n,
                         mw_scaling **ret, mw_err *err) {
    fit f = {.rows = rows};
    if (rows.n_rows < 1) return mw_fail(err, MW_EDATA, "there are no rows to fit the scaling on");
    mw_status status = new_scaling(ctx->mem, kind, n, &f.scaling, err);
    if (status) return status;
    f.values = mw_alloc_array(ctx->mem, (size_t)mw_pool_threads(ctx->pool) * (size_t)rows.n_rows,
                              sizeof *f.values);
    status = f.values ? mw_pool_for(ctx, n, 1, fit_some, &f, err) : mw_fail_nomem(err, "scaling");
    mw_free(f.values);
    if (status)
        mw_scaling_free(f.scaling);
    else
        *ret = f.scaling;
    return status;
}

/* ---- applying ---- */

static inline float scaled(const mw_scaling *s, int32_t k, float x) {
    const float f = (float)(((double)x - s->centers[k]) / s->scales[k]) + 0.0F;
    return f >= -FLT_MAX && f <= FLT_MAX ? f : (float)MW_NAN;
}

void mw_scaling_apply_columns(const mw_scaling *scaling, float *const *columns, int64_t n_rows) {
    for (int32_t k = 0; k < scaling->n; k++)
        for (int64_t i = 0; i < n_rows; i++) columns[k][i] = scaled(scaling, k, columns[k][i]);
}

typedef struct applying {
    const mw_scaling *scaling;
    float *x;
    int32_t width;
} applying;

static mw_status apply_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const applying *a = arg;
    const mw_scaling *s = a->scaling;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        float *row = a->x + i * a->width;
        for (int32_t k = 0; k < s->n; k++) row[k] = scaled(s, k, row[k]);
    }
    return MW_OK;
}

mw_status mw_scaling_apply(const mw_ctx *ctx, const mw_scaling *scaling, float *x, int64_t n_rows,
                           int32_t width, mw_err *err) {
    applying a = {scaling, x, width};
    return mw_pool_for(ctx, n_rows, ROWS_OF_A_TASK, apply_some, &a, err);
}

/* ---- as text ---- */

void mw_scaling_write(const mw_scaling *scaling, const char *const *names, mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_string(writer, "kind", mw_scaling_names[scaling->kind]);
    mw_json_key(writer, "features");
    mw_json_array(writer);
    for (int32_t k = 0; k < scaling->n; k++) {
        mw_json_object(writer);
        mw_json_add_string(writer, "name", names[k]);
        mw_json_add_number(writer, "center", scaling->centers[k]);
        mw_json_add_number(writer, "scale", scaling->scales[k]);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
    mw_json_object_end(writer);
}

static mw_status bad(mw_err *err, const char *what) {
    return mw_fail(err, MW_EDATA, "scaling: %s is missing or unusable", what);
}

mw_status mw_scaling_read(mw_mem *mem, const mw_json *json, const char *const *names, int32_t n,
                          mw_scaling **ret, mw_err *err) {
    char name[16];
    const mw_json *list = mw_json_get(json, "features");
    mw_str_copy(name, sizeof name, mw_json_string(mw_json_get(json, "kind"), ""));
    const mw_scaling_kind kind = mw_scaling_kind_of(name);
    if (kind == MW_SCALING_NONE) return bad(err, "the kind of scaling");
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children != (uint32_t)n)
        return bad(err, "the list of features");
    mw_scaling *s = NULL;
    mw_status status = new_scaling(mem, kind, n, &s, err);
    const mw_json *one = list->first;
    for (int32_t k = 0; k < n && !status; k++, one = one->next) {
        s->centers[k] = mw_json_number(mw_json_get(one, "center"), MW_NAN);
        s->scales[k] = mw_json_number(mw_json_get(one, "scale"), 0);
        if (!mw_str_is(mw_json_string(mw_json_get(one, "name"), ""), names[k]) ||
            mw_isnan(s->centers[k]) || !(s->scales[k] > 0))
            status = bad(err, names[k]);
    }
    if (status)
        mw_scaling_free(s);
    else
        *ret = s;
    return status;
}
