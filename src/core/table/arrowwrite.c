/*
 * arrowwrite.c -- see arrowwrite.h.
 *
 *   "ARROW1" 0 0 | schema | (dictionary | records)* | end mark | footer | int32 its size | "ARROW1"
 *
 * A message is 0xFFFFFFFF, int32 size, FlatBuffer, padding, body. Padding brings every body and
 * every buffer in it to a multiple of 64 bytes from the start of the file.
 */
#include "core/table/arrowwrite.h"

#include <string.h>

#include "core/base/math.h"
#include "core/table/columns.h"
#include "core/table/present.h"
#include "core/text/datetime.h"

enum {
    META_BYTES_MAX = 1 << 30,
    SCRATCH_CELLS = 4096, /* converted on the stack before they are written */
    BUFFERS_PER_COLUMN = 3,
    LANES = 256, /* a loop of fixed length: compilers turn it into vector code at -O2 */
    FIRST_BLOCKS = 16
};

static int64_t padded(int64_t bytes) {
    return (bytes + MW_ARROW_ALIGNMENT - 1) / MW_ARROW_ALIGNMENT * MW_ARROW_ALIGNMENT;
}

static mw_status put(mw_arrow_writer *w, const void *data, size_t size, mw_err *err) {
    if (size == 0) return MW_OK;
    mw_status status = w->sink->write(w->sink->self, data, size, err);
    if (status == MW_OK) w->sink->n_bytes += size;
    return status;
}

static mw_status put_padding(mw_arrow_writer *w, mw_err *err) {
    static const char zeros[MW_ARROW_ALIGNMENT];
    size_t over = (size_t)(w->sink->n_bytes % MW_ARROW_ALIGNMENT);
    return put(w, zeros, over ? MW_ARROW_ALIGNMENT - over : 0, err);
}

/* Room for one block more, so that a message that is out is never forgotten. */
static mw_status reserve_block(mw_arrow_writer *w, mw_arrow_blocks *blocks, mw_err *err) {
    if (blocks->n < blocks->capacity) return MW_OK;
    size_t capacity = blocks->capacity ? 2 * blocks->capacity : FIRST_BLOCKS;
    void *items = mw_realloc(w->ctx->mem, blocks->items, capacity * sizeof *blocks->items);
    if (!items) return mw_fail_nomem(err, "writing a table");
    blocks->items = items;
    blocks->capacity = capacity;
    return MW_OK;
}

