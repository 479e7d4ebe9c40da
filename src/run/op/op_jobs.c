/* op_jobs.c -- GET /jobs/{id} and GET /jobs: what long operations are doing. */
#include "core/text/datetime.h"
#include "run/op/app.h"

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
        status = mw_fail(err, MW_ENOTFOUND, "there is no job \"%.64s\" in this organization", id);
    }
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_list(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_job_record *jobs;
    size_t n;
    int32_t limit = (int32_t)mw_args_int(call->args, "limit");
    mw_status status =
        mw_store_job_list(call->ctx, call->app->store, &arena, limit, &jobs, &n, err);
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

static void print_list(const mw_json *result, mw_buf *out) {
    if (!result->first) mw_buf_add(out, "no jobs yet\n");
    for (const mw_json *job = result->first; job; job = job->next) {
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
}

static const mw_param one_params[] = {{.name = "id",
                                       .type = MW_PARAM_STRING,
                                       .min = 1,
                                       .max = 64,
                                       .flags = MW_PARAM_REQUIRED | MW_PARAM_PATH,
                                       .help = "The job's id, as POST /train?wait=false gave it."},
                                      {0}};

static const mw_param list_params[] = {{.name = "limit",
                                        .type = MW_PARAM_INT,
                                        .def = "20",
                                        .min = 1,
                                        .max = 1000,
                                        .help = "The most jobs to list, newest first."},
                                       {0}};

static const char *const states[] = {"PENDING", "STARTED", "PROGRESS", "RETRY",
                                     "SUCCESS", "FAILURE", "REVOKED",  NULL};

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
    {0}};

static const mw_status one_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_OK};
static const mw_status list_errors[] = {MW_EINVAL, MW_OK};
static const char *const list_examples[] = {"millwright jobs --limit 5", NULL};

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
