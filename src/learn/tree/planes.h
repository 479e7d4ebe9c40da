/*
 * planes.h -- the extended isolation forest: trees that cut by random hyperplanes instead of one feature at a time
 * (Hariri, Carrasco Kind, Brunner: "Extended Isolation Forest", IEEE TKDE 2021).
 *
 * What      a node sends a row left when sum(weight * x[feature]) <= threshold over its terms, a missing x
 *           replaced by the term's fill. A leaf has the path length of its rows, c(n) added.
 * Score     as isolation.h has it: 2^(-E[h] / c(psi)), 0..1, higher is more anomalous.
 * Lifetime  mw_planes_fit | mw_planes_new -> mw_planes_score* -> mw_planes_free; immutable once made.
 * Threads   scoring is lock-free on a shared forest.
 */
#ifndef MW_LEARN_TREE_PLANES_H
#define MW_LEARN_TREE_PLANES_H

#include "learn/tree/isolation.h"

typedef struct mw_plane_term {
    double weight; /* per unit of the feature; 0 in the terms behind a node's last */
    double fill;   /* stands for a missing value */
    int32_t feature;
} mw_plane_term;

typedef struct mw_plane_node {
    double threshold; /* infinite at a leaf */
    int32_t left;  /* node index within the forest; right is left + 1; at a leaf: the node itself */
    int32_t split; /* row of terms; at a leaf any one */
} mw_plane_node;

typedef struct mw_planes {
    mw_mem *mem;
    int32_t n_features;
    int32_t ndim; /* most terms of a node */
    int32_t n_trees;
    uint32_t n_sample; /* psi: training rows of a tree */
    int64_t n_nodes;
    int64_t n_splits;
    int64_t *roots;       /* [n_trees] node index */
    int32_t *depths;      /* [n_trees] of its deepest leaf */
    mw_plane_node *nodes; /* [n_nodes], each tree's contiguous, parents before children */
    uint32_t *covers;     /* [n_nodes] training rows that reached it */
    double *lengths;      /* [n_nodes] path length at a leaf, else 0 */
    int32_t *n_terms;     /* [n_splits] */
    mw_plane_term *terms; /* [n_splits][ndim] */
} mw_planes;

/*
 * mw_planes_new -- room for a forest of this many trees, nodes and splits; the caller fills it in.
 */
mw_status mw_planes_new(mw_mem *mem, int32_t n_features, int32_t ndim, int32_t n_trees,
                        int64_t n_nodes, int64_t n_splits, mw_planes **ret, mw_err *err);
void *mw_planes_free(mw_planes *planes);

/* The node becomes a leaf of n rows at that depth. */
void mw_planes_set_leaf(mw_planes *planes, int64_t node, int32_t depth, uint32_t n);
/* The node becomes a split by its first n_terms terms, which are there; those behind are set. */
void mw_planes_set_split(mw_planes *planes, int64_t node, int64_t split, int32_t n_terms,
                         double threshold, int64_t left, uint32_t n);

/*
 * mw_planes_fit -- grow options->n_estimators trees, rows and features drawn as mw_isolation_fit does.
 *
 *   ndim     most features of a hyperplane; more than there are (or than max_features) is as many as
 *            there are
 *
 * Splits    ndim features drawn evenly among those that are not constant in the node; a weight for each from
 *           the standard normal distribution over the feature's standard deviation in the node, so that
 *           neither units nor scales matter; then a threshold drawn evenly between the least and the
 *           largest sum there. No deeper than ceil(log2(psi)).
 * Missing   replaced by the feature's mean in the node, where the term then says nothing.
 * Order     same seed, same bytes at any thread count.
 * Errors    those of mw_isolation_fit; MW_EINVAL for ndim < 1; MW_ETOOLARGE when there may be more terms than a
 *           model may have nodes.
 */
mw_status mw_planes_fit(const mw_ctx *ctx, const mw_isolation_options *options, int32_t ndim,
                        mw_matrix matrix, mw_planes **ret, mw_err *err);

/*
 * mw_planes_score -- scores [n_rows]; 0.5 for every row when there was one row per tree. Rows are shared over
 * ctx->pool.
 *
 * Errors    MW_EINVAL when the matrix has another number of features; MW_ECANCELED.
 */
mw_status mw_planes_score(const mw_ctx *ctx, const mw_planes *planes, mw_matrix matrix,
                          double *scores, mw_err *err);

/* The slow plain walk: the mean path length of one row, whose score must be the same bit for bit. */
double mw_planes_length(const mw_planes *planes, const float *row);
double mw_planes_score_of(const mw_planes *planes, double length);

/* importance [n_features]: mw_isolation_importance's share of path steps; a step at a node of several features
 * counts for each of them with an equal part. */
void mw_planes_importance(const mw_planes *planes, double *importance);

#endif
