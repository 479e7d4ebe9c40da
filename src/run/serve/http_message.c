/*
 * http_message.c -- RFC 9112 message framing, twice: a line scanner of our own, then llhttp (strict).
 *
 * Smuggling needs two programs that read the same bytes differently. So everything that RFC 9112
 * lets a lenient reader repair is refused here: bare CR or LF, folded fields, blanks around names,
 * more than one Content-Length or Host even when equal, Transfer-Encoding beside Content-Length or
 * on HTTP/1.0, codings other than chunked, chunk extensions, trailer fields. (RFC 9112 sections 2.2, 3, 5, 6
 * and 11.2.)
 */
#include "run/serve/http_message.h"

#include <string.h>

enum phase { PHASE_LINE, PHASE_FIELDS, PHASE_BODY, PHASE_END, PHASE_ERROR };

enum {
    FEW_BLANK_LINES = 2,   /* before a request line; old clients send one after a body */
    FRAMING_BYTES = 16384, /* of a chunked body, beyond 8 for each byte of content */
    IDLE_HEAD_BYTES = 2048 /* kept by an idle connection */
};

static const char *const method_names[MW_HTTP_METHODS] = {
    [MW_HTTP_GET] = "GET",         [MW_HTTP_HEAD] = "HEAD",   [MW_HTTP_POST] = "POST",
    [MW_HTTP_PUT] = "PUT",         [MW_HTTP_PATCH] = "PATCH", [MW_HTTP_DELETE] = "DELETE",
    [MW_HTTP_OPTIONS] = "OPTIONS",
};

/* Fields that mean two different requests when they come twice. */
static const char *const single_fields[] = {
    "Host",   "Content-Length", "Transfer-Encoding", "Content-Type",  "Origin",
    "Expect", "X-Request-ID",   "X-Organization-ID", "Authorization", "Content-Encoding"};

const char *mw_http_method_name(mw_http_method method) { return method_names[method]; }

static mw_message_event refuse(mw_message *message, int status, const char *what) {
    message->phase = PHASE_ERROR;
    message->error_status = status;
    message->keep_alive = false;
    mw_fail(&message->error, status == 413 || status == 431 ? MW_ETOOLARGE : MW_EPARSE, "%s", what);
    return MW_MESSAGE_ERROR;
}

/* ---- what llhttp reports ---- */

static int on_field_name(llhttp_t *parser, const char *at, size_t size) {
    mw_message *message = parser->data;
    if (message->phase == PHASE_BODY) {
        llhttp_set_error_reason(parser, "trailer fields are not accepted");
        return HPE_USER;
    }
    if (message->n_fields == message->fields_capacity)
        return HPE_USER; /* more than the scanner saw */
    message->fields[message->n_fields++] =
        (mw_http_field){.name = (uint32_t)(at - message->head.data), .name_size = (uint32_t)size};
    return 0;
}

static int on_field_value(llhttp_t *parser, const char *at, size_t size) {
    mw_message *message = parser->data;
    if (message->phase == PHASE_BODY || message->n_fields == 0) return HPE_USER;
    mw_str value = mw_str_trim((mw_str){at, size});
    mw_http_field *field = &message->fields[message->n_fields - 1];
    field->value = (uint32_t)(value.data - message->head.data);
    field->value_size = (uint32_t)value.size;
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    mw_message *message = parser->data;
    message->keep_alive = llhttp_should_keep_alive(parser) != 0;
    parser->upgrade =
        0; /* no other protocol is offered: Upgrade is ignored, as RFC 9110 7.8 allows */
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size) {
    mw_message *message = parser->data;
    message->body = (mw_str){at, size};
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser) {
    mw_message *message = parser->data;
    message->complete = true;
    return HPE_PAUSED;
}

/* Nobody needs them, and llhttp 8.1 reads what follows "name=value;" as more of the chunk's size. */
static int on_chunk_extension(llhttp_t *parser, const char *at, size_t size) {
    (void)at, (void)size;
    llhttp_set_error_reason(parser, "chunk extensions are not accepted");
    return HPE_USER;
}

static const llhttp_settings_t parser_settings = {
    .on_header_field = on_field_name,
    .on_header_value = on_field_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
};

/* ---- request line ---- */

