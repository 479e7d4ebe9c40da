/*
 * test_programs.c -- random programs over random rows: all at once, one by one, in any pieces, on any number of threads, with restarts, and from
 * their definitions, all the same bits.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "core/text/datetime.h"
#include "support/harness.h"
#include "learn/feature/stream.h"
#include "support/plain_features.h"

enum { INPUTS = 3, FEATURES = 12, ROWS = 400, DEVICES = 3, NAME = 32 };

static mw_err err;

typedef struct dice {
    mw_rng rng;
} dice;

static int roll(dice *d, int n) { return (int)mw_rng_below(&d->rng, (uint64_t)n); }
static bool chance(dice *d, int one_in) { return roll(d, one_in) == 0; }

/* ---- programs ---- */

static const char *const inputs[INPUTS] = {"a", "b", "c"};

typedef struct plan {
    mw_feature_def features[FEATURES];
    char names[FEATURES][NAME];
    int n;
    bool plain[FEATURES]; /* made of what the oracle knows alone */
    mw_program_options options;
    mw_feature_range ranges[INPUTS];
    mw_program *program;
} plan;

static int signal_of(const plan *p, const char *name) {
    for (int f = 0; f < p->n; f++)
        if (strcmp(p->features[f].name, name) == 0) return INPUTS + f;
    return name[0] - 'a';
}

/* Those of operating conditions only where there are some. */
static const mw_operator *any_operator(dice *d, const plan *p) {
    int n = 0;
    while (mw_operators[n].name) n++;
    const mw_operator *op = &mw_operators[roll(d, n)];
    return p->options.n_conditions == 0 && (op->takes & MW_TAKES_CONDITION) ? NULL : op;
}

static mw_feature_args any_args(dice *d, const mw_operator *op) {
    static const int64_t widths[] = {1,         7000000,    45000000,   60000000,
                                     300000000, 1800000000, 86400000000};
    mw_feature_args args = {0};
    if (op->takes & MW_TAKES_PERIODS)
        args.rows = 1 + roll(d, 4);
    else if (op->takes & (MW_TAKES_WINDOW | MW_TAKES_LAG)) {
        if (chance(d, 2))
            args.rows = 1 + roll(d, chance(d, 4) ? 100 : 10);
        else
            args.us = widths[roll(d, 7)];
    }
    if (op->kernel == &mw_kernel_blocks || op->kernel == &mw_kernel_blocks_spectrum)
        args = (mw_feature_args){.rows = 16 + roll(d, 30)};
    if (op->takes & MW_TAKES_BAND) {
        args.number = roll(d, 3) * 0.01;
        args.number2 = args.number + 0.02;
    }
    if (op->takes & MW_TAKES_NUMBER)
        args.number = op->low + (op->high - op->low) * roll(d, 11) / 10;
    return args;
}

/* Of some rows, for the program anew. */
static void learn_conditions(dice *d, plan *p) {
    enum { N = 80 };
    mw_ctx ctx;
    mw_conditions *conditions = NULL;
    double values[INPUTS][N];
    const double *columns[INPUTS];
    mw_ctx_init(&ctx);
    for (int c = 0; c < INPUTS; c++) {
        columns[c] = values[c];
        for (int i = 0; i < N; i++) values[c][i] = chance(d, 20) ? MW_NAN : roll(d, 5) - 2;
    }
    for (int c = 0; c < INPUTS; c++) values[c][0] = 0;
    assert_ok(mw_program_fit_conditions(&ctx, p->program, columns, NULL, N, &conditions, &err));
    char hash[MW_SHA256_HEX];
    memcpy(hash, p->program->hash, sizeof hash);
    mw_program_free(p->program);
    p->options.conditions = conditions;
    assert_ok(
        mw_program_new(NULL, inputs, INPUTS, p->features, p->n, &p->options, &p->program, &err));
    assert_string_equal(p->program->hash, hash); /* what is learned is not defined */
    mw_conditions_free(conditions);
    p->options.conditions = NULL;
}

