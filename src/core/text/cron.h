/*
 * cron.h -- cron expressions: when something that is repeated is due next, in a time zone.
 *
 * Form      five fields with blanks between them: minute (0-59), hour (0-23), day of the month (1-31), month (1-12 or jan-dec), day of the week (0-7 or
 *           sun-sat; 0 and 7 are Sunday). A field is a list with commas of values, ranges a-b, *, and either of these with a step /n. Or one of
 *           @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually). Letters in any case.
 * Days      where both day fields are restricted, that is, neither begins with *, a day is due that suits either of them; else one that suits both
 *           (Vixie; crontab(5)).
 * DST rule  that of Debian's cron(8). Set times, whose minute and hour both do not begin with *: a time that the clock skips is due at the first instant
 *           after the gap, one that comes twice is due at the first of both, and what falls on one instant is due once. Intervals, whose minute or
 *           hour begins with *: due whenever the clock shows such a time, so in both hours of autumn and not in the one that never comes: "every 15
 *           minutes" stays every 15 minutes.
 * Source    Vixie's cron 4.1: its virtual clock catches up when the clock jumps ahead and stands still while an hour repeats itself. Its limit of three
 *           hours is not needed here: a zone's table cannot be mistaken for somebody who sets the clock.
 */
#ifndef MW_CORE_TEXT_CRON_H
#define MW_CORE_TEXT_CRON_H

#include "core/text/zone.h"

/* Bit i: value i is in the field. */
typedef struct mw_cron {
    uint64_t minutes;
    uint32_t hours, days, months; /* days from bit 1, months from bit 1 */
    uint32_t weekdays;            /* bits 0 to 6, from Sunday on */
    bool every;                   /* minute or hour begins with *: an interval */
    bool either;                  /* a day that suits one of the day fields will do */
} mw_cron;

/*
 * mw_cron_read -- what the expression says.
 *
 * Cost      O(length), no allocation.
 * Errors    MW_EINVAL, which names the field, what was found in it and, as hint, what is allowed.
 */
mw_status mw_cron_read(const char *text, mw_cron *ret, mw_err *err);

enum {
    MW_CRON_YEARS = 50
}; /* 29 February comes on a given day of the week at least every 40 years */

/*
 * mw_cron_next -- the next time that is due, strictly after after_us.
 *
 *   zone      whose clock the expression reads; borrowed
 *   after_us  UTC
 *   ret_us    UTC; whole minutes of the zone's clock, or the end of a gap in it
 *
 * Cost      a few tests for each month until then and each change of the zone's offset; at most some 600 and 200 (20 us).
 * Errors    MW_ENOTFOUND: it is not due within MW_CRON_YEARS (30 February), or not before the year 10000.
 */
mw_status mw_cron_next(const mw_cron *cron, const mw_zone *zone, int64_t after_us, int64_t *ret_us,
                       mw_err *err);

#endif
