/*
 * features_in.h -- the rows of a telemetry file as a feature program takes them.
 */
#ifndef MW_RUN_OP_FEATURES_IN_H
#define MW_RUN_OP_FEATURES_IN_H

#include "keep/ingest/ingest.h"
#include "learn/feature/config.h"
#include "learn/feature/stream.h"

typedef struct mw_features_in mw_features_in;

/* Reads a configuration from a file; messages name it. mw_feature_config_done *ret. */
mw_status mw_features_in_config(const mw_ctx *ctx, const char *path, mw_feature_config *ret,
                                mw_err *err);

/* The whole file; args of mw_profile_params say how it is to be read. MW_EDATA when it lacks a column or a time. */
mw_status mw_features_in_open(const mw_ctx *ctx, const char *path, const mw_args *args,
                              const mw_feature_config *config, mw_features_in **ret, mw_err *err);
int64_t mw_features_in_count(const mw_features_in *in);
const mw_plain_bad *mw_features_in_bad(const mw_features_in *in);
/* Rows [from, from + n), good until the next call; n at most 65536. */
void mw_features_in_rows(mw_features_in *in, int64_t from, int64_t n, mw_stream_rows *ret);
void *mw_features_in_close(mw_features_in *in);

#endif
