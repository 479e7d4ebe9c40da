/*
 * zscore.c -- how far a value lies from the mean of all the device's values before it, in their standard deviations.
 *
 * Sums run in the order of the rows, of differences to the device's first value.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

typedef struct state {
    double n, sum, squares, about;
} state;

static double score(const state *s, double x) {
    if (s->n < 2) return MW_NAN;
    const double left = s->squares - s->sum * (s->sum / s->n);
    const double std = mw_sqrt((left < 0 ? 0 : left) / (s->n - 1));
    return std > 0 ? (x - s->about - s->sum / s->n) / std : MW_NAN;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)node;
    (void)mem;
    (void)err;
    state *s = data;
    for (int32_t i = 0; i < span->n; i++) {
        const double x = in[0][i];
        out[0][i] = score(s, x);
        if (mw_isnan(x)) continue;
        if (s->n == 0) s->about = x;
        const double d = x - s->about;
        s->n += 1;
        s->sum += d;
        s->squares += d * d;
    }
    return MW_OK;
}

const mw_kernel mw_kernel_zscore = {.name = "zscore", .state_bytes = sizeof(state), .push = push};
