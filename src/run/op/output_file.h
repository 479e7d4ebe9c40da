/*
 * output_file.h -- a file to write at a path that the user named: there whole, or as it was.
 */
#ifndef MW_RUN_OP_OUTPUT_FILE_H
#define MW_RUN_OP_OUTPUT_FILE_H

#include "core/base/files.h"

/* The folder must exist. MW_EINVAL, at `out`, for what is no regular file. */
mw_status mw_op__create_output(const mw_ctx *ctx, const char *path, mw_file **ret, mw_err *err);

#endif
