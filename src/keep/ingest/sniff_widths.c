/*
 * sniff_widths.c -- see sniff.h. Byte places that are blank in every line part the columns. A column of cells that end
 * together (numbers, aligned right) begins right behind the column before it, since longer numbers grow to the left; any other
 * begins where its first cell does.
 */
#include "keep/ingest/sniff.h"

#include <string.h>

enum { LINES_MAX = 200, LINE_BYTES_MAX = 4096, LINES_MIN = 3 };

typedef struct line_grid {
    mw_str lines[LINES_MAX];
    size_t n;
    size_t width; /* of the longest line */
    bool used[LINE_BYTES_MAX];
} line_grid;

/* False when a line is too long, or holds a tab, whose width nobody knows. */
static bool take_lines(mw_str text, line_grid *grid) {
    for (size_t at = 0; at < text.size && grid->n < LINES_MAX;) {
        const char *feed = memchr(text.data + at, '\n', text.size - at);
        size_t end = feed ? (size_t)(feed - text.data) : text.size;
        mw_str line = {text.data + at, end - at};
        at = end + 1;
        while (line.size && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\r'))
            line.size--;
        if (line.size == 0) continue;
        if (line.size > LINE_BYTES_MAX || memchr(line.data, '\t', line.size)) return false;
        grid->lines[grid->n++] = line;
        if (line.size > grid->width) grid->width = line.size;
        for (size_t i = 0; i < line.size; i++)
            if (line.data[i] != ' ') grid->used[i] = true;
    }
    return grid->n >= LINES_MIN;
}

/* True when the cells in [begin, end) of nearly all lines but the first end at end - 1. */
static bool ends_together(const line_grid *grid, size_t begin, size_t end) {
    size_t n = 0, together = 0;
    for (size_t i = 1; i < grid->n; i++) {
        mw_str line = grid->lines[i];
        size_t stop = line.size < end ? line.size : end;
        while (stop > begin && line.data[stop - 1] == ' ') stop--;
        if (stop <= begin) continue;
        n++;
        together += stop == end;
    }
    return n > 0 && together == n;
}

/* One blank before a column that the first line does not name: a blank inside the cells, as in "2026-01-01 10:00:00". */
static bool is_inner(const line_grid *grid, size_t end_before, size_t begin, size_t end) {
    if (begin != end_before + 1) return false;
    mw_str first = grid->lines[0];
    for (size_t i = begin; i < end && i < first.size; i++)
        if (first.data[i] != ' ') return false;
    return true;
}

bool mw_sniff__widths(mw_str text, mw_dialect *ret) {
    line_grid grid = {.n = 0};
    if (!take_lines(text, &grid)) return false;
    size_t starts[MW_DIALECT_WIDTHS], n = 0, end_before = 0;
    for (size_t at = 0; at < grid.width;) {
        while (at < grid.width && !grid.used[at]) at++;
        if (at == grid.width) break;
        size_t end = at;
        while (end < grid.width && grid.used[end]) end++;
        if (n > 0 && is_inner(&grid, end_before, at, end)) {
            end_before = at = end;
            continue;
        }
        if (n == MW_DIALECT_WIDTHS) return false;
        starts[n] = n > 0 && ends_together(&grid, at, end) ? end_before : n > 0 ? at : 0;
        n++;
        end_before = at = end;
    }
    if (n < 2) return false;
    ret->n_widths = (uint16_t)n;
    for (size_t i = 0; i < n; i++)
        ret->widths[i] = (uint16_t)((i + 1 < n ? starts[i + 1] : grid.width) - starts[i]);
    return true;
}
