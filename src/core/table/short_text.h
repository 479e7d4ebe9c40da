/*
 * short_text.h -- hashing and comparing texts of mostly up to 32 bytes without calls. Internal to core/table.
 *
 * Slack   where a name says so, MW_SHORT_TEXT bytes from the text's beginning may be read, used or not. Both hashes of a
 *         text are the same.
 */
#ifndef MW_CORE_TABLE_SHORT_TEXT_H
#define MW_CORE_TABLE_SHORT_TEXT_H

#include <string.h>

#include "core/table/table.h"

enum { MW_SHORT_TEXT = 32 };

static inline uint64_t mw_short__fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants with evenly spread bits: the golden ratio and digits of pi. */
#define MW_SHORT_K0 UINT64_C(0x9E3779B97F4A7C15)
#define MW_SHORT_K1 UINT64_C(0x243F6A8885A308D3)
#define MW_SHORT_K2 UINT64_C(0x13198A2E03707345)
#define MW_SHORT_K3 UINT64_C(0xA4093822299F31D1)

static inline uint64_t mw_short__block(const uint64_t w[4], uint64_t hash) {
    return mw_short__fold(w[0] ^ hash, w[1] ^ MW_SHORT_K1) ^
           mw_short__fold(w[2] ^ MW_SHORT_K2, w[3] ^ MW_SHORT_K3);
}

static inline uint32_t mw_short__finish(uint64_t hash) {
    hash = mw_short__fold(hash, MW_SHORT_K0);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Whole blocks, then the last bytes of the text, MW_SHORT_TEXT of them. */
static inline uint32_t mw_short__hash_long(mw_str text) {
    uint64_t hash = text.size ^ MW_SHORT_K0, words[4];
    for (size_t at = 0; text.size - at > MW_SHORT_TEXT; at += MW_SHORT_TEXT) {
        memcpy(words, text.data + at, sizeof words);
        hash = mw_short__block(words, hash);
    }
    memcpy(words, text.data + text.size - MW_SHORT_TEXT, sizeof words);
    return mw_short__finish(mw_short__block(words, hash));
}

/* A mask of the first n bytes of MW_SHORT_TEXT: asking for each size would be guessed wrong by the processor too often. */
static inline void mw_short__mask(size_t n, uint64_t mask[4]) {
    static const uint64_t ones_and_zeros[8] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    memcpy(mask, (const char *)ones_and_zeros + MW_SHORT_TEXT - n, MW_SHORT_TEXT);
}

static inline uint32_t mw_short__hash_slack(mw_str text) {
    if (text.size > MW_SHORT_TEXT) return mw_short__hash_long(text);
    uint64_t words[4], mask[4];
    memcpy(words, text.data, sizeof words);
    mw_short__mask(text.size, mask);
    for (int i = 0; i < 4; i++) words[i] &= mask[i];
    return mw_short__finish(mw_short__block(words, text.size ^ MW_SHORT_K0));
}

static inline uint32_t mw_short__hash(mw_str text) {
    if (text.size >= MW_SHORT_TEXT) return mw_short__hash_slack(text);
    char padded[MW_SHORT_TEXT] = {0};
    if (text.size) memcpy(padded, text.data, text.size);
    return mw_short__hash_slack((mw_str){padded, text.size});
}

/* Both with slack. */
static inline bool mw_short__equal(mw_str a, mw_str b) {
    if (a.size != b.size) return false;
    if (a.size > MW_SHORT_TEXT) return memcmp(a.data, b.data, a.size) == 0;
    uint64_t left[4], right[4], mask[4], differ = 0;
    memcpy(left, a.data, sizeof left);
    memcpy(right, b.data, sizeof right);
    mw_short__mask(a.size, mask);
    for (int i = 0; i < 4; i++) differ |= (left[i] ^ right[i]) & mask[i];
    return differ == 0;
}

#endif
