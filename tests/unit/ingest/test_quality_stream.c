/* Sensor quality in a stream: cuts, turns of devices, CPU levels, later columns, second passes, limits, failed allocations. */
#include "core/base/cpu.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "keep/ingest/quality_state.h"
#include "support/fault_loop.h"
#include "unit/ingest/quality_rows.h"

/* --- cuts, turns, levels ------------------------------------------------------------------------ */

static void judge_text(const rows *r, const int64_t *sizes, size_t n_sizes, mw_buf *out) {
    mw_ctx ctx;
    mw_err err;
    mw_table *t = NULL;
    mw_ctx_init(&ctx);
    assert_ok(judge(&ctx, r, NULL, sizes, n_sizes, &t, &err));
    if (!t) fail_msg("no table");
    print_table(t, out);
    mw_table_free(t);
}

MW_TEST(cuts_and_cpu_levels_do_not_matter) {
    enum { N = 4000 };
    static const int64_t cuts[][4] = {
        {1, 1, 1, 1}, {7, 1, 64, 3}, {1023, 1025, 2, 511}, {97, 16, 15, 17}};
    rows r;
    rows_init(&r, COLUMNS_MAX, 3 * N);
    add_troubled(&r, 3, N, true, mw_test_seed());
    mw_buf whole, other;
    mw_buf_init(&whole, NULL, 1 << 24);
    mw_buf_init(&other, NULL, 1 << 24);
    static const int64_t all[] = {INT64_MAX};
    judge_text(&r, all, 1, &whole);
    assert_true(whole.size > 500);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        mw_buf_clear(&other);
        judge_text(&r, cuts[i], 4, &other);
        assert_string_equal(mw_buf_text(&other), mw_buf_text(&whole));
    }
    mw_cpu best = mw_cpu_level();
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512, MW_CPU_NEON};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        mw_cpu_force(levels[i]);
        mw_buf_clear(&other);
        judge_text(&r, cuts[2], 4, &other);
        assert_string_equal(mw_buf_text(&other), mw_buf_text(&whole));
    }
    mw_cpu_force(best);
    mw_buf_done(&whole);
    mw_buf_done(&other);
    rows_done(&r);
}

MW_TEST(devices_in_turns_or_one_after_the_other_are_the_same) {
    enum { N = 3000 };
    mw_buf text[2];
    static const int64_t sizes[] = {999};
    for (int k = 0; k < 2; k++) {
        rows r;
        rows_init(&r, COLUMNS_MAX, 4 * N);
        add_troubled(&r, 4, N, k == 0, 77);
        mw_buf_init(&text[k], NULL, 1 << 24);
        judge_text(&r, sizes, 1, &text[k]);
        rows_done(&r);
    }
    assert_true(text[0].size > 500);
    assert_string_equal(mw_buf_text(&text[0]), mw_buf_text(&text[1]));
    mw_buf_done(&text[0]);
    mw_buf_done(&text[1]);
}

/* --- devices that take turns in one order ------------------------------------------------------- */

/* Values that now and then stand, jump, leave their range or are missing, every row of every device there. Eleven devices are slow ones. */
static void add_rotating(rows *r, int n_devices, int64_t n_rows, bool turns, uint64_t seed) {
    int64_t step_us = n_devices == 11 ? 5 * minute_us : minute_us;
    for (int d = 0; d < n_devices; d++) (void)device_code(r, d);
    for (int64_t j = 0; j < n_rows * n_devices; j++) {
        int64_t i = turns ? j / n_devices : j % n_rows;
        int d = (int)(turns ? j % n_devices : j / n_rows);
        int64_t row = rows_add(r, i * step_us + (i > 2000 ? hour_us : 0), d);
        for (int32_t c = 0; c < r->n_values; c++) {
            mw_rng rng;
            mw_rng_init(&rng, seed, (uint64_t)d * COLUMNS_MAX + (uint64_t)c, (uint64_t)i);
            double u = mw_rng_uniform(&rng), v = mw_sin((double)i / 40 + d) * 9 + 40 + 2 * u;
            if (c == 1) v = (double)(int64_t)(v / 3);
            if (c == 2) v = (double)(i / 50 % 4);
            if (i > 1500 && (i + 31 * d) % 400 < 25 + c) v = 30 + c;
            if (c == 3 && i > 1500 && (i + 17 * d) % 633 == 0) v += 35;
            if (c == 4 && i > 2900 && (i + 17 * d) % 433 < 14) v = (d % 2 ? -90 : 190) - u;
            if (mw_rng_uniform(&rng) < (c == 5 ? 0.02 : 0.001)) v = MW_NAN;
            if (c == 5 && (i + d) % 500 < 40) v = MW_NAN;
            if (c == 6 && (i + d) % 977 == 5) v = -MW_INFINITY;
            r->values[c][row] = v;
        }
    }
}

