/*
 * arrowwrite.h -- the messages of an Arrow IPC file in the order of their bytes: the one writer behind
 * ipcwrite.c (tables) and ipcstream.c (chunks).
 *
 * What      start (magic, schema), then batches and dictionaries in any order, then end (mark, footer).
 * Lifetime  mw_arrow__start -> (mw_arrow__put_batch | mw_arrow__put_dictionaries)* -> mw_arrow__end;
 *           mw_arrow__stop frees, whatever came before.
 * Bytes     depend on the values only: padding is zero, a missing float64 is one fixed NaN, a missing
 *           code 0, a missing bool a zero bit; validity is derived from the values where they say it.
 */
#ifndef MW_CORE_TABLE_ARROWWRITE_H
#define MW_CORE_TABLE_ARROWWRITE_H

#include "core/table/arrow.h"
#include "core/table/arrowmeta.h"

/* Some rows of a column, borrowed. values NULL: all of them are missing. */
typedef struct mw_arrow_cells {
    const void *values;      /* us, numbers, codes, bits; utf8: offsets [n_rows + 1] into bytes */
    const uint8_t *validity; /* bool and utf8; NULL: all have a value */
    const char *bytes;       /* utf8 */
} mw_arrow_cells;

typedef struct mw_arrow_blocks {
    mw_arrow_block *items; /* [n] */
    size_t n, capacity;
} mw_arrow_blocks;

typedef struct mw_arrow_writer {
    const mw_ctx *ctx;
    const mw_arrow_column *columns; /* [n_columns], borrowed */
    size_t n_columns;
    const mw_meta *meta; /* [n_meta], borrowed */
    size_t n_meta;
    mw_arrow_sink *sink;
    mw_buf message;
    mw_arrow_blocks dictionaries, records;
    mw_arrow_node *nodes; /* [n_columns], scratch of one batch */
    bool *as_is;          /* [n_columns] the values go out without a change */
    mw_arrow_range *buffers;
} mw_arrow_writer;

/* Checks names and metadata, writes magic and schema. */
mw_status mw_arrow__start(mw_arrow_writer *writer, const mw_ctx *ctx,
                          const mw_arrow_column *columns, size_t n_columns, const mw_meta *meta,
                          size_t n_meta, mw_arrow_sink *sink, mw_err *err);
/* cells [n_columns]. Buffers without missing values are handed to the sink where they lie. */
mw_status mw_arrow__put_batch(mw_arrow_writer *writer, const mw_arrow_cells *cells, int64_t n_rows,
                              mw_err *err);
/* All dictionaries as they are now, once. */
mw_status mw_arrow__put_dictionaries(mw_arrow_writer *writer, mw_err *err);
/* A file without a batch gets an empty one: some readers want at least one. */
mw_status mw_arrow__end(mw_arrow_writer *writer, mw_err *err);
void mw_arrow__stop(mw_arrow_writer *writer);

#endif
