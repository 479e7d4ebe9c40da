/*
 * scorer_build.c -- from nodes to ranks, columns and masks (what they are: scorer_parts.h; what for:
 * scorer_match.h).
 *
 * A threshold is its number among the distinct ones of its feature; x <= threshold exactly when the
 * rank of x, the number of thresholds below it, is at most that. 255 thresholds fit a column of bytes;
 * a feature with more has several, each cut to its part.
 */
#include <stdlib.h>
#include <string.h>

#include "learn/tree/scorer_parts.h"

enum { PER_COLUMN = 255, BLOCK = 16 };

typedef struct building {
    mw_mem *mem;
    const mw_trees *trees;
    mw_scorer__masks *masks;
    int64_t *starts;     /* [n_features + 1] of each feature's thresholds in sorted */
    float *sorted;       /* each feature's thresholds; distinct once ranked */
    int32_t *ranks_of;   /* [n_features] index of masks->ranks, or -1 */
    int32_t *column_of;  /* per ranks: two for each 255 thresholds, by missing_left; -1: not used */
    int64_t *columns_at; /* [n_ranks + 1] into column_of */
    int32_t *set_columns; /* [n_sets][2] the last column of a set, by missing_left */
    int32_t *below;       /* [n_nodes] leaves below a node */
    int32_t *leftmost;    /* [n_nodes] number of the leftmost leaf below a node */
} building;

void *mw_scorer__masks_free(mw_scorer__masks *masks) {
    if (!masks) return NULL;
    mw_free(masks->thresholds);
    mw_free(masks->ranks);
    mw_free(masks->columns);
    mw_free(masks->set_columns);
    mw_free(masks->entries);
    mw_free(masks->plane_entries);
    mw_free(masks->tree_planes);
    mw_free(masks->tree_leaves);
    mw_free(masks->value_rows);
    mw_free(masks->values);
    mw_free(masks->states);
    return mw_free(masks);
}

static void building_done(building *b) {
    mw_free(b->starts);
    mw_free(b->sorted);
    mw_free(b->ranks_of);
    mw_free(b->column_of);
    mw_free(b->columns_at);
    mw_free(b->set_columns);
    mw_free(b->below);
    mw_free(b->leftmost);
}

static int64_t tree_end(const mw_trees *trees, int32_t tree) {
    return tree + 1 < trees->n_trees ? trees->roots[tree + 1] : trees->n_nodes;
}

/* ---- ranks ---- */

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static bool by_threshold(const mw_node *node) { return node->left >= 0 && !node->by_set; }

static mw_status sort_thresholds(building *b) {
    const mw_trees *trees = b->trees;
    b->starts = mw_calloc(b->mem, (size_t)trees->n_features + 1, sizeof *b->starts);
    b->sorted = mw_alloc_array(b->mem, (size_t)trees->n_nodes, sizeof *b->sorted);
    if (!b->starts || !b->sorted) return MW_ENOMEM;
    for (int64_t i = 0; i < trees->n_nodes; i++)
        if (by_threshold(&trees->nodes[i])) b->starts[trees->nodes[i].feature]++;
    int64_t sum = 0;
    for (int32_t f = 0; f <= trees->n_features; f++) b->starts[f] = sum += b->starts[f];
    for (int64_t i = 0; i < trees->n_nodes; i++)
        if (by_threshold(&trees->nodes[i]))
            b->sorted[--b->starts[trees->nodes[i].feature]] = trees->nodes[i].threshold;
    for (int32_t f = 0; f < trees->n_features; f++)
        qsort(b->sorted + b->starts[f], (size_t)(b->starts[f + 1] - b->starts[f]),
              sizeof *b->sorted, by_value);
    return MW_OK;
}

static int32_t drop_equal(float *sorted, int64_t n) {
    int64_t n_distinct = n > 0;
    for (int64_t i = 1; i < n; i++)
        if (sorted[i] > sorted[n_distinct - 1]) sorted[n_distinct++] = sorted[i];
    return (int32_t)n_distinct;
}

