/* lagged.c -- see lagged.h. */
#include "learn/model/lagged.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/feature/stream.h"
#include "learn/model/learner.h"

enum { CHECK_ROWS = 4096 };

void mw_lagged_part_done(mw_lagged_part *part) {
    mw_free(part->window);
    mw_free(part->x);
    mw_free(part->y);
    mw_free(part->naive);
}

void *mw_lagged_free(mw_lagged *lagged) {
    if (!lagged) return NULL;
    mw_features_free(lagged->features);
    mw_lagged_part_done(&lagged->train);
    mw_lagged_part_done(&lagged->test);
    return mw_free(lagged);
}

/* ---- rows ---- */

static bool same_device(const mw_windows *w, int64_t a, int64_t b) {
    return mw_windows_device(w, a) == mw_windows_device(w, b);
}

/* The target one interval after window i; NaN when there is none. */
static double label_of(const mw_windows *w, const double *target, int64_t i) {
    bool follows =
        i + 1 < w->n && same_device(w, i, i + 1) && w->start[i + 1] - w->start[i] == w->interval_us;
    return follows ? target[i + 1] : MW_NAN;
}

/* naive [n]: the device's last known target up to each window; NaN before the first. */
static void carry_forward(const mw_windows *w, const double *target, double *naive) {
    for (int64_t i = 0; i < w->n; i++) {
        bool first = i == 0 || !same_device(w, i, i - 1);
        naive[i] = !mw_isnan(target[i]) ? target[i] : first ? MW_NAN : naive[i - 1];
    }
}

/* What decides whether a window is a row. */
typedef struct choice {
    const double *target, *naive; /* [n] */
    bool *flagged;                /* [n] */
} choice;

static bool could_be_row(const mw_windows *w, const choice *c, int64_t i) {
    return !mw_isnan(c->naive[i]) && !mw_isnan(label_of(w, c->target, i));
}

static bool is_row(const mw_windows *w, const choice *c, int64_t i) {
    return !c->flagged[i] && could_be_row(w, c, i);
}

static mw_status too_little(const mw_windows *w, int64_t n_train, int64_t n_test, int64_t n_flagged,
                            mw_err *err) {
    mw_fail(err, MW_EDATA,
            "too little data for the models baseline and regression: %lld window%s of %d device%s "
            "give %lld training and %lld test rows; at least %d and %d are needed",
            (long long)w->n, w->n == 1 ? "" : "s", w->n_devices, w->n_devices == 1 ? "" : "s",
            (long long)n_train, (long long)n_test, MW_LAGGED_TRAIN_MIN, MW_LAGGED_TEST_MIN);
    return mw_err_hint(err, n_flagged > 0
                                ? "rows with flagged readings were left out: allow some flags"
                                : "bring more rows, a shorter interval, or another target");
}

/* Fills the window lists of both parts. */
static mw_status split_rows(const mw_windows *w, const choice *c, double test_share, mw_lagged *l,
                            mw_err *err) {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (int64_t i = 0; i < w->n; i++) {
        l->n_flagged += c->flagged[i] && could_be_row(w, c, i);
        if (!is_row(w, c, i)) continue;
        if (w->start[i] < first) first = w->start[i];
        if (w->start[i] > last) last = w->start[i];
        l->n_rows++;
    }
    if (l->n_rows == 0) return too_little(w, 0, 0, l->n_flagged, err);
    /* On the grid of windows, and never a shorter test part than asked for. */
    double range = (double)(last - first + w->interval_us);
    int64_t cut =
        first + (int64_t)((1 - test_share) * range / (double)w->interval_us) * w->interval_us;
    mw_lagged_part *train = &l->train, *test = &l->test;
    train->window = mw_alloc_array(l->mem, (size_t)l->n_rows, sizeof *train->window);
    test->window = mw_alloc_array(l->mem, (size_t)l->n_rows, sizeof *test->window);
    if (!train->window || !test->window) return mw_fail_nomem(err, "the training rows");
    for (int64_t i = 0; i < w->n; i++) {
        if (!is_row(w, c, i)) continue;
        int64_t label_end = w->start[i] + 2 * w->interval_us;
        mw_lagged_part *part = w->start[i] >= cut ? test : label_end <= cut ? train : NULL;
        if (!part) {
            l->n_purged++;
            continue;
        }
        if (part->n == 0 || w->start[i] < part->first_us) part->first_us = w->start[i];
        if (part->n == 0 || w->start[i] > part->last_us) part->last_us = w->start[i];
        part->window[part->n++] = i;
    }
    if (train->n < MW_LAGGED_TRAIN_MIN || test->n < MW_LAGGED_TEST_MIN)
        return too_little(w, train->n, test->n, l->n_flagged, err);
    return MW_OK;
}

