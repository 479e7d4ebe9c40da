/*
 * windows.h -- the resampled table seen as windows, and which of its columns say something.
 *
 * What      one window per device and interval; its statistics per parameter. Where a window
 *           typically holds more than one sample mean, min, max, std and last are used, else the
 *           mean. Columns without a value or without a change are dropped and named in `dropped`.
 * Order     windows are sorted by device, then time; a device's windows are contiguous.
 * Lifetime  mw_windows_make -> ... -> mw_windows_free; the rows are needed for the first alone.
 */
#ifndef MW_LEARN_MODEL_WINDOWS_H
#define MW_LEARN_MODEL_WINDOWS_H

#include "core/table/resample.h"
#include "learn/model/model.h"

typedef struct mw_window_column {
    const char *name;  /* "temperature_mean" */
    int32_t parameter; /* index into parameters */
    mw_aggregate aggregate;
    const double *values; /* [n], NaN = missing */
} mw_window_column;

typedef struct mw_windows {
    mw_mem *mem;
    mw_table *table; /* what mw_resample gave; all pointers below go into it */
    int64_t n;
    const int64_t *start;    /* [n] us */
    const mw_column *device; /* NULL: one device without a name */
    int32_t n_devices;
    int64_t interval_us, spacing_us;
    char **parameters;    /* [n_parameters] names */
    const double **means; /* [n_parameters][n] */
    bool *varies;         /* [n_parameters] its mean has at least two values */
    int32_t n_parameters;
    mw_window_column *columns; /* [n_columns] */
    int32_t n_columns;
    const char **dropped; /* [n_dropped] column names */
    int32_t n_dropped;
} mw_windows;

/* interval: max(min_interval_us, median spacing). MW_EDATA without rows or parameters. */
mw_status mw_windows_make(const mw_ctx *ctx, const mw_row_stream *rows, int64_t min_interval_us,
                          mw_windows **ret, mw_err *err);
void *mw_windows_free(mw_windows *windows);

/* -1 without a device column; then device 0 is meant. */
int32_t mw_windows_device(const mw_windows *windows, int64_t window);
mw_str mw_windows_device_name(const mw_windows *windows, int64_t window); /* empty: none */
/* Index of a parameter; -1 when there is none of that name. */
int32_t mw_windows_parameter(const mw_windows *windows, const char *name);

#endif
