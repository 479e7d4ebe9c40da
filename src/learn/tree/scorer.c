/*
 * scorer.c -- makes a scorer and shares rows over threads, in blocks of 128 whose bytes and sums stay in
 * the first cache; in a block, tree after tree adds its leaves, which makes the sums equal to the plain
 * walk's, bit for bit. Large trees are walked by more rows at a time, for a tree's nodes then come into
 * the second cache once for all of them. Rows kept as bytes (scorer_rows.c) go the same way, with their blocks filled before.
 */
#include "learn/tree/scorer.h"

#include <string.h>

#include "core/base/threads.h"
#include "learn/tree/scorer_parts.h"

enum {
    ROWS = MW_SCORER__ROWS,
    MOST_FETCHED = 16 << 10,
    WALKED_BYTES = 512 << 10, /* of rows that walk together: half of a small second cache */
    WALKED_MOST = 4096,       /* rows, so that a check for cancellation comes every few ms */
    FEW_ROWS = 6,             /* are walked one by one: a block's work does not pay */
};

mw_status mw_scorer_new(const mw_ctx *ctx, const mw_trees *trees, mw_scorer **ret, mw_err *err) {
    mw_scorer *scorer = mw_calloc(ctx->mem, 1, sizeof *scorer);
    if (!scorer) return mw_fail_nomem(err, "the scorer");
    scorer->trees = trees;
    mw_status status = mw_scorer__walk_new(ctx->mem, scorer, err);
    if (!status) status = mw_scorer__masks_new(ctx->mem, trees, &scorer->masks, err);
    if (status) {
        mw_scorer_free(scorer);
        return status;
    }
    *ret = scorer;
    return MW_OK;
}

void *mw_scorer_free(mw_scorer *scorer) {
    if (!scorer) return NULL;
    mw_free(scorer->nodes);
    mw_free(scorer->depths);
    mw_scorer__masks_free(scorer->masks);
    return mw_free(scorer);
}

void mw_scorer__start(const mw_scorer *scorer, int32_t first, int64_t n, double *out) {
    const size_t n_outputs = (size_t)scorer->trees->n_outputs;
    const double *base = first == 0 ? scorer->trees->base : NULL;
    if (!base) memset(out, 0, (size_t)n * n_outputs * sizeof *out);
    for (int64_t i = 0; base && i < n; i++)
        memcpy(out + (size_t)i * n_outputs, base, n_outputs * sizeof *out);
}

typedef struct scoring {
    const mw_ctx *ctx;
    const mw_scorer *scorer;
    int32_t first, last;
    mw_matrix matrix;     /* x NULL: rows are there as bytes alone */
    double *out;          /* or NULL */
    int32_t *leaves;      /* or NULL */
    const int8_t *filled; /* blocks of all rows; NULL: a block is filled when its turn comes */
    int8_t *blocks;       /* to fill, one for each thread, when there are masks */
    size_t block_bytes;
    int64_t
        together; /* rows of a range that go through a tree one after another: a block of 128, or more of them */
    _Atomic int64_t n_done;
} scoring;

typedef double pair __attribute__((vector_size(16)));

static void add_bytes(const double *values, int32_t n_outputs, const uint8_t *leaf, int64_t n,
                      double *out) {
    if (n_outputs == 1) {
        int64_t i = 0;
        for (; i + 4 <= n; i += 4) {
            pair sums[2], some[2] = {{values[leaf[i]], values[leaf[i + 1]]},
                                     {values[leaf[i + 2]], values[leaf[i + 3]]}};
            memcpy(sums, out + i, sizeof sums);
            sums[0] += some[0];
            sums[1] += some[1];
            memcpy(out + i, sums, sizeof sums);
        }
        for (; i < n; i++) out[i] += values[leaf[i]];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < n_outputs; k++)
            out[i * n_outputs + k] += values[(int32_t)leaf[i] * n_outputs + k];
}

static void add_rows(const mw_trees *trees, const int32_t *leaf, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) {
        const float *values = trees->values + (int64_t)leaf[i] * trees->n_outputs;
        for (int32_t k = 0; k < trees->n_outputs; k++)
            out[i * trees->n_outputs + k] += (double)values[k];
    }
}

