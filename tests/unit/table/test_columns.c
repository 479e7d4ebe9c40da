/* Bits of column buffers at every place within a byte, beside loops over single bits. */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/table/columns.h"
#include "support/harness.h"

enum { BITS = 256, MOST = 90 };

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

static void fill(mw_rng *rng, uint8_t *bits, size_t n) {
    for (size_t i = 0; i < n; i++) bits[i] = (uint8_t)mw_rng_u64(rng);
}

/* The source has exactly the bytes of its bits, so that AddressSanitizer sees a read past them. */
MW_TEST(copied_bits_are_those_of_the_source) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    uint8_t before[BITS / 8], to[BITS / 8];
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    for (int64_t at = 0; at < 17; at++)
        for (int64_t row = 0; row < 17; row++)
            for (int64_t n = 0; n <= MOST; n++) {
                size_t bytes = (size_t)(row + n + 7) / 8;
                uint8_t *from = mw_alloc(&mem, bytes ? bytes : 1);
                assert_non_null(from);
                fill(&rng, from, bytes);
                fill(&rng, before, sizeof before);
                memcpy(to, before, sizeof to);
                mw_table__copy_bits(to, at, from, row, n);
                for (int64_t i = 0; i < BITS; i++) {
                    bool copied = i >= at && i < at + n;
                    if (bit(to, i) != (copied ? bit(from, row + i - at) : bit(before, i)))
                        fail_msg("bit %d of %d from %d at %d", (int)i, (int)n, (int)row, (int)at);
                }
                mw_free(from);
            }
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(cleared_bits_are_those_asked_for) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    uint8_t before[BITS / 8], bits[BITS / 8];
    for (int64_t at = 0; at < 17; at++)
        for (int64_t n = 0; n <= MOST; n++) {
            fill(&rng, before, sizeof before);
            memcpy(bits, before, sizeof bits);
            mw_table__clear_bits(bits, at, n);
            int64_t ones = 0;
            for (int64_t i = 0; i < BITS; i++) {
                bool cleared = i >= at && i < at + n;
                if (bit(bits, i) != (!cleared && bit(before, i)))
                    fail_msg("bit %d, %d from %d", (int)i, (int)n, (int)at);
                ones += i < at + n && bit(bits, i);
            }
            assert_int_equal(mw_table__ones(bits, at + n), ones);
        }
}

MW_TEST_MAIN(MW_RUN(copied_bits_are_those_of_the_source), MW_RUN(cleared_bits_are_those_asked_for))
