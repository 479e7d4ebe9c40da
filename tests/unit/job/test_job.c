/*
 * test_job.c -- jobs in real worker processes. This program is its own worker: started with the
 * argument `worker`, it runs the kinds below.
 */
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
#include "run/job/job.h"
#include "support/harness.h"

enum { MS = 1000, SECOND = 1000000 };

/* ---- job kinds ---- */

/* Short leases make short tests; a sanitizer or valgrind needs longer ones. */
static int64_t slowness(void) { return getenv("MW_TEST_SLOW") ? 5 : 1; }

static void nap(int64_t ms) { mw_clock_sleep(&mw_clock_system, ms * MS); }

/* Writes a file, reports, logs, and answers what it was told. */
static mw_status work_echo(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                           mw_err *err) {
    mw_str text = mw_json_string(mw_json_get(payload, "text"), "");
    mw_ctx_report(ctx, "writing", 1, 2);
    mw_log_info(ctx, "echoing for %s", ctx->org);
    mw_status status = mw_file_replace(ctx, dir, "out.txt", text.data, text.size, err);
    mw_buf_printf(result, "{\"threads\":%d,\"length\":%zu}", mw_pool_threads(ctx->pool), text.size);
    return status;
}

static mw_status work_sleep(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                            mw_err *err) {
    int64_t ms = mw_json_int(mw_json_get(payload, "ms"), 60000);
    mw_status status = mw_file_replace(ctx, dir, "half", "x", 1, err);
    for (int64_t i = 0; status == MW_OK && i < ms; i += 5) {
        mw_ctx_report(ctx, "sleeping", (double)i, (double)ms);
        nap(5);
        status = mw_ctx_check(ctx, err);
    }
    mw_buf_add(result, "\"slept\"");
    return status;
}

static mw_status work_fail(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                           mw_err *err) {
    (void)ctx, (void)payload, (void)dir, (void)result;
    mw_fail(err, MW_EDATA, "no rows in \"a.csv\"");
    return mw_err_hint(err, "ingest some");
}

static mw_status work_crash(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                            mw_err *err) {
    (void)result;
    mw_ctx_report(ctx, "growing trees", 1, 2);
    if (mw_file_replace(ctx, dir, "half", "x", 1, err) != MW_OK) return err->code;
    nap(50);
    int64_t number = mw_json_int(mw_json_get(payload, "signal"), 0);
    if (number > 0) kill(getpid(), (int)number);
    _exit((int)mw_json_int(mw_json_get(payload, "exit"), 0));
}

static mw_status work_hog(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                          mw_err *err) {
    (void)payload, (void)dir, (void)result;
    for (int i = 0; i < 10000; i++)
        if (!mw_alloc(ctx->mem, 1 << 20))
            return mw_fail_nomem(err, "the hog"); /* kept on purpose */
    return MW_OK;
}

/* Neither the cancel flag nor SIGTERM reaches it. */
static mw_status work_deaf(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                           mw_err *err) {
    (void)payload, (void)dir, (void)result, (void)err;
    for (int i = 0; i < 600; i++) {
        mw_ctx_report(ctx, "not listening", i, 600);
        nap(100);
    }
    return MW_OK;
}

/* Stops itself as kill -STOP would: no sign of life any more. */
static mw_status work_freeze(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                             mw_err *err) {
    (void)payload, (void)dir, (void)err;
    mw_ctx_report(ctx, "freezing", 1, 2);
    nap(100);
    kill(getpid(), SIGSTOP);
    mw_buf_add(result, "1");
    return MW_OK;
}

static mw_status work_babble(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                             mw_err *err) {
    (void)ctx, (void)payload, (void)dir, (void)err;
    if (write(4, "this is not a frame", 19) != 19) _exit(9);
    nap(2000);
    mw_buf_add(result, "1");
    return MW_OK;
}

static mw_status work_bad_json(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir,
                               mw_buf *result, mw_err *err) {
    (void)ctx, (void)payload, (void)dir, (void)err;
    mw_buf_add(result, "{\"a\":");
    return MW_OK;
}

