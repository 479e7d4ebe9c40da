/*
 * window_sums.h -- rolling sums of powers and products, over windows in time or in rows: what skew, kurtosis and slope share.
 *
 * What      a part of a window is a count and four sums of differences to one of its own rows (its time and its value), which cancels little
 *           whatever the size of times and values. A kernel says how a row is added, how sums move to another row, and what is
 *           made of those of a whole window.
 * Order     windows in time are made of the three parts of window_cells.h: rows of the first cell backward, about the last value in it; whole
 *           cells forward, each about its first value, then joined oldest first; the current cell forward. In the end all are about
 *           the current cell's first value, or while it has none about the newest part's. Windows in rows are summed up from their
 *           oldest row to their newest, about the newest value. So a sum depends on nothing but the rows in its window.
 * Missing   values are ignored. A window in rows that reaches across a gap has no values.
 * Speed     functions are inline, so that the compiler knows a kernel's own ones where they are called.
 */
#ifndef MW_LEARN_FEATURE_WINDOW_SUMS_H
#define MW_LEARN_FEATURE_WINDOW_SUMS_H

#include "core/base/math.h"
#include "learn/feature/window_cells.h"

enum { MW_SUMS = 4 };

typedef struct mw_sums {
    double n; /* values; 0: the rest is 0, too */
    double sum[MW_SUMS];
    double value; /* of the row that differences are to */
    int64_t time; /* its time, us */
} mw_sums;

typedef struct mw_sums_kind {
    void (*add)(mw_sums *sums, double dt, double dx);   /* a row at these differences (us) */
    void (*shift)(mw_sums *sums, double dt, double dx); /* all n rows by these differences */
    void (*give)(const mw_sums *sums, double *const *out, int32_t i);
} mw_sums_kind;

/* A kernel's state. Zeroed: nothing yet. */
typedef struct mw_sums_state {
    mw_cells cells;                 /* tails are of mw_sums */
    mw_sums whole[MW_WINDOW_CELLS]; /* by number % MW_WINDOW_CELLS */
    mw_sums middle;                 /* of the cells between the first and the current one */
} mw_sums_state;

/* ---- parts ---- */

static inline mw_sums mw_sums_add(const mw_sums_kind *kind, mw_sums p, int64_t time, double x) {
    if (mw_isnan(x)) return p;
    if (p.n == 0) {
        p.value = x;
        p.time = time;
    }
    kind->add(&p, (double)(time - p.time), x - p.value);
    p.n += 1;
    return p;
}

static inline mw_sums mw_sums_shift(const mw_sums_kind *kind, mw_sums p, const mw_sums *to) {
    kind->shift(&p, (double)(p.time - to->time), p.value - to->value);
    p.value = to->value;
    p.time = to->time;
    return p;
}

/* Both about the same row, or q without a value. */
static inline mw_sums mw_sums_plus(mw_sums p, mw_sums q) {
    p.n += q.n;
    p.sum[0] += q.sum[0]; /* no loop: they then stay in registers */
    p.sum[1] += q.sum[1];
    p.sum[2] += q.sum[2];
    p.sum[3] += q.sum[3];
    return p;
}

static inline mw_sums mw_sums_join(const mw_sums_kind *kind, mw_sums older, mw_sums newer) {
    if (older.n == 0) return newer;
    if (newer.n == 0) return older;
    return mw_sums_plus(mw_sums_shift(kind, older, &newer), newer);
}

static inline mw_sums mw_sums_over(const mw_sums_kind *kind, const int64_t *times, const double *x,
                                   int32_t from, int32_t to) {
    mw_sums p = {0};
    for (int32_t i = from; i < to; i++) p = mw_sums_add(kind, p, times[i], x[i]);
    return p;
}

/* ---- windows in time ---- */

static inline void mw_sums_sum(const void *how, void *state, int64_t cell, const mw_span *span,
                               const double *x, int32_t from, int32_t to) {
    mw_sums_state *s = state;
    s->whole[cell % MW_WINDOW_CELLS] = mw_sums_over(how, span->times, x, from, to);
}

