/* problem.c -- see problem.h. `type` is a URN made of the title, so that programs can tell kinds
 * apart. */
#include "run/serve/problem.h"

#include <string.h>

#include "core/text/json.h"
#include "run/serve/transport.h"

static const char *title_of(int status, const mw_err *error) {
    if (mw_status_http(error->code) == status) return mw_status_title(error->code);
    return mw_http_reason(status);
}

static void write_type(const char *title, mw_json_writer *writer) {
    char type[96] = "urn:millwright:problem:";
    size_t n = strlen(type);
    for (const char *c = title; *c && n + 1 < sizeof type; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        type[n++] = lower == ' ' ? '-' : lower;
    }
    type[n] = '\0';
    mw_json_add_string(writer, "type", type);
}

void mw_problem_write(int status, const mw_err *error, const char *request_id, mw_buf *out) {
    mw_json_writer writer;
    const char *title = title_of(status, error);
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    write_type(title, &writer);
    mw_json_add_string(&writer, "title", title);
    mw_json_add_int(&writer, "status", status);
    mw_json_add_string(&writer, "detail", error->message);
    if (error->hint[0]) mw_json_add_string(&writer, "hint", error->hint);
    if (error->pointer[0]) mw_json_add_string(&writer, "pointer", error->pointer);
    if (request_id) mw_json_add_string(&writer, "request_id", request_id);
    mw_json_object_end(&writer);
}
