/*
 * number_exact.h -- the slow, exact end of decimal reading. Internal to core/text.
 *
 * What      decides between neighboring doubles by comparing big integers; needed only for numbers
 * of more than 19 digits whose first 19 leave the rounding open. Memory    about 3 KB of stack, no
 * allocation.
 */
#ifndef MW_CORE_TEXT_NUMBER_EXACT_H
#define MW_CORE_TEXT_NUMBER_EXACT_H

#include <stddef.h>
#include <stdint.h>

/*
 * mw_number__exact -- the double nearest to 0.DIGITS... read as an integer times 10^exponent.
 *
 *   text      [size] digits with at most one point, leading zeros allowed; borrowed
 *   exponent  power of ten of the last digit of text
 *   guess     bits of a finite or infinite positive double near the value; any will do, a good one
 *             saves steps
 *
 * Returns the bits of the nearest double, ties to even; infinity from 2^1024 - 2^970 on.
 */
uint64_t mw_number__exact(const char *text, size_t size, int64_t exponent, uint64_t guess);

#endif
