/*
 * number.h -- the one reader and the one printer of decimal numbers: locale-free and exact.
 *
 * What      reading rounds to nearest even, as IEEE 754 asks, for any number of digits; printing gives
 *           the shortest decimal that reads back to the same value (closest to it among those).
 * Used by   CSV, JSON, parameters and the command line, so a value means the same everywhere.
 */
#ifndef MW_CORE_TEXT_NUMBER_H
#define MW_CORE_TEXT_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

/*
 * Reads a whole text: optional sign, digits with optional point, optional exponent. Blanks around it
 * are not accepted, nor are hex, "inf" or "nan". Overflow gives +-infinity, underflow 0 or a subnormal.
 * Returns false and leaves *ret alone when the text is not a number.
 */
bool mw_number_read(const char *text, size_t size, double *ret);

/* Optional sign and digits only; false also when out of int64. */
bool mw_number_read_int(const char *text, size_t size, int64_t *ret);

enum { MW_NUMBER_MAX = 32 };

/* Writes the shortest form ("1", "0.1", "1e-7", "1.5e+300"; "nan", "inf", "-inf") and a NUL.
 * Returns its length. -0.0 gives "-0". */
size_t mw_number_print(double value, char out[MW_NUMBER_MAX]);
/* The same for a float: shortest that reads back to the same float. */
size_t mw_number_print_float(float value, char out[MW_NUMBER_MAX]);
size_t mw_number_print_int(int64_t value, char out[MW_NUMBER_MAX]);

/* Appends the shortest form. */
void mw_buf_add_number(mw_buf *buf, double value);
void mw_buf_add_int(mw_buf *buf, int64_t value);

#endif
