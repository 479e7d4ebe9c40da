/*
 * http_message.h -- one HTTP/1 request, read from bytes: head, limits, framing, body. No sockets.
 *
 * What      a head is first framed by our own scanner (line lengths, counts, line ends, folding,
 * the request line), which enforces every limit before anything is interpreted, and only then
 *           parsed by llhttp in strict mode. The two must agree on where it ends and how many
 * fields it has. Bodies are framed by llhttp. Lifetime  mw_message_init -> (mw_message_begin ->
 * mw_message_feed*)* -> mw_message_done Memory    the head is kept contiguous in one buffer until
 * mw_message_begin; body bytes are handed out as views into the caller's data and never kept.
 * Events    MORE: all bytes were used and more are needed. HEAD, then BODY*, then END; feeding goes
 *           on (perhaps with no bytes at all) until MORE, END or ERROR. After END come the bytes of
 *           the next request. After ERROR the connection is only good for one answer.
 */
#ifndef MW_RUN_SERVE_HTTP_MESSAGE_H
#define MW_RUN_SERVE_HTTP_MESSAGE_H

#include <stdint.h>

#include "core/base/str.h"
#include "llhttp.h"

typedef enum mw_http_method {
    MW_HTTP_GET,
    MW_HTTP_HEAD,
    MW_HTTP_POST,
    MW_HTTP_PUT,
    MW_HTTP_PATCH,
    MW_HTTP_DELETE,
    MW_HTTP_OPTIONS,
    MW_HTTP_METHODS
} mw_http_method;

const char *mw_http_method_name(mw_http_method method);

/* Limits of one head; see limits.h for their numbers. */
typedef struct mw_message_limits {
    size_t request_line_bytes;
    size_t header_bytes;
    size_t headers;
} mw_message_limits;

typedef enum mw_message_event {
    MW_MESSAGE_MORE,
    MW_MESSAGE_HEAD,
    MW_MESSAGE_BODY,
    MW_MESSAGE_END,
    MW_MESSAGE_ERROR
} mw_message_event;

/* Offsets into the head. */
typedef struct mw_http_field {
    uint32_t name, name_size;
    uint32_t value, value_size;
} mw_http_field;

typedef struct mw_message {
    /* After HEAD: */
    mw_http_method method;
    int minor; /* 0 or 1: HTTP/1.minor */
    bool keep_alive;
    bool expects_continue;
    bool chunked;
    int64_t content_length; /* 0 without a body; -1: chunked */
    mw_str target;
    /* After BODY: a view into the bytes just fed. */
    mw_str body;
    int64_t body_bytes; /* so far */
    /* After ERROR: what to answer. */
    int error_status; /* 400, 413, 414, 417, 431, 501, 503, 505 */
    mw_err error;

    /* Inside. */
    const mw_message_limits *limits;
    mw_mem *mem;
    mw_buf head;
    mw_http_field *fields;
    uint32_t n_fields, fields_capacity;
    size_t line_bytes;   /* of the line being scanned */
    size_t request_line; /* bytes of the request line without its end; 0: not complete */
    uint32_t n_lines;    /* field lines scanned */
    uint32_t n_blank;    /* empty lines before the request line */
    uint8_t phase;
    bool complete;         /* llhttp has seen the end */
    int64_t framing_bytes; /* of a chunked body, besides its content */
    llhttp_t parser;
} mw_message;

void mw_message_init(mw_message *message, const mw_message_limits *limits, mw_mem *mem);
void mw_message_begin(mw_message *message); /* the next request; keeps buffers */
void mw_message_done(mw_message *message);

/* Gives back buffers that are larger than an idle connection should hold. */
void mw_message_trim(mw_message *message);

/* Takes up to size bytes; *used tells how many. */
mw_message_event mw_message_feed(mw_message *message, const char *data, size_t size, size_t *used);

/* True when no byte of a request has arrived yet. */
bool mw_message_idle(const mw_message *message);
/* True while the head is not complete. */
bool mw_message_in_head(const mw_message *message);

/* The field's value (first of that name, blanks trimmed) or a view with NULL data. ASCII case only.
 */
mw_str mw_message_field(const mw_message *message, const char *name);

#endif