static void any_plan(dice *d, plan *p) {
    *p = (plan){.n = 1 + roll(d, FEATURES)};
    if (chance(d, 3)) p->options.sampling_us = 10000000;
    if (chance(d, 4)) p->options.timezone = "+05:30";
    for (int c = 0; c < INPUTS; c++)
        p->ranges[c] = (mw_feature_range){chance(d, 2) ? -DBL_MAX : -3.5 + roll(d, 3),
                                          chance(d, 2) ? DBL_MAX : 1 + roll(d, 5)};
    if (chance(d, 3)) p->options.ranges = p->ranges;
    if (chance(d, 3)) {
        p->options.settings = inputs;
        p->options.n_settings = 1 + roll(d, 2);
        p->options.n_conditions = 1 + roll(d, 4);
    }
    for (int f = 0; f < p->n; f++) {
        const mw_operator *op = chance(d, 10) ? NULL : any_operator(d, p);
        mw_feature_def *one = &p->features[f];
        (void)snprintf(p->names[f], NAME, "f%d", f);
        *one = (mw_feature_def){
            .name = p->names[f], .op = op, .args = op ? any_args(d, op) : (mw_feature_args){0}};
        for (int k = 0; k < MW_NODE_INPUTS; k++)
            one->of[k] = f > 0 && chance(d, 4) && !(op && op->takes & MW_TAKES_CONDITION)
                             ? p->names[roll(d, f)]
                             : inputs[roll(d, INPUTS)];
    }
    for (int f = 0; f < p->n; f++) {
        const mw_operator *op = p->features[f].op;
        p->plain[f] = !op || plain_knows(op);
        for (int k = 0; k < (op ? op->n_inputs : 1); k++) {
            const int of = signal_of(p, p->features[f].of[k]) - INPUTS;
            p->plain[f] &= of < 0 || p->plain[of];
        }
    }
    assert_ok(
        mw_program_new(NULL, inputs, INPUTS, p->features, p->n, &p->options, &p->program, &err));
    if (p->program->n_sensors > 0 && !chance(d, 5)) learn_conditions(d, p);
}

/* ---- rows ---- */

typedef struct rows {
    int n;
    int64_t times[ROWS];
    int32_t devices[ROWS];
    double values[INPUTS][ROWS];
    const double *columns[INPUTS];
} rows;

static double any_value(dice *d, int kind) {
    if (chance(d, 12)) return MW_NAN;
    switch (kind) {
    case 0: return 300 + (roll(d, 2001) - 1000) * 1e-5; /* close together */
    case 1: return chance(d, 30) ? 1e6 : roll(d, 4);    /* ties and spikes */
    case 2: return (roll(d, 2001) - 1000) * 0.37;
    default:
        return chance(d, 20) ? MW_INFINITY : chance(d, 5) ? -0.0 : mw_exp(roll(d, 1400) - 700.0);
    }
}

static void any_rows(dice *d, rows *r) {
    int64_t clocks[DEVICES];
    int kinds[INPUTS];
    r->n = roll(d, ROWS) + 1;
    for (int k = 0; k < DEVICES; k++)
        clocks[k] = chance(d, 3) ? -5000000000 : INT64_C(1767225600000000);
    for (int c = 0; c < INPUTS; c++) kinds[c] = roll(d, 4);
    const int n_devices = 1 + roll(d, DEVICES);
    for (int i = 0; i < r->n; i++) {
        const int device = roll(d, n_devices);
        if (!chance(d, 40)) clocks[device] += 10000000;
        if (chance(d, 6)) clocks[device] += roll(d, 3000000);
        if (chance(d, 40)) clocks[device] += (int64_t)roll(d, 4000) * 1000000;
        r->times[i] = chance(d, 60)    ? clocks[device] - 15000000
                      : chance(d, 150) ? MW_TIME_NONE
                                       : clocks[device];
        r->devices[i] = chance(d, 150) ? -1 : device;
        for (int c = 0; c < INPUTS; c++) r->values[c][i] = any_value(d, kinds[c]);
    }
    for (int c = 0; c < INPUTS; c++) r->columns[c] = r->values[c];
}

/* ---- ways to the features ---- */

typedef struct answer {
    float values[FEATURES][ROWS];
} answer;

