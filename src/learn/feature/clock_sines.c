/*
 * clock_sines.c -- hour of the day (0..23) and day of the week (Monday 0) as points on a circle, in the program's time zone.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { HOUR_SINE, HOUR_COSINE, DAY_SINE, DAY_COSINE };
enum { HOURS = 24, DAYS = 7, MONDAY = 3 /* days from a Monday to 1970-01-01 */ };

static const int64_t us_of_hour = INT64_C(3600000000);

static int64_t hours_since_1970(const mw_zone *zone, int64_t time) {
    if (zone) time = mw_zone_to_local(zone, time);
    const int64_t hours = time / us_of_hour;
    return time % us_of_hour < 0 ? hours - 1 : hours;
}

static double turn(int64_t at, int whole, bool cosine) {
    const double angle = 2 * MW_PI * (double)at / whole;
    return cosine ? mw_cos(angle) : mw_sin(angle);
}

typedef struct state {
    bool known;
    int64_t hours; /* since 1970 by the clock, of the row before */
    double now[DAY_COSINE + 1];
} state;

static void enter(state *s, int64_t hours) {
    if (s->known && hours == s->hours) return;
    const int64_t hour = (hours % HOURS + HOURS) % HOURS;
    const int64_t day = (((hours - hour) / HOURS + MONDAY) % DAYS + DAYS) % DAYS;
    for (int k = HOUR_SINE; k <= HOUR_COSINE; k++) s->now[k] = turn(hour, HOURS, k == HOUR_COSINE);
    for (int k = DAY_SINE; k <= DAY_COSINE; k++) s->now[k] = turn(day, DAYS, k == DAY_COSINE);
    s->known = true;
    s->hours = hours;
}

static mw_status prepare(mw_feature_node *node, const mw_feature_setup *setup, mw_err *err) {
    (void)err;
    node->plan = setup->zone;
    return MW_OK;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)in;
    (void)mem;
    (void)err;
    state *s = data;
    for (int32_t i = 0; i < span->n; i++) {
        enter(s, hours_since_1970(node->plan, span->times[i]));
        for (int k = HOUR_SINE; k <= DAY_COSINE; k++)
            if (out[k]) out[k][i] = s->now[k];
    }
    return MW_OK;
}

const mw_kernel mw_kernel_clock = {.name = "clock",
                                   .state_bytes = sizeof(state),
                                   .from_past = true,
                                   .push = push,
                                   .prepare = prepare};
