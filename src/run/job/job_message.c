/* job_message.c -- see job_message.h. */
#include "run/job/job_message.h"

#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"

/* A frame whose payload is written by `fill`. */
typedef void (*fill_fn)(mw_json_writer *writer, const void *value);

static void write_message(mw_buf *out, mw_frame_type type, fill_fn fill, const void *value) {
    mw_buf payload;
    mw_buf_init(&payload, out->mem, (size_t)MW_LIMIT(FRAME_BYTES));
    mw_json_writer writer;
    mw_json_writer_init(&writer, &payload, 0);
    mw_json_object(&writer);
    fill(&writer, value);
    mw_json_object_end(&writer);
    if (payload.failed == MW_OK)
        mw_frame_write(out, type, mw_buf_str(&payload));
    else if (out->failed == MW_OK)
        out->failed = payload.failed;
    mw_buf_done(&payload);
}

static mw_status parse_object(mw_arena *arena, mw_str payload, const char *what,
                              const mw_json **ret, mw_err *err) {
    mw_status status = mw_json_parse(arena, payload.data, payload.size, ret, err);
    if (status == MW_OK && (*ret)->kind != MW_JSON_OBJECT)
        status = mw_fail(err, MW_EPARSE, "not an object");
    if (status != MW_OK) mw_err_prefix(err, "in a %s frame", what);
    return status;
}

/* ---- HELLO ---- */

static void fill_hello(mw_json_writer *writer, const void *value) {
    (void)value;
    mw_json_add_int(writer, "protocol", MW_FRAME_VERSION);
    mw_json_add_string(writer, "program", MW_VERSION);
    mw_json_add_int(writer, "pid", getpid());
}

void mw_message_hello(mw_buf *out) { write_message(out, MW_FRAME_HELLO, fill_hello, NULL); }

mw_status mw_message_read_hello(mw_str payload, mw_mem *mem, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *json = NULL;
    mw_status status = parse_object(&arena, payload, "HELLO", &json, err);
    if (status == MW_OK && mw_json_int(mw_json_get(json, "protocol"), 0) != MW_FRAME_VERSION)
        status = mw_fail(err, MW_EPARSE, "the worker speaks another protocol version");
    mw_arena_done(&arena);
    return status;
}

/* ---- WORK ---- */

static void fill_work(mw_json_writer *writer, const void *value) {
    const mw_work *work = value;
    mw_json_add_string(writer, "org", work->org);
    mw_json_add_string(writer, "id", work->id);
    mw_json_add_string(writer, "kind", work->kind);
    mw_json_add_string(writer, "work_path", work->work_path);
    if (work->files_from) mw_json_add_string(writer, "files_from", work->files_from);
    if (work->files_to) mw_json_add_string(writer, "files_to", work->files_to);
    mw_json_add_int(writer, "threads", work->threads);
    mw_json_add_int(writer, "memory_bytes", work->memory_bytes);
    mw_json_add_int(writer, "seed", (int64_t)work->seed);
    mw_json_add_int(writer, "heartbeat_us", work->heartbeat_us);
    mw_json_key(writer, "payload");
    mw_json_write_raw(writer, work->payload_text);
}

void mw_message_work(mw_buf *out, const mw_work *work) {
    write_message(out, MW_FRAME_WORK, fill_work, work);
}

mw_status mw_message_read_work(mw_str payload, mw_arena *arena, mw_work *ret, mw_err *err) {
    const mw_json *json = NULL;
    mw_status status = parse_object(arena, payload, "WORK", &json, err);
    if (status != MW_OK) return status;
    mw_work work = {.threads = (int)mw_json_int(mw_json_get(json, "threads"), -1),
                    .memory_bytes = mw_json_int(mw_json_get(json, "memory_bytes"), -1),
                    .seed = (uint64_t)mw_json_int(mw_json_get(json, "seed"), 0),
                    .heartbeat_us = mw_json_int(mw_json_get(json, "heartbeat_us"), 0),
                    .payload = mw_json_get(json, "payload")};
    const struct {
        const char *key;
        const char **to;
        bool optional;
    } texts[] = {{"org", &work.org, false},
                 {"id", &work.id, false},
                 {"kind", &work.kind, false},
                 {"work_path", &work.work_path, false},
                 {"files_from", &work.files_from, true},
                 {"files_to", &work.files_to, true}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mw_str text = mw_json_string(mw_json_get(json, texts[i].key), "");
        if (texts[i].optional && text.size == 0) continue;
        if (text.size == 0 || memchr(text.data, 0, text.size))
            return mw_fail(err, MW_EPARSE, "in a WORK frame: %s is missing", texts[i].key);
        *texts[i].to = mw_arena_strndup(arena, text.data, text.size);
        if (!*texts[i].to) return mw_fail_nomem(err, "a job");
    }
    if (!mw_name_valid(work.org) || !work.payload || work.threads < 0 ||
        work.threads > MW_LIMIT(THREADS) || work.memory_bytes < 0 || work.heartbeat_us <= 0)
        return mw_fail(err, MW_EPARSE, "in a WORK frame: a value is missing or out of range");
    *ret = work;
    return MW_OK;
}

/* ---- PROGRESS ---- */

void mw_progress_note_set(mw_progress_note *note, const char *stage, double done, double total) {
    mw_str_copy(note->stage, sizeof note->stage, mw_str_of(stage));
    double share = total > 0 ? done / total : 0;
    note->share = share >= 0 ? (share < 1 ? share : 1) : 0;
}

