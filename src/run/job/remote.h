/*
 * remote.h -- workers on other hosts, as a server sees them: capacity that is offered to its job manager.
 *
 * What      a worker opens itself here and is idle; the manager gives it a job as it does to a process of its own and reads its frames
 *           (frame.h). The bytes go both ways through requests that the worker makes; each stream has offsets, so a request that was cut is
 *           made again and nothing is lost or doubled. Files go in pieces of MW_LIMIT(REMOTE_PIECE_BYTES).
 * Lifetime  mw_remote_open -> (mw_remote_wait -> mw_remote_receive | mw_remote_send | files)* -> mw_remote_close, or silence for a lease
 * Files     while it holds a job a worker gets the files that the job's kind says it reads (mw_job_kind.reads), only below the folders of the job's
 *           organization and never through a link; and it delivers into the job's work folder until it has answered.
 * Threads   any; no call waits for a worker. Whoever opened a worker (`who`) is the only one who may call for it.
 * Errors    MW_ENOTFOUND: no such worker (it was given up: open another one); MW_ECONFLICT: an offset or a file that does not follow, a job that
 *           is over, another version of the program.
 */
#ifndef MW_RUN_JOB_REMOTE_H
#define MW_RUN_JOB_REMOTE_H

#include "core/base/hash.h"
#include "run/job/job.h"

enum { MW_REMOTE_ID_BYTES = 33, MW_REMOTE_TAG_BYTES = 64, MW_REMOTE_FOLDER_BYTES = 1024 };

typedef struct mw_remote_offer {
    const char *who;     /* the principal that asks */
    const char *program; /* version; another one than ours is refused */
    const char *name;    /* for people: host and number */
    const char *
        folder; /* of the worker, on its host: the job finds its files in folder/in and its work folder in folder/work */
    int threads; /* for a job; 0: one per core of that host */
} mw_remote_offer;

mw_status mw_remote_open(mw_jobs *jobs, const mw_remote_offer *offer,
                         char ret_id[MW_REMOTE_ID_BYTES], mw_err *err);
/* It leaves. Its job, if it has one, waits again, and that was no attempt. */
mw_status mw_remote_close(mw_jobs *jobs, const char *id, const char *who, mw_err *err);
/* The server stops: all leave, so to speak, and none can come. */
void mw_remote_stop(mw_jobs *jobs);

int64_t mw_jobs_lease_us(const mw_jobs *jobs);
/* How long mw_remote_wait waits: a worker that asks again at once is never taken for silent. */
int64_t mw_remote_wait_us(const mw_jobs *jobs);

/* Bytes of frames from the worker; `at`: how many it has sent before them. *ret_at: how many have come. MW_EBUSY: the manager has yet to read. */
mw_status mw_remote_send(mw_jobs *jobs, const char *id, const char *who, uint64_t at, mw_str bytes,
                         uint64_t *ret_at, mw_err *err);
/* True: there is nothing for the worker yet, and ready(arg) is called once when there is, or mw_remote_wait_us is over, or another call waits;
 * from any thread, perhaps before this returns. False: it is not called. */
bool mw_remote_wait(mw_jobs *jobs, const char *id, const char *who, uint64_t at,
                    void (*ready)(void *arg), void *arg);
/* Appends bytes of frames for the worker from offset `at` on, one piece at most; those before have been read and are forgotten. */
mw_status mw_remote_receive(mw_jobs *jobs, const char *id, const char *who, uint64_t at,
                            mw_buf *out, mw_err *err);

/* Appends {"job_id", "org", "files": [{"path", "bytes", "tag"} | {"path", "content"}]}: paths below the data folder; a file with another tag is another file, and a tag
 * that begins with "h" is the same everywhere. May read many files. */
mw_status mw_remote_inputs(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                           mw_buf *out, mw_err *err);
/* Appends the 32 digits of the piece's hash (mw_hash128), then the piece. MW_ECONFLICT: the file has another tag now. */
mw_status mw_remote_read_file(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                              const char *path, const char *tag, uint64_t at, mw_buf *out,
                              mw_err *err);

typedef struct mw_remote_piece {
    const char *path; /* below the work folder */
    uint64_t at;      /* 0: the file begins anew */
    mw_str bytes;
    const char *hash; /* of bytes */
    bool last;        /* the file is whole; it is on disk when this returns */
} mw_remote_piece;

/* *ret_at: bytes of the file that have come. */
mw_status mw_remote_write_output(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                                 const mw_remote_piece *piece, uint64_t *ret_at, mw_err *err);

/* ---- for the manager and its runs ---- */

typedef struct mw_remote mw_remote;
typedef struct mw_remote_job mw_remote_job;

bool mw_remote__any_idle(mw_jobs *jobs);
int mw_remote__count(mw_jobs *jobs);
/* An idle worker, or NULL; it is the caller's until mw_remote__done. */
mw_remote *mw_remote__take(mw_jobs *jobs);
/* It works for this job now; mw_remote__job_unref *ret. */
mw_status mw_remote__begin(mw_remote *remote, const mw_job_record *job, const char *work_path,
                           mw_remote_job **ret, mw_err *err);
void mw_remote__end_files(
    mw_remote_job *job); /* waits for who delivers; nothing is delivered afterwards */
void *mw_remote__job_unref(mw_remote_job *job); /* NULL is allowed; returns NULL */
/* It goes on with another job, for whomever. */
void mw_remote__give(mw_remote *remote);
void *mw_remote__done(mw_remote *remote); /* it is told to stop, if it has not been given back */
void mw_remote__kill(mw_remote *remote);  /* the same, but it stays the caller's */
bool mw_remote__ended(mw_remote *remote); /* and all it said has been read */
bool mw_remote__left(mw_remote *remote);  /* it went by itself, or the server stops */
const char *mw_remote__name(const mw_remote *remote);
const char *mw_remote__folder(const mw_remote *remote);
int mw_remote__threads(const mw_remote *remote);
/* As read and write of a descriptor that does not block. */
ssize_t mw_remote__read(mw_remote *remote, void *data, size_t size);
ssize_t mw_remote__write(mw_remote *remote, const void *data, size_t size);
void mw_remote__tick(mw_jobs *jobs, int64_t now_us);
void mw_remote__free_all(mw_jobs *jobs);

#endif
