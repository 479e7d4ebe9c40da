/*
 * test_blocks.c -- vibration features: of single blocks against scipy, of whole devices against plain sums over the rows of each
 * row's last block.
 */
#include "support/harness.h"

#include <math.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "golden/feature/golden_blocks.h"
#include "learn/feature/device.h"
#include "support/fault_loop.h"

enum { RMS, CREST, BAND, ENVELOPE, OUTPUTS };

static const char *const ops[OUTPUTS] = {"rms", "crest", "band_power", "envelope_rms"};
static const char *const column[] = {"x"};

enum { MS = 1000 };

static mw_feature_def feature(int op, int64_t rows, double low, double high) {
    return (mw_feature_def){
        .name = ops[op],
        .op = mw_operator_find(ops[op], strlen(ops[op])),
        .of = {"x"},
        .args = {.rows = rows, .number = op == BAND ? low : 0, .number2 = op == BAND ? high : 0}};
}

static mw_status new_program(mw_mem *mem, int64_t rows, double low, double high, mw_program **ret,
                             mw_err *err) {
    const mw_program_options options = {.sampling_us = MS};
    mw_feature_def defs[OUTPUTS];
    for (int op = 0; op < OUTPUTS; op++) defs[op] = feature(op, rows, low, high);
    return mw_program_new(mem, column, 1, defs, OUTPUTS, &options, ret, err);
}

/* ---- one block ---- */

/* What the last row of n gets, in full precision: of the kernels themselves. */
static void block_features(const double *x, const int64_t *times, int32_t n, double low,
                           double high, double ret[OUTPUTS]) {
    mw_err err = {0};
    mw_program *p = NULL;
    int32_t *run = mw_alloc_array(NULL, (size_t)n, sizeof *run);
    double *got = mw_alloc_array(NULL, (size_t)n, sizeof *got);
    assert_true(run && got);
    for (int32_t i = 0; i < n; i++) run[i] = i;
    assert_ok(new_program(NULL, n, low, high, &p, &err));
    const mw_span span = {.n = n, .times = times, .run = run};
    for (int op = 0; op < OUTPUTS; op++) {
        const mw_operator *o = mw_operator_find(ops[op], strlen(ops[op]));
        double *out[MW_NODE_OUTPUTS] = {NULL};
        double state[8] = {0};
        const mw_feature_node *node = NULL;
        for (int32_t k = 0; k < p->n_nodes; k++)
            if (p->nodes[k].kernel == o->kernel && (op == BAND) == (p->nodes[k].args.number2 > 0))
                node = &p->nodes[k];
        assert_non_null(node);
        assert_true(o->kernel->state_bytes <= sizeof state);
        out[o->output] = got;
        assert_ok(o->kernel->push(node, state, &span, &x, out, NULL, &err));
        /* The first block ends with row n - 1 of an even n, one row earlier of an odd one. */
        ret[op] = got[n - 1];
    }
    mw_program_free(p);
    mw_free(run);
    mw_free(got);
}

