/*
 * planes.c -- scoring an extended isolation forest (see planes.h).
 *
 * A row walks each tree for as many steps as its deepest leaf has: a leaf's threshold is infinite and its left child
 * the leaf itself, so a step has no branch and no end to look for. The depth limit makes most leaves lie there
 * anyway. LANES rows walk side by side, which hides the latency of one; a block of rows takes one tree after the
 * other, so that tree and rows stay in the first cache.
 */
#include "learn/tree/planes.h"

#include "core/base/math.h"
#include "core/base/threads.h"

enum { LANES = 8, BLOCK = 64, GRAIN = 256 };

mw_status mw_planes_new(mw_mem *mem, int32_t n_features, int32_t ndim, int32_t n_trees,
                        int64_t n_nodes, int64_t n_splits, mw_planes **ret, mw_err *err) {
    mw_planes *p = mw_calloc(mem, 1, sizeof *p);
    if (!p) return mw_fail_nomem(err, "the isolation forest");
    *p = (mw_planes){.mem = mem,
                     .n_features = n_features,
                     .ndim = ndim,
                     .n_trees = n_trees,
                     .n_nodes = n_nodes,
                     .n_splits = n_splits};
    /* One split more: the row of terms that leaves point to exists when nothing was split. */
    const size_t nodes = (size_t)n_nodes, splits = (size_t)n_splits + 1;
    p->roots = mw_calloc(mem, (size_t)n_trees, sizeof *p->roots);
    p->depths = mw_calloc(mem, (size_t)n_trees, sizeof *p->depths);
    p->nodes = mw_calloc(mem, nodes, sizeof *p->nodes);
    p->covers = mw_calloc(mem, nodes, sizeof *p->covers);
    p->lengths = mw_calloc(mem, nodes, sizeof *p->lengths);
    p->n_terms = mw_calloc(mem, splits, sizeof *p->n_terms);
    p->terms = mw_calloc(mem, splits * (size_t)ndim, sizeof *p->terms);
    if (!p->roots || !p->depths || !p->nodes || !p->covers || !p->lengths || !p->n_terms ||
        !p->terms) {
        mw_planes_free(p);
        return mw_fail_nomem(err, "the isolation forest");
    }
    *ret = p;
    return MW_OK;
}

void *mw_planes_free(mw_planes *planes) {
    if (!planes) return NULL;
    mw_free(planes->roots);
    mw_free(planes->depths);
    mw_free(planes->nodes);
    mw_free(planes->covers);
    mw_free(planes->lengths);
    mw_free(planes->n_terms);
    mw_free(planes->terms);
    return mw_free(planes);
}

void mw_planes_set_leaf(mw_planes *planes, int64_t node, int32_t depth, uint32_t n) {
    planes->nodes[node] = (mw_plane_node){.threshold = MW_INFINITY, .left = (int32_t)node};
    planes->covers[node] = n;
    planes->lengths[node] = (double)depth + mw_isolation_c(n);
}

/* The terms behind the last repeat the first one's feature, so that a row's value there is one it has anyway. */
void mw_planes_set_split(mw_planes *planes, int64_t node, int64_t split, int32_t n_terms,
                         double threshold, int64_t left, uint32_t n) {
    mw_plane_term *terms = planes->terms + split * planes->ndim;
    for (int32_t k = n_terms; k < planes->ndim; k++)
        terms[k] = (mw_plane_term){.feature = terms[0].feature};
    planes->n_terms[split] = n_terms;
    planes->covers[node] = n;
    planes->nodes[node] = (mw_plane_node){threshold, (int32_t)left, (int32_t)split};
}

static inline double term_value(const mw_plane_term *term, const float *row) {
    const float x = row[term->feature];
    return term->weight * (__builtin_isnan(x) ? term->fill : (double)x);
}

