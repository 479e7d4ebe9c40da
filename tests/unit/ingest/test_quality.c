/* Sensor quality: seeded signals with and without faults, counted window by window; cuts, turns of devices, CPU levels. */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "keep/ingest/quality.h"
#include "support/fault_loop.h"

enum { HOUR_ROWS = 12, DAYS = 21, HOURS = DAYS * 24, ROWS = HOURS * HOUR_ROWS, COLUMNS_MAX = 10 };
static const int64_t minute_us = INT64_C(60) * 1000000;
static const int64_t hour_us = INT64_C(3600) * 1000000;

/* --- rows --------------------------------------------------------------------------------------- */

/* Rows of some devices, all in memory; time in us from a start, values by column. */
typedef struct rows {
    mw_schema *schema;
    int64_t n, capacity;
    int32_t n_values;
    int64_t *times;
    int32_t *codes;
    double *values[COLUMNS_MAX];
} rows;

static void rows_init(rows *r, int32_t n_values, int64_t capacity) {
    static const char *const names[COLUMNS_MAX] = {"a", "b", "c", "d", "e",
                                                   "f", "g", "h", "i", "j"};
    mw_err err;
    int32_t ignored;
    *r = (rows){.capacity = capacity, .n_values = n_values};
    assert_ok(mw_schema_new(NULL, &r->schema, &err));
    assert_ok(mw_schema_add(r->schema, MW_STR("time"), MW_TIMESTAMP, &ignored, &err));
    assert_ok(mw_schema_add(r->schema, MW_STR("device_id"), MW_DICTIONARY, &ignored, &err));
    r->times = mw_alloc_array(NULL, (size_t)capacity, sizeof *r->times);
    r->codes = mw_alloc_array(NULL, (size_t)capacity, sizeof *r->codes);
    for (int32_t c = 0; c < n_values; c++) {
        assert_ok(mw_schema_add(r->schema, mw_str_of(names[c]), MW_FLOAT64, &ignored, &err));
        r->values[c] = mw_alloc_array(NULL, (size_t)capacity, sizeof *r->values[c]);
    }
}

static void rows_done(rows *r) {
    for (int32_t c = 0; c < r->n_values; c++) mw_free(r->values[c]);
    mw_free(r->times);
    mw_free(r->codes);
    mw_schema_free(r->schema);
}

static int32_t device_code(rows *r, int number) {
    mw_err err;
    int32_t code;
    char name[16];
    snprintf(name, sizeof name, "d%02d", number);
    assert_ok(mw_dictionary_add(r->schema->columns[1].dictionary, mw_str_of(name), &code, &err));
    return code;
}

static int64_t rows_add(rows *r, int64_t time_us, int32_t code) {
    assert_true(r->n < r->capacity);
    r->times[r->n] = time_us;
    r->codes[r->n] = code;
    for (int32_t c = 0; c < r->n_values; c++) r->values[c][r->n] = MW_NAN;
    return r->n++;
}

/* Feeds rows from .. in chunks whose sizes come from sizes [n_sizes] in turn. */
static mw_status feed(const mw_ctx *ctx, mw_quality *quality, const rows *r, const int64_t *sizes,
                      size_t n_sizes, mw_err *err) {
    mw_type types[COLUMNS_MAX + 2] = {MW_TIMESTAMP, MW_DICTIONARY};
    for (int32_t c = 0; c < r->n_values; c++) types[c + 2] = MW_FLOAT64;
    mw_status status = MW_OK;
    size_t turn = 0;
    for (int64_t from = 0, n; from < r->n && !status; from += n) {
        n = sizes[turn++ % n_sizes];
        if (n > r->n - from) n = r->n - from;
        mw_chunk *chunk;
        status = mw_chunk_new(ctx->mem, types, r->n_values + 2, n, &chunk, err);
        if (status) return status;
        chunk->n_rows = n;
        memcpy(chunk->columns[0].time, r->times + from, (size_t)n * sizeof *r->times);
        memcpy(chunk->columns[1].codes, r->codes + from, (size_t)n * sizeof *r->codes);
        for (int32_t c = 0; c < r->n_values; c++)
            memcpy(chunk->columns[c + 2].number, r->values[c] + from, (size_t)n * sizeof(double));
        status = mw_quality_add(quality, chunk, err);
        mw_chunk_free(chunk);
    }
    return status;
}

static mw_status judge(const mw_ctx *ctx, const rows *r, const mw_args *args, const int64_t *sizes,
                       size_t n_sizes, mw_table **ret, mw_err *err) {
    mw_quality *quality;
    mw_status status = mw_quality_new(ctx, r->schema, 1, args, &quality, err);
    if (status) return status;
    status = feed(ctx, quality, r, sizes, n_sizes, err);
    if (!status) status = mw_quality_finish(quality, ret, err);
    mw_quality_free(quality);
    return status;
}

static mw_table *judged(const rows *r, const mw_args *args) {
    static const int64_t sizes[] = {4096};
    mw_ctx ctx;
    mw_err err;
    mw_table *table;
    mw_ctx_init(&ctx);
    assert_ok(judge(&ctx, r, args, sizes, 1, &table, &err));
    return table;
}

