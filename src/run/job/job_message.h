/*
 * job_message.h -- what the payloads of frames say, as JSON.
 *
 * Writers append the whole frame to `out`; check the buffer once at the end. Readers take the
 * payload, copy texts into the arena and refuse what does not fit (MW_EPARSE).
 */
#ifndef MW_RUN_JOB_JOB_MESSAGE_H
#define MW_RUN_JOB_JOB_MESSAGE_H

#include "core/base/log.h"
#include "core/text/json.h"
#include "run/job/frame.h"

typedef struct mw_work {
    const char *org, *id, *kind;
    const char *work_path; /* folder for files, made and removed by whoever gives the job */
    const char *files_from,
        *files_to; /* paths below the first lie below the second, and there are no others; NULL: as they are */
    int threads;          /* 0: one per core */
    int64_t memory_bytes; /* 0: no ceiling */
    uint64_t seed;
    int64_t heartbeat_us;   /* longest silence: a PROGRESS frame at least this often */
    mw_str payload_text;    /* writing: the job's payload as stored */
    const mw_json *payload; /* reading: the same, parsed */
} mw_work;

void mw_message_hello(mw_buf *out);
mw_status mw_message_read_hello(mw_str payload, mw_mem *mem, mw_err *err);

/* BACK: how many of the jobs that were sent last have not begun, and will not. */
void mw_message_back(mw_buf *out, int64_t n_jobs);
mw_status mw_message_read_back(mw_str payload, mw_mem *mem, int64_t *ret, mw_err *err);
void mw_message_work(mw_buf *out, const mw_work *work);
mw_status mw_message_read_work(mw_str payload, mw_arena *arena, mw_work *ret, mw_err *err);

typedef struct mw_progress_note {
    char stage[128];
    double share; /* [0, 1]; 0 when the total is unknown */
} mw_progress_note;

void mw_progress_note_set(mw_progress_note *note, const char *stage, double done, double total);
void mw_message_progress(mw_buf *out, const mw_progress_note *note);
mw_status mw_message_read_progress(mw_str payload, mw_mem *mem, mw_progress_note *ret, mw_err *err);

void mw_message_log(mw_buf *out, mw_log_level level, const char *text);
mw_status mw_message_read_log(mw_str payload, mw_arena *arena, mw_log_level *level,
                              const char **text, mw_err *err);

void mw_message_error(mw_buf *out, const mw_err *error);
mw_status mw_message_read_error(mw_str payload, mw_mem *mem, mw_err *ret, mw_err *err);

/* how: "was killed by signal 9 (Killed)": what a sentence about the worker goes on with. */
void mw_message_died(mw_buf *out, const char *how);
mw_status mw_message_read_died(mw_str payload, mw_mem *mem, char *how, size_t capacity,
                               mw_err *err);

/* Checks that a result is one JSON value. */
mw_status mw_message_check_result(mw_str payload, mw_mem *mem, mw_err *err);

#endif
