/*
 * math_array.c -- exponentials and logarithms of many numbers, four or eight at a time where the machine can.
 *
 * SLEEF's vector forms without fused multiply-add give the bits of the scalar one (Shibata, Petrogalli, "SLEEF: a
 * portable vectorized library of C standard mathematical functions", 2020); tests compare them.
 */
#include "core/base/math.h"

#include "core/base/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX __attribute__((target("avx")))
#define AVX512 __attribute__((target("avx512f")))

/* sleef.h has them only where all of the file is compiled for AVX. */
AVX __m256d Sleef_cinz_expd4_u10avx(__m256d x);
AVX __m256d Sleef_cinz_log1pd4_u10avx(__m256d x);
AVX512 __m512d Sleef_cinz_expd8_u10avx512fnofma(__m512d x);
AVX512 __m512d Sleef_cinz_log1pd8_u10avx512fnofma(__m512d x);

AVX static size_t by_4(__m256d (*fn)(__m256d), const double *x, size_t n, double *out) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) _mm256_storeu_pd(out + i, fn(_mm256_loadu_pd(x + i)));
    return i;
}

AVX512 static size_t by_8(__m512d (*fn)(__m512d), const double *x, size_t n, double *out) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm512_storeu_pd(out + i, fn(_mm512_loadu_pd(x + i)));
    return i;
}

static size_t exp_of_most(const double *x, size_t n, double *out) {
    const mw_cpu level = mw_cpu_level();
    return level >= MW_CPU_AVX512 ? by_8(Sleef_cinz_expd8_u10avx512fnofma, x, n, out)
           : level >= MW_CPU_AVX2 ? by_4(Sleef_cinz_expd4_u10avx, x, n, out)
                                  : 0;
}

static size_t log1p_of_most(const double *x, size_t n, double *out) {
    const mw_cpu level = mw_cpu_level();
    return level >= MW_CPU_AVX512 ? by_8(Sleef_cinz_log1pd8_u10avx512fnofma, x, n, out)
           : level >= MW_CPU_AVX2 ? by_4(Sleef_cinz_log1pd4_u10avx, x, n, out)
                                  : 0;
}

#else

static size_t exp_of_most(const double *x, size_t n, double *out) {
    (void)x, (void)n, (void)out;
    return 0;
}

static size_t log1p_of_most(const double *x, size_t n, double *out) {
    (void)x, (void)n, (void)out;
    return 0;
}

#endif

void mw_exp_array(const double *x, size_t n, double *out) {
    for (size_t i = exp_of_most(x, n, out); i < n; i++) out[i] = mw_exp(x[i]);
}

void mw_log1p_array(const double *x, size_t n, double *out) {
    for (size_t i = log1p_of_most(x, n, out); i < n; i++) out[i] = mw_log1p(x[i]);
}
