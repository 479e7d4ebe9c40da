/*
 * intake_wide.c -- one line of a wide file is one row. Whether a column is a sensor or text is
 * decided before the first row is stored, by the majority of its values in the first rows, so that
 * one "Bad" or "No Data" at the start does not turn a sensor into text.
 */
#include "keep/ingest/intake.h"

#include "core/base/limits.h"
#include "core/base/math.h"
#include "keep/ingest/cells.h"

enum { PROBED_ROWS = 1000 };

static mw_status probe(mw_intake *intake, mw_rows *rows, int32_t *balance, mw_err *err) {
    const mw_layout *layout = &intake->layout;
    for (int i = 0; i < PROBED_ROWS; i++) {
        mw_csv_row row;
        bool has;
        uint32_t field;
        char scratch[MW_ROWS_REASON];
        mw_status status = mw_rows_next(rows, &row, &has, err);
        if (status != MW_OK || !has) return status;
        if (mw_rows_problem(rows, &row, &field, scratch)) continue;
        for (int32_t s = 0; s < layout->n_sensors; s++) {
            double value;
            mw_cell cell = mw_cell_read(row.fields[layout->sensors[s]], &value);
            if (cell == MW_CELL_MISSING) continue;
            /* A tie is a sensor: its text rows are then seen as rejects. */
            if (intake->kinds[s] == MW_KIND_UNDECIDED) intake->kinds[s] = MW_KIND_SENSOR;
            balance[s] += cell == MW_CELL_TEXT ? 1 : -1;
        }
    }
    return MW_OK;
}

static mw_status decide(mw_intake *intake, const char *path, mw_err *err) {
    int32_t n = intake->layout.n_sensors;
    mw_rows *rows = NULL;
    int32_t *balance = mw_calloc(intake->ctx->mem, (size_t)n, sizeof *balance); /* text - numbers */
    mw_status status = balance ? MW_OK : mw_fail_nomem(err, "reading a file");
    if (status == MW_OK) status = mw_rows_open(intake->ctx, path, &rows, err);
    if (status == MW_OK) status = probe(intake, rows, balance, err);
    for (int32_t s = 0; s < n && status == MW_OK; s++)
        if (balance[s] > 0) intake->kinds[s] = MW_KIND_TEXT;
    mw_rows_close(rows);
    mw_free(balance);
    return status;
}

static mw_status add_column(mw_intake *intake, int32_t sensor, mw_err *err) {
    mw_str name = intake->header[intake->layout.sensors[sensor]];
    mw_type type = intake->kinds[sensor] == MW_KIND_TEXT ? MW_DICTIONARY : MW_FLOAT64;
    return mw_builder_column(intake->builder, name, type, &intake->columns[sensor], err);
}

mw_status mw_intake__wide_begin(mw_intake *intake, const char *path, mw_err *err) {
    size_t n = (size_t)intake->layout.n_sensors;
    mw_mem *mem = intake->ctx->mem;
    intake->kinds = mw_calloc(mem, n, sizeof *intake->kinds);
    intake->columns = mw_alloc_array(mem, n, sizeof *intake->columns);
    intake->values = mw_alloc_array(mem, n, sizeof *intake->values);
    if (!intake->kinds || !intake->columns || !intake->values)
        return mw_fail_nomem(err, "reading a file");
    mw_status status = decide(intake, path, err);
    for (int32_t s = 0; s < (int32_t)n && status == MW_OK; s++) {
        intake->columns[s] = -1;
        if (intake->kinds[s] != MW_KIND_UNDECIDED) status = add_column(intake, s, err);
    }
    return status;
}

mw_status mw_intake__wide_end(mw_intake *intake, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t s = 0; s < intake->layout.n_sensors && status == MW_OK; s++)
        if (intake->columns[s] < 0) status = add_column(intake, s, err);
    return status;
}

static bool check_cells(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal) {
    for (int32_t s = 0; s < intake->layout.n_sensors; s++) {
        uint32_t field = (uint32_t)intake->layout.sensors[s];
        mw_str text = row->fields[field];
        intake->values[s] = MW_NAN;
        if (intake->kinds[s] == MW_KIND_TEXT) {
            if (text.size <= (size_t)MW_LIMIT(STRING_BYTES)) continue;
            mw_intake__refuse(refusal, field, "longer than 4096 bytes", &text);
            return false;
        }
        mw_cell cell = mw_cell_read(text, &intake->values[s]);
        if (cell == MW_CELL_TEXT && intake->kinds[s] == MW_KIND_UNDECIDED &&
            text.size <= (size_t)MW_LIMIT(STRING_BYTES))
            continue;
        if (cell != MW_CELL_TEXT && cell != MW_CELL_INFINITE) continue;
        mw_intake__refuse(refusal, field, cell == MW_CELL_TEXT ? "not a number" : "not finite",
                          &text);
        return false;
    }
    return true;
}

/* The row is good, so its values may decide. */
static mw_status decide_late(mw_intake *intake, int32_t sensor, mw_str text, mw_err *err) {
    double value;
    mw_cell cell = mw_cell_read(text, &value);
    if (cell == MW_CELL_MISSING) return MW_OK;
    intake->kinds[sensor] = cell == MW_CELL_TEXT ? MW_KIND_TEXT : MW_KIND_SENSOR;
    return add_column(intake, sensor, err);
}

static mw_status store_cell(mw_intake *intake, const mw_csv_row *row, int32_t sensor, int64_t at,
                            mw_err *err) {
    mw_str text = row->fields[intake->layout.sensors[sensor]];
    if (intake->kinds[sensor] == MW_KIND_UNDECIDED) {
        mw_status status = decide_late(intake, sensor, text, err);
        if (status != MW_OK) return status;
    }
    if (intake->kinds[sensor] == MW_KIND_SENSOR && !mw_isnan(intake->values[sensor]))
        mw_builder_set_number(intake->builder, intake->columns[sensor], at, intake->values[sensor]);
    if (intake->kinds[sensor] != MW_KIND_TEXT) return MW_OK;
    text = mw_str_trim(text);
    if (mw_cell_is_missing(text)) return MW_OK;
    return mw_builder_set_text(intake->builder, intake->columns[sensor], at, text, err);
}

mw_status mw_intake__wide_row(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal,
                              mw_err *err) {
    int64_t time_us, at;
    int32_t codes[MW_LABEL_N];
    if (!mw_intake__time(intake, row, &time_us, refusal) || !check_cells(intake, row, refusal) ||
        !mw_intake__check_labels(intake, row, refusal))
        return MW_OK;
    mw_status status = mw_intake__labels(intake, row, codes, err);
    if (status == MW_OK) status = mw_builder_row(intake->builder, &at, err);
    if (status != MW_OK) return status;
    mw_builder_set_time(intake->builder, 0, at, time_us);
    for (int i = 0; i < MW_LABEL_N; i++)
        if (codes[i] >= 0)
            mw_builder_set_code(intake->builder, intake->label_columns[i], at, codes[i]);
    for (int32_t s = 0; s < intake->layout.n_sensors && status == MW_OK; s++)
        status = store_cell(intake, row, s, at, err);
    return status;
}
