/*
 * test_telemetry_faults.c -- live rows when the machine stops at any I/O call, when calls fail, and when somebody has damaged a file: what was
 * acknowledged is there, once; what failed is told, and fails alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run/live/journal.h"
#include "support/fault_loop.h"
#include "support/faulty_io.h"
#include "support/harness.h"
#include "unit/live/live_scene.h"

static mw_err err;

static const mw_telemetry_options usual = {.file_bytes = 4000};
static scene at_hand;

/* The journal and the snapshots of a crash: nothing is written from some call on. */
static void crash_once(scene *s, uint64_t n) {
    static request r;
    mw_faulty_io faulty;
    mw_ctx ctx, plain;
    mw_ctx_init(&plain);
    ctx = plain;
    mw_faulty_io_init(&faulty);
    mw_faulty_io_die(&faulty, n);
    ctx.io = &faulty.io;
    live_stop(s);
    assert_ok(live_start(s, &ctx, &err));
    int failed = -1;
    for (int i = 0; i < 6 && failed < 0; i++) {
        const int org = live_roll(s, ORGS);
        mw_err_clear(&err);
        if (live_send(s, org, &r, &err)) failed = org;
    }
    live_stop(s); /* its last snapshot fails, too */
    assert_ok(live_start(s, &plain, &err));
    for (int org = 0; org < ORGS; org++) {
        if (live_is_right(s, org)) continue;
        if (org != failed)
            fail_msg("crash %d: %s has other features; %s", (int)n, live_orgs[org], err.message);
        live_accept(s, org, &r); /* it came through, but for the answer */
        if (!live_is_right(s, org))
            fail_msg("crash %d: neither with nor without; %s", (int)n, err.message);
    }
}

MW_TEST(a_crash_at_any_call_loses_nothing_and_doubles_nothing) {
    scene *s = &at_hand;
    live_begin(s, &(mw_telemetry_options){.file_bytes = 1500});
    for (int i = 0; i < 250; i++) crash_once(s, 1 + (uint64_t)live_roll(s, 140));
    live_check_stored(s);
    live_end(s);
}

static void fail_some(scene *s, mw_io_kind kind, int errno_value) {
    static request r;
    mw_ctx ctx, plain;
    mw_ctx_init(&plain);
    ctx = plain;
    mw_faulty_io faulty;
    mw_faulty_io_init(&faulty);
    ctx.io = &faulty.io;
    int n_failed = 0, n = 0;
    live_stop(s);
    assert_ok(live_start(s, &ctx, &err));
    for (; n < 120 || (n_failed <= 5 && n < 600); n++) { /* files are opened now and then only */
        mw_faulty_io_fail(&faulty, kind, 1 + (uint64_t)live_roll(s, 3), errno_value);
        mw_err_clear(&err);
        mw_status status = live_send(s, live_roll(s, ORGS), &r, &err);
        if (status) {
            n_failed++;
            assert_true(err.message[0] != 0);
            assert_true(status == MW_EIO || status == MW_EBUSY);
        }
        mw_faulty_io_fail(&faulty, kind, 0, 0);
        mw_fake_clock_advance(&s->clock, 2000000);
        live_check(s); /* what failed is not there */
    }
    print_message("%d of %d requests failed\n", n_failed, n);
    assert_true(n_failed > 5);
    live_stop(s);
    assert_ok(live_start(s, &plain, &err));
    live_check(s);
}

MW_TEST(failed_calls_fail_their_requests_and_nothing_else) {
    scene *s = &at_hand;
    live_begin(s, &(mw_telemetry_options){.file_bytes = 3000});
    fail_some(s, MW_IO_WRITE, ENOSPC);
    fail_some(s, MW_IO_FSYNC, EIO);
    fail_some(s, MW_IO_OPEN, EMFILE);
    live_check_stored(s);
    live_end(s);
}

/* ---- snapshots and journals that somebody has damaged ---- */

static void change_byte(const char *folder, const char *name, long at, int whence) {
    char path[700];
    (void)snprintf(path, sizeof path, "%s/data/orgs/acme/live/%s", folder, name);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, whence), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    assert_int_equal(fputc(byte ^ 64, file), byte ^ 64);
    assert_int_equal(fclose(file), 0);
}