static void push(mw_stream *stream, const plan *p, const rows *r, int from, int n,
                 const mw_ctx *ctx, answer *ret) {
    const double *columns[INPUTS];
    float *out[FEATURES];
    for (int c = 0; c < INPUTS; c++) columns[c] = r->columns[c] + from;
    for (int f = 0; f < p->n; f++) out[f] = ret->values[f] + from;
    const mw_stream_rows some = {n, r->times + from, r->devices + from, columns};
    assert_ok(mw_stream_push(ctx, stream, &some, out, &err));
}

/* In pieces of up to `most` rows. */
static void stream_all(dice *d, const plan *p, const rows *r, int most, int threads, answer *ret) {
    mw_ctx ctx;
    mw_stream *stream;
    mw_ctx_init(&ctx);
    assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
    assert_ok(mw_stream_new(NULL, p->program, &stream, &err));
    for (int from = 0; from < r->n;) {
        int n = most == 1 ? 1 : 1 + roll(d, most);
        if (n > r->n - from) n = r->n - from;
        push(stream, p, r, from, n, &ctx, ret);
        from += n;
    }
    mw_stream_free(stream);
    mw_pool_free(ctx.pool);
}

/* The rows of a device that count, and where they stand. */
static int rows_of(const rows *r, int device, int *ret) {
    int n = 0;
    int64_t newest = MW_TIME_NONE;
    for (int i = 0; i < r->n; i++) {
        if (r->devices[i] != device || r->times[i] == MW_TIME_NONE) continue;
        if (n > 0 && r->times[i] <= newest) continue;
        newest = r->times[i];
        ret[n++] = i;
    }
    return n;
}

/* Rows without features, and repetitions, as the stream must have them; those that count are filled in by `fill`. */
typedef void fill_fn(dice *d, const plan *p, const rows *r, const int *at, int n, answer *ret);

static void by_device(dice *d, const plan *p, const rows *r, fill_fn *fill, answer *ret) {
    for (int f = 0; f < p->n; f++)
        for (int i = 0; i < r->n; i++) ret->values[f][i] = (float)MW_NAN;
    for (int device = 0; device < DEVICES; device++) {
        int at[ROWS];
        const int n = rows_of(r, device, at);
        fill(d, p, r, at, n, ret);
        int last = -1, k = 0;
        for (int i = 0; i < r->n; i++) {
            if (k < n && at[k] == i) {
                last = i, k++;
            } else if (last >= 0 && r->devices[i] == device && r->times[i] == r->times[last]) {
                for (int f = 0; f < p->n; f++) ret->values[f][i] = ret->values[f][last];
            }
        }
    }
}

static double clean(double x) { return isfinite(x) ? x + 0.0 : MW_NAN; }

static double in_range(const plan *p, int c, double x) {
    if (!p->options.ranges) return x;
    return x < p->ranges[c].low || x > p->ranges[c].high ? MW_NAN : x;
}

static void fill_plainly(dice *d, const plan *p, const rows *r, const int *at, int n, answer *ret) {
    (void)d;
    static double signals[INPUTS + FEATURES][ROWS];
    int64_t times[ROWS];
    double *columns[INPUTS];
    for (int k = 0; k < n; k++) {
        times[k] = r->times[at[k]];
        for (int c = 0; c < INPUTS; c++) signals[c][k] = clean(in_range(p, c, r->values[c][at[k]]));
    }
    for (int c = 0; c < INPUTS; c++) columns[c] = signals[c];
    const int64_t ahead = p->options.timezone ? INT64_C(19800000000) : 0;
    const plain_rows plain = {n, times, columns, p->options.sampling_us, ahead};
    for (int f = 0; f < p->n; f++) {
        const mw_feature_def *feature = &p->features[f];
        double *out = signals[INPUTS + f];
        if (!p->plain[f]) continue;
        plain_feature(feature, &plain, signals[signal_of(p, feature->of[0])],
                      signals[signal_of(p, feature->of[1])], out);
        for (int k = 0; k < n; k++) {
            const float value = (float)out[k] + 0.0F;
            ret->values[f][at[k]] = isfinite(value) ? value : (float)MW_NAN;
            out[k] = clean(out[k]);
        }
    }
}

