/* datetime.c -- see datetime.h; the calendar itself is civil.h. */
#include "core/text/datetime.h"

#include <string.h>

#include "core/text/civil.h"
#include "core/text/number.h"

#define SECOND_US MW_SECOND_US
#define MINUTE_US MW_MINUTE_US
#define HOUR_US MW_HOUR_US
#define DAY_US MW_DAY_US
#define LONGEST_DURATION_US (3660 * DAY_US)

/* What is left of a text; reading moves `at`. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take(cursor *c, char expected) {
    if (c->at == c->end || *c->at != expected) return false;
    c->at++;
    return true;
}

/* Exactly n digits. */
static bool take_digits(cursor *c, int n, int *ret) {
    if (c->end - c->at < n) return false;
    int value = 0;
    for (int i = 0; i < n; i++) {
        unsigned digit = (unsigned)(c->at[i] - '0');
        if (digit > 9) return false;
        value = value * 10 + (int)digit;
    }
    c->at += n;
    *ret = value;
    return true;
}

static bool take_date(cursor *c, int64_t *ret_days) {
    int year, month, day;
    if (!take_digits(c, 4, &year) || !take(c, '-') || !take_digits(c, 2, &month) || !take(c, '-') ||
        !take_digits(c, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > mw_days_in_month(year, month)) return false;
    *ret_days = mw_days_of(year, month, day);
    return true;
}

/* Digits of a second's fraction: six count, the others are cut. */
static bool take_fraction(cursor *c, int64_t *ret_us) {
    int64_t value = 0, unit = SECOND_US;
    const char *first = c->at;
    for (; c->at < c->end && (unsigned)(*c->at - '0') <= 9; c->at++) {
        unit /= 10;
        value += unit * (*c->at - '0');
    }
    *ret_us = value;
    return c->at > first;
}

static bool take_clock(cursor *c, int64_t *ret_us) {
    int hour, minute, second = 0;
    int64_t fraction = 0;
    if (!take_digits(c, 2, &hour) || !take(c, ':') || !take_digits(c, 2, &minute)) return false;
    if (take(c, ':')) {
        if (!take_digits(c, 2, &second)) return false;
        if (take(c, '.') && !take_fraction(c, &fraction)) return false;
    }
    if (hour > 23 || minute > 59 || second > 60) return false;
    *ret_us = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    return true;
}

static bool take_zone(cursor *c, int64_t *ret_us) {
    *ret_us = 0;
    if (take(c, 'Z') || take(c, 'z')) return true;
    bool west = take(c, '-');
    if (!west && !take(c, '+')) return false;
    int hours, minutes = 0;
    if (!take_digits(c, 2, &hours)) return false;
    bool colon = take(c, ':');
    if ((colon || c->at < c->end) && !take_digits(c, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    int64_t offset = hours * HOUR_US + minutes * MINUTE_US;
    *ret_us = west ? -offset : offset;
    return true;
}

bool mw_time_read(const char *text, size_t size, int64_t *ret_us, bool *has_zone) {
    cursor c = {text, text + size};
    int64_t days, clock_us = 0, offset_us = 0;
    bool zoned = false;
    if (!take_date(&c, &days)) return false;
    if (c.at < c.end) {
        if (!take(&c, 'T') && !take(&c, ' ') && !take(&c, 't')) return false;
        if (!take_clock(&c, &clock_us)) return false;
        zoned = c.at < c.end;
        if (zoned && !take_zone(&c, &offset_us)) return false;
    }
    if (c.at != c.end) return false;
    int64_t time_us = days * DAY_US + clock_us - offset_us;
    if (time_us < MW_TIME_FIRST_US || time_us >= MW_TIME_END_US) return false;
    *ret_us = time_us;
    *has_zone = zoned;
    return true;
}

bool mw_time_read_date(const char *text, size_t size, int64_t *ret_us) {
    cursor c = {text, text + size};
    int64_t days;
    if (!take_date(&c, &days) || c.at != c.end) return false;
    *ret_us = days * DAY_US;
    return true;
}

bool mw_time_read_clock(const char *text, size_t size, int64_t *ret_us) {
    cursor c = {text, text + size};
    int64_t clock_us;
    if (!take_clock(&c, &clock_us) || c.at != c.end) return false;
    *ret_us = clock_us;
    return true;
}

static char *put_digits(char *out, int64_t value, int n) {
    for (int i = n - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + n;
}

size_t mw_time_print(int64_t time_us, char out[MW_TIME_TEXT_MAX]) {
    mw_civil civil;
    mw_time_civil(time_us, &civil);
    char *p = out;
    int n_year = 4;
    if (civil.year < 0 || civil.year > 9999) { /* ISO 8601's expanded form */
        *p++ = civil.year < 0 ? '-' : '+';
        n_year = 6;
    }
    p = put_digits(p, civil.year < 0 ? -civil.year : civil.year, n_year);
    *p++ = '-';
    p = put_digits(p, civil.month, 2);
    *p++ = '-';
    p = put_digits(p, civil.day, 2);
    *p++ = 'T';
    p = put_digits(p, civil.hour, 2);
    *p++ = ':';
    p = put_digits(p, civil.minute, 2);
    *p++ = ':';
    p = put_digits(p, civil.second, 2);
    if (civil.us) {
        *p++ = '.';
        p = put_digits(p, civil.us, 6);
        while (p[-1] == '0') p--;
    }
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

typedef struct unit {
    const char *name;
    int64_t us;
} unit;

/* Largest first; the first name of each size is the one printed. */
static const unit units[] = {
    {"w", 7 * DAY_US}, {"W", 7 * DAY_US},  {"d", DAY_US},    {"D", DAY_US},    {"h", HOUR_US},
    {"H", HOUR_US},    {"min", MINUTE_US}, {"T", MINUTE_US}, {"s", SECOND_US}, {"S", SECOND_US},
    {"ms", 1000},      {"L", 1000},        {"us", 1},        {"U", 1},
};
enum { N_UNITS = sizeof units / sizeof *units };

bool mw_duration_read(const char *text, size_t size, int64_t *ret_us) {
    size_t n = 0;
    while (n < size && (unsigned)(text[n] - '0') <= 9) n++;
    int64_t count = 1;
    if (n && !mw_number_read_int(text, n, &count)) return false;
    mw_str name = {text + n, size - n};
    for (int i = 0; i < N_UNITS; i++) {
        if (!mw_str_is(name, units[i].name)) continue;
        if (count < 1 || count > LONGEST_DURATION_US / units[i].us) return false;
        *ret_us = count * units[i].us;
        return true;
    }
    return false;
}

size_t mw_duration_print(int64_t duration_us, char out[MW_TIME_TEXT_MAX]) {
    int i = 0;
    while (duration_us == 0 || duration_us % units[i].us) {
        if (i == N_UNITS - 2) break;
        i++;
    }
    char number[MW_NUMBER_MAX];
    size_t n = mw_number_print_int(duration_us / units[i].us, number);
    size_t n_name = strlen(units[i].name);
    memcpy(out, number, n);
    memcpy(out + n, units[i].name, n_name + 1);
    return n + n_name;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

void mw_time_civil(int64_t time_us, mw_civil *ret) {
    int64_t days = floor_div(time_us, DAY_US);
    int64_t rest = time_us % DAY_US;
    if (rest < 0) rest += DAY_US; /* days * DAY_US may lie below the smallest integer */
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t year = year_of_era + era * 400 + (month_from_march >= 10);
    *ret = (mw_civil){
        .year = (int)year,
        .month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9),
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(rest / HOUR_US),
        .minute = (int)(rest / MINUTE_US % 60),
        .second = (int)(rest / SECOND_US % 60),
        .us = (int)(rest % SECOND_US),
        .weekday = (int)((days % 7 + 10) % 7), /* day 0 was a Thursday */
        .yearday = (int)(days - mw_days_of(year, 1, 1))};
}

int64_t mw_time_from_civil(const mw_civil *civil) {
    return mw_days_of(civil->year, civil->month, civil->day) * DAY_US + civil->hour * HOUR_US +
           civil->minute * MINUTE_US + civil->second * SECOND_US + civil->us;
}
