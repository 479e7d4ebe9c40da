/* op_jobs.c -- GET /jobs/{id}, GET /jobs: what long operations are doing; DELETE /jobs/{id} and POST /jobs/{id}/retry. */
#include <stdio.h>
#include <string.h>

#include "core/text/datetime.h"
#include "core/text/number.h"
#include "run/op/app.h"

static mw_status fail_unknown(const char *id, mw_err *err) {
    return mw_fail(err, MW_ENOTFOUND, "there is no job \"%.64s\" in this organization", id);
}

static mw_status prepare_one(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    mw_job_record job;
    const char *id = mw_args_string(call->args, "id");
    mw_status status = mw_store_job_get(call->ctx, call->app->store, &arena, id, &job, err);
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        mw_op_write_job(&job, &writer);
    } else if (status == MW_ENOTFOUND) {
        status = fail_unknown(id, err);
    }
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_cancel(const mw_call *call, mw_buf *out, mw_err *err) {
    const char *id = mw_args_string(call->args, "id");
    mw_status status = mw_jobs_cancel(call->ctx, call->app->jobs, id, err);
    if (status == MW_ENOTFOUND) return fail_unknown(id, err);
    return status ? status : prepare_one(call, out, err);
}

static mw_status prepare_retry(const mw_call *call, mw_buf *out, mw_err *err) {
    const char *id = mw_args_string(call->args, "id");
    mw_status status = mw_jobs_retry(call->ctx, call->app->jobs, id, err);
    if (status == MW_ENOTFOUND) return fail_unknown(id, err);
    return status ? status : prepare_one(call, out, err);
}

/* ---- events ---- */

/* "17.4": the record's revision, and the lines of its log so far. */
static void read_event_id(mw_str id, int64_t *ret_revision, int64_t *ret_lines) {
    const char *dot = memchr(id.data, '.', id.size);
    *ret_revision = *ret_lines = -1;
    if (!dot) return;
    const size_t n = (size_t)(dot - id.data);
    if (mw_number_read_int(id.data, n, ret_revision) &&
        mw_number_read_int(dot + 1, id.size - n - 1, ret_lines))
        return;
    *ret_revision = *ret_lines = -1;
}

/* Those after the first `seen` of this attempt, as far as they are still there. */
static void add_log_events(const mw_job_record *job, int64_t seen, mw_buf *out) {
    int64_t n_kept = 0;
    mw_json_writer w;
    for (const char *c = job->log; c && (c = strchr(c, '\n')); c++) n_kept++;
    int64_t number = job->n_log_lines - n_kept;
    if (seen > job->n_log_lines) seen = 0; /* of another attempt */
    const char *line = job->log, *end;
    for (; line && (end = strchr(line, '\n')); line = end + 1) {
        if (++number <= seen) continue;
        mw_buf_printf(out, "id: 0.%lld\nevent: log\ndata: ", (long long)number);
        mw_json_writer_init(&w, out, 0);
        mw_json_write_str(&w, (mw_str){line, (size_t)(end - line)});
        mw_buf_add(out, "\n\n");
    }
}

static void add_job_event(const mw_job_record *job, const char *id, mw_buf *out) {
    mw_json_writer w;
    mw_buf_printf(out, "id: %s\nevent: job\ndata: ", id);
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "job_id", job->id);
    mw_json_add_string(&w, "kind", job->kind);
    mw_json_add_string(&w, "state", mw_job_state_name(job->state));
    mw_json_add_int(&w, "attempts", job->attempts);
    mw_json_add_number(&w, "progress", job->progress);
    mw_json_add_string(&w, "message", job->message ? job->message : "");
    mw_json_add_time(&w, "finished", job->finished_us ? job->finished_us : MW_TIME_NONE);
    mw_json_key(&w, "error");
    if (job->error)
        mw_json_write_raw(&w, mw_str_of(job->error));
    else
        mw_json_write_null(&w);
    mw_json_object_end(&w);
    mw_buf_add(out, "\n\n");
}

