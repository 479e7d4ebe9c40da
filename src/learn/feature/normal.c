/*
 * normal.c -- the distance of a value from what is normal in the row's operating condition, in standard deviations (conditions.h).
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

typedef struct plan {
    const mw_conditions *conditions;
    int32_t sensor;
} plan;

static mw_status prepare(mw_feature_node *node, const mw_feature_setup *setup, mw_err *err) {
    plan *p = mw_arena_calloc(setup->arena, 1, sizeof *p);
    if (!p) return mw_fail_nomem(err, "a feature program");
    *p = (plan){setup->conditions, setup->sensor};
    node->plan = p;
    return MW_OK;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    const plan *p = node->plan;
    (void)data;
    (void)mem;
    (void)err;
    for (int32_t i = 0; i < span->n; i++)
        out[0][i] = p->conditions
                        ? mw_conditions_score(p->conditions, (int32_t)in[1][i], p->sensor, in[0][i])
                        : MW_NAN;
    return MW_OK;
}

const mw_kernel mw_kernel_normal = {
    .name = "normal", .from_past = true, .push = push, .prepare = prepare};
