/*
 * test_store.c -- a store in an SQLite file: conformance, and what is particular to a file.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "keep/store/migrate.h"
#include "keep/store/sqlite.h"
#include "unit/store/forward.h"
#include "unit/store/scene.h"

static const char *store_path(void) {
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/store.db", mw_test_folder());
    return path;
}

static mw_store *open_file(const mw_ctx *ctx) {
    mw_store *store = NULL;
    assert_ok(mw_store_open(ctx, store_path(), &store, &err));
    return store;
}

static mw_status try_open(void) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_store *store = NULL;
    mw_status status = mw_store_open(&ctx, store_path(), &store, &err);
    mw_store_close(store);
    return status;
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char *data, size_t capacity) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(data, 1, capacity, file);
    fclose(file);
    return n;
}

/* Runs SQL on the file with a connection of the test's own. */
static void raw_sql(const char *sql) {
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(store_path(), &handle), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(handle);
}

static int64_t raw_int(const char *sql) {
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(store_path(), &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return value;
}

MW_TEST(schema_is_the_newest) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_store *store = open_file(&ctx);
    assert_int_equal(mw_store_schema_version(store), mw_sqlite__newest_schema());
    mw_store_close(store);
    assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
    assert_int_equal(raw_int("PRAGMA application_id"), 0x4d696c6c);
    assert_int_equal(raw_int("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

MW_TEST(newer_schema_is_refused_untouched) {
    assert_ok(try_open());
    char sql[64];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d", mw_sqlite__newest_schema() + 1);
    raw_sql(sql);
    static char before[1 << 20], after[1 << 20];
    size_t n = read_file(store_path(), before, sizeof before);
    assert_status(try_open(), MW_EDATA);
    assert_non_null(strstr(err.message, "schema version"));
    assert_true(err.hint[0] != 0);
    assert_int_equal(read_file(store_path(), after, sizeof after), n);
    assert_memory_equal(before, after, n);
}

MW_TEST(foreign_database_is_refused_untouched) {
    raw_sql("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    static char before[1 << 20], after[1 << 20];
    size_t n = read_file(store_path(), before, sizeof before);
    assert_status(try_open(), MW_EDATA);
    assert_int_equal(read_file(store_path(), after, sizeof after), n);
    assert_memory_equal(before, after, n);
    raw_sql("PRAGMA application_id = 77"); /* another program's, even when its tables were gone */
    raw_sql("DROP TABLE t");
    assert_status(try_open(), MW_EDATA);
}

MW_TEST(not_a_database) {
    char text[4096];
    memset(text, 'x', sizeof text);
    write_file(store_path(), text, sizeof text);
    assert_status(try_open(), MW_EDATA);
    assert_non_null(strstr(err.message, "store.db"));
    assert_null(strstr(err.message, mw_test_folder())); /* messages reach HTTP clients: no paths */
}

MW_TEST(damaged_database) {
    assert_ok(try_open());
    static char data[1 << 20];
    size_t n = read_file(store_path(), data, sizeof data);
    memset(data + 100, 0xA5, n - 100); /* the header stays good */
    write_file(store_path(), data, n);
    assert_status(try_open(), MW_EDATA);
}

MW_TEST(an_empty_file_becomes_a_store) {
    write_file(store_path(), "", 0);
    assert_ok(try_open());
}

MW_TEST(a_missing_folder_is_said) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_store *store = NULL;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/no/such/store.db", mw_test_folder());
    assert_status(mw_store_open(&ctx, path, &store, &err), MW_ENOTFOUND);
    assert_null(store);
    assert_status(mw_store_open(&ctx, "", &store, &err), MW_EINVAL);
    assert_status(mw_store_open(&ctx, ":memory:", &store, &err), MW_EINVAL);
    assert_status(mw_store_open(&ctx, "mysql://host/db", &store, &err), MW_EINVAL);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(read_only_file_is_refused) {
    assert_ok(try_open());
    assert_int_equal(chmod(mw_test_folder(), 0755), 0);
    assert_int_equal(chmod(store_path(), 0444), 0);
    if (geteuid() == 0 && seteuid(65534) != 0) skip();
    assert_status(try_open(), MW_EDENIED);
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}

MW_TEST(another_process_holds_the_lock) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_sqlite__busy_ms = 20;
    mw_store *store = open_file(&ctx);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(store_path(), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_status(mw_store_org_ensure(&ctx, store, "acme", &err), MW_EBUSY);
    assert_true(err.hint[0] != 0);
    bool exists = true; /* reading goes on */
    assert_ok(mw_store_org_exists(&ctx, store, "acme", &exists, &err));
    assert_false(exists);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(mw_store_org_ensure(&ctx, store, "acme", &err));
    sqlite3_close(other);
    mw_store_close(store);
}

MW_TEST(records_outlive_the_handle) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    char id[32];
    mw_store *store = open_file(&ctx);
    assert_ok(create_job(&ctx, store, "k", "{}", 0, 1, false, id, &err));
    mw_store_close(store);
    store = open_file(&ctx);
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_job_record job;
    assert_ok(mw_store_job_get(&ctx, store, &arena, id, &job, &err));
    mw_arena_done(&arena);
    mw_store_close(store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static void *open_once(void *arg) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err local;
    mw_store *store = NULL;
    mw_status status = mw_store_open(&ctx, arg, &store, &local);
    mw_store_close(store);
    return status == MW_OK ? arg : NULL;
}

/* Several openers race to create and migrate one fresh file. */
/* ---- copies ---- */

typedef struct writing {
    mw_store *store;
    atomic_bool stop;
    _Atomic int n_acknowledged;
} writing;

static void *write_on(void *arg) {
    writing *w = arg;
    mw_ctx ctx;
    mw_err own;
    mw_ctx_init(&ctx);
    for (int i = 0; !atomic_load(&w->stop); i++) {
        char org[32];
        (void)snprintf(org, sizeof org, "org%d", i);
        assert_int_equal(mw_store_org_ensure(&ctx, w->store, org, &own), MW_OK);
        atomic_store(&w->n_acknowledged, i + 1);
    }
    return NULL;
}

static int count_orgs(const mw_ctx *ctx, const char *path) {
    mw_store *store = NULL;
    mw_arena arena;
    const char *const *orgs;
    size_t n = 0;
    mw_arena_init(&arena, ctx->mem);
    assert_ok(mw_store_open(ctx, path, &store, &err));
    assert_ok(mw_store_org_list(ctx, store, &arena, &orgs, &n, &err));
    mw_store_close(store);
    mw_arena_done(&arena);
    return (int)n;
}

MW_TEST(a_copy_is_a_moment_of_a_busy_store) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    char path[600];
    (void)snprintf(path, sizeof path, "%s/copy.db", mw_test_folder());
    writing w = {.store = open_file(&ctx)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int round = 0; round < 5; round++) {
        while (atomic_load(&w.n_acknowledged) < 20 * (round + 1)) usleep(1000);
        const int before = atomic_load(&w.n_acknowledged);
        int schema = 0;
        assert_ok(mw_store_copy(&ctx, w.store, path, &err));
        const int after = atomic_load(&w.n_acknowledged);
        assert_ok(mw_store_check_copy(&ctx, path, &schema, &err));
        assert_int_equal(schema, mw_store_schema_version(w.store));
        const int n = count_orgs(&ctx, path);
        assert_in_range(n, before, after + 1);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    mw_store_close(w.store);
}

MW_TEST(a_damaged_copy_is_told) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    char path[600];
    int schema = -1;
    (void)snprintf(path, sizeof path, "%s/copy.db", mw_test_folder());
    mw_store *store = open_file(&ctx);
    assert_status(mw_store_check_copy(&ctx, path, &schema, &err), MW_ENOTFOUND);
    assert_ok(mw_store_copy(&ctx, store, path, &err));
    static char data[1 << 20];
    const size_t size = read_file(path, data, sizeof data);
    data[4096 + 8] ^= 0x55; /* a page's header */
    write_file(path, data, size);
    assert_status(mw_store_check_copy(&ctx, path, &schema, &err), MW_EDATA);
    write_file(path, "", 0);
    assert_status(mw_store_check_copy(&ctx, path, &schema, &err), MW_EDATA);
    assert_int_equal(schema, -1);
    /* A copy that is called off, or has no place, leaves nothing. */
    mw_cancel cancel = {.requested = true};
    mw_ctx called_off = ctx;
    called_off.cancel = &cancel;
    assert_status(mw_store_copy(&called_off, store, path, &err), MW_ECANCELED);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(mw_store_copy(&ctx, store, "/nowhere/copy.db", &err), MW_OK);
    mw_store_close(store);
}

MW_TEST(a_file_that_somebody_has_open_is_not_held) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_store_hold *hold = NULL;
    mw_store *store = open_file(&ctx);
    assert_status(mw_store_hold_file(&ctx, store_path(), &hold, &err), MW_EBUSY);
    assert_ok(mw_store_org_ensure(&ctx, store, "still", &err)); /* nobody was disturbed */
    mw_store_close(store);
    assert_ok(mw_store_hold_file(&ctx, store_path(), &hold, &err));
    mw_sqlite__busy_ms = 50;
    assert_status(try_open(), MW_EBUSY);
    mw_sqlite__busy_ms = MW_SQLITE_BUSY_MS;
    assert_null(mw_store_hold_free(hold));
    assert_status(try_open(), MW_OK);
}

MW_TEST(a_fresh_file_is_made_once) {
    pthread_t threads[6];
    const char *path = store_path();
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_once, (void *)(uintptr_t)path), 0);
    for (int i = 0; i < 6; i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    assert_int_equal(raw_int("SELECT count(*) FROM meta"), 1);
}

/* ---- kill -9 ---- */

/* Commits without end; writes each acknowledged version number to the pipe. */
static void committing_child(int out) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    mw_store *store = NULL;
    mw_err local;
    if (mw_store_open(&ctx, store_path(), &store, &local) != MW_OK) _exit(3);
    for (;;) {
        char id[32], source[16];
        mw_job_record job;
        mw_arena arena;
        mw_arena_init(&arena, NULL);
        if (create_job(&ctx, store, "k", "{}", 0, 1, false, id, &local) != MW_OK) _exit(4);
        if (mw_store_job_claim(&ctx, store, &arena, id, "w", 1000000, &job, &local) != MW_OK)
            _exit(5);
        memcpy(source, id + 11, 15);
        source[15] = '\0';
        mw_segment_record segment = {
            .source = source, .content_hash = "h", .file = source, .layout = "long"};
        mw_version_record version = {.model = "m",
                                     .run_id = id,
                                     .sha256 = "s",
                                     .metrics = "{}",
                                     .params = "{}",
                                     .data_hash = "d",
                                     .production = true};
        int32_t number = 0;
        mw_commit commit = {.job_id = id,
                            .fence = job.fence,
                            .result = "{}",
                            .dataset = "main",
                            .segments = &segment,
                            .n_segments = 1,
                            .versions = &version,
                            .n_versions = 1,
                            .ret_versions = &number};
        if (mw_store_commit(&ctx, store, &commit, &local) != MW_OK) _exit(6);
        if (write(out, &number, sizeof number) != (ssize_t)sizeof number) _exit(7);
        mw_arena_done(&arena);
    }
}

