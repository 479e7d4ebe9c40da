/*
 * fault_shim.c -- preloaded into a server: another wall clock, an fsync that fails, and allocations that fail, while it runs.
 *
 * Use       LD_PRELOAD=.../fault_shim.so MILLWRIGHT_FAULT_SHIM=FILE: FILE is struct control, changed from outside at any moment.
 * Reach     clock_gettime(CLOCK_REALTIME), gettimeofday, time, fsync, fdatasync of the program and its libraries. What the C library waits for
 *           itself goes by the kernel's clock, as if that one had been set and ours not. malloc, realloc and aligned_alloc of the program itself:
 *           libraries get theirs, since some of them end the program where they do not.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t offset_s; /* of the wall clock */
    volatile int64_t fsync_fails;
    volatile int64_t fails_one_in; /* so many allocations; 0: none fails */
};

static const struct control nothing;
static const struct control *control = &nothing;
static uintptr_t program_begin, program_end; /* its code */

static int find_program(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        program_begin = info->dlpi_addr + part->p_vaddr;
        program_end = program_begin + part->p_memsz;
    }
    return 1; /* it comes first */
}

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("MILLWRIGHT_FAULT_SHIM");
    (void)dl_iterate_phdr(find_program, NULL);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

int clock_gettime(clockid_t which, struct timespec *at) {
    if (syscall(SYS_clock_gettime, which, at) != 0) return -1;
    if (which == CLOCK_REALTIME) at->tv_sec += control->offset_s;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

static int sync_by(long number, int fd) {
    if (!control->fsync_fails) return (int)syscall(number, fd);
    errno = EIO;
    return -1;
}

int fsync(int fd) { return sync_by(SYS_fsync, fd); }

int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }

/* ---- memory ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static int fails(const void *caller) {
    static __thread uint64_t state;
    const int64_t one_in = control->fails_one_in;
    if (one_in <= 0 || (uintptr_t)caller < program_begin || (uintptr_t)caller >= program_end)
        return 0;
    if (!state) {
        struct timespec now;
        (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        state = (uint64_t)now.tv_nsec << 20 | (uint64_t)getpid() << 1 | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if (state % (uint64_t)one_in) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *realloc(void *p, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
