/* URLs, guards, routes, problems, metrics and handler threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/text/json.h"
#include "run/serve/coding.h"
#include "run/serve/cors.h"
#include "run/serve/form.h"
#include "run/serve/guard.h"
#include "run/serve/handlers.h"
#include "run/serve/http_metrics.h"
#include "run/serve/problem.h"
#include "run/serve/route.h"
#include "run/serve/url.h"
#include "support/fault_loop.h"
#include "support/harness.h"

MW_TEST(urls) {
    mw_url url;
    mw_err err;
    assert_ok(mw_url_split(MW_STR("/a/b?c=d&e"), &url, &err));
    assert_true(mw_str_is(url.path, "/a/b") && mw_str_is(url.query, "c=d&e"));
    assert_ok(mw_url_split(MW_STR("http://h:1?q"), &url, &err));
    assert_true(mw_str_is(url.authority, "h:1") && mw_str_is(url.path, "/") &&
                mw_str_is(url.query, "q"));
    static const char *const bad[] = {"",     "a",    "http://", "http:///a",
                                      "/a#b", "/a b", "/<",      "https://h/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(mw_url_split(mw_str_of(bad[i]), &url, &err), MW_EPARSE);
}

MW_TEST(paths) {
    mw_arena arena;
    mw_err err;
    mw_str path;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_url_decode_path(&arena, MW_STR("/a%20b/%C3%A4+"), &path, &err));
    assert_true(mw_str_is(path, "/a b/\xc3\xa4+"));
    assert_ok(mw_url_decode_path(&arena, MW_STR("/a%2Fb/c%2fd"), &path, &err));
    assert_true(mw_str_is(path, "/a\x01"
                                "b/c\x01"
                                "d"));
    static const char *const bad[] = {"/%",   "/%4",     "/%zz",    "/%00",     "/a%2f..%2Fb",
                                      "/%01", "/..",     "/a/../b", "/%2e%2E/", "/.",
                                      "/%ff", "/%c0%80", "/%0d",    "/%7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(mw_url_decode_path(&arena, mw_str_of(bad[i]), &path, &err), MW_EPARSE);
    mw_arena_done(&arena);
}

MW_TEST(queries) {
    mw_arena arena;
    mw_err err;
    mw_str rest = MW_STR("&a=1+2&&b=%26%3D&c&=d&"), name, value;
    bool found;
    static const char *const want[][2] = {{"a", "1 2"}, {"b", "&="}, {"c", ""}, {"", "d"}};
    mw_arena_init(&arena, NULL);
    for (size_t i = 0; i < 4; i++) {
        assert_ok(mw_url_next_query(&arena, &rest, &name, &value, &found, &err));
        assert_true(found && mw_str_is(name, want[i][0]) && mw_str_is(value, want[i][1]));
    }
    assert_ok(mw_url_next_query(&arena, &rest, &name, &value, &found, &err));
    assert_false(found);
    mw_arena_done(&arena);
}

MW_TEST(guards) {
    assert_true(mw_guard_host(MW_STR("LocalHost:80")));
    assert_true(mw_guard_host(MW_STR("[::1]")));
    assert_false(mw_guard_host(MW_STR("localhost.")));
    assert_false(mw_guard_host(MW_STR("127.0.0.1:123456")));
    assert_false(mw_guard_host(MW_STR("")));
    assert_true(mw_guard_origin(MW_STR("https://localhost:1")));
    assert_false(mw_guard_origin(MW_STR("http://localhost/")));
    assert_false(mw_guard_origin(MW_STR("null")));
    assert_true(mw_guard_json(MW_STR("application/json ; charset=UTF-8")));
    assert_false(mw_guard_json((mw_str){0}));
    assert_true(mw_guard_accepts_gzip(MW_STR("br;q=1.0, gzip;q=0.001")));
    assert_false(mw_guard_accepts_gzip(MW_STR("gzip;q=0.000")));
    assert_false(mw_guard_accepts_gzip(MW_STR("xgzip")));
}

MW_TEST(origins_are_written_as_browsers_send_them) {
    static const char *const good[] = {"http://a", "https://plant.example:8443", "http://[::1]:80",
                                       "https://10.0.0.7", NULL};
    static const char *const bad[] = {
        "",           "*",           "null",      "https://",         "http://a/",
        "https://A",  "ftp://a",     "a.example", "http://a:",        "http://a b",
        "http://u@a", "https://*.a", "http://a,", "http://a\r\nx: y", "https://a?b"};
    mw_err err;
    for (size_t i = 0; good[i]; i++) assert_ok(mw_cors_check(good[i], &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(mw_cors_check(bad[i], &err), MW_EINVAL);
    assert_false(mw_cors_allows(NULL, MW_STR("http://a")));
    assert_true(mw_cors_allows(good, MW_STR("http://a")));
}

MW_TEST(codings_are_chosen_by_weight) {
    static const struct {
        const char *accept;
        mw_coding want;
    } cases[] = {{"", MW_CODING_IDENTITY},
                 {"gzip", MW_CODING_GZIP},
                 {"GZip;q=0.001", MW_CODING_GZIP},
                 {"gzip, deflate, br, zstd", MW_CODING_ZSTD},
                 {"zstd;q=0.5, gzip;q=0.8", MW_CODING_GZIP},
                 {"zstd;q=0.5, gzip;q=0.500", MW_CODING_ZSTD},
                 {"zstd;q=0, gzip;q=0.0", MW_CODING_IDENTITY},
                 {"*", MW_CODING_ZSTD},
                 {"*;q=0.2, zstd;q=0", MW_CODING_GZIP},
                 {"*;q=0, gzip", MW_CODING_GZIP},
                 {"identity;q=1, *;q=0", MW_CODING_IDENTITY},
                 {"br;q=1.0", MW_CODING_IDENTITY},
                 {"gzip;q=x", MW_CODING_IDENTITY},
                 {",, ;q=1,gzip", MW_CODING_GZIP}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (mw_coding_choose(mw_str_of(cases[i].accept)) != cases[i].want)
            fail_msg("%s: %d", cases[i].accept, (int)cases[i].want);
    assert_int_equal(mw_coding_of((mw_str){0}), MW_CODING_IDENTITY);
    assert_int_equal(mw_coding_of(MW_STR("X-GZip")), MW_CODING_GZIP);
    assert_int_equal(mw_coding_of(MW_STR("gzip, zstd")), MW_CODING_UNKNOWN);
}

MW_TEST(what_is_packed_comes_out_again) {
    enum { N = 300000 };
    static char plain[N];
    mw_err err;
    for (size_t i = 0; i < N; i++) plain[i] = (char)('a' + i * i % 23 % 7);
    for (mw_coding coding = MW_CODING_GZIP; coding <= MW_CODING_ZSTD; coding++) {
        char *packed, *back;
        size_t size, back_size;
        assert_ok(mw_coding_pack(NULL, coding, (mw_str){plain, N}, &packed, &size, &err));
        assert_in_range(size, 1, N / 2);
        mw_str stream = {packed, size};
        assert_ok(mw_coding_unpack(NULL, coding, stream, N, &back, &back_size, &err));
        assert_int_equal(back_size, N);
        assert_memory_equal(back, plain, N);
        mw_free(back);
        assert_status(mw_coding_unpack(NULL, coding, stream, N - 1, &back, &back_size, &err),
                      MW_ETOOLARGE);
        for (size_t cut = 0; cut < size; cut += size / 50 + 1) {
            mw_str part = {packed, cut};
            assert_status(mw_coding_unpack(NULL, coding, part, N, &back, &back_size, &err),
                          MW_EPARSE);
        }
        mw_free(packed);
        assert_status(mw_coding_pack(NULL, coding, MW_STR("ab"), &packed, &size, &err),
                      MW_ETOOLARGE);
    }
}

static mw_status read_form(const mw_ctx *ctx, void *arg, mw_err *err) {
    static const char text[] =
        "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--B\r\n"
        "Content-Disposition: form-data; name=f; filename=g\r\n\r\ny\r\n--B--";
    mw_form form;
    mw_form_event event = MW_FORM_MORE;
    (void)arg;
    mw_form_init(&form, ctx->mem, "B");
    for (size_t at = 0, used; at < sizeof text - 1 && event != MW_FORM_ERROR; at += used)
        event = mw_form_feed(&form, text + at, sizeof text - 1 - at, &used);
    if (event == MW_FORM_ERROR) *err = form.error;
    mw_form_done(&form);
    return event == MW_FORM_ERROR ? err->code : MW_OK;
}

static mw_status pack_and_unpack(const mw_ctx *ctx, void *arg, mw_err *err) {
    static char plain[200000];
    const mw_coding *coding = arg;
    char *packed = NULL, *back = NULL;
    size_t size = 0, back_size = 0;
    memset(plain, 'x', sizeof plain);
    mw_status status =
        mw_coding_pack(ctx->mem, *coding, (mw_str){plain, sizeof plain}, &packed, &size, err);
    if (status == MW_OK)
        status = mw_coding_unpack(ctx->mem, *coding, (mw_str){packed, size}, sizeof plain, &back,
                                  &back_size, err);
    mw_free(packed);
    mw_free(back);
    return status;
}

static mw_status note_faults(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_faults faults;
    mw_status status = MW_OK;
    (void)arg;
    mw_faults_init(&faults, ctx->mem);
    for (int i = 0; i < 3 && status == MW_OK; i++) {
        mw_fail(err, MW_EINVAL, "wrong");
        status = mw_faults_add(&faults, err);
    }
    mw_faults_done(&faults);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    mw_coding gzip = MW_CODING_GZIP, zstd = MW_CODING_ZSTD;
    mw_fault_loop_alloc(pack_and_unpack, &gzip);
    mw_fault_loop_alloc(pack_and_unpack, &zstd);
    mw_fault_loop_alloc(read_form, NULL);
    mw_fault_loop_alloc(note_faults, NULL);
}

static const mw_op op_list = {.name = "list", .method = "GET", .path = "/models"};
static const mw_op op_one = {.name = "one", .method = "GET", .path = "/models/{name}"};
static const mw_op op_drop = {.name = "drop", .method = "DELETE", .path = "/models/{name}"};
static const mw_op op_status = {.name = "status", .method = "GET", .path = "/models/status"};
static const mw_op op_promote = {
    .name = "promote", .method = "POST", .path = "/models/{name}/versions/{v}/promote"};
static const mw_op op_cli = {.name = "cli"};
static const mw_op *const ops[] = {&op_list,    &op_one, &op_drop, &op_status,
                                   &op_promote, &op_cli, NULL};

static const mw_param *params_of(const mw_op *op) {
    static const mw_param none[] = {{0}};
    (void)op;
    return none;
}

MW_TEST(routes) {
    mw_routes routes;
    mw_err err;
    unsigned methods;
    char allow[64];
    assert_ok(mw_routes_init(NULL, ops, params_of, &routes, &err));
    assert_int_equal(routes.n, 5);
    assert_int_equal(mw_routes_find(&routes, MW_HTTP_GET, MW_STR("/models"), &methods), 0);
    assert_int_equal(mw_routes_find(&routes, MW_HTTP_HEAD, MW_STR("/models/x"), &methods), 1);
    assert_int_equal(mw_routes_find(&routes, MW_HTTP_GET, MW_STR("/models/status"), &methods), 3);
    assert_int_equal(mw_routes_find(&routes, MW_HTTP_DELETE, MW_STR("/models/status"), &methods),
                     -1);
    int found =
        mw_routes_find(&routes, MW_HTTP_POST, MW_STR("/models/m/versions/7/promote"), &methods);
    assert_int_equal(found, 4);
    mw_str name, value;
    mw_str path = MW_STR("/models/m/versions/7/promote");
    assert_true(mw_route_value(&routes.rows[4], path, 1, &name, &value));
    assert_true(mw_str_is(name, "v") && mw_str_is(value, "7"));
    assert_false(mw_route_value(&routes.rows[4], path, 2, &name, &value));
    static const char *const none[] = {"",       "/",      "/models/", "/models/a/b",
                                       "models", "/model", "//models"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(mw_routes_find(&routes, MW_HTTP_GET, mw_str_of(none[i]), &methods), -1);
        assert_int_equal(methods, 0);
    }
    assert_int_equal(mw_routes_find(&routes, MW_HTTP_PUT, MW_STR("/models/x"), &methods), -1);
    mw_routes_allow(methods, allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
    mw_routes_done(&routes);
}

MW_TEST(problems) {
    mw_buf out;
    mw_err err;
    mw_buf_init(&out, NULL, 10000);
    mw_fail(&err, MW_EINVAL, "a \"quote\" and \x01");
    mw_err_at(&err, "limit");
    mw_problem_write(422, &err, NULL, "r1", &out);
    assert_string_equal(
        mw_buf_text(&out),
        "{\"type\":\"urn:millwright:problem:invalid-value\",\"title\":\"Invalid value\","
        "\"status\":422,\"detail\":\"a \\\"quote\\\" and \\u0001\","
        "\"pointer\":\"limit\",\"request_id\":\"r1\"}");
    mw_buf_clear(&out);
    mw_problem_write(421, &err, NULL, NULL, &out);
    assert_non_null(strstr(mw_buf_text(&out), "\"title\":\"Misdirected Request\""));
    mw_buf_done(&out);
    char shorter[MW_PROBLEM_SHORT], id[129];
    mw_problem_short(503, "r1", shorter);
    assert_string_equal(shorter,
                        "{\"type\":\"urn:millwright:problem:service-unavailable\",\"title\":"
                        "\"Service Unavailable\",\"status\":503,\"detail\":\"not enough memory to "
                        "say more\",\"request_id\":\"r1\"}");
    memset(id, 'x', 128);
    id[128] = '\0';
    mw_problem_short(511, id, shorter); /* the longest */
    assert_string_equal(shorter + strlen(shorter) - 3, "x\"}");
    mw_problem_short(421, NULL, shorter);
    assert_string_equal(shorter + strlen(shorter) - 7, " more\"}");
}

