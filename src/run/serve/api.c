/*
 * api.c -- what happens to a request on the loop: address, guard, route, and answers that need no
 * other thread. Whatever may block becomes a task (api_call.c).
 */
#include "run/serve/api.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "run/serve/api_inside.h"
#include "run/serve/cors.h"
#include "run/serve/guard.h"
#include "run/serve/problem.h"

enum { HANDLERS_PER_LOOP = 2, HEARTBEAT_MS = 15000, LOOK_MS = 250, DEADLINE_MS = 30000 };

static const mw_body_policy no_body = {MW_BODY_REFUSE, 0};

/* ---- refusals ---- */

int mw_api__status_of(const mw_err *error) { return mw_status_http(error->code); }

const char *mw_api__retry_fields(int status) {
    return status == 503 || status == 429 ? "Retry-After: 1\r\n" : NULL;
}

void mw_api__refuse(mw_api *api, mw_exchange *exchange, int status, const mw_err *err,
                    const mw_faults *faults) {
    mw_buf out;
    size_t size = 0;
    if (!faults->first) {
        mw_exchange_refuse(exchange, status, err, mw_api__retry_fields(status));
        return;
    }
    mw_buf_init(&out, api->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_problem_write(status, err, faults, exchange->request_id, &out);
    char *body = out.failed == MW_OK ? mw_buf_steal(&out, &size) : NULL;
    mw_buf_done(&out);
    if (!body) {
        mw_exchange_refuse(exchange, status, err, mw_api__retry_fields(status));
        return;
    }
    mw_exchange_answer(exchange, &(mw_answer){.status = status,
                                              .content_type = "application/problem+json",
                                              .body = body,
                                              .size = size,
                                              .memory = MW_ANSWER_GIVE});
}

static mw_body_policy refuse(mw_exchange *exchange, int status, const mw_err *err) {
    mw_exchange_refuse(exchange, status, err, mw_api__retry_fields(status));
    return no_body;
}

static const char *allow_field(mw_exchange *exchange, unsigned methods) {
    char names[64];
    mw_routes_allow(methods, names, sizeof names);
    const char *field = mw_arena_printf(exchange->arena, "Allow: %s\r\n", names);
    return field ? field : "";
}

static mw_body_policy refuse_method(mw_exchange *exchange, mw_str path, unsigned methods) {
    mw_err err;
    const char *allow = allow_field(exchange, methods);
    mw_fail(&err, MW_EINVAL, "%.*s is not called with %s", (int)path.size, path.data,
            mw_http_method_name(exchange->message->method));
    char names[64];
    mw_routes_allow(methods, names, sizeof names);
    mw_err_hint(&err, "it takes %s", names);
    mw_exchange_refuse(exchange, 405, &err, allow);
    return no_body;
}

static mw_body_policy refuse_path(mw_exchange *exchange, mw_str path) {
    mw_err err;
    mw_fail(&err, MW_ENOTFOUND, "there is nothing at %.*s",
            (int)(path.size > 200 ? 200 : path.size), path.data);
    mw_err_hint(&err, "/docs lists all routes");
    return refuse(exchange, 404, &err);
}

static mw_body_policy answer_options(mw_api *api, mw_exchange *exchange, unsigned methods) {
    char allow[64];
    if (exchange->message->content_length != 0) return no_body;
    mw_routes_allow(methods, allow, sizeof allow);
    const char *preflight =
        mw_cors_preflight(exchange->arena, api->options.origins, exchange->message, allow);
    const char *lines = mw_arena_printf(exchange->arena, "%s%s", allow_field(exchange, methods),
                                        preflight ? preflight : "");
    mw_exchange_answer(exchange, &(mw_answer){.status = 204, .fields = lines});
    return no_body;
}

/* ---- heads ---- */

/* As mw_admit_look told, at the head. */
static const mw_guest *guest_of(const mw_exchange *exchange) { return exchange->who; }

static bool has_body_method(mw_http_method method) {
    return method == MW_HTTP_POST || method == MW_HTTP_PUT || method == MW_HTTP_PATCH;
}

static mw_coding coding_of(const mw_message *message) {
    return mw_coding_of(mw_message_field(message, "Content-Encoding"));
}

/* A file's form is told by its content, so its names are not looked at; of envelopes only form-data is opened. */
static int check_file(const mw_message *message, mw_err *err) {
    char boundary[MW_FORM_BOUNDARY_MAX + 1];
    const mw_coding coding = coding_of(message);
    mw_str type = mw_message_field(message, "Content-Type");
    const mw_str form = mw_str_of("multipart/");
    bool is_form =
        type.size >= form.size && mw_str_is_nocase((mw_str){type.data, form.size}, form.data);
    if (is_form && !mw_form_boundary(type, boundary)) {
        mw_fail(err, MW_EUNSUPPORTED, "of forms only multipart/form-data with a boundary is taken");
        mw_err_hint(err, "send the file's bytes as the body: curl -X POST -T FILE");
    } else if (is_form && coding != MW_CODING_IDENTITY) {
        mw_fail(err, MW_EUNSUPPORTED, "a form is taken as it is; the file in it may be compressed");
    } else if (coding == MW_CODING_UNKNOWN) {
        mw_fail(err, MW_EUNSUPPORTED, "a file is taken plain, gzip or zstd");
    } else {
        return 0;
    }
    return 415;
}

static bool knows_coding(const mw_message *message, mw_err *err) {
    if (coding_of(message) != MW_CODING_UNKNOWN) return true;
    mw_fail(err, MW_EUNSUPPORTED, "a body is taken plain, gzip or zstd");
    mw_err_hint(err, "send it in one of these codings, or as it is without Content-Encoding");
    return false;
}

static mw_body_policy refuse_coding(mw_exchange *exchange, const mw_err *err) {
    mw_exchange_refuse(exchange, 415, err, MW_CODING_ACCEPT);
    return no_body;
}

static int check_content(const mw_message *message, mw_err *err) {
    mw_str type = mw_message_field(message, "Content-Type");
    if (mw_guard_json(type)) return 0;
    mw_fail(err, MW_EUNSUPPORTED, "this route takes JSON, not '%.*s'",
            (int)(type.size > 80 ? 80 : type.size), type.data ? type.data : "");
    mw_err_hint(err, "send Content-Type: application/json");
    return 415;
}

/* A body that is handed over as it is: of a type that the operation takes, and there is memory for it. */
static mw_body_policy keep_taken(mw_api *api, mw_exchange *exchange, const mw_op *op) {
    const mw_message *message = exchange->message;
    const int64_t most = MW_LIMIT(LIVE_BODY_BYTES);
    /* How long a compressed one is says nothing. */
    const int64_t length = coding_of(message) == MW_CODING_IDENTITY ? message->content_length : -1;
    mw_err err;
    if (!mw_guard_type(mw_message_field(message, "Content-Type"), op->takes)) {
        mw_fail(&err, MW_EUNSUPPORTED, "this route does not take bodies of that type");
        mw_err_hint(&err, "send Content-Type: %s", op->takes[0]);
        return refuse(exchange, 415, &err);
    }
    exchange->kept_bytes = length >= 0 && length < most ? length : most;
    if (atomic_fetch_add(&api->kept_bytes, exchange->kept_bytes) <= MW_LIMIT(LIVE_BODIES_BYTES))
        return (mw_body_policy){MW_BODY_KEEP, most};
    mw_fail(&err, MW_EBUSY, "too many rows are being received");
    mw_err_hint(&err, "send them again in a moment");
    return refuse(exchange, 503, &err);
}

static mw_body_policy refuse_rate(mw_exchange *exchange, const char *org, int64_t seconds) {
    mw_err err;
    const char *line =
        mw_arena_printf(exchange->arena, "Retry-After: %lld\r\n", (long long)seconds);
    mw_fail(&err, MW_EBUSY, "the organization \"%s\" makes too many requests", org);
    mw_err_hint(&err, "try again in %lld s, and less often", (long long)seconds);
    mw_exchange_refuse(exchange, 429, &err, line);
    return no_body;
}

static mw_body_policy on_operation(mw_api *api, mw_exchange *exchange, int route) {
    const mw_message *message = exchange->message;
    const mw_route *row = &api->routes.rows[route];
    const char *fields = NULL;
    const mw_guest *guest = NULL;
    mw_err err;
    exchange->route = route;
    const int stopped = mw_admit_look(api->admit, exchange, row->op, &guest, &fields, &err);
    if (stopped) {
        mw_exchange_refuse(exchange, stopped, &err, fields);
        return no_body;
    }
    exchange->who = guest;
    const char *org = guest->org;
    const bool rated = api->rate && !row->op->public && row->op->role != MW_ROLE_WORKER;
    const int64_t wait_s = rated ? mw_rate_take(api->rate, org) : 0;
    if (wait_s > 0) return refuse_rate(exchange, org, wait_s);
    if (!has_body_method(message->method)) return no_body;
    /* Bodies that are kept for long, or on disk, are not taken from somebody who may not send them. */
    if ((row->op->upload || row->op->takes) &&
        mw_op_check_role(row->op, &guest->holder.principal, &err))
        return refuse(exchange, 403, &err);
    if (row->op->upload) {
        int refused = check_file(message, &err);
        if (refused) return refuse(exchange, refused, &err);
        return mw_api__begin_upload(api, exchange, row, org);
    }
    if (message->content_length != 0 && !knows_coding(message, &err))
        return refuse_coding(exchange, &err);
    if (row->op->takes) return keep_taken(api, exchange, row->op);
    int status = message->content_length != 0 ? check_content(message, &err) : 0;
    if (status) return refuse(exchange, status, &err);
    return (mw_body_policy){MW_BODY_KEEP, api->options.body_bytes};
}

static bool is_page(const mw_api *api, mw_str path) {
    char name[128];
    if (!api->services.find_asset || path.size >= sizeof name) return false;
    return api->services.find_asset(mw_str_copy(name, sizeof name, path)) != NULL;
}

static mw_body_policy on_page(mw_api *api, mw_exchange *exchange, mw_str path) {
    const mw_message *message = exchange->message;
    exchange->route = api->routes.n;
    if (message->method != MW_HTTP_GET && message->method != MW_HTTP_HEAD)
        return refuse_method(exchange, path, 1u << MW_HTTP_GET);
    if (message->content_length == 0) mw_api__answer_page(api, exchange, path);
    return no_body;
}

static mw_guard_reach reach_of(const mw_api *api) {
    const mw_admit_options *admit = &api->options.admit;
    return admit->keys && !admit->loopback ? MW_GUARD_ANY_HOST : MW_GUARD_LOOPBACK;
}

static mw_body_policy on_head(void *self, mw_exchange *exchange) {
    mw_api *api = self;
    const mw_message *message = exchange->message;
    mw_err err;
    mw_url url;
    mw_str path;
    unsigned methods;
    const char *const *origins = api->options.origins;
    exchange->more_fields = mw_cors_lines(exchange->arena, origins, message);
    mw_status read = mw_url_split(message->target, &url, &err);
    if (read != MW_OK) return refuse(exchange, mw_status_http(read), &err);
    int guarded = mw_guard_check(message, url.authority, reach_of(api), origins, &err);
    if (guarded) return refuse(exchange, guarded, &err);
    if (mw_str_is(url.path, "*"))
        return answer_options(api, exchange, 1u << MW_HTTP_GET | 1u << MW_HTTP_POST);
    read = mw_url_decode_path(exchange->arena, url.path, &path, &err);
    if (read != MW_OK) return refuse(exchange, mw_status_http(read), &err);
    int route = mw_routes_find(&api->routes, message->method, path, &methods);
    if (memchr(path.data, MW_URL_SLASH, path.size) &&
        !(route >= 0 && mw_route_takes_slash(&api->routes.rows[route]))) {
        mw_fail(&err, MW_EPARSE, "the path holds an encoded slash (%%2F)");
        return refuse(exchange, mw_status_http(MW_EPARSE), &err);
    }
    bool options = message->method == MW_HTTP_OPTIONS;
    if (route >= 0) return on_operation(api, exchange, route);
    if (methods && options) return answer_options(api, exchange, methods);
    if (methods) return refuse_method(exchange, path, methods);
    if (!is_page(api, path)) return refuse_path(exchange, path);
    if (options) return answer_options(api, exchange, 1u << MW_HTTP_GET);
    return on_page(api, exchange, path);
}

/* ---- operations on the loop ---- */

static mw_status call_on_loop(mw_api *api, mw_exchange *exchange, const mw_route *route,
                              const char *org, mw_faults *faults, mw_buf *out, mw_err *err) {
    mw_ctx ctx = *api->ctx;
    ctx.org = org;
    ctx.request_id = exchange->request_id;
    mw_call call = {
        .ctx = &ctx, .app = api->services.app, .principal = guest_of(exchange)->holder.principal};
    mw_url url;
    mw_status status = mw_url_split(exchange->message->target, &url, err);
    if (status != MW_OK) return status;
    mw_args *args = api->empty_args[route - api->routes.rows];
    mw_args *own = NULL;
    if (!args || url.has_query || exchange->body.size) {
        bool wait;
        mw_api_input input = {.route = route, .query = url.query, .body = exchange->body};
        status = mw_url_decode_path(exchange->arena, url.path, &input.path, err);
        if (status == MW_OK)
            status = mw_api__read_args(ctx.mem, exchange->arena, &input, &wait, faults, &own, err);
        if (status != MW_OK) return status;
        args = own;
    }
    call.args = args;
    char job_id[MW_JOB_ID_MAX];
    status = api->services.call(route->op, &call, out, job_id, err);
    mw_args_free(own);
    return status == MW_OK ? mw_buf_status(out, "the answer", err) : status;
}

static void answer_on_loop(mw_api *api, mw_exchange *exchange, const mw_route *route,
                           const char *org) {
    mw_err err;
    mw_buf *out = &api->loop_out[mw_http_loop_index(exchange->loop)];
    mw_buf_clear(out);
    mw_faults faults;
    mw_faults_init(&faults, api->ctx->mem);
    mw_status status = call_on_loop(api, exchange, route, org, &faults, out, &err);
    if (status != MW_OK) mw_api__refuse(api, exchange, mw_status_http(status), &err, &faults);
    mw_faults_done(&faults);
    if (status != MW_OK) return;
    const mw_message *message = exchange->message;
    const char *type = route->op->content_type ? route->op->content_type : "application/json";
    const mw_coding accepted = mw_coding_choose(mw_message_field(message, "Accept-Encoding"));
    if (mw_api__coding(type, out->size, accepted) != MW_CODING_IDENTITY &&
        mw_api__start_packing(api, exchange, route, org, mw_buf_text(out), out->size))
        return;
    char lines[MW_API_LINES_MAX] = "";
    const bool same = mw_api__write_lines(route->op, 200, type, mw_buf_str(out), MW_CODING_IDENTITY,
                                          mw_message_field(message, "If-None-Match"), lines);
    mw_exchange_answer(exchange, &(mw_answer){.status = same ? 304 : 200,
                                              .content_type = type,
                                              .fields = lines,
                                              .body = mw_buf_text(out),
                                              .size = out->size,
                                              .memory = MW_ANSWER_COPY});
}

static void on_end(void *self, mw_exchange *exchange) {
    mw_api *api = self;
    if (exchange->route < 0 || exchange->route >= api->routes.n) return;
    const mw_route *route = &api->routes.rows[exchange->route];
    if (!exchange->who) return;
    const char *org = guest_of(exchange)->org;
    /* Asking whether an organization exists may block, so only the one that always does is quick.
     */
    if (route->op->upload) {
        mw_api__end_upload(api, exchange);
        return;
    }
    if (mw_api__wants_events(route->op, exchange->message)) {
        mw_api__start_events(api, exchange, route);
        return;
    }
    if (mw_api__give_kept(api, exchange, route)) return;
    bool known = route->op->public || strcmp(org, "default") == 0;
    bool packed = exchange->body.size > 0 && coding_of(exchange->message) != MW_CODING_IDENTITY;
    if (route->op->kind == MW_OP_LOOP && known && !packed)
        answer_on_loop(api, exchange, route, org);
    else
        mw_api__start_task(api, exchange, route, org);
}

/* ---- ends ---- */

static bool is_stream(const mw_api *api, const mw_exchange *exchange) {
    if (exchange->route < 0 || exchange->route >= api->routes.n) return false;
    return mw_api__wants_events(api->routes.rows[exchange->route].op, exchange->message);
}

static void on_peer_end(void *self, mw_exchange *exchange) {
    mw_api *api = self;
    if (exchange->route < 0 || exchange->route >= api->routes.n) return;
    /* Nobody half-closes and waits minutes for a training, or for events: the client has left. */
    const mw_op *op = api->routes.rows[exchange->route].op;
    if (op->kind == MW_OP_JOB || is_stream(api, exchange)) mw_exchange_abort(exchange);
}

/* What too many requests are told is not worth a line for each of them: one a second says how many. */
static mw_log_level level_of(mw_api *api, int status, int64_t now_us, int64_t *n_more) {
    *n_more = 0;
    if (status != 503) return status >= 500 ? MW_LOG_WARN : MW_LOG_DEBUG;
    int64_t last_us = atomic_load(&api->refused_us);
    if (now_us - last_us < MW_US_PER_SECOND ||
        !atomic_compare_exchange_strong(&api->refused_us, &last_us, now_us)) {
        atomic_fetch_add(&api->n_unsaid, 1);
        return MW_LOG_DEBUG;
    }
    *n_more = atomic_exchange(&api->n_unsaid, 0);
    return MW_LOG_WARN;
}

static void on_done(void *self, mw_exchange *exchange, int status, int64_t answer_bytes,
                    const char *method) {
    mw_api *api = self;
    (void)answer_bytes;
    void *user = exchange->user;
    exchange->user = NULL;
    if (user && is_stream(api, exchange))
        mw_api__drop_stream(user);
    else if (user)
        mw_api__forget(user);
    atomic_fetch_sub(&api->kept_bytes, exchange->kept_bytes);
    exchange->kept_bytes = 0;
    const int64_t now_us = mw_clock_monotonic(api->ctx->clock);
    const int64_t duration = now_us - exchange->begun_us;
    mw_http_metrics_add(api->metrics, mw_http_loop_index(exchange->loop), exchange->route,
                        method != NULL, status, duration);
    if (status < 400) return;
    int64_t n_more;
    const mw_log_level level = level_of(api, status, now_us, &n_more);
    mw_ctx ctx = *api->ctx;
    ctx.request_id = exchange->request_id;
    mw_str target = method ? exchange->message->target : (mw_str){"", 0};
    const char *mark = target.size ? memchr(target.data, '?', target.size) : NULL;
    size_t size = mark ? (size_t)(mark - target.data) : target.size;
    const char *said = method ? method : "unreadable request";
    if (n_more)
        mw_log_write(&ctx, level, "%s %.*s: %d after %lld us, and %lld others before it", said,
                     (int)size, target.data, status, (long long)duration, (long long)n_more);
    else
        mw_log_write(&ctx, level, "%s %.*s: %d after %lld us", said, (int)size, target.data, status,
                     (long long)duration);
}

static void write_problem(void *self, int status, const mw_err *error, const char *request_id,
                          mw_buf *out) {
    (void)self;
    mw_problem_write(status, error, NULL, request_id, out);
}

void mw_api_handler(mw_api *api, mw_http_handler *ret) {
    *ret = (mw_http_handler){.self = api,
                             .on_head = on_head,
                             .on_body = mw_api__on_body,
                             .on_end = on_end,
                             .on_drain = mw_api__on_drain,
                             .on_tick = mw_api__on_tick,
                             .on_peer_end = on_peer_end,
                             .on_done = on_done,
                             .write_problem = write_problem};
}

/* ---- life ---- */

void mw_api_options_default(mw_api_options *ret, int n_loops) {
    *ret = (mw_api_options){.n_loops = n_loops,
                            .n_handlers = HANDLERS_PER_LOOP * n_loops,
                            .max_queued = MW_LIMIT(REQUEST_QUEUE),
                            .max_waiting = MW_LIMIT(WAITING_REQUESTS),
                            .body_bytes = MW_LIMIT(HTTP_BODY_BYTES),
                            .upload_bytes = MW_LIMIT(UPLOAD_BYTES),
                            .max_uploads = MW_LIMIT(UPLOADS),
                            .max_streams = MW_LIMIT(EVENT_STREAMS),
                            .kept_bytes = MW_LIMIT(KEPT_ANSWERS_BYTES),
                            .heartbeat_ms = HEARTBEAT_MS,
                            .look_ms = LOOK_MS,
                            .deadline_ms = DEADLINE_MS};
}

static mw_status make_tables(mw_api *api, mw_err *err) {
    mw_mem *mem = api->ctx->mem;
    size_t n = (size_t)api->routes.n;
    api->empty_args = mw_calloc(mem, n + 1, sizeof(mw_args *));
    api->metric_routes = mw_calloc(mem, n + 1, sizeof *api->metric_routes);
    api->loop_out = mw_calloc(mem, (size_t)api->options.n_loops, sizeof *api->loop_out);
    if (!api->empty_args || !api->metric_routes || !api->loop_out)
        return mw_fail_nomem(err, "the table of routes");
    for (int i = 0; i < api->options.n_loops; i++)
        mw_buf_init(&api->loop_out[i], mem, (size_t)MW_LIMIT(HTTP_RESPONSE_BYTES));
    mw_arena arena;
    mw_arena_init(&arena, mem);
    for (size_t i = 0; i < n; i++) {
        const mw_route *route = &api->routes.rows[i];
        api->metric_routes[i] = (mw_http_metrics_route){route->op->path, route->op->method};
        mw_api_input input = {.route = route};
        mw_err ignored; /* some need parameters: those read theirs for each request */
        bool wait;
        mw_faults faults;
        mw_faults_init(&faults, mem);
        if (!route->has_template && mw_api__read_args(mem, &arena, &input, &wait, &faults,
                                                      &api->empty_args[i], &ignored) != MW_OK)
            api->empty_args[i] = NULL;
        mw_faults_done(&faults);
    }
    mw_arena_done(&arena);
    api->metric_routes[n] = (mw_http_metrics_route){"pages", "GET"};
    return MW_OK;
}

static void *free_api(mw_api *api) {
    for (int i = 0; api->empty_args && i < api->routes.n; i++) mw_args_free(api->empty_args[i]);
    for (int i = 0; api->loop_out && i < api->options.n_loops; i++) mw_buf_done(&api->loop_out[i]);
    mw_free(api->empty_args);
    mw_free(api->metric_routes);
    mw_free(api->loop_out);
    mw_api__free_pulses(api);
    mw_kept_free(api->kept);
    mw_http_metrics_free(api->metrics);
    mw_routes_done(&api->routes);
    pthread_mutex_destroy(&api->lock);
    return mw_free(api);
}

void mw_api__unref(mw_api *api) {
    pthread_mutex_lock(&api->lock);
    bool last = --api->refs == 0;
    pthread_mutex_unlock(&api->lock);
    if (last) free_api(api);
}

mw_status mw_api_new(const mw_ctx *ctx, const mw_api_services *services,
                     const mw_api_options *options, mw_api **ret, mw_err *err) {
    mw_api *api = mw_calloc(ctx->mem, 1, sizeof *api);
    if (!api) return mw_fail_nomem(err, "the HTTP interface");
    api->ctx = ctx;
    api->services = *services;
    api->options = *options;
    api->refs = 1;
    pthread_mutex_init(&api->lock, NULL);
    mw_status status = mw_routes_init(ctx->mem, services->ops, services->params, &api->routes, err);
    if (status == MW_OK) status = make_tables(api, err);
    if (status == MW_OK) status = mw_api__new_pulses(api, err);
    if (status == MW_OK) status = mw_kept_new(ctx, options->kept_bytes, &api->kept, err);
    if (status == MW_OK)
        status = mw_http_metrics_new(ctx->mem, api->metric_routes, api->routes.n + 1,
                                     options->n_loops, &api->metrics, err);
    if (status == MW_OK)
        status =
            mw_handlers_start(ctx, options->n_handlers, options->max_queued, &api->handlers, err);
    if (status == MW_OK) status = mw_admit_new(ctx, &options->admit, &api->admit, err);
    if (status == MW_OK && options->rate > 0)
        status = mw_rate_new(ctx, options->rate, &api->rate, err);
    if (status != MW_OK) {
        free_api(api);
        return status;
    }
    *ret = api;
    return MW_OK;
}

void mw_api_attach(mw_api *api, const mw_http *http) { atomic_store(&api->http, http); }

void mw_api_attach_tls(mw_api *api, mw_tls *tls) { api->tls = tls; }

static void write_counter(mw_buf *out, const char *name, const char *help, int64_t value) {
    mw_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %lld\n", name, help, name, name,
                  (long long)value);
}

