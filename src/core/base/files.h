/*
 * files.h -- the system calls on files, behind one table so that tests can make any of them fail.
 *
 * What      mw_io is the table; mw_file is a file being written that becomes visible only when
 * whole and on disk; mw_map is a read-only view of a whole file. Durable   mw_file_commit = write,
 * fsync, rename, fsync of the directory. A crash before it returns leaves the old file; after it,
 * the new one. Errors    messages name the file; ENOSPC, EROFS and EACCES carry a hint.
 */
#ifndef MW_CORE_BASE_FILES_H
#define MW_CORE_BASE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "core/base/ctx.h"
#include "core/base/str.h"

/* Each returns what the system call returns, with errno set. */
typedef struct mw_io {
    int (*open)(void *self, int dir_fd, const char *path, int flags, mode_t mode);
    ssize_t (*read)(void *self, int fd, void *data, size_t size);
    ssize_t (*write)(void *self, int fd, const void *data, size_t size);
    int (*fsync)(void *self, int fd);
    int (*fdatasync)(void *self, int fd);
    int (*close)(void *self, int fd);
    int (*rename)(void *self, int from_dir, const char *from, int to_dir, const char *to);
    int (*unlink)(void *self, int dir_fd, const char *path, int flags);
    int (*mkdir)(void *self, int dir_fd, const char *path, mode_t mode);
    int (*stat)(void *self, int dir_fd, const char *path, struct stat *ret, int flags);
    void *self;
} mw_io;

extern const mw_io mw_io_system;

struct mw_dir;

typedef struct mw_file mw_file;

/* Starts writing `name` in dir, under a temporary name until the commit. name has no slash. */
mw_status mw_file_create(const mw_ctx *ctx, struct mw_dir *dir, const char *name, mw_file **ret,
                         mw_err *err);
/* Small pieces are buffered, large ones (512 KiB and more) mostly go out from where they lie. The disk starts
 * on every 8 MiB at once, so that the commit has little left to wait for; a file beyond that may take
 * 32 MiB more than it needs until it is committed. Fails with the reason when the disk does. */
mw_status mw_file_write(mw_file *file, const void *data, size_t size, mw_err *err);
uint64_t mw_file_size(const mw_file *file); /* bytes written so far */
/* Flushes, syncs, renames, syncs the directory. The file is freed whatever the outcome. */
mw_status mw_file_commit(mw_file *file, mw_err *err);
/* Like mw_file_commit, under the name "x<32 hex digits>SUFFIX", the content's XXH3-128 (taken on the way, no byte
 * is read back), so that a reader can tell a damaged file by its name. name_out [MW_FILE_HASH_NAME] is the
 * name, also after a failure that may have left it behind; "" when it was never given. */
enum { MW_FILE_HASH_DIGITS = 32, MW_FILE_HASH_NAME = 64 };
mw_status mw_file_commit_by_hash(mw_file *file, const char *suffix,
                                 char name_out[MW_FILE_HASH_NAME], mw_err *err);
/* Reads a file that is named by a hash and compares: MW_EDATA when its bytes are not those that were
 * written. Names of the first version, "<32 hex digits of the SHA-256>SUFFIX", count too; other names
 * tell nothing: MW_OK. */
mw_status mw_file_verify(const mw_ctx *ctx, struct mw_dir *dir, const char *name, mw_err *err);
/* Removes what was written; NULL is allowed. Returns NULL. */
void *mw_file_abort(mw_file *file);

/* Reads a whole file of at most max_bytes into *ret (mw_free it). MW_ETOOLARGE beyond. */
mw_status mw_file_read(const mw_ctx *ctx, struct mw_dir *dir, const char *name, size_t max_bytes,
                       char **ret, size_t *ret_size, mw_err *err);

/* The same of a file by its path. */
mw_status mw_file_read_path(const mw_ctx *ctx, const char *path, size_t max_bytes, char **ret,
                            size_t *ret_size, mw_err *err);

/* create + write + commit. */
mw_status mw_file_replace(const mw_ctx *ctx, struct mw_dir *dir, const char *name, const void *data,
                          size_t size, mw_err *err);

typedef struct mw_map {
    const uint8_t *data; /* [size]; shared, read-only */
    size_t size;
} mw_map;

mw_status mw_map_open(const mw_ctx *ctx, struct mw_dir *dir, const char *name, mw_map *ret,
                      mw_err *err);
void mw_map_close(mw_map *map);
/* Bytes [from, to) are not needed for now: what of them is resident may go. They can still be read. */
void mw_map_forget(const mw_map *map, size_t from, size_t to);

#endif