/* Pieces of rows, and now and then the device goes through bytes. */
static void fill_with_restarts(dice *d, const plan *p, const rows *r, const int *at, int n,
                               answer *ret) {
    mw_device *device;
    mw_device_scratch *scratch;
    mw_buf bytes;
    mw_buf_init(&bytes, NULL, 1 << 24);
    assert_ok(mw_device_new(NULL, p->program, &device, &err));
    assert_ok(mw_device_scratch_new(NULL, p->program, &scratch, &err));
    for (int k = 0; k < n;) {
        int some = 1 + roll(d, 40);
        if (some > n - k) some = n - k;
        int64_t times[40];
        double values[INPUTS][40];
        float made[FEATURES][40];
        const double *columns[INPUTS];
        float *out[FEATURES];
        for (int j = 0; j < some; j++) times[j] = r->times[at[k + j]];
        for (int c = 0; c < INPUTS; c++) columns[c] = values[c];
        for (int f = 0; f < p->n; f++) out[f] = made[f];
        for (int c = 0; c < INPUTS; c++)
            for (int j = 0; j < some; j++) values[c][j] = r->values[c][at[k + j]];
        assert_ok(mw_device_push(device, scratch, times, columns, some, out, &err));
        for (int f = 0; f < p->n; f++)
            for (int j = 0; j < some; j++) ret->values[f][at[k + j]] = made[f][j];
        k += some;
        if (chance(d, 2)) continue;
        mw_buf_clear(&bytes);
        mw_device_save(device, &bytes);
        assert_ok(mw_buf_status(&bytes, "a device", &err));
        mw_device_free(device);
        assert_ok(mw_device_load(NULL, p->program, mw_buf_str(&bytes), &device, &err));
    }
    mw_device_scratch_free(scratch);
    mw_device_free(device);
    mw_buf_done(&bytes);
}

static void compare(const plan *p, const rows *r, const answer *a, const answer *b, bool plain,
                    const char *what) {
    for (int f = 0; f < p->n; f++)
        for (int i = 0; i < r->n && (!plain || p->plain[f]); i++)
            if (memcmp(&a->values[f][i], &b->values[f][i], sizeof(float)) != 0)
                fail_msg("%s: row %d of %d, device %d, %s: %.9g, not %.9g; %s", what, i, r->n,
                         (int)r->devices[i], p->features[f].op ? p->features[f].op->name : "value",
                         (double)b->values[f][i], (double)a->values[f][i], p->program->definition);
}

static void check_one(dice *d) {
    static plan p;
    static rows r;
    static answer plain, all, other;
    any_plan(d, &p);
    any_rows(d, &r);
    by_device(d, &p, &r, fill_plainly, &plain);
    stream_all(d, &p, &r, ROWS, 1 + roll(d, 3), &all);
    compare(&p, &r, &plain, &all, true, "all at once");
    stream_all(d, &p, &r, 1, 1, &other);
    compare(&p, &r, &all, &other, false, "row by row");
    stream_all(d, &p, &r, 60, 1 + roll(d, 3), &other);
    compare(&p, &r, &all, &other, false, "in pieces");
    by_device(d, &p, &r, fill_with_restarts, &other);
    compare(&p, &r, &all, &other, false, "with restarts");
    mw_program_free(p.program);
}

MW_TEST(random_programs_give_the_bits_of_their_definitions) {
    dice d;
    mw_rng_init(&d.rng, mw_test_seed(), 1, 0);
    for (int i = 0; i < 300; i++) check_one(&d);
}

/* ---- late rows ---- */

/*
 * Each row's features by their definitions: of the rows of its device that have come and are not later than it. at [n] are all rows of the device, as
 * they come.
 */