static int32_t run_and_kill(int64_t after_us) {
    int ends[2];
    (void)store_path(); /* before the fork: both use one folder */
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        committing_child(ends[1]);
    }
    close(ends[1]);
    int32_t number, last = 0;
    if (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number)
        last = number; /* it is at work */
    usleep((useconds_t)after_us);
    kill(pid, SIGKILL);
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number) last = number;
    close(ends[0]);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    return last;
}

MW_TEST(kill_loses_nothing_acknowledged) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    int32_t acknowledged = 0;
    for (int round = 0; round < 12; round++) {
        int32_t last = run_and_kill((int64_t)mw_rng_below(&rng, 20000));
        assert_true(last > acknowledged);
        acknowledged = last;
        int64_t n = raw_int("SELECT count(*) FROM versions");
        assert_true(n >= acknowledged);
        /* All parts of a commit or none: a version, a segment and a finished job each. */
        assert_int_equal(raw_int("SELECT count(*) FROM segments"), n);
        assert_int_equal(raw_int("SELECT count(*) FROM jobs WHERE state = 'SUCCESS'"), n);
        assert_int_equal(raw_int("SELECT max(version) FROM versions"), n);
        assert_int_equal(raw_int("SELECT count(*) FROM versions WHERE production = 1"), 1);
        assert_int_equal(raw_int("SELECT version FROM versions WHERE production = 1"), n);
        acknowledged = (int32_t)n;
    }
}

