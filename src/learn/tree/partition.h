/*
 * partition.h -- rows to the two sides of a split, in the order they had.
 *
 * What      each row's side is a bit; then rows are written to where their side goes. Between the two, threads that
 *           share a node learn how many rows go left before theirs.
 * Shapes    rows [n]: row numbers below 2^31, or NULL: first, first + 1, ...; sides [(n + 63) / 64]: set for left.
 * Cost      about 0.7 ns a row with AVX-512, twice that without, when bins are in the cache's second level.
 * Source    Shafer et al., "SPRINT", VLDB 1996, has the idea of a stable partition.
 */
#ifndef MW_LEARN_TREE_PARTITION_H
#define MW_LEARN_TREE_PARTITION_H

#include <stdint.h>

enum { MW_PARTITION_PAD = 4 }; /* bytes behind `bins` that may be read */

/*
 * Finds sides; returns the number of rows on the left.
 *
 *   bins   by row number
 *   left   [256] bits: bins that go left
 */
int64_t mw_partition_mark(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows,
                          uint32_t first, int64_t n, uint64_t *sides);

/* left_to, right_to: exactly a side's rows are written; neither overlaps rows. */
void mw_partition_move(const uint32_t *rows, uint32_t first, int64_t n, const uint64_t *sides,
                       uint32_t *left_to, uint32_t *right_to);

/* Both at once. */
void mw_partition(const uint8_t *bins, const uint32_t left[8], const uint32_t *rows, uint32_t first,
                  int64_t n, uint32_t *left_to, uint32_t *right_to);

#endif
