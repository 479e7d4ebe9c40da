/* ctx.c -- see ctx.h. */
#include "core/base/ctx.h"

#include <string.h>

#include "core/base/files.h"

void mw_ctx_init(mw_ctx *ctx) {
    *ctx = (mw_ctx){
        .org = "default", .mem = &mw_mem_process, .clock = &mw_clock_system, .io = &mw_io_system};
}

mw_status mw_ctx_check(const mw_ctx *ctx, mw_err *err) {
    mw_cancel *cancel = ctx->cancel;
    if (!cancel) return MW_OK;
    if (atomic_load_explicit(&cancel->requested, memory_order_relaxed))
        return mw_fail(err, MW_ECANCELED, "canceled on request");
    int64_t deadline = atomic_load_explicit(&cancel->deadline_us, memory_order_relaxed);
    if (deadline && mw_clock_monotonic(ctx->clock) >= deadline)
        return mw_fail(err, MW_ETIMEOUT, "the time limit was reached");
    return MW_OK;
}

void mw_ctx_report(const mw_ctx *ctx, const char *stage, double done, double total) {
    if (ctx->progress.report) ctx->progress.report(ctx->progress.self, stage, done, total);
}

bool mw_name_valid(const char *name) {
    size_t n = strlen(name);
    return n >= 1 && n <= 64 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}