/* ---- features ---- */

static int compare_texts(const void *a, const void *b) {
    return mw_str_compare(*(const mw_str *)a, *(const mw_str *)b);
}

static mw_status add_device(const mw_windows *w, const char *name, mw_features *features,
                            mw_err *err) {
    if (w->n_devices > MW_LIMIT(CATEGORIES)) {
        mw_fail(err, MW_ETOOLARGE, "%d devices; one training takes at most %lld", w->n_devices,
                (long long)MW_LIMIT(CATEGORIES));
        return mw_err_hint(err, "train on groups of devices");
    }
    mw_str *texts = mw_alloc_array(w->mem, (size_t)w->n_devices, sizeof *texts);
    if (!texts) return mw_fail_nomem(err, "the devices");
    int32_t n = 0;
    for (int64_t i = 0; i < w->n; i++)
        if ((i == 0 || !same_device(w, i, i - 1)) && mw_windows_device(w, i) >= 0)
            texts[n++] = mw_windows_device_name(w, i);
    qsort(texts, (size_t)n, sizeof *texts, compare_texts);
    mw_status status =
        mw_features__add(features, mw_str_of(name), MW_FEATURE_CATEGORY, texts, n, err);
    mw_free(texts);
    return status;
}

/* The column of a parameter's means; -1: there is none. */
static int32_t mean_column(const mw_windows *w, int32_t parameter) {
    for (int32_t k = 0; k < w->n_columns; k++)
        if (w->columns[k].parameter == parameter && w->columns[k].aggregate == MW_AGG_MEAN)
            return k;
    return -1;
}

/* The configuration of every column of the windows, and of the target's earlier means. */
static void write_config(const mw_windows *w, int32_t target, int32_t n_lags, mw_buf *out) {
    mw_json_writer j;
    const int32_t last = mean_column(w, target);
    const char *mean = last >= 0 ? w->columns[last].name : w->parameters[target];
    mw_json_writer_init(&j, out, 0);
    mw_json_object(&j);
    mw_json_key(&j, "schemaConfig");
    mw_json_object(&j);
    mw_json_key(&j, "continuousColumns");
    mw_json_array(&j);
    for (int32_t k = 0; k < w->n_columns; k++) mw_json_write_string(&j, w->columns[k].name);
    if (last < 0) mw_json_write_string(&j, mean);
    mw_json_array_end(&j);
    if (w->n_devices > 1) {
        mw_json_key(&j, "categoricalColumns");
        mw_json_array(&j);
        mw_json_write_string(&j, "device");
        mw_json_array_end(&j);
    }
    mw_json_key(&j, "features");
    mw_json_array(&j);
    for (int32_t k = 0; k < w->n_columns; k++) {
        mw_json_object(&j);
        mw_json_add_string(&j, "op", "value");
        mw_json_add_string(&j, "of", w->columns[k].name);
        mw_json_object_end(&j);
    }
    for (int32_t lag = 1; lag <= n_lags; lag++) {
        char name[320];
        mw_json_object(&j);
        mw_json_add_string(&j, "op", "lag");
        mw_json_add_string(&j, "of", mean);
        mw_json_add_int(&j, "lag", lag);
        (void)snprintf(name, sizeof name, "%s_lag_%d", w->parameters[target], (int)lag);
        mw_json_add_string(&j, "name", name);
        mw_json_object_end(&j);
    }
    mw_json_array_end(&j);
    mw_json_object_end(&j);
    mw_json_object_end(&j);
}

