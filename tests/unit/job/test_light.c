/* test_light.c -- light jobs: several of one claim in one process, one after the other, and what may happen to those that wait there. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "unit/job/plant_jobs.h"

static mw_err err;

enum { BEHIND = 10 };

/* One job that does something, and others behind it, all there before a worker is: so one claim has them all. */
typedef struct queue {
    const char *before, *first, *behind[BEHIND];
} queue;

static const char *put(server *s, const char *payload, int32_t max_attempts) {
    char *id = mw_arena_alloc(&s->arena, 32);
    const mw_job_new job = {.kind = "note", .payload = payload, .max_attempts = max_attempts};
    assert_ok(mw_store_job_create(&s->acme, s->store, &job, id, &err));
    return id;
}

static void start(server *s, int n_workers) {
    s->options.n_workers = n_workers;
    assert_ok(mw_jobs_start(&s->acme, &s->options, &s->jobs, &err));
}

static void begin_queue(server *s, queue *q, const char *payload, int32_t max_attempts,
                        int n_workers) {
    begin_with(s, 0, 0);
    s->jobs = mw_jobs_stop(s->jobs, 0);
    q->before = put(s, "{}", 1);
    q->first = put(s, payload, max_attempts);
    for (int i = 0; i < BEHIND; i++) q->behind[i] = put(s, "{}", 1);
    start(s, n_workers);
}

static void assert_behind_succeed(server *s, const queue *q) {
    for (int i = 0; i < BEHIND; i++) {
        const mw_job_record job = wait_for(s, &s->acme, q->behind[i]);
        assert_int_equal(job.state, MW_JOB_SUCCESS);
        assert_int_equal(job.attempts, 1);
    }
    assert_int_equal(wait_for(s, &s->acme, q->before).state, MW_JOB_SUCCESS);
}

MW_TEST(many_of_two_organizations) {
    server s;
    begin(&s);
    enum { N = 1500 }; /* a process ends after 1,000: the rest is nobody's fault */
    char last[2][32];
    const mw_ctx *of[2] = {&s.acme, &s.globex};
    const mw_job_new job = {.kind = "note", .payload = "{}", .copies = N};
    for (int i = 0; i < 2; i++) assert_ok(mw_jobs_submit(of[i], s.jobs, &job, last[i], &err));
    for (int i = 0; i < 2; i++) (void)wait_for(&s, of[i], last[i]);
    mw_jobs_stats stats;
    do mw_jobs_read_stats(s.jobs, &stats);
    while (stats.succeeded_total < 2 * N);
    for (int i = 0; i < 2; i++) {
        const mw_job_record *jobs;
        size_t n;
        const mw_job_filter filter = {.limit = 2 * N};
        assert_ok(mw_store_job_list(of[i], s.store, &s.arena, &filter, &jobs, &n, &err));
        assert_int_equal(n, N);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(jobs[k].state, MW_JOB_SUCCESS);
            assert_int_equal(jobs[k].attempts, 1);
            assert_non_null(jobs[k].result);
        }
    }
    assert_int_equal(stats.worker_crashes_total, 0);
    assert_int_equal(stats.dead_total, 0);
    end(&s);
}

MW_TEST(one_that_takes_long_holds_nothing_up) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"sleep\"}", 1, 2);
    assert_behind_succeed(&s, &q);
    const mw_job_state now = get(&s, &s.acme, q.first).state;
    assert_true(now == MW_JOB_STARTED || now == MW_JOB_PROGRESS);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, q.first, &err));
    assert_int_equal(wait_for(&s, &s.acme, q.first).state, MW_JOB_REVOKED);
    end(&s);
}

MW_TEST(a_crash_is_the_one_that_was_at_work) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"crash\"}", 1, 1);
    const mw_job_record job = wait_for(&s, &s.acme, q.first);
    assert_failed(&job, "EINTERNAL", "was killed by signal 9");
    assert_true(job.is_dead);
    assert_behind_succeed(&s, &q);
    end(&s);
}

