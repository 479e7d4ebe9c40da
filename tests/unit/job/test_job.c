/* test_job.c -- jobs in real worker processes: outcomes, cancellation, watches, inline runs. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "run/job/holder.h"
#include "unit/job/plant_jobs.h"

static mw_err err;

/* ---- outcomes ---- */

MW_TEST(success_in_two_organizations) {
    server s;
    begin(&s);
    const char *a = submit(&s, &s.acme, "echo", "{\"text\":\"hello\"}");
    const char *b = submit(&s, &s.globex, "plain", "{\"text\":\"hi\"}");
    mw_job_record job = wait_for(&s, &s.acme, a);
    if (job.state != MW_JOB_SUCCESS) fail_msg("%s", job.error);
    assert_string_equal(job.result, "{\"committed\":true}");
    job = wait_for(&s, &s.globex, b);
    if (job.state != MW_JOB_SUCCESS) fail_msg("%s", job.error);
    assert_string_equal(job.result, "{\"threads\":2,\"length\":2}");
    assert_no_work_folder(&s.acme, a);
    assert_no_work_folder(&s.globex, b);
    mw_version_record version;
    assert_ok(mw_store_production(&s.acme, s.store, &s.arena, "m", &version, &err));
    assert_string_equal(version.job_id, a);
    assert_status(mw_store_production(&s.globex, s.store, &s.arena, "m", &version, &err),
                  MW_ENOTFOUND);
    mw_jobs_stats stats;
    do mw_jobs_read_stats(s.jobs, &stats);
    while (stats.running > 0);
    assert_int_equal(stats.started_total, 2);
    assert_int_equal(stats.succeeded_total, 2);
    assert_int_equal(stats.worker_crashes_total, 0);
    end(&s);
}

MW_TEST(an_error_comes_through) {
    server s;
    begin(&s);
    const char *id = submit(&s, &s.acme, "fail", "{}");
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EDATA", "no rows in \\\"a.csv\\\"");
    assert_non_null(strstr(job.error, "ingest some"));
    assert_no_work_folder(&s.acme, id);
    end(&s);
}

MW_TEST(crashes_are_named) {
    server s;
    begin(&s);
    const char *killed = submit(&s, &s.acme, "crash", "{\"signal\":9}");
    mw_job_record job = wait_for(&s, &s.acme, killed);
    assert_failed(&job, "EINTERNAL",
                  "the worker was killed by signal 9 (Killed) while growing trees");
    assert_no_work_folder(&s.acme, killed);
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "crash", "{\"exit\":3}"));
    assert_failed(&job, "EINTERNAL", "the worker ended with status 3 while growing trees");
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "crash", "{}"));
    assert_failed(&job, "EINTERNAL",
                  "ended with status 0"); /* without an answer that is a crash too */
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "echo", "{\"text\":\"still here\"}"));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    mw_jobs_stats stats;
    mw_jobs_read_stats(s.jobs, &stats);
    assert_int_equal(stats.worker_crashes_total, 3);
    end(&s);
}

MW_TEST(memory_ceiling) {
    server s;
    begin(&s);
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "hog", "{}"));
    assert_failed(&job, "ENOMEM", "not enough memory for the hog");
    end(&s);
}

MW_TEST(broken_workers) {
    server s;
    begin(&s);
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "babble", "{}"));
    assert_failed(&job, "EINTERNAL", "broke the protocol");
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "bad_json", "{}"));
    assert_failed(&job, "EINTERNAL", "broke the protocol");
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "bad_commit", "{\"text\":\"x\"}"));
    assert_failed(&job, "EIO", "the disk said no");
    char id[32];
    assert_status(mw_jobs_submit(&s.acme, s.jobs, &(mw_job_new){.kind = "unknown", .payload = "{}"},
                                 id, &err),
                  MW_EINTERNAL);
    end(&s);
}

MW_TEST(an_executable_that_is_no_worker) {
    server s;
    begin(&s);
    mw_jobs_stop(s.jobs, 0);
    s.options.executable = "/bin/true";
    assert_ok(mw_jobs_start(&s.acme, &s.options, &s.jobs, &err));
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "echo", "{}"));
    assert_failed(&job, "EINTERNAL", "while starting");
    mw_jobs_stop(s.jobs, 0);
    s.options.executable = "/no/such/program";
    assert_ok(mw_jobs_start(&s.acme, &s.options, &s.jobs, &err));
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "echo", "{}"));
    assert_failed(&job, "EINTERNAL", "cannot start a worker process");
    end(&s);
}

