/*
 * scorer_rows.c -- makes and changes rows that are kept for a scorer: blocks of bytes, or values to walk. They are scored
 * where all rows are, in scorer.c.
 */
#include "learn/tree/scorer_rows.h"

#include <string.h>

#include "core/base/threads.h"
#include "learn/tree/scorer_parts.h"

enum { ROWS = MW_SCORER__ROWS };

typedef struct keeping {
    mw_scorer_rows *rows;
    mw_scorer__values from; /* of all rows */
} keeping;

static void keep_values(const keeping *k, int64_t begin, int64_t n) {
    const int64_t n_features = k->rows->scorer->trees->n_features;
    const float *from = k->from.x + begin * k->from.stride;
    float *to = k->rows->x + begin * n_features;
    if (k->from.feature < 0) {
        memcpy(to, from, (size_t)(n * n_features) * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++) to[i * n_features + k->from.feature] = from[i];
}

static mw_status keep_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const keeping *k = arg;
    const mw_scorer_rows *rows = k->rows;
    for (int64_t row = begin; row < end; row += ROWS) {
        const int64_t n = end - row < ROWS ? end - row : ROWS;
        mw_scorer__values from = k->from;
        from.x += row * from.stride;
        if (rows->x)
            keep_values(k, row, n);
        else
            mw_scorer__fill(rows->scorer, &from, n,
                            rows->blocks + (size_t)(row / ROWS) * rows->block_bytes);
    }
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status keep(const mw_ctx *ctx, mw_scorer_rows *rows, mw_scorer__values from,
                      mw_err *err) {
    keeping k = {rows, from};
    return mw_pool_for(ctx, rows->n_rows, 4 * ROWS, keep_range, &k, err);
}

/* Blocks or values for n_rows; of the last block, rows past the end are read, too. */
static bool make_room(mw_mem *mem, mw_scorer_rows *rows) {
    const mw_scorer *scorer = rows->scorer;
    const size_t n_blocks = ((size_t)rows->n_rows + ROWS - 1) / ROWS;
    size_t size;
    if (!scorer->masks) {
        const size_t row_bytes = (size_t)scorer->trees->n_features * sizeof *rows->x;
        return (rows->x = mw_alloc_array(mem, (size_t)rows->n_rows, row_bytes)) != NULL;
    }
    rows->block_bytes = mw_scorer__block_bytes(scorer->masks);
    if (__builtin_mul_overflow(n_blocks, rows->block_bytes, &size)) return false;
    rows->blocks = mw_alloc_aligned(mem, size);
    if (rows->blocks && n_blocks > 0)
        memset(rows->blocks + size - rows->block_bytes, 0, rows->block_bytes);
    return rows->blocks != NULL;
}

mw_status mw_scorer_rows_new(const mw_ctx *ctx, const mw_scorer *scorer, mw_matrix matrix,
                             mw_scorer_rows **ret, mw_err *err) {
    mw_status status = mw_scorer__check(scorer, matrix, err);
    if (status) return status;
    mw_scorer_rows *rows = mw_calloc(ctx->mem, 1, sizeof *rows);
    if (!rows) return mw_fail_nomem(err, "rows to score");
    rows->scorer = scorer;
    rows->n_rows = matrix.n_rows;
    status = make_room(ctx->mem, rows) ? MW_OK : mw_fail_nomem(err, "rows to score");
    if (!status)
        status = keep(ctx, rows, (mw_scorer__values){matrix.x, matrix.n_features, -1}, err);
    if (status) {
        mw_scorer_rows_free(rows);
        return status;
    }
    *ret = rows;
    return MW_OK;
}

void *mw_scorer_rows_free(mw_scorer_rows *rows) {
    if (!rows) return NULL;
    mw_free(rows->blocks);
    mw_free(rows->x);
    return mw_free(rows);
}

mw_status mw_scorer_rows_feature(const mw_ctx *ctx, mw_scorer_rows *rows, int32_t feature,
                                 const float *values, mw_err *err) {
    return keep(ctx, rows, (mw_scorer__values){values, 1, feature}, err);
}
