/* The test support itself: a check that cannot fail proves nothing. */
#include "support/fake_clock.h"
#include "support/fault_loop.h"
#include "support/harness.h"
#include "support/random_trees.h"
#include "support/same_trees.h"

#include <string.h>
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

static mw_trees *some_trees(void) {
    static const mw_trees_shape shape = {6, 6, 2, 20, 70, true};
    mw_rng rng;
    mw_rng_init(&rng, 7, 0, 0);
    return mw_random_trees(&rng, &shape);
}

MW_TEST(of_trees_every_difference_is_told) {
    char text[MW_DIFFERENCE_MAX];
    mw_trees *a = some_trees(), *b = some_trees();
    mw_node *node = &b->nodes[3];
    unsigned char *const between = (unsigned char *)&node->by_set + 1;
    const struct {
        void *at; /* a bit is turned there */
        const char *says;
    } changes[] = {{&b->n_features, "6 and 7 features"},
                   {&b->n_outputs, "2 and 3 outputs"},
                   {&b->n_trees, "6 and 7 trees"},
                   {&b->n_nodes, " nodes"},
                   {&b->n_leaves, " leaves"},
                   {&b->n_sets, " sets"},
                   {&b->roots[2], "root of tree 2"},
                   {&node->feature, "feature of node 3"},
                   {&node->threshold, "threshold or set of node 3"},
                   {&node->left, "left of node 3"},
                   {&node->right, "right of node 3"},
                   {&node->cover, "cover of node 3"},
                   {&node->missing_left, "missing_left of node 3"},
                   {&node->by_set, "by_set of node 3"},
                   {&node->gain, "gain of node 3"},
                   {&b->set_starts[1], "start of set 1"},
                   {&b->set_words[0], "word of sets 0"},
                   {&b->values[5], "value 5"},
                   {&b->base[1], "base of output 1"}};
    assert_true(a->n_sets > 0);
    assert_same_trees(a, b);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        *(unsigned char *)changes[i].at ^= 1;
        assert_true(mw_trees_differ(a, b, text));
        if (!strstr(text, changes[i].says)) fail_msg("%s, not: %s", text, changes[i].says);
        *(unsigned char *)changes[i].at ^= 1;
    }
    *between ^= 1; /* is no field */
    assert_same_trees(a, b);
    b->base = mw_free(b->base);
    assert_true(mw_trees_differ(a, b, text));
    assert_string_equal(text, "base of output: only one has them");
    mw_trees_free(a);
    mw_trees_free(b);
}

MW_TEST_MAIN(MW_RUN(the_loop_counts_allocations), MW_RUN(the_loop_finds_a_leak),
             MW_RUN(the_loop_finds_a_wrong_code), MW_RUN(the_loop_passes_what_is_correct),
             MW_RUN(the_clock_moves_only_when_told), MW_RUN(of_trees_every_difference_is_told))
