/*
 * conn.h -- inside of transport: one connection, one loop. Included only by conn.c, answer.c,
 * loop.c.
 *
 * States of a connection, and who moves it on:
 *   READ     head or body bytes are wanted              bytes
 *   WAIT     a complete request waits for its answer    the handler; bytes are kept, up to a bound
 *   FLUSH    the answer is complete but not yet sent    the socket; nothing is read
 *   LINGER   the last answer is sent, our side closed   the peer's end or a time-out; bytes are
 * dropped GONE     closed; memory waits for libuv
 */
#ifndef MW_RUN_SERVE_CONN_H
#define MW_RUN_SERVE_CONN_H

#include <pthread.h>
#include <uv.h>

#include "run/serve/transport.h"

typedef enum mw_conn_state {
    MW_CONN_READ,
    MW_CONN_WAIT,
    MW_CONN_FLUSH,
    MW_CONN_LINGER,
    MW_CONN_GONE
} mw_conn_state;

/* Queues of connections with the same time-out, oldest deadline first. */
typedef enum mw_deadline {
    MW_DEADLINE_NONE,
    MW_DEADLINE_HANDSHAKE,
    MW_DEADLINE_IDLE,
    MW_DEADLINE_HEAD,
    MW_DEADLINE_BODY,
    MW_DEADLINE_WRITE,
    MW_DEADLINE_LINGER,
    MW_DEADLINES
} mw_deadline;

enum {
    MW_RECORD_BYTES = 16384,
    MW_READ_BYTES = 65536,     /* one read; the loop's buffer */
    MW_WAITING_BYTES = 65536,  /* unread pipelined bytes kept for one connection */
    MW_COPY_BYTES = 16384,     /* larger bodies are sent from where they are */
    MW_STREAM_ROOM = 65536,    /* a streamed answer is asked to wait beyond this */
    MW_STREAM_MAX = 4194304,   /* ... and is cut beyond this */
    MW_LINGER_BYTES = 4194304, /* dropped while lingering */
    MW_REQUEST_ID_MAX = 128
};

typedef struct mw_conn {
    uv_tcp_t tcp; /* first: handle and connection have one address */
    mw_exchange exchange;
    mw_http_loop *loop;
    mw_tls_conn *tls; /* NULL: plain */
    bool tls_begun;   /* its first byte has come */
    mw_message message;
    mw_arena arena;
    mw_conn_state state;
    bool has_request;  /* on_head has been called, on_done not yet */
    bool answered;     /* an answer has begun */
    bool answer_whole; /* ... and is complete */
    bool streaming;    /* it comes in pieces */
    bool chunked;      /* ... as chunks */
    bool no_body;      /* HEAD: nothing after the head is sent */
    bool close_after;  /* the connection ends with this answer */
    bool body_done;    /* END has been seen */
    bool paused;       /* the sink wants no more for now */
    bool busy;         /* inside mw_conn_advance: flush and go on there, not in callbacks */
    bool wants_drain;  /* a writer was told to wait */
    bool reading;      /* uv_read_start is on */
    bool writing;      /* a uv_write is under way */
    bool peer_ended;   /* it will send no more */
    bool rejected;     /* over the connection limit */
    mw_body_policy policy;
    int status;
    int64_t answer_bytes;
    mw_buf body;    /* MW_BODY_KEEP */
    mw_buf waiting; /* bytes of later requests */
    mw_buf out;     /* to be sent */
    mw_buf
        flying; /* being sent by uv_write; under TLS encrypted, while out and large are not yet */
    struct {
        const char *data; /* NULL: none; sent after out */
        size_t size, at;
        mw_answer_memory memory;
    } large;
    uv_write_t write_request;
    int64_t sent;        /* bytes the socket took in finished writes */
    int64_t sent_mark;   /* when the reader's rate was last checked */
    size_t flying_bytes; /* of the uv_write under way */
    int turns;           /* requests answered since the loop gave this connection its turn */
    int64_t body_mark;   /* body_bytes when the rate was last checked */
    size_t linger_bytes;
    char request_id[MW_REQUEST_ID_MAX + 1];
    mw_deadline deadline;
    int64_t deadline_us;
    struct mw_conn *earlier, *later; /* in its deadline's queue */
    struct mw_conn *previous, *next; /* in the loop's list */
    struct mw_conn *next_ready;      /* waiting for its turn */
    bool is_ready;
    bool ticking;
    struct mw_conn *tick_previous, *tick_next; /* in the loop's list of those */
} mw_conn;

typedef struct mw_conn_queue {
    mw_conn *first, *last;
} mw_conn_queue;

struct mw_http_loop {
    uv_loop_t uv;
    uv_poll_t listener;
    uv_timer_t accept_timer; /* starts the listener again after a lack of descriptors */
    uv_timer_t sweep_timer;
    uv_timer_t tick_timer; /* active while `ticking` is not empty */
    uv_async_t wake;
    uv_idle_t turn; /* active while `ready` is not empty */
    mw_http *http;
    int index;
    int listen_fd;
    pthread_t thread;
    bool thread_started, draining, listening, ended;
    mw_conn *conns;
    int64_t n_conns;
    mw_conn *ready, *ready_last;
    mw_conn *ticking;
    mw_conn_queue deadlines[MW_DEADLINES];
    pthread_mutex_t lock; /* of tasks, closed_for_tasks, drain_until_us */
    mw_http_task *tasks, *tasks_last;
    bool closed_for_tasks;
    int64_t drain_until_us; /* 0: not draining */
    char date[64];          /* "Date: ...\r\n" */
    int64_t date_second;
    uint64_t id_state;
    _Atomic int64_t accepted, rejected, timed_out, received_bytes, sent_bytes;
    char read_buffer[MW_READ_BYTES];
    char content[MW_RECORD_BYTES]; /* of one TLS record */
};

struct mw_http {
    const mw_ctx *ctx;
    mw_http_options options;
    char host[64];
    int port;
    _Atomic int64_t n_conns;
    mw_http_loop **loops; /* [n_loops] */
    int n_loops;
};

/* conn.c */
void mw_conn__open(mw_http_loop *loop, int fd, bool over_limit);
void mw_conn__close(mw_conn *conn); /* at once; an open request is reported as 499 */
/* Goes on with waiting bytes, flushes, re-arms: to be called after anything changed. */
void mw_conn__advance(mw_conn *conn);
void mw_conn__expire(mw_conn *conn);
void mw_conn__drain(mw_conn *conn);
void mw_conn__free(mw_conn *conn);

/* answer.c */
/* Sends what can be sent. False when the connection had to be closed. */
bool mw_conn__flush(mw_conn *conn);
void mw_conn__refuse(mw_conn *conn, int status, const mw_err *error, const char *fields);
void mw_conn__continue(mw_conn *conn);
/* Under TLS: tells the peer that we send no more, as far as it goes without waiting. */
void mw_conn__end_tls(mw_conn *conn);
size_t mw_conn__unsent(const mw_conn *conn);
void mw_conn__drop_answer(mw_conn *conn);

/* loop.c */
void mw_loop__set_deadline(mw_conn *conn, mw_deadline deadline);
void mw_loop__turn_later(mw_conn *conn);
void mw_loop__tick(mw_conn *conn);
void mw_loop__stop_ticking(mw_conn *conn);
const char *mw_loop__date(mw_http_loop *loop);
void mw_loop__forget(mw_conn *conn);
int64_t mw_loop__now(const mw_http_loop *loop);

static inline void mw_loop__count(_Atomic int64_t *counter, int64_t n) {
    /* One writer: no locked instruction is needed. */
    int64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

#endif
