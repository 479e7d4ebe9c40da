/*
 * openapi.c -- api/openapi.json out of the operation tables: OpenAPI 3.1, stable order, two-blank
 * indent.
 *
 * Every HTTP operation gets its parameters (path, query, the organization header), JSON body,
 * answer and the problems it may give. Shared shapes stand once under components.
 */
#include <string.h>

#include "core/text/number.h"
#include "run/op/op.h"

static const char *const areas[][2] = {
    {"service", "Whether it works, and what it is"},
    {"quick analytics", "Train, and look at what was learned"},
    {"datasets", "Rows"},
    {"live", "Rows as they come, and what is known at this moment"},
    {"jobs", "Long operations"},
    {"models", "Versions"},
    {"organizations", "Who uses it, and which features their telemetry gets"},
};

static void write_fields(const mw_field *fields, mw_json_writer *w);

static const char *json_type(mw_field_type type) {
    static const char *const names[] = {"string", "number", "integer", "boolean",
                                        "string", "object", "array",   "object"};
    return names[type];
}

/* A member whose value is given as text; NULL: none. */
static void write_json(const char *key, const char *text, mw_json_writer *w) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *value;
    mw_status status = text ? mw_json_parse(&arena, text, strlen(text), &value, NULL) : MW_OK;
    if (text && !status) {
        mw_json_key(w, key);
        mw_json_write_value(w, value);
    } else if (status == MW_ENOMEM) {
        w->buf->failed = status; /* no contract rather than one without a part */
    }
    mw_arena_done(&arena);
}

static void write_example(const char *text, mw_json_writer *w) { write_json("example", text, w); }

/* {"type": T} or, when nullable, {"type": [T, "null"]}. */
static void write_type(const mw_field *field, mw_json_writer *w) {
    if (field->type == MW_FIELD_ANY) return;
    mw_json_key(w, "type");
    if (field->nullable) {
        mw_json_array(w);
        mw_json_write_string(w, json_type(field->type));
        mw_json_write_string(w, "null");
        mw_json_array_end(w);
    } else {
        mw_json_write_string(w, json_type(field->type));
    }
}

static void write_item_schema(const mw_field *field, mw_json_writer *w) {
    mw_json_object(w);
    if (field->fields) {
        mw_json_add_string(w, "type", "object");
        write_fields(field->fields, w);
    } else if (field->items != MW_FIELD_ANY) {
        mw_json_add_string(w, "type", json_type(field->items));
    }
    mw_json_object_end(w);
}

static void write_field(const mw_field *field, mw_json_writer *w) {
    mw_json_key(w, field->name);
    mw_json_object(w);
    write_type(field, w);
    if (field->type == MW_FIELD_TIME) mw_json_add_string(w, "format", "date-time");
    mw_json_add_string(w, "description", field->help);
    if (field->choices) {
        mw_json_key(w, "enum");
        mw_json_array(w);
        for (const char *const *c = field->choices; *c; c++) mw_json_write_string(w, *c);
        mw_json_array_end(w);
    }
    if (field->type == MW_FIELD_OBJECT && field->fields) write_fields(field->fields, w);
    if (field->type == MW_FIELD_ARRAY) {
        mw_json_key(w, "items");
        write_item_schema(field, w);
    }
    if (field->type == MW_FIELD_MAP) {
        mw_json_key(w, "additionalProperties");
        write_item_schema(field, w);
    }
    mw_json_object_end(w);
}

/* "properties" and "required" of an object. */
static void write_fields(const mw_field *fields, mw_json_writer *w) {
    mw_json_key(w, "properties");
    mw_json_object(w);
    for (const mw_field *f = fields; f->name; f++) write_field(f, w);
    mw_json_object_end(w);
    mw_json_key(w, "required");
    mw_json_array(w);
    for (const mw_field *f = fields; f->name; f++)
        if (!f->optional) mw_json_write_string(w, f->name);
    mw_json_array_end(w);
}

/* ---- requests ---- */