/* One tree over the n rows from begin on; with masks, their bytes are in block. */
static void score_tree(const scoring *s, int32_t tree, int64_t begin, int64_t n,
                       const int8_t *block) {
    const mw_trees *trees = s->scorer->trees;
    const mw_scorer__masks *masks = s->scorer->masks;
    int32_t rows[ROWS];
    uint8_t leaf[ROWS];
    double *out = s->out ? s->out + begin * trees->n_outputs : NULL;
    if (masks) {
        const int64_t at = masks->tree_leaves[tree];
        mw_scorer__match(masks, tree, block, n, leaf);
        if (out) {
            add_bytes(masks->values + at * trees->n_outputs, trees->n_outputs, leaf, n, out);
            return;
        }
        for (int64_t i = 0; i < n; i++) rows[i] = masks->value_rows[at + leaf[i]];
    } else {
        mw_scorer__walk(s->scorer, tree, s->matrix.x + begin * s->matrix.n_features, n, rows);
        if (out) {
            add_rows(trees, rows, n, out);
            return;
        }
    }
    const int64_t width = s->last - s->first;
    for (int64_t i = 0; i < n; i++) s->leaves[(begin + i) * width + tree - s->first] = rows[i];
}

/* Asks for the next block's rows, which are read column by column, while the trees work on this one. */
static void fetch(const scoring *s, int64_t begin) {
    const int64_t n_left = s->matrix.n_rows - begin, n = n_left < ROWS ? n_left : ROWS;
    const char *at = (const char *)(s->matrix.x + begin * s->matrix.n_features);
    const int64_t size = n * s->matrix.n_features * (int64_t)sizeof *s->matrix.x;
    for (int64_t i = 0; i < size && i < MOST_FETCHED; i += 64) __builtin_prefetch(at + i);
}

/* The bytes of the n rows from begin on; NULL without masks. */
static const int8_t *block_of(const scoring *s, int64_t begin, int64_t n, int8_t *block) {
    if (s->filled) return s->filled + (size_t)(begin / ROWS) * s->block_bytes;
    const int32_t stride = s->matrix.n_features;
    const mw_scorer__values from = {s->matrix.x + begin * stride, stride, -1};
    if (s->scorer->masks) mw_scorer__fill(s->scorer, &from, n, block);
    fetch(s, begin + n);
    return block;
}

static mw_status score_block(const scoring *s, int64_t begin, int64_t n, int8_t *block,
                             mw_err *err) {
    if (s->out)
        mw_scorer__start(s->scorer, s->first, n, s->out + begin * s->scorer->trees->n_outputs);
    const int8_t *bytes = block_of(s, begin, n, block);
    for (int32_t t = s->first; t < s->last; t++) {
        const int32_t trees = s->scorer->masks ? 64 : 1; /* from check to check: well below 10 ms */
        mw_status status = (t - s->first) % trees == 0 ? mw_ctx_check(s->ctx, err) : MW_OK;
        if (status) return status;
        for (int64_t at = 0; at < n; at += ROWS)
            score_tree(s, t, begin + at, n - at < ROWS ? n - at : ROWS, bytes);
    }
    return MW_OK;
}

static mw_status score_few(const scoring *s, int64_t begin, int64_t n, mw_err *err) {
    for (int64_t i = begin; i < begin + n; i++) {
        mw_status status = mw_ctx_check(s->ctx, err);
        if (status) return status;
        mw_scorer_row(s->scorer, s->first, s->last, s->matrix.x + i * s->matrix.n_features,
                      s->out + i * s->scorer->trees->n_outputs);
    }
    return MW_OK;
}

static mw_status score_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    scoring *s = arg;
    int8_t *block = s->blocks ? s->blocks + (size_t)worker * s->block_bytes : NULL;
    for (int64_t row = begin; row < end; row += s->together) {
        const int64_t n = end - row < s->together ? end - row : s->together;
        const bool few = s->out && s->matrix.x && n <= FEW_ROWS;
        mw_status status = few ? score_few(s, row, n, err) : score_block(s, row, n, block, err);
        if (status) return status;
    }
    const int64_t n_done = atomic_fetch_add(&s->n_done, end - begin) + end - begin;
    if (worker == 0) /* one thread at a time may report */
        mw_ctx_report(s->ctx, "scoring", (double)n_done, (double)s->matrix.n_rows);
    return MW_OK;
}

