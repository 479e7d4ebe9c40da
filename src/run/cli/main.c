/*
 * main.c -- the program: picks the verb, gives it a context, prints the answer, exits with the
 * status of the table in core/base/status.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "run/cli/command.h"
#include "run/cli/print.h"
#include "run/cli/progress.h"
#include "run/cli/verb_serve.h"
#include "run/op/app.h"

static mw_cancel cancel;

static void on_signal(int signal_number) {
    (void)signal_number;
    atomic_store(&cancel.requested, true);
}

/* The first signal asks for a clean end, a second one ends at once. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- operations ---- */

static mw_status run_in_app(const mw_ctx *ctx, const mw_command *command, mw_buf *result,
                            mw_err *err) {
    mw_app *app;
    mw_app_options options = {.data_path = command->data_path,
                              .n_threads = (int)command->n_threads};
    mw_status status = mw_app_open(ctx, &options, &app, err);
    if (status) return status;
    /* Ingest makes an organization; everything else needs it to be there. */
    if (strcmp(command->op->name, "ingest") == 0)
        status = mw_store_org_ensure(ctx, app->store, ctx->org, err);
    else
        status = mw_app_check_org(app, ctx, err);
    mw_call call = {ctx, app, {"cli", MW_ROLE_ADMIN}, command->args};
    char job_id[32] = "";
    if (!status) status = mw_op_call(command->op, &call, result, job_id, err);
    if (!status && job_id[0]) status = mw_jobs_run_inline(ctx, app->jobs, job_id, result, err);
    mw_app_close(app, 0);
    return status;
}

/* An operation that only touches the paths it is given needs neither store nor data folder. */
static bool needs_app(const mw_op *op) { return !(op->local && op->kind == MW_OP_QUICK); }

static mw_status run_op(mw_ctx *ctx, const mw_command *command, mw_buf *result, mw_err *err) {
    mw_pool *pool = NULL;
    mw_status status = mw_pool_new(ctx->mem, (int)command->n_threads, &pool, err);
    if (status) return status;
    mw_bar bar;
    mw_bar_init(&bar, ctx->clock);
    ctx->pool = pool;
    ctx->org = command->org;
    ctx->progress = mw_bar_progress(&bar);
    if (needs_app(command->op)) {
        status = run_in_app(ctx, command, result, err);
    } else {
        mw_call call = {ctx, NULL, {"cli", MW_ROLE_ADMIN}, command->args};
        status = mw_op_call(command->op, &call, result, NULL, err);
    }
    mw_bar_done(&bar);
    mw_pool_free(pool);
    ctx->pool = NULL;
    return status;
}

static int run_command(mw_ctx *ctx, int argc, char **argv) {
    mw_err err = {0};
    mw_command command;
    mw_status status = mw_command_parse(ctx->mem, argc, argv, &command, &err);
    if (status) {
        mw_print_error(&err, false);
        return mw_status_exit(status);
    }
    mw_buf result;
    mw_buf_init(&result, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    if (command.help) {
        mw_command_help(&command, &result);
        (void)fputs(mw_buf_text(&result), stdout);
    } else {
        status = run_op(ctx, &command, &result, &err);
        if (!status) status = mw_print_result(command.op, &result, command.json, &err);
        if (status) {
            err.code = status;
            mw_print_error(&err, command.json);
        }
    }
    mw_buf_done(&result);
    mw_command_done(&command);
    return mw_status_exit(status);
}

/* ---- verbs that are no operations ---- */

static int print_text(void (*write)(mw_buf *out)) {
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 20);
    write(&text);
    bool written = fputs(mw_buf_text(&text), stdout) >= 0 && fflush(stdout) == 0;
    mw_buf_done(&text);
    return written ? 0 : mw_status_exit(MW_EIO);
}

static void write_version(mw_buf *out) { mw_buf_add(out, "millwright " MW_VERSION "\n"); }

static void write_contract(mw_buf *out) { (void)mw_op_write_openapi(out, NULL); }

static int run_serve(mw_ctx *ctx, int argc, char **argv) {
    mw_err err = {0};
    mw_status status = mw_verb_serve(ctx, argc, argv, &err);
    if (status) {
        err.code = status;
        mw_print_error(&err, false);
    }
    return mw_status_exit(status);
}

static mw_log *open_log(void) {
    mw_log *log = NULL;
    mw_log_options options = {.level = MW_LOG_WARN, .to_stderr = true};
    const char *level = getenv("LOG_LEVEL");
    if (level) (void)mw_log_level_parse(level, &options.level);
    return mw_log_open(&options, &log, NULL) == MW_OK ? log : NULL;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*write)(mw_buf *out);
    } texts[] = {{"--help", mw_command_overview}, {"-h", mw_command_overview},
                 {"help", mw_command_overview},   {"--version", write_version},
                 {"version", write_version},      {"completion", mw_command_completion},
                 {"openapi", write_contract}};
    if (argc < 2) {
        (void)print_text(mw_command_overview);
        return mw_status_exit(MW_EINVAL);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(argv[1], texts[i].name) == 0) return print_text(texts[i].write);
    if (strcmp(argv[1], "worker") == 0) return mw_worker_main(mw_op_job_kinds());
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    if (strcmp(argv[1], "serve") == 0) return run_serve(&ctx, argc - 1, argv + 1);
    catch_signals();
    ctx.cancel = &cancel;
    mw_log *log = open_log();
    ctx.log = log;
    int exit_status = run_command(&ctx, argc - 1, argv + 1);
    mw_log_close(log);
    return exit_status;
}
