/*
 * scratch.h -- a file without a name, for what does not fit into memory: written once, then read from the start.
 *
 * What      the file is unlinked as soon as it is open, so that it takes no disk once it is freed or the process is gone.
 * Lifetime  mw_scratch_new -> mw_scratch_write* -> (mw_scratch_rewind -> mw_scratch_read*)* -> mw_scratch_free
 * Memory    nothing is buffered: write and read pieces of some 100 KiB. ctx and dir are borrowed and outlive it.
 */
#ifndef MW_CORE_BASE_SCRATCH_H
#define MW_CORE_BASE_SCRATCH_H

#include "core/base/dir.h"

typedef struct mw_scratch mw_scratch;

mw_status mw_scratch_new(const mw_ctx *ctx, mw_dir *dir, mw_scratch **ret, mw_err *err);
mw_status mw_scratch_write(mw_scratch *scratch, const void *data, size_t size, mw_err *err);
mw_status mw_scratch_rewind(mw_scratch *scratch, mw_err *err);
/* All of size; MW_EIO when the file ends before. */
mw_status mw_scratch_read(mw_scratch *scratch, void *data, size_t size, mw_err *err);
void *mw_scratch_free(mw_scratch *scratch); /* NULL is allowed; returns NULL */

#endif
