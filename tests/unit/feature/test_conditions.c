/* test_conditions.c -- operating conditions: against scikit-learn and pandas, one condition against plain scaling, threads, missing values. */
#include "support/harness.h"

#include <math.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "golden/feature/golden_conditions.h"
#include "learn/feature/conditions.h"
#include "learn/feature/device.h"
#include "support/fault_loop.h"

static const int32_t columns[] = {0, 1, 2, 3, 4};

static mw_conditions_options first_settings(int32_t n, int32_t n_settings, int32_t n_sensors) {
    return (mw_conditions_options){.settings = columns,
                                   .n_settings = n_settings,
                                   .sensors = columns + n_settings,
                                   .n_sensors = n_sensors,
                                   .n = n};
}

static mw_conditions *fit(const mw_ctx *ctx, const mw_conditions_options *options,
                          mw_matrix matrix) {
    mw_err err = {0};
    mw_conditions *c = NULL;
    assert_ok(mw_conditions_fit(ctx, options, matrix, &c, &err));
    return c;
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 * (1 + fabs(b)); }

MW_TEST(equals_scikit_learn) {
    const mw_matrix matrix = {&golden_x[0][0], GOLDEN_ROWS, GOLDEN_SETTINGS + GOLDEN_SENSORS};
    const mw_conditions_options options =
        first_settings(GOLDEN_CONDITIONS, GOLDEN_SETTINGS, GOLDEN_SENSORS);
    for (uint64_t seed = 0; seed < 20; seed++) {
        mw_err err = {0};
        mw_ctx ctx;
        float z[GOLDEN_ROWS][GOLDEN_SENSORS];
        mw_ctx_init(&ctx);
        ctx.seed = seed;
        mw_conditions *c = fit(&ctx, &options, matrix);
        assert_int_equal(c->n, GOLDEN_CONDITIONS);
        assert_ok(mw_conditions_apply(&ctx, c, matrix, &z[0][0], &err));
        for (int i = 0; i < GOLDEN_ROWS; i++) {
            const int32_t k = mw_conditions_of(c, golden_x[i]), want = golden_of[i];
            assert_int_equal(k == -1, want == -1);
            for (int s = 0; s < GOLDEN_SENSORS; s++) {
                const double x = (double)golden_x[i][GOLDEN_SETTINGS + s];
                if (want < 0 || mw_isnan(x)) {
                    assert_true(mw_isnan((double)z[i][s]));
                    continue;
                }
                assert_true(near(c->means[k * GOLDEN_SENSORS + s], golden_means[want][s]));
                assert_true(near(c->stds[k * GOLDEN_SENSORS + s], golden_stds[want][s]));
                assert_true(fabs((double)z[i][s] -
                                 (x - golden_means[want][s]) / golden_stds[want][s]) < 1e-5);
            }
            for (int s = 0; s < GOLDEN_SETTINGS && want >= 0; s++)
                assert_true(near(c->centers[k * GOLDEN_SETTINGS + s], golden_centers[want][s]));
        }
        mw_conditions_free(c);
    }
}

enum { ROWS = 6000, FEATURES = 5 };

/* Clusters far apart in two settings of very different size; three sensors. Some values are missing. */
static void make_rows(uint64_t seed, int32_t n_clusters, float *x, int32_t *of) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 1, 0);
    for (int i = 0; i < ROWS; i++) {
        float *row = x + i * FEATURES;
        const int32_t k = of[i] = (int32_t)mw_rng_below(&rng, (uint64_t)n_clusters);
        row[0] = (float)(1e6 * (k % 3) + 3e3 * mw_rng_normal(&rng));
        row[1] = (float)(1e-3 * (k % 2) + 3e-6 * mw_rng_normal(&rng));
        for (int s = 2; s < FEATURES; s++) {
            row[s] = (float)(10 * k * s + (1 + k) * mw_rng_normal(&rng));
            if (mw_rng_below(&rng, 40) == 0) row[s] = (float)MW_NAN;
        }
    }
}

