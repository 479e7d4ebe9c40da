/*
 * datetime.h -- time stamps as text <-> int64 microseconds UTC, proleptic Gregorian, and durations.
 */
#ifndef MW_CORE_TEXT_DATETIME_H
#define MW_CORE_TEXT_DATETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

#define MW_TIME_NONE INT64_MIN

/*
 * Reads `YYYY-MM-DD`, then optionally `T` or a blank and `HH:MM[:SS[.f...]]`, then optionally a zone
 * `Z`, `+HH:MM`, `+HHMM` or `+HH`. Digits past microseconds are cut. Without a zone the stamp is UTC
 * and *has_zone is false. Second 60 counts as the next minute's 0. False when it is not such a stamp
 * (month 13, 30 February, ...) or lies outside the years 0000 to 9999 UTC: what is read can be printed
 * and read again.
 */
bool mw_time_read(const char *text, size_t size, int64_t *ret_us, bool *has_zone);

/* Date alone (us of its midnight) and time of day alone `HH:MM[:SS[.f...]]` (us since midnight). */
bool mw_time_read_date(const char *text, size_t size, int64_t *ret_us);
bool mw_time_read_clock(const char *text, size_t size, int64_t *ret_us);

enum { MW_TIME_TEXT_MAX = 40 };

/* "2026-11-21T07:06:00Z", with ".5" or up to six digits when needed. Returns the length. */
size_t mw_time_print(int64_t time_us, char out[MW_TIME_TEXT_MAX]);

/* pandas-like spans: "5min", "1h", "30s", "500ms", "250us", "1d", "1w", "min", "h"; also "T", "H",
 * "S", "D", "W", "L", "U". Positive, at most 3660 days. False otherwise. */
bool mw_duration_read(const char *text, size_t size, int64_t *ret_us);
/* The largest unit that divides it: "5min". */
size_t mw_duration_print(int64_t duration_us, char out[MW_TIME_TEXT_MAX]);

typedef struct mw_civil {
    int year, month, day; /* 1..12, 1..31 */
    int hour, minute, second, us;
    int weekday; /* 0 = Monday */
    int yearday; /* 0 = 1 January */
} mw_civil;

void mw_time_civil(int64_t time_us, mw_civil *ret);
int64_t mw_time_from_civil(const mw_civil *civil);

#endif
