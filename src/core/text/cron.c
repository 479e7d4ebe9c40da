/*
 * cron.c -- see cron.h: fields as sets of bits; the next match by months, then within a day, never minute by minute.
 *
 * Local times are one line of minutes on which matches are looked for with bit operations. Set times: from a local time to its instant, which never goes back as
 * local times go on, so the first instant after `after` is found by a few tries. Intervals: from one change of the offset to the next, for between two of them
 * both clocks go alike.
 */
#include "core/text/cron.h"

#include <string.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/text/civil.h"
#include "core/text/datetime.h"

enum { MINUTES_A_DAY = 1440, N_FIELDS = 5 };
enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

typedef struct field_rule {
    const char *what;
    int low, high;
    const char *names; /* of three letters each, from `low` on; NULL: none */
    const char *hint;
} field_rule;

#define FORMS ", * for all, ranges, steps such as "

static const field_rule rules[N_FIELDS] = {
    {"minute", 0, 59, NULL, "allowed are 0 to 59" FORMS "*/15 or 0-30/10, and lists with commas"},
    {"hour", 0, 23, NULL, "allowed are 0 to 23" FORMS "*/2 or 8-18/2, and lists with commas"},
    {"day of the month", 1, 31, NULL,
     "allowed are 1 to 31" FORMS "*/2 or 1-15/7, and lists with commas"},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
     "allowed are 1 to 12, jan to dec" FORMS "*/3 or jan-jun/2, and lists with commas"},
    {"day of the week", 0, 7, "sunmontuewedthufrisat",
     "allowed are 0 to 7 (0 and 7 are Sunday), sun to sat" FORMS
     "*/2 or mon-fri/2, and lists with commas"},
};

static const struct {
    const char *name, *text;
} macros[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
              {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
              {"@annually", "0 0 1 1 *"}};

/* ---- reading ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static bool take(mw_str *text, char c) {
    if (text->size == 0 || text->data[0] != c) return false;
    text->data++, text->size--;
    return true;
}

/* Of at most three digits. */
static bool take_number(mw_str *text, int *ret) {
    int value = 0;
    size_t n = 0;
    for (; n < text->size && text->data[n] >= '0' && text->data[n] <= '9' && n < 3; n++)
        value = value * 10 + (text->data[n] - '0');
    text->data += n, text->size -= n;
    *ret = value;
    return n > 0;
}

static bool take_value(const field_rule *rule, mw_str *text, int *ret) {
    if (take_number(text, ret)) return true;
    if (!rule->names || text->size < 3) return false;
    for (int i = 0; rule->names[3 * i]; i++) {
        if (strncasecmp(text->data, rule->names + 3 * i, 3) != 0) continue;
        text->data += 3, text->size -= 3;
        *ret = rule->low + i;
        return true;
    }
    return false;
}

/* One value, range or step. A range that ends on Sunday goes up to 7. */
static bool read_item(const field_rule *rule, mw_str text, uint64_t *bits) {
    int first = rule->low, last = rule->high, step = 1;
    bool many = take(&text, '*');
    if (!many) {
        if (!take_value(rule, &text, &first)) return false;
        last = first;
        many = take(&text, '-');
        if (many && !take_value(rule, &text, &last)) return false;
        if (many && rule->high == 7 && last == 0 && first > 0) last = 7;
    }
    if (take(&text, '/') && (!many || !take_number(&text, &step))) return false;
    if (text.size || first < rule->low || last > rule->high || first > last) return false;
    if (step < 1 || step > rule->high) return false;
    for (int value = first; value <= last; value += step) *bits |= UINT64_C(1) << (value & 63);
    return true;
}

static mw_status read_field(const field_rule *rule, mw_str text, uint64_t *ret, mw_err *err) {
    *ret = 0;
    for (size_t at = 0; at <= text.size;) {
        const char *comma = at < text.size ? memchr(text.data + at, ',', text.size - at) : NULL;
        const size_t end = comma ? (size_t)(comma - text.data) : text.size;
        const mw_str item = {text.data + at, end - at};
        if (!read_item(rule, item, ret)) {
            const int shown = item.size < 40 ? (int)item.size : 40;
            (void)mw_fail(err, MW_EINVAL, "the %s of a cron expression cannot be \"%.*s\"",
                          rule->what, shown, item.data);
            (void)mw_err_hint(err, "%s", rule->hint);
            return MW_EINVAL;
        }
        at = end + 1;
    }
    return MW_OK;
}

/* Up to N_FIELDS of them; returns how many there are. */
static size_t split(const char *text, mw_str fields[N_FIELDS]) {
    size_t n = 0;
    for (const char *at = text;;) {
        while (is_blank(*at)) at++;
        if (!*at) return n;
        const char *start = at;
        while (*at && !is_blank(*at)) at++;
        if (n < N_FIELDS) fields[n] = (mw_str){start, (size_t)(at - start)};
        n++;
    }
}

static const char *macro_text(mw_str name) {
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (strlen(macros[i].name) == name.size &&
            strncasecmp(macros[i].name, name.data, name.size) == 0)
            return macros[i].text;
    return NULL;
}

static mw_status fail_macro(mw_str name, mw_err *err) {
    (void)mw_fail(err, MW_EINVAL, "there is no cron expression \"%.*s\"",
                  name.size < 40 ? (int)name.size : 40, name.data);
    (void)mw_err_hint(err, "allowed are @hourly, @daily, @weekly, @monthly and @yearly");
    return MW_EINVAL;
}

static mw_status fail_count(size_t n, mw_err *err) {
    (void)mw_fail(err, MW_EINVAL, "a cron expression has five fields, and this one has %zu", n);
    (void)mw_err_hint(
        err,
        "give minute, hour, day of the month, month and day of the week, such as 30 2 * * 1-5");
    return MW_EINVAL;
}

mw_status mw_cron_read(const char *text, mw_cron *ret, mw_err *err) {
    mw_str fields[N_FIELDS];
    uint64_t bits[N_FIELDS];
    mw_status status = MW_OK;
    size_t n = split(text, fields);
    if (n == 1 && fields[0].data[0] == '@') {
        text = macro_text(fields[0]);
        if (!text) return fail_macro(fields[0], err);
        n = split(text, fields);
    }
    if (n != N_FIELDS) return fail_count(n, err);
    for (int i = 0; status == MW_OK && i < N_FIELDS; i++)
        status = read_field(&rules[i], fields[i], &bits[i], err);
    if (status != MW_OK) return status;
    bool starred[N_FIELDS];
    for (int i = 0; i < N_FIELDS; i++) starred[i] = fields[i].data[0] == '*';
    *ret = (mw_cron){.minutes = bits[MINUTE],
                     .hours = (uint32_t)bits[HOUR],
                     .days = (uint32_t)bits[DAY],
                     .months = (uint32_t)bits[MONTH],
                     .weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 127),
                     .every = starred[MINUTE] || starred[HOUR],
                     .either = !starred[DAY] && !starred[WEEKDAY]};
    return MW_OK;
}

