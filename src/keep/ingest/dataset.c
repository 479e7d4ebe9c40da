/* dataset.c -- see dataset.h: checking segments, and settling the columns of all of them. */
#include "keep/ingest/dataset.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "keep/ingest/dataset_parts.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/verdict.h"

static const char segment_suffix[] = ".arrow";

static mw_status check_segment(const char *name, mw_err *err) {
    size_t n = strlen(name), m = sizeof segment_suffix - 1;
    if (n > m && strcmp(name + n - m, segment_suffix) == 0 && name[0] != '.' && !strchr(name, '/'))
        return MW_OK;
    return mw_fail(err, MW_EINVAL, "\"%.64s\" is not the name of a segment", name);
}

mw_status mw_dataset_check(const mw_ctx *ctx, mw_dir *dir, const char *segment, mw_err *err) {
    struct stat info;
    mw_status status = check_segment(segment, err);
    if (status != MW_OK) return status;
    bool there = fstatat(mw_dir_fd(dir), segment, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && mw_verdict_is_good(segment, &info)) return MW_OK;
    status = mw_file_verify(ctx, dir, segment, err);
    if (status == MW_EDATA) (void)mw_err_hint(err, "ingest the file it came from again");
    if (status == MW_OK && there) mw_verdict_keep_good(segment, &info);
    return status;
}

_Static_assert(MW_DATASET_RANKS == MW_LABEL_N + 3, "time, labels, texts, numbers");

int mw_dataset_rank(const char *name, mw_type type) {
    if (type == MW_TIMESTAMP) return 0;
    for (int i = 0; i < MW_LABEL_N; i++)
        if (strcmp(name, mw_label_names[i]) == 0) return i + 1;
    return type == MW_FLOAT64 ? MW_DATASET_RANKS - 1 : MW_DATASET_RANKS - 2;
}

/* ---- columns ---- */

mw_status mw_dataset_add_columns(const mw_ctx *ctx, mw_schema *columns, mw_dir *dir,
                                 const char *segment, int64_t *n_rows, mw_err *err) {
    mw_schema *from;
    int64_t *counts, n;
    mw_status status = mw_ipc_survey(ctx, dir, segment, &from, &counts, &n, err);
    if (status != MW_OK) return status;
    for (int32_t i = 0; i < from->n_columns && status == MW_OK; i++) {
        mw_str name = mw_str_of(from->columns[i].name);
        int32_t at = mw_schema_find(columns, name);
        if (at < 0) status = mw_schema_add(columns, name, MW_UTF8, &at, err);
        if (status == MW_OK && columns->columns[at].type == MW_UTF8 && counts[i])
            columns->columns[at].type = from->columns[i].type;
    }
    if (n_rows) *n_rows = n;
    mw_schema_free(from);
    mw_free(counts);
    return status;
}

mw_status mw_dataset__say_gone(mw_status status, const char *file, mw_err *err) {
    if (status != MW_ENOTFOUND) return status;
    mw_fail(err, MW_ECONFLICT, "segment %s went away while the dataset was being read", file);
    return mw_err_hint(err, "its source was ingested anew, or the file was removed: try again");
}

/* What is known while segment after segment is looked at. */
typedef struct survey {
    mw_dataset *dataset;
    mw_schema *columns;
    mw_dictionary *devices; /* without the empty one */
} survey;

static mw_status add_devices(survey *s, const mw_dataset_piece *piece, mw_err *err) {
    const char *column = mw_label_names[MW_LABEL_DEVICE_ID];
    mw_ipc_reader *reader;
    mw_status status =
        mw_ipc_reader_open(s->dataset->ctx, piece->dir, piece->file, &column, 1, &reader, err);
    if (status != MW_OK) return status;
    const mw_schema *schema = mw_ipc_reader_schema(reader);
    const mw_dictionary *texts = schema->n_columns ? schema->columns[0].dictionary : NULL;
    for (int32_t i = 0; texts && i < mw_dictionary_size(texts) && status == MW_OK; i++) {
        int32_t code;
        mw_str text = mw_dictionary_text(texts, i);
        if (text.size) status = mw_dictionary_add(s->devices, text, &code, err);
    }
    mw_ipc_reader_close(reader);
    return status;
}

