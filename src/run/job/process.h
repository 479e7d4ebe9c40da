/*
 * process.h -- one worker process: exec of this program with two pipes and nothing else inherited. Or one on another host (remote.h), which
 * looks the same to whoever has it.
 *
 * What      posix_spawn (a vfork and an exec: safe with threads), fd 0 /dev/null, 1 and 2 our
 * standard error, 3 frames in, 4 frames out, everything else closed; a process group of its own, so
 * that a terminal's Ctrl-C reaches only the server; signals back to their defaults. Lifetime
 * mw_process_start -> mw_process_send_signal* -> mw_process_reap until true -> mw_process_done
 */
#ifndef MW_RUN_JOB_PROCESS_H
#define MW_RUN_JOB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/alloc.h"
#include "core/base/status.h"

typedef struct mw_process {
    struct mw_remote
        *remote;    /* on another host; pid and descriptors then say nothing. NULL: here */
    pid_t pid;      /* 0: none, or reaped */
    int process_fd; /* readable when it has ended; -1 where the kernel has no pidfd */
    int to_fd;      /* our end of its fd 3; non-blocking */
    int from_fd;    /* our end of its fd 4; non-blocking */
    int status;     /* wait status, once reaped; -1: unknown */
} mw_process;

/* The variables a worker may see, in one block (mw_free it); NULL: no memory. Secrets and addresses
 * of databases stay behind. */
char **mw_process_environment(mw_mem *mem, char *const *environment);

/* MW_EBUSY: there is no memory, process or descriptor to be had now; MW_EINTERNAL: it cannot be started. */
mw_status mw_process_start(const char *executable, char *const *environment, mw_process *ret,
                           mw_err *err);
void mw_process_send_signal(const mw_process *process, int signal_number); /* to its whole group */
/* True once it has ended; what it left in its group is killed. */
bool mw_process_reap(mw_process *process);
bool mw_process_lives(const mw_process *process); /* it has not been reaped */
/* As read and write of its descriptors, which do not block. */
ssize_t mw_process_read(const mw_process *process, void *data, size_t size);
ssize_t mw_process_write(const mw_process *process, const void *data, size_t size);
void mw_process_done(mw_process *process); /* kills what still runs, closes the descriptors */

/* "was killed by signal 9 (Killed)", "ended with status 3", "was lost". */
void mw_process_describe(const mw_process *process, char *out, size_t capacity);

#endif
