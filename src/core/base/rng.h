/*
 * rng.h -- counter-based random numbers: any draw can be had without the ones before it.
 *
 * What      Philox4x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011), keyed by (seed, stream); the counter starts at `row`. The same triple gives the
 *           same numbers on every machine and in any thread.
 * Use       one stream per purpose (a tree, a column), one row per item; draws within are
 * sequential. Cost      about 4 ns a 64-bit number, no memory.
 */
#ifndef MW_CORE_BASE_RNG_H
#define MW_CORE_BASE_RNG_H

#include <stdint.h>

typedef struct mw_rng {
    uint64_t key[2];
    uint64_t counter[4];
    uint64_t block[4];
    unsigned n_left;
} mw_rng;

/* The raw function: ten rounds of counter under key, as numpy.random.Philox computes them. */
void mw_rng_philox(const uint64_t key[2], const uint64_t counter[4], uint64_t out[4]);

void mw_rng_init(mw_rng *rng, uint64_t seed, uint64_t stream, uint64_t row);
uint64_t mw_rng_u64(mw_rng *rng);
double mw_rng_uniform(mw_rng *rng);             /* [0, 1), 53 bits */
uint64_t mw_rng_below(mw_rng *rng, uint64_t n); /* [0, n) without bias; n > 0 */
double mw_rng_normal(mw_rng *rng);              /* mean 0, sd 1 (Box-Muller, one of the pair) */

/* Writes n_draws distinct ascending numbers below n (Floyd's method, then sorted). n_draws <= n. */
void mw_rng_sample(mw_rng *rng, uint32_t n, uint32_t n_draws, uint32_t *out);

/* Fisher-Yates in place. */
void mw_rng_shuffle(mw_rng *rng, uint32_t *items, uint32_t n);

#endif
