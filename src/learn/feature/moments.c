/*
 * moments.c -- rolling mean and standard deviation.
 *
 * A part of a window is (count, sum, sum of squares) of differences to one of its own values, which cancels little whatever the values'
 * size. Parts are put together by shifting the older one to the value of the newer one. Windows in time are made of three parts (window_cells.h);
 * windows in rows are summed up from their oldest row to their newest, about the newest value.
 */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "learn/feature/window_cells.h"

enum { MEAN, STD };

typedef struct part {
    double n, sum, squares, about;
} part;

typedef struct tail { /* about the last value of its cell */
    double sum, squares;
} tail;

typedef struct state {
    mw_cells cells;
    part whole[MW_WINDOW_CELLS]; /* by number % MW_WINDOW_CELLS */
    part middle;                 /* of the cells between the first and the current one */
    double tail_about;
} state;

static inline part add(part p, double x) {
    if (mw_isnan(x)) return p;
    if (p.n == 0) return (part){.n = 1, .about = x};
    const double d = x - p.about;
    p.n += 1;
    p.sum += d;
    p.squares += d * d;
    return p;
}

static inline part shift(part p, double about) {
    const double d = p.about - about;
    return (part){p.n, p.sum + p.n * d, p.squares + d * (2 * p.sum + p.n * d), about};
}

static inline part join(part older, part newer) {
    if (older.n == 0) return newer;
    if (newer.n == 0) return older;
    const part p = shift(older, newer.about);
    newer.n += p.n;
    newer.sum += p.sum;
    newer.squares += p.squares;
    return newer;
}

static inline void give(part p, double *mean, double *std, int32_t i) {
    const double each = p.sum / p.n; /* 0 / 0 is missing */
    if (mean) mean[i] = p.n > 0 ? p.about + each : MW_NAN;
    if (!std) return;
    const double left = p.squares - p.sum * each;
    std[i] = p.n > 1 ? mw_sqrt((left < 0 ? 0 : left) / (p.n - 1)) : MW_NAN;
}

enum { BLOCK = 64 };

/* Sums of some rows' windows, about one value; each window has a value. */
typedef struct sums {
    double n[BLOCK], sum[BLOCK], squares[BLOCK];
} sums;

#if defined(__x86_64__)

/* The first rows, four at a time; returns how many. 0 / 0 is missing. */
__attribute__((target("avx2"))) static int32_t give_fours(const sums *s, double about, int32_t n,
                                                          double *mean, double *std) {
    const __m256d one = _mm256_set1_pd(1), zero = _mm256_setzero_pd(), base = _mm256_set1_pd(about);
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d rows = _mm256_loadu_pd(s->n + i), sum = _mm256_loadu_pd(s->sum + i);
        const __m256d each = _mm256_div_pd(sum, rows);
        if (mean) _mm256_storeu_pd(mean + i, _mm256_add_pd(base, each));
        if (!std) continue;
        const __m256d left =
            _mm256_sub_pd(_mm256_loadu_pd(s->squares + i), _mm256_mul_pd(sum, each));
        const __m256d some = _mm256_max_pd(zero, left); /* NaN stays */
        _mm256_storeu_pd(std + i, _mm256_sqrt_pd(_mm256_div_pd(some, _mm256_sub_pd(rows, one))));
    }
    return i;
}

#endif

/* give() for all of them: divisions and roots some at a time where the machine has such. */
static void give_all(const sums *s, double about, int32_t n, double *mean, double *std) {
    int32_t i = 0;
#if defined(__x86_64__)
    if (n >= 4 && mw_cpu_level() >= MW_CPU_AVX2) i = give_fours(s, about, n, mean, std);
    const __m128d one = _mm_set1_pd(1), zero = _mm_setzero_pd(), base = _mm_set1_pd(about);
    for (; i + 2 <= n; i += 2) {
        const __m128d rows = _mm_loadu_pd(s->n + i), sum = _mm_loadu_pd(s->sum + i);
        const __m128d each = _mm_div_pd(sum, rows);
        if (mean) _mm_storeu_pd(mean + i, _mm_add_pd(base, each));
        if (!std) continue;
        const __m128d left = _mm_sub_pd(_mm_loadu_pd(s->squares + i), _mm_mul_pd(sum, each));
        const __m128d some = _mm_max_pd(zero, left); /* NaN stays */
        _mm_storeu_pd(std + i, _mm_sqrt_pd(_mm_div_pd(some, _mm_sub_pd(rows, one))));
    }
#endif
    for (; i < n; i++) give((part){s->n[i], s->sum[i], s->squares[i], about}, mean, std, i);
}

static part sum_up(const double *x, int32_t from, int32_t to) {
    part p = {0};
    for (int32_t i = from; i < to; i++) p = add(p, x[i]);
    return p;
}

