/*
 * windowsums.h -- the statistics of one window of one column, value by value.
 *
 * What      what a window needs to know of the values so far; adding the same values in the same order gives the same
 *           bits, in however many calls.
 * Numerics  sums are compensated (Knuth's TwoSum); the variance is taken from sums of the differences to the window's
 *           first value (Chan, Golub and LeVeque 1983, "shifted data"), of which that value is one: so what cancels is
 *           at most n times what is left. From 2^480 on values are scaled, so that no sum of finite ones overflows.
 */
#ifndef MW_CORE_TABLE_WINDOWSUMS_H
#define MW_CORE_TABLE_WINDOWSUMS_H

#include "core/table/resample.h"

typedef struct mw_window_sums {
    int64_t count;
    double low, high, last;
    double first;                 /* value, not scaled */
    double scale;                 /* of the sums: 1, or 2^-540 */
    double sum, sum_lost;         /* of scale * x */
    double shifted, shifted_lost; /* of scale * (x - first) */
    double squares, squares_lost; /* of its square */
} mw_window_sums;

void mw_window_sums_begin(mw_window_sums *sums);
/* The values x[rows[0 .. n - 1]] in that order; NaN is none. */
void mw_window_sums_add(mw_window_sums *sums, const double *x, const int64_t *rows, int64_t n);
/* out: by mw_aggregate. */
void mw_window_sums_end(const mw_window_sums *sums, double out[MW_AGG_N]);

#endif
