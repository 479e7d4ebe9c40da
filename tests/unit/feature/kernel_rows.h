/*
 * kernel_rows.h -- one kernel by itself over the rows of a device, pushed in pieces of any length, with restarts: tests see its doubles.
 *
 * Gaps are intervals of more than ten sampling intervals, as in device.c.
 */
#ifndef MW_TESTS_UNIT_FEATURE_KERNEL_ROWS_H
#define MW_TESTS_UNIT_FEATURE_KERNEL_ROWS_H

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/feature/window_cells.h"
#include "support/harness.h"

enum { KERNEL_ROWS = 500 };

typedef struct kernel_rows {
    int32_t n;
    int64_t sampling_us;
    int64_t times[KERNEL_ROWS];
    double x[KERNEL_ROWS];
} kernel_rows;

typedef struct kernel_result {
    double out[MW_NODE_OUTPUTS][KERNEL_ROWS];
} kernel_result;

static inline int64_t kernel_gap(const kernel_rows *rows) { return 10 * rows->sampling_us; }

/* About ten seconds from row to row, with some gaps; a tenth of the values are missing, now and then many in a row. */
static inline void kernel_rows_make(kernel_rows *rows, uint64_t stream, double level,
                                    double scale) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), stream, 0);
    *rows = (kernel_rows){.n = KERNEL_ROWS, .sampling_us = 10000000};
    int64_t time =
        INT64_C(1700000000000000) - (int64_t)mw_rng_below(&rng, UINT64_C(4000000000000000));
    uint64_t missing = 0;
    for (int32_t i = 0; i < rows->n; i++) {
        const bool gap = mw_rng_below(&rng, 90) == 0;
        time += gap ? 200000000 + (int64_t)mw_rng_below(&rng, 300000000)
                    : 1 + (int64_t)mw_rng_below(&rng, 20000000);
        if (missing == 0 && mw_rng_below(&rng, 12) == 0)
            missing = mw_rng_below(&rng, 20) == 0 ? 40 : 1;
        rows->times[i] = time;
        rows->x[i] = missing > 0 ? MW_NAN : level + scale * mw_rng_normal(&rng);
        missing -= missing > 0;
    }
}

/* Values become multiples of a number: many are equal. */
static inline void kernel_rows_round(kernel_rows *rows, double to) {
    for (int32_t i = 0; i < rows->n; i++)
        if (!mw_isnan(rows->x[i])) rows->x[i] = mw_floor(rows->x[i] / to) * to;
}

typedef struct kernel_device {
    const kernel_rows *rows;
    const mw_feature_node *node;
    mw_window_state windows;
    char *state;
    int32_t run[KERNEL_ROWS];
    int64_t gap[KERNEL_ROWS];
} kernel_device;

/* As device_saved.c has it: what the past holds is found there again, the rest is its bytes. */
static inline void kernel_restart(kernel_device *d, int32_t first) {
    const mw_kernel *kernel = d->node->kernel;
    char *state = mw_calloc(NULL, 1, kernel->state_bytes + 1);
    assert_non_null(state);
    if (!kernel->from_past) memcpy(state, d->state, kernel->state_bytes);
    if (kernel->done) kernel->done(d->state);
    mw_free(d->state);
    d->state = state;
    if (d->node->window < 0) return;
    const int64_t *times = d->rows->times;
    int32_t past = 1;
    while (past < first && times[first - past] > times[first - 1] - d->node->args.us) past++;
    mw_window_resume(&d->windows, d->node->args.us, times + first, past, first);
}

static inline void kernel_push(kernel_device *d, int32_t first, int32_t n, kernel_result *ret) {
    static int32_t starts[KERNEL_ROWS];
    static mw_window_piece pieces[KERNEL_ROWS];
    const kernel_rows *rows = d->rows;
    mw_window_rows windows = {0};
    mw_err err = {0};
    if (d->node->window >= 0)
        mw_window_push(&d->windows, d->node->args.us, rows->times + first, n, first,
                       (mw_window_room){starts, pieces}, &windows);
    const mw_span span = {.n = n,
                          .past = first,
                          .first = first,
                          .times = rows->times + first,
                          .run = d->run + first,
                          .gap = d->gap + first,
                          .windows = &windows};
    const double *in[MW_NODE_INPUTS] = {rows->x + first};
    double *out[MW_NODE_OUTPUTS];
    for (int k = 0; k < MW_NODE_OUTPUTS; k++) out[k] = ret->out[k] + first;
    assert_ok(d->node->kernel->push(d->node, d->state, &span, in, out, NULL, &err));
}

