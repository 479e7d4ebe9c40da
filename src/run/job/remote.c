/*
 * remote.c -- workers on other hosts: who they are, who has them, and the bytes that go to and fro. See remote.h.
 *
 * A worker is idle, taken by a run, or closed. Closing it is all that either side can do to the other: the run reads the end of its stream, the
 * worker is told at its next request that it is not known. So a lost worker looks to the run as a process that died.
 */
#include "run/job/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/limits.h"
#include "run/job/remote_parts.h"

enum { WAIT_US_MAX = 5000000, WAITS_A_LEASE = 6 };

/* Who is to be told that there is something to read; called without the mutex. */
typedef struct waiter {
    void (*ready)(void *arg);
    void *arg;
} waiter;

static int64_t now_of(const mw_jobs *jobs) { return mw_clock_monotonic(jobs->ctx.clock); }

static void lock(mw_jobs *jobs) { pthread_mutex_lock(&jobs->remotes.mutex); }
static void unlock(mw_jobs *jobs) { pthread_mutex_unlock(&jobs->remotes.mutex); }

static waiter take_waiter(mw_remote *remote) {
    waiter w = {remote->ready, remote->ready_arg};
    remote->ready = NULL;
    return w;
}

static void tell(waiter w) {
    if (w.ready) w.ready(w.arg);
}

int64_t mw_jobs_lease_us(const mw_jobs *jobs) { return jobs->lease_us; }

int64_t mw_remote_wait_us(const mw_jobs *jobs) {
    const int64_t share_us = jobs->lease_us / WAITS_A_LEASE;
    return share_us < WAIT_US_MAX ? share_us : WAIT_US_MAX;
}

/* ---- the list, with the mutex ---- */

static void unref(mw_remote *remote) {
    if (--remote->refs > 0) return;
    mw_buf_done(&remote->in);
    mw_buf_done(&remote->out);
    mw_remote__job_unref(remote->job);
    mw_free(remote);
}

static void unlink_remote(mw_remote *remote) {
    mw_remotes *remotes = &remote->jobs->remotes;
    for (mw_remote **at = &remotes->first; *at; at = &(*at)->next)
        if (*at == remote) {
            *at = remote->next;
            remotes->n--;
            unref(remote);
            return;
        }
}

/* Both sides see that it is over. The caller tells the waiter. */
static waiter close_remote(mw_remote *remote, bool left) {
    waiter w = take_waiter(remote);
    if (remote->closed) return w;
    remote->closed = true;
    remote->left = left;
    mw_buf_done(&remote->out);
    unlink_remote(remote);
    return w;
}

/* Of somebody else or none: the same answer. */
static mw_status find(mw_jobs *jobs, const char *id, const char *who, mw_remote **ret,
                      mw_err *err) {
    for (mw_remote *remote = jobs->remotes.first; remote; remote = remote->next)
        if (strcmp(remote->id, id) == 0 && strcmp(remote->who, who) == 0) {
            *ret = remote;
            return MW_OK;
        }
    mw_fail(err, MW_ENOTFOUND, "there is no such worker, or it was given up");
    return mw_err_hint(err, "it has to offer itself again");
}

/* ---- coming and going ---- */

static mw_status check_offer(const mw_remote_offer *offer, mw_err *err) {
    if (strcmp(offer->program, MW_VERSION) != 0) {
        mw_fail(err, MW_ECONFLICT, "this server is Millwright %s and the worker %s is %.32s",
                MW_VERSION, offer->name, offer->program);
        return mw_err_hint(err, "install the same version on both hosts");
    }
    if (offer->folder[0] != '/' || strlen(offer->folder) >= sizeof((mw_remote *)0)->folder)
        return mw_fail(err, MW_EINVAL, "a worker's folder is an absolute path of at most %zu bytes",
                       sizeof((mw_remote *)0)->folder - 1);
    return MW_OK;
}

