/*
 * split.h -- the best split of a node along one column of its histogram.
 *
 * Gain      of a node with sums G and H: T(G)^2 / (H + l2), T the soft threshold by l1; a split's is that of both
 *           children less the node's. The first of equal gains wins: bins ascending, missing right before left.
 * Source    numbers: Chen, Guestrin, KDD 2016; codes in order of G / (H + cat_smooth): Fisher, 1958, as LightGBM has it.
 * Cost      O(bins), for codes O(bins log bins); no allocation.
 */
#ifndef MW_LEARN_TREE_SPLIT_H
#define MW_LEARN_TREE_SPLIT_H

#include "learn/tree/histogram.h"

typedef struct mw_split_options {
    double lambda_l1, lambda_l2;
    double min_gain_to_split;
    double min_sum_hessian_in_leaf;
    double max_delta_step; /* largest output of a leaf; 0: any */
    int64_t min_data_in_leaf;
    int32_t max_cat_to_onehot; /* up to as many categories each is tried against the rest */
    int32_t max_cat_threshold; /* most categories of a set */
    int64_t min_data_per_group;
    double cat_l2, cat_smooth;
} mw_split_options;

/* What the search needs to know of the node. */
typedef struct mw_split_node {
    mw_slot sum;
    double low, high; /* bounds of its leaves' outputs */
    uint64_t
        drawn_by; /* not 0: one threshold is drawn by this number (extremely randomized trees) */
} mw_split_node;

typedef struct mw_split {
    int32_t column; /* -1: none */
    int32_t bin;    /* bins up to it go left; n_bins - 1: all values do */
    bool missing_left, by_set;
    uint32_t set[8]; /* by_set: bin b goes left when bit b is set */
    double l2;       /* of the children's outputs */
    double gain;
    mw_slot left;
} mw_split;

/* The output of a leaf with these sums, before shrinkage. */
double mw_split_output(const mw_split_options *options, mw_slot sum, mw_scale scale, double l2,
                       double low, double high);

/*
 * mw_split_find -- replaces *best when column c has a split of greater gain.
 *
 *   slots     the column's first slot: [n_bins + 1]
 *   monotone  -1, 0, +1: outputs must fall, may do anything, must rise along the column
 */
void mw_split_find(const mw_split_options *options, const mw_bins_column *column, int32_t c,
                   const mw_slot *slots, const mw_split_node *node, mw_scale scale, int monotone,
                   mw_split *best);

#endif
