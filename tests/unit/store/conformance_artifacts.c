/* conformance_artifacts.c -- see conformance_artifacts.h. */
#include "unit/store/conformance_artifacts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/faulty_io.h"

mw_artifacts_opener mw_conformance_artifacts;

static mw_err err;
static mw_ctx ctx;
static mw_dir *dir;
static mw_artifacts *artifacts;

static void start(void) {
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_CREATE, &dir, &err));
    artifacts = mw_conformance_artifacts(&ctx);
}

static void stop(void) {
    artifacts = mw_artifacts_close(artifacts);
    dir = mw_dir_close(dir);
}

static unsigned char byte_of(size_t i, unsigned kind) {
    return (unsigned char)((i * 131 + i / 257) * (kind + 1) + kind);
}

void mw_conformance_file(const mw_ctx *of, mw_dir *in, const char *name, size_t n, unsigned kind) {
    unsigned char *bytes = mw_alloc(NULL, n + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = byte_of(i, kind);
    assert_ok(mw_file_replace(of, in, name, bytes, n, &err));
    mw_free(bytes);
}

void mw_conformance_holds(const mw_ctx *of, mw_dir *in, const char *name, size_t n, unsigned kind) {
    char *bytes;
    size_t size;
    assert_ok(mw_file_read(of, in, name, 64 << 20, &bytes, &size, &err));
    assert_int_equal(size, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)bytes[i] != byte_of(i, kind)) fail_msg("byte %zu is another one", i);
    mw_free(bytes);
}

static bool has(const char *name) {
    bool there = false;
    assert_ok(mw_artifacts_has(&ctx, artifacts, name, &there, &err));
    return there;
}

static void put(const char *name, const char *file) {
    assert_ok(mw_artifacts_put(&ctx, artifacts, name, dir, file, &err));
}

void artifacts_life(void **state) {
    static const size_t sizes[] = {0, 1, 1000, 1 << 20, (3 << 20) + 7};
    char name[64];
    (void)state;
    start();
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "orgs/acme/datasets/main/x%u.arrow", i);
        assert_false(has(name));
        mw_conformance_file(&ctx, dir, "a", sizes[i], i);
        put(name, "a");
        assert_true(has(name));
        put(name, "a"); /* the same again */
    }
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "orgs/acme/datasets/main/x%u.arrow", i);
        assert_ok(mw_artifacts_get(&ctx, artifacts, name, dir, "b", &err));
        mw_conformance_holds(&ctx, dir, "b", sizes[i], i);
    }
    /* Another content takes the place of the old one, smaller or larger. */
    for (unsigned i = 0; i < 2; i++) {
        mw_conformance_file(&ctx, dir, "a", i ? 5000 : (2 << 20) + 1, 9 + i);
        put("orgs/acme/models/m", "a");
        assert_ok(mw_artifacts_get(&ctx, artifacts, "orgs/acme/models/m", dir, "b", &err));
        mw_conformance_holds(&ctx, dir, "b", i ? 5000 : (2 << 20) + 1, 9 + i);
    }
    /* What is not there leaves what is here. */
    assert_status(mw_artifacts_get(&ctx, artifacts, "orgs/acme/none", dir, "b", &err),
                  MW_ENOTFOUND);
    mw_conformance_holds(&ctx, dir, "b", 5000, 10);
    assert_status(mw_artifacts_put(&ctx, artifacts, "orgs/acme/none", dir, "missing", &err),
                  MW_ENOTFOUND);
    assert_false(has("orgs/acme/none"));
    assert_ok(mw_artifacts_remove(&ctx, artifacts, "orgs/acme/models/m", &err));
    assert_ok(mw_artifacts_remove(&ctx, artifacts, "orgs/acme/models/m", &err));
    assert_false(has("orgs/acme/models/m"));
    assert_true(has("orgs/acme/datasets/main/x4.arrow"));
    assert_ok(mw_artifacts_check(&ctx, artifacts, dir, &err));
    assert_false(mw_dir_has(dir, ".artifact-check"));
    stop();
}

typedef struct listing {
    size_t n, stop_at;
    char last[128];
} listing;

static mw_status count(void *arg, const char *name, mw_err *e) {
    listing *l = arg;
    assert_true(strcmp(l->last, name) < 0);
    mw_str_copy(l->last, sizeof l->last, mw_str_of(name));
    l->n++;
    return l->n == l->stop_at ? mw_fail(e, MW_ECANCELED, "enough") : MW_OK;
}

static size_t count_of(const char *prefix) {
    listing l = {.n = 0};
    assert_ok(mw_artifacts_list(&ctx, artifacts, prefix, count, &l, &err));
    return l.n;
}

void artifacts_lists(void **state) {
    enum { N = 1030 }; /* more than a page */
    char name[64];
    (void)state;
    start();
    mw_conformance_file(&ctx, dir, "a", 3, 0);
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof name, "orgs/a/many/%04d", i);
        put(name, "a");
    }
    put("orgs/a/one", "a");
    put("orgs/ab/one", "a");
    put("orgs/a-b/one.two/x", "a");
    assert_int_equal(count_of("orgs/a/"), N + 1);
    assert_int_equal(count_of("orgs/a"), N + 3);
    assert_int_equal(count_of(""), N + 3);
    assert_int_equal(count_of("orgs/a/one"), 1);
    assert_int_equal(count_of("orgs/a/many/00"), 100);
    assert_int_equal(count_of("orgs/b"), 0);
    listing l = {.stop_at = 7};
    assert_status(mw_artifacts_list(&ctx, artifacts, "orgs/", count, &l, &err), MW_ECANCELED);
    assert_int_equal(l.n, 7);
    assert_ok(mw_artifacts_remove(&ctx, artifacts, "orgs/a/", &err));
    assert_int_equal(count_of(""), 2);
    assert_true(has("orgs/ab/one"));
    stop();
}

