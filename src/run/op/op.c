/* op.c -- looking operations up, checking roles, and the JSON form of a job. */
#include "run/op/op.h"

#include <pthread.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/text/datetime.h"
#include "run/op/app.h"
#include "run/op/upload.h"

static const char *const role_names[] = {"viewer", "operator", "trainer", "admin", "worker"};

const char *mw_role_name(mw_role role) { return role_names[role]; }

const mw_op *mw_op_by_verb(const char *verb) {
    for (const mw_op *const *op = mw_ops; *op; op++)
        if (((*op)->verb && strcmp((*op)->verb, verb) == 0) ||
            ((*op)->also && strcmp((*op)->also, verb) == 0))
            return *op;
    return NULL;
}

const mw_op *mw_op_by_name(const char *name) {
    for (const mw_op *const *op = mw_ops; *op; op++)
        if (strcmp((*op)->name, name) == 0) return *op;
    return NULL;
}

/* ---- parameter tables in several parts, joined once ---- */

enum { MAX_PARAMS = 96, MAX_OPS = 64 };

static struct joined {
    const mw_op *op;
    mw_param table[MAX_PARAMS + 1];
} joined_tables[MAX_OPS];
static pthread_once_t join_once = PTHREAD_ONCE_INIT;
static const mw_param no_params[1];

/* Over HTTP every job takes these, in the query. */
enum { ON_QUERY = MW_PARAM_QUERY | MW_PARAM_HTTP_ONLY };
static const mw_param job_params[] = {
    {.name = "priority",
     .type = MW_PARAM_INT,
     .min = -MW_STORE_PRIORITY,
     .max = MW_STORE_PRIORITY,
     .flags = ON_QUERY,
     .help = "Jobs of a larger priority start first."},
    {.name = "after",
     .type = MW_PARAM_LIST,
     .max = 64,
     .flags = ON_QUERY,
     .help =
         "Ids of jobs that must succeed before this one starts; when one fails, this one does."},
    {.name = "time_limit",
     .type = MW_PARAM_DURATION,
     .max = 366 * 86400e6,
     .unit = "us",
     .flags = ON_QUERY,
     .help = "A job that takes longer is stopped and fails; without it the server's limit."},
    {.name = "memory_limit",
     .type = MW_PARAM_INT,
     .max = 1 << 30,
     .unit = "MB",
     .flags = ON_QUERY,
     .help = "A job that needs more memory fails and says so; without it the server's limit."},
    {0}};

static bool is_joined(const mw_op *op) { return op->more_params[0] || op->kind == MW_OP_JOB; }

static void join_tables(void) {
    size_t n = 0;
    for (const mw_op *const *op = mw_ops; *op && n < MAX_OPS; op++) {
        if (!is_joined(*op)) continue;
        const mw_param *tables[MW_OP_TABLES + 2] = {(*op)->params ? (*op)->params : no_params};
        memcpy(tables + 1, (*op)->more_params, sizeof(*op)->more_params);
        for (int i = 0; i < MW_OP_TABLES + 2; i++)
            if (!tables[i] && (*op)->kind == MW_OP_JOB) {
                tables[i] = job_params;
                break;
            }
        mw_param_join(tables, MW_OP_TABLES + 2, joined_tables[n].table, MAX_PARAMS + 1);
        joined_tables[n++].op = *op;
    }
}

const mw_param *mw_op_params(const mw_op *op) {
    if (!is_joined(op)) return op->params ? op->params : no_params;
    pthread_once(&join_once, join_tables);
    for (size_t i = 0; i < MAX_OPS; i++)
        if (joined_tables[i].op == op) return joined_tables[i].table;
    return op->params ? op->params : no_params;
}

/* ---- job kinds ---- */

static mw_job_kind kinds[MAX_OPS + 1];
static pthread_once_t kinds_once = PTHREAD_ONCE_INIT;

static void collect_kinds(void) {
    size_t n = 0;
    for (const mw_op *const *op = mw_ops; *op && n < MAX_OPS; op++)
        if ((*op)->kind == MW_OP_JOB)
            kinds[n++] = (mw_job_kind){.name = (*op)->name,
                                       .work = (*op)->work,
                                       .commit = (*op)->commit,
                                       .left = (*op)->left,
                                       .reads = (*op)->reads,
                                       .light = (*op)->light};
}

const mw_job_kind *mw_op_job_kinds(void) {
    pthread_once(&kinds_once, collect_kinds);
    return kinds;
}

/* ---- calls ---- */

/* What more than looking needs, but for the stream of telemetry; and what was refused. */
static bool is_audited(const mw_op *op, const mw_call *call, mw_status status) {
    if (!call->app || call->app->store == NULL) return false;
    return (op->role > MW_ROLE_VIEWER && !op->takes && !op->frequent) || status == MW_EDENIED;
}

