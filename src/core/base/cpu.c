/* cpu.c -- see cpu.h. The level is found on first use; two threads that both look find the same. */
#include "core/base/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { N_LEVELS = MW_CPU_AVX512 + 1, UNKNOWN = -1 };

static const char *const names[N_LEVELS] = {
    [MW_CPU_SCALAR] = "scalar",
    [MW_CPU_NEON] = "neon",
    [MW_CPU_AVX2] = "avx2",
    [MW_CPU_AVX512] = "avx512",
};

static atomic_int in_force = UNKNOWN;

const char *mw_cpu_name(mw_cpu level) {
    return (unsigned)level < N_LEVELS ? names[level] : names[MW_CPU_SCALAR];
}

#if defined(__x86_64__)

/* The built-in asks the system, too, whether it saves the wide registers. */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("sse4.2") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}

bool mw_cpu_has(mw_cpu level) {
    switch (level) {
    case MW_CPU_SCALAR: return true;
    case MW_CPU_AVX2: return has_avx2();
    case MW_CPU_AVX512: return has_avx512();
    default: return false;
    }
}

#elif defined(__aarch64__)

bool mw_cpu_has(mw_cpu level) { return level == MW_CPU_SCALAR || level == MW_CPU_NEON; }

#else

bool mw_cpu_has(mw_cpu level) { return level == MW_CPU_SCALAR; }

#endif

static mw_cpu best(void) {
    for (int level = N_LEVELS - 1; level > MW_CPU_SCALAR; level--)
        if (mw_cpu_has((mw_cpu)level)) return (mw_cpu)level;
    return MW_CPU_SCALAR;
}

static mw_cpu wanted(void) {
    const char *text = getenv("MILLWRIGHT_CPU");
    for (int level = 0; text && level < N_LEVELS; level++)
        if (strcmp(text, names[level]) == 0 && mw_cpu_has((mw_cpu)level)) return (mw_cpu)level;
    return best();
}

mw_cpu mw_cpu_level(void) {
    int level = atomic_load_explicit(&in_force, memory_order_relaxed);
    return level != UNKNOWN ? (mw_cpu)level : mw_cpu_force(wanted());
}

mw_cpu mw_cpu_force(mw_cpu level) {
    if (!mw_cpu_has(level)) level = best();
    atomic_store_explicit(&in_force, (int)level, memory_order_relaxed);
    return level;
}
