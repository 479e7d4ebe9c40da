/* live_scene.c -- see live_scene.h. */
#include "unit/live/live_scene.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/text/csv.h"
#include "core/text/datetime.h"
#include "core/text/json.h"
#include "core/text/number.h"
#include "keep/ingest/dataset.h"
#include "support/harness.h"

static mw_err err;
const char *const live_orgs[ORGS] = {"acme", "globex"};
const char *const live_devices[DEVICES] = {"press 1", "\xc3\xb6l \"7\"", "12"};

const char live_late[] =
    "\"timeColumn\":\"when\",\"deviceColumn\":\"machine\",\"lateness\":\"30s\","
    "\"categoricalColumns\":[\"product\",\"machine\"],"
    "\"continuousColumns\":["
    "\"a\",\"b\"],\"rollingWindows\":[4,\"1min\"],\"lagSeconds\":[10]";
const char live_plain[] =
    "\"deviceColumn\":\"machine\",\"continuousColumns\":[\"a\",\"b\"],\"rollingWindows\":[3],"
    "\"features\":[{\"op\":\"ewm_mean\",\"of\":\"a\",\"window\":4},{\"op\":\"energy\",\"of\":\"b\"}"
    "]";
const char live_other[] =
    "\"deviceColumn\":\"machine\",\"lateness\":\"5s\",\"continuousColumns\":[\"a\",\"b\"],"
    "\"rollingWindows\":[7],\"features\":[{\"op\":\"zscore\",\"of\":\"b\"}]";

int live_roll(scene *s, int n) { return (int)mw_rng_below(&s->rng, (uint64_t)n); }

mw_ctx live_ctx(const scene *s, int org) {
    mw_ctx ctx = s->ctx;
    ctx.org = live_orgs[org];
    return ctx;
}

/* ---- the model ---- */

/* Pushes rows [from, n) of m in that order; those that are not used go. Returns how many were used. */
static int model_push(model *m, const row *rows, int n, bool adds) {
    enum { AT_ONCE = 512 };
    static double values[INPUTS][AT_ONCE];
    static float made[OUTPUTS][AT_ONCE];
    static int64_t times[AT_ONCE];
    static int32_t devices[AT_ONCE];
    static mw_fate fates[AT_ONCE];
    const double *columns[INPUTS] = {values[0], values[1]};
    float *out[OUTPUTS];
    mw_ctx ctx;
    int n_used = 0;
    mw_ctx_init(&ctx);
    for (int c = 0; c < OUTPUTS; c++) out[c] = made[c];
    for (int from = 0; from < n; from += AT_ONCE) {
        const int some = n - from < AT_ONCE ? n - from : AT_ONCE;
        for (int i = 0; i < some; i++) {
            times[i] = rows[from + i].time;
            devices[i] = rows[from + i].device;
            for (int c = 0; c < INPUTS; c++) values[c][i] = rows[from + i].values[c];
        }
        const mw_stream_rows all = {some, times, devices, columns};
        assert_ok(mw_stream_foresee(m->stream, &all, fates, &err));
        assert_ok(mw_stream_push(&ctx, m->stream, &all, out, &err));
        for (int i = 0; i < some; i++) {
            if (fates[i] > MW_FATE_LATE_USED) continue;
            n_used++;
            if (adds) m->rows[m->n++] = rows[from + i];
        }
        assert_true(m->n <= MOST_ROWS - AT_ONCE);
    }
    return n_used;
}

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    return x->time < y->time ? -1 : x->time > y->time ? 1 : x->device - y->device;
}

/* Of all rows that are used, in the order of their times. */
static void model_anew(model *m) {
    row *sorted = mw_memdup(NULL, m->rows, (size_t)m->n * sizeof *sorted + 1);
    qsort(sorted, (size_t)m->n, sizeof *sorted, by_time);
    mw_stream_free(m->stream);
    assert_ok(mw_stream_new(NULL, m->config.program, &m->stream, &err));
    assert_int_equal(model_push(m, sorted, m->n, false), m->n);
    mw_free(sorted);
}

