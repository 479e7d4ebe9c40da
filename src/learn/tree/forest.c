/*
 * forest.c -- bagged trees (Breiman: "Random forests", Machine Learning 45, 2001): options, one
 * tree per item of the thread pool, and the trees put together in their order.
 *
 * The semantics are scikit-learn's RandomForestRegressor and RandomForestClassifier; see
 * forest_split.c and forest_grow.c for the two halves of growing, and forest_bins*.c for those on bins.
 */
#include "learn/tree/forest.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "learn/tree/forest_bins.h"

/* One of the two has its buffers, once the thread has its first tree. */
typedef struct worker {
    bool ready;
    mw_forest__worker exact;
    mw_forest__bin_worker on_bins;
} worker;

typedef struct fitting {
    const mw_ctx *ctx;
    const mw_forest__data *data;
    worker *workers;        /* [mw_pool_threads] */
    mw_forest__tree *trees; /* [n_estimators] */
    int32_t n_trees;
    _Atomic int64_t n_done;
    _Atomic int64_t n_nodes;
} fitting;

void mw_forest_defaults(mw_forest_options *options) {
    *options = (mw_forest_options){.n_estimators = 100,
                                   .max_depth = 0,
                                   .min_samples_split = 2,
                                   .min_samples_leaf = 1,
                                   .max_features = 1.0,
                                   .bootstrap = true,
                                   .n_classes = 0,
                                   .max_bin = 0,
                                   .random_thresholds = false,
                                   .class_weight = MW_CLASS_WEIGHT_NONE,
                                   .by_code = NULL};
}

static mw_status check_options(const mw_forest_options *options, mw_err *err) {
    const struct {
        const char *name;
        int64_t value, least, most;
    } rules[] = {
        {"n_estimators", options->n_estimators, 1, MW_LIMIT(MODEL_TREES)},
        {"max_depth", options->max_depth, 0, INT32_MAX},
        {"min_samples_split", options->min_samples_split, 2, INT32_MAX},
        {"min_samples_leaf", options->min_samples_leaf, 1, INT32_MAX},
        {"max_bin", options->max_bin == 0 ? 2 : options->max_bin, 2, MW_BINS_MOST},
        {"n_classes", options->n_classes == 0 ? 2 : options->n_classes, 2, MW_LIMIT(CATEGORIES)},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].value >= rules[i].least && rules[i].value <= rules[i].most) continue;
        mw_fail(err, MW_EINVAL, "%s is %lld, not between %lld and %lld", rules[i].name,
                (long long)rules[i].value, (long long)rules[i].least, (long long)rules[i].most);
        return mw_err_at(err, "%s", rules[i].name);
    }
    if (!(options->max_features > 0 && options->max_features <= 1)) {
        mw_fail(err, MW_EINVAL, "max_features is %g, not above 0 and at most 1",
                options->max_features);
        return mw_err_at(err, "max_features");
    }
    const bool weighted = options->class_weight != MW_CLASS_WEIGHT_NONE;
    if (weighted && options->n_classes == 0) {
        mw_fail(err, MW_EINVAL, "class weights are for classes, and the target is a number");
        return mw_err_at(err, "class_weight");
    }
    if ((options->random_thresholds || weighted) && options->max_bin == 0) {
        mw_fail(err, MW_EINVAL, "%s need bins, which an exact forest has not",
                weighted ? "class weights" : "random thresholds");
        return mw_err_at(err, "exact");
    }
    return MW_OK;
}

static mw_status fail_too_many_nodes(mw_err *err) {
    mw_fail(err, MW_ETOOLARGE, "the forest has more than %lld nodes",
            (long long)MW_LIMIT(MODEL_NODES));
    return mw_err_hint(err, "raise min_samples_leaf, set max_depth or grow fewer trees");
}

static mw_status worker_init(const fitting *fit, worker *w, mw_err *err) {
    w->ready = true;
    return fit->data->bins ? mw_forest__bin_worker_init(fit->ctx, fit->data, &w->on_bins, err)
                           : mw_forest__worker_init(fit->ctx, fit->data, &w->exact, err);
}

