/*
 * artifact_s3.c -- artifacts in S3, or in what speaks its protocol.
 *
 * A small file is one PUT, a large one parts and their completion; either appears whole or not at all. The service checks each body against its SHA-256
 * (x-amz-content-sha256); that of the whole file is kept with it (x-amz-meta-sha256), and a HEAD tells it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "keep/net/sigv4.h"
#include "keep/store/artifact_parts.h"

enum {
    PART_BYTES = 32 << 20,
    MOST_PARTS = 9000, /* the protocol has 10,000 */
    URL_BYTES = 4096,
    QUERY_BYTES = 3072,
    MOST_HEADERS = 8,
    ERROR_CODE = 64
};
static const char EMPTY_SHA256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

typedef struct s3 {
    mw_mem *mem;
    mw_net *net;
    char base[512];    /* scheme, host and port */
    char host[256];    /* as a Host header has it */
    char path[1200];   /* "/bucket" or "", then "/prefix/" or "/" */
    char prefix[1024]; /* "prefix/" or "" */
    char root[80];     /* "/bucket" or "/" */
    char region[64], key_id[160], secret[128];
    char *token; /* NULL: none */
    uint64_t part_bytes;
    const char *label;
} s3;

/* ---- a request ---- */

typedef struct ask {
    const char *method;
    const char *name;  /* NULL: of the bucket */
    const char *query; /* "": none */
    mw_str body;
    const char *body_sha256; /* NULL: of an empty body */
    const char *file_sha256; /* kept with the file; NULL: not sent */
    mw_dir *into_dir;
    const char *into_name;
    const mw_artifact_facts *into_facts;
    bool repeatable;
} ask;

static mw_status make_paths(const s3 *s, const ask *a, mw_buf *path, mw_buf *url, mw_err *err) {
    if (a->name) {
        mw_buf_add(path, s->path);
        mw_sigv4_encode(path, a->name, true);
    } else {
        mw_buf_add(path, s->root);
    }
    mw_buf_printf(url, "%s%s%s%s", s->base, mw_buf_text(path), a->query[0] ? "?" : "", a->query);
    mw_status status = mw_buf_status(path, "an address", err);
    return status ? status : mw_buf_status(url, "an address", err);
}

static mw_status send_signed(const mw_ctx *ctx, const s3 *s, const ask *a, const char *path,
                             const char *url, mw_buf *authorization, mw_net_answer *answer,
                             mw_err *err) {
    char date[MW_SIGV4_TIME];
    mw_net_header headers[MOST_HEADERS];
    size_t n = 0;
    const char *sha = a->body_sha256 ? a->body_sha256 : EMPTY_SHA256;
    mw_sigv4 sign = {.method = a->method,
                     .path = path,
                     .query = a->query,
                     .headers = headers,
                     .payload_sha256 = sha,
                     .key_id = s->key_id,
                     .secret = s->secret,
                     .region = s->region,
                     .time_us = mw_clock_utc(ctx->clock)};
    mw_sigv4_time(sign.time_us, date);
    headers[n++] = (mw_net_header){"host", s->host};
    headers[n++] = (mw_net_header){"x-amz-content-sha256", sha};
    headers[n++] = (mw_net_header){"x-amz-date", date};
    if (a->file_sha256) headers[n++] = (mw_net_header){"x-amz-meta-sha256", a->file_sha256};
    if (s->token) headers[n++] = (mw_net_header){"x-amz-security-token", s->token};
    sign.n_headers = n;
    mw_status status = mw_sigv4_sign(&sign, authorization, err);
    if (status) return status;
    headers[n++] = (mw_net_header){"authorization", mw_buf_text(authorization)};
    const mw_net_request request = {
        .method = a->method,
        .url = url,
        .headers = headers + 1, /* libcurl writes Host itself */
        .n_headers = n - 1,
        .body = a->body,
        .into_dir = a->into_dir,
        .into_name = a->into_name,
        .sha256 = a->into_facts ? a->into_facts->sha256 : NULL,
        .max_bytes = a->into_facts && a->into_facts->size ? (int64_t)a->into_facts->size : 0,
        .repeatable = a->repeatable};
    return mw_net_send(ctx, s->net, &request, answer, err);
}

