/*
 * sort.c -- least-significant-byte radix sort (Knuth, The Art of Computer Programming 3, 5.2.5).
 *
 * All byte counts are taken in one pass; a byte with the same value in every key is skipped, which
 * is the usual case for the exponents of one sensor.
 */
#include "learn/stat/sort.h"

enum { KEY_BYTES = 8, SMALL = 48 };

static void sort_small(uint64_t *keys, int64_t n, int low_bit) {
    for (int64_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        int64_t k = i;
        for (; k > 0 && keys[k - 1] >> low_bit > key >> low_bit; k--) keys[k] = keys[k - 1];
        keys[k] = key;
    }
}

static void scatter(const uint64_t *from, uint64_t *to, int64_t n, int shift,
                    const int64_t *count) {
    int64_t next[256];
    int64_t sum = 0;
    for (int b = 0; b < 256; b++) {
        next[b] = sum;
        sum += count[b];
    }
    for (int64_t i = 0; i < n; i++) to[next[(from[i] >> shift) & 255]++] = from[i];
}

mw_status mw_sort_u64(const mw_ctx *ctx, uint64_t *keys, uint64_t *scratch, int64_t n, int low_bit,
                      mw_err *err) {
    mw_status status = mw_ctx_check(ctx, err);
    if (status != MW_OK) return status;
    if (n <= SMALL) {
        sort_small(keys, n, low_bit);
        return MW_OK;
    }
    int64_t count[KEY_BYTES][256] = {{0}};
    for (int64_t i = 0; i < n; i++)
        for (int b = 0; b < KEY_BYTES; b++) count[b][(keys[i] >> (8 * b)) & 255]++;
    uint64_t *from = keys, *to = scratch;
    for (int b = low_bit / 8; b < KEY_BYTES; b++) {
        if (count[b][(from[0] >> (8 * b)) & 255] == n) continue;
        status = mw_ctx_check(ctx, err);
        if (status != MW_OK) return status;
        scatter(from, to, n, 8 * b, count[b]);
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys) memcpy(keys, from, (size_t)n * sizeof *keys);
    return MW_OK;
}