static bool has_body(const mw_op *op) {
    return strcmp(op->method, "POST") == 0 || strcmp(op->method, "PUT") == 0 ||
           strcmp(op->method, "PATCH") == 0;
}

static bool in_body(const mw_op *op, const mw_param *param) {
    if (param->flags & (MW_PARAM_PATH | MW_PARAM_QUERY | MW_PARAM_CLI_ONLY)) return false;
    if (op->upload || op->takes) return false;
    return (param->flags & MW_PARAM_BODY) || has_body(op);
}

static bool in_query(const mw_op *op, const mw_param *param) {
    if (param->flags & (MW_PARAM_PATH | MW_PARAM_CLI_ONLY)) return false;
    return !in_body(op, param);
}

static void write_parameter(const mw_param *param, const char *where, bool required,
                            mw_json_writer *w) {
    mw_json_object(w);
    mw_json_add_string(w, "name", param->name);
    mw_json_add_string(w, "in", where);
    mw_json_add_bool(w, "required", required);
    mw_json_add_string(w, "description", param->help);
    mw_json_key(w, "schema");
    mw_param_write_schema(param, w);
    mw_json_object_end(w);
}

/* How every long operation is waited for; the server takes it out of the query itself. */
static const mw_param wait_param = {
    .name = "wait",
    .type = MW_PARAM_BOOL,
    .def = "true",
    .help = "false: answer 202 with the job's id at once, and follow it at GET /jobs/{id}."};

static bool always(const mw_op *op) {
    (void)op;
    return true;
}
static bool is_tagged(const mw_op *op) { return op->tagged; }
static bool has_events(const mw_op *op) { return op->events != NULL; }
static bool reads_if_match(const mw_op *op) { return op->reads_if_match; }

/* Header fields, each a component of its own. Content-Type and Accept are not parameters (OpenAPI 3.1,
 * 4.8.12.1): bodies and answers name their types. */
static const struct header {
    const char *component, *ref, *name, *description;
    const char *schema; /* JSON text */
    bool (*is_read)(const mw_op *op);
} headers[] = {
#define HEADER(component, name, is_read, text, schema) \
    { component, "#/components/parameters/" component, name, text, schema, is_read }
    HEADER("Organization", "X-Organization-ID", always,
           "Whose data; without it the default organization's.",
           "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_-]{1,64}$\",\"default\":\"default\"}"),
    HEADER("RequestId", "X-Request-ID", always,
           "Stands in the answer, in problems and in the log; made up when it is missing or not of "
           "this form.",
           "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]{1,128}$\"}"),
    HEADER(
        "ContentEncoding", "Content-Encoding", has_body,
        "How the body is compressed; other codings get 415. A form is sent as it is, the file in "
        "it may be compressed.",
        "{\"type\":\"string\",\"enum\":[\"identity\",\"gzip\",\"x-gzip\",\"zstd\"]}"),
    HEADER("AcceptEncoding", "Accept-Encoding", always,
           "Codings the answer may come in: gzip, zstd, each with a weight. Text of more than 1 KB "
           "is compressed.",
           "{\"type\":\"string\"}"),
    HEADER("IfNoneMatch", "If-None-Match", is_tagged,
           "The ETag of an answer that is there already: 304 without a body while it is the same.",
           "{\"type\":\"string\"}"),
    HEADER("IfMatch", "If-Match", reads_if_match,
           "The ETag of what is to be changed, as GET told it: 412 when it is another by now.",
           "{\"type\":\"string\"}"),
    HEADER("LastEventId", "Last-Event-ID", has_events,
           "The id of the last event that was read: the stream goes on behind it.",
           "{\"type\":\"string\",\"maxLength\":127}"),
#undef HEADER
};
enum { N_HEADERS = sizeof headers / sizeof *headers };

static void write_headers(const mw_op *op, mw_json_writer *w) {
    for (size_t i = 0; i < N_HEADERS; i++) {
        if (!headers[i].is_read(op)) continue;
        mw_json_object(w);
        mw_json_add_string(w, "$ref", headers[i].ref);
        mw_json_object_end(w);
    }
}

