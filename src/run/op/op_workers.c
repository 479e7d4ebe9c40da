/*
 * op_workers.c -- what a worker on another host asks of the server: it offers itself, talks in frames, gets files and delivers files.
 *
 * The protocol is docs/formats/worker-protocol.md; what is behind it, run/job/remote.h. Every answer comes at once but that of worker_receive, which waits
 * a little for something to say.
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/job/remote.h"
#include "run/op/app.h"

static const char *const takes[] = {"application/octet-stream", NULL};

static const char *who(const mw_call *call) { return call->principal.name; }
static const char *id_of(const mw_call *call) { return mw_args_string(call->args, "id"); }
static uint64_t at_of(const mw_call *call) { return (uint64_t)mw_args_int(call->args, "at"); }

static void write_at(uint64_t at, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_int(&w, "at", (int64_t)at);
    mw_json_object_end(&w);
}

/* ---- coming and going ---- */

static mw_status prepare_offer(const mw_call *call, mw_buf *out, mw_err *err) {
    char id[MW_REMOTE_ID_BYTES];
    mw_jobs *jobs = call->app->jobs;
    const mw_remote_offer offer = {.who = who(call),
                                   .program = mw_args_string(call->args, "program"),
                                   .name = mw_args_string(call->args, "name"),
                                   .folder = mw_args_string(call->args, "folder"),
                                   .threads = (int)mw_args_int(call->args, "threads")};
    if (call->principal.org) {
        mw_fail(err, MW_EDENIED, "this key is of one organization, and a worker works for all");
        return mw_err_hint(err, "make its key with `millwright org key create --role worker --all "
                                "--name NAME`");
    }
    mw_status status = mw_remote_open(jobs, &offer, id, err);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "worker_id", id);
    mw_json_add_int(&w, "lease_us", mw_jobs_lease_us(jobs));
    mw_json_object_end(&w);
    return MW_OK;
}

static mw_status prepare_leave(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_status status = mw_remote_close(call->app->jobs, id_of(call), who(call), err);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "worker_id", id_of(call));
    mw_json_object_end(&w);
    return MW_OK;
}

/* ---- frames ---- */

static bool wait(const mw_call *call, void (*ready)(void *arg), void *arg) {
    return mw_remote_wait(call->app->jobs, id_of(call), who(call), at_of(call), ready, arg);
}

static mw_status prepare_receive(const mw_call *call, mw_buf *out, mw_err *err) {
    return mw_remote_receive(call->app->jobs, id_of(call), who(call), at_of(call), out, err);
}

static mw_status prepare_send(const mw_call *call, mw_buf *out, mw_err *err) {
    uint64_t at = 0;
    const mw_str bytes = call->body ? call->body->bytes : (mw_str){"", 0};
    mw_status status =
        mw_remote_send(call->app->jobs, id_of(call), who(call), at_of(call), bytes, &at, err);
    if (!status) write_at(at, out);
    return status;
}

/* ---- files ---- */

static mw_status prepare_inputs(const mw_call *call, mw_buf *out, mw_err *err) {
    return mw_remote_inputs(call->ctx, call->app->jobs, id_of(call), who(call), out, err);
}

static mw_status prepare_file(const mw_call *call, mw_buf *out, mw_err *err) {
    return mw_remote_read_file(call->ctx, call->app->jobs, id_of(call), who(call),
                               mw_args_string(call->args, "path"),
                               mw_args_string(call->args, "tag"), at_of(call), out, err);
}

static mw_status prepare_output(const mw_call *call, mw_buf *out, mw_err *err) {
    uint64_t at = 0;
    const mw_remote_piece piece = {.path = mw_args_string(call->args, "path"),
                                   .at = at_of(call),
                                   .bytes = call->body ? call->body->bytes : (mw_str){"", 0},
                                   .hash = mw_args_string(call->args, "hash"),
                                   .last = mw_args_bool(call->args, "last")};
    mw_status status = mw_remote_write_output(call->ctx, call->app->jobs, id_of(call), who(call),
                                              &piece, &at, err);
    if (!status) write_at(at, out);
    return status;
}

/* ---- tables ---- */

