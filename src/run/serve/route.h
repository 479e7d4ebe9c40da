/*
 * route.h -- from method and path to an operation.
 *
 * What      one row for each operation with a method; "{name}" in a template stands for one segment
 *           that is not empty. A path without templates wins over one with ("/models/status" over
 *           "/models/{name}").
 */
#ifndef MW_RUN_SERVE_ROUTE_H
#define MW_RUN_SERVE_ROUTE_H

#include "run/op/op.h"
#include "run/serve/http_message.h"

typedef struct mw_route {
    const mw_op *op;
    const mw_param *params; /* ended by a NULL name; never NULL */
    mw_http_method method;
    mw_str path;
    bool has_template;
} mw_route;

typedef struct mw_routes {
    mw_route *rows; /* [n] */
    int n;
} mw_routes;

/* ops ends with NULL; borrowed. params_of gives an operation's table. MW_EINTERNAL for a method that does not exist. */
mw_status mw_routes_init(mw_mem *mem, const mw_op *const *ops,
                         const mw_param *(*params_of)(const mw_op *op), mw_routes *ret,
                         mw_err *err);
void mw_routes_done(mw_routes *routes);

/* Index of the row, or -1. HEAD finds GET. *methods is the set (bits) of methods the path has. */
int mw_routes_find(const mw_routes *routes, mw_http_method method, mw_str path, unsigned *methods);

/* Value of the k-th template (0, 1, ...) and its name; false when there are fewer. */
bool mw_route_value(const mw_route *route, mw_str path, int k, mw_str *name, mw_str *value);

/* Whether a part of its path may have a slash in it (MW_PARAM_SLASH), sent as %2F. */
bool mw_route_takes_slash(const mw_route *route);

/* "GET, HEAD, OPTIONS" into out [64]. */
void mw_routes_allow(unsigned methods, char *out, size_t size);

#endif
