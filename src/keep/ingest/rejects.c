/* rejects.c -- see rejects.h. */
#include "keep/ingest/rejects.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/number.h"
#include "keep/ingest/cells.h"

void mw_rejects_init(mw_rejects *rejects, const mw_ctx *ctx, mw_dir *staging) {
    *rejects = (mw_rejects){.ctx = ctx, .staging = staging};
    /* Doubling every quote of the longest row, and the other fields. */
    mw_buf_init(&rejects->line, ctx->mem, (size_t)MW_LIMIT(CSV_ROW_BYTES) * 2 + 65536);
}

void mw_rejects_done(mw_rejects *rejects) {
    rejects->file = mw_file_abort(rejects->file);
    mw_buf_done(&rejects->line);
}

static void remember(mw_rejects *rejects, uint64_t line, mw_str column, const char *reason) {
    char shown[MW_CELL_SHOWN];
    if (rejects->n >= MW_REJECTS_SHOWN) return;
    snprintf(rejects->first[rejects->n], MW_REJECTS_TEXT, "line %llu, column %s: %s",
             (unsigned long long)line, mw_cell_show(column, shown), reason);
}

static mw_status begin(mw_rejects *rejects, const char *part, mw_err *err) {
    static const char header[] = "line,column,reason,row\r\n";
    mw_status status = mw_file_create(rejects->ctx, rejects->staging, part, &rejects->file, err);
    if (status != MW_OK) return status;
    return mw_file_write(rejects->file, header, sizeof header - 1, err);
}

mw_status mw_rejects_add(mw_rejects *rejects, const char *part, uint64_t line, mw_str column,
                         const char *reason, mw_str row, mw_err *err) {
    mw_status status = rejects->file ? MW_OK : begin(rejects, part, err);
    if (status != MW_OK) return status;
    mw_buf *buf = &rejects->line;
    mw_buf_clear(buf);
    mw_buf_add_int(buf, (int64_t)line);
    mw_buf_add_char(buf, ',');
    mw_csv_write_field(buf, column);
    mw_buf_add_char(buf, ',');
    mw_csv_write_field(buf, mw_str_of(reason));
    mw_buf_add_char(buf, ',');
    mw_csv_write_field(buf, row);
    mw_buf_add(buf, "\r\n");
    status = mw_buf_status(buf, "a rejected row", err);
    if (status != MW_OK) return status;
    if (mw_file_size(rejects->file) + buf->size > (uint64_t)MW_LIMIT(REJECTS_BYTES)) {
        mw_fail(err, MW_ETOOLARGE, "rejected rows fill more than %lld bytes; the first: %s",
                (long long)MW_LIMIT(REJECTS_BYTES), rejects->first[0]);
        return mw_err_hint(err, "Correct the file, or split it.");
    }
    status = mw_file_write(rejects->file, mw_buf_text(buf), buf->size, err);
    if (status != MW_OK) return status;
    remember(rejects, line, column, reason);
    rejects->n++;
    return MW_OK;
}

mw_status mw_rejects_commit(mw_rejects *rejects, const char *part, const char *name, mw_err *err) {
    if (!rejects->file) return MW_OK;
    mw_file *file = rejects->file;
    rejects->file = NULL;
    mw_status status = mw_file_commit(file, err);
    if (status == MW_OK)
        status = mw_dir_move(rejects->ctx, rejects->staging, part, rejects->staging, name, err);
    if (status != MW_OK) (void)mw_dir_remove(rejects->ctx, rejects->staging, part, NULL);
    return status;
}

mw_status mw_rejects_fail(const mw_rejects *rejects, int64_t n_lines, double max_share,
                          mw_err *err) {
    mw_fail(err, MW_EDATA,
            "%lld of %lld rows cannot be used, more than the share %g allowed: %s%s%s%s%s",
            (long long)rejects->n, (long long)n_lines, max_share, rejects->first[0],
            rejects->n > 1 ? "; " : "", rejects->first[1], rejects->n > 2 ? "; " : "",
            rejects->first[2]);
    return mw_err_hint(err, "Correct the file, or allow more with max_reject_share.");
}
