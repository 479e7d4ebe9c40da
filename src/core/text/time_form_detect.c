/*
 * time_form_detect.c -- the form of a column, from a sample of it.
 *
 * Method     each sample names the patterns it could be of (time_shape.c); every one of them, ISO and the kinds of
 *            numbers are tried on every sample, and the one that reads most wins.
 * Day/month  where several orders of a date read equally many samples, the course of time decides: neighboring rows of
 *            telemetry are close to each other and in order, and in the wrong order of day and month they jump.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/datetime.h"
#include "core/text/number.h"
#include "core/text/time_shape.h"
#include "core/text/time_step.h"

enum { MOST_CANDIDATES = 24, MOST_STEPS = 1024, LONGEST_NUMBER = 40 };

typedef struct candidate {
    mw_time_form form;
    char order; /* of its date of numbers, or 0 */
    bool dotted;
    size_t shape; /* candidates of one shape differ in order only */
    size_t n_read;
} candidate;

typedef struct sample {
    const mw_str *texts;
    size_t n;
    mw_time_part part;
    candidate candidates[MOST_CANDIDATES];
    size_t n_candidates, n_shapes;
} sample;

static bool reads(const candidate *c, const sample *s, size_t i, int64_t *ret_us) {
    return mw_time_form_read(&c->form, s->part, s->texts[i].data, s->texts[i].size, ret_us);
}

static void add_form(sample *s, mw_time_kind kind, char decimal) {
    if (s->n_candidates == MOST_CANDIDATES) return;
    s->candidates[s->n_candidates++] =
        (candidate){.form = {.kind = kind, .decimal = decimal}, .shape = s->n_shapes++};
}

static bool knows_pattern(const sample *s, const char *pattern) {
    for (size_t i = 0; i < s->n_candidates; i++)
        if (strcmp(s->candidates[i].form.pattern, pattern) == 0) return true;
    return false;
}

static void add_shape(sample *s, const mw_time_shape *shape) {
    for (size_t i = 0; i < shape->n; i++) {
        candidate c = {.order = shape->orders[i], .dotted = shape->dotted, .shape = s->n_shapes};
        if (s->n_candidates == MOST_CANDIDATES) return;
        if (!mw_time__compile(shape->patterns[i], &c.form)) continue;
        if (i == 0 && knows_pattern(s, c.form.pattern)) return;
        s->candidates[s->n_candidates++] = c;
    }
    s->n_shapes++;
}

static void count_reads(sample *s) {
    int64_t us;
    for (size_t k = 0; k < s->n_candidates; k++)
        for (size_t i = 0; i < s->n; i++)
            s->candidates[k].n_read += reads(&s->candidates[k], s, i, &us);
}

/* --- numbers ------------------------------------------------------------------------------------- */

static bool read_number(mw_str text, char decimal, double *ret) {
    char copy[LONGEST_NUMBER];
    if (text.size > sizeof copy) return false;
    memcpy(copy, text.data, text.size);
    char *comma = decimal == ',' ? memchr(copy, ',', text.size) : NULL;
    if (decimal == ',' && memchr(copy, '.', text.size)) return false;
    if (comma) *comma = '.';
    return mw_number_read(copy, text.size, ret);
}

typedef struct number_facts {
    size_t n, n_whole, n_small, n_up, n_down;
    size_t n_class[MW_FORM_CYCLE + 1];
} number_facts;

static const struct {
    mw_time_kind kind;
    double from, to;
} classes[] = {{MW_FORM_UNIX_S, 1e8, 1e10},
               {MW_FORM_UNIX_MS, 1e11, 1e13},
               {MW_FORM_UNIX_US, 1e14, 1e16},
               {MW_FORM_UNIX_NS, 1e17, 9.2e18},
               {MW_FORM_EXCEL, 20000, 80000}};

static void look_at_numbers(const sample *s, char decimal, number_facts *ret) {
    number_facts found = {0};
    double last = 0, x;
    for (size_t i = 0; i < s->n; i++) {
        if (!read_number(s->texts[i], decimal, &x)) continue;
        found.n_whole += x > -9e15 && x < 9e15 && (double)(int64_t)x == x;
        found.n_small += x >= 0 && x < 1e8;
        found.n_up += found.n && x > last;
        found.n_down += found.n && x < last;
        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++)
            found.n_class[classes[k].kind] += x >= classes[k].from && x < classes[k].to;
        last = x;
        found.n++;
    }
    *ret = found;
}

