/*
 * etag.h -- entity tags of answers (RFC 9110, 8.8.3), and the questions asked with them.
 *
 * What      a tag is the XXH3-64 of an answer's bytes, quoted: the same answer has the same tag in every
 *           process. One that is sent compressed has "-gz" or "-zst" behind it, as a strong tag names bytes;
 *           whoever changes something by If-Match may have read it in either coding.
 */
#ifndef MW_RUN_OP_ETAG_H
#define MW_RUN_OP_ETAG_H

#include <stdbool.h>

#include "core/base/status.h"
#include "core/base/str.h"

enum { MW_ETAG_MAX = 32 };

/* "\"0123456789abcdef\"", with suffix inside the quotes. */
void mw_etag_of(mw_str body, const char *suffix, char out[MW_ETAG_MAX]);

/* If-None-Match: the field has the tag (W/ does not matter), or is "*". NULL data: false. */
bool mw_etag_matches(mw_str if_none_match, const char *tag);

/*
 * mw_etag_check -- If-Match of a change: MW_OK when there is no such field (NULL data), or it names
 * what is there now.
 *
 *   present   the answer that GET would give, or NULL data when there is nothing
 * Errors    MW_ECHANGED
 */
mw_status mw_etag_check(mw_str if_match, mw_str present, mw_err *err);

#endif
