/*
 * source.h -- the bytes of one telemetry file: plain or gzip, hashed on the way.
 *
 * What      hands out the decoded content in chunks of at most 1 MiB. gzip is told by its magic
 *           bytes, never by the name; concatenated members are one content. The SHA-256 is of the
 *           bytes as stored, so that it can be checked without decoding.
 * Lifetime  mw_source_open -> mw_source_read* -> mw_source_hash -> mw_source_close
 * Memory    1 MiB plain, 2 MiB and zlib's window (about 40 KiB) for gzip.
 */
#ifndef MW_KEEP_INGEST_SOURCE_H
#define MW_KEEP_INGEST_SOURCE_H

#include "core/base/ctx.h"
#include <stdbool.h>

#include "core/base/hash.h"

enum { MW_SOURCE_CHUNK_BYTES = 1 << 20 };

typedef struct mw_source mw_source;

/* The part of a path after its last slash; what a file is called in messages and in a dataset. */
const char *mw_source_name(const char *path);

/* MW_ENOTFOUND, MW_EIO or MW_EDATA (a folder, a device). path is borrowed until the close. */
mw_status mw_source_open(const mw_ctx *ctx, const char *path, mw_source **ret, mw_err *err);
void *mw_source_close(mw_source *source); /* NULL is allowed; returns NULL */

/*
 * The next chunk, valid until the next call; *ret_size 0 at the end. Reports progress and checks
 * for cancellation. MW_EDATA when a gzip stream is damaged or cut, MW_ETOOLARGE past
 * MW_LIMIT(FILE_BYTES).
 */
mw_status mw_source_read(mw_source *source, const char **ret, size_t *ret_size, mw_err *err);

/* How the bytes that follow are written; what mw_source_fill gives is UTF-8 with LF or CRLF. Before the first fill. */
enum mw_source_text { MW_SOURCE_UTF8, MW_SOURCE_UTF16LE, MW_SOURCE_UTF16BE, MW_SOURCE_LATIN1 };

/* The first decompressed bytes, at most MW_SOURCE_CHUNK_BYTES, not consumed; *ret_whole: nothing follows. Valid until the first fill. */
mw_status mw_source_peek(mw_source *source, const char **ret, size_t *ret_size, bool *ret_whole,
                         mw_err *err);
/* A byte-order mark is left out; bytes that are no text of the encoding become U+FFFD (UTF-16) or are kept (UTF-8).
 * unify_lines: a CR that no LF follows counts as a line end and is given as LF. */
mw_status mw_source_set_text(mw_source *source, enum mw_source_text text, bool unify_lines,
                             mw_err *err);
/*
 * Fills buf [capacity] from where the last fill ended; *ret_size is less than capacity only at the end. Decompressed, decoded. Errors as
 * mw_source_read. Plain UTF-8 is read straight into buf.
 */
mw_status mw_source_fill(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                         mw_err *err);

uint64_t mw_source_stored(const mw_source *source); /* stored bytes read so far */
/* Upper bound of the decoded bytes still to come. */
double mw_source_remaining(const mw_source *source);

/* After the end: hash of the stored bytes. May be called once. */
void mw_source_hash(mw_source *source, char hex[MW_SHA256_HEX]);

/* Hash of a whole file without decoding it. */
mw_status mw_source_hash_file(const mw_ctx *ctx, const char *path, char hex[MW_SHA256_HEX],
                              uint64_t *ret_bytes, mw_err *err);

#endif
