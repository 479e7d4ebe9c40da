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

static void add_jobs(mw_app *app, mw_buf *out) {
    mw_jobs_stats stats;
    mw_jobs_read_stats(app->jobs, &stats);
    add_gauge(out, "millwright_jobs_running", "gauge", "Jobs running now.", (double)stats.running);
    add_gauge(out, "millwright_jobs_started_total", "counter", "Jobs started.",
              (double)stats.started_total);
    add_gauge(out, "millwright_worker_crashes_total", "counter",
              "Workers that ended without an answer.", (double)stats.worker_crashes_total);
    mw_buf_add(out, "# HELP millwright_jobs_finished_total Jobs that ended, by final state.\n"
                    "# TYPE millwright_jobs_finished_total counter\n");
    mw_buf_printf(out,
                  "millwright_jobs_finished_total{state=\"SUCCESS\"} %lld\n"
                  "millwright_jobs_finished_total{state=\"FAILURE\"} %lld\n"
                  "millwright_jobs_finished_total{state=\"REVOKED\"} %lld\n",
                  (long long)stats.succeeded_total, (long long)stats.failed_total,
                  (long long)stats.revoked_total);
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
    mw_buf_printf(out,
                  "# HELP millwright_build_info The running version.\n"
                  "# TYPE millwright_build_info gauge\n"
                  "millwright_build_info{version=\"%s\"} 1\n",
                  MW_VERSION);
    int64_t now = mw_clock_utc(call->ctx->clock);
    add_gauge(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
              (double)app->started_us / 1e6);
    add_gauge(out, "millwright_uptime_seconds", "gauge", "Time since the start.",
              (double)(now - app->started_us) / 1e6);
    add_gauge(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
              resident_bytes(call->ctx));
    add_gauge(out, "millwright_memory_used_bytes", "gauge", "Counted allocations in use.",
              (double)mw_mem_used(&mw_mem_process));
    add_gauge(out, "millwright_models_loaded", "gauge", "Models in memory.",
              (double)mw_live_count(app->live));
    char health[MW_HEALTH_BYTES];
    mw_app_read_health(app, health);
    add_gauge(out, "millwright_healthy", "gauge", "1 when GET /health says ok.",
              health[sizeof "{\"status\":\"" - 1] == 'o' ? 1 : 0);
    add_jobs(app, out);
    add_telemetry(app, out);
    if (app->write_http_metrics) app->write_http_metrics(app->http, out);
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
