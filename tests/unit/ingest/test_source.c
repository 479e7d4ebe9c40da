/*
 * Bytes of a file: plain, gzip, zstd, several members, cut, damaged, from a pipe, in any encoding, changing while
 * it is read, and reading that fails. Streams are made by zlib and libzstd themselves.
 */
#include "keep/ingest/source.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

/* Everything the source gives, and the hash of what is stored. */
static mw_status read_source(const mw_ctx *ctx, const char *path, mw_buf *content,
                             char hex[MW_HASH128_NAME], mw_err *err) {
    static char chunk[MW_SOURCE_CHUNK_BYTES];
    mw_source *source;
    size_t size = sizeof chunk;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    while (status == MW_OK && size == sizeof chunk) {
        status = mw_source_fill(source, chunk, sizeof chunk, &size, err);
        if (status == MW_OK) mw_buf_append(content, chunk, size);
    }
    if (status == MW_OK) mw_source_hash(source, hex);
    mw_source_close(source);
    return status;
}

static void assert_content(const char *path, const void *data, size_t size) {
    mw_ctx ctx;
    mw_err err;
    mw_buf content;
    char hex[MW_HASH128_NAME], again[MW_HASH128_NAME];
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
    char hex[MW_HASH128_NAME];
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
    /* xxh3_128 of Python's xxhash 3, of "abc". */
    mw_ctx ctx;
    mw_err err;
    char hex[MW_HASH128_NAME];
    uint64_t bytes;
    mw_ctx_init(&ctx);
    assert_ok(mw_source_hash_file(&ctx, put_text("abc", "abc"), hex, &bytes, &err));
    assert_string_equal(hex, "x06b05ab6733a618578af5f94892f3950");
    assert_int_equal(bytes, 3);
}

/* --- zstd -------------------------------------------------------------------------------------- */

static size_t zstd(const void *text, size_t size, void *out, size_t capacity) {
    size_t n = ZSTD_compress(out, capacity, text, size, 1);
    assert_false(ZSTD_isError(n));
    return n;
}

