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
    pair current, middle;
    pair whole[MW_WINDOW_CELLS];
    pair *tails; /* [room] of row tail_first + i and all after it in the cell */
    int32_t room;
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

static mw_status fill_tail(state *s, const double *x, int32_t from, int32_t to, mw_mem *mem,
                           mw_err *err) {
    const int32_t n = to - from;
    if (n > s->room) {
        const int32_t room = n + n / 8 + 2;
        pair *more = mw_realloc(mem, s->tails, (size_t)room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "a rolling window");
        s->tails = more;
        s->room = room;
    }
    pair p = none;
    for (int32_t i = n - 1; i >= 0; i--) s->tails[i] = p = add(p, x[from + i]);
    return MW_OK;
}

static void begin(state *s, const mw_window_piece *piece, const mw_window_rows *window,
                  int64_t first, const double *x) {
    for (int64_t c = piece->old_cell + 1; c < piece->cell; c++)
        s->whole[c % MW_WINDOW_CELLS] =
            over(x, (int32_t)(window->cell_first[c % MW_WINDOW_CELLS] - first),
                 (int32_t)(window->cell_first[(c + 1) % MW_WINDOW_CELLS] - first));
    s->current = over(x, (int32_t)(window->cell_first[piece->cell % MW_WINDOW_CELLS] - first), 0);
}

static mw_status prepare(state *s, const mw_window_piece *piece, const mw_window_rows *window,
                         const mw_span *span, const double *x, mw_mem *mem, mw_err *err) {
    const int64_t cell = s->cells.cell;
    const mw_cells_todo todo = mw_cells_advance(&s->cells, piece, span->first);
    if (todo.all) begin(s, piece, window, span->first, x);
    if (todo.close) {
        s->whole[cell % MW_WINDOW_CELLS] = s->current;
        s->current = none;
    }
    if (todo.middle) {
        s->middle = none;
        for (int64_t c = piece->old_cell + 1; c < piece->cell; c++)
            s->middle = lower(s->whole[c % MW_WINDOW_CELLS], s->middle);
    }
    return todo.tail ? fill_tail(s, x, piece->old_begin, piece->old_end, mem, err) : MW_OK;
}

static void run_piece(state *s, const mw_window_piece *piece, const int32_t *starts, int64_t first,
                      const double *x, double *low, double *high) {
    const pair middle = s->middle;
    pair current = s->current;
    if (piece->old_begin == piece->old_end) {
        for (int32_t i = piece->begin; i < piece->end; i++) {
            current = add(current, x[i]);
            give(lower(middle, current), low, high, i);
        }
    } else {
        const pair *tails = s->tails;
        const int64_t at = first - s->cells.tail_first;
        for (int32_t i = piece->begin; i < piece->end; i++) {
            current = add(current, x[i]);
            give(lower(tails[starts[i] + at], lower(middle, current)), low, high, i);
        }
    }
    s->current = current;
}

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
    state *s = data;
    if (node->window < 0) {
        push_rows(node, span, in[0], out[LOW], out[HIGH]);
        return MW_OK;
    }
    const mw_window_rows *window = &span->windows[node->window];
    for (int32_t k = 0; k < window->n_pieces; k++) {
        const mw_window_piece *piece = &window->pieces[k];
        mw_status status = prepare(s, piece, window, span, in[0], mem, err);
        if (status) return status;
        run_piece(s, piece, window->starts, span->first, in[0], out[LOW], out[HIGH]);
    }
    return MW_OK;
}

static void done(void *data) {
    state *s = data;
    mw_free(s->tails);
}

const mw_kernel mw_kernel_extremes = {.name = "extremes",
                                      .state_bytes = sizeof(state),
                                      .from_past = true,
                                      .windowed = true,
                                      .looks_back = true,
                                      .push = push,
                                      .done = done};
