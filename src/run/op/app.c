/* app.c -- opens the services in the order they need each other, and closes them in the reverse
 * one. */
#include "run/op/app.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"

enum { HEALTH_PERIOD_S = 5 };

/* Below this, ingest and training will soon fail. */
#define LOW_DISK_BYTES (UINT64_C(256) << 20)

/* ---- health ---- */

static void check_disk(mw_app *app, mw_json_writer *reasons) {
    struct statvfs disk;
    if (fstatvfs(mw_dir_fd(app->data), &disk) != 0) {
        mw_json_write_string(reasons, "the data folder cannot be reached");
        return;
    }
    if (disk.f_flag & ST_RDONLY)
        mw_json_write_string(reasons, "the data folder is on a read-only file system");
    if ((uint64_t)disk.f_bavail * disk.f_frsize < LOW_DISK_BYTES)
        mw_json_write_string(reasons, "less than 256 MiB of disk are free in the data folder");
}

static void check_models(mw_app *app, const mw_ctx *ctx, mw_json_writer *reasons) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char *const *orgs;
    size_t n_orgs = 0;
    mw_err err = {0};
    mw_status status = mw_store_org_list(ctx, app->store, &arena, &orgs, &n_orgs, &err);
    for (size_t i = 0; i < n_orgs && !status; i++) {
        mw_ctx of_org = *ctx;
        of_org.org = orgs[i];
        const mw_version_record *versions;
        size_t n = 0;
        status = mw_store_versions(&of_org, app->store, &arena, NULL, &versions, &n, &err);
        for (size_t k = 0; k < n && !status; k++) {
            if (!versions[k].production) continue;
            if (mw_live_check(&of_org, app->live, versions[k].model, &err))
                mw_json_write_string(reasons, err.message);
        }
    }
    if (status) mw_json_write_string(reasons, err.message);
    mw_arena_done(&arena);
}

/* What was counted before stays where the store does not answer. */
static void count_jobs(mw_app *app, const mw_ctx *ctx) {
    mw_job_counts counts;
    mw_err err;
    if (mw_store_job_counts(ctx, app->store, &counts, &err) != MW_OK) return;
    pthread_mutex_lock(&app->health_mutex);
    app->job_counts = counts;
    pthread_mutex_unlock(&app->health_mutex);
}

void mw_app_look(mw_app *app, const mw_ctx *ctx) {
    mw_buf reasons, body;
    mw_buf_init(&reasons, ctx->mem, MW_HEALTH_BYTES - 64);
    mw_json_writer list;
    mw_json_writer_init(&list, &reasons, 0);
    mw_json_array(&list);
    size_t empty = reasons.size;
    mw_err err = {0};
    if (mw_store_ping(ctx, app->store, &err)) {
        mw_buf_clear(&reasons);
        mw_json_writer_init(&list, &reasons, 0);
        mw_json_array(&list);
        mw_json_write_string(&list, "the store cannot be written");
        mw_log_error(ctx, "health: %s", err.message);
    }
    count_jobs(app, ctx);
    check_disk(app, &list);
    check_models(app, ctx, &list);
    char trouble[MW_ERR_MESSAGE_MAX];
    if (mw_telemetry_trouble(app->telemetry, trouble)) mw_json_write_string(&list, trouble);
    bool ok = !reasons.failed && reasons.size == empty;
    mw_json_array_end(&list);
    mw_buf_init(&body, ctx->mem, MW_HEALTH_BYTES - 1);
    mw_buf_printf(&body, "{\"status\":\"%s\",\"reasons\":%s}", ok ? "ok" : "degraded",
                  reasons.failed ? "[\"several; see the log\"]" : mw_buf_text(&reasons));
    pthread_mutex_lock(&app->health_mutex);
    if (!body.failed) mw_str_copy(app->health, sizeof app->health, mw_buf_str(&body));
    pthread_mutex_unlock(&app->health_mutex);
    mw_buf_done(&reasons);
    mw_buf_done(&body);
}

static void *health_main(void *arg) {
    mw_app *app = arg;
    pthread_mutex_lock(&app->health_mutex);
    while (!app->closing) {
        pthread_mutex_unlock(&app->health_mutex);
        mw_app_look(app, app->ctx);
        pthread_mutex_lock(&app->health_mutex);
        if (!app->closing)
            mw_cond_wait_us(&app->health_wake, &app->health_mutex,
                            HEALTH_PERIOD_S * MW_US_PER_SECOND);
    }
    pthread_mutex_unlock(&app->health_mutex);
    return NULL;
}

void mw_app_read_health(mw_app *app, char out[MW_HEALTH_BYTES]) {
    pthread_mutex_lock(&app->health_mutex);
    memcpy(out, app->health, MW_HEALTH_BYTES);
    pthread_mutex_unlock(&app->health_mutex);
}

