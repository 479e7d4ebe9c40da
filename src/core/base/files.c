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

static int sys_fdatasync(void *self, int fd) {
    (void)self;
    return fdatasync(fd);
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

static int sys_stat(void *self, int dir_fd, const char *path, struct stat *ret, int flags) {
    (void)self;
    return fstatat(dir_fd, path, ret, flags);
}

const mw_io mw_io_system = {sys_open,   sys_read,   sys_write, sys_fsync, sys_fdatasync, sys_close,
                            sys_rename, sys_unlink, sys_mkdir, sys_stat,  NULL};

enum {
    WRITE_BUFFER_BYTES = 256 * 1024,
    WRITE_BACK_BYTES = 8 << 20,
    RESERVE_BYTES = 32 << 20,
    VERIFY_BYTES = 1 << 20,
    NAME_MAX_BYTES = 256
};

struct mw_file {
    const mw_io *io;
    int fd;
    int dir_fd; /* a duplicate: the file may outlive the caller's mw_dir */
    char name[NAME_MAX_BYTES];
    char temporary[NAME_MAX_BYTES];
    mw_hash128 *hash; /* of the bytes in the file so far */
    uint64_t size_bytes;
    uint64_t n_written;   /* of them in the file */
    uint64_t n_on_the_go; /* of them the disk has been told to write */
    uint64_t n_reserved;  /* bytes for which there may be room on the disk already */
    size_t n_buffered;
    char buffer[WRITE_BUFFER_BYTES];
};

static void *release(mw_file *file) {
    mw_hash128_free(file->hash);
    return mw_free(file);
}

mw_status mw_file_create(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_file **ret,
                         mw_err *err) {
    static _Atomic unsigned serial;
    if (strchr(name, '/') || strlen(name) > NAME_MAX_BYTES - 64)
        return mw_fail(err, MW_EINVAL, "\"%s\" is not a plain file name", name);
    mw_file *file = mw_alloc(ctx->mem, sizeof *file);
    if (!file) return mw_fail_nomem(err, "a file buffer");
    mw_status status = mw_hash128_new(ctx->mem, &file->hash, err);
    if (status) {
        mw_free(file);
        return status;
    }
    file->io = ctx->io;
    file->size_bytes = file->n_written = file->n_on_the_go = file->n_reserved = 0;
    file->n_buffered = 0;
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    (void)snprintf(file->temporary, sizeof file->temporary, ".%.180s.tmp-%d-%u", name,
                   (int)getpid(), atomic_fetch_add(&serial, 1));
    file->dir_fd = fcntl(mw_dir_fd(dir), F_DUPFD_CLOEXEC, 0);
    file->fd = file->dir_fd < 0 ? -1
                                : file->io->open(file->io->self, file->dir_fd, file->temporary,
                                                 O_RDWR | O_CREAT | O_EXCL, 0640);
    if (file->fd < 0) {
        status = mw_fail_errno(err, errno, "cannot create %s/%s", mw_dir_label(dir), name);
        if (file->dir_fd >= 0) close(file->dir_fd);
        release(file);
        return status;
    }
    *ret = file;
    return MW_OK;
}

/* A hint: whether it helps or not, the fsync of the commit says if the bytes are on disk. */
static void start_write_back(mw_file *file) {
    uint64_t n = file->n_written - file->n_on_the_go;
    if (n < WRITE_BACK_BYTES) return;
    (void)sync_file_range(file->fd, (off_t)file->n_on_the_go, (off_t)n, SYNC_FILE_RANGE_WRITE);
    file->n_on_the_go = file->n_written;
}

/* Room for what comes next in a large file, taken at once: the page cache then need not ask for it block by block, a fifth of the time of
 * a write on ext4. A hint too: without room the write says so. */
static void reserve_room(mw_file *file, size_t size) {
    uint64_t end = file->n_written + size;
    if (end <= WRITE_BACK_BYTES || end <= file->n_reserved) return;
    (void)fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)file->n_written, RESERVE_BYTES);
    file->n_reserved = file->n_written + RESERVE_BYTES;
}

