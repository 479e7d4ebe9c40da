/*
 * lag.c -- the value some rows or some time before: as of that time, no further than a gap before it.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

typedef struct state {
    int64_t
        after; /* number of the first row later than the time looked back to; 0 before the first row */
} state;

static void push_rows(int64_t rows, const mw_span *span, const double *x, double *out) {
    for (int32_t i = 0; i < span->n; i++) out[i] = span->run[i] >= rows ? x[i - rows] : MW_NAN;
}

static void push_time(int64_t us, state *s, const mw_span *span, const double *x, double *out) {
    int64_t after = s->after - span->first;
    if (after < -span->past) after = -span->past;
    for (int32_t i = 0; i < span->n; i++) {
        const int64_t then = span->times[i] - us;
        while (after <= i && span->times[after] <= then) after++;
        const bool has = after > -span->past && then - span->times[after - 1] <= span->gap[i];
        out[i] = has ? x[after - 1] : MW_NAN;
    }
    s->after = after + span->first;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)mem;
    (void)err;
    if (node->args.rows > 0)
        push_rows(node->args.rows, span, in[0], out[0]);
    else
        push_time(node->args.us, data, span, in[0], out[0]);
    return MW_OK;
}

const mw_kernel mw_kernel_lag = {.name = "lag",
                                 .state_bytes = sizeof(state),
                                 .from_past = true,
                                 .looks_back = true,
                                 .push = push};
