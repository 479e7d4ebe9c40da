/* preview.c -- see preview.h: the reader of an ingest, stopped after its first rows. */
#include "keep/ingest/preview.h"

#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"
#include "keep/ingest/drift.h"
#include "keep/ingest/intake.h"
#include "keep/ingest/quality.h"

enum { SHOWN_REJECTS = 10 };

typedef struct preview {
    const mw_ctx *ctx;
    const mw_args *args;
    const mw_schema *dataset;
    mw_reader *reader;
    mw_schema *schema;
    mw_intake intake;
    mw_chunk *rows; /* copies of the first ones; NULL: none yet */
    mw_buf rejects; /* JSON array */
    mw_json_writer rejects_writer;
    int n_rejects;
} preview;

static mw_status adapt(void *self, mw_profile *profile, mw_err *err) {
    preview *p = self;
    return mw_drift_adapt(p->dataset, p->args, profile, err);
}

static mw_status refused(void *self, uint64_t line, const mw_bad_row *bad, mw_err *err) {
    preview *p = self;
    const mw_profile *profile = mw_reader_profile(p->reader);
    (void)err;
    if (p->n_rejects++ >= SHOWN_REJECTS) return MW_OK;
    mw_json_writer *writer = &p->rejects_writer;
    mw_json_object(writer);
    mw_json_add_int(writer, "line", (int64_t)line);
    mw_json_add_string(writer, "column",
                       bad->field < profile->n_columns ? profile->columns[bad->field].name : NULL);
    mw_json_add_string(writer, "reason", bad->reason);
    mw_json_object_end(writer);
    return MW_OK;
}

static mw_status begin_rows(preview *p, mw_err *err) {
    mw_type *types = mw_alloc_array(p->ctx->mem, (size_t)p->schema->n_columns, sizeof *types);
    if (!types) return mw_fail_nomem(err, "a preview");
    for (int32_t i = 0; i < p->schema->n_columns; i++) types[i] = p->schema->columns[i].type;
    mw_status status =
        mw_chunk_new(p->ctx->mem, types, p->schema->n_columns, MW_PREVIEW_ROWS, &p->rows, err);
    mw_free(types);
    return status;
}

/* Keeps the first rows, as they come. */
static mw_status keep(void *self, mw_chunk *chunk, mw_err *err) {
    preview *p = self;
    mw_status status = p->rows ? MW_OK : begin_rows(p, err);
    if (status == MW_OK) {
        int64_t room = p->rows->capacity - p->rows->n_rows;
        mw_chunk_append(p->rows, chunk, 0, chunk->n_rows < room ? chunk->n_rows : room);
        p->intake.sink.stop = p->rows->n_rows == p->rows->capacity;
    }
    mw_chunk_free(chunk);
    return status;
}

static void write_cell(const preview *p, int32_t column, int64_t row, mw_json_writer *writer) {
    const mw_chunk_column *values = &p->rows->columns[column];
    char text[MW_TIME_TEXT_MAX];
    switch (values->type) {
    case MW_TIMESTAMP:
        if (values->time[row] == MW_TIME_NONE)
            mw_json_write_null(writer);
        else
            mw_json_write_str(writer, (mw_str){text, mw_time_print(values->time[row], text)});
        return;
    case MW_DICTIONARY:
        if (values->codes[row] < 0)
            mw_json_write_null(writer);
        else
            mw_json_write_str(writer, mw_dictionary_text(p->schema->columns[column].dictionary,
                                                         values->codes[row]));
        return;
    default:
        if (mw_isnan(values->number[row]))
            mw_json_write_null(writer);
        else
            mw_json_write_number(writer, values->number[row]);
    }
}

static const char *unit_of(const mw_profile *profile, const char *name) {
    for (uint32_t i = 0; i < profile->n_columns; i++)
        if (strcmp(profile->columns[i].name, name) == 0) return profile->columns[i].unit;
    return NULL;
}

