/*
 * main.c -- the program: picks the verb, gives it a context, prints the answer, exits with the
 * status of the table in core/base/status.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "run/cli/command.h"
#include "run/cli/follow.h"
#include "run/cli/print.h"
#include "run/cli/progress.h"
#include "run/cli/verb_serve.h"
#include "run/cli/verb_worker.h"
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
    signal(SIGXFSZ, SIG_IGN); /* a file over the limit is an error of its write */
}

/* ---- operations ---- */

static mw_status run_in_app(const mw_ctx *ctx, const mw_command *command, mw_buf *result,
                            mw_err *err) {
    mw_app *app;
    mw_app_options options = {.data_path = command->data_path,
                              .store = command->store,
                              .artifacts = command->artifacts,
                              .n_threads = (int)command->n_threads};
    mw_status status = mw_app_open(ctx, &options, &app, err);
    if (status) return status;
    if (!command->op->makes_org) status = mw_app_check_org(app, ctx, err);
    mw_call call = {.ctx = ctx,
                    .app = app,
                    .principal = {"cli", MW_ROLE_ADMIN, NULL},
                    .args = command->args,
                    .data_path = command->data_path};
    char job_id[32] = "";
    if (!status && command->op->prepare)
        status = mw_op_call(command->op, &call, result, job_id, err);
    else if (!status)
        status = mw_follow(command->op, &call, command->json, err);
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
        mw_call call = {.ctx = ctx,
                        .principal = {"cli", MW_ROLE_ADMIN, NULL},
                        .args = command->args,
                        .data_path = command->data_path};
        status = mw_op_call(command->op, &call, result, NULL, err);
    }
    mw_bar_done(&bar);
    mw_pool_free(pool);
    ctx->pool = NULL;
    return status;
}

/* Whoever asked for JSON gets JSON, also when the line cannot be understood. */
static bool asks_json(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

static mw_status print_text(const mw_buf *text, mw_err *err) {
    mw_status status = mw_buf_status(text, "the text", err);
    return status ? status : mw_print(mw_buf_text(text), text->size, err);
}

static int run_command(mw_ctx *ctx, int argc, char **argv) {
    mw_err err = {0};
    mw_command command;
    mw_faults faults;
    mw_status verdict = MW_OK;
    mw_faults_init(&faults, ctx->mem);
    mw_status status = mw_command_parse(ctx->mem, argc, argv, &faults, &command, &err);
    if (status) mw_print_error(&err, &faults, asks_json(argc, argv));
    mw_faults_done(&faults);
    if (status) return mw_status_exit(status);
    mw_buf result;
    mw_buf_init(&result, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    if (command.help) {
        mw_command_help(&command, &result);
        status = print_text(&result, &err);
    } else {
        status = run_op(ctx, &command, &result, &err);
        if (!status && command.op->prepare)
            status = mw_print_result(command.op, &result, command.json, &verdict, &err);
    }
    if (status) {
        err.code = status;
        mw_print_error(&err, NULL, command.json && !command.help);
    } else {
        status = verdict;
    }
    mw_buf_done(&result);
    mw_command_done(&command);
    return mw_status_exit(status);
}

/* ---- verbs that are no operations ---- */

static void write_version(bool json, mw_buf *out) {
    mw_buf_add(out, json ? "{\"version\":\"" MW_VERSION "\"}\n" : "millwright " MW_VERSION "\n");
}

static void write_contract(bool json, mw_buf *out) {
    (void)json; /* it is JSON */
    (void)mw_op_write_openapi(out, NULL);
}

static void write_overview(bool json, mw_buf *out) {
    (void)json; /* for people only */
    mw_command_overview(out);
}

static void write_completion(bool json, mw_buf *out) {
    (void)json; /* for bash only */
    mw_command_completion(out);
}

static const struct text_verb {
    const char *name;
    void (*write)(bool json, mw_buf *out);
    const char *word; /* the one word it takes, or NULL */
} text_verbs[] = {{"--help", write_overview, NULL}, {"-h", write_overview, NULL},
                  {"help", write_overview, NULL},   {"--version", write_version, NULL},
                  {"version", write_version, NULL}, {"completion", write_completion, "bash"},
                  {"openapi", write_contract, NULL}};

/* `version`, `completion`...: no operation, no data folder. */
static int run_text_verb(const struct text_verb *verb, int argc, char **argv) {
    mw_err err = {0};
    mw_buf text;
    mw_buf_init(&text, NULL, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = MW_OK;
    bool json = asks_json(argc, argv), help = false;
    for (int i = 1; i < argc && !status; i++) {
        help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (help || strcmp(argv[i], "--json") == 0) continue;
        if (verb->word && strcmp(argv[i], verb->word) == 0) continue;
        mw_fail(&err, MW_EINVAL, "`millwright %s` takes no \"%.100s\"", verb->name, argv[i]);
        status = verb->word ? mw_err_hint(&err, "only `%s`", verb->word)
                            : mw_err_hint(&err, "type it alone");
    }
    if (!status) {
        if (help)
            mw_command_overview(&text);
        else
            verb->write(json, &text);
        status = print_text(&text, &err);
    }
    if (status) mw_print_error(&err, NULL, json);
    mw_buf_done(&text);
    return mw_status_exit(status);
}

typedef mw_status (*long_verb)(mw_ctx *ctx, int argc, char **argv, mw_faults *faults, mw_err *err);

/* `serve` and `worker`: until a signal. */
static int run_long(long_verb verb, mw_ctx *ctx, int argc, char **argv) {
    mw_err err = {0};
    mw_faults faults;
    mw_faults_init(&faults, ctx->mem);
    mw_status status = verb(ctx, argc, argv, &faults, &err);
    if (status) {
        err.code = status;
        mw_print_error(&err, &faults, asks_json(argc, argv));
    }
    mw_faults_done(&faults);
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
    (void)umask(S_IWGRP | S_IRWXO); /* the store's file too is nobody else's to read */
    static char help_option[] = "--help";
    if (argc < 2) {
        char *words[] = {help_option, NULL};
        (void)run_text_verb(&text_verbs[0], 1, words);
        return mw_status_exit(MW_EINVAL);
    }
    /* `help VERB` is `VERB --help`. */
    char *help_on[] = {argv[0], argc > 2 ? argv[2] : NULL, help_option, NULL};
    if (strcmp(argv[1], "help") == 0 && argc == 3 && argv[2][0] != '-') argv = help_on;
    for (size_t i = 0; i < sizeof text_verbs / sizeof *text_verbs; i++)
        if (strcmp(argv[1], text_verbs[i].name) == 0)
            return run_text_verb(&text_verbs[i], argc - 1, argv + 1);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    if (strcmp(argv[1], "serve") == 0) return run_long(mw_verb_serve, &ctx, argc - 1, argv + 1);
    if (strcmp(argv[1], "worker") == 0 && argc > 2)
        return run_long(mw_verb_worker, &ctx, argc - 1, argv + 1);
    mw_mem_keep_freed();
    if (strcmp(argv[1], "worker") == 0) return mw_worker_main(mw_op_job_kinds());
    catch_signals();
    ctx.cancel = &cancel;
    mw_log *log = open_log();
    ctx.log = log;
    int exit_status = run_command(&ctx, argc - 1, argv + 1);
    mw_log_close(log);
    return exit_status;
}
