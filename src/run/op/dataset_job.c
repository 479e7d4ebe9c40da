/* dataset_job.c -- see dataset_job.h. */
#include "run/op/dataset_job.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/table/ipc.h"
#include "keep/ingest/asked.h"
#include "keep/ingest/drift.h"
#include "keep/ingest/resume.h"
#include "run/op/rows.h"

/* ---- prepare ---- */

/* A segment that cannot be read is written anew when its source comes again, changed or not. MW_EBUSY when it may be read later. */
static mw_status is_sound(const mw_call *call, const char *dataset, mw_dir *folder,
                          const mw_segment_record *segment, bool *ret, mw_err *err) {
    mw_err why = {0};
    mw_status status =
        folder ? mw_op__have_segment(call->app, call->ctx, dataset, folder, segment, false, &why)
               : MW_EDATA;
    *ret = status != MW_EDATA;
    if (status == MW_EDATA)
        mw_log_warn(call->ctx, "%s", folder ? why.message : "the dataset's folder is missing");
    if (status != MW_EBUSY) return MW_OK;
    if (err) *err = why;
    return status;
}

/* Sources with a segment that is not sound: all their parts are written anew. */
static mw_status find_unsound(const mw_call *call, const char *dataset, mw_dir *folder,
                              const mw_segment_record *segments, size_t n, mw_dictionary *unsound,
                              mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && !status; i++) {
        int32_t code;
        bool sound = true;
        status = mw_ctx_check(call->ctx, err);
        if (!status) status = is_sound(call, dataset, folder, &segments[i], &sound, err);
        if (!status && !sound)
            status = mw_dictionary_add(unsound, mw_str_of(segments[i].source), &code, err);
    }
    return status;
}

