/* dir.c -- openat-style access below one descriptor; single-component names only. */
#include "core/base/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 16 };

struct mw_dir {
    int fd;
    char label[512];
};

int mw_dir_fd(const mw_dir *dir) { return dir->fd; }
const char *mw_dir_label(const mw_dir *dir) { return dir->label; }

static mw_status check_name(const char *name, mw_err *err) {
    if (*name == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return mw_fail(err, MW_EINVAL, "\"%s\" is not a plain file name", name);
    return MW_OK;
}

static mw_status wrap(const mw_ctx *ctx, int fd, const char *parent, const char *name, mw_dir **ret,
                      mw_err *err) {
    mw_dir *dir = mw_alloc(ctx->mem, sizeof *dir);
    if (!dir) {
        close(fd);
        return mw_fail_nomem(err, "a folder handle");
    }
    dir->fd = fd;
    mw_buf label;
    mw_buf_init(&label, ctx->mem, sizeof dir->label - 1);
    if (parent) mw_buf_printf(&label, "%s/", parent);
    mw_buf_add(&label, name);
    mw_str_copy(dir->label, sizeof dir->label, mw_buf_str(&label));
    mw_buf_done(&label);
    *ret = dir;
    return MW_OK;
}

/* Makes one component below fd if it is missing, durably. */
static mw_status make_one(const mw_ctx *ctx, int fd, const char *name, const char *shown,
                          mw_err *err) {
    const mw_io *io = ctx->io;
    if (io->mkdir(io->self, fd, name, 0750) == 0) {
        if (io->fsync(io->self, fd) != 0)
            return mw_fail_errno(err, errno, "cannot sync the folder above %s", shown);
        return MW_OK;
    }
    if (errno == EEXIST) return MW_OK;
    return mw_fail_errno(err, errno, "cannot make the folder %s", shown);
}

mw_status mw_dir_open(const mw_ctx *ctx, const char *path, mw_dir_mode mode, mw_dir **ret,
                      mw_err *err) {
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    if (mode == MW_DIR_CREATE) {
        char part[4096];
        size_t n = strlen(path);
        if (n >= sizeof part) return mw_fail(err, MW_EINVAL, "the path is longer than 4095 bytes");
        for (size_t i = 1; i <= n; i++) {
            if (path[i] != '/' && path[i] != '\0') continue;
            memcpy(part, path, i);
            part[i] = '\0';
            int parent = -1;
            char *slash = strrchr(part, '/');
            if (!slash)
                parent = open(".", flags);
            else if (slash == part)
                parent = open("/", flags);
            else {
                *slash = '\0';
                parent = open(part, flags);
                *slash = '/';
            }
            const char *name = slash ? slash + 1 : part;
            if (parent < 0)
                return mw_fail_errno(err, errno, "cannot open the folder above %s", part);
            mw_status status = *name ? make_one(ctx, parent, name, part, err) : MW_OK;
            close(parent);
            if (status) return status;
        }
    }
    int fd = ctx->io->open(ctx->io->self, AT_FDCWD, path, flags, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot open the folder %s", path);
    return wrap(ctx, fd, NULL, path, ret, err);
}

mw_status mw_dir_open_parent(const mw_ctx *ctx, const char *path, mw_dir **ret,
                             const char **ret_name, mw_err *err) {
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = n > 0 ? mw_strndup(ctx->mem, path, n) : mw_strdup(ctx->mem, ".");
    if (!folder) return mw_fail_nomem(err, "a path");
    mw_status status = mw_dir_open(ctx, folder, MW_DIR_MUST_EXIST, ret, err);
    if (!status) *ret_name = path + n;
    mw_free(folder);
    return status;
}

mw_status mw_dir_sub(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_dir_mode mode,
                     mw_dir **ret, mw_err *err) {
    mw_status status = check_name(name, err);
    if (!status && mode == MW_DIR_CREATE) status = make_one(ctx, dir->fd, name, name, err);
    if (status) return status;
    int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot open the folder %s/%s", dir->label, name);
    return wrap(ctx, fd, dir->label, name, ret, err);
}

mw_status mw_dir_below(const mw_ctx *ctx, mw_dir *dir, const char *path, mw_dir_mode mode,
                       mw_dir **ret, const char **ret_name, mw_err *err) {
    mw_dir *at = NULL;
    int fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot open the folder %s", dir->label);
    mw_status status = wrap(ctx, fd, NULL, dir->label, &at, err);
    int depth = 0;
    for (const char *slash; !status && (slash = strchr(path, '/')); path = slash + 1) {
        char part[256];
        mw_dir *next;
        const size_t n = (size_t)(slash - path);
        if (n >= sizeof part || ++depth > DEPTH_MAX) {
            status = mw_fail(err, MW_EINVAL, "the path has a part that is too long, or too many");
            break;
        }
        mw_str_copy(part, sizeof part, (mw_str){path, n});
        status = mw_dir_sub(ctx, at, part, mode, &next, err);
        if (status) break;
        mw_dir_close(at);
        at = next;
    }
    if (!status) status = check_name(path, err);
    if (status) {
        mw_dir_close(at);
        return status;
    }
    *ret = at;
    *ret_name = path;
    return MW_OK;
}

void *mw_dir_close(mw_dir *dir) {
    if (!dir) return NULL;
    close(dir->fd);
    return mw_free(dir);
}

bool mw_dir_has(mw_dir *dir, const char *name) {
    struct stat info;
    return fstatat(dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

mw_status mw_dir_sync(const mw_ctx *ctx, mw_dir *dir, mw_err *err) {
    if (ctx->io->fsync(ctx->io->self, dir->fd) == 0) return MW_OK;
    return mw_fail_errno(err, errno, "cannot sync the folder %s", dir->label);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const mw_dir_entry *)a)->name, ((const mw_dir_entry *)b)->name);
}

/* A descriptor of its own, so that reading the list does not move the shared offset of dir->fd. */
static DIR *open_stream(int dir_fd) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return NULL;
    DIR *stream = fdopendir(fd);
    if (!stream) close(fd);
    return stream;
}

