/*
 * harness.h -- unit tests: cmocka's assertions, a process and a time limit for each test, TAP out.
 *
 *   MW_TEST(adds_up) { assert_int_equal(1 + 1, 2); }
 *   MW_TEST_MAIN(MW_RUN(adds_up))
 *
 * Options of a test program: names of tests to run; --seed N (else random and printed, see
 * mw_test_seed);
 * --limit SECONDS (default 60, ten times as much under a sanitizer or valgrind).
 */
#ifndef MW_TESTS_SUPPORT_HARNESS_H
#define MW_TESTS_SUPPORT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/status.h"

typedef struct mw_test {
    const char *name;
    void (*run)(void **state);
} mw_test;

#define MW_TEST(name) static void name(void **state __attribute__((unused)))
#define MW_RUN(name) \
    { #name, name }
#define MW_TEST_MAIN(...)                                                     \
    int main(int argc, char **argv) {                                         \
        static const mw_test tests[] = {__VA_ARGS__};                         \
        return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests); \
    }

int mw_test_main(int argc, char **argv, const mw_test *tests, size_t n);

/* The seed of this run; printed in the plan so that a failure can be had again with --seed. */
uint64_t mw_test_seed(void);

/* MW_TEST_SLOW: the part of many rounds that is run under what slows tests down; 1 where nothing does. */
int mw_test_slow(void);

/* How many of n rounds with random input: the MW_TEST_SLOW-th part of them under what slows tests down, at least 1. Each run has other input. */
int mw_test_rounds(int n);

/* Fails with code, message and hint when the call does not return MW_OK. */
#define assert_ok(call)                                                               \
    do {                                                                              \
        mw_status assert_status = (call);                                             \
        if (assert_status != MW_OK)                                                   \
            fail_msg("%s: %s %s", #call, mw_status_name(assert_status), err.message); \
    } while (0)

/* Fails unless the call returns exactly this code. */
#define assert_status(call, code)                                              \
    do {                                                                       \
        mw_status assert_got = (call);                                         \
        if (assert_got != (code))                                              \
            fail_msg("%s: got %s, want %s", #call, mw_status_name(assert_got), \
                     mw_status_name(code));                                    \
    } while (0)

/* A fresh, empty folder of this test (removed when the test ends). */
const char *mw_test_folder(void);

/* Folder of committed test data (tests/golden), and of the shared real data or NULL. */
const char *mw_test_golden(void);
const char *mw_test_data(void);

#endif
