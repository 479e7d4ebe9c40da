/*
 * rowstream.h -- telemetry rows in the order of their times, chunk by chunk: what resampling reads.
 *
 * What      column 0 is the time; column 1 the device if has_device, a dictionary; all others are float64, the parameters.
 * Order     no row is older than a row of an earlier chunk. Within a chunk rows come in any order; those of one time and
 *           device count in theirs.
 * Lifetime  (start -> next*)*: a stream can be read as often as one likes. A chunk is good until the next call.
 * Memory    some chunks, whatever the number of rows.
 */
#ifndef MW_CORE_TABLE_ROWSTREAM_H
#define MW_CORE_TABLE_ROWSTREAM_H

#include "core/table/chunk.h"

typedef struct mw_row_stream {
    const mw_schema *schema;
    bool has_device;
    int64_t n_rows; /* of all chunks */
    /* Goes to the first row; chunks will have the schema's first n_columns. */
    mw_status (*start)(void *self, int32_t n_columns, mw_err *err);
    mw_status (*next)(void *self, const mw_chunk **ret, mw_err *err); /* *ret NULL: the end */
    void *self;
} mw_row_stream;

static inline int32_t mw_row_stream_first(const mw_row_stream *rows) { /* parameter's column */
    return rows->has_device ? 2 : 1;
}

static inline int32_t mw_row_stream_parameters(const mw_row_stream *rows) {
    return rows->schema->n_columns - mw_row_stream_first(rows);
}

#endif
