/* live_rows_csv.c -- CSV as RFC 4180 has it, with a header, to rows. */
#include <string.h>

#include "core/base/limits.h"
#include "core/text/csv.h"
#include "run/live/live_rows_parts.h"

typedef struct header {
    int32_t *codes; /* [n] columns of fields, -1: ignored */
    uint32_t n;
} header;

static mw_status read_header(const mw_live_rows *rows, const mw_csv_row *row, header *ret,
                             mw_err *err) {
    const mw_live_columns *c = rows->columns;
    bool has_time = false;
    if (row->problem) return mw_fail(err, MW_EDATA, "the header cannot be read: %s", row->problem);
    ret->codes = mw_alloc_array(rows->mem, (size_t)row->n_fields + 1, sizeof *ret->codes);
    if (!ret->codes) return mw_fail_nomem(err, "the rows of a request");
    ret->n = row->n_fields;
    for (uint32_t i = 0; i < ret->n; i++) {
        ret->codes[i] = mw_dictionary_find(c->names, mw_str_trim(row->fields[i]));
        has_time |= ret->codes[i] >= c->first_time && ret->codes[i] < c->first_device;
    }
    if (has_time) return MW_OK;
    const mw_str name = mw_dictionary_text(c->names, c->first_time);
    mw_fail(err, MW_EDATA, "the header has no column %.*s", name.size > 200 ? 200 : (int)name.size,
            name.data);
    return mw_err_hint(err, "the first line names the columns, commas part them");
}

static mw_status read_row(mw_live_rows *rows, const header *h, const mw_csv_row *row, mw_err *err) {
    mw_status status = mw_live__begin_row(rows, err);
    if (status) return status;
    if (row->problem)
        mw_live__bad(rows, "%s", row->problem);
    else if (row->n_fields != h->n)
        mw_live__bad(rows, "%u fields where the header has %u", row->n_fields, h->n);
    for (uint32_t i = 0; i < h->n && !rows->is_bad; i++)
        if (h->codes[i] >= 0) mw_live__text(rows, h->codes[i], row->fields[i]);
    return mw_live__end_row(rows, err);
}

mw_status mw_live__read_csv(mw_live_rows *rows, mw_str body, mw_err *err) {
    mw_csv *csv = NULL;
    header h = {0};
    mw_csv_row row;
    mw_status status = mw_csv_new(rows->mem, &mw_dialect_csv, &csv, err);
    if (!status) status = mw_csv_push(csv, body.data, body.size, err);
    if (status) {
        mw_csv_free(csv);
        return status;
    }
    mw_csv_finish(csv);
    status = mw_csv_row_next(csv, &row) ? read_header(rows, &row, &h, err)
                                        : mw_fail(err, MW_EDATA, "the body has no header");
    while (!status && mw_csv_row_next(csv, &row)) status = read_row(rows, &h, &row, err);
    mw_free(h.codes);
    mw_csv_free(csv);
    return status;
}
