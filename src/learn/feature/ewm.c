/*
 * ewm.c -- exponentially weighted mean and standard deviation of all values so far; a half-life (a time or rows) before the newest value a
 * weight is half of its.
 *
 * Both are ratios of sums over weights, so weights are kept relative to the newest value's, which is 1. Row by row, oldest first, with f
 * the decay since the value before, o = f weight, d = x - mean:
 *     mean = (o mean + x) / (o + 1);  squares = f squares + d d o / (o + 1)   (West 1979)
 *     pairs = f f pairs + 2 o: the square of the sum of weights less the sum of their squares;  weight = o + 1
 *     standard deviation = sqrt(weight squares / pairs)
 * which is pandas' adjust=True and bias=False: squares / weight, times W W / (W W - sum of w w). Nothing is subtracted but d, so nothing cancels.
 * For half-lives in time that is the natural equivalent; pandas' own std knows no times.
 *
 * Missing values add nothing, but rows and time go on (pandas' ignore_na=False): such a row repeats what was. Time decays across gaps as
 * elsewhere; with a half-life in rows all begins anew after a gap, as rows do not tell how long it was. What is more than
 * 200 half-lives before a value (2^-200) is forgotten. After values so large that their squares leave a double's range, all begins anew, too.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { MEAN, STD };
enum { FORGOTTEN = 200 };

typedef struct state {
    double weight; /* sum of weights; 0: no value yet */
    double mean, squares, pairs;
    int64_t at; /* time (us) or number of the newest value's row */
} state;

static state begin(double x, int64_t at) { return (state){.weight = 1, .mean = x, .at = at}; }

static state take(state s, double x, int64_t at, double f) {
    const double old = f * s.weight, weight = old + 1, d = x - s.mean;
    s.mean = d == 0 ? s.mean : (old * s.mean + x) / weight;
    s.squares = f * s.squares + d * d * (old / weight);
    s.pairs = f * f * s.pairs + 2 * old;
    s.weight = weight;
    s.at = at;
    return mw_isfinite(s.mean) && mw_isfinite(s.squares) ? s : begin(x, at);
}

static double spread(const state *s) {
    if (!(s->pairs > 0)) return MW_NAN;
    const double std = mw_sqrt(s->weight * s->squares / s->pairs);
    return mw_isfinite(std) ? std : MW_NAN;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)mem;
    (void)err;
    state s = *(state *)data;
    const bool by_rows = node->args.rows > 0;
    const int64_t half_life = by_rows ? node->args.rows : node->args.us;
    int64_t last_step = 0; /* most steps are the same */
    double f = 1;
    for (int32_t i = 0; i < span->n; i++) {
        const double x = in[0][i];
        const int64_t at = by_rows ? span->first + i : span->times[i];
        const int64_t step = at - s.at;
        if (by_rows && span->run[i] == 0) s = (state){0};
        if (mw_isnan(x)) {
            /* what was */
        } else if (s.weight == 0 || step / half_life >= FORGOTTEN) {
            s = begin(x, at);
        } else {
            if (step != last_step) f = mw_exp2(-(double)step / (double)half_life);
            last_step = step;
            s = take(s, x, at, f);
        }
        if (out[MEAN]) out[MEAN][i] = s.weight > 0 ? s.mean : MW_NAN;
        if (out[STD]) out[STD][i] = spread(&s);
    }
    *(state *)data = s;
    return MW_OK;
}

const mw_kernel mw_kernel_ewm = {.name = "ewm", .state_bytes = sizeof(state), .push = push};
