/* clock.c -- clock_gettime behind the injectable table. */
#include "core/base/clock.h"

#include <errno.h>
#include <time.h>

static int64_t read_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * MW_US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_utc(void *self) {
    (void)self;
    return read_us(CLOCK_REALTIME);
}

static int64_t system_monotonic(void *self) {
    (void)self;
    return read_us(CLOCK_MONOTONIC);
}

static void system_sleep(void *self, int64_t duration_us) {
    (void)self;
    if (duration_us <= 0) return;
    struct timespec left = {.tv_sec = duration_us / MW_US_PER_SECOND,
                            .tv_nsec = (duration_us % MW_US_PER_SECOND) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

const mw_clock mw_clock_system = {system_utc, system_monotonic, system_sleep, 0};

int64_t mw_clock_utc(const mw_clock *clock) { return clock->utc_us(clock->self); }
int64_t mw_clock_monotonic(const mw_clock *clock) { return clock->monotonic_us(clock->self); }
double mw_clock_seconds_since(const mw_clock *clock, int64_t start_us) {
    return (double)(mw_clock_monotonic(clock) - start_us) / (double)MW_US_PER_SECOND;
}

void mw_clock_sleep(const mw_clock *clock, int64_t duration_us) {
    clock->sleep_us(clock->self, duration_us);
}
