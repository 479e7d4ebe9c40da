/*
 * csv_file.c -- drives one file through rows, intake and builder into a segment. Names in staging
 * come from the hash of source name and content: two sources with the same content stay two
 * segments.
 */
#include "keep/ingest/csv_file.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/table/ipc.h"
#include "keep/ingest/intake.h"
#include "keep/ingest/rejects.h"

/* An accepted row has a date ("2026-01-05"), its separators and a line end. */
enum { DATE_BYTES = 10, STEM_DIGITS = 32, PART_MAX = 64 };

static const char part_suffix[] = ".rejects.part";

typedef struct file_job {
    const mw_ctx *ctx;
    double max_reject_share;
    mw_dir *staging;
    mw_ingest_file *file; /* filled as we go; strings only at the end */
    mw_intake intake;
    mw_rejects rejects;
    char part[PART_MAX];    /* rejects while they are written: the content hash is not known yet */
    uint64_t last_bad_line; /* 0: the last row was good */
} file_job;

static mw_status add_labels(mw_intake *intake, mw_err *err) {
    int32_t time_column;
    mw_status status =
        mw_builder_column(intake->builder, MW_STR("time"), MW_TIMESTAMP, &time_column, err);
    for (int i = 0; i < MW_LABEL_N && status == MW_OK; i++) {
        intake->label_columns[i] = -1;
        if (intake->layout.label[i] < 0) continue;
        status = mw_builder_column(intake->builder, mw_str_of(mw_label_names[i]), MW_DICTIONARY,
                                   &intake->label_columns[i], err);
    }
    return status;
}

static mw_status begin(file_job *job, mw_err *err) {
    mw_intake *intake = &job->intake;
    mw_mem *mem = job->ctx->mem;
    intake->ctx = job->ctx;
    mw_status status = mw_rows_open(job->ctx, job->file->path, &intake->rows, err);
    if (status != MW_OK) return status;
    intake->header = mw_rows_header(intake->rows, &intake->n_fields);
    mw_rejects_set_form(&job->rejects,
                        &(mw_rejects_form){.header = mw_rows_header_line(intake->rows),
                                           .quote = '"',
                                           .separator = ','});
    status = mw_layout_detect(mem, intake->header, intake->n_fields, &intake->layout, err);
    if (status != MW_OK) return mw_err_prefix(err, "%s", job->file->source);
    intake->last_time.size = SIZE_MAX;
    for (int i = 0; i < MW_LABEL_N; i++) intake->last_label[i].size = SIZE_MAX;
    status = mw_builder_new(mem, &intake->builder, err);
    if (status == MW_OK) status = add_labels(intake, err);
    if (status != MW_OK) return status;
    mw_pivot_init(&intake->pivot, mem, intake->builder, intake->label_columns);
    intake->first_parameter = intake->last_parameter = mw_builder_columns(intake->builder);
    return intake->layout.is_long ? MW_OK : mw_intake__wide_begin(intake, job->file->path, err);
}

/* True once more than the share is refused whatever the rest of the file holds. */
static bool is_hopeless(const file_job *job) {
    double n_rejected = (double)job->file->n_rejected;
    double n_lines = (double)job->file->n_lines;
    double row_bytes = DATE_BYTES + (double)job->intake.n_fields;
    double to_come = mw_source_remaining(mw_rows_source(job->intake.rows)) + MW_SOURCE_CHUNK_BYTES;
    return n_rejected > job->max_reject_share * (n_lines + to_come / row_bytes);
}

static mw_status fail_share(const file_job *job, mw_err *err) {
    mw_rejects_fail(&job->rejects, job->file->n_lines, job->max_reject_share, err);
    return mw_err_prefix(err, "%s", job->file->source);
}

static mw_status reject(file_job *job, const mw_csv_row *row, const mw_refusal *refusal,
                        mw_err *err) {
    char number[16];
    mw_str column;
    if (refusal->field < job->intake.n_fields) {
        column = job->intake.header[refusal->field];
    } else {
        snprintf(number, sizeof number, "%u", refusal->field + 1);
        column = mw_str_of(number);
    }
    job->file->n_rejected++;
    job->last_bad_line = row->line;
    mw_status status =
        mw_rejects_add(&job->rejects, job->part, row->line, column, refusal->reason, row->raw, err);
    if (status != MW_OK || job->file->n_rejected % 1024 != 0 || !is_hopeless(job)) return status;
    return fail_share(job, err);
}

