/* net_client.c -- connections that wait, requests that are checked, and tries. */
#include "keep/net/net_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "keep/net/net_transfer.h"

enum {
    IDLE_MAX = 16,
    URL_MAX = 8192,
    FIRST_WAIT_US = 200000,
    WAIT_SLICE_US = 100000,
    LONGEST_WAIT_S = 30
};

/* A handle of libcurl with the connections it keeps. */
typedef struct line {
    CURL *handle;
    struct line *next;
} line;

struct mw_net {
    mw_mem *mem;
    mw_net_options options;
    char *ca_file;
    pthread_mutex_t mutex; /* guards the fields below */
    line *idle;
    int n_idle;
};

mw_status mw_net_new(mw_mem *mem, const mw_net_options *options, mw_net **ret, mw_err *err) {
    mw_status status = mw_net__load(err);
    if (status) return status;
    mw_net *net = mw_calloc(mem, 1, sizeof *net);
    if (!net) return mw_fail_nomem(err, "an HTTP client");
    net->mem = mem;
    if (options) net->options = *options;
    if (!net->options.connect_ms) net->options.connect_ms = MW_LIMIT(NET_CONNECT_MS);
    if (!net->options.silence_ms) net->options.silence_ms = MW_LIMIT(NET_SILENCE_MS);
    if (!net->options.tries) net->options.tries = (int)MW_LIMIT(NET_TRIES);
    pthread_mutex_init(&net->mutex, NULL);
    if (net->options.ca_file) {
        net->options.ca_file = net->ca_file = mw_strdup(mem, net->options.ca_file);
        if (!net->ca_file) {
            mw_net_free(net);
            return mw_fail_nomem(err, "an HTTP client");
        }
    }
    *ret = net;
    return MW_OK;
}

static void hang_up(line *one) {
    mw_curl.curl_easy_cleanup(one->handle);
    mw_free(one);
}

void *mw_net_free(mw_net *net) {
    if (!net) return NULL;
    while (net->idle) {
        line *one = net->idle;
        net->idle = one->next;
        hang_up(one);
    }
    pthread_mutex_destroy(&net->mutex);
    mw_free(net->ca_file);
    return mw_free(net);
}

/* The one that was used last: its connection is the likeliest to be open still. */
static mw_status take_line(mw_net *net, line **ret, mw_err *err) {
    pthread_mutex_lock(&net->mutex);
    line *one = net->idle;
    if (one) {
        net->idle = one->next;
        net->n_idle--;
    }
    pthread_mutex_unlock(&net->mutex);
    if (!one) {
        one = mw_calloc(net->mem, 1, sizeof *one);
        if (one) one->handle = mw_curl.curl_easy_init();
        if (!one || !one->handle) {
            mw_free(one);
            return mw_fail_nomem(err, "a connection");
        }
    }
    *ret = one;
    return MW_OK;
}

static void give_back(mw_net *net, line *one) {
    pthread_mutex_lock(&net->mutex);
    bool keep = net->n_idle < IDLE_MAX;
    if (keep) {
        one->next = net->idle;
        net->idle = one;
        net->n_idle++;
    }
    pthread_mutex_unlock(&net->mutex);
    if (!keep) hang_up(one);
}

/* ---- what may be sent ---- */

static bool is_printable(const char *text, bool blanks) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f || (!blanks && (c == ' ' || c >= 0x80))) return false;
    }
    return true;
}

/* Writes scheme, host and port. */
static mw_status check_url(const char *url, char label[MW_NET_LABEL], mw_err *err) {
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t host = scheme ? strcspn(url + scheme, "/?#") : 0;
    if (host == 0 || strlen(url) > URL_MAX || !is_printable(url, false) ||
        memchr(url + scheme, '@', host) || strchr(url, '#')) {
        mw_fail(err, MW_EINVAL, "no address of a service");
        return mw_err_hint(err, "http://HOST[:PORT]/... or https://..., of at most %d bytes",
                           URL_MAX);
    }
    mw_str_copy(label, MW_NET_LABEL, (mw_str){url, scheme + host});
    return MW_OK;
}

