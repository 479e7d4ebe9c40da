/*
 * test_live_rows.c -- rows out of bodies: JSON, CSV and Arrow streams (of pyarrow, tests/golden/arrow/make_streams.py) give the same ones; what is wrong
 * with one is told; cut and changed bodies are read or refused; every allocation fails once.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/dir.h"
#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "run/live/live_rows.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_err err;
#define START INT64_C(1772323200000000)

static const char config_text[] =
    "{\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":\"machine\",\"continuousColumns\":"
    "[\"a\"],\"booleanColumns\":[\"b\"],\"categoricalColumns\":[\"note\"],\"rollingWindows\":[2]}}";
static const char unnamed_text[] =
    "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],\"rollingWindows\":[2]}}";

typedef struct reader {
    mw_ctx ctx;
    mw_feature_config config;
    mw_live_columns columns;
    mw_live_rows rows;
} reader;

static void begin(reader *r, const char *text) {
    mw_ctx_init(&r->ctx);
    assert_ok(mw_feature_config_read(NULL, text, strlen(text), &r->config, &err));
    assert_ok(mw_live_columns_init(NULL, &r->config, &r->columns, &err));
    r->rows = (mw_live_rows){0};
}

static void end(reader *r) {
    mw_live_rows_done(&r->rows);
    mw_live_columns_done(&r->columns);
    mw_feature_config_done(&r->config);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static mw_status read_body(reader *r, mw_live_form form, mw_str body) {
    mw_live_rows_done(&r->rows);
    mw_err_clear(&err);
    assert_ok(mw_live_rows_init(NULL, &r->columns, &r->rows, &err));
    return mw_live_rows_read(&r->ctx, form, body, &r->rows, &err);
}

static mw_status read_text(reader *r, mw_live_form form, const char *body) {
    return read_body(r, form, mw_str_of(body));
}

static mw_status read_golden(reader *r, const char *name) {
    char path[600], *data;
    size_t size;
    mw_dir *dir;
    (void)snprintf(path, sizeof path, "%s/arrow", mw_test_golden());
    assert_ok(mw_dir_open(&r->ctx, path, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_read(&r->ctx, dir, name, 1 << 20, &data, &size, &err));
    mw_dir_close(dir);
    mw_status status = read_body(r, MW_LIVE_ARROW, (mw_str){data, size});
    mw_free(data);
    return status;
}

/* The three rows that can be used of those four, in the order of their times. */
static void check_rows(const reader *r) {
    static const int64_t times[] = {START, START + 1000000, START + 1500000};
    static const char *const machines[] = {"m1", "m1", "\xc3\xb6l"};
    const double a[] = {1.5, MW_NAN, MW_NAN}, b[] = {1, MW_NAN, 0};
    const mw_live_rows *rows = &r->rows;
    assert_int_equal(rows->n, 3);
    assert_int_equal(rows->n_unusable, 1);
    assert_string_equal(rows->reasons[0], "row 4: it has no time");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rows->times[i], times[i]);
        assert_true(mw_str_is(mw_dictionary_text(rows->names, rows->devices[i]), machines[i]));
        const double got_a = rows->values[i], got_b = rows->values[rows->room + i];
        assert_true(got_a == a[i] || (mw_isnan(got_a) && mw_isnan(a[i])));
        assert_true(got_b == b[i] || (mw_isnan(got_b) && mw_isnan(b[i])));
    }
}

static const char json_body[] =
    "{\"rows\":[{\"note\":\"a\",\"b\":true,\"when\":\"2026-03-01T00:00:00Z\",\"machine\":\"m1\","
    "\"a\":"
    "1.5},{\"when\":1772323201.5,\"machine\":\"\\u00f6l\",\"b\":false,\"a\":null},{\"machine\":"
    "\"m1\","
    "\"when\":\"2026-03-01T01:00:01+01:00\"},{\"machine\":\"m1\",\"when\":null,\"a\":4,\"b\":1}]}";
static const char csv_body[] =
    "note,b,when,machine,a\r\n\"a\n\",true,2026-03-01T00:00:00Z,m1,1.5\n,0,"
    "1772323201500,\xc3\xb6l,NaN\n\"\"\"c\"\"\",,1772323201,\"m1\",\nd,1,,m1,4.0\n";

MW_TEST(three_forms_give_the_same_rows) {
    reader r;
    begin(&r, config_text);
    assert_ok(read_text(&r, MW_LIVE_JSON, json_body));
    check_rows(&r);
    assert_ok(read_text(&r, MW_LIVE_CSV, csv_body));
    check_rows(&r);
    assert_ok(read_golden(&r, "stream_text.arrows"));
    check_rows(&r);
    assert_ok(read_golden(&r, "stream_codes.arrows"));
    check_rows(&r);
    assert_ok(read_golden(&r, "stream_empty.arrows"));
    assert_int_equal(r.rows.n, 0);
    assert_status(read_golden(&r, "stream_ints.arrows"), MW_EUNSUPPORTED);
    end(&r);
}

