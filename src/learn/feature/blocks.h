/*
 * blocks.h -- what the operators over blocks of rows (vibration) have in common: which rows a block has, and how long what it gave stays.
 *
 * What      a block is the last N rows at each row whose number + 1 is a multiple of N / 2, so that blocks overlap by half. Each row has the features
 *           of the last block: they stay until the next one, or a gap.
 * Missing   before the first whole block; from a block with a missing value, or a gap inside, to the next one; after a gap.
 */
#ifndef MW_LEARN_FEATURE_BLOCKS_H
#define MW_LEARN_FEATURE_BLOCKS_H

#include "learn/feature/operator.h"

enum { MW_BLOCK_LEAST = 16, MW_BLOCK_OUTPUTS = 2 }; /* rows; outputs of a kernel */

/* Plain bytes: a block's rows may lie further back than a program keeps. */
typedef struct mw_block_state {
    double last[MW_BLOCK_OUTPUTS];
    int64_t known; /* 1: last is of a block */
} mw_block_state;

/* One block: x [n] without a missing value, oldest first, times [n]. Writes what is wanted of ret; anything but a finite number is missing. */
typedef struct mw_block {
    const double *x;
    const int64_t *times;
    int32_t n;
} mw_block;

typedef mw_status (*mw_block_fn)(const mw_feature_node *node, const mw_block *block,
                                 const bool wanted[MW_BLOCK_OUTPUTS], double ret[MW_BLOCK_OUTPUTS],
                                 mw_mem *mem, mw_err *err);

/* MW_EINVAL unless the window is a number of rows that a block may have. */
mw_status mw_block_check(const mw_feature_node *node, mw_err *err);

/* A kernel's push, by blocks. */
mw_status mw_block_push(const mw_feature_node *node, mw_block_state *state, const mw_span *span,
                        const double *x, double *const *out, mw_block_fn fn, mw_mem *mem,
                        mw_err *err);

/* The mean of x [n], of differences to its first value, oldest first. */
double mw_block_mean(const mw_block *block);

#endif