void live_configure(scene *s, int org, const char *schema) {
    char text[1000];
    model *m = &s->orgs[org];
    const mw_ctx ctx = live_ctx(s, org);
    (void)snprintf(text, sizeof text, "{\"organizationId\":\"%s\",\"schemaConfig\":{%s}}",
                   live_orgs[org], schema);
    m->stream = mw_stream_free(m->stream);
    if (m->version) mw_feature_config_done(&m->config);
    assert_ok(mw_feature_config_read(NULL, text, strlen(text), &m->config, &err));
    assert_true(m->config.program->n_outputs <= OUTPUTS);
    assert_ok(mw_store_config_put(&ctx, s->store, MW_CONFIG_ANY, text, m->config.program->hash,
                                  &m->version, &err));
    m->time_column = strstr(schema, "when") ? "when" : "time";
    model_anew(m);
}

/* ---- life ---- */

mw_status live_start(scene *s, const mw_ctx *ctx, mw_err *e) {
    s->ctx = *ctx;
    s->ctx.clock = &s->clock.clock;
    return mw_telemetry_new(&s->ctx, s->data, s->store, &s->options, &s->telemetry, e);
}

void live_stop(scene *s) { s->telemetry = mw_telemetry_free(s->telemetry); }

void live_begin(scene *s, const mw_telemetry_options *options) {
    char path[600];
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    *s = (scene){.options = *options};
    mw_fake_clock_init(&s->clock, INT64_C(1780000000000000));
    s->ctx = ctx;
    s->ctx.clock = &s->clock.clock;
    mw_rng_init(&s->rng, mw_test_seed(), 1, 0);
    (void)snprintf(path, sizeof path, "%s/data", mw_test_folder());
    assert_ok(mw_dir_open(&ctx, path, MW_DIR_CREATE, &s->data, &err));
    (void)snprintf(path, sizeof path, "%s/data/store.db", mw_test_folder());
    assert_ok(mw_store_open(&ctx, path, &s->store, &err));
    for (int i = 0; i < ORGS; i++) {
        s->orgs[i].rows = mw_calloc(NULL, MOST_ROWS, sizeof(row));
        s->orgs[i].clock = INT64_C(1770000000000000) + i;
        live_configure(s, i, i ? live_plain : live_late);
    }
    assert_ok(live_start(s, &ctx, &err));
}

void live_end(scene *s) {
    live_stop(s);
    for (int i = 0; i < ORGS; i++) {
        mw_stream_free(s->orgs[i].stream);
        mw_feature_config_done(&s->orgs[i].config);
        mw_free(s->orgs[i].rows);
    }
    mw_store_close(s->store);
    mw_dir_close(s->data);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

void live_restart(scene *s) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    live_stop(s);
    assert_ok(live_start(s, &ctx, &err));
}

/* ---- requests ---- */

static void any_row(scene *s, model *m, request *r) {
    row *to = &r->rows[r->n++];
    if (live_roll(s, 3) == 0) m->clock += 1000000 + live_roll(s, 5) * INT64_C(100000);
    to->time = m->clock;
    if (live_roll(s, 8) == 0) to->time -= live_roll(s, 60) * INT64_C(1000000);
    to->device = live_roll(s, DEVICES);
    to->product = live_roll(s, 30);
    for (int c = 0; c < INPUTS; c++)
        to->values[c] = live_roll(s, 10) == 0 ? MW_NAN : (live_roll(s, 2000) - 1000) * 0.01;
}

static void write_time(scene *s, mw_buf *body, int64_t time, bool quoted) {
    char text[MW_TIME_TEXT_MAX];
    if (live_roll(s, 3) == 0) {
        mw_buf_add_int(body, time); /* microseconds */
        return;
    }
    mw_time_print(time, text);
    mw_buf_printf(body, quoted ? "\"%s\"" : "%s", text);
}

static void write_json(scene *s, const model *m, request *r) {
    mw_buf *b = &r->body;
    mw_json_writer w;
    mw_buf_add(b, "{\"rows\":[");
    for (int i = 0; i < r->n; i++) {
        const row *one = &r->rows[i];
        if (live_roll(s, 20) == 0) {
            mw_buf_printf(b, "{\"machine\":\"x\",\"a\":%d},", i);
            r->n_unusable++;
        }
        mw_buf_printf(b, "{\"%s\":", m->time_column);
        write_time(s, b, one->time, true);
        mw_buf_add(b, ",\"machine\":");
        mw_json_writer_init(&w, b, 0);
        if (one->device == 2 && live_roll(s, 2))
            mw_buf_add(b, "12");
        else
            mw_json_write_string(&w, live_devices[one->device]);
        for (int c = 0; c < INPUTS; c++) {
            if (mw_isnan(one->values[c]) && live_roll(s, 2)) continue;
            mw_buf_printf(b, ",\"%c\":", 'a' + c);
            mw_json_writer_init(&w, b, 0);
            mw_json_write_number(&w, one->values[c]);
        }
        if (one->product) mw_buf_printf(b, ",\"product\":\"p%d\"", one->product);
        mw_buf_add(b, live_roll(s, 4) ? "}," : ",\"other\":[{\"rows\":1}]},");
    }
    if (b->size && b->data[b->size - 1] == ',') b->size--;
    mw_buf_add(b, "],\"note\":\"\\u00e9\"}");
}

