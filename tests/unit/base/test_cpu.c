/* test_cpu.c -- the level of vector instructions: what is asked for, what the machine lacks, what the surroundings say. */
#include "core/base/cpu.h"

#include <stdlib.h>

#include "support/harness.h"

static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
enum { N_LEVELS = sizeof levels / sizeof *levels };

static mw_cpu best(void) {
    mw_cpu level = MW_CPU_SCALAR;
    for (size_t i = 0; i < N_LEVELS; i++)
        if (mw_cpu_has(levels[i])) level = levels[i];
    return level;
}

MW_TEST(names) {
    assert_string_equal(mw_cpu_name(MW_CPU_SCALAR), "scalar");
    assert_string_equal(mw_cpu_name(MW_CPU_NEON), "neon");
    assert_string_equal(mw_cpu_name(MW_CPU_AVX2), "avx2");
    assert_string_equal(mw_cpu_name(MW_CPU_AVX512), "avx512");
}

MW_TEST(a_level_can_be_forced_if_the_machine_has_it) {
    assert_true(mw_cpu_has(MW_CPU_SCALAR));
    assert_false(mw_cpu_has(MW_CPU_NEON) && mw_cpu_has(MW_CPU_AVX2));
    for (size_t i = 0; i < N_LEVELS; i++) {
        mw_cpu want = mw_cpu_has(levels[i]) ? levels[i] : best();
        assert_int_equal(mw_cpu_force(levels[i]), want);
        assert_int_equal(mw_cpu_level(), want);
    }
}

/* Each test is a process of its own, so the level is not decided yet. */
MW_TEST(the_environment_asks_for_less) {
    setenv("MILLWRIGHT_CPU", "scalar", 1);
    assert_int_equal(mw_cpu_level(), MW_CPU_SCALAR);
    setenv("MILLWRIGHT_CPU", "avx512", 1);
    assert_int_equal(mw_cpu_level(), MW_CPU_SCALAR); /* decided once */
}

MW_TEST(an_unknown_word_leaves_the_best) {
    setenv("MILLWRIGHT_CPU", "quantum", 1);
    assert_int_equal(mw_cpu_level(), best());
}

MW_TEST(a_level_that_is_lacking_leaves_the_best) {
    setenv("MILLWRIGHT_CPU", mw_cpu_has(MW_CPU_NEON) ? "avx2" : "neon", 1);
    assert_int_equal(mw_cpu_level(), best());
}

MW_TEST_MAIN(MW_RUN(names), MW_RUN(a_level_can_be_forced_if_the_machine_has_it),
             MW_RUN(the_environment_asks_for_less), MW_RUN(an_unknown_word_leaves_the_best),
             MW_RUN(a_level_that_is_lacking_leaves_the_best))
