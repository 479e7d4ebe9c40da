/*
 * handlers.h -- threads for work that may block, behind a bounded queue.
 *
 * Lifetime  mw_handlers_start -> mw_handlers_push* -> mw_handlers_stop
 * Threads   push from any thread; work runs on a handler thread, or with dropped = true on the
 * thread that stops the queue.
 */
#ifndef MW_RUN_SERVE_HANDLERS_H
#define MW_RUN_SERVE_HANDLERS_H

#include "core/base/ctx.h"

typedef struct mw_handlers mw_handlers;

typedef struct mw_handler_work {
    struct mw_handler_work *next;
    void (*run)(struct mw_handler_work *work, bool dropped);
} mw_handler_work;

mw_status mw_handlers_start(const mw_ctx *ctx, int n_threads, int64_t max_queued, mw_handlers **ret,
                            mw_err *err);

/* False when max_queued pieces of work wait already (unless urgent) or the queue has been stopped.
 */
bool mw_handlers_push(mw_handlers *handlers, mw_handler_work *work, bool urgent);

int64_t mw_handlers_queued(mw_handlers *handlers);

/* Waits for running work, drops what waits, frees. NULL is allowed. */
void *mw_handlers_stop(mw_handlers *handlers);

#endif
