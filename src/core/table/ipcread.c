/*
 * ipcread.c -- Arrow IPC files into tables, in two walks: the first checks every batch and adds up
 * rows and text bytes, so that the table is allocated once; the second copies the wanted columns,
 * puts NaN, MW_TIME_NONE and -1 where values are missing, and checks codes, offsets and UTF-8 on
 * the way.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/table/arrowread.h"
#include "core/table/columns.h"

typedef struct reader {
    mw_arrow_reader arrow;
    int64_t *text_bytes; /* [n_fields] */
    mw_table *table;
    int64_t row; /* where the next batch goes */
    int64_t n_rows;
} reader;

/* --- first walk ------------------------------------------------------------------------------ */

static mw_status measure(void *self, uint32_t field, const mw_arrow_part *part, mw_err *err) {
    reader *r = self;
    if (r->arrow.file.fields[field].type != MW_UTF8 || r->arrow.target[field] < 0 ||
        part->n_rows == 0)
        return MW_OK;
    int64_t bytes = (int64_t)mw_arrow__offset(part, part->n_rows) - mw_arrow__offset(part, 0);
    if (bytes < 0 || bytes > part->n_bytes)
        return mw_arrow__unsound(&r->arrow.file, err, "the offsets of a text column are wrong");
    r->text_bytes[field] += bytes;
    if (r->text_bytes[field] > INT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "a text column of %s exceeds 2 GiB", r->arrow.file.name);
    return MW_OK;
}

static mw_status measure_all(reader *r, mw_err *err) {
    for (uint32_t i = 0; i < r->arrow.file.records.n; i++) {
        int64_t rows = 0;
        mw_status status = mw_arrow__walk(&r->arrow.file, i, &rows, measure, r, err);
        if (status == MW_OK) status = mw_ctx_check(r->arrow.file.ctx, err);
        if (status != MW_OK) return status;
        r->n_rows += rows;
        if (r->n_rows > MW_LIMIT(TABLE_ROWS))
            return mw_fail(err, MW_ETOOLARGE, "%s has more than %lld rows", r->arrow.file.name,
                           (long long)MW_LIMIT(TABLE_ROWS));
    }
    return MW_OK;
}

static mw_status make_table(reader *r, mw_err *err) {
    mw_status status = mw_table_new(r->arrow.file.ctx->mem, r->n_rows, &r->table, err);
    for (uint32_t i = 0; i < r->arrow.file.n_fields && status == MW_OK; i++) {
        const mw_arrow_field *f = &r->arrow.file.fields[i];
        mw_column *column;
        if (r->arrow.target[i] < 0) continue;
        status = mw_table_add(r->table, f->name, f->type, &column, err);
        if (status == MW_EDATA) return mw_err_prefix(err, "%s", r->arrow.file.name);
        if (status != MW_OK) return status;
        if (f->type == MW_DICTIONARY)
            status =
                mw_arrow__give_dictionary(&r->arrow, f, r->table->mem, &column->dictionary, err);
        if (f->type == MW_UTF8) {
            mw_free(column->bytes);
            column->bytes = mw_table__buffer(r->table->mem, (size_t)r->text_bytes[i]);
            if (!column->bytes) return mw_fail_nomem(err, "a text column");
        }
    }
    return status;
}

/* --- second walk ----------------------------------------------------------------------------- */

static void copy_bools(const mw_arrow_part *part, int64_t row, mw_column *to) {
    for (int64_t i = 0; i < part->n_rows; i++)
        if (mw_arrow__valid(part, i))
            mw_column_set_bool(to, row + i, mw_table__bit(part->values, i));
}

static mw_status copy_texts(const reader *r, const mw_arrow_part *part, int64_t row, mw_column *to,
                            mw_err *err) {
    /* Room was made for the bytes up to the last offset: one that runs ahead of it is caught here. */
    int32_t last = mw_arrow__offset(part, part->n_rows);
    for (int64_t i = 0; i < part->n_rows; i++) {
        mw_str text = MW_STR("");
        int32_t start = mw_arrow__offset(part, i);
        int32_t end = mw_arrow__offset(part, i + 1);
        bool sound = start >= 0 && start <= end && end <= last && last <= part->n_bytes;
        bool valid = mw_arrow__valid(part, i);
        if (!sound || (valid && !mw_arrow__text(part, i, &text)))
            return mw_arrow__unsound(&r->arrow.file, err, "a text column holds a damaged text");
        if (text.size) memcpy(to->bytes + to->offsets[row + i], text.data, text.size);
        to->offsets[row + i + 1] = to->offsets[row + i] + (int32_t)text.size;
        mw_table__set_bit(to->validity, row + i, valid);
    }
    return MW_OK;
}

