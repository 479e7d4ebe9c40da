/*
 * log.c -- formats a line on the stack and writes it with one write(2), so lines of several threads
 * (and of several processes appending to the same file) never mix.
 */
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/str.h"

enum { LINE_MAX_BYTES = 4096, MESSAGE_MAX_BYTES = 2048 };

struct mw_log {
    mw_log_level level;
    bool json;
    bool to_stderr;
    char *path;
    int fd; /* -1: no file */
    int64_t size_bytes;
    int64_t max_bytes;
    pthread_mutex_t mutex; /* guards fd and size_bytes during rotation */
    void (*write)(void *self, mw_log_level level, const char *message);
    void *self;
};

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

const char *mw_log_level_name(mw_log_level level) { return level_names[level]; }

bool mw_log_level_parse(const char *text, mw_log_level *level) {
    static const struct {
        const char *name;
        mw_log_level level;
    } names[] = {{"debug", MW_LOG_DEBUG},  {"info", MW_LOG_INFO},   {"warn", MW_LOG_WARN},
                 {"warning", MW_LOG_WARN}, {"error", MW_LOG_ERROR}, {"critical", MW_LOG_ERROR}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!mw_str_is_nocase(mw_str_of(text), names[i].name)) continue;
        *level = names[i].level;
        return true;
    }
    return false;
}

static int open_file(mw_log *log) {
    log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (log->fd < 0) return -1;
    struct stat info;
    log->size_bytes = fstat(log->fd, &info) == 0 ? (int64_t)info.st_size : 0;
    return 0;
}

mw_status mw_log_open(const mw_log_options *options, mw_log **ret, mw_err *err) {
    mw_log *log = mw_calloc(NULL, 1, sizeof *log);
    if (!log) return mw_fail_nomem(err, "the log");
    log->level = options->level;
    log->json = options->json;
    log->to_stderr = options->to_stderr;
    log->write = options->write;
    log->self = options->self;
    log->fd = -1;
    log->max_bytes = options->max_bytes > 0 ? options->max_bytes : MW_LIMIT(LOG_FILE_BYTES);
    pthread_mutex_init(&log->mutex, NULL);
    if (options->path) {
        log->path = mw_strdup(NULL, options->path);
        if (!log->path) {
            mw_log_close(log);
            return mw_fail_nomem(err, "the log");
        }
        if (open_file(log) != 0) {
            mw_status status = mw_fail_errno(err, errno, "cannot open the log file %s", log->path);
            mw_log_close(log);
            return status;
        }
    }
    *ret = log;
    return MW_OK;
}

void *mw_log_close(mw_log *log) {
    if (!log) return NULL;
    if (log->fd >= 0) close(log->fd);
    pthread_mutex_destroy(&log->mutex);
    mw_free(log->path);
    return mw_free(log);
}

/* FILE.3 -> FILE.4, ..., FILE -> FILE.1; failures leave the current file growing, never lose lines.
 */
static void rotate(mw_log *log) {
    char from[4096], to[4096];
    for (int i = (int)MW_LIMIT(LOG_FILES) - 1; i >= 0; i--) {
        if (i == 0)
            (void)snprintf(from, sizeof from, "%s", log->path);
        else
            (void)snprintf(from, sizeof from, "%s.%d", log->path, i);
        (void)snprintf(to, sizeof to, "%s.%d", log->path, i + 1);
        if (i + 1 < (int)MW_LIMIT(LOG_FILES)) (void)rename(from, to);
    }
    int old = log->fd;
    if (open_file(log) == 0)
        close(old);
    else
        log->fd = old;
}

static void write_line(mw_log *log, const char *line, size_t size) {
    /* A log that cannot be written must not fail its caller: results are ignored on purpose. */
    if (log->to_stderr && write(STDERR_FILENO, line, size) < 0) errno = 0;
    if (log->fd < 0) return;
    pthread_mutex_lock(&log->mutex);
    if (log->size_bytes + (int64_t)size > log->max_bytes && log->size_bytes > 0) rotate(log);
    ssize_t written = write(log->fd, line, size);
    if (written > 0) log->size_bytes += written;
    pthread_mutex_unlock(&log->mutex);
}

static void add_json_text(mw_buf *line, const char *text) {
    mw_buf_add_char(line, '"');
    bool valid = mw_utf8_valid(text, strlen(text));
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            mw_buf_printf(line, "\\%c", *p);
        else if (*p < 0x20)
            mw_buf_printf(line, "\\u%04x", *p);
        else if (*p >= 0x80 && !valid)
            mw_buf_add_char(line, '?');
        else
            mw_buf_add_char(line, (char)*p);
    }
    mw_buf_add_char(line, '"');
}

static void format_time(int64_t time_us, char out[40]) {
    time_t seconds = (time_t)(time_us / MW_US_PER_SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + n, 40 - n, ".%03dZ", (int)(time_us % MW_US_PER_SECOND / 1000));
}

static void format_json(mw_buf *line, const mw_ctx *ctx, mw_log_level level, const char *time,
                        const char *message) {
    const struct {
        const char *key, *value;
    } ids[] = {{"org", ctx->org}, {"request", ctx->request_id}, {"job", ctx->job_id}};
    mw_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\"", time, level_names[level]);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (!ids[i].value) continue;
        mw_buf_printf(line, ",\"%s\":", ids[i].key);
        add_json_text(line, ids[i].value);
    }
    mw_buf_add(line, ",\"message\":");
    add_json_text(line, message);
    mw_buf_add(line, "}\n");
}

static void format_text(mw_buf *line, const mw_ctx *ctx, mw_log_level level, const char *time,
                        const char *message) {
    mw_buf_printf(line, "%s %-7s ", time, level_names[level]);
    /* A line feed in a message would let user text forge a line. */
    for (const char *p = message; *p; p++)
        mw_buf_add_char(line, (unsigned char)*p < 0x20 ? ' ' : *p);
    if (ctx->org) mw_buf_printf(line, " org=%s", ctx->org);
    if (ctx->request_id) mw_buf_printf(line, " request=%s", ctx->request_id);
    if (ctx->job_id) mw_buf_printf(line, " job=%s", ctx->job_id);
    mw_buf_add_char(line, '\n');
}

void mw_log_write(const mw_ctx *ctx, mw_log_level level, const char *format, ...) {
    mw_log *log = ctx->log;
    if (!log || level < log->level) return;
    char message[MESSAGE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n < 0) return;
    if (log->write) {
        log->write(log->self, level, message);
        return;
    }
    char time[40];
    format_time(mw_clock_utc(ctx->clock), time);
    /* Worst case: each byte of the message becomes a six-byte escape. */
    mw_buf line;
    mw_buf_init(&line, NULL, MESSAGE_MAX_BYTES * 6 + LINE_MAX_BYTES);
    (log->json ? format_json : format_text)(&line, ctx, level, time, message);
    if (line.failed == MW_OK) write_line(log, mw_buf_text(&line), line.size);
    mw_buf_done(&line);
}
