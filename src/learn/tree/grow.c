/*
 * grow.c -- the order of splits: which leaf is next, and which are split ahead of their turn.
 *
 * The leaf of the greatest gain is split first (Shi, "Best-first decision tree learning", 2007); its children depend on
 * nothing but itself. So while one leaf is due, small ones behind it are split by other threads at the same time, and
 * only when their own turn comes do their children get numbers: the tree is the one that one thread grows. A large leaf
 * is split by all threads together.
 */
#include "learn/tree/grow.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/grow_parts.h"

enum { AHEAD_MOST = 16, FIRST_NODES = 64 };

mw_status mw_grower_new(const mw_ctx *ctx, const mw_bins *bins, const mw_binned *binned,
                        const mw_grow_options *options, mw_grower **ret, mw_err *err) {
    mw_grower *g = mw_calloc(ctx->mem, 1, sizeof *g);
    if (!g) return mw_fail_nomem(err, "growing a tree");
    g->mem = ctx->mem;
    g->bins = bins;
    g->binned = binned;
    g->options = *options;
    g->n_threads = mw_pool_threads(ctx->pool);
    const size_t n_rows = (size_t)binned->n_rows, n_threads = (size_t)g->n_threads;
    const size_t cells = 2 * n_threads * (size_t)bins->n_columns;
    const size_t most = options->histogram_bytes / (bins->n_slots * sizeof(mw_slot) + 1);
    g->histograms_most = most < 4 ? 4 : most < INT32_MAX ? (int32_t)most : INT32_MAX;
    for (int i = 0; i < 2; i++) g->rows[i] = mw_alloc_aligned(g->mem, n_rows * sizeof *g->rows[i]);
    g->sides = mw_alloc_array(g->mem, n_rows / 64 + 1, sizeof *g->sides);
    g->scratch = mw_calloc(g->mem, n_threads, sizeof *g->scratch);
    g->words = mw_calloc(g->mem, n_threads, sizeof *g->words);
    g->found = mw_alloc_array(g->mem, cells, sizeof *g->found);
    g->drawn = mw_alloc(g->mem, cells);
    if (g->rows[0] && g->rows[1] && g->sides && g->scratch && g->words && g->found && g->drawn) {
        *ret = g;
        return MW_OK;
    }
    mw_grower_free(g);
    return mw_fail_nomem(err, "growing a tree");
}

void *mw_grower_free(mw_grower *g) {
    if (!g) return NULL;
    for (int i = 0; g->scratch && i < g->n_threads; i++) mw_free(g->scratch[i]);
    for (int i = 0; g->words && i < g->n_threads; i++) mw_free(g->words[i]);
    for (int32_t i = 0; i < g->n_histograms; i++) mw_free(g->histograms[i]);
    for (int i = 0; i < 2; i++) mw_free(g->rows[i]);
    mw_free(g->sides);
    mw_free(g->histograms);
    mw_free(g->free_histograms);
    mw_free(g->scratch);
    mw_free(g->words);
    mw_free(g->found);
    mw_free(g->drawn);
    mw_free(g->nodes);
    mw_free(g->order);
    mw_free(g->heap);
    return mw_free(g);
}

/* ---- the leaves that can be split, as a heap ---- */

static bool comes_first(const mw_grower *g, int32_t a, int32_t b) {
    const mw_grow__node *x = &g->nodes[a], *y = &g->nodes[b];
    if (g->options.depth_wise && x->shown.depth != y->shown.depth)
        return x->shown.depth < y->shown.depth;
    if (x->shown.split.gain > y->shown.split.gain) return true;
    if (x->shown.split.gain < y->shown.split.gain) return false;
    return x->number < y->number;
}

static void push(mw_grower *g, int32_t node) {
    int32_t at = g->heap_size++;
    for (; at > 0 && comes_first(g, node, g->heap[(at - 1) / 2]); at = (at - 1) / 2)
        g->heap[at] = g->heap[(at - 1) / 2];
    g->heap[at] = node;
}

static int32_t pop(mw_grower *g) {
    const int32_t top = g->heap[0], moved = g->heap[--g->heap_size];
    int32_t at = 0;
    for (int32_t child; (child = 2 * at + 1) < g->heap_size; at = child) {
        if (child + 1 < g->heap_size && comes_first(g, g->heap[child + 1], g->heap[child])) child++;
        if (!comes_first(g, g->heap[child], moved)) break;
        g->heap[at] = g->heap[child];
    }
    if (g->heap_size > 0) g->heap[at] = moved;
    return top;
}

