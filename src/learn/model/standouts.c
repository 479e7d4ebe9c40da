/* standouts.c -- see standouts.h. One device at a time, so memory is two numbers a column. */
#include "learn/model/standouts.h"

#include <string.h>

#include "core/base/math.h"
#include "learn/stat/quantile.h"

/* A device with fewer windows has no typical value of its own. */
enum { OWN_MIN = 20 };

/* Mean absolute deviation of a normal distribution is sigma * sqrt(2/pi). */
#define MEAN_DEVIATION_TO_SIGMA 1.2533141373155

typedef struct typical {
    double *median, *sigma; /* [n_columns] */
    double *scratch;        /* [n] */
    bool ready;
} typical;

static mw_status new_typical(const mw_windows *w, typical *t, mw_err *err) {
    t->median = mw_alloc_array(w->mem, (size_t)w->n_columns, sizeof *t->median);
    t->sigma = mw_alloc_array(w->mem, (size_t)w->n_columns, sizeof *t->sigma);
    t->scratch = mw_alloc_array(w->mem, (size_t)w->n, sizeof *t->scratch);
    return t->median && t->sigma && t->scratch ? MW_OK : mw_fail_nomem(err, "typical values");
}

static void free_typical(typical *t) {
    mw_free(t->median);
    mw_free(t->sigma);
    mw_free(t->scratch);
}

static double mean_deviation(const double *values, int64_t n, double median) {
    double sum = 0;
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++)
        if (!mw_isnan(values[i])) sum += mw_abs(values[i] - median), used++;
    return used ? sum / (double)used : 0;
}

static mw_status measure(const mw_ctx *ctx, const mw_windows *w, int64_t begin, int64_t end,
                         typical *t, mw_err *err) {
    for (int32_t k = 0; k < w->n_columns; k++) {
        const double *values = w->columns[k].values + begin;
        memcpy(t->scratch, values, (size_t)(end - begin) * sizeof *values);
        t->sigma[k] = mw_mad(t->scratch, end - begin, &t->median[k]);
        if (!(t->sigma[k] > 0))
            t->sigma[k] =
                mean_deviation(values, end - begin, t->median[k]) * MEAN_DEVIATION_TO_SIGMA;
        mw_status status = mw_ctx_check(ctx, err);
        if (status) return status;
    }
    t->ready = true;
    return MW_OK;
}

/* Keeps the list farthest first and each parameter once. */
static void keep(const mw_windows *w, mw_standout *list, mw_standout candidate) {
    int32_t parameter = w->columns[candidate.column].parameter;
    int last = MW_STANDOUTS - 1;
    for (int i = 0; i < MW_STANDOUTS; i++) {
        if (list[i].column < 0 || w->columns[list[i].column].parameter != parameter) continue;
        if (mw_abs(list[i].deviations) >= mw_abs(candidate.deviations)) return;
        last = i;
        break;
    }
    bool replaces =
        list[last].column < 0 || mw_abs(list[last].deviations) < mw_abs(candidate.deviations);
    if (!replaces) return;
    list[last] = candidate;
    for (int i = last; i > 0; i--) {
        bool ordered =
            list[i - 1].column >= 0 && mw_abs(list[i - 1].deviations) >= mw_abs(list[i].deviations);
        if (ordered) break;
        mw_standout swap = list[i];
        list[i] = list[i - 1];
        list[i - 1] = swap;
    }
}

static void compare_window(const mw_windows *w, const typical *t, int64_t window,
                           mw_standout *list) {
    for (int i = 0; i < MW_STANDOUTS; i++) list[i] = (mw_standout){.column = -1};
    for (int32_t k = 0; k < w->n_columns; k++) {
        double value = w->columns[k].values[window];
        if (mw_isnan(value) || !(t->sigma[k] > 0)) continue;
        double deviations = (value - t->median[k]) / t->sigma[k];
        if (deviations != 0) keep(w, list, (mw_standout){k, value, t->median[k], deviations});
    }
}

static mw_status one_device(const mw_ctx *ctx, const mw_windows *w, int64_t begin, int64_t end,
                            const int64_t *window, int64_t n, typical *own, typical *all,
                            mw_standout *ret, mw_err *err) {
    typical *t = end - begin >= OWN_MIN ? own : all;
    if (t == own) t->ready = false;
    for (int64_t i = 0; i < n; i++) {
        if (window[i] < begin || window[i] >= end) continue;
        if (!t->ready) {
            mw_status status =
                t == own ? measure(ctx, w, begin, end, t, err) : measure(ctx, w, 0, w->n, t, err);
            if (status) return status;
        }
        compare_window(w, t, window[i], ret + i * MW_STANDOUTS);
    }
    return MW_OK;
}

mw_status mw_standouts_find(const mw_ctx *ctx, const mw_windows *w, const int64_t *window,
                            int64_t n, mw_standout *ret, mw_err *err) {
    typical own = {0}, all = {0};
    mw_status status = new_typical(w, &own, err);
    if (!status) status = new_typical(w, &all, err);
    for (int64_t begin = 0; !status && begin < w->n;) {
        int64_t end = begin + 1;
        while (end < w->n && mw_windows_device(w, end) == mw_windows_device(w, begin)) end++;
        status = one_device(ctx, w, begin, end, window, n, &own, &all, ret, err);
        begin = end;
    }
    free_typical(&own);
    free_typical(&all);
    return status;
}
