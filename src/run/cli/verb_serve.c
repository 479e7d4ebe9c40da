/* verb_serve.c -- see verb_serve.h. */
#include "run/cli/verb_serve.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "run/cli/command.h"
#include "run/serve/rate.h"
#include "run/serve/serve.h"

const mw_param mw_serve_params[] = {
    {.name = "host",
     .type = MW_PARAM_STRING,
     .def = "127.0.0.1",
     .env = "ML_API_HOST",
     .help = "Address to listen on; one that others can reach needs API keys (millwright org key "
             "create), or --no-auth."},
    {.name = "no_auth",
     .type = MW_PARAM_BOOL,
     .help = "No request needs an API key: whoever reaches the server is an admin."},
    {.name = "port",
     .type = MW_PARAM_INT,
     .def = "8000",
     .min = 0,
     .max = 65535,
     .env = "ML_API_PORT",
     .help = "Port; 0 takes a free one."},
    {.name = "workers",
     .type = MW_PARAM_INT,
     .def = "0",
     .min = 0,
     .max = 64,
     .env = "WORKERS",
     .help = "HTTP loops; 0: one per core, at most 4."},
    {.name = "job_workers",
     .type = MW_PARAM_INT,
     .def = "1",
     .min = 0,
     .max = 64,
     .env = "N_WORKERS",
     .help =
         "Job processes at the same time; 0: only workers of other hosts (millwright worker) do "
         "jobs."},
    {.name = "broker",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 1000,
     .env = "MILLWRIGHT_BROKER",
     .help = "Redis that wakes other servers when there are jobs: redis://HOST:6379."},
    {.name = "max_retries",
     .type = MW_PARAM_INT,
     .def = "3",
     .min = 0,
     .max = 99,
     .env = "MAX_RETRIES",
     .help = "How often a job is started again whose process died."},
    {.name = "job_time_limit",
     .type = MW_PARAM_DURATION,
     .max = 366 * 86400e6,
     .unit = "us",
     .env = "JOB_TIME_LIMIT",
     .help = "A job that takes longer is stopped and fails; unset: no limit."},
    {.name = "job_lease",
     .type = MW_PARAM_DURATION,
     .def = "30s",
     .min = 1e6,
     .max = 3600e6,
     .unit = "us",
     .env = "JOB_LEASE",
     .help = "How long a job whose process, or whose host, has fallen silent is left to it."},
    {.name = "job_memory",
     .type = MW_PARAM_INT,
     .def = "0",
     .min = 0,
     .max = 1 << 30,
     .unit = "MB",
     .env = "JOB_MEMORY",
     .help = "A job that needs more memory fails and says so; 0: no limit."},
    {.name = "cache_timeout",
     .type = MW_PARAM_INT,
     .def = "3600",
     .min = 1,
     .max = 31536000,
     .unit = "s",
     .env = "CACHE_TIMEOUT",
     .help = "Seconds until what is kept of an idle model leaves memory."},
    {.name = "live_file_kib",
     .type = MW_PARAM_INT,
     .def = "65536",
     .min = 16,
     .max = 1048576,
     .unit = "KiB",
     .env = "LIVE_FILE_KIB",
     .help = "Size at which a journal file of telemetry is full and becomes a segment."},
    {.name = "tls_cert",
     .type = MW_PARAM_STRING,
     .env = "ML_API_TLS_CERT",
     .help = "File with the certificate, PEM, those that signed it behind it: serves HTTPS."},
    {.name = "tls_key",
     .type = MW_PARAM_STRING,
     .env = "ML_API_TLS_KEY",
     .help = "File with its key, PEM; not readable by everybody."},
    {.name = "cors_origin",
     .type = MW_PARAM_LIST,
     .min = 0,
     .max = 32,
     .env = "ML_API_CORS",
     .help = "Origin whose pages may use the API, https://host:port; may be repeated."},
    {.name = "rate_limit",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 32,
     .env = "ML_API_RATE_LIMIT",
     .help =
         "Requests that one organization may make, 50/s, 600/min or 1000/h; unset: any number."},
    {.name = "log_level",
     .type = MW_PARAM_STRING,
     .def = "INFO",
     .env = "LOG_LEVEL",
     .help = "DEBUG, INFO, WARNING or ERROR."},
    {.name = "log_file",
     .type = MW_PARAM_STRING,
     .env = "LOG_FILE",
     .help = "Log file, rotated; without it logs/millwright.log in the data folder."},
    {.name = "log_json", .type = MW_PARAM_BOOL, .def = "false", .help = "Log lines as JSON."},
    {0}};

static void on_ready(void *arg, const char *url) {
    (void)arg;
    (void)printf("Millwright " MW_VERSION " serves %s  (docs: /docs and /redoc; stop with "
                 "Ctrl-C)\n",
                 url);
    (void)fflush(stdout);
}

