/* op_health.c -- GET /health: answered from memory, always 200 while the process lives. */
#include "run/op/app.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)err;
    char text[MW_HEALTH_BYTES];
    mw_app_read_health(call->app, text);
    mw_buf_add(out, text);
    return MW_OK;
}

static const char *const states[] = {"ok", "degraded", NULL};

static const mw_field result[] = {
    {.name = "status", .type = MW_FIELD_STRING, .choices = states, .help = "ok, or degraded"},
    {.name = "reasons",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .help = "why it is degraded; empty when ok"},
    {0}};

const mw_op mw_op_health = {
    .name = "health",
    .method = "GET",
    .path = "/health",
    .area = "service",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_LOOP,
    .public = true,
    .summary = "Whether the service works",
    .help =
        "Always 200 while the process lives. Degraded means that requests may fail; the reasons "
        "say why.",
    .result = result,
    .example = "{\"status\":\"ok\",\"reasons\":[]}",
    .prepare = prepare,
};