MW_TEST(finds_clusters_that_lie_apart) {
    static float x[ROWS * FEATURES];
    static int32_t of[ROWS];
    const mw_matrix matrix = {x, ROWS, FEATURES};
    for (uint64_t round = 0; round < 20; round++) {
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        ctx.seed = mw_test_seed() + round;
        const int32_t n = 2 + (int32_t)(round % 5);
        make_rows(ctx.seed, n, x, of);
        const mw_conditions_options options = first_settings(n, 2, 3);
        mw_conditions *c = fit(&ctx, &options, matrix);
        int32_t called[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
        assert_int_equal(c->n, n);
        for (int i = 0; i < ROWS; i++) {
            const int32_t k = mw_conditions_of(c, x + i * FEATURES);
            if (called[of[i]] < 0) called[of[i]] = k;
            assert_int_equal(called[of[i]], k);
        }
        for (int32_t a = 0; a < n; a++)
            for (int32_t b = 0; b < a; b++) assert_true(called[a] != called[b]);
        mw_conditions_free(c);
    }
}

MW_TEST(one_condition_is_plain_scaling) {
    static float x[ROWS * FEATURES], z[ROWS * 3];
    static int32_t of[ROWS];
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    make_rows(mw_test_seed(), 4, x, of);
    x[0] = x[FEATURES + 1] = (float)MW_NAN; /* two rows without a condition */
    const mw_matrix matrix = {x, ROWS, FEATURES};
    const mw_conditions_options options = first_settings(1, 2, 3);
    mw_conditions *c = fit(&ctx, &options, matrix);
    assert_ok(mw_conditions_apply(&ctx, c, matrix, z, &err));
    for (int s = 0; s < 3; s++) {
        double n = 0, mean = 0, squares = 0;
        for (int i = 2; i < ROWS; i++)
            if (!mw_isnan((double)x[i * FEATURES + 2 + s])) {
                mean += (double)x[i * FEATURES + 2 + s];
                n++;
            }
        mean /= n;
        for (int i = 2; i < ROWS; i++) {
            const double d = (double)x[i * FEATURES + 2 + s] - mean;
            if (!mw_isnan(d)) squares += d * d;
        }
        const double std = sqrt(squares / (n - 1));
        assert_true(c->counts[s] == n && near(c->means[s], mean) && near(c->stds[s], std));
        for (int i = 0; i < ROWS; i++) {
            const double want = i < 2 ? MW_NAN : ((double)x[i * FEATURES + 2 + s] - mean) / std,
                         got = (double)z[i * 3 + s];
            assert_true(mw_isnan(want) ? mw_isnan(got) : fabs(got - want) < 1e-5);
        }
    }
    mw_conditions_free(c);
}

/* Not one bit differs between machines, either. */
MW_TEST(threads_change_no_bit) {
    static float x[ROWS * FEATURES], z[2][ROWS * 3];
    static int32_t of[ROWS];
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    make_rows(9, 5, x, of);
    const mw_matrix matrix = {x, ROWS, FEATURES};
    const mw_conditions_options options = first_settings(40, 2, 3);
    double *centers[2];
    for (int k = 0; k < 2; k++) {
        if (k == 1) assert_ok(mw_pool_new(NULL, 4, &ctx.pool, &err));
        mw_conditions *c = fit(&ctx, &options, matrix);
        assert_int_equal(c->n, 40);
        assert_ok(mw_conditions_apply(&ctx, c, matrix, z[k], &err));
        centers[k] = mw_memdup(NULL, c->centers, 80 * sizeof(double));
        mw_conditions_free(c);
    }
    assert_memory_equal(z[0], z[1], sizeof z[0]);
    assert_memory_equal(centers[0], centers[1], 80 * sizeof(double));
    const uint64_t hash = mw_hash64(z[0], sizeof z[0]);
    if (hash != UINT64_C(0x89bbc960bc50c5cf)) fail_msg("0x%016llx", (unsigned long long)hash);
    mw_free(centers[0]);
    mw_free(centers[1]);
    mw_pool_free(ctx.pool);
}

MW_TEST(few_and_equal_rows) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    /* Two different settings; the sensor has one value in the first one and equal ones in the second. */
    const float x[] = {1, 5, 2, 7.1F, 2, 7.1F, 2, 7.1F, (float)MW_NAN, 5, 1, (float)MW_NAN};
    const mw_matrix matrix = {x, 6, 2};
    const mw_conditions_options options = first_settings(4, 1, 1);
    mw_conditions *c = fit(&ctx, &options, matrix);
    float z[4];
    const float asked[] = {1, 5, 1, 6, 2, 7.1F, __builtin_inff(), 5};
    assert_int_equal(c->n, 2);
    assert_ok(mw_conditions_apply(&ctx, c, (mw_matrix){asked, 4, 2}, z, &err));
    assert_true(z[0] == 0 && mw_isnan((double)z[1]) && z[2] == 0 && mw_isnan((double)z[3]));
    mw_conditions_free(c);
    /* A sensor without any value. */
    const float none[] = {1, (float)MW_NAN, 2, (float)MW_NAN};
    c = fit(&ctx, &options, (mw_matrix){none, 2, 2});
    assert_ok(mw_conditions_apply(&ctx, c, (mw_matrix){asked, 2, 2}, z, &err));
    assert_true(mw_isnan((double)z[0]));
    mw_conditions_free(c);
}

