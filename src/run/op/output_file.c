/* output_file.c -- see output_file.h. */
#include "run/op/output_file.h"

#include "core/base/dir.h"

/* The file is put in place by a rename, which would replace a device or a pipe by a file. */
static mw_status check_output(const char *path, mw_err *err) {
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return MW_OK;
    mw_fail(err, MW_EINVAL, "%s is not a regular file", path);
    mw_err_at(err, "out");
    return mw_err_hint(err, "name a file to write, or one to replace");
}

mw_status mw_op__create_output(const mw_ctx *ctx, const char *path, mw_file **ret, mw_err *err) {
    const char *name;
    mw_dir *dir = NULL;
    mw_status status = check_output(path, err);
    if (!status) status = mw_dir_open_parent(ctx, path, &dir, &name, err);
    if (!status) status = mw_file_create(ctx, dir, name, ret, err);
    mw_dir_close(dir);
    return status;
}
