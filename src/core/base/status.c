/* status.c -- the status table, and formatting into fixed buffers without ever overrunning them. */
#include "core/base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_status;
    int http;
    const char *title;
} status_table[MW_STATUS_COUNT] = {
#define MW_X(name, exit_status, http, title) {#name, exit_status, http, title},
    MW_STATUS_MAP(MW_X)
#undef MW_X
};

static size_t index_of(mw_status code) {
    return (unsigned)code < MW_STATUS_COUNT ? (size_t)code : (size_t)MW_EINTERNAL;
}

const char *mw_status_name(mw_status code) { return status_table[index_of(code)].name; }
const char *mw_status_title(mw_status code) { return status_table[index_of(code)].title; }
int mw_status_exit(mw_status code) { return status_table[index_of(code)].exit_status; }
int mw_status_http(mw_status code) { return status_table[index_of(code)].http; }

mw_status mw_status_from_name(const char *name) {
    for (size_t i = 0; i < MW_STATUS_COUNT; i++)
        if (strcmp(status_table[i].name, name) == 0) return (mw_status)i;
    return MW_EINTERNAL;
}

/* A cut in the middle of a UTF-8 sequence would make the text invalid JSON later: step back. */
static void cut_at_boundary(char *text, size_t capacity) {
    size_t n = strlen(text);
    if (n + 1 < capacity) return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xC0u) == 0x80u) n--;
    if (n > 0 && ((unsigned char)text[n - 1] & 0x80u)) n--;
    text[n] = '\0';
}

static void format_into(char *text, size_t capacity, const char *format, va_list args) {
    if (vsnprintf(text, capacity, format, args) < 0) text[0] = '\0';
    cut_at_boundary(text, capacity);
}

mw_status mw_fail(mw_err *err, mw_status code, const char *format, ...) {
    if (!err) return code;
    va_list args;
    va_start(args, format);
    format_into(err->message, sizeof err->message, format, args);
    va_end(args);
    err->code = code;
    err->hint[0] = err->pointer[0] = '\0';
    return code;
}

static mw_status code_of_errno(int errno_value) {
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR: return MW_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS: return MW_EDENIED;
    case ENOMEM: return MW_ENOMEM;
    default: return MW_EIO;
    }
}

mw_status mw_fail_errno(mw_err *err, int errno_value, const char *format, ...) {
    mw_status code = code_of_errno(errno_value);
    if (!err) return code;
    va_list args;
    va_start(args, format);
    format_into(err->message, sizeof err->message, format, args);
    va_end(args);
    err->code = code;
    err->hint[0] = err->pointer[0] = '\0';
    size_t used = strlen(err->message);
    char reason[128];
    /* GNU strerror_r: thread-safe, may return its own static text. */
    const char *text = strerror_r(errno_value, reason, sizeof reason);
    (void)snprintf(err->message + used, sizeof err->message - used, ": %s", text);
    cut_at_boundary(err->message, sizeof err->message);
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        mw_err_hint(err, "free some disk space, then run it again; nothing was lost");
    else if (errno_value == EFBIG)
        mw_err_hint(err, "raise the limit of a file's size (ulimit -f, or the file system's)");
    else if (errno_value == EROFS || errno_value == EACCES)
        mw_err_hint(err, "check the owner and permissions of that path");
    return code;
}

mw_status mw_fail_nomem(mw_err *err, const char *what) {
    mw_fail(err, MW_ENOMEM, "not enough memory for %s", what);
    return mw_err_hint(err, "use less data at once or raise the memory ceiling");
}

mw_status mw_err_hint(mw_err *err, const char *format, ...) {
    if (!err) return MW_EINTERNAL;
    va_list args;
    va_start(args, format);
    format_into(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return err->code;
}

mw_status mw_err_at(mw_err *err, const char *format, ...) {
    if (!err) return MW_EINTERNAL;
    va_list args;
    va_start(args, format);
    format_into(err->pointer, sizeof err->pointer, format, args);
    va_end(args);
    return err->code;
}

mw_status mw_err_prefix(mw_err *err, const char *format, ...) {
    if (!err) return MW_EINTERNAL;
    char old[MW_ERR_MESSAGE_MAX];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    format_into(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    (void)snprintf(err->message + used, sizeof err->message - used, ": %s", old);
    cut_at_boundary(err->message, sizeof err->message);
    return err->code;
}

void mw_err_clear(mw_err *err) {
    if (err) *err = (mw_err){.code = MW_OK};
}
