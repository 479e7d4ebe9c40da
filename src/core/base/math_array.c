/*
 * math_array.c -- exponentials of many numbers, four at a time where the machine can.
 *
 * SLEEF's vector forms without fused multiply-add give the bits of the scalar one (Shibata, Petrogalli, "SLEEF: a
 * portable vectorized library of C standard mathematical functions", 2020); tests compare them.
 */
#include "core/base/math.h"

#include "core/base/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* sleef.h has it only where all of the file is compiled for AVX. */
__attribute__((target("avx"))) __m256d Sleef_cinz_expd4_u10avx(__m256d x);

__attribute__((target("avx"))) static size_t exp_by_four(const double *x, size_t n, double *out) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(out + i, Sleef_cinz_expd4_u10avx(_mm256_loadu_pd(x + i)));
    return i;
}

void mw_exp_array(const double *x, size_t n, double *out) {
    size_t i = mw_cpu_level() >= MW_CPU_AVX2 ? exp_by_four(x, n, out) : 0;
    for (; i < n; i++) out[i] = mw_exp(x[i]);
}

#else

void mw_exp_array(const double *x, size_t n, double *out) {
    for (size_t i = 0; i < n; i++) out[i] = mw_exp(x[i]);
}

#endif
