/*
 * fault_loop.h -- a scenario run again and again, each time with another allocation or I/O call
 * failing.
 *
 *   static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) { ... }
 *   MW_TEST(reading_survives_any_failed_allocation) { mw_fault_loop_alloc(scenario, NULL); }
 *
 * Rule      the scenario uses only ctx->mem, gives back all it allocated whatever happens, asserts
 *           nothing that a failure may change, and makes at most MW_FAULT_LOOP_MAX allocations.
 * Asserted  a failed allocation gives MW_ENOMEM with a message, or does not matter (MW_OK); an I/O
 * fault gives a message; the account is empty afterwards every time; at last the scenario passes
 * untouched.
 */
#ifndef MW_TESTS_SUPPORT_FAULT_LOOP_H
#define MW_TESTS_SUPPORT_FAULT_LOOP_H

#include "core/base/ctx.h"
#include "support/faulty_io.h"

enum { MW_FAULT_LOOP_MAX = 2000 };

/* Which one fails after n: each, or where tests are slow (MW_TEST_SLOW=N) each of the first 64 and then an N-th of them, others in each run. */
uint64_t mw_fault_next(uint64_t n);

typedef mw_status (*mw_fault_scenario)(const mw_ctx *ctx, void *arg, mw_err *err);

/* Fails allocation 1, 2, 3 ... Returns how many the untouched scenario makes, where tests are slow a few more. */
uint64_t mw_fault_loop_alloc(mw_fault_scenario scenario, void *arg);

/*
 * Fails call 1, 2, 3 ... of this kind with errno_value. `after` (may be NULL) looks at what is on
 * disk after each run, with ordinary I/O; n is the failed call, 0 for the untouched run.
 */
uint64_t mw_fault_loop_io(mw_fault_scenario scenario, void *arg, mw_io_kind kind, int errno_value,
                          void (*after)(void *arg, uint64_t n));

/* The machine stops at I/O call 1, 2, 3 ...; `after` looks at what a restart would find. */
uint64_t mw_fault_loop_crash(mw_fault_scenario scenario, void *arg,
                             void (*after)(void *arg, uint64_t n));

#endif