static void remove_store(void) {
    char path[600];
    const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s%s", store_path(), ends[i]);
        unlink(path);
    }
}

/* Whoever makes the schema is killed at a random moment: the next opener finishes the work. */
MW_TEST(kill_while_the_schema_is_made) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    (void)store_path();
    for (int round = 0; round < 25; round++) {
        pid_t pid = fork();
        if (pid == 0) _exit(try_open() == MW_OK ? 0 : 1);
        usleep((useconds_t)mw_rng_below(&rng, 12000));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_ok(try_open());
        assert_int_equal(raw_int("SELECT count(*) FROM meta"), 1);
        assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
        remove_store();
    }
}

static void put_step(int step) {
    static char data[1 << 18];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/store/step_%d.db", mw_test_golden(), step);
    write_file(store_path(), data, read_file(path, data, sizeof data));
}

static void check_upgraded(void) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_segment_record *segments;
    const mw_job_record *jobs;
    size_t n = 0;
    mw_store *store = open_file(&ctx);
    assert_ok(mw_store_segments(&ctx, store, &arena, "main", &segments, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(segments[0].source, "one.csv");
    assert_string_equal(segments[0].file, "8c5ae954351aff52282d2bed37fa5281.arrow");
    assert_string_equal(segments[0].rejects, "cacfb47c56a5c5cac8010e0aff97fc06.rejects.csv");
    assert_string_equal(segments[0].layout, "wide");
    assert_int_equal(segments[0].n_lines, 3);
    assert_int_equal(segments[0].n_rows, 2);
    assert_int_equal(segments[0].n_rejected, 1);
    assert_string_equal(segments[1].source, "two.csv");
    assert_string_equal(segments[1].file, "38ea0eab6d3b324cbcf3258e6a6f5f94.arrow");
    assert_int_equal(segments[1].n_rows, 40);
    assert_true(segments[1].first_us == INT64_C(1769904060000000)); /* 2026-02-01T00:01:00Z */
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(strlen(segments[i].content_hash), 64);
        assert_true(segments[i].added_us > 0);
        assert_null(segments[i].quality);
        assert_int_equal(segments[i].part, 0);
        assert_int_equal(segments[i].n_collisions, 0);
        assert_int_equal(segments[i].n_duplicates, 0);
        assert_int_equal(segments[i].n_late, 0);
    }
    assert_ok(
        mw_store_job_list(&ctx, store, &arena, &(mw_job_filter){.limit = 10}, &jobs, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(jobs[0].state, MW_JOB_SUCCESS);
    mw_store_close(store);
    mw_arena_done(&arena);
    assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
    assert_int_equal(raw_int("SELECT count(*) FROM sqlite_schema WHERE name = 'segments_1'"), 0);
    assert_int_equal(raw_int("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(raw_int("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

MW_TEST(a_store_of_step_1_is_brought_forward) {
    put_step(1);
    check_upgraded();
    check_upgraded(); /* once more does nothing */
}

/* Of step 5: keys stay, and schedules can be made. */
MW_TEST(a_store_of_step_5_is_brought_forward) {
    mw_ctx ctx;
    mw_arena arena;
    const mw_key_record *keys;
    const mw_job_record *jobs;
    const mw_schedule_record *schedules;
    size_t n = 0;
    char id[32];
    mw_ctx_init(&ctx);
    mw_arena_init(&arena, NULL);
    put_step(5);
    assert_int_equal(raw_int("PRAGMA user_version"), 5);
    mw_store *store = open_file(&ctx);
    assert_ok(mw_store_key_list(&ctx, store, &arena, NULL, &keys, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(keys[0].name, "nightly");
    assert_string_equal(keys[0].role, "trainer");
    assert_ok(
        mw_store_job_list(&ctx, store, &arena, &(mw_job_filter){.limit = 10}, &jobs, &n, &err));
    assert_int_equal(n, 1);
    assert_ok(mw_store_schedule_list(&ctx, store, &arena, &schedules, &n, &err));
    assert_int_equal(n, 0);
    const mw_schedule_record schedule = {.name = "nightly",
                                         .cron = "@daily",
                                         .zone = "UTC",
                                         .kind = "train",
                                         .payload = "{}",
                                         .next_us = START_US};
    assert_ok(mw_store_schedule_put(&ctx, store, &schedule, id, &err));
    mw_store_close(store);
    mw_arena_done(&arena);
    assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
    assert_int_equal(raw_int("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(raw_int("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* Of step 6: what changes keys is counted from now on. */
MW_TEST(a_store_of_step_6_is_brought_forward) {
    mw_ctx ctx;
    mw_arena arena;
    const mw_key_record *keys;
    mw_config_record config;
    size_t n = 0;
    int64_t before = -1, after = -1;
    mw_ctx_init(&ctx);
    mw_arena_init(&arena, NULL);
    put_step(6);
    assert_int_equal(raw_int("PRAGMA user_version"), 6);
    mw_store *store = open_file(&ctx);
    assert_ok(mw_store_config(&ctx, store, &arena, 0, &config, &err));
    assert_int_equal(config.version, 1);
    assert_ok(mw_store_key_list(&ctx, store, &arena, NULL, &keys, &n, &err));
    assert_int_equal(n, 2);
    assert_true(keys[0].revoked_us == 0 && keys[1].revoked_us > 0);
    assert_ok(mw_store_key_counter(&ctx, store, &before, &err));
    assert_ok(mw_store_key_revoke(&ctx, store, NULL, keys[0].id, &err));
    assert_ok(mw_store_key_counter(&ctx, store, &after, &err));
    assert_true(before != after);
    mw_store_close(store);
    mw_arena_done(&arena);
    assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
    assert_int_equal(raw_int("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

/* The old schema or the newest one, whole; and then the next opener finishes the work. */
static void check_old_or_new(void) {
    const int64_t version = raw_int("PRAGMA user_version");
    const bool is_new = version == mw_sqlite__newest_schema();
    assert_true(version == 1 || is_new);
    assert_int_equal(raw_int("SELECT count(*) FROM sqlite_schema WHERE name IN"
                             " ('configs', 'job_after', 'api_keys', 'leases', 'key_made')"),
                     is_new ? 5 : 0);
    assert_int_equal(raw_int("SELECT count(*) FROM segments"), 2);
    check_upgraded();
}

MW_TEST(kill_while_a_store_is_brought_forward) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 4, 0);
    for (int round = 0; round < 25; round++) {
        put_step(1);
        pid_t pid = fork();
        if (pid == 0) _exit(try_open() == MW_OK ? 0 : 1);
        usleep((useconds_t)mw_rng_below(&rng, 12000));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        check_old_or_new();
        remove_store();
    }
}

/* Files that cannot grow beyond some size stand for a disk that is full at one moment of the work or another. */
MW_TEST(a_full_disk_while_a_store_is_brought_forward) {
    int n_failed = 0, n_done = 0;
    for (rlim_t bytes = 70000; bytes < 500000; bytes += 12345) {
        put_step(1);
        pid_t pid = fork();
        if (pid == 0) {
            const struct rlimit limit = {bytes, bytes};
            signal(SIGXFSZ, SIG_IGN);
            if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(100);
            _exit((int)try_open());
        }
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status));
        n_done += WEXITSTATUS(status) == MW_OK;
        n_failed += WEXITSTATUS(status) == MW_EIO;
        assert_true(WEXITSTATUS(status) == MW_OK || WEXITSTATUS(status) == MW_EIO);
        check_old_or_new();
        remove_store();
    }
    assert_true(n_failed > 0 && n_done > 0);
}

MW_TEST(a_store_is_brought_forward_under_load) {
    static const int olders[] = {5, 6};
    for (int i = 0; i < 2; i++) {
        put_step(olders[i]);
        const mw_forward forward = {store_path(), &mw_sqlite__schema_most, olders[i]};
        mw_forward_under_load(&forward);
        assert_int_equal(raw_int("PRAGMA user_version"), mw_sqlite__newest_schema());
        assert_int_equal(raw_int("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
        remove_store();
    }
}

static mw_store *open_named(const mw_ctx *ctx, const char *name) {
    char path[600];
    mw_store *store = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", mw_test_folder(), name);
    assert_ok(mw_store_open(ctx, path, &store, &err));
    return store;
}

MW_TEST(all_tables_move) {
    scene s;
    begin(&s);
    mw_conformance_fill(&s.acme, s.store);
    mw_store *other = open_named(&s.acme, "other.db"), *third = open_named(&s.acme, "third.db");
    mw_migration there, back;
    assert_ok(mw_store_migrate(&s.acme, s.store, other, &there, &err));
    for (int i = 0; i < there.n_tables; i++) assert_true(there.tables[i].n_rows > 0);
    assert_int_equal(raw_int("SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                             " AND name NOT IN ('meta', 'leases')"),
                     there.n_tables); /* a new table must move, too */
    assert_ok(mw_store_migrate(&s.acme, other, third, &back, &err));
    for (int i = 0; i < there.n_tables; i++)
        assert_string_equal(there.tables[i].hash, back.tables[i].hash);
    assert_status(mw_store_migrate(&s.acme, s.store, other, &there, &err), MW_ECONFLICT);
    assert_non_null(strstr(err.message, "holds records already"));
    /* The order of jobs is kept, and the queue goes on. */
    const mw_job_record *jobs;
    size_t n;
    assert_ok(
        mw_store_job_list(&s.acme, third, &s.arena, &(mw_job_filter){.limit = 9}, &jobs, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(jobs[1].kind, "train");
    mw_job_record job;
    assert_ok(mw_store_job_claim(&s.acme, third, &s.arena, NULL, "w", SECOND, &job, &err));
    assert_string_equal(job.id, jobs[0].id);
    mw_store *fourth = open_named(&s.acme, "fourth.db");
    assert_status(mw_store_migrate(&s.acme, third, fourth, &back, &err), MW_ECONFLICT);
    assert_non_null(strstr(err.message, "is running"));
    mw_store_close(fourth);
    mw_store_close(third);
    mw_store_close(other);
    end(&s);
}

int main(int argc, char **argv) {
    static const mw_test tests[] = {MW_STORE_CONFORMANCE,
                                    MW_RUN(all_tables_move),
                                    MW_RUN(schema_is_the_newest),
                                    MW_RUN(newer_schema_is_refused_untouched),
                                    MW_RUN(foreign_database_is_refused_untouched),
                                    MW_RUN(not_a_database),
                                    MW_RUN(damaged_database),
                                    MW_RUN(an_empty_file_becomes_a_store),
                                    MW_RUN(a_missing_folder_is_said),
                                    MW_RUN(read_only_file_is_refused),
                                    MW_RUN(another_process_holds_the_lock),
                                    MW_RUN(records_outlive_the_handle),
                                    MW_RUN(a_copy_is_a_moment_of_a_busy_store),
                                    MW_RUN(a_damaged_copy_is_told),
                                    MW_RUN(a_file_that_somebody_has_open_is_not_held),
                                    MW_RUN(a_fresh_file_is_made_once),
                                    MW_RUN(kill_loses_nothing_acknowledged),
                                    MW_RUN(kill_while_the_schema_is_made),
                                    MW_RUN(a_store_of_step_1_is_brought_forward),
                                    MW_RUN(a_store_of_step_5_is_brought_forward),
                                    MW_RUN(a_store_of_step_6_is_brought_forward),
                                    MW_RUN(a_full_disk_while_a_store_is_brought_forward),
                                    MW_RUN(a_store_is_brought_forward_under_load),
                                    MW_RUN(kill_while_a_store_is_brought_forward)};
    mw_conformance_open = open_file;
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
