/*
 * flagged_out.h -- the flagged stretches of features to a file, CSV or Arrow by its name: docs/formats/feature-quality.md.
 */
#ifndef MW_RUN_OP_FLAGGED_OUT_H
#define MW_RUN_OP_FLAGGED_OUT_H

#include "core/base/files.h"
#include "learn/feature/flagged.h"

typedef struct mw_flagged_out mw_flagged_out;

/* Before rows are read: MW_EINVAL, at `quality`, for a path that is neither. path is borrowed. */
mw_status mw_flagged_out_new(const mw_ctx *ctx, const char *path, const mw_program *program,
                             mw_flagged_out **ret, mw_err *err);
/* Once; puts the stretches in the order of their times. devices: NULL where there is one. */
mw_status mw_flagged_out_write(mw_flagged_out *out, const mw_dictionary *devices,
                               mw_flagged_list *stretches, mw_err *err);
/* The file is there with its bytes, or not at all. */
mw_status mw_flagged_out_commit(mw_flagged_out *out, mw_err *err);
void *mw_flagged_out_free(mw_flagged_out *out); /* what is not committed is removed */

#endif
