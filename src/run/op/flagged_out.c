/* flagged_out.c -- see flagged_out.h. */
#include "run/op/flagged_out.h"

#include <string.h>

#include "core/table/ipc.h"
#include "core/text/csv.h"
#include "core/text/datetime.h"
#include "run/op/output_file.h"

enum { AT_ONCE = 1 << 16, TEXT_BYTES = 1 << 26 };

struct mw_flagged_out {
    const mw_ctx *ctx;
    const mw_program *program;
    mw_file *file;
    bool is_arrow;
};

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

mw_status mw_flagged_out_new(const mw_ctx *ctx, const char *path, const mw_program *program,
                             mw_flagged_out **ret, mw_err *err) {
    const bool is_arrow = ends_with(path, ".arrow") || ends_with(path, ".feather");
    if (!is_arrow && !ends_with(path, ".csv")) {
        mw_fail(err, MW_EINVAL, "%s: flagged stretches are written as CSV or Arrow", path);
        mw_err_hint(err, "name a file that ends with .csv or .arrow");
        return mw_err_at(err, "quality");
    }
    mw_flagged_out *out = mw_calloc(ctx->mem, 1, sizeof *out);
    if (!out) return mw_fail_nomem(err, "flagged stretches");
    *out = (mw_flagged_out){.ctx = ctx, .program = program, .is_arrow = is_arrow};
    mw_status status = mw_op__create_output(ctx, path, &out->file, err);
    if (status)
        mw_flagged_out_free(out);
    else
        *ret = out;
    return status;
}

static void print_line(const mw_table *table, int64_t row, mw_buf *text) {
    char time[MW_TIME_TEXT_MAX];
    for (int32_t c = 0; c < table->n_columns; c++) {
        const mw_column *column = &table->columns[c];
        if (c > 0) mw_buf_add_char(text, ',');
        switch (column->type) {
        case MW_TIMESTAMP:
            mw_time_print(column->time[row], time);
            mw_buf_add(text, time);
            break;
        case MW_FLOAT64: mw_buf_printf(text, "%d", (int)column->number[row]); break;
        default: mw_csv_write_field(text, mw_column_text(column, row));
        }
    }
    mw_buf_add_char(text, '\n');
}

static mw_status write_csv(const mw_flagged_out *out, const mw_table *table, mw_err *err) {
    mw_buf text;
    mw_buf_init(&text, out->ctx->mem, TEXT_BYTES);
    for (int32_t c = 0; c < table->n_columns; c++)
        mw_buf_printf(&text, "%s%s", c ? "," : "", table->columns[c].name);
    mw_buf_add_char(&text, '\n');
    mw_status status = MW_OK;
    for (int64_t row = 0; row <= table->n_rows && !status; row++) {
        if (row < table->n_rows) print_line(table, row, &text);
        if (row < table->n_rows && text.size < AT_ONCE) continue;
        status = mw_buf_status(&text, "flagged stretches", err);
        if (!status) status = mw_file_write(out->file, mw_buf_text(&text), text.size, err);
        mw_buf_clear(&text);
    }
    mw_buf_done(&text);
    return status;
}

mw_status mw_flagged_out_write(mw_flagged_out *out, const mw_dictionary *devices,
                               mw_flagged_list *stretches, mw_err *err) {
    const mw_meta meta[] = {{"millwright.program", out->program->hash}};
    mw_table *table = NULL;
    mw_status status =
        mw_flagged_table(out->ctx->mem, out->program, devices, stretches, &table, err);
    if (!status)
        status = out->is_arrow ? mw_ipc_write(out->ctx, table, meta, 1, out->file, err)
                               : write_csv(out, table, err);
    mw_table_free(table);
    return status;
}

mw_status mw_flagged_out_commit(mw_flagged_out *out, mw_err *err) {
    mw_status status = mw_file_commit(out->file, err);
    out->file = NULL;
    return status;
}

void *mw_flagged_out_free(mw_flagged_out *out) {
    if (!out) return NULL;
    mw_file_abort(out->file);
    return mw_free(out);
}
