/*
 * window_cells.h -- where the windows (t - width, t] of a device's rows begin, and how their sums are put together.
 *
 * What      time is cut into cells a quarter of the width long, beginning at multiples of it since 1970. A window is the last rows of its first
 *           cell, some whole cells, and the rows of the current cell up to its own: what is summed up over the first part from the cell's end backward, over
 *           whole cells once, and over the last part forward makes each row's sum with a few additions, and the sum depends on nothing
 *           but the rows inside the window: nothing that left it stays in the last bits.
 * Pieces    rows whose windows begin in the same cell and end in the same cell: kernels go piece by piece.
 * Source    two-part sliding windows after van Herk (1992) and Gil and Werman (1993), with cells anchored in time.
 */
#ifndef MW_LEARN_FEATURE_WINDOW_CELLS_H
#define MW_LEARN_FEATURE_WINDOW_CELLS_H

#include "learn/feature/operator.h"

enum { MW_WINDOW_PARTS = 4 };

/* Of one window of one device. Zeroed: no row yet, or a restart whose past is to be gone through (mw_window_resume). */
typedef struct mw_window_state {
    int64_t start; /* number of the last window's first row */
    int64_t cell,
        old_cell; /* numbers of the current cell and of that in which the last window begins; 0 before the first row */
    int64_t cell_end; /* us */
    int64_t cell_first[MW_WINDOW_CELLS];
} mw_window_state;

/* Room for the windows of n rows. */
typedef struct mw_window_room {
    int32_t *starts;         /* [n] */
    mw_window_piece *pieces; /* [n] */
} mw_window_room;

/* The state after the past rows [-past, 0) of times, numbered from first - past on. */
void mw_window_resume(mw_window_state *state, int64_t width_us, const int64_t *times, int32_t past,
                      int64_t first);

/* The next n rows of times, of which row 0 has the number first; times [-past] are those of before. */
void mw_window_push(mw_window_state *state, int64_t width_us, const int64_t *times, int32_t n,
                    int64_t first, mw_window_room room, mw_window_rows *ret);

/*
 * What a kernel has summed up of a window's cells; its state begins with it. Zeroed: nothing. Beside it the state has the parts of cells by number %
 * MW_WINDOW_CELLS, the current one's among them, and of all cells between the first and the current one together.
 */
typedef struct mw_cells {
    int64_t cell, old_cell; /* of the piece before */
    int64_t tail_cell;      /* the first cell, whose rows are in `tails` */
    int64_t tail_first;     /* number of the first one there */
    void *tails;            /* [room] of row tail_first + i and all after it in its cell; owned */
    int32_t room;
} mw_cells;

/* What a kernel makes of them; `how` is its own, and x are the numbers that windows are of. */
typedef struct mw_cells_kind {
    const void *how;
    size_t tail_bytes; /* of a row */
    /* Rows [from, to) forward into a cell's part; without rows the part is empty. */
    void (*sum)(const void *how, void *state, int64_t cell, const mw_span *span, const double *x,
                int32_t from, int32_t to);
    /* Cells [from, to), oldest first, into one part. */
    void (*join)(const void *how, void *state, int64_t from, int64_t to);
    /* Rows [from, to) backward into `tails`, that of `from` at 0. */
    void (*sum_back)(const void *how, void *state, const mw_span *span, const double *x,
                     int32_t from, int32_t to);
    /* The rows of a piece, for which all is there. */
    void (*run)(const void *how, void *state, const mw_window_piece *piece, const int32_t *starts,
                const mw_span *span, const double *x, double *const *out);
} mw_cells_kind;

/* Room for the tails of n rows, whose old content is lost. */
mw_status mw_cells_make_room(mw_cells *cells, int32_t n, size_t bytes, mw_mem *mem, mw_err *err);
void mw_cells_done(void *state); /* mw_kernel.done of such a state */

/* The cells that lie in the first row's window, from the past: after a restart, or at the first row. */
static inline __attribute__((always_inline)) void
mw_cells_begin(const mw_cells_kind *kind, void *state, const mw_window_piece *piece,
               const mw_window_rows *window, const mw_span *span, const double *x) {
    const int64_t *first = window->cell_first;
    for (int64_t c = piece->old_cell + (piece->old_cell < piece->cell); c <= piece->cell; c++) {
        const int64_t end = c < piece->cell ? first[(c + 1) % MW_WINDOW_CELLS] : span->first;
        kind->sum(kind->how, state, c, span, x, (int32_t)(first[c % MW_WINDOW_CELLS] - span->first),
                  (int32_t)(end - span->first));
    }
}

/* All of a push to a node with a window in time. Inline, so that the compiler knows a kernel's own functions where they are called. */
static inline __attribute__((always_inline)) mw_status
mw_cells_push(const mw_cells_kind *kind, const mw_window_rows *window, void *state,
              const mw_span *span, const double *x, double *const *out, mw_mem *mem, mw_err *err) {
    mw_cells *cells = state;
    for (int32_t k = 0; k < window->n_pieces; k++) {
        const mw_window_piece *piece = &window->pieces[k];
        const bool moved = cells->cell != piece->cell || cells->old_cell != piece->old_cell;
        if (cells->cell == 0)
            mw_cells_begin(kind, state, piece, window, span, x);
        else if (cells->cell != piece->cell)
            kind->sum(kind->how, state, piece->cell, span, x, 0, 0);
        cells->cell = piece->cell;
        cells->old_cell = piece->old_cell;
        if (moved) kind->join(kind->how, state, piece->old_cell + 1, piece->cell);
        if (piece->old_begin < piece->old_end && cells->tail_cell != piece->old_cell) {
            mw_status status = mw_cells_make_room(cells, piece->old_end - piece->old_begin,
                                                  kind->tail_bytes, mem, err);
            if (status) return status;
            cells->tail_cell = piece->old_cell;
            cells->tail_first = span->first + piece->old_begin;
            kind->sum_back(kind->how, state, span, x, piece->old_begin, piece->old_end);
        }
        kind->run(kind->how, state, piece, window->starts, span, x, out);
    }
    return MW_OK;
}

#endif
