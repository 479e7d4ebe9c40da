/* score_as.c -- what a model of trees can say besides its predictions: margins, leaves, and the first rounds alone. */
#include "learn/model/learner.h"

#include "learn/tree/scorer.h"

enum { ROWS_AT_ONCE = 1024 };

/* Trees of the first rounds, or all. */
static int32_t trees_of(const mw_model *model, int32_t n_rounds) {
    const mw_trees *trees = model->learner->trees(model);
    const int64_t asked = (int64_t)n_rounds * trees->n_outputs;
    return n_rounds > 0 && asked < trees->n_trees ? (int32_t)asked : trees->n_trees;
}

static int32_t outputs_as(const mw_model *model, mw_output what, int32_t n_rounds) {
    const mw_learner *learner = model->learner;
    if (what == MW_OUTPUT_LEAVES)
        return learner->leaves && (n_rounds == 0 || learner->score_as) ? trees_of(model, n_rounds)
                                                                       : 0;
    if (what == MW_OUTPUT_MARGIN) return learner->score_as ? learner->trees(model)->n_outputs : 0;
    return n_rounds == 0 || learner->score_as ? mw_model_outputs(model) : 0;
}

mw_status mw_model_outputs_as(const mw_model *model, mw_output what, int32_t n_rounds, int32_t *ret,
                              mw_err *err) {
    const char *const names[] = {"rounds", "margins", n_rounds > 0 ? "rounds" : "leaves"};
    *ret = outputs_as(model, what, n_rounds);
    if (*ret > 0) return MW_OK;
    mw_fail(err, MW_EINVAL, "a model of the learner '%s' has no %s", model->learner->name,
            names[what]);
    return mw_err_hint(err, "gbdt has rounds, margins and leaves, forest has leaves");
}

/* The least row of values of a tree's leaves, which have as many rows, one after another. */
static int32_t first_leaf(const mw_trees *trees, int32_t tree) {
    const int64_t end = tree + 1 < trees->n_trees ? trees->roots[tree + 1] : trees->n_nodes;
    int32_t least = INT32_MAX;
    for (int64_t i = trees->roots[tree]; i < end; i++)
        if (trees->nodes[i].feature < 0 && trees->nodes[i].right < least)
            least = trees->nodes[i].right;
    return least;
}

/* The scorer tells rows of values: less the tree's first one they are numbers. */
static mw_status score_leaves(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                              int32_t n_trees, double *out, mw_err *err) {
    const mw_trees *trees = model->learner->trees(model);
    int32_t *leaves = mw_alloc_array(ctx->mem, (size_t)n_trees * ROWS_AT_ONCE, sizeof *leaves);
    int32_t *first = mw_alloc_array(ctx->mem, (size_t)n_trees, sizeof *first);
    mw_status status = leaves && first ? MW_OK : mw_fail_nomem(err, "the leaves");
    for (int32_t t = 0; t < n_trees && !status; t++) first[t] = first_leaf(trees, t);
    for (int64_t row = 0; row < matrix.n_rows && !status; row += ROWS_AT_ONCE) {
        const int64_t n = matrix.n_rows - row < ROWS_AT_ONCE ? matrix.n_rows - row : ROWS_AT_ONCE;
        const mw_matrix part = {matrix.x + row * matrix.n_features, n, matrix.n_features};
        status = mw_scorer_leaves(ctx, trees->scorer, 0, n_trees, part, leaves, err);
        for (int64_t i = 0; i < n * n_trees && !status; i++)
            out[row * n_trees + i] = leaves[i] - first[i % n_trees];
    }
    mw_free(leaves);
    mw_free(first);
    return status;
}

mw_status mw_model_score_as(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                            mw_output what, int32_t n_rounds, double *out, mw_err *err) {
    int32_t n;
    mw_status status = mw_model_outputs_as(model, what, n_rounds, &n, err);
    if (status) return status;
    if (what == MW_OUTPUT_PREDICTION && n_rounds == 0)
        return mw_model_score(ctx, model, matrix, out, err);
    if (what == MW_OUTPUT_LEAVES)
        return score_leaves(ctx, model, matrix, trees_of(model, n_rounds), out, err);
    return model->learner->score_as(ctx, model, matrix, what, n_rounds, out, err);
}
