/*
 * op_backup.c -- `millwright backup`: records and their files into a folder while the server goes on.
 *
 * Order: live rows that are no segment yet, then a snapshot of the records, then the files that it names. A file that is gone by then was replaced, so
 * there is a newer snapshot that does not name it: the records are copied again, and only files that are not there yet. Every round copies
 * what the last one missed, so a few are enough.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "run/live/journal.h"
#include "run/op/backup.h"

enum { ROUNDS = 100, PATH_BYTES = 1024, NOT_WANTED = -1 };

typedef struct backup {
    mw_app *app;
    mw_dir *target;
    const char *target_path;
    mw_backup_list list;
    int round;
    int64_t n_missing; /* in this round */
    mw_err missing;    /* the latest of them */
    int64_t bytes;
} backup;

/* ---- files ---- */

static mw_status add_file(backup *b, const mw_ctx *ctx, const char *path, mw_err *err) {
    mw_backup_file *known = mw_backup_list_find(&b->list, mw_str_of(path));
    mw_backup_file file = {.round = b->round};
    if (known) {
        known->round = b->round;
        return MW_OK;
    }
    mw_err why = {0};
    mw_status status = mw_backup_copy(ctx, b->app->data, path, b->target, &file, &why);
    if (status == MW_ENOTFOUND && b->app->artifacts) {
        status = mw_artifacts_fetch_file(ctx, b->app->artifacts, b->app->data, path, &why);
        if (status == MW_OK)
            status = mw_backup_copy(ctx, b->app->data, path, b->target, &file, &why);
    }
    if (status == MW_OK) {
        b->bytes += file.size_bytes;
        mw_ctx_report(ctx, "copying files", (double)b->bytes, 0);
        return mw_backup_list_add(&b->list, mw_str_of(path), &file, err);
    }
    if (status != MW_ENOTFOUND) {
        if (err) *err = why;
        return status;
    }
    b->n_missing++;
    b->missing = why;
    return MW_OK;
}

static mw_status add_folder(backup *b, const mw_ctx *ctx, const char *path, mw_err *err) {
    char inside[PATH_BYTES];
    const char *name;
    mw_dir *dir = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    mw_err why = {0};
    (void)snprintf(inside, sizeof inside, "%s/.", path); /* its last component is not opened */
    mw_status status =
        mw_backup_folder(ctx, b->app->data, inside, MW_DIR_MUST_EXIST, &dir, &name, &why);
    if (status == MW_ENOTFOUND && b->app->artifacts) {
        status = mw_artifacts_fetch_folder(ctx, b->app->artifacts, b->app->data, path, &why);
        if (status == MW_OK)
            status =
                mw_backup_folder(ctx, b->app->data, inside, MW_DIR_MUST_EXIST, &dir, &name, &why);
    }
    if (status == MW_ENOTFOUND) {
        b->n_missing++;
        b->missing = why;
        return MW_OK;
    }
    if (status == MW_OK) status = mw_dir_list(ctx, dir, &entries, &n, &why);
    if (status != MW_OK && err) *err = why;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        (void)snprintf(inside, sizeof inside, "%s/%s", path, entries[i].name);
        status =
            entries[i].is_dir ? add_folder(b, ctx, inside, err) : add_file(b, ctx, inside, err);
    }
    mw_free(entries);
    mw_dir_close(dir);
    return status;
}

static mw_status visit(void *arg, const mw_ctx *ctx, const char *path, const char *sha256,
                       mw_err *err) {
    return sha256 ? add_folder(arg, ctx, path, err) : add_file(arg, ctx, path, err);
}

/* ---- live rows ---- */

static mw_status add_journals(backup *b, const mw_ctx *ctx, mw_err *err) {
    char path[PATH_BYTES];
    const char *name;
    mw_dir *dir = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    int64_t first;
    mw_err why = {0};
    (void)snprintf(path, sizeof path, "orgs/%s/live/.", ctx->org);
    mw_status status =
        mw_backup_folder(ctx, b->app->data, path, MW_DIR_MUST_EXIST, &dir, &name, &why);
    if (status == MW_ENOTFOUND) return MW_OK;
    if (status == MW_OK) status = mw_dir_list(ctx, dir, &entries, &n, &why);
    if (status != MW_OK && err) *err = why;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        if (!mw_journal_named(entries[i].name, &first)) continue;
        (void)snprintf(path, sizeof path, "orgs/%s/live/%s", ctx->org, entries[i].name);
        status = add_file(b, ctx, path, err);
    }
    mw_free(entries);
    mw_dir_close(dir);
    return status;
}

static mw_status add_all_journals(backup *b, const mw_ctx *ctx, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char *const *orgs;
    size_t n = 0;
    mw_status status = mw_store_org_list(ctx, b->app->store, &arena, &orgs, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_ctx of_org = *ctx;
        of_org.org = orgs[i];
        status = add_journals(b, &of_org, err);
    }
    mw_arena_done(&arena);
    return status;
}

