/*
 * threads.c -- see threads.h. Of the pool: one loop at a time, its ranges handed out by an atomic counter.
 *
 * Workers sleep on a condition variable between loops, but first look out for the next one for some
 * tens of microseconds, which is what waking costs: loops of one computation follow each other at
 * once. A loop is identified by its generation number, so a worker that wakes late for a finished
 * loop finds nothing to take. Ranges are taken in order, hence the failing range with the lowest
 * index is known once all taken ranges are done.
 */
#include "core/base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "core/base/limits.h"

int mw_thread_start(pthread_t *ret, void *(*run)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(ret, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

void mw_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool mw_cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t wait_us) {
    const int64_t until_us = mw_clock_monotonic(&mw_clock_system) + wait_us;
    const struct timespec until = {.tv_sec = until_us / MW_US_PER_SECOND,
                                   .tv_nsec = (until_us % MW_US_PER_SECOND) * 1000};
    return pthread_cond_timedwait(cond, mutex, &until) == 0;
}

typedef struct mw_loop {
    const mw_ctx *ctx;
    mw_pool_fn fn;
    void *arg;
    int64_t n_items, grain, n_ranges;
    _Atomic int64_t next_range;
    atomic_bool stop;
    pthread_mutex_t mutex; /* guards the two below */
    int64_t failed_range;  /* n_ranges: none */
    mw_err error;
} mw_loop;

struct mw_pool {
    int n_threads; /* the caller included */
    pthread_t *threads;
    pthread_mutex_t mutex;
    pthread_cond_t wake, idle;
    _Atomic uint64_t generation;
    mw_loop *loop;      /* NULL between loops */
    _Atomic int n_busy; /* workers inside the current loop */
    int n_looks;        /* before sleeping; 0 where threads share cores */
    int n_joined;       /* workers that have entered it, for worker numbers */
    bool closing;
    atomic_bool in_use;
};

int mw_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

int mw_pool_threads(const mw_pool *pool) { return pool ? pool->n_threads : 1; }

static void fail_range(mw_loop *loop, int64_t range, const mw_err *err) {
    pthread_mutex_lock(&loop->mutex);
    if (range < loop->failed_range) {
        loop->failed_range = range;
        loop->error = *err;
    }
    pthread_mutex_unlock(&loop->mutex);
    atomic_store(&loop->stop, true);
}

static void take_ranges(mw_loop *loop, int worker) {
    while (!atomic_load_explicit(&loop->stop, memory_order_relaxed)) {
        int64_t range = atomic_fetch_add(&loop->next_range, 1);
        if (range >= loop->n_ranges) return;
        mw_err err = {0};
        mw_status status = mw_ctx_check(loop->ctx, &err);
        if (!status) {
            int64_t begin = range * loop->grain;
            int64_t end = loop->n_items - begin < loop->grain ? loop->n_items : begin + loop->grain;
            status = loop->fn(loop->arg, begin, end, worker, &err);
        }
        if (status) {
            err.code = status;
            fail_range(loop, range, &err);
        }
    }
}

enum { LOOKS = 1000 };

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Until there is a loop after the one seen, or for long enough. */
static void await_loop(const mw_pool *pool, uint64_t seen) {
    for (int i = 0; i < pool->n_looks; i++) {
        if (atomic_load_explicit(&pool->generation, memory_order_relaxed) != seen) return;
        pause_briefly();
    }
}

static void await_workers(const mw_pool *pool) {
    for (int i = 0; i < pool->n_looks; i++) {
        if (atomic_load_explicit(&pool->n_busy, memory_order_relaxed) == 0) return;
        pause_briefly();
    }
}

static void *worker_main(void *arg) {
    mw_pool *pool = arg;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (!pool->closing && (pool->generation == seen || !pool->loop))
            pthread_cond_wait(&pool->wake, &pool->mutex);
        if (pool->closing) break;
        seen = pool->generation;
        mw_loop *loop = pool->loop;
        int worker = ++pool->n_joined;
        pool->n_busy++;
        pthread_mutex_unlock(&pool->mutex);
        take_ranges(loop, worker);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->n_busy == 0) pthread_cond_signal(&pool->idle);
        pthread_mutex_unlock(&pool->mutex);
        await_loop(pool, seen);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

mw_status mw_pool_new(mw_mem *mem, int n_threads, mw_pool **ret, mw_err *err) {
    if (n_threads == 0) n_threads = mw_cpu_count();
    if (n_threads < 1 || n_threads > MW_LIMIT(THREADS))
        return mw_fail(err, MW_EINVAL,
                       "the number of threads must be 0 (all cores) to %lld, not %d",
                       (long long)MW_LIMIT(THREADS), n_threads);
    mw_pool *pool = mw_calloc(mem, 1, sizeof *pool);
    pthread_t *threads = mw_calloc(mem, (size_t)n_threads, sizeof *threads);
    if (!pool || !threads) {
        mw_free(pool);
        mw_free(threads);
        return mw_fail_nomem(err, "the thread pool");
    }
    pool->threads = threads;
    pool->n_threads = 1;
    pool->n_looks = n_threads <= mw_cpu_count() ? LOOKS : 0;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    for (int i = 1; i < n_threads; i++) {
        int failed = pthread_create(&threads[i], NULL, worker_main, pool);
        if (failed) {
            mw_pool_free(pool);
            return mw_fail_errno(err, failed, "cannot start thread %d of %d", i + 1, n_threads);
        }
        pool->n_threads++;
    }
    *ret = pool;
    return MW_OK;
}

void *mw_pool_free(mw_pool *pool) {
    if (!pool) return NULL;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    mw_free(pool->threads);
    return mw_free(pool);
}

static void run_with_workers(mw_pool *pool, mw_loop *loop) {
    pthread_mutex_lock(&pool->mutex);
    pool->loop = loop;
    pool->generation++;
    pool->n_joined = 0;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    take_ranges(loop, 0);
    pthread_mutex_lock(&pool->mutex);
    pool->loop = NULL; /* nobody may enter any more */
    pthread_mutex_unlock(&pool->mutex);
    await_workers(pool);
    pthread_mutex_lock(&pool->mutex);
    while (pool->n_busy > 0) pthread_cond_wait(&pool->idle, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

mw_status mw_pool_for(const mw_ctx *ctx, int64_t n_items, int64_t grain, mw_pool_fn fn, void *arg,
                      mw_err *err) {
    if (n_items <= 0) return mw_ctx_check(ctx, err);
    if (grain < 1) grain = 1;
    mw_loop loop = {.ctx = ctx, .fn = fn, .arg = arg, .n_items = n_items, .grain = grain};
    loop.n_ranges = (n_items - 1) / grain + 1;
    loop.failed_range = loop.n_ranges;
    pthread_mutex_init(&loop.mutex, NULL);
    mw_pool *pool = ctx->pool;
    bool shared =
        pool && pool->n_threads > 1 && loop.n_ranges > 1 && !atomic_exchange(&pool->in_use, true);
    if (shared) {
        run_with_workers(pool, &loop);
        atomic_store(&pool->in_use, false);
    } else {
        take_ranges(&loop, 0);
    }
    pthread_mutex_destroy(&loop.mutex);
    if (loop.failed_range == loop.n_ranges) return MW_OK;
    if (err) *err = loop.error;
    return loop.error.code;
}
