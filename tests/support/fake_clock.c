/* fake_clock.c -- two atomic counters behind an mw_clock. */
#include "support/fake_clock.h"

static int64_t fake_utc(void *self) { return atomic_load(&((mw_fake_clock *)self)->utc_us); }

static int64_t fake_monotonic(void *self) {
    return atomic_load(&((mw_fake_clock *)self)->monotonic_us);
}

static void fake_sleep(void *self, int64_t duration_us) {
    mw_fake_clock *fake = self;
    if (duration_us <= 0) return;
    atomic_fetch_add(&fake->slept_us, duration_us);
    mw_fake_clock_advance(fake, duration_us);
}

void mw_fake_clock_init(mw_fake_clock *fake, int64_t utc_us) {
    fake->clock = (mw_clock){
        .utc_us = fake_utc, .monotonic_us = fake_monotonic, .sleep_us = fake_sleep, .self = fake};
    atomic_init(&fake->utc_us, utc_us);
    atomic_init(&fake->monotonic_us, MW_US_PER_SECOND);
    atomic_init(&fake->slept_us, 0);
}

void mw_fake_clock_advance(mw_fake_clock *fake, int64_t duration_us) {
    atomic_fetch_add(&fake->utc_us, duration_us);
    atomic_fetch_add(&fake->monotonic_us, duration_us);
}

void mw_fake_clock_set_utc(mw_fake_clock *fake, int64_t utc_us) {
    atomic_store(&fake->utc_us, utc_us);
}
