/*
 * ctx.h -- what every long call needs from its surroundings, in one borrowed value.
 *
 * What      who asks (organization, request, job), the memory account, cancellation, progress, log,
 *           clock, file I/O, worker threads and the seed. A callee that wants to change one of them
 *           copies the struct.
 * Rule      any function that may run for more than a few milliseconds takes `const mw_ctx *`
 * first, calls mw_ctx_check at least every 10 ms of work and reports progress.
 */
#ifndef MW_CORE_BASE_CTX_H
#define MW_CORE_BASE_CTX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/status.h"

struct mw_log;
struct mw_io;
struct mw_pool;

typedef struct mw_cancel {
    atomic_bool requested;       /* set from any thread or signal handler */
    _Atomic int64_t deadline_us; /* monotonic; 0: none */
} mw_cancel;

/* done of total units (total 0: unknown), in a stage named for people: "growing trees". */
typedef struct mw_progress {
    void (*report)(void *self, const char *stage, double done, double total);
    void *self;
} mw_progress;

typedef struct mw_ctx {
    const char *org;        /* organization id, never NULL in a valid context */
    const char *request_id; /* or NULL */
    const char *job_id;     /* or NULL */
    mw_mem *mem;
    mw_cancel *cancel; /* or NULL */
    mw_progress progress;
    struct mw_log *log; /* or NULL: nothing is logged */
    const mw_clock *clock;
    const struct mw_io *io;
    struct mw_pool *pool; /* or NULL: one thread */
    uint64_t seed;
} mw_ctx;

/* A usable context: organization "default", process account, system clock and I/O, one thread. */
void mw_ctx_init(mw_ctx *ctx);

/* MW_OK, MW_ECANCELED or MW_ETIMEOUT. A few nanoseconds without a deadline. */
mw_status mw_ctx_check(const mw_ctx *ctx, mw_err *err);

void mw_ctx_report(const mw_ctx *ctx, const char *stage, double done, double total);

/* True for [A-Za-z0-9_-]{1,64}: what an organization, dataset or model may be called. */
bool mw_name_valid(const char *name);

#endif