static mw_status give_events(const mw_call *call, mw_str last_event_id, mw_buf *out,
                             char *last_id_out, bool *ret_end, mw_err *err) {
    mw_arena arena;
    mw_job_record job;
    int64_t revision, lines;
    const char *id = mw_args_string(call->args, "id");
    mw_jobs_follow(call->app->jobs);
    mw_arena_init(&arena, call->ctx->mem);
    mw_status status = mw_store_job_get(call->ctx, call->app->store, &arena, id, &job, err);
    if (status == MW_ENOTFOUND) status = fail_unknown(id, err);
    if (!status) {
        read_event_id(last_event_id, &revision, &lines);
        *ret_end = mw_job_state_final(job.state);
        if (job.revision != revision || *ret_end) {
            (void)snprintf(last_id_out, MW_EVENT_ID_MAX, "%lld.%lld", (long long)job.revision,
                           (long long)job.n_log_lines);
            add_log_events(&job, lines, out);
            add_job_event(&job, last_id_out, out);
        }
    }
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_list(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_job_record *jobs;
    size_t n;
    const mw_job_filter filter = {.limit = (int32_t)mw_args_int(call->args, "limit"),
                                  .state = mw_args_string(call->args, "state"),
                                  .kind = mw_args_string(call->args, "kind"),
                                  .before = mw_args_string(call->args, "before"),
                                  .dead = mw_args_bool(call->args, "dead")};
    mw_status status =
        mw_store_job_list(call->ctx, call->app->store, &arena, &filter, &jobs, &n, err);
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        mw_json_array(&writer);
        for (size_t i = 0; i < n; i++) mw_op_write_job(&jobs[i], &writer);
        mw_json_array_end(&writer);
    }
    mw_arena_done(&arena);
    return status;
}

static void print_one(const mw_json *job, mw_buf *out) {
    mw_str id = mw_json_string(mw_json_get(job, "job_id"), "");
    mw_str kind = mw_json_string(mw_json_get(job, "kind"), "");
    mw_str state = mw_json_string(mw_json_get(job, "state"), "");
    mw_str created = mw_json_string(mw_json_get(job, "created"), "");
    mw_str message = mw_json_string(mw_json_get(mw_json_get(job, "error"), "message"), "");
    if (message.size == 0) message = mw_json_string(mw_json_get(job, "message"), "");
    bool stopped = mw_str_is(state, "FAILURE") || mw_str_is(state, "REVOKED");
    mw_buf_printf(out, "%.*s  %-8.*s %-9.*s", (int)id.size, id.data, (int)kind.size, kind.data,
                  (int)state.size, state.data);
    if (stopped)
        mw_buf_add(out, "      ");
    else
        mw_buf_printf(out, " %3.0f %%", 100 * mw_json_number(mw_json_get(job, "progress"), 0));
    mw_buf_printf(out, "  %.*s  %.*s\n", (int)created.size, created.data, (int)message.size,
                  message.data);
}

static void print_list(const mw_json *result, mw_buf *out) {
    if (!result->first) mw_buf_add(out, "no jobs yet\n");
    for (const mw_json *job = result->first; job; job = job->next) print_one(job, out);
}

static const char *const states[] = {"PENDING", "STARTED", "PROGRESS", "RETRY",
                                     "SUCCESS", "FAILURE", "REVOKED",  NULL};

static const mw_param one_params[] = {
    {.name = "id",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_PATH | MW_PARAM_POSITIONAL,
     .help = "The job's id, as POST /train?wait=false gave it."},
    {0}};

static const mw_param list_params[] = {
    {.name = "limit",
     .type = MW_PARAM_INT,
     .def = "20",
     .min = 1,
     .max = 1000,
     .help = "The most jobs to list, newest first."},
    {.name = "state", .type = MW_PARAM_ENUM, .choices = states, .help = "Only jobs in this state."},
    {.name = "kind",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .help = "Only jobs of this operation."},
    {.name = "before",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .help = "Only jobs older than this one: the next page."},
    {.name = "dead",
     .type = MW_PARAM_BOOL,
     .help = "Only jobs whose workers died in every attempt."},
    {0}};

static const mw_field error_fields[] = {
    {.name = "code", .type = MW_FIELD_STRING, .help = "the kind of failure"},
    {.name = "message", .type = MW_FIELD_STRING, .help = "what failed and why"},
    {.name = "hint", .type = MW_FIELD_STRING, .optional = true, .help = "what to do about it"},
    {.name = "pointer", .type = MW_FIELD_STRING, .optional = true, .help = "which input it was"},
    {0}};

