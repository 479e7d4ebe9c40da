/*
 * live.h -- the production models of every organization, loaded once and shared.
 *
 * What      a loaded model with the JSON documents saved beside it (importance.json,
 * anomalies.json). It is immutable and reference-counted; a new production version replaces it at
 * the next get, while those who hold the old one go on with it. Lifetime  mw_live_new ->
 * (mw_live_get -> mw_live_unref)* -> mw_live_free Threads   any; never on an HTTP loop (it reads
 * the store and, after a change, the disk). Cache     a model nobody asked for during idle_us
 * leaves it.
 */
#ifndef MW_RUN_LIVE_LIVE_H
#define MW_RUN_LIVE_LIVE_H

#include "core/base/dir.h"
#include "core/text/json.h"
#include "keep/store/store.h"
#include "learn/model/model.h"

typedef struct mw_live mw_live;

typedef struct mw_live_model {
    const char *name;
    int32_t version;
    int64_t created_us;
    const char *sha256;
    const char *data_hash;
    const mw_json *metrics;    /* OBJECT */
    const mw_json *params;     /* OBJECT */
    const mw_json *importance; /* parsed importance.json, or NULL when the model has none */
    const mw_json *anomalies;  /* parsed anomalies.json, or NULL */
    mw_model *model;
} mw_live_model;

mw_status mw_live_new(const mw_ctx *ctx, mw_dir *data, mw_store *store, int64_t idle_us,
                      mw_live **ret, mw_err *err);
void *mw_live_free(mw_live *live);

/* The production version of `name` in ctx->org. MW_ECONFLICT when nothing has been trained yet;
 * MW_EDATA when its folder is damaged (and says so). */
mw_status mw_live_get(const mw_ctx *ctx, mw_live *live, const char *name, const mw_live_model **ret,
                      mw_err *err);
void mw_live_unref(mw_live *live, const mw_live_model *model);

/* Models in memory now, for /metrics. */
size_t mw_live_count(mw_live *live);

#endif
