/* test_files.c -- durable files: old or new, never half; every failing call is reported and cleaned
 * up. */
#include "support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/dir.h"
#include "core/base/hash.h"
#include "support/faulty_io.h"

/* An mw_io that fails its n-th call with the given errno; writes may be cut short. */
typedef struct faulty {
    int calls_left, error;
    bool short_writes;
} faulty;

static bool fails(faulty *f) {
    if (f->calls_left < 0 || f->calls_left-- != 0) return false;
    errno = f->error;
    return true;
}

static int f_open(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    return fails(self) ? -1 : mw_io_system.open(NULL, dir_fd, path, flags, mode);
}
static ssize_t f_read(void *self, int fd, void *data, size_t size) {
    return fails(self) ? -1 : mw_io_system.read(NULL, fd, data, size);
}
static ssize_t f_write(void *self, int fd, const void *data, size_t size) {
    faulty *f = self;
    if (fails(f)) return -1;
    return mw_io_system.write(NULL, fd, data, f->short_writes && size > 3 ? 3 : size);
}
static int f_fsync(void *self, int fd) { return fails(self) ? -1 : mw_io_system.fsync(NULL, fd); }
static int f_close(void *self, int fd) {
    int result = mw_io_system.close(NULL, fd);
    return fails(self) ? -1 : result;
}
static int f_rename(void *self, int a, const char *from, int b, const char *to) {
    return fails(self) ? -1 : mw_io_system.rename(NULL, a, from, b, to);
}
static int f_unlink(void *self, int dir_fd, const char *path, int flags) {
    (void)self; /* clean-up itself is not failed here */
    return mw_io_system.unlink(NULL, dir_fd, path, flags);
}
static int f_mkdir(void *self, int dir_fd, const char *path, mode_t mode) {
    return fails(self) ? -1 : mw_io_system.mkdir(NULL, dir_fd, path, mode);
}

static int f_stat(void *self, int dir_fd, const char *path, struct stat *ret, int flags) {
    return fails(self) ? -1 : mw_io_system.stat(NULL, dir_fd, path, ret, flags);
}

static mw_io io_of(faulty *f) {
    return (mw_io){f_open,   f_read,   f_write, f_fsync, f_fsync, f_close,
                   f_rename, f_unlink, f_mkdir, f_stat,  f};
}

static size_t count_entries(const mw_ctx *ctx, mw_dir *dir) {
    mw_err err = {0};
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_list(ctx, dir, &entries, &n, &err));
    mw_free(entries);
    return n;
}

static void expect_content(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *text) {
    mw_err err = {0};
    char *data;
    size_t size;
    assert_ok(mw_file_read(ctx, dir, name, 1000, &data, &size, &err));
    assert_string_equal(data, text);
    mw_free(data);
}

MW_TEST(replace_is_all_or_nothing_under_every_fault) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_replace(&ctx, dir, "a", "old", 3, &err));
    static const int errors[] = {ENOSPC, EIO};
    for (size_t e = 0; e < 2; e++) {
        mw_status status = MW_EIO;
        for (int n = 0; status != MW_OK; n++) {
            assert_true(n < 50);
            faulty f = {n, errors[e], true};
            mw_io io = io_of(&f);
            mw_ctx faulty_ctx = ctx;
            faulty_ctx.io = &io;
            assert_ok(mw_file_replace(&ctx, dir, "a", "old", 3, &err));
            status = mw_file_replace(&faulty_ctx, dir, "a", "new content", 11, &err);
            assert_int_equal(count_entries(&ctx, dir), 1);
            if (status == MW_OK) break;
            assert_int_equal(status, MW_EIO);
            if (errors[e] == ENOSPC) assert_non_null(strstr(err.hint, "disk space"));
        }
        expect_content(&ctx, dir, "a", "new content");
    }
    mw_dir_close(dir);
}

MW_TEST(a_hash_at_once_is_that_of_the_pieces) {
    static unsigned char bytes[5000];
    mw_err err = {0};
    char once[MW_HASH128_HEX], pieces[MW_HASH128_HEX];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 131 + i / 251);
    mw_hash128_of("abc", 3, once);
    assert_string_equal(once, "06b05ab6733a618578af5f94892f3950"); /* see below */
    for (size_t n = 0; n < sizeof bytes; n += 1 + n / 7) {
        mw_hash128 *hash;
        assert_ok(mw_hash128_new(NULL, &hash, &err));
        mw_hash128_add(hash, bytes, n / 3);
        mw_hash128_add(hash, bytes + n / 3, n - n / 3);
        mw_hash128_digest(hash, pieces);
        mw_hash128_free(hash);
        mw_hash128_of(bytes, n, once);
        assert_string_equal(once, pieces);
    }
}

