/* fault_loop.c -- n = 1, 2, 3 ... until the fault no longer fires. */
#include "support/fault_loop.h"

#include "support/harness.h"

uint64_t mw_fault_next(uint64_t n) {
    const uint64_t step = (uint64_t)mw_test_slow();
    if (n < 64) return n + 1;
    return n + (n == 64 ? 1 + mw_test_seed() % step : step);
}

static mw_status run_once(mw_fault_scenario scenario, void *arg, const mw_io *io, const char *what,
                          uint64_t n, mw_err *err) {
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
    if (io) ctx.io = io;
    mw_err_clear(err);
    mw_status status = scenario(&ctx, arg, err);
    if (mw_mem_used(&mem) != 0)
        fail_msg("%s %llu: %zu bytes leaked", what, (unsigned long long)n, mw_mem_used(&mem));
    if (status != MW_OK && err->message[0] == '\0')
        fail_msg("%s %llu: %s without a message", what, (unsigned long long)n,
                 mw_status_name(status));
    return status;
}

/* The last run of every loop: nothing fails. */
static void run_untouched(mw_fault_scenario scenario, void *arg) {
    mw_err err;
    mw_status status = run_once(scenario, arg, NULL, "untouched run", 0, &err);
    if (status != MW_OK) fail_msg("untouched: %s %s", mw_status_name(status), err.message);
}

uint64_t mw_fault_loop_alloc(mw_fault_scenario scenario, void *arg) {
    for (uint64_t n = 1; n <= MW_FAULT_LOOP_MAX; n = mw_fault_next(n)) {
        mw_err err;
        mw_alloc_fail_at(n);
        mw_status status = run_once(scenario, arg, NULL, "allocation", n, &err);
        bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (!fired) {
            if (status != MW_OK) fail_msg("untouched: %s %s", mw_status_name(status), err.message);
            return n - 1;
        }
        if (status != MW_OK && status != MW_ENOMEM)
            fail_msg("allocation %llu: %s %s, want ENOMEM", (unsigned long long)n,
                     mw_status_name(status), err.message);
    }
    fail_msg("more than %d allocations: make the scenario smaller", MW_FAULT_LOOP_MAX);
    return 0;
}

uint64_t mw_fault_loop_io(mw_fault_scenario scenario, void *arg, mw_io_kind kind, int errno_value,
                          void (*after)(void *arg, uint64_t n)) {
    for (uint64_t n = 1; n <= MW_FAULT_LOOP_MAX; n = mw_fault_next(n)) {
        mw_faulty_io faulty;
        mw_faulty_io_init(&faulty);
        mw_faulty_io_fail(&faulty, kind, n, errno_value);
        mw_err err;
        mw_status status = run_once(scenario, arg, &faulty.io, "I/O call", n, &err);
        if (after) after(arg, faulty.fired ? n : 0);
        if (faulty.fired) continue;
        if (status != MW_OK) fail_msg("untouched: %s %s", mw_status_name(status), err.message);
        return n - 1;
    }
    fail_msg("more than %d calls: make the scenario smaller", MW_FAULT_LOOP_MAX);
    return 0;
}

uint64_t mw_fault_loop_crash(mw_fault_scenario scenario, void *arg,
                             void (*after)(void *arg, uint64_t n)) {
    for (uint64_t n = 1; n <= MW_FAULT_LOOP_MAX; n++) {
        mw_faulty_io faulty;
        mw_faulty_io_init(&faulty);
        mw_faulty_io_die(&faulty, n);
        mw_err err;
        (void)run_once(scenario, arg, &faulty.io, "crash at I/O call", n, &err);
        if (after) after(arg, faulty.fired ? n : 0);
        if (faulty.fired) continue;
        run_untouched(scenario, arg);
        return n - 1;
    }
    fail_msg("more than %d calls: make the scenario smaller", MW_FAULT_LOOP_MAX);
    return 0;
}
