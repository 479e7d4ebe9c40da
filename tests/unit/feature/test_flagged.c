/*
 * test_flagged.c -- random programs and random flagged stretches: the bits of an output at a row are those of the stretches that hold one of the readings
 * it is made of, which a plain way finds from what operators say they read, row by row.
 *
 * Rows are regular, stretches end right behind a reading, and windows in time end right before one, so that rows times their distance is exact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "learn/feature/flagged.h"
#include "learn/feature/reach.h"
#include "support/harness.h"

enum {
    INPUTS = 3,
    FEATURES = 10,
    ROWS = 120,
    DEVICES = 2,
    NAME = 16,
    TIME = INPUTS,
    COLUMNS,
    BITS = 7
};
enum { CLOCK = 32, SPANS = 32 };

static mw_err err;
static mw_rng dice;

static int roll(int n) { return (int)mw_rng_below(&dice, (uint64_t)n); }

static const char *const inputs[INPUTS] = {"a", "b,c", "Druck (bar) \xC3\xBC"};

typedef struct plan {
    mw_feature_def features[FEATURES];
    char names[FEATURES][NAME];
    int of[FEATURES][MW_NODE_INPUTS]; /* features; below 0: -1 - input */
    int n;
    int64_t distances[DEVICES];
    mw_program_options options;
    mw_program *program;
} plan;

static mw_feature_args any_args(const mw_operator *op, int64_t distance_us) {
    mw_feature_args args = {0};
    if (op->kernel == &mw_kernel_blocks || op->kernel == &mw_kernel_blocks_spectrum)
        args.rows = 16 + roll(20);
    else if (op->takes & MW_TAKES_PERIODS ||
             (op->takes & (MW_TAKES_WINDOW | MW_TAKES_LAG) && roll(2)))
        args.rows = 1 + roll(9);
    else if (op->takes & MW_TAKES_WINDOW)
        args.us = roll(9) * distance_us + 1;
    else if (op->takes & MW_TAKES_LAG)
        args.us = (1 + roll(9)) * distance_us;
    if (op->takes & MW_TAKES_NUMBER) args.number = op->low / 2 + op->high / 2;
    if (op->takes & MW_TAKES_BAND) args.number2 = 0.01;
    return args;
}

static void any_plan(plan *p) {
    int n_operators = 0;
    while (mw_operators[n_operators].name) n_operators++;
    *p = (plan){.n = 1 + roll(FEATURES), .distances = {10000000, 10000000}};
    if (roll(2)) p->options.sampling_us = 10000000;
    if (roll(3) == 0)
        p->options = (mw_program_options){.settings = inputs, .n_settings = 2, .n_conditions = 2};
    for (int f = 0; f < p->n; f++) {
        const mw_operator *op = roll(10) ? &mw_operators[roll(n_operators)] : NULL;
        const bool of_column = op && op->takes & MW_TAKES_CONDITION;
        if (of_column && !p->options.settings) op = NULL;
        (void)snprintf(p->names[f], NAME, "f%d", f);
        p->features[f] = (mw_feature_def){.name = p->names[f], .op = op};
        if (op) p->features[f].args = any_args(op, 10000000);
        for (int k = 0; k < MW_NODE_INPUTS; k++) {
            p->of[f][k] = f > 0 && !of_column && op && roll(2) ? roll(f) : -1 - roll(INPUTS);
            p->features[f].of[k] =
                p->of[f][k] < 0 ? inputs[-1 - p->of[f][k]] : p->names[p->of[f][k]];
        }
    }
    assert_ok(
        mw_program_new(NULL, inputs, INPUTS, p->features, p->n, &p->options, &p->program, &err));
}

/* ---- the plain way ---- */

typedef bool row_set[COLUMNS][ROWS];

static void join(row_set to, const plan *p, int of, int64_t row, row_set all[FEATURES][ROWS]) {
    if (row < 0) return;
    for (int c = 0; of < 0 && c < INPUTS; c++) to[c][row] |= c == -1 - of;
    for (int c = 0; of >= 0 && c < COLUMNS; c++)
        for (int i = 0; i < ROWS; i++) to[c][i] |= all[of][row][c][i];
    (void)p;
}

