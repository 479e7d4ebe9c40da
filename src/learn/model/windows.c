/* windows.c -- see windows.h. */
#include "learn/model/windows.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"

/* Mean number of samples in a window from which its spread says something. */
#define SAMPLES_FOR_SPREAD 1.5

static const char TIME_COLUMN[] = "time", DEVICE_COLUMN[] = "device_id";

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

static bool has_spread(const double *counts, int64_t n) {
    double total = 0, windows = 0;
    for (int64_t i = 0; i < n; i++)
        if (counts[i] > 0) total += counts[i], windows++;
    return windows > 0 && total / windows >= SAMPLES_FOR_SPREAD;
}

/* Column `aggregate` of parameter p: mw_resample writes them in a fixed order, checked by name. */
static const mw_column *statistic(const mw_windows *windows, int32_t p, mw_aggregate aggregate) {
    int32_t first = windows->device ? 2 : 1;
    int32_t index = first + p * MW_AGG_N + (int32_t)aggregate;
    const mw_column *column =
        index < windows->table->n_columns ? &windows->table->columns[index] : NULL;
    size_t length = strlen(windows->parameters[p]);
    bool same = column && column->type == MW_FLOAT64 &&
                strncmp(column->name, windows->parameters[p], length) == 0 &&
                column->name[length] == '_' &&
                strcmp(column->name + length + 1, mw_aggregate_name(aggregate)) == 0;
    return same ? column : NULL;
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
    for (int32_t p = 0; p < w->n_parameters; p++) {
        const mw_column *count = statistic(w, p, MW_AGG_COUNT);
        bool spread = count && has_spread(count->number, w->n);
        for (int k = 0; k < N_USED && (k == 0 || spread); k++) {
            const mw_column *column = statistic(w, p, used[k]);
            if (!column || !count)
                return mw_fail(err, MW_EINTERNAL, "resampling lost parameter '%s'",
                               w->parameters[p]);
            bool useful = varies(column->number, w->n);
            if (k == 0) w->means[p] = column->number, w->varies[p] = useful;
            if (useful)
                w->columns[w->n_columns++] =
                    (mw_window_column){column->name, p, used[k], column->number};
            else
                w->dropped[w->n_dropped++] = column->name;
        }
    }
    return MW_OK;
}

static int32_t count_parameters(const mw_table *table) {
    int32_t n = 0;
    for (int32_t i = 0; i < table->n_columns; i++) n += table->columns[i].type == MW_FLOAT64;
    return n;
}

static mw_status copy_names(mw_windows *w, const mw_table *table, mw_err *err) {
    w->parameters = mw_calloc(w->mem, (size_t)count_parameters(table), sizeof *w->parameters);
    if (!w->parameters) return mw_fail_nomem(err, "the windows");
    for (int32_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i].type != MW_FLOAT64) continue;
        w->parameters[w->n_parameters] = mw_strdup(w->mem, table->columns[i].name);
        if (!w->parameters[w->n_parameters++]) return mw_fail_nomem(err, "the windows");
    }
    return MW_OK;
}

/* Device column as far as the data has one: a dictionary with at least one value. */
static const mw_column *device_of(const mw_table *table) {
    const mw_column *device = mw_table_column(table, DEVICE_COLUMN);
    return device && device->type == MW_DICTIONARY && device->n_missing < device->n_rows ? device
                                                                                         : NULL;
}

static mw_status check_table(const mw_table *table, mw_err *err) {
    const mw_column *time = mw_table_column(table, TIME_COLUMN);
    if (table->n_rows == 0) {
        mw_fail(err, MW_EDATA, "the dataset has no rows");
        return mw_err_hint(err, "ingest files first");
    }
    if (!time || time->type != MW_TIMESTAMP)
        return mw_fail(err, MW_EDATA, "the dataset has no time column");
    if (count_parameters(table) == 0)
        return mw_fail(err, MW_EDATA, "the dataset has no parameter: no column of numbers");
    return MW_OK;
}

static int32_t count_devices(const mw_windows *w) {
    int32_t n = w->n > 0;
    for (int64_t i = 1; i < w->n; i++) n += mw_windows_device(w, i) != mw_windows_device(w, i - 1);
    return n;
}

mw_status mw_windows_make(const mw_ctx *ctx, const mw_table *table, int64_t min_interval_us,
                          mw_windows **ret, mw_err *err) {
    mw_status status = check_table(table, err);
    if (status) return status;
    mw_windows *w = mw_calloc(ctx->mem, 1, sizeof *w);
    if (!w) return mw_fail_nomem(err, "the windows");
    w->mem = ctx->mem;
    const mw_column *device = device_of(table);
    mw_ctx_report(ctx, "resampling", 0, 1);
    status =
        mw_median_spacing(ctx, mw_table_column(table, TIME_COLUMN), device, &w->spacing_us, err);
    w->interval_us = w->spacing_us > min_interval_us ? w->spacing_us : min_interval_us;
    if (!status)
        status = mw_resample(ctx, table, TIME_COLUMN, device ? DEVICE_COLUMN : NULL, w->interval_us,
                             &w->table, err);
    if (!status) status = copy_names(w, table, err);
    if (!status) {
        w->n = w->table->n_rows;
        w->device = device ? mw_table_column(w->table, "device") : NULL;
        const mw_column *start = mw_table_column(w->table, TIME_COLUMN);
        if (!start || (device && !w->device))
            status = mw_fail(err, MW_EINTERNAL, "resampling lost the time or device column");
        else
            w->start = start->time;
    }
    if (!status) {
        w->n_devices = count_devices(w);
        status = choose_columns(w, err);
    }
    if (status) {
        mw_windows_free(w);
        return status;
    }
    *ret = w;
    return MW_OK;
}