static mw_status take_row(file_job *job, const mw_csv_row *row, mw_err *err) {
    char scratch[MW_ROWS_REASON];
    mw_refusal refusal = {0};
    mw_status status = MW_OK;
    if (mw_reject_is_note(row->raw)) return MW_OK; /* left in a corrected rejects file */
    job->file->n_lines++;
    const char *problem = mw_rows_problem(job->intake.rows, row, &refusal.field, scratch);
    if (problem)
        mw_intake__refuse(&refusal, refusal.field, problem, NULL);
    else if (job->intake.layout.is_long)
        status = mw_intake__long_row(&job->intake, row, &refusal, err);
    else
        status = mw_intake__wide_row(&job->intake, row, &refusal, err);
    if (status != MW_OK) return status;
    if (refusal.refused) status = reject(job, row, &refusal, err);
    /* Only a broken row can be the work of a cut; a bad value in a whole row is a reject. */
    if (!problem) job->last_bad_line = 0;
    return status;
}

static mw_status read_rows(file_job *job, mw_err *err) {
    for (uint64_t i = 0;; i++) {
        mw_csv_row row;
        bool has;
        mw_status status = mw_rows_next(job->intake.rows, &row, &has, err);
        if (status == MW_OK && i % 4096 == 0) status = mw_ctx_check(job->ctx, err);
        if (status != MW_OK || !has) return status;
        status = take_row(job, &row, err);
        if (status != MW_OK) return status;
    }
}

static mw_status judge(const file_job *job, mw_err *err) {
    const mw_ingest_file *file = job->file;
    if (job->last_bad_line && mw_rows_open_ended(job->intake.rows))
        return mw_rows_fail_cut(job->intake.rows, job->last_bad_line, err);
    if (file->n_lines == 0) {
        mw_fail(err, MW_EDATA, "%s: has a header but no rows", file->source);
        return mw_err_hint(err, "A CSV file has a header line and data lines.");
    }
    if ((double)file->n_rejected > job->max_reject_share * (double)file->n_lines ||
        file->n_rejected == file->n_lines)
        return fail_share(job, err);
    return MW_OK;
}

static void note_times(mw_ingest_file *file, const mw_table *table) {
    const int64_t *time = table->columns[0].time;
    file->first_us = file->last_us = time[0];
    for (int64_t i = 1; i < table->n_rows; i++) {
        if (time[i] < file->first_us) file->first_us = time[i];
        if (time[i] > file->last_us) file->last_us = time[i];
    }
    file->n_rows = table->n_rows;
}

/* "<32 digits>.SUFFIX" */
static char *staged_name(const file_job *job, const char *suffix, mw_err *err) {
    mw_buf buf;
    char hex[MW_SHA256_HEX] = "";
    mw_buf_init(&buf, job->ctx->mem, 4096);
    mw_buf_printf(&buf, "%s\n%s", job->file->content_hash, job->file->source);
    mw_status status = mw_buf_status(&buf, "a segment", err);
    if (status == MW_OK) status = mw_sha256_of(mw_buf_text(&buf), buf.size, hex, err);
    mw_buf_clear(&buf);
    mw_buf_printf(&buf, "%.*s%s", STEM_DIGITS, hex, suffix);
    char *name = status == MW_OK ? mw_buf_steal(&buf, NULL) : NULL;
    if (!name && status == MW_OK) (void)mw_fail_nomem(err, "a segment");
    mw_buf_done(&buf);
    return name;
}

