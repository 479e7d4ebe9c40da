/*
 * transport.h -- sockets, requests and answers; knows nothing about operations.
 *
 * What      n loops, a thread each, accept on one port (SO_REUSEPORT). A connection holds one
 * request at a time: pipelined ones wait as bytes and are answered in order. A handler (one table
 *           of functions) sees each request's head, says what to do with its body, and answers at
 *           once or later, whole or in pieces.
 * Lifetime  mw_http_start -> mw_http_drain -> mw_http_free
 * Threads   an exchange belongs to its loop's thread: every mw_exchange_* call is made there. Other
 *           threads reach it with mw_http_post.
 * Limits    all in mw_http_limits; defaults from limits.h. Slow senders and readers, silent
 *           connections and too large heads or bodies are answered 4xx or closed.
 * Cost      time-outs are queues ordered by deadline, swept by one timer a loop: O(1) per event.
 */
#ifndef MW_RUN_SERVE_TRANSPORT_H
#define MW_RUN_SERVE_TRANSPORT_H

#include "core/base/arena.h"
#include "core/base/ctx.h"
#include "run/serve/http_message.h"
#include "run/serve/tls.h"

typedef struct mw_http mw_http;           /* a server */
typedef struct mw_http_loop mw_http_loop; /* one of its loops */

typedef struct mw_http_limits {
    mw_message_limits head;
    int64_t connections;
    int64_t response_bytes;   /* one whole answer */
    int pipelined;            /* answered in a row before other connections get their turn */
    int header_timeout_ms;    /* from a head's first byte to its last */
    int idle_timeout_ms;      /* without a request */
    int body_min_bytes_per_s; /* slowest sender, and slowest reader */
    int grace_ms;             /* how often that rate is checked */
    int linger_ms;            /* after a closing answer, for the peer to read it */
    int tick_ms;              /* between calls of on_tick */
    int handshake_timeout_ms; /* of TLS, from the connection's first moment */
} mw_http_limits;

void mw_http_limits_default(mw_http_limits *ret);

/* One request and its answer. Fields are for reading; the handler owns `user`, `who`, `kept_bytes` and `route`. */
typedef struct mw_exchange {
    const mw_message *message; /* method, target, fields */
    mw_http_loop *loop;
    mw_arena *arena;        /* cleared when the answer is complete */
    mw_str body;            /* MW_BODY_KEEP: complete at on_end */
    const char *request_id; /* the client's, when sane, or made here */
    int64_t begun_us;       /* monotonic: the head was complete */
    void *user;
    const void *who;    /* NULL at the head; may lie in the arena */
    int64_t kept_bytes; /* the handler's, 0 at the head: memory that it counts for this request */
    int route;          /* for metrics; -1: none */
    const char *
        more_fields; /* the handler's: lines of the head of any answer, each ending in CR LF; or NULL */
} mw_exchange;

typedef enum mw_body_use {
    MW_BODY_REFUSE, /* a request with a body is answered 400 */
    MW_BODY_KEEP,   /* collected, up to max_bytes, before on_end */
    MW_BODY_STREAM  /* handed to on_body as it comes, up to max_bytes (0: any size) */
} mw_body_use;

typedef struct mw_body_policy {
    mw_body_use use;
    int64_t max_bytes;
} mw_body_policy;

/* Called on the loop's thread; none may block. Any but on_head may be NULL. */
typedef struct mw_http_handler {
    void *self;
    /* The head is complete. May answer already; then the policy does not matter. */
    mw_body_policy (*on_head)(void *self, mw_exchange *exchange);
    /* A piece of the body. The sink may call mw_exchange_pause. */
    void (*on_body)(void *self, mw_exchange *exchange, mw_str data);
    /* The request is complete: answer now or later, until on_done. */
    void (*on_end)(void *self, mw_exchange *exchange);
    /* A streamed answer has room again. */
    void (*on_drain)(void *self, mw_exchange *exchange);
    /* Asked for with mw_exchange_tick. */
    void (*on_tick)(void *self, mw_exchange *exchange);
    /* The peer has sent its last byte while the answer is being made: it may have left (see
     * mw_exchange_abort) or only closed its half. */
    void (*on_peer_end)(void *self, mw_exchange *exchange);
    /* Called once for each on_head: the answer is complete, was given by the transport (a bad
     * body), or is lost (status 499). The exchange and `user` end here. Also called for requests
     * that could not be read: method is then NULL and on_head was not called. */
    void (*on_done)(void *self, mw_exchange *exchange, int status, int64_t answer_bytes,
                    const char *method);
    /* Body of an answer that the transport gives by itself (4xx, 5xx); appends to out. */
    void (*write_problem)(void *self, int status, const mw_err *error, const char *request_id,
                          mw_buf *out);
} mw_http_handler;

