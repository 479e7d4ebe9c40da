/* time_step.c -- runs a compiled pattern over one text. The plain reader: time_fields.c must agree with it. */
#include "core/text/time_step.h"

#include <string.h>

typedef mw_time_cursor cursor;

static bool take(cursor *c, char expected) {
    if (c->at == c->end || *c->at != expected) return false;
    c->at++;
    return true;
}

static bool is_digit_at(const cursor *c) { return c->at < c->end && (unsigned)(*c->at - '0') <= 9; }

static bool take_digits(cursor *c, int least, int most, int *ret) {
    int value = 0, n = 0;
    for (; n < most && is_digit_at(c); n++) value = value * 10 + (*c->at++ - '0');
    *ret = value;
    return n >= least;
}

size_t mw_time__blank_size(const char *at, const char *end) {
    if (at == end) return 0;
    if (*at == ' ' || *at == '\t') return 1;
    if (end - at > 1 && memcmp(at, "\xc2\xa0", 2) == 0) return 2;
    return end - at > 2 && memcmp(at, "\xe2\x80\xaf", 3) == 0 ? 3 : 0;
}

static void skip_blanks(cursor *c) {
    for (size_t n; (n = mw_time__blank_size(c->at, c->end)) != 0;) c->at += n;
}

/* Six digits count, the others are cut. */
static bool take_fraction(cursor *c, int64_t *ret_us) {
    int64_t value = 0, unit = MW_SECOND_US;
    const char *first = c->at;
    for (; is_digit_at(c); c->at++) {
        unit /= 10;
        value += unit * (*c->at - '0');
    }
    *ret_us = value;
    return c->at > first;
}

/* A point or comma that digits follow; a comma before a blank belongs to the pattern. */
static void take_optional_fraction(cursor *c, const char *marks, int64_t *ret_us) {
    cursor ahead = *c;
    if (ahead.at == ahead.end || !strchr(marks, *ahead.at) || !*ahead.at) return;
    ahead.at++;
    if (take_fraction(&ahead, ret_us)) *c = ahead;
}

static char lower_at(const cursor *c, size_t i) {
    if ((size_t)(c->end - c->at) <= i) return 0;
    char letter = c->at[i];
    return letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter;
}

/* Letters, and every byte of those beyond ASCII. */
static size_t letters_at(const cursor *c) {
    size_t n = 0;
    for (char c_n; (c_n = lower_at(c, n)) != 0; n++)
        if ((unsigned)(c_n - 'a') >= 26 && (unsigned char)c_n < 0x80) break;
    return n;
}

static bool is_word(const cursor *c, const char *word, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (lower_at(c, i) != word[i]) return false;
    return true;
}

static const char *const day_names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday"};

/* English first; then what German, French, Spanish, Italian, Dutch and Portuguese write otherwise. */
static const struct {
    const char *name;
    int month;
    size_t least; /* letters of it that are enough */
} month_names[] = {{"january", 1, 3},
                   {"february", 2, 3},
                   {"march", 3, 3},
                   {"april", 4, 3},
                   {"may", 5, 3},
                   {"june", 6, 3},
                   {"july", 7, 3},
                   {"august", 8, 3},
                   {"september", 9, 3},
                   {"october", 10, 3},
                   {"november", 11, 3},
                   {"december", 12, 3},
                   {"januar", 1, 6},
                   {"j\xc3\xa4nner", 1, 4},
                   {"februar", 2, 7},
                   {"m\xc3\xa4rz", 3, 4},
                   {"mrz", 3, 3},
                   {"mai", 5, 3},
                   {"juni", 6, 4},
                   {"juli", 7, 4},
                   {"oktober", 10, 3},
                   {"dezember", 12, 3},
                   {"janvier", 1, 7},
                   {"f\xc3\xa9vrier", 2, 4},
                   {"fevrier", 2, 4},
                   {"mars", 3, 4},
                   {"avril", 4, 3},
                   {"juin", 6, 4},
                   {"juillet", 7, 4},
                   {"ao\xc3\xbbt", 8, 4},
                   {"aout", 8, 4},
                   {"septembre", 9, 9},
                   {"octobre", 10, 7},
                   {"novembre", 11, 8},
                   {"d\xc3\xa9"
                    "cembre",
                    12, 4},
                   {"decembre", 12, 8},
                   {"enero", 1, 3},
                   {"febrero", 2, 7},
                   {"marzo", 3, 5},
                   {"abril", 4, 3},
                   {"mayo", 5, 4},
                   {"junio", 6, 5},
                   {"julio", 7, 5},
                   {"agosto", 8, 3},
                   {"septiembre", 9, 6},
                   {"octubre", 10, 7},
                   {"noviembre", 11, 5},
                   {"diciembre", 12, 3},
                   {"gennaio", 1, 3},
                   {"febbraio", 2, 8},
                   {"aprile", 4, 6},
                   {"maggio", 5, 3},
                   {"giugno", 6, 3},
                   {"luglio", 7, 3},
                   {"settembre", 9, 3},
                   {"ottobre", 10, 3},
                   {"dicembre", 12, 8},
                   {"januari", 1, 7},
                   {"februari", 2, 8},
                   {"maart", 3, 4},
                   {"mrt", 3, 3},
                   {"mei", 5, 3},
                   {"augustus", 8, 8},
                   {"janeiro", 1, 7},
                   {"fevereiro", 2, 3},
                   {"mar\xc3\xa7o", 3, 5},
                   {"maio", 5, 4},
                   {"junho", 6, 5},
                   {"julho", 7, 5},
                   {"setembro", 9, 5},
                   {"outubro", 10, 3},
                   {"novembro", 11, 8},
                   {"dezembro", 12, 8}};

