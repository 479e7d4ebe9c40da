/* test_left.c -- work that a job had finished when it died: who gets it, who does not, and when it goes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/job/plant_jobs.h"

static mw_err err;

static const char *die(server *s, const char *payload) {
    const char *id = submit(s, &s->acme, "heir", payload);
    mw_job_record job = wait_for(s, &s->acme, id);
    assert_failed(&job, "EINTERNAL", "the worker was killed by signal 9");
    return id;
}

/* Runs an heir to its end; how many dead ones it found. */
static int heirs_of(server *s, const mw_ctx *ctx, const char *payload) {
    mw_job_record job = wait_for(s, ctx, submit(s, ctx, "heir", payload));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_no_work_folder(ctx, job.id);
    return job.result[0] - '0';
}

MW_TEST(the_next_of_the_family_gets_it_once) {
    server s;
    begin_with(&s, 1, 0);
    const char *dead = die(&s, "{\"family\":\"a\",\"ending\":\"crash\"}");
    assert_true(work_folder_exists(&s.acme, dead));
    assert_int_equal(heirs_of(&s, &s.acme, "{\"family\":\"b\"}"), 0);
    assert_int_equal(heirs_of(&s, &s.globex, "{\"family\":\"a\"}"), 0);
    mw_job_record other = wait_for(&s, &s.acme, submit(&s, &s.acme, "plain", "{\"family\":\"a\"}"));
    assert_int_equal(other.state, MW_JOB_SUCCESS);
    assert_true(work_folder_exists(&s.acme, dead));
    assert_int_equal(heirs_of(&s, &s.acme, "{\"family\":\"a\"}"), 1);
    assert_false(work_folder_exists(&s.acme, dead));
    assert_int_equal(heirs_of(&s, &s.acme, "{\"family\":\"a\"}"), 0);
    end(&s);
}

MW_TEST(it_outlives_servers) {
    server s;
    begin_with(&s, 1, 0);
    char first[32], second[32];
    strcpy(first, die(&s, "{\"family\":\"a\",\"ending\":\"crash\"}"));
    strcpy(second, die(&s, "{\"family\":\"b\",\"ending\":\"crash\"}"));
    end(&s);
    begin_with(&s, 0, 0); /* somebody who only looks */
    end(&s);
    begin_with(&s, 1, 0);
    assert_true(work_folder_exists(&s.acme, first));
    assert_int_equal(heirs_of(&s, &s.acme, "{\"family\":\"b\"}"), 1);
    assert_false(work_folder_exists(&s.acme, second));
    assert_true(work_folder_exists(&s.acme, first));
    end(&s);
}

MW_TEST(a_stopped_server_leaves_it) {
    server s;
    begin_with(&s, 1, 0);
    const char *id = submit(&s, &s.acme, "heir", "{\"family\":\"a\",\"ending\":\"sleep\"}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    char kept[32];
    strcpy(kept, id);
    end(&s);
    begin_with(&s, 1, 0); /* it goes on, and finds what it had done */
    wait_until_state(&s, &s.acme, kept, MW_JOB_PROGRESS);
    char own[700];
    (void)snprintf(own, sizeof own, "%s/orgs/acme/work/%s.2/left/%s", data_path(), kept, kept);
    assert_int_equal(access(own, F_OK), 0);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, kept, &err));
    assert_int_equal(wait_for(&s, &s.acme, kept).state, MW_JOB_REVOKED);
    end(&s);
}

MW_TEST(failed_canceled_and_empty_ones_leave_nothing) {
    server s;
    begin_with(&s, 1, 0);
    const char *id = submit(&s, &s.acme, "heir", "{\"ending\":\"fail\"}");
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EDATA", "its own fault");
    assert_no_work_folder(&s.acme, id);
    id = submit(&s, &s.acme, "heir", "{\"ending\":\"sleep\"}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, id, &err));
    assert_int_equal(wait_for(&s, &s.acme, id).state, MW_JOB_REVOKED);
    assert_no_work_folder(&s.acme, id);
    id = submit(&s, &s.acme, "crash", "{\"signal\":9}"); /* of a kind without heirs */
    (void)wait_for(&s, &s.acme, id);
    assert_no_work_folder(&s.acme, id);
    assert_int_equal(heirs_of(&s, &s.acme, "{}"), 0);
    end(&s);
}

/* One that runs is nobody's heritage, whoever starts meanwhile. */
MW_TEST(a_running_job_is_left_alone) {
    server s;
    begin_with(&s, 2, 0);
    const char *id = submit(&s, &s.acme, "heir", "{\"family\":\"a\",\"ending\":\"sleep\"}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    assert_int_equal(heirs_of(&s, &s.acme, "{\"family\":\"a\"}"), 0);
    assert_true(work_folder_exists(&s.acme, id));
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, id, &err));
    (void)wait_for(&s, &s.acme, id);
    end(&s);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {MW_RUN(the_next_of_the_family_gets_it_once),
                                    MW_RUN(it_outlives_servers), MW_RUN(a_stopped_server_leaves_it),
                                    MW_RUN(failed_canceled_and_empty_ones_leave_nothing),
                                    MW_RUN(a_running_job_is_left_alone)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