/* Content of any size the header leaves open, and a checksum, as `zstd` makes from a pipe. */
static size_t zstd_stream(const void *text, size_t size, int window_log, void *out,
                          size_t capacity) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)));
    if (window_log)
        assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log)));
    ZSTD_outBuffer to = {out, capacity, 0};
    ZSTD_inBuffer first = {text, size / 2, 0}, second = {text, size, size / 2};
    assert_false(ZSTD_isError(ZSTD_compressStream2(c, &to, &first, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(c, &to, &second, ZSTD_e_end), 0);
    ZSTD_freeCCtx(c);
    return to.pos;
}

static size_t put_skippable(char *out, unsigned kind, uint32_t size) {
    const unsigned char head[] = {
        (unsigned char)(0x50 + kind), 0x2a, 0x4d, 0x18, (unsigned char)size,
        (unsigned char)(size >> 8),   0,    0};
    memcpy(out, head, 8);
    memset(out + 8, '!', size);
    return 8 + size;
}

MW_TEST(zstd_gives_the_same_bytes) {
    enum { SIZE = (1 << 21) + 12345 };
    char *text = long_text(SIZE), *packed = mw_alloc(NULL, 2 * SIZE);
    size_t n = zstd(text, SIZE, packed, 2 * SIZE);
    assert_content(put_bytes("packed", packed, n), text, SIZE);
    n = zstd_stream(text, SIZE, 0, packed, 2 * SIZE);
    assert_content(put_bytes("stream", packed, n), text, SIZE);
    n = zstd("", 0, packed, 2 * SIZE);
    assert_content(put_bytes("nothing", packed, n), "", 0);
    mw_free(text);
    mw_free(packed);
}

MW_TEST(frames_are_one_content_and_skippable_ones_are_none) {
    char packed[1000];
    size_t n = put_skippable(packed, 7, 300);
    n += zstd("one,", 4, packed + n, 200);
    n += put_skippable(packed + n, 0, 0);
    n += zstd_stream("two", 3, 0, packed + n, 200);
    assert_content(put_bytes("frames.zst", packed, n), "one,two", 7);
    n += put_skippable(packed + n, 15, 20);
    assert_content(put_bytes("frames.zst", packed, n), "one,two", 7);
    n = put_skippable(packed, 1, 5);
    assert_content(put_bytes("empty.zst", packed, n), "", 0);
}

MW_TEST(every_cut_of_a_zstd_file_is_noticed) {
    char packed[400];
    size_t n = zstd_stream("time,value\n1,2\n", 15, 0, packed, 200), first = n;
    n += zstd_stream("3,4\n", 4, 0, packed + n, 200);
    for (size_t cut = 4; cut < n; cut++)
        if (cut != first)
            assert_fails(put_bytes("cut.zst", packed, cut), MW_EDATA,
                         "cut.zst: the zstd stream is cut");
}

MW_TEST(damaged_zstd_is_noticed) {
    char packed[400];
    size_t n = zstd_stream("time,value\n1,2\n", 15, 0, packed, 200);
    packed[n - 1] ^= 1; /* the checksum */
    assert_fails(put_bytes("sum.zst", packed, n), MW_EDATA, "damaged");
    packed[n - 1] ^= 1;
    memcpy(packed + n, "a,b\n1,2\n", 8);
    assert_fails(put_bytes("tail.zst", packed, n + 8), MW_EDATA, "followed by something else");
}

MW_TEST(what_is_still_to_come_is_guessed_by_what_came) {
    enum { SIZE = 12 << 20, FIRST = 100000 };
    char *text = long_text(SIZE);
    unsigned char *packed = mw_alloc(NULL, SIZE);
    size_t n = gzip(text, SIZE, packed, SIZE);
    char *first = mw_alloc(NULL, FIRST);
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    for (int is_packed = 0; is_packed < 2; is_packed++) {
        mw_source *source;
        const char *sample;
        size_t size;
        bool whole;
        const char *path = is_packed ? put_bytes("a.gz", packed, n) : put_bytes("a", text, SIZE);
        assert_ok(mw_source_open(&ctx, path, &source, &err));
        assert_ok(mw_source_peek(source, &sample, &size, &whole, &err));
        assert_ok(mw_source_fill(source, first, FIRST, &size, &err));
        double expected = mw_source_expected(source), left = SIZE - FIRST;
        assert_true(expected >= (is_packed ? 0.8 : 1) * left && expected <= 1.25 * left);
        assert_true(expected <= mw_source_remaining(source));
        mw_source_close(source);
    }
    mw_free(first);
    mw_free(packed);
    mw_free(text);
}

MW_TEST(a_zstd_window_is_limited) {
    enum { SIZE = 1 << 17 };
    char *text = long_text(SIZE), *packed = mw_alloc(NULL, 2 * SIZE);
    size_t n = zstd_stream(text, SIZE, 27, packed, 2 * SIZE);
    assert_content(put_bytes("27.zst", packed, n), text, SIZE);
    n = zstd_stream(text, SIZE, 28, packed, 2 * SIZE);
    assert_fails(put_bytes("28.zst", packed, n), MW_EUNSUPPORTED, "window of more than 128 MiB");
    mw_free(text);
    mw_free(packed);
}

MW_TEST(a_zstd_window_is_in_the_account) {
    enum { SIZE = 1 << 20 };
    char *text = long_text(SIZE), *packed = mw_alloc(NULL, 2 * SIZE), hex[MW_HASH128_NAME];
    size_t n = zstd_stream(text, SIZE, 27, packed, 2 * SIZE);
    const char *path = put_bytes("27.zst", packed, n);
    mw_mem mem;
    mw_ctx ctx;
    mw_err err;
    mw_buf content;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, (size_t)64 << 20);
    mw_buf_init(&content, NULL, 1 << 26);
    ctx.mem = &mem;
    assert_status(read_source(&ctx, path, &content, hex, &err), MW_ENOMEM);
    assert_int_equal(mw_mem_used(&mem), 0);
    mw_buf_done(&content);
    mw_free(text);
    mw_free(packed);
}

/* --- fill and peek ----------------------------------------------------------------------------- */

typedef struct reading {
    bool peeks, set_text, unify, skip_hash;
    enum mw_source_text text;
    size_t step; /* 0: a random one each time */
} reading;

