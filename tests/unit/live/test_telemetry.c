/*
 * test_telemetry.c -- live rows of two organizations: features of each device are bit by bit those that the rows give which were acknowledged, and
 * every such row is stored once: through restarts, full journal files, other configurations and many threads.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/harness.h"
#include "unit/live/live_scene.h"

static mw_err err;

static const mw_telemetry_options usual = {.file_bytes = 4000};
static scene at_hand;

MW_TEST(features_are_those_of_the_rows_that_came) {
    scene *s = &at_hand;
    live_begin(s, &usual);
    live_check(s);
    for (int i = 0; i < 40; i++) {
        live_send_some(s, 1 + live_roll(s, 10));
        live_check(s);
        live_check_history(s, live_roll(s, ORGS));
        if (live_roll(s, 3) == 0) live_restart(s);
        if (live_roll(s, 3) == 0) live_check(s);
    }
    live_check_stored(s);
    live_end(s);
}

MW_TEST(another_configuration_starts_from_all_rows) {
    scene *s = &at_hand;
    static const char *const schemas[] = {live_late, live_plain, live_other};
    live_begin(s, &usual);
    for (int i = 0; i < 25; i++) {
        live_send_some(s, 1 + live_roll(s, 12));
        live_check(s);
        if (live_roll(s, 3) == 0) live_configure(s, live_roll(s, ORGS), schemas[live_roll(s, 3)]);
        if (live_roll(s, 4) == 0) live_restart(s);
        live_check(s);
        live_check_history(s, live_roll(s, ORGS));
    }
    live_check_stored(s);
    live_end(s);
}

/* ---- threads ---- */

typedef struct sender {
    scene *s;
    int org, number, n_sent;
} sender;

static void *send_many(void *arg) {
    sender *one = arg;
    const mw_ctx ctx = live_ctx(one->s, one->org);
    char body[400], device[20];
    (void)snprintf(device, sizeof device, "m%d", one->number);
    for (int i = 0; i < 150; i++) {
        mw_telemetry_outcome outcome;
        mw_err e = {0};
        (void)snprintf(body, sizeof body,
                       "{\"rows\":[{\"%s\":%d.5,\"machine\":\"%s\",\"a\":%d,\"b\":1}]}",
                       one->s->orgs[one->org].time_column, 1700000000 + i, device, i);
        mw_status status =
            mw_telemetry_add(&ctx, one->s->telemetry, MW_LIVE_JSON, mw_str_of(body), &outcome, &e);
        if (status == MW_EBUSY) continue;
        if (status || outcome.accepted != 1)
            fail_msg("%d accepted: %s", (int)outcome.accepted, e.message);
        one->n_sent++;
        mw_telemetry_vector v;
        if (mw_telemetry_newest(&ctx, one->s->telemetry, device, &v, &e) == MW_OK) {
            if (v.time != (INT64_C(1700000000) + i) * 1000000 + 500000) fail_msg("another time");
            mw_telemetry_vector_done(&v);
        }
    }
    return NULL;
}

/* All senders send the same rows: of each time one is taken, whoever comes first. */
static void *send_same(void *arg) {
    sender *one = arg;
    const mw_ctx ctx = live_ctx(one->s, 1);
    char body[400];
    for (int i = 0; i < 60; i++) {
        mw_telemetry_outcome outcome;
        mw_err e = {0};
        (void)snprintf(
            body, sizeof body,
            "{\"rows\":[{\"time\":%d,\"machine\":\"x\",\"a\":1},{\"time\":%d,\"machine\":"
            "\"x\",\"a\":2}]}",
            1700000000 + i, 1700000000 + i);
        mw_status status;
        while ((status = mw_telemetry_add(&ctx, one->s->telemetry, MW_LIVE_JSON, mw_str_of(body),
                                          &outcome, &e)) == MW_EBUSY)
            (void)usleep(1000); /* its features are being made */
        if (status) fail_msg("%s", e.message);
        if (outcome.accepted + outcome.late + outcome.repeated != 2) fail_msg("rows are lost");
        one->n_sent += (int)outcome.accepted;
    }
    return NULL;
}