static void write_columns(const preview *p, mw_json_writer *writer) {
    mw_json_key(writer, "columns");
    mw_json_array(writer);
    for (int32_t i = 0; i < p->schema->n_columns; i++) {
        const mw_schema_column *column = &p->schema->columns[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "name", column->name);
        mw_json_add_string(writer, "type", mw_type_name(column->type));
        mw_json_add_string(writer, "unit", unit_of(mw_reader_profile(p->reader), column->name));
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
    mw_json_key(writer, "rows");
    mw_json_array(writer);
    for (int64_t r = 0; p->rows && r < p->rows->n_rows; r++) {
        mw_json_array(writer);
        for (int32_t c = 0; c < p->schema->n_columns; c++) write_cell(p, c, r, writer);
        mw_json_array_end(writer);
    }
    mw_json_array_end(writer);
}

static mw_status write_report(preview *p, const char *path, mw_json_writer *writer, mw_err *err) {
    const mw_profile *profile = mw_reader_profile(p->reader);
    mw_json_object(writer);
    mw_json_add_string(writer, "source", mw_source_name(path));
    mw_json_add_string(writer, "layout", mw_reader_plan(p->reader)->is_long ? "long" : "wide");
    mw_json_key(writer, "profile");
    mw_profile_write(profile, writer);
    mw_json_key(writer, "findings");
    mw_profile_write_findings(profile, writer);
    mw_json_key(writer, "drift");
    mw_status status = mw_drift_report(p->dataset, p->schema, p->args, writer, err);
    if (status != MW_OK) return status;
    write_columns(p, writer);
    mw_json_key(writer, "rejects");
    mw_json_write_raw(writer, mw_buf_str(&p->rejects));
    mw_json_object_end(writer);
    return MW_OK;
}

static mw_status run(preview *p, const char *path, mw_err *err) {
    const mw_reader_options options = {.args = p->args, .adapt = adapt, .self = p};
    mw_status status = mw_reader_open(p->ctx, path, &options, &p->reader, err);
    if (status != MW_OK) return status;
    const mw_plan *plan = mw_reader_plan(p->reader);
    status = mw_plan_schema(plan, &p->schema, err);
    if (status != MW_OK) return status;
    /* An ingest would refuse options that cannot be; so does saying what it would do. */
    mw_quality *quality;
    status = mw_quality_new(p->ctx, p->schema, -1, p->args, &quality, err);
    if (status != MW_OK) return status;
    mw_quality_free(quality);
    mw_intake_init(&p->intake, p->ctx, p->reader, p->schema);
    p->intake.args = p->args;
    p->intake.add = keep;
    p->intake.refused = refused;
    p->intake.self = p;
    mw_json_array(&p->rejects_writer);
    status = mw_reader_run(p->reader, &p->intake.sink, err);
    mw_json_array_end(&p->rejects_writer);
    if (status == MW_OK) status = mw_buf_status(&p->rejects, "a preview", err);
    return status;
}

mw_status mw_ingest_preview(const mw_ctx *ctx, const char *path, const mw_args *args,
                            const mw_schema *dataset, mw_json_writer *writer, mw_err *err) {
    enum { REJECTS_BYTES = 65536 };
    preview p = {.ctx = ctx, .args = args, .dataset = dataset};
    mw_buf_init(&p.rejects, ctx->mem, REJECTS_BYTES);
    mw_json_writer_init(&p.rejects_writer, &p.rejects, 0);
    mw_status status = run(&p, path, err);
    if (status == MW_OK) status = write_report(&p, path, writer, err);
    if (status != MW_OK && err && !strstr(err->message, mw_source_name(path)))
        (void)mw_err_prefix(err, "%s", mw_source_name(path));
    mw_buf_done(&p.rejects);
    mw_chunk_free(p.rows);
    mw_intake_done(&p.intake);
    mw_schema_free(p.schema);
    mw_reader_close(p.reader);
    return status;
}
