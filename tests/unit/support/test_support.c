/* The test support itself: a check that cannot fail proves nothing. */
#include "support/fake_clock.h"
#include "support/fault_loop.h"
#include "support/harness.h"

#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"

static mw_status leaks_when_the_second_fails(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    void *first = mw_alloc(ctx->mem, 10);
    if (!first) return mw_fail_nomem(err, "the first");
    void *second = mw_alloc(ctx->mem, 10);
    if (!second) return mw_fail_nomem(err, "the second");
    mw_free(second);
    mw_free(first);
    return MW_OK;
}

static mw_status wrong_code(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    void *block = mw_alloc(ctx->mem, 10);
    if (!block) return mw_fail(err, MW_EDATA, "no");
    mw_free(block);
    return MW_OK;
}

static mw_status correct(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    for (int i = 0; i < 5; i++) {
        void *block = mw_alloc(ctx->mem, 10);
        if (!block) return mw_fail_nomem(err, "a block");
        mw_free(block);
    }
    return MW_OK;
}

static mw_fault_scenario scenario_of_child;
static void child_test(void **state) {
    (void)state;
    mw_fault_loop_alloc(scenario_of_child, NULL);
}

/* Runs the loop as a test of its own in a child; true when that test failed. */
static bool loop_fails(mw_fault_scenario scenario) {
    scenario_of_child = scenario;
    pid_t pid = fork();
    if (pid == 0) {
        const struct CMUnitTest test[] = {{"child", child_test, NULL, NULL, NULL}};
        _exit(_cmocka_run_group_tests("child", test, 1, NULL, NULL) ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status != 0;
}

MW_TEST(the_loop_counts_allocations) { assert_int_equal(mw_fault_loop_alloc(correct, NULL), 5); }
MW_TEST(the_loop_finds_a_leak) { assert_true(loop_fails(leaks_when_the_second_fails)); }
MW_TEST(the_loop_finds_a_wrong_code) { assert_true(loop_fails(wrong_code)); }
MW_TEST(the_loop_passes_what_is_correct) { assert_false(loop_fails(correct)); }

MW_TEST(the_clock_moves_only_when_told) {
    mw_fake_clock fake;
    mw_fake_clock_init(&fake, 1000);
    assert_int_equal(mw_clock_utc(&fake.clock), 1000);
    int64_t start = mw_clock_monotonic(&fake.clock);
    mw_clock_sleep(&fake.clock, 5);
    mw_fake_clock_advance(&fake, 2);
    assert_int_equal(mw_clock_utc(&fake.clock), 1007);
    assert_int_equal(mw_clock_monotonic(&fake.clock) - start, 7);
    assert_int_equal(fake.slept_us, 5);
    mw_fake_clock_set_utc(&fake, 10);
    assert_int_equal(mw_clock_utc(&fake.clock), 10);
    assert_int_equal(mw_clock_monotonic(&fake.clock) - start, 7);
}

MW_TEST_MAIN(MW_RUN(the_loop_counts_allocations), MW_RUN(the_loop_finds_a_leak),
             MW_RUN(the_loop_finds_a_wrong_code), MW_RUN(the_loop_passes_what_is_correct),
             MW_RUN(the_clock_moves_only_when_told))
