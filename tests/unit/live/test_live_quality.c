/*
 * test_live_quality.c -- flags of live rows are those of the same rows in a file: at any moment, for earlier times, and beside segments; however rows come in
 * requests and files, through restarts, and with a snapshot that is old or gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/ipc.h"
#include "core/text/datetime.h"
#include "keep/ingest/quality.h"
#include "learn/feature/usual.h"
#include "support/harness.h"
#include "unit/live/live_scene.h"

enum { MACHINES = 3, MINUTES = 3 * 24 * 60, ROWS = MACHINES * MINUTES, HOURS = 24 * 4 };

static const int64_t start_us = INT64_C(1770000000) * 1000000 / 3600000000 * 3600000000,
                     minute_us = INT64_C(60000000), hour_us = INT64_C(3600000000);
static const char schema_text[] =
    "\"deviceColumn\":\"machine\",\"continuousColumns\":[\"a\",\"b\"],\"rollingWindows\":[\"2h\"],"
    "\"features\":[{\"op\":\"value\",\"of\":\"a\"},{\"op\":\"value\",\"of\":\"b\"},{\"op\":"
    "\"mean\","
    "\"of\":\"a\",\"window\":\"3h\"},{\"op\":\"lag\",\"of\":\"b\",\"lag\":\"30min\"},"
    "{\"op\":\"mean\",\"of\":\"b\",\"window\":20}]";

static mw_err err;
static scene at_hand;

typedef struct reading {
    int64_t time;
    int32_t device;
    double values[INPUTS];
} reading;

static reading rows[ROWS];
static int n_rows; /* made */

static void device_name(int device, char out[16]) { (void)snprintf(out, 16, "m%d", device); }

/* Noise; later hours in which a sensor stands, a machine is silent, values are missing or jump. */
static void make_rows(scene *s) {
    n_rows = 0;
    for (int i = 0; i < MINUTES; i++)
        for (int d = 0; d < MACHINES; d++) {
            const bool is_bad = i > 30 * 60;
            if (live_roll(s, 500) == 0 || (is_bad && i / 60 % 17 == 3 + d)) continue;
            reading *r = &rows[n_rows++];
            *r = (reading){.time = start_us + i * minute_us, .device = d};
            for (int c = 0; c < INPUTS; c++) {
                r->values[c] = 50 + 10 * c + (live_roll(s, 4000) - 2000) * 0.001;
                if (is_bad && (i / 60 + 5 * c + d) % 9 == 1) r->values[c] = 51.5 + c;
                if (is_bad && (i / 60 + 3 * c + d) % 11 == 2) r->values[c] = MW_NAN;
                if (is_bad && live_roll(s, 700) == 0) r->values[c] += 40;
            }
        }
}

/* ---- what a file with the first rows says ---- */

typedef struct reference {
    mw_schema *schema;
    mw_flagged_list inputs, outputs;
    int64_t distances[MACHINES];
} reference;

static mw_quality *judge_rows(const mw_ctx *ctx, const reading *from, int n,
                              mw_schema **ret_schema) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64, MW_FLOAT64};
    static const char *const names[] = {"time", "device_id", "a", "b"};
    mw_chunk *chunk;
    mw_quality *q;
    int32_t ignored;
    assert_ok(mw_schema_new(NULL, ret_schema, &err));
    for (int c = 0; c < 4; c++)
        assert_ok(mw_schema_add(*ret_schema, mw_str_of(names[c]), types[c], &ignored, &err));
    assert_ok(mw_chunk_new(NULL, types, 4, n + 1, &chunk, &err));
    chunk->n_rows = n;
    for (int i = 0; i < n; i++) {
        char name[16];
        device_name(from[i].device, name);
        chunk->columns[0].time[i] = from[i].time;
        assert_ok(mw_dictionary_add((*ret_schema)->columns[1].dictionary, mw_str_of(name),
                                    &chunk->columns[1].codes[i], &err));
        for (int c = 0; c < INPUTS; c++) chunk->columns[2 + c].number[i] = from[i].values[c];
    }
    assert_ok(mw_quality_new(ctx, *ret_schema, 1, NULL, &q, &err));
    assert_ok(mw_quality_add(q, chunk, &err));
    mw_chunk_free(chunk);
    return q;
}

