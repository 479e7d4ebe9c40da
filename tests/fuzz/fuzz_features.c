/*
 * fuzz_features.c -- any bytes as a feature configuration and rows: up to the first NUL the JSON, then 16 bytes a row. What compiles takes the rows, all at
 * once and one by one, with the same bits.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "learn/feature/config.h"
#include "learn/feature/stream.h"

enum { ROWS = 64, ROW_BYTES = 16, MOST_FEATURES = 400, MOST_INPUTS = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct rows {
    int64_t n, times[ROWS];
    int32_t devices[ROWS];
    double values[ROWS];
} rows;

static void read_rows(const uint8_t *data, size_t size, rows *r) {
    int64_t time = 0;
    for (r->n = 0; r->n < ROWS && size >= ROW_BYTES; r->n++, data += ROW_BYTES, size -= ROW_BYTES) {
        int32_t step;
        memcpy(&step, data, sizeof step);
        time += step;
        r->times[r->n] = time;
        r->devices[r->n] = data[4] % 3 - (data[5] == 0);
        memcpy(&r->values[r->n], data + 8, sizeof(double));
    }
}

/* Every input is the same column. */
static void push(const mw_program *p, const rows *r, int64_t step, float *made) {
    const double *columns[MOST_INPUTS];
    float *out[MOST_FEATURES];
    mw_stream *stream;
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    if (mw_stream_new(NULL, p, &stream, &err)) abort();
    for (int64_t from = 0; from < r->n; from += step) {
        for (int32_t c = 0; c < p->n_inputs; c++) columns[c] = r->values + from;
        for (int32_t k = 0; k < p->n_outputs; k++) out[k] = made + k * ROWS + from;
        const int64_t n = r->n - from < step ? r->n - from : step;
        const mw_stream_rows some = {n, r->times + from, r->devices + from, columns};
        if (mw_stream_push(&ctx, stream, &some, out, &err)) abort();
    }
    mw_stream_free(stream);
}

/* Where it has operating conditions: those of the rows, for the configuration anew. */
static void learn_conditions(mw_feature_config *config, const char *text, size_t size,
                             const rows *r) {
    const double *columns[MOST_INPUTS];
    const mw_program *p = config->program;
    mw_feature_config fitted;
    mw_conditions *conditions = NULL;
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    for (int32_t c = 0; c < p->n_inputs; c++) columns[c] = r->values;
    mw_status status = mw_program_fit_conditions(&ctx, p, columns, NULL, r->n, &conditions, &err);
    if (status == MW_EDATA) return; /* no row has all settings */
    if (status || mw_feature_config_read_fitted(NULL, text, size, conditions, &fitted, &err))
        abort();
    mw_conditions_free(conditions);
    mw_feature_config_done(config);
    *config = fitted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float at_once[MOST_FEATURES * ROWS], one_by_one[MOST_FEATURES * ROWS];
    mw_feature_config config;
    mw_err err;
    rows r;
    const uint8_t *end = memchr(data, 0, size);
    const size_t text = end ? (size_t)(end - data) : size;
    mw_status status = mw_feature_config_read(NULL, (const char *)data, text, &config, &err);
    if (status) {
        if (status != MW_EPARSE && status != MW_EINVAL && status != MW_ETOOLARGE) abort();
        return 0;
    }
    read_rows(data + text + (end != NULL), size - text - (end != NULL), &r);
    if (config.program->n_sensors > 0 && config.program->n_inputs <= MOST_INPUTS && r.n > 0)
        learn_conditions(&config, (const char *)data, text, &r);
    const mw_program *p = config.program;
    if (p->n_inputs <= MOST_INPUTS && p->n_outputs <= MOST_FEATURES && r.n > 0) {
        push(p, &r, ROWS, at_once);
        push(p, &r, 1, one_by_one);
        for (int32_t k = 0; k < p->n_outputs; k++)
            if (memcmp(at_once + k * ROWS, one_by_one + k * ROWS, (size_t)r.n * sizeof(float)))
                abort();
    }
    mw_feature_config_done(&config);
    return 0;
}
