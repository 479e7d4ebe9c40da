/*
 * pair.c -- two values of one row: product, ratio, difference. A ratio to zero is missing.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { PRODUCT, RATIO, DIFFERENCE };

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)node;
    (void)data;
    (void)mem;
    (void)err;
    const double *a = in[0], *b = in[1];
    if (out[PRODUCT])
        for (int32_t i = 0; i < span->n; i++) out[PRODUCT][i] = a[i] * b[i];
    if (out[RATIO])
        for (int32_t i = 0; i < span->n; i++) out[RATIO][i] = b[i] != 0 ? a[i] / b[i] : MW_NAN;
    if (out[DIFFERENCE])
        for (int32_t i = 0; i < span->n; i++) out[DIFFERENCE][i] = a[i] - b[i];
    return MW_OK;
}

const mw_kernel mw_kernel_pair = {.name = "pair", .from_past = true, .push = push};
