/*
 * api_args.c -- path, query and JSON body of a request into the operation's arguments.
 *
 * A parameter is accepted only where its table says it belongs, so that no request can be written
 * in two ways.
 */
#include "run/serve/api_inside.h"

#include <string.h>

static unsigned place_of(const mw_route *route, const mw_param *param) {
    if (param->flags & MW_PARAM_CLI_ONLY) return 0;
    unsigned place = param->flags & (MW_PARAM_PATH | MW_PARAM_QUERY | MW_PARAM_BODY);
    if ((route->op->upload || route->op->takes) && !(place & MW_PARAM_PATH))
        return MW_PARAM_QUERY; /* the body is something else */
    if (place) return place;
    bool has_body = route->method == MW_HTTP_POST || route->method == MW_HTTP_PUT ||
                    route->method == MW_HTTP_PATCH;
    return has_body ? MW_PARAM_BODY : MW_PARAM_QUERY;
}

static mw_status misplaced(const mw_route *route, const mw_param *param, mw_str name,
                           const char *where, mw_err *err) {
    unsigned place = param ? place_of(route, param) : 0;
    mw_fail(err, MW_EINVAL, "'%.*s' is not a parameter of the %s of %s %s", (int)name.size,
            name.data, where, route->op->method, route->op->path);
    mw_err_at(err, "%.*s", (int)name.size, name.data);
    if (place & MW_PARAM_BODY) mw_err_hint(err, "it belongs in the JSON body");
    if (place & MW_PARAM_QUERY) mw_err_hint(err, "it belongs in the query string");
    if (place & MW_PARAM_PATH) mw_err_hint(err, "it is part of the path");
    if (!place) mw_err_hint(err, "see /docs for the parameters of this route");
    return MW_EINVAL;
}

static mw_status read_wait(mw_str value, bool *wait, mw_err *err) {
    if (mw_str_is(value, "true") || mw_str_is(value, "1")) {
        *wait = true;
    } else if (mw_str_is(value, "false") || mw_str_is(value, "0")) {
        *wait = false;
    } else {
        mw_fail(err, MW_EINVAL, "wait must be true or false");
        return mw_err_at(err, "wait");
    }
    return MW_OK;
}

/* A wrong place, as mw_args_collect has it of wrong values. */
static mw_status noted(mw_faults *faults, mw_status status, mw_err *err) {
    return status == MW_EINVAL ? mw_faults_add(faults, err) : status;
}

static mw_status read_query(mw_arena *arena, const mw_api_input *input, mw_args *args, bool *wait,
                            mw_faults *faults, mw_err *err) {
    const mw_route *route = input->route;
    mw_str rest = input->query;
    bool wait_given = false;
    for (;;) {
        mw_str name, value;
        bool found;
        mw_status status = mw_url_next_query(arena, &rest, &name, &value, &found, err);
        if (status != MW_OK || !found) return status;
        const mw_param *param = mw_param_find(route->params, name, NULL);
        if (!param && route->op->kind == MW_OP_JOB && mw_str_is(name, "wait")) {
            if (wait_given) {
                mw_fail(err, MW_EINVAL, "wait is given twice");
                status = mw_err_at(err, "wait");
            } else {
                status = read_wait(value, wait, err);
            }
            wait_given = true;
        } else if (!param || !(place_of(route, param) & MW_PARAM_QUERY)) {
            status = misplaced(route, param, name, "query", err);
        } else {
            status = mw_args_set(args, name, value, err);
        }
        if (status != MW_OK) status = noted(faults, status, err);
        if (status != MW_OK) return status;
    }
}

/* *value of a path's part with its slashes. */
static mw_status put_slashes(mw_arena *arena, const mw_param *param, mw_str *value, mw_err *err) {
    if (!memchr(value->data, MW_URL_SLASH, value->size)) return MW_OK;
    if (!param || !(param->flags & MW_PARAM_SLASH))
        return mw_fail(err, MW_EPARSE, "the path holds an encoded slash (%%2F)");
    char *text = mw_arena_strndup(arena, value->data, value->size);
    if (!text) return mw_fail_nomem(err, "a request path");
    for (size_t i = 0; i < value->size; i++)
        if (text[i] == MW_URL_SLASH) text[i] = '/';
    value->data = text;
    return MW_OK;
}