static void refer(const scene *s, const reading *from, int n, reference *ret) {
    const mw_ctx ctx = live_ctx(s, 0);
    const mw_program *p = s->orgs[0].config.program;
    mw_usual usual[MACHINES] = {{0}};
    int64_t last[MACHINES] = {0};
    mw_table *table;
    *ret = (reference){0};
    mw_quality *q = judge_rows(&ctx, from, n, &ret->schema);
    assert_ok(mw_quality_finish(q, &table, &err));
    mw_quality_free(q);
    for (int i = 0; i < n; i++) {
        const int d = from[i].device;
        if (last[d]) mw_usual_add(&usual[d], from[i].time - last[d]);
        last[d] = from[i].time;
    }
    mw_dictionary *devices = ret->schema->columns[1].dictionary;
    const mw_flagged_devices of = {devices, -1};
    for (int32_t d = 0; d < mw_dictionary_size(devices); d++)
        ret->distances[d] = mw_usual_distance(&usual[mw_dictionary_text(devices, d).data[1] - '0']);
    assert_ok(mw_flagged_read(table, p->inputs, p->n_inputs, &of, &ret->inputs, &err));
    const mw_flagged_options options = {
        .distances = ret->distances, .bits = UINT32_MAX, .clock_bits = MW_QUALITY_CLOCK};
    assert_ok(mw_flagged_outputs(&ctx, p, &ret->inputs, &options, &ret->outputs, &err));
    mw_table_free(table);
}

static void refer_done(reference *r) {
    mw_flagged_done(&r->inputs);
    mw_flagged_done(&r->outputs);
    mw_schema_free(r->schema);
}

static int32_t number_of(const reference *r, int device) {
    char name[16];
    device_name(device, name);
    return mw_dictionary_find(r->schema->columns[1].dictionary, mw_str_of(name));
}

/* ---- checks ---- */

static int n_flagged; /* features that were, in all checks */

static void check_newest(scene *s, const reading *from, int n) {
    const mw_ctx ctx = live_ctx(s, 0);
    reference want;
    refer(s, from, n, &want);
    for (int d = 0; d < MACHINES; d++) {
        mw_telemetry_vector v;
        char name[16];
        device_name(d, name);
        if (mw_telemetry_newest(&ctx, s->telemetry, name, &v, &err)) continue;
        for (int32_t k = 0; k < v.program->n_outputs; k++) {
            const uint32_t bits = mw_flagged_at(&v.flagged, 0, k, v.time);
            n_flagged += bits != 0;
            assert_int_equal(bits, mw_flagged_at(&want.outputs, number_of(&want, d), k, v.time));
        }
        mw_telemetry_vector_done(&v);
    }
    refer_done(&want);
}

static void check_earlier(scene *s, const reading *from, int n) {
    enum { ASKED = 60 };
    const mw_ctx ctx = live_ctx(s, 0);
    mw_telemetry_asked asked[ASKED];
    mw_telemetry_history h;
    char names[ASKED][16];
    int devices[ASKED];
    reference want;
    if (n == 0) return;
    for (int i = 0; i < ASKED; i++) {
        const reading *one = &from[live_roll(s, n)];
        devices[i] = one->device;
        device_name(one->device, names[i]);
        asked[i] = (mw_telemetry_asked){mw_str_of(names[i]), one->time};
    }
    refer(s, from, n, &want);
    assert_ok(mw_telemetry_ask(&ctx, s->telemetry, "live", asked, ASKED, &h, &err));
    for (int i = 0; i < ASKED; i++) {
        assert_int_equal(h.times[i], asked[i].time);
        for (int32_t k = 0; k < h.program->n_outputs; k++) {
            const uint32_t bits = mw_flagged_at(&h.flagged, h.devices[i], k, h.times[i]);
            n_flagged += bits != 0;
            assert_int_equal(
                bits, mw_flagged_at(&want.outputs, number_of(&want, devices[i]), k, h.times[i]));
        }
    }
    mw_telemetry_history_done(&h);
    refer_done(&want);
}

/* Bits by machine, sensor (a, b, the device) and hour. */
typedef struct hours {
    uint8_t bits[MACHINES][3][HOURS];
} hours;

static void add_hours(hours *h, const mw_table *t) {
    for (int64_t i = 0; t && i < t->n_rows; i++) {
        const mw_str device = mw_column_text(mw_table_column(t, "device_id"), i);
        const mw_str sensor = mw_column_text(mw_table_column(t, "sensor"), i);
        const int64_t from = (mw_table_column(t, "time")->time[i] - start_us) / hour_us,
                      to = (mw_table_column(t, "end")->time[i] - start_us) / hour_us;
        assert_true(from >= 0 && from < to && to <= HOURS);
        for (int64_t k = from; k < to; k++)
            h->bits[device.data[1] - '0'][sensor.size ? sensor.data[0] - 'a' : 2][k] |=
                (uint8_t)mw_table_column(t, "bits")->number[i];
    }
}

