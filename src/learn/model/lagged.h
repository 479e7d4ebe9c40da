/*
 * lagged.h -- the supervised view of windows: what was known at a window, and the target one later.
 *
 * Row       a window whose successor (same device, exactly one interval later) has the target, and
 *           whose device had the target at least once up to it.
 * Features  the outputs of a feature program over each device's windows (learn/feature), then its categories. Without a configuration:
 *           every window column, then the target's mean of 1 .. n_lags windows before (missing across a gap), then the device as a
 *           category when there is more than one. A configuration's columns are those of the windows, or parameters: their means.
 *           Nothing later than the window itself is looked at.
 * Flags     rows of which a feature is made of readings of a flagged sensor may be left out.
 * Naive     the target's last known mean at the window: the forecast to beat.
 * Split     by time over all devices: the last test_share of the range is the test part; a row
 *           whose label reaches into it is purged.
 */
#ifndef MW_LEARN_MODEL_LAGGED_H
#define MW_LEARN_MODEL_LAGGED_H

#include "learn/model/windows.h"

typedef struct mw_lagged_part {
    int64_t *window; /* [n] index of the row's window */
    int64_t n;
    float *x;                  /* [n][n_features] */
    double *y;                 /* [n] the target one interval ahead */
    double *naive;             /* [n] */
    int64_t first_us, last_us; /* window starts; 0 when empty */
} mw_lagged_part;

typedef struct mw_lagged {
    mw_mem *mem;
    mw_features *features;
    int32_t n_features;
    int32_t last_feature; /* the target's own mean at the window; -1: it is none, or scaled */
    int64_t n_rows, n_purged;
    int64_t n_flagged; /* rows left out for their flags */
    mw_lagged_part train, test;
} mw_lagged;

/* Which rows are left out. */
typedef struct mw_lagged_flags {
    const mw_table *const *tables; /* [n_tables] of flagged windows (learn/feature/flagged.h) */
    size_t n_tables;
    uint32_t bits;       /* of which one is enough; 0: none is left out */
    uint32_t clock_bits; /* those of a device's clock */
} mw_lagged_flags;

typedef struct mw_lagged_plan {
    mw_str config;  /* JSON; empty: none */
    int32_t n_lags; /* without one */
    double test_share;
    mw_lagged_flags flags;
} mw_lagged_plan;

enum { MW_LAGGED_TRAIN_MIN = 20, MW_LAGGED_TEST_MIN = 5 };

/* MW_EDATA with numbers when either part has too few rows, or when the windows lack what the configuration names. */
mw_status mw_lagged_make(const mw_ctx *ctx, const mw_windows *windows, int32_t target,
                         const mw_lagged_plan *plan, mw_lagged **ret, mw_err *err);
/* The training part once more split by time, the last fifth of its range for validation, with the
 * same purge; copies, to be given to mw_lagged_part_done. Either may come out empty. */
mw_status mw_lagged_validation(const mw_ctx *ctx, const mw_windows *windows,
                               const mw_lagged *lagged, mw_lagged_part *before,
                               mw_lagged_part *after, mw_err *err);
/* marks [w->n]: windows of which a feature carries one of the flags. */
mw_status mw_lagged__mark_flagged(const mw_ctx *ctx, const mw_windows *w,
                                  const mw_features *features, const mw_lagged_flags *flags,
                                  bool *marks, mw_err *err);
void mw_lagged_part_done(mw_lagged_part *part);
void *mw_lagged_free(mw_lagged *lagged);

#endif
