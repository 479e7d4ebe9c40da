/*
 * time_shape.c -- from one text to the patterns it could be of.
 *
 * Method  one pass from left to right takes elements (date, clock, name of a day, offset, what joins them) and writes
 *         a pattern; the place of a date of three numbers is marked, as several orders may stand there. Values are
 *         not looked at: patterns are then tried on every sample.
 */
#include "core/text/time_shape.h"

#include <string.h>

#include "core/text/time_step.h"

#define DATE_MARK '\1'

typedef struct shape {
    const char *at, *end;
    bool numbers;
    mw_time_part part;
    char text[MW_TIME_FORM_TEXT];
    size_t n;
    bool date, clock, offset, needs_year;
    char separator;     /* of a date of three numbers, else 0 */
    size_t first, last; /* digits of its first and last number */
} shape;

static bool add(shape *s, const char *text) {
    size_t n = strlen(text);
    if (s->n + n >= sizeof s->text) return false;
    memcpy(s->text + s->n, text, n + 1);
    s->n += n;
    return true;
}

static bool add_char(shape *s, char c) { return add(s, (char[]){c, 0}); }

static char peek(const shape *s, size_t i) {
    return (size_t)(s->end - s->at) > i ? s->at[i] : '\0';
}

static bool is_digit(char c) { return (unsigned)(c - '0') <= 9; }
/* Bytes of letters beyond ASCII, too. */
static bool is_letter(char c) {
    return (unsigned)((c | 32) - 'a') < 26 || (unsigned char)c >= 0x80;
}

static size_t digits(const shape *s, size_t i) {
    size_t n = 0;
    while (is_digit(peek(s, i + n))) n++;
    return n;
}

static size_t letters(const shape *s, size_t i) {
    size_t n = 0;
    while (is_letter(peek(s, i + n))) n++;
    return n;
}

static bool begins_one_of(const char *word, const char *list) {
    for (; *list; list += 3)
        if ((word[0] | 32) == list[0] && (word[1] | 32) == list[1] && (word[2] | 32) == list[2])
            return true;
    return false;
}

static bool is_month(const shape *s, size_t i, size_t n) {
    return n > 0 && mw_time__month_of(s->at + i, n) != 0;
}

static bool is_weekday(const shape *s, size_t n) {
    return n >= 3 && n <= 9 && begins_one_of(s->at, "montuewedthufrisatsun");
}

static bool is_clock_mark(const shape *s, char c) {
    /* 06.00 is a number unless a date stands before it or two points follow. */
    return c == ':' || (c == '.' && (s->date || s->part == MW_TIME_CLOCK));
}

/* H:MM, HH:MM:SS, HH.MM.SS, with .f, ,f or :f behind seconds. */
static bool take_clock(shape *s) {
    size_t n = digits(s, 0);
    char mark = peek(s, n);
    if (n > 2 || !is_clock_mark(s, mark) || digits(s, n + 1) != 2) return false;
    bool seconds = peek(s, n + 3) == mark && digits(s, n + 4) == 2;
    if (mark == '.' && !seconds && !s->date) return false;
    size_t used = n + 3;
    if (!add(s, "HH") || !add_char(s, mark) || !add(s, "MM")) return false;
    if (seconds) {
        if (!add_char(s, mark) || !add(s, "SS")) return false;
        used += 3;
        char point = peek(s, used);
        size_t n_fraction = point == '.' || point == ',' || point == ':' ? digits(s, used + 1) : 0;
        if (n_fraction) {
            if (!add_char(s, point) || !add(s, "f")) return false;
            used += 1 + n_fraction;
        }
    }
    s->at += used;
    return s->clock = true;
}

static bool is_year(size_t n) { return n == 2 || n == 4; }

/* 5/1/2026, 2026-01-05, 05.01.26 */
static bool take_number_date(shape *s) {
    size_t a = digits(s, 0);
    char mark = peek(s, a);
    if (mark != '/' && mark != '-' && mark != '.') return false;
    size_t b = digits(s, a + 1);
    if (b < 1 || b > 2 || peek(s, a + 1 + b) != mark) return false;
    size_t c = digits(s, a + b + 2);
    bool year_first = a == 4 && c >= 1 && c <= 2;
    bool year_last = a >= 1 && a <= 2 && is_year(c);
    if (!year_first && !year_last) return false;
    /* 1.2.10 is a version. */
    if (mark == '.' && c == 2 && a < 4 && (a < 2 || b < 2)) return false;
    s->separator = mark;
    s->first = a;
    s->last = c;
    s->at += a + b + c + 2;
    s->date = true;
    return add_char(s, DATE_MARK);
}