static mw_status copy_part(void *self, uint32_t field, const mw_arrow_part *part, mw_err *err) {
    reader *r = self;
    if (r->arrow.target[field] < 0 || part->n_rows == 0) return MW_OK;
    mw_status status = mw_ctx_check(r->arrow.file.ctx, err);
    if (status != MW_OK) return status;
    mw_column *to = &r->table->columns[r->arrow.target[field]];
    switch (to->type) {
    case MW_TIMESTAMP: mw_arrow__copy_times(part, to->time + r->row); break;
    case MW_FLOAT64: mw_arrow__copy_numbers(part, to->number + r->row); break;
    case MW_FLOAT32: mw_arrow__copy_singles(part, to->single + r->row); break;
    case MW_BOOL: copy_bools(part, r->row, to); break;
    case MW_DICTIONARY:
        return mw_arrow__copy_codes(&r->arrow, &r->arrow.file.fields[field], part,
                                    to->codes + r->row, err);
    case MW_UTF8: return copy_texts(r, part, r->row, to, err);
    }
    return MW_OK;
}

static mw_status copy_all(reader *r, mw_err *err) {
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < r->arrow.file.records.n && status == MW_OK; i++) {
        int64_t rows = 0;
        status = mw_arrow__walk(&r->arrow.file, i, &rows, copy_part, r, err);
        r->row += rows;
    }
    for (int32_t i = 0; i < r->table->n_columns && status == MW_OK; i++)
        status = mw_column_seal(r->table, &r->table->columns[i], err);
    return status;
}

/* --- entry points ---------------------------------------------------------------------------- */

mw_status mw_arrow__read(const mw_ctx *ctx, const uint8_t *data, size_t size, const char *name,
                         const char *const *columns, size_t n_columns, mw_table **ret,
                         mw_err *err) {
    reader r = {.arrow = {.file = {.ctx = ctx, .data = data, .size = size, .name = name}}};
    mw_status status = mw_arrow__begin(&r.arrow, columns, n_columns, err);
    if (status == MW_OK) {
        r.text_bytes = mw_calloc(ctx->mem, r.arrow.file.n_fields, sizeof *r.text_bytes);
        if (!r.text_bytes) status = mw_fail_nomem(err, "reading a table");
    }
    if (status == MW_OK) status = mw_arrow__load(&r.arrow, err);
    if (status == MW_OK) status = measure_all(&r, err);
    if (status == MW_OK) status = make_table(&r, err);
    if (status == MW_OK) status = copy_all(&r, err);
    mw_arrow__finish(&r.arrow);
    mw_free(r.text_bytes);
    if (status != MW_OK) {
        mw_table_free(r.table);
        return status;
    }
    *ret = r.table;
    return MW_OK;
}

mw_status mw_arrow__read_meta(const uint8_t *data, size_t size, const char *name, const char *key,
                              char *out, size_t capacity, mw_err *err) {
    mw_arrow_file file = {.data = data, .size = size, .name = name};
    mw_status status = mw_arrow__frame(&file, err);
    if (status != MW_OK) return status;
    mw_str value = mw_arrow__value(&file, key);
    if (file.footer.problem) return mw_arrow__unsound(&file, err, file.footer.problem);
    if (!value.data)
        return mw_fail(err, MW_ENOTFOUND, "%s has no metadata key \"%.64s\"", name, key);
    if (value.size >= capacity)
        return mw_fail(err, MW_ETOOLARGE, "the metadata \"%.64s\" of %s has %zu bytes", key, name,
                       value.size);
    mw_str_copy(out, capacity, value);
    return MW_OK;
}

mw_status mw_ipc_read(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *const *columns,
                      size_t n_columns, mw_table **ret, mw_err *err) {
    mw_map map;
    mw_status status = mw_map_open(ctx, dir, name, &map, err);
    if (status != MW_OK) return status;
    status = mw_arrow__read(ctx, map.data, map.size, name, columns, n_columns, ret, err);
    mw_map_close(&map);
    return status;
}

mw_status mw_ipc_read_meta(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *key,
                           char *out, size_t capacity, mw_err *err) {
    mw_map map;
    mw_status status = mw_map_open(ctx, dir, name, &map, err);
    if (status != MW_OK) return status;
    status = mw_arrow__read_meta(map.data, map.size, name, key, out, capacity, err);
    mw_map_close(&map);
    return status;
}
