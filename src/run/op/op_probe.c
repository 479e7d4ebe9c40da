/* op_probe.c -- POST /jobs/probe: jobs that do nothing, to see that the queue works, and how fast. */
#include "core/base/limits.h"
#include "run/op/app.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)err;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "text", mw_args_string(call->args, "text"));
    mw_json_object_end(&w);
    return MW_OK;
}

static mw_status work(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err) {
    (void)work_dir, (void)err;
    mw_json_writer w;
    mw_json_writer_init(&w, result, 0);
    mw_json_object(&w);
    mw_json_add_str(&w, "text", mw_json_string(mw_json_get(payload, "text"), ""));
    mw_json_add_int(&w, "began_us", mw_clock_utc(ctx->clock));
    mw_json_object_end(&w);
    return MW_OK;
}

static const mw_param params[] = {{.name = "text",
                                   .type = MW_PARAM_STRING,
                                   .def = "",
                                   .max = 1000,
                                   .help = "Comes back in the result."},
                                  {.name = "count",
                                   .type = MW_PARAM_INT,
                                   .def = "1",
                                   .min = 1,
                                   .max = 10000, /* = MW_LIMIT(JOB_COPIES) */
                                   .flags = MW_PARAM_QUERY | MW_PARAM_HTTP_ONLY,
                                   .help = "So many jobs, recorded at once; the answer is that of "
                                           "the last one."},
                                  {0}};

static const mw_field result[] = {
    {.name = "text", .type = MW_FIELD_STRING, .help = "as it was given"},
    {.name = "began_us",
     .type = MW_FIELD_INTEGER,
     .help = "when the job began in its process, microseconds since 1970, UTC"},
    {0}};

static const char *const examples[] = {"millwright jobs probe", NULL};
static const mw_status errors[] = {MW_EINVAL, MW_EBUSY, MW_OK};

const mw_op mw_op_probe = {
    .name = "probe",
    .verb = "jobs probe",
    .method = "POST",
    .path = "/jobs/probe",
    .area = "jobs",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_JOB,
    .light = true,
    .copies = "count",
    .summary = "Send a job through the queue that does nothing",
    .help = "It goes the whole way of any job: recorded, claimed, worked on in a process of its "
            "own, and ended. That tells whether the queue works; with count, how fast.",
    .examples = examples,
    .params = params,
    .result = result,
    .example = "{\"text\":\"hello\",\"began_us\":1772323200000000}",
    .errors = errors,
    .prepare = prepare,
    .work = work,
};
