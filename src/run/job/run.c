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
#include "run/job/jobs.h"

enum {
    READ_BYTES = 65536,
    HELLO_LIMIT_US = 10000000, /* an executable that is no worker does not speak */
    LINGER_LIMIT_US = 5000000, /* after the answer */
    TERM_AFTER_US = 500000,    /* after CANCEL */
    KILL_AFTER_US = 1500000,
    NOTE_EVERY_US = 250000
};

static int64_t now_of(const mw_run *run) { return mw_clock_monotonic(run->ctx.clock); }

/* ---- start ---- */

static mw_status send_work(mw_run *run, mw_err *err) {
    const mw_jobs_options *options = &run->jobs->options;
    mw_buf path;
    mw_buf_init(&path, run->ctx.mem, 8192);
    mw_status status = mw_jobs__work_path(run->jobs, &run->job, &path, err);
    mw_work work = {.org = run->job.org,
                    .id = run->job.id,
                    .kind = run->job.kind,
                    .work_path = mw_buf_text(&path),
                    .threads = options->n_threads,
                    .memory_bytes = (int64_t)options->memory_bytes,
                    .seed = run->jobs->ctx.seed,
                    .heartbeat_us = run->jobs->lease_us / 4,
                    .payload_text = mw_str_of(run->job.payload)};
    if (status == MW_OK) mw_message_work(&run->outbox, &work);
    mw_buf_done(&path);
    return status == MW_OK ? mw_buf_status(&run->outbox, "a job", err) : status;
}

static mw_status start_process(mw_run *run, mw_err *err) {
    mw_jobs *jobs = run->jobs;
    if (!mw_jobs__kind(jobs, run->job.kind))
        return mw_fail(err, MW_EINTERNAL, "this program knows no job kind %s", run->job.kind);
    mw_status status = mw_jobs__work_dir(jobs, &run->ctx, &run->job, &run->work_dir, err);
    if (status == MW_OK) status = send_work(run, err);
    if (status == MW_OK)
        status = mw_process_start(jobs->executable, jobs->environment, &run->process, err);
    return status;
}

static mw_run *new_run(mw_jobs *jobs) {
    mw_run *run = mw_calloc(jobs->ctx.mem, 1, sizeof *run);
    if (!run) return NULL;
    run->jobs = jobs;
    mw_mem_init(&run->mem, jobs->ctx.mem, 0);
    run->ctx = jobs->ctx;
    run->ctx.mem = &run->mem;
    run->ctx.cancel = &run->cancel;
    run->ctx.progress = (mw_progress){0};
    run->process = (mw_process){.process_fd = -1, .to_fd = -1, .from_fd = -1, .status = -1};
    mw_arena_init(&run->arena, &run->mem);
    mw_frame_reader_init(&run->reader, &run->mem);
    const size_t frame_bytes = (size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD;
    mw_buf_init(&run->outbox, &run->mem, frame_bytes * 2);
    mw_buf_init(&run->result, &run->mem, frame_bytes);
    mw_progress_note_set(&run->note, "starting", 0, 0);
    return run;
}

void *mw_run__free(mw_run *run) {
    mw_process_done(&run->process);
    mw_dir_close(run->work_dir);
    mw_buf_done(&run->result);
    mw_buf_done(&run->outbox);
    mw_frame_reader_done(&run->reader);
    mw_arena_done(&run->arena);
    return mw_free(run);
}

/* ---- outcome ---- */

static void *ending_main(void *arg) {
    mw_run *run = arg;
    mw_err err;
    mw_job_state failed = run->canceled  ? MW_JOB_REVOKED
                          : run->drained ? MW_JOB_RETRY
                                         : MW_JOB_FAILURE;
    bool crashed = run->outcome == MW_EINTERNAL && !run->answered;
    if (failed == MW_JOB_FAILURE && crashed) failed = MW_JOB_RETRY; /* the store counts attempts */
    if (run->lost)
        mw_log_warn(&run->ctx, "the lease of the job was lost; nothing is recorded");
    else if (mw_jobs__conclude(run->jobs, &run->ctx, &run->job, run->outcome, &run->error, failed,
                               run->work_dir, &run->result, &err) == MW_OK)
        mw_log_info(&run->ctx, "%s done", run->job.kind);
    else
        mw_log_warn(&run->ctx, "%s failed: %s", run->job.kind, err.message);
    /* Not its own doing: the process died, or the server stops, or it was thought dead. */
    bool died = !run->canceled && (run->lost || crashed || (run->drained && run->outcome != MW_OK));
    if (died)
        mw_jobs__leave_work_dir(run->jobs, &run->ctx, &run->job);
    else
        mw_jobs__remove_work_dir(run->jobs, &run->ctx, &run->job);
    atomic_store(&run->ended, true);
    mw_jobs__poke(run->jobs);
    return NULL;
}

static void begin_ending(mw_run *run) {
    run->phase = MW_RUN_ENDING;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&run->thread, NULL, ending_main, run);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason == 0) return;
    /* No thread to be had: end it here, the other jobs wait meanwhile. */
    run->thread = pthread_self();
    ending_main(run);
}

mw_status mw_run__start(mw_jobs *jobs, mw_run **ret, mw_err *err) {
    mw_run *run = new_run(jobs);
    if (!run) return mw_fail_nomem(err, "a job");
    mw_status status = mw_store_job_claim(&jobs->ctx, jobs->options.store, &run->arena, NULL,
                                          jobs->holder, jobs->lease_us, &run->job, err);
    if (status != MW_OK) {
        mw_run__free(run);
        return status;
    }
    run->ctx.org = run->job.org;
    run->ctx.job_id = run->job.id;
    run->started_us = run->heard_us = run->renewed_us = now_of(run);
    run->outcome = start_process(run, &run->error);
    if (run->outcome == MW_OK) {
        mw_log_info(&run->ctx, "%s started in process %d", run->job.kind, (int)run->process.pid);
        mw_run__write(run);
    } else {
        run->answered = run->closed = true; /* a failure of ours: trying again will not help */
        begin_ending(run);
    }
    *ret = run;
    return MW_OK;
}