static void write_known(mw_json_writer *writer, const mw_segment_record *segments, size_t n,
                        const mw_dictionary *unsound) {
    mw_json_key(writer, "known");
    mw_json_array(writer);
    for (size_t i = 0; i < n; i++) {
        bool sound = mw_dictionary_find(unsound, mw_str_of(segments[i].source)) < 0;
        mw_json_object(writer);
        mw_json_add_string(writer, "source", segments[i].source);
        mw_json_add_int(writer, "part", segments[i].part);
        mw_json_add_string(writer, "content_hash", sound ? segments[i].content_hash : "");
        mw_json_add_string(writer, "file", segments[i].file);
        mw_json_add_int(writer, "first_us", segments[i].first_us);
        if (segments[i].quality) mw_json_add_string(writer, "quality", segments[i].quality);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

/* A missing folder is no error: *ret is NULL then. */
static mw_status open_if_there(const mw_ctx *ctx, const char *path, mw_dir **ret, mw_err *err) {
    *ret = NULL;
    mw_status status = mw_dir_open(ctx, path, MW_DIR_MUST_EXIST, ret, err);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

mw_status mw_op__write_dataset(const mw_call *call, mw_json_writer *writer, const char *dataset,
                               const char *const *paths, size_t n_paths, size_t *n_known,
                               mw_err *err) {
    if (!mw_name_valid(dataset))
        return mw_fail(err, MW_EINVAL, "a dataset's name is 1 to 64 letters, digits, '_' or '-'");
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_segment_record *segments;
    size_t n = 0;
    mw_status status =
        mw_store_segments(call->ctx, call->app->store, &arena, dataset, &segments, &n, err);
    if (status == MW_ENOTFOUND) status = MW_OK; /* its first files make it */
    const char *path = mw_app_dataset_path(call->app, call->ctx, dataset, &arena);
    if (!status && !path) status = mw_fail_nomem(err, "a path");
    mw_dir *folder = NULL;
    mw_dictionary *unsound = NULL;
    if (!status && n && call->app->artifacts)
        status = mw_app_folder(call->app, call->ctx, "datasets", dataset, &folder, err);
    else if (!status && n)
        status = open_if_there(call->ctx, path, &folder, err);
    if (!status) status = mw_dictionary_new(call->ctx->mem, &unsound, err);
    if (!status) status = find_unsound(call, dataset, folder, segments, n, unsound, err);
    if (!status) {
        mw_json_add_string(writer, "dataset", dataset);
        mw_json_add_string(writer, "dataset_path", path);
        mw_json_key(writer, "paths");
        mw_json_array(writer);
        for (size_t i = 0; i < n_paths; i++) mw_json_write_string(writer, paths[i]);
        mw_json_array_end(writer);
        write_known(writer, segments, n, unsound);
        *n_known = n;
    }
    mw_dictionary_free(unsound);
    mw_dir_close(folder);
    mw_arena_done(&arena);
    return status;
}

/* ---- work ---- */

static bool table_has(const mw_param *table, mw_str name) {
    for (; table->name; table++)
        if (mw_str_is(name, table->name)) return true;
    return false;
}

static mw_status set_member(mw_args *args, const mw_json *member, mw_err *err) {
    if (member->kind == MW_JSON_NULL) return MW_OK;
    mw_json alone = *member;
    alone.next = NULL;
    mw_json object = {.kind = MW_JSON_OBJECT, .n_children = 1, .first = &alone};
    return mw_args_set_json(args, &object, err);
}

mw_status mw_op__args(const mw_ctx *ctx, const mw_json *payload, const mw_param *table,
                      mw_args **ret, mw_err *err) {
    mw_args *args;
    mw_status status = mw_args_new(ctx->mem, table, &args, err);
    if (status) return status;
    const mw_json *values = mw_json_get(payload, "args");
    for (const mw_json *item = values ? values->first : NULL; item && !status; item = item->next)
        if (table_has(table, item->key)) status = set_member(args, item, err);
    if (!status) status = mw_args_finish(args, err);
    if (status) {
        mw_args_free(args);
        return status;
    }
    *ret = args;
    return MW_OK;
}

static const char *keep_string(mw_arena *arena, const mw_json *object, const char *key) {
    mw_str text = mw_json_string(mw_json_get(object, key), "");
    return mw_arena_strndup(arena, text.data, text.size);
}

mw_status mw_op__dataset_columns(const mw_ctx *ctx, const mw_json *payload, mw_schema **ret,
                                 mw_err *err) {
    const mw_json *known = mw_json_get(payload, "known");
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_dir *folder = NULL;
    *ret = NULL;
    const char *path = keep_string(&arena, payload, "dataset_path");
    const char **files =
        mw_arena_calloc(&arena, (known ? known->n_children : 0) + 1, sizeof *files);
    mw_status status = path && files ? MW_OK : mw_fail_nomem(err, "the list of segments");
    if (!status) status = open_if_there(ctx, path, &folder, err);
    size_t n = 0;
    if (!status && folder && mw_dir_has(folder, MW_OP__COLUMNS_FILE)) {
        status = mw_op__read_columns(ctx, folder, ret, err);
        folder = mw_dir_close(folder);
        known = NULL;
    }
    for (const mw_json *item = known ? known->first : NULL; item && !status; item = item->next) {
        files[n] = keep_string(&arena, item, "file");
        if (!files[n++]) status = mw_fail_nomem(err, "the list of segments");
    }
    if (!status && folder) status = mw_drift_columns(ctx, folder, files, n, ret, err);
    mw_dir_close(folder);
    mw_arena_done(&arena);
    return status;
}

bool mw_op__left(const mw_ctx *ctx, const mw_json *dead, const mw_json *next, mw_dir *work_dir) {
    mw_resume resume;
    mw_str dataset = mw_json_string(mw_json_get(dead, "dataset"), "");
    if (next && !mw_str_eq(dataset, mw_json_string(mw_json_get(next, "dataset"), ""))) return false;
    if (mw_resume_open(ctx, work_dir, &resume, NULL)) return false;
    bool holds = mw_resume_holds(ctx, &resume);
    mw_resume_close(&resume);
    return holds;
}

static mw_status open_left(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir,
                           mw_resume *resume, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_resume_open(ctx, work_dir, resume, err);
    const char *path = keep_string(&arena, payload, "dataset_path");
    if (!status && !path) status = mw_fail_nomem(err, "a path");
    if (!status) status = open_if_there(ctx, path, &resume->dataset, err);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_op__ingest(const mw_ctx *ctx, const mw_json *payload, const mw_args *args,
                        mw_dir *work_dir, mw_ingest_result *ret, mw_err *err) {
    const mw_json *paths = mw_json_get(payload, "paths"), *known = mw_json_get(payload, "known");
    uint32_t n_paths = paths ? paths->n_children : 0, n_known = known ? known->n_children : 0;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char **path_list = mw_arena_calloc(&arena, n_paths + 1, sizeof *path_list);
    mw_ingest_known *known_list = mw_arena_calloc(&arena, n_known + 1, sizeof *known_list);
    mw_status status = MW_OK;
    if (!path_list || !known_list) status = mw_fail_nomem(err, "the list of files");
    uint32_t i = 0;
    for (const mw_json *item = paths ? paths->first : NULL; item && !status; item = item->next) {
        path_list[i] = mw_arena_strndup(&arena, item->string.data, item->string.size);
        if (!path_list[i++]) status = mw_fail_nomem(err, "the list of files");
    }
    i = 0;
    for (const mw_json *item = known ? known->first : NULL; item && !status; item = item->next) {
        known_list[i].source = keep_string(&arena, item, "source");
        known_list[i].content_hash = keep_string(&arena, item, "content_hash");
        known_list[i].segment = keep_string(&arena, item, "file");
        if (!known_list[i].source || !known_list[i].content_hash || !known_list[i].segment)
            status = mw_fail_nomem(err, "the list of files");
        i++;
    }
    mw_dir *staging = NULL;
    mw_schema *columns = NULL;
    mw_resume resume = {.n = 0};
    if (!status) status = mw_op__dataset_columns(ctx, payload, &columns, err);
    if (!status) status = open_left(ctx, payload, work_dir, &resume, err);
    if (!status) status = mw_dir_sub(ctx, work_dir, "segments", MW_DIR_CREATE, &staging, err);
    if (!status)
        status = mw_ingest_resume(ctx, path_list, n_paths, known_list, n_known, columns, args,
                                  &resume, staging, ret, err);
    mw_resume_close(&resume);
    if (!status && mw_dir_remove(ctx, work_dir, MW_JOB_LEFT, NULL))
        mw_log_warn(ctx, "what a dead job left stays until this job ends");
    mw_schema_free(columns);
    mw_dir_close(staging);
    mw_arena_done(&arena);
    return status;
}

static void write_segments(const mw_ingest_file *file, mw_json_writer *writer) {
    mw_json_key(writer, "segments");
    mw_json_array(writer);
    for (size_t i = 0; i < file->n_segments; i++) {
        const mw_ingest_part *part = &file->segments[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "file", part->file);
        mw_json_add_int(writer, "bytes", (int64_t)part->bytes);
        mw_json_add_int(writer, "rows", part->n_rows);
        mw_json_add_int(writer, "first_us", part->first_us);
        mw_json_add_int(writer, "last_us", part->last_us);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

void mw_op__write_files(const mw_ingest_result *result, mw_json_writer *writer) {
    mw_json_key(writer, "files");
    mw_json_array(writer);
    for (size_t i = 0; i < result->n_files; i++) {
        const mw_ingest_file *file = &result->files[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "source", file->source);
        mw_json_add_string(writer, "content_hash", file->content_hash);
        mw_json_add_bool(writer, "unchanged", file->unchanged);
        mw_json_add_bool(writer, "replaces", file->replaces);
        mw_json_add_bool(writer, "resumed", file->resumed);
        mw_json_add_string(writer, "segment", file->n_segments ? file->segments[0].file : NULL);
        write_segments(file, writer);
        mw_json_add_string(writer, "quality", file->quality);
        mw_json_add_string(writer, "rejects", file->rejects);
        mw_json_add_string(writer, "layout", file->layout);
        mw_json_key(writer, "findings");
        mw_json_write_raw(writer, mw_str_of(file->findings ? file->findings : "null"));
        mw_json_key(writer, "drift");
        mw_json_write_raw(writer, mw_str_of(file->drift ? file->drift : "null"));
        mw_json_add_int(writer, "out_of_order", file->n_out_of_order);
        mw_json_add_bool(writer, "merged", file->merged);
        mw_json_add_int(writer, "bytes", (int64_t)file->bytes);
        mw_json_add_int(writer, "lines", file->n_lines);
        mw_json_add_int(writer, "rows", file->n_rows);
        mw_json_add_int(writer, "rejected", file->n_rejected);
        mw_json_add_int(writer, "collisions", file->n_collisions);
        mw_json_add_int(writer, "duplicates", file->n_duplicates);
        mw_json_add_int(writer, "late", file->n_late);
        mw_json_add_int(writer, "first_us", file->first_us);
        mw_json_add_int(writer, "last_us", file->last_us);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

typedef struct piece {
    mw_str source, content_hash, file;
    mw_str quality; /* empty: none */
    int64_t part, first_us;
    bool staged;
} piece;

static int by_time(const void *a, const void *b) {
    const piece *x = a, *y = b;
    if (x->first_us != y->first_us) return x->first_us < y->first_us ? -1 : 1;
    int order = mw_str_compare(x->source, y->source);
    return order ? order : (x->part > y->part) - (x->part < y->part);
}

/* The segments that will be live after the commit: known ones that are not replaced, and new ones.
 */
static size_t collect_pieces(const mw_json *known, const mw_ingest_result *ingested,
                             piece *pieces) {
    size_t n = 0;
    for (size_t i = 0; i < ingested->n_files; i++) {
        const mw_ingest_file *file = &ingested->files[i];
        for (size_t k = 0; k < file->n_segments && !file->unchanged; k++)
            pieces[n++] =
                (piece){.source = mw_str_of(file->source),
                        .content_hash = mw_str_of(file->content_hash),
                        .file = mw_str_of(file->segments[k].file),
                        .quality = mw_str_of(k == 0 && file->quality ? file->quality : ""),
                        .part = (int64_t)k,
                        .first_us = file->segments[k].first_us,
                        .staged = true};
    }
    size_t n_new = n;
    for (const mw_json *item = known ? known->first : NULL; item; item = item->next) {
        piece old = {mw_json_string(mw_json_get(item, "source"), ""),
                     mw_json_string(mw_json_get(item, "content_hash"), ""),
                     mw_json_string(mw_json_get(item, "file"), ""),
                     mw_json_string(mw_json_get(item, "quality"), ""),
                     mw_json_int(mw_json_get(item, "part"), 0),
                     mw_json_int(mw_json_get(item, "first_us"), 0),
                     false};
        bool replaced = false;
        for (size_t i = 0; i < n_new && !replaced; i++)
            replaced = mw_str_eq(pieces[i].source, old.source);
        if (!replaced) pieces[n++] = old;
    }
    qsort(pieces, n, sizeof *pieces, by_time);
    return n;
}

/* Of the sources' contents, and of what they were read with (asked.h): the same file in another zone is other data. */
static mw_status hash_pieces(const mw_ctx *ctx, const piece *pieces, const mw_dataset_piece *files,
                             size_t n, char hex[MW_SHA256_HEX], mw_err *err) {
    mw_sha256 *sha;
    mw_status status = mw_sha256_new(&sha, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) {
        char mark[MW_SHA256_HEX];
        if (pieces[i].part > 0) continue; /* the hash is of the whole source */
        mw_asked_before(ctx, files[i].dir, files[i].file, mark);
        mw_sha256_add(sha, pieces[i].source.data, pieces[i].source.size);
        mw_sha256_add(sha, "\0", 1);
        mw_sha256_add(sha, pieces[i].content_hash.data, pieces[i].content_hash.size);
        if (*mark) mw_sha256_add(sha, "\0", 1);
        mw_sha256_add(sha, mark, strlen(mark));
        mw_sha256_add(sha, "\n", 1);
    }
    mw_sha256_finish(sha, hex);
    return MW_OK;
}

/* The piece as the reader of datasets has it: its folder and file. */
static mw_status find_piece(const piece *p, mw_dir *dataset, mw_dir *staging, mw_arena *arena,
                            mw_dataset_piece *ret, mw_err *err) {
    const char *file = mw_arena_strndup(arena, p->file.data, p->file.size);
    if (!file) return mw_fail_nomem(err, "the list of files");
    mw_dir *dir = p->staged ? staging : dataset;
    if (!dir || !mw_dir_has(dir, file)) {
        mw_fail(err, MW_EDATA, "segment %s is missing: it holds the rows of %.*s", file,
                (int)p->source.size, p->source.data);
        return mw_err_hint(err, "restore it from a backup, or ingest %.*s again",
                           (int)p->source.size, p->source.data);
    }
    *ret = (mw_dataset_piece){.dir = dir, .file = file, .first_us = p->first_us};
    return MW_OK;
}

/* The same of a piece's flagged windows. */
static mw_status find_flagged(const piece *p, mw_op__rows *rows, mw_err *err) {
    if (p->quality.size == 0) return MW_OK;
    const char *file = mw_arena_strndup(&rows->arena, p->quality.data, p->quality.size);
    if (!file) return mw_fail_nomem(err, "the list of files");
    rows->flagged[rows->n_flagged++] =
        (mw_dataset_piece){.dir = p->staged ? rows->staging : rows->folder, .file = file};
    return MW_OK;
}

/* Either folder may be missing as long as no piece lies in it. */
static mw_status open_folders(mw_op__rows *rows, const mw_ctx *ctx, const char *path,
                              mw_dir *work_dir, mw_err *err) {
    mw_status status = open_if_there(ctx, path, &rows->folder, err);
    if (!status)
        status = mw_dir_sub(ctx, work_dir, "segments", MW_DIR_MUST_EXIST, &rows->staging, err);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

mw_status mw_op__open_rows(const mw_ctx *ctx, const mw_json *payload,
                           const mw_ingest_result *ingested, mw_dir *work_dir, mw_op__rows *rows,
                           mw_err *err) {
    const mw_json *known = mw_json_get(payload, "known");
    size_t most = known ? known->n_children : 0, n = 0;
    for (size_t i = 0; i < ingested->n_files; i++) most += ingested->files[i].n_segments;
    *rows = (mw_op__rows){0};
    mw_arena_init(&rows->arena, ctx->mem);
    piece *pieces = mw_arena_calloc(&rows->arena, most + 1, sizeof *pieces);
    mw_dataset_piece *files = mw_arena_calloc(&rows->arena, most + 1, sizeof *files);
    const char *path = keep_string(&rows->arena, payload, "dataset_path");
    rows->flagged = mw_arena_calloc(&rows->arena, most + 1, sizeof *rows->flagged);
    mw_status status = pieces && files && path && rows->flagged
                           ? MW_OK
                           : mw_fail_nomem(err, "the list of segments");
    if (!status) n = collect_pieces(known, ingested, pieces);
    if (!status && n == 0) {
        status = mw_fail(err, MW_EDATA, "there are no rows to learn from");
        mw_err_hint(err, "put CSV files into the csv folder, or run `millwright ingest FILE`");
    }
    if (!status) status = open_folders(rows, ctx, path, work_dir, err);
    for (size_t i = 0; i < n && !status; i++)
        status = find_piece(&pieces[i], rows->folder, rows->staging, &rows->arena, &files[i], err);
    for (size_t i = 0; i < n && !status; i++) status = find_flagged(&pieces[i], rows, err);
    if (!status) status = hash_pieces(ctx, pieces, files, n, rows->data_hash, err);
    if (!status) status = mw_dataset_open(ctx, files, n, &rows->dataset, err);
    if (status) mw_op__close_rows(rows);
    return status;
}

void mw_op__close_rows(mw_op__rows *rows) {
    rows->dataset = mw_dataset_close(rows->dataset);
    rows->folder = mw_dir_close(rows->folder);
    rows->staging = mw_dir_close(rows->staging);
    mw_arena_done(&rows->arena);
}

/* ---- flagged windows ---- */

static mw_status read_flagged(const mw_ctx *ctx, const mw_dataset_piece *of, mw_table **ret,
                              mw_err *err) {
    mw_status status =
        of->dir && mw_dir_has(of->dir, of->file)
            ? mw_ipc_read(ctx, of->dir, of->file, NULL, 0, ret, err)
            : mw_fail(err, MW_EDATA, "file %s of flagged windows is missing", of->file);
    if (status == MW_EDATA)
        mw_err_hint(err, "restore it from a backup, or ingest its source again");
    return status;
}

mw_status mw_op__read_flagged(const mw_ctx *ctx, const mw_op__rows *rows, mw_table ***ret,
                              size_t *n, mw_err *err) {
    mw_table **tables = mw_calloc(ctx->mem, rows->n_flagged + 1, sizeof *tables);
    if (!tables) return mw_fail_nomem(err, "flagged windows");
    mw_status status = MW_OK;
    for (size_t i = 0; i < rows->n_flagged && !status; i++)
        status = read_flagged(ctx, &rows->flagged[i], &tables[i], err);
    if (status) {
        mw_op__free_tables(tables, rows->n_flagged);
        return status;
    }
    *ret = tables;
    *n = rows->n_flagged;
    return MW_OK;
}

void mw_op__free_tables(mw_table **tables, size_t n) {
    for (size_t i = 0; tables && i < n; i++) mw_table_free(tables[i]);
    mw_free(tables);
}

/* ---- commit ---- */

/* NULL when there is no such string; *failed when there is no memory for it. */
static const char *optional_string(mw_arena *arena, const mw_json *object, const char *key,
                                   bool *failed) {
    const mw_json *value = mw_json_get(object, key);
    if (!value || value->kind != MW_JSON_STRING) return NULL;
    const char *kept = mw_arena_strndup(arena, value->string.data, value->string.size);
    if (!kept) *failed = true;
    return kept;
}

/* One record for each segment of a file; what is said of the file stands with the first. */
static void add_records(mw_segment_record *records, const mw_segment_record *file,
                        const mw_json *segments, mw_arena *arena, size_t *n, bool *failed) {
    int32_t part = 0;
    for (const mw_json *item = segments->first; item; item = item->next, part++) {
        mw_segment_record *record = &records[(*n)++];
        *record = part == 0 ? *file
                            : (mw_segment_record){.dataset = file->dataset,
                                                  .source = file->source,
                                                  .content_hash = file->content_hash,
                                                  .layout = file->layout,
                                                  .added_us = file->added_us};
        record->part = part;
        record->file = optional_string(arena, item, "file", failed);
        record->n_rows = mw_json_int(mw_json_get(item, "rows"), 0);
        record->first_us = mw_json_int(mw_json_get(item, "first_us"), 0);
        record->last_us = mw_json_int(mw_json_get(item, "last_us"), 0);
    }
}

/* NULL when memory ran out. */
static mw_segment_record *collect_segments(const mw_ctx *ctx, mw_arena *arena, const char *dataset,
                                           const mw_json *files, size_t *n) {
    size_t most = 0;
    for (const mw_json *file = files ? files->first : NULL; file; file = file->next) {
        const mw_json *segments = mw_json_get(file, "segments");
        most += segments ? segments->n_children : 0;
    }
    mw_segment_record *records = mw_arena_calloc(arena, most + 1, sizeof *records);
    bool failed = false;
    *n = 0;
    for (const mw_json *file = files ? files->first : NULL; file && records; file = file->next) {
        const mw_json *segments = mw_json_get(file, "segments");
        if (!segments || mw_json_bool(mw_json_get(file, "unchanged"), false)) continue;
        const mw_segment_record whole = {
            .dataset = dataset,
            .source = optional_string(arena, file, "source", &failed),
            .content_hash = optional_string(arena, file, "content_hash", &failed),
            .rejects = optional_string(arena, file, "rejects", &failed),
            .quality = optional_string(arena, file, "quality", &failed),
            .layout = optional_string(arena, file, "layout", &failed),
            .bytes = mw_json_int(mw_json_get(file, "bytes"), 0),
            .n_lines = mw_json_int(mw_json_get(file, "lines"), 0),
            .n_rejected = mw_json_int(mw_json_get(file, "rejected"), 0),
            .n_collisions = mw_json_int(mw_json_get(file, "collisions"), 0),
            .n_duplicates = mw_json_int(mw_json_get(file, "duplicates"), 0),
            .n_late = mw_json_int(mw_json_get(file, "late"), 0),
            .added_us = mw_clock_utc(ctx->clock)};
        add_records(records, &whole, segments, arena, n, &failed);
    }
    return failed ? NULL : records;
}

static mw_status move_files(const mw_ctx *ctx, mw_dir *staging, mw_dir *dataset,
                            const mw_segment_record *records, size_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const char *const files[] = {records[i].file, records[i].rejects, records[i].quality};
        for (size_t k = 0; k < 3 && !status; k++)
            if (files[k]) status = mw_dir_move(ctx, staging, files[k], dataset, files[k], err);
    }
    return status;
}

/* Before the records that name them: what they name is there for everybody. */
static mw_status put_files(const mw_ctx *ctx, const mw_app *app, mw_dir *dataset,
                           const char *dataset_name, const mw_segment_record *records, size_t n,
                           mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; app->artifacts && i < n && !status; i++) {
        const char *const files[] = {records[i].file, records[i].rejects, records[i].quality};
        char name[MW_ARTIFACT_NAME];
        mw_ctx_report(ctx, "storing files", (double)i, (double)n);
        for (size_t k = 0; k < 3 && !status; k++) {
            if (!files[k]) continue;
            mw_artifact_of_dataset(ctx->org, dataset_name, files[k], name);
            status = mw_artifacts_put(ctx, app->artifacts, name, dataset, files[k], err);
        }
    }
    return status;
}

/* The files of the live segments; NULL when memory ran out. */
static mw_dictionary *name_live(const mw_ctx *ctx, const mw_segment_record *now, size_t n) {
    mw_dictionary *names;
    mw_status status = mw_dictionary_new(ctx->mem, &names, NULL);
    if (status) return NULL;
    for (size_t i = 0; i < n && !status; i++) {
        const char *const files[] = {now[i].file, now[i].rejects, now[i].quality};
        int32_t code;
        for (size_t k = 0; k < 3 && !status; k++)
            if (files[k]) status = mw_dictionary_add(names, mw_str_of(files[k]), &code, NULL);
    }
    return status ? mw_dictionary_free(names) : names;
}

/* Files of segments that were live before and are not now. Failing to remove one is no error of the
 * job. */
static void remove_replaced(const mw_ctx *ctx, const mw_app *app, mw_dir *dataset,
                            const char *dataset_name, const mw_segment_record *before,
                            size_t n_before, const mw_segment_record *now, size_t n_now) {
    mw_err err = {0};
    char name[MW_ARTIFACT_NAME];
    mw_dictionary *live = name_live(ctx, now, n_now);
    if (!live) mw_log_warn(ctx, "replaced segments stay on disk: no memory to look for them");
    for (size_t i = 0; i < n_before && live; i++) {
        const char *const files[] = {before[i].file, before[i].rejects, before[i].quality};
        for (size_t k = 0; k < 3; k++) {
            if (!files[k] || mw_dictionary_find(live, mw_str_of(files[k])) >= 0) continue;
            if (mw_dir_remove(ctx, dataset, files[k], &err))
                mw_log_warn(ctx, "replaced segment stays on disk: %s", err.message);
            mw_artifact_of_dataset(ctx->org, dataset_name, files[k], name);
            if (mw_artifacts_remove(ctx, app->artifacts, name, &err))
                mw_log_warn(ctx, "replaced segment stays: %s", err.message);
        }
    }
    mw_dictionary_free(live);
}

mw_status mw_op__commit(const mw_ctx *ctx, mw_app *app, const mw_job_record *job, mw_dir *work_dir,
                        const char *dataset, const mw_json *files,
                        const mw_version_record *versions, size_t n_versions, const char *result,
                        mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_dir *target = NULL, *staging = NULL;
    const mw_segment_record *before = NULL, *now = NULL;
    size_t n = 0, n_before = 0, n_now = 0;
    mw_segment_record *records = collect_segments(ctx, &arena, dataset, files, &n);
    mw_status status = records ? MW_OK : mw_fail_nomem(err, "the list of segments");
    if (!status) status = mw_app_folder(app, ctx, "datasets", dataset, &target, err);
    if (!status) {
        status = mw_store_segments(ctx, app->store, &arena, dataset, &before, &n_before, err);
        if (status == MW_ENOTFOUND) status = MW_OK;
    }
    if (!status && n) {
        status = mw_dir_sub(ctx, work_dir, "segments", MW_DIR_MUST_EXIST, &staging, err);
        if (!status) status = move_files(ctx, staging, target, records, n, err);
        if (!status) status = put_files(ctx, app, target, dataset, records, n, err);
    }
    if (!status) {
        mw_commit commit = {.job_id = job->id,
                            .fence = job->fence,
                            .result = result,
                            .dataset = dataset,
                            .segments = records,
                            .n_segments = n,
                            .versions = versions,
                            .n_versions = n_versions};
        status = mw_store_commit(ctx, app->store, &commit, err);
    }
    if (!status && mw_store_segments(ctx, app->store, &arena, dataset, &now, &n_now, NULL) == MW_OK)
        remove_replaced(ctx, app, target, dataset, before, n_before, now, n_now);
    mw_dir_close(staging);
    mw_dir_close(target);
    mw_arena_done(&arena);
    return status;
}