static mw_status work_environment(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir,
                                  mw_buf *result, mw_err *err) {
    (void)ctx, (void)payload, (void)dir, (void)err;
    int n_open = 0;
    for (int fd = 5; fd < 200; fd++) n_open += fcntl(fd, F_GETFD) >= 0;
    /* The pool's and the folder's own descriptors may be open, nothing of the parent's: it marks 77. */
    mw_buf_printf(result, "{\"secret\":%s,\"marked\":%s,\"group\":%s,\"seen\":%d}",
                  getenv("MILLWRIGHT_STORE") || getenv("PGPASSWORD") ? "true" : "false",
                  fcntl(77, F_GETFD) >= 0 ? "true" : "false",
                  getpgrp() == getpid() ? "true" : "false", n_open);
    return MW_OK;
}

/* Moves the file out and records a model version, as a training does. */
static mw_status commit_echo(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *dir,
                             mw_buf *result, mw_err *err) {
    mw_store *store = *(mw_store **)app;
    mw_version_record version = {.model = "m",
                                 .run_id = job->id,
                                 .sha256 = "s",
                                 .metrics = "{}",
                                 .params = "{}",
                                 .data_hash = "d",
                                 .production = true};
    assert_string_equal(ctx->org, job->org);
    if (!mw_dir_has(dir, "out.txt")) return mw_fail(err, MW_EINTERNAL, "no file came");
    mw_buf_clear(result);
    mw_buf_add(result, "{\"committed\":true}");
    mw_commit commit = {.job_id = job->id,
                        .fence = job->fence,
                        .result = mw_buf_text(result),
                        .versions = &version,
                        .n_versions = 1};
    return mw_store_commit(ctx, store, &commit, err);
}

static mw_status commit_slow(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *dir,
                             mw_buf *result, mw_err *err) {
    (void)dir;
    nap(1500 * slowness()); /* far past the lease of the test */
    mw_commit commit = {.job_id = job->id, .fence = job->fence, .result = mw_buf_text(result)};
    return mw_store_commit(ctx, *(mw_store **)app, &commit, err);
}

static mw_status commit_fail(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *dir,
                             mw_buf *result, mw_err *err) {
    (void)ctx, (void)app, (void)job, (void)dir, (void)result;
    return mw_fail(err, MW_EIO, "the disk said no");
}

static const mw_job_kind kinds[] = {{"echo", work_echo, commit_echo},
                                    {"plain", work_echo, NULL},
                                    {"slow_commit", work_echo, commit_slow},
                                    {"bad_commit", work_echo, commit_fail},
                                    {"sleep", work_sleep, NULL},
                                    {"fail", work_fail, NULL},
                                    {"crash", work_crash, NULL},
                                    {"hog", work_hog, NULL},
                                    {"deaf", work_deaf, NULL},
                                    {"freeze", work_freeze, NULL},
                                    {"babble", work_babble, NULL},
                                    {"bad_json", work_bad_json, NULL},
                                    {"environment", work_environment, NULL},
                                    {NULL, NULL, NULL}};

/* ---- a server ---- */

typedef struct server {
    mw_ctx acme, globex;
    mw_store *store;
    mw_jobs *jobs;
    mw_arena arena;
    mw_jobs_options options;
} server;

static mw_err err;

static const char *data_path(void) { return mw_test_folder(); }

static mw_store *open_store(const mw_ctx *ctx) {
    char path[600];
    mw_store *store = NULL;
    (void)snprintf(path, sizeof path, "%s/millwright.db", data_path());
    assert_ok(mw_store_open(ctx, path, &store, &err));
    return store;
}

static void begin_with(server *s, int n_workers, int64_t lease_us) {
    memset(s, 0, sizeof *s);
    mw_ctx_init(&s->acme);
    s->acme.org = "acme";
    s->globex = s->acme;
    s->globex.org = "globex";
    s->store = open_store(&s->acme);
    mw_arena_init(&s->arena, NULL);
    s->options = (mw_jobs_options){.kinds = kinds,
                                   .store = s->store,
                                   .app = &s->store,
                                   .data_path = data_path(),
                                   .n_workers = n_workers,
                                   .n_threads = 2,
                                   .memory_bytes = 64 << 20,
                                   .lease_us = lease_us};
    assert_ok(mw_jobs_start(&s->acme, &s->options, &s->jobs, &err));
}

static void begin(server *s) { begin_with(s, 2, 0); }