static mw_status call(const mw_ctx *ctx, const s3 *s, const ask *a, mw_net_answer *answer,
                      mw_err *err) {
    mw_buf path, url, authorization;
    mw_buf_init(&path, ctx->mem, URL_BYTES);
    mw_buf_init(&url, ctx->mem, 2 * URL_BYTES);
    mw_buf_init(&authorization, ctx->mem, URL_BYTES);
    mw_status status = make_paths(s, a, &path, &url, err);
    if (!status)
        status = send_signed(ctx, s, a, mw_buf_text(&path), mw_buf_text(&url), &authorization,
                             answer, err);
    if (status && status != MW_ENOMEM) mw_err_prefix(err, "%s", s->label);
    mw_buf_done(&path);
    mw_buf_done(&url);
    mw_buf_done(&authorization);
    return status;
}

/* ---- XML, as far as answers need it: the text of the next element of that name ---- */

static bool find_element(mw_str *rest, const char *name, mw_str *ret) {
    char open[64], close[64];
    const int n_open = snprintf(open, sizeof open, "<%s>", name);
    const int n_close = snprintf(close, sizeof close, "</%s>", name);
    const char *from = memmem(rest->data, rest->size, open, (size_t)n_open);
    if (!from) return false;
    from += n_open;
    size_t left = rest->size - (size_t)(from - rest->data);
    const char *to = memmem(from, left, close, (size_t)n_close);
    if (!to) return false;
    *ret = (mw_str){from, (size_t)(to - from)};
    left -= (size_t)(to - from) + (size_t)n_close;
    *rest = (mw_str){to + n_close, left};
    return true;
}

/* With the five entities as characters; false: it is too long, or has others. */
static bool copy_text(mw_str text, char *out, size_t size) {
    static const struct {
        const char *entity;
        char c;
    } entities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t n = 0;
    for (size_t i = 0; i < text.size;) {
        char c = text.data[i];
        size_t step = 1;
        if (c == '&') {
            step = 0;
            for (size_t k = 0; k < sizeof entities / sizeof *entities && !step; k++) {
                const size_t length = strlen(entities[k].entity);
                if (text.size - i < length ||
                    memcmp(text.data + i, entities[k].entity, length) != 0)
                    continue;
                c = entities[k].c;
                step = length;
            }
            if (!step) return false;
        }
        if (n + 1 >= size) return false;
        out[n++] = c;
        i += step;
    }
    out[n] = '\0';
    return true;
}

/* ---- what an answer of another status means ---- */

static const struct {
    int status;
    mw_status code;
    const char *what, *hint;
} refusals[] = {
    {301, MW_EINVAL, "is in another region", "set AWS_REGION to the bucket's"},
    {307, MW_EINVAL, "is in another region", "set AWS_REGION to the bucket's"},
    {400, MW_EINVAL, "does not understand the request", "check AWS_REGION and AWS_ENDPOINT_URL_S3"},
    {401, MW_EDENIED, "refuses the key", "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
    {403, MW_EDENIED, "refuses the key",
     "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, what they may do, and this machine's clock"},
    {404, MW_ENOTFOUND, "does not have it", "check the bucket's name"},
    {429, MW_EBUSY, "is too busy", "try again later"},
    {500, MW_EBUSY, "has failed", "try again later"},
    {502, MW_EBUSY, "is away", "try again later"},
    {503, MW_EBUSY, "is too busy", "try again later"},
    {504, MW_EBUSY, "is away", "try again later"},
};

static mw_status fail_answer(const s3 *s, const ask *a, const mw_net_answer *answer, mw_err *err) {
    char code[ERROR_CODE] = "";
    mw_str rest = mw_buf_str(&answer->body), text;
    if (find_element(&rest, "Code", &text)) (void)copy_text(text, code, sizeof code);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (refusals[i].status != answer->status) continue;
        mw_fail(err, refusals[i].code, "%s %s: %d %s (%s %s)", s->label, refusals[i].what,
                answer->status, code, a->method, a->name ? a->name : "of the bucket");
        return mw_err_hint(err, "%s", refusals[i].hint);
    }
    return mw_fail(err, MW_EIO, "%s answered %d %s to %s %s", s->label, answer->status, code,
                   a->method, a->name ? a->name : "of the bucket");
}

