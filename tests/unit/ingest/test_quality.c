/* Sensor quality: seeded signals with and without faults, counted window by window; cuts, turns of devices, CPU levels. */
#include "support/harness.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "support/fault_loop.h"
#include "unit/ingest/quality_rows.h"

/* --- signals ------------------------------------------------------------------------------------ */

enum { WALK, SINE, SHIFTS, WARMTH, SETPOINT, SWITCH, COUNTER, CONSTANT, PIECES, NOISE, SIGNALS };
static const char *const signal_names[SIGNALS] = {"walk",     "sine",   "shifts",  "warmth",
                                                  "setpoint", "switch", "counter", "constant",
                                                  "pieces",   "noise"};

static double rounded(double value, double unit) { return mw_floor(value / unit + 0.5) * unit; }

/* A day of work from 6 to 22 h, weekends off. */
static bool is_work(int64_t row) {
    int64_t hour = row / HOUR_ROWS % 24, day = row / (HOUR_ROWS * 24);
    return hour >= 6 && hour < 22 && day % 7 < 5;
}

/* Value of a clean signal at a row; *state is 0 at first. */
static double signal_at(int kind, int64_t row, mw_rng *rng, double *state) {
    double day = (double)row / (HOUR_ROWS * 24), normal = mw_rng_normal(rng);
    double wave = mw_sin(2 * MW_PI * (day - 0.3));
    switch (kind) {
    case WALK: *state = 0.995 * *state + 0.3 * normal; return 60 + *state;
    case SINE: return 20 + 6 * wave + 0.4 * normal;
    case SHIFTS: return is_work(row) ? 80 + 5 * normal : 0;
    case WARMTH:
        *state = 0.98 * *state + 0.05 * normal;
        return rounded(18 + 4 * wave + *state, 0.1);
    case SETPOINT:
        if (mw_rng_uniform(rng) < 0.003 || row == 0) *state = 20 + rounded(4 * normal, 0.25);
        return *state;
    case SWITCH: return is_work(row) && mw_rng_uniform(rng) < 0.7;
    case COUNTER: return *state += is_work(row) ? mw_floor(3 * mw_rng_uniform(rng)) : 0;
    case CONSTANT: return 4.2;
    case PIECES: return is_work(row) ? mw_floor(9 * mw_rng_uniform(rng)) : 0;
    default: return 5 + 0.2 * normal;
    }
}

static void add_device(quality_rows *r, int number, uint64_t seed) {
    mw_rng rng;
    double state[SIGNALS] = {0};
    int32_t code = quality_rows_device(r, number);
    mw_rng_init(&rng, seed, (uint64_t)number, 0);
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t row = quality_rows_add(r, i * 5 * minute_us, code);
        for (int32_t c = 0; c < r->n_values; c++)
            r->values[c][row] = signal_at(c, i, &rng, &state[c]);
    }
}

MW_TEST(clean_signals_are_left_alone) {
    enum { DEVICES = 50 };
    int64_t flagged[SIGNALS] = {0}, all = 0;
    for (int d = 0; d < DEVICES; d++) {
        quality_rows r;
        quality_rows_init(&r, SIGNALS, ROWS);
        add_device(&r, 0, 1000 + (uint64_t)d);
        mw_table *t = quality_rows_judged(&r, NULL);
        for (int64_t i = 0; i < t->n_rows; i++) {
            mw_str sensor = mw_column_text(mw_table_column(t, "sensor"), i);
            assert_int_equal(sensor.size, 1);
            flagged[sensor.data[0] - 'a'] += (int64_t)mw_table_column(t, "n_windows")->number[i];
        }
        mw_table_free(t);
        quality_rows_done(&r);
    }
    for (int c = 0; c < SIGNALS; c++) {
        if (flagged[c]) print_message("%s: %lld\n", signal_names[c], (long long)flagged[c]);
        all += flagged[c];
    }
    assert_int_equal(all, 0); /* of 50 devices x 10 sensors x 504 windows */
}

/* --- faults ------------------------------------------------------------------------------------- */

