/* test_alloc.c -- accounts, ceilings, fault injection, arenas and buffers. */
#include "support/harness.h"

#include <stdint.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/str.h"

MW_TEST(accounts_return_to_zero) {
    mw_mem parent, child;
    mw_mem_init(&parent, NULL, 0);
    mw_mem_init(&child, &parent, 1000);
    char *a = mw_alloc(&child, 400);
    char *b = mw_alloc_aligned(&child, 500);
    assert_non_null(a);
    assert_int_equal((uintptr_t)b % 64, 0);
    assert_int_equal(mw_mem_used(&parent), 900);
    assert_null(mw_alloc(&child, 101));
    assert_int_equal(mw_mem_used(&parent), 900);
    a = mw_realloc(&child, a, 500);
    assert_non_null(a);
    assert_null(mw_realloc(&child, a, 501));
    mw_free(a);
    mw_free(b);
    assert_int_equal(mw_mem_used(&child), 0);
    assert_int_equal(mw_mem_used(&parent), 0);
    assert_int_equal(mw_mem_peak(&parent), 1000);
}

MW_TEST(a_parents_ceiling_holds_too) {
    mw_mem parent, child;
    mw_mem_init(&parent, NULL, 100);
    mw_mem_init(&child, &parent, 0);
    assert_null(mw_alloc(&child, 101));
    assert_int_equal(mw_mem_used(&child), 0);
    assert_int_equal(mw_mem_used(&parent), 0);
}

MW_TEST(sizes_that_overflow_are_refused) {
    assert_null(mw_calloc(NULL, SIZE_MAX / 2, 4));
    assert_null(mw_alloc_array(NULL, SIZE_MAX, 2));
    assert_null(mw_alloc(NULL, SIZE_MAX));
}

MW_TEST(the_nth_allocation_fails_once) {
    mw_alloc_fail_at(2);
    void *a = mw_alloc(NULL, 1), *b = mw_alloc(NULL, 1), *c = mw_alloc(NULL, 1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_true(mw_alloc_fault_fired());
    mw_alloc_fail_at(0);
    mw_free(a);
    mw_free(c);
}

MW_TEST(arena_frees_all) {
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_arena arena;
    mw_arena_init(&arena, &mem);
    for (size_t i = 1; i < 3000; i += 7) memset(mw_arena_alloc(&arena, i), 1, i);
    assert_string_equal(mw_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    mw_arena_reset(&arena);
    assert_true(mw_mem_used(&mem) > 0);
    mw_arena_done(&arena);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(buffers_stop_at_their_maximum) {
    mw_err err = {0};
    mw_buf buf;
    mw_buf_init(&buf, NULL, 10);
    mw_buf_add(&buf, "12345");
    mw_buf_printf(&buf, "%d", 67890);
    assert_ok(mw_buf_status(&buf, "text", &err));
    mw_buf_add_char(&buf, 'x');
    mw_buf_add(&buf, "");
    assert_status(mw_buf_status(&buf, "text", &err), MW_ETOOLARGE);
    assert_string_equal(mw_buf_text(&buf), "1234567890");
    mw_buf_clear(&buf);
    mw_buf_add(&buf, "abcdef");
    mw_buf_consume(&buf, 2);
    assert_string_equal(mw_buf_text(&buf), "cdef");
    mw_buf_done(&buf);
}

MW_TEST(utf8_rules) {
    static const char *const good[] = {"",
                                       "a",
                                       "\xC2\x80",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xC2",
                                      "\xE2\x82",
                                      "\xFF"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(mw_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mw_utf8_valid(bad[i], strlen(bad[i])));
}

MW_TEST_MAIN(MW_RUN(accounts_return_to_zero), MW_RUN(a_parents_ceiling_holds_too),
             MW_RUN(sizes_that_overflow_are_refused), MW_RUN(the_nth_allocation_fails_once),
             MW_RUN(arena_frees_all), MW_RUN(buffers_stop_at_their_maximum), MW_RUN(utf8_rules))
