/*
 * host_parts.h -- inside of host: a slot and its talk with the server. Included only by host*.c.
 *
 * Threads   a slot's thread has the slot; its listener only waits for the server's bytes and puts them into `inbox`, under the mutex.
 */
#ifndef MW_RUN_JOB_HOST_PARTS_H
#define MW_RUN_JOB_HOST_PARTS_H

#include <pthread.h>

#include "core/base/dir.h"
#include "core/base/log.h"
#include "keep/net/net_client.h"
#include "run/job/host.h"
#include "run/job/job_message.h"
#include "run/job/process.h"
#include "run/job/remote.h"

struct mw_host_slot;

struct mw_host {
    mw_ctx ctx;
    mw_host_options options;
    char *executable, *folder; /* folder: absolute */
    char **environment;
    char name[64]; /* of this machine */
    mw_dir *data, *cache, *slots_dir;
    int lock_fd;
    mw_net *net;
    mw_cancel stop; /* of all requests; set by mw_host_stop */
    pthread_mutex_t stop_mutex;
    pthread_cond_t stop_wake;   /* of who rests */
    pthread_mutex_t mutex;      /* one at a time looks through the cache */
    struct mw_host_slot *slots; /* [n_slots] */
    int n_slots;
};

typedef struct mw_host_slot {
    mw_host *host;
    int number; /* from 1 */
    mw_ctx ctx;
    char folder[MW_REMOTE_FOLDER_BYTES], name[128];
    mw_dir *dir;
    pthread_t thread;
    bool started;

    /* As long as the server knows it. */
    char id[MW_REMOTE_ID_BYTES];
    int64_t lease_us;
    _Atomic int64_t heard_us; /* monotonic: the server last answered */
    atomic_bool gone;         /* it knows the slot no more, or was silent for a lease */
    uint64_t sent;            /* bytes of frames */
    mw_frame_reader reader;
    pthread_t listener;
    mw_cancel stop_listening;
    int event_fd; /* something is in the inbox, or it is gone */
    pthread_mutex_t mutex;
    mw_buf inbox;

    /* The process, and for whom it has worked: "" is nobody. */
    mw_process process;
    mw_frame_reader from_process;
    char process_org[72];
    bool hello;

    /* The job. */
    char job_id[32], org[72];
    bool canceled;
    mw_progress_note note;
    int64_t noted_us; /* monotonic: PROGRESS was last sent */
} mw_host_slot;

/* What a slot's request came to. */
typedef enum mw_host_outcome {
    MW_HOST_DONE,    /* answered */
    MW_HOST_REFUSED, /* err says why; asking again does not help */
    MW_HOST_GONE /* the slot is known no more, the server has been away too long, or the host stops */
} mw_host_outcome;

/* host_talk.c: method and the path behind /workers, "" or "/{id}/frames?at=7"; type of the body; repeated until the server has answered. answer: give it to
 * mw_net_answer_done when DONE; NULL: not wanted. */
mw_host_outcome mw_host__ask(mw_host_slot *slot, const char *method, const char *path,
                             const char *type, mw_str body, mw_net_answer *answer, mw_err *err);
/* Sends frames and empties the buffer. */
mw_host_outcome mw_host__send(mw_host_slot *slot, mw_buf *frames, mw_err *err);
/* PROGRESS when it is time for one, with what has come from the server looked at first. */
mw_host_outcome mw_host__note(mw_host_slot *slot, const char *stage, double done, double total,
                              mw_err *err);
/* Frames that have come; WORK is left for the slot. */
mw_status mw_host__look(mw_host_slot *slot, mw_frame *ret, bool *got, mw_err *err);
mw_host_outcome mw_host__offer(mw_host_slot *slot, mw_err *err);
void mw_host__leave(mw_host_slot *slot);
void mw_host__rest(mw_host_slot *slot, int64_t wait_us); /* or until the host stops */
bool mw_host__stops(const mw_host_slot *slot);           /* the slot's job must not go on */
void mw_host__escape(mw_str text, mw_buf *out);          /* for a query */

/* host_files.c. REFUSED: the job cannot be done with what the server says. An error of this host's own disk is REFUSED with *own set. */
mw_host_outcome mw_host__fetch(mw_host_slot *slot, bool *own, mw_err *err);
mw_host_outcome mw_host__deliver(mw_host_slot *slot, bool *own, mw_err *err);
void mw_host__tidy_cache(mw_host *host);

#endif
