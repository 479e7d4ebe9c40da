/*
 * extremes.c -- rolling minimum and maximum: window_cells.h's three parts in time; all rows of the window in rows.
 */
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "core/base/math.h"
#include "learn/feature/window_cells.h"

enum { LOW, HIGH };

/* The smallest value, and the smallest of the negated ones: both by one instruction. Infinite: no value. */
typedef double pair __attribute__((vector_size(16)));

typedef struct state {
    mw_cells cells;
    pair whole[MW_WINDOW_CELLS]; /* by number % MW_WINDOW_CELLS */
    pair middle;                 /* of the cells between the first and the current one */
} state;

static const pair none = {MW_INFINITY, MW_INFINITY};

/* The smaller of each; where a is missing, b. */
static inline pair lower(pair a, pair b) {
#if defined(__x86_64__)
    return _mm_min_pd(a, b);
#else
    return (pair){a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]};
#endif
}

static inline pair add(pair p, double x) { return lower((pair){x, -x}, p); }

static inline void give(pair p, double *low, double *high, int32_t i) {
    const bool has = p[0] <= -p[1];
    if (low) low[i] = has ? p[0] : MW_NAN;
    if (high) high[i] = has ? -p[1] : MW_NAN;
}

static pair over(const double *x, int32_t from, int32_t to) {
    pair p = none;
    for (int32_t i = from; i < to; i++) p = add(p, x[i]);
    return p;
}

static void sum(const void *how, void *data, int64_t cell, const mw_span *span, const double *x,
                int32_t from, int32_t to) {
    state *s = data;
    (void)how;
    (void)span;
    s->whole[cell % MW_WINDOW_CELLS] = over(x, from, to);
}

static void join_cells(const void *how, void *data, int64_t from, int64_t to) {
    state *s = data;
    (void)how;
    s->middle = none;
    for (int64_t c = from; c < to; c++) s->middle = lower(s->whole[c % MW_WINDOW_CELLS], s->middle);
}

static void sum_back(const void *how, void *data, const mw_span *span, const double *x,
                     int32_t from, int32_t to) {
    state *s = data;
    pair *tails = s->cells.tails, p = none;
    (void)how;
    (void)span;
    for (int32_t i = to - from - 1; i >= 0; i--) tails[i] = p = add(p, x[from + i]);
}

static void run_piece(const void *how, void *data, const mw_window_piece *piece,
                      const int32_t *starts, const mw_span *span, const double *x,
                      double *const *out) {
    state *s = data;
    double *low = out[LOW], *high = out[HIGH];
    const pair middle = s->middle, *tails = s->cells.tails;
    pair *const cell = &s->whole[piece->cell % MW_WINDOW_CELLS];
    pair current = *cell;
    (void)how;
    if (piece->old_begin == piece->old_end) {
        for (int32_t i = piece->begin; i < piece->end; i++) {
            current = add(current, x[i]);
            give(lower(middle, current), low, high, i);
        }
    } else {
        const int64_t at = span->first - s->cells.tail_first;
        for (int32_t i = piece->begin; i < piece->end; i++) {
            current = add(current, x[i]);
            give(lower(tails[starts[i] + at], lower(middle, current)), low, high, i);
        }
    }
    *cell = current;
}

static const mw_cells_kind kind = {.tail_bytes = sizeof(pair),
                                   .sum = sum,
                                   .join = join_cells,
                                   .sum_back = sum_back,
                                   .run = run_piece};

static void push_rows(const mw_feature_node *node, const mw_span *span, const double *x,
                      double *low, double *high) {
    for (int32_t i = 0; i < span->n; i++) {
        int32_t n;
        const bool whole = mw_span_rows(span, node->args.rows, i, &n);
        give(whole ? over(x, i - n + 1, i + 1) : none, low, high, i);
    }
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    if (node->window >= 0)
        return mw_cells_push(&kind, &span->windows[node->window], data, span, in[0], out, mem, err);
    push_rows(node, span, in[0], out[LOW], out[HIGH]);
    return MW_OK;
}

const mw_kernel mw_kernel_extremes = {.name = "extremes",
                                      .state_bytes = sizeof(state),
                                      .from_past = true,
                                      .windowed = true,
                                      .looks_back = true,
                                      .push = push,
                                      .done = mw_cells_done};
