/*
 * grow_node.c -- one split: rows to the sides, histograms of the children, their best splits.
 *
 * The number of rows on each side is known from the histogram, so they go where they belong in the other buffer; pieces of
 * a large node first find out how many go left before theirs. Only the child with fewer rows is counted, the other is the
 * parent less that (the parent's slots become the larger child's).
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/grow_parts.h"
#include "learn/tree/partition.h"

enum { MOST_ROWS = 8128, LEAST_ROWS = 2048, TILE_COLUMNS = 64, COLUMNS_AT_ONCE = 2 };

/* Rows that a thread takes at a time: as many for each, few enough for one set of words (histogram.c), and whole words of
 * sides. */
static int64_t piece_of(const mw_grower *g, int64_t n) {
    const int64_t turns = (n + MOST_ROWS * g->n_threads - 1) / (MOST_ROWS * g->n_threads);
    const int64_t rows = (n + turns * g->n_threads - 1) / (turns * g->n_threads);
    return rows < LEAST_ROWS ? LEAST_ROWS : (rows + 63) / 64 * 64;
}

/* ---- rows ---- */

typedef struct moving {
    const uint8_t *bins;  /* of the split's column, by row */
    const uint32_t *rows; /* [n] of the node; NULL: 0, 1, ... */
    uint32_t *to;         /* [n] of the other buffer */
    int64_t n, n_left, piece;
    uint64_t *sides;  /* [n] bits */
    int64_t *counts;  /* [pieces] left rows of a piece, then of all before it */
    uint32_t left[8]; /* bits of the bins that go there */
} moving;

