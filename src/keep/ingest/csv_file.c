/*
 * csv_file.c -- drives one file: reader -> intake -> arrange -> parts, with quality bits and rejects beside. Ordered rows are judged and written at the
 * same time. A second reading follows only when text turned up in a column of which the sample held no value.
 */
#include "keep/ingest/csv_file.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "core/table/ipc.h"
#include "keep/ingest/drift.h"
#include "keep/ingest/intake.h"
#include "keep/ingest/parts.h"
#include "keep/ingest/quality.h"
#include "keep/ingest/rejects.h"

enum { STEM_DIGITS = 32, PART_MAX = 64, WINDOW_BYTES = 4 << 20, MERGE_BYTES = 8 << 20 };

static const char part_suffix[] = ".rejects.part";

/* Texts that turned up in a column of numbers. Words again and again ("Bad") say that a sensor failed; many different ones with digits
 * ("18. Jan", as spreadsheets make of 18.1) are values, and the column is read again as text. */
enum { FEW_FIGURES = 8, SHARE_OF_FIGURES = 1000 };
typedef struct strangers {
    uint32_t figures[FEW_FIGURES]; /* hashes of different ones with digits, [n_figures] */
    uint32_t n_figures;
    int64_t n_rows;
} strangers;

typedef struct file_job {
    const mw_ctx *ctx;
    const mw_args *args;
    const char *mark; /* asked.h */
    double max_reject_share;
    const mw_schema *dataset; /* columns it has; NULL: it is new */
    mw_dir *staging;
    mw_ingest_file *file; /* filled as we go; strings only at the end */
    uint8_t *as_text;     /* [n_columns] fields that turned out to be text */
    strangers *strange;   /* [n_columns] */
    uint32_t n_columns;

    mw_ctx
        pair; /* with a pool of its own for the two uses of ordered rows, which take turns with the reader's threads */
    mw_reader *reader;
    mw_schema *schema;
    mw_parts *parts;
    mw_arrange_sink parts_sink;
    mw_quality *quality;
    mw_arrange *arrange;
    mw_intake intake;
    mw_rejects rejects;
    mw_buf profile_json;
    char part[PART_MAX]; /* rejects while they are written: the content hash is not known yet */
} file_job;

/* ---- the end of the way: quality and parts see the same rows ---- */

typedef struct ordered_rows {
    file_job *job;
    const mw_chunk *chunk;
} ordered_rows;

static mw_status use_rows(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    const ordered_rows *rows = arg;
    file_job *job = rows->job;
    mw_status status = MW_OK;
    for (int64_t i = begin; i < end && status == MW_OK; i++)
        status = i == 0 ? mw_quality_add(job->quality, rows->chunk, err)
                        : job->parts_sink.take(job->parts_sink.self, rows->chunk, err);
    return status;
}

static mw_status take(void *self, const mw_chunk *chunk, mw_err *err) {
    ordered_rows rows = {.job = self, .chunk = chunk};
    return mw_pool_for(&rows.job->pair, 2, 1, use_rows, &rows, err);
}

static mw_status again(void *self, mw_chunk **ret, mw_err *err) {
    file_job *job = self;
    if (!job->file->merged) mw_quality_restart(job->quality);
    job->file->merged = true;
    return job->parts_sink.again(job->parts_sink.self, ret, err);
}

static mw_status add(void *self, mw_chunk *chunk, mw_err *err) {
    file_job *job = self;
    return mw_arrange_add(job->arrange, chunk, err);
}

/* ---- refused rows ---- */

/* True once more than the share is refused whatever the rest of the file holds. */
static bool is_hopeless(const file_job *job) {
    double n_rejected = (double)job->file->n_rejected;
    double n_lines = (double)job->intake.n_records;
    double row_bytes = 1 + (double)mw_reader_profile(job->reader)->n_columns;
    double to_come = mw_reader_to_come(job->reader) + MW_SOURCE_CHUNK_BYTES;
    return n_rejected > job->max_reject_share * (n_lines + to_come / row_bytes);
}

static mw_status fail_share(const file_job *job, mw_err *err) {
    return mw_rejects_fail(&job->rejects, job->intake.n_records, job->max_reject_share, err);
}

static void note_stranger(strangers *s, const char *reason) {
    static const char prefix[] = "not a number: ";
    size_t n = sizeof prefix - 1;
    if (strncmp(reason, prefix, n) != 0) return;
    s->n_rows++;
    if (s->n_figures == FEW_FIGURES || !strpbrk(reason + n, "0123456789")) return;
    uint32_t hash = (uint32_t)mw_hash64(reason, strlen(reason));
    for (uint32_t i = 0; i < s->n_figures; i++)
        if (s->figures[i] == hash) return;
    s->figures[s->n_figures++] = hash;
}

