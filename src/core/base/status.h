/*
 * status.h -- what every fallible function returns, and the message that goes with it.
 *
 * What      one code per kind of failure. The table below is the only place where a code's name,
 *           process exit status, HTTP status and title are written down.
 * Use       mw_status f(in..., out..., mw_err *err). Outputs are written only on MW_OK.
 * Messages  `message` gives what and why, `hint` what to do, `pointer` where (a JSON pointer, a
 *           parameter name or file:line). None of them may carry secrets, SQL or addresses.
 * Memory    an mw_err is a plain value on the caller's stack; nothing is allocated. NULL is allowed
 *           everywhere an mw_err * is taken.
 */
#ifndef MW_CORE_BASE_STATUS_H
#define MW_CORE_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

/*   name          exit  HTTP  title */
#define MW_STATUS_MAP(X)                          \
    X(OK, 0, 200, "ok")                           \
    X(EINTERNAL, 1, 500, "Internal error")        \
    X(EINVAL, 2, 422, "Invalid value")            \
    X(EPARSE, 3, 400, "Cannot be parsed")         \
    X(EDATA, 4, 422, "Unusable data")             \
    X(ENOTFOUND, 5, 404, "Not found")             \
    X(ECONFLICT, 6, 409, "Conflict")              \
    X(EDENIED, 7, 403, "Not allowed")             \
    X(ETOOLARGE, 8, 413, "Too large")             \
    X(EUNSUPPORTED, 9, 415, "Unsupported format") \
    X(EBUSY, 10, 503, "Busy")                     \
    X(ENOMEM, 11, 503, "Out of memory")           \
    X(EIO, 12, 500, "Storage error")              \
    X(ETIMEOUT, 13, 504, "Timed out")             \
    X(ECANCELED, 14, 409, "Canceled")             \
    X(ECHANGED, 15, 412, "Changed meanwhile")

typedef enum mw_status {
#define MW_X(name, exit_status, http, title) MW_##name,
    MW_STATUS_MAP(MW_X)
#undef MW_X
        MW_STATUS_COUNT
} mw_status;

enum { MW_ERR_MESSAGE_MAX = 768, MW_ERR_HINT_MAX = 256, MW_ERR_POINTER_MAX = 192 };

typedef struct mw_err {
    mw_status code;
    char message[MW_ERR_MESSAGE_MAX];
    char hint[MW_ERR_HINT_MAX];
    char pointer[MW_ERR_POINTER_MAX];
} mw_err;

const char *mw_status_name(mw_status code);  /* "EINVAL" */
const char *mw_status_title(mw_status code); /* "Invalid value" */
int mw_status_exit(mw_status code);          /* process exit status */
int mw_status_http(mw_status code);          /* HTTP status */

/* The code with that name, or MW_EINTERNAL when there is none. */
mw_status mw_status_from_name(const char *name);

/*
 * mw_fail -- set code and message, clear hint and pointer; returns code, so that
 * `return mw_fail(err, MW_EDATA, "...")` is one line. The text is cut at a UTF-8 boundary.
 */
mw_status mw_fail(mw_err *err, mw_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like mw_fail, and appends ": " and the text of errno_value. ENOSPC and EDQUOT get a hint. */
mw_status mw_fail_errno(mw_err *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Out of memory while doing `what`. MW_ENOMEM. */
mw_status mw_fail_nomem(mw_err *err, const char *what);

/* Adds what the reader can do about it. Returns err->code (MW_EINTERNAL for NULL). */
mw_status mw_err_hint(mw_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds where it happened. Returns err->code (MW_EINTERNAL for NULL). */
mw_status mw_err_at(mw_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message, as a caller that knows more passes an error on. */
mw_status mw_err_prefix(mw_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Back to "no error". */
void mw_err_clear(mw_err *err);

#endif
