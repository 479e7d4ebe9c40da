/*
 * fuzz_live_rows.c -- any bytes as a request of telemetry rows; the first one says in which form. What is read is in the order of its times and has
 * devices.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/datetime.h"
#include "run/live/live_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config_text[] =
    "{\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":\"machine\",\"continuousColumns\":"
    "[\"a\"],\"booleanColumns\":[\"b\"],\"rollingWindows\":[2]}}";

static void check(const mw_live_rows *rows) {
    for (int64_t i = 0; i < rows->n; i++) {
        if (rows->times[i] == MW_TIME_NONE || (i && rows->times[i] < rows->times[i - 1])) abort();
        if (rows->devices[i] < 0 || rows->devices[i] >= mw_dictionary_size(rows->names)) abort();
    }
    if (rows->n + rows->n_unusable != rows->row) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mw_feature_config config;
    static mw_live_columns columns;
    mw_ctx ctx;
    mw_err err = {0};
    mw_live_rows rows;
    if (size == 0) return 0;
    mw_ctx_init(&ctx);
    if (!columns.names) {
        if (mw_feature_config_read(NULL, config_text, strlen(config_text), &config, &err) ||
            mw_live_columns_init(NULL, &config, &columns, &err))
            abort();
    }
    if (mw_live_rows_init(NULL, &columns, &rows, &err)) abort();
    mw_status status = mw_live_rows_read(&ctx, (mw_live_form)(data[0] % 3),
                                         (mw_str){(const char *)data + 1, size - 1}, &rows, &err);
    if (status == MW_OK) check(&rows);
    if (status != MW_OK && err.message[0] == '\0') abort();
    mw_live_rows_done(&rows);
    return 0;
}
