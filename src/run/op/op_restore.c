/*
 * op_restore.c -- `millwright restore`: a backup checked to the last byte, then put in the place of what is there.
 *
 * Order: the whole backup is read and compared with its list before anything is changed; files are put where they belong (their names are those of their
 * contents, so they harm nobody); the records are checked beside the old ones, with every file that they name; and only then, with the old
 * store held so that nobody can open it, the two change places in one step. The old store stays as millwright.db.replaced.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "learn/model/model.h"
#include "run/live/journal.h"
#include "run/op/backup.h"

#define RESTORING MW_BACKUP_STORE ".restoring"
#define REPLACED MW_BACKUP_STORE ".replaced"
#define SET_ASIDE "live.replaced"

enum { PATH_BYTES = 1024 };

typedef struct restore {
    const mw_ctx *ctx;
    const char *data_path;
    mw_dir *from, *data;
    mw_backup_file store; /* as listed */
    mw_backup_list list;
    bool with_files, allow_missing;
    int64_t n_checked, n_missing, n_set_aside;
    mw_err missing; /* the first */
    int schema;
} restore;

/* ---- the list ---- */

static mw_status fail_list(mw_err *err) {
    mw_fail(err, MW_EDATA, "this folder is no backup, or not a whole one: its %s cannot be used",
            MW_BACKUP_LIST);
    return mw_err_hint(err, "name a folder that `millwright backup` has made");
}

static bool read_file(const mw_json *value, mw_backup_file *ret) {
    const mw_str hash = mw_json_string(mw_json_get(value, "hash"), "");
    ret->size_bytes = mw_json_int(mw_json_get(value, "size"), -1);
    mw_str_copy(ret->hash, sizeof ret->hash, hash);
    return ret->size_bytes >= 0 && hash.size == MW_HASH128_HEX - 1;
}

/* A path of the list leads nowhere but below orgs/. */
static mw_status add_listed(restore *r, const mw_json *value, mw_err *err) {
    const mw_str path = mw_json_string(mw_json_get(value, "path"), "");
    mw_backup_file file = {0};
    if (path.size < 6 || path.size >= PATH_BYTES || memcmp(path.data, "orgs/", 5) != 0 ||
        !read_file(value, &file))
        return fail_list(err);
    return mw_backup_list_add(&r->list, path, &file, err);
}

static mw_status read_list(restore *r, mw_err *err) {
    char *text = NULL;
    size_t size = 0;
    const mw_json *list = NULL;
    mw_arena arena;
    mw_arena_init(&arena, r->ctx->mem);
    mw_status status = mw_file_read(r->ctx, r->from, MW_BACKUP_LIST, (size_t)MW_LIMIT(JSON_BYTES),
                                    &text, &size, err);
    if (status == MW_ENOTFOUND) status = fail_list(err);
    if (status == MW_OK && mw_json_parse(&arena, text, size, &list, NULL) != MW_OK)
        status = fail_list(err);
    if (status == MW_OK && mw_json_int(mw_json_get(list, "format"), 0) > MW_BACKUP_FORMAT) {
        mw_fail(err, MW_EDATA, "this backup was made by a newer Millwright");
        status = mw_err_hint(err, "restore it with that one; nothing was changed");
    }
    if (status == MW_OK && !read_file(mw_json_get(list, "store"), &r->store))
        status = fail_list(err);
    const mw_json *files = mw_json_get(list, "files");
    for (const mw_json *f = files ? files->first : NULL; f && status == MW_OK; f = f->next)
        status = add_listed(r, f, err);
    if (status == MW_OK) r->with_files = mw_json_bool(mw_json_get(list, "with_files"), false);
    mw_free(text);
    mw_arena_done(&arena);
    return status;
}

/* ---- the backup, to the last byte ---- */

static void path_at(const restore *r, int32_t code, char out[PATH_BYTES]) {
    mw_str_copy(out, PATH_BYTES, mw_dictionary_text(r->list.paths, code));
}

