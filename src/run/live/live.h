/*
 * live.h -- the production versions of every organization, their documents kept in memory and shared.
 *
 * What      mw_live_get gives the JSON documents saved beside a model (importance.json, anomalies.json) with
 *           its record. The value is immutable and reference-counted; a new production version replaces it
 *           at the next get, while those who hold the old one go on with it. mw_live_check tells whether
 *           the model itself can be used: it is loaded once a version, and again when its file changes.
 * Lifetime  mw_live_new -> (mw_live_get -> mw_live_unref | mw_live_check)* -> mw_live_free
 * Threads   any; never on an HTTP loop (it reads the store and, after a change, the disk).
 * Cache     documents nobody asked for during idle_us leave it. A checked model is not kept.
 */
#ifndef MW_RUN_LIVE_LIVE_H
#define MW_RUN_LIVE_LIVE_H

#include "core/base/dir.h"
#include "core/text/json.h"
#include "keep/store/artifact.h"

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
} mw_live_model;

/* artifacts: who misses a version's folder, or finds it damaged, fetches it from there; may be NULL. */
mw_status mw_live_new(const mw_ctx *ctx, mw_dir *data, mw_store *store, mw_artifacts *artifacts,
                      int64_t idle_us, mw_live **ret, mw_err *err);
void *mw_live_free(mw_live *live);

/* The production version of `name` in ctx->org. MW_ECONFLICT when nothing has been trained yet;
 * MW_EDATA when its folder is damaged (and says so). */
mw_status mw_live_get(const mw_ctx *ctx, mw_live *live, const char *name, const mw_live_model **ret,
                      mw_err *err);
void mw_live_unref(mw_live *live, const mw_live_model *model);

/* MW_OK when the production version of `name` in ctx->org loads; else why not. What the files are to
 * blame for is remembered until one of them changes; a lack of memory, say, is not. */
mw_status mw_live_check(const mw_ctx *ctx, mw_live *live, const char *name, mw_err *err);

/* Versions in memory now, for /metrics. */
size_t mw_live_count(mw_live *live);

#endif