static inline void mw_sums_join_cells(const void *how, void *state, int64_t from, int64_t to) {
    mw_sums_state *s = state;
    s->middle = (mw_sums){0};
    for (int64_t c = from; c < to; c++)
        s->middle = mw_sums_join(how, s->middle, s->whole[c % MW_WINDOW_CELLS]);
}

static inline void mw_sums_sum_back(const void *how, void *state, const mw_span *span,
                                    const double *x, int32_t from, int32_t to) {
    mw_sums_state *s = state;
    mw_sums *tails = s->cells.tails, p = {0};
    for (int32_t i = to - from - 1; i >= 0; i--)
        tails[i] = p = mw_sums_add(how, p, span->times[from + i], x[from + i]);
}

/*
 * The rows of a piece: the first cell's end, the whole cells and the current cell up to each. All is put together about the current cell's
 * first value; before it has one, the end and the whole cells are joined.
 */
static inline void mw_sums_run(const void *how, void *state, const mw_window_piece *piece,
                               const int32_t *starts, const mw_span *span, const double *x,
                               double *const *out) {
    const mw_sums_kind *kind = how;
    mw_sums_state *s = state;
    const mw_sums *tails = piece->old_begin < piece->old_end ? s->cells.tails : NULL;
    const int64_t at = span->first - s->cells.tail_first;
    mw_sums *const cell = &s->whole[piece->cell % MW_WINDOW_CELLS];
    mw_sums current = *cell, middle = s->middle;
    int32_t i = piece->begin;
    for (; i < piece->end && current.n == 0 && mw_isnan(x[i]); i++) {
        const mw_sums all = tails ? mw_sums_join(kind, tails[starts[i] + at], middle) : middle;
        kind->give(&all, out, i);
    }
    if (i == piece->end) return;
    if (current.n == 0) current = (mw_sums){.value = x[i], .time = span->times[i]};
    if (middle.n > 0) middle = mw_sums_shift(kind, middle, &current);
    for (; i < piece->end; i++) {
        current = mw_sums_add(kind, current, span->times[i], x[i]);
        mw_sums all = mw_sums_plus(current, middle);
        if (tails) all = mw_sums_plus(all, mw_sums_shift(kind, tails[starts[i] + at], &current));
        kind->give(&all, out, i);
    }
    *cell = current;
}

/* ---- windows in rows ---- */

static inline mw_sums mw_sums_last_rows(const mw_sums_kind *kind, const int64_t *times,
                                        const double *x, int32_t from, int32_t newest) {
    while (newest > from && mw_isnan(x[newest])) newest--;
    mw_sums p = {.value = x[newest], .time = times[newest]};
    for (int32_t j = from; j <= newest; j++) {
        if (mw_isnan(x[j])) continue;
        kind->add(&p, (double)(times[j] - p.time), x[j] - p.value);
        p.n += 1;
    }
    return p;
}

static inline void mw_sums_push_rows(const mw_sums_kind *kind, int64_t rows, const mw_span *span,
                                     const double *x, double *const *out) {
    for (int32_t i = 0; i < span->n; i++) {
        int32_t n;
        mw_sums p = {0};
        if (mw_span_rows(span, rows, i, &n))
            p = mw_sums_last_rows(kind, span->times, x, i - n + 1, i);
        kind->give(&p, out, i);
    }
}

/* ---- what a kernel calls ---- */

static inline mw_status mw_sums_push(const mw_sums_kind *kind, const mw_feature_node *node,
                                     void *data, const mw_span *span, const double *x,
                                     double *const *out, mw_mem *mem, mw_err *err) {
    const mw_cells_kind cells = {.how = kind,
                                 .tail_bytes = sizeof(mw_sums),
                                 .sum = mw_sums_sum,
                                 .join = mw_sums_join_cells,
                                 .sum_back = mw_sums_sum_back,
                                 .run = mw_sums_run};
    if (node->window >= 0)
        return mw_cells_push(&cells, &span->windows[node->window], data, span, x, out, mem, err);
    mw_sums_push_rows(kind, node->args.rows, span, x, out);
    return MW_OK;
}

#endif
