/*
 * run.c -- one job in a worker process, seen from the server.
 *
 *   claim -> work folder -> process -> HELLO, WORK -> PROGRESS* -> RESULT | ERROR -> exit ->
 * outcome
 *
 * Life is shown by frames, not by the existence of the process: a worker sends PROGRESS at least
 * four times a lease, and the lease is renewed only when something was heard since. A stopped or
 * stuck process so loses its lease and is killed. A result counts only with a clean exit.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "core/text/datetime.h"
#include "run/job/jobs.h"
#include "run/job/remote.h"

enum {
    READ_BYTES = 65536,
    HELLO_LIMIT_US = 10000000, /* an executable that is no worker does not speak */
    LINGER_LIMIT_US = 5000000, /* after the answer */
    TERM_AFTER_US = 300000,    /* after CANCEL */
    KILL_AFTER_US = 700000,    /* so that it has ended within a second */
    NOTE_EVERY_US = 250000,
    FOLLOWED_EVERY_US = 40000, /* while somebody follows */
    RENEWALS_SHARE = 4,        /* ... and at most that part of the manager's time */
    READY_EVERY_US = 20000     /* one that dies at once must not be started all the time */
};

static const mw_process no_process = {.process_fd = -1, .to_fd = -1, .from_fd = -1, .status = -1};

static int64_t now_of(const mw_run *run) { return mw_clock_monotonic(run->ctx.clock); }

/* ---- start ---- */

mw_status mw_run__send_work(mw_run *run, const mw_job_record *job, mw_err *err) {
    const mw_jobs_options *options = &run->jobs->options;
    mw_buf path;
    mw_buf_init(&path, run->ctx.mem, 8192);
    mw_remote *remote = run->process.remote;
    mw_status status = MW_OK;
    char files_to[MW_REMOTE_FOLDER_BYTES + 8] = "";
    if (remote) {
        (void)snprintf(files_to, sizeof files_to, "%s/in", mw_remote__folder(remote));
        mw_buf_printf(&path, "%s/work", mw_remote__folder(remote));
    } else if (run->light) {
        mw_buf_add(&path, "."); /* none */
    } else {
        status = mw_jobs__work_path(run->jobs, job, &path, err);
    }
    mw_work work = {.org = job->org,
                    .id = job->id,
                    .kind = job->kind,
                    .work_path = mw_buf_text(&path),
                    .threads = remote ? mw_remote__threads(remote) : options->n_threads,
                    .files_from = remote ? run->jobs->data_path : NULL,
                    .files_to = remote ? files_to : NULL,
                    .memory_bytes =
                        job->memory_bytes ? job->memory_bytes : (int64_t)options->memory_bytes,
                    .seed = run->jobs->ctx.seed,
                    .heartbeat_us = run->jobs->lease_us / 4,
                    .payload_text = mw_str_of(job->payload)};
    if (status == MW_OK) mw_message_work(&run->outbox, &work);
    mw_buf_done(&path);
    return status == MW_OK ? mw_buf_status(&run->outbox, "a job", err) : status;
}

static void remove_ready(mw_jobs *jobs, int i) {
    memmove(&jobs->ready[i], &jobs->ready[i + 1],
            (size_t)(--jobs->n_ready - i) * sizeof *jobs->ready);
}

/* One that has worked for the organization, or else for nobody; -1: there is none. */
static int find_ready(const mw_jobs *jobs, const char *org) {
    int found = -1;
    for (int i = 0; i < jobs->n_ready; i++) {
        if (strcmp(jobs->ready[i].org, org) == 0) return i;
        if (!jobs->ready[i].org[0] && found < 0) found = i;
    }
    return found;
}

/* False: none that lives. What one organization's jobs may have left in memory never meets another's. */
static bool take_ready(mw_run *run) {
    mw_jobs *jobs = run->jobs;
    for (int i; (i = find_ready(jobs, run->job.org)) >= 0;) {
        mw_ready ready = jobs->ready[i];
        remove_ready(jobs, i);
        if (mw_process_reap(&ready.process)) {
            mw_process_done(&ready.process);
            continue;
        }
        run->process = ready.process;
        run->hello = ready.org[0] != '\0';
        run->was_ready = true;
        return true;
    }
    return false;
}

