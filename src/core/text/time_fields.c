/*
 * time_fields.c -- whole columns of times.
 *
 * Method     a form whose parts stand at fixed places is a layout: 32 bytes are compared with it at once, in vectors of
 *            16 bytes, which x86-64 and ARMv8 always have (so every machine takes the same path), and digits are taken
 *            from their places. A field that equals the one above it has its value; one with the same date needs its
 *            clock only; a zone is asked again only when its offset may change.
 * Variants   day, month and hour may lack their zero: a layout for each way of that, the last one used is tried first.
 * Oracle     what no layout takes goes to mw_time_form_read, which alone decides that a field is none of the form.
 */
#include <string.h>

#include "core/text/datetime.h"
#include "core/text/time_step.h"

enum { REACH = 32, NOWHERE = REACH + 1, MOST_LAYOUTS = 8, LONGEST = 64 };

#define LOWS UINT64_C(0x7f7f7f7f7f7f7f7f)
#define HIGHS UINT64_C(0x8080808080808080)
#define ZEROS UINT64_C(0x3030303030303030)
#define TO_HIGH UINT64_C(0x7676767676767676) /* + 10 sets the highest bit of a byte, + 9 does not */

typedef uint64_t half __attribute__((vector_size(16)));

/* The first 32 bytes of a text, or what belongs to each of them. */
typedef struct window {
    half a, b;
} window;

typedef enum tail_kind { TAIL_NONE, TAIL_FRACTION, TAIL_ISO, TAIL_STEPS } tail_kind;

typedef struct layout {
    size_t width;
    window expected; /* '0' where digits are, else the byte itself */
    window slack;    /* what can be added to a difference before it shows in the highest bit */
    window care;     /* bytes that are compared */
    window date;     /* bytes of the date */
    /* Where the ones of each number stand: the byte before is its tens, or belongs to the layout and counts as 0. */
    uint8_t century, year, month, day, hour, minute, second;
    uint8_t name; /* of a month: its first letter */
    bool has_date, has_clock, has_second, year_2, hour_12;
    tail_kind tail;
    const uint8_t *tail_steps; /* borrowed */
} layout;

typedef struct reader {
    const mw_time_form *form;
    mw_time_part part;
    layout layouts[MOST_LAYOUTS];
    size_t n_layouts, used;
    mw_zone_span span;
    /* The field above. */
    window words, mask;
    size_t size;
    int64_t value;
    bool good;
    /* The last date that was worked out. */
    const layout *date_layout;
    window date_words;
    int64_t days;
    /* The last month, as 16 * year + month. */
    int month, month_days;
    int64_t month_begin;
} reader;

/* --- layouts ------------------------------------------------------------------------------------- */

static void set_byte(window *w, size_t at, unsigned byte) { ((uint8_t *)w)[at] = (uint8_t)byte; }

static bool put_byte(layout *l, char byte) {
    if (l->width == REACH) return false;
    set_byte(&l->expected, l->width, (unsigned char)byte);
    set_byte(&l->slack, l->width, 0x7f);
    set_byte(&l->care, l->width++, 0xff);
    return true;
}

static bool put_digits(layout *l, int n, bool of_date, uint8_t *ret_ones) {
    for (int i = 0; i < n; i++) {
        if (!put_byte(l, '0')) return false;
        set_byte(&l->slack, l->width - 1, 0x76);
        if (of_date) set_byte(&l->date, l->width - 1, 0xff);
    }
    *ret_ones = (uint8_t)(l->width - 1);
    return true;
}

static bool put_name(layout *l) {
    l->name = (uint8_t)l->width;
    for (int i = 0; i < 3; i++) {
        if (!put_byte(l, 0)) return false;
        set_byte(&l->care, l->width - 1, 0);
        set_byte(&l->date, l->width - 1, 0xff);
    }
    return true;
}

/* Takes one digit off short_parts' lowest bit when the step may lack its zero. */
static int n_digits(unsigned *short_parts) {
    int n = *short_parts & 1 ? 1 : 2;
    *short_parts >>= 1;
    return n;
}