static void join_rows(row_set to, const plan *p, int of, int64_t from, int64_t until,
                      row_set all[FEATURES][ROWS]) {
    for (int64_t j = from < 0 ? 0 : from; j <= until; j++) join(to, p, of, j, all);
}

/* What feature f reads for row i, of what it is made of. */
static void read_rows(const plan *p, int f, int i, int of, const int64_t *times,
                      row_set all[FEATURES][ROWS]) {
    const mw_operator *op = p->features[f].op;
    const mw_feature_args *args = &p->features[f].args;
    bool(*to)[ROWS] = all[f][i];
    const int64_t rows = args->rows;
    if (op && (op->kernel == &mw_kernel_blocks || op->kernel == &mw_kernel_blocks_spectrum)) {
        join_rows(to, p, of, i - (rows + rows / 2 - 2), i, all);
    } else if (op && op->kernel != &mw_kernel_ewm && op->takes & MW_TAKES_WINDOW) {
        int64_t from = i;
        while (args->us > 0 && from > 0 && times[from - 1] > times[i] - args->us) from--;
        join_rows(to, p, of, args->us > 0 ? from : i - rows + 1, i, all);
    } else if (op && op->takes & MW_TAKES_LAG) {
        int64_t at = args->us > 0 ? i : i - rows;
        while (args->us > 0 && at >= 0 && times[at] > times[i] - args->us) at--;
        join(to, p, of, at, all);
    } else {
        const bool steps = op && op->takes & MW_TAKES_PERIODS;
        join(to, p, of, i, all);
        if (steps) join(to, p, of, i - rows, all);
        if (steps && strcmp(op->name, "acceleration") == 0) join(to, p, of, i - 2 * rows, all);
    }
}

static void read_all(const plan *p, const int64_t *times, row_set all[FEATURES][ROWS]) {
    memset(all, 0, sizeof(row_set) * FEATURES * ROWS);
    for (int f = 0; f < p->n; f++)
        for (int i = 0; i < ROWS; i++) {
            const mw_operator *op = p->features[f].op;
            const int n = op ? op->n_inputs : 1;
            if (n == 0) all[f][i][TIME][i] = true;
            for (int k = 0; k < n; k++) read_rows(p, f, i, p->of[f][k], times, all);
            for (int s = 0; op && op->takes & MW_TAKES_CONDITION && s < 2; s++)
                all[f][i][s][i] = true;
        }
}

static uint32_t plain_bits(row_set reads, const mw_flagged_list *stretches, int device,
                           const int64_t *times) {
    uint32_t bits = 0;
    for (size_t k = 0; k < stretches->n; k++) {
        const mw_flagged *s = &stretches->items[k];
        for (int c = 0; c < COLUMNS && s->device == device; c++) {
            if (s->column != MW_FLAGGED_ALL && s->column != c) continue;
            const uint32_t mask = c == TIME ? CLOCK : UINT32_MAX;
            for (int i = 0; i < ROWS; i++)
                if (reads[c][i] && times[i] >= s->begin && times[i] < s->end)
                    bits |= s->bits & mask;
        }
    }
    return bits;
}

/* ---- both ---- */

static void any_stretches(int64_t times[DEVICES][ROWS], mw_flagged_list *list) {
    const int n = roll(12);
    for (int k = 0; k < n; k++) {
        const int device = roll(DEVICES), from = roll(ROWS), rows = roll(roll(3) ? 5 : 40);
        const int to = from + rows < ROWS ? from + rows : ROWS - 1;
        const mw_flagged s = {.begin = times[device][from],
                              .end = times[device][to] + 1,
                              .device = device,
                              .column = roll(COLUMNS) - 1,
                              .bits = (uint32_t)(1 + roll((1 << BITS) - 1))};
        assert_ok(mw_flagged_add(list, &s, &err));
    }
}

