/*
 * present.h -- which rows of a column have a value, as bits. Internal to core/table.
 *
 * Cost      at the speed of memory: 4 or 8 rows a comparison with AVX2, one without.
 */
#ifndef MW_CORE_TABLE_PRESENT_H
#define MW_CORE_TABLE_PRESENT_H

#include "core/table/table.h"

/* Bytes behind a bitmap's last that may be written. */
enum { MW_TABLE__PRESENT_SLACK = 16 };

/*
 * Writes bits [at, at + n) of a bitmap for rows [0, n) of data: 1 where there is a value, that is neither NaN, MW_TIME_NONE nor a negative
 * code; then zeros up to a whole byte at least. type: not bool or utf8. Returns how many rows have none.
 */
int64_t mw_table__present(mw_type type, const void *data, int64_t n, uint8_t *bits, int64_t at);

#endif
