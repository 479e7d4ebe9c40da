/* quality_rows.h -- rows of devices in memory, seeded signals, and what sensor quality says of them as text. */
#ifndef MW_TESTS_UNIT_INGEST_QUALITY_ROWS_H
#define MW_TESTS_UNIT_INGEST_QUALITY_ROWS_H

#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "keep/ingest/quality.h"

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

static inline void rows_init(rows *r, int32_t n_values, int64_t capacity) {
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

static inline void rows_done(rows *r) {
    for (int32_t c = 0; c < r->n_values; c++) mw_free(r->values[c]);
    mw_free(r->times);
    mw_free(r->codes);
    mw_schema_free(r->schema);
}

static inline int32_t device_code(rows *r, int number) {
    mw_err err;
    int32_t code;
    char name[16];
    snprintf(name, sizeof name, "d%02d", number);
    assert_ok(mw_dictionary_add(r->schema->columns[1].dictionary, mw_str_of(name), &code, &err));
    return code;
}

static inline int64_t rows_add(rows *r, int64_t time_us, int32_t code) {
    assert_true(r->n < r->capacity);
    r->times[r->n] = time_us;
    r->codes[r->n] = code;
    for (int32_t c = 0; c < r->n_values; c++) r->values[c][r->n] = MW_NAN;
    return r->n++;
}

/* Feeds rows from .. in chunks whose sizes come from sizes [n_sizes] in turn. */
static inline mw_status feed(const mw_ctx *ctx, mw_quality *quality, const rows *r,
                             const int64_t *sizes, size_t n_sizes, mw_err *err) {
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

static inline mw_status judge(const mw_ctx *ctx, const rows *r, const mw_args *args,
                              const int64_t *sizes, size_t n_sizes, mw_table **ret, mw_err *err) {
    mw_quality *quality;
    mw_status status = mw_quality_new(ctx, r->schema, 1, args, &quality, err);
    if (status) return status;
    status = feed(ctx, quality, r, sizes, n_sizes, err);
    if (!status) status = mw_quality_finish(quality, ret, err);
    mw_quality_free(quality);
    return status;
}

static inline mw_table *judged(const rows *r, const mw_args *args) {
    static const int64_t sizes[] = {4096};
    mw_ctx ctx;
    mw_err err;
    mw_table *table = NULL;
    mw_ctx_init(&ctx);
    assert_ok(judge(&ctx, r, args, sizes, 1, &table, &err));
    assert_non_null(table);
    return table;
}

/* One line a row: device sensor bits first-window windows n_values n_flagged. */
static inline void print_table(const mw_table *t, mw_buf *out) {
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

static inline void assert_judged(const rows *r, const mw_args *args, const char *want) {
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

static inline double rounded(double value, double unit) {
    return mw_floor(value / unit + 0.5) * unit;
}

/* A day of work from 6 to 22 h, weekends off. */
static inline bool is_work(int64_t row) {
    int64_t hour = row / HOUR_ROWS % 24, day = row / (HOUR_ROWS * 24);
    return hour >= 6 && hour < 22 && day % 7 < 5;
}

/* Value of a clean signal at a row; *state is 0 at first. */
static inline double signal_at(int kind, int64_t row, mw_rng *rng, double *state) {
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

static inline void add_device(rows *r, int number, uint64_t seed) {
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

static inline mw_args *args_of(const char *name, const char *value) {
    mw_err err;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_quality_params, &args, &err));
    assert_ok(mw_args_set(args, mw_str_of(name), mw_str_of(value), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

/* Devices with every kind of fault, missing cells, lost rows, repeated times. */
static inline void add_troubled(rows *r, int n_devices, int64_t n_rows, bool turns, uint64_t seed) {
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

#endif
