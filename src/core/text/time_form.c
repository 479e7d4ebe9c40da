/*
 * time_form.c -- see time_form.h: names of forms, patterns to steps, and one text at a time.
 *
 * Patterns  are read as people write them: letters in either case, m is a month until an hour stands before it, hh is
 *           a 24-hour clock unless am follows, strftime's %d/%m/%Y is understood. What is kept and shown is the usual name.
 */
#include "core/text/time_form.h"

#include <stdio.h>
#include <string.h>

#include "core/text/datetime.h"
#include "core/text/time_step.h"

static const struct {
    const char *name;
    mw_time_kind kind;
} kinds[] = {
    {"iso", MW_FORM_ISO},         {"unix-s", MW_FORM_UNIX_S},   {"unix-ms", MW_FORM_UNIX_MS},
    {"unix-us", MW_FORM_UNIX_US}, {"unix-ns", MW_FORM_UNIX_NS}, {"excel", MW_FORM_EXCEL},
    {"cycle", MW_FORM_CYCLE},     {"unix", MW_FORM_UNIX_S},     {"iso8601", MW_FORM_ISO}};

/* --- patterns ------------------------------------------------------------------------------------ */

static const char *const step_names[] = {
    [MW_STEP_BLANK] = " ",   [MW_STEP_YEAR] = "yyyy",  [MW_STEP_YEAR_2] = "yy",
    [MW_STEP_MONTH] = "mm",  [MW_STEP_MONTH_2] = "mm", [MW_STEP_DAY] = "dd",
    [MW_STEP_DAY_2] = "dd",  [MW_STEP_NAME] = "mon",   [MW_STEP_WEEKDAY] = "day",
    [MW_STEP_HOUR] = "HH",   [MW_STEP_HOUR_2] = "HH",  [MW_STEP_HOUR_12] = "hh",
    [MW_STEP_MINUTE] = "MM", [MW_STEP_SECOND] = "SS",  [MW_STEP_FRACTION] = ":f",
    [MW_STEP_AM] = "am",     [MW_STEP_OFFSET] = "zzz",
};

/* strftime's letters as words of ours; %T and %F are several. */
static const struct {
    char letter;
    const char *word;
} percents[] = {{'Y', "yyyy"}, {'y', "yy"},       {'m', "mm"},         {'d', "dd"},
                {'e', "dd"},   {'b', "mon"},      {'B', "mon"},        {'a', "day"},
                {'A', "day"},  {'H', "HH"},       {'I', "hh"},         {'M', "MM"},
                {'S', "SS"},   {'f', "f"},        {'p', "am"},         {'z', "zzz"},
                {'Z', "zzz"},  {'T', "HH:MM:SS"}, {'F', "yyyy-mm-dd"}, {'R', "HH:MM"}};

static bool expand_percents(const char *pattern, char out[MW_TIME_FORM_TEXT]) {
    size_t n = 0;
    for (; *pattern; pattern++) {
        char one[2] = {*pattern, 0};
        const char *word = one;
        if (*pattern == '%') {
            pattern++;
            word = NULL;
            for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
                if (percents[i].letter == *pattern) word = percents[i].word;
            if (!word) return false;
        }
        size_t n_word = strlen(word);
        if (n + n_word >= MW_TIME_FORM_TEXT) return false;
        memcpy(out + n, word, n_word);
        n += n_word;
    }
    out[n] = '\0';
    return true;
}

typedef struct compiler {
    const char *at;
    uint8_t steps[MW_TIME_FORM_TEXT];
    size_t n;
    char name[MW_TIME_FORM_TEXT];
    size_t n_name;
    uint32_t seen; /* bit by step */
} compiler;

static bool add_name(compiler *c, const char *text) {
    size_t n = strlen(text);
    if (c->n_name + n >= sizeof c->name) return false;
    memcpy(c->name + c->n_name, text, n + 1);
    c->n_name += n;
    return true;
}

static bool add_step(compiler *c, mw_time_step step) {
    if (c->n + 1 >= sizeof c->steps) return false;
    if (step != MW_STEP_BLANK && c->seen & 1u << step) return false; /* twice */
    c->seen |= 1u << step;
    c->steps[c->n++] = (uint8_t)step;
    return add_name(c, step_names[step]);
}

