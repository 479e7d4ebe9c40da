/*
 * builder.c -- one growing array a column, filled up to the last row that was set in it.
 *
 * A column that appears late or stays sparse costs nothing for the rows it never reached: cells
 * past `n_filled` read as missing and are written as such only when a later cell is set. Arrays
 * grow by half, so every cell is copied at most twice on average.
 */
#include "support/builder.h"

#include <assert.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"

typedef struct growing {
    mw_type type;
    union {
        void *data; /* [capacity] of the type's cells */
        int64_t *time;
        double *number;
        int32_t *codes;
        int8_t *flags; /* 0, 1, or -1 for missing */
    };
    int64_t n_filled;
    int64_t capacity;
    mw_dictionary *dictionary;
} growing;

struct mw_builder {
    mw_mem *mem;
    mw_dictionary *names; /* code = column index */
    growing *columns;     /* [n_columns] */
    int32_t n_columns;
    int32_t capacity;
    int64_t n_rows;
    bool failed; /* memory ran out in a setter */
};

enum { FIRST_ROWS = 32, FIRST_COLUMNS = 16 };

static const size_t cell_bytes[] = {
    [MW_TIMESTAMP] = sizeof(int64_t),
    [MW_FLOAT64] = sizeof(double),
    [MW_BOOL] = sizeof(int8_t),
    [MW_DICTIONARY] = sizeof(int32_t),
};

mw_status mw_builder_new(mw_mem *mem, mw_builder **ret, mw_err *err) {
    mw_builder *b = mw_calloc(mem, 1, sizeof *b);
    if (!b) return mw_fail_nomem(err, "a table builder");
    b->mem = mem;
    if (mw_dictionary_new(mem, &b->names, err) != MW_OK) {
        mw_free(b);
        return MW_ENOMEM;
    }
    *ret = b;
    return MW_OK;
}

void *mw_builder_free(mw_builder *builder) {
    if (!builder) return NULL;
    for (int32_t i = 0; i < builder->n_columns; i++) {
        mw_free(builder->columns[i].data);
        mw_dictionary_free(builder->columns[i].dictionary);
    }
    mw_free(builder->columns);
    mw_dictionary_free(builder->names);
    return mw_free(builder);
}

/* --- shape ----------------------------------------------------------------------------------- */

static mw_status remembered(const mw_builder *b, mw_err *err) {
    return b->failed ? mw_fail_nomem(err, "the rows of a table") : MW_OK;
}

static mw_status existing_column(const mw_builder *b, int32_t index, mw_str name, mw_type type,
                                 mw_err *err) {
    mw_type have = b->columns[index].type;
    if (have == type) return MW_OK;
    return mw_fail(err, MW_EDATA, "column \"%.*s\" is %s and cannot become %s",
                   name.size < 64 ? (int)name.size : 64, name.data, mw_type_name(have),
                   mw_type_name(type));
}

static mw_status make_column_room(mw_builder *b, mw_err *err) {
    if (b->n_columns >= MW_LIMIT(TABLE_COLUMNS))
        return mw_fail(err, MW_ETOOLARGE, "a table of more than %lld columns",
                       (long long)MW_LIMIT(TABLE_COLUMNS));
    if (b->n_columns < b->capacity) return MW_OK;
    int32_t capacity = b->capacity ? b->capacity * 2 : FIRST_COLUMNS;
    growing *columns = mw_realloc(b->mem, b->columns, (size_t)capacity * sizeof *columns);
    if (!columns) return mw_fail_nomem(err, "the columns of a table");
    b->columns = columns;
    b->capacity = capacity;
    return MW_OK;
}

mw_status mw_builder_column(mw_builder *builder, mw_str name, mw_type type, int32_t *ret_index,
                            mw_err *err) {
    mw_builder *b = builder;
    mw_status status = remembered(b, err);
    if (status != MW_OK) return status;
    int32_t index = mw_dictionary_find(b->names, name);
    if (index >= 0) {
        status = existing_column(b, index, name, type, err);
        if (status == MW_OK) *ret_index = index;
        return status;
    }
    if ((unsigned)type >= MW_UTF8)
        return mw_fail(err, MW_EINVAL, "a growing table has no %s columns", mw_type_name(type));
    status = make_column_room(b, err);
    if (status != MW_OK) return status;
    growing column = {.type = type};
    if (type == MW_DICTIONARY && mw_dictionary_new(b->mem, &column.dictionary, err) != MW_OK)
        return MW_ENOMEM;
    status = mw_dictionary_add(b->names, name, &index, err);
    if (status != MW_OK) {
        mw_dictionary_free(column.dictionary);
        return status;
    }
    assert(index == b->n_columns);
    b->columns[b->n_columns++] = column;
    *ret_index = index;
    return MW_OK;
}

