/* output_file.c -- see output_file.h. */
#include "run/op/output_file.h"

#include <string.h>

#include "core/base/arena.h"
#include "core/base/dir.h"

/* The file is put in place by a rename, which would replace a device or a pipe by a file. */
static mw_status check_output(const char *path, mw_err *err) {
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return MW_OK;
    mw_fail(err, MW_EINVAL, "%s is not a regular file", path);
    mw_err_at(err, "out");
    return mw_err_hint(err, "name a file to write, or one to replace");
}

/* SCORES.csv may name a folder: dir/name are split at the last slash. */
mw_status mw_op__create_output(const mw_ctx *ctx, const char *path, mw_file **ret, mw_err *err) {
    const char *slash = strrchr(path, '/');
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char *folder = slash ? mw_arena_strndup(&arena, path, (size_t)(slash - path) + 1) : ".";
    mw_dir *dir = NULL;
    mw_status status = folder ? check_output(path, err) : mw_fail_nomem(err, "a path");
    if (!status) status = mw_dir_open(ctx, folder, MW_DIR_MUST_EXIST, &dir, err);
    if (!status) status = mw_file_create(ctx, dir, slash ? slash + 1 : path, ret, err);
    mw_dir_close(dir);
    mw_arena_done(&arena);
    return status;
}
