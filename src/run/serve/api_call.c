/*
 * api_call.c -- a request's way through other threads.
 *
 *   loop     start_task: copies what it needs of the request
 *   handler  mw_api__run_task: organization, arguments, the operation itself
 *              QUICK, an error, or ?wait=false: post to the loop
 *              JOB: watch; the manager's thread calls on_job_final ...
 *   handler  read_outcome: ... which reads the job's result and posts to the loop
 *   loop     give_answer: unless the client has left
 */
#include "run/serve/api_inside.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "run/op/upload.h"
#include "run/serve/guard.h"
#include "run/serve/problem.h"

static void release_slot(mw_task *task) {
    if (task->has_slot) atomic_fetch_sub(&task->api->n_waiting, 1);
    task->has_slot = false;
}

void mw_api__free_task(mw_task *task) {
    release_slot(task);
    if (task->has_upload_slot) atomic_fetch_sub(&task->api->n_uploads, 1);
    mw_upload_free(task->upload);
    if (task->form) mw_form_done(task->form); /* itself it lies in the arena */
    mw_buf_done(&task->piece);
    mw_free(task->target);
    mw_free(task->body);
    mw_buf_done(&task->out);
    mw_free(task->packed);
    if (task->kept) mw_kept_drop(task->api->kept, task->kept);
    mw_faults_done(&task->faults);
    mw_arena_done(&task->arena);
    mw_free(task);
}

mw_task *mw_api__task_of_work(mw_handler_work *work) {
    return (mw_task *)((char *)work - offsetof(mw_task, work));
}

/* ---- the answer, on the loop ---- */

void mw_api__forget(mw_task *task) {
    task->exchange = NULL;
    if (task->receiving && !task->busy) mw_api__drop_upload(task);
}

void mw_api__log(const mw_ctx *ctx, const mw_op *op, int status, const mw_err *error) {
    mw_log_level level = error->code == MW_EBUSY ? MW_LOG_DEBUG /* see on_done */
                         : status >= 500         ? MW_LOG_ERROR
                         : op->kind == MW_OP_JOB ? MW_LOG_INFO
                                                 : MW_LOG_DEBUG;
    if (error->code != MW_OK)
        mw_log_write(ctx, level, "%s %s: %d %s", op->method, op->path, status, error->message);
    else
        mw_log_write(ctx, level, "%s %s: %d", op->method, op->path, status);
}

static void give_answer(mw_http_task *post) {
    mw_task *task = (mw_task *)post;
    mw_exchange *exchange = task->exchange;
    if (exchange && task->kept) {
        exchange->user = NULL;
        mw_api__answer_kept(exchange, task->kept);
    } else if (exchange) {
        exchange->user = NULL;
        size_t size = task->packed ? task->packed_size : task->out.size;
        char *body = task->packed       ? task->packed
                     : task->out.failed ? NULL
                                        : mw_buf_steal(&task->out, NULL);
        task->packed = NULL;
        if (body) {
            mw_exchange_answer(exchange, &(mw_answer){.status = task->status,
                                                      .content_type = task->content_type,
                                                      .fields = task->lines,
                                                      .body = body,
                                                      .size = size,
                                                      .memory = MW_ANSWER_GIVE});
        } else if (task->error.code != MW_OK) {
            mw_exchange_refuse(exchange, task->status, &task->error, task->lines);
        } else {
            mw_err err;
            mw_fail_nomem(&err, "the answer");
            mw_exchange_refuse(exchange, 503, &err, mw_api__retry_fields(503));
        }
    }
    mw_api__free_task(task);
}

/* ---- on a handler thread ---- */

static void send_answer(mw_task *task) {
    task->post.run = give_answer;
    if (!mw_http_post(task->loop, &task->post)) mw_api__free_task(task);
}

static void post_answer(mw_task *task) {
    mw_err *err = &task->error;
    release_slot(task); /* before the client can read the answer and ask again */
    if (err->code == MW_OK && mw_buf_status(&task->out, "the answer", err) != MW_OK)
        err->code = task->out.failed;
    if (err->code != MW_OK) {
        task->status = mw_api__status_of(err);
        task->content_type = "application/problem+json";
        mw_buf_clear(&task->out);
        mw_problem_write(task->status, err, &task->faults, task->request_id, &task->out);
        const char *retry = mw_api__retry_fields(task->status);
        (void)snprintf(task->lines, sizeof task->lines, "%s", retry ? retry : "");
    }
    mw_api__log(&task->ctx, task->route->op, task->status, &task->error);
    mw_api__finish_answer(task);
    send_answer(task);
}

static void set_answer(mw_task *task, int status, const char *fields) {
    const char *type = task->route->op->content_type;
    task->error.code = MW_OK;
    task->status = status;
    task->content_type = type ? type : "application/json";
    (void)snprintf(task->lines, sizeof task->lines, "%s", fields);
}