/* Whether a set of outputs reads so many places of an input that neighbors were joined. */
static bool is_joined(const plan *p, bool together, int set) {
    mw_reaches *r;
    int count[COLUMNS] = {0};
    bool joined = false;
    assert_ok(mw_reaches_new(NULL, p->program, p->distances[0], together, &r, &err));
    assert_int_equal(r->n_sets, together ? 1 : p->n);
    for (size_t k = set ? r->ends[set - 1] : 0; k < r->ends[set]; k++)
        joined |= ++count[r->items[k].input] == SPANS;
    mw_reaches_free(r);
    return joined;
}

static void check_apart(const mw_flagged_list *list) {
    for (size_t k = 0; k < list->n; k++) {
        const mw_flagged *a = k ? &list->items[k - 1] : NULL, *b = &list->items[k];
        assert_true(b->begin < b->end && b->bits != 0);
        if (!a || a->device != b->device || a->column != b->column) continue;
        assert_true(a->end <= b->begin);
        assert_true(a->end < b->begin || a->bits != b->bits);
    }
}

static void check_bits(const plan *p, int64_t times[DEVICES][ROWS],
                       const mw_flagged_list *stretches, const mw_flagged_list *each,
                       const mw_flagged_list *all, uint32_t mask) {
    static row_set reads[FEATURES][ROWS];
    bool joined[FEATURES], all_joined = is_joined(p, true, 0);
    for (int f = 0; f < p->n; f++) joined[f] = is_joined(p, false, f);
    for (int d = 0; d < DEVICES; d++) {
        read_all(p, times[d], reads);
        for (int i = 0; i < ROWS; i++) {
            uint32_t want_all = 0;
            for (int f = 0; f < p->n; f++) {
                const uint32_t want = mask & plain_bits(reads[f][i], stretches, d, times[d]);
                const uint32_t got = mw_flagged_at(each, d, f, times[d][i]);
                if (joined[f] ? (want & ~got) != 0 : got != want)
                    fail_msg("%s of device %d, row %d: bits %u, want %u",
                             p->features[f].op ? p->features[f].op->name : "value", d, i,
                             (unsigned)got, (unsigned)want);
                want_all |= want;
            }
            const uint32_t got = mw_flagged_at(all, d, 0, times[d][i]);
            assert_int_equal(all_joined ? want_all & ~got : got ^ want_all, 0);
        }
    }
}

MW_TEST(bits_are_those_of_the_readings) {
    for (int round = 0; round < mw_test_rounds(400); round++) {
        plan p;
        int64_t times[DEVICES][ROWS];
        mw_ctx ctx;
        mw_flagged_list stretches = {0}, each = {0}, all = {0};
        mw_ctx_init(&ctx);
        mw_rng_init(&dice, mw_test_seed(), (uint64_t)round, 0);
        any_plan(&p);
        for (int d = 0; d < DEVICES; d++)
            for (int i = 0; i < ROWS; i++)
                times[d][i] =
                    INT64_C(1700000000000000) - d * INT64_C(1700000100000003) + i * p.distances[d];
        any_stretches(times, &stretches);
        const uint32_t mask = roll(2) ? UINT32_MAX : (uint32_t)roll(128);
        const mw_flagged_options one = {
            .distances = p.distances, .bits = mask, .clock_bits = CLOCK};
        mw_flagged_options together = one;
        together.together = true;
        assert_ok(mw_flagged_outputs(&ctx, p.program, &stretches, &one, &each, &err));
        assert_ok(mw_flagged_outputs(&ctx, p.program, &stretches, &together, &all, &err));
        check_apart(&each);
        check_apart(&all);
        check_bits(&p, times, &stretches, &each, &all, mask);
        mw_flagged_done(&stretches);
        mw_flagged_done(&each);
        mw_flagged_done(&all);
        mw_program_free(p.program);
    }
}

/* ---- by hand ---- */