static void fill_as_they_come(const plan *p, const rows *r, const int *at, int n, answer *ret) {
    static rows known;
    static answer now;
    int order[ROWS], n_known = 0;
    for (int k = 0; k < n; k++) {
        const int64_t time = r->times[at[k]];
        if (time == MW_TIME_NONE) continue;
        const int64_t newest = n_known > 0 ? r->times[order[n_known - 1]] : MW_TIME_NONE;
        if (n_known > 0 && time < newest && time <= newest - p->options.lateness_us) continue;
        int place = n_known;
        while (place > 0 && r->times[order[place - 1]] > time) place--;
        const bool repeats = place > 0 && r->times[order[place - 1]] == time;
        if (repeats) {
            place--;
        } else {
            memmove(order + place + 1, order + place, (size_t)(n_known - place) * sizeof *order);
            order[place] = at[k];
            n_known++;
        }
        known.n = place + 1;
        for (int i = 0; i <= place; i++) {
            known.times[i] = r->times[order[i]];
            for (int c = 0; c < INPUTS; c++) known.values[c][i] = r->values[c][order[i]];
        }
        int all[ROWS];
        for (int i = 0; i <= place; i++) all[i] = i;
        fill_plainly(NULL, p, &known, all, place + 1, &now);
        for (int f = 0; f < p->n; f++) ret->values[f][at[k]] = now.values[f][place];
    }
}

/* Pieces of rows as they come, and now and then all goes through bytes. */
static void arrivals_with_restarts(dice *d, const plan *p, const rows *r, const int *at, int n,
                                   answer *ret) {
    mw_arrivals *arrivals;
    mw_device_scratch *scratch;
    int64_t counts[MW_FATES] = {0};
    mw_buf bytes;
    mw_buf_init(&bytes, NULL, 1 << 24);
    assert_ok(mw_arrivals_new(NULL, p->program, &arrivals, &err));
    assert_ok(mw_device_scratch_new(NULL, p->program, &scratch, &err));
    for (int k = 0; k < n; k++) {
        const double *columns[INPUTS];
        float *out[FEATURES];
        for (int c = 0; c < INPUTS; c++) columns[c] = &r->values[c][at[k]];
        for (int f = 0; f < p->n; f++) out[f] = &ret->values[f][at[k]];
        assert_ok(
            mw_arrivals_push(arrivals, scratch, &r->times[at[k]], columns, 1, out, counts, &err));
        if (!chance(d, 6)) continue;
        mw_buf_clear(&bytes);
        mw_arrivals_save(arrivals, &bytes);
        assert_ok(mw_buf_status(&bytes, "a device", &err));
        mw_arrivals_free(arrivals);
        assert_ok(mw_arrivals_load(NULL, p->program, scratch, mw_buf_str(&bytes), &arrivals, &err));
    }
    mw_arrivals_free(arrivals);
    mw_device_scratch_free(scratch);
    mw_buf_done(&bytes);
}

static void shuffle_a_little(dice *d, rows *r) {
    for (int i = 0; i + 1 < r->n; i++) {
        if (!chance(d, 4)) continue;
        const int j = i + 1 + roll(d, r->n - i - 1 < 9 ? r->n - i - 1 : 9);
        const int64_t time = r->times[i];
        r->times[i] = r->times[j], r->times[j] = time;
        const int32_t device = r->devices[i];
        r->devices[i] = r->devices[j], r->devices[j] = device;
    }
}

MW_TEST(late_rows_are_taken_as_they_come) {
    static plan p;
    static rows r;
    static answer plain, all, other;
    dice d;
    mw_rng_init(&d.rng, mw_test_seed(), 4, 0);
    for (int i = 0; i < 60; i++) {
        any_plan(&d, &p);
        mw_program_free(p.program);
        p.options.lateness_us = 1 + roll(&d, 120000000);
        assert_ok(
            mw_program_new(NULL, inputs, INPUTS, p.features, p.n, &p.options, &p.program, &err));
        any_rows(&d, &r);
        if (r.n > 120) r.n = 120;
        shuffle_a_little(&d, &r);
        for (int f = 0; f < p.n; f++)
            for (int k = 0; k < r.n; k++) plain.values[f][k] = other.values[f][k] = (float)MW_NAN;
        stream_all(&d, &p, &r, 60, 1 + roll(&d, 3), &all);
        for (int device = 0; device < DEVICES; device++) {
            int at[ROWS], n = 0;
            for (int k = 0; k < r.n; k++)
                if (r.devices[k] == device) at[n++] = k;
            fill_as_they_come(&p, &r, at, n, &plain);
            arrivals_with_restarts(&d, &p, &r, at, n, &other);
        }
        compare(&p, &r, &plain, &all, true, "as they come");
        compare(&p, &r, &all, &other, false, "with restarts");
        mw_program_free(p.program);
    }
}