MW_TEST(metrics_are_summed_over_loops) {
    static const mw_http_metrics_route rows[] = {{"/a", "GET"}};
    mw_http_metrics *metrics;
    mw_err err;
    mw_buf out;
    mw_buf_init(&out, NULL, 100000);
    assert_ok(mw_http_metrics_new(NULL, rows, 1, 2, &metrics, &err));
    mw_http_metrics_add(metrics, 0, 0, true, 200, 100);
    mw_http_metrics_add(metrics, 1, 0, true, 200, 2000000);
    mw_http_metrics_add(metrics, 1, -1, true, 599, 1);
    mw_http_metrics_write(metrics, NULL, &out);
    const char *text = mw_buf_text(&out);
    assert_non_null(strstr(text, "requests_total{route=\"/a\",method=\"GET\",code=\"200\"} 2\n"));
    assert_non_null(strstr(text, "_bucket{route=\"/a\",method=\"GET\",le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(text, "_bucket{route=\"/a\",method=\"GET\",le=\"2.5\"} 2\n"));
    assert_non_null(strstr(text, "_sum{route=\"/a\",method=\"GET\"} 2.000100\n"));
    assert_non_null(strstr(text, "_count{route=\"other\",method=\"other\"} 1\n"));
    mw_http_metrics_free(metrics);
    mw_buf_done(&out);
}

typedef struct counted {
    mw_handler_work work;
    _Atomic int *done, *dropped;
    pthread_mutex_t *gate;
} counted;

static void run_counted(mw_handler_work *work, bool dropped) {
    counted *item = (counted *)work;
    pthread_mutex_lock(item->gate);
    pthread_mutex_unlock(item->gate);
    atomic_fetch_add(dropped ? item->dropped : item->done, 1);
}

MW_TEST(handlers_are_bounded_and_lose_nothing) {
    enum { N = 40 };
    static counted items[N];
    _Atomic int done = 0, dropped = 0;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    mw_handlers *handlers;
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    assert_ok(mw_handlers_start(&ctx, 2, 10, &handlers, &err));
    pthread_mutex_lock(&gate);
    int taken = 0;
    for (int i = 0; i < N; i++) {
        items[i] = (counted){.done = &done, .dropped = &dropped, .gate = &gate};
        items[i].work.run = run_counted;
        taken += mw_handlers_push(handlers, &items[i].work, i == N - 1);
    }
    assert_in_range(taken, 11, 13); /* 10 wait, up to 2 run, and the urgent one */
    pthread_mutex_unlock(&gate);
    mw_handlers_stop(handlers);
    assert_int_equal(done + dropped, taken);
}

MW_TEST_MAIN(MW_RUN(urls), MW_RUN(paths), MW_RUN(queries), MW_RUN(guards),
             MW_RUN(origins_are_written_as_browsers_send_them),
             MW_RUN(codings_are_chosen_by_weight), MW_RUN(what_is_packed_comes_out_again),
             MW_RUN(every_allocation_may_fail), MW_RUN(routes), MW_RUN(problems),
             MW_RUN(metrics_are_summed_over_loops), MW_RUN(handlers_are_bounded_and_lose_nothing))
