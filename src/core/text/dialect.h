/*
 * dialect.h -- how a table of text is cut into rows and fields, and how its numbers are written.
 *
 * Every byte here is ASCII: the text is UTF-8 by then, and its lines end in LF or CRLF.
 */
#ifndef MW_CORE_TEXT_DIALECT_H
#define MW_CORE_TEXT_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"

enum { MW_DIALECT_WIDTHS = 256 };

typedef struct mw_dialect {
    char separator; /* ',', ';', '\t', '|', ...; not used with blanks or widths */
    bool blanks; /* runs of blanks and tabs separate; those at both ends of a line do not count */
    char quote;  /* '"', '\'' or 0: quotes mean nothing */
    char
        escape; /* '\\': the next byte stands for itself; 0: none. A quote inside quotes may be doubled either way. */
    char comment;   /* a line that begins with it is skipped; 0: none */
    char decimal;   /* '.' or ',' */
    char thousands; /* ',', '.', '\'', ' ' or '_' between groups of three digits; 0: none */
    uint16_t
        n_widths; /* > 0: fixed columns of so many bytes; the last one takes the rest of the line */
    uint16_t widths[MW_DIALECT_WIDTHS];
} mw_dialect;

/* RFC 4180: ',' and '"', decimal point. */
extern const mw_dialect mw_dialect_csv;

/* MW_EINVAL when two of its characters cannot be told apart, or one ends lines. */
mw_status mw_dialect_check(const mw_dialect *dialect, mw_err *err);

/* True when fields are cut by the separator and doubled quotes alone, so that csv_index.h can do it. Comments do not
 * hinder: a block with a comment line is irregular there. */
bool mw_dialect_is_simple(const mw_dialect *dialect);

#endif
