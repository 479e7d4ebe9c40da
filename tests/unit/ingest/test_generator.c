/*
 * The sample plant: the same bytes for the same seed, the schema, the rhythm, the faults, and what
 * happens when memory or the disk runs out.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/text/csv.h"
#include "core/text/datetime.h"
#include "core/text/number.h"
#include "keep/ingest/generator.h"
#include "keep/ingest/miner_long.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_args *args_of(const char *const *pairs) {
    mw_err err;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_generate_params, &args, &err));
    for (; pairs && *pairs; pairs += 2)
        assert_ok(mw_args_set(args, mw_str_of(pairs[0]), mw_str_of(pairs[1]), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

/* Generates into NAME below the test's folder; returns the folder, and the result in *json. */
static mw_dir *generate(const char *name, const char *const *pairs, mw_buf *json) {
    mw_ctx ctx;
    mw_err err;
    mw_dir *top, *out;
    mw_json_writer writer;
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &top, &err));
    assert_ok(mw_dir_sub(&ctx, top, name, MW_DIR_CREATE, &out, &err));
    mw_buf_init(json, NULL, 65536);
    mw_json_writer_init(&writer, json, 0);
    mw_args *args = args_of(pairs);
    assert_ok(mw_generate(&ctx, args, out, &writer, &err));
    mw_args_free(args);
    mw_dir_close(top);
    return out;
}

static char *read_all(mw_dir *dir, const char *name, size_t *size) {
    mw_ctx ctx;
    mw_err err;
    char *data;
    mw_ctx_init(&ctx);
    assert_ok(mw_file_read(&ctx, dir, name, 1 << 28, &data, size, &err));
    return data;
}

static void hash_of(mw_dir *dir, const char *name, char hex[MW_SHA256_HEX]) {
    size_t size;
    char *data = read_all(dir, name, &size);
    assert_int_equal(mw_sha256_of(data, size, hex, NULL), MW_OK);
    mw_free(data);
}

