/*
 * math.h -- elementary functions with the same bits on every machine.
 *
 * libm picks code by CPU (with and without fused multiply-add) and gives different last bits; these
 * are SLEEF's scalar, no-FMA, deterministic forms (1.0 ULP). A check bans libm's elsewhere in src.
 * sqrt, floor, ceil, fabs, rint, fma-free arithmetic are exact in IEEE 754 and stay compiler
 * built-ins.
 */
#ifndef MW_CORE_BASE_MATH_H
#define MW_CORE_BASE_MATH_H

#include <stdbool.h>
#include <stddef.h>

#define MW_PI 3.14159265358979323846
#define MW_NAN __builtin_nan("")
#define MW_INFINITY __builtin_inf()

double mw_exp(double x);
double mw_exp2(double x);
double mw_ln(double x);
double mw_log2(double x);
double mw_log1p(double x);
double mw_pow(double x, double y);
double mw_sin(double x);
double mw_cos(double x);
/* out[i] = mw_exp(x[i]), mw_log1p(x[i]): the same bits; out may be x. About 3 ns each where the machine has AVX2. */
void mw_exp_array(const double *x, size_t n, double *out);
void mw_log1p_array(const double *x, size_t n, double *out);

static inline double mw_sqrt(double x) { return __builtin_sqrt(x); }
static inline double mw_abs(double x) { return __builtin_fabs(x); }
static inline double mw_floor(double x) { return __builtin_floor(x); }
static inline double mw_ceil(double x) { return __builtin_ceil(x); }
static inline bool mw_isnan(double x) { return __builtin_isnan(x); }
static inline bool mw_isfinite(double x) { return __builtin_isfinite(x); }

#endif
