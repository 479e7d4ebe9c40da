/*
 * fault_job.c -- a job on the command line (start, submit, work, commit, stop) with each allocation
 * failing once: a clean error, no lost memory, and a store in which the job is whole or absent. The same for a schedule that fires.
 */
#include <stdio.h>
#include <string.h>

#include "core/text/civil.h"
#include "run/job/scheduler.h"
#include "support/fake_clock.h"
#include "support/harness.h"

static mw_err err;

static mw_status work(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                      mw_err *e) {
    (void)payload;
    mw_ctx_report(ctx, "working", 1, 2);
    mw_buf_add(result, "{\"a\":1}");
    return mw_file_replace(ctx, dir, "out", "x", 1, e);
}

static mw_status commit(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *dir,
                        mw_buf *result, mw_err *e) {
    mw_version_record version = {.model = "m",
                                 .run_id = job->id,
                                 .sha256 = "s",
                                 .metrics = "{}",
                                 .params = "{}",
                                 .data_hash = "d",
                                 .production = true};
    mw_commit all = {.job_id = job->id,
                     .fence = job->fence,
                     .result = mw_buf_text(result),
                     .versions = &version,
                     .n_versions = 1};
    if (!mw_dir_has(dir, "out")) return mw_fail(e, MW_EINTERNAL, "no file came");
    return mw_store_commit(ctx, app, &all, e);
}

static const mw_job_kind kinds[] = {{.name = "k", .work = work, .commit = commit}, {.name = NULL}};

/* One whole life; *succeeded: the caller was told that the job is done. */
static mw_status scenario(const mw_ctx *ctx, mw_store *store, bool *succeeded) {
    mw_jobs *jobs = NULL;
    mw_buf result;
    char id[32];
    mw_jobs_options options = {
        .kinds = kinds, .store = store, .app = store, .data_path = mw_test_folder()};
    *succeeded = false;
    mw_status status = mw_jobs_start(ctx, &options, &jobs, &err);
    if (status != MW_OK) return status;
    mw_buf_init(&result, NULL, 1 << 20);
    status =
        mw_jobs_submit(ctx, jobs, &(mw_job_new){.kind = "k", .payload = "{\"b\":[1,2]}"}, id, &err);
    if (status == MW_OK) status = mw_jobs_run_inline(ctx, jobs, id, &result, &err);
    *succeeded = status == MW_OK;
    mw_buf_done(&result);
    mw_jobs_stop(jobs, 0);
    return status;
}

static size_t count_versions(const mw_ctx *ctx, mw_store *store) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_version_record *versions;
    size_t n = 0;
    assert_ok(mw_store_versions(ctx, store, &arena, "m", &versions, &n, &err));
    mw_arena_done(&arena);
    return n;
}

MW_TEST(any_failed_allocation) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    char path[600];
    mw_store *store = NULL;
    (void)snprintf(path, sizeof path, "%s/store.db", mw_test_folder());
    assert_ok(mw_store_open(&ctx, path, &store, &err));
    bool succeeded;
    assert_ok(scenario(&ctx, store, &succeeded)); /* statements and folders are there from now on */
    size_t n_before = count_versions(&ctx, store);
    int n_failed = 0;
    for (uint64_t n = 1; n <= 2000; n++) {
        size_t used = mw_mem_used(&mw_mem_process);
        mw_alloc_fail_at(n);
        mw_status status = scenario(&ctx, store, &succeeded);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (status != MW_OK && status != MW_ENOMEM)
            fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), err.message);
        n_failed += status != MW_OK;
        /* SQLite's page cache may grow a little; what we hold ourselves would grow with every round. */
        if (mw_mem_used(&mw_mem_process) > used + 65536)
            fail_msg("allocation %d: memory is lost", (int)n);
        size_t n_now = count_versions(&ctx, store);
        if (succeeded) assert_true(n_now == n_before + 1);
        assert_true(n_now <= n_before + 1);
        n_before = n_now;
        if (fired) continue;
        assert_true(n_failed > 10);
        mw_store_close(store);
        assert_int_equal(mw_mem_used(&mw_mem_process),
                         0); /* nothing was lost in any of the rounds */
        return;
    }
    fail_msg("the scenario never passed");
}

/* ---- schedules ---- */

static size_t count_jobs(const mw_ctx *ctx, mw_store *store) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_job_record *jobs;
    size_t n = 0;
    assert_ok(
        mw_store_job_list(ctx, store, &arena, &(mw_job_filter){.limit = 9999}, &jobs, &n, &err));
    mw_arena_done(&arena);
    return n;
}

/* An hour goes by with the n-th allocation failing, then a minute without: one job more. Returns whether it failed. */
static bool fire_hour(mw_fake_clock *fake, const mw_ctx *ctx, mw_store *store, uint64_t n) {
    mw_scheduler scheduler;
    mw_scheduler_init(&scheduler, ctx, store, kinds, "server", 1, MW_SCHEDULER_LEASE_US);
    const size_t n_before = count_jobs(ctx, store);
    mw_fake_clock_advance(fake, MW_HOUR_US - mw_clock_utc(ctx->clock) % MW_HOUR_US);
    mw_alloc_fail_at(n);
    int n_fired = mw_scheduler_pass(&scheduler, true);
    const bool failed = mw_alloc_fault_fired();
    mw_alloc_fail_at(0);
    mw_fake_clock_advance(fake, 61 * MW_SECOND_US);
    n_fired += mw_scheduler_pass(&scheduler, true);
    mw_scheduler_done(&scheduler);
    assert_int_equal(n_fired, 1);
    assert_int_equal(count_jobs(ctx, store), n_before + 1);
    return failed;
}

MW_TEST(any_failed_allocation_of_a_firing) {
    char path[600], id[32];
    mw_store *store = NULL;
    mw_fake_clock fake;
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_fake_clock_init(&fake, 1000 * MW_DAY_US);
    ctx.clock = &fake.clock;
    (void)snprintf(path, sizeof path, "%s/store.db", mw_test_folder());
    assert_ok(mw_store_open(&ctx, path, &store, &err));
    const mw_schedule_record schedule = {.name = "n",
                                         .cron = "0 * * * *",
                                         .zone = "Europe/Berlin",
                                         .kind = "k",
                                         .payload = "{}",
                                         .next_us = 1000 * MW_DAY_US + MW_HOUR_US};
    assert_ok(mw_store_schedule_put(&ctx, store, &schedule, id, &err));
    assert_false(fire_hour(&fake, &ctx, store, 0));
    uint64_t n = 1;
    while (n <= 2000 && fire_hour(&fake, &ctx, store, n)) n++;
    assert_true(n > 10 && n <= 2000);
    mw_store_close(store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST_MAIN(MW_RUN(any_failed_allocation), MW_RUN(any_failed_allocation_of_a_firing))