static void write_csv(scene *s, const model *m, request *r) {
    mw_buf *b = &r->body;
    mw_buf_printf(b, "other,b,product,machine,%s,a\r\n", m->time_column);
    for (int i = 0; i < r->n; i++) {
        const row *one = &r->rows[i];
        if (live_roll(s, 20) == 0) {
            mw_buf_add(b, "1,nonsense,p,x,2026-03-01,2\n");
            r->n_unusable++;
        }
        mw_buf_add(b, "\"a, \"\"b\"\"\",");
        if (!mw_isnan(one->values[1])) mw_buf_add_number(b, one->values[1]);
        mw_buf_add_char(b, ',');
        if (one->product) mw_buf_printf(b, "p%d", one->product);
        mw_buf_add_char(b, ',');
        mw_csv_write_field(b, mw_str_of(live_devices[one->device]));
        mw_buf_add_char(b, ',');
        write_time(s, b, one->time, false);
        mw_buf_add_char(b, ',');
        if (!mw_isnan(one->values[0])) mw_buf_add_number(b, one->values[0]);
        mw_buf_add_char(b, '\n');
    }
}

static void any_request(scene *s, int org, mw_live_form form, request *r) {
    model *m = &s->orgs[org];
    r->n = r->n_unusable = 0;
    mw_buf_init(&r->body, NULL, 1 << 20);
    const int n = 1 + live_roll(s, live_roll(s, 4) ? 6 : REQUEST_ROWS - 1);
    while (r->n < n) any_row(s, m, r);
    if (form == MW_LIVE_JSON)
        write_json(s, m, r);
    else
        write_csv(s, m, r);
}

/* Insertion sort: rows of one time stay in their order. */
static void in_order(request *r) {
    for (int i = 1; i < r->n; i++)
        for (int k = i; k > 0 && r->rows[k].time < r->rows[k - 1].time; k--) {
            const row swap = r->rows[k];
            r->rows[k] = r->rows[k - 1], r->rows[k - 1] = swap;
        }
}

void live_accept(scene *s, int org, request *r) {
    in_order(r);
    (void)model_push(&s->orgs[org], r->rows, r->n, true);
}

static void acknowledge(model *m, request *r, const mw_telemetry_outcome *outcome) {
    in_order(r);
    const mw_stream_counts before = mw_stream_count(m->stream);
    assert_int_equal(outcome->accepted, model_push(m, r->rows, r->n, true));
    const mw_stream_counts after = mw_stream_count(m->stream);
    assert_int_equal(outcome->late, after.late - before.late);
    assert_int_equal(outcome->repeated, after.repeated - before.repeated);
    assert_int_equal(outcome->unusable, r->n_unusable);
    assert_int_equal(outcome->config_version, m->version);
    assert_int_equal(outcome->n_reasons,
                     r->n_unusable > MW_LIVE_REASONS ? MW_LIVE_REASONS : r->n_unusable);
}

mw_status live_send(scene *s, int org, request *r, mw_err *e) {
    const mw_live_form form = live_roll(s, 3) ? MW_LIVE_JSON : MW_LIVE_CSV;
    mw_telemetry_outcome outcome;
    const mw_ctx ctx = live_ctx(s, org);
    any_request(s, org, form, r);
    assert_ok(mw_buf_status(&r->body, "a request", &err));
    mw_status status =
        mw_telemetry_add(&ctx, s->telemetry, form, mw_buf_str(&r->body), &outcome, e);
    mw_buf_done(&r->body);
    if (!status) acknowledge(&s->orgs[org], r, &outcome);
    return status;
}

void live_send_some(scene *s, int n) {
    static request r;
    for (int i = 0; i < n; i++) assert_ok(live_send(s, live_roll(s, ORGS), &r, &err));
}

/* ---- checks ---- */

