/*
 * csv_index_neon.c -- csv_index.h for 64-bit ARM.
 *
 * Masks      NEON has no instruction that gathers the sign bits of bytes: each of 64 is ANDed with its own bit of eight
 *            and three pairwise additions leave one bit a byte (Langdale and Lemire 2019, section 3.1.1).
 * Parity     by shifts, because the carry-less product is an optional part of ARMv8.
 */
#include "core/text/csv_index_state.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

typedef struct bytes64 {
    uint8x16_t v[4];
} bytes64;

static inline uint64_t equal(const bytes64 *b, uint8_t c) {
    static const uint8_t bit_of[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vld1q_u8(bit_of), wanted = vdupq_n_u8(c);
    uint8x16_t m0 = vandq_u8(vceqq_u8(b->v[0], wanted), bits);
    uint8x16_t m1 = vandq_u8(vceqq_u8(b->v[1], wanted), bits);
    uint8x16_t m2 = vandq_u8(vceqq_u8(b->v[2], wanted), bits);
    uint8x16_t m3 = vandq_u8(vceqq_u8(b->v[3], wanted), bits);
    uint8x16_t sum = vpaddq_u8(vpaddq_u8(m0, m1), vpaddq_u8(m2, m3));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

static inline uint64_t prefix_xor(uint64_t bits) {
    for (int shift = 1; shift < MW_INDEX_STEP; shift *= 2) bits ^= bits << shift;
    return bits;
}

static inline size_t write_marks(uint32_t *to, uint64_t bits, uint32_t base) {
    size_t n = (size_t)__builtin_popcountll(bits);
    for (; bits; bits &= bits - 1) *to++ = base + (uint32_t)__builtin_ctzll(bits);
    return n;
}

typedef struct seen {
    uint8x16_t smallest, either;
} seen;

static inline size_t step(const mw_dialect *d, mw_csv__state *state, seen *s, const char *data,
                          uint64_t valid, uint32_t base, uint32_t *marks) {
    bytes64 b;
    for (int i = 0; i < 4; i++) {
        b.v[i] = vld1q_u8((const uint8_t *)data + 16 * i);
        s->smallest = vminq_u8(s->smallest, b.v[i]);
        s->either = vorrq_u8(s->either, b.v[i]);
    }
    mw_csv__masks m = {.separators = equal(&b, (uint8_t)d->separator) & valid,
                       .feeds = equal(&b, '\n') & valid,
                       .quotes = d->quote ? equal(&b, (uint8_t)d->quote) & valid : 0,
                       .comments = d->comment ? equal(&b, (uint8_t)d->comment) & valid : 0,
                       .valid = valid};
    if (mw_csv__quoting(state, m.quotes)) {
        m.returns = equal(&b, '\r');
        m.parity = prefix_xor(m.quotes);
        mw_csv__judge_quotes(state, &m);
    }
    return write_marks(marks, mw_csv__take(state, &m), base);
}

void mw_csv__index_neon(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret) {
    seen s = {.smallest = vdupq_n_u8(' '), .either = vdupq_n_u8(0)};
    mw_csv__state state = MW_CSV__STATE_FIRST;
    size_t n = 0, at = 0;
    for (; at + MW_INDEX_STEP <= size; at += MW_INDEX_STEP)
        n += step(dialect, &state, &s, text + at, ~UINT64_C(0), (uint32_t)at, marks + n);
    if (at < size) {
        /* Padded with blanks: a NUL or a high byte behind the text is none of it. */
        char pad[MW_INDEX_STEP];
        memset(pad, ' ', sizeof pad);
        memcpy(pad, text + at, size - at);
        uint64_t valid = (UINT64_C(1) << (size - at)) - 1;
        n += step(dialect, &state, &s, pad, valid, (uint32_t)at, marks + n);
    }
    state.bad |= vminvq_u8(s.smallest) == 0;
    mw_csv__conclude(dialect, &state, n, vmaxvq_u8(s.either) > 0x7F, ret);
}

#endif
