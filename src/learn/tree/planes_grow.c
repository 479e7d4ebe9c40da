/*
 * planes_grow.c -- growing extended isolation trees.
 *
 * Hariri, Carrasco Kind and Brunner draw a normal vector and a point of the node's bounding box; here, as in
 * SCiForest (Liu, Ting, Zhou, ECML PKDD 2010) and isotree (Cortes, 2019-), the features are brought to the node's own
 * scale first and the threshold is drawn between the least and the largest projection: both sides get a row, and a
 * change of units changes nothing.
 *
 * A worker grows a tree in room for the largest there can be, and copies it out; trees are joined in order.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/isolation_parts.h"
#include "learn/tree/planes.h"

/* "plan" in ASCII above the tree's number: no other user of the seed has these streams. */
#define PLANES_STREAM (UINT64_C(0x706c616e) << 32)

typedef struct growing {
    const mw_ctx *ctx;
    mw_matrix matrix;
    mw_isolation_plan plan;
    int32_t n_trees, ndim;
    mw_planes **trees; /* [n_trees] */
    _Atomic int64_t n_done;
} growing;

typedef struct job {
    uint32_t begin, end; /* range of the sample */
    int32_t depth;
    int64_t node;
} job;

/* One worker's tree being grown. */
typedef struct tree {
    const growing *g;
    mw_rng rng;
    uint32_t *sample;   /* [n_sample] row numbers by node */
    uint32_t *features; /* [n_features] permutation to draw from */
    float *column;      /* [n_sample] a feature's values in the node */
    double *sums;       /* [n_sample] the rows' projections in the node */
    mw_planes *room;    /* what is grown; counts say how much of it is used */
} tree;

/* Mean and standard deviation of the values that are there; false when no two of them differ. */
static bool measure(const float *column, uint32_t n, double *ret_mean, double *ret_spread) {
    double sum = 0, squares = 0;
    uint32_t n_there = 0;
    float low = __builtin_inff(), high = -__builtin_inff();
    for (uint32_t i = 0; i < n; i++) {
        if (__builtin_isnan(column[i])) continue;
        n_there++;
        sum += (double)column[i];
        low = column[i] < low ? column[i] : low;
        high = column[i] > high ? column[i] : high;
    }
    if (!(low < high)) return false;
    const double mean = sum / n_there;
    for (uint32_t i = 0; i < n; i++) {
        const double off = __builtin_isnan(column[i]) ? 0 : (double)column[i] - mean;
        squares += off * off;
    }
    *ret_mean = mean;
    *ret_spread = mw_sqrt(squares / n_there);
    return true;
}

static void gather(tree *t, const job *j, uint32_t feature) {
    const float *x = t->g->matrix.x + feature;
    const int64_t width = t->g->matrix.n_features;
    for (uint32_t i = j->begin; i < j->end; i++)
        t->column[i - j->begin] = x[(int64_t)t->sample[i] * width];
}

/* The same sum in the same order as scoring makes. */
static void project(tree *t, uint32_t n, const mw_plane_term *term, bool first) {
    for (uint32_t i = 0; i < n; i++) {
        const float x = t->column[i];
        const double value = term->weight * (__builtin_isnan(x) ? term->fill : (double)x);
        t->sums[i] = first ? value : t->sums[i] + value;
    }
}

static bool range_of(const double *sums, uint32_t n, double *ret_low, double *ret_high) {
    double low = sums[0], high = sums[0];
    for (uint32_t i = 1; i < n; i++) {
        low = sums[i] < low ? sums[i] : low;
        high = sums[i] > high ? sums[i] : high;
    }
    *ret_low = low;
    *ret_high = high;
    return low < high;
}

/* Fills terms and t->sums; the number of terms, 0 when every feature is constant. */
static int32_t draw_terms(tree *t, const job *j, mw_plane_term *terms) {
    const uint32_t n = j->end - j->begin, n_features = t->g->plan.n_tree_features;
    int32_t n_terms = 0;
    for (uint32_t n_seen = 0; n_seen < n_features && n_terms < t->g->ndim; n_seen++) {
        const uint32_t feature = mw_isolation__draw(&t->rng, t->features, n_seen, n_features);
        double mean = 0, spread = 0;
        gather(t, j, feature);
        if (!measure(t->column, n, &mean, &spread)) continue;
        double weight = mw_rng_normal(&t->rng);
        if (weight == 0) weight = 1;
        terms[n_terms] = (mw_plane_term){weight / spread, mean, (int32_t)feature};
        project(t, n, &terms[n_terms], n_terms == 0);
        n_terms++;
    }
    return n_terms;
}