/* Where the configuration has the category, answers have that of the newest row. */
static bool is_text_right(const model *m, int32_t device, const mw_telemetry_vector *v) {
    char want[20];
    const row *newest = NULL;
    if (v->columns->n_texts == 0) return true;
    for (int i = 0; i < m->n; i++)
        if (m->rows[i].device == device && m->rows[i].time == v->time) newest = &m->rows[i];
    if (!newest || !newest->product) return newest && !v->texts[0];
    (void)snprintf(want, sizeof want, "p%d", newest->product);
    return v->texts[0] && strcmp(v->texts[0], want) == 0;
}

bool live_is_right(scene *s, int org) {
    const model *m = &s->orgs[org];
    const mw_ctx ctx = live_ctx(s, org);
    bool same = true;
    for (int d = 0; d < DEVICES; d++) {
        mw_telemetry_vector v;
        int64_t time;
        const float *want = mw_stream_newest(m->stream, d, &time);
        mw_status status = mw_telemetry_newest(&ctx, s->telemetry, live_devices[d], &v, &err);
        if (!want) {
            same = same && status == MW_ENOTFOUND;
            if (!status) mw_telemetry_vector_done(&v);
            continue;
        }
        if (status) return false;
        const size_t n = (size_t)m->config.program->n_outputs;
        same = same && v.time == time && v.config_version == m->version &&
               strcmp(v.program->hash, m->config.program->hash) == 0 &&
               memcmp(v.features, want, n * sizeof *want) == 0 &&
               (m->version > 1 || is_text_right(m, d, &v));
        mw_telemetry_vector_done(&v);
    }
    return same;
}

void live_check(scene *s) {
    for (int org = 0; org < ORGS; org++)
        if (!live_is_right(s, org)) fail_msg("%s: other features; %s", live_orgs[org], err.message);
}

/* The newest row of a device up to a time, by pushing all rows up to it; false: there is none. */
static bool as_of(const model *m, int32_t device, int64_t time, int64_t *ret_time, float *ret) {
    mw_stream *stream;
    mw_ctx ctx;
    float *out[OUTPUTS];
    bool found = false;
    row *sorted = mw_memdup(NULL, m->rows, (size_t)m->n * sizeof *sorted + 1);
    mw_ctx_init(&ctx);
    qsort(sorted, (size_t)m->n, sizeof *sorted, by_time);
    assert_ok(mw_stream_new(NULL, m->config.program, &stream, &err));
    for (int c = 0; c < OUTPUTS; c++) out[c] = ret + c;
    for (int i = 0; i < m->n; i++) {
        const row *one = &sorted[i];
        if (one->device != device || one->time > time) continue;
        const double *const columns[INPUTS] = {&one->values[0], &one->values[1]};
        const mw_stream_rows rows = {1, &one->time, &one->device, columns};
        assert_ok(mw_stream_push(&ctx, stream, &rows, out, &err));
        *ret_time = one->time;
        found = true;
    }
    mw_stream_free(stream);
    mw_free(sorted);
    return found;
}

static void check_text(const model *m, int32_t device, int64_t time, const mw_telemetry_history *h,
                       size_t i) {
    char want[20] = "";
    for (int k = 0; k < m->n; k++)
        if (m->rows[k].device == device && m->rows[k].time == time && m->rows[k].product)
            (void)snprintf(want, sizeof want, "p%d", m->rows[k].product);
    const mw_str got = mw_dictionary_text(h->words, h->texts[i * (size_t)h->columns->n_texts]);
    assert_true(mw_str_is(got, want));
}

void live_check_history(scene *s, int org) {
    enum { ASKED = 12 };
    const model *m = &s->orgs[org];
    const mw_ctx ctx = live_ctx(s, org);
    const size_t width = (size_t)m->config.program->n_outputs;
    mw_telemetry_asked asked[ASKED];
    mw_telemetry_history h;
    int32_t devices[ASKED];
    for (int i = 0; i < ASKED; i++) {
        devices[i] = live_roll(s, DEVICES);
        asked[i].device = mw_str_of(live_devices[devices[i]]);
        asked[i].time = m->n && live_roll(s, 8)
                            ? m->rows[live_roll(s, m->n)].time + live_roll(s, 3) - 1
                        : live_roll(s, 2) ? m->clock + 1000000000
                                          : 0;
    }
    assert_ok(mw_telemetry_ask(&ctx, s->telemetry, "live", asked, ASKED, &h, &err));
    assert_int_equal(h.config_version, m->version);
    for (size_t i = 0; i < ASKED; i++) {
        float want[OUTPUTS];
        int64_t time = 0;
        if (!as_of(m, devices[i], asked[i].time, &time, want)) {
            assert_true(h.times[i] == MW_TIME_NONE);
            for (size_t c = 0; c < width; c++)
                assert_true(h.features[i * width + c] != h.features[i * width + c]);
            continue;
        }
        assert_int_equal(h.times[i], time);
        assert_memory_equal(h.features + i * width, want, width * sizeof *want);
        if (h.columns->n_texts > 0 && m->version == 1) check_text(m, devices[i], time, &h, i);
    }
    mw_telemetry_history_done(&h);
}