/* False when the step has no fixed place. */
static bool put_step(layout *l, const uint8_t *step, unsigned *short_parts) {
    switch ((mw_time_step)*step) {
    case MW_STEP_BYTE: return put_byte(l, (char)step[1]);
    case MW_STEP_BLANK: return put_byte(l, ' ');
    case MW_STEP_YEAR:
        return put_digits(l, 2, true, &l->century) && put_digits(l, 2, true, &l->year);
    case MW_STEP_YEAR_2: l->year_2 = true; return put_digits(l, 2, true, &l->year);
    case MW_STEP_MONTH: return put_digits(l, n_digits(short_parts), true, &l->month);
    case MW_STEP_MONTH_2: return put_digits(l, 2, true, &l->month);
    case MW_STEP_DAY:
        l->has_date = true;
        return put_digits(l, n_digits(short_parts), true, &l->day);
    case MW_STEP_DAY_2: l->has_date = true; return put_digits(l, 2, true, &l->day);
    case MW_STEP_NAME: return put_name(l);
    case MW_STEP_HOUR_12:
        l->hour_12 = true;
        l->has_clock = true;
        return put_digits(l, n_digits(short_parts), false, &l->hour);
    case MW_STEP_HOUR:
        l->has_clock = true;
        return put_digits(l, n_digits(short_parts), false, &l->hour);
    case MW_STEP_HOUR_2: l->has_clock = true; return put_digits(l, 2, false, &l->hour);
    case MW_STEP_MINUTE: return put_digits(l, 2, false, &l->minute);
    case MW_STEP_SECOND: l->has_second = true; return put_digits(l, 2, false, &l->second);
    default: return false;
    }
}

/* Whether a name ends where its three letters do, whatever the text: the oracle takes all letters there are. */
static bool ends_name(const uint8_t *next) {
    if (*next == MW_STEP_BYTE) return (unsigned)((next[1] | 32) - 'a') >= 26 && next[1] < 0x80;
    return *next != MW_STEP_AM && *next != MW_STEP_OFFSET;
}

static bool may_trail(uint8_t step) {
    return step == MW_STEP_BYTE || step == MW_STEP_BLANK || step == MW_STEP_FRACTION ||
           step == MW_STEP_AM || step == MW_STEP_OFFSET;
}

/* Steps up to the second, or to the first that has no fixed place; false when parts of a date or clock stand behind. */
static bool lay_out(layout *l, const uint8_t *steps, unsigned short_parts) {
    *l = (layout){.century = NOWHERE,
                  .year = NOWHERE,
                  .month = NOWHERE,
                  .day = NOWHERE,
                  .hour = NOWHERE,
                  .minute = NOWHERE,
                  .second = NOWHERE,
                  .name = NOWHERE};
    while (*steps != MW_STEP_END && !l->has_second && *steps != MW_STEP_AM &&
           *steps != MW_STEP_OFFSET && *steps != MW_STEP_FRACTION) {
        if (*steps == MW_STEP_NAME && !ends_name(steps + 1)) return false;
        if (!put_step(l, steps, &short_parts)) return false;
        steps += *steps == MW_STEP_BYTE ? 2 : 1;
    }
    l->tail_steps = steps;
    l->tail = *steps != MW_STEP_END ? TAIL_STEPS : l->has_second ? TAIL_FRACTION : TAIL_NONE;
    for (; *steps != MW_STEP_END; steps += *steps == MW_STEP_BYTE ? 2 : 1)
        if (!may_trail(*steps)) return false;
    return true;
}

static void lay_out_pattern(reader *r) {
    int n_short = 0;
    const uint8_t *step = r->form->steps;
    for (; *step != MW_STEP_END; step += *step == MW_STEP_BYTE ? 2 : 1)
        n_short += *step == MW_STEP_MONTH || *step == MW_STEP_DAY || *step == MW_STEP_HOUR ||
                   *step == MW_STEP_HOUR_12;
    for (unsigned variant = 0; variant < 1u << n_short && variant < MOST_LAYOUTS; variant++) {
        if (!lay_out(&r->layouts[variant], r->form->steps, variant)) return;
        r->n_layouts = variant + 1;
    }
    const layout *l = &r->layouts[0];
    if (r->part == MW_TIME_CLOCK ? !l->has_clock : !l->has_date) r->n_layouts = 0;
}

#define ISO_DATE MW_STEP_YEAR, MW_STEP_BYTE, '-', MW_STEP_MONTH_2, MW_STEP_BYTE, '-', MW_STEP_DAY_2
#define ISO_MINUTE MW_STEP_HOUR_2, MW_STEP_BYTE, ':', MW_STEP_MINUTE
#define ISO_SECOND MW_STEP_BYTE, ':', MW_STEP_SECOND

