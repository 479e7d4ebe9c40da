/*
 * chunk.h -- rows on their way from a source to a segment: some columns, a few thousand rows.
 *
 * What      a schema names and types the columns and owns their dictionaries; a chunk holds values only, in the schema's
 *           order, 64-byte aligned as table.h. Missing is NaN, MW_TIME_NONE, code -1; bool has a validity bitmap.
 * Growth    a schema may get further columns; chunks made before have fewer, and theirs are missing.
 */
#ifndef MW_CORE_TABLE_CHUNK_H
#define MW_CORE_TABLE_CHUNK_H

#include "core/table/table.h"

typedef struct mw_schema_column {
    char *name;
    mw_type type;              /* timestamp, float64, float32, bool, dictionary */
    mw_dictionary *dictionary; /* dictionary only; owned */
} mw_schema_column;

typedef struct mw_schema {
    mw_mem *mem;
    int32_t n_columns, capacity;
    mw_schema_column *columns;
    mw_dictionary *names;
} mw_schema;

mw_status mw_schema_new(mw_mem *mem, mw_schema **ret, mw_err *err);
void *mw_schema_free(mw_schema *schema);
/* MW_EDATA for a repeated name, MW_ETOOLARGE past MW_LIMIT(TABLE_COLUMNS). */
mw_status mw_schema_add(mw_schema *schema, mw_str name, mw_type type, int32_t *ret, mw_err *err);
int32_t mw_schema_find(const mw_schema *schema, mw_str name); /* -1: none */

typedef struct mw_chunk_column {
    mw_type type;
    union {
        void *data;
        int64_t *time;
        double *number;
        float *single; /* every missing one is the same NaN */
        int32_t *codes;
        uint8_t *bits;
    };
    uint8_t *validity; /* bool only */
} mw_chunk_column;

typedef struct mw_chunk {
    mw_mem *mem;
    int64_t n_rows, capacity; /* rows in use, rows there is room for */
    int32_t n_columns;
    mw_chunk_column *columns; /* [n_columns] */
} mw_chunk;

/* types [n]; values undefined until written. One allocation for all columns. */
mw_status mw_chunk_new(mw_mem *mem, const mw_type *types, int32_t n_columns, int64_t capacity,
                       mw_chunk **ret, mw_err *err);
/* The same without memory for columns other than bool: the caller sets their data, which lies in something larger. Only its rows are of use. */
mw_status mw_chunk_new_within(mw_mem *mem, const mw_type *types, int32_t n_columns,
                              int64_t capacity, mw_chunk **ret, mw_err *err);
void *mw_chunk_free(mw_chunk *chunk);
size_t mw_chunk_bytes(const mw_chunk *chunk); /* of its allocation */

/* The one block that all columns lie in, in their order; chunks of one capacity and the same types have the same
 * layout. Padding is zero once the rows are there. */
void *mw_chunk_block(const mw_chunk *chunk, size_t *ret_bytes);

/* Copies rows [from, from + n) of `source` behind the last row of `to`, which has room for them; columns that source
 * lacks are missing. */
void mw_chunk_append(mw_chunk *to, const mw_chunk *source, int64_t from, int64_t n);
typedef struct mw_chunk_range {
    const mw_chunk *source;
    int64_t from, n;
} mw_chunk_range;

/* The same for many ranges, in their order; column by column, so that short ranges cost little more. */
void mw_chunk_append_ranges(mw_chunk *to, const mw_chunk_range *ranges, int32_t n_ranges);
/* The same for the rows named by index [n], in that order. */
void mw_chunk_gather(mw_chunk *to, const mw_chunk *source, const uint32_t *index, int64_t n);

#endif
