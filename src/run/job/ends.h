/*
 * ends.h -- the ends of light jobs, recorded many in one transaction.
 *
 * What      a thread with a list: it records whatever waits for it, while more comes. Alone a job is recorded at once; under load one sync to disk
 *           stands for hundreds. Each end carries its fence: one that was taken away is refused, and touches no other.
 * Memory    callers ask mw_ends_busy before they claim more; so a few hundred wait at most.
 * Failures  of the store are logged. Such a job's lease runs out, and it is tried again.
 */
#ifndef MW_RUN_JOB_ENDS_H
#define MW_RUN_JOB_ENDS_H

#include "run/job/job.h"

typedef struct mw_ends mw_ends;

/* Both are called from the thread, recorded after each transaction, and before it ended for each job in it: the state it has, whether its workers died
 * in all attempts, when it was claimed. */
typedef struct mw_ends_sink {
    void (*ended)(void *arg, mw_job_state state, bool is_dead, int64_t claimed_us);
    void (*recorded)(void *arg);
    void *arg;
} mw_ends_sink;

mw_status mw_ends_open(const mw_ctx *ctx, mw_store *store, const mw_ends_sink *sink, mw_ends **ret,
                       mw_err *err);
void *mw_ends_close(mw_ends *ends); /* records what waits; NULL is allowed */

/*
 * mw_ends_add -- how a job ended.
 *
 *   state   SUCCESS | FAILURE with `text` the result or the error (JSON, copied); RETRY: it has not begun and is given back, and that was no attempt
 */
mw_status mw_ends_add(mw_ends *ends, const mw_job_record *job, mw_job_state state, const char *text,
                      int64_t claimed_us, mw_err *err);
bool mw_ends_busy(mw_ends *ends); /* enough wait: the store is behind */
bool mw_ends_idle(mw_ends *ends); /* all are recorded */

#endif
