/* test_kept.c -- answers that are kept: by what they are found, when they go, how much memory they have. */
#include <stdio.h>
#include <string.h>

#include "run/serve/kept.h"
#include "support/harness.h"

static mw_err err;
static const int route, other_route;

static mw_kept_key key_of(const char *org, const char *target, mw_coding accepted) {
    return (mw_kept_key){&route, org, mw_str_of(target), accepted};
}

static void put(mw_kept *kept, const char *target, uint64_t version, mw_str body) {
    const mw_kept_key key = key_of("acme", target, MW_CODING_IDENTITY);
    mw_kept_put(
        kept, &key, version,
        &(mw_kept_answer){"application/json", "\"tag\"", "A: 1\r\nB: 2\r\n", "A: 1\r\n", body});
}

/* The first byte of its body; '-': it is not there. */
static char find(mw_kept *kept, const char *target, uint64_t version) {
    const mw_kept_key key = key_of("acme", target, MW_CODING_IDENTITY);
    const mw_kept_answer *found = mw_kept_find(kept, &key, version);
    if (!found) return '-';
    const char first = found->body.data[0];
    assert_string_equal(found->content_type, "application/json");
    assert_string_equal(found->tag, "\"tag\"");
    assert_string_equal(found->lines, "A: 1\r\nB: 2\r\n");
    assert_string_equal(found->lines_same, "A: 1\r\n");
    mw_kept_drop(kept, found);
    return first;
}

MW_TEST(an_answer_is_found_by_all_that_it_depends_on) {
    mw_ctx ctx;
    mw_kept *kept = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_kept_new(&ctx, 1 << 20, &kept, &err));
    put(kept, "/trend?a=1", 7, MW_STR("one"));
    put(kept, "/trend?a=2", 7, MW_STR("two"));
    assert_int_equal(find(kept, "/trend?a=1", 7), 'o');
    assert_int_equal(find(kept, "/trend?a=2", 7), 't');
    assert_int_equal(find(kept, "/trend?a=1", 6), '-');
    assert_int_equal(find(kept, "/trend?a=1", 8), '-');
    assert_int_equal(find(kept, "/trend?a=", 7), '-');
    mw_kept_key key = key_of("globex", "/trend?a=1", MW_CODING_IDENTITY);
    assert_null(mw_kept_find(kept, &key, 7));
    key = key_of("acme", "/trend?a=1", MW_CODING_GZIP);
    assert_null(mw_kept_find(kept, &key, 7));
    key = key_of("acme", "/trend?a=1", MW_CODING_IDENTITY);
    key.route = &other_route;
    assert_null(mw_kept_find(kept, &key, 7));
    put(kept, "/trend?a=1", 9, MW_STR("new"));
    assert_int_equal(find(kept, "/trend?a=1", 9), 'n');
    assert_int_equal(find(kept, "/trend?a=1", 7), '-');
    put(kept, "/trend?a=1", 8, MW_STR("slow")); /* began before that one, and ended after it */
    assert_int_equal(find(kept, "/trend?a=1", 9), 'n');
    assert_int_equal(mw_kept_found(kept), 4);
    mw_kept_free(kept);
}

MW_TEST(what_is_held_stays_though_it_goes) {
    mw_ctx ctx;
    mw_kept *kept = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_kept_new(&ctx, 1 << 20, &kept, &err));
    put(kept, "/a", 1, MW_STR("first"));
    const mw_kept_key key = key_of("acme", "/a", MW_CODING_IDENTITY);
    const mw_kept_answer *held = mw_kept_find(kept, &key, 1);
    put(kept, "/a", 2, MW_STR("second"));
    assert_memory_equal(held->body.data, "first", 5);
    mw_kept_drop(kept, held);
    assert_int_equal(find(kept, "/a", 2), 's');
    mw_kept_free(kept);
}

MW_TEST(memory_has_a_bound_and_the_least_used_go) {
    enum { MOST = 100000 };
    static char body[MOST];
    mw_mem mem;
    mw_ctx ctx;
    mw_kept *kept = NULL;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, &mw_mem_process, 0);
    ctx.mem = &mem;
    memset(body, 'x', sizeof body);
    assert_ok(mw_kept_new(&ctx, MOST, &kept, &err));
    const size_t empty = mw_mem_used(&mem);
    put(kept, "/used", 1, (mw_str){body, 1000});
    for (int i = 0; i < 500; i++) {
        char target[32];
        (void)snprintf(target, sizeof target, "/%d", i);
        put(kept, target, 1, (mw_str){body, 1000});
        assert_int_equal(find(kept, "/used", 1), 'x');
        assert_int_equal(find(kept, target, 1), 'x');
        assert_true(mw_mem_used(&mem) <= empty + MOST + MOST / 8);
    }
    assert_int_equal(find(kept, "/0", 1), '-');
    put(kept, "/large", 1, (mw_str){body, MOST / 8});
    assert_int_equal(find(kept, "/large", 1), '-');
    assert_int_equal(find(kept, "/499", 1), 'x'); /* nothing went for it */
    assert_null(mw_kept_free(NULL));
    mw_kept_free(kept);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(without_memory_nothing_is_kept) {
    mw_mem mem;
    mw_ctx ctx;
    mw_kept *kept = NULL;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, &mw_mem_process, 0);
    ctx.mem = &mem;
    mw_alloc_fail_at(1);
    assert_status(mw_kept_new(&ctx, 1 << 20, &kept, &err), MW_ENOMEM);
    mw_alloc_fail_at(0);
    assert_ok(mw_kept_new(&ctx, 1 << 20, &kept, &err));
    mw_alloc_fail_at(1);
    put(kept, "/a", 1, MW_STR("x"));
    mw_alloc_fail_at(0);
    assert_int_equal(find(kept, "/a", 1), '-');
    put(kept, "/a", 1, MW_STR("x"));
    assert_int_equal(find(kept, "/a", 1), 'x');
    mw_kept_free(kept);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST_MAIN(MW_RUN(an_answer_is_found_by_all_that_it_depends_on),
             MW_RUN(what_is_held_stays_though_it_goes),
             MW_RUN(memory_has_a_bound_and_the_least_used_go),
             MW_RUN(without_memory_nothing_is_kept))
