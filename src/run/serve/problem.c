/* problem.c -- see problem.h. `type` is a URN made of the title, so that programs can tell kinds
 * apart. */
#include "run/serve/problem.h"

#include <stdio.h>
#include <string.h>

#include "core/text/json.h"
#include "run/serve/transport.h"

static const char *title_of(int status, const mw_err *error) {
    if (mw_status_http(error->code) == status) return mw_status_title(error->code);
    return mw_http_reason(status);
}

enum { TYPE_MAX = 96 };

static void make_type(const char *title, char type[TYPE_MAX]) {
    size_t n = (size_t)snprintf(type, TYPE_MAX, "urn:millwright:problem:");
    for (const char *c = title; *c && n + 1 < TYPE_MAX; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        type[n++] = lower == ' ' ? '-' : lower;
    }
    type[n] = '\0';
}

static void write_faults(const mw_faults *faults, mw_json_writer *writer) {
    mw_json_key(writer, "errors");
    mw_json_array(writer);
    for (const mw_fault *fault = faults->first; fault; fault = fault->next) {
        mw_json_object(writer);
        mw_json_add_string(writer, "pointer", fault->pointer);
        mw_json_add_string(writer, "detail", fault->detail);
        if (fault->hint[0]) mw_json_add_string(writer, "hint", fault->hint);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

void mw_problem_write(int status, const mw_err *error, const mw_faults *faults,
                      const char *request_id, mw_buf *out) {
    mw_json_writer writer;
    const char *title = title_of(status, error);
    char type[TYPE_MAX];
    make_type(title, type);
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "type", type);
    mw_json_add_string(&writer, "title", title);
    mw_json_add_int(&writer, "status", status);
    mw_json_add_string(&writer, "detail", error->message);
    if (error->hint[0]) mw_json_add_string(&writer, "hint", error->hint);
    if (error->pointer[0]) mw_json_add_string(&writer, "pointer", error->pointer);
    if (faults && faults->first) write_faults(faults, &writer);
    if (request_id) mw_json_add_string(&writer, "request_id", request_id);
    mw_json_object_end(&writer);
}

void mw_problem_short(int status, const char *request_id, char out[MW_PROBLEM_SHORT]) {
    char type[TYPE_MAX];
    const char *title = mw_http_reason(status);
    make_type(title, type);
    int n = snprintf(out, MW_PROBLEM_SHORT,
                     "{\"type\":\"%s\",\"title\":\"%s\",\"status\":%d,"
                     "\"detail\":\"not enough memory to say more\"",
                     type, title, status);
    if (request_id)
        n += snprintf(out + n, MW_PROBLEM_SHORT - (size_t)n, ",\"request_id\":\"%.128s\"",
                      request_id);
    (void)snprintf(out + n, MW_PROBLEM_SHORT - (size_t)n, "}");
}
