/*
 * cron_oracle.h -- when a cron expression is due, found by walking through all minutes: slow, and with nothing of cron.c in it.
 *
 * Use       fill the sets by hand (or with cron_oracle_any), ask for the due times of a stretch of time.
 * Rule      Vixie's virtual clock: the latest time the zone's clock has shown. Set times are due when it passes them, intervals when the clock shows them.
 */
#ifndef MW_TESTS_SUPPORT_CRON_ORACLE_H
#define MW_TESTS_SUPPORT_CRON_ORACLE_H

#include "core/text/zone.h"

typedef struct cron_oracle {
    bool minute[60], hour[24], day[32], month[13], weekday[7];
    bool every, either; /* as in mw_cron */
} cron_oracle;

/* Every field is *. */
void cron_oracle_any(cron_oracle *ret);

/* Due times from_us <= t < to_us, ascending; those beyond capacity are counted only. Cost: 50 ns a minute. */
size_t cron_oracle_due(const cron_oracle *oracle, const mw_zone *zone, int64_t from_us,
                       int64_t to_us, int64_t *ret, size_t capacity);

#endif
