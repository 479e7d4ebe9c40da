/*
 * api_inside.h -- what api.c, api_call.c, api_args.c and pages.c share.
 *
 * A task is one request on its way through handler thread and job. While a handler or a job has it,
 * only that one touches it, except `exchange`, which belongs to the loop: it becomes NULL there
 * when the client is gone.
 */
#ifndef MW_RUN_SERVE_API_INSIDE_H
#define MW_RUN_SERVE_API_INSIDE_H

#include <pthread.h>

#include "run/serve/api.h"
#include "run/serve/coding.h"
#include "run/serve/form.h"
#include "run/serve/handlers.h"
#include "run/serve/http_metrics.h"
#include "run/serve/kept.h"
#include "run/serve/rate.h"
#include "run/serve/route.h"
#include "run/serve/url.h"

enum { MW_API_LINES_MAX = 384, MW_ORG_MAX = 64, MW_TASK_REQUEST_ID_MAX = 128, MW_JOB_ID_MAX = 32 };

typedef struct mw_stream mw_stream; /* api_events.c */
typedef struct mw_pulse mw_pulse;

struct mw_api {
    const mw_ctx *ctx;
    mw_api_services services;
    mw_api_options options;
    mw_routes routes;
    mw_args *
        *empty_args; /* [routes.n]: for requests without any parameter; NULL: some are required */
    mw_http_metrics_route *metric_routes; /* [routes.n + 1]; the last: pages */
    mw_http_metrics *metrics;
    mw_handlers *handlers;
    mw_admit *admit;
    mw_rate *rate;          /* NULL: no limit */
    _Atomic int64_t n_late; /* requests whose deadline passed while they waited for a thread */
    _Atomic int64_t refused_us, n_unsaid; /* when a 503 was last logged; those since */
    _Atomic(const mw_http *) http;
    mw_tls *tls;      /* borrowed; NULL: plain HTTP */
    mw_buf *loop_out; /* [n_loops]: answers of LOOP operations */
    mw_pulse *pulses; /* [n_loops]: streams of events */
    mw_kept *kept;
    _Atomic int64_t n_waiting, n_uploads, n_streams, kept_bytes;
    pthread_mutex_t lock; /* of closing and refs */
    bool closing;
    int64_t refs; /* one for the owner, one for each watched job */
};

/* A field of a form. */
typedef struct mw_api_field {
    struct mw_api_field *next;
    mw_str name, value;
} mw_api_field;

typedef struct mw_task {
    mw_http_task post;    /* to the loop */
    mw_handler_work work; /* to a handler thread */
    mw_api *api;
    mw_http_loop *loop;
    mw_exchange *exchange; /* NULL: the client is gone; the loop's */
    const mw_route *route;
    char *target; /* own copy */
    char *body;   /* own, NUL-terminated, or NULL */
    size_t body_size;
    const char *body_type; /* of operations with `takes` */
    mw_coding coding;      /* of the body, until it is decompressed */
    char org[MW_ORG_MAX + 1];
    mw_guest guest; /* a copy */
    char request_id[MW_TASK_REQUEST_ID_MAX + 1];
    mw_ctx ctx;
    mw_cancel cancel;    /* of what only reads: at the deadline */
    int64_t deadline_us; /* monotonic; 0: none */
    mw_arena arena;
    /* of an upload */
    mw_upload *upload;     /* NULL: not open yet */
    mw_form *form;         /* the body is one; NULL: it is the file */
    mw_api_field *fields;  /* of the form, so far */
    const char *file_name; /* of the form's file; NULL: none that could be a file's name */
    mw_buf piece;          /* received, not yet written; the loop's unless busy */
    bool receiving;        /* the file is still coming; the loop's */
    bool busy;             /* a handler thread has the task; the loop's */
    bool has_upload_slot;  /* counted in n_uploads */
    bool waited;           /* op->wait was called */
    bool has_slot;         /* counted in n_waiting, until the answer is posted */
    /* the answer */
    int status;
    mw_err error;
    mw_faults faults; /* what is wrong with the parameters; error is the first of it */
    mw_buf out;
    char job_id[MW_JOB_ID_MAX];
    char lines[MW_API_LINES_MAX]; /* of the answer's head, each ending in CR LF */
    mw_coding accepted;           /* the one that the client likes best */
    const char *if_none_match;    /* in the arena, or NULL */
    const char *if_match;         /* likewise */
    bool keeps;                   /* its answer is kept, as one of `version` of the store */
    uint64_t version;
    const mw_kept_answer *kept; /* the answer, found; or NULL */
    char *packed;               /* own: `out` compressed; NULL: it goes as it is */
    size_t packed_size;
    const char *content_type;
} mw_task;