static void give_ready(mw_jobs *jobs, mw_process *process, const char *org) {
    if (jobs->n_ready > jobs->options.n_workers) { /* the one that has waited longest goes */
        mw_process_done(&jobs->ready[0].process);
        remove_ready(jobs, 0);
    }
    mw_ready *ready = &jobs->ready[jobs->n_ready++];
    ready->process = *process;
    mw_str_copy(ready->org, sizeof ready->org, mw_str_of(org));
    *process = no_process;
}

void mw_run__keep_ready(mw_jobs *jobs, int64_t now_us) {
    mw_err err;
    mw_process process;
    if (jobs->options.n_workers == 0) return;
    if (find_ready(jobs, "") >= 0 || jobs->n_ready > jobs->options.n_workers) return;
    if (now_us < jobs->ready_us) return;
    jobs->ready_us = now_us + READY_EVERY_US;
    if (mw_process_start(jobs->executable, jobs->environment, &process, &err) == MW_OK)
        give_ready(jobs, &process, "");
    else
        mw_log_warn(&jobs->ctx, "no process can be kept ready: %s", err.message);
}

void mw_run__end_ready(mw_jobs *jobs) {
    while (jobs->n_ready > 0) mw_process_done(&jobs->ready[--jobs->n_ready].process);
}

/* This host's processes come first: nothing has to be carried to them. */
static mw_status find_process(mw_run *run, mw_err *err) {
    mw_jobs *jobs = run->jobs;
    if (run->is_local) {
        if (take_ready(run)) return MW_OK;
        return mw_process_start(jobs->executable, jobs->environment, &run->process, err);
    }
    run->was_ready = run->hello = true;
    run->process.remote = mw_remote__take(jobs);
    if (run->process.remote) return MW_OK;
    run->released = true; /* it has left since there was one: somebody else's turn */
    return mw_fail(err, MW_EINTERNAL, "the worker left before it had the job");
}

static mw_status begin_remote(mw_run *run, mw_err *err) {
    mw_buf path;
    mw_buf_init(&path, run->ctx.mem, 8192);
    mw_status status = mw_jobs__work_path(run->jobs, &run->job, &path, err);
    if (status == MW_OK)
        status = mw_remote__begin(run->process.remote, &run->job, mw_buf_text(&path),
                                  &run->delivery, err);
    mw_buf_done(&path);
    return status;
}

static mw_status start_process(mw_run *run, mw_err *err) {
    mw_jobs *jobs = run->jobs;
    if (!mw_jobs__kind(jobs, run->job.kind))
        return mw_fail(err, MW_EINTERNAL, "this program knows no job kind %s", run->job.kind);
    mw_status status = mw_jobs__work_dir(jobs, &run->ctx, &run->job, &run->work_dir, err);
    if (status == MW_OK) status = find_process(run, err);
    if (status == MW_OK && run->process.remote) status = begin_remote(run, err);
    return status == MW_OK ? mw_ahead__fill(run, err) : status;
}

