/*
 * test_feature_faults.c -- every allocation of a feature program's life fails once: configuration, rows of a table, late rows, bytes and back.
 */
#include <string.h>

#include "core/base/math.h"
#include "learn/feature/table_rows.h"
#include "support/fault_loop.h"
#include "support/harness.h"

enum { ROWS = 90, INPUTS = 2 };

static const char config_text[] =
    "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],\"booleanColumns\":[\"b\"],\"deviceColumn\":"
    "\"d\",\"lateness\":\"40s\",\"timezone\":\"Europe/Berlin\",\"categoricalColumns\":[\"k\"],"
    "\"validRanges\":{\"a\":[0,40]},\"units\":{\"a\":\"bar\"},\"ratios\":[[\"a\",\"b\"]],"
    "\"conditions\":{\"settings\":[\"a\"],\"count\":2},\"maintenanceEvents\":[\"b\"],"
    "\"rollingWindows\":[5,\"1min\"],\"lagSeconds\":[20],\"features\":["
    "{\"op\":[\"skew\",\"slope\",\"quantile\"],\"of\":\"a\",\"window\":\"1min\",\"number\":0.9},"
    "{\"op\":[\"ewm_mean\"],\"of\":\"a\",\"window\":3},{\"op\":\"energy\",\"of\":\"a\"},"
    "{\"op\":\"band_power\",\"of\":\"a\",\"window\":16,\"band\":[0.01,0.03]},{\"op\":\"product\","
    "\"of\":[\"a\",\"b\"]},{\"op\":[\"hour_sin\"]},{\"op\":\"normal\",\"of\":\"a\"}]}}";

/* Two devices, a row each 10 s, some late ones. */
static int64_t time_of(int64_t i) {
    return i % 7 == 6 ? (i - 3) * INT64_C(10000000) + 5000000 : i * INT64_C(10000000);
}

static mw_status fill(mw_table *table, mw_err *err) {
    mw_column *c[4];
    int32_t codes[2] = {0, 0};
    mw_status status = mw_table_reserve(table, 4, err);
    if (!status) status = mw_table_add(table, MW_STR("t"), MW_TIMESTAMP, &c[0], err);
    if (!status) status = mw_table_add(table, MW_STR("d"), MW_DICTIONARY, &c[1], err);
    if (!status) status = mw_table_add(table, MW_STR("a"), MW_FLOAT64, &c[2], err);
    if (!status) status = mw_table_add(table, MW_STR("b"), MW_BOOL, &c[3], err);
    if (!status) status = mw_dictionary_add(c[1]->dictionary, MW_STR("x"), &codes[0], err);
    if (!status) status = mw_dictionary_add(c[1]->dictionary, MW_STR("y"), &codes[1], err);
    for (int64_t i = 0; i < table->n_rows && !status; i++) {
        c[0]->time[i] = time_of(i / 2);
        c[1]->codes[i] = codes[i % 2];
        c[2]->number[i] = i % 11 == 4 ? MW_NAN : (double)(i * 37 % 50);
        if (i % 5) mw_column_set_bool(c[3], i, i % 3 == 0);
    }
    for (int k = 0; k < 4 && !status; k++) status = mw_column_seal(table, c[k], err);
    return status;
}

static mw_status matrix(const mw_ctx *ctx, const mw_feature_config *config, mw_err *err) {
    mw_table *table = NULL;
    mw_stream_counts counts;
    float *x = NULL;
    mw_status status = mw_table_new(ctx->mem, ROWS, &table, err);
    if (!status) status = fill(table, err);
    if (!status)
        status =
            mw_feature_matrix(ctx, config, table, config->program->n_outputs, &x, &counts, err);
    if (!status) {
        assert_int_equal(counts.used + counts.late + counts.repeated, ROWS);
        assert_true(counts.late_used > 0 && counts.devices == 2);
    }
    mw_free(x);
    mw_table_free(table);
    return status;
}

