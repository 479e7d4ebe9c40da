/*
 * standouts.h -- which parameters made a window stand out, and how far.
 *
 * What      for each given window the parameters whose statistic lies farthest from what is typical
 *           of its device: deviations = (value - median) / sigma, sigma the median absolute
 *           deviation times 1.4826 (Iglewicz and Hoaglin 1993, modified z-score). Where half of the
 *           values are equal that is 0; the mean absolute deviation times 1.2533 takes its place.
 *           A device with few windows is compared with all devices.
 */
#ifndef MW_LEARN_MODEL_STANDOUTS_H
#define MW_LEARN_MODEL_STANDOUTS_H

#include "learn/model/windows.h"

enum { MW_STANDOUTS = 3 };

typedef struct mw_standout {
    int32_t column; /* index into windows->columns; -1: no (further) parameter */
    double value, typical, deviations;
} mw_standout;

/* ret [n][MW_STANDOUTS], farthest first, a parameter at most once per window; window [n] in any
 * order. */
mw_status mw_standouts_find(const mw_ctx *ctx, const mw_windows *windows, const int64_t *window,
                            int64_t n, mw_standout *ret, mw_err *err);

#endif
