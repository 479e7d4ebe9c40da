/*
 * time_form.h -- one way of writing times, decided from a sample and then read fast.
 *
 * What      a form is a value: kind, order of day and month, separators, clock, zone. Names are what users write and
 *           what reports show: "iso", "dd/mm/yyyy HH:MM:SS", "mm/dd/yyyy hh:MM am", "yyyymmdd", "unix-s", "unix-ms", "unix-us", "unix-ns",
 *           "excel", "cycle". Letters: yyyy yy mm dd (month before the clock), mon (Jan), HH hh MM SS .f, am, zzz
 *           for an offset or a zone's short name that means one ("CEST"); other bytes stand for themselves; digits of day, month and hour may lack a leading zero.
 * Patterns  also as strftime or Java write them: "%d/%m/%Y %H:%M", "dd.MM.yyyy HH:mm:ss.SSS"; the usual name is what is
 *           kept. SS may be followed by a fraction (point or comma) in every text, ":f" is one behind a colon; a blank
 *           stands for one or more; "day" is a weekday's name, which is not compared with the date. Names of months may be English,
 *           German, French, Spanish, Italian, Dutch or Portuguese, short or long; weekdays are English.
 * Years     yy: 00..68 are 2000..2068, 69..99 are 1969..1999.
 * Midnight  24:00 and 24:00:00 are the next day's 00:00, in iso and in 24-hour patterns; second 60 is the next minute's 0.
 * ISO       as mw_time_read, and a comma before the fraction.
 * Parts     a clock in a MW_TIME_DATE text and a date in a MW_TIME_CLOCK text are read and left out ("05/01/2026 0:00",
 *           "30/12/1899 06:00", as spreadsheets export them). Dates and clocks stay civil: their zone is for who joins
 *           them, by mw_zone_to_utc(zone, date + clock). Stamps come out in UTC.
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
    /* 0..1: share of the samples it reads; halved where day and month could be swapped and nothing tells, three quarters
     * of it where only the steps between rows do. */
    double confidence;
    /* As many samples read in another order of day, month and year: day first is taken, unless steps between
     * neighboring rows are smoother the other way round. Dates with points are never month first by steps alone. */
    bool ambiguous;
    /* For people: "03/04/2026 could be two dates; day first, as 25/04/2026 shows", "46027.25 is 2026-01-05T06:00:00Z" */
    char note[160];
} mw_time_guess;

/*
 * The form that reads most of samples [n] (trimmed, none missing, in file order). False when none reads at least half.
 * numbers: whether plain numbers may be times (a column called so, or monotone); else only what looks like a date is.
 */
bool mw_time_form_detect(const mw_str *samples, size_t n, mw_time_part part, bool numbers,
                         mw_time_guess *ret);

/* A stamp to us UTC; a date to us of its civil midnight, as if in UTC; a clock to us since midnight, 0 to a day and a
 * second. False: not of this form, or out of the years 0000 to 9999. Blanks at both ends are no part of the text here: trim before. */
bool mw_time_form_read(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                       int64_t *ret_us);

/* A whole column: what is not of the form is MW_TIME_NONE in out [n], its index in odd [n], ascending. Returns how many.
 * Cost: 2 ns where a field is the one above it, 5 to 12 ns for iso, patterns and whole unix numbers; 15 to 60 ns for the rest. */
size_t mw_time_read_fields(const mw_fields *fields, const mw_time_form *form, mw_time_part part,
                           int64_t *out, uint32_t *odd);

#endif
