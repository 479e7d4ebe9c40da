/*
 * fuzz_http.c -- bytes into the request reader, without sockets.
 *
 * Oracle: however the bytes are cut into pieces, the same requests come out: same methods, targets,
 * fields, bodies and the same refusal. Every accepted target also goes through the URL reader.
 * The first byte of the input chooses the cut.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "run/serve/guard.h"
#include "run/serve/http_message.h"
#include "run/serve/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const mw_message_limits limits = {
    .request_line_bytes = 256, .header_bytes = 512, .headers = 8};

typedef struct outcome {
    uint64_t hash;
    int n_heads, n_ends, error_status;
} outcome;

static void check(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void add(outcome *to, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) to->hash = (to->hash ^ bytes[i]) * UINT64_C(1099511628211);
}

static void read_target(mw_str target) {
    mw_arena arena;
    mw_err err;
    mw_url url;
    mw_str path, name, value;
    bool found = true;
    mw_arena_init(&arena, NULL);
    if (mw_url_split(target, &url, &err) == MW_OK) {
        if (mw_url_decode_path(&arena, url.path, &path, &err) == MW_OK) {
            check(mw_utf8_valid(path.data, path.size), "a path is not UTF-8");
            check(path.size == 0 || memchr(path.data, 0, path.size) == NULL, "a path has a NUL");
        }
        while (found && mw_url_next_query(&arena, &url.query, &name, &value, &found, &err) == MW_OK)
            if (found) check(mw_utf8_valid(value.data, value.size), "a value is not UTF-8");
        (void)mw_guard_host(url.authority);
    }
    mw_arena_done(&arena);
}

static void see_head(outcome *to, const mw_message *message) {
    to->n_heads++;
    add(to, &message->method, sizeof message->method);
    add(to, &message->minor, sizeof message->minor);
    add(to, &message->content_length, sizeof message->content_length);
    add(to, message->target.data, message->target.size);
    for (uint32_t i = 0; i < message->n_fields; i++) {
        const mw_http_field *field = &message->fields[i];
        check(field->name + field->name_size <= message->head.size, "a name is outside the head");
        check(field->value + field->value_size <= message->head.size,
              "a value is outside the head");
        add(to, message->head.data + field->name, field->name_size);
        add(to, message->head.data + field->value, field->value_size);
    }
    check(message->n_fields <= limits.headers, "more fields than allowed");
    (void)mw_guard_json(mw_message_field(message, "Content-Type"));
    (void)mw_guard_origin(mw_message_field(message, "Origin"));
    (void)mw_guard_accepts_gzip(mw_message_field(message, "Accept-Encoding"));
    read_target(message->target);
}

/* One piece; false at a refusal. */
static bool feed(mw_message *message, outcome *to, const char *data, size_t size) {
    size_t at = 0;
    for (;;) {
        size_t used = SIZE_MAX;
        mw_message_event event = mw_message_feed(message, data + at, size - at, &used);
        check(used <= size - at, "used more than was given");
        at += used;
        if (event == MW_MESSAGE_HEAD) see_head(to, message);
        if (event == MW_MESSAGE_BODY) {
            check(message->body.data >= data &&
                      message->body.data + message->body.size <= data + size,
                  "a body outside the bytes given");
            add(to, message->body.data, message->body.size);
        }
        if (event == MW_MESSAGE_END) {
            check(message->chunked || message->body_bytes == message->content_length,
                  "a body of another length than announced");
            to->n_ends++;
            add(to, "end", 3);
            mw_message_begin(message);
        }
        if (event == MW_MESSAGE_ERROR) {
            to->error_status = message->error_status;
            check(message->error_status >= 400 && message->error_status <= 505, "an odd status");
            return false;
        }
        if (event == MW_MESSAGE_MORE) {
            check(at == size, "asked for more with bytes left");
            return true;
        }
    }
}

static outcome run(const char *data, size_t size, size_t piece) {
    outcome to = {.hash = UINT64_C(14695981039346656037)};
    mw_message message;
    mw_message_init(&message, &limits, NULL);
    mw_message_begin(&message);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        /* A copy of its own, so that reading past the end is seen. */
        char *copy = malloc(n);
        if (!copy) abort();
        memcpy(copy, data + at, n);
        bool open = feed(&message, &to, copy, n);
        free(copy);
        if (!open) break;
    }
    mw_message_done(&message);
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t piece = (size_t)data[0] % 61 + 1;
    const char *bytes = (const char *)data + 1;
    outcome whole = run(bytes, size - 1, size);
    outcome cut = run(bytes, size - 1, piece);
    check(whole.n_heads == cut.n_heads && whole.n_ends == cut.n_ends, "requests depend on the cut");
    check(whole.hash == cut.hash, "contents depend on the cut");
    check((whole.error_status == 0) == (cut.error_status == 0), "a refusal depends on the cut");
    return 0;
}
