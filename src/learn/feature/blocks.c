/*
 * blocks.c -- blocks of rows, and what they give without a spectrum: root mean square and crest factor.
 */
#include "learn/feature/blocks.h"

#include "core/base/limits.h"
#include "core/base/math.h"

enum { RMS, CREST };

mw_status mw_block_check(const mw_feature_node *node, mw_err *err) {
    const int64_t most = MW_LIMIT(FEATURE_BLOCK_ROWS), rows = node->args.rows;
    if (rows >= MW_BLOCK_LEAST && rows <= most) return MW_OK;
    mw_fail(err, MW_EINVAL, "the window of a block is a number of rows from %d to %lld%s",
            (int)MW_BLOCK_LEAST, (long long)most, node->args.us > 0 ? ", not a time" : "");
    mw_err_hint(err, "\"window\": 1024");
    return MW_EINVAL;
}

/* The block that ends with row i: whether it is whole. */
static bool find_block(const mw_feature_node *node, const mw_span *span, const double *x, int32_t i,
                       mw_block *ret) {
    int32_t n;
    if (!mw_span_rows(span, node->args.rows, i, &n) || n < node->args.rows) return false;
    *ret = (mw_block){.x = x + i + 1 - n, .times = span->times + i + 1 - n, .n = n};
    for (int32_t j = 0; j < n; j++)
        if (mw_isnan(ret->x[j])) return false;
    return true;
}

mw_status mw_block_push(const mw_feature_node *node, mw_block_state *state, const mw_span *span,
                        const double *x, double *const *out, mw_block_fn fn, mw_mem *mem,
                        mw_err *err) {
    const int32_t hop = (int32_t)(node->args.rows / 2);
    int32_t due = hop - 1 - (int32_t)(span->first % hop);
    bool wanted[MW_BLOCK_OUTPUTS];
    for (int k = 0; k < MW_BLOCK_OUTPUTS; k++) wanted[k] = out[k] != NULL;
    for (int32_t i = 0; i < span->n; i++) {
        if (span->run[i] == 0) state->known = 0;
        if (i == due) {
            mw_block block;
            due += hop;
            state->known = find_block(node, span, x, i, &block);
            mw_status status =
                state->known ? fn(node, &block, wanted, state->last, mem, err) : MW_OK;
            if (status) return status;
        }
        for (int k = 0; k < MW_BLOCK_OUTPUTS; k++)
            if (wanted[k])
                out[k][i] = state->known && mw_isfinite(state->last[k]) ? state->last[k] : MW_NAN;
    }
    return MW_OK;
}

double mw_block_mean(const mw_block *block) {
    double sum = 0;
    for (int32_t i = 1; i < block->n; i++) sum += block->x[i] - block->x[0];
    return block->x[0] + sum / block->n;
}

static double root_mean_square(const mw_block *block) {
    double sum = 0;
    for (int32_t i = 0; i < block->n; i++) sum += block->x[i] * block->x[i];
    return mw_sqrt(sum / block->n);
}

static double crest(const mw_block *block) {
    const double mean = mw_block_mean(block);
    double peak = 0, sum = 0;
    for (int32_t i = 0; i < block->n; i++) {
        const double d = block->x[i] - mean;
        peak = mw_abs(d) > peak ? mw_abs(d) : peak;
        sum += d * d;
    }
    return peak / mw_sqrt(sum / block->n); /* 0 / 0: missing */
}

static mw_status give(const mw_feature_node *node, const mw_block *block, const bool *wanted,
                      double *ret, mw_mem *mem, mw_err *err) {
    (void)node;
    (void)mem;
    (void)err;
    if (wanted[RMS]) ret[RMS] = root_mean_square(block);
    if (wanted[CREST]) ret[CREST] = crest(block);
    return MW_OK;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    return mw_block_push(node, data, span, in[0], out, give, mem, err);
}

static mw_status prepare(mw_feature_node *node, const mw_feature_setup *setup, mw_err *err) {
    (void)setup;
    return mw_block_check(node, err);
}

const mw_kernel mw_kernel_blocks = {.name = "blocks",
                                    .state_bytes = sizeof(mw_block_state),
                                    .looks_back = true,
                                    .push = push,
                                    .prepare = prepare};