/* Seconds since midnight, or a part of a day. */
static mw_time_kind kind_of_clock(const number_facts *f) {
    return f->n_whole == f->n ? MW_FORM_UNIX_S : MW_FORM_EXCEL;
}

static mw_time_kind kind_of_numbers(const number_facts *f) {
    for (mw_time_kind kind = MW_FORM_UNIX_S; kind <= MW_FORM_UNIX_NS; kind++)
        if (f->n_class[kind] * 2 >= f->n) return kind;
    bool monotone = f->n_up == 0 || f->n_down == 0;
    if (f->n_class[MW_FORM_EXCEL] * 10 >= f->n * 9 && (f->n_whole < f->n || monotone))
        return MW_FORM_EXCEL;
    /* A counter climbs, and may begin anew with every device or run. */
    bool climbs = f->n == 1 || (f->n_up > 0 && f->n_down * 5 <= f->n_up);
    return f->n_small * 2 >= f->n && climbs ? MW_FORM_CYCLE : MW_FORM_NONE;
}

static void add_numbers(sample *s) {
    number_facts with_point, with_comma;
    look_at_numbers(s, '.', &with_point);
    look_at_numbers(s, ',', &with_comma);
    bool comma = with_comma.n > with_point.n;
    const number_facts *f = comma ? &with_comma : &with_point;
    if (f->n == 0 || f->n * 2 < s->n) return;
    mw_time_kind kind = s->part == MW_TIME_CLOCK ? kind_of_clock(f) : kind_of_numbers(f);
    if (kind != MW_FORM_NONE) add_form(s, kind, comma ? ',' : '.');
}

/* --- day and month ------------------------------------------------------------------------------- */

typedef struct course {
    size_t n, n_turns;
    int64_t median_us, least_us, most_us;
    double sum_us;
} course;