static mw_status mark_piece(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const moving *m = arg;
    m->counts[begin / m->piece] =
        mw_partition_mark(m->bins, m->left, m->rows ? m->rows + begin : NULL, (uint32_t)begin,
                          end - begin, m->sides + begin / 64);
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status move_piece(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const moving *m = arg;
    const int64_t before = m->counts[begin / m->piece];
    mw_partition_move(m->rows ? m->rows + begin : NULL, (uint32_t)begin, end - begin,
                      m->sides + begin / 64, m->to + before, m->to + m->n_left + (begin - before));
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status move_together(mw_grower *g, moving *m, mw_err *err) {
    const int64_t n_pieces = (m->n + m->piece - 1) / m->piece;
    m->counts = mw_alloc_array(g->mem, (size_t)n_pieces, sizeof *m->counts);
    if (!m->counts) return mw_fail_nomem(err, "splitting a node");
    mw_status status = mw_pool_for(g->ctx, m->n, m->piece, mark_piece, m, err);
    int64_t sum = 0;
    for (int64_t i = 0; i < n_pieces && !status; i++) {
        const int64_t n = m->counts[i];
        m->counts[i] = sum;
        sum += n;
    }
    if (!status) status = mw_pool_for(g->ctx, m->n, m->piece, move_piece, m, err);
    mw_free(m->counts);
    return status;
}

static mw_status move_rows(mw_grower *g, const mw_grow__node *parent, mw_err *err) {
    const mw_grown_node *p = &parent->shown;
    const mw_split *split = &p->split;
    const int32_t n_bins = g->bins->columns[split->column].n_bins;
    moving m = {.rows = mw_grow__rows(g, p),
                .to = g->rows[1 - p->buffer] + p->begin,
                .bins = g->binned->columns + (int64_t)split->column * g->binned->n_rows,
                .n = p->n_rows,
                .piece = piece_of(g, p->n_rows),
                .sides = g->sides,
                .n_left = mw_slot_rows(split->left, g->scale)};
    for (int32_t b = 0; b <= n_bins; b++)
        m.left[b / 32] |= (uint32_t)mw_split_goes_left(split, n_bins, b) << b % 32;
    if (mw_grow__is_shared(p->n_rows)) return move_together(g, &m, err);
    mw_partition(m.bins, m.left, m.rows, 0, m.n, m.to, m.to + m.n_left);
    return MW_OK;
}

/* ---- histograms ---- */

/* The sums of the node that is counted, and the search that follows. */
typedef struct finding {
    mw_grower *g;
    mw_grow__node *nodes[2]; /* NULL: not looked for */
    mw_split *found[2];      /* [n_columns] */
    const uint8_t *drawn[2]; /* [n_columns], NULL: all */
    mw_slot *large;          /* the parent's slots, becoming the larger child's; or NULL */
    const mw_slot *small;
    mw_slot *counted; /* is still to become the sum of parts */
    mw_slot *parts[256];
    int n_parts;
} finding;

static mw_status count_rows(mw_grower *g, const uint32_t *rows, uint32_t first, int64_t n,
                            int worker, mw_slot *slots, mw_err *err) {
    const int32_t n_columns = g->bins->n_columns;
    uint64_t **words = &g->words[worker];
    if (g->scale.narrow && !*words) *words = mw_calloc(g->mem, g->bins->n_slots, sizeof **words);
    if (g->scale.narrow && !*words) return mw_fail_nomem(err, "a histogram");
    for (int32_t c = 0; c < n_columns; c += TILE_COLUMNS)
        mw_histogram_add(g->bins, g->binned, g->pairs, g->scale, rows, first, n, c,
                         c + TILE_COLUMNS < n_columns ? c + TILE_COLUMNS : n_columns, slots,
                         *words);
    return MW_OK;
}

typedef struct counting {
    mw_grower *g;
    const uint32_t *rows;
    bool used[256];
} counting;

static mw_status count_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    counting *c = arg;
    mw_grower *g = c->g;
    if (!g->scratch[worker])
        g->scratch[worker] = mw_calloc(g->mem, g->bins->n_slots, sizeof(mw_slot));
    if (!g->scratch[worker]) return mw_fail_nomem(err, "a histogram");
    c->used[worker] = true;
    return count_rows(g, c->rows ? c->rows + begin : NULL, (uint32_t)begin, end - begin, worker,
                      g->scratch[worker], err);
}

/* What the threads counted in their own slots, which are zeros again, becomes the node's. */
static void merge_column(const finding *f, const mw_bins_column *column) {
    const size_t n = (size_t)column->n_bins + 1;
    mw_slot *to = f->counted + column->first;
    for (int i = 0; i < f->n_parts; i++) {
        mw_slot *part = f->parts[i] + column->first;
        if (i == 0)
            memcpy(to, part, n * sizeof *to);
        else
            mw_histogram_merge(to, part, n);
        memset(part, 0, n * sizeof *part);
    }
}

static void merge_parts(finding *f) {
    for (int32_t c = 0; c < f->g->bins->n_columns; c++) merge_column(f, &f->g->bins->columns[c]);
    f->n_parts = 0;
}

/* By this thread alone, or together: then the sums are merged by whoever searches a column. */
static mw_status count_node(finding *f, const mw_grow__node *node, bool together, int worker,
                            mw_err *err) {
    mw_grower *g = f->g;
    mw_slot *slots = g->histograms[node->histogram];
    const int64_t n = node->shown.n_rows;
    counting c = {.g = g, .rows = mw_grow__rows(g, &node->shown)};
    if (!together || n <= 2 * LEAST_ROWS) {
        memset(slots, 0, g->bins->n_slots * sizeof *slots);
        return count_rows(g, c.rows, 0, n, worker, slots, err);
    }
    merge_parts(f);
    mw_status status = mw_pool_for(g->ctx, n, piece_of(g, n), count_range, &c, err);
    f->counted = slots;
    for (int w = 0; w < g->n_threads; w++)
        if (c.used[w]) f->parts[f->n_parts++] = g->scratch[w];
    return status;
}

/* ---- best splits ---- */

static bool may_use(const finding *f, int side, int32_t c) {
    const mw_grow_options *options = &f->g->options;
    if (options->is_used && !options->is_used[c]) return false;
    if (options->groups && !(options->groups[c] & f->nodes[side]->groups)) return false;
    return !f->drawn[side] || f->drawn[side][c];
}

static mw_status find_columns(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    finding *f = arg;
    mw_grower *g = f->g;
    for (int32_t c = (int32_t)begin; c < end; c++) {
        const mw_bins_column *column = &g->bins->columns[c];
        merge_column(f, column);
        if (f->large)
            mw_histogram_subtract(f->large + column->first, f->small + column->first,
                                  (size_t)column->n_bins + 1);
        for (int side = 0; side < 2; side++) {
            const mw_grow__node *node = f->nodes[side];
            if (!node) continue;
            f->found[side][c].column = -1;
            if (!may_use(f, side, c)) continue;
            const mw_split_node about = {.sum = node->shown.sum,
                                         .low = node->low,
                                         .high = node->high,
                                         .drawn_by = g->options.extra_trees ? node->draw | 1 : 0};
            mw_split_find(&g->options.split, column, c,
                          g->histograms[node->histogram] + column->first, &about, g->scale,
                          g->options.monotone ? g->options.monotone[c] : 0, &f->found[side][c]);
        }
    }
    (void)worker, (void)err;
    return MW_OK;
}

/* Keeps `wanted` of the columns that are marked; 0: all of them. */
static void keep_some(mw_rng rng, int32_t wanted, int32_t n_columns, uint8_t *marked) {
    int32_t left = 0;
    for (int32_t c = 0; c < n_columns; c++) left += marked[c];
    for (int32_t c = 0; c < n_columns && wanted > 0; c++) {
        if (!marked[c]) continue;
        marked[c] = (int64_t)mw_rng_below(&rng, (uint64_t)left--) < wanted;
        wanted -= marked[c];
        if (wanted == 0) memset(marked + c + 1, 0, (size_t)(n_columns - c - 1));
    }
}

/* Columns of a level by the tree's seed, and of those some by the node's own. */
static void draw_columns(const mw_grower *g, const mw_grow__node *node, uint8_t *drawn) {
    const int32_t n_columns = g->bins->n_columns;
    mw_rng rng;
    if (g->options.is_used)
        memcpy(drawn, g->options.is_used, (size_t)n_columns);
    else
        memset(drawn, 1, (size_t)n_columns);
    mw_rng_init(&rng, g->seed, 2, (uint64_t)node->shown.depth << 32);
    keep_some(rng, g->options.n_by_level, n_columns, drawn);
    mw_rng_init(&rng, node->draw, 1, 0);
    keep_some(rng, g->options.n_by_node, n_columns, drawn);
}

static mw_status find_splits(mw_grower *g, finding *f, int worker, mw_err *err) {
    const int32_t n_columns = g->bins->n_columns;
    for (int side = 0; side < 2; side++) {
        const size_t at = (size_t)(2 * worker + side) * (size_t)n_columns;
        f->found[side] = g->found + at;
        if (!f->nodes[side] || (!g->options.n_by_node && !g->options.n_by_level)) continue;
        f->drawn[side] = g->drawn + at;
        draw_columns(g, f->nodes[side], g->drawn + at);
    }
    mw_status status = mw_pool_for(g->ctx, n_columns, COLUMNS_AT_ONCE, find_columns, f, err);
    for (int side = 0; side < 2 && !status; side++) {
        mw_split best = {.column = -1};
        for (int32_t c = 0; c < n_columns && f->nodes[side]; c++) {
            const mw_split *found = &f->found[side][c];
            if (found->column >= 0 && (best.column < 0 || found->gain > best.gain)) best = *found;
        }
        if (f->nodes[side]) f->nodes[side]->shown.split = best;
    }
    return status;
}

mw_status mw_grow__look_at_root(mw_grower *g, mw_grow__node *root, mw_err *err) {
    finding f = {.g = g, .nodes = {root, NULL}};
    mw_status status = count_node(&f, root, true, 0, err);
    if (status) return status;
    const mw_bins_column *first = &g->bins->columns[0];
    const mw_slot *slots = g->histograms[root->histogram] + first->first;
    merge_parts(&f);
    for (int32_t b = 0; b <= first->n_bins; b++) { /* every row is in one bin */
        root->shown.sum.g += slots[b].g;
        root->shown.sum.hn += slots[b].hn;
    }
    return find_splits(g, &f, 0, err);
}

mw_status mw_grow__split(mw_grower *g, const mw_grow__node *parent, int worker, mw_err *err) {
    mw_grow__node *left = &g->nodes[parent->shown.left], *right = &g->nodes[parent->shown.right];
    finding f = {.g = g};
    mw_status status = move_rows(g, parent, err);
    mw_grow__node *const sides[2] = {left, right};
    for (int i = 0; i < 2 && !status; i++) {
        if (sides[i]->histogram < 0) continue;
        f.nodes[i] = sides[i];
        if (sides[i]->less_sibling) {
            f.large = g->histograms[sides[i]->histogram];
            f.small = g->histograms[sides[1 - i]->histogram];
        } else {
            status =
                count_node(&f, sides[i], mw_grow__is_shared(parent->shown.n_rows), worker, err);
        }
    }
    return status || (!f.nodes[0] && !f.nodes[1]) ? status : find_splits(g, &f, worker, err);
}
