/*
 * concat.c -- tables end to end. Columns meet by name, in order of first appearance; each
 * dictionary is merged into one whose codes are again in order of first appearance over the tables.
 */
#include "core/table/columns.h"

static mw_status add_columns(const mw_table *from, mw_table *to, mw_err *err) {
    for (int32_t i = 0; i < from->n_columns; i++) {
        const mw_column *c = &from->columns[i];
        const mw_column *have = mw_table_column(to, c->name);
        if (!have) {
            mw_status status = mw_table_add(to, mw_str_of(c->name), c->type, NULL, err);
            if (status != MW_OK) return status;
        } else if (have->type != c->type) {
            return mw_fail(err, MW_EDATA, "column \"%.64s\" is %s in one part and %s in another",
                           c->name, mw_type_name(have->type), mw_type_name(c->type));
        }
    }
    return MW_OK;
}

/* Codes of `from` in the dictionary of `to`: [size of from's], mw_free it. */
static mw_status merge_codes(const mw_column *from, mw_column *to, mw_mem *mem, int32_t **ret,
                             mw_err *err) {
    int32_t n = mw_dictionary_size(from->dictionary);
    int32_t *codes = mw_alloc_array(mem, (size_t)n, sizeof *codes);
    if (!codes) return mw_fail_nomem(err, "a dictionary");
    for (int32_t i = 0; i < n; i++) {
        mw_str text = mw_dictionary_text(from->dictionary, i);
        mw_status status = mw_dictionary_add(to->dictionary, text, &codes[i], err);
        if (status != MW_OK) {
            mw_free(codes);
            return status;
        }
    }
    *ret = codes;
    return MW_OK;
}

static mw_status append_codes(const mw_column *from, int64_t at, mw_column *to, mw_mem *mem,
                              mw_err *err) {
    int32_t *codes = NULL;
    mw_status status = merge_codes(from, to, mem, &codes, err);
    if (status != MW_OK) return status;
    for (int64_t i = 0; i < from->n_rows; i++)
        to->codes[at + i] = from->codes[i] < 0 ? -1 : codes[from->codes[i]];
    mw_free(codes);
    return MW_OK;
}

static void append_bools(const mw_column *from, int64_t at, mw_column *to) {
    for (int64_t i = 0; i < from->n_rows; i++)
        if (mw_column_has(from, i)) mw_column_set_bool(to, at + i, mw_table__bit(from->bits, i));
}

/* Offsets of the rows [0, at) are already right; to->bytes has room. */
static void append_texts(const mw_column *from, int64_t at, mw_column *to) {
    for (int64_t i = 0; i < from->n_rows; i++) {
        mw_str text = mw_column_text(from, i);
        int32_t start = to->offsets[at + i];
        if (text.size) memcpy(to->bytes + start, text.data, text.size);
        to->offsets[at + i + 1] = start + (int32_t)text.size;
        mw_table__set_bit(to->validity, at + i, mw_column_has(from, i));
    }
}

static mw_status append(const mw_column *from, int64_t at, mw_column *to, mw_mem *mem,
                        mw_err *err) {
    size_t n = (size_t)from->n_rows;
    switch (from->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64: memcpy(to->time + at, from->time, n * sizeof *to->time); break;
    case MW_DICTIONARY: return append_codes(from, at, to, mem, err);
    case MW_BOOL: append_bools(from, at, to); break;
    case MW_UTF8: append_texts(from, at, to); break;
    }
    return MW_OK;
}

static mw_status make_text_room(const mw_table *const *tables, int32_t n, mw_column *to,
                                mw_mem *mem, mw_err *err) {
    int64_t total = 0;
    for (int32_t t = 0; t < n; t++) {
        const mw_column *c = mw_table_column(tables[t], to->name);
        if (c) total += c->offsets[c->n_rows];
    }
    if (total > INT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "the texts of column \"%.64s\" exceed 2 GiB", to->name);
    mw_free(to->bytes);
    to->bytes = mw_table__buffer(mem, (size_t)total);
    return to->bytes ? MW_OK : mw_fail_nomem(err, "a text column");
}

/* Rows of a table that lacks the column stay missing; their text offsets still have to follow. */
static void skip_rows(mw_column *to, int64_t at, int64_t n_rows) {
    if (to->type != MW_UTF8) return;
    for (int64_t i = 0; i < n_rows; i++) to->offsets[at + i + 1] = to->offsets[at];
}

static mw_status fill_column(const mw_ctx *ctx, const mw_table *const *tables, int32_t n,
                             mw_table *result, mw_column *to, mw_err *err) {
    mw_status status = MW_OK;
    if (to->type == MW_UTF8) status = make_text_room(tables, n, to, result->mem, err);
    int64_t at = 0;
    for (int32_t t = 0; t < n && status == MW_OK; t++) {
        const mw_column *from = mw_table_column(tables[t], to->name);
        if (from)
            status = append(from, at, to, result->mem, err);
        else
            skip_rows(to, at, tables[t]->n_rows);
        at += tables[t]->n_rows;
        if (status == MW_OK) status = mw_ctx_check(ctx, err);
    }
    return status == MW_OK ? mw_column_seal(result, to, err) : status;
}

mw_status mw_table_concat(const mw_ctx *ctx, const mw_table *const *tables, int32_t n,
                          mw_table **ret, mw_err *err) {
    int64_t n_rows = 0;
    for (int32_t t = 0; t < n; t++)
        if (__builtin_add_overflow(n_rows, tables[t]->n_rows, &n_rows)) n_rows = INT64_MAX;
    mw_table *result;
    mw_status status = mw_table_new(ctx->mem, n_rows, &result, err);
    if (status != MW_OK) return status;
    for (int32_t t = 0; t < n && status == MW_OK; t++) status = add_columns(tables[t], result, err);
    for (int32_t i = 0; i < result->n_columns && status == MW_OK; i++)
        status = fill_column(ctx, tables, n, result, &result->columns[i], err);
    if (status != MW_OK) {
        mw_table_free(result);
        return status;
    }
    *ret = result;
    return MW_OK;
}
