/* op_historical_features.c -- POST /features/historical: what was known of devices at earlier times. */
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "core/text/json.h"
#include "run/op/app.h"
#include "run/op/live_answer.h"

static const char *const takes[] = {"application/json", NULL};

typedef struct question {
    mw_arena arena;
    const char *dataset;
    mw_telemetry_asked *asked; /* [n] */
    size_t n;
} question;

/* ---- the question ---- */

static mw_status fail_row(mw_err *err, size_t row, const char *what) {
    mw_fail(err, MW_EINVAL, "row %zu: %s", row + 1, what);
    mw_err_hint(err, "{\"rows\": [{\"device\": \"M1\", \"time\": \"2026-03-01T00:00:00Z\"}, ...]}");
    return mw_err_at(err, "rows/%zu", row);
}

static mw_status read_row(const mw_json *row, size_t number, mw_telemetry_asked *ret, mw_err *err) {
    const mw_json *device = mw_json_get(row, "device"), *time = mw_json_get(row, "time");
    if (!device || (device->kind != MW_JSON_STRING && device->kind != MW_JSON_NUMBER))
        return fail_row(err, number, "it names no device");
    if (!time || (time->kind != MW_JSON_STRING && time->kind != MW_JSON_NUMBER) ||
        !mw_telemetry_read_time(time->string, &ret->time))
        return fail_row(err, number, "it has no time");
    ret->device = device->string;
    return MW_OK;
}

static mw_status read_dataset(const mw_json *body, question *q, mw_err *err) {
    const mw_json *dataset = mw_json_get(body, "dataset");
    q->dataset = "live";
    if (!dataset) return MW_OK;
    if (dataset->kind == MW_JSON_STRING)
        q->dataset = mw_arena_strndup(&q->arena, dataset->string.data, dataset->string.size);
    if (!q->dataset) return mw_fail_nomem(err, "the question");
    if (dataset->kind == MW_JSON_STRING && mw_name_valid(q->dataset)) return MW_OK;
    mw_fail(err, MW_EINVAL, "a dataset's name is 1 to 64 letters, digits, '_' or '-'");
    return mw_err_at(err, "dataset");
}

static mw_status read_question(const mw_call *call, question *q, mw_err *err) {
    const mw_json *body;
    const mw_str text = call->body->bytes;
    mw_status status = mw_json_parse(&q->arena, text.data, text.size, &body, err);
    if (status) return status;
    const mw_json *rows = mw_json_get(body, "rows");
    if (!rows || rows->kind != MW_JSON_ARRAY) {
        mw_fail(err, MW_EINVAL, "the body has no array of \"rows\"");
        return mw_err_at(err, "rows");
    }
    if (rows->n_children > MW_LIMIT(LIVE_HISTORY_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld rows are asked for",
                       (long long)MW_LIMIT(LIVE_HISTORY_ROWS));
    q->asked = mw_arena_calloc(&q->arena, (size_t)rows->n_children + 1, sizeof *q->asked);
    if (!q->asked) return mw_fail_nomem(err, "the question");
    for (const mw_json *row = rows->first; row && !status; row = row->next, q->n++)
        status = read_row(row, q->n, &q->asked[q->n], err);
    return status ? status : read_dataset(body, q, err);
}

/* ---- the answer ---- */

typedef struct answer_row {
    const mw_telemetry_history *history;
    size_t number;
} answer_row;

static mw_str text_of(const void *row, int32_t i) {
    const answer_row *r = row;
    const mw_telemetry_history *h = r->history;
    const int32_t code = h->texts[r->number * (size_t)h->columns->n_texts + (size_t)i];
    return mw_dictionary_text(h->words, code);
}

static void write_answer(const question *q, const mw_telemetry_history *h, mw_buf *out) {
    const int32_t n = h->program->n_outputs;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "dataset", q->dataset);
    mw_json_add_int(&w, "config_version", h->config_version);
    mw_json_add_string(&w, "program", h->program->hash);
    mw_json_key(&w, "features");
    mw_json_array(&w);
    for (int32_t i = 0; i < n; i++) mw_json_write_string(&w, h->program->names[i]);
    mw_json_array_end(&w);
    mw_json_key(&w, "rows");
    mw_json_array(&w);
    for (size_t i = 0; i < q->n; i++) {
        mw_json_object(&w);
        mw_json_add_str(&w, "device", q->asked[i].device);
        mw_json_add_time(&w, "time", q->asked[i].time);
        mw_json_add_time(&w, "row_time", h->times[i]);
        mw_json_key(&w, "values");
        mw_op__write_floats(h->features + i * (size_t)n, n, &w);
        const answer_row row = {h, i};
        mw_op__write_categories(h->columns, q->asked[i].device, text_of, &row, &w);
        mw_op__write_quality(h->program, &h->flagged, h->devices[i], h->times[i], &w);
        mw_json_object_end(&w);
    }
    mw_json_array_end(&w);
    mw_json_object_end(&w);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    question q = {0};
    mw_telemetry_history history;
    if (!call->body) return mw_fail(err, MW_EINVAL, "nothing is asked");
    mw_arena_init(&q.arena, call->ctx->mem);
    mw_status status = read_question(call, &q, err);
    if (!status)
        status = mw_telemetry_ask(call->ctx, call->app->telemetry, q.dataset, q.asked, q.n,
                                  &history, err);
    if (!status) {
        write_answer(&q, &history, out);
        mw_telemetry_history_done(&history);
    }
    mw_arena_done(&q.arena);
    return status;
}

