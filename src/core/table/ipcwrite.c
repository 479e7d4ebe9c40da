/*
 * ipcwrite.c -- a table as an Arrow IPC file: its dictionaries, which are whole, first, then batches
 * of 2^20 rows, so that the file can be read as a stream too.
 */
#include "core/table/arrowwrite.h"
#include "core/table/columns.h"

static mw_status not_utf8(mw_err *err, const char *name) {
    return mw_fail(err, MW_EDATA, "column \"%.64s\" holds text that is not UTF-8", name);
}

/* Before the first byte goes out. */
static mw_status check_column(const mw_ctx *ctx, const mw_column *c, mw_err *err) {
    if (c->type == MW_DICTIONARY) {
        for (int32_t i = 0; i < mw_dictionary_size(c->dictionary); i++) {
            mw_str text = mw_dictionary_text(c->dictionary, i);
            if (!mw_utf8_valid(text.data, text.size)) return not_utf8(err, c->name);
        }
        for (int64_t i = 0; i < c->n_rows; i++)
            if (c->codes[i] >= mw_dictionary_size(c->dictionary))
                return mw_fail(err, MW_EINTERNAL, "column \"%.64s\" has a code without a text",
                               c->name);
    }
    if (c->type == MW_UTF8) {
        for (int64_t i = 0; i < c->n_rows; i++) {
            mw_str text = mw_column_text(c, i);
            if (!mw_utf8_valid(text.data, text.size)) return not_utf8(err, c->name);
        }
    }
    return mw_ctx_check(ctx, err);
}

/* Rows from `row` on, a multiple of 8. */
static mw_arrow_cells cells_of(const mw_column *c, int64_t row) {
    mw_arrow_cells cells = {.validity = c->validity && (c->type == MW_BOOL || c->type == MW_UTF8)
                                            ? c->validity + row / 8
                                            : NULL,
                            .bytes = c->bytes};
    switch (c->type) {
    case MW_TIMESTAMP: cells.values = c->time + row; break;
    case MW_FLOAT64: cells.values = c->number + row; break;
    case MW_FLOAT32: cells.values = c->single + row; break;
    case MW_BOOL: cells.values = c->bits + row / 8; break;
    case MW_DICTIONARY: cells.values = c->codes + row; break;
    case MW_UTF8: cells.values = c->offsets + row; break;
    }
    return cells;
}

static mw_status put_rows(mw_arrow_writer *w, const mw_table *table, mw_arrow_cells *cells,
                          mw_err *err) {
    mw_status status = MW_OK;
    for (int64_t row = 0; row < table->n_rows && status == MW_OK; row += MW_ARROW_BATCH_ROWS) {
        int64_t left = table->n_rows - row;
        for (int32_t i = 0; i < table->n_columns; i++) cells[i] = cells_of(&table->columns[i], row);
        status = mw_arrow__put_batch(w, cells,
                                     left < MW_ARROW_BATCH_ROWS ? left : MW_ARROW_BATCH_ROWS, err);
    }
    return status;
}

mw_status mw_arrow__write(const mw_ctx *ctx, const mw_table *table, const mw_meta *meta,
                          size_t n_meta, mw_arrow_sink *sink, mw_err *err) {
    size_t n = (size_t)table->n_columns;
    mw_arrow_writer w = {0};
    mw_arrow_column *columns = mw_alloc_array(ctx->mem, n, sizeof *columns);
    mw_arrow_cells *cells = mw_alloc_array(ctx->mem, n, sizeof *cells);
    mw_status status = columns && cells ? MW_OK : mw_fail_nomem(err, "writing a table");
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        const mw_column *c = &table->columns[i];
        columns[i] = (mw_arrow_column){c->name, c->type, c->dictionary};
        status = check_column(ctx, c, err);
    }
    if (status == MW_OK) status = mw_arrow__start(&w, ctx, columns, n, meta, n_meta, sink, err);
    if (status == MW_OK) status = mw_arrow__put_dictionaries(&w, err);
    if (status == MW_OK) status = put_rows(&w, table, cells, err);
    if (status == MW_OK) status = mw_arrow__end(&w, err);
    mw_arrow__stop(&w);
    mw_free(columns);
    mw_free(cells);
    return status;
}

static mw_status write_to_file(void *self, const void *data, size_t size, mw_err *err) {
    return mw_file_write(self, data, size, err);
}

mw_status mw_ipc_write(const mw_ctx *ctx, const mw_table *table, const mw_meta *meta, size_t n_meta,
                       mw_file *file, mw_err *err) {
    mw_arrow_sink sink = {write_to_file, file, 0};
    return mw_arrow__write(ctx, table, meta, n_meta, &sink, err);
}
