/*
 * fuzz_quality.c -- any rows, cut in any way: judged whole, row by row and with the scalar kernel, the flagged windows are the same, in order,
 * with known bits, and can be added up.
 *
 * Input: a first byte (window), then 4 bytes a row: step in time, device, two values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "keep/ingest/quality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 20000 };

static void must(mw_status status) {
    if (status) abort();
}

static double value_of(uint8_t byte, int64_t row) {
    switch (byte) {
    case 255: return MW_NAN;
    case 254: return MW_INFINITY;
    case 253: return -1e308;
    case 252: return 1e308;
    case 251: return 0;
    default: return byte < 128 ? byte : 20 + (double)(row * 7919 % 1009) / (byte - 127);
    }
}

static int64_t step_of(uint8_t byte) {
    if (byte < 200) return INT64_C(60000000) * (byte & 3);
    if (byte < 250) return INT64_C(1000000) << (byte - 200 < 42 ? byte - 200 : 42);
    return (int64_t)byte - 250;
}

/* Rows of the input; every byte pattern is repeated so that a few bytes make a history. */
static int64_t fill(const uint8_t *data, size_t size, mw_chunk *chunk) {
    int64_t n = 0, time_us = -(INT64_C(1) << 50);
    size_t rows = size / 4;
    for (size_t pass = 0; pass < 8 && rows > 0; pass++)
        for (size_t i = 0; i < rows && n < ROWS_MAX; i++, n++) {
            const uint8_t *b = data + 4 * i;
            int64_t step = step_of(b[0]);
            if (time_us < INT64_MAX - step) time_us += step;
            chunk->columns[0].time[n] = time_us;
            chunk->columns[1].codes[n] = (b[1] & 3) - 1;
            chunk->columns[2].number[n] = value_of(b[2], n);
            chunk->columns[3].number[n] = value_of(b[3], n * 31);
        }
    chunk->n_rows = n;
    return n;
}

static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64, MW_FLOAT64};

static mw_table *judge(const mw_schema *schema, const mw_chunk *all, int64_t piece,
                       const mw_args *args) {
    mw_ctx ctx;
    mw_quality *quality;
    mw_chunk *chunk;
    mw_table *table;
    mw_ctx_init(&ctx);
    must(mw_quality_new(&ctx, schema, 1, args, &quality, NULL));
    must(mw_chunk_new(NULL, types, 4, piece, &chunk, NULL));
    for (int64_t from = 0; from < all->n_rows; from += piece) {
        chunk->n_rows = 0;
        mw_chunk_append(chunk, all, from, all->n_rows - from < piece ? all->n_rows - from : piece);
        must(mw_quality_add(quality, chunk, NULL));
    }
    mw_chunk_free(chunk);
    must(mw_quality_finish(quality, &table, NULL));
    mw_quality_free(quality);
    return table;
}

static void check_same(const mw_table *a, const mw_table *b) {
    if (a->n_rows != b->n_rows || a->n_columns != b->n_columns) abort();
    size_t n = (size_t)a->n_rows;
    for (int32_t c = 0; c < a->n_columns && n > 0; c++) {
        size_t bytes = a->columns[c].type == MW_DICTIONARY ? sizeof(int32_t) : sizeof(double);
        if (memcmp(a->columns[c].codes, b->columns[c].codes, n * bytes) != 0) abort();
    }
}

static void check_rows(const mw_table *t) {
    for (int64_t i = 0; i < t->n_rows; i++) {
        double bits = mw_table_column(t, "bits")->number[i];
        double values = mw_table_column(t, "n_values")->number[i];
        const int64_t *time = mw_table_column(t, "time")->time;
        if (!(bits >= 1 && bits < 1 << MW_QUALITY_BITS) || !(values >= 0)) abort();
        if (time[i] >= mw_table_column(t, "end")->time[i]) abort();
        if (i > 0 && time[i - 1] > time[i]) abort();
    }
    mw_quality_totals *totals;
    must(mw_quality_totals_new(NULL, &totals, NULL));
    must(mw_quality_totals_add(totals, t, NULL, NULL));
    mw_quality_totals_free(totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 5) return 0;
    mw_schema *schema;
    mw_chunk *all;
    mw_args *args;
    int32_t ignored;
    static const char *const names[] = {"time", "device_id", "a", "b"};
    static const char *const windows[] = {"1h", "1s", "366d", "10min"};
    must(mw_schema_new(NULL, &schema, NULL));
    for (int i = 0; i < 4; i++)
        must(mw_schema_add(schema, mw_str_of(names[i]), types[i], &ignored, NULL));
    for (int i = 0; i < 3; i++)
        must(mw_dictionary_add(schema->columns[1].dictionary, (mw_str){&"xyz"[i], 1}, &ignored,
                               NULL));
    must(mw_args_new(NULL, mw_quality_params, &args, NULL));
    must(mw_args_set(args, MW_STR("quality_window"), mw_str_of(windows[data[0] & 3]), NULL));
    if (data[0] & 4) must(mw_args_set(args, MW_STR("range"), MW_STR("a=0:100"), NULL));
    must(mw_args_finish(args, NULL));
    must(mw_chunk_new(NULL, types, 4, ROWS_MAX, &all, NULL));
    fill(data + 1, size - 1, all);
    mw_cpu best = mw_cpu_level();
    mw_table *whole = judge(schema, all, ROWS_MAX, args);
    mw_cpu_force(MW_CPU_SCALAR);
    mw_table *rows = judge(schema, all, 1, args);
    mw_cpu_force(best);
    mw_table *pieces = judge(schema, all, 3 + data[0], args);
    check_same(whole, rows);
    check_same(whole, pieces);
    check_rows(whole);
    mw_table_free(whole);
    mw_table_free(rows);
    mw_table_free(pieces);
    mw_chunk_free(all);
    mw_args_free(args);
    mw_schema_free(schema);
    return 0;
}
