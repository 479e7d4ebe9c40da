/*
 * ipcwrite.c -- a table as an Arrow IPC file:
 *
 *   "ARROW1" 0 0 | schema | dictionary* | records+ | end mark | footer | int32 its size | "ARROW1"
 *
 * A message is 0xFFFFFFFF, int32 size, FlatBuffer, padding, body. Padding brings every body and
 * every buffer in it to a multiple of 64 bytes from the start of the file. All bytes depend on the
 * values only: padding is zero, a missing float64 is one fixed NaN, a missing code 0, and validity
 * is derived from the values where they say it.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/table/arrowmeta.h"
#include "core/table/columns.h"

enum {
    META_BYTES_MAX = 1 << 30,
    CHUNK_CELLS = 4096, /* converted on the stack before they are written */
    BUFFERS_PER_COLUMN = 3
};

typedef struct writer {
    const mw_ctx *ctx;
    const mw_table *table;
    const mw_meta *meta;
    size_t n_meta;
    mw_arrow_sink *sink;
    mw_buf message;
    mw_arrow_block *dictionaries; /* [n_dictionaries] */
    size_t n_dictionaries;
    mw_arrow_block *records; /* [n_records] */
    size_t n_records;
    mw_arrow_node *nodes;    /* [n_columns], scratch of one batch */
    mw_arrow_range *buffers; /* [BUFFERS_PER_COLUMN * n_columns] */
} writer;

static int64_t padded(int64_t bytes) {
    return (bytes + MW_ARROW_ALIGNMENT - 1) / MW_ARROW_ALIGNMENT * MW_ARROW_ALIGNMENT;
}

static mw_status put(writer *w, const void *data, size_t size, mw_err *err) {
    if (size == 0) return MW_OK;
    mw_status status = w->sink->write(w->sink->self, data, size, err);
    if (status == MW_OK) w->sink->n_bytes += size;
    return status;
}

static mw_status put_padding(writer *w, mw_err *err) {
    static const char zeros[MW_ARROW_ALIGNMENT];
    size_t over = (size_t)(w->sink->n_bytes % MW_ARROW_ALIGNMENT);
    return put(w, zeros, over ? MW_ARROW_ALIGNMENT - over : 0, err);
}

/* Writes w->message with its prefix so that what follows stands at a multiple of 64. */
static mw_status put_message(writer *w, mw_arrow_block *block, int64_t body_bytes, mw_err *err) {
    mw_status status = mw_buf_status(&w->message, "table metadata", err);
    if (status != MW_OK) return status;
    int64_t start = (int64_t)w->sink->n_bytes;
    int64_t total = padded(start + 8 + (int64_t)w->message.size) - start;
    uint32_t prefix[2] = {UINT32_MAX, (uint32_t)(total - 8)};
    *block = (mw_arrow_block){start, (int32_t)total, body_bytes};
    status = put(w, prefix, sizeof prefix, err);
    if (status == MW_OK) status = put(w, w->message.data, w->message.size, err);
    return status == MW_OK ? put_padding(w, err) : status;
}

/* --- the buffers of a column ----------------------------------------------------------------- */

static int64_t count_missing(const mw_column *c, int64_t begin, int64_t end) {
    int64_t missing = 0;
    for (int64_t i = begin; i < end; i++) missing += !mw_column_has(c, i);
    return missing;
}

