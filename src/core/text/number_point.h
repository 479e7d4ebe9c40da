/* number_point.h -- mw_number_read with any decimal point ('.' or ','). Internal to core/text. */
#ifndef MW_CORE_TEXT_NUMBER_POINT_H
#define MW_CORE_TEXT_NUMBER_POINT_H

#include <stdbool.h>
#include <stddef.h>

bool mw_number__read(const char *text, size_t size, char point, double *ret);

#endif