/* Beside the segments lies what their rows have made certain, in one file each. */
static void check_files(scene *s, const reading *from) {
    static hours want, got;
    const mw_ctx ctx = live_ctx(s, 0);
    const mw_segment_record *segments;
    mw_arena arena;
    mw_dir *folder;
    mw_schema *schema;
    mw_table *table;
    char path[700];
    size_t n;
    int64_t stored = 0;
    want = got = (hours){0};
    mw_arena_init(&arena, NULL);
    assert_ok(mw_store_segments(&ctx, s->store, &arena, "live", &segments, &n, &err));
    (void)snprintf(path, sizeof path, "%s/data/orgs/%s/datasets/live", mw_test_folder(),
                   live_orgs[0]);
    assert_ok(mw_dir_open(&ctx, path, MW_DIR_MUST_EXIST, &folder, &err));
    for (size_t i = 0; i < n; i++) {
        stored += segments[i].n_rows;
        if (!segments[i].quality) continue;
        assert_ok(mw_file_verify(&ctx, folder, segments[i].quality, &err));
        assert_ok(mw_ipc_read(&ctx, folder, segments[i].quality, NULL, 0, &table, &err));
        add_hours(&got, table);
        mw_table_free(table);
    }
    mw_quality *q = judge_rows(&ctx, from, (int)stored, &schema);
    assert_ok(mw_quality_told(q, 0, &table, &err));
    add_hours(&want, table);
    mw_table_free(table);
    mw_quality_free(q);
    mw_schema_free(schema);
    assert_memory_equal(&got, &want, sizeof got);
    mw_dir_close(folder);
    mw_arena_done(&arena);
}

/* ---- requests ---- */

static void send(scene *s, const reading *from, int n, int want_accepted) {
    const mw_ctx ctx = live_ctx(s, 0);
    mw_telemetry_outcome outcome;
    mw_buf body;
    mw_buf_init(&body, NULL, 1 << 24);
    mw_buf_add(&body, "machine,a,time,b\n");
    for (int i = 0; i < n; i++) {
        mw_buf_printf(&body, "m%d,", (int)from[i].device);
        if (!mw_isnan(from[i].values[0])) mw_buf_add_number(&body, from[i].values[0]);
        mw_buf_printf(&body, ",%lld,", (long long)from[i].time);
        if (!mw_isnan(from[i].values[1])) mw_buf_add_number(&body, from[i].values[1]);
        mw_buf_add_char(&body, '\n');
    }
    assert_ok(mw_buf_status(&body, "a body", &err));
    assert_ok(mw_telemetry_add(&ctx, s->telemetry, MW_LIVE_CSV, mw_buf_str(&body), &outcome, &err));
    assert_int_equal(outcome.accepted, want_accepted);
    mw_buf_done(&body);
}

static void snapshot_path(char out[700]) {
    (void)snprintf(out, 700, "%s/data/orgs/%s/live/state.snapshot", mw_test_folder(), live_orgs[0]);
}

/* A restart after which the snapshot is the newest, an old one or gone. */
static void restart(scene *s, mw_buf *old) {
    char path[700];
    char piece[4096];
    size_t n;
    snapshot_path(path);
    live_stop(s);
    const int what = live_roll(s, 3);
    if (what == 1) (void)remove(path);
    FILE *f = what ? NULL : fopen(path, "rb");
    if (f) { /* the next old one */
        mw_buf_clear(old);
        while ((n = fread(piece, 1, sizeof piece, f)) > 0) mw_buf_append(old, piece, n);
        assert_int_equal(fclose(f), 0);
    }
    f = what == 2 && old->size ? fopen(path, "wb") : NULL;
    if (f) {
        assert_int_equal(fwrite(old->data, 1, old->size, f), old->size);
        assert_int_equal(fclose(f), 0);
    }
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(live_start(s, &ctx, &err));
}

static void begin(scene *s, const char *schema, uint64_t file_bytes) {
    live_begin(s, &(mw_telemetry_options){.file_bytes = file_bytes});
    live_configure(s, 0, schema);
    make_rows(s);
    n_flagged = 0;
}

