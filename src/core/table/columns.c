/* columns.c -- see columns.h. Bits are moved one by one up to a whole byte of the target, then byte by byte. */
#include "core/table/columns.h"

#include "core/base/math.h"
#include "core/text/datetime.h"

enum { ALIGNMENT = 64 };

void *mw_table__buffer(mw_mem *mem, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size_t padded = size ? (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
    char *p = mw_alloc_aligned(mem, padded);
    if (p) memset(p + padded - ALIGNMENT, 0, ALIGNMENT);
    return p;
}

size_t mw_table__value_bytes(mw_type type, int64_t n_rows) {
    size_t n = (size_t)n_rows;
    switch (type) {
    case MW_TIMESTAMP: return n * sizeof(int64_t);
    case MW_FLOAT64: return n * sizeof(double);
    case MW_BOOL: return mw_table__bitmap_bytes(n_rows);
    case MW_DICTIONARY: return n * sizeof(int32_t);
    case MW_FLOAT32: return n * sizeof(float);
    case MW_UTF8: return (n + 1) * sizeof(int32_t);
    }
    return 0;
}

void mw_table__fill_missing(mw_type type, void *data, int64_t at, int64_t n) {
    int64_t *times = data;
    double *numbers = data;
    float *singles = data;
    int32_t *codes = data;
    switch (type) {
    case MW_TIMESTAMP:
        for (int64_t i = at; i < at + n; i++) times[i] = MW_TIME_NONE;
        break;
    case MW_FLOAT64:
        for (int64_t i = at; i < at + n; i++) numbers[i] = MW_NAN;
        break;
    case MW_FLOAT32:
        for (int64_t i = at; i < at + n; i++) singles[i] = (float)MW_NAN;
        break;
    case MW_BOOL: mw_table__clear_bits(data, at, n); break;
    case MW_DICTIONARY:
        for (int64_t i = at; i < at + n; i++) codes[i] = -1;
        break;
    case MW_UTF8: break;
    }
}

/* --- bits ------------------------------------------------------------------------------------ */

int64_t mw_table__ones(const uint8_t *bits, int64_t n) {
    int64_t ones = 0;
    int64_t bytes = n / 8;
    int64_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t word;
        memcpy(&word, bits + i, sizeof word);
        ones += __builtin_popcountll(word);
    }
    for (; i < bytes; i++) ones += __builtin_popcount(bits[i]);
    if (n & 7) ones += __builtin_popcount(bits[bytes] & ((1u << (n & 7)) - 1));
    return ones;
}

void mw_table__clear_bits(uint8_t *bits, int64_t at, int64_t n) {
    for (; n > 0 && at % 8 != 0; n--) mw_table__set_bit(bits, at++, false);
    if (n > 0) memset(bits + at / 8, 0, (size_t)(n / 8));
    for (at += n / 8 * 8, n %= 8; n > 0; n--) mw_table__set_bit(bits, at++, false);
}

void mw_table__copy_bits(uint8_t *to, int64_t at, const uint8_t *from, int64_t row, int64_t n) {
    for (; n > 0 && at % 8 != 0; n--) mw_table__set_bit(to, at++, mw_table__bit(from, row++));
    unsigned shift = (unsigned)(row % 8);
    int64_t bytes = n / 8;
    if (bytes && shift == 0) memcpy(to + at / 8, from + row / 8, (size_t)bytes);
    const uint8_t *source = from + row / 8;
    for (int64_t i = 0; i < bytes && shift != 0; i++)
        to[at / 8 + i] = (uint8_t)(source[i] >> shift | source[i + 1] << (8 - shift));
    for (int64_t i = 8 * bytes; i < n; i++)
        mw_table__set_bit(to, at + i, mw_table__bit(from, row + i));
}