static void sum(const void *how, void *data, int64_t cell, const mw_span *span, const double *x,
                int32_t from, int32_t to) {
    state *s = data;
    (void)how;
    (void)span;
    s->whole[cell % MW_WINDOW_CELLS] = sum_up(x, from, to);
}

static void join_cells(const void *how, void *data, int64_t from, int64_t to) {
    state *s = data;
    (void)how;
    s->middle = (part){0};
    for (int64_t c = from; c < to; c++) s->middle = join(s->middle, s->whole[c % MW_WINDOW_CELLS]);
}

/* Sums of all tails, then their counts. */
static inline tail *tails_of(const state *s) { return s->cells.tails; }

static inline int32_t *counts_of(const state *s) {
    return (int32_t *)(void *)(tails_of(s) + s->cells.room);
}

static void sum_back(const void *how, void *data, const mw_span *span, const double *x,
                     int32_t from, int32_t to) {
    state *s = data;
    part p = {0};
    (void)how;
    (void)span;
    for (int32_t i = to - from - 1; i >= 0; i--) {
        p = add(p, x[from + i]);
        tails_of(s)[i] = (tail){p.sum, p.squares};
        counts_of(s)[i] = (int32_t)p.n;
    }
    s->tail_about = p.about;
}

static inline part tail_of(const state *s, int64_t i) {
    const tail t = tails_of(s)[i];
    return (part){counts_of(s)[i], t.sum, t.squares, s->tail_about};
}

/*
 * The rows of a piece: the first cell's end, the whole cells and the current cell up to each. All is put together about the current cell's
 * first value, current + (whole + end); before it has one, whole cells and the end are joined.
 */
static void run_piece(const void *how, void *data, const mw_window_piece *piece,
                      const int32_t *starts, const mw_span *span, const double *x,
                      double *const *out) {
    state *s = data;
    double *mean = out[MEAN], *std = out[STD];
    const bool has_tail = piece->old_begin < piece->old_end;
    const int64_t at = span->first - s->cells.tail_first;
    const part nothing = {0};
    part *const cell = &s->whole[piece->cell % MW_WINDOW_CELLS];
    part current = *cell;
    (void)how;
    int32_t i = piece->begin;
    for (; i < piece->end && current.n == 0 && mw_isnan(x[i]); i++) {
        const part t = has_tail ? tail_of(s, starts[i] + at) : nothing;
        give(join(t, s->middle), mean, std, i);
    }
    if (i == piece->end) return;
    const double about = current.n > 0 ? current.about : x[i];
    const part middle = s->middle.n > 0 ? shift(s->middle, about) : s->middle;
    const double d = s->tail_about - about;
    while (i < piece->end) {
        const int32_t begin = i, end = piece->end - i < BLOCK ? piece->end : i + BLOCK;
        sums all;
        for (; i < end; i++) {
            const part t = has_tail ? tail_of(s, starts[i] + at) : nothing;
            current = add(current, x[i]);
            all.n[i - begin] = current.n + (middle.n + t.n);
            all.sum[i - begin] = current.sum + (middle.sum + (t.sum + t.n * d));
            all.squares[i - begin] =
                current.squares + (middle.squares + (t.squares + d * (2 * t.sum + t.n * d)));
        }
        give_all(&all, about, end - begin, mean ? mean + begin : NULL, std ? std + begin : NULL);
    }
    *cell = current;
}

static const mw_cells_kind kind = {.tail_bytes = sizeof(tail) + sizeof(int32_t),
                                   .sum = sum,
                                   .join = join_cells,
                                   .sum_back = sum_back,
                                   .run = run_piece};

static void push_rows(const mw_feature_node *node, const mw_span *span, const double *x,
                      double *mean, double *std) {
    for (int32_t i = 0; i < span->n; i++) {
        int32_t n;
        part p = {0};
        if (mw_span_rows(span, node->args.rows, i, &n)) {
            int32_t newest = i;
            while (newest > i - n + 1 && mw_isnan(x[newest])) newest--;
            p.about = x[newest];
            for (int32_t j = i - n + 1; j <= newest; j++) {
                if (mw_isnan(x[j])) continue;
                const double d = x[j] - p.about;
                p.n += 1;
                p.sum += d;
                p.squares += d * d;
            }
        }
        give(p, mean, std, i);
    }
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    if (node->window >= 0)
        return mw_cells_push(&kind, &span->windows[node->window], data, span, in[0], out, mem, err);
    push_rows(node, span, in[0], out[MEAN], out[STD]);
    return MW_OK;
}

const mw_kernel mw_kernel_moments = {.name = "moments",
                                     .state_bytes = sizeof(state),
                                     .from_past = true,
                                     .windowed = true,
                                     .looks_back = true,
                                     .push = push,
                                     .done = mw_cells_done};
