/* A file without a name: what was written comes back, and nothing stays behind. */
#include "support/harness.h"

#include <errno.h>
#include <string.h>

#include "core/base/scratch.h"
#include "support/fault_loop.h"

enum { PIECES = 20, PIECE = 1000 };

static mw_dir *folder;

static void assert_empty(void *arg, uint64_t n) {
    (void)arg, (void)n;
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir_entry *entries;
    size_t n_entries;
    mw_err err;
    assert_ok(mw_dir_list(&ctx, folder, &entries, &n_entries, &err));
    mw_free(entries);
    assert_int_equal(n_entries, 0);
}

static void open_folder(void) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &folder, &err));
}

static mw_status write_and_read(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    char piece[PIECE], back[PIECE];
    mw_scratch *scratch;
    mw_status status = mw_scratch_new(ctx, folder, &scratch, err);
    if (status != MW_OK) return status;
    for (int i = 0; i < PIECES && status == MW_OK; i++) {
        memset(piece, i, sizeof piece);
        status = mw_scratch_write(scratch, piece, sizeof piece, err);
    }
    for (int turn = 0; turn < 2 && status == MW_OK; turn++) {
        status = mw_scratch_rewind(scratch, err);
        for (int i = 0; i < PIECES && status == MW_OK; i++) {
            memset(piece, i, sizeof piece);
            status = mw_scratch_read(scratch, back, sizeof back, err);
            if (status == MW_OK) assert_memory_equal(piece, back, sizeof piece);
        }
    }
    if (status == MW_OK) assert_status(mw_scratch_read(scratch, back, 1, err), MW_EIO);
    mw_scratch_free(scratch);
    return status;
}

MW_TEST(what_was_written_comes_back) {
    open_folder();
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err;
    assert_ok(write_and_read(&ctx, NULL, &err));
    assert_empty(NULL, 0);
    mw_scratch *scratch;
    assert_ok(mw_scratch_new(&ctx, folder, &scratch, &err));
    assert_empty(NULL, 0); /* while it is open, too */
    mw_scratch_free(scratch);
    mw_scratch_free(NULL);
    mw_dir_close(folder);
}

MW_TEST(nothing_stays_behind_when_a_call_fails) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_READ, MW_IO_WRITE, MW_IO_CLOSE,
                                       MW_IO_UNLINK};
    open_folder();
    assert_int_equal(mw_fault_loop_alloc(write_and_read, NULL), 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_true(mw_fault_loop_io(write_and_read, NULL, kinds[i], ENOSPC, assert_empty) > 0);
    mw_dir_close(folder);
}

MW_TEST_MAIN(MW_RUN(what_was_written_comes_back), MW_RUN(nothing_stays_behind_when_a_call_fails))
