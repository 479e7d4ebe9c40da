/* route.c -- a linear table: with some tens of routes, comparing sizes first beats anything
 * cleverer. */
#include "run/serve/route.h"

#include <stdio.h>
#include <string.h>

static bool method_of(const char *name, mw_http_method *ret) {
    for (int i = 0; i < MW_HTTP_METHODS; i++)
        if (strcmp(name, mw_http_method_name((mw_http_method)i)) == 0) {
            *ret = (mw_http_method)i;
            return true;
        }
    return false;
}

mw_status mw_routes_init(mw_mem *mem, const mw_op *const *ops,
                         const mw_param *(*params_of)(const mw_op *op), mw_routes *ret,
                         mw_err *err) {
    int n = 0;
    for (int i = 0; ops[i]; i++) n += ops[i]->method != NULL;
    mw_routes routes = {mw_calloc(mem, (size_t)n + 1, sizeof *routes.rows), 0};
    if (!routes.rows) return mw_fail_nomem(err, "the table of routes");
    for (int i = 0; ops[i]; i++) {
        if (!ops[i]->method) continue;
        mw_route *row = &routes.rows[routes.n++];
        row->op = ops[i];
        row->params = params_of(ops[i]);
        row->path = mw_str_of(ops[i]->path);
        row->has_template = strchr(ops[i]->path, '{') != NULL;
        if (!method_of(ops[i]->method, &row->method)) {
            mw_free(routes.rows);
            return mw_fail(err, MW_EINTERNAL, "operation %s has no HTTP method", ops[i]->name);
        }
    }
    *ret = routes;
    return MW_OK;
}

void mw_routes_done(mw_routes *routes) { routes->rows = mw_free(routes->rows); }

/* Takes "/segment" off the front. */
static mw_str next_segment(mw_str *rest) {
    const char *start = rest->data + 1;
    const char *end = rest->size > 1 ? memchr(start, '/', rest->size - 1) : NULL;
    size_t n = end ? (size_t)(end - start) : rest->size - 1;
    *rest = (mw_str){start + n, rest->size - 1 - n};
    return (mw_str){start, n};
}

static bool is_template(mw_str segment) { return segment.size > 2 && segment.data[0] == '{'; }

static bool matches(const mw_route *route, mw_str path) {
    if (!route->has_template) return mw_str_eq(route->path, path);
    mw_str want = route->path;
    while (want.size && path.size) {
        mw_str expected = next_segment(&want);
        mw_str got = next_segment(&path);
        if (is_template(expected) ? got.size == 0 : !mw_str_eq(expected, got)) return false;
    }
    return want.size == 0 && path.size == 0;
}

int mw_routes_find(const mw_routes *routes, mw_http_method method, mw_str path, unsigned *methods) {
    *methods = 0;
    if (method == MW_HTTP_HEAD) method = MW_HTTP_GET;
    if (path.size == 0 || path.data[0] != '/') return -1;
    bool literal = false;
    int found = -1;
    for (int pass = 0; pass < 2 && !literal; pass++)
        for (int i = 0; i < routes->n; i++) {
            const mw_route *route = &routes->rows[i];
            if (route->has_template != (pass == 1) || !matches(route, path)) continue;
            literal = literal || pass == 0;
            *methods |= 1u << route->method;
            if (route->method == method) found = i;
        }
    return found;
}

bool mw_route_value(const mw_route *route, mw_str path, int k, mw_str *name, mw_str *value) {
    mw_str want = route->path;
    while (want.size && path.size) {
        mw_str expected = next_segment(&want);
        mw_str got = next_segment(&path);
        if (!is_template(expected) || k-- > 0) continue;
        *name = (mw_str){expected.data + 1, expected.size - 2};
        *value = got;
        return true;
    }
    return false;
}

bool mw_route_takes_slash(const mw_route *route) {
    for (const mw_param *p = route->params; p->name; p++)
        if (p->flags & MW_PARAM_SLASH) return true;
    return false;
}

void mw_routes_allow(unsigned methods, char *out, size_t size) {
    size_t n = 0;
    if (methods & 1u << MW_HTTP_GET) methods |= 1u << MW_HTTP_HEAD;
    methods |= 1u << MW_HTTP_OPTIONS;
    out[0] = '\0';
    for (int i = 0; i < MW_HTTP_METHODS; i++) {
        if (!(methods & 1u << i)) continue;
        int added = snprintf(out + n, size - n, "%s%s", n ? ", " : "",
                             mw_http_method_name((mw_http_method)i));
        if (added < 0 || (size_t)added >= size - n) return;
        n += (size_t)added;
    }
}
