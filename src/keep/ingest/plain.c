/*
 * plain.c -- a CSV file as a table of its own, for `train FILE.csv` and `predict`. Types are
 * decided by all the data: columns are built as the first rows suggest while every cell is also
 * classified; when a later row contradicts (text in a column of numbers), the file is read once
 * more with the final types. Almost every file is read once.
 */
#include "keep/ingest/ingest.h"

#include <stdio.h>
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
    bool any_fixed;
    bool time_refused; /* a value of a time column by name is no time: it is text or numbers */
    bool contradicted;
    uint8_t *fixed; /* [n_fields] 1: the caller knows the type, as types says */
    int64_t *bad;   /* [n_bad] rows that cannot be read */
    int64_t n_bad, bad_capacity;
    char first_bad[sizeof((mw_plain_bad *)0)->first];
    mw_builder *builder; /* column i is field i */
} reading;

static mw_type type_of(const reading *plain, uint32_t field) {
    if (plain->fixed[field]) return plain->types[field];
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
        if (cell != MW_CELL_INFINITE) mw_builder_set_number(plain->builder, column, at, value);
        return MW_OK;
    case MW_BOOL: mw_builder_set_bool(plain->builder, column, at, value > 0); return MW_OK;
    default: return mw_builder_set_text(plain->builder, column, at, text, err);
    }
}

static bool fits(mw_type type, mw_cell cell, double value) {
    if (type == MW_DICTIONARY || cell == MW_CELL_MISSING || cell == MW_CELL_BOOL) return true;
    if (type == MW_FLOAT64) return cell != MW_CELL_TEXT;
    return cell == MW_CELL_NUMBER && (value == 0.0 || value == 1.0);
}

/* Why the row cannot be read, or NULL. out [MW_ROWS_REASON]. */
static const char *find_problem(const reading *plain, const mw_csv_row *row,
                                char out[MW_ROWS_REASON]) {
    uint32_t wrong;
    const char *problem = mw_rows_problem(plain->rows, row, &wrong, out);
    if (problem || !plain->any_fixed) return problem;
    for (uint32_t i = 0; i < plain->n_fields; i++) {
        double value = 0;
        if (!plain->fixed[i] || plain->types[i] == MW_DICTIONARY) continue;
        mw_cell cell = mw_cell_read(row->fields[i], &value);
        if (fits(plain->types[i], cell, value)) continue;
        char column[MW_CELL_SHOWN], shown[MW_CELL_SHOWN];
        (void)snprintf(out, MW_ROWS_REASON, "%.30s: not a %s: \"%.30s\"",
                       mw_cell_show(plain->header[i], column),
                       plain->types[i] == MW_BOOL ? "truth value" : "number",
                       mw_cell_show(row->fields[i], shown));
        return out;
    }
    return NULL;
}

static mw_status note_bad(reading *plain, int64_t at, uint64_t line, const char *problem,
                          mw_err *err) {
    if (plain->n_bad == 0)
        (void)snprintf(plain->first_bad, sizeof plain->first_bad, "line %llu: %s",
                       (unsigned long long)line, problem);
    if (plain->n_bad == plain->bad_capacity) {
        int64_t capacity = plain->bad_capacity ? 2 * plain->bad_capacity : 64;
        void *more = mw_realloc(plain->ctx->mem, plain->bad, (size_t)capacity * sizeof *plain->bad);
        if (!more) return mw_fail_nomem(err, "reading a table");
        plain->bad = more;
        plain->bad_capacity = capacity;
    }
    plain->bad[plain->n_bad++] = at;
    return MW_OK;
}

