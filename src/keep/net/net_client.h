/*
 * net_client.h -- the one HTTP client: requests to services outside, over connections that are kept.
 *
 * What      mw_net_send sends one request and takes its answer into memory, into a file or to a function. HTTP/1.1 over TCP or TLS; redirects
 *           are not followed, so no key goes where it was not meant to.
 * Lifetime  mw_net_new -> mw_net_send -> mw_net_answer_done -> ... -> mw_net_free, when no request runs any more
 * Threads   any number may send at a time; each request has a connection of its own. Up to 16 of them wait open for later ones.
 * Tries     what may be sent twice without harm (GET, HEAD, PUT, DELETE, or `repeatable`) is, up to `tries` times: when the connection fails, and
 *           after 429, 500, 502, 503 and 504. Waits of 0.2 s, doubled each time, or what Retry-After asks for (30 s at most).
 *           Anything else gets a new connection each time: on a kept one it may not be known whether it arrived.
 * Limits    times and sizes below; a request without any has those of limits.h. Cancelling ctx ends a request within a second.
 * libcurl   is loaded by the first mw_net_new: it brings 30 libraries along, which a process without it need not have.
 */
#ifndef MW_KEEP_NET_NET_CLIENT_H
#define MW_KEEP_NET_NET_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/dir.h"
#include "core/base/str.h"

typedef struct mw_net mw_net;

typedef struct mw_net_options {
    const char *ca_file; /* PEM: whom to trust instead of those the system trusts; NULL: those */
    int64_t connect_ms;  /* until connected, TLS included; 0: 10 s */
    int64_t silence_ms;  /* without a byte in either direction; 0: 30 s */
    int tries;           /* 0: 4 */
} mw_net_options;

/* options may be NULL. MW_EUNSUPPORTED without libcurl, MW_EINVAL when ca_file cannot be read. */
mw_status mw_net_new(mw_mem *mem, const mw_net_options *options, mw_net **ret, mw_err *err);
void *mw_net_free(mw_net *net); /* NULL is allowed; returns NULL */

typedef struct mw_net_header {
    const char *name; /* of an answer: in small letters */
    const char *value;
} mw_net_header;

/*
 * Takes the body of an answer as it arrives. A failure ends the request, which then returns it.
 *
 *   add    called with each piece, in order; never with an empty one
 *   begin  may be NULL; called before the first piece and after the headers of a 2xx answer. A request that is tried again calls it
 *          again: what came before it counts no more. Without it a request is not tried again once a piece was handed out.
 */
typedef struct mw_net_sink {
    mw_status (*begin)(void *self, mw_err *err);
    mw_status (*add)(void *self, const void *data, size_t size, mw_err *err);
    void *self;
} mw_net_sink;

/* All pointers are borrowed for the call. Zeros are a GET with default limits. */
typedef struct mw_net_request {
    const char *method; /* NULL: GET */
    const char *url;    /* http:// or https://, without user, password and fragment */
    const mw_net_header *headers;
    size_t n_headers;
    const char *bearer; /* key of an Authorization: Bearer header; NULL: none */

    mw_str body;           /* data NULL: no body, unless body_dir is given */
    mw_dir *body_dir;      /* the body is a file in it; it must not change meanwhile */
    const char *body_name; /* of the file */

    /* Where the body of a 2xx answer goes: to sink, if it has `add`; to a file, if into_dir is given; else into answer->body. */
    mw_net_sink sink;
    mw_dir *into_dir;
    const char *
        into_name; /* appears only when whole and on disk; of an older file nothing is lost until then */
    const char *
        sha256; /* of that file, 64 small hex digits; other bytes are MW_EDATA. NULL: not compared */
    int64_t
        max_bytes; /* of that body; 0: NET_ANSWER_BYTES in memory, FILE_BYTES otherwise. MW_ETOOLARGE beyond */

    int64_t silence_ms; /* 0: the client's */
    int64_t max_ms;     /* one try, altogether; 0: no limit */
    bool repeatable;    /* may be sent twice although its method says nothing about it */
    bool once;          /* is never sent twice */
} mw_net_request;

typedef struct mw_net_answer {
    int status;       /* 200 */
    mw_buf body;      /* of an answer that is not 2xx: its first 64 KiB, wherever others go */
    uint64_t n_bytes; /* of the body */
    const mw_net_header *headers;
    size_t n_headers;
    mw_arena arena;
} mw_net_answer;

/*
 * mw_net_send -- one request and its answer, whatever the answer says: a 404 is MW_OK with answer->status 404.
 *
 *   ret  written only on MW_OK; give it to mw_net_answer_done
 *
 * Cost    a round trip; three more without a kept connection to that host. The answer is never held whole unless it goes to memory.
 * Errors  MW_EBUSY cannot be reached, too slow, or cut off, after all tries; MW_EDENIED the other side's certificate is not trusted; MW_ETOOLARGE;
 *         MW_EDATA no HTTP, or not the bytes asked for; MW_EINVAL an address or a header that cannot be sent; MW_ECANCELED; what a sink or
 *         the disk says.
 */
mw_status mw_net_send(const mw_ctx *ctx, mw_net *net, const mw_net_request *request,
                      mw_net_answer *ret, mw_err *err);
void mw_net_answer_done(mw_net_answer *answer); /* zeros are allowed */

/* The value of the first header of that name (small letters), or NULL. */
const char *mw_net_answer_header(const mw_net_answer *answer, const char *name);

#endif
