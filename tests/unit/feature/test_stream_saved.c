/*
 * test_stream_saved.c -- a stream and its devices' names through bytes: the same bits go on; what a push will make of rows is known before it;
 * damaged bytes are refused; every allocation fails once.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "learn/feature/config.h"
#include "learn/feature/stream_saved.h"
#include "support/fault_loop.h"
#include "support/harness.h"

enum { ROWS = 600, INPUTS = 2, OUTPUTS = 64 };

static mw_err err;

static const char *const configs[] = {
    "{\"schemaConfig\":{\"continuousColumns\":[\"a\",\"b\"],\"lateness\":\"40s\","
    "\"rollingWindows\":[5,"
    "\"1min\"],\"lagSeconds\":[20],\"features\":[{\"op\":[\"ewm_mean\"],\"of\":\"a\",\"window\":3},"
    "{\"op\":\"energy\",\"of\":\"a\"}]}}",
    "{\"schemaConfig\":{\"continuousColumns\":[\"a\",\"b\"],\"rollingWindows\":[5,\"1min\"],"
    "\"features\":[{\"op\":\"zscore\",\"of\":\"b\"}]}}"};
static const char *const names[] = {"press 1", "press 2", "\xc3\xb6l", "never", "last"};
enum { DEVICES = 5 };

typedef struct rows {
    int64_t times[ROWS];
    int32_t devices[ROWS];
    double values[INPUTS][ROWS];
} rows;

static int roll(mw_rng *rng, int n) { return (int)mw_rng_below(rng, (uint64_t)n); }

/* Rows of 10 s; some late, some that come twice, some of no use. Device 3 has none. */
static void any_rows(mw_rng *rng, rows *r) {
    for (int i = 0; i < ROWS; i++) {
        const int device = roll(rng, DEVICES);
        r->devices[i] = roll(rng, 40) == 0 ? -1 : device == 3 ? 4 : device;
        r->times[i] = i / 4 * INT64_C(10000000);
        if (roll(rng, 5) == 0) r->times[i] -= roll(rng, 9) * INT64_C(5000000);
        if (roll(rng, 50) == 0) r->times[i] = MW_TIME_NONE;
        for (int c = 0; c < INPUTS; c++)
            r->values[c][i] = roll(rng, 9) ? roll(rng, 1000) * 0.1 : MW_NAN;
    }
}

static mw_stream_rows some(const rows *r, int from, int n, const double *columns[INPUTS]) {
    for (int c = 0; c < INPUTS; c++) columns[c] = r->values[c] + from;
    return (mw_stream_rows){n, r->times + from, r->devices + from, columns};
}

static mw_status put(void *self, const void *data, size_t size, mw_err *e) {
    (void)e;
    mw_buf_append(self, data, size);
    return MW_OK;
}

static mw_status all_names(mw_mem *mem, mw_dictionary **ret, mw_err *e) {
    int32_t code;
    mw_status status = mw_dictionary_new(mem, ret, e);
    for (int i = 0; i < DEVICES && !status; i++)
        status = mw_dictionary_add(*ret, mw_str_of(names[i]), &code, e);
    return status;
}

/* The stream and the names are replaced by those that come out of their bytes. */
static mw_status restart(mw_mem *mem, const mw_program *program, mw_stream **stream,
                         mw_dictionary **devices, mw_err *e) {
    mw_buf bytes;
    mw_buf_init(&bytes, mem, 1 << 24);
    mw_status status = mw_stream_save(mem, *stream, *devices, (mw_stream_sink){put, &bytes}, e);
    if (!status) status = mw_buf_status(&bytes, "a stream", e);
    *stream = mw_stream_free(*stream);
    *devices = mw_dictionary_free(*devices);
    if (!status) status = mw_stream_load(mem, program, mw_buf_str(&bytes), stream, devices, e);
    mw_buf_done(&bytes);
    return status;
}

static void check_fates(const mw_fate *fates, int n, const mw_stream_counts *before,
                        const mw_stream_counts *after) {
    int64_t counts[MW_FATES] = {0};
    for (int i = 0; i < n; i++) counts[fates[i]]++;
    assert_int_equal(after->used - before->used, counts[MW_FATE_USED] + counts[MW_FATE_LATE_USED]);
    assert_int_equal(after->late_used - before->late_used, counts[MW_FATE_LATE_USED]);
    assert_int_equal(after->late - before->late, counts[MW_FATE_LATE]);
    assert_int_equal(after->repeated - before->repeated, counts[MW_FATE_REPEATED]);
    assert_int_equal(after->unusable - before->unusable, counts[MW_FATE_UNUSABLE]);
}

static float whole[OUTPUTS][ROWS], pieces[OUTPUTS][ROWS];
static rows at_hand;

