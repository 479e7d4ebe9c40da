/*
 * crossings.c -- how often the values of a window go from one side of a level to the other.
 *
 * A value above the level is on one side, one below it on the other, and one equal to it on the side of the value before it in the window; those that
 * begin a window at the level are on none. Each value with a side that differs from the one before it counts: so going to the level and
 * back is no crossing, and going through it is one, at the row that leaves it. Missing values are ignored; a window without any value is missing, and
 * so is one in rows that reaches across a gap. Across a gap in a window of time, a change of sides counts.
 *
 * The count goes up when a value comes and down when the first one with a side leaves and the next one is on the other side. Whole numbers
 * only: rows that left leave no trace, and the count depends on nothing but the rows in the window.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

typedef struct state {
    bool begun;
    int last_side;         /* of the window's newest value off the level; 0: none */
    int64_t start, end;    /* numbers of the window's rows */
    int64_t first;         /* of the first value off the level; end: none */
    int64_t values, count; /* in the window */
} state;

static int side(double x, double level) { return (x > level) - (x < level); }

static void enter(state *s, double x, double level) {
    const int now = side(x, level);
    if (s->first == s->end && now == 0) s->first++;
    s->end++;
    s->values += !mw_isnan(x);
    if (now == 0) return;
    s->count += s->last_side == -now;
    s->last_side = now;
}

/* x [r - first] is row number r. */
static void leave(state *s, const double *x, int64_t first, double level) {
    const int64_t row = s->start++;
    s->values -= !mw_isnan(x[row - first]);
    if (row < s->first) return;
    const int old = side(x[row - first], level);
    do s->first++;
    while (s->first < s->end && side(x[s->first - first], level) == 0);
    if (s->first == s->end)
        s->last_side = 0;
    else
        s->count -= side(x[s->first - first], level) == -old;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)mem;
    (void)err;
    state *s = data;
    const double *x = in[0], level = node->args.number;
    for (int32_t i = 0; i < span->n; i++) {
        const int64_t end = span->first + i + 1;
        int32_t n;
        bool whole = true;
        if (node->window >= 0)
            n = i + 1 - span->windows[node->window].starts[i];
        else
            whole = mw_span_rows(span, node->args.rows, i, &n);
        const int64_t start = end - n;
        if (!s->begun) *s = (state){.begun = true, .start = start, .end = start, .first = start};
        while (s->end < end) enter(s, x[s->end - span->first], level);
        while (s->start < start) leave(s, x, span->first, level);
        out[0][i] = whole && s->values > 0 ? (double)s->count : MW_NAN;
    }
    return MW_OK;
}

const mw_kernel mw_kernel_crossings = {.name = "crossings",
                                       .state_bytes = sizeof(state),
                                       .from_past = true,
                                       .windowed = true,
                                       .looks_back = true,
                                       .push = push};
