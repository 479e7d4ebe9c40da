/*
 * schedule_sim.h -- several servers' schedulers over one store, under a clock that the test moves.
 *
 * What      a day in which clocks of three zones change, in steps of ten minutes; schedules of two organizations; every due time must have made one job, and
 *           nothing else may have made one. What is due comes from cron_oracle.h.
 */
#ifndef MW_TESTS_UNIT_JOB_SCHEDULE_SIM_H
#define MW_TESTS_UNIT_JOB_SCHEDULE_SIM_H

#include "keep/store/store.h"
#include "support/cron_oracle.h"
#include "support/fake_clock.h"

typedef mw_store *(*sim_opener)(const mw_ctx *ctx);

enum { SIM_SCHEDULES = 10 };

/* Spring or autumn of 2026: where the day begins. */
int64_t sim_start(bool autumn);
/* Makes all schedules, each due for the first time after now_us; their jobs are of this kind. */
void sim_put(const mw_ctx *ctx, mw_store *store, const char *kind, int64_t now_us);
/* The next time after now_us at which something is due. */
int64_t sim_next_due(int64_t now_us);
/* Whether each due time in (from_us, to_us] has made one job: a job may be late by less than late_us. */
void sim_check(const mw_ctx *ctx, mw_store *store, int64_t from_us, int64_t to_us, int64_t late_us);
/* The whole day with n schedulers, of which at random some pause, die with their lease, or stop in order; the last n_usurpers look at schedules whoever has
 * the lease. */
void sim_run(sim_opener open, int n, int n_usurpers, bool autumn, uint64_t seed);

#endif
