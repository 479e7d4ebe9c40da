/* fake_ops.c -- see fake_ops.h. A job is a detached thread that sleeps. */
#include "fake_ops.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "run/op/app.h"
#include "run/op/etag.h"
#include "run/op/upload.h"

enum { MAX_JOBS = 4096 };

typedef struct fake_job {
    char id[32], org[65];
    int64_t ms;
    bool fail, ended, final; /* ended: asked to, before its time */
    void (*done)(void *arg, const char *id);
    void *done_arg;
} fake_job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static fake_job jobs[MAX_JOBS];
static int n_jobs, n_threads, n_slow;
static bool stopping, slow_ends;
static int64_t counter, n_runs; /* of events */
static int64_t n_made;          /* of kept answers */
static mw_api *metrics_api;

/* Under the lock: until ms have passed, or *end or stopping is set. */
static void wait_ms(int64_t ms, const bool *end) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    while (!stopping && !*end && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
    }
}

/* ---- answers ---- */

static mw_status health(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call, (void)err;
    mw_buf_add(out, "{\"status\":\"ok\",\"reasons\":[]}");
    return MW_OK;
}

static mw_status echo(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)err;
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "org", call->ctx->org);
    mw_json_add_string(&writer, "role", call->principal.role == MW_ROLE_ADMIN ? "admin" : "other");
    mw_json_key(&writer, "args");
    mw_args_write_json(call->args, &writer);
    mw_json_object_end(&writer);
    return MW_OK;
}

static mw_status slow(const mw_call *call, mw_buf *out, mw_err *err) {
    pthread_mutex_lock(&lock);
    n_slow++;
    wait_ms(mw_args_int(call->args, "ms"), &slow_ends);
    n_slow--;
    pthread_mutex_unlock(&lock);
    return health(call, out, err);
}

/* As slow, but it looks whether it may go on. */
static mw_status patient(const mw_call *call, mw_buf *out, mw_err *err) {
    const int64_t end = mw_clock_monotonic(call->ctx->clock) + 1000 * mw_args_int(call->args, "ms");
    mw_status status = MW_OK;
    while (!status && mw_clock_monotonic(call->ctx->clock) < end) {
        mw_clock_sleep(call->ctx->clock, 5000);
        status = mw_ctx_check(call->ctx, err);
    }
    return status ? status : health(call, out, err);
}

static mw_status count_slow(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call, (void)err;
    pthread_mutex_lock(&lock);
    mw_buf_printf(out, "{\"running\":%d}", n_slow);
    pthread_mutex_unlock(&lock);
    return MW_OK;
}

static mw_status end_slow(const mw_call *call, mw_buf *out, mw_err *err) {
    pthread_mutex_lock(&lock);
    slow_ends = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return count_slow(call, out, err);
}

static mw_status fail(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)out;
    mw_status code = mw_status_from_name(mw_args_string(call->args, "code"));
    mw_fail(err, code, "failed on \"request\"");
    return mw_err_hint(err, "do not ask");
}

static mw_status large(const mw_call *call, mw_buf *out, mw_err *err) {
    size_t n = (size_t)mw_args_int(call->args, "bytes");
    (void)err;
    char *to = mw_buf_reserve(out, n);
    if (!to) return MW_OK;
    memset(to, '7', n);
    mw_buf_grew(out, n);
    return MW_OK;
}

static mw_status loop_large(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call, (void)err;
    for (int i = 0; i < 3000; i++) mw_buf_add_char(out, '5');
    return MW_OK;
}

static mw_status change(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_buf now;
    mw_buf_init(&now, call->ctx->mem, 1 << 20);
    mw_status status = large(call, &now, err);
    if (status == MW_OK) status = mw_etag_check(call->if_match, mw_buf_str(&now), err);
    mw_buf_done(&now);
    mw_buf_add(out, "{}");
    return status;
}

/* ---- events ---- */

static void add_event(int64_t n, int64_t padding, mw_buf *out) {
    mw_buf_printf(out, "id: %lld\nevent: count\ndata: {\"n\":%lld,\"pad\":\"", (long long)n,
                  (long long)n);
    for (int64_t i = 0; i < padding; i++) mw_buf_add_char(out, 'p');
    mw_buf_add(out, "\"}\n\n");
}