MW_TEST(same_seed_writes_the_same_bytes) {
    static const char *const seven[] = {"seed", "7", "days", "2", NULL};
    static const char *const eight[] = {"seed", "8", "days", "2", NULL};
    mw_buf json;
    char a[MW_SHA256_HEX], b[MW_SHA256_HEX], c[MW_SHA256_HEX];
    mw_dir *one = generate("one", seven, &json), *two, *other;
    mw_buf_done(&json);
    two = generate("two", seven, &json);
    mw_buf_done(&json);
    other = generate("other", eight, &json);
    mw_buf_done(&json);
    hash_of(one, "miner-long-2026-01-05.csv", a);
    hash_of(two, "miner-long-2026-01-05.csv", b);
    hash_of(other, "miner-long-2026-01-05.csv", c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    mw_dir_close(one);
    mw_dir_close(two);
    mw_dir_close(other);
}

/* The committed bytes: a change of compiler, machine or thread count must not change them. */
MW_TEST(default_plant_has_the_committed_hashes) {
    mw_buf json;
    char hex[MW_SHA256_HEX];
    mw_dir *out = generate("plant", NULL, &json);
    hash_of(out, "miner-long-2026-01-05.csv", hex);
    assert_string_equal(hex, "ade891e356318db72e8bf5425684cd830f0f0538746256a17a637d28c1ecfc8e");
    hash_of(out, "miner-long-2026-01-12.csv", hex);
    assert_string_equal(hex, "50791bb100d7d3aff5b19145b38483580349130f99e64aa1c7fcf67abe147b8c");
    assert_string_equal(mw_buf_text(&json),
                        "{\"files\":2,\"rows\":167230,\"machines\":6,\"days\":14,\"faults\":6}");
    mw_buf_done(&json);
    mw_dir_close(out);
}

typedef struct tally {
    int64_t n_rows, n_empty, n_times;
    char devices[16][32];
    int n_devices;
    double sum_by_hour[24], n_by_hour[24]; /* of fuel_rate */
} tally;

static void look(tally *seen, const mw_csv_row *row) {
    assert_null(row->problem);
    assert_int_equal(row->n_fields, 10);
    int64_t us, day, clock;
    bool zone;
    double value;
    assert_true(mw_time_read(row->fields[0].data, row->fields[0].size, &us, &zone));
    assert_true(mw_time_read_date(row->fields[1].data, row->fields[1].size, &day));
    assert_true(mw_time_read_clock(row->fields[2].data, row->fields[2].size, &clock));
    assert_true(us == day + clock);
    for (int i = 3; i < 9; i++) assert_true(row->fields[i].size > 0);
    int d = 0;
    while (d < seen->n_devices && !mw_str_is(row->fields[3], seen->devices[d])) d++;
    if (d == seen->n_devices) mw_str_copy(seen->devices[seen->n_devices++], 32, row->fields[3]);
    seen->n_rows++;
    if (row->fields[9].size == 0) {
        seen->n_empty++;
        return;
    }
    assert_true(mw_number_read(row->fields[9].data, row->fields[9].size, &value));
    if (!mw_str_is(row->fields[8], "fuel_rate")) return;
    int hour = (int)(clock / INT64_C(3600000000));
    seen->sum_by_hour[hour] += value;
    seen->n_by_hour[hour] += 1;
}

MW_TEST(rows_follow_the_schema_and_the_shifts) {
    static const char *const pairs[] = {"machines", "5", "days", "5", NULL};
    mw_buf json;
    mw_err err;
    mw_csv *csv;
    mw_csv_row row;
    size_t size;
    tally seen = {0};
    mw_dir *out = generate("plant", pairs, &json);
    char *data = read_all(out, "miner-long-2026-01-05.csv", &size);
    static const char header[] = "timestamp,date,time,device_id,device_name,employee_id,"
                                 "employee_name,category,parameter,value\n";
    assert_memory_equal(data, header, sizeof header - 1);
    assert_ok(mw_csv_new(NULL, &mw_dialect_csv, &csv, &err));
    for (size_t at = 0; at < size; at += 65536) {
        assert_ok(mw_csv_push(csv, data + at, size - at < 65536 ? size - at : 65536, &err));
        while (mw_csv_row_next(csv, &row))
            if (row.line > 1) look(&seen, &row);
    }
    assert_int_equal(seen.n_devices, 5);
    int64_t full = INT64_C(5) * 288 * 5 * 7;
    assert_in_range(seen.n_rows, full * 90 / 100, full - 1); /* gaps, but not many */
    assert_in_range(seen.n_empty, 1, 100);
    /* Work at ten in the morning burns more than the first minutes of the night shift's break. */
    assert_true(seen.sum_by_hour[9] / seen.n_by_hour[9] >
                1.2 * seen.sum_by_hour[2] / seen.n_by_hour[2]);
    mw_csv_free(csv);
    mw_free(data);
    mw_buf_done(&json);
    mw_dir_close(out);
}

/* Faults lie inside the record, do not overlap on a machine, and move what they say they move. */
MW_TEST(faults_show_in_their_parameters) {
    mw_miner_plan plan = {.seed = mw_test_seed() % 1000000,
                          .interval_us = INT64_C(300000000),
                          .n_steps = 288 * 28,
                          .n_machines = 8};
    mw_miner_fault faults[32];
    size_t n = mw_miner_place_faults(&plan, faults, 32);
    assert_in_range(n, 14, 16);
    for (size_t i = 0; i < n; i++) {
        assert_true(faults[i].first_step > 0 && faults[i].end_step <= plan.n_steps);
        assert_true(faults[i].end_step > faults[i].first_step);
        if (i > 0 && faults[i].machine == faults[i - 1].machine)
            assert_true(faults[i].first_step >= faults[i - 1].end_step);
    }
    for (size_t i = 0; i < n; i++) {
        const mw_miner_fault *fault = &faults[i];
        mw_miner_machine sound, ill;
        mw_miner_machine_init(&sound, &plan, fault->machine);
        mw_miner_machine_init(&ill, &plan, fault->machine);
        double difference = 0;
        for (int64_t step = 0; step < fault->end_step; step++) {
            mw_miner_reading a, b;
            bool on = step >= fault->first_step;
            mw_miner_step(&sound, &plan, step, NULL, &a);
            mw_miner_step(&ill, &plan, step, on ? fault : NULL, &b);
            int32_t p = mw_miner_fault_kind_of(fault)->parameters[0];
            double d = a.values[p] - b.values[p];
            if (!on) assert_true(d >= 0 && d <= 0);
            difference += (d < 0 ? -d : d) / (a.values[p] > 1 ? a.values[p] : 1);
        }
        assert_true(difference / (double)(fault->end_step - fault->first_step) > 0.02);
    }
}

MW_TEST(too_large_a_plant_is_refused) {
    static const char *const pairs[] = {"days", "3660", "machines", "1000", "interval", "1s", NULL};
    mw_ctx ctx;
    mw_err err;
    mw_dir *out;
    mw_buf json;
    mw_json_writer writer;
    mw_ctx_init(&ctx);
    mw_buf_init(&json, NULL, 1000);
    mw_json_writer_init(&writer, &json, 0);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &out, &err));
    mw_args *args = args_of(pairs);
    assert_status(mw_generate(&ctx, args, out, &writer, &err), MW_ETOOLARGE);
    assert_true(strlen(err.hint) > 0);
    assert_int_equal(json.size, 0);
    mw_args_free(args);
    mw_buf_done(&json);
    mw_dir_close(out);
}

