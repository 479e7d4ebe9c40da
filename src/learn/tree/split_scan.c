/* split_scan.c -- split_scan_lanes.h with the 16-byte vectors that every 64-bit CPU has, and the choice among CPU levels. */
#include "core/base/cpu.h"

#define LANES 2
#define SCAN scan
#define SCAN_TARGET static
#include "learn/tree/split_scan_lanes.h"

enum { EXACT_BITS = 51, WIDE_BITS = 30 };

bool mw_split__scans(mw_scale scale) {
    return scale.count_bits + (scale.narrow ? MW_NARROW_H_BITS : WIDE_BITS) < EXACT_BITS;
}

double mw_split__scan_best(const mw_split__scan *s, int32_t *ret_at) {
#if defined(__x86_64__)
    if (mw_cpu_level() == MW_CPU_AVX512) return mw_split__scan_avx512(s, ret_at);
    if (mw_cpu_level() == MW_CPU_AVX2) return mw_split__scan_avx2(s, ret_at);
#endif
    return scan(s, ret_at);
}
