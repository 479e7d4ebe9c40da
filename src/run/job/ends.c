/* ends.c -- see ends.h. */
#include "run/job/ends.h"

#include <pthread.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/threads.h"

enum { AT_ONCE = 256, BUSY = 2 * AT_ONCE };

typedef struct waiting_end {
    struct waiting_end *next;
    char org[72], id[32];
    int64_t fence, claimed_us;
    mw_job_state state;
    char text[]; /* "": none */
} waiting_end;

struct mw_ends {
    mw_ctx ctx;
    mw_store *store;
    mw_ends_sink sink;
    pthread_t thread;
    mw_job_end *some;      /* [AT_ONCE], the thread's */
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t wake;
    waiting_end *first, **last;
    int64_t n_waiting; /* those that are being recorded among them */
    bool closing;
};

/* ---- recording ---- */

static void log_end(const mw_ctx *ctx, const mw_job_end *end) {
    mw_ctx of_job = *ctx;
    of_job.job_id = end->id;
    if (end->status != MW_OK)
        mw_log_warn(&of_job, "the lease of the job was lost; nothing is recorded");
    else
        mw_log_debug(&of_job, "ended as %s", mw_job_state_name(end->ended));
}

/* The first ones of a list, as many as are of one organization; returns the next one. */
static waiting_end *record_some(mw_ends *ends, waiting_end *first) {
    size_t n = 0;
    waiting_end *end = first;
    for (; end && n < AT_ONCE && strcmp(end->org, first->org) == 0; end = end->next) {
        const char *text = end->text[0] ? end->text : NULL;
        ends->some[n++] = (mw_job_end){.id = end->id,
                                       .fence = end->fence,
                                       .state = end->state,
                                       .released = end->state == MW_JOB_RETRY,
                                       .result = end->state == MW_JOB_SUCCESS ? text : NULL,
                                       .error = end->state == MW_JOB_SUCCESS ? NULL : text};
    }
    mw_err err;
    mw_ctx ctx = ends->ctx;
    ctx.org = first->org;
    mw_status status = mw_store_job_end_all(&ctx, ends->store, ends->some, n, &err);
    if (status != MW_OK)
        mw_log_warn(&ctx, "the ends of %zu jobs are not recorded: %s", n, err.message);
    for (size_t i = 0; i < n; i++, first = first->next) {
        if (status != MW_OK) continue;
        log_end(&ctx, &ends->some[i]);
        const mw_job_end *one = &ends->some[i];
        if (one->status == MW_OK)
            ends->sink.ended(ends->sink.arg, one->ended,
                             one->ended == MW_JOB_FAILURE && one->state == MW_JOB_RETRY,
                             first->claimed_us);
    }
    return end;
}

static int64_t record(mw_ends *ends, waiting_end *list) {
    int64_t n = 0;
    for (waiting_end *end = list; end;) end = record_some(ends, end);
    while (list) {
        waiting_end *next = list->next;
        mw_free(list);
        list = next;
        n++;
    }
    return n;
}

static void *ends_main(void *arg) {
    mw_ends *ends = arg;
    pthread_mutex_lock(&ends->mutex);
    for (;;) {
        while (!ends->first && !ends->closing) pthread_cond_wait(&ends->wake, &ends->mutex);
        waiting_end *list = ends->first;
        if (!list) break;
        ends->first = NULL;
        ends->last = &ends->first;
        pthread_mutex_unlock(&ends->mutex);
        const int64_t n = record(ends, list);
        pthread_mutex_lock(&ends->mutex);
        ends->n_waiting -= n;
        pthread_mutex_unlock(&ends->mutex);
        ends->sink.recorded(ends->sink.arg);
        pthread_mutex_lock(&ends->mutex);
    }
    pthread_mutex_unlock(&ends->mutex);
    return NULL;
}

/* ---- calls ---- */

mw_status mw_ends_add(mw_ends *ends, const mw_job_record *job, mw_job_state state, const char *text,
                      int64_t claimed_us, mw_err *err) {
    const size_t size = text ? strlen(text) : 0;
    waiting_end *end = mw_alloc(ends->ctx.mem, sizeof *end + size + 1);
    if (!end) return mw_fail_nomem(err, "the end of a job");
    *end = (waiting_end){.fence = job->fence, .claimed_us = claimed_us, .state = state};
    mw_str_copy(end->org, sizeof end->org, mw_str_of(job->org));
    mw_str_copy(end->id, sizeof end->id, mw_str_of(job->id));
    memcpy(end->text, text ? text : "", size + 1);
    pthread_mutex_lock(&ends->mutex);
    *ends->last = end;
    ends->last = &end->next;
    ends->n_waiting++;
    pthread_cond_signal(&ends->wake);
    pthread_mutex_unlock(&ends->mutex);
    return MW_OK;
}

static int64_t n_waiting(mw_ends *ends) {
    pthread_mutex_lock(&ends->mutex);
    const int64_t n = ends->n_waiting;
    pthread_mutex_unlock(&ends->mutex);
    return n;
}

bool mw_ends_busy(mw_ends *ends) { return n_waiting(ends) >= BUSY; }

bool mw_ends_idle(mw_ends *ends) { return n_waiting(ends) == 0; }

static void *free_ends(mw_ends *ends) {
    pthread_mutex_destroy(&ends->mutex);
    pthread_cond_destroy(&ends->wake);
    mw_free(ends->some);
    return mw_free(ends);
}

mw_status mw_ends_open(const mw_ctx *ctx, mw_store *store, const mw_ends_sink *sink, mw_ends **ret,
                       mw_err *err) {
    mw_ends *ends = mw_calloc(ctx->mem, 1, sizeof *ends);
    if (!ends) return mw_fail_nomem(err, "the ends of jobs");
    ends->ctx = *ctx;
    ends->store = store;
    ends->sink = *sink;
    ends->last = &ends->first;
    pthread_mutex_init(&ends->mutex, NULL);
    pthread_cond_init(&ends->wake, NULL);
    ends->some = mw_alloc_array(ctx->mem, AT_ONCE, sizeof *ends->some);
    const int reason = ends->some ? mw_thread_start(&ends->thread, ends_main, ends) : 0;
    if (!ends->some || reason) {
        const bool memory = !ends->some;
        free_ends(ends);
        return memory ? mw_fail_nomem(err, "the ends of jobs")
                      : mw_fail_errno(err, reason, "cannot start a thread");
    }
    *ret = ends;
    return MW_OK;
}

void *mw_ends_close(mw_ends *ends) {
    if (!ends) return NULL;
    pthread_mutex_lock(&ends->mutex);
    ends->closing = true;
    pthread_cond_signal(&ends->wake);
    pthread_mutex_unlock(&ends->mutex);
    pthread_join(ends->thread, NULL);
    return free_ends(ends);
}
