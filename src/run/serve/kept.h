/*
 * kept.h -- whole answers that are given again until something in the store changes.
 *
 * What      answers by route, organization, target and coding, each with the version of the store (mw_store_version) that was
 *           read before it was made. One of another version is not found, and replaced by the next. The least recently used go first.
 * Lifetime  mw_kept_new -> (mw_kept_put | mw_kept_find -> mw_kept_drop)* -> mw_kept_free
 * Memory    at most max_bytes together, and an eighth of that for one; what does not fit, or finds no memory, is not kept.
 * Threads   any.
 * Cost      a lock, a hash of the target and a comparison: under 1 us.
 */
#ifndef MW_RUN_SERVE_KEPT_H
#define MW_RUN_SERVE_KEPT_H

#include "core/base/ctx.h"
#include "run/serve/coding.h"

typedef struct mw_kept mw_kept;

typedef struct mw_kept_key {
    const void *route; /* its address */
    const char *org;
    mw_str target;      /* as sent */
    mw_coding accepted; /* what the client likes best */
} mw_kept_key;

typedef struct mw_kept_answer {
    const char *content_type; /* static */
    const char *tag;          /* its ETag */
    const char *lines;        /* head lines of a 200, each ending in CR LF */
    const char *lines_same;   /* ... of a 304 */
    mw_str body;              /* as it is sent */
} mw_kept_answer;

mw_status mw_kept_new(const mw_ctx *ctx, int64_t max_bytes, mw_kept **ret, mw_err *err);
void *mw_kept_free(mw_kept *kept); /* NULL is allowed; nothing may be held any more */

/* Held until it is dropped; NULL: there is none of that version. */
const mw_kept_answer *mw_kept_find(mw_kept *kept, const mw_kept_key *key, uint64_t version);
void mw_kept_drop(mw_kept *kept, const mw_kept_answer *answer);

/* All but content_type is copied. */
void mw_kept_put(mw_kept *kept, const mw_kept_key *key, uint64_t version,
                 const mw_kept_answer *answer);

/* Found so far. */
int64_t mw_kept_found(mw_kept *kept);

#endif