MW_TEST(a_failure_is_its_own) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"fail\"}", 3, 1);
    mw_job_record job = wait_for(&s, &s.acme, q.first);
    assert_failed(&job, "EDATA", "its own fault");
    assert_int_equal(job.attempts, 1);
    assert_behind_succeed(&s, &q);
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "note", "{\"do\":\"talk\"}"));
    assert_failed(&job, "ETOOLARGE", "is larger than 65536 bytes");
    char id[32];
    char *large = mw_arena_alloc(&s.arena, 70000);
    memset(large, ' ', 70000);
    memcpy(large + 70000 - 3, "{}", 3);
    const mw_job_new refused = {.kind = "note", .payload = large};
    assert_status(mw_jobs_submit(&s.acme, s.jobs, &refused, id, &err), MW_ETOOLARGE);
    end(&s);
}

MW_TEST(one_that_waits_in_a_process_is_canceled) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"sleep\"}", 1, 1);
    wait_until_state(&s, &s.acme, q.first, MW_JOB_PROGRESS);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, q.behind[3], &err));
    assert_int_equal(wait_for(&s, &s.acme, q.behind[3]).state, MW_JOB_REVOKED);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, q.first, &err));
    assert_int_equal(wait_for(&s, &s.acme, q.first).state, MW_JOB_REVOKED);
    for (int i = 0; i < BEHIND; i++)
        if (i != 3) assert_int_equal(wait_for(&s, &s.acme, q.behind[i]).state, MW_JOB_SUCCESS);
    end(&s);
}

MW_TEST(a_server_that_stops_gives_them_back) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"sleep\"}", 1, 1);
    wait_until_state(&s, &s.acme, q.first, MW_JOB_PROGRESS);
    s.jobs = mw_jobs_stop(s.jobs, SECOND);
    assert_int_equal(get(&s, &s.acme, q.first).state, MW_JOB_RETRY);
    assert_int_equal(get(&s, &s.acme, q.first).attempts, 0);
    for (int i = 0; i < BEHIND; i++) {
        const mw_job_record job = get(&s, &s.acme, q.behind[i]);
        assert_int_equal(job.state, MW_JOB_RETRY);
        assert_int_equal(job.attempts, 0);
    }
    assert_ok(mw_store_job_cancel(&s.acme, s.store, q.first, &err));
    start(&s, 1);
    assert_behind_succeed(&s, &q);
    end(&s);
}

/* It answers no more, and gives nothing back: it is put away, and the others go on. */
MW_TEST(a_process_that_is_stopped) {
    server s;
    queue q;
    begin_queue(&s, &q, "{\"do\":\"stop\"}", 1, 1);
    const mw_job_record job = wait_for(&s, &s.acme, q.first);
    assert_failed(&job, "EINTERNAL", "gave no jobs back");
    assert_behind_succeed(&s, &q);
    end(&s);
}

MW_TEST(without_a_server) {
    server s;
    begin_with(&s, 0, 0);
    mw_buf result;
    mw_buf_init(&result, NULL, 4096);
    const char *id = submit(&s, &s.acme, "note", "{}");
    assert_ok(mw_jobs_run_inline(&s.acme, s.jobs, id, &result, &err));
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_string_equal(mw_buf_text(&result), pid);
    mw_buf_done(&result);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_SUCCESS);
    assert_false(work_folder_exists(&s.acme, id));
    end(&s);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {MW_RUN(many_of_two_organizations),
                                    MW_RUN(one_that_takes_long_holds_nothing_up),
                                    MW_RUN(a_crash_is_the_one_that_was_at_work),
                                    MW_RUN(a_failure_is_its_own),
                                    MW_RUN(one_that_waits_in_a_process_is_canceled),
                                    MW_RUN(a_server_that_stops_gives_them_back),
                                    MW_RUN(a_process_that_is_stopped),
                                    MW_RUN(without_a_server)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
