/* table_stream.c -- see table_stream.h. */
#include "support/table_stream.h"

#include <string.h>

static mw_status start(void *self, int32_t n_columns, mw_err *err) {
    mw_table_stream *s = self;
    (void)err;
    s->row = 0;
    s->n_columns = n_columns;
    return MW_OK;
}

static mw_status next(void *self, const mw_chunk **ret, mw_err *err) {
    mw_table_stream *s = self;
    int64_t left = s->table->n_rows - s->row;
    int64_t n = s->chunk_rows && s->chunk_rows < left ? s->chunk_rows : left;
    mw_type types[64];
    s->chunk = mw_chunk_free(s->chunk);
    *ret = NULL;
    if (n == 0) return MW_OK;
    for (int32_t c = 0; c < s->n_columns; c++) types[c] = s->schema->columns[c].type;
    mw_status status = mw_chunk_new(s->mem, types, s->n_columns, n, &s->chunk, err);
    if (status != MW_OK) return status;
    for (int32_t c = 0; c < s->n_columns; c++) {
        const mw_column *from = &s->table->columns[s->from[c]];
        size_t cell = from->type == MW_DICTIONARY ? 4 : 8;
        memcpy(s->chunk->columns[c].data, (const char *)from->time + (size_t)s->row * cell,
               (size_t)n * cell);
    }
    s->chunk->n_rows = n;
    s->row += n;
    *ret = s->chunk;
    return MW_OK;
}

static mw_status add(mw_table_stream *s, const char *name, mw_err *err) {
    const mw_column *column = mw_table_column(s->table, name);
    int32_t at;
    mw_status status = mw_schema_add(s->schema, mw_str_of(name), column->type, &at, err);
    if (status != MW_OK) return status;
    s->from[at] = (int32_t)(column - s->table->columns);
    if (column->type != MW_DICTIONARY) return MW_OK;
    mw_dictionary *texts;
    status = mw_dictionary_copy(s->mem, column->dictionary, &texts, err);
    if (status != MW_OK) return status;
    mw_dictionary_free(s->schema->columns[at].dictionary);
    s->schema->columns[at].dictionary = texts;
    return MW_OK;
}

mw_status mw_table_stream_begin(mw_mem *mem, const mw_table *table, const char *time,
                                const char *device, int64_t chunk_rows, mw_table_stream *ret,
                                mw_err *err) {
    *ret = (mw_table_stream){.mem = mem, .table = table, .chunk_rows = chunk_rows};
    ret->from = mw_alloc_array(mem, (size_t)table->n_columns + 1, sizeof *ret->from);
    mw_status status = ret->from ? MW_OK : mw_fail_nomem(err, "a stream");
    if (status == MW_OK) status = mw_schema_new(mem, &ret->schema, err);
    if (status == MW_OK) status = add(ret, time, err);
    if (status == MW_OK && device) status = add(ret, device, err);
    for (int32_t i = 0; i < table->n_columns && status == MW_OK; i++)
        if (table->columns[i].type == MW_FLOAT64) status = add(ret, table->columns[i].name, err);
    if (status != MW_OK) {
        mw_table_stream_end(ret);
        return status;
    }
    ret->rows = (mw_row_stream){.schema = ret->schema,
                                .has_device = device != NULL,
                                .n_rows = table->n_rows,
                                .start = start,
                                .next = next,
                                .self = ret};
    return MW_OK;
}

void mw_table_stream_end(mw_table_stream *stream) {
    stream->chunk = mw_chunk_free(stream->chunk);
    stream->schema = mw_schema_free(stream->schema);
    stream->from = mw_free(stream->from);
}

static mw_status add_column(mw_table *table, const mw_schema_column *column, mw_err *err) {
    mw_column *added;
    mw_status status = mw_table_add(table, mw_str_of(column->name), column->type, &added, err);
    for (int32_t i = 0; column->dictionary && status == MW_OK; i++) {
        int32_t code;
        if (i == mw_dictionary_size(column->dictionary)) break;
        status = mw_dictionary_add(added->dictionary, mw_dictionary_text(column->dictionary, i),
                                   &code, err);
    }
    return status;
}

static mw_status fill(mw_table *table, const mw_row_stream *rows, mw_err *err) {
    const mw_chunk *chunk = NULL;
    int64_t row = 0;
    mw_status status = rows->start(rows->self, rows->schema->n_columns, err);
    while (status == MW_OK) {
        status = rows->next(rows->self, &chunk, err);
        if (status != MW_OK || !chunk) break;
        if (row + chunk->n_rows > table->n_rows) return mw_fail(err, MW_EINTERNAL, "more rows");
        for (int32_t c = 0; c < table->n_columns; c++) {
            size_t cell = table->columns[c].type == MW_DICTIONARY ? 4 : 8;
            memcpy((char *)table->columns[c].time + (size_t)row * cell, chunk->columns[c].data,
                   (size_t)chunk->n_rows * cell);
        }
        row += chunk->n_rows;
    }
    if (status == MW_OK && row < table->n_rows) return mw_fail(err, MW_EINTERNAL, "fewer rows");
    return status;
}

mw_status mw_table_of_stream(mw_mem *mem, const mw_row_stream *rows, mw_table **ret, mw_err *err) {
    mw_table *table;
    mw_status status = mw_table_new(mem, rows->n_rows, &table, err);
    if (status != MW_OK) return status;
    for (int32_t c = 0; c < rows->schema->n_columns && status == MW_OK; c++)
        status = add_column(table, &rows->schema->columns[c], err);
    if (status == MW_OK) status = fill(table, rows, err);
    for (int32_t c = 0; c < table->n_columns && status == MW_OK; c++)
        status = mw_column_seal(table, &table->columns[c], err);
    if (status == MW_OK)
        *ret = table;
    else
        mw_table_free(table);
    return status;
}
