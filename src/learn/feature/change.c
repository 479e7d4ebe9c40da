/*
 * change.c -- how a value differs from that of k rows before: difference, share of it, per second, and the change of that per second.
 * Nothing across a gap; nothing where the row before has no value, or is zero and divided by.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { DIFFERENCE, SHARE, RATE, ACCELERATION };

static double seconds(const mw_span *span, int32_t i, int64_t rows) {
    return (double)(span->times[i] - span->times[i - rows]) / 1e6;
}

static double rate(const mw_span *span, const double *x, int32_t i, int64_t rows) {
    return (x[i] - x[i - rows]) / seconds(span, i, rows);
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)data;
    (void)mem;
    (void)err;
    const double *x = in[0];
    const int64_t k = node->args.rows;
    const int32_t *run = span->run;
    if (out[DIFFERENCE])
        for (int32_t i = 0; i < span->n; i++)
            out[DIFFERENCE][i] = run[i] >= k ? x[i] - x[i - k] : MW_NAN;
    if (out[SHARE])
        for (int32_t i = 0; i < span->n; i++)
            out[SHARE][i] = run[i] >= k && x[i - k] != 0 ? (x[i] - x[i - k]) / x[i - k] : MW_NAN;
    if (out[RATE])
        for (int32_t i = 0; i < span->n; i++)
            out[RATE][i] = run[i] >= k ? rate(span, x, i, k) : MW_NAN;
    if (out[ACCELERATION])
        for (int32_t i = 0; i < span->n; i++) {
            const int32_t before = i - (int32_t)k;
            out[ACCELERATION][i] =
                run[i] >= 2 * k
                    ? (rate(span, x, i, k) - rate(span, x, before, k)) / seconds(span, i, k)
                    : MW_NAN;
        }
    return MW_OK;
}

const mw_kernel mw_kernel_change = {
    .name = "change", .from_past = true, .looks_back = true, .reach = 2, .push = push};
