/* Resampling and spacing: pandas' values (tests/golden/resample/make.py, versions beside it) and corners. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/table/builder.h"
#include "core/table/resample.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"

static mw_mem mem;
static mw_ctx ctx;

static void begin(void) {
    mw_mem_init(&mem, NULL, 0);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
}

enum { CELLS_MAX = 16 };

/* Splits a line of a golden file, which quotes nothing; returns the number of cells. */
static int split(char *line, char *cells[CELLS_MAX]) {
    int n = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *p = line; p && n < CELLS_MAX; n++) {
        cells[n] = p;
        p = strchr(p, ',');
        if (p) *p++ = 0;
    }
    return n;
}

static FILE *open_golden(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/resample/%s", mw_test_golden(), name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("cannot open %s", path);
    return f;
}

static double number(const char *cell) { return *cell ? strtod(cell, NULL) : NAN; }

static mw_table *read_rows(void) {
    mw_err err;
    mw_builder *b;
    mw_table *t;
    int32_t time, device, a, c;
    char line[512];
    char *cells[CELLS_MAX];
    FILE *f = open_golden("rows.csv");
    assert_non_null(fgets(line, sizeof line, f));
    assert_ok(mw_builder_new(&mem, &b, &err));
    assert_ok(mw_builder_column(b, MW_STR("when"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_builder_column(b, MW_STR("machine"), MW_DICTIONARY, &device, &err));
    assert_ok(mw_builder_column(b, MW_STR("a"), MW_FLOAT64, &a, &err));
    assert_ok(mw_builder_column(b, MW_STR("b"), MW_FLOAT64, &c, &err));
    while (fgets(line, sizeof line, f)) {
        int64_t row;
        assert_int_equal(split(line, cells), 4);
        assert_ok(mw_builder_row(b, &row, &err));
        mw_builder_set_time(b, time, row, strtoll(cells[0], NULL, 10));
        assert_ok(mw_builder_set_text(b, device, row, mw_str_of(cells[1]), &err));
        mw_builder_set_number(b, a, row, number(cells[2]));
        mw_builder_set_number(b, c, row, number(cells[3]));
    }
    fclose(f);
    assert_ok(mw_builder_finish(b, &t, &err));
    mw_builder_free(b);
    return t;
}

static void assert_near(double got, double want, double scale) {
    if (isnan(want) || isnan(got)) {
        if (isnan(want) != isnan(got)) fail_msg("got %.17g, want %.17g", got, want);
        return;
    }
    if (fabs(got - want) > 1e-12 * fmax(scale, fabs(want)))
        fail_msg("got %.17g, want %.17g", got, want);
}

MW_TEST(agrees_with_pandas) {
    begin();
    mw_err err;
    mw_table *rows = read_rows(), *t;
    assert_ok(mw_resample(&ctx, rows, "when", "machine", INT64_C(300000000), &t, &err));
    assert_int_equal(t->n_columns, 14);
    char line[512];
    char *names[CELLS_MAX], *cells[CELLS_MAX];
    FILE *f = open_golden("windows.csv");
    char header[512];
    assert_non_null(fgets(header, sizeof header, f));
    assert_int_equal(split(header, names), 14);
    int64_t row = 0;
    for (; fgets(line, sizeof line, f); row++) {
        assert_true(row < t->n_rows);
        assert_int_equal(split(line, cells), 14);
        assert_true(mw_table_column(t, "time")->time[row] == strtoll(cells[0], NULL, 10));
        assert_true(mw_str_is(mw_column_text(mw_table_column(t, "device"), row), cells[1]));
        for (int c = 2; c < 14; c++) {
            const mw_column *column = mw_table_column(t, names[c]);
            assert_non_null(column);
            /* A deviation of 3 around a million is good to 1e-12 of that million's last bits. */
            assert_near(column->number[row], number(cells[c]), strcmp(names[c], "a_std") ? 0 : 1e3);
        }
    }
    fclose(f);
    assert_int_equal(row, t->n_rows);
    mw_table_free(t);

    int64_t spacing = 0, want = 0;
    f = open_golden("spacing.txt");
    assert_non_null(fgets(line, sizeof line, f));
    want = strtoll(line, NULL, 10);
    fclose(f);
    assert_ok(mw_median_spacing(&ctx, mw_table_column(rows, "when"),
                                mw_table_column(rows, "machine"), &spacing, &err));
    assert_true(spacing == want);
    mw_table_free(rows);
    assert_int_equal(mw_mem_used(&mem), 0);
}

static bool same_bits(const mw_table *a, const mw_table *b) {
    if (a->n_rows != b->n_rows || a->n_columns != b->n_columns) return false;
    for (int32_t c = 0; c < a->n_columns; c++)
        if (a->columns[c].type == MW_FLOAT64 &&
            memcmp(a->columns[c].number, b->columns[c].number, (size_t)a->n_rows * 8) != 0)
            return false;
    return true;
}

/* Threads do not matter; nor does the order of rows whose times differ. */
MW_TEST(same_bits_whatever_the_threads_and_order) {
    begin();
    mw_err err;
    mw_table *rows = read_rows(), *one, *many, *sorted, *again;
    assert_ok(mw_resample(&ctx, rows, "when", "machine", 60000000, &one, &err));
    assert_ok(mw_pool_new(&mem, 4, &ctx.pool, &err));
    assert_ok(mw_resample(&ctx, rows, "when", "machine", 60000000, &many, &err));
    assert_true(same_bits(one, many));
    ctx.pool = mw_pool_free(ctx.pool);

    int64_t index[600];
    const int64_t *time = mw_table_column(rows, "when")->time;
    for (int64_t i = 0; i < 600; i++) {
        int64_t k = i;
        for (; k > 0 && time[index[k - 1]] > time[i]; k--) index[k] = index[k - 1];
        index[k] = i;
    }
    assert_ok(mw_table_take(&ctx, rows, index, 600, &sorted, &err));
    assert_ok(mw_resample(&ctx, sorted, "when", NULL, 60000000, &again, &err));
    mw_table_free(one);
    assert_ok(mw_resample(&ctx, rows, "when", NULL, 60000000, &one, &err));
    assert_true(same_bits(one, again));
    mw_table_free(one);
    mw_table_free(many);
    mw_table_free(sorted);
    mw_table_free(again);
    mw_table_free(rows);
    assert_int_equal(mw_mem_used(&mem), 0);
}

static mw_status make(mw_mem *account, int64_t n, const int64_t *time, const double *x,
                      const char *const *devices, mw_table **ret, mw_err *err) {
    mw_table *t;
    mw_column *c = NULL;
    mw_status status = mw_table_new(account, n, &t, err);
    if (status != MW_OK) return status;
    status = mw_table_add(t, MW_STR("t"), MW_TIMESTAMP, &c, err);
    for (int64_t i = 0; i < n && status == MW_OK; i++) c->time[i] = time[i];
    if (status == MW_OK) status = mw_table_add(t, MW_STR("x"), MW_FLOAT64, &c, err);
    for (int64_t i = 0; i < n && status == MW_OK; i++) c->number[i] = x[i];
    if (status == MW_OK) status = mw_table_add(t, MW_STR("d"), MW_DICTIONARY, &c, err);
    for (int64_t i = 0; i < n && status == MW_OK && devices; i++)
        if (devices[i])
            status = mw_dictionary_add(c->dictionary, mw_str_of(devices[i]), &c->codes[i], err);
    if (status == MW_OK)
        *ret = t;
    else
        mw_table_free(t);
    return status;
}

static double cell(const mw_table *t, const char *name, int64_t row) {
    return mw_table_column(t, name)->number[row];
}

MW_TEST(windows_floor_and_devices_group) {
    begin();
    mw_err err;
    mw_table *t, *r;
    const int64_t time[] = {-1, MW_TIME_NONE, -10, 9, -11, 0, 10};
    const double x[] = {1, 99, 2, NAN, 4, 5, 6};
    const char *const devices[] = {"b", "q", "b", NULL, "b", "", "a"};
    assert_ok(make(&mem, 7, time, x, devices, &t, &err));
    assert_ok(mw_resample(&ctx, t, "t", "d", 10, &r, &err));
    const int64_t want_time[] = {-20, -10, 0, 10};
    const char *const want_device[] = {"b", "b", "", "a"};
    const double want_count[] = {1, 2, 1, 1}, want_last[] = {4, 1, 5, 6};
    assert_int_equal(r->n_rows, 4);
    for (int64_t i = 0; i < 4; i++) {
        assert_true(mw_table_column(r, "time")->time[i] == want_time[i]);
        assert_true(mw_str_is(mw_column_text(mw_table_column(r, "device"), i), want_device[i]));
        assert_true(cell(r, "x_count", i) == want_count[i]);
        assert_true(cell(r, "x_last", i) == want_last[i]);
    }
    assert_int_equal(mw_table_column(r, "device")->n_missing, 0);
    assert_int_equal(mw_dictionary_size(mw_table_column(r, "device")->dictionary), 3);
    assert_true(isnan(cell(r, "x_std", 0)));
    assert_true(cell(r, "x_std", 1) == sqrt(0.5));
    mw_table_free(r);
    int64_t spacing = 0;
    assert_ok(
        mw_median_spacing(&ctx, mw_table_column(t, "t"), mw_table_column(t, "d"), &spacing, &err));
    assert_int_equal(spacing, 9); /* 1, 9 of b; 9 of "" */
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(extremes_do_not_overflow) {
    begin();
    mw_err err;
    mw_table *t, *r;
    const int64_t time[] = {0, 1, 2, 20, 21, 22, 40, 41, 60, 61};
    const double x[] = {1.7e308, 1.7e308, 1.6e308, 0.1, 0.1, 0.1, -1.5e300, 1.5e300, INFINITY, 1};
    assert_ok(make(&mem, 10, time, x, NULL, &t, &err));
    assert_ok(mw_resample(&ctx, t, "t", NULL, 20, &r, &err));
    assert_null(mw_table_column(r, "device"));
    assert_near(cell(r, "x_mean", 0), 5.0 / 3 * 1e308, 0);
    assert_near(cell(r, "x_std", 0), 5.7735026918962576e306, 1e300);
    assert_true(cell(r, "x_mean", 1) == 0.1);
    assert_true(cell(r, "x_std", 1) == 0);
    assert_true(cell(r, "x_mean", 2) == 0);
    assert_near(cell(r, "x_std", 2), 1.5e300 * sqrt(2.0), 0);
    assert_true(isinf(cell(r, "x_mean", 3)));
    assert_true(isnan(cell(r, "x_std", 3)));
    mw_table_free(r);
    mw_table_free(t);

    const int64_t far[] = {INT64_MIN + 1, INT64_MAX};
    assert_ok(make(&mem, 2, far, x, NULL, &t, &err));
    assert_status(mw_resample(&ctx, t, "t", NULL, INT64_C(1) << 40, &r, &err), MW_EDATA);
    int64_t spacing = 0;
    assert_ok(mw_median_spacing(&ctx, mw_table_column(t, "t"), NULL, &spacing, &err));
    assert_true(spacing == INT64_MAX);
    assert_ok(mw_resample(&ctx, t, "t", NULL, 1, &r, &err));
    assert_int_equal(r->n_rows, 2);
    mw_table_free(r);
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(wrong_calls_are_refused) {
    begin();
    mw_err err;
    mw_table *t, *r = NULL;
    const int64_t time[] = {MW_TIME_NONE};
    const double x[] = {1};
    assert_ok(make(&mem, 1, time, x, NULL, &t, &err));
    assert_status(mw_resample(&ctx, t, "t", NULL, 0, &r, &err), MW_EINVAL);
    assert_status(mw_resample(&ctx, t, "nope", NULL, 1, &r, &err), MW_ENOTFOUND);
    assert_status(mw_resample(&ctx, t, "t", "nope", 1, &r, &err), MW_ENOTFOUND);
    assert_status(mw_resample(&ctx, t, "x", NULL, 1, &r, &err), MW_EINVAL);
    assert_status(mw_resample(&ctx, t, "t", "x", 1, &r, &err), MW_EINVAL);
    assert_ok(mw_resample(&ctx, t, "t", "d", 1, &r, &err));
    assert_int_equal(r->n_rows, 0);
    assert_int_equal(r->n_columns, 8);
    mw_table_free(r);
    int64_t spacing = -1;
    assert_ok(mw_median_spacing(&ctx, mw_table_column(t, "t"), NULL, &spacing, &err));
    assert_int_equal(spacing, 0);
    assert_string_equal(mw_aggregate_name(MW_AGG_STD), "std");
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

static mw_status resample_some(const mw_ctx *c, void *arg, mw_err *err) {
    (void)arg;
    const int64_t time[] = {5, 1, 9, 30, 2, 11};
    const double x[] = {1, 2, 3, 4, 5, 6};
    const char *const devices[] = {"a", "a", "b", "a", "b", "a"};
    mw_table *t, *r;
    mw_status status = make(c->mem, 6, time, x, devices, &t, err);
    if (status != MW_OK) return status;
    int64_t spacing;
    status = mw_median_spacing(c, mw_table_column(t, "t"), mw_table_column(t, "d"), &spacing, err);
    if (status == MW_OK) status = mw_resample(c, t, "t", "d", 10, &r, err);
    if (status == MW_OK) mw_table_free(r);
    mw_table_free(t);
    return status;
}

MW_TEST(every_allocation_may_fail) { assert_true(mw_fault_loop_alloc(resample_some, NULL) > 30); }

MW_TEST_MAIN(MW_RUN(agrees_with_pandas), MW_RUN(same_bits_whatever_the_threads_and_order),
             MW_RUN(windows_floor_and_devices_group), MW_RUN(extremes_do_not_overflow),
             MW_RUN(wrong_calls_are_refused), MW_RUN(every_allocation_may_fail))
