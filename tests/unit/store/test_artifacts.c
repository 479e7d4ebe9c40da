/* Artifacts in S3, beside a server that checks signatures and fails when told to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keep/net/net_client.h"
#include "keep/store/artifact_parts.h"
#include "support/fake_clock.h"
#include "support/fault_loop.h"
#include "support/net_peer.h"
#include "unit/store/conformance_artifacts.h"

static mw_err err;
static mw_net_peer peer;
static mw_fake_clock clock_of_tests;
static uint64_t part_bytes;

static mw_artifacts *open_at(const mw_ctx *ctx, const char *location) {
    mw_artifacts *artifacts = mw_calloc(ctx->mem, 1, sizeof *artifacts);
    assert_non_null(artifacts);
    assert_ok(mw_artifacts__open_s3(ctx, location, part_bytes, artifacts, &err));
    return artifacts;
}

/* MILLWRIGHT_TEST_S3: the address of another service, which has the bucket (tests/services/test_s3.py). */
static mw_artifacts *open_s3(const mw_ctx *ctx) {
    const char *service = getenv("MILLWRIGHT_TEST_S3");
    char location[64];
    if (service) {
        setenv("AWS_ENDPOINT_URL", service, 1);
        (void)snprintf(location, sizeof location, "s3://plant-1/p%d", (int)getpid());
        return open_at(ctx, location);
    }
    mw_net_peer_start(&peer, "tests/support/s3_server.py", NULL);
    setenv("AWS_ENDPOINT_URL", mw_net_peer_url(&peer, ""), 1);
    setenv("AWS_ACCESS_KEY_ID", "test-key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "test-secret", 1);
    setenv("AWS_REGION", "us-east-1", 1);
    static const char *const others[] = {"AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN",
                                         "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) unsetenv(others[i]);
    return open_at(ctx, "s3://plant-1/some/prefix");
}

/* ---- what may go wrong ---- */

static mw_ctx ctx;
static mw_dir *dir;
static mw_artifacts *artifacts;

/* Waits between tries take no time. */
static void start(void) {
    mw_ctx_init(&ctx);
    mw_fake_clock_init(&clock_of_tests, INT64_C(1790000000000000));
    ctx.clock = &clock_of_tests.clock;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_CREATE, &dir, &err));
    artifacts = open_s3(&ctx);
}

static void stop(void) {
    artifacts = mw_artifacts_close(artifacts);
    dir = mw_dir_close(dir);
    mw_net_peer_stop(&peer);
}

static void control(const char *body, char *out, size_t size) {
    mw_net *net;
    mw_net_answer answer;
    assert_ok(mw_net_new(NULL, NULL, &net, &err));
    const mw_net_request request = {
        .method = "POST", .url = mw_net_peer_url(&peer, "/_control"), .body = mw_str_of(body)};
    assert_ok(mw_net_send(&ctx, net, &request, &answer, &err));
    assert_int_equal(answer.status, 200);
    if (out) mw_str_copy(out, size, mw_buf_str(&answer.body));
    mw_net_answer_done(&answer);
    mw_net_free(net);
}

static mw_status put(const char *name) {
    return mw_artifacts_put(&ctx, artifacts, name, dir, "a", &err);
}

static mw_status get(const char *name) {
    return mw_artifacts_get(&ctx, artifacts, name, dir, "b", &err);
}

MW_TEST(a_service_that_is_away_for_a_moment) {
    start();
    mw_conformance_file(&ctx, dir, "a", 100000, 1);
    control("{\"fail\": 3}", NULL, 0);
    assert_ok(put("orgs/x"));
    control("{\"fail\": 3, \"code\": 500}", NULL, 0);
    assert_ok(get("orgs/x"));
    control("{\"cut\": 2}", NULL, 0);
    assert_ok(get("orgs/x"));
    mw_conformance_holds(&ctx, dir, "b", 100000, 1);
    stop();
}

MW_TEST(a_service_that_stays_away) {
    start();
    mw_conformance_file(&ctx, dir, "a", 100000, 1);
    mw_conformance_file(&ctx, dir, "b", 10, 2);
    assert_ok(put("orgs/x"));
    control("{\"fail\": 1000}", NULL, 0);
    bool there;
    assert_status(put("orgs/y"), MW_EBUSY);
    assert_status(get("orgs/x"), MW_EBUSY);
    assert_status(mw_artifacts_has(&ctx, artifacts, "orgs/x", &there, &err), MW_EBUSY);
    assert_status(mw_artifacts_remove(&ctx, artifacts, "orgs/", &err), MW_EBUSY);
    assert_status(mw_artifacts_check(&ctx, artifacts, dir, &err), MW_EBUSY);
    control("{\"fail\": 0, \"cut\": 1000}", NULL, 0);
    assert_status(get("orgs/x"), MW_EBUSY);
    mw_conformance_holds(&ctx, dir, "b", 10, 2);
    control("{\"cut\": 0}", NULL, 0);
    assert_ok(get("orgs/x"));
    mw_conformance_holds(&ctx, dir, "b", 100000, 1);
    mw_net_peer gone = peer;
    mw_net_peer_stop(&peer);
    assert_status(put("orgs/y"), MW_EBUSY);
    assert_status(get("orgs/x"), MW_EBUSY);
    assert_true(gone.port > 0);
    artifacts = mw_artifacts_close(artifacts);
    dir = mw_dir_close(dir);
}