static mw_status check_backup(restore *r, mw_err *err) {
    char path[PATH_BYTES];
    const int32_t n = mw_dictionary_size(r->list.paths);
    mw_status status = MW_OK;
    for (int32_t code = 0; code < n && status == MW_OK; code++) {
        path_at(r, code, path);
        mw_ctx_report(r->ctx, "checking the backup", code, n);
        status = mw_backup_check(r->ctx, r->from, path, &r->list.files[code], err);
    }
    return status;
}

/* ---- files to their places ---- */

static bool is_journal(const char *path) {
    int64_t first;
    const char *live = strstr(path, "/live/");
    return live && mw_journal_named(live + strlen("/live/"), &first);
}

static mw_status place(restore *r, const char *path, const mw_backup_file *listed, mw_err *err) {
    mw_backup_file found = {0};
    const mw_status there = mw_backup_copy(r->ctx, r->data, path, NULL, &found, NULL);
    if (there == MW_OK && mw_backup_compare(path, &found, listed, NULL) == MW_OK) return MW_OK;
    mw_status status = mw_backup_copy(r->ctx, r->from, path, r->data, &found, err);
    return status == MW_OK ? mw_backup_compare(path, &found, listed, err) : status;
}

static mw_status place_all(restore *r, bool journals, mw_err *err) {
    char path[PATH_BYTES];
    const int32_t n = mw_dictionary_size(r->list.paths);
    mw_status status = MW_OK;
    for (int32_t code = 0; code < n && status == MW_OK; code++) {
        path_at(r, code, path);
        mw_ctx_report(r->ctx, "copying files", code, n);
        if (is_journal(path) == journals) status = place(r, path, &r->list.files[code], err);
    }
    return status;
}

/* ---- the records, beside the old ones ---- */

static mw_status check_model(const mw_ctx *ctx, mw_dir *dir, const char *sha256, mw_err *err) {
    mw_map map = {0};
    char hex[MW_SHA256_HEX] = "";
    mw_status status = mw_map_open(ctx, dir, mw_model_file(dir), &map, err);
    if (status == MW_OK) status = mw_sha256_of(map.data, map.size, hex, err);
    mw_map_close(&map);
    if (status != MW_OK || strcmp(hex, sha256) == 0) return status;
    return mw_fail(err, MW_EDATA, "%s is damaged: its content is not what was written",
                   mw_dir_label(dir));
}

/* Files of segments have the hash of their content in their names, models in their records; rejects are there or not. */
static mw_status check_file(restore *r, const mw_ctx *ctx, const char *path, const char *sha256,
                            mw_err *err) {
    char inside[PATH_BYTES];
    mw_dir *dir = NULL;
    const char *name;
    (void)snprintf(inside, sizeof inside, "%s%s", path, sha256 ? "/." : "");
    mw_status status = mw_backup_folder(ctx, r->data, inside, MW_DIR_MUST_EXIST, &dir, &name, err);
    if (status == MW_OK && sha256)
        status = check_model(ctx, dir, sha256, err);
    else if (status == MW_OK && !mw_dir_has(dir, name))
        status = mw_fail(err, MW_ENOTFOUND, "%.200s is missing", path);
    else if (status == MW_OK)
        status = mw_file_verify(ctx, dir, name, err);
    mw_dir_close(dir);
    return status;
}

static mw_status check_named(void *arg, const mw_ctx *ctx, const char *path, const char *sha256,
                             mw_err *err) {
    restore *r = arg;
    mw_err why = {0};
    mw_ctx_report(ctx, "checking what the records name", (double)r->n_checked++, 0);
    const mw_status status = check_file(r, ctx, path, sha256, &why);
    if (status == MW_OK) return MW_OK;
    if (status == MW_ECANCELED || status == MW_ETIMEOUT || status == MW_ENOMEM) {
        if (err) *err = why;
        return status;
    }
    if (r->n_missing++ == 0) r->missing = why;
    return MW_OK;
}

