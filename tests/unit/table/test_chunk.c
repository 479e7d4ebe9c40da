/* Chunks against plain arrays: every way to copy rows, at every place within a byte of bits. */
#include "support/harness.h"

#include <stdio.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/table/chunk.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"

enum { COLUMNS = 5, ROWS = 200 };

static const mw_type types[COLUMNS] = {MW_TIMESTAMP, MW_BOOL, MW_FLOAT64, MW_DICTIONARY, MW_BOOL};
static mw_mem mem;

static mw_chunk *new_chunk(int32_t n_columns, int64_t capacity) {
    mw_chunk *chunk;
    mw_err err;
    assert_ok(mw_chunk_new(&mem, types, n_columns, capacity, &chunk, &err));
    return chunk;
}

static bool bit(const uint8_t *bits, int64_t row) { return bits[row / 8] >> (row % 8) & 1; }

static mw_chunk *random_chunk(mw_rng *rng, int32_t n_columns) {
    mw_chunk *chunk = new_chunk(n_columns, ROWS);
    for (int64_t row = 0; row < ROWS; row++)
        for (int32_t c = 0; c < n_columns; c++) {
            mw_chunk_column *column = &chunk->columns[c];
            uint64_t draw = mw_rng_u64(rng);
            uint8_t mask = (uint8_t)(1u << (row % 8));
            switch (types[c]) {
            case MW_TIMESTAMP: column->time[row] = (int64_t)draw; break;
            case MW_FLOAT64: column->number[row] = (double)(draw >> 12); break;
            case MW_DICTIONARY: column->codes[row] = (int32_t)(draw >> 33); break;
            default:
                column->bits[row / 8] |= draw & 1 ? mask : 0;
                column->validity[row / 8] |= draw & 2 ? mask : 0;
            }
        }
    chunk->n_rows = ROWS;
    return chunk;
}

/* Row a of x is row b of y, or missing where y lacks the column. */
static void assert_row(const mw_chunk *x, int64_t a, const mw_chunk *y, int64_t b) {
    for (int32_t c = 0; c < x->n_columns; c++) {
        const mw_chunk_column *p = &x->columns[c], *q = &y->columns[c];
        bool has = c < y->n_columns;
        switch (types[c]) {
        case MW_TIMESTAMP: assert_int_equal(p->time[a], has ? q->time[b] : MW_TIME_NONE); break;
        case MW_FLOAT64:
            assert_true(has ? p->number[a] == q->number[b] : mw_isnan(p->number[a]));
            break;
        case MW_DICTIONARY: assert_int_equal(p->codes[a], has ? q->codes[b] : -1); break;
        default:
            assert_int_equal(bit(p->bits, a), has && bit(q->bits, b));
            assert_int_equal(bit(p->validity, a), has && bit(q->validity, b));
        }
    }
}

MW_TEST(rows_are_copied_to_any_place) {
    mw_mem_init(&mem, NULL, 0);
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_chunk *sources[2] = {random_chunk(&rng, COLUMNS), random_chunk(&rng, 2)};
    for (int i = 0; i < 2000; i++) {
        mw_chunk *to = new_chunk(COLUMNS, 4 * ROWS);
        mw_chunk_range ranges[4];
        for (int r = 0; r < 4; r++) {
            int64_t from = (int64_t)mw_rng_below(&rng, ROWS);
            uint64_t most = r % 2 ? 3 : (uint64_t)(ROWS - from) + 1;
            int64_t n = (int64_t)mw_rng_below(&rng, most);
            if (n > ROWS - from) n = ROWS - from;
            ranges[r] = (mw_chunk_range){sources[mw_rng_below(&rng, 2)], from, n};
        }
        if (i % 2)
            mw_chunk_append_ranges(to, ranges, 4);
        else
            for (int r = 0; r < 4; r++)
                mw_chunk_append(to, ranges[r].source, ranges[r].from, ranges[r].n);
        int64_t at = 0;
        for (int r = 0; r < 4; r++)
            for (int64_t k = 0; k < ranges[r].n; k++)
                assert_row(to, at++, ranges[r].source, ranges[r].from + k);
        assert_int_equal(to->n_rows, at);
        mw_chunk_free(to);
    }
    mw_chunk_free(sources[0]);
    mw_chunk_free(sources[1]);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(rows_are_gathered_in_the_order_of_the_index) {
    mw_mem_init(&mem, NULL, 0);
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    for (int32_t n_columns = 1; n_columns <= COLUMNS; n_columns++) {
        mw_chunk *source = random_chunk(&rng, n_columns), *to = new_chunk(COLUMNS, 2 * ROWS);
        uint32_t index[ROWS];
        for (int i = 0; i < ROWS; i++) index[i] = (uint32_t)mw_rng_below(&rng, ROWS);
        mw_chunk_append(to, source, 3, 5);
        mw_chunk_gather(to, source, index, ROWS);
        assert_int_equal(to->n_rows, 5 + ROWS);
        for (int i = 0; i < ROWS; i++) assert_row(to, 5 + i, source, index[i]);
        mw_chunk_free(source);
        mw_chunk_free(to);
    }
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(all_columns_lie_in_one_block) {
    mw_mem_init(&mem, NULL, 0);
    for (int64_t capacity = 0; capacity < 140; capacity += 13) {
        mw_chunk *chunk = new_chunk(COLUMNS, capacity);
        size_t bytes;
        char *block = mw_chunk_block(chunk, &bytes);
        assert_ptr_equal(block, chunk->columns[0].data);
        for (int c = 0; c < COLUMNS; c++) {
            assert_int_equal((uintptr_t)chunk->columns[c].data % 64, 0);
            assert_true((char *)chunk->columns[c].data <= block + bytes);
        }
        assert_int_equal(mw_mem_used(&mem), mw_chunk_bytes(chunk));
        mw_chunk_free(chunk);
    }
}

static mw_status grow_schema(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    mw_schema *schema;
    mw_status status = mw_schema_new(ctx->mem, &schema, err);
    if (status != MW_OK) return status;
    for (int32_t i = 0; i < 20 && status == MW_OK; i++) {
        char name[16];
        int size = snprintf(name, sizeof name, "c%d", (int)i);
        int32_t at;
        status = mw_schema_add(schema, (mw_str){name, (size_t)size}, types[i % COLUMNS], &at, err);
        if (status != MW_OK) break;
        assert_int_equal(at, i);
        assert_int_equal(mw_schema_find(schema, (mw_str){name, (size_t)size}), i);
        assert_true((schema->columns[i].dictionary != NULL) ==
                    (types[i % COLUMNS] == MW_DICTIONARY));
    }
    int32_t at;
    if (status == MW_OK)
        assert_status(mw_schema_add(schema, MW_STR("c7"), MW_BOOL, &at, err), MW_EDATA);
    assert_int_equal(mw_schema_find(schema, MW_STR("none")), -1);
    mw_schema_free(schema);
    return status;
}

MW_TEST(a_schema_grows_and_survives_any_failed_allocation) {
    assert_true(mw_fault_loop_alloc(grow_schema, NULL) > 20);
}

MW_TEST_MAIN(MW_RUN(rows_are_copied_to_any_place),
             MW_RUN(rows_are_gathered_in_the_order_of_the_index),
             MW_RUN(all_columns_lie_in_one_block),
             MW_RUN(a_schema_grows_and_survives_any_failed_allocation))