static bool add_byte(compiler *c, char byte) {
    if (byte == ' ' || byte == '\t') {
        if (c->n && c->steps[c->n - 1] == MW_STEP_BLANK) return true;
        return add_step(c, MW_STEP_BLANK);
    }
    if ((unsigned char)byte < ' ' || byte == 127 || (byte >= '0' && byte <= '9')) return false;
    if (c->n + 2 >= sizeof c->steps) return false;
    c->steps[c->n++] = MW_STEP_BYTE;
    c->steps[c->n++] = (uint8_t)byte;
    return add_name(c, (char[]){byte, 0});
}

static bool saw(const compiler *c, mw_time_step step) { return c->seen >> step & 1; }
static bool saw_hour(const compiler *c) { return saw(c, MW_STEP_HOUR) || saw(c, MW_STEP_HOUR_12); }

/* The digits of a second: ".f", ",f" (which MW_STEP_SECOND reads itself) or ":f". */
static bool add_fraction(compiler *c) {
    if (c->n < 3 || c->steps[c->n - 2] != MW_STEP_BYTE || c->steps[c->n - 3] != MW_STEP_SECOND)
        return false;
    char mark = (char)c->steps[c->n - 1];
    if (mark != '.' && mark != ',' && mark != ':') return false;
    c->n -= 2;
    if (mark != ':') return add_name(c, "f");
    c->name[--c->n_name] = '\0';
    return add_step(c, MW_STEP_FRACTION);
}

static bool add_run(compiler *c, char letter, size_t n) {
    switch (letter) {
    case 'y': return n == 4 ? add_step(c, MW_STEP_YEAR) : n == 2 && add_step(c, MW_STEP_YEAR_2);
    case 'd': return add_step(c, n <= 2 ? MW_STEP_DAY : MW_STEP_WEEKDAY);
    case 'm':
        if (n > 2) return add_step(c, MW_STEP_NAME);
        return add_step(c, saw_hour(c) && !saw(c, MW_STEP_MINUTE) ? MW_STEP_MINUTE : MW_STEP_MONTH);
    case 'h': return n <= 2 && add_step(c, MW_STEP_HOUR);
    case 's':
        if (saw(c, MW_STEP_SECOND)) return add_fraction(c);
        return n <= 2 && add_step(c, MW_STEP_SECOND);
    case 'f': return add_fraction(c);
    case 'z': return add_step(c, MW_STEP_OFFSET);
    default: return false;
    }
}

/* Blanks before am and an offset may be left out in the text, so that they are no step. */
static bool add_after_blanks(compiler *c, mw_time_step step) {
    if (c->n && c->steps[c->n - 1] == MW_STEP_BLANK) c->n--;
    return add_step(c, step);
}

static bool add_token(compiler *c) {
    static const struct {
        const char *word;
        mw_time_step step;
    } words[] = {{"mon", MW_STEP_NAME}, {"day", MW_STEP_WEEKDAY}, {"a.m.", MW_STEP_AM},
                 {"am", MW_STEP_AM},    {"pm", MW_STEP_AM},       {"tt", MW_STEP_AM}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (!mw_str_is_nocase((mw_str){c->at, strnlen(c->at, n)}, words[i].word)) continue;
        c->at += n;
        return words[i].step == MW_STEP_AM ? add_after_blanks(c, MW_STEP_AM)
                                           : add_step(c, words[i].step);
    }
    char letter = *c->at | 32;
    if (!strchr("ymdhsfz", letter) || !((unsigned)(letter - 'a') < 26))
        return add_byte(c, *c->at++);
    size_t n = 0;
    while ((c->at[n] | 32) == letter) n++;
    c->at += n;
    if (letter == 'z') return add_after_blanks(c, MW_STEP_OFFSET);
    return add_run(c, letter, n);
}

