/*
 * holder.h -- the name under which a process holds jobs, and whether such a process still lives.
 *
 * What      "host:pid:start.namespace.boot": the pid with its start time (a reused pid has
 * another), the pid namespace and boot id it is valid in (containers on one host have their own
 * pids). A restarted server so knows at once which jobs a killed one left behind; about holders
 *           elsewhere nobody but the lease can tell.
 */
#ifndef MW_RUN_JOB_HOLDER_H
#define MW_RUN_JOB_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

enum { MW_HOLDER_BYTES = 256 };

/* Name of this process. */
void mw_holder_self(char out[MW_HOLDER_BYTES]);

/* The name a process of this pid would have here and now, for tests; false when there is none. */
bool mw_holder_of(pid_t pid, char out[MW_HOLDER_BYTES]);

/* True only when it is certain: same boot, same pid namespace, and the process is gone. */
bool mw_holder_is_dead(const char *holder);

#endif