static int compare_steps(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static course course_of(const candidate *c, const sample *s) {
    int64_t steps[MOST_STEPS], last = 0, us;
    size_t n_kept = 0, n_read = 0, n_up = 0, n_down = 0;
    course found = {.least_us = INT64_MAX};
    for (size_t i = 0; i < s->n; i++) {
        if (!reads(c, s, i, &us)) continue;
        int64_t step = us > last ? us - last : last - us;
        if (n_read++ && step) {
            n_up += us > last;
            n_down += us < last;
            found.sum_us += (double)step;
            if (step < found.least_us) found.least_us = step;
            if (step > found.most_us) found.most_us = step;
            if (n_kept < MOST_STEPS) steps[n_kept++] = step;
        }
        last = us;
    }
    if (n_kept == 0) return found;
    qsort(steps, n_kept, sizeof *steps, compare_steps);
    found.n = n_up + n_down;
    found.n_turns = n_up < n_down ? n_up : n_down;
    found.median_us = steps[n_kept / 2];
    return found;
}

/* Hours, days or months (28 to 31 days) without a gap. */
static bool is_regular(const course *c) { return c->n > 0 && c->most_us / 5 * 4 <= c->least_us; }

/* Whether time runs clearly smoother in a than in b; small differences say nothing. */
static bool is_smoother(const course *a, const course *b) {
    if (a->n == 0 || b->n == 0) return false;
    if (a->n_turns + a->n / 20 < b->n_turns) return true;
    if (b->n_turns + b->n / 20 < a->n_turns) return false;
    if (is_regular(a) != is_regular(b)) return is_regular(a);
    if (a->median_us * 2 < b->median_us) return true;
    if (b->median_us * 2 < a->median_us) return false;
    return a->sum_us * 1.5 < b->sum_us;
}

static const char *const order_names[] = {
    ['d'] = "day first", ['m'] = "month first", ['y'] = "year first"};

/* The first sample that one reads and the other does not, or reads otherwise. */
static bool find_difference(const sample *s, const candidate *a, const candidate *b, bool both,
                            mw_str *ret) {
    for (size_t i = 0; i < s->n; i++) {
        int64_t x, y;
        if (!reads(a, s, i, &x)) continue;
        bool other = reads(b, s, i, &y);
        if (both ? !other || x == y : other) continue;
        *ret = s->texts[i];
        return true;
    }
    return false;
}

static void note_order(const sample *s, const candidate *best, const candidate *rival,
                       bool by_course, mw_time_guess *guess) {
    mw_str open, proof;
    if (!find_difference(s, best, rival, true, &open)) open = s->texts[0];
    const char *order = order_names[(int)best->order];
    if (!guess->ambiguous && find_difference(s, best, rival, false, &proof))
        (void)snprintf(guess->note, sizeof guess->note,
                       "%.*s could be two dates; %s, as %.*s shows", (int)open.size, open.data,
                       order, (int)proof.size, proof.data);
    else if (by_course)
        (void)snprintf(guess->note, sizeof guess->note,
                       "%.*s could be two dates, and no value tells; %s, as rows then follow each "
                       "other closely",
                       (int)open.size, open.data, order);
    else
        (void)snprintf(guess->note, sizeof guess->note,
                       "%.*s could be two dates, and nothing tells; %s is taken", (int)open.size,
                       open.data, order);
}

/* Among the orders of best's shape that read as many samples. */
static const candidate *settle_order(const sample *s, const candidate *best, mw_time_guess *guess) {
    const candidate *rival = NULL, *taken = best;
    bool by_course = false;
    course course_taken = course_of(best, s);
    for (size_t k = 0; k < s->n_candidates; k++) {
        const candidate *c = &s->candidates[k];
        if (c == best || c->shape != best->shape || !c->n_read) continue;
        if (!rival || c->n_read > rival->n_read) rival = c;
        if (c->n_read < best->n_read || best->dotted) continue;
        guess->ambiguous = true;
        course other = course_of(c, s);
        bool better = is_smoother(&other, &course_taken);
        by_course = by_course || better || is_smoother(&course_taken, &other);
        if (!better) continue;
        rival = taken;
        taken = c;
        course_taken = other;
    }
    if (guess->ambiguous) guess->confidence *= by_course ? 0.75 : 0.5;
    if (rival && !best->dotted) note_order(s, taken, rival, by_course, guess);
    return taken;
}

/* --- all together -------------------------------------------------------------------------------- */

static void note_number(const sample *s, const candidate *c, mw_time_guess *guess) {
    char text[MW_TIME_TEXT_MAX];
    int64_t us;
    for (size_t i = 0; i < s->n; i++) {
        if (!reads(c, s, i, &us) || s->part == MW_TIME_CLOCK) continue;
        (void)mw_time_print(us, text);
        (void)snprintf(guess->note, sizeof guess->note, "%.*s is %s", (int)s->texts[i].size,
                       s->texts[i].data, text);
        return;
    }
}

static const candidate *best_of(const sample *s) {
    const candidate *best = NULL;
    for (size_t k = 0; k < s->n_candidates; k++)
        if (!best || s->candidates[k].n_read > best->n_read) best = &s->candidates[k];
    return best;
}

bool mw_time_form_detect(const mw_str *samples, size_t n, mw_time_part part, bool numbers,
                         mw_time_guess *ret) {
    sample s = {.texts = samples, .n = n, .part = part};
    if (n == 0) return false;
    add_form(&s, MW_FORM_ISO, '.');
    for (size_t i = 0; i < n; i++) {
        mw_time_shape shape;
        if (mw_time__shape(samples[i], part, numbers, &shape)) add_shape(&s, &shape);
    }
    if (numbers) add_numbers(&s);
    count_reads(&s);
    const candidate *best = best_of(&s);
    if (best->n_read * 2 < n) return false;
    mw_time_guess guess = {.confidence = (double)best->n_read / (double)n};
    if (best->order) best = settle_order(&s, best, &guess);
    if (best->form.kind != MW_FORM_ISO && best->form.kind != MW_FORM_PATTERN)
        note_number(&s, best, &guess);
    guess.form = best->form;
    *ret = guess;
    return true;
}