/* Fields of a form stand for parameters of the query. */
static mw_status read_fields(const mw_api_input *input, mw_args *args, mw_faults *faults,
                             mw_err *err) {
    for (const mw_api_field *field = input->fields; field; field = field->next) {
        const mw_param *param = mw_param_find(input->route->params, field->name, NULL);
        mw_status status = param && (place_of(input->route, param) & MW_PARAM_QUERY)
                               ? mw_args_set(args, field->name, field->value, err)
                               : misplaced(input->route, param, field->name, "form", err);
        if (status != MW_OK) status = noted(faults, status, err);
        if (status != MW_OK) return status;
    }
    if (!input->file_name || !mw_param_find(input->route->params, MW_STR("name"), NULL) ||
        mw_args_given(args, "name"))
        return MW_OK;
    return mw_args_set(args, MW_STR("name"), mw_str_of(input->file_name), err);
}

static mw_status read_path(mw_arena *arena, const mw_api_input *input, mw_args *args, mw_err *err) {
    mw_str name, value;
    for (int k = 0; mw_route_value(input->route, input->path, k, &name, &value); k++) {
        mw_status status =
            put_slashes(arena, mw_param_find(input->route->params, name, NULL), &value, err);
        if (status == MW_OK) status = mw_args_set(args, name, value, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

/* The members that belong in the body, which are left to the table; the others are noted. */
static mw_status take_members(mw_arena *arena, const mw_api_input *input, const mw_json *body,
                              mw_faults *faults, mw_json *ret, mw_err *err) {
    mw_json **end = &ret->first;
    *ret = *body;
    ret->first = NULL;
    for (const mw_json *member = body->first; member; member = member->next) {
        const mw_param *param = mw_param_find(input->route->params, member->key, NULL);
        mw_status status = MW_OK;
        if (param && !(place_of(input->route, param) & MW_PARAM_BODY)) {
            status = noted(faults, misplaced(input->route, param, member->key, "body", err), err);
        } else {
            mw_json *copy = mw_arena_alloc(arena, sizeof *copy);
            if (!copy) return mw_fail_nomem(err, "the request body");
            *copy = *member;
            copy->next = NULL;
            *end = copy;
            end = &copy->next;
        }
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status read_body(mw_arena *arena, const mw_api_input *input, mw_args *args,
                           mw_faults *faults, mw_err *err) {
    const mw_json *body;
    mw_json members;
    if (input->route->op->takes || mw_str_trim(input->body).size == 0) return MW_OK;
    mw_status status = mw_json_parse(arena, input->body.data, input->body.size, &body, err);
    if (status != MW_OK) return status;
    if (body->kind != MW_JSON_OBJECT)
        return noted(faults, mw_fail(err, MW_EINVAL, "the request body must be a JSON object"),
                     err);
    faults->lead = "/";
    status = take_members(arena, input, body, faults, &members, err);
    if (status == MW_OK) status = mw_args_set_json(args, &members, err);
    faults->lead = "";
    return status;
}

/* What is missing is told where it belongs. */
static mw_status finish(const mw_route *route, mw_args *args, mw_faults *faults, mw_err *err) {
    mw_fault *last = faults->last;
    mw_status status = mw_args_finish(args, err);
    for (mw_fault *fault = last ? last->next : faults->first; fault; fault = fault->next) {
        const mw_param *param = mw_param_find(route->params, mw_str_of(fault->pointer), NULL);
        if (!param || !(place_of(route, param) & MW_PARAM_BODY)) continue;
        const char *pointer = mw_arena_printf(&faults->arena, "/%s", fault->pointer);
        if (pointer) fault->pointer = pointer;
    }
    return status;
}

mw_status mw_api__read_args(mw_mem *mem, mw_arena *arena, const mw_api_input *input, bool *wait,
                            mw_faults *faults, mw_args **ret, mw_err *err) {
    mw_args *args = NULL;
    *wait = true;
    mw_status status = mw_args_new(mem, input->route->params, &args, err);
    if (status == MW_OK) mw_args_collect(args, faults);
    if (status == MW_OK) status = read_path(arena, input, args, err);
    if (status == MW_OK) status = read_query(arena, input, args, wait, faults, err);
    if (status == MW_OK) status = read_fields(input, args, faults, err);
    if (status == MW_OK) status = read_body(arena, input, args, faults, err);
    if (status == MW_OK) status = finish(input->route, args, faults, err);
    if (status == MW_OK)
        status = mw_faults_status(faults, err);
    else
        mw_faults_done(faults); /* a request that cannot be read has nothing else to be told */
    if (status != MW_OK) {
        mw_args_free(args);
        return status;
    }
    mw_args_collect(args, NULL);
    *ret = args;
    return MW_OK;
}