static mw_status events(const mw_call *call, mw_str last_event_id, mw_buf *out, char *last_id_out,
                        bool *ret_end, mw_err *err) {
    char text[MW_EVENT_ID_MAX];
    const bool grow = mw_args_bool(call->args, "grow");
    const char *code = mw_args_string(call->args, "code");
    mw_str_copy(text, sizeof text, last_event_id);
    int64_t from = strtoll(text, NULL, 10);
    pthread_mutex_lock(&lock);
    n_runs++;
    if (grow) counter++;
    const int64_t to = counter;
    pthread_mutex_unlock(&lock);
    if (code && (to > 0 || strcmp(text, "now") == 0))
        return mw_fail(err, mw_status_from_name(code), "no more events");
    if (grow && from < to) from = to - 1;
    for (int64_t n = from + 1; n <= to && n <= 1000; n++)
        add_event(n, mw_args_int(call->args, "bytes"), out);
    if (to > from) (void)snprintf(last_id_out, MW_EVENT_ID_MAX, "%lld", (long long)to);
    *ret_end = to >= 1000;
    return MW_OK;
}

static mw_status snapshot(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call, (void)err;
    pthread_mutex_lock(&lock);
    mw_buf_printf(out, "{\"n\":%lld,\"runs\":%lld}", (long long)counter, (long long)n_runs);
    pthread_mutex_unlock(&lock);
    return MW_OK;
}

static mw_status raise_counter(const mw_call *call, mw_buf *out, mw_err *err) {
    pthread_mutex_lock(&lock);
    counter += mw_args_int(call->args, "by");
    pthread_mutex_unlock(&lock);
    if (!mw_args_bool(call->args, "quiet")) mw_api_changed(metrics_api);
    return snapshot(call, out, err);
}

static mw_status make_kept(const mw_call *call, mw_buf *out, mw_err *err) {
    pthread_mutex_lock(&lock);
    const int64_t n = counter;
    mw_buf_printf(out, "{\"n\":%lld,\"made\":%lld,\"org\":\"%s\",\"pad\":\"", (long long)n,
                  (long long)++n_made, call->ctx->org);
    pthread_mutex_unlock(&lock);
    for (int64_t i = mw_args_int(call->args, "bytes"); i > 0; i--) mw_buf_add_char(out, 'k');
    mw_buf_add(out, "\"}");
    return n % 2 ? mw_fail(err, MW_ENOTFOUND, "odd") : MW_OK;
}

/* What a loop knows of the counter is always fresh here. */
static bool version(mw_app *app, bool may_ask, uint64_t *ret) {
    (void)app, (void)may_ask;
    pthread_mutex_lock(&lock);
    *ret = (uint64_t)counter;
    pthread_mutex_unlock(&lock);
    return true;
}

static mw_status events_of(const mw_op *op, const mw_call *call, mw_str last_event_id, mw_buf *out,
                           char *last_id_out, bool *ret_end, mw_err *err) {
    return op->events(call, last_event_id, out, last_id_out, ret_end, err);
}

static mw_status count_file(const mw_call *call, mw_buf *out, mw_err *err) {
    struct stat info;
    if (stat(mw_upload_path(call->upload), &info) != 0)
        return mw_fail(err, MW_EIO, "the file is not there");
    mw_buf_printf(out, "{\"bytes\":%lld}", (long long)info.st_size);
    return MW_OK;
}

/* Below the folder that MW_TEST_UPLOADS names. */
static mw_status open_upload(mw_app *app, const mw_ctx *ctx, const char *name, mw_upload **ret,
                             mw_err *err) {
    static mw_app files;
    static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
    (void)app;
    pthread_mutex_lock(&files_lock);
    files.data_path = getenv("MW_TEST_UPLOADS");
    mw_status status = files.data_path
                           ? mw_dir_open(ctx, files.data_path, MW_DIR_CREATE, &files.data, err)
                           : mw_fail(err, MW_EINVAL, "MW_TEST_UPLOADS is not set");
    if (status == MW_OK) {
        status = mw_upload_open(&files, ctx, name, ret, err);
        mw_dir_close(files.data);
    }
    pthread_mutex_unlock(&files_lock);
    return status;
}

static mw_status metrics(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call, (void)err;
    if (metrics_api) mw_api_write_metrics(metrics_api, out);
    return MW_OK;
}

/* ---- jobs ---- */

