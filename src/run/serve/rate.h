/*
 * rate.h -- how many requests an organization may make: a bucket of tokens each, in this process's memory.
 *
 * What      a bucket fills by `per_second` up to `burst`; a request takes one token, or is told when there will be one. Organizations whose names
 *           nobody has used lately are forgotten, so at most MW_RATE_ORGS have a bucket: being forgotten is to be given a full one.
 * Threads   any. Cost 0.1 us.
 */
#ifndef MW_RUN_SERVE_RATE_H
#define MW_RUN_SERVE_RATE_H

#include <stdbool.h>

#include "core/base/ctx.h"
#include "core/base/str.h"

enum { MW_RATE_ORGS = 4096 };

typedef struct mw_rate mw_rate;

/* "50", "50/s", "600/min", "1000/h": requests in a time, at least one an hour; into requests per second. MW_EINVAL with a hint. */
mw_status mw_rate_parse(const char *text, double *ret_per_second, mw_err *err);

/* burst: tokens of a full bucket; one second's, and at least one. */
mw_status mw_rate_new(const mw_ctx *ctx, double per_second, mw_rate **ret, mw_err *err);
void *mw_rate_free(mw_rate *rate); /* NULL is allowed */

/* 0: a token was taken. Else whole seconds until there is one. */
int64_t mw_rate_take(mw_rate *rate, const char *org);
int64_t mw_rate_refused(const mw_rate *rate); /* since the start; NULL: 0 */

#endif