MW_TEST(a_name_by_hash_tells_the_content) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    mw_file *file;
    char name[MW_FILE_HASH_NAME];
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_create(&ctx, dir, "x", &file, &err));
    assert_ok(mw_file_write(file, "abc", 3, &err));
    assert_ok(mw_file_commit_by_hash(file, ".bin", name, &err));
    /* xxh3_128_hexdigest(b"abc") of python-xxhash 4.1.0 */
    assert_string_equal(name, "x06b05ab6733a618578af5f94892f3950.bin");
    expect_content(&ctx, dir, name, "abc");
    assert_int_equal(count_entries(&ctx, dir), 1);
    assert_ok(mw_file_verify(&ctx, dir, name, &err));
    assert_ok(mw_file_replace(&ctx, dir, name, "abd", 3, &err));
    assert_status(mw_file_verify(&ctx, dir, name, &err), MW_EDATA);
    assert_non_null(strstr(err.message, name));
    mw_dir_close(dir);
}

MW_TEST(names_of_the_first_version_are_verified_too) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    static const char name[] = "ba7816bf8f01cfea414140de5dae2223.arrow"; /* FIPS 180-2's example */
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_replace(&ctx, dir, name, "abc", 3, &err));
    assert_ok(mw_file_verify(&ctx, dir, name, &err));
    assert_ok(mw_file_replace(&ctx, dir, name, "ab", 2, &err));
    assert_status(mw_file_verify(&ctx, dir, name, &err), MW_EDATA);
    assert_ok(mw_file_replace(&ctx, dir, "any.arrow", "ab", 2, &err));
    assert_ok(mw_file_verify(&ctx, dir, "any.arrow", &err)); /* a name that tells nothing */
    assert_status(mw_file_verify(&ctx, dir, "x06b05ab6733a618578af5f94892f3950.arrow", &err),
                  MW_ENOTFOUND);
    mw_dir_close(dir);
}

/* Pieces of all sizes, across the buffer, the direct writes and the early write-back. */
MW_TEST(large_and_small_writes_keep_their_order) {
    enum { N = 24 << 20 };
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    mw_file *file;
    mw_map map;
    mw_faulty_io broken;
    char name[MW_FILE_HASH_NAME];
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    uint8_t *data = mw_alloc(ctx.mem, N);
    assert_non_null(data);
    for (size_t i = 0; i < N; i++) data[i] = (uint8_t)(i * 2654435761U >> 13);
    mw_faulty_io_init(&broken);
    mw_faulty_io_short_write(&broken, 3);
    ctx.io = &broken.io;
    assert_ok(mw_file_create(&ctx, dir, "big", &file, &err));
    static const size_t sizes[] = {1, 31 << 10, 32 << 10, 255 << 10, 7, 1 << 20, 64, 13 << 20};
    for (size_t at = 0, i = 0; at < N; i++) {
        size_t n = sizes[i % 8] < N - at ? sizes[i % 8] : N - at;
        assert_ok(mw_file_write(file, data + at, n, &err));
        at += n;
    }
    assert_int_equal(mw_file_size(file), N);
    assert_ok(mw_file_commit_by_hash(file, ".bin", name, &err));
    assert_true(broken.fired);
    /* xxh3_128_hexdigest of python-xxhash 4.1.0 */
    assert_string_equal(name, "x704d8b2593e73b951bede9e619dedb19.bin");
    struct stat info; /* what was reserved ahead is given back */
    assert_int_equal(fstatat(mw_dir_fd(dir), name, &info, 0), 0);
    assert_true(info.st_blocks * 512 < N + (1 << 20));
    ctx.io = &mw_io_system;
    assert_ok(mw_file_verify(&ctx, dir, name, &err));
    assert_ok(mw_map_open(&ctx, dir, name, &map, &err));
    assert_int_equal(map.size, N);
    assert_memory_equal(map.data, data, N);
    mw_map_forget(&map, 0, N); /* what was forgotten can be read again */
    assert_memory_equal(map.data, data, N);
    mw_map_close(&map);
    mw_free(data);
    mw_dir_close(dir);
}

