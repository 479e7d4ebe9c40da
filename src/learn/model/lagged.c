/* lagged.c -- see lagged.h. */
#include "learn/model/lagged.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
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

static bool is_row(const mw_windows *w, const double *target, const double *naive, int64_t i) {
    return !mw_isnan(naive[i]) && !mw_isnan(label_of(w, target, i));
}

static mw_status too_little(const mw_windows *w, int64_t n_train, int64_t n_test, mw_err *err) {
    mw_fail(err, MW_EDATA,
            "too little data for the models baseline and regression: %lld window%s of %d device%s "
            "give %lld training and %lld test rows; at least %d and %d are needed",
            (long long)w->n, w->n == 1 ? "" : "s", w->n_devices, w->n_devices == 1 ? "" : "s",
            (long long)n_train, (long long)n_test, MW_LAGGED_TRAIN_MIN, MW_LAGGED_TEST_MIN);
    return mw_err_hint(err, "bring more rows, a shorter interval, or another target");
}

/* Fills the window lists of both parts. */
static mw_status split_rows(const mw_windows *w, const double *target, const double *naive,
                            double test_share, mw_lagged *l, mw_err *err) {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (int64_t i = 0; i < w->n; i++) {
        if (!is_row(w, target, naive, i)) continue;
        if (w->start[i] < first) first = w->start[i];
        if (w->start[i] > last) last = w->start[i];
        l->n_rows++;
    }
    if (l->n_rows == 0) return too_little(w, 0, 0, err);
    /* On the grid of windows, and never a shorter test part than asked for. */
    double range = (double)(last - first + w->interval_us);
    int64_t cut =
        first + (int64_t)((1 - test_share) * range / (double)w->interval_us) * w->interval_us;
    mw_lagged_part *train = &l->train, *test = &l->test;
    train->window = mw_alloc_array(l->mem, (size_t)l->n_rows, sizeof *train->window);
    test->window = mw_alloc_array(l->mem, (size_t)l->n_rows, sizeof *test->window);
    if (!train->window || !test->window) return mw_fail_nomem(err, "the training rows");
    for (int64_t i = 0; i < w->n; i++) {
        if (!is_row(w, target, naive, i)) continue;
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
        return too_little(w, train->n, test->n, err);
    return MW_OK;
}

/* ---- features ---- */

static int compare_texts(const void *a, const void *b) {
    return mw_str_compare(*(const mw_str *)a, *(const mw_str *)b);
}

static mw_status add_device(const mw_windows *w, mw_features *features, mw_err *err) {
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
        mw_features__add(features, MW_STR("device"), MW_FEATURE_CATEGORY, texts, n, err);
    mw_free(texts);
    return status;
}

static mw_status add_lag(const mw_windows *w, int32_t target, int32_t lag, mw_features *features,
                         mw_err *err) {
    mw_buf name;
    mw_buf_init(&name, w->mem, (size_t)MW_LIMIT(CSV_FIELD_BYTES) + 32);
    mw_buf_printf(&name, "%s_lag_%d", w->parameters[target], lag);
    mw_status status = mw_buf_status(&name, "a feature's name", err);
    if (!status)
        status = mw_features__add(features, mw_buf_str(&name), MW_FEATURE_NUMBER, NULL, 0, err);
    mw_buf_done(&name);
    return status;
}

static mw_status list_features(const mw_windows *w, int32_t target, int32_t n_lags, mw_lagged *l,
                               mw_err *err) {
    l->n_features = w->n_columns + n_lags + (w->n_devices > 1);
    l->last_feature = -1;
    mw_status status = mw_features__new(l->mem, l->n_features, &l->features, err);
    for (int32_t k = 0; !status && k < w->n_columns; k++) {
        const mw_window_column *column = &w->columns[k];
        if (column->parameter == target && column->aggregate == MW_AGG_MEAN) l->last_feature = k;
        status =
            mw_features__add(l->features, mw_str_of(column->name), MW_FEATURE_NUMBER, NULL, 0, err);
    }
    for (int32_t lag = 1; !status && lag <= n_lags; lag++)
        status = add_lag(w, target, lag, l->features, err);
    if (!status && w->n_devices > 1) status = add_device(w, l->features, err);
    return status;
}

static float to_float(double value) {
    if (mw_isnan(value)) return __builtin_nanf("");
    if (value > (double)FLT_MAX) return FLT_MAX;
    return value < -(double)FLT_MAX ? -FLT_MAX : (float)value;
}

/* x [n_lags]: the target at 1 .. n_lags intervals before window i, by time and not by position. There is none before all time. */
static void fill_lags(const mw_windows *w, const double *target, int64_t i, int32_t n_lags,
                      float *x) {
    int64_t at = i;
    for (int32_t lag = 1; lag <= n_lags; lag++) {
        int64_t back, wanted;
        x[lag - 1] = __builtin_nanf("");
        if (__builtin_mul_overflow((int64_t)lag, w->interval_us, &back) ||
            __builtin_sub_overflow(w->start[i], back, &wanted))
            continue;
        while (at > 0 && same_device(w, at - 1, i) && w->start[at] > wanted) at--;
        if (w->start[at] == wanted) x[lag - 1] = to_float(target[at]);
    }
}

static mw_status fill_part(const mw_ctx *ctx, const mw_windows *w, const mw_lagged *l,
                           int32_t target, int32_t n_lags, const double *naive,
                           mw_lagged_part *part, mw_err *err) {
    const double *means = w->means[target];
    size_t n = (size_t)part->n;
    part->x = mw_alloc_array(l->mem, n, (size_t)l->n_features * sizeof *part->x);
    part->y = mw_alloc_array(l->mem, n, sizeof *part->y);
    part->naive = mw_alloc_array(l->mem, n, sizeof *part->naive);
    if (!part->x || !part->y || !part->naive) return mw_fail_nomem(err, "the training matrix");
    const mw_feature *device = mw_features_at(l->features, l->n_features - 1);
    for (int64_t row = 0; row < part->n; row++) {
        int64_t i = part->window[row];
        float *x = part->x + row * l->n_features;
        for (int32_t k = 0; k < w->n_columns; k++) x[k] = to_float(w->columns[k].values[i]);
        fill_lags(w, means, i, n_lags, x + w->n_columns);
        if (w->n_devices > 1) {
            int32_t code = mw_feature__code(device, mw_windows_device_name(w, i));
            x[l->n_features - 1] = code < 0 ? __builtin_nanf("") : (float)code;
        }
        part->y[row] = label_of(w, means, i);
        part->naive[row] = naive[i];
        mw_status status = row % CHECK_ROWS == 0 ? mw_ctx_check(ctx, err) : MW_OK;
        if (status) return status;
    }
    return MW_OK;
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

mw_status mw_lagged_make(const mw_ctx *ctx, const mw_windows *w, int32_t target, int32_t n_lags,
                         double test_share, mw_lagged **ret, mw_err *err) {
    mw_lagged *l = mw_calloc(ctx->mem, 1, sizeof *l);
    if (!l) return mw_fail_nomem(err, "the training rows");
    l->mem = ctx->mem;
    mw_status status = MW_OK;
    mw_ctx_report(ctx, "training rows", 0, 1);
    double *naive = mw_alloc_array(ctx->mem, (size_t)w->n, sizeof *naive);
    if (!naive) status = mw_fail_nomem(err, "the training rows");
    if (!status) {
        carry_forward(w, w->means[target], naive);
        status = split_rows(w, w->means[target], naive, test_share, l, err);
    }
    if (!status) status = list_features(w, target, n_lags, l, err);
    if (!status) status = fill_part(ctx, w, l, target, n_lags, naive, &l->train, err);
    if (!status) status = fill_part(ctx, w, l, target, n_lags, naive, &l->test, err);
    mw_free(naive);
    if (status) {
        mw_lagged_free(l);
        return status;
    }
    *ret = l;
    return MW_OK;
}
