/*
 * fuzz_csv.c -- any bytes as CSV: pushed whole and in pieces, the rows are the same; lines ascend; and
 * a good row written again is read as the same fields.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_row(mw_buf *out, const mw_csv_row *row) {
    mw_buf_printf(out, "%llu %u %s:", (unsigned long long)row->line, row->n_fields,
                  row->problem ? row->problem : "");
    mw_buf_add_str(out, row->raw);
    for (uint32_t i = 0; i < row->n_fields; i++) {
        mw_buf_printf(out, "|%zu:", row->fields[i].size);
        mw_buf_add_str(out, row->fields[i]);
    }
    mw_buf_add_char(out, '\n');
}

/* Writes a row, reads it back and compares; a row of one empty field is a blank line. */
static void check_written(const mw_csv_row *row) {
    if (row->n_fields == 1 && row->fields[0].size == 0) return;
    mw_buf text;
    mw_buf_init(&text, NULL, SIZE_MAX / 4);
    for (uint32_t i = 0; i < row->n_fields; i++) {
        if (i) mw_buf_add_char(&text, ',');
        mw_csv_write_field(&text, row->fields[i]);
    }
    mw_buf_add_char(&text, '\n');
    mw_csv *csv = NULL;
    mw_csv_row again;
    if (mw_csv_new(NULL, &mw_dialect_csv, &csv, NULL) || mw_csv_push(csv, "\n", 1, NULL) ||
        mw_csv_push(csv, text.data, text.size, NULL))
        abort();
    if (!mw_csv_row_next(csv, &again) || again.problem || again.n_fields != row->n_fields) abort();
    for (uint32_t i = 0; i < row->n_fields; i++)
        if (!mw_str_eq(again.fields[i], row->fields[i])) abort();
    mw_csv_free(csv);
    mw_buf_done(&text);
}

static void lex(const char *data, size_t size, size_t piece, mw_buf *out) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    uint64_t last = 0;
    if (mw_csv_new(NULL, &mw_dialect_csv, &csv, NULL)) abort();
    for (size_t at = 0, n; at <= size; at += n) {
        n = size - at < piece ? size - at : piece;
        if (n == 0) mw_csv_finish(csv);
        if (mw_csv_push(csv, data + at, n, NULL)) abort();
        while (mw_csv_row_next(csv, &row)) {
            if (row.line <= last) abort();
            last = row.line;
            add_row(out, &row);
            if (!row.problem && piece >= size) check_written(&row);
        }
        if (n == 0) break;
    }
    mw_csv_free(csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t pieces[] = {1, 3, 64, 67};
    mw_buf whole, cut;
    mw_buf_init(&whole, NULL, SIZE_MAX / 4);
    mw_buf_init(&cut, NULL, SIZE_MAX / 4);
    const char *text = size ? (const char *)data : "";
    lex(text, size, size + 1, &whole);
    lex(text, size, pieces[size % 4], &cut);
    if (!mw_str_eq(mw_buf_str(&whole), mw_buf_str(&cut))) abort();
    mw_buf_done(&whole);
    mw_buf_done(&cut);
    return 0;
}
