/*
 * ipcread.c -- Arrow IPC files into tables, in two walks: the first checks every batch and adds up
 * rows and text bytes, so that the table is allocated once; the second copies the wanted columns,
 * puts NaN, MW_TIME_NONE and -1 where values are missing, and checks codes, offsets and UTF-8 on
 * the way.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/arrowfile.h"
#include "core/table/columns.h"
#include "core/text/datetime.h"

typedef struct loaded { /* a dictionary of the file */
    int64_t id;
    bool wanted;
    bool seen;
    mw_dictionary *dictionary;
    int32_t *codes; /* [n] ours for each of the file's; -1 for a missing text */
    int64_t n;
} loaded;

typedef struct reader {
    mw_arrow_file file;
    int32_t *target;      /* [n_fields] column of the table, or -1 */
    int64_t *text_bytes;  /* [n_fields] */
    loaded *dictionaries; /* [n_dictionaries] by id */
    size_t n_dictionaries;
    mw_table *table;
    int64_t row; /* where the next batch goes */
    int64_t n_rows;
} reader;

/* --- what is wanted -------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_wanted(mw_str name, const char *const *sorted, size_t n) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        int order = mw_str_compare(mw_str_of(sorted[middle]), name);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            n = middle;
    }
    return false;
}

static int compare_ids(const void *a, const void *b) {
    int64_t x = ((const loaded *)a)->id, y = ((const loaded *)b)->id;
    return (x > y) - (x < y);
}

static loaded *find_dictionary(reader *r, int64_t id) {
    loaded key = {.id = id};
    if (r->n_dictionaries == 0) return NULL;
    return bsearch(&key, r->dictionaries, r->n_dictionaries, sizeof key, compare_ids);
}

/* Fields may share a dictionary: one entry an id, wanted when any of them is. */
static void list_dictionaries(reader *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->file.n_fields; i++) {
        if (r->file.fields[i].type != MW_DICTIONARY) continue;
        r->dictionaries[n++] =
            (loaded){.id = r->file.fields[i].dictionary_id, .wanted = r->target[i] >= 0};
    }
    if (n == 0) return;
    qsort(r->dictionaries, n, sizeof *r->dictionaries, compare_ids);
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        if (r->dictionaries[i].id == r->dictionaries[kept].id)
            r->dictionaries[kept].wanted |= r->dictionaries[i].wanted;
        else
            r->dictionaries[++kept] = r->dictionaries[i];
    }
    r->n_dictionaries = kept + 1;
}

static mw_status choose(reader *r, const char *const *columns, size_t n_columns, mw_err *err) {
    mw_mem *mem = r->file.ctx->mem;
    size_t n = r->file.n_fields;
    const char **sorted = NULL;
    if (columns) {
        sorted = mw_alloc_array(mem, n_columns, sizeof *sorted);
        if (!sorted) return mw_fail_nomem(err, "reading a table");
        for (size_t i = 0; i < n_columns; i++) sorted[i] = columns[i];
        if (n_columns) qsort(sorted, n_columns, sizeof *sorted, compare_texts);
    }
    r->target = mw_alloc_array(mem, n, sizeof *r->target);
    r->text_bytes = mw_calloc(mem, n, sizeof *r->text_bytes);
    r->dictionaries = mw_alloc_array(mem, n, sizeof *r->dictionaries);
    if (!r->target || !r->text_bytes || !r->dictionaries) {
        mw_free(sorted);
        return mw_fail_nomem(err, "reading a table");
    }
    int32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        bool wanted = !columns || is_wanted(r->file.fields[i].name, sorted, n_columns);
        r->target[i] = wanted ? next++ : -1;
    }
    mw_free(sorted);
    list_dictionaries(r);
    return MW_OK;
}

/* --- dictionaries ---------------------------------------------------------------------------- */

