/* net_transfer.c -- one try of a request; see net_transfer.h. */
#include "keep/net/net_transfer.h"

#include <string.h>
#include <sys/socket.h>

#include "core/base/files.h"
#include "core/base/limits.h"

/* Fewer bytes than libcurl gave: it ends the transfer. */
static size_t stop(mw_net_transfer *transfer, mw_status status) {
    transfer->failed = status;
    return 0;
}

/* ---- headers of the answer ---- */

static char small(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static void begin_headers(mw_net_transfer *transfer) {
    mw_arena_reset(&transfer->answer.arena);
    transfer->answer.headers = transfer->headers = NULL;
    transfer->answer.n_headers = 0;
    transfer->header_bytes = 0;
}

static mw_status add_header(mw_net_transfer *transfer, mw_str line) {
    mw_net_answer *answer = &transfer->answer;
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon) return MW_OK; /* the empty line */
    transfer->header_bytes += line.size;
    if (answer->n_headers == MW_NET_HEADERS || transfer->header_bytes > MW_NET_HEADER_BYTES)
        return mw_fail(transfer->err, MW_ETOOLARGE, "%s answered with too many headers",
                       transfer->label);
    if (!transfer->headers)
        transfer->headers =
            mw_arena_calloc(&answer->arena, MW_NET_HEADERS, sizeof *transfer->headers);
    size_t n = (size_t)(colon - line.data);
    mw_str rest = {colon + 1, line.size - n - 1};
    while (rest.size && (rest.data[rest.size - 1] == '\r' || rest.data[rest.size - 1] == '\n'))
        rest.size--;
    rest = mw_str_trim(rest);
    char *name = mw_arena_strndup(&answer->arena, line.data, n);
    char *value = mw_arena_strndup(&answer->arena, rest.data, rest.size);
    if (!transfer->headers || !name || !value) return mw_fail_nomem(transfer->err, "an answer");
    for (char *c = name; *c; c++) *c = small(*c);
    transfer->headers[answer->n_headers++] = (mw_net_header){name, value};
    answer->headers = transfer->headers;
    return MW_OK;
}

static size_t on_header(char *data, size_t one, size_t size, void *self) {
    mw_net_transfer *transfer = self;
    (void)one;                                        /* is 1 */
    if (size >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* also after a 1xx */
        begin_headers(transfer);
        return size;
    }
    mw_status status = add_header(transfer, (mw_str){data, size});
    return status ? stop(transfer, status) : size;
}

/* ---- body of the answer ---- */

static int code_of(mw_net_transfer *transfer) {
    long code = 0;
    mw_curl.curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &code);
    return (int)code;
}

static mw_status begin_body(mw_net_transfer *transfer) {
    const mw_net_request *request = transfer->request;
    transfer->good = true;
    if (request->sink.add)
        return request->sink.begin ? request->sink.begin(request->sink.self, transfer->err) : MW_OK;
    if (!request->into_dir) return MW_OK;
    mw_status status = mw_file_create(transfer->ctx, request->into_dir, request->into_name,
                                      &transfer->file, transfer->err);
    if (!status && request->sha256) status = mw_sha256_new(&transfer->sha, transfer->err);
    return status;
}

static mw_status take(mw_net_transfer *transfer, const void *data, size_t size) {
    const mw_net_request *request = transfer->request;
    mw_net_answer *answer = &transfer->answer;
    if (size > transfer->max_bytes - answer->n_bytes)
        return mw_fail(transfer->err, MW_ETOOLARGE,
                       "the answer of %s is larger than %llu bytes, which is its limit",
                       transfer->label, (unsigned long long)transfer->max_bytes);
    answer->n_bytes += size;
    if (request->sink.add) {
        transfer->handed = !request->sink.begin;
        return request->sink.add(request->sink.self, data, size, transfer->err);
    }
    if (transfer->file) {
        if (transfer->sha) mw_sha256_add(transfer->sha, data, size);
        return mw_file_write(transfer->file, data, size, transfer->err);
    }
    mw_buf_append(&answer->body, data, size);
    return mw_buf_status(&answer->body, "an answer", transfer->err);
}

/* What says what is wrong is read as far as somebody may want it. */
static size_t take_fault(mw_net_transfer *transfer, const char *data, size_t size) {
    mw_buf *body = &transfer->answer.body;
    size_t room = MW_NET_FAULT_BYTES - body->size;
    mw_buf_append(body, data, size < room ? size : room);
    transfer->answer.n_bytes = body->size;
    mw_status status = mw_buf_status(body, "an answer", transfer->err);
    if (status) return stop(transfer, status);
    transfer->fault_cut = size > room;
    return transfer->fault_cut ? 0 : size;
}

