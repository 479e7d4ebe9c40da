/* quality_rows.c -- see quality_rows.h. */
#include "unit/ingest/quality_rows.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "support/harness.h"

void quality_rows_init(quality_rows *r, int32_t n_values, int64_t capacity) {
    static const char *const names[COLUMNS_MAX] = {"a", "b", "c", "d", "e",
                                                   "f", "g", "h", "i", "j"};
    mw_err err;
    int32_t ignored;
    *r = (quality_rows){.capacity = capacity, .n_values = n_values};
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

void quality_rows_done(quality_rows *r) {
    for (int32_t c = 0; c < r->n_values; c++) mw_free(r->values[c]);
    mw_free(r->times);
    mw_free(r->codes);
    mw_schema_free(r->schema);
}

int32_t quality_rows_device(quality_rows *r, int number) {
    mw_err err;
    int32_t code;
    char name[16];
    snprintf(name, sizeof name, "d%02d", number);
    assert_ok(mw_dictionary_add(r->schema->columns[1].dictionary, mw_str_of(name), &code, &err));
    return code;
}

int64_t quality_rows_add(quality_rows *r, int64_t time_us, int32_t code) {
    assert_true(r->n < r->capacity);
    r->times[r->n] = time_us;
    r->codes[r->n] = code;
    for (int32_t c = 0; c < r->n_values; c++) r->values[c][r->n] = MW_NAN;
    return r->n++;
}

mw_status quality_rows_feed(const mw_ctx *ctx, mw_quality *quality, const quality_rows *r,
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

mw_status quality_rows_judge(const mw_ctx *ctx, const quality_rows *r, const mw_args *args,
                             const int64_t *sizes, size_t n_sizes, mw_table **ret, mw_err *err) {
    mw_quality *quality;
    mw_status status = mw_quality_new(ctx, r->schema, 1, args, &quality, err);
    if (status) return status;
    status = quality_rows_feed(ctx, quality, r, sizes, n_sizes, err);
    if (!status) status = mw_quality_finish(quality, ret, err);
    mw_quality_free(quality);
    return status;
}

mw_table *quality_rows_judged(const quality_rows *r, const mw_args *args) {
    static const int64_t sizes[] = {4096};
    mw_ctx ctx;
    mw_err err;
    mw_table *table;
    mw_ctx_init(&ctx);
    assert_ok(quality_rows_judge(&ctx, r, args, sizes, 1, &table, &err));
    return table;
}

void quality_table_print(const mw_table *t, mw_buf *out) {
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

void assert_judged(const quality_rows *r, const mw_args *args, const char *want) {
    mw_buf got;
    mw_buf_init(&got, NULL, 1 << 24);
    mw_table *t = quality_rows_judged(r, args);
    quality_table_print(t, &got);
    mw_table_free(t);
    assert_string_equal(mw_buf_text(&got), want);
    mw_buf_done(&got);
}
