/* Rows collected in place and as they come, beside plain arrays: gaps, growth, every type, any failed allocation. */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/table/collect.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"
#include "support/harness.h"

enum { COLUMNS = 4, ROWS_MAX = 20000, UNDER_WAY = 5 };

static const mw_type types[COLUMNS] = {MW_TIMESTAMP, MW_FLOAT64, MW_BOOL, MW_DICTIONARY};

/* A cell's value by its row, so that nothing else need be kept; one in seven is missing. */
static bool has(int64_t row, int32_t column) {
    return ((uint64_t)row * 2654435761u + (unsigned)column * 40503u) % 7 != 0;
}
static bool truth(int64_t row) { return row % 3 == 0; }

static void set_bit(uint8_t *bits, int64_t row, bool value) {
    bits[row / 8] = (uint8_t)((bits[row / 8] & ~(1u << (row % 8))) | (unsigned)value << (row % 8));
}

static void fill(mw_chunk *chunk, int64_t n, int64_t first) {
    for (int64_t i = 0; i < n; i++) {
        int64_t row = first + i;
        chunk->columns[0].time[i] = has(row, 0) ? row * 1000 : MW_TIME_NONE;
        chunk->columns[1].number[i] = has(row, 1) ? (double)row / 8 : MW_NAN;
        set_bit(chunk->columns[2].bits, i, has(row, 2) && truth(row));
        set_bit(chunk->columns[2].validity, i, has(row, 2));
        chunk->columns[3].codes[i] = has(row, 3) ? (int32_t)(row % 2) : -1;
    }
    chunk->n_rows = n;
}

static void check_cell(const mw_column *c, int32_t column, int64_t row) {
    assert_int_equal(mw_column_has(c, row), has(row, column));
    bool valid = !c->validity || (c->validity[row / 8] >> (row % 8) & 1);
    assert_int_equal(valid, has(row, column));
    if (!has(row, column)) return;
    if (column == 0) assert_int_equal(c->time[row], row * 1000);
    if (column == 1) assert_true(c->number[row] == (double)row / 8);
    if (column == 2) assert_int_equal(mw_column_bool(c, row), truth(row));
    if (column == 3) assert_int_equal(c->codes[row], row % 2);
}

static void check(const mw_table *table, int64_t n) {
    assert_int_equal(table->n_rows, n);
    assert_int_equal(table->n_columns, COLUMNS);
    for (int32_t k = 0; k < COLUMNS; k++) {
        const mw_column *c = &table->columns[k];
        int64_t missing = 0;
        for (int64_t row = 0; row < n; row++) {
            check_cell(c, k, row);
            missing += !has(row, k);
        }
        assert_int_equal(c->n_missing, missing);
        assert_true((c->validity != NULL) == (missing > 0));
    }
    assert_int_equal(mw_dictionary_size(table->columns[3].dictionary), 2);
}

typedef struct scene {
    mw_mem *mem;
    mw_schema *schema;
    mw_collect *rows;
    mw_chunk *placed[UNDER_WAY]; /* in their order */
    int n_placed;
    int64_t n;
} scene;

static mw_status begin(scene *s, mw_mem *mem, int64_t expected, mw_err *err) {
    static const char *const names[COLUMNS] = {"time", "number", "truth", "text"};
    *s = (scene){.mem = mem};
    mw_status status = mw_schema_new(mem, &s->schema, err);
    int32_t at;
    for (int32_t i = 0; i < COLUMNS && status == MW_OK; i++)
        status = mw_schema_add(s->schema, mw_str_of(names[i]), types[i], &at, err);
    for (int i = 0; i < 2 && status == MW_OK; i++)
        status =
            mw_dictionary_add(s->schema->columns[3].dictionary, mw_str_of(i ? "b" : "a"), &at, err);
    return status == MW_OK ? mw_collect_new(mem, s->schema, expected, &s->rows, err) : status;
}

static void end(scene *s) {
    for (int i = 0; i < s->n_placed; i++) mw_chunk_free(s->placed[i]);
    mw_collect_free(s->rows);
    mw_schema_free(s->schema);
}