static void refuse(mw_conditions_options options, mw_matrix matrix, mw_status status) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_conditions *c = NULL;
    mw_ctx_init(&ctx);
    assert_status(mw_conditions_fit(&ctx, &options, matrix, &c, &err), status);
    assert_true(c == NULL && err.message[0]);
}

MW_TEST(refuses_what_it_cannot_do) {
    const float x[] = {(float)MW_NAN, 1, 2, (float)MW_NAN}, infinite[] = {1, __builtin_inff()};
    const mw_matrix matrix = {x, 2, 2};
    const int32_t beyond[] = {0, 2}, before[] = {-1};
    mw_conditions_options o = first_settings(2, 2, 0);
    refuse(o, matrix, MW_EINVAL);
    o.sensors = columns;
    o.n_sensors = 1;
    refuse(o, matrix, MW_EDATA);
    refuse(o, (mw_matrix){infinite, 1, 2}, MW_EDATA);
    refuse(o, (mw_matrix){x, 0, 2}, MW_EDATA);
    o.n = 0;
    refuse(o, matrix, MW_EINVAL);
    o.n = (int32_t)MW_LIMIT(CONDITIONS) + 1;
    refuse(o, matrix, MW_ETOOLARGE);
    o.n = 1;
    o.settings = beyond;
    refuse(o, matrix, MW_EINVAL);
    o.settings = columns;
    o.sensors = before;
    refuse(o, matrix, MW_EINVAL);
    o.n_settings = 0;
    refuse(o, matrix, MW_EINVAL);
}

static mw_status fit_all(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    const mw_matrix matrix = {&golden_x[0][0], GOLDEN_ROWS, GOLDEN_SETTINGS + GOLDEN_SENSORS};
    const mw_conditions_options options =
        first_settings(GOLDEN_CONDITIONS, GOLDEN_SETTINGS, GOLDEN_SENSORS);
    mw_conditions *c = NULL;
    mw_status status = mw_conditions_fit(ctx, &options, matrix, &c, err);
    mw_conditions_free(c);
    return status;
}

/* ---- in programs, and as text ---- */

enum { SENSORS = 2, INPUTS = 3, LINES = 600 };

static const char *const names[INPUTS] = {"load", "heat", "noise"};
static const char *const sensors[SENSORS] = {"heat", "noise"};

/* What sensors are depends on the load, of which there are three. */
static void draw_rows(double values[INPUTS][LINES]) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 8, 0);
    for (int i = 0; i < LINES; i++) {
        const double load = (double)mw_rng_below(&rng, 3);
        values[0][i] =
            mw_rng_below(&rng, 20) == 0 ? MW_NAN : (float)(load * 10 + mw_rng_normal(&rng) / 5);
        for (int s = 0; s < SENSORS; s++)
            values[1 + s][i] = (float)(load * (50 + s) + mw_rng_normal(&rng));
    }
}