/* The call, and its answer when it is a good one. */
static mw_status ask_for(const mw_ctx *ctx, const s3 *s, const ask *a, mw_net_answer *answer,
                         mw_err *err) {
    mw_status status = call(ctx, s, a, answer, err);
    if (status) return status;
    if (answer->status >= 200 && answer->status <= 299) return MW_OK;
    status = fail_answer(s, a, answer, err);
    mw_net_answer_done(answer);
    return status;
}

/* Nothing of the answer matters. */
static mw_status tell(const mw_ctx *ctx, const s3 *s, const ask *a, mw_err *err) {
    mw_net_answer answer = {0};
    mw_status status = ask_for(ctx, s, a, &answer, err);
    mw_net_answer_done(&answer);
    return status;
}

/* ---- find and get ---- */

static mw_status s3_find(const mw_ctx *ctx, void *self, const char *name, mw_artifact_facts *ret,
                         mw_err *err) {
    const s3 *s = self;
    mw_net_answer answer = {0};
    const ask head = {.method = "HEAD", .name = name, .query = ""};
    mw_status status = ask_for(ctx, s, &head, &answer, err);
    if (status) return status;
    const char *size = mw_net_answer_header(&answer, "content-length");
    const char *sha = mw_net_answer_header(&answer, "x-amz-meta-sha256");
    if (!size || !sha || strlen(sha) != MW_SHA256_HEX - 1)
        status = mw_fail(err, MW_EDATA, "%s has %s without its hash: it was not put by Millwright",
                         s->label, name);
    if (!status) {
        ret->size = strtoull(size, NULL, 10);
        mw_str_copy(ret->sha256, sizeof ret->sha256, mw_str_of(sha));
    }
    mw_net_answer_done(&answer);
    return status;
}

static mw_status s3_get(const mw_ctx *ctx, void *self, const char *name,
                        const mw_artifact_facts *facts, mw_dir *dir, const char *file,
                        mw_err *err) {
    const ask get = {.method = "GET",
                     .name = name,
                     .query = "",
                     .into_dir = dir,
                     .into_name = file,
                     .into_facts = facts};
    return tell(ctx, self, &get, err);
}

/* ---- put ---- */

typedef struct parts {
    const char *name;
    const uint8_t *bytes;
    const mw_artifact_facts *facts;
    char upload[2048]; /* its id, percent-encoded */
    mw_buf list;       /* the completion's body */
} parts;

static mw_status begin_parts(const mw_ctx *ctx, const s3 *s, parts *p, mw_err *err) {
    char id[1024];
    mw_net_answer answer = {0};
    mw_buf encoded;
    const ask create = {.method = "POST",
                        .name = p->name,
                        .query = "uploads=",
                        .body = MW_STR(""),
                        .file_sha256 = p->facts->sha256,
                        .repeatable = true};
    mw_status status = ask_for(ctx, s, &create, &answer, err);
    if (status) return status;
    mw_str rest = mw_buf_str(&answer.body), text;
    mw_buf_init(&encoded, ctx->mem, sizeof p->upload - 1);
    if (!find_element(&rest, "UploadId", &text) || !copy_text(text, id, sizeof id))
        status = mw_fail(err, MW_EDATA, "%s began no upload of %s", s->label, p->name);
    if (!status) mw_sigv4_encode(&encoded, id, false);
    if (!status) status = mw_buf_status(&encoded, "an upload", err);
    if (!status) mw_str_copy(p->upload, sizeof p->upload, mw_buf_str(&encoded));
    mw_buf_done(&encoded);
    mw_net_answer_done(&answer);
    return status;
}

static mw_status send_part(const mw_ctx *ctx, const s3 *s, parts *p, int number, uint64_t at,
                           uint64_t size, mw_err *err) {
    char query[QUERY_BYTES], sha[MW_SHA256_HEX];
    mw_net_answer answer = {0};
    (void)snprintf(query, sizeof query, "partNumber=%d&uploadId=%s", number, p->upload);
    const ask put = {.method = "PUT",
                     .name = p->name,
                     .query = query,
                     .body = {(const char *)p->bytes + at, (size_t)size},
                     .body_sha256 = sha};
    mw_status status = mw_sha256_of(p->bytes + at, (size_t)size, sha, err);
    if (!status) status = ask_for(ctx, s, &put, &answer, err);
    if (status) return status;
    const char *etag = mw_net_answer_header(&answer, "etag");
    if (etag && !strpbrk(etag, "<>&"))
        mw_buf_printf(&p->list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number,
                      etag);
    else
        status = mw_fail(err, MW_EDATA, "%s gave a part of %s no ETag", s->label, p->name);
    mw_net_answer_done(&answer);
    return status;
}