/* Looks at a row; with a builder also stores it. */
static mw_status take_row(reading *plain, const mw_csv_row *row, mw_err *err) {
    char scratch[MW_ROWS_REASON];
    int64_t at = 0;
    mw_status status = plain->builder ? mw_builder_row(plain->builder, &at, err) : MW_OK;
    if (status != MW_OK) return status;
    const char *problem = find_problem(plain, row, scratch);
    if (problem) return note_bad(plain, at, row->line, problem, err);
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
    plain->n_bad = 0;
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

static mw_status fix_types(reading *plain, const mw_plain_column *as, size_t n_as, mw_err *err) {
    if (!as || n_as == 0) return MW_OK;
    mw_dictionary *names;
    mw_status status = mw_dictionary_new(plain->ctx->mem, &names, err);
    if (status != MW_OK) return status;
    int32_t code;
    for (size_t k = 0; k < n_as && status == MW_OK; k++)
        status = mw_dictionary_add(names, mw_str_of(as[k].name), &code, err);
    for (uint32_t i = 0; i < plain->n_fields && status == MW_OK; i++) {
        code = mw_dictionary_find(names, plain->header[i]);
        if (code < 0) continue;
        plain->fixed[i] = 1;
        plain->types[i] = as[code].type;
        plain->any_fixed = true;
        if ((int32_t)i == plain->time_field) plain->time_field = -1;
    }
    mw_dictionary_free(names);
    return status;
}

static mw_status begin(reading *plain, const char *path, const char *time_column,
                       const mw_plain_column *as, size_t n_as, mw_err *err) {
    mw_status status = mw_rows_open(plain->ctx, path, &plain->rows, err);
    if (status != MW_OK) return status;
    plain->header = mw_rows_header(plain->rows, &plain->n_fields);
    plain->seen = mw_calloc(plain->ctx->mem, plain->n_fields, sizeof *plain->seen);
    plain->types = mw_calloc(plain->ctx->mem, plain->n_fields, sizeof *plain->types);
    plain->fixed = mw_calloc(plain->ctx->mem, plain->n_fields, sizeof *plain->fixed);
    if (!plain->seen || !plain->types || !plain->fixed)
        return mw_fail_nomem(err, "reading a table");
    status = mw_layout_check_names(plain->ctx->mem, plain->header, plain->n_fields, err);
    if (status == MW_OK) status = find_time(plain, time_column, err);
    if (status == MW_OK) status = fix_types(plain, as, n_as, err);
    return status == MW_OK ? MW_OK : mw_err_prefix(err, "%s", mw_source_name(path));
}

static mw_status mark_bad(const reading *plain, int64_t n_rows, mw_plain_bad *bad, mw_err *err) {
    *bad = (mw_plain_bad){.n = plain->n_bad};
    if (plain->n_bad == 0) return MW_OK;
    memcpy(bad->first, plain->first_bad, sizeof bad->first);
    bad->marks = mw_calloc(plain->ctx->mem, (size_t)n_rows, 1);
    if (!bad->marks) return mw_fail_nomem(err, "reading a table");
    for (int64_t i = 0; i < plain->n_bad; i++) bad->marks[plain->bad[i]] = 1;
    return MW_OK;
}

mw_status mw_ingest_plain_as(const mw_ctx *ctx, const char *path, const char *time_column,
                             const mw_plain_column *as, size_t n_as, mw_table **ret,
                             mw_plain_bad *ret_bad, mw_err *err) {
    reading plain = {.ctx = ctx, .time_field = -1};
    mw_table *table = NULL;
    mw_plain_bad bad = {0};
    mw_status status = begin(&plain, path, time_column, as, n_as, err);
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
    if (status == MW_OK) status = mark_bad(&plain, mw_builder_rows(plain.builder), &bad, err);
    if (status == MW_OK) status = mw_builder_finish(plain.builder, &table, err);
    if (status == MW_OK) {
        *ret = table;
        *ret_bad = bad;
    } else {
        mw_free(bad.marks);
    }
    mw_builder_free(plain.builder);
    mw_rows_close(plain.rows);
    mw_free(plain.seen);
    mw_free(plain.types);
    mw_free(plain.fixed);
    mw_free(plain.bad);
    return status;
}

mw_status mw_ingest_plain(const mw_ctx *ctx, const char *path, const char *time_column,
                          mw_table **ret, int64_t *ret_unreadable, mw_err *err) {
    mw_plain_bad bad;
    mw_status status = mw_ingest_plain_as(ctx, path, time_column, NULL, 0, ret, &bad, err);
    if (status != MW_OK) return status;
    if (ret_unreadable) *ret_unreadable = bad.n;
    mw_free(bad.marks);
    return MW_OK;
}
