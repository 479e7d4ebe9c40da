/* handlers.c -- a linked queue, one mutex, one condition. */
#include "run/serve/handlers.h"

#include <pthread.h>

struct mw_handlers {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more;
    mw_handler_work *first, *last;
    int64_t n_queued, max_queued;
    bool stopping;
    int n_threads;
    pthread_t threads[];
};

static mw_handler_work *take(mw_handlers *handlers) {
    mw_handler_work *work = handlers->first;
    handlers->first = work->next;
    if (!handlers->first) handlers->last = NULL;
    handlers->n_queued--;
    return work;
}

static void *thread_main(void *arg) {
    mw_handlers *handlers = arg;
    pthread_mutex_lock(&handlers->lock);
    for (;;) {
        while (!handlers->first && !handlers->stopping)
            pthread_cond_wait(&handlers->more, &handlers->lock);
        if (handlers->stopping) break;
        mw_handler_work *work = take(handlers);
        pthread_mutex_unlock(&handlers->lock);
        work->run(work, false);
        pthread_mutex_lock(&handlers->lock);
    }
    pthread_mutex_unlock(&handlers->lock);
    return NULL;
}

mw_status mw_handlers_start(const mw_ctx *ctx, int n_threads, int64_t max_queued, mw_handlers **ret,
                            mw_err *err) {
    mw_handlers *handlers =
        mw_calloc(ctx->mem, 1, sizeof *handlers + (size_t)n_threads * sizeof *handlers->threads);
    if (!handlers) return mw_fail_nomem(err, "handler threads");
    pthread_mutex_init(&handlers->lock, NULL);
    pthread_cond_init(&handlers->more, NULL);
    handlers->max_queued = max_queued;
    for (int i = 0; i < n_threads; i++) {
        int error = pthread_create(&handlers->threads[i], NULL, thread_main, handlers);
        if (error != 0) {
            mw_handlers_stop(handlers);
            return mw_fail_errno(err, error, "cannot start a handler thread");
        }
        handlers->n_threads++;
    }
    *ret = handlers;
    return MW_OK;
}

bool mw_handlers_push(mw_handlers *handlers, mw_handler_work *work, bool urgent) {
    work->next = NULL;
    pthread_mutex_lock(&handlers->lock);
    bool taken = !handlers->stopping && (urgent || handlers->n_queued < handlers->max_queued);
    if (taken) {
        if (handlers->last)
            handlers->last->next = work;
        else
            handlers->first = work;
        handlers->last = work;
        handlers->n_queued++;
        pthread_cond_signal(&handlers->more);
    }
    pthread_mutex_unlock(&handlers->lock);
    return taken;
}

int64_t mw_handlers_queued(mw_handlers *handlers) {
    pthread_mutex_lock(&handlers->lock);
    int64_t n = handlers->n_queued;
    pthread_mutex_unlock(&handlers->lock);
    return n;
}

void *mw_handlers_stop(mw_handlers *handlers) {
    if (!handlers) return NULL;
    pthread_mutex_lock(&handlers->lock);
    handlers->stopping = true;
    pthread_cond_broadcast(&handlers->more);
    pthread_mutex_unlock(&handlers->lock);
    for (int i = 0; i < handlers->n_threads; i++) pthread_join(handlers->threads[i], NULL);
    while (handlers->first) {
        mw_handler_work *work = take(handlers);
        work->run(work, true);
    }
    pthread_cond_destroy(&handlers->more);
    pthread_mutex_destroy(&handlers->lock);
    return mw_free(handlers);
}