MW_TEST(a_clean_surrounding) {
    server s;
    setenv("MILLWRIGHT_STORE", "postgresql://u:secret@h/d", 1);
    setenv("PGPASSWORD", "secret", 1);
    assert_int_equal(dup2(1, 77), 77); /* not closed by exec */
    begin(&s);
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "environment", "{}"));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_non_null(strstr(job.result, "\"secret\":false,\"marked\":false,\"group\":true"));
    end(&s);
}

/* ---- cancel ---- */

MW_TEST(cancel_running_waiting_and_final) {
    server s;
    begin_with(&s, 1, 0);
    const char *running = submit(&s, &s.acme, "sleep", "{}");
    const char *waiting = submit(&s, &s.acme, "sleep", "{}");
    wait_until_state(&s, &s.acme, running, MW_JOB_PROGRESS);
    assert_status(mw_jobs_cancel(&s.globex, s.jobs, running, &err), MW_ENOTFOUND);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, waiting, &err));
    assert_int_equal(wait_for(&s, &s.acme, waiting).state, MW_JOB_REVOKED);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, running, &err));
    mw_job_record job = wait_for(&s, &s.acme, running);
    assert_int_equal(job.state, MW_JOB_REVOKED);
    assert_non_null(strstr(job.error, "ECANCELED"));
    assert_no_work_folder(&s.acme, running);
    assert_status(mw_jobs_cancel(&s.acme, s.jobs, running, &err), MW_ECONFLICT);
    end(&s);
}

MW_TEST(cancel_the_deaf) {
    server s;
    begin(&s);
    const char *id = submit(&s, &s.acme, "deaf", "{}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    assert_ok(mw_jobs_cancel(&s.acme, s.jobs, id, &err));
    assert_int_equal(wait_for(&s, &s.acme, id).state, MW_JOB_REVOKED);
    assert_no_work_folder(&s.acme, id);
    end(&s);
}

/* Through the store alone, as another process would do it. */
MW_TEST(cancel_from_elsewhere) {
    server s;
    begin(&s);
    const char *id = submit(&s, &s.acme, "sleep", "{}");
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    mw_store *other = open_store(&s.acme);
    assert_ok(mw_store_job_cancel(&s.acme, other, id, &err));
    mw_store_close(other);
    assert_int_equal(wait_for(&s, &s.acme, id).state, MW_JOB_REVOKED);
    end(&s);
}

/* A job that another process put into the store is found without a poke. */
MW_TEST(submitted_from_elsewhere) {
    server s;
    begin(&s);
    char id[32];
    mw_store *other = open_store(&s.acme);
    nap(50);
    assert_ok(mw_store_job_create(
        &s.acme, other, &(mw_job_new){.kind = "plain", .payload = "{\"text\":\"x\"}"}, id, &err));
    mw_store_close(other);
    assert_int_equal(wait_for(&s, &s.acme, id).state, MW_JOB_SUCCESS);
    end(&s);
}

/* ---- watch ---- */

MW_TEST(watches_fire_once) {
    server s;
    begin(&s);
    waiter w[3] = {{PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0},
                   {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0},
                   {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}};
    const char *id = submit(&s, &s.acme, "plain", "{\"text\":\"x\"}");
    assert_ok(mw_jobs_watch(s.jobs, "acme", id, on_done, &w[0], &err));
    wait_for(&s, &s.acme, id);
    assert_ok(mw_jobs_watch(s.jobs, "acme", id, on_done, &w[1], &err));   /* already final */
    assert_ok(mw_jobs_watch(s.jobs, "globex", id, on_done, &w[2], &err)); /* no such job there */
    s.jobs = mw_jobs_stop(s.jobs, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(w[i].n_calls, 1);
    end(&s);
}

/* ---- inline ---- */

static void count_reports(void *self, const char *stage, double done, double total) {
    (void)done, (void)total;
    *(int *)self += stage != NULL;
}

MW_TEST(inline_success_and_failure) {
    server s;
    begin_with(&s, 0, 0);
    mw_buf result;
    int n_reports = 0;
    mw_ctx ctx = s.acme;
    ctx.progress = (mw_progress){count_reports, &n_reports};
    mw_buf_init(&result, NULL, 1 << 20);
    const char *id = submit(&s, &ctx, "echo", "{\"text\":\"x\"}");
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_STARTED); /* nobody else can take it */
    assert_ok(mw_jobs_run_inline(&ctx, s.jobs, id, &result, &err));
    assert_string_equal(mw_buf_text(&result), "{\"committed\":true}");
    assert_int_equal(n_reports, 1);
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_false(work_folder_exists(&s.acme, id));
    assert_status(mw_jobs_run_inline(&ctx, s.jobs, id, &result, &err), MW_ECONFLICT);

    mw_buf_clear(&result);
    id = submit(&s, &ctx, "fail", "{}");
    assert_status(mw_jobs_run_inline(&ctx, s.jobs, id, &result, &err), MW_EDATA);
    assert_string_equal(err.hint, "ingest some");
    job = get(&s, &s.acme, id);
    assert_failed(&job, "EDATA", "no rows");
    mw_buf_done(&result);
    end(&s);
}

static void *cancel_soon(void *arg) {
    mw_cancel *cancel = arg;
    nap(50);
    atomic_store(&cancel->requested, true);
    return NULL;
}

MW_TEST(inline_cancel) {
    server s;
    begin_with(&s, 0, 0);
    mw_buf result;
    mw_cancel cancel = {0};
    mw_ctx ctx = s.acme;
    ctx.cancel = &cancel;
    mw_buf_init(&result, NULL, 1 << 20);
    const char *id = submit(&s, &ctx, "sleep", "{}");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    assert_status(mw_jobs_run_inline(&ctx, s.jobs, id, &result, &err), MW_ECANCELED);
    pthread_join(thread, NULL);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_REVOKED);
    assert_false(work_folder_exists(&s.acme, id));
    mw_buf_done(&result);
    end(&s);
}

