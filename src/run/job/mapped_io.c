/* mapped_io.c -- see mapped_io.h: the two calls that take paths, in front of the system's. */
#include "run/job/mapped_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* NULL, with errno: there is no such path. */
static const char *find(const mw_mapped_io *mapped, int dir_fd, const char *path,
                        char out[PATH_BYTES]) {
    const size_t n = strlen(mapped->from);
    if (dir_fd != AT_FDCWD) return path;
    errno = EACCES;
    if (strncmp(path, mapped->from, n) != 0 || (path[n] != '/' && path[n] != '\0')) return NULL;
    const int size = snprintf(out, PATH_BYTES, "%s%s", mapped->to, path + n);
    errno = ENAMETOOLONG;
    return size > 0 && size < PATH_BYTES ? out : NULL;
}

static int mapped_open(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    char out[PATH_BYTES];
    const char *there = find(self, dir_fd, path, out);
    return there ? mw_io_system.open(mw_io_system.self, dir_fd, there, flags, mode) : -1;
}

static int mapped_stat(void *self, int dir_fd, const char *path, struct stat *ret, int flags) {
    char out[PATH_BYTES];
    const char *there = find(self, dir_fd, path, out);
    return there ? mw_io_system.stat(mw_io_system.self, dir_fd, there, ret, flags) : -1;
}

void mw_mapped_io_init(mw_mapped_io *mapped, const char *from, const char *to) {
    mapped->io = mw_io_system;
    mapped->io.open = mapped_open;
    mapped->io.stat = mapped_stat;
    mapped->io.self = mapped;
    mapped->from = from;
    mapped->to = to;
}