/* Whether the snapshot has the rows of orgs/ORG/live/NAME in a segment. */
static bool is_stored(const mw_ctx *ctx, mw_store *copy, mw_str journal) {
    char path[PATH_BYTES], org[72], source[64];
    mw_str_copy(path, sizeof path, journal);
    const char *from = path + strlen("orgs/");
    mw_str_copy(org, sizeof org, (mw_str){from, strcspn(from, "/")});
    (void)snprintf(source, sizeof source, "live-%s", strrchr(path, '/') + 1);
    mw_ctx of_org = *ctx;
    of_org.org = org;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_segment_record *segments;
    size_t n = 0;
    bool found = false;
    if (mw_store_segments(&of_org, copy, &arena, "live", &segments, &n, NULL) != MW_OK) n = 0;
    for (size_t i = 0; i < n && !found; i++) found = strcmp(segments[i].source, source) == 0;
    mw_arena_done(&arena);
    return found;
}

/* Rows that the snapshot has in a segment are not wanted twice. */
static void drop_stored(backup *b, const mw_ctx *ctx, mw_store *copy) {
    for (int32_t code = 0; code < mw_dictionary_size(b->list.paths); code++)
        if (b->list.files[code].round == 0 &&
            is_stored(ctx, copy, mw_dictionary_text(b->list.paths, code)))
            b->list.files[code].round = NOT_WANTED;
}

/* ---- rounds ---- */

/* Opening the copy as a store gives it a log; holding it alone takes that away again. */
static mw_status close_copy(const mw_ctx *ctx, mw_store *copy, const char *path, mw_status status,
                            mw_err *err) {
    mw_store_hold *hold = NULL;
    mw_store_close(copy);
    if (status == MW_OK) status = mw_store_hold_file(ctx, path, &hold, err);
    mw_store_hold_free(hold);
    return status;
}

static mw_status copy_named(backup *b, const mw_ctx *ctx, const char *path, mw_err *err) {
    mw_store *copy = NULL;
    mw_status status = mw_store_open(ctx, path, &copy, err);
    if (status != MW_OK) return status;
    status = mw_backup_each(ctx, copy, visit, b, err);
    if (status == MW_OK && b->n_missing == 0) drop_stored(b, ctx, copy);
    return close_copy(ctx, copy, path, status, err);
}

static mw_status copy_all(backup *b, const mw_ctx *ctx, bool with_files, mw_err *err) {
    char path[PATH_BYTES * 4];
    const int n = snprintf(path, sizeof path, "%s/%s", b->target_path, MW_BACKUP_STORE);
    if (n < 0 || (size_t)n >= sizeof path)
        return mw_fail(err, MW_EINVAL, "the path of the backup is too long");
    mw_err before = {
        0}; /* what was missing in the round before: a file that is replaced all the time has another name each time */
    mw_status status = with_files ? add_all_journals(b, ctx, err) : MW_OK;
    for (b->round = 1; b->round <= ROUNDS && status == MW_OK; b->round++) {
        b->n_missing = 0;
        status = mw_store_copy(ctx, b->app->store, path, err);
        if (status != MW_OK || !with_files) return status;
        status = copy_named(b, ctx, path, err);
        if (status == MW_OK && b->n_missing == 0) return MW_OK;
        if (strcmp(before.message, b->missing.message) == 0) break;
        before = b->missing;
    }
    if (status != MW_OK) return status;
    mw_fail(err, MW_EDATA, "%lld files that records name are missing, such as: %.300s",
            (long long)b->n_missing, b->missing.message);
    return mw_err_hint(err, "`millwright doctor` names them all; --without-files copies records");
}

/* ---- the list ---- */

static void write_list(const backup *b, const mw_ctx *ctx, bool with_files,
                       const mw_backup_file *store, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 1);
    mw_json_object(&w);
    mw_json_add_int(&w, "format", MW_BACKUP_FORMAT);
    mw_json_add_string(&w, "version", MW_VERSION);
    mw_json_add_int(&w, "schema", mw_store_schema_version(b->app->store));
    mw_json_add_time(&w, "created", mw_clock_utc(ctx->clock));
    mw_json_add_bool(&w, "with_files", with_files);
    mw_json_key(&w, "store");
    mw_json_object(&w);
    mw_json_add_int(&w, "size", store->size_bytes);
    mw_json_add_string(&w, "hash", store->hash);
    mw_json_object_end(&w);
    mw_json_key(&w, "files");
    mw_json_array(&w);
    for (int32_t code = 0; code < mw_dictionary_size(b->list.paths); code++) {
        const mw_backup_file *file = &b->list.files[code];
        if (file->round != b->round && file->round != 0) continue;
        mw_json_object(&w);
        mw_json_add_str(&w, "path", mw_dictionary_text(b->list.paths, code));
        mw_json_add_int(&w, "size", file->size_bytes);
        mw_json_add_string(&w, "hash", file->hash);
        mw_json_object_end(&w);
    }
    mw_json_array_end(&w);
    mw_json_object_end(&w);
}

