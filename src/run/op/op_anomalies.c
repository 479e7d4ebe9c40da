/* op_anomalies.c -- GET /anomalies: the windows the isolation forest found strangest, strangest
 * first. */
#include "run/op/app.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    const mw_live_model *model;
    mw_status status = mw_live_get(call->ctx, call->app->live, "anomaly", &model, err);
    if (status) return status;
    if (!model->anomalies) {
        mw_live_unref(call->app->live, model);
        mw_fail(err, MW_EDATA, "the model anomaly has lost its list of anomalies");
        return mw_err_hint(err, "train again: its folder was changed after it was saved");
    }
    int64_t left = mw_args_int(call->args, "limit");
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_array(&writer);
    for (const mw_json *a = model->anomalies->first; a && left > 0; a = a->next, left--)
        mw_json_write_value(&writer, a);
    mw_json_array_end(&writer);
    mw_live_unref(call->app->live, model);
    return MW_OK;
}

static void print(const mw_json *result, mw_buf *out) {
    if (!result->first) mw_buf_add(out, "no windows were scored\n");
    for (const mw_json *a = result->first; a; a = a->next) {
        mw_str start = mw_json_string(mw_json_get(a, "start"), "");
        mw_str device = mw_json_string(mw_json_get(a, "device"), "-");
        bool flagged = mw_json_bool(mw_json_get(a, "is_anomaly"), false);
        mw_buf_printf(out, "%.3f %s %.*s  %-12.*s", mw_json_number(mw_json_get(a, "score"), 0),
                      flagged ? "!" : " ", (int)start.size, start.data, (int)device.size,
                      device.data);
        const mw_json *parameters = mw_json_get(a, "parameters");
        for (const mw_json *p = parameters ? parameters->first : NULL; p; p = p->next) {
            mw_str name = mw_json_string(mw_json_get(p, "name"), "");
            mw_str of = mw_json_string(mw_json_get(p, "statistic"), "");
            mw_buf_printf(out, "  %.*s %.*s %.5g (typically %.5g, %+.1f deviations)",
                          (int)name.size, name.data, (int)of.size, of.data,
                          mw_json_number(mw_json_get(p, "value"), 0),
                          mw_json_number(mw_json_get(p, "typical"), 0),
                          mw_json_number(mw_json_get(p, "deviations"), 0));
        }
        mw_buf_add_char(out, '\n');
    }
}

static const mw_param params[] = {{.name = "limit",
                                   .type = MW_PARAM_INT,
                                   .def = "50",
                                   .min = 1,
                                   .max = 1000,
                                   .help = "The most windows to list."},
                                  {0}};

static const mw_field parameter_fields[] = {
    {.name = "name", .type = MW_FIELD_STRING, .help = "what stood out"},
    {.name = "statistic", .type = MW_FIELD_STRING, .help = "mean, min, max or std of the window"},
    {.name = "value", .type = MW_FIELD_NUMBER, .help = "in this window"},
    {.name = "typical", .type = MW_FIELD_NUMBER, .help = "the device's median"},
    {.name = "deviations",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "how far from it, in robust standard deviations, signed"},
    {0}};

static const mw_field result[] = {
    {.name = "start", .type = MW_FIELD_TIME, .help = "start of the window, UTC"},
    {.name = "device",
     .type = MW_FIELD_STRING,
     .nullable = true,
     .help = "device_id, if there is one"},
    {.name = "score", .type = MW_FIELD_NUMBER, .help = "0 to 1, higher is stranger"},
    {.name = "is_anomaly", .type = MW_FIELD_BOOL, .help = "above the contamination's threshold"},
    {.name = "parameters",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = parameter_fields,
     .help = "what stood out most"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_EDATA, MW_OK};
static const char *const examples[] = {"millwright anomalies --limit 10", NULL};

const mw_op mw_op_anomalies = {
    .name = "anomalies",
    .verb = "anomalies",
    .method = "GET",
    .path = "/anomalies",
    .area = "quick analytics",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "The strangest windows, and what stood out in them",
    .help =
        "Every window of the last training was scored; the 1000 highest are kept. 409 before the "
        "first training.",
    .examples = examples,
    .params = params,
    .result = result,
    .example =
        "[{\"start\":\"2026-01-11T10:15:00Z\",\"device\":\"DMP-02\",\"score\":0.663,\"is_anom"
        "aly\":true,\"parameters\":[{\"name\":\"oil_pressure\",\"statistic\":\"mean\",\"value"
        "\":0.392,\"typical\":3.552,\"deviations\":-4.99}]}]",
    .result_is_array = true,
    .errors = errors,
    .prepare = prepare,
    .print = print,
};