/* In the order of read_iso_by_size: the date alone, minutes, seconds; of a clock only the last two. */
static void lay_out_iso(reader *r) {
    enum { JOINT = 10, N = 3 };
    static const uint8_t stamps[N][16] = {{ISO_DATE},
                                          {ISO_DATE, MW_STEP_BLANK, ISO_MINUTE},
                                          {ISO_DATE, MW_STEP_BLANK, ISO_MINUTE, ISO_SECOND}};
    static const uint8_t clocks[N][16] = {{0}, {ISO_MINUTE}, {ISO_MINUTE, ISO_SECOND}};
    bool clock = r->part == MW_TIME_CLOCK;
    for (size_t i = 0; i < N; i++) {
        layout *l = &r->layouts[i];
        if (!lay_out(l, clock ? clocks[i] : stamps[i], 0)) return;
        l->tail = i < 2 ? TAIL_NONE : TAIL_ISO;
        if (!clock && i) set_byte(&l->care, JOINT, 0);
    }
    r->n_layouts = N;
}

static void reader_init(reader *r, const mw_time_form *form, mw_time_part part) {
    *r = (reader){.form = form, .part = part, .size = SIZE_MAX};
    r->span = (mw_zone_span){.from_us = INT64_MIN, .to_us = INT64_MAX};
    if (form->zone) r->span.to_us = INT64_MIN;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (form->kind == MW_FORM_PATTERN) lay_out_pattern(r);
    if (form->kind == MW_FORM_ISO) lay_out_iso(r);
#endif
}

/* --- one field ----------------------------------------------------------------------------------- */

