/* Sensor quality: what the clock says, given ranges, totals by sensor, limits, columns that come later. */
#include "support/harness.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/math.h"
#include "unit/ingest/quality_rows.h"

/* --- the clock ---------------------------------------------------------------------------------- */

static void add_steady(quality_rows *r, int32_t code, int64_t *at_us, int n, int64_t step_us) {
    for (int i = 0; i < n; i++) {
        int64_t row = quality_rows_add(r, *at_us, code);
        r->values[0][row] = (double)(row * 7919 % 1009);
        *at_us += step_us;
    }
}

MW_TEST(lost_rows_are_a_gap_of_the_device) {
    quality_rows r;
    quality_rows_init(&r, 1, ROWS);
    int32_t code = quality_rows_device(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at += 3 * hour_us; /* rows of 10:00 to 12:55 */
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 10+3 36/0\n");
    quality_rows_done(&r);
}

MW_TEST(a_gap_among_the_first_rows_is_found_too) {
    quality_rows r;
    quality_rows_init(&r, 1, ROWS);
    int32_t code = quality_rows_device(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 12, 5 * minute_us);
    at += hour_us;
    add_steady(&r, code, &at, 12, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 1+1 12/0\n");
    quality_rows_done(&r);
}

MW_TEST(a_clock_that_jumps_stands_or_changes_its_pace) {
    quality_rows r;
    quality_rows_init(&r, 1, ROWS);
    int32_t code = quality_rows_device(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at += 2 * hour_us + 97 * minute_us / 60; /* off the grid */
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 10+2 24/0\nd00  clock 12+1 1/1\n");
    quality_rows_done(&r);

    quality_rows_init(&r, 1, ROWS);
    code = quality_rows_device(&r, 0);
    at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at = 119 * 5 * minute_us;
    add_steady(&r, code, &at, 20, 0);
    at += 5 * minute_us;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  clock 9+1 20/20\n");
    quality_rows_done(&r);

    quality_rows_init(&r, 1, ROWS);
    code = quality_rows_device(&r, 0);
    at = 0;
    add_steady(&r, code, &at, 1 + 32 * 9, 5 * minute_us); /* 24 h and one row */
    add_steady(&r, code, &at, 400, 15 * minute_us);
    assert_judged(&r, NULL, "d00  clock 24+32 128/128\n");
    quality_rows_done(&r);
}

/* --- options, limits, faults -------------------------------------------------------------------- */

static mw_args *args_of(const char *name, const char *value) {
    mw_err err;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_quality_params, &args, &err));
    assert_ok(mw_args_set(args, mw_str_of(name), mw_str_of(value), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

MW_TEST(a_given_range_counts_from_the_first_row) {
    quality_rows r;
    quality_rows_init(&r, 2, ROWS);
    int32_t code = quality_rows_device(&r, 0);
    for (int i = 0; i < 48; i++) {
        int64_t row = quality_rows_add(&r, i * 5 * minute_us, code);
        r.values[0][row] = i == 3 ? -41 : i == 30 || i == 31 ? 151 : 20;
        r.values[1][row] = 1000;
    }
    mw_args *args = args_of("range", "a=-40:150");
    assert_judged(&r, args, "d00 a out_of_range 0+1 1/12\nd00 a out_of_range 2+1 2/12\n");
    mw_args_free(args);
    args = args_of("range", "a=:30");
    assert_judged(&r, args, "d00 a out_of_range 2+1 2/12\n");
    mw_args_free(args);
    quality_rows_done(&r);
}

MW_TEST(a_range_that_is_none_is_refused) {
    static const char *const wrong[] = {"a", "a=5", "=1:2", "a=2:1", "a=x:1", "a=1:2x"};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    quality_rows r;
    quality_rows_init(&r, 1, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_err err;
        mw_quality *quality;
        mw_args *args = args_of("range", wrong[i]);
        assert_status(mw_quality_new(&ctx, r.schema, 1, args, &quality, &err), MW_EINVAL);
        assert_true(strlen(err.hint) > 0);
        assert_string_equal(err.pointer, "range");
        mw_args_free(args);
    }
    quality_rows_done(&r);
}

/* --- totals and limits -------------------------------------------------------------------------- */

MW_TEST(totals_add_up_tables_by_sensor) {
    mw_err err;
    quality_rows r;
    quality_rows_init(&r, 2, ROWS);
    int32_t codes[2] = {quality_rows_device(&r, 0), quality_rows_device(&r, 1)};
    for (int i = 0; i < 96; i++)
        for (int d = 0; d < 2; d++) {
            int64_t row =
                quality_rows_add(&r, i * 5 * minute_us + (i >= 48) * 2 * hour_us, codes[d]);
            r.values[0][row] = i % 24 == 5 + d ? 200 : 1;
            r.values[1][row] = d == 1 && i == 70 ? MW_INFINITY : 2;
        }
    mw_args *args = args_of("range", "a=0:100");
    mw_table *t = quality_rows_judged(&r, args);
    mw_quality_totals *totals;
    assert_ok(mw_quality_totals_new(NULL, &totals, &err));
    assert_ok(mw_quality_totals_add(totals, t, NULL, &err));
    assert_ok(mw_quality_totals_add(totals, t, "d01", &err));
    assert_ok(mw_quality_totals_add(totals, t, "nobody", &err));
    assert_int_equal(mw_quality_totals_count(totals), 3);
    for (int32_t i = 0; i < 3; i++) {
        mw_str sensor;
        const mw_quality_total *total = mw_quality_totals_get(totals, i, &sensor);
        bool is_a = mw_str_is(sensor, "a"), is_b = mw_str_is(sensor, "b");
        /* a: 4 windows of each device, of d01 twice; b: one of d01, twice; rows: 2 windows without, like a. */
        assert_int_equal(total->n_windows, is_a ? 12 : is_b ? 2 : 6);
        assert_int_equal(total->by_bit[2], is_a ? 12 : is_b ? 2 : 0);
        assert_int_equal(total->by_bit[4], is_a || is_b ? 0 : 6);
        assert_true(total->flagged_s == 3600.0 * (double)total->n_windows);
    }
    mw_column *bits = mw_table_column(t, "bits");
    bits->number[0] = 128;
    assert_status(mw_quality_totals_add(totals, t, NULL, &err), MW_EDATA);
    bits->number[0] = MW_NAN;
    assert_status(mw_quality_totals_add(totals, t, NULL, &err), MW_EDATA);
    mw_quality_totals_free(totals);
    mw_table_free(t);
    mw_args_free(args);
    quality_rows_done(&r);
}

static void keep_message(void *self, mw_log_level level, const char *message) {
    assert_int_equal(level, MW_LOG_WARN);
    mw_buf_add(self, message);
    mw_buf_add_char(self, '\n');
}

static void judge_logged(const quality_rows *r, const mw_args *args, mw_buf *messages,
                         mw_table **ret) {
    static const int64_t sizes[] = {4096};
    mw_ctx ctx;
    mw_err err;
    mw_buf_init(messages, NULL, 1 << 20);
    mw_log_options options = {.level = MW_LOG_INFO, .write = keep_message, .self = messages};
    mw_ctx_init(&ctx);
    assert_ok(mw_log_open(&options, &ctx.log, &err));
    assert_ok(quality_rows_judge(&ctx, r, args, sizes, 1, ret, &err));
    mw_log_close(ctx.log);
}

MW_TEST(devices_beyond_the_limit_are_left_out_and_told) {
    enum { DEVICES = 10003 };
    quality_rows r;
    mw_buf messages;
    mw_table *t;
    quality_rows_init(&r, COLUMNS_MAX, DEVICES);
    for (int d = 0; d < DEVICES; d++) {
        int64_t row = quality_rows_add(&r, 0, quality_rows_device(&r, d));
        r.values[0][row] = 200;
    }
    mw_args *args = args_of("range", "a=0:100");
    judge_logged(&r, args, &messages, &t);
    assert_int_equal(MW_LIMIT(QUALITY_SENSORS), 10000 * COLUMNS_MAX);
    assert_int_equal(t->n_rows, 10000);
    assert_non_null(strstr(mw_buf_text(&messages), "3 devices were not judged"));
    mw_buf_done(&messages);
    mw_table_free(t);
    mw_args_free(args);
    quality_rows_done(&r);
}

MW_TEST(stretches_beyond_the_limit_are_left_out_and_told) {
    int64_t limit = MW_LIMIT(QUALITY_STRETCHES), n = 2 * (limit + 50);
    mw_err err;
    quality_rows r;
    mw_buf messages;
    mw_table *t;
    quality_rows_init(&r, 1, n);
    int32_t code = quality_rows_device(&r, 0);
    for (int64_t i = 0; i < n; i++)
        r.values[0][quality_rows_add(&r, i * 1000000, code)] = i % 2 ? 200 : 1;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_quality_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("a=0:100"), &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("zz=0:100"), &err));
    assert_ok(mw_args_set(args, MW_STR("quality_window"), MW_STR("1s"), &err));
    assert_ok(mw_args_finish(args, &err));
    judge_logged(&r, args, &messages, &t);
    assert_int_equal(t->n_rows, limit);
    assert_non_null(strstr(mw_buf_text(&messages), "50 flagged stretches were left out"));
    assert_non_null(strstr(mw_buf_text(&messages), "\"zz\""));
    mw_buf_done(&messages);
    mw_table_free(t);
    mw_args_free(args);
    quality_rows_done(&r);
}

MW_TEST(columns_may_come_later) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    quality_rows r;
    quality_rows_init(&r, 1, ROWS);
    int32_t code = quality_rows_device(&r, 0), ignored;
    mw_quality *quality;
    mw_table *t;
    static const int64_t sizes[] = {64};
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &quality, &err));
    for (int64_t i = 0; i < 512; i++)
        r.values[0][quality_rows_add(&r, i * 5 * minute_us, code)] = (double)(i * 7919 % 1009);
    assert_ok(quality_rows_feed(&ctx, quality, &r, sizes, 1, &err));
    assert_ok(mw_schema_add(r.schema, MW_STR("late"), MW_FLOAT64, &ignored, &err));
    r.n_values = 2;
    r.values[1] = mw_alloc_array(NULL, ROWS, sizeof(double));
    r.n = 0;
    for (int64_t i = 512; i < 1024; i++) {
        int64_t row = quality_rows_add(&r, i * 5 * minute_us, code);
        r.values[0][row] = (double)(i * 7919 % 1009);
        r.values[1][row] = (double)(i * 7919 % 997);
    }
    assert_ok(quality_rows_feed(&ctx, quality, &r, sizes, 1, &err));
    r.n_values = 1; /* and a chunk made before the column came */
    r.n = 0;
    for (int64_t i = 1024; i < 1088; i++)
        r.values[0][quality_rows_add(&r, i * 5 * minute_us, code)] = (double)(i * 7919 % 1009);
    assert_ok(quality_rows_feed(&ctx, quality, &r, sizes, 1, &err));
    assert_ok(mw_quality_finish(quality, &t, &err));
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 16);
    quality_table_print(t, &text);
    assert_string_equal(mw_buf_text(&text), "d00 late gap 85+6 64/0\n");
    mw_buf_done(&text);
    mw_table_free(t);
    mw_quality_free(quality);
    r.n_values = 2;
    quality_rows_done(&r);
}

MW_TEST_MAIN(MW_RUN(lost_rows_are_a_gap_of_the_device),
             MW_RUN(a_gap_among_the_first_rows_is_found_too),
             MW_RUN(a_clock_that_jumps_stands_or_changes_its_pace),
             MW_RUN(a_given_range_counts_from_the_first_row),
             MW_RUN(a_range_that_is_none_is_refused), MW_RUN(totals_add_up_tables_by_sensor),
             MW_RUN(devices_beyond_the_limit_are_left_out_and_told),
             MW_RUN(stretches_beyond_the_limit_are_left_out_and_told),
             MW_RUN(columns_may_come_later))
