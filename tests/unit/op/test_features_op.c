/* The operation `features` when memory or the disk runs out: the output is there whole, or what stood there before stays. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "run/op/op.h"
#include "support/fault_loop.h"
#include "support/harness.h"

enum { PATHS = 3 };
static const char old_text[] = "what stood there before\n";

typedef struct files {
    const mw_op *op;
    const mw_param *params;
    char paths[PATHS][512]; /* of the configuration, the rows, the features */
    char flagged[512];      /* "": not asked for */
    int threads;
    mw_status last;
} files;

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void make_files(files *f, const char *out, int n_rows) {
    static const char config[] =
        "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],\"booleanColumns\":[\"b\"],"
        "\"deviceColumn\":\"d\",\"rollingWindows\":[5,\"1min\"],\"lagSeconds\":[20]}}";
    static const char *const names[PATHS - 1] = {"config.json", "rows.csv"};
    mw_buf text;
    *f = (files){.op = mw_op_by_name("features"), .threads = 1};
    f->params = mw_op_params(f->op);
    for (int i = 0; i < PATHS; i++)
        snprintf(f->paths[i], sizeof f->paths[i], "%s/%s", mw_test_folder(),
                 i < PATHS - 1 ? names[i] : out);
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "time,d,a,b,note\n");
    for (int i = 0; i < n_rows; i++)
        mw_buf_printf(&text, "2026-01-01 %02d:%02d:%02d,d%d,%d.25,%d,\n", i / 3600 % 24,
                      i / 60 % 60, i % 60, i % 3, i * 7 % 100, i % 2);
    put(f->paths[0], config);
    put(f->paths[1], mw_buf_text(&text));
    put(f->paths[2], old_text);
    mw_buf_done(&text);
}

static mw_status parse(const mw_ctx *ctx, const files *f, mw_args **ret, mw_err *err) {
    static const char *const names[PATHS] = {"config", "file", "out"};
    mw_status status = mw_args_new(ctx->mem, f->params, ret, err);
    for (int i = 0; i < PATHS && !status; i++)
        status = mw_args_set(*ret, mw_str_of(names[i]), mw_str_of(f->paths[i]), err);
    if (!status && f->flagged[0])
        status = mw_args_set(*ret, MW_STR("quality"), mw_str_of(f->flagged), err);
    if (!status && f->flagged[0]) status = mw_args_set(*ret, MW_STR("range"), MW_STR("a=50:"), err);
    return status ? status : mw_args_finish(*ret, err);
}

static mw_status run(const mw_ctx *ctx, void *arg, mw_err *err) {
    files *f = arg;
    mw_ctx own = *ctx;
    mw_args *args = NULL;
    mw_buf text;
    mw_buf_init(&text, ctx->mem, 1 << 16);
    mw_status status = parse(ctx, f, &args, err);
    if (!status && f->threads > 1) status = mw_pool_new(ctx->mem, f->threads, &own.pool, err);
    const mw_call call = {.ctx = &own, .args = args};
    if (!status) status = f->op->prepare(&call, &text, err);
    if (!status) status = mw_buf_status(&text, "what is said", err);
    mw_pool_free(own.pool);
    mw_args_free(args);
    mw_buf_done(&text);
    f->last = status;
    return status;
}

/* Nothing but the three files, and the third as it was, unless all went well. */
static void look(void *arg, uint64_t n) {
    const files *f = arg;
    char found[sizeof old_text] = "";
    FILE *file = fopen(f->paths[2], "rb");
    assert_non_null(file);
    const size_t size = fread(found, 1, sizeof old_text - 1, file);
    fclose(file);
    const bool is_old = size == sizeof old_text - 1 && memcmp(found, old_text, size) == 0;
    if (is_old != (f->last != MW_OK))
        fail_msg("call %llu: %s", (unsigned long long)n, mw_status_name(f->last));
    int n_files = 0;
    DIR *dir = opendir(mw_test_folder());
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n_files += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    assert_int_equal(n_files, PATHS);
    put(f->paths[2], old_text);
}

MW_TEST(any_failed_allocation_is_survived) {
    files f;
    make_files(&f, "f.csv", 60);
    assert_true(mw_fault_loop_alloc(run, &f) > 100);
    make_files(&f, "f.arrow", 60);
    f.threads = 2;
    assert_true(mw_fault_loop_alloc(run, &f) > 100);
}

MW_TEST(any_failed_allocation_is_survived_by_judging) {
    static const char *const flagged[] = {"q.csv", "q.arrow"};
    for (int i = 0; i < 2; i++) {
        files f;
        make_files(&f, "f.csv", 60);
        snprintf(f.flagged, sizeof f.flagged, "%s/%s", mw_test_folder(), flagged[i]);
        assert_true(mw_fault_loop_alloc(run, &f) > 200);
    }
}

MW_TEST(a_full_disk_leaves_what_was_there) {
    static const char *const outs[] = {"f.csv", "f.arrow"};
    for (int i = 0; i < 2; i++) {
        files f;
        make_files(&f, outs[i], 20000); /* several blocks */
        assert_true(mw_fault_loop_io(run, &f, MW_IO_RENAME, EIO, look) == 1);
        assert_true(mw_fault_loop_io(run, &f, MW_IO_WRITE, ENOSPC, look) > 4);
        unlink(f.paths[2]);
    }
}

MW_TEST(a_file_that_cannot_be_read_leaves_what_was_there) {
    files f;
    make_files(&f, "f.csv", 20000);
    assert_true(mw_fault_loop_io(run, &f, MW_IO_READ, EIO, look) > 1);
}

MW_TEST_MAIN(MW_RUN(any_failed_allocation_is_survived),
             MW_RUN(any_failed_allocation_is_survived_by_judging),
             MW_RUN(a_full_disk_leaves_what_was_there),
             MW_RUN(a_file_that_cannot_be_read_leaves_what_was_there))