static mw_status fill_source(const mw_ctx *ctx, const char *path, const reading *how, mw_buf *out,
                             mw_err *err) {
    mw_source *source;
    uint64_t x = mw_test_seed() | 1;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    if (how->skip_hash) mw_source_skip_hash(source);
    if (how->peeks) {
        const char *data;
        size_t size;
        bool whole;
        status = mw_source_peek(source, &data, &size, &whole, err);
        if (status == MW_OK) assert_true(size <= MW_SOURCE_CHUNK_BYTES);
    }
    if (status == MW_OK && how->set_text)
        status = mw_source_set_text(source, how->text, how->unify, err);
    for (size_t size = 1, step = 1; status == MW_OK && size == step;) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        step = how->step ? how->step : 1 + (size_t)(x % (x & 64 ? 20 : 3000000));
        char *room = mw_buf_reserve(out, step);
        if (!room) break;
        double remaining = mw_source_remaining(source);
        status = mw_source_fill(source, room, step, &size, err);
        if (status != MW_OK) break;
        assert_true((double)size <= remaining);
        mw_buf_grew(out, size);
    }
    if (status == MW_OK) {
        char hex[MW_HASH128_NAME];
        assert_true(mw_source_remaining(source) < 4e10);
        mw_source_hash(source, hex);
        assert_int_equal(strlen(hex), how->skip_hash ? 0 : MW_HASH128_NAME - 1);
    }
    mw_source_close(source);
    return status == MW_OK ? mw_buf_status(out, "content", err) : status;
}

static void assert_fills(const char *path, const reading *how, const void *want, size_t size) {
    mw_ctx ctx;
    mw_err err;
    mw_buf got;
    mw_ctx_init(&ctx);
    mw_buf_init(&got, NULL, 1 << 26);
    assert_ok(fill_source(&ctx, path, how, &got, &err));
    if (got.size != size || (size && memcmp(got.data, want, size) != 0))
        fail_msg("%s, step %zu: %zu bytes, not %zu", path, how->step, got.size, size);
    mw_buf_done(&got);
}

MW_TEST(any_way_to_fill_gives_the_same_bytes) {
    enum { CHUNK = MW_SOURCE_CHUNK_BYTES };
    static const size_t sizes[] = {
        0, 1, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 4096, CHUNK + 4097, 3 * CHUNK + 5};
    char *text = long_text(4 * CHUNK);
    unsigned char *packed = mw_alloc(NULL, 4 * CHUNK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        const char *plain = put_bytes("plain", text, size);
        const char *gz = put_bytes("gz", packed, gzip(text, size, packed, 4 * CHUNK));
        const char *zst = put_bytes("zst", packed, zstd(text, size, packed, 4 * CHUNK));
        for (int k = 0; k < 8; k++) {
            const reading how = {.peeks = k & 1, .set_text = k & 2, .skip_hash = k & 4};
            assert_fills(plain, &how, text, size);
            assert_fills(gz, &how, text, size);
            assert_fills(zst, &how, text, size);
        }
        assert_fills(plain, &(reading){.step = CHUNK}, text, size);
        assert_fills(zst, &(reading){.step = 4 * CHUNK}, text, size);
    }
    mw_free(text);
    mw_free(packed);
}

MW_TEST(a_peek_knows_whether_anything_follows) {
    enum { CHUNK = MW_SOURCE_CHUNK_BYTES };
    char *text = long_text(CHUNK + 1);
    unsigned char *packed = mw_alloc(NULL, 2 * CHUNK);
    for (int form = 0; form < 3; form++)
        for (size_t size = CHUNK - 1; size <= CHUNK + 1; size++) {
            mw_ctx ctx;
            mw_err err;
            mw_source *source;
            const char *data, *again;
            size_t n;
            bool whole;
            mw_ctx_init(&ctx);
            const char *path = form == 0 ? put_bytes("p", text, size)
                               : form == 1
                                   ? put_bytes("g", packed, gzip(text, size, packed, 2 * CHUNK))
                                   : put_bytes("z", packed, zstd(text, size, packed, 2 * CHUNK));
            assert_ok(mw_source_open(&ctx, path, &source, &err));
            assert_ok(mw_source_peek(source, &data, &n, &whole, &err));
            assert_ok(mw_source_peek(source, &again, &n, &whole, &err));
            assert_ptr_equal(data, again);
            assert_int_equal(n, size < CHUNK ? size : CHUNK);
            assert_int_equal(whole, size <= CHUNK);
            assert_memory_equal(data, text, n);
            mw_source_close(source);
        }
    mw_free(text);
    mw_free(packed);
}

/* --- text -------------------------------------------------------------------------------------- */

