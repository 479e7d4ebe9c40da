/* op_doctor.c -- `millwright doctor`: can this machine, store and data folder do the work, and what to mend. */
#include <stdio.h>

#include "core/base/limits.h"
#include "run/op/doctor.h"
#include "run/op/rows.h"

static const char *const levels[] = {"ok", "warning", "bad", NULL};

void mw_doctor_tell(mw_json_writer *writer, const char *name, mw_doctor_level level,
                    const char *value, const char *repair) {
    mw_json_object(writer);
    mw_json_add_string(writer, "check", name);
    mw_json_add_bool(writer, "ok", level != MW_DOCTOR_BAD);
    mw_json_add_string(writer, "level", levels[level]);
    mw_json_add_string(writer, "value", value);
    mw_json_add_string(writer, "repair", level == MW_DOCTOR_OK ? NULL : repair);
    mw_json_object_end(writer);
}

static void check(mw_json_writer *writer, const char *name, bool ok, const char *value,
                  const char *repair) {
    mw_doctor_tell(writer, name, ok ? MW_DOCTOR_OK : MW_DOCTOR_BAD, value, repair);
}

mw_status mw_doctor_pass_on(mw_status status, const mw_err *why, mw_err *err) {
    if (!mw_op__interrupted(status)) return MW_OK;
    if (err) *err = *why;
    return status;
}

static mw_status check_models(const mw_call *call, mw_json_writer *writer, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_version_record *versions;
    size_t n = 0;
    mw_status status =
        mw_store_versions(call->ctx, call->app->store, &arena, NULL, &versions, &n, err);
    for (size_t i = 0; i < n && !status; i++) {
        mw_err why = {0};
        char name[128], value[32];
        if (!versions[i].production) continue;
        (void)snprintf(name, sizeof name, "model %.64s", versions[i].model);
        (void)snprintf(value, sizeof value, "version %d", versions[i].version);
        mw_status found = mw_live_check(call->ctx, call->app->live, versions[i].model, &why);
        check(writer, name, !found, found ? why.message : value, "train again: `millwright train`");
        status = mw_doctor_pass_on(found, &why, err);
    }
    if (!status && n == 0) check(writer, "models", true, "none yet", NULL);
    mw_arena_done(&arena);
    return status;
}

static mw_status check_dataset(const mw_call *call, const char *dataset, mw_arena *arena,
                               mw_json_writer *writer, mw_err *err) {
    const mw_segment_record *segments;
    size_t n = 0;
    mw_status status =
        mw_store_segments(call->ctx, call->app->store, arena, dataset, &segments, &n, err);
    mw_dir *dir = NULL;
    if (!status) status = mw_app_folder(call->app, call->ctx, "datasets", dataset, &dir, err);
    mw_err why = {0};
    mw_status found = MW_OK;
    for (size_t i = 0; i < n && !status && !found; i++) {
        mw_ctx_report(call->ctx, "reading the datasets", (double)i, (double)n);
        status = mw_ctx_check(call->ctx, err);
        if (!status)
            found =
                mw_op__have_segment(call->app, call->ctx, dataset, dir, &segments[i], true, &why);
    }
    if (!status) status = mw_doctor_pass_on(found, &why, err);
    char name[96], value[32];
    (void)snprintf(name, sizeof name, "dataset %.64s", dataset);
    (void)snprintf(value, sizeof value, "%zu segments", n);
    if (!status) check(writer, name, !found, found ? why.message : value, why.hint);
    mw_dir_close(dir);
    return status;
}