enum {
    FAULT_FROM = 16 * 24 + 9,
    FAULT_TO = FAULT_FROM + 8
}; /* hours; whole spans of two windows are */

static bool in_fault(int64_t row) {
    return row >= FAULT_FROM * HOUR_ROWS && row < FAULT_TO * HOUR_ROWS;
}

typedef struct fault {
    unsigned bit;
    int signal;
    void (*inject)(double *values, mw_rng *rng);
    bool spans;    /* judged by spans: at its ends a window more or less */
    unsigned also; /* what is true of it, too */
} fault;

static void inject_stuck(double *v, mw_rng *rng) {
    (void)rng;
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] = v[FAULT_FROM * HOUR_ROWS];
}

static void inject_flat(double *v, mw_rng *rng) {
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] = v[FAULT_FROM * HOUR_ROWS] + 1e-3 * mw_rng_uniform(rng);
}

static void inject_far(double *v, mw_rng *rng) {
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i) && i % HOUR_ROWS < 7) v[i] = 6553.5 + mw_rng_uniform(rng);
}

static void inject_spikes(double *v, mw_rng *rng) {
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i) && i % HOUR_ROWS == 5) v[i] += 60 + 40 * mw_rng_uniform(rng);
}

static void inject_missing(double *v, mw_rng *rng) {
    (void)rng;
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] = MW_NAN;
}

static void inject_fahrenheit(double *v, mw_rng *rng) {
    (void)rng;
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] = 1.8 * v[i] + 32;
}

static void inject_thousand(double *v, mw_rng *rng) {
    (void)rng;
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] *= 1000;
}

static void inject_psi(double *v, mw_rng *rng) {
    (void)rng;
    for (int64_t i = 0; i < ROWS; i++)
        if (in_fault(i)) v[i] *= 14.503773773;
}

static const fault faults[] = {
    {MW_QUALITY_STUCK, WALK, inject_stuck, false, 0},
    {MW_QUALITY_STUCK, SINE, inject_stuck, false, 0},
    {MW_QUALITY_STUCK, NOISE, inject_stuck, false, 0},
    {MW_QUALITY_FLAT, SINE, inject_flat, true, 0},
    {MW_QUALITY_FLAT, NOISE, inject_flat, true, 0},
    {MW_QUALITY_OUT_OF_RANGE, SINE, inject_far, false, 0},
    {MW_QUALITY_OUT_OF_RANGE, WALK, inject_far, false, 0},
    {MW_QUALITY_SPIKE, SINE, inject_spikes, false, MW_QUALITY_OUT_OF_RANGE},
    {MW_QUALITY_SPIKE, WALK, inject_spikes, false, MW_QUALITY_OUT_OF_RANGE},
    {MW_QUALITY_SPIKE, NOISE, inject_spikes, false, MW_QUALITY_OUT_OF_RANGE},
    {MW_QUALITY_GAP, SINE, inject_missing, false, 0},
    {MW_QUALITY_GAP, SHIFTS, inject_missing, false, 0},
    {MW_QUALITY_UNIT, WALK, inject_fahrenheit, true, MW_QUALITY_OUT_OF_RANGE | MW_QUALITY_SPIKE},
    {MW_QUALITY_UNIT, SINE, inject_fahrenheit, true, MW_QUALITY_OUT_OF_RANGE | MW_QUALITY_SPIKE},
    {MW_QUALITY_UNIT, NOISE, inject_thousand, true, MW_QUALITY_OUT_OF_RANGE | MW_QUALITY_SPIKE},
    {MW_QUALITY_UNIT, NOISE, inject_psi, true, MW_QUALITY_OUT_OF_RANGE | MW_QUALITY_SPIKE},
};

/* Windows of the fault that are flagged, and others that are (with this bit, with any other). */
typedef struct score {
    int64_t hit, missed, beside, other;
} score;