void artifacts_names(void **state) {
    static const char *const bad[] = {"",    "/a",  "a/",   "a//b", "../a",     "a/../b", "a/.",
                                      "./a", "a b", "a\\b", "a%2e", "\xc3\xa4", "a?b",    "a\nb"};
    bool there;
    (void)state;
    start();
    mw_conformance_file(&ctx, dir, "a", 3, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(mw_artifacts_put(&ctx, artifacts, bad[i], dir, "a", &err), MW_EINVAL);
        assert_status(mw_artifacts_get(&ctx, artifacts, bad[i], dir, "b", &err), MW_EINVAL);
        assert_status(mw_artifacts_has(&ctx, artifacts, bad[i], &there, &err), MW_EINVAL);
    }
    assert_status(mw_artifacts_remove(&ctx, artifacts, "a/../", &err), MW_EINVAL);
    assert_status(mw_artifacts_remove(&ctx, artifacts, "", &err), MW_EINVAL);
    char longest[600];
    memset(longest, 'n', sizeof longest);
    longest[511] = '\0';
    put(longest, "a");
    assert_true(has(longest));
    longest[511] = 'n';
    longest[512] = '\0';
    assert_status(mw_artifacts_put(&ctx, artifacts, longest, dir, "a", &err), MW_EINVAL);
    stop();
}

static mw_dir *below(mw_dir *parent, const char *name) {
    mw_dir *sub;
    assert_ok(mw_dir_sub(&ctx, parent, name, MW_DIR_CREATE, &sub, &err));
    return sub;
}

void artifacts_folders(void **state) {
    (void)state;
    start();
    mw_dir *one = below(dir, "one"), *two = below(dir, "two");
    mw_dir *orgs = below(one, "orgs"), *folder = below(orgs, "m"), *sub = below(folder, "plots");
    mw_conformance_file(&ctx, folder, "model.onnx", 10000, 1);
    mw_conformance_file(&ctx, folder, ".model.tmp-1-1", 5, 1);
    mw_conformance_file(&ctx, sub, "a.json", 20, 2);
    mw_conformance_file(&ctx, orgs, "file", 30, 3);
    assert_ok(mw_artifacts_put_folder(&ctx, artifacts, one, "orgs/m", &err));
    assert_ok(mw_artifacts_put_file(&ctx, artifacts, one, "orgs/file", &err));
    assert_int_equal(count_of("orgs/"), 3);
    /* Twice: where nothing is, and where the folder is another one. */
    for (int i = 0; i < 2; i++) {
        assert_ok(mw_artifacts_fetch_folder(&ctx, artifacts, two, "orgs/m", &err));
        mw_dir *orgs2 = below(two, "orgs"), *m = below(orgs2, "m"), *plots = below(m, "plots");
        mw_conformance_holds(&ctx, m, "model.onnx", 10000, 1);
        mw_conformance_holds(&ctx, plots, "a.json", 20, 2);
        assert_false(mw_dir_has(m, "other"));
        mw_conformance_file(&ctx, m, "model.onnx", 7, 7);
        mw_conformance_file(&ctx, m, "other", 7, 7);
        assert_ok(mw_artifacts_fetch_file(&ctx, artifacts, two, "orgs/file", &err));
        mw_conformance_holds(&ctx, orgs2, "file", 30, 3);
        mw_dir_entry *entries;
        size_t n;
        assert_ok(mw_dir_list(&ctx, orgs2, &entries, &n, &err));
        assert_int_equal(n, 2);
        mw_free(entries);
        mw_dir_close(plots);
        mw_dir_close(m);
        mw_dir_close(orgs2);
    }
    assert_status(mw_artifacts_fetch_folder(&ctx, artifacts, two, "orgs/none", &err), MW_ENOTFOUND);
    assert_status(mw_artifacts_fetch_file(&ctx, artifacts, two, "orgs/none", &err), MW_ENOTFOUND);
    assert_status(mw_artifacts_fetch_file(&ctx, NULL, two, "orgs/file2", &err), MW_ENOTFOUND);
    mw_dir_close(sub);
    mw_dir_close(folder);
    mw_dir_close(orgs);
    mw_dir_close(two);
    mw_dir_close(one);
    stop();
}

/* A disk that fails leaves the old file, and the next try brings the new one. */
void artifacts_disk(void **state) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_WRITE, MW_IO_FSYNC, MW_IO_RENAME};
    mw_faulty_io faulty;
    (void)state;
    start();
    mw_conformance_file(&ctx, dir, "a", 2 << 20, 1);
    put("orgs/x", "a");
    mw_conformance_file(&ctx, dir, "b", 100, 2);
    for (size_t i = 0; i < 4; i++) {
        mw_ctx broken = ctx;
        mw_faulty_io_init(&faulty);
        broken.io = &faulty.io;
        mw_faulty_io_fail(&faulty, kinds[i], 1, ENOSPC);
        assert_int_not_equal(mw_artifacts_get(&broken, artifacts, "orgs/x", dir, "b", &err), MW_OK);
        assert_true(faulty.fired);
        mw_conformance_holds(&ctx, dir, "b", 100, 2);
    }
    assert_ok(mw_artifacts_get(&ctx, artifacts, "orgs/x", dir, "b", &err));
    mw_conformance_holds(&ctx, dir, "b", 2 << 20, 1);
    stop();
}
