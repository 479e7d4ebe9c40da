/*
 * cells.h -- what one CSV field means: a number, a truth value, text, or nothing.
 *
 * One place for the rules, so that telemetry files and plain tables read the same file the same
 * way.
 */
#ifndef MW_KEEP_INGEST_CELLS_H
#define MW_KEEP_INGEST_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

typedef enum mw_cell {
    MW_CELL_MISSING,  /* empty, blanks, NA, N/A, NaN, null (any case) */
    MW_CELL_NUMBER,   /* finite */
    MW_CELL_BOOL,     /* true, false (any case): 1 and 0 */
    MW_CELL_INFINITE, /* a number past what a double holds, or inf */
    MW_CELL_TEXT
} mw_cell;

/* Blanks and tabs around are ignored. *ret is written for NUMBER and BOOL. */
mw_cell mw_cell_read(mw_str text, double *ret);

/* How a file writes its numbers and what else it calls missing. */
typedef struct mw_cell_rules {
    char decimal, thousands;  /* as mw_dialect */
    const char *const *marks; /* [n_marks] */
    size_t n_marks;
    const double *mark_values; /* [n_mark_values] as mw_cell_mark_values writes them */
    size_t n_mark_values;
} mw_cell_rules;

/* The values of those of `marks` that are numbers, into ret [n_marks]; returns how many. mark_values may be unset. */
size_t mw_cell_mark_values(const mw_cell_rules *rules, double *ret);

/*
 * The same by a file's own rules; here "-", "--", "?", "#N/A" and "none" are missing too, since they stand where a number should be.
 * One of `marks` that is a number stands for its value, however that is written; true and false are never it.
 * Thousands marks count only where they part groups of three digits before the decimal mark. A text of more than 1024 bytes that
 * holds a thousands mark, or a decimal mark that is no point, is never a number here.
 */
mw_cell mw_cell_read_as(const mw_cell_rules *rules, mw_str text, double *ret);

/*
 * A number as a spreadsheet sets it, in ASCII: no-break, thin and narrow blanks (U+00A0, U+2009, U+202F) as ' ', the minus sign (U+2212)
 * as '-', blanks at the ends gone. text itself when it has none of them, has other signs, or is too long for out.
 */
enum { MW_CELL_NUMBER_BYTES = 80 };
mw_str mw_cell_in_ascii(mw_str text, char out[MW_CELL_NUMBER_BYTES]);

/* True for what mw_cell_read calls missing; text must be trimmed. */
bool mw_cell_is_missing(mw_str text);

/* Text for a message: at most 40 bytes, cut at a character, control characters as '?'. out [64]. */
enum { MW_CELL_SHOWN = 64 };
const char *mw_cell_show(mw_str text, char out[MW_CELL_SHOWN]);

#endif