/* ---- histograms ---- */

static void release(mw_grower *g, mw_grow__node *node) {
    if (node->histogram >= 0) g->free_histograms[g->n_free++] = node->histogram;
    node->histogram = -1;
}

/* The histogram of the leaf that is the last to be split is given back. */
static void release_last(mw_grower *g) {
    int32_t last = -1;
    for (int32_t i = 0; i < g->heap_size; i++) {
        const int32_t node = g->heap[i];
        if (g->nodes[node].histogram < 0 || g->nodes[node].shown.left >= 0) continue;
        if (last < 0 || comes_first(g, last, node)) last = node;
    }
    if (last >= 0) release(g, &g->nodes[last]);
}

static mw_status grow_list(mw_grower *g, mw_err *err) {
    if (g->n_histograms < g->histograms_capacity) return MW_OK;
    const int32_t capacity = g->histograms_capacity ? 2 * g->histograms_capacity : 64;
    void *list = mw_realloc(g->mem, g->histograms, (size_t)capacity * sizeof *g->histograms);
    if (!list) return mw_fail_nomem(err, "the histograms of a tree");
    g->histograms = list;
    list = mw_realloc(g->mem, g->free_histograms, (size_t)capacity * sizeof *g->free_histograms);
    if (!list) return mw_fail_nomem(err, "the histograms of a tree");
    g->free_histograms = list;
    g->histograms_capacity = capacity;
    return MW_OK;
}

static mw_status acquire(mw_grower *g, mw_grow__node *node, mw_err *err) {
    if (g->n_free == 0 && g->n_histograms >= g->histograms_most) release_last(g);
    if (g->n_free > 0) {
        node->histogram = g->free_histograms[--g->n_free];
        return MW_OK;
    }
    mw_status status = grow_list(g, err);
    if (status) return status;
    mw_slot *slots = mw_alloc_aligned(g->mem, g->bins->n_slots * sizeof *slots);
    if (!slots) return mw_fail_nomem(err, "the histograms of a tree");
    g->histograms[g->n_histograms] = slots;
    node->histogram = g->n_histograms++;
    return MW_OK;
}

/* ---- nodes ---- */

static mw_status make_room(mw_grower *g, mw_err *err) {
    if (g->n_nodes + 2 <= g->nodes_capacity) return MW_OK;
    const int32_t capacity = g->nodes_capacity ? 2 * g->nodes_capacity : FIRST_NODES;
    void *nodes = mw_realloc(g->mem, g->nodes, (size_t)capacity * sizeof *g->nodes);
    if (nodes) g->nodes = nodes;
    void *order = mw_realloc(g->mem, g->order, (size_t)capacity * sizeof *g->order);
    if (order) g->order = order;
    void *heap = mw_realloc(g->mem, g->heap, (size_t)capacity * sizeof *g->heap);
    if (heap) g->heap = heap;
    if (!nodes || !order || !heap) return mw_fail_nomem(err, "the nodes of a tree");
    g->nodes_capacity = capacity;
    return MW_OK;
}

