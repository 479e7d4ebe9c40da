/*
 * csv.h -- lexing of a byte stream into rows of fields: RFC 4180 and the other dialects of dialect.h.
 *
 * What      pushes bytes in, pulls rows out; quotes, doubled quotes, line feeds inside quotes, LF and
 *           CRLF, an optional UTF-8 byte-order mark. It knows nothing of types or headers. It is the
 *           oracle of csv_index.h.
 * Blanks    runs of blanks and tabs separate, those at a line's ends mean nothing; a comment may stand
 *           behind them. A line of blanks only is a blank line.
 * Widths    fields are so many bytes of the line, blanks included, the last one all the rest; a short
 *           line has empty fields at its end. Quotes and escapes mean nothing.
 * Escape    makes the byte behind it, or a CRLF, stand for itself, inside quotes and outside. One with
 *           nothing behind it in its field stands for itself. A bad row with an escaped line end
 *           outside quotes is not cut at its first line but ends with the line of its problem.
 * Comments  lines that begin so (outside quotes) are skipped, and counted in the line numbers.
 * Lifetime  mw_csv_init -> (mw_csv_push -> mw_csv_row*)* -> mw_csv_finish -> mw_csv_row* -> mw_csv_done
 * Bad rows  a quote that opens mid-field, text after a closing quote, a quote never closed, a NUL, a
 *           field or row over its limit, too many fields: the row is returned with `problem` set, its
 *           raw bytes and no fields. One that is bad because of its quotes, or too long, ends at its
 *           first line and lexing resumes at its second; of a single line over the limit raw keeps
 *           MW_LIMIT(CSV_ROW_BYTES) bytes. README.md says why.
 */
#ifndef MW_CORE_TEXT_CSV_H
#define MW_CORE_TEXT_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"
#include "core/text/dialect.h"

typedef struct mw_csv_row {
    mw_str *fields; /* [n_fields], unquoted; valid until the next call */
    uint32_t n_fields;
    mw_str raw;              /* the row's bytes as they stood, without its line end */
    uint64_t line;           /* 1-based number of its first line */
    const char *problem;     /* NULL, or why it cannot be used */
    uint32_t problem_column; /* 1-based field number of the problem */
} mw_csv_row;

typedef struct mw_csv mw_csv;

/* The dialect is copied. MW_EINVAL as of mw_dialect_check. */
mw_status mw_csv_new(mw_mem *mem, const mw_dialect *dialect, mw_csv **ret, mw_err *err);
void *mw_csv_free(mw_csv *csv);
/* Adds bytes (copied). MW_ENOMEM, or MW_ETOOLARGE when more than 16 MW_LIMIT(CSV_ROW_BYTES) would wait
 * unread: pull rows between pushes. A row over its limit is a bad row, not an error here. */
mw_status mw_csv_push(mw_csv *csv, const char *data, size_t size, mw_err *err);
/* The text does not begin where a file does: a byte-order mark is data. Before the first push. */
void mw_csv_keep_mark(mw_csv *csv);
/* No more bytes will come: the last row may lack its line end. */
void mw_csv_finish(mw_csv *csv);
/* True when a row was written to *ret; false when more bytes are needed or all is read. Blank lines
 * are skipped. */
bool mw_csv_row_next(mw_csv *csv, mw_csv_row *ret);
/* Bytes pushed that belong to no row given yet: 0 when the text so far ends where a row does. */
size_t mw_csv_waiting(const mw_csv *csv);

/*
 * Where text [size], which begins with a row, may be cut: behind the line feed of its last whole row; 0: none is whole.
 * Lexing both parts gives the rows of the whole. That holds also for texts with bad rows, but where an odd number of
 * stray quotes is made up for by a quoted field in which the text ends: that row then is bad.
 * Cost: 50 GB/s where the last line feed is outside quotes; else, and with escapes, 0.5 to 1 GB/s.
 */
size_t mw_csv_cut(const mw_dialect *dialect, const char *text, size_t size);

/* Appends one field of mw_dialect_csv, quoted only when it must be. */
void mw_csv_write_field(mw_buf *buf, mw_str field);

#endif