#define ID_PARAM                                                    \
    {                                                               \
        .name = "id", .type = MW_PARAM_STRING, .min = 1, .max = 64, \
        .flags = MW_PARAM_REQUIRED | MW_PARAM_PATH,                 \
        .help = "The worker's id, as POST /workers gave it."        \
    }
#define AT_PARAM(text)                                                               \
    {                                                                                \
        .name = "at", .type = MW_PARAM_INT, .def = "0", .max = 9e15, .help = (text), \
        .flags = MW_PARAM_QUERY                                                      \
    }

static const mw_param offer_params[] = {
    {.name = "program",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 32,
     .flags = MW_PARAM_REQUIRED,
     .help = "Version of the worker's program; another one than the server's is refused (409)."},
    {.name = "name",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 120,
     .flags = MW_PARAM_REQUIRED,
     .help = "What logs call it: its host and number."},
    {.name = "folder",
     .type = MW_PARAM_STRING,
     .min = 2,
     .max = MW_REMOTE_FOLDER_BYTES - 1,
     .flags = MW_PARAM_REQUIRED,
     .help = "A folder of its own on its host: a job's files are expected in its folder `in`, what "
             "the job makes in `work`."},
    {.name = "threads",
     .type = MW_PARAM_INT,
     .def = "0",
     .min = 0,
     .max = 256,
     .help = "Threads for a job; 0: one for each of its cores."},
    {0}};
static const mw_param id_params[] = {ID_PARAM, {0}};
static const mw_param receive_params[] = {
    ID_PARAM, AT_PARAM("How many bytes have been read: the answer begins behind them."), {0}};
static const mw_param send_params[] = {
    ID_PARAM, AT_PARAM("How many bytes were sent before this body."), {0}};
static const mw_param file_params[] = {
    ID_PARAM,
    {.name = "path",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 2047,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_QUERY,
     .help = "The file, as GET /workers/{id}/inputs lists it."},
    {.name = "tag",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = MW_REMOTE_TAG_BYTES - 1,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_QUERY,
     .help = "Its tag there; a file that was replaced since is refused (409)."},
    AT_PARAM("Where in the file the piece begins."),
    {0}};
static const mw_param output_params[] = {
    ID_PARAM,
    {.name = "path",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 2047,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_QUERY,
     .help = "Where the file belongs, below the job's work folder."},
    AT_PARAM("Where in the file the piece begins; 0 begins it anew."),
    {.name = "hash",
     .type = MW_PARAM_STRING,
     .min = MW_HASH128_HEX - 1,
     .max = MW_HASH128_HEX - 1,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_QUERY,
     .help = "XXH3-128 of the piece, 32 small hexadecimal digits."},
    {.name = "last",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .flags = MW_PARAM_QUERY,
     .help = "The file ends with this piece; it is on disk when this is answered."},
    {0}};

static const mw_field offer_result[] = {
    {.name = "worker_id", .type = MW_FIELD_STRING, .help = "for all other requests"},
    {.name = "lease_us",
     .type = MW_FIELD_INTEGER,
     .help = "silence after which it is given up, in microseconds"},
    {0}};
static const mw_field leave_result[] = {
    {.name = "worker_id", .type = MW_FIELD_STRING, .help = "which one"}, {0}};
static const mw_field at_result[] = {
    {.name = "at", .type = MW_FIELD_INTEGER, .help = "bytes that have come so far"}, {0}};
static const mw_field file_fields[] = {
    {.name = "path", .type = MW_FIELD_STRING, .help = "below the data folder"},
    {.name = "bytes", .type = MW_FIELD_INTEGER, .optional = true, .help = "its size"},
    {.name = "tag",
     .type = MW_FIELD_STRING,
     .optional = true,
     .help = "another tag is another content; one that begins with h is the same anywhere"},
    {.name = "content",
     .type = MW_FIELD_STRING,
     .optional = true,
     .help = "of a file made for the worker: all of it"},
    {0}};
static const mw_field inputs_result[] = {
    {.name = "job_id", .type = MW_FIELD_STRING, .help = "the job that it has"},
    {.name = "org", .type = MW_FIELD_STRING, .help = "whose job that is"},
    {.name = "files",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = file_fields,
     .help = "what the job reads"},
    {0}};

