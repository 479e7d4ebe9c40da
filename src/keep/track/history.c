/* history.c -- see history.h. */
#include "keep/track/history.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/json.h"

/* A stored JSON text goes in as it is; anything else as null, so that the file always parses. */
static void add_json(mw_json_writer *writer, mw_arena *arena, const char *key, const char *json) {
    const mw_json *value = NULL;
    mw_json_key(writer, key);
    mw_status status = json ? mw_json_parse(arena, json, strlen(json), &value, NULL) : MW_EPARSE;
    if (status == MW_OK)
        mw_json_write_value(writer, value);
    else
        mw_json_write_null(writer);
    if (status == MW_ENOMEM && writer->buf->failed == MW_OK) writer->buf->failed = MW_ENOMEM;
}

static void add_version(mw_json_writer *writer, mw_arena *arena, const mw_version_record *version) {
    mw_json_object(writer);
    mw_json_add_string(writer, "model", version->model);
    mw_json_add_int(writer, "version", version->version);
    mw_json_add_string(writer, "run_id", version->run_id);
    mw_json_add_string(writer, "job_id", version->job_id);
    mw_json_add_time(writer, "time", version->created_us);
    mw_json_add_string(writer, "folder", version->folder);
    mw_json_add_string(writer, "data_hash", version->data_hash);
    mw_json_add_string(writer, "sha256", version->sha256);
    mw_json_add_bool(writer, "production", version->production);
    add_json(writer, arena, "params", version->params);
    add_json(writer, arena, "metrics", version->metrics);
    mw_json_object_end(writer);
}

static void add_metrics(mw_json_writer *writer, mw_arena *arena, const mw_version_record *version) {
    mw_json_object(writer);
    mw_json_add_time(writer, "time", version->created_us);
    mw_json_add_string(writer, "model", version->model);
    mw_json_add_int(writer, "version", version->version);
    mw_json_add_string(writer, "run_id", version->run_id);
    add_json(writer, arena, "metrics", version->metrics);
    mw_json_object_end(writer);
}

static int by_time(const void *a, const void *b) {
    const mw_version_record *left = *(const mw_version_record *const *)a,
                            *right = *(const mw_version_record *const *)b;
    if (left->created_us != right->created_us) return left->created_us < right->created_us ? -1 : 1;
    int order = strcmp(left->model, right->model);
    if (order) return order;
    return left->version < right->version ? -1 : left->version > right->version;
}

typedef void (*add_fn)(mw_json_writer *writer, mw_arena *arena, const mw_version_record *version);

static mw_status write_file(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *list,
                            const mw_version_record *const *versions, size_t n, add_fn add,
                            mw_err *err) {
    mw_buf text;
    mw_json_writer writer;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&writer, &text, 2);
    mw_json_object(&writer);
    mw_json_add_int(&writer, "format_version", MW_HISTORY_FORMAT);
    mw_json_add_string(&writer, "organization", ctx->org);
    mw_json_key(&writer, list);
    mw_json_array(&writer);
    for (size_t i = 0; i < n; i++) {
        add(&writer, &arena, versions[i]);
        mw_arena_reset(&arena);
    }
    mw_json_array_end(&writer);
    mw_json_object_end(&writer);
    mw_buf_add_char(&text, '\n');
    mw_status status = mw_buf_status(&text, name, err);
    if (status == MW_OK)
        status = mw_file_replace(ctx, dir, name, mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_track_write_history(const mw_ctx *ctx, mw_store *store, mw_dir *models_dir,
                                 mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_version_record *versions = NULL;
    size_t n = 0;
    mw_status status = mw_store_versions(ctx, store, &arena, NULL, &versions, &n, err);
    const mw_version_record **order = NULL;
    if (status == MW_OK) {
        order = mw_arena_calloc(&arena, n + 1, sizeof *order);
        if (!order) status = mw_fail_nomem(err, "the history of trainings");
    }
    for (size_t i = 0; status == MW_OK && i < n; i++) order[i] = &versions[i];
    if (status == MW_OK)
        status =
            write_file(ctx, models_dir, "registry.json", "versions", order, n, add_version, err);
    if (status == MW_OK) {
        qsort(order, n, sizeof *order, by_time);
        status =
            write_file(ctx, models_dir, "metrics.json", "trainings", order, n, add_metrics, err);
    }
    mw_arena_done(&arena);
    return status;
}