MW_TEST(an_aborted_file_leaves_nothing) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    mw_file *file;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_create(&ctx, dir, "b", &file, &err));
    char block[1000] = {0};
    for (int i = 0; i < 1000; i++) assert_ok(mw_file_write(file, block, sizeof block, &err));
    assert_int_equal(mw_file_size(file), 1000000);
    mw_file_abort(file);
    assert_int_equal(count_entries(&ctx, dir), 0);
    mw_dir_close(dir);
}

MW_TEST(folders_are_capabilities) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir, *sub;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/x/y", mw_test_folder());
    assert_ok(mw_dir_open(&ctx, path, MW_DIR_CREATE, &dir, &err));
    static const char *const bad[] = {"", ".", "..", "a/b", "/etc"};
    for (size_t i = 0; i < 5; i++) {
        assert_status(mw_dir_sub(&ctx, dir, bad[i], MW_DIR_CREATE, &sub, &err), MW_EINVAL);
        assert_status(mw_dir_remove(&ctx, dir, bad[i], &err), MW_EINVAL);
    }
    assert_status(mw_dir_sub(&ctx, dir, "none", MW_DIR_MUST_EXIST, &sub, &err), MW_ENOTFOUND);
    assert_int_equal(symlinkat("/etc", mw_dir_fd(dir), "link"), 0);
    assert_int_not_equal(mw_dir_sub(&ctx, dir, "link", MW_DIR_MUST_EXIST, &sub, &err), MW_OK);
    assert_ok(mw_dir_sub(&ctx, dir, "s", MW_DIR_CREATE, &sub, &err));
    assert_ok(mw_file_replace(&ctx, sub, "f", "1", 1, &err));
    assert_ok(mw_file_replace(&ctx, dir, "e", "2", 1, &err));
    assert_ok(mw_dir_exchange(&ctx, dir, "s", "e", &err));
    expect_content(&ctx, dir, "s", "2");
    assert_ok(mw_dir_exchange(&ctx, dir, "s", "e", &err));
    assert_status(mw_dir_exchange(&ctx, dir, "s", "none", &err), MW_ENOTFOUND);
    assert_ok(mw_dir_remove(&ctx, dir, "e", &err));
    assert_ok(mw_dir_link(&ctx, dir, "current", "s", &err));
    assert_ok(mw_dir_link(&ctx, dir, "current", "s/f", &err));
    assert_ok(mw_dir_remove(&ctx, dir, "current", &err));
    expect_content(&ctx, sub, "f", "1");
    assert_ok(mw_dir_move(&ctx, sub, "f", dir, "g", &err));
    expect_content(&ctx, dir, "g", "1");
    assert_ok(mw_dir_remove(&ctx, dir, "s", &err));
    assert_ok(mw_dir_remove(&ctx, dir, "link", &err));
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    assert_int_equal(count_entries(&ctx, dir), 1);
    mw_dir_close(sub);
    mw_dir_close(dir);
}

MW_TEST(maps_and_limits) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    mw_dir *dir;
    mw_map map;
    char *data;
    size_t size;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_replace(&ctx, dir, "m", "abc", 3, &err));
    assert_ok(mw_file_replace(&ctx, dir, "empty", "", 0, &err));
    assert_ok(mw_map_open(&ctx, dir, "m", &map, &err));
    assert_memory_equal(map.data, "abc", 3);
    mw_map_close(&map);
    assert_ok(mw_map_open(&ctx, dir, "empty", &map, &err));
    assert_int_equal(map.size, 0);
    mw_map_close(&map);
    assert_status(mw_file_read(&ctx, dir, "m", 2, &data, &size, &err), MW_ETOOLARGE);
    assert_status(mw_map_open(&ctx, dir, "none", &map, &err), MW_ENOTFOUND);
    mw_dir_close(dir);
}

MW_TEST_MAIN(MW_RUN(replace_is_all_or_nothing_under_every_fault),
             MW_RUN(a_hash_at_once_is_that_of_the_pieces), MW_RUN(a_name_by_hash_tells_the_content),
             MW_RUN(names_of_the_first_version_are_verified_too),
             MW_RUN(large_and_small_writes_keep_their_order),
             MW_RUN(an_aborted_file_leaves_nothing), MW_RUN(folders_are_capabilities),
             MW_RUN(maps_and_limits))
