/*
 * host.c -- see host.h: the slots of a host, each going from offer to job to offer.
 *
 * The slot stands between the server and a process of this program. What the process says goes on to the server, but for its answer: that waits until the
 * process has shown that it ended well, and until what it made has been delivered. A process that dies is told of in a frame (DIED), so the slot itself
 * goes on.
 */
#include "run/job/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/job/host_parts.h"

extern char **environ;

enum {
    POLL_MS = 250,
    READ_BYTES = 65536,
    WRITE_LIMIT_MS = 30000,
    END_LIMIT_US = 5000000, /* of a process, after its answer */
    REST_US = 1000000,      /* before the server is asked again, doubled each time */
    REST_US_MAX = 30000000
};

static const mw_process no_process = {.process_fd = -1, .to_fd = -1, .from_fd = -1, .status = -1};

static int64_t now_of(const mw_host_slot *slot) { return mw_clock_monotonic(slot->ctx.clock); }

static bool is_stopping(const mw_host *host) { return atomic_load(&host->stop.requested); }

/* ---- the process ---- */

static void end_process(mw_host_slot *slot) {
    mw_process_done(&slot->process);
    slot->process = no_process;
    slot->process_org[0] = '\0';
    slot->hello = false;
    mw_frame_reader_done(&slot->from_process);
    mw_frame_reader_init(&slot->from_process, slot->ctx.mem);
}

/* What one organization's jobs may have left in memory never meets another's. */
static mw_status ready_process(mw_host_slot *slot, mw_err *err) {
    if (mw_process_lives(&slot->process) && strcmp(slot->process_org, slot->org) == 0 &&
        !mw_process_reap(&slot->process))
        return MW_OK;
    end_process(slot);
    mw_str_copy(slot->process_org, sizeof slot->process_org, mw_str_of(slot->org));
    return mw_process_start(slot->host->executable, slot->host->environment, &slot->process, err);
}

/* False: it takes nothing more. */
static bool write_process(mw_host_slot *slot, const mw_buf *frames) {
    for (size_t at = 0; at < frames->size;) {
        ssize_t n = mw_process_write(&slot->process, frames->data + at, frames->size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd item = {.fd = slot->process.to_fd, .events = POLLOUT};
            if (poll(&item, 1, WRITE_LIMIT_MS) > 0) continue;
        }
        if (n < 0) return false;
        at += (size_t)n;
    }
    return true;
}

/* ---- one job ---- */

typedef struct mw_host_job {
    mw_host_slot *slot;
    mw_buf out;    /* frames for the server */
    mw_buf answer; /* RESULT or ERROR, as a frame */
    bool is_result, answered, ended_well;
    bool told_cancel;
    int64_t answered_us;
    char how[256]; /* the process died, or there was none; "": no */
    mw_err error;  /* why the job cannot be done; MW_OK: it can */
} mw_host_job;

static void take_frame(mw_host_job *job, const mw_frame *frame) {
    mw_host_slot *slot = job->slot;
    switch (frame->type) {
    case MW_FRAME_HELLO: slot->hello = true; break;
    case MW_FRAME_PROGRESS:
        slot->noted_us = now_of(slot);
        (void)mw_message_read_progress(frame->payload, slot->ctx.mem, &slot->note, NULL);
        mw_frame_write(&job->out, frame->type, frame->payload);
        break;
    case MW_FRAME_LOG: mw_frame_write(&job->out, frame->type, frame->payload); break;
    case MW_FRAME_RESULT:
    case MW_FRAME_ERROR:
        mw_buf_clear(&job->answer);
        mw_frame_write(&job->answer, frame->type, frame->payload);
        job->is_result = frame->type == MW_FRAME_RESULT;
        job->answered = true;
        job->answered_us = now_of(slot);
        break;
    case MW_FRAME_IDLE: job->ended_well = job->answered; break;
    default: break; /* BYE: its end tells */
    }
}

