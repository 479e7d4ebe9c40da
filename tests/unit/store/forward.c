/* forward.c -- see forward.h. */
#include "unit/store/forward.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/store/scene.h"

enum { OPENERS = 5, BEFORE = 20, AFTER = 20 };

static mw_store *open_there(const mw_forward *f, mw_ctx *ctx, mw_err *error) {
    mw_store *store = NULL;
    mw_ctx_init(ctx);
    ctx->org = "acme";
    return mw_store_open(ctx, f->location, &store, error) == MW_OK ? store : NULL;
}

static _Noreturn void give_up(const char *who, const mw_err *error) {
    (void)fprintf(stderr, "%s: %s\n", who, error->message);
    _exit(1);
}

/* Makes jobs, one at a time, and reads each: it says so of each, until the other side is closed. */
static _Noreturn void older_program(const mw_forward *f, int out, int stop) {
    mw_ctx ctx;
    mw_err error = {0};
    mw_arena arena;
    struct pollfd item = {.fd = stop, .events = POLLIN};
    *f->most = f->older;
    mw_store *store = open_there(f, &ctx, &error);
    if (!store) give_up("the older program cannot begin", &error);
    mw_arena_init(&arena, NULL);
    for (int i = 0; poll(&item, 1, 0) == 0; i++) {
        char payload[32], id[32];
        mw_job_record job;
        (void)snprintf(payload, sizeof payload, "{\"n\":%d}", i);
        if (create_job(&ctx, store, "older", payload, 0, 1, false, id, &error) != MW_OK)
            give_up("the older program cannot write", &error);
        if (mw_store_job_get(&ctx, store, &arena, id, &job, &error) != MW_OK ||
            strcmp(job.payload, payload) != 0 || job.state != MW_JOB_PENDING)
            give_up("the older program reads something else", &error);
        if (write(out, "", 1) != 1) break;
    }
    mw_arena_done(&arena);
    mw_store_close(store);
    _exit(0);
}

/* Whatever it is in time: the store is the newest one, and all that was said to be there is. */
static _Noreturn void newer_program(const mw_forward *f) {
    mw_ctx ctx;
    mw_err error = {0};
    mw_arena arena;
    const mw_job_record *jobs;
    size_t n = 0;
    int64_t counter;
    char id[32];
    mw_store *store = open_there(f, &ctx, &error);
    if (!store) give_up("a newer program cannot begin", &error);
    mw_arena_init(&arena, NULL);
    const mw_job_filter all = {.kind = "older", .limit = 20000};
    if (mw_store_key_counter(&ctx, store, &counter, &error) != MW_OK ||
        mw_store_job_list(&ctx, store, &arena, &all, &jobs, &n, &error) != MW_OK ||
        create_job(&ctx, store, "newer", "{}", 0, 1, false, id, &error) != MW_OK)
        give_up("a newer program cannot go on", &error);
    mw_arena_done(&arena);
    mw_store_close(store);
    _exit(n >= BEFORE ? 0 : 2);
}

static void wait_for_jobs(int from, int *n, int more) {
    char one;
    for (int i = 0; i < more; i++, ++*n) assert_int_equal(read(from, &one, 1), 1);
}

static void check_end(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void check_jobs(const mw_forward *f, int n_older) {
    mw_ctx ctx;
    mw_arena arena;
    const mw_job_record *jobs;
    size_t n = 0;
    mw_store *store = open_there(f, &ctx, &err);
    assert_non_null(store);
    mw_arena_init(&arena, NULL);
    mw_job_filter filter = {.kind = "older", .limit = 20000};
    assert_ok(mw_store_job_list(&ctx, store, &arena, &filter, &jobs, &n, &err));
    assert_int_equal(n, n_older);
    for (size_t i = 0; i < n; i++) { /* newest first */
        char payload[32];
        (void)snprintf(payload, sizeof payload, "{\"n\":%d}", n_older - 1 - (int)i);
        assert_string_equal(jobs[i].payload, payload);
    }
    filter.kind = "newer";
    assert_ok(mw_store_job_list(&ctx, store, &arena, &filter, &jobs, &n, &err));
    assert_int_equal(n, OPENERS);
    mw_arena_done(&arena);
    mw_store_close(store);
}

static void check_refusal(const mw_forward *f) {
    char versions[64];
    mw_ctx ctx;
    const int newest = *f->most;
    *f->most = f->older;
    assert_null(open_there(f, &ctx, &err));
    *f->most = newest;
    assert_int_equal(err.code, MW_EDATA);
    (void)snprintf(versions, sizeof versions, "version %d; this program knows up to %d", newest,
                   f->older);
    assert_non_null(strstr(err.message, versions));
    assert_non_null(strstr(err.hint, "newer Millwright"));
}

void mw_forward_under_load(const mw_forward *forward) {
    int said[2], stop[2], n_older = 0;
    pid_t openers[OPENERS];
    assert_true(pipe(said) == 0 && pipe(stop) == 0);
    const pid_t older = fork();
    if (older == 0) {
        close(said[0]);
        close(stop[1]);
        older_program(forward, said[1], stop[0]);
    }
    close(said[1]);
    close(stop[0]);
    wait_for_jobs(said[0], &n_older, BEFORE);
    for (int i = 0; i < OPENERS; i++) {
        openers[i] = fork();
        if (openers[i] == 0) newer_program(forward);
    }
    for (int i = 0; i < OPENERS; i++) check_end(openers[i]);
    wait_for_jobs(said[0], &n_older, AFTER);
    close(stop[1]);
    for (char one; read(said[0], &one, 1) == 1;) n_older++;
    close(said[0]);
    check_end(older);
    check_jobs(forward, n_older);
    check_refusal(forward);
}