MW_TEST(a_rotation_of_devices_is_read_as_they_are_one_by_one) {
    enum { N = 4000 };
    static const int n_devices[] = {7, 8, 11, 20};
    static const int64_t sizes[][3] = {
        {1130, 250, 77}, {64, 5000, 1}, {40, 41, 399}, {140, 121, 120}};
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512};
    static const char *const kinds[] = {"gap", "out_of_range", "spike", "stuck", NULL};
    mw_cpu best = mw_cpu_level();
    for (size_t k = 0; k < sizeof n_devices / sizeof *n_devices; k++) {
        mw_buf alone, turns;
        rows r;
        mw_buf_init(&alone, NULL, 1 << 24);
        rows_init(&r, 7, (int64_t)n_devices[k] * N);
        add_rotating(&r, n_devices[k], N, false, mw_test_seed());
        judge_text(&r, sizes[0], 3, &alone);
        rows_done(&r);
        for (const char *const *kind = kinds; *kind; kind++)
            assert_non_null(strstr(mw_buf_text(&alone), *kind));
        rows_init(&r, 7, (int64_t)n_devices[k] * N);
        add_rotating(&r, n_devices[k], N, true, mw_test_seed());
        mw_buf_init(&turns, NULL, 1 << 24);
        for (int i = 0; i < 12; i++) {
            mw_cpu_force(levels[i % 3]);
            mw_buf_clear(&turns);
            judge_text(&r, sizes[i / 3], 3, &turns);
            assert_string_equal(mw_buf_text(&turns), mw_buf_text(&alone));
        }
        mw_cpu_force(best);
        mw_buf_done(&turns);
        mw_buf_done(&alone);
        rows_done(&r);
    }
}

static double value_drawn(mw_rng *rng, uint64_t share) {
    static const double strange[] = {MW_NAN, MW_INFINITY, -MW_INFINITY};
    if (mw_rng_below(rng, share) == 0) return strange[mw_rng_below(rng, 3)];
    return (double)mw_rng_below(rng, 20) - 9.5;
}

static void assert_figures(const mw_quality__figures *a, const mw_quality__figures *b) {
    assert_int_equal(a->finite, b->finite);
    if (!a->finite) return;
    assert_true(a->min == b->min && a->max == b->max && a->step == b->step);
    assert_int_equal(a->n_equal, b->n_equal);
    assert_int_equal(a->n_up, b->n_up);
}

/* The oracle is the scalar pass over each device's values alone. */
MW_TEST(turns_have_the_figures_of_each_device) {
    enum { MOST = 900, DEVICES = 40 };
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512};
    mw_cpu best = mw_cpu_level();
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    for (int round = 0; round < 600; round++) {
        mw_quality__figures found[DEVICES];
        int64_t n_devices = 8 + (int64_t)mw_rng_below(&rng, DEVICES - 7);
        int64_t n = n_devices + (int64_t)mw_rng_below(&rng, (uint64_t)(MOST - n_devices));
        double *values = mw_alloc_array(NULL, (size_t)n, sizeof *values), one[MOST];
        uint64_t share = round % 2 ? 1000000 : 100;
        for (int64_t i = 0; i < n; i++) values[i] = value_drawn(&rng, share);
        mw_cpu_force(levels[round % 3]);
        mw_quality__choose_scanner().turns(values, n, n_devices, found);
        mw_cpu_force(MW_CPU_SCALAR);
        for (int64_t d = 0; d < n_devices; d++) {
            mw_quality__scan expected;
            int64_t m = 0;
            for (int64_t i = d; i < n; i += n_devices) one[m++] = values[i];
            mw_quality__choose_scanner().block(one, m, &expected);
            assert_figures(&found[d], &expected.figures);
        }
        mw_free(values);
    }
    mw_cpu_force(best);
}