/* ---- categories ---- */

static void check_text(const reader *r, int32_t text, int64_t row, const char *want) {
    const mw_live_rows *rows = &r->rows;
    const int32_t number = rows->texts[text * rows->room + row];
    if (!want)
        assert_int_equal(number, -1);
    else
        assert_true(mw_str_is(mw_dictionary_text(rows->vocabulary, number), want));
}

MW_TEST(texts_of_categories_are_kept) {
    static const char config[] =
        "{\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":\"machine\","
        "\"continuousColumns\":[\"a\"],\"categoricalColumns\":[\"note\",\"machine\",\"kind\","
        "\"device_id\"],\"rollingWindows\":[2]}}";
    reader r;
    begin(&r, config);
    assert_int_equal(r.columns.n_texts, 2); /* the others are the device */
    assert_string_equal(r.columns.texts[0], "note");
    assert_string_equal(r.columns.texts[1], "kind");
    static const int32_t texts[] = {0, -1, 1, -1};
    assert_memory_equal(r.columns.category_text, texts, sizeof texts);
    /* Rows in the order of their times; what is no text of its own is missing. */
    assert_ok(read_text(&r, MW_LIVE_JSON,
                        "{\"rows\":[{\"when\":1700000002,\"machine\":\"m\",\"note\":\"\\u00f6l\"},"
                        "{\"kind\":7.50,\"when\":1700000000,\"machine\":\"m\",\"note\":\" a \"},"
                        "{\"when\":1700000001,\"machine\":\"a\",\"note\":null,\"kind\":true},"
                        "{\"when\":1700000003,\"machine\":\"m\",\"note\":\"\",\"kind\":\"NaN\"},"
                        "{\"when\":1700000004,\"machine\":\"m\",\"note\":[\"x\"]}]}"));
    assert_int_equal(r.rows.n, 4);
    assert_string_equal(r.rows.reasons[0], "row 5: note is no single value");
    static const char *const want[4][2] = {
        {"a", "7.50"}, {NULL, "true"}, {"\xc3\xb6l", NULL}, {NULL, NULL}};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) check_text(&r, k, i, want[i][k]);
    assert_ok(read_text(&r, MW_LIVE_CSV,
                        "kind,when,machine,note\n,1700000002,m,\"\xc3\xb6l\"\n7.50,1700000000,m,a\n"
                        "true,1700000001,a,\n NaN,1700000003,m,N/A\n"));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) check_text(&r, k, i, want[i][k]);
    static const char *const streams[] = {"stream_text.arrows", "stream_codes.arrows"};
    for (int s = 0; s < 2; s++) {
        assert_ok(read_golden(&r, streams[s]));
        assert_int_equal(r.rows.n, 3);
        check_text(&r, 0, 0, "a");
        check_text(&r, 0, 1, "c");
        check_text(&r, 0, 2, NULL);
        for (int i = 0; i < 3; i++) check_text(&r, 1, i, NULL);
    }
    char body[600], longest[MW_LIVE_DEVICE_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    longest[MW_LIVE_DEVICE_BYTES + 1] = '\0';
    (void)snprintf(body, sizeof body, "when,machine,note\n1700000000,m,%s\n1700000001,m,%s\n",
                   longest, longest + 1);
    assert_ok(read_text(&r, MW_LIVE_CSV, body));
    assert_int_equal(r.rows.n, 1);
    assert_non_null(strstr(r.rows.reasons[0], "row 1: note, xxx"));
    assert_non_null(strstr(r.rows.reasons[0], "is longer than 256 bytes"));
    end(&r);
}

/* Truth values of an Arrow stream are words, too; numbers are not. */
MW_TEST(arrow_categories_are_texts_or_truth_values) {
    reader r;
    begin(&r,
          "{\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":\"machine\","
          "\"continuousColumns\":[\"x\"],\"categoricalColumns\":[\"b\"],\"rollingWindows\":[2]}}");
    assert_ok(read_golden(&r, "stream_text.arrows"));
    check_text(&r, 0, 0, "true");
    check_text(&r, 0, 1, NULL);
    check_text(&r, 0, 2, "false");
    end(&r);
    begin(&r,
          "{\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":\"machine\","
          "\"continuousColumns\":[\"x\"],\"categoricalColumns\":[\"a\"],\"rollingWindows\":[2]}}");
    assert_ok(read_golden(&r, "stream_text.arrows"));
    assert_int_equal(r.rows.n, 2); /* those without a value */
    assert_string_equal(r.rows.reasons[0], "row 1: a holds values of type float64");
    end(&r);
}