mw_status mw_scorer__check(const mw_scorer *scorer, mw_matrix matrix, mw_err *err) {
    if (matrix.n_features == scorer->trees->n_features) return MW_OK;
    return mw_fail(err, MW_EINVAL, "the rows have %d features, the model was fitted with %d",
                   (int)matrix.n_features, (int)scorer->trees->n_features);
}

/* Rows that walk together: as many as WALKED_BYTES hold, and few enough for every thread to have some. */
static int64_t walked(const scoring *s) {
    const int64_t row_bytes = (int64_t)sizeof *s->matrix.x * s->matrix.n_features;
    const int64_t share = s->matrix.n_rows / (4 * mw_pool_threads(s->ctx->pool));
    int64_t n = WALKED_BYTES / (row_bytes > 0 ? row_bytes : 1);
    if (n > share) n = share;
    if (n > WALKED_MOST) n = WALKED_MOST;
    return n < ROWS ? ROWS : n / ROWS * ROWS;
}

static mw_status score(scoring *s, mw_err *err) {
    const mw_scorer *scorer = s->scorer;
    mw_status status = mw_scorer__check(scorer, s->matrix, err);
    if (status) return status;
    if (scorer->masks && !s->filled && (s->leaves || s->matrix.n_rows > FEW_ROWS)) {
        s->block_bytes = mw_scorer__block_bytes(scorer->masks);
        const size_t size = s->block_bytes * (size_t)mw_pool_threads(s->ctx->pool);
        s->blocks = mw_alloc_aligned(s->ctx->mem, size);
        if (!s->blocks) return mw_fail_nomem(err, "scoring");
        memset(s->blocks, 0, size); /* rows past a short block's end are read */
    }
    s->together = scorer->masks ? ROWS : walked(s);
    const int64_t grain = scorer->masks ? 4 * ROWS : s->together;
    status = mw_pool_for(s->ctx, s->matrix.n_rows, grain, score_range, s, err);
    mw_free(s->blocks);
    return status;
}

mw_status mw_scorer_score(const mw_ctx *ctx, const mw_scorer *scorer, int32_t first, int32_t last,
                          mw_matrix matrix, double *out, mw_err *err) {
    scoring s = {
        .ctx = ctx, .scorer = scorer, .first = first, .last = last, .matrix = matrix, .out = out};
    return score(&s, err);
}

mw_status mw_scorer_leaves(const mw_ctx *ctx, const mw_scorer *scorer, int32_t first, int32_t last,
                           mw_matrix matrix, int32_t *leaves, mw_err *err) {
    scoring s = {.ctx = ctx,
                 .scorer = scorer,
                 .first = first,
                 .last = last,
                 .matrix = matrix,
                 .leaves = leaves};
    return score(&s, err);
}

static scoring of_rows(const mw_ctx *ctx, const mw_scorer_rows *rows, int32_t first, int32_t last) {
    return (scoring){.ctx = ctx,
                     .scorer = rows->scorer,
                     .first = first,
                     .last = last,
                     .matrix = {rows->x, rows->n_rows, rows->scorer->trees->n_features},
                     .filled = rows->blocks,
                     .block_bytes = rows->block_bytes};
}

mw_status mw_scorer_rows_score(const mw_ctx *ctx, const mw_scorer_rows *rows, int32_t first,
                               int32_t last, double *out, mw_err *err) {
    scoring s = of_rows(ctx, rows, first, last);
    s.out = out;
    return score(&s, err);
}

mw_status mw_scorer_rows_leaves(const mw_ctx *ctx, const mw_scorer_rows *rows, int32_t first,
                                int32_t last, int32_t *leaves, mw_err *err) {
    scoring s = of_rows(ctx, rows, first, last);
    s.leaves = leaves;
    return score(&s, err);
}
