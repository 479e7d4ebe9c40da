/*
 * csv_scan.h -- finds the bytes that can end or spoil a CSV field. Internal to core/text.
 *
 * What      bit i of the mask is set when data[i] is a line feed, a NUL or one of the given bytes.
 * Memory    MW_CSV_BLOCK bytes are read whatever they are: the buffer must have that slack.
 */
#ifndef MW_CORE_TEXT_CSV_SCAN_H
#define MW_CORE_TEXT_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text/dialect.h"

enum { MW_CSV_BLOCK = 64, MW_CSV_BYTES = 256 };

/* 0 stands for none. */
typedef struct mw_csv__specials {
    char separator, quote;     /* of every dialect */
    char tab, escape, comment; /* of some */
} mw_csv__specials;

/* The vector form where the processor has one, and the plain form that is its oracle. */
uint64_t mw_csv__mask(const char *data, const mw_csv__specials *specials);
uint64_t mw_csv__mask_scalar(const char *data, const mw_csv__specials *specials);

/* Whether a byte occurs in data [size], and, if so, an odd number of times. */
bool mw_csv__quotes(const char *data, size_t size, char quote, bool *odd);

/* mw_csv_cut without its shortcuts. */
size_t mw_csv__cut_walking(const mw_dialect *dialect, const char *text, size_t size);

#endif
