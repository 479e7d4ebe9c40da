/*
 * read_like.h -- a plain table read the way a model's training table was.
 *
 * Why       a file of three rows suggests other types than the ten thousand the model learned from:
 * categories that look like numbers, a column without a value, a typing error in one cell. The model
 * knows, so the file is not asked.
 */
#ifndef MW_RUN_OP_READ_LIKE_H
#define MW_RUN_OP_READ_LIKE_H

#include "keep/ingest/plain_rows.h"
#include "learn/model/model.h"

/* A table with the columns that a feature program takes, in its types; args of mw_profile_params win over the configuration. */
mw_status mw_op__read_telemetry(const mw_ctx *ctx, const char *path, const mw_args *args,
                                const mw_feature_config *config, const char *target,
                                mw_type target_type, mw_table **ret, mw_plain_bad *ret_bad,
                                mw_err *err);
/* The same rows, block_rows at a time, and no other columns; path is borrowed until mw_plain_rows_close. */
mw_status mw_op__open_telemetry(const mw_ctx *ctx, const char *path, const mw_args *args,
                                const mw_feature_config *config, int64_t block_rows,
                                mw_plain_rows **ret, mw_err *err);

/* A log of events of such telemetry: its devices are names. */
mw_status mw_op__read_events(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_feature_config *config, mw_table **ret, mw_plain_bad *ret_bad,
                             mw_err *err);

/* As mw_ingest_plain_as (args too), with the types of `features` and, if target is not NULL, target_type. */
mw_status mw_op__read_like(const mw_ctx *ctx, const char *path, const mw_args *args,
                           const mw_features *features, const char *target, mw_type target_type,
                           mw_table **ret, mw_plain_bad *ret_bad, mw_err *err);

#endif