static void read_rows(const mw_row_stream *stream, row *ret, int64_t *n) {
    assert_ok(stream->start(stream->self, stream->schema->n_columns, &err));
    const int32_t a = mw_schema_find(stream->schema, MW_STR("a")),
                  b = mw_schema_find(stream->schema, MW_STR("b"));
    for (;;) {
        const mw_chunk *chunk;
        assert_ok(stream->next(stream->self, &chunk, &err));
        if (!chunk) break;
        for (int64_t i = 0; i < chunk->n_rows; i++) {
            assert_true(*n < MOST_ROWS);
            row *to = &ret[(*n)++];
            const mw_str device = mw_dictionary_text(stream->schema->columns[1].dictionary,
                                                     chunk->columns[1].codes[i]);
            *to = (row){.time = chunk->columns[0].time[i], .device = -1};
            for (int d = 0; d < DEVICES; d++)
                if (mw_str_is(device, live_devices[d])) to->device = d;
            to->values[0] = chunk->columns[a].number[i];
            to->values[1] = chunk->columns[b].number[i];
        }
    }
}

static void check_segments(scene *s, int org) {
    static row stored[MOST_ROWS];
    const model *m = &s->orgs[org];
    const mw_ctx ctx = live_ctx(s, org);
    const mw_segment_record *segments;
    mw_arena arena;
    mw_dir *folder;
    mw_dataset *dataset;
    char path[700];
    size_t n_segments;
    int64_t n = 0;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_store_segments(&ctx, s->store, &arena, "live", &segments, &n_segments, &err));
    (void)snprintf(path, sizeof path, "%s/data/orgs/%s/datasets/live", mw_test_folder(),
                   live_orgs[org]);
    assert_ok(mw_dir_open(&ctx, path, MW_DIR_MUST_EXIST, &folder, &err));
    mw_dataset_piece *pieces = mw_arena_calloc(&arena, n_segments, sizeof *pieces);
    for (size_t i = 0; i < n_segments; i++)
        pieces[i] = (mw_dataset_piece){folder, segments[i].file, segments[i].first_us};
    assert_ok(mw_dataset_open(&ctx, pieces, n_segments, &dataset, &err));
    read_rows(mw_dataset_stream(dataset), stored, &n);
    mw_dataset_close(dataset);
    mw_dir_close(folder);
    mw_arena_done(&arena);
    row *want = mw_memdup(NULL, m->rows, (size_t)m->n * sizeof *want + 1);
    qsort(want, (size_t)m->n, sizeof *want, by_time);
    qsort(stored, (size_t)n, sizeof *stored, by_time);
    assert_int_equal(n, m->n);
    for (int i = 0; i < m->n; i++) {
        assert_int_equal(stored[i].time, want[i].time);
        assert_int_equal(stored[i].device, want[i].device);
        for (int c = 0; c < INPUTS; c++)
            assert_true(stored[i].values[c] == want[i].values[c] ||
                        (mw_isnan(stored[i].values[c]) && mw_isnan(want[i].values[c])));
    }
    mw_free(want);
}

/* Everything becomes segments, and they are read. */
void live_check_stored(scene *s) {
    static request r;
    const mw_telemetry_options options = s->options;
    s->options.file_us = 1;
    live_restart(s);
    for (int org = 0; org < ORGS; org++) {
        assert_ok(live_send(s, org, &r, &err));
        mw_fake_clock_advance(&s->clock, 1000000);
        mw_telemetry_vector v;
        const mw_ctx ctx = live_ctx(s, org);
        if (!mw_telemetry_newest(&ctx, s->telemetry, live_devices[0], &v, &err))
            mw_telemetry_vector_done(&v);
    }
    live_check(s);
    for (int org = 0; org < ORGS; org++)
        if (s->orgs[org].n > 0) check_segments(s, org);
    s->options = options;
    live_restart(s);
}
