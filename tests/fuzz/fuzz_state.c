/*
 * fuzz_state.c -- hostile states of the extended isolation forest.
 *
 * The first byte chooses: 0: the rest is state.arrow; anything else: the rest is a table, one byte a cell. A forest
 * that is taken is scored, by the slow walk as well, and must survive being written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/arrow.h"
#include "learn/model/isolation_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 9, FEATURES = 5, N_COLUMNS = 6 };

static mw_status table_of_cells(const mw_ctx *ctx, const uint8_t *data, size_t size, mw_table **ret,
                                mw_err *err) {
    static const char *const names[N_COLUMNS] = {"tree",    "rows",   "threshold",
                                                 "feature", "weight", "fill"};
    static const double special[] = {MW_NAN, MW_INFINITY, -1e300, 0.5, -1, 4294967296.0};
    const int64_t n_rows = (int64_t)size / N_COLUMNS;
    mw_status status = mw_table_new(ctx->mem, n_rows, ret, err);
    for (int c = 0; c < N_COLUMNS && !status; c++) {
        mw_column *column = NULL;
        status = mw_table_add(*ret, mw_str_of(names[c]), MW_FLOAT64, &column, err);
        for (int64_t i = 0; i < n_rows && !status; i++) {
            const unsigned cell = 255u - data[i * N_COLUMNS + c];
            column->number[i] =
                cell < sizeof special / sizeof *special ? special[cell] : (double)(255 - cell);
        }
        if (!status) status = mw_column_seal(*ret, column, err);
    }
    return status;
}

/* Values of every sort a matrix may hold. */
static void fill_rows(float x[ROWS * FEATURES]) {
    static const float values[] = {0, 1, -1, 3, 2.5f, 1e30f, -1e30f, 0.1f};
    for (int i = 0; i < ROWS * FEATURES; i++)
        x[i] = i % 7 == 6 ? __builtin_nanf("") : values[(i * 5 + i / FEATURES) % 8];
}

static void score(const mw_ctx *ctx, const mw_planes *planes, double scores[ROWS]) {
    float x[ROWS * FEATURES];
    fill_rows(x);
    if (mw_planes_score(ctx, planes, (mw_matrix){x, ROWS, FEATURES}, scores, NULL)) abort();
    for (int i = 0; i < ROWS; i++)
        if (!(scores[i] >= 0 && scores[i] <= 1)) abort();
}

/* Sums that are not numbers, of weights near the end of double's range, may go either way. */
static void check_slow_walk(const mw_planes *planes, const double scores[ROWS]) {
    float x[ROWS * FEATURES];
    fill_rows(x);
    for (int64_t i = 0; i < planes->n_splits * planes->ndim; i++)
        if (mw_abs(planes->terms[i].weight) > 1e100 || mw_abs(planes->terms[i].fill) > 1e100)
            return;
    for (int i = 0; i < ROWS; i++)
        if (mw_planes_score_of(planes, mw_planes_length(planes, x + i * FEATURES)) != scores[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_ctx ctx;
    mw_mem mem;
    mw_table *table = NULL, *again = NULL;
    mw_planes *planes = NULL, *second = NULL;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, 256 << 20);
    ctx.mem = &mem;
    if (size < 1) return 0;
    mw_status status =
        data[0] ? table_of_cells(&ctx, data + 1, size - 1, &table, NULL)
                : mw_arrow__read(&ctx, data + 1, size - 1, "state", NULL, 0, &table, NULL);
    if (!status) status = mw_isolation_of_table(&ctx, table, FEATURES, &planes, NULL);
    if (!status) {
        double scores[ROWS], scores_again[ROWS];
        score(&ctx, planes, scores);
        check_slow_walk(planes, scores);
        if (mw_isolation_to_table(&ctx, planes, &again, NULL) ||
            mw_isolation_of_table(&ctx, again, FEATURES, &second, NULL))
            abort();
        score(&ctx, second, scores_again);
        if (memcmp(scores, scores_again, sizeof scores) != 0) abort();
    }
    mw_planes_free(planes);
    mw_planes_free(second);
    mw_table_free(table);
    mw_table_free(again);
    if (mw_mem_used(&mem)) abort();
    return 0;
}
