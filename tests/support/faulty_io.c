/* faulty_io.c -- counts each call, then lets it through or fails it. */
#include "support/faulty_io.h"

#include <errno.h>
#include <string.h>

static bool fails(mw_faulty_io *faulty, mw_io_kind kind) {
    uint64_t count = ++faulty->count[kind];
    faulty->total++;
    if (faulty->total == faulty->meet_at) faulty->meet(faulty->meet_arg);
    if (faulty->die_at && faulty->total >= faulty->die_at) {
        errno = EIO;
        return faulty->fired = true;
    }
    if (!faulty->fail_at[kind] || count != faulty->fail_at[kind]) return false;
    errno = faulty->fail_errno[kind];
    return faulty->fired = true;
}

static int faulty_open(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    if (fails(self, MW_IO_OPEN)) return -1;
    return mw_io_system.open(mw_io_system.self, dir_fd, path, flags, mode);
}

static ssize_t faulty_read(void *self, int fd, void *data, size_t size) {
    if (fails(self, MW_IO_READ)) return -1;
    return mw_io_system.read(mw_io_system.self, fd, data, size);
}

static ssize_t faulty_write(void *self, int fd, const void *data, size_t size) {
    mw_faulty_io *faulty = self;
    if (fails(faulty, MW_IO_WRITE)) return -1;
    if (faulty->short_at && faulty->count[MW_IO_WRITE] == faulty->short_at && size > 1) {
        size /= 2;
        faulty->fired = true;
    }
    return mw_io_system.write(mw_io_system.self, fd, data, size);
}

static int faulty_fsync(void *self, int fd) {
    if (fails(self, MW_IO_FSYNC)) return -1;
    return mw_io_system.fsync(mw_io_system.self, fd);
}

static int faulty_fdatasync(void *self, int fd) {
    if (fails(self, MW_IO_FSYNC)) return -1;
    return mw_io_system.fdatasync(mw_io_system.self, fd);
}

/* A close that fails has closed all the same: Linux frees the descriptor before it reports. */
static int faulty_close(void *self, int fd) {
    bool failed = fails(self, MW_IO_CLOSE);
    int reason = errno;
    int outcome = mw_io_system.close(mw_io_system.self, fd);
    if (!failed) return outcome;
    errno = reason;
    return -1;
}

static int faulty_rename(void *self, int from_dir, const char *from, int to_dir, const char *to) {
    if (fails(self, MW_IO_RENAME)) return -1;
    return mw_io_system.rename(mw_io_system.self, from_dir, from, to_dir, to);
}

static int faulty_unlink(void *self, int dir_fd, const char *path, int flags) {
    if (fails(self, MW_IO_UNLINK)) return -1;
    return mw_io_system.unlink(mw_io_system.self, dir_fd, path, flags);
}

static int faulty_mkdir(void *self, int dir_fd, const char *path, mode_t mode) {
    if (fails(self, MW_IO_MKDIR)) return -1;
    return mw_io_system.mkdir(mw_io_system.self, dir_fd, path, mode);
}

static int faulty_stat(void *self, int dir_fd, const char *path, struct stat *ret, int flags) {
    if (fails(self, MW_IO_STAT)) return -1;
    return mw_io_system.stat(mw_io_system.self, dir_fd, path, ret, flags);
}

void mw_faulty_io_init(mw_faulty_io *faulty) {
    memset(faulty, 0, sizeof *faulty);
    faulty->io = (mw_io){.open = faulty_open,
                         .read = faulty_read,
                         .write = faulty_write,
                         .fsync = faulty_fsync,
                         .fdatasync = faulty_fdatasync,
                         .close = faulty_close,
                         .rename = faulty_rename,
                         .unlink = faulty_unlink,
                         .mkdir = faulty_mkdir,
                         .stat = faulty_stat,
                         .self = faulty};
}

void mw_faulty_io_fail(mw_faulty_io *faulty, mw_io_kind kind, uint64_t n, int errno_value) {
    faulty->fail_at[kind] = n ? faulty->count[kind] + n : 0;
    faulty->fail_errno[kind] = errno_value;
    faulty->fired = false;
}

void mw_faulty_io_short_write(mw_faulty_io *faulty, uint64_t n) {
    faulty->short_at = n ? faulty->count[MW_IO_WRITE] + n : 0;
    faulty->fired = false;
}

void mw_faulty_io_die(mw_faulty_io *faulty, uint64_t n) {
    faulty->die_at = n ? faulty->total + n : 0;
    faulty->fired = false;
}

void mw_faulty_io_meet(mw_faulty_io *faulty, uint64_t n, void (*meet)(void *arg), void *arg) {
    faulty->meet_at = faulty->total + n;
    faulty->meet = meet;
    faulty->meet_arg = arg;
}
