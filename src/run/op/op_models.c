/* op_models.c -- GET /models/status and `millwright models`: the production versions and their
 * health. */
#include "run/op/rows.h"

#include "core/text/datetime.h"

static mw_status write_version(const mw_call *call, const mw_version_record *version,
                               mw_json_writer *writer, mw_err *err) {
    mw_err why = {0};
    mw_status status = mw_live_check(call->ctx, call->app->live, version->model, &why);
    if (mw_op__interrupted(status)) {
        if (err) *err = why;
        return status;
    }
    bool loaded = status == MW_OK;
    mw_json_object(writer);
    mw_json_add_string(writer, "name", version->model);
    mw_json_add_int(writer, "version", version->version);
    mw_json_add_string(writer, "status", loaded ? "ready" : "damaged");
    mw_json_add_string(writer, "reason", loaded ? NULL : why.message);
    mw_json_add_time(writer, "trained", version->created_us);
    mw_json_add_string(writer, "run_id", version->run_id);
    mw_json_add_string(writer, "sha256", version->sha256);
    mw_json_add_string(writer, "data_hash", version->data_hash);
    mw_json_key(writer, "metrics");
    mw_json_write_raw(writer, mw_str_of(version->metrics));
    mw_json_object_end(writer);
    return MW_OK;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_version_record *versions;
    size_t n;
    mw_status status =
        mw_store_versions(call->ctx, call->app->store, &arena, NULL, &versions, &n, err);
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        mw_json_object(&writer);
        mw_json_add_bool(&writer, "trained", n > 0);
        mw_json_key(&writer, "models");
        mw_json_array(&writer);
        for (size_t i = 0; i < n && !status; i++)
            if (versions[i].production) status = write_version(call, &versions[i], &writer, err);
        mw_json_array_end(&writer);
        mw_json_object_end(&writer);
    }
    mw_arena_done(&arena);
    return status;
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_json *models = mw_json_get(result, "models");
    if (!models || !models->first) {
        mw_buf_add(out, "no models yet: run `millwright train`\n");
        return;
    }
    for (const mw_json *m = models->first; m; m = m->next) {
        mw_str name = mw_json_string(mw_json_get(m, "name"), "");
        mw_str status = mw_json_string(mw_json_get(m, "status"), "");
        mw_str trained = mw_json_string(mw_json_get(m, "trained"), "");
        mw_str sha256 = mw_json_string(mw_json_get(m, "sha256"), "");
        mw_buf_printf(out, "%-12.*s version %-4lld %-8.*s trained %.*s  sha256 %.12s\n",
                      (int)name.size, name.data,
                      (long long)mw_json_int(mw_json_get(m, "version"), 0), (int)status.size,
                      status.data, (int)trained.size, trained.data, sha256.size ? sha256.data : "");
        mw_str reason = mw_json_string(mw_json_get(m, "reason"), "");
        if (reason.size)
            mw_buf_printf(out, "  %.*s\n  -> train again: `millwright train`\n", (int)reason.size,
                          reason.data);
    }
}

static const char *const states[] = {"ready", "damaged", NULL};

static const mw_field model_fields[] = {
    {.name = "name", .type = MW_FIELD_STRING, .help = "registered name"},
    {.name = "version", .type = MW_FIELD_INTEGER, .help = "production version"},
    {.name = "status", .type = MW_FIELD_STRING, .choices = states, .help = "can it be used"},
    {.name = "reason", .type = MW_FIELD_STRING, .nullable = true, .help = "why not"},
    {.name = "trained", .type = MW_FIELD_TIME, .help = "when"},
    {.name = "run_id", .type = MW_FIELD_STRING, .help = "the training behind it"},
    {.name = "sha256", .type = MW_FIELD_STRING, .help = "of model.onnx or state.arrow"},
    {.name = "data_hash", .type = MW_FIELD_STRING, .help = "identity of the data it learned from"},
    {.name = "metrics", .type = MW_FIELD_ANY, .help = "as measured at training"},
    {0}};

static const mw_field result[] = {
    {.name = "trained", .type = MW_FIELD_BOOL, .help = "whether there is any model"},
    {.name = "models",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = model_fields,
     .help = "the production version of each"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_OK};
static const char *const examples[] = {"millwright models", NULL};

const mw_op mw_op_models_status = {
    .name = "models_status",
    .verb = "models",
    .method = "GET",
    .path = "/models/status",
    .area = "service",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .public = true,
    .tagged = true,
    .summary = "The production models and whether they can be used",
    .help = "Each model is loaded once to see whether it can be used.",
    .examples = examples,
    .result = result,
    .errors = errors,
    .prepare = prepare,
    .print = print,
};