MW_TEST(equals_scipy) {
    const double *x = golden_block_values;
    for (size_t k = 0; k < sizeof golden_block_lengths / sizeof *golden_block_lengths; k++) {
        const int32_t n = golden_block_lengths[k];
        enum { MOST = 512 };
        double got[OUTPUTS], with_more[MOST];
        int64_t times[MOST];
        /* So that a block's last row is one with a block: of an odd n the first whole block comes later. */
        const int32_t hop = n / 2, before = (hop - n % hop) % hop;
        for (int32_t i = 0; i < n + before; i++) {
            times[i] = (int64_t)i * GOLDEN_BLOCK_US;
            with_more[i] = i < before ? 1e6 : x[i - before];
        }
        mw_err err = {0};
        mw_program *p = NULL;
        mw_device *device = NULL;
        mw_device_scratch *scratch = NULL;
        float out[OUTPUTS][MOST], *const outs[OUTPUTS] = {out[0], out[1], out[2], out[3]};
        const double *const columns[] = {with_more};
        assert_ok(new_program(NULL, n, golden_block_low, golden_block_high, &p, &err));
        assert_ok(mw_device_new(NULL, p, &device, &err));
        assert_ok(mw_device_scratch_new(NULL, p, &scratch, &err));
        assert_ok(mw_device_push(device, scratch, times, columns, n + before, outs, &err));
        for (int op = 0; op < OUTPUTS; op++) {
            const double want = golden_block_features[k][op];
            if (fabs((double)out[op][n + before - 1] - want) > 1e-7 * want)
                fail_msg("%s of %d: %.9g, not %.9g", ops[op], (int)n,
                         (double)out[op][n + before - 1], want);
        }
        if (n % 2 == 0) {
            block_features(x, times, n, golden_block_low, golden_block_high, got);
            for (int op = 0; op < OUTPUTS; op++)
                assert_true(fabs(got[op] - golden_block_features[k][op]) <=
                            1e-13 * golden_block_features[k][op]);
        }
        mw_device_free(device);
        mw_device_scratch_free(scratch);
        mw_program_free(p);
        x += n;
    }
}

MW_TEST(knows_signals) {
    enum { N = 1024 };
    static double x[N];
    static int64_t times[N];
    double got[OUTPUTS];
    for (int i = 0; i < N; i++) {
        times[i] = INT64_C(1700000000000000) + (int64_t)i * MS;
        x[i] = 3 * sin(2 * acos(-1) * 100 * i / N);
    }
    block_features(x, times, N, 90, 105, got); /* 100 / 1.024 Hz */
    assert_true(fabs(got[RMS] - 3 / sqrt(2)) < 1e-12);
    assert_true(fabs(got[CREST] - sqrt(2)) < 1e-3);
    assert_true(fabs(got[BAND] - 1) < 1e-12);
    assert_true(got[ENVELOPE] < 1e-12);
    block_features(x, times, N, 105, 500, got);
    assert_true(got[BAND] < 1e-20);
    /* The same one swelling and fading by half, five times. */
    for (int i = 0; i < N; i++) x[i] *= 1 + 0.5 * cos(2 * acos(-1) * 5 * i / N);
    block_features(x, times, N, 90, 105, got);
    assert_true(fabs(got[ENVELOPE] - 3 * 0.5 / sqrt(2)) < 1e-12);
    /* Bands are half-open: two side by side make the whole, and a line on the border is in the second one. */
    double first[OUTPUTS], second[OUTPUTS];
    block_features(x, times, N, 0, 100 / 1.024, first);
    block_features(x, times, N, 100 / 1.024, 1000, second);
    assert_true(fabs(first[BAND] + second[BAND] - 1) < 1e-14);
    assert_true(second[BAND] > first[BAND]);
    /* Above half the sampling rate, and between two bins, nothing can be told. */
    block_features(x, times, N, 501, 1000, got);
    assert_true(mw_isnan(got[BAND]));
    block_features(x, times, N, 100.1, 100.2, got);
    assert_true(mw_isnan(got[BAND]));
    for (int i = 0; i < N; i++) x[i] = -0.1;
    block_features(x, times, N, 0, 500, got);
    assert_true(fabs(got[RMS] - 0.1) < 1e-15 && mw_isnan(got[CREST]) && mw_isnan(got[BAND]) &&
                got[ENVELOPE] == 0);
}

/* ---- whole devices ---- */

enum { ROWS = 700 };

typedef struct scene {
    int64_t times[ROWS];
    double x[ROWS];
} scene;

