/* test_rate.c -- buckets of tokens: what they hold, when they fill, how many there are. */
#include <stdio.h>

#include "run/serve/rate.h"
#include "support/fake_clock.h"
#include "support/harness.h"

static mw_err err;

MW_TEST(rates_are_read) {
    static const struct {
        const char *text;
        double per_second; /* 0: refused */
    } cases[] = {
        {"50", 50}, {"50/s", 50}, {"600/min", 10}, {"3600/h", 1}, {"1/h", 1.0 / 3600}, {"0.5/s", 0},
        {"0", 0},   {"-1", 0},    {"", 0},         {"/s", 0},     {"5/d", 0},          {"5 /s", 0},
        {"nan", 0}, {"1e9", 0},   {"5/s/s", 0},    {"many/s", 0}, {"1000000", 1e6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = -1;
        const mw_status status = mw_rate_parse(cases[i].text, &got, &err);
        assert_status(status, cases[i].per_second > 0 ? MW_OK : MW_EINVAL);
        assert_true(got == (cases[i].per_second > 0 ? cases[i].per_second : -1));
    }
}

MW_TEST(a_bucket_empties_and_fills) {
    mw_fake_clock hand;
    mw_ctx ctx;
    mw_rate *rate = NULL;
    mw_ctx_init(&ctx);
    mw_fake_clock_init(&hand, 1000000);
    ctx.clock = &hand.clock;
    assert_ok(mw_rate_new(&ctx, 4, &rate, &err));
    for (int i = 0; i < 4; i++) assert_int_equal(mw_rate_take(rate, "acme"), 0);
    assert_int_equal(mw_rate_take(rate, "acme"), 1);
    assert_int_equal(mw_rate_take(rate, "globex"), 0); /* has its own */
    mw_fake_clock_advance(&hand, 250000);
    assert_int_equal(mw_rate_take(rate, "acme"), 0);
    assert_int_equal(mw_rate_take(rate, "acme"), 1);
    mw_fake_clock_advance(&hand, 3600000000); /* holds no more than a second's */
    for (int i = 0; i < 4; i++) assert_int_equal(mw_rate_take(rate, "acme"), 0);
    assert_int_equal(mw_rate_take(rate, "acme"), 1);
    assert_int_equal(mw_rate_refused(rate), 3);
    assert_null(mw_rate_free(rate));
}

MW_TEST(slow_rates_say_how_long) {
    mw_fake_clock hand;
    mw_ctx ctx;
    mw_rate *rate = NULL;
    mw_ctx_init(&ctx);
    mw_fake_clock_init(&hand, 1000000);
    ctx.clock = &hand.clock;
    assert_ok(mw_rate_new(&ctx, 1.0 / 60, &rate, &err));
    assert_int_equal(mw_rate_take(rate, "acme"), 0);
    assert_int_equal(mw_rate_take(rate, "acme"), 60);
    mw_fake_clock_advance(&hand, 30000000);
    assert_int_equal(mw_rate_take(rate, "acme"), 30);
    mw_rate_free(rate);
}

MW_TEST(memory_does_not_grow_with_organizations) {
    mw_ctx ctx;
    mw_mem mem;
    mw_rate *rate = NULL;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    assert_ok(mw_rate_new(&ctx, 1, &rate, &err));
    const size_t used = mw_mem_used(&mem);
    for (int i = 0; i < 20000; i++) {
        char org[32];
        (void)snprintf(org, sizeof org, "org%d", i);
        assert_int_equal(mw_rate_take(rate, org), 0);
    }
    assert_int_equal(mw_mem_used(&mem), used);
    assert_null(mw_rate_free(NULL));
    mw_rate_free(rate);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST_MAIN(MW_RUN(rates_are_read), MW_RUN(a_bucket_empties_and_fills),
             MW_RUN(slow_rates_say_how_long), MW_RUN(memory_does_not_grow_with_organizations))
