/*
 * arrowmeta.h -- the metadata messages of an Arrow IPC file, as the writer needs them.
 *
 * Each function replaces the content of `out` by one finished FlatBuffer.
 */
#ifndef MW_CORE_TABLE_ARROWMETA_H
#define MW_CORE_TABLE_ARROWMETA_H

#include "core/table/arrow.h"
#include "core/table/flat.h"

typedef struct mw_arrow_column { /* a field of the schema; everything is borrowed */
    const char *name;
    mw_type type;
    const mw_dictionary *dictionary; /* dictionary only */
} mw_arrow_column;

typedef struct mw_arrow_node { /* one column of a batch */
    int64_t n_rows;
    int64_t n_missing;
} mw_arrow_node;

typedef struct mw_arrow_range { /* a buffer, from the start of the body */
    int64_t offset;
    int64_t bytes;
} mw_arrow_range;

typedef struct mw_arrow_block { /* a message, from the start of the file */
    int64_t offset;
    int32_t meta_bytes; /* with its 8-byte prefix */
    int64_t body_bytes;
} mw_arrow_block;

typedef struct mw_arrow_batch {
    int64_t n_rows;
    const mw_arrow_node *nodes; /* [n_nodes] */
    size_t n_nodes;
    const mw_arrow_range *buffers; /* [n_buffers] */
    size_t n_buffers;
    int64_t body_bytes;
} mw_arrow_batch;

void mw_arrow__schema_message(const mw_arrow_column *columns, size_t n_columns, const mw_meta *meta,
                              size_t n_meta, mw_buf *out);
/* dictionary: its id, or -1 for a batch of records. */
void mw_arrow__batch_message(const mw_arrow_batch *batch, int64_t dictionary, mw_buf *out);
void mw_arrow__footer(const mw_arrow_column *columns, size_t n_columns, const mw_meta *meta,
                      size_t n_meta, const mw_arrow_block *dictionaries, size_t n_dictionaries,
                      const mw_arrow_block *records, size_t n_records, mw_buf *out);

#endif