/* A noisy tone; some values missing, some gaps, time not quite regular. */
static void make_scene(uint64_t seed, scene *s) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 2, 0);
    int64_t t = -(int64_t)mw_rng_below(&rng, 1000000);
    for (int i = 0; i < ROWS; i++) {
        const bool gap = mw_rng_below(&rng, 180) == 0, none = mw_rng_below(&rng, 120) == 0;
        t += gap ? 11 * MS : MS - 20 + (int64_t)mw_rng_below(&rng, 41);
        s->times[i] = t;
        s->x[i] = none ? MW_NAN : 5 + mw_sin(0.5 * i) + 0.3 * mw_rng_normal(&rng);
    }
}

/* Definitions as they are, with sums over turns of the circle. */
static void slow_block(const scene *s, int last, int n, double low, double high,
                       double ret[OUTPUTS]) {
    const double *x = s->x + last + 1 - n;
    const double pi = acos(-1), length = (double)(s->times[last] - s->times[last + 1 - n]) / 1e6;
    double mean = 0, square = 0, peak = 0, about = 0, all = 0, inside = 0, d[64], re[64], im[64];
    bool any = false;
    for (int i = 0; i < n; i++) mean += x[i] / n;
    for (int i = 0; i < n; i++) {
        d[i] = x[i] - mean;
        square += x[i] * x[i] / n;
        about += d[i] * d[i] / n;
        peak = fmax(peak, fabs(d[i]));
    }
    for (int k = 0; 2 * k <= n; k++) {
        double a = 0, b = 0;
        for (int i = 0; i < n; i++) {
            const double weighted = d[i] * (0.5 - 0.5 * cos(2 * pi * i / n));
            a += weighted * cos(2 * pi * i * k / n);
            b -= weighted * sin(2 * pi * i * k / n);
        }
        const double power = (a * a + b * b) * (k == 0 || 2 * k == n ? 1 : 2),
                     hz = k * (n - 1) / (length * n);
        all += power;
        if (hz < low || hz >= high) continue;
        inside += power;
        any = true;
    }
    for (int k = 0; k < n; k++) {
        re[k] = im[k] = 0;
        for (int i = 0; i < n; i++) {
            re[k] += d[i] * cos(2 * pi * i * k / n);
            im[k] -= d[i] * sin(2 * pi * i * k / n);
        }
    }
    double envelope[64], middle = 0, swing = 0;
    for (int i = 0; i < n; i++) {
        double a = re[0] / n, b = im[0] / n;
        for (int k = 1; 2 * k <= n; k++) {
            const double c = cos(2 * pi * i * k / n), w = sin(2 * pi * i * k / n),
                         twice = 2 * k == n ? 1 : 2;
            a += twice * (re[k] * c - im[k] * w) / n;
            b += twice * (re[k] * w + im[k] * c) / n;
        }
        envelope[i] = hypot(a, b);
        middle += envelope[i] / n;
    }
    for (int i = 0; i < n; i++) swing += (envelope[i] - middle) * (envelope[i] - middle) / n;
    ret[RMS] = sqrt(square);
    ret[CREST] = peak / sqrt(about);
    ret[BAND] = any ? inside / all : MW_NAN;
    ret[ENVELOPE] = sqrt(swing);
}

/* The last block that ended at or before the row and since which there was no gap; made once while rows go on. */
static void slow_row(const scene *s, int row, int n, double low, double high, double ret[OUTPUTS]) {
    static double made[OUTPUTS];
    static int made_of = -1;
    int last = row;
    if (row == 0) made_of = -1;
    for (int k = 0; k < OUTPUTS; k++) ret[k] = MW_NAN;
    while (last >= 0 && (last + 1) % (n / 2) != 0) last--;
    if (last < n - 1) return;
    for (int i = last + 2 - n; i <= row; i++)
        if (s->times[i] - s->times[i - 1] > 10 * MS) return;
    for (int i = last + 1 - n; i <= last; i++)
        if (mw_isnan(s->x[i])) return;
    if (last != made_of) slow_block(s, last, n, low, high, made);
    made_of = last;
    memcpy(ret, made, sizeof made);
}

