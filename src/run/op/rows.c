/* rows.c -- see rows.h. */
#include "run/op/rows.h"

#include <string.h>

#include "core/table/ipc.h"
#include "core/table/ipcstream.h"
#include "keep/ingest/dataset.h"

static const char *const filter_columns[] = {"device_id", "employee_id", "category"};
enum { N_FILTERS = 3, MAX_COLUMNS = 16 };

static void apply(const mw_schema *schema, const mw_chunk *chunk, const char *column_name,
                  const char *value, uint8_t *pass) {
    if (!value) return;
    int32_t at = mw_schema_find(schema, mw_str_of(column_name));
    if (at < 0 || schema->columns[at].type != MW_DICTIONARY) {
        memset(pass, 0, (size_t)chunk->n_rows);
        return;
    }
    int32_t code = mw_dictionary_find(schema->columns[at].dictionary, mw_str_of(value));
    const int32_t *codes = chunk->columns[at].codes;
    for (int64_t row = 0; row < chunk->n_rows; row++)
        if (code < 0 || codes[row] != code) pass[row] = 0;
}

static mw_status fail_missing(const mw_segment_record *segment, mw_err *err) {
    mw_fail(err, MW_EDATA, "segment %s is missing: it holds the rows of %s", segment->file,
            segment->source);
    return mw_err_hint(err, "restore it from a backup, or ingest %s again", segment->source);
}

static mw_status fail_missing_quality(const mw_segment_record *segment, mw_err *err) {
    mw_fail(err, MW_EDATA, "file %s is missing: it holds the flagged windows of %s",
            segment->quality, segment->source);
    return mw_err_hint(err, "restore it from a backup, or ingest %s again", segment->source);
}

bool mw_op__interrupted(mw_status status) {
    return status == MW_ENOMEM || status == MW_ECANCELED || status == MW_ETIMEOUT;
}

/* Reads the named columns (NULL: all) of every row. */
static mw_status count_rows(const mw_ctx *ctx, mw_dir *dir, const char *file,
                            const char *const *columns, int64_t *ret, mw_err *err) {
    mw_ipc_reader *reader;
    mw_chunk *chunk = NULL;
    int64_t rows = 0;
    mw_status status = mw_ipc_reader_open(ctx, dir, file, columns, 1, &reader, err);
    if (status) return status;
    for (;;) {
        status = mw_ipc_reader_next(reader, &chunk, err);
        if (status || !chunk) break;
        rows += chunk->n_rows;
        mw_chunk_free(chunk);
    }
    mw_ipc_reader_close(reader);
    if (!status) *ret = rows;
    return status;
}

mw_status mw_op__check_segment(const mw_ctx *ctx, mw_dir *dir, const mw_segment_record *segment,
                               bool whole, mw_err *err) {
    static const char *const time_column[] = {"time"};
    if (!mw_dir_has(dir, segment->file)) return fail_missing(segment, err);
    mw_status status = whole ? mw_file_verify(ctx, dir, segment->file, err) : MW_OK;
    int64_t rows = 0;
    if (!status)
        status = count_rows(ctx, dir, segment->file, whole ? NULL : time_column, &rows, err);
    if (!status && rows != segment->n_rows)
        status =
            mw_fail(err, MW_EDATA, "segment %s holds %lld rows, not the %lld of %s", segment->file,
                    (long long)rows, (long long)segment->n_rows, segment->source);
    if (status && !mw_op__interrupted(status)) {
        status = err ? err->code = MW_EDATA : MW_EDATA;
        mw_err_hint(err, "restore it from a backup, or ingest %s again", segment->source);
    }
    return status;
}

/* MW_OK when it is there, or nobody has it: the check says so then. */
static mw_status bring(const mw_app *app, const mw_ctx *ctx, const char *dataset, mw_dir *dir,
                       const char *file, mw_err *err) {
    mw_status status =
        file ? mw_artifacts_need(ctx, app->artifacts, dataset, dir, file, err) : MW_OK;
    return status == MW_ENOTFOUND || status == MW_EDATA ? MW_OK : status;
}

mw_status mw_op__have_segment(const mw_app *app, const mw_ctx *ctx, const char *dataset,
                              mw_dir *dir, const mw_segment_record *segment, bool whole,
                              mw_err *err) {
    char name[MW_ARTIFACT_NAME];
    mw_status status = bring(app, ctx, dataset, dir, segment->file, err);
    if (!status) status = bring(app, ctx, dataset, dir, segment->quality, err);
    if (!status) status = mw_op__check_segment(ctx, dir, segment, whole, err);
    if (status != MW_EDATA || !app->artifacts) return status;
    mw_err why = {0};
    mw_artifact_of_dataset(ctx->org, dataset, segment->file, name);
    mw_status fetched = mw_artifacts_get(ctx, app->artifacts, name, dir, segment->file, &why);
    if (fetched == MW_OK) return mw_op__check_segment(ctx, dir, segment, whole, err);
    if (fetched != MW_ENOTFOUND && fetched != MW_EDATA && err) *err = why;
    return fetched != MW_ENOTFOUND && fetched != MW_EDATA ? fetched : status;
}

typedef struct wanted {
    const mw_op__filter *filter;
    const char *const *columns;
    size_t n_columns;
    const mw_op__visitor *visitor;
} wanted;