static mw_program *program_of(const char *op, mw_feature_args args) {
    static const char *const of[] = {"x"};
    mw_program *program;
    const mw_program_options options = {0};
    const mw_feature_def feature = {
        .name = "f", .op = mw_operator_find(op, strlen(op)), .of = {"x", "x"}, .args = args};
    assert_non_null(feature.op);
    assert_ok(mw_program_new(NULL, of, 1, &feature, 1, &options, &program, &err));
    return program;
}

static void check_one(const char *op, mw_feature_args args, int64_t distance_us, int64_t begin,
                      int64_t end) {
    mw_ctx ctx;
    mw_program *program = program_of(op, args);
    mw_flagged_list in = {0}, out = {0};
    const mw_flagged stretch = {.begin = 1000, .end = 2000, .column = 0, .bits = 4};
    const mw_flagged_options options = {.distances = &distance_us, .bits = 4};
    mw_ctx_init(&ctx);
    assert_ok(mw_flagged_add(&in, &stretch, &err));
    assert_ok(mw_flagged_outputs(&ctx, program, &in, &options, &out, &err));
    assert_int_equal(out.n, 1);
    assert_int_equal(out.items[0].begin, begin);
    assert_int_equal(out.items[0].end, end);
    mw_flagged_done(&in);
    mw_flagged_done(&out);
    mw_program_free(program);
}

MW_TEST(windows_lengthen_and_lags_shift) {
    check_one("mean", (mw_feature_args){.us = 500}, 100, 1000, 2499);
    check_one("mean", (mw_feature_args){.rows = 5}, 100, 1000, 2400);
    check_one("lag", (mw_feature_args){.us = 500}, 100, 1500, 2500);
    check_one("lag", (mw_feature_args){.us = 550}, 100, 1550, 2600); /* the reading before it */
    check_one("lag", (mw_feature_args){.us = 550}, 0, 1550, 2550);
    check_one("lag", (mw_feature_args){.rows = 3}, 100, 1300, 2300);
    check_one("diff", (mw_feature_args){.rows = 2}, 100, 1000, 2200);
    check_one("rms", (mw_feature_args){.rows = 16}, 100, 1000, 4200);
    check_one("ewm_mean", (mw_feature_args){.us = 500}, 100, 1000, 2000); /* would never end */
    check_one("energy", (mw_feature_args){0}, 100, 1000, 2000);
}

MW_TEST(times_at_the_end_of_all_stay_there) {
    mw_ctx ctx;
    mw_program *program = program_of("mean", (mw_feature_args){.us = 86400000000});
    mw_flagged_list in = {0}, out = {0};
    const mw_flagged stretches[] = {
        {.begin = INT64_MAX - 5, .end = INT64_MAX, .column = 0, .bits = 1},
        {.begin = 7, .end = 7, .column = 0, .bits = 1},
        {.begin = 9, .end = 8, .column = 0, .bits = 1}};
    const mw_flagged_options options = {.bits = UINT32_MAX};
    mw_ctx_init(&ctx);
    for (int k = 0; k < 3; k++) assert_ok(mw_flagged_add(&in, &stretches[k], &err));
    assert_ok(mw_flagged_outputs(&ctx, program, &in, &options, &out, &err));
    assert_int_equal(out.n, 1);
    assert_true(out.items[0].end == INT64_MAX);
    mw_flagged_done(&in);
    mw_flagged_done(&out);
    mw_program_free(program);
}

/* ---- tables ---- */

static void put_text(mw_column *column, int64_t row, const char *text) {
    if (text)
        assert_ok(
            mw_dictionary_add(column->dictionary, mw_str_of(text), &column->codes[row], &err));
}

