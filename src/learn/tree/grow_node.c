/*
 * grow_node.c -- one split: rows to the sides, histograms of the children, their best splits.
 *
 * Rows stay in the order they had (Shafer et al., SPRINT, VLDB 1996, has the idea of a stable partition). The number on
 * each side is known from the histogram, so a small node's sides are written to the other buffer in one pass. Chunks of a
 * large node are divided there side by side, left rows from their beginning on and right rows behind them, and
 * then copied back to where they belong: looking rows up costs more than copying them. Only the child with fewer rows is
 * counted, the other is the parent less that (the parent's slots become the larger child's).
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/grow_parts.h"

enum { CHUNK_ROWS = MW_GROW__CHUNK_ROWS, MOVE_ROWS = 512, TILE_COLUMNS = 64, COLUMNS_AT_ONCE = 4 };

/* ---- rows ---- */

typedef struct moving {
    const uint8_t *bins; /* of the split's column, by row */
    uint32_t *rows;      /* [n] of the node, as they come */
    uint32_t *other;     /* [n] of the other buffer */
    int64_t n, n_left;
    int64_t *counts; /* [chunks] left rows of a chunk, then of all before it */
    uint8_t left[256];
} moving;

/* Rows [n] of `from` to the front of either side. Returns the left ones. */
static int64_t divide(const moving *m, const uint32_t *from, int64_t n, uint32_t *left_to,
                      uint32_t *right_to) {
    uint32_t left[MOVE_ROWS] = {0}, right[MOVE_ROWS] = {0};
    int64_t sum = 0;
    for (int64_t at = 0; at < n; at += MOVE_ROWS) {
        const int64_t part = n - at < MOVE_ROWS ? n - at : MOVE_ROWS;
        size_t n_left = 0, n_right = 0; /* each row is written to both and counts in one */
        for (int64_t i = 0; i < part; i++) {
            const uint32_t row = from[at + i];
            const size_t goes_left = m->left[m->bins[row]];
            left[n_left] = right[n_right] = row;
            n_left += goes_left;
            n_right += 1 - goes_left;
        }
        memcpy(left_to, left, n_left * sizeof *left);
        memcpy(right_to, right, n_right * sizeof *right);
        left_to += n_left;
        right_to += n_right;
        sum += (int64_t)n_left;
    }
    return sum;
}