/* ---- matches on a clock without changes; minutes are counted from 1970-01-01T00:00 on it ---- */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }

/* At or after a minute of a day. */
static bool next_in_day(const mw_cron *cron, int from, int *ret) {
    const int hour = from / 60;
    const uint64_t minutes = cron->minutes >> (from % 60);
    if ((cron->hours >> hour & 1) && minutes) {
        *ret = from + __builtin_ctzll(minutes);
        return true;
    }
    const uint32_t hours = cron->hours >> (hour + 1);
    if (!hours) return false;
    *ret = (hour + 1 + __builtin_ctz(hours)) * 60 + __builtin_ctzll(cron->minutes);
    return true;
}

/* The days of a month that are due, from bit 1. first: its first day, counted from 1970. */
static uint32_t days_of_month(const mw_cron *cron, int64_t year, int month, int64_t first) {
    if (!(cron->months >> month & 1)) return 0;
    const int thursday = 4; /* 1970-01-01 */
    int weekday = (int)(first + thursday - floor_div(first + thursday, 7) * 7);
    const int n = mw_days_in_month(year, month);
    uint32_t by_weekday = 0;
    for (int day = 1; day <= n; day++, weekday = weekday == 6 ? 0 : weekday + 1)
        by_weekday |= (cron->weekdays >> weekday & 1) << day;
    const uint32_t by_day = cron->days & (uint32_t)((UINT64_C(2) << n) - 2);
    return cron->either ? by_day | by_weekday : by_day & by_weekday;
}