/* In [low, high): both sides get a row whatever the rounding. Terms that cancel each other leave the first one,
 * whose projections differ because its values do. */
static double draw_threshold(tree *t, const job *j, const mw_plane_term *terms, int32_t *n_terms) {
    const uint32_t n = j->end - j->begin;
    double low = 0, high = 0;
    if (!range_of(t->sums, n, &low, &high)) {
        *n_terms = 1;
        gather(t, j, (uint32_t)terms[0].feature);
        project(t, n, &terms[0], true);
        (void)range_of(t->sums, n, &low, &high);
    }
    const double drawn = low + mw_rng_uniform(&t->rng) * (high - low);
    return drawn >= low && drawn < high ? drawn : low;
}

static uint32_t partition(tree *t, const job *j, double threshold) {
    uint32_t middle = j->begin;
    for (uint32_t i = j->begin; i < j->end; i++) {
        if (!(t->sums[i - j->begin] <= threshold)) continue;
        const uint32_t row = t->sample[i];
        t->sample[i] = t->sample[middle];
        t->sample[middle++] = row;
    }
    return middle;
}

static mw_status grow(tree *t, mw_err *err) {
    mw_planes *room = t->room;
    job stack[MW_ISOLATION_DEPTH_MAX + 1] = {{0, t->g->plan.n_sample, 0, 0}};
    int size = 1;
    room->n_nodes = 1;
    room->n_splits = 0;
    room->depths[0] = 0;
    while (size > 0) {
        const job j = stack[--size];
        const uint32_t n = j.end - j.begin;
        mw_status status = mw_ctx_check(t->g->ctx, err);
        if (status != MW_OK) return status;
        mw_plane_term *terms = room->terms + room->n_splits * room->ndim;
        int32_t n_terms = 0;
        if (n > 1 && j.depth < t->g->plan.max_depth) n_terms = draw_terms(t, &j, terms);
        if (n_terms == 0) {
            if (j.depth > room->depths[0]) room->depths[0] = j.depth;
            mw_planes_set_leaf(room, j.node, j.depth, n);
            continue;
        }
        const double threshold = draw_threshold(t, &j, terms, &n_terms);
        const uint32_t middle = partition(t, &j, threshold);
        const int64_t left = room->n_nodes;
        mw_planes_set_split(room, j.node, room->n_splits++, n_terms, threshold, left, n);
        room->n_nodes += 2;
        stack[size++] = (job){middle, j.end, j.depth + 1, left + 1};
        stack[size++] = (job){j.begin, middle, j.depth + 1, left};
    }
    return MW_OK;
}

/* Copies all of `from` behind what is in `to`. */
static void append(mw_planes *to, int32_t *n_trees, const mw_planes *from) {
    const int64_t node = to->n_nodes, split = to->n_splits;
    const size_t n = (size_t)from->n_nodes, n_splits = (size_t)from->n_splits;
    for (int64_t i = 0; i < from->n_nodes; i++) {
        to->nodes[node + i] = from->nodes[i];
        to->nodes[node + i].left += (int32_t)node;
        to->nodes[node + i].split += (int32_t)split;
    }
    memcpy(to->covers + node, from->covers, n * sizeof *to->covers);
    memcpy(to->lengths + node, from->lengths, n * sizeof *to->lengths);
    memcpy(to->n_terms + split, from->n_terms, n_splits * sizeof *to->n_terms);
    memcpy(to->terms + split * to->ndim, from->terms,
           n_splits * (size_t)to->ndim * sizeof *to->terms);
    to->roots[*n_trees] = node;
    to->depths[(*n_trees)++] = from->depths[0];
    to->n_nodes += from->n_nodes;
    to->n_splits += from->n_splits;
}

static mw_status copy_out(const growing *g, const mw_planes *room, mw_planes **ret, mw_err *err) {
    int32_t n_trees = 0;
    mw_status status = mw_planes_new(g->ctx->mem, room->n_features, room->ndim, 1, room->n_nodes,
                                     room->n_splits, ret, err);
    if (status != MW_OK) return status;
    (*ret)->n_nodes = (*ret)->n_splits = 0;
    append(*ret, &n_trees, room);
    return MW_OK;
}

static void tree_done(tree *t) {
    mw_free(t->sample);
    mw_free(t->features);
    mw_free(t->column);
    mw_free(t->sums);
    mw_planes_free(t->room);
}

