/* op_importance.c -- GET /feature-importance: what a model leans on, natively and by permutation.
 */
#include "run/op/app.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    const mw_live_model *model;
    mw_status status =
        mw_live_get(call->ctx, call->app->live, mw_args_string(call->args, "model"), &model, err);
    if (status) return status;
    const mw_json *features = mw_json_get(model->importance, "features");
    if (!features) {
        mw_fail(err, MW_EDATA, "the model %s has lost its list of importances", model->name);
        mw_live_unref(call->app->live, model);
        return mw_err_hint(err, "train again: its folder was changed after it was saved");
    }
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "model", model->name);
    mw_json_add_int(&writer, "version", model->version);
    mw_json_add_str(&writer, "learner", mw_json_string(mw_json_get(model->metrics, "learner"), ""));
    mw_json_add_str(&writer, "importance_is",
                    mw_json_string(mw_json_get(model->importance, "importance_is"), ""));
    mw_json_add_str(&writer, "permutation_is",
                    mw_json_string(mw_json_get(model->importance, "permutation_is"), ""));
    mw_json_key(&writer, "features");
    mw_json_write_value(&writer, features);
    mw_json_object_end(&writer);
    mw_live_unref(call->app->live, model);
    return MW_OK;
}

static void print(const mw_json *result, mw_buf *out) {
    mw_str model = mw_json_string(mw_json_get(result, "model"), "");
    mw_str learner = mw_json_string(mw_json_get(result, "learner"), "");
    mw_buf_printf(out, "%.*s (%.*s)\n%-40s %10s %12s\n", (int)model.size, model.data,
                  (int)learner.size, learner.data, "feature", "importance", "permutation");
    const mw_json *features = mw_json_get(result, "features");
    for (const mw_json *f = features ? features->first : NULL; f; f = f->next) {
        mw_str name = mw_json_string(mw_json_get(f, "name"), "");
        mw_buf_printf(out, "%-40.*s %10.4f %12.5g\n", (int)name.size, name.data,
                      mw_json_number(mw_json_get(f, "importance"), 0),
                      mw_json_number(mw_json_get(f, "permutation"), 0));
    }
}

static const char *const models[] = {"baseline", "regression", "anomaly", NULL};

static const mw_param params[] = {{.name = "model",
                                   .type = MW_PARAM_ENUM,
                                   .def = "regression",
                                   .choices = models,
                                   .help = "Which model."},
                                  {0}};

static const mw_field feature_fields[] = {
    {.name = "name", .type = MW_FIELD_STRING, .help = "the feature"},
    {.name = "importance",
     .type = MW_FIELD_NUMBER,
     .help =
         "forest: by gain; baseline: |standardized coefficient|; anomaly: path-length share; the "
         "sum is 1"},
    {.name = "permutation",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "rise of the error when the feature is shuffled; anomaly: mean |score change|"},
    {.name = "permutation_spread",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "its standard deviation over the repeats"},
    {0}};

static const mw_field result[] = {
    {.name = "model", .type = MW_FIELD_STRING, .choices = models, .help = "which model"},
    {.name = "version", .type = MW_FIELD_INTEGER, .help = "its version"},
    {.name = "learner", .type = MW_FIELD_STRING, .help = "linear, forest or isolation"},
    {.name = "importance_is", .type = MW_FIELD_STRING, .help = "what `importance` means"},
    {.name = "permutation_is", .type = MW_FIELD_STRING, .help = "what `permutation` means"},
    {.name = "features",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = feature_fields,
     .help = "most important first"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_EDATA, MW_OK};
static const char *const examples[] = {"millwright importance --model regression", NULL};

const mw_op mw_op_importance = {
    .name = "feature_importance",
    .verb = "importance",
    .method = "GET",
    .path = "/feature-importance",
    .area = "quick analytics",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "What a model leans on",
    .help = "Native importance and importance by permutation. 409 before the first training.",
    .examples = examples,
    .params = params,
    .result = result,
    .example =
        "{\"model\":\"regression\",\"version\":1,\"learner\":\"forest\",\"importance_is\":\"s"
        "hare of the gain of all splits\",\"permutation_is\":\"rise of the test RMSE when shu"
        "ffled\",\"features\":[{\"name\":\"oil_pressure_mean\",\"importance\":0.2215,\"permut"
        "ation\":0.3899,\"permutation_spread\":0.0327}]}",
    .errors = errors,
    .prepare = prepare,
    .print = print,
};
