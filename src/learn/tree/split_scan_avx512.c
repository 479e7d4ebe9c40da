/* split_scan_avx512.c -- split_scan_lanes.h with 64-byte vectors. */
#include "learn/tree/split_scan.h"

#if defined(__x86_64__)

#define LANES 8
#define SCAN mw_split__scan_avx512
#define SCAN_TARGET __attribute__((target("avx2,avx512f,avx512dq,avx512vl")))
#include "learn/tree/split_scan_lanes.h"

#endif