static bool is_digits(uint8_t step) {
    switch (step) {
    case MW_STEP_YEAR:
    case MW_STEP_YEAR_2:
    case MW_STEP_MONTH:
    case MW_STEP_MONTH_2:
    case MW_STEP_DAY:
    case MW_STEP_DAY_2:
    case MW_STEP_HOUR:
    case MW_STEP_HOUR_2:
    case MW_STEP_HOUR_12:
    case MW_STEP_MINUTE:
    case MW_STEP_SECOND: return true;
    default: return false;
    }
}

/* Where digits touch, each part has all of its own. False when a touching part has no fixed width. */
static bool fix_widths(uint8_t *steps) {
    uint8_t before = MW_STEP_END;
    for (; *steps != MW_STEP_END; steps++) {
        uint8_t step = *steps;
        bool touches = is_digits(before) || is_digits(steps[1]);
        if (touches && step == MW_STEP_MONTH) *steps = MW_STEP_MONTH_2;
        if (touches && step == MW_STEP_DAY) *steps = MW_STEP_DAY_2;
        if (touches && step == MW_STEP_HOUR) *steps = MW_STEP_HOUR_2;
        if (touches && step == MW_STEP_HOUR_12) return false;
        before = step;
        if (step == MW_STEP_BYTE) steps++;
    }
    return true;
}

static void make_hours_12(compiler *c) {
    for (size_t i = 0; i < c->n; i++) {
        if (c->steps[i] == MW_STEP_HOUR) c->steps[i] = MW_STEP_HOUR_12;
        if (c->steps[i] == MW_STEP_BYTE) i++;
    }
    char *hours = strstr(c->name, "HH");
    if (hours) memcpy(hours, "hh", 2);
}

static bool is_complete(const compiler *c) {
    int n_years = saw(c, MW_STEP_YEAR) + saw(c, MW_STEP_YEAR_2);
    int n_months = saw(c, MW_STEP_MONTH) + saw(c, MW_STEP_NAME);
    bool date = n_years == 1 && n_months == 1 && saw(c, MW_STEP_DAY);
    bool any_date = n_years || n_months || saw(c, MW_STEP_DAY) || saw(c, MW_STEP_WEEKDAY);
    if (any_date && !date) return false;
    bool any_clock = saw(c, MW_STEP_MINUTE) || saw(c, MW_STEP_SECOND) || saw(c, MW_STEP_AM);
    if (saw(c, MW_STEP_SECOND) && !saw(c, MW_STEP_MINUTE)) return false;
    return saw_hour(c) || (date && !any_clock && !saw(c, MW_STEP_OFFSET));
}

bool mw_time__compile(const char *pattern, mw_time_form *ret) {
    char plain[MW_TIME_FORM_TEXT];
    compiler c = {.at = plain};
    if (!expand_percents(pattern, plain)) return false;
    while (*c.at)
        if (!add_token(&c)) return false;
    if (!is_complete(&c)) return false;
    memset(c.steps + c.n, MW_STEP_END, sizeof c.steps - c.n);
    if (saw(&c, MW_STEP_AM)) make_hours_12(&c);
    if (!fix_widths(c.steps)) return false;
    *ret = (mw_time_form){.kind = MW_FORM_PATTERN, .decimal = '.'};
    memcpy(ret->pattern, c.name, sizeof c.name);
    memcpy(ret->steps, c.steps, sizeof c.steps);
    return true;
}

mw_status mw_time_form_of(const char *name, mw_time_form *ret, mw_err *err) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!mw_str_is_nocase(mw_str_of(name), kinds[i].name)) continue;
        *ret = (mw_time_form){.kind = kinds[i].kind, .decimal = '.'};
        return MW_OK;
    }
    if (strlen(name) < MW_TIME_FORM_TEXT && mw_time__compile(name, ret)) return MW_OK;
    (void)mw_fail(err, MW_EINVAL, "\"%.64s\" is no time format", name);
    return mw_err_hint(
        err, "Use iso, unix-s, unix-ms, unix-us, unix-ns, excel, cycle, or a pattern such as "
             "\"dd/mm/yyyy HH:MM:SS\", \"mm/dd/yyyy hh:MM am\" or \"dd mon yyyy\".");
}