MW_TEST(text_is_decoded_on_the_way) {
    static const char utf16le[] = "\xff\xfe"
                                  "a\0\xb0\0\r\0\n\0b\0\r\0c\0\r\0";
    static const char utf16be[] = "\xfe\xff\0a\0\xb0\0\r\0\n\0b\0\r\0c\0\r";
    static const char latin[] = "a\xb0\r\nb\rc\r", utf8[] = "\xef\xbb\xbf"
                                                            "a\xc2\xb0\r\nb\rc\r";
    static const char want[] = "a\xc2\xb0\r\nb\nc\n", kept[] = "a\xc2\xb0\r\nb\rc\r";
    unsigned char packed[200];
    const struct {
        const char *path;
        enum mw_source_text text;
    } files[] = {
        {put_bytes("le", utf16le, sizeof utf16le - 1), MW_SOURCE_UTF16LE},
        {put_bytes("be.gz", packed, gzip(utf16be, sizeof utf16be - 1, packed, 200)),
         MW_SOURCE_UTF16BE},
        {put_bytes("la.zst", packed, zstd(latin, sizeof latin - 1, packed, 200)), MW_SOURCE_LATIN1},
        {put_bytes("u8", utf8, sizeof utf8 - 1), MW_SOURCE_UTF8}};
    for (size_t i = 0; i < 4; i++)
        for (size_t step = 1; step < 20; step++) {
            reading how = {.peeks = step & 1,
                           .set_text = true,
                           .unify = true,
                           .text = files[i].text,
                           .step = step};
            assert_fills(files[i].path, &how, want, sizeof want - 1);
            how.unify = false;
            assert_fills(files[i].path, &how, kept, sizeof kept - 1);
        }
    assert_fills(files[3].path, &(reading){.step = 7}, utf8, sizeof utf8 - 1);
}

