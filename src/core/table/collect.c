/*
 * collect.c -- see collect.h. Rows [0, n_rows) are added, [n_rows, end) are given away as places; what has a value is told when rows are
 * added, while they are likely still in a cache.
 */
#include "core/table/collect.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/table/columns.h"
#include "core/table/present.h"

enum { FIRST_ROWS = 1024 };

typedef struct buffer {
    void *data;        /* [capacity] of the type; bool: bits */
    uint8_t *validity; /* [capacity] bits */
    int64_t n_missing; /* not of bool */
} buffer;

struct mw_collect {
    mw_mem *mem;
    const mw_schema *schema;
    mw_type *types;  /* [n_columns] */
    buffer *buffers; /* [n_columns] */
    int32_t n_columns;
    int64_t n_rows, end, capacity;
};

static mw_status grow_block(mw_mem *mem, void **data, size_t used, size_t size, mw_err *err) {
    void *more = mw_table__buffer(mem, size);
    if (!more) return mw_fail_nomem(err, "the rows of a table");
    if (*data) memcpy(more, *data, used);
    mw_free(*data);
    *data = more;
    return MW_OK;
}

static mw_status grow(mw_collect *c, int32_t column, int64_t used, int64_t capacity, mw_err *err) {
    buffer *b = &c->buffers[column];
    mw_type type = c->types[column];
    mw_status status = grow_block(c->mem, &b->data, mw_table__value_bytes(type, used),
                                  mw_table__value_bytes(type, capacity), err);
    if (status != MW_OK) return status;
    void *validity = b->validity;
    status = grow_block(c->mem, &validity, mw_table__bitmap_bytes(used),
                        mw_table__bitmap_bytes(capacity) + MW_TABLE__PRESENT_SLACK, err);
    b->validity = validity;
    return status;
}

/* n rows without a value behind the last one. */
static void add_missing(mw_collect *c, int32_t column, int64_t at, int64_t n) {
    buffer *b = &c->buffers[column];
    mw_table__fill_missing(c->types[column], b->data, at, n);
    mw_table__clear_bits(b->validity, at, n);
    b->n_missing += n;
}

/* Columns that the schema got since: missing in all rows so far. */
static mw_status follow_schema(mw_collect *c, mw_err *err) {
    int32_t n = c->schema->n_columns;
    if (n == c->n_columns) return MW_OK;
    buffer *more = mw_realloc(c->mem, c->buffers, (size_t)n * sizeof *more);
    if (more) c->buffers = more;
    mw_type *types = more ? mw_realloc(c->mem, c->types, (size_t)n * sizeof *types) : NULL;
    if (!types) return mw_fail_nomem(err, "the columns of a table");
    c->types = types;
    while (c->n_columns < n) {
        int32_t i = c->n_columns;
        c->buffers[i] = (buffer){0};
        c->types[i] = c->schema->columns[i].type;
        mw_status status = grow(c, i, 0, c->capacity, err);
        if (status != MW_OK) {
            mw_free(c->buffers[i].data);
            mw_free(c->buffers[i].validity);
            return status;
        }
        c->n_columns++;
        add_missing(c, i, 0, c->n_rows);
    }
    return MW_OK;
}

mw_status mw_collect_new(mw_mem *mem, const mw_schema *schema, int64_t rows, mw_collect **ret,
                         mw_err *err) {
    mw_collect *c = mw_calloc(mem, 1, sizeof *c);
    if (!c) return mw_fail_nomem(err, "a table");
    c->mem = mem;
    c->schema = schema;
    c->capacity = rows < FIRST_ROWS ? FIRST_ROWS : rows;
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
    mw_free(collect->types);
    return mw_free(collect);
}

int64_t mw_collect_rows(const mw_collect *collect) { return collect->n_rows; }

static mw_status make_room(mw_collect *c, int64_t end, mw_err *err) {
    if (end > MW_LIMIT(TABLE_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld rows", (long long)MW_LIMIT(TABLE_ROWS));
    if (end <= c->capacity) return MW_OK;
    int64_t capacity = c->capacity + c->capacity / 2;
    if (capacity < end) capacity = end;
    for (int32_t i = 0; i < c->n_columns; i++) {
        mw_status status = grow(c, i, c->n_rows, capacity, err);
        if (status != MW_OK) return status;
    }
    c->capacity = capacity;
    return MW_OK;
}

/* ---- places ---- */

mw_status mw_collect_place(mw_collect *collect, int64_t n_rows, bool alone, mw_chunk **ret,
                           bool *ret_full, mw_err *err) {
    mw_collect *c = collect;
    *ret_full = !alone && c->end + n_rows > c->capacity;
    if (*ret_full) return MW_OK;
    if (alone) c->end = c->n_rows;
    mw_status status = make_room(c, c->end + n_rows, err);
    mw_chunk *chunk;
    if (status == MW_OK)
        status = mw_chunk_new_within(c->mem, c->types, c->n_columns, n_rows, &chunk, err);
    if (status != MW_OK) return status;
    for (int32_t i = 0; i < c->n_columns; i++)
        if (c->types[i] != MW_BOOL)
            chunk->columns[i].data =
                (char *)c->buffers[i].data + mw_table__value_bytes(c->types[i], c->end);
    c->end += n_rows;
    *ret = chunk;
    return MW_OK;
}

/* ---- adding ---- */

static void add_column(mw_collect *c, int32_t column, const mw_chunk_column *from, int64_t at,
                       int64_t n) {
    buffer *b = &c->buffers[column];
    mw_type type = c->types[column];
    if (type == MW_BOOL) {
        mw_table__copy_bits(b->data, at, from->bits, 0, n);
        mw_table__copy_bits(b->validity, at, from->validity, 0, n);
        return;
    }
    char *to = (char *)b->data + mw_table__value_bytes(type, at);
    if (to != from->data && n) memmove(to, from->data, mw_table__value_bytes(type, n));
    b->n_missing += mw_table__present(type, to, n, b->validity, at);
}

mw_status mw_collect_add(mw_collect *collect, const mw_chunk *chunk, mw_err *err) {
    mw_collect *c = collect;
    int64_t at = c->n_rows, n = chunk->n_rows;
    mw_status status = follow_schema(c, err);
    if (status == MW_OK) status = make_room(c, at + n, err);
    if (status != MW_OK) return status;
    for (int32_t i = 0; i < c->n_columns; i++)
        if (i < chunk->n_columns)
            add_column(c, i, &chunk->columns[i], at, n);
        else
            add_missing(c, i, at, n);
    c->n_rows = at + n;
    return MW_OK;
}

/* ---- the table ---- */

/* Hands the buffers of one column over. */
static mw_status give(mw_collect *c, mw_schema_column *from, int32_t index, mw_table *table,
                      mw_err *err) {
    buffer *b = &c->buffers[index];
    uint8_t *none = NULL, **validity = from->type == MW_BOOL ? &b->validity : &none;
    mw_column *to;
    mw_status status =
        mw_table_adopt(table, mw_str_of(from->name), from->type, &b->data, validity, &to, err);
    if (status != MW_OK) return status;
    if (from->type == MW_BOOL) return mw_column_seal(table, to, err);
    if (from->type == MW_DICTIONARY) {
        mw_dictionary *empty = to->dictionary;
        to->dictionary = from->dictionary;
        from->dictionary = empty;
    }
    mw_column_set_validity(to, &b->validity, b->n_missing);
    return MW_OK;
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