/* What every job may be given over HTTP: see job_params. */
static mw_status queue(const mw_op *op, const mw_call *call, const char *payload, char *job_id,
                       mw_err *err) {
    mw_job_new job = {.kind = op->name, .payload = payload, .exclusive = op->exclusive};
    job.priority = (int32_t)mw_args_int(call->args, "priority");
    job.time_limit_us = mw_args_int(call->args, "time_limit");
    job.memory_bytes = mw_args_int(call->args, "memory_limit") << 20;
    job.n_after = (int32_t)mw_args_list(call->args, "after", &job.after);
    const mw_job_audit entry = {call->principal.name, op->name, call->ctx->request_id};
    if (is_audited(op, call, MW_OK)) job.audit = &entry;
    if (op->copies) job.copies = (int32_t)mw_args_int(call->args, op->copies);
    return mw_jobs_submit(call->ctx, call->app->jobs, &job, job_id, err);
}

static mw_status submit(const mw_op *op, const mw_call *call, char *job_id, mw_err *err) {
    mw_buf payload;
    mw_buf_init(&payload, call->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = op->prepare(call, &payload, err);
    if (!status) status = mw_buf_status(&payload, "the job's payload", err);
    if (!status) status = queue(op, call, mw_buf_text(&payload), job_id, err);
    if (!status && call->upload) mw_upload_hand_over(call->upload, job_id);
    mw_buf_done(&payload);
    return status;
}

static mw_status run(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err) {
    if (op->kind == MW_OP_JOB) return submit(op, call, job_id, err);
    mw_status status = op->prepare(call, out, err);
    return status ? status : mw_buf_status(out, "the answer", err);
}

/* Of a job that was made the entry came with it: see queue. */
static void audit(const mw_op *op, const mw_call *call, mw_status status) {
    mw_buf detail;
    mw_err err;
    if (op->kind == MW_OP_JOB && !status) return;
    mw_buf_init(&detail, call->ctx->mem, 1024);
    mw_store_audit_detail(&detail, status ? mw_status_name(status) : "ok", call->ctx->request_id,
                          NULL);
    if (mw_buf_status(&detail, "an audit entry", &err) ||
        mw_store_audit(call->ctx, call->app->store, call->principal.name, op->name,
                       mw_buf_text(&detail), &err))
        mw_log_error(call->ctx, "%s by %s is not in the audit log: %s", op->name,
                     call->principal.name, err.message);
    mw_buf_done(&detail);
}

/* Workers and all others: an admin may do either. */
static bool suffices(mw_role role, mw_role least) {
    if (role == MW_ROLE_ADMIN) return true;
    if (role == MW_ROLE_WORKER || least == MW_ROLE_WORKER) return role == least;
    return role >= least;
}

mw_status mw_op_check_role(const mw_op *op, const mw_principal *principal, mw_err *err) {
    if (op->public || suffices(principal->role, op->role)) return MW_OK;
    mw_fail(err, MW_EDENIED, "%s needs the role %s; %s has %s", op->name, mw_role_name(op->role),
            principal->name, mw_role_name(principal->role));
    return mw_err_hint(err, "ask an admin of the organization for a key with that role");
}

mw_status mw_op_call(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err) {
    mw_status status = mw_op_check_role(op, &call->principal, err);
    if (job_id) job_id[0] = '\0';
    if (!status) status = run(op, call, out, job_id, err);
    if (is_audited(op, call, status)) audit(op, call, status);
    return status;
}

mw_status mw_op_events(const mw_op *op, const mw_call *call, mw_str last_event_id, mw_buf *out,
                       char *last_id_out, bool *ret_end, mw_err *err) {
    mw_status status = mw_op_check_role(op, &call->principal, err);
    if (status) return status;
    return op->events(call, last_event_id, out, last_id_out, ret_end, err);
}

/* ---- a job as JSON ---- */

static void add_json_or_null(mw_json_writer *writer, const char *key, const char *json) {
    mw_json_key(writer, key);
    if (json && *json)
        mw_json_write_raw(writer, mw_str_of(json));
    else
        mw_json_write_null(writer);
}

static void add_lines(mw_json_writer *writer, const char *log) {
    mw_json_key(writer, "log");
    mw_json_array(writer);
    for (const char *end; (end = strchr(log, '\n')); log = end + 1)
        mw_json_write_str(writer, (mw_str){log, (size_t)(end - log)});
    mw_json_array_end(writer);
}

void mw_op_write_job(const mw_job_record *job, mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_string(writer, "job_id", job->id);
    mw_json_add_string(writer, "kind", job->kind);
    mw_json_add_string(writer, "state", mw_job_state_name(job->state));
    mw_json_add_int(writer, "attempts", job->attempts);
    mw_json_add_int(writer, "max_attempts", job->max_attempts);
    mw_json_add_bool(writer, "dead", job->is_dead);
    mw_json_add_int(writer, "priority", job->priority);
    mw_json_add_int(writer, "waits_for", job->n_waits);
    mw_json_add_number(writer, "progress", job->progress);
    mw_json_add_string(writer, "message", job->message ? job->message : "");
    mw_json_add_time(writer, "created", job->created_us);
    mw_json_add_time(writer, "started", job->started_us ? job->started_us : MW_TIME_NONE);
    mw_json_add_time(writer, "finished", job->finished_us ? job->finished_us : MW_TIME_NONE);
    add_json_or_null(writer, "result", job->result);
    add_json_or_null(writer, "error", job->error);
    if (job->log) add_lines(writer, job->log);
    mw_json_object_end(writer);
}
