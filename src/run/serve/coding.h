/*
 * coding.h -- content codings (RFC 9110, 8.4): gzip and zstd, of request bodies and of answers.
 *
 * Memory    a body is decompressed into a buffer that grows with what comes out of it, up to
 *           max_bytes: what a stream announces allocates nothing. A zstd window may have
 *           MW_LIMIT(UNPACK_WINDOW_BYTES), as RFC 8878 (3.1.1.1.2) asks of every decoder.
 * Cost      decompressing some 300 MB/s of content; compressing 50 (gzip) to 300 (zstd): not on a loop.
 */
#ifndef MW_RUN_SERVE_CODING_H
#define MW_RUN_SERVE_CODING_H

#include "core/base/str.h"

typedef enum mw_coding {
    MW_CODING_IDENTITY,
    MW_CODING_GZIP,
    MW_CODING_ZSTD,
    MW_CODING_UNKNOWN
} mw_coding;

/* Header lines of a 415 for an unknown coding (RFC 9110, 15.5.16). */
#define MW_CODING_ACCEPT "Accept-Encoding: gzip, zstd\r\n"

/* Of a Content-Encoding field; NULL data: identity. Several codings are unknown. */
mw_coding mw_coding_of(mw_str content_encoding);
const char *mw_coding_name(mw_coding coding); /* "gzip" */

/* The one an answer is sent in: of greatest weight in Accept-Encoding; zstd before gzip. */
mw_coding mw_coding_choose(mw_str accept_encoding);

/*
 * mw_coding_unpack -- the content of a whole body.
 *
 *   out     written: NUL-terminated, mw_free it
 * Errors    MW_EPARSE damaged or cut; MW_ETOOLARGE content of more than max_bytes, or a larger window;
 *           MW_EUNSUPPORTED a dictionary; MW_ENOMEM.
 */
mw_status mw_coding_unpack(mw_mem *mem, mw_coding coding, mw_str packed, size_t max_bytes,
                           char **out, size_t *out_size, mw_err *err);

/* As above, the other way. MW_ETOOLARGE when the result would not be smaller. Same content, same
 * bytes. */
mw_status mw_coding_pack(mw_mem *mem, mw_coding coding, mw_str plain, char **out, size_t *out_size,
                         mw_err *err);

#endif
