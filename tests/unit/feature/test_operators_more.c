/*
 * test_operators_more.c -- skew, kurtosis, slope, crossings, weighted means, states and totals on a device: one row at a time, all at once and
 * saved and loaded in between, bit for bit; and what configurations may say of them.
 */
#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/feature/config.h"
#include "learn/feature/device.h"

enum { ROWS = 700, FEATURES = 64 };

#define ALL                                                                                     \
    "{\"op\":[\"skew\",\"kurtosis\",\"slope\",\"ewm_mean\",\"ewm_std\"],\"of\":[\"a\",\"b\"],"  \
    "\"window\":[\"5min\",12,\"90s\"]},"                                                        \
    "{\"op\":\"crossings\",\"of\":[\"a\",\"b\"],\"window\":[\"5min\",12],\"number\":0.5},"      \
    "{\"op\":[\"since_change\",\"run_length\",\"since_event\",\"on_time\",\"energy\"],\"of\":[" \
    "\"a\",\"b\"]},"                                                                            \
    "{\"op\":\"kurtosis\",\"of\":\"c\",\"window\":\"10min\"},"                                  \
    "{\"op\":\"ewm_std\",\"of\":\"c\",\"window\":30},"                                          \
    "{\"op\":\"since_event\",\"of\":\"c\"},{\"op\":\"energy\",\"of\":\"c\"}"

static mw_err err;

static mw_status read_config(const char *features, const char *more, mw_feature_config *ret) {
    char text[4096];
    (void)snprintf(
        text, sizeof text,
        "{\"schemaConfig\":{\"continuousColumns\":[\"a\",\"b\",\"c\"],\"features\":[%s]%s}}",
        features, more);
    return mw_feature_config_read(NULL, text, strlen(text), ret, &err);
}

/* ---- rows ---- */

static int64_t times[ROWS];
static double a[ROWS], b[ROWS], c[ROWS];
static const double *const columns[] = {a, b, c};

/* a: noise far from zero; b: whole numbers that stay; c: some of both. Each misses values; a few rows come after a gap. */
static void make_rows(uint64_t stream) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), stream, 0);
    int64_t time = INT64_C(1600000000000000) + (int64_t)mw_rng_below(&rng, 1000000000);
    for (int i = 0; i < ROWS; i++) {
        time += mw_rng_below(&rng, 100) == 0 ? 400000000
                                             : 4000000 + (int64_t)mw_rng_below(&rng, 8000000);
        times[i] = time;
        a[i] = mw_rng_below(&rng, 15) == 0 ? MW_NAN : 1e5 + mw_rng_normal(&rng);
        b[i] = i > 0 && mw_rng_below(&rng, 4) > 0 ? b[i - 1] : (double)mw_rng_below(&rng, 3);
        if (mw_rng_below(&rng, 20) == 0) b[i] = MW_NAN;
        c[i] = i % 90 < 45 ? 3 : mw_rng_normal(&rng);
    }
}

typedef struct outcome {
    float x[FEATURES][ROWS];
} outcome;

static void push(mw_device *device, const mw_program *program, int from, int n, outcome *ret) {
    mw_device_scratch *scratch;
    const double *in[3];
    float *out[FEATURES];
    assert_ok(mw_device_scratch_new(NULL, program, &scratch, &err));
    for (int k = 0; k < 3; k++) in[k] = columns[k] + from;
    for (int k = 0; k < program->n_outputs; k++) out[k] = ret->x[k] + from;
    assert_ok(mw_device_push(device, scratch, times + from, in, n, out, &err));
    mw_device_scratch_free(scratch);
}

static mw_device *saved_and_loaded(mw_device *device, const mw_program *program) {
    mw_buf buf, again;
    mw_device *loaded;
    mw_buf_init(&buf, NULL, 1 << 24);
    mw_buf_init(&again, NULL, 1 << 24);
    mw_device_save(device, &buf);
    assert_ok(mw_device_load(NULL, program, mw_buf_str(&buf), &loaded, &err));
    mw_device_save(loaded, &again);
    assert_int_equal(buf.size, again.size);
    assert_memory_equal(buf.data, again.data, buf.size);
    mw_buf_done(&buf);
    mw_buf_done(&again);
    mw_device_free(device);
    return loaded;
}

/* Pushes of `step` rows; saved and loaded after each `save` of them (0: never). */
static void run(const mw_program *program, int step, int save, outcome *ret) {
    mw_device *device;
    assert_true(program->n_outputs <= FEATURES);
    memset(ret, 0, sizeof *ret);
    assert_ok(mw_device_new(NULL, program, &device, &err));
    for (int from = 0, pushes = 1; from < ROWS; from += step, pushes++) {
        push(device, program, from, step < ROWS - from ? step : ROWS - from, ret);
        if (save > 0 && pushes % save == 0) device = saved_and_loaded(device, program);
    }
    mw_device_free(device);
}

