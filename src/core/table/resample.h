/*
 * resample.h -- per-device windows over a raw table.
 *
 * What      windows [k*interval, (k+1)*interval) anchored at 1970-01-01T00:00:00Z. For each float64
 *           column: mean, min, max, std (ddof 1; missing below two values), count, last (by time,
 * then by row). Missing values are skipped. A window without any row makes no row. Order     sums
 * run over rows in (time, row) order within a window, so the result has one value.
 */
#ifndef MW_CORE_TABLE_RESAMPLE_H
#define MW_CORE_TABLE_RESAMPLE_H

#include "core/table/table.h"

typedef enum mw_aggregate {
    MW_AGG_MEAN,
    MW_AGG_MIN,
    MW_AGG_MAX,
    MW_AGG_STD,
    MW_AGG_COUNT,
    MW_AGG_LAST,
    MW_AGG_N
} mw_aggregate;

const char *mw_aggregate_name(mw_aggregate aggregate); /* "mean", ... */

/* Median of the differences between neighboring distinct times of one device, over all devices;
 * 0 when there are none. device may be NULL (one device). */
mw_status mw_median_spacing(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                            int64_t *ret_us, mw_err *err);

/*
 * Result: columns `time` (window start), `device` (dictionary; when device is given), and for each
 * float64 column c of table: "c_mean", "c_min", "c_max", "c_std", "c_count", "c_last". Sorted by
 * device (order of first appearance), then time.
 */
mw_status mw_resample(const mw_ctx *ctx, const mw_table *table, const char *time_column,
                      const char *device_column, int64_t interval_us, mw_table **ret, mw_err *err);

#endif
