/*
 * short_text.h -- hashing and comparing texts of mostly up to 16 bytes without calls. Internal to core/table.
 *
 * Slack   where a name says so, MW_SHORT_TEXT bytes from the text's beginning may be read, used or not. Both hashes of a
 *         text are the same.
 */
#ifndef MW_CORE_TABLE_SHORT_TEXT_H
#define MW_CORE_TABLE_SHORT_TEXT_H

#include <string.h>

#include "core/table/table.h"

enum { MW_SHORT_TEXT = 16 };

static inline uint64_t mw_short__load(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t mw_short__load4(const char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The first bytes of a word, n of them, at most 8; words are little-endian here. */
static inline uint64_t mw_short__first(uint64_t word, size_t n) {
    return n >= 8 ? word : word & ~(~UINT64_C(0) << (8 * n));
}

static inline uint64_t mw_short__fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants with evenly spread bits: the golden ratio and digits of pi. */
#define MW_SHORT_K0 UINT64_C(0x9E3779B97F4A7C15)
#define MW_SHORT_K1 UINT64_C(0x243F6A8885A308D3)

static inline uint32_t mw_short__mix(uint64_t hash, uint64_t low, uint64_t high) {
    hash = mw_short__fold(low ^ hash, high ^ MW_SHORT_K1);
    hash = mw_short__fold(hash, MW_SHORT_K0);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Over 16 bytes: whole blocks of 16, then the last 16. */
static inline uint32_t mw_short__hash_long(mw_str text) {
    uint64_t hash = text.size ^ MW_SHORT_K0;
    size_t at = 0;
    for (; text.size - at > MW_SHORT_TEXT; at += MW_SHORT_TEXT)
        hash = mw_short__fold(mw_short__load(text.data + at) ^ hash,
                              mw_short__load(text.data + at + 8) ^ MW_SHORT_K1);
    const char *last = text.data + text.size - MW_SHORT_TEXT;
    return mw_short__mix(hash, mw_short__load(last), mw_short__load(last + 8));
}

static inline uint32_t mw_short__hash_slack(mw_str text) {
    if (text.size > MW_SHORT_TEXT) return mw_short__hash_long(text);
    uint64_t low = mw_short__first(mw_short__load(text.data), text.size);
    size_t behind = text.size < 8 ? 0 : text.size - 8;
    uint64_t high = mw_short__first(mw_short__load(text.data + 8), behind);
    return mw_short__mix(text.size ^ MW_SHORT_K0, low, high);
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
    uint64_t low = mw_short__load(a.data) ^ mw_short__load(b.data);
    if (a.size <= 8) return mw_short__first(low, a.size) == 0;
    uint64_t high = mw_short__load(a.data + 8) ^ mw_short__load(b.data + 8);
    if (a.size <= MW_SHORT_TEXT) return (low | mw_short__first(high, a.size - 8)) == 0;
    return (low | high) == 0 &&
           memcmp(a.data + MW_SHORT_TEXT, b.data + MW_SHORT_TEXT, a.size - MW_SHORT_TEXT) == 0;
}

#endif
