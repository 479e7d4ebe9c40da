/*
 * Summary and trend over one dataset in several shapes: a source in one part, in many, its devices in two
 * sources whose times overlap, and in a segment of an older version. The rows are the same, and all values are whole
 * numbers, so that every order of adding them up gives the same answer. The numbers in the answers are checked against
 * sums made here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/ipcstream.h"
#include "keep/ingest/parts.h"
#include "unit/op/small_plant.h"

static mw_err err;

enum { N_TIMES = 200000, CHUNK_ROWS = 4000 };

static double x_of(int64_t time, int device) {
    return (double)((time * 7919 + device * 31) % 1000);
}
static bool has_x(int64_t time, int device) { return (time + device) % 11 != 0; }

static void make_schema(mw_schema **ret) {
    int32_t at;
    assert_ok(mw_schema_new(NULL, ret, &err));
    assert_ok(mw_schema_add(*ret, MW_STR("time"), MW_TIMESTAMP, &at, &err));
    assert_ok(mw_schema_add(*ret, MW_STR("device_id"), MW_DICTIONARY, &at, &err));
    assert_ok(mw_schema_add(*ret, MW_STR("x"), MW_FLOAT64, &at, &err));
    for (int d = 0; d < 2; d++)
        assert_ok(mw_dictionary_add((*ret)->columns[1].dictionary, mw_str_of(d ? "D2" : "D1"), &at,
                                    &err));
}

/* Gives every row, by time and then device, of the devices wanted (-1: both) to `take`. */
static void each_chunk(int device, mw_status (*take)(void *, const mw_chunk *, mw_err *),
                       void *self) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64};
    mw_chunk *chunk;
    assert_ok(mw_chunk_new(NULL, types, 3, CHUNK_ROWS, &chunk, &err));
    for (int64_t time = 0; time < N_TIMES; time++)
        for (int d = 0; d < 2; d++) {
            if (device >= 0 && d != device) continue;
            int64_t row = chunk->n_rows++;
            chunk->columns[0].time[row] = time * 1000000;
            chunk->columns[1].codes[row] = d;
            chunk->columns[2].number[row] = has_x(time, d) ? x_of(time, d) : MW_NAN;
            if (chunk->n_rows < CHUNK_ROWS) continue;
            assert_ok(take(self, chunk, &err));
            chunk->n_rows = 0;
        }
    if (chunk->n_rows) assert_ok(take(self, chunk, &err));
    mw_chunk_free(chunk);
}

static void commit(small_plant *plant, const char *dataset, const char *source,
                   const mw_ingest_part *parts, size_t n) {
    mw_segment_record *records = calloc(n, sizeof *records);
    assert_non_null(records);
    for (size_t i = 0; i < n; i++)
        records[i] = (mw_segment_record){.source = source,
                                         .part = (int32_t)i,
                                         .content_hash = "h",
                                         .file = parts[i].file,
                                         .layout = "wide",
                                         .n_rejected = i == 0 ? 3 : 0,
                                         .n_rows = parts[i].n_rows,
                                         .first_us = parts[i].first_us,
                                         .last_us = parts[i].last_us};
    mw_commit all = {.dataset = dataset, .segments = records, .n_segments = n};
    assert_ok(mw_store_commit(&plant->ctx, plant->app->store, &all, &err));
    free(records);
}