static const mw_field result[] = {
    {.name = "job_id", .type = MW_FIELD_STRING, .help = "26 characters, sortable by age"},
    {.name = "kind", .type = MW_FIELD_STRING, .help = "the operation"},
    {.name = "state", .type = MW_FIELD_STRING, .choices = states, .help = "where it stands"},
    {.name = "attempts", .type = MW_FIELD_INTEGER, .help = "times it was started"},
    {.name = "max_attempts",
     .type = MW_FIELD_INTEGER,
     .help = "times it may be started, when its workers die"},
    {.name = "dead", .type = MW_FIELD_BOOL, .help = "its workers died in every attempt"},
    {.name = "priority", .type = MW_FIELD_INTEGER, .help = "larger ones start first"},
    {.name = "waits_for",
     .type = MW_FIELD_INTEGER,
     .help = "jobs that must succeed before it starts"},
    {.name = "progress", .type = MW_FIELD_NUMBER, .help = "0 to 1"},
    {.name = "message", .type = MW_FIELD_STRING, .help = "what it is doing, for people"},
    {.name = "created", .type = MW_FIELD_TIME, .help = "when it was asked for"},
    {.name = "started", .type = MW_FIELD_TIME, .nullable = true, .help = "when it was started"},
    {.name = "finished", .type = MW_FIELD_TIME, .nullable = true, .help = "when it ended"},
    {.name = "result", .type = MW_FIELD_ANY, .nullable = true, .help = "the operation's answer"},
    {.name = "error",
     .type = MW_FIELD_OBJECT,
     .nullable = true,
     .fields = error_fields,
     .help = "why it failed"},
    {.name = "log",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .optional = true,
     .help = "the latest lines that this attempt logged; of one job only"},
    {0}};

static const mw_status one_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_OK};
static const mw_status list_errors[] = {MW_EINVAL, MW_OK};
static const mw_status change_errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_OK};
static const mw_status retry_errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_EBUSY, MW_OK};
static const char *const list_examples[] = {"millwright jobs --limit 5",
                                            "millwright jobs --state FAILURE", NULL};

const mw_op mw_op_job = {
    .name = "job",
    .method = "GET",
    .path = "/jobs/{id}",
    .area = "jobs",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "One job: state, progress, result or error",
    .help = "Ask again until state is SUCCESS, FAILURE or REVOKED.",
    .params = one_params,
    .result = result,
    .errors = one_errors,
    .prepare = prepare_one,
};

const mw_op mw_op_job_events = {
    .name = "job_events",
    .verb = "jobs watch",
    .method = "GET",
    .path = "/jobs/{id}/events",
    .area = "jobs",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "Follow a job",
    .help =
        "Events `job` (state, progress, message, error) whenever something changes, and `log` for "
        "each line that it logs; the stream ends with the job. GET /jobs/{id} then has its "
        "result. On the command line, Ctrl-C ends the watching, not the job.",
    .params = one_params,
    .errors = one_errors,
    .events = give_events,
};

const mw_op mw_op_job_cancel = {
    .name = "job_cancel",
    .verb = "jobs cancel",
    .method = "DELETE",
    .path = "/jobs/{id}",
    .area = "jobs",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_QUICK,
    .summary = "Cancel a job",
    .help = "One that waits ends at once; a running one is asked to stop, and has stopped within a "
            "second.",
    .params = one_params,
    .result = result,
    .errors = change_errors,
    .prepare = prepare_cancel,
    .print = print_one,
};

const mw_op mw_op_job_retry = {
    .name = "job_retry",
    .verb = "jobs retry",
    .method = "POST",
    .path = "/jobs/{id}/retry",
    .area = "jobs",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_QUICK,
    .summary = "Try a failed or canceled job again",
    .help = "It waits again, with all its attempts. A job that ran in a command, not in a server, "
            "then waits for a server.",
    .params = one_params,
    .result = result,
    .errors = retry_errors,
    .prepare = prepare_retry,
    .print = print_one,
};

const mw_op mw_op_jobs = {
    .name = "jobs",
    .verb = "jobs",
    .method = "GET",
    .path = "/jobs",
    .area = "jobs",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .summary = "The latest jobs of the organization",
    .help = "Newest first.",
    .examples = list_examples,
    .params = list_params,
    .result = result,
    .result_is_array = true,
    .errors = list_errors,
    .prepare = prepare_list,
    .print = print_list,
};
