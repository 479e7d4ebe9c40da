/* Resampling and spacing: pandas' values (tests/golden/resample/make.py, versions beside it) and corners. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/base/threads.h"
#include "core/table/resample.h"
#include "core/table/windowsums.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"
#include "support/table_stream.h"

static mw_mem mem;
static mw_ctx ctx;

static void begin(void) {
    mw_mem_init(&mem, NULL, 0);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
}

/* The table's rows, cut into chunks of chunk_rows (0: one), resampled. */
static mw_status resample(const mw_ctx *c, const mw_table *table, const char *time,
                          const char *device, int64_t interval, int64_t chunk_rows, double spread,
                          mw_table **ret, mw_err *err) {
    mw_table_stream s;
    mw_status status = mw_table_stream_begin(c->mem, table, time, device, chunk_rows, &s, err);
    if (status != MW_OK) return status;
    status = mw_resample(c, &s.rows, interval, spread, ret, err);
    mw_table_stream_end(&s);
    return status;
}

static mw_status spacing_of(const mw_ctx *c, const mw_table *table, const char *time,
                            const char *device, int64_t chunk_rows, int64_t *ret, mw_err *err) {
    mw_table_stream s;
    mw_status status = mw_table_stream_begin(c->mem, table, time, device, chunk_rows, &s, err);
    if (status != MW_OK) return status;
    status = mw_median_spacing(c, &s.rows, ret, err);
    mw_table_stream_end(&s);
    return status;
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
    static const char *const names[] = {"when", "machine", "a", "b"};
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64, MW_FLOAT64};
    mw_err err;
    mw_table *t;
    mw_column *columns[4];
    char line[512];
    char *cells[CELLS_MAX];
    FILE *f = open_golden("rows.csv");
    int64_t n = -1; /* the header */
    while (fgets(line, sizeof line, f)) n++;
    rewind(f);
    assert_ok(mw_table_new(&mem, n, &t, &err));
    assert_ok(mw_table_reserve(t, 4, &err));
    for (int i = 0; i < 4; i++)
        assert_ok(mw_table_add(t, mw_str_of(names[i]), types[i], &columns[i], &err));
    assert_non_null(fgets(line, sizeof line, f));
    for (int64_t row = 0; row < n; row++) {
        assert_non_null(fgets(line, sizeof line, f));
        assert_int_equal(split(line, cells), 4);
        columns[0]->time[row] = strtoll(cells[0], NULL, 10);
        assert_ok(mw_dictionary_add(columns[1]->dictionary, mw_str_of(cells[1]),
                                    &columns[1]->codes[row], &err));
        for (int i = 2; i < 4; i++) columns[i]->number[row] = number(cells[i]);
    }
    fclose(f);
    for (int i = 0; i < 4; i++) assert_ok(mw_column_seal(t, columns[i], &err));
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
    assert_ok(resample(&ctx, rows, "when", "machine", INT64_C(300000000), 0, 0, &t, &err));
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
    assert_ok(spacing_of(&ctx, rows, "when", "machine", 0, &spacing, &err));
    assert_true(spacing == want);
    mw_table_free(rows);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* ---- any stream against the plain way ---- */

static double cell(const mw_table *t, const char *name, int64_t row) {
    return mw_table_column(t, name)->number[row];
}

static bool same_bits(const mw_table *a, const mw_table *b) {
    if (a->n_rows != b->n_rows || a->n_columns != b->n_columns) return false;
    for (int32_t c = 0; c < a->n_columns; c++) {
        size_t cell = a->columns[c].type == MW_DICTIONARY ? 4 : 8;
        if (strcmp(a->columns[c].name, b->columns[c].name) != 0 ||
            memcmp(a->columns[c].time, b->columns[c].time, (size_t)a->n_rows * cell) != 0)
            return false;
    }
    return true;
}

