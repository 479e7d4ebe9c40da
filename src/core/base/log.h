/*
 * log.h -- one line per event, as text or JSON, to standard error and a size-rotated file.
 *
 * What      each line has time (UTC), level, message and, when the context has them, organization,
 *           request and job id. JSON lines are valid JSON whatever the message holds.
 * Lifetime  mw_log_open -> mw_log_* -> mw_log_close; NULL log means silence.
 * Threads   any; a line is written by one write(2).
 * Rotation  FILE -> FILE.1 -> ... -> FILE.4 at 64 MiB (see limits.h).
 * Errors    writing a log never fails the caller.
 */
#ifndef MW_CORE_BASE_LOG_H
#define MW_CORE_BASE_LOG_H

#include <stdbool.h>

#include "core/base/ctx.h"

typedef enum mw_log_level { MW_LOG_DEBUG, MW_LOG_INFO, MW_LOG_WARN, MW_LOG_ERROR } mw_log_level;

typedef struct mw_log mw_log;

typedef struct mw_log_options {
    mw_log_level level;
    bool json;
    bool to_stderr;
    const char *path;  /* NULL: no file */
    int64_t max_bytes; /* 0: the default limit */
    /* Called with each message instead of formatting it: a worker hands its log to the server. */
    void (*write)(void *self, mw_log_level level, const char *message);
    void *self;
} mw_log_options;

mw_status mw_log_open(const mw_log_options *options, mw_log **ret, mw_err *err);
void *mw_log_close(mw_log *log); /* NULL */

/* "DEBUG", "info", "WARNING", ... -> level; false when unknown. */
bool mw_log_level_parse(const char *text, mw_log_level *level);
const char *mw_log_level_name(mw_log_level level); /* "WARNING" */

void mw_log_write(const mw_ctx *ctx, mw_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define mw_log_debug(ctx, ...) mw_log_write(ctx, MW_LOG_DEBUG, __VA_ARGS__)
#define mw_log_info(ctx, ...) mw_log_write(ctx, MW_LOG_INFO, __VA_ARGS__)
#define mw_log_warn(ctx, ...) mw_log_write(ctx, MW_LOG_WARN, __VA_ARGS__)
#define mw_log_error(ctx, ...) mw_log_write(ctx, MW_LOG_ERROR, __VA_ARGS__)

#endif
