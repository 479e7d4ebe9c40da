/* test_lease.c -- leases, fences, stopping, and processes killed or frozen at any moment. */
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
#include "run/job/jobs.h"
#include "unit/job/plant_jobs.h"

static mw_err err;

/* ---- stop, leases, fencing ---- */

static const char *long_sleep(void) { return slowness() > 1 ? "{\"ms\":7500}" : "{\"ms\":1500}"; }

MW_TEST(stop_ends_running_jobs) {
    server s;
    begin(&s);
    const char *polite = submit(&s, &s.acme, "sleep", "{}"),
               *deaf = submit(&s, &s.acme, "deaf", "{}");
    wait_until_state(&s, &s.acme, polite, MW_JOB_PROGRESS);
    wait_until_state(&s, &s.acme, deaf, MW_JOB_PROGRESS);
    const char *waiting = submit(&s, &s.globex, "sleep", "{}");
    waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    assert_ok(mw_jobs_watch(s.jobs, "globex", waiting, on_done, &w, &err));
    s.jobs = mw_jobs_stop(s.jobs, 300 * MS);
    mw_job_record job = get(&s, &s.acme, polite); /* waits again, and that was no attempt */
    assert_int_equal(job.state, MW_JOB_RETRY);
    assert_int_equal(job.attempts, 0);
    assert_non_null(strstr(job.error, "the server was stopped while sleeping"));
    assert_int_equal(get(&s, &s.acme, deaf).state, MW_JOB_RETRY);
    assert_int_equal(get(&s, &s.globex, waiting).state, MW_JOB_PENDING);
    assert_int_equal(w.n_calls, 1); /* nobody waits for ever */
    assert_false(work_folder_exists(&s.acme, polite));
    end(&s);
}

MW_TEST(a_frozen_worker_loses_its_job) {
    server s;
    begin_with(&s, 1, 600 * MS * slowness());
    const char *id = submit(&s, &s.acme, "freeze", "{}");
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EINTERNAL", "stopped answering");
    assert_no_work_folder(&s.acme, id);
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "plain", "{\"text\":\"next\"}"));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    end(&s);
}

MW_TEST(long_work_and_commit_keep_the_lease) {
    server s;
    begin_with(&s, 1, 600 * MS * slowness());
    mw_job_record job = wait_for(&s, &s.acme, submit(&s, &s.acme, "sleep", long_sleep()));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    job = wait_for(&s, &s.acme, submit(&s, &s.acme, "slow_commit", "{\"text\":\"x\"}"));
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_int_equal(job.attempts, 1);
    end(&s);
}

/* A whole server in a child process; it writes one byte when its job is at work. */
static pid_t start_server_for(const mw_job_new *job, int64_t lease_us, char id[32]) {
    int ends[2];
    (void)data_path();
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        server s;
        begin_with(&s, 1, lease_us);
        char own[32];
        assert_ok(mw_jobs_submit(&s.acme, s.jobs, job, own, &err));
        wait_until_state(&s, &s.acme, own, MW_JOB_PROGRESS);
        if (write(ends[1], own, 27) != 27) _exit(1);
        for (;;) pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], id, 27), 27);
    close(ends[0]);
    return pid;
}

static pid_t start_server(const char *kind, const char *payload, int64_t lease_us, char id[32]) {
    return start_server_for(&(mw_job_new){.kind = kind, .payload = payload}, lease_us, id);
}

static void end_server(pid_t pid) {
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
}

/* kill -9 of the server: its worker dies with it, and the next server says so at once, not after a lease. */
MW_TEST(kill_the_server) {
    char id[32];
    pid_t pid = start_server("sleep", "{}", 60 * SECOND, id);
    end_server(pid);
    server s;
    mw_ctx acme;
    mw_ctx_init(&acme);
    acme.org = "acme";
    assert_true(work_folder_exists(&acme, id));
    begin(&s);
    mw_job_record job = get(&s, &s.acme, id);
    assert_failed(&job, "EINTERNAL", "the server was killed while the job ran");
    assert_false(work_folder_exists(&s.acme, id));
    end(&s);
}