/* One line a row: device sensor bits first-window windows n_values n_flagged. */
static void print_table(const mw_table *t, mw_buf *out) {
    for (int64_t i = 0; i < t->n_rows; i++) {
        mw_buf_add_str(out, mw_column_text(mw_table_column(t, "device_id"), i));
        mw_buf_add_char(out, ' ');
        mw_buf_add_str(out, mw_column_text(mw_table_column(t, "sensor"), i));
        for (int bit = 0; bit < MW_QUALITY_BITS; bit++)
            if ((unsigned)mw_table_column(t, "bits")->number[i] >> bit & 1)
                mw_buf_printf(out, " %s", mw_quality_names[bit]);
        mw_buf_printf(
            out, " %lld+%g %g/%g\n", (long long)(mw_table_column(t, "time")->time[i] / hour_us),
            mw_table_column(t, "n_windows")->number[i], mw_table_column(t, "n_flagged")->number[i],
            mw_table_column(t, "n_values")->number[i]);
    }
}

static void assert_judged(const rows *r, const mw_args *args, const char *want) {
    mw_buf got;
    mw_buf_init(&got, NULL, 1 << 24);
    mw_table *t = judged(r, args);
    print_table(t, &got);
    mw_table_free(t);
    assert_string_equal(mw_buf_text(&got), want);
    mw_buf_done(&got);
}

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

static void add_device(rows *r, int number, uint64_t seed) {
    mw_rng rng;
    double state[SIGNALS] = {0};
    int32_t code = device_code(r, number);
    mw_rng_init(&rng, seed, (uint64_t)number, 0);
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t row = rows_add(r, i * 5 * minute_us, code);
        for (int32_t c = 0; c < r->n_values; c++)
            r->values[c][row] = signal_at(c, i, &rng, &state[c]);
    }
}