/* Writes w->message with its prefix so that what follows stands at a multiple of 64. */
static mw_status put_message(mw_arrow_writer *w, mw_arrow_block *block, int64_t body_bytes,
                             mw_err *err) {
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

static mw_status put_block_message(mw_arrow_writer *w, mw_arrow_blocks *blocks, int64_t body_bytes,
                                   mw_err *err) {
    mw_status status = reserve_block(w, blocks, err);
    if (status == MW_OK) status = put_message(w, &blocks->items[blocks->n], body_bytes, err);
    if (status == MW_OK) blocks->n++;
    return status;
}

/* --- what is missing ------------------------------------------------------------------------- */

/* Bits of some rows, and how many of them have no value. */
typedef struct some_rows {
    uint8_t bits[SCRATCH_CELLS / 8 + MW_TABLE__PRESENT_SLACK];
    int64_t n, n_missing;
} some_rows;

static void look_at_rows(mw_type type, const void *values, int64_t from, int64_t n,
                         some_rows *rows) {
    rows->n = n - from < SCRATCH_CELLS ? n - from : SCRATCH_CELLS;
    const char *first = (const char *)values + mw_table__value_bytes(type, from);
    rows->n_missing = mw_table__present(type, first, rows->n, rows->bits, 0);
}

static int64_t count_missing(mw_type type, const void *values, int64_t n) {
    some_rows rows;
    int64_t missing = 0;
    for (int64_t i = 0; i < n; i += rows.n) {
        look_at_rows(type, values, i, n, &rows);
        missing += rows.n_missing;
    }
    return missing;
}

static uint64_t form_of(double x) {
    uint64_t form;
    memcpy(&form, &x, sizeof form);
    return form;
}

static bool are_alike(const double *x, const some_rows *rows) {
    const uint64_t nan = form_of(MW_NAN);
    for (int64_t i = 0; i < rows->n; i += 8) {
        if (rows->bits[i / 8] == UINT8_MAX) continue;
        for (int64_t k = i; k < i + 8 && k < rows->n; k++)
            if (!mw_table__bit(rows->bits, k) && form_of(x[k]) != nan) return false;
    }
    return true;
}

/* *ret_alike: all that is missing has the one form of NaN. */
static int64_t count_nans(const double *x, int64_t n, bool *ret_alike) {
    some_rows rows;
    int64_t missing = 0;
    *ret_alike = true;
    for (int64_t i = 0; i < n; i += rows.n) {
        look_at_rows(MW_FLOAT64, x, i, n, &rows);
        missing += rows.n_missing;
        if (rows.n_missing && *ret_alike) *ret_alike = are_alike(x + i, &rows);
    }
    return missing;
}

/* *ret_largest: the largest code, -1 without any. */
static int64_t count_no_codes(const int32_t *x, int64_t n, int32_t *ret_largest) {
    int64_t missing = 0, i = 0;
    int32_t largest = -1;
    for (; i + LANES <= n; i += LANES) {
        int32_t some = 0;
        for (int k = 0; k < LANES; k++) some += x[i + k] < 0;
        for (int k = 0; k < LANES; k++) largest = x[i + k] > largest ? x[i + k] : largest;
        missing += some;
    }
    for (; i < n; i++) {
        missing += x[i] < 0;
        largest = x[i] > largest ? x[i] : largest;
    }
    *ret_largest = largest;
    return missing;
}

/* Counts what is missing, and whether the values can go out as they lie in memory. */
static mw_status look_at(const mw_arrow_column *column, const mw_arrow_cells *cells, int64_t n,
                         int64_t *ret_missing, bool *ret_as_is, mw_err *err) {
    int32_t largest;
    if (!cells->values) {
        *ret_missing = n;
        *ret_as_is = false;
        return MW_OK;
    }
    switch (column->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT32:
        *ret_missing = count_missing(column->type, cells->values, n);
        *ret_as_is = true;
        return MW_OK;
    case MW_FLOAT64: *ret_missing = count_nans(cells->values, n, ret_as_is); return MW_OK;
    case MW_DICTIONARY:
        *ret_missing = count_no_codes(cells->values, n, &largest);
        *ret_as_is = *ret_missing == 0;
        if (largest < mw_dictionary_size(column->dictionary)) return MW_OK;
        return mw_fail(err, MW_EINTERNAL, "column \"%.64s\" has a code without a text",
                       column->name);
    default:
        *ret_missing = cells->validity ? n - mw_table__ones(cells->validity, n) : 0;
        *ret_as_is = false;
        return MW_OK;
    }
}

/* --- the buffers of a column ----------------------------------------------------------------- */

/* The validity of eight rows that have a bitmap, or less: of bool and utf8. */
static unsigned valid_byte(const mw_arrow_cells *cells, int64_t row, int64_t n_rows) {
    if (!cells->values) return 0;
    unsigned byte = cells->validity ? cells->validity[row / 8] : UINT8_MAX;
    return n_rows - row < 8 ? byte & 255U >> (8 - (n_rows - row)) : byte;
}

static mw_status put_validity(mw_arrow_writer *w, mw_type type, const mw_arrow_cells *cells,
                              int64_t n_rows, mw_err *err) {
    bool has_bitmap = type == MW_BOOL || type == MW_UTF8;
    some_rows rows;
    for (int64_t i = 0; i < n_rows; i += rows.n) {
        rows.n = n_rows - i < SCRATCH_CELLS ? n_rows - i : SCRATCH_CELLS;
        if (cells->values && !has_bitmap)
            look_at_rows(type, cells->values, i, n_rows, &rows);
        else
            for (int64_t k = 0; k < rows.n; k += 8)
                rows.bits[k / 8] = (uint8_t)valid_byte(cells, i + k, n_rows);
        mw_status status = put(w, rows.bits, mw_table__bitmap_bytes(rows.n), err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_bools(mw_arrow_writer *w, const mw_arrow_cells *cells, int64_t n_rows,
                           mw_err *err) {
    uint8_t bits[SCRATCH_CELLS];
    const uint8_t *values = cells->values;
    for (int64_t i = 0; i < n_rows;) {
        size_t n = 0;
        for (; i < n_rows && n < sizeof bits; i += 8) {
            unsigned byte = values ? values[i / 8] : 0;
            bits[n++] = (uint8_t)(byte & valid_byte(cells, i, n_rows));
        }
        mw_status status = put(w, bits, n, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_numbers(mw_arrow_writer *w, const double *values, int64_t n_rows,
                             mw_err *err) {
    double cells[SCRATCH_CELLS];
    for (int64_t i = 0; i < n_rows;) {
        size_t n = 0;
        for (; i < n_rows && n < SCRATCH_CELLS; i++)
            cells[n++] = !values || mw_isnan(values[i]) ? MW_NAN : values[i];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

/* Cells that are all missing, of a type that says so by a value. */
static mw_status put_missing(mw_arrow_writer *w, mw_type type, int64_t n_rows, mw_err *err) {
    int64_t cells[SCRATCH_CELLS];
    mw_table__fill_missing(type, cells, 0, SCRATCH_CELLS);
    for (int64_t left = n_rows; left > 0; left -= SCRATCH_CELLS) {
        int64_t n = left < SCRATCH_CELLS ? left : SCRATCH_CELLS;
        mw_status status = put(w, cells, mw_table__value_bytes(type, n), err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_codes(mw_arrow_writer *w, const int32_t *values, int64_t n_rows, mw_err *err) {
    int32_t cells[SCRATCH_CELLS];
    for (int64_t i = 0; i < n_rows;) {
        size_t n = 0;
        for (; i < n_rows && n < SCRATCH_CELLS; i++)
            cells[n++] = !values || values[i] < 0 ? 0 : values[i];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    return put_padding(w, err);
}

static mw_status put_texts(mw_arrow_writer *w, const mw_arrow_cells *from, int64_t n_rows,
                           mw_err *err) {
    static const int32_t none[1];
    int32_t cells[SCRATCH_CELLS];
    const int32_t *offsets = from->values ? from->values : none;
    int64_t step = from->values ? 1 : 0;
    for (int64_t i = 0; i <= n_rows;) {
        size_t n = 0;
        for (; i <= n_rows && n < SCRATCH_CELLS; i++) cells[n++] = offsets[i * step] - offsets[0];
        mw_status status = put(w, cells, n * sizeof *cells, err);
        if (status != MW_OK) return status;
    }
    mw_status status = put_padding(w, err);
    if (status != MW_OK) return status;
    size_t size = (size_t)(offsets[n_rows * step] - offsets[0]);
    if (size) status = put(w, from->bytes + offsets[0], size, err);
    return status == MW_OK ? put_padding(w, err) : status;
}

static mw_status put_values(mw_arrow_writer *w, size_t i, const mw_arrow_cells *cells,
                            int64_t n_rows, mw_err *err) {
    mw_type type = w->columns[i].type;
    if (w->as_is[i]) {
        mw_status status = put(w, cells->values, mw_table__value_bytes(type, n_rows), err);
        return status == MW_OK ? put_padding(w, err) : status;
    }
    switch (type) {
    case MW_FLOAT64: return put_numbers(w, cells->values, n_rows, err);
    case MW_BOOL: return put_bools(w, cells, n_rows, err);
    case MW_DICTIONARY: return put_codes(w, cells->values, n_rows, err);
    case MW_UTF8: return put_texts(w, cells, n_rows, err);
    case MW_FLOAT32:
    case MW_TIMESTAMP: break;
    }
    return put_missing(w, type, n_rows, err);
}

/* Sizes of what put_values writes; returns how many buffers. */
static size_t value_sizes(mw_type type, const mw_arrow_cells *cells, int64_t n, int64_t sizes[2]) {
    const int32_t *offsets = cells->values;
    switch (type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64: sizes[0] = n * 8; return 1;
    case MW_BOOL: sizes[0] = (n + 7) / 8; return 1;
    case MW_FLOAT32:
    case MW_DICTIONARY: sizes[0] = n * 4; return 1;
    case MW_UTF8: break;
    }
    sizes[0] = (n + 1) * 4;
    sizes[1] = offsets ? offsets[n] - offsets[0] : 0;
    return 2;
}

/* --- batches --------------------------------------------------------------------------------- */

static void add_range(mw_arrow_batch *batch, mw_arrow_range *buffers, int64_t bytes) {
    buffers[batch->n_buffers++] = (mw_arrow_range){batch->body_bytes, bytes};
    batch->body_bytes += padded(bytes);
}

mw_status mw_arrow__put_batch(mw_arrow_writer *w, const mw_arrow_cells *cells, int64_t n_rows,
                              mw_err *err) {
    mw_arrow_batch batch = {
        .n_rows = n_rows, .nodes = w->nodes, .n_nodes = w->n_columns, .buffers = w->buffers};
    for (size_t i = 0; i < w->n_columns; i++) {
        const mw_arrow_column *column = &w->columns[i];
        int64_t missing, sizes[2];
        mw_status status = look_at(column, &cells[i], n_rows, &missing, &w->as_is[i], err);
        if (status == MW_OK) status = mw_ctx_check(w->ctx, err);
        if (status != MW_OK) return status;
        w->nodes[i] = (mw_arrow_node){n_rows, missing};
        add_range(&batch, w->buffers, missing ? (n_rows + 7) / 8 : 0);
        size_t n = value_sizes(column->type, &cells[i], n_rows, sizes);
        for (size_t k = 0; k < n; k++) add_range(&batch, w->buffers, sizes[k]);
    }
    mw_arrow__batch_message(&batch, -1, &w->message);
    mw_status status = put_block_message(w, &w->records, batch.body_bytes, err);
    for (size_t i = 0; i < w->n_columns && status == MW_OK; i++) {
        if (w->nodes[i].n_missing)
            status = put_validity(w, w->columns[i].type, &cells[i], n_rows, err);
        if (status == MW_OK) status = put_values(w, i, &cells[i], n_rows, err);
        if (status == MW_OK) status = mw_ctx_check(w->ctx, err);
    }
    return status;
}

static mw_status not_utf8(mw_err *err, const char *what, const char *name) {
    return mw_fail(err, MW_EDATA, "%s \"%.64s\" holds text that is not UTF-8", what, name);
}

/* *ret_bytes: of all texts together. */
static mw_status check_texts(const mw_arrow_column *column, int64_t *ret_bytes, mw_err *err) {
    int64_t bytes = 0;
    for (int32_t i = 0; i < mw_dictionary_size(column->dictionary); i++) {
        mw_str text = mw_dictionary_text(column->dictionary, i);
        if (!mw_utf8_valid(text.data, text.size)) return not_utf8(err, "column", column->name);
        bytes += (int64_t)text.size;
    }
    if (bytes > INT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "the texts of column \"%.64s\" exceed 2 GiB",
                       column->name);
    *ret_bytes = bytes;
    return MW_OK;
}

static mw_status put_dictionary(mw_arrow_writer *w, const mw_arrow_column *column, mw_err *err) {
    const mw_dictionary *dictionary = column->dictionary;
    int64_t bytes = 0;
    mw_status status = check_texts(column, &bytes, err);
    if (status != MW_OK) return status;
    int32_t n = mw_dictionary_size(dictionary);
    mw_arrow_node node = {n, 0};
    mw_arrow_range buffers[BUFFERS_PER_COLUMN];
    mw_arrow_batch batch = {.n_rows = n, .nodes = &node, .n_nodes = 1, .buffers = buffers};
    add_range(&batch, buffers, 0);
    add_range(&batch, buffers, ((int64_t)n + 1) * 4);
    add_range(&batch, buffers, bytes);
    mw_arrow__batch_message(&batch, (int64_t)w->dictionaries.n, &w->message);
    status = put_block_message(w, &w->dictionaries, batch.body_bytes, err);

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
    if (status == MW_OK) status = put_padding(w, err);
    return status == MW_OK ? mw_ctx_check(w->ctx, err) : status;
}

mw_status mw_arrow__put_dictionaries(mw_arrow_writer *w, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < w->n_columns && status == MW_OK; i++)
        if (w->columns[i].type == MW_DICTIONARY) status = put_dictionary(w, &w->columns[i], err);
    return status;
}

/* --- the file -------------------------------------------------------------------------------- */

static mw_status check_names(const mw_arrow_writer *w, mw_err *err) {
    for (size_t i = 0; i < w->n_columns; i++)
        if (!mw_utf8_valid(w->columns[i].name, strlen(w->columns[i].name)))
            return not_utf8(err, "the name of column", w->columns[i].name);
    for (size_t i = 0; i < w->n_meta; i++) {
        const mw_meta *pair = &w->meta[i];
        bool repeated = strcmp(pair->key, MW_ARROW_FORMAT_KEY) == 0;
        for (size_t k = 0; k < i; k++) repeated |= strcmp(pair->key, w->meta[k].key) == 0;
        if (repeated)
            return mw_fail(err, MW_EINVAL, "the metadata key \"%.64s\" is taken", pair->key);
        if (!mw_utf8_valid(pair->key, strlen(pair->key)) ||
            !mw_utf8_valid(pair->value, strlen(pair->value)))
            return not_utf8(err, "the metadata key", pair->key);
    }
    return MW_OK;
}

mw_status mw_arrow__start(mw_arrow_writer *w, const mw_ctx *ctx, const mw_arrow_column *columns,
                          size_t n_columns, const mw_meta *meta, size_t n_meta, mw_arrow_sink *sink,
                          mw_err *err) {
    mw_mem *mem = ctx->mem;
    *w = (mw_arrow_writer){.ctx = ctx,
                           .columns = columns,
                           .n_columns = n_columns,
                           .meta = meta,
                           .n_meta = n_meta,
                           .sink = sink};
    mw_buf_init(&w->message, mem, META_BYTES_MAX);
    w->nodes = mw_alloc_array(mem, n_columns, sizeof *w->nodes);
    w->as_is = mw_alloc_array(mem, n_columns, sizeof *w->as_is);
    w->buffers = mw_alloc_array(mem, n_columns * BUFFERS_PER_COLUMN, sizeof *w->buffers);
    if (!w->nodes || !w->as_is || !w->buffers) return mw_fail_nomem(err, "writing a table");
    mw_status status = check_names(w, err);
    if (status == MW_OK) status = put(w, MW_ARROW_MAGIC "\0", MW_ARROW_MAGIC_BYTES + 2, err);
    if (status != MW_OK) return status;
    mw_arrow_block schema;
    mw_arrow__schema_message(columns, n_columns, meta, n_meta, &w->message);
    return put_message(w, &schema, 0, err);
}

static mw_status put_empty_batch(mw_arrow_writer *w, mw_err *err) {
    mw_arrow_cells *cells = mw_calloc(w->ctx->mem, w->n_columns, sizeof *cells);
    if (!cells) return mw_fail_nomem(err, "writing a table");
    mw_status status = mw_arrow__put_batch(w, cells, 0, err);
    mw_free(cells);
    return status;
}

mw_status mw_arrow__end(mw_arrow_writer *w, mw_err *err) {
    const uint32_t end_mark[2] = {UINT32_MAX, 0};
    mw_status status = w->records.n ? MW_OK : put_empty_batch(w, err);
    if (status == MW_OK) status = put(w, end_mark, sizeof end_mark, err);
    if (status != MW_OK) return status;
    mw_arrow__footer(w->columns, w->n_columns, w->meta, w->n_meta, w->dictionaries.items,
                     w->dictionaries.n, w->records.items, w->records.n, &w->message);
    int32_t size = (int32_t)w->message.size;
    status = mw_buf_status(&w->message, "table metadata", err);
    if (status == MW_OK) status = put(w, w->message.data, w->message.size, err);
    if (status == MW_OK) status = put(w, &size, sizeof size, err);
    return status == MW_OK ? put(w, MW_ARROW_MAGIC, MW_ARROW_MAGIC_BYTES, err) : status;
}

void mw_arrow__stop(mw_arrow_writer *w) {
    mw_buf_done(&w->message);
    mw_free(w->dictionaries.items);
    mw_free(w->records.items);
    mw_free(w->nodes);
    mw_free(w->as_is);
    mw_free(w->buffers);
}