void mw_time_form_name(const mw_time_form *form, char out[MW_TIME_FORM_TEXT]) {
    const char *name = form->kind == MW_FORM_PATTERN ? form->pattern : "none";
    for (size_t i = 0; form->kind != MW_FORM_PATTERN && i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind != form->kind) continue;
        name = kinds[i].name;
        break;
    }
    (void)snprintf(out, MW_TIME_FORM_TEXT, "%s", name);
}

/* --- one text ------------------------------------------------------------------------------------ */

/* "24:00", "24:00:00", "24:00:00.000" and what may follow: only the very midnight has that name. */
static bool is_next_midnight(const char *clock, size_t size) {
    if (memcmp(clock, "24:00", 5) != 0) return false;
    size_t i = 5;
    while (i < size && (clock[i] == ':' || clock[i] == '.' || clock[i] == ',' || clock[i] == '0'))
        i++;
    return i == size || (unsigned)(clock[i] - '0') > 9;
}

/* mw_time_read knows neither a comma before the fraction nor 24:00; both are rare, so that a changed copy is cheap. */
static bool read_iso_stamp(const char *text, size_t size, int64_t *ret_us, bool *ret_zoned) {
    enum { HOUR = 11, COMMA = 19, LONGEST = 64 };
    if (mw_time_read(text, size, ret_us, ret_zoned)) return true;
    if (size < 16 || size > LONGEST) return false;
    char copy[LONGEST];
    memcpy(copy, text, size);
    if (size > COMMA && copy[COMMA] == ',') copy[COMMA] = '.';
    bool next_day = is_next_midnight(copy + HOUR, size - HOUR);
    if (next_day) memcpy(copy + HOUR, "00", 2);
    int64_t us;
    if (!mw_time_read(copy, size, &us, ret_zoned)) return false;
    us += next_day ? MW_DAY_US : 0;
    if (us >= MW_TIME_END_US) return false;
    *ret_us = us;
    return true;
}

static bool read_iso(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                     int64_t *ret_us) {
    int64_t us;
    bool zoned = false;
    if (part == MW_TIME_CLOCK && size && text[size > 2 ? 2 : 0] == ':') {
        /* The same reader of clocks, behind a date of no weight. */
        char stamp[64] = "1970-01-01 ";
        if (size > sizeof stamp - 11) return false;
        memcpy(stamp + 11, text, size);
        if (!read_iso_stamp(stamp, size + 11, &us, &zoned) || zoned) return false;
        *ret_us = us;
        return true;
    }
    if (!read_iso_stamp(text, size, &us, &zoned)) return false;
    if (part == MW_TIME_STAMP) {
        if (!zoned && form->zone) us = mw_zone_to_utc(form->zone, us, NULL);
        if (us < MW_TIME_FIRST_US || us >= MW_TIME_END_US) return false;
        *ret_us = us;
        return true;
    }
    if (zoned) return false;
    int64_t clock_us = (us % MW_DAY_US + MW_DAY_US) % MW_DAY_US;
    if (part == MW_TIME_CLOCK && size <= 10) return false;
    *ret_us = part == MW_TIME_CLOCK ? clock_us : us - clock_us;
    return true;
}

static bool read_pattern(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                         int64_t *ret_us) {
    mw_time_parts parts = {0};
    int64_t days, clock_us;
    bool has_date = mw_time__has_date(form->steps);
    if (part == MW_TIME_CLOCK ? !mw_time__has_clock(form->steps) : !has_date) return false;
    if (!mw_time__run(form->steps, (mw_time_cursor){text, text + size}, &parts)) return false;
    if (!mw_time__civil(&parts, has_date, &days, &clock_us)) return false;
    if (parts.has_offset && part == MW_TIME_STAMP)
        return mw_time__place(days, clock_us - parts.offset_us, NULL, part, ret_us);
    return mw_time__place(days, clock_us, form->zone, part, ret_us);
}

bool mw_time_form_read(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                       int64_t *ret_us) {
    switch (form->kind) {
    case MW_FORM_NONE: return false;
    case MW_FORM_ISO: return read_iso(form, part, text, size, ret_us);
    case MW_FORM_PATTERN: return read_pattern(form, part, text, size, ret_us);
    default: return mw_time__number(form, part, text, size, ret_us);
    }
}
