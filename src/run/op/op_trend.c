/*
 * op_trend.c -- GET /trend: the latest values of one parameter, their slope and moving mean.
 *
 * Values of the same time stamp (several devices, or several rows) are averaged. The slope is the
 * least-squares line through the returned points, per hour.
 *
 * Segments come by their first time, so a time before that of the next segment, and of the rows to come where
 * they are ordered, is settled: no further value can join it. Settled points are counted, and only as many
 * kept as the answer shows.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "run/op/rows.h"

typedef struct point { /* values of one time */
    int64_t time_us;
    int64_t serial; /* order of arrival, so that equal times are added up in one order */
    double sum;
    int64_t n;
} point;

typedef struct trend {
    const mw_ctx *ctx;
    const char *parameter;
    size_t need;   /* latest points that the answer looks at */
    point *points; /* [n] */
    size_t n, capacity;
    bool ascending;    /* no time is earlier than the one before, none twice */
    int64_t n_dropped; /* settled points that are no longer kept */
    int64_t n_values;
    bool known; /* some segment has the parameter */
    const mw_segment_record *segments;
    size_t n_segments, segment;
    bool ordered;
} trend;

enum { FIRST_POINTS = 1 << 16 };

static mw_status begin(void *self, const mw_segment_record *segments, size_t n, mw_err *err) {
    (void)err;
    trend *t = self;
    t->segments = segments;
    t->n_segments = n;
    t->n = 0;
    t->n_values = t->n_dropped = 0;
    t->ascending = true;
    t->known = false;
    return MW_OK;
}

static mw_status segment(void *self, size_t index, const mw_schema *schema, bool ordered,
                         mw_err *err) {
    (void)schema, (void)err;
    trend *t = self;
    t->segment = index;
    t->ordered = ordered;
    return MW_OK;
}

static int by_time(const void *a, const void *b) {
    const point *x = a, *y = b;
    if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* Adds up equal times. */
static void tidy(trend *t) {
    if (t->ascending) return;
    qsort(t->points, t->n, sizeof *t->points, by_time);
    size_t kept = 0;
    for (size_t i = 0; i < t->n; kept++) {
        point sum = t->points[i++];
        for (; i < t->n && t->points[i].time_us == sum.time_us; i++) {
            sum.sum += t->points[i].sum;
            sum.n += t->points[i].n;
        }
        t->points[kept] = sum;
    }
    t->n = kept;
    t->ascending = true;
}

/* Lets go of points before `border` that the answer cannot need. */
static void settle(trend *t, int64_t border) {
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->points[middle].time_us < border)
            low = middle + 1;
        else
            high = middle;
    }
    if (low <= t->need) return;
    size_t drop = low - t->need;
    memmove(t->points, t->points + drop, (t->n - drop) * sizeof *t->points);
    t->n -= drop;
    t->n_dropped += (int64_t)drop;
}

static mw_status make_room(trend *t, int64_t border, mw_err *err) {
    tidy(t);
    settle(t, border);
    if (t->points && t->n <= t->capacity / 2) return MW_OK;
    size_t capacity = t->capacity ? t->capacity * 2 : FIRST_POINTS;
    point *more = mw_realloc(t->ctx->mem, t->points, capacity * sizeof *more);
    if (!more) return mw_fail_nomem(err, "the trend");
    t->points = more;
    t->capacity = capacity;
    return MW_OK;
}

static mw_status add_value(trend *t, int64_t time_us, double value, int64_t border, mw_err *err) {
    point *last = t->n ? &t->points[t->n - 1] : NULL;
    int64_t serial = t->n_values++;
    if (last && last->time_us == time_us) {
        last->sum += value;
        last->n++;
        return MW_OK;
    }
    if (!t->points || t->n == t->capacity) {
        mw_status status = make_room(t, border, err);
        if (status) return status;
        last = t->n ? &t->points[t->n - 1] : NULL;
    }
    if (last && time_us <= last->time_us) t->ascending = false;
    t->points[t->n++] = (point){time_us, serial, value, 1};
    return MW_OK;
}

/* The earliest time that a row from here on can have. */
static int64_t border_of(const trend *t, const int64_t *times) {
    int64_t border = t->ordered ? times[0] : t->segments[t->segment].first_us;
    if (t->segment + 1 < t->n_segments && t->segments[t->segment + 1].first_us < border)
        border = t->segments[t->segment + 1].first_us;
    return border;
}