/* ---- frames ---- */

static void kill_for(mw_run *run, const char *reason) {
    if (run->killed || run->process.pid <= 0) return;
    run->killed = true;
    if (!run->canceled && !run->drained)
        mw_fail(&run->error, MW_EINTERNAL, "the worker %s while %s", reason, run->note.stage);
    mw_process_send_signal(&run->process, SIGKILL);
}

static void take_log(mw_run *run, mw_str payload) {
    mw_arena arena;
    mw_arena_init(&arena, &run->mem);
    mw_log_level level;
    const char *text;
    if (mw_message_read_log(payload, &arena, &level, &text, NULL) == MW_OK)
        mw_log_write(&run->ctx, level, "%s", text);
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
    return status;
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
    case MW_FRAME_BYE: return MW_OK;
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

void mw_run__read(mw_run *run) {
    char bytes[READ_BYTES];
    mw_err err;
    while (!run->closed) {
        ssize_t n = read(run->process.from_fd, bytes, sizeof bytes);
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
        kill_for(run, "broke the protocol");
        mw_log_error(&run->ctx, "worker protocol: %s", err.message);
    }
}

void mw_run__write(mw_run *run) {
    while (run->outbox.size > 0 && run->process.to_fd >= 0) {
        ssize_t n = write(run->process.to_fd, run->outbox.data, run->outbox.size);
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
    bool clean = exit_status < 0 || (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0);
    if (run->answered && clean && !run->killed) return;
    if (run->answered && run->outcome != MW_OK && !run->killed) return;
    run->answered = false;
    run->outcome = MW_EINTERNAL;
    if (run->killed || run->canceled || run->drained) return;
    char how[128];
    mw_process_describe(&run->process, how, sizeof how);
    mw_fail(&run->error, MW_EINTERNAL, "the worker %s while %s", how, run->note.stage);
    if (exit_status >= 0 && WIFSIGNALED(exit_status) && WTERMSIG(exit_status) == SIGKILL)
        mw_err_hint(&run->error, "the kernel may have run out of memory; see the system log");
    atomic_fetch_add(&run->jobs->n_crashes, 1);
    mw_log_error(&run->ctx, "%s", run->error.message);
}

/* A request to stop outranks an answer that has not been committed yet. */
static void judge_cancel(mw_run *run) {
    if (!run->canceled && !run->drained) return;
    if (run->drained && !run->canceled && run->answered && run->outcome == MW_OK) return;
    run->outcome = MW_ECANCELED;
    if (run->canceled) {
        mw_fail(&run->error, MW_ECANCELED, "canceled on request");
        return;
    }
    mw_fail(&run->error, MW_EINTERNAL, "the server was stopped while %s", run->note.stage);
    mw_err_hint(&run->error, "start it again");
}

void mw_run__exited(mw_run *run) {
    if (run->phase != MW_RUN_WORKING) return;
    pid_t pid = run->process.pid;
    if (!mw_process_reap(&run->process)) return;
    mw_run__read(run);         /* what it said last */
    (void)kill(-pid, SIGKILL); /* and whatever it left in its group */
    run->closed = true;
    judge_exit(run);
    judge_cancel(run);
    begin_ending(run);
}

/* ---- time ---- */

void mw_run__cancel(mw_run *run, bool drain) {
    if (drain ? run->drained : run->canceled) return;
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
        kill_for(run, "had to be killed");
    }
}

static void lose(mw_run *run) {
    run->lost = true;
    atomic_store(&run->cancel.requested, true);
    if (run->phase == MW_RUN_WORKING) kill_for(run, "lost its lease");
}

static void renew(mw_run *run, int64_t now_us) {
    bool canceled = false;
    mw_err err;
    mw_status status =
        mw_store_job_renew(&run->ctx, run->jobs->options.store, run->job.id, run->job.fence,
                           run->jobs->lease_us, run->note.share, run->note.stage, &canceled, &err);
    run->renewed_us = now_us;
    if (status == MW_OK) {
        run->note_is_new = false;
        if (canceled) mw_run__cancel(run, false);
    } else if (status == MW_ECONFLICT || status == MW_ENOTFOUND) {
        /* In the ending phase the job may have just become final: that is no loss. */
        if (run->phase == MW_RUN_WORKING) lose(run);
    } else {
        mw_log_warn(&run->ctx, "the lease is not renewed: %s", err.message);
    }
}

void mw_run__tick(mw_run *run, int64_t now_us) {
    const int64_t lease_us = run->jobs->lease_us;
    if (run->phase == MW_RUN_WORKING) {
        press_cancel(run, now_us);
        if (!run->hello && now_us - run->started_us > HELLO_LIMIT_US)
            kill_for(run, "did not start");
        if (now_us - run->heard_us > lease_us && now_us - run->started_us > lease_us && run->hello)
            kill_for(run, "stopped answering");
        if (run->answered && now_us - run->answered_us > LINGER_LIMIT_US)
            kill_for(run, "did not end after its answer,");
        if (run->killed) return;
    }
    bool heard = run->phase == MW_RUN_ENDING || run->heard_us > run->renewed_us || !run->hello;
    if ((run->note_is_new && now_us - run->renewed_us >= NOTE_EVERY_US) ||
        (heard && now_us - run->renewed_us >= lease_us / 3))
        renew(run, now_us);
}
