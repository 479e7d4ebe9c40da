/*
 * api_upload.c -- a request whose body is a file: received in pieces, in constant memory.
 *
 *   loop     begin_upload: the head is complete; nothing of the body is taken yet
 *   handler  open_upload: organization, arguments, the file; so a bad request ends here (that of a
 *            form is opened where its file begins: fields before it are arguments, too)
 *   loop     on_received: lets the body flow ...
 *   loop     mw_api__on_body: ... until a piece is full; then it waits, while
 *   handler  write_piece writes it: a slow disk slows this sender, not the loop
 *   loop     end_upload: the body is complete; from here on as any operation (api_call.c)
 *
 * Either a handler thread has the task (`busy`, the body paused) or the loop has it.
 */
#include <string.h>

#include "core/base/log.h"
#include "run/op/upload.h"
#include "run/serve/api_inside.h"

/* One read of the loop may come on top of it. */
enum { PIECE_BYTES = 262144, PIECE_MAX_BYTES = 524288 };

/* ---- ends ---- */

static void drop(mw_handler_work *work, bool dropped) {
    (void)dropped;
    mw_api__free_task(mw_api__task_of_work(work));
}

/* Removing a large file takes a while: not on the loop. */
void mw_api__drop_upload(mw_task *task) {
    task->work.run = drop;
    if (!mw_handlers_push(task->api->handlers, &task->work, true)) mw_api__free_task(task);
}

static void give_up(mw_task *task, int status, const mw_err *err) {
    mw_exchange *exchange = task->exchange;
    task->status = status;
    task->error = *err;
    mw_api__log(&task->ctx, task->route->op, task->status, &task->error);
    if (exchange) {
        exchange->user = NULL;
        mw_api__refuse(task->api, exchange, status, &task->error, &task->faults);
    }
    mw_api__drop_upload(task);
}

/* ---- on a handler thread ---- */

static void on_received(mw_http_task *post) {
    mw_task *task = (mw_task *)post;
    task->busy = false;
    if (!task->exchange) {
        mw_api__drop_upload(task);
    } else if (task->error.code != MW_OK) {
        mw_err err = task->error;
        give_up(task, mw_api__status_of(&err), &err);
    } else {
        mw_buf_clear(&task->piece);
        mw_exchange_resume(task->exchange);
    }
}

static void post_received(mw_task *task, mw_status status) {
    if (status == MW_OK)
        task->error.code = MW_OK;
    else if (task->error.code == MW_OK)
        task->error.code = status;
    task->post.run = on_received;
    if (!mw_http_post(task->loop, &task->post)) mw_api__free_task(task);
}

/* Everything that can be wrong with the request, before its file is read. */
static mw_status open_upload(mw_task *task) {
    mw_api *api = task->api;
    mw_err *err = &task->error;
    mw_url url;
    mw_args *args = NULL;
    bool wait;
    mw_api_input input = {
        .route = task->route, .fields = task->fields, .file_name = task->file_name};
    mw_status status = api->services.check_org(api->services.app, &task->ctx, err);
    if (status == MW_OK) status = mw_url_split(mw_str_of(task->target), &url, err);
    if (status == MW_OK) status = mw_url_decode_path(&task->arena, url.path, &input.path, err);
    if (status != MW_OK) return status;
    input.query = url.query;
    status =
        mw_api__read_args(task->ctx.mem, &task->arena, &input, &wait, &task->faults, &args, err);
    if (status != MW_OK) return status;
    const char *dataset = mw_args_string(args, "dataset");
    if (!mw_name_valid(dataset)) {
        mw_fail(err, MW_EINVAL, "a dataset's name is 1 to 64 letters, digits, '_' or '-'");
        status = mw_err_at(err, "dataset");
    }
    if (status == MW_OK)
        status = api->services.open_upload(api->services.app, &task->ctx,
                                           mw_args_string(args, "name"), &task->upload, err);
    mw_args_free(args);
    return status;
}

/* ---- forms, on a handler thread ---- */

static mw_status add_field(mw_task *task, const mw_form *form) {
    mw_api_field **end = &task->fields;
    mw_api_field *field = mw_arena_calloc(&task->arena, 1, sizeof *field);
    const char *name = mw_arena_strdup(&task->arena, form->name);
    const char *value = mw_arena_strndup(&task->arena, form->value.data, form->value.size);
    if (!field || !name || !value) return mw_fail_nomem(&task->error, "a form");
    field->name = mw_str_of(name);
    field->value = (mw_str){value, form->value.size};
    while (*end) end = &(*end)->next;
    *end = field;
    return MW_OK;
}

/* The name that the sender's file has is taken only when it is a plain one. */
static mw_status begin_file(mw_task *task, const mw_form *form) {
    mw_err ignored;
    if (task->upload) {
        mw_fail(&task->error, MW_EINVAL, "the form has more than one file");
        return mw_err_hint(&task->error, "send each in a request of its own");
    }
    if (mw_upload_check_name(form->file_name, &ignored) == MW_OK) {
        task->file_name = mw_arena_strdup(&task->arena, form->file_name);
        if (!task->file_name) return mw_fail_nomem(&task->error, "a form");
    }
    return open_upload(task);
}

