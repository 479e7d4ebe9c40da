/*
 * plain.c -- a CSV file as a table of its own, for `train FILE.csv` and `predict`. Types are
 * decided by all the data: columns are built as the first rows suggest while every cell is also
 * classified; when a later row contradicts (text in a column of numbers), the file is read once
 * more with the final types. Almost every file is read once.
 */
#include "keep/ingest/ingest.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/builder.h"
#include "core/text/datetime.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/csv_rows.h"

enum { PROBED_ROWS = 1000 };

/* Grows from left to right only; what a column is follows from the set of cells seen in it. */
enum { SEEN_BOOL = 1, SEEN_NUMBER = 2, SEEN_TEXT = 4 };

typedef struct reading {
    const mw_ctx *ctx;
    mw_rows *rows;
    const mw_str *header;
    uint32_t n_fields;
    uint8_t *seen;      /* [n_fields] */
    mw_type *types;     /* [n_fields] as built in this pass */
    int32_t time_field; /* -1: none */
    bool time_named;    /* by the caller: it must read */
    bool time_refused;  /* a value of a time column by name is no time: it is text or numbers */
    bool contradicted;
    int64_t n_unreadable;
    mw_builder *builder; /* column i is field i */
} reading;

static mw_type type_of(const reading *plain, uint32_t field) {
    if ((int32_t)field == plain->time_field && !plain->time_refused) return MW_TIMESTAMP;
    uint8_t seen = plain->seen[field];
    if (seen & SEEN_TEXT || seen == (SEEN_BOOL | SEEN_NUMBER)) return MW_DICTIONARY;
    return seen == SEEN_BOOL ? MW_BOOL : MW_FLOAT64;
}

static mw_status fail_time(const reading *plain, uint64_t line, mw_str text, mw_err *err) {
    char shown[MW_CELL_SHOWN], column[MW_CELL_SHOWN];
    mw_fail(err, MW_EDATA, "line %llu, column %s: not a time stamp: \"%s\"",
            (unsigned long long)line, mw_cell_show(plain->header[plain->time_field], column),
            mw_cell_show(text, shown));
    return mw_err_hint(err, "Use YYYY-MM-DD HH:MM:SS, or name another time column.");
}

/* Seconds, milliseconds or microseconds since 1970, told apart by size: none of the three reaches
 * the next one's numbers before the year 5138. */
static bool read_epoch(double value, int64_t *ret_us) {
    double size = mw_abs(value);
    double us = size < 1e11 ? value * 1e6 : size < 1e14 ? value * 1e3 : value;
    if (!(mw_abs(us) < 2.5e17)) return false;
    *ret_us = (int64_t)mw_floor(us + 0.5);
    return true;
}

static bool read_time(mw_str text, int64_t *ret_us) {
    bool zone;
    double value;
    text = mw_str_trim(text);
    if (mw_time_read(text.data, text.size, ret_us, &zone)) return true;
    return mw_cell_read(text, &value) == MW_CELL_NUMBER && read_epoch(value, ret_us);
}

/* Classifies one cell; false when the caller's own time column holds something else. */
static bool look(reading *plain, uint32_t field, mw_str text, mw_cell *ret_cell,
                 double *ret_value) {
    *ret_cell = mw_cell_read(text, ret_value);
    switch (*ret_cell) {
    case MW_CELL_MISSING: return true;
    case MW_CELL_BOOL: plain->seen[field] |= SEEN_BOOL; break;
    case MW_CELL_NUMBER:
    case MW_CELL_INFINITE: plain->seen[field] |= SEEN_NUMBER; break;
    case MW_CELL_TEXT: plain->seen[field] |= SEEN_TEXT; break;
    }
    if ((int32_t)field != plain->time_field || plain->time_refused) return true;
    int64_t us;
    if (read_time(text, &us)) return true;
    plain->time_refused = true;
    return !plain->time_named;
}

static mw_status store(reading *plain, uint32_t field, int64_t at, mw_str text, mw_cell cell,
                       double value, mw_err *err) {
    if (cell == MW_CELL_MISSING) return MW_OK;
    text = mw_str_trim(text);
    int32_t column = (int32_t)field;
    int64_t us;
    switch (plain->types[field]) {
    case MW_TIMESTAMP:
        if (read_time(text, &us)) mw_builder_set_time(plain->builder, column, at, us);
        return MW_OK;
    case MW_FLOAT64:
        /* A double cannot hold it: missing, as every reader of the table expects finite numbers. */
        if (cell == MW_CELL_NUMBER) mw_builder_set_number(plain->builder, column, at, value);
        return MW_OK;
    case MW_BOOL:
        if (cell == MW_CELL_BOOL) mw_builder_set_bool(plain->builder, column, at, value > 0);
        return MW_OK;
    default: return mw_builder_set_text(plain->builder, column, at, text, err);
    }
}

