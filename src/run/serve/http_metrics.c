/*
 * http_metrics.c -- one row a loop and route; a row has a single writer, so an increment is a plain
 * load and store of an atomic. Buckets follow Prometheus' usual ones, widened for trainings.
 */
#include "run/serve/http_metrics.h"

#include <stdatomic.h>

enum { N_BUCKETS = 17, N_CODES = 30 };

static const struct {
    int64_t us;
    const char *label;
} buckets[N_BUCKETS] = {
    {100, "0.0001"},  {250, "0.00025"},   {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},    {1000000, "1"},   {2500000, "2.5"}, {10000000, "10"},
    {60000000, "60"}, {600000000, "600"},
};

static const int codes[N_CODES] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405,
                                   406, 408, 409, 411, 412, 413, 414, 415, 417, 421,
                                   422, 429, 431, 499, 500, 501, 503, 504, 505, 0};

typedef struct row {
    _Atomic int64_t codes[N_CODES];
    _Atomic int64_t buckets[N_BUCKETS + 1]; /* the last: longer than all */
    _Atomic int64_t total_us;
} row;

struct mw_http_metrics {
    const mw_http_metrics_route *routes;
    int n_routes, n_loops;
    row *rows; /* [n_loops][n_routes + 2] */
};

mw_status mw_http_metrics_new(mw_mem *mem, const mw_http_metrics_route *routes, int n_routes,
                              int n_loops, mw_http_metrics **ret, mw_err *err) {
    mw_http_metrics *metrics = mw_calloc(mem, 1, sizeof *metrics);
    row *rows = mw_calloc(mem, (size_t)n_loops * (size_t)(n_routes + 2), sizeof *rows);
    if (!metrics || !rows) {
        mw_free(metrics);
        mw_free(rows);
        return mw_fail_nomem(err, "the HTTP metrics");
    }
    *metrics = (mw_http_metrics){routes, n_routes, n_loops, rows};
    *ret = metrics;
    return MW_OK;
}

void *mw_http_metrics_free(mw_http_metrics *metrics) {
    if (metrics) mw_free(metrics->rows);
    return mw_free(metrics);
}

static void add(_Atomic int64_t *counter, int64_t n) {
    int64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *counter) {
    return atomic_load_explicit((_Atomic int64_t *)(uintptr_t)counter, memory_order_relaxed);
}

void mw_http_metrics_add(mw_http_metrics *metrics, int loop, int route, bool readable, int status,
                         int64_t duration_us) {
    int index = !readable ? metrics->n_routes + 1 : route < 0 ? metrics->n_routes : route;
    row *to = &metrics->rows[(size_t)loop * (size_t)(metrics->n_routes + 2) + (size_t)index];
    int code = 0;
    while (codes[code] && codes[code] != status) code++;
    int bucket = 0;
    while (bucket < N_BUCKETS && duration_us > buckets[bucket].us) bucket++;
    add(&to->codes[code], 1);
    add(&to->buckets[bucket], 1);
    add(&to->total_us, duration_us);
}

static void write_count(const mw_http_metrics_route *route, int code, int64_t n, mw_buf *out) {
    mw_buf_printf(out,
                  "millwright_http_requests_total{route=\"%s\",method=\"%s\",code=\"%d\"} %lld\n",
                  route->route, route->method, code, (long long)n);
}

static void sum_row(const mw_http_metrics *metrics, int index, row *sum) {
    *sum = (row){0};
    for (int loop = 0; loop < metrics->n_loops; loop++) {
        const row *from =
            &metrics->rows[(size_t)loop * (size_t)(metrics->n_routes + 2) + (size_t)index];
        for (int i = 0; i < N_CODES; i++) add(&sum->codes[i], get(&from->codes[i]));
        for (int i = 0; i <= N_BUCKETS; i++) add(&sum->buckets[i], get(&from->buckets[i]));
        add(&sum->total_us, get(&from->total_us));
    }
}

static mw_http_metrics_route route_at(const mw_http_metrics *metrics, int index) {
    if (index < metrics->n_routes) return metrics->routes[index];
    if (index == metrics->n_routes) return (mw_http_metrics_route){"other", "other"};
    return (mw_http_metrics_route){"unreadable", "other"};
}

static void write_histogram(const mw_http_metrics_route *route, const row *sum, mw_buf *out) {
    static const char name[] = "millwright_http_request_duration_seconds";
    int64_t below = 0;
    for (int i = 0; i <= N_BUCKETS; i++) {
        below += get(&sum->buckets[i]);
        mw_buf_printf(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"%s\"} %lld\n", name,
                      route->route, route->method, i < N_BUCKETS ? buckets[i].label : "+Inf",
                      (long long)below);
    }
    int64_t us = get(&sum->total_us);
    mw_buf_printf(out, "%s_sum{route=\"%s\",method=\"%s\"} %lld.%06lld\n", name, route->route,
                  route->method, (long long)(us / 1000000), (long long)(us % 1000000));
    mw_buf_printf(out, "%s_count{route=\"%s\",method=\"%s\"} %lld\n", name, route->route,
                  route->method, (long long)below);
}

static void write_one(mw_buf *out, const char *name, const char *kind, const char *help,
                      int64_t value) {
    mw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, kind, name,
                  (long long)value);
}

static void write_transport(const mw_http *http, mw_buf *out) {
    mw_http_stats stats;
    mw_http_read_stats(http, &stats);
    write_one(out, "millwright_http_open_connections", "gauge", "Connections open now.",
              stats.open_connections);
    write_one(out, "millwright_http_connections_total", "counter", "Connections accepted.",
              stats.accepted_total);
    write_one(out, "millwright_http_connections_rejected_total", "counter",
              "Connections turned away at the limit.", stats.rejected_total);
    write_one(out, "millwright_http_timeouts_total", "counter",
              "Connections ended for silence or slowness.", stats.timed_out_total);
    write_one(out, "millwright_http_received_bytes_total", "counter", "Bytes received.",
              stats.received_bytes_total);
    write_one(out, "millwright_http_sent_bytes_total", "counter", "Bytes sent.",
              stats.sent_bytes_total);
}

void mw_http_metrics_write(const mw_http_metrics *metrics, const mw_http *http, mw_buf *out) {
    row sum;
    mw_buf_add(out, "# HELP millwright_http_requests_total Requests answered.\n"
                    "# TYPE millwright_http_requests_total counter\n");
    for (int i = 0; i < metrics->n_routes + 2; i++) {
        mw_http_metrics_route route = route_at(metrics, i);
        sum_row(metrics, i, &sum);
        for (int k = 0; k < N_CODES; k++)
            if (get(&sum.codes[k])) write_count(&route, codes[k], get(&sum.codes[k]), out);
    }
    mw_buf_add(out, "# HELP millwright_http_request_duration_seconds From a request's head to the "
                    "end of its answer.\n"
                    "# TYPE millwright_http_request_duration_seconds histogram\n");
    for (int i = 0; i < metrics->n_routes + 2; i++) {
        mw_http_metrics_route route = route_at(metrics, i);
        sum_row(metrics, i, &sum);
        int64_t n = 0;
        for (int k = 0; k < N_CODES; k++) n += get(&sum.codes[k]);
        if (n) write_histogram(&route, &sum, out);
    }
    if (http) write_transport(http, out);
}
