/*
 * history.h -- the readable history of trainings, generated from the store.
 */
#ifndef MW_KEEP_TRACK_HISTORY_H
#define MW_KEEP_TRACK_HISTORY_H

#include "core/base/dir.h"
#include "keep/store/store.h"

/* Replaces registry.json (every version, newest first) and metrics.json (the production versions'
 * metrics) in `models`, the folder orgs/{org}/models. */
mw_status mw_history_write(const mw_ctx *ctx, mw_store *store, mw_dir *models, mw_err *err);

#endif
