/*
 * scheduler.h -- the clock of schedules: who looks at them, when, and what is fired.
 *
 * What      of all servers on a store one, the leader, looks at schedules: the holder of the lease "schedules", which it renews every third of its term while
 *           there is a schedule. It fires what is due: a job, and the schedule's next time by its cron expression, in one transaction
 *           (mw_store_schedule_fire). That is what makes each due time fire once; the lease only keeps the others from looking.
 * Missed    times that passed while nobody looked are made up for by one firing; then comes the next regular time.
 * Put off   what cannot be fired (too many jobs wait, its zone or kind is not known here) is due again a minute later, and so holds up nothing else.
 * Clock     the wall clock says what is due, the monotonic one how old the lease is. Set ahead: what lies between is missed, as above. Set back by up to three
 *           hours: what was fired is not fired again. Set back by more: the clock was wrong before, and its new time counts at once, as in cron(8), so
 *           that no schedule waits until the old time comes again; due times that were fired and lie more than three hours ahead come again.
 * Threads   one at a time; the job manager's thread runs it (docs/decisions/0031-schedules-clock.md says why).
 */
#ifndef MW_RUN_JOB_SCHEDULER_H
#define MW_RUN_JOB_SCHEDULER_H

#include "core/text/zone.h"
#include "run/job/job.h"

#define MW_SCHEDULER_LEASE "schedules"

enum { MW_SCHEDULER_LEASE_US = 15000000 };

typedef struct mw_scheduler {
    mw_ctx ctx;
    mw_store *store;
    const mw_job_kind *kinds;
    const char *holder;
    int32_t max_attempts;
    int64_t lease_us;

    int64_t fence;       /* of the lease; 0: not the leader */
    bool asked;          /* asked_us counts */
    int64_t asked_us;    /* monotonic: when the lease was asked for, or renewed */
    int64_t earliest_us; /* UTC: when the first schedule is due, as far as is known */
    int64_t skew_us;     /* wall clock less monotonic, when last seen */
    int64_t retry_us;    /* monotonic: the store failed, not before then */
    bool changed;        /* the store, since schedules were looked at */
    bool check;          /* the clock may have been set back: look at times far ahead */
    mw_zone *zone;       /* the latest one used */
} mw_scheduler;

/* All arguments are borrowed until mw_scheduler_done. max_attempts: of each job. */
void mw_scheduler_init(mw_scheduler *s, const mw_ctx *ctx, mw_store *store,
                       const mw_job_kind *kinds, const char *holder, int32_t max_attempts,
                       int64_t lease_us);
/* Gives the lease back, so that another one takes over at once. */
void mw_scheduler_done(mw_scheduler *s);

/*
 * mw_scheduler_pass -- does what there is to do now; returns how many jobs it has made.
 *
 *   changed   the store may have changed since the last pass
 *
 * Cost      nothing is asked of the store before the earliest due time, unless it changed or the lease needs it. One transaction a firing, at most 64 firings a
 *           pass: the caller has other things to do, and comes again at once (mw_scheduler_wait_us is 0 then).
 */
int mw_scheduler_pass(mw_scheduler *s, bool changed);

/* How long nothing will be due, as far as is known; INT64_MAX: not the leader, or no schedule. */
int64_t mw_scheduler_wait_us(const mw_scheduler *s);

#endif