int mw_time__month_of(const char *letters, size_t n) {
    cursor c = {letters, letters + n};
    for (size_t i = 0; i < sizeof month_names / sizeof *month_names; i++)
        if (n >= month_names[i].least && n <= strlen(month_names[i].name) &&
            is_word(&c, month_names[i].name, n))
            return month_names[i].month;
    return 0;
}

static bool take_month(cursor *c, int *ret) {
    size_t n = letters_at(c);
    *ret = mw_time__month_of(c->at, n);
    c->at += n;
    return *ret != 0;
}

static bool take_weekday(cursor *c) {
    size_t n = letters_at(c);
    for (size_t i = 0; i < sizeof day_names / sizeof *day_names; i++) {
        if (n < 3 || n > strlen(day_names[i]) || !is_word(c, day_names[i], n)) continue;
        c->at += n;
        return true;
    }
    return false;
}

static bool take_am(cursor *c, mw_time_parts *parts) {
    skip_blanks(c);
    char letter = lower_at(c, 0);
    if (letter != 'a' && letter != 'p') return false;
    c->at++;
    bool dots = take(c, '.');
    if (lower_at(c, 0) != 'm') return false;
    c->at++;
    if (dots && !take(c, '.')) return false;
    parts->am = letter == 'a';
    parts->pm = letter == 'p';
    return true;
}

/*
 * Short names that mean one offset: Europe's, with those that German loggers write, Japan's, and the American ones of RFC 5322 but CST, which is
 * China's, too. BST and IST are several zones as well.
 */
static const struct {
    char name[5];
    int8_t hours;
} offset_names[] = {{"utc", 0},  {"gmt", 0},  {"wet", 0},  {"west", 1}, {"cet", 1},  {"cest", 2},
                    {"mez", 1},  {"mesz", 2}, {"met", 1},  {"mest", 2}, {"eet", 2},  {"eest", 3},
                    {"msk", 3},  {"jst", 9},  {"est", -5}, {"edt", -4}, {"cdt", -5}, {"mst", -7},
                    {"mdt", -6}, {"pst", -8}, {"pdt", -7}};

bool mw_time__offset_of(const char *letters, size_t n, int64_t *ret_us) {
    const cursor c = {letters, letters + n};
    for (size_t i = 0; i < sizeof offset_names / sizeof *offset_names; i++) {
        if (n != strlen(offset_names[i].name) || !is_word(&c, offset_names[i].name, n)) continue;
        *ret_us = offset_names[i].hours * MW_HOUR_US;
        return true;
    }
    return false;
}

size_t mw_time__bracket_size(const char *at, const char *end) {
    const char *to = at;
    if (to == end || *to++ != '[') return 0;
    for (; to < end && *to != ']'; to++) {
        bool letter = (unsigned)((*to | 32) - 'a') < 26 || (unsigned)(*to - '0') < 10;
        if (!letter && *to != '/' && *to != '_' && *to != '+' && *to != '-' && *to != ':') return 0;
    }
    return to < end && to > at + 1 ? (size_t)(to + 1 - at) : 0;
}

/* A zone's name behind an offset says nothing new. */
static bool skip_bracket(cursor *c) {
    c->at += mw_time__bracket_size(c->at, c->end);
    return true;
}