static void write_admission(mw_api *api, mw_buf *out) {
    mw_admit_stats stats;
    mw_admit_read_stats(api->admit, &stats);
    write_counter(out, "millwright_http_key_refusals_total",
                  "Requests without an API key that counts.", stats.refused_total);
    write_counter(out, "millwright_http_key_lockouts_total",
                  "Requests refused after too many wrong API keys.", stats.locked_total);
    write_counter(out, "millwright_http_rate_limited_total",
                  "Requests beyond what an organization may make.", mw_rate_refused(api->rate));
    write_counter(out, "millwright_http_kept_answers_total",
                  "Answers given again, the store being the same.", mw_kept_found(api->kept));
    write_counter(out, "millwright_http_late_requests_total",
                  "Requests whose deadline passed while they waited for a thread.",
                  atomic_load(&api->n_late));
}

void mw_api_write_metrics(void *self, mw_buf *out) {
    mw_api *api = self;
    mw_http_metrics_write(api->metrics, atomic_load(&api->http), out);
    if (api->tls) mw_tls_write_metrics(api->tls, out);
    mw_buf_printf(out,
                  "# HELP millwright_http_queued_requests Requests waiting for a handler thread.\n"
                  "# TYPE millwright_http_queued_requests gauge\n"
                  "millwright_http_queued_requests %lld\n"
                  "# HELP millwright_http_waiting_requests Requests waiting for a job.\n"
                  "# TYPE millwright_http_waiting_requests gauge\n"
                  "millwright_http_waiting_requests %lld\n"
                  "# HELP millwright_http_event_streams Streams of events open now.\n"
                  "# TYPE millwright_http_event_streams gauge\n"
                  "millwright_http_event_streams %lld\n",
                  (long long)mw_handlers_queued(api->handlers),
                  (long long)atomic_load(&api->n_waiting), (long long)atomic_load(&api->n_streams));
    write_admission(api, out);
}

void *mw_api_close(mw_api *api) {
    if (!api) return NULL;
    pthread_mutex_lock(&api->lock);
    api->closing = true;
    pthread_mutex_unlock(&api->lock);
    api->handlers = mw_handlers_stop(api->handlers);
    mw_api__free_pulses(api);
    api->admit = mw_admit_free(api->admit);
    api->rate = mw_rate_free(api->rate);
    mw_api__unref(api);
    return NULL;
}
