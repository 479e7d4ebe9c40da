/*
 * time_step.h -- the compiled pattern of a time form. Shared by time_*.c only.
 *
 * A pattern is a row of steps that ends with MW_STEP_END. MW_STEP_BYTE is followed by the byte it stands for.
 */
#ifndef MW_CORE_TEXT_TIME_STEP_H
#define MW_CORE_TEXT_TIME_STEP_H

#include "core/text/civil.h"
#include "core/text/time_form.h"

typedef enum mw_time_step {
    MW_STEP_END,
    MW_STEP_BYTE,     /* exactly the next one */
    MW_STEP_BLANK,    /* at least one blank, tab or no-break space */
    MW_STEP_YEAR,     /* four digits */
    MW_STEP_YEAR_2,   /* 00..68 are 2000..2068, 69..99 are 1969..1999 */
    MW_STEP_MONTH,    /* one or two digits */
    MW_STEP_MONTH_2,  /* two digits, as digits stand beside them */
    MW_STEP_DAY,      /* one or two */
    MW_STEP_DAY_2,    /* two */
    MW_STEP_NAME,     /* Jan or January, any case */
    MW_STEP_WEEKDAY,  /* Mon or Monday, any case; not compared with the date */
    MW_STEP_HOUR,     /* one or two; 24:00:00 is the next midnight */
    MW_STEP_HOUR_2,   /* two */
    MW_STEP_HOUR_12,  /* one or two, 0..12 */
    MW_STEP_MINUTE,   /* two */
    MW_STEP_SECOND,   /* two, then perhaps a point or comma and digits */
    MW_STEP_FRACTION, /* perhaps a colon and digits */
    MW_STEP_AM,       /* am, PM, a.m., P.M., blanks before it do not count */
    MW_STEP_OFFSET /* Z, UTC, GMT, +02:00, +0200, +02, -0200, CEST, and [Europe/Berlin] behind; blanks before it do not count */
} mw_time_step;

typedef struct mw_time_parts {
    int year, month, day, hour, minute, second;
    int64_t fraction_us;
    bool pm, am;
    bool has_offset;
    int64_t offset_us; /* east */
} mw_time_parts;

typedef struct mw_time_cursor {
    const char *at, *end;
} mw_time_cursor;

/* Runs steps up to their end, which must be the text's. Fills in parts what the steps read. */
bool mw_time__run(const uint8_t *steps, mw_time_cursor text, mw_time_parts *parts);
/* Checks the ranges. days counts from 1970; clock_us may be one day and a second at most. */
bool mw_time__civil(const mw_time_parts *parts, bool has_date, int64_t *ret_days,
                    int64_t *ret_clock_us);
/* From a civil date and clock to what is asked for; false out of the years 0000 to 9999. */
bool mw_time__place(int64_t days, int64_t clock_us, const mw_zone *zone, mw_time_part part,
                    int64_t *ret_us);
bool mw_time__has_date(const uint8_t *steps);
bool mw_time__has_clock(const uint8_t *steps);
/* What a zone's short name stands for, in any case of letters; false for none, and for one that means several zones. */
bool mw_time__offset_of(const char *letters, size_t n, int64_t *ret_us);
/* Bytes of a zone's name in brackets there, "[Europe/Berlin]"; 0 for none. */
size_t mw_time__bracket_size(const char *at, const char *end);
/* 1..12 by its name in some languages, or enough letters of it, in any case; 0 for none. */
int mw_time__month_of(const char *letters, size_t n);
/* Bytes of the blank, tab or no-break space there; 0 for none. */
size_t mw_time__blank_size(const char *at, const char *end);

/* Compiles a pattern and writes its usual name. False when it is none. */
bool mw_time__compile(const char *pattern, mw_time_form *ret);
/* A number as a time: the unix kinds, excel and cycle. */
bool mw_time__number(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                     int64_t *ret_us);

#endif