static mw_status take_form(mw_task *task, const char *data, size_t size) {
    mw_form *form = task->form;
    for (size_t at = 0, used; at < size; at += used) {
        mw_status status = MW_OK;
        switch (mw_form_feed(form, data + at, size - at, &used)) {
        case MW_FORM_FIELD: status = add_field(task, form); break;
        case MW_FORM_FILE: status = begin_file(task, form); break;
        case MW_FORM_DATA:
            status = mw_upload_write(task->upload, form->data.data, form->data.size, &task->error);
            break;
        case MW_FORM_ERROR:
            task->error = form->error;
            status = form->error.code;
            break;
        default: break;
        }
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status end_form(mw_task *task) {
    if (!mw_form_ended(task->form))
        return mw_fail(&task->error, MW_EPARSE, "the form ends without its closing boundary");
    if (task->upload) return MW_OK;
    mw_fail(&task->error, MW_EINVAL, "the form has no file");
    return mw_err_hint(&task->error, "send one as a part with a filename: curl -F file=@FILE");
}

/* ---- the file, on a handler thread ---- */

static mw_status take_piece(mw_task *task) {
    const char *data = mw_buf_text(&task->piece);
    const size_t size = task->piece.size;
    if (size == 0) return MW_OK;
    return task->form ? take_form(task, data, size)
                      : mw_upload_write(task->upload, data, size, &task->error);
}

static void run_open(mw_handler_work *work, bool dropped) {
    mw_task *task = mw_api__task_of_work(work);
    if (dropped) {
        mw_api__free_task(task);
        return;
    }
    post_received(task, task->form ? task->api->services.check_org(task->api->services.app,
                                                                   &task->ctx, &task->error)
                                   : open_upload(task));
}

static void write_piece(mw_handler_work *work, bool dropped) {
    mw_task *task = mw_api__task_of_work(work);
    if (dropped)
        mw_api__free_task(task);
    else
        post_received(task, take_piece(task));
}

mw_status mw_api__receive_rest(mw_task *task) {
    mw_status status = take_piece(task);
    return status == MW_OK && task->form ? end_form(task) : status;
}

mw_status mw_api__finish_upload(mw_task *task) {
    return mw_upload_finish(task->upload, &task->error);
}

/* ---- on the loop ---- */

static bool push(mw_task *task, void (*run)(mw_handler_work *work, bool dropped)) {
    task->work.run = run;
    task->busy = true;
    if (mw_handlers_push(task->api->handlers, &task->work, true)) return true;
    task->busy = false;
    return false;
}

/* Of a form its reader; false when there is no memory for it. */
static bool has_form_reader(mw_task *task, const mw_message *message) {
    char boundary[MW_FORM_BOUNDARY_MAX + 1];
    if (!mw_form_boundary(mw_message_field(message, "Content-Type"), boundary)) return true;
    task->form = mw_arena_alloc(&task->arena, sizeof *task->form);
    if (task->form) mw_form_init(task->form, task->ctx.mem, boundary);
    return task->form != NULL;
}

static mw_task *start(mw_api *api, mw_exchange *exchange, const mw_route *route, const char *org,
                      mw_err *err) {
    bool has_room = atomic_fetch_add(&api->n_uploads, 1) < api->options.max_uploads &&
                    mw_handlers_queued(api->handlers) < api->options.max_queued;
    if (!has_room) {
        atomic_fetch_sub(&api->n_uploads, 1);
        mw_fail(err, MW_EBUSY, "too many files are being uploaded");
        mw_err_hint(err, "send it again in a moment");
        return NULL;
    }
    mw_task *task = mw_api__new_task(api, exchange, route, org);
    if (!task || !has_form_reader(task, exchange->message)) {
        if (task) mw_api__free_task(task);
        atomic_fetch_sub(&api->n_uploads, 1);
        mw_fail_nomem(err, "the request");
        return NULL;
    }
    task->has_upload_slot = true;
    task->receiving = true;
    task->exchange = exchange;
    mw_buf_init(&task->piece, api->ctx->mem, PIECE_MAX_BYTES);
    return task;
}

mw_body_policy mw_api__begin_upload(mw_api *api, mw_exchange *exchange, const mw_route *route,
                                    const char *org) {
    mw_body_policy policy = {MW_BODY_STREAM, api->options.upload_bytes};
    mw_err err;
    mw_task *task = start(api, exchange, route, org, &err);
    if (!task) {
        mw_exchange_refuse(exchange, 503, &err, mw_api__retry_fields(503));
        return policy;
    }
    exchange->user = task;
    mw_exchange_pause(exchange);
    if (!push(task, run_open)) {
        mw_fail(&err, MW_EBUSY, "the server is stopping");
        give_up(task, 503, &err);
    }
    return policy;
}

void mw_api__on_body(void *self, mw_exchange *exchange, mw_str data) {
    (void)self;
    mw_task *task = exchange->user;
    mw_err err;
    if (!task) return; /* given up: what still comes is dropped */
    mw_buf_append(&task->piece, data.data, data.size);
    if (mw_buf_status(&task->piece, "the request body", &err) != MW_OK) {
        give_up(task, 503, &err);
        return;
    }
    if (task->piece.size < PIECE_BYTES) return;
    mw_exchange_pause(exchange);
    if (push(task, write_piece)) return;
    mw_fail(&err, MW_EBUSY, "the server is stopping");
    give_up(task, 503, &err);
}

void mw_api__end_upload(mw_api *api, mw_exchange *exchange) {
    (void)api;
    mw_task *task = exchange->user;
    mw_err err;
    if (!task) return;
    task->receiving = false;
    if (push(task, mw_api__run_task)) return;
    mw_fail(&err, MW_EBUSY, "the server is stopping");
    give_up(task, 503, &err);
}
