/*
 * take.c -- a table's rows in another order, as a subset or repeated.
 */
#include "core/table/columns.h"

/* Copies the cells index[begin, end) to the rows of the same number. */
static void gather(const mw_column *from, const int64_t *index, int64_t begin, int64_t end,
                   mw_column *to) {
    switch (from->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64:
        for (int64_t i = begin; i < end; i++) to->time[i] = from->time[index[i]];
        break;
    case MW_DICTIONARY:
        for (int64_t i = begin; i < end; i++) to->codes[i] = from->codes[index[i]];
        break;
    case MW_BOOL:
        for (int64_t i = begin; i < end; i++)
            if (mw_column_has(from, index[i]))
                mw_column_set_bool(to, i, mw_table__bit(from->bits, index[i]));
        break;
    case MW_UTF8:
        for (int64_t i = begin; i < end; i++) {
            mw_str text = mw_column_text(from, index[i]);
            if (text.size) memcpy(to->bytes + to->offsets[i], text.data, text.size);
            to->offsets[i + 1] = to->offsets[i] + (int32_t)text.size;
            mw_table__set_bit(to->validity, i, mw_column_has(from, index[i]));
        }
        break;
    }
}

static mw_status make_text_room(mw_table *table, const mw_column *from, const int64_t *index,
                                int64_t n, mw_column *to, mw_err *err) {
    size_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        total += mw_column_text(from, index[i]).size;
        if (total > INT32_MAX)
            return mw_fail(err, MW_ETOOLARGE, "the texts of column \"%.64s\" exceed 2 GiB",
                           from->name);
    }
    mw_free(to->bytes);
    to->bytes = mw_table__buffer(table->mem, total);
    return to->bytes ? MW_OK : mw_fail_nomem(err, "a text column");
}

static mw_status take_column(const mw_ctx *ctx, const mw_column *from, const int64_t *index,
                             int64_t n, mw_table *table, mw_err *err) {
    mw_column *to;
    mw_status status = mw_table_add(table, mw_str_of(from->name), from->type, &to, err);
    if (status != MW_OK) return status;
    if (from->type == MW_DICTIONARY) {
        mw_dictionary *copy;
        status = mw_dictionary_copy(table->mem, from->dictionary, &copy, err);
        if (status != MW_OK) return status;
        mw_dictionary_free(to->dictionary);
        to->dictionary = copy;
    }
    if (from->type == MW_UTF8) status = make_text_room(table, from, index, n, to, err);
    for (int64_t begin = 0; begin < n && status == MW_OK; begin += MW_TABLE__CHECK_ROWS) {
        int64_t end = begin + MW_TABLE__CHECK_ROWS < n ? begin + MW_TABLE__CHECK_ROWS : n;
        gather(from, index, begin, end, to);
        status = mw_ctx_check(ctx, err);
    }
    return status == MW_OK ? mw_column_seal(table, to, err) : status;
}

mw_status mw_table_take(const mw_ctx *ctx, const mw_table *table, const int64_t *index, int64_t n,
                        mw_table **ret, mw_err *err) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= table->n_rows)
            return mw_fail(err, MW_EINVAL, "row %lld of a table of %lld rows", (long long)index[i],
                           (long long)table->n_rows);
    mw_table *result;
    mw_status status = mw_table_new(ctx->mem, n, &result, err);
    if (status != MW_OK) return status;
    status = mw_table_reserve(result, table->n_columns, err);
    for (int32_t i = 0; i < table->n_columns && status == MW_OK; i++)
        status = take_column(ctx, &table->columns[i], index, n, result, err);
    if (status != MW_OK) {
        mw_table_free(result);
        return status;
    }
    *ret = result;
    return MW_OK;
}
