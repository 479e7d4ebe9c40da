/*
 * time_form.h -- one way of writing times, decided from a sample and then read fast.
 *
 * What      a form is a value: kind, order of day and month, separators, clock, zone. Names are what users write and
 *           what reports show: "iso", "dd/mm/yyyy HH:MM:SS", "mm/dd/yyyy hh:MM am", "yyyymmdd", "unix-s", "unix-ms", "unix-us", "unix-ns",
 *           "excel", "cycle". Letters: yyyy yy mm dd (month before the clock), mon (Jan), HH hh MM SS .f, am, zzz
 *           for an offset; other bytes stand for themselves; digits of day, month and hour may lack a leading zero.
 * Cycle     a counter: cycle n is n seconds after 1970-01-01.
 * Excel     days since 1899-12-30 with fractions, rounded to ms (serials below 61 are off by one, as in Excel itself).
 */
#ifndef MW_CORE_TEXT_TIME_FORM_H
#define MW_CORE_TEXT_TIME_FORM_H

#include "core/text/fields.h"
#include "core/text/zone.h"

typedef enum mw_time_part { MW_TIME_STAMP, MW_TIME_DATE, MW_TIME_CLOCK } mw_time_part;

typedef enum mw_time_kind {
    MW_FORM_NONE,
    MW_FORM_ISO, /* as mw_time_read */
    MW_FORM_PATTERN,
    MW_FORM_UNIX_S,
    MW_FORM_UNIX_MS,
    MW_FORM_UNIX_US,
    MW_FORM_UNIX_NS,
    MW_FORM_EXCEL,
    MW_FORM_CYCLE
} mw_time_kind;

enum { MW_TIME_FORM_TEXT = 64 };

typedef struct mw_time_form {
    mw_time_kind kind;
    char pattern[MW_TIME_FORM_TEXT];  /* pattern only: its name */
    uint8_t steps[MW_TIME_FORM_TEXT]; /* pattern only: compiled */
    char decimal;                     /* of unix, excel and cycle numbers */
    const mw_zone *zone;              /* of stamps that name none; NULL: UTC. Borrowed. */
} mw_time_form;

/* MW_EINVAL with a hint when name is no form. The zone is left NULL and decimal '.'. */
mw_status mw_time_form_of(const char *name, mw_time_form *ret, mw_err *err);
void mw_time_form_name(const mw_time_form *form, char out[MW_TIME_FORM_TEXT]);

typedef struct mw_time_guess {
    mw_time_form form;
    double
        confidence; /* 0..1: share of the samples it reads, halved where day and month could be swapped */
    bool
        ambiguous; /* every sample reads both as day/month and as month/day: day first is taken, unless steps
                          between neighboring rows are smaller the other way round */
    char note
        [160]; /* for people: "03/04/2026 could be March or April; day first, as 25/04/2026 shows" */
} mw_time_guess;

/*
 * The form that reads most of samples [n] (trimmed, none missing, in file order). False when none reads at least half.
 * numbers: whether plain numbers may be times (a column called so, or monotone); else only what looks like a date is.
 */
bool mw_time_form_detect(const mw_str *samples, size_t n, mw_time_part part, bool numbers,
                         mw_time_guess *ret);

/* A stamp or date to us UTC; a clock to us since midnight. False: not of this form, or out of range. Blanks at both
 * ends are no part of the text here: trim before. */
bool mw_time_form_read(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                       int64_t *ret_us);

/* A whole column: what is not of the form is MW_TIME_NONE in out [n], its index in odd [n], ascending. Returns how many.
 * Cost: 2 ns where a field is the one above it, 4 to 8 ns for iso and patterns. */
size_t mw_time_read_fields(const mw_fields *fields, const mw_time_form *form, mw_time_part part,
                           int64_t *out, uint32_t *odd);

#endif
