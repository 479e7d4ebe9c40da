/* live_rows_arrow.c -- an Arrow IPC stream to rows. */
#include "core/base/math.h"
#include "core/table/ipc.h"
#include "core/text/datetime.h"
#include "run/live/live_rows_parts.h"

static void take_cell(mw_live_rows *rows, int32_t code, const mw_column *column, int64_t row) {
    const mw_live_columns *c = rows->columns;
    const bool is_input = code < c->first_time;
    if (!mw_column_has(column, row)) return;
    switch (column->type) {
    case MW_DICTIONARY:
    case MW_UTF8: mw_live__text(rows, code, mw_column_text(column, row)); return;
    case MW_TIMESTAMP:
        if (is_input || code >= c->first_device) break;
        mw_live__time(rows, column->time[row]);
        return;
    case MW_FLOAT64:
        if (!is_input) break;
        mw_live__number(rows, code, column->number[row]);
        return;
    case MW_FLOAT32:
        if (!is_input) break;
        mw_live__number(rows, code, (double)column->single[row]);
        return;
    case MW_BOOL:
        if (code >= c->first_text) {
            mw_live__word(rows, code,
                          mw_column_bool(column, row) ? MW_STR("true") : MW_STR("false"));
            return;
        }
        if (!is_input) break;
        mw_live__number(rows, code, mw_column_bool(column, row));
        return;
    }
    mw_live__bad(rows, "%.100s holds values of type %s", column->name, mw_type_name(column->type));
}

static mw_status take_rows(mw_live_rows *rows, const mw_table *table, const int32_t *codes,
                           mw_err *err) {
    mw_status status = MW_OK;
    for (int64_t i = 0; i < table->n_rows && !status; i++) {
        status = mw_live__begin_row(rows, err);
        for (int32_t c = 0; c < table->n_columns && !status; c++)
            take_cell(rows, codes[c], &table->columns[c], i);
        if (!status) status = mw_live__end_row(rows, err);
    }
    return status;
}

mw_status mw_live__read_arrow(const mw_ctx *ctx, mw_live_rows *rows, mw_str body, mw_err *err) {
    const mw_dictionary *names = rows->columns->names;
    const size_t n = (size_t)mw_dictionary_size(names);
    mw_arena arena;
    mw_table *table = NULL;
    mw_arena_init(&arena, rows->mem);
    const char **wanted = mw_arena_calloc(&arena, n + 1, sizeof *wanted);
    int32_t *codes = mw_arena_calloc(&arena, n + 1, sizeof *codes);
    mw_status status = wanted && codes ? MW_OK : mw_fail_nomem(err, "the rows of a request");
    for (size_t i = 0; i < n && !status; i++) {
        const mw_str name = mw_dictionary_text(names, (int32_t)i);
        wanted[i] = mw_arena_strndup(&arena, name.data, name.size);
        if (!wanted[i]) status = mw_fail_nomem(err, "the rows of a request");
    }
    if (!status) status = mw_ipc_read_stream(ctx, body, "the body", wanted, n, &table, err);
    for (int32_t c = 0; !status && c < table->n_columns; c++)
        codes[c] = mw_dictionary_find(names, mw_str_of(table->columns[c].name));
    if (!status) status = take_rows(rows, table, codes, err);
    mw_table_free(table);
    mw_arena_done(&arena);
    return status;
}
