/*
 * dataset_reads.c -- which files a job of a dataset reads, for a worker that has no others (mw_job_kind.reads).
 *
 * Work that only adds files needs the dataset's columns and no rows: those it gets in a file made for it, so that nobody carries a whole dataset for
 * one more file.
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/op/dataset_job.h"

/* [["rpm", 1], ...]: the columns and their types, in their order. */
mw_status mw_op__read_columns(const mw_ctx *ctx, mw_dir *folder, mw_schema **ret, mw_err *err) {
    char *text;
    size_t size;
    const mw_json *list = NULL;
    mw_schema *schema = NULL;
    mw_status status = mw_file_read(ctx, folder, MW_OP__COLUMNS_FILE, (size_t)MW_LIMIT(JSON_BYTES),
                                    &text, &size, err);
    if (status) return status;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    status = mw_json_parse(&arena, text, size, &list, err);
    if (!status) status = mw_schema_new(ctx->mem, &schema, err);
    for (const mw_json *item = list ? list->first : NULL; item && !status; item = item->next) {
        const mw_json *name = item->first, *type = name ? name->next : NULL;
        const int64_t number = mw_json_int(type, -1);
        int32_t index;
        if (number < 0 || number > MW_UTF8)
            status = mw_fail(err, MW_EDATA, "%s is damaged", MW_OP__COLUMNS_FILE);
        else
            status = mw_schema_add(schema, mw_json_string(name, ""), (mw_type)number, &index, err);
    }
    mw_arena_done(&arena);
    mw_free(text);
    if (!status && schema->n_columns > 0)
        *ret = schema;
    else
        mw_schema_free(schema);
    return status;
}

static mw_status write_columns(const mw_schema *columns, const mw_json *payload, mw_arena *arena,
                               const mw_job_reads *to, mw_err *err) {
    mw_buf text;
    mw_json_writer w;
    mw_str folder = mw_json_string(mw_json_get(payload, "dataset_path"), "");
    const char *path =
        mw_arena_printf(arena, "%.*s/" MW_OP__COLUMNS_FILE, (int)folder.size, folder.data);
    if (!path) return mw_fail_nomem(err, "a path");
    mw_buf_init(&text, arena->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &text, 0);
    mw_json_array(&w);
    for (int32_t i = 0; columns && i < columns->n_columns; i++) {
        mw_json_array(&w);
        mw_json_write_string(&w, columns->columns[i].name);
        mw_json_write_int(&w, columns->columns[i].type);
        mw_json_array_end(&w);
    }
    mw_json_array_end(&w);
    mw_status status = mw_buf_status(&text, "the dataset's columns", err);
    if (!status) status = to->made(to->self, path, mw_buf_str(&text), err);
    mw_buf_done(&text);
    return status;
}

static mw_status name_known(const mw_json *payload, const mw_json *known, mw_arena *arena,
                            const mw_job_reads *to, mw_err *err) {
    mw_str folder = mw_json_string(mw_json_get(payload, "dataset_path"), "");
    static const char *const members[] = {"file", "quality"};
    mw_status status = MW_OK;
    for (size_t i = 0; i < sizeof members / sizeof *members && !status; i++) {
        mw_str file = mw_json_string(mw_json_get(known, members[i]), "");
        if (!file.size) continue;
        const char *path = mw_arena_printf(arena, "%.*s/%.*s", (int)folder.size, folder.data,
                                           (int)file.size, file.data);
        status = path ? to->file(to->self, path, err) : mw_fail_nomem(err, "a path");
    }
    return status;
}

/* Whether a path is that of the source, which is called by its last name. */
static bool names_source(const mw_json *paths, mw_str source) {
    for (const mw_json *item = paths ? paths->first : NULL; item; item = item->next) {
        mw_str path = item->string;
        if (path.size < source.size) continue;
        const char *name = path.data + path.size - source.size;
        if (memcmp(name, source.data, source.size) == 0 && (name == path.data || name[-1] == '/'))
            return true;
    }
    return false;
}

static mw_status name_files(const mw_ctx *ctx, const mw_json *payload, bool all,
                            const mw_job_reads *to, mw_err *err) {
    const mw_json *paths = mw_json_get(payload, "paths"), *known = mw_json_get(payload, "known");
    mw_arena arena;
    mw_status status = MW_OK;
    mw_arena_init(&arena, ctx->mem);
    for (const mw_json *item = paths ? paths->first : NULL; item && !status; item = item->next) {
        const char *path = mw_arena_strndup(&arena, item->string.data, item->string.size);
        status = path ? to->file(to->self, path, err) : mw_fail_nomem(err, "a path");
    }
    for (const mw_json *item = known ? known->first : NULL; item && !status; item = item->next)
        if (all || names_source(paths, mw_json_string(mw_json_get(item, "source"), "")))
            status = name_known(payload, item, &arena, to, err);
    mw_schema *columns = NULL;
    if (!status && !all) status = mw_op__dataset_columns(ctx, payload, &columns, err);
    if (!status && !all) status = write_columns(columns, payload, &arena, to, err);
    mw_schema_free(columns);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_op__reads_rows(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                            mw_err *err) {
    return name_files(ctx, payload, true, to, err);
}

mw_status mw_op__reads_files(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                             mw_err *err) {
    return name_files(ctx, payload, false, to, err);
}
