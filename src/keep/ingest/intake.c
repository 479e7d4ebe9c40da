/* intake.c -- what the long and the wide form share: time, labels, refusals. */
#include "keep/ingest/intake.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/cells.h"

void mw_intake__refuse(mw_refusal *refusal, uint32_t field, const char *why, const mw_str *shown) {
    char text[MW_CELL_SHOWN];
    refusal->refused = true;
    refusal->field = field;
    if (shown)
        snprintf(refusal->reason, sizeof refusal->reason, "%s: \"%s\"", why,
                 mw_cell_show(*shown, text));
    else
        snprintf(refusal->reason, sizeof refusal->reason, "%s", why);
}

static bool is_last(const mw_intake_last *last, mw_str text) {
    return last->size == text.size &&
           (text.size == 0 || memcmp(last->text, text.data, text.size) == 0);
}

static void remember(mw_intake_last *last, mw_str text, int64_t value) {
    if (text.size > MW_INTAKE_CACHED_BYTES) return;
    if (text.size) memcpy(last->text, text.data, text.size);
    last->size = text.size;
    last->value = value;
}

static mw_str field(const mw_csv_row *row, int32_t index) {
    return index >= 0 ? row->fields[index] : (mw_str){0};
}

static void refuse_time(const mw_intake *intake, const mw_csv_row *row, int wrong,
                        mw_refusal *refusal) {
    const mw_layout *layout = &intake->layout;
    int32_t at = wrong == 0 ? layout->stamp : wrong == 1 ? layout->date : layout->clock;
    if (at < 0) at = layout->stamp >= 0 ? layout->stamp : layout->date;
    mw_str text = row->fields[at];
    if (mw_cell_is_missing(mw_str_trim(text)))
        mw_intake__refuse(refusal, (uint32_t)at, "no time", NULL);
    else
        mw_intake__refuse(refusal, (uint32_t)at,
                          wrong == 2 ? "not a time of day" : "not a time stamp", &text);
}

bool mw_intake__time(mw_intake *intake, const mw_csv_row *row, int64_t *ret_us,
                     mw_refusal *refusal) {
    const mw_layout *layout = &intake->layout;
    mw_str stamp = field(row, layout->stamp);
    if (stamp.size > 0 && is_last(&intake->last_time, stamp)) {
        *ret_us = intake->last_time.value;
        return true;
    }
    int wrong;
    mw_str date = field(row, layout->date);
    if (!mw_cell_time(stamp, date, field(row, layout->clock), ret_us, &wrong)) {
        refuse_time(intake, row, wrong, refusal);
        return false;
    }
    if (!mw_cell_is_missing(mw_str_trim(stamp))) remember(&intake->last_time, stamp, *ret_us);
    return true;
}

bool mw_intake__check_labels(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal) {
    for (int i = 0; i < MW_LABEL_N; i++) {
        mw_str text = field(row, intake->layout.label[i]);
        if (text.size <= (size_t)MW_LIMIT(STRING_BYTES)) continue;
        mw_intake__refuse(refusal, (uint32_t)intake->layout.label[i], "longer than 4096 bytes",
                          &text);
        return false;
    }
    return true;
}

mw_status mw_intake__labels(mw_intake *intake, const mw_csv_row *row, int32_t codes[MW_LABEL_N],
                            mw_err *err) {
    for (int i = 0; i < MW_LABEL_N; i++) {
        codes[i] = -1;
        if (intake->label_columns[i] < 0) continue;
        mw_intake_last *last = &intake->last_label[i];
        mw_str text = mw_str_trim(field(row, intake->layout.label[i]));
        if (is_last(last, text)) {
            codes[i] = (int32_t)last->value;
            continue;
        }
        if (!mw_cell_is_missing(text)) {
            mw_status status =
                mw_builder_code(intake->builder, intake->label_columns[i], text, &codes[i], err);
            if (status != MW_OK) return status;
        }
        remember(last, text, codes[i]);
    }
    return MW_OK;
}