/* True when a column has to be read again as text. */
static bool find_strangers(file_job *job) {
    bool found = false;
    for (uint32_t i = 0; i < job->n_columns; i++) {
        const strangers *s = &job->strange[i];
        if (s->n_figures < FEW_FIGURES || job->as_text[i] ||
            s->n_rows * SHARE_OF_FIGURES < job->intake.n_records ||
            mw_reader_profile(job->reader)->columns[i].use != MW_USE_NONE)
            continue;
        job->as_text[i] = 1;
        found = true;
    }
    return found;
}

static mw_status refused(void *self, uint64_t line, const mw_bad_row *bad, mw_err *err) {
    file_job *job = self;
    const mw_profile *profile = mw_reader_profile(job->reader);
    char number[16];
    mw_str column;
    if (bad->field < profile->n_columns) {
        column = mw_str_of(profile->columns[bad->field].name);
    } else {
        (void)snprintf(number, sizeof number, "%u", bad->field + 1);
        column = mw_str_of(number);
    }
    job->file->n_rejected++;
    if (!bad->broken && bad->field < job->n_columns)
        note_stranger(&job->strange[bad->field], bad->reason);
    mw_status status =
        mw_rejects_add(&job->rejects, job->part, line, column, bad->reason, bad->raw, err);
    if (status != MW_OK || job->file->n_rejected % 1024 != 0 || !is_hopeless(job)) return status;
    return fail_share(job, err);
}

/* ---- one reading ---- */

static mw_status adapt(void *self, mw_profile *profile, mw_err *err) {
    file_job *job = self;
    if (!job->as_text) {
        job->n_columns = profile->n_columns;
        job->as_text = mw_calloc(job->ctx->mem, (size_t)job->n_columns + 1, 1);
        job->strange = mw_calloc(job->ctx->mem, (size_t)job->n_columns + 1, sizeof *job->strange);
        if (!job->as_text || !job->strange) return mw_fail_nomem(err, "reading a file");
    }
    if (profile->n_columns != job->n_columns)
        return mw_fail(err, MW_EDATA, "the file changed while it was read");
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        mw_profile_column *column = &profile->columns[i];
        if (job->as_text[i]) column->type = MW_DICTIONARY;
        /* Standard input cannot be read a second time. */
        column->decided |= job->as_text[i] || mw_source_is_stdin(job->file->path);
    }
    return mw_drift_adapt(job->dataset, job->args, profile, err);
}

/* Rejects are written as the source is. */
static mw_status begin_rejects(file_job *job, mw_err *err) {
    const mw_profile *profile = mw_reader_profile(job->reader);
    mw_profile alone = *profile;
    alone.skip_lines = 0; /* a rejects file has no preamble */
    mw_json_writer writer;
    mw_buf_clear(&job->profile_json);
    mw_json_writer_init(&writer, &job->profile_json, 0);
    mw_profile_write(&alone, &writer);
    static const enum mw_source_text texts[] = {[MW_ENC_UTF8] = MW_SOURCE_UTF8,
                                                [MW_ENC_UTF16LE] = MW_SOURCE_UTF16LE,
                                                [MW_ENC_UTF16BE] = MW_SOURCE_UTF16BE,
                                                [MW_ENC_LATIN1] = MW_SOURCE_LATIN1};
    static const char *const line_ends[] = {[MW_LINES_LF] = "\n",
                                            [MW_LINES_CRLF] = "\r\n",
                                            [MW_LINES_CR] = "\r",
                                            [MW_LINES_MIXED] = "\n"};
    const mw_rejects_form form = {.profile = mw_buf_text(&job->profile_json),
                                  .header = mw_reader_head(job->reader),
                                  .text = texts[profile->encoding],
                                  .line_end = line_ends[profile->line_end],
                                  .quote = profile->dialect.quote,
                                  .escape = profile->dialect.escape,
                                  .separator = profile->dialect.separator};
    mw_rejects_set_form(&job->rejects, &form);
    return mw_buf_status(&job->profile_json, "a profile", err);
}