static const mw_field asked_fields[] = {
    {.name = "device", .type = MW_FIELD_STRING, .help = "its name"},
    {.name = "time", .type = MW_FIELD_TIME, .help = "as of which rows count"},
    {0}};

static const mw_field body_fields[] = {
    {.name = "rows",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = asked_fields,
     .help = "devices and times, at most 10,000"},
    {.name = "dataset",
     .type = MW_FIELD_STRING,
     .optional = true,
     .help = "whose rows; without it `live`, those that POST /telemetry has taken"},
    {0}};

static const mw_field row_fields[] = {
    {.name = "device", .type = MW_FIELD_STRING, .help = "as asked"},
    {.name = "time", .type = MW_FIELD_TIME, .help = "as asked, UTC"},
    {.name = "row_time",
     .type = MW_FIELD_TIME,
     .nullable = true,
     .help = "of the device's newest row up to that time; null: there was none"},
    {.name = "values",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_ANY,
     .help = "of the features, in their order: numbers, or null where one is missing"},
    {.name = "categories",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_ANY,
     .help =
         "the configuration's categorical columns, by name: the row's text, or null where it is "
         "missing"},
    {.name = "quality",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_ANY,
     .help = "features made of flagged readings, by name: which flags (stuck, flat, out_of_range, "
             "spike, gap, clock, unit), as far as they are known by now"},
    {0}};

static const mw_field result[] = {
    {.name = "dataset", .type = MW_FIELD_STRING, .help = "whose rows"},
    {.name = "config_version", .type = MW_FIELD_INTEGER, .help = "version of the configuration"},
    {.name = "program", .type = MW_FIELD_STRING, .help = "hash of what is computed"},
    {.name = "features",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .help = "names of the features"},
    {.name = "rows",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = row_fields,
     .help = "one for each that was asked, in that order"},
    {0}};

static const mw_status errors[] = {MW_EPARSE,    MW_EINVAL, MW_EDATA, MW_ENOTFOUND, MW_ECONFLICT,
                                   MW_ETOOLARGE, MW_EBUSY,  MW_EIO,   MW_OK};

const mw_op mw_op_historical_features = {
    .name = "historical_features",
    .method = "POST",
    .path = "/features/historical",
    .area = "live",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .deadline_ms = 120000,
    .takes = takes,
    .takes_fields = body_fields,
    .takes_example = "{\"rows\":[{\"device\":\"M1\",\"time\":\"2026-03-01T00:00:00Z\"}]}",
    .summary = "Features of devices as of earlier times",
    .help = "For each device and time what its rows up to that time make, as `millwright features` "
            "makes "
            "it: no later row counts. All rows of the dataset are read for it.",
    .result = result,
    .example =
        "{\"dataset\":\"live\",\"config_version\":3,\"program\":\"5f0c...\",\"features\":["
        "\"temperature_mean_5min\"],\"rows\":[{\"device\":\"M1\",\"time\":\"2026-03-01T00:00:00Z\","
        "\"row_time\":\"2026-02-28T23:59:50Z\",\"values\":[61.2],\"categories\":{},\"quality\":{"
        "\"temperature_mean_"
        "5min\":[\"stuck\"]}}]}",
    .errors = errors,
    .prepare = prepare,
};