static void push_pieces(mw_rng *rng, const mw_ctx *ctx, const mw_program *p) {
    mw_stream *stream;
    mw_dictionary *devices;
    mw_fate fates[ROWS];
    assert_ok(mw_stream_new(NULL, p, &stream, &err));
    assert_ok(all_names(NULL, &devices, &err));
    for (int from = 0, n; from < ROWS; from += n) {
        const double *columns[INPUTS];
        float *out[OUTPUTS];
        n = 1 + roll(rng, 60);
        if (n > ROWS - from) n = ROWS - from;
        for (int c = 0; c < p->n_outputs; c++) out[c] = pieces[c] + from;
        const mw_stream_rows now = some(&at_hand, from, n, columns);
        const mw_stream_counts before = mw_stream_count(stream);
        assert_ok(mw_stream_foresee(stream, &now, fates, &err));
        assert_ok(mw_stream_push(ctx, stream, &now, out, &err));
        const mw_stream_counts after = mw_stream_count(stream);
        check_fates(fates, n, &before, &after);
        if (roll(rng, 3) == 0) assert_ok(restart(NULL, p, &stream, &devices, &err));
    }
    for (int i = 0; i < DEVICES; i++)
        assert_true(mw_str_is(mw_dictionary_text(devices, i), names[i]));
    int64_t time;
    assert_null(mw_stream_newest(stream, 3, &time));
    assert_null(mw_stream_newest(stream, DEVICES, &time));
    assert_non_null(mw_stream_newest(stream, 4, &time));
    mw_stream_free(stream);
    mw_dictionary_free(devices);
}

MW_TEST(a_stream_goes_on_from_bytes) {
    mw_ctx ctx;
    mw_rng rng;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int i = 0; i < 20; i++) {
        mw_feature_config config;
        mw_stream *stream;
        const double *columns[INPUTS];
        float *out[OUTPUTS];
        const char *text = configs[i % 2];
        assert_ok(mw_feature_config_read(NULL, text, strlen(text), &config, &err));
        assert_true(config.program->n_outputs <= OUTPUTS);
        any_rows(&rng, &at_hand);
        for (int c = 0; c < config.program->n_outputs; c++) out[c] = whole[c];
        const mw_stream_rows all = some(&at_hand, 0, ROWS, columns);
        assert_ok(mw_stream_new(NULL, config.program, &stream, &err));
        assert_ok(mw_stream_push(&ctx, stream, &all, out, &err));
        mw_stream_free(stream);
        push_pieces(&rng, &ctx, config.program);
        for (int c = 0; c < config.program->n_outputs; c++)
            assert_memory_equal(whole[c], pieces[c], sizeof whole[c]);
        mw_feature_config_done(&config);
    }
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    (void)arg;
    mw_feature_config config;
    mw_stream *stream = NULL;
    mw_dictionary *devices = NULL;
    const double *columns[INPUTS];
    float *out[OUTPUTS];
    mw_fate fates[60];
    mw_status status = mw_feature_config_read(ctx->mem, configs[0], strlen(configs[0]), &config, e);
    if (status) return status;
    for (int c = 0; c < config.program->n_outputs; c++) out[c] = pieces[c];
    const mw_stream_rows now = some(&at_hand, 0, 60, columns);
    status = mw_stream_new(ctx->mem, config.program, &stream, e);
    if (!status) status = all_names(ctx->mem, &devices, e);
    if (!status) status = mw_stream_foresee(stream, &now, fates, e);
    if (!status) status = mw_stream_push(ctx, stream, &now, out, e);
    if (!status) status = restart(ctx->mem, config.program, &stream, &devices, e);
    mw_stream_free(stream);
    mw_dictionary_free(devices);
    mw_feature_config_done(&config);
    return status;
}

MW_TEST(saving_survives_any_failed_allocation) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    any_rows(&rng, &at_hand);
    assert_true(mw_fault_loop_alloc(scenario, NULL) > 30);
}

/* Cut anywhere, or of other devices. What a device's bytes say is for the caller's checksum. */
MW_TEST(bytes_of_another_size_are_refused) {
    mw_ctx ctx;
    mw_rng rng;
    mw_feature_config config;
    mw_stream *stream;
    mw_dictionary *devices;
    const double *columns[INPUTS];
    float *out[OUTPUTS];
    mw_buf bytes;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    any_rows(&rng, &at_hand);
    assert_ok(mw_feature_config_read(NULL, configs[0], strlen(configs[0]), &config, &err));
    for (int c = 0; c < config.program->n_outputs; c++) out[c] = pieces[c];
    mw_stream_rows now = some(&at_hand, 0, 40, columns);
    assert_ok(mw_stream_new(NULL, config.program, &stream, &err));
    assert_ok(all_names(NULL, &devices, &err));
    assert_ok(mw_stream_push(&ctx, stream, &now, out, &err));
    mw_buf_init(&bytes, NULL, 1 << 24);
    assert_ok(mw_stream_save(NULL, stream, devices, (mw_stream_sink){put, &bytes}, &err));
    stream = mw_stream_free(stream);
    devices = mw_dictionary_free(devices);
    for (size_t n = 0; n < bytes.size; n += 1 + (size_t)roll(&rng, 40))
        assert_status(mw_stream_load(NULL, config.program, (mw_str){mw_buf_text(&bytes), n},
                                     &stream, &devices, &err),
                      MW_EDATA);
    mw_buf_add_char(&bytes, '\0');
    assert_status(mw_stream_load(NULL, config.program, mw_buf_str(&bytes), &stream, &devices, &err),
                  MW_EDATA);
    for (size_t at = 0; at < 8; at++) { /* the number of devices */
        char *byte = bytes.data + sizeof(mw_stream_counts) + at;
        *byte = (char)(*byte ^ 1);
        assert_status(
            mw_stream_load(NULL, config.program, mw_buf_str(&bytes), &stream, &devices, &err),
            MW_EDATA);
        *byte = (char)(*byte ^ 1);
    }
    mw_buf_done(&bytes);
    mw_feature_config_done(&config);
}

MW_TEST_MAIN(MW_RUN(a_stream_goes_on_from_bytes), MW_RUN(saving_survives_any_failed_allocation),
             MW_RUN(bytes_of_another_size_are_refused))
