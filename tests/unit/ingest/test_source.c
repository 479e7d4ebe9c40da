/* Bytes of a file: plain, gzip, several members, cut, damaged, and reading that fails. */
#include "keep/ingest/source.h"
#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

/* Everything the source gives, and the hash of what is stored. */
static mw_status read_source(const mw_ctx *ctx, const char *path, mw_buf *content,
                             char hex[MW_SHA256_HEX], mw_err *err) {
    mw_source *source;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    for (;;) {
        const char *data;
        size_t size;
        status = mw_source_read(source, &data, &size, err);
        if (status != MW_OK || size == 0) break;
        mw_buf_append(content, data, size);
    }
    if (status == MW_OK) mw_source_hash(source, hex);
    mw_source_close(source);
    return status;
}

static void assert_content(const char *path, const void *data, size_t size) {
    mw_ctx ctx;
    mw_err err;
    mw_buf content;
    char hex[MW_SHA256_HEX], again[MW_SHA256_HEX];
    uint64_t bytes;
    mw_ctx_init(&ctx);
    mw_buf_init(&content, NULL, 1 << 26);
    assert_ok(read_source(&ctx, path, &content, hex, &err));
    assert_int_equal(content.size, size);
    if (size) assert_memory_equal(content.data, data, size);
    mw_buf_done(&content);
    assert_ok(mw_source_hash_file(&ctx, path, again, &bytes, &err));
    assert_string_equal(hex, again);
}

static void assert_fails(const char *path, mw_status code, const char *words) {
    mw_ctx ctx;
    mw_err err;
    mw_buf content;
    char hex[MW_SHA256_HEX];
    mw_ctx_init(&ctx);
    mw_buf_init(&content, NULL, 1 << 26);
    assert_status(read_source(&ctx, path, &content, hex, &err), code);
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    assert_true(strlen(err.hint) > 0);
    mw_buf_done(&content);
}

/* Several chunks of text that deflate cannot guess. */
static char *long_text(size_t size) {
    char *text = mw_alloc(NULL, size);
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        text[i] = "0123456789,.\n"[x % 13];
    }
    return text;
}

MW_TEST(plain_and_gzip_give_the_same_bytes) {
    enum { SIZE = (1 << 21) + 12345 };
    char *text = long_text(SIZE);
    unsigned char *packed = mw_alloc(NULL, SIZE);
    assert_content(put_bytes("empty", "", 0), "", 0);
    assert_content(put_bytes("one", "a", 1), "a", 1);
    assert_content(put_bytes("plain.csv", text, SIZE), text, SIZE);
    size_t n = gzip(text, SIZE, packed, SIZE);
    assert_content(put_bytes("packed", packed, n), text, SIZE);
    mw_free(text);
    mw_free(packed);
}

MW_TEST(members_are_one_content_and_padding_is_none) {
    unsigned char packed[400] = {0};
    size_t n = gzip("one,", 4, packed, 200);
    n += gzip("two", 3, packed + n, 200);
    assert_content(put_bytes("members.gz", packed, n), "one,two", 7);
    assert_content(put_bytes("padded.gz", packed, n + 20), "one,two", 7);
}

MW_TEST(every_cut_of_a_gzip_file_is_noticed) {
    unsigned char packed[400];
    size_t n = gzip("time,value\n1,2\n", 15, packed, 200);
    n += gzip("3,4\n", 4, packed + n, 200);
    size_t first = gzip("time,value\n1,2\n", 15, (unsigned char[200]){0}, 200);
    for (size_t cut = 2; cut < n; cut++)
        if (cut != first) assert_fails(put_bytes("cut.gz", packed, cut), MW_EDATA, "cut");
}

MW_TEST(damage_is_noticed) {
    unsigned char packed[200];
    size_t n = gzip("time,value\n1,2\n", 15, packed, 200);
    packed[n - 6] ^= 1; /* the CRC */
    assert_fails(put_bytes("crc.gz", packed, n), MW_EDATA, "damaged");
    packed[n - 6] ^= 1;
    packed[n] = 'x';
    assert_fails(put_bytes("tail.gz", packed, n + 1), MW_EDATA, "followed by something else");
}

MW_TEST(what_is_no_file_is_refused) {
    char path[600];
    snprintf(path, sizeof path, "%s/none.csv", mw_test_folder());
    assert_fails(path, MW_ENOTFOUND, "none.csv");
    assert_fails(mw_test_folder(), MW_EDATA, "not a regular file");
}

MW_TEST(the_hash_is_that_of_the_stored_bytes) {
    /* sha256sum of "abc", FIPS 180-2 appendix B.1. */
    mw_ctx ctx;
    mw_err err;
    char hex[MW_SHA256_HEX];
    uint64_t bytes;
    mw_ctx_init(&ctx);
    assert_ok(mw_source_hash_file(&ctx, put_text("abc", "abc"), hex, &bytes, &err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(bytes, 3);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_buf content;
    char hex[MW_SHA256_HEX];
    mw_buf_init(&content, ctx->mem, 1000);
    mw_status status = read_source(ctx, arg, &content, hex, err);
    if (status == MW_OK) status = mw_buf_status(&content, "content", err);
    mw_buf_done(&content);
    return status;
}

MW_TEST(every_fault_is_survived) {
    unsigned char packed[200];
    size_t n = gzip("time,value\n1,2\n", 15, packed, 200);
    char *path = (char *)(uintptr_t)put_bytes("a.gz", packed, n);
    assert_in_range(mw_fault_loop_alloc(scenario, path), 4, 50);
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_READ, 5, NULL) >= 1);
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_OPEN, 13, NULL) == 1);
}

MW_TEST_MAIN(MW_RUN(plain_and_gzip_give_the_same_bytes),
             MW_RUN(members_are_one_content_and_padding_is_none),
             MW_RUN(every_cut_of_a_gzip_file_is_noticed), MW_RUN(damage_is_noticed),
             MW_RUN(what_is_no_file_is_refused), MW_RUN(the_hash_is_that_of_the_stored_bytes),
             MW_RUN(every_fault_is_survived))
