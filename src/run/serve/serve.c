/*
 * serve.c -- the server's life: handlers, loops, signals, drain.
 *
 * SIGTERM and SIGINT may arrive on any thread (jobs have started some already), so they are taken
 * with a handler that only writes to an eventfd; the calling thread waits on it. A second signal
 * cuts the drain short. Under TLS the same thread looks after the certificate: SIGHUP wakes it, too, and once a second it
 * looks whether the files have changed.
 */
#include "run/serve/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "run/job/remote.h"
#include "run/op/upload.h"
#include "run/serve/api.h"
#include "run/serve/cors.h"

enum { MAX_DEFAULT_LOOPS = 4, LOOK_MS = 1000, URL_MAX = 128 };

static const int64_t default_drain_us = 10 * MW_US_PER_SECOND;
static atomic_int signal_fd = -1;
static atomic_bool stop_asked, reload_asked;

static void on_signal(int number) {
    int saved = errno;
    atomic_store(number == SIGHUP ? &reload_asked : &stop_asked, true);
    uint64_t one = 1;
    int fd = atomic_load(&signal_fd);
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) { /* full: the waiter wakes anyway */
    }
    errno = saved;
}

typedef struct old_signals {
    struct sigaction term, interrupt, pipe, hangup;
} old_signals;

/* Without a certificate SIGHUP stays what it is: the end of whoever sits at a terminal that goes away. */
static mw_status take_signals(bool tls, old_signals *old, mw_err *err) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot prepare for signals");
    atomic_store(&signal_fd, fd);
    atomic_store(&stop_asked, false);
    atomic_store(&reload_asked, false);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &old->term);
    sigaction(SIGINT, &action, &old->interrupt);
    action.sa_flags = SA_RESTART;
    sigaction(SIGHUP, tls ? &action : NULL, &old->hangup);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, &old->pipe);
    return MW_OK;
}

static void give_signals_back(const old_signals *old) {
    sigaction(SIGTERM, &old->term, NULL);
    sigaction(SIGINT, &old->interrupt, NULL);
    sigaction(SIGPIPE, &old->pipe, NULL);
    sigaction(SIGHUP, &old->hangup, NULL);
    int fd = atomic_exchange(&signal_fd, -1);
    if (fd >= 0) close(fd);
}

static void reload(const mw_app *app, mw_tls *tls) {
    mw_err err;
    if (mw_tls_reload(tls, &err) == MW_OK)
        mw_log_info(app->ctx, "the certificate was read again");
    else
        mw_log_error(app->ctx, "the certificate stays as it was: %s", err.message);
}

