/*
 * trees.c -- the plain walk, and who scores many rows: the ensemble's own scorer, or one for the occasion.
 */
#include "learn/tree/trees.h"

#include "learn/tree/scorer.h"

enum { STEPS_PER_ROW = 16 }; /* a guess of a walk's length, to weigh walking against a new scorer */

void *mw_trees_free(mw_trees *trees) {
    if (!trees) return NULL;
    mw_scorer_free(trees->scorer);
    mw_free(trees->roots);
    mw_free(trees->nodes);
    mw_free(trees->values);
    mw_free(trees->base);
    mw_free(trees->set_starts);
    mw_free(trees->set_words);
    return mw_free(trees);
}

static const mw_node *walk(const mw_trees *trees, int64_t root, const float *row) {
    const mw_node *node = &trees->nodes[root];
    while (node->left >= 0) {
        float x = row[node->feature];
        bool left = __builtin_isnan(x) ? node->missing_left
                    : node->by_set     ? mw_trees_in_set(trees, node->set, x)
                                       : x <= node->threshold;
        node = &trees->nodes[left ? node->left : node->right];
    }
    return node;
}

static void add_leaf(const mw_trees *trees, const mw_node *leaf, double *out) {
    const float *values = trees->values + (int64_t)leaf->right * trees->n_outputs;
    for (int32_t k = 0; k < trees->n_outputs; k++) out[k] += (double)values[k];
}

void mw_trees_score_row(const mw_trees *trees, const float *row, double *out) {
    for (int32_t k = 0; k < trees->n_outputs; k++) out[k] = trees->base ? trees->base[k] : 0;
    for (int32_t t = 0; t < trees->n_trees; t++)
        add_leaf(trees, walk(trees, trees->roots[t], row), out);
}

int32_t mw_trees_leaf(const mw_trees *trees, int32_t tree, const float *row) {
    return walk(trees, trees->roots[tree], row)->right;
}

mw_status mw_trees_prepare(const mw_ctx *ctx, mw_trees *trees, mw_err *err) {
    mw_scorer *scorer = NULL;
    mw_status status = mw_scorer_new(ctx, trees, &scorer, err);
    if (status) return status;
    mw_scorer_free(trees->scorer);
    trees->scorer = scorer;
    return MW_OK;
}

static mw_status score_plainly(const mw_ctx *ctx, const mw_trees *trees, mw_matrix matrix,
                               double *out, mw_err *err) {
    for (int64_t row = 0; row < matrix.n_rows; row++) {
        mw_status status = mw_ctx_check(ctx, err);
        if (status) return status;
        mw_trees_score_row(trees, matrix.x + row * matrix.n_features, out + row * trees->n_outputs);
    }
    return MW_OK;
}

mw_status mw_trees_score(const mw_ctx *ctx, const mw_trees *trees, mw_matrix matrix, double *out,
                         mw_err *err) {
    if (trees->scorer)
        return mw_scorer_score(ctx, trees->scorer, 0, trees->n_trees, matrix, out, err);
    const double n_steps = (double)matrix.n_rows * (double)trees->n_trees * STEPS_PER_ROW;
    if (matrix.n_features == trees->n_features && n_steps < 4 * (double)trees->n_nodes)
        return score_plainly(ctx, trees, matrix, out, err);
    mw_scorer *scorer = NULL;
    mw_status status = mw_scorer_new(ctx, trees, &scorer, err);
    if (!status) status = mw_scorer_score(ctx, scorer, 0, trees->n_trees, matrix, out, err);
    mw_scorer_free(scorer);
    return status;
}
