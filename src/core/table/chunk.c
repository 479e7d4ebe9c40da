/* chunk.c -- see chunk.h. All columns of a chunk lie in one aligned block, each padded to 64 bytes. */
#include "core/table/chunk.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/table/columns.h"

enum { ALIGNMENT = 64, FIRST_COLUMNS = 8 };

mw_status mw_schema_new(mw_mem *mem, mw_schema **ret, mw_err *err) {
    mw_schema *schema = mw_calloc(mem, 1, sizeof *schema);
    if (!schema) return mw_fail_nomem(err, "a schema");
    schema->mem = mem;
    mw_status status = mw_dictionary_new(mem, &schema->names, err);
    if (status != MW_OK) {
        mw_free(schema);
        return status;
    }
    *ret = schema;
    return MW_OK;
}

void *mw_schema_free(mw_schema *schema) {
    if (!schema) return NULL;
    for (int32_t i = 0; i < schema->n_columns; i++) {
        mw_free(schema->columns[i].name);
        mw_dictionary_free(schema->columns[i].dictionary);
    }
    mw_free(schema->columns);
    mw_dictionary_free(schema->names);
    return mw_free(schema);
}

static mw_status make_room(mw_schema *schema, mw_err *err) {
    if (schema->n_columns < schema->capacity) return MW_OK;
    int32_t capacity = schema->capacity ? 2 * schema->capacity : FIRST_COLUMNS;
    void *columns =
        mw_realloc(schema->mem, schema->columns, (size_t)capacity * sizeof *schema->columns);
    if (!columns) return mw_fail_nomem(err, "a schema");
    schema->columns = columns;
    schema->capacity = capacity;
    return MW_OK;
}

