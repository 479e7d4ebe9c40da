/*
 * api_answer.c -- what an operation's answer looks like on the way out: its tag, its coding, its head lines.
 *
 * Text of more than PLAIN_BYTES is compressed as the client likes it best, on a handler thread. An answer that the
 * client has already (If-None-Match) is not compressed but told as 304.
 */
#include <string.h>

#include "run/op/etag.h"
#include "run/serve/api_inside.h"

enum { PLAIN_BYTES = 1024 };

static const char *const suffixes[] = {"", "-gz", "-zst"}; /* of tags, by coding */

static bool is_text(const char *type) {
    static const char *const starts[] = {"text/", "application/json", "application/problem+json"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(type, starts[i], strlen(starts[i])) == 0) return true;
    return false;
}

mw_coding mw_api__coding(const char *type, size_t size, mw_coding accepted) {
    return size > PLAIN_BYTES && is_text(type) ? accepted : MW_CODING_IDENTITY;
}

/* Adds as much as there is room for. */
static void put(char *lines, const char *text) {
    const size_t used = strlen(lines);
    mw_str_copy(lines + used, MW_API_LINES_MAX - used, mw_str_of(text));
}

bool mw_api__write_lines(const mw_op *op, int status, const char *type, mw_str body,
                         mw_coding coding, mw_str if_none_match, char lines[MW_API_LINES_MAX]) {
    const bool tagged = op->tagged && status == 200;
    bool same = false;
    if (tagged) {
        char tag[MW_ETAG_MAX];
        mw_etag_of(body, suffixes[coding], tag);
        same = mw_etag_matches(if_none_match, tag);
        put(lines, "ETag: ");
        put(lines, tag);
        put(lines, "\r\nCache-Control: private, no-cache\r\nVary: X-Organization-ID\r\n");
    } else if (status < 400) {
        put(lines, "Cache-Control: no-store\r\n");
    }
    if (is_text(type)) put(lines, "Vary: Accept-Encoding\r\n");
    if (coding == MW_CODING_IDENTITY || same) return same;
    put(lines, "Content-Encoding: ");
    put(lines, mw_coding_name(coding));
    put(lines, "\r\n");
    return false;
}

void mw_api__cut_coding(char *lines) {
    char *last = strstr(lines, "Content-Encoding: ");
    if (last) *last = '\0';
}

/* A body that cannot be compressed goes as it is. */
static void finish(mw_task *task) {
    const mw_str body = mw_buf_str(&task->out), none = {0};
    const mw_str asked = task->keeps ? none : mw_str_of(task->if_none_match);
    const mw_op *op = task->route->op;
    char before[MW_API_LINES_MAX], *packed = NULL;
    size_t size = 0;
    mw_err ignored;
    mw_coding coding = mw_api__coding(task->content_type, body.size, task->accepted);
    memcpy(before, task->lines, sizeof before);
    if (mw_api__write_lines(op, task->status, task->content_type, body, coding, asked,
                            task->lines)) {
        task->status = 304;
        mw_buf_clear(&task->out);
        return;
    }
    if (coding == MW_CODING_IDENTITY) return;
    if (mw_coding_pack(task->ctx.mem, coding, body, &packed, &size, &ignored) == MW_OK) {
        task->packed = packed;
        task->packed_size = size;
        return;
    }
    memcpy(task->lines, before, sizeof before);
    (void)mw_api__write_lines(op, task->status, task->content_type, body, MW_CODING_IDENTITY, asked,
                              task->lines);
}

void mw_api__finish_answer(mw_task *task) {
    finish(task);
    if (!task->keeps || task->status != 200) return;
    /* Kept first, then compared: those who have it already keep it fresh for others. */
    char tag[MW_ETAG_MAX];
    mw_etag_of(mw_buf_str(&task->out), suffixes[task->packed ? task->accepted : 0], tag);
    mw_api__keep(task, tag);
    if (!mw_etag_matches(mw_str_of(task->if_none_match), tag)) return;
    task->status = 304;
    task->packed = mw_free(task->packed);
    mw_buf_clear(&task->out);
    mw_api__cut_coding(task->lines);
}