/* A chunk's left rows stand from its beginning on, its right rows wait in a copy of their own until those are known. */
static mw_status divide_chunk(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const moving *m = arg;
    uint32_t right[CHUNK_ROWS];
    const int64_t n_left = divide(m, m->rows + begin, end - begin, m->other + begin, right);
    memcpy(m->other + begin + n_left, right, (size_t)(end - begin - n_left) * sizeof *right);
    m->counts[begin / CHUNK_ROWS] = n_left;
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status copy_back(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const moving *m = arg;
    const int64_t before = m->counts[begin / CHUNK_ROWS];
    const int64_t n_left = m->counts[begin / CHUNK_ROWS + 1] - before;
    memcpy(m->rows + before, m->other + begin, (size_t)n_left * sizeof *m->rows);
    memcpy(m->rows + m->n_left + begin - before, m->other + begin + n_left,
           (size_t)(end - begin - n_left) * sizeof *m->rows);
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status move_chunks(mw_grower *g, moving *m, mw_err *err) {
    const int64_t n_chunks = (m->n + CHUNK_ROWS - 1) / CHUNK_ROWS;
    m->counts = mw_alloc_array(g->mem, (size_t)n_chunks + 1, sizeof *m->counts);
    if (!m->counts) return mw_fail_nomem(err, "splitting a node");
    mw_status status = mw_pool_for(g->ctx, m->n, CHUNK_ROWS, divide_chunk, m, err);
    int64_t sum = 0;
    for (int64_t i = 0; i < n_chunks && !status; i++) {
        const int64_t n = m->counts[i];
        m->counts[i] = sum;
        sum += n;
    }
    m->counts[n_chunks] = sum;
    if (!status) status = mw_pool_for(g->ctx, m->n, CHUNK_ROWS, copy_back, m, err);
    mw_free(m->counts);
    return status;
}

static mw_status move_rows(mw_grower *g, const mw_grow__node *parent, mw_err *err) {
    const mw_grown_node *p = &parent->shown;
    const mw_split *split = &p->split;
    const int32_t n_bins = g->bins->columns[split->column].n_bins;
    moving m = {.rows = g->rows[p->buffer] + p->begin,
                .other = g->rows[1 - p->buffer] + p->begin,
                .bins = g->binned->columns + (int64_t)split->column * g->binned->n_rows,
                .n = p->n_rows,
                .n_left = mw_slot_rows(split->left, g->scale)};
    for (int32_t b = 0; b <= n_bins; b++) m.left[b] = mw_split_goes_left(split, n_bins, b);
    if (mw_grow__in_chunks(p->n_rows)) return move_chunks(g, &m, err);
    divide(&m, m.rows, m.n, m.other, m.other + m.n_left);
    return MW_OK;
}

/* ---- histograms ---- */

typedef struct counting {
    mw_grower *g;
    const uint32_t *rows;
    mw_slot *slots;
    int first_worker; /* scratch of inner worker w is first_worker + w */
    bool used[256];
} counting;

static void count_rows(mw_grower *g, const uint32_t *rows, uint32_t first, int64_t n,
                       mw_slot *slots) {
    const int32_t n_columns = g->bins->n_columns;
    for (int32_t c = 0; c < n_columns; c += TILE_COLUMNS)
        mw_histogram_add(g->bins, g->binned, g->pairs, g->scale.count_bits, rows, first, n, c,
                         c + TILE_COLUMNS < n_columns ? c + TILE_COLUMNS : n_columns, slots);
}

static mw_status count_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    counting *c = arg;
    mw_grower *g = c->g;
    const int own = c->first_worker + worker;
    const size_t size = g->bins->n_slots * sizeof(mw_slot);
    if (!g->scratch[own]) g->scratch[own] = mw_alloc_aligned(g->mem, size);
    if (!g->scratch[own]) return mw_fail_nomem(err, "a histogram");
    if (!c->used[worker]) memset(g->scratch[own], 0, size);
    c->used[worker] = true;
    count_rows(g, c->rows ? c->rows + begin : NULL, (uint32_t)begin, end - begin, g->scratch[own]);
    return MW_OK;
}

static mw_status count_node(mw_grower *g, const mw_grow__node *node, int worker, mw_err *err) {
    const mw_grown_node *shown = &node->shown;
    const bool all = shown->n_rows == g->binned->n_rows; /* in their order: need not be looked up */
    counting c = {.g = g,
                  .rows = all ? NULL : g->rows[shown->buffer] + shown->begin,
                  .slots = g->histograms[node->histogram],
                  .first_worker = worker};
    memset(c.slots, 0, g->bins->n_slots * sizeof *c.slots);
    if (shown->n_rows <= CHUNK_ROWS) {
        count_rows(g, c.rows, 0, shown->n_rows, c.slots);
        return MW_OK;
    }
    mw_status status = mw_pool_for(g->ctx, shown->n_rows, CHUNK_ROWS, count_range, &c, err);
    for (int w = 0; w < g->n_threads && !status; w++)
        if (c.used[w]) mw_histogram_merge(c.slots, g->scratch[worker + w], g->bins->n_slots);
    return status;
}

/* ---- best splits ---- */

typedef struct finding {
    mw_grower *g;
    mw_grow__node *nodes[2]; /* NULL: not looked for */
    mw_split *found[2];      /* [n_columns] */
    const uint8_t *drawn[2]; /* [n_columns], NULL: all */
    mw_slot *large;          /* the parent's slots, becoming the larger child's; or NULL */
    const mw_slot *small;
} finding;

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
    mw_status status = count_node(g, root, 0, err);
    const mw_bins_column *first = &g->bins->columns[0];
    const mw_slot *slots = g->histograms[root->histogram] + first->first;
    for (int32_t b = 0; b <= first->n_bins && !status; b++) { /* every row is in one bin */
        root->shown.sum.g += slots[b].g;
        root->shown.sum.hn += slots[b].hn;
    }
    return status ? status : find_splits(g, &f, 0, err);
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
            status = count_node(g, sides[i], worker, err);
        }
    }
    return status || (!f.nodes[0] && !f.nodes[1]) ? status : find_splits(g, &f, worker, err);
}
