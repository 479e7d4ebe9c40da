/* test_threads.c -- each item once, the first failing range wins, cancellation, nesting. */
#include "support/harness.h"

#include <signal.h>
#include <string.h>

#include "core/base/threads.h"

enum { N = 10007 };

typedef struct sums {
    const mw_ctx *ctx;
    unsigned char seen[N];
    int64_t fail_from;
    atomic_bool *cancel;
    _Atomic int64_t n_done;
} sums;

static mw_status visit(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    sums *s = arg;
    assert_in_range(worker, 0, mw_pool_threads(s->ctx->pool) - 1);
    for (int64_t i = begin; i < end; i++) s->seen[i]++;
    atomic_fetch_add(&s->n_done, end - begin);
    if (s->cancel) atomic_store(s->cancel, true);
    if (s->fail_from >= 0 && end > s->fail_from)
        return mw_fail(err, MW_EDATA, "range %d", (int)(begin / 10));
    return MW_OK;
}

MW_TEST(every_item_once_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    for (size_t i = 0; i < 4; i++) {
        mw_err err = {0};
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        assert_ok(mw_pool_new(NULL, counts[i], &ctx.pool, &err));
        for (int round = 0; round < 20; round++) {
            sums s = {.ctx = &ctx, .fail_from = -1};
            assert_ok(mw_pool_for(&ctx, N, 1 + round * 37, visit, &s, &err));
            for (int k = 0; k < N; k++) assert_int_equal(s.seen[k], 1);
        }
        mw_pool_free(ctx.pool);
    }
}

MW_TEST(the_first_failing_range_decides) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_pool_new(NULL, 4, &ctx.pool, &err));
    for (int round = 0; round < 50; round++) {
        sums s = {.ctx = &ctx, .fail_from = 5000};
        assert_status(mw_pool_for(&ctx, N, 10, visit, &s, &err), MW_EDATA);
        assert_string_equal(err.message, "range 500");
    }
    mw_pool_free(ctx.pool);
}

MW_TEST(cancellation_stops_early) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_cancel cancel = {0};
    ctx.cancel = &cancel;
    assert_ok(mw_pool_new(NULL, 3, &ctx.pool, &err));
    sums s = {.ctx = &ctx, .fail_from = -1, .cancel = &cancel.requested};
    assert_status(mw_pool_for(&ctx, N, 10, visit, &s, &err), MW_ECANCELED);
    assert_true(atomic_load(&s.n_done) < N);
    mw_pool_free(ctx.pool);
}

static mw_status nest(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)begin, (void)end, (void)worker;
    sums *outer = arg;
    sums inner = {.ctx = outer->ctx, .fail_from = -1};
    mw_status status = mw_pool_for(outer->ctx, 100, 1, visit, &inner, err);
    atomic_fetch_add(&outer->n_done, atomic_load(&inner.n_done));
    return status;
}

MW_TEST(a_nested_loop_runs_alone) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_pool_new(NULL, 3, &ctx.pool, &err));
    sums s = {.ctx = &ctx, .fail_from = -1};
    assert_ok(mw_pool_for(&ctx, 20, 1, nest, &s, &err));
    assert_int_equal(atomic_load(&s.n_done), 2000);
    mw_pool_free(ctx.pool);
}

MW_TEST(bad_counts_are_refused) {
    mw_err err = {0};
    mw_pool *pool;
    assert_status(mw_pool_new(NULL, -1, &pool, &err), MW_EINVAL);
    assert_status(mw_pool_new(NULL, 100000, &pool, &err), MW_EINVAL);
}

typedef struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool woken, blocks_all;
} waiter;

static void *wake_up(void *arg) {
    waiter *w = arg;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_mutex_lock(&w->mutex);
    w->blocks_all = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGPIPE) == 1;
    w->woken = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

MW_TEST(a_wait_ends_with_its_time_or_when_woken) {
    waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    sigset_t before, after;
    mw_cond_init(&w.wake);
    pthread_mutex_lock(&w.mutex);
    const int64_t start_us = mw_clock_monotonic(&mw_clock_system);
    while (mw_cond_wait_us(&w.wake, &w.mutex, 1500)) {
    } /* a wake-up for nothing may happen */
    assert_true(mw_clock_monotonic(&mw_clock_system) - start_us >= 1500);
    assert_false(mw_cond_wait_us(&w.wake, &w.mutex, 0));
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(mw_thread_start(&thread, wake_up, &w), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    while (!w.woken) assert_true(mw_cond_wait_us(&w.wake, &w.mutex, INT64_C(600000000)));
    pthread_mutex_unlock(&w.mutex);
    pthread_join(thread, NULL);
    assert_true(w.blocks_all);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    pthread_cond_destroy(&w.wake);
}

MW_TEST_MAIN(MW_RUN(every_item_once_at_any_thread_count), MW_RUN(the_first_failing_range_decides),
             MW_RUN(cancellation_stops_early), MW_RUN(a_nested_loop_runs_alone),
             MW_RUN(bad_counts_are_refused), MW_RUN(a_wait_ends_with_its_time_or_when_woken))
