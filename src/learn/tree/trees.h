/*
 * trees.h -- the node layout all tree ensembles share, and scoring.
 *
 * What      an immutable ensemble of binary trees over float32 features. Row x goes left at a
 *           node when x[feature] <= threshold, or, at a node by set, when x[feature] is a code of
 *           the set; or when x[feature] is NaN and the node sends missing values left. A row's
 *           output is the base value, then its leaves' values, added in tree order.
 * Shapes    values [n_leaves][n_outputs]; a leaf's `left` is -1 and `right` is its row in values.
 * Threads   scoring is lock-free on a shared ensemble.
 * Order     filled by a learner or a reader -> mw_trees_prepare, once, for whoever scores it often
 *           -> (mw_trees_score | mw_trees_score_row)* -> mw_trees_free
 */
#ifndef MW_LEARN_TREE_TREES_H
#define MW_LEARN_TREE_TREES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ctx.h"
#include "learn/stat/matrix.h"

typedef struct mw_node {
    int32_t feature; /* -1 at a leaf */
    union {
        float threshold;
        int32_t set; /* by_set: index of the set of codes that go left */
    };
    int32_t left;   /* node index within the ensemble; -1 at a leaf */
    int32_t right;  /* node index; at a leaf: row of values */
    uint32_t cover; /* training rows that reached it */
    bool missing_left;
    bool by_set;
    float gain; /* decrease of impurity times rows (forest.h says in which unit); 0 at a leaf */
} mw_node;

typedef struct mw_trees {
    mw_mem *mem;
    int32_t n_features;
    int32_t n_outputs;
    int32_t n_trees;
    int64_t n_nodes;
    int64_t n_leaves;
    int64_t *roots; /* [n_trees] node index */
    mw_node *nodes; /* [n_nodes], each tree's contiguous, parents before children */
    float *values;  /* [n_leaves][n_outputs] */
    double *base;   /* [n_outputs] each sum starts with; NULL: zeros */
    int32_t n_sets;
    int64_t *set_starts;      /* [n_sets + 1] word index; NULL: no node is by set */
    uint32_t *set_words;      /* code c of a set is bit c % 32 of its word c / 32 */
    struct mw_scorer *scorer; /* of these trees (mw_trees_prepare), or NULL */
} mw_trees;

void *mw_trees_free(mw_trees *trees);

/* How many starts and words of sets an ensemble that grows has room for. */
typedef struct mw_sets_room {
    int64_t starts, words;
} mw_sets_room;

/* One more set, *ret: words [n_words] as in set_words, one code at least; empty ones at the end are left out. MW_ENOMEM. */
mw_status mw_trees_add_set(mw_trees *trees, mw_sets_room *room, const uint32_t *words,
                           int64_t n_words, int32_t *ret, mw_err *err);

/* Is x a code of the set? Fractions are cut off; negative, large and NaN ones are in no set. */
static inline bool mw_trees_in_set(const mw_trees *trees, int32_t set, float x) {
    const int64_t begin = trees->set_starts[set];
    const float end = (float)(32 * (trees->set_starts[set + 1] - begin));
    if (!(x >= 0 && x < end)) return false;
    const uint32_t code = (uint32_t)x;
    return trees->set_words[begin + code / 32] >> code % 32 & 1;
}

/*
 * mw_trees_check -- is this ensemble safe to score and well formed? For whoever reads one from
 * outside.
 *
 * Checks counts and limits, that roots ascend and cut the nodes into whole trees, that every node
 * but a root is the child of exactly one earlier node of its tree, that features and rows of values
 * and sets exist, that sets hold a code, and that thresholds are not NaN and values, the base's too, are
 * finite.
 *
 * Errors    MW_EDATA says which tree and node and what is wrong; MW_ENOMEM.
 */
mw_status mw_trees_check(const mw_trees *trees, mw_err *err);

/*
 * mw_trees_prepare -- makes the scorer (scorer.h) that mw_trees_score then uses. The trees must not
 * change afterwards.
 *
 * Errors    MW_ENOMEM.
 */
mw_status mw_trees_prepare(const mw_ctx *ctx, mw_trees *trees, mw_err *err);

/*
 * mw_trees_score -- out[row * n_outputs + k], float64 sums over trees. Rows are shared over
 * ctx->pool.
 *
 * Cost      trees that were not prepared get a scorer for this call, unless the rows are few.
 * Errors    MW_EINVAL when the matrix has another number of features; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_trees_score(const mw_ctx *ctx, const mw_trees *trees, mw_matrix matrix, double *out,
                         mw_err *err);

/* The slow plain walk: the oracle of every other way. */
void mw_trees_score_row(const mw_trees *trees, const float *row, double *out);
/* The row of values that one tree gives. */
int32_t mw_trees_leaf(const mw_trees *trees, int32_t tree, const float *row);

#endif