static void wait_for_end(const mw_app *app, mw_tls *tls) {
    int fd = atomic_load(&signal_fd);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    uint64_t count;
    while (!atomic_load(&stop_asked)) {
        const int n = poll(&item, 1, tls ? LOOK_MS : -1);
        if (n > 0 && read(fd, &count, sizeof count) < 0 && errno != EAGAIN) return;
        if (!tls || atomic_load(&stop_asked)) continue;
        if (atomic_exchange(&reload_asked, false) || mw_tls_files_changed(tls)) reload(app, tls);
    }
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

static bool is_address(const char *host) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* What others reach needs a key, or somebody who says that it needs none. */
static mw_status check_keys(const mw_serve_options *options, const char *host, mw_keyring *keys,
                            mw_admit_options *ret, mw_err *err) {
    *ret = (mw_admit_options){
        .keys = keys, .open = options->no_auth, .loopback = loopback_address(host) != NULL};
    if (ret->loopback || ret->open || mw_keyring_any(keys)) return MW_OK;
    mw_fail(err, MW_EDENIED, "cannot serve on %s: others can reach it, and there is no API key",
            host);
    return mw_err_hint(err,
                       "make one: `millwright org key create --name me --role admin`; or serve "
                       "on 127.0.0.1; or say --no-auth");
}

static bool version(mw_app *app, bool may_ask, uint64_t *ret) {
    return mw_store_version(app->store, may_ask, ret);
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
    if (!http->host) http->host = host;
    if (!is_address(http->host)) {
        mw_fail(err, MW_EINVAL, "cannot serve on %s: it is no address of this host", host);
        return mw_err_hint(err, "a numeric one, such as 127.0.0.1, 0.0.0.0 or ::, or localhost");
    }
    if (!options->tls_cert != !options->tls_key) {
        mw_fail(err, MW_EINVAL, "TLS needs a certificate and its key, not one of them");
        mw_err_at(err, options->tls_cert ? "tls_key" : "tls_cert");
        return mw_err_hint(err, "--tls-cert FILE --tls-key FILE");
    }
    if (options->port < 0 || options->port > 65535)
        return mw_fail(err, MW_EINVAL, "port %d does not exist", options->port);
    int64_t n_origins = 0;
    for (const char *const *origin = options->origins; origin && *origin; origin++) {
        mw_status status = mw_cors_check(*origin, err);
        if (status != MW_OK) return status;
        if (++n_origins > MW_LIMIT(CORS_ORIGINS))
            return mw_fail(err, MW_EINVAL, "too many origins");
    }
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
                             const mw_http_options *http_options) {
    int64_t drain_us = options->drain_us > 0 ? options->drain_us : default_drain_us;
    const bool v6 = strchr(http_options->host, ':') != NULL;
    char url[URL_MAX];
    (void)snprintf(url, sizeof url, "http%s://%s%s%s:%d", http_options->tls ? "s" : "",
                   v6 ? "[" : "", http_options->host, v6 ? "]" : "", mw_http_port(http));
    mw_log_info(app->ctx, "serving on %s", url);
    if (options->on_ready) options->on_ready(options->on_ready_arg, url);
    wait_for_end(app, http_options->tls);
    atomic_store(&app->draining, true);
    mw_remote_stop(app->jobs); /* their requests, which wait, would hold up the drain */
    mw_log_info(app->ctx, "stopping: open requests get up to %lld s",
                (long long)(drain_us / MW_US_PER_SECOND));
    mw_http_drain(http, drain_us);
}

mw_status mw_serve_run(mw_app *app, const mw_serve_options *options, mw_err *err) {
    mw_http_options http_options = {0};
    mw_status status = check_options(options, &http_options, err);
    if (status != MW_OK) return status;
    if (options->tls_cert)
        status =
            mw_tls_new(&app->http.ctx, options->tls_cert, options->tls_key, &http_options.tls, err);
    if (status != MW_OK) return status;
    old_signals old;
    status = take_signals(http_options.tls != NULL, &old, err);
    if (status != MW_OK) {
        mw_tls_free(http_options.tls);
        return status;
    }
    raise_descriptor_limit();
    mw_keyring *keys = NULL;
    mw_admit_options admit = {0};
    status = mw_keyring_new(app->ctx, app->store, &keys, err);
    if (status == MW_OK) status = check_keys(options, http_options.host, keys, &admit, err);
    mw_api_services services = {.app = app,
                                .ops = mw_ops,
                                .params = mw_op_params,
                                .call = mw_op_call,
                                .events = mw_op_events,
                                .version = version,
                                .check_org = mw_app_check_org,
                                .watch = watch,
                                .read_job = read_job,
                                .open_upload = mw_upload_open,
                                .find_asset = mw_asset_find};
    mw_api_options api_options;
    mw_api_options_default(&api_options, http_options.n_loops);
    api_options.origins = options->origins;
    api_options.admit = admit;
    api_options.rate = options->rate;
    if (options->n_handlers > 0) api_options.n_handlers = options->n_handlers;
    mw_api *api = NULL;
    mw_http *http = NULL;
    if (status == MW_OK) status = mw_api_new(&app->http.ctx, &services, &api_options, &api, err);
    if (status == MW_OK) mw_upload_sweep(app);
    if (status == MW_OK) {
        /* Before any thread of ours can serve /metrics. */
        app->http_metrics = api;
        app->write_http_metrics = mw_api_write_metrics;
        mw_api_attach_tls(api, http_options.tls);
        mw_api_handler(api, &http_options.handler);
        status = mw_http_start(&app->http.ctx, &http_options, &http, err);
    }
    if (status == MW_OK) {
        mw_api_attach(api, http);
        mw_store_on_write(app->store, mw_api_changed, api);
        run_until_signal(app, options, http, &http_options);
        mw_store_on_write(app->store, NULL, NULL);
        mw_api_attach(api, NULL);
    }
    mw_api_close(api);
    app->write_http_metrics = NULL;
    app->http_metrics = NULL;
    mw_http_free(http);
    mw_tls_free(http_options.tls);
    mw_keyring_free(keys);
    give_signals_back(&old);
    return status;
}
