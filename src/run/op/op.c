/* op.c -- looking operations up, checking roles, and the JSON form of a job. */
#include "run/op/op.h"

#include <pthread.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "run/op/app.h"
#include "run/op/upload.h"

static const char *const role_names[] = {"viewer", "operator", "trainer", "admin"};

const char *mw_role_name(mw_role role) { return role_names[role]; }

const mw_op *mw_op_by_verb(const char *verb) {
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb && strcmp((*op)->verb, verb) == 0) return *op;
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

static void join_tables(void) {
    size_t n = 0;
    for (const mw_op *const *op = mw_ops; *op && n < MAX_OPS; op++) {
        if (!(*op)->more_params[0]) continue;
        const mw_param *tables[MW_OP_TABLES + 1] = {(*op)->params ? (*op)->params : no_params};
        memcpy(tables + 1, (*op)->more_params, sizeof(*op)->more_params);
        mw_param_join(tables, MW_OP_TABLES + 1, joined_tables[n].table, MAX_PARAMS + 1);
        joined_tables[n++].op = *op;
    }
}

const mw_param *mw_op_params(const mw_op *op) {
    if (!op->more_params[0]) return op->params ? op->params : no_params;
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
            kinds[n++] = (mw_job_kind){(*op)->name, (*op)->work, (*op)->commit, (*op)->left};
}

const mw_job_kind *mw_op_job_kinds(void) {
    pthread_once(&kinds_once, collect_kinds);
    return kinds;
}

/* ---- calls ---- */

static mw_status submit(const mw_op *op, const mw_call *call, char *job_id, mw_err *err) {
    mw_buf payload;
    mw_buf_init(&payload, call->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = op->prepare(call, &payload, err);
    if (!status) status = mw_buf_status(&payload, "the job's payload", err);
    if (!status)
        status = mw_jobs_submit(call->ctx, call->app->jobs, op->name, mw_buf_text(&payload),
                                op->exclusive, job_id, err);
    if (!status && call->upload) mw_upload_hand_over(call->upload, job_id);
    mw_buf_done(&payload);
    return status;
}

mw_status mw_op_call(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err) {
    if (call->principal.role < op->role)
        return mw_fail(err, MW_EDENIED, "%s needs the role %s; %s has %s", op->name,
                       mw_role_name(op->role), call->principal.name,
                       mw_role_name(call->principal.role));
    if (op->kind == MW_OP_JOB) return submit(op, call, job_id, err);
    mw_status status = op->prepare(call, out, err);
    return status ? status : mw_buf_status(out, "the answer", err);
}

/* ---- a job as JSON ---- */

static void add_json_or_null(mw_json_writer *writer, const char *key, const char *json) {
    mw_json_key(writer, key);
    if (json && *json)
        mw_json_write_raw(writer, mw_str_of(json));
    else
        mw_json_write_null(writer);
}

void mw_op_write_job(const mw_job_record *job, mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_string(writer, "job_id", job->id);
    mw_json_add_string(writer, "kind", job->kind);
    mw_json_add_string(writer, "state", mw_job_state_name(job->state));
    mw_json_add_int(writer, "attempts", job->attempts);
    mw_json_add_number(writer, "progress", job->progress);
    mw_json_add_string(writer, "message", job->message ? job->message : "");
    mw_json_add_time(writer, "created", job->created_us);
    mw_json_add_time(writer, "started", job->started_us ? job->started_us : MW_TIME_NONE);
    mw_json_add_time(writer, "finished", job->finished_us ? job->finished_us : MW_TIME_NONE);
    add_json_or_null(writer, "result", job->result);
    add_json_or_null(writer, "error", job->error);
    mw_json_object_end(writer);
}