static mw_status complete_parts(const mw_ctx *ctx, const s3 *s, parts *p, mw_err *err) {
    char query[QUERY_BYTES], sha[MW_SHA256_HEX];
    mw_net_answer answer = {0};
    (void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
    mw_buf_add(&p->list, "</CompleteMultipartUpload>");
    mw_status status = mw_buf_status(&p->list, "the parts of a file", err);
    if (!status) status = mw_sha256_of(mw_buf_text(&p->list), p->list.size, sha, err);
    const ask complete = {.method = "POST",
                          .name = p->name,
                          .query = query,
                          .body = mw_buf_str(&p->list),
                          .body_sha256 = sha,
                          .repeatable = true};
    if (!status) status = ask_for(ctx, s, &complete, &answer, err);
    if (status && status != MW_ENOTFOUND) return status;
    /* Sent twice, the second one finds no upload; and a 200 may have an error in it: what counts is what is there now. */
    mw_net_answer_done(&answer);
    mw_artifact_facts there = {0};
    status = s3_find(ctx, (void *)(uintptr_t)s, p->name, &there, err);
    if (!status && (there.size != p->facts->size || strcmp(there.sha256, p->facts->sha256) != 0))
        status = mw_fail(err, MW_EIO, "%s did not put the parts of %s together", s->label, p->name);
    return status;
}

/* Parts that nobody completes would be kept, and paid for. */
static void give_up(const mw_ctx *ctx, const s3 *s, const parts *p) {
    char query[QUERY_BYTES];
    mw_err why = {0};
    mw_ctx to_the_end = *ctx;
    to_the_end.cancel = NULL;
    (void)snprintf(query, sizeof query, "uploadId=%s", p->upload);
    const ask abort_it = {.method = "DELETE", .name = p->name, .query = query};
    if (tell(&to_the_end, s, &abort_it, &why)) mw_log_warn(ctx, "parts stay: %s", why.message);
}

static mw_status put_parts(const mw_ctx *ctx, const s3 *s, const char *name, const uint8_t *bytes,
                           const mw_artifact_facts *facts, mw_err *err) {
    parts p = {.name = name, .bytes = bytes, .facts = facts};
    uint64_t part = s->part_bytes;
    if (facts->size / part >= MOST_PARTS) part = facts->size / MOST_PARTS + 1;
    mw_buf_init(&p.list, ctx->mem, 4 << 20);
    mw_buf_add(&p.list, "<CompleteMultipartUpload>");
    mw_status status = begin_parts(ctx, s, &p, err);
    if (status) {
        mw_buf_done(&p.list);
        return status;
    }
    int number = 1;
    for (uint64_t at = 0; at < facts->size && !status; at += part, number++) {
        const uint64_t left = facts->size - at;
        status = mw_ctx_check(ctx, err);
        if (!status) status = send_part(ctx, s, &p, number, at, left < part ? left : part, err);
    }
    if (!status) status = complete_parts(ctx, s, &p, err);
    if (status) give_up(ctx, s, &p);
    mw_buf_done(&p.list);
    return status;
}

static mw_status s3_put(const mw_ctx *ctx, void *self, const char *name, const void *bytes,
                        const mw_artifact_facts *facts, mw_err *err) {
    const s3 *s = self;
    if (facts->size > s->part_bytes) return put_parts(ctx, s, name, bytes, facts, err);
    const ask put = {.method = "PUT",
                     .name = name,
                     .query = "",
                     .body = {bytes, (size_t)facts->size},
                     .body_sha256 = facts->sha256,
                     .file_sha256 = facts->sha256};
    return tell(ctx, s, &put, err);
}

/* ---- list and remove ---- */

static mw_status visit_page(const s3 *s, const mw_net_answer *answer, mw_artifacts_visit visit,
                            void *arg, mw_err *err) {
    const size_t n_prefix = strlen(s->prefix);
    mw_str rest = mw_buf_str(&answer->body), text;
    mw_status status = MW_OK;
    while (!status && find_element(&rest, "Key", &text)) {
        char key[MW_ARTIFACT_NAME + sizeof s->prefix];
        if (!copy_text(text, key, sizeof key)) continue; /* nothing that we named */
        if (strncmp(key, s->prefix, n_prefix) == 0 && strlen(key) - n_prefix < MW_ARTIFACT_NAME)
            status = visit(arg, key + n_prefix, err);
    }
    return status;
}

/* Writes the query of the page after this one; *more: there is one. */
static mw_status next_page(const s3 *s, const mw_net_answer *answer, mw_buf *token, bool *more,
                           mw_err *err) {
    char text[1024];
    mw_str rest = mw_buf_str(&answer->body), found;
    *more = find_element(&rest, "IsTruncated", &found) && mw_str_is(found, "true");
    if (!*more) return MW_OK;
    rest = mw_buf_str(&answer->body);
    if (!find_element(&rest, "NextContinuationToken", &found) ||
        !copy_text(found, text, sizeof text))
        return mw_fail(err, MW_EDATA, "%s lists a part of its names only", s->label);
    mw_buf_clear(token);
    mw_buf_add(token, "continuation-token=");
    mw_sigv4_encode(token, text, false);
    mw_buf_add_char(token, '&');
    return mw_buf_status(token, "a list of names", err);
}

static mw_status s3_list(const mw_ctx *ctx, void *self, const char *prefix,
                         mw_artifacts_visit visit, void *arg, mw_err *err) {
    const s3 *s = self;
    mw_buf token, query;
    bool more = true;
    mw_status status = MW_OK;
    mw_buf_init(&token, ctx->mem, QUERY_BYTES);
    mw_buf_init(&query, ctx->mem, 2 * QUERY_BYTES);
    while (more && !status) {
        mw_net_answer answer = {0};
        mw_buf_clear(&query);
        mw_buf_printf(&query, "%slist-type=2&prefix=", mw_buf_text(&token));
        mw_sigv4_encode(&query, s->prefix, false);
        mw_sigv4_encode(&query, prefix, false);
        status = mw_buf_status(&query, "a list of names", err);
        const ask list = {.method = "GET", .query = mw_buf_text(&query)};
        if (!status) status = ask_for(ctx, s, &list, &answer, err);
        if (!status) status = visit_page(s, &answer, visit, arg, err);
        if (!status) status = next_page(s, &answer, &token, &more, err);
        mw_net_answer_done(&answer);
    }
    mw_buf_done(&token);
    mw_buf_done(&query);
    return status;
}

static mw_status s3_remove(const mw_ctx *ctx, void *self, const char *name, mw_err *err) {
    const ask remove = {.method = "DELETE", .name = name, .query = ""};
    mw_status status = tell(ctx, self, &remove, err);
    if (status != MW_ENOTFOUND) return status;
    mw_err_clear(err);
    return MW_OK;
}

/* ---- life ---- */

static void s3_close(void *self) {
    s3 *s = self;
    mw_net_free(s->net);
    mw_free(s->token);
    memset(s->secret, 0, sizeof s->secret);
    mw_free(s);
}

static const mw_artifacts_backend backend = {s3_put, s3_find, s3_get, s3_list, s3_remove, s3_close};

static const char *variable(const char *first, const char *second) {
    const char *value = getenv(first);
    if ((!value || !*value) && second) value = getenv(second);
    return value && *value ? value : NULL;
}

/* A bucket: 3 to 63 of a-z, 0-9, '.' and '-'; a prefix: what artifacts may be called. */
static mw_status read_location(s3 *s, const char *location, char bucket[64], mw_err *err) {
    static const char of_bucket[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    static const char of_prefix[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/";
    const char *from = location + strlen("s3://"), *prefix = strchr(from, '/');
    const size_t n = prefix ? (size_t)(prefix - from) : strlen(from);
    bool good = n >= 3 && n <= 63 && strspn(from, of_bucket) == n;
    mw_str_copy(bucket, 64, (mw_str){from, n});
    prefix = prefix ? prefix + 1 : "";
    size_t n_prefix = strlen(prefix);
    while (n_prefix && prefix[n_prefix - 1] == '/') n_prefix--;
    good = good && n_prefix < 1000 && strspn(prefix, of_prefix) == strlen(prefix) &&
           !strstr(prefix, "//") && prefix[0] != '/' && !strstr(prefix, "..");
    if (!good) {
        mw_fail(err, MW_EINVAL, "\"%.200s\" names no place in S3", location);
        return mw_err_hint(err, "s3://BUCKET or s3://BUCKET/PREFIX, in letters, digits, - _ . /");
    }
    (void)snprintf(s->prefix, sizeof s->prefix, "%.*s%s", (int)n_prefix, prefix,
                   n_prefix ? "/" : "");
    return MW_OK;
}

/* Host as it is sent: without a port that goes without saying. */
static void read_host(s3 *s) {
    const bool tls = strncmp(s->base, "https:", 6) == 0;
    mw_str_copy(s->host, sizeof s->host, mw_str_of(s->base + (tls ? 8 : 7)));
    char *port = strrchr(s->host, ':');
    if (port && strcmp(port, tls ? ":443" : ":80") == 0) *port = '\0';
}

static mw_status find_service(s3 *s, const char *bucket, mw_err *err) {
    const char *region = variable("AWS_REGION", "AWS_DEFAULT_REGION");
    const char *endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    mw_str_copy(s->region, sizeof s->region, mw_str_of(region ? region : "us-east-1"));
    /* A bucket is a part of the host's name only where there are certificates for such names. */
    const bool hosted = !endpoint && !strchr(bucket, '.');
    if (endpoint) {
        size_t n = strlen(endpoint);
        while (n && endpoint[n - 1] == '/') n--;
        const char *host = strstr(endpoint, "://");
        if (n >= sizeof s->base || !host ||
            memchr(host + 3, '/', n - (size_t)(host + 3 - endpoint))) {
            mw_fail(err, MW_EINVAL, "AWS_ENDPOINT_URL is no address of a service");
            return mw_err_hint(err, "https://HOST[:PORT], without a path");
        }
        mw_str_copy(s->base, sizeof s->base, (mw_str){endpoint, n});
    } else {
        (void)snprintf(s->base, sizeof s->base, "https://%s%ss3.%s.amazonaws.com",
                       hosted ? bucket : "", hosted ? "." : "", s->region);
    }
    (void)snprintf(s->root, sizeof s->root, "/%s", hosted ? "" : bucket);
    (void)snprintf(s->path, sizeof s->path, "%s%s%s", s->root, hosted ? "" : "/", s->prefix);
    read_host(s);
    return MW_OK;
}

static mw_status read_keys(s3 *s, mw_err *err) {
    const char *key = variable("AWS_ACCESS_KEY_ID", NULL);
    const char *secret = variable("AWS_SECRET_ACCESS_KEY", NULL);
    const char *token = variable("AWS_SESSION_TOKEN", NULL);
    if (!key || !secret || strlen(key) >= sizeof s->key_id || strlen(secret) >= sizeof s->secret) {
        mw_fail(err, MW_EINVAL, "artifacts in S3 need a key");
        return mw_err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    }
    mw_str_copy(s->key_id, sizeof s->key_id, mw_str_of(key));
    mw_str_copy(s->secret, sizeof s->secret, mw_str_of(secret));
    s->token = token ? mw_strdup(s->mem, token) : NULL;
    return token && !s->token ? mw_fail_nomem(err, "the artifact store") : MW_OK;
}

mw_status mw_artifacts__open_s3(const mw_ctx *ctx, const char *location, uint64_t part_bytes,
                                mw_artifacts *ret, mw_err *err) {
    char bucket[64];
    s3 *s = mw_calloc(ctx->mem, 1, sizeof *s);
    if (!s) return mw_fail_nomem(err, "the artifact store");
    s->mem = ctx->mem;
    s->part_bytes = part_bytes ? part_bytes : PART_BYTES;
    s->label = ret->label;
    const mw_net_options options = {.ca_file = variable("AWS_CA_BUNDLE", NULL)};
    mw_status status = read_location(s, location, bucket, err);
    if (!status) status = find_service(s, bucket, err);
    if (!status) status = read_keys(s, err);
    if (!status) status = mw_net_new(ctx->mem, &options, &s->net, err);
    if (status) {
        s3_close(s);
        return status;
    }
    (void)snprintf(ret->label, sizeof ret->label, "s3://%s/%s", bucket, s->prefix);
    ret->backend = &backend;
    ret->self = s;
    return MW_OK;
}