MW_TEST(bodies_that_cannot_be_read_are_refused) {
    reader r;
    begin(&r, config_text);
    static const char *const broken[] = {"",
                                         "{",
                                         "{\"rows\":[{]}",
                                         "{\"rows\":[]}x",
                                         "nul",
                                         "{\"rows\":[{\"when\":1e999}]}",
                                         "{\"rows\":[\"\xff\"]}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_status(read_text(&r, MW_LIVE_JSON, broken[i]), MW_EPARSE);
    static const char *const wrong[] = {"[]", "{}", "{\"rows\":1}", "{\"rows\":[],\"rows\":[]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_status(read_text(&r, MW_LIVE_JSON, wrong[i]), MW_EINVAL);
    assert_status(read_text(&r, MW_LIVE_CSV, ""), MW_EDATA);
    assert_status(read_text(&r, MW_LIVE_CSV, "machine,a\nx,1\n"), MW_EDATA);
    assert_status(read_text(&r, MW_LIVE_ARROW, ""), MW_EDATA);
    assert_status(read_text(&r, MW_LIVE_ARROW, "ARROW1\0\0"), MW_EDATA);
    assert_ok(read_text(&r, MW_LIVE_JSON, "{\"rows\":[],\"more\":[{}]}"));
    end(&r);
}

MW_TEST(unusable_rows_are_told) {
    reader r;
    begin(&r, config_text);
    assert_ok(read_text(
        &r, MW_LIVE_JSON,
        "{\"rows\":[{\"when\":\"soon\",\"machine\":\"m\"},{\"machine\":\"m\"},7,"
        "{\"when\":1700000000,\"machine\":\"m\",\"a\":\"hot\"},{\"when\":1700000000},"
        "{\"when\":12,\"machine\":\"m\"},{\"when\":1700000000,\"machine\":\"m\",\"a\":[1]},"
        "{\"when\":\"2023-11-14T22:13:20Z\",\"machine\":\"m\",\"a\":\"1.5\",\"b\":null}]}"));
    assert_int_equal(r.rows.n, 1);
    assert_int_equal(r.rows.n_unusable, 7);
    assert_int_equal(r.rows.n_reasons, MW_LIVE_REASONS);
    assert_string_equal(r.rows.reasons[0], "row 1: its time, soon, is none");
    assert_string_equal(r.rows.reasons[1], "row 2: it has no time");
    assert_string_equal(r.rows.reasons[2], "row 3: it is no object");
    assert_string_equal(r.rows.reasons[3], "row 4: a is hot, not a number");
    assert_string_equal(r.rows.reasons[4], "row 5: it has no machine");
    assert_ok(read_text(&r, MW_LIVE_CSV,
                        "when,machine,a\n1700000000,m\n1700000000,\"m\"x,1\n1700000000,m,x\n"));
    assert_int_equal(r.rows.n, 0);
    assert_string_equal(r.rows.reasons[0], "row 1: 2 fields where the header has 3");
    assert_string_equal(r.rows.reasons[2], "row 3: a is x, not a number");
    end(&r);
}

/* Without names in the configuration the usual ones count, and a row may have no device. */
MW_TEST(usual_names_are_found) {
    reader r;
    begin(&r, unnamed_text);
    assert_ok(
        read_text(&r, MW_LIVE_JSON,
                  "{\"rows\":[{\"timestamp\":1700000000,\"a\":1},{\"time\":\"1700000001\",\"a\":2,"
                  "\"device_id\":7}]}"));
    assert_int_equal(r.rows.n, 2);
    assert_true(mw_str_is(mw_dictionary_text(r.rows.names, r.rows.devices[0]), "default"));
    assert_true(mw_str_is(mw_dictionary_text(r.rows.names, r.rows.devices[1]), "7"));
    end(&r);
}

MW_TEST(too_many_rows_are_refused) {
    reader r;
    mw_buf body;
    begin(&r, config_text);
    mw_buf_init(&body, NULL, 1 << 23);
    mw_buf_add(&body, "when,machine,a\n");
    for (int64_t i = 0; i <= MW_LIMIT(LIVE_ROWS); i++) mw_buf_add(&body, "1700000000,m,1\n");
    assert_status(read_body(&r, MW_LIVE_CSV, mw_buf_str(&body)), MW_ETOOLARGE);
    body.size -= sizeof "1700000000,m,1\n" - 1;
    assert_ok(read_body(&r, MW_LIVE_CSV, mw_buf_str(&body)));
    assert_int_equal(r.rows.n, MW_LIMIT(LIVE_ROWS));
    mw_buf_done(&body);
    end(&r);
}

MW_TEST(columns_that_stored_rows_need_are_refused) {
    mw_feature_config config;
    mw_live_columns columns;
    static const char *const texts[] = {
        "{\"schemaConfig\":{\"continuousColumns\":[\"time\"],"
        "\"timeColumn\":\"t\",\"rollingWindows\":[2]}}",
        "{\"schemaConfig\":{\"continuousColumns\":[\"a\",\"device_"
        "id\"],\"deviceColumn\":\"m\",\"rollingWindows\":[2]}}",
        "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],"
        "\"categoricalColumns\":[\"timestamp\"]}}",
        "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],\"timeColumn\":"
        "\"t\",\"categoricalColumns\":[\"time\"]}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_ok(mw_feature_config_read(NULL, texts[i], strlen(texts[i]), &config, &err));
        assert_status(mw_live_columns_init(NULL, &config, &columns, &err), MW_ECONFLICT);
        mw_feature_config_done(&config);
    }
}

MW_TEST(cut_and_changed_bodies_are_read_or_refused) {
    reader r;
    mw_rng rng;
    mw_dir *dir;
    char path[600], *stream;
    size_t size;
    begin(&r, config_text);
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    (void)snprintf(path, sizeof path, "%s/arrow", mw_test_golden());
    assert_ok(mw_dir_open(&r.ctx, path, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_read(&r.ctx, dir, "stream_codes.arrows", 1 << 20, &stream, &size, &err));
    mw_dir_close(dir);
    const mw_str bodies[] = {mw_str_of(json_body), mw_str_of(csv_body), {stream, size}};
    for (int form = 0; form < 3; form++) {
        for (int i = 0; i < 3000; i++) {
            const size_t n =
                mw_rng_below(&rng, 3) ? bodies[form].size : mw_rng_below(&rng, bodies[form].size);
            char *copy = mw_memdup(NULL, bodies[form].data, bodies[form].size);
            if (n > 0) copy[mw_rng_below(&rng, n)] ^= (char)(1 << mw_rng_below(&rng, 8));
            mw_status status = read_body(&r, (mw_live_form)form, (mw_str){copy, n});
            if (status != MW_OK) assert_true(err.message[0] != 0);
            mw_free(copy);
        }
    }
    mw_free(stream);
    end(&r);
}

/* ---- allocations ---- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    const mw_str *bodies = arg;
    mw_feature_config config;
    mw_live_columns columns;
    mw_status status =
        mw_feature_config_read(ctx->mem, config_text, strlen(config_text), &config, e);
    if (status) return status;
    status = mw_live_columns_init(ctx->mem, &config, &columns, e);
    for (int form = 0; form < 3 && !status; form++) {
        mw_live_rows rows;
        status = mw_live_rows_init(ctx->mem, &columns, &rows, e);
        if (status) break;
        status = mw_live_rows_read(ctx, (mw_live_form)form, bodies[form], &rows, e);
        mw_live_rows_done(&rows);
    }
    mw_live_columns_done(&columns);
    mw_feature_config_done(&config);
    return status;
}

MW_TEST(rows_survive_any_failed_allocation) {
    reader r;
    mw_dir *dir;
    char path[600], *stream;
    size_t size;
    mw_ctx_init(&r.ctx);
    (void)snprintf(path, sizeof path, "%s/arrow", mw_test_golden());
    assert_ok(mw_dir_open(&r.ctx, path, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_read(&r.ctx, dir, "stream_codes.arrows", 1 << 20, &stream, &size, &err));
    mw_dir_close(dir);
    mw_str bodies[] = {mw_str_of(json_body), mw_str_of(csv_body), {stream, size}};
    assert_true(mw_fault_loop_alloc(scenario, bodies) > 40);
    mw_free(stream);
}

MW_TEST_MAIN(MW_RUN(texts_of_categories_are_kept),
             MW_RUN(arrow_categories_are_texts_or_truth_values),
             MW_RUN(three_forms_give_the_same_rows), MW_RUN(bodies_that_cannot_be_read_are_refused),
             MW_RUN(unusable_rows_are_told), MW_RUN(usual_names_are_found),
             MW_RUN(too_many_rows_are_refused), MW_RUN(columns_that_stored_rows_need_are_refused),
             MW_RUN(cut_and_changed_bodies_are_read_or_refused),
             MW_RUN(rows_survive_any_failed_allocation))