/* Places of the levels above n ordered values, the lowest first; returns how many levels. */
static int32_t level_sizes(int32_t n, int64_t *sizes) {
    int32_t n_levels = 0;
    for (int64_t n_blocks = n / BLOCK + 1;; n_blocks = (n_blocks + BLOCK - 1) / BLOCK) {
        sizes[n_levels++] = n_blocks * BLOCK;
        if (n_blocks == 1) return n_levels;
    }
}

static float *write_levels(mw_scorer__ranks *ranks, const float *sorted, float *to) {
    int64_t sizes[MW_SCORER__MOST_LEVELS];
    ranks->n_levels = level_sizes(ranks->n_thresholds, sizes);
    for (int32_t k = 0; k < ranks->n_levels; k++) {
        const float *below = k ? ranks->levels[ranks->n_levels - k] : NULL;
        for (int64_t i = 0; i < sizes[k]; i++) {
            to[i] = __builtin_inff();
            if (!k && i < ranks->n_thresholds) to[i] = sorted[i];
            if (k && (i + 1) * BLOCK <= sizes[k - 1]) to[i] = below[i * BLOCK + BLOCK - 1];
        }
        ranks->levels[ranks->n_levels - 1 - k] = to;
        to += sizes[k];
    }
    return to;
}

static mw_status rank(building *b) {
    mw_scorer__masks *masks = b->masks;
    const int32_t n_features = b->trees->n_features;
    b->ranks_of = mw_alloc_array(b->mem, (size_t)n_features, sizeof *b->ranks_of);
    masks->ranks = mw_calloc(b->mem, (size_t)n_features, sizeof *masks->ranks);
    b->columns_at = mw_calloc(b->mem, (size_t)n_features + 1, sizeof *b->columns_at);
    if (!b->ranks_of || !masks->ranks || !b->columns_at) return MW_ENOMEM;
    int64_t n_places = 0;
    for (int32_t f = 0; f < n_features; f++) {
        const int32_t n = drop_equal(b->sorted + b->starts[f], b->starts[f + 1] - b->starts[f]);
        b->ranks_of[f] = n ? masks->n_ranks : -1;
        if (!n) continue;
        int64_t sizes[MW_SCORER__MOST_LEVELS];
        const int32_t n_levels = level_sizes(n, sizes);
        for (int32_t k = 0; k < n_levels; k++) n_places += sizes[k];
        b->columns_at[masks->n_ranks + 1] =
            b->columns_at[masks->n_ranks] + 2 * ((n + PER_COLUMN - 1) / PER_COLUMN);
        masks->ranks[masks->n_ranks++] = (mw_scorer__ranks){.feature = f, .n_thresholds = n};
    }
    masks->thresholds = mw_alloc_aligned(b->mem, (size_t)n_places * sizeof *masks->thresholds);
    if (!masks->thresholds) return MW_ENOMEM;
    float *to = masks->thresholds;
    for (int32_t i = 0; i < masks->n_ranks; i++)
        to = write_levels(&masks->ranks[i], b->sorted + b->starts[masks->ranks[i].feature], to);
    return MW_OK;
}

