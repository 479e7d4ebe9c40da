/*
 * operator.h -- feature operators: state machines over the rows of one device, in the order of their times.
 *
 * What      an operator is a line of mw_operators: what people call it, what it takes, and the kernel that computes it. Operators of one
 *           kernel over the same input and window (mean and standard deviation) share a node, that is one state and one pass.
 * Push      a kernel is handed the next rows of a device and writes as many numbers for each of its outputs. How rows are cut into pushes
 *           must not show in any bit; one row at a time is the stream, thousands are the batch.
 * Past      in[k][-j] is the input of j rows before, for as long as the program's windows reach. What a kernel can find there again
 *           is a cache: kernels whose state is only that have `from_past`, and begin with zeroed state after a restart.
 * Missing   is NaN, of inputs and outputs; no input is infinite.
 */
#ifndef MW_LEARN_FEATURE_OPERATOR_H
#define MW_LEARN_FEATURE_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/status.h"
#include "core/text/zone.h"
#include "learn/feature/conditions.h"

/* A stretch of rows whose windows begin in one cell of time and end in another one (window_cells.h). */
typedef struct mw_window_piece {
    int32_t begin, end; /* rows of the span */
    int32_t old_begin,
        old_end; /* rows from the first window's beginning to the end of its cell; equal when that cell is the last one, too */
    int64_t old_cell, cell; /* numbers of non-empty cells, in turn */
} mw_window_piece;

enum { MW_WINDOW_CELLS = 8 };

typedef struct mw_window_rows {
    const int32_t *
        starts; /* [n] first row of each row's window, from this span's first on: 0 or negative in most */
    const mw_window_piece *pieces; /* [n_pieces] */
    int32_t n_pieces;
    int64_t cell_first
        [MW_WINDOW_CELLS]; /* number of the first row of cell c at c % 8, as far as the first row's window reaches */
} mw_window_rows;

typedef struct mw_span {
    int32_t n;
    int32_t past;         /* rows before these that are still there */
    int64_t first;        /* row 0's number among all rows of the device */
    const int64_t *times; /* [-past .. n - 1] us, strictly increasing */
    const int32_t *run;   /* [n] how many rows directly before this one there are without a gap */
    const int64_t
        *gap; /* [n] a longer time between two readings is a gap, us; INT64_MAX while unknown */
    const mw_window_rows *windows;
} mw_span;

/* How many rows the window of `rows` rows has that ends with row i: fewer at the device's beginning. False: it reaches across a gap. */
static inline bool mw_span_rows(const mw_span *span, int64_t rows, int32_t i, int32_t *ret) {
    const int64_t all = span->first + i + 1;
    const int64_t n = rows < all ? rows : all;
    *ret = (int32_t)n;
    return span->run[i] >= n - 1;
}

/* What a definition may say beside inputs. Unused members are 0. */
typedef struct mw_feature_args {
    int64_t us, rows; /* window, lag or period: one of them is positive */
    double number;    /* quantile, limit, where a band begins... */
    double number2;   /* where it ends */
} mw_feature_args;

/*
 * Which readings a value is made of: how long before its row they are, in halves of the window, lag or periods. What is kept of all readings so
 * far (weighted means, z-scores, totals, states) does not count, as it never ends: such operators read the row alone.
 */
enum { MW_READS_SPANS = 3 };
typedef struct mw_reads {
    int n;
    int from[MW_READS_SPANS], to[MW_READS_SPANS]; /* [n] halves, both included */
    int less;   /* rows, or microseconds, that `to` is short of that */
    bool as_of; /* the reading that counted at that time: up to a usual distance older */
} mw_reads;

enum { MW_NODE_INPUTS = 2, MW_NODE_OUTPUTS = 4 };

typedef struct mw_kernel mw_kernel;

typedef struct mw_feature_node {
    const mw_kernel *kernel;
    mw_feature_args args;
    int32_t window; /* of the program; -1: none */
    int32_t n_inputs;
    int32_t inputs[MW_NODE_INPUTS];         /* signals */
    int32_t outputs[MW_NODE_OUTPUTS];       /* signals; -1: not asked for */
    const mw_reads *reads[MW_NODE_OUTPUTS]; /* of each; NULL: the row itself */
    size_t state_at;                        /* in a device's state */
    bool is_read;                           /* an output is another node's input */
    const void *plan;                       /* what `prepare` made, read by all devices; NULL */
} mw_feature_node;

/* What a node's plan may be made of: all of the program. */
typedef struct mw_feature_setup {
    mw_arena *arena;
    const mw_zone *zone;             /* of hours and weekdays; NULL: UTC */
    const mw_conditions *conditions; /* NULL: not fitted yet */
    int32_t sensor;                  /* its number among theirs, of MW_TAKES_CONDITION */
} mw_feature_setup;

struct mw_kernel {
    const char *name;
    size_t state_bytes;
    bool from_past;  /* zeroed state and the past are all it needs to go on */
    bool windowed;   /* reads span->windows where its window is a time */
    bool looks_back; /* reads rows before the one at hand */
    int32_t reach;   /* how many times its args.rows back; 0: once */
    mw_status (*push)(const mw_feature_node *node, void *state, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err);
    void (*done)(void *state); /* frees what a state owns; NULL: nothing */
    /* Once for a program's node: refuses args (MW_EINVAL), makes its plan in the setup's arena. NULL: nothing to do. */
    mw_status (*prepare)(mw_feature_node *node, const mw_feature_setup *setup, mw_err *err);
};

typedef enum mw_feature_takes {
    MW_TAKES_NOTHING = 0,
    MW_TAKES_WINDOW = 1 << 0,  /* "5min", or rows */
    MW_TAKES_LAG = 1 << 1,     /* the same, how far back */
    MW_TAKES_PERIODS = 1 << 2, /* rows, 1 unless given */
    MW_TAKES_NUMBER = 1 << 3,
    MW_TAKES_BAND = 1 << 4,     /* two numbers, the first one lower */
    MW_TAKES_CONDITION = 1 << 5 /* a column; a further input is the number of the row's condition */
} mw_feature_takes;

typedef struct mw_operator {
    const char *name;
    const char *between; /* two inputs: "A<between>B" is the feature's name; NULL otherwise */
    int32_t n_inputs;    /* 0: the time alone */
    unsigned takes;      /* of mw_feature_takes */
    double low, high;    /* of the number */
    const mw_kernel *kernel;
    int32_t output;        /* which of the kernel's */
    const mw_reads *reads; /* NULL: the row itself */
    const char *help;      /* one sentence */
    const char *order;     /* in which sums are made */
    const char *missing;   /* what missing values do */
} mw_operator;

extern const mw_operator mw_operators[]; /* ended by a NULL name */
const mw_operator *mw_operator_find(const char *name, size_t size);

extern const mw_kernel mw_kernel_lag, mw_kernel_change, mw_kernel_pair, mw_kernel_clock,
    mw_kernel_moments, mw_kernel_extremes, mw_kernel_sorted, mw_kernel_zscore, mw_kernel_moments4,
    mw_kernel_slope, mw_kernel_crossings, mw_kernel_ewm, mw_kernel_states, mw_kernel_totals,
    mw_kernel_blocks, mw_kernel_blocks_spectrum, mw_kernel_normal;

#endif
