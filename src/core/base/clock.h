/*
 * clock.h -- the two clocks, injectable so that tests can jump a day.
 *
 * Time is int64 microseconds: UTC since 1970 for the wall clock, arbitrary origin for the
 * monotonic.
 */
#ifndef MW_CORE_BASE_CLOCK_H
#define MW_CORE_BASE_CLOCK_H

#include <stdint.h>

#define MW_US_PER_SECOND INT64_C(1000000)

typedef struct mw_clock {
    int64_t (*utc_us)(void *self);
    int64_t (*monotonic_us)(void *self);
    void (*sleep_us)(void *self, int64_t duration_us);
    void *self;
} mw_clock;

extern const mw_clock mw_clock_system;

int64_t mw_clock_utc(const mw_clock *clock);       /* us since 1970-01-01T00:00:00Z */
int64_t mw_clock_monotonic(const mw_clock *clock); /* us, never goes back */
double mw_clock_seconds_since(const mw_clock *clock, int64_t start_us); /* start_us: monotonic */
void mw_clock_sleep(const mw_clock *clock, int64_t duration_us);

#endif
