/*
 * csv_scan.h -- finds the bytes that can end or spoil a CSV field. Internal to core/text.
 *
 * What      bit i of the mask is set when data[i] is the separator, the quote, a line feed or a NUL; or, in the form
 *           with a table, when the table has anything but 0 for it.
 * Memory    MW_CSV_BLOCK bytes are read whatever they are: the buffer must have that slack.
 */
#ifndef MW_CORE_TEXT_CSV_SCAN_H
#define MW_CORE_TEXT_CSV_SCAN_H

#include <stdint.h>

enum { MW_CSV_BLOCK = 64, MW_CSV_BYTES = 256 };

/* The vector form where the processor has one, and the plain form that is its oracle. */
uint64_t mw_csv__mask(const char *data, char separator, char quote);
uint64_t mw_csv__mask_scalar(const char *data, char separator, char quote);
uint64_t mw_csv__mask_table(const char *data, const uint8_t table[MW_CSV_BYTES]);

#endif
