/* Readings to rows against a plain search through all rows so far. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/table/arrange.h"
#include "support/fault_loop.h"

enum { LABELS = 2, MOST = 3000, PARAMETERS = 9 };

typedef struct block {
    int64_t n;
    int64_t times[MOST];
    int32_t labels[LABELS][MOST], parameters[MOST];
    double values[MOST];
    int32_t n_labels;
    mw_collide collide;
} block;

typedef struct plain_row {
    int64_t time;
    int32_t labels[LABELS];
    double cells[PARAMETERS];
} plain_row;

static mw_status pivot(const block *b, mw_mem *mem, mw_chunk **ret, int64_t *ret_collisions,
                       mw_err *err) {
    const int32_t *labels[LABELS] = {b->labels[0], b->labels[1]};
    return mw_pivot_block(mem, b->times, labels, b->n_labels, b->parameters, PARAMETERS, b->values,
                          b->n, b->collide, ret, ret_collisions, err);
}

static bool same_key(const block *b, const plain_row *row, int64_t i) {
    bool same = row->time == b->times[i];
    for (int32_t k = 0; k < b->n_labels; k++) same &= row->labels[k] == b->labels[k][i];
    return same;
}

static plain_row row_of(const block *b, int64_t i) {
    plain_row row = {.time = b->times[i]};
    for (int32_t k = 0; k < b->n_labels; k++) row.labels[k] = b->labels[k][i];
    for (int p = 0; p < PARAMETERS; p++) row.cells[p] = MW_NAN;
    return row;
}

/* Behind the last row of the same key that starts at r. */
static int64_t behind(const block *b, const plain_row *rows, int64_t n, int64_t r, int64_t i) {
    while (r < n && same_key(b, &rows[r], i)) r++;
    return r;
}

static int64_t plain(const block *b, plain_row *rows, int64_t *n_collisions) {
    int64_t n = 0;
    *n_collisions = 0;
    for (int64_t i = 0; i < b->n; i++) {
        int64_t r = 0;
        while (r < n && !same_key(b, &rows[r], i)) r++;
        if (r == n) rows[n++] = row_of(b, i);
        double *cell = &rows[r].cells[b->parameters[i]];
        if (mw_isnan(b->values[i])) continue;
        if (mw_isnan(*cell)) {
            *cell = b->values[i];
        } else if (b->collide == MW_COLLIDE_MEAN) {
            int64_t at = behind(b, rows, n, r, i);
            memmove(&rows[at + 1], &rows[at], (size_t)(n++ - at) * sizeof *rows);
            rows[at] = row_of(b, i);
            rows[at].cells[b->parameters[i]] = b->values[i];
        } else {
            ++*n_collisions;
            if (b->collide != MW_COLLIDE_FIRST) *cell = b->values[i];
        }
    }
    return n;
}

