/*
 * doctor_machine.c -- the machine and its disk, as the kernel tells of them.
 *
 * Kinds of file systems are told by statfs's magic numbers (statfs(2), linux/magic.h). On a network file system locks and the shared memory of SQLite's
 * write-ahead log cannot be relied on (sqlite.org/wal.html), so the embedded store does not belong there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/threads.h"
#include "core/text/number.h"
#include "core/text/zone.h"
#include "run/op/doctor.h"

enum { LEAST_MEMORY_MIB = 512, LEAST_FILES = 1024, LEAST_DISK_MIB = 256, SLOW_SYNC_MS = 100 };

/* ---- machine ---- */

/* The number in a small file of /sys; 0 when there is none, or "max". */
static int64_t number_in(const mw_ctx *ctx, const char *path) {
    int64_t value = 0;
    const int fd = ctx->io->open(ctx->io->self, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    char line[64];
    if (fd < 0) return 0;
    const ssize_t n = ctx->io->read(ctx->io->self, fd, line, sizeof line);
    ctx->io->close(ctx->io->self, fd);
    size_t size = n > 0 ? (size_t)n : 0;
    while (size > 0 && line[size - 1] == '\n') size--;
    return mw_number_read_int(line, size, &value) ? value : 0;
}

static int64_t machine_mib(void) {
    return ((int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)) >> 20;
}

/* What a container or service manager allows; 0: all there is. */
static int64_t allowed_mib(const mw_ctx *ctx) {
    static const char *const files[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const int64_t mib = number_in(ctx, files[i]) >> 20;
        if (mib > 0 && mib < machine_mib()) return mib;
    }
    return 0;
}

static void tell_memory(const mw_ctx *ctx, mw_json_writer *writer) {
    char text[128];
    const int64_t all = machine_mib(), allowed = allowed_mib(ctx), mine = allowed ? allowed : all;
    (void)snprintf(text, sizeof text, "%lld MiB%s", (long long)mine,
                   allowed ? ", allowed to this process" : "");
    mw_doctor_tell(writer, "memory", mine < LEAST_MEMORY_MIB ? MW_DOCTOR_BAD : MW_DOCTOR_OK, text,
                   "at least 512 MiB are needed to train");
}

static void tell_files(mw_json_writer *writer) {
    char text[128];
    struct rlimit files = {0};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    const bool few = files.rlim_cur < LEAST_FILES, little = files.rlim_max < 10100;
    (void)snprintf(text, sizeof text, "%llu, at most %llu", (unsigned long long)files.rlim_cur,
                   (unsigned long long)files.rlim_max);
    mw_doctor_tell(writer, "open files",
                   few      ? MW_DOCTOR_BAD
                   : little ? MW_DOCTOR_WARNING
                            : MW_DOCTOR_OK,
                   text,
                   few ? "raise it with `ulimit -n 65536`"
                       : "10,000 connections need more: LimitNOFILE=65536 in the service's unit");
}

static mw_status tell_zones(const mw_call *call, mw_json_writer *writer, mw_err *ret) {
    mw_zone *zone = NULL;
    mw_err err = {0};
    const char *folder = getenv("TZDIR");
    const mw_status status = mw_zone_open(call->ctx->mem, "Europe/Berlin", &zone, &err);
    mw_zone_close(zone);
    const bool own = access(folder ? folder : "/usr/share/zoneinfo", R_OK) != 0;
    mw_doctor_tell(writer, "time zones", status ? MW_DOCTOR_BAD : MW_DOCTOR_OK,
                   status ? err.message
                   : own  ? "of this program"
                          : "of the system",
                   "install tzdata, or unset TZDIR");
    return mw_doctor_pass_on(status, &err, ret);
}

mw_status mw_doctor_machine(const mw_call *call, mw_json_writer *writer, mw_err *err) {
    char text[32];
    (void)snprintf(text, sizeof text, "%d", mw_cpu_count());
    mw_doctor_tell(writer, "cores", MW_DOCTOR_OK, text, NULL);
    tell_memory(call->ctx, writer);
    tell_files(writer);
    return tell_zones(call, writer, err);
}

/* ---- disk ---- */

typedef enum disk_kind { LOCAL, NETWORK, MEMORY, LAYER } disk_kind;

static const struct disk_name {
    uint64_t magic;
    disk_kind kind;
    const char *name;
} disk_names[] = {{0xEF53, LOCAL, "ext4"},          {0x58465342, LOCAL, "xfs"},
                  {0x9123683E, LOCAL, "btrfs"},     {0x2FC12FC1, LOCAL, "zfs"},
                  {0xF2F52010, LOCAL, "f2fs"},      {0x01021994, MEMORY, "tmpfs"},
                  {0x858458F6, MEMORY, "ramfs"},    {0x794C7630, LAYER, "overlay"},
                  {0x6969, NETWORK, "nfs"},         {0xFF534D42, NETWORK, "cifs"},
                  {0xFE534D42, NETWORK, "smb2"},    {0x517B, NETWORK, "smb"},
                  {0x01021997, NETWORK, "9p"},      {0x00C36400, NETWORK, "ceph"},
                  {0x5346414F, NETWORK, "afs"},     {0x65735546, NETWORK, "fuse"},
                  {0x01161970, NETWORK, "gfs2"},    {0x7461636F, NETWORK, "ocfs2"},
                  {0x0BD00BD0, NETWORK, "lustre"},  {0x47504653, NETWORK, "gpfs"},
                  {0x6A656A63, NETWORK, "virtiofs"}};

static const char *const repairs[] = {
    [LOCAL] = NULL,
    [NETWORK] = "the embedded store needs a local disk: put the data folder on one, or the records "
                "into PostgreSQL (MILLWRIGHT_STORE)",
    [MEMORY] = "it is empty after a restart: put the data folder on a disk",
    [LAYER] = "it goes with the container: mount a volume for the data folder"};

static void tell_file_system(const mw_app *app, mw_json_writer *writer) {
    struct statfs disk = {0};
    char other[64];
    if (fstatfs(mw_dir_fd(app->data), &disk) != 0) return;
    const uint64_t magic = (uint64_t)disk.f_type & 0xFFFFFFFF;
    const bool embedded = strcmp(mw_store_kind(app->store), "sqlite") == 0;
    (void)snprintf(other, sizeof other, "unknown (0x%llx)", (unsigned long long)magic);
    struct disk_name found = {magic, LOCAL, other};
    for (size_t i = 0; i < sizeof disk_names / sizeof *disk_names; i++)
        if (disk_names[i].magic == magic) found = disk_names[i];
    const bool fits = found.kind == LOCAL || (found.kind == NETWORK && !embedded);
    mw_doctor_tell(writer, "file system", fits ? MW_DOCTOR_OK : MW_DOCTOR_WARNING, found.name,
                   repairs[found.kind]);
}

/* A small file, written and synced, and gone again. */
static mw_status probe(const mw_ctx *ctx, mw_dir *dir, mw_err *err) {
    static const char name[] = ".doctor.probe";
    const mw_io *io = ctx->io;
    const int fd = io->open(io->self, mw_dir_fd(dir), name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) return mw_fail_errno(err, errno, "no file can be made in the data folder");
    const bool kept = io->write(io->self, fd, "?", 1) == 1 && io->fsync(io->self, fd) == 0;
    mw_status status =
        kept ? MW_OK
             : mw_fail_errno(err, errno, "a file in the data folder does not reach the disk");
    io->close(io->self, fd);
    (void)io->unlink(io->self, mw_dir_fd(dir), name, 0);
    return status;
}

static void tell_sync(const mw_call *call, mw_json_writer *writer) {
    char text[MW_ERR_MESSAGE_MAX];
    mw_err err = {0};
    const int64_t begun = mw_clock_monotonic(call->ctx->clock);
    const mw_status status = probe(call->ctx, call->app->data, &err);
    const double ms = (double)(mw_clock_monotonic(call->ctx->clock) - begun) / 1e3;
    (void)snprintf(text, sizeof text, "a file is on disk after %.1f ms", ms);
    mw_doctor_tell(writer, "disk is writable",
                   status              ? MW_DOCTOR_BAD
                   : ms > SLOW_SYNC_MS ? MW_DOCTOR_WARNING
                                       : MW_DOCTOR_OK,
                   status ? err.message : text,
                   !status       ? "the disk is slow or busy: every acknowledged write waits for it"
                   : err.hint[0] ? err.hint
                                 : "look at the mount and its permissions");
}

void mw_doctor_disk(const mw_call *call, mw_json_writer *writer) {
    struct statvfs disk = {0};
    char text[128];
    const bool known = fstatvfs(mw_dir_fd(call->app->data), &disk) == 0;
    const unsigned long long mib = ((unsigned long long)disk.f_bavail * disk.f_frsize) >> 20,
                             all = ((unsigned long long)disk.f_blocks * disk.f_frsize) >> 20;
    (void)snprintf(text, sizeof text, "%llu of %llu MiB free", mib, all);
    mw_doctor_tell(writer, "disk",
                   !known || mib < LEAST_DISK_MIB ? MW_DOCTOR_BAD
                   : mib < all / 20               ? MW_DOCTOR_WARNING
                                                  : MW_DOCTOR_OK,
                   text, "free some space in the data folder");
    tell_sync(call, writer);
    tell_file_system(call->app, writer);
}
