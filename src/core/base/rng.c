/* rng.c -- Philox4x64-10 and the distributions drawn from it. */
#include "core/base/rng.h"

#include "core/base/math.h"

/* Multipliers and Weyl constants of the paper, table 2. */
#define MULTIPLIER_0 UINT64_C(0xD2E7470EE14C6C93)
#define MULTIPLIER_1 UINT64_C(0xCA5A826395121157)
#define WEYL_0 UINT64_C(0x9E3779B97F4A7C15)
#define WEYL_1 UINT64_C(0xBB67AE8584CAA73B)

__extension__ typedef unsigned __int128 u128;

void mw_rng_philox(const uint64_t key[2], const uint64_t counter[4], uint64_t out[4]) {
    uint64_t k0 = key[0], k1 = key[1];
    uint64_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        u128 p0 = (u128)MULTIPLIER_0 * c0;
        u128 p1 = (u128)MULTIPLIER_1 * c2;
        c0 = (uint64_t)(p1 >> 64) ^ c1 ^ k0;
        c2 = (uint64_t)(p0 >> 64) ^ c3 ^ k1;
        c1 = (uint64_t)p1;
        c3 = (uint64_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void mw_rng_init(mw_rng *rng, uint64_t seed, uint64_t stream, uint64_t row) {
    *rng = (mw_rng){.key = {seed, stream}, .counter = {0, row, 0, 0}};
}

uint64_t mw_rng_u64(mw_rng *rng) {
    if (rng->n_left == 0) {
        mw_rng_philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->n_left = 4;
    }
    return rng->block[4 - rng->n_left--];
}

double mw_rng_uniform(mw_rng *rng) { return (double)(mw_rng_u64(rng) >> 11) * 0x1p-53; }

/* Lemire, "Fast random integer generation in an interval" (2019): multiply, reject the short tail.
 */
uint64_t mw_rng_below(mw_rng *rng, uint64_t n) {
    u128 product = (u128)mw_rng_u64(rng) * n;
    if ((uint64_t)product < n) {
        uint64_t tail = (0 - n) % n;
        while ((uint64_t)product < tail) product = (u128)mw_rng_u64(rng) * n;
    }
    return (uint64_t)(product >> 64);
}

double mw_rng_normal(mw_rng *rng) {
    double u = 1.0 - mw_rng_uniform(rng); /* (0, 1] */
    double v = mw_rng_uniform(rng);
    return mw_sqrt(-2.0 * mw_ln(u)) * mw_cos(2.0 * MW_PI * v);
}

void mw_rng_shuffle(mw_rng *rng, uint32_t *items, uint32_t n) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)mw_rng_below(rng, i);
        uint32_t keep = items[i - 1];
        items[i - 1] = items[j];
        items[j] = keep;
    }
}

/* Floyd: the i-th draw is below n-n_draws+i+1; a value already taken is replaced by that bound. The
 * output stays sorted while it is built, so membership is a binary search. */
void mw_rng_sample(mw_rng *rng, uint32_t n, uint32_t n_draws, uint32_t *out) {
    for (uint32_t i = 0; i < n_draws; i++) {
        uint32_t top = n - n_draws + i;
        uint32_t value = (uint32_t)mw_rng_below(rng, (uint64_t)top + 1);
        uint32_t low = 0, high = i;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (out[middle] < value)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < i && out[low] == value) {
            out[i] = top; /* larger than all before it */
            continue;
        }
        for (uint32_t k = i; k > low; k--) out[k] = out[k - 1];
        out[low] = value;
    }
}