static int32_t rank_of_threshold(const building *b, const mw_node *node) {
    const float *sorted = b->sorted + b->starts[node->feature];
    int32_t low = 0, high = b->masks->ranks[b->ranks_of[node->feature]].n_thresholds - 1;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (sorted[middle] < node->threshold)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- columns ---- */

static int32_t *column_of(const building *b, const mw_node *node, int32_t threshold) {
    return b->column_of + b->columns_at[b->ranks_of[node->feature]] + 2 * (threshold / PER_COLUMN) +
           node->missing_left;
}

static mw_status number_columns(building *b) {
    mw_scorer__masks *masks = b->masks;
    const int64_t most = b->columns_at[masks->n_ranks];
    b->column_of = mw_calloc(b->mem, (size_t)most, sizeof *b->column_of);
    masks->columns = mw_alloc_array(b->mem, (size_t)most, sizeof *masks->columns);
    if (!b->column_of || !masks->columns) return MW_ENOMEM;
    for (int64_t i = 0; i < b->trees->n_nodes; i++) {
        const mw_node *node = &b->trees->nodes[i];
        if (by_threshold(node)) *column_of(b, node, rank_of_threshold(b, node)) = 1;
    }
    for (int32_t r = 0; r < masks->n_ranks; r++) {
        masks->ranks[r].first_column = masks->n_columns;
        for (int64_t i = b->columns_at[r]; i < b->columns_at[r + 1]; i++) {
            const int64_t k = i - b->columns_at[r];
            if (!b->column_of[i]) continue;
            b->column_of[i] = masks->n_columns;
            masks->columns[masks->n_columns++] = (mw_scorer__column){
                .base = (int32_t)(k / 2 * PER_COLUMN), .missing_left = k % 2 == 1};
        }
        masks->ranks[r].n_columns = masks->n_columns - masks->ranks[r].first_column;
    }
    return MW_OK;
}

static mw_status number_sets(building *b) {
    const mw_trees *trees = b->trees;
    size_t n = 0;
    for (int64_t i = 0; i < trees->n_nodes; i++)
        n += trees->nodes[i].left >= 0 && trees->nodes[i].by_set;
    b->set_columns = mw_alloc_array(b->mem, 2 * (size_t)trees->n_sets, sizeof *b->set_columns);
    b->masks->set_columns = mw_alloc_array(b->mem, n, sizeof *b->masks->set_columns);
    if (!b->set_columns || !b->masks->set_columns) return MW_ENOMEM;
    for (int32_t i = 0; i < 2 * trees->n_sets; i++) b->set_columns[i] = -1;
    return MW_OK;
}

/* The column of a node by set: that of an earlier node with the same feature and set, or a new one. */
static int32_t set_column(building *b, const mw_node *node) {
    mw_scorer__masks *masks = b->masks;
    int32_t *last = &b->set_columns[2 * node->set + node->missing_left];
    if (*last < 0 || masks->set_columns[*last].feature != node->feature) {
        *last = masks->n_set_columns++;
        masks->set_columns[*last] = (mw_scorer__set_column){
            .feature = node->feature, .set = node->set, .missing_left = node->missing_left};
    }
    return masks->n_columns + *last;
}

/* ---- leaves and masks ---- */

/* False when a tree has too many leaves. Children stand behind their parents. */
static bool count_leaves(building *b) {
    const mw_trees *trees = b->trees;
    for (int64_t i = trees->n_nodes - 1; i >= 0; i--) {
        const mw_node *node = &trees->nodes[i];
        b->below[i] = node->left < 0 ? 1 : b->below[node->left] + b->below[node->right];
    }
    for (int32_t t = 0; t < trees->n_trees; t++) {
        const int64_t root = trees->roots[t];
        if (b->below[root] > MW_SCORER__MOST_LEAVES) return false;
        b->leftmost[root] = 0;
        for (int64_t i = root; i < tree_end(trees, t); i++) {
            const mw_node *node = &trees->nodes[i];
            if (node->left < 0) continue;
            b->leftmost[node->left] = b->leftmost[i];
            b->leftmost[node->right] = b->leftmost[i] + b->below[node->left];
        }
    }
    return true;
}

static mw_status place_leaves(building *b) {
    const mw_trees *trees = b->trees;
    mw_scorer__masks *masks = b->masks;
    const size_t n = (size_t)trees->n_trees + 1;
    masks->tree_planes = mw_calloc(b->mem, n, sizeof *masks->tree_planes);
    masks->tree_leaves = mw_calloc(b->mem, n, sizeof *masks->tree_leaves);
    if (!masks->tree_planes || !masks->tree_leaves) return MW_ENOMEM;
    for (int32_t t = 0; t < trees->n_trees; t++) {
        const int32_t n_leaves = b->below[trees->roots[t]];
        masks->tree_planes[t + 1] = masks->tree_planes[t] + (n_leaves + 7) / 8;
        masks->tree_leaves[t + 1] = masks->tree_leaves[t] + n_leaves;
    }
    const int64_t n_leaves = masks->tree_leaves[trees->n_trees];
    const int32_t n_outputs = trees->n_outputs;
    masks->value_rows = mw_alloc_array(b->mem, (size_t)n_leaves, sizeof *masks->value_rows);
    masks->values = mw_alloc_array(b->mem, (size_t)(n_leaves * n_outputs), sizeof *masks->values);
    if (!masks->value_rows || !masks->values) return MW_ENOMEM;
    for (int32_t t = 0; t < trees->n_trees; t++)
        for (int64_t i = trees->roots[t]; i < tree_end(trees, t); i++) {
            const mw_node *node = &trees->nodes[i];
            if (node->left >= 0) continue;
            const int64_t at = masks->tree_leaves[t] + b->leftmost[i];
            const float *values = trees->values + (int64_t)node->right * n_outputs;
            masks->value_rows[at] = node->right;
            for (int32_t k = 0; k < n_outputs; k++)
                masks->values[at * n_outputs + k] = (double)values[k];
        }
    return MW_OK;
}

static uint32_t four_times(int32_t byte) { return (uint32_t)(uint8_t)byte * UINT32_C(0x01010101); }

static mw_scorer__entry entry_of(building *b, const mw_node *node) {
    int32_t column, threshold = -127; /* by set: -128 is left of it, 127 is not */
    if (node->by_set) {
        column = set_column(b, node);
    } else {
        const int32_t r = rank_of_threshold(b, node);
        column = *column_of(b, node, r);
        threshold = r % PER_COLUMN - 127;
    }
    return (mw_scorer__entry){(uint32_t)column * MW_SCORER__ROWS, four_times(threshold), 0};
}

/* Counts (entries NULL) or writes what each plane of a tree gets; next [planes] is moved on. */
static void each_plane(building *b, int32_t tree, int64_t *next, mw_scorer__entry *entries) {
    for (int64_t i = b->trees->roots[tree]; i < tree_end(b->trees, tree); i++) {
        const mw_node *node = &b->trees->nodes[i];
        if (node->left < 0) continue;
        const int32_t begin = b->leftmost[i], end = begin + b->below[node->left];
        mw_scorer__entry entry = {0};
        if (entries) entry = entry_of(b, node);
        for (int32_t p = begin / 8; p * 8 < end; p++) {
            const int32_t low = begin > p * 8 ? begin - p * 8 : 0;
            const int32_t high = end < p * 8 + 8 ? end - p * 8 : 8;
            entry.mask = four_times((1 << high) - (1 << low));
            if (entries) entries[next[p]] = entry;
            next[p]++;
        }
    }
}

static mw_status write_masks(building *b) {
    mw_scorer__masks *masks = b->masks;
    const int64_t n_planes = masks->tree_planes[b->trees->n_trees];
    masks->plane_entries = mw_calloc(b->mem, (size_t)n_planes + 1, sizeof *masks->plane_entries);
    if (!masks->plane_entries) return MW_ENOMEM;
    for (int32_t t = 0; t < b->trees->n_trees; t++)
        each_plane(b, t, masks->plane_entries + masks->tree_planes[t], NULL);
    int64_t sum = 0;
    for (int64_t p = 0; p <= n_planes; p++) {
        const int64_t n = masks->plane_entries[p];
        masks->plane_entries[p] = sum;
        sum += n;
    }
    masks->entries = mw_alloc_array(b->mem, (size_t)sum, sizeof *masks->entries);
    if (!masks->entries) return MW_ENOMEM;
    for (int32_t t = 0; t < b->trees->n_trees; t++)
        each_plane(b, t, masks->plane_entries + masks->tree_planes[t], masks->entries);
    /* Each start was moved on to the next. */
    memmove(masks->plane_entries + 1, masks->plane_entries,
            (size_t)n_planes * sizeof *masks->plane_entries);
    masks->plane_entries[0] = 0;
    return MW_OK;
}

/* Is there room for one row's states, and are they all it takes? Gives each ranks its first. */
static bool states_pay(const building *b) {
    mw_scorer__masks *masks = b->masks;
    int64_t n_states = 0;
    for (int32_t r = 0; r < masks->n_ranks; r++) {
        masks->ranks[r].first_state = n_states;
        n_states += masks->ranks[r].n_thresholds + 2;
    }
    for (int32_t t = 0; t < b->trees->n_trees; t++)
        if (b->below[b->trees->roots[t]] > 32) return false;
    masks->state_words = (b->trees->n_trees + MW_SCORER__STATE_TREES - 1) / MW_SCORER__STATE_TREES *
                         MW_SCORER__STATE_TREES;
    return masks->n_set_columns == 0 && masks->n_ranks <= MW_SCORER__STATE_FEATURES &&
           n_states <= MW_SCORER__STATE_BYTES / 4 / masks->state_words;
}

/* First each node's leaves at the rank just above it, then a rank rules out what those below do. */
static mw_status write_states(building *b) {
    mw_scorer__masks *masks = b->masks;
    if (!states_pay(b) || !masks->n_ranks) return MW_OK;
    const mw_scorer__ranks *last = &masks->ranks[masks->n_ranks - 1];
    const int64_t n_states = last->first_state + last->n_thresholds + 2, words = masks->state_words;
    masks->states = mw_alloc_aligned(b->mem, (size_t)(n_states * words) * sizeof *masks->states);
    if (!masks->states) return MW_ENOMEM;
    memset(masks->states, 0, (size_t)(n_states * words) * sizeof *masks->states);
    for (int32_t t = 0; t < b->trees->n_trees; t++)
        for (int64_t i = b->trees->roots[t]; i < tree_end(b->trees, t); i++) {
            const mw_node *node = &b->trees->nodes[i];
            if (node->left < 0) continue;
            const mw_scorer__ranks *ranks = &masks->ranks[b->ranks_of[node->feature]];
            const uint32_t left = ((UINT32_C(1) << b->below[node->left]) - 1) << b->leftmost[i];
            uint32_t *first = masks->states + ranks->first_state * words + t;
            first[(rank_of_threshold(b, node) + 1) * words] |= left;
            if (!node->missing_left) first[(ranks->n_thresholds + 1) * words] |= left;
        }
    for (int32_t r = 0; r < masks->n_ranks; r++) {
        uint32_t *state = masks->states + (masks->ranks[r].first_state + 1) * words;
        for (int64_t i = 0; i < masks->ranks[r].n_thresholds * words; i++)
            state[i] |= state[i - words];
    }
    return MW_OK;
}

static mw_status build(building *b) {
    mw_status status = sort_thresholds(b);
    if (!status) status = rank(b);
    if (!status) status = number_columns(b);
    if (!status) status = number_sets(b);
    if (!status) status = place_leaves(b);
    if (!status) status = write_masks(b);
    if (!status) status = write_states(b);
    return status;
}

mw_status mw_scorer__masks_new(mw_mem *mem, const mw_trees *trees, mw_scorer__masks **ret,
                               mw_err *err) {
    building b = {.mem = mem, .trees = trees};
    b.below = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *b.below);
    b.leftmost = mw_alloc_array(mem, (size_t)trees->n_nodes, sizeof *b.leftmost);
    mw_status status = b.below && b.leftmost ? MW_OK : MW_ENOMEM;
    if (!status && count_leaves(&b)) {
        b.masks = mw_calloc(mem, 1, sizeof *b.masks);
        status = b.masks ? build(&b) : MW_ENOMEM;
    }
    building_done(&b);
    if (status) {
        mw_scorer__masks_free(b.masks);
        return mw_fail_nomem(err, "the scorer");
    }
    *ret = b.masks;
    return MW_OK;
}
