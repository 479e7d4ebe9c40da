/*
 * ipcstream_read.c -- the reading half of ipcstream.h. A batch is checked whole when its first rows are
 * asked for; batches larger than a chunk should be are handed out in slices. Pages of the file that were
 * read are given back, so that what is resident does not grow with the file.
 */
#include "core/table/ipcstream.h"

#include "core/base/limits.h"
#include "core/table/arrowread.h"

enum {
    SLICE_BYTES = 4 << 20,
    SLICE_ROWS_MIN = 1024, /* multiples of 64, so that bitmaps are cut between bytes */
    SLICE_ROWS_MAX = 1 << 16
};

struct mw_ipc_reader {
    const mw_ctx *ctx;
    mw_map map;
    char *name;
    mw_arrow_reader arrow;
    mw_schema *schema;
    mw_type *types; /* [n_columns] */
    int64_t n_rows, slice_rows;
    uint32_t next_batch;
    mw_arrow_part *parts; /* [n_fields] of the current batch */
    int64_t batch_rows, batch_row;
    size_t forgotten; /* bytes of the map given back */
};

static mw_status fail_utf8(const mw_ipc_reader *r, mw_str name, mw_err *err) {
    char shown[65];
    mw_fail(err, MW_EUNSUPPORTED, "%s: column \"%s\" is utf8 without a dictionary", r->name,
            mw_str_copy(shown, sizeof shown, name));
    (void)mw_err_hint(err, "such a file can only be read whole");
    return MW_EUNSUPPORTED;
}

static mw_status make_schema(mw_ipc_reader *r, mw_err *err) {
    const mw_arrow_file *file = &r->arrow.file;
    mw_status status = mw_schema_new(r->ctx->mem, &r->schema, err);
    for (uint32_t i = 0; i < file->n_fields && status == MW_OK; i++) {
        const mw_arrow_field *field = &file->fields[i];
        int32_t at;
        if (r->arrow.target[i] < 0) continue;
        if (field->type == MW_UTF8) return fail_utf8(r, field->name, err);
        status = mw_schema_add(r->schema, field->name, field->type, &at, err);
        if (status == MW_EDATA) return mw_err_prefix(err, "%s", r->name);
        if (status != MW_OK) return status;
        r->types[at] = field->type;
        if (field->type == MW_DICTIONARY)
            status = mw_arrow__give_dictionary(&r->arrow, field, r->ctx->mem,
                                               &r->schema->columns[at].dictionary, err);
    }
    return status;
}

static int64_t rows_per_slice(const mw_schema *schema, size_t limit) {
    int64_t bytes = 1;
    for (int32_t i = 0; i < schema->n_columns; i++)
        bytes += schema->columns[i].type == MW_DICTIONARY ? 4
                 : schema->columns[i].type == MW_BOOL     ? 1
                                                          : 8;
    int64_t rows = (int64_t)limit / bytes / 64 * 64;
    return rows < SLICE_ROWS_MIN ? SLICE_ROWS_MIN : rows > SLICE_ROWS_MAX ? SLICE_ROWS_MAX : rows;
}

static mw_status count_rows(mw_ipc_reader *r, mw_err *err) {
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < r->arrow.file.records.n && status == MW_OK; i++) {
        int64_t rows = 0;
        status = mw_arrow__rows(&r->arrow.file, i, &rows, err);
        if (status == MW_OK) status = mw_ctx_check(r->ctx, err);
        r->n_rows += rows;
        if (r->n_rows > MW_LIMIT(TABLE_ROWS))
            return mw_fail(err, MW_ETOOLARGE, "%s has more than %lld rows", r->name,
                           (long long)MW_LIMIT(TABLE_ROWS));
    }
    return status;
}

