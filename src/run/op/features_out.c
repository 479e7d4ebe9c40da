/* features_out.c -- see features_out.h. Lines of text are made by all threads, a piece of the chunk each. */
#include "run/op/features_out.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "core/table/ipcstream.h"
#include "core/text/csv.h"
#include "core/text/number.h"
#include "run/op/output_file.h"

enum { PIECES = 16, TEXT_BYTES = 1 << 30 };

struct mw_features_out {
    const mw_ctx *ctx;
    const mw_program *program;
    mw_file *file;
    mw_schema *schema;
    mw_ipc_writer *arrow; /* NULL: CSV */
    mw_buf texts[PIECES];
    const mw_chunk *chunk; /* at hand */
};

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static mw_status begin_arrow(mw_features_out *out, mw_err *err) {
    const mw_program *p = out->program;
    const mw_meta meta[] = {{"millwright.program", p->hash}};
    int32_t column;
    mw_status status = mw_schema_new(out->ctx->mem, &out->schema, err);
    for (int32_t c = 0; c < p->n_outputs && !status; c++)
        status = mw_schema_add(out->schema, mw_str_of(p->names[c]), MW_FLOAT32, &column, err);
    if (status) return status;
    return mw_ipc_writer_new(out->ctx, out->schema, meta, 1, out->file, &out->arrow, err);
}

static mw_status begin_csv(mw_features_out *out, mw_err *err) {
    mw_buf *line = &out->texts[0];
    for (int32_t c = 0; c < out->program->n_outputs; c++) {
        if (c > 0) mw_buf_add_char(line, ',');
        mw_csv_write_field(line, mw_str_of(out->program->names[c]));
    }
    mw_buf_add_char(line, '\n');
    mw_status status = mw_buf_status(line, "the features", err);
    return status ? status : mw_file_write(out->file, mw_buf_text(line), line->size, err);
}

mw_status mw_features_out_new(const mw_ctx *ctx, const char *path, const mw_program *program,
                              mw_features_out **ret, mw_err *err) {
    const bool is_arrow = ends_with(path, ".arrow") || ends_with(path, ".feather");
    if (!is_arrow && !ends_with(path, ".csv")) {
        mw_fail(err, MW_EINVAL, "%s: features are written as CSV or Arrow", path);
        mw_err_hint(err, "name a file that ends with .csv or .arrow");
        return mw_err_at(err, "out");
    }
    mw_features_out *out = mw_calloc(ctx->mem, 1, sizeof *out);
    if (!out) return mw_fail_nomem(err, "the features");
    *out = (mw_features_out){.ctx = ctx, .program = program};
    for (int k = 0; k < PIECES; k++) mw_buf_init(&out->texts[k], ctx->mem, TEXT_BYTES);
    mw_status status = mw_op__create_output(ctx, path, &out->file, err);
    if (!status) status = is_arrow ? begin_arrow(out, err) : begin_csv(out, err);
    if (status)
        mw_features_out_free(out);
    else
        *ret = out;
    return status;
}

bool mw_features_out_is_serial(const mw_features_out *out) { return out->arrow != NULL; }

/* One line; there is room for the longest. Returns where it ends. */
static char *print_line(const mw_chunk *chunk, int64_t row, char *to) {
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        const float value = chunk->columns[c].single[row];
        if (c > 0) *to++ = ',';
        if (!mw_isnan((double)value)) to += mw_number_print_float(value, to);
    }
    if (chunk->n_columns == 1 && mw_isnan((double)chunk->columns[0].single[row])) {
        *to++ = '"'; /* no reader skips it */
        *to++ = '"';
    }
    *to++ = '\n';
    return to;
}

static mw_status write_pieces(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    mw_features_out *out = arg;
    const mw_chunk *chunk = out->chunk;
    const size_t line_bytes = (size_t)chunk->n_columns * (MW_NUMBER_MAX + 1) + 1;
    mw_status status = MW_OK;
    for (int64_t k = begin; k < end && !status; k++) {
        mw_buf *text = &out->texts[k];
        const int64_t to = chunk->n_rows * (k + 1) / PIECES;
        mw_buf_clear(text);
        for (int64_t i = chunk->n_rows * k / PIECES; i < to; i++) {
            char *line = mw_buf_reserve(text, line_bytes);
            if (!line) break;
            mw_buf_grew(text, (size_t)(print_line(chunk, i, line) - line));
        }
        status = mw_buf_status(text, "the features", err);
    }
    return status;
}

mw_status mw_features_out_add(mw_features_out *out, const mw_chunk *chunk, mw_err *err) {
    if (out->arrow) return mw_ipc_writer_add(out->arrow, chunk, err);
    out->chunk = chunk;
    mw_status status = mw_pool_for(out->ctx, PIECES, 1, write_pieces, out, err);
    for (int k = 0; k < PIECES && !status; k++)
        status = mw_file_write(out->file, mw_buf_text(&out->texts[k]), out->texts[k].size, err);
    return status;
}

mw_status mw_features_out_commit(mw_features_out *out, uint64_t *ret_bytes, mw_err *err) {
    mw_status status = out->arrow ? mw_ipc_writer_finish(out->arrow, err) : MW_OK;
    if (status) return status;
    *ret_bytes = mw_file_size(out->file);
    status = mw_file_commit(out->file, err);
    out->file = NULL;
    return status;
}

void *mw_features_out_free(mw_features_out *out) {
    if (!out) return NULL;
    mw_ipc_writer_free(out->arrow);
    mw_schema_free(out->schema);
    mw_file_abort(out->file);
    for (int k = 0; k < PIECES; k++) mw_buf_done(&out->texts[k]);
    return mw_free(out);
}