/* The first server is stopped past its lease; a second takes the job away. Awake again, the first must
 * neither commit nor bring the job back. */
MW_TEST(a_frozen_server_cannot_commit) {
    char id[32];
    pid_t pid = start_server("sleep", long_sleep(), 600 * MS * slowness(), id);
    kill(pid, SIGSTOP);
    server s;
    begin_with(&s, 1, 600 * MS * slowness());
    mw_job_record job = wait_for(&s, &s.acme, id);
    assert_failed(&job, "EINTERNAL", "stopped answering");
    kill(pid, SIGCONT);
    nap(1800 * slowness()); /* long enough for it to finish the work and try */
    job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_FAILURE);
    assert_null(job.result);
    end_server(pid);
    end(&s);
}

/* Awake again, it must leave the folder alone in which the next holder of its job works: it has the same name. */
MW_TEST(a_frozen_server_leaves_the_next_ones_folder) {
    char id[32];
    const int64_t lease_us = 600 * MS * slowness();
    pid_t pid = start_server_for(&(mw_job_new){.kind = "sleep", .payload = "{}", .max_attempts = 3},
                                 lease_us, id);
    kill(pid, SIGSTOP);
    server s;
    begin_with(&s, 1, lease_us);
    while (get(&s, &s.acme, id).fence < 2) nap(5);
    wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
    kill(pid, SIGCONT);
    nap(1000 * slowness());
    assert_true(work_folder_exists(&s.acme, id));
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_PROGRESS);
    assert_int_equal(job.fence, 2);
    end_server(pid);
    end(&s);
}

/* Frozen between its claim and the folder, it comes late: the next holder's folder and files stay. */
MW_TEST(a_late_start_leaves_the_next_ones_folder) {
    server s;
    mw_dir *next = NULL, *late = NULL;
    begin(&s);
    mw_job_record job = {.id = "01HZZZZZZZZZZZZZZZZZZZZZZZ",
                         .org = "acme",
                         .kind = "plain",
                         .payload = "{}",
                         .fence = 2};
    assert_ok(mw_jobs__work_dir(s.jobs, &s.acme, &job, &next, &err));
    assert_ok(mw_file_replace(&s.acme, next, "half", "x", 1, &err));
    job.fence = 1;
    assert_ok(mw_jobs__work_dir(s.jobs, &s.acme, &job, &late, &err));
    assert_true(mw_dir_has(next, "half"));
    assert_false(mw_dir_has(late, "half"));
    mw_jobs__remove_work_dir(s.jobs, &s.acme, &job);
    assert_true(mw_dir_has(next, "half"));
    job.fence = 3; /* what is left of earlier attempts goes */
    mw_dir_close(late);
    assert_ok(mw_jobs__work_dir(s.jobs, &s.acme, &job, &late, &err));
    assert_false(mw_dir_has(next, "half"));
    mw_dir_close(late);
    mw_dir_close(next);
    mw_jobs__remove_work_dir(s.jobs, &s.acme, &job);
    assert_false(work_folder_exists(&s.acme, job.id));
    end(&s);
}

/* A running job outlives it: its lease is renewed before anybody finds that it has ended. */
MW_TEST(the_clock_is_set_by_a_day) {
    for (int sign = -1; sign <= 1; sign += 2) {
        server s;
        begin_with(&s, 1, 2000 * MS * slowness());
        const char *id = submit(&s, &s.acme, "sleep", long_sleep());
        wait_until_state(&s, &s.acme, id, MW_JOB_PROGRESS);
        /* One of these meets the moment at which leases are looked at. */
        for (int i = 0; i < 15; i++) {
            set_clock(i % 2 ? 0 : sign * INT64_C(86400) * SECOND);
            nap(70);
        }
        mw_job_record job = wait_for(&s, &s.acme, id);
        set_clock(0);
        assert_int_equal(job.state, MW_JOB_SUCCESS);
        assert_int_equal(job.fence, 1);
        end(&s);
    }
}