static mw_status begin(file_job *job, mw_err *err) {
    const mw_ctx *ctx = job->ctx;
    mw_collide collide = mw_ingest_collide(job->args);
    const mw_reader_options reading = {
        .args = job->args, .hash = true, .collide = collide, .adapt = adapt, .self = job};
    mw_status status = mw_reader_open(ctx, job->file->path, &reading, &job->reader, err);
    if (status != MW_OK) return status;
    const mw_plan *plan = mw_reader_plan(job->reader);
    status = mw_plan_schema(plan, &job->schema, err);
    const mw_parts_options parts = {
        .source = job->file->source, .layout = plan->is_long ? "long" : "wide", .asked = job->mark};
    if (status == MW_OK)
        status = mw_parts_new(ctx, job->schema, &parts, job->staging, &job->parts, err);
    if (status != MW_OK) return status;
    job->parts_sink = mw_parts_sink(job->parts);
    int32_t device = mw_schema_find(job->schema, MW_STR("device_id"));
    status = mw_quality_new(ctx, job->schema, device, job->args, &job->quality, err);
    const mw_arrange_options order = {.n_keys = plan->n_labels,
                                      .join = plan->is_long,
                                      .collide = collide,
                                      .drop_duplicates = mw_args_bool(job->args, "drop_duplicates"),
                                      .window_bytes = WINDOW_BYTES,
                                      .merge_bytes = MERGE_BYTES,
                                      .spill = job->staging};
    const mw_arrange_sink sink = {.self = job, .take = take, .again = again};
    if (status == MW_OK)
        status = mw_arrange_new(ctx, job->schema, &order, &sink, &job->arrange, err);
    if (status == MW_OK) status = begin_rejects(job, err);
    if (status != MW_OK) return status;
    mw_intake_init(&job->intake, ctx, job->reader, job->schema);
    job->intake.args = job->args;
    job->intake.add = add;
    job->intake.refused = refused;
    job->intake.self = job;
    return MW_OK;
}

static void end(file_job *job) {
    mw_rejects_done(&job->rejects);
    mw_buf_done(&job->profile_json);
    mw_intake_done(&job->intake);
    job->arrange = mw_arrange_free(job->arrange);
    job->quality = mw_quality_free(job->quality);
    job->parts = mw_parts_free(job->parts);
    job->schema = mw_schema_free(job->schema);
    job->reader = mw_reader_close(job->reader);
}

static mw_status judge(const file_job *job, mw_err *err) {
    const mw_ingest_file *file = job->file;
    int64_t n_lines = job->intake.n_records;
    if (job->intake.last_bad_line && mw_reader_open_ended(job->reader)) {
        mw_fail(err, MW_EDATA, "the file is cut: it ends inside the row at line %llu",
                (unsigned long long)job->intake.last_bad_line);
        return mw_err_hint(err, "Copy the file again, or remove its last line.");
    }
    if (n_lines == 0) {
        mw_fail(err, MW_EDATA, "has a header but no rows");
        return mw_err_hint(err, "A CSV file has a header line and data lines.");
    }
    if ((double)file->n_rejected > job->max_reject_share * (double)n_lines ||
        file->n_rejected == n_lines)
        return fail_share(job, err);
    return MW_OK;
}

/* ---- the outcome ---- */

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

static mw_status store_quality(file_job *job, mw_err *err) {
    char name[MW_FILE_HASH_NAME];
    mw_table *flags;
    mw_status status = mw_quality_finish(job->quality, &flags, err);
    if (status != MW_OK || flags->n_rows == 0) {
        if (status == MW_OK) mw_table_free(flags);
        return status;
    }
    status = mw_quality_write(job->ctx, flags, job->file->source, job->file->content_hash,
                              job->staging, name, err);
    mw_table_free(flags);
    if (status != MW_OK) return status;
    job->file->quality = mw_strdup(job->ctx->mem, name);
    if (job->file->quality) return MW_OK;
    (void)mw_dir_remove(job->ctx, job->staging, name, NULL);
    return mw_fail_nomem(err, "quality bits");
}

/* What was detected, and how the columns differ from the dataset's, as JSON. */
static mw_status describe(file_job *job, mw_err *err) {
    mw_ingest_file *file = job->file;
    mw_json_writer writer;
    mw_buf *text = &job->profile_json;
    mw_buf_clear(text);
    mw_json_writer_init(&writer, text, 0);
    mw_profile_write_findings(mw_reader_profile(job->reader), &writer);
    mw_status status = mw_buf_status(text, "a profile", err);
    if (status == MW_OK) file->findings = mw_strdup(job->ctx->mem, mw_buf_text(text));
    mw_buf_clear(text);
    mw_json_writer_init(&writer, text, 0);
    if (status == MW_OK)
        status = mw_drift_report(job->dataset, job->schema, job->args, &writer, err);
    if (status == MW_OK) status = mw_buf_status(text, "a profile", err);
    if (status != MW_OK) return status;
    file->drift = mw_strdup(job->ctx->mem, mw_buf_text(text));
    file->layout = mw_strdup(job->ctx->mem, mw_reader_plan(job->reader)->is_long ? "long" : "wide");
    return file->findings && file->drift && file->layout ? MW_OK : mw_fail_nomem(err, "a profile");
}