static mw_status small_plant(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_dir *out;
    mw_buf json;
    mw_json_writer writer;
    mw_status status = mw_dir_open(ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &out, err);
    if (status != MW_OK) return status;
    mw_buf_init(&json, ctx->mem, 1000);
    mw_json_writer_init(&writer, &json, 0);
    status = mw_generate(ctx, arg, out, &writer, err);
    if (status == MW_OK) status = mw_buf_status(&json, "the result", err);
    mw_buf_done(&json);
    mw_dir_close(out);
    return status;
}

/* Whatever fails, a file is there whole or not at all. */
static void whole_or_absent(void *arg, uint64_t n) {
    (void)arg;
    (void)n;
    mw_ctx ctx;
    mw_err err;
    mw_dir *out;
    size_t size;
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &out, &err));
    if (mw_dir_has(out, "miner-long-2026-01-05.csv")) {
        char *data = read_all(out, "miner-long-2026-01-05.csv", &size);
        assert_true(size > 10000 && data[size - 1] == '\n');
        mw_free(data);
        assert_ok(mw_dir_remove(&ctx, out, "miner-long-2026-01-05.csv", &err));
    }
    mw_dir_close(out);
}

MW_TEST(every_fault_is_survived) {
    static const char *const pairs[] = {"days", "1", "machines", "1", "interval", "1h", NULL};
    mw_args *args = args_of(pairs);
    assert_in_range(mw_fault_loop_alloc(small_plant, args), 5, 100);
    assert_true(mw_fault_loop_io(small_plant, args, MW_IO_WRITE, 28, whole_or_absent) >= 2);
    assert_true(mw_fault_loop_io(small_plant, args, MW_IO_FSYNC, 5, whole_or_absent) >= 2);
    assert_true(mw_fault_loop_io(small_plant, args, MW_IO_RENAME, 5, whole_or_absent) == 2);
    mw_args_free(args);
}

MW_TEST_MAIN(MW_RUN(same_seed_writes_the_same_bytes),
             MW_RUN(default_plant_has_the_committed_hashes),
             MW_RUN(rows_follow_the_schema_and_the_shifts), MW_RUN(faults_show_in_their_parameters),
             MW_RUN(too_large_a_plant_is_refused), MW_RUN(every_fault_is_survived))
