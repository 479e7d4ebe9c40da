/*
 * csv_rows.c -- see csv_rows.h. What a file is, is judged on its first chunk: known magic bytes first (the
 * message can then name the format), NUL bytes, then UTF-8 of the header.
 */
#include "keep/ingest/csv_rows.h"

#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/rejects.h"

struct mw_rows {
    const mw_ctx *ctx;
    const char *name;
    mw_source *source;
    mw_csv *csv;
    mw_arena arena; /* of the header */
    mw_str *header; /* [n_fields] */
    mw_str header_line;
    uint32_t n_fields;
    bool ended;      /* the lexer has been told */
    bool open_ended; /* the last byte is no line end */
};

static const struct format {
    const char *magic;
    size_t size;
    const char *name;
    const char *hint;
} formats[] = {
    {"PK\3\4", 4, "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV."},
    {"BZh", 3, "compressed with bzip2", "Unpack it with `bunzip2`, or use gzip or zstd."},
    {"\xfd"
     "7zXZ",
     5, "compressed with xz", "Unpack it with `unxz`, or use gzip or zstd."},
    {"PAR1", 4, "a Parquet file", "Export it as CSV."},
    {"ARROW1", 6, "an Arrow file", "Export it as CSV."},
    {"\xff\xfe", 2, "UTF-16 text", "Convert it with `iconv -f UTF-16 -t UTF-8`."},
    {"\xfe\xff", 2, "UTF-16 text", "Convert it with `iconv -f UTF-16 -t UTF-8`."},
};

static mw_status check_text(const char *data, size_t size, mw_err *err) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *format = &formats[i];
        if (size < format->size || memcmp(data, format->magic, format->size) != 0) continue;
        mw_fail(err, MW_EDATA, "is not CSV text but %s", format->name);
        return mw_err_hint(err, "%s", format->hint);
    }
    enum { SNIFFED_BYTES = 65536 };
    if (size > SNIFFED_BYTES) size = SNIFFED_BYTES;
    if (!memchr(data, '\0', size)) return MW_OK;
    mw_fail(err, MW_EDATA, "is not CSV text: it holds binary data");
    return mw_err_hint(err, "Give a comma-separated text file, plain, gzip or zstd.");
}

/* Adds the next chunk to the lexer, or tells it that there is none. */
static mw_status push(mw_rows *rows, bool first, mw_err *err) {
    const char *data;
    size_t size;
    mw_status status = mw_source_read(rows->source, &data, &size, err);
    if (status != MW_OK) return status;
    if (size == 0) {
        rows->ended = true;
        mw_csv_finish(rows->csv);
        return MW_OK;
    }
    rows->open_ended = data[size - 1] != '\n' && data[size - 1] != '\r';
    if (first) status = check_text(data, size, err);
    if (status == MW_OK) status = mw_csv_push(rows->csv, data, size, err);
    return status == MW_OK ? MW_OK : mw_err_prefix(err, "%s", rows->name);
}

static mw_status next(mw_rows *rows, mw_csv_row *ret, bool *ret_has, bool first, mw_err *err) {
    for (;;) {
        *ret_has = mw_csv_row_next(rows->csv, ret);
        if (*ret_has || rows->ended) return MW_OK;
        mw_status status = push(rows, first, err);
        if (status != MW_OK) return status;
        first = false;
    }
}

mw_status mw_rows_next(mw_rows *rows, mw_csv_row *ret, bool *ret_has, mw_err *err) {
    return next(rows, ret, ret_has, false, err);
}

static mw_status copy_header(mw_rows *rows, const mw_csv_row *row, mw_err *err) {
    rows->header = mw_arena_alloc(&rows->arena, row->n_fields * sizeof *rows->header);
    if (!rows->header) return mw_fail_nomem(err, "reading a header");
    for (uint32_t i = 0; i < row->n_fields; i++) {
        mw_str name = mw_str_trim(row->fields[i]);
        char *copy = name.size ? mw_arena_strndup(&rows->arena, name.data, name.size)
                               : mw_arena_printf(&rows->arena, "column_%u", i + 1);
        if (!copy) return mw_fail_nomem(err, "reading a header");
        rows->header[i] = mw_str_of(copy);
    }
    rows->n_fields = row->n_fields;
    char *line = mw_arena_strndup(&rows->arena, row->raw.data, row->raw.size);
    if (!line) return mw_fail_nomem(err, "reading a header");
    rows->header_line = (mw_str){line, row->raw.size};
    return MW_OK;
}

