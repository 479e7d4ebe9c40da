/* limits.c -- the table of limits as data. */
#include "core/base/limits.h"

const mw_limit mw_limits[MW_LIMIT_COUNT] = {
#define MW_X(name, value, what) {#name, INT64_C(value), what},
    MW_LIMIT_MAP(MW_X)
#undef MW_X
};
