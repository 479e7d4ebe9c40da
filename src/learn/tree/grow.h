/*
 * grow.h -- one tree on binned rows: best leaf first, or level by level.
 *
 * What      a grower keeps the buffers of one training set and grows any number of trees on it. A tree's nodes are
 *           numbered in the order in which leaves were split, parents before children.
 * Order     the same (bins, pairs, rows, options, seed) give the same tree at any number of threads: sums are integers,
 *           and leaves that were split ahead of their turn count only when their turn comes.
 * Lifetime  mw_grower_new -> (mw_grower_grow -> mw_grower_node, mw_grower_rows)* -> mw_grower_free
 * Memory    16 bytes a row, and 16 bytes a slot for each open leaf, up to histogram_bytes: beyond it the least
 *           promising leaf gives its histogram back, and its children are both counted when it is split after all.
 */
#ifndef MW_LEARN_TREE_GROW_H
#define MW_LEARN_TREE_GROW_H

#include "learn/tree/split.h"

typedef struct mw_grow_options {
    mw_split_options split;
    int32_t num_leaves; /* >= 1 */
    int32_t max_depth;  /* 0: any */
    bool depth_wise;    /* all leaves of a level before the next level */
    bool extra_trees;   /* one random threshold a column and node */
    int32_t n_by_level; /* columns drawn for each level; 0: all */
    int32_t n_by_node;  /* columns drawn of those at a node; 0: all */
    size_t histogram_bytes;
    const int8_t *monotone; /* [n_columns], or NULL */
    const uint64_t *
        groups; /* [n_columns] bit of each group of columns that may meet on a path; NULL: all may */
    const uint8_t *is_used; /* [n_columns], or NULL; may change from tree to tree */
} mw_grow_options;

typedef struct mw_grown_node {
    int32_t left, right; /* node numbers; -1 at a leaf */
    int32_t depth;
    int64_t begin, n_rows; /* its rows: mw_grower_rows */
    int buffer;
    mw_slot sum;
    double output;  /* before shrinkage */
    mw_split split; /* of an inner node */
} mw_grown_node;

typedef struct mw_grower mw_grower;

/* Borrows all but *options (whose arrays are borrowed). MW_ENOMEM. */
mw_status mw_grower_new(const mw_ctx *ctx, const mw_bins *bins, const mw_binned *binned,
                        const mw_grow_options *options, mw_grower **ret, mw_err *err);
void *mw_grower_free(mw_grower *grower);

/*
 * mw_grower_grow -- grows a tree; the last one is gone.
 *
 *   pairs  [n_rows of the table] by row number; scale.narrow: they are in binned instead (mw_pair_put)
 *   rows   [n] ascending row numbers the tree is grown on; NULL: all
 *   seed   of what is drawn at nodes
 *
 * Cost     about n * n_columns additions for the root, and half of a node's rows for each split.
 * Errors   MW_ENOMEM, MW_ECANCELED
 */
mw_status mw_grower_grow(mw_grower *grower, const mw_ctx *ctx, const mw_pair *pairs, mw_scale scale,
                         const uint32_t *rows, int64_t n, uint64_t seed, mw_err *err);

int32_t mw_grower_count(const mw_grower *grower); /* nodes */
const mw_grown_node *mw_grower_node(const mw_grower *grower, int32_t number);
/* [n_rows] of a leaf, ascending. */
const uint32_t *mw_grower_rows(const mw_grower *grower, const mw_grown_node *node);

/* Does a row with this bin in the split's column go left? */
static inline bool mw_split_goes_left(const mw_split *split, int32_t n_bins, int32_t bin) {
    if (split->by_set) return split->set[bin / 32] >> bin % 32 & 1;
    return bin == n_bins ? split->missing_left : bin <= split->bin;
}

#endif