/* A job that waits to be tried again is due at once when the clock is set back, and not a day later. */
MW_TEST(the_clock_is_set_back_while_a_job_waits) {
    server s;
    begin(&s);
    char id[32];
    assert_ok(mw_jobs_submit(
        &s.acme, s.jobs,
        &(mw_job_new){.kind = "heir", .payload = "{\"ending\":\"crash first\"}", .max_attempts = 3},
        id, &err));
    wait_until_state(&s, &s.acme, id, MW_JOB_RETRY);
    set_clock(INT64_C(-86400) * SECOND);
    for (int i = 0; i < 100 && get(&s, &s.acme, id).state != MW_JOB_SUCCESS; i++) nap(50);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_SUCCESS);
    end(&s);
    set_clock(0);
}

/* Another process's folder of a running job stays when a server starts beside it. */
MW_TEST(a_second_server_leaves_running_jobs_alone) {
    char id[32];
    pid_t pid = start_server("sleep", "{\"ms\":60000}", 60 * SECOND, id);
    server s;
    begin(&s);
    nap(100);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_PROGRESS);
    assert_true(work_folder_exists(&s.acme, id));
    end_server(pid);
    end(&s);
}

/* kill -9 of every child of this process that is a worker. */
static void kill_workers(void) {
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/self/task");
    DIR *tasks = opendir(path);
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%.20s/children", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        while (fscanf(file, "%4000s", text) == 1) kill((pid_t)strtol(text, NULL, 10), SIGKILL);
        fclose(file);
    }
    closedir(tasks);
}

/* Kill workers at random moments: each job ends as a success or as a named crash, never half. */
MW_TEST(kill_workers_at_random) {
    server s;
    begin(&s);
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 7, 0);
    int n_success = 0;
    for (int round = 0; round < 20; round++) {
        const char *id = submit(&s, &s.acme, "echo", "{\"text\":\"x\"}");
        nap((int64_t)mw_rng_below(&rng, 30));
        kill_workers();
        mw_job_record job = wait_for(&s, &s.acme, id);
        if (job.state == MW_JOB_SUCCESS)
            n_success++;
        else
            assert_failed(&job, "EINTERNAL", "was killed by signal 9");
        assert_no_work_folder(&s.acme, id);
    }
    const mw_version_record *versions;
    size_t n;
    assert_ok(mw_store_versions(&s.acme, s.store, &s.arena, "m", &versions, &n, &err));
    assert_int_equal(n, n_success);
    end(&s);
}

/* ---- holders ---- */

MW_TEST(holders) {
    char self[MW_HOLDER_BYTES], other[MW_HOLDER_BYTES];
    mw_holder_self(self);
    assert_false(mw_holder_is_dead(self));
    assert_false(mw_holder_is_dead("w"));
    assert_false(mw_holder_is_dead(""));
    assert_false(mw_holder_is_dead("elsewhere:1:5.77.no-such-boot"));
    pid_t pid = fork();
    if (pid == 0) pause();
    assert_true(mw_holder_of(pid, other));
    assert_false(mw_holder_is_dead(other));
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    assert_true(mw_holder_is_dead(other));
    char *colon = strchr(strchr(self, ':') + 1, ':'); /* same pid, another start: it was reused */
    colon[1] = colon[1] == '1' ? '2' : '1';
    assert_true(mw_holder_is_dead(self));
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {MW_RUN(stop_ends_running_jobs),
                                    MW_RUN(a_frozen_worker_loses_its_job),
                                    MW_RUN(long_work_and_commit_keep_the_lease),
                                    MW_RUN(kill_the_server),
                                    MW_RUN(a_frozen_server_cannot_commit),
                                    MW_RUN(a_frozen_server_leaves_the_next_ones_folder),
                                    MW_RUN(a_late_start_leaves_the_next_ones_folder),
                                    MW_RUN(the_clock_is_set_by_a_day),
                                    MW_RUN(the_clock_is_set_back_while_a_job_waits),
                                    MW_RUN(a_second_server_leaves_running_jobs_alone),
                                    MW_RUN(kill_workers_at_random),
                                    MW_RUN(holders)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
