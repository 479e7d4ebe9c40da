/* split_scan.c -- split_scan.h at every CPU level. */
#include "learn/tree/split_scan.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"

enum { EXACT_BITS = 51, WIDE_BITS = 30 };

typedef double scan_fn(const mw_split__scan *scan, int32_t *ret_at);

#define LANES 2
#define TARGET
#define SCAN scan_by_2
#include "learn/tree/split_scan_lanes.h"

#if defined(__x86_64__)

#define LANES 4
#define TARGET __attribute__((target("avx2")))
#define SCAN scan_by_4
#include "learn/tree/split_scan_lanes.h"

#define LANES 8
#define TARGET __attribute__((target("avx2,avx512f,avx512dq,avx512vl")))
#define SCAN scan_by_8
#include "learn/tree/split_scan_lanes.h"

#endif

bool mw_split__scans(mw_scale scale) {
    return scale.count_bits + (scale.narrow ? MW_NARROW_H_BITS : WIDE_BITS) < EXACT_BITS;
}

double mw_split__scan_best(const mw_split__scan *scan, int32_t *ret_at) {
    scan_fn *fn = scan_by_2;
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX2) fn = scan_by_4;
    if (mw_cpu_level() == MW_CPU_AVX512) fn = scan_by_8;
#endif
    return fn(scan, ret_at);
}