int32_t mw_builder_find(const mw_builder *builder, mw_str name) {
    return mw_dictionary_find(builder->names, name);
}

int32_t mw_builder_columns(const mw_builder *builder) { return builder->n_columns; }

mw_str mw_builder_name(const mw_builder *builder, int32_t column) {
    return mw_dictionary_text(builder->names, column);
}

mw_type mw_builder_type(const mw_builder *builder, int32_t column) {
    assert(column >= 0 && column < builder->n_columns);
    return builder->columns[column].type;
}

mw_status mw_builder_row(mw_builder *builder, int64_t *ret_row, mw_err *err) {
    mw_status status = remembered(builder, err);
    if (status != MW_OK) return status;
    if (builder->n_rows >= MW_LIMIT(TABLE_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld rows in one table",
                       (long long)MW_LIMIT(TABLE_ROWS));
    *ret_row = builder->n_rows++;
    return MW_OK;
}

int64_t mw_builder_rows(const mw_builder *builder) { return builder->n_rows; }

/* --- cells ----------------------------------------------------------------------------------- */

static bool grow(mw_builder *b, growing *c, int64_t row) {
    int64_t capacity = c->capacity + c->capacity / 2;
    if (capacity < FIRST_ROWS) capacity = FIRST_ROWS;
    if (capacity <= row) capacity = row + 1;
    void *data = mw_realloc(b->mem, c->data, (size_t)capacity * cell_bytes[c->type]);
    if (!data) {
        b->failed = true;
        return false;
    }
    c->data = data;
    c->capacity = capacity;
    return true;
}

static void fill_missing(growing *c, int64_t end) {
    int64_t i = c->n_filled;
    switch (c->type) {
    case MW_TIMESTAMP:
        for (; i < end; i++) c->time[i] = MW_TIME_NONE;
        break;
    case MW_FLOAT64:
        for (; i < end; i++) c->number[i] = MW_NAN;
        break;
    case MW_DICTIONARY:
        for (; i < end; i++) c->codes[i] = -1;
        break;
    default: memset(c->flags + i, -1, (size_t)(end - i)); break;
    }
}

/* The column, with cells up to and including row; NULL when memory ran out. */
static growing *reach(mw_builder *b, int32_t column, int64_t row) {
    assert(column >= 0 && column < b->n_columns && row >= 0 && row < b->n_rows);
    growing *c = &b->columns[column];
    if (row < c->n_filled) return c;
    if (row >= c->capacity && !grow(b, c, row)) return NULL;
    fill_missing(c, row);
    c->n_filled = row + 1;
    return c;
}

void mw_builder_set_number(mw_builder *builder, int32_t column, int64_t row, double value) {
    growing *c = reach(builder, column, row);
    if (!c) return;
    assert(c->type == MW_FLOAT64);
    c->number[row] = value;
}

void mw_builder_set_time(mw_builder *builder, int32_t column, int64_t row, int64_t us) {
    growing *c = reach(builder, column, row);
    if (!c) return;
    assert(c->type == MW_TIMESTAMP);
    c->time[row] = us;
}

void mw_builder_set_bool(mw_builder *builder, int32_t column, int64_t row, bool value) {
    growing *c = reach(builder, column, row);
    if (!c) return;
    assert(c->type == MW_BOOL);
    c->flags[row] = value;
}

void mw_builder_set_code(mw_builder *builder, int32_t column, int64_t row, int32_t code) {
    growing *c = reach(builder, column, row);
    if (!c) return;
    assert(c->type == MW_DICTIONARY && code >= -1 && code < mw_dictionary_size(c->dictionary));
    c->codes[row] = code;
}

mw_status mw_builder_code(mw_builder *builder, int32_t column, mw_str text, int32_t *ret_code,
                          mw_err *err) {
    assert(column >= 0 && column < builder->n_columns);
    growing *c = &builder->columns[column];
    assert(c->type == MW_DICTIONARY);
    mw_status status = mw_dictionary_add(c->dictionary, text, ret_code, err);
    if (status != MW_OK && status != MW_ENOMEM) {
        mw_str name = mw_builder_name(builder, column);
        mw_err_prefix(err, "column \"%.*s\"", name.size < 64 ? (int)name.size : 64, name.data);
    }
    return status;
}

mw_status mw_builder_set_text(mw_builder *builder, int32_t column, int64_t row, mw_str text,
                              mw_err *err) {
    int32_t code;
    mw_status status = mw_builder_code(builder, column, text, &code, err);
    if (status != MW_OK) return status;
    mw_builder_set_code(builder, column, row, code);
    return remembered(builder, err);
}

void mw_builder_set_missing(mw_builder *builder, int32_t column, int64_t row) {
    assert(column >= 0 && column < builder->n_columns && row >= 0 && row < builder->n_rows);
    growing *c = &builder->columns[column];
    if (row >= c->n_filled) return;
    switch (c->type) {
    case MW_TIMESTAMP: c->time[row] = MW_TIME_NONE; break;
    case MW_FLOAT64: c->number[row] = MW_NAN; break;
    case MW_DICTIONARY: c->codes[row] = -1; break;
    default: c->flags[row] = -1; break;
    }
}

bool mw_builder_has(const mw_builder *builder, int32_t column, int64_t row) {
    assert(column >= 0 && column < builder->n_columns && row >= 0 && row < builder->n_rows);
    const growing *c = &builder->columns[column];
    if (row >= c->n_filled) return false;
    switch (c->type) {
    case MW_TIMESTAMP: return c->time[row] != MW_TIME_NONE;
    case MW_FLOAT64: return !mw_isnan(c->number[row]);
    case MW_DICTIONARY: return c->codes[row] >= 0;
    default: return c->flags[row] >= 0;
    }
}

double mw_builder_get_number(const mw_builder *builder, int32_t column, int64_t row) {
    assert(mw_builder_type(builder, column) == MW_FLOAT64);
    const growing *c = &builder->columns[column];
    return row < c->n_filled ? c->number[row] : MW_NAN;
}

int64_t mw_builder_get_time(const mw_builder *builder, int32_t column, int64_t row) {
    assert(mw_builder_type(builder, column) == MW_TIMESTAMP);
    const growing *c = &builder->columns[column];
    return row < c->n_filled ? c->time[row] : MW_TIME_NONE;
}

int32_t mw_builder_get_code(const mw_builder *builder, int32_t column, int64_t row) {
    assert(mw_builder_type(builder, column) == MW_DICTIONARY);
    const growing *c = &builder->columns[column];
    return row < c->n_filled ? c->codes[row] : -1;
}

/* --- finishing ------------------------------------------------------------------------------- */

/* Moves the cells into a column of the table and frees them here, so that memory holds each once.
 */
static mw_status move_column(growing *from, mw_table *table, mw_column *to, mw_err *err) {
    if (from->type == MW_BOOL) {
        for (int64_t i = 0; i < from->n_filled; i++)
            if (from->flags[i] >= 0) mw_column_set_bool(to, i, from->flags[i] == 1);
    } else if (from->n_filled > 0) {
        memcpy(to->time, from->data, (size_t)from->n_filled * cell_bytes[from->type]);
    }
    if (from->type == MW_DICTIONARY) {
        mw_dictionary_free(to->dictionary);
        to->dictionary = from->dictionary;
        from->dictionary = NULL;
    }
    from->data = mw_free(from->data);
    from->n_filled = from->capacity = 0;
    return mw_column_seal(table, to, err);
}

mw_status mw_builder_finish(mw_builder *builder, mw_table **ret, mw_err *err) {
    mw_status status = remembered(builder, err);
    if (status != MW_OK) return status;
    mw_table *table;
    status = mw_table_new(builder->mem, builder->n_rows, &table, err);
    if (status != MW_OK) return status;
    if (builder->n_columns > 0) status = mw_table_reserve(table, builder->n_columns, err);
    for (int32_t i = 0; i < builder->n_columns && status == MW_OK; i++) {
        mw_column *column;
        status = mw_table_add(table, mw_builder_name(builder, i), builder->columns[i].type, &column,
                              err);
        if (status == MW_OK) status = move_column(&builder->columns[i], table, column, err);
    }
    if (status != MW_OK) {
        mw_table_free(table);
        return status;
    }
    *ret = table;
    return MW_OK;
}