static void count(const mw_table *t, const fault *f, score *s) {
    unsigned bit = f->bit;
    uint8_t seen[HOURS] = {0};
    for (int64_t i = 0; i < t->n_rows; i++) {
        int64_t from = mw_table_column(t, "time")->time[i] / hour_us;
        int64_t to = mw_table_column(t, "end")->time[i] / hour_us;
        for (int64_t h = from; h < to; h++)
            seen[h] |= (uint8_t)mw_table_column(t, "bits")->number[i];
    }
    for (int h = 0; h < HOURS; h++) {
        bool wanted = h >= FAULT_FROM && h < FAULT_TO;
        s->hit += wanted && seen[h] & bit;
        s->missed += wanted && !(seen[h] & bit);
        s->beside += !wanted && seen[h] & bit;
        s->other += (seen[h] & ~(bit | (wanted ? f->also : 0))) != 0;
    }
}

MW_TEST(each_fault_is_found_in_its_windows_and_nowhere_else) {
    enum { SEEDS = 20, FAULT_WINDOWS = FAULT_TO - FAULT_FROM };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        const fault *f = &faults[k];
        score s = {0};
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            quality_rows r;
            mw_rng rng;
            quality_rows_init(&r, 1, ROWS);
            mw_rng_init(&rng, seed, 7, 0);
            double slow = 0;
            int32_t code = quality_rows_device(&r, 0);
            for (int64_t i = 0; i < ROWS; i++) {
                quality_rows_add(&r, i * 5 * minute_us, code);
                r.values[0][i] = signal_at(f->signal, i, &rng, &slow);
            }
            f->inject(r.values[0], &rng);
            mw_table *t = quality_rows_judged(&r, NULL);
            count(t, f, &s);
            mw_table_free(t);
            quality_rows_done(&r);
        }
        int bit = __builtin_ctz(f->bit);
        print_message("%s in %s: hit %lld, missed %lld, beside %lld, other bits %lld\n",
                      mw_quality_names[bit], signal_names[f->signal], (long long)s.hit,
                      (long long)s.missed, (long long)s.beside, (long long)s.other);
        /* A fault that begins inside a span of two windows may miss its first and last window. */
        assert_int_equal(s.missed, f->spans ? 2 * SEEDS : 0);
        assert_int_equal(s.beside, 0);
        assert_int_equal(s.other, 0);
    }
}

/* --- cuts, turns, levels ------------------------------------------------------------------------ */

/* Devices with every kind of fault, missing cells, lost rows, repeated times. */
static void add_troubled(quality_rows *r, int n_devices, int64_t n_rows, bool turns,
                         uint64_t seed) {
    mw_rng rng[8];
    double state[8][COLUMNS_MAX] = {{0}};
    int32_t codes[8];
    for (int d = 0; d < n_devices; d++) {
        codes[d] = quality_rows_device(r, d);
        mw_rng_init(&rng[d], seed, (uint64_t)d, 0);
    }
    for (int64_t j = 0; j < n_rows * n_devices; j++) {
        int64_t i = turns ? j / n_devices : j % n_rows;
        int d = (int)(turns ? j % n_devices : j / n_rows);
        int64_t slow = i > n_rows / 2 && d == 1 ? 3 : 1;
        double lost = mw_rng_uniform(&rng[d]);
        if (i % 700 > 650 + 10 * d || lost < 0.002) continue;
        int64_t time_us = i * 5 * minute_us * slow;
        if (d == 2 && i % 900 > 880) time_us = (i - i % 900 + 880) * 5 * minute_us;
        int64_t row = quality_rows_add(r, time_us, codes[d]);
        for (int32_t c = 0; c < r->n_values; c++) {
            double v = signal_at(c, i, &rng[d], &state[d][c]), u = mw_rng_uniform(&rng[d]);
            if (i > n_rows / 2 && i % 400 < 60) v = 1 + c;
            if (i > n_rows / 2 && u < 0.003) v *= 40;
            if (i > n_rows / 2 && i % 533 < 70 && c == 1) v = 1.8 * v + 32;
            if (u > 0.98 || (c == 9 && i % 10)) v = MW_NAN;
            if (u > 0.9797 && u < 0.98) v = MW_INFINITY;
            r->values[c][row] = v;
        }
    }
}

