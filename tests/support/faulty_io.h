/*
 * faulty_io.h -- file I/O that fails when told to: the n-th call of a kind, with a chosen errno.
 *
 * What      an mw_io over the real one that counts its calls. A failing call has no effect on the
 * disk; a short write writes the first half of what it was given, once. Use       mw_faulty_io io;
 * mw_faulty_io_init(&io); ctx.io = &io.io; mw_faulty_io_fail(&io, MW_IO_FSYNC, 2, EIO);   the
 * second fsync from now gives EIO Crash     after mw_faulty_io_die(&io, n) the n-th call from now
 * and all later ones fail with EIO, as if the machine had stopped there: what is on disk is what a
 * crash would leave.
 */
#ifndef MW_TESTS_SUPPORT_FAULTY_IO_H
#define MW_TESTS_SUPPORT_FAULTY_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/files.h"

typedef enum mw_io_kind {
    MW_IO_OPEN,
    MW_IO_READ,
    MW_IO_WRITE,
    MW_IO_FSYNC, /* fdatasync, too */
    MW_IO_CLOSE,
    MW_IO_RENAME,
    MW_IO_UNLINK,
    MW_IO_MKDIR,
    MW_IO_STAT,
    MW_IO_KINDS
} mw_io_kind;

typedef struct mw_faulty_io {
    mw_io io; /* hand this to the code under test; io.self is the struct itself */
    uint64_t count[MW_IO_KINDS];
    uint64_t total;
    uint64_t fail_at[MW_IO_KINDS]; /* count at which the call fails; 0: never */
    int fail_errno[MW_IO_KINDS];
    uint64_t short_at; /* count of the write that writes half */
    uint64_t die_at;   /* total from which everything fails */
    uint64_t meet_at;  /* total before which somebody else acts */
    void (*meet)(void *arg);
    void *meet_arg;
    bool fired;
} mw_faulty_io;

/* Not to be copied afterwards: io.self points into it. Calls come from one thread. */
void mw_faulty_io_init(mw_faulty_io *faulty);

/* n counts from now, from 1. Each arms one fault of its kind; n 0 disarms. */
void mw_faulty_io_fail(mw_faulty_io *faulty, mw_io_kind kind, uint64_t n, int errno_value);
void mw_faulty_io_short_write(mw_faulty_io *faulty, uint64_t n);
void mw_faulty_io_die(mw_faulty_io *faulty, uint64_t n);
/* Before the n-th call from now, whatever its kind, meet(arg) is called: another process comes in between. */
void mw_faulty_io_meet(mw_faulty_io *faulty, uint64_t n, void (*meet)(void *arg), void *arg);

#endif