static float *push_all(const mw_program *p, const scene *s, int step, int saved_at) {
    mw_err err = {0};
    mw_device *device = NULL;
    mw_device_scratch *scratch = NULL;
    float *out = mw_alloc_array(NULL, OUTPUTS * ROWS, sizeof *out);
    assert_non_null(out);
    assert_ok(mw_device_new(NULL, p, &device, &err));
    assert_ok(mw_device_scratch_new(NULL, p, &scratch, &err));
    for (int from = 0; from < ROWS;) {
        int n = step < ROWS - from ? step : ROWS - from;
        if (from < saved_at && from + n > saved_at) n = saved_at - from;
        const double *const columns[] = {s->x + from};
        float *outs[OUTPUTS];
        for (int k = 0; k < OUTPUTS; k++) outs[k] = out + (size_t)k * ROWS + from;
        assert_ok(mw_device_push(device, scratch, s->times + from, columns, n, outs, &err));
        from += n;
        if (from != saved_at) continue;
        mw_buf buf;
        mw_buf_init(&buf, NULL, 1 << 20);
        mw_device_save(device, &buf);
        mw_device_free(device);
        assert_ok(mw_device_load(NULL, p, (mw_str){buf.data, buf.size}, &device, &err));
        mw_buf_done(&buf);
    }
    mw_device_free(device);
    mw_device_scratch_free(scratch);
    return out;
}

MW_TEST(equals_plain_sums_over_each_last_block) {
    static const int lengths[] = {16, 17, 33, 64};
    static const double low = 60, high = 130;
    mw_err err = {0};
    for (size_t round = 0; round < 3 * sizeof lengths / sizeof *lengths; round++) {
        const int n = lengths[round % (sizeof lengths / sizeof *lengths)];
        scene s;
        mw_program *p = NULL;
        int n_given = 0;
        make_scene(mw_test_seed() + round, &s);
        assert_ok(new_program(NULL, n, low, high, &p, &err));
        float *out = push_all(p, &s, ROWS, -1);
        for (int i = 0; i < ROWS; i++) {
            double want[OUTPUTS];
            slow_row(&s, i, n, low, high, want);
            for (int k = 0; k < OUTPUTS; k++) {
                const double got = (double)out[k * ROWS + i];
                if (mw_isnan(got) != mw_isnan(want[k]) ||
                    fabs(got - want[k]) > 2e-7 * fabs(want[k]))
                    fail_msg("%s of %d in row %d: %.9g, not %.9g", ops[k], n, i, got, want[k]);
                n_given += !mw_isnan(got);
            }
        }
        assert_true(n_given > 0);
        mw_free(out);
        mw_program_free(p);
    }
}

MW_TEST(pushes_and_restarts_do_not_show) {
    mw_err err = {0};
    for (int round = 0; round < 8; round++) {
        static const int steps[] = {1, 7, 256, 300};
        scene s;
        mw_program *p = NULL;
        make_scene(mw_test_seed() + 50 + (uint64_t)round, &s);
        assert_ok(new_program(NULL, round % 2 ? 64 : 21, 60, 130, &p, &err));
        float *whole = push_all(p, &s, ROWS, -1);
        float *cut = push_all(p, &s, steps[round % 4], 80 * round + 13);
        assert_memory_equal(whole, cut, OUTPUTS * ROWS * sizeof *whole);
        mw_free(whole);
        mw_free(cut);
        mw_program_free(p);
    }
}

/* Not one bit differs between machines. */
MW_TEST(bits_are_pinned) {
    mw_err err = {0};
    uint64_t hash = 0;
    for (int round = 0; round < 6; round++) {
        scene s;
        mw_program *p = NULL;
        make_scene((uint64_t)round, &s);
        assert_ok(new_program(NULL, 16 + 11 * round, 60, 130, &p, &err));
        float *out = push_all(p, &s, ROWS, -1);
        const uint64_t pair[2] = {hash, mw_hash64(out, OUTPUTS * ROWS * sizeof *out)};
        hash = mw_hash64(pair, sizeof pair);
        mw_free(out);
        mw_program_free(p);
    }
    if (hash != UINT64_C(0x827f7debb3ec7b7a)) fail_msg("0x%016llx", (unsigned long long)hash);
}

