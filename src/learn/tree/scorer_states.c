/*
 * scorer_states.c -- one row through small trees, without walking.
 *
 * Which leaves a feature rules out in all trees depends on the rank of its value only, so these masks are
 * made beforehand for every rank (QuickScorer's masks of all false nodes of a feature, already joined): a
 * row joins one list of masks for each feature, 32 trees at a time. The lists are as long as the trees
 * are many and there are as many as thresholds, hence a limit on their size.
 */
#include "learn/tree/scorer_parts.h"

enum { TREES = MW_SCORER__STATE_TREES, VECTORS = TREES / 4 };

typedef uint32_t words __attribute__((vector_size(16)));

/* ruled_out [TREES]: of the trees from `tree` on, a multiple of TREES. */
static void join(const mw_scorer__masks *masks, const int64_t *state, int32_t tree,
                 words *ruled_out) {
    words sum[VECTORS] = {{0}};
    for (int32_t i = 0; i < masks->n_ranks; i++) {
        const uint32_t *from = masks->states + state[i] * masks->state_words + tree;
        const words *add = (const words *)(const void *)from;
#pragma GCC unroll 8
        for (int k = 0; k < VECTORS; k++) sum[k] |= add[k];
    }
#pragma GCC unroll 8
    for (int k = 0; k < VECTORS; k++) ruled_out[k] = ~sum[k];
}

void mw_scorer__look_up(const mw_scorer *scorer, int32_t first, int32_t last, const float *row,
                        double *out) {
    const mw_scorer__masks *masks = scorer->masks;
    const int32_t n_outputs = scorer->trees->n_outputs;
    int64_t state[MW_SCORER__STATE_FEATURES];
    union {
        words all[VECTORS];
        uint32_t of[TREES];
    } left;
    mw_scorer__states(masks, row, state);
    for (int32_t begin = first / TREES * TREES; begin < last; begin += TREES) {
        join(masks, state, begin, left.all);
        const int32_t end = begin + TREES < last ? begin + TREES : last;
        for (int32_t t = begin < first ? first : begin; t < end; t++) {
            const int64_t leaf = masks->tree_leaves[t] + __builtin_ctz(left.of[t - begin]);
            const double *values = masks->values + leaf * n_outputs;
            for (int32_t k = 0; k < n_outputs; k++) out[k] += values[k];
        }
    }
}
