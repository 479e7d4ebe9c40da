/*
 * unpack.h -- gzip and zstd streams to their content.
 *
 * What      the format is told by its magic bytes; members (gzip) and frames (zstd) that follow each
 *           other are one content; zero bytes behind a gzip member and skippable frames are none.
 * Lifetime  mw_unpack_new -> mw_unpack_fill* -> mw_unpack_free
 * Memory    gzip about 40 KiB. zstd the frame's window and a little: a stream of `zstd -1` to `-19` 0.5
 *           to 8 MiB, of `--long=27` 128 MiB, the most that is read. All in the account given.
 */
#ifndef MW_KEEP_INGEST_UNPACK_H
#define MW_KEEP_INGEST_UNPACK_H

#include <stdbool.h>

#include "core/base/alloc.h"
#include "core/base/status.h"

typedef enum mw_packing { MW_PACKING_NONE, MW_PACKING_GZIP, MW_PACKING_ZSTD } mw_packing;

enum { MW_UNPACK_MAGIC = 4 }; /* as many bytes tell */

mw_packing mw_unpack_detect(const char *data, size_t size);

/* The next packed bytes, valid until the next call; *ret_size 0 at the end. */
typedef mw_status (*mw_unpack_more)(void *self, const char **ret, size_t *ret_size, mw_err *err);

typedef struct mw_unpack mw_unpack;

mw_status mw_unpack_new(mw_mem *mem, mw_packing packing, mw_unpack_more more, void *self,
                        mw_unpack **ret, mw_err *err);
void *mw_unpack_free(mw_unpack *unpack); /* NULL is allowed; returns NULL */
/* Before the first fill: a zstd stream that needs a larger window (a power of two) is MW_ETOOLARGE. */
void mw_unpack_limit_window(mw_unpack *unpack, size_t window_bytes);

/*
 * Fills out [capacity] from where the last call ended; *ret_size is less than capacity only at the end.
 * MW_EDATA when the stream is cut, damaged or followed by something else, MW_EUNSUPPORTED when it asks for
 * a larger window or a dictionary; whatever `more` returns.
 */
mw_status mw_unpack_fill(mw_unpack *unpack, char *out, size_t capacity, size_t *ret_size,
                         mw_err *err);

/* Packed bytes that were handed in and not used yet. */
size_t mw_unpack_waiting(const mw_unpack *unpack);
/* Bytes that one packed byte can become at most. */
double mw_unpack_max_ratio(const mw_unpack *unpack);

#endif