/* One mark between the parts of a date with a name, a point and a blank, or nothing. */
static size_t gap_at(const shape *s, size_t i) {
    char mark = peek(s, i);
    if (mark == '.' && peek(s, i + 1) == ' ') return 2;
    return mark == ' ' || mark == '-' || mark == '/' || mark == '.';
}

static bool add_gap(shape *s, size_t i, size_t n) {
    for (size_t k = 0; k < n; k++)
        if (!add_char(s, peek(s, i + k))) return false;
    return true;
}

/* 05 Jan 2026, 5-Jan-26, 05Jan2026, 5. Mai 2026 */
static bool take_name_date(shape *s) {
    size_t a = digits(s, 0), gap = gap_at(s, a);
    size_t b = letters(s, a + gap);
    if (!is_month(s, a + gap, b)) return false;
    size_t behind = a + gap + b, gap_2 = gap_at(s, behind);
    size_t c = digits(s, behind + gap_2);
    bool year_first = a == 4 && c >= 1 && c <= 2, year_last = a >= 1 && a <= 2 && is_year(c);
    if (!year_first && !year_last) return false;
    if (!add(s, year_first ? "yyyy" : "dd") || !add_gap(s, a, gap) || !add(s, "mon") ||
        !add_gap(s, behind, gap_2))
        return false;
    s->at += behind + gap_2 + c;
    s->date = true;
    return add(s, year_first ? "dd" : c == 4 ? "yyyy" : "yy");
}

/* Jan 5 2026, January 5, 2026, Jan-05-2026, and Jan 5 with the year behind the clock */
static bool take_month_date(shape *s, size_t n) {
    char mark = peek(s, n);
    if (mark != ' ' && mark != '-' && mark != '/') return false;
    size_t i = n;
    while (peek(s, i) == mark) i++;
    size_t b = digits(s, i);
    if (b < 1 || b > 2) return false;
    i += b;
    if (!add(s, "mon") || !add_char(s, mark) || !add(s, "dd")) return false;
    s->date = true;
    char after = peek(s, i);
    size_t gap = after == ',' && peek(s, i + 1) == ' ' ? 2 : after == mark || after == ',';
    size_t c = digits(s, i + gap);
    if (c == 4 || (c == 2 && peek(s, i + gap + c) != ':')) {
        s->at += i + gap + c;
        if (gap && !add_char(s, after)) return false;
        if (gap == 2 && !add_char(s, ' ')) return false;
        return add(s, c == 4 ? "yyyy" : "yy");
    }
    s->at += i;
    return s->needs_year = true;
}

static bool has_century(const shape *s) {
    return (s->at[0] == '1' && s->at[1] == '9') || (s->at[0] == '2' && s->at[1] <= '1');
}

/* 20260105, 202601050600, 20260105060000; alone only where numbers may be times */
static bool take_compact(shape *s) {
    size_t n = digits(s, 0);
    bool alone = n == (size_t)(s->end - s->at) && !s->date;
    if (alone && !s->numbers) return false;
    if (!s->date && s->part != MW_TIME_CLOCK && (n == 8 || n == 12 || n == 14) && has_century(s)) {
        s->at += n;
        s->date = true;
        s->clock = n > 8;
        return add(s, n == 8 ? "yyyymmdd" : n == 12 ? "yyyymmddHHMM" : "yyyymmddHHMMSS");
    }
    if (!s->clock && (s->date || s->part == MW_TIME_CLOCK) && (n == 4 || n == 6)) {
        s->at += n;
        s->clock = true;
        if (!add(s, n == 4 ? "HHMM" : "HHMMSS")) return false;
        if (n == 4 || (peek(s, 0) != '.' && peek(s, 0) != ',') || !digits(s, 1)) return true;
        if (!add_char(s, peek(s, 0))) return false;
        s->at += 1 + digits(s, 1);
        return add(s, "f");
    }
    return false;
}

static bool take_digits(shape *s) {
    if (s->needs_year && digits(s, 0) == 4) {
        s->at += 4;
        s->needs_year = false;
        return add(s, "yyyy");
    }
    if (!s->clock && take_clock(s)) return true;
    if (!s->date && (take_number_date(s) || take_name_date(s))) return true;
    return take_compact(s);
}