static bool may_split(const mw_grower *g, const mw_grow__node *node) {
    const mw_split_options *split = &g->options.split;
    if (g->options.max_depth > 0 && node->shown.depth >= g->options.max_depth) return false;
    return node->shown.n_rows >= 2 && node->shown.n_rows >= 2 * split->min_data_in_leaf &&
           mw_slot_h(node->shown.sum, g->scale) >= 2 * split->min_sum_hessian_in_leaf;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a node's seed follows from its parent's and its side. */
static uint64_t mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static int32_t add_child(mw_grower *g, const mw_grow__node *parent, bool is_right) {
    const mw_split *split = &parent->shown.split;
    const mw_slot sum = parent->shown.sum, left = split->left;
    const int64_t n_left = mw_slot_rows(left, g->scale);
    mw_grow__node *node = &g->nodes[g->n_nodes];
    *node = (mw_grow__node){
        .shown = {.left = -1,
                  .right = -1,
                  .depth = parent->shown.depth + 1,
                  .begin = parent->shown.begin + (is_right ? n_left : 0),
                  .n_rows = is_right ? parent->shown.n_rows - n_left : n_left,
                  .buffer = 1 - parent->shown.buffer,
                  .sum = is_right ? (mw_slot){sum.g - left.g, sum.hn - left.hn} : left,
                  .split = {.column = -1}},
        .number = -1,
        .histogram = -1,
        .low = parent->low,
        .high = parent->high,
        .groups = parent->groups & (g->options.groups ? g->options.groups[split->column] : 0),
        .draw = mix(parent->draw + is_right)};
    node->shown.output = mw_split_output(&g->options.split, node->shown.sum, g->scale, split->l2,
                                         node->low, node->high);
    return g->n_nodes++;
}

/* Along a monotone column the children's outputs stay on their sides of the middle between them. */
static void bound_children(const mw_grower *g, const mw_grow__node *parent, mw_grow__node *left,
                           mw_grow__node *right) {
    const int32_t column = parent->shown.split.column;
    const int monotone = g->options.monotone ? g->options.monotone[column] : 0;
    if (monotone == 0) return;
    const double middle = (left->shown.output + right->shown.output) / 2;
    (monotone > 0 ? left : right)->high = middle;
    (monotone > 0 ? right : left)->low = middle;
}

/* Makes the two children of a leaf and says which of them get a histogram. last: none needs one. */
static mw_status make_children(mw_grower *g, int32_t index, bool last, mw_err *err) {
    mw_status status = make_room(g, err);
    if (status) return status;
    mw_grow__node *parent = &g->nodes[index];
    parent->shown.left = add_child(g, parent, false);
    parent->shown.right = add_child(g, parent, true);
    mw_grow__node *left = &g->nodes[parent->shown.left], *right = &g->nodes[parent->shown.right];
    bound_children(g, parent, left, right);
    const bool left_small = left->shown.n_rows <= right->shown.n_rows;
    mw_grow__node *small = left_small ? left : right, *large = left_small ? right : left;
    const bool needs_small = !last && may_split(g, small),
               needs_large = !last && may_split(g, large);
    if (!needs_small && !needs_large) {
        release(g, parent);
        return MW_OK;
    }
    if (parent->histogram < 0) {
        if (needs_small) status = acquire(g, small, err);
        if (needs_large && !status) status = acquire(g, large, err);
        return status;
    }
    large->histogram = parent->histogram;
    large->less_sibling = true;
    parent->histogram = -1;
    return acquire(g, small, err);
}

/* ---- the order ---- */

typedef struct batch {
    mw_grower *g;
    int32_t nodes[AHEAD_MOST];
    int32_t n;
} batch;

static mw_status split_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const batch *b = arg;
    mw_status status = MW_OK;
    for (int64_t i = begin; i < end && !status; i++)
        status = mw_grow__split(b->g, &b->g->nodes[b->nodes[i]], worker, err);
    return status;
}

/* The leaf that is due, and, when it is small, others that are not split yet and may come among the next n_left. */
static void gather(mw_grower *g, int32_t n_left, batch *b) {
    const int32_t most = g->n_threads > 1 ? 4 * g->n_threads : 1;
    int32_t popped[2 * AHEAD_MOST], n = 0;
    b->nodes[b->n++] = g->heap[0];
    if (mw_grow__is_shared(g->nodes[g->heap[0]].shown.n_rows)) return;
    while (g->heap_size > 0 && n < n_left && n < 2 * AHEAD_MOST && b->n < AHEAD_MOST &&
           b->n < most) {
        const mw_grow__node *node = &g->nodes[popped[n++] = pop(g)];
        if (n > 1 && node->shown.left < 0 && !mw_grow__is_shared(node->shown.n_rows))
            b->nodes[b->n++] = popped[n - 1];
    }
    while (n > 0) push(g, popped[--n]);
}

static mw_status split_next(mw_grower *g, int32_t n_left, mw_err *err) {
    batch b = {.g = g};
    gather(g, n_left, &b);
    mw_status status = MW_OK;
    for (int32_t i = 0; i < b.n && !status; i++)
        status = make_children(g, b.nodes[i], n_left == 1, err);
    if (!status) {
        if (b.n == 1)
            status = mw_grow__split(g, &g->nodes[b.nodes[0]], 0, err);
        else
            status = mw_pool_for(g->ctx, b.n, 1, split_range, &b, err);
    }
    for (int32_t i = 0; i < b.n && !status; i++) {
        const mw_grown_node *shown = &g->nodes[b.nodes[i]].shown;
        const int32_t children[2] = {shown->left, shown->right};
        for (int side = 0; side < 2; side++) {
            mw_grow__node *child = &g->nodes[children[side]];
            if (!may_split(g, child)) child->shown.split.column = -1;
            if (child->shown.split.column < 0) release(g, child);
        }
    }
    return status;
}

static void number_node(mw_grower *g, int32_t node) {
    g->nodes[node].number = g->n_numbers;
    g->order[g->n_numbers++] = node;
    if (g->nodes[node].shown.split.column >= 0) push(g, node);
}

