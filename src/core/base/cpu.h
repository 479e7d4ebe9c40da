/*
 * cpu.h -- which vector instructions this process may use, decided once at run time.
 *
 * MILLWRIGHT_CPU=scalar|avx2|avx512|neon asks for less than the machine has; a level that it lacks, or an
 * unknown word, leaves the machine's own best. Every level gives the same results: scalar is the oracle.
 */
#ifndef MW_CORE_BASE_CPU_H
#define MW_CORE_BASE_CPU_H

#include <stdbool.h>

typedef enum mw_cpu { MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512 } mw_cpu;

/* AVX2 implies SSE4.2, BMI1, BMI2, PCLMUL and POPCNT; AVX512 implies AVX2's and F, BW, DQ, VL, VBMI and VBMI2 (Intel
 * since Ice Lake, AMD since Zen 4). Cost: one load. */
mw_cpu mw_cpu_level(void);
bool mw_cpu_has(mw_cpu level); /* whether this machine can */
/* For tests: overrides until called with the machine's own. A level that it lacks gives its best. Returns the level now
 * in force. */
mw_cpu mw_cpu_force(mw_cpu level);
const char *mw_cpu_name(mw_cpu level); /* "scalar", "neon", "avx2", "avx512" */

#endif