MW_TEST(flags_are_those_of_the_same_rows_in_a_file) {
    scene *s = &at_hand;
    mw_buf old;
    begin(s, schema_text, 40000);
    mw_buf_init(&old, NULL, 1 << 26);
    int turn = 0;
    for (int at = 0, n; at < n_rows; at += n, turn++) {
        n = live_roll(s, 4) ? 1 + live_roll(s, 600) : 1;
        if (n > n_rows - at) n = n_rows - at;
        send(s, rows + at, n, n);
        if (turn % 5 == 0 || at + n == n_rows) check_newest(s, rows, at + n);
        if (turn % 9 == 0 || at + n == n_rows) check_earlier(s, rows, at + n);
        if (live_roll(s, 6) == 0) restart(s, &old);
    }
    check_newest(s, rows, n_rows);
    check_files(s, rows);
    assert_true(n_flagged > 50);
    mw_buf_done(&old);
    live_end(s);
}

MW_TEST(another_configuration_judges_all_stored_rows_again) {
    static const char other[] =
        "\"deviceColumn\":\"machine\",\"continuousColumns\":[\"b\",\"a\"],\"features\":[{\"op\":"
        "\"value\",\"of\":\"b\"},{\"op\":\"mean\",\"of\":\"a\",\"window\":\"5h\"}]";
    scene *s = &at_hand;
    begin(s, schema_text, 60000);
    for (int at = 0, n, turn = 0; at < n_rows; at += n, turn++) {
        n = 1 + live_roll(s, 1200);
        if (n > n_rows - at) n = n_rows - at;
        send(s, rows + at, n, n);
        if (turn % 4 == 3) live_configure(s, 0, turn % 8 == 3 ? other : schema_text);
        if (turn % 4 == 0) check_newest(s, rows, at + n);
        if (turn % 8 == 0) check_earlier(s, rows, at + n);
    }
    check_files(s, rows);
    assert_true(n_flagged > 20);
    live_end(s);
}

static int by_time(const void *a, const void *b) {
    const reading *x = a, *y = b;
    return x->time < y->time ? -1 : x->time > y->time;
}

MW_TEST(late_rows_within_the_lateness_are_not_judged) {
    static const char late[] =
        "\"deviceColumn\":\"machine\",\"lateness\":\"10min\",\"continuousColumns\":[\"a\",\"b\"],"
        "\"features\":[{\"op\":\"value\",\"of\":\"a\"},{\"op\":\"value\",\"of\":\"b\"}]";
    static reading judged[ROWS], some[700];
    scene *s = &at_hand;
    int n_judged = 0, n_late = 0, turn = 0;
    int64_t newest[MACHINES] = {0};
    begin(s, late, 50000);
    for (int at = 0, n; at < n_rows; at += n) {
        n = 1 + live_roll(s, 60);
        if (n > n_rows - at) n = n_rows - at;
        memcpy(some, rows + at, (size_t)n * sizeof *some);
        const int keep = n > 30 ? 10 : 0; /* some of the last rows come before the others */
        if (keep) send(s, some + n - keep, keep, keep);
        if (n > keep) {
            int accepted = 0;
            for (int i = 0; i < n - keep; i++) {
                bool is_late = false;
                for (int k = n - keep; k < n; k++)
                    is_late |= keep > 0 && some[k].device == some[i].device &&
                               some[k].time - some[i].time >= 10 * minute_us;
                accepted += !is_late;
            }
            send(s, some, n - keep, accepted);
            n_late += accepted;
        }
        /* Judged is what is newer than its machine's newest, in the order of coming. */
        reading *coming[2] = {some + n - keep, some};
        const int counts[2] = {keep, n - keep};
        for (int part = 0; part < 2; part++) {
            qsort(coming[part], (size_t)counts[part], sizeof *some, by_time);
            for (int i = 0; i < counts[part]; i++) {
                const reading *r = &coming[part][i];
                if (r->time <= newest[r->device]) continue;
                newest[r->device] = r->time;
                judged[n_judged++] = *r;
            }
        }
        if (turn++ % 4 == 0) check_newest(s, judged, n_judged);
    }
    assert_true(n_late > 0 && n_judged > n_rows / 10 && n_flagged > 0);
    live_end(s);
}

MW_TEST_MAIN(MW_RUN(flags_are_those_of_the_same_rows_in_a_file),
             MW_RUN(another_configuration_judges_all_stored_rows_again),
             MW_RUN(late_rows_within_the_lateness_are_not_judged))
