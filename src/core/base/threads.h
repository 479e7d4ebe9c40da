/*
 * threads.h -- how a thread is started, how it waits for a time, and a fixed pool of threads that
 * share out the items of one loop.
 *
 * What      mw_pool_for calls fn over disjoint ranges that cover [0, n_items). Which thread takes
 * which range is not determined: results must not depend on it (write by item index, or sum
 *           integers).
 * Lifetime  mw_pool_new -> mw_pool_for* -> mw_pool_free
 * Threads   the caller works too. One mw_pool_for at a time per pool; a call from inside a running
 *           one, or a NULL pool, runs on the calling thread alone.
 * Cancel    between ranges; the first failing range in item order decides the error.
 */
#ifndef MW_CORE_BASE_THREADS_H
#define MW_CORE_BASE_THREADS_H

#include <pthread.h>
#include <stdint.h>

#include "core/base/ctx.h"

/* With every signal blocked in it: signals are for the program's own threads. 0, or an errno. */
int mw_thread_start(pthread_t *ret, void *(*run)(void *), void *arg);

/* For mw_cond_wait_us: it goes by the monotonic clock, which nobody sets back by a day. */
void mw_cond_init(pthread_cond_t *cond);
/* With the mutex, for at most wait_us. False: the time is over. */
bool mw_cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t wait_us);

typedef struct mw_pool mw_pool;

/* n_threads in [1, MW_LIMIT(THREADS)], the caller included; 0 means one per core. */
mw_status mw_pool_new(mw_mem *mem, int n_threads, mw_pool **ret, mw_err *err);
void *mw_pool_free(mw_pool *pool);
int mw_pool_threads(const mw_pool *pool); /* 1 for NULL */
int mw_cpu_count(void);                   /* cores this process may use */

/* worker: 0 .. mw_pool_threads-1, stable within one call; at most one range at a time per worker.
 */
typedef mw_status (*mw_pool_fn)(void *arg, int64_t begin, int64_t end, int worker, mw_err *err);

/* grain: items per range (>= 1). */
mw_status mw_pool_for(const mw_ctx *ctx, int64_t n_items, int64_t grain, mw_pool_fn fn, void *arg,
                      mw_err *err);

#endif
