/* verb_worker.c -- see verb_worker.h. */
#include "run/cli/verb_worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "run/cli/command.h"
#include "run/job/host.h"

const mw_param mw_worker_params[] = {
    {.name = "server",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED,
     .min = 8,
     .max = 1000,
     .env = "MILLWRIGHT_SERVER",
     .help = "Address of the server whose jobs are done: https://HOST:8000."},
    {.name = "workers",
     .type = MW_PARAM_INT,
     .def = "1",
     .min = 1,
     .max = 64,
     .env = "N_WORKERS",
     .help =
         "Jobs at the same time, each in a process of its own; --jobs says the threads of one."},
    {.name = "cache",
     .type = MW_PARAM_INT,
     .def = "10240",
     .min = 0,
     .max = 1 << 30,
     .unit = "MB",
     .help = "Files of the server that are kept for later jobs."},
    {.name = "tls_ca",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4096,
     .env = "MILLWRIGHT_TLS_CA",
     .help = "File with the certificate to trust, PEM; unset: those that the system trusts."},
    {.name = "log_level",
     .type = MW_PARAM_STRING,
     .def = "INFO",
     .env = "LOG_LEVEL",
     .help = "DEBUG, INFO, WARNING or ERROR."},
    {.name = "log_json", .type = MW_PARAM_BOOL, .def = "false", .help = "Log lines as JSON."},
    {0}};

static mw_status open_log(const mw_command *command, mw_log **ret, mw_err *err) {
    mw_log_options options = {.json = mw_args_bool(command->args, "log_json"), .to_stderr = true};
    const char *level = mw_args_string(command->args, "log_level");
    if (!mw_log_level_parse(level, &options.level)) {
        mw_fail(err, MW_EINVAL, "there is no log level \"%.40s\"", level);
        return mw_err_hint(err, "DEBUG, INFO, WARNING or ERROR");
    }
    return mw_log_open(&options, ret, err);
}

/* The first signal gives the jobs back; with the second the process is gone, and its own with it. */
static mw_status run(const mw_ctx *ctx, const mw_host_options *options, mw_err *err) {
    sigset_t stop;
    mw_host *host;
    int number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    mw_status status = mw_host_start(ctx, options, &host, err);
    if (status) return status;
    while (sigwait(&stop, &number) != 0) {
    }
    mw_log_info(ctx, "stopping: jobs go back to the server");
    mw_host_stop(host);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    mw_host_free(host);
    return MW_OK;
}

static void write_help(void) {
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 16);
    mw_buf_add(&text,
               "usage: millwright worker --server URL [options]\n\nDo jobs of a server on "
               "another host. Nothing is shared with it: data comes and results go\nover "
               "HTTP. MILLWRIGHT_API_KEY holds a key of role worker. SIGTERM or Ctrl-C gives "
               "running jobs\nback; a second one ends at once.\n\n");
    mw_param_write_help(mw_worker_params, &text);
    mw_buf_add(&text,
               "\nexamples:\n  millwright worker --server https://plant:8000 --workers 4\n\n");
    mw_command_help_globals(&text);
    (void)fputs(mw_buf_text(&text), stdout);
    mw_buf_done(&text);
}

static mw_status run_command(mw_ctx *ctx, const mw_command *command, mw_err *err) {
    char path[4096];
    mw_log *log = NULL;
    const int n = snprintf(path, sizeof path, "%s/worker", command->data_path);
    if (n < 0 || (size_t)n >= sizeof path)
        return mw_fail(err, MW_EINVAL, "the path of the data folder is too long");
    const mw_host_options options = {.server = mw_args_string(command->args, "server"),
                                     .key = getenv("MILLWRIGHT_API_KEY"),
                                     .ca_file = mw_args_string(command->args, "tls_ca"),
                                     .data_path = path,
                                     .n_workers = (int)mw_args_int(command->args, "workers"),
                                     .n_threads = (int)command->n_threads,
                                     .cache_bytes = mw_args_int(command->args, "cache") << 20};
    mw_status status = open_log(command, &log, err);
    ctx->log = log;
    if (!status) status = run(ctx, &options, err);
    ctx->log = NULL;
    mw_log_close(log);
    return status;
}

mw_status mw_verb_worker(mw_ctx *ctx, int argc, char **argv, mw_faults *faults, mw_err *err) {
    mw_command command = {0};
    mw_status status =
        mw_command_parse_table(ctx->mem, mw_worker_params, argc, argv, faults, &command, err);
    if (status) return status;
    if (command.help)
        write_help();
    else
        status = run_command(ctx, &command, err);
    mw_command_done(&command);
    return status;
}