static void assert_equals_plain(const block *b) {
    static plain_row rows[MOST];
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_chunk *chunk;
    int64_t n_collisions, want_collisions, want = plain(b, rows, &want_collisions);
    mw_err err;
    assert_ok(pivot(b, &mem, &chunk, &n_collisions, &err));
    assert_int_equal(n_collisions, want_collisions);
    assert_int_equal(chunk->n_rows, want);
    assert_int_equal(chunk->n_columns, 1 + b->n_labels + PARAMETERS);
    for (int64_t r = 0; r < want; r++) {
        assert_int_equal(chunk->columns[0].time[r], rows[r].time);
        for (int32_t k = 0; k < b->n_labels; k++)
            assert_int_equal(chunk->columns[1 + k].codes[r], rows[r].labels[k]);
        for (int p = 0; p < PARAMETERS; p++) {
            double got = chunk->columns[1 + b->n_labels + p].number[r];
            if (mw_isnan(rows[r].cells[p]))
                assert_true(mw_isnan(got));
            else
                assert_true(got == rows[r].cells[p]);
        }
    }
    mw_chunk_free(chunk);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* by: 0 any order, 1 by time, 2 by parameter. */
static void make_block(mw_rng *rng, block *b, int64_t n, int by) {
    *b = (block){.n = n,
                 .n_labels = (int32_t)mw_rng_below(rng, LABELS + 1),
                 .collide = (mw_collide)mw_rng_below(rng, 4)};
    uint64_t n_times = 1 + mw_rng_below(rng, 400);
    for (int64_t i = 0; i < n; i++) {
        int64_t turn = by == 1 ? i / PARAMETERS : i % (int64_t)n_times;
        b->times[i] = by ? turn * 1000 : (int64_t)mw_rng_below(rng, n_times) - 50;
        for (int k = 0; k < LABELS; k++)
            b->labels[k][i] = by ? k : (int32_t)mw_rng_below(rng, 4) - 1;
        b->parameters[i] = by == 1   ? (int32_t)(i % PARAMETERS)
                           : by == 2 ? (int32_t)(i / (int64_t)n_times % PARAMETERS)
                                     : (int32_t)mw_rng_below(rng, PARAMETERS);
        b->values[i] = mw_rng_below(rng, 6) ? mw_rng_normal(rng) : MW_NAN;
    }
}

MW_TEST(equals_a_plain_search) {
    static block b;
    mw_rng rng;
    for (uint64_t i = 0; i < 400; i++) {
        mw_rng_init(&rng, mw_test_seed(), 1, i);
        make_block(&rng, &b, (int64_t)mw_rng_below(&rng, i % 20 ? 300 : MOST), (int)(i % 3));
        assert_equals_plain(&b);
    }
}

MW_TEST(rows_come_by_first_appearance) {
    static block b;
    b = (block){.n = 5,
                .times = {20, 10, 20, 10, 30},
                .labels = {{1, 1, 1, 2, -1}},
                .parameters = {0, 1, 1, 0, 8},
                .values = {1, 2, 3, 4, MW_NAN},
                .n_labels = 1,
                .collide = MW_COLLIDE_FIRST};
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_chunk *chunk;
    int64_t n_collisions;
    mw_err err;
    assert_ok(pivot(&b, &mem, &chunk, &n_collisions, &err));
    static const int64_t times[4] = {20, 10, 10, 30};
    static const int32_t devices[4] = {1, 1, 2, -1};
    assert_int_equal(chunk->n_rows, 4);
    assert_memory_equal(chunk->columns[0].time, times, sizeof times);
    assert_memory_equal(chunk->columns[1].codes, devices, sizeof devices);
    assert_true(chunk->columns[2].number[0] == 1 && chunk->columns[3].number[0] == 3);
    assert_true(chunk->columns[3].number[1] == 2 && chunk->columns[2].number[2] == 4);
    assert_true(mw_isnan(chunk->columns[10].number[3]));
    assert_int_equal(n_collisions, 0);
    mw_chunk_free(chunk);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(nothing_gives_no_rows) {
    static block b;
    b = (block){.n = 0};
    assert_equals_plain(&b);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    const block *b = arg;
    mw_chunk *chunk;
    int64_t n_collisions;
    mw_status status = pivot(b, ctx->mem, &chunk, &n_collisions, err);
    if (status == MW_OK) mw_chunk_free(chunk);
    return status;
}

MW_TEST(survives_any_failed_allocation) {
    static block b;
    mw_rng rng;
    mw_rng_init(&rng, 3, 1, 0);
    make_block(&rng, &b, 2500, 0);
    b.n_labels = 2;
    b.collide = MW_COLLIDE_MEAN;
    assert_true(mw_fault_loop_alloc(scenario, &b) >= 7);
}

MW_TEST_MAIN(MW_RUN(equals_a_plain_search), MW_RUN(rows_come_by_first_appearance),
             MW_RUN(nothing_gives_no_rows), MW_RUN(survives_any_failed_allocation))