static void start(mw_grower *g, const uint32_t *rows, int64_t n, uint64_t seed) {
    g->root_rows = rows;
    g->n_nodes = 1;
    g->n_numbers = g->heap_size = g->n_free = 0;
    for (int32_t i = g->n_histograms - 1; i >= 0; i--) g->free_histograms[g->n_free++] = i;
    g->nodes[0] =
        (mw_grow__node){.shown = {.left = -1, .right = -1, .n_rows = n, .split = {.column = -1}},
                        .number = -1,
                        .histogram = -1,
                        .low = -MW_INFINITY,
                        .high = MW_INFINITY,
                        .groups = UINT64_MAX,
                        .draw = mix(seed)};
}

/* Without a column there is nothing to split by, and no histogram to take the sums from. */
static void sum_root(mw_grower *g, mw_grow__node *root) {
    for (int64_t i = 0; i < root->shown.n_rows; i++) {
        const size_t row = g->root_rows ? g->root_rows[i] : (size_t)i;
        const mw_pair pair = g->scale.narrow ? mw_pair_get(g->binned, row) : g->pairs[row];
        root->shown.sum.g += pair.g;
        root->shown.sum.hn += (int64_t)pair.h << g->scale.count_bits | 1;
    }
}

static mw_status look_at_root(mw_grower *g, mw_err *err) {
    mw_grow__node *root = &g->nodes[0];
    mw_status status = MW_OK;
    if (g->bins->n_columns > 0) {
        status = acquire(g, root, err);
        if (!status) status = mw_grow__look_at_root(g, root, err);
    } else {
        sum_root(g, root);
    }
    if (status) return status;
    if (g->options.num_leaves < 2 || !may_split(g, root)) root->shown.split.column = -1;
    root->shown.output = mw_split_output(&g->options.split, root->shown.sum, g->scale,
                                         g->options.split.lambda_l2, -MW_INFINITY, MW_INFINITY);
    number_node(g, 0);
    return MW_OK;
}

/* A root that stays a leaf has its rows listed after all. */
static void list_root(mw_grower *g) {
    for (int64_t i = 0; i < g->nodes[0].shown.n_rows; i++)
        g->rows[0][i] = g->root_rows ? g->root_rows[i] : (uint32_t)i;
}

/* From indices to numbers; a leaf that was split ahead of a turn that never came is a leaf again. */
static void show(mw_grower *g) {
    for (int32_t i = 0; i < g->n_numbers; i++) {
        mw_grown_node *shown = &g->nodes[g->order[i]].shown;
        const bool is_inner = shown->left >= 0 && g->nodes[shown->left].number >= 0;
        const int32_t left = is_inner ? g->nodes[shown->left].number : -1;
        const int32_t right = is_inner ? g->nodes[shown->right].number : -1;
        shown->left = left;
        shown->right = right;
    }
}

mw_status mw_grower_grow(mw_grower *g, const mw_ctx *ctx, const mw_pair *pairs, mw_scale scale,
                         const uint32_t *rows, int64_t n, uint64_t seed, mw_err *err) {
    g->ctx = ctx;
    g->pairs = pairs;
    g->scale = scale;
    g->seed = seed;
    g->n_nodes = 0;
    mw_status status = make_room(g, err);
    if (status) return status;
    int32_t n_leaves = 1;
    start(g, rows, n, seed);
    status = look_at_root(g, err);
    while (!status && n_leaves < g->options.num_leaves && g->heap_size > 0) {
        if (g->nodes[g->heap[0]].shown.left < 0)
            status = split_next(g, g->options.num_leaves - n_leaves, err);
        if (status) break;
        const mw_grown_node *shown = &g->nodes[pop(g)].shown;
        const int32_t left = shown->left, right = shown->right;
        number_node(g, left);
        number_node(g, right);
        n_leaves++;
    }
    for (int i = 0; i < g->n_threads && status; i++) g->scratch[i] = mw_free(g->scratch[i]);
    if (!status && n_leaves == 1) list_root(g);
    if (!status) show(g);
    return status;
}

int32_t mw_grower_count(const mw_grower *g) { return g->n_numbers; }

const mw_grown_node *mw_grower_node(const mw_grower *g, int32_t number) {
    return &g->nodes[g->order[number]].shown;
}

const uint32_t *mw_grower_rows(const mw_grower *g, const mw_grown_node *node) {
    return g->rows[node->buffer] + node->begin;
}
