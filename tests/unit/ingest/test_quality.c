/* Sensor quality: seeded signals with and without faults, counted window by window; the clock; options. */
#include "unit/ingest/quality_rows.h"

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
    {MW_QUALITY_STUCK, SHIFTS, inject_stuck, false, 0},
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

/* A logger that counts microseconds and is set from year -292,000 to 292,000: the rows lost in between are not countable. */
MW_TEST(a_gap_of_all_time_is_counted_up_to_two_to_the_53) {
    rows r;
    rows_init(&r, 1, ROWS);
    int32_t code = device_code(&r, 0);
    int64_t at = INT64_MIN + 2;
    add_steady(&r, code, &at, 120, 1);
    at = INT64_MAX - 400;
    add_steady(&r, code, &at, 120, 1);
    mw_table *t = judged(&r, NULL);
    const double *flagged = mw_table_column(t, "n_flagged")->number;
    double most = 0;
    for (int64_t i = 0; i < t->n_rows; i++)
        if (flagged[i] > most) most = flagged[i];
    assert_true(most > 0x1p52 && most <= 0x1p53);
    mw_table_free(t);
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

/* --- options -------------------------------------------------------------------- */

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

/* --- totals -------------------------------------------------------------------------- */

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

MW_TEST_MAIN(MW_RUN(clean_signals_are_left_alone),
             MW_RUN(each_fault_is_found_in_its_windows_and_nowhere_else),
             MW_RUN(lost_rows_are_a_gap_of_the_device),
             MW_RUN(a_gap_among_the_first_rows_is_found_too),
             MW_RUN(a_gap_of_all_time_is_counted_up_to_two_to_the_53),
             MW_RUN(a_clock_that_jumps_stands_or_changes_its_pace),
             MW_RUN(a_given_range_counts_from_the_first_row),
             MW_RUN(a_range_that_is_none_is_refused), MW_RUN(totals_add_up_tables_by_sensor))