static mw_status check_records(restore *r, mw_err *err) {
    char path[PATH_BYTES * 5];
    mw_store *store = NULL;
    mw_backup_file found = {0};
    const int n = snprintf(path, sizeof path, "%s/%s", r->data_path, RESTORING);
    if (n < 0 || (size_t)n >= sizeof path)
        return mw_fail(err, MW_EINVAL, "the path of the data folder is too long");
    mw_status status =
        mw_backup_copy_one(r->ctx, r->from, MW_BACKUP_STORE, r->data, RESTORING, &found, err);
    if (status == MW_ENOTFOUND) status = fail_list(err);
    if (status == MW_OK) status = mw_backup_compare(MW_BACKUP_STORE, &found, &r->store, err);
    if (status == MW_OK) status = mw_store_check_copy(r->ctx, path, &r->schema, err);
    if (status == MW_OK) status = mw_store_open(r->ctx, path, &store, err);
    if (status == MW_OK) status = mw_backup_each(r->ctx, store, check_named, r, err);
    mw_store_close(store);
    if (status != MW_OK || r->n_missing == 0 || r->allow_missing) return status;
    mw_fail(err, MW_EDATA,
            "%lld files that the records name are missing or damaged, such as: %.300s",
            (long long)r->n_missing, r->missing.message);
    return mw_err_hint(err, "use a backup with files, or --allow-missing to go on without them");
}

/* ---- the change ---- */

/* Rows that came after the backup do not go with its records: they are set aside, not thrown away. */
static mw_status set_live_aside(restore *r, mw_err *err) {
    mw_dir *orgs = NULL, *org = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (!mw_dir_has(r->data, "orgs")) return MW_OK;
    mw_status status = mw_dir_sub(r->ctx, r->data, "orgs", MW_DIR_MUST_EXIST, &orgs, err);
    if (status == MW_OK) status = mw_dir_list(r->ctx, orgs, &entries, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        if (!entries[i].is_dir) continue;
        status = mw_dir_sub(r->ctx, orgs, entries[i].name, MW_DIR_MUST_EXIST, &org, err);
        if (status == MW_OK && mw_dir_has(org, "live")) {
            status = mw_dir_remove(r->ctx, org, SET_ASIDE, err);
            if (status == MW_OK) status = mw_dir_move(r->ctx, org, "live", org, SET_ASIDE, err);
            r->n_set_aside++;
        }
        org = mw_dir_close(org);
    }
    mw_free(entries);
    mw_dir_close(orgs);
    return status;
}

/* A store that is damaged cannot be held, nor used by anybody. */
static mw_status hold_old(restore *r, bool replace, mw_store_hold **ret, mw_err *err) {
    char path[PATH_BYTES * 5];
    if (!mw_dir_has(r->data, MW_BACKUP_STORE)) return MW_OK;
    if (!replace) {
        mw_fail(err, MW_ECONFLICT, "the data folder %s has a store already", r->data_path);
        return mw_err_hint(err,
                           "--replace puts the backup in its place and keeps the old one as "
                           "%s; or name another --data",
                           REPLACED);
    }
    const int n = snprintf(path, sizeof path, "%s/%s", r->data_path, MW_BACKUP_STORE);
    if (n < 0 || (size_t)n >= sizeof path)
        return mw_fail(err, MW_EINVAL, "the path of the data folder is too long");
    const mw_status status = mw_store_hold_file(r->ctx, path, ret, err);
    return status == MW_EDATA ? MW_OK : status;
}

static mw_status change_places(restore *r, mw_err *err) {
    mw_status status = MW_OK;
    if (mw_dir_has(r->data, MW_BACKUP_STORE)) {
        status = set_live_aside(r, err);
        if (status == MW_OK)
            status = mw_dir_exchange(r->ctx, r->data, RESTORING, MW_BACKUP_STORE, err);
        if (status == MW_OK)
            status = mw_dir_move(r->ctx, r->data, RESTORING, r->data, REPLACED, err);
        /* A log of the old one, left when it is damaged, is not the new one's. */
        (void)mw_dir_remove(r->ctx, r->data, MW_BACKUP_STORE "-wal", NULL);
        (void)mw_dir_remove(r->ctx, r->data, MW_BACKUP_STORE "-shm", NULL);
    } else {
        status = mw_dir_move(r->ctx, r->data, RESTORING, r->data, MW_BACKUP_STORE, err);
    }
    return status == MW_OK ? place_all(r, true, err) : status;
}

