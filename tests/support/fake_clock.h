/*
 * fake_clock.h -- a clock that moves only when told to, or when somebody sleeps on it.
 *
 * Use       mw_fake_clock fake; mw_fake_clock_init(&fake, utc_us); ctx.clock = &fake.clock;
 * Threads   any may read and sleep; times only grow.
 */
#ifndef MW_TESTS_SUPPORT_FAKE_CLOCK_H
#define MW_TESTS_SUPPORT_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/base/clock.h"

typedef struct mw_fake_clock {
    mw_clock clock; /* clock.self is the struct itself: not to be copied */
    _Atomic int64_t utc_us;
    _Atomic int64_t monotonic_us;
    _Atomic int64_t slept_us; /* sum of all sleeps */
} mw_fake_clock;

void mw_fake_clock_init(mw_fake_clock *fake, int64_t utc_us);

/* Both clocks go on by this much. */
void mw_fake_clock_advance(mw_fake_clock *fake, int64_t duration_us);

/* Only the wall clock jumps, forward or back, as when somebody sets it. */
void mw_fake_clock_set_utc(mw_fake_clock *fake, int64_t utc_us);

#endif