/* The error object of a job ({code, message, hint}) as an mw_err. */
static void read_job_error(mw_task *task, const mw_job_record *job) {
    const mw_json *error;
    mw_err ignored;
    const char *text = job->error ? job->error : "{}";
    if (mw_json_parse(&task->arena, text, strlen(text), &error, &ignored) != MW_OK) error = NULL;
    char code[32], message[MW_ERR_MESSAGE_MAX], hint[MW_ERR_HINT_MAX];
    mw_str_copy(code, sizeof code, mw_json_string(mw_json_get(error, "code"), "EINTERNAL"));
    mw_str_copy(message, sizeof message,
                mw_json_string(mw_json_get(error, "message"), "the job failed"));
    mw_str_copy(hint, sizeof hint, mw_json_string(mw_json_get(error, "hint"), ""));
    mw_status status = mw_status_from_name(code);
    mw_fail(&task->error, status == MW_OK ? MW_EINTERNAL : status, "%s", message);
    mw_err_hint(&task->error, "%s", hint);
    mw_str pointer = mw_json_string(mw_json_get(error, "pointer"), "");
    if (pointer.size) mw_err_at(&task->error, "%.*s", (int)pointer.size, pointer.data);
}

static void read_outcome(mw_handler_work *work, bool dropped) {
    mw_task *task = mw_api__task_of_work(work);
    if (dropped) {
        mw_api__free_task(task);
        return;
    }
    mw_job_record job;
    const mw_api_services *services = &task->api->services;
    mw_err *err = &task->error;
    mw_status status =
        services->read_job(services->app, &task->ctx, &task->arena, task->job_id, &job, err);
    if (status == MW_OK && job.state == MW_JOB_SUCCESS) {
        set_answer(task, 200, "");
        mw_buf_add(&task->out, job.result ? job.result : "null");
    } else if (status == MW_OK && job.state == MW_JOB_REVOKED) {
        mw_fail(err, MW_ECANCELED, "job %s was canceled", task->job_id);
    } else if (status == MW_OK) {
        read_job_error(task, &job);
    }
    post_answer(task);
}

/* From the manager's thread, once. */
static void on_job_final(void *arg, const char *id) {
    (void)id;
    mw_task *task = arg;
    mw_api *api = task->api;
    task->work.run = read_outcome;
    pthread_mutex_lock(&api->lock);
    bool taken = !api->closing && mw_handlers_push(api->handlers, &task->work, true);
    pthread_mutex_unlock(&api->lock);
    if (!taken) mw_api__free_task(task);
    mw_api__unref(api);
}

static void answer_submitted(mw_task *task) {
    char location[64];
    (void)snprintf(location, sizeof location, "Location: /jobs/%s\r\n", task->job_id);
    set_answer(task, 202, location);
    mw_json_writer writer;
    mw_json_writer_init(&writer, &task->out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "job_id", task->job_id);
    mw_json_add_string(&writer, "state", mw_job_state_name(MW_JOB_PENDING));
    mw_json_object_end(&writer);
}

static mw_status take_slot(mw_task *task) {
    mw_api *api = task->api;
    if (atomic_fetch_add(&api->n_waiting, 1) < api->options.max_waiting) {
        task->has_slot = true;
        return MW_OK;
    }
    atomic_fetch_sub(&api->n_waiting, 1);
    mw_fail(&task->error, MW_EBUSY, "too many requests wait for jobs already");
    return mw_err_hint(&task->error, "send it again with ?wait=false and follow GET /jobs/{id}");
}

/* True: the task now belongs to the job's watcher. */
static bool watch_job(mw_task *task) {
    mw_api *api = task->api;
    pthread_mutex_lock(&api->lock);
    api->refs++;
    pthread_mutex_unlock(&api->lock);
    mw_status status = api->services.watch(api->services.app, task->org, task->job_id, on_job_final,
                                           task, &task->error);
    if (status == MW_OK) return true;
    mw_api__unref(api);
    return false;
}

/* What an operation waits for is there: from any thread, once. */
static void on_ready(void *arg) {
    mw_task *task = arg;
    mw_api *api = task->api;
    task->work.run = mw_api__run_task;
    pthread_mutex_lock(&api->lock);
    bool taken = !api->closing && mw_handlers_push(api->handlers, &task->work, true);
    pthread_mutex_unlock(&api->lock);
    if (!taken) mw_api__free_task(task);
    mw_api__unref(api);
}

