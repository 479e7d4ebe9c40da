/*
 * analyzer.h -- told to clang-tidy before each source: what it cannot see from another file, namely that
 * the functions that report a failure never return MW_OK.
 */
#include "core/base/status.h"

#define mw_fail(err, code, ...) ((void)(mw_fail)(err, code, __VA_ARGS__), (code))
#define mw_fail_errno(...) ((void)(mw_fail_errno)(__VA_ARGS__), MW_EIO)
#define mw_fail_nomem(...) ((void)(mw_fail_nomem)(__VA_ARGS__), MW_ENOMEM)
#define mw_err_hint(...) ((void)(mw_err_hint)(__VA_ARGS__), MW_EINTERNAL)
#define mw_err_at(...) ((void)(mw_err_at)(__VA_ARGS__), MW_EINTERNAL)
#define mw_err_prefix(...) ((void)(mw_err_prefix)(__VA_ARGS__), MW_EINTERNAL)
