/*
 * broker.h -- wake-ups between processes through Redis Streams. The store is the truth: a lost wake-up costs a moment, never a job.
 *
 * What      whoever changes the queue adds an entry to the stream "millwright:wake", at most one each two milliseconds; every other process reads the stream and
 *           looks at its store. The stream is kept to about a thousand entries.
 * Outage    without Redis nothing stops: processes look at the store five times a second, as without a broker; connections are tried again each second.
 * Threads   one that tells and one that hears; `heard` is called from the latter.
 */
#ifndef MW_RUN_JOB_BROKER_H
#define MW_RUN_JOB_BROKER_H

#include "core/base/ctx.h"

typedef struct mw_broker mw_broker;

/* address: redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]. MW_EINVAL: another form; that Redis cannot be reached is only logged. */
mw_status mw_broker_open(const mw_ctx *ctx, const char *address, void (*heard)(void *arg),
                         void *arg, mw_broker **ret, mw_err *err);
/* Soon; never waits. NULL is allowed. */
void mw_broker_tell(mw_broker *broker);
void *mw_broker_close(mw_broker *broker); /* NULL is allowed */

#endif
