/*
 * fault_store.c -- the store when memory or the disk says no at any single moment.
 *
 * A shim over SQLite's file layer makes the n-th write, sync, truncate or open fail once, or that call
 * and all later ones (the machine stops). Afterwards, without faults, everything that was acknowledged
 * must be there and nothing may be half.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keep/store/store.h"
#include "support/harness.h"

/* ---- a file layer that fails when told to ---- */

typedef struct shim_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
} shim_file;

static sqlite3_vfs *real_vfs;
static int fault_code;        /* SQLITE_IOERR_WRITE, SQLITE_FULL, ... */
static _Atomic int countdown; /* the call that fails; 0: none */
static _Atomic int n_calls;
static bool stays_broken;

static int fault(void) {
    int call = atomic_fetch_add(&n_calls, 1) + 1;
    int at = atomic_load(&countdown);
    return at > 0 && (call == at || (stays_broken && call > at)) ? fault_code : SQLITE_OK;
}

static sqlite3_file *real_of(sqlite3_file *file) { return ((shim_file *)file)->real; }

static int shim_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }
static int shim_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at) {
    return real_of(f)->pMethods->xRead(real_of(f), data, size, at);
}
static int shim_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at) {
    int code = fault();
    return code ? code : real_of(f)->pMethods->xWrite(real_of(f), data, size, at);
}
static int shim_truncate(sqlite3_file *f, sqlite3_int64 size) {
    int code = fault();
    return code ? code : real_of(f)->pMethods->xTruncate(real_of(f), size);
}
static int shim_sync(sqlite3_file *f, int flags) {
    int code = fault();
    return code ? code : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int shim_size(sqlite3_file *f, sqlite3_int64 *size) {
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int shim_lock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int shim_unlock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int shim_check_lock(sqlite3_file *f, int *out) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int shim_control(sqlite3_file *f, int op, void *arg) {
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int shim_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static int shim_traits(sqlite3_file *f) {
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static int shim_shm_unmap(sqlite3_file *f, int remove) {
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods shim_methods = {.iVersion = 2,
                                                .xClose = shim_close,
                                                .xRead = shim_read,
                                                .xWrite = shim_write,
                                                .xTruncate = shim_truncate,
                                                .xSync = shim_sync,
                                                .xFileSize = shim_size,
                                                .xLock = shim_lock,
                                                .xUnlock = shim_unlock,
                                                .xCheckReservedLock = shim_check_lock,
                                                .xFileControl = shim_control,
                                                .xSectorSize = shim_sector,
                                                .xDeviceCharacteristics = shim_traits,
                                                .xShmMap = shim_shm_map,
                                                .xShmLock = shim_shm_lock,
                                                .xShmBarrier = shim_shm_barrier,
                                                .xShmUnmap = shim_shm_unmap};

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags) {
    (void)vfs;
    shim_file *shim = (shim_file *)file;
    shim->base.pMethods = NULL;
    shim->real = (sqlite3_file *)(shim + 1);
    int code = fault();
    if (code) return SQLITE_CANTOPEN;
    code = real_vfs->xOpen(real_vfs, name, shim->real, flags, out_flags);
    if (shim->real->pMethods) shim->base.pMethods = &shim_methods;
    return code;
}

static void install_shim(void) {
    static sqlite3_vfs shim;
    real_vfs = sqlite3_vfs_find(NULL);
    shim = *real_vfs;
    shim.zName = "faulty";
    shim.szOsFile = real_vfs->szOsFile + (int)sizeof(shim_file);
    shim.xOpen = shim_open;
    assert_int_equal(sqlite3_vfs_register(&shim, 1), SQLITE_OK);
}

/* ---- the scenario ---- */

enum { N_COMMITS = 4 };

static mw_err err, first_err; /* first_err: of the status that the scenario returns */
static char path[600];

static void init_path(void) { (void)snprintf(path, sizeof path, "%s/store.db", mw_test_folder()); }

static void remove_store(void) {
    const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        char name[620];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static mw_status commit_one(const mw_ctx *ctx, mw_store *store, int i) {
    char source[16];
    (void)snprintf(source, sizeof source, "%d.csv", i);
    mw_segment_record segment = {
        .source = source, .content_hash = "h", .file = source, .layout = "long"};
    mw_version_record version = {.model = "m",
                                 .run_id = source,
                                 .sha256 = "s",
                                 .metrics = "{}",
                                 .params = "{}",
                                 .data_hash = "d",
                                 .production = true};
    mw_commit commit = {.result = "{}",
                        .dataset = "main",
                        .segments = &segment,
                        .n_segments = 1,
                        .versions = &version,
                        .n_versions = 1};
    return mw_store_commit(ctx, store, &commit, &err);
}

/* Opens, commits, closes; *n_acknowledged counts what was promised. The first status that is no success. */
static mw_status scenario(bool acknowledged[N_COMMITS]) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    mw_store *store = NULL;
    memset(acknowledged, 0, N_COMMITS * sizeof *acknowledged);
    mw_status first = mw_store_open(&ctx, path, &store, &err);
    first_err = err;
    if (first != MW_OK) return first;
    for (int i = 0; i < N_COMMITS; i++) {
        mw_status status = commit_one(&ctx, store, i);
        acknowledged[i] = status == MW_OK;
        if (first == MW_OK && status != MW_OK) first_err = err;
        if (first == MW_OK) first = status;
    }
    mw_store_close(store);
    return first;
}

/* Without faults: everything acknowledged is there, and each commit has all its parts. */
static void check(const bool acknowledged[N_COMMITS]) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    mw_store *store = NULL;
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_store_open(&ctx, path, &store, &err));
    const mw_version_record *versions = NULL;
    const mw_segment_record *segments = NULL;
    size_t n_versions = 0, n_segments = 0;
    assert_ok(mw_store_versions(&ctx, store, &arena, "m", &versions, &n_versions, &err));
    mw_status status = mw_store_segments(&ctx, store, &arena, "main", &segments, &n_segments, &err);
    if (status != MW_ENOTFOUND) assert_int_equal(status, MW_OK);
    assert_int_equal(n_versions, n_segments);
    for (size_t i = 0; i < n_versions; i++) {
        assert_int_equal(versions[i].version, n_versions - i);
        assert_int_equal(versions[i].production, i == 0);
    }
    for (int i = 0; i < N_COMMITS; i++) {
        char source[16];
        bool found = false;
        (void)snprintf(source, sizeof source, "%d.csv", i);
        for (size_t k = 0; k < n_versions; k++) found |= strcmp(versions[k].run_id, source) == 0;
        if (acknowledged[i] && !found) fail_msg("commit %d was acknowledged and is gone", i);
    }
    mw_arena_done(&arena);
    mw_store_close(store);
}

static void run_io(int code, mw_status expected, bool broken) {
    init_path();
    install_shim();
    fault_code = code;
    stays_broken = broken;
    int n_failed = 0;
    for (int n = 1;; n++) {
        bool acknowledged[N_COMMITS];
        remove_store();
        atomic_store(&n_calls, 0);
        atomic_store(&countdown, n);
        mw_status status = scenario(acknowledged);
        bool reached = atomic_load(&n_calls) >= n;
        atomic_store(&countdown, 0);
        if (status != MW_OK) {
            n_failed++;
            assert_true(first_err.message[0] != 0);
            /* A folder that cannot be opened has its own words. */
            if (status != expected && status != MW_EIO && status != MW_ENOTFOUND &&
                status != MW_EDENIED)
                fail_msg("call %d: %s %s", n, mw_status_name(status), first_err.message);
        }
        check(acknowledged);
        assert_int_equal(mw_mem_used(&mw_mem_process), 0);
        if (!reached) break;
    }
    assert_true(n_failed > 10);
}

MW_TEST(any_failed_write) { run_io(SQLITE_IOERR_WRITE, MW_EIO, false); }
MW_TEST(a_full_disk_at_any_moment) { run_io(SQLITE_FULL, MW_EIO, false); }
MW_TEST(a_disk_that_stays_full) { run_io(SQLITE_FULL, MW_EIO, true); }
MW_TEST(a_machine_that_stops_at_any_moment) { run_io(SQLITE_IOERR_FSYNC, MW_EIO, true); }

/* ---- memory ---- */

MW_TEST(any_failed_allocation) {
    init_path();
    bool acknowledged[N_COMMITS];
    uint64_t n = 1;
    int n_failed = 0;
    assert_int_equal(scenario(acknowledged),
                     MW_OK); /* the schema is there: what is left is daily work */
    for (;; n++) {
        mw_alloc_fail_at(n);
        mw_status status = scenario(acknowledged);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (status != MW_OK && status != MW_ENOMEM)
            fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), first_err.message);
        n_failed += status != MW_OK;
        assert_int_equal(mw_mem_used(&mw_mem_process), 0);
        if (!fired) break;
    }
    assert_true(n_failed > 10);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = "acme";
    mw_store *store = NULL;
    assert_ok(mw_store_open(&ctx, path, &store, &err));
    assert_ok(commit_one(&ctx, store, 0));
    mw_store_close(store);
}

MW_TEST_MAIN(MW_RUN(any_failed_write), MW_RUN(a_full_disk_at_any_moment),
             MW_RUN(a_disk_that_stays_full), MW_RUN(a_machine_that_stops_at_any_moment),
             MW_RUN(any_failed_allocation))