static mw_status load_texts(reader *r, loaded *d, const mw_arrow_part *part, mw_err *err) {
    mw_mem *mem = r->file.ctx->mem;
    if (part->n_rows > MW_LIMIT(DICTIONARY_VALUES))
        return mw_fail(err, MW_ETOOLARGE, "%s has a dictionary of more than %lld texts",
                       r->file.name, (long long)MW_LIMIT(DICTIONARY_VALUES));
    d->codes = mw_alloc_array(mem, (size_t)part->n_rows, sizeof *d->codes);
    if (!d->codes) return mw_fail_nomem(err, "a dictionary");
    d->n = part->n_rows;
    mw_status status = mw_dictionary_new(mem, &d->dictionary, err);
    for (int64_t i = 0; i < d->n && status == MW_OK; i++) {
        mw_str text;
        d->codes[i] = -1;
        if (!mw_arrow__valid(part, i)) continue;
        if (!mw_arrow__text(part, i, &text))
            return mw_arrow__unsound(&r->file, err, "a dictionary holds a damaged text");
        status = mw_dictionary_add(d->dictionary, text, &d->codes[i], err);
    }
    return status;
}

static mw_status load_dictionaries(reader *r, mw_err *err) {
    for (uint32_t i = 0; i < r->file.dictionaries.n; i++) {
        int64_t id = 0;
        mw_arrow_part part;
        mw_status status = mw_arrow__dictionary(&r->file, i, &id, &part, err);
        if (status != MW_OK) return status;
        loaded *d = find_dictionary(r, id);
        if (!d) return mw_arrow__unsound(&r->file, err, "a dictionary belongs to no column");
        if (d->seen) return mw_arrow__unsound(&r->file, err, "a dictionary is there twice");
        d->seen = true;
        if (d->wanted) status = load_texts(r, d, &part, err);
        if (status == MW_OK) status = mw_ctx_check(r->file.ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

/* --- first walk ------------------------------------------------------------------------------ */

static mw_status measure(void *self, uint32_t field, const mw_arrow_part *part, mw_err *err) {
    reader *r = self;
    if (r->file.fields[field].type != MW_UTF8 || r->target[field] < 0 || part->n_rows == 0)
        return MW_OK;
    int64_t bytes = (int64_t)mw_arrow__offset(part, part->n_rows) - mw_arrow__offset(part, 0);
    if (bytes < 0 || bytes > part->n_bytes)
        return mw_arrow__unsound(&r->file, err, "the offsets of a text column are wrong");
    r->text_bytes[field] += bytes;
    if (r->text_bytes[field] > INT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "a text column of %s exceeds 2 GiB", r->file.name);
    return MW_OK;
}

static mw_status measure_all(reader *r, mw_err *err) {
    for (uint32_t i = 0; i < r->file.records.n; i++) {
        int64_t rows = 0;
        mw_status status = mw_arrow__walk(&r->file, i, &rows, measure, r, err);
        if (status == MW_OK) status = mw_ctx_check(r->file.ctx, err);
        if (status != MW_OK) return status;
        r->n_rows += rows;
        if (r->n_rows > MW_LIMIT(TABLE_ROWS))
            return mw_fail(err, MW_ETOOLARGE, "%s has more than %lld rows", r->file.name,
                           (long long)MW_LIMIT(TABLE_ROWS));
    }
    return MW_OK;
}

static mw_status give_dictionary(reader *r, uint32_t field, mw_column *column, mw_err *err) {
    const loaded *d = find_dictionary(r, r->file.fields[field].dictionary_id);
    if (!d || !d->dictionary) return MW_OK;
    mw_dictionary *copy;
    mw_status status = mw_dictionary_copy(r->table->mem, d->dictionary, &copy, err);
    if (status != MW_OK) return status;
    mw_dictionary_free(column->dictionary);
    column->dictionary = copy;
    return MW_OK;
}

static mw_status make_table(reader *r, mw_err *err) {
    mw_status status = mw_table_new(r->file.ctx->mem, r->n_rows, &r->table, err);
    for (uint32_t i = 0; i < r->file.n_fields && status == MW_OK; i++) {
        const mw_arrow_field *f = &r->file.fields[i];
        mw_column *column;
        if (r->target[i] < 0) continue;
        status = mw_table_add(r->table, f->name, f->type, &column, err);
        if (status == MW_EDATA) return mw_err_prefix(err, "%s", r->file.name);
        if (status != MW_OK) return status;
        if (f->type == MW_DICTIONARY) status = give_dictionary(r, i, column, err);
        if (f->type == MW_UTF8) {
            mw_free(column->bytes);
            column->bytes = mw_table__buffer(r->table->mem, (size_t)r->text_bytes[i]);
            if (!column->bytes) return mw_fail_nomem(err, "a text column");
        }
    }
    return status;
}

/* --- second walk ----------------------------------------------------------------------------- */

static void copy_words(const mw_arrow_part *part, int64_t row, mw_column *to) {
    memcpy(to->time + row, part->values, (size_t)part->n_rows * sizeof *to->time);
    if (!part->validity) return;
    for (int64_t i = 0; i < part->n_rows; i++) {
        if (mw_arrow__valid(part, i)) continue;
        if (to->type == MW_TIMESTAMP)
            to->time[row + i] = MW_TIME_NONE;
        else
            to->number[row + i] = MW_NAN;
    }
}

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
            return mw_arrow__unsound(&r->file, err, "a text column holds a damaged text");
        if (text.size) memcpy(to->bytes + to->offsets[row + i], text.data, text.size);
        to->offsets[row + i + 1] = to->offsets[row + i] + (int32_t)text.size;
        mw_table__set_bit(to->validity, row + i, valid);
    }
    return MW_OK;
}

static int64_t code_at(const mw_arrow_field *field, const uint8_t *values, int64_t row) {
    uint64_t raw = 0;
    int unused = 64 - 8 * field->index_bytes;
    memcpy(&raw, values + row * field->index_bytes, (size_t)field->index_bytes);
    return field->index_signed ? (int64_t)(raw << unused) >> unused : (int64_t)raw;
}

static mw_status copy_codes(reader *r, const mw_arrow_field *field, const mw_arrow_part *part,
                            int64_t row, mw_column *to, mw_err *err) {
    const loaded *d = find_dictionary(r, field->dictionary_id);
    for (int64_t i = 0; i < part->n_rows; i++) {
        if (!mw_arrow__valid(part, i)) continue;
        int64_t code = code_at(field, part->values, i);
        if (code < 0 || code >= d->n)
            return mw_arrow__unsound(&r->file, err, "a dictionary code has no text");
        to->codes[row + i] = d->codes[code];
    }
    return MW_OK;
}

static mw_status copy_part(void *self, uint32_t field, const mw_arrow_part *part, mw_err *err) {
    reader *r = self;
    if (r->target[field] < 0 || part->n_rows == 0) return MW_OK;
    mw_status status = mw_ctx_check(r->file.ctx, err);
    if (status != MW_OK) return status;
    mw_column *to = &r->table->columns[r->target[field]];
    switch (to->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64: copy_words(part, r->row, to); break;
    case MW_BOOL: copy_bools(part, r->row, to); break;
    case MW_DICTIONARY: return copy_codes(r, &r->file.fields[field], part, r->row, to, err);
    case MW_UTF8: return copy_texts(r, part, r->row, to, err);
    }
    return MW_OK;
}

static mw_status copy_all(reader *r, mw_err *err) {
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < r->file.records.n && status == MW_OK; i++) {
        int64_t rows = 0;
        status = mw_arrow__walk(&r->file, i, &rows, copy_part, r, err);
        r->row += rows;
    }
    for (int32_t i = 0; i < r->table->n_columns && status == MW_OK; i++)
        status = mw_column_seal(r->table, &r->table->columns[i], err);
    return status;
}

/* --- entry points ---------------------------------------------------------------------------- */

static void close_reader(reader *r) {
    for (size_t i = 0; i < r->n_dictionaries; i++) {
        mw_dictionary_free(r->dictionaries[i].dictionary);
        mw_free(r->dictionaries[i].codes);
    }
    mw_free(r->dictionaries);
    mw_free(r->target);
    mw_free(r->text_bytes);
    mw_arrow__close(&r->file);
}

mw_status mw_arrow__read(const mw_ctx *ctx, const uint8_t *data, size_t size, const char *name,
                         const char *const *columns, size_t n_columns, mw_table **ret,
                         mw_err *err) {
    reader r = {.file = {.ctx = ctx, .data = data, .size = size, .name = name}};
    mw_status status = mw_arrow__open(&r.file, err);
    if (status != MW_OK) return status;
    status = choose(&r, columns, n_columns, err);
    if (status == MW_OK) status = load_dictionaries(&r, err);
    if (status == MW_OK) status = measure_all(&r, err);
    if (status == MW_OK) status = make_table(&r, err);
    if (status == MW_OK) status = copy_all(&r, err);
    close_reader(&r);
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