/* Pushes of `step` rows (0: any number up to 40), a restart after each `restart` of them (0: never). */
static inline void kernel_run(const mw_kernel *kernel, mw_feature_args args,
                              const kernel_rows *rows, int32_t step, int32_t restart,
                              kernel_result *ret) {
    const mw_feature_node node = {.kernel = kernel,
                                  .args = args,
                                  .window = kernel->windowed && args.us > 0 ? 0 : -1,
                                  .n_inputs = 1};
    kernel_device d = {.rows = rows, .node = &node};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 99, 0);
    memset(ret, 0x55, sizeof *ret);
    d.state = mw_calloc(NULL, 1, kernel->state_bytes + 1);
    assert_non_null(d.state);
    for (int32_t i = 0; i < rows->n; i++) {
        d.gap[i] = kernel_gap(rows);
        d.run[i] = i > 0 && rows->times[i] - rows->times[i - 1] <= d.gap[i] ? d.run[i - 1] + 1 : 0;
    }
    int32_t pushes = 0;
    for (int32_t first = 0, n; first < rows->n; first += n, pushes++) {
        n = step > 0 ? step : 1 + (int32_t)mw_rng_below(&rng, 40);
        if (n > rows->n - first) n = rows->n - first;
        if (restart > 0 && pushes > 0 && pushes % restart == 0) kernel_restart(&d, first);
        kernel_push(&d, first, n, ret);
    }
    if (kernel->done) kernel->done(d.state);
    mw_free(d.state);
}

static inline void assert_same_bits(const kernel_result *got, const kernel_result *want,
                                    int32_t from, const char *what) {
    for (int k = 0; k < MW_NODE_OUTPUTS; k++)
        for (int32_t i = from; i < KERNEL_ROWS; i++)
            if (memcmp(&got->out[k][i], &want->out[k][i], sizeof(double)) != 0)
                fail_msg("%s: output %d, row %d: %.17g, want %.17g", what, k, (int)i,
                         got->out[k][i], want->out[k][i]);
}

/* However rows are cut and wherever it starts again: the bits of all rows at once. */
static inline void assert_any_cut(const mw_kernel *kernel, mw_feature_args args,
                                  const kernel_rows *rows) {
    static kernel_result whole, cut;
    kernel_run(kernel, args, rows, rows->n, 0, &whole);
    kernel_run(kernel, args, rows, 1, 0, &cut);
    assert_same_bits(&cut, &whole, 0, "one row at a time");
    kernel_run(kernel, args, rows, 0, 0, &cut);
    assert_same_bits(&cut, &whole, 0, "some rows at a time");
    kernel_run(kernel, args, rows, 1, 1, &cut);
    assert_same_bits(&cut, &whole, 0, "a restart before each row");
    kernel_run(kernel, args, rows, 0, 2, &cut);
    assert_same_bits(&cut, &whole, 0, "restarts");
}

static inline void assert_close(double got, double want, double tolerance, int32_t row,
                                const char *what) {
    if (mw_isnan(got) && mw_isnan(want)) return;
    if (!(mw_abs(got - want) <= tolerance))
        fail_msg("%s, row %d: %.17g, want %.17g", what, (int)row, got, want);
}

/* First row of the window of row i; -1: it is one in rows that reaches across a gap. */
static inline int32_t plain_start(const kernel_rows *rows, mw_feature_args args, int32_t i) {
    int32_t start = i;
    if (args.us > 0) {
        while (start > 0 && rows->times[start - 1] > rows->times[i] - args.us) start--;
        return start;
    }
    while (start > 0 && start > i + 1 - args.rows) {
        if (rows->times[start] - rows->times[start - 1] > kernel_gap(rows)) return -1;
        start--;
    }
    return start;
}

#endif