MW_TEST(a_second_pass_after_a_restart_is_the_same) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    rows r;
    rows_init(&r, 4, 3 * 2000);
    add_troubled(&r, 3, 2000, true, 5);
    mw_quality *quality;
    mw_table *t[2];
    mw_buf text[2];
    static const int64_t sizes[] = {512};
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &quality, &err));
    for (int k = 0; k < 2; k++) {
        mw_buf_init(&text[k], NULL, 1 << 24);
        assert_ok(feed(&ctx, quality, &r, sizes, 1, &err));
        assert_ok(mw_quality_finish(quality, &t[k], &err));
        print_table(t[k], &text[k]);
        mw_quality_restart(quality);
    }
    assert_string_equal(mw_buf_text(&text[0]), mw_buf_text(&text[1]));
    for (int k = 0; k < 2; k++) {
        mw_table_free(t[k]);
        mw_buf_done(&text[k]);
    }
    mw_quality_free(quality);
    rows_done(&r);
}

/* --- limits ------------------------------------------------------------------------------------- */

static void keep_message(void *self, mw_log_level level, const char *message) {
    assert_int_equal(level, MW_LOG_WARN);
    mw_buf_add(self, message);
    mw_buf_add_char(self, '\n');
}

static void judge_logged(const rows *r, const mw_args *args, mw_buf *messages, mw_table **ret) {
    static const int64_t sizes[] = {4096};
    mw_ctx ctx;
    mw_err err;
    mw_buf_init(messages, NULL, 1 << 20);
    mw_log_options options = {.level = MW_LOG_INFO, .write = keep_message, .self = messages};
    mw_ctx_init(&ctx);
    assert_ok(mw_log_open(&options, &ctx.log, &err));
    assert_ok(judge(&ctx, r, args, sizes, 1, ret, &err));
    mw_log_close(ctx.log);
}

MW_TEST(devices_beyond_the_limit_are_left_out_and_told) {
    enum { DEVICES = 10003 };
    rows r;
    mw_buf messages;
    mw_table *t = NULL;
    rows_init(&r, COLUMNS_MAX, DEVICES);
    for (int d = 0; d < DEVICES; d++) {
        int64_t row = rows_add(&r, 0, device_code(&r, d));
        r.values[0][row] = 200;
    }
    mw_args *args = args_of("range", "a=0:100");
    judge_logged(&r, args, &messages, &t);
    if (!t) fail_msg("no table");
    assert_int_equal(MW_LIMIT(QUALITY_SENSORS), 10000 * COLUMNS_MAX);
    assert_int_equal(t->n_rows, 10000);
    assert_non_null(strstr(mw_buf_text(&messages), "3 devices were not judged"));
    mw_buf_done(&messages);
    mw_table_free(t);
    mw_args_free(args);
    rows_done(&r);
}

MW_TEST(stretches_beyond_the_limit_are_left_out_and_told) {
    int64_t limit = MW_LIMIT(QUALITY_STRETCHES), n = 2 * (limit + 50);
    mw_err err;
    rows r;
    mw_buf messages;
    mw_table *t = NULL;
    rows_init(&r, 1, n);
    int32_t code = device_code(&r, 0);
    for (int64_t i = 0; i < n; i++) r.values[0][rows_add(&r, i * 1000000, code)] = i % 2 ? 200 : 1;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_quality_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("a=0:100"), &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("zz=0:100"), &err));
    assert_ok(mw_args_set(args, MW_STR("quality_window"), MW_STR("1s"), &err));
    assert_ok(mw_args_finish(args, &err));
    judge_logged(&r, args, &messages, &t);
    assert_int_equal(t ? t->n_rows : -1, limit);
    assert_non_null(strstr(mw_buf_text(&messages), "50 flagged stretches were left out"));
    assert_non_null(strstr(mw_buf_text(&messages), "\"zz\""));
    mw_buf_done(&messages);
    mw_table_free(t);
    mw_args_free(args);
    rows_done(&r);
}

