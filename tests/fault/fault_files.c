/*
 * fault_files.c -- replacing a file, with every allocation and every I/O call failing once and the
 * machine stopping at every call: readers see the whole old content or the whole new one.
 */
#include "support/fault_loop.h"
#include "support/harness.h"

#include <errno.h>
#include <string.h>

#include "core/base/dir.h"

static const char OLD[] = "the old content";
static const char NEW[] = "the new content, which is longer";

static mw_status replace(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_dir *dir;
    mw_status status = mw_dir_open(ctx, arg, MW_DIR_MUST_EXIST, &dir, err);
    if (status) return status;
    status = mw_file_replace(ctx, dir, "file", NEW, strlen(NEW), err);
    mw_dir_close(dir);
    return status;
}

static void put_old(void *arg) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err;
    mw_dir *dir;
    assert_ok(mw_dir_open(&ctx, arg, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_replace(&ctx, dir, "file", OLD, strlen(OLD), &err));
    mw_dir_close(dir);
}

static void expect_old_or_new(void *arg, uint64_t n) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err;
    mw_dir *dir;
    char *content;
    size_t size;
    assert_ok(mw_dir_open(&ctx, arg, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_read(&ctx, dir, "file", 1000, &content, &size, &err));
    bool is_new = strcmp(content, NEW) == 0;
    if (!is_new) assert_string_equal(content, OLD);
    if (n == 0) assert_true(is_new);
    mw_free(content);
    mw_dir_close(dir);
    put_old(arg);
}

static void *folder_with_old(void) {
    void *folder = (void *)(uintptr_t)mw_test_folder();
    put_old(folder);
    return folder;
}

MW_TEST(every_failed_allocation_is_reported) {
    assert_true(mw_fault_loop_alloc(replace, folder_with_old()) >= 2);
}

MW_TEST(every_failed_call_leaves_old_or_new) {
    static const struct {
        mw_io_kind kind;
        int reason;
        uint64_t least;
    } faults[] = {{MW_IO_OPEN, EMFILE, 1},  {MW_IO_WRITE, ENOSPC, 1}, {MW_IO_WRITE, EIO, 1},
                  {MW_IO_FSYNC, EIO, 2},    {MW_IO_CLOSE, EIO, 1},    {MW_IO_RENAME, ENOSPC, 1},
                  {MW_IO_UNLINK, EROFS, 0}, {MW_IO_READ, EIO, 0}};
    void *folder = folder_with_old();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint64_t n =
            mw_fault_loop_io(replace, folder, faults[i].kind, faults[i].reason, expect_old_or_new);
        assert_true(n >= faults[i].least);
    }
}

MW_TEST(a_stop_at_any_call_leaves_old_or_new) {
    assert_true(mw_fault_loop_crash(replace, folder_with_old(), expect_old_or_new) >= 4);
}

MW_TEST(a_short_write_is_continued) {
    void *folder = folder_with_old();
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_faulty_io faulty;
    mw_faulty_io_init(&faulty);
    mw_faulty_io_short_write(&faulty, 1);
    ctx.io = &faulty.io;
    mw_err err;
    assert_ok(replace(&ctx, folder, &err));
    assert_true(faulty.fired);
    assert_int_equal(faulty.count[MW_IO_WRITE], 2);
    expect_old_or_new(folder, 0);
}

MW_TEST_MAIN(MW_RUN(every_failed_allocation_is_reported),
             MW_RUN(every_failed_call_leaves_old_or_new),
             MW_RUN(a_stop_at_any_call_leaves_old_or_new), MW_RUN(a_short_write_is_continued))
