/*
 * scratch.c -- open and unlink rather than O_TMPFILE, which not every file system has. An unlink that fails is tried again at the
 * end; only a kill between the two calls leaves an empty ".scratch-PID-N" behind.
 */
#include "core/base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct mw_scratch {
    const mw_ctx *ctx;
    mw_dir *dir;
    int fd;
    bool named; /* the folder still has it */
    char name[48];
};

static void unlink_name(mw_scratch *scratch) {
    const mw_io *io = scratch->ctx->io;
    if (scratch->named && io->unlink(io->self, mw_dir_fd(scratch->dir), scratch->name, 0) == 0)
        scratch->named = false;
}

mw_status mw_scratch_new(const mw_ctx *ctx, mw_dir *dir, mw_scratch **ret, mw_err *err) {
    static _Atomic unsigned serial;
    mw_scratch *scratch = mw_alloc(ctx->mem, sizeof *scratch);
    if (!scratch) return mw_fail_nomem(err, "a temporary file");
    *scratch = (mw_scratch){.ctx = ctx, .dir = dir, .named = true};
    (void)snprintf(scratch->name, sizeof scratch->name, ".scratch-%d-%u", (int)getpid(),
                   atomic_fetch_add(&serial, 1));
    scratch->fd = ctx->io->open(ctx->io->self, mw_dir_fd(dir), scratch->name,
                                O_RDWR | O_CREAT | O_EXCL, 0600);
    if (scratch->fd < 0) {
        mw_status status =
            mw_fail_errno(err, errno, "cannot create a temporary file in %s", mw_dir_label(dir));
        mw_free(scratch);
        return status;
    }
    unlink_name(scratch);
    *ret = scratch;
    return MW_OK;
}

void *mw_scratch_free(mw_scratch *scratch) {
    if (!scratch) return NULL;
    unlink_name(scratch);
    (void)scratch->ctx->io->close(scratch->ctx->io->self, scratch->fd);
    return mw_free(scratch);
}

mw_status mw_scratch_write(mw_scratch *scratch, const void *data, size_t size, mw_err *err) {
    const mw_io *io = scratch->ctx->io;
    const char *at = data;
    while (size > 0) {
        ssize_t n = io->write(io->self, scratch->fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return mw_fail_errno(err, errno, "cannot write a temporary file in %s",
                                 mw_dir_label(scratch->dir));
        at += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

mw_status mw_scratch_rewind(mw_scratch *scratch, mw_err *err) {
    if (lseek(scratch->fd, 0, SEEK_SET) == 0) return MW_OK;
    return mw_fail_errno(err, errno, "cannot read a temporary file in %s back",
                         mw_dir_label(scratch->dir));
}

mw_status mw_scratch_read(mw_scratch *scratch, void *data, size_t size, mw_err *err) {
    const mw_io *io = scratch->ctx->io;
    char *at = data;
    while (size > 0) {
        ssize_t n = io->read(io->self, scratch->fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return mw_fail_errno(err, errno, "cannot read a temporary file in %s back",
                                 mw_dir_label(scratch->dir));
        if (n == 0)
            return mw_fail(err, MW_EIO, "a temporary file in %s ends too early",
                           mw_dir_label(scratch->dir));
        at += n;
        size -= (size_t)n;
    }
    return MW_OK;
}
