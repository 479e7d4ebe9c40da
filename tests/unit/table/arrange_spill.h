/* arrange_spill.h -- the folder for runs in the tests of mw_arrange, and random bytes for arrange_oracle.h. */
#ifndef MW_TESTS_UNIT_TABLE_ARRANGE_SPILL_H
#define MW_TESTS_UNIT_TABLE_ARRANGE_SPILL_H

#include "core/base/dir.h"
#include "core/base/rng.h"
#include "support/harness.h"

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

#endif
