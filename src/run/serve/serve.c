/*
 * serve.c -- the server's life: handlers, loops, signals, drain.
 *
 * SIGTERM and SIGINT may arrive on any thread (jobs have started some already), so they are taken
 * with a handler that only writes to an eventfd; the calling thread waits on it. A second signal
 * cuts the drain short.
 */
#include "run/serve/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "run/op/upload.h"
#include "run/serve/api.h"

enum { MAX_DEFAULT_LOOPS = 4 };

static const int64_t default_drain_us = 10 * MW_US_PER_SECOND;
static atomic_int signal_fd = -1;

static void on_signal(int number) {
    (void)number;
    int saved = errno;
    uint64_t one = 1;
    int fd = atomic_load(&signal_fd);
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) { /* full: the waiter wakes anyway */
    }
    errno = saved;
}

typedef struct old_signals {
    struct sigaction term, interrupt, pipe;
} old_signals;

static mw_status take_signals(old_signals *old, mw_err *err) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot prepare for signals");
    atomic_store(&signal_fd, fd);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &old->term);
    sigaction(SIGINT, &action, &old->interrupt);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, &old->pipe);
    return MW_OK;
}

static void give_signals_back(const old_signals *old) {
    sigaction(SIGTERM, &old->term, NULL);
    sigaction(SIGINT, &old->interrupt, NULL);
    sigaction(SIGPIPE, &old->pipe, NULL);
    int fd = atomic_exchange(&signal_fd, -1);
    if (fd >= 0) close(fd);
}

static void wait_for_signal(void) {
    int fd = atomic_load(&signal_fd);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    uint64_t count;
    while (poll(&item, 1, -1) < 0 && errno == EINTR) {
    }
    if (read(fd, &count, sizeof count) < 0) return;
}

/* Each connection needs a descriptor: take as many as the system allows. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static const char *loopback_address(const char *host) {
    static const struct {
        const char *name, *address;
    } known[] = {{"localhost", "127.0.0.1"}, {"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(host, known[i].name) == 0) return known[i].address;
    return NULL;
}

static mw_status watch(mw_app *app, const char *org, const char *id,
                       void (*done)(void *arg, const char *id), void *arg, mw_err *err) {
    return mw_jobs_watch(app->jobs, org, id, done, arg, err);
}

static mw_status read_job(mw_app *app, const mw_ctx *ctx, mw_arena *arena, const char *id,
                          mw_job_record *ret, mw_err *err) {
    return mw_store_job_get(ctx, app->store, arena, id, ret, err);
}

static mw_status check_options(const mw_serve_options *options, mw_http_options *http,
                               mw_err *err) {
    const char *host = options->host ? options->host : "127.0.0.1";
    http->host = loopback_address(host);
    if (!http->host) {
        mw_fail(err, MW_EDENIED, "cannot serve on %s: only loopback is open without API keys",
                host);
        return mw_err_hint(err, "use 127.0.0.1, ::1 or localhost");
    }
    if (options->port < 0 || options->port > 65535)
        return mw_fail(err, MW_EINVAL, "port %d does not exist", options->port);
    int loops = options->n_loops;
    if (loops <= 0) loops = mw_cpu_count() < MAX_DEFAULT_LOOPS ? mw_cpu_count() : MAX_DEFAULT_LOOPS;
    if (loops > MW_LIMIT(THREADS))
        return mw_fail(err, MW_EINVAL, "%d HTTP loops are too many", loops);
    http->port = options->port;
    http->n_loops = loops;
    mw_http_limits_default(&http->limits);
    return MW_OK;
}

static void run_until_signal(mw_app *app, const mw_serve_options *options, mw_http *http,
                             const char *host) {
    int64_t drain_us = options->drain_us > 0 ? options->drain_us : default_drain_us;
    mw_log_info(app->ctx, "serving on http://%s:%d", host, mw_http_port(http));
    if (options->on_ready) options->on_ready(options->on_ready_arg, host, mw_http_port(http));
    wait_for_signal();
    atomic_store(&app->draining, true);
    mw_log_info(app->ctx, "stopping: open requests get up to %lld s",
                (long long)(drain_us / MW_US_PER_SECOND));
    mw_http_drain(http, drain_us);
}

mw_status mw_serve_run(mw_app *app, const mw_serve_options *options, mw_err *err) {
    mw_http_options http_options = {0};
    mw_status status = check_options(options, &http_options, err);
    if (status != MW_OK) return status;
    old_signals old;
    status = take_signals(&old, err);
    if (status != MW_OK) return status;
    raise_descriptor_limit();
    mw_api_services services = {.app = app,
                                .ops = mw_ops,
                                .params = mw_op_params,
                                .call = mw_op_call,
                                .check_org = mw_app_check_org,
                                .watch = watch,
                                .read_job = read_job,
                                .open_upload = mw_upload_open,
                                .find_asset = mw_asset_find};
    mw_api_options api_options;
    mw_api_options_default(&api_options, http_options.n_loops);
    if (options->n_handlers > 0) api_options.n_handlers = options->n_handlers;
    mw_api *api = NULL;
    mw_http *http = NULL;
    status = mw_api_new(app->ctx, &services, &api_options, &api, err);
    if (status == MW_OK) mw_upload_sweep(app);
    if (status == MW_OK) {
        /* Before any thread of ours can serve /metrics. */
        app->http = api;
        app->write_http_metrics = mw_api_write_metrics;
        mw_api_handler(api, &http_options.handler);
        status = mw_http_start(app->ctx, &http_options, &http, err);
    }
    if (status == MW_OK) {
        mw_api_attach(api, http);
        run_until_signal(app, options, http, http_options.host);
        mw_api_attach(api, NULL);
    }
    mw_api_close(api);
    app->write_http_metrics = NULL;
    app->http = NULL;
    mw_http_free(http);
    give_signals_back(&old);
    return status;
}