static mw_status check_datasets(const mw_call *call, mw_json_writer *writer, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const char *const *datasets;
    size_t n = 0;
    mw_status status =
        mw_store_dataset_list(call->ctx, call->app->store, &arena, &datasets, &n, err);
    for (size_t i = 0; i < n && !status; i++)
        status = check_dataset(call, datasets[i], &arena, writer, err);
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "version", MW_VERSION);
    mw_json_add_string(&writer, "data", call->app->data_path);
    mw_json_key(&writer, "checks");
    mw_json_array(&writer);
    mw_status status = mw_doctor_machine(call, &writer, err);
    if (!status) mw_doctor_disk(call, &writer);
    if (!status) status = mw_doctor_certificate(call, &writer, err);
    if (!status) status = mw_doctor_store(call, &writer, err);
    if (!status) status = mw_doctor_artifacts(call, &writer, err);
    if (!status) status = mw_doctor_keys(call, &writer, err);
    if (!status) status = mw_doctor_jobs(call, &writer, err);
    if (!status) status = check_datasets(call, &writer, err);
    if (!status) status = check_models(call, &writer, err);
    mw_json_array_end(&writer);
    mw_json_key(&writer, "limits");
    mw_json_array(&writer);
    for (size_t i = 0; i < MW_LIMIT_COUNT; i++) {
        mw_json_object(&writer);
        mw_json_add_string(&writer, "name", mw_limits[i].name);
        mw_json_add_int(&writer, "value", mw_limits[i].value);
        mw_json_add_string(&writer, "what", mw_limits[i].what);
        mw_json_object_end(&writer);
    }
    mw_json_array_end(&writer);
    mw_json_object_end(&writer);
    return status;
}

static mw_status verdict(const mw_json *result) {
    const mw_json *checks = mw_json_get(result, "checks");
    for (const mw_json *item = checks ? checks->first : NULL; item; item = item->next)
        if (!mw_json_bool(mw_json_get(item, "ok"), false)) return MW_EDATA;
    return MW_OK;
}

static void print(const mw_json *result, mw_buf *out) {
    mw_str version = mw_json_string(mw_json_get(result, "version"), "");
    mw_str data = mw_json_string(mw_json_get(result, "data"), "");
    mw_buf_printf(out, "millwright %.*s, data in %.*s\n", (int)version.size, version.data,
                  (int)data.size, data.data);
    const mw_json *checks = mw_json_get(result, "checks");
    for (const mw_json *c = checks ? checks->first : NULL; c; c = c->next) {
        mw_str name = mw_json_string(mw_json_get(c, "check"), "");
        mw_str value = mw_json_string(mw_json_get(c, "value"), "");
        mw_str repair = mw_json_string(mw_json_get(c, "repair"), "");
        const mw_str level = mw_json_string(mw_json_get(c, "level"), "bad");
        const char *mark = mw_str_is(level, "ok") ? "ok" : mw_str_is(level, "bad") ? "BAD" : "warn";
        mw_buf_printf(out, "%-4s %-30.*s %.*s\n", mark, (int)name.size, name.data, (int)value.size,
                      value.data);
        if (repair.size) mw_buf_printf(out, "     -> %.*s\n", (int)repair.size, repair.data);
    }
    mw_buf_add(out, "\nlimits (see docs/ARCHITECTURE.md)\n");
    const mw_json *limits = mw_json_get(result, "limits");
    for (const mw_json *l = limits ? limits->first : NULL; l; l = l->next) {
        mw_str name = mw_json_string(mw_json_get(l, "name"), "");
        mw_str what = mw_json_string(mw_json_get(l, "what"), "");
        mw_buf_printf(out, "  %-28.*s %14lld  %.*s\n", (int)name.size, name.data,
                      (long long)mw_json_int(mw_json_get(l, "value"), 0), (int)what.size,
                      what.data);
    }
}

static const mw_param params[] = {
    {.name = "host",
     .type = MW_PARAM_STRING,
     .def = "127.0.0.1",
     .env = "ML_API_HOST",
     .help = "Address that the server is to listen on: one that others can reach needs API keys."},
    {.name = "tls_cert",
     .type = MW_PARAM_STRING,
     .env = "ML_API_TLS_CERT",
     .help = "The server's certificate, PEM: until when it is valid."},
    {0}};

static const char *const examples[] = {"millwright doctor", NULL};

const mw_op mw_op_doctor = {
    .name = "doctor",
    .verb = "doctor",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Check the machine, the store, the data folder and the models",
    .help = "Each check that fails, or warns, says what to do; a warning leaves the exit status 0. "
            "Also lists every limit.",
    .params = params,
    .examples = examples,
    .prepare = prepare,
    .verdict = verdict,
    .print = print,
};