/* Rows one by one, through bytes in between. */
static mw_status restarts(const mw_ctx *ctx, const mw_program *p, mw_err *err) {
    mw_arrivals *a = NULL;
    mw_device_scratch *scratch = NULL;
    int64_t counts[MW_FATES] = {0};
    mw_buf bytes;
    mw_buf_init(&bytes, ctx->mem, 1 << 20);
    float *made = mw_alloc_array(ctx->mem, (size_t)p->n_outputs, sizeof *made);
    float **out = mw_alloc_array(ctx->mem, (size_t)p->n_outputs, sizeof *out);
    mw_status status = made && out ? MW_OK : mw_fail_nomem(err, "a test");
    for (int32_t c = 0; c < p->n_outputs && !status; c++) out[c] = made + c;
    if (!status) status = mw_device_scratch_new(ctx->mem, p, &scratch, err);
    if (!status) status = mw_arrivals_new(ctx->mem, p, &a, err);
    for (int64_t i = 0; i < ROWS && !status; i++) {
        const int64_t time = time_of(i);
        const double values[INPUTS] = {(double)(i % 9), (double)(i % 2)};
        const double *const columns[INPUTS] = {&values[0], &values[1]};
        status = mw_arrivals_push(a, scratch, &time, columns, 1, out, counts, err);
        if (status || i % 30 != 29) continue;
        mw_buf_clear(&bytes);
        mw_arrivals_save(a, &bytes);
        status = mw_buf_status(&bytes, "a device", err);
        a = mw_arrivals_free(a);
        if (!status) status = mw_arrivals_load(ctx->mem, p, scratch, mw_buf_str(&bytes), &a, err);
    }
    mw_arrivals_free(a);
    mw_device_scratch_free(scratch);
    mw_buf_done(&bytes);
    mw_free(made);
    mw_free(out);
    return status;
}

/* *config compiled anew with the conditions of some rows. */
static mw_status learn_conditions(const mw_ctx *ctx, mw_feature_config *config, mw_err *err) {
    double a[ROWS];
    const double *const columns[INPUTS] = {a, NULL};
    mw_conditions *conditions = NULL;
    mw_feature_config fitted;
    for (int i = 0; i < ROWS; i++) a[i] = i % 7 + 30 * (i % 2);
    mw_status status =
        mw_program_fit_conditions(ctx, config->program, columns, NULL, ROWS, &conditions, err);
    if (!status)
        status = mw_feature_config_read_fitted(ctx->mem, config_text, strlen(config_text),
                                               conditions, &fitted, err);
    mw_conditions_free(conditions);
    if (status) return status;
    mw_feature_config_done(config);
    *config = fitted;
    return MW_OK;
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_feature_config config;
    (void)arg;
    mw_status status =
        mw_feature_config_read(ctx->mem, config_text, strlen(config_text), &config, err);
    if (status) return status;
    status = learn_conditions(ctx, &config, err);
    if (status) {
        mw_feature_config_done(&config);
        return status;
    }
    status = matrix(ctx, &config, err);
    if (!status) status = restarts(ctx, config.program, err);
    mw_feature_config_done(&config);
    return status;
}

MW_TEST(features_survive_any_failed_allocation) {
    assert_true(mw_fault_loop_alloc(scenario, NULL) > 60);
}

/* Whatever bytes come: an error, or a device that takes rows. */
MW_TEST(damaged_bytes_are_refused) {
    mw_err err;
    mw_feature_config config;
    mw_arrivals *a;
    mw_device_scratch *scratch;
    mw_buf bytes;
    mw_buf_init(&bytes, NULL, 1 << 20);
    assert_ok(mw_feature_config_read(NULL, config_text, strlen(config_text), &config, &err));
    assert_ok(mw_device_scratch_new(NULL, config.program, &scratch, &err));
    assert_ok(mw_arrivals_new(NULL, config.program, &a, &err));
    mw_arrivals_save(a, &bytes);
    a = mw_arrivals_free(a);
    for (size_t cut = 0; cut < bytes.size; cut += 7) {
        const mw_str part = {mw_buf_text(&bytes), cut};
        assert_status(mw_arrivals_load(NULL, config.program, scratch, part, &a, &err), MW_EDATA);
    }
    assert_ok(mw_arrivals_load(NULL, config.program, scratch, mw_buf_str(&bytes), &a, &err));
    mw_arrivals_free(a);
    mw_device_scratch_free(scratch);
    mw_feature_config_done(&config);
    mw_buf_done(&bytes);
}

MW_TEST_MAIN(MW_RUN(features_survive_any_failed_allocation), MW_RUN(damaged_bytes_are_refused))
