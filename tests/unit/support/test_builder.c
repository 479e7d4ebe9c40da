/* The growing table against a plain two-dimensional array. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "support/builder.h"
#include "core/text/datetime.h"

static mw_mem mem;

MW_TEST(columns_appear_late_and_cells_anywhere) {
    mw_mem_init(&mem, NULL, 0);
    mw_err err;
    mw_builder *b;
    assert_ok(mw_builder_new(&mem, &b, &err));
    int32_t time, device, on, late, again;
    int64_t row;
    assert_ok(mw_builder_column(b, MW_STR("time"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_builder_column(b, MW_STR("device"), MW_DICTIONARY, &device, &err));
    assert_ok(mw_builder_column(b, MW_STR("on"), MW_BOOL, &on, &err));
    for (int i = 0; i < 100; i++) {
        assert_ok(mw_builder_row(b, &row, &err));
        assert_int_equal(row, i);
        mw_builder_set_time(b, time, row, i * 10);
    }
    assert_ok(mw_builder_column(b, MW_STR("late"), MW_FLOAT64, &late, &err));
    assert_ok(mw_builder_column(b, MW_STR("late"), MW_FLOAT64, &again, &err));
    assert_int_equal(again, late);
    assert_int_equal(mw_builder_find(b, MW_STR("late")), late);
    assert_int_equal(mw_builder_find(b, MW_STR("none")), -1);
    assert_status(mw_builder_column(b, MW_STR("late"), MW_BOOL, &again, &err), MW_EDATA);
    assert_status(mw_builder_column(b, MW_STR("text"), MW_UTF8, &again, &err), MW_EINVAL);
    assert_int_equal(mw_builder_columns(b), 4);

    mw_builder_set_number(b, late, 60, 6.5);
    mw_builder_set_number(b, late, 3, 3.25);
    mw_builder_set_number(b, late, 61, 1);
    mw_builder_set_missing(b, late, 61);
    mw_builder_set_missing(b, late, 99);
    mw_builder_set_bool(b, on, 5, true);
    mw_builder_set_bool(b, on, 6, false);
    assert_ok(mw_builder_set_text(b, device, 7, MW_STR("pump"), &err));
    assert_ok(mw_builder_set_text(b, device, 0, MW_STR("fan"), &err));
    assert_ok(mw_builder_set_text(b, device, 8, MW_STR("pump"), &err));
    assert_int_equal(mw_builder_get_code(b, device, 8), 0);
    assert_int_equal(mw_builder_get_code(b, device, 99), -1);
    assert_true(mw_builder_get_number(b, late, 60) == 6.5);
    assert_true(isnan(mw_builder_get_number(b, late, 98)));
    assert_true(mw_builder_get_time(b, time, 99) == 990);
    assert_true(mw_builder_has(b, on, 6));
    assert_false(mw_builder_has(b, on, 4));

    mw_table *t;
    assert_ok(mw_builder_finish(b, &t, &err));
    mw_builder_free(b);
    assert_int_equal(t->n_rows, 100);
    assert_int_equal(t->n_columns, 4);
    assert_string_equal(t->columns[3].name, "late");
    assert_int_equal(t->columns[time].n_missing, 0);
    assert_int_equal(t->columns[late].n_missing, 98);
    assert_true(t->columns[late].number[3] == 3.25);
    assert_int_equal(t->columns[on].n_missing, 98);
    assert_true(mw_column_bool(&t->columns[on], 5));
    assert_true(mw_column_has(&t->columns[on], 6));
    assert_int_equal(t->columns[device].n_missing, 97);
    assert_true(mw_str_is(mw_column_text(&t->columns[device], 0), "fan"));
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(agrees_with_a_plain_array) {
    mw_mem_init(&mem, NULL, 0);
    enum { ROWS = 400, COLUMNS = 37 };
    static double want[ROWS][COLUMNS];
    mw_err err;
    uint64_t draw = mw_test_seed() | 1;
    mw_builder *b;
    assert_ok(mw_builder_new(&mem, &b, &err));
    for (int i = 0; i < ROWS; i++) {
        int64_t row;
        assert_ok(mw_builder_row(b, &row, &err));
        for (int c = 0; c < COLUMNS; c++) want[i][c] = NAN;
        for (int k = 0; k < 9; k++) {
            draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407u;
            int64_t at = i - (int64_t)(draw >> 33) % (i < 5 ? 1 : 5);
            int name = (int)(draw >> 40) % COLUMNS;
            char text[16];
            int size = snprintf(text, sizeof text, "p%d", name);
            int32_t column;
            assert_ok(
                mw_builder_column(b, (mw_str){text, (size_t)size}, MW_FLOAT64, &column, &err));
            double value = (double)(draw >> 20);
            mw_builder_set_number(b, column, at, value);
            want[at][name] = value;
        }
    }
    mw_table *t;
    assert_ok(mw_builder_finish(b, &t, &err));
    mw_builder_free(b);
    for (int c = 0; c < COLUMNS; c++) {
        char text[16];
        snprintf(text, sizeof text, "p%d", c);
        const mw_column *column = mw_table_column(t, text);
        for (int i = 0; i < ROWS; i++) {
            double got = column ? column->number[i] : NAN;
            assert_true(isnan(want[i][c]) ? isnan(got) : got == want[i][c]);
        }
    }
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(running_out_of_memory_is_remembered) {
    mw_mem_init(&mem, NULL, 40000);
    mw_err err;
    mw_builder *b;
    assert_ok(mw_builder_new(&mem, &b, &err));
    int32_t column;
    assert_ok(mw_builder_column(b, MW_STR("x"), MW_FLOAT64, &column, &err));
    int64_t row = 0;
    mw_status status = MW_OK;
    for (int i = 0; i < 100000 && status == MW_OK; i++) {
        status = mw_builder_row(b, &row, &err);
        if (status == MW_OK) mw_builder_set_number(b, column, row, 1);
    }
    assert_int_equal(status, MW_ENOMEM);
    assert_true(row > 1000);
    mw_table *t = NULL;
    assert_status(mw_builder_finish(b, &t, &err), MW_ENOMEM);
    assert_status(mw_builder_column(b, MW_STR("y"), MW_BOOL, &column, &err), MW_ENOMEM);
    assert_null(t);
    mw_builder_free(b);
    assert_null(mw_builder_free(NULL));
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(a_table_without_cells) {
    mw_mem_init(&mem, NULL, 0);
    mw_err err;
    for (int rows = 0; rows < 2; rows++) {
        mw_builder *b;
        mw_table *t;
        int64_t row;
        int32_t column;
        assert_ok(mw_builder_new(&mem, &b, &err));
        if (rows) assert_ok(mw_builder_row(b, &row, &err));
        assert_ok(mw_builder_column(b, MW_STR("x"), MW_DICTIONARY, &column, &err));
        assert_ok(mw_builder_column(b, MW_STR("y"), MW_BOOL, &column, &err));
        assert_ok(mw_builder_finish(b, &t, &err));
        assert_int_equal(t->n_rows, rows);
        assert_int_equal(t->columns[0].n_missing, rows);
        mw_table_free(t);
        mw_builder_free(b);
    }
    assert_int_equal(mw_mem_used(&mem), 0);
}

static mw_status small_build(mw_err *err) {
    mw_builder *b;
    mw_status status = mw_builder_new(&mem, &b, err);
    if (status != MW_OK) return status;
    for (int i = 0; i < 40 && status == MW_OK; i++) {
        char name[16];
        int size = snprintf(name, sizeof name, "c%d", i % 20);
        int32_t number, device;
        int64_t row;
        status = mw_builder_row(b, &row, err);
        if (status == MW_OK)
            status = mw_builder_column(b, (mw_str){name, (size_t)size}, MW_FLOAT64, &number, err);
        if (status == MW_OK) mw_builder_set_number(b, number, row, i);
        if (status == MW_OK)
            status = mw_builder_column(b, MW_STR("device"), MW_DICTIONARY, &device, err);
        if (status == MW_OK)
            status = mw_builder_set_text(b, device, row, (mw_str){name, (size_t)size}, err);
    }
    mw_table *t;
    if (status == MW_OK) status = mw_builder_finish(b, &t, err);
    if (status == MW_OK) mw_table_free(t);
    mw_builder_free(b);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    mw_mem_init(&mem, NULL, 0);
    for (uint64_t n = 1;; n++) {
        assert_true(n <= 2000);
        mw_err err = {0};
        mw_alloc_fail_at(n);
        mw_status status = small_build(&err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(&mem), 0);
        if (!fired) {
            assert_int_equal(status, MW_OK);
            assert_true(n > 40);
            break;
        }
        assert_int_equal(status, MW_ENOMEM);
    }
}

MW_TEST_MAIN(MW_RUN(columns_appear_late_and_cells_anywhere), MW_RUN(agrees_with_a_plain_array),
             MW_RUN(running_out_of_memory_is_remembered), MW_RUN(a_table_without_cells),
             MW_RUN(every_allocation_may_fail))