static size_t on_body(char *data, size_t one, size_t size, void *self) {
    mw_net_transfer *transfer = self;
    (void)one;
    if (size == 0) return 0;
    int code = code_of(transfer);
    if (code < 200 || code > 299) return take_fault(transfer, data, size);
    mw_status status = transfer->good ? MW_OK : begin_body(transfer);
    if (!status) status = take(transfer, data, size);
    return status ? stop(transfer, status) : size;
}

/* Called at least once a second. */
static int on_progress(void *self, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up) {
    mw_net_transfer *transfer = self;
    (void)down_total, (void)up_total;
    if (transfer->failed) return 1; /* it has been ended already */
    mw_status status = mw_ctx_check(transfer->ctx, transfer->err);
    int64_t now = mw_clock_monotonic(transfer->ctx->clock);
    if (down + up != transfer->moved) {
        transfer->moved = down + up;
        transfer->moved_us = now;
    }
    if (!status && now - transfer->moved_us > transfer->silence_us)
        status = mw_fail(transfer->err, MW_EBUSY, "%s was silent for %lld s", transfer->label,
                         (long long)(transfer->silence_us / MW_US_PER_SECOND));
    if (status) transfer->failed = status;
    transfer->silent = status == MW_EBUSY;
    return status ? 1 : 0;
}

/* Programs that this one starts shall not inherit it. */
static curl_socket_t open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)self, (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- the request ---- */

static mw_status add_line(struct curl_slist **lines, const char *text, mw_err *err) {
    struct curl_slist *longer = text ? mw_curl.curl_slist_append(*lines, text) : NULL;
    if (!longer) return mw_fail_nomem(err, "a request");
    *lines = longer;
    return MW_OK;
}

static mw_status make_headers(mw_net_transfer *transfer, mw_arena *arena,
                              struct curl_slist **lines) {
    const mw_net_request *request = transfer->request;
    /* Without a name's value libcurl leaves out what it would send of its own. */
    mw_status status = add_line(lines, "Expect:", transfer->err);
    bool typed = false;
    for (size_t i = 0; i < request->n_headers && !status; i++) {
        const mw_net_header *header = &request->headers[i];
        typed = typed || mw_str_is_nocase(mw_str_of(header->name), "content-type");
        status = add_line(lines, mw_arena_printf(arena, "%s: %s", header->name, header->value),
                          transfer->err);
    }
    if (!status && !typed) status = add_line(lines, "Content-Type:", transfer->err);
    if (!status && request->bearer)
        status =
            add_line(lines, mw_arena_printf(arena, "Authorization: Bearer %s", request->bearer),
                     transfer->err);
    return status;
}

/* None of these fails but for want of memory, which the transfer then says, too. */
static void set_options(mw_net_transfer *transfer, struct curl_slist *lines) {
    CURL *handle = transfer->handle;
    const mw_net_request *request = transfer->request;
    const char *method = request->method ? request->method : "GET";
    const mw_net_options *options = transfer->options;
#define SET(option, value) mw_curl.curl_easy_setopt(handle, option, value)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, "millwright/" MW_VERSION);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, 256L * 1024);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    SET(CURLOPT_HTTPHEADER, lines);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
    /* On a connection that was closed meanwhile libcurl sends a request again by itself. */
    if (!transfer->repeatable) SET(CURLOPT_FRESH_CONNECT, 1L);
    if (request->max_ms) SET(CURLOPT_TIMEOUT_MS, (long)request->max_ms);
    if (options->ca_file) SET(CURLOPT_CAINFO, options->ca_file);
    if (transfer->body.data) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.size);
        SET(CURLOPT_POSTFIELDS, transfer->body.data);
        SET(CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "GET") != 0) {
        SET(CURLOPT_CUSTOMREQUEST, method);
    }
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, transfer);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
#undef SET
}

/* ---- how it ended ---- */

