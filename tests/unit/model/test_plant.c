/* test_plant.c -- the main job on small plants made here. */
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/model/lagged.h"
#include "learn/model/learner.h"
#include "learn/model/plant.h"
#include "learn/model/standouts.h"
#include "support/harness.h"
#include "support/model_data.h"
#include "support/table_stream.h"

enum { DAY_US_HOURS = 24 };
#define HOUR_US INT64_C(3600000000)
#define START_US INT64_C(1767225600000000) /* 2026-01-01 */

typedef struct plant_spec {
    int32_t n_devices; /* 0: no device column */
    int64_t n_hours;
    int32_t samples; /* a window of one hour */
    int32_t n_parameters;
    bool constant;
} plant_spec;

/* Daily rhythm with a device's own level; at hour 100 of device 0 the temperature is far too high. */
static double reading(int32_t device, int64_t hour, int32_t parameter, mw_rng *rng) {
    double level = 20 + 5 * device + 10 * parameter;
    double rhythm = 3 * mw_sin(2 * MW_PI * (double)hour / DAY_US_HOURS + parameter);
    double fault = device == 0 && hour == 100 && parameter == 0 ? 60 : 0;
    return level + rhythm + fault + 0.3 * mw_rng_normal(rng);
}

static mw_table *make_plant(const plant_spec *spec) {
    static const char *const names[] = {"temperature", "pressure", "speed"};
    int32_t devices = spec->n_devices ? spec->n_devices : 1;
    mw_err err;
    mw_table *table = NULL;
    mw_column *column = NULL;
    int64_t per_device = spec->n_hours * spec->samples;
    assert_ok(mw_table_new(NULL, devices * per_device, &table, &err));
    assert_ok(mw_table_reserve(table, 8, &err));
    assert_ok(mw_table_add(table, MW_STR("time"), MW_TIMESTAMP, &column, &err));
    mw_column *time = column, *device = NULL;
    if (spec->n_devices)
        assert_ok(mw_table_add(table, MW_STR("device_id"), MW_DICTIONARY, &device, &err));
    for (int32_t p = 0; p < spec->n_parameters; p++)
        assert_ok(mw_table_add(table, mw_str_of(names[p]), MW_FLOAT64, &column, &err));
    for (int64_t row = 0; row < table->n_rows; row++) {
        int32_t d = (int32_t)(row % devices);
        int64_t reading_no = row / devices;
        int64_t hour = reading_no / spec->samples, sample = reading_no % spec->samples;
        char name[32];
        mw_rng rng;
        mw_rng_init(&rng, 3, (uint64_t)d, (uint64_t)(d * per_device + reading_no));
        time->time[row] = START_US + hour * HOUR_US + sample * HOUR_US / spec->samples;
        (void)snprintf(name, sizeof name, "press-%d", d + 1);
        if (device)
            assert_ok(
                mw_dictionary_add(device->dictionary, mw_str_of(name), &device->codes[row], &err));
        for (int32_t p = 0; p < spec->n_parameters; p++)
            mw_table_column(table, names[p])->number[row] =
                spec->constant ? 7 : reading(d, hour, p, &rng);
    }
    for (int32_t i = 0; i < table->n_columns; i++)
        assert_ok(mw_column_seal(table, &table->columns[i], &err));
    return table;
}

/* Chunks of a size that cuts windows and devices. */
static void stream_of(const mw_table *table, mw_table_stream *ret) {
    mw_err err;
    const char *device = mw_table_column(table, "device_id") ? "device_id" : NULL;
    assert_ok(mw_table_stream_begin(NULL, table, "time", device, 7, ret, &err));
}

static mw_args *plant_args(const char *settings) {
    mw_err err;
    mw_args *args = NULL;
    assert_ok(mw_args_new(NULL, mw_plant_params, &args, &err));
    while (settings && *settings) {
        size_t length = strcspn(settings, " "), name = strcspn(settings, "=");
        assert_ok(mw_args_set(args, (mw_str){settings, name},
                              (mw_str){settings + name + 1, length - name - 1}, &err));
        settings += length + (settings[length] == ' ');
    }
    assert_ok(mw_args_finish(args, &err));
    return args;
}

typedef struct run {
    mw_status status;
    mw_err err;
    mw_buf text;
    mw_arena arena;
    const mw_json *json;
    mw_dir *dir;
} run;

