/* test_operator_golden.c -- operators against pandas and numpy (tests/golden/feature/make.py). */
#include "unit/feature/kernel_rows.h"

#include <stdio.h>
#include <stdlib.h>

/* As in make.py. */
static const mw_feature_args time_window = {.us = 90000000, .number = 50.5},
                             row_window = {.rows = 12, .number = 50.5},
                             half_life_time = {.us = 40000000}, half_life_rows = {.rows = 5},
                             nothing = {0};
static const int64_t gap_us = 15000000, no_gap_us = 1000000000;

enum { LINE = 4096, COLUMNS = 24, ROWS = 96 };

typedef struct golden {
    char names[LINE];
    const char *name[COLUMNS];
    int32_t n_columns, n_rows;
    double cells[ROWS][COLUMNS];
} golden;

static golden table;

static void read_golden(void) {
    char path[512], line[LINE];
    (void)snprintf(path, sizeof path, "%s/feature/operators.csv", mw_test_golden());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(table.names, LINE, f));
    table.names[strcspn(table.names, "\n")] = '\0';
    for (char *at = table.names; at; table.n_columns++) {
        assert_true(table.n_columns < COLUMNS);
        table.name[table.n_columns] = strsep(&at, ",");
    }
    for (; fgets(line, LINE, f); table.n_rows++) {
        assert_true(table.n_rows < ROWS);
        line[strcspn(line, "\n")] = '\0';
        char *at = line;
        for (int32_t k = 0; k < table.n_columns; k++) {
            const char *cell = strsep(&at, ",");
            assert_non_null(cell);
            table.cells[table.n_rows][k] = cell[0] ? strtod(cell, NULL) : MW_NAN;
        }
    }
    (void)fclose(f);
    assert_int_equal(table.n_rows, ROWS);
}

static int32_t column(const char *name) {
    for (int32_t k = 0; k < table.n_columns; k++)
        if (strcmp(table.name[k], name) == 0) return k;
    fail_msg("no column %s", name);
    return 0;
}

static void compare(const char *name, const char *of, const char *op_name, mw_feature_args args,
                    int64_t gap) {
    static kernel_rows rows;
    static kernel_result result;
    const mw_operator *op = mw_operator_find(op_name, strlen(op_name));
    assert_non_null(op);
    rows = (kernel_rows){.n = ROWS, .sampling_us = gap / 10};
    const int32_t want = column(name), times = column("seconds"), x = column(of);
    for (int32_t i = 0; i < ROWS; i++) {
        rows.times[i] = (int64_t)table.cells[i][times] * 1000000;
        rows.x[i] = table.cells[i][x];
    }
    kernel_run(op->kernel, args, &rows, 0, 0, &result);
    for (int32_t i = 0; i < ROWS; i++) {
        const double y = table.cells[i][want];
        if (mw_isnan(y) != mw_isnan(result.out[op->output][i]))
            fail_msg("%s, row %d: %g, want %g", name, (int)i, result.out[op->output][i], y);
        assert_close(result.out[op->output][i], y, 1e-11 * (1 + mw_abs(y)), i, name);
    }
}

MW_TEST(equals_pandas) {
    read_golden();
    compare("skew_rows", "x", "skew", row_window, no_gap_us);
    compare("skew_time", "x", "skew", time_window, no_gap_us);
    compare("kurtosis_rows", "x", "kurtosis", row_window, no_gap_us);
    compare("kurtosis_time", "x", "kurtosis", time_window, no_gap_us);
    compare("slope_rows", "x", "slope", row_window, no_gap_us);
    compare("slope_time", "x", "slope", time_window, no_gap_us);
    compare("crossings_rows", "x", "crossings", row_window, no_gap_us);
    compare("crossings_time", "x", "crossings", time_window, no_gap_us);
    compare("ewm_mean_rows", "x", "ewm_mean", half_life_rows, no_gap_us);
    compare("ewm_std_rows", "x", "ewm_std", half_life_rows, no_gap_us);
    compare("ewm_mean_time", "x", "ewm_mean", half_life_time, no_gap_us);
    compare("ewm_std_time", "x", "ewm_std", half_life_time, no_gap_us);
    compare("since_change", "state", "since_change", nothing, gap_us);
    compare("run_length", "state", "run_length", nothing, gap_us);
    compare("since_event", "state", "since_event", nothing, gap_us);
    compare("on_time", "state", "on_time", nothing, gap_us);
    compare("energy", "state", "energy", nothing, gap_us);
}

MW_TEST_MAIN(MW_RUN(equals_pandas))
