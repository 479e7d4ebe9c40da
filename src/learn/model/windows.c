/* windows.c -- see windows.h. */
#include "learn/model/windows.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"

/* Mean number of samples in a window from which its spread says something. */
#define SAMPLES_FOR_SPREAD 1.5

void *mw_windows_free(mw_windows *windows) {
    if (!windows) return NULL;
    for (int32_t i = 0; windows->parameters && i < windows->n_parameters; i++)
        mw_free(windows->parameters[i]);
    mw_free(windows->parameters);
    mw_free(windows->means);
    mw_free(windows->varies);
    mw_free(windows->columns);
    mw_free(windows->dropped);
    mw_table_free(windows->table);
    return mw_free(windows);
}

int32_t mw_windows_device(const mw_windows *windows, int64_t window) {
    return windows->device ? windows->device->codes[window] : -1;
}

mw_str mw_windows_device_name(const mw_windows *windows, int64_t window) {
    return windows->device ? mw_column_text(windows->device, window) : (mw_str){"", 0};
}

int32_t mw_windows_parameter(const mw_windows *windows, const char *name) {
    for (int32_t i = 0; i < windows->n_parameters; i++)
        if (strcmp(windows->parameters[i], name) == 0) return i;
    return -1;
}

static bool varies(const double *values, int64_t n) {
    double first = MW_NAN;
    for (int64_t i = 0; i < n; i++) {
        if (mw_isnan(values[i])) continue;
        if (mw_isnan(first))
            first = values[i];
        else if (values[i] != first)
            return true;
    }
    return false;
}

/* Column `at` of the windows is that statistic of the parameter. */
static bool is_statistic(const mw_table *table, int32_t at, const char *parameter,
                         mw_aggregate aggregate) {
    const mw_column *column = at < table->n_columns ? &table->columns[at] : NULL;
    size_t length = strlen(parameter);
    return column && column->type == MW_FLOAT64 && strncmp(column->name, parameter, length) == 0 &&
           column->name[length] == '_' &&
           strcmp(column->name + length + 1, mw_aggregate_name(aggregate)) == 0;
}

/* The parameter's columns start at *at, in mw_resample's order; *at is behind them afterwards. A mean there is always. */
static bool find_statistics(const mw_windows *w, int32_t p, int32_t *at,
                            const mw_column *found[MW_AGG_N]) {
    for (int a = 0; a < MW_AGG_N; a++) {
        found[a] = NULL;
        if (is_statistic(w->table, *at, w->parameters[p], (mw_aggregate)a))
            found[a] = &w->table->columns[(*at)++];
    }
    return found[MW_AGG_MEAN] != NULL;
}

static mw_status choose_columns(mw_windows *w, mw_err *err) {
    static const mw_aggregate used[] = {MW_AGG_MEAN, MW_AGG_MIN, MW_AGG_MAX, MW_AGG_STD,
                                        MW_AGG_LAST};
    enum { N_USED = sizeof used / sizeof *used };
    size_t most = (size_t)w->n_parameters * N_USED;
    w->columns = mw_calloc(w->mem, most, sizeof *w->columns);
    w->dropped = mw_calloc(w->mem, most, sizeof *w->dropped);
    w->means = mw_calloc(w->mem, (size_t)w->n_parameters, sizeof *w->means);
    w->varies = mw_calloc(w->mem, (size_t)w->n_parameters, sizeof *w->varies);
    if (!w->columns || !w->dropped || !w->means || !w->varies)
        return mw_fail_nomem(err, "the windows");
    int32_t at = w->device ? 2 : 1;
    for (int32_t p = 0; p < w->n_parameters; p++) {
        const mw_column *statistics[MW_AGG_N];
        if (!find_statistics(w, p, &at, statistics))
            return mw_fail(err, MW_EINTERNAL, "resampling lost parameter '%s'", w->parameters[p]);
        for (int k = 0; k < N_USED; k++) {
            const mw_column *column = statistics[used[k]];
            if (!column) continue;
            bool useful = varies(column->number, w->n);
            if (used[k] == MW_AGG_MEAN) w->means[p] = column->number, w->varies[p] = useful;
            if (useful)
                w->columns[w->n_columns++] =
                    (mw_window_column){column->name, p, used[k], column->number};
            else
                w->dropped[w->n_dropped++] = column->name;
        }
    }
    return MW_OK;
}

static mw_status copy_names(mw_windows *w, const mw_row_stream *rows, mw_err *err) {
    int32_t n = mw_row_stream_parameters(rows);
    w->parameters = mw_calloc(w->mem, (size_t)n, sizeof *w->parameters);
    if (!w->parameters) return mw_fail_nomem(err, "the windows");
    for (; w->n_parameters < n; w->n_parameters++) {
        const char *name = rows->schema->columns[mw_row_stream_first(rows) + w->n_parameters].name;
        w->parameters[w->n_parameters] = mw_strdup(w->mem, name);
        if (!w->parameters[w->n_parameters]) return mw_fail_nomem(err, "the windows");
    }
    return MW_OK;
}

static mw_status check_rows(const mw_row_stream *rows, mw_err *err) {
    if (rows->n_rows == 0) {
        mw_fail(err, MW_EDATA, "the dataset has no rows");
        return mw_err_hint(err, "ingest files first");
    }
    if (mw_row_stream_parameters(rows) == 0)
        return mw_fail(err, MW_EDATA, "the dataset has no parameter: no column of numbers");
    return MW_OK;
}

static int32_t count_devices(const mw_windows *w) {
    int32_t n = w->n > 0;
    for (int64_t i = 1; i < w->n; i++) n += mw_windows_device(w, i) != mw_windows_device(w, i - 1);
    return n;
}

/* The members that are views of the table. */
static mw_status see_table(mw_windows *w, bool has_device, mw_err *err) {
    const mw_column *start = mw_table_column(w->table, "time");
    w->device = has_device ? mw_table_column(w->table, "device") : NULL;
    if (!start || (has_device && !w->device))
        return mw_fail(err, MW_EINTERNAL, "resampling lost the time or device column");
    w->n = w->table->n_rows;
    w->start = start->time;
    w->n_devices = count_devices(w);
    return choose_columns(w, err);
}

mw_status mw_windows_make(const mw_ctx *ctx, const mw_row_stream *rows, int64_t min_interval_us,
                          mw_windows **ret, mw_err *err) {
    mw_status status = check_rows(rows, err);
    if (status) return status;
    mw_windows *w = mw_calloc(ctx->mem, 1, sizeof *w);
    if (!w) return mw_fail_nomem(err, "the windows");
    w->mem = ctx->mem;
    status = mw_median_spacing(ctx, rows, &w->spacing_us, err);
    w->interval_us = w->spacing_us > min_interval_us ? w->spacing_us : min_interval_us;
    if (!status)
        status = mw_resample(ctx, rows, w->interval_us, SAMPLES_FOR_SPREAD, &w->table, err);
    if (!status) status = copy_names(w, rows, err);
    if (!status) status = see_table(w, rows->has_device, err);
    if (status) {
        mw_windows_free(w);
        return status;
    }
    *ret = w;
    return MW_OK;
}
