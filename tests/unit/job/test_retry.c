/* test_retry.c -- jobs that are tried again, wait for others, take too long or need too much, and what they logged. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/text/number.h"
#include "unit/job/plant_jobs.h"

static mw_err err;

static const char *submit_job(server *s, const mw_job_new *job) {
    char *id = mw_arena_alloc(&s->arena, 32);
    assert_ok(mw_jobs_submit(&s->acme, s->jobs, job, id, &err));
    return id;
}

MW_TEST(a_crashed_job_is_tried_again_and_goes_on) {
    server s;
    begin(&s);
    const char *id = submit_job(&s, &(mw_job_new){.kind = "heir",
                                                  .payload = "{\"ending\":\"crash first\"}",
                                                  .max_attempts = 3});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_int_equal(job.attempts, 2);
    assert_string_equal(job.result, "1"); /* it found what its first attempt had done */
    assert_true(job.started_us - job.created_us >= 500 * MS);
    assert_no_work_folder(&s.acme, id);
    end(&s);
}

MW_TEST(a_job_that_always_crashes_is_dead) {
    server s;
    begin(&s);
    const char *id = submit_job(
        &s, &(mw_job_new){.kind = "crash", .payload = "{\"signal\":9}", .max_attempts = 2});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EINTERNAL", "while growing trees");
    assert_int_equal(job.attempts, 2);
    assert_true(job.is_dead);
    assert_ok(mw_jobs_retry(&s.acme, s.jobs, id, &err));
    job = wait_for(&s, &s.acme, id);
    assert_int_equal(job.attempts, 2);
    assert_int_equal(job.fence, 4);
    end(&s);
}

MW_TEST(a_store_that_was_away_is_no_fault_of_the_job) {
    server s;
    begin(&s);
    const char *id = submit_job(
        &s, &(mw_job_new){.kind = "busy_commit", .payload = "{\"text\":\"x\"}", .max_attempts = 2});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_int_equal(job.attempts, 2);
    assert_no_work_folder(&s.acme, id);
    end(&s);
}

MW_TEST(its_own_fault_is_not_tried_again) {
    server s;
    begin(&s);
    const char *id =
        submit_job(&s, &(mw_job_new){.kind = "fail", .payload = "{}", .max_attempts = 5});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EDATA", "no rows");
    assert_int_equal(job.attempts, 1);
    assert_false(job.is_dead);
    end(&s);
}

MW_TEST(the_next_server_goes_on) {
    server s;
    begin_with(&s, 1, 0);
    const char *id = submit(&s, &s.acme, "sleep", "{\"ms\":600}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    char kept[32];
    strcpy(kept, id);
    end(&s);
    begin_with(&s, 1, 0);
    mw_job_record job = wait_for(&s, &s.acme, kept);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_int_equal(job.attempts, 1);
    assert_int_equal(job.fence, 2);
    end(&s);
}

MW_TEST(a_job_that_takes_too_long_is_stopped) {
    server s;
    begin(&s);
    const char *id = submit_job(&s, &(mw_job_new){.kind = "sleep",
                                                  .payload = "{}",
                                                  .max_attempts = 3,
                                                  .time_limit_us = 1500 * MS * slowness()});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "ETIMEOUT", "longer than its limit of");
    assert_int_equal(job.attempts, 1);
    end(&s);
}

MW_TEST(a_job_may_have_its_own_ceiling) {
    server s;
    begin(&s);
    const char *id = submit_job(
        &s, &(mw_job_new){.kind = "hog", .payload = "{}", .memory_bytes = INT64_C(32) << 20});
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "ENOMEM", "hog: the job may take 32 MB and needs about 3");
    end(&s);
}

MW_TEST(what_it_logged_stays_with_it) {
    server s;
    begin(&s);
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "plain", "{\"text\":\"hello\"}"));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_int_equal(job.n_log_lines, 1);
    assert_non_null(strstr(job.log, " INFO echoing for acme\n"));
    end(&s);
}

