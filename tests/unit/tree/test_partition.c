/* test_partition.c -- rows go to their sides in their order, as the plain loop has it, at every CPU level, and no further. */
#include "support/harness.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "learn/tree/partition.h"

enum { TABLE = 5000, MOST = 2000, GUARD = 0x5a5a5a5a };

typedef struct sides {
    uint32_t left[MOST + 1], right[MOST + 1];
    int64_t n_left, n_right;
} sides;

static uint8_t bins[TABLE + MW_PARTITION_PAD];

static void plainly(const uint32_t left[8], const uint32_t *rows, uint32_t first, int64_t n,
                    sides *to) {
    *to = (sides){.n_left = 0};
    for (int64_t i = 0; i < n; i++) {
        const uint32_t row = rows ? rows[i] : first + (uint32_t)i;
        if (left[bins[row] / 32] >> bins[row] % 32 & 1)
            to->left[to->n_left++] = row;
        else
            to->right[to->n_right++] = row;
    }
}

static void assert_same(const sides *want, const sides *got) {
    assert_memory_equal(want->left, got->left, (size_t)want->n_left * sizeof *want->left);
    assert_memory_equal(want->right, got->right, (size_t)want->n_right * sizeof *want->right);
    assert_int_equal(got->left[want->n_left], GUARD);
    assert_int_equal(got->right[want->n_right], GUARD);
}

static void check(const uint32_t left[8], const uint32_t *rows, uint32_t first, int64_t n) {
    static sides want, got;
    uint64_t bits[MOST / 64 + 1];
    plainly(left, rows, first, n, &want);
    for (int i = 0; i <= MOST; i++) got.left[i] = got.right[i] = GUARD;
    mw_partition(bins, left, rows, first, n, got.left, got.right);
    assert_same(&want, &got);
    for (int i = 0; i <= MOST; i++) got.left[i] = got.right[i] = GUARD;
    assert_int_equal(mw_partition_mark(bins, left, rows, first, n, bits), want.n_left);
    mw_partition_move(rows, first, n, bits, got.left, got.right);
    assert_same(&want, &got);
}

MW_TEST(rows_go_to_their_sides_in_their_order) {
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 511, 512, 513, 1000, MOST};
    const mw_cpu best = mw_cpu_level(), levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512};
    mw_rng rng;
    mw_rng_init(&rng, 1, 1, 0);
    for (int i = 0; i < TABLE; i++) bins[i] = (uint8_t)mw_rng_below(&rng, 256);
    for (size_t k = 0; k < 3 * sizeof sizes / sizeof *sizes; k++) {
        const int64_t n = sizes[k / 3];
        uint32_t rows[MOST], left[8];
        for (int i = 0; i < 8; i++) /* none, all, or some */
            left[i] = k % 3 == 0 ? 0 : k % 3 == 1 ? UINT32_MAX : (uint32_t)mw_rng_u64(&rng);
        for (int64_t i = 0; i < n; i++) rows[i] = (uint32_t)mw_rng_below(&rng, TABLE);
        if (n > 0) rows[n - 1] = TABLE - 1; /* the last byte of the table */
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            mw_cpu_force(levels[l]);
            check(left, rows, 0, n);
            check(left, NULL, (uint32_t)(TABLE - n), n);
        }
        mw_cpu_force(best);
    }
}

MW_TEST_MAIN(MW_RUN(rows_go_to_their_sides_in_their_order))