MW_TEST(long_text_is_decoded_on_the_way) {
    enum { SIZE = 3 * MW_SOURCE_CHUNK_BYTES / 2 + 1 };
    char *text = long_text(SIZE), *wide = mw_alloc(NULL, 2 * SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        if (text[i] == '.') text[i] = '\r';
        wide[2 * i] = text[i];
        wide[2 * i + 1] = 0;
    }
    const char *path = put_bytes("wide", wide, 2 * SIZE), *plain = put_bytes("plain", text, SIZE);
    assert_fills(path, &(reading){.set_text = true, .text = MW_SOURCE_UTF16LE}, text, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        if (text[i] == '\r' && (i + 1 == SIZE || text[i + 1] != '\n')) text[i] = '\n';
    assert_fills(path, &(reading){.set_text = true, .unify = true, .text = MW_SOURCE_UTF16LE}, text,
                 SIZE);
    assert_fills(plain, &(reading){.set_text = true, .unify = true}, text, SIZE);
    mw_free(text);
    mw_free(wide);
}

MW_TEST(the_text_cannot_be_set_late) {
    mw_ctx ctx;
    mw_err err;
    mw_source *source;
    char data[8];
    size_t size;
    mw_ctx_init(&ctx);
    assert_ok(mw_source_open(&ctx, put_text("a", "abc"), &source, &err));
    assert_ok(mw_source_fill(source, data, sizeof data, &size, &err));
    assert_status(mw_source_set_text(source, MW_SOURCE_UTF16LE, true, &err), MW_EINTERNAL);
    mw_source_close(source);
}

/* --- standard input ---------------------------------------------------------------------------- */

typedef struct writer {
    int fd;
    const char *data;
    size_t size;
} writer;

static void *write_slowly(void *arg) {
    writer *w = arg;
    for (size_t at = 0, n; at < w->size; at += n) {
        n = w->size - at < 40000 ? w->size - at : 40000;
        ssize_t got = write(w->fd, w->data + at, n);
        if (got <= 0) break;
        n = (size_t)got;
    }
    close(w->fd);
    return NULL;
}

MW_TEST(a_pipe_is_read_as_standard_input) {
    enum { SIZE = (1 << 21) + 77 };
    char *text = long_text(SIZE), *packed = mw_alloc(NULL, SIZE);
    size_t n = zstd(text, SIZE, packed, SIZE);
    for (int form = 0; form < 2; form++) {
        int fds[2];
        pthread_t thread;
        assert_int_equal(pipe(fds), 0);
        writer w = {fds[1], form ? packed : text, form ? n : SIZE};
        assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
        close(fds[0]);
        assert_int_equal(pthread_create(&thread, NULL, write_slowly, &w), 0);
        assert_fills("-", &(reading){.peeks = true, .set_text = true}, text, SIZE);
        pthread_join(thread, NULL);
    }
    assert_string_equal(mw_source_name("-"), "stdin");
    assert_string_equal(mw_source_name("./-"), "-");
    mw_free(text);
    mw_free(packed);
}

MW_TEST(a_redirected_file_is_read_from_where_it_stands) {
    FILE *file = freopen(put_text("in", "skip,a,b\n"), "r", stdin);
    assert_non_null(file);
    assert_int_equal(lseek(STDIN_FILENO, 5, SEEK_SET), 5);
    assert_fills("-", &(reading){.step = 4}, "a,b\n", 4);
    assert_true(lseek(STDIN_FILENO, 0, SEEK_CUR) == 9);
}

MW_TEST(standard_input_has_no_second_reading) {
    mw_ctx ctx;
    mw_err err;
    char hex[MW_HASH128_NAME];
    uint64_t bytes;
    mw_ctx_init(&ctx);
    assert_status(mw_source_hash_file(&ctx, "-", hex, &bytes, &err), MW_EINVAL);
}

MW_TEST(waiting_for_a_pipe_can_be_canceled) {
    int fds[2];
    mw_ctx ctx;
    mw_err err;
    mw_source *source;
    mw_cancel cancel = {0};
    char byte;
    size_t size;
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    assert_ok(mw_source_open(&ctx, "-", &source, &err));
    assert_true(isinf(mw_source_remaining(source)));
    atomic_store(&cancel.deadline_us, 1); /* long past */
    assert_status(mw_source_fill(source, &byte, 1, &size, &err), MW_ETIMEOUT);
    mw_source_close(source);
    assert_int_equal(write(fds[1], "x", 1), 1); /* the descriptor is not ours to close */
    assert_int_equal(read(STDIN_FILENO, &byte, 1), 1);
}

MW_TEST(a_pipe_with_a_name_is_refused) {
    char path[600];
    snprintf(path, sizeof path, "%s/fifo", mw_test_folder());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(path, MW_EDATA, "not a regular file");
    assert_fails("/dev/zero", MW_EDATA, "not a regular file");
}

/* --- a file that changes ------------------------------------------------------------------------ */

typedef struct change {
    mw_io io;
    const char *path;
    long long size; /* to truncate to at the first read; negative: append so many bytes of text */
    const char *text;
    bool done;
} change;

static ssize_t read_and_change(void *self, int fd, void *data, size_t size) {
    change *c = self;
    ssize_t got = mw_io_system.read(mw_io_system.self, fd, data, size);
    if (c->done) return got;
    c->done = true;
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    if (c->text) {
        FILE *file = fopen(c->path, "ab");
        assert_non_null(file);
        fputs(c->text, file);
        fclose(file);
        assert_int_equal(utimensat(AT_FDCWD, c->path, old, 0), 0);
    } else {
        assert_int_equal(truncate(c->path, (off_t)c->size), 0);
    }
    return got;
}

/* Reads path in pieces of 4 bytes; the note is copied. */
static mw_status read_changing(change *c, mw_buf *out, char *note, mw_err *err) {
    mw_ctx ctx;
    mw_source *source;
    mw_ctx_init(&ctx);
    c->io = mw_io_system;
    c->io.self = c;
    c->io.read = read_and_change;
    ctx.io = &c->io;
    mw_status status = mw_source_open(&ctx, c->path, &source, err);
    assert_int_equal(status, MW_OK);
    for (size_t size = 4; status == MW_OK && size == 4;) {
        char piece[4];
        status = mw_source_fill(source, piece, 4, &size, err);
        if (status == MW_OK) mw_buf_append(out, piece, size);
    }
    snprintf(note, 200, "%s", mw_source_note(source) ? mw_source_note(source) : "");
    mw_source_close(source);
    return status;
}

MW_TEST(a_file_that_changes_is_noticed) {
    char note[200];
    mw_err err;
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 23);
    change grows = {.path = put_text("grows", "a,b\n1,2\n"), .text = "3,4\n"};
    assert_ok(read_changing(&grows, &out, note, &err));
    assert_string_equal(mw_buf_text(&out), "a,b\n1,2\n");
    assert_non_null(strstr(note, "grew while it was read; only its first 8 bytes"));

    change inside = {.path = put_text("inside", "a,b\n1,2"), .text = "3\n"};
    assert_status(read_changing(&inside, &out, note, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "ends inside a line"));

    change same = {.path = put_text("same", "a,b\n1,2\n"), .text = ""};
    assert_ok(read_changing(&same, &out, note, &err));
    assert_string_equal(note, "was written to while it was read");

    char *text = long_text(1 << 22);
    change shrinks = {.path = put_bytes("shrinks", text, 1 << 22), .size = (1 << 21) + 5};
    assert_status(read_changing(&shrinks, &out, note, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "shrank while it was read"));
    mw_free(text);
    mw_buf_done(&out);
}

