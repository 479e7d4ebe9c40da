/*
 * totals.c -- what has added up since the device's first row: seconds at a value other than zero, and the integral over time in value-hours.
 *
 * Seconds: each interval between two rows counts whole or not at all, by the value at its beginning, a missing one standing for the last one
 * before; an interval across a gap does not count. They are counted in microseconds, so there is nothing to round.
 * Integral: trapezoids from each value to the next, oldest first; one whose two values are further apart than a gap does not count, nor
 * one that leaves a double's range. Missing values add nothing: it goes on at the next value, from the last one before.
 * Both are missing before the first value, and repeat themselves where they do not grow.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { ON_TIME, ENERGY };

typedef struct state {
    int64_t values; /* 0: none yet; 1 */
    double value;   /* the last one */
    int64_t value_at, on_us;
    double energy; /* value-hours */
} state;

static const double us_per_hour = 3.6e9;

static void add_trapezoid(state *s, double x, int64_t time, int64_t gap) {
    const int64_t us = time - s->value_at;
    if (us > gap) return;
    const double energy = s->energy + (s->value / 2 + x / 2) * ((double)us / us_per_hour);
    if (mw_isfinite(energy)) s->energy = energy;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)node;
    (void)mem;
    (void)err;
    state *s = data;
    const int64_t *times = span->times;
    for (int32_t i = 0; i < span->n; i++) {
        const double x = in[0][i];
        if (s->value != 0 && span->run[i] > 0) s->on_us += times[i] - times[i - 1];
        if (!mw_isnan(x)) {
            if (s->values > 0) add_trapezoid(s, x, times[i], span->gap[i]);
            s->values = 1;
            s->value = x;
            s->value_at = times[i];
        }
        if (out[ON_TIME]) out[ON_TIME][i] = s->values > 0 ? (double)s->on_us / 1e6 : MW_NAN;
        if (out[ENERGY]) out[ENERGY][i] = s->values > 0 ? s->energy : MW_NAN;
    }
    return MW_OK;
}

const mw_kernel mw_kernel_totals = {.name = "totals", .state_bytes = sizeof(state), .push = push};
