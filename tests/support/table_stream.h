/*
 * table_stream.h -- a table as a stream of rows, cut into chunks where the test wants, and a stream as a table.
 */
#ifndef MW_TESTS_SUPPORT_TABLE_STREAM_H
#define MW_TESTS_SUPPORT_TABLE_STREAM_H

#include "core/table/rowstream.h"

typedef struct mw_table_stream {
    mw_row_stream rows;
    mw_mem *mem;
    const mw_table *table;
    mw_schema *schema;
    int32_t *from; /* [n_columns] column of the table */
    int64_t chunk_rows, row;
    int32_t n_columns;
    mw_chunk *chunk;
} mw_table_stream;

/* time, device (NULL: none) and the float64 columns of table, which is borrowed; chunk_rows rows a chunk, 0: all. */
mw_status mw_table_stream_begin(mw_mem *mem, const mw_table *table, const char *time,
                                const char *device, int64_t chunk_rows, mw_table_stream *ret,
                                mw_err *err);
void mw_table_stream_end(mw_table_stream *stream);

/* Reads a stream from its beginning to its end. */
mw_status mw_table_of_stream(mw_mem *mem, const mw_row_stream *rows, mw_table **ret, mw_err *err);

#endif