MW_TEST(a_damaged_snapshot_is_made_anew) {
    scene *s = &at_hand;
    live_begin(s, &usual);
    for (int i = 0; i < 8; i++) {
        live_send_some(s, 12);
        live_stop(s);
        change_byte(mw_test_folder(), "state.snapshot", -1 - live_roll(s, 300), SEEK_END);
        live_restart(s);
        live_check(s);
    }
    char trouble[MW_ERR_MESSAGE_MAX];
    assert_false(mw_telemetry_trouble(s->telemetry, trouble));
    live_check_stored(s);
    live_end(s);
}

MW_TEST(a_damaged_journal_is_told_and_stops_its_organization_only) {
    static request r;
    scene *s = &at_hand;
    char name[MW_JOURNAL_NAME];
    live_begin(s, &(mw_telemetry_options){.file_bytes = 1 << 20});
    for (int i = 0; i < 6; i++) assert_ok(live_send(s, 0, &r, &err));
    live_send_some(s, 4);
    live_stop(s);
    mw_journal_name(0, name);
    change_byte(mw_test_folder(), name, 120, SEEK_SET); /* in the first record */
    live_restart(s);
    mw_err_clear(&err);
    assert_status(live_send(s, 0, &r, &err), MW_EDATA);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.message, "at byte"));
    char trouble[MW_ERR_MESSAGE_MAX];
    assert_true(mw_telemetry_trouble(s->telemetry, trouble));
    assert_non_null(strstr(trouble, "\"acme\""));
    assert_true(live_is_right(s, 1));
    assert_ok(live_send(s, 1, &r, &err));
    assert_true(live_is_right(s, 1));
    live_end(s);
}

/* ---- allocations ---- */

static mw_status ask_all(const mw_ctx *ctx, mw_telemetry *telemetry, mw_err *e) {
    static const char body[] = "{\"rows\":[{\"when\":1700000000,\"machine\":\"m\",\"a\":1},{"
                               "\"when\":1700000001,\"machine\":"
                               "\"n\",\"b\":2},{\"machine\":\"n\"}]}";
    mw_telemetry_outcome outcome;
    mw_telemetry_vector vector;
    mw_telemetry_history history;
    const mw_telemetry_asked asked[] = {{MW_STR("m"), INT64_C(1700000000000000)}};
    mw_status status = mw_telemetry_add(ctx, telemetry, MW_LIVE_JSON, MW_STR(body), &outcome, e);
    if (!status) status = mw_telemetry_newest(ctx, telemetry, "m", &vector, e);
    if (status) return status;
    mw_telemetry_vector_done(&vector);
    status = mw_telemetry_ask(ctx, telemetry, "live", asked, 1, &history, e);
    if (!status) mw_telemetry_history_done(&history);
    return status;
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    scene *s = arg;
    mw_ctx own = *ctx;
    own.clock = &s->clock.clock;
    own.org = live_orgs[0];
    mw_fake_clock_advance(&s->clock, 2000000);
    mw_telemetry *telemetry = NULL;
    const mw_telemetry_options options = {.file_bytes = 1, .file_us = 1};
    mw_status status = mw_telemetry_new(&own, s->data, s->store, &options, &telemetry, e);
    if (!status) status = ask_all(&own, telemetry, e);
    mw_telemetry_free(telemetry);
    return status;
}

/* Whatever fails, what was taken before is there. */
MW_TEST(live_rows_survive_any_failed_allocation) {
    scene *s = &at_hand;
    live_begin(s, &usual);
    live_send_some(s, 8);
    live_stop(s);
    const uint64_t n = mw_fault_loop_alloc(scenario, s);
    print_message("%d allocations\n", (int)n);
    assert_true(n > 100);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(live_start(s, &ctx, &err));
    live_check(s);
    live_end(s);
}

MW_TEST_MAIN(MW_RUN(live_rows_survive_any_failed_allocation),
             MW_RUN(a_crash_at_any_call_loses_nothing_and_doubles_nothing),
             MW_RUN(failed_calls_fail_their_requests_and_nothing_else),
             MW_RUN(a_damaged_snapshot_is_made_anew),
             MW_RUN(a_damaged_journal_is_told_and_stops_its_organization_only))