/* What an input is: a column of the windows, or the means of a parameter. */
static const double *input_of(const mw_windows *w, const char *name) {
    for (int32_t k = 0; k < w->n_columns; k++)
        if (strcmp(w->columns[k].name, name) == 0) return w->columns[k].values;
    const int32_t parameter = mw_windows_parameter(w, name);
    return parameter >= 0 ? w->means[parameter] : NULL;
}

static bool names_device(const mw_feature_config *config, const char *name) {
    if (config->device_column) return strcmp(config->device_column, name) == 0;
    for (const char *const *usual = mw_feature_device_names; *usual; usual++)
        if (strcmp(*usual, name) == 0) return true;
    return false;
}

/* Windows have numbers, and no text but the device's name. */
static mw_status add_categories(const mw_windows *w, mw_features *features, mw_err *err) {
    const mw_feature_config *config = mw_features_program(features);
    mw_status status = MW_OK;
    for (int32_t k = 0; k < config->n_categories && !status; k++) {
        if (!w->device || !names_device(config, config->categories[k])) {
            mw_fail(err, MW_EDATA, "windows have no category %s, only their device",
                    config->categories[k]);
            return mw_err_hint(err, "take it out of categoricalColumns");
        }
        status = add_device(w, config->categories[k], features, err);
    }
    return status;
}

/* *inputs [n_inputs]: mw_free it. */
static mw_status find_inputs(const mw_windows *w, const mw_program *p, const double ***ret,
                             mw_err *err) {
    const double **inputs = mw_alloc_array(w->mem, (size_t)p->n_inputs + 1, sizeof *inputs);
    if (!inputs) return mw_fail_nomem(err, "the training rows");
    for (int32_t c = 0; c < p->n_inputs; c++) {
        inputs[c] = input_of(w, p->inputs[c]);
        if (inputs[c]) continue;
        mw_fail(err, MW_EDATA, "the data have no parameter %s, which the feature program needs",
                p->inputs[c]);
        mw_free(inputs);
        return mw_err_hint(err, "`millwright summary` lists the parameters");
    }
    *ret = inputs;
    return MW_OK;
}

static mw_status list_features(const mw_ctx *ctx, const mw_windows *w, int32_t target,
                               const mw_lagged_plan *plan, mw_lagged *l, mw_err *err) {
    mw_buf text;
    mw_buf_init(&text, l->mem, (size_t)MW_LIMIT(JSON_BYTES));
    if (plan->config.size == 0) write_config(w, target, plan->n_lags, &text);
    mw_status status = mw_buf_status(&text, "the feature program", err);
    if (!status)
        status = mw_features_of_program(ctx, plan->config.size ? plan->config : mw_buf_str(&text),
                                        &l->features, err);
    mw_buf_done(&text);
    if (!status) status = add_categories(w, l->features, err);
    if (status) return status;
    l->n_features = mw_features_count(l->features);
    return MW_OK;
}

/* Which output is the target's mean as it is. */
static int32_t find_last(const mw_program *p, const double *const *inputs, const double *means) {
    for (int32_t k = 0; k < p->n_outputs; k++)
        if (p->outputs[k] < p->n_inputs && inputs[p->outputs[k]] == means) return k;
    return -1;
}

/* ---- rows of features ---- */

enum { AT_ONCE = 16384 };

typedef struct filling {
    const mw_windows *w;
    const mw_lagged *l;
    const double *means, *naive; /* of the target */
    float *block, **columns;     /* [n_outputs][AT_ONCE] */
    int32_t n_outputs;
} filling;

static mw_status take_part(const filling *f, mw_lagged_part *part, mw_err *err) {
    const size_t n = (size_t)part->n;
    part->x = mw_alloc_array(f->l->mem, n, (size_t)f->l->n_features * sizeof *part->x);
    part->y = mw_alloc_array(f->l->mem, n, sizeof *part->y);
    part->naive = mw_alloc_array(f->l->mem, n, sizeof *part->naive);
    return part->x && part->y && part->naive ? MW_OK : mw_fail_nomem(err, "the training matrix");
}

