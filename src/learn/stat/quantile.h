/*
 * quantile.h -- order statistics of a sample; NaN are left out.
 *
 * Cost      O(n) expected, O(n log n) at worst, no allocation. One value costs microseconds per
 *           thousand rows, so there is no ctx.
 */
#ifndef MW_LEARN_STAT_QUANTILE_H
#define MW_LEARN_STAT_QUANTILE_H

#include "core/base/ctx.h"

/* Linear interpolation between order statistics (numpy's default, Hyndman-Fan type 7). values [n]
 * is reordered; q is clipped to [0, 1]. NaN when every value is missing or q is NaN. */
double mw_quantile(double *values, int64_t n, double q);
double mw_median(double *values, int64_t n); /* of an even number: the mean of the middle two */
/* Median absolute deviation from the median, times 1.4826 (the standard deviation of a normal
 * sample). values [n] is overwritten; ret_median may be NULL. */
double mw_mad(double *values, int64_t n, double *ret_median);

#endif