/* Looks at a row; with a builder also stores it. */
static mw_status take_row(reading *plain, const mw_csv_row *row, mw_err *err) {
    char scratch[MW_ROWS_REASON];
    uint32_t wrong;
    int64_t at = 0;
    mw_status status = plain->builder ? mw_builder_row(plain->builder, &at, err) : MW_OK;
    if (status != MW_OK) return status;
    if (mw_rows_problem(plain->rows, row, &wrong, scratch)) {
        plain->n_unreadable++;
        return MW_OK;
    }
    for (uint32_t i = 0; i < plain->n_fields; i++) {
        mw_cell cell;
        double value = MW_NAN;
        if (!look(plain, i, row->fields[i], &cell, &value))
            return fail_time(plain, row->line, row->fields[i], err);
        if (!plain->builder || plain->contradicted) continue;
        if (type_of(plain, i) != plain->types[i]) {
            plain->contradicted = true;
            continue;
        }
        status = store(plain, i, at, row->fields[i], cell, value, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status begin_builder(reading *plain, mw_err *err) {
    mw_status status = mw_builder_new(plain->ctx->mem, &plain->builder, err);
    for (uint32_t i = 0; i < plain->n_fields && status == MW_OK; i++) {
        int32_t column;
        plain->types[i] = type_of(plain, i);
        status = mw_builder_column(plain->builder, plain->header[i], plain->types[i], &column, err);
    }
    return status;
}

/* One reading of the file from its first row; max_rows 0: all, into the builder. */
static mw_status pass(reading *plain, const char *path, int64_t max_rows, mw_err *err) {
    plain->rows = mw_rows_close(plain->rows);
    plain->builder = mw_builder_free(plain->builder);
    plain->contradicted = false;
    plain->n_unreadable = 0;
    mw_status status = mw_rows_open(plain->ctx, path, &plain->rows, err);
    if (status != MW_OK) return status;
    uint32_t n;
    plain->header = mw_rows_header(plain->rows, &n);
    if (plain->n_fields && n != plain->n_fields)
        return mw_fail(err, MW_EDATA, "the file changed while it was read");
    if (max_rows == 0) status = begin_builder(plain, err);
    for (int64_t i = 0; status == MW_OK && (max_rows == 0 || i < max_rows); i++) {
        mw_csv_row row;
        bool has = false;
        if (i % 4096 == 0) status = mw_ctx_check(plain->ctx, err);
        if (status != MW_OK) return status;
        status = mw_rows_next(plain->rows, &row, &has, err);
        if (status != MW_OK || !has) return status;
        status = take_row(plain, &row, err);
    }
    return status;
}

static mw_status find_time(reading *plain, const char *time_column, mw_err *err) {
    plain->time_field = mw_layout_time_field(plain->header, plain->n_fields);
    if (!time_column) return MW_OK;
    plain->time_named = true;
    plain->time_field = -1;
    for (uint32_t i = 0; i < plain->n_fields; i++)
        if (mw_str_is(plain->header[i], time_column)) plain->time_field = (int32_t)i;
    if (plain->time_field >= 0) return MW_OK;
    mw_fail(err, MW_ENOTFOUND, "there is no column \"%s\" to take the time from", time_column);
    return mw_err_hint(err, "Column names are written as in the header.");
}

static mw_status begin(reading *plain, const char *path, const char *time_column, mw_err *err) {
    mw_status status = mw_rows_open(plain->ctx, path, &plain->rows, err);
    if (status != MW_OK) return status;
    plain->header = mw_rows_header(plain->rows, &plain->n_fields);
    plain->seen = mw_calloc(plain->ctx->mem, plain->n_fields, sizeof *plain->seen);
    plain->types = mw_calloc(plain->ctx->mem, plain->n_fields, sizeof *plain->types);
    if (!plain->seen || !plain->types) return mw_fail_nomem(err, "reading a table");
    status = mw_layout_check_names(plain->ctx->mem, plain->header, plain->n_fields, err);
    if (status == MW_OK) status = find_time(plain, time_column, err);
    return status == MW_OK ? MW_OK : mw_err_prefix(err, "%s", mw_source_name(path));
}

mw_status mw_ingest_plain(const mw_ctx *ctx, const char *path, const char *time_column,
                          mw_table **ret, int64_t *ret_unreadable, mw_err *err) {
    reading plain = {.ctx = ctx, .time_field = -1};
    mw_table *table = NULL;
    mw_status status = begin(&plain, path, time_column, err);
    if (status == MW_OK) status = pass(&plain, path, PROBED_ROWS, err);
    if (status == MW_OK) status = pass(&plain, path, 0, err);
    if (status == MW_OK && plain.contradicted) status = pass(&plain, path, 0, err);
    if (status == MW_OK && plain.contradicted)
        status =
            mw_fail(err, MW_EDATA, "%s: the file changed while it was read", mw_source_name(path));
    if (status == MW_OK && mw_builder_rows(plain.builder) == 0) {
        mw_fail(err, MW_EDATA, "%s: has a header but no rows", mw_source_name(path));
        status = mw_err_hint(err, "A CSV file has a header line and data lines.");
    }
    if (status == MW_OK) status = mw_builder_finish(plain.builder, &table, err);
    if (status == MW_OK) {
        *ret = table;
        if (ret_unreadable) *ret_unreadable = plain.n_unreadable;
    }
    mw_builder_free(plain.builder);
    mw_rows_close(plain.rows);
    mw_free(plain.seen);
    mw_free(plain.types);
    return status;
}
