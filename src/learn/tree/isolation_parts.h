/*
 * isolation_parts.h -- what the plain and the extended isolation forest share: which rows and features a tree
 * gets, how deep it may grow, and drawing a feature at a node.
 */
#ifndef MW_LEARN_TREE_ISOLATION_PARTS_H
#define MW_LEARN_TREE_ISOLATION_PARTS_H

#include "core/base/rng.h"
#include "learn/tree/isolation.h"

enum { MW_ISOLATION_DEPTH_MAX = 33 /* ceil(log2(rows)) for any uint32, and one */ };

/* The options with the numbers of the matrix put in. */
typedef struct mw_isolation_plan {
    uint32_t n_rows, n_features;
    uint32_t n_sample;        /* psi: rows of a tree */
    uint32_t n_tree_features; /* features of a tree */
    int32_t max_depth;
    bool bootstrap;
} mw_isolation_plan;

/* Checks matrix and options; the errors are those of mw_isolation_fit. */
mw_status mw_isolation__plan(const mw_ctx *ctx, const mw_isolation_options *options,
                             mw_matrix matrix, mw_isolation_plan *ret, mw_err *err);

/* sample [n_sample] row numbers, ascending unless bootstrap. */
void mw_isolation__sample(const mw_isolation_plan *plan, mw_rng *rng, uint32_t *sample);

/* features [n_features]: a permutation whose first n_tree_features are the tree's. */
void mw_isolation__features(const mw_isolation_plan *plan, mw_rng *rng, uint32_t *features);

/* One of features[n_seen, n) at equal odds; it is moved to n_seen. */
uint32_t mw_isolation__draw(mw_rng *rng, uint32_t *features, uint32_t n_seen, uint32_t n);

#endif
