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
#include "run/serve/handlers.h"
#include "run/serve/http_metrics.h"
#include "run/serve/route.h"
#include "run/serve/url.h"

enum { MW_ORG_MAX = 64, MW_TASK_REQUEST_ID_MAX = 128, MW_JOB_ID_MAX = 32 };

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
    _Atomic(const mw_http *) http;
    mw_buf *loop_out; /* [n_loops]: answers of LOOP operations */
    _Atomic int64_t n_waiting, n_uploads, kept_bytes;
    pthread_mutex_t lock; /* of closing and refs */
    bool closing;
    int64_t refs; /* one for the owner, one for each watched job */
};

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
    char org[MW_ORG_MAX + 1];
    char request_id[MW_TASK_REQUEST_ID_MAX + 1];
    mw_ctx ctx;
    mw_arena arena;
    /* of an upload */
    mw_upload *upload;    /* NULL: not open yet */
    mw_buf piece;         /* received, not yet written; the loop's unless busy */
    bool receiving;       /* the file is still coming; the loop's */
    bool busy;            /* a handler thread has the task; the loop's */
    bool has_upload_slot; /* counted in n_uploads */
    bool has_slot;        /* counted in n_waiting, until the answer is posted */
    /* the answer */
    int status;
    mw_err error;
    mw_buf out;
    char job_id[MW_JOB_ID_MAX];
    char fields[96];
    const char *content_type;
} mw_task;

/* What a request says besides its route. */
typedef struct mw_api_input {
    const mw_route *route;
    mw_str path;  /* decoded */
    mw_str query; /* as sent */
    mw_str body;
} mw_api_input;

/* api_args.c: into a fresh *ret (mw_args_free it). wait is written for JOB operations. */
mw_status mw_api__read_args(mw_mem *mem, mw_arena *arena, const mw_api_input *input, bool *wait,
                            mw_args **ret, mw_err *err);

/* api_call.c */
void mw_api__start_task(mw_api *api, mw_exchange *exchange, const mw_route *route, const char *org);
/* On the loop: the exchange has ended under the task. */
void mw_api__forget(mw_task *task);

mw_task *mw_api__new_task(mw_api *api, mw_exchange *exchange, const mw_route *route,
                          const char *org);
void mw_api__free_task(mw_task *task);
mw_task *mw_api__task_of_work(mw_handler_work *work);
void mw_api__log_task(const mw_task *task);
void mw_api__run_task(mw_handler_work *work, bool dropped);

/* api_upload.c: on the loop, for operations that take a file; see there. */
mw_body_policy mw_api__begin_upload(mw_api *api, mw_exchange *exchange, const mw_route *route,
                                    const char *org);
void mw_api__on_body(void *self, mw_exchange *exchange, mw_str data);
void mw_api__end_upload(mw_api *api, mw_exchange *exchange);
/* The exchange ended before the file had come. */
void mw_api__drop_upload(mw_task *task);
/* On a handler thread: the rest of the file, and on disk. */
mw_status mw_api__finish_upload(mw_task *task);

/* pages.c: answers when there is such a page. */
bool mw_api__answer_page(mw_api *api, mw_exchange *exchange, mw_str path);

/* api.c */
void mw_api__unref(mw_api *api);
int mw_api__status_of(const mw_err *error);
const char *mw_api__retry_fields(int status);

#endif