static mw_status tree_init(tree *t, const growing *g, mw_err *err) {
    const size_t n = g->plan.n_sample;
    *t = (tree){.g = g};
    t->sample = mw_alloc_array(g->ctx->mem, n, sizeof *t->sample);
    t->features = mw_alloc_array(g->ctx->mem, g->plan.n_features, sizeof *t->features);
    t->column = mw_alloc_array(g->ctx->mem, n, sizeof *t->column);
    t->sums = mw_alloc_array(g->ctx->mem, n, sizeof *t->sums);
    if (!t->sample || !t->features || !t->column || !t->sums)
        return mw_fail_nomem(err, "growing isolation trees");
    return mw_planes_new(g->ctx->mem, g->matrix.n_features, g->ndim, 1, 2 * (int64_t)n - 1,
                         (int64_t)n - 1, &t->room, err);
}

static mw_status grow_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    growing *g = arg;
    tree t;
    mw_status status = tree_init(&t, g, err);
    for (int64_t k = begin; k < end && status == MW_OK; k++) {
        mw_rng_init(&t.rng, g->ctx->seed, PLANES_STREAM | (uint64_t)k, 0);
        mw_isolation__sample(&g->plan, &t.rng, t.sample);
        mw_isolation__features(&g->plan, &t.rng, t.features);
        status = grow(&t, err);
        if (status == MW_OK) status = copy_out(g, t.room, &g->trees[k], err);
        int64_t n_done = atomic_fetch_add(&g->n_done, 1) + 1;
        if (worker == 0) /* one thread at a time may report */
            mw_ctx_report(g->ctx, "growing isolation trees", (double)n_done, (double)g->n_trees);
    }
    tree_done(&t);
    return status;
}

static mw_status join(const growing *g, mw_planes **ret, mw_err *err) {
    int64_t n_nodes = 0, n_splits = 0;
    int32_t n_trees = 0;
    for (int32_t k = 0; k < g->n_trees; k++) {
        n_nodes += g->trees[k]->n_nodes;
        n_splits += g->trees[k]->n_splits;
    }
    mw_planes *all = NULL;
    mw_status status = mw_planes_new(g->ctx->mem, g->matrix.n_features, g->ndim, g->n_trees,
                                     n_nodes, n_splits, &all, err);
    if (status != MW_OK) return status;
    all->n_nodes = all->n_splits = 0;
    all->n_sample = g->plan.n_sample;
    for (int32_t k = 0; k < g->n_trees; k++) {
        append(all, &n_trees, g->trees[k]);
        g->trees[k] = mw_planes_free(g->trees[k]);
    }
    mw_ctx_report(g->ctx, "growing isolation trees", g->n_trees, g->n_trees);
    *ret = all;
    return MW_OK;
}

static mw_status check_ndim(growing *g, int32_t ndim, mw_err *err) {
    if (ndim < 1) {
        mw_fail(err, MW_EINVAL, "ndim is %d, not at least 1", (int)ndim);
        return mw_err_at(err, "ndim");
    }
    const uint32_t most = g->plan.n_tree_features;
    g->ndim = (uint32_t)ndim < most ? ndim : (int32_t)most;
    const double n_terms = (double)g->n_trees * ((double)g->plan.n_sample - 1) * g->ndim;
    if (n_terms <= (double)MW_LIMIT(MODEL_NODES)) return MW_OK;
    mw_fail(err, MW_ETOOLARGE, "%d trees of %u rows may have more than %lld terms of hyperplanes",
            (int)g->n_trees, (unsigned)g->plan.n_sample, (long long)MW_LIMIT(MODEL_NODES));
    return mw_err_hint(err, "lower ndim, max_samples or n_estimators");
}

mw_status mw_planes_fit(const mw_ctx *ctx, const mw_isolation_options *options, int32_t ndim,
                        mw_matrix matrix, mw_planes **ret, mw_err *err) {
    growing g = {.ctx = ctx, .matrix = matrix, .n_trees = options->n_estimators};
    mw_status status = mw_isolation__plan(ctx, options, matrix, &g.plan, err);
    if (status == MW_OK) status = check_ndim(&g, ndim, err);
    if (status != MW_OK) return status;
    g.trees = mw_calloc(ctx->mem, (size_t)g.n_trees, sizeof(mw_planes *));
    if (!g.trees) return mw_fail_nomem(err, "the isolation forest");
    status = mw_pool_for(ctx, g.n_trees, 1, grow_range, &g, err);
    if (status == MW_OK) status = join(&g, ret, err);
    for (int32_t k = 0; k < g.n_trees; k++) mw_planes_free(g.trees[k]);
    mw_free(g.trees);
    return status;
}
