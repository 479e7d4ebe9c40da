/*
 * slope.c -- rolling slope: by least squares, of the value on the time in seconds.
 *
 * Sums of t, t t, x and t x, with t the microseconds and x the difference of the value to a row of the window, put together and in the order of
 * window_sums.h. Missing values are ignored, with their times; missing below two values.
 */
#include "learn/feature/window_sums.h"

enum { SLOPE };
enum { T, TT, X, TX };

static const double us_per_second = 1e6;

static inline void add(mw_sums *p, double dt, double dx) {
    p->sum[T] += dt;
    p->sum[TT] += dt * dt;
    p->sum[X] += dx;
    p->sum[TX] += dt * dx;
}

/* (t + a)(x + b), summed up; what is read of sums on the right is theirs of before. */
static inline void shift(mw_sums *p, double a, double b) {
    const double na = p->n * a;
    p->sum[TX] += a * p->sum[X] + b * (p->sum[T] + na);
    p->sum[TT] += a * (2 * p->sum[T] + na);
    p->sum[T] += na;
    p->sum[X] += p->n * b;
}

static inline void give(const mw_sums *p, double *const *out, int32_t i) {
    out[SLOPE][i] = MW_NAN;
    if (p->n < 2) return;
    const double mean = p->sum[T] / p->n;
    const double tt = p->sum[TT] - p->sum[T] * mean, tx = p->sum[TX] - p->sum[X] * mean;
    const double slope = tx / tt * us_per_second;
    if (tt > 0 && mw_isfinite(slope)) out[SLOPE][i] = slope;
}

static const mw_sums_kind kind = {.add = add, .shift = shift, .give = give};

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    return mw_sums_push(&kind, node, data, span, in[0], out, mem, err);
}

const mw_kernel mw_kernel_slope = {.name = "slope",
                                   .state_bytes = sizeof(mw_sums_state),
                                   .from_past = true,
                                   .windowed = true,
                                   .looks_back = true,
                                   .push = push,
                                   .done = mw_cells_done};