/* What left the window must leave nothing behind, not even in the last bit. */
MW_TEST(a_spike_leaves_no_trace) {
    enum { N = 3000, SPIKE = 700 };
    static double values[N];
    static int64_t times[N];
    static float whole[5][N], fresh[5][N];
    static const mw_feature_def defs[] = {{"m", NULL, {"a"}, {0}, NULL},
                                          {"s", NULL, {"a"}, {0}, NULL},
                                          {"q", NULL, {"a"}, {0}, NULL},
                                          {"r", NULL, {"a"}, {0}, NULL},
                                          {"z", NULL, {"a"}, {0}, NULL}};
    static const char *const ops[] = {"mean", "std", "median", "std", "mean"};
    mw_feature_def features[5];
    const mw_program_options options = {.sampling_us = 1000000};
    mw_program *p;
    mw_device *device;
    mw_device_scratch *scratch;
    dice d;
    mw_rng_init(&d.rng, mw_test_seed(), 2, 0);
    for (int f = 0; f < 5; f++) {
        features[f] = defs[f];
        features[f].op = mw_operator_find(ops[f], strlen(ops[f]));
        if (f < 3)
            features[f].args.us = 300 * INT64_C(1000000);
        else
            features[f].args.rows = 100;
    }
    for (int i = 0; i < N; i++) {
        times[i] = i * INT64_C(1000000) + roll(&d, 400000);
        values[i] = 300 + (roll(&d, 2001) - 1000) * 1e-5;
    }
    values[SPIKE] = 1e6;
    assert_ok(mw_program_new(NULL, inputs, 1, features, 5, &options, &p, &err));
    assert_ok(mw_device_scratch_new(NULL, p, &scratch, &err));
    const double *columns[] = {values};
    float *out[5], *again[5];
    for (int f = 0; f < 5; f++) out[f] = whole[f], again[f] = fresh[f];
    assert_ok(mw_device_new(NULL, p, &device, &err));
    assert_ok(mw_device_push(device, scratch, times, columns, N, out, &err));
    mw_device_free(device);
    for (int i = SPIKE + 301; i < N; i += 97) {
        const int from = i - 320 > SPIKE ? i - 320 : SPIKE + 1;
        const double *later[] = {values + from};
        assert_ok(mw_device_new(NULL, p, &device, &err));
        assert_ok(mw_device_push(device, scratch, times + from, later, i - from + 1, again, &err));
        mw_device_free(device);
        for (int f = 0; f < 5; f++)
            assert_memory_equal(&whole[f][i], &fresh[f][i - from], sizeof(float));
        assert_true(fabs((double)whole[1][i] - 0.00577) < 0.001);
    }
    mw_device_scratch_free(scratch);
    mw_program_free(p);
}

/* Rows after a time must not change what was said up to it. */
MW_TEST(no_feature_sees_the_future) {
    static plan p;
    static rows r;
    static answer before, after;
    dice d;
    mw_rng_init(&d.rng, mw_test_seed(), 3, 0);
    for (int i = 0; i < 50; i++) {
        any_plan(&d, &p);
        any_rows(&d, &r);
        const int now = roll(&d, r.n);
        stream_all(&d, &p, &r, ROWS, 1, &before);
        for (int k = r.n - 1; k > now; k--) { /* Fisher and Yates */
            const int other = now + 1 + roll(&d, k - now);
            const int64_t time = r.times[k];
            r.times[k] = r.times[other], r.times[other] = time;
            for (int c = 0; c < INPUTS; c++) {
                const double value = r.values[c][k];
                r.values[c][k] = r.values[c][other], r.values[c][other] = value;
            }
        }
        stream_all(&d, &p, &r, ROWS, 1, &after);
        for (int f = 0; f < p.n; f++)
            assert_memory_equal(before.values[f], after.values[f],
                                sizeof(float) * (size_t)(now + 1));
        mw_program_free(p.program);
    }
}

MW_TEST_MAIN(MW_RUN(random_programs_give_the_bits_of_their_definitions),
             MW_RUN(late_rows_are_taken_as_they_come), MW_RUN(a_spike_leaves_no_trace),
             MW_RUN(no_feature_sees_the_future))