static mw_status visit_chunk(const mw_ctx *ctx, const mw_schema *schema, const mw_chunk *chunk,
                             const wanted *w, mw_err *err) {
    uint8_t *pass = mw_alloc(ctx->mem, (size_t)chunk->n_rows);
    if (!pass) return mw_fail_nomem(err, "a row filter");
    memset(pass, 1, (size_t)chunk->n_rows);
    apply(schema, chunk, "device_id", w->filter->device, pass);
    apply(schema, chunk, "employee_id", w->filter->employee_id, pass);
    apply(schema, chunk, "category", w->filter->category, pass);
    mw_status status = w->visitor->rows(w->visitor->self, schema, chunk, pass, err);
    mw_free(pass);
    return status;
}

static mw_status visit(const mw_ctx *ctx, mw_dir *dir, const char *file, size_t index,
                       const wanted *w, mw_err *err) {
    mw_ipc_reader *reader;
    mw_status status = mw_dataset_check(ctx, dir, file, err);
    if (!status)
        status = mw_ipc_reader_open(ctx, dir, file, w->columns, w->n_columns, &reader, err);
    if (status) return status;
    const mw_schema *schema = mw_ipc_reader_schema(reader);
    /* The writer of parts takes rows in the order of their times only. */
    bool ordered = mw_ipc_reader_has_meta(reader, "millwright.part");
    status = w->visitor->segment(w->visitor->self, index, schema, ordered, err);
    while (!status) {
        mw_chunk *chunk = NULL;
        status = mw_ctx_check(ctx, err);
        if (!status) status = mw_ipc_reader_next(reader, &chunk, err);
        if (status || !chunk) break;
        status = visit_chunk(ctx, schema, chunk, w, err);
        mw_chunk_free(chunk);
    }
    mw_ipc_reader_close(reader);
    return status;
}

static mw_status visit_quality(const mw_ctx *ctx, mw_dir *dir, const char *file,
                               const mw_op__visitor *visitor, mw_err *err) {
    mw_table *table;
    mw_status status = mw_ipc_read(ctx, dir, file, NULL, 0, &table, err);
    if (status) return status;
    status = visitor->quality(visitor->self, table, err);
    mw_table_free(table);
    return status;
}

/* *gone: a segment's file was not there, as when a concurrent commit has just replaced it. */
static mw_status walk(const mw_call *call, const char *dataset, const wanted *w, bool *gone,
                      mw_err *err) {
    *gone = false;
    const mw_ctx *ctx = call->ctx;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_segment_record *segments = NULL;
    size_t n = 0;
    mw_dir *dir = NULL;
    mw_status status =
        mw_store_segments(ctx, call->app->store, &arena, dataset, &segments, &n, err);
    if (status == MW_ENOTFOUND || (!status && n == 0)) {
        mw_fail(err, MW_ECONFLICT, "the dataset \"%.64s\" has no rows yet", dataset);
        mw_err_hint(err,
                    "POST /train ingests the files of the csv folder; `millwright ingest FILE` "
                    "adds others");
        status = MW_ECONFLICT;
    }
    if (!status) status = mw_app_folder(call->app, ctx, "datasets", dataset, &dir, err);
    if (!status) status = w->visitor->begin(w->visitor->self, segments, n, err);
    for (size_t i = 0; i < n && !status; i++) {
        status = mw_ctx_check(ctx, err);
        if (!status)
            status =
                mw_artifacts_need(ctx, call->app->artifacts, dataset, dir, segments[i].file, err);
        *gone = status == MW_ENOTFOUND;
        if (*gone) status = fail_missing(&segments[i], err);
        if (!status) status = visit(ctx, dir, segments[i].file, i, w, err);
        if (!status && w->visitor->quality && segments[i].quality) {
            status = mw_artifacts_need(ctx, call->app->artifacts, dataset, dir, segments[i].quality,
                                       err);
            *gone = status == MW_ENOTFOUND;
            if (*gone) status = fail_missing_quality(&segments[i], err);
            if (!status) status = visit_quality(ctx, dir, segments[i].quality, w->visitor, err);
        }
    }
    mw_dir_close(dir);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_op__each_segment(const mw_call *call, const char *dataset, const mw_op__filter *filter,
                              const char *const *columns, size_t n_columns,
                              const mw_op__visitor *visitor, mw_err *err) {
    if (!mw_name_valid(dataset))
        return mw_fail(err, MW_EINVAL, "a dataset's name is 1 to 64 letters, digits, '_' or '-'");
    const char *names[MAX_COLUMNS];
    size_t n_names = 0;
    if (columns) {
        for (; n_names < n_columns && n_names < MAX_COLUMNS - N_FILTERS; n_names++)
            names[n_names] = columns[n_names];
        const char *const values[N_FILTERS] = {filter->device, filter->employee_id,
                                               filter->category};
        for (size_t i = 0; i < N_FILTERS; i++) {
            bool named = false;
            for (size_t k = 0; k < n_columns; k++)
                named = named || strcmp(columns[k], filter_columns[i]) == 0;
            if (values[i] && !named) names[n_names++] = filter_columns[i];
        }
    }
    const wanted w = {filter, columns ? names : NULL, n_names, visitor};
    bool gone;
    mw_status status = walk(call, dataset, &w, &gone, err);
    if (gone || status == MW_ENOTFOUND) status = walk(call, dataset, &w, &gone, err);
    return status;
}
