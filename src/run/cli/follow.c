/* follow.c -- see follow.h. */
#include "run/cli/follow.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/text/json.h"
#include "run/cli/print.h"

enum { EVERY_US = 250000, STEPS = 20 };

typedef struct follower {
    const mw_call *call;
    bool json, terminal;
    int step;         /* of the last line: twentieths done */
    char stage[128];  /* of it */
    mw_status failed; /* how the job ended; MW_OK: well, or not yet */
} follower;

static bool is_null(const mw_json *value) { return !value || value->kind == MW_JSON_NULL; }

static mw_status print_line(mw_buf *line, mw_err *err) {
    mw_buf_add_char(line, '\n');
    mw_status status = mw_buf_status(line, "an event", err);
    if (!status) status = mw_print(mw_buf_text(line), line->size, err);
    mw_buf_clear(line);
    (void)fflush(stdout);
    return status;
}

static mw_status print_json(mw_str event, mw_str data, mw_buf *line, mw_err *err) {
    mw_buf_add(line, "{\"event\":\"");
    mw_buf_add_str(line, event);
    mw_buf_add(line, "\",\"data\":");
    mw_buf_add_str(line, data);
    mw_buf_add(line, "}");
    return print_line(line, err);
}

/* Where there is no bar, a line for each stage and each twentieth. */
static mw_status print_step(follower *f, const mw_json *job, mw_buf *line, mw_err *err) {
    const mw_str state = mw_json_string(mw_json_get(job, "state"), "");
    const mw_str stage = mw_json_string(mw_json_get(job, "message"), "");
    const double share = mw_json_number(mw_json_get(job, "progress"), 0);
    const int step = (int)(share * STEPS);
    const bool ended = !is_null(mw_json_get(job, "finished"));
    if (!ended && step == f->step && mw_str_is(stage, f->stage)) return MW_OK;
    f->step = step;
    mw_str_copy(f->stage, sizeof f->stage, stage);
    if (f->json || (f->terminal && !ended)) return MW_OK;
    mw_buf_printf(line, "%-8.*s %3.0f %%  %.*s", (int)state.size, state.data, 100 * share,
                  (int)stage.size, stage.data);
    return print_line(line, err);
}

static mw_status on_job(follower *f, const mw_json *job, mw_buf *line, mw_err *err) {
    const mw_json *error = mw_json_get(job, "error");
    char stage[sizeof f->stage];
    mw_str_copy(stage, sizeof stage, mw_json_string(mw_json_get(job, "message"), ""));
    mw_ctx_report(f->call->ctx, stage, mw_json_number(mw_json_get(job, "progress"), 0), 1);
    mw_status status = print_step(f, job, line, err);
    const bool ended = !is_null(mw_json_get(job, "finished"));
    if (status || !ended || is_null(error)) return status;
    char code[32];
    mw_str_copy(code, sizeof code, mw_json_string(mw_json_get(error, "code"), ""));
    const mw_str message = mw_json_string(mw_json_get(error, "message"), "the job failed");
    f->failed = mw_status_from_name(code);
    (void)mw_fail(err, f->failed, "%.*s", (int)message.size, message.data);
    return MW_OK;
}

static mw_status on_event(follower *f, mw_str event, mw_str data, mw_buf *line, mw_err *err) {
    mw_arena arena;
    const mw_json *value;
    mw_arena_init(&arena, f->call->ctx->mem);
    mw_status status = mw_json_parse(&arena, data.data, data.size, &value, err);
    if (!status && f->json) status = print_json(event, data, line, err);
    if (!status && mw_str_is(event, "job")) {
        status = on_job(f, value, line, err);
    } else if (!status && !f->json && mw_str_is(event, "log")) {
        mw_buf_add_str(line, mw_json_string(value, ""));
        status = print_line(line, err);
    }
    mw_arena_done(&arena);
    return status;
}

/* "id: ...\nevent: ...\ndata: ...\n\n" */
static mw_status on_events(follower *f, mw_str events, mw_buf *line, mw_err *err) {
    mw_str event = {"", 0}, data = {"", 0};
    mw_status status = MW_OK;
    while (events.size && !status) {
        const char *end = memchr(events.data, '\n', events.size);
        const size_t n = end ? (size_t)(end - events.data) : events.size;
        const mw_str text = {events.data, n};
        if (n > 7 && memcmp(text.data, "event: ", 7) == 0) event = (mw_str){text.data + 7, n - 7};
        if (n > 6 && memcmp(text.data, "data: ", 6) == 0) data = (mw_str){text.data + 6, n - 6};
        if (n == 0) status = on_event(f, event, data, line, err);
        events = (mw_str){events.data + n + (end ? 1 : 0), events.size - n - (end ? 1 : 0)};
    }
    return status;
}

static mw_status run(follower *f, const mw_op *op, mw_buf *out, mw_buf *line, mw_err *err) {
    char id[MW_EVENT_ID_MAX] = "", last[MW_EVENT_ID_MAX];
    mw_status status = MW_OK;
    for (bool ended = false; !ended && !status;) {
        mw_buf_clear(out);
        memcpy(last, id, sizeof last);
        status = mw_op_events(op, f->call, mw_str_of(last), out, id, &ended, err);
        if (!status) status = mw_buf_status(out, "events", err);
        if (!status) status = on_events(f, mw_buf_str(out), line, err);
        if (!status && !ended) {
            mw_clock_sleep(&mw_clock_system, EVERY_US);
            status = mw_ctx_check(f->call->ctx, err);
        }
    }
    return status ? status : f->failed;
}

mw_status mw_follow(const mw_op *op, const mw_call *call, bool json, mw_err *err) {
    follower f = {.call = call, .json = json, .terminal = isatty(STDERR_FILENO) != 0, .step = -1};
    mw_buf out, line;
    mw_buf_init(&out, call->ctx->mem, 2 * (size_t)MW_LIMIT(EVENT_BYTES));
    mw_buf_init(&line, call->ctx->mem, 2 * (size_t)MW_LIMIT(EVENT_BYTES));
    mw_status status = run(&f, op, &out, &line, err);
    mw_buf_done(&line);
    mw_buf_done(&out);
    return status;
}