/* Opens the file as far as its columns are known, with their dictionaries or without. */
static mw_status open_file(const mw_ctx *ctx, mw_dir *dir, const char *name,
                           const char *const *columns, size_t n_columns, bool with_texts,
                           mw_ipc_reader **ret, mw_err *err) {
    mw_ipc_reader *r = mw_calloc(ctx->mem, 1, sizeof *r);
    if (!r) return mw_fail_nomem(err, "reading a table");
    r->ctx = ctx;
    r->name = mw_strdup(ctx->mem, name);
    mw_status status = r->name ? MW_OK : mw_fail_nomem(err, "reading a table");
    if (status == MW_OK) status = mw_map_open(ctx, dir, name, &r->map, err);
    if (status != MW_OK) goto fail;
    r->arrow.file =
        (mw_arrow_file){.ctx = ctx, .data = r->map.data, .size = r->map.size, .name = r->name};
    status = mw_arrow__begin(&r->arrow, columns, n_columns, err);
    if (status != MW_OK) goto fail;
    r->types = mw_alloc_array(ctx->mem, r->arrow.file.n_fields, sizeof *r->types);
    r->parts = mw_alloc_array(ctx->mem, r->arrow.file.n_fields, sizeof *r->parts);
    if (!r->types || !r->parts) status = mw_fail_nomem(err, "reading a table");
    if (status == MW_OK && with_texts) status = mw_arrow__load(&r->arrow, err);
    if (status == MW_OK) status = make_schema(r, err);
    if (status == MW_OK) status = count_rows(r, err);
    if (status != MW_OK) goto fail;
    r->slice_rows = rows_per_slice(r->schema, SLICE_BYTES);
    *ret = r;
    return MW_OK;
fail:
    mw_ipc_reader_close(r);
    return status;
}

mw_status mw_ipc_reader_open(const mw_ctx *ctx, mw_dir *dir, const char *name,
                             const char *const *columns, size_t n_columns, mw_ipc_reader **ret,
                             mw_err *err) {
    return open_file(ctx, dir, name, columns, n_columns, true, ret, err);
}

const mw_schema *mw_ipc_reader_schema(const mw_ipc_reader *reader) { return reader->schema; }

int64_t mw_ipc_reader_rows(const mw_ipc_reader *reader) { return reader->n_rows; }

bool mw_ipc_reader_has_meta(mw_ipc_reader *reader, const char *key) {
    return mw_arrow__value(&reader->arrow.file, key).data != NULL;
}

void mw_ipc_reader_limit(mw_ipc_reader *reader, size_t bytes) {
    reader->slice_rows = rows_per_slice(reader->schema, bytes < SLICE_BYTES ? bytes : SLICE_BYTES);
}

static mw_status keep_part(void *self, uint32_t field, const mw_arrow_part *part, mw_err *err) {
    mw_ipc_reader *r = self;
    (void)err;
    r->parts[field] = *part;
    return MW_OK;
}

/* Pages before a batch are no longer needed. */
static void give_back(mw_ipc_reader *r, uint32_t batch) {
    size_t start = mw_arrow__start_of(&r->arrow.file, batch);
    if (start <= r->forgotten) return;
    mw_map_forget(&r->map, r->forgotten, start);
    r->forgotten = start;
}

/* Finds the next batch that has rows; none: batch_rows stays 0. */
static mw_status next_batch(mw_ipc_reader *r, mw_err *err) {
    r->batch_rows = r->batch_row = 0;
    while (r->batch_rows == 0 && r->next_batch < r->arrow.file.records.n) {
        give_back(r, r->next_batch);
        mw_status status =
            mw_arrow__walk(&r->arrow.file, r->next_batch, &r->batch_rows, keep_part, r, err);
        if (status != MW_OK) return status;
        r->next_batch++;
    }
    return MW_OK;
}

/* Rows [from, from + n) of a part; from is a multiple of 64. */
static mw_arrow_part cut(const mw_arrow_field *field, const mw_arrow_part *part, int64_t from,
                         int64_t n) {
    mw_arrow_part piece = *part;
    piece.n_rows = n;
    if (piece.validity) piece.validity += from / 8;
    switch (field->type) {
    case MW_BOOL: piece.values += from / 8; break;
    case MW_DICTIONARY: piece.values += from * field->index_bytes; break;
    default: piece.values += from * 8; break;
    }
    return piece;
}