/* The part's rows among the windows from `from` on, of which there are n; *at: the next one. */
static void fill_part(const filling *f, mw_lagged_part *part, int64_t from, int64_t n,
                      int64_t *at) {
    const int32_t width = f->l->n_features;
    for (; *at < part->n && part->window[*at] < from + n; (*at)++) {
        const int64_t i = part->window[*at];
        float *x = part->x + *at * width;
        for (int32_t k = 0; k < f->n_outputs; k++) x[k] = f->columns[k][i - from];
        for (int32_t k = f->n_outputs; k < width; k++) {
            const int32_t code = mw_feature__code(mw_features_at(f->l->features, k),
                                                  mw_windows_device_name(f->w, i));
            x[k] = code < 0 ? (float)MW_NAN : (float)code;
        }
        part->y[*at] = label_of(f->w, f->means, i);
        part->naive[*at] = f->naive[i];
    }
}

static mw_status fill_rows(const mw_ctx *ctx, const filling *f, const mw_program *p,
                           const double *const *inputs, mw_lagged *l, mw_err *err) {
    const mw_windows *w = f->w;
    int64_t train = 0, test = 0;
    mw_stream *stream = NULL;
    const double **columns = mw_alloc_array(l->mem, (size_t)p->n_inputs + 1, sizeof *columns);
    mw_status status =
        columns ? mw_stream_new(l->mem, p, &stream, err) : mw_fail_nomem(err, "the training rows");
    for (int64_t from = 0; from < w->n && !status; from += AT_ONCE) {
        const int64_t n = w->n - from < AT_ONCE ? w->n - from : AT_ONCE;
        for (int32_t c = 0; c < p->n_inputs; c++) columns[c] = inputs[c] + from;
        const mw_stream_rows rows = {n, w->start + from, w->device ? w->device->codes + from : NULL,
                                     columns};
        status = mw_stream_push(ctx, stream, &rows, f->columns, err);
        if (status) break;
        fill_part(f, &l->train, from, n, &train);
        fill_part(f, &l->test, from, n, &test);
        status = mw_ctx_check(ctx, err);
    }
    mw_stream_free(stream);
    mw_free(columns);
    return status;
}

/* By the training part's numbers. */
static mw_status scale_parts(const mw_ctx *ctx, mw_lagged *l, mw_err *err) {
    const mw_matrix rows = {l->train.x, l->train.n, l->n_features};
    mw_status status = mw_features_fit(ctx, l->features, rows, err);
    const mw_scaling *scaling = mw_features_scaling(l->features);
    if (status || !scaling) return status;
    l->last_feature = -1; /* scaled: no level to start from */
    status = mw_scaling_apply(ctx, scaling, l->train.x, l->train.n, l->n_features, err);
    return status ? status
                  : mw_scaling_apply(ctx, scaling, l->test.x, l->test.n, l->n_features, err);
}

/* Of the training part's windows. */
static mw_status fit_conditions(const mw_ctx *ctx, const double *const *inputs, mw_lagged *l,
                                mw_err *err) {
    mw_conditions *conditions = NULL;
    if (!mw_features_need_conditions(l->features)) return MW_OK;
    mw_status status =
        mw_program_fit_conditions(ctx, mw_features_program(l->features)->program, inputs,
                                  l->train.window, l->train.n, &conditions, err);
    if (!status) status = mw_features_set_conditions(l->features, conditions, err);
    mw_conditions_free(conditions);
    return status;
}

static mw_status make_rows(const mw_ctx *ctx, const mw_windows *w, int32_t target,
                           const double *naive, mw_lagged *l, mw_err *err) {
    const mw_program *p = mw_features_program(l->features)->program;
    const size_t n = (size_t)p->n_outputs; /* conditions that are learned change no number */
    const double **inputs = NULL;
    filling f = {
        .w = w, .l = l, .means = w->means[target], .naive = naive, .n_outputs = p->n_outputs};
    f.block = mw_alloc_array(l->mem, n * AT_ONCE, sizeof *f.block);
    f.columns = mw_alloc_array(l->mem, n + 1, sizeof *f.columns);
    mw_status status = f.block && f.columns ? MW_OK : mw_fail_nomem(err, "the training rows");
    for (size_t k = 0; k < n && !status; k++) f.columns[k] = f.block + k * AT_ONCE;
    if (!status) status = find_inputs(w, p, &inputs, err);
    if (!status) l->last_feature = find_last(p, inputs, w->means[target]);
    if (!status) status = fit_conditions(ctx, inputs, l, err);
    if (!status) status = take_part(&f, &l->train, err);
    if (!status) status = take_part(&f, &l->test, err);
    p = mw_features_program(l->features)->program;
    if (!status) status = fill_rows(ctx, &f, p, inputs, l, err);
    if (!status) status = scale_parts(ctx, l, err);
    mw_free(inputs);
    mw_free(f.block);
    mw_free(f.columns);
    return status;
}

