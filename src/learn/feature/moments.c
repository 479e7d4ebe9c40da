/*
 * moments.c -- rolling mean and standard deviation.
 *
 * A part of a window is (count, sum, sum of squares) of differences to one of its own values, which cancels little whatever the values'
 * size. Parts are put together by shifting the older one to the value of the newer one. Windows in time are made of three parts (window_cells.h);
 * windows in rows are summed up from their oldest row to their newest, about the newest value.
 */
#include <string.h>

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
    part current;                /* of the current cell's rows so far */
    part middle;                 /* whole cells between the first and the current one */
    part whole[MW_WINDOW_CELLS]; /* by number % 8 */
    double tail_about;
    tail *tails;     /* [room] sums of row tail_first + i and all after it in the cell */
    int32_t *counts; /* [room] of the same; in the same memory */
    int32_t room;
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

static mw_status fill_tail(state *s, const double *x, int32_t from, int32_t to, mw_mem *mem,
                           mw_err *err) {
    const int32_t n = to - from;
    if (n > s->room) {
        const int32_t room = n + n / 8 + 2;
        tail *more = mw_alloc_array(mem, (size_t)room, sizeof *s->tails + sizeof *s->counts);
        if (!more) return mw_fail_nomem(err, "a rolling window");
        mw_free(s->tails);
        s->tails = more;
        s->counts = (int32_t *)(void *)(more + room);
        s->room = room;
    }
    part p = {0};
    for (int32_t i = n - 1; i >= 0; i--) {
        p = add(p, x[from + i]);
        s->tails[i] = (tail){p.sum, p.squares};
        s->counts[i] = (int32_t)p.n;
    }
    s->tail_about = p.about;
    return MW_OK;
}

/* The sums of the cells that lie in the first row's window, from the past. */
static void begin(state *s, const mw_window_piece *piece, const mw_window_rows *window,
                  int64_t first, const double *x) {
    for (int64_t c = piece->old_cell + 1; c < piece->cell; c++)
        s->whole[c % MW_WINDOW_CELLS] =
            sum_up(x, (int32_t)(window->cell_first[c % MW_WINDOW_CELLS] - first),
                   (int32_t)(window->cell_first[(c + 1) % MW_WINDOW_CELLS] - first));
    s->current = sum_up(x, (int32_t)(window->cell_first[piece->cell % MW_WINDOW_CELLS] - first), 0);
}

static mw_status prepare(state *s, const mw_window_piece *piece, const mw_window_rows *window,
                         const mw_span *span, const double *x, mw_mem *mem, mw_err *err) {
    const int64_t cell = s->cells.cell;
    const mw_cells_todo todo = mw_cells_advance(&s->cells, piece, span->first);
    if (todo.all) begin(s, piece, window, span->first, x);
    if (todo.close) {
        s->whole[cell % MW_WINDOW_CELLS] = s->current;
        s->current = (part){0};
    }
    if (todo.middle) {
        s->middle = (part){0};
        for (int64_t c = piece->old_cell + 1; c < piece->cell; c++)
            s->middle = join(s->middle, s->whole[c % MW_WINDOW_CELLS]);
    }
    return todo.tail ? fill_tail(s, x, piece->old_begin, piece->old_end, mem, err) : MW_OK;
}

static inline part tail_of(const state *s, int64_t i) {
    return (part){s->counts[i], s->tails[i].sum, s->tails[i].squares, s->tail_about};
}

/*
 * The rows of a piece: the first cell's end, the whole cells and the current cell up to each. All is put together about the current cell's
 * first value, current + (whole + end); before it has one, whole cells and the end are joined.
 */
static void run_piece(state *s, const mw_window_piece *piece, const int32_t *starts, int64_t first,
                      const double *x, double *mean, double *std) {
    const bool has_tail = piece->old_begin < piece->old_end;
    const int64_t at = first - s->cells.tail_first;
    const part nothing = {0};
    part current = s->current;
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
    s->current = current;
}

static mw_status push_time(const mw_feature_node *node, state *s, const mw_span *span,
                           const double *x, double *mean, double *std, mw_mem *mem, mw_err *err) {
    const mw_window_rows *window = &span->windows[node->window];
    for (int32_t k = 0; k < window->n_pieces; k++) {
        const mw_window_piece *piece = &window->pieces[k];
        mw_status status = prepare(s, piece, window, span, x, mem, err);
        if (status) return status;
        run_piece(s, piece, window->starts, span->first, x, mean, std);
    }
    return MW_OK;
}

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
    if (node->window >= 0) return push_time(node, data, span, in[0], out[MEAN], out[STD], mem, err);
    push_rows(node, span, in[0], out[MEAN], out[STD]);
    return MW_OK;
}

static void done(void *data) {
    state *s = data;
    mw_free(s->tails);
}

const mw_kernel mw_kernel_moments = {.name = "moments",
                                     .state_bytes = sizeof(state),
                                     .from_past = true,
                                     .windowed = true,
                                     .looks_back = true,
                                     .push = push,
                                     .done = done};
