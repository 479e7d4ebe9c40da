/* verb_serve.c -- see verb_serve.h. */
#include "run/cli/verb_serve.h"

#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "run/cli/command.h"
#include "run/serve/serve.h"

const mw_param mw_serve_params[] = {
    {.name = "host",
     .type = MW_PARAM_STRING,
     .def = "127.0.0.1",
     .env = "ML_API_HOST",
     .help = "Address to listen on: a loopback one, until there are keys."},
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
     .min = 1,
     .max = 64,
     .env = "N_WORKERS",
     .help = "Job processes at the same time."},
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

static void on_ready(void *arg, const char *host, int port) {
    (void)arg;
    bool v6 = strchr(host, ':') != NULL;
    (void)printf("Millwright " MW_VERSION " serves http://%s%s%s:%d  (docs: /docs and /redoc; stop "
                 "with Ctrl-C)\n",
                 v6 ? "[" : "", host, v6 ? "]" : "", port);
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
                              .n_workers = (int)mw_args_int(command->args, "job_workers"),
                              .n_threads = (int)command->n_threads,
                              .live_file_bytes = mw_args_int(command->args, "live_file_kib") * 1024,
                              .cache_us =
                                  mw_args_int(command->args, "cache_timeout") * MW_US_PER_SECOND,
                              .monitor = true};
    mw_app *app;
    mw_status status = mw_app_open(ctx, &options, &app, err);
    if (status) return status;
    mw_serve_options http = {.host = mw_args_string(command->args, "host"),
                             .port = (int)mw_args_int(command->args, "port"),
                             .n_loops = (int)mw_args_int(command->args, "workers"),
                             .on_ready = on_ready};
    status = mw_serve_run(app, &http, err);
    mw_app_close(app, 5 * MW_US_PER_SECOND);
    return status;
}

mw_status mw_verb_serve(mw_ctx *ctx, int argc, char **argv, mw_err *err) {
    mw_command command = {0};
    mw_status status = mw_command_parse_table(ctx->mem, mw_serve_params, argc, argv, &command, err);
    if (status) return status;
    mw_log *log = NULL;
    if (command.help) {
        mw_buf text;
        mw_buf_init(&text, ctx->mem, 1 << 16);
        mw_buf_add(&text, "usage: millwright serve [options]\n\nServe the API and its docs over "
                          "HTTP.\nSIGTERM or Ctrl-C drains open requests, then stops.\n\n");
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
