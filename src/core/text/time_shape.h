/* time_shape.h -- which patterns one text could be of. Shared by time_*.c only. */
#ifndef MW_CORE_TEXT_TIME_SHAPE_H
#define MW_CORE_TEXT_TIME_SHAPE_H

#include "core/text/time_form.h"

enum { MW_TIME_SHAPE_ORDERS = 3 };

typedef struct mw_time_shape {
    size_t n; /* patterns, the likeliest first */
    char patterns[MW_TIME_SHAPE_ORDERS][MW_TIME_FORM_TEXT];
    char orders[MW_TIME_SHAPE_ORDERS]; /* 'd', 'm' or 'y': what stands first in a date of numbers */
    bool dotted;                       /* 05.01.2026: day first everywhere */
} mw_time_shape;

/* numbers: digits alone may be a date (20260105). False when the text looks like no time. */
bool mw_time__shape(mw_str text, mw_time_part part, bool numbers, mw_time_shape *ret);

#endif
