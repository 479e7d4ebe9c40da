/* test_upload.c -- a received file on disk: whole under its name, or not there at all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run/op/app.h"
#include "run/op/upload.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_err err;

enum { PIECE = 300000, PIECES = 3 };

static mw_status scenario(const mw_ctx *plain, void *arg, mw_err *e) {
    static char piece[PIECE];
    mw_ctx ctx = *plain;
    mw_app app = {.ctx = &ctx, .data_path = (char *)(uintptr_t)mw_test_folder()};
    mw_upload *upload = NULL;
    (void)arg;
    ctx.org = "default";
    memset(piece, 'x', sizeof piece);
    mw_status status = mw_dir_open(&ctx, app.data_path, MW_DIR_MUST_EXIST, &app.data, e);
    if (status) return status;
    status = mw_upload_open(&app, &ctx, "a b.csv", &upload, e);
    for (int i = 0; i < PIECES && !status; i++)
        status = mw_upload_write(upload, piece, sizeof piece, e);
    if (!status) status = mw_upload_finish(upload, e);
    struct stat info;
    if (!status) {
        assert_int_equal(stat(mw_upload_path(upload), &info), 0);
        assert_int_equal(info.st_size, PIECE * PIECES);
    }
    mw_upload_free(upload);
    mw_dir_close(app.data);
    return status;
}

/* Entries of orgs/default/uploads; 0 when it is not there. */
static size_t n_left(void) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/orgs/default/uploads", mw_test_folder());
    mw_dir *dir;
    mw_dir_entry *entries;
    size_t n = 0;
    if (mw_dir_open(&ctx, path, MW_DIR_MUST_EXIST, &dir, NULL) != MW_OK) return 0;
    assert_ok(mw_dir_list(&ctx, dir, &entries, &n, &err));
    mw_free(entries);
    mw_dir_close(dir);
    return n;
}

static void nothing_left(void *arg, uint64_t n) {
    (void)arg;
    if (n_left()) fail_msg("fault %d leaves %d uploads", (int)n, (int)n_left());
}

MW_TEST(a_full_disk_leaves_nothing) {
    assert_true(mw_fault_loop_io(scenario, NULL, MW_IO_WRITE, ENOSPC, nothing_left) > 0);
}

MW_TEST(each_failed_call_leaves_nothing) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_FSYNC, MW_IO_RENAME, MW_IO_MKDIR};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_true(mw_fault_loop_io(scenario, NULL, kinds[i], EIO, nothing_left) > 0);
}

MW_TEST(each_failed_allocation_leaves_nothing) {
    assert_true(mw_fault_loop_alloc(scenario, NULL) > 3);
    assert_int_equal(n_left(), 0);
}

MW_TEST(names) {
    char longest[257];
    memset(longest, 'n', sizeof longest - 1);
    longest[256] = '\0';
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "/", "a\nb", "a\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(mw_upload_check_name(bad[i], &err), MW_EINVAL);
        assert_string_equal(err.pointer, "name");
    }
    assert_status(mw_upload_check_name(longest, &err), MW_EINVAL);
    longest[255] = '\0';
    assert_ok(mw_upload_check_name(longest, &err));
    assert_ok(mw_upload_check_name("F\xc3\xbcllstand [1].csv.gz", &err));
    assert_ok(mw_upload_check_name("-", &err));
}

MW_TEST_MAIN(MW_RUN(a_full_disk_leaves_nothing), MW_RUN(each_failed_call_leaves_nothing),
             MW_RUN(each_failed_allocation_leaves_nothing), MW_RUN(names))