/* What the process has said. False: nothing it says can be understood any more. */
static bool read_process(mw_host_job *job) {
    mw_host_slot *slot = job->slot;
    char bytes[READ_BYTES];
    for (;;) {
        ssize_t n = mw_process_read(&slot->process, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        mw_frame frame;
        bool got = true;
        if (mw_frame_feed(&slot->from_process, bytes, (size_t)n, NULL) != MW_OK) return false;
        while (got) {
            if (mw_frame_next(&slot->from_process, &frame, &got, NULL) != MW_OK) return false;
            if (got) take_frame(job, &frame);
        }
    }
}

/* The process has ended: well, if it had answered, or as if it had never been. */
static void judge_end(mw_host_job *job) {
    mw_host_slot *slot = job->slot;
    const int status = slot->process.status;
    job->ended_well = job->answered && (status == 0 || !job->is_result);
    if (!job->ended_well) mw_process_describe(&slot->process, job->how, sizeof job->how);
}

static void wait_for_news(mw_host_slot *slot) {
    struct pollfd items[] = {{.fd = slot->event_fd, .events = POLLIN},
                             {.fd = slot->process.from_fd, .events = POLLIN},
                             {.fd = slot->process.process_fd, .events = POLLIN}};
    (void)poll(items, 3, POLL_MS);
    uint64_t count;
    if (items[0].revents && read(slot->event_fd, &count, sizeof count) < 0) count = 0;
}

static void tell_cancel(mw_host_job *job) {
    mw_buf frames;
    if (!job->slot->canceled || job->told_cancel) return;
    job->told_cancel = true;
    mw_buf_init(&frames, job->slot->ctx.mem, 64);
    mw_frame_write(&frames, MW_FRAME_CANCEL, (mw_str){"", 0});
    (void)write_process(job->slot, &frames); /* one that has gone is noticed elsewhere */
    mw_buf_done(&frames);
}

/* Until the process has answered and ended, or offered to go on, or died. */
static mw_host_outcome attend(mw_host_job *job, mw_err *err) {
    mw_host_slot *slot = job->slot;
    mw_host_outcome outcome = MW_HOST_DONE;
    while (outcome == MW_HOST_DONE && !job->ended_well && !job->how[0]) {
        mw_frame frame;
        bool got = false;
        wait_for_news(slot);
        if (mw_host__look(slot, &frame, &got, err) != MW_OK || mw_host__stops(slot))
            return MW_HOST_GONE;
        tell_cancel(job);
        const bool ended = mw_process_reap(&slot->process);
        if (!read_process(job)) {
            (void)snprintf(job->how, sizeof job->how, "broke the protocol");
        } else if (ended && !job->ended_well) {
            judge_end(job);
        } else if (job->answered && !job->ended_well &&
                   now_of(slot) - job->answered_us > END_LIMIT_US) {
            (void)snprintf(job->how, sizeof job->how, "did not end after its answer,");
        }
        if (job->out.size) outcome = mw_host__send(slot, &job->out, err);
    }
    if (job->how[0] || !mw_process_lives(&slot->process)) end_process(slot);
    return outcome;
}

static void refuse(mw_host_job *job, const mw_err *err, bool own) {
    if (own)
        (void)snprintf(job->how, sizeof job->how, "had trouble with its host (%.200s)",
                       err->message);
    else
        job->error = *err;
}

/* Files, process, work, files. */
static mw_host_outcome run_job(mw_host_job *job, const mw_buf *work, mw_err *err) {
    mw_host_slot *slot = job->slot;
    bool own = false;
    mw_host_outcome outcome = mw_host__fetch(slot, &own, err);
    if (outcome == MW_HOST_REFUSED) refuse(job, err, own);
    if (outcome != MW_HOST_DONE || slot->canceled) return outcome;
    mw_log_info(&slot->ctx, "%s does job %s of %s", slot->name, slot->job_id, slot->org);
    if (ready_process(slot, err) != MW_OK) {
        refuse(job, err, true);
        return MW_HOST_REFUSED;
    }
    if (!write_process(slot, work)) (void)mw_process_reap(&slot->process); /* attend tells how */
    outcome = attend(job, err);
    if (outcome == MW_HOST_DONE && !job->how[0] && job->is_result) {
        outcome = mw_host__deliver(slot, &own, err);
        if (outcome == MW_HOST_REFUSED) refuse(job, err, own);
    }
    return outcome;
}

/* *own: something is wrong with this host, or its processes. */
static mw_host_outcome answer(mw_host_job *job, bool *own, mw_err *err) {
    mw_host_slot *slot = job->slot;
    mw_buf frames;
    mw_buf_init(&frames, slot->ctx.mem, ((size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD) * 2);
    *own = job->how[0] != '\0';
    if (slot->canceled && !job->answered && job->error.code == MW_OK)
        mw_fail(&job->error, MW_ECANCELED, "canceled on request");
    if (job->how[0]) {
        mw_log_warn(&slot->ctx, "%s: the process of job %s %s", slot->name, slot->job_id, job->how);
        mw_message_died(&frames, job->how);
    } else if (job->error.code != MW_OK) {
        mw_message_error(&frames, &job->error);
        mw_frame_write(&frames, MW_FRAME_IDLE, (mw_str){"", 0});
    } else {
        mw_buf_append(&frames, mw_buf_text(&job->answer), job->answer.size);
        mw_frame_write(&frames, MW_FRAME_IDLE, (mw_str){"", 0});
    }
    mw_host_outcome outcome = MW_HOST_GONE; /* no memory: the server notices */
    if (mw_buf_status(&frames, "an answer", err) == MW_OK)
        outcome = mw_host__send(slot, &frames, err);
    mw_buf_done(&frames);
    return outcome;
}

static mw_host_outcome do_job(mw_host_slot *slot, const mw_frame *frame, bool *own, mw_err *err) {
    mw_host_job job = {.slot = slot};
    mw_buf work;
    const size_t most = (size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD;
    mw_buf_init(&work, slot->ctx.mem, most);
    mw_buf_init(&job.out, slot->ctx.mem, 2 * most);
    mw_buf_init(&job.answer, slot->ctx.mem, most);
    mw_frame_write(&work, MW_FRAME_WORK, frame->payload);
    slot->canceled = false;
    slot->noted_us = 0;
    slot->job_id[0] = slot->org[0] = '\0';
    mw_host_outcome outcome = MW_HOST_GONE;
    if (mw_buf_status(&work, "a job", err) == MW_OK) outcome = run_job(&job, &work, err);
    if (outcome != MW_HOST_GONE) outcome = answer(&job, own, err);
    if (outcome != MW_HOST_DONE) end_process(slot); /* it may still be at it */
    mw_buf_done(&job.answer);
    mw_buf_done(&job.out);
    mw_buf_done(&work);
    (void)mw_dir_remove(&slot->ctx, slot->dir, "in", NULL); /* made anew with the next job */
    (void)mw_dir_remove(&slot->ctx, slot->dir, "work", NULL);
    mw_host__tidy_cache(slot->host);
    return outcome;
}

/* ---- a slot ---- */

/* Jobs, one after the other, while the server knows the slot. *own: this host is in trouble. */
static void serve(mw_host_slot *slot, bool *own) {
    mw_err err = {0};
    *own = false;
    while (!mw_host__stops(slot) && !*own) {
        struct pollfd item = {.fd = slot->event_fd, .events = POLLIN};
        uint64_t count;
        mw_frame frame;
        bool got = false;
        if (poll(&item, 1, POLL_MS) > 0 && read(slot->event_fd, &count, sizeof count) < 0)
            count = 0;
        if (mw_host__look(slot, &frame, &got, &err) != MW_OK) return;
        if (!got || frame.type != MW_FRAME_WORK) continue;
        if (do_job(slot, &frame, own, &err) != MW_HOST_DONE) return;
    }
}

/* Once for each reason, not each time. */
static void complain(mw_host_slot *slot, const mw_err *err, char last[MW_ERR_MESSAGE_MAX]) {
    if (strcmp(last, err->message) == 0) return;
    mw_str_copy(last, MW_ERR_MESSAGE_MAX, mw_str_of(err->message));
    mw_log_warn(&slot->ctx, "%s gets no jobs: %s%s%s", slot->name, err->message,
                err->hint[0] ? "; " : "", err->hint);
}

static void *slot_main(void *arg) {
    mw_host_slot *slot = arg;
    char last[MW_ERR_MESSAGE_MAX] = "";
    int64_t rest_us = REST_US;
    while (!is_stopping(slot->host)) {
        mw_err err = {0};
        bool own = false;
        if (mw_host__offer(slot, &err) == MW_HOST_DONE) {
            mw_log_info(&slot->ctx, "%s is ready for jobs of %s", slot->name,
                        slot->host->options.server);
            last[0] = '\0';
            serve(slot, &own);
            end_process(slot);
            mw_host__leave(slot);
            rest_us = own ? rest_us : REST_US;
            if (!own && !is_stopping(slot->host))
                mw_log_warn(&slot->ctx, "%s has lost the server", slot->name);
        } else {
            complain(slot, &err, last);
        }
        mw_host__rest(slot, rest_us);
        rest_us = rest_us * 2 < REST_US_MAX ? rest_us * 2 : REST_US_MAX;
    }
    return NULL;
}

/* ---- the host ---- */

static mw_status start_slot(mw_host *host, int i, mw_err *err) {
    mw_host_slot *slot = &host->slots[i];
    char number[16];
    slot->host = host;
    slot->number = i + 1;
    slot->ctx = host->ctx;
    slot->ctx.cancel = &host->stop;
    slot->process = no_process;
    slot->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&slot->mutex, NULL);
    mw_frame_reader_init(&slot->reader, host->ctx.mem);
    mw_frame_reader_init(&slot->from_process, host->ctx.mem);
    mw_buf_init(&slot->inbox, host->ctx.mem, 2 * (size_t)MW_LIMIT(FRAME_BYTES));
    host->n_slots++;
    (void)snprintf(number, sizeof number, "%d", slot->number);
    (void)snprintf(slot->name, sizeof slot->name, "%s/%s", host->name, number);
    if (slot->event_fd < 0) return mw_fail_errno(err, errno, "cannot make an event descriptor");
    const int n = snprintf(slot->folder, sizeof slot->folder, "%s/slots/%s", host->folder, number);
    if (n < 0 || (size_t)n >= sizeof slot->folder)
        return mw_fail(err, MW_EINVAL, "the path of the data folder is longer than %zu bytes",
                       sizeof slot->folder - 32);
    mw_status status =
        mw_dir_sub(&host->ctx, host->slots_dir, number, MW_DIR_CREATE, &slot->dir, err);
    if (status != MW_OK) return status;
    const int reason = mw_thread_start(&slot->thread, slot_main, slot);
    if (reason) return mw_fail_errno(err, reason, "cannot start a thread");
    slot->started = true;
    return MW_OK;
}

static mw_status lock_folder(mw_host *host, mw_err *err) {
    const mw_io *io = host->ctx.io;
    host->lock_fd =
        io->open(io->self, mw_dir_fd(host->data), "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (host->lock_fd < 0)
        return mw_fail_errno(err, errno, "cannot write in the folder %s", host->folder);
    if (flock(host->lock_fd, LOCK_EX | LOCK_NB) == 0) return MW_OK;
    mw_fail(err, MW_EBUSY, "another worker uses the folder %s", host->folder);
    return mw_err_hint(err, "give each one a --data FOLDER of its own, or more --workers");
}

static mw_status open_folders(mw_host *host, mw_err *err) {
    const mw_ctx *ctx = &host->ctx;
    mw_status status = mw_dir_open(ctx, host->options.data_path, MW_DIR_CREATE, &host->data, err);
    if (status != MW_OK) return status;
    char absolute[PATH_MAX];
    if (!realpath(host->options.data_path, absolute))
        return mw_fail_errno(err, errno, "cannot find the folder %s", host->options.data_path);
    host->folder = mw_strdup(ctx->mem, absolute);
    if (!host->folder) return mw_fail_nomem(err, "the path of the data folder");
    status = lock_folder(host, err);
    /* What a killed host's jobs left is no one's. */
    if (status == MW_OK) status = mw_dir_remove(ctx, host->data, "slots", err);
    if (status == MW_OK)
        status = mw_dir_sub(ctx, host->data, "slots", MW_DIR_CREATE, &host->slots_dir, err);
    if (status == MW_OK)
        status = mw_dir_sub(ctx, host->data, "cache", MW_DIR_CREATE, &host->cache, err);
    return status;
}

static mw_status start_all(mw_host *host, mw_err *err) {
    const mw_host_options *options = &host->options;
    const mw_net_options net = {.ca_file = options->ca_file, .tries = 1};
    const char *executable = options->executable ? options->executable : "/proc/self/exe";
    host->executable = mw_strdup(host->ctx.mem, executable);
    host->environment = mw_process_environment(host->ctx.mem, environ);
    host->slots = mw_calloc(host->ctx.mem, (size_t)options->n_workers, sizeof *host->slots);
    if (!host->executable || !host->environment || !host->slots)
        return mw_fail_nomem(err, "a worker");
    (void)gethostname(host->name, sizeof host->name - 1);
    mw_status status = mw_net_new(host->ctx.mem, &net, &host->net, err);
    if (status == MW_OK) status = open_folders(host, err);
    if (status == MW_OK) mw_host__tidy_cache(host);
    for (int i = 0; i < options->n_workers && status == MW_OK; i++)
        status = start_slot(host, i, err);
    return status;
}

static mw_status check_options(const mw_host_options *options, mw_err *err) {
    if (strncmp(options->server, "http://", 7) != 0 &&
        strncmp(options->server, "https://", 8) != 0) {
        mw_fail(err, MW_EINVAL, "\"%.200s\" is not the address of a server", options->server);
        return mw_err_hint(err, "http://HOST:8000, or https://HOST:8000");
    }
    if (options->n_workers < 1 || options->n_workers > MW_LIMIT(WORKERS))
        return mw_fail(err, MW_EINVAL, "the number of workers must be from 1 to %lld",
                       (long long)MW_LIMIT(WORKERS));
    return MW_OK;
}

mw_status mw_host_start(const mw_ctx *ctx, const mw_host_options *options, mw_host **ret,
                        mw_err *err) {
    mw_status status = check_options(options, err);
    if (status != MW_OK) return status;
    mw_host *host = mw_calloc(ctx->mem, 1, sizeof *host);
    if (!host) return mw_fail_nomem(err, "a worker");
    host->ctx = *ctx;
    host->ctx.cancel = NULL;
    host->options = *options;
    host->lock_fd = -1;
    pthread_mutex_init(&host->mutex, NULL);
    pthread_mutex_init(&host->stop_mutex, NULL);
    mw_cond_init(&host->stop_wake);
    status = start_all(host, err);
    if (status != MW_OK) {
        mw_host_free(host);
        return status;
    }
    *ret = host;
    return MW_OK;
}

void mw_host_stop(mw_host *host) {
    pthread_mutex_lock(&host->stop_mutex);
    atomic_store(&host->stop.requested, true);
    pthread_cond_broadcast(&host->stop_wake);
    pthread_mutex_unlock(&host->stop_mutex);
}

static void free_slot(mw_host_slot *slot) {
    if (slot->started) pthread_join(slot->thread, NULL);
    mw_process_done(&slot->process);
    mw_frame_reader_done(&slot->reader);
    mw_frame_reader_done(&slot->from_process);
    mw_buf_done(&slot->inbox);
    mw_dir_close(slot->dir);
    if (slot->event_fd >= 0) close(slot->event_fd);
    pthread_mutex_destroy(&slot->mutex);
}

void *mw_host_free(mw_host *host) {
    if (!host) return NULL;
    mw_host_stop(host);
    for (int i = 0; i < host->n_slots; i++) free_slot(&host->slots[i]);
    mw_net_free(host->net);
    mw_dir_close(host->slots_dir);
    mw_dir_close(host->cache);
    mw_dir_close(host->data);
    if (host->lock_fd >= 0) close(host->lock_fd);
    pthread_cond_destroy(&host->stop_wake);
    pthread_mutex_destroy(&host->stop_mutex);
    pthread_mutex_destroy(&host->mutex);
    mw_free(host->slots);
    mw_free(host->environment);
    mw_free(host->executable);
    mw_free(host->folder);
    return mw_free(host);
}