/* ---- definitions ---- */

static void refuse(mw_feature_def def, const char *part) {
    mw_err err = {0};
    mw_program *p = NULL;
    const mw_program_options options = {0};
    def.where = "/features/0";
    assert_status(mw_program_new(NULL, column, 1, &def, 1, &options, &p, &err), MW_EINVAL);
    assert_null(p);
    assert_non_null(strstr(err.message, part));
    assert_non_null(strstr(err.message, def.name));
    assert_string_equal(err.pointer, "/features/0");
}

MW_TEST(refuses_windows_and_bands) {
    mw_feature_def of_time = feature(RMS, 0, 0, 0);
    of_time.args.us = 60000000;
    refuse(of_time, "not a time");
    refuse(feature(RMS, 15, 0, 0), "16 to 4096");
    refuse(feature(ENVELOPE, 4097, 0, 0), "16 to 4096");
    refuse(feature(BAND, 64, 20, 10), "band");
    refuse(feature(BAND, 64, 10, 10), "band");
    refuse(feature(BAND, 64, -1, 10), "band");
    refuse(feature(BAND, 64, 1, 1e7), "band");
    refuse(feature(BAND, 64, MW_NAN, 10), "band");
    refuse(feature(BAND, 64, 1, MW_NAN), "band");
}

MW_TEST(features_of_a_block_share_it) {
    mw_err err = {0};
    mw_program *p = NULL;
    const mw_program_options options = {0};
    mw_feature_def defs[] = {feature(RMS, 64, 0, 0), feature(CREST, 64, 0, 0),
                             feature(BAND, 64, 1, 10), feature(BAND, 64, 1, 20),
                             feature(ENVELOPE, 64, 0, 0)};
    defs[3].name = "wider";
    assert_ok(mw_program_new(NULL, column, 1, defs, 5, &options, &p, &err));
    assert_int_equal(p->n_nodes, 4);
    assert_int_equal(p->past_rows, 64);
    assert_non_null(strstr(p->definition, "\"band\":[1,20]"));
    mw_program_free(p);
}

static mw_status go_through(const mw_ctx *ctx, void *arg, mw_err *err) {
    const scene *s = arg;
    mw_program *p = NULL;
    mw_device *device = NULL;
    mw_device_scratch *scratch = NULL;
    static float out[OUTPUTS][ROWS];
    float *const outs[OUTPUTS] = {out[0], out[1], out[2], out[3]};
    const double *const columns[] = {s->x};
    mw_status status = new_program(ctx->mem, 100, 60, 130, &p, err);
    if (!status) status = mw_device_new(ctx->mem, p, &device, err);
    if (!status) status = mw_device_scratch_new(ctx->mem, p, &scratch, err);
    if (!status) status = mw_device_push(device, scratch, s->times, columns, ROWS, outs, err);
    mw_device_free(device);
    mw_device_scratch_free(scratch);
    mw_program_free(p);
    return status;
}

MW_TEST(survives_any_failed_allocation) {
    scene s;
    make_scene(3, &s);
    for (int i = 0; i < ROWS; i++) s.x[i] = i % 7;
    mw_fault_loop_alloc(go_through, &s);
}

MW_TEST_MAIN(MW_RUN(equals_scipy), MW_RUN(knows_signals),
             MW_RUN(equals_plain_sums_over_each_last_block),
             MW_RUN(pushes_and_restarts_do_not_show), MW_RUN(bits_are_pinned),
             MW_RUN(refuses_windows_and_bands), MW_RUN(features_of_a_block_share_it),
             MW_RUN(survives_any_failed_allocation))
