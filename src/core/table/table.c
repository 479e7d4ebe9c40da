/*
 * table.c -- tables and their columns: making, finding, sealing.
 *
 * Every buffer is allocated whole when its column is added, filled with "missing", and padded with
 * zeros, so that a column is valid from its first moment and its bytes depend on its values only.
 */
#include "core/table/table.h"

#include <assert.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/columns.h"
#include "core/table/present.h"
#include "core/text/datetime.h"

/* Under AddressSanitizer every added column moves the array, so that a pointer kept too long shows.
 */
#if defined(__SANITIZE_ADDRESS__)
enum { COLUMN_SLACK = 0 };
#else
enum { COLUMN_SLACK = 16 };
#endif

const char *mw_type_name(mw_type type) {
    static const char *const names[] = {"timestamp",  "float64", "bool",
                                        "dictionary", "utf8",    "float32"};
    return (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

/* --- table ----------------------------------------------------------------------------------- */

mw_status mw_table_new(mw_mem *mem, int64_t n_rows, mw_table **ret, mw_err *err) {
    if (n_rows < 0)
        return mw_fail(err, MW_EINVAL, "a table cannot have %lld rows", (long long)n_rows);
    if (n_rows > MW_LIMIT(TABLE_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "a table of %lld rows; at most %lld are supported",
                       (long long)n_rows, (long long)MW_LIMIT(TABLE_ROWS));
    mw_table *table = mw_calloc(mem, 1, sizeof *table);
    if (!table) return mw_fail_nomem(err, "a table");
    table->mem = mem;
    table->n_rows = n_rows;
    if (mw_dictionary_new(mem, &table->names, err) != MW_OK) {
        mw_free(table);
        return MW_ENOMEM;
    }
    *ret = table;
    return MW_OK;
}

void mw_column_release(mw_column *column) {
    mw_free(column->name);
    mw_free(column->validity);
    mw_free(column->time); /* whichever of the union it is */
    mw_free(column->bytes);
    mw_dictionary_free(column->dictionary);
    *column = (mw_column){.type = column->type};
}

void *mw_table_free(mw_table *table) {
    if (!table) return NULL;
    for (int32_t i = 0; i < table->n_columns; i++) mw_column_release(&table->columns[i]);
    mw_free(table->columns);
    mw_dictionary_free(table->names);
    return mw_free(table);
}

mw_status mw_table_reserve(mw_table *table, int32_t n_columns, mw_err *err) {
    if (n_columns <= table->capacity) return MW_OK;
    if (n_columns > MW_LIMIT(TABLE_COLUMNS))
        return mw_fail(err, MW_ETOOLARGE, "a table of more than %lld columns",
                       (long long)MW_LIMIT(TABLE_COLUMNS));
    mw_column *columns =
        mw_realloc(table->mem, table->columns, (size_t)n_columns * sizeof *columns);
    if (!columns) return mw_fail_nomem(err, "the columns of a table");
    table->columns = columns;
    table->capacity = n_columns;
    return MW_OK;
}

mw_column *mw_table_column(const mw_table *table, const char *name) {
    int32_t index = mw_dictionary_find(table->names, mw_str_of(name));
    return index < 0 ? NULL : &table->columns[index];
}

/* --- adding a column ------------------------------------------------------------------------- */

static mw_status make_column(mw_mem *mem, mw_str name, mw_type type, int64_t n_rows, mw_column *ret,
                             mw_err *err) {
    mw_column c = {.type = type, .n_rows = n_rows, .n_missing = n_rows};
    c.name = mw_strndup(mem, name.data ? name.data : "", name.size);
    c.time = mw_table__buffer(mem, mw_table__value_bytes(type, n_rows));
    if (!c.name || !c.time) goto fail;
    if (n_rows > 0) {
        c.validity = mw_table__buffer(mem, mw_table__bitmap_bytes(n_rows));
        if (!c.validity) goto fail;
        memset(c.validity, 0, mw_table__bitmap_bytes(n_rows));
    }
    if (type == MW_UTF8 && !(c.bytes = mw_table__buffer(mem, 0))) goto fail;
    if (type == MW_DICTIONARY && mw_dictionary_new(mem, &c.dictionary, err) != MW_OK) goto fail;
    if (type == MW_UTF8)
        memset(c.offsets, 0, mw_table__value_bytes(type, n_rows));
    else
        mw_table__fill_missing(type, c.time, 0, n_rows);
    *ret = c;
    return MW_OK;
fail:
    mw_column_release(&c);
    return mw_fail_nomem(err, "a column");
}

static mw_status check_new(const mw_table *table, mw_str name, mw_type type, mw_err *err) {
    int shown = name.size < 64 ? (int)name.size : 64;
    if ((unsigned)type > MW_UTF8) return mw_fail(err, MW_EINVAL, "no column type %d", (int)type);
    if ((int64_t)name.size > MW_LIMIT(STRING_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "the column name \"%.*s...\" is longer than %lld bytes",
                       shown, name.data, (long long)MW_LIMIT(STRING_BYTES));
    if (name.size && memchr(name.data, 0, name.size))
        return mw_fail(err, MW_EDATA, "a column name holds a NUL character");
    if (mw_dictionary_find(table->names, name) >= 0) {
        mw_fail(err, MW_EDATA, "two columns are named \"%.*s\"", shown, name.data);
        return mw_err_hint(err, "give each column its own name");
    }
    if (table->n_columns >= MW_LIMIT(TABLE_COLUMNS))
        return mw_fail(err, MW_ETOOLARGE, "a table of more than %lld columns",
                       (long long)MW_LIMIT(TABLE_COLUMNS));
    return MW_OK;
}

static mw_status make_room(mw_table *table, mw_err *err) {
    if (table->n_columns < table->capacity) return MW_OK;
    int64_t wanted = (int64_t)table->n_columns + 1;
    if (COLUMN_SLACK) wanted += COLUMN_SLACK + table->n_columns;
    if (wanted > MW_LIMIT(TABLE_COLUMNS)) wanted = MW_LIMIT(TABLE_COLUMNS);
    return mw_table_reserve(table, (int32_t)wanted, err);
}

static mw_status append_column(mw_table *table, mw_str name, const mw_column *column,
                               mw_column **ret, mw_err *err) {
    int32_t index;
    mw_status status = mw_dictionary_add(table->names, name, &index, err);
    if (status != MW_OK) return status;
    assert(index == table->n_columns);
    table->columns[index] = *column;
    table->n_columns = index + 1;
    if (ret) *ret = &table->columns[index];
    return MW_OK;
}

mw_status mw_table_add(mw_table *table, mw_str name, mw_type type, mw_column **ret, mw_err *err) {
    mw_column column;
    mw_status status = check_new(table, name, type, err);
    if (status == MW_OK) status = make_room(table, err);
    if (status == MW_OK) status = make_column(table->mem, name, type, table->n_rows, &column, err);
    if (status != MW_OK) return status;
    status = append_column(table, name, &column, ret, err);
    if (status != MW_OK) mw_column_release(&column);
    return status;
}

mw_status mw_table_adopt(mw_table *table, mw_str name, mw_type type, void **data,
                         uint8_t **validity, mw_column **ret, mw_err *err) {
    mw_column c = {.type = type, .n_rows = table->n_rows};
    mw_status status = check_new(table, name, type, err);
    if (status == MW_OK) status = make_room(table, err);
    if (status != MW_OK) return status;
    c.name = mw_strndup(table->mem, name.data ? name.data : "", name.size);
    if (!c.name) status = mw_fail_nomem(err, "a column");
    if (status == MW_OK && type == MW_DICTIONARY)
        status = mw_dictionary_new(table->mem, &c.dictionary, err);
    c.time = *data;
    c.validity = *validity;
    if (status == MW_OK) status = append_column(table, name, &c, ret, err);
    if (status != MW_OK) {
        c.time = NULL;
        c.validity = NULL;
        mw_column_release(&c);
        return status;
    }
    *data = NULL;
    *validity = NULL;
    return MW_OK;
}

mw_status mw_table_add_texts(mw_table *table, mw_str name, const mw_str *texts, mw_column **ret,
                             mw_err *err) {
    size_t total = 0;
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (!texts[i].data) continue;
        if (texts[i].size > (size_t)INT32_MAX - total)
            return mw_fail(err, MW_ETOOLARGE, "the texts of one column exceed 2 GiB");
        total += texts[i].size;
    }
    char *bytes = mw_table__buffer(table->mem, total);
    if (!bytes) return mw_fail_nomem(err, "a text column");
    mw_column *c;
    mw_status status = mw_table_add(table, name, MW_UTF8, &c, err);
    if (status != MW_OK) {
        mw_free(bytes);
        return status;
    }
    mw_free(c->bytes);
    c->bytes = bytes;
    int32_t at = 0;
    for (int64_t i = 0; i < c->n_rows; i++) {
        if (texts[i].data) {
            memcpy(bytes + at, texts[i].data, texts[i].size);
            at += (int32_t)texts[i].size;
            mw_table__set_bit(c->validity, i, true);
        }
        c->offsets[i + 1] = at;
    }
    if (ret) *ret = c;
    return mw_column_seal(table, c, err);
}

/* --- cells ----------------------------------------------------------------------------------- */

bool mw_column_has(const mw_column *column, int64_t row) {
    assert(row >= 0 && row < column->n_rows);
    switch (column->type) {
    case MW_TIMESTAMP: return column->time[row] != MW_TIME_NONE;
    case MW_FLOAT64: return !mw_isnan(column->number[row]);
    case MW_FLOAT32: return !mw_isnan(column->single[row]);
    case MW_DICTIONARY: return column->codes[row] >= 0;
    case MW_BOOL:
    case MW_UTF8: break;
    }
    return !column->validity || mw_table__bit(column->validity, row);
}

bool mw_column_bool(const mw_column *column, int64_t row) {
    assert(column->type == MW_BOOL);
    return mw_column_has(column, row) && mw_table__bit(column->bits, row);
}

void mw_column_set_bool(mw_column *column, int64_t row, bool value) {
    assert(column->type == MW_BOOL && row >= 0 && row < column->n_rows);
    mw_table__set_bit(column->bits, row, value);
    if (column->validity) mw_table__set_bit(column->validity, row, true);
}

mw_str mw_column_text(const mw_column *column, int64_t row) {
    assert(row >= 0 && row < column->n_rows);
    if (column->type == MW_DICTIONARY)
        return mw_dictionary_text(column->dictionary, column->codes[row]);
    if (column->type != MW_UTF8 || !mw_column_has(column, row)) return MW_STR("");
    int32_t start = column->offsets[row];
    return (mw_str){column->bytes + start, (size_t)(column->offsets[row + 1] - start)};
}

mw_str mw_column_cell(const mw_column *column, int64_t row, char digits[MW_NUMBER_MAX]) {
    if (!mw_column_has(column, row)) return MW_STR("");
    if (column->type == MW_BOOL) return mw_str_of(mw_column_bool(column, row) ? "true" : "false");
    if (column->type != MW_FLOAT64) return mw_column_text(column, row);
    return (mw_str){digits, mw_number_print(column->number[row], digits)};
}

/* --- sealing --------------------------------------------------------------------------------- */

/* A column that says by its values what is missing. */
static bool has_sentinel(const mw_column *c) { return c->type != MW_BOOL && c->type != MW_UTF8; }

/* Every missing number becomes the same NaN, every missing code -1. */
static void unify_missing(mw_column *c) {
    for (int64_t i = 0; i < c->n_rows; i++) {
        if (mw_table__bit(c->validity, i)) continue;
        if (c->type == MW_FLOAT64) c->number[i] = MW_NAN;
        if (c->type == MW_FLOAT32) c->single[i] = (float)MW_NAN;
        if (c->type == MW_DICTIONARY) c->codes[i] = -1;
    }
}

/* A missing bool is 0 in its bits, and bits past the end are 0. */
static void clean_bits(mw_column *c) {
    size_t bytes = mw_table__bitmap_bytes(c->n_rows);
    if (c->validity)
        for (size_t i = 0; i < bytes; i++) c->bits[i] &= c->validity[i];
    if (c->n_rows & 7) c->bits[bytes - 1] &= (uint8_t)((1u << (c->n_rows & 7)) - 1);
}

void mw_column_set_validity(mw_column *column, uint8_t **validity, int64_t n_missing) {
    mw_free(column->validity);
    column->validity = n_missing ? *validity : mw_free(*validity);
    column->n_missing = n_missing;
    *validity = NULL;
}

mw_status mw_column_seal(mw_table *table, mw_column *column, mw_err *err) {
    if (has_sentinel(column)) {
        uint8_t *validity = mw_table__buffer(table->mem, mw_table__bitmap_bytes(column->n_rows) +
                                                             MW_TABLE__PRESENT_SLACK);
        if (!validity) return mw_fail_nomem(err, "a validity bitmap");
        int64_t n = mw_table__present(column->type, column->time, column->n_rows, validity, 0);
        mw_column_set_validity(column, &validity, n);
        if (n) unify_missing(column);
        return MW_OK;
    }
    int64_t n =
        column->validity ? column->n_rows - mw_table__ones(column->validity, column->n_rows) : 0;
    if (n == 0) column->validity = mw_free(column->validity);
    column->n_missing = n;
    if (column->type == MW_BOOL) clean_bits(column);
    return MW_OK;
}
