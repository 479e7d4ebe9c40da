/* op_doctor.c -- `millwright doctor`: can this machine and data folder do the work, and what to
 * mend. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/op/rows.h"

static void check(mw_json_writer *writer, const char *name, bool ok, const char *value,
                  const char *repair) {
    mw_json_object(writer);
    mw_json_add_string(writer, "check", name);
    mw_json_add_bool(writer, "ok", ok);
    mw_json_add_string(writer, "value", value);
    mw_json_add_string(writer, "repair", ok ? NULL : repair);
    mw_json_object_end(writer);
}

static void check_machine(mw_json_writer *writer) {
    char text[128];
    (void)snprintf(text, sizeof text, "%d", mw_cpu_count());
    check(writer, "cores", true, text, NULL);
    long long bytes = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    (void)snprintf(text, sizeof text, "%lld MiB", bytes >> 20);
    check(writer, "memory", bytes >> 20 >= 512, text, "at least 512 MiB are needed to train");
    struct rlimit files = {0};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)files.rlim_cur);
    check(writer, "open files", files.rlim_cur >= 1024, text, "raise it with `ulimit -n 65536`");
}

static void check_disk(const mw_app *app, mw_json_writer *writer) {
    struct statvfs disk = {0};
    char text[128];
    bool known = fstatvfs(mw_dir_fd(app->data), &disk) == 0;
    unsigned long long mib = ((unsigned long long)disk.f_bavail * disk.f_frsize) >> 20;
    (void)snprintf(text, sizeof text, "%llu MiB free", mib);
    check(writer, "disk", known && mib >= 256, text, "free some space in the data folder");
    check(writer, "disk is writable", known && !(disk.f_flag & ST_RDONLY),
          disk.f_flag & ST_RDONLY ? "read-only" : "yes", "mount it read-write");
}

/* Passes an interruption on; MW_OK for everything that the check itself reports. */
static mw_status pass_on(mw_status status, const mw_err *why, mw_err *err) {
    if (!mw_op__interrupted(status)) return MW_OK;
    if (err) *err = *why;
    return status;
}

static mw_status check_store(const mw_call *call, mw_json_writer *writer, mw_err *ret) {
    mw_err err = {0};
    char text[128];
    int64_t start = mw_clock_monotonic(call->ctx->clock);
    mw_status status = mw_store_ping(call->ctx, call->app->store, &err);
    double ms = (double)(mw_clock_monotonic(call->ctx->clock) - start) / 1e3;
    if (status == MW_OK)
        (void)snprintf(text, sizeof text, "schema %d, durable write in %.1f ms",
                       mw_store_schema_version(call->app->store), ms);
    check(writer, "store", status == MW_OK, status ? err.message : text,
          err.hint[0] ? err.hint : "look at the disk and at the permissions of millwright.db");
    return pass_on(status, &err, ret);
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
        status = pass_on(found, &why, err);
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
        if (!status) found = mw_op__check_segment(call->ctx, dir, &segments[i], true, &why);
    }
    if (!status) status = pass_on(found, &why, err);
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
    check_machine(&writer);
    check_disk(call->app, &writer);
    mw_status status = check_store(call, &writer, err);
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
        bool ok = mw_json_bool(mw_json_get(c, "ok"), false);
        mw_buf_printf(out, "%-4s %-20.*s %.*s\n", ok ? "ok" : "BAD", (int)name.size, name.data,
                      (int)value.size, value.data);
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

static const char *const examples[] = {"millwright doctor", NULL};

const mw_op mw_op_doctor = {
    .name = "doctor",
    .verb = "doctor",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Check the machine, the data folder and the models",
    .help = "Each check that fails says what to do. Also lists every limit.",
    .examples = examples,
    .prepare = prepare,
    .verdict = verdict,
    .print = print,
};
