/* op_live_features.c -- GET /features/{device}: what is known of a device as of its newest row. */
#include "run/op/app.h"
#include "run/op/live_answer.h"

static void write_features(const mw_program *program, const float *features, mw_json_writer *w) {
    mw_json_key(w, "features");
    mw_json_object(w);
    for (int32_t i = 0; i < program->n_outputs; i++) {
        mw_json_key(w, program->names[i]);
        mw_op__write_float(features[i], w);
    }
    mw_json_object_end(w);
}

static mw_str text_of(const void *row, int32_t i) {
    const mw_telemetry_vector *vector = row;
    return vector->texts[i] ? mw_str_of(vector->texts[i]) : (mw_str){0};
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_telemetry_vector vector;
    const char *device = mw_args_string(call->args, "device");
    mw_status status = mw_telemetry_newest(call->ctx, call->app->telemetry, device, &vector, err);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "device", device);
    mw_json_add_time(&w, "time", vector.time);
    mw_json_add_int(&w, "config_version", vector.config_version);
    mw_json_add_string(&w, "program", vector.program->hash);
    write_features(vector.program, vector.features, &w);
    mw_op__write_categories(vector.columns, mw_str_of(device), text_of, &vector, &w);
    mw_op__write_quality(vector.program, &vector.flagged, 0, vector.time, &w);
    mw_json_object_end(&w);
    mw_telemetry_vector_done(&vector);
    return MW_OK;
}

static const mw_param params[] = {
    {.name = "device",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED | MW_PARAM_SLASH,
     .min = 1,
     .max = MW_LIVE_DEVICE_BYTES,
     .help = "The device's name, as its rows have it; a slash is sent as %2F."},
    {0}};

static const mw_field result[] = {
    {.name = "device", .type = MW_FIELD_STRING, .help = "the device"},
    {.name = "time", .type = MW_FIELD_TIME, .help = "of its newest row, UTC"},
    {.name = "config_version", .type = MW_FIELD_INTEGER, .help = "version of the configuration"},
    {.name = "program", .type = MW_FIELD_STRING, .help = "hash of what is computed"},
    {.name = "features",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_ANY,
     .help = "by name: a number, or null where it is missing"},
    {.name = "categories",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_ANY,
     .help =
         "the configuration's categorical columns, by name: the row's text, or null where it is "
         "missing"},
    {.name = "quality",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_ANY,
     .help = "features made of flagged readings, by name: which flags (stuck, flat, out_of_range, "
             "spike, gap, clock, unit), as of this row"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EBUSY, MW_EIO, MW_OK};

const mw_op mw_op_live_features = {
    .name = "live_features",
    .method = "GET",
    .path = "/features/{device}",
    .area = "live",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "Features of a device as of its newest row",
    .help =
        "What POST /telemetry has made of the device's rows so far: the same bits that `millwright "
        "features` makes of them in batch.",
    .params = params,
    .result = result,
    .example =
        "{\"device\":\"M1\",\"time\":\"2026-03-01T00:00:00Z\",\"config_version\":3,\"program\":"
        "\"5f0c...\",\"features\":{\"temperature_mean_5min\":61.2,\"temperature_std_5min\":null},"
        "\"categories\":{\"product\":\"A7\"},\"quality\":{\"temperature_mean_5min\":[\"stuck\"]}}",
    .errors = errors,
    .prepare = prepare,
};