/* From `day` on, before `end`; days since 1970. */
static bool next_day(const mw_cron *cron, int64_t day, int64_t end, int64_t *ret) {
    mw_civil civil;
    mw_time_civil(day * MW_DAY_US, &civil);
    int64_t year = civil.year;
    int month = civil.month;
    for (uint32_t from = UINT32_MAX << civil.day;; from = UINT32_MAX) {
        const int64_t first = mw_days_of(year, month, 1);
        if (first >= end) return false;
        const uint32_t days = days_of_month(cron, year, month, first) & from;
        if (days) {
            *ret = first + __builtin_ctz(days) - 1;
            return *ret < end;
        }
        if (month++ < 12) continue;
        month = 1;
        year++;
    }
}

/* From the minute `from` on, before `end`. */
static bool next_match(const mw_cron *cron, int64_t from, int64_t end, int64_t *ret) {
    const int64_t today = floor_div(from, MINUTES_A_DAY);
    const int64_t end_day = ceil_div(end, MINUTES_A_DAY);
    int64_t day = today;
    int of_day = (int)(from - today * MINUTES_A_DAY);
    if (!next_day(cron, today, end_day, &day)) return false;
    if (day > today) of_day = 0;
    if (!next_in_day(cron, of_day, &of_day)) {
        if (!next_day(cron, today + 1, end_day, &day)) return false;
        (void)next_in_day(cron, 0, &of_day); /* an empty field is refused */
    }
    *ret = day * MINUTES_A_DAY + of_day;
    return *ret < end;
}

/* ---- in a zone ---- */

static bool next_interval(const mw_cron *cron, const mw_zone *zone, int64_t after_us,
                          int64_t end_us, int64_t *ret_us) {
    for (int64_t from_us = after_us + 1; from_us < end_us;) {
        mw_zone_offset offset;
        mw_zone_offset_at(zone, from_us, &offset);
        const int64_t to_us = offset.to_us < end_us ? offset.to_us : end_us;
        int64_t minute;
        if (next_match(cron, ceil_div(from_us + offset.offset_us, MW_MINUTE_US),
                       ceil_div(to_us + offset.offset_us, MW_MINUTE_US), &minute)) {
            *ret_us = minute * MW_MINUTE_US - offset.offset_us;
            return true;
        }
        from_us = to_us;
    }
    return false;
}

/* The instant at which a local time is due, and the local times that are read alike. */
static int64_t instant_of(const mw_zone *zone, int64_t local_us, mw_zone_span *ret) {
    mw_zone_span_at(zone, local_us, ret);
    const bool skipped = ret->odd_case == MW_ZONE_NEVER && local_us >= ret->odd_us;
    return (skipped ? ret->odd_us : local_us) - ret->offset_us;
}

static bool next_set_time(const mw_cron *cron, const mw_zone *zone, int64_t after_us,
                          int64_t end_us, int64_t *ret_us) {
    const int64_t end = floor_div(end_us, MW_MINUTE_US);
    int64_t minute = floor_div(mw_zone_to_local(zone, after_us), MW_MINUTE_US) + 1;
    while (next_match(cron, minute, end, &minute)) {
        mw_zone_span span;
        *ret_us = instant_of(zone, minute * MW_MINUTE_US, &span);
        if (*ret_us > after_us) return *ret_us < end_us;
        /* It comes twice, and the first one is past: on to what comes once. */
        const int64_t once = ceil_div(span.to_us, MW_MINUTE_US);
        minute = once > minute ? once : minute + 1;
    }
    return false;
}

mw_status mw_cron_next(const mw_cron *cron, const mw_zone *zone, int64_t after_us, int64_t *ret_us,
                       mw_err *err) {
    const int64_t horizon_us = MW_CRON_YEARS * 366 * MW_DAY_US;
    int64_t due_us;
    if (after_us < MW_TIME_FIRST_US) after_us = MW_TIME_FIRST_US - 1;
    if (after_us > MW_TIME_END_US) after_us = MW_TIME_END_US;
    const int64_t end_us =
        after_us < MW_TIME_END_US - horizon_us ? after_us + horizon_us : MW_TIME_END_US;
    if (cron->every ? next_interval(cron, zone, after_us, end_us, &due_us)
                    : next_set_time(cron, zone, after_us, end_us, &due_us)) {
        *ret_us = due_us;
        return MW_OK;
    }
    (void)mw_fail(err, MW_ENOTFOUND, "the cron expression names no date of the next %d years",
                  MW_CRON_YEARS);
    (void)mw_err_hint(err, "check its day of the month and its month");
    return MW_ENOTFOUND;
}