static mw_status write_segment(const file_job *job, const mw_table *table, mw_err *err) {
    mw_ingest_file *f = job->file;
    char name[MW_FILE_HASH_NAME];
    const mw_meta meta[] = {{"millwright.source", f->source},
                            {"millwright.content_hash", f->content_hash},
                            {"millwright.layout", f->layout}};
    mw_file *file;
    mw_status status = mw_file_create(job->ctx, job->staging, "segment.arrow", &file, err);
    if (status != MW_OK) return status;
    status = mw_ipc_write(job->ctx, table, meta, sizeof meta / sizeof *meta, file, err);
    if (status != MW_OK) {
        mw_file_abort(file);
        return status;
    }
    status = mw_file_commit_by_hash(file, ".arrow", name, err);
    if (status == MW_OK) f->segment = mw_strdup(job->ctx->mem, name);
    if (f->segment) return MW_OK;
    if (name[0]) (void)mw_dir_remove(job->ctx, job->staging, name, NULL);
    return status == MW_OK ? mw_fail_nomem(err, "a segment") : status;
}

static mw_status store(file_job *job, mw_err *err) {
    mw_ingest_file *file = job->file;
    mw_intake *intake = &job->intake;
    mw_table *table = NULL;
    mw_status status = intake->layout.is_long ? MW_OK : mw_intake__wide_end(intake, err);
    mw_pivot_done(&intake->pivot);
    if (status == MW_OK) status = mw_builder_finish(intake->builder, &table, err);
    if (status != MW_OK) return status;
    note_times(file, table);
    file->n_collisions = intake->n_collisions;
    file->bytes = mw_source_stored(mw_rows_source(intake->rows));
    mw_rows_hash(intake->rows, file->content_hash);

    status = MW_ENOMEM;
    file->layout = mw_strdup(job->ctx->mem, intake->layout.is_long ? "long" : "wide");
    if (!file->layout) status = mw_fail_nomem(err, "a segment");
    if (file->layout && file->n_rejected) file->rejects = staged_name(job, ".rejects.csv", err);
    if (file->layout && (file->rejects || !file->n_rejected))
        status = write_segment(job, table, err);
    if (status == MW_OK && file->rejects)
        status = mw_rejects_commit(&job->rejects, job->part, file->rejects, err);
    mw_table_free(table);
    return status;
}

static void done(file_job *job) {
    mw_intake *intake = &job->intake;
    mw_rejects_done(&job->rejects);
    mw_pivot_done(&intake->pivot);
    mw_builder_free(intake->builder);
    mw_layout_done(&intake->layout);
    mw_rows_close(intake->rows);
    mw_free(intake->kinds);
    mw_free(intake->columns);
    mw_free(intake->values);
}

/* Takes back what this file put into staging, and what it said about itself. */
static void undo(file_job *job, const mw_ingest_file *before) {
    mw_ingest_file *file = job->file;
    if (file->segment) (void)mw_dir_remove(job->ctx, job->staging, file->segment, NULL);
    if (file->rejects) (void)mw_dir_remove(job->ctx, job->staging, file->rejects, NULL);
    mw_free(file->segment);
    mw_free(file->rejects);
    mw_free(file->layout);
    *file = *before;
}

mw_status mw_csv_file_ingest(const mw_ctx *ctx, double max_reject_share, mw_dir *staging,
                             mw_ingest_file *file, mw_err *err) {
    const mw_ingest_file before = *file;
    file_job job = {
        .ctx = ctx, .max_reject_share = max_reject_share, .staging = staging, .file = file};
    char hex[MW_SHA256_HEX];
    mw_status status = mw_sha256_of(file->source, strlen(file->source), hex, err);
    if (status != MW_OK) return status;
    snprintf(job.part, sizeof job.part, "%.*s%s", STEM_DIGITS, hex, part_suffix);
    mw_rejects_init(&job.rejects, ctx, staging);
    job.intake.ctx = ctx;

    status = begin(&job, err);
    if (status == MW_OK) status = read_rows(&job, err);
    if (status == MW_OK) status = judge(&job, err);
    if (status == MW_OK) status = store(&job, err);
    done(&job);
    if (status != MW_OK)
        undo(&job, &before);
    else if (file->n_rejected)
        mw_log_warn(ctx, "%s: %lld of %lld rows were rejected", file->source,
                    (long long)file->n_rejected, (long long)file->n_lines);
    return status;
}