static mw_status look_at(survey *s, const mw_dataset_piece *piece, mw_err *err) {
    int64_t n_rows = 0;
    mw_status status = mw_dataset_check(s->dataset->ctx, piece->dir, piece->file, err);
    if (status == MW_OK)
        status = mw_dataset_add_columns(s->dataset->ctx, s->columns, piece->dir, piece->file,
                                        &n_rows, err);
    if (status == MW_OK) status = add_devices(s, piece, err);
    s->dataset->stream.n_rows += n_rows;
    return mw_dataset__say_gone(status, piece->file, err);
}

static mw_status make_schema(const survey *s, mw_err *err) {
    mw_schema *schema = s->dataset->schema;
    int32_t index, code, n_devices = mw_dictionary_size(s->devices);
    mw_status status = mw_schema_add(schema, MW_STR("time"), MW_TIMESTAMP, &index, err);
    s->dataset->stream.has_device = n_devices > 0;
    if (status == MW_OK && n_devices)
        status = mw_schema_add(schema, mw_str_of(mw_label_names[MW_LABEL_DEVICE_ID]), MW_DICTIONARY,
                               &index, err);
    for (int32_t i = 0; i < n_devices && status == MW_OK; i++)
        status = mw_dictionary_add(schema->columns[1].dictionary, mw_dictionary_text(s->devices, i),
                                   &code, err);
    for (int32_t i = 0; i < s->columns->n_columns && status == MW_OK; i++) {
        const mw_schema_column *column = &s->columns->columns[i];
        mw_str name = mw_str_of(column->name);
        bool number = column->type == MW_FLOAT64 || column->type == MW_UTF8; /* or nothing at all */
        if (number && !mw_layout_reserved(name))
            status = mw_schema_add(schema, name, MW_FLOAT64, &index, err);
    }
    return status;
}

static mw_status list_columns(mw_dataset *d, mw_err *err) {
    size_t n = (size_t)d->schema->n_columns;
    d->names = mw_alloc_array(d->ctx->mem, n, sizeof *d->names);
    d->types = mw_alloc_array(d->ctx->mem, n, sizeof *d->types);
    if (!d->names || !d->types) return mw_fail_nomem(err, "reading a dataset");
    for (size_t i = 0; i < n; i++) {
        d->names[i] = d->schema->columns[i].name;
        d->types[i] = d->schema->columns[i].type;
    }
    return MW_OK;
}

static mw_status look_at_all(mw_dataset *d, mw_err *err) {
    survey s = {.dataset = d};
    mw_mem *mem = d->ctx->mem;
    mw_status status = mw_schema_new(mem, &s.columns, err);
    if (status == MW_OK) status = mw_dictionary_new(mem, &s.devices, err);
    for (size_t i = 0; i < d->n && status == MW_OK; i++) {
        mw_ctx_report(d->ctx, "reading the dataset", (double)i, (double)d->n);
        status = mw_ctx_check(d->ctx, err);
        if (status == MW_OK) status = look_at(&s, &d->pieces[i], err);
    }
    if (status == MW_OK) status = make_schema(&s, err);
    if (status == MW_OK) status = list_columns(d, err);
    mw_schema_free(s.columns);
    mw_dictionary_free(s.devices);
    return status;
}

/* ---- the whole ---- */

mw_status mw_dataset_open(const mw_ctx *ctx, const mw_dataset_piece *pieces, size_t n,
                          mw_dataset **ret, mw_err *err) {
    if (n == 0) {
        mw_fail(err, MW_ENOTFOUND, "the dataset has no rows yet");
        return mw_err_hint(err, "Ingest a file first.");
    }
    mw_dataset *d = mw_calloc(ctx->mem, 1, sizeof *d);
    if (!d) return mw_fail_nomem(err, "reading a dataset");
    d->ctx = ctx;
    d->pieces = pieces;
    d->n = n;
    mw_status status = mw_schema_new(ctx->mem, &d->schema, err);
    if (status == MW_OK) status = look_at_all(d, err);
    if (status != MW_OK) {
        mw_dataset_close(d);
        return status;
    }
    d->stream.schema = d->schema;
    d->stream.start = mw_dataset__start;
    d->stream.next = mw_dataset__next;
    d->stream.self = d;
    *ret = d;
    return MW_OK;
}

const mw_row_stream *mw_dataset_stream(const mw_dataset *dataset) { return &dataset->stream; }

void *mw_dataset_close(mw_dataset *dataset) {
    if (!dataset) return NULL;
    mw_dataset__stop(dataset);
    mw_free(dataset->sources);
    mw_schema_free(dataset->schema);
    mw_free(dataset->names);
    mw_free(dataset->types);
    return mw_free(dataset);
}