static void end(server *s) {
    mw_jobs_stop(s->jobs, SECOND);
    mw_arena_done(&s->arena);
    mw_store_close(s->store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static const char *submit(server *s, const mw_ctx *ctx, const char *kind, const char *payload) {
    char *id = mw_arena_alloc(&s->arena, 32);
    assert_ok(mw_jobs_submit(ctx, s->jobs, kind, payload, false, id, &err));
    return id;
}

static mw_job_record get(server *s, const mw_ctx *ctx, const char *id) {
    mw_job_record job;
    assert_ok(mw_store_job_get(ctx, s->store, &s->arena, id, &job, &err));
    return job;
}

/* Waits until the job is final, by the watch that HTTP requests use. */
typedef struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    int n_calls;
} waiter;

static void on_done(void *arg, const char *id) {
    waiter *w = arg;
    pthread_mutex_lock(&w->mutex);
    w->n_calls += id[0] != 0;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

static mw_job_record wait_for(server *s, const mw_ctx *ctx, const char *id) {
    waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    assert_ok(mw_jobs_watch(s->jobs, ctx->org, id, on_done, &w, &err));
    pthread_mutex_lock(&w.mutex);
    while (w.n_calls == 0) pthread_cond_wait(&w.wake, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    mw_job_record job = get(s, ctx, id);
    assert_true(mw_job_state_final(job.state));
    return job;
}

static void wait_until_state(server *s, const mw_ctx *ctx, const char *id, mw_job_state state) {
    while (get(s, ctx, id).state != state) nap(5);
}

static bool work_folder_exists(const mw_ctx *ctx, const char *id) {
    char path[700];
    (void)snprintf(path, sizeof path, "%s/orgs/%s/work/%s", data_path(), ctx->org, id);
    return access(path, F_OK) == 0;
}

/* A job is final a moment before its folder is gone: stopping the manager waits for that. */
static void assert_no_work_folder(const mw_ctx *ctx, const char *id) {
    for (int i = 0; i < 400 && work_folder_exists(ctx, id); i++) nap(5);
    assert_false(work_folder_exists(ctx, id));
}

static void assert_failed(const mw_job_record *job, const char *code, const char *words) {
    if (job->state != MW_JOB_FAILURE)
        fail_msg("state %s, error %s", mw_job_state_name(job->state),
                 job->error ? job->error : "none");
    char expected[64];
    (void)snprintf(expected, sizeof expected, "\"code\":\"%s\"", code);
    if (!strstr(job->error, expected) || !strstr(job->error, words)) fail_msg("got %s", job->error);
}

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
    assert_status(mw_jobs_submit(&s.acme, s.jobs, "unknown", "{}", false, id, &err), MW_EINTERNAL);
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
    assert_ok(
        mw_store_job_create(&s.acme, other, "plain", "{\"text\":\"x\"}", 0, 1, false, id, &err));
    mw_store_close(other);
    assert_int_equal(wait_for(&s, &s.acme, id).state, MW_JOB_SUCCESS);
    end(&s);
}

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
    mw_job_record job = get(&s, &s.acme, polite);
    assert_failed(&job, "EINTERNAL", "the server was stopped while sleeping");
    job = get(&s, &s.acme, deaf);
    assert_failed(&job, "EINTERNAL", "the server was stopped");
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
static pid_t start_server(const char *kind, const char *payload, int64_t lease_us, char id[32]) {
    int ends[2];
    (void)data_path();
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        server s;
        begin_with(&s, 1, lease_us);
        const char *own = submit(&s, &s.acme, kind, payload);
        wait_until_state(&s, &s.acme, own, MW_JOB_PROGRESS);
        if (write(ends[1], own, 27) != 27) _exit(1);
        for (;;) pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], id, 27), 27);
    close(ends[0]);
    return pid;
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
                                    MW_RUN(stop_ends_running_jobs),
                                    MW_RUN(a_frozen_worker_loses_its_job),
                                    MW_RUN(long_work_and_commit_keep_the_lease),
                                    MW_RUN(kill_the_server),
                                    MW_RUN(a_frozen_server_cannot_commit),
                                    MW_RUN(a_second_server_leaves_running_jobs_alone),
                                    MW_RUN(kill_workers_at_random),
                                    MW_RUN(watches_fire_once),
                                    MW_RUN(inline_success_and_failure),
                                    MW_RUN(inline_cancel),
                                    MW_RUN(inline_loses_its_job),
                                    MW_RUN(holders)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
