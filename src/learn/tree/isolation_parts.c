/*
 * isolation_parts.c -- options, samples and c(n) of isolation forests (Liu, Ting, Zhou, ICDM 2008: sub-sampling
 * in section 4.1, c(n) in equation 1); a share of the features for each tree is scikit-learn's addition.
 */
#include "learn/tree/isolation_parts.h"

#include "core/base/limits.h"
#include "core/base/math.h"

#define EULER_GAMMA 0.57721566490153286061

enum { FLOYD_MOST = 2048 };

void mw_isolation_defaults(mw_isolation_options *options) {
    *options = (mw_isolation_options){.n_estimators = 100, .max_samples = 256};
}

double mw_isolation_c(double n_rows) {
    if (n_rows <= 1) return 0;
    if (n_rows <= 2) return 1;
    return 2 * (mw_ln(n_rows - 1) + EULER_GAMMA) - 2 * (n_rows - 1) / n_rows;
}

static mw_status check_options(const mw_isolation_options *options, int64_t n_sample, mw_err *err) {
    if (options->n_estimators < 1 || options->n_estimators > MW_LIMIT(MODEL_TREES)) {
        mw_fail(err, MW_EINVAL, "n_estimators is %d, not between 1 and %lld",
                (int)options->n_estimators, (long long)MW_LIMIT(MODEL_TREES));
        return mw_err_at(err, "n_estimators");
    }
    if (options->max_samples < 1) {
        mw_fail(err, MW_EINVAL, "max_samples is %d, not at least 1", (int)options->max_samples);
        return mw_err_at(err, "max_samples");
    }
    if (options->max_features < 0) {
        mw_fail(err, MW_EINVAL, "max_features is %d, not at least 1", (int)options->max_features);
        return mw_err_at(err, "max_features");
    }
    if ((2 * n_sample - 1) * options->n_estimators <= MW_LIMIT(MODEL_NODES)) return MW_OK;
    mw_fail(err, MW_ETOOLARGE, "%d trees of %lld rows may have more than %lld nodes",
            (int)options->n_estimators, (long long)n_sample, (long long)MW_LIMIT(MODEL_NODES));
    return mw_err_hint(err, "lower max_samples or n_estimators");
}

static int32_t depth_limit(uint32_t n_sample) {
    int32_t depth = 1;
    while ((UINT64_C(1) << depth) < n_sample) depth++;
    return depth;
}

mw_status mw_isolation__plan(const mw_ctx *ctx, const mw_isolation_options *options,
                             mw_matrix matrix, mw_isolation_plan *ret, mw_err *err) {
    mw_status status = mw_matrix_check(ctx, matrix, err);
    if (status != MW_OK) return status;
    const int64_t n_rows = matrix.n_rows;
    const int64_t n_sample = options->max_samples < n_rows ? options->max_samples : n_rows;
    status = check_options(options, n_sample, err);
    if (status != MW_OK) return status;
    const bool all = options->max_features == 0 || options->max_features > matrix.n_features;
    *ret = (mw_isolation_plan){.n_rows = (uint32_t)n_rows,
                               .n_features = (uint32_t)matrix.n_features,
                               .n_sample = (uint32_t)n_sample,
                               .n_tree_features =
                                   (uint32_t)(all ? matrix.n_features : options->max_features),
                               .max_depth = depth_limit((uint32_t)n_sample),
                               .bootstrap = options->bootstrap};
    return MW_OK;
}

/* Floyd's method keeps its draws sorted, at quadratic cost; large samples go through all rows once
 * (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S). */
void mw_isolation__sample(const mw_isolation_plan *plan, mw_rng *rng, uint32_t *sample) {
    const uint32_t n_rows = plan->n_rows, n_sample = plan->n_sample;
    if (plan->bootstrap) {
        for (uint32_t i = 0; i < n_sample; i++) sample[i] = (uint32_t)mw_rng_below(rng, n_rows);
        return;
    }
    if (n_sample <= FLOYD_MOST && n_sample < n_rows) {
        mw_rng_sample(rng, n_rows, n_sample, sample);
        return;
    }
    uint32_t n_taken = 0;
    for (uint32_t row = 0; n_taken < n_sample; row++)
        if (mw_rng_below(rng, n_rows - row) < n_sample - n_taken) sample[n_taken++] = row;
}

uint32_t mw_isolation__draw(mw_rng *rng, uint32_t *features, uint32_t n_seen, uint32_t n) {
    const uint32_t drawn = n_seen + (uint32_t)mw_rng_below(rng, n - n_seen);
    const uint32_t feature = features[drawn];
    features[drawn] = features[n_seen];
    features[n_seen] = feature;
    return feature;
}

/* Without a draw when a tree gets all of them. */
void mw_isolation__features(const mw_isolation_plan *plan, mw_rng *rng, uint32_t *features) {
    for (uint32_t f = 0; f < plan->n_features; f++) features[f] = f;
    if (plan->n_tree_features == plan->n_features) return;
    for (uint32_t f = 0; f < plan->n_tree_features; f++)
        mw_isolation__draw(rng, features, f, plan->n_features);
}