static bool is_token_char(char c) {
    unsigned char u = (unsigned char)c;
    return u > 0x20 && u < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_token(mw_str text) {
    for (size_t i = 0; i < text.size; i++)
        if (!is_token_char(text.data[i])) return false;
    return text.size > 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* "HTTP/1.0" and "HTTP/1.1"; 505 for other versions of HTTP, 400 for other protocols. */
static mw_message_event read_version(mw_message *message, mw_str version) {
    const char *v = version.data;
    if (version.size != 8 || memcmp(v, "HTTP/", 5) != 0 || !is_digit(v[5]) || v[6] != '.' ||
        !is_digit(v[7]))
        return refuse(message, 400, "the request line does not end in an HTTP version");
    if (v[5] != '1' || v[7] > '1')
        return refuse(message, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    message->minor = v[7] - '0';
    return MW_MESSAGE_MORE;
}

static mw_message_event read_method(mw_message *message, mw_str method) {
    if (!is_token(method)) return refuse(message, 400, "the request does not start with a method");
    for (int i = 0; i < MW_HTTP_METHODS; i++)
        if (mw_str_is(method, method_names[i])) {
            message->method = (mw_http_method)i;
            return MW_MESSAGE_MORE;
        }
    return refuse(message, 501, "the request method is not known here");
}

static mw_message_event read_request_line(mw_message *message) {
    mw_str line = {message->head.data, message->request_line};
    const char *first = memchr(line.data, ' ', line.size);
    const char *last = memrchr(line.data, ' ', line.size);
    if (!first || first == last)
        return refuse(message, 400, "the request line is not 'method target version'");
    mw_str target = {first + 1, (size_t)(last - first - 1)};
    if (target.size == 0 || memchr(target.data, ' ', target.size))
        return refuse(message, 400, "the request line has more than two blanks");
    for (size_t i = 0; i < target.size; i++)
        if ((unsigned char)target.data[i] <= 0x20 || (unsigned char)target.data[i] >= 0x7f)
            return refuse(message, 400, "the request target holds a character that is not allowed");
    mw_str version = {last + 1, (size_t)(line.data + line.size - last - 1)};
    if (read_version(message, version) == MW_MESSAGE_ERROR) return MW_MESSAGE_ERROR;
    if (read_method(message, (mw_str){line.data, (size_t)(first - line.data)}) == MW_MESSAGE_ERROR)
        return MW_MESSAGE_ERROR;
    if (mw_str_is(target, "*") && message->method != MW_HTTP_OPTIONS)
        return refuse(message, 400, "the target '*' belongs to OPTIONS");
    return MW_MESSAGE_MORE;
}

/* ---- fields ---- */

mw_str mw_message_field(const mw_message *message, const char *name) {
    size_t size = strlen(name);
    for (uint32_t i = 0; i < message->n_fields; i++) {
        const mw_http_field *field = &message->fields[i];
        if (field->name_size != size) continue;
        if (!mw_str_is_nocase((mw_str){message->head.data + field->name, size}, name)) continue;
        return (mw_str){message->head.data + field->value, field->value_size};
    }
    return (mw_str){0};
}

static const char *repeated_field(const mw_message *message) {
    for (size_t k = 0; k < sizeof single_fields / sizeof *single_fields; k++) {
        size_t size = strlen(single_fields[k]);
        int n = 0;
        for (uint32_t i = 0; i < message->n_fields; i++) {
            const mw_http_field *field = &message->fields[i];
            if (field->name_size != size) continue;
            mw_str name = {message->head.data + field->name, size};
            if (mw_str_is_nocase(name, single_fields[k]) && ++n > 1) return single_fields[k];
        }
    }
    return NULL;
}

static mw_message_event read_framing(mw_message *message) {
    mw_str length = mw_message_field(message, "Content-Length");
    mw_str coding = mw_message_field(message, "Transfer-Encoding");
    message->content_length = 0;
    message->chunked = false;
    if (coding.data) {
        if (length.data)
            return refuse(message, 400, "Content-Length and Transfer-Encoding exclude each other");
        if (message->minor == 0)
            return refuse(message, 400, "Transfer-Encoding does not exist in HTTP/1.0");
        if (!mw_str_is_nocase(coding, "chunked"))
            return refuse(message, 501, "the only transfer coding known here is chunked");
        message->chunked = true;
        message->content_length = -1;
        return MW_MESSAGE_MORE;
    }
    if (!length.data) return MW_MESSAGE_MORE;
    if (length.size == 0 || length.size > 18)
        return refuse(message, 400, "Content-Length is not a number of bytes");
    for (size_t i = 0; i < length.size; i++) {
        if (!is_digit(length.data[i]))
            return refuse(message, 400, "Content-Length is not a number of bytes");
        message->content_length = message->content_length * 10 + (length.data[i] - '0');
    }
    return MW_MESSAGE_MORE;
}

static bool names_are_tokens(const mw_message *message) {
    for (uint32_t i = 0; i < message->n_fields; i++) {
        const mw_http_field *field = &message->fields[i];
        if (!is_token((mw_str){message->head.data + field->name, field->name_size})) return false;
    }
    return true;
}

static mw_message_event check_fields(mw_message *message) {
    if (!names_are_tokens(message)) /* llhttp takes an empty one */
        return refuse(message, 400, "a header field has no valid name");
    const char *repeated = repeated_field(message);
    if (repeated) {
        refuse(message, 400, "");
        mw_fail(&message->error, MW_EPARSE, "the field %s came more than once", repeated);
        return MW_MESSAGE_ERROR;
    }
    if (message->minor == 1 && !mw_message_field(message, "Host").data)
        return refuse(message, 400, "an HTTP/1.1 request needs a Host field");
    if (read_framing(message) == MW_MESSAGE_ERROR) return MW_MESSAGE_ERROR;
    mw_str expect = mw_message_field(message, "Expect");
    message->expects_continue = false;
    if (expect.data && message->minor == 1) {
        if (!mw_str_is_nocase(expect, "100-continue"))
            return refuse(message, 417, "the only expectation known here is 100-continue");
        message->expects_continue = message->content_length != 0;
    }
    return MW_MESSAGE_HEAD;
}

/* Control characters, NUL included, other than the line ends and tabs. */
static bool has_controls(const char *data, size_t size) {
    unsigned bad = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        bad |= (unsigned)(c < 0x20 && c != '\r' && c != '\n' && c != '\t') | (unsigned)(c == 0x7f);
    }
    return bad != 0;
}

static bool reserve_fields(mw_message *message) {
    if (message->n_lines <= message->fields_capacity) return true;
    uint32_t capacity = message->n_lines < 16 ? 16 : message->n_lines;
    mw_http_field *fields = mw_realloc(message->mem, message->fields, capacity * sizeof *fields);
    if (!fields) return false;
    message->fields = fields;
    message->fields_capacity = capacity;
    return true;
}

/* The head is whole: the second reading. */
static mw_message_event parse_head(mw_message *message) {
    if (has_controls(message->head.data, message->head.size))
        return refuse(message, 400, "the request head holds control characters");
    if (!reserve_fields(message)) return refuse(message, 503, "not enough memory for the request");
    llhttp_init(&message->parser, HTTP_REQUEST, &parser_settings);
    message->parser.data = message;
    llhttp_errno_t error = llhttp_execute(&message->parser, message->head.data, message->head.size);
    if (error == HPE_PAUSED && message->complete) {
        const char *end = message->head.data + message->head.size;
        if (llhttp_get_error_pos(&message->parser) != end) error = HPE_INTERNAL;
    }
    if (error != HPE_OK && !(error == HPE_PAUSED && message->complete)) {
        refuse(message, error == HPE_INVALID_TRANSFER_ENCODING ? 501 : 400, "");
        mw_fail(&message->error, MW_EPARSE, "the request head is not valid HTTP: %s",
                llhttp_get_error_reason(&message->parser));
        return MW_MESSAGE_ERROR;
    }
    if (message->n_fields != message->n_lines)
        return refuse(message, 400, "the request head can be read in two ways");
    if (check_fields(message) == MW_MESSAGE_ERROR) return MW_MESSAGE_ERROR;
    if ((message->content_length == 0) != message->complete)
        return refuse(message, 400, "the length of the request body can be read in two ways");
    const char *first = memchr(message->head.data, ' ', message->request_line);
    const char *last = memrchr(message->head.data, ' ', message->request_line);
    message->target = (mw_str){first + 1, (size_t)(last - first - 1)};
    message->phase = message->complete ? PHASE_END : PHASE_BODY;
    return MW_MESSAGE_HEAD;
}

/* ---- the scanner ---- */

static bool keep(mw_message *message, const char *data, size_t size) {
    mw_buf_append(&message->head, data, size);
    return message->head.failed == MW_OK;
}

/* A whole line has been kept; its content (without CRLF) was line_bytes - 2 long. */
static mw_message_event end_line(mw_message *message) {
    size_t content = message->line_bytes - 2;
    message->line_bytes = 0;
    if (message->phase == PHASE_LINE) {
        if (content == 0) {
            message->head.size = 0;
            if (++message->n_blank > FEW_BLANK_LINES)
                return refuse(message, 400, "the request starts with empty lines");
            return MW_MESSAGE_MORE;
        }
        message->request_line = content;
        message->phase = PHASE_FIELDS;
        return read_request_line(message);
    }
    if (content == 0) return parse_head(message);
    if (++message->n_lines > message->limits->headers)
        return refuse(message, 431, "the request has too many header fields");
    return MW_MESSAGE_MORE;
}

/* What can be said of a piece of a line before its end has arrived. */
static mw_message_event check_piece(mw_message *message, const char *data, size_t size) {
    const mw_message_limits *limits = message->limits;
    if (message->phase == PHASE_LINE) {
        if (message->line_bytes + size > limits->request_line_bytes + 2)
            return refuse(message, 414, "the request line is too long");
        if (message->line_bytes == 0 && data[0] != '\r' && !is_token_char(data[0]))
            return refuse(message, 400, "this is not an HTTP request");
    } else {
        if (message->head.size - message->request_line + size > limits->header_bytes)
            return refuse(message, 431, "the request header is too large");
        if (message->line_bytes == 0 && (data[0] == ' ' || data[0] == '\t'))
            return refuse(message, 400, "folded header fields are not accepted");
    }
    return MW_MESSAGE_MORE;
}

static mw_message_event scan_head(mw_message *message, const char *data, size_t size,
                                  size_t *used) {
    size_t at = 0;
    mw_message_event event = MW_MESSAGE_MORE;
    while (event == MW_MESSAGE_MORE && at < size) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t piece = end ? (size_t)(end - data) + 1 - at : size - at;
        event = check_piece(message, data + at, piece);
        if (event == MW_MESSAGE_ERROR) break;
        if (!keep(message, data + at, piece)) {
            event = refuse(message, 503, "not enough memory for the request");
            break;
        }
        message->line_bytes += piece;
        at += piece;
        if (!end) break;
        if (message->line_bytes < 2 || message->head.data[message->head.size - 2] != '\r') {
            event = refuse(message, 400, "a line does not end in CR LF");
            break;
        }
        event = end_line(message);
    }
    *used = at;
    return event;
}

/* ---- the body ---- */

static mw_message_event feed_body(mw_message *message, const char *data, size_t size,
                                  size_t *used) {
    *used = 0;
    message->body = (mw_str){0};
    if (!data) data = ""; /* llhttp takes a NULL position for "not inside a span" */
    if (llhttp_get_errno(&message->parser) == HPE_PAUSED) llhttp_resume(&message->parser);
    llhttp_errno_t error = llhttp_execute(&message->parser, data, size);
    if (error != HPE_OK && error != HPE_PAUSED) {
        refuse(message, 400, "");
        mw_fail(&message->error, MW_EPARSE, "the request body is not framed as HTTP says: %s",
                llhttp_get_error_reason(&message->parser));
        return MW_MESSAGE_ERROR;
    }
    *used = error == HPE_OK ? size : (size_t)(llhttp_get_error_pos(&message->parser) - data);
    message->body_bytes += (int64_t)message->body.size;
    if (message->chunked) {
        message->framing_bytes += (int64_t)(*used - message->body.size);
        if (message->framing_bytes > FRAMING_BYTES + 8 * message->body_bytes)
            return refuse(message, 400, "the chunks of the body carry almost nothing");
    }
    if (message->complete) message->phase = PHASE_END;
    if (message->body.size) return MW_MESSAGE_BODY;
    if (!message->complete) return MW_MESSAGE_MORE;
    return MW_MESSAGE_END;
}

mw_message_event mw_message_feed(mw_message *message, const char *data, size_t size, size_t *used) {
    switch (message->phase) {
    case PHASE_LINE:
    case PHASE_FIELDS: return scan_head(message, data, size, used);
    case PHASE_BODY: {
        /* A resumed parser may report something without using a byte: ask it again. */
        mw_message_event event;
        size_t total = 0, part = 0;
        do {
            event = feed_body(message, data + total, size - total, &part);
            total += part;
        } while (event == MW_MESSAGE_MORE && total < size);
        *used = total;
        return event;
    }
    case PHASE_END: *used = 0; return MW_MESSAGE_END;
    default: *used = 0; return MW_MESSAGE_ERROR;
    }
}

/* ---- life ---- */

void mw_message_init(mw_message *message, const mw_message_limits *limits, mw_mem *mem) {
    *message = (mw_message){.limits = limits, .mem = mem};
    mw_buf_init(&message->head, mem, limits->request_line_bytes + limits->header_bytes + 16);
}

void mw_message_begin(mw_message *message) {
    mw_buf_clear(&message->head);
    message->phase = PHASE_LINE;
    message->line_bytes = message->request_line = 0;
    message->n_lines = message->n_blank = message->n_fields = 0;
    message->complete = message->chunked = message->expects_continue = false;
    message->keep_alive = false;
    message->content_length = message->body_bytes = message->framing_bytes = 0;
    message->target = message->body = (mw_str){0};
    message->error_status = 0;
}

void mw_message_trim(mw_message *message) {
    if (message->head.capacity > IDLE_HEAD_BYTES) mw_buf_done(&message->head);
    if (message->fields_capacity > 32) {
        message->fields = mw_free(message->fields);
        message->fields_capacity = 0;
    }
}

void mw_message_done(mw_message *message) {
    mw_buf_done(&message->head);
    message->fields = mw_free(message->fields);
    message->fields_capacity = 0;
}

bool mw_message_idle(const mw_message *message) {
    return message->phase == PHASE_LINE && message->line_bytes == 0 && message->n_blank == 0;
}

bool mw_message_in_head(const mw_message *message) {
    return message->phase == PHASE_LINE || message->phase == PHASE_FIELDS;
}