static mw_program *compile(const mw_conditions *conditions) {
    static const char *const settings[] = {"load"};
    static const mw_feature_args none = {0};
    mw_err err = {0};
    mw_program *p = NULL;
    const mw_operator *normal = mw_operator_find("normal", 6);
    const mw_feature_def features[] = {{"warm", normal, {"heat", NULL}, none, NULL},
                                       {"loud", normal, {"noise", NULL}, none, NULL},
                                       {"as warm", normal, {"heat", NULL}, none, NULL}};
    const mw_program_options options = {
        .settings = settings, .n_settings = 1, .n_conditions = 3, .conditions = conditions};
    assert_ok(mw_program_new(NULL, names, INPUTS, features, 3, &options, &p, &err));
    return p;
}

static void run(const mw_program *p, double values[INPUTS][LINES], float out[3][LINES]) {
    static int64_t times[LINES];
    mw_err err = {0};
    mw_device *device;
    mw_device_scratch *scratch;
    const double *in[] = {values[0], values[1], values[2]};
    float *to[] = {out[0], out[1], out[2]};
    for (int i = 0; i < LINES; i++) times[i] = i * INT64_C(1000000);
    assert_ok(mw_device_new(NULL, p, &device, &err));
    assert_ok(mw_device_scratch_new(NULL, p, &scratch, &err));
    assert_ok(mw_device_push(device, scratch, times, in, LINES, to, &err));
    mw_device_free(device);
    mw_device_scratch_free(scratch);
}

/* The operator, before and after conditions are learned, beside the matrix function. */
MW_TEST(a_program_tells_what_is_normal) {
    static double values[INPUTS][LINES];
    static float out[3][LINES], x[LINES][INPUTS], z[LINES][SENSORS];
    mw_ctx ctx;
    mw_err err = {0};
    mw_conditions *c = NULL;
    mw_ctx_init(&ctx);
    draw_rows(values);
    mw_program *p = compile(NULL);
    assert_int_equal(p->n_sensors, SENSORS);
    run(p, values, out);
    for (int i = 0; i < LINES; i++) assert_true(mw_isnan((double)out[0][i]));
    const double *numbers[] = {values[0], values[1], values[2]};
    assert_ok(mw_program_fit_conditions(&ctx, p, numbers, NULL, LINES, &c, &err));
    mw_program_free(p);
    p = compile(c);
    run(p, values, out);
    for (int i = 0; i < LINES; i++)
        for (int k = 0; k < INPUTS; k++) x[i][k] = (float)values[k][i];
    assert_ok(mw_conditions_apply(&ctx, c, (mw_matrix){&x[0][0], LINES, INPUTS}, &z[0][0], &err));
    int n = 0;
    for (int i = 0; i < LINES; i++) {
        for (int s = 0; s < SENSORS; s++) {
            const bool missing = mw_isnan((double)z[i][s]);
            assert_int_equal(missing, mw_isnan(values[0][i]));
            assert_true(missing ? mw_isnan((double)out[s][i]) : out[s][i] == z[i][s]);
        }
        n += !mw_isnan((double)out[0][i]) && mw_abs((double)out[0][i]) < 3;
    }
    assert_true(n > LINES * 9 / 10);
    assert_memory_equal(out[0], out[2], sizeof out[0]);
    mw_program_free(p);
    mw_conditions_free(c);
}

static mw_status read_text(const char *text, mw_conditions **ret) {
    static const char *const settings[] = {"load"};
    mw_arena arena;
    mw_err err = {0};
    const mw_json *json;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_json_parse(&arena, text, strlen(text), &json, &err));
    mw_status status = mw_conditions_read(NULL, json, settings, 1, sensors, SENSORS, ret, &err);
    assert_true(status == MW_OK || err.message[0]);
    mw_arena_done(&arena);
    return status;
}

