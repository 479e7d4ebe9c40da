/*
 * frame.h -- the framed protocol between a server and its workers, byte for byte.
 *
 * What      each frame is an eight-byte head and a payload:
 *             'M' 'W'  version (1)  type  length (u32, little-endian)  payload [length]
 *           Payloads are JSON (job_message.h). The bytes are the same over a pipe and over HTTP.
 * Reader    mw_frame_reader_init -> (mw_frame_feed -> mw_frame_next*)* -> mw_frame_reader_done. A
 * length over MW_LIMIT(FRAME_BYTES) is refused as soon as the head is there, before memory is
 * taken. Memory    the reader holds at most one frame and what was fed after it. Contract
 * docs/formats/worker-protocol.md
 */
#ifndef MW_RUN_JOB_FRAME_H
#define MW_RUN_JOB_FRAME_H

#include "core/base/str.h"

/*   name     number  sent by */
#define MW_FRAME_MAP(X)                                                   \
    X(HELLO, 1, "worker: protocol and program version")                   \
    X(WORK, 2, "server: one job")                                         \
    X(PROGRESS, 3, "worker: stage and share done; also the sign of life") \
    X(LOG, 4, "worker: one log message")                                  \
    X(RESULT, 5, "worker: the job's result, any JSON value")              \
    X(ERROR, 6, "worker: why the job failed")                             \
    X(CANCEL, 7, "server: stop soon")                                     \
    X(BYE, 8, "worker: nothing follows")                                  \
    X(IDLE, 9, "worker: ready for another job of the same organization")  \
    X(DIED, 10, "a worker's host: its process died, or could not begin")  \
    X(RECALL, 11, "server: give back what has not begun")                 \
    X(BACK, 12, "worker: how many jobs it has given back")

typedef enum mw_frame_type {
#define MW_X(name, number, sender) MW_FRAME_##name = (number),
    MW_FRAME_MAP(MW_X)
#undef MW_X
} mw_frame_type;

enum { MW_FRAME_VERSION = 1, MW_FRAME_HEAD = 8 };

typedef struct mw_frame {
    mw_frame_type type;
    mw_str payload; /* borrowed from the reader until its next call */
} mw_frame;

const char *mw_frame_name(mw_frame_type type); /* "HELLO", or "?" */

/* Appends one frame; too large a payload fails the buffer (MW_ETOOLARGE). */
void mw_frame_write(mw_buf *out, mw_frame_type type, mw_str payload);

typedef struct mw_frame_reader {
    mw_buf bytes;
    size_t used; /* of the frame last handed out, dropped at the next call */
} mw_frame_reader;

void mw_frame_reader_init(mw_frame_reader *reader, mw_mem *mem);
void mw_frame_reader_done(mw_frame_reader *reader);

/* Takes bytes as they arrive, in any pieces. At most 1 MiB at a time. MW_ENOMEM, MW_ETOOLARGE. */
mw_status mw_frame_feed(mw_frame_reader *reader, const void *data, size_t size, mw_err *err);

/* *got false: more bytes are needed. MW_EPARSE: not this protocol, or another version of it;
 * MW_ETOOLARGE: a frame over the limit. After an error the reader is of no further use. */
mw_status mw_frame_next(mw_frame_reader *reader, mw_frame *ret, bool *got, mw_err *err);

/* Bytes of an unfinished frame that have arrived. */
size_t mw_frame_pending(const mw_frame_reader *reader);

#endif