static mw_status open_log(mw_ctx *ctx, const mw_command *command, mw_log **ret, mw_err *err) {
    mw_log_options options = {.json = mw_args_bool(command->args, "log_json"), .to_stderr = true};
    const char *level = mw_args_string(command->args, "log_level");
    if (!mw_log_level_parse(level, &options.level)) {
        mw_fail(err, MW_EINVAL, "there is no log level \"%.40s\"", level);
        return mw_err_hint(err, "DEBUG, INFO, WARNING or ERROR");
    }
    char path[4096];
    options.path = mw_args_string(command->args, "log_file");
    if (!options.path) {
        mw_dir *logs;
        int n = snprintf(path, sizeof path, "%s/logs", command->data_path);
        if (n < 0 || (size_t)n + 32 >= sizeof path)
            return mw_fail(err, MW_EINVAL, "the path of the data folder is too long");
        mw_status status = mw_dir_open(ctx, path, MW_DIR_CREATE, &logs, err);
        if (status) return status;
        mw_dir_close(logs);
        memcpy(path + n, "/millwright.log", sizeof "/millwright.log");
        options.path = path;
    }
    return mw_log_open(&options, ret, err);
}

static mw_status serve(mw_ctx *ctx, const mw_command *command, mw_err *err) {
    mw_app_options options = {.data_path = command->data_path,
                              .store = command->store,
                              .artifacts = command->artifacts,
                              .n_workers = (int)mw_args_int(command->args, "job_workers"),
                              .n_remote = (int)MW_LIMIT(REMOTE_WORKERS),
                              .n_threads = (int)command->n_threads,
                              .broker = mw_args_string(command->args, "broker"),
                              .max_retries = (int)mw_args_int(command->args, "max_retries"),
                              .time_limit_us = mw_args_int(command->args, "job_time_limit"),
                              .memory_bytes = mw_args_int(command->args, "job_memory") << 20,
                              .lease_us = mw_args_int(command->args, "job_lease"),
                              .live_file_bytes = mw_args_int(command->args, "live_file_kib") * 1024,
                              .cache_us =
                                  mw_args_int(command->args, "cache_timeout") * MW_US_PER_SECOND,
                              .monitor = true};
    mw_app *app;
    double rate = 0;
    const char *rate_text = mw_args_string(command->args, "rate_limit");
    mw_status status = rate_text ? mw_rate_parse(rate_text, &rate, err) : MW_OK;
    if (!status) status = mw_app_open(ctx, &options, &app, err);
    if (status) return status;
    const char *const *origins; /* ended by NULL */
    mw_serve_options http = {.host = mw_args_string(command->args, "host"),
                             .no_auth = mw_args_bool(command->args, "no_auth"),
                             .port = (int)mw_args_int(command->args, "port"),
                             .n_loops = (int)mw_args_int(command->args, "workers"),
                             .tls_cert = mw_args_string(command->args, "tls_cert"),
                             .tls_key = mw_args_string(command->args, "tls_key"),
                             .rate = rate,
                             .on_ready = on_ready};
    if (mw_args_list(command->args, "cors_origin", &origins)) http.origins = origins;
    status = mw_serve_run(app, &http, err);
    mw_app_close(app, 5 * MW_US_PER_SECOND);
    return status;
}

mw_status mw_verb_serve(mw_ctx *ctx, int argc, char **argv, mw_faults *faults, mw_err *err) {
    mw_command command = {0};
    mw_status status =
        mw_command_parse_table(ctx->mem, mw_serve_params, argc, argv, faults, &command, err);
    if (status) return status;
    mw_log *log = NULL;
    if (command.help) {
        mw_buf text;
        mw_buf_init(&text, ctx->mem, 1 << 16);
        mw_buf_add(&text,
                   "usage: millwright serve [options]\n\nServe the API and its docs over "
                   "HTTP or HTTPS.\nSIGTERM or Ctrl-C drains open requests, then stops. A changed "
                   "certificate is read\nagain by itself, and on SIGHUP.\n\n");
        mw_param_write_help(mw_serve_params, &text);
        mw_buf_add(&text, "\nexamples:\n  millwright serve\n  millwright serve --port 9000 --data "
                          "plant\n\n");
        mw_command_help_globals(&text);
        (void)fputs(mw_buf_text(&text), stdout);
        mw_buf_done(&text);
    } else {
        status = open_log(ctx, &command, &log, err);
        ctx->log = log;
        if (!status) status = serve(ctx, &command, err);
    }
    ctx->log = NULL;
    mw_log_close(log);
    mw_command_done(&command);
    return status;
}
