/*
 * remote_parts.h -- inside of remote: one worker, and the job that it holds. Included only by remote.c and remote_files.c.
 *
 * Locks     mw_remotes.mutex guards the list and every field of a worker; a job's own mutex its files. No thread holds both.
 */
#ifndef MW_RUN_JOB_REMOTE_PARTS_H
#define MW_RUN_JOB_REMOTE_PARTS_H

#include "run/job/jobs.h"
#include "run/job/remote.h"

enum { MW_REMOTE_PATH_BYTES = 2048 };

/* Counted: a request may still read when the worker has been given up. */
struct mw_remote_job {
    _Atomic int refs;
    mw_jobs *jobs;
    mw_arena arena; /* of all texts */
    const char *org, *id, *kind, *payload, *work_path;
    atomic_bool over;      /* nothing is read or delivered any more */
    pthread_mutex_t mutex; /* guards the fields below */
    const char **inputs;   /* [n_inputs] by name; paths below the data folder that may be read */
    size_t n_inputs;
    mw_file *output; /* being delivered; NULL: none */
    char output_path[MW_REMOTE_PATH_BYTES];
    uint64_t output_at, output_bytes; /* of that file, of all files */
    int64_t n_outputs;
};

struct mw_remote {
    mw_remote *next;
    mw_jobs *jobs;
    int refs; /* of the list, and of who has taken it */
    char id[MW_REMOTE_ID_BYTES], name[128], who[128], folder[MW_REMOTE_FOLDER_BYTES];
    int threads;
    bool closed, left, taken;
    mw_buf in; /* from the worker, not yet read */
    uint64_t in_end;
    mw_buf out; /* for the worker, from offset out_begin on */
    uint64_t out_begin;
    void (*ready)(void *arg); /* somebody waits; NULL: nobody */
    void *ready_arg;
    int64_t ready_us, heard_us; /* monotonic: waits until, asked last at */
    mw_remote_job *job;         /* NULL: none */
};

/* The job that the worker holds; mw_remote__job_unref it. MW_ECONFLICT: it has none. */
mw_status mw_remote__job_of(mw_jobs *jobs, const char *id, const char *who, mw_remote_job **ret,
                            mw_err *err);
#endif