MW_TEST(clean_signals_are_left_alone) {
    enum { DEVICES = 50 };
    int64_t flagged[SIGNALS] = {0}, all = 0;
    for (int d = 0; d < DEVICES; d++) {
        rows r;
        rows_init(&r, SIGNALS, ROWS);
        add_device(&r, 0, 1000 + (uint64_t)d);
        mw_table *t = judged(&r, NULL);
        for (int64_t i = 0; i < t->n_rows; i++) {
            mw_str sensor = mw_column_text(mw_table_column(t, "sensor"), i);
            assert_int_equal(sensor.size, 1);
            flagged[sensor.data[0] - 'a'] += (int64_t)mw_table_column(t, "n_windows")->number[i];
        }
        mw_table_free(t);
        rows_done(&r);
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
            rows r;
            mw_rng rng;
            rows_init(&r, 1, ROWS);
            mw_rng_init(&rng, seed, 7, 0);
            double slow = 0;
            int32_t code = device_code(&r, 0);
            for (int64_t i = 0; i < ROWS; i++) {
                rows_add(&r, i * 5 * minute_us, code);
                r.values[0][i] = signal_at(f->signal, i, &rng, &slow);
            }
            f->inject(r.values[0], &rng);
            mw_table *t = judged(&r, NULL);
            count(t, f, &s);
            mw_table_free(t);
            rows_done(&r);
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
static void add_troubled(rows *r, int n_devices, int64_t n_rows, bool turns, uint64_t seed) {
    mw_rng rng[8];
    double state[8][COLUMNS_MAX] = {{0}};
    int32_t codes[8];
    for (int d = 0; d < n_devices; d++) {
        codes[d] = device_code(r, d);
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
        int64_t row = rows_add(r, time_us, codes[d]);
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

static void judge_text(const rows *r, const int64_t *sizes, size_t n_sizes, mw_buf *out) {
    mw_ctx ctx;
    mw_err err;
    mw_table *t;
    mw_ctx_init(&ctx);
    assert_ok(judge(&ctx, r, NULL, sizes, n_sizes, &t, &err));
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

/* --- the clock ---------------------------------------------------------------------------------- */

static void add_steady(rows *r, int32_t code, int64_t *at_us, int n, int64_t step_us) {
    for (int i = 0; i < n; i++) {
        int64_t row = rows_add(r, *at_us, code);
        r->values[0][row] = (double)(row * 7919 % 1009);
        *at_us += step_us;
    }
}

MW_TEST(lost_rows_are_a_gap_of_the_device) {
    rows r;
    rows_init(&r, 1, ROWS);
    int32_t code = device_code(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at += 3 * hour_us; /* rows of 10:00 to 12:55 */
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 10+3 36/0\n");
    rows_done(&r);
}

MW_TEST(a_gap_among_the_first_rows_is_found_too) {
    rows r;
    rows_init(&r, 1, ROWS);
    int32_t code = device_code(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 12, 5 * minute_us);
    at += hour_us;
    add_steady(&r, code, &at, 12, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 1+1 12/0\n");
    rows_done(&r);
}

MW_TEST(a_clock_that_jumps_stands_or_changes_its_pace) {
    rows r;
    rows_init(&r, 1, ROWS);
    int32_t code = device_code(&r, 0);
    int64_t at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at += 2 * hour_us + 97 * minute_us / 60; /* off the grid */
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  gap 10+2 24/0\nd00  clock 12+1 1/1\n");
    rows_done(&r);

    rows_init(&r, 1, ROWS);
    code = device_code(&r, 0);
    at = 0;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    at = 119 * 5 * minute_us;
    add_steady(&r, code, &at, 20, 0);
    at += 5 * minute_us;
    add_steady(&r, code, &at, 120, 5 * minute_us);
    assert_judged(&r, NULL, "d00  clock 9+1 20/20\n");
    rows_done(&r);

    rows_init(&r, 1, ROWS);
    code = device_code(&r, 0);
    at = 0;
    add_steady(&r, code, &at, 1 + 32 * 9, 5 * minute_us); /* 24 h and one row */
    add_steady(&r, code, &at, 400, 15 * minute_us);
    assert_judged(&r, NULL, "d00  clock 24+32 128/128\n");
    rows_done(&r);
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
    rows r;
    rows_init(&r, 2, ROWS);
    int32_t code = device_code(&r, 0);
    for (int i = 0; i < 48; i++) {
        int64_t row = rows_add(&r, i * 5 * minute_us, code);
        r.values[0][row] = i == 3 ? -41 : i == 30 || i == 31 ? 151 : 20;
        r.values[1][row] = 1000;
    }
    mw_args *args = args_of("range", "a=-40:150");
    assert_judged(&r, args, "d00 a out_of_range 0+1 1/12\nd00 a out_of_range 2+1 2/12\n");
    mw_args_free(args);
    args = args_of("range", "a=:30");
    assert_judged(&r, args, "d00 a out_of_range 2+1 2/12\n");
    mw_args_free(args);
    rows_done(&r);
}

MW_TEST(a_range_that_is_none_is_refused) {
    static const char *const wrong[] = {"a", "a=5", "=1:2", "a=2:1", "a=x:1", "a=1:2x"};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    rows r;
    rows_init(&r, 1, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mw_err err;
        mw_quality *quality;
        mw_args *args = args_of("range", wrong[i]);
        assert_status(mw_quality_new(&ctx, r.schema, 1, args, &quality, &err), MW_EINVAL);
        assert_true(strlen(err.hint) > 0);
        assert_string_equal(err.pointer, "range");
        mw_args_free(args);
    }
    rows_done(&r);
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

/* --- totals and limits -------------------------------------------------------------------------- */

MW_TEST(totals_add_up_tables_by_sensor) {
    mw_err err;
    rows r;
    rows_init(&r, 2, ROWS);
    int32_t codes[2] = {device_code(&r, 0), device_code(&r, 1)};
    for (int i = 0; i < 96; i++)
        for (int d = 0; d < 2; d++) {
            int64_t row = rows_add(&r, i * 5 * minute_us + (i >= 48) * 2 * hour_us, codes[d]);
            r.values[0][row] = i % 24 == 5 + d ? 200 : 1;
            r.values[1][row] = d == 1 && i == 70 ? MW_INFINITY : 2;
        }
    mw_args *args = args_of("range", "a=0:100");
    mw_table *t = judged(&r, args);
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
    rows_done(&r);
}

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
    mw_table *t;
    rows_init(&r, COLUMNS_MAX, DEVICES);
    for (int d = 0; d < DEVICES; d++) {
        int64_t row = rows_add(&r, 0, device_code(&r, d));
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
    rows_done(&r);
}

MW_TEST(stretches_beyond_the_limit_are_left_out_and_told) {
    int64_t limit = MW_LIMIT(QUALITY_STRETCHES), n = 2 * (limit + 50);
    mw_err err;
    rows r;
    mw_buf messages;
    mw_table *t;
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
    assert_int_equal(t->n_rows, limit);
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
    mw_table *t;
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
}

MW_TEST_MAIN(MW_RUN(clean_signals_are_left_alone),
             MW_RUN(each_fault_is_found_in_its_windows_and_nowhere_else),
             MW_RUN(cuts_and_cpu_levels_do_not_matter),
             MW_RUN(devices_in_turns_or_one_after_the_other_are_the_same),
             MW_RUN(lost_rows_are_a_gap_of_the_device),
             MW_RUN(a_gap_among_the_first_rows_is_found_too),
             MW_RUN(a_clock_that_jumps_stands_or_changes_its_pace),
             MW_RUN(a_given_range_counts_from_the_first_row),
             MW_RUN(a_range_that_is_none_is_refused),
             MW_RUN(a_second_pass_after_a_restart_is_the_same),
             MW_RUN(totals_add_up_tables_by_sensor),
             MW_RUN(devices_beyond_the_limit_are_left_out_and_told),
             MW_RUN(stretches_beyond_the_limit_are_left_out_and_told),
             MW_RUN(columns_may_come_later), MW_RUN(any_failed_allocation_is_survived))