typedef struct taker {
    server *s;
    const char *id;
    bool cancel;
} taker;

static void *take_away(void *arg) {
    taker *t = arg;
    mw_err local;
    mw_store *other = open_store(&t->s->acme);
    nap(100);
    if (t->cancel) {
        mw_store_job_cancel(&t->s->acme, other, t->id, &local);
    } else {
        int32_t n = 0;
        mw_ctx later = t->s->acme; /* for this store the lease is long over */
        mw_store_job_finish(&later, other, t->id, 1, MW_JOB_FAILURE, NULL, "{\"code\":\"X\"}",
                            &local);
        mw_store_job_expire(&later, other, "late", &n, &local);
    }
    mw_store_close(other);
    return NULL;
}

/* Canceled or taken away by another process while it runs here. */
MW_TEST(inline_loses_its_job) {
    for (int i = 0; i < 2; i++) {
        server s;
        begin_with(&s, 0, 600 * MS);
        mw_buf result;
        mw_buf_init(&result, NULL, 1 << 20);
        taker t = {&s, submit(&s, &s.acme, "sleep", "{}"), i == 0};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, take_away, &t), 0);
        assert_status(mw_jobs_run_inline(&s.acme, s.jobs, t.id, &result, &err),
                      t.cancel ? MW_ECANCELED : MW_ECONFLICT);
        pthread_join(thread, NULL);
        mw_job_record job = get(&s, &s.acme, t.id);
        assert_int_equal(job.state, t.cancel ? MW_JOB_REVOKED : MW_JOB_FAILURE);
        if (!t.cancel) assert_string_equal(job.error, "{\"code\":\"X\"}");
        mw_buf_done(&result);
        end(&s);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {MW_RUN(success_in_two_organizations),
                                    MW_RUN(an_error_comes_through),
                                    MW_RUN(crashes_are_named),
                                    MW_RUN(memory_ceiling),
                                    MW_RUN(broken_workers),
                                    MW_RUN(an_executable_that_is_no_worker),
                                    MW_RUN(a_clean_surrounding),
                                    MW_RUN(cancel_running_waiting_and_final),
                                    MW_RUN(cancel_the_deaf),
                                    MW_RUN(cancel_from_elsewhere),
                                    MW_RUN(submitted_from_elsewhere),
                                    MW_RUN(watches_fire_once),
                                    MW_RUN(inline_success_and_failure),
                                    MW_RUN(inline_cancel),
                                    MW_RUN(inline_loses_its_job)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