static void worker_done(worker *w) {
    mw_forest__worker_done(&w->exact);
    mw_forest__bin_worker_done(&w->on_bins);
}

/* Grows tree number t into its place. */
static mw_status grow_tree(fitting *fit, worker *w, int32_t t, mw_err *err) {
    const bool on_bins = fit->data->bins != NULL;
    mw_forest__tree *tree = on_bins ? &w->on_bins.tree : &w->exact.tree;
    *tree = (mw_forest__tree){0};
    mw_status status = on_bins ? mw_forest__bin_tree_grow(&w->on_bins, t, err)
                               : mw_forest__tree_grow(&w->exact, t, err);
    if (status != MW_OK) return status;
    fit->trees[t] = *tree;
    *tree = (mw_forest__tree){0};
    return MW_OK;
}

static mw_status grow_range(void *arg, int64_t begin, int64_t end, int worker_index, mw_err *err) {
    fitting *fit = arg;
    worker *w = &fit->workers[worker_index];
    mw_status status = w->ready ? MW_OK : worker_init(fit, w, err);
    if (status != MW_OK) return status;
    for (int64_t t = begin; t < end; t++) {
        status = grow_tree(fit, w, (int32_t)t, err);
        if (status != MW_OK) return status;
        int64_t n_nodes = atomic_fetch_add(&fit->n_nodes, fit->trees[t].n_nodes);
        if (n_nodes + fit->trees[t].n_nodes > MW_LIMIT(MODEL_NODES))
            return fail_too_many_nodes(err);
        int64_t n_done = atomic_fetch_add(&fit->n_done, 1) + 1;
        if (worker_index == 0) /* one thread at a time may report */
            mw_ctx_report(fit->ctx, "growing trees", (double)n_done, (double)fit->n_trees);
    }
    return MW_OK;
}

/* Moves one tree's nodes to their place, its indices shifted by where they now start. */
static void append_tree(mw_trees *trees, int32_t index, const mw_forest__tree *tree) {
    const int32_t n_sets = trees->n_sets;
    trees->roots[index] = trees->n_nodes;
    for (int64_t i = 0; i < tree->n_nodes; i++) {
        mw_node node = tree->nodes[i];
        node.right += (int32_t)(node.left < 0 ? trees->n_leaves : trees->n_nodes);
        if (node.left >= 0) node.left += (int32_t)trees->n_nodes;
        if (node.by_set) node.set += n_sets;
        trees->nodes[trees->n_nodes + i] = node;
    }
    memcpy(trees->values + trees->n_leaves * trees->n_outputs, tree->values,
           (size_t)(tree->n_leaves * trees->n_outputs) * sizeof *tree->values);
    trees->n_nodes += tree->n_nodes;
    trees->n_leaves += tree->n_leaves;
}

static mw_status append_sets(mw_trees *trees, const mw_trees *from, mw_sets_room *room,
                             mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t set = 0, ignored; set < from->n_sets && status == MW_OK; set++) {
        const int64_t begin = from->set_starts[set], end = from->set_starts[set + 1];
        status = mw_trees_add_set(trees, room, from->set_words + begin, end - begin, &ignored, err);
    }
    return status;
}