static void do_run(run *r, const mw_ctx *ctx, const mw_table *table, const char *settings,
                   const char *folder) {
    mw_json_writer writer;
    mw_args *args = plant_args(settings);
    *r = (run){0};
    mw_buf_init(&r->text, NULL, 1 << 24);
    mw_arena_init(&r->arena, NULL);
    mw_json_writer_init(&writer, &r->text, 0);
    r->dir = mw_problem_dir(folder);
    mw_table_stream stream;
    stream_of(table, &stream);
    r->status = mw_plant_fit(ctx, &stream.rows, args, MW_STR(""), NULL, "sha256:abc", r->dir,
                             &writer, &r->err);
    mw_table_stream_end(&stream);
    mw_args_free(args);
    if (r->status) {
        assert_int_equal(r->text.size, 0);
        return;
    }
    mw_err err;
    assert_ok(mw_json_parse(&r->arena, mw_buf_text(&r->text), r->text.size, &r->json, &err));
}

static void end_run(run *r) {
    mw_dir_close(r->dir);
    mw_arena_done(&r->arena);
    mw_buf_done(&r->text);
}

static const mw_json *at(const mw_json *json, const char *path) {
    char key[64];
    while (json && *path) {
        size_t n = strcspn(path, "/");
        (void)snprintf(key, sizeof key, "%.*s", (int)n, path);
        json = mw_json_get(json, key);
        path += n + (path[n] == '/');
    }
    return json;
}

static double number(const mw_json *json, const char *path) {
    return mw_json_number(at(json, path), MW_NAN);
}

