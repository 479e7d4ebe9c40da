/*
 * resample.h -- per-device windows over rows, in one pass.
 *
 * What      windows [k*interval, (k+1)*interval) anchored at 1970-01-01T00:00:00Z. For each parameter: mean, min, max,
 *           std (ddof 1; missing below two values), count, last (by time, then by row). Missing values are skipped. A
 *           window without any row makes no row.
 * Order     values enter a window's sums in (time, row) order, so the result has one value however the stream is cut.
 * Memory    the windows, one open window a device, some chunks: nothing that grows with the rows.
 */
#ifndef MW_CORE_TABLE_RESAMPLE_H
#define MW_CORE_TABLE_RESAMPLE_H

#include "core/table/rowstream.h"

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

/* Median of the differences between neighboring distinct times of one device, over all devices; 0 when there are none.
 * Reads the stream's times once where they are regular, else a few times: exact, in constant memory. */
mw_status mw_median_spacing(const mw_ctx *ctx, const mw_row_stream *rows, int64_t *ret_us,
                            mw_err *err);

/*
 * Result: columns `time` (window start), `device` (dictionary, if the stream has devices), and for each parameter c: "c_mean", "c_min",
 * "c_max", "c_std", "c_count", "c_last"; "c_mean" alone where the windows that have a value hold fewer than spread_from
 * of them on average. Sorted by device (by name, the one without a name first), then time. A chunk that has a row older than the chunks
 * before is MW_EDATA.
 */
mw_status mw_resample(const mw_ctx *ctx, const mw_row_stream *rows, int64_t interval_us,
                      double spread_from, mw_table **ret, mw_err *err);

#endif