static mw_status join(const fitting *fit, int32_t n_features, int32_t n_outputs, mw_trees **ret,
                      mw_err *err) {
    int64_t n_nodes = 0, n_leaves = 0;
    for (int32_t t = 0; t < fit->n_trees; t++) {
        n_nodes += fit->trees[t].n_nodes;
        n_leaves += fit->trees[t].n_leaves;
    }
    mw_mem *mem = fit->ctx->mem;
    mw_status status = MW_OK;
    mw_trees *trees = mw_calloc(mem, 1, sizeof *trees);
    if (!trees) return mw_fail_nomem(err, "the forest");
    *trees = (mw_trees){
        .mem = mem, .n_features = n_features, .n_outputs = n_outputs, .n_trees = fit->n_trees};
    trees->roots = mw_alloc_array(mem, (size_t)fit->n_trees, sizeof *trees->roots);
    trees->nodes = mw_alloc_array(mem, (size_t)n_nodes, sizeof *trees->nodes);
    trees->values =
        mw_alloc_array(mem, (size_t)n_leaves, (size_t)n_outputs * sizeof *trees->values);
    if (!trees->roots || !trees->nodes || !trees->values) {
        mw_trees_free(trees);
        return mw_fail_nomem(err, "the forest");
    }
    mw_sets_room room = {0};
    for (int32_t t = 0; t < fit->n_trees && status == MW_OK; t++) {
        append_tree(trees, t, &fit->trees[t]);
        status = append_sets(trees, &fit->trees[t].sets, &room, err);
    }
    if (status != MW_OK) {
        mw_trees_free(trees);
        return status;
    }
    *ret = trees;
    return MW_OK;
}

static mw_status grow_all(const mw_ctx *ctx, const mw_forest__data *data, mw_trees **ret,
                          mw_err *err) {
    const int n_threads = mw_pool_threads(ctx->pool);
    const int32_t n_trees = data->options.n_estimators;
    fitting fit = {.ctx = ctx, .data = data, .n_trees = n_trees};
    mw_status status = MW_OK;
    fit.workers = mw_calloc(ctx->mem, (size_t)n_threads, sizeof *fit.workers);
    fit.trees = mw_calloc(ctx->mem, (size_t)n_trees, sizeof *fit.trees);
    if (!fit.workers || !fit.trees) status = mw_fail_nomem(err, "growing trees");
    if (status == MW_OK) status = mw_pool_for(ctx, n_trees, 1, grow_range, &fit, err);
    if (status == MW_OK) mw_ctx_report(ctx, "growing trees", n_trees, n_trees);
    if (status == MW_OK)
        status = join(&fit, data->n_features,
                      data->options.n_classes > 0 ? data->options.n_classes : 1, ret, err);
    for (int i = 0; fit.workers && i < n_threads; i++) worker_done(&fit.workers[i]);
    for (int32_t t = 0; fit.trees && t < n_trees; t++) mw_forest__tree_done(&fit.trees[t]);
    mw_free(fit.workers);
    mw_free(fit.trees);
    return status;
}

mw_status mw_forest_fit(const mw_ctx *ctx, const mw_forest_options *options, mw_matrix matrix,
                        const double *y, mw_trees **ret, mw_err *err) {
    mw_status status = check_options(options, err);
    if (status == MW_OK) status = mw_matrix_check(ctx, matrix, err);
    if (status == MW_OK) status = mw_target_check(y, matrix.n_rows, options->n_classes, NULL, err);
    if (status != MW_OK) return status;
    mw_forest__data data;
    status = mw_forest__data_init(ctx, options, matrix, y, &data, err);
    if (status != MW_OK) return status;
    status = grow_all(ctx, &data, ret, err);
    mw_forest__data_done(&data);
    return status;
}

void mw_trees_gain_importance(const mw_trees *trees, double *importance) {
    for (int32_t f = 0; f < trees->n_features; f++) importance[f] = 0;
    for (int32_t t = 0; t < trees->n_trees; t++) {
        const int64_t begin = trees->roots[t];
        const int64_t end = t + 1 < trees->n_trees ? trees->roots[t + 1] : trees->n_nodes;
        double total = 0;
        for (int64_t i = begin; i < end; i++) total += (double)trees->nodes[i].gain;
        if (total <= 0) continue;
        for (int64_t i = begin; i < end; i++) {
            const mw_node *node = &trees->nodes[i];
            if (node->left >= 0) importance[node->feature] += (double)node->gain / total;
        }
    }
    double total = 0;
    for (int32_t f = 0; f < trees->n_features; f++) total += importance[f];
    for (int32_t f = 0; total > 0 && f < trees->n_features; f++) importance[f] /= total;
}
