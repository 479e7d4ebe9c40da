/*
 * asked.h -- what the sources of an ingest are asked to be read with, so that the same content with other options is not taken for unchanged.
 *
 * Mark      a hash of the options that shape the rows, other than their defaults, and of the saved profile's bytes; "" when all are
 *           defaults. It stands in the metadata of the source's segments, "millwright.options".
 * Lifetime  mw_asked_now -> mw_asked_done, once an ingest
 */
#ifndef MW_KEEP_INGEST_ASKED_H
#define MW_KEEP_INGEST_ASKED_H

#include "core/base/dir.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/param/param.h"

typedef struct mw_asked {
    char mark[MW_SHA256_HEX];
    char profile_hash[MW_HASH128_NAME]; /* of the saved profile's bytes; "": none */
    mw_buf options;                     /* all options, as a JSON object */
} mw_asked;

/* args: of mw_ingest_all_params. */
mw_status mw_asked_now(const mw_ctx *ctx, const mw_args *args, mw_asked *ret, mw_err *err);
void mw_asked_done(mw_asked *asked);
/* The mark of a segment; "" when it has none or cannot be read. dir and segment may be NULL. */
void mw_asked_before(const mw_ctx *ctx, mw_dir *dir, const char *segment, char ret[MW_SHA256_HEX]);

#endif