/* What a request says besides its route. */
typedef struct mw_api_input {
    const mw_route *route;
    mw_str path;  /* decoded */
    mw_str query; /* as sent */
    mw_str body;
    const mw_api_field *fields; /* of a form */
    const char *file_name;      /* its file's, for a parameter `name` that is not given; or NULL */
} mw_api_input;

/* api_args.c: into a fresh *ret (mw_args_free it). wait is written for JOB operations. faults
 * (initialized, empty) gets all that is wrong with parameters; err the first of it. */
mw_status mw_api__read_args(mw_mem *mem, mw_arena *arena, const mw_api_input *input, bool *wait,
                            mw_faults *faults, mw_args **ret, mw_err *err);

/* api_call.c */
void mw_api__start_task(mw_api *api, mw_exchange *exchange, const mw_route *route, const char *org);
/* On the loop: the exchange has ended under the task. */
void mw_api__forget(mw_task *task);

mw_task *mw_api__new_task(mw_api *api, mw_exchange *exchange, const mw_route *route,
                          const char *org);
void mw_api__free_task(mw_task *task);
mw_task *mw_api__task_of_work(mw_handler_work *work);
void mw_api__log(const mw_ctx *ctx, const mw_op *op, int status, const mw_err *error);
void mw_api__run_task(mw_handler_work *work, bool dropped);
/* The answer is `text` [size], already made; what is left to do is not for the loop. False when no handler has time. */
bool mw_api__start_packing(mw_api *api, mw_exchange *exchange, const mw_route *route,
                           const char *org, const char *text, size_t size);

/* api_upload.c: on the loop, for operations that take a file; see there. */
mw_body_policy mw_api__begin_upload(mw_api *api, mw_exchange *exchange, const mw_route *route,
                                    const char *org);
void mw_api__on_body(void *self, mw_exchange *exchange, mw_str data);
void mw_api__end_upload(mw_api *api, mw_exchange *exchange);
/* The exchange ended before the file had come. */
void mw_api__drop_upload(mw_task *task);
/* On a handler thread: what of the body is not written yet; then, once all is known to be right, the
 * file is whole and on disk. */
mw_status mw_api__receive_rest(mw_task *task);
mw_status mw_api__finish_upload(mw_task *task);

/* api_events.c: on the loop, for operations with `events`; see there. */
bool mw_api__wants_events(const mw_op *op, const mw_message *message);
void mw_api__start_events(mw_api *api, mw_exchange *exchange, const mw_route *route);
void mw_api__on_tick(void *self, mw_exchange *exchange);
void mw_api__on_drain(void *self, mw_exchange *exchange);
/* The exchange, whose `user` it is, has ended. */
void mw_api__drop_stream(mw_stream *stream);
mw_status mw_api__new_pulses(mw_api *api, mw_err *err);
void *mw_api__free_pulses(mw_api *api); /* once the loops and the handlers have ended */

/* api_answer.c: the coding of an answer of that type and size. */
mw_coding mw_api__coding(const char *type, size_t size, mw_coding accepted);
/* Adds the head lines that go with body (not compressed) in that coding. True: the client has it. */
bool mw_api__write_lines(const mw_op *op, int status, const char *type, mw_str body,
                         mw_coding coding, mw_str if_none_match, char lines[MW_API_LINES_MAX]);
/* Of a 200, what a 304 has of its lines: all but the coding, which is the last. */
void mw_api__cut_coding(char *lines);
/* On a handler thread, before the answer is posted: lines, status, packed. */
void mw_api__finish_answer(mw_task *task);

/* api_kept.c: see there. On the loop; false: nothing was answered. */
bool mw_api__give_kept(mw_api *api, mw_exchange *exchange, const mw_route *route);
void mw_api__answer_kept(mw_exchange *exchange, const mw_kept_answer *kept);
/* On a handler thread: whether there is one; and of an answer that is finished, but for a 304. */
bool mw_api__find_kept(mw_task *task);
void mw_api__keep(mw_task *task, const char *tag);

/* pages.c: answers when there is such a page. */
bool mw_api__answer_page(mw_api *api, mw_exchange *exchange, mw_str path);

/* api.c */
void mw_api__unref(mw_api *api);
int mw_api__status_of(const mw_err *error);
const char *mw_api__retry_fields(int status);
/* An answer with all that was found wrong. */
void mw_api__refuse(mw_api *api, mw_exchange *exchange, int status, const mw_err *err,
                    const mw_faults *faults);

#endif
