/* cron_oracle.c -- see cron_oracle.h. */
#include "support/cron_oracle.h"

#include <string.h>

#include "core/text/civil.h"
#include "core/text/datetime.h"

void cron_oracle_any(cron_oracle *ret) {
    memset(ret, 1, sizeof *ret);
    ret->either = false;
}

static bool suits(const cron_oracle *oracle, int64_t local_us) {
    mw_civil c;
    mw_time_civil(local_us, &c);
    const bool day = oracle->day[c.day], weekday = oracle->weekday[(c.weekday + 1) % 7];
    return oracle->minute[c.minute] && oracle->hour[c.hour] && oracle->month[c.month] &&
           (oracle->either ? day || weekday : day && weekday);
}

size_t cron_oracle_due(const cron_oracle *oracle, const mw_zone *zone, int64_t from_us,
                       int64_t to_us, int64_t *ret, size_t capacity) {
    size_t n = 0;
    /* Two days earlier: what the clock has shown before. */
    int64_t t = (from_us / MW_MINUTE_US - 2 * 1440) * MW_MINUTE_US;
    int64_t shown = mw_zone_to_local(zone, t);
    for (; t < to_us; t += MW_MINUTE_US) {
        const int64_t local = mw_zone_to_local(zone, t);
        bool due = oracle->every && suits(oracle, local);
        for (; shown < local; shown += MW_MINUTE_US)
            due |= !oracle->every && suits(oracle, shown + MW_MINUTE_US);
        if (!due || t < from_us) continue;
        if (n < capacity) ret[n] = t;
        n++;
    }
    return n;
}
