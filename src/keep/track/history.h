/*
 * history.h -- the running history of trainings, readable without Millwright.
 *
 * What      orgs/{org}/models/registry.json (every version of every model, newest first) and
 *           metrics.json (one entry a version in the order they were made, with its metrics). Both are
 *           generated from the store, which stays the truth, and replaced whole: a reader sees the old
 *           file or the new one. The same records give the same bytes.
 * Use       after each commit that made or moved a version; a crash in between is mended by the next.
 */
#ifndef MW_KEEP_TRACK_HISTORY_H
#define MW_KEEP_TRACK_HISTORY_H

#include "core/base/dir.h"
#include "keep/store/store.h"

enum { MW_HISTORY_FORMAT = 1 };

/* models_dir: orgs/{ctx->org}/models, open. MW_EIO and what the store gives. */
mw_status mw_track_write_history(const mw_ctx *ctx, mw_store *store, mw_dir *models_dir,
                                 mw_err *err);

#endif
