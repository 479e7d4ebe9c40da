/*
 * append.h -- a file that grows at its end, durably: what a journal is made of.
 *
 * What      what was written counts once mw_append_sync has said so; until then a crash may leave any part of it. A write that fails, or is cut
 *           short, is taken back, so that the file never holds half of one while the process lives.
 * Lifetime  mw_append_open -> (mw_append_write* -> mw_append_sync)* -> mw_append_close
 * Threads   one at a time.
 */
#ifndef MW_CORE_BASE_APPEND_H
#define MW_CORE_BASE_APPEND_H

#include "core/base/dir.h"

typedef struct mw_append mw_append;

/* Opens `name` in dir, which is there (mw_file_replace makes it), at its first `size` bytes: what is behind them is cut off, durably. MW_EDATA: it has
 * less. */
mw_status mw_append_open(const mw_ctx *ctx, mw_dir *dir, const char *name, uint64_t size,
                         mw_append **ret, mw_err *err);
/* All of it or nothing. */
mw_status mw_append_write(mw_append *append, const void *data, size_t size, mw_err *err);
/* All that was written is on disk (fdatasync). After a failure nobody knows what is: cut. */
mw_status mw_append_sync(mw_append *append, mw_err *err);
/* Back to so many bytes, durably. */
mw_status mw_append_cut(mw_append *append, uint64_t size, mw_err *err);
uint64_t mw_append_size(const mw_append *append);   /* bytes written */
uint64_t mw_append_synced(const mw_append *append); /* of them on disk for sure */
void *mw_append_close(mw_append *append);           /* NULL is allowed; returns NULL */

#endif