static void write_header_components(mw_json_writer *w) {
    mw_json_key(w, "parameters");
    mw_json_object(w);
    for (size_t i = 0; i < N_HEADERS; i++) {
        mw_json_key(w, headers[i].component);
        mw_json_object(w);
        mw_json_add_string(w, "name", headers[i].name);
        mw_json_add_string(w, "in", "header");
        mw_json_add_bool(w, "required", false);
        mw_json_add_string(w, "description", headers[i].description);
        write_json("schema", headers[i].schema, w);
        mw_json_object_end(w);
    }
    mw_json_object_end(w);
}

static void write_parameters(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "parameters");
    mw_json_array(w);
    for (const mw_param *p = mw_op_params(op); p->name; p++) {
        if (p->flags & MW_PARAM_PATH)
            write_parameter(p, "path", true, w);
        else if (in_query(op, p))
            write_parameter(p, "query", (p->flags & MW_PARAM_REQUIRED) && !op->upload, w);
    }
    if (op->kind == MW_OP_JOB) write_parameter(&wait_param, "query", false, w);
    write_headers(op, w);
    mw_json_array_end(w);
}

/* The same in a form: what may stand in the query may be a field before the file. */
static void write_form(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "multipart/form-data");
    mw_json_object(w);
    mw_json_key(w, "schema");
    mw_json_object(w);
    mw_json_add_string(w, "type", "object");
    mw_json_key(w, "properties");
    mw_json_object(w);
    for (const mw_param *p = mw_op_params(op); p->name; p++) {
        if (!in_query(op, p)) continue;
        mw_json_key(w, p->name);
        mw_param_write_schema(p, w);
    }
    mw_json_key(w, "file");
    mw_json_object(w);
    mw_json_add_string(w, "type", "string");
    mw_json_add_string(w, "format", "binary");
    mw_json_add_string(w, "description", "The file; whatever the part is called.");
    mw_json_object_end(w);
    mw_json_object_end(w);
    mw_json_key(w, "required");
    mw_json_array(w);
    mw_json_write_string(w, "file");
    mw_json_array_end(w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static void write_file_body(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "requestBody");
    mw_json_object(w);
    mw_json_add_bool(w, "required", true);
    mw_json_add_string(w, "description",
                       "The file's bytes; whatever the type says, they are looked at.");
    mw_json_key(w, "content");
    mw_json_object(w);
    mw_json_key(w, "*/*");
    mw_json_object(w);
    mw_json_object_end(w);
    write_form(op, w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static void write_taken_body(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "requestBody");
    mw_json_object(w);
    mw_json_add_bool(w, "required", true);
    mw_json_key(w, "content");
    mw_json_object(w);
    for (const char *const *type = op->takes; *type; type++) {
        mw_json_key(w, *type);
        mw_json_object(w);
        mw_json_key(w, "schema");
        mw_json_object(w);
        const bool is_json = strcmp(*type, "application/json") == 0;
        mw_json_add_string(w, "type", is_json ? "object" : "string");
        if (op->takes_fields && is_json) write_fields(op->takes_fields, w);
        mw_json_object_end(w);
        if (is_json) write_example(op->takes_example, w);
        mw_json_object_end(w);
    }
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static bool needs_body(const mw_op *op) {
    for (const mw_param *p = mw_op_params(op); p->name; p++)
        if (in_body(op, p) && (p->flags & MW_PARAM_REQUIRED)) return true;
    return false;
}

static void write_body(const mw_op *op, mw_json_writer *w) {
    if (!has_body(op)) return;
    if (op->takes) {
        write_taken_body(op, w);
        return;
    }
    if (op->upload) {
        write_file_body(op, w);
        return;
    }
    const bool required = needs_body(op);
    mw_json_key(w, "requestBody");
    mw_json_object(w);
    mw_json_add_bool(w, "required", required);
    mw_json_key(w, "content");
    mw_json_object(w);
    mw_json_key(w, "application/json");
    mw_json_object(w);
    mw_json_key(w, "schema");
    mw_json_object(w);
    mw_json_add_string(w, "type", "object");
    mw_json_add_bool(w, "additionalProperties", false);
    mw_json_key(w, "properties");
    mw_json_object(w);
    for (const mw_param *p = mw_op_params(op); p->name; p++) {
        if (!in_body(op, p)) continue;
        mw_json_key(w, p->name);
        mw_param_write_schema(p, w);
    }
    mw_json_object_end(w);
    if (required) {
        mw_json_key(w, "required");
        mw_json_array(w);
        for (const mw_param *p = mw_op_params(op); p->name; p++)
            if (in_body(op, p) && (p->flags & MW_PARAM_REQUIRED)) mw_json_write_string(w, p->name);
        mw_json_array_end(w);
    }
    mw_json_object_end(w);
    if (!required) {
        mw_json_key(w, "example");
        mw_json_object(w);
        mw_json_object_end(w);
    }
    mw_json_object_end(w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

/* ---- answers ---- */

static void write_answer_schema(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "schema");
    mw_json_object(w);
    if (op->content_type && strcmp(op->content_type, "application/json") != 0) {
        mw_json_add_string(w, "type", "string");
    } else if (!op->result) {
        mw_json_add_string(w, "type", "object");
    } else if (op->result_is_array) {
        mw_json_add_string(w, "type", "array");
        mw_json_key(w, "items");
        mw_json_object(w);
        mw_json_add_string(w, "type", "object");
        write_fields(op->result, w);
        mw_json_object_end(w);
    } else {
        mw_json_add_string(w, "type", "object");
        write_fields(op->result, w);
    }
    mw_json_object_end(w);
}

static void write_answer(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, op->content_type ? op->content_type : "application/json");
    mw_json_object(w);
    write_answer_schema(op, w);
    write_example(op->example, w);
    mw_json_object_end(w);
}

static void write_success(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "200");
    mw_json_object(w);
    mw_json_add_string(w, "description", op->summary);
    if (op->tagged)
        write_json(
            "headers",
            "{\"ETag\":{\"description\":\"Names these bytes\",\"schema\":{\"type\":\"string\"}}}",
            w);
    mw_json_key(w, "content");
    mw_json_object(w);
    if (op->prepare || op->kind == MW_OP_JOB || !op->events) write_answer(op, w);
    if (op->events)
        write_json(
            "text/event-stream",
            "{\"schema\":{\"type\":\"string\",\"description\":\"Server-sent events: id, event and "
            "data (JSON); comments while nothing happens. An event `problem` ends a stream that "
            "cannot go on.\"}}",
            w);
    mw_json_object_end(w);
    mw_json_object_end(w);
    if (op->tagged) {
        mw_json_key(w, "304");
        mw_json_object(w);
        mw_json_add_string(w, "description", "It is what If-None-Match names");
        mw_json_object_end(w);
    }
    if (op->kind != MW_OP_JOB) return;
    mw_json_key(w, "202");
    mw_json_object(w);
    mw_json_add_string(w, "$ref", "#/components/responses/Accepted");
    mw_json_object_end(w);
}

/* Where a request may say its API key. */
static const struct {
    const char *name, *type, *how, *what, *in;
} key_fields[] = {{"Bearer", "http", "scheme", "bearer", NULL},
                  {"ApiKey", "apiKey", "name", "X-API-Key", "header"}};
enum { N_KEY_FIELDS = sizeof key_fields / sizeof *key_fields };

/* What each HTTP status means here; a component of its own, so that every operation says it. */
static const struct problem_kind {
    int http;
    const char *status, *component, *ref, *description;
    const char *example; /* JSON text, or NULL */
} problem_kinds[] = {
#define PROBLEM(http, text, example) \
    { http, #http, "Problem" #http, "#/components/responses/Problem" #http, text, example }
    PROBLEM(400, "The request cannot be read: broken address, JSON or organization name", NULL),
    PROBLEM(401, "There are API keys, and the request has none that is good", NULL),
    PROBLEM(403,
            "The key's role or organization does not allow it, or a page of another origin asks",
            NULL),
    PROBLEM(404, "There is no such organization, parameter, model, dataset or job",
            "{\"type\":\"urn:millwright:problem:not-found\",\"title\":\"Not found\",\"status\":404,"
            "\"detail\":\"there is no parameter \\\"engine_tmp\\\"\",\"hint\":\"GET /summary lists "
            "the parameters\",\"pointer\":\"parameter\",\"request_id\":\"183f0ba26b57bfc6\"}"),
    PROBLEM(406, "Accept has no type that this route answers", NULL),
    PROBLEM(408, "The body came too slowly", NULL),
    PROBLEM(409, "Not trained yet, in use, or already running",
            "{\"type\":\"urn:millwright:problem:conflict\",\"title\":\"Conflict\",\"status\":409,"
            "\"detail\":\"the model anomaly has not been trained yet\",\"hint\":\"POST /train or "
            "run `millwright train` first\",\"request_id\":\"f5326473f41f378b\"}"),
    PROBLEM(412, "It is not what If-Match names any more", NULL),
    PROBLEM(413, "The body is too large", NULL),
    PROBLEM(414, "The request line is too long", NULL),
    PROBLEM(415, "The body is of a type that is not taken here", NULL),
    PROBLEM(421, "Asked under the name of another host", NULL),
    PROBLEM(422,
            "A parameter is unknown, missing, of the wrong type or out of range; or the data "
            "cannot be used",
            "{\"type\":\"urn:millwright:problem:invalid-value\",\"title\":\"Invalid value\","
            "\"status\":422,\"detail\":\"limit must be a whole number, not \\\"many\\\"\","
            "\"pointer\":\"limit\",\"errors\":[{\"pointer\":\"limit\",\"detail\":\"limit must be "
            "a whole number, not \\\"many\\\"\"}],\"request_id\":\"e84ed0bbfff4ba52\"}"),
    PROBLEM(429, "Too many requests, or wrong API keys; Retry-After says when to try again", NULL),
    PROBLEM(431, "The fields of the head are too long, or too many", NULL),
    PROBLEM(500, "An internal error; the log says more under the request's id", NULL),
    PROBLEM(503, "Too busy; Retry-After says when to try again", NULL),
    PROBLEM(504, "It took too long", NULL),
#undef PROBLEM
};
enum { N_PROBLEM_KINDS = sizeof problem_kinds / sizeof *problem_kinds };

/* Several codes share an HTTP status: each status once, in rising order. */
static void write_problems(const mw_op *op, mw_json_writer *w) {
    bool wanted[600] = {false};
    wanted[400] = wanted[403] = wanted[421] = wanted[422] = wanted[500] = wanted[503] = true;
    wanted[414] = wanted[431] = true;
    if (!op->public) wanted[401] = wanted[429] = true;
    if (op->deadline_ms || strcmp(op->method, "GET") == 0) wanted[504] = true;
    if (!op->public) wanted[404] = true; /* an organization that does not exist */
    for (const mw_status *e = op->errors; e && *e; e++) wanted[mw_status_http(*e)] = true;
    if (op->events && !op->prepare) wanted[406] = true;
    if (has_body(op)) wanted[408] = wanted[413] = wanted[415] = true;
    for (size_t i = 0; i < N_PROBLEM_KINDS; i++) {
        if (!wanted[problem_kinds[i].http]) continue;
        mw_json_key(w, problem_kinds[i].status);
        mw_json_object(w);
        mw_json_add_string(w, "$ref", problem_kinds[i].ref);
        mw_json_object_end(w);
    }
}

/* In either field; or in none, while a server on loopback has no keys. */
static void write_security(const mw_op *op, mw_json_writer *w) {
    mw_json_key(w, "security");
    mw_json_array(w);
    for (size_t i = 0; i < N_KEY_FIELDS && !op->public; i++) {
        mw_json_object(w);
        mw_json_key(w, key_fields[i].name);
        mw_json_array(w);
        mw_json_array_end(w);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
}

static void write_security_schemes(mw_json_writer *w) {
    mw_json_key(w, "securitySchemes");
    mw_json_object(w);
    for (size_t i = 0; i < N_KEY_FIELDS; i++) {
        mw_json_key(w, key_fields[i].name);
        mw_json_object(w);
        mw_json_add_string(w, "type", key_fields[i].type);
        mw_json_add_string(w, key_fields[i].how, key_fields[i].what);
        if (key_fields[i].in) mw_json_add_string(w, "in", key_fields[i].in);
        mw_json_add_string(w, "description",
                           "A key of `millwright org key create`; none is asked for while there is "
                           "none and only this host reaches the server");
        mw_json_object_end(w);
    }
    mw_json_object_end(w);
}

static void write_operation(const mw_op *op, mw_json_writer *w) {
    char method[8];
    size_t n = 0;
    for (; op->method[n] && n + 1 < sizeof method; n++)
        method[n] = (char)(op->method[n] - 'A' + 'a');
    method[n] = '\0';
    mw_json_key(w, method);
    mw_json_object(w);
    mw_json_add_string(w, "operationId", op->name);
    mw_json_add_string(w, "summary", op->summary);
    mw_json_add_string(w, "description", op->help);
    mw_json_key(w, "tags");
    mw_json_array(w);
    mw_json_write_string(w, op->area);
    mw_json_array_end(w);
    mw_json_add_string(w, "x-least-role", mw_role_name(op->role));
    write_security(op, w);
    write_parameters(op, w);
    write_body(op, w);
    mw_json_key(w, "responses");
    mw_json_object(w);
    write_success(op, w);
    write_problems(op, w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

/* All operations of one path stand under one key, at the place of the first. */
static void write_paths(mw_json_writer *w) {
    mw_json_key(w, "paths");
    mw_json_object(w);
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->method) continue;
        bool seen = false;
        for (const mw_op *const *before = mw_ops; before < op && !seen; before++)
            seen = (*before)->method && strcmp((*before)->path, (*op)->path) == 0;
        if (seen) continue;
        mw_json_key(w, (*op)->path);
        mw_json_object(w);
        for (const mw_op *const *same = op; *same; same++)
            if ((*same)->method && strcmp((*same)->path, (*op)->path) == 0)
                write_operation(*same, w);
        mw_json_object_end(w);
    }
    mw_json_object_end(w);
}

/* ---- shared shapes ---- */

static const mw_field fault_fields[] = {
    {.name = "pointer",
     .type = MW_FIELD_STRING,
     .help = "/name for a member of the body, the name for a part of the path or query"},
    {.name = "detail", .type = MW_FIELD_STRING, .help = "what is wrong with it"},
    {.name = "hint", .type = MW_FIELD_STRING, .optional = true, .help = "what to do about it"},
    {0}};

static const mw_field problem_fields[] = {
    {.name = "type", .type = MW_FIELD_STRING, .help = "the kind of problem, as a URN"},
    {.name = "title", .type = MW_FIELD_STRING, .help = "the kind of problem"},
    {.name = "status", .type = MW_FIELD_INTEGER, .help = "the HTTP status"},
    {.name = "detail", .type = MW_FIELD_STRING, .help = "what went wrong, and why"},
    {.name = "hint", .type = MW_FIELD_STRING, .optional = true, .help = "what to do about it"},
    {.name = "pointer", .type = MW_FIELD_STRING, .optional = true, .help = "which input it was"},
    {.name = "errors",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = fault_fields,
     .optional = true,
     .help = "all that is wrong with the request's parameters, at most 64; the first stands above"},
    {.name = "request_id", .type = MW_FIELD_STRING, .optional = true, .help = "also in the log"},
    {0}};

static const mw_field accepted_fields[] = {
    {.name = "job_id", .type = MW_FIELD_STRING, .help = "follow it at GET /jobs/{id}"},
    {.name = "state", .type = MW_FIELD_STRING, .help = "PENDING"},
    {0}};

static const char accepted_example[] =
    "{\"job_id\":\"01M7YM07FDPHQEHM0FW4M3VR07\",\"state\":\"PENDING\"}";

static void write_shape(const char *name, const char *description, const mw_field *fields,
                        const char *example, mw_json_writer *w) {
    mw_json_key(w, name);
    mw_json_object(w);
    mw_json_add_string(w, "type", "object");
    mw_json_add_string(w, "description", description);
    write_fields(fields, w);
    write_example(example, w);
    mw_json_object_end(w);
}

static void write_response(const char *name, const char *description, const char *content_type,
                           const char *schema, const char *example, mw_json_writer *w) {
    mw_json_key(w, name);
    mw_json_object(w);
    mw_json_add_string(w, "description", description);
    mw_json_key(w, "content");
    mw_json_object(w);
    mw_json_key(w, content_type);
    mw_json_object(w);
    mw_json_key(w, "schema");
    mw_json_object(w);
    mw_json_add_string(w, "$ref", schema);
    mw_json_object_end(w);
    write_example(example, w);
    mw_json_object_end(w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static void write_components(mw_json_writer *w) {
    mw_json_key(w, "components");
    mw_json_object(w);
    write_header_components(w);
    write_security_schemes(w);
    mw_json_key(w, "responses");
    mw_json_object(w);
    for (size_t i = 0; i < N_PROBLEM_KINDS; i++)
        write_response(problem_kinds[i].component, problem_kinds[i].description,
                       "application/problem+json", "#/components/schemas/Problem",
                       problem_kinds[i].example, w);
    write_response("Accepted", "The job was queued", "application/json",
                   "#/components/schemas/Accepted", NULL, w);
    mw_json_object_end(w);
    mw_json_key(w, "schemas");
    mw_json_object(w);
    write_shape("Problem", "What went wrong (RFC 9457)", problem_fields, NULL, w);
    write_shape("Accepted", "A job that was queued", accepted_fields, accepted_example, w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static bool has_routes(const char *area) {
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->method && strcmp((*op)->area, area) == 0) return true;
    return false;
}

static const char description[] =
    "Reads machine telemetry, learns what is normal, forecasts one parameter and finds the "
    "strangest windows.\n\nFirst steps: put CSV files into the csv folder of the data folder, "
    "POST /train, then look at GET /summary, /anomalies, /trend and /feature-importance.\n\n"
    "Every route takes the header X-Organization-ID, and an API key where there are any. Errors "
    "are application/problem+json "
    "(RFC 9457). Times are ISO 8601 in UTC.";

mw_status mw_op_write_openapi(mw_buf *out, mw_err *err) {
    mw_json_writer writer, *w = &writer;
    mw_json_writer_init(w, out, 2);
    mw_json_object(w);
    mw_json_add_string(w, "openapi", "3.1.0");
    mw_json_key(w, "info");
    mw_json_object(w);
    mw_json_add_string(w, "title", "Millwright");
    mw_json_add_string(w, "summary", "A factory's machine-learning engine");
    mw_json_add_string(w, "description", description);
    mw_json_add_string(w, "version", MW_VERSION);
    mw_json_key(w, "license");
    mw_json_object(w);
    mw_json_add_string(w, "name", "MIT");
    mw_json_add_string(w, "identifier", "MIT");
    mw_json_object_end(w);
    mw_json_object_end(w);
    mw_json_key(w, "tags");
    mw_json_array(w);
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        if (!has_routes(areas[i][0])) continue;
        mw_json_object(w);
        mw_json_add_string(w, "name", areas[i][0]);
        mw_json_add_string(w, "description", areas[i][1]);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
    write_paths(w);
    write_components(w);
    mw_json_object_end(w);
    mw_buf_add_char(out, '\n');
    return mw_buf_status(out, "the contract", err);
}
