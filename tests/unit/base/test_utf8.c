/* UTF-8 by blocks and by words beside a decoder that goes by the definition, at every CPU level. */
#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/base/str.h"

static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};

/* The Unicode Standard, 3.9: a character is the shortest form of a code point up to U+10FFFF that is no surrogate. */
static bool decodes(const unsigned char *s, size_t size) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < size;) {
        unsigned c = s[i++], more = 0;
        while (more < 4 && c >> (6 - more) & 1 && c >= 0xC0) more++;
        if ((c >= 0x80 && more == 0) || more > 3) return false;
        uint32_t point = more ? c & (0x3Fu >> more) : c;
        for (unsigned k = 0; k < more; k++, i++) {
            if (i == size || s[i] >> 6 != 2) return false;
            point = point << 6 | (s[i] & 0x3Fu);
        }
        if (point < least[more] || point > 0x10FFFF || point >> 11 == 0xD800 >> 11) return false;
    }
    return true;
}

static void check(const unsigned char *s, size_t size, bool want) {
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        mw_cpu_force(levels[l]);
        if (mw_utf8_valid((const char *)s, size) == want) continue;
        char hex[64] = "";
        for (size_t i = 0; i < size && i < 20; i++) (void)snprintf(hex + 3 * i, 4, "%02X ", s[i]);
        fail_msg("%s: %s, %d bytes, should be %s", mw_cpu_name(levels[l]), hex, (int)size,
                 want ? "valid" : "invalid");
    }
}

static size_t put(unsigned char *out, uint32_t point) {
    static const unsigned char heads[] = {0, 0xC0, 0xE0, 0xF0};
    unsigned more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    out[0] = (unsigned char)(heads[more] | point >> (6 * more));
    for (unsigned k = 1; k <= more; k++)
        out[k] = (unsigned char)(0x80 | (point >> (6 * (more - k)) & 0x3F));
    return more + 1;
}

MW_TEST(every_code_point_is_judged) {
    unsigned char text[80];
    for (uint32_t point = 0; point < 0x120000; point++) {
        size_t at = 28 + point % 5;
        memset(text, 'a', sizeof text);
        (void)put(text + at, point);
        check(text, sizeof text, point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
    }
}

/* Every pair of bytes, before what a block's end can make of it. */
MW_TEST(every_start_is_judged) {
    static const unsigned char next[] = {'a', 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC3, 0xF0};
    enum { N = sizeof next };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    unsigned char text[80];
    memset(text, 'a', sizeof text);
    const unsigned step = mw_test_rounds(8) == 8 ? 1 : 7;
    for (unsigned pair = 0; pair < 65536; pair += step)
        for (unsigned tail = 0; tail < N * N; tail++) {
            size_t at = 26 + mw_rng_below(&rng, 8);
            unsigned char *s = text + at;
            s[0] = (unsigned char)(pair >> 8);
            s[1] = (unsigned char)pair;
            s[2] = next[tail / N];
            s[3] = next[tail % N];
            size_t size = sizeof text - mw_rng_below(&rng, 17);
            check(text, size, decodes(s, 8));
            memset(s, 'a', 4);
        }
}

/* Memory of exactly that size, so that AddressSanitizer sees a read past it. */
MW_TEST(random_texts_are_judged) {
    static const uint32_t ends[] = {0x80, 0x800, 0xD800, 0x10000, 0x110000};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    int n_valid = 0;
    for (int round = 0; round < 40000; round++) {
        unsigned char made[300];
        size_t most = mw_rng_below(&rng, sizeof made - 4), size = 0;
        uint64_t kinds = 1 + mw_rng_below(&rng, 5);
        while (size < most) {
            uint64_t kind = mw_rng_below(&rng, kinds);
            uint32_t from = kind == 3 ? 0xE000 : kind ? ends[kind - 1] : 0;
            size += put(made + size, from + (uint32_t)mw_rng_below(&rng, ends[kind] - from));
        }
        size = most; /* may cut a character */
        for (uint64_t n = mw_rng_below(&rng, 3); n > 0 && size > 0; n--)
            made[mw_rng_below(&rng, size)] = (unsigned char)mw_rng_u64(&rng);
        unsigned char *text = mw_alloc(NULL, size ? size : 1);
        assert_non_null(text);
        memcpy(text, made, size);
        bool want = decodes(text, size);
        check(text, size, want);
        n_valid += want;
        mw_free(text);
    }
    assert_in_range(n_valid, 4000, 36000);
}

MW_TEST_MAIN(MW_RUN(every_code_point_is_judged), MW_RUN(every_start_is_judged),
             MW_RUN(random_texts_are_judged))