MW_TEST(a_file_that_vanishes_is_read_to_its_end) {
    mw_ctx ctx;
    mw_err err;
    mw_source *source;
    char text[10];
    size_t size;
    mw_ctx_init(&ctx);
    const char *path = put_text("gone", "a,b\n1,2\n");
    assert_ok(mw_source_open(&ctx, path, &source, &err));
    assert_int_equal(unlink(path), 0);
    assert_ok(mw_source_fill(source, text, 10, &size, &err));
    assert_int_equal(size, 8);
    assert_null(mw_source_note(source));
    mw_source_close(source);
}

/* --- faults ------------------------------------------------------------------------------------ */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_buf content;
    char hex[MW_HASH128_NAME];
    mw_buf_init(&content, ctx->mem, 1000);
    mw_status status = read_source(ctx, arg, &content, hex, err);
    if (status == MW_OK) status = mw_buf_status(&content, "content", err);
    mw_buf_done(&content);
    return status;
}

static mw_status fill_scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_buf content;
    mw_buf_init(&content, ctx->mem, 1000);
    const reading how = {
        .peeks = true, .set_text = true, .unify = true, .text = MW_SOURCE_LATIN1, .step = 9};
    mw_status status = fill_source(ctx, arg, &how, &content, err);
    mw_buf_done(&content);
    return status;
}

MW_TEST(every_fault_is_survived) {
    unsigned char packed[200];
    size_t n = gzip("time,value\n1,2\n", 15, packed, 200);
    char *path = (char *)(uintptr_t)put_bytes("a.gz", packed, n);
    assert_in_range(mw_fault_loop_alloc(scenario, path), 4, 50);
    assert_in_range(mw_fault_loop_alloc(fill_scenario, path), 5, 60);
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_READ, 5, NULL) >= 1);
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_OPEN, 13, NULL) == 1);
    n = zstd_stream("time,value\n1,2\n", 15, 0, packed, 200);
    path = (char *)(uintptr_t)put_bytes("a.zst", packed, n);
    assert_in_range(mw_fault_loop_alloc(fill_scenario, path), 5, 60);
    assert_true(mw_fault_loop_io(fill_scenario, path, MW_IO_READ, 5, NULL) >= 1);
}

MW_TEST_MAIN(
    MW_RUN(plain_and_gzip_give_the_same_bytes), MW_RUN(members_are_one_content_and_padding_is_none),
    MW_RUN(every_cut_of_a_gzip_file_is_noticed), MW_RUN(damage_is_noticed),
    MW_RUN(what_is_no_file_is_refused), MW_RUN(the_hash_is_that_of_the_stored_bytes),
    MW_RUN(zstd_gives_the_same_bytes), MW_RUN(frames_are_one_content_and_skippable_ones_are_none),
    MW_RUN(every_cut_of_a_zstd_file_is_noticed), MW_RUN(damaged_zstd_is_noticed),
    MW_RUN(what_is_still_to_come_is_guessed_by_what_came), MW_RUN(a_zstd_window_is_limited),
    MW_RUN(a_zstd_window_is_in_the_account), MW_RUN(any_way_to_fill_gives_the_same_bytes),
    MW_RUN(a_peek_knows_whether_anything_follows), MW_RUN(text_is_decoded_on_the_way),
    MW_RUN(long_text_is_decoded_on_the_way), MW_RUN(the_text_cannot_be_set_late),
    MW_RUN(a_pipe_is_read_as_standard_input),
    MW_RUN(a_redirected_file_is_read_from_where_it_stands),
    MW_RUN(standard_input_has_no_second_reading), MW_RUN(waiting_for_a_pipe_can_be_canceled),
    MW_RUN(a_pipe_with_a_name_is_refused), MW_RUN(a_file_that_changes_is_noticed),
    MW_RUN(a_file_that_vanishes_is_read_to_its_end), MW_RUN(every_fault_is_survived))