/* ---- validation within the training part ---- */

#define VALIDATION_SHARE 0.2

static mw_status new_part(mw_mem *mem, int64_t n, int32_t n_features, mw_lagged_part *part,
                          mw_err *err) {
    size_t rows = (size_t)n;
    *part = (mw_lagged_part){0};
    part->window = mw_alloc_array(mem, rows, sizeof *part->window);
    part->x = mw_alloc_array(mem, rows, (size_t)n_features * sizeof *part->x);
    part->y = mw_alloc_array(mem, rows, sizeof *part->y);
    part->naive = mw_alloc_array(mem, rows, sizeof *part->naive);
    return part->window && part->x && part->y && part->naive
               ? MW_OK
               : mw_fail_nomem(err, "the validation rows");
}

static void copy_row(const mw_lagged *l, int64_t row, mw_lagged_part *to) {
    const mw_lagged_part *from = &l->train;
    int64_t at = to->n++;
    to->window[at] = from->window[row];
    to->y[at] = from->y[row];
    to->naive[at] = from->naive[row];
    memcpy(to->x + at * l->n_features, from->x + row * l->n_features,
           (size_t)l->n_features * sizeof *to->x);
}

mw_status mw_lagged_validation(const mw_ctx *ctx, const mw_windows *w, const mw_lagged *l,
                               mw_lagged_part *before, mw_lagged_part *after, mw_err *err) {
    const mw_lagged_part *train = &l->train;
    double range = (double)(train->last_us - train->first_us + w->interval_us);
    int64_t cut = train->first_us + (int64_t)((1 - VALIDATION_SHARE) * range);
    int64_t n_after = 0;
    for (int64_t row = 0; row < train->n; row++) n_after += w->start[train->window[row]] >= cut;
    mw_status status = new_part(ctx->mem, train->n - n_after, l->n_features, before, err);
    if (!status) status = new_part(ctx->mem, n_after, l->n_features, after, err);
    for (int64_t row = 0; !status && row < train->n; row++) {
        int64_t start = w->start[train->window[row]];
        if (start >= cut)
            copy_row(l, row, after);
        else if (start + 2 * w->interval_us <= cut)
            copy_row(l, row, before);
        if (row % CHECK_ROWS == 0) status = mw_ctx_check(ctx, err);
    }
    return status;
}

mw_status mw_lagged_make(const mw_ctx *ctx, const mw_windows *w, int32_t target,
                         const mw_lagged_plan *plan, mw_lagged **ret, mw_err *err) {
    mw_lagged *l = mw_calloc(ctx->mem, 1, sizeof *l);
    if (!l) return mw_fail_nomem(err, "the training rows");
    l->mem = ctx->mem;
    mw_status status = MW_OK;
    mw_ctx_report(ctx, "training rows", 0, 1);
    double *naive = mw_alloc_array(ctx->mem, (size_t)w->n, sizeof *naive);
    const choice rows = {w->means[target], naive,
                         mw_calloc(ctx->mem, (size_t)w->n + 1, sizeof *rows.flagged)};
    if (!naive || !rows.flagged) status = mw_fail_nomem(err, "the training rows");
    if (!status) carry_forward(w, w->means[target], naive);
    if (!status) status = list_features(ctx, w, target, plan, l, err);
    if (!status && plan->flags.bits)
        status = mw_lagged__mark_flagged(ctx, w, l->features, &plan->flags, rows.flagged, err);
    if (!status) status = split_rows(w, &rows, plan->test_share, l, err);
    if (!status) status = make_rows(ctx, w, target, naive, l, err);
    mw_free(naive);
    mw_free(rows.flagged);
    if (status) {
        mw_lagged_free(l);
        return status;
    }
    *ret = l;
    return MW_OK;
}