/* The first of those placed is filled and added, perhaps not to its end. */
static mw_status add_first(scene *s, int64_t n, mw_err *err) {
    mw_chunk *chunk = s->placed[0];
    fill(chunk, n < chunk->capacity ? n : chunk->capacity, s->n);
    mw_status status = mw_collect_add(s->rows, chunk, err);
    if (status != MW_OK) return status;
    s->n += chunk->n_rows;
    mw_chunk_free(chunk);
    s->n_placed--;
    memmove(s->placed, s->placed + 1, (size_t)s->n_placed * sizeof *s->placed);
    return MW_OK;
}

static mw_status place(scene *s, int64_t n, mw_err *err) {
    bool full;
    mw_chunk **to = &s->placed[s->n_placed];
    mw_status status = mw_collect_place(s->rows, n, s->n_placed == 0, to, &full, err);
    while (status == MW_OK && full) {
        assert_true(s->n_placed > 0); /* alone there is always room */
        while (s->n_placed && status == MW_OK) status = add_first(s, INT64_MAX, err);
        to = &s->placed[0];
        if (status == MW_OK) status = mw_collect_place(s->rows, n, true, to, &full, err);
    }
    if (status == MW_OK) s->n_placed++;
    return status;
}

static mw_status finish(scene *s, mw_err *err) {
    mw_table *table;
    mw_status status = MW_OK;
    while (s->n_placed && status == MW_OK) status = add_first(s, INT64_MAX, err);
    if (status == MW_OK) status = mw_collect_finish(s->rows, s->schema, &table, err);
    if (status != MW_OK) return status;
    check(table, s->n);
    mw_table_free(table);
    return MW_OK;
}

MW_TEST(rows_in_place_are_those_of_the_chunks) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    mw_err err = {0};
    for (int round = 0; round < 30; round++) {
        scene s;
        assert_ok(begin(&s, NULL, (int64_t)mw_rng_below(&rng, 6000), &err));
        while (s.n < ROWS_MAX / 2) {
            int64_t n = (int64_t)mw_rng_below(&rng, 700);
            bool more = s.n_placed < UNDER_WAY && mw_rng_below(&rng, 3) != 0;
            if (more || s.n_placed == 0)
                assert_ok(place(&s, n, &err));
            else
                assert_ok(add_first(&s, mw_rng_below(&rng, 2) ? n : INT64_MAX, &err));
        }
        assert_ok(finish(&s, &err));
        end(&s);
    }
}

MW_TEST(a_chunk_of_its_own_may_stand_in_for_a_place) {
    mw_err err = {0};
    scene s;
    assert_ok(begin(&s, NULL, ROWS_MAX, &err));
    for (int i = 0; i < 40; i++) {
        mw_chunk *own;
        assert_ok(place(&s, 100, &err));
        assert_ok(place(&s, 100, &err));
        assert_ok(mw_chunk_new(NULL, types, COLUMNS, 100, &own, &err));
        fill(own, i, s.n);
        assert_ok(mw_collect_add(s.rows, own, &err));
        s.n += i;
        mw_chunk_free(own);
        mw_chunk_free(s.placed[0]); /* its place stays empty */
        s.placed[0] = s.placed[1];
        s.n_placed = 1;
        assert_ok(add_first(&s, INT64_MAX, &err));
    }
    assert_ok(finish(&s, &err));
    end(&s);
}

static mw_status grow(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    scene s;
    mw_status status = begin(&s, ctx->mem, 0, err);
    for (int i = 0; i < 4 && status == MW_OK; i++) {
        status = place(&s, 900, err);
        if (status == MW_OK) status = place(&s, 300, err);
        if (status == MW_OK) status = add_first(&s, 850, err);
    }
    if (status == MW_OK) status = finish(&s, err);
    end(&s);
    return status;
}

MW_TEST(growing_survives_any_failed_allocation) {
    assert_true(mw_fault_loop_alloc(grow, NULL) > 20);
}

MW_TEST_MAIN(MW_RUN(rows_in_place_are_those_of_the_chunks),
             MW_RUN(a_chunk_of_its_own_may_stand_in_for_a_place),
             MW_RUN(growing_survives_any_failed_allocation))