mw_status mw_dir_list(const mw_ctx *ctx, mw_dir *dir, mw_dir_entry **ret, size_t *n, mw_err *err) {
    DIR *stream = open_stream(dir->fd);
    if (!stream) return mw_fail_errno(err, errno, "cannot list the folder %s", dir->label);
    mw_dir_entry *entries = NULL;
    size_t size = 0, capacity = 0;
    struct dirent *item;
    while ((item = readdir(stream))) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
        struct stat info;
        if (fstatat(dir->fd, item->d_name, &info, 0) != 0) continue; /* gone meanwhile */
        if (size == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            mw_dir_entry *more = mw_realloc(ctx->mem, entries, capacity * sizeof *more);
            if (!more) {
                closedir(stream);
                mw_free(entries);
                return mw_fail_nomem(err, "a folder listing");
            }
            entries = more;
        }
        mw_dir_entry *entry = &entries[size++];
        mw_str_copy(entry->name, sizeof entry->name, mw_str_of(item->d_name));
        entry->is_dir = S_ISDIR(info.st_mode);
        entry->size_bytes = (uint64_t)info.st_size;
        entry->modified_us =
            (int64_t)info.st_mtim.tv_sec * MW_US_PER_SECOND + info.st_mtim.tv_nsec / 1000;
    }
    closedir(stream);
    if (!entries) {
        entries = mw_alloc(ctx->mem, sizeof *entries);
        if (!entries) return mw_fail_nomem(err, "a folder listing");
    }
    if (size) qsort(entries, size, sizeof *entries, by_name);
    *ret = entries;
    *n = size;
    return MW_OK;
}

mw_status mw_dir_move(const mw_ctx *ctx, mw_dir *from, const char *from_name, mw_dir *to,
                      const char *to_name, mw_err *err) {
    mw_status status = check_name(from_name, err);
    if (!status) status = check_name(to_name, err);
    if (status) return status;
    const mw_io *io = ctx->io;
    if (io->rename(io->self, from->fd, from_name, to->fd, to_name) != 0)
        return mw_fail_errno(err, errno, "cannot move %s/%s to %s/%s", from->label, from_name,
                             to->label, to_name);
    status = mw_dir_sync(ctx, to, err);
    if (!status && from->fd != to->fd) status = mw_dir_sync(ctx, from, err);
    return status;
}

mw_status mw_dir_exchange(const mw_ctx *ctx, mw_dir *dir, const char *a, const char *b,
                          mw_err *err) {
    mw_status status = check_name(a, err);
    if (!status) status = check_name(b, err);
    if (status) return status;
    if (renameat2(dir->fd, a, dir->fd, b, RENAME_EXCHANGE) != 0)
        return mw_fail_errno(err, errno, "cannot put %s/%s in the place of %s", dir->label, a, b);
    return mw_dir_sync(ctx, dir, err);
}

mw_status mw_dir_link(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *target,
                      mw_err *err) {
    static const char temporary[] = ".link-being-made";
    mw_status status = check_name(name, err);
    if (status) return status;
    const mw_io *io = ctx->io;
    (void)io->unlink(io->self, dir->fd, temporary, 0);
    if (symlinkat(target, dir->fd, temporary) != 0 ||
        io->rename(io->self, dir->fd, temporary, dir->fd, name) != 0)
        return mw_fail_errno(err, errno, "cannot link %s/%s to %s", dir->label, name, target);
    return mw_dir_sync(ctx, dir, err);
}

static mw_status remove_children(const mw_ctx *ctx, mw_dir *dir, mw_err *err) {
    mw_dir_entry *entries;
    size_t n;
    mw_status status = mw_dir_list(ctx, dir, &entries, &n, err);
    if (status) return status;
    for (size_t i = 0; i < n && !status; i++)
        status = mw_dir_remove(ctx, dir, entries[i].name, err);
    mw_free(entries);
    return status;
}

mw_status mw_dir_remove(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_err *err) {
    mw_status status = check_name(name, err);
    if (status) return status;
    const mw_io *io = ctx->io;
    if (io->unlink(io->self, dir->fd, name, 0) == 0 || errno == ENOENT) return MW_OK;
    if (errno != EISDIR && errno != EPERM)
        return mw_fail_errno(err, errno, "cannot remove %s/%s", dir->label, name);
    mw_dir *child;
    status = mw_dir_sub(ctx, dir, name, MW_DIR_MUST_EXIST, &child, err);
    if (status) return status;
    status = remove_children(ctx, child, err);
    mw_dir_close(child);
    if (status) return status;
    if (io->unlink(io->self, dir->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return MW_OK;
    return mw_fail_errno(err, errno, "cannot remove the folder %s/%s", dir->label, name);
}