/* Rows in the order of their times, of some devices; x and y with gaps. steps: distances that come, in turn at random. */
static mw_table *random_rows(mw_rng *rng, int64_t n, const int64_t *steps, uint64_t n_steps) {
    mw_err err;
    mw_table *t;
    mw_column *c[4];
    assert_ok(mw_table_new(&mem, n, &t, &err));
    assert_ok(mw_table_reserve(t, 4, &err));
    assert_ok(mw_table_add(t, MW_STR("t"), MW_TIMESTAMP, &c[0], &err));
    assert_ok(mw_table_add(t, MW_STR("d"), MW_DICTIONARY, &c[1], &err));
    assert_ok(mw_table_add(t, MW_STR("x"), MW_FLOAT64, &c[2], &err));
    assert_ok(mw_table_add(t, MW_STR("y"), MW_FLOAT64, &c[3], &err));
    int64_t time = (int64_t)mw_rng_below(rng, 1000) - 2000;
    uint64_t n_devices = 1 + mw_rng_below(rng, 6);
    for (int64_t i = 0; i < n; i++) {
        char device[8];
        snprintf(device, sizeof device, "%c", (char)('z' - (int)mw_rng_below(rng, n_devices)));
        c[0]->time[i] = time;
        if (mw_rng_below(rng, 5))
            assert_ok(
                mw_dictionary_add(c[1]->dictionary, mw_str_of(device), &c[1]->codes[i], &err));
        c[2]->number[i] = mw_rng_below(rng, 4) ? 1e3 + mw_rng_normal(rng) : NAN;
        c[3]->number[i] = mw_rng_below(rng, 20) ? NAN : mw_rng_normal(rng);
        time += steps[mw_rng_below(rng, n_steps)];
    }
    return t;
}

static int64_t floor_to(int64_t t, int64_t interval) {
    int64_t k = t / interval;
    if (t % interval < 0) k--;
    return k * interval;
}

/* Window `row` of the result, from all rows: in long double, two passes. */
static void check_window(const mw_table *rows, const mw_table *windows, int64_t row,
                         int64_t interval) {
    static const char *const names[] = {"x", "y"};
    const mw_column *device = mw_table_column(rows, "d");
    for (int c = 0; c < 2; c++) {
        const double *x = mw_table_column(rows, names[c])->number;
        long double sum = 0, squares = 0;
        double low = INFINITY, high = -INFINITY, last = NAN, want[MW_AGG_N];
        int64_t n = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t i = 0; i < rows->n_rows; i++) {
                if (floor_to(rows->columns[0].time[i], interval) != windows->columns[0].time[row] ||
                    !mw_str_eq(mw_column_text(device, i),
                               mw_column_text(&windows->columns[1], row)) ||
                    isnan(x[i]))
                    continue;
                long double d = (long double)x[i] - sum / (n ? n : 1);
                if (pass) squares += d * d;
                if (pass) continue;
                n++, sum += (long double)x[i];
                low = fmin(low, x[i]), high = fmax(high, x[i]), last = x[i];
            }
        want[MW_AGG_MEAN] = n ? (double)(sum / n) : NAN;
        want[MW_AGG_MIN] = n ? low : NAN;
        want[MW_AGG_MAX] = n ? high : NAN;
        want[MW_AGG_STD] = n > 1 ? (double)sqrtl(squares / (n - 1)) : NAN;
        want[MW_AGG_COUNT] = (double)n;
        want[MW_AGG_LAST] = last;
        for (int a = 0; a < MW_AGG_N; a++)
            assert_near(windows->columns[2 + c * MW_AGG_N + a].number[row], want[a], 1e-9);
    }
}

