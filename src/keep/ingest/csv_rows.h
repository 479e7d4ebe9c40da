/*
 * csv_rows.h -- the rows of one CSV file: source, lexer and header together.
 *
 * What      opens a file, refuses what is not CSV text (empty, binary, another format) with one
 *           clear message, takes the first row as header, then gives row after row.
 * Lifetime  mw_rows_open -> mw_rows_next* -> mw_rows_hash -> mw_rows_close
 * Header    names are trimmed; field i without a name is called "column_<i + 1>".
 */
#ifndef MW_KEEP_INGEST_CSV_ROWS_H
#define MW_KEEP_INGEST_CSV_ROWS_H

#include "core/text/csv.h"
#include "keep/ingest/source.h"

typedef struct mw_rows mw_rows;

/* Errors carry the file's name. path is borrowed until the close. */
mw_status mw_rows_open(const mw_ctx *ctx, const char *path, mw_rows **ret, mw_err *err);
void *mw_rows_close(mw_rows *rows); /* NULL is allowed; returns NULL */

const mw_str *mw_rows_header(const mw_rows *rows, uint32_t *ret_n); /* [n] */
mw_str mw_rows_header_line(const mw_rows *rows); /* as it stood, without its line end */

/* *ret_has false at the end. The row's texts are valid until the next call. */
mw_status mw_rows_next(mw_rows *rows, mw_csv_row *ret, bool *ret_has, mw_err *err);

/* Why a row cannot be used at all (wrong number of fields, quoting, encoding), or NULL. *ret_field
 * is its 0-based field. scratch [96] may hold the text. */
enum { MW_ROWS_REASON = 96 };
const char *mw_rows_problem(const mw_rows *rows, const mw_csv_row *row, uint32_t *ret_field,
                            char scratch[MW_ROWS_REASON]);

/* After the end: true when the file does not end in a line end, so that its last row may be cut. */
bool mw_rows_open_ended(const mw_rows *rows);
mw_status mw_rows_fail_cut(const mw_rows *rows, uint64_t line, mw_err *err);

const mw_source *mw_rows_source(const mw_rows *rows);
void mw_rows_hash(mw_rows *rows, char hex[MW_SHA256_HEX]); /* after the end, once */

#endif
