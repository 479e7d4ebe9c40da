/*
 * features_out.h -- features to a file, CSV or Arrow by its name, some thousand rows at a time.
 */
#ifndef MW_RUN_OP_FEATURES_OUT_H
#define MW_RUN_OP_FEATURES_OUT_H

#include "core/table/chunk.h"
#include "learn/feature/program.h"

typedef struct mw_features_out mw_features_out;

mw_status mw_features_out_new(const mw_ctx *ctx, const char *path, const mw_program *program,
                              mw_features_out **ret, mw_err *err);
/* Whether adding keeps one thread busy only, and not those of ctx. */
bool mw_features_out_is_serial(const mw_features_out *out);
/* A chunk of the program's outputs, float32. CSV: a missing value is an empty cell. */
mw_status mw_features_out_add(mw_features_out *out, const mw_chunk *chunk, mw_err *err);
/* The file is there with its bytes, or not at all. */
mw_status mw_features_out_commit(mw_features_out *out, uint64_t *ret_bytes, mw_err *err);
void *mw_features_out_free(mw_features_out *out); /* what is not committed is removed */

#endif
