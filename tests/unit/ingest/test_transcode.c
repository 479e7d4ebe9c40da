/*
 * Encodings to UTF-8 and back. Golden bytes: Python 3.11's codecs (utf-16-le, utf-16-be, cp1252), and for lone
 * surrogates `errors="replace"`, which gives one U+FFFD each as we do.
 */
#include "keep/ingest/transcode.h"

#include <string.h>

#include "support/fault_loop.h"
#include "support/harness.h"

static void assert_text(const char *got, size_t size, const char *want, size_t n) {
    if (size == n && memcmp(got, want, n) == 0) return;
    for (size_t i = 0; i < size; i++) print_error("%02x ", (unsigned char)got[i]);
    print_error("| is not | ");
    for (size_t i = 0; i < n; i++) print_error("%02x ", (unsigned char)want[i]);
    fail_msg("other bytes");
}

static void assert_decodes(enum mw_source_text text, mw_str in, mw_str want) {
    mw_err err;
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    assert_ok(mw_text_decode(NULL, in.data, in.size, text, false, &out, &err));
    assert_text(mw_buf_text(&out), out.size, want.data, want.size);
    mw_buf_done(&out);
}

static void assert_encodes(enum mw_source_text text, mw_str in, mw_str want) {
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    mw_text_encode(text, in, &out);
    assert_int_equal(out.failed, MW_OK);
    assert_text(mw_buf_text(&out), out.size, want.data, want.size);
    mw_buf_done(&out);
}

/* "aZ\xb0\u20ac\U0001f600\n".encode(...) */
static const mw_str sample = {"aZ\xc2\xb0\xe2\x82\xac\xf0\x9f\x98\x80\n", 12};

MW_TEST(golden_bytes_of_utf16) {
    const mw_str le = MW_STR("a\0Z\0\xb0\0\xac\x20\x3d\xd8\x00\xde\n\0");
    const mw_str be = MW_STR("\0a\0Z\0\xb0\x20\xac\xd8\x3d\xde\x00\0\n");
    assert_decodes(MW_SOURCE_UTF16LE, le, sample);
    assert_decodes(MW_SOURCE_UTF16BE, be, sample);
    assert_encodes(MW_SOURCE_UTF16LE, sample, le);
    assert_encodes(MW_SOURCE_UTF16BE, sample, be);
    assert_decodes(MW_SOURCE_UTF16LE,
                   MW_STR("\xff\xfe"
                          "a\0"),
                   MW_STR("a"));
    assert_decodes(MW_SOURCE_UTF16BE, MW_STR("\xfe\xff\0a"), MW_STR("a"));
}

MW_TEST(golden_bytes_of_windows_1252) {
    /* bytes(range(0x80, 0xa0)) without the five open ones, and 0xc4 0xff. */
    assert_decodes(MW_SOURCE_LATIN1,
                   MW_STR("\x80\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8e\x91\x92\x93\x94"
                          "\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9e\x9f\xc4\xff"),
                   MW_STR("\xe2\x82\xac\xe2\x80\x9a\xc6\x92\xe2\x80\x9e\xe2\x80\xa6\xe2\x80\xa0"
                          "\xe2\x80\xa1\xcb\x86\xe2\x80\xb0\xc5\xa0\xe2\x80\xb9\xc5\x92\xc5\xbd"
                          "\xe2\x80\x98\xe2\x80\x99\xe2\x80\x9c\xe2\x80\x9d\xe2\x80\xa2\xe2\x80\x93"
                          "\xe2\x80\x94\xcb\x9c\xe2\x84\xa2\xc5\xa1\xe2\x80\xba\xc5\x93\xc5\xbe"
                          "\xc5\xb8\xc3\x84\xc3\xbf"));
    assert_encodes(MW_SOURCE_LATIN1, MW_STR("\xe4\xb8\xad"), MW_STR("?"));
}