mw_status mw_schema_add(mw_schema *schema, mw_str name, mw_type type, int32_t *ret, mw_err *err) {
    if (schema->n_columns >= MW_LIMIT(TABLE_COLUMNS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld columns",
                       (long long)MW_LIMIT(TABLE_COLUMNS));
    if (name.size && memchr(name.data, 0, name.size))
        return mw_fail(err, MW_EDATA, "a column name holds a NUL character");
    if (mw_dictionary_find(schema->names, name) >= 0)
        return mw_fail(err, MW_EDATA, "the column \"%.*s\" comes twice", (int)name.size, name.data);
    mw_status status = make_room(schema, err);
    if (status != MW_OK) return status;
    mw_schema_column column = {.type = type, .name = mw_strndup(schema->mem, name.data, name.size)};
    if (!column.name) return mw_fail_nomem(err, "a schema");
    if (type == MW_DICTIONARY) status = mw_dictionary_new(schema->mem, &column.dictionary, err);
    int32_t index;
    if (status == MW_OK) status = mw_dictionary_add(schema->names, name, &index, err);
    if (status != MW_OK) {
        mw_dictionary_free(column.dictionary);
        mw_free(column.name);
        return status;
    }
    schema->columns[schema->n_columns] = column;
    *ret = schema->n_columns++;
    return MW_OK;
}

int32_t mw_schema_find(const mw_schema *schema, mw_str name) {
    return mw_dictionary_find(schema->names, name);
}

static size_t padded(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static size_t column_bytes(mw_type type, int64_t capacity, bool within) {
    if (within && type != MW_BOOL) return 0;
    return padded(mw_table__value_bytes(type, capacity)) * (type == MW_BOOL ? 2 : 1);
}

static mw_status new_chunk(mw_mem *mem, const mw_type *types, int32_t n_columns, int64_t capacity,
                           bool within, mw_chunk **ret, mw_err *err) {
    size_t head = padded(sizeof(mw_chunk) + (size_t)n_columns * sizeof(mw_chunk_column));
    size_t size = head;
    for (int32_t i = 0; i < n_columns; i++) size += column_bytes(types[i], capacity, within);
    char *block = mw_alloc_aligned(mem, size);
    if (!block) return mw_fail_nomem(err, "rows of a table");
    mw_chunk *chunk = (mw_chunk *)(void *)block;
    *chunk = (mw_chunk){.mem = mem,
                        .capacity = capacity,
                        .n_columns = n_columns,
                        .columns = (mw_chunk_column *)(void *)(block + sizeof *chunk)};
    char *at = block + head;
    for (int32_t i = 0; i < n_columns; i++) {
        mw_chunk_column *column = &chunk->columns[i];
        size_t bytes = column_bytes(types[i], capacity, within);
        *column = (mw_chunk_column){.type = types[i], .data = at};
        if (types[i] == MW_BOOL) {
            column->validity = (uint8_t *)at + bytes / 2;
            memset(column->bits, 0, bytes);
        } else if (bytes) {
            memset(at + bytes - ALIGNMENT, 0, ALIGNMENT);
        }
        at += bytes;
    }
    *ret = chunk;
    return MW_OK;
}

mw_status mw_chunk_new(mw_mem *mem, const mw_type *types, int32_t n_columns, int64_t capacity,
                       mw_chunk **ret, mw_err *err) {
    return new_chunk(mem, types, n_columns, capacity, false, ret, err);
}

mw_status mw_chunk_new_within(mw_mem *mem, const mw_type *types, int32_t n_columns,
                              int64_t capacity, mw_chunk **ret, mw_err *err) {
    return new_chunk(mem, types, n_columns, capacity, true, ret, err);
}

void *mw_chunk_free(mw_chunk *chunk) { return mw_free(chunk); }

size_t mw_chunk_bytes(const mw_chunk *chunk) {
    size_t size = padded(sizeof *chunk + (size_t)chunk->n_columns * sizeof *chunk->columns);
    for (int32_t i = 0; i < chunk->n_columns; i++)
        size += column_bytes(chunk->columns[i].type, chunk->capacity, false);
    return size;
}

void *mw_chunk_block(const mw_chunk *chunk, size_t *ret_bytes) {
    size_t head = padded(sizeof *chunk + (size_t)chunk->n_columns * sizeof *chunk->columns);
    *ret_bytes = mw_chunk_bytes(chunk) - head;
    return (char *)(uintptr_t)chunk + head;
}

static void fill_missing(mw_chunk_column *column, int64_t at, int64_t n) {
    mw_table__fill_missing(column->type, column->data, at, n);
    if (column->validity) mw_table__clear_bits(column->validity, at, n);
}

static void copy_cells(mw_chunk_column *to, int64_t at, const mw_chunk_column *from, int64_t row,
                       int64_t n) {
    if (to->type == MW_BOOL) {
        mw_table__copy_bits(to->bits, at, from->bits, row, n);
        mw_table__copy_bits(to->validity, at, from->validity, row, n);
    } else if (to->type == MW_DICTIONARY || to->type == MW_FLOAT32) {
        memcpy(to->codes + at, from->codes + row, (size_t)n * sizeof *to->codes);
    } else {
        memcpy(to->number + at, from->number + row, (size_t)n * sizeof *to->number);
    }
}

void mw_chunk_append_ranges(mw_chunk *to, const mw_chunk_range *ranges, int32_t n_ranges) {
    int64_t end = to->n_rows;
    for (int32_t c = 0; c < to->n_columns; c++) {
        mw_chunk_column *column = &to->columns[c];
        bool words = column->type == MW_FLOAT64 || column->type == MW_TIMESTAMP;
        int64_t at = to->n_rows;
        for (int32_t r = 0; r < n_ranges; r++) {
            const mw_chunk_range *range = &ranges[r];
            if (c >= range->source->n_columns)
                fill_missing(column, at, range->n);
            else if (words && range->n == 1)
                column->time[at] = range->source->columns[c].time[range->from];
            else
                copy_cells(column, at, &range->source->columns[c], range->from, range->n);
            at += range->n;
        }
        end = at;
    }
    to->n_rows = end;
}

void mw_chunk_append(mw_chunk *to, const mw_chunk *source, int64_t from, int64_t n) {
    mw_chunk_range range = {.source = source, .from = from, .n = n};
    mw_chunk_append_ranges(to, &range, 1);
}

void mw_chunk_gather(mw_chunk *to, const mw_chunk *source, const uint32_t *index, int64_t n) {
    int64_t at = to->n_rows;
    for (int32_t c = 0; c < to->n_columns; c++) {
        mw_chunk_column *column = &to->columns[c];
        if (c >= source->n_columns) {
            fill_missing(column, at, n);
            continue;
        }
        const mw_chunk_column *other = &source->columns[c];
        if (column->type == MW_BOOL) {
            for (int64_t i = 0; i < n; i++) {
                int64_t row = index[i];
                mw_table__set_bit(column->bits, at + i, mw_table__bit(other->bits, row));
                mw_table__set_bit(column->validity, at + i, mw_table__bit(other->validity, row));
            }
        } else if (column->type == MW_DICTIONARY || column->type == MW_FLOAT32) {
            for (int64_t i = 0; i < n; i++) column->codes[at + i] = other->codes[index[i]];
        } else {
            for (int64_t i = 0; i < n; i++) column->number[at + i] = other->number[index[i]];
        }
    }
    to->n_rows += n;
}