MW_TEST(three_models_and_their_files) {
    static const plant_spec spec = {2, 400, 4, 3, false};
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    run r;
    do_run(&r, &ctx, table, "interval=1h n_estimators=20", "out");
    if (r.status) fail_msg("%s", r.err.message);
    assert_true(number(r.json, "rows") == 3200 && number(r.json, "windows") == 800);
    assert_true(number(r.json, "devices") == 2 && number(r.json, "parameters") == 3);
    assert_true(mw_str_is(mw_json_string(at(r.json, "interval"), ""), "1h"));
    assert_true(mw_str_is(mw_json_string(at(r.json, "target"), ""), "temperature"));
    /* A rhythm of a day cannot be foreseen by its last value; both models must do better. */
    double naive = number(r.json, "models/baseline/naive/rmse");
    assert_true(number(r.json, "models/baseline/metrics/rmse") < 0.8 * naive);
    assert_true(number(r.json, "models/regression/metrics/rmse") < 0.8 * naive);
    assert_true(number(r.json, "models/regression/metrics/r2") > 0.9);
    assert_true(number(r.json, "models/anomaly/flagged") == 8);
    assert_true(number(r.json, "models/anomaly/scored") == 800);
    /* The fault comes first, with its device, its time and its parameter. */
    const mw_json *top = mw_json_at(at(r.json, "top_anomalies"), 0);
    assert_true(mw_str_is(mw_json_string(at(top, "device"), ""), "press-1"));
    assert_true(mw_str_is(mw_json_string(at(top, "start"), ""), "2026-01-05T04:00:00Z"));
    const mw_json *standout = mw_json_at(at(top, "parameters"), 0);
    assert_true(mw_str_is(mw_json_string(at(standout, "name"), ""), "temperature"));
    assert_true(number(standout, "deviations") > 10);
    static const char *const models[] = {"baseline", "regression", "anomaly"};
    for (int i = 0; i < 3; i++) {
        mw_err err;
        mw_dir *dir = NULL;
        mw_model *model = NULL;
        assert_ok(mw_dir_sub(&ctx, r.dir, models[i], MW_DIR_MUST_EXIST, &dir, &err));
        assert_ok(mw_model_load(&ctx, dir, &model, &err));
        assert_true(mw_dir_has(dir, "importance.json") && mw_dir_has(dir, "MLmodel"));
        assert_int_equal(mw_dir_has(dir, "anomalies.json"), i == 2);
        assert_int_equal(mw_dir_has(dir, "scores.arrow"), i == 2);
        mw_model_free(model);
        mw_dir_close(dir);
    }
    end_run(&r);
    mw_table_free(table);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(one_device_one_parameter) {
    static const plant_spec spec = {0, 200, 1, 1, false};
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    run r;
    do_run(&r, &ctx, table, "n_estimators=10 target=temperature", "out");
    if (r.status) fail_msg("%s", r.err.message);
    assert_true(mw_str_is(mw_json_string(at(r.json, "interval"), ""), "1h")); /* median spacing */
    assert_true(number(r.json, "models/regression/features") == 7);           /* mean and 6 lags */
    assert_true(number(r.json, "models/anomaly/features") == 1);
    assert_true(at(mw_json_at(at(r.json, "top_anomalies"), 0), "device")->kind == MW_JSON_NULL);
    assert_true(mw_str_is(mw_json_string(at(r.json, "target_chosen_by"), ""), "the user"));
    end_run(&r);
    mw_table_free(table);
}

static void add_hash(mw_sha256 *sha, mw_dir *root, const char *model, const char *file) {
    mw_ctx ctx;
    mw_err err;
    mw_dir *dir = NULL;
    size_t size = 0;
    mw_problem_ctx(&ctx);
    assert_ok(mw_dir_sub(&ctx, root, model, MW_DIR_MUST_EXIST, &dir, &err));
    char *data = mw_problem_read(dir, file, &size);
    mw_sha256_add(sha, data, size);
    mw_free(data);
    mw_dir_close(dir);
}

MW_TEST(same_seed_same_bytes_at_any_thread_count) {
    static const plant_spec spec = {3, 150, 2, 2, false};
    static const int threads[] = {1, 2, 3, 8};
    char hex[4][MW_SHA256_HEX];
    mw_table *table = make_plant(&spec);
    for (int t = 0; t < 4; t++) {
        mw_ctx ctx;
        mw_err err;
        mw_sha256 *sha = NULL;
        run r;
        mw_problem_ctx(&ctx);
        assert_ok(mw_pool_new(NULL, threads[t], &ctx.pool, &err));
        do_run(&r, &ctx, table, "interval=1h n_estimators=10 seed=9", "out");
        assert_int_equal(r.status, MW_OK);
        assert_ok(mw_sha256_new(&sha, &err));
        static const char *const models[] = {"baseline", "regression", "anomaly"};
        for (int i = 0; i < 3; i++) {
            add_hash(sha, r.dir, models[i], "model.onnx");
            add_hash(sha, r.dir, models[i], "metadata.json");
            add_hash(sha, r.dir, models[i], "importance.json");
        }
        add_hash(sha, r.dir, "anomaly", "anomalies.json");
        add_hash(sha, r.dir, "anomaly", "scores.arrow");
        mw_sha256_finish(sha, hex[t]);
        assert_string_equal(hex[t], hex[0]);
        end_run(&r);
        mw_pool_free(ctx.pool);
    }
    mw_table_free(table);
}

static void expect_failure(const plant_spec *spec, const char *settings, mw_status code,
                           const char *text) {
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(spec);
    run r;
    do_run(&r, &ctx, table, settings, "out");
    if (r.status != code || !strstr(r.err.message, text))
        fail_msg("got %s: %s", mw_status_name(r.status), r.err.message);
    end_run(&r);
    mw_table_free(table);
}

MW_TEST(too_little_data_says_how_much) {
    static const plant_spec none = {1, 0, 1, 1, false}, one = {1, 1, 1, 1, false},
                            few = {1, 20, 1, 1, false}, constant = {2, 100, 1, 2, true},
                            no_parameter = {1, 50, 1, 0, false};
    expect_failure(&none, "", MW_EDATA, "no rows");
    expect_failure(&one, "", MW_EDATA, "1 window of 1 device; at least 20");
    expect_failure(&few, "", MW_EDATA, "20 windows of 1 device give 14 training and 4 test rows");
    expect_failure(&constant, "", MW_EDATA, "none of the 2 parameters changes");
    expect_failure(&constant, "target=pressure", MW_EDATA, "never changes");
    expect_failure(&no_parameter, "", MW_EDATA, "no parameter");
    static const plant_spec good = {1, 100, 1, 2, false};
    expect_failure(&good, "target=temperatur", MW_ENOTFOUND, "no parameter 'temperatur'");
}

/* No cell may come from later than its row's window: rows are built again from a table cut there. */
MW_TEST(features_never_look_ahead) {
    static const plant_spec spec = {2, 120, 2, 2, false};
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    mw_table_stream stream;
    mw_windows *w = NULL;
    mw_lagged *l = NULL;
    stream_of(table, &stream);
    assert_ok(mw_windows_make(&ctx, &stream.rows, HOUR_US, &w, &err));
    assert_ok(
        mw_lagged_make(&ctx, w, 0, &(mw_lagged_plan){.n_lags = 3, .test_share = 0.2}, &l, &err));
    assert_true(l->train.n > 0 && l->test.n > 0);
    assert_true(l->train.last_us + 2 * w->interval_us <= l->test.first_us);
    for (int64_t row = 0; row < l->test.n; row++) {
        int64_t i = l->test.window[row];
        const float *x = l->test.x + row * l->n_features;
        assert_true(x[l->last_feature] == (float)w->means[0][i]);
        assert_true(l->test.y[row] == w->means[0][i + 1]);
        assert_true(l->test.naive[row] == w->means[0][i]);
        for (int k = 1; k <= 3; k++)
            assert_true(x[w->n_columns + k - 1] == (float)w->means[0][i - k]);
    }
    mw_lagged_free(l);
    mw_windows_free(w);
    mw_table_stream_end(&stream);
    mw_table_free(table);
}

MW_TEST(gaps_make_missing_lags_and_no_rows) {
    static const plant_spec spec = {1, 60, 1, 1, false};
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    /* A day is lost after hour 30: window 30 has no label, windows 31.. lack lags. */
    for (int64_t i = 31; i < 60; i++) table->columns[0].time[i] += 24 * HOUR_US;
    mw_table_stream stream;
    mw_windows *w = NULL;
    mw_lagged *l = NULL;
    stream_of(table, &stream);
    assert_ok(mw_windows_make(&ctx, &stream.rows, HOUR_US, &w, &err));
    assert_ok(
        mw_lagged_make(&ctx, w, 0, &(mw_lagged_plan){.n_lags = 2, .test_share = 0.2}, &l, &err));
    assert_int_equal(l->n_rows, 58);
    for (int64_t row = 0; row < l->train.n; row++) {
        int64_t i = l->train.window[row];
        const float *lags = l->train.x + row * l->n_features + w->n_columns;
        assert_int_not_equal(i, 30);
        assert_int_equal(__builtin_isnan(lags[0]), i == 0 || i == 31);
        assert_int_equal(__builtin_isnan(lags[1]), i <= 1 || i == 31 || i == 32);
    }
    mw_lagged_free(l);
    mw_windows_free(w);
    mw_table_stream_end(&stream);
    mw_table_free(table);
}

static mw_lagged_plan plan_of(const char *config) {
    return (mw_lagged_plan){.config = mw_str_of(config), .test_share = 0.2};
}

#define SCHEMA "{\"schemaConfig\":{\"continuousColumns\":[\"pressure\",\"temperature_mean\"],"
#define FEATURES                                            \
    "\"features\":[{\"op\":\"value\",\"of\":\"pressure\"}," \
    "{\"op\":\"mean\",\"of\":\"temperature_mean\",\"window\":\"3h\",\"name\":\"warm\"}]}}"

/* Features by a configuration: over each device's windows, of their columns or of parameters; then scaled. */
MW_TEST(a_configuration_makes_the_features) {
    static const plant_spec spec = {2, 120, 2, 2, false};
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    mw_table_stream stream;
    mw_windows *w = NULL;
    mw_lagged *l = NULL, *scaled = NULL;
    stream_of(table, &stream);
    assert_ok(mw_windows_make(&ctx, &stream.rows, HOUR_US, &w, &err));
    mw_lagged_plan plan = plan_of(SCHEMA "\"categoricalColumns\":[\"device_id\"]," FEATURES);
    assert_ok(mw_lagged_make(&ctx, w, 1, &plan, &l, &err));
    assert_int_equal(l->n_features, 3);
    assert_int_equal(l->last_feature, 0);
    for (int64_t row = 0; row < l->test.n; row++) {
        const int64_t i = l->test.window[row];
        const float *x = l->test.x + row * 3;
        const double *t = w->means[0] + i;
        assert_true(x[0] == (float)w->means[1][i]);
        assert_true(mw_abs((double)x[1] - (t[0] + t[-1] + t[-2]) / 3) < 1e-5);
        assert_true(x[2] == (float)mw_windows_device(w, i));
        assert_true(l->test.y[row] == w->means[1][i + 1]);
    }
    plan = plan_of(SCHEMA "\"scaling\":\"min-max\"," FEATURES);
    assert_ok(mw_lagged_make(&ctx, w, 1, &plan, &scaled, &err));
    assert_int_equal(scaled->n_features, 2);
    assert_int_equal(scaled->last_feature, -1);
    float low = 9, high = -9;
    for (int64_t row = 0; row < scaled->train.n; row++) {
        const float value = scaled->train.x[row * 2];
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    assert_true(low == 0 && high == 1);
    mw_lagged_free(l);
    mw_lagged_free(scaled);
    plan = plan_of("{\"schemaConfig\":{\"continuousColumns\":[\"heat\"]}}");
    assert_status(mw_lagged_make(&ctx, w, 1, &plan, &l, &err), MW_EDATA);
    assert_true(strstr(err.message, "no parameter heat") != NULL);
    plan = plan_of(SCHEMA "\"categoricalColumns\":[\"shift\"]," FEATURES);
    assert_status(mw_lagged_make(&ctx, w, 1, &plan, &l, &err), MW_EDATA);
    assert_true(strstr(err.message, "no category shift") != NULL);
    mw_windows_free(w);
    mw_table_stream_end(&stream);
    mw_table_free(table);
}

/* Readings of centuries, and more lags than there is time before them. */
MW_TEST(lags_may_lie_before_all_time) {
    static const plant_spec spec = {1, 60, 1, 1, false};
    enum { LAGS = 1000 };
    const int64_t apart = INT64_C(300) * 365 * 24 * HOUR_US;
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    mw_table *table = make_plant(&spec);
    for (int64_t i = 0; i < 60; i++) table->columns[0].time[i] = (i - 30) * apart;
    mw_table_stream stream;
    mw_windows *w = NULL;
    mw_lagged *l = NULL;
    stream_of(table, &stream);
    assert_ok(mw_windows_make(&ctx, &stream.rows, HOUR_US, &w, &err));
    assert_int_equal(w->interval_us, apart);
    assert_ok(
        mw_lagged_make(&ctx, w, 0, &(mw_lagged_plan){.n_lags = LAGS, .test_share = 0.2}, &l, &err));
    for (int64_t row = 0; row < l->train.n; row++) {
        const float *lags = l->train.x + row * l->n_features + w->n_columns;
        for (int64_t lag = 1; lag <= LAGS; lag++)
            assert_int_equal(__builtin_isnan(lags[lag - 1]), lag > l->train.window[row]);
    }
    mw_lagged_free(l);
    mw_windows_free(w);
    mw_table_stream_end(&stream);
    mw_table_free(table);
}

MW_TEST(running_out_of_memory_is_clean) {
    static const plant_spec spec = {2, 30, 1, 1, false};
    mw_table *table = make_plant(&spec);
    mw_table_stream stream;
    stream_of(table, &stream);
    size_t used = mw_mem_used(&mw_mem_process);
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        mw_ctx ctx;
        mw_err err;
        mw_buf text;
        mw_json_writer writer;
        mw_problem_ctx(&ctx);
        mw_args *args = plant_args("n_estimators=1 max_depth=2 lags=1");
        char name[32];
        (void)snprintf(name, sizeof name, "out%d", (int)n); /* replacing files waits for the disk */
        mw_dir *dir = mw_problem_dir(name);
        mw_buf_init(&text, NULL, 1 << 20);
        mw_json_writer_init(&writer, &text, 0);
        mw_alloc_fail_at(n);
        mw_status status =
            mw_plant_fit(&ctx, &stream.rows, args, MW_STR(""), NULL, "h", dir, &writer, &err);
        done = !mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (done)
            assert_int_equal(status, MW_OK);
        else if (status != MW_ENOMEM && status != MW_OK)
            fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), err.message);
        mw_buf_done(&text);
        mw_dir_close(dir);
        mw_args_free(args);
        stream.chunk = mw_chunk_free(stream.chunk);
        assert_int_equal(mw_mem_used(&mw_mem_process), used);
    }
    mw_table_stream_end(&stream);
    mw_table_free(table);
}

MW_TEST_MAIN(MW_RUN(three_models_and_their_files), MW_RUN(one_device_one_parameter),
             MW_RUN(same_seed_same_bytes_at_any_thread_count),
             MW_RUN(too_little_data_says_how_much), MW_RUN(features_never_look_ahead),
             MW_RUN(gaps_make_missing_lags_and_no_rows), MW_RUN(a_configuration_makes_the_features),
             MW_RUN(lags_may_lie_before_all_time), MW_RUN(running_out_of_memory_is_clean))
