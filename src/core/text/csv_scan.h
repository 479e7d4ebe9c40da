/*
 * csv_scan.h -- finds the bytes that can end or spoil a CSV field. Internal to core/text.
 *
 * What      bit i of the mask is set when data[i] is the separator, a quote, a line feed or a NUL.
 * Memory    mw_csv__mask reads MW_CSV_BLOCK bytes whatever they are: the buffer must have that
 * slack.
 */
#ifndef MW_CORE_TEXT_CSV_SCAN_H
#define MW_CORE_TEXT_CSV_SCAN_H

#include <stdint.h>

enum { MW_CSV_BLOCK = 64 };

/* The vector form where the processor has one, and the plain form that is its oracle. */
uint64_t mw_csv__mask(const char *data, char separator);
uint64_t mw_csv__mask_scalar(const char *data, char separator);

#endif