static mw_status save_list(const backup *b, const mw_ctx *ctx, bool with_files,
                           const mw_backup_file *store, mw_err *err) {
    mw_buf text;
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    write_list(b, ctx, with_files, store, &text);
    mw_status status = mw_buf_status(&text, "the list of the backup", err);
    if (status == MW_OK)
        status =
            mw_file_replace(ctx, b->target, MW_BACKUP_LIST, mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    return status;
}

/* ---- the operation ---- */

static mw_status open_target(const mw_ctx *ctx, const char *path, mw_dir **ret, mw_err *err) {
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    mw_dir *dir = NULL;
    mw_status status = mw_dir_open(ctx, path, MW_DIR_CREATE, &dir, err);
    if (status == MW_OK) status = mw_dir_list(ctx, dir, &entries, &n, err);
    mw_free(entries);
    if (status == MW_OK && n > 0) {
        mw_fail(err, MW_ECONFLICT, "%s is not empty", path);
        status = mw_err_hint(err, "name a new folder for each backup");
    }
    if (status == MW_OK)
        *ret = dir;
    else
        mw_dir_close(dir);
    return status;
}

/* A backup that failed leaves nothing that could be taken for one. */
static void clear(const mw_ctx *ctx, mw_dir *target) {
    mw_ctx to_the_end = *ctx;
    to_the_end.cancel = NULL;
    static const char *const names[] = {MW_BACKUP_LIST, MW_BACKUP_STORE, MW_BACKUP_STORE "-wal",
                                        MW_BACKUP_STORE "-shm", "orgs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)mw_dir_remove(&to_the_end, target, names[i], NULL);
}

static void write_answer(const backup *b, const char *path, bool with_files,
                         const mw_backup_file *store, mw_buf *out) {
    int64_t n = 0, bytes = 0;
    for (int32_t code = 0; code < mw_dictionary_size(b->list.paths); code++) {
        const mw_backup_file *file = &b->list.files[code];
        if (file->round != b->round && file->round != 0) continue;
        n++;
        bytes += file->size_bytes;
    }
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "backup", path);
    mw_json_add_bool(&w, "with_files", with_files);
    mw_json_add_int(&w, "store_bytes", store->size_bytes);
    mw_json_add_int(&w, "files", n);
    mw_json_add_int(&w, "file_bytes", bytes);
    mw_json_object_end(&w);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    const char *path = mw_args_string(call->args, "folder");
    const bool with_files = !mw_args_bool(call->args, "without_files");
    backup b = {.app = call->app, .target_path = path};
    mw_backup_file store = {0};
    mw_status status = open_target(call->ctx, path, &b.target, err);
    if (status != MW_OK) return status;
    status = mw_backup_list_init(&b.list, call->ctx->mem, err);
    if (status == MW_OK) status = copy_all(&b, call->ctx, with_files, err);
    if (status == MW_OK)
        status = mw_backup_copy_one(call->ctx, b.target, MW_BACKUP_STORE, NULL, NULL, &store, err);
    if (status == MW_OK) status = save_list(&b, call->ctx, with_files, &store, err);
    if (status == MW_OK)
        write_answer(&b, path, with_files, &store, out);
    else
        clear(call->ctx, b.target);
    mw_backup_list_done(&b.list);
    mw_dir_close(b.target);
    return status;
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_str path = mw_json_string(mw_json_get(result, "backup"), "");
    mw_buf_printf(out, "%.*s holds the records (%lld KiB) and %lld files (%lld KiB)\n",
                  (int)path.size, path.data,
                  (long long)mw_json_int(mw_json_get(result, "store_bytes"), 0) / 1024,
                  (long long)mw_json_int(mw_json_get(result, "files"), 0),
                  (long long)mw_json_int(mw_json_get(result, "file_bytes"), 0) / 1024);
}

static const mw_param params[] = {
    {.name = "folder",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .min = 1,
     .max = 4000,
     .help = "Where the backup goes: a folder that is not there, or empty."},
    {.name = "without_files",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .help = "Only the records; the files of datasets and models are kept otherwise."},
    {0}};

static const char *const examples[] = {"millwright backup saved", NULL};

const mw_op mw_op_backup = {
    .name = "backup",
    .verb = "backup",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Copy records, datasets, models and live rows while the server runs",
    .help = "The records are one snapshot, the files are those that it names, and live rows all "
            "that were acknowledged when it began. `millwright restore` checks and takes it. CSV "
            "files that were ingested are not in it, nor logs. A PostgreSQL store has its own "
            "tools.",
    .params = params,
    .examples = examples,
    .prepare = prepare,
    .print = print,
};