static const mw_status offer_errors[] = {MW_EINVAL, MW_ECONFLICT, MW_EDENIED, MW_EBUSY, MW_OK};
static const mw_status errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_ECONFLICT, MW_EBUSY, MW_OK};
static const mw_status file_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_ECONFLICT, MW_EDENIED,
                                        MW_EIO,       MW_EDATA,  MW_OK};
static const mw_status output_errors[] = {MW_ENOTFOUND,    MW_EINVAL, MW_ECONFLICT,
                                          MW_EUNSUPPORTED, MW_EDATA,  MW_ETOOLARGE,
                                          MW_EIO,          MW_EBUSY,  MW_OK};

const mw_op mw_op_worker_offer = {
    .name = "worker_offer",
    .method = "POST",
    .path = "/workers",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .summary = "Offer a worker of another host",
    .help = "What `millwright worker --server` does, once for each job that it can do at a time. "
            "The server then gives it jobs in frames. A worker that asks nothing for `lease_us` is "
            "given up.",
    .params = offer_params,
    .result = offer_result,
    .example = "{\"worker_id\":\"5f0c3b0d9e8a47d2a1c6f7e8b9a0c1d2\",\"lease_us\":30000000}",
    .errors = offer_errors,
    .prepare = prepare_offer,
};

const mw_op mw_op_worker_leave = {
    .name = "worker_leave",
    .method = "DELETE",
    .path = "/workers/{id}",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .summary = "A worker leaves",
    .help = "The job that it has waits again at once, and that was no attempt.",
    .params = id_params,
    .result = leave_result,
    .errors = errors,
    .prepare = prepare_leave,
};

const mw_op mw_op_worker_receive = {
    .name = "worker_receive",
    .method = "GET",
    .path = "/workers/{id}/frames",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .frequent = true,
    .summary = "Frames for a worker",
    .help = "Waits up to a sixth of the lease, and at most 5 s, for something to say; the answer "
            "may be empty. The same bytes are given again until a request asks for those behind.",
    .params = receive_params,
    .content_type = "application/octet-stream",
    .errors = errors,
    .wait = wait,
    .prepare = prepare_receive,
};

const mw_op mw_op_worker_send = {
    .name = "worker_send",
    .method = "POST",
    .path = "/workers/{id}/frames",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .frequent = true,
    .takes = takes,
    .summary = "Frames of a worker",
    .help = "Bytes that have come before are passed over, so a request whose answer was lost can "
            "be sent again.",
    .params = send_params,
    .result = at_result,
    .errors = output_errors,
    .prepare = prepare_send,
};

const mw_op mw_op_worker_inputs = {
    .name = "worker_inputs",
    .method = "GET",
    .path = "/workers/{id}/inputs",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .frequent = true,
    .summary = "The files that a worker's job reads",
    .help = "Of the organization of the job only, and only while the worker has it.",
    .params = id_params,
    .result = inputs_result,
    .errors = file_errors,
    .prepare = prepare_inputs,
};

const mw_op mw_op_worker_file = {
    .name = "worker_file",
    .method = "GET",
    .path = "/workers/{id}/files",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .frequent = true,
    .summary = "A piece of such a file",
    .help =
        "32 hexadecimal digits, the XXH3-128 of the piece, and then the piece: 512 KiB, or what "
        "there is up to the end of the file.",
    .params = file_params,
    .content_type = "application/octet-stream",
    .errors = file_errors,
    .prepare = prepare_file,
};

const mw_op mw_op_worker_output = {
    .name = "worker_output",
    .method = "PUT",
    .path = "/workers/{id}/outputs",
    .area = "workers",
    .role = MW_ROLE_WORKER,
    .kind = MW_OP_QUICK,
    .frequent = true,
    .takes = takes,
    .summary = "Deliver a piece of a file that a job has made",
    .help = "One file after the other, each from its beginning, before the job's result is sent. "
            "The last piece can be sent again when its answer was lost.",
    .params = output_params,
    .result = at_result,
    .errors = output_errors,
    .prepare = prepare_output,
};