static bool take_am(shape *s) {
    char a = peek(s, 0) | 32;
    if (a != 'a' && a != 'p') return false;
    size_t dots = peek(s, 1) == '.';
    if ((peek(s, 1 + dots) | 32) != 'm' || is_letter(peek(s, 2 + dots))) return false;
    if (dots && peek(s, 3) != '.') return false;
    s->at += 2 + 2 * dots;
    return add(s, " am");
}

static bool take_letters(shape *s) {
    size_t n = letters(s, 0);
    if (s->clock && take_am(s)) return true;
    int64_t ignored;
    bool named = mw_time__offset_of(s->at, n, &ignored) || (n == 1 && (*s->at | 32) == 'z');
    if (s->clock && !s->offset && named) {
        s->at += n;
        s->offset = true;
        return add(s, " zzz");
    }
    if (n == 1 && s->date && !s->clock && (*s->at | 32) == 't') return add_char(s, *s->at++);
    if (!s->date && is_weekday(s, n)) {
        s->at += n;
        return add(s, "day");
    }
    return !s->date && is_month(s, 0, n) && take_month_date(s, n);
}

/* +02:00, +0200, +02 */
static bool take_offset(shape *s) {
    size_t n = digits(s, 1);
    bool colon = n == 2 && peek(s, 3) == ':' && digits(s, 4) == 2;
    if (n != 2 && n != 4) return false;
    s->at += 1 + n + (colon ? 3 : 0);
    if (s->offset) return true; /* GMT+02:00 */
    s->offset = true;
    return add(s, " zzz");
}

static bool take_element(shape *s) {
    char c = peek(s, 0);
    if (mw_time__blank_size(s->at, s->end)) {
        for (size_t n; (n = mw_time__blank_size(s->at, s->end)) != 0;) s->at += n;
        return add_char(s, ' ');
    }
    if (is_digit(c)) return take_digits(s);
    if (is_letter(c)) return take_letters(s);
    if ((c == '+' || c == '-') && s->clock && (s->date || c == '+')) return take_offset(s);
    size_t bracket = s->offset ? mw_time__bracket_size(s->at, s->end) : 0;
    s->at += bracket;
    if (bracket) return true;
    bool joins = s->n > 0 && (c == ',' || c == '_' || c == ';' || c == '-' || c == '/' || c == ':');
    return joins && add_char(s, *s->at++);
}

/* The orders that a date of numbers with so many digits can have. */
static size_t list_orders(const shape *s, char out[MW_TIME_SHAPE_ORDERS]) {
    size_t n = 0;
    if (s->first == 4) {
        out[n++] = 'y';
        return n;
    }
    out[n++] = 'd';
    out[n++] = 'm';
    if (s->last == 2 && s->first == 2) out[n++] = 'y';
    return n;
}

static bool put_date(const shape *s, char order, char out[MW_TIME_FORM_TEXT]) {
    const char *year = s->first == 4 || s->last == 4 ? "yyyy" : "yy";
    const char *parts[3] = {"dd", "mm", year};
    if (order == 'm') memcpy(parts, (const char *[]){"mm", "dd", year}, sizeof parts);
    if (order == 'y') memcpy(parts, (const char *[]){year, "mm", "dd"}, sizeof parts);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t room = MW_TIME_FORM_TEXT - n;
        if (s->text[i] != DATE_MARK) {
            if (room < 2) return false;
            out[n++] = s->text[i];
            continue;
        }
        if (room < 12) return false;
        for (int k = 0; k < 3; k++) {
            size_t size = strlen(parts[k]);
            memcpy(out + n, parts[k], size);
            n += size;
            if (k < 2) out[n++] = s->separator;
        }
    }
    out[n] = '\0';
    return true;
}

bool mw_time__shape(mw_str text, mw_time_part part, bool numbers, mw_time_shape *ret) {
    shape s = {.at = text.data, .end = text.data + text.size, .part = part, .numbers = numbers};
    if (text.size > MW_TIME_FORM_TEXT) return false;
    while (s.at < s.end)
        if (!take_element(&s)) return false;
    if (s.needs_year || (part == MW_TIME_CLOCK ? !s.clock : !s.date)) return false;
    *ret = (mw_time_shape){.dotted = s.separator == '.'};
    if (!s.separator) {
        ret->n = 1;
        memcpy(ret->patterns[0], s.text, sizeof s.text);
        return true;
    }
    ret->n = list_orders(&s, ret->orders);
    for (size_t i = 0; i < ret->n; i++)
        if (!put_date(&s, ret->orders[i], ret->patterns[i])) return false;
    return true;
}
