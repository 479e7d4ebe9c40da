/*
 * intake_long.c -- one line of a long file is one reading. The parameter's column is guessed to be
 * the one after the last line's, since files mostly repeat the same sequence; else it is looked up
 * by hash.
 */
#include "keep/ingest/intake.h"

#include "core/base/limits.h"
#include "core/base/math.h"
#include "keep/ingest/cells.h"

static bool check_parameter(mw_str name, uint32_t field, mw_refusal *refusal) {
    const char *why = NULL;
    if (name.size == 0)
        why = "no parameter name";
    else if (name.size > (size_t)MW_LIMIT(COLUMN_NAME_BYTES))
        why = "a parameter name longer than 256 bytes";
    else if (mw_layout_reserved(name))
        why = "a parameter with the reserved name";
    if (why) mw_intake__refuse(refusal, field, why, name.size ? &name : NULL);
    return !why;
}

static bool check_value(mw_str text, uint32_t field, double *ret, mw_refusal *refusal) {
    switch (mw_cell_read(text, ret)) {
    case MW_CELL_NUMBER:
    case MW_CELL_BOOL: return true;
    case MW_CELL_MISSING: *ret = MW_NAN; return true;
    case MW_CELL_INFINITE: mw_intake__refuse(refusal, field, "not finite", &text); return false;
    case MW_CELL_TEXT: break;
    }
    mw_intake__refuse(refusal, field, "not a number", &text);
    return false;
}

static bool is_column(const mw_intake *intake, int32_t column, mw_str name) {
    return mw_str_eq(mw_builder_name(intake->builder, column), name);
}

/* The column of a known parameter, or -1. */
static int32_t guess_column(const mw_intake *intake, mw_str name) {
    int32_t n = mw_builder_columns(intake->builder);
    if (n == intake->first_parameter) return -1;
    int32_t following = intake->last_parameter + 1;
    if (following >= n) following = intake->first_parameter;
    if (is_column(intake, following, name)) return following;
    if (is_column(intake, intake->last_parameter, name)) return intake->last_parameter;
    return mw_builder_find(intake->builder, name);
}

static mw_status parameter_column(mw_intake *intake, mw_str name, int32_t *ret, mw_err *err) {
    *ret = guess_column(intake, name);
    if (*ret < 0) {
        if (mw_builder_columns(intake->builder) - intake->first_parameter >=
            (int32_t)MW_LIMIT(PARAMETERS)) {
            mw_fail(err, MW_ETOOLARGE, "there are more than %lld parameters",
                    (long long)MW_LIMIT(PARAMETERS));
            return mw_err_hint(err, "Is the `parameter` column the right one?");
        }
        mw_status status = mw_builder_column(intake->builder, name, MW_FLOAT64, ret, err);
        if (status != MW_OK) return status;
    }
    intake->last_parameter = *ret;
    return MW_OK;
}

mw_status mw_intake__long_row(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal,
                              mw_err *err) {
    const mw_layout *layout = &intake->layout;
    mw_pivot_key key = {0};
    double value;
    mw_str name = mw_str_trim(row->fields[layout->parameter]);
    if (!mw_intake__time(intake, row, &key.time_us, refusal) ||
        !check_parameter(name, (uint32_t)layout->parameter, refusal) ||
        !check_value(row->fields[layout->value], (uint32_t)layout->value, &value, refusal) ||
        !mw_intake__check_labels(intake, row, refusal))
        return MW_OK;

    int32_t column;
    int64_t at;
    mw_status status = mw_intake__labels(intake, row, key.codes, err);
    if (status == MW_OK) status = parameter_column(intake, name, &column, err);
    if (status == MW_OK) status = mw_pivot_row(&intake->pivot, &key, &at, err);
    if (status != MW_OK || mw_isnan(value)) return status;
    if (mw_builder_has(intake->builder, column, at)) intake->n_collisions++;
    mw_builder_set_number(intake->builder, column, at, value);
    return MW_OK;
}
