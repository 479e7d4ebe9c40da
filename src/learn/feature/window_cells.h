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

/* What a kernel has summed up of a window's cells. Zeroed: nothing. */
typedef struct mw_cells {
    int64_t cell, old_cell; /* of the piece before */
    int64_t
        tail_cell; /* whose rows have been summed up from its end backward, down to row number tail_first */
    int64_t tail_first;
} mw_cells;

/* What there is to do before a piece: begin anew from the past; close the cell that was current; put whole cells together again; sum up
 * the first cell's rows, from old_begin to old_end, backward. */
typedef struct mw_cells_todo {
    bool all, close, middle, tail;
} mw_cells_todo;

mw_cells_todo mw_cells_advance(mw_cells *cells, const mw_window_piece *piece, int64_t first);

#endif
