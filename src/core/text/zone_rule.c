/*
 * zone_rule.c -- the rule that holds after a zone's last recorded change.
 *
 * Source  POSIX TZ strings (IEEE 1003.1, section 8.3) with the extensions of RFC 8536, section 3.3.1: quoted names
 *         in <>, and clocks from -167 to 167 hours.
 */
#include "core/text/zone_table.h"

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take(cursor *c, char expected) {
    if (c->at == c->end || *c->at != expected) return false;
    c->at++;
    return true;
}

static bool take_number(cursor *c, int most, int *ret) {
    const char *first = c->at;
    int value = 0;
    for (; c->at < c->end && (unsigned)(*c->at - '0') <= 9 && c->at - first < 3; c->at++)
        value = value * 10 + (*c->at - '0');
    if (c->at == first || value > most) return false;
    *ret = value;
    return true;
}

static bool is_letter(char c) { return (unsigned)((c | 32) - 'a') < 26; }

static bool take_name(cursor *c) {
    const char *first = c->at;
    if (take(c, '<')) {
        while (c->at < c->end && *c->at != '>') c->at++;
        return take(c, '>');
    }
    while (c->at < c->end && is_letter(*c->at)) c->at++;
    return c->at - first >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_clock(cursor *c, int most_hours, int64_t *ret_us) {
    bool minus = take(c, '-');
    if (!minus) (void)take(c, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(c, most_hours, &hours)) return false;
    if (take(c, ':') && !take_number(c, 59, &minutes)) return false;
    if (take(c, ':') && !take_number(c, 59, &seconds)) return false;
    int64_t us = hours * MW_HOUR_US + minutes * MW_MINUTE_US + seconds * MW_SECOND_US;
    *ret_us = minus ? -us : us;
    return true;
}

static bool take_day(cursor *c, mw_zone_day *ret) {
    *ret = (mw_zone_day){.clock_us = 2 * MW_HOUR_US};
    if (take(c, 'M')) {
        ret->kind = MW_DAY_OF_MONTH;
        if (!take_number(c, 12, &ret->month) || !take(c, '.') || !take_number(c, 5, &ret->week) ||
            !take(c, '.') || !take_number(c, 6, &ret->weekday))
            return false;
        if (ret->month < 1 || ret->week < 1) return false;
    } else {
        ret->kind = take(c, 'J') ? MW_DAY_JULIAN : MW_DAY_OF_YEAR;
        if (!take_number(c, 365, &ret->day)) return false;
        if (ret->kind == MW_DAY_JULIAN && ret->day < 1) return false;
    }
    return !take(c, '/') || take_clock(c, 167, &ret->clock_us);
}

bool mw_zone__rule_read(const char *text, size_t size, mw_zone_rule *ret) {
    cursor c = {text, text + size};
    mw_zone_rule rule = {0};
    if (!take_name(&c) || !take_clock(&c, 24, &rule.offset_us)) return false;
    rule.offset_us = -rule.offset_us; /* POSIX counts westward */
    if (c.at < c.end) {
        rule.has_summer = true;
        if (!take_name(&c)) return false;
        rule.summer_us = rule.offset_us + MW_HOUR_US;
        if (c.at < c.end && *c.at != ',') {
            if (!take_clock(&c, 24, &rule.summer_us)) return false;
            rule.summer_us = -rule.summer_us;
        }
        if (!take(&c, ',') || !take_day(&c, &rule.begin) || !take(&c, ',') ||
            !take_day(&c, &rule.end))
            return false;
    }
    if (c.at != c.end) return false;
    *ret = rule;
    return true;
}

/* Local time of the change in that year. */
static int64_t change_in(const mw_zone_day *day, int64_t year) {
    int64_t days = mw_days_of(year, 1, 1);
    switch (day->kind) {
    case MW_DAY_OF_YEAR: days += day->day; break;
    case MW_DAY_JULIAN: days += day->day - 1 + (day->day >= 60 && mw_year_is_leap(year)); break;
    case MW_DAY_OF_MONTH: {
        days = mw_days_of(year, day->month, 1);
        int64_t first = ((days % 7) + 11) % 7; /* 0 is Sunday; day 0 was a Thursday */
        int64_t in_month = (day->weekday - first + 7) % 7 + 7 * (day->week - 1);
        if (in_month >= mw_days_in_month(year, day->month)) in_month -= 7;
        days += in_month;
        break;
    }
    }
    return days * MW_DAY_US + day->clock_us;
}

void mw_zone__append(mw_zone *zone, int64_t at_us, int64_t offset_us) {
    size_t n = zone->n;
    if (n && at_us < zone->at_us[n - 1]) return;
    if (n && at_us == zone->at_us[n - 1])
        n = --zone->n; /* a year of summer time begins as one ends */
    int64_t before = zone->offset_us[n];
    if (before == offset_us) return;
    int64_t until = at_us + (before > offset_us ? before : offset_us);
    if (n && until < zone->until_us[n - 1]) until = zone->until_us[n - 1];
    zone->at_us[n] = at_us;
    zone->until_us[n] = until;
    zone->offset_us[n + 1] = offset_us;
    zone->n = n + 1;
}

static int64_t year_of(int64_t time_us) {
    /* A year early at most, and an early year only gives changes that are left out. */
    return 1970 + time_us / MW_DAY_US / 366 - (time_us < 0 ? 8 : 1);
}

void mw_zone__rule_append(mw_zone *zone, const mw_zone_rule *rule) {
    if (!rule->has_summer) return;
    int64_t last_us = zone->n ? zone->at_us[zone->n - 1] : INT64_MIN;
    int64_t year = zone->n ? year_of(last_us) : -1;
    size_t before = zone->n;
    for (int years = 0; years < MW_ZONE_RULE_YEARS; year++) {
        int64_t begin = change_in(&rule->begin, year) - rule->offset_us;
        int64_t end = change_in(&rule->end, year) - rule->summer_us;
        bool summer_first = begin < end;
        int64_t first = summer_first ? begin : end, second = summer_first ? end : begin;
        if (second <= last_us) continue;
        years++;
        if (first > last_us)
            mw_zone__append(zone, first, summer_first ? rule->summer_us : rule->offset_us);
        mw_zone__append(zone, second, summer_first ? rule->offset_us : rule->summer_us);
    }
    zone->repeats = zone->n > before;
}
