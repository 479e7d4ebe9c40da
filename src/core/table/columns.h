/*
 * columns.h -- column buffers, for the files of this folder only.
 */
#ifndef MW_CORE_TABLE_COLUMNS_H
#define MW_CORE_TABLE_COLUMNS_H

#include <string.h>

#include "core/table/table.h"

/* Rows between two looks at the context: well under 10 ms of copying. */
enum { MW_TABLE__CHECK_ROWS = 1 << 18 };

/* size bytes rounded up to 64 (at least 64), the last 64 zeroed, 64-byte aligned; NULL: no memory.
 */
void *mw_table__buffer(mw_mem *mem, size_t size);

/* Bytes that n_rows values of a column take; utf8: its offsets. */
size_t mw_table__value_bytes(mw_type type, int64_t n_rows);
/* Rows [at, at + n) of data become what table.h has for a missing value; bool: its value bits only; not utf8. */
void mw_table__fill_missing(mw_type type, void *data, int64_t at, int64_t n);

static inline size_t mw_table__bitmap_bytes(int64_t n) { return ((size_t)n + 7) / 8; }

static inline bool mw_table__bit(const uint8_t *bits, int64_t i) {
    return bits[i >> 3] >> (i & 7) & 1;
}

static inline void mw_table__set_bit(uint8_t *bits, int64_t i, bool value) {
    uint8_t mask = (uint8_t)(1u << (i & 7));
    bits[i >> 3] = (uint8_t)(value ? bits[i >> 3] | mask : bits[i >> 3] & ~mask);
}

/* Ones in the first n bits. */
int64_t mw_table__ones(const uint8_t *bits, int64_t n);
/* Clears bits [at, at + n); the others stay. */
void mw_table__clear_bits(uint8_t *bits, int64_t at, int64_t n);
/* Bits [row, row + n) of from to bits [at, at + n) of another bitmap, whose others stay. Reads no byte of from without one of its bits. */
void mw_table__copy_bits(uint8_t *to, int64_t at, const uint8_t *from, int64_t row, int64_t n);

#endif