/* True: the task belongs to on_ready now. */
static bool waits(mw_task *task, const mw_call *call) {
    mw_api *api = task->api;
    const mw_op *op = task->route->op;
    if (!op->wait || task->waited) return false;
    task->waited = true;
    pthread_mutex_lock(&api->lock);
    api->refs++;
    pthread_mutex_unlock(&api->lock);
    if (op->wait(call, on_ready, task)) return true;
    mw_api__unref(api);
    return false;
}

static mw_status unpack_body(mw_task *task, mw_err *err) {
    char *plain = NULL;
    size_t size = 0;
    const int64_t most =
        task->route->op->takes ? MW_LIMIT(LIVE_BODY_BYTES) : task->api->options.body_bytes;
    mw_status status =
        mw_coding_unpack(task->ctx.mem, task->coding, (mw_str){task->body, task->body_size},
                         (size_t)most, &plain, &size, err);
    if (status != MW_OK) return status;
    mw_free(task->body);
    task->body = plain;
    task->body_size = size;
    task->coding = MW_CODING_IDENTITY;
    return MW_OK;
}

/* *parked: the task is somebody else's for now, and must not be touched. */
static mw_status call_operation(mw_task *task, bool *wait, bool *parked) {
    mw_api *api = task->api;
    const mw_route *route = task->route;
    mw_err *err = &task->error;
    mw_url url;
    mw_args *args = NULL;
    mw_api_input input = {.route = route};
    mw_status status = MW_OK;
    if (!route->op->public && !route->op->makes_org)
        status = api->services.check_org(api->services.app, &task->ctx, err);
    if (status == MW_OK) status = mw_url_split(mw_str_of(task->target), &url, err);
    if (status == MW_OK) status = mw_url_decode_path(&task->arena, url.path, &input.path, err);
    if (status == MW_OK && task->coding != MW_CODING_IDENTITY) status = unpack_body(task, err);
    if (status != MW_OK) return status;
    input.query = url.query;
    input.body = (mw_str){task->body ? task->body : "", task->body_size};
    if (route->op->upload) status = mw_api__receive_rest(task);
    if (status != MW_OK) return status;
    input.fields = task->fields;
    input.file_name = task->file_name;
    status =
        mw_api__read_args(task->ctx.mem, &task->arena, &input, wait, &task->faults, &args, err);
    if (status != MW_OK) return status;
    if (route->op->upload) status = mw_api__finish_upload(task);
    if (status == MW_OK && route->op->kind == MW_OP_JOB && *wait) status = take_slot(task);
    if (status == MW_EBUSY && task->upload) { /* it has come: not to be sent again for this */
        *wait = false;
        status = MW_OK;
    }
    const mw_body body = {input.body, task->body_type};
    mw_call call = {.ctx = &task->ctx,
                    .app = api->services.app,
                    .body = route->op->takes ? &body : NULL,
                    .if_match = task->if_match ? mw_str_of(task->if_match) : (mw_str){0},
                    .principal = task->guest.holder.principal,
                    .args = args,
                    .upload = task->upload};
    if (status == MW_OK) *parked = waits(task, &call);
    if (status == MW_OK && !*parked)
        status = api->services.call(route->op, &call, &task->out, task->job_id, err);
    mw_args_free(args);
    return status;
}

/* What is still the task's goes now, not when the job has ended. */
static void end_upload(mw_task *task) {
    task->upload = mw_upload_free(task->upload);
    mw_buf_done(&task->piece);
    if (task->has_upload_slot) atomic_fetch_sub(&task->api->n_uploads, 1);
    task->has_upload_slot = false;
}

/* What waited too long is not begun: its client has given up, or soon will. */
static mw_status check_deadline(mw_task *task) {
    mw_api *api = task->api;
    if (!task->deadline_us || mw_clock_monotonic(api->ctx->clock) <= task->deadline_us)
        return MW_OK;
    atomic_fetch_add(&api->n_late, 1);
    mw_fail(&task->error, MW_EBUSY, "the request waited too long for a free thread");
    return mw_err_hint(&task->error, "nothing was done; send it again in a moment");
}

void mw_api__run_task(mw_handler_work *work, bool dropped) {
    mw_task *task = mw_api__task_of_work(work);
    if (dropped) {
        mw_api__free_task(task);
        return;
    }
    bool wait = true, parked = false;
    mw_status status = check_deadline(task);
    if (status == MW_OK && mw_api__find_kept(task)) {
        send_answer(task);
        return;
    }
    if (status == MW_OK) status = call_operation(task, &wait, &parked);
    if (parked) return;
    bool job = status == MW_OK && task->route->op->kind == MW_OP_JOB;
    if (status == MW_OK) task->error.code = MW_OK;
    if (status != MW_OK && task->error.code == MW_OK) task->error.code = status;
    end_upload(task);
    task->body = mw_free(task->body); /* a job may take long: hold no more than it needs */
    if (job && !wait) answer_submitted(task);
    if (job && wait && watch_job(task)) return;
    if (status == MW_OK && !job) set_answer(task, 200, "");
    post_answer(task);
}

