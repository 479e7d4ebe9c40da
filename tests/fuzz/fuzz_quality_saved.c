/*
 * fuzz_quality_saved.c -- hostile bytes in place of what sensor quality has saved: they are refused, or judging goes on with them, and with what it
 * saves then. (Times that contradict each other are taken at first, and may be refused then.)
 *
 * Input: a first byte; 0: the rest is a saved state. Else the state of some rows is changed: 2 bytes place, 1 byte value, again and again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "keep/ingest/quality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 400, DEVICES = 2, HOUR_S = 3600, STATE_MAX = 1 << 20 };

static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64, MW_FLOAT64};
static mw_ctx ctx;
static mw_schema *schema;
static mw_chunk *rows;
static char base[STATE_MAX]; /* the state that is changed */
static size_t n_base;

static void must(mw_status status) {
    if (status) abort();
}

static void make_schema(void) {
    static const char *const names[] = {"time", "device_id", "a", "b"};
    int32_t ignored;
    must(mw_schema_new(NULL, &schema, NULL));
    for (int i = 0; i < 4; i++)
        must(mw_schema_add(schema, mw_str_of(names[i]), types[i], &ignored, NULL));
    for (int i = 0; i < DEVICES; i++)
        must(mw_dictionary_add(schema->columns[1].dictionary, (mw_str){&"xy"[i], 1}, &ignored,
                               NULL));
    must(mw_chunk_new(NULL, types, 4, ROWS, &rows, NULL));
}

/* Readings that wander, stand still, jump and are missing, some minutes apart, with holes. */
static void fill_rows(int64_t from_us) {
    int64_t time_us = from_us;
    for (int i = 0; i < ROWS; i++) {
        time_us += INT64_C(60000000) * (i % 97 == 96 ? 500 : 7);
        rows->columns[0].time[i] = time_us;
        rows->columns[1].codes[i] = i % DEVICES;
        rows->columns[2].number[i] = i % 61 == 60       ? 900
                                     : i / 100 % 3 == 1 ? 42
                                                        : 40 + (double)(i * 7919 % 1009) / 250;
        rows->columns[3].number[i] = i / 40 % 4 == 3 ? MW_NAN : (double)(i * 31 % 251);
    }
    rows->n_rows = ROWS;
}

static mw_status append(void *self, const void *data, size_t size, mw_err *err) {
    (void)err;
    mw_buf_append(self, data, size);
    return MW_OK;
}

static void save(const mw_quality *q, mw_buf *ret) {
    mw_buf_init(ret, NULL, STATE_MAX);
    must(mw_quality_save(q, (mw_stream_sink){append, ret}, NULL));
    must(mw_buf_status(ret, "a state", NULL));
}

static mw_quality *new_quality(void) {
    mw_quality *q;
    must(mw_quality_new(&ctx, schema, 1, NULL, &q, NULL));
    return q;
}

static void make_base(void) {
    mw_buf bytes;
    mw_ctx_init(&ctx);
    make_schema();
    fill_rows(0);
    mw_quality *q = new_quality();
    must(mw_quality_add(q, rows, NULL));
    save(q, &bytes);
    n_base = bytes.size;
    memcpy(base, bytes.data, n_base);
    mw_buf_done(&bytes);
    mw_quality_free(q);
}

/* All that is done with a state that was taken. */
static void go_on(mw_quality *q) {
    static const int32_t devices[DEVICES] = {0, 1};
    mw_table *table;
    mw_buf bytes;
    must(mw_quality_known(q, devices, DEVICES, &table, NULL));
    mw_table_free(table);
    mw_quality_mark(q, INT64_C(1) << 40);
    fill_rows(INT64_C(1000000) * HOUR_S * 60);
    must(mw_quality_add(q, rows, NULL));
    must(mw_quality_told(q, INT64_C(1) << 40, &table, NULL));
    mw_table_free(table);
    mw_quality_forget(q, INT64_C(1) << 40, INT64_C(1000000) * HOUR_S * 24);
    save(q, &bytes);
    mw_quality *again = new_quality();
    mw_str at = mw_buf_str(&bytes);
    if (mw_quality_load(again, &at, NULL) == MW_OK) {
        must(mw_quality_finish(again, &table, NULL));
        mw_table_free(table);
    }
    mw_quality_free(again);
    mw_buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char changed[STATE_MAX];
    if (!n_base) make_base();
    if (size < 1) return 0;
    mw_str bytes = {(const char *)data + 1, size - 1};
    if (data[0]) {
        memcpy(changed, base, n_base);
        for (size_t i = 1; i + 3 <= size; i += 3)
            changed[((size_t)data[i] << 8 | data[i + 1]) % n_base] = (char)data[i + 2];
        bytes = (mw_str){changed, n_base};
    }
    mw_quality *q = new_quality();
    if (mw_quality_load(q, &bytes, NULL) == MW_OK) go_on(q);
    mw_quality_free(q);
    return 0;
}
