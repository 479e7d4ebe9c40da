/* Rows into time order against a plain program that has them all in memory (arrange_oracle.h), and what it must survive. */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/rng.h"
#include "support/fault_loop.h"
#include "unit/table/arrange_oracle.h"

static oracle_row rows[ORACLE_ROWS];
static uint8_t cuts[ORACLE_ROWS], widths[ORACLE_ROWS];

static mw_dir *open_spill(const mw_ctx *ctx) {
    mw_dir *dir;
    mw_err err;
    assert_ok(mw_dir_open(ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    return dir;
}

static void assert_empty(mw_dir *dir) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir_entry *entries;
    size_t n;
    mw_err err;
    assert_ok(mw_dir_list(&ctx, dir, &entries, &n, &err));
    mw_free(entries);
    assert_int_equal(n, 0);
}

static void fill_random(mw_rng *rng, uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)mw_rng_u64(rng);
}

MW_TEST(equals_the_oracle_for_any_cuts_and_budgets) {
    enum { CASES = 3000, BYTES = 4 + 4 * 600 };
    static uint8_t data[BYTES];
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    mw_rng rng;
    int n_merged = 0, n_windowed = 0;
    for (int i = 0; i < CASES; i++) {
        mw_rng_init(&rng, mw_test_seed(), 1, (uint64_t)i);
        size_t size = mw_rng_below(&rng, i % 8 ? 300 : BYTES);
        fill_random(&rng, data, size);
        oracle_case c = {.rows = rows, .cuts = cuts, .widths = widths};
        oracle_case_from(data, size, &c);
        c.options.spill = spill;
        oracle_sink sink = {0};
        mw_arrange_counts counts;
        mw_err err;
        assert_ok(oracle_run(&ctx, &c, &sink, &counts, &err));
        const char *problem = oracle_differs(&c, &sink, &counts);
        if (problem)
            fail_msg("seed %llu case %d: %s", (unsigned long long)mw_test_seed(), i, problem);
        oracle_sink_done(&sink);
        assert_int_equal(mw_mem_used(&mem), 0);
        n_merged += counts.merged;
        n_windowed += !counts.merged && counts.n_out_of_order;
    }
    assert_empty(spill);
    mw_dir_close(spill);
    assert_true(n_merged > CASES / 10);
    assert_true(n_windowed > CASES / 10);
}

MW_TEST_MAIN(MW_RUN(equals_the_oracle_for_any_cuts_and_budgets))
