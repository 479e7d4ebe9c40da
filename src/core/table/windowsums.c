/* windowsums.c -- see windowsums.h. */
#include "core/table/windowsums.h"

#include "core/base/math.h"

/* From LARGE on values are scaled: below it the squares of 2^60 differences have a finite sum; a double times SCALE
 * lies below it. */
static const double LARGE = 0x1p+480, SCALE = 0x1p-540;

void mw_window_sums_begin(mw_window_sums *sums) {
    *sums = (mw_window_sums){.low = MW_INFINITY, .high = -MW_INFINITY, .last = MW_NAN, .scale = 1};
}

/* Adds v to *sum, and what the sum's last bit could not hold to *lost. */
static inline void add(double v, double *sum, double *lost) {
    double next = *sum + v;
    double part = next - *sum;
    *lost += (*sum - (next - part)) + (v - part);
    *sum = next;
}

static void scale_down(mw_window_sums *s) {
    s->scale = SCALE;
    s->sum *= SCALE, s->sum_lost *= SCALE;
    s->shifted *= SCALE, s->shifted_lost *= SCALE;
    s->squares *= SCALE, s->squares_lost *= SCALE;
    s->squares *= SCALE, s->squares_lost *= SCALE;
}

void mw_window_sums_add(mw_window_sums *sums, const double *x, const int64_t *rows, int64_t n) {
    mw_window_sums s = *sums;
    for (int64_t i = 0; i < n; i++) {
        double v = x[rows[i]];
        if (mw_isnan(v)) continue;
        if (s.count++ == 0) s.first = v;
        if (mw_abs(v) >= LARGE && s.scale == 1) scale_down(&s);
        if (v < s.low) s.low = v;
        if (v > s.high) s.high = v;
        s.last = v;
        double d = v * s.scale - s.first * s.scale;
        add(v * s.scale, &s.sum, &s.sum_lost);
        add(d, &s.shifted, &s.shifted_lost);
        add(d * d, &s.squares, &s.squares_lost);
    }
    *sums = s;
}

static double mean_of(const mw_window_sums *s) {
    double mean = (s->sum + s->sum_lost) / (double)s->count / s->scale;
    return mean < s->low ? s->low : mean > s->high ? s->high : mean;
}

static double deviation_of(const mw_window_sums *s) {
    double n = (double)s->count;
    double shifted = s->shifted + s->shifted_lost;
    double squares = (s->squares + s->squares_lost - shifted * shifted / n) / (n - 1);
    return squares > 0 ? mw_sqrt(squares) / s->scale : 0;
}

void mw_window_sums_end(const mw_window_sums *s, double out[MW_AGG_N]) {
    for (int a = 0; a < MW_AGG_N; a++) out[a] = MW_NAN;
    out[MW_AGG_COUNT] = (double)s->count;
    if (s->count == 0) return;
    bool finite = mw_isfinite(s->low) && mw_isfinite(s->high);
    out[MW_AGG_MIN] = s->low;
    out[MW_AGG_MAX] = s->high;
    out[MW_AGG_LAST] = s->last;
    out[MW_AGG_MEAN] = finite ? mean_of(s) : s->low + s->high;
    if (finite && s->count > 1) out[MW_AGG_STD] = deviation_of(s);
}