static void fill_progress(mw_json_writer *writer, const void *value) {
    const mw_progress_note *note = value;
    mw_json_add_string(writer, "stage", note->stage);
    mw_json_add_number(writer, "share", note->share);
}

void mw_message_progress(mw_buf *out, const mw_progress_note *note) {
    write_message(out, MW_FRAME_PROGRESS, fill_progress, note);
}

mw_status mw_message_read_progress(mw_str payload, mw_mem *mem, mw_progress_note *ret,
                                   mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *json = NULL;
    mw_status status = parse_object(&arena, payload, "PROGRESS", &json, err);
    if (status == MW_OK) {
        mw_str stage = mw_json_string(mw_json_get(json, "stage"), "");
        mw_str_copy(ret->stage, sizeof ret->stage, stage);
        double share = mw_json_number(mw_json_get(json, "share"), 0);
        ret->share = share >= 0 ? (share < 1 ? share : 1) : 0;
    }
    mw_arena_done(&arena);
    return status;
}

/* ---- LOG ---- */

typedef struct log_note {
    mw_log_level level;
    const char *text;
} log_note;

static void fill_log(mw_json_writer *writer, const void *value) {
    const log_note *note = value;
    mw_json_add_int(writer, "level", note->level);
    mw_json_add_string(writer, "text", note->text);
}

void mw_message_log(mw_buf *out, mw_log_level level, const char *text) {
    log_note note = {level, text};
    write_message(out, MW_FRAME_LOG, fill_log, &note);
}

mw_status mw_message_read_log(mw_str payload, mw_arena *arena, mw_log_level *level,
                              const char **text, mw_err *err) {
    const mw_json *json = NULL;
    mw_status status = parse_object(arena, payload, "LOG", &json, err);
    if (status != MW_OK) return status;
    int64_t number = mw_json_int(mw_json_get(json, "level"), MW_LOG_INFO);
    mw_str message = mw_json_string(mw_json_get(json, "text"), "");
    const char *copy = mw_arena_strndup(arena, message.data, message.size);
    if (!copy) return mw_fail_nomem(err, "a log message");
    *level = number >= MW_LOG_DEBUG && number <= MW_LOG_ERROR ? (mw_log_level)number : MW_LOG_INFO;
    *text = copy;
    return MW_OK;
}

/* ---- BACK ---- */

static void fill_back(mw_json_writer *writer, const void *value) {
    mw_json_add_int(writer, "jobs", *(const int64_t *)value);
}

void mw_message_back(mw_buf *out, int64_t n_jobs) {
    write_message(out, MW_FRAME_BACK, fill_back, &n_jobs);
}

mw_status mw_message_read_back(mw_str payload, mw_mem *mem, int64_t *ret, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *json = NULL;
    mw_status status = parse_object(&arena, payload, "BACK", &json, err);
    if (status == MW_OK) *ret = mw_json_int(mw_json_get(json, "jobs"), -1);
    mw_arena_done(&arena);
    return status;
}

/* ---- ERROR, RESULT ---- */

static void fill_error(mw_json_writer *writer, const void *value) {
    const mw_err *error = value;
    mw_json_add_string(writer, "code", mw_status_name(error->code));
    mw_json_add_string(writer, "message", error->message);
    mw_json_add_string(writer, "hint", error->hint);
    mw_json_add_string(writer, "pointer", error->pointer);
}

void mw_message_error(mw_buf *out, const mw_err *error) {
    write_message(out, MW_FRAME_ERROR, fill_error, error);
}

mw_status mw_message_read_error(mw_str payload, mw_mem *mem, mw_err *ret, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *json = NULL;
    mw_status status = parse_object(&arena, payload, "ERROR", &json, err);
    if (status == MW_OK) {
        char code[32];
        mw_err_clear(ret);
        mw_str_copy(code, sizeof code, mw_json_string(mw_json_get(json, "code"), ""));
        ret->code = mw_status_from_name(code);
        if (ret->code == MW_OK) ret->code = MW_EINTERNAL;
        mw_str_copy(ret->message, sizeof ret->message,
                    mw_json_string(mw_json_get(json, "message"), ""));
        mw_str_copy(ret->hint, sizeof ret->hint, mw_json_string(mw_json_get(json, "hint"), ""));
        mw_str_copy(ret->pointer, sizeof ret->pointer,
                    mw_json_string(mw_json_get(json, "pointer"), ""));
    }
    mw_arena_done(&arena);
    return status;
}

static void fill_died(mw_json_writer *writer, const void *value) {
    mw_json_add_string(writer, "how", value);
}

void mw_message_died(mw_buf *out, const char *how) {
    write_message(out, MW_FRAME_DIED, fill_died, how);
}

mw_status mw_message_read_died(mw_str payload, mw_mem *mem, char *how, size_t capacity,
                               mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *json = NULL;
    mw_status status = parse_object(&arena, payload, "DIED", &json, err);
    if (status == MW_OK)
        mw_str_copy(how, capacity, mw_json_string(mw_json_get(json, "how"), "died"));
    mw_arena_done(&arena);
    return status;
}

mw_status mw_message_check_result(mw_str payload, mw_mem *mem, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, mem);
    mw_json_reader reader;
    mw_json_reader_init(&reader, payload.data, payload.size, &arena, err);
    mw_json_event event;
    do event = mw_json_next(&reader);
    while (event != MW_JSON_END && event != MW_JSON_ERROR);
    mw_arena_done(&arena);
    return event == MW_JSON_END ? MW_OK : mw_err_prefix(err, "in a RESULT frame");
}