static void assert_same(const mw_program *program, const outcome *got, const outcome *want,
                        const char *what) {
    for (int k = 0; k < program->n_outputs; k++)
        for (int i = 0; i < ROWS; i++)
            if (memcmp(&got->x[k][i], &want->x[k][i], sizeof(float)) != 0)
                fail_msg("%s: %s, row %d: %.9g, want %.9g", what, program->names[k], i,
                         (double)got->x[k][i], (double)want->x[k][i]);
}

/* ---- tests ---- */

MW_TEST(one_at_a_time_all_at_once_and_restarts_agree) {
    static const char *const more[] = {"", ",\"samplingInterval\":\"8s\""};
    static outcome whole, cut;
    for (int m = 0; m < 2; m++) {
        mw_feature_config config;
        assert_ok(read_config(ALL, more[m], &config));
        make_rows((uint64_t)m);
        run(config.program, ROWS, 0, &whole);
        run(config.program, 1, 0, &cut);
        assert_same(config.program, &cut, &whole, "one row at a time");
        run(config.program, 37, 0, &cut);
        assert_same(config.program, &cut, &whole, "37 rows at a time");
        run(config.program, 37, 1, &cut);
        assert_same(config.program, &cut, &whole, "saved and loaded after 37 rows");
        run(config.program, 1, 1, &cut);
        assert_same(config.program, &cut, &whole, "saved and loaded after each row");
        for (int k = 0; k < config.program->n_outputs; k++) {
            int n = 0;
            for (int i = 0; i < ROWS; i++) n += !mw_isnan((double)whole.x[k][i]);
            if (n < ROWS / 4) fail_msg("%s has only %d values", config.program->names[k], n);
        }
        mw_feature_config_done(&config);
    }
}

/* Alone, an operator has its kernel's other outputs not asked for. */
MW_TEST(each_alone_is_what_it_is_among_all) {
    static outcome all, alone;
    mw_feature_config config, one;
    assert_ok(read_config(ALL, "", &config));
    make_rows(7);
    run(config.program, ROWS, 0, &all);
    static const char *const tails[] = {"", ",\"window\":12", ",\"window\":12,\"number\":0.5"};
    for (const mw_operator *op = mw_operators; op->name; op++) {
        char name[64], text[256];
        const int tail = op->takes & MW_TAKES_NUMBER ? 2 : op->takes & MW_TAKES_WINDOW ? 1 : 0;
        (void)snprintf(name, sizeof name, "b_%s%s%s", op->name, tail > 0 ? "_12" : "",
                       tail > 1 ? "_0.5" : "");
        int k = 0;
        while (k < config.program->n_outputs && strcmp(config.program->names[k], name) != 0) k++;
        if (k == config.program->n_outputs) continue; /* of another test */
        (void)snprintf(text, sizeof text, "{\"op\":\"%s\",\"of\":\"b\"%s}", op->name, tails[tail]);
        assert_ok(read_config(text, "", &one));
        run(one.program, ROWS, 0, &alone);
        assert_string_equal(one.program->names[0], name);
        assert_memory_equal(alone.x[0], all.x[k], sizeof alone.x[0]);
        mw_feature_config_done(&one);
    }
    mw_feature_config_done(&config);
}

MW_TEST(what_they_need_is_asked_for) {
    static const char *const refused[][2] = {
        {"{\"op\":\"skew\",\"of\":\"a\"}", "window"},
        {"{\"op\":\"ewm_mean\",\"of\":\"a\"}", "window"},
        {"{\"op\":\"crossings\",\"of\":\"a\",\"number\":1}", "window"},
        {"{\"op\":\"crossings\",\"of\":\"a\",\"window\":\"1min\"}", "number"},
        {"{\"op\":\"slope\",\"of\":\"a\",\"periods\":3}", "does not take"},
        {"{\"op\":\"energy\",\"of\":\"a\",\"window\":\"1h\"}", "does not take"},
        {"{\"op\":\"since_change\"}", "no column"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        mw_feature_config config;
        err = (mw_err){0};
        assert_status(read_config(refused[i][0], "", &config), MW_EINVAL);
        if (!strstr(err.message, refused[i][1])) fail_msg("%s: %s", refused[i][0], err.message);
    }
}

MW_TEST_MAIN(MW_RUN(one_at_a_time_all_at_once_and_restarts_agree),
             MW_RUN(each_alone_is_what_it_is_among_all), MW_RUN(what_they_need_is_asked_for))
