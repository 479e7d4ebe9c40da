/* split_scan_avx2.c -- split_scan_lanes.h with 32-byte vectors. */
#include "learn/tree/split_scan.h"

#if defined(__x86_64__)

#define LANES 4
#define SCAN mw_split__scan_avx2
#define SCAN_TARGET __attribute__((target("avx2")))
#include "learn/tree/split_scan_lanes.h"

#endif
