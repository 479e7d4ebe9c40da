/* append.c -- see append.h. */
#include "core/base/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };

struct mw_append {
    const mw_io *io;
    int fd;
    uint64_t size, synced;
    char name[NAME_BYTES];
};

static mw_status fit(mw_append *a, uint64_t size, mw_err *err) {
    struct stat info;
    if (fstat(a->fd, &info) != 0) return mw_fail_errno(err, errno, "cannot look at %s", a->name);
    if ((uint64_t)info.st_size < size)
        return mw_fail(err, MW_EDATA, "%s has %lld bytes, not the %llu that were written", a->name,
                       (long long)info.st_size, (unsigned long long)size);
    a->size = a->synced = size;
    return (uint64_t)info.st_size == size ? MW_OK : mw_append_cut(a, size, err);
}

mw_status mw_append_open(const mw_ctx *ctx, mw_dir *dir, const char *name, uint64_t size,
                         mw_append **ret, mw_err *err) {
    mw_append *a = mw_calloc(ctx->mem, 1, sizeof *a);
    if (!a) return mw_fail_nomem(err, "a file");
    a->io = ctx->io;
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    a->fd = a->io->open(a->io->self, mw_dir_fd(dir), name, O_WRONLY | O_APPEND, 0);
    if (a->fd < 0) {
        mw_status status = mw_fail_errno(err, errno, "cannot open %s/%s", mw_dir_label(dir), name);
        mw_free(a);
        return status;
    }
    mw_status status = fit(a, size, err);
    if (status)
        mw_append_close(a);
    else
        *ret = a;
    return status;
}

static mw_status write_all(mw_append *a, const char *data, size_t size, mw_err *err) {
    while (size > 0) {
        const ssize_t n = a->io->write(a->io->self, a->fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mw_fail_errno(err, errno, "cannot write %s", a->name);
        a->size += (uint64_t)n;
        data += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

mw_status mw_append_write(mw_append *a, const void *data, size_t size, mw_err *err) {
    const uint64_t before = a->size;
    mw_status status = write_all(a, data, size, err);
    if (status && a->size > before) (void)mw_append_cut(a, before, NULL);
    return status;
}

mw_status mw_append_sync(mw_append *a, mw_err *err) {
    if (a->io->fdatasync(a->io->self, a->fd) != 0)
        return mw_fail_errno(err, errno, "cannot sync %s", a->name);
    a->synced = a->size;
    return MW_OK;
}

mw_status mw_append_cut(mw_append *a, uint64_t size, mw_err *err) {
    if (ftruncate(a->fd, (off_t)size) != 0)
        return mw_fail_errno(err, errno, "cannot cut off the end of %s", a->name);
    a->size = size;
    if (a->synced > size) a->synced = size;
    if (a->io->fsync(a->io->self, a->fd) != 0)
        return mw_fail_errno(err, errno, "cannot sync %s", a->name);
    return MW_OK;
}

uint64_t mw_append_size(const mw_append *a) { return a->size; }
uint64_t mw_append_synced(const mw_append *a) { return a->synced; }

void *mw_append_close(mw_append *a) {
    if (!a) return NULL;
    (void)a->io->close(a->io->self, a->fd);
    return mw_free(a);
}
