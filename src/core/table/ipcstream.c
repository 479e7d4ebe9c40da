/*
 * ipcstream.c -- the writing half of ipcstream.h. Columns go to the file from where they lie in the
 * chunk; the writer itself holds one message and a few words a column and a batch.
 */
#include "core/table/ipcstream.h"

#include <string.h>

#include "core/table/arrowwrite.h"

struct mw_ipc_writer {
    mw_mem *mem;
    mw_arrow_writer arrow;
    mw_arrow_sink sink;
    mw_arrow_column *columns; /* [n_columns] of the schema at the start */
    mw_arrow_cells *cells;    /* [n_columns], scratch of one chunk */
    size_t n_columns;
    mw_meta *meta; /* [n_meta] copies, for the footer; their texts follow in one block */
    int64_t n_rows;
};

static mw_status write_to_file(void *self, const void *data, size_t size, mw_err *err) {
    return mw_file_write(self, data, size, err);
}

static mw_status copy_meta(mw_ipc_writer *writer, const mw_meta *meta, size_t n, mw_err *err) {
    size_t bytes = n * sizeof *meta;
    for (size_t i = 0; i < n; i++) bytes += strlen(meta[i].key) + strlen(meta[i].value) + 2;
    char *at = mw_alloc(writer->mem, bytes);
    if (!at) return mw_fail_nomem(err, "writing a table");
    writer->meta = (mw_meta *)(void *)at;
    at += n * sizeof *meta;
    for (size_t i = 0; i < n; i++) {
        const char *const texts[] = {meta[i].key, meta[i].value};
        char *copies[2];
        for (size_t k = 0; k < 2; k++) {
            size_t size = strlen(texts[k]) + 1;
            copies[k] = memcpy(at, texts[k], size);
            at += size;
        }
        writer->meta[i] = (mw_meta){copies[0], copies[1]};
    }
    return MW_OK;
}

mw_status mw_ipc_writer_new(const mw_ctx *ctx, const mw_schema *schema, const mw_meta *meta,
                            size_t n_meta, mw_file *file, mw_ipc_writer **ret, mw_err *err) {
    size_t n = (size_t)schema->n_columns;
    mw_ipc_writer *writer = mw_calloc(ctx->mem, 1, sizeof *writer);
    if (!writer) return mw_fail_nomem(err, "writing a table");
    writer->mem = ctx->mem;
    writer->sink = (mw_arrow_sink){write_to_file, file, 0};
    writer->n_columns = n;
    writer->columns = mw_alloc_array(ctx->mem, n, sizeof *writer->columns);
    writer->cells = mw_alloc_array(ctx->mem, n, sizeof *writer->cells);
    mw_status status =
        writer->columns && writer->cells ? MW_OK : mw_fail_nomem(err, "writing a table");
    for (size_t i = 0; i < n && status == MW_OK; i++)
        writer->columns[i] = (mw_arrow_column){schema->columns[i].name, schema->columns[i].type,
                                               schema->columns[i].dictionary};
    if (status == MW_OK) status = copy_meta(writer, meta, n_meta, err);
    if (status == MW_OK)
        status = mw_arrow__start(&writer->arrow, ctx, writer->columns, n, writer->meta, n_meta,
                                 &writer->sink, err);
    if (status != MW_OK) {
        mw_ipc_writer_free(writer);
        return status;
    }
    *ret = writer;
    return MW_OK;
}

mw_status mw_ipc_writer_add(mw_ipc_writer *writer, const mw_chunk *chunk, mw_err *err) {
    if (chunk->n_rows == 0) return MW_OK;
    for (size_t i = 0; i < writer->n_columns; i++) {
        writer->cells[i] = (mw_arrow_cells){0};
        if (i >= (size_t)chunk->n_columns) continue;
        const mw_chunk_column *column = &chunk->columns[i];
        if (column->type != writer->columns[i].type)
            return mw_fail(err, MW_EINTERNAL,
                           "column \"%.64s\" is %s in one chunk and %s in another",
                           writer->columns[i].name, mw_type_name(writer->columns[i].type),
                           mw_type_name(column->type));
        writer->cells[i] = (mw_arrow_cells){.values = column->data, .validity = column->validity};
    }
    mw_status status = mw_arrow__put_batch(&writer->arrow, writer->cells, chunk->n_rows, err);
    if (status == MW_OK) writer->n_rows += chunk->n_rows;
    return status;
}

int64_t mw_ipc_writer_rows(const mw_ipc_writer *writer) { return writer->n_rows; }

mw_status mw_ipc_writer_finish(mw_ipc_writer *writer, mw_err *err) {
    mw_status status = mw_arrow__put_dictionaries(&writer->arrow, err);
    return status == MW_OK ? mw_arrow__end(&writer->arrow, err) : status;
}

void *mw_ipc_writer_free(mw_ipc_writer *writer) {
    if (!writer) return NULL;
    mw_arrow__stop(&writer->arrow);
    mw_free(writer->columns);
    mw_free(writer->cells);
    mw_free(writer->meta);
    return mw_free(writer);
}