static mw_status rows(void *self, const mw_schema *schema, const mw_chunk *chunk,
                      const uint8_t *pass, mw_err *err) {
    trend *t = self;
    int32_t time = mw_schema_find(schema, MW_STR("time"));
    int32_t value = mw_schema_find(schema, mw_str_of(t->parameter));
    if (time < 0 || value < 0 || schema->columns[value].type != MW_FLOAT64) return MW_OK;
    t->known = true;
    const int64_t *times = chunk->columns[time].time;
    const double *values = chunk->columns[value].number;
    int64_t border = border_of(t, times);
    mw_status status = MW_OK;
    for (int64_t row = 0; row < chunk->n_rows && !status; row++)
        if (pass[row] && !mw_isnan(values[row]))
            status = add_value(t, times[row], values[row], border, err);
    return status ? status : mw_ctx_check(t->ctx, err);
}

static double value_of(const point *p) { return p->sum / (double)p->n; }

static double slope_per_hour(const point *points, size_t n) {
    double mean_time = 0, mean_value = 0, cross = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        mean_time += (double)(points[i].time_us - points[0].time_us) / 3.6e9 / (double)n;
        mean_value += value_of(&points[i]) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double hours = (double)(points[i].time_us - points[0].time_us) / 3.6e9 - mean_time;
        cross += hours * (value_of(&points[i]) - mean_value);
        square += hours * hours;
    }
    return square > 0 ? cross / square : MW_NAN;
}

