/* collect.c -- see collect.h. */
#include "core/table/collect.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"

enum { FIRST_ROWS = 1024 };

typedef struct buffer {
    void *data;        /* [capacity] of the type; bool: bits */
    uint8_t *validity; /* bool: [capacity / 8] */
} buffer;

struct mw_collect {
    mw_mem *mem;
    const mw_schema *schema;
    buffer *buffers; /* [n_columns] */
    int32_t n_columns;
    int64_t n_rows, capacity;
};

static size_t bytes_of(mw_type type, int64_t rows) {
    size_t n = (size_t)rows;
    return type == MW_BOOL ? (n + 7) / 8 : type == MW_DICTIONARY ? 4 * n : 8 * n;
}

static void clear(mw_type type, void *data, int64_t from, int64_t to) {
    if (type == MW_TIMESTAMP)
        for (int64_t i = from; i < to; i++) ((int64_t *)data)[i] = MW_TIME_NONE;
    else if (type == MW_FLOAT64)
        for (int64_t i = from; i < to; i++) ((double *)data)[i] = MW_NAN;
    else if (type == MW_DICTIONARY)
        for (int64_t i = from; i < to; i++) ((int32_t *)data)[i] = -1;
}

static mw_status grow_block(mw_mem *mem, void **data, size_t used, size_t size, mw_err *err) {
    enum { PADDING = 64 };
    void *more = mw_alloc_aligned(mem, size + PADDING);
    if (!more) return mw_fail_nomem(err, "the rows of a table");
    if (used) memcpy(more, *data, used);
    mw_free(*data);
    *data = more;
    return MW_OK;
}

static mw_status grow(mw_collect *c, int32_t column, int64_t used, int64_t capacity, mw_err *err) {
    mw_type type = c->schema->columns[column].type;
    buffer *b = &c->buffers[column];
    size_t before = bytes_of(type, used), size = bytes_of(type, capacity);
    mw_status status = grow_block(c->mem, &b->data, before, size, err);
    if (status != MW_OK || type != MW_BOOL) return status;
    memset((char *)b->data + before, 0, size - before);
    void *validity = b->validity;
    status = grow_block(c->mem, &validity, before, size, err);
    b->validity = validity;
    if (status == MW_OK) memset(b->validity + before, 0, size - before);
    return status;
}

/* Columns that the schema got since: missing in all rows so far. */
static mw_status follow_schema(mw_collect *c, mw_err *err) {
    int32_t n = c->schema->n_columns;
    if (n == c->n_columns) return MW_OK;
    buffer *more = mw_realloc(c->mem, c->buffers, (size_t)n * sizeof *more);
    if (!more) return mw_fail_nomem(err, "the columns of a table");
    c->buffers = more;
    for (; c->n_columns < n; c->n_columns++) {
        c->buffers[c->n_columns] = (buffer){0};
        mw_status status = grow(c, c->n_columns, 0, c->capacity, err);
        if (status != MW_OK) {
            mw_free(c->buffers[c->n_columns].data);
            return status;
        }
        clear(c->schema->columns[c->n_columns].type, c->buffers[c->n_columns].data, 0, c->n_rows);
    }
    return MW_OK;
}

mw_status mw_collect_new(mw_mem *mem, const mw_schema *schema, int64_t rows, mw_collect **ret,
                         mw_err *err) {
    mw_collect *c = mw_calloc(mem, 1, sizeof *c);
    if (!c) return mw_fail_nomem(err, "a table");
    *c = (mw_collect){
        .mem = mem, .schema = schema, .capacity = rows < FIRST_ROWS ? FIRST_ROWS : rows};
    mw_status status = follow_schema(c, err);
    if (status == MW_OK)
        *ret = c;
    else
        mw_collect_free(c);
    return status;
}

void *mw_collect_free(mw_collect *collect) {
    if (!collect) return NULL;
    for (int32_t i = 0; i < collect->n_columns; i++) {
        mw_free(collect->buffers[i].data);
        mw_free(collect->buffers[i].validity);
    }
    mw_free(collect->buffers);
    return mw_free(collect);
}

int64_t mw_collect_rows(const mw_collect *collect) { return collect->n_rows; }

static mw_status make_room(mw_collect *c, int64_t n, mw_err *err) {
    if (c->n_rows + n > MW_LIMIT(TABLE_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld rows", (long long)MW_LIMIT(TABLE_ROWS));
    if (c->n_rows + n <= c->capacity) return MW_OK;
    int64_t capacity = c->capacity + c->capacity / 2;
    if (capacity < c->n_rows + n) capacity = c->n_rows + n;
    for (int32_t i = 0; i < c->n_columns; i++) {
        mw_status status = grow(c, i, c->n_rows, capacity, err);
        if (status != MW_OK) return status;
    }
    c->capacity = capacity;
    return MW_OK;
}

static void copy_bits(uint8_t *to, int64_t at, const uint8_t *from, int64_t n) {
    for (int64_t i = 0; i < n; i++, at++)
        if (from[i / 8] >> (i % 8) & 1)
            to[at / 8] |= (uint8_t)(1u << (at % 8));
        else
            to[at / 8] &= (uint8_t) ~(1u << (at % 8));
}

mw_status mw_collect_add(mw_collect *collect, const mw_chunk *chunk, mw_err *err) {
    mw_collect *c = collect;
    mw_status status = follow_schema(c, err);
    if (status == MW_OK) status = make_room(c, chunk->n_rows, err);
    if (status != MW_OK) return status;
    for (int32_t i = 0; i < c->n_columns; i++) {
        mw_type type = c->schema->columns[i].type;
        buffer *b = &c->buffers[i];
        if (i >= chunk->n_columns) {
            clear(type, b->data, c->n_rows, c->n_rows + chunk->n_rows);
        } else if (type == MW_BOOL) {
            copy_bits(b->data, c->n_rows, chunk->columns[i].bits, chunk->n_rows);
            copy_bits(b->validity, c->n_rows, chunk->columns[i].validity, chunk->n_rows);
        } else {
            memcpy((char *)b->data + bytes_of(type, c->n_rows), chunk->columns[i].data,
                   bytes_of(type, chunk->n_rows));
        }
    }
    c->n_rows += chunk->n_rows;
    return MW_OK;
}

/* Hands the buffers of one column over. */
static mw_status give(mw_collect *c, mw_schema_column *from, int32_t index, mw_table *table,
                      mw_err *err) {
    mw_column *to;
    mw_status status =
        mw_table_adopt(table, mw_str_of(from->name), from->type, &c->buffers[index].data,
                       &c->buffers[index].validity, &to, err);
    if (status != MW_OK) return status;
    if (from->type == MW_DICTIONARY) {
        mw_dictionary *empty = to->dictionary;
        to->dictionary = from->dictionary;
        from->dictionary = empty;
    }
    return mw_column_seal(table, to, err);
}

mw_status mw_collect_finish(mw_collect *collect, mw_schema *schema, mw_table **ret, mw_err *err) {
    mw_table *table = NULL;
    mw_status status = follow_schema(collect, err);
    if (status == MW_OK) status = mw_table_new(collect->mem, collect->n_rows, &table, err);
    if (status == MW_OK) status = mw_table_reserve(table, collect->n_columns, err);
    for (int32_t i = 0; i < collect->n_columns && status == MW_OK; i++)
        status = give(collect, &schema->columns[i], i, table, err);
    if (status == MW_OK)
        *ret = table;
    else
        mw_table_free(table);
    return status;
}
