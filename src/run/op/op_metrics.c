/* op_metrics.c -- GET /metrics: Prometheus text. HTTP counters come from the server itself. */
#include <fcntl.h>
#include <unistd.h>

#include "core/text/number.h"
#include "run/op/app.h"

static void add_gauge(mw_buf *out, const char *name, const char *type, const char *help,
                      double value) {
    mw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    mw_buf_add_number(out, value);
    mw_buf_add_char(out, '\n');
}

/* Resident pages from /proc/self/statm; 0 when it cannot be read. */
static double resident_bytes(const mw_ctx *ctx) {
    double pages = 0;
    char line[128];
    /* A file of /proc tells no size, so it is read through the descriptor. */
    int fd = ctx->io->open(ctx->io->self, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    ssize_t n = ctx->io->read(ctx->io->self, fd, line, sizeof line);
    ctx->io->close(ctx->io->self, fd);
    size_t size = n > 0 ? (size_t)n : 0, at = 0;
    while (at < size && line[at] != ' ') at++;
    size_t end = ++at;
    while (end < size && line[end] != ' ') end++;
    if (end > size || !mw_number_read(line + at, end - at, &pages)) return 0;
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static void add_family(mw_buf *out, const char *name, const char *type, const char *help) {
    mw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_outcomes(const mw_jobs_stats *stats, mw_buf *out) {
    add_gauge(out, "millwright_jobs_running", "gauge", "Jobs running now in this process.",
              (double)stats->running);
    add_gauge(out, "millwright_jobs_started_total", "counter", "Attempts started.",
              (double)stats->started_total);
    add_gauge(out, "millwright_worker_crashes_total", "counter",
              "Workers that ended without an answer.", (double)stats->worker_crashes_total);
    add_gauge(out, "millwright_remote_workers", "gauge", "Workers of other hosts that are here.",
              (double)stats->remote_workers);
    add_gauge(out, "millwright_jobs_retried_total", "counter",
              "Attempts after which the job waits again.", (double)stats->retried_total);
    add_gauge(out, "millwright_jobs_dead_total", "counter",
              "Jobs that failed because their workers died in all attempts.",
              (double)stats->dead_total);
    add_family(out, "millwright_jobs_finished_total", "counter",
               "Jobs that ended, by final state.");
    mw_buf_printf(out,
                  "millwright_jobs_finished_total{state=\"SUCCESS\"} %lld\n"
                  "millwright_jobs_finished_total{state=\"FAILURE\"} %lld\n"
                  "millwright_jobs_finished_total{state=\"REVOKED\"} %lld\n",
                  (long long)stats->succeeded_total, (long long)stats->failed_total,
                  (long long)stats->revoked_total);
    static const char name[] = "millwright_job_duration_seconds";
    add_family(out, name, "histogram", "Attempts, from the claim to the recorded end.");
    mw_durations_write(stats->durations, name, "", out);
}

/* What the store has, of all processes: as of the latest look at the service's health. */
static void add_queue(mw_app *app, int64_t now_us, mw_buf *out) {
    mw_job_counts counts;
    mw_app_read_job_counts(app, &counts);
    add_family(out, "millwright_jobs", "gauge", "Jobs of the store that have not ended, by state.");
    for (int state = 0; state <= MW_JOB_REVOKED; state++)
        if (!mw_job_state_final((mw_job_state)state))
            mw_buf_printf(out, "millwright_jobs{state=\"%s\"} %lld\n",
                          mw_job_state_name((mw_job_state)state), (long long)counts.open[state]);
    add_gauge(out, "millwright_jobs_dead", "gauge",
              "Jobs of the store whose workers died in all attempts.", (double)counts.dead);
    const int64_t age_us = counts.oldest_waiting_us ? now_us - counts.oldest_waiting_us : 0;
    add_gauge(out, "millwright_job_queue_age_seconds", "gauge",
              "Age of the oldest waiting job; 0: none waits.",
              age_us > 0 ? (double)age_us / 1e6 : 0);
}

static void add_failed(mw_buf *out, const char *name, const char *help,
                       const _Atomic int64_t failed[MW_STATUS_COUNT]) {
    add_family(out, name, "counter", help);
    for (int code = MW_OK + 1; code < MW_STATUS_COUNT; code++) {
        const int64_t n = atomic_load_explicit(&failed[code], memory_order_relaxed);
        if (n || code == MW_EIO || code == MW_EBUSY)
            mw_buf_printf(out, "%s{code=\"%s\"} %lld\n", name, mw_status_name((mw_status)code),
                          (long long)n);
    }
}

static void add_store(mw_app *app, mw_buf *out) {
    static const char *const kinds[MW_STORE_ACCESSES] = {"kind=\"read\"", "kind=\"write\"",
                                                         "kind=\"quiet\""};
    static const char name[] = "millwright_store_duration_seconds";
    const mw_store_meter *meter = mw_store_meter_of(app->store);
    add_family(out, name, "histogram", "Calls of the store, until what they write is durable.");
    for (int i = 0; i < MW_STORE_ACCESSES; i++)
        mw_durations_write(&meter->latency[i], name, kinds[i], out);
    add_failed(out, "millwright_store_errors_total", "Calls of the store that failed.",
               meter->failed);
}

static void add_artifacts(mw_app *app, mw_buf *out) {
    static const char *const calls[MW_ARTIFACTS_CALLS] = {
        "call=\"put\"", "call=\"get\"", "call=\"find\"", "call=\"list\"", "call=\"remove\""};
    static const char name[] = "millwright_artifacts_duration_seconds";
    const mw_artifacts_meter *meter = mw_artifacts_meter_of(app->artifacts);
    if (!meter) return;
    add_family(out, name, "histogram", "Calls of the artifact store.");
    for (int i = 0; i < MW_ARTIFACTS_CALLS; i++)
        mw_durations_write(&meter->latency[i], name, calls[i], out);
    add_gauge(out, "millwright_artifacts_put_bytes_total", "counter",
              "Files put into the artifact store.",
              (double)atomic_load_explicit(&meter->put_bytes, memory_order_relaxed));
    add_gauge(out, "millwright_artifacts_got_bytes_total", "counter",
              "Files fetched from the artifact store.",
              (double)atomic_load_explicit(&meter->got_bytes, memory_order_relaxed));
    add_failed(out, "millwright_artifacts_errors_total", "Calls of the artifact store that failed.",
               meter->failed);
}

static void add_memory(mw_app *app, mw_buf *out) {
    const struct {
        const char *part;
        const mw_mem *mem;
    } parts[] = {{"store", mw_store_mem()},
                 {"http", &app->http.mem},
                 {"models", &app->models.mem},
                 {"live_rows", &app->rows.mem}};
    add_gauge(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
              resident_bytes(app->ctx));
    add_gauge(out, "millwright_memory_used_bytes", "gauge", "Counted allocations in use.",
              (double)mw_mem_used(&mw_mem_process));
    add_family(out, "millwright_memory_part_used_bytes", "gauge",
               "Those of a part of the program.");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mw_buf_printf(out, "millwright_memory_part_used_bytes{part=\"%s\"} %zu\n", parts[i].part,
                      mw_mem_used(parts[i].mem));
    add_family(out, "millwright_memory_part_limit_bytes", "gauge",
               "Where a part of the program is refused more.");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].mem->ceiling_bytes)
            mw_buf_printf(out, "millwright_memory_part_limit_bytes{part=\"%s\"} %zu\n",
                          parts[i].part, parts[i].mem->ceiling_bytes);
}

static void add_telemetry(mw_app *app, mw_buf *out) {
    mw_telemetry_stats s;
    mw_telemetry_read_stats(app->telemetry, &s);
    add_gauge(out, "millwright_telemetry_organizations", "gauge",
              "Organizations with live features.", (double)s.orgs);
    add_gauge(out, "millwright_telemetry_requests_total", "counter", "Requests with rows taken.",
              (double)s.requests_total);
    add_gauge(out, "millwright_telemetry_rows_total", "counter", "Rows stored.",
              (double)s.rows_total);
    add_gauge(out, "millwright_telemetry_syncs_total", "counter", "Waits for the disk.",
              (double)s.syncs_total);
    add_gauge(out, "millwright_telemetry_segments_total", "counter", "Segments made of rows.",
              (double)s.segments_total);
    add_gauge(out, "millwright_telemetry_snapshots_total", "counter", "Snapshots written.",
              (double)s.snapshots_total);
    mw_buf_add(out, "# HELP millwright_telemetry_seconds_total Time spent with rows, by what.\n"
                    "# TYPE millwright_telemetry_seconds_total counter\n");
    const struct {
        const char *what;
        int64_t us;
    } parts[] = {
        {"parse", s.parse_us_total}, {"state", s.state_us_total}, {"disk", s.disk_us_total}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        mw_buf_printf(out, "millwright_telemetry_seconds_total{part=\"%s\"} ", parts[i].what);
        mw_buf_add_number(out, (double)parts[i].us / 1e6);
        mw_buf_add_char(out, '\n');
    }
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)err;
    mw_app *app = call->app;
    const int64_t now = mw_clock_utc(call->ctx->clock);
    add_family(out, "millwright_build_info", "gauge", "The running version and its kind of store.");
    mw_buf_printf(out, "millwright_build_info{version=\"%s\",store=\"%s\"} 1\n", MW_VERSION,
                  mw_store_kind(app->store));
    add_gauge(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
              (double)app->started_us / 1e6);
    add_gauge(out, "millwright_uptime_seconds", "gauge", "Time since the start.",
              (double)(now - app->started_us) / 1e6);
    add_memory(app, out);
    add_gauge(out, "millwright_models_loaded", "gauge", "Models in memory.",
              (double)mw_live_count(app->live));
    char health[MW_HEALTH_BYTES];
    mw_app_read_health(app, health);
    add_gauge(out, "millwright_healthy", "gauge", "1 when GET /health says ok.",
              health[sizeof "{\"status\":\"" - 1] == 'o' ? 1 : 0);
    mw_jobs_stats jobs;
    mw_jobs_read_stats(app->jobs, &jobs);
    add_outcomes(&jobs, out);
    add_queue(app, now, out);
    add_store(app, out);
    add_artifacts(app, out);
    add_telemetry(app, out);
    if (app->write_http_metrics) app->write_http_metrics(app->http_metrics, out);
    return MW_OK;
}

const mw_op mw_op_metrics = {
    .name = "metrics",
    .method = "GET",
    .path = "/metrics",
    .area = "service",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "Counters for Prometheus",
    .help = "Text exposition format 0.0.4.",
    .content_type = "text/plain; version=0.0.4; charset=utf-8",
    .prepare = prepare,
};
