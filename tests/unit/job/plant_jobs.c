/* plant_jobs.c -- see plant_jobs.h. */
#include "unit/job/plant_jobs.h"

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

/* ---- job kinds ---- */

/* Short leases make short tests; a sanitizer or valgrind needs longer ones. */
int64_t slowness(void) { return getenv("MW_TEST_SLOW") ? 5 : 1; }

void nap(int64_t ms) { mw_clock_sleep(&mw_clock_system, ms * MS); }

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

static mw_status work_pid(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                          mw_err *err) {
    (void)ctx, (void)payload, (void)dir, (void)err;
    mw_buf_printf(result, "%d", (int)getpid());
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

/* The store is away when the first attempt commits. */
static mw_status commit_busy(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *dir,
                             mw_buf *result, mw_err *err) {
    (void)ctx, (void)app, (void)dir, (void)result;
    return job->attempts == 1 ? mw_fail(err, MW_EBUSY, "the store cannot be reached") : MW_OK;
}

/* Finishes something, then ends as it is told; answers how many dead ones it found. */
static mw_status work_heir(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                           mw_err *err) {
    mw_dir *left = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (mw_dir_sub(ctx, dir, MW_JOB_LEFT, MW_DIR_MUST_EXIST, &left, NULL) == MW_OK)
        (void)mw_dir_list(ctx, left, &entries, &n, NULL);
    mw_free(entries);
    mw_dir_close(left);
    mw_buf_printf(result, "%d", (int)n);
    mw_status status = mw_file_replace(ctx, dir, "done", "x", 1, err);
    mw_str ending = mw_json_string(mw_json_get(payload, "ending"), "");
    if (mw_str_is(ending, "crash") || (mw_str_is(ending, "crash first") && n == 0))
        (void)raise(SIGKILL);
    if (mw_str_is(ending, "fail")) return mw_fail(err, MW_EDATA, "its own fault");
    while (mw_str_is(ending, "sleep") && status == MW_OK) {
        mw_ctx_report(ctx, "sleeping", 1, 2);
        nap(5);
        status = mw_ctx_check(ctx, err);
    }
    return status;
}

static mw_status work_sleep_light(const mw_ctx *ctx, mw_buf *result, mw_err *err) {
    mw_status status = MW_OK;
    for (int i = 0; i < 12000 && status == MW_OK; i++) {
        mw_ctx_report(ctx, "sleeping", i, 12000);
        nap(5);
        status = mw_ctx_check(ctx, err);
    }
    mw_buf_add(result, "\"slept\"");
    return status;
}

/* A light job: answers with its process, or does what it is told to. */
static mw_status work_note(const mw_ctx *ctx, const mw_json *payload, mw_dir *dir, mw_buf *result,
                           mw_err *err) {
    const mw_str what = mw_json_string(mw_json_get(payload, "do"), "");
    assert_null(dir);
    if (mw_str_is(what, "sleep")) return work_sleep_light(ctx, result, err);
    if (mw_str_is(what, "crash")) (void)raise(SIGKILL);
    if (mw_str_is(what, "stop")) (void)raise(SIGSTOP);
    if (mw_str_is(what, "fail")) return mw_fail(err, MW_EDATA, "its own fault");
    if (mw_str_is(what, "talk")) {
        mw_buf_add(result, "\"");
        for (int i = 0; i < 20000; i++) mw_buf_add(result, "blah ");
        mw_buf_add(result, "\"");
        return MW_OK;
    }
    mw_buf_printf(result, "%d", (int)getpid());
    return MW_OK;
}

static bool left_heir(const mw_ctx *ctx, const mw_json *dead, const mw_json *next, mw_dir *dir) {
    (void)ctx;
    mw_str family = mw_json_string(mw_json_get(dead, "family"), "");
    return mw_dir_has(dir, "done") &&
           (!next || mw_str_eq(family, mw_json_string(mw_json_get(next, "family"), "")));
}

const mw_job_kind kinds[] = {{"heir", work_heir, NULL, left_heir, NULL, false},
                             {"echo", work_echo, commit_echo, NULL, NULL, false},
                             {"plain", work_echo, NULL, NULL, NULL, false},
                             {"slow_commit", work_echo, commit_slow, NULL, NULL, false},
                             {"busy_commit", work_echo, commit_busy, NULL, NULL, false},
                             {"bad_commit", work_echo, commit_fail, NULL, NULL, false},
                             {"sleep", work_sleep, NULL, NULL, NULL, false},
                             {"fail", work_fail, NULL, NULL, NULL, false},
                             {"crash", work_crash, NULL, NULL, NULL, false},
                             {"hog", work_hog, NULL, NULL, NULL, false},
                             {"deaf", work_deaf, NULL, NULL, NULL, false},
                             {"freeze", work_freeze, NULL, NULL, NULL, false},
                             {"babble", work_babble, NULL, NULL, NULL, false},
                             {"pid", work_pid, NULL, NULL, NULL, false},
                             {"bad_json", work_bad_json, NULL, NULL, NULL, false},
                             {"environment", work_environment, NULL, NULL, NULL, false},
                             {"note", work_note, NULL, NULL, NULL, true},
                             {NULL, NULL, NULL, NULL, NULL, false}};

/* ---- a server ---- */

static mw_err err;

const char *data_path(void) { return mw_test_folder(); }

mw_store *open_store(const mw_ctx *ctx) {
    char path[600];
    mw_store *store = NULL;
    (void)snprintf(path, sizeof path, "%s/millwright.db", data_path());
    assert_ok(mw_store_open(ctx, path, &store, &err));
    return store;
}

static _Atomic int64_t moved_us;

static int64_t moved_utc(void *self) {
    (void)self;
    return mw_clock_utc(&mw_clock_system) + atomic_load(&moved_us);
}

void set_clock(int64_t by_us) { atomic_store(&moved_us, by_us); }

static mw_clock clock_on_the_wall;

void begin_with(server *s, int n_workers, int64_t lease_us) {
    memset(s, 0, sizeof *s);
    mw_ctx_init(&s->acme);
    clock_on_the_wall = mw_clock_system;
    clock_on_the_wall.utc_us = moved_utc;
    s->acme.clock = &clock_on_the_wall;
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

void begin(server *s) { begin_with(s, 2, 0); }

void end(server *s) {
    mw_jobs_stop(s->jobs, SECOND);
    mw_arena_done(&s->arena);
    mw_store_close(s->store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

const char *submit(server *s, const mw_ctx *ctx, const char *kind, const char *payload) {
    char *id = mw_arena_alloc(&s->arena, 32);
    assert_ok(
        mw_jobs_submit(ctx, s->jobs, &(mw_job_new){.kind = kind, .payload = payload}, id, &err));
    return id;
}

mw_job_record get(server *s, const mw_ctx *ctx, const char *id) {
    mw_job_record job;
    assert_ok(mw_store_job_get(ctx, s->store, &s->arena, id, &job, &err));
    return job;
}

void on_done(void *arg, const char *id) {
    waiter *w = arg;
    pthread_mutex_lock(&w->mutex);
    w->n_calls += id[0] != 0;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

mw_job_record wait_for(server *s, const mw_ctx *ctx, const char *id) {
    waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    assert_ok(mw_jobs_watch(s->jobs, ctx->org, id, on_done, &w, &err));
    pthread_mutex_lock(&w.mutex);
    while (w.n_calls == 0) pthread_cond_wait(&w.wake, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    mw_job_record job = get(s, ctx, id);
    assert_true(mw_job_state_final(job.state));
    return job;
}

void wait_until_state(server *s, const mw_ctx *ctx, const char *id, mw_job_state state) {
    while (get(s, ctx, id).state != state) nap(5);
}

/* Of any attempt. */
bool work_folder_exists(const mw_ctx *ctx, const char *id) {
    char path[700];
    bool exists = false;
    (void)snprintf(path, sizeof path, "%s/orgs/%s/work", data_path(), ctx->org);
    DIR *work = opendir(path);
    for (struct dirent *entry; work && (entry = readdir(work));)
        exists = exists || strncmp(entry->d_name, id, strlen(id)) == 0;
    if (work) closedir(work);
    return exists;
}

/* A job is final a moment before its folder is gone: stopping the manager waits for that. */
void assert_no_work_folder(const mw_ctx *ctx, const char *id) {
    for (int i = 0; i < 400 && work_folder_exists(ctx, id); i++) nap(5);
    assert_false(work_folder_exists(ctx, id));
}

void assert_failed(const mw_job_record *job, const char *code, const char *words) {
    if (job->state != MW_JOB_FAILURE)
        fail_msg("state %s, error %s", mw_job_state_name(job->state),
                 job->error ? job->error : "none");
    char expected[64];
    (void)snprintf(expected, sizeof expected, "\"code\":\"%s\"", code);
    if (!strstr(job->error, expected) || !strstr(job->error, words)) fail_msg("got %s", job->error);
}