static inline uint64_t load(const char *text) {
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

static inline window look(const char *text) {
    window w;
    memcpy(&w.a, text, sizeof w.a);
    memcpy(&w.b, text + sizeof w.a, sizeof w.b);
    return w;
}

static inline bool is_zero(half x) { return (x[0] | x[1]) == 0; }

/* Not zero in the highest bit of a byte that is none of the layout's; values holds the value of each digit. */
static inline half compare(half text, half expected, half care, half slack, half *values) {
    *values = (text ^ expected) & care;
    return (((*values & LOWS) + slack) | *values) & HIGHS;
}

static inline bool matches(const layout *l, const window *text, window *values) {
    return is_zero(compare(text->a, l->expected.a, l->care.a, l->slack.a, &values->a) |
                   compare(text->b, l->expected.b, l->care.b, l->slack.b, &values->b));
}

/* Digits with room before them, so that the byte before the first one can be read, and behind, for what is nowhere. */
typedef struct digits {
    uint8_t before[sizeof(half)];
    window values;
    uint8_t behind[sizeof(half)];
} digits;

static inline int number_at(const digits *d, uint8_t ones) {
    uint16_t pair;
    memcpy(&pair, (const uint8_t *)&d->values + ones - 1, sizeof pair);
    return (uint8_t)(pair * 10 + (pair >> 8));
}

static inline bool is_same(const window *x, const window *y, const window *mask) {
    return is_zero(((x->a ^ y->a) & mask->a) | ((x->b ^ y->b) & mask->b));
}

static inline bool read_date(reader *r, const layout *l, const window *words, const digits *d,
                             const char *text) {
    if (r->date_layout == l && is_same(words, &r->date_words, &l->date)) return true;
    int year = number_at(d, l->century) * 100 + number_at(d, l->year);
    int month = l->name == NOWHERE ? number_at(d, l->month) : mw_time__month_of(text + l->name, 3);
    int day = number_at(d, l->day);
    if (l->year_2) year += year <= 68 ? 2000 : 1900;
    if (month < 1 || month > 12) return false;
    if (year * 16 + month != r->month) {
        r->month = year * 16 + month;
        r->month_begin = mw_days_of(year, month, 1);
        r->month_days = mw_days_in_month(year, month);
    }
    if (day < 1 || day > r->month_days) return false;
    r->days = r->month_begin + day - 1;
    r->date_layout = l;
    r->date_words = *words;
    return true;
}

/* Eight digits, the first one lowest, to their number. */
static inline int64_t number_of_8(uint64_t values) {
    values = (values * 10 + (values >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    values = (values * 100 + (values >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (int64_t)((values * 10000 + (values >> 32)) & UINT64_C(0xffffffff));
}

/* A point or comma and digits; returns what follows, or NULL when it is no fraction. */
static inline const char *read_fraction(const char *at, const char *end, int64_t *ret_us) {
    if (*at != '.' && *at != ',') return NULL;
    uint64_t rest = load(++at) ^ ZEROS;
    uint64_t others = ((rest & LOWS) + TO_HIGH) | rest;
    others &= HIGHS;
    size_t n = others ? (size_t)__builtin_ctzll(others) / 8 : 8;
    size_t room = (size_t)(end - at);
    if (n > room) n = room;
    if (n == 0) return NULL;
    /* Microseconds are six digits with zeros before them, as eight. */
    uint64_t kept = n < 6 ? rest & ((UINT64_C(1) << n * 8) - 1) : rest & UINT64_C(0xffffffffffff);
    *ret_us = number_of_8(kept << 16);
    for (at += n; at < end && (unsigned)(*at - '0') <= 9;) at++;
    return at;
}

static inline int two_digits(const char *at) {
    unsigned tens = (unsigned)(at[0] - '0'), ones = (unsigned)(at[1] - '0');
    return tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
}

/* Z or +HH:MM to the end; others are left to the oracle. */
static inline bool read_iso_offset(const char *at, const char *end, int64_t *ret_us) {
    if (end - at == 1 && (*at == 'Z' || *at == 'z')) {
        *ret_us = 0;
        return true;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':') return false;
    int hours = two_digits(at + 1), minutes = two_digits(at + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    *ret_us = (hours * 60 + minutes) * (*at == '-' ? -MW_MINUTE_US : MW_MINUTE_US);
    return true;
}

typedef struct ending {
    int64_t fraction_us, offset_us;
    bool has_offset, pm;
} ending;

/* " AM" or "pm" at the end of a pattern that ends there. */
static inline bool is_plain_am(const layout *l, const char *at, const char *end) {
    if (l->tail_steps[0] != MW_STEP_AM || l->tail_steps[1] != MW_STEP_END) return false;
    if (end - at != 2 && (end - at != 3 || *at != ' ')) return false;
    return ((end[-2] | 32) == 'a' || (end[-2] | 32) == 'p') && (end[-1] | 32) == 'm';
}

/* What stands behind the layout. */
static inline bool read_tail(const layout *l, const char *at, const char *end, ending *ret) {
    if (at == end) return l->tail != TAIL_STEPS;
    if (l->tail == TAIL_NONE) return false;
    if (l->has_second) {
        const char *next = read_fraction(at, end, &ret->fraction_us);
        if (next) at = next;
    }
    if (at == end && l->tail != TAIL_STEPS) return true;
    if (l->tail == TAIL_ISO) return ret->has_offset = read_iso_offset(at, end, &ret->offset_us);
    if (l->tail != TAIL_STEPS) return false;
    if (is_plain_am(l, at, end)) {
        ret->pm = (end[-2] | 32) == 'p';
        return true;
    }
    mw_time_parts parts = {.fraction_us = ret->fraction_us};
    if (!mw_time__run(l->tail_steps, (mw_time_cursor){at, end}, &parts)) return false;
    *ret = (ending){.fraction_us = parts.fraction_us,
                    .offset_us = parts.offset_us,
                    .has_offset = parts.has_offset,
                    .pm = parts.pm};
    return true;
}

/* From civil time, as the form's zone or the text's own offset say. */
static inline bool finish(reader *r, int64_t clock_us, const ending *tail, int64_t *ret_us) {
    if (r->part == MW_TIME_CLOCK) {
        *ret_us = clock_us;
        return !tail->has_offset;
    }
    int64_t us = r->days * MW_DAY_US;
    if (r->part == MW_TIME_DATE) {
        *ret_us = us;
        return !tail->has_offset;
    }
    us += clock_us;
    if (tail->has_offset) {
        us -= tail->offset_us;
    } else {
        if (us < r->span.from_us || us >= r->span.to_us) {
            if (r->form->zone) mw_zone_span_at(r->form->zone, us, &r->span);
        }
        us -= r->span.offset_us;
    }
    *ret_us = us;
    return us >= MW_TIME_FIRST_US && us < MW_TIME_END_US;
}

static inline bool read_by(reader *r, const layout *l, const char *text, size_t size,
                           const window *words, int64_t *ret_us) {
    digits d = {.before = {0}, .behind = {0}};
    if (size < l->width || !matches(l, words, &d.values)) return false;
    if (l->has_date && !read_date(r, l, words, &d, text)) return false;
    int hour = number_at(&d, l->hour), minute = number_at(&d, l->minute),
        second = number_at(&d, l->second);
    ending tail = {0};
    if (hour > 23 || minute > 59 || second > 59) return false;
    if (!read_tail(l, text + l->width, text + size, &tail)) return false;
    if (l->hour_12) {
        if (hour > 12) return false;
        hour = hour % 12 + (tail.pm ? 12 : 0);
    }
    int64_t clock_us = (hour * 3600 + minute * 60 + second) * MW_SECOND_US + tail.fraction_us;
    return finish(r, clock_us, &tail, ret_us);
}

/* Which of the three layouts of ISO a text of that size can have. */
static inline bool read_iso_by_size(reader *r, const char *text, size_t size, const window *words,
                                    int64_t *ret_us) {
    if (r->part == MW_TIME_CLOCK) {
        if (size == 5) return read_by(r, &r->layouts[1], text, size, words, ret_us);
        return size >= 8 && read_by(r, &r->layouts[2], text, size, words, ret_us);
    }
    if (size == 10) return read_by(r, &r->layouts[0], text, size, words, ret_us);
    if (size < 16 || (text[10] != ' ' && (text[10] | 32) != 't')) return false;
    return read_by(r, &r->layouts[size == 16 ? 1 : 2], text, size, words, ret_us);
}

static inline bool read_variants(reader *r, const char *text, size_t size, const window *words,
                                 int64_t *ret_us) {
    if (read_by(r, &r->layouts[r->used], text, size, words, ret_us)) return true;
    for (size_t i = 0; i < r->n_layouts; i++) {
        if (i == r->used || !read_by(r, &r->layouts[i], text, size, words, ret_us)) continue;
        r->used = i;
        return true;
    }
    return false;
}

/* Whole numbers of 9 to 16 digits. */
static inline bool read_unix(const reader *r, const char *text, size_t size, int64_t *ret_us) {
    static const int64_t us_of[] = {
        [MW_FORM_UNIX_S] = 1000000, [MW_FORM_UNIX_MS] = 1000, [MW_FORM_UNIX_US] = 1};
    static const int64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    size_t n = size - 8;
    uint64_t first = load(text) ^ ZEROS, second = (load(text + 8) ^ ZEROS) << (8 - n) * 8;
    if ((((first & LOWS) + TO_HIGH) | first | ((second & LOWS) + TO_HIGH) | second) & HIGHS)
        return false;
    int64_t value = number_of_8(first) * tens[n] + number_of_8(second);
    if (value >= MW_TIME_END_US / us_of[r->form->kind]) return false;
    *ret_us = value * us_of[r->form->kind];
    return true;
}

static bool read_field(reader *r, const char *text, size_t size, const window *words,
                       int64_t *ret_us) {
    if (r->n_layouts && size <= LONGEST) {
        if (r->form->kind == MW_FORM_ISO) {
            if (read_iso_by_size(r, text, size, words, ret_us)) return true;
        } else if (read_variants(r, text, size, words, ret_us)) {
            return true;
        }
    }
    bool is_unix = r->form->kind >= MW_FORM_UNIX_S && r->form->kind <= MW_FORM_UNIX_US;
    if (is_unix && r->part == MW_TIME_STAMP && size > 8 && size <= 16 &&
        read_unix(r, text, size, ret_us))
        return true;
    return mw_time_form_read(r->form, r->part, text, size, ret_us);
}

/* The bytes of a text of that size. */
static window mask_of(size_t size) {
    window mask = {{0}, {0}};
    memset(&mask, 0xff, size < REACH ? size : REACH);
    return mask;
}

size_t mw_time_read_fields(const mw_fields *fields, const mw_time_form *form, mw_time_part part,
                           int64_t *out, uint32_t *odd) {
    size_t n_odd = 0;
    reader r;
    reader_init(&r, form, part);
    for (size_t i = 0; i < fields->n; i++) {
        mw_str field = mw_fields_at(fields, i);
        window words = look(field.data);
        if (field.size != r.size || field.size > REACH || !is_same(&words, &r.words, &r.mask)) {
            if (field.size != r.size) r.mask = mask_of(field.size);
            int64_t us = 0;
            r.good = read_field(&r, field.data, field.size, &words, &us);
            r.value = r.good ? us : MW_TIME_NONE;
            r.size = field.size;
            r.words = words;
        }
        out[i] = r.value;
        odd[n_odd] = (uint32_t)i;
        n_odd += !r.good;
    }
    return n_odd;
}
