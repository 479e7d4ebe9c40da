/* split_scan_avx2.c -- split_scan_lanes.h with 32-byte vectors. */
#define LANES 4
#define SCAN_TARGET __attribute__((target("avx2")))

#if defined(__x86_64__)

#include "learn/tree/split_scan_lanes.h"

SCAN_TARGET double mw_split__scan_avx2(const mw_split__scan *s, int32_t *ret_at) {
    return scan(s, ret_at);
}

#else
typedef int mw_split__no_avx2; /* a file has something in it */
#endif
