/*
 * http_metrics.h -- counters and latency histograms of the HTTP server, as Prometheus reads them.
 *
 * What      millwright_http_requests_total{route,method,code} and
 *           millwright_http_request_duration_seconds{route,method}; summed over loops when read.
 * Threads   each loop writes its own rows, without locks; any thread may read.
 */
#ifndef MW_RUN_SERVE_HTTP_METRICS_H
#define MW_RUN_SERVE_HTTP_METRICS_H

#include "run/serve/transport.h"

typedef struct mw_http_metrics mw_http_metrics;

typedef struct mw_http_metrics_route {
    const char *route;  /* template: "/jobs/{id}" */
    const char *method; /* "GET" */
} mw_http_metrics_route;

/* routes [n_routes], borrowed. Two rows are added: other routes, and what was no request at all. */
mw_status mw_http_metrics_new(mw_mem *mem, const mw_http_metrics_route *routes, int n_routes,
                              int n_loops, mw_http_metrics **ret, mw_err *err);
void *mw_http_metrics_free(mw_http_metrics *metrics); /* NULL is allowed */

/* route -1: other; readable false: no request. */
void mw_http_metrics_add(mw_http_metrics *metrics, int loop, int route, bool readable, int status,
                         int64_t duration_us);
void mw_http_metrics_write(const mw_http_metrics *metrics, const mw_http *http, mw_buf *out);

#endif