MW_TEST(what_is_no_character_becomes_a_replacement) {
    const mw_str bad = MW_STR("\xef\xbf\xbd");
    assert_decodes(MW_SOURCE_UTF16LE, MW_STR("\x3d\xd8"), bad); /* high, then the end */
    assert_decodes(MW_SOURCE_UTF16LE, MW_STR("\x00\xde"), bad); /* low alone */
    assert_decodes(MW_SOURCE_UTF16LE, MW_STR("a"), bad);        /* odd byte */
    assert_decodes(MW_SOURCE_UTF16LE,
                   MW_STR("\x3d\xd8"
                          "a"),
                   MW_STR("\xef\xbf\xbd\xef\xbf\xbd"));
    assert_decodes(MW_SOURCE_UTF16BE, MW_STR("\xd8\x3d\0a"),
                   MW_STR("\xef\xbf\xbd"
                          "a"));
    assert_decodes(MW_SOURCE_UTF16BE, MW_STR("\xd8\x3d\xd8\x3d\xde\x00"),
                   MW_STR("\xef\xbf\xbd\xf0\x9f\x98\x80"));
    assert_encodes(MW_SOURCE_UTF16LE,
                   MW_STR("\xff"
                          "a\xe2\x82"),
                   MW_STR("\xfd\xff"
                          "a\0\xfd\xff\xfd\xff"));
}

MW_TEST(utf8_passes_as_it_is) {
    assert_decodes(MW_SOURCE_UTF8,
                   MW_STR("\xEF\xBB\xBF"
                          "a\xff\r\n"),
                   MW_STR("a\xff\r\n"));
    assert_encodes(MW_SOURCE_UTF8, MW_STR("\xff\xc2\xb0"), MW_STR("\xff\xc2\xb0"));
}

MW_TEST(lines_are_unified) {
    mw_err err;
    mw_buf out;
    const mw_str in = MW_STR("\ra\rb\r\nc\nd\r\r\ne\r"), want = MW_STR("\na\nb\r\nc\nd\n\r\ne\n");
    mw_buf_init(&out, NULL, 1000);
    mw_buf_add(&out, "kept\r");
    assert_ok(mw_text_decode(NULL, in.data, in.size, MW_SOURCE_UTF8, true, &out, &err));
    assert_text(mw_buf_text(&out) + 5, out.size - 5, want.data, want.size);
    assert_memory_equal(out.data, "kept\r", 5);
    mw_buf_done(&out);
    char at_end[] = "x\r";
    mw_text_unify_lines(at_end, 2, '\n');
    assert_string_equal(at_end, "x\r");
    mw_text_unify_lines(at_end, 2, 'y');
    assert_string_equal(at_end, "x\n");
}

/* Text with runs of ASCII of any length between other characters. */
static size_t random_text(uint64_t *x, enum mw_source_text text, uint8_t *out, size_t capacity) {
    size_t n = 0;
    while (n + 80 < capacity) {
        *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
        size_t run = *x % 40;
        for (size_t i = 0; i < run; i++) {
            uint8_t c = (uint8_t)(' ' + (*x >> (i % 50)) % 90);
            if (text == MW_SOURCE_UTF16BE) out[n++] = 0;
            out[n++] = c;
            if (text == MW_SOURCE_UTF16LE) out[n++] = 0;
        }
        /* Whole units only, or else every second run would be no ASCII; surrogates often. */
        uint16_t unit = (uint16_t)(*x >> 40);
        if (*x & 1 << 20) unit = (uint16_t)(0xD800 + unit % 0x800);
        out[n++] = (uint8_t)(text == MW_SOURCE_UTF16BE ? unit >> 8 : unit);
        if (text != MW_SOURCE_LATIN1)
            out[n++] = (uint8_t)(text == MW_SOURCE_UTF16BE ? unit : unit >> 8);
    }
    return n - n % 3 % 2; /* sometimes an odd byte is left over */
}

/* Pieces of at most `in_step` and `out_step`; plain: the loop without vector instructions. */
static size_t decode_in_steps(enum mw_source_text text, const uint8_t *in, size_t size,
                              size_t in_step, size_t out_step, bool plain, char *out,
                              size_t capacity) {
    mw_transcode t;
    size_t used = 0, made = 0;
    mw_transcode_init(&t, text);
    t.plain_loop = plain;
    for (;;) {
        size_t left = size - used < in_step ? size - used : in_step, n;
        size_t room = capacity - made < out_step ? capacity - made : out_step;
        size_t got = mw_transcode_run(&t, (const char *)in + used, left, used + left == size, &n,
                                      out + made, room);
        assert_true(got <= room && n <= left);
        assert_true(got == room || n == left);
        used += n;
        made += got;
        if (used == size && got < room) break;
    }
    assert_true(mw_transcode_is_idle(&t));
    return made;
}

