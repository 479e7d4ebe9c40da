/* op_upload.c -- POST /datasets/{dataset}/files/{name}: a telemetry file into a dataset, over HTTP.
 * The transport has received it (upload.h); from there on it is read as `millwright ingest` reads. */
#include <pthread.h>

#include "keep/ingest/profile.h"
#include "keep/ingest/quality.h"
#include "run/op/dataset_job.h"
#include "run/op/upload.h"

extern const mw_op mw_op_ingest;

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    if (!call->upload) return mw_fail(err, MW_EINVAL, "there is no file to read");
    const char *path = mw_upload_path(call->upload);
    size_t n_known;
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_status status = mw_op__write_dataset(call, &writer, mw_args_string(call->args, "dataset"),
                                            &path, 1, &n_known, err);
    if (status) return status;
    mw_json_key(&writer, "args");
    mw_args_write_json(call->args, &writer);
    mw_json_object_end(&writer);
    return MW_OK;
}

static mw_status work(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err) {
    return mw_op_ingest.work(ctx, payload, work_dir, result, err);
}

/* Uploads do not exclude each other, but which segments one replaces is read before it commits:
 * one commit at a time. */
static mw_status commit(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *work_dir,
                        mw_buf *result, mw_err *err) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_at_a_time);
    mw_status status = mw_op_ingest.commit(ctx, app, job, work_dir, result, err);
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}

#define DATASET_HELP "Where the rows go; `main` is what POST /train learns from by default."
#define NAME_HELP "The file's name, its identity in the dataset: no slash, no leading dot."

static const mw_param dry_run[] = {
    {.name = "dry_run",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .help = "Only say how the file would be read, with ten typed rows."},
    {0}};

static const mw_param params[] = {{.name = "dataset",
                                   .type = MW_PARAM_STRING,
                                   .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED,
                                   .help = DATASET_HELP},
                                  {.name = "name",
                                   .type = MW_PARAM_STRING,
                                   .flags = MW_PARAM_PATH | MW_PARAM_REQUIRED,
                                   .min = 1,
                                   .max = 255,
                                   .help = NAME_HELP},
                                  {0}};

static const mw_param store_params[] = {
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main", .help = DATASET_HELP},
    {.name = "name",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED,
     .min = 1,
     .max = 255,
     .help = NAME_HELP " In a form, without it, the name that its file has there."},
    {0}};

static const mw_field result[] = {
    {.name = "dataset", .type = MW_FIELD_STRING, .help = "where the rows went"},
    {.name = "dry_run",
     .type = MW_FIELD_BOOL,
     .optional = true,
     .help = "true: nothing was written"},
    {.name = "new_files",
     .type = MW_FIELD_INTEGER,
     .optional = true,
     .help = "1, or 0 when the dataset has this very file"},
    {.name = "unchanged_files",
     .type = MW_FIELD_INTEGER,
     .optional = true,
     .help = "1 when the dataset has this very file"},
    {.name = "rows", .type = MW_FIELD_INTEGER, .optional = true, .help = "rows it brought"},
    {.name = "rejected", .type = MW_FIELD_INTEGER, .optional = true, .help = "rows refused"},
    {.name = "files",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .help = "the file: what was found in it, and what became of it"},
    {0}};

static const mw_status errors[] = {MW_EPARSE,    MW_EINVAL, MW_EDATA, MW_EDENIED,
                                   MW_ECONFLICT, MW_EBUSY,  MW_EIO,   MW_OK};

static const char example[] =
    "{\"dataset\":\"main\",\"new_files\":1,\"unchanged_files\":0,\"rows\":11972,\"rejected\":0,"
    "\"files\":[{\"source\":\"miner-long-2026-01-05.csv\",\"unchanged\":false,\"layout\":\"long\","
    "\"rows\":11972,\"rejected\":0}]}";

const mw_op mw_op_upload = {
    .name = "upload",
    .method = "POST",
    .path = "/datasets/{dataset}/files/{name}",
    .area = "datasets",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_JOB,
    .upload = true,
    .summary = "Send a telemetry file into a dataset",
    .help = "The body is the file as it is: any table of text, plain, gzip or zstd, of up to 64 "
            "GiB, with Content-Length or in chunks. It is read as `millwright ingest` reads files. "
            "The same name with the same content changes nothing, with other content it replaces "
            "the rows that it brought before. Waits and answers what was found; with ?wait=false "
            "answers 202 and the job's id as soon as the file has come.",
    .params = params,
    .more_params = {dry_run, mw_ingest_params, mw_profile_params, mw_quality_params},
    .result = result,
    .example = example,
    .errors = errors,
    .prepare = prepare,
    .work = work,
    .commit = commit,
    .reads = mw_op__reads_files,
};

const mw_op mw_op_dataset_store = {
    .name = "dataset_store",
    .method = "POST",
    .path = "/dataset/store",
    .area = "datasets",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_JOB,
    .upload = true,
    .summary = "Send a telemetry file, as a form or as it is",
    .help = "What POST /datasets/{dataset}/files/{name} does, for clients that send forms: a field "
            "of multipart/form-data is a parameter when it stands before the file. A body that is "
            "the file itself needs `name` in the query.",
    .params = store_params,
    .more_params = {dry_run, mw_ingest_params, mw_profile_params, mw_quality_params},
    .result = result,
    .example = example,
    .errors = errors,
    .prepare = prepare,
    .work = work,
    .commit = commit,
    .reads = mw_op__reads_files,
};
