/* math.c -- names of our own over SLEEF's deterministic scalar functions. */
#include "core/base/math.h"

#include <sleef.h>

double mw_exp(double x) { return Sleef_cinz_expd1_u10purec(x); }
double mw_exp2(double x) { return Sleef_cinz_exp2d1_u10purec(x); }
double mw_ln(double x) { return Sleef_cinz_logd1_u10purec(x); }
double mw_log2(double x) { return Sleef_cinz_log2d1_u10purec(x); }
double mw_log1p(double x) { return Sleef_cinz_log1pd1_u10purec(x); }
double mw_pow(double x, double y) { return Sleef_cinz_powd1_u10purec(x, y); }
double mw_sin(double x) { return Sleef_cinz_sind1_u10purec(x); }
double mw_cos(double x) { return Sleef_cinz_cosd1_u10purec(x); }