static mw_table *windows_table(void) {
    mw_table *t;
    mw_column *time, *end, *device, *sensor, *bits;
    static const char *const devices[] = {"M2", "M1", NULL, "elsewhere"}, *const sensors[] = {
                                                                              "x", NULL, "x", "x"};
    assert_ok(mw_table_new(NULL, 5, &t, &err));
    assert_ok(mw_table_reserve(t, 5, &err));
    assert_ok(mw_table_add(t, MW_STR("time"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_table_add(t, MW_STR("end"), MW_TIMESTAMP, &end, &err));
    assert_ok(mw_table_add(t, MW_STR("device_id"), MW_DICTIONARY, &device, &err));
    assert_ok(mw_table_add(t, MW_STR("sensor"), MW_DICTIONARY, &sensor, &err));
    assert_ok(mw_table_add(t, MW_STR("bits"), MW_FLOAT64, &bits, &err));
    for (int64_t i = 0; i < 5; i++) {
        time->time[i] = 100 * i;
        end->time[i] = 100 * i + 50;
        bits->number[i] = (double)(i + 1);
        put_text(device, i, i < 4 ? devices[i] : "M1");
        put_text(sensor, i, i < 4 ? sensors[i] : "no input");
    }
    for (int c = 0; c < 5; c++) assert_ok(mw_column_seal(t, &t->columns[c], &err));
    return t;
}

MW_TEST(tables_are_read_and_written) {
    mw_table *windows = windows_table(), *table;
    mw_program *program = program_of("lag", (mw_feature_args){.us = 10});
    mw_dictionary *names;
    mw_flagged_list list = {0}, out = {0};
    mw_ctx ctx;
    int32_t code;
    static const char *const sensors[] = {"x"}, *const twice[] = {"y", "x", "x"};
    mw_ctx_init(&ctx);
    assert_ok(mw_dictionary_new(NULL, &names, &err));
    assert_ok(mw_dictionary_add(names, MW_STR("M1"), &code, &err));
    assert_ok(mw_dictionary_add(names, MW_STR("M2"), &code, &err));
    const mw_flagged_devices named = {names, -1}, with_default = {names, 0}, single = {NULL, 0};
    assert_ok(mw_flagged_read(windows, sensors, 1, &single, &list, &err));
    assert_int_equal(list.n, 4);
    list.n = 0;
    double *bits = mw_table_column(windows, "bits")->number;
    bits[0] = -3;
    bits[1] = 1e300;
    assert_ok(mw_flagged_read(windows, sensors, 1, &single, &list, &err));
    assert_true(list.items[0].bits == 0 && list.items[1].bits == 0);
    bits[0] = 1;
    bits[1] = 2;
    list.n = 0;
    assert_ok(mw_flagged_read(windows, twice, 3, &single, &list, &err));
    assert_int_equal(list.n, 7);
    assert_int_equal(list.items[0].column, 1);
    assert_int_equal(list.items[1].column, 2);
    list.n = 0;
    assert_ok(mw_flagged_read(windows, sensors, 1, &with_default, &list, &err));
    assert_int_equal(list.n, 3);
    list.n = 0;
    assert_ok(mw_flagged_read(windows, sensors, 1, &named, &list, &err));
    assert_int_equal(list.n, 2);
    const mw_flagged_options options = {.bits = UINT32_MAX};
    assert_ok(mw_flagged_outputs(&ctx, program, &list, &options, &out, &err));
    assert_ok(mw_flagged_table(NULL, program, names, &out, &table, &err));
    assert_int_equal(table->n_rows, 2);
    assert_int_equal(mw_table_column(table, "time")->time[0], 10);
    assert_int_equal(mw_table_column(table, "end")->time[1], 160);
    assert_true(mw_str_is(mw_column_text(mw_table_column(table, "device_id"), 0), "M2"));
    assert_true(mw_str_is(mw_column_text(mw_table_column(table, "feature"), 1), "f"));
    assert_true(mw_table_column(table, "bits")->number[1] == 2);
    assert_status(mw_flagged_read(table, sensors, 1, &single, &list, &err), MW_EDATA);
    mw_table_free(table);
    mw_table_free(windows);
    mw_dictionary_free(names);
    mw_flagged_done(&list);
    mw_flagged_done(&out);
    mw_program_free(program);
}

MW_TEST_MAIN(MW_RUN(bits_are_those_of_the_readings), MW_RUN(windows_lengthen_and_lags_shift),
             MW_RUN(times_at_the_end_of_all_stay_there), MW_RUN(tables_are_read_and_written))
