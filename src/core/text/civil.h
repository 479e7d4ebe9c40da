/*
 * civil.h -- days of the proleptic Gregorian calendar: what every reader of dates shares. Day 0 is 1970-01-01.
 *
 * Algorithm  Howard Hinnant, "chrono-compatible low-level date algorithms": years start on 1 March, so the leap
 *            day is the last, and 400 years are one whole era.
 */
#ifndef MW_CORE_TEXT_CIVIL_H
#define MW_CORE_TEXT_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define MW_SECOND_US INT64_C(1000000)
#define MW_MINUTE_US (60 * MW_SECOND_US)
#define MW_HOUR_US (60 * MW_MINUTE_US)
#define MW_DAY_US (24 * MW_HOUR_US)
/* Years 0000 to 9999 UTC: what four digits can say. */
#define MW_TIME_FIRST_US (-719528 * MW_DAY_US)
#define MW_TIME_END_US (2932897 * MW_DAY_US)

static inline int64_t mw_days_of(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static inline bool mw_year_is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* month 1..12 */
static inline int mw_days_in_month(int64_t year, int month) {
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && mw_year_is_leap(year));
}

#endif