void mw_app_read_job_counts(mw_app *app, mw_job_counts *ret) {
    pthread_mutex_lock(&app->health_mutex);
    *ret = app->job_counts;
    pthread_mutex_unlock(&app->health_mutex);
}

static void stop_monitor(mw_app *app) {
    if (!app->health_running) return;
    pthread_mutex_lock(&app->health_mutex);
    app->closing = true;
    pthread_cond_signal(&app->health_wake);
    pthread_mutex_unlock(&app->health_mutex);
    pthread_join(app->health_thread, NULL);
    app->health_running = false;
}

/* ---- opening and closing ---- */

static mw_status open_store(mw_app *app, const char *location, mw_err *err) {
    char path[4096];
    if (location) return mw_store_open(app->ctx, location, &app->store, err);
    int n = snprintf(path, sizeof path, "%s/millwright.db", app->data_path);
    if (n < 0 || (size_t)n >= sizeof path)
        return mw_fail(err, MW_EINVAL, "the path of the data folder is longer than 4000 bytes");
    return mw_store_open(app->ctx, path, &app->store, err);
}

/*
 * Servers that share records without sharing a data folder leave each other what lies in theirs: jobs that read files of it, and live rows. A folder is known
 * by a name that is drawn once.
 */
static mw_status find_home(mw_app *app, mw_err *err) {
    static const char name[] = "home";
    enum { N_BYTES = 8 };
    unsigned char drawn[N_BYTES];
    char made[2 * N_BYTES + 1], *text = NULL;
    size_t size = 0;
    mw_status status =
        mw_file_read(app->ctx, app->data, name, MW_STORE_HOME - 1, &text, &size, err);
    if (status == MW_ENOTFOUND) {
        mw_err_clear(err);
        randombytes_buf(drawn, sizeof drawn);
        sodium_bin2hex(made, sizeof made, drawn, sizeof drawn);
        status = mw_file_replace(app->ctx, app->data, name, made, strlen(made), err);
        if (!status) mw_store_set_home(app->store, made);
        return status;
    }
    if (!status && (size != 2 * N_BYTES || strspn(text, "0123456789abcdef") != size)) {
        status = mw_fail(err, MW_EDATA, "the file %s/%s is damaged", app->data_path, name);
        mw_err_hint(err, "restore it: it names this folder in jobs and sources of live rows");
    }
    if (!status) mw_store_set_home(app->store, text);
    mw_free(text);
    return status;
}

static mw_status open_artifacts(mw_app *app, const char *location, mw_err *err) {
    mw_status status = mw_artifacts_open(app->ctx, location, app->store, &app->artifacts, err);
    if (!status && app->artifacts && strcmp(mw_store_kind(app->store), "postgresql") == 0)
        status = find_home(app, err);
    return status;
}

/* Never more than half of the machine: another part, or a job, needs the rest. */
static size_t share_of_memory(int64_t most) {
    const int64_t half = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 2;
    return (size_t)(half > 0 && half < most ? half : most);
}

static void init_part(mw_app_part *part, const mw_ctx *ctx, size_t ceiling_bytes) {
    mw_mem_init(&part->mem, ctx->mem ? ctx->mem : &mw_mem_process, ceiling_bytes);
    part->ctx = *ctx;
    part->ctx.mem = &part->mem;
}

/* SQLite's own message for a read-only folder is that a file does not exist. */
static mw_status check_writable(const mw_app *app, mw_err *err) {
    if (faccessat(mw_dir_fd(app->data), ".", W_OK | X_OK, AT_EACCESS) == 0) return MW_OK;
    mw_status status =
        mw_fail_errno(err, errno, "the data folder %s cannot be written", app->data_path);
    mw_err_hint(err, "mount it read-write and give this user the right to write in it");
    return status;
}

static mw_status start(mw_app *app, const mw_app_options *options, mw_err *err) {
    const mw_ctx *ctx = app->ctx;
    mw_status status = mw_dir_open(ctx, app->data_path, MW_DIR_CREATE, &app->data, err);
    if (!status) status = check_writable(app, err);
    if (!status) status = open_store(app, options->store, err);
    if (!status) status = open_artifacts(app, options->artifacts, err);
    if (!status) status = mw_store_org_ensure(ctx, app->store, "default", err);
    int64_t idle_us = options->cache_us ? options->cache_us : 3600 * MW_US_PER_SECOND;
    if (!status)
        status = mw_live_new(&app->models.ctx, app->data, app->store, app->artifacts, idle_us,
                             &app->live, err);
    const mw_telemetry_options telemetry = {.file_bytes = (uint64_t)options->live_file_bytes,
                                            .artifacts = app->artifacts,
                                            .threads = options->monitor};
    if (!status)
        status = mw_telemetry_new(&app->rows.ctx, app->data, app->store, &telemetry,
                                  &app->telemetry, err);
    if (status) return status;
    mw_jobs_options jobs = {.kinds = mw_op_job_kinds(),
                            .store = app->store,
                            .app = app,
                            .data_path = app->data_path,
                            .n_workers = options->n_workers,
                            .n_remote = options->n_remote,
                            .n_threads = options->n_threads,
                            .broker = options->broker,
                            .max_retries = options->max_retries,
                            .time_limit_us = options->time_limit_us,
                            .memory_bytes = (size_t)options->memory_bytes,
                            .lease_us = options->lease_us};
    status = mw_jobs_start(ctx, &jobs, &app->jobs, err);
    if (status) return status;
    mw_str_copy(app->health, sizeof app->health, mw_str_of("{\"status\":\"ok\",\"reasons\":[]}"));
    if (!options->monitor) return MW_OK;
    int failed = pthread_create(&app->health_thread, NULL, health_main, app);
    if (failed) return mw_fail_errno(err, failed, "cannot start the health monitor");
    app->health_running = true;
    return MW_OK;
}

