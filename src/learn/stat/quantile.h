/*
 * quantile.h -- order statistics of a sample; NaN are left out.
 */
#ifndef MW_LEARN_STAT_QUANTILE_H
#define MW_LEARN_STAT_QUANTILE_H

#include "core/base/ctx.h"

/* Linear interpolation between order statistics (numpy's default, Hyndman-Fan type 7). values [n] is
 * reordered. NaN when every value is missing. Cost O(n). */
double mw_quantile(double *values, int64_t n, double q);
double mw_median(double *values, int64_t n);
/* Median absolute deviation from the median, times 1.4826. values [n] is overwritten. */
double mw_mad(double *values, int64_t n, double *ret_median);

#endif