static void judge_text(const quality_rows *r, const int64_t *sizes, size_t n_sizes, mw_buf *out) {
    mw_ctx ctx;
    mw_err err;
    mw_table *t;
    mw_ctx_init(&ctx);
    assert_ok(quality_rows_judge(&ctx, r, NULL, sizes, n_sizes, &t, &err));
    quality_table_print(t, out);
    mw_table_free(t);
}

MW_TEST(cuts_and_cpu_levels_do_not_matter) {
    enum { N = 4000 };
    static const int64_t cuts[][4] = {
        {1, 1, 1, 1}, {7, 1, 64, 3}, {1023, 1025, 2, 511}, {97, 16, 15, 17}};
    quality_rows r;
    quality_rows_init(&r, COLUMNS_MAX, 3 * N);
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
    quality_rows_done(&r);
}

MW_TEST(devices_in_turns_or_one_after_the_other_are_the_same) {
    enum { N = 3000 };
    mw_buf text[2];
    static const int64_t sizes[] = {999};
    for (int k = 0; k < 2; k++) {
        quality_rows r;
        quality_rows_init(&r, COLUMNS_MAX, 4 * N);
        add_troubled(&r, 4, N, k == 0, 77);
        mw_buf_init(&text[k], NULL, 1 << 24);
        judge_text(&r, sizes, 1, &text[k]);
        quality_rows_done(&r);
    }
    assert_true(text[0].size > 500);
    assert_string_equal(mw_buf_text(&text[0]), mw_buf_text(&text[1]));
    mw_buf_done(&text[0]);
    mw_buf_done(&text[1]);
}

MW_TEST(a_second_pass_after_a_restart_is_the_same) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    quality_rows r;
    quality_rows_init(&r, 4, 3 * 2000);
    add_troubled(&r, 3, 2000, true, 5);
    mw_quality *quality;
    mw_table *t[2];
    mw_buf text[2];
    static const int64_t sizes[] = {512};
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &quality, &err));
    for (int k = 0; k < 2; k++) {
        mw_buf_init(&text[k], NULL, 1 << 24);
        assert_ok(quality_rows_feed(&ctx, quality, &r, sizes, 1, &err));
        assert_ok(mw_quality_finish(quality, &t[k], &err));
        quality_table_print(t[k], &text[k]);
        mw_quality_restart(quality);
    }
    assert_string_equal(mw_buf_text(&text[0]), mw_buf_text(&text[1]));
    for (int k = 0; k < 2; k++) {
        mw_table_free(t[k]);
        mw_buf_done(&text[k]);
    }
    mw_quality_free(quality);
    quality_rows_done(&r);
}

/* --- allocations -------------------------------------------------------------------------------- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    static const int64_t sizes[] = {400, 900};
    mw_table *table = NULL;
    mw_args *args = NULL;
    mw_status status = mw_args_new(ctx->mem, mw_quality_params, &args, err);
    if (!status) status = mw_args_set(args, MW_STR("range"), MW_STR("b=0:30"), err);
    if (!status) status = mw_args_finish(args, err);
    if (!status) status = quality_rows_judge(ctx, arg, args, sizes, 2, &table, err);
    mw_quality_totals *totals = NULL;
    if (!status) status = mw_quality_totals_new(ctx->mem, &totals, err);
    if (!status) status = mw_quality_totals_add(totals, table, NULL, err);
    mw_quality_totals_free(totals);
    mw_table_free(table);
    mw_args_free(args);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    quality_rows r;
    quality_rows_init(&r, 3, 3 * 900);
    add_troubled(&r, 3, 900, true, 3);
    mw_fault_loop_alloc(scenario, &r);
    quality_rows_done(&r);
}

MW_TEST_MAIN(MW_RUN(clean_signals_are_left_alone),
             MW_RUN(each_fault_is_found_in_its_windows_and_nowhere_else),
             MW_RUN(cuts_and_cpu_levels_do_not_matter),
             MW_RUN(devices_in_turns_or_one_after_the_other_are_the_same),
             MW_RUN(a_second_pass_after_a_restart_is_the_same),
             MW_RUN(any_failed_allocation_is_survived))