static mw_status make_id(char out[MW_REMOTE_ID_BYTES], mw_err *err) {
    unsigned char bytes[MW_REMOTE_ID_BYTES / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return mw_fail_errno(err, errno, "no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++) (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return MW_OK;
}

static mw_status add(mw_jobs *jobs, mw_remote *remote, mw_err *err) {
    mw_remotes *remotes = &jobs->remotes;
    if (remotes->stopping) {
        mw_fail(err, MW_EBUSY, "the server is stopping");
        return mw_err_hint(err, "offer it again in a moment");
    }
    if (remotes->n >= jobs->options.n_remote) {
        mw_fail(err, MW_EBUSY, "%d workers of other hosts are here already, and no more may be",
                jobs->options.n_remote);
        return mw_err_hint(err, "offer it again in a moment, or use fewer workers");
    }
    remote->next = remotes->first;
    remotes->first = remote;
    remotes->n++;
    return MW_OK;
}

mw_status mw_remote_open(mw_jobs *jobs, const mw_remote_offer *offer,
                         char ret_id[MW_REMOTE_ID_BYTES], mw_err *err) {
    mw_status status = check_offer(offer, err);
    if (status != MW_OK) {
        if (status == MW_ECONFLICT) mw_log_warn(&jobs->ctx, "%s", err->message);
        return status;
    }
    mw_remote *remote = mw_calloc(jobs->ctx.mem, 1, sizeof *remote);
    if (!remote) return mw_fail_nomem(err, "a worker");
    remote->jobs = jobs;
    remote->refs = 1;
    remote->threads = offer->threads;
    remote->heard_us = now_of(jobs);
    mw_str_copy(remote->name, sizeof remote->name, mw_str_of(offer->name));
    mw_str_copy(remote->who, sizeof remote->who, mw_str_of(offer->who));
    mw_str_copy(remote->folder, sizeof remote->folder, mw_str_of(offer->folder));
    mw_buf_init(&remote->in, jobs->ctx.mem,
                (size_t)(MW_LIMIT(REMOTE_UNREAD_BYTES) + MW_LIMIT(LIVE_BODY_BYTES)));
    mw_buf_init(&remote->out, jobs->ctx.mem, (size_t)MW_LIMIT(REMOTE_UNREAD_BYTES));
    status = make_id(remote->id, err);
    if (status == MW_OK) {
        mw_str_copy(ret_id, MW_REMOTE_ID_BYTES, mw_str_of(remote->id));
        lock(jobs);
        status = add(jobs, remote, err);
        unlock(jobs);
    }
    if (status != MW_OK) {
        mw_free(remote);
        return status;
    }
    mw_log_info(&jobs->ctx, "worker %s of %s is here", offer->name, offer->who);
    mw_jobs__poke(jobs); /* there may be a job for it */
    return MW_OK;
}

mw_status mw_remote_close(mw_jobs *jobs, const char *id, const char *who, mw_err *err) {
    mw_remote *remote;
    waiter w = {0};
    lock(jobs);
    mw_status status = find(jobs, id, who, &remote, err);
    if (status == MW_OK) {
        mw_log_info(&jobs->ctx, "worker %s leaves", remote->name);
        w = close_remote(remote, true);
    }
    unlock(jobs);
    tell(w);
    mw_jobs__wake(jobs);
    return status;
}

static void close_all(mw_jobs *jobs) {
    for (;;) {
        waiter w = {0};
        lock(jobs);
        jobs->remotes.stopping = true;
        const bool more = jobs->remotes.first != NULL;
        if (more) w = close_remote(jobs->remotes.first, true);
        unlock(jobs);
        tell(w);
        if (!more) return;
    }
}

void mw_remote_stop(mw_jobs *jobs) {
    close_all(jobs);
    mw_jobs__wake(jobs);
}

void mw_remote__free_all(mw_jobs *jobs) { close_all(jobs); }

/* ---- bytes ---- */

mw_status mw_remote_send(mw_jobs *jobs, const char *id, const char *who, uint64_t at, mw_str bytes,
                         uint64_t *ret_at, mw_err *err) {
    mw_remote *remote;
    lock(jobs);
    mw_status status = find(jobs, id, who, &remote, err);
    if (status == MW_OK && at > remote->in_end) {
        status = mw_fail(err, MW_ECONFLICT, "byte %llu was expected, not %llu",
                         (unsigned long long)remote->in_end, (unsigned long long)at);
    } else if (status == MW_OK && remote->in.size >= (size_t)MW_LIMIT(REMOTE_UNREAD_BYTES)) {
        mw_fail(err, MW_EBUSY, "what the worker said has yet to be read");
        status = mw_err_hint(err, "send it again in a moment");
    } else if (status == MW_OK) {
        const uint64_t known = remote->in_end - at; /* an answer that was lost: they came before */
        remote->heard_us = now_of(jobs);
        if (known < bytes.size)
            mw_buf_append(&remote->in, bytes.data + known, bytes.size - (size_t)known);
        status = mw_buf_status(&remote->in, "what a worker says", err);
        if (status != MW_OK)
            remote->in.failed = MW_OK; /* nothing was added */
        else if (known < bytes.size)
            remote->in_end = at + bytes.size;
        *ret_at = remote->in_end;
    }
    unlock(jobs);
    if (status == MW_OK) mw_jobs__wake(jobs);
    return status;
}

bool mw_remote_wait(mw_jobs *jobs, const char *id, const char *who, uint64_t at,
                    void (*ready)(void *arg), void *arg) {
    mw_remote *remote;
    waiter before = {0};
    lock(jobs);
    const bool known = find(jobs, id, who, &remote, NULL) == MW_OK;
    bool waits = false;
    if (known) {
        remote->heard_us = now_of(jobs);
        before = take_waiter(remote);
        waits = at == remote->out_begin + remote->out.size;
    }
    if (waits) {
        remote->ready = ready;
        remote->ready_arg = arg;
        remote->ready_us = remote->heard_us + mw_remote_wait_us(jobs);
    }
    unlock(jobs);
    tell(before);
    return waits;
}

mw_status mw_remote_receive(mw_jobs *jobs, const char *id, const char *who, uint64_t at,
                            mw_buf *out, mw_err *err) {
    mw_remote *remote;
    lock(jobs);
    mw_status status = find(jobs, id, who, &remote, err);
    if (status == MW_OK && (at < remote->out_begin || at > remote->out_begin + remote->out.size)) {
        status =
            mw_fail(err, MW_ECONFLICT, "byte %llu is not there to be read", (unsigned long long)at);
    } else if (status == MW_OK) {
        remote->heard_us = now_of(jobs);
        mw_buf_consume(&remote->out, (size_t)(at - remote->out_begin));
        remote->out_begin = at;
        const size_t most = (size_t)MW_LIMIT(REMOTE_PIECE_BYTES);
        mw_buf_append(out, mw_buf_text(&remote->out),
                      remote->out.size < most ? remote->out.size : most);
    }
    unlock(jobs);
    if (status == MW_OK) mw_jobs__wake(jobs); /* there may be room for more */
    return status;
}

/* ---- for the manager ---- */

static mw_remote *find_idle(mw_jobs *jobs) {
    for (mw_remote *remote = jobs->remotes.first; remote; remote = remote->next)
        if (!remote->taken) return remote;
    return NULL;
}

bool mw_remote__any_idle(mw_jobs *jobs) {
    lock(jobs);
    const bool any = find_idle(jobs) != NULL;
    unlock(jobs);
    return any;
}

int mw_remote__count(mw_jobs *jobs) {
    lock(jobs);
    const int n = jobs->remotes.n;
    unlock(jobs);
    return n;
}

mw_remote *mw_remote__take(mw_jobs *jobs) {
    lock(jobs);
    mw_remote *remote = find_idle(jobs);
    if (remote) {
        remote->taken = true;
        remote->refs++;
        mw_buf_clear(&remote->in); /* what it said before is of another job */
    }
    unlock(jobs);
    return remote;
}

static void end_job(mw_remote *remote) {
    if (!remote->job) return;
    atomic_store(&remote->job->over, true); /* who delivers just now is waited for elsewhere */
    mw_remote__job_unref(remote->job);
    remote->job = NULL;
}

void mw_remote__kill(mw_remote *remote) {
    lock(remote->jobs);
    waiter w = close_remote(remote, false);
    end_job(remote);
    unlock(remote->jobs);
    tell(w);
}

void mw_remote__give(mw_remote *remote) {
    mw_jobs *jobs = remote->jobs;
    lock(jobs);
    end_job(remote);
    remote->taken = false;
    remote->heard_us = now_of(jobs);
    unref(remote);
    unlock(jobs);
}

void *mw_remote__done(mw_remote *remote) {
    if (!remote) return NULL;
    mw_jobs *jobs = remote->jobs;
    mw_remote__kill(remote);
    lock(jobs);
    unref(remote);
    unlock(jobs);
    return NULL;
}

bool mw_remote__ended(mw_remote *remote) {
    lock(remote->jobs);
    const bool ended = remote->closed && remote->in.size == 0;
    unlock(remote->jobs);
    return ended;
}

bool mw_remote__left(mw_remote *remote) {
    lock(remote->jobs);
    const bool left = remote->left;
    unlock(remote->jobs);
    return left;
}

const char *mw_remote__name(const mw_remote *remote) { return remote->name; }
const char *mw_remote__folder(const mw_remote *remote) { return remote->folder; }
int mw_remote__threads(const mw_remote *remote) { return remote->threads; }

ssize_t mw_remote__read(mw_remote *remote, void *data, size_t size) {
    lock(remote->jobs);
    const bool closed = remote->closed;
    size_t n = remote->in.size < size ? remote->in.size : size;
    if (n > 0) {
        memcpy(data, remote->in.data, n);
        mw_buf_consume(&remote->in, n);
    }
    unlock(remote->jobs);
    if (n > 0 || closed) return (ssize_t)n;
    errno = EAGAIN;
    return -1;
}

ssize_t mw_remote__write(mw_remote *remote, const void *data, size_t size) {
    lock(remote->jobs);
    const size_t most = remote->closed ? 0 : remote->out.max_bytes - remote->out.size;
    const size_t n = size < most ? size : most;
    waiter w = {0};
    const bool closed = remote->closed;
    if (n > 0) mw_buf_append(&remote->out, data, n);
    const bool added = remote->out.failed == MW_OK;
    remote->out.failed = MW_OK;
    if (n > 0 && added) w = take_waiter(remote);
    unlock(remote->jobs);
    tell(w);
    if (closed) {
        errno = EPIPE;
        return -1;
    }
    if (n > 0 && added) return (ssize_t)n;
    errno = EAGAIN;
    return -1;
}

/* With the mutex: one whose wait is over, or who has gone without a word. */
static bool find_due(mw_jobs *jobs, int64_t now_us, waiter *ret) {
    for (mw_remote *remote = jobs->remotes.first; remote; remote = remote->next) {
        if (remote->ready && now_us >= remote->ready_us) {
            *ret = take_waiter(remote);
            return true;
        }
        if (!remote->ready && !remote->taken && now_us - remote->heard_us > jobs->lease_us) {
            mw_log_warn(&jobs->ctx, "worker %s stopped answering", remote->name);
            *ret = close_remote(remote, false);
            return true;
        }
    }
    return false;
}

void mw_remote__tick(mw_jobs *jobs, int64_t now_us) {
    for (bool more = true; more;) {
        waiter w = {0};
        lock(jobs);
        more = find_due(jobs, now_us, &w);
        unlock(jobs);
        tell(w);
    }
}

/* ---- jobs ---- */

static const char *keep(mw_remote_job *job, const char *text, bool *good) {
    const char *copy = mw_arena_strdup(&job->arena, text);
    if (!copy) *good = false;
    return copy;
}

mw_status mw_remote__begin(mw_remote *remote, const mw_job_record *record, const char *work_path,
                           mw_remote_job **ret, mw_err *err) {
    mw_jobs *jobs = remote->jobs;
    mw_remote_job *job = mw_calloc(jobs->ctx.mem, 1, sizeof *job);
    if (!job) return mw_fail_nomem(err, "a job");
    bool good = true;
    job->jobs = jobs;
    atomic_store(&job->refs, 2); /* the worker's and the caller's */
    mw_arena_init(&job->arena, jobs->ctx.mem);
    pthread_mutex_init(&job->mutex, NULL);
    job->org = keep(job, record->org, &good);
    job->id = keep(job, record->id, &good);
    job->kind = keep(job, record->kind, &good);
    job->payload = keep(job, record->payload, &good);
    job->work_path = keep(job, work_path, &good);
    if (!good) {
        atomic_store(&job->refs, 1);
        mw_remote__job_unref(job);
        return mw_fail_nomem(err, "a job");
    }
    lock(jobs);
    end_job(remote);
    remote->job = job;
    unlock(jobs);
    *ret = job;
    return MW_OK;
}

mw_status mw_remote__job_of(mw_jobs *jobs, const char *id, const char *who, mw_remote_job **ret,
                            mw_err *err) {
    mw_remote *remote;
    lock(jobs);
    mw_status status = find(jobs, id, who, &remote, err);
    if (status == MW_OK) remote->heard_us = now_of(jobs);
    if (status == MW_OK && !remote->job)
        status = mw_fail(err, MW_ECONFLICT, "the worker has no job");
    if (status == MW_OK) {
        atomic_fetch_add(&remote->job->refs, 1);
        *ret = remote->job;
    }
    unlock(jobs);
    return status;
}

void *mw_remote__job_unref(mw_remote_job *job) {
    if (!job || atomic_fetch_sub(&job->refs, 1) > 1) return NULL;
    mw_remote__end_files(job);
    pthread_mutex_destroy(&job->mutex);
    mw_arena_done(&job->arena);
    return mw_free(job);
}