static void put_source(small_plant *plant, const char *dataset, const char *source, int device,
                       int64_t part_rows) {
    mw_schema *schema;
    mw_dir *dir;
    mw_parts *parts;
    mw_ingest_part *list;
    size_t n;
    make_schema(&schema);
    assert_ok(mw_app_folder(plant->app, &plant->ctx, "datasets", dataset, &dir, &err));
    mw_parts_options options = {.source = source, .layout = "wide", .part_rows = part_rows};
    assert_ok(mw_parts_new(&plant->ctx, schema, &options, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    each_chunk(device, sink.take, sink.self);
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    commit(plant, dataset, source, list, n);
    mw_ingest_parts_free(list, n);
    mw_schema_free(schema);
    mw_dir_close(dir);
}

static mw_status add_to(void *self, const mw_chunk *chunk, mw_err *why) {
    return mw_ipc_writer_add(self, chunk, why);
}

/* A segment that does not say that its rows are in order, as before there were parts. */
static void put_old_segment(small_plant *plant, const char *dataset) {
    mw_schema *schema;
    mw_dir *dir;
    mw_file *file;
    mw_ipc_writer *writer;
    char name[] = "segment.arrow";
    make_schema(&schema);
    assert_ok(mw_app_folder(plant->app, &plant->ctx, "datasets", dataset, &dir, &err));
    assert_ok(mw_file_create(&plant->ctx, dir, name, &file, &err));
    assert_ok(mw_ipc_writer_new(&plant->ctx, schema, NULL, 0, file, &writer, &err));
    each_chunk(1, add_to, writer); /* D2's whole year, then D1's */
    each_chunk(0, add_to, writer);
    assert_ok(mw_ipc_writer_finish(writer, &err));
    mw_ipc_writer_free(writer);
    assert_ok(mw_file_commit(file, &err));
    mw_ingest_part part = {name, 2 * N_TIMES, 0, (int64_t)(N_TIMES - 1) * 1000000, 0};
    commit(plant, dataset, "a.csv", &part, 1);
    mw_schema_free(schema);
    mw_dir_close(dir);
}

static void put_all(small_plant *plant) {
    put_source(plant, "one", "a.csv", -1, 0);
    put_source(plant, "many", "a.csv", -1, 7000);
    put_source(plant, "two", "a.csv", 0, 50000);
    put_source(plant, "two", "b.csv", 1, 70000);
    put_old_segment(plant, "old");
}

MW_TEST(trend_is_the_same_in_every_shape) {
    static const char *const datasets[] = {"one", "many", "two", "old"};
    static char want[1 << 16];
    small_plant plant;
    plant_open(&plant);
    put_all(&plant);
    for (int device = 0; device < 2; device++)
        for (size_t i = 0; i < 4; i++) {
            char settings[200], point[200];
            (void)snprintf(settings, sizeof settings, "parameter=x limit=9 window=4 dataset=%s%s",
                           datasets[i], device ? " device=D2" : "");
            const char *got = plant_text(&plant, "trend", settings);
            if (i == 0) mw_str_copy(want, sizeof want, mw_str_of(got));
            assert_string_equal(got, want);
            /* Times at which some device has a value: all, or those of D2. */
            int64_t total = 0, last = N_TIMES - 1;
            for (int64_t t = 0; t < N_TIMES; t++) total += has_x(t, 1) || (!device && has_x(t, 0));
            (void)snprintf(point, sizeof point, "\"total\":%lld,", (long long)total);
            assert_non_null(strstr(got, point));
            assert_true(has_x(last, 0) && has_x(last, 1));
            double value = device ? x_of(last, 1) : (x_of(last, 0) + x_of(last, 1)) / 2;
            (void)snprintf(point, sizeof point, "\"value\":%.15g,\"moving_mean\"", value);
            const char *found = strstr(got, point);
            if (!found) fail_msg("no %s in %s", point, got);
        }
    plant_close(&plant);
}

MW_TEST(summary_counts_every_part) {
    static const char *const datasets[] = {"one", "many", "two", "old"};
    small_plant plant;
    int64_t n = 0;
    double least = 1e9, most = -1e9;
    for (int64_t t = 0; t < N_TIMES; t++)
        for (int d = 0; d < 2; d++) {
            if (!has_x(t, d)) continue;
            double x = x_of(t, d);
            n++;
            least = x < least ? x : least;
            most = x > most ? x : most;
        }
    plant_open(&plant);
    put_all(&plant);
    for (size_t i = 0; i < 4; i++) {
        char settings[100], text[300];
        (void)snprintf(settings, sizeof settings, "dataset=%s", datasets[i]);
        const char *got = plant_text(&plant, "summary", settings);
        (void)snprintf(text, sizeof text,
                       "\"dataset\":\"%s\",\"rows\":%d,\"files\":%d,\"rejects\":%d,"
                       "\"device_count\":2,",
                       datasets[i], 2 * N_TIMES, i == 2 ? 2 : 1, i == 2 ? 6 : 3);
        if (!strstr(got, text)) fail_msg("no %s in %s", text, got);
        (void)snprintf(text, sizeof text,
                       "\"name\":\"x\",\"type\":\"float64\",\"count\":%lld,\"missing\":%lld,",
                       (long long)n, (long long)(2 * N_TIMES - n));
        if (!strstr(got, text)) fail_msg("no %s in %s", text, got);
        (void)snprintf(text, sizeof text, "\"min\":%g,\"max\":%g}", least, most);
        if (!strstr(got, text)) fail_msg("no %s in %s", text, got);
        assert_non_null(strstr(got, "\"end\":\"1970-01-03T07:33:19Z\""));
    }
    plant_close(&plant);
}

/* What summary and trend hold is bounded by a chunk and the points shown, not by the rows. */
MW_TEST(memory_does_not_grow_with_the_rows) {
    static const char *const ops[] = {"summary", "trend"};
    small_plant plant;
    plant_open(&plant);
    put_source(&plant, "many", "a.csv", -1, 100000);
    for (int i = 0; i < 2; i++) {
        mw_mem mem;
        mw_buf out;
        mw_ctx ctx = plant.ctx;
        mw_args *args = plant_args(ops[i], i ? "dataset=many parameter=x" : "dataset=many");
        mw_mem_init(&mem, NULL, 5 << 20); /* 400,000 rows of 20 bytes; 200,000 points of 32 */
        ctx.mem = &mem;
        mw_buf_init(&out, &mem, 1 << 20);
        assert_ok(plant_call(&plant, &ctx, ops[i], args, &out, &err));
        mw_buf_done(&out);
        mw_args_free(args);
        assert_int_equal(mw_mem_used(&mem), 0);
    }
    plant_close(&plant);
}

MW_TEST_MAIN(MW_RUN(trend_is_the_same_in_every_shape), MW_RUN(summary_counts_every_part),
             MW_RUN(memory_does_not_grow_with_the_rows))