/* Bits [begin, end) of validity, or of a bool column's values; begin is a multiple of 8. */
static mw_status put_bits(writer *w, const mw_column *c, bool values, int64_t begin, int64_t end,
                          mw_err *err) {
    uint8_t bits[CHUNK_CELLS];
    for (int64_t i = begin; i < end;) {
        size_t n = 0;
        for (; i < end && n < sizeof bits; i += 8) {
            unsigned byte = 0;
            for (int64_t k = 0; k < 8 && i + k < end; k++) {
                bool bit = values ? mw_column_bool(c, i + k) : mw_column_has(c, i + k);
                byte |= (unsigned)bit << k;
            }
            bits[n++] = (uint8_t)byte;
        }
        mw_status status = put(w, bits, n, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_numbers(writer *w, const mw_column *c, int64_t begin, int64_t end,
                             mw_err *err) {
    double cells[CHUNK_CELLS];
    for (int64_t i = begin; i < end;) {
        size_t n = 0;
        for (; i < end && n < CHUNK_CELLS; i++)
            cells[n++] = mw_isnan(c->number[i]) ? MW_NAN : c->number[i];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_codes(writer *w, const mw_column *c, int64_t begin, int64_t end, mw_err *err) {
    int32_t cells[CHUNK_CELLS];
    for (int64_t i = begin; i < end;) {
        size_t n = 0;
        for (; i < end && n < CHUNK_CELLS; i++) cells[n++] = c->codes[i] < 0 ? 0 : c->codes[i];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_texts(writer *w, const mw_column *c, int64_t begin, int64_t end, mw_err *err) {
    int32_t cells[CHUNK_CELLS];
    for (int64_t i = begin; i <= end;) {
        size_t n = 0;
        for (; i <= end && n < CHUNK_CELLS; i++) cells[n++] = c->offsets[i] - c->offsets[begin];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    mw_status status = put_padding(w, err);
    if (status != MW_OK) return status;
    size_t size = (size_t)(c->offsets[end] - c->offsets[begin]);
    status = put(w, c->bytes + c->offsets[begin], size, err);
    return status == MW_OK ? put_padding(w, err) : status;
}

static mw_status put_values(writer *w, const mw_column *c, int64_t begin, int64_t end,
                            mw_err *err) {
    switch (c->type) {
    case MW_FLOAT64: return put_numbers(w, c, begin, end, err);
    case MW_BOOL: return put_bits(w, c, true, begin, end, err);
    case MW_DICTIONARY: return put_codes(w, c, begin, end, err);
    case MW_UTF8: return put_texts(w, c, begin, end, err);
    case MW_TIMESTAMP: break;
    }
    mw_status status = put(w, c->time + begin, (size_t)(end - begin) * sizeof *c->time, err);
    return status == MW_OK ? put_padding(w, err) : status;
}

/* Sizes of what put_values writes; returns how many buffers. */
static size_t value_sizes(const mw_column *c, int64_t begin, int64_t end, int64_t sizes[2]) {
    int64_t n = end - begin;
    switch (c->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64: sizes[0] = n * 8; return 1;
    case MW_BOOL: sizes[0] = (n + 7) / 8; return 1;
    case MW_DICTIONARY: sizes[0] = n * 4; return 1;
    case MW_UTF8: break;
    }
    sizes[0] = (n + 1) * 4;
    sizes[1] = c->offsets[end] - c->offsets[begin];
    return 2;
}

/* --- batches --------------------------------------------------------------------------------- */

static void add_range(mw_arrow_batch *batch, mw_arrow_range *buffers, int64_t bytes) {
    buffers[batch->n_buffers++] = (mw_arrow_range){batch->body_bytes, bytes};
    batch->body_bytes += padded(bytes);
}

static mw_status put_records(writer *w, int64_t begin, int64_t end, mw_err *err) {
    size_t n_columns = (size_t)w->table->n_columns;
    mw_arrow_batch batch = {
        .n_rows = end - begin, .nodes = w->nodes, .n_nodes = n_columns, .buffers = w->buffers};
    for (size_t i = 0; i < n_columns; i++) {
        const mw_column *c = &w->table->columns[i];
        int64_t missing = count_missing(c, begin, end);
        int64_t sizes[2];
        w->nodes[i] = (mw_arrow_node){end - begin, missing};
        add_range(&batch, w->buffers, missing ? (end - begin + 7) / 8 : 0);
        size_t n = value_sizes(c, begin, end, sizes);
        for (size_t k = 0; k < n; k++) add_range(&batch, w->buffers, sizes[k]);
    }
    mw_arrow__batch_message(&batch, -1, &w->message);
    mw_status status = put_message(w, &w->records[w->n_records], batch.body_bytes, err);
    if (status == MW_OK) w->n_records++;
    for (size_t i = 0; i < n_columns && status == MW_OK; i++) {
        const mw_column *c = &w->table->columns[i];
        if (w->nodes[i].n_missing) status = put_bits(w, c, false, begin, end, err);
        if (status == MW_OK) status = put_values(w, c, begin, end, err);
        if (status == MW_OK) status = mw_ctx_check(w->ctx, err);
    }
    return status;
}

static mw_status put_dictionary(writer *w, const mw_dictionary *dictionary, mw_err *err) {
    int32_t n = mw_dictionary_size(dictionary);
    mw_arrow_node node = {n, 0};
    mw_arrow_range buffers[BUFFERS_PER_COLUMN];
    mw_arrow_batch batch = {.n_rows = n, .nodes = &node, .n_nodes = 1, .buffers = buffers};
    int64_t bytes = 0;
    for (int32_t i = 0; i < n; i++) bytes += (int64_t)mw_dictionary_text(dictionary, i).size;
    add_range(&batch, buffers, 0);
    add_range(&batch, buffers, ((int64_t)n + 1) * 4);
    add_range(&batch, buffers, bytes);
    mw_arrow__batch_message(&batch, (int64_t)w->n_dictionaries, &w->message);
    mw_arrow_block *block = &w->dictionaries[w->n_dictionaries];
    mw_status status = put_message(w, block, batch.body_bytes, err);
    if (status == MW_OK) w->n_dictionaries++;

    int32_t end = 0;
    if (status == MW_OK) status = put(w, &end, sizeof end, err);
    for (int32_t i = 0; i < n && status == MW_OK; i++) {
        end += (int32_t)mw_dictionary_text(dictionary, i).size;
        status = put(w, &end, sizeof end, err);
    }
    if (status == MW_OK) status = put_padding(w, err);
    for (int32_t i = 0; i < n && status == MW_OK; i++) {
        mw_str text = mw_dictionary_text(dictionary, i);
        status = put(w, text.data, text.size, err);
    }
    return status == MW_OK ? put_padding(w, err) : status;
}

/* --- the file -------------------------------------------------------------------------------- */

static mw_status not_utf8(mw_err *err, const char *what, const char *name) {
    return mw_fail(err, MW_EDATA, "%s \"%.64s\" holds text that is not UTF-8", what, name);
}

static mw_status check_column(const mw_ctx *ctx, const mw_column *c, mw_err *err) {
    if (!mw_utf8_valid(c->name, strlen(c->name)))
        return not_utf8(err, "the name of column", c->name);
    if (c->type == MW_DICTIONARY) {
        for (int32_t i = 0; i < mw_dictionary_size(c->dictionary); i++) {
            mw_str text = mw_dictionary_text(c->dictionary, i);
            if (!mw_utf8_valid(text.data, text.size)) return not_utf8(err, "column", c->name);
        }
        for (int64_t i = 0; i < c->n_rows; i++)
            if (c->codes[i] >= mw_dictionary_size(c->dictionary))
                return mw_fail(err, MW_EINTERNAL, "column \"%.64s\" has a code without a text",
                               c->name);
    }
    if (c->type == MW_UTF8) {
        for (int64_t i = 0; i < c->n_rows; i++) {
            mw_str text = mw_column_text(c, i);
            if (!mw_utf8_valid(text.data, text.size)) return not_utf8(err, "column", c->name);
        }
    }
    return mw_ctx_check(ctx, err);
}

static mw_status check_meta(const mw_meta *meta, size_t n_meta, mw_err *err) {
    for (size_t i = 0; i < n_meta; i++) {
        bool repeated = strcmp(meta[i].key, MW_ARROW_FORMAT_KEY) == 0;
        for (size_t k = 0; k < i; k++) repeated |= strcmp(meta[i].key, meta[k].key) == 0;
        if (repeated)
            return mw_fail(err, MW_EINVAL, "the metadata key \"%.64s\" is taken", meta[i].key);
        if (!mw_utf8_valid(meta[i].key, strlen(meta[i].key)) ||
            !mw_utf8_valid(meta[i].value, strlen(meta[i].value)))
            return not_utf8(err, "the metadata key", meta[i].key);
    }
    return MW_OK;
}

static mw_status open_writer(writer *w, mw_err *err) {
    const mw_table *table = w->table;
    mw_mem *mem = w->ctx->mem;
    size_t n_columns = (size_t)table->n_columns;
    size_t n_batches = (size_t)(table->n_rows / MW_ARROW_BATCH_ROWS) + 1;
    mw_buf_init(&w->message, mem, META_BYTES_MAX);
    w->dictionaries = mw_alloc_array(mem, n_columns, sizeof *w->dictionaries);
    w->records = mw_alloc_array(mem, n_batches, sizeof *w->records);
    w->nodes = mw_alloc_array(mem, n_columns, sizeof *w->nodes);
    w->buffers = mw_alloc_array(mem, n_columns * BUFFERS_PER_COLUMN, sizeof *w->buffers);
    if (!w->dictionaries || !w->records || !w->nodes || !w->buffers)
        return mw_fail_nomem(err, "writing a table");
    mw_status status = check_meta(w->meta, w->n_meta, err);
    for (size_t i = 0; i < n_columns && status == MW_OK; i++)
        status = check_column(w->ctx, &table->columns[i], err);
    return status;
}

static void close_writer(writer *w) {
    mw_buf_done(&w->message);
    mw_free(w->dictionaries);
    mw_free(w->records);
    mw_free(w->nodes);
    mw_free(w->buffers);
}

static mw_status put_batches(writer *w, mw_err *err) {
    const mw_table *table = w->table;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < table->n_columns && status == MW_OK; i++)
        if (table->columns[i].type == MW_DICTIONARY)
            status = put_dictionary(w, table->columns[i].dictionary, err);
    /* A table without rows has one empty batch: some readers want at least one. */
    for (int64_t begin = 0; status == MW_OK && (begin < table->n_rows || begin == 0);
         begin += MW_ARROW_BATCH_ROWS) {
        int64_t left = table->n_rows - begin;
        status = put_records(
            w, begin, begin + (left < MW_ARROW_BATCH_ROWS ? left : MW_ARROW_BATCH_ROWS), err);
    }
    return status;
}

static mw_status put_footer(writer *w, mw_err *err) {
    const uint32_t end_mark[2] = {UINT32_MAX, 0};
    mw_status status = put(w, end_mark, sizeof end_mark, err);
    if (status != MW_OK) return status;
    mw_arrow__footer(w->table, w->meta, w->n_meta, w->dictionaries, w->n_dictionaries, w->records,
                     w->n_records, &w->message);
    int32_t size = (int32_t)w->message.size;
    status = mw_buf_status(&w->message, "table metadata", err);
    if (status == MW_OK) status = put(w, w->message.data, w->message.size, err);
    if (status == MW_OK) status = put(w, &size, sizeof size, err);
    return status == MW_OK ? put(w, MW_ARROW_MAGIC, MW_ARROW_MAGIC_BYTES, err) : status;
}

mw_status mw_arrow__write(const mw_ctx *ctx, const mw_table *table, const mw_meta *meta,
                          size_t n_meta, mw_arrow_sink *sink, mw_err *err) {
    writer w = {.ctx = ctx, .table = table, .meta = meta, .n_meta = n_meta, .sink = sink};
    mw_status status = open_writer(&w, err);
    if (status == MW_OK) status = put(&w, MW_ARROW_MAGIC "\0", MW_ARROW_MAGIC_BYTES + 2, err);
    if (status == MW_OK) {
        mw_arrow_block schema;
        mw_arrow__schema_message(table, meta, n_meta, &w.message);
        status = put_message(&w, &schema, 0, err);
    }
    if (status == MW_OK) status = put_batches(&w, err);
    if (status == MW_OK) status = put_footer(&w, err);
    close_writer(&w);
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