MW_TEST(bytes_that_are_not_those_that_were_put) {
    start();
    mw_conformance_file(&ctx, dir, "a", 1000, 1);
    mw_conformance_file(&ctx, dir, "b", 10, 2);
    assert_ok(put("orgs/x"));
    control("{\"damage\": \"plant-1/some/prefix/orgs/x\"}", NULL, 0);
    assert_status(get("orgs/x"), MW_EDATA);
    mw_conformance_holds(&ctx, dir, "b", 10, 2);
    stop();
}

MW_TEST(large_files_go_in_parts) {
    char told[4096];
    part_bytes = 100000;
    start();
    mw_conformance_file(&ctx, dir, "a", 250001, 3);
    control("{\"fail\": 2}", NULL, 0);
    assert_ok(put("orgs/x"));
    assert_ok(get("orgs/x"));
    mw_conformance_holds(&ctx, dir, "b", 250001, 3);
    /* Completed, though the answer said otherwise: sent again, it finds no upload, and the file there. */
    mw_conformance_file(&ctx, dir, "a", 200000, 4);
    control("{\"lose_complete\": 1}", NULL, 0);
    assert_ok(put("orgs/x"));
    assert_ok(get("orgs/x"));
    mw_conformance_holds(&ctx, dir, "b", 200000, 4);
    /* Nothing is left of parts that somebody would have to pay for. */
    control("{}", told, sizeof told);
    assert_non_null(strstr(told, "\"uploads\": 0"));
    stop();
}

/* With the smallest parts that S3 takes. */
MW_TEST(parts_of_any_service) {
    part_bytes = 5 << 20;
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_CREATE, &dir, &err));
    artifacts = open_s3(&ctx);
    mw_conformance_file(&ctx, dir, "a", (11 << 20) + 1, 3);
    assert_ok(put("orgs/x"));
    assert_ok(get("orgs/x"));
    mw_conformance_holds(&ctx, dir, "b", (11 << 20) + 1, 3);
    artifacts = mw_artifacts_close(artifacts);
    dir = mw_dir_close(dir);
}

MW_TEST(keys_and_places_that_are_wrong) {
    static const char *const bad[] = {"s3://",        "s3://ab",        "s3://Plant",
                                      "s3://a_b_c",   "s3://plant//x",  "s3://plant/a/../b",
                                      "s3://plant/ä", "s3://plant/a b", "gs://plant",
                                      "postgresql",   "/some/folder"};
    mw_artifacts *other;
    start();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(mw_artifacts_open(&ctx, bad[i], NULL, &other, &err), MW_EINVAL);
    assert_ok(mw_artifacts_open(&ctx, "folder", NULL, &other, &err));
    assert_null(other);
    mw_conformance_file(&ctx, dir, "a", 10, 1);
    other = open_at(&ctx, "s3://none");
    assert_status(mw_artifacts_put(&ctx, other, "orgs/x", dir, "a", &err), MW_ENOTFOUND);
    mw_artifacts_close(other);
    setenv("AWS_SECRET_ACCESS_KEY", "other-secret", 1);
    other = open_at(&ctx, "s3://plant-1");
    assert_status(mw_artifacts_put(&ctx, other, "orgs/x", dir, "a", &err), MW_EDENIED);
    assert_null(strstr(err.message, "other-secret"));
    mw_artifacts_close(other);
    setenv("AWS_SECRET_ACCESS_KEY", "", 1);
    assert_status(mw_artifacts_open(&ctx, "s3://plant-1", NULL, &other, &err), MW_EINVAL);
    assert_non_null(strstr(err.hint, "AWS_SECRET_ACCESS_KEY"));
    setenv("AWS_SECRET_ACCESS_KEY", "test-secret", 1);
    setenv("AWS_SESSION_TOKEN", "a/token+=", 1); /* is signed, too */
    other = open_at(&ctx, "s3://plant-1/");
    assert_ok(mw_artifacts_put(&ctx, other, "orgs/x", dir, "a", &err));
    assert_string_equal(mw_artifacts_label(other), "s3://plant-1/");
    mw_artifacts_close(other);
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1/path", 1);
    assert_status(mw_artifacts_open(&ctx, "s3://plant-1", NULL, &other, &err), MW_EINVAL);
    stop();
}

static mw_status round_trip(const mw_ctx *of, void *arg, mw_err *e) {
    mw_artifacts *mine;
    mw_dir *in = NULL;
    (void)arg;
    mw_status status = mw_artifacts_open(of, "s3://plant-1/loop", NULL, &mine, e);
    if (status) return status;
    status = mw_dir_open(of, mw_test_folder(), MW_DIR_MUST_EXIST, &in, e);
    if (!status) status = mw_artifacts_put(of, mine, "orgs/x", in, "a", e);
    if (!status) status = mw_artifacts_get(of, mine, "orgs/x", in, "b", e);
    if (!status) status = mw_artifacts_remove(of, mine, "orgs/", e);
    mw_dir_close(in);
    mw_artifacts_close(mine);
    return status;
}

MW_TEST(a_round_trip_survives_failed_allocations) {
    start();
    mw_conformance_file(&ctx, dir, "a", 1000, 1);
    mw_fault_loop_alloc(round_trip, NULL);
    stop();
}

int main(int argc, char **argv) {
    static const mw_test tests[] = {MW_ARTIFACTS_CONFORMANCE,
                                    MW_RUN(a_service_that_is_away_for_a_moment),
                                    MW_RUN(a_service_that_stays_away),
                                    MW_RUN(bytes_that_are_not_those_that_were_put),
                                    MW_RUN(large_files_go_in_parts),
                                    MW_RUN(parts_of_any_service),
                                    MW_RUN(keys_and_places_that_are_wrong),
                                    MW_RUN(a_round_trip_survives_failed_allocations)};
    mw_conformance_artifacts = open_s3;
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
