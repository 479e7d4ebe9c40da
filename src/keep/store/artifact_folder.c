/* artifact_folder.c -- the data folder as a cache of the artifact store; see artifact.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keep/store/artifact_parts.h"

/* The folder that path lies in, and path's last component. */
static mw_status open_parent(const mw_ctx *ctx, mw_dir *root, const char *path, mw_dir_mode mode,
                             mw_dir **ret, const char **ret_name, mw_err *err) {
    if (!strchr(path, '/')) return mw_fail(err, MW_EINVAL, "%.100s lies in no folder", path);
    return mw_dir_below(ctx, root, path, mode, ret, ret_name, err);
}

mw_status mw_artifacts_need(const mw_ctx *ctx, mw_artifacts *artifacts, const char *dataset,
                            mw_dir *dir, const char *file, mw_err *err) {
    char name[MW_ARTIFACT_NAME];
    if (mw_dir_has(dir, file)) return MW_OK;
    if (!artifacts)
        return mw_fail(err, MW_ENOTFOUND, "%s is missing in %s", file, mw_dir_label(dir));
    mw_artifact_of_dataset(ctx->org, dataset, file, name);
    return mw_artifacts_get(ctx, artifacts, name, dir, file, err);
}

mw_status mw_artifacts_put_file(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                const char *path, mw_err *err) {
    if (!artifacts) return MW_OK;
    mw_dir *dir;
    const char *name;
    mw_status status = open_parent(ctx, data, path, MW_DIR_MUST_EXIST, &dir, &name, err);
    if (status) return status;
    status = mw_artifacts_put(ctx, artifacts, path, dir, name, err);
    mw_dir_close(dir);
    return status;
}

static mw_status put_all(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *dir, const char *path,
                         mw_err *err) {
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    mw_status status = mw_dir_list(ctx, dir, &entries, &n, err);
    for (size_t i = 0; i < n && !status; i++) {
        char below[MW_ARTIFACT_NAME];
        mw_dir *sub;
        if (entries[i].name[0] == '.') continue; /* what a crash may leave of a file */
        if ((size_t)snprintf(below, sizeof below, "%s/%s", path, entries[i].name) >= sizeof below)
            status = mw_fail(err, MW_EINVAL, "%.100s... is too long a name", below);
        if (!status && !entries[i].is_dir) {
            status = mw_artifacts_put(ctx, artifacts, below, dir, entries[i].name, err);
        } else if (!status) {
            status = mw_dir_sub(ctx, dir, entries[i].name, MW_DIR_MUST_EXIST, &sub, err);
            if (status) break;
            status = put_all(ctx, artifacts, sub, below, err);
            mw_dir_close(sub);
        }
    }
    mw_free(entries);
    return status;
}

mw_status mw_artifacts_put_folder(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                  const char *path, mw_err *err) {
    if (!artifacts) return MW_OK;
    mw_dir *parent, *dir = NULL;
    const char *name;
    mw_status status = open_parent(ctx, data, path, MW_DIR_MUST_EXIST, &parent, &name, err);
    if (status) return status;
    status = mw_dir_sub(ctx, parent, name, MW_DIR_MUST_EXIST, &dir, err);
    if (!status) status = put_all(ctx, artifacts, dir, path, err);
    mw_dir_close(dir);
    mw_dir_close(parent);
    return status;
}

mw_status mw_artifacts_fetch_file(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                  const char *path, mw_err *err) {
    mw_dir *dir;
    const char *name;
    if (!artifacts) return mw_fail(err, MW_ENOTFOUND, "%s is not in the data folder", path);
    mw_status status = open_parent(ctx, data, path, MW_DIR_CREATE, &dir, &name, err);
    if (status) return status;
    status = mw_artifacts_get(ctx, artifacts, path, dir, name, err);
    mw_dir_close(dir);
    return status;
}

typedef struct fetching {
    const mw_ctx *ctx;
    mw_artifacts *artifacts;
    mw_dir *into;
    size_t n_prefix;
    size_t n;
} fetching;

static mw_status fetch_one(void *arg, const char *name, mw_err *err) {
    fetching *f = arg;
    const char *last;
    mw_dir *dir = NULL;
    mw_status status = mw_ctx_check(f->ctx, err);
    if (!status)
        status = mw_dir_below(f->ctx, f->into, name + f->n_prefix, MW_DIR_CREATE, &dir, &last, err);
    if (!status) status = mw_artifacts_get(f->ctx, f->artifacts, name, dir, last, err);
    mw_dir_close(dir);
    f->n++;
    return status;
}

mw_status mw_artifacts_fetch_folder(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                    const char *path, mw_err *err) {
    mw_dir *parent;
    const char *name;
    char prefix[MW_ARTIFACT_NAME + 8], part[128];
    if (!artifacts) return mw_fail(err, MW_ENOTFOUND, "%s is not in the data folder", path);
    mw_status status = open_parent(ctx, data, path, MW_DIR_CREATE, &parent, &name, err);
    if (status) return status;
    const int n = snprintf(prefix, sizeof prefix, "%s/", path);
    /* Others may fetch it, too: each in a folder of its own. */
    static _Atomic unsigned counter;
    (void)snprintf(part, sizeof part, ".%.64s.%d.%u", name, (int)getpid(), counter++);
    fetching f = {.ctx = ctx, .artifacts = artifacts, .n_prefix = (size_t)n};
    status = mw_dir_sub(ctx, parent, part, MW_DIR_CREATE, &f.into, err);
    if (!status) status = mw_artifacts_list(ctx, artifacts, prefix, fetch_one, &f, err);
    if (!status && f.n == 0)
        status = mw_fail(err, MW_ENOTFOUND, "%s is not in %s", path, artifacts->label);
    mw_dir_close(f.into);
    if (!status) {
        /* In the place of one that is damaged, or that another one was faster to bring. */
        if (mw_dir_has(parent, name))
            status = mw_dir_exchange(ctx, parent, part, name, err);
        else
            status = mw_dir_move(ctx, parent, part, parent, name, err);
    }
    if (mw_dir_has(parent, part)) (void)mw_dir_remove(ctx, parent, part, NULL);
    mw_dir_close(parent);
    return status;
}