static mw_status check_headers(const mw_net_request *request, mw_err *err) {
    static const char of_name[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool good = !request->bearer || (request->bearer[0] && is_printable(request->bearer, false));
    if (request->method) good = good && request->method[strspn(request->method, of_name)] == '\0';
    for (size_t i = 0; i < request->n_headers && good; i++) {
        const mw_net_header *header = &request->headers[i];
        good = header->name[0] && header->name[strspn(header->name, of_name)] == '\0' &&
               is_printable(header->value, true);
    }
    return good ? MW_OK
                : mw_fail(err, MW_EINVAL,
                          "a header of a request has characters that no header may have");
}

/* ---- tries ---- */

static bool may_repeat(const mw_net_request *request) {
    static const char *const harmless[] = {"GET", "HEAD", "PUT", "DELETE"};
    if (request->once || request->repeatable) return !request->once;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (!request->method || strcmp(request->method, harmless[i]) == 0) return true;
    return false;
}

static bool is_passing(int http_status) {
    return http_status == 429 || http_status == 500 || (http_status >= 502 && http_status <= 504);
}

/* Between three quarters and five quarters of the doubled wait, so that many clients do not come back at once. */
static int64_t wait_for(const mw_ctx *ctx, int attempt, const mw_net_answer *answer) {
    int64_t wait_us = (int64_t)FIRST_WAIT_US << (attempt < 8 ? attempt : 8);
    int64_t now = mw_clock_monotonic(ctx->clock);
    wait_us = wait_us * 3 / 4 + (int64_t)(mw_hash64(&now, sizeof now) % (uint64_t)(wait_us / 2));
    const char *after = answer ? mw_net_answer_header(answer, "retry-after") : NULL;
    if (after && after[0] >= '0' && after[0] <= '9') {
        int64_t seconds = strlen(after) > 4 ? LONGEST_WAIT_S : strtol(after, NULL, 10);
        if (seconds > LONGEST_WAIT_S) seconds = LONGEST_WAIT_S;
        if (seconds * MW_US_PER_SECOND > wait_us) wait_us = seconds * MW_US_PER_SECOND;
    }
    return wait_us;
}

static mw_status pause_us(const mw_ctx *ctx, int64_t wait_us, mw_err *err) {
    mw_status status = mw_ctx_check(ctx, err);
    for (; wait_us > 0 && !status; wait_us -= WAIT_SLICE_US) {
        mw_clock_sleep(ctx->clock, wait_us < WAIT_SLICE_US ? wait_us : WAIT_SLICE_US);
        status = mw_ctx_check(ctx, err);
    }
    return status;
}

static mw_status try_all(const mw_ctx *ctx, mw_net *net, const mw_net_request *request, mw_str body,
                         const char *label, mw_net_answer *ret, mw_err *err) {
    bool repeatable = may_repeat(request);
    int tries = repeatable ? net->options.tries : 1;
    for (int attempt = 0;; attempt++) {
        line *one = NULL; /* as a compiler cannot see that a status says */
        bool again;
        mw_status status = take_line(net, &one, err);
        if (status) return status;
        mw_net_transfer transfer = {.ctx = ctx,
                                    .request = request,
                                    .options = &net->options,
                                    .handle = one->handle,
                                    .body = body,
                                    .label = label,
                                    .repeatable = repeatable,
                                    .err = err};
        status = mw_net__try(&transfer, &again);
        give_back(net, one);
        bool passing = !status && is_passing(transfer.answer.status);
        if (attempt + 1 >= tries || !(again || passing)) {
            if (!status) *ret = transfer.answer;
            return status;
        }
        int64_t wait_us = wait_for(ctx, attempt, passing ? &transfer.answer : NULL);
        if (passing) {
            mw_log_debug(ctx, "%s answered %d, trying again", label, transfer.answer.status);
            mw_net_answer_done(&transfer.answer);
        }
        status = pause_us(ctx, wait_us, err);
        if (status) return status;
    }
}

mw_status mw_net_send(const mw_ctx *ctx, mw_net *net, const mw_net_request *request,
                      mw_net_answer *ret, mw_err *err) {
    char label[MW_NET_LABEL];
    mw_map map = {0};
    mw_str body = request->body;
    mw_err own;
    if (!err) err = &own;
    mw_status status = check_url(request->url, label, err);
    if (!status) status = check_headers(request, err);
    if (!status && request->body_dir) {
        status = mw_map_open(ctx, request->body_dir, request->body_name, &map, err);
        body = (mw_str){map.data ? (const char *)map.data : "", map.size};
    }
    if (!status) status = try_all(ctx, net, request, body, label, ret, err);
    mw_map_close(&map);
    return status;
}

void mw_net_answer_done(mw_net_answer *answer) {
    mw_buf_done(&answer->body);
    mw_arena_done(&answer->arena);
    *answer = (mw_net_answer){0};
}

const char *mw_net_answer_header(const mw_net_answer *answer, const char *name) {
    for (size_t i = 0; i < answer->n_headers; i++)
        if (strcmp(answer->headers[i].name, name) == 0) return answer->headers[i].value;
    return NULL;
}