#define LOAD \
    "{\"n\":1,\"settings\":[{\"name\":\"load\",\"weight\":1,\"centers\":[0]}],\"sensors\":["
#define HEAT "{\"name\":\"heat\",\"counts\":[2],\"means\":[1],\"stds\":[1]}"
#define NOISE "{\"name\":\"noise\",\"counts\":[0],\"means\":[null],\"stds\":[0]}"

MW_TEST(text_keeps_what_was_learned) {
    static const char *const bad[] = {
        "{}",
        "[]",
        LOAD "]}",
        LOAD HEAT "]}",
        LOAD NOISE "," HEAT "]}",
        LOAD HEAT ",{\"name\":\"noise\",\"counts\":[-1],\"means\":[1],\"stds\":[1]}]}",
        LOAD HEAT ",{\"name\":\"noise\",\"counts\":[1],\"means\":[1],\"stds\":[-1]}]}",
        LOAD HEAT ",{\"name\":\"noise\",\"counts\":[1],\"means\":[1,2],\"stds\":[1]}]}",
        "{\"n\":0,\"settings\":[],\"sensors\":[]}",
        "{\"n\":1,\"settings\":[{\"name\":\"speed\",\"weight\":1,\"centers\":[0]}],\"sensors\":"
        "[" HEAT "," NOISE "]}",
        "{\"n\":1,\"settings\":[{\"name\":\"load\",\"weight\":0,\"centers\":[0]}],\"sensors\":"
        "[" HEAT "," NOISE "]}"};
    static double values[INPUTS][LINES];
    static const char *const settings[] = {"load"};
    mw_ctx ctx;
    mw_err err = {0};
    mw_buf text, again;
    mw_json_writer w;
    mw_conditions *c = NULL, *back = NULL, *copy = NULL;
    mw_ctx_init(&ctx);
    draw_rows(values);
    mw_program *p = compile(NULL);
    const double *numbers[] = {values[0], values[1], values[2]};
    assert_ok(mw_program_fit_conditions(&ctx, p, numbers, NULL, LINES, &c, &err));
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_init(&again, NULL, 1 << 20);
    mw_json_writer_init(&w, &text, 0);
    mw_conditions_write(c, settings, sensors, &w);
    assert_ok(read_text(mw_buf_text(&text), &back));
    assert_ok(mw_conditions_copy(NULL, back, &copy, &err));
    assert_memory_equal(c->centers, copy->centers, 3 * sizeof *c->centers);
    assert_memory_equal(c->means, copy->means, 3 * SENSORS * sizeof *c->means);
    assert_memory_equal(c->stds, copy->stds, 3 * SENSORS * sizeof *c->stds);
    mw_json_writer_init(&w, &again, 0);
    mw_conditions_write(copy, settings, sensors, &w);
    assert_string_equal(mw_buf_text(&text), mw_buf_text(&again));
    mw_conditions_free(c);
    mw_conditions_free(back);
    mw_conditions_free(copy);
    mw_program_free(p);
    mw_buf_done(&text);
    mw_buf_done(&again);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(read_text(bad[i], &c), MW_EDATA);
    assert_ok(read_text(LOAD HEAT "," NOISE "]}", &c));
    assert_true(mw_isnan(c->means[1]) && c->means[0] == 1);
    mw_conditions_free(c);
}

MW_TEST(survives_any_failed_allocation) { mw_fault_loop_alloc(fit_all, NULL); }

MW_TEST_MAIN(MW_RUN(equals_scikit_learn), MW_RUN(finds_clusters_that_lie_apart),
             MW_RUN(one_condition_is_plain_scaling), MW_RUN(threads_change_no_bit),
             MW_RUN(few_and_equal_rows), MW_RUN(refuses_what_it_cannot_do),
             MW_RUN(a_program_tells_what_is_normal), MW_RUN(text_keeps_what_was_learned),
             MW_RUN(survives_any_failed_allocation))