static bool take_offset(cursor *c, mw_time_parts *parts) {
    skip_blanks(c);
    parts->has_offset = true;
    parts->offset_us = 0;
    size_t n = letters_at(c);
    if (n == 1 && is_word(c, "z", 1)) {
        c->at++;
        return skip_bracket(c);
    }
    bool named = mw_time__offset_of(c->at, n, &parts->offset_us);
    if (named) c->at += n;
    if (parts->offset_us != 0) return skip_bracket(c);
    bool west = take(c, '-');
    if (!west && !take(c, '+')) return named && skip_bracket(c);
    int hours, minutes = 0;
    if (!take_digits(c, 2, 2, &hours)) return false;
    bool colon = take(c, ':');
    if ((colon || is_digit_at(c)) && !take_digits(c, 2, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    int64_t us = hours * MW_HOUR_US + minutes * MW_MINUTE_US;
    parts->offset_us = west ? -us : us;
    return skip_bracket(c);
}

static bool run_step(mw_time_step step, uint8_t byte, cursor *c, mw_time_parts *parts) {
    switch (step) {
    case MW_STEP_END: return true;
    case MW_STEP_BYTE: return take(c, (char)byte);
    case MW_STEP_BLANK: {
        const char *first = c->at;
        skip_blanks(c);
        return c->at > first;
    }
    case MW_STEP_YEAR: return take_digits(c, 4, 4, &parts->year);
    case MW_STEP_YEAR_2:
        if (!take_digits(c, 2, 2, &parts->year)) return false;
        parts->year += parts->year <= 68 ? 2000 : 1900;
        return true;
    case MW_STEP_MONTH: return take_digits(c, 1, 2, &parts->month);
    case MW_STEP_MONTH_2: return take_digits(c, 2, 2, &parts->month);
    case MW_STEP_DAY: return take_digits(c, 1, 2, &parts->day);
    case MW_STEP_DAY_2: return take_digits(c, 2, 2, &parts->day);
    case MW_STEP_NAME: return take_month(c, &parts->month);
    case MW_STEP_WEEKDAY: return take_weekday(c);
    case MW_STEP_HOUR:
    case MW_STEP_HOUR_12: return take_digits(c, 1, 2, &parts->hour);
    case MW_STEP_HOUR_2: return take_digits(c, 2, 2, &parts->hour);
    case MW_STEP_MINUTE: return take_digits(c, 2, 2, &parts->minute);
    case MW_STEP_SECOND:
        if (!take_digits(c, 2, 2, &parts->second)) return false;
        take_optional_fraction(c, ".,", &parts->fraction_us);
        return true;
    case MW_STEP_FRACTION: take_optional_fraction(c, ":", &parts->fraction_us); return true;
    case MW_STEP_AM: return take_am(c, parts);
    case MW_STEP_OFFSET: return take_offset(c, parts);
    }
    return false;
}

bool mw_time__run(const uint8_t *steps, mw_time_cursor text, mw_time_parts *parts) {
    for (; *steps != MW_STEP_END; steps++) {
        mw_time_step step = (mw_time_step)*steps;
        uint8_t byte = 0;
        if (step == MW_STEP_BYTE) byte = *++steps;
        if (!run_step(step, byte, &text, parts)) return false;
    }
    return text.at == text.end;
}

bool mw_time__civil(const mw_time_parts *parts, bool has_date, int64_t *ret_days,
                    int64_t *ret_clock_us) {
    int hour = parts->hour;
    if (parts->am || parts->pm) {
        if (hour > 12) return false;
        hour = hour % 12 + (parts->pm ? 12 : 0);
    }
    if (parts->minute > 59 || parts->second > 60) return false;
    if (hour > 23 && (hour > 24 || parts->minute || parts->second || parts->fraction_us))
        return false;
    *ret_days = 0;
    if (has_date) {
        if (parts->month < 1 || parts->month > 12 || parts->day < 1 ||
            parts->day > mw_days_in_month(parts->year, parts->month))
            return false;
        *ret_days = mw_days_of(parts->year, parts->month, parts->day);
    }
    *ret_clock_us = hour * MW_HOUR_US + parts->minute * MW_MINUTE_US +
                    parts->second * MW_SECOND_US + parts->fraction_us;
    return true;
}

bool mw_time__place(int64_t days, int64_t clock_us, const mw_zone *zone, mw_time_part part,
                    int64_t *ret_us) {
    if (part == MW_TIME_CLOCK) {
        *ret_us = clock_us;
        return true;
    }
    int64_t us = days * MW_DAY_US + (part == MW_TIME_STAMP ? clock_us : 0);
    if (zone && part == MW_TIME_STAMP) us = mw_zone_to_utc(zone, us, NULL);
    if (us < MW_TIME_FIRST_US || us >= MW_TIME_END_US) return false;
    *ret_us = us;
    return true;
}

static bool has_any(const uint8_t *steps, mw_time_step a, mw_time_step b, mw_time_step c) {
    for (; *steps != MW_STEP_END; steps++) {
        if (*steps == a || *steps == b || *steps == c) return true;
        if (*steps == MW_STEP_BYTE) steps++;
    }
    return false;
}

bool mw_time__has_date(const uint8_t *steps) {
    return has_any(steps, MW_STEP_DAY, MW_STEP_DAY_2, MW_STEP_DAY);
}

bool mw_time__has_clock(const uint8_t *steps) {
    return has_any(steps, MW_STEP_HOUR, MW_STEP_HOUR_2, MW_STEP_HOUR_12);
}
