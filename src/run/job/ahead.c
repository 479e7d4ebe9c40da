/*
 * ahead.c -- light jobs of one claim, sent to their process before those in front of them are answered.
 *
 *      0 ... at ... n_sent ... n
 *   ended |  with the worker | still here
 *
 * The worker takes them in their order, so the first one without an answer is the one that is at work. As long as it is the only one, a run
 * is as any other; before anything else is done to a run (cancel, drain, a job that takes long), the others are called back. Whatever the
 * worker has not begun then comes back as a number of jobs, counted from the end, and waits in the store again: no attempt of theirs.
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/job/jobs.h"

enum {
    WINDOW = 64,            /* jobs with a worker */
    OUTBOX_BYTES = 1 << 17, /* that it has not read yet */
    SLOW_US = 100000,
    BACK_LIMIT_US = 2000000
};

static int64_t now_of(const mw_run *run) { return mw_clock_monotonic(run->ctx.clock); }

bool mw_ahead__has(const mw_run *run) {
    return run->light && (run->ahead.n > run->ahead.at + 1 || run->ahead.recalled);
}

mw_status mw_ahead__fill(mw_run *run, mw_err *err) {
    mw_ahead *ahead = &run->ahead;
    mw_status status = MW_OK;
    while (status == MW_OK && ahead->n_sent < ahead->n && ahead->n_sent - ahead->at < WINDOW &&
           run->outbox.size < OUTBOX_BYTES)
        status = mw_run__send_work(run, &ahead->jobs[ahead->n_sent++], err);
    return status;
}

/* From `from` on they wait in the store again. */
static void give_back(mw_run *run, size_t from) {
    mw_ahead *ahead = &run->ahead;
    mw_err err;
    for (size_t i = from; i < ahead->n; i++)
        if (mw_ends_add(run->jobs->ends, &ahead->jobs[i], MW_JOB_RETRY, NULL, run->started_us,
                        &err) != MW_OK)
            mw_log_warn(&run->ctx, "job %s waits until its lease ends: %s", ahead->jobs[i].id,
                        err.message);
    if (ahead->n > from) ahead->n = from;
    if (ahead->n_sent > from) ahead->n_sent = from;
}

static mw_status hand_in(mw_run *run, mw_err *err) {
    const bool good = run->outcome == MW_OK;
    mw_buf json;
    mw_buf_init(&json, &run->mem, (size_t)MW_LIMIT(LIGHT_JOB_BYTES));
    mw_status status = good ? MW_OK : mw_store_error_json(&json, &run->error, err);
    if (status == MW_OK)
        status = mw_ends_add(run->jobs->ends, &run->job, good ? MW_JOB_SUCCESS : MW_JOB_FAILURE,
                             mw_buf_text(good ? &run->result : &json), run->started_us, err);
    mw_buf_done(&json);
    return status;
}

static void go_on(mw_run *run) {
    mw_ahead *ahead = &run->ahead;
    run->job = ahead->jobs[++ahead->at];
    run->ctx.job_id = run->job.id;
    ahead->at_us = run->started_us = now_of(run); /* its time limit counts from here */
    run->answered = run->begun = false;
    run->was_ready = true;
    run->outcome = MW_OK;
    mw_buf_clear(&run->result);
    mw_buf_clear(&run->log);
    run->n_log_lines = 0;
    run->log_is_new = run->note_is_new = false;
}

mw_status mw_ahead__answered(mw_run *run, mw_err *err) {
    mw_ahead *ahead = &run->ahead;
    if ((int64_t)run->result.size > MW_LIMIT(LIGHT_JOB_BYTES))
        run->outcome = mw_fail(&run->error, MW_ETOOLARGE,
                               "the result of this kind of job is larger than %lld bytes",
                               (long long)MW_LIMIT(LIGHT_JOB_BYTES));
    mw_status status = hand_in(run, err);
    if (status != MW_OK) return status;
    if (ahead->n > ahead->at + 1) {
        go_on(run);
        return mw_ahead__fill(run, err);
    }
    run->recorded = true;
    int32_t *most = &run->jobs->light_most;
    if (ahead->n == (size_t)*most && *most < MW_STORE_CLAIM_MOST) *most *= 2;
    return MW_OK;
}

void mw_ahead__recall(mw_run *run) {
    mw_ahead *ahead = &run->ahead;
    if (ahead->recalled) return;
    give_back(run, ahead->n_sent);
    if (ahead->n <= ahead->at + 1) return;
    ahead->recalled = true;
    ahead->recalled_us = now_of(run);
    mw_frame_write(&run->outbox, MW_FRAME_RECALL, (mw_str){"", 0});
    mw_run__write(run);
}

mw_status mw_ahead__back(mw_run *run, mw_str payload, mw_err *err) {
    mw_ahead *ahead = &run->ahead;
    int64_t n = -1;
    mw_status status = mw_message_read_back(payload, &run->mem, &n, err);
    if (status != MW_OK) return status;
    const size_t n_open = ahead->n_sent - ahead->at - (run->recorded ? 1 : 0);
    if (!ahead->recalled || n < 0 || (size_t)n > n_open)
        return mw_fail(err, MW_EPARSE, "a worker cannot give %lld jobs back", (long long)n);
    ahead->recalled = false;
    give_back(run, ahead->n_sent - (size_t)n);
    run->jobs->look = true; /* what it was called back for */
    if (ahead->n > ahead->at) return MW_OK;
    run->answered = run->recorded = run->idle = true; /* not even the next one had begun */
    run->answered_us = now_of(run);
    return MW_OK;
}

void mw_ahead__give_up(mw_run *run) {
    if (!run->light) return;
    run->ahead.recalled = false;
    give_back(run, run->ahead.at + 1);
    if (!run->bye || run->begun || run->answered) return;
    give_back(run, run->ahead.at); /* it ended as it said, before this one */
    run->answered = run->recorded = true;
}

void mw_ahead__tick(mw_run *run, int64_t now_us) {
    mw_ahead *ahead = &run->ahead;
    const int64_t lease_us = run->jobs->lease_us;
    const int64_t slow_us = lease_us / 4 < SLOW_US ? lease_us / 4 : SLOW_US;
    if (ahead->recalled && now_us - ahead->recalled_us > BACK_LIMIT_US)
        mw_run__kill(run, "gave no jobs back");
    if (!mw_ahead__has(run) || ahead->recalled || now_us - ahead->at_us < slow_us) return;
    run->jobs->light_most = ahead->at > 1 ? (int32_t)ahead->at : 1;
    mw_ahead__recall(run);
}
