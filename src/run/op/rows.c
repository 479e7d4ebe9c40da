/* rows.c -- see rows.h. */
#include "run/op/rows.h"

#include <string.h>

#include "core/table/ipc.h"
#include "keep/ingest/ingest.h"

static const char *const filter_columns[] = {"device_id", "employee_id", "category"};
enum { N_FILTERS = 3, MAX_COLUMNS = 16 };

static void apply(const mw_table *table, const char *column_name, const char *value,
                  uint8_t *pass) {
    if (!value) return;
    const mw_column *column = mw_table_column(table, column_name);
    if (!column || column->type != MW_DICTIONARY) {
        memset(pass, 0, (size_t)table->n_rows);
        return;
    }
    int32_t code = mw_dictionary_find(column->dictionary, mw_str_of(value));
    for (int64_t row = 0; row < table->n_rows; row++)
        if (code < 0 || column->codes[row] != code) pass[row] = 0;
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

mw_status mw_op__check_segment(const mw_ctx *ctx, mw_dir *dir, const mw_segment_record *segment,
                               bool whole, mw_err *err) {
    static const char *const time_column[] = {"time"};
    if (!mw_dir_has(dir, segment->file)) return fail_missing(segment, err);
    mw_table *table = NULL;
    mw_status status =
        mw_ipc_read(ctx, dir, segment->file, whole ? NULL : time_column, 1, &table, err);
    if (!status && table->n_rows != segment->n_rows)
        status =
            mw_fail(err, MW_EDATA, "segment %s holds %lld rows, not the %lld of %s", segment->file,
                    (long long)table->n_rows, (long long)segment->n_rows, segment->source);
    mw_table_free(table);
    if (status && !mw_op__interrupted(status)) {
        status = err ? err->code = MW_EDATA : MW_EDATA;
        mw_err_hint(err, "restore it from a backup, or ingest %s again", segment->source);
    }
    return status;
}

static mw_status visit(const mw_ctx *ctx, mw_dir *dir, const char *file,
                       const mw_op__filter *filter, const char *const *columns, size_t n_columns,
                       const mw_op__visitor *visitor, mw_err *err) {
    mw_table *table;
    mw_status status = mw_dataset_read(ctx, dir, &file, 1, columns, n_columns, &table, err);
    if (status) return status;
    uint8_t *pass = mw_alloc(ctx->mem, (size_t)table->n_rows + 1);
    if (pass) {
        memset(pass, 1, (size_t)table->n_rows);
        apply(table, "device_id", filter->device, pass);
        apply(table, "employee_id", filter->employee_id, pass);
        apply(table, "category", filter->category, pass);
        status = visitor->segment(visitor->self, table, pass, err);
    } else {
        status = mw_fail_nomem(err, "a row filter");
    }
    mw_free(pass);
    mw_table_free(table);
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
static mw_status walk(const mw_call *call, const char *dataset, const mw_op__filter *filter,
                      const char *const *columns, size_t n_columns, const mw_op__visitor *visitor,
                      bool *gone, mw_err *err) {
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
    if (!status) status = visitor->begin(visitor->self, segments, n, err);
    for (size_t i = 0; i < n && !status; i++) {
        status = mw_ctx_check(ctx, err);
        *gone = !status && !mw_dir_has(dir, segments[i].file);
        if (*gone) status = fail_missing(&segments[i], err);
        if (!status)
            status = visit(ctx, dir, segments[i].file, filter, columns, n_columns, visitor, err);
        if (!status && visitor->quality && segments[i].quality) {
            *gone = !mw_dir_has(dir, segments[i].quality);
            status = *gone ? fail_missing_quality(&segments[i], err)
                           : visit_quality(ctx, dir, segments[i].quality, visitor, err);
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
    const char *wanted[MAX_COLUMNS];
    size_t n_wanted = 0;
    if (columns) {
        for (; n_wanted < n_columns && n_wanted < MAX_COLUMNS - N_FILTERS; n_wanted++)
            wanted[n_wanted] = columns[n_wanted];
        const char *const values[N_FILTERS] = {filter->device, filter->employee_id,
                                               filter->category};
        for (size_t i = 0; i < N_FILTERS; i++) {
            bool named = false;
            for (size_t k = 0; k < n_columns; k++)
                named = named || strcmp(columns[k], filter_columns[i]) == 0;
            if (values[i] && !named) wanted[n_wanted++] = filter_columns[i];
        }
    }
    const char *const *list = columns ? wanted : NULL;
    bool gone;
    mw_status status = walk(call, dataset, filter, list, n_wanted, visitor, &gone, err);
    if (gone || status == MW_ENOTFOUND)
        status = walk(call, dataset, filter, list, n_wanted, visitor, &gone, err);
    return status;
}