static void copy_bits(const mw_arrow_part *part, mw_chunk_column *to) {
    int64_t n = part->n_rows;
    for (int64_t i = 0; i < n; i += 8) {
        unsigned rows = n - i < 8 ? 255U >> (8 - (n - i)) : 255U;
        unsigned valid = part->validity ? part->validity[i / 8] & rows : rows;
        to->validity[i / 8] = (uint8_t)valid;
        to->bits[i / 8] = (uint8_t)(part->values[i / 8] & valid);
    }
}

static mw_status fill(mw_ipc_reader *r, mw_chunk *chunk, int64_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < r->arrow.file.n_fields && status == MW_OK; i++) {
        if (r->arrow.target[i] < 0) continue;
        const mw_arrow_field *field = &r->arrow.file.fields[i];
        mw_arrow_part part = cut(field, &r->parts[i], r->batch_row, n);
        mw_chunk_column *to = &chunk->columns[r->arrow.target[i]];
        switch (field->type) {
        case MW_TIMESTAMP: mw_arrow__copy_times(&part, to->time); break;
        case MW_FLOAT64: mw_arrow__copy_numbers(&part, to->number); break;
        case MW_FLOAT32: mw_arrow__copy_singles(&part, to->single); break;
        case MW_BOOL: copy_bits(&part, to); break;
        default: status = mw_arrow__copy_codes(&r->arrow, field, &part, to->codes, err); break;
        }
        if (status == MW_OK) status = mw_ctx_check(r->ctx, err);
    }
    chunk->n_rows = n;
    return status;
}

mw_status mw_ipc_reader_next(mw_ipc_reader *r, mw_chunk **ret, mw_err *err) {
    if (r->batch_row == r->batch_rows) {
        mw_status status = next_batch(r, err);
        if (status != MW_OK) return status;
    }
    if (r->batch_rows == 0) {
        *ret = NULL;
        return MW_OK;
    }
    int64_t left = r->batch_rows - r->batch_row;
    int64_t n = left < r->slice_rows ? left : r->slice_rows;
    mw_chunk *chunk;
    mw_status status = mw_chunk_new(r->ctx->mem, r->types, r->schema->n_columns, n, &chunk, err);
    if (status != MW_OK) return status;
    status = fill(r, chunk, n, err);
    if (status != MW_OK) {
        mw_chunk_free(chunk);
        return status;
    }
    r->batch_row += n;
    *ret = chunk;
    return MW_OK;
}

void *mw_ipc_reader_close(mw_ipc_reader *r) {
    if (!r) return NULL;
    mw_arrow__finish(&r->arrow);
    mw_schema_free(r->schema);
    mw_free(r->types);
    mw_free(r->parts);
    mw_map_close(&r->map);
    mw_free(r->name);
    return mw_free(r);
}

/* ---- what a file holds ---- */

mw_status mw_ipc_survey(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_schema **ret,
                        int64_t **counts, int64_t *n_rows, mw_err *err) {
    mw_ipc_reader *r;
    mw_status status = open_file(ctx, dir, name, NULL, 0, false, &r, err);
    if (status != MW_OK) return status;
    int64_t *n = mw_calloc(ctx->mem, (size_t)r->schema->n_columns + 1, sizeof *n);
    if (!n) status = mw_fail_nomem(err, "the columns of a table");
    for (uint32_t i = 0; i < r->arrow.file.records.n && status == MW_OK; i++) {
        status = mw_ctx_check(ctx, err);
        if (status == MW_OK) status = mw_arrow__count(&r->arrow.file, i, n, err);
        give_back(r, i);
    }
    if (status == MW_OK) {
        *ret = r->schema;
        *counts = n;
        *n_rows = r->n_rows;
        r->schema = NULL;
    } else {
        mw_free(n);
    }
    mw_ipc_reader_close(r);
    return status;
}