typedef struct mw_http_options {
    const char *host; /* numeric address */
    int port;         /* 0: any free one */
    int n_loops;      /* >= 1 */
    mw_http_limits limits;
    mw_tls *tls;             /* borrowed; NULL: plain HTTP */
    mw_http_handler handler; /* called by all loops */
} mw_http_options;

/* MW_ECONFLICT when another server (even one using SO_REUSEPORT) has the port. */
mw_status mw_http_start(const mw_ctx *ctx, const mw_http_options *options, mw_http **ret,
                        mw_err *err);
int mw_http_port(const mw_http *http);
/* Stops accepting, closes idle connections, answers open requests; what is left after drain_us is
 * cut. Returns when every loop's thread has ended. */
void mw_http_drain(mw_http *http, int64_t drain_us);
void *mw_http_free(mw_http *http); /* after mw_http_drain; NULL is allowed */

/* Summed over loops; exact once the server is quiet. */
typedef struct mw_http_stats {
    int64_t open_connections, accepted_total, rejected_total, timed_out_total;
    int64_t received_bytes_total, sent_bytes_total;
} mw_http_stats;
void mw_http_read_stats(const mw_http *http, mw_http_stats *ret);

/* ---- answers ---- */

typedef enum mw_answer_memory {
    MW_ANSWER_COPY,  /* the body is copied */
    MW_ANSWER_SHARE, /* it lives as long as the server */
    MW_ANSWER_GIVE   /* it was mw_alloc'ed and is freed here, even on failure */
} mw_answer_memory;

typedef struct mw_answer {
    int status;
    const char *content_type; /* NULL: none */
    const char *fields;       /* more header lines, each ending in CR LF; or NULL */
    const void *body;         /* [size] */
    size_t size;
    mw_answer_memory memory;
    bool close; /* end the connection afterwards */
} mw_answer;

/* The whole answer, once. Before the body has been read, the connection ends with it. */
void mw_exchange_answer(mw_exchange *exchange, const mw_answer *answer);

/* A problem+json answer through handler.write_problem. fields as in mw_answer. */
void mw_exchange_refuse(mw_exchange *exchange, int status, const mw_err *error, const char *fields);

/* An answer in pieces: chunked on HTTP/1.1, up to the connection's end on HTTP/1.0. */
void mw_exchange_begin(mw_exchange *exchange, int status, const char *content_type,
                       const char *fields);
/* False: nothing more is wanted until on_drain (this piece was taken), or the peer is gone. */
bool mw_exchange_write(mw_exchange *exchange, const void *data, size_t size);
void mw_exchange_finish(mw_exchange *exchange);

/* From now on until on_done, on_tick is called every tick_ms, also while the server drains. */
void mw_exchange_tick(mw_exchange *exchange);

/* Closes the connection without an answer. */
void mw_exchange_abort(mw_exchange *exchange);

/* Stops and starts the flow of a streamed body. */
void mw_exchange_pause(mw_exchange *exchange);
void mw_exchange_resume(mw_exchange *exchange);

/* Moves the kept body to the caller (mw_free it), NUL-terminated; NULL when out of memory. */
char *mw_exchange_take_body(mw_exchange *exchange, size_t *size);

/* The peer's address as text, without its port; "?" when it is gone. */
void mw_exchange_peer(const mw_exchange *exchange, char *out, size_t size);

/* True while the server is being drained. */
bool mw_http_loop_draining(const mw_http_loop *loop);
int mw_http_loop_index(const mw_http_loop *loop);

/* ---- from other threads ---- */

typedef struct mw_http_task {
    struct mw_http_task *next;
    void (*run)(struct mw_http_task *task); /* on the loop's thread; may free the task */
} mw_http_task;

/* Runs the task on the loop, in the order posted. False (and the task is not taken) once the loop
 * has ended. Any thread. */
bool mw_http_post(mw_http_loop *loop, mw_http_task *task);

/* "OK", "Not Found", ...; "" for numbers unknown here. */
const char *mw_http_reason(int status);

#endif
