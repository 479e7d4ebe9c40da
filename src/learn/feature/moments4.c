/*
 * moments4.c -- rolling skew and excess kurtosis, without bias (G1 and G2 of Joanes and Gill 1998), as pandas has them.
 *
 * Sums of the first to the fourth powers of differences to a value of the window, put together and in the order of window_sums.h; central
 * powers follow from them. Missing values are ignored; skew is missing below three values, kurtosis below four.
 *
 * All values equal: skew is 0 and kurtosis -3, as in pandas 2 (0/0, which pandas 3 leaves missing). pandas 2 takes any variance below 1e-14 for none,
 * whatever the unit; here small differences count, down to where powers leave a double's range: a spread below about 1e-70 is
 * missing, one whose squares are 0 is none.
 */
#include "learn/feature/window_sums.h"

enum { SKEW, KURTOSIS };

static const double flat_skew = 0, flat_kurtosis = -3;
static const double least_squares = 1e-140; /* twice that power is a full double */

static inline void add(mw_sums *p, double dt, double dx) {
    (void)dt;
    const double square = dx * dx;
    p->sum[0] += dx;
    p->sum[1] += square;
    p->sum[2] += square * dx;
    p->sum[3] += square * square;
}

/* The binomial formulas, in Horner's form. */
static inline void shift(mw_sums *p, double dt, double d) {
    (void)dt;
    const double n = p->n, one = p->sum[0], two = p->sum[1], three = p->sum[2];
    p->sum[0] += n * d;
    p->sum[1] += d * (2 * one + n * d);
    p->sum[2] += d * (3 * two + d * (3 * one + n * d));
    p->sum[3] += d * (4 * three + d * (6 * two + d * (4 * one + n * d)));
}

static inline double finite(double x) { return mw_isfinite(x) ? x : MW_NAN; }

static inline double skew_of(double n, double two, double three) {
    if (two == 0) return flat_skew;
    if (!(two >= least_squares)) return MW_NAN;
    return finite(n * mw_sqrt(n - 1) / (n - 2) * (three / (two * mw_sqrt(two))));
}

static inline double kurtosis_of(double n, double two, double four) {
    if (two == 0) return flat_kurtosis;
    if (!(two >= least_squares)) return MW_NAN;
    const double ratio = four / (two * two);
    return finite((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * n * ratio - 3 * (n - 1)));
}

static inline void give(const mw_sums *p, double *const *out, int32_t i) {
    const double n = p->n, one = p->sum[0], two = p->sum[1], three = p->sum[2];
    const double mean = n > 0 ? one / n : 0;
    const double left = two - one * mean, squares = left < 0 ? 0 : left;
    if (out[SKEW])
        out[SKEW][i] =
            n >= 3 ? skew_of(n, squares, three - mean * (3 * two - 2 * mean * one)) : MW_NAN;
    if (!out[KURTOSIS]) return;
    const double four = p->sum[3] - mean * (4 * three - mean * (6 * two - 3 * mean * one));
    out[KURTOSIS][i] = n >= 4 ? kurtosis_of(n, squares, four) : MW_NAN;
}

static const mw_sums_kind kind = {.add = add, .shift = shift, .give = give};

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    return mw_sums_push(&kind, node, data, span, in[0], out, mem, err);
}

const mw_kernel mw_kernel_moments4 = {.name = "moments4",
                                      .state_bytes = sizeof(mw_sums_state),
                                      .from_past = true,
                                      .windowed = true,
                                      .looks_back = true,
                                      .push = push,
                                      .done = mw_cells_done};
