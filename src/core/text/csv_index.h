/*
 * csv_index.h -- where the fields of a block of CSV text end, found 64 bytes at a time.
 *
 * What      the position of every separator and line feed outside quotes. Only for simple dialects (mw_dialect_is_simple)
 *           and blocks that begin at a row's start. What is not plainly regular is only named: csv.h reads it.
 * Left to   the caller: a last row without a line feed has no mark at its end (add one: there is room); the CR of a CRLF
 * the       stays in its field; a blank line is a line of one empty field; a byte-order mark is a field's bytes; limits
 * caller    on fields and rows.
 * Algorithm masks of quotes, separators and line feeds; quoted regions by a carry-less product with all ones (a prefix
 *           XOR); after Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019. The scalar twin is a state
 *           machine and the oracle.
 * Cost      0.15 ns a byte with AVX2, 0.04 with AVX-512 (0.1 when fields are quoted), marks included, six bytes a field.
 */
#ifndef MW_CORE_TEXT_CSV_INDEX_H
#define MW_CORE_TEXT_CSV_INDEX_H

#include <stddef.h>

#include "core/text/dialect.h"

typedef struct mw_csv_index {
    size_t n_marks;  /* written; 0 when irregular */
    size_t n_lines;  /* line feeds among them */
    size_t n_feeds;  /* line feeds in all: those inside quotes too, and when irregular */
    bool has_quotes; /* the dialect's quote occurs */
    bool has_high;   /* a byte of 0x80 or more occurs: check UTF-8 */
    bool
        irregular; /* a quote that neither opens a field nor closes one nor is doubled, a NUL, a comment line, or the
                        block ends inside quotes: the marks mean nothing */
} mw_csv_index;

/* text [size], at most UINT32_MAX - 64, with 64 readable bytes behind; marks [size + 64]. The levels of core/base/cpu.h
 * give the same marks. */
void mw_csv_index_block(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret);

#endif