static mw_status write_all(mw_file *file, const char *data, size_t size, mw_err *err) {
    while (size > 0) {
        size_t piece = size < WRITE_BACK_BYTES ? size : WRITE_BACK_BYTES;
        reserve_room(file, piece);
        ssize_t n = file->io->write(file->io->self, file->fd, data, piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mw_fail_errno(err, errno, "cannot write %s", file->name);
        mw_hash128_add(file->hash, data, (size_t)n);
        file->n_written += (size_t)n;
        start_write_back(file);
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

/* Every write but the last is a multiple of the buffer, at one of it: the page cache takes those at half the cost. */
mw_status mw_file_write(mw_file *file, const void *data, size_t size, mw_err *err) {
    const char *at = data;
    for (size_t left = size; left > 0;) {
        size_t n = left / WRITE_BUFFER_BYTES * WRITE_BUFFER_BYTES;
        mw_status status = MW_OK;
        if (file->n_buffered == 0 && n > 0) {
            status = write_all(file, at, n, err);
        } else {
            n = sizeof file->buffer - file->n_buffered;
            if (n > left) n = left;
            memcpy(file->buffer + file->n_buffered, at, n);
            file->n_buffered += n;
            if (file->n_buffered == sizeof file->buffer) status = flush(file, err);
        }
        if (status) return status;
        at += n;
        left -= n;
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
    return release(file);
}

mw_status mw_file_commit(mw_file *file, mw_err *err) {
    const mw_io *io = file->io;
    mw_status status = flush(file, err);
    if (status) goto fail;
    /* Gives back what was reserved and not needed. */
    if (file->n_reserved > file->n_written && ftruncate(file->fd, (off_t)file->n_written) != 0) {
        status = mw_fail_errno(err, errno, "cannot write %s", file->name);
        goto fail;
    }
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
    release(file);
    return status;
fail:
    mw_file_abort(file);
    return status;
}

mw_status mw_file_commit_by_hash(mw_file *file, const char *suffix,
                                 char name_out[MW_FILE_HASH_NAME], mw_err *err) {
    char hex[MW_HASH128_HEX];
    name_out[0] = '\0';
    mw_status status = flush(file, err);
    if (status) {
        mw_file_abort(file);
        return status;
    }
    mw_hash128_digest(file->hash, hex);
    (void)snprintf(name_out, MW_FILE_HASH_NAME, "x%s%.20s", hex, suffix);
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

mw_status mw_file_read_path(const mw_ctx *ctx, const char *path, size_t max_bytes, char **ret,
                            size_t *ret_size, mw_err *err) {
    const char *name;
    mw_dir *dir = NULL;
    mw_status status = mw_dir_open_parent(ctx, path, &dir, &name, err);
    if (!status) status = mw_file_read(ctx, dir, name, max_bytes, ret, ret_size, err);
    mw_dir_close(dir);
    return status;
}

typedef struct check { /* one of the two is used */
    mw_hash128 *hash;
    mw_sha256 *sha;
} check;

static mw_status add_content(const mw_ctx *ctx, int fd, const check *to, const char *name,
                             mw_err *err) {
    char *buffer = mw_alloc(ctx->mem, VERIFY_BYTES);
    if (!buffer) return mw_fail_nomem(err, "reading a file");
    size_t n = VERIFY_BYTES;
    mw_status status = MW_OK;
    while (n == VERIFY_BYTES && !status) {
        status = read_all(ctx, fd, buffer, VERIFY_BYTES, &n, name, err);
        if (!status && to->hash) mw_hash128_add(to->hash, buffer, n);
        if (!status && to->sha) mw_sha256_add(to->sha, buffer, n);
        if (!status) status = mw_ctx_check(ctx, err);
    }
    mw_free(buffer);
    return status;
}

static mw_status fail_damaged(const char *name, mw_err *err) {
    return mw_fail(err, MW_EDATA, "%s is damaged: its content is not what was written", name);
}

mw_status mw_file_verify(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_err *err) {
    bool first_version = name[0] != 'x';
    const char *expected = first_version ? name : name + 1;
    if (strspn(expected, "0123456789abcdef") != MW_FILE_HASH_DIGITS) return MW_OK;
    char hex[MW_SHA256_HEX] = "";
    check to = {0};
    int fd;
    size_t size;
    mw_status status = open_regular(ctx, dir, name, &fd, &size, err);
    if (status) return status;
    status = first_version ? mw_sha256_new(&to.sha, err) : mw_hash128_new(ctx->mem, &to.hash, err);
    if (!status) status = add_content(ctx, fd, &to, name, err);
    ctx->io->close(ctx->io->self, fd);
    if (!status && to.hash) mw_hash128_digest(to.hash, hex);
    if (!status && to.sha) {
        mw_sha256_finish(to.sha, hex);
        to.sha = NULL;
    }
    mw_sha256_free(to.sha);
    mw_hash128_free(to.hash);
    if (status) return status;
    return strncmp(hex, expected, MW_FILE_HASH_DIGITS) == 0 ? MW_OK : fail_damaged(name, err);
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

void mw_map_forget(const mw_map *map, size_t from, size_t to) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    from = from / page * page;
    to = to / page * page;
    if (from < to && to <= map->size)
        (void)madvise((void *)(uintptr_t)(map->data + from), to - from, MADV_DONTNEED);
}