static void *run_job(void *arg) {
    fake_job *job = arg;
    pthread_mutex_lock(&lock);
    wait_ms(job->ms, &job->ended);
    job->final = true;
    void (*done)(void *, const char *) = job->done;
    pthread_mutex_unlock(&lock);
    if (done) done(job->done_arg, job->id);
    pthread_mutex_lock(&lock);
    n_threads--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static mw_status submit(const mw_call *call, char *job_id, mw_err *err) {
    mw_status status = MW_OK;
    pthread_t thread;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_jobs; i++)
        if (!jobs[i].final && strcmp(jobs[i].org, call->ctx->org) == 0)
            status = mw_fail(err, MW_ECONFLICT, "job %s is running", jobs[i].id);
    if (status == MW_OK && n_jobs < MAX_JOBS) {
        fake_job *job = &jobs[n_jobs++];
        (void)snprintf(job->id, sizeof job->id, "job-%d", n_jobs);
        (void)snprintf(job->org, sizeof job->org, "%s", call->ctx->org);
        (void)snprintf(job_id, 32, "%s", job->id);
        job->ms = mw_args_int(call->args, "ms");
        job->fail = mw_args_bool(call->args, "fail");
        if (pthread_create(&thread, NULL, run_job, job) == 0) {
            pthread_detach(thread);
            n_threads++;
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

static fake_job *find_job(const char *org, const char *id) {
    for (int i = 0; i < n_jobs; i++)
        if (strcmp(jobs[i].id, id) == 0 && strcmp(jobs[i].org, org) == 0) return &jobs[i];
    return NULL;
}

static mw_status watch(mw_app *app, const char *org, const char *id,
                       void (*done)(void *arg, const char *id), void *arg, mw_err *err) {
    (void)app, (void)err;
    pthread_mutex_lock(&lock);
    fake_job *job = find_job(org, id);
    bool now = job->final;
    if (!now) {
        job->done = done;
        job->done_arg = arg;
    }
    pthread_mutex_unlock(&lock);
    if (now) done(arg, id);
    return MW_OK;
}

static mw_status read_job(mw_app *app, const mw_ctx *ctx, mw_arena *arena, const char *id,
                          mw_job_record *ret, mw_err *err) {
    (void)app;
    pthread_mutex_lock(&lock);
    fake_job *job = find_job(ctx->org, id);
    mw_status status = job ? MW_OK : mw_fail(err, MW_ENOTFOUND, "there is no job %s", id);
    if (job) {
        *ret = (mw_job_record){.id = mw_arena_strdup(arena, id),
                               .state = !job->final ? MW_JOB_STARTED
                                        : job->fail ? MW_JOB_FAILURE
                                                    : MW_JOB_SUCCESS,
                               .result = "{\"trained\":true}",
                               .error = "{\"code\":\"EDATA\",\"message\":\"too few rows\","
                                        "\"hint\":\"add some\"}"};
    }
    pthread_mutex_unlock(&lock);
    return status;
}

static const char *state_name(const mw_job_record *job) {
    return job->state == MW_JOB_SUCCESS   ? "SUCCESS"
           : job->state == MW_JOB_FAILURE ? "FAILURE"
                                          : "STARTED";
}

static mw_status get_job(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_job_record job;
    mw_arena_init(&arena, NULL);
    mw_status status =
        read_job(NULL, call->ctx, &arena, mw_args_string(call->args, "id"), &job, err);
    if (status == MW_OK)
        mw_buf_printf(out, "{\"job_id\":\"%s\",\"state\":\"%s\"}", job.id, state_name(&job));
    mw_arena_done(&arena);
    return status;
}

static mw_status end_job(const mw_call *call, mw_buf *out, mw_err *err) {
    pthread_mutex_lock(&lock);
    fake_job *job = find_job(call->ctx->org, mw_args_string(call->args, "id"));
    if (job) job->ended = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (!job) return mw_fail(err, MW_ENOTFOUND, "there is no such job");
    mw_buf_add(out, "{}");
    return MW_OK;
}

void fake_stop_jobs(void) {
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_broadcast(&changed);
    while (n_threads > 0) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* ---- the table ---- */

static const mw_param item_params[] = {
    {.name = "id", .type = MW_PARAM_STRING, .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED},
    {.name = "limit", .type = MW_PARAM_INT, .def = "50", .min = 1, .max = 100},
    {0}};
static const mw_param echo_params[] = {
    {.name = "count", .type = MW_PARAM_INT, .def = "1", .min = 1, .max = 10},
    {.name = "name", .type = MW_PARAM_STRING},
    {.name = "flag", .type = MW_PARAM_BOOL},
    {.name = "tags", .type = MW_PARAM_LIST},
    {.name = "dry", .type = MW_PARAM_BOOL, .flags = MW_PARAM_QUERY},
    {0}};
static const mw_param ms_params[] = {
    {.name = "ms", .type = MW_PARAM_INT, .def = "100", .min = 0, .max = 100000},
    {.name = "fail", .type = MW_PARAM_BOOL},
    {0}};
static const mw_param code_params[] = {
    {.name = "code", .type = MW_PARAM_STRING, .flags = MW_PARAM_REQUIRED}, {0}};
static const mw_param bytes_params[] = {
    {.name = "bytes", .type = MW_PARAM_INT, .def = "100", .min = 1, .max = 100000000}, {0}};
static const mw_param id_params[] = {
    {.name = "id", .type = MW_PARAM_STRING, .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED}, {0}};

static const mw_op op_health = {.name = "health",
                                .method = "GET",
                                .path = "/health",
                                .kind = MW_OP_LOOP,
                                .public = true,
                                .prepare = health};
static const mw_op op_item_status = {.name = "item_status",
                                     .method = "GET",
                                     .path = "/items/status",
                                     .kind = MW_OP_LOOP,
                                     .prepare = health};
static const mw_op op_item = {.name = "item",
                              .method = "GET",
                              .path = "/items/{id}",
                              .kind = MW_OP_QUICK,
                              .params = item_params,
                              .prepare = echo};
static const mw_op op_echo = {.name = "echo",
                              .method = "POST",
                              .path = "/echo",
                              .kind = MW_OP_QUICK,
                              .params = echo_params,
                              .prepare = echo};
static const mw_op op_slow = {.name = "slow",
                              .method = "GET",
                              .path = "/slow",
                              .kind = MW_OP_QUICK,
                              .params = ms_params,
                              .prepare = slow};
static const mw_op op_patient = {.name = "patient",
                                 .method = "GET",
                                 .path = "/patient",
                                 .kind = MW_OP_QUICK,
                                 .params = ms_params,
                                 .prepare = patient};
static const mw_op op_patient_change = {.name = "patient_change",
                                        .method = "POST",
                                        .path = "/patient",
                                        .kind = MW_OP_QUICK,
                                        .params = ms_params,
                                        .prepare = patient};
static const mw_op op_slow_count = {.name = "slow_count",
                                    .method = "GET",
                                    .path = "/slow/count",
                                    .kind = MW_OP_LOOP,
                                    .prepare = count_slow};
static const mw_op op_slow_end = {.name = "slow_end",
                                  .method = "POST",
                                  .path = "/slow/end",
                                  .kind = MW_OP_LOOP,
                                  .prepare = end_slow};
static const mw_op op_fail = {.name = "fail",
                              .method = "GET",
                              .path = "/fail",
                              .kind = MW_OP_QUICK,
                              .params = code_params,
                              .prepare = fail};
static const mw_op op_large = {.name = "large",
                               .method = "GET",
                               .path = "/large",
                               .kind = MW_OP_QUICK,
                               .params = bytes_params,
                               .prepare = large};
static const mw_op op_tagged = {.name = "tagged",
                                .method = "GET",
                                .path = "/tagged",
                                .kind = MW_OP_QUICK,
                                .tagged = true,
                                .params = bytes_params,
                                .prepare = large};
static const mw_op op_tagged_loop = {.name = "tagged_loop",
                                     .method = "GET",
                                     .path = "/tagged/loop",
                                     .kind = MW_OP_LOOP,
                                     .tagged = true,
                                     .prepare = loop_large};
static const mw_op op_change = {.name = "change",
                                .method = "POST",
                                .path = "/tagged",
                                .kind = MW_OP_QUICK,
                                .reads_if_match = true,
                                .params = bytes_params,
                                .prepare = change};
static const mw_param event_params[] = {
    {.name = "bytes", .type = MW_PARAM_INT, .def = "0", .min = 0, .max = 900000},
    {.name = "grow", .type = MW_PARAM_BOOL, .def = "false"},
    {.name = "code", .type = MW_PARAM_STRING},
    {0}};
static const mw_param by_params[] = {
    {.name = "by", .type = MW_PARAM_INT, .flags = MW_PARAM_QUERY, .def = "1"},
    {.name = "quiet", .type = MW_PARAM_BOOL, .flags = MW_PARAM_QUERY, .def = "false"},
    {0}};
static const mw_op op_kept = {.name = "kept",
                              .method = "GET",
                              .path = "/kept",
                              .kind = MW_OP_QUICK,
                              .tagged = true,
                              .kept = true,
                              .params = bytes_params,
                              .prepare = make_kept};
static const mw_op op_events = {.name = "events",
                                .method = "GET",
                                .path = "/events",
                                .kind = MW_OP_QUICK,
                                .params = event_params,
                                .events = events};
static const mw_op op_snapshot = {.name = "snapshot",
                                  .method = "GET",
                                  .path = "/snapshot",
                                  .kind = MW_OP_QUICK,
                                  .params = event_params,
                                  .prepare = snapshot,
                                  .events = events};
static const mw_op op_raise = {.name = "raise",
                               .method = "POST",
                               .path = "/events",
                               .kind = MW_OP_QUICK,
                               .params = by_params,
                               .prepare = raise_counter};
static const mw_op op_job = {
    .name = "job", .method = "POST", .path = "/job", .kind = MW_OP_JOB, .params = ms_params};
static const mw_op op_get_job = {.name = "get_job",
                                 .method = "GET",
                                 .path = "/jobs/{id}",
                                 .kind = MW_OP_QUICK,
                                 .params = id_params,
                                 .prepare = get_job};
static const mw_op op_end_job = {.name = "end_job",
                                 .method = "POST",
                                 .path = "/jobs/{id}/end",
                                 .kind = MW_OP_QUICK,
                                 .params = id_params,
                                 .prepare = end_job};
static const mw_param file_params[] = {
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main"},
    {.name = "name", .type = MW_PARAM_STRING, .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED},
    {0}};
static const mw_op op_file = {.name = "file",
                              .method = "POST",
                              .path = "/files/{name}",
                              .kind = MW_OP_QUICK,
                              .upload = true,
                              .params = file_params,
                              .prepare = count_file};
static const mw_op op_metrics = {.name = "metrics",
                                 .method = "GET",
                                 .path = "/metrics",
                                 .kind = MW_OP_QUICK,
                                 .public = true,
                                 .prepare = metrics,
                                 .content_type = "text/plain; version=0.0.4; charset=utf-8"};

static const mw_op *const fake_table[] = {
    &op_health,   &op_item_status,    &op_item,     &op_echo,  &op_slow,    &op_slow_count,
    &op_slow_end, &op_fail,           &op_large,    &op_job,   &op_get_job, &op_end_job,
    &op_patient,  &op_patient_change, &op_metrics,  &op_file,  &op_tagged,  &op_tagged_loop,
    &op_change,   &op_events,         &op_snapshot, &op_raise, &op_kept,    NULL};

static mw_status call_op(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id,
                         mw_err *err) {
    if (op->kind == MW_OP_JOB) return submit(call, job_id, err);
    return op->prepare(call, out, err);
}

static mw_status check_org(mw_app *app, const mw_ctx *ctx, mw_err *err) {
    (void)app;
    if (strcmp(ctx->org, "default") == 0 || strcmp(ctx->org, "acme") == 0) return MW_OK;
    return mw_fail(err, MW_ENOTFOUND, "there is no organization '%s'", ctx->org);
}

static const unsigned char page[] = "<!doctype html><title>docs</title>";
static const unsigned char page_gzip[] = "not really gzip";
static const mw_asset docs = {.path = "/docs",
                              .content_type = "text/html; charset=utf-8",
                              .gzip = page_gzip,
                              .gzip_size = sizeof page_gzip - 1,
                              .plain = page,
                              .plain_size = sizeof page - 1,
                              .etag = "\"0123456789abcdef\""};

static const mw_param *params_of(const mw_op *op) {
    static const mw_param none[] = {{0}};
    return op->params ? op->params : none;
}

static const mw_asset *find_asset(const char *path) {
    return strcmp(path, docs.path) == 0 ? &docs : NULL;
}

void fake_set_api(mw_api *api) { metrics_api = api; }

void fake_services(mw_api_services *ret) {
    *ret = (mw_api_services){.ops = fake_table,
                             .params = params_of,
                             .call = call_op,
                             .events = events_of,
                             .version = version,
                             .check_org = check_org,
                             .watch = watch,
                             .read_job = read_job,
                             .open_upload = open_upload,
                             .find_asset = find_asset};
}
