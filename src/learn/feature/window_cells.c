/*
 * window_cells.c -- cells of time, pieces of rows, beginnings of windows.
 */
#include "learn/feature/window_cells.h"

#include <string.h>

static int64_t cell_width(int64_t width_us) {
    return (width_us + MW_WINDOW_PARTS - 1) / MW_WINDOW_PARTS;
}

static int64_t end_of_cell(int64_t time, int64_t width) {
    int64_t into = time % width;
    return time - (into < 0 ? into + width : into) + width;
}

/* Takes in the row of that number and time; row is its place from times on. Returns whether it begins a cell. */
static bool enter(mw_window_state *s, int64_t width, int64_t time, int64_t number) {
    if (s->cell > 0 && time < s->cell_end) return false;
    s->cell_end = end_of_cell(time, width);
    s->cell++;
    s->cell_first[s->cell % MW_WINDOW_CELLS] = number;
    if (s->cell == 1) s->old_cell = 1;
    return true;
}

/* The window's beginning moves on to the first row after its time; returns whether it came into another cell. */
static bool leave(mw_window_state *s, int64_t width_us, const int64_t *times, int32_t row,
                  int64_t first) {
    const int64_t after = times[row] - width_us;
    while (times[s->start - first] <= after) s->start++;
    const int64_t before = s->old_cell;
    while (s->old_cell < s->cell && s->start >= s->cell_first[(s->old_cell + 1) % MW_WINDOW_CELLS])
        s->old_cell++;
    return s->old_cell != before;
}

void mw_window_resume(mw_window_state *state, int64_t width_us, const int64_t *times, int32_t past,
                      int64_t first) {
    const int64_t width = cell_width(width_us);
    *state = (mw_window_state){.start = first - past};
    for (int32_t i = -past; i < 0; i++) {
        (void)enter(state, width, times[i], first + i);
        (void)leave(state, width_us, times, i, first);
    }
}

void mw_window_push(mw_window_state *state, int64_t width_us, const int64_t *times, int32_t n,
                    int64_t first, mw_window_room room, mw_window_rows *ret) {
    const int64_t width = cell_width(width_us);
    mw_window_state s = *state;
    int32_t n_pieces = 0;
    *ret = (mw_window_rows){.starts = room.starts, .pieces = room.pieces};
    for (int32_t i = 0; i < n; i++) {
        const bool new_cell = enter(&s, width, times[i], first + i);
        const bool new_old = leave(&s, width_us, times, i, first);
        room.starts[i] = (int32_t)(s.start - first);
        if (new_cell || new_old || i == 0) {
            mw_window_piece *piece = &room.pieces[n_pieces++];
            *piece = (mw_window_piece){.begin = i,
                                       .old_begin = room.starts[i],
                                       .old_end = room.starts[i],
                                       .old_cell = s.old_cell,
                                       .cell = s.cell};
            if (s.old_cell < s.cell)
                piece->old_end =
                    (int32_t)(s.cell_first[(s.old_cell + 1) % MW_WINDOW_CELLS] - first);
        }
        room.pieces[n_pieces - 1].end = i + 1;
        if (i == 0) memcpy(ret->cell_first, s.cell_first, sizeof s.cell_first);
    }
    ret->n_pieces = n_pieces;
    *state = s;
}

mw_status mw_cells_make_room(mw_cells *cells, int32_t n, size_t bytes, mw_mem *mem, mw_err *err) {
    if (n <= cells->room) return MW_OK;
    const int32_t room = n + n / 8 + 2;
    void *more = mw_alloc_array(mem, (size_t)room, bytes);
    if (!more) return mw_fail_nomem(err, "a rolling window");
    mw_free(cells->tails);
    cells->tails = more;
    cells->room = room;
    return MW_OK;
}

void mw_cells_done(void *state) { mw_free(((mw_cells *)state)->tails); }