static mw_status store(file_job *job, mw_err *err) {
    mw_ingest_file *file = job->file;
    mw_arrange_counts counts;
    mw_status status = mw_arrange_finish(job->arrange, &counts, err);
    if (status == MW_OK)
        status = mw_parts_finish(job->parts, &file->segments, &file->n_segments, err);
    if (status != MW_OK) return status;
    file->n_lines = job->intake.n_records;
    file->n_rows = counts.n_rows;
    file->n_collisions = counts.n_collisions + job->intake.n_collisions;
    file->n_duplicates = counts.n_duplicates;
    file->n_out_of_order = counts.n_out_of_order;
    file->n_late = counts.n_late;
    file->first_us = counts.first_us;
    file->last_us = counts.last_us;
    file->bytes = mw_source_stored(mw_reader_source(job->reader));
    mw_source_hash(mw_reader_source(job->reader), file->content_hash);
    const char *note = mw_source_note(mw_reader_source(job->reader));
    if (note) mw_log_warn(job->ctx, "%s: %s", file->source, note);
    status = store_quality(job, err);
    if (status == MW_OK) status = describe(job, err);
    if (status == MW_OK && file->n_rejected) {
        file->rejects = staged_name(job, ".rejects.csv", err);
        status = file->rejects ? mw_rejects_commit(&job->rejects, job->part, file->rejects, err)
                               : MW_ENOMEM;
    }
    return status;
}

/* Takes back what this file put into staging, and what it said about itself. */
static void undo(file_job *job, const mw_ingest_file *before) {
    mw_ingest_file *file = job->file;
    mw_ingest_unstage(job->ctx, job->staging, file);
    mw_ingest_parts_free(file->segments, file->n_segments);
    mw_free(file->rejects);
    mw_free(file->quality);
    mw_free(file->findings);
    mw_free(file->drift);
    mw_free(file->layout);
    *file = *before;
}

static mw_status pass(file_job *job, bool *ret_again, mw_err *err) {
    *ret_again = false;
    mw_rejects_init(&job->rejects, job->ctx, job->staging);
    mw_buf_init(&job->profile_json, job->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    job->intake = (mw_intake){0};
    job->file->n_rejected = 0;
    job->file->merged = false;
    mw_status status = begin(job, err);
    if (status == MW_OK) status = mw_reader_run(job->reader, &job->intake.sink, err);
    const uint8_t *widened = status == MW_OK ? mw_reader_widened(job->reader) : NULL;
    if (widened) {
        const mw_plan *plan = mw_reader_plan(job->reader);
        for (int32_t i = 0; i < plan->n_cells; i++)
            if (widened[i]) job->as_text[plan->cells[i].field] = 1;
        *ret_again = true;
    } else if (status == MW_OK && !mw_source_is_stdin(job->file->path) && find_strangers(job)) {
        mw_log_info(job->ctx,
                    "%s: a column of numbers holds texts with figures: it is read again as text",
                    job->file->source);
        *ret_again = true;
    } else if (status == MW_OK) {
        status = judge(job, err);
        if (status == MW_OK) status = store(job, err);
    }
    end(job);
    return status;
}

mw_status mw_csv_file_ingest(const mw_ctx *ctx, const mw_args *args, const char *mark,
                             const mw_schema *dataset, mw_dir *staging, mw_ingest_file *file,
                             mw_err *err) {
    const mw_ingest_file before = *file;
    file_job job = {.ctx = ctx,
                    .args = args,
                    .mark = mark,
                    .dataset = dataset,
                    .max_reject_share = mw_args_float(args, "max_reject_share"),
                    .staging = staging,
                    .file = file};
    char hex[MW_SHA256_HEX];
    mw_status status = mw_sha256_of(file->source, strlen(file->source), hex, err);
    if (status != MW_OK) return status;
    (void)snprintf(job.part, sizeof job.part, "%.*s%s", STEM_DIGITS, hex, part_suffix);
    job.pair = *ctx;
    job.pair.pool = NULL;
    if (mw_pool_threads(ctx->pool) > 1) status = mw_pool_new(ctx->mem, 2, &job.pair.pool, err);
    if (status != MW_OK) return status;
    bool more = true;
    while (more && status == MW_OK) status = pass(&job, &more, err);
    mw_pool_free(job.pair.pool);
    mw_free(job.as_text);
    mw_free(job.strange);
    if (status != MW_OK) {
        undo(&job, &before);
        if (err && !strstr(err->message, file->source))
            (void)mw_err_prefix(err, "%s", file->source);
    } else if (file->n_rejected) {
        mw_log_warn(ctx, "%s: %lld of %lld rows were rejected", file->source,
                    (long long)file->n_rejected, (long long)file->n_lines);
    }
    return status;
}
