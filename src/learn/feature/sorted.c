/*
 * sorted.c -- rolling median, quantile and distance from the median: the window's values in order, one taken out and one put in a row.
 *
 * The values in a window and nothing else decide what comes out. A quantile lies between its two neighbors in proportion
 * (type 7 of Hyndman and Fan 1996; numpy's and pandas' default).
 */
#include <string.h>

#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { MEDIAN, QUANTILE, DEVIATION, DISTANCE };

typedef struct state {
    bool begun;
    int64_t start, end; /* numbers of the rows whose values are in */
    double *values;     /* [room] n of them, ascending */
    int32_t n, room;
} state;

/* How many values are less than x. */
static int32_t place(const state *s, double x) {
    int32_t low = 0, n = s->n;
    while (n > 0) {
        const int32_t half = n / 2;
        const bool right = s->values[low + half] < x;
        low = right ? low + half + 1 : low;
        n = right ? n - half - 1 : half;
    }
    return low;
}

static mw_status put(state *s, double x, mw_mem *mem, mw_err *err) {
    if (mw_isnan(x)) return MW_OK;
    if (s->n == s->room) {
        const int32_t room = s->room + s->room / 2 + 8;
        double *more = mw_realloc(mem, s->values, (size_t)room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "a rolling window");
        s->values = more;
        s->room = room;
    }
    const int32_t at = place(s, x);
    memmove(s->values + at + 1, s->values + at, (size_t)(s->n - at) * sizeof *s->values);
    s->values[at] = x;
    s->n++;
    return MW_OK;
}

static void take(state *s, double x) {
    if (mw_isnan(x)) return;
    const int32_t at = place(s, x);
    s->n--;
    memmove(s->values + at, s->values + at + 1, (size_t)(s->n - at) * sizeof *s->values);
}

/* One value out and one in: those between move by one place. */
static mw_status replace(state *s, double out, double in, mw_mem *mem, mw_err *err) {
    if (mw_isnan(out) || mw_isnan(in)) {
        take(s, out);
        return put(s, in, mem, err);
    }
    int32_t from = place(s, out);
    double *v = s->values;
    for (; from + 1 < s->n && v[from + 1] < in; from++) v[from] = v[from + 1];
    for (; from > 0 && v[from - 1] > in; from--) v[from] = v[from - 1];
    v[from] = in;
    return MW_OK;
}

static double quantile(const state *s, double p) {
    if (s->n == 0) return MW_NAN;
    const double at = p * (s->n - 1);
    const int32_t below = (int32_t)at;
    const double rest = at - below;
    const double low = s->values[below];
    return rest > 0 ? low + (s->values[below + 1] - low) * rest : low;
}

/*
 * The k-th smallest distance (from 0) to m, `middle` values being below it: distances grow on both sides of it, and the k + 1
 * smallest are so many on the left and the rest on the right.
 */
static double nearest(const state *s, double m, int32_t middle, int32_t k) {
    const double *below = s->values + middle - 1, *above = s->values + middle;
    int32_t low = k + 1 - (s->n - middle), high = k + 1 < middle ? k + 1 : middle;
    if (low < 0) low = 0;
    while (low < high) {
        const int32_t left = low + (high - low) / 2, right = k + 1 - left;
        if (m - below[-left] < above[right - 1] - m)
            low = left + 1;
        else
            high = left;
    }
    const int32_t right = k + 1 - low;
    const double a = low > 0 ? m - below[1 - low] : 0, b = right > 0 ? above[right - 1] - m : 0;
    return a > b ? a : b;
}

/* The median of the distances to the median m. */
static double deviation(const state *s, double m) {
    if (s->n == 0) return MW_NAN;
    const int32_t middle = place(s, m);
    const double high = nearest(s, m, middle, s->n / 2);
    if (s->n % 2) return high;
    const double low = nearest(s, m, middle, s->n / 2 - 1);
    return low + (high - low) / 2;
}

static void give(const state *s, const mw_feature_node *node, double x, double *const *out,
                 int32_t i) {
    const double m = quantile(s, 0.5);
    if (out[MEDIAN]) out[MEDIAN][i] = m;
    if (out[QUANTILE]) out[QUANTILE][i] = quantile(s, node->args.number);
    if (!out[DEVIATION] && !out[DISTANCE]) return;
    const double mad = deviation(s, m);
    if (out[DEVIATION]) out[DEVIATION][i] = mad;
    if (out[DISTANCE]) out[DISTANCE][i] = mad > 0 ? (x - m) / mad : x == m ? 0 : MW_NAN;
}

/* The window becomes rows `from` to `to`; x [r - first] is row number r. */
static mw_status move(state *s, const double *x, int64_t first, int64_t from, int64_t to,
                      mw_mem *mem, mw_err *err) {
    mw_status status = MW_OK;
    if (from == s->start + 1 && to == s->end + 1 && s->start < s->end) {
        status = replace(s, x[s->start - first], x[s->end - first], mem, err);
    } else {
        for (int64_t r = s->start; r < from && r < s->end; r++) take(s, x[r - first]);
        for (int64_t r = s->end > from ? s->end : from; r < to && !status; r++)
            status = put(s, x[r - first], mem, err);
    }
    s->start = from;
    s->end = to;
    return status;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    state *s = data;
    const double *x = in[0];
    mw_status status = MW_OK;
    for (int32_t i = 0; i < span->n && !status; i++) {
        int32_t n = 0;
        bool whole = true;
        int64_t from;
        if (node->window >= 0) {
            from = span->first + span->windows[node->window].starts[i];
        } else {
            whole = mw_span_rows(span, node->args.rows, i, &n);
            from = span->first + i + 1 - n;
        }
        if (!s->begun)
            *s = (state){
                .begun = true, .start = from, .end = from, .values = s->values, .room = s->room};
        status = move(s, x, span->first, from, span->first + i + 1, mem, err);
        if (status) break;
        if (whole)
            give(s, node, x[i], out, i);
        else
            for (int k = 0; k < MW_NODE_OUTPUTS; k++)
                if (out[k]) out[k][i] = MW_NAN;
    }
    return status;
}

static void done(void *data) {
    state *s = data;
    mw_free(s->values);
}

const mw_kernel mw_kernel_sorted = {.name = "sorted",
                                    .state_bytes = sizeof(state),
                                    .from_past = true,
                                    .windowed = true,
                                    .looks_back = true,
                                    .push = push,
                                    .done = done};