/* ends [LANES]: the leaf that each row reaches in the tree. ndim is a constant where this is inlined. */
static inline __attribute__((always_inline)) void walk(const mw_planes *p, int32_t tree,
                                                       int32_t ndim, const float *const rows[LANES],
                                                       int32_t ends[LANES]) {
    int32_t at[LANES];
    for (int i = 0; i < LANES; i++) at[i] = (int32_t)p->roots[tree];
    for (int32_t depth = p->depths[tree]; depth > 0; depth--)
        for (int i = 0; i < LANES; i++) {
            const mw_plane_node *node = &p->nodes[at[i]];
            const mw_plane_term *terms = p->terms + (int64_t)node->split * ndim;
            double sum = term_value(&terms[0], rows[i]);
            for (int32_t k = 1; k < ndim; k++) sum += term_value(&terms[k], rows[i]);
            at[i] = node->left + (sum > node->threshold);
        }
    for (int i = 0; i < LANES; i++) ends[i] = at[i];
}

static void walk_all(const mw_planes *p, mw_matrix rows, double *sums) {
    for (int32_t tree = 0; tree < p->n_trees; tree++)
        for (int64_t row = 0; row < rows.n_rows; row += LANES) {
            const float *x[LANES];
            int32_t ends[LANES];
            for (int64_t i = 0; i < LANES; i++) { /* the last rows are filled up with the last */
                int64_t at = row + i < rows.n_rows ? row + i : rows.n_rows - 1;
                x[i] = rows.x + at * rows.n_features;
            }
            switch (p->ndim) {
            case 2: walk(p, tree, 2, x, ends); break;
            case 3: walk(p, tree, 3, x, ends); break;
            default: walk(p, tree, p->ndim, x, ends); break;
            }
            for (int64_t i = 0; i < LANES && row + i < rows.n_rows; i++)
                sums[row + i] += p->lengths[ends[i]];
        }
}

double mw_planes_score_of(const mw_planes *planes, double length) {
    const double c = mw_isolation_c(planes->n_sample);
    return c > 0 ? mw_exp2(-length / c) : 0.5;
}

typedef struct scoring {
    const mw_planes *planes;
    mw_matrix matrix;
    double *scores;
} scoring;

static mw_status score_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const scoring *s = arg;
    (void)worker;
    (void)err;
    for (int64_t row = begin; row < end; row += BLOCK) {
        double sums[BLOCK] = {0};
        const int64_t n = end - row < BLOCK ? end - row : BLOCK;
        const int32_t width = s->matrix.n_features;
        walk_all(s->planes, (mw_matrix){s->matrix.x + row * width, n, width}, sums);
        for (int64_t i = 0; i < n; i++)
            s->scores[row + i] = mw_planes_score_of(s->planes, sums[i] / s->planes->n_trees);
    }
    return MW_OK;
}

mw_status mw_planes_score(const mw_ctx *ctx, const mw_planes *planes, mw_matrix matrix,
                          double *scores, mw_err *err) {
    if (matrix.n_features != planes->n_features)
        return mw_fail(err, MW_EINVAL, "rows have %d features, the model takes %d",
                       (int)matrix.n_features, (int)planes->n_features);
    scoring s = {planes, matrix, scores};
    return mw_pool_for(ctx, matrix.n_rows, GRAIN, score_range, &s, err);
}

double mw_planes_length(const mw_planes *planes, const float *row) {
    double sum = 0;
    for (int32_t tree = 0; tree < planes->n_trees; tree++) {
        int64_t at = planes->roots[tree];
        while (planes->nodes[at].left != at) {
            const mw_plane_node *node = &planes->nodes[at];
            const mw_plane_term *terms = planes->terms + (int64_t)node->split * planes->ndim;
            double value = 0;
            for (int32_t k = 0; k < planes->n_terms[node->split]; k++)
                value += term_value(&terms[k], row);
            at = value <= node->threshold ? node->left : node->left + 1;
        }
        sum += planes->lengths[at];
    }
    return sum / planes->n_trees;
}

void mw_planes_importance(const mw_planes *planes, double *importance) {
    double total = 0;
    for (int32_t f = 0; f < planes->n_features; f++) importance[f] = 0;
    for (int64_t i = 0; i < planes->n_nodes; i++) {
        const mw_plane_node *node = &planes->nodes[i];
        if (node->left == i) continue;
        const int32_t n = planes->n_terms[node->split];
        const mw_plane_term *terms = planes->terms + (int64_t)node->split * planes->ndim;
        for (int32_t k = 0; k < n; k++)
            importance[terms[k].feature] += (double)planes->covers[i] / n;
        total += (double)planes->covers[i];
    }
    for (int32_t f = 0; total > 0 && f < planes->n_features; f++) importance[f] /= total;
}
