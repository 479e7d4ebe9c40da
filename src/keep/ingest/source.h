/*
 * source.h -- the bytes of one telemetry file: plain, gzip or zstd, as UTF-8, hashed on the way.
 *
 * What      a stream of decoded bytes. gzip and zstd are told by their magic bytes, never by the name;
 *           concatenated members or frames are one content. The path "-" is standard input, the only
 *           place where a pipe or a device is read. The hash is of the bytes as stored, so that it can be
 *           checked without decoding: `x` and the hex digits of XXH3-128 (docs/decisions/0016).
 * Lifetime  mw_source_open -> [mw_source_skip_hash] -> [mw_source_peek] -> [mw_source_set_text,
 *           mw_source_set_notes] -> mw_source_fill* -> mw_source_hash ->
 *           mw_source_close
 * Changes   a file is read up to the size it had when it was opened. When it has shrunk, or has grown and the
 *           part read ends inside a line, reading fails at the end: a row cut in two is not to be
 *           trusted. Any other change while it was read is told by mw_source_note. A file that is
 *           removed or replaced under its name is read as it was.
 * Memory    1 MiB from the first byte on (packed, or until it is handed out), 1 MiB more once peeked, and what unpack.h says.
 */
#ifndef MW_KEEP_INGEST_SOURCE_H
#define MW_KEEP_INGEST_SOURCE_H

#include "core/base/ctx.h"
#include <stdbool.h>

#include "core/base/hash.h"

enum { MW_SOURCE_CHUNK_BYTES = 1 << 20 };

typedef struct mw_source mw_source;

/* The part of a path after its last slash, "stdin" for "-"; what a file is called in messages and in a dataset. */
const char *mw_source_name(const char *path);
bool mw_source_is_stdin(const char *path); /* "-" */

/* MW_ENOTFOUND, MW_EIO or MW_EDATA (a folder, a device, a pipe that is not "-"). path is borrowed until the close. */
mw_status mw_source_open(const mw_ctx *ctx, const char *path, mw_source **ret, mw_err *err);
void *mw_source_close(mw_source *source); /* NULL is allowed; returns NULL */

/* No hash is wanted. Before the first byte is read. */
void mw_source_skip_hash(mw_source *source);

/* How the bytes that follow are written; what mw_source_fill gives is UTF-8 with LF or CRLF. Before the first fill. */
enum mw_source_text { MW_SOURCE_UTF8, MW_SOURCE_UTF16LE, MW_SOURCE_UTF16BE, MW_SOURCE_LATIN1 };

/* The first decompressed bytes, at most MW_SOURCE_CHUNK_BYTES, not consumed; *ret_whole: nothing follows. Valid until the first fill. */
mw_status mw_source_peek(mw_source *source, const char **ret, size_t *ret_size, bool *ret_whole,
                         mw_err *err);
/* A byte-order mark is left out; bytes that are no text of the encoding become U+FFFD (UTF-16) or are kept (UTF-8).
 * unify_lines: a CR that no LF follows counts as a line end and is given as LF. Without this call the
 * bytes are given as they are, a byte-order mark included. */
mw_status mw_source_set_text(mw_source *source, enum mw_source_text text, bool unify_lines,
                             mw_err *err);
/* The content is a rejects file (mw_rejects_recognize): its head and its notes become empty lines, as
 * reject_notes.h says. quote, escape: of the dialect. Before the first fill. */
void mw_source_set_notes(mw_source *source, char quote, char escape);
/*
 * Fills buf [capacity] from where the last fill ended; *ret_size is less than capacity only at the end. Decompressed, decoded. Plain UTF-8 is
 * read straight into buf. Reports progress (total 0: unknown) and checks for cancellation. MW_EDATA when a packed stream is damaged or cut or
 * the file changed (see above), MW_EUNSUPPORTED when zstd needs a window of more than 128 MiB, MW_ETOOLARGE past MW_LIMIT(FILE_BYTES).
 */
mw_status mw_source_fill(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                         mw_err *err);

uint64_t mw_source_stored(const mw_source *source); /* stored bytes read so far */
uint64_t mw_source_total(const mw_source *source);  /* stored bytes of the whole; 0: unknown */
/* Upper bound of the bytes still to come; infinite when it is not known. */
double mw_source_remaining(const mw_source *source);
/* A guess at them: a packed source goes on as it was so far. Infinite when it is not known. */
double mw_source_expected(const mw_source *source);

/* After the end: NULL, or what happened to the file while it was read ("grew ..."), for the log. */
const char *mw_source_note(const mw_source *source);

/* After the end: hash of the stored bytes; "" when none was wanted. */
void mw_source_hash(const mw_source *source, char name[MW_HASH128_NAME]);

/* Hash of a whole file without decoding it. MW_EINVAL for "-", which can be read only once. */
mw_status mw_source_hash_file(const mw_ctx *ctx, const char *path, char name[MW_HASH128_NAME],
                              uint64_t *ret_bytes, mw_err *err);

#endif