mw_status mw_app_open(const mw_ctx *ctx, const mw_app_options *options, mw_app **ret, mw_err *err) {
    mw_app *app = mw_calloc(ctx->mem, 1, sizeof *app);
    if (!app) return mw_fail_nomem(err, "the program's services");
    app->ctx = ctx;
    app->n_threads = options->n_threads;
    init_part(&app->http, ctx, share_of_memory(MW_LIMIT(HTTP_MEMORY_BYTES)));
    init_part(&app->models, ctx, 0);
    init_part(&app->rows, ctx, share_of_memory(MW_LIMIT(LIVE_MEMORY_BYTES)));
    app->started_us = mw_clock_utc(ctx->clock);
    pthread_mutex_init(&app->health_mutex, NULL);
    mw_cond_init(&app->health_wake);
    app->data_path = mw_strdup(ctx->mem, options->data_path);
    mw_status status =
        app->data_path ? start(app, options, err) : mw_fail_nomem(err, "the program's services");
    if (status) {
        mw_app_close(app, 0);
        return status;
    }
    *ret = app;
    return MW_OK;
}

void *mw_app_close(mw_app *app, int64_t grace_us) {
    if (!app) return NULL;
    stop_monitor(app);
    mw_jobs_stop(app->jobs, grace_us);
    mw_telemetry_free(app->telemetry);
    mw_live_free(app->live);
    mw_artifacts_close(app->artifacts);
    mw_store_close(app->store);
    mw_dir_close(app->data);
    pthread_cond_destroy(&app->health_wake);
    pthread_mutex_destroy(&app->health_mutex);
    mw_free(app->data_path);
    return mw_free(app);
}

/* ---- organizations and folders ---- */

mw_status mw_app_check_org(mw_app *app, const mw_ctx *ctx, mw_err *err) {
    if (strcmp(ctx->org, "default") == 0) return MW_OK;
    if (!mw_name_valid(ctx->org))
        return mw_fail(err, MW_EINVAL,
                       "an organization's id is 1 to 64 letters, digits, '_' or '-'");
    bool exists = false;
    mw_status status = mw_store_org_exists(ctx, app->store, ctx->org, &exists, err);
    if (status || exists) return status;
    mw_dir *orgs = NULL;
    if (mw_dir_sub(ctx, app->data, "orgs", MW_DIR_MUST_EXIST, &orgs, err) == MW_OK)
        exists = mw_dir_has(orgs, ctx->org);
    mw_dir_close(orgs);
    if (exists) return mw_store_org_ensure(ctx, app->store, ctx->org, err);
    mw_fail(err, MW_ENOTFOUND, "there is no organization \"%s\"", ctx->org);
    return mw_err_hint(err,
                       "`millwright org init --org %s` makes it, and so does ingesting data with "
                       "--org %s",
                       ctx->org, ctx->org);
}

mw_status mw_app_folder(const mw_app *app, const mw_ctx *ctx, const char *a, const char *b,
                        mw_dir **ret, mw_err *err) {
    const char *const steps[] = {"orgs", ctx->org, a, b};
    mw_dir *dir = NULL;
    for (size_t i = 0; i < 4 && steps[i]; i++) {
        mw_dir *below;
        mw_status status =
            mw_dir_sub(ctx, dir ? dir : app->data, steps[i], MW_DIR_CREATE, &below, err);
        mw_dir_close(dir);
        if (status) return status;
        dir = below;
    }
    *ret = dir;
    return MW_OK;
}

char *mw_app_dataset_path(const mw_app *app, const mw_ctx *ctx, const char *dataset,
                          mw_arena *arena) {
    return mw_arena_printf(arena, "%s/orgs/%s/datasets/%s", app->data_path, ctx->org, dataset);
}

char *mw_app_csv_path(const mw_app *app, const mw_ctx *ctx, mw_arena *arena) {
    if (strcmp(ctx->org, "default") == 0) return mw_arena_printf(arena, "%s/csv", app->data_path);
    return mw_arena_printf(arena, "%s/orgs/%s/csv", app->data_path, ctx->org);
}