static mw_status check_header(const mw_csv_row *row, mw_err *err) {
    if (row->problem) {
        mw_fail(err, MW_EDATA, "the header (line %llu) cannot be read: %s",
                (unsigned long long)row->line, row->problem);
        return mw_err_hint(err, "The first line must name the columns, separated by commas.");
    }
    if (row->raw.size && memchr(row->raw.data, '\r', row->raw.size)) {
        mw_fail(err, MW_EDATA, "lines end in a carriage return alone, as on old Macs");
        return mw_err_hint(err, "Convert the file: `tr '\\r' '\\n'`.");
    }
    if (row->n_fields > (uint32_t)MW_LIMIT(CSV_COLUMNS)) {
        mw_fail(err, MW_ETOOLARGE, "the header names %u columns; the limit is %lld", row->n_fields,
                (long long)MW_LIMIT(CSV_COLUMNS));
        return mw_err_hint(err, "Split the file by columns.");
    }
    if (!mw_utf8_valid(row->raw.data, row->raw.size)) {
        mw_fail(err, MW_EDATA, "the header is not UTF-8 text");
        return mw_err_hint(err, "Convert the file: `iconv -f WINDOWS-1252 -t UTF-8`.");
    }
    return MW_OK;
}

static mw_status read_header(mw_rows *rows, mw_err *err) {
    mw_csv_row row;
    bool has;
    mw_status status = next(rows, &row, &has, true, err);
    if (status != MW_OK) return status;
    if (!has) {
        mw_fail(err, MW_EDATA, "%s: is empty", rows->name);
        return mw_err_hint(err, "A CSV file has a header line and data lines.");
    }
    status = check_header(&row, err);
    if (status == MW_OK) status = copy_header(rows, &row, err);
    return status == MW_OK ? MW_OK : mw_err_prefix(err, "%s", rows->name);
}

/* A rejects file that was corrected is read without its notes. */
static mw_status leave_out_notes(mw_rows *rows, mw_err *err) {
    const char *sample;
    size_t size;
    bool whole;
    mw_rejects_head head = {0};
    mw_status status = mw_source_peek(rows->source, &sample, &size, &whole, err);
    if (status != MW_OK) return status;
    status = mw_rejects_recognize(rows->ctx->mem, sample, size, &head, err);
    if (status != MW_OK) return mw_err_prefix(err, "%s", rows->name);
    if (head.found) mw_source_set_notes(rows->source, '"', 0);
    mw_free(head.profile);
    return MW_OK;
}

mw_status mw_rows_open(const mw_ctx *ctx, const char *path, mw_rows **ret, mw_err *err) {
    mw_rows *rows = mw_calloc(ctx->mem, 1, sizeof *rows);
    if (!rows) return mw_fail_nomem(err, "reading a file");
    rows->ctx = ctx;
    rows->name = mw_source_name(path);
    mw_arena_init(&rows->arena, ctx->mem);
    mw_status status = mw_source_open(ctx, path, &rows->source, err);
    if (status == MW_OK) status = leave_out_notes(rows, err);
    if (status == MW_OK) status = mw_csv_new(ctx->mem, &mw_dialect_csv, &rows->csv, err);
    if (status == MW_OK) status = read_header(rows, err);
    if (status != MW_OK) {
        mw_rows_close(rows);
        return status;
    }
    *ret = rows;
    return MW_OK;
}

void *mw_rows_close(mw_rows *rows) {
    if (!rows) return NULL;
    mw_source_close(rows->source);
    mw_csv_free(rows->csv);
    mw_arena_done(&rows->arena);
    return mw_free(rows);
}

const mw_str *mw_rows_header(const mw_rows *rows, uint32_t *ret_n) {
    *ret_n = rows->n_fields;
    return rows->header;
}

const char *mw_rows_problem(const mw_rows *rows, const mw_csv_row *row, uint32_t *ret_field,
                            char scratch[MW_ROWS_REASON]) {
    if (row->problem) {
        *ret_field = row->problem_column > 0 ? row->problem_column - 1 : 0;
        return row->problem;
    }
    if (row->n_fields != rows->n_fields) {
        *ret_field = row->n_fields < rows->n_fields ? row->n_fields : rows->n_fields;
        snprintf(scratch, MW_ROWS_REASON, "%u fields where the header has %u", row->n_fields,
                 rows->n_fields);
        return scratch;
    }
    if (mw_utf8_valid(row->raw.data, row->raw.size)) return NULL;
    *ret_field = 0;
    for (uint32_t i = 0; i < row->n_fields; i++)
        if (!mw_utf8_valid(row->fields[i].data, row->fields[i].size)) {
            *ret_field = i;
            break;
        }
    return "not UTF-8 text";
}

mw_str mw_rows_header_line(const mw_rows *rows) { return rows->header_line; }

bool mw_rows_open_ended(const mw_rows *rows) { return rows->open_ended; }

mw_status mw_rows_fail_cut(const mw_rows *rows, uint64_t line, mw_err *err) {
    mw_fail(err, MW_EDATA, "%s: the file is cut: it ends inside the row at line %llu", rows->name,
            (unsigned long long)line);
    return mw_err_hint(err, "Copy the file again, or remove its last line.");
}

const mw_source *mw_rows_source(const mw_rows *rows) { return rows->source; }

void mw_rows_hash(mw_rows *rows, char hex[MW_SHA256_HEX]) { mw_source_hash(rows->source, hex); }