/* `from` is the first point shown; the moving mean may look at points before it. */
static void write_points(const point *points, size_t from, size_t n, size_t window,
                         mw_json_writer *writer) {
    mw_json_key(writer, "points");
    mw_json_array(writer);
    for (size_t i = from; i < n; i++) {
        size_t first = i + 1 >= window ? i + 1 - window : 0;
        double sum = 0;
        for (size_t k = first; k <= i; k++) sum += value_of(&points[k]);
        mw_json_object(writer);
        mw_json_add_time(writer, "time", points[i].time_us);
        mw_json_add_number(writer, "value", value_of(&points[i]));
        mw_json_add_number(writer, "moving_mean", sum / (double)(i + 1 - first));
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

static void write_result(trend *t, const mw_args *args, mw_buf *out) {
    tidy(t);
    size_t n = t->n;
    size_t limit = (size_t)mw_args_int(args, "limit");
    size_t from = n > limit ? n - limit : 0;
    double slope = n > from ? slope_per_hour(t->points + from, n - from) : MW_NAN;
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "parameter", t->parameter);
    mw_json_add_string(&writer, "device", mw_args_string(args, "device"));
    mw_json_add_int(&writer, "total", t->n_dropped + (int64_t)n);
    mw_json_add_number(&writer, "slope_per_hour", slope);
    mw_json_add_string(&writer, "direction",
                       !(mw_abs(slope) > 0) ? "flat"
                       : slope > 0          ? "rising"
                                            : "falling");
    write_points(t->points, from, n, (size_t)mw_args_int(args, "window"), &writer);
    mw_json_object_end(&writer);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    trend t = {.ctx = call->ctx, .parameter = mw_args_string(call->args, "parameter")};
    t.need = (size_t)(mw_args_int(call->args, "limit") + mw_args_int(call->args, "window"));
    mw_op__filter filter = {.device = mw_args_string(call->args, "device")};
    mw_op__visitor visitor = {begin, segment, rows, NULL, &t};
    const char *const columns[] = {"time", t.parameter};
    const char *dataset = mw_args_string(call->args, "dataset");
    mw_status status = mw_op__each_segment(call, dataset, &filter, columns, 2, &visitor, err);
    if (!status && !t.known) {
        mw_fail(err, MW_ENOTFOUND, "there is no parameter \"%.100s\"", t.parameter);
        mw_err_at(err, "parameter");
        status = mw_err_hint(err, "GET /summary lists the parameters");
    } else if (!status && t.n == 0 && filter.device) {
        mw_fail(err, MW_ENOTFOUND, "the device \"%.100s\" has no values of %.100s", filter.device,
                t.parameter);
        mw_err_at(err, "device");
        status = mw_err_hint(err, "GET /summary lists the devices");
    }
    if (!status) write_result(&t, call->args, out);
    mw_free(t.points);
    return status;
}

/* A line of eighth blocks: what the eye needs to see a trend on a terminal. */
static void print_spark(const mw_json *points, mw_buf *out) {
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double low = MW_INFINITY, high = -MW_INFINITY;
    uint32_t n = points->n_children, step = n > 72 ? (n + 71) / 72 : 1, i = 0;
    for (const mw_json *p = points->first; p; p = p->next) {
        double value = mw_json_number(mw_json_get(p, "moving_mean"), 0);
        if (value < low) low = value;
        if (value > high) high = value;
    }
    for (const mw_json *p = points->first; p; p = p->next, i++) {
        if (i % step) continue;
        double value = mw_json_number(mw_json_get(p, "moving_mean"), 0);
        int level = high > low ? (int)((value - low) / (high - low) * 7.999) : 3;
        mw_buf_add(out, blocks[level]);
    }
    mw_buf_printf(out, "\n%.6g to %.6g\n", low, high);
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_json *points = mw_json_get(result, "points");
    mw_str parameter = mw_json_string(mw_json_get(result, "parameter"), "");
    mw_str direction = mw_json_string(mw_json_get(result, "direction"), "");
    mw_buf_printf(out, "%.*s: %.*s", (int)parameter.size, parameter.data, (int)direction.size,
                  direction.data);
    const mw_json *slope = mw_json_get(result, "slope_per_hour");
    if (slope && slope->kind == MW_JSON_NUMBER) mw_buf_printf(out, ", %.6g an hour", slope->number);
    mw_buf_printf(out, " over the last %u of %lld values\n", points ? points->n_children : 0,
                  (long long)mw_json_int(mw_json_get(result, "total"), 0));
    if (points && points->first) print_spark(points, out);
}

static const mw_param params[] = {
    {.name = "parameter",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 256,
     .flags = MW_PARAM_REQUIRED,
     .help = "Which parameter."},
    {.name = "device",
     .type = MW_PARAM_STRING,
     .help = "Only this device_id; else the mean of all."},
    {.name = "limit",
     .type = MW_PARAM_INT,
     .def = "100",
     .min = 1,
     .max = 10000,
     .help = "The most points, the latest ones."},
    {.name = "window",
     .type = MW_PARAM_INT,
     .def = "5",
     .min = 1,
     .max = 1000,
     .unit = "points",
     .help = "Length of the moving mean."},
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main", .help = "Which dataset."},
    {0}};

static const mw_field point_fields[] = {
    {.name = "time", .type = MW_FIELD_TIME, .help = "UTC"},
    {.name = "value",
     .type = MW_FIELD_NUMBER,
     .help = "the value; a mean where several share a time"},
    {.name = "moving_mean", .type = MW_FIELD_NUMBER, .help = "of it and the points before"},
    {0}};

static const char *const directions[] = {"rising", "falling", "flat", NULL};

static const mw_field result[] = {
    {.name = "parameter", .type = MW_FIELD_STRING, .help = "which parameter"},
    {.name = "device",
     .type = MW_FIELD_STRING,
     .nullable = true,
     .help = "which device, null: all"},
    {.name = "total", .type = MW_FIELD_INTEGER, .help = "points there are in all"},
    {.name = "slope_per_hour",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "least squares over the points; null for fewer than two times"},
    {.name = "direction",
     .type = MW_FIELD_STRING,
     .choices = directions,
     .help = "sign of the slope"},
    {.name = "points",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = point_fields,
     .help = "oldest first"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_OK};
static const char *const examples[] = {"millwright trend --parameter engine_temp --limit 500",
                                       NULL};

const mw_op mw_op_trend = {
    .name = "trend",
    .verb = "trend",
    .method = "GET",
    .path = "/trend",
    .area = "quick analytics",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .tagged = true,
    .kept = true,
    .summary = "Latest values of a parameter, slope and moving mean",
    .help = "Raw values, the latest `limit` of them in time order.",
    .examples = examples,
    .params = params,
    .result = result,
    .example =
        "{\"parameter\":\"engine_temp\",\"device\":null,\"total\":4032,\"slope_per_hour\":5.4"
        "8,\"direction\":\"rising\",\"points\":[{\"time\":\"2026-01-18T23:50:00Z\",\"value\":"
        "65.96,\"moving_mean\":65.36},{\"time\":\"2026-01-18T23:55:00Z\",\"value\":66.42,\"mo"
        "ving_mean\":65.55}]}",
    .errors = errors,
    .prepare = prepare,
    .print = print,
};