static const struct {
    CURLcode code;
    mw_status status;
    bool again;
    const char *what;
} ends[] = {
    {CURLE_OUT_OF_MEMORY, MW_ENOMEM, false, "out of memory during a request to"},
    {CURLE_COULDNT_RESOLVE_HOST, MW_EBUSY, true, "the host's address is not known:"},
    {CURLE_COULDNT_RESOLVE_PROXY, MW_EBUSY, true, "the proxy's address is not known, for"},
    {CURLE_COULDNT_CONNECT, MW_EBUSY, true, "cannot connect to"},
    {CURLE_OPERATION_TIMEDOUT, MW_EBUSY, true, "no answer in time from"},
    {CURLE_GOT_NOTHING, MW_EBUSY, true, "an empty answer from"},
    {CURLE_SEND_ERROR, MW_EBUSY, true, "the connection was lost to"},
    {CURLE_RECV_ERROR, MW_EBUSY, true, "the connection was lost to"},
    {CURLE_PARTIAL_FILE, MW_EBUSY, true, "the answer was cut off, from"},
    {CURLE_SSL_CONNECT_ERROR, MW_EBUSY, true, "no TLS connection to"},
    {CURLE_PEER_FAILED_VERIFICATION, MW_EDENIED, false, "the certificate is not trusted, of"},
    {CURLE_SSL_CACERT_BADFILE, MW_EINVAL, false, "trusted certificates cannot be read, for"},
    {CURLE_URL_MALFORMAT, MW_EINVAL, false, "no address of a service:"},
    {CURLE_WEIRD_SERVER_REPLY, MW_EDATA, false, "no HTTP answer from"},
    {CURLE_UNSUPPORTED_PROTOCOL, MW_EDATA, false, "no HTTP/1.1 answer from"},
};

static mw_status name_end(const mw_net_transfer *transfer, CURLcode code, const char *detail,
                          bool *again) {
    if (!detail[0]) detail = mw_curl.curl_easy_strerror(code);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ends[i].code != code) continue;
        *again = ends[i].again && !transfer->handed;
        return mw_fail(transfer->err, ends[i].status, "%s %s: %s", ends[i].what, transfer->label,
                       detail);
    }
    return mw_fail(transfer->err, MW_EDATA, "no usable answer from %s: %s", transfer->label,
                   detail);
}

static mw_status finish_file(mw_net_transfer *transfer) {
    const mw_net_request *request = transfer->request;
    char hex[MW_SHA256_HEX] = "";
    if (transfer->sha) {
        mw_sha256_finish(transfer->sha, hex);
        transfer->sha = NULL;
        if (strcmp(hex, request->sha256) != 0)
            return mw_fail(transfer->err, MW_EDATA, "%s sent other bytes than were asked for as %s",
                           transfer->label, request->into_name);
    }
    mw_file *file = transfer->file;
    transfer->file = NULL;
    return mw_file_commit(file, transfer->err);
}

static mw_status finish(mw_net_transfer *transfer, CURLcode code, const char *detail, bool *again) {
    if (transfer->failed) {
        *again = transfer->silent && !transfer->handed;
        return transfer->failed;
    }
    if (code && !transfer->fault_cut) return name_end(transfer, code, detail, again);
    transfer->answer.status = code_of(transfer);
    if (transfer->answer.status < 200 || transfer->answer.status > 299) return MW_OK;
    mw_status status = transfer->good ? MW_OK : begin_body(transfer); /* an empty one */
    if (!status && transfer->file) status = finish_file(transfer);
    return status;
}

mw_status mw_net__try(mw_net_transfer *transfer, bool *again) {
    const mw_net_request *request = transfer->request;
    mw_mem *mem = transfer->ctx->mem;
    bool in_memory = !request->sink.add && !request->into_dir;
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *lines = NULL;
    mw_arena arena;
    *again = false;
    transfer->max_bytes = (uint64_t)(request->max_bytes ? request->max_bytes
                                     : in_memory        ? MW_LIMIT(NET_ANSWER_BYTES)
                                                        : MW_LIMIT(FILE_BYTES));
    transfer->silence_us =
        (request->silence_ms ? request->silence_ms : transfer->options->silence_ms) * 1000;
    transfer->moved_us = mw_clock_monotonic(transfer->ctx->clock);
    size_t body_bytes = in_memory ? (size_t)transfer->max_bytes : 0;
    mw_buf_init(&transfer->answer.body, mem,
                body_bytes > MW_NET_FAULT_BYTES ? body_bytes : MW_NET_FAULT_BYTES);
    mw_arena_init(&transfer->answer.arena, mem);
    mw_arena_init(&arena, mem);
    mw_status status = make_headers(transfer, &arena, &lines);
    if (!status) {
        set_options(transfer, lines);
        mw_curl.curl_easy_setopt(transfer->handle, CURLOPT_ERRORBUFFER, detail);
        CURLcode code = mw_curl.curl_easy_perform(transfer->handle);
        status = finish(transfer, code, detail, again);
        mw_curl.curl_easy_reset(transfer->handle); /* it keeps its connection */
    }
    mw_curl.curl_slist_free_all(lines);
    mw_arena_done(&arena);
    mw_sha256_free(transfer->sha);
    mw_file_abort(transfer->file);
    if (status) mw_net_answer_done(&transfer->answer);
    return status;
}
