/* Which rows have a value, at every CPU level and every place within a byte, beside a loop that asks row by row. */
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/table/present.h"
#include "core/text/datetime.h"
#include "support/harness.h"

enum { ROWS = 300, BEFORE = 70, BYTES = (ROWS + BEFORE) / 8 + 1 + MW_TABLE__PRESENT_SLACK };

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

typedef union column {
    double number[ROWS];
    int64_t time[ROWS];
    int32_t codes[ROWS];
} column;

/* One in `share` is missing; NaN of either sign and any payload is. */
static void fill(mw_rng *rng, mw_type type, uint64_t share, column *c, bool has[ROWS]) {
    for (int i = 0; i < ROWS; i++) {
        uint64_t draw = mw_rng_u64(rng);
        has[i] = mw_rng_below(rng, share) != 0;
        if (type == MW_FLOAT64) {
            uint64_t nan = UINT64_C(0x7FF0000000000001) | (draw & UINT64_C(0x800FFFFFFFFFFFFF));
            double infinite = draw & 1 ? MW_INFINITY : -MW_INFINITY;
            if (has[i])
                c->number[i] = draw % 5 == 0 ? infinite : (double)(int64_t)draw;
            else
                memcpy(&c->number[i], &nan, sizeof nan);
        } else if (type == MW_DICTIONARY) {
            c->codes[i] = has[i] ? (int32_t)(draw >> 33) : -1 - (int32_t)(draw >> 33);
        } else {
            c->time[i] = has[i] ? (int64_t)(draw >> 1) - 5 : MW_TIME_NONE;
        }
    }
}

static void check(mw_type type, const column *c, const bool *has, int64_t n, int64_t at) {
    uint8_t bits[BYTES];
    memset(bits, 0xA5, sizeof bits);
    int64_t missing = 0;
    for (int64_t i = 0; i < n; i++) missing += !has[i];
    assert_int_equal(mw_table__present(type, c, n, bits, at), missing);
    for (int64_t i = 0; i < at; i++) assert_int_equal(bit(bits, i), 0xA5 >> (i % 8) & 1);
    for (int64_t i = 0; i < n; i++)
        if (bit(bits, at + i) != has[i])
            fail_msg("row %d of %d at %d, %s", (int)i, (int)n, (int)at, mw_type_name(type));
    for (int64_t i = at + n; n && i % 8; i++) assert_false(bit(bits, i));
}

MW_TEST(bits_are_those_of_the_rows) {
    static const mw_type types[] = {MW_FLOAT64, MW_TIMESTAMP, MW_DICTIONARY};
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
    static const uint64_t shares[] = {1, 2, 50, 1000000};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    column c;
    bool has[ROWS];
    for (int round = 0; round < 400; round++) {
        mw_type type = types[round % 3];
        fill(&rng, type, shares[round / 3 % 4], &c, has);
        int64_t n = (int64_t)mw_rng_below(&rng, ROWS + 1), at = (int64_t)mw_rng_below(&rng, BEFORE);
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            if (!mw_cpu_has(levels[l])) continue;
            mw_cpu_force(levels[l]);
            check(type, &c, has, n, at);
        }
    }
}

MW_TEST_MAIN(MW_RUN(bits_are_those_of_the_rows))
