/* read_like.c -- see read_like.h. */
#include "run/op/read_like.h"

static mw_type type_of(mw_feature_kind kind) {
    switch (kind) {
    case MW_FEATURE_NUMBER: return MW_FLOAT64;
    case MW_FEATURE_BOOL: return MW_BOOL;
    case MW_FEATURE_CATEGORY: return MW_DICTIONARY;
    }
    return MW_FLOAT64;
}

mw_status mw_op__read_like(const mw_ctx *ctx, const char *path, const mw_args *args,
                           const mw_features *features, const char *target, mw_type target_type,
                           mw_table **ret, mw_plain_bad *ret_bad, mw_err *err) {
    size_t n = (size_t)mw_features_count(features);
    mw_plain_column *as = mw_alloc_array(ctx->mem, n + 1, sizeof *as);
    if (!as) return mw_fail_nomem(err, "the list of columns");
    for (size_t i = 0; i < n; i++) {
        const mw_feature *feature = mw_features_at(features, (int32_t)i);
        as[i] = (mw_plain_column){feature->name, type_of(feature->kind)};
    }
    if (target) as[n++] = (mw_plain_column){target, target_type};
    mw_status status = mw_ingest_plain_as(ctx, path, args, as, n, ret, ret_bad, err);
    mw_free(as);
    return status;
}