static mw_run *new_run(mw_jobs *jobs) {
    mw_run *run = mw_calloc(jobs->ctx.mem, 1, sizeof *run);
    if (!run) return NULL;
    run->jobs = jobs;
    run->is_local = jobs->n_local < jobs->options.n_workers;
    mw_mem_init(&run->mem, jobs->ctx.mem, 0);
    run->ctx = jobs->ctx;
    run->ctx.mem = &run->mem;
    run->ctx.cancel = &run->cancel;
    run->ctx.progress = (mw_progress){0};
    run->process = no_process;
    mw_arena_init(&run->arena, &run->mem);
    mw_frame_reader_init(&run->reader, &run->mem);
    const size_t frame_bytes = (size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD;
    mw_buf_init(&run->outbox, &run->mem, frame_bytes * 2);
    mw_buf_init(&run->result, &run->mem, frame_bytes);
    mw_buf_init(&run->log, &run->mem, 4 * (size_t)MW_LIMIT(JOB_LOG_BYTES));
    mw_progress_note_set(&run->note, "starting", 0, 0);
    return run;
}

void *mw_run__free(mw_run *run) {
    mw_process_done(&run->process);
    mw_remote__job_unref(run->delivery);
    mw_dir_close(run->work_dir);
    mw_buf_done(&run->log);
    mw_buf_done(&run->result);
    mw_buf_done(&run->outbox);
    mw_frame_reader_done(&run->reader);
    mw_arena_done(&run->arena);
    return mw_free(run);
}

/* ---- lease ---- */

void mw_run__kill(mw_run *run, const char *reason) {
    if (run->killed || !mw_process_lives(&run->process)) return;
    run->killed = true;
    if (!run->canceled && !run->drained)
        mw_fail(&run->error, MW_EINTERNAL, "the worker %s while %s", reason, run->note.stage);
    mw_process_send_signal(&run->process, SIGKILL);
}

static void lose(mw_run *run) {
    run->lost = true;
    atomic_store(&run->cancel.requested, true);
    if (run->phase == MW_RUN_WORKING) mw_run__kill(run, "lost its lease");
}

static void renew(mw_run *run, int64_t now_us) {
    bool canceled = false;
    mw_err err;
    const mw_job_renewal renewal = {.id = run->job.id,
                                    .fence = run->job.fence,
                                    .lease_us = run->jobs->lease_us,
                                    .progress = run->note.share,
                                    .message = run->note.stage,
                                    .log = run->log_is_new ? mw_buf_text(&run->log) : NULL,
                                    .n_log_lines = run->n_log_lines};
    mw_status status =
        mw_store_job_renew(&run->ctx, run->jobs->options.store, &renewal, &canceled, &err);
    run->renewed_us = now_us;
    run->jobs->renewal_us = now_of(run) - now_us;
    if (status == MW_OK) {
        run->note_is_new = run->log_is_new = false;
        if (canceled) mw_run__cancel(run, false);
    } else if (status == MW_ECONFLICT || status == MW_ENOTFOUND) {
        /* In the ending phase the job may have just become final: that is no loss. */
        if (run->phase == MW_RUN_WORKING) lose(run);
    } else {
        mw_log_warn(&run->ctx, "the lease is not renewed: %s", err.message);
    }
}

/* ---- outcome ---- */

static void *ending_main(void *arg) {
    mw_run *run = arg;
    mw_err err;
    mw_remote__end_files(run->delivery);
    if (run->lost)
        mw_log_warn(&run->ctx, "the lease of the job was lost; nothing is recorded");
    else if (mw_jobs__conclude(run->jobs, &run->ctx, &run->job, run->outcome, &run->error,
                               run->failed, run->work_dir, &run->result, &err) == MW_OK)
        mw_log_info(&run->ctx, "%s done", run->job.kind);
    else
        mw_log_warn(&run->ctx, "%s failed: %s", run->job.kind, err.message);
    if (run->died)
        mw_jobs__leave_work_dir(run->jobs, &run->ctx, &run->job);
    else
        mw_jobs__remove_work_dir(run->jobs, &run->ctx, &run->job);
    atomic_store(&run->ended, true);
    mw_jobs__poke(run->jobs);
    return NULL;
}

/* Before its end has a thread of its own. */
static void judge_end(mw_run *run) {
    const bool crashed = !run->answered && (run->outcome == MW_EINTERNAL ||
                                            run->outcome == MW_EBUSY || run->outcome == MW_ENOMEM);
    const bool waited = crashed && run->was_ready && !run->begun;
    run->failed = run->canceled                             ? MW_JOBS_REVOKED
                  : run->drained || run->released || waited ? MW_JOBS_RELEASED
                  : crashed                                 ? MW_JOBS_CRASHED
                                                            : MW_JOBS_FAILED;
    run->died = !run->canceled && (run->lost || crashed || (run->drained && run->outcome != MW_OK));
}

static void begin_ending(mw_run *run) {
    if (run->recorded) {
        run->phase = MW_RUN_ENDING;
        run->thread = pthread_self();
        atomic_store(&run->ended, true);
        return;
    }
    if (run->log_is_new && !run->lost) renew(run, now_of(run));
    run->phase = MW_RUN_ENDING;
    judge_end(run);
    if (mw_thread_start(&run->thread, ending_main, run) == 0) return;
    /* No thread to be had: end it here, the other jobs wait meanwhile. */
    run->thread = pthread_self();
    ending_main(run);
}

/* One job, or several of a light kind for a process of this host. */
static mw_status claim(mw_run *run, mw_err *err) {
    mw_jobs *jobs = run->jobs;
    mw_ahead *ahead = &run->ahead;
    const mw_job_want want = {.worker = jobs->holder,
                              .lease_us = jobs->lease_us,
                              .light = run->is_local && jobs->light[0] ? jobs->light : NULL,
                              .most = jobs->light_most};
    mw_status status = mw_store_job_claim_some(&jobs->ctx, jobs->options.store, &run->arena, &want,
                                               &ahead->jobs, &ahead->n, err);
    if (status != MW_OK) return status;
    const mw_job_kind *kind = mw_jobs__kind(jobs, ahead->jobs[0].kind);
    run->job = ahead->jobs[0];
    run->light = run->is_local && kind && kind->light;
    run->ctx.org = run->job.org;
    run->ctx.job_id = run->job.id;
    run->started_us = run->heard_us = run->renewed_us = ahead->at_us = now_of(run);
    return MW_OK;
}

static void log_start(const mw_run *run) {
    if (run->process.remote)
        mw_log_info(&run->ctx, "%s started at worker %s", run->job.kind,
                    mw_remote__name(run->process.remote));
    else if (run->ahead.n > 1)
        mw_log_info(&run->ctx, "%s and %zu more started in process %d", run->job.kind,
                    run->ahead.n - 1, (int)run->process.pid);
    else
        mw_log_info(&run->ctx, "%s started in process %d", run->job.kind, (int)run->process.pid);
}

mw_status mw_run__start(mw_jobs *jobs, mw_run **ret, mw_err *err) {
    mw_run *run = new_run(jobs);
    if (!run) return mw_fail_nomem(err, "a job");
    mw_status status = claim(run, err);
    if (status != MW_OK) {
        mw_run__free(run);
        return status;
    }
    run->outcome = start_process(run, &run->error);
    if (run->outcome == MW_OK) {
        log_start(run);
        mw_run__write(run);
    } else {
        /* A failure of ours: trying again helps only if something is short now. */
        run->answered = run->outcome != MW_EBUSY && run->outcome != MW_ENOMEM;
        run->closed = true;
        mw_ahead__give_up(run);
        begin_ending(run);
    }
    *ret = run;
    return MW_OK;
}

/* ---- frames ---- */

/* Whole lines, the oldest go first. A line that is too long, or for which there is no memory, is cut or missing here: the log has it. */
static void keep_line(mw_run *run, mw_log_level level, const char *text) {
    const size_t most = (size_t)MW_LIMIT(JOB_LOG_BYTES);
    char at[MW_TIME_TEXT_MAX];
    mw_time_print(mw_clock_utc(run->ctx.clock), at);
    mw_buf_printf(&run->log, "%s %s ", at, mw_log_level_name(level));
    for (const char *c = text; *c && c - text < (ptrdiff_t)most / 4; c++)
        mw_buf_append(&run->log, (unsigned char)*c < ' ' ? " " : c, 1);
    mw_buf_add(&run->log, "\n");
    if (run->log.failed != MW_OK) mw_buf_clear(&run->log);
    while (run->log.size > most) {
        const char *end = memchr(run->log.data, '\n', run->log.size);
        mw_buf_consume(&run->log, end ? (size_t)(end - run->log.data) + 1 : run->log.size);
    }
    run->n_log_lines++;
    run->log_is_new = true;
}

static void take_log(mw_run *run, mw_str payload) {
    mw_arena arena;
    mw_arena_init(&arena, &run->mem);
    mw_log_level level;
    const char *text;
    if (mw_message_read_log(payload, &arena, &level, &text, NULL) == MW_OK) {
        mw_log_write(&run->ctx, level, "%s", text);
        keep_line(run, level, text);
    }
    mw_arena_done(&arena);
}

static mw_status take_answer(mw_run *run, const mw_frame *frame, mw_err *err) {
    if (run->answered) return mw_fail(err, MW_EPARSE, "a second answer");
    mw_status status;
    if (frame->type == MW_FRAME_ERROR) {
        status = mw_message_read_error(frame->payload, &run->mem, &run->error, err);
        if (status == MW_OK) run->outcome = run->error.code;
    } else {
        status = mw_message_check_result(frame->payload, &run->mem, err);
        if (status == MW_OK) mw_buf_add_str(&run->result, frame->payload);
        if (status == MW_OK) status = mw_buf_status(&run->result, "the result of a job", err);
    }
    run->answered = status == MW_OK;
    run->answered_us = now_of(run);
    if (status == MW_OK && run->light && run->log_is_new) renew(run, run->answered_us);
    const bool stops = run->canceled || run->drained || run->killed;
    return status == MW_OK && run->light && !stops ? mw_ahead__answered(run, err) : status;
}

/* On another host: its own process would have ended. There an answer counts only if its process went on, or ended well, and so none is undone here. */
static mw_status take_death(mw_run *run, mw_str payload, mw_err *err) {
    char how[256];
    if (!run->process.remote || run->answered)
        return mw_fail(err, MW_EPARSE, "nothing of this job can have died");
    mw_status status = mw_message_read_died(payload, &run->mem, how, sizeof how, err);
    if (status != MW_OK) return status;
    run->outcome = MW_EINTERNAL;
    run->idle = run->begun = true;
    mw_fail(&run->error, MW_EINTERNAL, "the worker %s while %s", how, run->note.stage);
    atomic_fetch_add(&run->jobs->n_crashes, 1);
    mw_log_error(&run->ctx, "%s", run->error.message);
    return MW_OK;
}

static mw_status take_frame(mw_run *run, const mw_frame *frame, mw_err *err) {
    mw_status status = MW_OK;
    if (!run->hello && frame->type != MW_FRAME_HELLO)
        return mw_fail(err, MW_EPARSE, "the worker did not say HELLO");
    switch (frame->type) {
    case MW_FRAME_HELLO:
        status = mw_message_read_hello(frame->payload, &run->mem, err);
        run->hello = status == MW_OK;
        return status;
    case MW_FRAME_PROGRESS: {
        run->begun = true;
        mw_progress_note before = run->note;
        status = mw_message_read_progress(frame->payload, &run->mem, &run->note, err);
        if (before.share < run->note.share || before.share > run->note.share ||
            strcmp(before.stage, run->note.stage) != 0)
            run->note_is_new = true;
        return status;
    }
    case MW_FRAME_LOG: take_log(run, frame->payload); return MW_OK;
    case MW_FRAME_RESULT:
    case MW_FRAME_ERROR: return take_answer(run, frame, err);
    case MW_FRAME_BYE:
        run->bye = true;
        if (run->process.remote && !run->answered) run->released = true;
        return MW_OK;
    case MW_FRAME_DIED: return take_death(run, frame->payload, err);
    case MW_FRAME_BACK: return mw_ahead__back(run, frame->payload, err);
    case MW_FRAME_IDLE:
        if (!run->answered && run->ahead.at == 0)
            return mw_fail(err, MW_EPARSE, "IDLE before an answer");
        run->idle = run->answered; /* else more has been sent ahead */
        return MW_OK;
    default:
        return mw_fail(err, MW_EPARSE, "a worker does not send %s", mw_frame_name(frame->type));
    }
}

static mw_status take_frames(mw_run *run, mw_err *err) {
    mw_frame frame;
    bool got = true;
    mw_status status = MW_OK;
    while (status == MW_OK && got) {
        status = mw_frame_next(&run->reader, &frame, &got, err);
        if (status == MW_OK && got) status = take_frame(run, &frame, err);
    }
    return status;
}

static void read_frames(mw_run *run) {
    char bytes[READ_BYTES];
    mw_err err;
    while (!run->closed && !(run->idle && !run->ahead.recalled)) {
        ssize_t n = mw_process_read(&run->process, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            run->closed = true;
            return;
        }
        run->heard_us = now_of(run);
        mw_status status = mw_frame_feed(&run->reader, bytes, (size_t)n, &err);
        if (status == MW_OK) status = take_frames(run, &err);
        if (status == MW_OK) continue;
        run->closed = true;
        run->answered = false;
        mw_run__kill(run, "broke the protocol");
        mw_log_error(&run->ctx, "worker protocol: %s", err.message);
    }
}

/* A request to stop outranks an answer that has not been committed yet. */
static void judge_cancel(mw_run *run) {
    if (run->recorded || (!run->canceled && !run->drained)) return;
    if (run->drained && !run->canceled && run->answered && run->outcome == MW_OK) return;
    run->outcome = MW_ECANCELED;
    if (run->canceled) {
        mw_fail(&run->error, MW_ECANCELED, "canceled on request");
        return;
    }
    mw_fail(&run->error, MW_EINTERNAL, "the server was stopped while %s", run->note.stage);
    mw_err_hint(&run->error, "start it again");
}

/* The answer is there, and its process offers to go on. */
static void end_idle(mw_run *run) {
    if (run->process.remote) {
        mw_remote__give(run->process.remote);
        run->process.remote = NULL;
    } else if (run->canceled || run->drained)
        mw_process_done(&run->process);
    else
        give_ready(run->jobs, &run->process, run->job.org);
    run->closed = true;
    judge_cancel(run);
    begin_ending(run);
}

void mw_run__read(mw_run *run) {
    read_frames(run);
    if (run->idle && !run->ahead.recalled && !run->killed && run->phase == MW_RUN_WORKING &&
        mw_process_lives(&run->process))
        end_idle(run);
}

void mw_run__write(mw_run *run) {
    while (run->outbox.size > 0 && (run->process.remote || run->process.to_fd >= 0)) {
        ssize_t n = mw_process_write(&run->process, run->outbox.data, run->outbox.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) { /* it has gone; its exit tells why */
            mw_buf_clear(&run->outbox);
            return;
        }
        mw_buf_consume(&run->outbox, (size_t)n);
    }
}

/* ---- end of the process ---- */

/* What the end of the process means when there is no usable answer. */
static void judge_exit(mw_run *run) {
    const int exit_status = run->process.status; /* -1: somebody else reaped it, so unknown */
    if (run->recorded) return;
    if (run->idle && !run->killed) return; /* it ended after its offer to go on */
    bool clean = exit_status < 0 || (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0);
    if (run->answered && clean && !run->killed) return;
    if (run->answered && run->outcome != MW_OK && !run->killed) return;
    run->answered = false;
    run->outcome = run->overran ? MW_ETIMEOUT : MW_EINTERNAL;
    if (run->killed || run->canceled || run->drained) return;
    if (run->released) {
        mw_fail(&run->error, MW_EINTERNAL, "the worker's host was stopped while %s",
                run->note.stage);
        return;
    }
    char how[256];
    mw_process_describe(&run->process, how, sizeof how);
    mw_fail(&run->error, MW_EINTERNAL, "the worker %s while %s", how, run->note.stage);
    if (exit_status >= 0 && WIFSIGNALED(exit_status) && WTERMSIG(exit_status) == SIGKILL)
        mw_err_hint(&run->error, "the kernel may have run out of memory; see the system log");
    atomic_fetch_add(&run->jobs->n_crashes, 1);
    mw_log_error(&run->ctx, "%s", run->error.message);
}

void mw_run__exited(mw_run *run) {
    if (run->phase != MW_RUN_WORKING) return;
    if (!mw_process_reap(&run->process)) return;
    read_frames(run); /* what it said last */
    if (run->process.remote && mw_remote__left(run->process.remote)) run->released = true;
    run->closed = true;
    mw_ahead__give_up(run);
    judge_exit(run);
    judge_cancel(run);
    begin_ending(run);
}

/* ---- time ---- */

bool mw_run__holds(const mw_run *run, const mw_job_record *job) {
    for (size_t i = run->ahead.at; i < run->ahead.n && !run->recorded; i++)
        if (strcmp(run->ahead.jobs[i].id, job->id) == 0 && run->ahead.jobs[i].fence == job->fence)
            return true;
    return false;
}

void mw_run__cancel(mw_run *run, bool drain) {
    if (drain ? run->drained : run->canceled) return;
    if (mw_ahead__has(run)) { /* the manager comes again once they are back */
        mw_ahead__recall(run);
        if (mw_ahead__has(run)) return;
    }
    *(drain ? &run->drained : &run->canceled) = true;
    if (run->cancel_us == 0) run->cancel_us = now_of(run);
    if (run->phase == MW_RUN_ENDING) {
        if (!drain) atomic_store(&run->cancel.requested, true);
        return;
    }
    if (run->n_cancel_steps++ > 0) return;
    mw_frame_write(&run->outbox, MW_FRAME_CANCEL, (mw_str){"", 0});
    mw_run__write(run);
}

static void press_cancel(mw_run *run, int64_t now_us) {
    if (run->n_cancel_steps == 1 && now_us - run->cancel_us >= TERM_AFTER_US) {
        run->n_cancel_steps = 2;
        mw_process_send_signal(&run->process, SIGTERM);
    } else if (run->n_cancel_steps == 2 && now_us - run->cancel_us >= KILL_AFTER_US) {
        run->n_cancel_steps = 3;
        mw_run__kill(run, "had to be killed");
    }
}

static int64_t time_limit(const mw_run *run) {
    return run->job.time_limit_us ? run->job.time_limit_us : run->jobs->options.time_limit_us;
}

/* It would take as long the next time: no retry. */
static void overrun(mw_run *run) {
    if (run->killed) return;
    mw_run__kill(run, "was stopped");
    if (run->canceled || run->drained) return;
    run->overran = true;
    mw_fail(&run->error, MW_ETIMEOUT, "the job took longer than its limit of %.6g s while %s",
            (double)time_limit(run) / MW_US_PER_SECOND, run->note.stage);
    mw_err_hint(&run->error, "give it a larger time_limit, or less to do");
}

/* How often what a job says is recorded. */
static int64_t note_every_us(const mw_jobs *jobs, int64_t now_us) {
    const int64_t fair_us = jobs->renewal_us * jobs->n_runs * RENEWALS_SHARE;
    if (now_us > atomic_load(&jobs->followed_until_us) || fair_us > NOTE_EVERY_US)
        return NOTE_EVERY_US;
    return fair_us > FOLLOWED_EVERY_US ? fair_us : FOLLOWED_EVERY_US;
}

void mw_run__tick(mw_run *run, int64_t now_us) {
    const int64_t lease_us = run->jobs->lease_us;
    if (run->phase == MW_RUN_WORKING) {
        mw_ahead__tick(run, now_us);
        press_cancel(run, now_us);
        if (!run->hello && now_us - run->started_us > HELLO_LIMIT_US)
            mw_run__kill(run, "did not start");
        if (now_us - run->heard_us > lease_us && now_us - run->started_us > lease_us && run->hello)
            mw_run__kill(run, "stopped answering");
        if (time_limit(run) > 0 && !run->answered && now_us - run->started_us > time_limit(run))
            overrun(run);
        if (run->answered && now_us - run->answered_us > LINGER_LIMIT_US)
            mw_run__kill(run, "did not end after its answer,");
        if (run->killed) return;
    }
    bool heard = run->phase == MW_RUN_ENDING || run->heard_us > run->renewed_us || !run->hello;
    if (((run->note_is_new || run->log_is_new) && run->phase == MW_RUN_WORKING &&
         now_us - run->renewed_us >= note_every_us(run->jobs, now_us)) ||
        (heard && now_us - run->renewed_us >= lease_us / 3))
        renew(run, now_us);
}