static mw_status run(restore *r, bool replace, mw_err *err) {
    mw_store_hold *hold = NULL;
    mw_status status = read_list(r, err);
    if (status == MW_OK) status = mw_dir_open(r->ctx, r->data_path, MW_DIR_CREATE, &r->data, err);
    if (status == MW_OK) status = hold_old(r, replace, &hold, err);
    if (status == MW_OK) status = check_backup(r, err);
    if (status == MW_OK) status = place_all(r, false, err);
    if (status == MW_OK) status = check_records(r, err);
    if (status == MW_OK) status = change_places(r, err);
    mw_store_hold_free(hold);
    if (status != MW_OK && r->data) {
        static const char *const names[] = {RESTORING, RESTORING "-wal", RESTORING "-shm"};
        for (size_t i = 0; i < 3; i++) (void)mw_dir_remove(r->ctx, r->data, names[i], NULL);
    }
    return status;
}

/* ---- the operation ---- */

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    restore r = {.ctx = call->ctx,
                 .data_path = call->data_path,
                 .allow_missing = mw_args_bool(call->args, "allow_missing")};
    const char *path = mw_args_string(call->args, "folder");
    mw_status status = mw_dir_open(call->ctx, path, MW_DIR_MUST_EXIST, &r.from, err);
    if (status != MW_OK) return status;
    status = mw_backup_list_init(&r.list, call->ctx->mem, err);
    if (status == MW_OK) status = run(&r, mw_args_bool(call->args, "replace"), err);
    if (status == MW_OK) {
        mw_json_writer w;
        mw_json_writer_init(&w, out, 0);
        mw_json_object(&w);
        mw_json_add_string(&w, "data", call->data_path);
        mw_json_add_int(&w, "schema", r.schema);
        mw_json_add_int(&w, "files", mw_dictionary_size(r.list.paths));
        mw_json_add_int(&w, "checked", r.n_checked);
        mw_json_add_int(&w, "missing", r.n_missing);
        mw_json_add_int(&w, "live_set_aside", r.n_set_aside);
        mw_json_object_end(&w);
    }
    mw_backup_list_done(&r.list);
    mw_dir_close(r.from);
    mw_dir_close(r.data);
    return status;
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_str data = mw_json_string(mw_json_get(result, "data"), "");
    const int64_t missing = mw_json_int(mw_json_get(result, "missing"), 0),
                  aside = mw_json_int(mw_json_get(result, "live_set_aside"), 0);
    mw_buf_printf(out, "%.*s is as the backup was: %lld files put there, %lld named by records\n",
                  (int)data.size, data.data,
                  (long long)mw_json_int(mw_json_get(result, "files"), 0),
                  (long long)mw_json_int(mw_json_get(result, "checked"), 0));
    if (missing)
        mw_buf_printf(out, "%lld of them are missing or damaged: `millwright doctor` says which\n",
                      (long long)missing);
    if (aside)
        mw_buf_printf(out, "live rows of %lld organizations that came later are in orgs/*/%s\n",
                      (long long)aside, SET_ASIDE);
}

static const mw_param params[] = {
    {.name = "folder",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .min = 1,
     .max = 4000,
     .help = "The backup."},
    {.name = "replace",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .help = "Take the place of the store that is there; the old one stays as "
             "millwright.db.replaced."},
    {.name = "allow_missing",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .help = "Restore the records although files that they name are not there."},
    {0}};

static const char *const examples[] = {"millwright restore last-night --data elsewhere", NULL};

const mw_op mw_op_restore = {
    .name = "restore",
    .verb = "restore",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Put a backup into a data folder",
    .help = "All of the backup is read and compared with its list first, then every file that the "
            "records name; a damaged one changes nothing. A store that a running process has open "
            "is never replaced.",
    .params = params,
    .examples = examples,
    .prepare = prepare,
    .print = print,
};
