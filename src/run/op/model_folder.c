/*
 * model_folder.c -- writes ".NAME.saving" in the parent folder, then exchanges it with NAME and removes the
 * old one. A ".NAME.saving" that a crash left is removed by the next save.
 */
#include "run/op/model_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a model folder may hold (see docs/formats/model.md). */
static const char *const model_files[] = {"MLmodel",         "metadata.json", "model.onnx",
                                          "importance.json", "state.arrow",   "curves.json",
                                          "scaler.json"};

typedef struct place {
    char path[PATH_MAX]; /* parent folder; the name follows its last slash */
    const char *parent;
    char name[200];
    char saving[224];
} place;

static mw_status split(const char *path, place *ret, mw_err *err) {
    char resolved[PATH_MAX];
    /* An existing folder may be reached through links; a new one is taken as it is written. */
    const char *real = realpath(path, resolved);
    if (!real) real = path;
    size_t n = strlen(real);
    while (n > 1 && real[n - 1] == '/') n--;
    if (n >= sizeof ret->path) return mw_fail(err, MW_EINVAL, "the path of the model is too long");
    memcpy(ret->path, real, n);
    ret->path[n] = '\0';
    char *slash = strrchr(ret->path, '/');
    const char *name = slash ? slash + 1 : ret->path;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strlen(name) >= sizeof ret->name) {
        mw_fail(err, MW_EINVAL, "\"%.100s\" is no place for a model", path);
        return mw_err_hint(err, "name a folder of its own, like --out model");
    }
    mw_str_copy(ret->name, sizeof ret->name, mw_str_of(name));
    (void)snprintf(ret->saving, sizeof ret->saving, ".%s.saving", ret->name);
    ret->parent = ".";
    if (slash) {
        *(slash == ret->path ? slash + 1 : slash) = '\0';
        ret->parent = ret->path;
    }
    return MW_OK;
}

static bool is_model_file(const mw_dir_entry *entry) {
    if (entry->name[0] == '.') return !entry->is_dir; /* left over by a crash of an older save */
    for (size_t i = 0; i < sizeof model_files / sizeof *model_files; i++)
        if (strcmp(entry->name, model_files[i]) == 0) return true;
    return false;
}

/* MW_OK when what stands there is nothing, or nothing but a model. */
static mw_status check_target(const mw_ctx *ctx, mw_dir *parent, const char *name, mw_err *err) {
    mw_dir *old;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (!mw_dir_has(parent, name)) return MW_OK;
    mw_status status = mw_dir_sub(ctx, parent, name, MW_DIR_MUST_EXIST, &old, err);
    if (status) {
        if (err) err->code = MW_EINVAL;
        mw_err_hint(err, "--out names the folder of the model");
        return MW_EINVAL;
    }
    status = mw_dir_list(ctx, old, &entries, &n, err);
    for (size_t i = 0; i < n && !status; i++) {
        if (is_model_file(&entries[i])) continue;
        status = mw_fail(err, MW_ECONFLICT, "the folder %s holds \"%.60s\", which is no model's",
                         name, entries[i].name);
        mw_err_hint(err, "choose a folder of its own for the model");
    }
    mw_free(entries);
    mw_dir_close(old);
    return status;
}

static mw_status write_beside(const mw_ctx *ctx, const mw_model *model, mw_dir *parent,
                              const place *to, mw_str extra, mw_matrix check,
                              char sha256[MW_SHA256_HEX], mw_err *err) {
    mw_dir *saving;
    mw_map map = {0};
    mw_status status = mw_dir_remove(ctx, parent, to->saving, err);
    if (!status) status = mw_dir_sub(ctx, parent, to->saving, MW_DIR_CREATE, &saving, err);
    if (status) return status;
    status = mw_model_save(ctx, model, saving, extra, check, err);
    if (!status) status = mw_map_open(ctx, saving, mw_model_file(saving), &map, err);
    if (!status) {
        status = mw_sha256_of(map.data, map.size, sha256, err);
        mw_map_close(&map);
    }
    mw_dir_close(saving);
    return status;
}

mw_status mw_op__save_model(const mw_ctx *ctx, const mw_model *model, const char *path,
                            mw_str extra, mw_matrix check, char sha256[MW_SHA256_HEX],
                            mw_err *err) {
    place to;
    mw_dir *parent;
    mw_status status = split(path, &to, err);
    if (!status) status = mw_dir_open(ctx, to.parent, MW_DIR_CREATE, &parent, err);
    if (status) return status;
    status = check_target(ctx, parent, to.name, err);
    if (!status) {
        status = write_beside(ctx, model, parent, &to, extra, check, sha256, err);
        if (!status && mw_dir_has(parent, to.name))
            status = mw_dir_exchange(ctx, parent, to.saving, to.name, err);
        else if (!status)
            status = mw_dir_move(ctx, parent, to.saving, parent, to.name, err);
        /* The old model, or what a failure left. */
        (void)mw_dir_remove(ctx, parent, to.saving, NULL);
    }
    mw_dir_close(parent);
    return status;
}

mw_status mw_op__load_model(const mw_ctx *ctx, const char *path, mw_model **ret, mw_err *err) {
    mw_dir *dir;
    mw_status status = mw_dir_open(ctx, path, MW_DIR_MUST_EXIST, &dir, err);
    if (status) return status;
    status = mw_model_load(ctx, dir, ret, err);
    mw_dir_close(dir);
    return status;
}