MW_TEST(columns_may_come_later) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    rows r;
    rows_init(&r, 1, ROWS);
    int32_t code = device_code(&r, 0), ignored;
    mw_quality *quality;
    mw_table *t = NULL;
    static const int64_t sizes[] = {64};
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &quality, &err));
    for (int64_t i = 0; i < 512; i++)
        r.values[0][rows_add(&r, i * 5 * minute_us, code)] = (double)(i * 7919 % 1009);
    assert_ok(feed(&ctx, quality, &r, sizes, 1, &err));
    assert_ok(mw_schema_add(r.schema, MW_STR("late"), MW_FLOAT64, &ignored, &err));
    r.n_values = 2;
    r.values[1] = mw_alloc_array(NULL, ROWS, sizeof(double));
    r.n = 0;
    for (int64_t i = 512; i < 1024; i++) {
        int64_t row = rows_add(&r, i * 5 * minute_us, code);
        r.values[0][row] = (double)(i * 7919 % 1009);
        r.values[1][row] = (double)(i * 7919 % 997);
    }
    assert_ok(feed(&ctx, quality, &r, sizes, 1, &err));
    r.n_values = 1; /* and a chunk made before the column came */
    r.n = 0;
    for (int64_t i = 1024; i < 1088; i++)
        r.values[0][rows_add(&r, i * 5 * minute_us, code)] = (double)(i * 7919 % 1009);
    assert_ok(feed(&ctx, quality, &r, sizes, 1, &err));
    assert_ok(mw_quality_finish(quality, &t, &err));
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 16);
    print_table(t, &text);
    assert_string_equal(mw_buf_text(&text), "d00 late gap 85+6 64/0\n");
    mw_buf_done(&text);
    mw_table_free(t);
    mw_quality_free(quality);
    r.n_values = 2;
    rows_done(&r);
}

/* --- allocations -------------------------------------------------------------------------------- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    static const int64_t sizes[] = {400, 900};
    mw_table *table = NULL;
    mw_args *args = NULL;
    mw_status status = mw_args_new(ctx->mem, mw_quality_params, &args, err);
    if (!status) status = mw_args_set(args, MW_STR("range"), MW_STR("b=0:30"), err);
    if (!status) status = mw_args_finish(args, err);
    if (!status) status = judge(ctx, arg, args, sizes, 2, &table, err);
    mw_quality_totals *totals = NULL;
    if (!status) status = mw_quality_totals_new(ctx->mem, &totals, err);
    if (!status) status = mw_quality_totals_add(totals, table, NULL, err);
    mw_quality_totals_free(totals);
    mw_table_free(table);
    mw_args_free(args);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    rows r;
    rows_init(&r, 3, 3 * 900);
    add_troubled(&r, 3, 900, true, 3);
    mw_fault_loop_alloc(scenario, &r);
    rows_done(&r);
    rows_init(&r, 3, 8 * 300);
    add_rotating(&r, 8, 300, true, 3);
    mw_fault_loop_alloc(scenario, &r);
    rows_done(&r);
}

MW_TEST_MAIN(MW_RUN(cuts_and_cpu_levels_do_not_matter),
             MW_RUN(devices_in_turns_or_one_after_the_other_are_the_same),
             MW_RUN(a_rotation_of_devices_is_read_as_they_are_one_by_one),
             MW_RUN(turns_have_the_figures_of_each_device),
             MW_RUN(a_second_pass_after_a_restart_is_the_same),
             MW_RUN(devices_beyond_the_limit_are_left_out_and_told),
             MW_RUN(stretches_beyond_the_limit_are_left_out_and_told),
             MW_RUN(columns_may_come_later), MW_RUN(any_failed_allocation_is_survived))
