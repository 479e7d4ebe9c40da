/*
 * durations.h -- how long things took, counted in buckets, for GET /metrics.
 *
 * What      a histogram of durations with the same bounds everywhere, from 100 us to an hour; zeroed memory is an empty one.
 * Threads   any may add and any may read, without locks. A reader may see the newest duration in the count and not yet in the sum.
 * Cost      two relaxed atomic additions, about 20 ns.
 */
#ifndef MW_CORE_BASE_DURATIONS_H
#define MW_CORE_BASE_DURATIONS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/base/str.h"

enum { MW_DURATIONS_BOUNDS = 16 };

typedef struct mw_durations {
    _Atomic int64_t
        buckets[MW_DURATIONS_BOUNDS + 1]; /* not cumulative; the last: longer than all bounds */
    _Atomic int64_t total_us;
} mw_durations;

/* us below 0 counts as 0: a clock was set back. */
void mw_durations_add(mw_durations *durations, int64_t us);
int64_t mw_durations_count(const mw_durations *durations);

/*
 * mw_durations_write -- the lines `name`_bucket, _sum and _count as Prometheus reads them, without HELP and TYPE.
 *
 *   labels   "kind=\"read\"", without braces; "" for none
 */
void mw_durations_write(const mw_durations *durations, const char *name, const char *labels,
                        mw_buf *out);

#endif
