/*
 * files.c -- durable files. A file is written as ".NAME.tmp-PID-N" beside its target; leftovers of
 * a crash are recognizable by that name and harmless.
 */
#include "core/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/dir.h"
#include "core/base/hash.h"

static int sys_open(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    (void)self;
    return openat(dir_fd, path, flags | O_CLOEXEC, mode);
}

static ssize_t sys_read(void *self, int fd, void *data, size_t size) {
    (void)self;
    return read(fd, data, size);
}

static ssize_t sys_write(void *self, int fd, const void *data, size_t size) {
    (void)self;
    return write(fd, data, size);
}

static int sys_fsync(void *self, int fd) {
    (void)self;
    return fsync(fd);
}

static int sys_close(void *self, int fd) {
    (void)self;
    return close(fd);
}

static int sys_rename(void *self, int from_dir, const char *from, int to_dir, const char *to) {
    (void)self;
    return renameat(from_dir, from, to_dir, to);
}

static int sys_unlink(void *self, int dir_fd, const char *path, int flags) {
    (void)self;
    return unlinkat(dir_fd, path, flags);
}

static int sys_mkdir(void *self, int dir_fd, const char *path, mode_t mode) {
    (void)self;
    return mkdirat(dir_fd, path, mode);
}

const mw_io mw_io_system = {sys_open,   sys_read,   sys_write, sys_fsync, sys_close,
                            sys_rename, sys_unlink, sys_mkdir, NULL};

enum { WRITE_BUFFER_BYTES = 256 * 1024, NAME_MAX_BYTES = 256 };

struct mw_file {
    const mw_io *io;
    int fd;
    int dir_fd; /* a duplicate: the file may outlive the caller's mw_dir */
    char name[NAME_MAX_BYTES];
    char temporary[NAME_MAX_BYTES];
    uint64_t size_bytes;
    size_t n_buffered;
    char buffer[WRITE_BUFFER_BYTES];
};

mw_status mw_file_create(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_file **ret,
                         mw_err *err) {
    static _Atomic unsigned serial;
    if (strchr(name, '/') || strlen(name) > NAME_MAX_BYTES - 64)
        return mw_fail(err, MW_EINVAL, "\"%s\" is not a plain file name", name);
    mw_file *file = mw_alloc(ctx->mem, sizeof *file);
    if (!file) return mw_fail_nomem(err, "a file buffer");
    file->io = ctx->io;
    file->size_bytes = 0;
    file->n_buffered = 0;
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    (void)snprintf(file->temporary, sizeof file->temporary, ".%.180s.tmp-%d-%u", name,
                   (int)getpid(), atomic_fetch_add(&serial, 1));
    file->dir_fd = fcntl(mw_dir_fd(dir), F_DUPFD_CLOEXEC, 0);
    file->fd = file->dir_fd < 0 ? -1
                                : file->io->open(file->io->self, file->dir_fd, file->temporary,
                                                 O_RDWR | O_CREAT | O_EXCL, 0640);
    if (file->fd < 0) {
        mw_status status =
            mw_fail_errno(err, errno, "cannot create %s/%s", mw_dir_label(dir), name);
        if (file->dir_fd >= 0) close(file->dir_fd);
        mw_free(file);
        return status;
    }
    *ret = file;
    return MW_OK;
}