MW_TEST(any_way_to_cut_a_text_gives_the_same_bytes) {
    enum { SIZE = 3000, ROOM = 4 * SIZE };
    static uint8_t in[SIZE];
    static char want[ROOM], got[ROOM];
    static const size_t steps[] = {1, 2, 3, 4, 5, 15, 16, 17, 33, SIZE};
    uint64_t x = mw_test_seed() | 1;
    for (int round = 0; round < 30; round++)
        for (enum mw_source_text text = MW_SOURCE_UTF8; text <= MW_SOURCE_LATIN1; text++) {
            size_t size = random_text(&x, text, in, SIZE);
            size_t n = decode_in_steps(text, in, size, SIZE, ROOM, true, want, ROOM);
            for (size_t i = 0; i < 10; i++)
                for (size_t k = 0; k < 10; k++) {
                    size_t m =
                        decode_in_steps(text, in, size, steps[i], steps[k], false, got, ROOM);
                    if (m != n || memcmp(want, got, n) != 0)
                        fail_msg("text %d in %zu out %zu", (int)text, steps[i], steps[k]);
                }
        }
}

MW_TEST(what_was_decoded_is_encoded_to_the_same_bytes) {
    uint8_t in[65536 * 2 + 256];
    mw_err err;
    mw_buf text, back;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_init(&back, NULL, 1 << 20);
    for (enum mw_source_text kind = MW_SOURCE_UTF16LE; kind <= MW_SOURCE_LATIN1; kind++) {
        size_t n = 0;
        for (unsigned c = 1; c < (kind == MW_SOURCE_LATIN1 ? 256 : 65536); c++) {
            if (c >= 0xD800 && c < 0xE000) continue;
            if (kind == MW_SOURCE_UTF16BE) in[n++] = (uint8_t)(c >> 8);
            in[n++] = (uint8_t)c;
            if (kind == MW_SOURCE_UTF16LE) in[n++] = (uint8_t)(c >> 8);
        }
        mw_buf_clear(&text);
        mw_buf_clear(&back);
        assert_ok(mw_text_decode(NULL, (char *)in, n, kind, false, &text, &err));
        assert_true(mw_utf8_valid(mw_buf_text(&text), text.size));
        mw_text_encode(kind, mw_buf_str(&text), &back);
        assert_int_equal(back.size, n);
        assert_memory_equal(back.data, in, n);
    }
    mw_buf_done(&text);
    mw_buf_done(&back);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    mw_buf out;
    mw_buf_init(&out, ctx->mem, 1000);
    mw_status status = mw_text_decode(ctx->mem, "a\0b\0", 4, MW_SOURCE_UTF16LE, true, &out, err);
    mw_buf_done(&out);
    return status;
}

MW_TEST(every_fault_is_survived) { assert_true(mw_fault_loop_alloc(scenario, NULL) >= 1); }

MW_TEST(a_tight_maximum_is_enough) {
    mw_err err;
    mw_buf out;
    mw_buf_init(&out, NULL, 40);
    assert_ok(mw_text_decode(NULL, "0123456789", 10, MW_SOURCE_LATIN1, true, &out, &err));
    assert_int_equal(out.size, 10);
    mw_buf_done(&out);
    char big[100] = "";
    mw_buf_init(&out, NULL, 40);
    assert_status(mw_text_decode(NULL, big, 100, MW_SOURCE_LATIN1, true, &out, &err), MW_ETOOLARGE);
    mw_buf_done(&out);
}

MW_TEST_MAIN(MW_RUN(golden_bytes_of_utf16), MW_RUN(golden_bytes_of_windows_1252),
             MW_RUN(what_is_no_character_becomes_a_replacement), MW_RUN(utf8_passes_as_it_is),
             MW_RUN(lines_are_unified), MW_RUN(any_way_to_cut_a_text_gives_the_same_bytes),
             MW_RUN(what_was_decoded_is_encoded_to_the_same_bytes), MW_RUN(every_fault_is_survived),
             MW_RUN(a_tight_maximum_is_enough))