MW_TEST(the_same_rows_from_many_threads_count_once) {
    enum { SENDERS = 6 };
    scene *s = &at_hand;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    mw_telemetry_stats stats;
    int n = 0;
    live_begin(s, &(mw_telemetry_options){.threads = true});
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender){s, 1, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, send_same, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        n += senders[i].n_sent;
    }
    assert_int_equal(n, 60);
    mw_telemetry_read_stats(s->telemetry, &stats);
    assert_int_equal(stats.rows_total, 60);
    assert_int_equal(stats.requests_total, 60 * SENDERS);
    live_end(s);
}

static void change_while_sending(scene *s) {
    static const char text[] =
        "{\"organizationId\":\"acme\",\"schemaConfig\":{\"timeColumn\":\"when\",\"deviceColumn\":"
        "\"machine\",\"continuousColumns\":[\"a\",\"b\"],\"rollingWindows\":[7]}}";
    const mw_ctx ctx = live_ctx(s, 0);
    mw_feature_config config;
    int32_t version;
    mw_err e = {0};
    if (mw_feature_config_read(NULL, text, strlen(text), &config, &e)) fail_msg("%s", e.message);
    if (mw_store_config_put(&ctx, s->store, MW_CONFIG_ANY, text, config.program->hash, &version,
                            &e))
        fail_msg("%s", e.message);
    mw_feature_config_done(&config);
}

MW_TEST(many_threads_share_syncs) {
    enum { SENDERS = 8 };
    scene *s = &at_hand;
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    live_begin(s, &(mw_telemetry_options){.file_bytes = 9000, .threads = true});
    live_stop(s);
    s->ctx = ctx;
    assert_ok(mw_telemetry_new(&s->ctx, s->data, s->store, &s->options, &s->telemetry, &err));
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender){s, i % ORGS, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    change_while_sending(s);
    int n = 0;
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        n += senders[i].n_sent;
    }
    mw_telemetry_stats stats;
    mw_telemetry_read_stats(s->telemetry, &stats);
    assert_int_equal(stats.rows_total, n);
    assert_int_equal(stats.orgs, ORGS);
    print_message("%d rows, %d syncs, %d segments\n", n, (int)stats.syncs_total,
                  (int)stats.segments_total);
    live_end(s);
}

MW_TEST(who_has_no_configuration_is_told) {
    scene *s = &at_hand;
    mw_telemetry_outcome o;
    mw_telemetry_vector v;
    live_begin(s, &usual);
    mw_ctx ctx = s->ctx;
    ctx.org = "nobody";
    assert_status(
        mw_telemetry_add(&ctx, s->telemetry, MW_LIVE_JSON, MW_STR("{\"rows\":[]}"), &o, &err),
        MW_ECONFLICT);
    assert_non_null(strstr(err.hint, "org configure"));
    assert_status(mw_telemetry_newest(&ctx, s->telemetry, "x", &v, &err), MW_ECONFLICT);
    live_end(s);
}

MW_TEST(all_organizations_share_a_ceiling_of_memory) {
    scene *s = &at_hand;
    mw_mem account;
    request r;
    live_begin(s, &usual);
    live_send_some(s, 5);
    live_stop(s);
    mw_mem_init(&account, &mw_mem_process, 64 << 20);
    mw_ctx ctx = s->ctx;
    ctx.mem = &account;
    assert_ok(live_start(s, &ctx, &err));
    live_send_some(s, 5);
    void *much = mw_alloc(&account, 60 << 20); /* as another organization would */
    assert_non_null(much);
    for (int i = 0; i < 3; i++) {
        assert_status(live_send(s, i % ORGS, &r, &err), MW_ENOMEM);
        assert_non_null(strstr(err.message, "all the memory"));
    }
    mw_free(much);
    live_send_some(s, 5);
    live_check(s);
    live_check_stored(s);
    live_stop(s);
    assert_int_equal(mw_mem_used(&account), 0);
    ctx.mem = &mw_mem_process;
    assert_ok(live_start(s, &ctx, &err));
    live_check(s);
    live_end(s);
}

MW_TEST_MAIN(MW_RUN(features_are_those_of_the_rows_that_came),
             MW_RUN(another_configuration_starts_from_all_rows), MW_RUN(many_threads_share_syncs),
             MW_RUN(the_same_rows_from_many_threads_count_once),
             MW_RUN(who_has_no_configuration_is_told),
             MW_RUN(all_organizations_share_a_ceiling_of_memory))