/* ---- the start, on the loop ---- */

/* What the head says about the answer. False when there is no memory. */
static bool read_wishes(mw_task *task, const mw_message *message, const mw_op *op) {
    const mw_str none_match = mw_message_field(message, "If-None-Match");
    const mw_str match = mw_message_field(message, "If-Match");
    task->accepted = mw_coding_choose(mw_message_field(message, "Accept-Encoding"));
    if (op->tagged && none_match.data)
        task->if_none_match = mw_arena_strndup(&task->arena, none_match.data, none_match.size);
    if (op->reads_if_match && match.data)
        task->if_match = mw_arena_strndup(&task->arena, match.data, match.size);
    return (task->if_none_match || !op->tagged || !none_match.data) &&
           (task->if_match || !op->reads_if_match || !match.data);
}

mw_task *mw_api__new_task(mw_api *api, mw_exchange *exchange, const mw_route *route,
                          const char *org) {
    mw_mem *mem = api->ctx->mem;
    mw_task *task = mw_calloc(mem, 1, sizeof *task);
    if (!task) return NULL;
    task->api = api;
    task->loop = exchange->loop;
    task->route = route;
    mw_arena_init(&task->arena, mem);
    mw_faults_init(&task->faults, mem);
    mw_buf_init(&task->out, mem, (size_t)MW_LIMIT(HTTP_RESPONSE_BYTES));
    mw_str target = exchange->message->target;
    if (route->op->takes)
        task->body_type =
            mw_guard_type(mw_message_field(exchange->message, "Content-Type"), route->op->takes);
    task->target = mw_strndup(mem, target.data, target.size);
    bool has_body = exchange->body.size > 0;
    if (has_body) {
        task->body = mw_exchange_take_body(exchange, &task->body_size);
        task->coding = mw_coding_of(mw_message_field(exchange->message, "Content-Encoding"));
    }
    if (!read_wishes(task, exchange->message, route->op) || !task->target ||
        (has_body && !task->body)) {
        mw_api__free_task(task);
        return NULL;
    }
    (void)snprintf(task->org, sizeof task->org, "%s", org);
    mw_guest_copy(exchange->who, &task->guest);
    (void)snprintf(task->request_id, sizeof task->request_id, "%s", exchange->request_id);
    task->ctx = *api->ctx;
    task->ctx.org = task->org;
    task->ctx.request_id = task->request_id;
    return task;
}

static void run_packing(mw_handler_work *work, bool dropped) {
    mw_task *task = mw_api__task_of_work(work);
    if (dropped) {
        mw_api__free_task(task);
        return;
    }
    set_answer(task, 200, "");
    post_answer(task);
}

bool mw_api__start_packing(mw_api *api, mw_exchange *exchange, const mw_route *route,
                           const char *org, const char *text, size_t size) {
    mw_task *task = mw_api__new_task(api, exchange, route, org);
    if (!task) return false;
    mw_buf_append(&task->out, text, size);
    task->exchange = exchange;
    task->work.run = run_packing;
    exchange->user = task;
    if (mw_handlers_push(api->handlers, &task->work, false)) return true;
    exchange->user = NULL;
    mw_api__free_task(task);
    return false;
}

/* What changes something is not stopped half-way: once it runs it runs to its end. */
static void set_deadline(mw_task *task) {
    const mw_op *op = task->route->op;
    const int ms = op->deadline_ms ? op->deadline_ms : task->api->options.deadline_ms;
    const bool reads = strcmp(op->method, "GET") == 0 || op->deadline_ms;
    task->deadline_us = mw_clock_monotonic(task->api->ctx->clock) + (int64_t)ms * 1000;
    if (!reads) return;
    atomic_store(&task->cancel.deadline_us, task->deadline_us);
    task->ctx.cancel = &task->cancel;
}

void mw_api__start_task(mw_api *api, mw_exchange *exchange, const mw_route *route,
                        const char *org) {
    mw_err err;
    mw_task *task = mw_api__new_task(api, exchange, route, org);
    if (!task) {
        mw_fail_nomem(&err, "the request");
        mw_exchange_refuse(exchange, 503, &err, mw_api__retry_fields(503));
        return;
    }
    task->exchange = exchange;
    task->work.run = mw_api__run_task;
    set_deadline(task);
    exchange->user = task;
    if (mw_handlers_push(api->handlers, &task->work, false)) return;
    exchange->user = NULL;
    mw_api__free_task(task);
    mw_fail(&err, MW_EBUSY, "too many requests wait for a free thread");
    mw_err_hint(&err, "send it again in a moment");
    mw_exchange_refuse(exchange, 503, &err, mw_api__retry_fields(503));
}