MW_TEST(a_job_runs_after_others) {
    server s;
    begin(&s);
    const char *first = submit(&s, &s.acme, "sleep", "{\"ms\":300}");
    const char *second = submit_job(
        &s, &(mw_job_new){
                .kind = "plain", .payload = "{\"text\":\"x\"}", .after = &first, .n_after = 1});
    mw_job_record after = wait_for(&s, &s.acme, second), before = get(&s, &s.acme, first);
    assert_int_equal(after.state, MW_JOB_SUCCESS);
    assert_int_equal(before.state, MW_JOB_SUCCESS);
    assert_true(after.started_us >= before.finished_us);
    first = submit(&s, &s.acme, "fail", "{}");
    (void)wait_for(&s, &s.acme, first);
    char id[32];
    assert_status(
        mw_jobs_submit(
            &s.acme, s.jobs,
            &(mw_job_new){.kind = "plain", .payload = "{}", .after = &first, .n_after = 1}, id,
            &err),
        MW_ECONFLICT);
    end(&s);
}

static int64_t pid_of_job(server *s, const mw_ctx *ctx) {
    mw_job_record job = wait_for(s, ctx, submit(s, ctx, "pid", "{}"));
    int64_t pid = 0;
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_true(mw_number_read_int(job.result, strlen(job.result), &pid));
    return pid;
}

MW_TEST(a_process_takes_one_job_after_another_of_one_organization) {
    server s;
    begin_with(&s, 1, 0);
    const int64_t pid = pid_of_job(&s, &s.acme);
    for (int i = 0; i < 20; i++) assert_int_equal(pid_of_job(&s, &s.acme), pid);
    const int64_t other = pid_of_job(&s, &s.globex);
    assert_int_not_equal(other, pid);
    assert_int_equal(pid_of_job(&s, &s.globex), other);
    assert_int_not_equal(pid_of_job(&s, &s.acme), other);
    /* A user's error is no reason to end, trouble with memory is. */
    const int64_t now = pid_of_job(&s, &s.acme);
    (void)wait_for(&s, &s.acme, submit(&s, &s.acme, "fail", "{}"));
    assert_int_equal(pid_of_job(&s, &s.acme), now);
    (void)wait_for(&s, &s.acme, submit(&s, &s.acme, "hog", "{}"));
    assert_int_not_equal(pid_of_job(&s, &s.acme), now);
    end(&s);
}

MW_TEST(a_killed_idle_process_is_no_harm) {
    server s;
    begin_with(&s, 1, 0);
    for (int i = 0; i < 10; i++) {
        const pid_t pid = (pid_t)pid_of_job(&s, &s.acme);
        if (i % 2) nap(20);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    (void)pid_of_job(&s, &s.acme);
    end(&s);
}

MW_TEST(a_late_cancel_does_not_meet_the_next_job) {
    server s;
    begin_with(&s, 1, 0);
    for (int i = 0; i < 30; i++) {
        const char *id = submit(&s, &s.acme, "pid", "{}");
        if (i % 3) nap(i % 7);
        (void)mw_jobs_cancel(&s.acme, s.jobs, id, NULL);
        mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "pid", "{}"));
        assert_int_equal(job.state, MW_JOB_SUCCESS);
    }
    end(&s);
}

MW_TEST(a_deaf_job_is_gone_within_a_second) {
    server s;
    begin(&s);
    const char *id = submit(&s, &s.acme, "deaf", "{}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, id, &err));
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_REVOKED);
    end(&s);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {
        MW_RUN(a_crashed_job_is_tried_again_and_goes_on),
        MW_RUN(a_job_that_always_crashes_is_dead),
        MW_RUN(a_store_that_was_away_is_no_fault_of_the_job),
        MW_RUN(its_own_fault_is_not_tried_again),
        MW_RUN(the_next_server_goes_on),
        MW_RUN(a_job_that_takes_too_long_is_stopped),
        MW_RUN(a_job_may_have_its_own_ceiling),
        MW_RUN(what_it_logged_stays_with_it),
        MW_RUN(a_job_runs_after_others),
        MW_RUN(a_process_takes_one_job_after_another_of_one_organization),
        MW_RUN(a_killed_idle_process_is_no_harm),
        MW_RUN(a_late_cancel_does_not_meet_the_next_job),
        MW_RUN(a_deaf_job_is_gone_within_a_second)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