static int compare_gaps(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t plain_spacing(const mw_table *rows) {
    int64_t *gaps = calloc((size_t)rows->n_rows + 1, sizeof *gaps), n = 0;
    const mw_column *device = mw_table_column(rows, "d");
    for (int64_t i = 0; i < rows->n_rows; i++) {
        int64_t k = i - 1;
        while (k >= 0 && device->codes[k] != device->codes[i]) k--;
        if (k < 0) continue;
        gaps[n] = rows->columns[0].time[i] - rows->columns[0].time[k];
        n += gaps[n] != 0;
    }
    qsort(gaps, (size_t)n, sizeof *gaps, compare_gaps);
    int64_t low = n ? gaps[(n - 1) / 2] : 0, high = n ? gaps[n / 2] : 0;
    free(gaps);
    return low + (high - low) / 2;
}

MW_TEST(any_cut_gives_the_same_bits_and_the_right_values) {
    static const int64_t steps[][4] = {{1, 1, 1, 1},         {0, 0, 7, 7},
                                       {0, 1, 50, 4000},     {3, 60000, 61000, 300000},
                                       {1000000, 0, 0, 999}, {1 << 20, (1 << 20) + 1, 1 << 30, 2}};
    for (uint64_t round = 0; round < 60; round++) {
        begin();
        mw_err err;
        mw_rng rng;
        mw_rng_init(&rng, 5, round, 0);
        int64_t interval = 1 + (int64_t)mw_rng_below(&rng, round % 2 ? 100 : 200000);
        mw_table *rows =
            random_rows(&rng, 1 + (int64_t)mw_rng_below(&rng, 700), steps[round % 6], 4);
        mw_table *whole, *cut;
        int64_t spacing, want = plain_spacing(rows);
        assert_ok(resample(&ctx, rows, "t", "d", interval, 0, 0, &whole, &err));
        for (int64_t i = 0; i < whole->n_rows; i++) check_window(rows, whole, i, interval);
        for (int64_t i = 1; i < whole->n_rows; i++) { /* by device, then time */
            int order = mw_str_compare(mw_column_text(&whole->columns[1], i - 1),
                                       mw_column_text(&whole->columns[1], i));
            assert_true(order < 0 ||
                        (order == 0 && whole->columns[0].time[i - 1] < whole->columns[0].time[i]));
        }
        if (round % 4 == 3) assert_ok(mw_pool_new(&mem, 3, &ctx.pool, &err));
        for (int64_t chunk = 1; chunk < 200; chunk = chunk * 3 + 1) {
            assert_ok(resample(&ctx, rows, "t", "d", interval, chunk, 0, &cut, &err));
            assert_true(same_bits(whole, cut));
            mw_table_free(cut);
            assert_ok(spacing_of(&ctx, rows, "t", "d", chunk, &spacing, &err));
            assert_true(spacing == want);
        }
        ctx.pool = mw_pool_free(ctx.pool);
        mw_table_free(whole);
        mw_table_free(rows);
        assert_int_equal(mw_mem_used(&mem), 0);
    }
}

/* Blocks of single values are kept small and come out whole, as do those beside them. */
MW_TEST(many_windows_of_one_value) {
    begin();
    mw_err err;
    mw_table *rows, *t;
    mw_column *time, *x, *y;
    enum { N = 30000 };
    assert_ok(mw_table_new(&mem, N, &rows, &err));
    assert_ok(mw_table_reserve(rows, 3, &err));
    assert_ok(mw_table_add(rows, MW_STR("t"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_table_add(rows, MW_STR("x"), MW_FLOAT64, &x, &err));
    assert_ok(mw_table_add(rows, MW_STR("y"), MW_FLOAT64, &y, &err));
    for (int64_t i = 0; i < N;
         i++) { /* two rows in each window; x has one value there, y late two */
        time->time[i] = i * 5;
        x->number[i] = i % 2 ? NAN : (double)i;
        y->number[i] = i < N - 1000 && i % 2 ? NAN : 1;
    }
    for (int spread = 0; spread < 2; spread++) {
        assert_ok(resample(&ctx, rows, "t", NULL, 10, 1000, spread ? 1.5 : 0, &t, &err));
        assert_int_equal(t->n_rows, N / 2);
        assert_int_equal(t->n_columns, spread ? 3 : 13); /* fewer than 1.5 values on average */
        for (int64_t i = 0; i < t->n_rows; i++) {
            assert_true(cell(t, "x_mean", i) == (double)(2 * i));
            if (spread) continue;
            assert_true(cell(t, "x_min", i) == (double)(2 * i) && cell(t, "x_count", i) == 1);
            assert_true(isnan(cell(t, "x_std", i)) && cell(t, "x_last", i) == (double)(2 * i));
            assert_true(cell(t, "y_count", i) == (i < N / 2 - 500 ? 1 : 2));
            assert_true(isnan(cell(t, "y_std", i)) == (i < N / 2 - 500));
        }
        mw_table_free(t);
    }
    mw_table_free(rows);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* An endless stream: n chunks of 1000 rows a second apart, of four devices in turn. */
typedef struct endless {
    mw_schema *schema;
    mw_chunk *chunk;
    int64_t n, next;
} endless;

static mw_status endless_start(void *self, int32_t n_columns, mw_err *err) {
    endless *e = self;
    (void)n_columns, (void)err;
    e->next = 0;
    return MW_OK;
}

static mw_status endless_next(void *self, const mw_chunk **ret, mw_err *err) {
    endless *e = self;
    (void)err;
    *ret = NULL;
    if (e->next == e->n) return MW_OK;
    for (int64_t i = 0; i < 1000; i++) {
        int64_t row = e->next * 1000 + i;
        e->chunk->columns[0].time[i] = row * 1000000;
        e->chunk->columns[1].codes[i] = (int32_t)(row % 4);
        e->chunk->columns[2].number[i] = (double)(row % 100);
    }
    e->chunk->n_rows = 1000;
    e->next++;
    *ret = e->chunk;
    return MW_OK;
}

static size_t peak_of(int64_t n_chunks) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64};
    static const char *const names[] = {"t", "d", "x"};
    mw_err err;
    endless e = {.n = n_chunks};
    mw_table *t;
    int64_t spacing;
    int32_t at;
    begin();
    assert_ok(mw_schema_new(&mem, &e.schema, &err));
    for (int c = 0; c < 3; c++)
        assert_ok(mw_schema_add(e.schema, mw_str_of(names[c]), types[c], &at, &err));
    for (int d = 0; d < 4; d++)
        assert_ok(
            mw_dictionary_add(e.schema->columns[1].dictionary, mw_str_of(&"dcba"[d]), &at, &err));
    assert_ok(mw_chunk_new(&mem, types, 3, 1000, &e.chunk, &err));
    mw_row_stream rows = {e.schema, true, n_chunks * 1000, endless_start, endless_next, &e};
    assert_ok(mw_median_spacing(&ctx, &rows, &spacing, &err));
    assert_true(spacing == 4000000);
    /* The same windows, however many rows: ten. */
    assert_ok(mw_resample(&ctx, &rows, n_chunks * 100000000, 0, &t, &err));
    assert_int_equal(t->n_rows, 40);
    for (int64_t i = 0; i < 40; i++) assert_true(cell(t, "x_count", i) == (double)(25 * n_chunks));
    mw_table_free(t);
    mw_chunk_free(e.chunk);
    mw_schema_free(e.schema);
    assert_int_equal(mw_mem_used(&mem), 0);
    return mw_mem_peak(&mem);
}

MW_TEST(memory_is_that_of_the_windows) { assert_int_equal(peak_of(10), peak_of(2000)); }

/* Wider than double in software, too: valgrind has no 80-bit numbers. */
#if defined(__x86_64__)
__extension__ typedef __float128 wide;
#else
typedef long double wide;
#endif

static double root_of(wide square) {
    int halves = 0;
    for (; square > 0x1p+1000; halves += 500) square *= 0x1p-1000;
    return ldexp(sqrt((double)square), halves);
}

/* Against wider numbers: values whose mean is far larger than their spread, and an outlier that comes first. */
MW_TEST(sums_keep_what_cancels) {
    enum { N = 4000 };
    static double x[N];
    static int64_t index[N];
    const double levels[] = {0, 1e9, -3e12, 1e-12, 1e200, 1e300};
    for (size_t k = 0; k < sizeof levels / sizeof *levels; k++)
        for (int outlier = 0; outlier < 2; outlier++) {
            mw_rng rng;
            mw_rng_init(&rng, 9, k, (uint64_t)outlier);
            wide sum = 0, squares = 0;
            for (int i = 0; i < N; i++) {
                index[i] = i;
                x[i] =
                    levels[k] + mw_rng_normal(&rng) * (levels[k] > 1e100 ? levels[k] * 1e-9 : 1e-3);
            }
            if (outlier) x[0] = levels[k] * 2 + 1e6;
            for (int i = 0; i < N; i++) sum += (wide)x[i] - levels[k];
            for (int i = 0; i < N; i++) {
                wide d = (wide)x[i] - levels[k] - sum / N;
                squares += d * d;
            }
            mw_window_sums sums;
            double out[MW_AGG_N];
            mw_window_sums_begin(&sums);
            mw_window_sums_add(&sums, x, index, 7);
            mw_window_sums_add(&sums, x, index + 7, N - 7);
            mw_window_sums_end(&sums, out);
            double mean = (double)(levels[k] + sum / N), std = root_of(squares / (N - 1));
            if (fabs(out[MW_AGG_MEAN] - mean) > 4e-16 * fabs(mean) + 1e-19)
                fail_msg("mean %.17g, want %.17g", out[MW_AGG_MEAN], mean);
            double bound = outlier ? N * 0x1p-52 : 1e-13; /* windowsums.h: what cancels */
            if (fabs(out[MW_AGG_STD] - std) > bound * std)
                fail_msg("std %.17g, want %.17g", out[MW_AGG_STD], std);
        }
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

MW_TEST(windows_floor_and_devices_group) {
    begin();
    mw_err err;
    mw_table *t, *r;
    const int64_t time[] = {-1, MW_TIME_NONE, -10, 9, -11, 0, 10};
    const double x[] = {1, 99, 2, NAN, 4, 5, 6};
    const char *const devices[] = {"b", "q", "b", NULL, "b", "", "a"};
    assert_ok(make(&mem, 7, time, x, devices, &t, &err));
    assert_ok(resample(&ctx, t, "t", "d", 10, 0, 0, &r, &err));
    const int64_t want_time[] = {0, 10, -20, -10};
    const char *const want_device[] = {"", "a", "b", "b"};
    const double want_count[] = {1, 1, 1, 2}, want_last[] = {5, 6, 4, 1};
    assert_int_equal(r->n_rows, 4);
    for (int64_t i = 0; i < 4; i++) {
        assert_true(mw_table_column(r, "time")->time[i] == want_time[i]);
        assert_true(mw_str_is(mw_column_text(mw_table_column(r, "device"), i), want_device[i]));
        assert_true(cell(r, "x_count", i) == want_count[i]);
        assert_true(cell(r, "x_last", i) == want_last[i]);
    }
    assert_int_equal(mw_table_column(r, "device")->n_missing, 0);
    assert_int_equal(mw_dictionary_size(mw_table_column(r, "device")->dictionary), 3);
    assert_true(isnan(cell(r, "x_std", 2)));
    assert_true(cell(r, "x_std", 3) == sqrt(0.5));
    mw_table_free(r);
    int64_t spacing = 0;
    assert_ok(spacing_of(&ctx, t, "t", "d", 0, &spacing, &err));
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
    assert_ok(resample(&ctx, t, "t", NULL, 20, 0, 0, &r, &err));
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
    assert_status(resample(&ctx, t, "t", NULL, INT64_C(1) << 40, 0, 0, &r, &err), MW_EDATA);
    int64_t spacing = 0;
    assert_ok(spacing_of(&ctx, t, "t", NULL, 0, &spacing, &err));
    assert_true(spacing == INT64_MAX);
    assert_ok(resample(&ctx, t, "t", NULL, 1, 0, 0, &r, &err));
    assert_int_equal(r->n_rows, 2);
    mw_table_free(r);
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(rows_that_come_late_are_refused) {
    begin();
    mw_err err;
    mw_table *t, *r = NULL;
    const int64_t time[] = {5, 6, 7, 6};
    const double x[] = {1, 2, 3, 4};
    assert_ok(make(&mem, 4, time, x, NULL, &t, &err));
    assert_ok(resample(&ctx, t, "t", NULL, 10, 0, 0, &r, &err)); /* in a chunk any order will do */
    mw_table_free(r);
    assert_status(resample(&ctx, t, "t", NULL, 10, 3, 0, &r, &err), MW_EDATA);
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
    assert_status(resample(&ctx, t, "t", NULL, 0, 0, 0, &r, &err), MW_EINVAL);
    assert_ok(resample(&ctx, t, "t", "d", 1, 0, 0, &r, &err));
    assert_int_equal(r->n_rows, 0);
    assert_int_equal(r->n_columns, 8);
    mw_table_free(r);
    int64_t spacing = -1;
    assert_ok(spacing_of(&ctx, t, "t", NULL, 0, &spacing, &err));
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
    status = spacing_of(c, t, "t", "d", 0, &spacing, err);
    if (status == MW_OK) status = resample(c, t, "t", "d", 10, 0, 0, &r, err);
    if (status == MW_OK) mw_table_free(r);
    mw_table_free(t);
    return status;
}

MW_TEST(every_allocation_may_fail) { assert_true(mw_fault_loop_alloc(resample_some, NULL) > 30); }

MW_TEST_MAIN(MW_RUN(agrees_with_pandas), MW_RUN(any_cut_gives_the_same_bits_and_the_right_values),
             MW_RUN(many_windows_of_one_value), MW_RUN(memory_is_that_of_the_windows),
             MW_RUN(sums_keep_what_cancels), MW_RUN(rows_that_come_late_are_refused),
             MW_RUN(windows_floor_and_devices_group), MW_RUN(extremes_do_not_overflow),
             MW_RUN(wrong_calls_are_refused), MW_RUN(every_allocation_may_fail))