static mw_status write_all(mw_file *file, const char *data, size_t size, mw_err *err) {
    while (size > 0) {
        ssize_t n = file->io->write(file->io->self, file->fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mw_fail_errno(err, errno, "cannot write %s", file->name);
        data += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

static mw_status flush(mw_file *file, mw_err *err) {
    mw_status status = write_all(file, file->buffer, file->n_buffered, err);
    if (!status) file->n_buffered = 0;
    return status;
}

mw_status mw_file_write(mw_file *file, const void *data, size_t size, mw_err *err) {
    if (size > sizeof file->buffer - file->n_buffered) {
        mw_status status = flush(file, err);
        if (status) return status;
    }
    if (size >= sizeof file->buffer) {
        mw_status status = write_all(file, data, size, err);
        if (status) return status;
    } else if (size) {
        memcpy(file->buffer + file->n_buffered, data, size);
        file->n_buffered += size;
    }
    file->size_bytes += size;
    return MW_OK;
}

uint64_t mw_file_size(const mw_file *file) { return file->size_bytes; }

void *mw_file_abort(mw_file *file) {
    if (!file) return NULL;
    const mw_io *io = file->io;
    if (file->fd >= 0) (void)io->close(io->self, file->fd);
    (void)io->unlink(io->self, file->dir_fd, file->temporary, 0);
    close(file->dir_fd);
    return mw_free(file);
}

mw_status mw_file_commit(mw_file *file, mw_err *err) {
    const mw_io *io = file->io;
    mw_status status = flush(file, err);
    if (status) goto fail;
    if (io->fsync(io->self, file->fd) != 0) {
        status = mw_fail_errno(err, errno, "cannot sync %s", file->name);
        goto fail;
    }
    int closed = io->close(io->self, file->fd);
    file->fd = -1;
    if (closed != 0) {
        status = mw_fail_errno(err, errno, "cannot close %s", file->name);
        goto fail;
    }
    if (io->rename(io->self, file->dir_fd, file->temporary, file->dir_fd, file->name) != 0) {
        status = mw_fail_errno(err, errno, "cannot put %s in place", file->name);
        goto fail;
    }
    if (io->fsync(io->self, file->dir_fd) != 0)
        status = mw_fail_errno(err, errno, "cannot sync the folder of %s", file->name);
    close(file->dir_fd);
    mw_free(file);
    return status;
fail:
    mw_file_abort(file);
    return status;
}

static mw_status hash_content(mw_file *file, char hex[MW_SHA256_HEX], mw_err *err) {
    mw_sha256 *sha;
    if (lseek(file->fd, 0, SEEK_SET) != 0)
        return mw_fail_errno(err, errno, "cannot read %s back", file->name);
    mw_status status = mw_sha256_new(&sha, err);
    if (status) return status;
    for (;;) {
        /* The write buffer is empty by now: it serves for reading. */
        ssize_t n = file->io->read(file->io->self, file->fd, file->buffer, sizeof file->buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = mw_fail_errno(err, errno, "cannot read %s back", file->name);
            mw_sha256_free(sha);
            return status;
        }
        if (n == 0) break;
        mw_sha256_add(sha, file->buffer, (size_t)n);
    }
    mw_sha256_finish(sha, hex);
    return MW_OK;
}

mw_status mw_file_commit_by_hash(mw_file *file, const char *suffix,
                                 char name_out[MW_FILE_HASH_NAME], mw_err *err) {
    char hex[MW_SHA256_HEX];
    name_out[0] = '\0';
    mw_status status = flush(file, err);
    if (!status) status = hash_content(file, hex, err);
    if (status) {
        mw_file_abort(file);
        return status;
    }
    (void)snprintf(name_out, MW_FILE_HASH_NAME, "%.*s%.20s", MW_FILE_HASH_DIGITS, hex, suffix);
    (void)snprintf(file->name, sizeof file->name, "%s", name_out);
    return mw_file_commit(file, err);
}

mw_status mw_file_replace(const mw_ctx *ctx, mw_dir *dir, const char *name, const void *data,
                          size_t size, mw_err *err) {
    mw_file *file;
    mw_status status = mw_file_create(ctx, dir, name, &file, err);
    if (status) return status;
    status = mw_file_write(file, data, size, err);
    if (status) {
        mw_file_abort(file);
        return status;
    }
    return mw_file_commit(file, err);
}

/* Opens a regular file and tells its size. */
static mw_status open_regular(const mw_ctx *ctx, mw_dir *dir, const char *name, int *ret_fd,
                              size_t *ret_size, mw_err *err) {
    int fd = ctx->io->open(ctx->io->self, mw_dir_fd(dir), name, O_RDONLY, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot open %s/%s", mw_dir_label(dir), name);
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        ctx->io->close(ctx->io->self, fd);
        return mw_fail(err, MW_EDATA, "%s/%s is not a regular file", mw_dir_label(dir), name);
    }
    *ret_fd = fd;
    *ret_size = (size_t)info.st_size;
    return MW_OK;
}

static mw_status read_all(const mw_ctx *ctx, int fd, char *data, size_t size, size_t *ret_read,
                          const char *name, mw_err *err) {
    size_t at = 0;
    while (at < size) {
        ssize_t n = ctx->io->read(ctx->io->self, fd, data + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mw_fail_errno(err, errno, "cannot read %s", name);
        if (n == 0) break;
        at += (size_t)n;
    }
    *ret_read = at;
    return MW_OK;
}

mw_status mw_file_read(const mw_ctx *ctx, mw_dir *dir, const char *name, size_t max_bytes,
                       char **ret, size_t *ret_size, mw_err *err) {
    int fd;
    size_t size;
    mw_status status = open_regular(ctx, dir, name, &fd, &size, err);
    if (status) return status;
    char *data = NULL;
    if (size > max_bytes) {
        status = mw_fail(err, MW_ETOOLARGE, "%s/%s has %zu bytes, more than the limit of %zu",
                         mw_dir_label(dir), name, size, max_bytes);
    } else if (!(data = mw_alloc(ctx->mem, size + 1))) {
        status = mw_fail_nomem(err, name);
    } else {
        status = read_all(ctx, fd, data, size, &size, name, err);
    }
    ctx->io->close(ctx->io->self, fd);
    if (status) {
        mw_free(data);
        return status;
    }
    data[size] = '\0';
    *ret = data;
    *ret_size = size;
    return MW_OK;
}

mw_status mw_map_open(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_map *ret, mw_err *err) {
    int fd;
    size_t size;
    mw_status status = open_regular(ctx, dir, name, &fd, &size, err);
    if (status) return status;
    void *data = NULL;
    if (size > 0) {
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = mw_fail_errno(err, errno, "cannot map %s/%s", mw_dir_label(dir), name);
    }
    ctx->io->close(ctx->io->self, fd);
    if (status) return status;
    *ret = (mw_map){data, size};
    return MW_OK;
}

void mw_map_close(mw_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (mw_map){0};
}
