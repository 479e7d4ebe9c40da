/*
 * csv_index.h -- where the fields of a block of CSV text end, found 64 bytes at a time.
 *
 * What      the position of every separator and line feed outside quotes. Only for simple dialects (mw_dialect_is_simple)
 *           and blocks that begin at a row's start. What is not plainly regular is only named: csv.h reads it.
 * Algorithm masks of quotes, separators and line feeds; quoted regions by a carry-less product with all ones (a prefix
 *           XOR); after Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019, and the scalar twin as oracle.
 * Cost      about 0.1 ns a byte and 0.5 ns a field with AVX2.
 */
#ifndef MW_CORE_TEXT_CSV_INDEX_H
#define MW_CORE_TEXT_CSV_INDEX_H

#include "core/text/dialect.h"
#include <stddef.h>

typedef struct mw_csv_index {
    size_t n_marks;  /* written */
    size_t n_lines;  /* line feeds among them */
    bool has_quotes; /* the dialect's quote occurs */
    bool has_high;   /* a byte of 0x80 or more occurs: check UTF-8 */
    bool
        irregular; /* a quote that neither opens a field nor closes one nor is doubled, a NUL, or the block ends
                        inside quotes: the marks mean nothing */
} mw_csv_index;

/* text [size], at most UINT32_MAX - 64, with 64 readable bytes behind; marks [size + 64]. The levels of core/base/cpu.h
 * give the same marks. */
void mw_csv_index_block(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret);

#endif
